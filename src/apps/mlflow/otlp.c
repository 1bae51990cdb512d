/* SPDX-License-Identifier: GPL-3.0-or-later */
/* otlp.c -- POST /v1/traces: spans as OpenTelemetry programs export them, protobuf or JSON, packed
 * or not. What is wrong with an export is said once with 400 and a "detail", and never tried again.
 */
#include <stdio.h>
#include <zlib.h>

#include "apps/mlflow/traces.h"

enum {
    UNPACKED_BYTES_MAX = 32 * 1024 * 1024,
    STEP_BYTES = 256 * 1024,
    SHOWN_BYTES = 100,
    WINDOW_ANY = 15 + 32, /* gzip's frame, or zlib's */
    WINDOW_RAW = -15,
    BATCH_MEMORY_BYTES = 64 * 1024 * 1024,
};

/* As FastAPI says it, which clients print. */
static err refuse(struct http_reply *rp, int status, str detail)
{
    http_status(rp, status);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "detail", detail);
    json_object_end(w);
    return OK;
}

static err refuse_header(struct http_reply *rp)
{
    http_status(rp, 422);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "detail");
    json_array_begin(w);
    json_object_begin(w);
    json_kv_cstr(w, "type", "missing");
    json_key(w, "loc");
    json_array_begin(w);
    json_out_cstr(w, "header");
    json_out_cstr(w, "x-mlflow-experiment-id");
    json_array_end(w);
    json_kv_cstr(w, "msg", "Field required");
    json_kv_cstr(w, "input", NULL);
    json_object_end(w);
    json_array_end(w);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ the body */

static err unpack_with(str packed, int window, struct buf *out)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)packed.ptr, .avail_in = (uInt)packed.len };
    int code = Z_OK;
    if (inflateInit2(&z, window) != Z_OK)
        return ERR(ERR_NO_MEMORY, "unpacking a request: no memory for zlib");
    while (code == Z_OK) {
        char *room = buf_reserve(out, STEP_BYTES);
        if (!room)
            break;
        z.next_out = (Bytef *)room;
        z.avail_out = STEP_BYTES;
        code = inflate(&z, Z_NO_FLUSH);
        out->len += STEP_BYTES - z.avail_out;
        if (code == Z_BUF_ERROR || (code == Z_OK && z.avail_out == STEP_BYTES))
            break; /* it ends in the middle */
    }
    inflateEnd(&z);
    TRY(buf_check(out));
    return code == Z_STREAM_END ? OK : ERR(ERR_INVALID, "it is damaged, or ends in the middle");
}

/* The body as it was before it was packed; refusals are written, and *ret_is_refused. */
static err body_of(struct http_request *rq, struct http_reply *rp, struct buf *unpacked,
                   str *ret_body, bool *ret_is_refused)
{
    char text[SHOWN_BYTES + 64];
    str encoding = http_header(rq, "Content-Encoding");
    bool is_gzip = str_eq_nocase(encoding, STR("gzip"));
    bool is_deflate = str_eq_nocase(encoding, STR("deflate"));
    *ret_body = http_body(rq);
    if (encoding.len == 0 || str_eq_nocase(encoding, STR("identity")))
        return OK;
    if (!is_gzip && !is_deflate) {
        *ret_is_refused = true;
        snprintf(text, sizeof text, "Unsupported Content-Encoding: %.*s",
                 STR_ARG(str_sub(encoding, 0, SHOWN_BYTES)));
        return refuse(rp, 400, str_of(text));
    }
    err e = unpack_with(*ret_body, WINDOW_ANY, unpacked);
    if (e.code == ERR_INVALID && is_deflate) { /* some send it without a frame */
        buf_clear(unpacked);
        e = unpack_with(*ret_body, WINDOW_RAW, unpacked);
    }
    if (e.code == ERR_TOO_BIG || e.code == ERR_INVALID) {
        *ret_is_refused = true;
        snprintf(text, sizeof text, "Failed to decompress %s payload%s",
                 is_gzip ? "gzip" : "deflate",
                 e.code == ERR_TOO_BIG ? ": it has more than 32 MiB" : "");
        return refuse(rp, 400, str_of(text));
    }
    *ret_body = buf_str(unpacked);
    return e;
}

/* ------------------------------------------------------------------ the spans */

static err store_spans(struct http_request *rq, struct http_reply *rp,
                       const struct span_batch *batch)
{
    int64_t experiment_id = -1;
    str header = http_header(rq, "x-mlflow-experiment-id");
    if (str_to_i64(header, &experiment_id).code || experiment_id < 0)
        return wire_refuse(rp, 400, "INVALID_PARAMETER_VALUE",
                           "Invalid experiment ID '%.*s'. Experiment ID must be a valid integer.",
                           STR_ARG(str_sub(header, 0, SHOWN_BYTES)));
    err e = trace_log_spans(house_track(rq_house(rq)), experiment_id,
                            http_header(rq, "x-mlflow-run-id"), batch);
    if (e.code == ERR_NOT_FOUND)
        return wire_refuse(rp, 404, "RESOURCE_DOES_NOT_EXIST", "%s", e.msg);
    if (e.code == ERR_INVALID)
        return wire_refuse(rp, 400, "INVALID_PARAMETER_VALUE", "%s", e.msg);
    if (e.code)
        return e;
    http_text(rp, "application/x-protobuf"); /* an empty ExportTraceServiceResponse */
    return OK;
}

static err spans_take(struct http_request *rq, struct http_reply *rp, str body, bool is_json,
                      arena *memory)
{
    struct span_batch batch = { 0 };
    bool has_resources = false;
    err e = is_json ? span_batch_read_json(body, memory, &batch, &has_resources)
                    : span_batch_read_proto(body, memory, &batch, &has_resources);
    if (e.code == ERR_INVALID)
        e = refuse(rp, 400, STR("Invalid OpenTelemetry format"));
    else if (e.code == ERR_TOO_BIG)
        e = refuse(rp, 400, str_of(e.msg));
    else if (!e.code && !has_resources)
        e = refuse(rp, 400, STR("Invalid OpenTelemetry format - no spans found"));
    else if (!e.code)
        e = store_spans(rq, rp, &batch);
    span_batch_deinit(&batch);
    return e;
}

err mlflow_otlp_traces(struct http_request *rq, struct http_reply *rp)
{
    char text[SHOWN_BYTES + 100];
    struct buf unpacked;
    arena memory;
    str body, type = http_header(rq, "Content-Type"), rest = type;
    str media = str_trim(str_split(&rest, ';'));
    bool is_json = str_eq_nocase(media, STR("application/json")), is_refused = false;
    if (http_header(rq, "x-mlflow-experiment-id").len == 0)
        return refuse_header(rp);
    if (!is_json && !str_eq_nocase(media, STR("application/x-protobuf"))) {
        snprintf(text, sizeof text,
                 "Invalid Content-Type: %.*s. Expected: application/x-protobuf or application/json",
                 STR_ARG(str_sub(type, 0, SHOWN_BYTES)));
        return refuse(rp, 400, str_of(text));
    }
    buf_init(&unpacked, UNPACKED_BYTES_MAX);
    arena_init(&memory, BATCH_MEMORY_BYTES);
    err e = body_of(rq, rp, &unpacked, &body, &is_refused);
    if (!e.code && !is_refused) /* exporters do not try again what is refused so */
        e = house_room_need(rq_house(rq), (int64_t)body.len);
    if (!e.code && !is_refused)
        e = spans_take(rq, rp, body, is_json, &memory);
    arena_deinit(&memory);
    buf_deinit(&unpacked);
    return e;
}
