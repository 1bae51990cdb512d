/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When a command is through, what happened to its job is told: if this fails, the last log line of
 * a run is missing now and then, where another thread was telling at that moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "jobs_fixture.h"

struct elsewhere {
    struct fixture *f;
    const char *id;
};

/* The observer hears of this job, and takes its time. */
static void *adds_a_job(void *arg)
{
    struct fixture *f = arg;
    fixture_note(f, "t.note", "{}");
    return NULL;
}

/* Lets the observer go on once the other job is over. */
static void *lets_go(void *arg)
{
    const struct elsewhere *e = arg;
    fixture_wait_state(e->f, e->id, JOB_SUCCEEDED);
    fixture_observer_hold(e->f, false);
    return NULL;
}

static void a_command_returns_when_all_is_told(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.note", "{\"name\":\"a\"}");
    pthread_t adder, releaser;
    fixture_observer_hold(f, true);
    assert_int_equal(thread_start(&adder, "adder", adds_a_job, f).code, ERR_NONE);
    fixture_observer_wait(f);
    struct elsewhere e = { f, a.id };
    assert_int_equal(thread_start(&releaser, "releaser", lets_go, &e).code, ERR_NONE);
    fixture_run(f, a.id);
    char told[sizeof f->events];
    pthread_mutex_lock(&f->lock);
    memcpy(told, f->events, sizeof told);
    pthread_mutex_unlock(&f->lock);
    pthread_join(adder, NULL);
    pthread_join(releaser, NULL);
    assert_string_equal(told, "job.queued job.queued job.started job.succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_command_returns_when_all_is_told, fixture_set_up,
                                        fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
