/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http.h -- an HTTP/1.1 server on libmicrohttpd, driven by a table of routes.
 *
 * A handler gets a parsed request and fills in a reply; it never touches a socket and returns an
 * err, which the dispatcher turns into application/problem+json (or the route's own error shape).
 * What a route needs (access, rate, body size, upload) is stated in its row and enforced once,
 * before the handler.
 *
 * Threads: two event threads. A route with .is_inline runs right there and must not block (no store
 * writes, no disk); every other request is suspended and handed to a pool of workers with a bounded
 * queue (full: 503 with Retry-After). Each request has an arena, capped, reset at its end.
 *
 * Paths are routed raw: percent-decoding happens per segment after splitting, "%00", "..", and
 * backslashes are refused. Requests whose Host is not ours, or whose Origin is foreign, are refused
 * with 403 (a web page must not reach a loopback server).
 */
#ifndef SKERRY_HTTP_H
#define SKERRY_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct http_server;
struct http_request;
struct http_reply;

/* ------------------------------------------------------------------ routes */

enum access {
    ACCESS_UNSET,   /* refused at start: every row must choose */
    ACCESS_PUBLIC,  /* anybody who can reach the port */
    ACCESS_VIEWER,  /* reads */
    ACCESS_ANALYST, /* imports, trains, plays */
    ACCESS_ADMIN,   /* promotes, deletes, configures */
};

enum { HTTP_BODY_DEFAULT = 64 * 1024, HTTP_PARAMS_MAX = 8 };

/* Where the body of an upload goes as it arrives, instead of into a spooled file: the bytes as they
 * are, whatever their Content-Type. Called by workers, one at a time; slow is fine, the client
 * waits. */
struct http_sink {
    /* Before the first byte, and also for a chunked body without any. An error refuses the body. */
    err (*open)(struct http_request *rq, void **ret_sink);
    err (*write)(void *sink, str bytes);
    /* Once for each that was opened, after the handler, or when the client left before it: the
     * request may be gone. */
    void (*close)(void *sink);
};

struct route {
    const char *method;  /* GET POST PUT PATCH DELETE; NULL ends a table */
    const char *path;    /* "/v1/games/{id}"; a last segment "{rest...}" takes everything */
    const char *summary; /* one sentence, for OpenAPI and the permission page */
    enum access access;
    err (*run)(struct http_request *rq, struct http_reply *rp);

    bool is_inline; /* cheap and never blocks: runs on the event thread */
    bool is_upload; /* body or multipart parts are spooled to files, see http_request_upload */
    const struct http_sink *sink; /* of an upload: takes the raw body, of any type */
    bool takes_any_type;          /* the handler looks at the content type; else a body is JSON */
    int64_t body_max;    /* 0 means HTTP_BODY_DEFAULT; uploads: 0 means the setting upload_max */
    int per_minute;      /* requests one client may make; beyond: 429. 0: any number */
    const char *alias;   /* a second path with the same handler, e.g. a seed's literal path */
    const char *query;   /* documented query parameters: "limit:int offset:int q:string" */
    const char *body;    /* documented JSON body: JSON Schema text of the properties, or NULL */
    const char *reply;   /* documented JSON reply: JSON Schema text, or NULL */
    int reply_status;    /* documented success status; 0 means 200 */
    const char *errors;  /* media type of errors that the handler itself writes; may be NULL */
    const char *example; /* example for the gate: query string, or JSON body. See docs/gate.md */
    const char *metric;  /* metric family that a call of this route moves, beside the HTTP ones */
    const char *event;   /* log event that a call emits, beside "http.request" */
};

/* ------------------------------------------------------------------ server */

struct http_hooks {
    void *ctx; /* given to handlers by http_ctx() */
    /* Fills in who is asking (http_request_set_user) or fails with ERR_UNAUTHENTICATED or
     * ERR_DENIED. Called before the body is read, on the event thread: must not block. */
    err (*authorise)(void *ctx, struct http_request *rq, enum access needed);
    /* Is there room for so many bytes of an upload? Asked before its body is read, and again for
     * each chunk when the client did not say its length. Must not block. What was granted is given
     * back by `released`, once, on any thread: by then it is stored, or it is not. Both NULL: there
     * is room. */
    err (*admit)(void *ctx, int64_t bytes);
    void (*released)(void *ctx, int64_t bytes);
    /* After the reply was sent (or the client left). Any thread. For metrics and logs. */
    void (*finished)(void *ctx, const struct http_request *rq, int status, int64_t duration_ns,
                     int64_t bytes_out, const err *e);
};

/* How the paths under a prefix say what went wrong, where that is not application/problem+json. */
struct http_error_shape {
    const char *prefix; /* "/api/2.0/"; NULL ends a table */
    /* Writes the body, and may change the status. `code` is the stable short name. */
    void (*write)(struct http_reply *rp, int status, const char *code, str detail);
    const char *schema; /* of that body, which is application/json: JSON Schema text */
};

struct http_options {
    const char *bind_address;       /* "127.0.0.1" */
    int port;                       /* 0: any free one */
    int workers;                    /* 0 means 8 */
    size_t queue_max;               /* waiting requests; 0 means 256 */
    int connections_max;            /* 0 means 1024 */
    int64_t arena_bytes_max;        /* per request; 0 means 16 MiB */
    int64_t upload_bytes_max;       /* 0 means 16 GiB */
    int rate_percent;               /* of each route's per_minute that is allowed; 0: no limits */
    int timeout_s;                  /* idle connection; 0 means 60 */
    const char *spool_folder;       /* for uploads */
    const char *const *hosts_extra; /* Host names accepted besides loopback ones; NULL-ended */
    const char *const *origins;     /* Origins accepted besides our own; NULL-ended */
    const struct http_error_shape *error_shapes; /* live as long as the server; or NULL */
    struct http_hooks hooks;
};

/* Route tables live as long as the server. ERR_CONFLICT, with a sentence that names the port and
 * what to do, when the port is taken. Routes are checked: duplicates and unset access are refused.
 */
MUST_USE err http_open(const struct http_options *options, const struct route *const *tables,
                       size_t table_count, struct http_server **ret_server);
int http_port(const struct http_server *s);
/* Stops accepting; lets running requests finish for at most drain_ms, then tells those that wait
 * and cuts streams; closes. A handler that still runs is waited for: it should poll for the end of
 * what it does, as jobs do. Accepts NULL. */
void http_close(struct http_server *s, int64_t drain_ms);

struct http_stats {
    int connections;
    size_t queued;
    uint64_t rejected; /* 503 for a full queue */
};
void http_stats(struct http_server *s, struct http_stats *ret_stats);

/* ------------------------------------------------------------------ request */

void *http_ctx(const struct http_request *rq);
arena *http_arena(struct http_request *rq);                    /* lives until the reply is sent */
const struct route *http_route(const struct http_request *rq); /* NULL for unknown paths */
str http_method(const struct http_request *rq);
str http_raw_path(const struct http_request *rq);
str http_param(const struct http_request *rq, const char *name); /* path parameter, decoded */
str http_query(const struct http_request *rq, const char *name); /* decoded; empty when absent */
size_t http_query_all(const struct http_request *rq, const char *name, str *out, size_t out_max);
str http_header(const struct http_request *rq, const char *name); /* empty when absent */
/* X-Request-Id or X-Correlation-Id if sane, else made. */
str http_request_id(const struct http_request *rq);
/* What the client thinks of a content coding: 0 (not wanted) to 1000. */
int http_accepts_encoding(const struct http_request *rq, const char *coding);
str http_client_address(const struct http_request *rq);
bool http_client_is_loopback(const struct http_request *rq);
str http_user(const struct http_request *rq); /* who the authorise hook found */
void http_request_set_user(struct http_request *rq, str user, enum access granted); /* copied */
enum access http_granted(const struct http_request *rq);

/* ERR_INVALID names the parameter. */
MUST_USE err http_query_int(const struct http_request *rq, const char *name, int64_t min,
                            int64_t max, int64_t *value); /* keeps *value when absent */

str http_body(const struct http_request *rq); /* whole body, at most body_max */
MUST_USE err http_body_json(struct http_request *rq, const struct json **ret_root); /* an object */

struct http_upload {
    str field;        /* form field name; empty for a raw body */
    str filename;     /* as the client said; never used as a path. Empty for plain fields */
    const char *path; /* spooled file, deleted at the end of the request unless taken */
    str value;        /* plain form fields (at most 64 KiB) */
    int64_t bytes;
};
/* The multipart part of that field name, or for "" or "file" a raw body. NULL when absent. */
const struct http_upload *http_upload(const struct http_request *rq, const char *field);
/* All parts in their order: plain fields too, and fields of the same name. NULL beyond the last. */
size_t http_upload_count(const struct http_request *rq);
const struct http_upload *http_upload_at(const struct http_request *rq, size_t index);
/* What the route's sink opened, with the whole body written. NULL when the request has no body. */
void *http_sunk(const struct http_request *rq);
/* Moves the spooled file to `path` (same file system: rename). */
MUST_USE err http_upload_take(const struct http_upload *upload, const char *path);

/* ------------------------------------------------------------------ reply: one body a request */

void http_status(struct http_reply *rp, int status); /* default 200 */
/* Copied. `name` is a literal. Line breaks in the value are our mistake: asserts. */
void http_set_header(struct http_reply *rp, const char *name, str value);

/* A JSON writer onto the reply body; ends with the handler's return. */
struct json_out *http_json(struct http_reply *rp);
/* The raw body buffer, for other types. */
struct buf *http_text(struct http_reply *rp, const char *content_type);
/* Static bytes (live as long as the server), with ETag handling. */
void http_static(struct http_reply *rp, const char *content_type, str bytes, const char *etag);
/* A file, with ranges, sent with sendfile. download_name may be NULL. */
MUST_USE err http_file(struct http_reply *rp, const char *content_type, const char *path,
                       const char *download_name);
void http_redirect(struct http_reply *rp, int status, const char *location);
/* Content-Disposition: browsers save the body under this name instead of showing it. */
void http_attachment(struct http_reply *rp, str name);

/* For handlers that wait for something that calls back, like store_write_later: no thread waits.
 * After OK the handler returns OK soon, touches neither request nor reply any more, and
 * http_later_done is called once, by any thread, also before the handler's return. The reply may be
 * written before; when `result` is an error, that is the reply instead. With an error, go on
 * without. ERR_BUSY: the server is shutting down. */
MUST_USE err http_later(struct http_request *rq);
void http_later_done(struct http_request *rq, err result);

/* From a handler of an inline route: `run` goes on with the request on a worker, where it may
 * block. The handler returns OK; what it wrote so far stays. */
void http_on_worker(struct http_request *rq,
                    err (*run)(struct http_request *rq, struct http_reply *rp));

/* A stream whose length is not known: `pull` fills up to `max` bytes and returns how many; 0 means
 * nothing now: it is asked again after wait_ms (the connection sleeps meanwhile); -1 ends the
 * stream. `done` is called once, also when the client leaves. Pull must not block longer than a
 * disk read. */
struct http_stream {
    ptrdiff_t (*pull)(void *arg, char *out, size_t max);
    void (*done)(void *arg);
    void *arg;
    int wait_ms; /* 0 means 250 */
    /* Where the length is known: `bytes` and `seek`, which is called at most once, before any pull,
     * and moves to a byte. The reply then has a length, and clients may ask for ranges. Pull may be
     * given up before the end, and -1 before it tells the client that the transfer failed. */
    err (*seek)(void *arg, int64_t offset);
    int64_t bytes;
};
void http_stream(struct http_reply *rp, const char *content_type, struct http_stream stream);
/* Server-sent events: same, with content type, no-cache and a comment every 15 s as heartbeat. Each
 * pulled piece must be whole "event: ...\ndata: ...\n\n" blocks. */
void http_sse(struct http_reply *rp, struct http_stream stream);

/* Problem with extra members: handlers normally just return an err. `code` is the stable short
 * name. */
void http_problem(struct http_reply *rp, int status, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
