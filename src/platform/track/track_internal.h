/* SPDX-License-Identifier: GPL-3.0-or-later */
/* track_internal.h -- what the files of this room share. Not for other rooms. */
#ifndef SKERRY_TRACK_INTERNAL_H
#define SKERRY_TRACK_INTERNAL_H

#include <pthread.h>

#include "base/list.h"
#include "base/map.h"
#include "base/thread.h"
#include "platform/track/run.h"
#include "platform/track/track.h"

enum {
    TRACK_LIST_DEFAULT = 100,
    TRACK_LIST_MAX = 1000,
    TRACK_NAME_BYTES_MAX = 128, /* of datasets */
    TRACK_MODEL_NAME_BYTES_MAX = 256,
    TRACK_ALIAS_BYTES_MAX = 255,  /* as MLflow */
    TRACK_KEY_BYTES_MAX = 250,    /* of params, metrics, tags; as MLflow */
    TRACK_PARAM_BYTES_MAX = 6000, /* as MLflow */
    TRACK_TAG_BYTES_MAX = 8000,   /* as MLflow */
    TRACK_PATH_BYTES_MAX = 1024,  /* of artifacts */
    TRACK_JSON_SMALL_MAX = 64 * 1024,
    TRACK_JSON_LARGE_MAX = 4 * 1024 * 1024, /* a manifest with the digests of 40,000 files */
    TRACK_WANTED_MAX = 128,                 /* runs whose data the flusher is asked to keep */
};

/* Rows of track_metrics[], in its order. */
enum track_metric {
    TRACK_M_RUNS,
    TRACK_M_RUN_SECONDS,
    TRACK_M_RUNS_ACTIVE,
    TRACK_M_RUN_METRIC,
    TRACK_M_ARTIFACT_BYTES,
    TRACK_M_DATASETS,
    TRACK_M_MODEL_VERSIONS,
    TRACK_M_PROMOTIONS,
    TRACK_M_FLUSH_ERRORS,
    TRACK_M_RUN_READS,
    TRACK_M_HISTORY_SAMPLES,
    TRACK_M_HISTORY_SERIES,
    TRACK_M_HISTORY_ERRORS,
};

struct track {
    struct store *store;
    struct blobs *blobs;
    struct log *log;
    struct metrics *metrics;
    struct outbox *outbox; /* may be NULL */
    void *ctx;

    /* The flusher writes what runs have buffered once a second, so that a stage that computes in
     * silence is still seen. */
    pthread_t flusher;
    bool flusher_started;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a run came, a flush ended, or stop */
    struct list runs;       /* guarded by lock: active runs, by run.link */
    uint64_t round;         /* guarded by lock: counts the flusher's wake-ups */
    bool stop;              /* guarded by lock */

    /* And it keeps the data of these (client_data.c). Guarded by lock. */
    char wanted[TRACK_WANTED_MAX][HEX_ID_BYTES];
    size_t wanted_count;
};

extern const char track_schema_inputs[], track_schema_logged_models[], track_schema_traces[],
    track_schema_files[], track_schema_search[], track_schema_retention[];

/* The cell of a family of track_metrics[]. */
struct metric_cell *track_cell(struct metrics *m, enum track_metric which, const str *labels,
                               size_t count);
#define TRACK_CELL(m, which, ...)                          \
    track_cell((m), (which), (const str[]){ __VA_ARGS__ }, \
               sizeof((const str[]){ __VA_ARGS__ }) / sizeof(str))

void track_runs_add(struct track *t, struct run *r);
/* Keeps the data of runs that have ended as texts, for those who read them next. */
MUST_USE err client_data_fill(struct track *t, const str *run_ids, size_t count);
/* Whoever changes a metric, param or tag of a client's run that may have ended does this, too. */
MUST_USE err client_data_forget(struct store_tx *tx, str run_id);
/* Returns once the flusher does not touch r any more. */
void track_runs_remove(struct track *t, struct run *r);

/* ------------------------------------------------------------------ checks */

/* 1..bytes_max bytes of UTF-8 without control characters and without any of `forbidden`. */
MUST_USE err track_check_name(const char *what, str name, size_t bytes_max, const char *forbidden);
/* Key of a param, metric or tag, by MLflow's rule. */
MUST_USE err track_check_key(const char *what, str key);
/* Empty, or one JSON document of at most bytes_max bytes. */
MUST_USE err track_check_json(const char *what, str json, size_t bytes_max);
/* Relative, no empty, "." or ".." part. */
MUST_USE err track_check_path(str path);

/* ------------------------------------------------------------------ SQL that depends on filters */

enum { TRACK_QUERY_ARGS_MAX = 16, TRACK_QUERY_BYTES_MAX = 8192 };

struct track_query {
    struct buf sql;
    struct store_value args[TRACK_QUERY_ARGS_MAX];
    size_t arg_count;
};

void track_query_init(struct track_query *q, const char *text);
void track_query_deinit(struct track_query *q);
void track_query_add(struct track_query *q, const char *text);
void track_query_arg(struct track_query *q, struct store_value value); /* appends ?N */
/* Appends " AND <before>?N<after>". */
void track_query_and(struct track_query *q, const char *before, struct store_value value,
                     const char *after);
/* Appends LIMIT and OFFSET; a limit of 0 is TRACK_LIST_DEFAULT, the most is TRACK_LIST_MAX + 1, so
 * that a caller can ask for one row more than it shows. */
void track_query_page(struct track_query *q, int64_t limit, int64_t offset);
MUST_USE err track_query_run(struct track_query *q, struct store_read *rd,
                             struct store_rows **ret_rows);
int64_t track_limit(int64_t limit);
/* "%part%" with the wildcards inside `part` escaped by '!', in lower case: for
 * "lower(x) LIKE ? ESCAPE '!'". */
MUST_USE err track_like_part(arena *keep, str part, str *ret_pattern);

/* ------------------------------------------------------------------ between files */

/* Above all that there are, and were. */
#define EXPERIMENT_NEXT_ID                                                \
    "SELECT COALESCE(MAX(n.experiment_id), 0) + 1 FROM"                   \
    " (SELECT MAX(experiment_id) AS experiment_id FROM experiments UNION" \
    " SELECT MAX(experiment_id) AS experiment_id FROM purged_experiments) n"

/* Gives the id of an experiment, making it when it is new. */
MUST_USE err track_experiment_need(struct store_tx *tx, str name, int64_t *ret_id);

/* One edge of lineage; again is fine. */
MUST_USE err track_edge_add(struct store_tx *tx, str run_id, const char *direction,
                            const char *kind, str asset_id, str context);

/* Comma list of the aliases of a model version. */
MUST_USE err model_aliases_text(struct store_read *rd, str name, int64_t version, arena *keep,
                                str *ret_text);

/* Takes all aliases of a version away, of all versions when it is 0; a row in the ledger for each.
 */
MUST_USE err model_aliases_drop_tx(struct track *t, struct store_tx *tx, str name, int64_t version,
                                   str username, str reason, arena *scratch);

/* ------------------------------------------------------------------ a run */

enum {
    RUN_POINTS_MAX = 1000, /* metric points waiting; MLflow's batch has the same size */
    RUN_TEXTS_MAX = 100,   /* params and tags waiting */
    RUN_TEXT_BYTES_MAX = 2 * 1024 * 1024,
    RUN_METRIC_KEYS_MAX = 1000,
    RUN_PARAM_KEYS_MAX = 2000,
    RUN_LIVE_KEYS_MAX = 64, /* metric keys of a run shown as skerry_run_metric */
    RUN_FLUSH_MS = 1000,
    RUN_RESULT_BYTES_MAX = 64 * 1024,
};
#define RUN_ARENA_BYTES_MAX (256u * 1024u * 1024u)

struct run_text {
    bool is_tag;
    str key, value; /* in the batch's arena */
};

struct run_point {
    uint32_t series; /* index into run.series */
    bool is_nan;
    int64_t ts_ms, step;
    double value;
};

struct run_series {
    str key;                  /* in the run's arena */
    int64_t metric_id;        /* 0: not known yet. Touched by whoever flushes. */
    struct metric_cell *live; /* NULL beyond RUN_LIVE_KEYS_MAX */
};

struct run_batch {
    arena memory;
    struct run_text texts[RUN_TEXTS_MAX];
    size_t text_count;
    struct run_point points[RUN_POINTS_MAX];
    size_t point_count;
    bool labels_changed;
    str dataset_id, model_id;
};

struct run {
    struct track *track;
    struct job *job;
    char id[HEX_ID_BYTES];
    char username[128], component[64];
    arena memory;
    struct log_labels labels;
    int64_t started_ns;
    struct log_span span; /* of this try: the parent of what the stage begins */
    int attempt;

    struct map params;         /* key -> str * with the value; the stage's thread only */
    struct map metrics;        /* key -> index into series; the stage's thread only */
    struct run_series *series; /* RUN_METRIC_KEYS_MAX of them once there is one */
    size_t series_count;

    pthread_mutex_t lock;
    pthread_cond_t flushed;
    /* Guarded by lock. While `flushing`, `outgoing` belongs to the thread that flushes. */
    struct run_batch *filling, *outgoing;
    bool flushing;
    err conflict; /* a param that another writer has set differently: the run cannot finish well */

    /* Guarded by track->lock. */
    struct list_link link;
    bool held;      /* the flusher is at work on it */
    uint64_t round; /* the flusher's wake-up that has seen it */
};

MUST_USE err run_batch_new(struct run_batch **ret_batch);
void run_batch_free(struct run_batch *b); /* accepts NULL */
/* Queue one thing, flushing first when the batch is full. */
MUST_USE err run_queue_text(struct run *r, bool is_tag, str key, str value);
MUST_USE err run_queue_point(struct run *r, const struct run_point *point);
void run_queue_labels(struct run *r);

/* ------------------------------------------------------------------ events.c */

/* Tell the outbox, in the transaction of what they tell of. Do nothing when nobody takes events. */
MUST_USE err track_tell_run(struct track *t, struct store_tx *tx, const char *type, str run_id);
MUST_USE err track_tell_version(struct track *t, struct store_tx *tx, const struct model_spec *spec,
                                str id, int64_t version);
MUST_USE err track_tell_promotion(struct track *t, struct store_tx *tx, const struct promotion *p);
/* What clients did to a name, or to a version of it. Empty what does not apply. */
struct model_news {
    const char *type; /* "model.registered", "model.changed", "model.renamed", "model.deleted" */
    str name, id;     /* id: of the version; empty: the name is meant */
    int64_t version;
    const char *what; /* changed: "description", "tag" or "stage" */
    str key;          /* of the tag */
    str from;         /* renamed: the name before */
    str run_id, source;
};
MUST_USE err track_tell_model(struct track *t, struct store_tx *tx, const struct model_news *n);
/* "logged_model.finished", "logged_model.changed", "logged_model.deleted". */
MUST_USE err track_tell_logged(struct track *t, struct store_tx *tx, const char *type,
                               str model_id);

#endif
