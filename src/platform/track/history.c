/* SPDX-License-Identifier: GPL-3.0-or-later */
/* history.c -- samples of our own metrics, for the built-in charts: taking them.
 *
 * A round of sampling walks the registry and keeps what changed since the round before. What
 * changed is one row of history_ticks, whatever the number of series: one page of the store every
 * 15 seconds, not one page a series. Once an hour is over its ticks are turned round into one chunk
 * a series (history_maintain.c), and that is what queries read (history_query.c).
 *
 *   ticks        15 s apart, the hour that is going on
 *   chunks 1     an hour of one series, every sample, 48 hours
 *   chunks 2     a day of one series, a sample every 5 minutes, as long as history is kept
 *
 * A value that does not change is not stored again, but once a day every series is, so that a chart
 * never has to look back further than that. A series that is gone is ended with a NaN.
 */
#include "platform/track/history_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { INTERVAL_MIN_MS = 1000, TICK_BYTES_MAX = 1024 * 1024 };

err history_open(struct store *store, struct metrics *metrics, struct history **ret_history)
{
    TRY(store_migrate(store, "track", track_migrations));
    struct history *h = calloc(1, sizeof *h);
    if (!h)
        return ERR(ERR_NO_MEMORY, "opening the history of metrics: out of memory");
    h->store = store;
    h->metrics = metrics;
    h->age_max_ms = HISTORY_AGE_DEFAULT_MS;
    map_init(&h->series, HISTORY_SERIES_MAX);
    pthread_mutex_init(&h->sampling, NULL);
    pthread_mutex_init(&h->lock, NULL);
    thread_cond_init(&h->wake);
    *ret_history = h;
    return OK;
}

/* ------------------------------------------------------------------ one round: what changed */

struct change {
    struct history_series *series;
    double value;
    int64_t id; /* set by the transaction */
};

struct round {
    struct history *h;
    int64_t now_ms;
    bool everything; /* the first round, and the first of a day */
    struct buf key;
    struct change *changes;
    size_t count;
    int64_t refused;
    /* results of the transaction */
    int64_t session_id;
};

static void series_free(struct history_series *s)
{
    free(s);
}

static struct history_series *series_new(str name, str labels)
{
    struct history_series *s = calloc(1, sizeof *s + name.len + labels.len + 2);
    if (!s)
        return NULL;
    s->name_len = name.len;
    s->labels_len = labels.len;
    memcpy(s->text, name.ptr, name.len);
    if (labels.len)
        memcpy(s->text + name.len + 1, labels.ptr, labels.len);
    return s;
}

static struct history_series *series_find(struct round *r, str name, str labels)
{
    struct history *h = r->h;
    buf_clear(&r->key);
    buf_add(&r->key, name);
    buf_add_char(&r->key, '\0');
    buf_add(&r->key, labels);
    if (r->key.failed)
        return NULL;
    union map_value *slot = map_find(&h->series, buf_str(&r->key));
    if (slot)
        return slot->ptr;

    struct history_series *s = series_new(name, labels);
    if (!s)
        return NULL;
    bool is_new;
    err e = map_put(&h->series, str_from(s->text, name.len + 1 + labels.len), &slot, &is_new);
    if (e.code) {
        series_free(s);
        return NULL;
    }
    slot->ptr = s;
    return s;
}

/* Bit by bit, so that a NaN that stays is no change. */
static bool is_same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void take(void *arg, const char *name, str labels, double value)
{
    struct round *r = arg;
    struct history_series *s = series_find(r, str_of(name), labels);
    if (!s) {
        r->refused++;
        return;
    }
    s->seen = r->h->round;
    if (isnan(value))
        value = NAN; /* one pattern of bits */
    if (!r->everything && s->has_last && is_same(s->last, value))
        return;
    if (r->count < HISTORY_SERIES_MAX)
        r->changes[r->count++] = (struct change){ .series = s, .value = value };
}

/* Series that were there in the round before and are not any more. */
static void take_ends(struct round *r)
{
    size_t index = 0;
    for (struct map_slot *slot; (slot = map_next(&r->h->series, &index)) != NULL;) {
        struct history_series *s = slot->value.ptr;
        if (s->seen != r->h->round && r->count < HISTORY_SERIES_MAX)
            r->changes[r->count++] = (struct change){ .series = s, .value = NAN };
    }
}

/* ------------------------------------------------------------------ one round: storing it */

static int by_id(const void *a, const void *b)
{
    const struct history_entry *x = a, *y = b;
    return (x->series_id > y->series_id) - (x->series_id < y->series_id);
}

static err session_put(struct store_tx *tx, struct round *r)
{
    r->session_id = r->h->session_id;
    if (r->session_id)
        return store_exec(tx, "UPDATE history_sessions SET last_ms = ?2 WHERE id = ?1",
                          ARGS(sql_int(r->session_id), sql_int(r->now_ms)), NULL);
    return store_get_int(store_tx_read(tx),
                         "INSERT INTO history_sessions (start_ms, last_ms) VALUES (?1, ?1)"
                         " RETURNING id",
                         ARGS(sql_int(r->now_ms)), &r->session_id);
}

static err series_put(struct store_tx *tx, struct round *r, struct change *c)
{
    const struct history_series *s = c->series;
    c->id = s->id;
    if (c->id)
        return OK;
    return store_get_int(store_tx_read(tx),
                         "INSERT INTO history_series (name, labels, seen_ms) VALUES (?1, ?2, ?3)"
                         " ON CONFLICT (name, labels) DO UPDATE SET seen_ms = excluded.seen_ms"
                         " RETURNING id",
                         ARGS(sql_text(str_from(s->text, s->name_len)),
                              sql_text(str_from(s->text + s->name_len + 1, s->labels_len)),
                              sql_int(r->now_ms)),
                         &c->id);
}

static err round_fn(struct store_tx *tx, void *arg)
{
    struct round *r = arg;
    struct buf entries;

    TRY(session_put(tx, r));
    if (r->count == 0)
        return OK;
    struct history_entry *sorted = calloc(r->count, sizeof *sorted);
    if (!sorted)
        return ERR(ERR_NO_MEMORY, "sampling %zu series: out of memory", r->count);
    err e = OK;
    for (size_t i = 0; !e.code && i < r->count; i++) {
        e = series_put(tx, r, &r->changes[i]);
        sorted[i] = (struct history_entry){ r->changes[i].id, r->changes[i].value };
    }
    qsort(sorted, r->count, sizeof *sorted, by_id);
    buf_init(&entries, TICK_BYTES_MAX);
    history_tick_write(&entries, sorted, r->count);
    if (!e.code)
        e = buf_check(&entries);
    if (!e.code)
        e = store_exec(tx, "INSERT INTO history_ticks (ts_ms, entries) VALUES (?1, ?2)",
                       ARGS(sql_int(r->now_ms), sql_blob(buf_str(&entries))), NULL);
    buf_deinit(&entries);
    free(sorted);
    return e;
}

/* After the commit: the next round compares with what is stored now. */
static void round_done(struct round *r)
{
    struct history *h = r->h;
    h->session_id = r->session_id;
    h->last_ts_ms = r->now_ms;
    for (size_t i = 0; i < r->count; i++) {
        struct history_series *s = r->changes[i].series;
        s->id = r->changes[i].id;
        s->last = r->changes[i].value;
        s->has_last = true;
        if (s->seen != h->round) {
            map_remove(&h->series, str_from(s->text, s->name_len + 1 + s->labels_len));
            series_free(s);
        }
    }
}

/* The last time in the store, so that time goes on after a restart even when the clock was set
 * back. */
static err last_ts_read(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT COALESCE(MAX(last_ms), 0) FROM history_sessions", NO_ARGS,
                         arg);
}

static err sample_locked(struct history *h, int64_t now_ms)
{
    struct round r = { .h = h };

    if (h->last_ts_ms == 0)
        TRY(store_read(h->store, last_ts_read, &h->last_ts_ms));
    r.now_ms = now_ms > h->last_ts_ms ? now_ms : h->last_ts_ms + 1;
    r.everything = h->session_id == 0 ||
                   r.now_ms / HISTORY_DAY_MS != h->last_ts_ms / HISTORY_DAY_MS;
    r.changes = calloc(HISTORY_SERIES_MAX, sizeof *r.changes);
    if (!r.changes)
        return ERR(ERR_NO_MEMORY, "sampling metrics: out of memory");
    buf_init(&r.key, 64 * 1024);
    if (h->refresh)
        h->refresh(h->refresh_arg);
    h->round++;
    metrics_each(h->metrics, take, &r);
    take_ends(&r);
    buf_deinit(&r.key);

    err e = store_write(h->store, round_fn, &r);
    if (!e.code) {
        round_done(&r);
        metric_add(metric_cell_plain(h->metrics, &track_metrics[TRACK_M_HISTORY_SAMPLES]),
                   (double)r.count);
        metric_set(metric_cell_plain(h->metrics, &track_metrics[TRACK_M_HISTORY_SERIES]),
                   (double)h->series.count);
    }
    if (e.code || r.refused)
        metric_add(metric_cell_plain(h->metrics, &track_metrics[TRACK_M_HISTORY_ERRORS]),
                   (double)r.refused + (e.code ? 1 : 0));
    free(r.changes);
    return e.code ? err_wrap(e, "storing samples of %zu series", h->series.count) : OK;
}

err history_sample_at(struct history *h, int64_t now_ms)
{
    pthread_mutex_lock(&h->sampling);
    err e = sample_locked(h, now_ms);
    pthread_mutex_unlock(&h->sampling);
    return e;
}

err history_sample_now(struct history *h)
{
    return history_sample_at(h, clock_wall_ms());
}

/* ------------------------------------------------------------------ the thread */

static void round_and_maintain(struct history *h)
{
    int64_t now_ms = clock_wall_ms();
    pthread_mutex_lock(&h->sampling);
    /* Errors are counted (skerry_history_errors_total), not logged: what was not stored is in the
     * next round, and a store that refuses says so itself. */
    err e = sample_locked(h, now_ms);
    if (!e.code) {
        e = history_maintain(h, h->last_ts_ms);
        if (e.code)
            metric_add(metric_cell_plain(h->metrics, &track_metrics[TRACK_M_HISTORY_ERRORS]), 1);
    }
    pthread_mutex_unlock(&h->sampling);
}

static void *history_main(void *arg)
{
    struct history *h = arg;

    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        struct timespec deadline = clock_deadline(h->interval_ms);
        while (!h->stop && pthread_cond_timedwait(&h->wake, &h->lock, &deadline) == 0)
            continue;
        if (h->stop)
            break;
        pthread_mutex_unlock(&h->lock);
        round_and_maintain(h);
        pthread_mutex_lock(&h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

void history_refresh_with(struct history *h, void (*fn)(void *arg), void *arg)
{
    assert(!h->started);
    h->refresh = fn;
    h->refresh_arg = arg;
}

err history_start(struct history *h, int64_t interval_ms, int64_t age_max_ms)
{
    assert(!h->started);
    h->interval_ms = interval_ms < INTERVAL_MIN_MS ? INTERVAL_MIN_MS : interval_ms;
    h->age_max_ms = age_max_ms <= 0               ? HISTORY_AGE_DEFAULT_MS
                    : age_max_ms < HISTORY_RAW_MS ? HISTORY_RAW_MS
                                                  : age_max_ms;
    TRY(history_sample_now(h)); /* what was counted before now belongs to now */
    TRY(thread_start(&h->thread, "history", history_main, h));
    h->started = true;
    return OK;
}

void history_close(struct history *h)
{
    if (!h)
        return;
    if (h->started) {
        pthread_mutex_lock(&h->lock);
        h->stop = true;
        pthread_cond_broadcast(&h->wake);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
        /* What was counted since the last round would be lost with the process. */
        err e = history_sample_now(h);
        if (e.code)
            metric_add(metric_cell_plain(h->metrics, &track_metrics[TRACK_M_HISTORY_ERRORS]), 1);
    }
    size_t index = 0;
    for (struct map_slot *slot; (slot = map_next(&h->series, &index)) != NULL;)
        series_free(slot->value.ptr);
    map_deinit(&h->series);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->sampling);
    free(h);
}
