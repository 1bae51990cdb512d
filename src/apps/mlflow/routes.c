/* SPDX-License-Identifier: GPL-3.0-or-later */
/* routes.c -- the addresses of MLflow's REST API. Each stands at /api/... for programs, and at
 * /ajax-api/... for MLflow's own pages. */
#include "apps/mlflow/mlflow_app.h"

/* A filter with a list of 1000 run ids, 10,000 experiments and a token. */
enum { SEARCH_BODY_MAX = 1024 * 1024 };

#define V2(path) "/api/2.0/mlflow" path, .alias = "/ajax-api/2.0/mlflow" path
#define V3(path) "/api/3.0/mlflow" path, .alias = "/ajax-api/3.0/mlflow" path
#define PROXY(path) "/api/2.0/mlflow-artifacts" path, .alias = "/ajax-api/2.0/mlflow-artifacts" path
#define AN_ID "\"experiment_id\":{\"type\":\"string\"}"
#define A_RUN "\"run_id\":{\"type\":\"string\"}"
#define KEY_VALUES                                                                          \
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"key\":{\"type\":" \
    "\"string\"},\"value\":{\"type\":\"string\"}}}}"
#define TEXTS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define TAGS "\"tags\":" KEY_VALUES
#define PARAMS "\"params\":" KEY_VALUES
#define METRICS                                                                                  \
    "\"metrics\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"key\":"    \
    "{\"type\":\"string\"},\"value\":{\"type\":\"number\"},\"timestamp\":{\"type\":\"integer\"}" \
    ",\"step\":{\"type\":\"integer\"}}}}"
#define IDS "\"experiment_ids\":" TEXTS
#define A_PAGE                                                                 \
    "\"filter\":{\"type\":\"string\"},\"max_results\":{\"type\":\"integer\"}," \
    "\"page_token\":{\"type\":\"string\"}"
#define A_SEARCH A_PAGE ",\"order_by\":" TEXTS
#define ROW(m, p, s, a, f) .method = m, .path = p, .summary = s, .access = a, .run = f
#define AN_OBJECT "{\"type\":\"object\"}"

/* Bodies: a batch of 1000 metrics with the longest keys, or of 100 params and 100 tags with the
 * longest values, all escaped, is 8 MB at most; a model's description has no limit in MLflow. */
enum {
    TEXT_BODY_MAX = 1024 * 1024,
    BATCH_BODY_MAX = 8 * 1024 * 1024,
    INPUTS_BODY_MAX = 16 * 1024 * 1024,
    OTLP_BODY_MAX = 32 * 1024 * 1024,
};

const struct route mlflow_routes[] = {
    /* ---------------------------------------------------------------- the server */
    { ROW("GET", "/version", "The MLflow version whose API this is.", ACCESS_PUBLIC,
          mlflow_version),
      .is_inline = true },
    { ROW("GET", V3("/server-info"), "What this tracking server can do.", ACCESS_PUBLIC,
          mlflow_server_info),
      .is_inline = true, .reply = AN_OBJECT },

    /* ---------------------------------------------------------------- experiments */
    { ROW("POST", V2("/experiments/create"), "Make an experiment.", ACCESS_ANALYST,
          mlflow_experiment_create),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},\"artifact_location\":{\"type\":\"string\"}," TAGS,
      .body_max = TEXT_BODY_MAX, .example = "{\"name\":\"<new>\"}" },
    { ROW("GET", V2("/experiments/get"), "An experiment, by its id.", ACCESS_VIEWER,
          mlflow_experiment_get),
      .reply = AN_OBJECT, .query = "experiment_id:string", .example = "experiment_id=0" },
    { ROW("GET", V2("/experiments/get-by-name"), "An experiment, by its name.", ACCESS_VIEWER,
          mlflow_experiment_get_by_name),
      .reply = AN_OBJECT, .query = "experiment_name:string", .example = "experiment_name=Default" },
    { ROW("POST", V2("/experiments/update"), "Rename an experiment.", ACCESS_ANALYST,
          mlflow_experiment_update),
      .reply = AN_OBJECT, .body = AN_ID ",\"new_name\":{\"type\":\"string\"}",
      .example = "{\"experiment_id\":\"<experiment>\",\"new_name\":\"<new>\"}" },
    { ROW("POST", V2("/experiments/delete"),
          "Delete an experiment and its runs; both can be restored.", ACCESS_ANALYST,
          mlflow_experiment_delete),
      .body = AN_ID, .reply = AN_OBJECT, .example = "{\"experiment_id\":\"<experiment>\"}" },
    { ROW("POST", V2("/experiments/restore"), "Restore a deleted experiment and its runs.",
          ACCESS_ANALYST, mlflow_experiment_restore),
      .body = AN_ID, .reply = AN_OBJECT,
      .example = "{\"experiment_id\":\"<deleted experiment>\"}" },
    { ROW("POST", V2("/experiments/set-experiment-tag"), "Set a tag of an experiment.",
          ACCESS_ANALYST, mlflow_experiment_set_tag),
      .reply = AN_OBJECT,
      .body = AN_ID ",\"key\":{\"type\":\"string\"},\"value\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX,
      .example = "{\"experiment_id\":\"0\",\"key\":\"team\",\"value\":\"harbour\"}" },
    { ROW("POST", V2("/experiments/delete-experiment-tag"), "Remove a tag of an experiment.",
          ACCESS_ANALYST, mlflow_experiment_delete_tag),
      .reply = AN_OBJECT, .body = AN_ID ",\"key\":{\"type\":\"string\"}",
      .example = "{\"experiment_id\":\"<experiment>\",\"key\":\"team\"}" },

    /* ---------------------------------------------------------------- runs, params, metrics, tags
     */
    { ROW("POST", V2("/runs/create"), "Begin a run.", ACCESS_ANALYST, mlflow_run_create),
      .reply = AN_OBJECT,
      .body = AN_ID ",\"user_id\":{\"type\":\"string\"},\"run_name\":{\"type\":\"string\"},"
                    "\"start_time\":{\"type\":\"integer\"}," TAGS,
      .body_max = BATCH_BODY_MAX, .example = "{\"experiment_id\":\"0\",\"run_name\":\"gate\"}",
      .event = "run.created" },
    { ROW("GET", V2("/runs/get"),
          "A run with its params, latest metrics, tags, inputs and outputs.", ACCESS_VIEWER,
          mlflow_run_get),
      .reply = AN_OBJECT, .query = "run_id:string run_uuid:string", .example = "run_id=<run>" },
    { ROW("POST", V2("/runs/update"), "Set the status, the end or the name of a run.",
          ACCESS_ANALYST, mlflow_run_update),
      .reply = AN_OBJECT,
      .body = A_RUN ",\"status\":{\"type\":\"string\"}"
                    ",\"end_time\":{\"type\":\"integer\"}"
                    ",\"run_name\":{\"type\":\"string\"}",
      .example = "{\"run_id\":\"<run>\",\"status\":\"FINISHED\",\"end_time\":1700000000000}" },
    { ROW("POST", V2("/runs/delete"), "Delete a run; it can be restored.", ACCESS_ANALYST,
          mlflow_run_delete),
      .reply = AN_OBJECT, .body = A_RUN, .example = "{\"run_id\":\"<run>\"}" },
    { ROW("POST", V2("/runs/restore"), "Restore a deleted run.", ACCESS_ANALYST,
          mlflow_run_restore),
      .reply = AN_OBJECT, .body = A_RUN, .example = "{\"run_id\":\"<run>\"}" },
    { ROW("POST", V2("/runs/log-metric"), "Log one point of a metric.", ACCESS_ANALYST,
          mlflow_log_metric),
      .reply = AN_OBJECT,
      .body = A_RUN ",\"key\":{\"type\":\"string\"}"
                    ",\"value\":{\"type\":\"number\"}"
                    ",\"timestamp\":{\"type\":\"integer\"}"
                    ",\"step\":{\"type\":\"integer\"}"
                    ",\"model_id\":{\"type\":\"string\"}"
                    ",\"dataset_name\":{\"type\":\"string\"}"
                    ",\"dataset_digest\":{\"type\":\"string\"}",
      .example = "{\"run_id\":\"<run>\",\"key\":\"loss\",\"value\":0.5,\"timestamp\":1700000000000,"
                 "\"step\":1}" },
    { ROW("POST", V2("/runs/log-parameter"),
          "Log one parameter: its value does not change any more.", ACCESS_ANALYST,
          mlflow_log_parameter),
      .reply = AN_OBJECT,
      .body = A_RUN ",\"key\":{\"type\":\"string\"}"
                    ",\"value\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX,
      .example = "{\"run_id\":\"<run>\",\"key\":\"rate\",\"value\":\"0.1\"}" },
    { ROW("POST", V2("/runs/set-tag"), "Set a tag of a run.", ACCESS_ANALYST, mlflow_set_tag),
      .reply = AN_OBJECT,
      .body = A_RUN ",\"key\":{\"type\":\"string\"}"
                    ",\"value\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX,
      .example = "{\"run_id\":\"<run>\",\"key\":\"team\",\"value\":\"harbour\"}" },
    { ROW("POST", V2("/runs/delete-tag"), "Remove a tag of a run.", ACCESS_ANALYST,
          mlflow_delete_tag),
      .reply = AN_OBJECT, .body = A_RUN ",\"key\":{\"type\":\"string\"}",
      .example = "{\"run_id\":\"<run>\",\"key\":\"mlflow.runName\"}" },
    { ROW("POST", V2("/runs/log-batch"), "Log up to 1000 metrics, params and tags, all or nothing.",
          ACCESS_ANALYST, mlflow_log_batch),
      .reply = AN_OBJECT, .body = A_RUN "," METRICS "," PARAMS "," TAGS, .body_max = BATCH_BODY_MAX,
      .example = "{\"run_id\":\"<run>\",\"metrics\":[{\"key\":\"loss\",\"value\":0.5,\"timestamp\":"
                 "1700000000000,\"step\":1}],\"params\":[{\"key\":\"rate\",\"value\":\"0.1\"}],"
                 "\"tags\":[{\"key\":\"team\",\"value\":\"harbour\"}]}" },
    { ROW("POST", V2("/runs/log-inputs"), "Log which datasets and models a run reads.",
          ACCESS_ANALYST, mlflow_log_inputs),
      .reply = AN_OBJECT,
      .body = A_RUN ",\"datasets\":{\"type\":\"array\"}"
                    ",\"models\":{\"type\":\"array\"}",
      .body_max = INPUTS_BODY_MAX,
      .example = "{\"run_id\":\"<run>\",\"datasets\":[{\"dataset\":{\"name\":\"tides\",\"digest\":"
                 "\"4f2a\",\"source_type\":\"http\",\"source\":\"{}\"},\"tags\":[{\"key\":\"mlflow."
                 "data.context\",\"value\":\"training\"}]}]}" },
    { ROW("POST", V2("/runs/outputs"), "Log which models a run has made.", ACCESS_ANALYST,
          mlflow_log_outputs),
      .reply = AN_OBJECT, .body = A_RUN ",\"models\":{\"type\":\"array\"}",
      .body_max = TEXT_BODY_MAX,
      .example = "{\"run_id\":\"<run>\",\"models\":[{\"model_id\":\"m-1\",\"step\":0}]}" },
    { ROW("POST", V2("/runs/log-model"),
          "Note a model among the files of a run, as older clients do.", ACCESS_ANALYST,
          mlflow_log_model),
      .reply = AN_OBJECT, .body = A_RUN ",\"model_json\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX,
      .example = "{\"run_id\":\"<run>\",\"model_json\":\"{\\\"run_id\\\":\\\"<run>\\\","
                 "\\\"artifact_path\\\":\\\"model\\\",\\\"utc_time_created\\\":\\\"2026-01-01\\\","
                 "\\\"flavors\\\":{}}\"}" },
    { ROW("GET", V2("/metrics/get-history"), "All points of a metric of a run, in pages.",
          ACCESS_VIEWER, mlflow_metric_history),
      .reply = AN_OBJECT,
      .query = "run_id:string run_uuid:string metric_key:string max_results:int page_token:string",
      .example = "run_id=<run>&metric_key=loss" },
    { ROW("GET", V2("/metrics/get-history-bulk"), "Points of a metric of several runs.",
          ACCESS_VIEWER, mlflow_metric_history_bulk),
      .reply = AN_OBJECT, .query = "run_id:string metric_key:string max_results:int",
      .example = "run_id=<run>&metric_key=loss" },
    { ROW("GET", V2("/metrics/get-history-bulk-interval"),
          "Points of a metric of several runs, spread evenly for a chart.", ACCESS_VIEWER,
          mlflow_metric_samples),
      .reply = AN_OBJECT,
      .query = "run_ids:string metric_key:string start_step:int end_step:int max_results:int",
      .example = "run_ids=<run>&metric_key=loss" },
    { ROW("POST", V2("/experiments/search-datasets"),
          "Which datasets the runs of some experiments read.", ACCESS_VIEWER,
          mlflow_search_datasets),
      .reply = AN_OBJECT, .body = IDS, .body_max = SEARCH_BODY_MAX,
      .example = "{\"experiment_ids\":[\"0\"]}" },

    /* ---------------------------------------------------------------- search */
    { ROW("POST", V2("/runs/search"), "Runs by a filter, in an order, a page at a time.",
          ACCESS_VIEWER, mlflow_search_runs),
      .body_max = SEARCH_BODY_MAX,
      .body = IDS ",\"run_view_type\":{\"type\":"
                  "\"string\"}," A_SEARCH,
      .reply = AN_OBJECT,
      .example = "{\"experiment_ids\":[\"0\"],\"filter\":\"metrics.loss < 1\",\"order_by\":"
                 "[\"metrics.loss ASC\"],\"max_results\":10}" },
    { ROW("POST", V2("/experiments/search"),
          "Experiments by a filter, in an order, a page at a time.", ACCESS_VIEWER,
          mlflow_search_experiments),
      .body_max = SEARCH_BODY_MAX, .body = "\"view_type\":{\"type\":\"string\"}," A_SEARCH,
      .reply = AN_OBJECT, .example = "{\"filter\":\"name LIKE 'D%'\",\"max_results\":10}" },
    { ROW("GET", V2("/experiments/search"), "The same, with the arguments in the address.",
          ACCESS_VIEWER, mlflow_search_experiments),
      .query = "filter:string max_results:integer view_type:string order_by:string"
               " page_token:string",
      .reply = AN_OBJECT, .example = "max_results=10" },
    { ROW("GET", V2("/registered-models/search"),
          "Registered models by a filter, in an order, a page at a time.", ACCESS_VIEWER,
          mlflow_search_models),
      .query = "filter:string max_results:integer order_by:string page_token:string",
      .reply = AN_OBJECT, .example = "filter=name%20LIKE%20%27a%25%27" },
    { ROW("GET", V2("/model-versions/search"),
          "Versions of registered models by a filter, in an order, a page at a time.",
          ACCESS_VIEWER, mlflow_search_versions),
      .query = "filter:string max_results:integer order_by:string page_token:string",
      .reply = AN_OBJECT, .example = "order_by=version_number%20DESC" },
    { ROW("POST", V2("/logged-models/search"),
          "Logged models by a filter, in an order, a page at a time.", ACCESS_VIEWER,
          mlflow_search_logged_models),
      .body_max = SEARCH_BODY_MAX,
      .body = IDS ",\"datasets\":{\"type\":\"array\"},\"order_by\":{\"type\":\"array\"}," A_PAGE,
      .reply = AN_OBJECT,
      .example = "{\"experiment_ids\":[\"0\"],\"order_by\":[{\"field_name\":\"metrics.acc\","
                 "\"ascending\":false}]}" },

    /* ---------------------------------------------------------------- artifacts */
    { ROW("GET", V2("/artifacts/list"), "What is in a directory of a run's artifacts.",
          ACCESS_VIEWER, mlflow_artifact_list),
      .reply = AN_OBJECT, .query = "run_id:string run_uuid:string path:string page_token:string" },
    { ROW("GET", "/get-artifact", "A file of a run.", ACCESS_VIEWER, mlflow_artifact_of_run),
      .query = "run_id:string run_uuid:string path:string" },
    { ROW("GET", "/model-versions/get-artifact", "A file of a model version.", ACCESS_VIEWER,
          mlflow_artifact_of_version),
      .query = "name:string version:string path:string" },
    { ROW("GET", "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files",
          "A file of a logged model.", ACCESS_VIEWER, mlflow_artifact_of_model),
      .query = "artifact_file_path:string" },
    { .method = "GET",
      .path = "/ajax-api/2.0/mlflow/get-trace-artifact",
      .alias = "/ajax-api/3.0/mlflow/get-trace-artifact",
      .summary = "The spans that a client stored as a file of a trace, or an attachment.",
      .access = ACCESS_VIEWER,
      .run = mlflow_artifact_of_trace,
      .query = "request_id:string path:string" },
    { ROW("POST", "/ajax-api/2.0/mlflow/upload-artifact",
          "Store a file of a run, of at most 10 MiB.", ACCESS_ANALYST, mlflow_artifact_upload),
      .is_upload = true, .sink = &mlflow_upload_sink, .body_max = 10 * 1024 * 1024,
      .reply = AN_OBJECT, .query = "run_uuid:string path:string" },
    { .method = "PUT",
      .path = PROXY("/artifacts/{path...}"),
      .summary = "Store a file.",
      .access = ACCESS_ANALYST,
      .run = mlflow_artifact_put,
      .is_upload = true,
      .sink = &mlflow_put_sink },
    { .method = "GET",
      .path = PROXY("/artifacts/{path...}"),
      .summary = "A file.",
      .access = ACCESS_VIEWER,
      .run = mlflow_artifact_get },
    { .method = "DELETE",
      .path = PROXY("/artifacts/{path...}"),
      .summary = "Delete a file, or all below a directory.",
      .access = ACCESS_ANALYST,
      .run = mlflow_artifact_delete,
      .reply = AN_OBJECT },
    { .method = "GET",
      .path = PROXY("/artifacts"),
      .summary = "The names in a directory.",
      .access = ACCESS_VIEWER,
      .run = mlflow_artifact_names,
      .reply = AN_OBJECT,
      .query = "path:string",
      .example = "path=0" },
    { .method = "POST",
      .path = PROXY("/mpu/create/{path...}"),
      .summary = "Says that files come in one piece: clients then send them so.",
      .access = ACCESS_ANALYST,
      .run = mlflow_artifact_no_parts,
      .body = "\"path\":{\"type\":\"string\"}",
      .example = "{\"path\":\"model.bin\"}",
      .reply_status = 501 },
    { .method = "POST",
      .path = PROXY("/mpu/complete/{path...}"),
      .summary = "Says that files come in one piece.",
      .access = ACCESS_ANALYST,
      .run = mlflow_artifact_no_parts,
      .body = "\"path\":{\"type\":\"string\"}",
      .example = "{\"path\":\"model.bin\"}",
      .reply_status = 501 },
    { .method = "POST",
      .path = PROXY("/mpu/abort/{path...}"),
      .summary = "Says that files come in one piece.",
      .access = ACCESS_ANALYST,
      .run = mlflow_artifact_no_parts,
      .body = "\"path\":{\"type\":\"string\"}",
      .example = "{\"path\":\"model.bin\"}",
      .reply_status = 501 },
    { .method = "GET",
      .path = PROXY("/presigned/{path...}"),
      .summary = "Says that files come through this server: clients then ask it for them.",
      .access = ACCESS_VIEWER,
      .run = mlflow_artifact_no_links,
      .reply_status = 501 },
    { .method = "GET",
      .path = PROXY("/mpd/presigned/{path...}"),
      .summary = "The same, at the address of older clients.",
      .access = ACCESS_VIEWER,
      .run = mlflow_artifact_no_links,
      .reply_status = 501 },

    /* ---------------------------------------------------------------- registry */
    { ROW("POST", V2("/registered-models/create"), "Make a name for versions of a model.",
          ACCESS_ANALYST, mlflow_model_create),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"description\":{\"type\":\"string\"}," TAGS,
      .body_max = TEXT_BODY_MAX,
      .example = "{\"name\":\"<new>\",\"tags\":[{\"key\":\"team\",\"value\":\"harbour\"}]}" },
    { ROW("GET", V2("/registered-models/get"),
          "A registered model, with the newest version of each stage.", ACCESS_VIEWER,
          mlflow_model_get),
      .reply = AN_OBJECT, .query = "name:string", .example = "name=<model>" },
    { ROW("PATCH", V2("/registered-models/update"), "Describe a registered model.", ACCESS_ANALYST,
          mlflow_model_update),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"description\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX, .example = "{\"name\":\"<model>\",\"description\":\"tides\"}" },
    { ROW("POST", V2("/registered-models/rename"),
          "Rename a registered model, with all that belongs to it.", ACCESS_ANALYST,
          mlflow_model_rename),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"new_name\":{\"type\":\"string\"}",
      .example = "{\"name\":\"<model>\",\"new_name\":\"<new>\"}" },
    { ROW("DELETE", V2("/registered-models/delete"), "Delete a registered model and its versions.",
          ACCESS_ANALYST, mlflow_model_delete),
      .reply = AN_OBJECT, .body = "\"name\":{\"type\":\"string\"}",
      .example = "{\"name\":\"<model>\"}" },
    { ROW("POST", V2("/registered-models/get-latest-versions"),
          "The newest version of each stage, or of some.", ACCESS_VIEWER, mlflow_model_latest),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"stages\":{\"type\":\"array\"}",
      .example = "{\"name\":\"<model>\"}" },
    { ROW("GET", V2("/registered-models/get-latest-versions"),
          "The newest version of each stage, or of some.", ACCESS_VIEWER, mlflow_model_latest),
      .reply = AN_OBJECT, .query = "name:string stages:string", .example = "name=<model>" },
    { ROW("POST", V2("/registered-models/set-tag"), "Tag a registered model.", ACCESS_ANALYST,
          mlflow_model_set_tag),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"key\":{\"type\":\"string\"},"
              "\"value\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX,
      .example = "{\"name\":\"<model>\",\"key\":\"team\",\"value\":\"harbour\"}" },
    { ROW("DELETE", V2("/registered-models/delete-tag"), "Take a tag of a registered model away.",
          ACCESS_ANALYST, mlflow_model_delete_tag),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"key\":{\"type\":\"string\"}",
      .example = "{\"name\":\"<model>\",\"key\":\"team\"}" },
    { ROW("POST", V2("/registered-models/alias"),
          "Point an alias at a version; a model of this server then serves.", ACCESS_ANALYST,
          mlflow_alias_set),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"alias\":{\"type\":\"string\"},"
              "\"version\":{\"type\":\"string\"}",
      .example = "{\"name\":\"<model>\",\"alias\":\"best\",\"version\":\"1\"}" },
    { ROW("DELETE", V2("/registered-models/alias"), "Take an alias away.", ACCESS_ANALYST,
          mlflow_alias_delete),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"alias\":{\"type\":\"string\"}",
      .example = "{\"name\":\"<model>\",\"alias\":\"best\"}" },
    { ROW("GET", V2("/registered-models/alias"), "The version that an alias points at.",
          ACCESS_VIEWER, mlflow_alias_get),
      .reply = AN_OBJECT, .query = "name:string alias:string",
      .example = "name=<model>&alias=champion" },
    { ROW("POST", V2("/model-versions/create"), "Register the next version of a model.",
          ACCESS_ANALYST, mlflow_version_create),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"source\":{\"type\":\"string\"},"
              "\"run_id\":{\"type\":\"string\"},"
              "\"run_link\":{\"type\":\"string\"},"
              "\"description\":{\"type\":\"string\"},"
              "\"model_id\":{\"type\":\"string\"}," TAGS,
      .body_max = TEXT_BODY_MAX,
      .example = "{\"name\":\"<model>\",\"source\":\"s3://bucket/model\"}" },
    { ROW("GET", V2("/model-versions/get"), "A version.", ACCESS_VIEWER, mlflow_version_get),
      .reply = AN_OBJECT, .query = "name:string version:string",
      .example = "name=<model>&version=1" },
    { ROW("PATCH", V2("/model-versions/update"), "Describe a version.", ACCESS_ANALYST,
          mlflow_version_update),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"version\":{\"type\":\"string\"},"
              "\"description\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX,
      .example = "{\"name\":\"<model>\",\"version\":\"1\",\"description\":\"calmer\"}" },
    { ROW("POST", V2("/model-versions/transition-stage"), "Move a version to another stage.",
          ACCESS_ANALYST, mlflow_version_stage),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"version\":{\"type\":\"string\"},"
              "\"stage\":{\"type\":\"string\"},"
              "\"archive_existing_versions\":{\"type\":\"boolean\"}",
      .example = "{\"name\":\"<model>\",\"version\":\"1\",\"stage\":\"Staging\"}" },
    { ROW("DELETE", V2("/model-versions/delete"),
          "Delete a version; its number is not given again.", ACCESS_ANALYST,
          mlflow_version_delete),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"version\":{\"type\":\"string\"}",
      .example = "{\"name\":\"<model>\",\"version\":\"1\"}" },
    { ROW("GET", V2("/model-versions/get-download-uri"), "Where the files of a version are.",
          ACCESS_VIEWER, mlflow_version_uri),
      .reply = AN_OBJECT, .query = "name:string version:string",
      .example = "name=<model>&version=1" },
    { ROW("POST", V2("/model-versions/set-tag"), "Tag a version.", ACCESS_ANALYST,
          mlflow_version_set_tag),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"version\":{\"type\":\"string\"},"
              "\"key\":{\"type\":\"string\"},"
              "\"value\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX,
      .example =
          "{\"name\":\"<model>\",\"version\":\"1\",\"key\":\"team\",\"value\":\"harbour\"}" },
    { ROW("DELETE", V2("/model-versions/delete-tag"), "Take a tag of a version away.",
          ACCESS_ANALYST, mlflow_version_delete_tag),
      .reply = AN_OBJECT,
      .body = "\"name\":{\"type\":\"string\"},"
              "\"version\":{\"type\":\"string\"},"
              "\"key\":{\"type\":\"string\"}",
      .example = "{\"name\":\"<model>\",\"version\":\"1\",\"key\":\"team\"}" },

    /* ---------------------------------------------------------------- logged models */
    { ROW("POST", V2("/logged-models"), "Begin a logged model, whose files follow.", ACCESS_ANALYST,
          mlflow_logged_create),
      .reply = AN_OBJECT,
      .body = "\"experiment_id\":{\"type\":\"string\"},"
              "\"name\":{\"type\":\"string\"},"
              "\"model_type\":{\"type\":\"string\"},"
              "\"source_run_id\":{\"type\":\"string\"}," PARAMS "," TAGS,
      .body_max = TEXT_BODY_MAX,
      .example = "{\"experiment_id\":\"0\",\"name\":\"gate\",\"params\":[{\"key\":\"rate\","
                 "\"value\":\"0.1\"}]}" },
    { ROW("GET", V2("/logged-models/{model_id}"), "A logged model, with its metrics.",
          ACCESS_VIEWER, mlflow_logged_get),
      .reply = AN_OBJECT },
    { ROW("PATCH", V2("/logged-models/{model_id}"),
          "Say that the files of a logged model are there, or will not be.", ACCESS_ANALYST,
          mlflow_logged_finish),
      .reply = AN_OBJECT,
      .body = "\"model_id\":{\"type\":\"string\"},"
              "\"status\":{\"type\":\"string\"}",
      .example = "{\"model_id\":\"<logged>\",\"status\":\"LOGGED_MODEL_READY\"}" },
    { ROW("DELETE", V2("/logged-models/{model_id}"),
          "Delete a logged model; its files stay until they are deleted.", ACCESS_ANALYST,
          mlflow_logged_delete),
      .reply = AN_OBJECT },
    { ROW("PATCH", V2("/logged-models/{model_id}/tags"), "Tag a logged model.", ACCESS_ANALYST,
          mlflow_logged_tags),
      .reply = AN_OBJECT, .body = TAGS, .body_max = TEXT_BODY_MAX,
      .example = "{\"tags\":[{\"key\":\"team\",\"value\":\"harbour\"}]}" },
    { ROW("DELETE", V2("/logged-models/{model_id}/tags/{tag_key}"),
          "Take a tag of a logged model away.", ACCESS_ANALYST, mlflow_logged_delete_tag),
      .reply = AN_OBJECT },
    { ROW("POST", V2("/logged-models/{model_id}/params"), "Add params to a logged model.",
          ACCESS_ANALYST, mlflow_logged_params),
      .reply = AN_OBJECT, .body = "\"model_id\":{\"type\":\"string\"}," PARAMS,
      .body_max = TEXT_BODY_MAX,
      .example = "{\"model_id\":\"<logged>\",\"params\":[{\"key\":\"depth\",\"value\":\"3\"}]}" },
    { ROW("GET", V2("/logged-models/{model_id}/artifacts/directories"),
          "The files of a logged model.", ACCESS_VIEWER, mlflow_logged_files),
      .reply = AN_OBJECT, .query = "artifact_directory_path:string page_token:string" },

    /* ---------------------------------------------------------------- traces */
    { ROW("POST", V3("/traces"), "Start a trace, or say all of one that spans were logged of.",
          ACCESS_ANALYST, mlflow_trace_start),
      .reply = AN_OBJECT, .body = "\"trace\":{\"type\":\"object\"}", .body_max = INPUTS_BODY_MAX,
      .example = "{\"trace\":{\"trace_info\":{\"trace_id\":\"tr-gate-1\",\"trace_location\":{"
                 "\"mlflow_experiment\":{\"experiment_id\":\"0\"}}}}}" },
    { ROW("GET", V3("/traces/{trace_id}"), "A trace without its spans.", ACCESS_VIEWER,
          mlflow_trace_info),
      .reply = AN_OBJECT },
    { ROW("GET", V3("/traces/get"), "A trace with its spans.", ACCESS_VIEWER, mlflow_trace_get),
      .reply = AN_OBJECT, .query = "trace_id:string allow_partial:bool" },
    { ROW("GET", V3("/traces/batchGet"),
          "Traces with their spans; those that are not complete yet are left out.", ACCESS_VIEWER,
          mlflow_trace_batch_get),
      .reply = AN_OBJECT, .query = "trace_ids:string" },
    { ROW("POST", V3("/traces/batchGetInfos"), "Traces without their spans.", ACCESS_VIEWER,
          mlflow_trace_batch_infos),
      .reply = AN_OBJECT, .body = "\"trace_ids\":{\"type\":\"array\"}",
      .example = "{\"trace_ids\":[\"tr-none\"]}" },
    { ROW("POST", V3("/traces/search"), "Search traces.", ACCESS_VIEWER, mlflow_traces_search),
      .reply = AN_OBJECT, .body = "\"locations\":{\"type\":\"array\"}," A_SEARCH,
      .body_max = SEARCH_BODY_MAX,
      .example = "{\"locations\":[{\"mlflow_experiment\":{\"experiment_id\":\"0\"}}]}" },
    { ROW("POST", V3("/traces/calculate-filter-correlation"),
          "How often two filters find the same traces, and whether that is chance.", ACCESS_VIEWER,
          mlflow_traces_correlation),
      .reply = "{\"type\":\"object\",\"required\":[\"filter1_count\",\"filter2_count\","
               "\"joint_count\",\"total_count\"]}",
      .body = IDS ",\"filter_string1\":{\"type\":\"string\"},\"filter_string2\":{\"type\":"
                  "\"string\"},\"base_filter\":{\"type\":\"string\"}",
      .body_max = SEARCH_BODY_MAX,
      .example = "{\"experiment_ids\":[\"0\"],\"filter_string1\":\"status = 'ERROR'\","
                 "\"filter_string2\":\"execution_time_ms > 1000\"}" },
    { ROW("POST", V3("/traces/metrics"), "Numbers about traces, spans or assessments, for charts.",
          ACCESS_VIEWER, mlflow_traces_metrics),
      .reply = AN_OBJECT,
      .body = IDS ",\"view_type\":{\"enum\":[\"TRACES\",\"SPANS\",\"ASSESSMENTS\"]},"
                  "\"metric_name\":{\"type\":\"string\"},\"aggregations\":{\"type\":\"array\","
                  "\"items\":{\"type\":\"object\"}},\"dimensions\":" TEXTS ",\"filters\":" TEXTS
                  ",\"time_interval_seconds\":{\"type\":\"integer\"},\"start_time_ms\":{\"type\":"
                  "\"integer\"},\"end_time_ms\":{\"type\":\"integer\"},\"max_results\":{\"type\":"
                  "\"integer\"}",
      .body_max = SEARCH_BODY_MAX,
      .example = "{\"experiment_ids\":[\"0\"],\"view_type\":\"TRACES\",\"metric_name\":"
                 "\"trace_count\",\"aggregations\":[{\"aggregation_type\":\"COUNT\"}]}" },
    { ROW("POST", V3("/traces/delete-traces"), "Delete traces by their ids, or the oldest.",
          ACCESS_ANALYST, mlflow_traces_delete),
      .reply = AN_OBJECT,
      .body = AN_ID ",\"request_ids\":{\"type\":\"array\"},"
                    "\"max_timestamp_millis\":{\"type\":\"integer\"},\"max_traces\":{\"type\":"
                    "\"integer\"}",
      .example = "{\"experiment_id\":\"0\",\"request_ids\":[\"tr-none\"]}" },
    { ROW("PATCH", V3("/traces/{trace_id}/tags"), "Set a tag of a trace.", ACCESS_ANALYST,
          mlflow_trace_set_tag),
      .reply = AN_OBJECT, .body = "\"key\":{\"type\":\"string\"},\"value\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX, .example = "{\"key\":\"k\",\"value\":\"v\"}" },
    { ROW("DELETE", V3("/traces/{trace_id}/tags"), "Remove a tag of a trace.", ACCESS_ANALYST,
          mlflow_trace_delete_tag),
      .reply = AN_OBJECT, .body = "\"key\":{\"type\":\"string\"}",
      .example = "{\"key\":\"gate\"}" },
    { ROW("POST", V2("/traces/delete-traces"), "Delete traces, as clients ask for it.",
          ACCESS_ANALYST, mlflow_traces_delete),
      .reply = AN_OBJECT,
      .body = AN_ID ",\"request_ids\":{\"type\":\"array\"},"
                    "\"max_timestamp_millis\":{\"type\":\"integer\"},\"max_traces\":{\"type\":"
                    "\"integer\"}",
      .example = "{\"experiment_id\":\"0\",\"request_ids\":[\"tr-none\"]}" },
    { ROW("PATCH", V2("/traces/{trace_id}/tags"), "Set a tag of a trace.", ACCESS_ANALYST,
          mlflow_trace_set_tag),
      .reply = AN_OBJECT, .body = "\"key\":{\"type\":\"string\"},\"value\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX, .example = "{\"key\":\"k\",\"value\":\"v\"}" },
    { ROW("DELETE", V2("/traces/{trace_id}/tags"), "Remove a tag of a trace.", ACCESS_ANALYST,
          mlflow_trace_delete_tag),
      .reply = AN_OBJECT, .body = "\"key\":{\"type\":\"string\"}",
      .example = "{\"key\":\"gate\"}" },
    { ROW("POST", V2("/traces/link-to-run"), "Link traces to a run.", ACCESS_ANALYST,
          mlflow_traces_link_run),
      .reply = AN_OBJECT, .body = "\"trace_ids\":{\"type\":\"array\"}," A_RUN,
      .example = "{\"trace_ids\":[\"tr-none\"],\"run_id\":\"none\"}" },
    { ROW("POST", V2("/traces/link-prompts"), "Link versions of prompts to a trace.",
          ACCESS_ANALYST, mlflow_trace_link_prompts),
      .reply = AN_OBJECT,
      .body = "\"trace_id\":{\"type\":\"string\"},\"prompt_versions\":{\"type\":\"array\"}",
      .example = "{\"trace_id\":\"<trace>\",\"prompt_versions\":[]}" },
    { ROW("POST", V2("/traces"), "Start a trace, as MLflow 2 does.", ACCESS_ANALYST,
          mlflow_trace_start_2),
      .reply = AN_OBJECT,
      .body = AN_ID ","
                    "\"request_metadata\":{\"type\":\"array\"}," TAGS ","
                    "\"timestamp_ms\":{\"type\":\"integer\"}",
      .body_max = INPUTS_BODY_MAX,
      .example = "{\"experiment_id\":\"0\",\"timestamp_ms\":1600000000000}" },
    { ROW("GET", V2("/traces"), "Search traces, as MLflow 2 does.", ACCESS_VIEWER,
          mlflow_traces_search_2),
      .reply = AN_OBJECT,
      .query =
          "experiment_ids:string filter:string max_results:int order_by:string page_token:string",
      .example = "experiment_ids=0" },
    { ROW("PATCH", V2("/traces/{trace_id}"), "End a trace, as MLflow 2 does.", ACCESS_ANALYST,
          mlflow_trace_end_2),
      .reply = AN_OBJECT,
      .body = "\"request_metadata\":{\"type\":\"array\"}," TAGS ","
              "\"timestamp_ms\":{\"type\":\"integer\"},\"status\":{}",
      .body_max = INPUTS_BODY_MAX,
      .example = "{\"timestamp_ms\":1600000000000,\"status\":\"OK\"}" },
    { ROW("GET", V2("/traces/{trace_id}/info"), "A trace, as MLflow 2 reads it.", ACCESS_VIEWER,
          mlflow_trace_info_2),
      .reply = AN_OBJECT },
    { ROW("POST", V3("/traces/{trace_id}/assessments"),
          "Say what a trace is worth, or should have been.", ACCESS_ANALYST,
          mlflow_assessment_create),
      .reply = AN_OBJECT, .body = "\"assessment\":{\"type\":\"object\"}", .body_max = TEXT_BODY_MAX,
      .example = "{\"assessment\":{\"assessment_name\":\"good\",\"feedback\":{\"value\":true}}}" },
    { ROW("GET", V3("/traces/{trace_id}/assessments/{assessment_id}"), "An assessment.",
          ACCESS_VIEWER, mlflow_assessment_get),
      .reply = AN_OBJECT },
    { ROW("PATCH", V3("/traces/{trace_id}/assessments/{assessment_id}"), "Change an assessment.",
          ACCESS_ANALYST, mlflow_assessment_update),
      .reply = AN_OBJECT,
      .body = "\"assessment\":{\"type\":\"object\"},\"update_mask\":{\"type\":\"string\"}",
      .body_max = TEXT_BODY_MAX,
      .example = "{\"assessment\":{\"assessment_name\":\"good\",\"feedback\":{\"value\":true}}}" },
    { ROW("DELETE", V3("/traces/{trace_id}/assessments/{assessment_id}"),
          "Delete an assessment; the one that it overrode is valid again.", ACCESS_ANALYST,
          mlflow_assessment_delete),
      .reply = AN_OBJECT },
    { ROW("POST", "/v1/traces",
          "Take spans from an OpenTelemetry exporter: OTLP over HTTP, protobuf or JSON.",
          ACCESS_ANALYST, mlflow_otlp_traces),
      .body_max = OTLP_BODY_MAX, .errors = "application/json" },

    { 0 },
};
