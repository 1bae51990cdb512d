/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several jobs in one claim: if these fail, threads run fewer jobs than they could, or a kind more
 * than its limit, or ten jobs cost ten transactions again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "jobs_fixture.h"
#include "../test_db.h"

enum { THREADS = 4 };

struct some {
    struct jobs *jobs;
    const char *kind;
    int count, priority;
};

static err some_add(struct store_tx *tx, void *arg)
{
    const struct some *s = arg;
    for (int i = 0; i < s->count; i++) {
        char id[UUID_BYTES];
        bool is_new = false;
        const struct job_spec spec = { .kind = s->kind, .priority = s->priority };
        TRY(job_add_tx(s->jobs, tx, &spec, id, &is_new));
    }
    return OK;
}

/* All at once, without a word to the workers. */
static void add(struct fixture *f, const char *kind, int count, int priority)
{
    struct some s = { f->jobs, kind, count, priority };
    assert_int_equal(store_write(f->store, some_add, &s).code, ERR_NONE);
}

/* ------------------------------------------------------------------ by hand */

struct hand {
    struct job *jobs[JOBS_CLAIM_MAX];
    struct job_claimed got;
};

static void take(struct fixture *f, struct hand *h, int gate_room, size_t max, int64_t now_ms)
{
    const struct job_kind *kinds[] = { jobs_kind(f->jobs, STR("t.gate")),
                                       jobs_kind(f->jobs, STR("t.note")) };
    const int rooms[] = { gate_room, (int)max };
    const struct job_claim claim = {
        .kinds = kinds, .rooms = rooms, .kind_count = 2, .now_ms = now_ms
    };
    for (size_t i = 0; i < max; i++)
        if (!h->jobs[i])
            assert_int_equal(job_new(&h->jobs[i]).code, ERR_NONE);
    err e = job_claim_several(f->jobs, &claim, h->jobs, max, &h->got);
    if (e.code)
        fail_msg("%s", e.msg);
}

static size_t count_of(const struct hand *h, const char *kind)
{
    size_t count = 0;
    for (size_t i = 0; i < h->got.count; i++)
        count += strcmp(h->jobs[i]->kind->name, kind) == 0;
    return count;
}

static void drop(struct hand *h)
{
    for (size_t i = 0; i < JOBS_CLAIM_MAX; i++)
        job_free(h->jobs[i]);
}

static void the_best_are_taken_within_their_limits(void **state)
{
    struct fixture *f = *state;
    struct hand h = { { NULL }, { 0 } };
    int64_t now_ms = clock_wall_ms() + 1000;
    add(f, "t.gate", 3, 5);
    add(f, "t.note", 2, 1);
    add(f, "t.note", 2, 9);
    add(f, "t.hold", 1, 9); /* not asked for */

    /* Two of priority 9, then the gates, of which one has room; the others fill the window. */
    take(f, &h, 1, 5, now_ms);
    assert_int_equal(h.got.count, 3);
    assert_true(h.got.has_more);
    assert_int_equal(count_of(&h, "t.gate"), 1);
    for (size_t i = 0; i < h.got.count; i++) {
        const struct job *job = h.jobs[i];
        assert_int_equal(job->info.priority, job->kind->concurrent_max ? 5 : 9);
        assert_int_equal(job->info.state, JOB_RUNNING);
        assert_int_equal(job->info.attempts, 1);
        assert_true(job->lease_no >= 1);
        assert_int_equal(job->info.lease_until_ms, job_lease_end_ms(f->jobs, now_ms));
        assert_int_equal(job->waited_ms, now_ms - job->info.next_try_ms);
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'running'"), 3);
    /* Each is told of as a claim of one tells. */
    assert_int_equal(fixture_int(f,
                                 "SELECT count(*) FROM job_events e JOIN jobs j ON j.id = job_id "
                                 "WHERE event = 'job.started' AND from_state = 'queued' AND "
                                 "to_state = 'running' AND attempt = 1 AND by_worker = worker "
                                 "AND took_ms = at_ms - next_try_ms AND state = 'running'"),
                     3);

    take(f, &h, 2, 64, now_ms);
    assert_int_equal(h.got.count, 4);
    assert_false(h.got.has_more);
    assert_int_equal(count_of(&h, "t.gate"), 2);
    take(f, &h, 2, 64, now_ms);
    assert_int_equal(h.got.count, 0);
    drop(&h);
}

static err claim_undo(struct store_tx *tx, void *arg)
{
    return store_exec(tx,
                      "UPDATE jobs SET state = 'queued', worker = NULL, lease_no = 0, attempts = 0,"
                      " lease_until_ms = NULL, started_ms = NULL",
                      NO_ARGS, NULL);
}

static err fence_write(struct store_tx *tx, void *arg)
{
    return job_fence(arg, tx);
}

/* PostgreSQL does not wait for the disk when a job is taken: a crash leaves the row as it was
 * before. If this failed, who held the lost lease and who takes the job next would both change what
 * it makes: even another thread of the same process. */
static void a_lease_that_a_crash_lost_is_fenced_off(void **state)
{
    struct fixture *f = *state;
    struct hand lost = { { NULL }, { 0 } }, next = { { NULL }, { 0 } };
    if (!store_chains(f->store))
        skip(); /* SQLite has the claim on the disk before anybody hears of it */
    add(f, "t.note", 1, 0);
    take(f, &lost, 1, 1, clock_wall_ms() + 1000);
    assert_int_equal(lost.got.count, 1);
    assert_int_equal(store_write(f->store, fence_write, lost.jobs[0]).code, ERR_NONE);
    assert_int_equal(store_write(f->store, claim_undo, NULL).code, ERR_NONE);
    assert_int_equal(store_write(f->store, fence_write, lost.jobs[0]).code, ERR_CONFLICT);
    take(f, &next, 1, 4, clock_wall_ms() + 1000);
    assert_int_equal(next.got.count, 1);
    assert_int_equal(store_write(f->store, fence_write, lost.jobs[0]).code, ERR_CONFLICT);
    assert_int_equal(store_write(f->store, fence_write, next.jobs[0]).code, ERR_NONE);
    drop(&lost);
    drop(&next);
}

static void what_is_not_due_is_left(void **state)
{
    struct fixture *f = *state;
    struct hand h = { { NULL }, { 0 } };
    add(f, "t.note", 2, 0);
    take(f, &h, 1, 8, clock_wall_ms() - 60000);
    assert_int_equal(h.got.count, 0);
    take(f, &h, 1, 8, clock_wall_ms() + 60000);
    assert_int_equal(h.got.count, 2);
    drop(&h);
}

/* ------------------------------------------------------------------ by threads */

/* All threads sleep, and none is about to look. */
static void wait_for_sleep(struct fixture *f)
{
    bool sleeps = false;
    for (int i = 0; i < 6000 && !sleeps; i++) {
        clock_sleep_ms(10);
        pthread_mutex_lock(&f->jobs->lock);
        sleeps = f->jobs->idle_count == THREADS && !f->jobs->is_taking;
        pthread_mutex_unlock(&f->jobs->lock);
    }
    assert_true(sleeps);
}

static void wait_for_running(struct fixture *f, size_t count)
{
    for (int i = 0; i < 6000 && jobs_running_count(f->jobs) < count; i++)
        clock_sleep_ms(10);
    assert_int_equal(jobs_running_count(f->jobs), count);
}

static int64_t claims(struct fixture *f)
{
    const struct metric_family *family = jobs_metrics;
    while (strcmp(family->name, "skerry_job_claims_total") != 0)
        family++;
    return (int64_t)metric_value(metric_cell_plain(f->metrics, family));
}

static void one_thread_takes_for_all_that_sleep(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(jobs_start(f->jobs, THREADS).code, ERR_NONE);
    wait_for_sleep(f);
    add(f, "t.hold", THREADS, 0);
    jobs_wake(f->jobs);
    wait_for_running(f, THREADS);
    assert_int_equal(claims(f), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'running'"), THREADS);
}

static void a_full_kind_does_not_keep_others_waiting(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(jobs_start(f->jobs, THREADS).code, ERR_NONE);
    wait_for_sleep(f);
    add(f, "t.gate", 2 * THREADS, 5); /* at most one at a time */
    add(f, "t.hold", 2, 0);
    jobs_wake(f->jobs);
    wait_for_running(f, 3);
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'running' AND kind = 't.gate'"), 1);
    fixture_gate(f, true);
    for (int i = 0;
         i < 6000 && fixture_int(f, "SELECT count(*) FROM jobs WHERE state <> 'succeeded' "
                                    "AND kind = 't.gate'");
         i++)
        clock_sleep_ms(10);
    assert_int_equal(f->inside_max, 1);
}

/* What was handed out when the end came goes back, and no try of it is spent. */
static void what_nobody_is_left_for_goes_back(void **state)
{
    struct fixture *f = *state;
    struct hand h = { { NULL }, { 0 } };
    add(f, "t.note", 2, 0);
    take(f, &h, 1, 2, clock_wall_ms() + 1000);
    assert_int_equal(h.got.count, 2);
    atomic_store(&f->jobs->is_closing, true);
    for (int i = 0; i < 2; i++) {
        job_enter(f->jobs, h.jobs[i]);
        pthread_mutex_lock(&f->jobs->lock);
        list_push(&f->jobs->handed, &h.jobs[i]->hand);
        pthread_mutex_unlock(&f->jobs->lock);
    }
    jobs_worker_main(f->jobs); /* as a thread that finds it closing; it frees them */
    assert_int_equal(jobs_running_count(f->jobs), 0);
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'queued' AND attempts = 0"), 2);
}

/* ------------------------------------------------------------------ how PostgreSQL keeps them */

/* As a program before step 4 of the schema claims, which may run beside us: it knows one table. */
static err older_claim(struct store_tx *tx, void *arg)
{
    return store_exec(tx,
                      "UPDATE jobs SET state = 'running', worker = 'older', lease_until_ms = ?1, "
                      "lease_no = lease_no + 1, attempts = attempts + 1 WHERE id = (SELECT id FROM "
                      "jobs WHERE state = 'queued' ORDER BY priority DESC, job_no LIMIT 1)",
                      ARGS(sql_int(clock_wall_ms() + 60000)), arg);
}

static void what_an_older_program_takes_is_taken(void **state)
{
    struct fixture *f = *state;
    struct hand h = { { NULL }, { 0 } };
    int64_t changed = 0;
    add(f, "t.note", 1, 5);
    add(f, "t.note", 2, 0);
    assert_int_equal(store_write(f->store, older_claim, &changed).code, ERR_NONE);
    assert_int_equal(changed, 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs_held"), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs_queue"), 2);
    take(f, &h, 1, 3, clock_wall_ms() + 1000);
    assert_int_equal(h.got.count, 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE worker = 'older'"), 1);
    drop(&h);
}

/* One that has would make each claim and heartbeat write an entry into every index there is. */
static void no_index_has_what_a_claim_changes(void **state)
{
    struct fixture *f = *state;
    if (!test_db_is_postgres()) {
        skip();
        return;
    }
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM pg_index i WHERE i.indrelid = (SELECT oid FROM "
                       "pg_class WHERE relname = 'jobs' AND relnamespace = "
                       "current_schema()::regnamespace)"),
        6);
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM pg_indexes WHERE tablename = 'jobs' AND schemaname = "
                       "current_schema() AND indexdef ~ "
                       "'state|worker|lease|attempts|started_ms|eta_s|done|total|crashes|kills'"),
        0);
}

/* All have been done when the server looks at the table, and are queued again then. The best of
 * them are the last eleven, so that who reads in the order of adding reads all. */
static const char quiet_evening[] =
    "CREATE FUNCTION quiet_evening() RETURNS void LANGUAGE plpgsql AS ' BEGIN"
    " INSERT INTO jobs (id, kind, state, priority, payload, username, run_id, tries_max, attempts,"
    "  crashes, pause_wanted, stop_wanted, lease_no, lease_moved, created_ms, next_try_ms, done,"
    "  total, eta_s) SELECT ''crowd-'' || n, kind, state, n / 2990, payload, username,"
    "  ''run-'' || n, tries_max, attempts, crashes, pause_wanted, stop_wanted, lease_no,"
    "  lease_moved, created_ms, next_try_ms, done, total, eta_s FROM jobs,"
    "  generate_series(1, 3000) n;"
    " ANALYZE jobs_queue;"
    " UPDATE jobs SET state = ''succeeded'', finished_ms = 1;"
    " ANALYZE jobs;"
    " UPDATE jobs SET state = ''queued'', finished_ms = NULL;"
    " END'";

static err rows_pass(struct store_rows *rows)
{
    while (store_next(rows))
        ;
    return store_rows_close(rows);
}

static err evening_pass(struct store_tx *tx, void *arg)
{
    TRY(store_exec(tx, quiet_evening, NO_ARGS, NULL));
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx), "SELECT quiet_evening()::text", NO_ARGS, &rows));
    return rows_pass(rows);
}

/* What a connection has counted is seen by others after it says so, seconds later by itself. */
static err counters_show(struct store_tx *tx, void *arg)
{
    struct store_rows *rows;
    TRY(store_query_whole(tx, STR("SELECT pg_stat_force_next_flush()::text"), NO_ARGS, &rows));
    return rows_pass(rows);
}

static void write_ok(struct fixture *f, err (*write)(struct store *, store_write_fn, void *),
                     store_write_fn fn)
{
    err e = write(f->store, fn, NULL);
    if (e.code)
        fail_msg("%s", e.msg);
}

static int64_t jobs_read(struct fixture *f)
{
    return fixture_int(f, "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables WHERE "
                          "relname = 'jobs' AND schemaname = current_schema()");
}

/* The server last looked at the table when nothing was queued, as on each quiet evening, and takes
 * it that no row of it is: it would rather read all of them first, for each claim. */
static void what_the_server_thought_is_queued_does_not_matter(void **state)
{
    struct fixture *f = *state;
    struct hand h = { { NULL }, { 0 } };
    if (!test_db_is_postgres()) {
        skip();
        return;
    }
    add(f, "t.note", 1, 0);
    write_ok(f, store_write, evening_pass);
    int64_t before = jobs_read(f);
    take(f, &h, 1, 3, clock_wall_ms() + 1000);
    assert_int_equal(h.got.count, 3);
    write_ok(f, store_write_claim, counters_show);
    assert_in_range(jobs_read(f) - before, 3, 100);
    drop(&h);
}

static int64_t queue_sweeps(struct fixture *f)
{
    return fixture_int(f, "SELECT vacuum_count FROM pg_stat_user_tables WHERE "
                          "relname = 'jobs_queue' AND schemaname = current_schema()");
}

/* Entries of jobs that were taken stay at the head of the queue, and each claim walks over them. */
static void what_taken_jobs_leave_is_cleared(void **state)
{
    struct fixture *f = *state;
    struct hand h = { { NULL }, { 0 } };
    if (!test_db_is_postgres()) {
        skip();
        return;
    }
    add(f, "t.note", 12, 0);
    f->jobs->sweep_after = 6;
    assert_int_equal(jobs_keeper_start(f->jobs).code, ERR_NONE);
    take(f, &h, 1, 5, clock_wall_ms() + 1000);
    assert_int_equal(queue_sweeps(f), 0);
    for (int64_t before = 0; before < 2; before++) {
        take(f, &h, 1, before ? 6 : 1, clock_wall_ms() + 1000);
        for (int waits = 0; queue_sweeps(f) == before && waits < 15000; waits++)
            clock_sleep_ms(2);
        assert_int_equal(queue_sweeps(f), before + 1);
    }
    drop(&h);
}

#define T(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_best_are_taken_within_their_limits),
        T(what_is_not_due_is_left),
        T(one_thread_takes_for_all_that_sleep),
        T(a_full_kind_does_not_keep_others_waiting),
        T(what_nobody_is_left_for_goes_back),
        T(a_lease_that_a_crash_lost_is_fenced_off),
        T(what_an_older_program_takes_is_taken),
        T(no_index_has_what_a_claim_changes),
        T(what_the_server_thought_is_queued_does_not_matter),
        T(what_taken_jobs_leave_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
