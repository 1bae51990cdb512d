/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_text.c -- named texts in S3: objects at <prefix>/<folder>/<name>. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "platform/blobs/s3.h"

enum { TEXT_KEY_BYTES = S3_PREFIX_BYTES + 340 };

static void text_key(const struct s3 *s, const char *folder, const char *name,
                     char out[TEXT_KEY_BYTES])
{
    snprintf(out, TEXT_KEY_BYTES, "%s%.160s/%.160s", s->prefix, folder, name);
}

err s3_text_put(void *engine, const char *folder, const char *name, str text)
{
    struct s3 *s = engine;
    char key[TEXT_KEY_BYTES];
    struct buf body;
    struct s3_reply reply;
    text_key(s, folder, name, key);
    struct s3_call call = {
        .op = S3_PUT, .method = "PUT", .key = key, .has_body = true, .body = text
    };
    err e = s3_send(s, &call, &body, &reply);
    buf_deinit(&body);
    return err_wrap(e, "writing '%.60s/%.100s'", folder, name);
}

/* The body may be larger than what s3_send takes, and break off. */
static err get(struct s3 *s, const struct s3_call *call, struct buf *body)
{
    int64_t until_ns = clock_mono_ns() + s->retry_ms * 1000000;
    for (int tries = 1;; tries++) {
        struct net_call *nc = NULL;
        struct s3_reply reply;
        TRY(s3_begin(s, call, &nc, &reply));
        buf_clear(body);
        err e = net_read_all(nc, body);
        net_end(nc);
        if (!e.code || !s3_is_transient(&e) || clock_mono_ns() >= until_ns)
            return e;
        s3_pause(tries);
    }
}

err s3_text_get(void *engine, const char *folder, const char *name, arena *keep, size_t bytes_max,
                str *ret_text)
{
    struct s3 *s = engine;
    char key[TEXT_KEY_BYTES];
    struct buf body;
    text_key(s, folder, name, key);
    struct s3_call call = { .op = S3_GET, .method = "GET", .key = key };
    buf_init(&body, bytes_max);
    err e = get(s, &call, &body);
    if (!e.code) {
        *ret_text = arena_str(keep, buf_str(&body));
        e = arena_check(keep);
    }
    buf_deinit(&body);
    return err_wrap(e, "reading '%.60s/%.100s'", folder, name);
}

err s3_text_remove(void *engine, const char *folder, const char *name)
{
    struct s3 *s = engine;
    char key[TEXT_KEY_BYTES];
    struct buf body;
    struct s3_reply reply;
    text_key(s, folder, name, key);
    struct s3_call call = { .op = S3_DELETE, .method = "DELETE", .key = key };
    err e = s3_send(s, &call, &body, &reply);
    buf_deinit(&body);
    if (e.code == ERR_NOT_FOUND)
        return OK;
    return err_wrap(e, "removing '%.60s/%.100s'", folder, name);
}

struct text_listing {
    size_t skip; /* bytes of a key before the name */
    err (*fn)(void *arg, const char *name);
    void *arg;
};

static err list_one(void *arg, const struct s3_entry *entry)
{
    struct text_listing *l = arg;
    return strlen(entry->key) > l->skip ? l->fn(l->arg, entry->key + l->skip) : OK;
}

err s3_text_each(void *engine, const char *folder, err (*fn)(void *arg, const char *name),
                 void *arg)
{
    struct s3 *s = engine;
    struct s3_page page = { 0 };
    char prefix[TEXT_KEY_BYTES], token[S3_TEXT_BYTES];
    snprintf(prefix, sizeof prefix, "%s%.160s/", s->prefix, folder);
    struct text_listing l = { strlen(prefix), fn, arg };
    do {
        snprintf(token, sizeof token, "%s", page.next);
        TRY(s3_list_page(s, prefix, token, list_one, &l, &page, NULL));
    } while (page.is_truncated);
    return OK;
}

/* A bucket that keeps versions keeps this one. */
err s3_put_aside(void *engine, const struct blob_id *id)
{
    bool is_gone;
    return s3_remove(engine, id, 0, &is_gone);
}
