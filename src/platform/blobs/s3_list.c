/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_list.c -- all objects: is one there, remove one, list them, sweep what was left half done. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "platform/blobs/s3.h"

static err head(struct s3 *s, const struct blob_id *id, struct s3_reply *ret_reply)
{
    char key[S3_KEY_BYTES];
    struct net_call *nc = NULL;
    s3_key(s, id, key);
    struct s3_call call = { .op = S3_HEAD, .method = "HEAD", .key = key };
    err e = s3_begin(s, &call, &nc, ret_reply);
    net_end(nc);
    if (!e.code && ret_reply->bytes < 0)
        e = ERR(ERR_UPSTREAM, "S3 at %.60s does not say how many bytes it has", s->endpoint);
    return e;
}

err s3_stat(void *engine, const struct blob_id *id, int64_t *ret_bytes)
{
    struct s3_reply reply;
    TRY(err_wrap(head(engine, id, &reply), "looking for blob %s", id->hex));
    *ret_bytes = reply.bytes;
    return OK;
}

/* Looked at once more just before: another machine may have put the same bytes again since the
 * listing, and its row is on the way. */
err s3_remove(void *engine, const struct blob_id *id, int64_t min_age_ms, bool *ret_is_gone)
{
    struct s3 *s = engine;
    char key[S3_KEY_BYTES];
    struct s3_reply reply;
    struct buf body;
    bool gone_here = false;
    if (min_age_ms > 0) {
        err e = head(s, id, &reply);
        if (e.code && e.code != ERR_NOT_FOUND)
            return err_wrap(e, "removing blob %s", id->hex);
        if (!e.code && reply.server_ms - reply.changed_ms < min_age_ms) {
            *ret_is_gone = false;
            return OK;
        }
    }
    s3_key(s, id, key);
    struct s3_call call = { .op = S3_DELETE, .method = "DELETE", .key = key };
    err e = s3_send(s, &call, &body, &reply);
    buf_deinit(&body);
    if (e.code && e.code != ERR_NOT_FOUND)
        return err_wrap(e, "removing blob %s", id->hex);
    TRY(blob_backend_folder.remove(s->local, id, 0, &gone_here));
    *ret_is_gone = true;
    return OK;
}

err s3_url(void *engine, const struct blob_id *id, int64_t valid_s, struct buf *out)
{
    struct s3 *s = engine;
    char key[S3_KEY_BYTES], path[S3_BUCKET_BYTES + S3_KEY_BYTES + 2];
    s3_key(s, id, key);
    snprintf(path, sizeof path, "/%s/%s", s->bucket, key);
    struct s3_request rq = {
        .method = "GET", .host = str_of(s->host), .path = str_of(path), .wall_ms = clock_wall_ms()
    };
    buf_add_cstr(out, s->endpoint);
    s3_encode(str_of(path), true, out);
    buf_add_char(out, '?');
    return s3_presign(&s->credentials, &rq, valid_s, out);
}

/* ------------------------------------------------------------------ listing */

struct listing {
    struct s3 *s;
    err (*fn)(void *arg, const struct blob_object *object);
    void *arg;
    int64_t server_ms;
};

/* The digest in a key of ours; false for what somebody else put there. */
static bool id_of_key(const struct s3 *s, const char *key, struct blob_id *ret_id)
{
    char text[SHA256_HEX_BYTES], again[S3_KEY_BYTES];
    str rest = str_of(key);
    if (!str_starts(rest, str_of(s->prefix)))
        return false;
    rest = str_sub(rest, strlen(s->prefix), rest.len);
    if (rest.len != 8 + 3 + 62 || !str_starts(rest, STR("objects/")))
        return false;
    snprintf(text, sizeof text, "%.2s%.62s", rest.ptr + 8, rest.ptr + 11);
    if (blob_id_parse(str_of(text), ret_id).code)
        return false;
    s3_key(s, ret_id, again);
    return strcmp(again, key) == 0;
}

static err list_one(void *arg, const struct s3_entry *entry)
{
    struct listing *l = arg;
    struct blob_object object = { .bytes = entry->bytes };
    if (entry->bytes < 0 || !id_of_key(l->s, entry->key, &object.id))
        return OK; /* not ours: leave it alone */
    /* Dates of replies have whole seconds: what was put a moment ago must not be of the future. */
    object.age_ms = l->server_ms > entry->wall_ms ? l->server_ms - entry->wall_ms : 0;
    return l->fn(l->arg, &object);
}

err s3_list_page(struct s3 *s, const char *prefix, const char *token, s3_entry_fn fn, void *arg,
                 struct s3_page *ret_page, int64_t *ret_server_ms)
{
    struct s3_call call = { .op = S3_LIST,
                            .method = "GET",
                            .key = "",
                            .params = { { STR("list-type"), STR("2") },
                                        { STR("prefix"), str_of(prefix) } },
                            .param_count = 2 };
    struct buf body;
    struct s3_reply reply;
    if (token[0])
        call.params[call.param_count++] = (struct s3_pair){ STR("continuation-token"),
                                                            str_of(token) };
    err e = s3_send(s, &call, &body, &reply);
    if (!e.code && ret_server_ms)
        *ret_server_ms = reply.server_ms;
    if (!e.code)
        e = s3_xml_page(buf_str(&body), "Contents", fn, arg, ret_page);
    buf_deinit(&body);
    return e;
}

err s3_each(void *engine, err (*fn)(void *arg, const struct blob_object *object), void *arg)
{
    struct listing l = { .s = engine, .fn = fn, .arg = arg };
    struct s3_page page = { 0 };
    char prefix[S3_KEY_BYTES], token[S3_TEXT_BYTES];
    snprintf(prefix, sizeof prefix, "%sobjects/", l.s->prefix);
    do {
        snprintf(token, sizeof token, "%s", page.next);
        TRY(s3_list_page(l.s, prefix, token, list_one, &l, &page, &l.server_ms));
    } while (page.is_truncated);
    return OK;
}

/* ------------------------------------------------------------------ unfinished uploads */

struct sweep {
    struct s3 *s;
    int64_t min_age_ms, server_ms, count;
};

static err abort_old(void *arg, const struct s3_entry *entry)
{
    struct sweep *w = arg;
    struct blob_id id;
    if (!entry->upload_id[0] || !id_of_key(w->s, entry->key, &id) ||
        w->server_ms - entry->wall_ms < w->min_age_ms)
        return OK;
    TRY(s3_upload_abort(w->s, entry->key, entry->upload_id));
    w->count++;
    return OK;
}

static err sweep_uploads(struct sweep *w)
{
    char prefix[S3_KEY_BYTES], marker[S3_TEXT_BYTES], upload[S3_ID_BYTES];
    struct s3_page page = { 0 };
    snprintf(prefix, sizeof prefix, "%sobjects/", w->s->prefix);
    do {
        struct s3_call call = { .op = S3_UPLOADS,
                                .method = "GET",
                                .key = "",
                                .params = { { STR("uploads"), STR("") },
                                            { STR("prefix"), str_of(prefix) } },
                                .param_count = 2 };
        struct buf body;
        struct s3_reply reply;
        snprintf(marker, sizeof marker, "%s", page.next);
        snprintf(upload, sizeof upload, "%s", page.next_upload);
        if (marker[0])
            call.params[call.param_count++] = (struct s3_pair){ STR("key-marker"), str_of(marker) };
        if (upload[0])
            call.params[call.param_count++] = (struct s3_pair){ STR("upload-id-marker"),
                                                                str_of(upload) };
        err e = s3_send(w->s, &call, &body, &reply);
        w->server_ms = reply.server_ms;
        if (!e.code)
            e = s3_xml_page(buf_str(&body), "Upload", abort_old, w, &page);
        buf_deinit(&body);
        TRY(e);
    } while (page.is_truncated);
    return OK;
}

/* A note of this machine about an upload nobody came back to. Its upload is aborted by name, since
 * not every server lists uploads by prefix. A note that is locked belongs to an upload under way.
 */
static err sweep_note(void *arg, const char *name)
{
    struct sweep *w = arg;
    char path[FS_PATH_BYTES], upload_id[S3_ID_BYTES], key[S3_KEY_BYTES];
    struct blob_id id;
    struct stat st;
    int64_t ignored;
    int fd = -1;
    TRY(fs_join(path, w->s->uploads, name));
    if (blob_id_parse(str_of(name), &id).code || lstat(path, &st) != 0 ||
        clock_wall_ms() - st.st_mtim.tv_sec * INT64_C(1000) < w->min_age_ms)
        return OK;
    if (!s3_upload_note_open(w->s, id.hex, &fd))
        return OK;
    err e = OK;
    s3_key(w->s, &id, key);
    if (s3_upload_note(fd, upload_id, &ignored, &ignored)) {
        e = s3_upload_abort(w->s, key, upload_id);
        w->count += !e.code;
    }
    if (!e.code && unlink(path) != 0 && errno != ENOENT)
        e = ERR_SYS("removing '%s'", path);
    close(fd);
    return e;
}

err s3_sweep(void *engine, int64_t min_age_ms, int64_t *ret_count, int64_t *ret_bytes)
{
    struct s3 *s = engine;
    struct sweep w = { .s = s, .min_age_ms = s->orphan_ms };
    int64_t count = 0;
    if (min_age_ms > w.min_age_ms)
        w.min_age_ms = min_age_ms;
    TRY(blob_backend_folder.sweep(s->local, min_age_ms, &count, ret_bytes));
    TRY(fs_list(s->uploads, sweep_note, &w));
    TRY(sweep_uploads(&w));
    *ret_count = count + w.count;
    return OK;
}
