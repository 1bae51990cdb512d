/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_put.c -- how a batch of an import becomes rows.
 *
 * Nearly every kind is one INSERT that gives way to what is there, and one question for when it
 * did: is it the same? Experiments and registered models have names that may be taken; metrics go
 * in bulk.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "platform/track/import_internal.h"

enum { VALUE_SHOWN = 40 };

static struct store_args row_args(const struct import_line *line)
{
    return (struct store_args){ line->values, strlen(import_shapes[line->kind].columns) };
}

static str text_of(const struct import_line *line, int column)
{
    return line->values[column].type == STORE_TEXT ? line->values[column].bytes : STR_NONE;
}

static void differs(struct import_write *w, const struct import_line *line, str what, str detail)
{
    w->counts[line->kind].different++;
    if (w->difference_count == IMPORT_DIFFERENCES_MAX)
        return;
    struct import_difference *d = &w->differences[w->difference_count++];
    d->kind = line->kind;
    snprintf(d->what, sizeof d->what, "%.*s %.*s", STR_ARG(str_sub(what, 0, 64)),
             STR_ARG(str_sub(detail, 0, VALUE_SHOWN)));
    d->what[str_utf8_valid_len(str_of(d->what))] = '\0';
}

/* Added, or here already: the same, or another. */
err import_settle(struct store_tx *tx, struct import_write *w, const struct import_line *line,
                  int64_t added, const char *is_same, struct store_args args)
{
    int64_t same = 1;
    if (added) {
        w->counts[line->kind].added++;
        return OK;
    }
    if (is_same)
        TRY(store_get_int(store_tx_read(tx), is_same, args, &same));
    if (same)
        w->counts[line->kind].same++;
    else
        differs(w, line, text_of(line, 0), text_of(line, 1));
    return OK;
}

/* ------------------------------------------------------------------ parents */

static const char *const parent_sql[] = {
    [PARENT_RUN] = "SELECT COUNT(*) FROM runs WHERE run_id = ?1 AND origin = 'client'",
    [PARENT_LOGGED_MODEL] = "SELECT COUNT(*) FROM logged_models WHERE model_id = ?1",
    [PARENT_TRACE] = "SELECT COUNT(*) FROM traces WHERE trace_id = ?1",
};

err import_has_parent(struct store_tx *tx, struct import_write *w, enum import_parent parent,
                      str id, bool *ret_has)
{
    int64_t count;
    if (!w->parent[parent].ptr || !str_eq(w->parent[parent], id)) {
        TRY(store_get_int(store_tx_read(tx), parent_sql[parent], ARGS(sql_text(id)), &count));
        w->parent[parent] = id; /* in the batch's memory */
        w->parent_is_here[parent] = count > 0;
        if (parent == PARENT_RUN)
            TRY(client_data_forget(tx, id));
    }
    *ret_has = w->parent_is_here[parent];
    return OK;
}

/* ------------------------------------------------------------------ rows of one INSERT */

struct plain {
    enum import_parent parent;
    int parent_column;
    const char *insert, *is_same;
};

static const struct plain plains[IMPORT_KIND_COUNT] = {
    [IMPORT_PARAM] = { PARENT_RUN, 0,
                       "INSERT INTO params (run_id, key, value) VALUES (?1, ?2, ?3)"
                       " ON CONFLICT DO NOTHING",
                       "SELECT COUNT(*) FROM params WHERE run_id = ?1 AND key = ?2"
                       " AND value = ?3" },
    [IMPORT_TAG] = { PARENT_RUN, 0,
                     "INSERT INTO tags (run_id, key, value) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT DO NOTHING",
                     "SELECT COUNT(*) FROM tags WHERE run_id = ?1 AND key = ?2 AND value = ?3" },
    [IMPORT_LOGGED_PARAM] = { PARENT_LOGGED_MODEL, 0,
                              "INSERT INTO logged_model_params (model_id, key, value)"
                              " VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                              "SELECT COUNT(*) FROM logged_model_params WHERE model_id = ?1"
                              " AND key = ?2 AND value = ?3" },
    [IMPORT_LOGGED_TAG] = { PARENT_LOGGED_MODEL, 0,
                            "INSERT INTO logged_model_tags (model_id, key, value)"
                            " VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                            "SELECT COUNT(*) FROM logged_model_tags WHERE model_id = ?1"
                            " AND key = ?2 AND value = ?3" },
    [IMPORT_LOGGED_METRIC] = { PARENT_LOGGED_MODEL, 0,
                               "INSERT INTO logged_model_metrics (model_id, key, ts_ms, step,"
                               " run_id, value, is_nan, dataset_name, dataset_digest)"
                               " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                               " ON CONFLICT DO NOTHING",
                               NULL },
    [IMPORT_ARTIFACT] = { PARENT_RUN, 0,
                          "INSERT INTO artifacts (run_id, path, blob, bytes, created_ms)"
                          " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                          "SELECT COUNT(*) FROM artifacts WHERE run_id = ?1 AND path = ?2"
                          " AND blob = ?3" },
    [IMPORT_MODEL_USE] = { PARENT_RUN, 0,
                           "INSERT INTO run_assets (run_id, direction, kind, asset_id, context,"
                           " step, at_ms) VALUES (?1, ?2, 'model', ?3, '', ?4,"
                           " (SELECT created_ms FROM runs WHERE run_id = ?1))"
                           " ON CONFLICT DO NOTHING",
                           NULL },
};

/* As many of the row's values as the question asks for. */
static struct store_args same_args(const struct import_line *line, const struct plain *p)
{
    struct store_args args = row_args(line);
    if (p->is_same && args.count > 3)
        args.count = 3;
    return args;
}

static err put_plain(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    const struct plain *p = &plains[line->kind];
    int64_t added;
    bool is_here;
    TRY(import_has_parent(tx, w, p->parent, text_of(line, p->parent_column), &is_here));
    if (!is_here) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(store_exec(tx, p->insert, row_args(line), &added));
    return import_settle(tx, w, line, added, p->is_same, same_args(line, p));
}

/* ------------------------------------------------------------------ experiments */

static void experiment_key(const struct import *im, int64_t source_id, char out[128])
{
    snprintf(out, 128, "%s.%lld", im->mark, (long long)source_id);
}

err import_experiment(struct store_read *rd, struct import *im, int64_t source_id, int64_t *ret_id)
{
    char key[128];
    experiment_key(im, source_id, key);
    err e = store_get_int(rd, "SELECT experiment_id FROM experiment_tags WHERE key = ?1",
                          ARGS(sql_cstr(key)), ret_id);
    if (e.code != ERR_NOT_FOUND)
        return e;
    *ret_id = -1;
    return OK;
}

err import_experiment_of(struct store_tx *tx, struct import_write *w, int64_t source_id,
                         int64_t *ret_id)
{
    union map_value *slot;
    bool is_new;
    str key = arena_fmt(&w->keep, "%lld", (long long)source_id);
    ARENA_TRY(key.ptr);
    TRY(map_put(&w->experiments, key, &slot, &is_new));
    if (is_new || slot->num < 0) {
        int64_t id;
        TRY(import_experiment(store_tx_read(tx), w->im, source_id, &id));
        slot->num = id;
    }
    *ret_id = slot->num;
    return OK;
}

/* The number of the source when it is free, and one that every reader of JSON can hold. */
static err experiment_number(struct store_tx *tx, int64_t wanted, int64_t *ret_id)
{
    int64_t taken = 1;
    if (wanted > 0 && wanted < INT64_C(1) << 53)
        TRY(store_get_int(store_tx_read(tx),
                          "SELECT COUNT(*) FROM experiments WHERE experiment_id = ?1",
                          ARGS(sql_int(wanted)), &taken));
    *ret_id = wanted;
    if (!taken)
        return OK;
    return store_get_int(store_tx_read(tx), EXPERIMENT_NEXT_ID, NO_ARGS, ret_id);
}

static err experiment_named(struct store_tx *tx, str name, bool is_deleted, int64_t *ret_id,
                            bool *ret_is_taken)
{
    struct store_rows *rows;
    *ret_id = -1;
    TRY(store_query(store_tx_read(tx),
                    "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?1",
                    ARGS(sql_text(name)), &rows));
    *ret_is_taken = store_next(rows);
    if (*ret_is_taken && str_eq(store_col_text(rows, 1), STR("deleted")) == is_deleted)
        *ret_id = store_col_int(rows, 0);
    return store_rows_close(rows);
}

static err put_experiment(struct store_tx *tx, struct import_write *w,
                          const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t id, added = 0;
    bool is_taken, is_deleted = v[2].integer != 0;
    char location[64], key[128];
    str name = v[1].bytes;
    TRY(import_experiment_of(tx, w, v[0].integer, &id));
    if (id >= 0) {
        w->counts[line->kind].same++;
        return OK;
    }
    TRY(experiment_named(tx, name, is_deleted, &id, &is_taken));
    if (is_taken && id < 0) {
        name = arena_fmt(&w->keep, "%.*s (imported)", STR_ARG(name));
        ARENA_TRY(name.ptr);
        TRY(experiment_named(tx, name, is_deleted, &id, &is_taken));
    }
    if (id < 0) {
        TRY(experiment_number(tx, v[0].integer, &id));
        snprintf(location, sizeof location, "mlflow-artifacts:/%lld", (long long)id);
        TRY(store_exec(tx,
                       "INSERT INTO experiments (experiment_id, name, artifact_location,"
                       " lifecycle_stage, creation_time, last_update_time)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                       ARGS(sql_int(id), sql_text(name), sql_cstr(location),
                            sql_cstr(is_deleted ? "deleted" : "active"), v[3], v[4]),
                       &added));
    }
    experiment_key(w->im, v[0].integer, key);
    TRY(store_exec(tx,
                   "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value",
                   ARGS(sql_int(id), sql_cstr(key), sql_text(w->im->source)), NULL));
    return import_settle(tx, w, line, added, NULL, NO_ARGS);
}

static err put_experiment_tag(struct store_tx *tx, struct import_write *w,
                              const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t id, added;
    TRY(import_experiment_of(tx, w, v[0].integer, &id));
    if (id < 0) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(store_exec(tx,
                   "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?1, ?2, ?3)"
                   " ON CONFLICT DO NOTHING",
                   ARGS(sql_int(id), v[1], v[2]), &added));
    return import_settle(
        tx, w, line, added,
        "SELECT COUNT(*) FROM experiment_tags WHERE experiment_id = ?1 AND key = ?2"
        " AND value = ?3",
        ARGS(sql_int(id), v[1], v[2]));
}

/* ------------------------------------------------------------------ runs */

static err is_mirror_of_ours(struct store_tx *tx, const struct store_value *id, bool *ret_is)
{
    int64_t count = 0;
    if (id->type == STORE_TEXT && id->bytes.len)
        TRY(store_get_int(store_tx_read(tx), "SELECT COUNT(*) FROM runs WHERE run_id = ?1",
                          ARGS(*id), &count));
    *ret_is = count > 0;
    return OK;
}

static err put_run(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t experiment = -1, added = 0;
    bool is_mirror;
    TRY(import_experiment_of(tx, w, v[1].integer, &experiment));
    TRY(is_mirror_of_ours(tx, &v[9], &is_mirror));
    if (experiment < 0 || is_mirror || v[0].bytes.len == 0) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(store_exec(tx,
                   "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin,"
                   " status, lifecycle_stage, created_ms, start_ms, end_ms, deleted_ms, attempts)"
                   " VALUES (?1, ?2, ?3, ?4, 'mlflow', 'client', ?5, ?6, ?7, ?8, ?9, ?10, 1)"
                   " ON CONFLICT DO NOTHING",
                   ARGS(v[0], sql_int(experiment), v[2], v[3], v[4],
                        sql_cstr(v[5].integer ? "deleted" : "active"),
                        sql_int(v[6].type == STORE_INT ? v[6].integer : clock_wall_ms()), v[6],
                        v[7], v[5].integer ? sql_int(clock_wall_ms()) : sql_null()),
                   &added));
    if (!added) /* what was under way when it came may have ended since */
        TRY(store_exec(tx,
                       "UPDATE runs SET status = ?2, end_ms = ?3 WHERE run_id = ?1"
                       " AND origin = 'client' AND status IN ('RUNNING', 'SCHEDULED')",
                       ARGS(v[0], v[4], v[7]), NULL));
    TRY(client_data_forget(tx, v[0].bytes));
    TRY(store_exec(tx,
                   "INSERT INTO tags (run_id, key, value)"
                   " SELECT run_id, '" IMPORT_TAG_SOURCE "', CAST(?2 AS @text) FROM runs"
                   " WHERE run_id = ?1 AND origin = 'client'"
                   " ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
                   ARGS(v[0], sql_text(w->im->source)), NULL));
    w->parent[PARENT_RUN] = STR_NONE;
    return import_settle(
        tx, w, line, added,
        "SELECT COUNT(*) FROM runs WHERE run_id = ?1 AND status = ?2 AND run_name = ?3"
        " AND lifecycle_stage = ?4",
        ARGS(v[0], v[4], v[2], sql_cstr(v[5].integer ? "deleted" : "active")));
}

/* ------------------------------------------------------------------ datasets */

static err dataset_of(struct store_tx *tx, struct import_write *w, const struct store_value *v,
                      str *ret_id)
{
    return store_get_text(
        store_tx_read(tx),
        "SELECT id FROM datasets WHERE name = ?1 AND (version = ?2 OR digest = ?2)"
        " ORDER BY CASE WHEN kind = 'mlflow' THEN 1 ELSE 0 END, id LIMIT 1",
        ARGS(v[1], v[2]), &w->keep, ret_id);
}

static err dataset_make(struct store_tx *tx, struct import_write *w, const struct store_value *v,
                        str *ret_id)
{
    char id[UUID_BYTES];
    rand_uuid(id);
    TRY(store_exec(tx,
                   "INSERT INTO datasets (id, name, version, kind, state, digest, rows, bytes,"
                   " run_id, created_ms, updated_ms)"
                   " VALUES (?1, ?2, ?3, 'mlflow', 'ready', ?3, 0, 0, NULL, ?4, ?4)",
                   ARGS(sql_cstr(id), v[1], v[2], sql_int(clock_wall_ms())), NULL));
    TRY(store_exec(tx,
                   "INSERT INTO dataset_sources (dataset_id, source_type, source, schema_text,"
                   " profile) VALUES (?1, ?2, ?3, ?4, ?5)",
                   ARGS(sql_cstr(id), v[3], v[4], v[5], v[6]), NULL));
    *ret_id = arena_str(&w->keep, str_of(id));
    ARENA_TRY(ret_id->ptr);
    return OK;
}

static err put_dataset(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t added;
    bool is_here;
    str id;
    TRY(import_has_parent(tx, w, PARENT_RUN, v[0].bytes, &is_here));
    if (!is_here) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    err e = dataset_of(tx, w, v, &id);
    if (e.code == ERR_NOT_FOUND)
        e = dataset_make(tx, w, v, &id);
    TRY(e);
    TRY(store_exec(tx,
                   "INSERT INTO run_assets (run_id, direction, kind, asset_id, context, step,"
                   " at_ms) VALUES (?1, 'in', 'dataset', ?2, ?3, 0,"
                   " (SELECT created_ms FROM runs WHERE run_id = ?1)) ON CONFLICT DO NOTHING",
                   ARGS(v[0], sql_text(id), v[7]), &added));
    TRY(store_exec(tx,
                   "UPDATE runs SET dataset_id = COALESCE(dataset_id, ?2)"
                   " WHERE run_id = ?1 AND origin = 'client'",
                   ARGS(v[0], sql_text(id)), NULL));
    return import_settle(tx, w, line, added, NULL, NO_ARGS);
}

static err put_dataset_tag(struct store_tx *tx, struct import_write *w,
                           const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t added;
    bool is_here;
    str id = STR_NONE;
    TRY(import_has_parent(tx, w, PARENT_RUN, v[0].bytes, &is_here));
    err e = is_here ? dataset_of(tx, w, v, &id) : OK;
    if (e.code && e.code != ERR_NOT_FOUND)
        return e;
    if (!is_here || e.code) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    TRY(store_exec(tx,
                   "INSERT INTO input_tags (run_id, dataset_id, key, value)"
                   " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                   ARGS(v[0], sql_text(id), v[3], v[4]), &added));
    return import_settle(tx, w, line, added, NULL, NO_ARGS);
}

/* ------------------------------------------------------------------ logged models, traces, files
 */

static err put_logged_model(struct store_tx *tx, struct import_write *w,
                            const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t experiment = -1, added = 0;
    char location[128];
    TRY(import_experiment_of(tx, w, v[1].integer, &experiment));
    if (experiment < 0) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    snprintf(location, sizeof location, "mlflow-artifacts:/%lld/models/%.*s/artifacts",
             (long long)experiment, STR_ARG(str_sub(v[0].bytes, 0, 60)));
    TRY(store_exec(tx,
                   "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location,"
                   " created_ms, updated_ms, status, status_message, model_type, source_run_id,"
                   " lifecycle_stage) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                   " ON CONFLICT DO NOTHING",
                   ARGS(v[0], sql_int(experiment), v[2], sql_cstr(location), v[3], v[4], v[5], v[6],
                        v[7], v[8], sql_cstr(v[9].integer ? "deleted" : "active")),
                   &added));
    if (!added) /* what was being uploaded when it came may be ready since */
        TRY(store_exec(tx,
                       "UPDATE logged_models SET status = ?2, updated_ms = ?3 WHERE model_id = ?1"
                       " AND status = 'LOGGED_MODEL_PENDING'",
                       ARGS(v[0], v[5], v[4]), NULL));
    w->parent[PARENT_LOGGED_MODEL] = STR_NONE;
    return import_settle(tx, w, line, added,
                         "SELECT COUNT(*) FROM logged_models WHERE model_id = ?1 AND status = ?2",
                         ARGS(v[0], v[5]));
}

static err put_file(struct store_tx *tx, struct import_write *w, const struct import_line *line)
{
    const struct store_value *v = line->values;
    int64_t experiment = -1, added = 0;
    TRY(import_experiment_of(tx, w, v[0].integer, &experiment));
    if (experiment < 0) {
        w->counts[line->kind].skipped++;
        return OK;
    }
    str path = arena_fmt(&w->keep, "%lld/%.*s", (long long)experiment, STR_ARG(v[1].bytes));
    ARENA_TRY(path.ptr);
    TRY(store_exec(tx,
                   "INSERT INTO files (path, blob, bytes, created_ms) VALUES (?1, ?2, ?3, ?4)"
                   " ON CONFLICT DO NOTHING",
                   ARGS(sql_text(path), v[2], v[3], v[4]), &added));
    return import_settle(tx, w, line, added,
                         "SELECT COUNT(*) FROM files WHERE path = ?1 AND blob = ?2",
                         ARGS(sql_text(path), v[2]));
}

/* ------------------------------------------------------------------ */

err import_put(struct store_tx *tx, struct import_write *w)
{
    bool has_metrics = false;
    for (size_t i = 0; i < w->im->line_count; i++) {
        const struct import_line *line = &w->im->lines[i];
        switch (line->kind) {
        case IMPORT_EXPERIMENT:
            TRY(put_experiment(tx, w, line));
            break;
        case IMPORT_EXPERIMENT_TAG:
            TRY(put_experiment_tag(tx, w, line));
            break;
        case IMPORT_RUN:
            TRY(put_run(tx, w, line));
            break;
        case IMPORT_DATASET:
            TRY(put_dataset(tx, w, line));
            break;
        case IMPORT_DATASET_TAG:
            TRY(put_dataset_tag(tx, w, line));
            break;
        case IMPORT_LOGGED_MODEL:
            TRY(put_logged_model(tx, w, line));
            break;
        case IMPORT_FILE:
            TRY(put_file(tx, w, line));
            break;
        case IMPORT_MODEL:
        case IMPORT_MODEL_TAG:
        case IMPORT_VERSION:
        case IMPORT_VERSION_TAG:
        case IMPORT_ALIAS:
            TRY(import_put_registry(tx, w, line));
            break;
        case IMPORT_TRACE:
        case IMPORT_TRACE_TAG:
        case IMPORT_TRACE_METADATA:
        case IMPORT_SPAN:
        case IMPORT_ASSESSMENT:
            TRY(import_put_trace(tx, w, line));
            break;
        case IMPORT_METRIC:
            has_metrics = true;
            break;
        case IMPORT_PARAM:
        case IMPORT_TAG:
        case IMPORT_LOGGED_PARAM:
        case IMPORT_LOGGED_TAG:
        case IMPORT_LOGGED_METRIC:
        case IMPORT_MODEL_USE:
        case IMPORT_ARTIFACT:
            TRY(put_plain(tx, w, line));
            break;
        case IMPORT_KIND_COUNT:
            break;
        }
    }
    return has_metrics ? import_put_metrics(tx, w) : OK;
}
