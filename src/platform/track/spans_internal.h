/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spans_internal.h -- what the readers of exports share. Not for other rooms. */
#ifndef SKERRY_TRACK_SPANS_INTERNAL_H
#define SKERRY_TRACK_SPANS_INTERNAL_H

#include "platform/track/spans.h"

/* ------------------------------------------------------------------ JSON, as Python has it */

/* Walks JSON without a tree: RFC 8259, and NaN and Infinity as words. */
struct json_scan {
    const char *next, *end;
};
struct json_scan json_scan_of(str text);
/* A whole value, with white space before it. False: it is none, or nested deeper than depth_max. */
bool json_scan_value(struct json_scan *s, int depth_max, str *ret_value);
/* The next member of an object or item of a list whose first bracket was skipped with
 * json_scan_enter; false at its end. `key` is NULL for lists; else with its quotes. Only for what
 * json_scan_value has found good. */
bool json_scan_enter(struct json_scan *s, char bracket);
bool json_scan_next(struct json_scan *s, str *key, str *value);
/* The whole text is one object, list or text. */
bool json_scan_is_document(str text);

/* ------------------------------------------------------------------ a batch in the making */

enum span_slice { SPAN_CONTENT, SPAN_INPUTS, SPAN_OUTPUTS, SPAN_SLICES };

struct span_maker {
    struct span_batch *batch;
    arena *keep;
    size_t span_room, tag_room;
    /* Where texts of each span lie in batch.text, which may still move. */
    struct {
        size_t from, len;
    } (*slices)[SPAN_SLICES];
    uint32_t resource_from, resource_count; /* of the spans to come */
    /* of the span that is being made */
    size_t attribute_count;
    size_t value_from;
    bool has_request_id;
};

struct span_ids {
    str trace_id, span_id, parent_id; /* raw bytes */
};

void span_maker_init(struct span_maker *m, struct span_batch *batch, arena *keep);
MUST_USE err span_maker_end(struct span_maker *m);

/* A new span; then its attributes, events and links, in this order. ERR_INVALID for ids of a wrong
 * length. *ret_span lives until the next one. */
MUST_USE err span_begin(struct span_maker *m, const struct span_ids *ids, str name,
                        str status_message, struct span **ret_span);
MUST_USE err span_attribute_begin(struct span_maker *m, str key);
MUST_USE err span_attribute_end(struct span_maker *m, str key);
/* Behind the last attribute. */
MUST_USE err span_attributes_end(struct span_maker *m);
void span_event_begin(struct span_maker *m, bool is_first, str name, int64_t time_ns);
/* False: ids of a wrong length; the link is left out. */
bool span_link_begin(struct span_maker *m, bool is_first, str trace_id, str span_id);
/* A key of an event's or link's attribute, or of a map. */
void span_key(struct buf *out, bool is_first, str key);
void span_event_end(struct span_maker *m);
void span_link_end(struct span_maker *m);
MUST_USE err span_end(struct span_maker *m);

/* A new resource: it has no tags yet. Its attributes become tags of its traces, `json` is a value.
 */
void span_resource_begin(struct span_maker *m);
MUST_USE err span_resource_tag(struct span_maker *m, str key, str json);

/* Values, as content has them. */
void span_value_str(struct buf *out, str text, bool may_be_json);
void span_value_int(struct buf *out, int64_t value);
void span_value_real(struct buf *out, double value);
void span_value_bytes(struct buf *out, str bytes);

err span_too_many(const char *what, size_t max);

#endif
