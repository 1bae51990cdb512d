/* SPDX-License-Identifier: GPL-3.0-or-later */
/* registry.c -- names in the registry, as MLflow's clients make, change and delete them. */
#include <string.h>

#include "base/clock.h"
#include "platform/track/client_internal.h"
#include "platform/track/registry_internal.h"

enum { NAME_BYTES_MAX = 1000, TAG_CHARACTERS_MAX = 100000, SHOWN_BYTES = 100 };
#define SCRATCH_BYTES (1024u * 1024u)

/* ------------------------------------------------------------------ checks */

static err check_name(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '/' || name.ptr[i] == ':')
            return ERR(ERR_INVALID, "Invalid model name '%.*s'. Names cannot contain '/' or ':'.",
                       STR_ARG(str_sub(name, 0, SHOWN_BYTES)));
    return track_check_name("Registered model name", name, NAME_BYTES_MAX, "");
}

static err check_tag(str key, str value)
{
    TRY(client_check_key(NULL, 0, "key", key));
    if (value.len > TAG_CHARACTERS_MAX && client_characters(value) > TAG_CHARACTERS_MAX)
        return ERR(ERR_INVALID, "'value' exceeds the maximum length of %d characters",
                   TAG_CHARACTERS_MAX);
    return OK;
}

err registry_check_tags(const struct track_tag *tags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        TRY(check_tag(tags[i].key, tags[i].value));
    return OK;
}

static err taken(str name)
{
    return ERR(ERR_CONFLICT, "Registered Model (name=%.*s) already exists.",
               STR_ARG(str_sub(name, 0, SHOWN_BYTES)));
}

static err is_there(struct store_read *rd, str name, bool *ret_is_there)
{
    int64_t count = 0;
    TRY(store_get_int(rd, "SELECT COUNT(*) FROM registered_models WHERE name = ?1",
                      ARGS(sql_text(name)), &count));
    *ret_is_there = count > 0;
    return OK;
}

err registry_need_model(struct store_read *rd, str name)
{
    bool there = false;
    TRY(is_there(rd, name, &there));
    return there ? OK : registry_no_model(name);
}

err registry_touch(struct store_tx *tx, str name)
{
    return store_exec(tx, "UPDATE registered_models SET updated_ms = ?2 WHERE name = ?1",
                      ARGS(sql_text(name), sql_int(clock_wall_ms())), NULL);
}

/* ------------------------------------------------------------------ create */

struct change {
    struct track *track;
    str name, new_name, description, key, value, username;
    const struct track_tag *tags;
    size_t tag_count;
    arena *scratch;
};

static err tag_put(struct store_tx *tx, str name, str key, str value)
{
    return store_exec(tx,
                      "INSERT INTO registered_model_tags (name, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (name, key) DO UPDATE SET value = excluded.value",
                      ARGS(sql_text(name), sql_text(key), sql_text(value)), NULL);
}

/* what: NULL for what is no change of a part. */
static err tell(struct store_tx *tx, const struct change *c, const char *what)
{
    return track_tell_model(
        c->track, tx,
        &(struct model_news){
            .type = "model.changed", .name = c->name, .what = what, .key = c->key });
}

static err create_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    int64_t added = 0;
    TRY(store_exec(tx,
                   "INSERT INTO registered_models (name, kind, description, created_ms, updated_ms)"
                   " VALUES (?1, '" REGISTRY_KIND_CLIENT "', ?2, ?3, ?3)"
                   " ON CONFLICT (name) DO NOTHING",
                   ARGS(sql_text(c->name), sql_text_opt(c->description), sql_int(clock_wall_ms())),
                   &added));
    if (!added)
        return taken(c->name);
    for (size_t i = 0; i < c->tag_count; i++)
        TRY(tag_put(tx, c->name, c->tags[i].key, c->tags[i].value));
    return tell(tx, c, NULL);
}

err registry_model_create(struct track *t, str name, str description, const struct track_tag *tags,
                          size_t tag_count)
{
    struct change c = {
        .track = t, .name = name, .description = description, .tags = tags, .tag_count = tag_count
    };
    TRY(check_name(name));
    TRY(registry_check_tags(tags, tag_count));
    return store_write(t->store, create_fn, &c);
}

/* ------------------------------------------------------------------ describe and tag */

static err describe_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    TRY(registry_need_model(store_tx_read(tx), c->name));
    TRY(store_exec(
        tx, "UPDATE registered_models SET description = ?2, updated_ms = ?3 WHERE name = ?1",
        ARGS(sql_text(c->name), sql_text_opt(c->description), sql_int(clock_wall_ms())), NULL));
    return tell(tx, c, "description");
}

err registry_model_describe(struct track *t, str name, str description)
{
    return store_write(t->store, describe_fn,
                       &(struct change){ .track = t, .name = name, .description = description });
}

static err tag_set_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    TRY(registry_need_model(store_tx_read(tx), c->name));
    TRY(tag_put(tx, c->name, c->key, c->value));
    return tell(tx, c, "tag");
}

err registry_model_tag_set(struct track *t, str name, str key, str value)
{
    TRY(check_tag(key, value));
    return store_write(t->store, tag_set_fn,
                       &(struct change){ .track = t, .name = name, .key = key, .value = value });
}

static err tag_delete_fn(struct store_tx *tx, void *arg)
{
    const struct change *c = arg;
    TRY(registry_need_model(store_tx_read(tx), c->name));
    TRY(store_exec(tx, "DELETE FROM registered_model_tags WHERE name = ?1 AND key = ?2",
                   ARGS(sql_text(c->name), sql_text(c->key)), NULL));
    return tell(tx, c, "tag");
}

err registry_model_tag_delete(struct track *t, str name, str key)
{
    return store_write(t->store, tag_delete_fn,
                       &(struct change){ .track = t, .name = name, .key = key });
}

/* ------------------------------------------------------------------ rename */

/* Aliases refer to versions, and versions to the name, so none of the three can change first: the
 * aliases wait in memory meanwhile. */
static err aliases_read(struct store_read *rd, const struct change *c, struct track_tag **ret_list,
                        int64_t **ret_versions, size_t *ret_count)
{
    struct store_rows *rows;
    int64_t count = 0;
    size_t got = 0;
    TRY(store_get_int(rd, "SELECT COUNT(*) FROM model_aliases WHERE name = ?1",
                      ARGS(sql_text(c->name)), &count));
    *ret_list = NEW_ARRAY(c->scratch, struct track_tag, (size_t)count + 1);
    *ret_versions = NEW_ARRAY(c->scratch, int64_t, (size_t)count + 1);
    ARENA_TRY(*ret_list && *ret_versions);
    TRY(store_query(rd, "SELECT alias, version FROM model_aliases WHERE name = ?1",
                    ARGS(sql_text(c->name)), &rows));
    while (got < (size_t)count && store_next(rows)) {
        (*ret_list)[got].key = store_col_text_keep(rows, 0, c->scratch);
        (*ret_versions)[got++] = store_col_int(rows, 1);
    }
    *ret_count = got;
    TRY(store_rows_close(rows));
    return arena_check(c->scratch);
}

static err rename_fn(struct store_tx *tx, void *arg)
{
    static const char *const moves[] = {
        "INSERT INTO registered_models (name, kind, display_name, description, created_ms,"
        " updated_ms) SELECT ?2, kind, display_name, description, created_ms, updated_ms"
        " FROM registered_models WHERE name = ?1",
        "UPDATE model_versions SET name = ?2 WHERE name = ?1",
        "UPDATE registered_model_tags SET name = ?2 WHERE name = ?1",
        "UPDATE model_promotions SET name = ?2 WHERE name = ?1",
    };
    const struct change *c = arg;
    struct track_tag *aliases;
    int64_t *versions;
    size_t count = 0;
    bool there = false;
    TRY(registry_need_model(store_tx_read(tx), c->name));
    TRY(is_there(store_tx_read(tx), c->new_name, &there));
    if (there)
        return taken(c->new_name);
    TRY(aliases_read(store_tx_read(tx), c, &aliases, &versions, &count));
    TRY(store_exec(tx, "DELETE FROM model_aliases WHERE name = ?1", ARGS(sql_text(c->name)), NULL));
    for (size_t i = 0; i < COUNT_OF(moves); i++)
        TRY(store_exec(tx, moves[i], ARGS(sql_text(c->name), sql_text(c->new_name)), NULL));
    for (size_t i = 0; i < count; i++)
        TRY(store_exec(tx, "INSERT INTO model_aliases (name, alias, version) VALUES (?1, ?2, ?3)",
                       ARGS(sql_text(c->new_name), sql_text(aliases[i].key), sql_int(versions[i])),
                       NULL));
    TRY(store_exec(tx, "DELETE FROM registered_models WHERE name = ?1", ARGS(sql_text(c->name)),
                   NULL));
    TRY(registry_touch(tx, c->new_name));
    return track_tell_model(
        c->track, tx,
        &(struct model_news){ .type = "model.renamed", .name = c->new_name, .from = c->name });
}

static err write_with_scratch(struct track *t, store_write_fn fn, struct change *c)
{
    arena scratch;
    arena_init(&scratch, SCRATCH_BYTES);
    c->scratch = &scratch;
    err e = store_write(t->store, fn, c);
    arena_deinit(&scratch);
    return e;
}

err registry_model_rename(struct track *t, str name, str new_name)
{
    struct change c = { .track = t, .name = name, .new_name = new_name };
    TRY(check_name(new_name));
    if (!str_eq(name, new_name))
        TRY(write_with_scratch(t, rename_fn, &c));
    struct log_labels labels = { .component = STR("registry"), .model_id = new_name };
    log_event(t->log, LOG_INFO, &labels, "model.renamed", NULL, F_STR("from", name),
              F_STR("to", new_name));
    return OK;
}

/* ------------------------------------------------------------------ delete */

static err delete_fn(struct store_tx *tx, void *arg)
{
    static const char *const removals[] = {
        ("DELETE FROM model_version_tags WHERE version_id IN"
         " (SELECT id FROM model_versions WHERE name = ?1)"),
        "DELETE FROM model_versions WHERE name = ?1",
        "DELETE FROM registered_model_tags WHERE name = ?1",
        "DELETE FROM registered_models WHERE name = ?1",
    };
    const struct change *c = arg;
    int64_t ours = 0;
    TRY(registry_need_model(store_tx_read(tx), c->name));
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM model_versions WHERE name = ?1"
                      " AND kind <> '" REGISTRY_KIND_CLIENT "'",
                      ARGS(sql_text(c->name)), &ours));
    if (ours)
        return ERR(ERR_INVALID,
                   "Registered model '%.*s' has %lld versions that this server has trained: their "
                   "rows stay for lineage. Delete its versions one by one instead.",
                   STR_ARG(str_sub(c->name, 0, 60)), (long long)ours);
    TRY(model_aliases_drop_tx(c->track, tx, c->name, 0, c->username, STR("the model was deleted"),
                              c->scratch));
    for (size_t i = 0; i < COUNT_OF(removals); i++)
        TRY(store_exec(tx, removals[i], ARGS(sql_text(c->name)), NULL));
    return track_tell_model(c->track, tx,
                            &(struct model_news){ .type = "model.deleted", .name = c->name });
}

err registry_model_delete(struct track *t, str name, str username)
{
    struct change c = { .track = t, .name = name, .username = username };
    TRY(write_with_scratch(t, delete_fn, &c));
    struct log_labels labels = { .component = STR("registry"),
                                 .model_id = name,
                                 .username = username };
    log_event(t->log, LOG_INFO, &labels, "model.name_deleted", NULL, F_STR("name", name));
    return OK;
}
