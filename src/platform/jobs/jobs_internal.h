/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jobs_internal.h -- what the files of this room share. Private to it and to its unit tests.
 *
 * Two kinds of truth: rows in the store, changed only inside transactions and fenced by lease_no
 * (it goes up with every claim, so a worker that was thought dead holds an old number and changes
 * nothing); and struct jobs, which only knows what runs in this process and who must be woken.
 *
 * One lock guards struct jobs. It is never held across the store, a callback or another lock.
 */
#ifndef SKERRY_JOBS_INTERNAL_H
#define SKERRY_JOBS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/thread.h"
#include "platform/jobs/jobs.h"

#define JOB_STATE_COUNT (JOB_STOPPED + 1)

/* What is said through the store when there is work: store_notify. */
#define JOBS_TOPIC "jobs"
/* ... and when somebody wants a worker to drain. */
#define WORKERS_TOPIC "workers"

/* A time in the year 9999: bounds arithmetic on times that callers hand in. */
#define CLOCK_MS_MAX INT64_C(253402300799000)

enum {
    JOBS_KINDS_MAX = 256,
    JOBS_WORKERS_MAX = 64,
    JOBS_CLAIM_MAX = JOBS_WORKERS_MAX,       /* at once; claim.c has as many placeholders */
    JOBS_RUNNING_MAX = 2 * JOBS_WORKERS_MAX, /* workers, and callers of jobs_run_until */
    JOBS_SCHEDULES_MAX = 256,
    JOB_NEEDS_MAX = 64,
    JOB_NAME_MAX = 200, /* bytes of key, username and schedule */
    JOB_PRIORITY_MAX = 10,
    JOB_TRIES_DEFAULT = 3,
    JOB_TIMEOUT_DEFAULT_S = 24 * 3600,
    /* In a row, without a new cursor between them: then the job is to blame. Who was killed from
     * outside may be blamed for nothing, or for the memory it took: that needs more evidence. */
    JOB_CRASHES_MAX = 3,
    JOB_KILLS_MAX = 12,
    JOB_LEASE_DEFAULT_MS = 30 * 1000,
    JOB_RETRY_BASE_MS = 1000,
    JOB_BACKOFF_MAX_MS = 15 * 60 * 1000,
    JOB_ARENA_BYTES = 1024 * 1024, /* payload, cursor, result and small texts of a running job */
    JOBS_HEARTBEAT_MS = 1000,
    JOBS_SPARE_MS = 500, /* of a lease, or an eighth of it: for whoever takes over */
    JOBS_TICK_MS = 200,
    JOBS_POLL_MS = 1000,       /* for news from other processes on the same store */
    JOBS_HEARD_MS = 10,        /* from a wake-up to a look: a burst of them is one look */
    JOB_GAPS_MAX = 256,        /* numbers of events that may still come */
    JOBS_SLEEP_MAX_MS = 60000, /* the wall clock may be set: look at it now and then */
    /* Each job that was taken leaves an entry at the head of PostgreSQL's queue, which every later
     * claim walks over until the table is cleared: 160,000 of them make a claim of one job three
     * times as long (docs/numbers.md). So the keeper clears it after so many, for a part of the
     * time that is at most one in JOBS_SWEEP_SHARE. */
    JOBS_SWEEP_AFTER = 20000,
    JOBS_SWEEP_SHARE = 20,
    JOBS_REAP_MAX = 100,                     /* expired leases handled in one transaction */
    WORKER_FORGET_MS = 7 * 24 * 3600 * 1000, /* silent that long: its row goes */
    JOBS_TAIL_MAX = 100,                     /* events told in one go */
};

/* ------------------------------------------------------------------ state.c */

bool job_state_parse(str text, enum job_state *ret_state);
bool job_state_may(enum job_state from, enum job_state to);
bool job_state_is_finished(enum job_state state);
/* ERR_CONFLICT, with a sentence that says what is possible, when the table does not allow it. */
MUST_USE err job_state_check(const char *id, enum job_state from, enum job_state to);

struct job_try {
    int attempts, tries_max, crashes, kills;
    bool stop_wanted, pause_wanted; /* as the row says */
    bool was_told;     /* this process asked it to stop, so its ERR_CANCELLED is an answer */
    bool has_moved;    /* it saved a new cursor during this try */
    bool was_killed;   /* its process ended without a fatal signal of its own: see crash.c */
    bool was_hindered; /* the store was away, or a disk was full, during this try */
};
struct job_outcome {
    enum job_state to;
    const char *event;
    bool is_spent;    /* the try counts against tries_max */
    bool has_backoff; /* not before job_backoff_ms from now */
    bool is_hindered; /* counts among the deaths that are not the job's fault */
};
struct job_outcome job_outcome_of(const struct job_try *t, enum err_code code);
struct job_outcome job_outcome_of_crash(const struct job_try *t);
/* Doubles with each attempt, at most 15 minutes; the upper half of it is chosen by `random`. */
int64_t job_backoff_ms(int attempt, int64_t base_ms, uint64_t random);

#define JOB_PACE_STEP_S 0.2
#define JOB_PACE_MEMORY_S 10.0
struct job_pace {
    int64_t at_ns, done, total;
    double rate; /* units a second, smoothed; negative: not known yet */
};
/* Seconds until done reaches total, or -1 while unknown. */
double job_pace_update(struct job_pace *p, int64_t now_ns, int64_t done, int64_t total);

/* ------------------------------------------------------------------ process.c */

enum { PROCESS_NAME_BYTES = 160 };
/* "host:pid@start" of "host:pid" when pid is this process: names one process for ever, although
 * pids come back. Other labels stay as they are. */
void process_name(const char *label, char out[PROCESS_NAME_BYTES]);
/* Both are of that form and have the same host: one can look whether the other lives. The house
 * puts the data folder into the host's name, because two machines may be called the same. */
bool process_is_kin(str name, str own);
/* True only when `name` is of that form, of the same host as `own`, and no such process lives. */
bool process_is_dead(str name, str own);

/* ------------------------------------------------------------------ crash.c */

/* From now on a fatal signal of this process (SIGSEGV, SIGABRT and their kin) leaves a note named
 * `worker` in the folder, which is made. One folder a process: the last call counts. */
MUST_USE err crash_notes_open(const char *folder, const char *worker);
void crash_notes_close(void);
/* Did that process leave a note? False also for an empty folder name. */
bool crash_note_exists(const char *folder, str worker);
/* Removes the notes of processes of `own`'s machine that live no more; calls fn for each. */
MUST_USE err crash_notes_sweep(const char *folder, str own,
                               void (*fn)(void *arg, const char *worker, int signal_number),
                               void *arg);
/* ------------------------------------------------------------------ gaps.c */

struct job_gap {
    int64_t event_no, seen_ms;
};
struct job_gaps { /* of the thread that tells; oldest first */
    struct job_gap gaps[JOB_GAPS_MAX];
    size_t count;
};
/* The numbers between `before` and `event_no` were passed over. */
void job_gaps_note(struct job_gaps *g, int64_t before, int64_t event_no, int64_t now_ms);
bool job_gaps_fill(struct job_gaps *g, int64_t event_no); /* it came: true when it was missing */
void job_gaps_forget(struct job_gaps *g, int64_t now_ms); /* those that cannot come any more */
/* Appends "?1,?2,..." for the missing ones, at least one; values has room for JOB_GAPS_MAX. */
void job_gaps_sql(const struct job_gaps *g, struct buf *sql, struct store_value *values,
                  size_t *ret_count);

/* ------------------------------------------------------------------ what runs here */

enum job_flag {
    JOB_FLAG_STOP = 1,
    JOB_FLAG_PAUSE = 2,
    JOB_FLAG_TIMEOUT = 4,
    JOB_FLAG_LOST = 8,
    JOB_FLAG_TOLD = 16, /* job_check has answered ERR_CANCELLED */
};

struct job {
    struct list_link link; /* in jobs.running; guarded by jobs.lock */
    struct list_link hand; /* in jobs.handed; guarded by jobs.lock */
    struct jobs *jobs;
    const struct job_kind *kind;
    struct arena mem;
    struct job_info info; /* as claimed; its texts live in mem */
    int64_t lease_no;
    int64_t waited_ms; /* from due to claimed */
    int64_t started_ns, deadline_ns;
    str run_id, result;
    bool is_result_refused;  /* too big, or no memory: the job fails rather than lose its answer */
    atomic_bool had_trouble; /* the store refused a write of this try */
    atomic_uint flags;       /* enum job_flag */
    _Atomic int64_t done, total;
    struct job_pace pace; /* guarded by jobs.lock */
    double eta_s;         /* guarded by jobs.lock */
};

struct job_ticker { /* who wants to be told while jobs_run_until waits; one at a time */
    void (*fn)(void *arg, const struct job_info *info);
    void *arg;
    char id[UUID_BYTES];
    bool is_set, is_calling;
};

struct jobs {
    struct jobs_options options; /* defaults filled in */
    char worker[PROCESS_NAME_BYTES];
    const struct job_kind *kinds[JOBS_KINDS_MAX]; /* constant after open */
    bool takes[JOBS_KINDS_MAX];                   /* does this process do such jobs? constant */
    size_t kind_count;

    atomic_bool is_closing;
    atomic_bool drains, is_told_to_drain;  /* we want to; somebody else does */
    _Atomic int64_t trouble_ns;            /* when the store last failed us; 0: never */
    _Atomic int64_t away_ns, away_told_ns; /* since when it fails, and told so; 0: it answers */
    _Atomic int64_t taken;                 /* jobs that were claimed since the last sweep */
    int64_t sweep_after;                   /* JOBS_SWEEP_AFTER */

    pthread_mutex_t lock;
    pthread_cond_t work;    /* wake_count went up, or closing */
    pthread_cond_t changed; /* change_count went up, or closing, or a worker ended */
    pthread_cond_t keeper;  /* the keeper has something to do earlier than it thought */
    /* guarded by lock: */
    struct list running;
    size_t running_count;
    int running_by_kind[JOBS_KINDS_MAX]; /* of kinds that have an own limit */
    uint64_t wake_count, change_count;
    int64_t due_ms; /* wall time at which the keeper must look into the store; INT64_MAX: never */
    bool keeper_is_poked, keeper_must_end, keeper_is_running;
    bool must_announce; /* the keeper brings our row in `workers` up to date */
    struct job_ticker ticker;
    const struct job_schedule *schedules[JOBS_SCHEDULES_MAX];
    size_t schedule_count;
    struct list handed;         /* jobs that were taken for threads that sleep */
    size_t idle_count;          /* worker threads that sleep */
    bool is_taking;             /* one thread takes jobs for all that sleep: they sleep on */
    bool is_telling, must_tell; /* one thread at a time reads job_events and tells the observer */
    uint64_t rounds_told;       /* how many times one did */

    /* Owned by the thread that set is_telling: */
    int64_t events_told;    /* the greatest event_no told */
    struct job_gaps untold; /* smaller ones that were not there yet */

    /* Owned by whoever announces: jobs_start, then the keeper, then jobs_close. */
    bool is_announced;
    const char *announced_state; /* a literal */

    pthread_t keeper_thread;
    pthread_t workers[JOBS_WORKERS_MAX];
    int worker_count; /* set by jobs_start; schedules fire only when it is not 0 */
};

size_t jobs_kind_index(const struct jobs *j, const struct job_kind *kind);

/* ------------------------------------------------------------------ control.c */

/* Progress of a job that runs here is fresher in memory than in its row. */
void job_progress_freshen(struct jobs *j, struct job_info *info);

/* ------------------------------------------------------------------ schema.c */

/* The columns that job_row_read expects first, in its order. */
#define JOB_COLUMNS_WITH(texts)                                                              \
    "id, kind, state, priority, attempts, tries_max, pause_wanted, stop_wanted, " texts      \
    ", error, job_key, username, run_id, created_ms, started_ms, finished_ms, next_try_ms, " \
    "lease_until_ms, done, total, eta_s, error_code, place"
#define JOB_COLUMNS JOB_COLUMNS_WITH("payload, resume_cursor, result")
#define JOB_COLUMNS_LIGHT JOB_COLUMNS_WITH("NULL, NULL, NULL") /* without what may be long */
enum { JOB_COLUMN_COUNT = 25 };
/* Texts live in keep. ERR_CORRUPT for a state that this program does not know. */
MUST_USE err job_row_read(struct store_rows *rows, arena *keep, struct job_info *ret_info);
/* ERR_NOT_FOUND names the id. */
MUST_USE err job_row_get(struct store_read *rd, str id, arena *keep, struct job_info *ret_info);

/* ------------------------------------------------------------------ events.c */

struct job_event_row {
    str job_id;
    const char *event;
    int from; /* enum job_state, or -1 for a new job */
    enum job_state to;
    int attempt;
    int64_t took_ms; /* how long the state that ends here lasted; -1: not said */
    str detail;
};
/* Writes the row that belongs to a change of state, in the same transaction. */
MUST_USE err job_event_add(struct jobs *j, struct store_tx *tx, const struct job_event_row *row,
                           int64_t now_ms);
/* A claim took something. */
void jobs_count_claim(struct jobs *j);
/* After a commit: tells log, metrics and observer what is new, and wakes those who wait for it. */
void jobs_changed(struct jobs *j);
/* Returns when all that was committed before is told, also where another thread is at it. Not from
 * the observer. */
void jobs_tell_now(struct jobs *j);
MUST_USE err jobs_events_start(struct jobs *j); /* gauges and position, from the store */
void jobs_warn(struct jobs *j, const char *event, const char *id, const err *e);

/* ------------------------------------------------------------------ needs.c */

/* Checks and stores what a new job needs. *ret_is_waiting tells whether some are not yet done. */
MUST_USE err job_needs_add(struct store_tx *tx, const char *id, const char *const *needs,
                           bool *ret_is_waiting);
/* JOB_QUEUED or JOB_WAITING for a job that is to go on; ERR_CONFLICT when what it needs failed. */
MUST_USE err job_needs_state(struct store_read *rd, str id, enum job_state *ret_state);
/* What follows for others when a job has become `to`. */
MUST_USE err job_needs_follow(struct jobs *j, struct store_tx *tx, str id, enum job_state to,
                              int64_t now_ms);
/* A failed or stopped job was replayed: those that failed because of it wait again. */
MUST_USE err job_needs_revive(struct jobs *j, struct store_tx *tx, str id, int64_t now_ms);

/* ------------------------------------------------------------------ claim.c */

struct job_claim {
    const struct job_kind *const *kinds; /* which to take */
    const int *rooms;                    /* how many of each, at least one; for several */
    size_t kind_count;
    str scope; /* only this job and what it needs; empty: any. For one */
    int64_t now_ms;
};
/* Takes the best due job for `job` (fills it in), or leaves *ret_claimed false. */
MUST_USE err job_claim(struct jobs *j, const struct job_claim *claim, struct job *job,
                       bool *ret_claimed);
struct job_claimed {
    size_t count;
    bool has_more; /* some were passed over, because their kind has no more room here */
};
/* Takes the best due jobs, at most `max` (1 to JOBS_CLAIM_MAX), in one transaction. */
MUST_USE err job_claim_several(struct jobs *j, const struct job_claim *claim,
                               struct job *const *into, size_t max,
                               struct job_claimed *ret_claimed);

/* ------------------------------------------------------------------ lease.c */

/* What a lease that is given now says. It ends a little before a silent worker's time is over
 * (options.lease_ms), so that by then another has the job: looking and taking need some time. */
int64_t job_lease_end_ms(const struct jobs *j, int64_t now_ms);
/* Stores how a try ended. ERR_CONFLICT when the lease was lost: then nothing was stored. */
MUST_USE err job_finish(struct job *job, const err *result, int64_t now_ms);
/* Renews all leases, writes progress, and picks up wishes. */
struct job_beat {
    char id[UUID_BYTES];
    int64_t lease_no, done, total;
    double eta_s;
    bool is_overdue; /* its time is over and it does not react: let the lease run out */
    bool is_lost, stop_wanted, pause_wanted; /* results */
};
MUST_USE err job_beat_all(struct jobs *j, struct job_beat *beats, size_t count, int64_t now_ms);
/* Puts jobs back whose lease ended before expired_ms (INT64_MAX: all), or that `worker` holds
 * (empty: no matter who). */
MUST_USE err jobs_reap(struct jobs *j, int64_t expired_ms, str worker, int64_t now_ms,
                       size_t *ret_count);
/* The same for workers that are processes of this machine and do not live any more. */
MUST_USE err jobs_reap_dead(struct jobs *j, int64_t now_ms);
struct jobs_due {
    int64_t next_ms;  /* the earliest moment after now when something becomes due, or INT64_MAX */
    bool has_expired; /* some lease is over */
    bool has_work;    /* some job could be claimed now, if a worker is free */
};
MUST_USE err jobs_next_due(struct jobs *j, int64_t now_ms, struct jobs_due *ret_due);

/* ------------------------------------------------------------------ takes.c */

/* Does a comma-separated list of names and patterns ("chess.*", "*") name this kind? */
bool takes_matches(str takes, const char *kind);
/* Sets j->takes from options.self. ERR_INVALID names what matches no kind, and all kinds. */
MUST_USE err takes_decide(struct jobs *j);

/* ------------------------------------------------------------------ workers.c */

/* Writes our row and picks up the wish to drain. `state`: active, draining or gone. */
MUST_USE err worker_announce(struct jobs *j, const char *state);
const char *worker_state(const struct jobs *j);
int64_t worker_beat_interval_ms(const struct jobs *j);

/* ------------------------------------------------------------------ trouble.c */

/* The store failed us just now, if `e` says so: silence of others is no sign of death for a while.
 */
void jobs_note_trouble(struct jobs *j, const err *e);
/* A call that hung for a third of a lease hung for the others, too. */
void jobs_note_hang(struct jobs *j, int64_t start_ns);
/* While the store was away nobody could renew a lease. Whoever reaches it first must not take the
 * others for dead before they had time to come back. */
bool jobs_is_after_trouble(const struct jobs *j);
/* Something that is tried again each second failed: notes the trouble, and warns with `event` when
 * an outage begins and once a minute while it lasts; always where the store is not to blame. */
void jobs_store_failed(struct jobs *j, const char *event, const err *e);
/* Such a thing worked. When nothing has failed for some seconds the outage is over, and told if it
 * was not shorter than those. */
void jobs_store_answered(struct jobs *j);

/* ------------------------------------------------------------------ the other files */

/* worker.c */
struct job_places {
    const struct job_kind *kinds[JOBS_KINDS_MAX]; /* with a place free */
    size_t indexes[JOBS_KINDS_MAX];
    int rooms[JOBS_KINDS_MAX]; /* places that were reserved */
    size_t count;
};
/* Reserves up to `most` places in every kind that has one free. */
void job_places_take(struct jobs *j, int most, struct job_places *p);
/* Gives back all but those that jobs were taken for. */
void job_places_return(struct jobs *j, const struct job_places *p, struct job *const *taken,
                       size_t count);
MUST_USE err job_new(struct job **ret_job);
void job_free(struct job *job);                      /* accepts NULL */
void job_enter(struct jobs *j, struct job *job);     /* it was claimed: it runs here */
void job_run(struct jobs *j, struct job *job);       /* from execute to its place's end */
void job_give_back(struct jobs *j, struct job *job); /* the same without execute: we are closing */
/* Claims and runs one job in this thread. */
MUST_USE err jobs_work_once(struct jobs *j, str scope, bool *ret_worked);

/* crew.c */
void *jobs_worker_main(void *jobs);
void *jobs_keeper_main(void *jobs);
MUST_USE err jobs_keeper_start(struct jobs *j);
/* Something may have become due: workers and waiters look again. Call with the lock held. */
void jobs_wake_locked(struct jobs *j);
/* The keeper must look into the store at that wall time, or earlier. */
void jobs_note_due(struct jobs *j, int64_t at_ms);
/* So many jobs were claimed: the keeper clears the queue when there were enough of them. */
void jobs_note_taken(struct jobs *j, size_t count);
/* Adds the jobs of schedules that are due; *ret_next_ms is when the next one is. */
MUST_USE err jobs_schedules_fire(struct jobs *j, int64_t now_ms, int64_t *ret_next_ms);
/* Sets flags of a job that runs in this process; nothing when it does not. */
void jobs_flag(struct jobs *j, str id, unsigned set, unsigned clear);

#endif
