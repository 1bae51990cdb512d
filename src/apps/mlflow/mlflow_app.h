/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mlflow_app.h -- what the files of this app share: its handlers, by area. */
#ifndef SKERRY_MLFLOW_APP_H
#define SKERRY_MLFLOW_APP_H

#include "apps/mlflow/wire.h"

/* The version that we say we are: clients ask for it and switch features on. */
#define MLFLOW_VERSION "3.17.2"

typedef err mlflow_handler(struct http_request *rq, struct http_reply *rp);

extern const struct route mlflow_routes[];

/* server.c: what kind of server this is */
mlflow_handler mlflow_version, mlflow_server_info;
/* artifacts.c */
mlflow_handler mlflow_artifact_put, mlflow_artifact_get, mlflow_artifact_delete,
    mlflow_artifact_names, mlflow_artifact_list, mlflow_artifact_of_run, mlflow_artifact_of_version,
    mlflow_artifact_of_model, mlflow_artifact_of_trace, mlflow_artifact_upload,
    mlflow_artifact_no_parts, mlflow_artifact_no_links;
extern const struct http_sink mlflow_put_sink, mlflow_upload_sink;
/* The files of a page as "files": [...], which is left out when there are none. */
struct files_page;
void mlflow_write_files(struct json_out *w, const struct files_page *page);
/* Puts `directory` before the names in a page. */
MUST_USE err mlflow_name_below(struct files_page *page, str directory, arena *keep);
/* artifact_types.c: what Content-Type a name promises */
const char *mlflow_type_of(str name);
/* experiments.c */
mlflow_handler mlflow_experiment_create, mlflow_experiment_get, mlflow_experiment_get_by_name,
    mlflow_experiment_update, mlflow_experiment_delete, mlflow_experiment_restore,
    mlflow_experiment_set_tag, mlflow_experiment_delete_tag;
struct experiment_info;
void mlflow_write_experiment(struct json_out *w, const struct experiment_info *e);
/* runs.c */
mlflow_handler mlflow_run_create, mlflow_run_get, mlflow_run_update, mlflow_run_delete,
    mlflow_run_restore;
struct client_run;
struct client_metric;
/* {"info","data","inputs","outputs"} */
void mlflow_write_run(struct json_out *w, const struct client_run *r);
void mlflow_write_metric(struct json_out *w, const struct client_metric *m, str run_id);
/* run_id, or run_uuid, of the arguments. */
MUST_USE err mlflow_need_run(const struct wire_args *a, str *ret_id);
/* logging.c */
mlflow_handler mlflow_log_metric, mlflow_log_parameter, mlflow_set_tag, mlflow_delete_tag,
    mlflow_log_batch, mlflow_log_model;
/* inputs.c */
mlflow_handler mlflow_log_inputs, mlflow_log_outputs, mlflow_search_datasets;
/* metrics.c */
mlflow_handler mlflow_metric_history, mlflow_metric_history_bulk, mlflow_metric_samples;
/* registry.c */
mlflow_handler mlflow_model_create, mlflow_model_get, mlflow_model_update, mlflow_model_rename,
    mlflow_model_delete, mlflow_model_set_tag, mlflow_model_delete_tag, mlflow_model_latest,
    mlflow_alias_set, mlflow_alias_delete, mlflow_alias_get;
/* May this user move aliases of `name`, rename and delete? ERR_DENIED. */
MUST_USE err mlflow_may_change(struct http_request *rq, str name);
struct registry_model;
void mlflow_write_registered_model(struct json_out *w, const struct registry_model *m);
/* versions.c */
mlflow_handler mlflow_version_create, mlflow_version_get, mlflow_version_update,
    mlflow_version_delete, mlflow_version_stage, mlflow_version_uri, mlflow_version_set_tag,
    mlflow_version_delete_tag;
/* "version", a text that holds a number. */
MUST_USE err mlflow_need_version(const struct wire_args *a, int64_t *ret_version);
struct registry_version;
void mlflow_write_model_version(struct json_out *w, const struct registry_version *v);
/* logged_models.c */
mlflow_handler mlflow_logged_create, mlflow_logged_get, mlflow_logged_finish, mlflow_logged_delete,
    mlflow_logged_tags, mlflow_logged_delete_tag, mlflow_logged_params, mlflow_logged_files;
struct logged_model;
/* {"info","data"} */
void mlflow_write_logged_model(struct json_out *w, const struct logged_model *m);
/* search.c, search_models.c */
mlflow_handler mlflow_search_runs, mlflow_search_experiments, mlflow_search_models,
    mlflow_search_versions, mlflow_search_logged_models;
/* traces.c */
mlflow_handler mlflow_trace_start, mlflow_trace_info, mlflow_trace_get, mlflow_trace_batch_get,
    mlflow_trace_batch_infos, mlflow_trace_set_tag, mlflow_trace_delete_tag, mlflow_traces_delete,
    mlflow_traces_link_run, mlflow_trace_link_prompts;
/* traces_2.c: of MLflow 2, and searches */
mlflow_handler mlflow_trace_start_2, mlflow_trace_end_2, mlflow_trace_info_2, mlflow_traces_search,
    mlflow_traces_search_2;
/* trace_stats.c, trace_charts.c */
mlflow_handler mlflow_traces_correlation, mlflow_traces_metrics;
/* assessments.c */
mlflow_handler mlflow_assessment_create, mlflow_assessment_get, mlflow_assessment_update,
    mlflow_assessment_delete;
/* otlp.c */
mlflow_handler mlflow_otlp_traces;

#endif
