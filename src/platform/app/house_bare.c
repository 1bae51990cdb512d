/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_bare.c -- only the store and the blobs of an installation: of the target of a move or
 * restore, and of a backup that is looked at. Nothing is migrated, started or logged.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "platform/app/house_private.h"
#include "platform/serving/serving.h"

enum { BARE_ARENA_BYTES = 64 * 1024 * 1024 };

/* A path of its own where the URL names none: "sqlite:" and "file:" mean the data folder. */
static err place_of(struct house *h, str url, const char *scheme, const char *below,
                    const char **ret_url)
{
    str given = url.len && !str_eq(url, str_of(scheme))
                    ? url
                    : arena_fmt(&h->keep, "%s%s/%s", scheme, h->home, below);
    ARENA_TRY(given.ptr);
    *ret_url = arena_cstr(&h->keep, given);
    ARENA_TRY(*ret_url);
    return OK;
}

err house_store_url(struct house *h, const char **ret_url)
{
    return place_of(h, setting_str(h, "SKERRY_DB"), "sqlite:", "skerry.db", ret_url);
}

err house_blobs_url(struct house *h, const char **ret_url)
{
    return place_of(h, setting_str(h, "SKERRY_BLOBS"), "file:", "blobs", ret_url);
}

static err open_places(struct house *h, const struct house_bare *options)
{
    if (options->db)
        TRY(settings_put(&h->settings, "SKERRY_DB", options->db));
    if (options->blobs)
        TRY(settings_put(&h->settings, "SKERRY_BLOBS", options->blobs));
    if (!options->without_store) {
        const char *url;
        TRY(house_store_url(h, &url));
        TRY(store_open(&(struct store_options){ .url = url }, &h->store));
    }
    return options->without_blobs ? OK : house_open_blobs(h);
}

err house_open_bare(const struct house_bare *options, struct house **ret_house)
{
    struct house *h = calloc(1, sizeof *h);
    if (!h)
        return ERR(ERR_NO_MEMORY, "no memory to start");
    signal(SIGPIPE, SIG_IGN);
    h->mode = HOUSE_VERB;
    h->apps = app_registry;
    h->lock_fd = -1;
    arena_init(&h->keep, BARE_ARENA_BYTES);
    house_follow_init(h);
    while (h->apps[h->app_count])
        h->app_count++;
    err e = house_find_home(h, options->home);
    if (!e.code)
        e = settings_load(h->apps, h->home, &h->keep, &h->settings);
    if (!e.code && options->env_file)
        e = settings_overlay(&h->settings, options->env_file, &h->keep);
    if (!e.code)
        e = open_places(h, options);
    if (e.code) {
        house_close(h);
        return e;
    }
    *ret_house = h;
    return OK;
}

/* ------------------------------------------------------------------ what all houses have */

err house_schemas(const struct house *h, arena *keep, const struct move_schema **ret_schemas)
{
    const struct move_schema rooms[] = {
        { "move", move_migrations },       { "outbox", outbox_migrations },
        { "jobs", jobs_migrations },       { "track", track_migrations },
        { "serving", serving_migrations }, { "auth", auth_migrations },
    };
    struct move_schema *schemas = NEW_ARRAY(keep, struct move_schema,
                                            COUNT_OF(rooms) + h->app_count + 1);
    ARENA_TRY(schemas);
    memcpy(schemas, rooms, sizeof rooms);
    size_t count = COUNT_OF(rooms);
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->migrations)
            schemas[count++] = (struct move_schema){ h->apps[i]->name, h->apps[i]->migrations };
    *ret_schemas = schemas;
    return OK;
}

err house_roots(void *house, blob_mark_fn mark, void *mark_arg)
{
    struct house *h = house;
    TRY(track_roots_in(h->store, mark, mark_arg));
    TRY(jobs_roots_in(h->store, mark, mark_arg));
    for (size_t i = 0; i < h->app_count; i++)
        if (h->apps[i]->roots)
            TRY(h->apps[i]->roots(h, mark, mark_arg));
    return OK;
}
