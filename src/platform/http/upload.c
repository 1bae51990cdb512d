/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies that go to files, or to the sink of their route: raw ones, and the parts of multipart
 * forms.
 *
 * The event thread only copies what arrives into a chunk. When the chunk is full the connection
 * sleeps while a worker takes the chunk apart and writes it out: a slow disk holds up its own
 * client, through TCP, and nobody else; memory is one chunk an upload, whatever its size.
 */
#include "platform/http/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "platform/http/multipart.h"

enum {
    CHUNK_BYTES = 256 * 1024,
    CHUNK_BYTES_MIN = 2 * MULTIPART_HEAD_BYTES_MAX,
    PARTS_MAX = 64,
    FIELD_BYTES_MAX = 64 * 1024,
};

struct part {
    struct http_upload upload; /* first: handlers hold a pointer to it */
    bool is_taken;
};

struct http_upload_state {
    struct http_server *server;
    struct http_request *rq; /* which may be gone when this is freed */
    const struct http_sink *sink;
    void *sunk;                    /* NULL: not opened */
    arena arena;                   /* names, paths, field values */
    bool is_multipart, is_chunked; /* chunked: of a length that nobody knows */
    struct multipart multipart;
    char *chunk;
    size_t chunk_bytes, chunk_len;
    int64_t admitted; /* bytes that the server's owner has made room for */
    int fd;           /* of the part being written; -1 for none, or for a plain field */
    struct buf field;
    struct part parts[PARTS_MAX];
    size_t part_count;
};

/* ------------------------------------------------------------------ parts */

static struct part *part_last(struct http_upload_state *up)
{
    return &up->parts[up->part_count - 1];
}

static err spool_open(struct http_upload_state *up, struct part *part)
{
    struct http_server *s = up->server;
    uint64_t serial = atomic_fetch_add(&s->spool_serial, 1);
    str path = arena_fmt(&up->arena, "%s/upload-%016" PRIx64 "-%" PRIu64, s->spool_folder,
                         s->id_seed, serial);
    ARENA_TRY(path.ptr);
    up->fd = open(path.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (up->fd < 0)
        return ERR_SYS("spooling an upload to '%s'", path.ptr);
    part->upload.path = path.ptr;
    return OK;
}

static err part_begin(void *arg, str name, str filename)
{
    struct http_upload_state *up = arg;
    if (up->part_count == PARTS_MAX)
        return ERR(ERR_TOO_BIG, "the form has more than %d parts", PARTS_MAX);
    struct part *part = &up->parts[up->part_count];
    *part = (struct part){ 0 };
    part->upload.field = arena_str(&up->arena, name);
    part->upload.filename = arena_str(&up->arena, filename);
    TRY(arena_check(&up->arena));
    if (filename.ptr)
        TRY(spool_open(up, part));
    up->part_count++;
    buf_clear(&up->field);
    return OK;
}

static err part_data(void *arg, str bytes)
{
    struct http_upload_state *up = arg;
    struct part *part = part_last(up);
    part->upload.bytes += (int64_t)bytes.len;
    if (up->fd >= 0)
        return err_wrap(fs_write_all(up->fd, bytes.ptr, bytes.len), "spooling an upload to '%s'",
                        part->upload.path);
    buf_add(&up->field, bytes);
    if (up->field.failed && up->field.is_out_of_memory)
        return buf_check(&up->field);
    if (up->field.failed)
        return ERR(ERR_TOO_BIG, "form field '%.*s' is longer than %d bytes: send it as a file",
                   STR_ARG(part->upload.field), FIELD_BYTES_MAX);
    return OK;
}

static err part_end(void *arg)
{
    struct http_upload_state *up = arg;
    struct part *part = part_last(up);
    if (up->fd >= 0) {
        int fd = up->fd;
        up->fd = -1;
        if (close(fd) != 0) /* some file systems say only here that the disk is full */
            return ERR_SYS("spooling an upload to '%s'", part->upload.path);
        return OK;
    }
    part->upload.value = arena_str(&up->arena, buf_str(&up->field));
    return arena_check(&up->arena);
}

/* ------------------------------------------------------------------ life */

static err upload_admit(struct http_upload_state *up, int64_t bytes)
{
    const struct http_hooks *hooks = &up->server->options.hooks;
    if (!hooks->admit)
        return OK;
    TRY(hooks->admit(hooks->ctx, bytes));
    up->admitted += bytes;
    return OK;
}

static err upload_prepare(struct http_request *rq, struct http_upload_state *up)
{
    str type = rq->known.content_type;
    up->is_multipart = !up->sink &&
                       (str_eq_nocase(str_sub(type, 0, 20), STR("multipart/form-data;")) ||
                        str_eq_nocase(str_trim(type), STR("multipart/form-data")));
    struct multipart_events events = { up, part_begin, part_data, part_end };
    if (up->is_multipart)
        TRY(multipart_init(&up->multipart, type, events));
    /* Room that is known to be missing is said before the client has sent gigabytes for nothing. */
    int64_t free_bytes = 0;
    TRY(fs_free_bytes(up->server->spool_folder, &free_bytes));
    if (rq->known.content_length > free_bytes)
        return ERR(ERR_NO_SPACE,
                   "the upload has %lld bytes, and the disk of '%s' has %lld left: make room",
                   (long long)rq->known.content_length, up->server->spool_folder,
                   (long long)free_bytes);
    TRY(upload_admit(up, rq->known.content_length > 0 ? rq->known.content_length : 0));
    up->chunk_bytes = CHUNK_BYTES;
    if (rq->known.content_length >= 0 && rq->known.content_length < CHUNK_BYTES)
        up->chunk_bytes = (size_t)rq->known.content_length;
    if (up->chunk_bytes < CHUNK_BYTES_MIN)
        up->chunk_bytes = CHUNK_BYTES_MIN;
    up->chunk = malloc(up->chunk_bytes);
    if (!up->chunk)
        return ERR(ERR_NO_MEMORY, "no memory for an upload");
    return OK;
}

err upload_new(struct http_request *rq, struct http_upload_state **ret_upload)
{
    struct http_server *s = rq->server;
    if (!s->spool_folder)
        return ERR(ERR_UNSUPPORTED, "this server takes no uploads: it has no spool folder");
    if (atomic_fetch_add(&s->uploads, 1) >= HTTP_UPLOADS_AT_ONCE) {
        atomic_fetch_sub(&s->uploads, 1);
        return ERR(ERR_BUSY, "%d uploads are under way: try again in a moment",
                   HTTP_UPLOADS_AT_ONCE);
    }
    struct http_upload_state *up = calloc(1, sizeof *up);
    if (!up) {
        atomic_fetch_sub(&s->uploads, 1);
        return ERR(ERR_NO_MEMORY, "no memory for an upload");
    }
    up->server = s;
    up->rq = rq;
    up->sink = rq->route->sink;
    up->is_chunked = rq->known.is_chunked;
    up->fd = -1;
    arena_init(&up->arena, (size_t)s->options.arena_bytes_max);
    buf_init(&up->field, FIELD_BYTES_MAX);
    err e = upload_prepare(rq, up);
    if (e.code) {
        upload_free(up);
        return e;
    }
    *ret_upload = up;
    return OK;
}

void upload_free(struct http_upload_state *up)
{
    if (!up)
        return;
    if (up->sunk)
        up->sink->close(up->sunk);
    if (up->fd >= 0)
        close(up->fd);
    for (size_t i = 0; i < up->part_count; i++)
        if (up->parts[i].upload.path && !up->parts[i].is_taken)
            unlink(up->parts[i].upload.path);
    if (up->admitted)
        up->server->options.hooks.released(up->server->options.hooks.ctx, up->admitted);
    atomic_fetch_sub(&up->server->uploads, 1);
    buf_deinit(&up->field);
    arena_deinit(&up->arena);
    free(up->chunk);
    free(up);
}

bool upload_has_files(const struct http_upload_state *up)
{
    for (size_t i = 0; i < up->part_count; i++)
        if (up->parts[i].upload.path && !up->parts[i].is_taken)
            return true;
    return up->sunk != NULL;
}

/* ------------------------------------------------------------------ the stream */

size_t upload_fill(struct http_upload_state *up, const char *data, size_t count)
{
    size_t room = up->chunk_bytes - up->chunk_len;
    if (count > room)
        count = room;
    memcpy(up->chunk + up->chunk_len, data, count);
    up->chunk_len += count;
    return count;
}

bool upload_is_full(const struct http_upload_state *up)
{
    return up->chunk_len == up->chunk_bytes;
}

static err raw_write(struct http_upload_state *up, str data, bool is_last)
{
    if (data.len && up->part_count == 0) {
        struct part *part = &up->parts[0];
        TRY(spool_open(up, part));
        up->part_count = 1;
    }
    if (data.len)
        TRY(part_data(up, data));
    return is_last && up->part_count ? part_end(up) : OK;
}

static err sink_write(struct http_upload_state *up, str data)
{
    if (!up->sunk)
        TRY(up->sink->open(up->rq, &up->sunk));
    return data.len ? up->sink->write(up->sunk, data) : OK;
}

err upload_write(struct http_upload_state *up, bool is_last)
{
    str data = str_from(up->chunk, up->chunk_len);
    size_t used = data.len;
    if (up->is_chunked)
        TRY(upload_admit(up, (int64_t)data.len));
    if (up->sink)
        TRY(sink_write(up, data));
    else if (up->is_multipart)
        TRY(multipart_feed(&up->multipart, data, is_last, &used));
    else
        TRY(raw_write(up, data, is_last));
    up->chunk_len -= used;
    memmove(up->chunk, up->chunk + used, up->chunk_len);
    if (upload_is_full(up))
        return ERR(ERR_INVALID, "a part of the form has headers that are too long");
    return OK;
}

/* ------------------------------------------------------------------ what handlers ask */

size_t http_upload_count(const struct http_request *rq)
{
    return rq->upload ? rq->upload->part_count : 0;
}

const struct http_upload *http_upload_at(const struct http_request *rq, size_t index)
{
    return index < http_upload_count(rq) ? &rq->upload->parts[index].upload : NULL;
}

const struct http_upload *http_upload(const struct http_request *rq, const char *field)
{
    str wanted = str_of(field);
    bool is_raw = rq->upload && !rq->upload->is_multipart;
    for (size_t i = 0; i < http_upload_count(rq); i++) {
        const struct http_upload *upload = http_upload_at(rq, i);
        if (is_raw ? wanted.len == 0 || str_eq(wanted, STR("file")) : str_eq(upload->field, wanted))
            return upload;
    }
    return NULL;
}

void *http_sunk(const struct http_request *rq)
{
    return rq->upload ? rq->upload->sunk : NULL;
}

err http_upload_take(const struct http_upload *upload, const char *path)
{
    struct part *part = (struct part *)(uintptr_t)upload;
    if (!upload->path || part->is_taken)
        return ERR(ERR_INVALID, "form field '%.*s' is not a file", STR_ARG(upload->field));
    if (rename(upload->path, path) != 0)
        return ERR_SYS("moving an upload from '%s' to '%s'", upload->path, path);
    part->is_taken = true;
    return OK;
}
