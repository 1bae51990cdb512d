/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_registry.c -- registered models of another tracking system: whose name may be taken. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "platform/track/import_internal.h"

enum { SOURCE_BYTES = 1024 };

static const str SCHEME = STR_INIT("mlflow-artifacts:/");

/* ------------------------------------------------------------------ names */

/* The name that a model of the source has here; empty: it is not here. */
static err name_of(struct store_tx *tx, struct import_write *w, str name, str *ret_name)
{
    union map_value *slot;
    bool is_new;
    TRY(map_put(&w->models, name, &slot, &is_new));
    if (is_new || !slot->ptr) {
        str found = STR_NONE;
        err e = store_get_text(store_tx_read(tx),
                               "SELECT name FROM registered_model_tags WHERE key = ?1"
                               " AND value = ?2",
                               ARGS(sql_cstr(w->im->mark), sql_text(name)), &w->keep, &found);
        if (e.code && e.code != ERR_NOT_FOUND)
            return e;
        TRY(map_put(&w->models, name, &slot, &is_new));
        slot->ptr = e.code ? NULL : arena_cstr(&w->keep, found);
    }
    *ret_name = str_of(slot->ptr);
    return OK;
}

/* Somebody else's: one that was made at the same moment is this very one, imported before from
 * where the source was then. */
static err is_taken(struct store_tx *tx, str name, const struct store_value *v, bool *ret_taken)
{
    int64_t count;
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM registered_models WHERE name = ?1 AND created_ms <> ?2",
                      ARGS(sql_text(name), v[2]), &count));
    *ret_taken = count > 0;
    return OK;
}

static err put_model(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    const struct store_value *v = line->values;
    str name = v[0].bytes, here;
    int64_t added;
    bool taken;
    TRY(name_of(tx, w, name, &here));
    if (here.len || !name.len)
        return import_settle(tx, w, line, 0, NULL, NO_ARGS);
    TRY(is_taken(tx, name, v, &taken));
    if (taken) {
        name = arena_fmt(&w->keep, "%.*s (imported)", STR_ARG(name));
        ARENA_TRY(name.ptr);
        TRY(is_taken(tx, name, v, &taken));
    }
    if (taken) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(store_exec(tx,
                   "INSERT INTO registered_models (name, kind, description, created_ms, updated_ms)"
                   " VALUES (?1, 'mlflow', ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                   ARGS(sql_text(name), v[1], v[2], v[3]), &added));
    TRY(store_exec(tx,
                   "INSERT INTO registered_model_tags (name, key, value) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (name, key) DO UPDATE SET value = excluded.value",
                   ARGS(sql_text(name), sql_cstr(w->im->mark), v[0]), NULL));
    return import_settle(tx, w, line, added, NULL, NO_ARGS);
}

/* ------------------------------------------------------------------ versions */

static err run_location(struct store_tx *tx, str run_id, char out[64])
{
    int64_t experiment = -1;
    err e = run_id.len ? store_get_int(store_tx_read(tx),
                                       "SELECT experiment_id FROM runs WHERE run_id = ?1",
                                       ARGS(sql_text(run_id)), &experiment)
                       : OK;
    out[0] = '\0';
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    if (experiment >= 0)
        snprintf(out, 64, "%.*s%lld/", STR_ARG(SCHEME), (long long)experiment);
    return OK;
}

/* Where the files of a version are now: those of its run, or below its experiment, have moved to
 * us. */
static err source_here(struct store_tx *tx, struct import_write *w, str source, str run_id,
                       char out[SOURCE_BYTES])
{
    char location[64], inside[64];
    int64_t id, experiment = -1;
    snprintf(out, SOURCE_BYTES, "%.*s", STR_ARG(source));
    TRY(run_location(tx, run_id, location));
    snprintf(inside, sizeof inside, "%.*s/artifacts", STR_ARG(str_sub(run_id, 0, 40)));
    ptrdiff_t at = run_id.len ? str_find(source, str_of(inside)) : -1;
    if (location[0] && at >= 0) {
        snprintf(out, SOURCE_BYTES, "%s%.*s", location,
                 STR_ARG(str_sub(source, (size_t)at, source.len)));
        return OK;
    }
    if (!str_starts(source, SCHEME))
        return OK;
    str rest = str_sub(source, SCHEME.len, source.len);
    while (str_starts(rest, STR("/")))
        rest = str_sub(rest, 1, rest.len);
    str number = str_split(&rest, '/');
    if (!str_to_i64(number, &id).code)
        TRY(import_experiment_of(tx, w, id, &experiment));
    if (experiment >= 0)
        snprintf(out, SOURCE_BYTES, "%.*s%lld/%.*s", STR_ARG(SCHEME), (long long)experiment,
                 STR_ARG(rest));
    return OK;
}

static err put_version(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    static const str logged = STR_INIT("models:/m-");
    const struct store_value *v = line->values;
    char id[UUID_BYTES], source[SOURCE_BYTES];
    int64_t added;
    str name;
    TRY(name_of(tx, w, v[0].bytes, &name));
    if (!name.len) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    str said = v[7].type == STORE_TEXT ? v[7].bytes : STR_NONE;
    str run_id = v[8].type == STORE_TEXT ? v[8].bytes : STR_NONE;
    str model_id = str_starts(said, logged) ? str_sub(said, logged.len - 2, said.len) : STR_NONE;
    TRY(source_here(tx, w, said, run_id, source));
    rand_uuid(id);
    TRY(store_exec(tx,
                   "INSERT INTO model_versions (id, name, version, kind, stage, status,"
                   " status_message, description, user_id, source, run_id, run_link, bytes,"
                   " created_ms, updated_ms, model_id) VALUES (?1, ?2, ?3, 'mlflow', ?4, ?5, ?6,"
                   " ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13, ?14) ON CONFLICT DO NOTHING",
                   ARGS(sql_cstr(id), sql_text(name), v[1], v[2], v[3], v[4], v[5], v[6],
                        sql_cstr(source), sql_text_opt(run_id), v[9], v[10], v[11],
                        sql_text_opt(model_id)),
                   &added));
    return import_settle(tx, w, line, added,
                         "SELECT COUNT(*) FROM model_versions WHERE name = ?1 AND version = ?2"
                         " AND stage = ?3",
                         ARGS(sql_text(name), v[1], v[2]));
}

/* ------------------------------------------------------------------ tags, aliases */

static err put_version_tag(struct store_tx *tx, struct import_write *w,
                           const struct import_line *line, str name)
{
    const struct store_value *v = line->values;
    int64_t added;
    str id;
    err e = store_get_text(store_tx_read(tx),
                           "SELECT id FROM model_versions WHERE name = ?1 AND version = ?2",
                           ARGS(sql_text(name), v[1]), &w->keep, &id);
    if (e.code == ERR_NOT_FOUND) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(e);
    TRY(store_exec(tx,
                   "INSERT INTO model_version_tags (version_id, key, value) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT DO NOTHING",
                   ARGS(sql_text(id), v[2], v[3]), &added));
    return import_settle(tx, w, line, added,
                         "SELECT COUNT(*) FROM model_version_tags WHERE version_id = ?1"
                         " AND key = ?2 AND value = ?3",
                         ARGS(sql_text(id), v[2], v[3]));
}

static err put_alias(struct store_tx *tx, struct import_write *w, const struct import_line *line,
                     str name)
{
    const struct store_value *v = line->values;
    int64_t added, there;
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM model_versions WHERE name = ?1 AND version = ?2",
                      ARGS(sql_text(name), v[2]), &there));
    if (!there) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(store_exec(tx,
                   "INSERT INTO model_aliases (name, alias, version) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT DO NOTHING",
                   ARGS(sql_text(name), v[1], v[2]), &added));
    return import_settle(tx, w, line, added,
                         "SELECT COUNT(*) FROM model_aliases WHERE name = ?1 AND alias = ?2"
                         " AND version = ?3",
                         ARGS(sql_text(name), v[1], v[2]));
}

err import_put_registry(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t added;
    str name;
    if (line->kind == IMPORT_MODEL)
        return put_model(tx, w, line);
    if (line->kind == IMPORT_VERSION)
        return put_version(tx, w, line);
    TRY(name_of(tx, w, v[0].bytes, &name));
    if (!name.len) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    if (line->kind == IMPORT_VERSION_TAG)
        return put_version_tag(tx, w, line, name);
    if (line->kind == IMPORT_ALIAS)
        return put_alias(tx, w, line, name);
    TRY(store_exec(tx,
                   "INSERT INTO registered_model_tags (name, key, value) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT DO NOTHING",
                   ARGS(sql_text(name), v[1], v[2]), &added));
    return import_settle(tx, w, line, added,
                         "SELECT COUNT(*) FROM registered_model_tags WHERE name = ?1 AND key = ?2"
                         " AND value = ?3",
                         ARGS(sql_text(name), v[1], v[2]));
}
