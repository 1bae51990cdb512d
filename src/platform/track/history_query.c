/* SPDX-License-Identifier: GPL-3.0-or-later */
/* history_query.c -- reading the history: values and rates per step, quantiles of histograms.
 *
 * All answers walk the matching series one by one: its chunks, then its part of the ticks that are
 * not packed yet. An increase belongs to the moment it was seen. A counter counts from zero at its
 * first sample, at its first one in a new process, and when it falls; unlike Prometheus nothing is
 * extrapolated to the ends of a window, so increases of neighbouring windows add up to that of
 * both.
 */
#include "platform/track/history_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SCAN_BYTES_MAX (128u * 1024u * 1024u)

/* ------------------------------------------------------------------ scanning */

struct found_series {
    int64_t id;
    str name, labels;
    struct history_samples head; /* from the ticks */
};

struct scan {
    struct history *h;
    str name; /* empty: any */
    const str *labels;
    size_t label_count;
    int64_t from_ms, to_ms;
    const struct history_selection *selection; /* whom history_select is for, or NULL */
    /* Called once a series, with samples in order: one at or before from_ms when there is one, then
     * all up to to_ms. */
    err (*each)(struct scan *scan, str name, str labels, const struct history_samples *samples);
    void *arg;

    arena memory, chunk_memory;
    struct history_sessions sessions;
    struct found_series *found; /* by ascending id */
    size_t found_count;
};

/* True when `text` is one of the labels, whole: not the tail of another label's name. */
static bool has_label(str labels, str text)
{
    for (size_t from = 0; from + text.len <= labels.len;) {
        ptrdiff_t at = str_find(str_sub(labels, from, labels.len - from), text);
        if (at < 0)
            return false;
        size_t begin = from + (size_t)at, end = begin + text.len;
        if ((begin == 0 || labels.ptr[begin - 1] == ',') &&
            (end == labels.len || labels.ptr[end] == ','))
            return true;
        from = begin + 1;
    }
    return false;
}

static bool is_wanted(const struct scan *s, str name, str labels)
{
    for (size_t i = 0; i < s->label_count; i++)
        if (!has_label(labels, s->labels[i]))
            return false;
    return !s->selection || s->selection->wants(s->selection->arg, name, labels);
}

static err series_read(struct store_read *rd, struct scan *s)
{
    struct store_rows *rows;
    const char *sql = s->name.len ? "SELECT id, labels, name FROM history_series WHERE name = ?1"
                                    " ORDER BY id"
                                  : "SELECT id, labels, name FROM history_series WHERE ?1 = ''"
                                    " ORDER BY id";

    size_t room = s->selection ? HISTORY_SELECT_SERIES_MAX : HISTORY_QUERY_SERIES_MAX;
    s->found_count = 0;
    s->found = NEW_ARRAY(&s->memory, struct found_series, room);
    ARENA_TRY(s->found);
    TRY(store_query(rd, sql, ARGS(sql_text(s->name)), &rows));
    err e = OK;
    while (!e.code && store_next(rows)) {
        str labels = store_col_text(rows, 1), name = store_col_text(rows, 2);
        if (!is_wanted(s, name, labels))
            continue;
        if (s->found_count == room) {
            e = ERR(ERR_TOO_BIG, "more than %zu series of '%.*s' match: name more labels", room,
                    STR_ARG(name));
            break;
        }
        s->found[s->found_count++] = (struct found_series){
            .id = store_col_int(rows, 0),
            .name = arena_str(&s->memory, name),
            .labels = arena_str(&s->memory, labels),
            .head.keep = &s->memory,
        };
    }
    e = err_first(e, store_rows_close(rows));
    return err_first(e, arena_check(&s->memory));
}

static struct found_series *found_by_id(struct scan *s, int64_t id)
{
    size_t low = 0, high = s->found_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->found[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->found_count && s->found[low].id == id ? &s->found[low] : NULL;
}

static err ticks_read(struct store_read *rd, struct scan *s)
{
    struct store_rows *rows;
    TRY(store_query(rd, "SELECT ts_ms, entries FROM history_ticks WHERE ts_ms <= ?1 ORDER BY ts_ms",
                    ARGS(sql_int(s->to_ms)), &rows));
    err e = OK;
    while (!e.code && store_next(rows)) {
        struct history_tick_reader r = history_tick_read(store_col_blob(rows, 1));
        struct history_entry entry;
        while (!e.code && history_tick_next(&r, &entry)) {
            struct found_series *f = found_by_id(s, entry.series_id);
            if (f)
                e = history_samples_add(
                    &f->head, (struct history_sample){ store_col_int(rows, 0), entry.value });
        }
    }
    return err_first(e, store_rows_close(rows));
}

static err scan_one(struct store_read *rd, struct scan *s, const struct found_series *f)
{
    struct history_samples all = { .keep = &s->chunk_memory };
    TRY(history_chunks_read(rd, f->id, s->from_ms, s->to_ms, &all));
    for (size_t i = 0; i < f->head.count; i++) {
        struct history_sample sample = f->head.items[i];
        if (all.count && sample.ts_ms <= all.items[all.count - 1].ts_ms)
            continue; /* packed already */
        if (all.count && sample.ts_ms <= s->from_ms)
            all.count--;
        TRY(history_samples_add(&all, sample));
    }
    return all.count ? s->each(s, f->name, f->labels, &all) : OK;
}

static err scan_fn(struct store_read *rd, void *arg)
{
    struct scan *s = arg;
    TRY(series_read(rd, s));
    if (s->found_count == 0)
        return OK;
    TRY(history_sessions_read(rd, s->h->session_id, s->from_ms, &s->memory, &s->sessions));
    TRY(ticks_read(rd, s));
    for (size_t i = 0; i < s->found_count; i++) {
        TRY(scan_one(rd, s, &s->found[i]));
        arena_reset(&s->chunk_memory);
    }
    return OK;
}

static err scan_run(struct scan *s)
{
    arena_init(&s->memory, SCAN_BYTES_MAX);
    arena_init(&s->chunk_memory, SCAN_BYTES_MAX);
    err e = store_read(s->h->store, scan_fn, s);
    arena_deinit(&s->chunk_memory);
    arena_deinit(&s->memory);
    return e;
}

/* What a counter gained from the sample before this one. */
static double increase(const struct history_sessions *sessions, const struct history_samples *s,
                       size_t index)
{
    const struct history_sample *now = &s->items[index];
    if (isnan(now->value))
        return 0;
    if (index == 0)
        return s->begins_carried ? 0 : now->value;
    const struct history_sample *before = now - 1;
    if (isnan(before->value) || now->value < before->value ||
        history_session_at(sessions, before->ts_ms) != history_session_at(sessions, now->ts_ms))
        return now->value;
    return now->value - before->value;
}

/* ------------------------------------------------------------------ values and rates */

struct steps {
    enum history_function function;
    int64_t from_ms, step_ms;
    size_t count;
    double *sums;
    bool *seen;
};

/* True when the value of `s`, not newer than start_ms, still holds in the step that begins there.
 */
static bool holds(const struct history_sessions *sessions, const struct history_sample *s,
                  int64_t start_ms)
{
    const struct history_session *session = history_session_at(sessions, s->ts_ms);
    return session && session->last_ms > start_ms;
}

static err steps_each(struct scan *scan, str name, str labels,
                      const struct history_samples *samples)
{
    (void)name, (void)labels;
    struct steps *st = scan->arg;
    const struct history_sample *last = NULL;
    size_t next = 0;

    for (size_t i = 0; i < st->count; i++) {
        int64_t start_ms = st->from_ms + (int64_t)i * st->step_ms;
        double gained = 0;
        bool fresh = false;
        for (; next < samples->count; next++) {
            const struct history_sample *s = &samples->items[next];
            if (s->ts_ms > start_ms + st->step_ms)
                break;
            if (s->ts_ms > start_ms) {
                gained += increase(&scan->sessions, samples, next);
                fresh = fresh || !isnan(s->value);
            }
            last = s;
        }
        bool alive = last && !isnan(last->value) &&
                     (last->ts_ms > start_ms || holds(&scan->sessions, last, start_ms));
        if (st->function == HISTORY_RATE ? !(fresh || alive) : !alive)
            continue;
        st->seen[i] = true;
        st->sums[i] += st->function == HISTORY_RATE ? gained * 1000.0 / (double)st->step_ms
                                                    : last->value;
    }
    return OK;
}

err history_query(struct history *h, const struct history_query *query, arena *keep,
                  struct metric_point **ret_points, size_t *ret_count)
{
    int64_t span_ms = query->to_ms - query->from_ms;
    if (query->step_ms <= 0 || span_ms < query->step_ms)
        return ERR(ERR_INVALID,
                   "the step (%lld ms) must be more than 0 and fit between from and to",
                   (long long)query->step_ms);
    if (span_ms / query->step_ms > HISTORY_POINTS_MAX)
        return ERR(ERR_INVALID, "%lld points are too many: at most %d; take a larger step",
                   (long long)(span_ms / query->step_ms), HISTORY_POINTS_MAX);

    struct steps st = { .function = query->function, .step_ms = query->step_ms };
    /* Whole steps that end at to_ms: what is newest is shown in full. */
    st.count = (size_t)(span_ms / query->step_ms);
    st.from_ms = query->to_ms - (int64_t)st.count * query->step_ms;
    st.sums = NEW_ARRAY(keep, double, st.count);
    st.seen = NEW_ARRAY(keep, bool, st.count);
    struct metric_point *points = NEW_ARRAY(keep, struct metric_point, st.count);
    ARENA_TRY(st.sums && st.seen && points);

    struct scan scan = { .h = h,
                         .name = query->name,
                         .labels = query->labels,
                         .label_count = query->label_count,
                         .from_ms = st.from_ms,
                         .to_ms = query->to_ms,
                         .each = steps_each,
                         .arg = &st };
    TRY(scan_run(&scan));
    size_t count = 0;
    for (size_t i = 0; i < st.count; i++)
        if (st.seen[i])
            points[count++] = (struct metric_point){
                .value = st.sums[i],
                .step = (int64_t)i,
                .ts_ms = st.from_ms + (int64_t)(i + 1) * st.step_ms,
            };
    *ret_points = points;
    *ret_count = count;
    return OK;
}

/* ------------------------------------------------------------------ quantiles */

struct bucket {
    double bound, increase;
};

struct buckets {
    struct bucket items[METRIC_BUCKETS_MAX + 2];
    size_t count;
};

static err bound_of(str labels, double *ret_bound)
{
    ptrdiff_t at = str_starts(labels, STR("le=\"")) ? 0 : str_find(labels, STR(",le=\""));
    if (at < 0)
        return ERR(ERR_INVALID, "'%.*s' has no label le: it is not a histogram", STR_ARG(labels));
    str rest = str_sub(labels, (size_t)at + (at ? 5 : 4), labels.len);
    str text = str_split(&rest, '"');
    if (str_eq(text, STR("+Inf"))) {
        *ret_bound = INFINITY;
        return OK;
    }
    return str_to_f64(text, ret_bound);
}

static err buckets_each(struct scan *scan, str name, str labels,
                        const struct history_samples *samples)
{
    (void)name;
    struct buckets *b = scan->arg;
    double bound, gained = 0;

    TRY(bound_of(labels, &bound));
    for (size_t i = 0; i < samples->count; i++)
        if (samples->items[i].ts_ms > scan->from_ms)
            gained += increase(&scan->sessions, samples, i);
    for (size_t i = 0; i < b->count; i++) {
        if (b->items[i].bound == bound) {
            b->items[i].increase += gained;
            return OK;
        }
    }
    if (b->count == COUNT_OF(b->items))
        return ERR(ERR_INVALID,
                   "histogram '%.*s' has series with different buckets: name more labels",
                   STR_ARG(scan->name));
    b->items[b->count++] = (struct bucket){ bound, gained };
    return OK;
}

static int by_bound(const void *a, const void *b)
{
    const struct bucket *x = a, *y = b;
    return (x->bound > y->bound) - (x->bound < y->bound);
}

/* Buckets are cumulative. Within one, values are taken to be spread evenly; below the first bound
 * from zero on; above the last finite bound nothing is known but that bound. */
static double quantile(struct buckets *b, double q)
{
    qsort(b->items, b->count, sizeof b->items[0], by_bound);
    if (b->count < 2 || !isinf(b->items[b->count - 1].bound))
        return NAN;
    double total = b->items[b->count - 1].increase;
    if (!(total > 0))
        return NAN;
    double rank = q * total;
    size_t i = 0;
    while (i < b->count - 1 && b->items[i].increase < rank)
        i++;
    if (i == b->count - 1)
        return b->items[i - 1].bound;
    if (i == 0 && b->items[0].bound <= 0)
        return b->items[0].bound;
    double low = i ? b->items[i - 1].bound : 0;
    double below = i ? b->items[i - 1].increase : 0;
    double inside = b->items[i].increase - below;
    if (!(inside > 0))
        return b->items[i].bound;
    return low + (b->items[i].bound - low) * (rank - below) / inside;
}

err history_quantile(struct history *h, str name, const str *labels, size_t label_count, double q,
                     int64_t from_ms, int64_t to_ms, double *ret_value)
{
    if (!(q >= 0 && q <= 1))
        return ERR(ERR_INVALID, "a quantile lies between 0 and 1, not at %g", q);
    if (from_ms >= to_ms)
        return ERR(ERR_INVALID, "the time asked for is empty: from must be before to");
    char bucket_name[256];
    struct buckets buckets = { .count = 0 };
    snprintf(bucket_name, sizeof bucket_name, "%.*s_bucket", (int)(name.len < 200 ? name.len : 200),
             name.len ? name.ptr : "");
    struct scan scan = { .h = h,
                         .name = str_of(bucket_name),
                         .labels = labels,
                         .label_count = label_count,
                         .from_ms = from_ms,
                         .to_ms = to_ms,
                         .each = buckets_each,
                         .arg = &buckets };
    TRY(scan_run(&scan));
    *ret_value = quantile(&buckets, q);
    return OK;
}

/* ------------------------------------------------------------------ for query languages */

static int64_t interval_of(const struct history *h)
{
    return h->interval_ms ? h->interval_ms : 15000;
}

/* What is older than the raw samples is one in five minutes: once a minute is often enough. */
static int64_t every_of(const struct history *h, int64_t ts_ms, int64_t now_ms)
{
    int64_t interval_ms = interval_of(h);
    return now_ms - ts_ms > HISTORY_RAW_MS && interval_ms < 60000 ? 60000 : interval_ms;
}

/* A value holds up to the round before the next sample, at most to the end of its process. */
static err spans_each(struct scan *scan, str name, str labels,
                      const struct history_samples *samples)
{
    int64_t now_ms = clock_wall_ms();
    int64_t end_ms = scan->to_ms < now_ms ? scan->to_ms : now_ms;
    struct history_span *spans = NEW_ARRAY(&scan->chunk_memory, struct history_span,
                                           samples->count);
    ARENA_TRY(spans);
    for (size_t i = 0; i < samples->count; i++) {
        const struct history_sample *s = &samples->items[i];
        const struct history_session *session = history_session_at(&scan->sessions, s->ts_ms);
        int64_t every_ms = every_of(scan->h, s->ts_ms, now_ms);
        int64_t until_ms = session && session->last_ms < end_ms ? session->last_ms : end_ms;
        if (i + 1 < samples->count && s[1].ts_ms - every_ms / 2 < until_ms)
            until_ms = s[1].ts_ms - every_ms / 2;
        if (!session || isnan(s->value) || until_ms < s->ts_ms)
            until_ms = s->ts_ms;
        spans[i] = (struct history_span){ s->ts_ms, until_ms, every_ms, s->value };
    }
    return scan->selection->each(scan->selection->arg, name, labels, spans, samples->count);
}

err history_select(struct history *h, const struct history_selection *selection)
{
    struct scan scan = { .h = h,
                         .name = selection->name,
                         .from_ms = selection->from_ms,
                         .to_ms = selection->to_ms,
                         .selection = selection,
                         .each = spans_each };
    return scan_run(&scan);
}

struct listing {
    err (*each)(void *arg, str name, str labels);
    void *arg;
};

static err listing_fn(struct store_read *rd, void *arg)
{
    const struct listing *l = arg;
    struct store_rows *rows;
    TRY(store_query(rd, "SELECT name, labels FROM history_series ORDER BY name, labels", NO_ARGS,
                    &rows));
    err e = OK;
    while (!e.code && store_next(rows))
        e = l->each(l->arg, store_col_text(rows, 0), store_col_text(rows, 1));
    return err_first(e, store_rows_close(rows));
}

err history_series_each(struct history *h, err (*each)(void *arg, str name, str labels), void *arg)
{
    struct listing l = { each, arg };
    return store_read(h->store, listing_fn, &l);
}

struct uptime {
    struct history *h;
    int64_t from_ms;
    arena *keep;
    struct history_sessions sessions;
};

static err uptime_fn(struct store_read *rd, void *arg)
{
    struct uptime *u = arg;
    return history_sessions_read(rd, u->h->session_id, u->from_ms, u->keep, &u->sessions);
}

err history_uptime(struct history *h, int64_t from_ms, int64_t to_ms, arena *keep,
                   struct history_span **ret_spans, size_t *ret_count)
{
    struct uptime u = { .h = h, .from_ms = from_ms, .keep = keep };
    int64_t now_ms = clock_wall_ms();
    int64_t end_ms = to_ms < now_ms ? to_ms : now_ms;
    TRY(store_read(h->store, uptime_fn, &u));
    struct history_span *spans = NEW_ARRAY(keep, struct history_span, u.sessions.count);
    ARENA_TRY(spans || !u.sessions.count);
    size_t count = 0;
    for (size_t i = 0; i < u.sessions.count; i++) {
        const struct history_session *s = &u.sessions.items[i];
        if (s->start_ms <= end_ms)
            spans[count++] = (struct history_span){ s->start_ms,
                                                    s->last_ms < end_ms ? s->last_ms : end_ms,
                                                    every_of(h, s->start_ms, now_ms), 1 };
    }
    *ret_spans = spans;
    *ret_count = count;
    return OK;
}
