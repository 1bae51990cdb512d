/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mirror_inputs.c -- which datasets a run read, in somebody's MLflow.
 *
 * A dataset is known there by its name and digest. What the run has already is not said again.
 */
#include "platform/track/mirror_internal.h"

enum {
    DATASETS_MAX = 100,
    /* MLflow refuses longer ones. Ours are SHA-256 in hex: their beginning tells them apart as
       well. */
    DIGEST_CHARACTERS_MAX = 36,
};

/* One of the inputs, behind another. */
struct next_input {
    str run_id, after; /* id of a dataset */
    arena *keep;
    str id, name, digest, context, source_type, source, schema, profile;
};

static err next_input_fn(struct store_read *rd, void *arg)
{
    struct next_input *n = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT a.asset_id, d.name, COALESCE(d.digest, d.version), a.context,"
                    " s.source_type, s.source, s.schema_text, s.profile, d.rows FROM run_assets a"
                    " JOIN datasets d ON d.id = a.asset_id"
                    " LEFT JOIN dataset_sources s ON s.dataset_id = d.id"
                    " WHERE a.run_id = ?1 AND a.kind = 'dataset' AND a.direction = 'in'"
                    " AND a.asset_id > ?2 ORDER BY a.asset_id, a.context LIMIT 1",
                    ARGS(sql_text(n->run_id), sql_text(n->after)), &rows));
    n->id = STR_NONE;
    if (store_next(rows)) {
        n->after = n->id = store_col_text_keep(rows, 0, n->keep);
        n->name = store_col_text_keep(rows, 1, n->keep);
        n->digest = str_sub(store_col_text_keep(rows, 2, n->keep), 0, DIGEST_CHARACTERS_MAX);
        n->context = store_col_text_keep(rows, 3, n->keep);
        if (store_col_is_null(rows, 4)) { /* ours: as clients that read it here see it */
            n->source_type = STR("skerry");
            n->source = arena_fmt(n->keep, "{\"dataset_id\": \"%.*s\"}", STR_ARG(n->id));
            n->profile = arena_fmt(n->keep, "{\"num_rows\": %lld}",
                                   (long long)store_col_int(rows, 8));
            n->schema = STR_NONE;
        } else {
            n->source_type = store_col_text_keep(rows, 4, n->keep);
            n->source = store_col_text_keep(rows, 5, n->keep);
            n->schema = store_col_text_keep(rows, 6, n->keep);
            n->profile = store_col_text_keep(rows, 7, n->keep);
        }
    }
    return store_rows_close(rows);
}

/* A second time MLflow would add to what it has: tags that were changed there would come back. */
static bool is_there(const struct json *there, const struct next_input *n)
{
    for (size_t i = 0; i < json_count(there); i++) {
        const struct json *d = json_get(json_at(there, i), "dataset");
        if (str_eq(json_str(json_get(d, "name"), STR_NONE), n->name) &&
            str_eq(json_str(json_get(d, "digest"), STR_NONE), n->digest))
            return true;
    }
    return false;
}

struct tags_write {
    const struct next_input *input;
    struct json_out *out;
};

static err tags_fn(struct store_read *rd, void *arg)
{
    struct tags_write *t = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT key, value FROM input_tags WHERE run_id = ?1 AND dataset_id = ?2"
                    " ORDER BY key",
                    ARGS(sql_text(t->input->run_id), sql_text(t->input->id)), &rows));
    while (store_next(rows)) {
        json_object_begin(t->out);
        json_kv_str(t->out, "key", store_col_text(rows, 0));
        json_kv_str(t->out, "value", store_col_text(rows, 1));
        json_object_end(t->out);
    }
    return store_rows_close(rows);
}

static err input_send(struct mirror *m, str run_there, const struct next_input *n)
{
    struct json_out w = mirror_body(m);
    struct tags_write tags = { n, &w };
    json_kv_str(&w, "run_id", run_there);
    json_key(&w, "datasets");
    json_array_begin(&w);
    json_object_begin(&w);
    json_key(&w, "tags");
    json_array_begin(&w);
    if (n->context.len)
        mirror_key_value(&w, "mlflow.data.context", n->context);
    TRY(store_read(m->config->store, tags_fn, &tags));
    json_array_end(&w);
    json_key(&w, "dataset");
    json_object_begin(&w);
    json_kv_str(&w, "name", n->name);
    json_kv_str(&w, "digest", n->digest);
    json_kv_str(&w, "source_type", n->source_type);
    json_kv_str(&w, "source", n->source);
    if (n->schema.len)
        json_kv_str(&w, "schema", n->schema);
    if (n->profile.len)
        json_kv_str(&w, "profile", n->profile);
    json_object_end(&w);
    json_object_end(&w);
    json_array_end(&w);
    json_object_end(&w);
    return mirror_ask(m, "POST", "/api/2.0/mlflow/runs/log-inputs", NULL);
}

err mirror_run_inputs(struct mirror *m, str run_id, const struct mirror_run *run)
{
    struct next_input n = { .run_id = run_id, .after = STR(""), .keep = &m->keep };
    const struct json *reply, *there = NULL;
    for (int i = 0; i < DATASETS_MAX; i++) {
        TRY(store_read(m->config->store, next_input_fn, &n));
        TRY(arena_check(&m->keep));
        if (!n.id.len)
            break;
        if (!there) {
            str path = arena_fmt(&m->keep, "/api/2.0/mlflow/runs/get?run_id=%.*s",
                                 STR_ARG(run->id));
            ARENA_TRY(path.ptr);
            buf_clear(&m->body);
            TRY(mirror_ask(m, "GET", path.ptr, &reply));
            there = json_get(json_get(json_get(reply, "run"), "inputs"), "dataset_inputs");
        }
        if (!is_there(there, &n))
            TRY(input_send(m, run->id, &n));
    }
    return OK;
}
