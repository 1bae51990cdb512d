/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_upload.c -- a blob in parts: several at a time, and on from where a dead process stopped.
 *
 * Before the first part is sent, the upload's id is noted in <local>/uploads/<digest>, synced. Who
 * puts the same blob again (a job that goes on after kill -9, a retry after the server was away)
 * finds the note, asks the server which parts it has, and sends the others. Parts are cut by place
 * and the name is the digest, so a part with the right number and size is the right part; the whole
 * is checked once more by whoever reads it.
 *
 * The note is locked while an upload works with it. A second process that puts the same blob at the
 * same time makes an upload of its own, without a note.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/thread.h"
#include "platform/blobs/s3.h"

enum { NOTE_BYTES_MAX = S3_ID_BYTES + 80, PARALLEL_MAX = 16, MIB = 1024 * 1024 };
/* A part in the list that ends an upload: its tags, number and etag, escaped. */
enum { PART_XML_BYTES = 1200 };

struct part {
    bool is_there;
    char etag[160]; /* as the server wrote it, quotes included */
};

struct upload {
    struct s3 *s;
    char key[S3_KEY_BYTES];
    char upload_id[S3_ID_BYTES];
    int fd;
    int64_t bytes, part_bytes;
    size_t part_count;
    struct part *parts; /* each is written by one thread */
    atomic_size_t next;

    pthread_mutex_t lock;
    err failure; /* guarded by lock: the first; the others stop */
    atomic_bool failed;
};

/* ------------------------------------------------------------------ the note */

bool s3_upload_note_open(const struct s3 *s, const char *hex, int *ret_fd)
{
    char path[FS_PATH_BYTES];
    err e = fs_join(path, s->uploads, hex);
    int fd = e.code ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        fd = -1;
    }
    *ret_fd = fd;
    return fd >= 0;
}

/* "1 <part bytes> <bytes> <upload id>\n" */
bool s3_upload_note(int fd, char ret_upload_id[S3_ID_BYTES], int64_t *ret_part_bytes,
                    int64_t *ret_bytes)
{
    char text[NOTE_BYTES_MAX];
    ssize_t got = pread(fd, text, sizeof text, 0);
    if (got <= 0 || text[got - 1] != '\n')
        return false; /* new, or torn by a crash: its upload is swept as an orphan */
    str rest = str_from(text, (size_t)got - 1);
    str version = str_split(&rest, ' ');
    str part = str_split(&rest, ' '), all = str_split(&rest, ' ');
    if (!str_eq(version, STR("1")) || rest.len == 0 || rest.len >= S3_ID_BYTES ||
        str_to_i64(part, ret_part_bytes).code || str_to_i64(all, ret_bytes).code)
        return false;
    memcpy(ret_upload_id, rest.ptr, rest.len);
    ret_upload_id[rest.len] = '\0';
    return true;
}

static err note_write(const struct upload *u, int fd)
{
    char text[NOTE_BYTES_MAX];
    int len = snprintf(text, sizeof text, "1 %lld %lld %s\n", (long long)u->part_bytes,
                       (long long)u->bytes, u->upload_id);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len || fsync(fd) != 0)
        return ERR_SYS("noting an upload below '%.120s'", u->s->uploads);
    return fs_sync_dir(u->s->uploads);
}

static void note_remove(const struct upload *u, const char *hex)
{
    char path[FS_PATH_BYTES];
    if (!fs_join(path, u->s->uploads, hex).code)
        unlink(path); /* one that stays is swept, and its upload is known to be gone */
}

/* ------------------------------------------------------------------ begin, or go on */

static err begin_new(struct upload *u)
{
    struct s3_call call = { .op = S3_UPLOAD_BEGIN,
                            .method = "POST",
                            .key = u->key,
                            .params = { { STR("uploads"), STR("") } },
                            .param_count = 1,
                            .has_body = true };
    struct buf body;
    struct s3_reply reply;
    err e = s3_send(u->s, &call, &body, &reply);
    if (!e.code)
        e = s3_xml_find(buf_str(&body), "UploadId", u->upload_id, sizeof u->upload_id);
    buf_deinit(&body);
    return e;
}

static int64_t bytes_of_part(const struct upload *u, size_t index)
{
    int64_t left = u->bytes - (int64_t)index * u->part_bytes;
    return left < u->part_bytes ? left : u->part_bytes;
}

static err know_part(void *arg, const struct s3_entry *entry)
{
    struct upload *u = arg;
    int64_t index = entry->part_number - 1;
    if (index < 0 || (uint64_t)index >= u->part_count || !entry->etag[0] ||
        entry->bytes != bytes_of_part(u, (size_t)index))
        return OK;
    u->parts[index].is_there = true;
    snprintf(u->parts[index].etag, sizeof u->parts[index].etag, "%s", entry->etag);
    return OK;
}

/* What the server has of the upload that was noted. ERR_NOT_FOUND when it forgot it. */
static err ask_parts(struct upload *u)
{
    struct s3_page page = { 0 };
    char marker[S3_TEXT_BYTES];
    do {
        struct s3_call call = { .op = S3_UPLOAD_PARTS,
                                .method = "GET",
                                .key = u->key,
                                .params = { { STR("uploadId"), str_of(u->upload_id) } },
                                .param_count = 1 };
        struct buf body;
        struct s3_reply reply;
        snprintf(marker, sizeof marker, "%s", page.next);
        if (marker[0])
            call.params[call.param_count++] = (struct s3_pair){ STR("part-number-marker"),
                                                                str_of(marker) };
        err e = s3_send(u->s, &call, &body, &reply);
        if (!e.code)
            e = s3_xml_page(buf_str(&body), "Part", know_part, u, &page);
        buf_deinit(&body);
        TRY(e);
    } while (page.is_truncated);
    return OK;
}

static err begin_or_resume(struct upload *u, int note_fd)
{
    int64_t part_bytes, bytes;
    if (note_fd >= 0 && s3_upload_note(note_fd, u->upload_id, &part_bytes, &bytes) &&
        part_bytes == u->part_bytes && bytes == u->bytes) {
        err e = ask_parts(u);
        if (e.code != ERR_NOT_FOUND) {
            size_t there = 0;
            for (size_t i = 0; i < u->part_count; i++)
                there += u->parts[i].is_there;
            s3_count(u->s, S3_FAMILY_PARTS_RESUMED, STR_NONE, STR_NONE, (double)there);
            if (u->s->log && !e.code)
                log_event(u->s->log, LOG_INFO, NULL, "s3.upload.resumed", NULL,
                          F_INT("parts", (int64_t)u->part_count), F_INT("there", (int64_t)there));
            return e;
        }
    }
    TRY(begin_new(u));
    return note_fd >= 0 ? note_write(u, note_fd) : OK;
}

/* ------------------------------------------------------------------ parts */

static err send_part(struct upload *u, size_t index)
{
    char number[24], digest[SHA256_HEX_BYTES];
    struct buf body;
    struct s3_reply reply;
    int64_t offset = (int64_t)index * u->part_bytes;
    snprintf(number, sizeof number, "%zu", index + 1);
    TRY(s3_digest_file(u->fd, offset, bytes_of_part(u, index), digest));
    struct s3_call call = { .op = S3_UPLOAD_PART,
                            .method = "PUT",
                            .key = u->key,
                            .params = { { STR("partNumber"), str_of(number) },
                                        { STR("uploadId"), str_of(u->upload_id) } },
                            .param_count = 2,
                            .has_body = true,
                            .body_is_file = true,
                            .body_fd = u->fd,
                            .body_offset = offset,
                            .body_bytes = bytes_of_part(u, index),
                            .payload_sha256 = digest };
    err e = s3_send(u->s, &call, &body, &reply);
    buf_deinit(&body);
    TRY(e);
    if (!reply.etag[0])
        return ERR(ERR_UPSTREAM, "S3 at %.60s took a part and gave no ETag", u->s->endpoint);
    snprintf(u->parts[index].etag, sizeof u->parts[index].etag, "%s", reply.etag);
    u->parts[index].is_there = true;
    return OK;
}

static void *send_parts(void *arg)
{
    struct upload *u = arg;
    for (size_t i; (i = atomic_fetch_add(&u->next, 1)) < u->part_count;) {
        if (u->parts[i].is_there)
            continue;
        if (atomic_load(&u->failed))
            break;
        err e = send_part(u, i);
        if (e.code) {
            pthread_mutex_lock(&u->lock);
            u->failure = err_first(u->failure, e);
            pthread_mutex_unlock(&u->lock);
            atomic_store(&u->failed, true);
        }
    }
    return NULL;
}

/* The caller is one of the senders; threads that cannot be had are not needed. */
static err send_missing(struct upload *u)
{
    pthread_t threads[PARALLEL_MAX];
    int count = 0,
        wanted = u->s->parts_parallel < PARALLEL_MAX ? u->s->parts_parallel : PARALLEL_MAX;
    if ((size_t)wanted > u->part_count)
        wanted = (int)u->part_count;
    atomic_store(&u->next, 0);
    for (; count < wanted - 1; count++)
        if (thread_start(&threads[count], "s3-part", send_parts, u).code)
            break;
    send_parts(u);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return u->failure;
}

/* ------------------------------------------------------------------ the end */

static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '&')
            buf_add_cstr(out, "&amp;");
        else if (*text == '<')
            buf_add_cstr(out, "&lt;");
        else if (*text == '>')
            buf_add_cstr(out, "&gt;");
        else
            buf_add_char(out, *text);
    }
}

static err send_end(struct upload *u)
{
    struct buf list, body;
    struct s3_reply reply;
    buf_init(&list, u->part_count * PART_XML_BYTES + 200);
    buf_add_cstr(&list, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < u->part_count; i++) {
        buf_add_fmt(&list, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        add_escaped(&list, u->parts[i].etag);
        buf_add_cstr(&list, "</ETag></Part>");
    }
    buf_add_cstr(&list, "</CompleteMultipartUpload>");
    err e = buf_check(&list);
    if (!e.code) {
        struct s3_call call = { .op = S3_UPLOAD_END,
                                .method = "POST",
                                .key = u->key,
                                .params = { { STR("uploadId"), str_of(u->upload_id) } },
                                .param_count = 1,
                                .has_body = true,
                                .body = buf_str(&list) };
        e = s3_send(u->s, &call, &body, &reply);
        buf_deinit(&body);
    }
    buf_deinit(&list);
    return e;
}

err s3_upload_abort(struct s3 *s, const char *key, const char *upload_id)
{
    struct s3_call call = { .op = S3_UPLOAD_ABORT,
                            .method = "DELETE",
                            .key = key,
                            .params = { { STR("uploadId"), str_of(upload_id) } },
                            .param_count = 1 };
    struct buf body;
    struct s3_reply reply;
    err e = s3_send(s, &call, &body, &reply);
    buf_deinit(&body);
    return e.code == ERR_NOT_FOUND ? OK : e;
}

/* One go. ERR_NOT_FOUND: the server forgot the upload on the way, and a new one may succeed. */
static err upload_once(struct upload *u, const struct blob_id *id, int note_fd)
{
    int64_t there = 0;
    memset(u->parts, 0, u->part_count * sizeof *u->parts);
    u->failure = OK;
    atomic_store(&u->failed, false);
    TRY(begin_or_resume(u, note_fd));
    TRY(send_missing(u));
    err e = send_end(u);
    /* The end was done already when its answer was lost, or when another process did it. */
    if (e.code == ERR_NOT_FOUND && !s3_stat(u->s, id, &there).code && there == u->bytes)
        e = OK;
    return e;
}

static int64_t part_bytes_for(const struct s3 *s, int64_t bytes)
{
    int64_t least = (bytes + S3_PARTS_MAX - 1) / S3_PARTS_MAX;
    least = (least + MIB - 1) / MIB * MIB;
    return least > s->part_bytes ? least : s->part_bytes;
}

err s3_upload(struct s3 *s, const struct blob_id *id, int fd, int64_t bytes)
{
    struct upload *u = calloc(1, sizeof *u);
    if (!u)
        return ERR(ERR_NO_MEMORY, "uploading a blob: out of memory");
    u->s = s;
    u->fd = fd;
    u->bytes = bytes;
    u->part_bytes = part_bytes_for(s, bytes);
    u->part_count = (size_t)((bytes + u->part_bytes - 1) / u->part_bytes);
    u->parts = calloc(u->part_count, sizeof *u->parts);
    pthread_mutex_init(&u->lock, NULL);
    s3_key(s, id, u->key);
    int note_fd = -1;
    err e = u->parts ? OK : ERR(ERR_NO_MEMORY, "uploading a blob: out of memory");
    if (!e.code) {
        s3_upload_note_open(s, id->hex, &note_fd);
        e = upload_once(u, id, note_fd);
        if (e.code == ERR_CONFLICT) /* parts that do not fit together: away with them */
            e = s3_upload_abort(s, u->key, u->upload_id).code ? e : ERR(ERR_NOT_FOUND, "aborted");
        if (e.code == ERR_NOT_FOUND)
            e = upload_once(u, id, note_fd);
    }
    if (!e.code && note_fd >= 0)
        note_remove(u, id->hex);
    else if (e.code && note_fd < 0 && u->upload_id[0])
        e = err_first(e, s3_upload_abort(s, u->key, u->upload_id));
    if (note_fd >= 0)
        close(note_fd);
    pthread_mutex_destroy(&u->lock);
    free(u->parts);
    free(u);
    return e;
}
