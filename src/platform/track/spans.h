/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spans.h -- what OpenTelemetry programs export, read and kept.
 *
 * An export (ExportTraceServiceRequest) is protobuf or JSON; both become a span_batch. Of a span,
 * what is searched and sorted by stands in fields; the rest is its `content`, JSON in lines:
 *
 *   {"name":"op","status_message":"","attributes":{
 *   "mlflow.spanType":"TOOL"
 *   ,
 *   "depth":1
 *   },"events":[{"name":"exception","time_unix_nano":1,"attributes":{}}],"links":[...]}
 *
 * Each attribute has a line, and no line break is inside of one: so SQL can find the value of a
 * key. Values are as Python writes JSON (", " and ": "; NaN and Infinity are words), since that is
 * what people's filters look for. A text that is itself a JSON object, list or text is kept as
 * that: older clients send inputs so.
 *
 * Limits, beyond which an export is refused as a whole: below. Any thread.
 */
#ifndef SKERRY_TRACK_SPANS_H
#define SKERRY_TRACK_SPANS_H

#include "base/buf.h"
#include "platform/track/experiments.h"

enum {
    SPANS_MAX = 20000,                        /* in an export */
    SPAN_ATTRIBUTES_MAX = 1000,               /* of a span, event, link or resource */
    SPAN_EVENTS_MAX = 1000,                   /* and links */
    SPAN_DEPTH_MAX = 32,                      /* of lists and maps in attributes */
    SPAN_CONTENT_BYTES_MAX = 8 * 1024 * 1024, /* of one span */
    SPANS_BYTES_MAX = 64 * 1024 * 1024,       /* of all contents of an export */
    SPAN_NAME_BYTES_MAX = 2000,               /* longer ones are cut */
    SPAN_PREVIEW_CHARACTERS_MAX = 1000,
    SPAN_TRACE_ID_BYTES = 36, /* "tr-", 32 hex digits, NUL */
    SPAN_ID_BYTES = 17,
};

struct span {
    char trace_id[SPAN_TRACE_ID_BYTES];
    char span_id[SPAN_ID_BYTES];
    char parent_id[SPAN_ID_BYTES]; /* "": a root */
    str name, type, content;
    const char *status;                     /* OK, ERROR, UNSET */
    int64_t start_ns, end_ns;               /* end 0: not over */
    str inputs, outputs;                    /* values of a root's, JSON; empty: none */
    uint32_t tags_from, tag_count;          /* of a root: mlflow.traceTag.*; in span_batch.tags */
    uint32_t resource_from, resource_count; /* what it runs in, in span_batch.tags */
};

struct span_batch {
    struct span *spans;
    size_t count;
    struct track_tag *tags;
    size_t tag_count;
    struct buf text; /* where contents lie */
};
void span_batch_deinit(struct span_batch *b);

/* Fills in a batch; spans and tags live in `keep`, contents in the batch, which is deinited by the
 * caller, also after an error. ERR_INVALID: no export, or broken; ERR_TOO_BIG names the limit. No
 * spans at all is OK. *ret_has_resources: false for an empty export. */
MUST_USE err span_batch_read_proto(str bytes, arena *keep, struct span_batch *ret_batch,
                                   bool *ret_has_resources);
MUST_USE err span_batch_read_json(str text, arena *keep, struct span_batch *ret_batch,
                                  bool *ret_has_resources);

/* Writes a span with its content as the JSON of protobuf: what MLflow's clients read. `content` is
 * one of ours. */
MUST_USE err span_write_proto_json(struct json_out *w, str trace_id, const struct span *s);

#endif
