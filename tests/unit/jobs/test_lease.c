/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two workers and one job: if these fail, work is done twice, or not at all, after a machine hung.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "jobs_fixture.h"

/* A job taken by hand, as a worker would, at a time of our choosing. */
struct taken {
    struct job job;
    bool is_taken;
};

static struct taken *take(struct fixture *f, struct jobs *j, int64_t now_ms)
{
    struct taken *t = NEW(&f->mem, struct taken);
    assert_non_null(t);
    arena_init(&t->job.mem, JOB_ARENA_BYTES);
    struct job_claim claim = { .kinds = j->kinds, .kind_count = j->kind_count, .now_ms = now_ms };
    t->job.jobs = j;
    err e = job_claim(j, &claim, &t->job, &t->is_taken);
    if (e.code)
        fail_msg("%s", e.msg);
    return t;
}

static void drop(struct taken *t)
{
    arena_deinit(&t->job.mem);
}

struct effect {
    struct job *job;
    int64_t step;
};

static err effect_write(struct store_tx *tx, void *arg)
{
    struct effect *x = arg;
    char cursor[32];
    snprintf(cursor, sizeof(cursor), "{\"step\":%d}", (int)x->step);
    TRY(store_exec(tx, "INSERT INTO effects (job_id, step) VALUES (?1, ?2)",
                   ARGS(sql_cstr(job_id(x->job)), sql_int(x->step)), NULL));
    return job_cursor_save(x->job, tx, str_of(cursor));
}

static enum err_code effect(struct fixture *f, struct taken *t, int64_t step)
{
    struct effect x = { &t->job, step };
    return store_write(f->store, effect_write, &x).code;
}

static struct job_beat beat(struct jobs *j, const struct taken *t, int64_t now_ms)
{
    struct job_beat b = { .lease_no = t->job.lease_no, .done = 7, .total = 9, .eta_s = 1.5 };
    snprintf(b.id, sizeof(b.id), "%s", t->job.info.id);
    assert_int_equal(job_beat_all(j, &b, 1, now_ms).code, ERR_NONE);
    return b;
}

static void a_silent_worker_loses_its_job_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct jobs *other = fixture_jobs(f, "two", 1000, false);
    struct added a = fixture_note(f, "t.steps", "{\"count\":3}");
    int64_t now_ms = clock_wall_ms();
    struct taken *first = take(f, f->jobs, now_ms); /* 30 s, less half a second */
    assert_true(first->is_taken);
    assert_int_equal(effect(f, first, 1), ERR_NONE);
    assert_false(take(f, other, now_ms)->is_taken); /* it is held */

    /* While the lease lasts nobody takes it; a renewal makes it last longer. */
    size_t count = 99;
    assert_int_equal(jobs_reap(other, now_ms + 29500, STR_NONE, now_ms + 29500, &count).code,
                     ERR_NONE);
    assert_int_equal(count, 0);
    assert_false(beat(f->jobs, first, now_ms + 20000).is_lost);
    assert_int_equal(jobs_reap(other, now_ms + 49500, STR_NONE, now_ms + 49500, &count).code,
                     ERR_NONE);
    assert_int_equal(count, 0);
    struct job_info info = fixture_get(f, a.id);
    assert_int_equal(info.done, 7);
    assert_int_equal(info.total, 9);
    assert_int_equal(info.lease_until_ms, now_ms + 49500);

    /* Then it is silent for too long, and another goes on where it was. */
    assert_int_equal(jobs_reap(other, now_ms + 49501, STR_NONE, now_ms + 49501, &count).code,
                     ERR_NONE);
    assert_int_equal(count, 1);
    fixture_state_is(f, a.id, JOB_QUEUED);
    struct taken *second = take(f, other, now_ms + 50002);
    assert_true(second->is_taken);
    assert_true(str_eq(job_cursor(&second->job), STR("{\"step\":1}")));

    /* The first wakes up: every way to change something is closed. */
    assert_int_equal(effect(f, first, 2), ERR_CONFLICT);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM effects"), 1);
    assert_int_equal(job_check(&first->job).code, ERR_CONFLICT);
    assert_true(beat(f->jobs, first, now_ms + 50003).is_lost);
    err ok = OK;
    assert_int_equal(job_finish(&first->job, &ok, now_ms + 50004).code, ERR_CONFLICT);
    fixture_state_is(f, a.id, JOB_RUNNING);

    assert_int_equal(effect(f, second, 2), ERR_NONE);
    assert_int_equal(job_finish(&second->job, &ok, now_ms + 50005).code, ERR_NONE);
    fixture_state_is(f, a.id, JOB_SUCCEEDED);
    assert_int_equal(effect(f, second, 3), ERR_CONFLICT); /* finished is finished */
    drop(first);
    drop(second);
    jobs_close(other, 1000);
}

/* The whole way, with threads: the work does not answer, its time ends, another worker does it. */
static void work_that_hangs_is_done_by_another(void **state)
{
    struct fixture *f = *state;
    struct jobs *other = fixture_jobs(f, "two", 200, false);
    jobs_close(f->jobs, 1000);
    f->jobs = fixture_jobs(f, "one", 200, false);
    assert_int_equal(jobs_start(f->jobs, 1).code, ERR_NONE);
    struct added a = fixture_note(f, "t.deaf", "{\"name\":\"done\"}");
    fixture_wait_state(f, a.id, JOB_RUNNING);
    assert_int_equal(jobs_start(other, 1).code, ERR_NONE);
    for (int i = 0; i < 3000 && fixture_get(f, a.id).attempts < 2; i++)
        clock_sleep_ms(10);
    assert_int_equal(fixture_wait_state(f, a.id, JOB_RUNNING).attempts, 2);
    fixture_gate(f, true); /* both go on: the hung one and its successor */
    fixture_wait_state(f, a.id, JOB_SUCCEEDED);
    jobs_close(other, 5000);
    jobs_close(f->jobs, 5000);
    f->jobs = fixture_jobs(f, "one", 0, true);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM effects"), 1);
    assert_string_equal(f->trail, "done");
}

/* A process that tells its name and lives until its pipe is closed. */
struct other_process {
    pid_t pid;
    int life;
    char name[PROCESS_NAME_BYTES];
};

static struct other_process process_begin(void)
{
    int life[2], told[2];
    assert_int_equal(pipe(life), 0);
    assert_int_equal(pipe(told), 0);
    struct other_process p = { .pid = fork(), .life = life[1] };
    assert_true(p.pid >= 0);
    if (p.pid == 0) {
        char label[64], c;
        close(life[1]);
        snprintf(label, sizeof(label), "here:%d", (int)getpid());
        process_name(label, p.name);
        ssize_t done = write(told[1], p.name, sizeof(p.name));
        done += read(life[0], &c, 1);
        _exit(done < 0);
    }
    close(life[0]);
    assert_int_equal(read(told[0], p.name, sizeof(p.name)), sizeof(p.name));
    close(told[0]);
    close(told[1]);
    return p;
}

static void a_process_is_known_by_more_than_its_number(void **state)
{
    (void)state;
    char label[64], own[PROCESS_NAME_BYTES], name[PROCESS_NAME_BYTES];
    snprintf(label, sizeof(label), "here:%d", (int)getpid());
    process_name(label, own);
    assert_non_null(strchr(own, '@'));
    assert_false(process_is_dead(str_of(own), str_of(own)));
    struct other_process p = process_begin();
    assert_false(process_is_dead(str_of(p.name), str_of(own)));
    snprintf(name, sizeof(name), "here:%d@1", (int)p.pid); /* the number came back */
    assert_true(process_is_dead(str_of(name), str_of(own)));
    assert_false(process_is_dead(str_of(name), STR("there:1@1"))); /* not ours to judge */
    snprintf(label, sizeof(label), "here:%d", (int)p.pid);
    process_name(label, name);
    assert_string_equal(name, label); /* nor ours to name */
    close(p.life);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)p.pid, &info, WEXITED | WNOWAIT), 0);
    assert_true(process_is_dead(str_of(p.name), str_of(own))); /* before its parent has looked */
    assert_int_equal(waitpid(p.pid, NULL, 0), p.pid);
    assert_true(process_is_dead(str_of(p.name), str_of(own))); /* and after */
    static const char *const unknown[] = {
        "one", "", ":1@1", "here:x@1", "here:1@x", "here:1", "here:0@1", "here:1@-1",
    };
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        assert_false(process_is_dead(str_of(unknown[i]), str_of(own)));
}

/* A command and a server share a store: whoever starts must leave the living alone, and must not
 * wait for the dead. */
static void leases_of_dead_processes_are_dropped_at_once(void **state)
{
    struct fixture *f = *state;
    struct other_process p = process_begin();
    char label[64], own[PROCESS_NAME_BYTES];
    snprintf(label, sizeof(label), "here:%d", (int)getpid());
    struct jobs *server = fixture_jobs(f, label, 0, false);
    snprintf(own, sizeof(own), "%s", server->worker);
    /* Four workers take a job each: we, another that lives, one that died, and a machine elsewhere.
     */
    char dead[64], far[64];
    snprintf(dead, sizeof(dead), "here:%d@1", (int)p.pid);
    snprintf(far, sizeof(far), "there:%d@1", (int)p.pid);
    const char *const workers[] = { own, p.name, dead, far };
    struct added jobs[COUNT_OF(workers)];
    for (size_t i = 0; i < COUNT_OF(workers); i++) {
        jobs[i] = fixture_note(f, "t.steps", "{}");
        snprintf(server->worker, sizeof(server->worker), "%s", workers[i]);
        struct taken *t = take(f, server, clock_wall_ms());
        assert_true(t->is_taken);
        drop(t);
    }
    struct jobs *verb = fixture_jobs(f, label, 0, false);
    for (size_t i = 0; i < COUNT_OF(workers); i++)
        fixture_state_is(f, jobs[i].id, workers[i] == dead ? JOB_QUEUED : JOB_RUNNING);
    jobs_close(verb, 0);
    close(p.life);
    assert_int_equal(waitpid(p.pid, NULL, 0), p.pid);
    verb = fixture_jobs(f, label, 0, false);
    fixture_state_is(f, jobs[1].id, JOB_QUEUED);
    fixture_state_is(f, jobs[3].id, JOB_RUNNING);
    jobs_close(verb, 0);
    jobs_close(server, 0);
}

static err bind_elsewhere(struct store_tx *tx, void *arg)
{
    (void)arg;
    return store_exec(tx, "UPDATE jobs SET place = 'elsewhere'", NO_ARGS, NULL);
}

static void a_restored_store_waits_for_nobody(void **state)
{
    struct fixture *f = *state;
    struct jobs *old = fixture_jobs(f, "far~0123456789abcdef:12@34", 3600 * 1000, false);
    struct added bound = fixture_add(
        f, &(struct job_spec){ .kind = "t.note", .payload = STR("{\"name\":\"b\"}") });
    struct added ended = fixture_note(f, "t.claim", "{}");
    struct taken *t = take(f, old, clock_wall_ms());
    assert_true(t->is_taken);
    drop(t);
    assert_int_equal(store_write(f->store, bind_elsewhere, NULL).code, ERR_NONE);
    for (int i = 0; i < 2; i++)
        assert_int_equal(jobs_adopt(f->store, f->jobs->options.self.place, "t.claim").code,
                         ERR_NONE);
    assert_int_equal(jobs_start(f->jobs, 1).code, ERR_NONE);
    fixture_wait_state(f, bound.id, JOB_SUCCEEDED);
    fixture_wait_state(f, ended.id, JOB_STOPPED);
    assert_string_equal(f->trail, "b");
    jobs_close(old, 0);
}

static void a_job_that_kills_the_process_ends_as_failed(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.steps", "{}");
    struct added top = fixture_add(
        f, &(struct job_spec){ .kind = "t.note", .needs = (const char *[]){ a.id, NULL } });
    for (int i = 1; i <= 3; i++) {
        struct taken *t = take(f, f->jobs, clock_wall_ms());
        assert_true(t->is_taken);
        assert_int_equal(t->job.info.attempts, i);
        drop(t);
        fixture_reopen(f, "one", true); /* "the process died": nobody finished it */
        fixture_state_is(f, a.id, i < 3 ? JOB_QUEUED : JOB_FAILED);
    }
    struct job_info info = fixture_get(f, a.id);
    assert_true(str_contains(info.error, STR("3 in a row without progress; given up")));
    fixture_state_is(f, top.id, JOB_FAILED);
    assert_int_equal(job_replay(f->jobs, str_of(a.id)).code, ERR_NONE);
    assert_int_equal(fixture_run(f, top.id).state, JOB_SUCCEEDED);
}

/* If this fails, a long import on an unreliable machine never comes to its end. */
static void a_job_that_gets_on_survives_any_number_of_crashes(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.steps", "{\"count\":9}");
    for (int i = 1; i <= 8; i++) {
        struct taken *t = take(f, f->jobs, clock_wall_ms());
        assert_true(t->is_taken);
        assert_int_equal(effect(f, t, i), ERR_NONE);
        drop(t);
        fixture_reopen(f, "one", true);
        assert_int_equal(fixture_get(f, a.id).attempts, 0);
    }
    /* Saving the same cursor again is no progress. */
    for (int i = 1; i <= 2; i++) {
        struct taken *t = take(f, f->jobs, clock_wall_ms());
        assert_int_equal(effect(f, t, 8), ERR_NONE);
        drop(t);
        fixture_reopen(f, "one", true);
    }
    fixture_state_is(f, a.id, JOB_FAILED); /* the crash after step 8, and two more */
    assert_int_equal(job_replay(f->jobs, str_of(a.id)).code, ERR_NONE);
    assert_int_equal(fixture_run(f, a.id).state, JOB_SUCCEEDED);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM effects WHERE step = 9"), 1);
}

static void wishes_outlive_a_crash(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.steps", "{}"), b = fixture_note(f, "t.steps", "{}");
    struct taken *t = take(f, f->jobs, clock_wall_ms()), *u = take(f, f->jobs, clock_wall_ms());
    assert_int_equal(job_stop(f->jobs, str_of(a.id)).code, ERR_NONE);
    assert_int_equal(job_pause(f->jobs, str_of(b.id)).code, ERR_NONE);
    assert_true(beat(f->jobs, t, clock_wall_ms()).stop_wanted);
    assert_true(beat(f->jobs, u, clock_wall_ms()).pause_wanted);
    drop(t);
    drop(u);
    fixture_reopen(f, "one", true);
    fixture_state_is(f, a.id, JOB_STOPPED);
    fixture_state_is(f, b.id, JOB_PAUSED);
}

/* Workers on another machine: nobody wakes them, they look for themselves. */
static void processes_hear_of_each_other(void **state)
{
    struct fixture *f = *state;
    struct jobs *other = fixture_jobs(f, "two", 1000, false);
    assert_int_equal(jobs_start(other, 1).code, ERR_NONE);
    struct added a = fixture_note(f, "t.hold", "{}"); /* added here, run there */
    fixture_wait_state(f, a.id, JOB_RUNNING);
    assert_int_equal(job_pause(f->jobs, str_of(a.id)).code, ERR_NONE);
    struct job_info info;
    assert_int_equal(job_wait(f->jobs, str_of(a.id), 30000, &f->mem, &info).code, ERR_NONE);
    assert_int_equal(info.state, JOB_PAUSED);
    struct added b = fixture_note(f, "t.note", "{}");
    assert_int_equal(job_wait(f->jobs, str_of(b.id), 30000, &f->mem, &info).code, ERR_NONE);
    assert_int_equal(info.state, JOB_SUCCEEDED);
    jobs_close(other, 1000);
}

/* If this fails, two processes on one store count each job twice, or the gauges of one of them lie.
 */
static void a_process_counts_its_own_changes_and_sees_all_jobs(void **state)
{
    struct fixture *f = *state;
    struct metrics *ours = f->metrics, *theirs = NULL;
    assert_int_equal(metrics_open(&theirs).code, ERR_NONE);
    assert_int_equal(metrics_register(theirs, jobs_metrics).code, ERR_NONE);
    f->metrics = theirs;
    struct jobs *other = fixture_jobs(f, "two", 0, false);
    f->metrics = ours;
    fixture_note(f, "t.note", "{}");
    struct added b = fixture_note(f, "t.note", "{}");
    fixture_run(f, b.id);
    jobs_wake(other);
    const struct metric_family *changes = &jobs_metrics[0], *waiting = &jobs_metrics[3];
    assert_string_equal(changes->name, "skerry_jobs_total");
    assert_string_equal(waiting->name, "skerry_jobs_waiting");
    str note = STR("t.note");
    assert_float_equal(metric_value(METRIC_CELL(ours, changes, note, STR("queued"))), 2, 0);
    assert_float_equal(metric_value(METRIC_CELL(theirs, changes, note, STR("queued"))), 0, 0);
    assert_float_equal(metric_value(METRIC_CELL(ours, waiting, note)), 1, 0);
    assert_float_equal(metric_value(METRIC_CELL(theirs, waiting, note)), 1, 0);
    jobs_close(other, 0);
    metrics_close(theirs);
}

static void a_pause_can_be_taken_back_in_time(void **state)
{
    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.steps", "{}");
    struct taken *t = take(f, f->jobs, clock_wall_ms());
    assert_int_equal(job_resume(f->jobs, str_of(a.id)).code, ERR_CONFLICT); /* it is not paused */
    assert_int_equal(job_pause(f->jobs, str_of(a.id)).code, ERR_NONE);
    assert_int_equal(job_pause(f->jobs, str_of(a.id)).code, ERR_NONE);
    assert_true(fixture_get(f, a.id).pause_wanted);
    assert_int_equal(job_resume(f->jobs, str_of(a.id)).code, ERR_NONE);
    assert_false(fixture_get(f, a.id).pause_wanted);
    /* The work had heard it already and answers: it goes back to the queue, unpaused and
     * unpunished. */
    atomic_fetch_or(&t->job.flags, JOB_FLAG_PAUSE);
    assert_true(job_pause_wanted(&t->job));
    err answer = job_check(&t->job);
    assert_int_equal(answer.code, ERR_CANCELLED);
    assert_int_equal(job_finish(&t->job, &answer, clock_wall_ms()).code, ERR_NONE);
    struct job_info info = fixture_get(f, a.id);
    assert_int_equal(info.state, JOB_QUEUED);
    assert_int_equal(info.attempts, 0);
    drop(t);
}

static void a_cursor_has_a_size(void **state)
{
    struct fixture *f = *state;
    fixture_note(f, "t.steps", "{}");
    struct taken *t = take(f, f->jobs, clock_wall_ms());
    char *big = calloc(1, JOB_CURSOR_MAX + 1);
    assert_non_null(big);
    err e = job_cursor_save(&t->job, NULL, str_from(big, JOB_CURSOR_MAX + 1));
    assert_int_equal(e.code, ERR_TOO_BIG);
    free(big);
    drop(t);
}

/* ------------------------------------------------------------------ schedules */

static const struct job_schedule hourly[] = {
    { .name = "hourly",
      .cron = "0 * * * *",
      .kind = "t.note",
      .payload = "{\"name\":\"h\"}",
      .help = "." },
    { 0 },
};

static struct job_schedule_info schedule_of(struct fixture *f)
{
    struct job_schedule_info *infos = NULL;
    size_t count = 0;
    assert_int_equal(jobs_schedule_list(f->jobs, &f->mem, &infos, &count).code, ERR_NONE);
    assert_int_equal(count, 1);
    return infos[0];
}

static void a_schedule_fires_once_and_never_overlaps(void **state)
{
    struct fixture *f = *state;
    const int64_t hour = 3600000;
    assert_int_equal(jobs_schedule(f->jobs, hourly).code, ERR_NONE);
    struct job_schedule_info info = schedule_of(f);
    int64_t first = info.next_ms, next = 0;
    assert_true(first > clock_wall_ms() && first % hour == 0 && info.last_ms == 0);
    assert_int_equal(jobs_schedules_fire(f->jobs, first - 1, &next).code, ERR_NONE);
    assert_int_equal(next, first);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs"), 0);
    assert_int_equal(jobs_schedules_fire(f->jobs, first, &next).code, ERR_NONE);
    assert_int_equal(next, first + hour);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs"), 1);
    /* Registered again, as every start does, it keeps its place; another process does not repeat
     * it. */
    assert_int_equal(jobs_schedule(f->jobs, hourly).code, ERR_NONE);
    struct jobs *other = fixture_jobs(f, "two", 0, false);
    assert_int_equal(jobs_schedule(other, hourly).code, ERR_NONE);
    assert_int_equal(jobs_schedules_fire(other, first, &next).code, ERR_NONE);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs"), 1);
    jobs_close(other, 0);
    /* The last job is unfinished: this time passes. */
    assert_int_equal(jobs_schedules_fire(f->jobs, first + hour, &next).code, ERR_NONE);
    assert_int_equal(next, first + 2 * hour);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs"), 1);
    info = schedule_of(f);
    assert_int_equal(info.last_ms, first);
    assert_true(str_eq(info.last_state, STR("queued")));
    /* Many times passed while nobody ran: one job makes up for them. */
    char id[UUID_BYTES];
    snprintf(id, sizeof(id), "%.*s", STR_ARG(info.last_job_id));
    assert_int_equal(fixture_run(f, id).state, JOB_SUCCEEDED);
    assert_int_equal(jobs_schedules_fire(f->jobs, first + 50 * hour + 1, &next).code, ERR_NONE);
    assert_int_equal(next, first + 51 * hour);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs"), 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs WHERE schedule = 'hourly'"), 2);
}

static void a_changed_schedule_gets_a_new_time_and_a_bad_one_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(jobs_schedule(f->jobs, hourly).code, ERR_NONE);
    struct job_schedule yearly[] = { hourly[0], { 0 } };
    yearly[0].cron = "0 0 1 1 *";
    assert_int_equal(jobs_schedule(f->jobs, yearly).code, ERR_NONE);
    int64_t expected = 0;
    assert_int_equal(cron_next(STR("0 0 1 1 *"), clock_wall_ms(), &expected).code, ERR_NONE);
    assert_int_equal(schedule_of(f).next_ms, expected);
    struct job_schedule bad[] = { hourly[0], { 0 } };
    bad[0].cron = "0 0 30 2 *";
    err e = jobs_schedule(f->jobs, bad);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.msg, "hourly"));
    bad[0] = hourly[0];
    bad[0].kind = "t.none";
    assert_int_equal(jobs_schedule(f->jobs, bad).code, ERR_INVALID);
    /* What was refused changed nothing. The table must outlive us: put the good one back. */
    assert_int_equal(schedule_of(f).next_ms, expected);
    assert_int_equal(jobs_schedule(f->jobs, hourly).code, ERR_NONE);
}

static void a_full_queue_does_not_stop_the_clock(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++)
        fixture_note(f, "t.note", "{}");
    assert_int_equal(jobs_schedule(f->jobs, hourly).code, ERR_NONE);
    int64_t first = schedule_of(f).next_ms, next = 0;
    assert_int_equal(jobs_schedules_fire(f->jobs, first, &next).code, ERR_NONE);
    assert_int_equal(next, first + 3600000);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM jobs"), 20);
}

static void the_keeper_fires_schedules(void **state)
{
    struct fixture *f = *state;
    static const struct job_schedule often[] = {
        { .name = "often", .cron = "@every 1s", .kind = "t.note", .payload = "{\"name\":\"x\"}" },
        { 0 },
    };
    assert_int_equal(jobs_schedule(f->jobs, often).code, ERR_NONE);
    assert_int_equal(jobs_start(f->jobs, 1).code, ERR_NONE);
    for (int i = 0; i < 3000; i++) {
        if (fixture_int(f, "SELECT count(*) FROM jobs WHERE state = 'succeeded'") >= 2)
            return;
        clock_sleep_ms(10);
    }
    fail_msg("the schedule did not fire twice");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_silent_worker_loses_its_job_and_changes_nothing),
        T(a_restored_store_waits_for_nobody),
        T(work_that_hangs_is_done_by_another),
        cmocka_unit_test(a_process_is_known_by_more_than_its_number),
        T(leases_of_dead_processes_are_dropped_at_once),
        T(a_job_that_kills_the_process_ends_as_failed),
        T(a_job_that_gets_on_survives_any_number_of_crashes),
        T(wishes_outlive_a_crash),
        T(processes_hear_of_each_other),
        T(a_process_counts_its_own_changes_and_sees_all_jobs),
        T(a_pause_can_be_taken_back_in_time),
        T(a_cursor_has_a_size),
        T(a_schedule_fires_once_and_never_overlaps),
        T(a_changed_schedule_gets_a_new_time_and_a_bad_one_is_refused),
        T(a_full_queue_does_not_stop_the_clock),
        T(the_keeper_fires_schedules),
    };
    return cmocka_run_group_tests_name("job leases", tests, NULL, NULL);
}
