/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jobs_fixture.h -- a store in a folder of its own, job kinds that behave as told, and a record of
 * what happened. */
#ifndef SKERRY_TEST_JOBS_FIXTURE_H
#define SKERRY_TEST_JOBS_FIXTURE_H

#include "platform/jobs/jobs_internal.h"

enum { TRAIL_MAX = 4096 };

struct fixture {
    char folder[64];
    char url[320];
    struct store *store;
    struct jobs *jobs;
    struct metrics *metrics;
    struct log *log;
    arena mem;

    const char *crash_folder; /* for jobs that are opened from here on; NULL at first */

    pthread_mutex_t lock;
    pthread_cond_t moved;
    /* guarded by lock: */
    char trail[TRAIL_MAX];      /* "a b c": payload names in the order they ran */
    char events[TRAIL_MAX * 4]; /* "job.queued job.started ..." as the observer heard them */
    bool gate_is_open;          /* t.gate waits for it */
    int inside, inside_max;
    bool is_observer_held, is_observer_inside;
};

/* Kinds: payload {"name":"a","code":"io","until":2,...}
 *   t.note    adds name to the trail and succeeds
 *   t.fail    fails with `code` while the attempt is at most `until` (0: always); else as t.note
 *   t.hold    works until it is asked to stop, telling progress; answers ERR_CANCELLED
 *   t.deaf    does not ask; waits for the gate, then saves a cursor and writes a row
 *   t.gate    counts how many are inside at once, waits for the gate; at most one at a time
 *   t.steps   writes rows 1..count, one transaction each, with its cursor
 *   t.claim   answers ERR_CANCELLED though nobody asked
 *   t.result  answers with `bytes` bytes of JSON
 *   t.slow    asks, but its time is over after a second */
extern const struct job_kind fixture_kinds[];

err fixture_execute(void *fixture, struct job *job, const struct job_kind *kind);

void fixture_init(struct fixture *f);
void fixture_deinit(struct fixture *f);
/* The same for cmocka: *state is a struct fixture. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
/* Another struct jobs on the same store. */
struct jobs *fixture_jobs(struct fixture *f, const char *worker, int64_t lease_ms,
                          bool sole_worker);
/* Closes and opens store and jobs. */
void fixture_reopen(struct fixture *f, const char *worker, bool sole_worker);
void fixture_gate(struct fixture *f, bool is_open);
/* While held, whoever tells the observer of something waits in it. */
void fixture_observer_hold(struct fixture *f, bool is_held);
void fixture_observer_wait(struct fixture *f); /* until somebody does */

/* Adds a job, or fails the test. */
struct added {
    char id[UUID_BYTES];
};
struct added fixture_add(struct fixture *f, const struct job_spec *spec);
struct added fixture_note(struct fixture *f, const char *kind, const char *payload);
struct job_info fixture_get(struct fixture *f, const char *id);
void fixture_state_is(struct fixture *f, const char *id, enum job_state state);
/* Runs in this thread until that job is finished. */
struct job_info fixture_run(struct fixture *f, const char *id);
struct job_info fixture_wait_state(struct fixture *f, const char *id, enum job_state state);
/* Waits for it: events are told by whichever thread is at it, on PostgreSQL also by the one that
 * listens. */
void fixture_events_are(struct fixture *f, const char *events);
int64_t fixture_int(struct fixture *f, const char *sql);

#endif
