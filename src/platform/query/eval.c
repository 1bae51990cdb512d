/* SPDX-License-Identifier: GPL-3.0-or-later */
/* eval.c -- walks the tree. Every part is computed for all moments at once: a part is a number a
 * moment, or series with a value or nothing at each moment. So a selector reads the store once,
 * whatever the number of moments.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "platform/query/query_internal.h"

/* ------------------------------------------------------------------ nothing */

#define ABSENT_BITS UINT64_C(0x7FF8000000AB5E17)

double query_absent(void)
{
    double value;
    uint64_t bits = ABSENT_BITS;
    memcpy(&value, &bits, sizeof value);
    return value;
}

bool query_is_absent(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == ABSENT_BITS;
}

/* ------------------------------------------------------------------ limits */

err eval_check(const struct eval *ev)
{
    if (clock_mono_ns() < ev->deadline_ns)
        return OK;
    return ERR(ERR_TIMEOUT,
               "the query took longer than allowed: ask for less time or fewer series");
}

err eval_count(struct eval *ev, size_t samples)
{
    ev->samples += (int64_t)samples;
    if (ev->samples > QUERY_SAMPLES_MAX)
        return ERR(ERR_TOO_BIG,
                   "the query looks at more than %d samples: ask for less time, "
                   "fewer series or larger steps",
                   QUERY_SAMPLES_MAX);
    return OK;
}

/* ------------------------------------------------------------------ values */

err value_add(struct eval *ev, struct value *v, struct labels labels,
              struct query_series **ret_series)
{
    if (v->count == QUERY_SERIES_MAX || (v->count + 1) * ev->steps > QUERY_VALUES_MAX)
        return ERR(ERR_TOO_BIG,
                   "a part of the query has more than %zu series at %zu moments: match fewer, or "
                   "ask for larger steps",
                   v->count, ev->steps);
    if (v->count == v->room) {
        size_t room = v->room ? v->room * 2 : 16;
        struct query_series *series = NEW_ARRAY(ev->keep, struct query_series, room);
        ARENA_TRY(series);
        if (v->count)
            memcpy(series, v->series, v->count * sizeof *series);
        v->series = series;
        v->room = room;
    }
    struct query_series *s = &v->series[v->count];
    s->labels = labels;
    s->values = NEW_ARRAY(ev->keep, double, ev->steps);
    ARENA_TRY(s->values);
    for (size_t i = 0; i < ev->steps; i++)
        s->values[i] = query_absent();
    v->count++;
    *ret_series = s;
    return OK;
}

static err merge_into(struct query_series *into, const struct query_series *from, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        if (query_is_absent(from->values[i]))
            continue;
        if (!query_is_absent(into->values[i]))
            return ERR(ERR_CONFLICT, "vector cannot contain metrics with the same labelset: two "
                                     "series become the same here, keep a label that tells them "
                                     "apart");
        into->values[i] = from->values[i];
    }
    return OK;
}

err value_merge(struct eval *ev, struct value *v)
{
    struct map seen;
    size_t kept = 0;
    map_init(&seen, QUERY_SERIES_MAX);
    err e = OK;
    for (size_t i = 0; !e.code && i < v->count; i++) {
        union map_value *slot;
        bool is_new;
        str key = labels_key(ev->keep, v->series[i].labels);
        if (!key.ptr)
            e = arena_check(ev->keep);
        if (!e.code)
            e = map_put(&seen, key, &slot, &is_new);
        if (e.code)
            break;
        if (is_new) {
            slot->num = (int64_t)kept;
            v->series[kept++] = v->series[i];
        } else {
            e = merge_into(&v->series[slot->num], &v->series[i], ev->steps);
        }
    }
    map_deinit(&seen);
    v->count = kept;
    return e;
}

/* ------------------------------------------------------------------ calls */

static err drop_names(struct eval *ev, struct value *v)
{
    for (size_t i = 0; i < v->count; i++)
        TRY(labels_filter(ev->keep, v->series[i].labels, NULL, true, true, &v->series[i].labels));
    return value_merge(ev, v);
}

static err eval_math(struct eval *ev, const struct node *call, struct value *ret_value)
{
    const struct function *f = call->function;
    struct value params[2] = { { 0 }, { 0 } };
    TRY(eval_node(ev, call->args[0], ret_value));
    for (size_t i = 1; i < call->arg_count; i++)
        TRY(eval_node(ev, call->args[i], &params[i - 1]));
    for (size_t k = 0; k < ret_value->count; k++) {
        double *values = ret_value->series[k].values;
        for (size_t i = 0; i < ev->steps; i++) {
            double a = params[0].scalars ? params[0].scalars[i] : f->defaults[0];
            double b = params[1].scalars ? params[1].scalars[i] : f->defaults[1];
            if (!query_is_absent(values[i]))
                values[i] = f->math(values[i], a, b);
        }
    }
    return drop_names(ev, ret_value);
}

static err eval_call(struct eval *ev, const struct node *call, struct value *ret_value)
{
    switch (call->function->kind) {
    case FUNCTION_RANGE:
        TRY(eval_range_function(ev, call, ret_value));
        return call->function->keeps_name ? OK : drop_names(ev, ret_value);
    case FUNCTION_LINES:
        return eval_line_counts(ev, call, ret_value);
    case FUNCTION_MATH:
        return eval_math(ev, call, ret_value);
    case FUNCTION_OTHER:
        return call->function->eval(ev, call, ret_value);
    }
    return OK;
}

static err eval_number(struct eval *ev, double number, struct value *ret_value)
{
    *ret_value = (struct value){ .type = QUERY_SCALAR };
    ret_value->scalars = NEW_ARRAY(ev->keep, double, ev->steps);
    ARENA_TRY(ret_value->scalars);
    for (size_t i = 0; i < ev->steps; i++)
        ret_value->scalars[i] = number;
    return OK;
}

static err eval_negate(struct eval *ev, const struct node *node, struct value *ret_value)
{
    TRY(eval_node(ev, node->args[0], ret_value));
    if (ret_value->type == QUERY_SCALAR) {
        for (size_t i = 0; i < ev->steps; i++)
            ret_value->scalars[i] = -ret_value->scalars[i];
        return OK;
    }
    for (size_t k = 0; k < ret_value->count; k++)
        for (size_t i = 0; i < ev->steps; i++)
            if (!query_is_absent(ret_value->series[k].values[i]))
                ret_value->series[k].values[i] = -ret_value->series[k].values[i];
    return drop_names(ev, ret_value);
}

err eval_node(struct eval *ev, const struct node *node, struct value *ret_value)
{
    TRY(eval_check(ev));
    *ret_value = (struct value){ .type = node->type };
    switch (node->kind) {
    case NODE_NUMBER:
        return eval_number(ev, node->number, ret_value);
    case NODE_STRING:
        ret_value->text = node->text;
        return OK;
    case NODE_SELECT:
        return eval_select(ev, node, ret_value);
    case NODE_CALL:
        return eval_call(ev, node, ret_value);
    case NODE_AGGREGATE:
        return aggregate_eval(ev, node, ret_value);
    case NODE_BINARY:
        return binary_eval(ev, node, ret_value);
    case NODE_NEGATE:
        return eval_negate(ev, node, ret_value);
    }
    return OK;
}

/* ------------------------------------------------------------------ one question */

/* So far from 1970 that nothing overflows when durations are taken off. */
#define TIME_MAX_MS INT64_C(100000000000000)

static err check_times(const struct query_times *times, size_t *ret_steps)
{
    *ret_steps = 1;
    if (llabs(times->start_ms) > TIME_MAX_MS || llabs(times->end_ms) > TIME_MAX_MS)
        return ERR(ERR_INVALID, "the time asked for lies thousands of years away");
    if (!times->is_range)
        return OK;
    if (times->end_ms < times->start_ms)
        return ERR(ERR_INVALID, "end timestamp must not be before start time");
    if (times->step_ms <= 0)
        return ERR(ERR_INVALID, "zero or negative query resolution step widths are not accepted. "
                                "Try a positive integer");
    int64_t steps = (times->end_ms - times->start_ms) / times->step_ms + 1;
    if (steps > QUERY_STEPS_MAX)
        return ERR(ERR_INVALID,
                   "exceeded maximum resolution of %d points per timeseries. Try decreasing the "
                   "query resolution (?step=XX)",
                   QUERY_STEPS_MAX);
    *ret_steps = (size_t)steps;
    return OK;
}

static int by_labels(const void *a, const void *b)
{
    const struct query_series *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

/* Takes out series that have nothing to show. */
static void prune(struct value *v, size_t steps)
{
    size_t kept = 0;
    for (size_t k = 0; k < v->count; k++) {
        size_t i = 0;
        while (i < steps && query_is_absent(v->series[k].values[i]))
            i++;
        if (i < steps)
            v->series[kept++] = v->series[k];
    }
    v->count = kept;
}

/* The evaluator's part of query_run and query_run_lines. */
static err eval_begin(const struct query_source *source, const struct query_times *times,
                      arena *keep, struct eval *ev)
{
    int64_t timeout_ms = times->timeout_ms;
    if (timeout_ms <= 0 || timeout_ms > QUERY_TIMEOUT_MS)
        timeout_ms = QUERY_TIMEOUT_MS;
    *ev = (struct eval){ .source = source,
                         .keep = keep,
                         .times = *times,
                         .deadline_ns = clock_mono_ns() + timeout_ms * 1000000 };
    TRY(check_times(times, &ev->steps));
    if (!times->is_range)
        ev->times.step_ms = 0;
    return OK;
}

err query_run(const struct query *q, const struct query_source *source,
              const struct query_times *times, arena *keep, struct query_result *ret_result)
{
    struct eval ev;
    struct value v;
    TRY(eval_begin(source, times, keep, &ev));
    struct query_result result = { .times = ev.times, .step_count = ev.steps };
    enum query_type type = q->root->type;
    if (times->is_range && (type == QUERY_MATRIX || type == QUERY_STRING))
        return ERR(ERR_INVALID,
                   "invalid expression type \"%s\" for range query, must be Scalar or "
                   "instant Vector",
                   type == QUERY_MATRIX ? "range vector" : "string");
    if (type == QUERY_MATRIX) {
        TRY(eval_raw(&ev, q->root, &result));
        *ret_result = result;
        return OK;
    }
    TRY(eval_node(&ev, q->root, &v));
    prune(&v, ev.steps);
    if (!v.is_ordered && v.count)
        qsort(v.series, v.count, sizeof *v.series, by_labels);
    result.type = v.type;
    result.series = v.series;
    result.count = v.count;
    result.scalars = v.scalars;
    result.text = v.text;
    *ret_result = result;
    return OK;
}

err query_run_lines(const struct query *q, const struct query_source *source,
                    const struct query_times *times, size_t limit, bool oldest_first, arena *keep,
                    struct query_stream **ret_streams, size_t *ret_count)
{
    struct eval ev;
    struct query_times moment = *times;
    moment.is_range = false; /* lines have no steps */
    TRY(eval_begin(source, &moment, keep, &ev));
    if (times->end_ms < times->start_ms)
        return ERR(ERR_INVALID, "end timestamp must not be before start time");
    limit = limit == 0 ? 100 : limit > QUERY_LINES_MAX ? QUERY_LINES_MAX : limit;
    return eval_lines(&ev, q->root, limit, oldest_first, ret_streams, ret_count);
}
