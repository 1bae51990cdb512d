/* SPDX-License-Identifier: GPL-3.0-or-later */
/* functions.c -- the table of functions, and those that are arithmetic: over a window of samples,
 * or of each value. What a function does is what Prometheus' manual says of the one of its name.
 */
#include <math.h>
#include <string.h>

#include "platform/query/query_internal.h"

/* ------------------------------------------------------------------ rates */

/* What the window gained. The samples do not reach its ends: the slope is carried on to an end when
 * the gap there is no longer than usual between samples, else by half of what is usual; a counter
 * is not carried below zero. */
static double extrapolated(const struct window *w, bool is_counter, bool is_rate)
{
    const struct query_point *first = &w->points[0], *last = &w->points[w->count - 1];
    if (w->count < 2)
        return query_absent();
    double gained = last->value - first->value;
    for (size_t i = 1; is_counter && i < w->count; i++)
        if (w->points[i].value < w->points[i - 1].value)
            gained += w->points[i - 1].value;

    double sampled = (double)(last->ts_ms - first->ts_ms) / 1000;
    double to_start = (double)(first->ts_ms - w->from_ms) / 1000;
    double to_end = (double)(w->to_ms - last->ts_ms) / 1000;
    double usual = sampled / (double)(w->count - 1);
    if (is_counter && gained > 0 && first->value >= 0) {
        double to_zero = sampled * (first->value / gained);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    double reached = sampled;
    reached += to_start < usual * 1.1 ? to_start : usual / 2;
    reached += to_end < usual * 1.1 ? to_end : usual / 2;
    double factor = reached / sampled;
    if (is_rate)
        factor /= (double)(w->to_ms - w->from_ms) / 1000;
    return gained * factor;
}

static double f_rate(const struct window *w)
{
    return extrapolated(w, true, true);
}

static double f_increase(const struct window *w)
{
    return extrapolated(w, true, false);
}

static double f_delta(const struct window *w)
{
    return extrapolated(w, false, false);
}

static double f_irate(const struct window *w)
{
    if (w->count < 2)
        return query_absent();
    const struct query_point *last = &w->points[w->count - 1], *before = last - 1;
    double gained = last->value < before->value ? last->value : last->value - before->value;
    return gained / ((double)(last->ts_ms - before->ts_ms) / 1000);
}

static double f_idelta(const struct window *w)
{
    if (w->count < 2)
        return query_absent();
    return w->points[w->count - 1].value - w->points[w->count - 2].value;
}

/* The slope and the value at to_ms of the straight line nearest to the samples. */
static bool line_through(const struct window *w, int64_t zero_ms, double *ret_slope,
                         double *ret_value)
{
    double n = (double)w->count, x_sum = 0, y_sum = 0, xy_sum = 0, xx_sum = 0;
    if (w->count < 2)
        return false;
    for (size_t i = 0; i < w->count; i++) {
        double x = (double)(w->points[i].ts_ms - zero_ms) / 1000;
        x_sum += x;
        y_sum += w->points[i].value;
        xy_sum += x * w->points[i].value;
        xx_sum += x * x;
    }
    *ret_slope = (xy_sum - x_sum * y_sum / n) / (xx_sum - x_sum * x_sum / n);
    *ret_value = y_sum / n - *ret_slope * x_sum / n;
    return true;
}

static double f_deriv(const struct window *w)
{
    double slope, value;
    return line_through(w, w->points[0].ts_ms, &slope, &value) ? slope : query_absent();
}

static double f_predict_linear(const struct window *w)
{
    double slope, value;
    return line_through(w, w->to_ms, &slope, &value) ? value + slope * w->arg : query_absent();
}

static double f_changes(const struct window *w)
{
    double count = 0;
    for (size_t i = 1; i < w->count; i++)
        count += w->points[i].value != w->points[i - 1].value &&
                 !(isnan(w->points[i].value) && isnan(w->points[i - 1].value));
    return count;
}

static double f_resets(const struct window *w)
{
    double count = 0;
    for (size_t i = 1; i < w->count; i++)
        count += w->points[i].value < w->points[i - 1].value;
    return count;
}

/* ------------------------------------------------------------------ over time */

static double f_sum(const struct window *w)
{
    double sum = 0;
    for (size_t i = 0; i < w->count; i++)
        sum += w->points[i].value;
    return sum;
}

static double f_avg(const struct window *w)
{
    return f_sum(w) / (double)w->count;
}

static double f_count(const struct window *w)
{
    return (double)w->count;
}

static double f_last(const struct window *w)
{
    return w->points[w->count - 1].value;
}

static double f_present(const struct window *w)
{
    return w->count ? 1 : query_absent();
}

static double f_max(const struct window *w)
{
    double max = w->points[0].value;
    for (size_t i = 1; i < w->count; i++)
        if (w->points[i].value > max || isnan(max))
            max = w->points[i].value;
    return max;
}

static double f_min(const struct window *w)
{
    double min = w->points[0].value;
    for (size_t i = 1; i < w->count; i++)
        if (w->points[i].value < min || isnan(min))
            min = w->points[i].value;
    return min;
}

static double f_stdvar(const struct window *w)
{
    double mean = f_avg(w), sum = 0;
    for (size_t i = 0; i < w->count; i++)
        sum += (w->points[i].value - mean) * (w->points[i].value - mean);
    return sum / (double)w->count;
}

static double f_stddev(const struct window *w)
{
    return sqrt(f_stdvar(w));
}

/* ------------------------------------------------------------------ of each value */

static double m_abs(double v, double a, double b)
{
    (void)a, (void)b;
    return fabs(v);
}

static double m_ceil(double v, double a, double b)
{
    (void)a, (void)b;
    return ceil(v);
}

static double m_floor(double v, double a, double b)
{
    (void)a, (void)b;
    return floor(v);
}

/* To the nearest multiple of `to`; halves go up. */
static double m_round(double v, double to, double b)
{
    (void)b;
    double inverse = 1 / to;
    return floor(v * inverse + 0.5) / inverse;
}

static double m_clamp(double v, double min, double max)
{
    if (isnan(min) || isnan(max))
        return NAN;
    return min > max ? query_absent() : fmax(min, fmin(max, v));
}

static double m_clamp_min(double v, double min, double b)
{
    (void)b;
    return isnan(v) || isnan(min) ? NAN : fmax(min, v);
}

static double m_clamp_max(double v, double max, double b)
{
    (void)b;
    return isnan(v) || isnan(max) ? NAN : fmin(max, v);
}

static double m_exp(double v, double a, double b)
{
    (void)a, (void)b;
    return exp(v);
}

static double m_ln(double v, double a, double b)
{
    (void)a, (void)b;
    return log(v);
}

static double m_log2(double v, double a, double b)
{
    (void)a, (void)b;
    return log2(v);
}

static double m_log10(double v, double a, double b)
{
    (void)a, (void)b;
    return log10(v);
}

static double m_sqrt(double v, double a, double b)
{
    (void)a, (void)b;
    return sqrt(v);
}

static double m_sgn(double v, double a, double b)
{
    (void)a, (void)b;
    return isnan(v) ? v : (v > 0) - (v < 0);
}

/* ------------------------------------------------------------------ in their own way */

static err value_scalar(struct eval *ev, struct value *v)
{
    *v = (struct value){ .type = QUERY_SCALAR };
    v->scalars = NEW_ARRAY(ev->keep, double, ev->steps);
    ARENA_TRY(v->scalars);
    return OK;
}

static err eval_time_call(struct eval *ev, const struct node *call, struct value *ret_value)
{
    (void)call;
    TRY(value_scalar(ev, ret_value));
    for (size_t i = 0; i < ev->steps; i++)
        ret_value->scalars[i] = (double)eval_time(ev, i) / 1000;
    return OK;
}

static err eval_vector(struct eval *ev, const struct node *call, struct value *ret_value)
{
    struct value arg;
    struct query_series *series;
    TRY(eval_node(ev, call->args[0], &arg));
    *ret_value = (struct value){ .type = QUERY_VECTOR };
    TRY(value_add(ev, ret_value, (struct labels){ 0 }, &series));
    memcpy(series->values, arg.scalars, ev->steps * sizeof *series->values);
    return OK;
}

static err eval_scalar(struct eval *ev, const struct node *call, struct value *ret_value)
{
    struct value arg;
    TRY(eval_node(ev, call->args[0], &arg));
    TRY(value_scalar(ev, ret_value));
    for (size_t i = 0; i < ev->steps; i++) {
        size_t there = 0;
        for (size_t k = 0; k < arg.count; k++) {
            if (query_is_absent(arg.series[k].values[i]))
                continue;
            there++;
            ret_value->scalars[i] = arg.series[k].values[i];
        }
        if (there != 1)
            ret_value->scalars[i] = NAN;
    }
    return OK;
}

/* The labels that a selector demands with =, each named once: what the missing series would have.
 */
static err demanded_labels(struct eval *ev, const struct node *node, struct labels *ret_labels)
{
    struct label pairs[MATCHERS_MAX];
    size_t count = 0;
    const struct query_selector *s = node->kind == NODE_SELECT ? node->selector : NULL;
    for (size_t i = 0; s && i < s->count; i++) {
        size_t named = 0;
        for (size_t k = 0; k < s->count; k++)
            named += str_eq(s->matchers[k].name, s->matchers[i].name);
        if (s->matchers[i].op == MATCH_EQUAL && named == 1 &&
            !str_eq(s->matchers[i].name, LABELS_NAME))
            pairs[count++] = (struct label){ s->matchers[i].name, s->matchers[i].value };
    }
    return labels_make(ev->keep, pairs, count, ret_labels);
}

static err eval_absent(struct eval *ev, const struct node *call, struct value *ret_value)
{
    struct value arg;
    struct labels labels;
    struct query_series *series;
    TRY(eval_node(ev, call->args[0], &arg));
    TRY(demanded_labels(ev, call->args[0], &labels));
    *ret_value = (struct value){ .type = QUERY_VECTOR };
    TRY(value_add(ev, ret_value, labels, &series));
    for (size_t i = 0; i < ev->steps; i++) {
        bool there = false;
        for (size_t k = 0; !there && k < arg.count; k++)
            there = !query_is_absent(arg.series[k].values[i]);
        if (!there)
            series->values[i] = 1;
    }
    return OK;
}

/* At one moment only: over a stretch of time there is no one order. */
static err sorted(struct eval *ev, const struct node *call, bool descends, struct value *ret_value)
{
    TRY(eval_node(ev, call->args[0], ret_value));
    if (ev->times.is_range)
        return OK;
    struct query_series *s = ret_value->series;
    for (size_t gap = ret_value->count / 2; gap; gap /= 2) {
        for (size_t i = gap; i < ret_value->count; i++) {
            struct query_series moved = s[i];
            size_t at = i;
            double v = moved.values[0];
            while (at >= gap) {
                double other = s[at - gap].values[0];
                bool before = isnan(other) ? !isnan(v) : descends ? v > other : v < other;
                if (!before)
                    break;
                s[at] = s[at - gap];
                at -= gap;
            }
            s[at] = moved;
        }
    }
    ret_value->is_ordered = true;
    return OK;
}

static err eval_sort(struct eval *ev, const struct node *call, struct value *ret_value)
{
    return sorted(ev, call, false, ret_value);
}

static err eval_sort_desc(struct eval *ev, const struct node *call, struct value *ret_value)
{
    return sorted(ev, call, true, ret_value);
}

/* ------------------------------------------------------------------ the table */

#define RANGE(fn_name, fn)                                                                \
    {                                                                                     \
        .name = (fn_name), .kind = FUNCTION_RANGE, .languages = LANGUAGE_PROM,            \
        .returns = QUERY_VECTOR, .args_min = 1, .arg_count = 1, .args = { QUERY_MATRIX }, \
        .range = (fn)                                                                     \
    }
#define LINES(fn_name)                                                        \
    {                                                                         \
        .name = (fn_name), .kind = FUNCTION_LINES, .languages = LANGUAGE_LOG, \
        .returns = QUERY_VECTOR, .args_min = 1, .arg_count = 1, .args = {     \
            QUERY_MATRIX                                                      \
        }                                                                     \
    }
#define MATH(fn_name, fn, min, count, ...)                                                \
    {                                                                                     \
        .name = (fn_name), .kind = FUNCTION_MATH, .languages = LANGUAGE_PROM,             \
        .returns = QUERY_VECTOR, .args_min = (min), .arg_count = (count),                 \
        .args = { QUERY_VECTOR, QUERY_SCALAR, QUERY_SCALAR }, .math = (fn), .defaults = { \
            __VA_ARGS__                                                                   \
        }                                                                                 \
    }

static const struct function functions[] = {
    RANGE("rate", f_rate),
    RANGE("increase", f_increase),
    RANGE("delta", f_delta),
    RANGE("irate", f_irate),
    RANGE("idelta", f_idelta),
    RANGE("deriv", f_deriv),
    RANGE("changes", f_changes),
    RANGE("resets", f_resets),
    RANGE("sum_over_time", f_sum),
    RANGE("avg_over_time", f_avg),
    RANGE("min_over_time", f_min),
    RANGE("max_over_time", f_max),
    RANGE("count_over_time", f_count),
    RANGE("present_over_time", f_present),
    RANGE("stddev_over_time", f_stddev),
    RANGE("stdvar_over_time", f_stdvar),
    { .name = "last_over_time",
      .kind = FUNCTION_RANGE,
      .languages = LANGUAGE_PROM,
      .returns = QUERY_VECTOR,
      .args_min = 1,
      .arg_count = 1,
      .args = { QUERY_MATRIX },
      .range = f_last,
      .keeps_name = true },
    { .name = "predict_linear",
      .kind = FUNCTION_RANGE,
      .languages = LANGUAGE_PROM,
      .returns = QUERY_VECTOR,
      .args_min = 2,
      .arg_count = 2,
      .args = { QUERY_MATRIX, QUERY_SCALAR },
      .range = f_predict_linear },
    LINES("rate"),
    LINES("count_over_time"),
    LINES("bytes_rate"),
    LINES("bytes_over_time"),
    MATH("abs", m_abs, 1, 1, 0),
    MATH("ceil", m_ceil, 1, 1, 0),
    MATH("floor", m_floor, 1, 1, 0),
    MATH("round", m_round, 1, 2, 1),
    MATH("clamp", m_clamp, 3, 3, 0),
    MATH("clamp_min", m_clamp_min, 2, 2, 0),
    MATH("clamp_max", m_clamp_max, 2, 2, 0),
    MATH("exp", m_exp, 1, 1, 0),
    MATH("ln", m_ln, 1, 1, 0),
    MATH("log2", m_log2, 1, 1, 0),
    MATH("log10", m_log10, 1, 1, 0),
    MATH("sqrt", m_sqrt, 1, 1, 0),
    MATH("sgn", m_sgn, 1, 1, 0),
    { .name = "time",
      .kind = FUNCTION_OTHER,
      .languages = LANGUAGE_PROM,
      .returns = QUERY_SCALAR,
      .eval = eval_time_call },
    { .name = "vector",
      .kind = FUNCTION_OTHER,
      .languages = LANGUAGE_PROM | LANGUAGE_LOG,
      .returns = QUERY_VECTOR,
      .args_min = 1,
      .arg_count = 1,
      .args = { QUERY_SCALAR },
      .eval = eval_vector },
    { .name = "scalar",
      .kind = FUNCTION_OTHER,
      .languages = LANGUAGE_PROM,
      .returns = QUERY_SCALAR,
      .args_min = 1,
      .arg_count = 1,
      .args = { QUERY_VECTOR },
      .eval = eval_scalar },
    { .name = "absent",
      .kind = FUNCTION_OTHER,
      .languages = LANGUAGE_PROM,
      .returns = QUERY_VECTOR,
      .args_min = 1,
      .arg_count = 1,
      .args = { QUERY_VECTOR },
      .eval = eval_absent },
    { .name = "sort",
      .kind = FUNCTION_OTHER,
      .languages = LANGUAGE_PROM | LANGUAGE_LOG,
      .returns = QUERY_VECTOR,
      .args_min = 1,
      .arg_count = 1,
      .args = { QUERY_VECTOR },
      .eval = eval_sort },
    { .name = "sort_desc",
      .kind = FUNCTION_OTHER,
      .languages = LANGUAGE_PROM | LANGUAGE_LOG,
      .returns = QUERY_VECTOR,
      .args_min = 1,
      .arg_count = 1,
      .args = { QUERY_VECTOR },
      .eval = eval_sort_desc },
    { .name = "histogram_quantile",
      .kind = FUNCTION_OTHER,
      .languages = LANGUAGE_PROM,
      .returns = QUERY_VECTOR,
      .args_min = 2,
      .arg_count = 2,
      .args = { QUERY_SCALAR, QUERY_VECTOR },
      .eval = histogram_quantile_eval },
};

const struct function *function_find(str name, unsigned language)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if ((functions[i].languages & language) && str_eq(name, str_of(functions[i].name)))
            return &functions[i];
    return NULL;
}
