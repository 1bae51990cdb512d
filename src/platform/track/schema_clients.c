/* SPDX-License-Identifier: GPL-3.0-or-later */
/* schema_clients.c -- what programs of others log beyond what our own stages do: tables for the
 * MLflow REST API, later steps of the owner "track". schema.c has the first ones.
 *
 * Runs, params, metrics, tags, registered models and versions of clients are rows of the same
 * tables as our own; here is only what these lack.
 */
#include "platform/track/track_internal.h"

/* What clients say of the datasets that their runs read: the dataset is a row of `datasets` of kind
 * "mlflow", whose version and digest are the client's digest. Tags of an input beside
 * mlflow.data.context, which is the edge's context. */
const char track_schema_inputs[] =
    "CREATE TABLE dataset_sources ("
    " dataset_id @text PRIMARY KEY REFERENCES datasets (id),"
    " source_type @text NOT NULL,"
    " source @text NOT NULL,"
    " schema_text @text NOT NULL," /* JSON texts of the client's, or empty */
    " profile @text NOT NULL) @strict;"

    "CREATE TABLE input_tags ("
    " run_id @text NOT NULL REFERENCES runs (run_id),"
    " dataset_id @text NOT NULL REFERENCES datasets (id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (run_id, dataset_id, key)) @strict;"

    /* Points again, in the order of their key: half the size, and a point is one place to write to
     * instead of two. A point's metric is there without a rule that looks for it: its number was
     * read in the same transaction. */
    "CREATE TABLE metric_points ("
    " metric_id @int NOT NULL," /* of latest_metrics */
    " ts_ms @int NOT NULL,"
    " step @int NOT NULL,"
    " value @real NOT NULL,"
    " is_nan @int NOT NULL,"
    " PRIMARY KEY (metric_id, ts_ms, step, value, is_nan)) @clustered;"
    "INSERT INTO metric_points (metric_id, ts_ms, step, value, is_nan)"
    " SELECT metric_id, ts_ms, step, value, is_nan FROM metrics;"
    "DROP TABLE metrics;"
    "ALTER TABLE metric_points RENAME TO metrics;";

/* Models as MLflow 3 logs them: files under a path of their own, with params and metrics, not yet
 * registered. Edges of lineage name them by model_id. */
const char track_schema_logged_models[] =
    "CREATE TABLE logged_models ("
    " model_id @text PRIMARY KEY," /* m- and 32 hex digits */
    " experiment_id @int NOT NULL REFERENCES experiments (experiment_id),"
    " name @text NOT NULL,"
    " artifact_location @text NOT NULL,"
    " created_ms @int NOT NULL,"
    " updated_ms @int NOT NULL,"
    " status @text NOT NULL," /* LOGGED_MODEL_PENDING, _READY, _UPLOAD_FAILED */
    " status_message @text,"
    " model_type @text,"
    " source_run_id @text,"
    " lifecycle_stage @text NOT NULL) @strict;"
    "CREATE INDEX logged_models_by_experiment ON logged_models (experiment_id, created_ms);"

    "CREATE TABLE logged_model_params ("
    " model_id @text NOT NULL REFERENCES logged_models (model_id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (model_id, key)) @strict;"

    "CREATE TABLE logged_model_tags ("
    " model_id @text NOT NULL REFERENCES logged_models (model_id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (model_id, key)) @strict;"

    "CREATE TABLE logged_model_metrics ("
    " model_id @text NOT NULL REFERENCES logged_models (model_id),"
    " key @text NOT NULL,"
    " ts_ms @int NOT NULL,"
    " step @int NOT NULL,"
    " run_id @text NOT NULL,"
    " value @real NOT NULL,"
    " is_nan @int NOT NULL,"
    " dataset_name @text,"
    " dataset_digest @text,"
    " PRIMARY KEY (model_id, key, ts_ms, step, run_id)) @strict;"

    "ALTER TABLE model_versions ADD COLUMN model_id @text;" /* the logged model it came from */
    /* Where the files are, when the source names another version or a logged model. */
    "ALTER TABLE model_versions ADD COLUMN location @text;"
    "CREATE INDEX model_versions_by_model ON model_versions (model_id);";

/* Traces: what happened inside one call of a program, as spans. Their rows name a trace by its
 * number, which grows: what belongs to new traces lies together, however random their ids. */
const char track_schema_traces[] =
    "CREATE TABLE traces ("
    " id @id,"
    " trace_id @text NOT NULL UNIQUE," /* tr- and 32 hex digits; MLflow 2: 32 hex digits */
    " experiment_id @int NOT NULL REFERENCES experiments (experiment_id),"
    " request_ms @int NOT NULL,"
    " duration_ms @int,"
    " state @text NOT NULL,"              /* OK, ERROR, IN_PROGRESS, STATE_UNSPECIFIED */
    " has_spans @int NOT NULL DEFAULT 0," /* 0: they are in a client's file, or to come */
    " client_request_id @text,"
    " request_preview @text,"
    " response_preview @text) @strict;"
    "CREATE INDEX traces_by_experiment ON traces (experiment_id, request_ms);"

    "CREATE TABLE trace_tags ("
    " trace @int NOT NULL REFERENCES traces (id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (trace, key)) @clustered;"

    "CREATE TABLE trace_metadata ("
    " trace @int NOT NULL REFERENCES traces (id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (trace, key)) @clustered;"

    /* Runs that a trace belongs to: the one it came from, and those it was linked to, also before
     * it was there. */
    "CREATE TABLE trace_runs ("
    " trace_id @text NOT NULL,"
    " run_id @text NOT NULL,"
    " PRIMARY KEY (trace_id, run_id)) @clustered;"
    "CREATE INDEX trace_runs_by_run ON trace_runs (run_id);"

    "CREATE TABLE trace_spans ("
    " trace @int NOT NULL REFERENCES traces (id),"
    " span_id @text NOT NULL," /* 16 hex digits */
    " parent_id @text,"
    " name @text NOT NULL,"
    " type @text NOT NULL,"
    " status @text NOT NULL," /* OK, ERROR, UNSET */
    " start_ns @int NOT NULL,"
    " end_ns @int,"
    " content @text NOT NULL," /* see spans.h */
    " PRIMARY KEY (trace, span_id)) @clustered;"

    "CREATE TABLE assessments ("
    " assessment_id @text PRIMARY KEY," /* a- and 32 hex digits */
    " trace @int NOT NULL REFERENCES traces (id),"
    " key @text NOT NULL,"   /* its name */
    " kind @text NOT NULL,"  /* feedback, expectation */
    " json @text NOT NULL,"  /* the value */
    " value @text NOT NULL," /* as it is searched for: a text without quotes */
    " number @real,"         /* when it is one */
    " error @text,"          /* JSON */
    " rationale @text,"
    " source_type @text NOT NULL,"
    " source_id @text,"
    " metadata @text," /* JSON */
    " span_id @text,"
    " run_id @text,"
    " overrides @text,"
    " is_valid @int NOT NULL,"
    " created_ms @int NOT NULL,"
    " updated_ms @int NOT NULL) @strict;"
    "CREATE INDEX assessments_by_trace ON assessments (trace, key);";

/* Files that clients store through us and that belong to no run: of logged models, of traces, and
 * whatever they put elsewhere. Those of runs are in `artifacts`. */
const char track_schema_files[] = "CREATE TABLE files ("
                                  " path @text PRIMARY KEY," /* below mlflow-artifacts:/ */
                                  " blob @text NOT NULL,"
                                  " bytes @int NOT NULL,"
                                  " created_ms @int NOT NULL) @strict;";

/* What makes search fast (search.c): runs of an experiment in their usual order; values of a key in
 * theirs. Texts stand in indexes with their beginning: an index row of PostgreSQL holds 2,700
 * bytes. */
const char track_schema_search[] =
    "DROP INDEX runs_by_experiment;"
    "CREATE INDEX runs_newest ON runs (experiment_id, lifecycle_stage,"
    " COALESCE(start_ms, -9223372036854775807) DESC, run_id);"
    "CREATE INDEX runs_by_name ON runs (substr(run_name, 1, 100));"
    "CREATE INDEX latest_metrics_by_value ON latest_metrics (key, is_nan, value);"
    "CREATE INDEX params_by_value ON params (key, substr(value, 1, 100));"
    "CREATE INDEX tags_by_value ON tags (key, substr(value, 1, 100));"

    /* What the latest metrics, the params and the tags of a run make when clients read them
     * (client_data.c): nothing that could not be made again. */
    "CREATE TABLE run_data ("
    " run_id @text PRIMARY KEY REFERENCES runs (run_id) ON DELETE CASCADE,"
    " data @text NOT NULL) @strict;";

/* What goes, and when (retention.c). A run with purge_ms is going for good, in steps: it is in the
 * trash and does not come back. Both indexes hold only what is in the trash. */
const char track_schema_retention[] =
    "ALTER TABLE runs ADD COLUMN purge_ms @int;"
    "CREATE INDEX runs_deleted ON runs (deleted_ms, run_id) WHERE deleted_ms IS NOT NULL;"
    "CREATE INDEX runs_purged ON runs (purge_ms) WHERE purge_ms IS NOT NULL;"
    /* Numbers of experiments that are gone for good are not given again: programs hold them. */
    "CREATE TABLE purged_experiments ("
    " experiment_id @int PRIMARY KEY,"
    " name @text NOT NULL,"
    " purged_ms @int NOT NULL) @strict;";
