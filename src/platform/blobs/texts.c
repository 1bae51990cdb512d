/* SPDX-License-Identifier: GPL-3.0-or-later */
/* texts.c -- named texts beside the objects, and objects taken out of the way: what backups need of
 * a place besides blobs.
 */
#include <string.h>

#include "platform/blobs/internal.h"

enum { PART_BYTES_MAX = 160 };

/* A name becomes a path, or a key: nothing in it may lead elsewhere. */
static bool part_ok(str part)
{
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return part.len > 0 && part.len <= PART_BYTES_MAX && part.ptr[0] != '.';
}

static err name_check(const char *folder, const char *name)
{
    if (part_ok(str_of(folder)) && part_ok(str_of(name)))
        return OK;
    return ERR(ERR_INVALID, "'%.60s/%.60s' cannot be the name of a text", folder, name);
}

err blobs_text_put(struct blobs *b, const char *folder, const char *name, str text)
{
    TRY(name_check(folder, name));
    return b->backend->text_put(b->engine, folder, name, text);
}

err blobs_text_get(struct blobs *b, const char *folder, const char *name, arena *keep,
                   size_t bytes_max, str *ret_text)
{
    TRY(name_check(folder, name));
    return b->backend->text_get(b->engine, folder, name, keep, bytes_max, ret_text);
}

err blobs_text_remove(struct blobs *b, const char *folder, const char *name)
{
    TRY(name_check(folder, name));
    return b->backend->text_remove(b->engine, folder, name);
}

struct text_listing {
    err (*fn)(void *arg, const char *name);
    void *arg;
};

static err list_one(void *arg, const char *name)
{
    struct text_listing *l = arg;
    return part_ok(str_of(name)) ? l->fn(l->arg, name) : OK; /* not ours: leave it alone */
}

err blobs_text_each(struct blobs *b, const char *folder, err (*fn)(void *arg, const char *name),
                    void *arg)
{
    struct text_listing l = { fn, arg };
    TRY(name_check(folder, "x"));
    return b->backend->text_each(b->engine, folder, list_one, &l);
}

err blob_put_aside(struct blobs *b, const struct blob_id *id)
{
    struct blob_id checked;
    TRY(blob_id_parse(str_from(id->hex, strnlen(id->hex, sizeof id->hex)), &checked));
    blobs_set_verified(b, &checked, false);
    return b->backend->put_aside(b->engine, &checked);
}
