/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spans_json.c -- an export in JSON: protobuf's mapping with OTLP's exceptions. Ids are hex, 64-bit
 * numbers are texts or numbers, enums numbers or names; unknown fields are passed over. */
#include "platform/track/spans_internal.h"

static err wrong(const char *what)
{
    return ERR(ERR_INVALID, "%s in the export is not as OpenTelemetry's JSON has it", what);
}

/* camelCase as OTLP says, or snake_case. */
static const struct json *member(const struct json *object, const char *camel, const char *snake)
{
    const struct json *node = json_get(object, camel);
    return node ? node : json_get(object, snake);
}

static err number_read(const struct json *node, int64_t *value)
{
    if (json_kind(node) == JSON_IS_STR)
        return str_to_i64(json_str(node, STR_NONE), value).code ? wrong("A number") : OK;
    *value = json_int(node, *value);
    return OK;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Hex as bytes; empty for an absent one. */
static err id_read(const struct json *node, char *room, size_t bytes_max, str *ret_id)
{
    str text = json_str(node, STR_NONE);
    *ret_id = STR_NONE;
    if (text.len % 2 || text.len / 2 > bytes_max)
        return wrong("An id");
    for (size_t i = 0; i < text.len; i += 2) {
        int high = nibble(text.ptr[i]), low = nibble(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return wrong("An id");
        room[i / 2] = (char)(high << 4 | low);
    }
    *ret_id = str_from(room, text.len / 2);
    return OK;
}

/* ------------------------------------------------------------------ values */

static err value_write(struct buf *out, const struct json *any, int depth, bool may_be_json);

static err pairs_write(struct buf *out, const struct json *list, int depth)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *pair = json_at(list, i);
        span_key(out, i == 0, json_str(json_get(pair, "key"), STR("")));
        TRY(value_write(out, json_get(pair, "value"), depth, false));
    }
    return OK;
}

static err list_write(struct buf *out, const struct json *list, int depth)
{
    for (size_t i = 0; i < json_count(list); i++) {
        if (i)
            buf_add_cstr(out, ", ");
        TRY(value_write(out, json_at(list, i), depth, false));
    }
    return OK;
}

static err value_write(struct buf *out, const struct json *any, int depth, bool may_be_json)
{
    const struct json *node;
    int64_t integer = 0;
    err e = OK;
    if (depth == SPAN_DEPTH_MAX)
        return ERR(ERR_TOO_BIG, "An attribute is nested deeper than %d", SPAN_DEPTH_MAX);
    if ((node = member(any, "stringValue", "string_value"))) {
        span_value_str(out, json_str(node, STR("")), may_be_json);
    } else if ((node = member(any, "boolValue", "bool_value"))) {
        buf_add_cstr(out, json_bool(node, false) ? "true" : "false");
    } else if ((node = member(any, "intValue", "int_value"))) {
        TRY(number_read(node, &integer));
        span_value_int(out, integer);
    } else if ((node = member(any, "doubleValue", "double_value"))) {
        str word = json_str(node, STR_NONE);
        if (str_eq(word, STR("NaN")) || str_eq(word, STR("Infinity")) ||
            str_eq(word, STR("-Infinity")))
            buf_add(out, word);
        else
            span_value_real(out, json_num(node, 0));
    } else if ((node = member(any, "arrayValue", "array_value"))) {
        buf_add_char(out, '[');
        e = list_write(out, json_get(node, "values"), depth + 1);
        buf_add_char(out, ']');
    } else if ((node = member(any, "kvlistValue", "kvlist_value"))) {
        buf_add_char(out, '{');
        e = pairs_write(out, json_get(node, "values"), depth + 1);
        buf_add_char(out, '}');
    } else if ((node = member(any, "bytesValue", "bytes_value"))) {
        span_value_str(out, json_str(node, STR("")), false); /* base64 as it is */
    } else {
        buf_add_cstr(out, "null");
    }
    return e;
}

/* ------------------------------------------------------------------ a span */

static err attributes_read(struct span_maker *m, const struct json *list)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *pair = json_at(list, i);
        str key = json_str(json_get(pair, "key"), STR(""));
        TRY(span_attribute_begin(m, key));
        TRY(value_write(&m->batch->text, json_get(pair, "value"), 0, true));
        TRY(span_attribute_end(m, key));
    }
    return span_attributes_end(m);
}

static err events_read(struct span_maker *m, const struct json *list)
{
    if (json_count(list) > SPAN_EVENTS_MAX)
        return span_too_many("events or links of a span", SPAN_EVENTS_MAX);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *event = json_at(list, i);
        int64_t time_ns = 0;
        TRY(number_read(member(event, "timeUnixNano", "time_unix_nano"), &time_ns));
        span_event_begin(m, i == 0, json_str(json_get(event, "name"), STR("")), time_ns);
        TRY(pairs_write(&m->batch->text, json_get(event, "attributes"), 0));
        span_event_end(m);
    }
    if (json_count(list))
        buf_add_char(&m->batch->text, ']');
    return OK;
}

static err links_read(struct span_maker *m, const struct json *list)
{
    bool is_first = true;
    if (json_count(list) > SPAN_EVENTS_MAX)
        return span_too_many("events or links of a span", SPAN_EVENTS_MAX);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *link = json_at(list, i);
        char trace_room[16], span_room[8];
        str trace_id, span_id;
        TRY(id_read(member(link, "traceId", "trace_id"), trace_room, sizeof trace_room, &trace_id));
        TRY(id_read(member(link, "spanId", "span_id"), span_room, sizeof span_room, &span_id));
        if (!span_link_begin(m, is_first, trace_id, span_id))
            continue;
        is_first = false;
        TRY(pairs_write(&m->batch->text, json_get(link, "attributes"), 0));
        span_link_end(m);
    }
    if (!is_first)
        buf_add_char(&m->batch->text, ']');
    return OK;
}

static const char *status_of(const struct json *code)
{
    str name = json_str(code, STR_NONE);
    int64_t number = json_int(code, 0);
    if (number == 1 || str_eq(name, STR("STATUS_CODE_OK")))
        return "OK";
    return number == 2 || str_eq(name, STR("STATUS_CODE_ERROR")) ? "ERROR" : "UNSET";
}

static err span_read(struct span_maker *m, const struct json *node)
{
    char trace_room[16], span_room[8], parent_room[8];
    struct span_ids ids;
    struct span *span;
    int64_t start_ns = 0, end_ns = 0;
    const struct json *status = json_get(node, "status");
    if (json_kind(node) != JSON_IS_OBJECT)
        return wrong("A span");
    TRY(id_read(member(node, "traceId", "trace_id"), trace_room, sizeof trace_room, &ids.trace_id));
    TRY(id_read(member(node, "spanId", "span_id"), span_room, sizeof span_room, &ids.span_id));
    TRY(id_read(member(node, "parentSpanId", "parent_span_id"), parent_room, sizeof parent_room,
                &ids.parent_id));
    TRY(number_read(member(node, "startTimeUnixNano", "start_time_unix_nano"), &start_ns));
    TRY(number_read(member(node, "endTimeUnixNano", "end_time_unix_nano"), &end_ns));
    TRY(span_begin(m, &ids, json_str(json_get(node, "name"), STR("")),
                   json_str(json_get(status, "message"), STR("")), &span));
    span->start_ns = start_ns < 0 ? 0 : start_ns;
    span->end_ns = end_ns < 0 ? 0 : end_ns;
    span->status = status_of(json_get(status, "code"));
    TRY(attributes_read(m, json_get(node, "attributes")));
    TRY(events_read(m, json_get(node, "events")));
    TRY(links_read(m, json_get(node, "links")));
    return span_end(m);
}

/* ------------------------------------------------------------------ an export */

static err resource_read(struct span_maker *m, const struct json *list)
{
    struct buf json;
    err e = OK;
    buf_init(&json, SPAN_CONTENT_BYTES_MAX);
    span_resource_begin(m);
    for (size_t i = 0; !e.code && i < json_count(list); i++) {
        const struct json *pair = json_at(list, i);
        buf_clear(&json);
        e = value_write(&json, json_get(pair, "value"), 0, false);
        if (!e.code)
            e = buf_check(&json);
        if (!e.code)
            e = span_resource_tag(m, json_str(json_get(pair, "key"), STR("")), buf_str(&json));
    }
    buf_deinit(&json);
    return e;
}

err span_batch_read_json(str text, arena *keep, struct span_batch *ret_batch,
                         bool *ret_has_resources)
{
    struct span_maker m;
    const struct json *root;
    span_maker_init(&m, ret_batch, keep);
    *ret_has_resources = false;
    TRY(json_parse(keep, text, &root));
    if (json_kind(root) != JSON_IS_OBJECT)
        return wrong("The body");
    const struct json *resources = member(root, "resourceSpans", "resource_spans");
    for (size_t i = 0; i < json_count(resources); i++) {
        const struct json *resource = json_at(resources, i);
        const struct json *scopes = member(resource, "scopeSpans", "scope_spans");
        *ret_has_resources = true;
        TRY(resource_read(&m, json_get(json_get(resource, "resource"), "attributes")));
        for (size_t k = 0; k < json_count(scopes); k++) {
            const struct json *spans = json_get(json_at(scopes, k), "spans");
            for (size_t n = 0; n < json_count(spans); n++)
                TRY(span_read(&m, json_at(spans, n)));
        }
    }
    return span_maker_end(&m);
}
