/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_private.h -- what the files of this room share about the house. */
#ifndef SKERRY_APP_HOUSE_PRIVATE_H
#define SKERRY_APP_HOUSE_PRIVATE_H

#include <stdatomic.h>

#include "platform/app/app.h"
#include "platform/app/settings.h"
#include "platform/move/move.h"
#include "platform/move/notes.h"

enum { HOUSE_APPS_MAX = 32, HOUSE_ROUTES_MAX = 1024, HOUSE_STATUS_COUNT = 21 };

/* How often a route may write its request line to the log; beyond, lines are counted and the next
 * one says how many there were. 20 a second: a person can follow, and 30,000 requests/s cost
 * nothing. */
enum { REQUEST_LINES_PER_S = 20 };

struct route_watch {
    const struct route *route;
    _Atomic int64_t second; /* the second that `lines` counts */
    _Atomic int lines;
    _Atomic int64_t suppressed;          /* since the last line written */
    bool is_registry;                    /* counted as chs_model_registry_requests_total, too */
    struct metric_cell *_Atomic seconds; /* duration histogram, made when first needed */
    /* By status (its place in house_statuses) and user kind, made when first needed, too. */
    struct metric_cell *_Atomic requests[HOUSE_STATUS_COUNT][2];
};

/* house_room.c: bytes on the disk, as they were last measured. */
struct house_room {
    pthread_mutex_t lock;     /* held by whoever measures */
    int64_t next_ns;          /* guarded by lock: monotonic, not measured before */
    int64_t hurried_ms;       /* guarded by lock: when a gc was last brought forward */
    int64_t budget, free_min; /* 0: none */
    _Atomic int64_t used;     /* what counts, and what was stored since it was counted */
    _Atomic int64_t coming;   /* of uploads under way, as their clients said */
    _Atomic int64_t free;     /* on the disk of the data folder */
    atomic_bool is_near;      /* near the budget, or near the end of the disk: was said */
};

/* house_follow.c: what other processes changed. */
struct house_follow {
    pthread_rwlock_t promoting; /* read: by who promotes here; write: by who follows others */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping, is_moved; /* guarded by lock */
    bool is_started;
};

struct house {
    enum house_mode mode;
    const struct app *const *apps;
    size_t app_count;
    arena keep; /* the server's lifetime */
    char *home;
    int lock_fd; /* serve.lock of a server, verbs.lock of a verb; -1: none */
    int64_t started_ms;
    struct settings settings;

    struct log *log;
    struct metrics *metrics;
    struct store *store;
    struct blobs *blobs;
    struct track *track;
    struct outbox *outbox;
    struct auth *auth;
    struct jobs *jobs;
    struct history *history;
    struct scoring *scoring;
    struct serving *serving;
    struct pool *compute;
    struct http_server *http;

    void *states[HOUSE_APPS_MAX];
    bool started[HOUSE_APPS_MAX]; /* start() was called, so stop() must be */

    struct house_room room;
    struct house_follow follow;

    struct route_watch watches[HOUSE_ROUTES_MAX];
    size_t watch_count;
    size_t route_counts[HOUSE_APPS_MAX]; /* rows of each app's table of routes */
    struct route_watch unknown; /* requests that match no route: their log lines are limited, too */
};

/* house_hooks.c: what happens around requests and jobs. */
err house_watch_routes(struct house *h);
err house_authorise(void *ctx, struct http_request *rq, enum access needed);
void house_request_finished(void *ctx, const struct http_request *rq, int status,
                            int64_t duration_ns, int64_t bytes_out, const err *e);
err house_execute_job(void *arg, struct job *job, const struct job_kind *kind);
/* Brings the metrics up to date that are read when asked for. The argument is struct house *. */
void house_refresh_metrics(void *house);
extern const struct metric_family house_metrics_table[];

err house_find_home(struct house *h, const char *given); /* house.c */

/* house_follow.c: init and deinit are the process's, start and stop of who serves or works. */
void house_follow_init(struct house *h);
err house_follow_start(struct house *h);
void house_follow_stop(struct house *h);
void house_follow_deinit(struct house *h);

/* house_bare.c: an installation's store and blobs, and nothing else of it. */
struct house_bare {
    const char *home;       /* NULL: SKERRY_HOME, else ~/.skerry */
    const char *env_file;   /* settings that come before all others; NULL: none */
    const char *db, *blobs; /* instead of SKERRY_DB and SKERRY_BLOBS; NULL: as set */
    bool without_store, without_blobs;
};
err house_open_bare(const struct house_bare *options, struct house **ret_house);
/* Where they are, also when nothing is set; may hold a password. */
err house_store_url(struct house *h, const char **ret_url);
err house_blobs_url(struct house *h, const char **ret_url);
/* Migrations of every room and app; owner NULL ends the list. */
err house_schemas(const struct house *h, arena *keep, const struct move_schema **ret_schemas);
/* house_blobs.c: where backups are: a folder, or "s3://bucket/prefix" with SKERRY_BACKUP_S3_*. */
struct house_backup {
    struct backup_place place;
    int lock_fd;             /* -1: none */
    struct store_lock *lock; /* NULL: none */
};
bool house_backup_is_s3(str where);
/* ERR_INVALID for an S3 address that is none, or holds keys: they are not repeated. */
err house_backup_check(str where);
/* `where` lives as long as it is open. is_locked: nobody else makes or verifies one in S3 meanwhile
 * (a folder has a lock of its own); h->store is needed for that. */
err house_backup_open(struct house *h, const char *where, bool is_locked, struct house_backup *ret);
void house_backup_close(struct house_backup *b);
/* What the rows of h->store name; h may be bare. */
err house_roots(void *house, blob_mark_fn mark, void *mark_arg);
/* house_self.c: what this process tells the others about itself. */
err house_self(struct house *h, struct worker_self *ret_self);
/* Names the data folder, in a file there and not in the store: a restored store goes on with the
 * files of its new folder from their beginning. */
err house_place(struct house *h, const char **ret_place);
/* ERR_INVALID, with what to set, unless store and blobs can be shared with other machines. */
err house_must_share(struct house *h);

/* house_blobs.c: the store of blobs that SKERRY_BLOBS and SKERRY_S3_* name. */
err house_open_blobs(struct house *h);

/* house_outbox.c: the destinations that SKERRY_LOKI_*, SKERRY_OTLP_* and SKERRY_KAFKA_* name. */
err house_open_outbox(struct house *h);

/* house_collect.c: what nobody refers to goes. Verbs hold verbs.lock; -1: without it. */
int house_lock_verbs(const struct house *h);
err house_collect_at_start(struct house *h);
/* For how long a blob is spared because another process may be about to refer to it. */
void house_collect_options(struct house *h, struct blob_gc_options *ret_options);

/* house_room.c: the budget of the disk. */
enum house_room_state { ROOM_OK, ROOM_NEAR, ROOM_FULL };
void house_room_open(struct house *h);
void house_room_close(struct house *h);
/* Measures, unless that was done a moment ago and it need not be now; sets the gauges, says once
 * when it gets tight, and brings a gc forward. */
err house_room_measure(struct house *h, bool is_now);
/* For the HTTP hooks; see house_room_need. */
err house_room_admit(void *house, int64_t bytes);
void house_room_released(void *house, int64_t bytes);
enum house_room_state house_room_state(const struct house *h);
const char *house_room_state_name(enum house_room_state state);
/* What `skerry doctor` says. */
void house_room_examine(struct house *h, struct finding *ret_finding);
/* The member "disk" of STATUS, into an open object: as measured last, and why not now. */
void house_room_json(struct house *h, const err *measured, struct json_out *w);
extern const struct metric_family house_room_metrics[];

/* house_settle.c: what a job leaves open when it ends without its stage. */
void house_job_observed(void *arg, const struct job_info *info, const char *event);
err house_settle_datasets(struct house *h); /* at start */

#endif
