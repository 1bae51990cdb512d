/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core.c -- the platform's own app: its table of contents. */
#include "platform/app/core.h"

#define RUN_ID_REPLY                                                                            \
    "{\"type\":\"object\",\"properties\":{\"runId\":{\"type\":\"string\"},\"jobId\":{\"type\":" \
    "\"string\"},"                                                                              \
    "\"status\":{\"type\":\"string\"}}}"
#define OBJECT "{\"type\":\"object\"}"
#define ITEMS                                                                                 \
    "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"type\":" \
    "\"object\"}}}}"
#define COUNT "{\"type\":\"object\",\"properties\":{\"count\":{\"type\":\"integer\"}}}"
#define SERIES                                                                                 \
    "{\"type\":\"object\",\"properties\":{\"series\":{\"type\":\"array\",\"items\":{\"type\":" \
    "\"object\"}}}}"
#define ACTUATOR_HEALTH                                                                          \
    "{\"type\":\"object\",\"required\":[\"status\",\"components\"],\"properties\":{\"status\":{" \
    "\"type\":\"string\",\"enum\":[\"UP\",\"DOWN\"]},\"components\":{\"type\":\"object\","       \
    "\"additionalProperties\":{\"type\":\"object\",\"properties\":{\"status\":{\"type\":"        \
    "\"string\"},\"details\":{\"type\":\"object\"}}}}}}"
#define ACTION_BODY "{\"action\":{\"type\":\"string\"}}"
#define MODEL_BODY                                                                                \
    "{\"modelId\":{\"type\":\"string\"},\"modelVersion\":{\"type\":\"string\"},\"to\":{\"type\":" \
    "\"string\"},"                                                                                \
    "\"from\":{\"type\":\"string\"},\"reason\":{\"type\":\"string\"}}"
#define DATASET_BODY                                                                        \
    "{\"name\":{\"type\":\"string\"},\"version\":{\"type\":\"string\"},\"kind\":{\"type\":" \
    "\"string\"},"                                                                          \
    "\"sizeRows\":{\"type\":\"integer\"},"                                                  \
    "\"filter\":{\"type\":\"object\"},\"split\":{\"type\":\"object\"},\"note\":{\"type\":"  \
    "\"string\"},\"tags\":{\"type\":\"object\"}}"
#define TRAINING_BODY                                                                             \
    "{\"datasetId\":{\"type\":\"string\"},\"datasetVersion\":{\"type\":\"string\"},\"modelId\":{" \
    "\"type\":\"string\"},"                                                                       \
    "\"epochs\":{\"type\":\"integer\"},\"batchSize\":{\"type\":\"integer\"},\"learningRate\":{"   \
    "\"type\":\"number\"},"                                                                       \
    "\"weightDecay\":{\"type\":\"number\"},\"dropout\":{\"type\":\"number\"},"                    \
    "\"patience\":{\"type\":\"integer\"},\"book\":{\"type\":\"boolean\"},"                        \
    "\"optimizer\":{\"type\":\"string\"},\"useGPU\":{\"type\":\"boolean\"},"                      \
    "\"seed\":{\"type\":\"integer\"},\"minutes\":{\"type\":\"number\"},\"notes\":{\"type\":"      \
    "\"string\"},\"priority\":{\"type\":\"string\"}}"
/* clang-format off */
#define INVOCATIONS_BODY \
    "{\"dataframe_split\":{\"type\":\"object\"},\"dataframe_records\":{\"type\":\"array\"}," \
    "\"instances\":{\"type\":\"array\"},\"inputs\":{},\"params\":{\"type\":\"object\"}}"
#define INVOCATIONS_EXAMPLE \
    "{\"inputs\":{\"fen\":[\"rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1\"]}}"
#define EVALUATION_BODY \
    "{\"candidateModelId\":{\"type\":\"string\"},\"candidateVersion\":{\"type\":\"string\"}," \
    "\"baselineModelId\":{\"type\":\"string\"},\"baselineVersion\":{\"type\":\"string\"}," \
    "\"suite\":{\"type\":\"string\"},\"datasetId\":{\"type\":\"string\"}," \
    "\"limit\":{\"type\":\"integer\"},\"seed\":{\"type\":\"integer\"}," \
    "\"positions\":{\"type\":\"integer\"},\"nodes\":{\"type\":\"integer\"}," \
    "\"depth\":{\"type\":\"integer\"},\"notes\":{\"type\":\"string\"}}"
#define RUNNER_EVAL_BODY \
    "{\"modelId\":{\"type\":\"string\"},\"datasetId\":{\"type\":\"string\"}," \
    "\"metrics\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}," \
    "\"batchSize\":{\"type\":\"integer\"},\"limit\":{\"type\":\"integer\"}," \
    "\"seed\":{\"type\":\"integer\"}}"
/* clang-format on */

#define FAMILY_BODY "{\"family\":{\"type\":\"string\"}}"
#define REASON_BODY "{\"reason\":{\"type\":\"string\"}}"
#define PROM_REPLY \
    "{\"type\":\"object\",\"properties\":{\"status\":{\"type\":\"string\"},\"data\":{}}}"
#define PROM_QUERY "query:string time:string timeout:string"
#define PROM_RANGE "query:string start:string end:string step:string timeout:string"
#define PROM_RANGE_EXAMPLE \
    "query=rate(chs_api_requests_total[5m])&start=1790000000&end=1790003600&step=60"
#define PROM_MATCH "match[]:string start:string end:string"
#define LOKI_QUERY "query:string time:string limit:int direction:string"
#define LOKI_QUERY_EXAMPLE "query=sum%20by%20(level)%20(count_over_time({component=\"http\"}[5m]))"
#define LOKI_RANGE "query:string start:string end:string step:string limit:int direction:string"
#define LOKI_RANGE_EXAMPLE "query={component=\"http\"}&limit=10"

static const struct route routes[] = {
    { "GET", "/health", "Is the process up?", ACCESS_PUBLIC, core_health, .is_inline = true,
      .alias = "/v1/health", .reply = OBJECT },
    { "GET", "/health/live", "Is the process up? For supervisors.", ACCESS_PUBLIC, core_health,
      .is_inline = true, .alias = "/healthz", .reply = OBJECT },
    { "GET", "/health/ready", "Can it do its work: store, blobs, disk?", ACCESS_PUBLIC,
      core_health_deps, .reply = OBJECT },
    { "GET", "/health/deps", "Each dependency, up or down, with a reason.", ACCESS_PUBLIC,
      core_health_deps, .reply = OBJECT },
    { "GET", "/metrics", "All metrics, as Prometheus text or OpenMetrics.", ACCESS_PUBLIC,
      core_metrics, .alias = "/actuator/prometheus" },
    { "GET", "/actuator/health", "Is it UP, and what it stands on, as Spring Boot says it.",
      ACCESS_PUBLIC, core_actuator_health, .reply = ACTUATOR_HEALTH },
    { "GET", "/openapi.json", "This API, as OpenAPI 3.1.", ACCESS_PUBLIC, core_openapi,
      .alias = "/v3/api-docs", .reply = OBJECT },
    { "GET", "/v1/status", "The STATUS block, as JSON or (Accept: text/plain) to copy.",
      ACCESS_VIEWER, core_status, .reply = OBJECT },
    { "GET", "/v1/settings", "Effective settings and where each came from.", ACCESS_ADMIN,
      core_settings, .reply = ITEMS },
    { "GET", "/v1/doctor",
      "What is well and what is not, with the next step; thorough (admins) "
      "also reads the whole store.",
      ACCESS_VIEWER, core_doctor, .query = "thorough:bool", .reply = ITEMS,
      .example = "thorough=true" },
    { "GET", "/v1/permissions", "Every route and who may call it.", ACCESS_VIEWER, core_permissions,
      .reply = ITEMS },
    { "GET", "/v1/users/me", "Who am I?", ACCESS_VIEWER, core_me, .reply = OBJECT },
    { "GET", "/v1/admin/users", "Users: who was given a key, and the default user.", ACCESS_ADMIN,
      core_users_list, .reply = ITEMS },
    { "PATCH", "/v1/admin/users/{id}", "Give all keys of a user another role.", ACCESS_ADMIN,
      core_user_patch, .body = "{\"roles\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}",
      .reply = OBJECT, .example = "{\"roles\":[\"viewer\"]}" },
    { "GET", "/v1/keys", "API keys, without their secrets.", ACCESS_ADMIN, core_keys_list,
      .reply = ITEMS },
    { "POST", "/v1/keys", "Make an API key; it is shown this once.", ACCESS_ADMIN, core_keys_create,
      .reply = OBJECT, .reply_status = 201,
      .body = "{\"username\":{\"type\":\"string\"},\"role\":{\"type\":\"string\"},\"note\":{"
              "\"type\":\"string\"},\"expiresInDays\":{\"type\":\"integer\"}}",
      .example = "{\"username\":\"gate\",\"role\":\"viewer\",\"note\":\"made by the gate\"}" },
    { "GET", "/v1/admin/audit", "Who changed what, newest first.", ACCESS_ADMIN, core_audit_list,
      .query = "user:string action:string limit:int offset:int", .reply = ITEMS },
    { "DELETE", "/v1/keys/{id}", "Revoke an API key.", ACCESS_ADMIN, core_keys_revoke,
      .reply = OBJECT },
    { "POST", "/v1/maintenance/collect", "Remove blobs that nothing refers to.", ACCESS_ADMIN,
      core_collect, .reply = RUN_ID_REPLY, .reply_status = 202 },
    { "POST", "/v1/maintenance/gc",
      "Remove what rules of experiments say, what was deleted long ago, and unused blobs.",
      ACCESS_ADMIN, core_gc, .reply = RUN_ID_REPLY, .reply_status = 202,
      .body = "{\"olderThan\":{\"type\":\"string\"},\"dryRun\":{\"type\":\"boolean\"}}",
      .example = "{\"olderThan\":\"30d\",\"dryRun\":false}", .event = "gc.planned" },

    { "GET", "/v1/outbox", "Where things leave to: state, backlog, last error.", ACCESS_ADMIN,
      core_outbox_list, .reply = ITEMS },
    { "GET", "/v1/outbox/{destination}/dead", "What a destination refused for good, newest first.",
      ACCESS_ADMIN, core_outbox_dead, .query = "limit:int", .reply = ITEMS },
    { "DELETE", "/v1/outbox/{destination}/dead", "Forget what a destination refused.", ACCESS_ADMIN,
      core_outbox_drop, .reply = COUNT },
    { "POST", "/v1/outbox/{destination}/replay", "Send what a destination refused once more.",
      ACCESS_ADMIN, core_outbox_replay, .reply = COUNT },

    { "GET", "/v1/runs", "Runs, newest first.", ACCESS_VIEWER, core_runs_list, .reply = ITEMS,
      .query = "component:string status:string kind:string username:string limit:int offset:int" },
    { "GET", "/v1/runs/{runId}", "One run: params, metrics, tags, inputs, outputs.", ACCESS_VIEWER,
      core_run_get, .reply = OBJECT },
    { "GET", "/v1/runs/{runId}/metrics/{key}", "The history of one metric of a run.", ACCESS_VIEWER,
      core_run_metric, .reply = OBJECT, .query = "limit:int points:int by:string from:int to:int" },
    { "GET", "/v1/runs/{runId}/artifacts", "What a run left behind.", ACCESS_VIEWER,
      core_run_artifacts, .reply = ITEMS },
    { "GET", "/v1/runs/{runId}/artifacts/{path...}", "Download an artifact.", ACCESS_VIEWER,
      core_run_artifact },
    { "GET", "/v1/lineage/{id}", "What a run, dataset or model came from and led to.",
      ACCESS_VIEWER, core_lineage, .reply = OBJECT, .query = "depth:int" },
    { "GET", "/v1/jobs", "Jobs, newest first.", ACCESS_VIEWER, core_jobs_list, .reply = ITEMS,
      .query = "kind:string status:string username:string limit:int offset:int" },
    { "GET", "/v1/jobs/count", "How many jobs there are, in all and in each state.", ACCESS_VIEWER,
      core_jobs_count, .query = "kind:string", .reply = COUNT },
    { "GET", "/v1/jobs/{id}", "One job.", ACCESS_VIEWER, core_job_get, .reply = OBJECT },
    { "POST", "/v1/jobs/{id}/control", "Stop, pause, resume or replay a job.", ACCESS_ANALYST,
      core_job_control, .body = ACTION_BODY, .reply = OBJECT, .reply_status = 202,
      .example = "{\"action\":\"replay\"}" },
    { "GET", "/v1/jobs/{id}/history",
      "Each change of state of a job with its reason, newest first.", ACCESS_VIEWER,
      core_job_history, .reply = ITEMS },
    { "GET", "/v1/jobs/{id}/events", "Progress of a job as server-sent events.", ACCESS_VIEWER,
      core_job_events },
    { "GET", "/v1/jobs/events",
      "All jobs as server-sent events: those that run, then each change and step of any.",
      ACCESS_VIEWER, core_jobs_events, .query = "seconds:int", .example = "seconds=1" },
    { "GET", "/v1/workers", "Processes that do jobs, on all machines: what they have and take.",
      ACCESS_VIEWER, core_workers_list, .reply = ITEMS },
    { "POST", "/v1/workers/{name}/control",
      "Let a worker take no new job (drain), or take jobs "
      "again (resume).",
      ACCESS_ADMIN, core_worker_control, .body = ACTION_BODY, .reply = OBJECT, .reply_status = 202,
      .example = "{\"action\":\"resume\"}", .event = "worker.told" },
    { "GET", "/v1/schedules", "What runs by itself, and when next.", ACCESS_VIEWER, core_schedules,
      .reply = ITEMS },

    { "POST", "/v1/datasets", "Build a dataset version.", ACCESS_ANALYST, core_dataset_create,
      .per_minute = 30, .body = DATASET_BODY, .reply = OBJECT, .reply_status = 201,
      .example =
          "{\"name\":\"gate\",\"filter\":{},\"split\":{\"train\":0.8,\"valid\":0.1,\"test\":0.1}}",
      .event = "dataset.created" },
    { "GET", "/v1/datasets", "Datasets, the newest version of each.", ACCESS_VIEWER,
      core_datasets_list, .reply = ITEMS,
      .query = "limit:int offset:int sort:string q:string kind:string status:string" },
    { "GET", "/v1/datasets/count", "How many datasets there are.", ACCESS_VIEWER,
      core_datasets_count, .reply = COUNT },
    { "GET", "/v1/datasets/kinds", "What can be built, and what filter and split take.",
      ACCESS_VIEWER, core_dataset_kinds, .reply = ITEMS },
    { "GET", "/v1/datasets/{id}", "One dataset, by id or name.", ACCESS_VIEWER, core_dataset_get,
      .alias = "/v1/datasets/byName/{id}", .query = "version:string", .reply = OBJECT },
    { "DELETE", "/v1/datasets/{id}", "Delete a dataset version that no model needs.", ACCESS_ADMIN,
      core_dataset_delete, .query = "version:string", .reply = OBJECT },
    { "GET", "/v1/datasets/{id}/summary", "Rows, size, versions.", ACCESS_VIEWER,
      core_dataset_summary, .query = "version:string", .reply = OBJECT },
    { "GET", "/v1/datasets/{id}/versions", "All versions, newest first.", ACCESS_VIEWER,
      core_dataset_versions, .reply = ITEMS },
    { "GET", "/v1/datasets/{id}/schema", "Columns with their types and ranges, as measured.",
      ACCESS_VIEWER, core_dataset_schema, .query = "version:string", .reply = OBJECT },
    { "GET", "/v1/datasets/{id}/quality", "Missing, outlying and duplicate rows, as measured.",
      ACCESS_VIEWER, core_dataset_quality, .query = "version:string", .reply = OBJECT },
    { "GET", "/v1/datasets/{id}/sample", "A page of rows.", ACCESS_VIEWER, core_dataset_sample,
      .query = "version:string limit:int cursor:int", .reply = ITEMS },
    { "GET", "/v1/datasets/{id}/ingest/history", "The imports that it was made from.",
      ACCESS_VIEWER, core_dataset_history, .query = "version:string", .reply = ITEMS },
    { "GET", "/v1/datasets/{id}/export", "Download the rows.", ACCESS_VIEWER, core_dataset_export,
      .query = "format:string version:string split:string", .example = "format=csv" },

    { "GET", "/v1/models", "Registered models.", ACCESS_VIEWER, core_models_list,
      .reply = "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}" },
    { "GET", "/v1/models/count", "How many models are registered.", ACCESS_VIEWER,
      core_models_count, .reply = COUNT },
    { "GET", "/v1/models/active", "What serves right now.", ACCESS_VIEWER, core_models_active,
      .reply = ITEMS },
    { "GET", "/v1/models/{id}/versions", "Versions of a model, newest first.", ACCESS_VIEWER,
      core_model_versions, .reply = "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}" },
    { "GET", "/v1/models/{id}/promotions", "The ledger: who promoted what, when, why.",
      ACCESS_VIEWER, core_model_promotions, .query = "limit:int", .reply = ITEMS },
    { "POST", "/v1/models/{id}/{ref}/invocations",
      "Predict with a version or alias of a model, in the shapes of MLflow's scoring server.",
      ACCESS_VIEWER, core_invocations, .takes_any_type = true, .body_max = 8 * 1024 * 1024,
      .body = INVOCATIONS_BODY, .example = INVOCATIONS_EXAMPLE,
      .reply = "{\"type\":\"object\",\"properties\":{\"predictions\":{}}}",
      .errors = "application/json" },
    { "GET", "/v1/models/{id}/{ref}/invocations",
      "Which version would answer, how, and what it takes; loads it.", ACCESS_VIEWER,
      core_invocations_describe, .reply = OBJECT },
    { "POST", "/v1/models/load", "Make a version serve until the next load, promotion or restart.",
      ACCESS_ANALYST, core_model_load, .body = MODEL_BODY, .reply = OBJECT },
    { "POST", "/v1/models/promote", "Point an alias (prod) at a version and make it serve.",
      ACCESS_ADMIN, core_model_promote, .body = MODEL_BODY, .reply = OBJECT,
      .event = "model.promoted" },

    { "GET", "/v1/serving", "Families of models that serve: slots, versions, how good they are.",
      ACCESS_VIEWER, core_serving_list, .query = "hours:int", .reply = ITEMS,
      .example = "hours=24" },
    { "GET", "/v1/serving/{family}/history",
      "Decisions about promotion, newest first, and sums by "
      "hour.",
      ACCESS_VIEWER, core_serving_history, .reply = OBJECT,
      .query = "limit:int hours:int decision:string" },
    { "POST", "/v1/serving/{family}/rollback",
      "Put back what Production replaced by its last "
      "promotion.",
      ACCESS_ADMIN, core_serving_rollback, .body = REASON_BODY, .reply = OBJECT,
      .example = "{\"reason\":\"players complain\"}", .event = "serving.decided" },
    { "POST", "/v1/serving/promotion",
      "Judge the versions of a family, or of all, and move "
      "aliases where that is earned.",
      ACCESS_ADMIN, core_promotion_start, .body = FAMILY_BODY, .reply = RUN_ID_REPLY,
      .reply_status = 202, .example = "{}" },

    { "POST", "/v1/trainings", "Train a model on a dataset.", ACCESS_ANALYST, core_training_create,
      .body = TRAINING_BODY, .reply = RUN_ID_REPLY, .reply_status = 201 },
    { "GET", "/v1/trainings", "Trainings, newest first.", ACCESS_VIEWER, core_trainings_list,
      .query = "status:string limit:int offset:int", .reply = ITEMS },
    { "GET", "/v1/trainings/count", "How many trainings there are.", ACCESS_VIEWER,
      core_trainings_count, .query = "status:string", .reply = COUNT },
    { "GET", "/v1/trainings/kinds",
      "What can be trained and evaluated, and what that takes, with defaults.", ACCESS_VIEWER,
      core_training_kinds, .reply = ITEMS },
    { "GET", "/v1/trainings/{runId}", "Status, metrics, progress and ETA of a training.",
      ACCESS_VIEWER, core_training_get, .alias = "/v1/training/{runId}", .reply = OBJECT },
    { "GET", "/v1/trainings/{runId}/artifacts", "What a training left behind.", ACCESS_VIEWER,
      core_training_artifacts, .reply = ITEMS },
    { "GET", "/v1/trainings/{runId}/hyperparams", "The parameters a training was started with.",
      ACCESS_VIEWER, core_training_hyperparams, .reply = OBJECT },
    { "POST", "/v1/trainings/{runId}/control", "Pause, resume or stop a training.", ACCESS_ANALYST,
      core_training_control, .body = ACTION_BODY, .reply = OBJECT, .reply_status = 202,
      .example = "{\"action\":\"pause\"}" },
    { "POST", "/v1/evaluations", "Evaluate a model version, beside a baseline if one is named.",
      ACCESS_ANALYST, core_evaluation_create, .body = EVALUATION_BODY, .reply = OBJECT,
      .reply_status = 202 },
    { "GET", "/v1/evaluations", "Evaluations, newest first.", ACCESS_VIEWER, core_evaluations_list,
      .query = "limit:int offset:int", .reply = ITEMS },
    { "GET", "/v1/evaluations/{runId}", "Summary and series of an evaluation.", ACCESS_VIEWER,
      core_evaluation_get, .reply = OBJECT },
    { "POST", "/runner/eval/start", "Evaluate a model version, as the reference's runner took it.",
      ACCESS_ANALYST, core_eval_start, .body = RUNNER_EVAL_BODY, .reply = OBJECT },
    { "GET", "/runner/eval/{runId}", "An evaluation, as the reference's runner said it.",
      ACCESS_VIEWER, core_eval_get, .reply = OBJECT },

    { "GET", "/v1/metrics/health", "A tile: ok or degraded, median latency, error share.",
      ACCESS_VIEWER, core_chart_health, .reply = OBJECT },
    { "GET", "/v1/metrics/throughput", "Training steps a second.", ACCESS_VIEWER,
      core_chart_throughput, .query = "runId:string range:string", .reply = SERIES },
    { "GET", "/v1/metrics/training/{runId}", "Metrics of one training over time.", ACCESS_VIEWER,
      core_chart_training, .query = "m:string range:string", .reply = SERIES },
    { "GET", "/v1/metrics/train/{runId}", "The newest numbers of a training.", ACCESS_VIEWER,
      core_training_metrics, .reply = OBJECT },
    { "GET", "/v1/obs/resources", "What this process takes: CPU, memory, restarts.", ACCESS_VIEWER,
      core_resources, .query = "service:string window:string", .reply = OBJECT,
      .example = "service=serve&window=5m" },
    { "GET", "/v1/metrics/utilization", "CPU share of this process.", ACCESS_VIEWER,
      core_chart_utilization, .query = "runId:string range:string", .reply = SERIES },
    { "GET", "/v1/metrics/latency", "A latency percentile over five minutes.", ACCESS_VIEWER,
      core_chart_latency, .query = "p:int", .reply = OBJECT },
    { "GET", "/v1/metrics/mps", "Moves a second.", ACCESS_VIEWER, core_chart_mps,
      .query = "range:string", .reply = SERIES },
    { "GET", "/v1/metrics/rps", "Requests a second.", ACCESS_VIEWER, core_chart_rps,
      .query = "range:string", .reply = SERIES },
    { "GET", "/v1/metrics/error_rate", "Share of requests that failed for a reason of ours.",
      ACCESS_VIEWER, core_chart_error_rate, .query = "range:string", .reply = SERIES },
    { "GET", "/v1/metrics/elo", "Strength of the serving model, from matches.", ACCESS_VIEWER,
      core_chart_elo, .query = "range:string", .reply = SERIES },
    { "GET", "/v1/metrics/series", "Any series of ours over time.", ACCESS_VIEWER,
      core_chart_series, .query = "metric:string fn:string match:string range:string",
      .reply = SERIES, .example = "metric=chs_api_requests_total&fn=rate" },

    { "GET", "/v1/logs", "Search the log.", ACCESS_VIEWER, core_logs_search, .reply = ITEMS,
      .query = "component:string run_id:string dataset_id:string model_id:string username:string "
               "request_id:string event:string level:string q:string spans:bool "
               "range:string since:string until:string limit:int direction:string" },
    { "GET", "/v1/logs/training/{runId}", "Log lines of one training.", ACCESS_VIEWER,
      core_logs_training, .query = "range:string limit:int direction:string", .reply = ITEMS },
    { "GET", "/v1/logs/app", "Log lines of one component.", ACCESS_VIEWER, core_logs_app,
      .query = "app:string range:string limit:int direction:string", .reply = ITEMS },

    { "GET", "/api/v1/query", "PromQL at one moment, as Prometheus answers it.", ACCESS_VIEWER,
      core_prom_query, .query = PROM_QUERY, .reply = PROM_REPLY, .example = "query=up",
      .errors = "application/json" },
    { "POST", "/api/v1/query", "The same; parameters may come in a form body.", ACCESS_VIEWER,
      core_prom_query, .query = PROM_QUERY, .reply = PROM_REPLY, .example = "query=up",
      .errors = "application/json" },
    { "GET", "/api/v1/query_range", "PromQL over a stretch of time, as Prometheus answers it.",
      ACCESS_VIEWER, core_prom_query_range, .query = PROM_RANGE, .reply = PROM_REPLY,
      .example = PROM_RANGE_EXAMPLE, .errors = "application/json" },
    { "POST", "/api/v1/query_range", "The same; parameters may come in a form body.", ACCESS_VIEWER,
      core_prom_query_range, .query = PROM_RANGE, .reply = PROM_REPLY,
      .example = PROM_RANGE_EXAMPLE, .errors = "application/json" },
    { "GET", "/api/v1/series", "Series that match a selector.", ACCESS_VIEWER, core_prom_series,
      .query = PROM_MATCH, .reply = PROM_REPLY, .example = "match[]=up",
      .errors = "application/json" },
    { "POST", "/api/v1/series", "The same; parameters may come in a form body.", ACCESS_VIEWER,
      core_prom_series, .query = PROM_MATCH, .reply = PROM_REPLY, .example = "match[]=up",
      .errors = "application/json" },
    { "GET", "/api/v1/labels", "Names of the labels that series have.", ACCESS_VIEWER,
      core_prom_labels, .query = PROM_MATCH, .reply = PROM_REPLY, .errors = "application/json" },
    { "POST", "/api/v1/labels", "The same; parameters may come in a form body.", ACCESS_VIEWER,
      core_prom_labels, .query = PROM_MATCH, .reply = PROM_REPLY, .errors = "application/json" },
    { "GET", "/api/v1/label/{name}/values", "Values that a label of series has.", ACCESS_VIEWER,
      core_prom_label_values, .query = PROM_MATCH, .reply = PROM_REPLY,
      .errors = "application/json" },
    { "GET", "/api/v1/metadata", "Type and help of metrics.", ACCESS_VIEWER, core_prom_metadata,
      .query = "metric:string", .reply = PROM_REPLY, .errors = "application/json" },
    { "GET", "/api/v1/status/buildinfo", "Which Prometheus' API this is like.", ACCESS_VIEWER,
      core_prom_buildinfo, .reply = PROM_REPLY },
    { "GET", "/obs/prom/query", "PromQL at one moment; the observability proxy's path.",
      ACCESS_VIEWER, core_prom_query, .alias = "/obs/prom/instant", .query = PROM_QUERY,
      .reply = PROM_REPLY, .example = "query=up", .errors = "application/json" },
    { "GET", "/obs/prom/range", "PromQL over time; the observability proxy's path.", ACCESS_VIEWER,
      core_prom_query_range, .query = PROM_RANGE, .reply = PROM_REPLY,
      .example = PROM_RANGE_EXAMPLE, .errors = "application/json" },
    { "GET", "/v1/obs/promql", "PromQL at one moment, for our own pages.", ACCESS_VIEWER,
      core_prom_query, .query = PROM_QUERY, .reply = PROM_REPLY, .example = "query=up",
      .errors = "application/json" },
    { "GET", "/v1/obs/range", "PromQL over time, for our own pages.", ACCESS_VIEWER,
      core_prom_query_range, .query = PROM_RANGE, .reply = PROM_REPLY,
      .example = PROM_RANGE_EXAMPLE, .errors = "application/json" },

    { "GET", "/loki/api/v1/query", "LogQL at one moment, as Loki answers it.", ACCESS_VIEWER,
      core_loki_query, .query = LOKI_QUERY, .reply = PROM_REPLY, .example = LOKI_QUERY_EXAMPLE,
      .errors = "text/plain" },
    { "GET", "/loki/api/v1/query_range", "LogQL over time, as Loki answers it.", ACCESS_VIEWER,
      core_loki_query_range, .query = LOKI_RANGE, .reply = PROM_REPLY,
      .example = LOKI_RANGE_EXAMPLE, .errors = "text/plain" },
    { "GET", "/loki/api/v1/labels", "Names of the labels that log lines have.", ACCESS_VIEWER,
      core_loki_labels, .alias = "/loki/api/v1/label", .reply = PROM_REPLY,
      .errors = "text/plain" },
    { "GET", "/loki/api/v1/label/{name}/values", "Values that a label of log lines has.",
      ACCESS_VIEWER, core_loki_label_values, .query = "start:string end:string",
      .reply = PROM_REPLY, .errors = "text/plain" },
    { "GET", "/obs/loki/query", "LogQL at one moment; the observability proxy's path.",
      ACCESS_VIEWER, core_loki_query, .query = LOKI_QUERY, .reply = PROM_REPLY,
      .example = LOKI_QUERY_EXAMPLE, .errors = "text/plain" },
    { "GET", "/obs/loki/range", "LogQL over time; the observability proxy's path.", ACCESS_VIEWER,
      core_loki_query_range, .alias = "/obs/loki/query_range", .query = LOKI_RANGE,
      .reply = PROM_REPLY, .example = LOKI_RANGE_EXAMPLE, .errors = "text/plain" },
    { "GET", "/v1/obs/loki", "LogQL over time, for our own pages.", ACCESS_VIEWER,
      core_loki_query_range, .query = LOKI_RANGE, .reply = PROM_REPLY,
      .example = LOKI_RANGE_EXAMPLE, .errors = "text/plain" },
    { 0 },
};

static const struct setting settings[] = {
    { "SKERRY_HOME", SETTING_STR, "",
      "Data folder; empty means ~/.skerry. From the environment only." },
    { "API_PORT", SETTING_INT, "8001", "Port of the HTTP API; 0 takes any free one.", .min = 0,
      .max = 65535 },
    { "SKERRY_BIND", SETTING_STR, "127.0.0.1",
      "Address to listen on; other than loopback needs an admin key." },
    { "SKERRY_DB", SETTING_STR, "",
      "Relational store; empty means SQLite in the data folder. PostgreSQL: "
      "postgresql://user:password@host/database.",
      .is_secret = true },
    { "SKERRY_BLOBS", SETTING_STR, "",
      "Blob store: s3://bucket/prefix, or file:/path; empty means a folder in the data folder." },
    { "SKERRY_S3_ENDPOINT", SETTING_STR, "",
      "S3 server like https://host:port; empty means AWS_ENDPOINT_URL, else AWS. http:// only to "
      "this machine and private networks." },
    { "SKERRY_S3_REGION", SETTING_STR, "",
      "Region of the bucket; empty means AWS_REGION, else us-east-1." },
    { "SKERRY_S3_ACCESS_KEY", SETTING_STR, "",
      "Access key; empty means AWS_ACCESS_KEY_ID and its companions.", .is_secret = true },
    { "SKERRY_S3_SECRET_KEY", SETTING_STR, "", "Secret key of the access key.", .is_secret = true },
    { "SKERRY_S3_SESSION_TOKEN", SETTING_STR, "", "Token of temporary keys.", .is_secret = true },
    { "SKERRY_S3_CA_FILE", SETTING_STR, "",
      "Certificates to trust for https:// instead of the system's." },
    { "SKERRY_S3_CREATE_BUCKET", SETTING_BOOL, "false", "Make the bucket when it is not there." },
    { "SKERRY_S3_CACHE_BYTES", SETTING_BYTES, "1G",
      "Local copies of blobs kept for reading; 0 keeps none.", .max = 1LL << 50 },
    { "SKERRY_S3_PART_BYTES", SETTING_BYTES, "16M",
      "Larger blobs are uploaded in parts of this size, several at a time.", .min = 5 << 20,
      .max = 5LL << 30 },
    { "SKERRY_S3_PARTS", SETTING_INT, "4", "Parts of one blob uploaded at the same time.", .min = 1,
      .max = 16 },
    { "SKERRY_S3_VERIFY", SETTING_STR, "first",
      "Read back what was written: first (of each kind, after a start), all, or size (just ask)." },
    { "SKERRY_S3_RETRY_SECONDS", SETTING_INT, "60", "How long a request that fails is tried again.",
      .min = 1, .max = 3600 },
    { "SKERRY_S3_GRACE_SECONDS", SETTING_INT, "3600",
      "Younger blobs are never collected: another machine may be about to refer to them.", .min = 0,
      .max = 30 * 86400 },
    { "SKERRY_S3_ORPHAN_HOURS", SETTING_INT, "24",
      "Unfinished uploads older than this are aborted.", .min = 1, .max = 24 * 365 },
    { "SKERRY_BACKUP_DIR", SETTING_STR, "",
      "Folder, or s3://bucket/prefix, for a backup every night, verified every Sunday; empty: none "
      "by themselves." },
    { "SKERRY_BACKUP_S3_ENDPOINT", SETTING_STR, "",
      "S3 server of backups, if not that of SKERRY_S3_ENDPOINT." },
    { "SKERRY_BACKUP_S3_REGION", SETTING_STR, "", "Its region, if not SKERRY_S3_REGION." },
    { "SKERRY_BACKUP_S3_ACCESS_KEY", SETTING_STR, "",
      "Access key for backups; empty means that of SKERRY_S3_*.", .is_secret = true },
    { "SKERRY_BACKUP_S3_SECRET_KEY", SETTING_STR, "", "Secret key of that access key.",
      .is_secret = true },
    { "SKERRY_BACKUP_KEEP", SETTING_INT, "14", "Backups that stay there; 0: all.", .min = 0,
      .max = 10000 },
    { "SKERRY_USER", SETTING_STR, "M3NG00S3", "Default user, and owner of what verbs do." },
    { "SKERRY_WORKERS", SETTING_INT, "2", "Jobs that run at the same time.", .min = 1, .max = 64 },
    { "SKERRY_LEASE_SECONDS", SETTING_INT, "30",
      "How long a silent worker keeps its jobs; then others go on with them.", .min = 3,
      .max = 3600 },
    { "SKERRY_WORKER_NAME", SETTING_STR, "",
      "What this process is called among the workers; empty means the machine's name." },
    { "SKERRY_WORK_KINDS", SETTING_STR, "",
      "Kinds of jobs that skerry work takes, like chess.train,core.*; empty means all that need no "
      "file of a server's data folder." },
    { "SKERRY_WORK_PORT", SETTING_INT, "0",
      "Port of skerry work for /health and /metrics; 0 means none.", .min = 0, .max = 65535 },
    { "SKERRY_DRAIN_SECONDS", SETTING_INT, "30",
      "How long skerry work lets its jobs run on when it is told to end; then they are handed back "
      "with their checkpoints.",
      .min = 0, .max = 86400 },
    { "SKERRY_HTTP_WORKERS", SETTING_INT, "8",
      "Requests that may wait for the store or the disk at the same time.", .min = 1, .max = 256 },
    { "SKERRY_COMPUTE_THREADS", SETTING_INT, "0", "Threads of one computation; 0 means one a core.",
      .min = 0, .max = 1024 },
    { "SKERRY_UPLOAD_MAX", SETTING_BYTES, "16G", "Largest upload.", .min = 1024, .max = 1LL << 50 },
    { "SKERRY_KEEP_DELETED_DAYS", SETTING_INT, "30",
      "Days that deleted runs, logged models and experiments can be restored; then they go for "
      "good. 0: for ever.",
      .min = 0, .max = 36500 },
    { "SKERRY_KEEP_TRACES_DAYS", SETTING_INT, "0",
      "Days that traces stay in experiments whose tag skerry.keep_traces_days says nothing else; "
      "0: for ever.",
      .min = 0, .max = 36500 },
    { "SKERRY_DISK_BUDGET", SETTING_BYTES, "0",
      "What the store, blobs and waiting uploads on this machine may take, like 200G; beyond it, "
      "uploads are refused. 0: no limit.",
      .min = 0, .max = 0x1p60 },
    { "SKERRY_DISK_FREE_MIN", SETTING_BYTES, "64M",
      "What must stay free on the disk of the data folder; below it, uploads are refused. 0: "
      "nothing.",
      .min = 0, .max = 0x1p60 },
    { "SKERRY_RATE_PERCENT", SETTING_INT, "100",
      "Share of the requests a minute that limited routes allow one client; 0: no limits.",
      .min = 0, .max = 100000 },
    { "SKERRY_HOSTS", SETTING_STR, "", "Further Host names to answer to, separated by commas." },
    { "SKERRY_ORIGINS", SETTING_STR, "",
      "Web origins that may call the API, separated by commas." },
    { "SKERRY_LOG_LEVEL", SETTING_STR, "info", "debug, info, warn or error." },
    { "SKERRY_LOG_BYTES", SETTING_BYTES, "256M", "Log files kept; the oldest go first.",
      .min = 1 << 20, .max = 1LL << 50 },
    { "SKERRY_LOG_DAYS", SETTING_INT, "30", "Days that log lines are kept.", .min = 1,
      .max = 36500 },
    { "SKERRY_LOKI_URL", SETTING_STR, "",
      "Loki that our log lines are sent to, like https://host:3100; empty sends none. http:// only "
      "to this machine and private networks." },
    { "SKERRY_LOKI_TENANT", SETTING_STR, "", "Tenant there (X-Scope-OrgID)." },
    { "SKERRY_LOKI_TOKEN", SETTING_STR, "", "Bearer token there, or user:password.",
      .is_secret = true },
    { "SKERRY_OTLP_URL", SETTING_STR, "",
      "OpenTelemetry collector that our log lines and spans are sent to as OTLP/HTTP, like "
      "http://localhost:4318; empty sends none." },
    { "SKERRY_OTLP_HEADERS", SETTING_STR, "",
      "Headers for it: Name=value, several separated by commas.", .is_secret = true },
    { "SKERRY_OUTBOX_CA_FILE", SETTING_STR, "",
      "Certificates to trust for Loki, OTLP, Kafka and the mirror instead of the system's." },
    { "SKERRY_KAFKA_BROKERS", SETTING_STR, "",
      "Kafka that events of games and runs are sent to: host:port, several separated by commas; "
      "empty sends none." },
    { "SKERRY_KAFKA_TOPIC", SETTING_STR, "skerry.events", "Topic of the events." },
    { "SKERRY_KAFKA_SECURITY", SETTING_STR, "plaintext",
      "plaintext, ssl, sasl_plaintext or sasl_ssl; without ssl only to this machine and private "
      "networks." },
    { "SKERRY_KAFKA_MECHANISM", SETTING_STR, "SCRAM-SHA-512",
      "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, with sasl." },
    { "SKERRY_KAFKA_USERNAME", SETTING_STR, "", "User, with sasl." },
    { "SKERRY_KAFKA_PASSWORD", SETTING_STR, "", "Password, with sasl.", .is_secret = true },
    { "SKERRY_KAFKA_OPTIONS", SETTING_STR, "",
      "Further options of librdkafka: name=value, several separated by commas.",
      .is_secret = true },
    { "SKERRY_MIRROR_URL", SETTING_STR, "",
      "An MLflow server that runs and models are kept up in: https://host:port; empty: none." },
    { "SKERRY_MIRROR_TOKEN", SETTING_STR, "", "Its token, or name:password.", .is_secret = true },
    { "SKERRY_MIRROR_EXPERIMENT", SETTING_STR, "",
      "Put before the names of experiments there, like \"skerry/\"." },
    { "SKERRY_MIRROR_ARTIFACT_BYTES", SETTING_BYTES, "64M",
      "Files of runs and models up to this size go along; 0 sends none." },
    { "SKERRY_OUTBOX_ROWS", SETTING_INT, "100000",
      "Events that wait for a destination; beyond, the oldest are lost, and counted.", .min = 1,
      .max = 100000000 },
    { "SKERRY_OUTBOX_BYTES", SETTING_BYTES, "64M", "The same in bytes.", .min = 1024,
      .max = 1LL << 40 },
    { "SKERRY_OUTBOX_RETRY_SECONDS", SETTING_INT, "60",
      "The longest pause before a destination that fails is tried again.", .min = 1, .max = 3600 },
    { "SKERRY_METRICS_DAYS", SETTING_INT, "30",
      "Days that samples of our metrics are kept for charts.", .min = 1, .max = 36500 },
    { "SKERRY_SCORING_BYTES", SETTING_BYTES, "512M",
      "Files of clients' models that are in memory at once, and of the largest one.",
      .min = 1024 * 1024, .max = 1LL << 40 },
    { "SKERRY_XGBOOST_LIB", SETTING_STR, "",
      "libxgboost for models of clients, like /usr/lib/libxgboost.so.0; empty: the system's." },
    { "SKERRY_ONNX_LIB", SETTING_STR, "",
      "libonnxruntime for models of clients; empty: the system's." },
    { "SKERRY_AUTO_PROMOTION", SETTING_BOOL, "true",
      "Judge the versions that serve every ten minutes, and move aliases by it." },
    { "SKERRY_SERVING_ALPHA", SETTING_REAL, "0.05",
      "Chance that is taken of a wrong swap between two versions, ever.", .min = 1e-6, .max = 0.5 },
    { "SKERRY_SERVING_OUTCOMES_MIN", SETTING_INT, "20",
      "Outcomes (games) of each side before Production and B are compared.", .min = 1,
      .max = 1000000000 },
    { "SKERRY_SERVING_JUDGED_MIN", SETTING_INT, "200",
      "Predictions with truth before versions are compared by them.", .min = 1, .max = 1000000000 },
    { "SKERRY_SERVING_MARGIN", SETTING_REAL, "0.02",
      "How far a version must provably fall below its record before it is rolled back or alarms.",
      .min = 1e-6, .max = 1 },
    { "SKERRY_SERVING_DRIFT_MAX", SETTING_REAL, "0.25",
      "Population stability index against training that raises an alarm.", .min = 1e-6,
      .max = 1000 },
    { "SKERRY_SERVING_WINDOW_HOURS", SETTING_INT, "24",
      "Hours that accuracy, calibration and drift are told over.", .min = 1, .max = 8784 },
    { "SKERRY_SERVING_LOG_PERCENT", SETTING_REAL, "1",
      "Share of predictions that are kept one by one, beside the sums; those that wait for their "
      "truth always are.",
      .max = 100 },
    { "SKERRY_SERVING_LOG_DAYS", SETTING_INT, "30", "Days that these are kept.", .min = 1,
      .max = 36500 },
    { 0 },
};

static const struct job_kind jobs[] = {
    { .name = "core.collect",
      .help = "Removes blobs that nothing refers to.",
      .component = "maintenance",
      .run = core_collect_run,
      .payload_schema = "{}",
      .example = "{}",
      .artifact = "report.json",
      .concurrent_max = 1 },
    { .name = "core.gc",
      .help = "Says, then does: rules of experiments, what was deleted long ago, unused blobs.",
      .component = "maintenance",
      .run = core_gc_run,
      .payload_schema = "{\"olderThan\":{\"type\":\"string\"},\"dryRun\":{\"type\":"
                        "\"boolean\"}}",
      .example = "{}",
      .event = "gc.done",
      .metric = "skerry_gc_total",
      .artifact = "report.json",
      .concurrent_max = 1 },
    { .name = "core.promotion",
      .help = "Judges the versions that serve, and moves aliases where that is earned.",
      .component = "serving",
      .run = core_promotion_run,
      .payload_schema = FAMILY_BODY,
      .artifact = "promotion.json",
      .event = "promotion.completed",
      .concurrent_max = 1 },
    { .name = "core.backup",
      .help = "Makes a backup, online: rows and blobs, those that are new.",
      .component = "maintenance",
      .run = core_backup_run,
      .payload_schema = "{\"path\":{\"type\":\"string\"},\"keep\":{\"type\":\"integer\"}}",
      .artifact = "report.json",
      .stays_home = true, /* it writes where the asker can see it */
      .concurrent_max = 1 },
    { .name = "core.verify_backup",
      .help = "Restores a backup into a scratch place and checks every digest.",
      .component = "maintenance",
      .run = core_backup_verify_run,
      .payload_schema = "{\"path\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"}}",
      .artifact = "report.json",
      .stays_home = true,
      .concurrent_max = 1 },
    { 0 },
};

static const struct job_schedule schedules[] = {
    { "core.gc.daily", "17 3 * * *", "core.gc", "{}",
      "Nightly: rules of experiments, what was deleted long ago, blobs that nobody refers to." },
    { 0 },
};

static const struct verb verbs[] = {
    { "status", "skerry status [--json]",
      "Prints the STATUS block: version, data, training, model, blockers.\n\n    skerry status | "
      "wl-copy",
      core_verb_status, .takes_nothing = true },
    { "config", "skerry config [--example] [--json]",
      "Shows every setting, its value and where it came from.\n\n    API_PORT=9000 skerry config\n "
      "   skerry config --example > .env",
      core_verb_config },
    { "doctor", "skerry doctor [--json]",
      "Examines the installation and names the next step for what is wrong. Ends with 5 when "
      "something is.\n\n    skerry doctor && echo all is well",
      core_verb_doctor, .takes_nothing = true },
    { "models", "skerry models [--json]",
      "Lists registered model versions with their aliases.\n\n    skerry models --json",
      core_verb_models, .takes_nothing = true },
    { "promote", "skerry promote MODEL VERSION [ALIAS] [--json]",
      "Points an alias (prod, if none is given) at a version; a running server switches without "
      "dropping a request.\n\n    skerry promote chess-policy 3",
      core_verb_promote },
    { "key", "skerry key create USER [viewer|analyst|admin] [--days N] | list | revoke ID [--json]",
      "Makes an API key, lists them, revokes one; a running server knows it at once. As soon as an "
      "admin key exists, the API needs one. Without a role it is an admin's; with --days it "
      "expires.\n\n    skerry key create alice analyst --days 90",
      core_verb_key },
    { "backup", "skerry backup [verify] [DIR|s3://BUCKET/PREFIX] [--keep N] [NAME]",
      "Backs up rows and blobs into a folder or S3 (SKERRY_BACKUP_DIR, if none is named) while all "
      "goes on; keys of S3 are SKERRY_BACKUP_S3_* or SKERRY_S3_*. What an earlier backup there has "
      "is not written again. 'verify' restores the newest "
      "one, or NAME, into a scratch place and checks every digest. A name that ends in .db or "
      ".dump is a file for a copy of the rows alone.\n\n    skerry backup /backup/skerry --keep "
      "14\n    skerry backup verify /backup/skerry\n    skerry backup s3://backups/skerry",
      core_verb_backup },
    { "restore", "skerry restore DIR|s3://BUCKET/PREFIX [NAME]",
      "Puts the newest backup of a folder or S3, or NAME, into an empty SKERRY_HOME, or into the "
      "empty SKERRY_DB and SKERRY_BLOBS that are set. When it was killed, run it again.\n\n    "
      "SKERRY_HOME=/srv/new skerry restore /backup/skerry",
      core_verb_restore, .needs_no_house = true },
    { "move", "skerry move [--to DB] [--blobs BLOBS] [--env FILE] | --stay",
      "Copies this installation to another store and other blobs, and compares every count and "
      "digest; back again by the same way. Beside a running server it copies and says so; run "
      "again when that is stopped, it copies the rest and ends the move. Passwords and keys are "
      "given in FILE, as SKERRY_DB, SKERRY_BLOBS and SKERRY_S3_*: it can be the .env of the time "
      "after. --stay takes back that this installation moved.\n\n    skerry move --env new.env\n  "
      "  skerry move --to sqlite: --blobs file:",
      core_verb_move, .needs_no_house = true },
    { "outbox", "skerry outbox [dead DEST | replay DEST | drop DEST] [--json]",
      "Shows where things leave to, what waits and why; 'dead' lists what a destination refused, "
      "'replay' sends it once more, 'drop' forgets it.\n\n    skerry outbox\n    skerry outbox "
      "replay loki",
      core_verb_outbox },
    { "gc", "skerry gc [--older-than 30d] [--dry-run] [--json]",
      "Does what a server does every night: moves runs into the trash by the rules of their "
      "experiments (tags skerry.keep_runs, skerry.keep_days, skerry.keep_traces_days), removes for "
      "good what was deleted longer ago than SKERRY_KEEP_DELETED_DAYS or --older-than, and the "
      "blobs that nobody refers to any more. --dry-run only says what and how much.\n\n    skerry "
      "gc --older-than 7d --dry-run",
      core_verb_gc },
    { "collect", "skerry collect [--json]",
      "Removes blobs that nothing refers to any more. A server does it every night.\n\n    skerry "
      "collect",
      core_verb_collect, .takes_nothing = true },
    { "workers", "skerry workers [drain NAME | resume NAME] [--json]",
      "Lists the processes that do jobs, on all machines, and what they take. drain lets one take "
      "no new job (a skerry work then ends, with what it has done handed on); resume undoes it.\n\n"
      "    skerry workers drain rack-2",
      core_verb_workers },
    { "blob-url", "skerry blob-url DIGEST [SECONDS]",
      "Prints a URL from which anybody can read a blob for a while (an hour, if nothing is said; 7 "
      "days at most), where blobs are in S3.\n\n    curl -o model.bin \"$(skerry blob-url "
      "sha256:2c26...)\"",
      core_verb_blob_url },
    { 0 },
};

static const struct page pages[] = {
    { "/ui/", "Overview" },
    { "/ui/runs", "Runs" },
    { "/ui/datasets", "Datasets" },
    { "/ui/models", "Models" },
    { "/ui/lineage", "Lineage" },
    { "/ui/metrics", "Metrics" },
    { "/ui/logs", "Logs" },
    { "/ui/jobs", "Jobs" },
    { "/ui/settings", "Settings" },
    { "/ui/api", "API" },
    { 0 },
};

const struct app app_core = {
    .name = "core",
    .title = "Platform",
    .summary = "Runs, jobs, datasets, models, metrics, logs: what every app stands on.",
    .settings = settings,
    .routes = routes,
    .jobs = jobs,
    .schedules = schedules,
    .metrics = core_gc_metrics,
    .verbs = verbs,
    .pages = pages,
    .state_bytes = sizeof(struct core_state),
    .start = core_query_start,
    .stop = core_query_stop,
};
