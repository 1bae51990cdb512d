/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_logs.c -- /v1/logs: search over our own log files. */
#include <string.h>

#include "base/clock.h"
#include "platform/app/core.h"

enum { LIMIT_MAX = 5000 };

/* "2h", "30m", "7d", "45s" as ms; empty keeps *ms. */
static err read_range(str text, int64_t *ms)
{
    if (!text.len)
        return OK;
    int64_t unit = 0, value;
    switch (text.ptr[text.len - 1]) {
    case 's':
        unit = 1000;
        break;
    case 'm':
        unit = 60000;
        break;
    case 'h':
        unit = 3600000;
        break;
    case 'd':
        unit = 86400000;
        break;
    default:
        break;
    }
    err e = str_to_i64(str_sub(text, 0, text.len - 1), &value);
    if (unit == 0 || e.code || value < 1 || value > 100000)
        return ERR(ERR_INVALID, "query parameter 'range' is '%.*s': write 45s, 30m, 2h or 7d",
                   STR_ARG(text));
    *ms = value * unit;
    return OK;
}

static err read_common(struct http_request *rq, int64_t range_ms, struct log_query *q)
{
    int64_t limit = 500;
    TRY(http_query_int(rq, "limit", 1, LIMIT_MAX, &limit));
    q->limit = (size_t)limit;
    str direction = http_query(rq, "direction");
    if (direction.len && !str_eq(direction, STR("backward")) && !str_eq(direction, STR("forward")))
        return ERR(ERR_INVALID, "query parameter 'direction' must be backward or forward");
    q->oldest_first = str_eq(direction, STR("forward"));
    TRY(read_range(http_query(rq, "range"), &range_ms));
    q->from_ms = clock_wall_ms() - range_ms;
    if (http_query(rq, "since").len)
        TRY(clock_parse(http_query(rq, "since"), &q->from_ms));
    if (http_query(rq, "until").len)
        TRY(clock_parse(http_query(rq, "until"), &q->to_ms));
    if (http_query(rq, "level").len)
        TRY(log_level_parse(http_query(rq, "level"), &q->level_min));
    q->text = http_query(rq, "q");
    return OK;
}

/* Where a member's value begins in a line of ours: names are written unescaped, and a quote inside
 * a value is not, so the text cannot be anything else. Empty when there is none. */
static str member_text(str line, const char *quoted_name)
{
    ptrdiff_t at = str_find(line, str_of(quoted_name));
    if (at < 0)
        return STR_NONE;
    str rest = str_sub(line, (size_t)at + strlen(quoted_name), line.len);
    return str_split(&rest, '"');
}

/* A line as the contract's clients read it: with "time" beside "ts", and with a "msg", which is the
 * event where nobody wrote more. */
static void write_line(struct json_out *w, arena *keep, str line)
{
    str ts = member_text(line, "{\"ts\":\""), event = member_text(line, ",\"event\":\"");
    str msg = member_text(line, ",\"msg\":\"");
    str wide = STR_NONE;
    if (ts.len && !msg.ptr)
        wide = arena_fmt(keep, "{\"time\":\"%.*s\",\"msg\":\"%.*s\",%.*s", STR_ARG(ts),
                         STR_ARG(event), STR_ARG(str_sub(line, 1, line.len)));
    else if (ts.len)
        wide = arena_fmt(keep, "{\"time\":\"%.*s\",%.*s", STR_ARG(ts),
                         STR_ARG(str_sub(line, 1, line.len)));
    json_out_raw(w, wide.len ? wide : line);
}

static err reply_lines(struct http_request *rq, struct http_reply *rp, const struct log_query *q)
{
    struct log_line *lines;
    size_t count;
    TRY(log_search(house_log(rq_house(rq)), q, http_arena(rq), &lines, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        write_line(w, http_arena(rq), lines[i].json);
    json_items_end(w);
    return OK;
}

err core_logs_search(struct http_request *rq, struct http_reply *rp)
{
    struct log_query q = {
        .component = http_query(rq, "component"),
        .run_id = http_query(rq, "run_id"),
        .dataset_id = http_query(rq, "dataset_id"),
        .model_id = http_query(rq, "model_id"),
        .username = http_query(rq, "username"),
        .request_id = http_query(rq, "request_id"),
        .event = http_query(rq, "event"),
        .spans = str_eq(http_query(rq, "spans"), STR("true")),
    };
    TRY(read_common(rq, 3600000, &q));
    return reply_lines(rq, rp, &q);
}

err core_logs_training(struct http_request *rq, struct http_reply *rp)
{
    char run_id[HEX_ID_BYTES];
    TRY(app_run_id_parse(http_param(rq, "runId"), run_id));
    struct log_query q = { .component = STR("training"), .run_id = str_of(run_id) };
    TRY(read_common(rq, 7200000, &q));
    return reply_lines(rq, rp, &q);
}

err core_logs_app(struct http_request *rq, struct http_reply *rp)
{
    struct log_query q = { 0 };
    str app = http_query(rq, "app");
    /* The reference has processes api, ml and serve; here one process has components. */
    if (str_eq(app, STR("api")))
        q.component = STR("http");
    else if (str_eq(app, STR("ml")))
        q.component = STR("training");
    else
        q.component = app;
    TRY(read_common(rq, 3600000, &q));
    return reply_lines(rq, rp, &q);
}
