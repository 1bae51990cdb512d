/* SPDX-License-Identifier: GPL-3.0-or-later */
/* aggregate.c -- many series into one a group, or the few largest of each; and quantiles of
 * histograms, which are a group's buckets taken together.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "platform/query/query_internal.h"

struct group {
    struct labels labels;
    size_t *members; /* indexes of series */
    size_t count;
};
struct groups {
    struct group *items;
    size_t count;
    size_t *group_of; /* of each series */
};

/* What is left of a series' labels tells its group. */
static err groups_make(struct eval *ev, const struct value *v, const struct label_list *list,
                       bool without, struct groups *ret_groups)
{
    struct groups g = { 0 };
    struct map seen;
    size_t *members = NEW_ARRAY(ev->keep, size_t, v->count + 1);
    g.items = NEW_ARRAY(ev->keep, struct group, v->count + 1);
    g.group_of = NEW_ARRAY(ev->keep, size_t, v->count + 1);
    ARENA_TRY(members && g.items && g.group_of);
    map_init(&seen, QUERY_SERIES_MAX);
    err e = OK;
    for (size_t i = 0; !e.code && i < v->count; i++) {
        struct labels labels;
        union map_value *slot;
        bool is_new;
        e = labels_filter(ev->keep, v->series[i].labels, list, without, without, &labels);
        if (e.code)
            break;
        str key = labels_key(ev->keep, labels);
        e = key.ptr ? map_put(&seen, key, &slot, &is_new) : arena_check(ev->keep);
        if (e.code)
            break;
        if (is_new) {
            slot->num = (int64_t)g.count;
            g.items[g.count++].labels = labels;
        }
        g.group_of[i] = (size_t)slot->num;
        g.items[slot->num].count++;
    }
    map_deinit(&seen);
    if (e.code)
        return e;
    for (size_t k = 0; k < g.count; k++) {
        g.items[k].members = members;
        members += g.items[k].count;
        g.items[k].count = 0;
    }
    for (size_t i = 0; i < v->count; i++) {
        struct group *group = &g.items[g.group_of[i]];
        group->members[group->count++] = i;
    }
    *ret_groups = g;
    return OK;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    if (isnan(*x) || isnan(*y)) /* NaN is the smallest */
        return isnan(*y) - isnan(*x);
    return (*x > *y) - (*x < *y);
}

double quantile_of(double *values, size_t count, double q)
{
    if (count == 0 || isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    qsort(values, count, sizeof *values, by_value);
    double rank = q * (double)(count - 1);
    size_t low = (size_t)floor(rank);
    size_t high = low + 1 < count ? low + 1 : low;
    double weight = rank - floor(rank);
    return values[low] * (1 - weight) + values[high] * weight;
}

/* ------------------------------------------------------------------ one value a group */

static double sum_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static double mean_of(const double *values, size_t count)
{
    return sum_of(values, count) / (double)count;
}

static double extreme_of(const double *values, size_t count, bool max)
{
    double found = values[0];
    for (size_t i = 1; i < count; i++)
        if (isnan(found) || (max ? values[i] > found : values[i] < found))
            found = values[i];
    return found;
}

static double variance_of(const double *values, size_t count)
{
    double mean = mean_of(values, count), sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return sum / (double)count;
}

/* At least one value; they may be put in another order. */
static double combine(enum aggregate_op op, double *values, size_t count, double param)
{
    switch (op) {
    case AGGREGATE_SUM:
        return sum_of(values, count);
    case AGGREGATE_AVG:
        return mean_of(values, count);
    case AGGREGATE_MIN:
        return extreme_of(values, count, false);
    case AGGREGATE_MAX:
        return extreme_of(values, count, true);
    case AGGREGATE_COUNT:
        return (double)count;
    case AGGREGATE_STDVAR:
        return variance_of(values, count);
    case AGGREGATE_STDDEV:
        return sqrt(variance_of(values, count));
    case AGGREGATE_QUANTILE:
        return quantile_of(values, count, param);
    case AGGREGATE_GROUP:
    case AGGREGATE_TOPK:
    case AGGREGATE_BOTTOMK:
        break;
    }
    return 1;
}

static err combine_groups(struct eval *ev, const struct node *node, const struct value *arg,
                          const struct groups *g, const double *params, struct value *out)
{
    double *values = NEW_ARRAY(ev->keep, double, arg->count + 1);
    ARENA_TRY(values);
    for (size_t k = 0; k < g->count; k++) {
        const struct group *group = &g->items[k];
        struct query_series *series;
        TRY(eval_check(ev));
        TRY(value_add(ev, out, group->labels, &series));
        for (size_t i = 0; i < ev->steps; i++) {
            size_t count = 0;
            for (size_t m = 0; m < group->count; m++) {
                double v = arg->series[group->members[m]].values[i];
                if (!query_is_absent(v))
                    values[count++] = v;
            }
            if (count)
                series->values[i] = combine(node->aggregate, values, count, params ? params[i] : 0);
        }
    }
    return OK;
}

/* ------------------------------------------------------------------ topk, bottomk */

struct ranked {
    double value;
    size_t index;
};

static int ranked_cmp(const struct ranked *x, const struct ranked *y, bool top)
{
    /* NaN loses in both. */
    if (isnan(x->value) || isnan(y->value))
        return isnan(x->value) - isnan(y->value) ? isnan(x->value) - isnan(y->value)
                                                 : (x->index > y->index) - (x->index < y->index);
    int order = (x->value > y->value) - (x->value < y->value);
    order = top ? -order : order;
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_top(const void *a, const void *b)
{
    return ranked_cmp(a, b, true);
}

static int by_bottom(const void *a, const void *b)
{
    return ranked_cmp(a, b, false);
}

/* Of each group the k first at each moment stay; the others become absent. */
static err keep_first(struct eval *ev, const struct node *node, struct value *v,
                      const struct groups *g, const double *params)
{
    bool top = node->aggregate == AGGREGATE_TOPK;
    struct ranked *ranked = NEW_ARRAY(ev->keep, struct ranked, v->count + 1);
    ARENA_TRY(ranked);
    for (size_t n = 0; n < g->count * ev->steps; n++) {
        const struct group *group = &g->items[n / ev->steps];
        size_t i = n % ev->steps, count = 0;
        if (n % 256 == 0)
            TRY(eval_check(ev));
        for (size_t m = 0; m < group->count; m++) {
            double value = v->series[group->members[m]].values[i];
            if (!query_is_absent(value))
                ranked[count++] = (struct ranked){ value, group->members[m] };
        }
        if (count)
            qsort(ranked, count, sizeof *ranked, top ? by_top : by_bottom);
        double k = params[i];
        for (size_t m = 0; m < count; m++)
            if (!(k >= (double)m + 1))
                v->series[ranked[m].index].values[i] = query_absent();
    }
    return OK;
}

/* At one moment the answer comes in the order of rank, group by group. */
static err order_by_rank(struct eval *ev, const struct node *node, struct value *v,
                         const struct groups *g)
{
    bool top = node->aggregate == AGGREGATE_TOPK;
    struct ranked *ranked = NEW_ARRAY(ev->keep, struct ranked, v->count + 1);
    struct query_series *series = NEW_ARRAY(ev->keep, struct query_series, v->count + 1);
    ARENA_TRY(ranked && series);
    size_t out = 0;
    for (size_t k = 0; k < g->count; k++) {
        const struct group *group = &g->items[k];
        size_t count = 0;
        for (size_t m = 0; m < group->count; m++) {
            double value = v->series[group->members[m]].values[0];
            if (!query_is_absent(value))
                ranked[count++] = (struct ranked){ value, group->members[m] };
        }
        if (count)
            qsort(ranked, count, sizeof *ranked, top ? by_top : by_bottom);
        for (size_t m = 0; m < count; m++)
            series[out++] = v->series[ranked[m].index];
    }
    v->series = series;
    v->count = out;
    v->room = out;
    v->is_ordered = true;
    return OK;
}

/* A function of a range drops the names of its series, and has to see when two become the same. */
static bool can_be_summed(const struct node *arg)
{
    if (arg->kind == NODE_SELECT)
        return true;
    return arg->kind == NODE_CALL &&
           (arg->function->kind == FUNCTION_LINES ||
            (arg->function->kind == FUNCTION_RANGE && arg->arg_count == 1 &&
             query_selector_name(arg->args[0]->selector).len > 0));
}

err aggregate_eval(struct eval *ev, const struct node *node, struct value *ret_value)
{
    static const struct label_list none;
    struct value arg, param = { 0 };
    struct groups g;
    const struct label_list *list = node->labels ? node->labels : &none;
    if (node->aggregate == AGGREGATE_SUM && can_be_summed(node->args[0])) {
        ev->sum_by = list;
        ev->sum_without = node->without;
    }
    TRY(eval_node(ev, node->args[0], &arg));
    if (node->param)
        TRY(eval_node(ev, node->param, &param));
    TRY(groups_make(ev, &arg, list, node->without, &g));
    if (node->aggregate == AGGREGATE_TOPK || node->aggregate == AGGREGATE_BOTTOMK) {
        TRY(keep_first(ev, node, &arg, &g, param.scalars));
        if (!ev->times.is_range)
            TRY(order_by_rank(ev, node, &arg, &g));
        *ret_value = arg;
        return OK;
    }
    *ret_value = (struct value){ .type = QUERY_VECTOR };
    return combine_groups(ev, node, &arg, &g, param.scalars, ret_value);
}

/* ------------------------------------------------------------------ histogram_quantile */

struct bucket {
    double bound, count;
};

static int by_bound(const void *a, const void *b)
{
    const struct bucket *x = a, *y = b;
    return (x->bound > y->bound) - (x->bound < y->bound);
}

/* Buckets of one bound become one, and none counts less than the one below it. */
static size_t tidy_buckets(struct bucket *b, size_t count)
{
    size_t kept = 0;
    qsort(b, count, sizeof *b, by_bound);
    for (size_t i = 0; i < count; i++) {
        if (kept && b[kept - 1].bound == b[i].bound)
            b[kept - 1].count += b[i].count;
        else
            b[kept++] = b[i];
    }
    for (size_t i = 1; i < kept; i++)
        if (b[i].count < b[i - 1].count)
            b[i].count = b[i - 1].count;
    return kept;
}

static double bucket_quantile(struct bucket *b, size_t count, double q)
{
    if (isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    count = tidy_buckets(b, count);
    if (count < 2 || b[count - 1].bound != INFINITY)
        return NAN;
    double total = b[count - 1].count;
    if (total == 0 || isnan(total))
        return NAN;
    double rank = q * total;
    size_t i = 0;
    while (i < count - 1 && b[i].count < rank)
        i++;
    if (i == count - 1)
        return b[count - 2].bound;
    if (i == 0 && b[0].bound <= 0)
        return b[0].bound;
    double low = i ? b[i - 1].bound : 0, below = i ? b[i - 1].count : 0;
    return low + (b[i].bound - low) * ((rank - below) / (b[i].count - below));
}

static bool bound_of(struct labels labels, double *ret_bound)
{
    str text = labels_get(labels, STR("le"));
    if (str_eq(text, STR("+Inf"))) {
        *ret_bound = INFINITY;
        return true;
    }
    err e = str_to_f64(text, ret_bound);
    return !e.code;
}

err histogram_quantile_eval(struct eval *ev, const struct node *call, struct value *ret_value)
{
    static const struct label_list le = { .names = { STR_INIT("le") }, .count = 1 };
    struct value q, arg;
    struct groups g;
    TRY(eval_node(ev, call->args[0], &q));
    TRY(eval_node(ev, call->args[1], &arg));
    double *bounds = NEW_ARRAY(ev->keep, double, arg.count + 1);
    struct bucket *buckets = NEW_ARRAY(ev->keep, struct bucket, arg.count + 1);
    ARENA_TRY(bounds && buckets);
    size_t kept = 0;
    for (size_t i = 0; i < arg.count; i++)
        if (bound_of(arg.series[i].labels, &bounds[kept]))
            arg.series[kept++] = arg.series[i];
    arg.count = kept;
    TRY(groups_make(ev, &arg, &le, true, &g));
    *ret_value = (struct value){ .type = QUERY_VECTOR };
    for (size_t k = 0; k < g.count; k++) {
        const struct group *group = &g.items[k];
        struct query_series *series;
        TRY(eval_check(ev));
        TRY(value_add(ev, ret_value, group->labels, &series));
        for (size_t i = 0; i < ev->steps; i++) {
            size_t count = 0;
            for (size_t m = 0; m < group->count; m++) {
                double value = arg.series[group->members[m]].values[i];
                if (!query_is_absent(value))
                    buckets[count++] = (struct bucket){ bounds[group->members[m]], value };
            }
            if (count)
                series->values[i] = bucket_quantile(buckets, count, q.scalars[i]);
        }
    }
    return OK;
}
