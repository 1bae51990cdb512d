/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core.h -- handlers of the platform's own app, "core". Its table, in core.c, is the table of
 * contents. */
#ifndef SKERRY_APP_CORE_H
#define SKERRY_APP_CORE_H

#include <pthread.h>

#include "platform/app/app.h"
#include "platform/move/move.h"

/* What the core app keeps while it runs. */
struct core_state {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    int running; /* queries; guarded by lock */
    bool is_open;
};

/* core_system.c */
err core_health(struct http_request *rq, struct http_reply *rp);
err core_health_deps(struct http_request *rq, struct http_reply *rp);
err core_actuator_health(struct http_request *rq, struct http_reply *rp);
err core_metrics(struct http_request *rq, struct http_reply *rp);
err core_openapi(struct http_request *rq, struct http_reply *rp);
err core_status(struct http_request *rq, struct http_reply *rp);
err core_settings(struct http_request *rq, struct http_reply *rp);
err core_permissions(struct http_request *rq, struct http_reply *rp);
err core_me(struct http_request *rq, struct http_reply *rp);
err core_users_list(struct http_request *rq, struct http_reply *rp);
err core_user_patch(struct http_request *rq, struct http_reply *rp);
err core_keys_list(struct http_request *rq, struct http_reply *rp);
err core_keys_create(struct http_request *rq, struct http_reply *rp);
err core_keys_revoke(struct http_request *rq, struct http_reply *rp);
err core_audit_list(struct http_request *rq, struct http_reply *rp);

/* core_gc.c */
err core_gc_run(struct run *run, const struct json *payload);
err core_collect_run(struct run *run, const struct json *payload);
err core_gc(struct http_request *rq, struct http_reply *rp);
err core_collect(struct http_request *rq, struct http_reply *rp);
err core_verb_gc(struct house *h, const struct verb_args *args);
extern const struct metric_family core_gc_metrics[];

/* core_backup.c */
err core_backup_run(struct run *run, const struct json *payload);
err core_backup_verify_run(struct run *run, const struct json *payload);
err core_verb_backup(struct house *h, const struct verb_args *args);
err core_verb_restore(struct house *none, const struct verb_args *args);
extern const struct job_schedule core_backup_schedules[]; /* with SKERRY_BACKUP_DIR only */
extern const struct metric_family core_backup_metrics[];
/* When the newest backup was made, and the newest of those that were verified; 0: never. */
struct backup_times {
    int64_t made_ms, verified_ms;
};
err core_backup_times(struct house *h, struct backup_times *ret_times);
err core_backup_refresh(struct house *h); /* the metrics */
void core_backup_examine(struct house *h, struct finding *ret_finding);

/* core_move.c */
err core_verb_move(struct house *none, const struct verb_args *args);
/* A verb's progress outside jobs: a bar with ETA on a terminal, a line now and then elsewhere. */
struct verb_progress {
    bool is_terminal, shown;
    const char *what;
    int64_t started_ms, next_ms; /* monotonic */
};
struct move_progress core_verb_progress(struct verb_progress *p);
void core_verb_progress_end(struct verb_progress *p);

/* core_doctor.c */
err core_doctor(struct http_request *rq, struct http_reply *rp);
err core_verb_doctor(struct house *h, const struct verb_args *args);

/* core_runs.c */
err core_runs_list(struct http_request *rq, struct http_reply *rp);
err core_run_get(struct http_request *rq, struct http_reply *rp);
err core_run_metric(struct http_request *rq, struct http_reply *rp);
err core_run_artifacts(struct http_request *rq, struct http_reply *rp);
err core_run_artifact(struct http_request *rq, struct http_reply *rp);
err core_lineage(struct http_request *rq, struct http_reply *rp);
err core_jobs_list(struct http_request *rq, struct http_reply *rp);
err core_jobs_count(struct http_request *rq, struct http_reply *rp);
err core_job_get(struct http_request *rq, struct http_reply *rp);
err core_job_history(struct http_request *rq, struct http_reply *rp);
err core_job_control(struct http_request *rq, struct http_reply *rp);
void core_write_job(struct json_out *w, const struct job_info *job);
err core_schedules(struct http_request *rq, struct http_reply *rp);

/* core_workers.c */
err core_workers_list(struct http_request *rq, struct http_reply *rp);
err core_worker_control(struct http_request *rq, struct http_reply *rp);
err core_verb_workers(struct house *h, const struct verb_args *args);

/* core_datasets.c */
err core_dataset_create(struct http_request *rq, struct http_reply *rp);
err core_datasets_list(struct http_request *rq, struct http_reply *rp);
err core_datasets_count(struct http_request *rq, struct http_reply *rp);
err core_dataset_get(struct http_request *rq, struct http_reply *rp);
err core_dataset_summary(struct http_request *rq, struct http_reply *rp);
err core_dataset_versions(struct http_request *rq, struct http_reply *rp);
err core_dataset_schema(struct http_request *rq, struct http_reply *rp);
err core_dataset_quality(struct http_request *rq, struct http_reply *rp);
err core_dataset_sample(struct http_request *rq, struct http_reply *rp);
err core_dataset_history(struct http_request *rq, struct http_reply *rp);
err core_dataset_export(struct http_request *rq, struct http_reply *rp);
err core_dataset_delete(struct http_request *rq, struct http_reply *rp);
/* dataset_get, for which "sample" is the newest ready dataset, unless one is called so. */
MUST_USE err core_dataset_find(struct http_request *rq, str id_or_name, str version,
                               struct dataset_info *ret_info);

/* core_job_events.c */
err core_job_events(struct http_request *rq, struct http_reply *rp);
err core_jobs_events(struct http_request *rq, struct http_reply *rp);

/* core_kinds.c */
err core_dataset_kinds(struct http_request *rq, struct http_reply *rp);
err core_training_kinds(struct http_request *rq, struct http_reply *rp);
void core_write_words(struct json_out *w, const char *words); /* "pgn csv" as a list */

/* core_models.c */
err core_models_list(struct http_request *rq, struct http_reply *rp);
err core_models_count(struct http_request *rq, struct http_reply *rp);
err core_model_versions(struct http_request *rq, struct http_reply *rp);
err core_model_load(struct http_request *rq, struct http_reply *rp);
err core_model_promote(struct http_request *rq, struct http_reply *rp);
err core_model_promotions(struct http_request *rq, struct http_reply *rp);
err core_models_active(struct http_request *rq, struct http_reply *rp);

/* core_invocations.c: predictions in the shapes of MLflow's scoring server */
err core_invocations(struct http_request *rq, struct http_reply *rp);
err core_invocations_describe(struct http_request *rq, struct http_reply *rp);

/* core_serving.c */
err core_serving_list(struct http_request *rq, struct http_reply *rp);
err core_serving_history(struct http_request *rq, struct http_reply *rp);
err core_serving_rollback(struct http_request *rq, struct http_reply *rp);
err core_promotion_start(struct http_request *rq, struct http_reply *rp);
err core_promotion_run(struct run *run, const struct json *payload);
extern const struct job_schedule core_serving_schedules[]; /* when an app has families */

/* core_trainings.c: trainings and evaluations are jobs of a model kind */
err core_training_create(struct http_request *rq, struct http_reply *rp);
err core_trainings_list(struct http_request *rq, struct http_reply *rp);
err core_trainings_count(struct http_request *rq, struct http_reply *rp);
err core_training_get(struct http_request *rq, struct http_reply *rp);
err core_training_artifacts(struct http_request *rq, struct http_reply *rp);
err core_training_hyperparams(struct http_request *rq, struct http_reply *rp);
err core_training_control(struct http_request *rq, struct http_reply *rp);
err core_evaluation_create(struct http_request *rq, struct http_reply *rp);
err core_evaluations_list(struct http_request *rq, struct http_reply *rp);
err core_evaluation_get(struct http_request *rq, struct http_reply *rp);
err core_training_metrics(struct http_request *rq, struct http_reply *rp);
err core_eval_start(struct http_request *rq, struct http_reply *rp);
err core_eval_get(struct http_request *rq, struct http_reply *rp);

/* core_outbox.c */
err core_outbox_list(struct http_request *rq, struct http_reply *rp);
err core_outbox_dead(struct http_request *rq, struct http_reply *rp);
err core_outbox_replay(struct http_request *rq, struct http_reply *rp);
err core_outbox_drop(struct http_request *rq, struct http_reply *rp);
err core_verb_outbox(struct house *h, const struct verb_args *args);

/* core_resources.c */
err core_resources(struct http_request *rq, struct http_reply *rp);

/* What answers unqualified predictions, of the first app that has such a model. ERR_NOT_FOUND. */
MUST_USE err core_prod_find(struct house *h, arena *keep, struct model_version_info *ret_info);

/* core_charts.c */
err core_chart_health(struct http_request *rq, struct http_reply *rp);
err core_chart_throughput(struct http_request *rq, struct http_reply *rp);
err core_chart_training(struct http_request *rq, struct http_reply *rp);
err core_chart_utilization(struct http_request *rq, struct http_reply *rp);
err core_chart_latency(struct http_request *rq, struct http_reply *rp);
err core_chart_mps(struct http_request *rq, struct http_reply *rp);
err core_chart_rps(struct http_request *rq, struct http_reply *rp);
err core_chart_error_rate(struct http_request *rq, struct http_reply *rp);
err core_chart_elo(struct http_request *rq, struct http_reply *rp);
err core_chart_series(struct http_request *rq, struct http_reply *rp);

/* core_logs.c */
err core_logs_search(struct http_request *rq, struct http_reply *rp);
err core_logs_training(struct http_request *rq, struct http_reply *rp);
err core_logs_app(struct http_request *rq, struct http_reply *rp);

/* core_query.c */
err core_query_start(struct house *h, void *state);
void core_query_stop(struct house *h, void *state);
err core_prom_query(struct http_request *rq, struct http_reply *rp);
err core_prom_query_range(struct http_request *rq, struct http_reply *rp);
err core_prom_series(struct http_request *rq, struct http_reply *rp);
err core_prom_labels(struct http_request *rq, struct http_reply *rp);
err core_prom_label_values(struct http_request *rq, struct http_reply *rp);
err core_prom_metadata(struct http_request *rq, struct http_reply *rp);
err core_prom_buildinfo(struct http_request *rq, struct http_reply *rp);
err core_loki_query(struct http_request *rq, struct http_reply *rp);
err core_loki_query_range(struct http_request *rq, struct http_reply *rp);
err core_loki_labels(struct http_request *rq, struct http_reply *rp);
err core_loki_label_values(struct http_request *rq, struct http_reply *rp);

/* core_verbs.c */
err core_verb_status(struct house *h, const struct verb_args *args);
err core_verb_config(struct house *h, const struct verb_args *args);
err core_verb_models(struct house *h, const struct verb_args *args);
err core_verb_promote(struct house *h, const struct verb_args *args);
err core_verb_key(struct house *h, const struct verb_args *args);
err core_verb_collect(struct house *h, const struct verb_args *args);
err core_verb_blob_url(struct house *h, const struct verb_args *args);

#endif
