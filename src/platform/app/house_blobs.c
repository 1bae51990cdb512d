/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_blobs.c -- from settings to a store of blobs. */
#include <stdlib.h>

#include "base/fs.h"
#include "platform/app/house_private.h"

/* A health page that is polled must not list a large bucket each time. */
enum { USAGE_KEPT_MS = 15000 };

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
    str url = setting_str(h, "SKERRY_BLOBS");
    str given = url.len ? url : arena_fmt(&h->keep, "file:%s/blobs", h->home);
    ARENA_TRY(given.ptr);
    struct blobs_options options = { .url = arena_cstr(&h->keep, given),
                                     .log = h->log,
                                     .metrics = h->metrics };
    ARENA_TRY(options.url);
    if (!str_starts(given, STR("s3:")))
        return blobs_open_with(&options, &h->blobs);
    struct blobs_s3 s3;
    char local_folder[FS_PATH_BYTES];
    TRY(fs_join(local_folder, h->home, "s3"));
    TRY(s3_options(h, local_folder, &s3));
    options.s3 = &s3;
    options.usage_kept_ms = USAGE_KEPT_MS;
    TRY(metrics_register(h->metrics, blobs_metrics));
    return blobs_open_with(&options, &h->blobs);
}
