/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_sqlite.c -- the database of an MLflow 2 or 3: a query for each kind of row.
 *
 * Pages by rowid, each read to its end at once, so that a server at work on the file waits for
 * milliseconds. Columns that came with later versions have a query without them.
 */
#include <stdio.h>
#include <string.h>

#include "apps/mlflow/import.h"
#include "platform/store/foreign.h"

enum { PAGE_ROWS = 2000, COLUMNS_MAX = 1 + IMPORT_COLUMNS_MAX, FILES_PAGE_ROWS = 50 };

struct table {
    enum import_kind kind;
    const char *name, *column;
    const char *sql, *without; /* without `column`; NULL: then there is nothing */
};

/* Behind each: rows after ?1, at most ?2. */
#define PAGE(rowid) " " rowid " > ?1 ORDER BY " rowid " LIMIT ?2"

static const struct table tables[] = {
    { IMPORT_EXPERIMENT, "experiments", "creation_time",
      "SELECT rowid, experiment_id, name, lifecycle_stage = 'deleted', creation_time,"
      " last_update_time FROM experiments WHERE lifecycle_stage IN ('active', 'deleted') AND" PAGE(
          "rowid"),
      "SELECT rowid, experiment_id, name, lifecycle_stage = 'deleted', 0, 0 FROM experiments"
      " WHERE lifecycle_stage IN ('active', 'deleted') AND" PAGE("rowid") },
    { IMPORT_EXPERIMENT_TAG, "experiment_tags", "value",
      "SELECT rowid, experiment_id, key, value FROM experiment_tags WHERE" PAGE("rowid"), NULL },
    { IMPORT_RUN, "runs", "deleted_time",
      "SELECT rowid, run_uuid, experiment_id, COALESCE(NULLIF(name, ''), (SELECT value FROM tags t"
      " WHERE t.run_uuid = runs.run_uuid AND t.key = 'mlflow.runName'), ''), user_id, status,"
      " lifecycle_stage = 'deleted', start_time, end_time, deleted_time, (SELECT value FROM tags t"
      " WHERE t.run_uuid = runs.run_uuid AND t.key = 'skerry.run_id') FROM runs WHERE" PAGE(
          "rowid"),
      "SELECT rowid, run_uuid, experiment_id, COALESCE(NULLIF(name, ''), (SELECT value FROM tags t"
      " WHERE t.run_uuid = runs.run_uuid AND t.key = 'mlflow.runName'), ''), user_id, status,"
      " lifecycle_stage = 'deleted', start_time, end_time, NULL, NULL FROM runs WHERE" PAGE(
          "rowid") },
    { IMPORT_PARAM, "params", "value",
      "SELECT rowid, run_uuid, key, value FROM params WHERE" PAGE("rowid"), NULL },
    { IMPORT_TAG, "tags", "value",
      "SELECT rowid, run_uuid, key, value FROM tags WHERE key <> 'skerry.imported_from' AND" PAGE(
          "rowid"),
      NULL },
    { IMPORT_METRIC, "metrics", "is_nan",
      "SELECT rowid, run_uuid, key, timestamp, step, value, is_nan FROM metrics WHERE" PAGE(
          "rowid"),
      NULL },
    { IMPORT_DATASET, "inputs", "source_id",
      "SELECT i.rowid, i.destination_id, d.name, d.digest, d.dataset_source_type,"
      " d.dataset_source, d.dataset_schema, d.dataset_profile, (SELECT value FROM input_tags t"
      " WHERE t.input_uuid = i.input_uuid AND t.name = 'mlflow.data.context') FROM inputs i"
      " JOIN datasets d ON d.dataset_uuid = i.source_id WHERE i.source_type = 'DATASET'"
      " AND i.destination_type = 'RUN' AND" PAGE("i.rowid"),
      NULL },
    { IMPORT_DATASET_TAG, "input_tags", "value",
      "SELECT t.rowid, i.destination_id, d.name, d.digest, t.name, t.value FROM input_tags t"
      " JOIN inputs i ON i.input_uuid = t.input_uuid JOIN datasets d ON"
      " d.dataset_uuid = i.source_id WHERE i.source_type = 'DATASET'"
      " AND i.destination_type = 'RUN' AND t.name <> 'mlflow.data.context' AND" PAGE("t.rowid"),
      NULL },
    { IMPORT_LOGGED_MODEL, "logged_models", "model_id",
      "SELECT rowid, model_id, experiment_id, name, creation_timestamp_ms,"
      " last_updated_timestamp_ms, CASE status WHEN 1 THEN 'LOGGED_MODEL_PENDING' WHEN 2 THEN"
      " 'LOGGED_MODEL_READY' WHEN 3 THEN 'LOGGED_MODEL_UPLOAD_FAILED' ELSE"
      " 'LOGGED_MODEL_STATUS_UNSPECIFIED' END, status_message, model_type, source_run_id,"
      " lifecycle_stage = 'deleted' FROM logged_models WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_LOGGED_PARAM, "logged_model_params", "param_value",
      "SELECT rowid, model_id, param_key, param_value FROM logged_model_params WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_LOGGED_TAG, "logged_model_tags", "tag_value",
      "SELECT rowid, model_id, tag_key, tag_value FROM logged_model_tags WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_LOGGED_METRIC, "logged_model_metrics", "metric_value",
      "SELECT rowid, model_id, metric_name, metric_timestamp_ms, metric_step, run_id,"
      " metric_value, metric_value IS NULL, dataset_name, dataset_digest FROM"
      " logged_model_metrics WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_MODEL_USE, "inputs", "step",
      "SELECT rowid, source_id, CASE source_type WHEN 'RUN_INPUT' THEN 'in' ELSE 'out' END,"
      " destination_id, step FROM inputs WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND" PAGE(
          "rowid"),
      NULL },
    { IMPORT_MODEL, "registered_models", "description",
      "SELECT rowid, name, description, creation_time, COALESCE(last_updated_time, creation_time)"
      " FROM registered_models WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_MODEL_TAG, "registered_model_tags", "value",
      "SELECT rowid, name, key, value FROM registered_model_tags WHERE" PAGE("rowid"), NULL },
    { IMPORT_VERSION, "model_versions", "run_link",
      "SELECT rowid, name, version, current_stage, status, status_message, description, user_id,"
      " source, run_id, run_link, creation_time, COALESCE(last_updated_time, creation_time)"
      " FROM model_versions WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_VERSION_TAG, "model_version_tags", "value",
      "SELECT rowid, name, version, key, value FROM model_version_tags WHERE" PAGE("rowid"), NULL },
    { IMPORT_ALIAS, "registered_model_aliases", "alias",
      "SELECT rowid, name, alias, version FROM registered_model_aliases WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_TRACE, "trace_info", "request_preview",
      "SELECT rowid, request_id, experiment_id, timestamp_ms, execution_time_ms, status,"
      " client_request_id, request_preview, response_preview FROM trace_info WHERE" PAGE("rowid"),
      "SELECT rowid, request_id, experiment_id, timestamp_ms, execution_time_ms, status, NULL,"
      " NULL, NULL FROM trace_info WHERE" PAGE("rowid") },
    { IMPORT_TRACE_TAG, "trace_tags", "value",
      "SELECT rowid, request_id, key, value FROM trace_tags WHERE" PAGE("rowid"), NULL },
    { IMPORT_TRACE_METADATA, "trace_request_metadata", "value",
      "SELECT rowid, request_id, key, value FROM trace_request_metadata WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_SPAN, "spans", "content",
      "SELECT rowid, trace_id, span_id, parent_span_id, name, type, status,"
      " start_time_unix_nano, end_time_unix_nano, content FROM spans WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_ASSESSMENT, "assessments", "assessment_metadata",
      "SELECT rowid, assessment_id, trace_id, name, assessment_type, value, error, rationale,"
      " source_type, source_id, assessment_metadata, span_id, run_id, overrides, valid,"
      " created_timestamp, last_updated_timestamp FROM assessments WHERE" PAGE("rowid"),
      NULL },
};

/* Artifact roots: rowid, run id, number of the experiment, path below it, URI. */
static const struct table roots[] = {
    { IMPORT_ARTIFACT, "runs", "artifact_uri",
      "SELECT rowid, run_uuid, experiment_id, '', artifact_uri FROM runs WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_FILE, "logged_models", "artifact_location",
      "SELECT rowid, '', experiment_id, 'models/' || model_id || '/artifacts', artifact_location"
      " FROM logged_models WHERE" PAGE("rowid"),
      NULL },
    { IMPORT_FILE, "trace_info", "request_id",
      "SELECT i.rowid, '', i.experiment_id, 'traces/' || i.request_id || '/artifacts', t.value"
      " FROM trace_info i JOIN trace_tags t ON t.request_id = i.request_id"
      " AND t.key = 'mlflow.artifactLocation' WHERE" PAGE("i.rowid"),
      NULL },
};

struct reader {
    struct import_work *w;
    struct foreign *file;
};

static int64_t place_of(str after)
{
    int64_t place;
    return str_to_i64(after, &place).code ? INT64_MIN : place;
}

static err note_place(struct reader *r, int stage, int64_t rowid)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)rowid);
    return import_place(r->w->im, stage, str_of(text));
}

/* The query for this version's table; NULL: it has none. */
static err query_of(struct reader *r, const struct table *t, const char **ret_sql)
{
    bool has;
    *ret_sql = t->sql;
    TRY(foreign_has(r->file, t->name, t->column, &has));
    if (has)
        return OK;
    TRY(foreign_has(r->file, t->name, NULL, &has));
    *ret_sql = has ? t->without : NULL;
    return OK;
}

/* ------------------------------------------------------------------ rows */

static err read_page(struct reader *r, const struct table *t, const char *sql, int64_t *after,
                     int64_t *ret_rows)
{
    struct foreign_rows *rows;
    struct store_value values[COLUMNS_MAX];
    err e = OK;
    *ret_rows = 0;
    TRY(foreign_query(r->file, sql, ARGS(sql_int(*after), sql_int(PAGE_ROWS)), &rows));
    int n = foreign_columns(rows);
    while (!e.code && n <= COLUMNS_MAX && foreign_next(rows)) {
        for (int c = 0; c < n; c++)
            values[c] = foreign_value(rows, c);
        *after = values[0].integer;
        ++*ret_rows;
        e = import_row(r->w->im, t->kind, values + 1, (size_t)n - 1);
    }
    return err_first(e, foreign_rows_close(rows));
}

static err read_table(struct reader *r, int stage, const struct table *t)
{
    const char *sql;
    int64_t rows = 1, after = INT64_MIN;
    TRY(query_of(r, t, &sql));
    if (import_stage(r->w->im) == stage)
        after = place_of(import_after(r->w->im));
    while (sql && rows > 0) {
        TRY(read_page(r, t, sql, &after, &rows));
        TRY(note_place(r, stage, after));
        TRY(import_step(r->w));
    }
    return OK;
}

/* ------------------------------------------------------------------ artifacts */

struct root {
    char run_id[64], below[128], uri[2048];
    int64_t rowid, experiment;
};

static void copy_text(struct store_value v, char *out, size_t bytes)
{
    str text = v.type == STORE_TEXT ? v.bytes : STR_NONE;
    snprintf(out, bytes, "%.*s", STR_ARG(str_sub(text, 0, bytes - 1)));
}

static err root_page(struct reader *r, const char *sql, int64_t after, struct root *list,
                     size_t *ret_count)
{
    struct foreign_rows *rows;
    *ret_count = 0;
    TRY(foreign_query(r->file, sql, ARGS(sql_int(after), sql_int(FILES_PAGE_ROWS)), &rows));
    while (*ret_count < FILES_PAGE_ROWS && foreign_next(rows)) {
        struct root *root = &list[(*ret_count)++];
        root->rowid = foreign_value(rows, 0).integer;
        root->experiment = foreign_value(rows, 2).integer;
        copy_text(foreign_value(rows, 1), root->run_id, sizeof root->run_id);
        copy_text(foreign_value(rows, 3), root->below, sizeof root->below);
        copy_text(foreign_value(rows, 4), root->uri, sizeof root->uri);
    }
    return foreign_rows_close(rows);
}

static err read_roots(struct reader *r, int stage, const struct table *t)
{
    const char *sql;
    struct root *list = NEW_ARRAY(run_arena(r->w->run), struct root, FILES_PAGE_ROWS);
    int64_t after = INT64_MIN;
    size_t count = 1;
    ARENA_TRY(list);
    TRY(query_of(r, t, &sql));
    if (import_stage(r->w->im) == stage)
        after = place_of(import_after(r->w->im));
    while (sql && count) {
        TRY(root_page(r, sql, after, list, &count));
        for (size_t i = 0; i < count; i++) {
            struct import_owner owner = { str_of(list[i].run_id), list[i].experiment,
                                          str_of(list[i].below) };
            TRY(import_uri(r->w, &owner, str_of(list[i].uri)));
            after = list[i].rowid;
            TRY(note_place(r, stage, after));
            TRY(import_step(r->w));
        }
    }
    return OK;
}

/* ------------------------------------------------------------------ all of it */

static err count_rows(struct reader *r)
{
    static const char *const counts[][2] = {
        { "runs", "SELECT COUNT(*) FROM runs" },       { "params", "SELECT COUNT(*) FROM params" },
        { "metrics", "SELECT COUNT(*) FROM metrics" }, { "tags", "SELECT COUNT(*) FROM tags" },
        { "spans", "SELECT COUNT(*) FROM spans" },
    };
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct foreign_rows *rows;
        bool has;
        TRY(foreign_has(r->file, counts[i][0], NULL, &has));
        if (!has)
            continue;
        TRY(foreign_query(r->file, counts[i][1], NO_ARGS, &rows));
        if (foreign_next(rows))
            r->w->total += foreign_value(rows, 0).integer;
        TRY(foreign_rows_close(rows));
    }
    return OK;
}

static err read_all(struct reader *r)
{
    bool has;
    int stage = 1;
    TRY(foreign_has(r->file, "experiments", "experiment_id", &has));
    if (!has)
        return ERR(ERR_INVALID,
                   "%.150s is an SQLite file, but not MLflow's: it has no table experiments",
                   r->w->source);
    TRY(foreign_has(r->file, "runs", "run_uuid", &has));
    if (!has)
        return ERR(ERR_INVALID,
                   "%.150s is no MLflow's, though it has experiments: its runs have no run_uuid. "
                   "What a Skerry has is imported from its address, while it serves",
                   r->w->source);
    TRY(count_rows(r));
    for (size_t i = 0; i < COUNT_OF(tables); i++, stage++)
        if (stage >= import_stage(r->w->im))
            TRY(read_table(r, stage, &tables[i]));
    /* What files belong to must be here first, so that they are found to be known. */
    TRY(import_flush(r->w->im));
    for (size_t i = 0; i < COUNT_OF(roots); i++, stage++)
        if (stage >= import_stage(r->w->im))
            TRY(read_roots(r, stage, &roots[i]));
    return OK;
}

err import_from_sqlite(struct import_work *w)
{
    struct reader r = { .w = w };
    TRY(foreign_open(w->source, &r.file));
    err e = read_all(&r);
    foreign_close(r.file);
    return e;
}
