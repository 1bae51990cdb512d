/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, jobs are retried for ever, given up too early, or change into states that make no
 * sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "platform/jobs/jobs_internal.h"

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        enum job_state back = JOB_WAITING;
        assert_true(job_state_parse(str_of(job_state_name((enum job_state)i)), &back));
        assert_int_equal(back, i);
    }
    enum job_state kept = JOB_PAUSED;
    assert_false(job_state_parse(STR("Queued"), &kept));
    assert_false(job_state_parse(STR_NONE, &kept));
    assert_int_equal(kept, JOB_PAUSED);
}

/* The whole table, written a second time as a picture: rows from, columns to. */
static void only_sensible_changes_are_possible(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const picture[JOB_STATE_COUNT] = {
        /*                 W Q R P S F T */
        [JOB_WAITING]   = "- x - x - x x",
        [JOB_QUEUED]    = "- - x x - - x",
        [JOB_RUNNING]   = "- x - x x x x",
        [JOB_PAUSED]    = "x x - - - - x",
        [JOB_SUCCEEDED] = "- - - - - - -",
        [JOB_FAILED]    = "x x - - - - -",
        [JOB_STOPPED]   = "x x - - - - -",
    };
    /* clang-format on */
    for (int from = 0; from < JOB_STATE_COUNT; from++) {
        for (int to = 0; to < JOB_STATE_COUNT; to++) {
            bool expected = picture[from][to * 2] == 'x';
            err e = job_state_check("J", (enum job_state)from, (enum job_state)to);
            assert_int_equal(e.code, expected ? ERR_NONE : ERR_CONFLICT);
        }
    }
    err e = job_state_check("J", JOB_SUCCEEDED, JOB_PAUSED);
    assert_string_equal(
        e.msg, "job J is succeeded, so it cannot become paused: it can become nothing else");
    e = job_state_check("J", JOB_FAILED, JOB_STOPPED);
    assert_string_equal(
        e.msg, "job J is failed, so it cannot become stopped: it can become waiting, queued");
}

static const struct {
    const char *what;
    struct job_try t;
    enum err_code code;
    struct job_outcome expected;
} outcomes[] = {
    { "success", { 1, 3 }, ERR_NONE, { JOB_SUCCEEDED, "job.succeeded", .is_spent = true } },
    { "success wins over a wish that came too late",
      { 1, 3, .stop_wanted = true },
      ERR_NONE,
      { JOB_SUCCEEDED, "job.succeeded", .is_spent = true } },
    { "stopped",
      { 1, 3, .stop_wanted = true, .was_told = true },
      ERR_CANCELLED,
      { JOB_STOPPED, "job.stopped", .is_spent = true } },
    { "stop beats pause",
      { 1, 3, .stop_wanted = true, .pause_wanted = true, .was_told = true },
      ERR_CANCELLED,
      { JOB_STOPPED, "job.stopped", .is_spent = true } },
    { "a failure while stopping is a stop",
      { 1, 3, .stop_wanted = true },
      ERR_IO,
      { JOB_STOPPED, "job.stopped", .is_spent = true } },
    { "paused, and the try does not count",
      { 1, 1, .pause_wanted = true, .was_told = true },
      ERR_CANCELLED,
      { JOB_PAUSED, "job.paused" } },
    { "shutdown: back to the queue, the try does not count",
      { 3, 3, .was_told = true },
      ERR_CANCELLED,
      { JOB_QUEUED, "job.requeued" } },
    { "cancelled though nobody asked is our own mistake, and must not loop",
      { 1, 3 },
      ERR_CANCELLED,
      { JOB_FAILED, "job.failed", .is_spent = true } },
    { "worth another try",
      { 1, 3 },
      ERR_IO,
      { JOB_QUEUED, "job.retried", .is_spent = true, .has_backoff = true } },
    { "the last try", { 3, 3 }, ERR_IO, { JOB_FAILED, "job.failed", .is_spent = true } },
    { "more tries than allowed",
      { 4, 3 },
      ERR_BUSY,
      { JOB_FAILED, "job.failed", .is_spent = true } },
    { "the time of a try is over",
      { 1, 3 },
      ERR_TIMEOUT,
      { JOB_QUEUED, "job.retried", .is_spent = true, .has_backoff = true } },
    { "bad input never gets better",
      { 1, 3 },
      ERR_INVALID,
      { JOB_FAILED, "job.failed", .is_spent = true } },
    { "neither does our own mistake",
      { 1, 3 },
      ERR_INTERNAL,
      { JOB_FAILED, "job.failed", .is_spent = true } },
    { "a failure worth retrying, but somebody wants a pause",
      { 1, 3, .pause_wanted = true },
      ERR_BUSY,
      { JOB_PAUSED, "job.paused", .is_spent = true } },
    { "bad input, though somebody wants a pause",
      { 1, 3, .pause_wanted = true },
      ERR_CORRUPT,
      { JOB_FAILED, "job.failed", .is_spent = true } },
};

static void outcome_equal(const char *what, struct job_outcome a, struct job_outcome b)
{
    if (a.to != b.to || strcmp(a.event, b.event) != 0 || a.is_spent != b.is_spent ||
        a.has_backoff != b.has_backoff)
        fail_msg("%s: %s %s %d %d", what, job_state_name(a.to), a.event, a.is_spent, a.has_backoff);
}

static void the_end_of_a_try_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(outcomes); i++)
        outcome_equal(outcomes[i].what, job_outcome_of(&outcomes[i].t, outcomes[i].code),
                      outcomes[i].expected);
}

/* Every error code is either worth another try or not, and says so here. */
static void codes_that_are_retried(void **state)
{
    (void)state;
    const enum err_code worth[] = { ERR_BUSY,     ERR_TIMEOUT,   ERR_UPSTREAM, ERR_IO,
                                    ERR_NO_SPACE, ERR_NO_MEMORY, ERR_CONFLICT };
    struct job_try t = { 1, 3 };
    for (int code = 1; code < ERR_CODE_COUNT; code++) {
        bool expected = false;
        for (size_t i = 0; i < COUNT_OF(worth); i++)
            expected |= (int)worth[i] == code;
        struct job_outcome o = job_outcome_of(&t, (enum err_code)code);
        assert_int_equal(o.to, expected ? JOB_QUEUED : JOB_FAILED);
    }
}

static void a_job_that_kills_the_process_is_given_up(void **state)
{
    (void)state;
    outcome_equal("first", job_outcome_of_crash(&(struct job_try){ 1, 1, .crashes = 0 }),
                  (struct job_outcome){ JOB_QUEUED, "job.lease_lost", .is_spent = true });
    outcome_equal("second", job_outcome_of_crash(&(struct job_try){ 2, 1, .crashes = 1 }),
                  (struct job_outcome){ JOB_QUEUED, "job.lease_lost", .is_spent = true });
    outcome_equal("third", job_outcome_of_crash(&(struct job_try){ 3, 9, .crashes = 2 }),
                  (struct job_outcome){ JOB_FAILED, "job.failed", .is_spent = true });
    outcome_equal("it had got on",
                  job_outcome_of_crash(&(struct job_try){ 7, 3, .has_moved = true }),
                  (struct job_outcome){ JOB_QUEUED, "job.lease_lost" });
    outcome_equal("stop wanted",
                  job_outcome_of_crash(&(struct job_try){ 1, 3, .stop_wanted = true }),
                  (struct job_outcome){ JOB_STOPPED, "job.stopped", .is_spent = true });
    outcome_equal("pause wanted",
                  job_outcome_of_crash(&(struct job_try){ 1, 3, .pause_wanted = true }),
                  (struct job_outcome){ JOB_PAUSED, "job.paused", .is_spent = true });
}

static void a_job_whose_process_was_killed_gets_more_patience(void **state)
{
    (void)state;
    outcome_equal("killed thrice",
                  job_outcome_of_crash(&(struct job_try){ 1, 1, .kills = 2, .was_killed = true }),
                  (struct job_outcome){ JOB_QUEUED, "job.lease_lost" });
    outcome_equal("killed, after two crashes",
                  job_outcome_of_crash(&(struct job_try){ 1, 3, .crashes = 2, .was_killed = true }),
                  (struct job_outcome){ JOB_QUEUED, "job.lease_lost" });
    outcome_equal("crashed, after many kills",
                  job_outcome_of_crash(&(struct job_try){ 1, 3, .kills = JOB_KILLS_MAX - 1 }),
                  (struct job_outcome){ JOB_QUEUED, "job.lease_lost", .is_spent = true });
    outcome_equal("killed too often",
                  job_outcome_of_crash(
                      &(struct job_try){ 1, 3, .kills = JOB_KILLS_MAX - 1, .was_killed = true }),
                  (struct job_outcome){ JOB_FAILED, "job.failed", .is_spent = true });
}

static void waits_grow_and_are_spread(void **state)
{
    (void)state;
    for (int attempt = 1; attempt < 60; attempt++) {
        int64_t full = attempt < 11 ? 1000ll << (attempt - 1) : JOB_BACKOFF_MAX_MS;
        if (full > JOB_BACKOFF_MAX_MS)
            full = JOB_BACKOFF_MAX_MS;
        int64_t low = INT64_MAX, high = 0;
        struct rng r;
        rng_init(&r, 7);
        for (int i = 0; i < 2000; i++) {
            int64_t ms = job_backoff_ms(attempt, 1000, rng_u64(&r));
            low = ms < low ? ms : low;
            high = ms > high ? ms : high;
        }
        assert_true(low >= full / 2 && high <= full);
        assert_true(high - low > full / 3); /* spread, not bunched */
    }
    assert_int_equal(job_backoff_ms(1, 1, UINT64_MAX), 1);
}

static void eta_follows_the_pace(void **state)
{
    (void)state;
    struct job_pace p = { .rate = -1 };
    const int64_t s = 1000000000;
    assert_true(job_pace_update(&p, s, 0, 1000) < 0); /* nothing is known at first */
    double eta = job_pace_update(&p, 2 * s, 100, 1000);
    assert_float_equal(eta, 9, 0.001);
    /* A steady pace keeps counting down. */
    for (int i = 2; i <= 5; i++)
        eta = job_pace_update(&p, (i + 1) * s, i * 100, 1000);
    assert_float_equal(eta, 5, 0.001);
    /* A second without progress raises the estimate, but does not forget the past. */
    eta = job_pace_update(&p, 7 * s, 500, 1000);
    assert_true(eta > 5 && eta < 6);
    /* Another phase that counts other units begins anew. */
    assert_true(job_pace_update(&p, 8 * s, 3, 50) < 0);
    assert_true(job_pace_update(&p, 9 * s, 4, 50) > 0);
    /* Done is done; more than all, or an unknown total, has no estimate. */
    assert_float_equal(job_pace_update(&p, 10 * s, 50, 50), 0, 0.001);
    assert_true(job_pace_update(&p, 11 * s, 60, 50) < 0);
    assert_true(job_pace_update(&p, 12 * s, 60, 0) < 0);
    /* Asked twice within a moment, it does not divide by next to nothing. */
    p = (struct job_pace){ .rate = -1 };
    (void)job_pace_update(&p, s, 0, 100);
    assert_true(job_pace_update(&p, s + 1000, 1, 100) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(only_sensible_changes_are_possible),
        cmocka_unit_test(the_end_of_a_try_is_judged),
        cmocka_unit_test(codes_that_are_retried),
        cmocka_unit_test(a_job_that_kills_the_process_is_given_up),
        cmocka_unit_test(a_job_whose_process_was_killed_gets_more_patience),
        cmocka_unit_test(waits_grow_and_are_spread),
        cmocka_unit_test(eta_follows_the_pace),
    };
    return cmocka_run_group_tests_name("job states", tests, NULL, NULL);
}
