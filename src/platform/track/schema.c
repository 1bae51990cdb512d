/* SPDX-License-Identifier: GPL-3.0-or-later */
/* schema.c -- the tables of tracking, as migrations of the owner "track".
 *
 * experiments, runs, params, tags, metrics, registered models, versions and aliases mean what they
 * mean in the MLflow data model; README.md says where the shape differs and why. A released step is
 * never edited: a change is a new step.
 */
#include "platform/track/track_internal.h"

/* Step 1: experiments, runs and what a run logs.
 *
 * A metric key of a run is stored once, in latest_metrics; its points refer to it by number. That
 * makes a point five integers instead of a hundred bytes of text in the table and again in its
 * index. */
static const char SCHEMA_RUNS[] =
    "CREATE TABLE experiments ("
    " experiment_id @int PRIMARY KEY,"
    " name @text NOT NULL UNIQUE," /* also among deleted ones, as MLflow has it */
    " artifact_location @text NOT NULL,"
    " lifecycle_stage @text NOT NULL CHECK (lifecycle_stage IN ('active', 'deleted')),"
    " creation_time @int NOT NULL,"
    " last_update_time @int NOT NULL) @strict;"

    "CREATE TABLE experiment_tags ("
    " experiment_id @int NOT NULL REFERENCES experiments (experiment_id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (experiment_id, key)) @strict;"

    "CREATE TABLE runs ("
    " run_id @text PRIMARY KEY," /* 32 hex digits */
    " experiment_id @int NOT NULL REFERENCES experiments (experiment_id),"
    " run_name @text NOT NULL,"
    " user_id @text NOT NULL,"
    " component @text NOT NULL,"
    " origin @text NOT NULL CHECK (origin IN ('house', 'client')),"
    " status @text NOT NULL"
    "  CHECK (status IN ('SCHEDULED', 'RUNNING', 'FINISHED', 'FAILED', 'KILLED')),"
    " lifecycle_stage @text NOT NULL CHECK (lifecycle_stage IN ('active', 'deleted')),"
    " created_ms @int NOT NULL,"
    " start_ms @int," /* unset while scheduled and never started */
    " end_ms @int,"
    " deleted_ms @int,"
    " attempts @int NOT NULL,"
    " error @text,"
    " job_id @text,"
    " job_kind @text,"
    " dataset_id @text," /* labels of the run, as in its log lines; lineage is in run_assets */
    " model_id @text) @strict;"
    "CREATE INDEX runs_by_experiment ON runs (experiment_id, lifecycle_stage, start_ms);"
    "CREATE INDEX runs_by_time ON runs (created_ms);"
    "CREATE INDEX runs_by_component ON runs (component, created_ms);"
    "CREATE INDEX runs_by_status ON runs (status, created_ms);"

    "CREATE TABLE params ("
    " run_id @text NOT NULL REFERENCES runs (run_id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (run_id, key)) @strict;"

    "CREATE TABLE tags ("
    " run_id @text NOT NULL REFERENCES runs (run_id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (run_id, key)) @strict;"

    "CREATE TABLE latest_metrics ("
    " metric_id @id,"
    " run_id @text NOT NULL REFERENCES runs (run_id),"
    " key @text NOT NULL,"
    " step @int NOT NULL,"
    " ts_ms @int NOT NULL,"
    " value @real NOT NULL," /* 0 with is_nan 1 for NaN; infinities are the largest double */
    " is_nan @int NOT NULL,"
    " UNIQUE (run_id, key)) @strict;"

    "CREATE TABLE metrics ("
    " metric_id @int NOT NULL REFERENCES latest_metrics (metric_id),"
    " ts_ms @int NOT NULL,"
    " step @int NOT NULL,"
    " value @real NOT NULL,"
    " is_nan @int NOT NULL,"
    " PRIMARY KEY (metric_id, ts_ms, step, value, is_nan)) @strict;"

    "CREATE TABLE artifacts ("
    " run_id @text NOT NULL REFERENCES runs (run_id),"
    " path @text NOT NULL,"
    " blob @text NOT NULL,"
    " bytes @int NOT NULL,"
    " created_ms @int NOT NULL,"
    " PRIMARY KEY (run_id, path)) @strict;"

    /* Which run read or made which asset: the edges of lineage. */
    "CREATE TABLE run_assets ("
    " run_id @text NOT NULL REFERENCES runs (run_id),"
    " direction @text NOT NULL CHECK (direction IN ('in', 'out')),"
    " kind @text NOT NULL CHECK (kind IN ('dataset', 'model')),"
    " asset_id @text NOT NULL,"
    " context @text NOT NULL," /* mlflow.data.context: training, evaluation, ... or empty */
    " step @int NOT NULL,"
    " at_ms @int NOT NULL,"
    " PRIMARY KEY (run_id, direction, kind, asset_id, context)) @strict;"
    "CREATE INDEX run_assets_by_asset ON run_assets (asset_id, at_ms);";

/* Step 2: the assets. A deleted one keeps its row, so that lineage still has a name for it, but no
 * blob; numbers of deleted versions are not given again. */
static const char SCHEMA_ASSETS[] =
    "CREATE TABLE datasets ("
    " id @text PRIMARY KEY,"
    " name @text NOT NULL,"
    " version @text NOT NULL,"
    " version_number @int," /* when version is a plain number: the next one is the largest plus 1 */
    " kind @text NOT NULL,"
    " state @text NOT NULL CHECK (state IN ('building', 'ready', 'failed', 'deleted')),"
    " reason @text,"                                                         /* why it failed */
    " filter @text, split @text, profile @text, manifest @text, tags @text," /* JSON */
    " note @text,"
    " digest @text," /* stays when the blob is gone */
    " blob @text,"
    " rows @int NOT NULL,"
    " bytes @int NOT NULL,"
    " run_id @text,"
    " created_ms @int NOT NULL,"
    " updated_ms @int NOT NULL,"
    " UNIQUE (name, version)) @strict;"
    "CREATE INDEX datasets_by_time ON datasets (created_ms);"

    /* What a dataset was made from and must stay as long as it does. */
    "CREATE TABLE dataset_blobs ("
    " dataset_id @text NOT NULL REFERENCES datasets (id),"
    " blob @text NOT NULL,"
    " PRIMARY KEY (dataset_id, blob)) @strict;"

    "CREATE TABLE registered_models ("
    " name @text PRIMARY KEY,"
    " kind @text NOT NULL,"
    " display_name @text,"
    " description @text,"
    " created_ms @int NOT NULL,"
    " updated_ms @int NOT NULL) @strict;"

    "CREATE TABLE registered_model_tags ("
    " name @text NOT NULL REFERENCES registered_models (name),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (name, key)) @strict;"

    "CREATE TABLE model_versions ("
    " id @text PRIMARY KEY,"
    " name @text NOT NULL REFERENCES registered_models (name),"
    " version @int NOT NULL,"
    " kind @text NOT NULL,"
    " stage @text NOT NULL,"  /* None, Staging, Production, Archived, Deleted_Internal */
    " status @text NOT NULL," /* READY, PENDING_REGISTRATION, FAILED_REGISTRATION */
    " status_message @text,"
    " description @text,"
    " user_id @text,"
    " source @text,"
    " run_id @text,"
    " run_link @text,"
    " dataset_id @text REFERENCES datasets (id),"
    " metrics @text," /* JSON: evaluation numbers at registration */
    " blob @text,"
    " digest @text,"
    " bytes @int NOT NULL,"
    " created_ms @int NOT NULL,"
    " updated_ms @int NOT NULL,"
    " UNIQUE (name, version)) @strict;"
    "CREATE INDEX model_versions_by_dataset ON model_versions (dataset_id);"
    "CREATE INDEX model_versions_by_run ON model_versions (run_id);"

    "CREATE TABLE model_version_tags ("
    " version_id @text NOT NULL REFERENCES model_versions (id),"
    " key @text NOT NULL,"
    " value @text NOT NULL,"
    " PRIMARY KEY (version_id, key)) @strict;"

    "CREATE TABLE model_aliases ("
    " name @text NOT NULL,"
    " alias @text NOT NULL,"
    " version @int NOT NULL,"
    " PRIMARY KEY (name, alias),"
    " FOREIGN KEY (name, version) REFERENCES model_versions (name, version)) @strict;"
    "CREATE INDEX model_aliases_by_version ON model_aliases (name, version);"

    /* The ledger: one row for each time an alias moved. Nothing here is ever changed, but for the
     * name when the model is renamed. */
    "CREATE TABLE model_promotions ("
    " id @id,"
    " name @text NOT NULL,"
    " alias @text NOT NULL,"
    " from_version @int NOT NULL," /* 0: the alias was new */
    " to_version @int NOT NULL,"   /* 0: the alias was removed */
    " username @text NOT NULL,"
    " reason @text NOT NULL,"
    " at_ms @int NOT NULL) @strict;"
    "CREATE INDEX model_promotions_by_name ON model_promotions (name, id);";

/* Step 3: samples of our own metrics; history.c says how they are kept. */
static const char SCHEMA_HISTORY[] =
    "CREATE TABLE history_series ("
    " id @id,"
    " name @text NOT NULL,"
    " labels @text NOT NULL,"
    " seen_ms @int NOT NULL," /* when a process last began to sample it */
    " UNIQUE (name, labels)) @strict;"

    "CREATE TABLE history_sessions ("
    " id @id,"
    " start_ms @int NOT NULL,"
    " last_ms @int NOT NULL) @strict;"

    "CREATE TABLE history_ticks ("
    " ts_ms @int PRIMARY KEY,"
    " entries @blob NOT NULL) @strict;"

    "CREATE TABLE history_chunks ("
    " series_id @int NOT NULL,"
    " start_ms @int NOT NULL,"
    " level @int NOT NULL," /* 1: an hour, every sample; 2: a day, thinned */
    " data @blob NOT NULL,"
    " PRIMARY KEY (series_id, start_ms)) @strict;"
    "CREATE INDEX history_chunks_by_level ON history_chunks (level, start_ms);";

const struct store_migration track_migrations[] = {
    { 1, SCHEMA_RUNS },
    { 2, SCHEMA_ASSETS },
    { 3, SCHEMA_HISTORY },
    { 4, track_schema_inputs },
    { 5, track_schema_logged_models },
    { 6, track_schema_traces },
    { 7, track_schema_files },
    { 8, track_schema_search },
    { 9, track_schema_retention },
    { 0, NULL },
};
