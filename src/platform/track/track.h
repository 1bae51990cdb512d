/* SPDX-License-Identifier: GPL-3.0-or-later */
/* track.h -- experiments, runs, datasets, models: what was made, from what, by which run.
 *
 * Tables follow the MLflow data model (experiments, runs, params, metrics, tags, registered models,
 * versions, aliases), so that the MLflow REST API can be put on top of the same rows. Datasets and
 * model versions are assets: name, version, digest, size, parents. Times are ms since 1970 UTC.
 */
#ifndef SKERRY_TRACK_H
#define SKERRY_TRACK_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/rand.h"
#include "base/str.h"
#include "platform/blobs/blobs.h"
#include "platform/jobs/jobs.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/store/store.h"

struct track;

struct outbox; /* platform/outbox/outbox.h */

struct track_options {
    struct store *store;
    struct blobs *blobs;
    struct log *log;
    struct metrics *metrics;
    struct jobs *jobs;     /* tells which runs will go on; NULL: no run has a job */
    struct outbox *outbox; /* is told of runs and promotions in their transactions; may be NULL */
    bool sole_worker;      /* runs that are under way were left by a dead process: see track_open */
    bool is_shared; /* but other servers work on the store: runs without a job may be theirs */
    void *ctx;      /* handed to stages by run_ctx */
};
/* Families of this room, of history too: registered by the owner of `metrics` before track_open. */
extern const struct metric_family track_metrics[];
extern const struct store_migration track_migrations[]; /* of the owner "track" */
/* Migrates its tables; makes experiment "0", Default. A sole worker also fails the runs that a dead
 * process left and whose job will not run again; runs of unfinished jobs stay: the next try goes on
 * with them. */
MUST_USE err track_open(const struct track_options *options, struct track **ret_track);
void track_close(struct track *t); /* all runs have ended; accepts NULL */

/* Marks every blob that tracking refers to: artifacts, files, datasets, model versions. */
err track_roots(void *track, blob_mark_fn mark, void *mark_arg);
/* The same for a store that nobody tracks in: a backup's, a copy's. */
MUST_USE err track_roots_in(struct store *s, blob_mark_fn mark, void *mark_arg);

/* ------------------------------------------------------------------ runs, read */

struct run_info {
    str run_id, name, experiment_id, component, username, status, error, job_id, job_kind,
        dataset_id, model_id;
    int64_t created_ms, start_ms, end_ms; /* 0: not yet */
    int attempts;
};
struct run_filter {
    str component, status, job_kind,
        username;             /* empty: any. status RUNNING FINISHED FAILED KILLED SCHEDULED */
    str dataset_id, model_id; /* label of the run; empty: any */
    int64_t limit, offset;    /* limit 0: 100; at most 1001 rows come back, newest first */
};

/* Makes the row of a run that will begin later, status SCHEDULED, so that its id is known
 * everywhere as soon as the reply that names it: in the transaction that adds the job. */
struct run_plan {
    str run_id; /* 32 hex digits, the same as in job_spec */
    str job_id;
    const char *job_kind, *component;
    str username;
    str name;       /* empty: made from the kind */
    str experiment; /* empty: "Default" */
};
MUST_USE err track_run_schedule_tx(struct track *t, struct store_tx *tx,
                                   const struct run_plan *plan);
/* Ends a run whose job ended without its stage: stopped before its turn, or given up. A run that
 * has ended stays as it is. status: "KILLED" or "FAILED". */
MUST_USE err track_run_abandon(struct track *t, str run_id, const char *status, str reason);
MUST_USE err track_run_get(struct track *t, str run_id, arena *keep, struct run_info *ret_info);
MUST_USE err track_run_count(struct track *t, const struct run_filter *filter, int64_t *ret_count);
MUST_USE err track_run_list(struct track *t, const struct run_filter *filter, arena *keep,
                            struct run_info **ret_infos, size_t *ret_count);
/* Writes {"params":{},"metrics":{latest},"tags":{},"inputs":[],"outputs":[]} members into an open
 * object. The latest point of a metric is the largest (step, time, value). */
MUST_USE err track_run_data_json(struct track *t, str run_id, struct json_out *out);
struct metric_point {
    double value;
    int64_t step, ts_ms;
};
/* By (time, step, value); points from since_ms on; limit 0 means 10,000, the most is 100,000. */
MUST_USE err track_metric_history(struct track *t, str run_id, str key, int64_t since_ms,
                                  size_t limit, arena *keep, struct metric_point **ret_points,
                                  size_t *ret_count);
/* A history of any length as a chart shows it: `limit` points at most, among them the first, the
 * last, and the lowest and highest of each part of the axis. All of them when there are no more. */
enum { REDUCED_POINTS_MIN = 4, REDUCED_POINTS_MAX = 10000 };
struct metric_reduction {
    size_t limit; /* REDUCED_POINTS_MIN to REDUCED_POINTS_MAX */
    bool by_time; /* the axis is time, in ms; else steps */
    bool has_range;
    int64_t from, to; /* on the axis, both included */
};
/* Rising along the axis. *ret_total: how many points there are in the range. */
MUST_USE err track_metric_reduce(struct track *t, str run_id, str key,
                                 const struct metric_reduction *how, arena *keep,
                                 struct metric_point **ret_points, size_t *ret_count,
                                 int64_t *ret_total);
struct artifact_info {
    str path;
    struct blob_id blob;
    int64_t bytes, created_ms;
};
MUST_USE err track_artifact_list(struct track *t, str run_id, arena *keep,
                                 struct artifact_info **ret_infos, size_t *ret_count);
MUST_USE err track_artifact_get(struct track *t, str run_id, str path, arena *keep,
                                struct artifact_info *ret_info);

/* ------------------------------------------------------------------ datasets */

/* The kind of datasets that clients log: a name and a digest, ready at once, without bytes. */
#define DATASET_KIND_CLIENT "mlflow"

/* JSON texts are "{}" when there is nothing, never empty. */
struct dataset_info {
    char id[UUID_BYTES];
    str name, version, kind; /* kind: "chess.positions" names the app code that reads it */
    str state;               /* building | ready | failed */
    str reason;              /* why it failed */
    str filter, split;       /* JSON, as asked for */
    str profile;             /* JSON {"schema":{"columns":[..]},"quality":{..},"stats":{..}} */
    str manifest;            /* JSON: files with digests, counts by split */
    struct blob_id blob;     /* the packed data; hex[0] == 0 while building */
    int64_t rows, bytes, created_ms, updated_ms;
    str run_id; /* the run that built it */
    str note;
    str tags; /* JSON object */
};

struct dataset_spec {
    str name, version; /* empty version: next number "1", "2", ... */
    const char *kind;
    str filter, split, note, tags; /* JSON or empty */
};
/* Registers a dataset in state building. ERR_CONFLICT when name and version exist, or existed. A
 * name has 1 to 128 bytes without @ / and quote. */
MUST_USE err dataset_create(struct track *t, const struct dataset_spec *spec, arena *keep,
                            struct dataset_info *ret_info);
MUST_USE err dataset_create_tx(struct track *t, struct store_tx *tx,
                               const struct dataset_spec *spec, arena *keep,
                               struct dataset_info *ret_info);
/* Logs and counts a new dataset. dataset_create does it itself; who used dataset_create_tx calls it
 * after the commit. */
void dataset_announce(struct track *t, const struct dataset_info *info);
struct dataset_result {
    struct blob_info blob; /* unpinned on success */
    int64_t rows;
    str profile, manifest;         /* JSON */
    const struct blob_id *parents; /* blobs that must stay as long as it does; not unpinned */
    size_t parent_count;
    str run_id;
    struct job *job; /* that builds it, and must still hold its lease; NULL: nobody's */
};
/* Makes it ready, in one transaction: nobody sees half of it. Also adds the edge run -> dataset.
 * Works on a failed one, too: a later try of the build. ERR_CONFLICT when it is ready already. */
MUST_USE err dataset_finish(struct track *t, str id, const struct dataset_result *result);
/* job: as in dataset_result. */
MUST_USE err dataset_fail(struct track *t, struct job *job, str id, str reason);
/* By id, by "name" or by "name@version". A name alone is its newest ready version; when none is
 * ready, its newest: look at .state. An id with another version means that version of the same
 * name. A deleted dataset is not found. */
MUST_USE err dataset_get(struct track *t, str id_or_name, str version, arena *keep,
                         struct dataset_info *ret_info);
/* The blobs that it was made from (dataset_result.parents); none while it is not ready. */
MUST_USE err dataset_parents(struct track *t, str id, arena *keep, struct blob_id **ret_blobs,
                             size_t *ret_count);
struct dataset_filter {
    str name, q, kind, state; /* q: part of the name, upper or lower case. Empty: any */
    const char *sort;         /* "size" "rows" "createdAt" (NULL), largest or newest first */
    bool newest_only;         /* one row a name: the newest of those that match */
    int64_t limit, offset;    /* limit 0: 100; at most 1001 rows come back */
};
MUST_USE err dataset_list(struct track *t, const struct dataset_filter *filter, arena *keep,
                          struct dataset_info **ret_infos, size_t *ret_count);
MUST_USE err dataset_count(struct track *t, int64_t *ret_names, int64_t *ret_versions);
MUST_USE err dataset_count_versions(struct track *t, str name, int64_t *ret_count);
/* Its blobs are left to collection, its row stays for lineage. ERR_CONFLICT while a registered
 * model needs it. */
MUST_USE err dataset_delete(struct track *t, str id);

/* ------------------------------------------------------------------ models */

struct model_version_info {
    char id[UUID_BYTES];
    str name;        /* registered model */
    int64_t version; /* 1, 2, ... */
    str kind;        /* "chess.policy": names the app code that loads it */
    str name_kind;   /* of the name: clients may add versions of theirs to a name of ours */
    str display_name;
    str tags;            /* JSON object, never empty, nor is metrics */
    str metrics;         /* JSON object: the evaluation numbers at registration */
    str aliases;         /* comma list: "prod,staging" */
    str source;          /* of a client's: where its files are */
    struct blob_id blob; /* hex[0] == 0 for those of clients, which only name their files */
    int64_t bytes, created_ms;
    str run_id, dataset_id;
};
struct model_spec {
    str name;
    const char *kind;
    str display_name, metrics, tags; /* or empty */
    struct blob_info blob;           /* unpinned on success */
    str run_id, dataset_id;
    struct job *job; /* that made it, and must still hold its lease; NULL: nobody's */
};
/* Adds the next version of `name` (and the name itself the first time), and the edge run -> model.
 * Numbers of deleted versions are not given again. ERR_CONFLICT when the name is of another kind,
 * ERR_NOT_FOUND when the dataset or the blob is not there. A name has 1 to 256 bytes without / : @
 * and quote. */
MUST_USE err model_register(struct track *t, const struct model_spec *spec, arena *keep,
                            struct model_version_info *ret_info);
/* version: a number, "v3", an alias like "prod", or "latest" or empty for the newest. */
MUST_USE err model_get(struct track *t, str name, str version, arena *keep,
                       struct model_version_info *ret_info);
struct model_filter {
    str name, kind;   /* empty: any, but no prompts of clients */
    bool newest_only; /* of each name: of the kind that is asked for */
    int64_t limit, offset;
};
MUST_USE err model_list(struct track *t, const struct model_filter *filter, arena *keep,
                        struct model_version_info **ret_infos, size_t *ret_count);
/* May an alias be called so? ERR_INVALID, in MLflow's words. */
MUST_USE err model_alias_check(str alias);
/* Points alias at a version and writes the ledger row (who, from, to, why) in the same transaction.
 * Where it points already: OK, and no row. */
MUST_USE err model_promote(struct track *t, str name, int64_t version, str alias, str username,
                           str reason);
MUST_USE err model_alias_remove(struct track *t, str name, str alias, str username, str reason);
/* The blob is left to collection, the row stays for lineage. ERR_CONFLICT while an alias points at
 * it. */
MUST_USE err model_delete(struct track *t, str name, int64_t version);
struct promotion {
    str name, alias, username, reason;
    int64_t from_version, to_version, at_ms; /* from 0: there was none; to 0: removed */
};
/* model_promote for an alias that says what serves for all models of a kind: others of the kind
 * lose it in the same transaction. ret_taken: from whom (name, from_version), in `keep`. */
MUST_USE err model_promote_alone(struct track *t, str kind, const struct promotion *move,
                                 arena *keep, struct promotion **ret_taken, size_t *ret_count);
/* The version of that kind that has the alias, whichever model it is of; of several (stores of
 * before model_promote_alone) the one that got it last. ERR_NOT_FOUND. */
MUST_USE err model_alias_holder(struct track *t, str kind, str alias, arena *keep,
                                struct model_version_info *ret_info);
/* The same for several moves in a transaction of the caller: all of them, or none. Sets
 * from_version. Call model_promoted for each after the commit: it logs and counts. */
MUST_USE err model_promote_tx(struct track *t, struct store_tx *tx, struct promotion *move);
void model_promoted(struct track *t, const struct promotion *move);

/* Heard (store_listen) by whoever serves, on all servers of the store, when an alias moved. */
#define MODEL_ALIAS_TOPIC "models.alias"

/* Where an alias points, and since when: `tenure` is the number of the ledger row that pointed it
 * there, so it grows with every move of any alias; 0 where the ledger knows of none. */
struct model_alias {
    str alias;
    int64_t version, tenure, since_ms;
    char version_id[UUID_BYTES];
};
/* All aliases of a name, by alias; none for a name that is not there. */
MUST_USE err model_aliases_read(struct track *t, str name, arena *keep,
                                struct model_alias **ret_aliases, size_t *ret_count);
MUST_USE err model_aliases_read_in(struct store_read *rd, str name, arena *keep,
                                   struct model_alias **ret_aliases, size_t *ret_count);
/* Newest first; limit 0: 100. */
MUST_USE err model_promotions(struct track *t, str name, int64_t limit, arena *keep,
                              struct promotion **ret_rows, size_t *ret_count);

/* ------------------------------------------------------------------ lineage */

/* Writes {"nodes":[{id,type,name,...}],"edges":[{from,to,run_id,context}],"truncated":false} around
 * one run, dataset or model version, as an object. Nodes are runs, datasets and models up to
 * `depth` edges away (1 to 10); deleted assets are there with their state. At most 500 nodes.
 * sources: what apps know of imports; ends with an empty one; NULL: nothing. */
struct lineage_sources {
    const char *of_dataset; /* SQL: 'run' beside each run that imported something of dataset ?1 */
    const char *of_run;     /* SQL: 'dataset' beside each dataset that has something of run ?1 */
};                          /* both give the newest first, ?2 at most */
MUST_USE err track_lineage_json(struct track *t, str id, int depth,
                                const struct lineage_sources *sources, struct json_out *out);

/* ------------------------------------------------------------------ history of our own metrics */

/* Keeps samples of every series for the built-in charts: taken every 15 s by one thread, 30 days.
 */
struct history;
MUST_USE err history_open(struct store *store, struct metrics *metrics,
                          struct history **ret_history);
/* Called at the start of every round of sampling, on its thread: for numbers that are read when
 * asked for, like CPU time. Before history_start. */
void history_refresh_with(struct history *h, void (*fn)(void *arg), void *arg);
MUST_USE err history_start(struct history *h, int64_t interval_ms, int64_t age_max_ms);
MUST_USE err history_sample_now(struct history *h);
/* Takes a last sample when it was started: store and metrics are still open. Accepts NULL. */
void history_close(struct history *h);
/* How many processes began to take samples since from_ms, the first one ever not counted. */
MUST_USE err history_restarts(struct history *h, int64_t from_ms, int64_t *ret_count);

enum history_function {
    HISTORY_VALUE, /* last value in each step */
    HISTORY_RATE,  /* increase per second, resets handled */
};
/* Sums all series of `name` whose labels contain every `label` text ('run_id="abc"'), per step. */
struct history_query {
    str name;
    const str *labels;
    size_t label_count;
    enum history_function function;
    int64_t from_ms, to_ms, step_ms;
};
MUST_USE err history_query(struct history *h, const struct history_query *query, arena *keep,
                           struct metric_point **ret_points, size_t *ret_count);
/* Quantile over the buckets of histogram `name` between two times; NAN when there was nothing. */
MUST_USE err history_quantile(struct history *h, str name, const str *labels, size_t label_count,
                              double q, int64_t from_ms, int64_t to_ms, double *ret_value);

/* A value and for how long it is known: it was sampled at from_ms, and was the same at every round
 * of sampling up to until_ms, every_ms apart. NAN: the series ended at from_ms. */
struct history_span {
    int64_t from_ms, until_ms, every_ms;
    double value;
};
/* Series for query languages, one by one, in no order. `each` gets the spans in order of time: the
 * one that holds at from_ms when there is one, then those that begin up to to_ms; all it gets is
 * borrowed for the call. Both functions run inside a read of the store: they may not write to it.
 */
struct history_selection {
    str name; /* empty: any */
    int64_t from_ms, to_ms;
    bool (*wants)(void *arg, str name, str labels); /* labels as metrics_each has them */
    err (*each)(void *arg, str name, str labels, const struct history_span *spans, size_t count);
    void *arg;
};
/* ERR_TOO_BIG when more than 8192 series are wanted. */
MUST_USE err history_select(struct history *h, const struct history_selection *selection);
/* Every series that is kept, with or without samples in some stretch of time. */
MUST_USE err history_series_each(struct history *h, err (*each)(void *arg, str name, str labels),
                                 void *arg);
/* When a process was there to take samples, as spans of the value 1. */
MUST_USE err history_uptime(struct history *h, int64_t from_ms, int64_t to_ms, arena *keep,
                            struct history_span **ret_spans, size_t *ret_count);

#endif
