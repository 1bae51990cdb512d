/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_data.c -- what runs have logged, as the JSON that clients read.
 *
 * A page of a hundred runs with a hundred metrics each is ten thousand rows, and reading these is
 * nearly all that a search costs. So what a run that has ended logged is kept as one text, in
 * run_data, once somebody has read it:
 *
 *   - a row of run_data is what the rows of its run make, in every snapshot. It is made from them
 *     in one transaction, and whoever changes them removes it in theirs (client_write_begin,
 *     import). With PostgreSQL both are serializable: of two that meet, one runs again.
 *   - only runs of clients that have ended have one, so that programs that are at work log as fast
 *     as without it.
 *   - readers ask for it and do not wait: the flusher makes it (client_data_fill).
 *
 * Without a row the text is made from the rows each time, straight into a buffer.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/track/bulk.h"
#include "platform/track/client_internal.h"

enum {
    /* A reply holds 16 MiB. */
    TEXT_BYTES_MAX = 16 * 1024 * 1024,
    /* What is shorter is read as fast from its rows; what is longer would make the flusher hold the
     * store for long. */
    KEPT_BYTES_MIN = 1024,
    KEPT_BYTES_MAX = 1024 * 1024,
    FILL_BYTES_MAX = 64 * 1024 * 1024,
};

/* ------------------------------------------------------------------ from rows */

/* What the rows of one table make of each run of a page: "metrics":[...] without the comma that
 * comes before, or nothing. */
struct texts {
    const char *name;
    struct buf text;
    size_t begin[BULK_PAGE_MAX], end[BULK_PAGE_MAX];
};

static void add_metric(struct buf *out, struct store_rows *rows)
{
    double value = store_col_real(rows, 2);
    buf_add_cstr(out, "{\"key\":");
    json_escape(out, store_col_text(rows, 1));
    buf_add_cstr(out, ",\"value\":");
    if (store_col_int(rows, 3) || isnan(value))
        buf_add_cstr(out, "\"NaN\"");
    else if (isinf(value))
        buf_add_cstr(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        buf_add_real(out, value);
    buf_add_cstr(out, ",\"timestamp\":");
    buf_add_i64(out, store_col_int(rows, 4));
    buf_add_cstr(out, ",\"step\":");
    buf_add_i64(out, store_col_int(rows, 5));
    buf_add_char(out, '}');
}

static void add_text(struct buf *out, struct store_rows *rows)
{
    buf_add_cstr(out, "{\"key\":");
    json_escape(out, store_col_text(rows, 1));
    buf_add_cstr(out, ",\"value\":");
    json_escape(out, store_col_text(rows, 2));
    buf_add_char(out, '}');
}

/* Rows come by run: those of one are neighbours. */
static err texts_read(struct bulk *b, struct texts *t, const char *sql,
                      void (*add)(struct buf *out, struct store_rows *rows))
{
    struct store_rows *rows;
    size_t at = b->count; /* none yet */
    TRY(bulk_query(b, sql, &rows));
    while (store_next(rows)) {
        if (at < b->count && str_eq(b->ids[at].bytes, store_col_text(rows, 0))) {
            buf_add_char(&t->text, ',');
        } else {
            if (at < b->count)
                buf_add_char(&t->text, ']');
            at = bulk_index(b, rows);
            t->begin[at] = t->text.len;
            buf_add_fmt(&t->text, "\"%s\":[", t->name);
        }
        add(&t->text, rows);
        t->end[at] = t->text.len + 1; /* with its bracket */
    }
    if (at < b->count)
        buf_add_char(&t->text, ']');
    err e = buf_check(&t->text);
    if (e.code == ERR_TOO_BIG) /* so that a page of searches is tried in smaller pieces */
        e.code = ERR_NO_MEMORY;
    return err_first(store_rows_close(rows), e);
}

enum { METRICS, PARAMS, TAGS, TEXTS_COUNT };

static err all_read(struct bulk *b, struct texts *all)
{
    TRY(texts_read(b, &all[METRICS],
                   "SELECT run_id, key, value, is_nan, ts_ms, step FROM latest_metrics"
                   " WHERE run_id IN # ORDER BY run_id, key",
                   add_metric));
    TRY(texts_read(b, &all[PARAMS],
                   "SELECT run_id, key, value FROM params WHERE run_id IN # ORDER BY run_id, key",
                   add_text));
    return texts_read(b, &all[TAGS],
                      "SELECT run_id, key, value FROM tags WHERE run_id IN # ORDER BY run_id, key",
                      add_text);
}

/* {"metrics":[...],"params":[...],"tags":[...]} of the run at `at`, without those that are empty.
 */
static str join(const struct texts *all, size_t at, arena *keep)
{
    size_t bytes = 2;
    for (size_t i = 0; i < TEXTS_COUNT; i++)
        bytes += 1 + all[i].end[at] - all[i].begin[at];
    char *text = NEW_ARRAY(keep, char, bytes + 1), *to = text;
    if (!text)
        return STR_NONE;
    *to++ = '{';
    for (size_t i = 0; i < TEXTS_COUNT; i++) {
        size_t len = all[i].end[at] - all[i].begin[at];
        if (!len)
            continue;
        if (to > text + 1)
            *to++ = ',';
        memcpy(to, all[i].text.ptr + all[i].begin[at], len);
        to += len;
    }
    *to++ = '}';
    return str_from(text, (size_t)(to - text));
}

/* The runs that a page of ids belongs to, in its order. */
static err make_page(struct bulk *b, void *arg, size_t done)
{
    struct client_run **runs = (struct client_run **)arg + done;
    struct texts *all = NEW_ARRAY(b->keep, struct texts, TEXTS_COUNT);
    ARENA_TRY(all);
    all[METRICS].name = "metrics";
    all[PARAMS].name = "params";
    all[TAGS].name = "tags";
    for (size_t i = 0; i < TEXTS_COUNT; i++)
        buf_init(&all[i].text, TEXT_BYTES_MAX);
    err e = all_read(b, all);
    for (size_t i = 0; !e.code && i < b->count; i++) {
        runs[i]->data = join(all, i, b->keep);
        e = arena_check(b->keep);
    }
    for (size_t i = 0; i < TEXTS_COUNT; i++)
        buf_deinit(&all[i].text);
    return e;
}

/* ------------------------------------------------------------------ reading */

static err kept_read(struct bulk *b, struct client_run *runs)
{
    struct store_rows *rows;
    TRY(bulk_query(b, "SELECT run_id, data FROM run_data WHERE run_id IN #", &rows));
    while (store_next(rows)) {
        struct client_run *r = &runs[bulk_index(b, rows)];
        r->data = store_col_text_keep(rows, 1, b->keep);
        r->is_kept = true;
    }
    TRY(store_rows_close(rows));
    return arena_check(b->keep);
}

err client_data_read(struct bulk *b, struct client_run *runs)
{
    struct client_run **rest = NEW_ARRAY(b->keep, struct client_run *, b->count);
    str *ids = NEW_ARRAY(b->keep, str, b->count);
    size_t count = 0;
    ARENA_TRY(rest && ids);
    TRY(kept_read(b, runs));
    for (size_t i = 0; i < b->count; i++) {
        if (runs[i].is_kept)
            continue;
        ids[count] = b->ids[i].bytes;
        rest[count++] = &runs[i];
    }
    return count ? bulk_each(b->rd, ids, count, b->keep, make_page, rest) : OK;
}

/* ------------------------------------------------------------------ keeping */

static bool is_worth_keeping(str data)
{
    return data.len >= KEPT_BYTES_MIN && data.len <= KEPT_BYTES_MAX;
}

void client_data_want(struct track *t, const struct client_run *runs, size_t count)
{
    bool is_new = false;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < count && t->wanted_count < TRACK_WANTED_MAX; i++) {
        const struct client_run *r = &runs[i];
        if (r->is_kept || !r->has_ended || !r->is_clients || r->run_id.len >= HEX_ID_BYTES ||
            !is_worth_keeping(r->data))
            continue;
        char *id = t->wanted[t->wanted_count++];
        memcpy(id, r->run_id.ptr, r->run_id.len);
        id[r->run_id.len] = '\0';
        is_new = true;
    }
    if (is_new)
        pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

struct fill {
    const str *ids;
    size_t count;
    arena memory;
};

/* Those that still are what client_data_want asks for, and have no row yet. */
static err fill_page(struct bulk *b, void *arg, size_t done)
{
    struct store_tx *tx = arg;
    struct store_rows *rows;
    struct client_run *runs = NEW_ARRAY(b->keep, struct client_run, b->count);
    ARENA_TRY(runs);
    (void)done;
    TRY(bulk_query(b,
                   "SELECT run_id FROM runs WHERE run_id IN # AND origin = 'client'"
                   " AND status IN ('FINISHED', 'FAILED', 'KILLED')",
                   &rows));
    while (store_next(rows))
        runs[bulk_index(b, rows)].has_ended = true;
    TRY(store_rows_close(rows));
    TRY(client_data_read(b, runs));
    for (size_t i = 0; i < b->count; i++)
        if (runs[i].has_ended && !runs[i].is_kept && is_worth_keeping(runs[i].data))
            TRY(store_exec(tx,
                           "INSERT INTO run_data (run_id, data) VALUES (?1, ?2)"
                           " ON CONFLICT DO NOTHING",
                           ARGS(b->ids[i], sql_text(runs[i].data)), NULL));
    return OK;
}

static err fill_fn(struct store_tx *tx, void *arg)
{
    struct fill *f = arg;
    arena_reset(&f->memory);
    return bulk_each(store_tx_read(tx), f->ids, f->count, &f->memory, fill_page, tx);
}

err client_data_fill(struct track *t, const str *run_ids, size_t count)
{
    struct fill f = { .ids = run_ids, .count = count };
    arena_init(&f.memory, FILL_BYTES_MAX);
    err e = store_write(t->store, fill_fn, &f);
    arena_deinit(&f.memory);
    return e;
}

err client_data_forget(struct store_tx *tx, str run_id)
{
    return store_exec(tx, "DELETE FROM run_data WHERE run_id = ?1", ARGS(sql_text(run_id)), NULL);
}
