/* SPDX-License-Identifier: GPL-3.0-or-later */
/* experiments.c -- making, reading, renaming, deleting and restoring experiments. */
#include "platform/track/experiments.h"

#include <stdio.h>

#include "base/clock.h"
#include "platform/track/client_internal.h"
#include "platform/track/retention.h"
#include "platform/track/track_internal.h"

enum {
    NAME_BYTES_MAX = 2000,
    NAME_CHARACTERS_MAX = 500,
    LOCATION_BYTES_MAX = 2048,
    TAG_VALUE_CHARACTERS_MAX = 20000,
};

static err not_found(int64_t id)
{
    return ERR(ERR_NOT_FOUND, "No Experiment with id=%lld exists", (long long)id);
}

static err check_tag(str key, str value)
{
    TRY(client_check_key(NULL, 0, "key", key));
    if (client_characters(value) > TAG_VALUE_CHARACTERS_MAX)
        return ERR(ERR_INVALID, "'value' exceeds the maximum length of %d characters",
                   TAG_VALUE_CHARACTERS_MAX);
    return retention_check_tag(key, value);
}

static err check_name(str name)
{
    if (client_characters(name) > NAME_CHARACTERS_MAX)
        return ERR(ERR_INVALID, "'name' exceeds the maximum length of %d characters",
                   NAME_CHARACTERS_MAX);
    return track_check_name("Experiment name", name, NAME_BYTES_MAX, "");
}

/* Other stores are taken as they are: the clients go there themselves. */
static err check_location(str location)
{
    str scheme = location;
    ptrdiff_t colon = str_find_char(location, ':');
    scheme.len = colon > 0 ? (size_t)colon : 0;
    if (location.len > LOCATION_BYTES_MAX)
        return ERR(ERR_INVALID, "'artifact_location' exceeds the maximum length of %d characters",
                   LOCATION_BYTES_MAX);
    if (str_find_char(location, '#') >= 0 || str_find_char(location, ';') >= 0)
        return ERR(ERR_INVALID, "'artifact_location' URL can't include fragments or params.");
    if (str_eq_nocase(scheme, STR("runs")))
        return ERR(ERR_INVALID, "Artifact location cannot be a runs:/ URI. Given: '%.*s'",
                   STR_ARG(str_sub(location, 0, 100)));
    if (str_eq_nocase(scheme, STR("http")) || str_eq_nocase(scheme, STR("https")) ||
        str_eq_nocase(scheme, STR("ftp")))
        return ERR(ERR_INVALID,
                   "'artifact_location' cannot use the '%.*s' scheme: it addresses a host other "
                   "than the tracking server's artifact storage. Leave it out to keep files here.",
                   STR_ARG(scheme));
    return OK;
}

/* ------------------------------------------------------------------ create */

struct create {
    const struct experiment_spec *spec;
    int64_t id;
};

static err tag_put(struct store_tx *tx, int64_t id, str key, str value)
{
    return store_exec(tx,
                      "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value",
                      ARGS(sql_int(id), sql_text(key), sql_text(value)), NULL);
}

/* With the next number. An empty location is the one that the number makes. */
static err experiment_add(struct store_tx *tx, str name, str location, int64_t *ret_id)
{
    int64_t now_ms = clock_wall_ms(), added = 0, id;
    char made[64];
    TRY(store_get_int(store_tx_read(tx), EXPERIMENT_NEXT_ID, NO_ARGS, &id));
    snprintf(made, sizeof made, "mlflow-artifacts:/%lld", (long long)id);
    TRY(store_exec(tx,
                   "INSERT INTO experiments (experiment_id, name, artifact_location,"
                   " lifecycle_stage, creation_time, last_update_time)"
                   " VALUES (?1, ?2, ?3, 'active', ?4, ?4) ON CONFLICT (name) DO NOTHING",
                   ARGS(sql_int(id), sql_text(name),
                        location.len ? sql_text(location) : sql_cstr(made), sql_int(now_ms)),
                   &added));
    if (!added)
        return ERR(ERR_CONFLICT, "Experiment(name=%.*s) already exists.", STR_ARG(name));
    *ret_id = id;
    return OK;
}

err track_experiment_need(struct store_tx *tx, str name, int64_t *ret_id)
{
    struct store_read *rd = store_tx_read(tx);
    int64_t id = 0;

    if (name.len == 0) {
        *ret_id = 0;
        return OK;
    }
    TRY(track_check_name("experiment name", name, NAME_BYTES_MAX, ""));
    struct store_rows *rows;
    TRY(store_query(rd, "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?1",
                    ARGS(sql_text(name)), &rows));
    bool found = store_next(rows);
    bool deleted = false;
    if (found) {
        id = store_col_int(rows, 0);
        deleted = str_eq(store_col_text(rows, 1), STR("deleted"));
    }
    TRY(store_rows_close(rows));
    if (deleted)
        return ERR(ERR_CONFLICT, "experiment '%.*s' is deleted: restore it or use another name",
                   STR_ARG(name));
    if (found) {
        *ret_id = id;
        return OK;
    }
    return experiment_add(tx, name, STR_NONE, ret_id);
}

static err create_fn(struct store_tx *tx, void *arg)
{
    struct create *c = arg;
    const struct experiment_spec *spec = c->spec;
    TRY(experiment_add(tx, spec->name, spec->artifact_location, &c->id));
    for (size_t i = 0; i < spec->tag_count; i++)
        TRY(tag_put(tx, c->id, spec->tags[i].key, spec->tags[i].value));
    return OK;
}

err experiment_create(struct track *t, const struct experiment_spec *spec, int64_t *ret_id)
{
    struct create c = { .spec = spec };
    TRY(check_name(spec->name));
    TRY(check_location(spec->artifact_location));
    for (size_t i = 0; i < spec->tag_count; i++) {
        TRY(check_tag(spec->tags[i].key, spec->tags[i].value));
        for (size_t j = 0; j < i; j++)
            if (str_eq(spec->tags[i].key, spec->tags[j].key))
                return ERR(ERR_CONFLICT, "Tag '%.*s' is given twice: an experiment has one value",
                           STR_ARG(str_sub(spec->tags[i].key, 0, 60)));
    }
    TRY(store_write(t->store, create_fn, &c));
    *ret_id = c.id;
    return OK;
}

/* ------------------------------------------------------------------ read */

struct read {
    int64_t id; /* -1: by name */
    str name;
    arena *keep;
    struct experiment_info info;
};

static err experiment_read_tags(struct store_read *rd, struct experiment_info *info, arena *keep)
{
    struct store_rows *rows;
    int64_t count;
    TRY(store_get_int(rd, "SELECT COUNT(*) FROM experiment_tags WHERE experiment_id = ?1",
                      ARGS(sql_int(info->id)), &count));
    info->tag_count = 0;
    info->tags = NEW_ARRAY(keep, struct track_tag, (size_t)count + 1);
    ARENA_TRY(info->tags);
    TRY(store_query(rd,
                    "SELECT key, value FROM experiment_tags WHERE experiment_id = ?1 ORDER BY key",
                    ARGS(sql_int(info->id)), &rows));
    while (info->tag_count < (size_t)count && store_next(rows))
        info->tags[info->tag_count++] = (struct track_tag){ store_col_text_keep(rows, 0, keep),
                                                            store_col_text_keep(rows, 1, keep) };
    TRY(store_rows_close(rows));
    return arena_check(keep);
}

#define COLUMNS                                                                \
    "SELECT experiment_id, name, artifact_location,"                           \
    " CASE WHEN lifecycle_stage = 'deleted' THEN 1 ELSE 0 END, creation_time," \
    " last_update_time FROM experiments"

static struct experiment_info row_read(struct store_rows *rows, arena *keep)
{
    return (struct experiment_info){
        .id = store_col_int(rows, 0),
        .name = store_col_text_keep(rows, 1, keep),
        .artifact_location = store_col_text_keep(rows, 2, keep),
        .is_deleted = store_col_int(rows, 3) != 0,
        .created_ms = store_col_int(rows, 4),
        .updated_ms = store_col_int(rows, 5),
    };
}

static err read_fn(struct store_read *rd, void *arg)
{
    struct read *r = arg;
    struct store_rows *rows;
    if (r->id >= 0)
        TRY(store_query(rd, COLUMNS " WHERE experiment_id = ?1", ARGS(sql_int(r->id)), &rows));
    else
        TRY(store_query(rd, COLUMNS " WHERE name = ?1", ARGS(sql_text(r->name)), &rows));
    bool found = store_next(rows);
    if (found)
        r->info = row_read(rows, r->keep);
    TRY(store_rows_close(rows));
    if (!found && r->id >= 0)
        return not_found(r->id);
    if (!found)
        return ERR(ERR_NOT_FOUND, "Could not find experiment with name '%.*s'", STR_ARG(r->name));
    return experiment_read_tags(rd, &r->info, r->keep);
}

static err read_one(struct track *t, struct read *r, struct experiment_info *ret_info)
{
    TRY(store_read(t->store, read_fn, r));
    *ret_info = r->info;
    return OK;
}

err experiment_get(struct track *t, int64_t id, arena *keep, struct experiment_info *ret_info)
{
    if (id < 0)
        return not_found(id);
    return read_one(t, &(struct read){ .id = id, .keep = keep }, ret_info);
}

err experiment_get_by_name(struct track *t, str name, arena *keep, struct experiment_info *ret_info)
{
    return read_one(t, &(struct read){ .id = -1, .name = name, .keep = keep }, ret_info);
}

struct read_many {
    const int64_t *ids;
    size_t count;
    arena *keep;
    struct experiment_info *infos;
    size_t found;
};

/* Both statements are kept by the store, and each row is found by its key. */
static err read_many_fn(struct store_read *rd, void *arg)
{
    struct read_many *r = arg;
    r->found = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct store_rows *rows;
        TRY(store_query(rd, COLUMNS " WHERE experiment_id = ?1", ARGS(sql_int(r->ids[i])), &rows));
        bool found = store_next(rows);
        if (found)
            r->infos[r->found] = row_read(rows, r->keep);
        TRY(store_rows_close(rows));
        if (found)
            TRY(experiment_read_tags(rd, &r->infos[r->found++], r->keep));
    }
    return OK;
}

err experiments_read(struct track *t, const int64_t *ids, size_t count, arena *keep,
                     struct experiment_info **ret_infos, size_t *ret_count)
{
    struct read_many r = { .ids = ids, .count = count, .keep = keep };
    r.infos = NEW_ARRAY(keep, struct experiment_info, count + 1);
    ARENA_TRY(r.infos);
    TRY(store_read(t->store, read_many_fn, &r));
    *ret_infos = r.infos;
    *ret_count = r.found;
    return OK;
}

/* ------------------------------------------------------------------ change */

static err stage_of(struct store_read *rd, int64_t id, bool *ret_is_active)
{
    int64_t active = 0;
    err e = store_get_int(rd,
                          "SELECT CASE WHEN lifecycle_stage = 'active' THEN 1 ELSE 0 END"
                          " FROM experiments WHERE experiment_id = ?1",
                          ARGS(sql_int(id)), &active);
    if (e.code == ERR_NOT_FOUND)
        return not_found(id);
    *ret_is_active = active;
    return e;
}

err experiment_need_active(struct store_read *rd, int64_t id)
{
    bool is_active = false;
    TRY(stage_of(rd, id, &is_active));
    if (!is_active)
        return ERR(ERR_INVALID,
                   "The experiment %lld must be in the 'active' state. Current state is deleted.",
                   (long long)id);
    return OK;
}

struct change {
    int64_t id;
    str key, value; /* of a tag; or value: the new name */
};

static err rename_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    int64_t other = c->id;
    TRY(experiment_need_active(store_tx_read(tx), c->id));
    err e = store_get_int(store_tx_read(tx),
                          "SELECT experiment_id FROM experiments WHERE name = ?1",
                          ARGS(sql_text(c->value)), &other);
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    if (other != c->id)
        return ERR(ERR_CONFLICT, "Experiment(name=%.*s) already exists.", STR_ARG(c->value));
    return store_exec(
        tx, "UPDATE experiments SET name = ?2, last_update_time = ?3 WHERE experiment_id = ?1",
        ARGS(sql_int(c->id), sql_text(c->value), sql_int(clock_wall_ms())), NULL);
}

err experiment_rename(struct track *t, int64_t id, str name)
{
    TRY(check_name(name));
    return store_write(t->store, rename_fn, &(struct change){ .id = id, .value = name });
}

/* Its runs change with it; which of them had been deleted before is not remembered, as in MLflow.
 */
static err set_stage(struct store_tx *tx, int64_t id, const char *stage, bool deleted)
{
    int64_t now_ms = clock_wall_ms();
    TRY(store_exec(tx,
                   "UPDATE experiments SET lifecycle_stage = ?2, last_update_time = ?3"
                   " WHERE experiment_id = ?1",
                   ARGS(sql_int(id), sql_cstr(stage), sql_int(now_ms)), NULL));
    return store_exec(tx,
                      "UPDATE runs SET lifecycle_stage = ?2, deleted_ms = ?3"
                      " WHERE experiment_id = ?1 AND lifecycle_stage <> ?2 AND purge_ms IS NULL",
                      ARGS(sql_int(id), sql_cstr(stage), deleted ? sql_int(now_ms) : sql_null()),
                      NULL);
}

static err delete_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    bool is_active = false;
    TRY(stage_of(store_tx_read(tx), c->id, &is_active));
    return is_active ? set_stage(tx, c->id, "deleted", true) : not_found(c->id);
}

err experiment_delete(struct track *t, int64_t id)
{
    return store_write(t->store, delete_fn, &(struct change){ .id = id });
}

static err restore_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    bool is_active = false;
    TRY(stage_of(store_tx_read(tx), c->id, &is_active));
    return is_active ? not_found(c->id) : set_stage(tx, c->id, "active", false);
}

err experiment_restore(struct track *t, int64_t id)
{
    return store_write(t->store, restore_fn, &(struct change){ .id = id });
}

static err tag_set_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    TRY(experiment_need_active(store_tx_read(tx), c->id));
    return tag_put(tx, c->id, c->key, c->value);
}

err experiment_tag_set(struct track *t, int64_t id, str key, str value)
{
    TRY(check_tag(key, value));
    return store_write(t->store, tag_set_fn,
                       &(struct change){ .id = id, .key = key, .value = value });
}

static err tag_delete_fn(struct store_tx *tx, void *arg)
{
    struct change *c = arg;
    int64_t gone = 0;
    TRY(experiment_need_active(store_tx_read(tx), c->id));
    TRY(store_exec(tx, "DELETE FROM experiment_tags WHERE experiment_id = ?1 AND key = ?2",
                   ARGS(sql_int(c->id), sql_text(c->key)), &gone));
    if (!gone)
        return ERR(ERR_NOT_FOUND, "No tag with name: %.*s in experiment with id %lld",
                   STR_ARG(c->key), (long long)c->id);
    return OK;
}

err experiment_tag_delete(struct track *t, int64_t id, str key)
{
    return store_write(t->store, tag_delete_fn, &(struct change){ .id = id, .key = key });
}
