/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spans_proto.c -- an export in protobuf's wire format: fields with a number and a kind, in any
 * order, unknown ones passed over. A message is walked once for each kind of thing that is wanted
 * of it, so that what is written comes in our order. */
#include <string.h>

#include "platform/track/spans_internal.h"

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value; /* of numbers */
    str bytes;
};

static err broken(void)
{
    return ERR(ERR_INVALID, "The export is no protobuf of OpenTelemetry");
}

/* False at the end, and where the message is broken: then cursor.bad. */
static bool field_next(struct cursor *c, struct field *f)
{
    if (c->bad || cursor_left(c) == 0)
        return false;
    uint64_t tag = cursor_varint(c);
    *f = (struct field){ .number = tag >> 3, .wire = (enum wire)(tag & 7) };
    switch (f->wire) {
    case WIRE_VARINT:
        f->value = cursor_varint(c);
        break;
    case WIRE_64:
        f->value = cursor_u64(c);
        break;
    case WIRE_BYTES: {
        uint64_t len = cursor_varint(c);
        c->bad |= len > cursor_left(c);
        f->bytes = c->bad ? STR_NONE : cursor_bytes(c, (size_t)len);
        break;
    }
    case WIRE_32:
        f->value = cursor_u32(c);
        break;
    default: /* groups are not in these messages */
        c->bad = true;
    }
    c->bad |= f->number == 0;
    return !c->bad;
}

static bool is_message(const struct field *f, uint64_t number)
{
    return f->number == number && f->wire == WIRE_BYTES;
}

/* ------------------------------------------------------------------ values */

static err value_write(struct buf *out, str message, int depth, bool may_be_json);

static err pair_read(str message, str *ret_key, str *ret_value)
{
    struct cursor c = cursor_of(message);
    struct field f;
    *ret_key = *ret_value = STR_NONE;
    while (field_next(&c, &f)) {
        if (is_message(&f, 1))
            *ret_key = f.bytes;
        else if (is_message(&f, 2))
            *ret_value = f.bytes;
    }
    return c.bad ? broken() : OK;
}

/* KeyValueList, and lists of attributes inside of events: the pairs are field `number`. */
static err pairs_write(struct buf *out, str message, uint64_t number, int depth)
{
    struct cursor c = cursor_of(message);
    struct field f;
    bool is_first = true;
    while (field_next(&c, &f)) {
        str key, value;
        if (!is_message(&f, number))
            continue;
        TRY(pair_read(f.bytes, &key, &value));
        span_key(out, is_first, key);
        TRY(value_write(out, value, depth, false));
        is_first = false;
    }
    return c.bad ? broken() : OK;
}

static err list_write(struct buf *out, str message, int depth)
{
    struct cursor c = cursor_of(message);
    struct field f;
    bool is_first = true;
    while (field_next(&c, &f)) {
        if (!is_message(&f, 1))
            continue;
        if (!is_first)
            buf_add_cstr(out, ", ");
        TRY(value_write(out, f.bytes, depth, false));
        is_first = false;
    }
    return c.bad ? broken() : OK;
}

/* AnyValue: of several kinds the last counts, as protobuf has it. */
static err value_write(struct buf *out, str message, int depth, bool may_be_json)
{
    struct cursor c = cursor_of(message);
    struct field f, found = { 0 };
    double real;
    err e = OK;
    if (depth == SPAN_DEPTH_MAX)
        return ERR(ERR_TOO_BIG, "An attribute is nested deeper than %d", SPAN_DEPTH_MAX);
    while (field_next(&c, &f))
        if (f.number <= 7)
            found = f;
    if (c.bad)
        return broken();
    switch (found.wire == WIRE_BYTES ? found.number : found.number + 100) {
    case 1:
        span_value_str(out, found.bytes, may_be_json);
        break;
    case 102:
        buf_add_cstr(out, found.value ? "true" : "false");
        break;
    case 103:
        span_value_int(out, (int64_t)found.value);
        break;
    case 104:
        memcpy(&real, &found.value, sizeof real);
        span_value_real(out, real);
        break;
    case 5:
        buf_add_char(out, '[');
        e = list_write(out, found.bytes, depth + 1);
        buf_add_char(out, ']');
        break;
    case 6:
        buf_add_char(out, '{');
        e = pairs_write(out, found.bytes, 1, depth + 1);
        buf_add_char(out, '}');
        break;
    case 7:
        span_value_bytes(out, found.bytes);
        break;
    default:
        buf_add_cstr(out, "null");
        break;
    }
    return e;
}

/* ------------------------------------------------------------------ a span */

static err attributes_read(struct span_maker *m, str message)
{
    struct cursor c = cursor_of(message);
    struct field f;
    while (field_next(&c, &f)) {
        str key, value;
        if (!is_message(&f, 9))
            continue;
        TRY(pair_read(f.bytes, &key, &value));
        TRY(span_attribute_begin(m, key));
        TRY(value_write(&m->batch->text, value, 0, true));
        TRY(span_attribute_end(m, key));
    }
    return span_attributes_end(m);
}

static err event_read(struct span_maker *m, str message, bool is_first)
{
    struct cursor c = cursor_of(message);
    struct field f;
    str name = STR_NONE;
    int64_t time_ns = 0;
    while (field_next(&c, &f)) {
        if (is_message(&f, 2))
            name = f.bytes;
        else if (f.number == 1 && f.wire == WIRE_64)
            time_ns = (int64_t)f.value;
    }
    if (c.bad)
        return broken();
    span_event_begin(m, is_first, name, time_ns);
    TRY(pairs_write(&m->batch->text, message, 3, 0));
    span_event_end(m);
    return OK;
}

static err link_read(struct span_maker *m, str message, bool *is_first)
{
    struct cursor c = cursor_of(message);
    struct field f;
    str trace_id = STR_NONE, span_id = STR_NONE;
    while (field_next(&c, &f)) {
        if (is_message(&f, 1))
            trace_id = f.bytes;
        else if (is_message(&f, 2))
            span_id = f.bytes;
    }
    if (c.bad)
        return broken();
    if (!span_link_begin(m, *is_first, trace_id, span_id))
        return OK;
    *is_first = false;
    TRY(pairs_write(&m->batch->text, message, 4, 0));
    span_link_end(m);
    return OK;
}

static err events_read(struct span_maker *m, str message, uint64_t number)
{
    struct cursor c = cursor_of(message);
    struct field f;
    bool is_first = true;
    size_t count = 0;
    while (field_next(&c, &f)) {
        if (!is_message(&f, number))
            continue;
        if (++count > SPAN_EVENTS_MAX)
            return span_too_many("events or links of a span", SPAN_EVENTS_MAX);
        if (number == 13) {
            TRY(link_read(m, f.bytes, &is_first));
            continue;
        }
        TRY(event_read(m, f.bytes, is_first));
        is_first = false;
    }
    if (!is_first)
        buf_add_char(&m->batch->text, ']');
    return OK;
}

struct scalars {
    struct span_ids ids;
    str name, status_message;
    int64_t start_ns, end_ns;
    uint64_t status;
};

static err status_read(str message, struct scalars *s)
{
    struct cursor c = cursor_of(message);
    struct field f;
    while (field_next(&c, &f)) {
        if (is_message(&f, 2))
            s->status_message = f.bytes;
        else if (f.number == 3 && f.wire == WIRE_VARINT)
            s->status = f.value;
    }
    return c.bad ? broken() : OK;
}

static err scalars_read(str message, struct scalars *s)
{
    struct cursor c = cursor_of(message);
    struct field f;
    while (field_next(&c, &f)) {
        if (is_message(&f, 1))
            s->ids.trace_id = f.bytes;
        else if (is_message(&f, 2))
            s->ids.span_id = f.bytes;
        else if (is_message(&f, 4))
            s->ids.parent_id = f.bytes;
        else if (is_message(&f, 5))
            s->name = f.bytes;
        else if (f.number == 7 && f.wire == WIRE_64)
            s->start_ns = (int64_t)f.value;
        else if (f.number == 8 && f.wire == WIRE_64)
            s->end_ns = (int64_t)f.value;
        else if (is_message(&f, 15))
            TRY(status_read(f.bytes, s));
    }
    return c.bad ? broken() : OK;
}

static err span_read(struct span_maker *m, str message)
{
    struct scalars s = { 0 };
    struct span *span;
    TRY(scalars_read(message, &s));
    TRY(span_begin(m, &s.ids, s.name, s.status_message, &span));
    span->start_ns = s.start_ns < 0 ? 0 : s.start_ns;
    span->end_ns = s.end_ns < 0 ? 0 : s.end_ns;
    span->status = s.status == 1 ? "OK" : s.status == 2 ? "ERROR" : "UNSET";
    TRY(attributes_read(m, message));
    TRY(events_read(m, message, 11));
    TRY(events_read(m, message, 13));
    return span_end(m);
}

/* ------------------------------------------------------------------ an export */

static err resource_read(struct span_maker *m, str message)
{
    struct cursor c = cursor_of(message);
    struct field f;
    struct buf json;
    err e = OK;
    buf_init(&json, SPAN_CONTENT_BYTES_MAX);
    while (!e.code && field_next(&c, &f)) {
        str key, value;
        if (!is_message(&f, 1))
            continue;
        buf_clear(&json);
        e = pair_read(f.bytes, &key, &value);
        if (!e.code)
            e = value_write(&json, value, 0, false);
        if (!e.code)
            e = buf_check(&json);
        if (!e.code)
            e = span_resource_tag(m, key, buf_str(&json));
    }
    buf_deinit(&json);
    if (e.code)
        return e;
    return c.bad ? broken() : OK;
}

static err scope_read(struct span_maker *m, str message)
{
    struct cursor c = cursor_of(message);
    struct field f;
    while (field_next(&c, &f))
        if (is_message(&f, 2))
            TRY(span_read(m, f.bytes));
    return c.bad ? broken() : OK;
}

static err resource_spans_read(struct span_maker *m, str message)
{
    struct cursor c = cursor_of(message);
    struct field f;
    span_resource_begin(m);
    while (field_next(&c, &f))
        if (is_message(&f, 1))
            TRY(resource_read(m, f.bytes));
    c = cursor_of(message);
    while (field_next(&c, &f))
        if (is_message(&f, 2))
            TRY(scope_read(m, f.bytes));
    return c.bad ? broken() : OK;
}

err span_batch_read_proto(str bytes, arena *keep, struct span_batch *ret_batch,
                          bool *ret_has_resources)
{
    struct span_maker m;
    struct cursor c = cursor_of(bytes);
    struct field f;
    span_maker_init(&m, ret_batch, keep);
    *ret_has_resources = false;
    while (field_next(&c, &f)) {
        if (!is_message(&f, 1))
            continue;
        *ret_has_resources = true;
        TRY(resource_spans_read(&m, f.bytes));
    }
    return c.bad ? broken() : span_maker_end(&m);
}
