/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kill -9 at random moments, again and again: every job that was acknowledged is done, and every
 * effect is there exactly once. If this fails, a power cut loses games or counts them twice. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "jobs_fixture.h"

enum { KILLS = 60, KILLS_MAX = 240, ADDS_A_CHILD = 6, STEPS = 40 }; /* the pipe holds 1,700 ids */

/* A child's life: opens everything, adds jobs and tells which were acknowledged, works until
 * killed. */
static void child_work(struct fixture *f, int ready_fd, int ack_fd)
{
    char worker[64];
    snprintf(worker, sizeof(worker), "here:%d", (int)getpid());
    /* As a server does, which may have commands beside it: only the dead lose their jobs. */
    fixture_reopen(f, worker, false);
    if (jobs_start(f->jobs, 2).code)
        _exit(3);
    if (write(ready_fd, "!", 1) != 1)
        _exit(4);
    char last[UUID_BYTES] = "";
    for (int i = 0; i < ADDS_A_CHILD; i++) {
        const char *const needs[] = { last, NULL };
        struct job_spec spec = { .kind = "t.steps",
                                 .payload = STR("{\"count\":40}"),
                                 .needs = i % 3 == 2 ? needs : NULL };
        char id[UUID_BYTES];
        bool is_new = false;
        if (job_add(f->jobs, &spec, id, &is_new).code)
            continue; /* the queue is full: nothing was promised */
        if (write(ack_fd, id, sizeof(id)) != sizeof(id))
            _exit(5);
        memcpy(last, id, sizeof(last));
        clock_sleep_ms(3);
    }
    while (true)
        clock_sleep_ms(1000);
}

/* Kills a child some time after it began to work, or (is_blind) after it began at all: then the
 * blow may fall while it opens the store and puts jobs back. */
static void kill_one(struct fixture *f, int ack_fd, int64_t after_ms, bool is_blind)
{
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ready[0]);
        child_work(f, ready[1], ack_fd);
    }
    close(ready[1]);
    if (!is_blind)
        assert_int_equal(read(ready[0], &c, 1), 1); /* 0 bytes: it ended without a blow */
    clock_sleep_ms(after_ms);
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status = 0;
    close(ready[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) &&
                WTERMSIG(status) == SIGKILL); /* it had not ended by itself */
}

/* Everything that can still run, runs; a job that was given up after three crashes in a row is
 * replayed, as a person would. */
static int finish_all(struct fixture *f)
{
    int replayed = 0;
    for (int round = 0; round < 10; round++) {
        struct job_info *infos = NULL;
        size_t count = 0;
        struct job_filter filter = { .state = STR("failed"), .limit = 1000 };
        assert_int_equal(job_list(f->jobs, &filter, &f->mem, &infos, &count).code, ERR_NONE);
        for (size_t i = 0; i < count; i++) {
            assert_true(str_contains(infos[i].error, STR("in a row")) ||
                        str_contains(infos[i].error, STR("needs job")));
            replayed += job_replay(f->jobs, str_of(infos[i].id)).code == ERR_NONE;
        }
        filter.state = STR("active");
        assert_int_equal(job_list(f->jobs, &filter, &f->mem, &infos, &count).code, ERR_NONE);
        if (!count)
            break;
        for (size_t i = count; i-- > 0;)
            fixture_run(f, infos[i].id);
    }
    return replayed;
}

static int acked_check(struct fixture *f, int ack_fd)
{
    char id[UUID_BYTES];
    int count = 0;
    while (read(ack_fd, id, sizeof(id)) == sizeof(id)) {
        fixture_state_is(f, id, JOB_SUCCEEDED);
        count++;
    }
    return count;
}

/* Nothing may be open, and no thread run, when we fork. */
static void shut(struct fixture *f)
{
    jobs_close(f->jobs, 0);
    store_close(f->store);
    log_close(f->log);
    f->jobs = NULL;
    f->store = NULL;
    f->log = NULL;
}

/* How many tries were found without their worker so far; all is shut before and after. */
static int64_t tries_cut_off(struct fixture *f)
{
    fixture_reopen(f, "one", true);
    int64_t count = fixture_int(f,
                                "SELECT count(*) FROM job_events WHERE event = 'job.lease_lost'");
    shut(f);
    return count;
}

static void every_effect_is_there_exactly_once(void **state)
{
    (void)state;
    struct fixture *f = malloc(sizeof(*f));
    assert_non_null(f);
    fixture_init(f);
    shut(f);
    int ack[2];
    assert_int_equal(pipe(ack), 0);
    uint64_t seed = 0;
    rand_bytes(&seed, sizeof(seed));
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng r;
    rng_init(&r, seed);
    /* Where a blow falls is chance: they go on until enough of them hit running jobs. */
    int kills = 0;
    int64_t crashes = 0;
    for (; kills < KILLS_MAX && (kills < KILLS || crashes <= 5); kills++) {
        kill_one(f, ack[1], (int64_t)rng_below(&r, 100), kills % 4 == 0);
        if (kills % 20 == 19)
            crashes = tries_cut_off(f);
    }
    close(ack[1]);

    fixture_reopen(f, "one", true);
    assert_int_equal(store_check(f->store).code, ERR_NONE);
    int replayed = finish_all(f);
    int acked = acked_check(f, ack[0]);
    close(ack[0]);
    int64_t jobs = fixture_int(f, "SELECT count(*) FROM jobs");
    int64_t effects = fixture_int(f, "SELECT count(*) FROM effects");
    print_message(
        "%d kills, %d jobs acknowledged of %d, %d tries cut off, %d replayed, %d effects\n", kills,
        acked, (int)jobs, (int)crashes, replayed, (int)effects);
    assert_true(acked >= 10 && jobs >= acked);
    assert_true(crashes > 5); /* the kills did hit running jobs */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state <> 'succeeded'"), 0);
    assert_int_equal(effects, jobs * STEPS);
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM (SELECT DISTINCT job_id, step FROM effects) d"),
        effects);
    assert_int_equal(fixture_int(f, "SELECT max(step) FROM effects"), STEPS);
    assert_int_equal(store_check(f->store).code, ERR_NONE);
    fixture_deinit(f);
    free(f);
}

static void *crash_main(void *arg)
{
    (void)arg;
    __builtin_trap();
}

/* A child that holds the job `id`; then it crashes in a thread, or waits to be killed. */
static void child_hold(struct fixture *f, const char *id, bool must_crash, int ready_fd)
{
    char worker[64];
    pthread_t thread;
    snprintf(worker, sizeof(worker), "here:%d", (int)getpid());
    signal(SIGILL, SIG_DFL); /* cmocka would go on with its tests in here */
    fixture_reopen(f, worker, false);
    if (jobs_start(f->jobs, 1).code)
        _exit(3);
    fixture_wait_state(f, id, JOB_RUNNING);
    if (must_crash && thread_start(&thread, "crash", crash_main, NULL).code)
        _exit(4);
    if (!must_crash && write(ready_fd, "!", 1) != 1)
        _exit(5);
    while (true)
        clock_sleep_ms(1000);
}

/* One death of a process that holds the job. Nothing may be open, and no thread run, meanwhile. */
static void die_holding(struct fixture *f, const char *id, bool must_crash)
{
    int ready[2], status = 0;
    char c;
    jobs_close(f->jobs, 5000);
    store_close(f->store);
    f->jobs = NULL;
    f->store = NULL;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_hold(f, id, must_crash, ready[1]);
    close(ready[1]);
    if (!must_crash) {
        assert_int_equal(read(ready[0], &c, 1), 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
    }
    close(ready[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    char worker[64];
    snprintf(worker, sizeof(worker), "here:%d", (int)getpid());
    fixture_reopen(f, worker, false);
}

/* If this fails, a server that is restarted or killed a few times gives up an import that was only
 * slow; or one that crashes for ever does so for ever. */
static void kills_and_crashes_are_told_apart(void **state)
{
    (void)state;
    struct fixture *f = malloc(sizeof(*f));
    char folder[FS_PATH_BYTES];
    assert_non_null(f);
    fixture_init(f);
    assert_int_equal(fs_join(folder, f->folder, "crashes").code, ERR_NONE);
    f->crash_folder = folder;
    jobs_close(f->jobs, 0);
    log_close(f->log); /* its thread would not live in the children */
    f->jobs = NULL;
    f->log = NULL;
    fixture_reopen(f, "one", true);
    struct added killed = fixture_note(f, "t.hold", "{}");
    for (int i = 1; i < JOB_KILLS_MAX; i++) {
        die_holding(f, killed.id, false);
        fixture_state_is(f, killed.id, JOB_QUEUED);
        assert_int_equal(fixture_get(f, killed.id).attempts, 0);
    }
    die_holding(f, killed.id, false);
    fixture_state_is(f, killed.id, JOB_FAILED);
    struct job_info info = fixture_get(f, killed.id);
    assert_true(str_contains(info.error, STR("killed")));
    assert_true(str_contains(info.error, STR("12 in a row without progress; given up")));

    struct added crashing = fixture_note(f, "t.hold", "{}");
    for (int i = 1; i <= JOB_CRASHES_MAX; i++) {
        die_holding(f, crashing.id, true);
        fixture_state_is(f, crashing.id, i < JOB_CRASHES_MAX ? JOB_QUEUED : JOB_FAILED);
    }
    info = fixture_get(f, crashing.id);
    assert_true(str_contains(info.error, STR("3 in a row without progress; given up")));
    assert_int_equal(rmdir(folder), 0); /* every note was swept */
    assert_int_equal(fs_mkdirs(folder).code, ERR_NONE);
    fixture_deinit(f);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kills_and_crashes_are_told_apart),
        cmocka_unit_test(every_effect_is_there_exactly_once),
    };
    return cmocka_run_group_tests_name("jobs and kill -9", tests, NULL, NULL);
}
