/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The database is away for an hour: if this fails, its log has thousands of lines that say so, or
 * none that says when it was over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "jobs_fixture.h"

#define SECOND_NS INT64_C(1000000000)

static size_t lines_of(struct fixture *f, const char *event)
{
    struct log_query query = { .event = str_of(event), .component = STR("jobs") };
    struct log_line *lines = NULL;
    size_t count = 0;
    assert_int_equal(log_search(f->log, &query, &f->mem, &lines, &count).code, ERR_NONE);
    return count;
}

static void fail_times(struct fixture *f, int times, err e)
{
    for (int i = 0; i < times; i++)
        jobs_store_failed(f->jobs, "jobs.claim_failed", &e);
}

static void an_outage_is_told_when_it_begins_once_a_minute_and_when_it_is_over(void **state)
{
    struct fixture *f = *state;
    err away = ERR(ERR_BUSY, "the database does not answer");
    fail_times(f, 50, away);
    assert_int_equal(lines_of(f, "jobs.claim_failed"), 1);
    assert_true(jobs_is_after_trouble(f->jobs));

    int64_t now_ns = clock_mono_ns();
    atomic_store(&f->jobs->away_ns, now_ns - 71 * SECOND_NS);
    atomic_store(&f->jobs->away_told_ns, now_ns - 61 * SECOND_NS);
    fail_times(f, 50, away);
    assert_int_equal(lines_of(f, "jobs.claim_failed"), 2);

    /* A full disk: what only reads works all the time. */
    jobs_store_answered(f->jobs);
    fail_times(f, 50, away);
    assert_int_equal(lines_of(f, "jobs.store_back"), 0);
    assert_int_equal(lines_of(f, "jobs.claim_failed"), 2);

    atomic_store(&f->jobs->trouble_ns, now_ns - 10 * SECOND_NS);
    jobs_store_answered(f->jobs);
    jobs_store_answered(f->jobs);
    assert_int_equal(lines_of(f, "jobs.store_back"), 1);

    fail_times(f, 2, away); /* the next one is news */
    assert_int_equal(lines_of(f, "jobs.claim_failed"), 3);
    now_ns = clock_mono_ns();
    atomic_store(&f->jobs->away_ns, now_ns - 11 * SECOND_NS);
    atomic_store(&f->jobs->trouble_ns, now_ns - 10 * SECOND_NS);
    jobs_store_answered(f->jobs); /* and too short to be told over */
    assert_int_equal(lines_of(f, "jobs.store_back"), 1);
}

static void what_is_not_an_outage_is_always_told(void **state)
{
    struct fixture *f = *state;
    fail_times(f, 3, ERR(ERR_CORRUPT, "a row makes no sense"));
    assert_int_equal(lines_of(f, "jobs.claim_failed"), 3);
    assert_false(jobs_is_after_trouble(f->jobs));
}

#define T(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_outage_is_told_when_it_begins_once_a_minute_and_when_it_is_over),
        T(what_is_not_an_outage_is_always_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
