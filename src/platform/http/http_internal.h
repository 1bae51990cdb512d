/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_internal.h -- what the files of this room share: server, connection, request, reply.
 *
 * A request belongs to one thread at a time: its event thread, or, while its connection is
 * suspended, one worker. The hand-over is libmicrohttpd's own lock (suspend, resume) and the
 * pool's. Fields below are therefore plain, but for those that the watch thread reads.
 */
#ifndef SKERRY_HTTP_INTERNAL_H
#define SKERRY_HTTP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <microhttpd.h>

#include "base/list.h"
#include "base/thread.h"
#include "platform/http/guard.h"
#include "platform/http/http.h"
#include "platform/http/rate.h"
#include "platform/http/router.h"

enum {
    HTTP_EVENT_THREADS = 2,
    HTTP_QUERY_MAX = 128,   /* query parameters; pages of MLflow name a hundred runs */
    HTTP_HEADERS_MAX = 128, /* of a request */
    HTTP_HEAD_BYTES_MAX = 16 * 1024,
    HTTP_REPLY_HEADERS_MAX = 24,
    HTTP_ID_BYTES = 64,
    HTTP_SCRATCH_BYTES = 2048,
    HTTP_KEEP_BYTES = 64 * 1024, /* a buffer that grew beyond is not kept for the next request */
    HTTP_REQUESTS_KEPT = 128,
    /* A refused body of at most this is read and thrown away, so that the connection can go on.
     * More would make clients wait that send nothing before they have heard a refusal. */
    HTTP_DISCARD_BYTES_MAX = 128 * 1024,
    HTTP_UPLOADS_AT_ONCE = 64,
};

/* ------------------------------------------------------------------ connections */

enum conn_phase {
    CONN_HEAD, /* waits for a request, or reads its head */
    CONN_BODY,
    CONN_BUSY, /* handler or reply: libmicrohttpd's idle timeout applies */
};

/* Lives as long as the connection. The watch thread reads it under the watch lock. */
struct http_conn {
    struct list_link link;
    int fd;
    bool is_loopback;
    char address[46];
    _Atomic int phase;              /* enum conn_phase */
    _Atomic int64_t phase_since_ms; /* monotonic */
    _Atomic int64_t body_bytes;     /* received of the current body */
    int64_t ended_phase_ms; /* watch thread: the phase in which the end of input was seen; -1 */
    bool lingers;           /* at close, what the client still sends is read for a moment */
};

/* ------------------------------------------------------------------ replies */

enum reply_kind { REPLY_BUFFER, REPLY_STATIC, REPLY_FILE, REPLY_STREAM };

struct reply_header {
    const char *name;
    const char *value;
};

struct http_reply {
    struct http_request *rq;
    enum reply_kind kind;
    int status;
    const char *content_type;
    struct reply_header headers[HTTP_REPLY_HEADERS_MAX];
    size_t header_count;
    struct buf body;
    struct json_out json;
    bool is_json;
    str bytes;            /* REPLY_STATIC */
    int fd;               /* REPLY_FILE; -1 when none */
    int64_t total_bytes;  /* of what a range is cut from */
    int64_t from, length; /* what is sent of it */
    const char *etag;
    bool has_modified;
    time_t modified;
    struct http_stream stream;
    bool has_stream, is_sse;
    int64_t stream_last_ns; /* last bytes sent */
    struct buf packed;      /* the compressed body, when there is one */
    bool is_packed;
};

/* ------------------------------------------------------------------ requests */

enum request_phase {
    PHASE_LINE,    /* the request line was read */
    PHASE_BODY,    /* the body is being read */
    PHASE_LATER,   /* what http_later waited for is there */
    PHASE_DISCARD, /* refused: the rest of the body is read and thrown away */
    PHASE_READY,   /* the reply is complete */
    PHASE_SENT,    /* the reply was handed to libmicrohttpd */
};

struct known_headers {
    str host, origin, content_type, accept_encoding, if_none_match, if_modified_since, range,
        if_range;
    str request_id, correlation_id;
    int64_t content_length; /* -1: not given */
    int host_count, length_count;
    size_t count;
    bool is_chunked, has_other_encoding, expects_continue, is_malformed;
};

struct http_upload_state;

struct http_request {
    struct http_request *next_free;
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct http_conn *conn;
    enum request_phase phase;
    bool was_begun;    /* the head was complete */
    bool is_suspended; /* event thread only */
    bool is_head, is_http10, is_star;
    bool origin_listed;
    int64_t started_ns;
    enum method method_id;
    str method;
    str target, raw_path, raw_query;
    const struct route *route;
    size_t query_count;
    struct known_headers known;
    char id[HTTP_ID_BYTES + 1];
    size_t id_len;
    str user;
    enum access granted;
    int64_t body_max;
    int64_t received;
    struct http_upload_state *upload;
    int status_override; /* for an err whose code has no status of its own: 415 */
    const char *code_override;
    int64_t retry_after_s;                                                /* of a 429 */
    err (*run_on_worker)(struct http_request *rq, struct http_reply *rp); /* else route->run */
    bool is_later;
    atomic_int later_awaited; /* the handler's return and http_later_done, in either order */
    err e;
    int64_t bytes_out;
    int status_sent;
    size_t scratch_used;
    /* Up to here a request starts as zeros; what follows keeps its memory, or is written before
     * read. */
    arena arena;
    struct buf body;
    struct http_reply reply;
    struct path path;
    struct route_match match;
    struct {
        str name, value;
    } query[HTTP_QUERY_MAX];
    char scratch[HTTP_SCRATCH_BYTES];
};

/* ------------------------------------------------------------------ server */

struct sleeper {
    struct http_request *rq;
    int64_t wake_ms;
};

struct lingerer {
    int fd;
    int64_t until_ms;
    int64_t bytes;
};

enum { LINGERERS_MAX = 64 };

struct http_server {
    struct http_options options;
    char *bind_address, *spool_folder;
    struct guard guard;
    struct rate_table rates;
    struct router *router;
    struct MHD_Daemon *daemon;
    struct pool *pool;
    int listen_fd;
    int port;
    uint64_t id_seed;
    _Atomic uint64_t id_serial;
    _Atomic uint64_t spool_serial;
    _Atomic uint64_t rejected;
    _Atomic int uploads;
    _Atomic int connections;
    _Atomic bool is_closing; /* new requests get 503 */

    pthread_mutex_t gate_lock;
    pthread_cond_t gate_changed;
    int active;    /* guarded by gate_lock: requests between head and end */
    int suspended; /* guarded by gate_lock: two for each, see gate_suspend */
    bool is_cut;   /* guarded by gate_lock: nothing may be suspended any more */

    pthread_mutex_t free_lock;
    struct http_request *free_requests; /* guarded by free_lock */
    int free_count;                     /* guarded by free_lock */

    pthread_t watch_thread;
    bool watch_runs;
    pthread_mutex_t watch_lock;
    pthread_cond_t watch_wake;
    bool watch_ends; /* guarded by watch_lock, as all below */
    bool no_sleep;
    int64_t watch_until_ms; /* when the thread wakes by itself; 0 while it is awake */
    struct list conns;
    struct sleeper *sleepers;
    size_t sleeper_count, sleeper_max;
    struct lingerer lingerers[LINGERERS_MAX];
    size_t lingerer_count;
};

/* request.c */
struct http_request *request_take(struct http_server *s, struct MHD_Connection *mhd,
                                  const char *target);
void request_give_back(struct http_request *rq);
void requests_free_all(struct http_server *s);
/* Scratch memory that lasts as long as the request: inline, or from its arena. NULL over the cap.
 */
char *request_scratch(struct http_request *rq, size_t bytes);
/* Reads the headers and the request line, checks who may ask, and finds the route. An error is the
 * reply. */
MUST_USE err request_begin(struct http_request *rq, const char *method, const char *version);
bool request_has_body(const struct http_request *rq);

/* dispatch.c: libmicrohttpd's callbacks */
void *dispatch_line(void *server, const char *target, struct MHD_Connection *mhd);
enum MHD_Result dispatch_call(void *server, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_bytes, void **context);
void dispatch_completed(void *server, struct MHD_Connection *mhd, void **context,
                        enum MHD_RequestTerminationCode how);

/* gate: suspending is allowed until the server is cut */
bool gate_suspend(struct http_request *rq);
/* At each entry on the event thread: true while the connection is still suspended. */
bool gate_is_suspended(struct http_request *rq);
void gate_leave_suspension(struct http_request *rq);
/* Any thread, once a suspension. The request may be gone when it returns. */
void gate_resume(struct http_request *rq);

/* upload.c */
MUST_USE err upload_new(struct http_request *rq, struct http_upload_state **ret_upload);
/* Removes files that were not taken, closes the sink. Accepts NULL. */
void upload_free(struct http_upload_state *up);
/* Copies what fits into the chunk; returns how many bytes. */
size_t upload_fill(struct http_upload_state *up, const char *data, size_t count);
bool upload_is_full(const struct http_upload_state *up);
/* Parses and writes the chunk: on a worker, or where the pool is full. */
MUST_USE err upload_write(struct http_upload_state *up, bool is_last);
/* Is there something on disk that upload_free removes? */
bool upload_has_files(const struct http_upload_state *up);

/* reply.c */
void reply_init(struct http_reply *rp, struct http_request *rq);
void reply_reset(struct http_reply *rp); /* forgets what was set: body, headers, stream, file */
void reply_error(struct http_reply *rp, const err *e);
const char *reply_header(const struct http_reply *rp, const char *name); /* NULL when not set */
/* The problem as a whole HTTP message, for replies in the middle of a request body. */
str reply_raw_problem(struct http_reply *rp, arena *keep);

/* send.c */
/* After the handler: conditions, ranges, compression. Where time may be spent. */
void reply_finish(struct http_reply *rp, const err *e);
/* Hands the reply to libmicrohttpd. */
enum MHD_Result reply_send(struct http_reply *rp);

/* compress.c */
enum packing { PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };
enum packing packing_choose(str accept_encoding);
const char *packing_name(enum packing packing);
bool packing_suits(const char *content_type);
MUST_USE err pack(enum packing packing, str bytes, bool is_quick, struct buf *out);

/* conditional.c */
bool etag_matches(str if_none_match, const char *etag);
struct byte_range {
    int64_t from, length;
};
enum range_result { RANGE_NONE, RANGE_ONE, RANGE_BEYOND };
enum range_result range_parse(str header, int64_t total, struct byte_range *ret_range);
bool range_is_current(str if_range, const char *etag, bool has_modified, time_t modified);
void http_date(time_t t, char out[32]);
bool http_date_parse(str text, time_t *ret_t);

/* stream.c */
struct MHD_Response *stream_response(struct http_reply *rp);

/* watch.c */
MUST_USE err watch_start(struct http_server *s);
void watch_stop(struct http_server *s);
void watch_sleep(struct http_request *rq,
                 int64_t wait_ms); /* resumes the suspended connection then */
/* for_good: nothing sleeps after this. */
void watch_wake_all(struct http_server *s, bool for_good);
void watch_connection(void *server, struct MHD_Connection *mhd, void **context,
                      enum MHD_ConnectionNotificationCode what);
void conn_enter(struct http_conn *conn, enum conn_phase phase);
int64_t mono_ms(void);

#endif
