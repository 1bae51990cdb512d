/* SPDX-License-Identifier: GPL-3.0-or-later */
/* logged_models_read.c -- logged models with all that hangs on them, many at a time. */
#include <math.h>

#include "platform/track/bulk.h"
#include "platform/track/logged_models.h"

struct logged_read {
    const str *ids;
    size_t count;
    arena *keep;
    struct logged_model *models;
};

static err read_rows(struct bulk *b, struct logged_model *models)
{
    struct store_rows *rows;
    TRY(bulk_query(b,
                   "SELECT model_id, name, artifact_location, status, COALESCE(model_type, ''),"
                   " COALESCE(source_run_id, ''), status_message, experiment_id, created_ms,"
                   " updated_ms, CASE WHEN lifecycle_stage = 'deleted' THEN 1 ELSE 0 END"
                   " FROM logged_models WHERE model_id IN #",
                   &rows));
    while (store_next(rows))
        models[bulk_index(b, rows)] = (struct logged_model){
            .model_id = store_col_text_keep(rows, 0, b->keep),
            .name = store_col_text_keep(rows, 1, b->keep),
            .artifact_uri = store_col_text_keep(rows, 2, b->keep),
            .status = store_col_text_keep(rows, 3, b->keep),
            .model_type = store_col_text_keep(rows, 4, b->keep),
            .source_run_id = store_col_text_keep(rows, 5, b->keep),
            .status_message = store_col_is_null(rows, 6) ? STR_NONE
                                                         : store_col_text_keep(rows, 6, b->keep),
            .experiment_id = store_col_int(rows, 7),
            .created_ms = store_col_int(rows, 8),
            .updated_ms = store_col_int(rows, 9),
            .is_deleted = store_col_int(rows, 10) != 0,
        };
    TRY(store_rows_close(rows));
    TRY(arena_check(b->keep));
    for (size_t i = 0; i < b->count; i++)
        if (models[i].model_id.len == 0)
            return ERR(ERR_NOT_FOUND, "Logged model with ID '%.*s' not found.",
                       STR_ARG(str_sub(b->ids[i].bytes, 0, 100)));
    return OK;
}

static err read_texts(struct bulk *b, struct logged_model *models)
{
    struct bulk_list params, tags;
    struct store_rows *rows;
    bulk_list_init(&params, sizeof(struct track_tag));
    bulk_list_init(&tags, sizeof(struct track_tag));
    TRY(bulk_query(b,
                   "SELECT model_id, 0, key, value FROM logged_model_params WHERE model_id IN #"
                   " UNION ALL SELECT model_id, 1, key, value FROM logged_model_tags"
                   " WHERE model_id IN # ORDER BY 1, 2, 3",
                   &rows));
    while (store_next(rows)) {
        size_t i = bulk_index(b, rows);
        struct track_tag *text = store_col_int(rows, 1)
                                     ? bulk_add(&tags, b, i, &models[i].tag_count)
                                     : bulk_add(&params, b, i, &models[i].param_count);
        ARENA_TRY(text);
        *text = (struct track_tag){ store_col_text_keep(rows, 2, b->keep),
                                    store_col_text_keep(rows, 3, b->keep) };
    }
    for (size_t i = 0; i < b->count; i++) {
        models[i].params = bulk_slice(&params, i, models[i].param_count);
        models[i].tags = bulk_slice(&tags, i, models[i].tag_count);
    }
    return store_rows_close(rows);
}

/* A model that is evaluated at every step of many runs has more points than an answer should. */
static err read_metrics(struct bulk *b, struct logged_model *models)
{
    struct bulk_list metrics;
    struct store_rows *rows;
    bulk_list_init(&metrics, sizeof(struct logged_metric));
    TRY(bulk_query(b,
                   "SELECT model_id, key, value, is_nan, ts_ms, step, run_id, dataset_name,"
                   " dataset_digest, place FROM (SELECT model_id, key, value, is_nan, ts_ms, step,"
                   " run_id, dataset_name, dataset_digest, ROW_NUMBER() OVER (PARTITION BY model_id"
                   " ORDER BY ts_ms DESC, step DESC, key, run_id) AS place"
                   " FROM logged_model_metrics WHERE model_id IN #) newest"
                   " ORDER BY model_id, key, ts_ms, step, run_id",
                   &rows));
    while (store_next(rows)) {
        if (store_col_int(rows, 9) > LOGGED_MODEL_POINTS_MAX)
            continue;
        size_t i = bulk_index(b, rows);
        struct logged_metric *m = bulk_add(&metrics, b, i, &models[i].metric_count);
        ARENA_TRY(m);
        *m = (struct logged_metric){
            .key = store_col_text_keep(rows, 1, b->keep),
            .value = store_col_int(rows, 3) ? NAN : store_col_real(rows, 2),
            .ts_ms = store_col_int(rows, 4),
            .step = store_col_int(rows, 5),
            .run_id = store_col_text_keep(rows, 6, b->keep),
            .dataset_name = store_col_text_keep(rows, 7, b->keep),
            .dataset_digest = store_col_text_keep(rows, 8, b->keep),
        };
    }
    for (size_t i = 0; i < b->count; i++)
        models[i].metrics = bulk_slice(&metrics, i, models[i].metric_count);
    return store_rows_close(rows);
}

static err logged_page(struct bulk *b, void *arg, size_t done)
{
    struct logged_model *models = ((struct logged_read *)arg)->models + done;
    TRY(read_rows(b, models));
    TRY(read_texts(b, models));
    return read_metrics(b, models);
}

static err logged_fn(struct store_read *rd, void *arg)
{
    struct logged_read *r = arg;
    r->models = NEW_ARRAY(r->keep, struct logged_model, r->count + 1);
    ARENA_TRY(r->models);
    return bulk_each(rd, r->ids, r->count, r->keep, logged_page, r);
}

err logged_models_read(struct track *t, const str *ids, size_t count, arena *keep,
                       struct logged_model **ret_models)
{
    struct logged_read r = { .ids = ids, .count = count, .keep = keep };
    if (count > LOGGED_MODELS_READ_MAX)
        return ERR(ERR_TOO_BIG, "%zu logged models are asked for at once: at most %d", count,
                   LOGGED_MODELS_READ_MAX);
    TRY(store_read(t->store, logged_fn, &r));
    *ret_models = r.models;
    return OK;
}
