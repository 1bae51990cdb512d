/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spans_write.c -- a kept span as the JSON of protobuf, with MLflow's habits: ids in base64, 64-bit
 * numbers as numbers, what is empty left out. */
#include <string.h>

#include "platform/track/spans_internal.h"

static err content_broken(void)
{
    return ERR(ERR_CORRUPT, "The content of a span is not as this program writes it");
}

static void id_write(struct buf *out, const char *key, str hex)
{
    char bytes[16], text[24];
    size_t len = 0;
    for (size_t i = 0; i + 1 < hex.len && len < sizeof bytes; i += 2) {
        int value = 0;
        for (size_t k = 0; k < 2; k++) {
            char c = hex.ptr[i + k];
            value = value * 16 + (c >= 'a' ? c - 'a' + 10 : c - '0');
        }
        bytes[len++] = (char)value;
    }
    size_t text_len = str_base64(str_from(bytes, len), text);
    buf_add_fmt(out, "\"%s\":\"%.*s\"", key, (int)text_len, text);
}

static void any_write(struct buf *out, str json);

/* [{"key":...,"value":...}] of an object. */
static void pairs_write(struct buf *out, str object)
{
    struct json_scan s = json_scan_of(object);
    str key, value;
    bool is_first = true;
    if (!json_scan_enter(&s, '{'))
        return;
    while (json_scan_next(&s, &key, &value)) {
        buf_add_cstr(out, is_first ? "[{\"key\":" : ",{\"key\":");
        buf_add(out, key);
        buf_add_cstr(out, ",\"value\":");
        any_write(out, value);
        buf_add_char(out, '}');
        is_first = false;
    }
    buf_add_cstr(out, is_first ? "" : "]");
}

static bool has_members(str nested)
{
    return str_trim(str_sub(nested, 1, nested.len - 2)).len > 0;
}

static void list_write(struct buf *out, str list)
{
    struct json_scan s = json_scan_of(list);
    str value;
    bool is_first = true;
    if (!json_scan_enter(&s, '['))
        return;
    while (json_scan_next(&s, NULL, &value)) {
        buf_add_char(out, is_first ? '[' : ',');
        any_write(out, value);
        is_first = false;
    }
    buf_add_cstr(out, is_first ? "" : "]");
}

static bool is_integer(str number)
{
    int64_t value;
    return str_to_i64(number, &value).code == 0;
}

/* {"string_value":...} and its like. */
static void any_write(struct buf *out, str json)
{
    switch (json.len ? json.ptr[0] : 'n') {
    case '{':
        buf_add_cstr(out,
                     has_members(json) ? "{\"kvlist_value\":{\"values\":" : "{\"kvlist_value\":{");
        pairs_write(out, json);
        buf_add_cstr(out, "}}");
        return;
    case '[':
        buf_add_cstr(out,
                     has_members(json) ? "{\"array_value\":{\"values\":" : "{\"array_value\":{");
        list_write(out, json);
        buf_add_cstr(out, "}}");
        return;
    case '"':
        buf_add_cstr(out, "{\"string_value\":");
        break;
    case 't':
    case 'f':
        buf_add_cstr(out, "{\"bool_value\":");
        break;
    case 'n':
        buf_add_cstr(out, "{}");
        return;
    default:
        buf_add_cstr(out, is_integer(json) ? "{\"int_value\":" : "{\"double_value\":");
    }
    bool is_word = json.ptr[json.len - 1] == 'N' || json.ptr[json.len - 1] == 'y';
    buf_add_cstr(out, is_word ? "\"" : ""); /* NaN, Infinity */
    buf_add(out, json);
    buf_add_cstr(out, is_word ? "\"}" : "}");
}

/* ------------------------------------------------------------------ events, links */

static void event_write(struct buf *out, str event)
{
    struct json_scan s = json_scan_of(event);
    str key, value, name = STR("\"\""), attributes = STR("{}"), time_ns = STR("0");
    json_scan_enter(&s, '{');
    while (json_scan_next(&s, &key, &value)) {
        if (str_eq(key, STR("\"name\"")))
            name = value;
        else if (str_eq(key, STR("\"time_unix_nano\"")))
            time_ns = value;
        else if (str_eq(key, STR("\"attributes\"")))
            attributes = value;
    }
    buf_add_cstr(out, "{\"time_unix_nano\":");
    buf_add(out, time_ns);
    buf_add_cstr(out, ",\"name\":");
    buf_add(out, name);
    if (has_members(attributes)) {
        buf_add_cstr(out, ",\"attributes\":");
        pairs_write(out, attributes);
    }
    buf_add_char(out, '}');
}

static str inside_quotes(str text)
{
    return text.len >= 2 ? str_sub(text, 1, text.len - 2) : STR("");
}

static void link_write(struct buf *out, str link)
{
    struct json_scan s = json_scan_of(link);
    str key, value, attributes = STR("{}");
    buf_add_char(out, '{');
    json_scan_enter(&s, '{');
    while (json_scan_next(&s, &key, &value)) {
        if (str_eq(key, STR("\"trace_id\""))) {
            id_write(out, "trace_id", inside_quotes(value));
        } else if (str_eq(key, STR("\"span_id\""))) {
            buf_add_char(out, ',');
            id_write(out, "span_id", inside_quotes(value));
        } else if (str_eq(key, STR("\"attributes\""))) {
            attributes = value;
        }
    }
    if (has_members(attributes)) {
        buf_add_cstr(out, ",\"attributes\":");
        pairs_write(out, attributes);
    }
    buf_add_char(out, '}');
}

static void each_write(struct buf *out, const char *name, str list,
                       void (*write)(struct buf *out, str item))
{
    struct json_scan s = json_scan_of(list);
    str value;
    bool is_first = true;
    if (!json_scan_enter(&s, '['))
        return;
    while (json_scan_next(&s, NULL, &value)) {
        if (is_first)
            buf_add_fmt(out, ",\"%s\":[", name);
        else
            buf_add_char(out, ',');
        write(out, value);
        is_first = false;
    }
    buf_add_cstr(out, is_first ? "" : "]");
}

/* ------------------------------------------------------------------ the span */

static void status_write(struct buf *out, const char *status, str message)
{
    bool has_message = message.len > 2;
    buf_add_cstr(out, ",\"status\":{");
    if (has_message) {
        buf_add_cstr(out, "\"message\":");
        buf_add(out, message);
    }
    if (strcmp(status, "UNSET") != 0)
        buf_add_fmt(out, "%s\"code\":\"STATUS_CODE_%s\"", has_message ? "," : "", status);
    buf_add_char(out, '}');
}

err span_write_proto_json(struct json_out *w, str trace_id, const struct span *span)
{
    struct buf *out = w->buf;
    struct json_scan s = json_scan_of(span->content);
    str key, value, attributes = STR_NONE, events = STR("[]"), links = STR("[]"),
                    message = STR_NONE;
    if (!json_scan_enter(&s, '{'))
        return content_broken();
    while (json_scan_next(&s, &key, &value)) {
        if (str_eq(key, STR("\"attributes\"")))
            attributes = value;
        else if (str_eq(key, STR("\"events\"")))
            events = value;
        else if (str_eq(key, STR("\"links\"")))
            links = value;
        else if (str_eq(key, STR("\"status_message\"")))
            message = value;
    }
    if (attributes.len < 2)
        return content_broken();
    json_out_raw(w, STR("{"));
    id_write(out, "trace_id",
             str_starts(trace_id, STR("tr-")) ? str_sub(trace_id, 3, 32) : trace_id);
    buf_add_char(out, ',');
    id_write(out, "span_id", str_of(span->span_id));
    if (span->parent_id[0]) {
        buf_add_char(out, ',');
        id_write(out, "parent_span_id", str_of(span->parent_id));
    }
    buf_add_cstr(out, ",\"name\":");
    json_escape(out, span->name);
    buf_add_fmt(out, ",\"start_time_unix_nano\":%lld", (long long)span->start_ns);
    if (span->end_ns)
        buf_add_fmt(out, ",\"end_time_unix_nano\":%lld", (long long)span->end_ns);
    if (has_members(attributes)) {
        buf_add_cstr(out, ",\"attributes\":");
        pairs_write(out, attributes);
    }
    each_write(out, "events", events, event_write);
    each_write(out, "links", links, link_write);
    status_write(out, span->status, message);
    buf_add_char(out, '}');
    return OK;
}
