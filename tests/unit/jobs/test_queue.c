/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of a job, seen by those who want work done: added, run, retried, stopped, replayed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs_fixture.h"

/* ------------------------------------------------------------------ adding */

/* If this fails, what was sent is not what the work gets, or a reply names a run that never comes.
 */
static void a_job_is_stored_and_run(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_add(f, &(struct job_spec){
                                        .kind = "t.note",
                                        .payload = STR("{\"name\":\"hello\"}"),
                                        .username = STR("ada"),
                                        .priority = 3,
                                        .key = STR("k1"),
                                        .run_id = STR("0123456789abcdef0123456789abcdef"),
                                    });
    struct job_info info = fixture_get(f, a.id);
    assert_int_equal(info.state, JOB_QUEUED);
    assert_string_equal(info.kind, "t.note");
    assert_true(str_eq(info.payload, STR("{\"name\":\"hello\"}")));
    assert_true(str_eq(info.username, STR("ada")) && str_eq(info.key, STR("k1")));
    assert_int_equal(info.priority, 3);
    assert_int_equal(info.tries_max, 3);
    assert_int_equal(info.attempts, 0);
    assert_true(info.created_ms > 0 && info.started_ms == 0 && info.finished_ms == 0);

    struct job_info by_run;
    assert_int_equal(
        job_get_by_run(f->jobs, STR("0123456789abcdef0123456789abcdef"), &f->mem, &by_run).code,
        ERR_NONE);
    assert_string_equal(by_run.id, a.id);
    assert_int_equal(job_get_by_run(f->jobs, STR("nothing"), &f->mem, &by_run).code, ERR_NOT_FOUND);
    assert_int_equal(job_get(f->jobs, STR("nothing"), &f->mem, &by_run).code, ERR_NOT_FOUND);

    info = fixture_run(f, a.id);
    assert_int_equal(info.state, JOB_SUCCEEDED);
    assert_int_equal(info.attempts, 1);
    assert_true(info.finished_ms >= info.started_ms && info.started_ms >= info.created_ms);
    assert_string_equal(f->trail, "hello");
    fixture_events_are(f, "job.queued job.started job.succeeded");
}

static void bad_specs_are_refused(void **state)
{
    struct fixture *f = *state;
    char *big = malloc(JOB_PAYLOAD_MAX + 16);
    assert_non_null(big);
    memset(big, ' ', JOB_PAYLOAD_MAX + 16);
    memcpy(big, "{}", 2);
    const struct {
        struct job_spec spec;
        enum err_code code;
        const char *part;
    } cases[] = {
        { { .kind = "t.none" }, ERR_INVALID, "no job kind 't.none'" },
        { { .kind = NULL }, ERR_INVALID, "no job kind" },
        { { .kind = "t.note", .payload = STR("{") }, ERR_INVALID, "payload" },
        { { .kind = "t.note", .payload = STR("[1]") }, ERR_INVALID, "not a JSON object" },
        { { .kind = "t.note", .payload = str_from(big, JOB_PAYLOAD_MAX + 1) },
          ERR_TOO_BIG,
          "payload" },
        { { .kind = "t.note", .key = str_from(big, 201) }, ERR_TOO_BIG, "key" },
        { { .kind = "t.note", .username = str_from(big, 201) }, ERR_TOO_BIG, "username" },
        { { .kind = "t.note", .priority = 11 }, ERR_INVALID, "priority 11" },
        { { .kind = "t.note", .not_before_ms = -1 }, ERR_INVALID, "start time" },
        { { .kind = "t.note", .run_id = STR("0123") }, ERR_INVALID, "run id '0123'" },
        { { .kind = "t.note", .run_id = STR("0123456789ABCDEF0123456789abcdef") },
          ERR_INVALID,
          "run id" },
        { { .kind = "t.note", .needs = (const char *[]){ "ghost", NULL } },
          ERR_NOT_FOUND,
          "'ghost'" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char id[UUID_BYTES] = "kept";
        bool is_new = true;
        err e = job_add(f->jobs, &cases[i].spec, id, &is_new);
        if (e.code != cases[i].code || !strstr(e.msg, cases[i].part))
            fail_msg("case %zu: %d '%s'", i, (int)e.code, e.msg);
        assert_string_equal(id, "kept");
    }
    /* The largest payload is fine. */
    struct job_spec fits = { .kind = "t.note", .payload = str_from(big, JOB_PAYLOAD_MAX) };
    fixture_add(f, &fits);
    free(big);
    /* Nothing of the refused ones is left. */
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs"), 1);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM job_events"), 1);
}

/* If this fails, pressing a button twice trains twice. */
static void a_key_is_one_unfinished_job(void **state)
{
    struct fixture *f = *state;
    struct job_spec spec = { .kind = "t.note", .key = STR("nightly") };
    struct added a = fixture_add(f, &spec);
    char id[UUID_BYTES];
    bool is_new = true;
    assert_int_equal(job_add(f->jobs, &spec, id, &is_new).code, ERR_NONE);
    assert_false(is_new);
    assert_string_equal(id, a.id);
    /* Another kind has keys of its own. */
    fixture_add(f, &(struct job_spec){ .kind = "t.fail", .key = STR("nightly") });
    /* Paused is unfinished; finished is not. */
    assert_int_equal(job_pause(f->jobs, str_of(a.id)).code, ERR_NONE);
    assert_int_equal(job_add(f->jobs, &spec, id, &is_new).code, ERR_NONE);
    assert_false(is_new);
    assert_int_equal(job_stop(f->jobs, str_of(a.id)).code, ERR_NONE);
    struct added b = fixture_add(f, &spec);
    assert_string_not_equal(b.id, a.id);
    /* The old one cannot come back beside the new one. */
    err e = job_replay(f->jobs, str_of(a.id));
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.msg, "nightly"));
}

static void a_run_id_belongs_to_one_job(void **state)
{
    struct fixture *f = *state;
    struct job_spec spec = { .kind = "t.note", .run_id = STR("0123456789abcdef0123456789abcdef") };
    fixture_add(f, &spec);
    char id[UUID_BYTES];
    bool is_new = false;
    err e = job_add(f->jobs, &spec, id, &is_new);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.msg, "0123456789abcdef0123456789abcdef"));
}

/* If this fails, a client that asks too fast fills the disk. */
static void a_full_queue_says_busy(void **state)
{
    struct fixture *f = *state; /* pending_max is 20 here */
    struct added first = { "" };
    for (int i = 0; i < 20; i++) {
        struct added a = fixture_note(f, "t.note", "{}");
        if (i == 0)
            first = a;
    }
    char id[UUID_BYTES];
    bool is_new = false;
    err e = job_add(f->jobs, &(struct job_spec){ .kind = "t.note" }, id, &is_new);
    assert_int_equal(e.code, ERR_BUSY);
    assert_non_null(strstr(e.msg, "20 jobs of the kind t.note"));
    /* Other kinds are not affected, and room comes back. */
    fixture_note(f, "t.fail", "{}");
    fixture_run(f, first.id);
    fixture_note(f, "t.note", "{}");
    assert_int_equal(job_add(f->jobs, &(struct job_spec){ .kind = "t.note" }, id, &is_new).code,
                     ERR_BUSY);
}

struct add_in_tx {
    struct jobs *jobs;
    bool must_fail;
    char id[UUID_BYTES];
};

static err add_in_tx(struct store_tx *tx, void *arg)
{
    struct add_in_tx *a = arg;
    bool is_new = false;
    TRY(job_add_tx(a->jobs, tx, &(struct job_spec){ .kind = "t.note" }, a->id, &is_new));
    return a->must_fail ? ERR(ERR_INVALID, "changed my mind") : OK;
}

/* If this fails, a job runs for data that was never stored. */
static void a_job_shares_the_fate_of_its_transaction(void **state)
{
    struct fixture *f = *state;
    struct add_in_tx a = { .jobs = f->jobs, .must_fail = true };
    assert_int_equal(store_write(f->store, add_in_tx, &a).code, ERR_INVALID);
    jobs_wake(f->jobs);
    struct job_info info;
    assert_int_equal(job_get(f->jobs, str_of(a.id), &f->mem, &info).code, ERR_NOT_FOUND);
    assert_string_equal(f->events, "");
    a.must_fail = false;
    assert_int_equal(store_write(f->store, add_in_tx, &a).code, ERR_NONE);
    jobs_wake(f->jobs);
    fixture_events_are(f, "job.queued");
    fixture_state_is(f, a.id, JOB_QUEUED);
}

/* ------------------------------------------------------------------ order */

static void higher_priority_first_then_older(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *payload;
        int priority;
    } adds[] = {
        { "{\"name\":\"b\"}", 0 },
        { "{\"name\":\"c\"}", 0 },
        { "{\"name\":\"d\"}", -10 },
        { "{\"name\":\"a\"}", 10 },
    };
    struct added added[COUNT_OF(adds)];
    for (size_t i = 0; i < COUNT_OF(adds); i++)
        added[i] = fixture_add(f, &(struct job_spec){ .kind = "t.note",
                                                      .payload = str_of(adds[i].payload),
                                                      .priority = adds[i].priority });
    struct added later = fixture_add(
        f, &(struct job_spec){ .kind = "t.note",
                               .priority = 10,
                               .payload = STR("{\"name\":\"later\"}"),
                               .not_before_ms = clock_wall_ms() + 3600000 });
    assert_int_equal(jobs_start(f->jobs, 1).code, ERR_NONE);
    for (size_t i = 0; i < COUNT_OF(adds); i++)
        fixture_wait_state(f, added[i].id, JOB_SUCCEEDED);
    assert_string_equal(f->trail, "a b c d");
    fixture_state_is(f, later.id, JOB_QUEUED);
}

/* If this fails, a command line verb starts other people's trainings. */
static void a_command_runs_its_job_and_what_that_needs(void **state)
{
    struct fixture *f = *state;
    struct added other = fixture_add(
        f, &(struct job_spec){
               .kind = "t.note", .priority = 10, .payload = STR("{\"name\":\"other\"}") });
    struct added a = fixture_note(f, "t.note", "{\"name\":\"a\"}");
    struct added b = fixture_add(f, &(struct job_spec){ .kind = "t.note",
                                                        .payload = STR("{\"name\":\"b\"}"),
                                                        .needs = (const char *[]){ a.id, NULL } });
    struct added c = fixture_add(
        f, &(struct job_spec){ .kind = "t.note",
                               .payload = STR("{\"name\":\"c\"}"),
                               .needs = (const char *[]){ b.id, a.id, NULL } });
    fixture_state_is(f, c.id, JOB_WAITING);
    assert_int_equal(fixture_run(f, c.id).state, JOB_SUCCEEDED);
    assert_string_equal(f->trail, "a b c");
    fixture_state_is(f, other.id, JOB_QUEUED);
}

static void put_off_jobs_run_when_due(void **state)
{
    struct fixture *f = *state;
    int64_t at_ms = clock_wall_ms() + 60;
    struct added a = fixture_add(f, &(struct job_spec){ .kind = "t.note", .not_before_ms = at_ms });
    struct job_info info = fixture_run(f, a.id);
    assert_int_equal(info.state, JOB_SUCCEEDED);
    assert_true(info.started_ms >= at_ms);
    /* The same with workers, that sleep until the keeper wakes them. */
    assert_int_equal(jobs_start(f->jobs, 2).code, ERR_NONE);
    at_ms = clock_wall_ms() + 60;
    struct added b = fixture_add(f, &(struct job_spec){ .kind = "t.note", .not_before_ms = at_ms });
    info = fixture_wait_state(f, b.id, JOB_SUCCEEDED);
    assert_true(info.started_ms >= at_ms);
}

static void a_kind_can_limit_how_many_run_at_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(jobs_start(f->jobs, 4).code, ERR_NONE);
    struct added a[3];
    for (int i = 0; i < 3; i++)
        a[i] = fixture_note(f, "t.gate", "{}");
    /* Others pass by while one waits at the gate. */
    for (int i = 0; i < 10; i++) {
        struct added n = fixture_note(f, "t.note", "{}");
        fixture_wait_state(f, n.id, JOB_SUCCEEDED);
    }
    fixture_gate(f, true);
    for (int i = 0; i < 3; i++)
        fixture_wait_state(f, a[i].id, JOB_SUCCEEDED);
    assert_int_equal(f->inside_max, 1);
}

/* ------------------------------------------------------------------ failure */

static void a_failed_try_is_repeated_with_the_same_run(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.fail", "{\"name\":\"x\",\"code\":\"busy\",\"until\":2}");
    struct job_info before = fixture_get(f, a.id);
    struct job_info info = fixture_run(f, a.id);
    assert_int_equal(info.state, JOB_SUCCEEDED);
    assert_int_equal(info.attempts, 3);
    assert_int_equal(info.error.len, 0);
    assert_true(str_eq(info.run_id, before.run_id));
    fixture_events_are(f, "job.queued job.started job.retried job.started job.retried "
                          "job.started job.succeeded");
}

/* Nobody but the keeper wakes a worker for a retry: the lease here is long, so nothing else does.
 */
static void workers_wake_up_for_a_retry(void **state)
{
    struct fixture *f = *state;
    jobs_close(f->jobs, 0);
    f->jobs = fixture_jobs(f, "one", 3600000, true);
    assert_int_equal(jobs_start(f->jobs, 2).code, ERR_NONE);
    struct added a = fixture_note(f, "t.fail", "{\"until\":2}");
    assert_int_equal(fixture_wait_state(f, a.id, JOB_SUCCEEDED).attempts, 3);
}

static void what_fails_for_good_can_be_replayed(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.fail", "{\"code\":\"io\"}");
    struct job_info info = fixture_run(f, a.id);
    assert_int_equal(info.state, JOB_FAILED);
    assert_int_equal(info.attempts, 3);
    assert_true(str_eq(info.error, STR("made to fail with io")));
    assert_true(str_eq(info.error_code, STR("io")));
    /* It is kept: the list of dead letters. */
    struct job_info *infos = NULL;
    size_t count = 0;
    assert_int_equal(
        job_list(f->jobs, &(struct job_filter){ .state = STR("failed") }, &f->mem, &infos, &count)
            .code,
        ERR_NONE);
    assert_int_equal(count, 1);
    assert_string_equal(infos[0].id, a.id);
    assert_int_equal(job_replay(f->jobs, str_of(a.id)).code, ERR_NONE);
    info = fixture_get(f, a.id);
    assert_int_equal(info.state, JOB_QUEUED);
    assert_int_equal(info.attempts, 0);
    assert_int_equal(info.error.len, 0);
    assert_int_equal(fixture_run(f, a.id).attempts, 3);
    /* Bad input is not tried again. */
    struct added b = fixture_note(f, "t.fail", "{\"code\":\"invalid\"}");
    info = fixture_run(f, b.id);
    assert_int_equal(info.state, JOB_FAILED);
    assert_int_equal(info.attempts, 1);
}

static void cancelled_without_being_asked_is_a_failure(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.claim", "{}");
    struct job_info info = fixture_run(f, a.id);
    assert_int_equal(info.state, JOB_FAILED);
    assert_true(info.error.len > 0);
}

static void the_time_of_a_try_ends(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.slow", "{}");
    struct job_info info = fixture_run(f, a.id);
    assert_int_equal(info.state, JOB_FAILED);
    assert_true(str_contains(info.error, STR("longer than the 1 s")));
}

static void a_result_is_kept_or_refused_aloud(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.result", "{\"bytes\":65536}");
    struct job_info info = fixture_run(f, a.id);
    assert_int_equal(info.state, JOB_SUCCEEDED);
    assert_int_equal(info.result.len, 65536);
    struct added b = fixture_note(f, "t.result", "{\"bytes\":65537}");
    info = fixture_run(f, b.id);
    assert_int_equal(info.state, JOB_FAILED);
    assert_true(str_contains(info.error, STR("artifact")));
}

/* ------------------------------------------------------------------ wishes */

static void jobs_that_nobody_runs_obey_at_once(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.note", "{\"name\":\"a\"}");
    str id = str_of(a.id);
    assert_int_equal(job_resume(f->jobs, id).code, ERR_CONFLICT);
    assert_int_equal(job_replay(f->jobs, id).code, ERR_CONFLICT);
    assert_int_equal(job_pause(f->jobs, id).code, ERR_NONE);
    fixture_state_is(f, a.id, JOB_PAUSED);
    assert_int_equal(job_pause(f->jobs, id).code, ERR_CONFLICT);
    /* A paused job is not run; waiting for it ends. */
    assert_int_equal(fixture_run(f, a.id).state, JOB_PAUSED);
    assert_int_equal(job_resume(f->jobs, id).code, ERR_NONE);
    fixture_state_is(f, a.id, JOB_QUEUED);
    assert_int_equal(job_stop(f->jobs, id).code, ERR_NONE);
    fixture_state_is(f, a.id, JOB_STOPPED);
    err e = job_stop(f->jobs, id);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.msg, "is stopped, so it cannot become stopped"));
    assert_int_equal(job_pause(f->jobs, id).code, ERR_CONFLICT);
    assert_int_equal(job_replay(f->jobs, id).code, ERR_NONE);
    assert_int_equal(fixture_run(f, a.id).state, JOB_SUCCEEDED);
    assert_int_equal(job_stop(f->jobs, id).code, ERR_CONFLICT);
    assert_int_equal(job_replay(f->jobs, id).code, ERR_CONFLICT);
    const char *const verbs[] = { "stop", "pause", "resume", "replay" };
    err (*const calls[])(struct jobs *, str) = { job_stop, job_pause, job_resume, job_replay };
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        assert_int_equal(calls[i](f->jobs, STR("ghost")).code, ERR_NOT_FOUND);
    fixture_events_are(f, "job.queued job.paused job.resumed job.stopped job.replayed "
                          "job.started job.succeeded");
}

static void running_jobs_are_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(jobs_start(f->jobs, 2).code, ERR_NONE);
    struct added a = fixture_note(f, "t.hold", "{}");
    fixture_wait_state(f, a.id, JOB_RUNNING);
    assert_int_equal(job_pause(f->jobs, str_of(a.id)).code, ERR_NONE);
    struct job_info info = fixture_wait_state(f, a.id, JOB_PAUSED);
    assert_int_equal(info.attempts, 0); /* a pause spends no try */
    assert_false(info.pause_wanted);
    assert_int_equal(job_resume(f->jobs, str_of(a.id)).code, ERR_NONE);
    fixture_wait_state(f, a.id, JOB_RUNNING);
    assert_int_equal(job_replay(f->jobs, str_of(a.id)).code, ERR_CONFLICT);
    assert_int_equal(job_stop(f->jobs, str_of(a.id)).code, ERR_NONE);
    assert_int_equal(job_wait(f->jobs, str_of(a.id), 30000, &f->mem, &info).code, ERR_NONE);
    assert_int_equal(info.state, JOB_STOPPED);
    assert_string_equal(f->trail, "");
}

/* What stands for itself in the list: its state, and whether it says when it changed. */
static void assert_news(struct fixture *f, int64_t after, const char *wanted, int64_t *ret_newest)
{
    struct job_news *news;
    size_t count;
    struct buf said;
    buf_init(&said, 1024);
    assert_int_equal(job_news_since(f->jobs, after, &f->mem, &news, &count).code, ERR_NONE);
    for (size_t i = 0; i < count; i++) {
        buf_add_fmt(&said, "%s%s ", job_state_name(news[i].info.state),
                    news[i].event_no ? "!" : "");
        assert_null(news[i].info.payload.ptr);
    }
    assert_true(str_eq(buf_str(&said), str_of(wanted)));
    buf_deinit(&said);
    assert_int_equal(job_news_newest(f->jobs, ret_newest).code, ERR_NONE);
}

static void who_follows_hears_of_changes_and_of_what_runs(void **state)
{
    struct fixture *f = *state;
    int64_t none, queued, running;
    assert_news(f, 0, "", &none);
    assert_int_equal(none, 0);
    struct added done = fixture_note(f, "t.note", "{}"), held = fixture_note(f, "t.hold", "{}");
    assert_news(f, 0, "queued! queued! ", &queued);
    fixture_run(f, done.id);
    assert_news(f, queued, "succeeded! ", &queued);
    assert_int_equal(jobs_start(f->jobs, 1).code, ERR_NONE);
    fixture_wait_state(f, held.id, JOB_RUNNING);
    assert_news(f, queued, "running! running ", &running);
    assert_true(running > queued);
    assert_news(f, running, "running ", &running);
}

static void waiting_has_an_end(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.note", "{}");
    struct job_info info;
    err e = job_wait(f->jobs, str_of(a.id), 30, &f->mem, &info);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_non_null(strstr(e.msg, "still queued"));
    assert_int_equal(job_wait(f->jobs, STR("ghost"), 30, &f->mem, &info).code, ERR_NOT_FOUND);
}

/* ------------------------------------------------------------------ needs */

static void what_stands_on_a_failure_fails_with_a_reason(void **state)
{
    struct fixture *f = *state;
    struct added base = fixture_note(f, "t.fail", "{\"code\":\"invalid\",\"name\":\"base\"}");
    struct added mid = fixture_add(
        f, &(struct job_spec){ .kind = "t.note",
                               .payload = STR("{\"name\":\"mid\"}"),
                               .needs = (const char *[]){ base.id, NULL } });
    struct added top = fixture_add(
        f, &(struct job_spec){ .kind = "t.note",
                               .payload = STR("{\"name\":\"top\"}"),
                               .needs = (const char *[]){ mid.id, base.id, NULL } });
    assert_int_equal(fixture_run(f, base.id).state, JOB_FAILED);
    struct job_info info = fixture_get(f, top.id);
    assert_int_equal(info.state, JOB_FAILED);
    assert_true(str_contains(info.error, str_of(base.id)));
    fixture_state_is(f, mid.id, JOB_FAILED);
    /* Nothing new can be put on top of it, and the middle cannot be replayed alone. */
    char id[UUID_BYTES];
    bool is_new = false;
    err e = job_add(
        f->jobs, &(struct job_spec){ .kind = "t.note", .needs = (const char *[]){ base.id, NULL } },
        id, &is_new);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_int_equal(job_replay(f->jobs, str_of(mid.id)).code, ERR_CONFLICT);
    /* Replaying the root brings all back. */
    assert_int_equal(job_replay(f->jobs, str_of(base.id)).code, ERR_NONE);
    fixture_state_is(f, mid.id, JOB_WAITING);
    fixture_state_is(f, top.id, JOB_WAITING);
    assert_int_equal(job_stop(f->jobs, str_of(base.id)).code, ERR_NONE);
    fixture_state_is(f, top.id, JOB_FAILED);
}

static void a_job_waits_for_all_it_needs(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.note", "{\"name\":\"a\"}");
    struct added b = fixture_note(f, "t.note", "{\"name\":\"b\"}");
    struct added c = fixture_add(
        f, &(struct job_spec){ .kind = "t.note",
                               .payload = STR("{\"name\":\"c\"}"),
                               .needs = (const char *[]){ a.id, b.id, a.id, NULL } });
    fixture_run(f, a.id);
    fixture_state_is(f, c.id, JOB_WAITING);
    assert_int_equal(job_pause(f->jobs, str_of(c.id)).code, ERR_NONE);
    assert_int_equal(job_resume(f->jobs, str_of(c.id)).code, ERR_NONE);
    fixture_state_is(f, c.id, JOB_WAITING);
    fixture_run(f, b.id);
    fixture_state_is(f, c.id, JOB_QUEUED);
    /* A need that is met already does not make anyone wait. */
    struct added d = fixture_add(
        f, &(struct job_spec){ .kind = "t.note", .needs = (const char *[]){ a.id, NULL } });
    fixture_state_is(f, d.id, JOB_QUEUED);
}

/* ------------------------------------------------------------------ looking */

static void lists_and_counts_agree(void **state)
{
    struct fixture *f = *state;
    struct added ok = fixture_note(f, "t.note", "{}");
    struct added bad = fixture_note(f, "t.fail", "{\"code\":\"invalid\"}");
    fixture_run(f, ok.id);
    fixture_run(f, bad.id);
    fixture_add(f, &(struct job_spec){ .kind = "t.note", .username = STR("ada") });
    struct added paused = fixture_note(f, "t.note", "{}");
    assert_int_equal(job_pause(f->jobs, str_of(paused.id)).code, ERR_NONE);
    static const struct {
        struct job_filter filter;
        size_t count;
    } cases[] = {
        { { .limit = 0 }, 4 },
        { { .state = STR_INIT("active") }, 2 },
        { { .state = STR_INIT("succeeded") }, 1 },
        { { .kind = STR_INIT("t.note") }, 3 },
        { { .kind = STR_INIT("t.note"), .state = STR_INIT("active") }, 2 },
        { { .username = STR_INIT("ada") }, 1 },
        { { .username = STR_INIT("nobody") }, 0 },
        { { .limit = 3 }, 3 },
        { { .limit = 3, .offset = 3 }, 1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job_info *infos = NULL;
        size_t count = 99;
        assert_int_equal(job_list(f->jobs, &cases[i].filter, &f->mem, &infos, &count).code,
                         ERR_NONE);
        assert_int_equal(count, cases[i].count);
        for (size_t k = 1; k < count; k++)
            assert_true(infos[k - 1].created_ms >= infos[k].created_ms);
    }
    struct job_info *infos = NULL;
    size_t count = 0;
    assert_int_equal(
        job_list(f->jobs, &(struct job_filter){ .state = STR("done") }, &f->mem, &infos, &count)
            .code,
        ERR_INVALID);
    struct job_counts counts;
    assert_int_equal(job_counts(f->jobs, STR_NONE, &counts).code, ERR_NONE);
    assert_int_equal(counts.by_state[JOB_SUCCEEDED], 1);
    assert_int_equal(counts.by_state[JOB_FAILED], 1);
    assert_int_equal(counts.by_state[JOB_QUEUED], 1);
    assert_int_equal(counts.by_state[JOB_PAUSED], 1);
    assert_int_equal(job_counts(f->jobs, STR("t.fail"), &counts).code, ERR_NONE);
    assert_int_equal(counts.by_state[JOB_SUCCEEDED], 0);
    assert_int_equal(counts.by_state[JOB_FAILED], 1);
}

static double metric_of(struct fixture *f, const char *family, const char *kind,
                        const char *state_name)
{
    for (const struct metric_family *m = jobs_metrics; m->name; m++) {
        if (strcmp(m->name, family) != 0)
            continue;
        str values[] = { str_of(kind), str_of(state_name) };
        return metric_value(metric_cell(f->metrics, m, values, state_name ? 2 : 1));
    }
    fail_msg("no family %s", family);
    return -1;
}

/* Changes are told by whichever thread tells already: perhaps a moment after the change. */
static void assert_metric(struct fixture *f, const char *family, const char *kind,
                          const char *state_name, double wanted)
{
    for (int i = 0; i < 5000 && metric_of(f, family, kind, state_name) != wanted; i++)
        clock_sleep_ms(1);
    assert_float_equal(metric_of(f, family, kind, state_name), wanted, 0);
}

/* If this fails, the dashboards and the history of a job tell stories. */
static void every_change_is_counted_and_written_down(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.fail", "{\"until\":1}");
    struct added b = fixture_note(f, "t.note", "{}");
    assert_metric(f, "skerry_jobs_waiting", "t.fail", NULL, 1);
    fixture_run(f, a.id);
    assert_metric(f, "skerry_jobs_waiting", "t.fail", NULL, 0);
    assert_metric(f, "skerry_jobs_waiting", "t.note", NULL, 1);
    assert_metric(f, "skerry_jobs_running", "t.fail", NULL, 0);
    assert_metric(f, "skerry_jobs_total", "t.fail", "queued", 2);
    assert_metric(f, "skerry_jobs_total", "t.fail", "running", 2);
    assert_metric(f, "skerry_jobs_total", "t.fail", "succeeded", 1);
    assert_metric(f, "skerry_job_seconds", "t.fail", NULL, 2);
    assert_metric(f, "skerry_job_wait_seconds", "t.fail", NULL, 2);

    struct job_event *events = NULL;
    size_t count = 0;
    assert_int_equal(job_events_list(f->jobs, str_of(a.id), &f->mem, &events, &count).code,
                     ERR_NONE);
    assert_int_equal(count, 5);
    assert_true(str_eq(events[0].event, STR("job.succeeded")) &&
                str_eq(events[0].from, STR("running")));
    assert_true(str_eq(events[2].event, STR("job.retried")) && str_eq(events[2].to, STR("queued")));
    assert_true(str_eq(events[2].detail, STR("made to fail with io")) && events[2].attempt == 1);
    assert_true(str_eq(events[4].event, STR("job.queued")) && events[4].from.len == 0);
    /* A later process goes on counting from what waits. */
    jobs_close(f->jobs, 1000);
    metrics_close(f->metrics);
    assert_int_equal(metrics_open(&f->metrics).code, ERR_NONE);
    assert_int_equal(metrics_register(f->metrics, jobs_metrics).code, ERR_NONE);
    f->jobs = fixture_jobs(f, "two", 0, true);
    assert_metric(f, "skerry_jobs_waiting", "t.note", NULL, 1);
    fixture_run(f, b.id);
    assert_metric(f, "skerry_jobs_waiting", "t.note", NULL, 0);
}

/* If this fails, a failed import leaves nothing to search for. */
static void every_change_is_a_log_line_of_its_run(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_add(f, &(struct job_spec){ .kind = "t.fail",
                                                        .payload = STR("{\"code\":\"invalid\"}"),
                                                        .username = STR("ada") });
    struct job_info info = fixture_run(f, a.id);
    static const char *const events[] = { "job.queued", "job.started", "job.failed" };
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        struct log_query query = { .run_id = info.run_id,
                                   .event = str_of(events[i]),
                                   .username = STR("ada"),
                                   .component = STR("test") };
        struct log_line *lines = NULL;
        size_t count = 0;
        assert_int_equal(log_search(f->log, &query, &f->mem, &lines, &count).code, ERR_NONE);
        assert_int_equal(count, 1);
        assert_true(str_contains(lines[0].json, str_of(a.id)));
        bool is_error = str_contains(lines[0].json, STR("\"level\":\"error\""));
        assert_int_equal(is_error, i == 2);
        assert_int_equal(str_contains(lines[0].json, STR("made to fail with invalid")), i == 2);
    }
}

struct ticks {
    int count;
    int64_t done;
    bool is_backward;
    double eta_s;
    struct fixture *f;
};

static void on_tick(void *arg, const struct job_info *info)
{
    struct ticks *t = arg;
    t->is_backward |= info->done < t->done;
    t->done = info->done;
    t->eta_s = info->eta_s;
    if (++t->count >= 8 && info->state == JOB_RUNNING)
        assert_int_equal(job_stop(t->f->jobs, str_of(info->id)).code, ERR_NONE);
}

/* If this fails, a progress bar stands still, or Ctrl-C does nothing. */
static void progress_and_eta_are_told_while_it_runs(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.hold", "{}");
    struct ticks t = { .f = f, .eta_s = -1 };
    struct job_info info;
    assert_int_equal(jobs_run_until(f->jobs, str_of(a.id), on_tick, &t, &f->mem, &info).code,
                     ERR_NONE);
    assert_int_equal(info.state, JOB_STOPPED);
    assert_true(t.count >= 8 && t.done > 0 && !t.is_backward);
    assert_true(t.eta_s > 0);
    assert_true(info.done >= t.done && info.total == 1000000);
}

static void old_jobs_are_forgotten_but_not_needed_ones(void **state)
{
#define TWO "job.queued job.queued job.started job.succeeded job.started job.succeeded"
#define THREE TWO " job.queued job.started job.succeeded"
    struct fixture *f = *state;
    struct added gone = fixture_note(f, "t.note", "{}");
    struct added kept = fixture_note(f, "t.note", "{}");
    fixture_run(f, gone.id);
    fixture_run(f, kept.id);
    fixture_events_are(f, TWO);
    struct added top = fixture_add(
        f, &(struct job_spec){ .kind = "t.note", .needs = (const char *[]){ kept.id, NULL } });
    int64_t removed = 0;
    assert_int_equal(jobs_purge(f->jobs, clock_wall_ms() - 60000, &removed).code, ERR_NONE);
    assert_int_equal(removed, 0);
    assert_int_equal(jobs_purge(f->jobs, clock_wall_ms() + 1, &removed).code, ERR_NONE);
    assert_int_equal(removed, 1);
    struct job_info info;
    assert_int_equal(job_get(f->jobs, str_of(gone.id), &f->mem, &info).code, ERR_NOT_FOUND);
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM job_events WHERE job_id NOT IN (SELECT id FROM jobs)"),
        0);
    /* Events of what comes after are still told. */
    fixture_run(f, top.id);
    fixture_events_are(f, THREE);
    assert_int_equal(jobs_purge(f->jobs, clock_wall_ms() + 1, &removed).code, ERR_NONE);
    assert_int_equal(removed, 2);
    fixture_note(f, "t.note", "{}");
    fixture_events_are(f, THREE " job.queued");
}

/* ------------------------------------------------------------------ shutdown */

static void shutdown_puts_running_jobs_back(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(jobs_start(f->jobs, 1).code, ERR_NONE);
    struct added a = fixture_note(f, "t.hold", "{}");
    fixture_wait_state(f, a.id, JOB_RUNNING);
    for (int i = 0; i < 3000 && fixture_get(f, a.id).done < 10; i++)
        clock_sleep_ms(10);
    fixture_reopen(f, "one", true);
    struct job_info info = fixture_get(f, a.id);
    assert_int_equal(info.state, JOB_QUEUED);
    assert_int_equal(info.attempts, 0);
    assert_true(info.done >= 10); /* progress is kept */
    assert_non_null(strstr(f->events, "job.requeued"));
}

static void nonsense_kinds_and_workers_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct job_kind twice[] = { { .name = "a" }, { .name = "a" }, { 0 } };
    const struct job_kind *tables[] = { twice };
    struct jobs *j = NULL;
    assert_int_equal(jobs_open(&(struct jobs_options){ .store = f->store }, tables, 1, &j).code,
                     ERR_CONFLICT);
    assert_null(j);
    assert_int_equal(jobs_start(f->jobs, 0).code, ERR_INVALID);
    assert_int_equal(jobs_start(f->jobs, 65).code, ERR_INVALID);
    assert_int_equal(jobs_start(f->jobs, 1).code, ERR_NONE);
    assert_int_equal(jobs_start(f->jobs, 1).code, ERR_CONFLICT);
    assert_non_null(jobs_kind(f->jobs, STR("t.note")));
    assert_null(jobs_kind(f->jobs, STR("t.not")));
    jobs_close(NULL, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_job_is_stored_and_run),
        T(bad_specs_are_refused),
        T(a_key_is_one_unfinished_job),
        T(a_run_id_belongs_to_one_job),
        T(a_full_queue_says_busy),
        T(a_job_shares_the_fate_of_its_transaction),
        T(higher_priority_first_then_older),
        T(a_command_runs_its_job_and_what_that_needs),
        T(put_off_jobs_run_when_due),
        T(a_kind_can_limit_how_many_run_at_once),
        T(a_failed_try_is_repeated_with_the_same_run),
        T(workers_wake_up_for_a_retry),
        T(what_fails_for_good_can_be_replayed),
        T(cancelled_without_being_asked_is_a_failure),
        T(the_time_of_a_try_ends),
        T(a_result_is_kept_or_refused_aloud),
        T(jobs_that_nobody_runs_obey_at_once),
        T(running_jobs_are_told),
        T(who_follows_hears_of_changes_and_of_what_runs),
        T(waiting_has_an_end),
        T(what_stands_on_a_failure_fails_with_a_reason),
        T(a_job_waits_for_all_it_needs),
        T(lists_and_counts_agree),
        T(every_change_is_counted_and_written_down),
        T(every_change_is_a_log_line_of_its_run),
        T(progress_and_eta_are_told_while_it_runs),
        T(old_jobs_are_forgotten_but_not_needed_ones),
        T(shutdown_puts_running_jobs_back),
        T(nonsense_kinds_and_workers_are_refused),
    };
    return cmocka_run_group_tests_name("job queue", tests, NULL, NULL);
}
