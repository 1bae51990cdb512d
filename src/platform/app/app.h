/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.h -- an app is one const table; the house is what apps stand in.
 *
 * Everything that can be named sits in the table, so nothing else has to be told about it: the
 * router, `skerry help`, /openapi.json, /metrics, migrations, schedules, the permission page and
 * the gate all read it. A new app is its folder plus one word in meson.build.
 */
#ifndef SKERRY_APP_H
#define SKERRY_APP_H

#include "base/thread.h"
#include "platform/auth/auth.h"
#include "platform/blobs/blobs.h"
#include "platform/http/http.h"
#include "platform/jobs/jobs.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/outbox/outbox.h"
#include "platform/store/store.h"
#include "platform/track/run.h"
#include "platform/track/track.h"

struct house;
struct app;
struct scoring; /* platform/scoring/scoring.h */
struct serving; /* platform/serving/serving.h */
struct serving_family;
struct score_batch; /* platform/scoring/batch.h */
struct prediction;

/* ------------------------------------------------------------------ settings */

enum setting_type {
    SETTING_UNSET,
    SETTING_STR,
    SETTING_INT,
    SETTING_REAL,
    SETTING_BOOL,
    SETTING_BYTES
};

/* From the environment, else from $SKERRY_HOME/.env or ./.env, else the default. */
struct setting {
    const char *name; /* "API_PORT"; NULL ends a table */
    enum setting_type type;
    const char *fallback; /* default, as text */
    const char *help;
    double min, max; /* of a number; both 0: any */
    bool is_secret;  /* shown as "(set)" */
};
str setting_str(const struct house *h, const char *name); /* asserts that the name is declared */
int64_t setting_int(const struct house *h, const char *name); /* INT, BYTES ("64M") and BOOL */
double setting_real(const struct house *h, const char *name);
bool setting_bool(const struct house *h, const char *name);

/* ------------------------------------------------------------------ kinds of assets */

/* How an app's datasets are built and read: behind the generic /v1/datasets routes. */
struct dataset_kind {
    const char *name;          /* "chess.positions"; NULL ends a table */
    const char *build_job;     /* job kind that builds one; payload {"datasetId":...} */
    const char *filter_schema; /* JSON Schema of filter's properties */
    const char *split_schema;  /* the same of split's */
    /* Checks a filter and split before anything is registered. */
    err (*check)(struct house *h, const struct json *filter, const struct json *split);
    /* Writes `limit` rows from row `cursor` on, as JSON objects into an open array. */
    err (*sample)(struct house *h, const struct dataset_info *info, int64_t cursor, int64_t limit,
                  struct json_out *out);
    /* Writes the imports that it was made from, newest first, as objects with at, user, note and
     * version into an open array. May be NULL: then nothing is known of them. */
    err (*history)(struct house *h, const struct dataset_info *info, struct json_out *out);
    struct lineage_sources sources; /* queries for the same; may be empty */
    const char *first_step;         /* said where there is nothing to build from yet; may be NULL */
    const char *formats;            /* "pgn csv ndjson" */
    /* Starts a streamed export. */
    err (*export_open)(struct house *h, const struct dataset_info *info, str format, str split,
                       struct http_stream *ret_stream, const char **ret_content_type);
};

/* How an app's models are trained, loaded and served: behind /v1/trainings, /v1/models,
 * /v1/evaluations. */
struct model_kind {
    const char *name;          /* "chess.policy"; NULL ends a table */
    const char *dataset_kind;  /* what it is trained on */
    const char *train_job;     /* payload {"datasetId","model","params":{...}} */
    const char *evaluate_job;  /* payload {"candidate":"name@3","baseline":"name@2" or
                                  null,"suite","datasetId","params":{...}} */
    const char *train_route;   /* where trainings are asked for; NULL: POST /v1/trainings, with a
                                  dataset */
    const char *params_schema; /* JSON Schema of params' properties, with defaults */
    /* Checks the params of a training before anything is queued. */
    err (*check)(struct house *h, const struct json *params);
    const char *suites; /* evaluations it can do: "topk accuracy ..." */
    /* JSON Schema of what else an evaluation takes; "suites" in a property lists those that take
     * it, if not all do. "datasetId" is among them where rows may be chosen. NULL: nothing. */
    const char *evaluate_schema;
    /* Where two versions are let play against each other, and JSON Schema of what else that takes;
     * NULL: nowhere. The versions are modelId and baselineId, as "name@3". */
    const char *match_route, *match_schema;
    /* Checks the body of an evaluation before anything is queued; may be NULL. */
    err (*evaluate_check)(struct house *h, const struct json *params);
    /* Loads a version and makes it the one that serves, atomically: requests in flight finish on
     * the old one. alias "prod" is what unqualified predictions use. house_family_load for kinds
     * whose versions serve in a family. */
    err (*load)(struct house *h, const struct model_version_info *info, str alias);
    /* Writes what is being served as JSON objects into an open array: modelId, modelVersion,
     * loadedAt. NULL for kinds whose versions serve in a family. */
    err (*loaded)(struct house *h, struct json_out *out);
    /* Answers POST /v1/models/{id}/{ref}/invocations for a version; the answer lives in `keep`. May
     * be NULL. */
    err (*score)(struct house *h, const struct model_version_info *info,
                 const struct score_batch *in, arena *keep, struct prediction *ret_prediction);
    const char *score_inputs; /* its columns, as JSON: [{"name":...,"type":...}] */
};

/* ------------------------------------------------------------------ command line */

struct verb_args {
    int count;
    char **values; /* what follows the verb, options included */
    bool json;     /* --json was given (and removed) */
};
struct verb {
    const char *name;  /* "import"; NULL ends a table */
    const char *usage; /* "skerry chess import FILE... [--dataset NAME]" */
    const char *help;  /* what it does, in a paragraph, with examples, each a line of its own */
    err (*run)(struct house *h, const struct verb_args *args);
    bool takes_nothing;  /* but --json: other words are refused before it runs */
    bool needs_no_house; /* runs without store and settings (h is NULL) */
    bool needs_app_name; /* "skerry APP VERB" or "skerry VERB APP": never the verb alone */
};

/* ------------------------------------------------------------------ the table */

/* A line of `skerry doctor`. */
struct finding {
    const char *what;
    char state[ERR_MSG_BYTES];
    bool is_good;
    const char *next_step; /* shown when it is not good */
};

/* A page of the web UI. It is in the menu when the UI has one of that path, too (web/README.md). */
struct page {
    const char *path, *title; /* "/ui/runs", "Runs"; NULL ends a table */
};

/* A child process of ours: `skerry --role=NAME ...` calls run and ends with its exit code. No
 * house. */
struct role {
    const char *name; /* NULL ends a table */
    int (*run)(int argc, char **argv);
};

struct app {
    const char *name, *title, *summary;
    const struct setting *settings;
    const struct store_migration *migrations;
    const struct route *routes;
    const char *const *prefixes; /* of its routes, beside "/v1/"; NULL-ended. May be NULL */
    const struct http_error_shape *error_shapes; /* for prefixes of its own; may be NULL */
    const struct job_kind *jobs;
    const struct job_schedule *schedules;
    const struct metric_family *metrics;
    const struct dataset_kind *dataset_kinds;
    const struct model_kind *model_kinds;
    const struct serving_family *families; /* of models that answer for it */
    const struct verb *verbs;
    const struct page *pages;
    const struct role *roles;
    size_t state_bytes;                         /* zeroed memory for app_state() */
    err (*start)(struct house *h, void *state); /* after migrations, before routes and workers */
    void (*stop)(struct house *h,
                 void *state); /* also after a failed start; accepts half-built state */
    /* Brings what is kept in memory to what the store says now: an alias moved, perhaps on another
     * machine. Called in one thread, also when nothing changed. May be NULL. */
    err (*follow)(struct house *h, void *state);
    /* Brings gauges up to date that are computed when somebody asks. May be NULL. */
    err (*refresh)(struct house *h, void *state);
    /* Blobs that its own tables refer to; arg is a struct house *, of which only house_store may be
     * used: a backup is asked, too. */
    blob_roots_fn roots;
    /* Adds members to the STATUS block: open object. May be NULL. */
    err (*status)(struct house *h, struct json_out *out);
    /* Adds at most `max` findings for `skerry doctor`; returns how many. May be NULL. */
    size_t (*examine)(struct house *h, struct finding *ret_findings, size_t max);
};

/* Every app in the build, NULL-ended, platform's own table ("core") first. Written by meson. */
extern const struct app *const app_registry[];
extern const struct app app_core;

/* All tables are well-formed: names unique and well-shaped, access stated, help present, migrations
 * without gaps, job kinds and metrics that are referred to exist. Run at start and as a unit test.
 */
MUST_USE err app_check_all(const struct app *const *apps);

/* ------------------------------------------------------------------ the house */

enum house_mode {
    HOUSE_SERVE, /* everything */
    HOUSE_VERB,  /* no HTTP; jobs run in the calling thread */
    HOUSE_WORK,  /* job workers for a store and blobs that several machines share */
};

struct house_options {
    enum house_mode mode;
    const char *home;              /* NULL: SKERRY_HOME, else ~/.skerry */
    const struct app *const *apps; /* NULL: app_registry */
    bool quiet;
    bool may_be_moved; /* open an installation that moved away all the same */
};

/* Opens everything in order: settings, home lock, log, metrics, store, migrations, blobs, tracking,
 * jobs, auth, apps. A failure undoes what was opened. ERR_CONFLICT with pid and port when another
 * process has this home. */
MUST_USE err house_open(const struct house_options *options, struct house **ret_house);
/* HTTP, workers, schedules, sampler. */
MUST_USE err house_serve(struct house *h);
/* Workers, and health and metrics over HTTP when SKERRY_WORK_PORT is set. */
MUST_USE err house_work(struct house *h);
void house_close(struct house *h);

const char *house_home(const struct house *h);
struct store *house_store(const struct house *h);
struct blobs *house_blobs(const struct house *h);
struct log *house_log(const struct house *h);
struct metrics *house_metrics(const struct house *h);
struct jobs *house_jobs(const struct house *h);
struct track *house_track(const struct house *h);
struct history *house_history(const struct house *h);
struct scoring *house_scoring(const struct house *h); /* clients' models */
struct serving *house_serving(const struct house *h); /* families of all apps */
struct outbox *house_outbox(const struct house *h);   /* for outbox_put; never NULL */
struct auth *house_auth(const struct house *h);
struct pool *house_compute(const struct house *h);     /* one thread a core */
struct http_server *house_http(const struct house *h); /* NULL in a verb, or without a port */
int64_t house_started_ms(const struct house *h);
void *app_state(const struct house *h, const struct app *app);
const struct app *const *house_apps(const struct house *h);

/* From a handler or a stage. */
static inline struct house *rq_house(const struct http_request *rq)
{
    return (struct house *)http_ctx(rq);
}
static inline struct house *run_house(const struct run *r)
{
    return (struct house *)run_ctx(r);
}

const struct dataset_kind *house_dataset_kind(const struct house *h,
                                              str name); /* empty: the first */
const struct model_kind *house_model_kind(const struct house *h, str name);

/* Answers with the bytes of a blob: as a stream, with its digest as ETag and with ranges. A blob
 * that turns out damaged at its end is a broken transfer. ERR_NOT_FOUND. */
MUST_USE err house_send_blob(struct house *h, struct http_reply *rp, const struct blob_id *id,
                             const char *content_type);

/* Collects blobs that nobody refers to; logs what it did. Young ones stay, as far as another
 * process of this machine could be about to refer to them. */
MUST_USE err house_collect(struct house *h, struct blob_gc_report *ret_report);

/* ERR_NO_SPACE, with what to do, when the disk budget (SKERRY_DISK_BUDGET) or the free space that
 * must stay (SKERRY_DISK_FREE_MIN) does not allow `bytes` more. Uploads and jobs are asked about
 * already. Memory only, and one question to the kernel. Bytes so allowed count as used. */
MUST_USE err house_room_need(struct house *h, int64_t bytes);

/* The STATUS block of seed 000 as text, what `skerry status` prints and GET /v1/status carries. */
MUST_USE err house_status_text(struct house *h, arena *keep, struct buf *out);
MUST_USE err house_status_json(struct house *h, arena *keep, struct json_out *out);

/* Moves an alias to a version and makes it serve; puts the alias back when it cannot be loaded. A
 * model of clients has only its alias moved. */
MUST_USE err house_promote(struct house *h, str name, str version, str alias, str username,
                           str reason, arena *keep, struct model_version_info *ret_info);

/* For struct model_kind.load of a kind whose versions serve in a family: loads what the alias,
 * which was just moved, points at. Aliases are those of serving.h. */
MUST_USE err house_family_load(struct house *h, const struct model_version_info *info, str alias);

/* /openapi.json, from the tables. */
MUST_USE err openapi_write(const struct app *const *apps, struct buf *out);

/* Adds a job and, when it is new, its run in state SCHEDULED, so that a run id that is given out
 * exists at once. spec->run_id must be set. Call jobs_wake after the commit. */
MUST_USE err app_add_job_tx(struct house *h, struct store_tx *tx, const struct job_spec *spec,
                            char ret_id[UUID_BYTES], bool *ret_is_new);

/* A run id as users write it: dashes and a prefix like "ing_" are taken off. ERR_NOT_FOUND when it
 * cannot be the id of a run. */
MUST_USE err app_run_id_parse(str text, char ret_id[HEX_ID_BYTES]);

/* Adds a job for the one who asks, with a run id made here and known at once. When an unfinished
 * job with the same key exists, its ids are given. */
MUST_USE err app_queue_job(struct http_request *rq, const struct job_spec *spec,
                           char ret_run_id[HEX_ID_BYTES], char ret_job_id[UUID_BYTES]);

/* The same, and answers `status` with {"runId","jobId","status":"queued"} and Location
 * <location_prefix><runId>: what every route that starts work does. */
MUST_USE err app_start_job(struct http_request *rq, struct http_reply *rp,
                           const struct job_spec *spec, int status, const char *location_prefix);

/* For verbs: adds the job, runs it here with a progress bar and ETA (plain lines when stderr is not
 * a terminal), prints the result as text lines or JSON. */
MUST_USE err app_run_job(struct house *h, const struct job_spec *spec, bool json, arena *keep,
                         struct job_info *ret_info);
/* The same for a job that was added already, and may have ended. */
MUST_USE err app_finish_job(struct house *h, const char *id, bool json, arena *keep,
                            struct job_info *ret_info);

#endif
