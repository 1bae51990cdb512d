/* SPDX-License-Identifier: GPL-3.0-or-later */
/* blobs.h -- content-addressed objects: a blob's name is the SHA-256 of its bytes.
 *
 * A blob is written to a temporary name, synced, renamed, and its folder synced: once put returns,
 * it is there whole or the disk is broken. Putting the same bytes twice keeps one copy. Bytes are
 * checked against the name when read. Which blobs are alive is known by their owners (tracking,
 * apps): garbage collection asks them all and removes the rest. A put pins its blob until the
 * owner has written its reference (blob_unpin), so that collection never takes a blob whose row is
 * on its way.
 *
 * A folder is the embedded backend ("file:/path"); "s3://bucket/prefix" keeps them in any store
 * that speaks S3. Who uses blobs does not notice.
 */
#ifndef SKERRY_BLOBS_H
#define SKERRY_BLOBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"
#include "platform/observe/metrics.h"

struct blobs;

struct blob_id {
    char hex[SHA256_HEX_BYTES]; /* lower case, terminated */
};

struct blob_info {
    struct blob_id id;
    int64_t bytes;
};

/* ERR_INVALID unless `text` is 64 hex digits (a "sha256:" before them is accepted). */
MUST_USE err blob_id_parse(str text, struct blob_id *ret_id);

/* How long a put of the S3 backend looks at what it wrote. */
enum blobs_verify {
    BLOBS_VERIFY_FIRST, /* reads back the first of each kind (one piece, many parts) a process puts,
                           which finds a server or proxy that keeps other bytes than it was sent */
    BLOBS_VERIFY_ALL,   /* reads back each */
    BLOBS_VERIFY_SIZE,  /* asks for the size of those in many parts; trusts the signed digests */
};

/* Where and how, for "s3://bucket/prefix". Strings may be NULL or "" for the default; copied. */
struct blobs_s3 {
    const char *endpoint; /* "https://host:port"; default: AWS in the region. http:// only to this
                             machine and private networks */
    const char *region;   /* default us-east-1 */
    const char *access_key, *secret_key; /* required */
    const char *session_token;
    const char *ca_file; /* trusted instead of the system's certificates */
    const char
        *local_folder;   /* required: blobs being written, the read cache, unfinished uploads */
    int64_t cache_bytes; /* local copies kept for reading; 0: none */
    int64_t part_bytes;  /* larger blobs go in parts of so many; 0: 16 MiB; 5 MiB at least */
    int parts_parallel;  /* 0: 4 */
    int64_t retry_ms;    /* how long a failing request is tried again; 0: 60 s */
    int64_t stall_ms;    /* a connection on which nothing moves is given up; 0: 30 s */
    int64_t grace_ms;    /* younger blobs are never collected, whoever asks */
    int64_t orphan_ms;   /* unfinished uploads older than this are aborted by a collection */
    enum blobs_verify verify;
    bool create_bucket; /* when it is not there */
};

struct log;

struct blobs_options {
    const char *url;
    const struct blobs_s3 *s3; /* for s3:// */
    struct log *log;           /* may be NULL */
    struct metrics *metrics;   /* may be NULL; blobs_metrics must be registered */
    int64_t usage_kept_ms;     /* blobs_usage answers from memory for so long */
};

extern const struct metric_family blobs_metrics[];

/* Creates the folder. Of S3, it asks at once whether the bucket can be used: a wrong key, region,
 * clock or bucket is an error here that says what to do. */
MUST_USE err blobs_open_with(const struct blobs_options *options, struct blobs **ret_blobs);
MUST_USE err blobs_open(const char *url, struct blobs **ret_blobs); /* with the URL alone */
void blobs_close(struct blobs *b);

/* ------------------------------------------------------------------ put */

MUST_USE err blob_put(struct blobs *b, str bytes, struct blob_info *ret_info);
/* Copies. */
MUST_USE err blob_put_file(struct blobs *b, const char *path, struct blob_info *ret_info);

/* Streaming. One thread at a time. _commit and _abort both free the writer; _abort accepts NULL. */
struct blob_writer;
MUST_USE err blob_writer_open(struct blobs *b, struct blob_writer **ret_writer);
MUST_USE err blob_write(struct blob_writer *w, const void *bytes, size_t count);
MUST_USE err blob_writer_commit(struct blob_writer *w, struct blob_info *ret_info);
void blob_writer_abort(struct blob_writer *w);

/* Pins a blob that is stored already, before a further reference to it is written.
 * ERR_NOT_FOUND. */
MUST_USE err blob_pin(struct blobs *b, const struct blob_id *id);

/* The reference to this blob is stored (or given up): collection may consider it. One unpin for
 * each put or pin; one too many does nothing. */
void blob_unpin(struct blobs *b, const struct blob_id *id);

/* ------------------------------------------------------------------ get */

/* Whole blob, digest verified. ERR_NOT_FOUND, ERR_TOO_BIG above bytes_max, ERR_CORRUPT. */
MUST_USE err blob_get(struct blobs *b, const struct blob_id *id, arena *keep, size_t bytes_max,
                      str *ret_bytes);

/* Maps a blob read-only, digest verified on the first map of each blob by this process. */
struct blob_map {
    const unsigned char *bytes;
    size_t count;
};
MUST_USE err blob_map(struct blobs *b, const struct blob_id *id, struct blob_map *ret_map);
void blob_unmap(struct blob_map *m); /* accepts all zero */

/* Streaming read from `offset`. A read that covers the whole blob from 0 verifies the digest at the
 * end: the last blob_read then fails with ERR_CORRUPT. *ret_count 0 means the end. */
struct blob_reader;
MUST_USE err blob_reader_open(struct blobs *b, const struct blob_id *id, int64_t offset,
                              struct blob_reader **ret_reader, int64_t *ret_bytes_total);
MUST_USE err blob_read(struct blob_reader *r, void *out, size_t count, size_t *ret_count);
void blob_reader_close(struct blob_reader *r); /* accepts NULL */

MUST_USE err blob_stat(struct blobs *b, const struct blob_id *id, struct blob_info *ret_info);
MUST_USE err blob_verify(struct blobs *b, const struct blob_id *id); /* reads all of it */

/* A URL from which anybody can read the blob for `valid_s` seconds (at most 7 days), without a key.
 * ERR_UNSUPPORTED where blobs are in a folder. */
MUST_USE err blob_url(struct blobs *b, const struct blob_id *id, int64_t valid_s, arena *keep,
                      str *ret_url);

/* ------------------------------------------------------------------ collection */

/* An owner reports every blob it refers to by calling mark(mark_arg, id). */
typedef err (*blob_mark_fn)(void *mark_arg, const struct blob_id *id);
typedef err (*blob_roots_fn)(void *owner_arg, blob_mark_fn mark, void *mark_arg);

struct blob_owner {
    blob_roots_fn roots;
    void *arg;
};

struct blob_gc_report {
    int64_t kept_count, kept_bytes;
    int64_t removed_count, removed_bytes;
    int64_t missing_count; /* marked by an owner but not there: a defect, logged by the caller */
    struct blob_id first_missing;
    int64_t stale_count, stale_bytes; /* unfinished puts of a dead process, removed */
    int64_t young_count, young_bytes; /* of those kept: nobody refers to them, too young to go */
};

struct blob_gc_options {
    int64_t min_age_ms;    /* see below */
    int64_t stale_age_ms;  /* the same for unfinished puts */
    bool spares_newcomers; /* what was put since this collection began stays, at any age */
    bool is_rehearsal;     /* says what it would remove, and removes nothing */
};

/* Removes blobs that no owner marks, that are not pinned and that were put longer ago than
 * min_age_ms (0 when nothing else can be writing, as at start; S3 has a floor of its own,
 * grace_ms), and stale temporary files. ERR_BUSY while another collection runs. When an owner
 * fails, nothing is removed. */
MUST_USE err blobs_collect(struct blobs *b, const struct blob_owner *owners, size_t owner_count,
                           int64_t min_age_ms, struct blob_gc_report *ret_report);
MUST_USE err blobs_collect_with(struct blobs *b, const struct blob_owner *owners,
                                size_t owner_count, const struct blob_gc_options *options,
                                struct blob_gc_report *ret_report);

/* ------------------------------------------------------------------ texts
 *
 * Small files with names beside the objects, for who keeps blobs without a database: backups. A
 * text is replaced whole or not at all, and durable when put returns. `folder` and `name` are
 * letters, digits, '-', '_' and '.', and begin with none of the last.
 */
MUST_USE err blobs_text_put(struct blobs *b, const char *folder, const char *name, str text);
/* ERR_NOT_FOUND, ERR_TOO_BIG above bytes_max. */
MUST_USE err blobs_text_get(struct blobs *b, const char *folder, const char *name, arena *keep,
                            size_t bytes_max, str *ret_text);
MUST_USE err blobs_text_remove(struct blobs *b, const char *folder, const char *name);
/* Calls fn for each, in no order. A put that was killed may have left "NAME.*.tmp" in a folder. */
MUST_USE err blobs_text_each(struct blobs *b, const char *folder,
                             err (*fn)(void *arg, const char *name), void *arg);

/* Takes a damaged object out of the way, so that a put writes it anew: a folder keeps it in
 * damaged/, S3 removes it. */
MUST_USE err blob_put_aside(struct blobs *b, const struct blob_id *id);

struct blobs_usage {
    int64_t count, bytes;
};
/* Walks all of them: 10 ms for a few thousand in a folder; in S3 a request for each thousand. */
MUST_USE err blobs_usage(struct blobs *b, struct blobs_usage *ret_usage);

#endif
