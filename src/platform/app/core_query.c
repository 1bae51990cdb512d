/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_query.c -- the HTTP APIs of Prometheus and of Loki, as far as Grafana and promtool use them,
 * answered from our own samples and log lines.
 *
 * Parameters come in the query string or, as Grafana sends them, in a form body. Errors keep the
 * shapes of the two APIs. A few queries run at a time, the others wait for a moment: each may use
 * up to QUERY_ARENA_BYTES.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/app/core.h"
#include "platform/app/process.h"
#include "platform/http/path.h"
#include "platform/query/query.h"

enum { RUNNING_MAX = 3, WAIT_MS = 5000, SELECTORS_MAX = 16, LOKI_POINTS_DEFAULT = 250 };
/* Times that a stranger sends: some 3,000 years around 1970. */
#define TIME_MAX_MS INT64_C(100000000000000)
#define HOUR_MS INT64_C(3600000)
/* What Grafana takes for the features of the API: those that this one has are in it. */
#define PROMETHEUS_VERSION "2.42.0"

/* ------------------------------------------------------------------ taking turns */

err core_query_start(struct house *h, void *state)
{
    struct core_state *s = state;
    (void)h;
    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->freed);
    s->is_open = true;
    return OK;
}

void core_query_stop(struct house *h, void *state)
{
    struct core_state *s = state;
    (void)h;
    if (!s->is_open)
        return;
    pthread_cond_destroy(&s->freed);
    pthread_mutex_destroy(&s->lock);
}

static err turn_take(struct core_state *s)
{
    struct timespec deadline = clock_deadline(WAIT_MS);
    int late = 0;
    pthread_mutex_lock(&s->lock);
    while (s->running >= RUNNING_MAX && !late)
        late = pthread_cond_timedwait(&s->freed, &s->lock, &deadline);
    bool taken = s->running < RUNNING_MAX;
    s->running += taken;
    pthread_mutex_unlock(&s->lock);
    return taken ? OK : ERR(ERR_BUSY, "other queries are running: try again in a moment");
}

static void turn_give(struct core_state *s)
{
    pthread_mutex_lock(&s->lock);
    s->running--;
    pthread_cond_signal(&s->freed);
    pthread_mutex_unlock(&s->lock);
}

/* ------------------------------------------------------------------ parameters */

/* All values of a parameter, those of a form body first. */
static err params(struct http_request *rq, const char *name, str *out, size_t out_max,
                  size_t *ret_count)
{
    size_t count = 0;
    str rest = http_body(rq), key, value, type = http_header(rq, "Content-Type");
    err e = OK;
    if (rest.len && str_starts(type, STR("application/x-www-form-urlencoded"))) {
        char *scratch = NEW_ARRAY(http_arena(rq), char, rest.len);
        ARENA_TRY(scratch);
        while (query_next(&rest, &scratch, &key, &value, &e))
            if (count < out_max && str_eq(key, str_of(name)))
                out[count++] = value;
        TRY(e);
    }
    *ret_count = count + http_query_all(rq, name, out + count, out_max - count);
    return OK;
}

static err param(struct http_request *rq, const char *name, str *ret_value)
{
    size_t count;
    *ret_value = STR_NONE;
    return params(rq, name, ret_value, 1, &count);
}

static err bad_time(const char *name, str text)
{
    return ERR(ERR_INVALID,
               "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid timestamp: write "
               "seconds since 1970 or 2026-11-21T10:00:00Z",
               name, STR_ARG(str_sub(text, 0, 40)));
}

/* Seconds with a fraction, or RFC 3339. Keeps *ms when absent. */
static err param_time(struct http_request *rq, const char *name, int64_t *ms)
{
    str text;
    double seconds;
    TRY(param(rq, name, &text));
    if (!text.len)
        return OK;
    err e = str_to_f64(text, &seconds);
    if (!e.code) {
        if (fabs(seconds) * 1000 > (double)TIME_MAX_MS)
            return bad_time(name, text);
        *ms = (int64_t)llround(seconds * 1000);
        return OK;
    }
    e = clock_parse(text, ms);
    return e.code ? bad_time(name, text) : OK;
}

/* Loki's: whole numbers of more than ten digits are nanoseconds. */
static err param_loki_time(struct http_request *rq, const char *name, int64_t *ms)
{
    str text;
    int64_t ns;
    TRY(param(rq, name, &text));
    err e = str_to_i64(text, &ns);
    if (e.code || text.len <= 10)
        return param_time(rq, name, ms);
    *ms = ns / 1000000;
    return OK;
}

/* A duration, or seconds with a fraction. Keeps *ms when absent. */
static err param_duration(struct http_request *rq, const char *name, int64_t *ms)
{
    str text;
    double seconds;
    TRY(param(rq, name, &text));
    if (!text.len)
        return OK;
    err e = str_to_f64(text, &seconds);
    if (e.code)
        e = query_duration_parse(text, ms);
    else if (fabs(seconds) * 1000 < (double)TIME_MAX_MS)
        *ms = (int64_t)llround(seconds * 1000);
    else
        e = ERR(ERR_INVALID, "it is too long");
    return e.code ? ERR(ERR_INVALID,
                        "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid duration", name,
                        STR_ARG(str_sub(text, 0, 40)))
                  : OK;
}

static err param_needed(struct http_request *rq, const char *name, str *ret_value)
{
    TRY(param(rq, name, ret_value));
    if (!ret_value->len)
        return ERR(ERR_INVALID, "invalid parameter \"%s\": it is required", name);
    return OK;
}

/* ------------------------------------------------------------------ running */

/* One question while it is answered. */
struct asking {
    struct http_request *rq;
    bool is_range;
    struct query_house house;
    struct query_source source;
    arena memory;
};

typedef err work_fn(struct asking *a, struct http_reply *rp);
typedef err reply_fn(struct http_reply *rp, err e);

/* Does the work when it is this question's turn, and says a failure in the shape of the API. */
static err answer(struct http_request *rq, struct http_reply *rp, bool is_range, work_fn *work,
                  reply_fn *reply)
{
    struct house *h = rq_house(rq);
    struct core_state *turns = app_state(h, &app_core);
    struct asking a = { .rq = rq,
                        .is_range = is_range,
                        .house = { house_history(h), house_metrics(h), house_log(h) } };
    a.source = query_source_house(&a.house);
    err e = turn_take(turns);
    if (e.code)
        return reply(rp, e);
    arena_init(&a.memory, QUERY_ARENA_BYTES);
    process_metrics_update(house_metrics(h));
    e = work(&a, rp);
    arena_deinit(&a.memory);
    turn_give(turns);
    return reply(rp, e);
}

/* ------------------------------------------------------------------ Prometheus' shapes */

static struct json_out *success_begin(struct http_reply *rp)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "status", "success");
    json_key(w, "data");
    return w;
}

struct shape {
    int status;
    const char *type;
};

static struct shape shape_of(enum err_code code)
{
    switch ((int)code) {
    case ERR_INVALID:
        return (struct shape){ 400, "bad_data" };
    case ERR_CONFLICT:
    case ERR_TOO_BIG:
    case ERR_NO_MEMORY:
        return (struct shape){ 422, "execution" };
    case ERR_TIMEOUT:
        return (struct shape){ 503, "timeout" };
    case ERR_BUSY:
        return (struct shape){ 503, "unavailable" };
    default:
        return (struct shape){ 500, "internal" };
    }
}

/* The reply to a failed question of the Prometheus API. What is nobody's mistake but ours goes the
 * usual way, to the log as well. */
static err prom_reply(struct http_reply *rp, err e)
{
    struct shape shape = shape_of(e.code);
    if (!e.code || shape.status == 500)
        return e;
    http_status(rp, shape.status);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "status", "error");
    json_kv_cstr(w, "errorType", shape.type);
    json_kv_cstr(w, "error", e.msg);
    json_object_end(w);
    return OK;
}

/* Loki says it in a line of text. */
static err loki_reply(struct http_reply *rp, err e)
{
    struct shape shape = shape_of(e.code);
    if (!e.code || shape.status == 500)
        return e;
    http_status(rp, shape.status == 422 ? 400 : shape.status);
    struct buf *out = http_text(rp, "text/plain; charset=utf-8");
    buf_add_cstr(out, e.msg);
    buf_add_char(out, '\n');
    return OK;
}

/* ------------------------------------------------------------------ query, query_range */

static err prom_run(struct asking *a, struct http_reply *rp)
{
    struct http_request *rq = a->rq;
    struct query *q;
    struct query_result result;
    str text, given;
    struct query_times times = { .start_ms = clock_wall_ms(), .is_range = a->is_range };
    TRY(param_needed(rq, "query", &text));
    TRY(param_duration(rq, "timeout", &times.timeout_ms));
    if (a->is_range) {
        TRY(param_needed(rq, "start", &given));
        TRY(param_needed(rq, "end", &given));
        TRY(param_needed(rq, "step", &given));
        TRY(param_time(rq, "start", &times.start_ms));
        TRY(param_time(rq, "end", &times.end_ms));
        TRY(param_duration(rq, "step", &times.step_ms));
    } else {
        TRY(param_time(rq, "time", &times.start_ms));
        times.end_ms = times.start_ms;
    }
    err e = query_parse(&a->memory, QUERY_PROMQL, text, &q);
    if (e.code)
        return err_wrap(e, "invalid parameter \"query\"");
    TRY(query_run(q, &a->source, &times, &a->memory, &result));
    struct json_out *w = success_begin(rp);
    query_result_json(&result, w);
    json_object_end(w);
    return OK;
}

err core_prom_query(struct http_request *rq, struct http_reply *rp)
{
    return answer(rq, rp, false, prom_run, prom_reply);
}

err core_prom_query_range(struct http_request *rq, struct http_reply *rp)
{
    return answer(rq, rp, true, prom_run, prom_reply);
}

/* ------------------------------------------------------------------ series, labels, values */

static err list_series(struct asking *a, bool needs_match, struct labels **ret_list,
                       size_t *ret_count)
{
    str texts[SELECTORS_MAX];
    struct query_selector *selectors[SELECTORS_MAX];
    size_t count;
    TRY(params(a->rq, "match[]", texts, COUNT_OF(texts), &count));
    if (needs_match && count == 0)
        return ERR(ERR_INVALID, "no match[] parameter provided");
    for (size_t i = 0; i < count; i++) {
        err e = query_selector_parse(&a->memory, texts[i], &selectors[i]);
        if (e.code)
            return err_wrap(e, "invalid parameter \"match[]\"");
    }
    return query_series_list(&a->house, selectors, count, &a->memory, ret_list, ret_count);
}

static err prom_series(struct asking *a, struct http_reply *rp)
{
    struct labels *list;
    size_t count;
    TRY(list_series(a, true, &list, &count));
    struct json_out *w = success_begin(rp);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        labels_json(list[i], w);
    json_array_end(w);
    json_object_end(w);
    return OK;
}

static int by_text(const void *a, const void *b)
{
    const str *x = a, *y = b;
    return str_cmp(*x, *y);
}

static void write_texts(struct http_reply *rp, str *texts, size_t count)
{
    if (count)
        qsort(texts, count, sizeof *texts, by_text);
    struct json_out *w = success_begin(rp);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !str_eq(texts[i], texts[i - 1]))
            json_out_str(w, texts[i]);
    json_array_end(w);
    json_object_end(w);
}

/* Names of labels, or the values of one. */
static err write_labels(struct asking *a, struct http_reply *rp, str label)
{
    struct labels *list;
    size_t count, used = 0, total = 0;
    TRY(list_series(a, false, &list, &count));
    for (size_t i = 0; i < count; i++)
        total += list[i].count;
    str *texts = NEW_ARRAY(&a->memory, str, total);
    ARENA_TRY(texts);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < list[i].count; k++)
            if (!label.len)
                texts[used++] = list[i].items[k].name;
            else if (str_eq(list[i].items[k].name, label))
                texts[used++] = list[i].items[k].value;
    write_texts(rp, texts, used);
    return OK;
}

err core_prom_series(struct http_request *rq, struct http_reply *rp)
{
    return answer(rq, rp, false, prom_series, prom_reply);
}

static err prom_labels(struct asking *a, struct http_reply *rp)
{
    return write_labels(a, rp, STR_NONE);
}

err core_prom_labels(struct http_request *rq, struct http_reply *rp)
{
    return answer(rq, rp, false, prom_labels, prom_reply);
}

static err prom_label_values(struct asking *a, struct http_reply *rp)
{
    return write_labels(a, rp, http_param(a->rq, "name"));
}

err core_prom_label_values(struct http_request *rq, struct http_reply *rp)
{
    return answer(rq, rp, false, prom_label_values, prom_reply);
}

/* ------------------------------------------------------------------ what the server is */

/* "# HELP name text" and "# TYPE name type" of the exposition, which stand together. */
static void write_metadata(struct json_out *w, str text, str only)
{
    str name = STR_NONE, help = STR_NONE;
    while (text.len) {
        str line = str_split(&text, '\n');
        bool is_help = str_starts(line, STR("# HELP ")), is_type = str_starts(line, STR("# TYPE "));
        if (!is_help && !is_type)
            continue;
        str rest = str_sub(line, strlen("# HELP "), line.len);
        name = str_split(&rest, ' ');
        if (is_help)
            help = rest;
        if (is_help || (only.len && !str_eq(only, name)))
            continue;
        json_key_str(w, name);
        json_array_begin(w);
        json_object_begin(w);
        json_kv_str(w, "type", rest);
        json_kv_str(w, "help", help);
        json_kv_cstr(w, "unit", "");
        json_object_end(w);
        json_array_end(w);
    }
}

err core_prom_metadata(struct http_request *rq, struct http_reply *rp)
{
    str only;
    struct buf text;
    TRY(param(rq, "metric", &only));
    buf_init(&text, QUERY_ARENA_BYTES);
    metrics_write(house_metrics(rq_house(rq)), METRICS_PROMETHEUS, &text);
    err e = buf_check(&text);
    if (!e.code) {
        struct json_out *w = success_begin(rp);
        json_object_begin(w);
        write_metadata(w, buf_str(&text), only);
        json_object_end(w);
        json_object_end(w);
    }
    buf_deinit(&text);
    return prom_reply(rp, e);
}

err core_prom_buildinfo(struct http_request *rq, struct http_reply *rp)
{
    (void)rq;
    struct json_out *w = success_begin(rp);
    json_object_begin(w);
    json_kv_cstr(w, "version", PROMETHEUS_VERSION);
    json_kv_cstr(w, "revision", "skerry " SKERRY_VERSION);
    json_kv_cstr(w, "branch", "");
    json_kv_cstr(w, "buildUser", "");
    json_kv_cstr(w, "buildDate", "");
    json_kv_cstr(w, "goVersion", "");
    json_object_end(w);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ Loki */

static err loki_times(struct http_request *rq, bool is_range, struct query_times *times)
{
    int64_t now_ms = clock_wall_ms();
    times->is_range = is_range;
    times->end_ms = now_ms;
    TRY(param_loki_time(rq, is_range ? "end" : "time", &times->end_ms));
    times->start_ms = is_range ? times->end_ms - HOUR_MS : times->end_ms;
    if (is_range)
        TRY(param_loki_time(rq, "start", &times->start_ms));
    times->step_ms = (times->end_ms - times->start_ms) / LOKI_POINTS_DEFAULT;
    times->step_ms = times->step_ms < 1000 ? 1000 : times->step_ms;
    return param_duration(rq, "step", &times->step_ms);
}

static err loki_limits(struct http_request *rq, int64_t *ret_limit, bool *ret_oldest_first)
{
    str limit, direction;
    *ret_limit = 100;
    TRY(param(rq, "limit", &limit));
    if (limit.len) {
        err e = str_to_i64(limit, ret_limit);
        if (e.code || *ret_limit < 1 || *ret_limit > QUERY_LINES_MAX)
            return ERR(ERR_INVALID, "limit must be a whole number from 1 to %d, and is '%.*s'",
                       QUERY_LINES_MAX, STR_ARG(str_sub(limit, 0, 40)));
    }
    TRY(param(rq, "direction", &direction));
    *ret_oldest_first = str_eq_nocase(direction, STR("forward"));
    if (direction.len && !*ret_oldest_first && !str_eq_nocase(direction, STR("backward")))
        return ERR(ERR_INVALID, "direction must be forward or backward, and is '%.*s'",
                   STR_ARG(str_sub(direction, 0, 40)));
    return OK;
}

static err loki_run(struct asking *a, struct http_reply *rp)
{
    struct query *q;
    struct query_result result;
    struct query_times times = { 0 };
    struct query_stream *streams;
    str text;
    int64_t limit;
    bool oldest_first;
    size_t count;
    TRY(param_needed(a->rq, "query", &text));
    TRY(loki_times(a->rq, a->is_range, &times));
    TRY(loki_limits(a->rq, &limit, &oldest_first));
    TRY(query_parse(&a->memory, QUERY_LOGQL, text, &q));
    if (query_wants_lines(q)) {
        if (!a->is_range)
            times.start_ms = times.end_ms - HOUR_MS;
        TRY(query_run_lines(q, &a->source, &times, (size_t)limit, oldest_first, &a->memory,
                            &streams, &count));
    } else {
        TRY(query_run(q, &a->source, &times, &a->memory, &result));
    }
    struct json_out *w = success_begin(rp);
    if (query_wants_lines(q))
        query_streams_json(streams, count, w);
    else
        query_result_json(&result, w);
    json_object_end(w);
    return OK;
}

err core_loki_query(struct http_request *rq, struct http_reply *rp)
{
    return answer(rq, rp, false, loki_run, loki_reply);
}

err core_loki_query_range(struct http_request *rq, struct http_reply *rp)
{
    return answer(rq, rp, true, loki_run, loki_reply);
}

err core_loki_labels(struct http_request *rq, struct http_reply *rp)
{
    (void)rq;
    struct json_out *w = success_begin(rp);
    json_array_begin(w);
    for (size_t i = 0; query_log_labels[i]; i++)
        json_out_cstr(w, query_log_labels[i]);
    json_array_end(w);
    json_object_end(w);
    return OK;
}

static err loki_label_values(struct asking *a, struct http_reply *rp)
{
    str *values;
    size_t count;
    struct query_times times = { 0 };
    TRY(loki_times(a->rq, true, &times));
    TRY(query_log_values(&a->house, http_param(a->rq, "name"), times.start_ms, times.end_ms,
                         &a->memory, &values, &count));
    write_texts(rp, values, count);
    return OK;
}

err core_loki_label_values(struct http_request *rq, struct http_reply *rp)
{
    return answer(rq, rp, false, loki_label_values, loki_reply);
}
