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
 * A folder is the embedded backend ("file:/path"); an S3 sibling implements struct blob_backend.
 */
#ifndef SKERRY_BLOBS_H
#define SKERRY_BLOBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

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

MUST_USE err blobs_open(const char *url, struct blobs **ret_blobs); /* creates the folder */
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
};

/* Removes blobs that no owner marks, that are not pinned and whose file is older than min_age_ms
 * (0 when nothing else can be writing, as at start), and stale temporary files. ERR_BUSY while
 * another collection runs. When an owner fails, nothing is removed. */
MUST_USE err blobs_collect(struct blobs *b, const struct blob_owner *owners, size_t owner_count,
                           int64_t min_age_ms, struct blob_gc_report *ret_report);

struct blobs_usage {
    int64_t count, bytes;
};
/* Walks the folder: 10 ms for a few thousand blobs. */
MUST_USE err blobs_usage(struct blobs *b, struct blobs_usage *ret_usage);

#endif
