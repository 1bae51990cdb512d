/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jobs.h -- durable jobs: rows in the store, taken under a lease, run at least once.
 *
 *   queued -> running -> succeeded
 *                     -> queued again (failed with tries left: after a backoff; lease expired: now)
 *                     -> failed (dead letter: kept, can be replayed)
 *                     -> stopped (somebody asked) | paused (somebody asked; resume queues it again)
 *   waiting (for other jobs) -> queued
 *
 * A worker owns a job while its lease lasts and renews it; when the process dies, the lease runs
 * out (or is dropped by the next process that opens the store on the same machine) and the job is
 * queued again with its cursor. A cursor is the job's own JSON note on how far it is; saving it in
 * the transaction that stores the work makes the effects exactly-once. A worker whose lease was
 * taken gets ERR_CONFLICT from every job call. Every state change is a row in job_events, a metric
 * and a log line (through the observer hook).
 */
#ifndef SKERRY_JOBS_H
#define SKERRY_JOBS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/rand.h"
#include "base/str.h"
#include "platform/blobs/blobs.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/store/store.h"

struct jobs;
struct job; /* a job that this worker runs now */
struct run; /* platform/track/run.h: what the work sees */

enum job_state {
    JOB_WAITING,
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_PAUSED,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_STOPPED
};
const char *job_state_name(enum job_state state); /* "queued" */

enum { JOB_PAYLOAD_MAX = 64 * 1024, JOB_CURSOR_MAX = 64 * 1024, JOB_PENDING_MAX = 10000 };

/* What can be done: a const table row of an app. */
struct job_kind {
    const char *name;      /* "chess.import"; NULL ends a table */
    const char *help;      /* one sentence */
    const char *component; /* label for logs and metrics: ingest, dataset, training, ... */
    err (*run)(struct run *run, const struct json *payload);
    int timeout_s;      /* of one try; 0 means 24 h */
    int tries_max;      /* 0 means 3 */
    int concurrent_max; /* running at once in this process; 0 means no own limit */
    int memory_mib;     /* of the machine; a worker that has less leaves it; 0: any */
    bool needs_gpu;     /* left to workers that have one */
    bool stays_home;    /* reads a server's data folder: `skerry work` takes it only when told to */
    const char *payload_schema; /* JSON Schema of the payload's properties, for OpenAPI and help */
    const char *example;  /* payload for the gate, or NULL when the gate gets there by a route */
    const char *metric;   /* metric family that a run of this kind moves */
    const char *event;    /* log event that a run of this kind emits */
    const char *artifact; /* artifact path that a run of this kind leaves, or NULL */
};

struct job_spec {
    const char *kind;
    str payload;  /* JSON object, copied */
    str key;      /* unique among unfinished jobs of the kind: adding again gives the same job */
    int priority; /* higher first; low -10, normal 0, high 10 */
    int64_t not_before_ms;    /* wall time; 0: now */
    const char *const *needs; /* ids of jobs that must succeed first, NULL-ended; may be NULL */
    str username;
    str schedule; /* name of the schedule that made it, or empty */
    str run_id;   /* 32 hex digits chosen beforehand, for a reply to name; empty: made here */
    bool is_here; /* needs a file of this machine: only processes of this data folder take it */
};

struct job_info {
    char id[UUID_BYTES];
    char kind[64];
    enum job_state state;
    int priority, attempts, tries_max;
    bool pause_wanted, stop_wanted;
    str payload, cursor, result, error, key, username, run_id;
    int64_t created_ms, started_ms, finished_ms, next_try_ms, lease_until_ms;
    int64_t done, total; /* progress in units of the job's own */
    double eta_s;        /* negative: unknown */
    str error_code;      /* err_code_name of `error`: "io"; empty without one */
    str place;           /* the data folder whose processes alone take it; empty: any */
};

/* ------------------------------------------------------------------ life cycle */

/* Registered by the owner of options.metrics, before jobs_open. */
extern const struct metric_family jobs_metrics[];
extern const struct store_migration jobs_migrations[]; /* of the owner "jobs" */

/* What a process says about itself to the others. Texts may be NULL: unknown, and everything is
 * taken. */
struct worker_self {
    const char *name; /* by which people call it; NULL: `worker` of the options */
    const char *role; /* "serve" or "work" */
    const char *version;
    const char *place; /* names the data folder: processes of one have the same */
    const char *takes; /* kinds, by name or like "chess.*", separated by commas; NULL: all */
    int cores;
    int64_t memory_bytes; /* 0: unknown */
    const char *gpu;      /* "2 x NVIDIA H200"; "": none */
};

struct jobs_options {
    struct store *store;
    struct metrics *metrics; /* may be NULL */
    struct log *log;         /* a line for each change of state; may be NULL */
    const char *worker;      /* names this process in leases: "host:pid" (see process.c) */
    struct worker_self self;
    int64_t lease_ms; /* 0 means 30 s */
    /* No other process ever works on this store: all leases are dropped at start, and nobody looks
     * for news from others. False: only leases of dead processes of this machine are dropped;
     * others run out; and the store is looked at once a second. */
    bool sole_worker;
    /* Runs one job: makes the run, calls kind->run, closes the run. Set by platform/app. Its error
     * decides: OK succeeded; ERR_CANCELLED stopped or paused, as was wanted; other codes: retry for
     * BUSY, TIMEOUT, UPSTREAM, IO, NO_SPACE, NO_MEMORY, CONFLICT; no retry for the rest. */
    err (*execute)(void *arg, struct job *job, const struct job_kind *kind);
    void (*observe)(void *arg, const struct job_info *info, const char *event); /* state changes */
    void *arg;
    /* Where processes leave a note when they crash, so that a death by kill -9 or by a restart of
     * the machine is not held against the job as much as a crash. NULL: every death is a crash.
     * Installs handlers of fatal signals for this process. */
    const char *crash_folder;
    int64_t retry_base_ms; /* delay after the first failure, doubled by each; 0 means 1 s */
    int64_t pending_max;   /* waiting and queued jobs of one kind; 0 means JOB_PENDING_MAX */
};

MUST_USE err jobs_open(const struct jobs_options *options, const struct job_kind *const *tables,
                       size_t table_count, struct jobs **ret_jobs); /* migrates its tables */
/* Starts worker threads and the scheduler (leases, retries, schedules, timeouts). */
MUST_USE err jobs_start(struct jobs *j, int workers);
/* Takes no new job from here on (or again, with false); what runs goes on. */
void jobs_drain(struct jobs *j, bool is_wanted);
bool jobs_is_draining(const struct jobs *j); /* jobs_drain, or somebody's worker_drain */
size_t jobs_running_count(struct jobs *j);
/* Asks running jobs to stop (they go back to queued, with their cursor), waits, closes. A job that
 * does not answer within drain_ms is named in the log and waited for: memory that it uses cannot be
 * taken away. Killing the process is then safe. Accepts NULL. */
void jobs_close(struct jobs *j, int64_t drain_ms);

const struct job_kind *jobs_kind(const struct jobs *j, str name); /* NULL if unknown */

/* ------------------------------------------------------------------ for who wants work done */

/* Durable when this returns. ERR_BUSY when JOB_PENDING_MAX of the kind are waiting, ERR_INVALID for
 * an unknown kind. *ret_is_new is false when an unfinished job with that key existed. */
MUST_USE err job_add(struct jobs *j, const struct job_spec *spec, char ret_id[UUID_BYTES],
                     bool *ret_is_new);
/* The same inside a transaction of the caller; call jobs_wake after the commit. */
MUST_USE err job_add_tx(struct jobs *j, struct store_tx *tx, const struct job_spec *spec,
                        char ret_id[UUID_BYTES], bool *ret_is_new);
void jobs_wake(struct jobs *j);

MUST_USE err job_get(struct jobs *j, str id, arena *keep, struct job_info *ret_info);
MUST_USE err job_get_by_run(struct jobs *j, str run_id, arena *keep, struct job_info *ret_info);
struct job_filter {
    str kind, state, username; /* empty: any. state "active": waiting, queued, running, paused */
    int64_t limit, offset;
};
MUST_USE err job_list(struct jobs *j, const struct job_filter *filter, arena *keep,
                      struct job_info **ret_infos, size_t *ret_count);
MUST_USE err job_stop(struct jobs *j, str id); /* ERR_CONFLICT when already finished */
MUST_USE err job_pause(struct jobs *j, str id);
MUST_USE err job_resume(struct jobs *j, str id); /* of a paused one */
MUST_USE err job_replay(struct jobs *j, str id); /* of a failed or stopped one: tries from 0 */
/* Waits until the job is finished or paused, or timeout_ms passed (ERR_TIMEOUT). */
MUST_USE err job_wait(struct jobs *j, str id, int64_t timeout_ms, arena *keep,
                      struct job_info *ret_info);
/* Runs `id`, and what it needs, in the calling thread until it is finished or paused: for the
 * command line. Jobs that others queued stay queued. While it waits, `tick` (may be NULL) is called
 * about five times a second from another thread, with no lock held: it may call job_stop. What
 * happened to the job is told (log, metrics, observer) when this returns. */
MUST_USE err jobs_run_until(struct jobs *j, str id,
                            void (*tick)(void *arg, const struct job_info *info), void *tick_arg,
                            arena *keep, struct job_info *ret_info);

/* Marks the blobs that unfinished jobs name in their payload, as its member "blob": of a store,
 * also without jobs being open. */
MUST_USE err jobs_roots_in(struct store *s, blob_mark_fn mark, void *mark_arg);

struct job_counts {
    int64_t by_state[JOB_STOPPED + 1];
};
MUST_USE err job_counts(struct jobs *j, str kind, struct job_counts *ret_counts);

/* The last JOB_EVENTS_MAX changes of state, newest first. Texts live in keep. */
enum { JOB_EVENTS_MAX = 200 };
struct job_event {
    int64_t at_ms, took_ms; /* how long the state before lasted; -1: not said */
    str event, from, to;    /* "job.retried", "running", "queued"; from is empty for a new job */
    int attempt;
    str worker, detail;
};
MUST_USE err job_events_list(struct jobs *j, str id, arena *keep, struct job_event **ret_events,
                             size_t *ret_count);

/* For who follows all jobs: those that changed after an event number, in the order of their last
 * changes, and then those that run. Payload, cursor and result are left out. */
struct job_news {
    struct job_info info;
    int64_t event_no; /* of the last change; 0: it is listed because it runs */
};
enum { JOB_NEWS_CHANGED_MAX = 128, JOB_NEWS_RUNNING_MAX = 200 }; /* at once */
MUST_USE err job_news_since(struct jobs *j, int64_t event_no, arena *keep, struct job_news **ret,
                            size_t *ret_count);
MUST_USE err job_news_newest(struct jobs *j, int64_t *ret_event_no);

/* For a store that was put back into another data folder, before it is opened there: no lease holds
 * any more, what only the old folder could do is `place`'s, and unfinished jobs of `ended_kind` end
 * as stopped when somebody works. May be called again. */
MUST_USE err jobs_adopt(struct store *s, const char *place, const char *ended_kind);

/* Forgets jobs that finished before `before_ms`, with their events. Those that an unfinished job
 * needs stay. At most a thousand a call: call again while *ret_removed is a thousand. */
enum { JOBS_PURGE_MAX = 1000 };
MUST_USE err jobs_purge(struct jobs *j, int64_t before_ms, int64_t *ret_removed);

/* ------------------------------------------------------------------ who works */

/* Every process that called jobs_start has a row, which it renews three times a lease while the
 * store is shared; a silent one counts as gone. */
struct worker_info {
    str id;                                     /* as in leases and events */
    str name, role, version, place, gpu, state; /* state: active | draining | gone */
    str kinds;                                  /* ",chess.train,core.collect," */
    int64_t cores, memory_bytes, places, running, started_ms, seen_ms;
};
enum { WORKERS_LISTED_MAX = 1000 };
MUST_USE err workers_list(struct jobs *j, arena *keep, struct worker_info **ret_infos,
                          size_t *ret_count); /* living ones first */
/* Tells the living workers of that name or id to take no new job; a `skerry work` then ends. With
 * false: to take jobs again. ERR_NOT_FOUND when there is none. */
MUST_USE err worker_drain(struct jobs *j, str name_or_id, bool is_wanted, int64_t *ret_count);
/* Says why a waiting or queued job does not run, in a sentence; empty for other states. */
MUST_USE err job_why_waiting(struct jobs *j, const struct job_info *info, arena *keep,
                             str *ret_why);

/* ------------------------------------------------------------------ schedules */

struct job_schedule {
    const char *name; /* NULL ends a table */
    const char *cron; /* five fields, UTC; or "@every 60s" */
    const char *kind;
    const char *payload; /* JSON */
    const char *help;
    /* Overlap is forbidden: a due schedule whose last job is unfinished waits for the next time. */
};
/* A table, which outlives j. May be called again, also with changed times. */
MUST_USE err jobs_schedule(struct jobs *j, const struct job_schedule *schedules);
struct job_schedule_info {
    str name, cron, kind, last_job_id, last_state;
    int64_t next_ms, last_ms;
};
MUST_USE err jobs_schedule_list(struct jobs *j, arena *keep, struct job_schedule_info **ret,
                                size_t *ret_count);
/* The next time after `after_ms` that matches; ERR_INVALID explains a bad expression. */
MUST_USE err cron_next(str cron, int64_t after_ms, int64_t *ret_ms);

/* ------------------------------------------------------------------ for the work, through run.h */

const char *job_id(const struct job *job);
const struct job_kind *job_kind_of(const struct job *job);
str job_payload(const struct job *job); /* a JSON object; lives as long as the job runs */
int job_attempt(const struct job *job); /* 1 on the first try */
const char *job_username(const struct job *job);
str job_cursor(const struct job *job); /* as saved before this try; empty on a fresh start */
/* Saves the cursor with the caller's work. ERR_CONFLICT when the lease was lost: the transaction
 * must fail with it, so that a worker that was thought dead changes nothing. */
MUST_USE err job_cursor_save(struct job *job, struct store_tx *tx, str cursor);
/* ERR_CONFLICT when the lease was lost. For a transaction that saves no cursor. */
MUST_USE err job_fence(struct job *job, struct store_tx *tx);
/* store_write behind that fence: how a job changes anything in the store. job NULL: no fence. */
MUST_USE err job_write(struct job *job, struct store *s, store_write_fn fn, void *arg);
/* The same in a transaction of its own, for a stage whose work is kept elsewhere. */
MUST_USE err job_cursor_commit(struct job *job, str cursor);
/* ERR_CANCELLED when stop or pause is wanted, the try's time is over (ERR_TIMEOUT), the lease is
 * lost (ERR_CONFLICT) or the process is shutting down; OK otherwise. Cheap: two atomics. Long work
 * calls it at least every 100 ms. */
MUST_USE err job_check(struct job *job);
bool job_is_lost(const struct job *job); /* another has it now, as far as is known here */
/* After ERR_CANCELLED: the job will go on later (pause, shutdown), so save a checkpoint rather than
 * clean up. */
bool job_pause_wanted(const struct job *job);
/* Progress is kept in memory and written by the heartbeat (every second). */
void job_progress(struct job *job, int64_t done, int64_t total);
void job_run_id_set(struct job *job, str run_id);
void job_result_set(struct job *job, str json); /* stored with success */
/* The run id of an earlier try of this job, or empty: tries of one job share a run. */
str job_run_id(const struct job *job);

#endif
