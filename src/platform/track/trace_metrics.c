/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trace_metrics.c -- one query that brings each different value of a point once, with how often it
 * is there, in order of the points; what becomes of them is counted here.
 *
 * Tokens and costs are JSON that clients sent, which the engines do not read alike: they are read
 * here as well. */
#include "platform/track/trace_metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/track/search_internal.h"

const char *const trace_aggregate_names[TRACE_AGGREGATE_END] = {
    [TRACE_COUNT] = "COUNT",           [TRACE_SUM] = "SUM", [TRACE_AVG] = "AVG",
    [TRACE_PERCENTILE] = "PERCENTILE", [TRACE_MIN] = "MIN", [TRACE_MAX] = "MAX",
};

enum { NS_OF_MS = 1000000, JSON_BYTES_MAX = 4096, MS_MAX = 0x3FFFFFFFFFFF };

/* ------------------------------------------------------------------ what there is */

#define BIT(n) (1u << (n))
#define OPS_COUNT BIT(TRACE_COUNT)
#define OPS_SPREAD (BIT(TRACE_AVG) | BIT(TRACE_MIN) | BIT(TRACE_MAX) | BIT(TRACE_PERCENTILE))
#define OPS_ALL (OPS_SPREAD | BIT(TRACE_SUM))

enum value_kind {
    VALUE_NUMBER,
    VALUE_DISTINCT, /* a text; what counts is how many different ones */
    VALUE_TOKENS,   /* whole numbers in a JSON object, by the metric's name */
    VALUE_COSTS,    /* numbers in one */
    VALUE_JUDGED,   /* JSON: a number, true or false, "yes" or "no" */
};

#define TRACE_TEXT(table, key) \
    "(SELECT t.value FROM " table " t WHERE t.trace = r.id AND t.key = '" key "')"

struct dimension {
    const char *name;
    const char *sql;       /* NULL: an attribute of the span, which must be a text */
    const char *attribute; /* its name */
};
enum {
    TRACE_NAME,
    TRACE_STATUS,
    SPAN_NAME,
    SPAN_TYPE,
    SPAN_STATUS,
    SPAN_MODEL,
    SPAN_PROVIDER,
    ASSESSMENT_NAME,
    ASSESSMENT_VALUE,
    DIMENSION_COUNT
};
static const struct dimension dimensions[DIMENSION_COUNT] = {
    [TRACE_NAME] = { "trace_name", TRACE_TEXT("trace_tags", "mlflow.traceName"), NULL },
    [TRACE_STATUS] = { "trace_status", "r.state", NULL },
    [SPAN_NAME] = { "span_name", "x.name", NULL },
    /* UNKNOWN is also what a span has here that says nothing of it; there it has none. */
    [SPAN_TYPE] = { "span_type",
                    "CASE WHEN x.type <> 'UNKNOWN' OR @instr(x.content, '\n\"mlflow.spanType\":')"
                    " > 0 THEN x.type END",
                    NULL },
    [SPAN_STATUS] = { "span_status", "x.status", NULL },
    [SPAN_MODEL] = { "span_model_name", NULL, "mlflow.llm.model" },
    [SPAN_PROVIDER] = { "span_model_provider", NULL, "mlflow.llm.provider" },
    [ASSESSMENT_NAME] = { "assessment_name", "x.key", NULL },
    [ASSESSMENT_VALUE] = { "assessment_value", "x.json", NULL },
};
#define OF_MODEL (BIT(SPAN_MODEL) | BIT(SPAN_PROVIDER))

struct metric {
    enum trace_view view;
    const char *name;
    unsigned aggregates, dimensions;
    enum value_kind kind;
    const char *sql; /* NULL: the costs of the span */
};
#define TOKENS(name)                                                     \
    {                                                                    \
        TRACE_VIEW_TRACES, name, OPS_ALL, BIT(TRACE_NAME), VALUE_TOKENS, \
            TRACE_TEXT("trace_metadata", "mlflow.trace.tokenUsage")      \
    }
#define COSTS(name)                                                  \
    {                                                                \
        TRACE_VIEW_SPANS, name, OPS_ALL, OF_MODEL, VALUE_COSTS, NULL \
    }
/* In the order in which messages list them. */
static const struct metric metrics[] = {
    { TRACE_VIEW_TRACES, "trace_count", OPS_COUNT, BIT(TRACE_NAME) | BIT(TRACE_STATUS),
      VALUE_NUMBER, "CAST(1 AS @real)" },
    { TRACE_VIEW_TRACES, "session_count", OPS_COUNT, 0, VALUE_DISTINCT,
      TRACE_TEXT("trace_metadata", "mlflow.trace.session") },
    { TRACE_VIEW_TRACES, "latency", OPS_SPREAD, BIT(TRACE_NAME), VALUE_NUMBER,
      "CAST(r.duration_ms AS @real)" },
    TOKENS("input_tokens"),
    TOKENS("output_tokens"),
    TOKENS("total_tokens"),
    TOKENS("cache_read_input_tokens"),
    TOKENS("cache_creation_input_tokens"),
    { TRACE_VIEW_SPANS, "span_count", OPS_COUNT,
      BIT(SPAN_NAME) | BIT(SPAN_TYPE) | BIT(SPAN_STATUS) | OF_MODEL, VALUE_NUMBER,
      "CAST(1 AS @real)" },
    { TRACE_VIEW_SPANS, "latency", OPS_SPREAD, BIT(SPAN_NAME) | BIT(SPAN_STATUS), VALUE_NUMBER,
      "CAST((x.end_ns - x.start_ns) / 1000000 AS @real)" },
    COSTS("input_cost"),
    COSTS("output_cost"),
    COSTS("total_cost"),
    { TRACE_VIEW_ASSESSMENTS, "assessment_count", OPS_COUNT,
      BIT(ASSESSMENT_NAME) | BIT(ASSESSMENT_VALUE), VALUE_NUMBER, "CAST(1 AS @real)" },
    { TRACE_VIEW_ASSESSMENTS, "assessment_value", OPS_SPREAD, BIT(ASSESSMENT_NAME), VALUE_JUDGED,
      "CASE WHEN length(x.json) <= 100 THEN x.json END" },
};

static const char *const view_names[] = {
    [TRACE_VIEW_TRACES] = "TRACES",
    [TRACE_VIEW_SPANS] = "SPANS",
    [TRACE_VIEW_ASSESSMENTS] = "ASSESSMENTS",
};

/* ------------------------------------------------------------------ what was asked for */

struct read {
    const struct trace_metric_spec *spec;
    const struct metric *metric;
    const struct dimension *by[TRACE_METRIC_DIMENSIONS_MAX];
    arena *keep;
    arena scratch; /* of one value */
    struct search_sql sql;
    /* of the point that is being read */
    struct value {
        double value;
        int64_t count;
    } * values;
    size_t value_count, value_room;
    int64_t interval_ms;
    str at[TRACE_METRIC_DIMENSIONS_MAX];
    bool is_open;
    /* results */
    struct trace_metric_point *points;
    size_t point_count, point_room;
};

static void name_add(struct buf *list, const char *name)
{
    buf_add_fmt(list, "%s'%s'", list->len ? ", " : "", name);
}

static err metric_find(struct read *r)
{
    struct buf known;
    for (size_t i = 0; i < COUNT_OF(metrics); i++)
        if (metrics[i].view == r->spec->view && str_eq(str_of(metrics[i].name), r->spec->metric))
            r->metric = &metrics[i];
    if (r->metric)
        return OK;
    buf_init(&known, 1000);
    for (size_t i = 0; i < COUNT_OF(metrics); i++)
        if (metrics[i].view == r->spec->view)
            name_add(&known, metrics[i].name);
    err e = ERR(ERR_INVALID, "metric_name must be one of [%.*s], got '%.*s'",
                STR_ARG(buf_str(&known)), STR_ARG(str_sub(r->spec->metric, 0, 40)));
    buf_deinit(&known);
    return e;
}

static err aggregations_check(const struct read *r)
{
    /* in alphabetical order, as they are listed */
    static const enum trace_aggregate sorted[] = { TRACE_AVG, TRACE_COUNT,      TRACE_MAX,
                                                   TRACE_MIN, TRACE_PERCENTILE, TRACE_SUM };
    struct buf known, wrong;
    unsigned asked = 0;
    for (size_t i = 0; i < r->spec->aggregation_count; i++)
        asked |= BIT(r->spec->aggregations[i].kind);
    if (!(asked & ~r->metric->aggregates))
        return OK;
    buf_init(&known, 1000);
    buf_init(&wrong, 1000);
    for (size_t i = 0; i < COUNT_OF(sorted); i++) {
        if (r->metric->aggregates & BIT(sorted[i]))
            name_add(&known, trace_aggregate_names[sorted[i]]);
        else if (asked & BIT(sorted[i]))
            name_add(&wrong, trace_aggregate_names[sorted[i]]);
    }
    err e = ERR(ERR_INVALID,
                "Found invalid aggregation_type(s): [%.*s]. Supported aggregation types: [%.*s]",
                STR_ARG(buf_str(&wrong)), STR_ARG(buf_str(&known)));
    buf_deinit(&known);
    buf_deinit(&wrong);
    return e;
}

static err dimensions_find(struct read *r)
{
    for (size_t i = 0; i < r->spec->dimension_count; i++) {
        str name = r->spec->dimensions[i];
        for (size_t d = 0; d < DIMENSION_COUNT; d++)
            if (r->metric->dimensions & BIT(d) && str_eq(str_of(dimensions[d].name), name))
                r->by[i] = &dimensions[d];
        if (r->by[i])
            continue;
        struct buf known;
        /* those of the table, sorted by name */
        static const int sorted[] = { ASSESSMENT_NAME, ASSESSMENT_VALUE, SPAN_MODEL,
                                      SPAN_PROVIDER,   SPAN_NAME,        SPAN_STATUS,
                                      SPAN_TYPE,       TRACE_NAME,       TRACE_STATUS };
        buf_init(&known, 1000);
        for (size_t d = 0; d < COUNT_OF(sorted); d++)
            if (r->metric->dimensions & BIT(sorted[d]))
                name_add(&known, dimensions[sorted[d]].name);
        err e = ERR(ERR_INVALID,
                    "Found invalid dimension(s): ['%.*s']. Supported dimensions: [%.*s]",
                    STR_ARG(str_sub(name, 0, 60)), STR_ARG(buf_str(&known)));
        buf_deinit(&known);
        return e;
    }
    return OK;
}

static err spec_check(struct read *r)
{
    const struct trace_metric_spec *s = r->spec;
    if (s->dimension_count > TRACE_METRIC_DIMENSIONS_MAX ||
        s->aggregation_count > TRACE_METRIC_AGGREGATIONS_MAX ||
        s->filter_count > TRACE_METRIC_FILTERS_MAX || s->experiment_count > SEARCH_EXPERIMENTS_MAX)
        return ERR(ERR_INVALID,
                   "More than %d aggregations, %d dimensions, %d filters or %d"
                   " experiments",
                   TRACE_METRIC_AGGREGATIONS_MAX, TRACE_METRIC_DIMENSIONS_MAX,
                   TRACE_METRIC_FILTERS_MAX, SEARCH_EXPERIMENTS_MAX);
    TRY(metric_find(r));
    TRY(aggregations_check(r));
    TRY(dimensions_find(r));
    if (s->interval_s && (!s->has_start || !s->has_end))
        return ERR(ERR_INVALID,
                   "start_time_ms and end_time_ms are required if time_interval_seconds is set");
    if (s->interval_s < 0 || s->interval_s > (int64_t)MS_MAX / 1000)
        return ERR(ERR_INVALID, "time_interval_seconds must be positive, and a time");
    return OK;
}

/* ------------------------------------------------------------------ filters */

static err filter_wrong(str name)
{
    return ERR(ERR_INVALID,
               "Invalid identifier '%.*s'. Columns should be specified as 'trace.<key>',"
               " 'span.<key>', 'assessment.<key>'.",
               STR_ARG(str_sub(name, 0, 60)));
}

static str unquoted(str s)
{
    bool is_quoted = s.len >= 2 && s.ptr[0] == s.ptr[s.len - 1] && strchr("`'\"", s.ptr[0]);
    return is_quoted ? str_sub(s, 1, s.len - 2) : s;
}

struct filter {
    str view, entity, key;
    bool has_key;
};

/* view.entity, or view.entity.key */
static err filter_name(str name, struct filter *ret)
{
    static const struct {
        const char *view, *entity, *known;
        bool has_key;
    } there[] = {
        { "trace", "status", "'status', 'tag', 'metadata'", false },
        { "trace", "tag", "'status', 'tag', 'metadata'", true },
        { "trace", "metadata", "'status', 'tag', 'metadata'", true },
        { "span", "name", "'name', 'status', 'type'", false },
        { "span", "status", "'name', 'status', 'type'", false },
        { "span", "type", "'name', 'status', 'type'", false },
        { "assessment", "name", "'name', 'type'", false },
        { "assessment", "type", "'name', 'type'", false },
    };
    struct filter f = { 0 };
    str rest = name;
    const char *known = NULL;
    f.view = unquoted(str_split(&rest, '.'));
    if (!rest.len)
        return filter_wrong(name);
    f.entity = rest;
    ptrdiff_t dot = str_find_char(rest, '.');
    f.has_key = dot >= 0;
    if (f.has_key) {
        f.entity = str_sub(rest, 0, (size_t)dot);
        f.key = unquoted(str_sub(rest, (size_t)dot + 1, rest.len));
    }
    *ret = f;
    for (size_t i = 0; i < COUNT_OF(there); i++) {
        if (!str_eq(f.view, str_of(there[i].view)))
            continue;
        known = there[i].known;
        if (!str_eq(f.entity, str_of(there[i].entity)))
            continue;
        if (there[i].has_key && !f.key.len)
            return ERR(ERR_INVALID, "Filtering by %s requires a key, e.g. '%s.%s.<key> = <value>'",
                       there[i].entity, there[i].view, there[i].entity);
        if (!there[i].has_key && f.has_key)
            return ERR(ERR_INVALID, "Filtering by %s does not require a key, use '%s.%s' instead",
                       there[i].entity, there[i].view, there[i].entity);
        return OK;
    }
    if (!known)
        return ERR(ERR_INVALID,
                   "Invalid view type '%.*s'. Valid values are dict_keys(['trace', 'span',"
                   " 'assessment'])",
                   STR_ARG(str_sub(f.view, 0, 60)));
    return ERR(ERR_INVALID,
               "Invalid entity '%.*s' specified for view type '%.*s'. Valid entities are [%s]",
               STR_ARG(str_sub(f.entity, 0, 60)), STR_ARG(f.view), known);
}

static void equals(struct search_sql *s, const char *sql, str value)
{
    search_sql_add(s, sql);
    search_sql_add(s, " = ");
    search_sql_arg(s, sql_text(value));
}

static void filter_of_trace(struct search_sql *s, const struct filter *f, str value)
{
    bool is_tag = str_eq(f->entity, STR("tag"));
    if (!f->has_key) {
        equals(s, "r.state", value);
    } else if (!is_tag && str_eq(f->key, STR("mlflow.sourceRun"))) {
        /* linked to it later as well */
        equals(s, "EXISTS (SELECT 1 FROM trace_runs t WHERE t.trace_id = r.trace_id AND t.run_id",
               value);
        search_sql_add(s, ")");
    } else {
        equals(s,
               is_tag ? "EXISTS (SELECT 1 FROM trace_tags t WHERE t.trace = r.id AND t.key"
                      : "EXISTS (SELECT 1 FROM trace_metadata t WHERE t.trace = r.id AND t.key",
               f->key);
        equals(s, " AND t.value", value);
        search_sql_add(s, ")");
    }
}

static err filter_add(struct read *r, str text)
{
    struct filter f = { 0 };
    str name, value;
    TRY(search_parse_equation(text, r->keep, &name, &value));
    TRY(filter_name(name, &f));
    search_sql_add(&r->sql, " AND ");
    if (str_eq(f.view, STR("trace"))) {
        filter_of_trace(&r->sql, &f, value);
        return OK;
    }
    bool of_spans = str_eq(f.view, STR("span"));
    enum trace_view wanted = of_spans ? TRACE_VIEW_SPANS : TRACE_VIEW_ASSESSMENTS;
    if (r->spec->view != wanted)
        return ERR(ERR_INVALID, "Filtering by %.*s is only supported for %s view type, got %s",
                   STR_ARG(f.view), view_names[wanted], view_names[r->spec->view]);
    bool is_name = str_eq(f.entity, STR("name")), is_type = str_eq(f.entity, STR("type"));
    if (of_spans)
        equals(&r->sql, is_name ? "x.name" : is_type ? "x.type" : "x.status", value);
    else
        equals(&r->sql, is_name ? "x.key" : "x.kind", value);
    return OK;
}

/* ------------------------------------------------------------------ the query */

/* An attribute of span x: JSON, from its line in the content; none without one. */
static void attribute_add(struct search_sql *s, const char *key)
{
    buf_add_fmt(&s->text,
                "(SELECT substr(z.rest, 1, @instr(z.rest, '\n') - 1) FROM (SELECT"
                " substr(x.content, @instr(x.content, '\n\"%s\":') + %zu) AS rest"
                " WHERE @instr(x.content, '\n\"%s\":') > 0) z)",
                key, strlen(key) + 4, key);
}

/* A time in milliseconds as a bound of a column in nanoseconds. */
static int64_t ns_of(int64_t ms, bool is_end)
{
    const int64_t most = INT64_MAX / NS_OF_MS - 1;
    if (ms > most)
        return INT64_MAX;
    if (ms < -most)
        return INT64_MIN;
    return ms * NS_OF_MS + (is_end ? NS_OF_MS - 1 : 0);
}

static void times_add(struct read *r)
{
    bool by_span = r->metric->kind == VALUE_COSTS;
    const struct trace_metric_spec *spec = r->spec;
    if (spec->has_start) {
        search_sql_add(&r->sql, by_span ? " AND x.start_ns >= " : " AND r.request_ms >= ");
        search_sql_arg(&r->sql, sql_int(by_span ? ns_of(spec->start_ms, false) : spec->start_ms));
    }
    if (spec->has_end) {
        search_sql_add(&r->sql, by_span ? " AND x.start_ns <= " : " AND r.request_ms <= ");
        search_sql_arg(&r->sql, sql_int(by_span ? ns_of(spec->end_ms, true) : spec->end_ms));
    }
}

/* "q.b, q.d0, q.d1" */
static void point_columns_add(struct read *r, const char *before)
{
    buf_add_fmt(&r->sql.text, "%sq.b", before);
    for (size_t i = 0; i < r->spec->dimension_count; i++)
        buf_add_fmt(&r->sql.text, ", q.d%zu", i);
}

/* The interval, the dimensions and the value of each row. */
static void columns_add(struct read *r)
{
    struct search_sql *s = &r->sql;
    bool by_span = r->spec->view == TRACE_VIEW_SPANS;
    int64_t interval = r->spec->interval_s * (by_span ? INT64_C(1000000000) : 1000);
    if (interval) { /* rounded down, also before 1970 */
        const char *column = by_span ? "x.start_ns" : "r.request_ms";
        buf_add_fmt(&s->text, "%s / %lld - CASE WHEN %s %% %lld < 0 THEN 1 ELSE 0 END", column,
                    (long long)interval, column, (long long)interval);
    } else {
        search_sql_add(s, "0");
    }
    search_sql_add(s, " AS b, ");
    for (size_t i = 0; i < r->spec->dimension_count; i++) {
        if (r->by[i]->sql)
            search_sql_add(s, r->by[i]->sql);
        else
            attribute_add(s, r->by[i]->attribute);
        buf_add_fmt(&s->text, " AS d%zu, ", i);
    }
    if (r->metric->sql)
        search_sql_add(s, r->metric->sql);
    else
        attribute_add(s, "mlflow.llm.cost");
    search_sql_add(s, " AS v");
}

static err query_make(struct read *r)
{
    static const char *const from[] = {
        [TRACE_VIEW_TRACES] = "traces r",
        [TRACE_VIEW_SPANS] = "traces r JOIN trace_spans x ON x.trace = r.id",
        [TRACE_VIEW_ASSESSMENTS] = "traces r JOIN assessments x ON x.trace = r.id"
                                   " AND x.is_valid = 1",
    };
    const struct trace_metric_spec *spec = r->spec;
    struct search_filter none = { 0 };
    struct search_sql *s = &r->sql;
    point_columns_add(r, "SELECT q.* FROM (SELECT ");
    search_sql_add(s, ", q.v, COUNT(*) AS n FROM (SELECT ");
    columns_add(r);
    buf_add_fmt(&s->text, " FROM %s WHERE ", from[spec->view]);
    search_sql_scope(s, &none);
    for (size_t i = 0; i < spec->filter_count; i++)
        TRY(filter_add(r, spec->filters[i]));
    times_add(r);
    search_sql_add(s, ") q WHERE q.v IS NOT NULL");
    for (size_t i = 0; i < spec->dimension_count; i++)
        buf_add_fmt(&s->text,
                    r->by[i]->sql ? " AND q.d%zu IS NOT NULL" : " AND substr(q.d%zu, 1, 1) = '\"'",
                    i);
    point_columns_add(r, " GROUP BY ");
    point_columns_add(r, ", q.v) q ORDER BY ");
    search_sql_add(s, ", q.v");
    return OK;
}

/* ------------------------------------------------------------------ values */

/* A number, or a text that is one. */
static bool number_of(const struct json *node, bool is_whole, double *ret)
{
    double value = json_num(node, NAN);
    if (json_kind(node) == JSON_IS_STR && str_to_f64(json_str(node, STR_NONE), &value).code)
        return false;
    if (!isfinite(value) || (is_whole && value != floor(value)))
        return false;
    *ret = value;
    return true;
}

static bool judged(str json, double *ret)
{
    if (str_eq(json, STR("true")) || str_eq(json, STR("false"))) {
        *ret = json.ptr[0] == 't';
        return true;
    }
    if (json.len < 2 || json.ptr[0] != '"')
        return !str_to_f64(json, ret).code;
    str text = str_trim(str_sub(json, 1, json.len - 2));
    *ret = str_eq_nocase(text, STR("yes"));
    return *ret != 0 || str_eq_nocase(text, STR("no"));
}

/* False: the row lacks the metric. */
static bool value_of(struct read *r, struct store_rows *rows, int column, double *ret)
{
    const struct json *object = NULL;
    switch (r->metric->kind) {
    case VALUE_NUMBER:
        *ret = store_col_real(rows, column);
        return true;
    case VALUE_DISTINCT:
        *ret = 1;
        return true;
    case VALUE_JUDGED:
        return judged(store_col_text(rows, column), ret);
    case VALUE_TOKENS:
    case VALUE_COSTS:
        break;
    }
    str text = store_col_text(rows, column);
    arena_reset(&r->scratch);
    if (text.len > JSON_BYTES_MAX || json_parse(&r->scratch, text, &object).code)
        return false;
    return number_of(json_get(object, r->metric->name), r->metric->kind == VALUE_TOKENS, ret);
}

static int by_value(const void *a, const void *b)
{
    double x = ((const struct value *)a)->value, y = ((const struct value *)b)->value;
    return (x > y) - (x < y);
}

/* The value at a place in their order. */
static double value_at(const struct read *r, int64_t place)
{
    size_t i = 0;
    while (i + 1 < r->value_count && place >= r->values[i].count)
        place -= r->values[i++].count;
    return r->values[i].value;
}

static double percentile(const struct read *r, int64_t count, double percent)
{
    double place = percent / 100 * (double)(count - 1);
    int64_t below = (int64_t)place;
    double low = value_at(r, below), high = value_at(r, below + 1 < count ? below + 1 : below);
    return low + (place - (double)below) * (high - low);
}

static err point_grow(struct read *r)
{
    size_t room = r->point_room ? r->point_room * 2 : 64;
    struct trace_metric_point *points = NEW_ARRAY(r->keep, struct trace_metric_point, room);
    ARENA_TRY(points);
    if (r->point_count)
        memcpy(points, r->points, r->point_count * sizeof *points);
    r->points = points;
    r->point_room = room;
    return OK;
}

/* An attribute of a span is JSON. */
static err dimension_shown(struct read *r, size_t i, str *ret)
{
    const struct json *text = NULL;
    *ret = r->at[i];
    if (!r->by[i]->sql && !json_parse(r->keep, r->at[i], &text).code)
        *ret = json_str(text, *ret);
    return arena_check(r->keep);
}

/* The point that was open is whole. */
static err point_end(struct read *r)
{
    const struct trace_metric_spec *s = r->spec;
    int64_t count = 0;
    double sum = 0;
    if (!r->is_open)
        return OK;
    r->is_open = false;
    if (r->value_count)
        qsort(r->values, r->value_count, sizeof *r->values, by_value);
    for (size_t i = 0; i < r->value_count; i++) {
        count += r->metric->kind == VALUE_DISTINCT ? 1 : r->values[i].count;
        sum += r->values[i].value * (double)r->values[i].count;
    }
    bool is_single = !s->interval_s && !s->dimension_count;
    if (!count && !(is_single && r->metric->aggregates == OPS_COUNT))
        return OK;
    if (r->point_count == r->point_room)
        TRY(point_grow(r));
    double *values = NEW_ARRAY(r->keep, double, s->aggregation_count + 1);
    str *at = NEW_ARRAY(r->keep, str, s->dimension_count + 1);
    ARENA_TRY(values);
    ARENA_TRY(at);
    for (size_t i = 0; i < s->dimension_count; i++)
        TRY(dimension_shown(r, i, &at[i]));
    for (size_t i = 0; i < s->aggregation_count; i++) {
        enum trace_aggregate kind = s->aggregations[i].kind;
        values[i] = kind == TRACE_COUNT ? (double)count
                    : kind == TRACE_SUM ? sum
                    : kind == TRACE_AVG ? sum / (double)count
                    : kind == TRACE_MIN ? r->values[0].value
                    : kind == TRACE_MAX ? r->values[r->value_count - 1].value
                                        : percentile(r, count, s->aggregations[i].percentile);
    }
    r->points[r->point_count++] = (struct trace_metric_point){ r->interval_ms, at, values };
    return OK;
}

static bool is_same_point(const struct read *r, struct store_rows *rows, int64_t interval_ms)
{
    if (!r->is_open || r->interval_ms != interval_ms)
        return false;
    for (size_t i = 0; i < r->spec->dimension_count; i++)
        if (!str_eq(r->at[i], store_col_text(rows, (int)i + 1)))
            return false;
    return true;
}

static void point_begin(struct read *r, struct store_rows *rows, int64_t interval_ms)
{
    r->is_open = true;
    r->interval_ms = interval_ms;
    r->value_count = 0;
    for (size_t i = 0; i < r->spec->dimension_count; i++)
        r->at[i] = store_col_text_keep(rows, (int)i + 1, r->keep);
}

static err value_add(struct read *r, double value, int64_t count)
{
    if (r->value_count == TRACE_METRIC_VALUES_MAX)
        return ERR(ERR_TOO_BIG,
                   "More than %d different values at once: ask for a shorter time, or for"
                   " intervals",
                   TRACE_METRIC_VALUES_MAX);
    if (r->value_count == r->value_room) {
        size_t room = r->value_room ? r->value_room * 2 : 256;
        struct value *more = realloc(r->values, room * sizeof *more);
        if (!more)
            return ERR(ERR_NO_MEMORY, "reading metrics of traces: out of memory");
        r->values = more;
        r->value_room = room;
    }
    r->values[r->value_count++] = (struct value){ value, count };
    return OK;
}

static err read_fn(struct store_read *rd, void *arg)
{
    struct read *r = arg;
    const struct trace_metric_spec *s = r->spec;
    int column = (int)s->dimension_count + 1;
    struct store_rows *rows;
    r->point_count = r->value_count = 0;
    r->is_open = !s->interval_s && !s->dimension_count; /* there also without a row */
    r->interval_ms = 0;
    TRY(search_sql_run(&r->sql, rd, &rows));
    while (store_next(rows)) {
        double value = 0;
        int64_t interval_ms = store_col_int(rows, 0) * s->interval_s * 1000;
        if (!value_of(r, rows, column, &value))
            continue;
        if (!is_same_point(r, rows, interval_ms)) {
            TRY(point_end(r));
            if ((int64_t)r->point_count >= s->limit)
                break;
            point_begin(r, rows, interval_ms);
            TRY(arena_check(r->keep));
        }
        TRY(value_add(r, value, store_col_int(rows, column + 1)));
    }
    TRY(store_rows_close(rows));
    return (int64_t)r->point_count < s->limit ? point_end(r) : OK;
}

err trace_metrics_read(struct track *t, const struct trace_metric_spec *spec, arena *keep,
                       struct trace_metric_point **ret_points, size_t *ret_count)
{
    struct search_spec scope = { .kind = SEARCH_TRACES,
                                 .experiment_ids = spec->experiment_ids,
                                 .experiment_count = spec->experiment_count };
    struct read r = { .spec = spec, .keep = keep };
    TRY(spec_check(&r));
    TRY(search_sql_init(&r.sql, &scope, 16 + 3 * spec->filter_count, keep));
    arena_init(&r.scratch, 1u << 20);
    err e = query_make(&r);
    if (!e.code && spec->experiment_count && spec->limit > 0)
        e = store_read(t->store, read_fn, &r);
    arena_deinit(&r.scratch);
    search_sql_deinit(&r.sql);
    free(r.values);
    *ret_points = r.points;
    *ret_count = e.code ? 0 : r.point_count;
    return e;
}
