/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spans.c -- batches of spans in the making: fields, and the text that is kept. */
#include "platform/track/spans.h"

#include <math.h>
#include <string.h>

#include "platform/track/spans_internal.h"
#include "platform/track/track_internal.h"

enum { ROOM_FIRST = 64, TAGS_MAX = 200000, BASE64_CHUNK = 3 * 1024 };

#define KEY_REQUEST_ID STR("mlflow.traceRequestId")
#define KEY_TYPE STR("mlflow.spanType")
#define KEY_INPUTS STR("mlflow.spanInputs")
#define KEY_OUTPUTS STR("mlflow.spanOutputs")
#define KEY_TAG STR("mlflow.traceTag.")
#define TYPE_UNKNOWN STR("UNKNOWN")

void span_batch_deinit(struct span_batch *b)
{
    buf_deinit(&b->text);
}

err span_too_many(const char *what, size_t max)
{
    return ERR(ERR_TOO_BIG, "An export holds more than %zu %s: send less at a time", max, what);
}

void span_maker_init(struct span_maker *m, struct span_batch *batch, arena *keep)
{
    *batch = (struct span_batch){ 0 };
    buf_init(&batch->text, SPANS_BYTES_MAX);
    *m = (struct span_maker){ .batch = batch, .keep = keep };
}

/* ------------------------------------------------------------------ room */

static err spans_grow(struct span_maker *m)
{
    size_t count = m->batch->count;
    size_t room = m->span_room ? m->span_room * 4 : ROOM_FIRST;
    if (count == SPANS_MAX)
        return span_too_many("spans", SPANS_MAX);
    if (room > SPANS_MAX)
        room = SPANS_MAX;
    struct span *spans = NEW_ARRAY(m->keep, struct span, room);
    void *slices = arena_alloc(m->keep, room, sizeof *m->slices, _Alignof(max_align_t));
    ARENA_TRY(spans);
    ARENA_TRY(slices);
    if (count) {
        memcpy(spans, m->batch->spans, count * sizeof *spans);
        memcpy(slices, m->slices, count * sizeof *m->slices);
    }
    m->batch->spans = spans;
    m->slices = slices;
    m->span_room = room;
    return OK;
}

static err tag_add(struct span_maker *m, str key, str json)
{
    struct span_batch *b = m->batch;
    const struct json *node;
    if (b->tag_count == m->tag_room) {
        size_t room = m->tag_room ? m->tag_room * 2 : ROOM_FIRST;
        if (room > TAGS_MAX)
            return span_too_many("tags", TAGS_MAX);
        struct track_tag *tags = NEW_ARRAY(m->keep, struct track_tag, room);
        ARENA_TRY(tags);
        if (b->tag_count)
            memcpy(tags, b->tags, b->tag_count * sizeof *tags);
        b->tags = tags;
        m->tag_room = room;
    }
    /* a text without its quotes, anything else as JSON */
    str value = json;
    if (json.len && json.ptr[0] == '"' && !json_parse(m->keep, json, &node).code)
        value = json_str(node, STR(""));
    struct track_tag *tag = &b->tags[b->tag_count++];
    *tag = (struct track_tag){ arena_str(m->keep, key), arena_str(m->keep, value) };
    return arena_check(m->keep);
}

/* ------------------------------------------------------------------ values */

void span_value_str(struct buf *out, str text, bool may_be_json)
{
    if (!may_be_json || !json_scan_is_document(text)) {
        json_escape(out, text);
        return;
    }
    text = str_trim(text);
    for (size_t at = 0; at < text.len;) { /* line breaks there are between tokens */
        size_t run = at;
        while (run < text.len && text.ptr[run] != '\n' && text.ptr[run] != '\r')
            run++;
        buf_add(out, str_sub(text, at, run - at));
        if (run < text.len)
            buf_add_char(out, ' ');
        at = run + 1;
    }
}

void span_value_int(struct buf *out, int64_t value)
{
    buf_add_i64(out, value);
}

void span_value_real(struct buf *out, double value)
{
    if (isnan(value)) {
        buf_add_cstr(out, "NaN");
        return;
    }
    if (isinf(value)) {
        buf_add_cstr(out, value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    size_t from = out->len;
    buf_add_f64(out, value);
    str text = out->failed ? STR_NONE : str_from(out->ptr + from, out->len - from);
    bool is_whole = str_find_char(text, '.') < 0 && str_find_char(text, 'e') < 0;
    if (is_whole) /* a real stays one */
        buf_add_cstr(out, ".0");
}

void span_value_bytes(struct buf *out, str bytes)
{
    char room[BASE64_CHUNK / 3 * 4];
    buf_add_char(out, '"');
    for (size_t at = 0; at < bytes.len; at += BASE64_CHUNK) {
        size_t len = str_base64(str_sub(bytes, at, BASE64_CHUNK), room);
        buf_add(out, str_from(room, len));
    }
    buf_add_char(out, '"');
}

void span_key(struct buf *out, bool is_first, str key)
{
    if (!is_first)
        buf_add_cstr(out, ", ");
    json_escape(out, key);
    buf_add_cstr(out, ": ");
}

/* ------------------------------------------------------------------ a span */

static void hex_write(str bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        *out++ = digits[(unsigned char)bytes.ptr[i] >> 4];
        *out++ = digits[(unsigned char)bytes.ptr[i] & 15];
    }
    *out = '\0';
}

static struct span *current(struct span_maker *m)
{
    return &m->batch->spans[m->batch->count - 1];
}

static void slice_set(struct span_maker *m, enum span_slice which, size_t from)
{
    m->slices[m->batch->count - 1][which].from = from;
    m->slices[m->batch->count - 1][which].len = m->batch->text.len - from;
}

/* Text that a column can hold: UTF-8 without NUL, cut. */
static str clean(str text)
{
    text = str_sub(text, 0, SPAN_NAME_BYTES_MAX);
    ptrdiff_t nul = str_find_char(text, '\0');
    if (nul >= 0)
        text.len = (size_t)nul;
    text.len = str_utf8_valid_len(text);
    return text;
}

err span_begin(struct span_maker *m, const struct span_ids *ids, str name, str status_message,
               struct span **ret_span)
{
    struct buf *out = &m->batch->text;
    if (ids->trace_id.len != 16 || ids->span_id.len != 8 ||
        (ids->parent_id.len != 0 && ids->parent_id.len != 8))
        return ERR(ERR_INVALID, "A span's ids must have 16 and 8 bytes");
    if (m->batch->count == m->span_room)
        TRY(spans_grow(m));
    m->batch->count++;
    struct span *s = current(m);
    *s = (struct span){ .type = TYPE_UNKNOWN,
                        .status = "UNSET",
                        .resource_from = m->resource_from,
                        .resource_count = m->resource_count };
    memset(m->slices[m->batch->count - 1], 0, sizeof *m->slices);
    memcpy(s->trace_id, "tr-", 3);
    hex_write(ids->trace_id, s->trace_id + 3);
    hex_write(ids->span_id, s->span_id);
    hex_write(ids->parent_id, s->parent_id);
    s->name = arena_str(m->keep, clean(name));
    TRY(arena_check(m->keep));
    slice_set(m, SPAN_CONTENT, out->len);
    buf_add_cstr(out, "{\"name\":");
    json_escape(out, s->name);
    buf_add_cstr(out, ",\"status_message\":");
    json_escape(out, status_message);
    buf_add_cstr(out, ",\"attributes\":{\n");
    m->attribute_count = 0;
    m->has_request_id = false;
    *ret_span = s;
    return OK;
}

err span_attribute_begin(struct span_maker *m, str key)
{
    struct buf *out = &m->batch->text;
    if (m->attribute_count > SPAN_ATTRIBUTES_MAX) /* one more: ours */
        return span_too_many("attributes of a span", SPAN_ATTRIBUTES_MAX);
    if (m->attribute_count++)
        buf_add_cstr(out, ",\n");
    json_escape(out, key);
    buf_add_char(out, ':');
    m->value_from = out->len;
    return OK;
}

err span_attribute_end(struct span_maker *m, str key)
{
    struct buf *out = &m->batch->text;
    struct span *s = current(m);
    bool is_root = !s->parent_id[0];
    TRY(buf_check(out));
    str json = str_from(out->ptr + m->value_from, out->len - m->value_from);
    if (str_starts(key, STR("mlflow."))) {
        if (str_eq(key, KEY_REQUEST_ID)) { /* ours to say */
            m->has_request_id = true;
            out->len = m->value_from;
            buf_add_fmt(out, "\"%s\"", s->trace_id);
        } else if (str_eq(key, KEY_TYPE) && json.len > 2 && json.ptr[0] == '"') {
            s->type = arena_str(m->keep, clean(str_sub(json, 1, json.len - 2)));
            ARENA_TRY(s->type.ptr);
        } else if (is_root && str_eq(key, KEY_INPUTS)) {
            slice_set(m, SPAN_INPUTS, m->value_from);
        } else if (is_root && str_eq(key, KEY_OUTPUTS)) {
            slice_set(m, SPAN_OUTPUTS, m->value_from);
        } else if (is_root && str_starts(key, KEY_TAG)) {
            if (!s->tag_count)
                s->tags_from = (uint32_t)m->batch->tag_count;
            s->tag_count++;
            TRY(tag_add(m, str_sub(key, KEY_TAG.len, key.len), json));
        }
    }
    buf_add_char(out, '\n');
    return OK;
}

err span_attributes_end(struct span_maker *m)
{
    if (!m->has_request_id) {
        TRY(span_attribute_begin(m, KEY_REQUEST_ID));
        TRY(span_attribute_end(m, KEY_REQUEST_ID));
    }
    buf_add_char(&m->batch->text, '}');
    return OK;
}

void span_event_begin(struct span_maker *m, bool is_first, str name, int64_t time_ns)
{
    struct buf *out = &m->batch->text;
    buf_add_cstr(out, is_first ? ",\"events\":[{\"name\":" : ",{\"name\":");
    json_escape(out, clean(name));
    buf_add_fmt(out, ",\"time_unix_nano\":%lld,\"attributes\":{", (long long)time_ns);
}

bool span_link_begin(struct span_maker *m, bool is_first, str trace_id, str span_id)
{
    struct buf *out = &m->batch->text;
    char trace[33], span[17];
    if (trace_id.len != 16 || span_id.len != 8)
        return false;
    hex_write(trace_id, trace);
    hex_write(span_id, span);
    buf_add_fmt(out, "%s{\"trace_id\":\"%s\",\"span_id\":\"%s\",\"attributes\":{",
                is_first ? ",\"links\":[" : ",", trace, span);
    return true;
}

void span_event_end(struct span_maker *m)
{
    buf_add_cstr(&m->batch->text, "}}");
}

void span_link_end(struct span_maker *m)
{
    span_event_end(m);
}

err span_end(struct span_maker *m)
{
    struct buf *out = &m->batch->text;
    buf_add_char(out, '}');
    TRY(buf_check(out));
    slice_set(m, SPAN_CONTENT, m->slices[m->batch->count - 1][SPAN_CONTENT].from);
    if (m->slices[m->batch->count - 1][SPAN_CONTENT].len > SPAN_CONTENT_BYTES_MAX)
        return span_too_many("bytes of one span", SPAN_CONTENT_BYTES_MAX);
    return OK;
}

/* ------------------------------------------------------------------ resources, the end */

void span_resource_begin(struct span_maker *m)
{
    m->resource_from = (uint32_t)m->batch->tag_count;
    m->resource_count = 0;
}

err span_resource_tag(struct span_maker *m, str key, str json)
{
    bool is_hidden = str_starts(key, STR("telemetry.sdk.")) || str_starts(key, STR("mlflow."));
    if (is_hidden || key.len == 0 || key.len > TRACK_KEY_BYTES_MAX || clean(key).len != key.len)
        return OK;
    if (m->resource_count == SPAN_ATTRIBUTES_MAX)
        return span_too_many("attributes of a resource", SPAN_ATTRIBUTES_MAX);
    m->resource_count++;
    return tag_add(m, key, json);
}

err span_maker_end(struct span_maker *m)
{
    struct span_batch *b = m->batch;
    TRY(buf_check(&b->text));
    for (size_t i = 0; i < b->count; i++) {
        str text = buf_str(&b->text);
        struct span *s = &b->spans[i];
        s->content = str_sub(text, m->slices[i][SPAN_CONTENT].from, m->slices[i][SPAN_CONTENT].len);
        s->inputs = str_sub(text, m->slices[i][SPAN_INPUTS].from, m->slices[i][SPAN_INPUTS].len);
        s->outputs = str_sub(text, m->slices[i][SPAN_OUTPUTS].from, m->slices[i][SPAN_OUTPUTS].len);
    }
    return OK;
}
