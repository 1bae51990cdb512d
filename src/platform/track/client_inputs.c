/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_inputs.c -- what clients' runs read and made: datasets and logged models, as edges of
 * lineage.
 *
 * A dataset of a client is a row of `datasets` without bytes: we know its name, its digest and what
 * the client says of it. Its digest is its version.
 */
#include <string.h>

#include "base/clock.h"
#include "platform/track/client_internal.h"

enum {
    NAME_CHARACTERS_MAX = 500,
    DIGEST_CHARACTERS_MAX = 36,
    SOURCE_CHARACTERS_MAX = 65535,
    SCHEMA_CHARACTERS_MAX = 1048575,
    PROFILE_CHARACTERS_MAX = 1048575, /* MLflow: 16 times as many; a run must fit into a reply */
    TAG_KEY_CHARACTERS_MAX = 255,
    TAG_VALUE_CHARACTERS_MAX = 500,
    MODEL_ID_BYTES_MAX = 100,
    USES_MAX = 1000,
    EXPERIMENTS_MAX = 20,
};

/* ------------------------------------------------------------------ checks */

static err check_length(const char *what, str text, size_t characters_max)
{
    if (text.len > characters_max && client_characters(text) > characters_max)
        return ERR(ERR_INVALID, "'%s' exceeds the maximum length of %zu characters", what,
                   characters_max);
    return OK;
}

static err check_dataset(const struct client_dataset *d)
{
    if (d->name.len == 0)
        return ERR(ERR_INVALID, "Dataset name cannot be None");
    if (d->digest.len == 0)
        return ERR(ERR_INVALID, "Dataset digest cannot be None");
    TRY(check_length("name", d->name, NAME_CHARACTERS_MAX));
    TRY(check_length("digest", d->digest, DIGEST_CHARACTERS_MAX));
    TRY(check_length("source", d->source, SOURCE_CHARACTERS_MAX));
    TRY(check_length("schema", d->schema, SCHEMA_CHARACTERS_MAX));
    TRY(check_length("profile", d->profile, PROFILE_CHARACTERS_MAX));
    for (size_t i = 0; i < d->tag_count; i++) {
        TRY(check_length("key", d->tags[i].key, TAG_KEY_CHARACTERS_MAX));
        TRY(check_length("value", d->tags[i].value, TAG_VALUE_CHARACTERS_MAX));
    }
    return OK;
}

static err check_models(const struct client_model *models, size_t count)
{
    if (count > CLIENT_MODELS_MAX)
        return ERR(ERR_INVALID, "At most %d models can be logged at once. Got %zu.",
                   CLIENT_MODELS_MAX, count);
    for (size_t i = 0; i < count; i++) {
        if (models[i].model_id.len == 0)
            return ERR(ERR_INVALID, "Missing value for required parameter 'models[%zu].model_id'.",
                       i);
        TRY(check_length("model_id", models[i].model_id, MODEL_ID_BYTES_MAX));
    }
    return OK;
}

/* ------------------------------------------------------------------ writing */

struct edges {
    str run_id;
    const char *direction;
    const struct client_dataset *datasets;
    const struct client_model *models;
    size_t dataset_count, model_count;
    arena *keep;
};

/* The row of a client's dataset, made when it is new, or the one of ours that it names. */
static err dataset_need(struct store_tx *tx, const struct edges *w, const struct client_dataset *d,
                        str *ret_id)
{
    static const char find[] = "SELECT id FROM datasets WHERE name = ?1"
                               " AND (version = ?2 OR digest = ?2)"
                               " ORDER BY CASE WHEN kind = '" DATASET_KIND_CLIENT
                               "' THEN 1 ELSE 0 END, id LIMIT 1";
    struct store_args which = ARGS(sql_text(d->name), sql_text(d->digest));
    err e = store_get_text(store_tx_read(tx), find, which, w->keep, ret_id);
    if (!e.code) /* one that was deleted is in use again */
        return store_exec(
            tx,
            "UPDATE datasets SET state = 'ready' WHERE id = ?1 AND kind = '" DATASET_KIND_CLIENT "'"
            " AND state = 'deleted'",
            ARGS(sql_text(*ret_id)), NULL);
    if (e.code != ERR_NOT_FOUND)
        return e;
    char id[UUID_BYTES];
    int64_t now_ms = clock_wall_ms(), added = 0;
    rand_uuid(id);
    TRY(store_exec(
        tx,
        "INSERT INTO datasets (id, name, version, kind, state, digest, rows, bytes,"
        " run_id, created_ms, updated_ms)"
        " VALUES (?1, ?2, ?3, '" DATASET_KIND_CLIENT "', 'ready', ?3, 0, 0, NULL, ?4, ?4)"
        " ON CONFLICT (name, version) DO NOTHING",
        ARGS(sql_cstr(id), sql_text(d->name), sql_text(d->digest), sql_int(now_ms)), &added));
    if (!added)
        return store_get_text(store_tx_read(tx), find, which, w->keep, ret_id);
    TRY(store_exec(tx,
                   "INSERT INTO dataset_sources (dataset_id, source_type, source, schema_text,"
                   " profile) VALUES (?1, ?2, ?3, ?4, ?5)",
                   ARGS(sql_cstr(id), sql_text(d->source_type), sql_text(d->source),
                        sql_text(d->schema), sql_text(d->profile)),
                   NULL));
    *ret_id = arena_str(w->keep, str_of(id));
    ARENA_TRY(ret_id->ptr);
    return OK;
}

static err edge_add(struct store_tx *tx, const struct edges *w, const char *kind, str asset_id,
                    str context, int64_t step)
{
    return store_exec(tx,
                      "INSERT INTO run_assets (run_id, direction, kind, asset_id, context, step,"
                      " at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                      ARGS(sql_text(w->run_id), sql_cstr(w->direction), sql_cstr(kind),
                           sql_text(asset_id), sql_text(context), sql_int(step),
                           sql_int(clock_wall_ms())),
                      NULL);
}

static err dataset_in(struct store_tx *tx, const struct edges *w, const struct client_dataset *d)
{
    int64_t there = 0;
    str id, context = STR_NONE;
    TRY(dataset_need(tx, w, d, &id));
    TRY(store_get_int(store_tx_read(tx),
                      "SELECT COUNT(*) FROM run_assets WHERE run_id = ?1 AND direction = 'in'"
                      " AND kind = 'dataset' AND asset_id = ?2",
                      ARGS(sql_text(w->run_id), sql_text(id)), &there));
    if (there) /* what was said of this input first stands */
        return OK;
    for (size_t i = 0; i < d->tag_count; i++) {
        if (str_eq(d->tags[i].key, CLIENT_TAG_CONTEXT)) {
            context = d->tags[i].value;
            continue;
        }
        TRY(store_exec(tx,
                       "INSERT INTO input_tags (run_id, dataset_id, key, value)"
                       " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                       ARGS(sql_text(w->run_id), sql_text(id), sql_text(d->tags[i].key),
                            sql_text(d->tags[i].value)),
                       NULL));
    }
    TRY(edge_add(tx, w, "dataset", id, context, 0));
    return store_exec(tx,
                      "UPDATE runs SET dataset_id = COALESCE(dataset_id, ?2)"
                      " WHERE run_id = ?1 AND origin = 'client'",
                      ARGS(sql_text(w->run_id), sql_text(id)), NULL);
}

static err edges_fn(struct store_tx *tx, void *arg)
{
    const struct edges *w = arg;
    TRY(client_write_begin(tx, w->run_id));
    for (size_t i = 0; i < w->dataset_count; i++)
        TRY(dataset_in(tx, w, &w->datasets[i]));
    for (size_t i = 0; i < w->model_count; i++)
        TRY(edge_add(tx, w, "model", w->models[i].model_id, STR(""), w->models[i].step));
    return OK;
}

err client_run_inputs(struct track *t, str run_id, const struct client_dataset *datasets,
                      size_t dataset_count, const struct client_model *models, size_t model_count)
{
    arena scratch; /* ids only */
    if (dataset_count > CLIENT_DATASETS_MAX)
        return ERR(ERR_INVALID, "At most %d datasets can be logged at once. Got %zu.",
                   CLIENT_DATASETS_MAX, dataset_count);
    for (size_t i = 0; i < dataset_count; i++)
        TRY(check_dataset(&datasets[i]));
    TRY(check_models(models, model_count));
    arena_init(&scratch, 4u * 1024u * 1024u);
    struct edges w = { .run_id = run_id,
                       .direction = "in",
                       .datasets = datasets,
                       .dataset_count = dataset_count,
                       .models = models,
                       .model_count = model_count,
                       .keep = &scratch };
    err e = store_write(t->store, edges_fn, &w);
    arena_deinit(&scratch);
    return e;
}

err client_run_outputs(struct track *t, str run_id, const struct client_model *models, size_t count)
{
    struct edges w = {
        .run_id = run_id, .direction = "out", .models = models, .model_count = count
    };
    TRY(check_models(models, count));
    return store_write(t->store, edges_fn, &w);
}

/* ------------------------------------------------------------------ which are used */

struct uses_read {
    const int64_t *experiment_ids;
    size_t experiment_count;
    arena *keep;
    struct client_dataset_use *uses;
    size_t count;
};

static err uses_of(struct store_read *rd, struct uses_read *u, int64_t experiment_id)
{
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT DISTINCT d.name, COALESCE(d.digest, d.version), a.context FROM runs r"
                    " JOIN run_assets a ON a.run_id = r.run_id AND a.direction = 'in'"
                    " AND a.kind = 'dataset' JOIN datasets d ON d.id = a.asset_id"
                    " WHERE r.experiment_id = ?1 ORDER BY 1, 2, 3 LIMIT ?2",
                    ARGS(sql_int(experiment_id), sql_int((int64_t)(USES_MAX - u->count))), &rows));
    while (u->count < USES_MAX && store_next(rows))
        u->uses[u->count++] = (struct client_dataset_use){
            .experiment_id = experiment_id,
            .name = store_col_text_keep(rows, 0, u->keep),
            .digest = store_col_text_keep(rows, 1, u->keep),
            .context = store_col_text_keep(rows, 2, u->keep),
        };
    return store_rows_close(rows);
}

static err uses_fn(struct store_read *rd, void *arg)
{
    struct uses_read *u = arg;
    u->count = 0;
    u->uses = NEW_ARRAY(u->keep, struct client_dataset_use, USES_MAX);
    ARENA_TRY(u->uses);
    for (size_t i = 0; i < u->experiment_count && u->count < USES_MAX; i++)
        TRY(uses_of(rd, u, u->experiment_ids[i]));
    return arena_check(u->keep);
}

err client_datasets_used(struct track *t, const int64_t *experiment_ids, size_t count, arena *keep,
                         struct client_dataset_use **ret_uses, size_t *ret_count)
{
    struct uses_read u = { .experiment_ids = experiment_ids,
                           .experiment_count = count,
                           .keep = keep };
    if (count > EXPERIMENTS_MAX)
        return ERR(ERR_INVALID,
                   "SearchDatasets request cannot specify more than %d experiment_ids. Received "
                   "%zu experiment_ids.",
                   EXPERIMENTS_MAX, count);
    TRY(store_read(t->store, uses_fn, &u));
    *ret_uses = u.uses;
    *ret_count = u.count;
    return OK;
}
