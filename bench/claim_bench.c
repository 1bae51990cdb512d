/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How many jobs a second can be taken off the queue, each by one worker only?
 *
 * usage: claim_bench URL LABEL [single|batched [COUNT]]     URL of an empty store; both, unless one
 * is named
 *
 * As workers call it: the job is marked running under a lease and the event is written. "single" is
 * job_claim, "batched" is job_claim_several for as many as can be taken at once. Four threads each.
 * The keeper is awake, as it is there: it clears what taken jobs leave in the queue. Prints JSON
 * lines.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "platform/jobs/jobs_internal.h"

enum { JOBS_SINGLE = 8000, JOBS_BATCHED = 40000, THREADS = 4, BATCH = JOBS_CLAIM_MAX };

static void need(const char *what, err e)
{
    if (!e.code)
        return;
    fprintf(stderr, "claim_bench: %s: %s\n", what, e.msg);
    exit(1);
}

static err no_work(struct run *run, const struct json *payload)
{
    return OK;
}

static err no_execute(void *arg, struct job *job, const struct job_kind *kind)
{
    return OK;
}

static const struct job_kind kinds[] = { { "bench.job", "Nothing.", "bench", .run = no_work },
                                         { 0 } };

struct filling {
    int count;
};

static err fill(struct store_tx *tx, void *arg)
{
    const struct filling *f = arg;
    struct store_bulk *bulk;
    TRY(store_exec(tx, "DELETE FROM jobs", NO_ARGS, NULL));
    TRY(store_bulk_begin(
        tx, "jobs",
        "id, kind, state, priority, payload, username, run_id, tries_max, created_ms, next_try_ms, "
        "attempts, crashes, pause_wanted, stop_wanted, lease_no, lease_moved, done, total, eta_s",
        19, &bulk));
    for (int i = 0; i < f->count; i++) {
        char id[UUID_BYTES], run[HEX_ID_BYTES];
        rand_uuid(id);
        rand_hex_id(run);
        const struct store_value row[] = {
            sql_cstr(id),       sql_cstr("bench.job"),
            sql_cstr("queued"), sql_int(0),
            sql_cstr("{}"),     sql_cstr(""),
            sql_cstr(run),      sql_int(3),
            sql_int(1),         sql_int(1),
            sql_int(0),         sql_int(0),
            sql_int(0),         sql_int(0),
            sql_int(0),         sql_int(0),
            sql_int(0),         sql_int(0),
            sql_real(-1),
        };
        TRY(store_bulk_row(bulk, row));
    }
    return store_bulk_end(bulk, NULL);
}

struct taker {
    struct jobs *jobs;
    pthread_t thread;
    int64_t taken;
};

static void *take_single(void *arg)
{
    struct taker *t = arg;
    const struct job_kind *const wanted[] = { &kinds[0] };
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        exit(1);
    arena_init(&job->mem, JOB_ARENA_BYTES);
    job->jobs = t->jobs;
    for (bool claimed = true; claimed; t->taken += claimed) {
        const struct job_claim claim = { .kinds = wanted,
                                         .kind_count = 1,
                                         .now_ms = clock_wall_ms() };
        need("claiming", job_claim(t->jobs, &claim, job, &claimed));
    }
    arena_deinit(&job->mem);
    free(job);
    return NULL;
}

static void *take_batches(void *arg)
{
    struct taker *t = arg;
    const struct job_kind *const wanted[] = { &kinds[0] };
    const int rooms[] = { BATCH };
    struct job *jobs[BATCH] = { NULL };
    struct job_claimed claimed = { .count = 1 };
    for (size_t i = 0; i < BATCH; i++)
        need("a job", job_new(&jobs[i]));
    for (; claimed.count; t->taken += (int64_t)claimed.count) {
        const struct job_claim claim = {
            .kinds = wanted, .rooms = rooms, .kind_count = 1, .now_ms = clock_wall_ms()
        };
        need("claiming a batch", job_claim_several(t->jobs, &claim, jobs, BATCH, &claimed));
    }
    for (size_t i = 0; i < BATCH; i++)
        job_free(jobs[i]);
    return NULL;
}

static void measure(struct store *s, struct jobs *j, const char *label, const char *how, int count,
                    void *(*take)(void *))
{
    struct taker takers[THREADS];
    int64_t taken = 0;
    need("filling", store_write(s, fill, &(struct filling){ count }));
    int64_t start_ns = clock_mono_ns();
    for (int i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){ .jobs = j };
        need("a thread", thread_start(&takers[i].thread, "taker", take, &takers[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(takers[i].thread, NULL);
        taken += takers[i].taken;
    }
    double seconds = (double)(clock_mono_ns() - start_ns) / 1e9;
    if (taken != count) {
        fprintf(stderr, "claim_bench: %lld jobs were taken of %d\n", (long long)taken, count);
        exit(1);
    }
    printf("{\"bench\":\"job-claim-%s-%s\",\"ours\":%.0f,\"peer\":null,\"theirs\":null,"
           "\"unit\":\"jobs/s, %d threads\",\"ratio\":null}\n",
           how, label, (double)count / seconds, THREADS);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct store *s = NULL;
    struct jobs *j = NULL;
    const struct job_kind *tables[] = { kinds };
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: claim_bench URL LABEL [single|batched [COUNT]]\n");
        return 2;
    }
    int64_t count = 0;
    if (argc == 5)
        need("COUNT", str_to_i64(str_of(argv[4]), &count));
    need("opening", store_open(&(struct store_options){ .url = argv[1] }, &s));
    need("opening jobs",
         jobs_open(&(struct jobs_options){ .store = s, .worker = "bench:1", .execute = no_execute },
                   tables, 1, &j));
    need("the keeper", jobs_keeper_start(j));
    const char *how = argc >= 4 ? argv[3] : "";
    if (strcmp(how, "batched") != 0)
        measure(s, j, argv[2], "single", count ? (int)count : JOBS_SINGLE, take_single);
    if (strcmp(how, "single") != 0)
        measure(s, j, argv[2], "batched", count ? (int)count : JOBS_BATCHED, take_batches);
    jobs_close(j, 1000);
    store_close(s);
    return 0;
}
