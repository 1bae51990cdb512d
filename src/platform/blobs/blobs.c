/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names, digests, streams: what is the same for every place that keeps objects. The digest is
 * computed while the bytes pass, so a put reads them once and a whole read is checked at no extra
 * pass. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/blobs/internal.h"

enum { BUFFER_BYTES = 65536, URL_BYTES_MAX = 8192 };

/* A larger object is a mistake on a small machine; the limit only has to exist. */
static const int64_t BLOB_BYTES_MAX = INT64_C(1) << 40;

static const struct blob_backend *const backends[] = { &blob_backend_folder, &blob_backend_s3 };

struct blob_writer {
    struct blobs *blobs;
    void *put;
    struct sha256 sha;
    int64_t bytes;
    err failure; /* sticky: a commit after a failed write fails */
    size_t buffered;
    unsigned char buffer[BUFFER_BYTES];
};

struct blob_reader {
    struct blobs *blobs;
    void *get;
    struct blob_id id;
    int64_t bytes_total, position;
    bool is_checking; /* everything since byte 0 went through sha */
    struct sha256 sha;
};

/* ------------------------------------------------------------------ names, open, close */

err blob_id_parse(str text, struct blob_id *ret_id)
{
    str hex = text;
    if (str_starts(hex, STR("sha256:")))
        hex = str_sub(hex, 7, hex.len);
    struct blob_id id = { 0 };
    bool good = hex.len == SHA256_HEX_BYTES - 1;
    for (size_t i = 0; good && i < hex.len; i++) {
        char c = hex.ptr[i];
        if (c >= 'A' && c <= 'F')
            c = (char)(c - 'A' + 'a');
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        id.hex[i] = c;
    }
    if (!good)
        return ERR(ERR_INVALID, "'%.*s' is no blob: 64 hex digits are expected",
                   (int)(text.len < 80 ? text.len : 80), text.len ? text.ptr : "");
    *ret_id = id;
    return OK;
}

/* A name that did not come from blob_id_parse (an unset one, say) must not become a path. */
static err id_check(const struct blob_id *id)
{
    struct blob_id ignored;
    return blob_id_parse(str_from(id->hex, strnlen(id->hex, sizeof id->hex)), &ignored);
}

err blobs_open_with(const struct blobs_options *options, struct blobs **ret_blobs)
{
    const char *url = options->url ? options->url : "";
    str location = str_of(url);
    str scheme = str_split(&location, ':');
    const struct blob_backend *backend = NULL;
    for (size_t i = 0; i < COUNT_OF(backends); i++)
        if (str_eq(scheme, str_of(backends[i]->scheme)))
            backend = backends[i];
    if (!backend)
        return ERR(ERR_UNSUPPORTED,
                   "opening blobs '%.120s': unknown kind of URL (use file:/path or "
                   "s3://bucket/prefix)",
                   url);
    struct blobs *b = calloc(1, sizeof *b);
    if (!b)
        return ERR(ERR_NO_MEMORY, "opening blobs '%.120s': out of memory", url);
    b->backend = backend;
    b->usage_kept_ms = options->usage_kept_ms;
    err e = backend->open(options, location.ptr ? location.ptr : "", &b->engine);
    if (e.code) {
        free(b);
        return e;
    }
    blobs_pins_init(b);
    *ret_blobs = b;
    return OK;
}

err blobs_open(const char *url, struct blobs **ret_blobs)
{
    return blobs_open_with(&(struct blobs_options){ .url = url }, ret_blobs);
}

void blobs_close(struct blobs *b)
{
    if (!b)
        return;
    b->backend->close(b->engine);
    blobs_pins_deinit(b);
    free(b);
}

/* ------------------------------------------------------------------ put */

err blob_writer_open(struct blobs *b, struct blob_writer **ret_writer)
{
    struct blob_writer *w = malloc(sizeof *w);
    if (!w)
        return ERR(ERR_NO_MEMORY, "writing a blob: out of memory");
    w->blobs = b;
    w->bytes = 0;
    w->failure = OK;
    w->buffered = 0;
    sha256_begin(&w->sha);
    err e = b->backend->put_begin(b->engine, &w->put);
    if (e.code) {
        free(w);
        return e;
    }
    *ret_writer = w;
    return OK;
}

static err write_through(struct blob_writer *w, const void *bytes, size_t count)
{
    sha256_add(&w->sha, bytes, count);
    return w->blobs->backend->put_write(w->put, bytes, count);
}

static err write_buffered(struct blob_writer *w)
{
    size_t count = w->buffered;
    w->buffered = 0;
    return count ? write_through(w, w->buffer, count) : OK;
}

err blob_write(struct blob_writer *w, const void *bytes, size_t count)
{
    if (w->failure.code)
        return w->failure;
    if (count > (uint64_t)(BLOB_BYTES_MAX - w->bytes)) {
        w->failure = ERR(ERR_TOO_BIG, "writing a blob: at most %lld bytes are kept",
                         (long long)BLOB_BYTES_MAX);
        return w->failure;
    }
    if (count > BUFFER_BYTES - w->buffered) {
        w->failure = write_buffered(w);
        if (!w->failure.code && count >= BUFFER_BYTES) {
            w->failure = write_through(w, bytes, count);
            w->bytes += (int64_t)count;
            return w->failure;
        }
        if (w->failure.code)
            return w->failure;
    }
    if (count)
        memcpy(w->buffer + w->buffered, bytes, count);
    w->buffered += count;
    w->bytes += (int64_t)count;
    return OK;
}

err blob_writer_commit(struct blob_writer *w, struct blob_info *ret_info)
{
    struct blobs *b = w->blobs;
    struct blob_info info = { .bytes = w->bytes };
    err e = w->failure;
    if (!e.code)
        e = write_buffered(w);
    if (!e.code) {
        sha256_end_hex(&w->sha, info.id.hex);
        e = blobs_pin(b, &info.id);
    }
    if (e.code) {
        blob_writer_abort(w);
        return e;
    }
    e = b->backend->put_commit(w->put, &info.id);
    free(w);
    if (e.code) {
        blob_unpin(b, &info.id);
        return e;
    }
    *ret_info = info;
    return OK;
}

void blob_writer_abort(struct blob_writer *w)
{
    if (!w)
        return;
    w->blobs->backend->put_abort(w->put);
    free(w);
}

err blob_put(struct blobs *b, str bytes, struct blob_info *ret_info)
{
    struct blob_writer *w = NULL;
    TRY(blob_writer_open(b, &w));
    err e = blob_write(w, bytes.ptr, bytes.len);
    if (e.code) {
        blob_writer_abort(w);
        return e;
    }
    return blob_writer_commit(w, ret_info);
}

/* Reads straight into the writer's buffer. */
static err write_file(struct blob_writer *w, int fd, const char *path)
{
    for (;;) {
        ssize_t got = read(fd, w->buffer, BUFFER_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_SYS("reading '%s' into a blob", path);
        if (got == 0)
            return OK;
        TRY(write_through(w, w->buffer, (size_t)got));
        w->bytes += got;
        if (w->bytes > BLOB_BYTES_MAX)
            return ERR(ERR_TOO_BIG, "reading '%s' into a blob: at most %lld bytes are kept", path,
                       (long long)BLOB_BYTES_MAX);
    }
}

err blob_put_file(struct blobs *b, const char *path, struct blob_info *ret_info)
{
    struct blob_writer *w = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_SYS("opening '%s'", path);
    err e = blob_writer_open(b, &w);
    if (!e.code)
        e = write_file(w, fd, path);
    close(fd);
    if (e.code) {
        blob_writer_abort(w);
        return e;
    }
    return blob_writer_commit(w, ret_info);
}

err blob_pin(struct blobs *b, const struct blob_id *id)
{
    int64_t bytes;
    TRY(id_check(id));
    TRY(blobs_pin(b, id));
    err e = b->backend->stat(b->engine, id, &bytes);
    if (e.code)
        blob_unpin(b, id);
    return e;
}

/* ------------------------------------------------------------------ get */

static err digest_check(const struct blob_id *id, struct sha256 *sha)
{
    char hex[SHA256_HEX_BYTES];
    sha256_end_hex(sha, hex);
    if (strcmp(hex, id->hex) == 0)
        return OK;
    return ERR(ERR_CORRUPT,
               "blob %s is damaged: its bytes have digest %s (put it again, or restore a backup)",
               id->hex, hex);
}

err blob_reader_open(struct blobs *b, const struct blob_id *id, int64_t offset,
                     struct blob_reader **ret_reader, int64_t *ret_bytes_total)
{
    TRY(id_check(id));
    struct blob_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ERR(ERR_NO_MEMORY, "reading blob %s: out of memory", id->hex);
    err e = b->backend->get_open(b->engine, id, offset, &r->get, &r->bytes_total);
    if (e.code) {
        free(r);
        return e;
    }
    r->blobs = b;
    r->id = *id;
    r->position = offset;
    r->is_checking = offset == 0;
    sha256_begin(&r->sha);
    *ret_reader = r;
    if (ret_bytes_total)
        *ret_bytes_total = r->bytes_total;
    return OK;
}

err blob_read(struct blob_reader *r, void *out, size_t count, size_t *ret_count)
{
    size_t got = 0;
    int64_t left = r->bytes_total - r->position;
    if ((uint64_t)left < count)
        count = (size_t)left;
    if (count > 0)
        TRY(r->blobs->backend->get_read(r->get, out, count, &got));
    if (got == 0 && count > 0)
        return ERR(ERR_CORRUPT, "blob %s is damaged: it ends at byte %lld of %lld", r->id.hex,
                   (long long)r->position, (long long)r->bytes_total);
    r->position += (int64_t)got;
    if (r->is_checking) {
        sha256_add(&r->sha, out, got);
        if (r->position == r->bytes_total) {
            r->is_checking = false;
            err e = digest_check(&r->id, &r->sha);
            if (e.code && r->blobs->backend->forget)
                r->blobs->backend->forget(r->blobs->engine, &r->id); /* the next read is better */
            TRY(e);
        }
    }
    *ret_count = got;
    return OK;
}

void blob_reader_close(struct blob_reader *r)
{
    if (!r)
        return;
    r->blobs->backend->get_close(r->get);
    free(r);
}

/* Reads the rest of a reader into `out`, which has room for it. */
static err read_whole(struct blob_reader *r, unsigned char *out)
{
    int64_t done = 0;
    do {
        size_t got = 0;
        TRY(blob_read(r, out + done, (size_t)(r->bytes_total - done), &got));
        done += (int64_t)got;
    } while (done < r->bytes_total);
    return OK;
}

err blob_get(struct blobs *b, const struct blob_id *id, arena *keep, size_t bytes_max,
             str *ret_bytes)
{
    struct blob_reader *r = NULL;
    int64_t total = 0;
    TRY(blob_reader_open(b, id, 0, &r, &total));
    err e = OK;
    unsigned char *bytes = NULL;
    if ((uint64_t)total > bytes_max)
        e = ERR(ERR_TOO_BIG, "blob %s has %lld bytes, at most %zu are read", id->hex,
                (long long)total, bytes_max);
    else if (!(bytes = arena_alloc(keep, (size_t)total + 1, 1, 1)))
        e = ERR(ERR_NO_MEMORY, "reading blob %s of %lld bytes: the memory cap is used up", id->hex,
                (long long)total);
    else
        e = read_whole(r, bytes);
    blob_reader_close(r);
    if (!e.code)
        *ret_bytes = str_from(bytes, (size_t)total);
    return e;
}

static err map_checked(struct blobs *b, const struct blob_id *id, struct blob_map *ret_map)
{
    struct blob_map m = { 0 };
    TRY(b->backend->map(b->engine, id, &m));
    if (!blobs_is_verified(b, id)) {
        struct sha256 sha;
        sha256_begin(&sha);
        sha256_add(&sha, m.bytes, m.count);
        err e = digest_check(id, &sha);
        if (e.code) {
            blob_unmap(&m);
            return e;
        }
        blobs_set_verified(b, id, true);
    }
    *ret_map = m;
    return OK;
}

err blob_map(struct blobs *b, const struct blob_id *id, struct blob_map *ret_map)
{
    TRY(id_check(id));
    err e = map_checked(b, id, ret_map);
    if (e.code == ERR_CORRUPT && b->backend->forget && b->backend->forget(b->engine, id))
        e = map_checked(b, id, ret_map);
    return e;
}

void blob_unmap(struct blob_map *m)
{
    if (m->count)
        munmap((void *)(uintptr_t)m->bytes, m->count);
    *m = (struct blob_map){ 0 };
}

err blob_stat(struct blobs *b, const struct blob_id *id, struct blob_info *ret_info)
{
    struct blob_info info = { .id = *id };
    TRY(id_check(id));
    TRY(b->backend->stat(b->engine, id, &info.bytes));
    *ret_info = info;
    return OK;
}

err blob_verify(struct blobs *b, const struct blob_id *id)
{
    struct blob_reader *r = NULL;
    unsigned char *buffer = malloc(BUFFER_BYTES);
    if (!buffer)
        return ERR(ERR_NO_MEMORY, "checking blob %s: out of memory", id->hex);
    err e = blob_reader_open(b, id, 0, &r, NULL);
    size_t got = 1;
    while (!e.code && got > 0)
        e = blob_read(r, buffer, BUFFER_BYTES, &got);
    blob_reader_close(r);
    free(buffer);
    return e;
}

err blob_url(struct blobs *b, const struct blob_id *id, int64_t valid_s, arena *keep, str *ret_url)
{
    struct blob_info info;
    TRY(blob_stat(b, id, &info));
    if (!b->backend->url)
        return ERR(ERR_UNSUPPORTED,
                   "blob %s is in a folder, which nobody outside can read: "
                   "download it from the API",
                   id->hex);
    struct buf url;
    buf_init(&url, URL_BYTES_MAX);
    err e = b->backend->url(b->engine, id, valid_s, &url);
    str kept = STR_NONE;
    if (!e.code && !(kept = arena_str(keep, buf_str(&url))).ptr)
        e = ERR(ERR_NO_MEMORY, "making a URL of blob %s: the memory cap is used up", id->hex);
    buf_deinit(&url);
    if (!e.code)
        *ret_url = kept;
    return e;
}
