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
#define ACTION_BODY "{\"action\":{\"type\":\"string\"}}"
#define MODEL_BODY                                                                                \
    "{\"modelId\":{\"type\":\"string\"},\"modelVersion\":{\"type\":\"string\"},\"to\":{\"type\":" \
    "\"string\"},"                                                                                \
    "\"from\":{\"type\":\"string\"},\"reason\":{\"type\":\"string\"}}"
#define DATASET_BODY                                                                        \
    "{\"name\":{\"type\":\"string\"},\"version\":{\"type\":\"string\"},\"kind\":{\"type\":" \
    "\"string\"},"                                                                          \
    "\"sizeRows\":{\"type\":\"integer\"},"                                                \
    "\"filter\":{\"type\":\"object\"},\"split\":{\"type\":\"object\"},\"note\":{\"type\":"  \
    "\"string\"},\"tags\":{\"type\":\"object\"}}"
#define TRAINING_BODY                                                                             \
    "{\"datasetId\":{\"type\":\"string\"},\"datasetVersion\":{\"type\":\"string\"},\"modelId\":{" \
    "\"type\":\"string\"},"                                                                       \
    "\"epochs\":{\"type\":\"integer\"},\"batchSize\":{\"type\":\"integer\"},\"learningRate\":{"   \
    "\"type\":\"number\"},"                                                                       \
    "\"seed\":{\"type\":\"integer\"},\"minutes\":{\"type\":\"number\"},\"notes\":{\"type\":"      \
    "\"string\"},\"priority\":{\"type\":\"string\"}}"
/* clang-format off */
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

#define PROM_REPLY                                                                              \
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
      core_metrics },
    { "GET", "/openapi.json", "This API, as OpenAPI 3.1.", ACCESS_PUBLIC, core_openapi,
      .alias = "/v3/api-docs", .reply = OBJECT },
    { "GET", "/v1/status", "The STATUS block, as JSON or (Accept: text/plain) to copy.",
      ACCESS_VIEWER, core_status, .reply = OBJECT },
    { "GET", "/v1/settings", "Effective settings and where each came from.", ACCESS_ADMIN,
      core_settings, .reply = ITEMS },
    { "GET", "/v1/permissions", "Every route and who may call it.", ACCESS_VIEWER, core_permissions,
      .reply = ITEMS },
    { "GET", "/v1/users/me", "Who am I?", ACCESS_VIEWER, core_me, .reply = OBJECT },
    { "GET", "/v1/admin/users", "Users: who was given a key, and the default user.", ACCESS_ADMIN,
      core_users_list, .reply = ITEMS },
    { "PATCH", "/v1/admin/users/{id}", "Give all keys of a user another role.", ACCESS_ADMIN,
      core_user_patch,
      .body = "{\"roles\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}",
      .reply = OBJECT, .example = "{\"roles\":[\"viewer\"]}" },
    { "GET", "/v1/keys", "API keys, without their secrets.", ACCESS_ADMIN, core_keys_list,
      .reply = ITEMS },
    { "POST", "/v1/keys", "Make an API key; it is shown this once.", ACCESS_ADMIN, core_keys_create,
      .reply = OBJECT, .reply_status = 201,
      .body = "{\"username\":{\"type\":\"string\"},\"role\":{\"type\":\"string\"},\"note\":{"
              "\"type\":\"string\"}}",
      .example = "{\"username\":\"gate\",\"role\":\"viewer\",\"note\":\"made by the gate\"}" },
    { "DELETE", "/v1/keys/{id}", "Revoke an API key.", ACCESS_ADMIN, core_keys_revoke,
      .reply = OBJECT },
    { "POST", "/v1/maintenance/collect", "Remove blobs that nothing refers to.", ACCESS_ADMIN,
      core_collect, .reply = RUN_ID_REPLY, .reply_status = 202 },

    { "GET", "/v1/runs", "Runs, newest first.", ACCESS_VIEWER, core_runs_list, .reply = ITEMS,
      .query = "component:string status:string kind:string username:string limit:int offset:int" },
    { "GET", "/v1/runs/{runId}", "One run: params, metrics, tags, inputs, outputs.", ACCESS_VIEWER,
      core_run_get, .reply = OBJECT },
    { "GET", "/v1/runs/{runId}/metrics/{key}", "The history of one metric of a run.", ACCESS_VIEWER,
      core_run_metric, .reply = OBJECT, .query = "limit:int" },
    { "GET", "/v1/runs/{runId}/artifacts", "What a run left behind.", ACCESS_VIEWER,
      core_run_artifacts, .reply = ITEMS },
    { "GET", "/v1/runs/{runId}/artifacts/{path...}", "Download an artifact.", ACCESS_VIEWER,
      core_run_artifact },
    { "GET", "/v1/lineage/{id}", "What a run, dataset or model came from and led to.",
      ACCESS_VIEWER, core_lineage, .reply = OBJECT, .query = "depth:int" },
    { "GET", "/v1/jobs", "Jobs, newest first.", ACCESS_VIEWER, core_jobs_list, .reply = ITEMS,
      .query = "kind:string status:string username:string limit:int offset:int" },
    { "GET", "/v1/jobs/{id}", "One job.", ACCESS_VIEWER, core_job_get, .reply = OBJECT },
    { "POST", "/v1/jobs/{id}/control", "Stop, pause, resume or replay a job.", ACCESS_ANALYST,
      core_job_control, .body = ACTION_BODY, .reply = OBJECT, .reply_status = 202,
      .example = "{\"action\":\"replay\"}" },
    { "GET", "/v1/jobs/{id}/events", "Progress of a job as server-sent events.", ACCESS_VIEWER,
      core_job_events },
    { "GET", "/v1/schedules", "What runs by itself, and when next.", ACCESS_VIEWER, core_schedules,
      .reply = ITEMS },

    { "POST", "/v1/datasets", "Build a dataset version.", ACCESS_ANALYST, core_dataset_create,
      .per_minute = 30, .body = DATASET_BODY, .reply = OBJECT, .reply_status = 201,
      .example =
          "{\"name\":\"gate\",\"filter\":{},\"split\":{\"train\":0.8,\"valid\":0.1,\"test\":0.1}}",
      .event = "dataset.created" },
    { "GET", "/v1/datasets", "Datasets, the newest version of each.", ACCESS_VIEWER,
      core_datasets_list, .reply = ITEMS, .query = "limit:int offset:int sort:string q:string" },
    { "GET", "/v1/datasets/count", "How many datasets there are.", ACCESS_VIEWER,
      core_datasets_count, .reply = COUNT },
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
    { "POST", "/v1/models/load", "Make a version serve until the next load, promotion or restart.",
      ACCESS_ANALYST, core_model_load, .body = MODEL_BODY, .reply = OBJECT },
    { "POST", "/v1/models/promote", "Point an alias (prod) at a version and make it serve.",
      ACCESS_ADMIN, core_model_promote, .body = MODEL_BODY, .reply = OBJECT,
      .event = "model.promoted" },

    { "POST", "/v1/trainings", "Train a model on a dataset.", ACCESS_ANALYST, core_training_create,
      .body = TRAINING_BODY, .reply = RUN_ID_REPLY, .reply_status = 201 },
    { "GET", "/v1/trainings", "Trainings, newest first.", ACCESS_VIEWER, core_trainings_list,
      .query = "status:string limit:int offset:int", .reply = ITEMS },
    { "GET", "/v1/trainings/count", "How many trainings there are.", ACCESS_VIEWER,
      core_trainings_count, .query = "status:string", .reply = COUNT },
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
      core_prom_query, .query = PROM_QUERY, .reply = PROM_REPLY, .example = "query=up" },
    { "POST", "/api/v1/query", "The same; parameters may come in a form body.", ACCESS_VIEWER,
      core_prom_query, .query = PROM_QUERY, .reply = PROM_REPLY, .example = "query=up" },
    { "GET", "/api/v1/query_range", "PromQL over a stretch of time, as Prometheus answers it.",
      ACCESS_VIEWER, core_prom_query_range, .query = PROM_RANGE, .reply = PROM_REPLY,
      .example = PROM_RANGE_EXAMPLE },
    { "POST", "/api/v1/query_range", "The same; parameters may come in a form body.",
      ACCESS_VIEWER, core_prom_query_range, .query = PROM_RANGE, .reply = PROM_REPLY,
      .example = PROM_RANGE_EXAMPLE },
    { "GET", "/api/v1/series", "Series that match a selector.", ACCESS_VIEWER, core_prom_series,
      .query = PROM_MATCH, .reply = PROM_REPLY, .example = "match[]=up" },
    { "POST", "/api/v1/series", "The same; parameters may come in a form body.", ACCESS_VIEWER,
      core_prom_series, .query = PROM_MATCH, .reply = PROM_REPLY, .example = "match[]=up" },
    { "GET", "/api/v1/labels", "Names of the labels that series have.", ACCESS_VIEWER,
      core_prom_labels, .query = PROM_MATCH, .reply = PROM_REPLY },
    { "POST", "/api/v1/labels", "The same; parameters may come in a form body.", ACCESS_VIEWER,
      core_prom_labels, .query = PROM_MATCH, .reply = PROM_REPLY },
    { "GET", "/api/v1/label/{name}/values", "Values that a label of series has.", ACCESS_VIEWER,
      core_prom_label_values, .query = PROM_MATCH, .reply = PROM_REPLY },
    { "GET", "/api/v1/metadata", "Type and help of metrics.", ACCESS_VIEWER, core_prom_metadata,
      .query = "metric:string", .reply = PROM_REPLY },
    { "GET", "/api/v1/status/buildinfo", "Which Prometheus' API this is like.", ACCESS_VIEWER,
      core_prom_buildinfo, .reply = PROM_REPLY },
    { "GET", "/obs/prom/query", "PromQL at one moment; the observability proxy's path.",
      ACCESS_VIEWER, core_prom_query, .alias = "/obs/prom/instant", .query = PROM_QUERY,
      .reply = PROM_REPLY, .example = "query=up" },
    { "GET", "/obs/prom/range", "PromQL over time; the observability proxy's path.", ACCESS_VIEWER,
      core_prom_query_range, .query = PROM_RANGE, .reply = PROM_REPLY,
      .example = PROM_RANGE_EXAMPLE },
    { "GET", "/v1/obs/promql", "PromQL at one moment, for our own pages.", ACCESS_VIEWER,
      core_prom_query, .query = PROM_QUERY, .reply = PROM_REPLY, .example = "query=up" },
    { "GET", "/v1/obs/range", "PromQL over time, for our own pages.", ACCESS_VIEWER,
      core_prom_query_range, .query = PROM_RANGE, .reply = PROM_REPLY,
      .example = PROM_RANGE_EXAMPLE },

    { "GET", "/loki/api/v1/query", "LogQL at one moment, as Loki answers it.", ACCESS_VIEWER,
      core_loki_query, .query = LOKI_QUERY, .reply = PROM_REPLY, .example = LOKI_QUERY_EXAMPLE },
    { "GET", "/loki/api/v1/query_range", "LogQL over time, as Loki answers it.", ACCESS_VIEWER,
      core_loki_query_range, .query = LOKI_RANGE, .reply = PROM_REPLY,
      .example = LOKI_RANGE_EXAMPLE },
    { "GET", "/loki/api/v1/labels", "Names of the labels that log lines have.", ACCESS_VIEWER,
      core_loki_labels, .alias = "/loki/api/v1/label", .reply = PROM_REPLY },
    { "GET", "/loki/api/v1/label/{name}/values", "Values that a label of log lines has.",
      ACCESS_VIEWER, core_loki_label_values, .query = "start:string end:string",
      .reply = PROM_REPLY },
    { "GET", "/obs/loki/query", "LogQL at one moment; the observability proxy's path.",
      ACCESS_VIEWER, core_loki_query, .query = LOKI_QUERY, .reply = PROM_REPLY,
      .example = LOKI_QUERY_EXAMPLE },
    { "GET", "/obs/loki/range", "LogQL over time; the observability proxy's path.", ACCESS_VIEWER,
      core_loki_query_range, .alias = "/obs/loki/query_range", .query = LOKI_RANGE,
      .reply = PROM_REPLY, .example = LOKI_RANGE_EXAMPLE },
    { "GET", "/v1/obs/loki", "LogQL over time, for our own pages.", ACCESS_VIEWER,
      core_loki_query_range, .query = LOKI_RANGE, .reply = PROM_REPLY,
      .example = LOKI_RANGE_EXAMPLE },
    { 0 },
};

static const struct setting settings[] = {
    { "SKERRY_HOME", SETTING_STR, "",
      "Data folder; empty means ~/.skerry. From the environment only." },
    { "API_PORT", SETTING_INT, "8001", "Port of the HTTP API; 0 takes any free one.",
      .min = 0, .max = 65535 },
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
    { "SKERRY_S3_SECRET_KEY", SETTING_STR, "", "Secret key of the access key.",
      .is_secret = true },
    { "SKERRY_S3_SESSION_TOKEN", SETTING_STR, "", "Token of temporary keys.", .is_secret = true },
    { "SKERRY_S3_CA_FILE", SETTING_STR, "",
      "Certificates to trust for https:// instead of the system's." },
    { "SKERRY_S3_CREATE_BUCKET", SETTING_BOOL, "false", "Make the bucket when it is not there." },
    { "SKERRY_S3_CACHE_BYTES", SETTING_BYTES, "1G",
      "Local copies of blobs kept for reading; 0 keeps none.", .max = 1LL << 50 },
    { "SKERRY_S3_PART_BYTES", SETTING_BYTES, "16M",
      "Larger blobs are uploaded in parts of this size, several at a time.", .min = 5 << 20,
      .max = 5LL << 30 },
    { "SKERRY_S3_PARTS", SETTING_INT, "4", "Parts of one blob uploaded at the same time.",
      .min = 1, .max = 16 },
    { "SKERRY_S3_VERIFY", SETTING_STR, "first",
      "Read back what was written: first (of each kind, after a start), all, or size (just ask)." },
    { "SKERRY_S3_RETRY_SECONDS", SETTING_INT, "60",
      "How long a request that fails is tried again.", .min = 1, .max = 3600 },
    { "SKERRY_S3_GRACE_SECONDS", SETTING_INT, "3600",
      "Younger blobs are never collected: another machine may be about to refer to them.",
      .min = 0, .max = 30 * 86400 },
    { "SKERRY_S3_ORPHAN_HOURS", SETTING_INT, "24",
      "Unfinished uploads older than this are aborted.", .min = 1, .max = 24 * 365 },
    { "SKERRY_USER", SETTING_STR, "M3NG00S3", "Default user, and owner of what verbs do." },
    { "SKERRY_WORKERS", SETTING_INT, "2", "Jobs that run at the same time.", .min = 1,
      .max = 64 },
    { "SKERRY_HTTP_WORKERS", SETTING_INT, "8",
      "Requests that may wait for the store or the disk at the same time.", .min = 1,
      .max = 256 },
    { "SKERRY_COMPUTE_THREADS", SETTING_INT, "0",
      "Threads of one computation; 0 means one a core.", .min = 0, .max = 1024 },
    { "SKERRY_UPLOAD_MAX", SETTING_BYTES, "16G", "Largest upload.", .min = 1024,
      .max = 1LL << 50 },
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
    { "SKERRY_METRICS_DAYS", SETTING_INT, "30",
      "Days that samples of our metrics are kept for charts.", .min = 1, .max = 36500 },
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
    { .name = "core.backup",
      .help = "Copies the store, online, into a new file.",
      .component = "maintenance",
      .run = core_backup_run,
      .payload_schema = "{\"path\":{\"type\":\"string\"}}",
      .artifact = "report.json",
      .concurrent_max = 1 },
    { 0 },
};

static const struct job_schedule schedules[] = {
    { "core.collect.daily", "17 3 * * *", "core.collect", "{}",
      "Nightly removal of unreferenced blobs." },
    { 0 },
};

static const struct verb verbs[] = {
    { "status", "skerry status [--json]",
      "Prints the STATUS block: version, data, training, model, blockers.\n\n    skerry status | "
      "wl-copy",
      core_verb_status },
    { "config", "skerry config [--example] [--json]",
      "Shows every setting, its value and where it came from.\n\n    API_PORT=9000 skerry config\n "
      "   skerry config --example > .env",
      core_verb_config },
    { "doctor", "skerry doctor [--json]",
      "Examines the installation and names the next step for what is wrong.", core_verb_doctor },
    { "models", "skerry models [--json]", "Lists registered model versions with their aliases.",
      core_verb_models },
    { "promote", "skerry promote MODEL VERSION [ALIAS]",
      "Points an alias (prod, if none is given) at a version; a running server switches without "
      "dropping a request.\n\n    skerry promote chess-policy 3",
      core_verb_promote },
    { "key", "skerry key create USER [viewer|analyst|admin]",
      "Makes an API key. As soon as an admin key exists, the API needs one.\n\n    skerry key "
      "create alice analyst",
      core_verb_key },
    { "backup", "skerry backup FILE",
      "Copies the store into a new file while everything goes on. Blobs are immutable files: copy "
      "the blobs folder after it.\n\n    skerry backup /backup/skerry.db && cp -rn ~/.skerry/blobs "
      "/backup/",
      core_verb_backup },
    { "collect", "skerry collect", "Removes blobs that nothing refers to any more.",
      core_verb_collect },
    { "blob-url", "skerry blob-url DIGEST [SECONDS]",
      "Prints a URL from which anybody can read a blob for a while (an hour, if nothing is said; 7 "
      "days at most), where blobs are in S3.\n\n    curl -o model.bin \"$(skerry blob-url "
      "sha256:2c26...)\"",
      core_verb_blob_url },
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
    .verbs = verbs,
    .state_bytes = sizeof(struct core_state),
    .start = core_query_start,
    .stop = core_query_stop,
};
