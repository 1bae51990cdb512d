/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metric_reduce.c -- a history of any length as the few points that a chart can show.
 *
 * The axis is cut into equal parts, and each part keeps its lowest and its highest point: a spike
 * of one point in a million is still seen, which a sample of every n-th point would lose. One pass
 * over the rows, in whatever order they come; memory does not grow with their number.
 */
#include <math.h>
#include <stdlib.h>

#include "platform/track/track_internal.h"

/* Two points a part; two more are the first and the last of all. */
enum { PER_PART = 2, ENDS = 2 };

struct part {
    struct metric_point low, high; /* low.value is NAN while nothing but NaN was seen */
    bool is_used;
};

struct reduce_read {
    str run_id, key;
    const struct metric_reduction *how;
    arena *keep;
    struct part *parts;
    size_t part_count;
    struct metric_point *points; /* the first `limit` as they are, should there be no more */
    struct metric_point first, last;
    int64_t from, to, total;
};

static int64_t place_of(const struct reduce_read *r, const struct metric_point *p)
{
    return r->how->by_time ? p->ts_ms : p->step;
}

static int by_place(const struct metric_point *x, const struct metric_point *y, bool by_time)
{
    int64_t a = by_time ? x->ts_ms : x->step, b = by_time ? y->ts_ms : y->step;
    int64_t c = by_time ? x->step : x->ts_ms, d = by_time ? y->step : y->ts_ms;
    return a != b ? (a > b) - (a < b) : (c > d) - (c < d);
}

static int by_step(const void *a, const void *b)
{
    return by_place(a, b, false);
}

static int by_time(const void *a, const void *b)
{
    return by_place(a, b, true);
}

static void part_add(struct part *part, const struct metric_point *p)
{
    bool was_nan = !part->is_used || isnan(part->low.value);
    if (!part->is_used || (was_nan && !isnan(p->value))) {
        part->low = part->high = *p;
        part->is_used = true;
    } else if (p->value < part->low.value) {
        part->low = *p;
    } else if (p->value > part->high.value) {
        part->high = *p;
    }
}

static void point_take(struct reduce_read *r, const struct metric_point *p)
{
    /* In doubles: a range of steps may be wider than an int64_t. */
    double share = ((double)place_of(r, p) - (double)r->from) /
                   ((double)r->to - (double)r->from + 1);
    size_t at = share <= 0 ? 0 : (size_t)(share * (double)r->part_count);
    if (r->total == 0 || by_place(p, &r->first, r->how->by_time) < 0)
        r->first = *p;
    if (r->total == 0 || by_place(p, &r->last, r->how->by_time) >= 0)
        r->last = *p;
    if ((size_t)r->total < r->how->limit)
        r->points[r->total] = *p;
    part_add(&r->parts[at < r->part_count ? at : r->part_count - 1], p);
    r->total++;
}

/* The ends of the axis, where nobody named them; false when there is no point. */
static err ends_find(struct store_read *rd, struct reduce_read *r, int64_t metric_id,
                     bool *ret_found)
{
    struct store_rows *rows;
    *ret_found = r->how->has_range;
    r->from = r->how->from;
    r->to = r->how->to;
    if (r->how->has_range)
        return OK;
    if (r->how->by_time)
        TRY(store_query(rd, "SELECT MIN(ts_ms), MAX(ts_ms) FROM metrics WHERE metric_id = ?1",
                        ARGS(sql_int(metric_id)), &rows));
    else
        TRY(store_query(rd, "SELECT MIN(step), MAX(step) FROM metrics WHERE metric_id = ?1",
                        ARGS(sql_int(metric_id)), &rows));
    if (store_next(rows) && !store_col_is_null(rows, 0)) {
        r->from = store_col_int(rows, 0);
        r->to = store_col_int(rows, 1);
        *ret_found = true;
    }
    return store_rows_close(rows);
}

static err points_open(struct store_read *rd, const struct reduce_read *r, int64_t metric_id,
                       struct store_rows **ret_rows)
{
    struct store_args args = ARGS(sql_int(metric_id), sql_int(r->from), sql_int(r->to));
    if (r->how->by_time)
        return store_query(rd,
                           "SELECT value, step, ts_ms, is_nan FROM metrics"
                           " WHERE metric_id = ?1 AND ts_ms >= ?2 AND ts_ms <= ?3",
                           args, ret_rows);
    return store_query(rd,
                       "SELECT value, step, ts_ms, is_nan FROM metrics"
                       " WHERE metric_id = ?1 AND step >= ?2 AND step <= ?3",
                       args, ret_rows);
}

static err reduce_fn(struct store_read *rd, void *arg)
{
    struct reduce_read *r = arg;
    struct store_rows *rows;
    int64_t metric_id = 0;
    bool found;

    r->total = 0; /* a read may be tried again */
    for (size_t i = 0; i < r->part_count; i++)
        r->parts[i] = (struct part){ 0 };
    err e = store_get_int(rd, "SELECT metric_id FROM latest_metrics WHERE run_id = ?1 AND key = ?2",
                          ARGS(sql_text(r->run_id), sql_text(r->key)), &metric_id);
    if (e.code == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    TRY(ends_find(rd, r, metric_id, &found));
    if (!found)
        return OK;
    TRY(points_open(rd, r, metric_id, &rows));
    while (store_next(rows))
        point_take(r, &(struct metric_point){
                          .value = store_col_int(rows, 3) ? NAN : store_col_real(rows, 0),
                          .step = store_col_int(rows, 1),
                          .ts_ms = store_col_int(rows, 2),
                      });
    return store_rows_close(rows);
}

static bool is_same(const struct metric_point *a, const struct metric_point *b)
{
    return a->step == b->step && a->ts_ms == b->ts_ms &&
           (a->value == b->value || (isnan(a->value) && isnan(b->value)));
}

/* What the parts kept, over the points that were kept in case there were few. */
static size_t points_gather(struct reduce_read *r)
{
    size_t count = 0;
    r->points[count++] = r->first;
    for (size_t i = 0; i < r->part_count; i++) {
        const struct part *p = &r->parts[i];
        if (!p->is_used)
            continue;
        if (!is_same(&p->low, &r->first) && !is_same(&p->low, &r->last))
            r->points[count++] = p->low;
        if (!is_same(&p->high, &p->low) && !is_same(&p->high, &r->first) &&
            !is_same(&p->high, &r->last))
            r->points[count++] = p->high;
    }
    r->points[count++] = r->last;
    return count;
}

err track_metric_reduce(struct track *t, str run_id, str key, const struct metric_reduction *how,
                        arena *keep, struct metric_point **ret_points, size_t *ret_count,
                        int64_t *ret_total)
{
    if (how->limit < REDUCED_POINTS_MIN || how->limit > REDUCED_POINTS_MAX)
        return ERR(ERR_INVALID, "the number of points must be between %d and %d",
                   REDUCED_POINTS_MIN, REDUCED_POINTS_MAX);
    if (how->has_range && how->from > how->to)
        return ERR(ERR_INVALID, "a range of points must not end before it begins");
    struct reduce_read r = { .run_id = run_id,
                             .key = key,
                             .how = how,
                             .keep = keep,
                             .part_count = (how->limit - ENDS) / PER_PART };
    r.parts = NEW_ARRAY(keep, struct part, r.part_count);
    r.points = NEW_ARRAY(keep, struct metric_point, how->limit);
    ARENA_TRY(r.parts);
    ARENA_TRY(r.points);
    TRY(store_read(t->store, reduce_fn, &r));
    *ret_count = (size_t)r.total;
    if ((size_t)r.total > how->limit)
        *ret_count = points_gather(&r);
    qsort(r.points, *ret_count, sizeof *r.points, how->by_time ? by_time : by_step);
    *ret_points = r.points;
    *ret_total = r.total;
    return OK;
}
