/* SPDX-License-Identifier: GPL-3.0-or-later */
/* otlp.c -- lines and spans of the log as OTLP/HTTP in JSON.
 *
 * The encoding is protobuf's JSON with the exceptions that OTLP makes: ids are hex, 64-bit numbers
 * are text, enums are numbers. A trace is a run (its id has the right shape) or a request, whose id
 * may be anything a client sent and is hashed then; lines and spans of one piece of work so get the
 * same trace id without knowing of each other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "platform/outbox/http_out.h"

enum { BODY_BYTES_MAX = 12 << 20, LINE_ARENA_BYTES = 16 << 20, TRACE_HEX = 32, SPAN_HEX = 16 };

/* ------------------------------------------------------------------ values */

static void nanos(struct json_out *w, const char *key, int64_t ns)
{
    json_key(w, key);
    json_out_fmt(w, "%lld", (long long)ns);
}

static void value_of(struct json_out *w, const struct json *node)
{
    struct buf text;
    json_object_begin(w);
    switch (json_kind(node)) {
    case JSON_IS_BOOL:
        json_kv_bool(w, "boolValue", json_bool(node, false));
        break;
    case JSON_IS_INT:
        nanos(w, "intValue", json_int(node, 0));
        break;
    case JSON_IS_REAL:
        json_kv_real(w, "doubleValue", json_num(node, 0));
        break;
    case JSON_IS_STR:
        json_kv_str(w, "stringValue", json_str(node, STR_NONE));
        break;
    case JSON_IS_NONE:
    case JSON_IS_NULL:
    case JSON_IS_ARRAY:
    case JSON_IS_OBJECT:
    default:
        buf_init(&text, BODY_BYTES_MAX);
        json_dump(node, &text);
        json_kv_str(w, "stringValue", buf_str(&text));
        buf_deinit(&text);
        break;
    }
    json_object_end(w);
}

static void attribute_begin(struct json_out *w, str key)
{
    json_object_begin(w);
    json_kv_str(w, "key", key);
    json_key(w, "value");
}

static void attribute_str(struct json_out *w, const char *key, str value)
{
    attribute_begin(w, str_of(key));
    json_object_begin(w);
    json_kv_str(w, "stringValue", value);
    json_object_end(w);
    json_object_end(w);
}

/* Every member that has no place of its own. */
static void attributes(struct json_out *w, const struct json *line, const char *const *known)
{
    void *iter = NULL;
    str key;
    const struct json *value;
    json_key(w, "attributes");
    json_array_begin(w);
    while (json_next(line, &iter, &key, &value)) {
        bool is_known = json_kind(value) == JSON_IS_NULL;
        for (size_t i = 0; known[i] && !is_known; i++)
            is_known = str_eq(key, str_of(known[i]));
        if (is_known)
            continue;
        attribute_begin(w, key);
        value_of(w, value);
        json_object_end(w);
    }
    json_array_end(w);
}

static bool is_hex(str s, size_t digits)
{
    bool is_good = s.len == digits, has_some = false;
    for (size_t i = 0; i < s.len && is_good; i++) {
        is_good = (s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f');
        has_some = has_some || s.ptr[i] != '0';
    }
    return is_good && has_some;
}

static void trace_id(str id, char out[SHA256_HEX_BYTES])
{
    if (is_hex(id, TRACE_HEX)) {
        memcpy(out, id.ptr, TRACE_HEX);
    } else {
        sha256_hex_of(id, out);
    }
    out[TRACE_HEX] = '\0';
}

/* ------------------------------------------------------------------ one record, one span */

/* DEBUG, INFO, WARN, ERROR of OpenTelemetry. */
static const int severities[] = { 5, 9, 13, 17 };

static void ids(struct json_out *w, const struct json *line, str trace)
{
    char hex[SHA256_HEX_BYTES];
    str span = json_str(json_get(line, "span_id"), STR_NONE);
    if (!trace.len)
        return;
    trace_id(trace, hex);
    json_kv_cstr(w, "traceId", hex);
    if (is_hex(span, SPAN_HEX))
        json_kv_str(w, "spanId", span);
}

static str member(const struct json *line, const char *key)
{
    return json_str(json_get(line, key), STR_NONE);
}

static void add_record(struct json_out *w, const struct json *line, const struct outbox_item *item)
{
    static const char *const known[] = { "ts", "level", "msg", NULL };
    enum log_level level = LOG_INFO;
    err e = log_level_parse(member(line, "level"), &level);
    str event = member(line, "event"), text = member(line, "msg");
    str run = member(line, "run_id");
    json_object_begin(w);
    nanos(w, "timeUnixNano", item->at_ms * 1000000);
    nanos(w, "observedTimeUnixNano", item->at_ms * 1000000);
    if (!e.code) {
        json_kv_int(w, "severityNumber", severities[level]);
        json_kv_cstr(w, "severityText", log_level_name(level));
    }
    json_key(w, "body");
    json_object_begin(w);
    json_kv_str(w, "stringValue", text.len ? text : event);
    json_object_end(w);
    attributes(w, line, known);
    ids(w, line, run.len ? run : member(line, "request_id"));
    json_object_end(w);
}

/* A span's id must be there: one that has none gets it from what it says. */
static void add_span(struct json_out *w, const struct json *line, const struct outbox_item *item)
{
    static const char *const known[] = { "ts",      "level",     "span",     "trace_id",
                                         "span_id", "parent_id", "start_ms", "dur_us",
                                         "code",    "error",     NULL };
    char trace[SHA256_HEX_BYTES], made[SHA256_HEX_BYTES];
    str id = member(line, "span_id"), parent = member(line, "parent_id");
    int64_t start_ns = json_int(json_get(line, "start_ms"), item->at_ms) * 1000000;
    bool is_failed = str_eq(member(line, "level"), STR("error"));
    str of_trace = member(line, "trace_id");
    sha256_hex_of(item->body, made);
    made[SPAN_HEX] = '\0';
    trace_id(of_trace.len ? of_trace : str_of(made), trace);
    json_object_begin(w);
    json_kv_cstr(w, "traceId", trace);
    json_kv_str(w, "spanId", is_hex(id, SPAN_HEX) ? id : str_of(made));
    if (is_hex(parent, SPAN_HEX))
        json_kv_str(w, "parentSpanId", parent);
    json_kv_str(w, "name", member(line, "span"));
    json_kv_int(w, "kind", 1); /* internal */
    nanos(w, "startTimeUnixNano", start_ns);
    nanos(w, "endTimeUnixNano", start_ns + json_int(json_get(line, "dur_us"), 0) * 1000);
    attributes(w, line, known);
    json_key(w, "status");
    json_object_begin(w);
    json_kv_int(w, "code", is_failed ? 2 : 1);
    if (is_failed)
        json_kv_str(w, "message", member(line, "error"));
    json_object_end(w);
    json_object_end(w);
}

/* ------------------------------------------------------------------ the request */

struct otlp {
    struct http_out *http;
    const struct outbox_http *config;
    bool spans;
};

static void add_resource(struct json_out *w, const struct outbox_http *config)
{
    json_key(w, "resource");
    json_object_begin(w);
    json_key(w, "attributes");
    json_array_begin(w);
    attribute_str(w, "service.name", STR("skerry"));
    attribute_str(w, "service.instance.id", str_of(config->instance));
    attribute_str(w, "service.version", str_of(config->version));
    json_array_end(w);
    json_object_end(w);
}

static err add_items(struct json_out *w, const struct otlp *o, const struct outbox_batch *batch)
{
    arena keep;
    err e = OK;
    arena_init(&keep, LINE_ARENA_BYTES);
    for (size_t i = 0; i < batch->count && !e.code; i++) {
        const struct json *line = NULL;
        arena_reset(&keep);
        err parsed = json_parse(&keep, batch->items[i].body, &line);
        if (parsed.code == ERR_NO_MEMORY)
            e = parsed;
        /* A line that is not JSON has no members; its time is known all the same. */
        if (!e.code)
            (o->spans ? add_span : add_record)(w, line, &batch->items[i]);
    }
    arena_deinit(&keep);
    return e;
}

static err add_body(struct buf *out, const struct otlp *o, const struct outbox_batch *batch)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    json_key(&w, o->spans ? "resourceSpans" : "resourceLogs");
    json_array_begin(&w);
    json_object_begin(&w);
    add_resource(&w, o->config);
    json_key(&w, o->spans ? "scopeSpans" : "scopeLogs");
    json_array_begin(&w);
    json_object_begin(&w);
    json_key(&w, "scope");
    json_object_begin(&w);
    json_kv_cstr(&w, "name", "skerry");
    json_kv_cstr(&w, "version", o->config->version);
    json_object_end(&w);
    json_key(&w, o->spans ? "spans" : "logRecords");
    json_array_begin(&w);
    TRY(add_items(&w, o, batch));
    json_array_end(&w);
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    return buf_check(out);
}

static err otlp_open(const void *config, bool spans, void **ret_state)
{
    struct otlp *o = calloc(1, sizeof *o);
    if (!o)
        return ERR(ERR_NO_MEMORY, "opening a destination: out of memory");
    o->config = config;
    o->spans = spans;
    err e = http_out_open(config, spans ? "/v1/traces" : "/v1/logs", &o->http);
    if (e.code) {
        free(o);
        return e;
    }
    *ret_state = o;
    return OK;
}

static err logs_open(const void *config, void **ret_state)
{
    return otlp_open(config, false, ret_state);
}

static err traces_open(const void *config, void **ret_state)
{
    return otlp_open(config, true, ret_state);
}

static err otlp_send(void *state, struct outbox_batch *batch)
{
    struct otlp *o = state;
    struct buf body, reply;
    char why[OUTBOX_WHY_BYTES];
    buf_init(&body, BODY_BYTES_MAX);
    buf_init(&reply, HTTP_OUT_REPLY_MAX);
    err e = add_body(&body, o, batch);
    if (!e.code)
        e = http_out_post(o->http, batch, buf_str(&body), &reply);
    if (!e.code) /* refused items of a batch that was taken must not be sent again */
        e = http_out_otlp_reply(buf_str(&reply), &batch->unnamed_refusals, why);
    buf_deinit(&body);
    buf_deinit(&reply);
    return e;
}

static void otlp_close(void *state)
{
    struct otlp *o = state;
    if (!o)
        return;
    http_out_close(o->http);
    free(o);
}

const struct outbox_kind outbox_otlp_logs = {
    .name = "otlp-logs",
    .takes = OUTBOX_LINES,
    .items_max = 1000,
    .bytes_max = 768 * 1024,
    .open = logs_open,
    .send = otlp_send,
    .close = otlp_close,
};

const struct outbox_kind outbox_otlp_traces = {
    .name = "otlp-traces",
    .takes = OUTBOX_SPANS,
    .items_max = 1000,
    .bytes_max = 768 * 1024,
    .open = traces_open,
    .send = otlp_send,
    .close = otlp_close,
};
