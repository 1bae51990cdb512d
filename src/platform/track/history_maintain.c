/* SPDX-License-Identifier: GPL-3.0-or-later */
/* history_maintain.c -- keeping the history small: ticks into chunks, chunks thinned, the old
 * forgotten.
 *
 * Every step can be cut off at any moment and done again: a chunk's key is decided by its first
 * tick, so doing an hour twice writes the same rows, and readers skip samples they have seen. A
 * call does at most one step of each kind, in transactions of a few hundred rows, so that other
 * writers never wait long.
 */
#include "platform/track/history_internal.h"

#include <stdlib.h>
#include <string.h>

enum { TICKS_MAX = 512 };
#define SCRATCH_BYTES_MAX (64u * 1024u * 1024u)

/* ------------------------------------------------------------------ samples */

err history_samples_add(struct history_samples *s, struct history_sample sample)
{
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 256;
        struct history_sample *items = NEW_ARRAY(s->keep, struct history_sample, room);
        ARENA_TRY(items);
        if (s->count)
            memcpy(items, s->items, s->count * sizeof *items);
        s->items = items;
        s->room = room;
    }
    s->items[s->count++] = sample;
    return OK;
}

/* Appends what is newer than the last one and not after to_ms. Of what is at or before from_ms, the
 * last one stays. */
static err chunk_add(str data, int64_t start_ms, int64_t from_ms, int64_t to_ms,
                     struct history_samples *out)
{
    struct history_chunk_reader r = history_chunk_read(data);
    struct history_sample s;
    while (history_chunk_next(&r, &s) && s.ts_ms <= to_ms) {
        if (out->count == 0)
            out->begins_carried = s.ts_ms < start_ms;
        if (out->count && s.ts_ms <= out->items[out->count - 1].ts_ms)
            continue;
        if (out->count && s.ts_ms <= from_ms)
            out->count--;
        TRY(history_samples_add(out, s));
    }
    return OK;
}

err history_chunks_read(struct store_read *rd, int64_t series_id, int64_t from_ms, int64_t to_ms,
                        struct history_samples *out)
{
    struct store_rows *rows;
    TRY(store_query(
        rd,
        "SELECT data, start_ms FROM history_chunks WHERE series_id = ?1 AND start_ms <= ?3"
        " AND start_ms >= COALESCE((SELECT MAX(c.start_ms) FROM history_chunks c"
        " WHERE c.series_id = ?1 AND c.start_ms <= ?2), 0) ORDER BY start_ms",
        ARGS(sql_int(series_id), sql_int(from_ms), sql_int(to_ms)), &rows));
    err e = OK;
    while (!e.code && store_next(rows))
        e = chunk_add(store_col_blob(rows, 0), store_col_int(rows, 1), from_ms, to_ms, out);
    return err_first(e, store_rows_close(rows));
}

/* ------------------------------------------------------------------ ticks of an hour into chunks
 */

struct tick {
    int64_t ts_ms;
    str entries;
};

struct compaction {
    struct history *h;
    arena memory, slice_memory;
    struct history_sessions sessions;
    struct tick ticks[TICKS_MAX];
    size_t tick_count;
    int64_t now_ms;
    int64_t *ids; /* series in these ticks, ascending */
    size_t id_count;
    /* the slice at hand */
    size_t first, count;
    size_t *starts; /* count + 1: where the samples of each begin */
    struct history_sample *samples;
};

static err ticks_read(struct store_read *rd, void *arg)
{
    struct compaction *c = arg;
    struct store_rows *rows;
    int64_t oldest = 0;

    c->tick_count = 0;
    TRY(store_get_int(rd, "SELECT COALESCE(MIN(ts_ms), 0) FROM history_ticks", NO_ARGS, &oldest));
    int64_t hour_end = (oldest / HISTORY_HOUR_MS + 1) * HISTORY_HOUR_MS;
    if (oldest == 0 || hour_end > c->now_ms)
        return OK;
    TRY(history_sessions_read(rd, c->h->session_id, oldest - HISTORY_DAY_MS, &c->memory,
                              &c->sessions));
    TRY(store_query(rd,
                    "SELECT ts_ms, entries FROM history_ticks WHERE ts_ms < ?1 ORDER BY ts_ms"
                    " LIMIT ?2",
                    ARGS(sql_int(hour_end), sql_int(TICKS_MAX)), &rows));
    while (c->tick_count < TICKS_MAX && store_next(rows))
        c->ticks[c->tick_count++] = (struct tick){
            store_col_int(rows, 0),
            arena_str(&c->memory, store_col_blob(rows, 1)),
        };
    TRY(store_rows_close(rows));
    return arena_check(&c->memory);
}

/* Merges the ids of one tick, which ascend, into those found so far. */
static err ids_merge(struct compaction *c, str entries)
{
    struct history_tick_reader r = history_tick_read(entries);
    struct history_entry entry;
    size_t new_count = 0;
    while (history_tick_next(&r, &entry))
        new_count++;
    int64_t *merged = malloc((c->id_count + new_count + 1) * sizeof *merged);
    if (!merged)
        return ERR(ERR_NO_MEMORY, "packing the history of metrics: out of memory");

    size_t i = 0, n = 0;
    r = history_tick_read(entries);
    while (history_tick_next(&r, &entry)) {
        while (i < c->id_count && c->ids[i] < entry.series_id)
            merged[n++] = c->ids[i++];
        if (i < c->id_count && c->ids[i] == entry.series_id)
            i++;
        merged[n++] = entry.series_id;
    }
    while (i < c->id_count)
        merged[n++] = c->ids[i++];
    free(c->ids);
    c->ids = merged;
    c->id_count = n;
    return OK;
}

/* Index of an id in the slice, or -1. */
static ptrdiff_t slice_index(const struct compaction *c, int64_t id)
{
    size_t low = c->first, high = c->first + c->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (c->ids[mid] < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->first + c->count && c->ids[low] == id ? (ptrdiff_t)(low - c->first) : -1;
}

/* Sorts the samples of the slice by series: counts, then places. */
static err slice_gather(struct compaction *c)
{
    struct history_entry entry;

    c->starts = NEW_ARRAY(&c->slice_memory, size_t, c->count + 1);
    size_t *next = NEW_ARRAY(&c->slice_memory, size_t, c->count + 1);
    ARENA_TRY(c->starts && next);
    for (size_t t = 0; t < c->tick_count; t++) {
        struct history_tick_reader r = history_tick_read(c->ticks[t].entries);
        while (history_tick_next(&r, &entry)) {
            ptrdiff_t at = slice_index(c, entry.series_id);
            if (at >= 0)
                c->starts[at + 1]++;
        }
    }
    for (size_t i = 0; i < c->count; i++) {
        c->starts[i + 1] += c->starts[i];
        next[i] = c->starts[i];
    }
    c->samples = NEW_ARRAY(&c->slice_memory, struct history_sample, c->starts[c->count]);
    ARENA_TRY(c->samples);
    for (size_t t = 0; t < c->tick_count; t++) {
        struct history_tick_reader r = history_tick_read(c->ticks[t].entries);
        while (history_tick_next(&r, &entry)) {
            ptrdiff_t at = slice_index(c, entry.series_id);
            if (at >= 0)
                c->samples[next[at]++] = (struct history_sample){ c->ticks[t].ts_ms, entry.value };
        }
    }
    return OK;
}

/* The last sample before `before_ms`, when it is of the same session as `first`. */
static err carried_read(struct store_read *rd, struct compaction *c, int64_t id, int64_t before_ms,
                        const struct history_sample *first, struct history_sample *ret_sample,
                        bool *ret_found)
{
    struct store_rows *rows;
    struct history_sample s, last = { 0 };
    bool found = false;

    TRY(store_query(rd,
                    "SELECT data FROM history_chunks WHERE series_id = ?1 AND start_ms < ?2"
                    " ORDER BY start_ms DESC LIMIT 1",
                    ARGS(sql_int(id), sql_int(before_ms)), &rows));
    if (store_next(rows)) {
        struct history_chunk_reader r = history_chunk_read(store_col_blob(rows, 0));
        while (history_chunk_next(&r, &s) && s.ts_ms < before_ms) {
            last = s;
            found = true;
        }
    }
    TRY(store_rows_close(rows));
    const struct history_session *session = history_session_at(&c->sessions, first->ts_ms);
    *ret_found = found && session && session == history_session_at(&c->sessions, last.ts_ms);
    *ret_sample = last;
    return OK;
}

static err chunk_put(struct store_tx *tx, int64_t id, int64_t start_ms, int level,
                     const struct buf *data)
{
    TRY(buf_check(data));
    return store_exec(tx,
                      "INSERT INTO history_chunks (series_id, start_ms, level, data)"
                      " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (series_id, start_ms)"
                      " DO UPDATE SET level = excluded.level, data = excluded.data",
                      ARGS(sql_int(id), sql_int(start_ms), sql_int(level), sql_blob(buf_str(data))),
                      NULL);
}

static err slice_fn(struct store_tx *tx, void *arg)
{
    struct compaction *c = arg;
    int64_t start_ms = c->ticks[0].ts_ms;
    struct buf data;
    err e = OK;

    buf_init(&data, HISTORY_CHUNK_BYTES_MAX);
    for (size_t i = 0; !e.code && i < c->count; i++) {
        const struct history_sample *own = &c->samples[c->starts[i]];
        size_t own_count = c->starts[i + 1] - c->starts[i];
        struct history_sample all[TICKS_MAX + 1];
        size_t count = 0;
        bool carried;
        e = carried_read(store_tx_read(tx), c, c->ids[c->first + i], start_ms, own, &all[0],
                         &carried);
        if (e.code)
            break;
        count = carried ? 1 : 0;
        memcpy(&all[count], own, own_count * sizeof *own);
        count += own_count;
        buf_clear(&data);
        history_chunk_write(&data, all, count);
        e = chunk_put(tx, c->ids[c->first + i], start_ms, 1, &data);
    }
    buf_deinit(&data);
    return e;
}

static err ticks_forget(struct store_tx *tx, void *arg)
{
    const struct compaction *c = arg;
    return store_exec(tx, "DELETE FROM history_ticks WHERE ts_ms <= ?1",
                      ARGS(sql_int(c->ticks[c->tick_count - 1].ts_ms)), NULL);
}

static err compact(struct history *h, int64_t now_ms)
{
    struct compaction *c = calloc(1, sizeof *c);
    if (!c)
        return ERR(ERR_NO_MEMORY, "packing the history of metrics: out of memory");
    c->h = h;
    c->now_ms = now_ms;
    arena_init(&c->memory, SCRATCH_BYTES_MAX);
    arena_init(&c->slice_memory, SCRATCH_BYTES_MAX);

    err e = store_read(h->store, ticks_read, c);
    for (size_t t = 0; !e.code && t < c->tick_count; t++)
        e = ids_merge(c, c->ticks[t].entries);
    for (c->first = 0; !e.code && c->first < c->id_count; c->first += c->count) {
        size_t left = c->id_count - c->first;
        c->count = left < HISTORY_SLICE ? left : HISTORY_SLICE;
        e = slice_gather(c);
        if (!e.code)
            e = store_write(h->store, slice_fn, c);
        arena_reset(&c->slice_memory);
    }
    if (!e.code && c->tick_count)
        e = store_write(h->store, ticks_forget, c);
    free(c->ids);
    arena_deinit(&c->slice_memory);
    arena_deinit(&c->memory);
    free(c);
    return e;
}

/* ------------------------------------------------------------------ thinning of old days */

struct thinning {
    struct history *h;
    arena memory;
    int64_t before_ms; /* days that ended before this */
    struct history_sessions sessions;
    size_t count;
    struct thin_series {
        int64_t id, start_ms, day_ms;
        bool is_counter;
        struct history_samples samples;
    } series[HISTORY_THIN_BATCH];
};

static err thin_read(struct store_read *rd, void *arg)
{
    struct thinning *t = arg;
    struct store_rows *rows;

    t->count = 0;
    TRY(store_query(rd,
                    "SELECT c.series_id, MIN(c.start_ms), s.name FROM history_chunks c"
                    " JOIN history_series s ON s.id = c.series_id"
                    " WHERE c.level = 1 AND c.start_ms < ?1 GROUP BY c.series_id, s.name LIMIT ?2",
                    ARGS(sql_int(t->before_ms), sql_int(HISTORY_THIN_BATCH)), &rows));
    int64_t oldest_ms = INT64_MAX;
    while (t->count < HISTORY_THIN_BATCH && store_next(rows)) {
        struct thin_series *s = &t->series[t->count++];
        *s = (struct thin_series){ .id = store_col_int(rows, 0),
                                   .start_ms = store_col_int(rows, 1),
                                   .is_counter = history_is_counter(store_col_text(rows, 2)),
                                   .samples.keep = &t->memory };
        s->day_ms = s->start_ms / HISTORY_DAY_MS * HISTORY_DAY_MS;
        oldest_ms = s->start_ms < oldest_ms ? s->start_ms : oldest_ms;
    }
    TRY(store_rows_close(rows));
    if (t->count == 0)
        return OK;
    TRY(history_sessions_read(rd, t->h->session_id, oldest_ms - 2 * HISTORY_DAY_MS, &t->memory,
                              &t->sessions));
    for (size_t i = 0; i < t->count; i++) {
        struct thin_series *s = &t->series[i];
        err e = OK;
        TRY(store_query(
            rd,
            "SELECT data, start_ms FROM history_chunks WHERE series_id = ?1 AND start_ms >= ?2"
            " AND start_ms < ?3 ORDER BY start_ms",
            ARGS(sql_int(s->id), sql_int(s->start_ms), sql_int(s->day_ms + HISTORY_DAY_MS)),
            &rows));
        while (!e.code && store_next(rows))
            e = chunk_add(store_col_blob(rows, 0), store_col_int(rows, 1), INT64_MIN, INT64_MAX,
                          &s->samples);
        e = err_first(e, store_rows_close(rows));
        if (e.code)
            return e;
        s->samples.count = history_thin(s->samples.items, s->samples.count, s->start_ms,
                                        s->is_counter, &t->sessions);
    }
    return OK;
}

static err thin_fn(struct store_tx *tx, void *arg)
{
    struct thinning *t = arg;
    struct buf data;
    err e = OK;

    buf_init(&data, HISTORY_CHUNK_BYTES_MAX);
    for (size_t i = 0; !e.code && i < t->count; i++) {
        const struct thin_series *s = &t->series[i];
        e = store_exec(
            tx,
            "DELETE FROM history_chunks WHERE series_id = ?1 AND start_ms >= ?2"
            " AND start_ms < ?3",
            ARGS(sql_int(s->id), sql_int(s->start_ms), sql_int(s->day_ms + HISTORY_DAY_MS)), NULL);
        buf_clear(&data);
        history_chunk_write(&data, s->samples.items, s->samples.count);
        if (!e.code)
            e = chunk_put(tx, s->id, s->start_ms, 2, &data);
    }
    buf_deinit(&data);
    return e;
}

static err thin(struct history *h, int64_t now_ms)
{
    struct thinning *t = calloc(1, sizeof *t);
    if (!t)
        return ERR(ERR_NO_MEMORY, "thinning the history of metrics: out of memory");
    t->h = h;
    t->before_ms = (now_ms - HISTORY_RAW_MS) / HISTORY_DAY_MS * HISTORY_DAY_MS;
    arena_init(&t->memory, SCRATCH_BYTES_MAX);
    err e = store_read(h->store, thin_read, t);
    if (!e.code && t->count)
        e = store_write(h->store, thin_fn, t);
    arena_deinit(&t->memory);
    free(t);
    return e;
}

/* ------------------------------------------------------------------ forgetting */

struct forgetting {
    int64_t before_ms, session_id, removed;
};

static err forget_fn(struct store_tx *tx, void *arg)
{
    struct forgetting *f = arg;
    int64_t chunks = 0, series = 0;

    TRY(store_exec(tx,
                   "DELETE FROM history_chunks WHERE (series_id, start_ms) IN"
                   " (SELECT series_id, start_ms FROM history_chunks WHERE level IN (1, 2)"
                   " AND start_ms < ?1 LIMIT ?2)",
                   ARGS(sql_int(f->before_ms), sql_int(HISTORY_SLICE)), &chunks));
    TRY(store_exec(tx, "DELETE FROM history_sessions WHERE last_ms < ?1 AND id <> ?2",
                   ARGS(sql_int(f->before_ms), sql_int(f->session_id)), NULL));
    /* A series that is sampled has a chunk for every day. */
    TRY(store_exec(tx,
                   "DELETE FROM history_series WHERE id IN"
                   " (SELECT s.id FROM history_series s WHERE s.seen_ms < ?1 AND NOT EXISTS"
                   " (SELECT 1 FROM history_chunks c WHERE c.series_id = s.id) LIMIT ?2)",
                   ARGS(sql_int(f->before_ms), sql_int(HISTORY_SLICE)), &series));
    f->removed = chunks > series ? chunks : series;
    return OK;
}

static err forget(struct history *h, int64_t now_ms)
{
    struct forgetting f = {
        .before_ms = now_ms - h->age_max_ms - HISTORY_DAY_MS,
        .session_id = h->session_id,
    };
    if (now_ms - h->expired_ms < HISTORY_HOUR_MS)
        return OK;
    TRY(store_write(h->store, forget_fn, &f));
    if (f.removed < HISTORY_SLICE)
        h->expired_ms = now_ms; /* else there is more: go on at the next call */
    return OK;
}

err history_maintain(struct history *h, int64_t now_ms)
{
    TRY(compact(h, now_ms));
    TRY(thin(h, now_ms));
    return forget(h, now_ms);
}
