/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From what the handler said to what libmicrohttpd sends.
 *
 * reply_finish runs right behind the handler, on its thread: conditions, ranges, compression.
 * reply_send runs on the event thread and only builds the response. Bodies are not copied: they
 * stay in the request, which lives until libmicrohttpd reports it completed.
 */
#include "platform/http/http_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    PACK_BYTES_MIN = 1024,
    /* On an event thread more would make others wait: 64 KiB cost about half a millisecond. */
    PACK_BYTES_MAX_INLINE = 64 * 1024,
};

static str reply_bytes(const struct http_reply *rp)
{
    if (rp->is_packed)
        return buf_str(&rp->packed);
    if (rp->kind == REPLY_STATIC)
        return str_sub(rp->bytes, (size_t)rp->from, (size_t)rp->length);
    return buf_str(&rp->body);
}

static bool is_success_of_get(const struct http_reply *rp)
{
    return rp->status == 200 && rp->rq->method_id == METHOD_GET;
}

static bool is_unchanged(const struct http_reply *rp)
{
    const struct known_headers *known = &rp->rq->known;
    if (!is_success_of_get(rp))
        return false;
    if (known->if_none_match.len)
        return rp->etag && etag_matches(known->if_none_match, rp->etag);
    time_t since;
    return rp->has_modified && known->if_modified_since.len &&
           http_date_parse(known->if_modified_since, &since) && rp->modified <= since;
}

/* Forgets the body, and keeps the headers that a 304 or 416 should carry. */
static void drop_body(struct http_reply *rp, int status)
{
    struct http_reply old = *rp;
    const char *etag = rp->etag;
    rp->header_count = 0;
    reply_reset(rp);
    for (size_t i = 0; i < old.header_count; i++)
        rp->headers[i] = old.headers[i];
    rp->header_count = old.header_count;
    rp->etag = etag;
    rp->has_modified = old.has_modified;
    rp->modified = old.modified;
    rp->status = status;
}

/* For bodies that ranges are possible of. */
static void apply_range(struct http_reply *rp)
{
    const struct known_headers *known = &rp->rq->known;
    rp->from = 0;
    rp->length = rp->total_bytes;
    http_set_header(rp, "Accept-Ranges", STR("bytes"));
    if (!is_success_of_get(rp) || known->range.len == 0 ||
        !range_is_current(known->if_range, rp->etag, rp->has_modified, rp->modified))
        return;
    struct byte_range range;
    char text[80];
    switch (range_parse(known->range, rp->total_bytes, &range)) {
    case RANGE_NONE:
        return;
    case RANGE_BEYOND:
        snprintf(text, sizeof text, "bytes */%lld", (long long)rp->total_bytes);
        http_problem(rp, 416, "range_not_satisfiable", "the range is beyond the end of %s bytes",
                     text + 8);
        http_set_header(rp, "Content-Range", str_of(text));
        return;
    case RANGE_ONE:
        rp->from = range.from;
        rp->length = range.length;
        rp->status = 206;
        snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)range.from,
                 (long long)(range.from + range.length - 1), (long long)rp->total_bytes);
        http_set_header(rp, "Content-Range", str_of(text));
        return;
    }
}

/* A range of a stream begins where its owner can move to. */
static void seek_stream(struct http_reply *rp)
{
    if (rp->kind != REPLY_STREAM || !rp->stream.seek || rp->from == 0)
        return;
    struct http_request *rq = rp->rq;
    rq->e = rp->stream.seek(rp->stream.arg, rp->from);
    if (rq->e.code)
        reply_error(rp, &rq->e);
}

/* A compressed body is not the same bytes: its tag may only compare weakly. */
static void weaken_etag(struct http_reply *rp)
{
    if (!rp->etag || !strncmp(rp->etag, "W/", 2))
        return;
    size_t len = strlen(rp->etag);
    char *weak = request_scratch(rp->rq, len + 3);
    if (!weak)
        return;
    memcpy(weak, "W/", 2);
    memcpy(weak + 2, rp->etag, len + 1);
    rp->etag = weak;
}

static void apply_packing(struct http_reply *rp)
{
    const struct http_request *rq = rp->rq;
    bool is_possible = (rp->kind == REPLY_BUFFER || rp->kind == REPLY_STATIC) &&
                       rp->status != 206 && packing_suits(rp->content_type) &&
                       !reply_header(rp, "Content-Encoding");
    if (!is_possible)
        return;
    str bytes = rp->kind == REPLY_STATIC ? rp->bytes : buf_str(&rp->body);
    if (bytes.len <= PACK_BYTES_MIN)
        return;
    http_set_header(rp, "Vary",
                    rq->origin_listed ? STR("Accept-Encoding, Origin") : STR("Accept-Encoding"));
    bool is_inline = rq->route && rq->route->is_inline;
    if (rq->known.accept_encoding.len == 0 || (is_inline && bytes.len > PACK_BYTES_MAX_INLINE))
        return;
    enum packing packing = packing_choose(rq->known.accept_encoding);
    if (packing == PACKING_NONE)
        return;
    err e = pack(packing, bytes, is_inline, &rp->packed);
    if (e.code || rp->packed.len >= bytes.len) {
        buf_clear(&rp->packed); /* the plain body is a right answer as well */
        return;
    }
    rp->is_packed = true;
    http_set_header(rp, "Content-Encoding", str_of(packing_name(packing)));
    weaken_etag(rp);
}

/* What a handler left behind that cannot be sent becomes an error of ours. */
static err reply_check(struct http_reply *rp)
{
    if (rp->rq->arena.failed)
        return arena_check(&rp->rq->arena);
    if (rp->body.failed && rp->body.is_out_of_memory)
        return buf_check(&rp->body);
    if (rp->body.failed)
        return ERR(ERR_INTERNAL, "the reply would be longer than %zu bytes: ask for less at a time",
                   rp->body.bytes_max);
    if (rp->is_json)
        assert(rp->json.depth == 0);
    return OK;
}

void reply_finish(struct http_reply *rp, const err *e)
{
    struct http_request *rq = rp->rq;
    rq->e = e->code ? *e : reply_check(rp);
    if (rq->e.code) {
        rq->arena.failed = false; /* reported now; the problem below needs a little memory */
        reply_error(rp, &rq->e);
    }
    const char *tag = reply_header(rp, "ETag");
    if (tag && !rp->etag)
        rp->etag = tag;
    if (is_unchanged(rp))
        drop_body(rp, 304);
    else if (rp->kind != REPLY_BUFFER && !(rp->kind == REPLY_STREAM && !rp->stream.seek))
        apply_range(rp);
    seek_stream(rp);
    apply_packing(rp);
}

/* ------------------------------------------------------------------ sending */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value && value[0])
        MHD_add_response_header(response, name, value);
}

/* Sites that the settings list may read replies; nobody else is told anything. */
static void add_cors(struct MHD_Response *response, const struct http_request *rq)
{
    if (!rq->origin_listed)
        return;
    char *origin = arena_cstr((arena *)(uintptr_t)&rq->arena, rq->known.origin);
    add_header(response, "Access-Control-Allow-Origin", origin);
    add_header(response, "Access-Control-Expose-Headers",
               "X-Request-Id, Location, Retry-After, ETag");
    if (!reply_header(&rq->reply, "Vary"))
        add_header(response, "Vary", "Origin");
    if (rq->method_id != METHOD_COUNT)
        return;
    add_header(response, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    add_header(
        response, "Access-Control-Allow-Headers",
        "Authorization, Content-Type, X-Api-Key, X-Request-Id, X-Correlation-Id, Last-Event-Id");
    add_header(response, "Access-Control-Max-Age", "600");
}

static void add_headers(struct MHD_Response *response, const struct http_reply *rp)
{
    const struct http_request *rq = rp->rq;
    add_header(response, "Content-Type", rp->content_type);
    add_header(response, "X-Request-Id", rq->id);
    add_header(response, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < rp->header_count; i++)
        if (!(rp->etag && !strcasecmp(rp->headers[i].name, "ETag")))
            add_header(response, rp->headers[i].name, rp->headers[i].value);
    add_header(response, "ETag", rp->etag);
    if (rp->has_modified) {
        char date[32];
        http_date(rp->modified, date);
        add_header(response, "Last-Modified", date);
    }
    add_cors(response, rq);
}

static struct MHD_Response *response_of(struct http_reply *rp)
{
    struct http_request *rq = rp->rq;
    struct MHD_Response *response = NULL;
    switch (rp->kind) {
    case REPLY_BUFFER:
    case REPLY_STATIC: {
        str bytes = reply_bytes(rp);
        rq->bytes_out = (int64_t)bytes.len;
        return MHD_create_response_from_buffer(bytes.len, (void *)(uintptr_t)bytes.ptr,
                                               MHD_RESPMEM_PERSISTENT);
    }
    case REPLY_FILE:
        rq->bytes_out = rp->length;
        response = MHD_create_response_from_fd_at_offset64((uint64_t)rp->length, rp->fd,
                                                           (uint64_t)rp->from);
        if (response)
            rp->fd = -1; /* libmicrohttpd closes it */
        return response;
    case REPLY_STREAM:
        return stream_response(rp);
    }
    return NULL;
}

enum MHD_Result reply_send(struct http_reply *rp)
{
    struct http_request *rq = rp->rq;
    struct MHD_Response *response = response_of(rp);
    if (!response)
        return MHD_NO; /* out of memory: the connection is closed */
    add_headers(response, rp);
    if (atomic_load_explicit(&rq->server->is_closing, memory_order_relaxed))
        MHD_add_response_header(response, "Connection", "close");
    rq->status_sent = rp->status;
    if (rq->is_head)
        rq->bytes_out = 0;
    rq->phase = PHASE_SENT;
    conn_enter(rq->conn, CONN_BUSY);
    enum MHD_Result result = MHD_queue_response(rq->mhd, (unsigned)rp->status, response);
    MHD_destroy_response(response);
    return result;
}
