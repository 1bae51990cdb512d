/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_put.c -- writing: to a local file until the digest, and so the name, is known; then to S3.
 *
 * Each body that is sent carries its SHA-256 in its signature, so the server refuses bytes that
 * changed on the way. What a server or a proxy makes of them afterwards is looked at as
 * enum blobs_verify says. The local file becomes the cached copy.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/blobs/folder.h"
#include "platform/blobs/s3.h"

enum { PIECE_BYTES = 256 * 1024 };

struct s3_put {
    struct s3 *s;
    void *local; /* a put of the folder */
};

err s3_put_begin(void *engine, void **ret_put)
{
    struct s3 *s = engine;
    struct s3_put *p = calloc(1, sizeof *p);
    if (!p)
        return ERR(ERR_NO_MEMORY, "writing a blob: out of memory");
    p->s = s;
    err e = blob_backend_folder.put_begin(s->local, &p->local);
    if (e.code) {
        free(p);
        return e;
    }
    *ret_put = p;
    return OK;
}

err s3_put_write(void *put, const void *bytes, size_t count)
{
    struct s3_put *p = put;
    return blob_backend_folder.put_write(p->local, bytes, count);
}

void s3_put_abort(void *put)
{
    struct s3_put *p = put;
    blob_backend_folder.put_abort(p->local);
    free(p);
}

err s3_digest_file(int fd, int64_t offset, int64_t bytes, char out[SHA256_HEX_BYTES])
{
    struct sha256 sha;
    unsigned char *piece = malloc(PIECE_BYTES);
    if (!piece)
        return ERR(ERR_NO_MEMORY, "writing a blob: out of memory");
    err e = OK;
    sha256_begin(&sha);
    while (bytes > 0 && !e.code) {
        ssize_t got = pread(fd, piece, (size_t)(bytes < PIECE_BYTES ? bytes : PIECE_BYTES), offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            e = got ? ERR_SYS("reading a blob that is being written")
                    : ERR(ERR_IO, "a blob that is being written became shorter");
            break;
        }
        sha256_add(&sha, piece, (size_t)got);
        offset += got;
        bytes -= got;
    }
    free(piece);
    if (!e.code)
        sha256_end_hex(&sha, out);
    return e;
}

static err put_in_one(struct s3 *s, const struct blob_id *id, int fd, int64_t bytes)
{
    char key[S3_KEY_BYTES];
    struct buf body;
    struct s3_reply reply;
    s3_key(s, id, key);
    struct s3_call call = { .op = S3_PUT,
                            .method = "PUT",
                            .key = key,
                            .has_body = true,
                            .body_is_file = true,
                            .body_fd = fd,
                            .body_bytes = bytes,
                            .payload_sha256 = id->hex };
    err e = s3_send(s, &call, &body, &reply);
    buf_deinit(&body);
    return e;
}

static err drop_piece(void *arg, const void *bytes, size_t count)
{
    return OK;
}

/* One thread reads back; others that put their first at the same time do not wait for it. */
static err read_back(struct s3 *s, const struct blob_id *id, int64_t bytes, bool in_parts)
{
    int64_t there = -1;
    bool is_first = !atomic_exchange(&s->has_read_back[in_parts], true);
    if (s->verify == BLOBS_VERIFY_ALL || (s->verify == BLOBS_VERIFY_FIRST && is_first)) {
        err e = s3_read_whole(s, id, drop_piece, NULL, &there);
        if (e.code)
            atomic_store(&s->has_read_back[in_parts], false);
        if (e.code == ERR_CORRUPT)
            return ERR(ERR_CORRUPT,
                       "S3 at %.60s keeps other bytes than it was sent: it, or a proxy before it, "
                       "changes them (blob %.16s...)",
                       s->endpoint, id->hex);
        TRY(e);
    } else if (in_parts) {
        TRY(s3_stat(s, id, &there));
    } else {
        return OK;
    }
    if (there == bytes)
        return OK;
    return ERR(ERR_CORRUPT, "S3 at %.60s keeps %lld bytes of blob %.16s..., %lld were sent",
               s->endpoint, (long long)there, id->hex, (long long)bytes);
}

err s3_put_commit(void *put, const struct blob_id *id)
{
    struct s3_put *p = put;
    struct s3 *s = p->s;
    struct stat st;
    int fd = folder_put_fd(p->local);
    err e = fstat(fd, &st) != 0 ? ERR_SYS("writing blob %s", id->hex) : OK;
    bool in_parts = !e.code && st.st_size > s->part_bytes;
    if (!e.code)
        e = in_parts ? s3_upload(s, id, fd, st.st_size) : put_in_one(s, id, fd, st.st_size);
    if (!e.code)
        e = read_back(s, id, st.st_size, in_parts);
    if (e.code == ERR_CORRUPT) { /* better no object than a wrong one */
        bool is_gone;
        e = err_first(e, s3_remove(s, id, 0, &is_gone));
    }
    if (e.code) {
        s3_put_abort(p);
        return err_wrap(e, "writing blob %.16s...", id->hex);
    }
    s3_cache_add(s, p->local, id, st.st_size);
    free(p);
    return OK;
}
