/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs of jobs: do tries share one run, and does a run tell the truth about its job? */
#include "track_fixture.h"

#include "base/clock.h"
#include "platform/jobs/jobs_internal.h"

struct job_fixture {
    struct fixture base;
    struct jobs *jobs;
    char seen[4][HEX_ID_BYTES]; /* run ids, in the order of the tries */
    int tries;
    struct dataset_info made; /* in state building */
};

static err flaky(struct run *r, const struct json *payload)
{
    struct job_fixture *f = run_ctx(r);
    int64_t fails = json_int(json_get(payload, "fails"), 0);
    memcpy(f->seen[f->tries++ % 4], run_id(r), HEX_ID_BYTES);
    TRY(run_param(r, "seed", STR("7")));
    TRY(run_metric(r, "tries", f->tries, f->tries));
    if (run_attempt(r) > 1)
        TRY(run_param(r, "seed", json_get(payload, "change") ? STR("8") : STR("7")));
    TRY(run_artifact(r, "checkpoint", STR("state")));
    if (f->tries <= fails)
        return ERR(ERR_IO, "the disk hiccuped");
    run_progress(r, 1, 1);
    return run_result(r, STR("{\"done\":true}"));
}

static err hold(struct run *r, const struct json *payload)
{
    struct job_fixture *f = run_ctx(r);
    memcpy(f->seen[f->tries++ % 4], run_id(r), HEX_ID_BYTES);
    err e;
    while (!(e = run_check(r)).code)
        clock_sleep_ms(1);
    return e;
}

static err usurp_tx(struct store_tx *tx, void *arg)
{
    (void)arg;
    return store_exec(tx, "UPDATE jobs SET lease_no = lease_no + 1, worker = 'another'", NO_ARGS,
                      NULL);
}

/* While it works, its job is given to another: as after a pause, or a cut cable. */
static err usurped(struct run *r, const struct json *payload)
{
    struct job_fixture *f = run_ctx(r);
    struct fixture *b = &f->base;
    struct dataset_info made = f->made;
    struct blob_info blob = fixture_blob(b, STR("bytes"));
    struct model_version_info model;
    (void)payload;
    assert_ok(run_artifact(r, "checkpoint", STR("mine")));
    assert_ok(store_write(b->store, usurp_tx, NULL));
    assert_err(run_artifact(r, "checkpoint", STR("late")), ERR_CONFLICT);
    assert_err(run_artifact(r, "more", STR("late")), ERR_CONFLICT);
    assert_err(run_dataset_in(r, str_of(made.id), "x"), ERR_CONFLICT);
    struct dataset_result built = { .blob = blob, .rows = 1, .job = run_job(r) };
    assert_err(dataset_finish(b->track, str_of(made.id), &built), ERR_CONFLICT);
    assert_err(dataset_fail(b->track, run_job(r), str_of(made.id), STR("late")), ERR_CONFLICT);
    struct model_spec spec = { .name = STR("m"), .kind = "k", .blob = blob, .job = run_job(r) };
    assert_err(model_register(b->track, &spec, &b->mem, &model), ERR_CONFLICT);
    blob_unpin(b->blobs, &blob.id);
    TRY(run_metric(r, "late", 1, 1));
    assert_err(run_flush(r), ERR_CONFLICT);
    return run_check(r);
}

static const struct job_kind kinds[] = {
    { .name = "t.flaky",
      .help = "Fails some times.",
      .component = "testing",
      .run = flaky,
      .tries_max = 3 },
    { .name = "t.hold", .help = "Works until asked to stop.", .component = "testing", .run = hold },
    { .name = "t.usurped", .help = "Loses its job.", .component = "testing", .run = usurped },
    { 0 },
};

/* What platform/app does with a job. */
static err execute(void *arg, struct job *job, const struct job_kind *kind)
{
    struct job_fixture *f = arg;
    struct run *r = NULL;
    const struct json *payload = NULL;
    TRY(run_begin(f->base.track, &(struct run_options){ .job = job }, &r));
    err e = json_parse(run_arena(r), job_payload(job), &payload);
    if (!e.code)
        e = kind->run(r, payload);
    err ended = run_end(r, &e);
    return err_first(e, ended);
}

static void jobs_begin(struct job_fixture *f)
{
    const struct job_kind *const tables[] = { kinds };
    assert_ok(jobs_open(&(struct jobs_options){ .store = f->base.store,
                                                .worker = "test:1",
                                                .sole_worker = true,
                                                .execute = execute,
                                                .arg = f,
                                                .retry_base_ms = 1 },
                        tables, 1, &f->jobs));
}

static int j_init(void **state)
{
    struct job_fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    fixture_folder(&f->base);
    assert_ok(fixture_try_open(&f->base));
    jobs_begin(f);
    *state = f;
    return 0;
}

static int j_deinit(void **state)
{
    struct job_fixture *f = *state;
    jobs_close(f->jobs, 5000);
    *state = &f->base;
    return fixture_deinit(state);
}

static struct job_info do_job(struct job_fixture *f, const char *payload)
{
    char id[UUID_BYTES];
    bool is_new;
    struct job_info info;
    assert_ok(job_add(
        f->jobs,
        &(struct job_spec){ .kind = "t.flaky", .payload = str_of(payload), .username = STR("ada") },
        id, &is_new));
    assert_ok(jobs_run_until(f->jobs, str_of(id), NULL, NULL, &f->base.mem, &info));
    return info;
}

/* If each try had a run of its own, the id that the caller was given would show a failure for ever.
 */
static void tries_share_one_run(void **state)
{
    struct job_fixture *f = *state;
    struct job_info job = do_job(f, "{\"fails\":2}");
    assert_int_equal(job.state, JOB_SUCCEEDED);
    assert_int_equal(f->tries, 3);
    assert_string_equal(f->seen[0], f->seen[1]);
    assert_string_equal(f->seen[0], f->seen[2]);
    assert_true(str_eq(job.run_id, str_of(f->seen[0])));
    assert_true(str_eq(job.result, STR("{\"done\":true}")));
    struct run_info run;
    assert_ok(track_run_get(f->base.track, job.run_id, &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "FINISHED");
    assert_string_equal(run.component.ptr, "testing");
    assert_string_equal(run.username.ptr, "ada");
    assert_string_equal(run.job_kind.ptr, "t.flaky");
    assert_string_equal(run.job_id.ptr, job.id);
    assert_int_equal(run.error.len, 0);
    assert_int_equal(run.attempts, 3);
    assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM runs"), 1);
    assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM metrics"), 3);
    assert_int_equal(fixture_logged(&f->base, "run.failed", NULL), 2);
    assert_true(
        fixture_exposed(&f->base, "skerry_runs_total{component=\"testing\",status=\"FAILED\"} 2"));
    assert_true(fixture_exposed(&f->base,
                                "skerry_runs_total{component=\"testing\",status=\"FINISHED\"} 1"));
}

/* A worker that was thought dead comes back: nothing of it may be seen but what it did in its time.
 */
static void who_lost_its_job_changes_nothing(void **state)
{
    struct job_fixture *f = *state;
    struct fixture *b = &f->base;
    char id[UUID_BYTES];
    bool is_new, worked = false;
    struct job_info info;
    assert_ok(dataset_create(b->track, &(struct dataset_spec){ .name = STR("d"), .kind = "k" },
                             &b->mem, &f->made));
    assert_ok(job_add(f->jobs, &(struct job_spec){ .kind = "t.usurped" }, id, &is_new));
    assert_ok(jobs_work_once(f->jobs, STR_NONE, &worked));
    assert_true(worked);
    assert_ok(job_get(f->jobs, str_of(id), &b->mem, &info));
    assert_int_equal(info.state, JOB_RUNNING); /* the other's */
    struct run_info run;
    assert_ok(track_run_get(b->track, info.run_id, &b->mem, &run));
    assert_string_equal(run.status.ptr, "RUNNING"); /* not FAILED by who is gone */
    assert_int_equal(run.error.len, 0);
    assert_int_equal(fixture_logged(b, "run.lost", NULL), 1);
    assert_int_equal(fixture_logged(b, "run.failed", NULL), 0);
    assert_int_equal(fixture_int(b, "SELECT COUNT(*) FROM artifacts"), 1);
    assert_int_equal(fixture_int(b, "SELECT COUNT(*) FROM metrics"), 0);
    assert_int_equal(fixture_int(b, "SELECT COUNT(*) FROM run_assets"), 0);
    assert_int_equal(fixture_int(b, "SELECT COUNT(*) FROM model_versions"), 0);
    assert_int_equal(fixture_int(b, "SELECT COUNT(*) FROM datasets WHERE state = 'building'"), 1);
    arena keep;
    str bytes;
    struct artifact_info artifact;
    arena_init(&keep, 1024 * 1024);
    assert_ok(track_artifact_get(b->track, info.run_id, STR("checkpoint"), &keep, &artifact));
    assert_ok(blob_get(b->blobs, &artifact.blob, &keep, 100, &bytes));
    assert_true(str_eq(bytes, STR("mine")));
    arena_deinit(&keep);
}

static void params_of_an_earlier_try_bind(void **state)
{
    struct job_fixture *f = *state;
    struct job_info job = do_job(f, "{\"fails\":1,\"change\":1}");
    assert_int_equal(job.state, JOB_FAILED);
    struct run_info run;
    assert_ok(track_run_get(f->base.track, job.run_id, &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "FAILED");
    assert_true(str_contains(run.error, STR("params do not change")));
    assert_int_equal(fixture_int(&f->base, "SELECT COUNT(*) FROM params WHERE value = '7'"), 1);
}

struct planned {
    struct job_fixture *f;
    struct job_spec job;
    char id[UUID_BYTES];
};

static err plan_tx(struct store_tx *tx, void *arg)
{
    struct planned *p = arg;
    bool is_new;
    TRY(job_add_tx(p->f->jobs, tx, &p->job, p->id, &is_new));
    return track_run_schedule_tx(p->f->base.track, tx,
                                 &(struct run_plan){ .run_id = p->job.run_id,
                                                     .job_id = str_of(p->id),
                                                     .job_kind = p->job.kind,
                                                     .component = "testing",
                                                     .username = p->job.username });
}

/* The reply to a request names the run before a worker has taken the job: the name must be good at
 * once. */
static void a_planned_run_is_there_before_its_job_runs(void **state)
{
    struct job_fixture *f = *state;
    char run_id_text[HEX_ID_BYTES];
    rand_hex_id(run_id_text);
    struct planned p = { .f = f,
                         .job = { .kind = "t.flaky",
                                  .payload = STR("{}"),
                                  .run_id = str_of(run_id_text),
                                  .username = STR("bob") } };
    assert_ok(store_write(f->base.store, plan_tx, &p));
    struct run_info run;
    assert_ok(track_run_get(f->base.track, str_of(run_id_text), &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "SCHEDULED");
    assert_int_equal(run.start_ms, 0);
    assert_int_equal(run.attempts, 0);
    struct job_info job;
    assert_ok(jobs_run_until(f->jobs, str_of(p.id), NULL, NULL, &f->base.mem, &job));
    assert_string_equal(f->seen[0], run_id_text);
    assert_ok(track_run_get(f->base.track, str_of(run_id_text), &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "FINISHED");
    assert_true(run.start_ms > 0);
    assert_int_equal(run.attempts, 1);
    p.job.run_id = STR("not hex");
    assert_err(store_write(f->base.store, plan_tx, &p), ERR_INVALID);
}

static struct run_info held_run(struct job_fixture *f, char id[UUID_BYTES])
{
    bool is_new;
    struct run_info *runs;
    size_t count = 0;
    assert_ok(job_add(f->jobs, &(struct job_spec){ .kind = "t.hold", .payload = STR("{}") }, id,
                      &is_new));
    for (int i = 0; i < 2000 && count == 0; i++) {
        assert_ok(track_run_list(f->base.track, &(struct run_filter){ .status = STR("RUNNING") },
                                 &f->base.mem, &runs, &count));
        clock_sleep_ms(5);
    }
    assert_int_equal(count, 1);
    return runs[0];
}

static void pausing_and_stopping_show_in_the_run(void **state)
{
    struct job_fixture *f = *state;
    char id[UUID_BYTES];
    struct job_info job;
    struct run_info run;
    assert_ok(jobs_start(f->jobs, 1));
    run = held_run(f, id);
    assert_ok(job_pause(f->jobs, str_of(id)));
    assert_ok(job_wait(f->jobs, str_of(id), 10000, &f->base.mem, &job));
    assert_int_equal(job.state, JOB_PAUSED);
    assert_ok(track_run_get(f->base.track, run.run_id, &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "SCHEDULED");
    assert_int_equal(run.end_ms, 0);
    assert_int_equal(run.error.len, 0);
    assert_ok(job_resume(f->jobs, str_of(id)));
    struct run_info *runs;
    size_t count = 0;
    for (int i = 0; i < 2000 && count == 0; i++) {
        assert_ok(track_run_list(f->base.track, &(struct run_filter){ .status = STR("RUNNING") },
                                 &f->base.mem, &runs, &count));
        clock_sleep_ms(5);
    }
    assert_int_equal(count, 1);
    assert_true(str_eq(runs[0].run_id, run.run_id)); /* it went on, it did not begin anew */
    assert_ok(job_stop(f->jobs, str_of(id)));
    assert_ok(job_wait(f->jobs, str_of(id), 10000, &f->base.mem, &job));
    assert_int_equal(job.state, JOB_STOPPED);
    assert_ok(track_run_get(f->base.track, run.run_id, &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "KILLED");
}

static void shutting_down_leaves_the_run_scheduled(void **state)
{
    struct job_fixture *f = *state;
    char id[UUID_BYTES];
    struct run_info run;
    assert_ok(jobs_start(f->jobs, 1));
    run = held_run(f, id);
    jobs_close(f->jobs, 10000);
    jobs_begin(f);
    assert_ok(track_run_get(f->base.track, run.run_id, &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "SCHEDULED");
}

static err as_killed(struct store_tx *tx, void *arg)
{
    return store_exec(tx, "UPDATE runs SET status = 'RUNNING', end_ms = NULL", NO_ARGS, NULL);
}

/* After a crash: a run whose job will run again waits for it; one whose job is over has failed. */
static void only_runs_without_a_future_are_failed_at_open(void **state)
{
    struct job_fixture *f = *state;
    char waiting[HEX_ID_BYTES], orphan[HEX_ID_BYTES];
    struct job_info done = do_job(f, "{}");
    rand_hex_id(waiting);
    struct planned p = {
        .f = f, .job = { .kind = "t.flaky", .payload = STR("{}"), .run_id = str_of(waiting) }
    };
    assert_ok(store_write(f->base.store, plan_tx, &p));
    struct run *r = fixture_run(&f->base, "testing");
    memcpy(orphan, run_id(r), sizeof orphan);
    fixture_end(r, ERR_NONE);
    assert_ok(store_write(f->base.store, as_killed, NULL));

    track_close(f->base.track);
    assert_ok(track_open(&(struct track_options){ .store = f->base.store,
                                                  .blobs = f->base.blobs,
                                                  .log = f->base.log,
                                                  .metrics = f->base.metrics,
                                                  .jobs = f->jobs,
                                                  .sole_worker = true,
                                                  .ctx = f },
                         &f->base.track));
    struct run_info run;
    assert_ok(track_run_get(f->base.track, str_of(waiting), &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "RUNNING");
    assert_ok(track_run_get(f->base.track, done.run_id, &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "FAILED");
    assert_true(str_contains(run.error, STR("the process ended")));
    assert_ok(track_run_get(f->base.track, str_of(orphan), &f->base.mem, &run));
    assert_string_equal(run.status.ptr, "FAILED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, j_init, j_deinit)
        T(tries_share_one_run),
        T(who_lost_its_job_changes_nothing),
        T(params_of_an_earlier_try_bind),
        T(a_planned_run_is_there_before_its_job_runs),
        T(pausing_and_stopping_show_in_the_run),
        T(shutting_down_leaves_the_run_scheduled),
        T(only_runs_without_a_future_are_failed_at_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
