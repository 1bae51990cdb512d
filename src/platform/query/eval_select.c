/* SPDX-License-Identifier: GPL-3.0-or-later */
/* eval_select.c -- selectors and functions over ranges: samples in, values at each moment out.
 *
 * Samples come series by series. The moments ascend, so two marks move through a series once: the
 * window of the moment at hand lies between them. A window is open at its left end and closed at
 * its right one, as Prometheus 3 has it.
 */
#include <math.h>
#include <string.h>

#include "base/map.h"
#include "platform/query/query_internal.h"

struct selection {
    struct eval *ev;
    const struct node *select;
    const struct function *function;
    const double *args; /* at each moment, or NULL */
    struct value *value;
    const struct label_list *sum_by; /* NULL: each series by itself */
    bool sum_without;
    struct map groups; /* labels -> index in value, for sum_by */
    struct query_result *raw;
    struct query_point *points; /* of a series, without the marks of its ends */
    size_t room;
};

/* Where the values of a series go: a new one, or the sum of its group. */
static err series_for(struct selection *s, struct labels labels, struct query_series **ret_series)
{
    struct eval *ev = s->ev;
    union map_value *slot;
    bool is_new;
    if (s->sum_by) {
        bool drop_name = s->sum_without || (s->function && !s->function->keeps_name);
        TRY(labels_filter(ev->keep, labels, s->sum_by, s->sum_without, drop_name, &labels));
        str key = labels_key(ev->keep, labels);
        ARENA_TRY(key.ptr);
        TRY(map_put(&s->groups, key, &slot, &is_new));
        if (!is_new) {
            *ret_series = &s->value->series[slot->num];
            return OK;
        }
        slot->num = (int64_t)s->value->count;
    }
    TRY(labels_copy(ev->keep, labels, &labels));
    return value_add(ev, s->value, labels, ret_series);
}

static void value_put(struct query_series *series, size_t step, double value)
{
    double *into = &series->values[step];
    *into = query_is_absent(*into) ? value : *into + value; /* added to only in a sum */
}

/* At each moment the newest sample, unless it is too old or says that the series has ended. */
static err instant_each(void *arg, struct labels labels, const struct query_point *points,
                        size_t count)
{
    struct selection *s = arg;
    struct eval *ev = s->ev;
    struct query_series *series = NULL;
    size_t next = 0;
    TRY(eval_check(ev));
    TRY(eval_count(ev, count));
    for (size_t i = 0; i < ev->steps; i++) {
        int64_t at_ms = eval_time(ev, i) - s->select->offset_ms;
        while (next < count && points[next].ts_ms <= at_ms)
            next++;
        if (next == 0 || points[next - 1].ts_ms <= at_ms - QUERY_LOOKBACK_MS ||
            query_is_absent(points[next - 1].value))
            continue;
        if (!series)
            TRY(series_for(s, labels, &series));
        value_put(series, i, points[next - 1].value);
    }
    return OK;
}

/* Takes the samples that are values into s->points. */
static err take_values(struct selection *s, const struct query_point *points, size_t count,
                       size_t *ret_count)
{
    size_t kept = 0;
    if (count > s->room) {
        size_t room = count + count / 2;
        s->points = NEW_ARRAY(s->ev->keep, struct query_point, room);
        ARENA_TRY(s->points);
        s->room = room;
    }
    for (size_t i = 0; i < count; i++)
        if (!query_is_absent(points[i].value))
            s->points[kept++] = points[i];
    *ret_count = kept;
    return OK;
}

static err range_each(void *arg, struct labels labels, const struct query_point *points,
                      size_t count)
{
    struct selection *s = arg;
    struct eval *ev = s->ev;
    struct query_series *series = NULL;
    size_t first = 0, behind = 0;
    TRY(eval_count(ev, count));
    TRY(take_values(s, points, count, &count));
    for (size_t i = 0; i < ev->steps; i++) {
        int64_t to_ms = eval_time(ev, i) - s->select->offset_ms;
        int64_t from_ms = to_ms - s->select->range_ms;
        while (behind < count && s->points[behind].ts_ms <= to_ms)
            behind++;
        while (first < behind && s->points[first].ts_ms <= from_ms)
            first++;
        if (first == behind)
            continue;
        struct window w = { .points = s->points + first,
                            .count = behind - first,
                            .from_ms = from_ms,
                            .to_ms = to_ms,
                            .arg = s->args ? s->args[i] : 0 };
        if (i % 64 == 0)
            TRY(eval_check(ev));
        double value = s->function->range(&w);
        if (query_is_absent(value))
            continue;
        if (!series)
            TRY(series_for(s, labels, &series));
        value_put(series, i, value);
    }
    return OK;
}

static err raw_each(void *arg, struct labels labels, const struct query_point *points, size_t count)
{
    struct selection *s = arg;
    struct query_result *r = s->raw;
    TRY(eval_check(s->ev));
    TRY(eval_count(s->ev, count));
    s->room = 0; /* what was taken stays */
    TRY(take_values(s, points, count, &count));
    if (count == 0)
        return OK;
    struct query_series *series;
    struct labels own;
    TRY(labels_copy(s->ev->keep, labels, &own));
    TRY(value_add(s->ev, s->value, own, &series));
    r->points[s->value->count - 1] = s->points;
    r->point_counts[s->value->count - 1] = count;
    return OK;
}

static err select_all(struct selection *s, int64_t back_ms, query_series_fn each)
{
    struct eval *ev = s->ev;
    if (!ev->source->series)
        return OK;
    int64_t from_ms = eval_time(ev, 0) - s->select->offset_ms - back_ms;
    int64_t to_ms = eval_time(ev, ev->steps - 1) - s->select->offset_ms;
    map_init(&s->groups, QUERY_SERIES_MAX);
    err e = ev->source->series(ev->source->arg, s->select->selector, from_ms, to_ms, each, s);
    map_deinit(&s->groups);
    return e;
}

err eval_select(struct eval *ev, const struct node *node, struct value *ret_value)
{
    struct selection s = { .ev = ev,
                           .select = node,
                           .value = ret_value,
                           .sum_by = ev->sum_by,
                           .sum_without = ev->sum_without };
    ev->sum_by = NULL;
    *ret_value = (struct value){ .type = QUERY_VECTOR };
    return select_all(&s, QUERY_LOOKBACK_MS, instant_each);
}

err eval_range_function(struct eval *ev, const struct node *call, struct value *ret_value)
{
    struct value param = { 0 };
    struct selection s = {
        .ev = ev, .select = call->args[0], .function = call->function, .value = ret_value
    };
    if (call->arg_count > 1) {
        TRY(eval_node(ev, call->args[1], &param));
        s.args = param.scalars;
    }
    *ret_value = (struct value){ .type = QUERY_VECTOR };
    return select_all(&s, s.select->range_ms, range_each);
}

err eval_raw(struct eval *ev, const struct node *node, struct query_result *result)
{
    struct value v = { .type = QUERY_MATRIX };
    struct selection s = { .ev = ev, .select = node, .value = &v, .raw = result };
    result->type = QUERY_MATRIX;
    result->points = NEW_ARRAY(ev->keep, struct query_point *, QUERY_SERIES_MAX);
    result->point_counts = NEW_ARRAY(ev->keep, size_t, QUERY_SERIES_MAX);
    ARENA_TRY(result->points && result->point_counts);
    TRY(select_all(&s, node->range_ms, raw_each));
    result->series = v.series;
    result->count = v.count;
    return OK;
}
