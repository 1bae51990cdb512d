/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_blobs.c -- from settings to a store of blobs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "platform/app/house_private.h"

enum {
    USAGE_KEPT_MS = 15000, /* a health page that is polled must not list a large bucket each time */
    BACKUP_LOCK_MS = 1000,
};

static err verify_of(str text, enum blobs_verify *ret_verify)
{
    static const struct {
        const char *name;
        enum blobs_verify verify;
    } names[] = { { "first", BLOBS_VERIFY_FIRST },
                  { "all", BLOBS_VERIFY_ALL },
                  { "size", BLOBS_VERIFY_SIZE } };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq(text, str_of(names[i].name))) {
            *ret_verify = names[i].verify;
            return OK;
        }
    }
    return ERR(ERR_INVALID, "setting SKERRY_S3_VERIFY='%.*s' must be first, all or size",
               STR_ARG(text));
}

/* Our setting, else the first of the variables that other tools use; the list ends with NULL. */
static const char *text_of(struct house *h, const char *name, const char *const *others)
{
    str text = setting_str(h, name);
    if (text.len)
        return arena_cstr(&h->keep, text);
    for (size_t i = 0; others && others[i]; i++) {
        const char *value = getenv(others[i]);
        if (value && value[0])
            return value;
    }
    return "";
}

static err s3_options(struct house *h, const char *local_folder, struct blobs_s3 *ret_options)
{
    static const char *const endpoints[] = { "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", NULL };
    static const char *const regions[] = { "AWS_REGION", "AWS_DEFAULT_REGION", NULL };
    static const char *const access[] = { "AWS_ACCESS_KEY_ID", NULL };
    static const char *const secrets[] = { "AWS_SECRET_ACCESS_KEY", NULL };
    static const char *const tokens[] = { "AWS_SESSION_TOKEN", NULL };
    /* Keys belong together: never half from here and half from there. */
    bool is_ours = setting_str(h, "SKERRY_S3_ACCESS_KEY").len ||
                   setting_str(h, "SKERRY_S3_SECRET_KEY").len;
    struct blobs_s3 options = {
        .endpoint = text_of(h, "SKERRY_S3_ENDPOINT", endpoints),
        .region = text_of(h, "SKERRY_S3_REGION", regions),
        .access_key = text_of(h, "SKERRY_S3_ACCESS_KEY", is_ours ? NULL : access),
        .secret_key = text_of(h, "SKERRY_S3_SECRET_KEY", is_ours ? NULL : secrets),
        .session_token = text_of(h, "SKERRY_S3_SESSION_TOKEN", is_ours ? NULL : tokens),
        .ca_file = text_of(h, "SKERRY_S3_CA_FILE", NULL),
        .local_folder = local_folder,
        .cache_bytes = setting_int(h, "SKERRY_S3_CACHE_BYTES"),
        .part_bytes = setting_int(h, "SKERRY_S3_PART_BYTES"),
        .parts_parallel = (int)setting_int(h, "SKERRY_S3_PARTS"),
        .retry_ms = setting_int(h, "SKERRY_S3_RETRY_SECONDS") * 1000,
        .grace_ms = setting_int(h, "SKERRY_S3_GRACE_SECONDS") * 1000,
        .orphan_ms = setting_int(h, "SKERRY_S3_ORPHAN_HOURS") * 3600 * 1000,
        .create_bucket = setting_bool(h, "SKERRY_S3_CREATE_BUCKET"),
    };
    TRY(verify_of(setting_str(h, "SKERRY_S3_VERIFY"), &options.verify));
    *ret_options = options;
    return arena_check(&h->keep);
}

err house_open_blobs(struct house *h)
{
    struct blobs_options options = { .log = h->log, .metrics = h->metrics };
    TRY(house_blobs_url(h, &options.url));
    if (!str_starts(str_of(options.url), STR("s3:")))
        return blobs_open_with(&options, &h->blobs);
    struct blobs_s3 s3;
    char local_folder[FS_PATH_BYTES];
    TRY(fs_join(local_folder, h->home, "s3"));
    TRY(s3_options(h, local_folder, &s3));
    options.s3 = &s3;
    options.usage_kept_ms = USAGE_KEPT_MS;
    if (h->metrics)
        TRY(metrics_register(h->metrics, blobs_metrics));
    else
        s3.cache_bytes = 0; /* what is read back must come from the server */
    return blobs_open_with(&options, &h->blobs);
}

/* ------------------------------------------------------------------ backups in S3 */

bool house_backup_is_s3(str where)
{
    return str_starts(where, STR("s3:"));
}

err house_backup_check(str where)
{
    if (!house_backup_is_s3(where))
        return OK;
    str rest = str_sub(where, 3, where.len);
    bool has_secret = memchr(rest.ptr, '@', rest.len) || memchr(rest.ptr, ':', rest.len);
    if (str_starts(rest, STR("//")) && rest.len > 2 && !has_secret)
        return OK;
    /* What was typed may hold a key: it is not said again. */
    return ERR(ERR_INVALID, "a backup in S3 is written s3://bucket/prefix; keys belong into "
                            "SKERRY_BACKUP_S3_ACCESS_KEY and SKERRY_BACKUP_S3_SECRET_KEY");
}

/* Settings of their own, where they are set; keys together or not at all. */
static err backup_options(struct house *h, const char *local_folder, struct blobs_s3 *ret_options)
{
    str endpoint = setting_str(h, "SKERRY_BACKUP_S3_ENDPOINT");
    str region = setting_str(h, "SKERRY_BACKUP_S3_REGION");
    str access_key = setting_str(h, "SKERRY_BACKUP_S3_ACCESS_KEY");
    str secret_key = setting_str(h, "SKERRY_BACKUP_S3_SECRET_KEY");
    TRY(s3_options(h, local_folder, ret_options));
    ret_options->cache_bytes = 0;
    if (endpoint.len)
        ret_options->endpoint = arena_cstr(&h->keep, endpoint);
    if (region.len)
        ret_options->region = arena_cstr(&h->keep, region);
    if (access_key.len || secret_key.len) {
        ret_options->access_key = arena_cstr(&h->keep, access_key);
        ret_options->secret_key = arena_cstr(&h->keep, secret_key);
        ret_options->session_token = "";
    }
    return arena_check(&h->keep);
}

/* One backup or verification at a time, on this machine and on those that share the store. */
static err backup_lock(struct house *h, struct house_backup *b)
{
    char path[FS_PATH_BYTES];
    TRY(fs_join(path, h->home, "backup-s3.lock"));
    TRY(err_wrap(fs_lock(path, STR("a backup"), &b->lock_fd), "another backup uses '%.60s'",
                 b->place.where));
    return err_wrap(store_lock(h->store, "backup", BACKUP_LOCK_MS, &b->lock),
                    "another machine's backup uses '%.60s'", b->place.where);
}

err house_backup_open(struct house *h, const char *where, bool is_locked, struct house_backup *ret)
{
    struct blobs_s3 s3;
    char local_folder[FS_PATH_BYTES];
    struct house_backup b = { .place = { .where = where }, .lock_fd = -1 };
    TRY(house_backup_check(str_of(where)));
    if (house_backup_is_s3(str_of(where))) {
        TRY(fs_join(local_folder, h->home, "backup-s3"));
        TRY(backup_options(h, local_folder, &s3));
        err e = is_locked ? backup_lock(h, &b) : OK;
        if (!e.code)
            e = blobs_open_with(&(struct blobs_options){ .url = where, .s3 = &s3, .log = h->log },
                                &b.place.objects);
        if (e.code) {
            house_backup_close(&b);
            return e;
        }
    }
    *ret = b;
    return OK;
}

void house_backup_close(struct house_backup *b)
{
    blobs_close(b->place.objects);
    store_unlock(b->lock);
    if (b->lock_fd >= 0)
        close(b->lock_fd);
}
