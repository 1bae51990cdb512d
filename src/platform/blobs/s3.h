/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3.h -- what the files of the S3 backend share. Private to this room.
 *
 *     s3_sign, s3_xml     what goes over the wire
 *     s3_call             one request: signed, tried again, its error explained
 *     s3_put, s3_get, s3_list, s3_text, s3_cache   the functions of struct blob_backend
 *     s3                  settings, open, the table
 *
 * Keys are <prefix>/objects/ab/cdef..., the layout of the folder backend, so that either can be
 * copied into the other by any tool.
 */
#ifndef SKERRY_BLOBS_S3_H
#define SKERRY_BLOBS_S3_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/fs.h"
#include "platform/blobs/backend.h"
#include "platform/blobs/s3_sign.h"
#include "platform/blobs/s3_xml.h"
#include "platform/net/net.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"

enum {
    S3_HOST_BYTES = 300,
    S3_BUCKET_BYTES = 64,
    S3_PREFIX_BYTES = 256,
    S3_KEY_BYTES = S3_PREFIX_BYTES + 80,
    S3_REPLY_BYTES_MAX = 4 * 1024 * 1024, /* a page of 1000 keys is some 500 KiB */
    S3_PARTS_MAX = 10000,
    S3_PART_BYTES_MIN = 5 * 1024 * 1024,
};

/* X(op, name in metrics and logs) */
#define S3_OPS(X)                           \
    X(S3_PUT, "put")                        \
    X(S3_GET, "get")                        \
    X(S3_HEAD, "head")                      \
    X(S3_DELETE, "delete")                  \
    X(S3_LIST, "list")                      \
    X(S3_UPLOAD_BEGIN, "upload_begin")      \
    X(S3_UPLOAD_PART, "upload_part")        \
    X(S3_UPLOAD_PARTS, "upload_list_parts") \
    X(S3_UPLOAD_END, "upload_end")          \
    X(S3_UPLOAD_ABORT, "upload_abort")      \
    X(S3_UPLOADS, "list_uploads")           \
    X(S3_BUCKET, "create_bucket")

enum s3_op {
#define S3_OP_ENUM(op, name) op,
    S3_OPS(S3_OP_ENUM)
#undef S3_OP_ENUM
        S3_OP_COUNT
};

struct s3 {
    struct net *calls;
    struct net *reads; /* readers hold a connection for as long as their client likes: theirs are
                          apart, so that slow downloads never hold up a put */
    struct s3_credentials credentials;
    char access_key[160], secret_key[256], session_token[4096], region[64];
    char endpoint[S3_HOST_BYTES]; /* http://host:port */
    char host[S3_HOST_BYTES];     /* as it stands in the Host header */
    char bucket[S3_BUCKET_BYTES];
    char prefix[S3_PREFIX_BYTES]; /* "" or "a/b/" */

    int64_t part_bytes, retry_ms, grace_ms, orphan_ms;
    int parts_parallel;
    enum blobs_verify verify;
    atomic_bool has_read_back[2]; /* a blob in one piece, in parts */
    _Atomic int64_t taken_ns;     /* when the server last did what we asked */

    void *local; /* folder_open_cache: blobs being written, and the read cache */
    char uploads[FS_PATH_BYTES];
    int64_t cache_bytes_max;
    _Atomic int64_t cache_bytes;
    pthread_mutex_t evict_lock; /* one eviction at a time */

    struct log *log;         /* may be NULL */
    struct metrics *metrics; /* may be NULL */
};

/* ------------------------------------------------------------------ s3_call.c */

struct s3_call {
    enum s3_op op;
    const char *method;
    const char *key; /* below the bucket; "": the bucket itself */
    struct s3_pair params[S3_PARAMS_MAX];
    size_t param_count;
    const char *range; /* "bytes=..." or NULL */
    bool has_body;
    str body; /* unless body_is_file */
    bool body_is_file;
    int body_fd;
    int64_t body_offset, body_bytes;
    const char *payload_sha256; /* of a file; NULL: worked out from `body` */
    bool is_read;               /* goes through s->reads */
    bool no_retry;
};

struct s3_reply {
    char fault[64]; /* the code of an error, "" when there is none or it has no name */
    char etag[160];
    int64_t bytes;      /* Content-Length; -1: not stated */
    int64_t total;      /* of the whole object, from Content-Range, else bytes */
    int64_t changed_ms; /* Last-Modified; 0: not stated */
    int64_t server_ms;  /* the server's clock when it answered; ours when it does not say */
};

/* Sends and, where that can help, sends again until s->retry_ms have passed; the reply's body is
 * the caller's to read and end. ERR_NOT_FOUND for a missing key or upload; ERR_TIMEOUT and
 * ERR_UPSTREAM say what the operator should do. */
MUST_USE err s3_begin(struct s3 *s, const struct s3_call *call, struct net_call **ret_call,
                      struct s3_reply *ret_reply);
/* The same with the whole body, at most S3_REPLY_BYTES_MAX, in `body` (initialised here; to be
 * deinitialised by the caller in any case). */
MUST_USE err s3_send(struct s3 *s, const struct s3_call *call, struct buf *body,
                     struct s3_reply *ret_reply);

void s3_key(const struct s3 *s, const struct blob_id *id, char out[S3_KEY_BYTES]);
bool s3_is_transient(const err *e);
/* Sleeps before the try after `tries` failed ones: up to 5 s, by chance, so that many clients do
 * not come back at once. */
void s3_pause(int tries);
/* "Wed, 21 Oct 2015 07:28:00 GMT"; 0 when it is no such date. */
int64_t s3_http_date(str text);

/* ------------------------------------------------------------------ metrics, in s3.c */

enum s3_direction { S3_SENT, S3_RECEIVED };
enum s3_family {
    S3_FAMILY_REQUESTS,
    S3_FAMILY_RETRIES,
    S3_FAMILY_BYTES,
    S3_FAMILY_SECONDS,
    S3_FAMILY_CACHE_READS,
    S3_FAMILY_CACHE_BYTES,
    S3_FAMILY_PARTS_RESUMED,
};
const char *s3_op_name(enum s3_op op);
void s3_count(struct s3 *s, enum s3_family family, str a, str b, double amount);

/* ------------------------------------------------------------------ s3_put.c, s3_upload.c */

err s3_put_begin(void *engine, void **ret_put);
err s3_put_write(void *put, const void *bytes, size_t count);
err s3_put_commit(void *put, const struct blob_id *id);
void s3_put_abort(void *put);

MUST_USE err s3_digest_file(int fd, int64_t offset, int64_t bytes, char out[SHA256_HEX_BYTES]);
/* Puts a file in parts, or the rest of it when a process before us did not finish. */
MUST_USE err s3_upload(struct s3 *s, const struct blob_id *id, int fd, int64_t bytes);
MUST_USE err s3_upload_abort(struct s3 *s, const char *key, const char *upload_id);
/* The note of this machine about the unfinished upload of a blob. _open makes and locks it; false
 * when another process has it, or the disk refuses. The fd is the caller's. */
bool s3_upload_note_open(const struct s3 *s, const char *hex, int *ret_fd);
/* Reads it; false when it holds nothing sensible. */
bool s3_upload_note(int fd, char ret_upload_id[S3_ID_BYTES], int64_t *ret_part_bytes,
                    int64_t *ret_bytes);

/* ------------------------------------------------------------------ s3_get.c */

err s3_get_open(void *engine, const struct blob_id *id, int64_t offset, void **ret_get,
                int64_t *ret_bytes_total);
err s3_get_read(void *get, void *out, size_t count, size_t *ret_count);
void s3_get_close(void *get);
err s3_map(void *engine, const struct blob_id *id, struct blob_map *ret_map);
/* Reads the object from the server, past the cache; calls fn for its pieces; checks its digest. */
typedef err (*s3_piece_fn)(void *arg, const void *bytes, size_t count);
MUST_USE err s3_read_whole(struct s3 *s, const struct blob_id *id, s3_piece_fn fn, void *arg,
                           int64_t *ret_bytes);

/* ------------------------------------------------------------------ s3_cache.c */

MUST_USE err s3_cache_open(struct s3 *s, const char *local_folder);
void s3_cache_close(struct s3 *s);
bool s3_cache_fits(const struct s3 *s, int64_t bytes);
/* Makes a finished local put a cached copy, and makes room for it. Never fails: without room there
 * is no copy. Frees the put. */
void s3_cache_add(struct s3 *s, void *put, const struct blob_id *id, int64_t bytes);
bool s3_cache_forget(void *engine, const struct blob_id *id);

/* ------------------------------------------------------------------ s3_list.c */

err s3_stat(void *engine, const struct blob_id *id, int64_t *ret_bytes);
err s3_remove(void *engine, const struct blob_id *id, int64_t min_age_ms, bool *ret_is_gone);
err s3_each(void *engine, err (*fn)(void *arg, const struct blob_object *object), void *arg);
err s3_sweep(void *engine, int64_t min_age_ms, int64_t *ret_count, int64_t *ret_bytes);
err s3_url(void *engine, const struct blob_id *id, int64_t valid_s, struct buf *out);
/* Calls fn for each object of one page, from `token` on ("": the first). ret_server_ms, the
 * server's clock, is set before; it may be NULL. */
MUST_USE err s3_list_page(struct s3 *s, const char *prefix, const char *token, s3_entry_fn fn,
                          void *arg, struct s3_page *ret_page, int64_t *ret_server_ms);

/* ------------------------------------------------------------------ s3_text.c */

err s3_text_put(void *engine, const char *folder, const char *name, str text);
err s3_text_get(void *engine, const char *folder, const char *name, arena *keep, size_t bytes_max,
                str *ret_text);
err s3_text_remove(void *engine, const char *folder, const char *name);
err s3_text_each(void *engine, const char *folder, err (*fn)(void *arg, const char *name),
                 void *arg);
err s3_put_aside(void *engine, const struct blob_id *id);

#endif
