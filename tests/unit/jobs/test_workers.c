/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several processes that do jobs: if these fail, a job goes to who cannot do it, waits without a
 * word, or is changed by who was thought dead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs_fixture.h"

static err nothing(struct run *run, const struct json *payload)
{
    (void)run;
    (void)payload;
    return OK;
}

static const struct job_kind kinds[] = {
    { .name = "w.plain", .help = "x", .component = "test", .run = nothing },
    { .name = "w.large", .help = "x", .component = "test", .run = nothing, .memory_mib = 4096 },
    { .name = "w.gpu", .help = "x", .component = "test", .run = nothing, .needs_gpu = true },
    { .name = "w.home", .help = "x", .component = "test", .run = nothing, .stays_home = true },
    { .name = "o.other", .help = "x", .component = "test", .run = nothing },
    { 0 },
};

static err succeeds(void *arg, struct job *job, const struct job_kind *kind)
{
    (void)arg;
    (void)job;
    (void)kind;
    return OK;
}

static err open_worker(struct fixture *f, const char *label, struct worker_self self,
                       struct jobs **ret_jobs)
{
    const struct job_kind *const tables[] = { kinds };
    struct jobs_options options = {
        .store = f->store, .worker = label, .self = self, .lease_ms = 3000, .execute = succeeds
    };
    return jobs_open(&options, tables, 1, ret_jobs);
}

static struct jobs *worker(struct fixture *f, const char *label, struct worker_self self)
{
    struct jobs *j = NULL;
    err e = open_worker(f, label, self, &j);
    if (e.code)
        fail_msg("%s", e.msg);
    return j;
}

/* "plain home" for what a process takes of w.*, and "other". */
static void takes_are(struct jobs *j, const char *expected)
{
    char taken[128] = "";
    for (size_t i = 0; i < j->kind_count; i++)
        if (j->takes[i])
            snprintf(taken + strlen(taken), sizeof(taken) - strlen(taken), "%s%s",
                     taken[0] ? " " : "", strchr(j->kinds[i]->name, '.') + 1);
    assert_string_equal(taken, expected);
}

static void a_worker_takes_what_it_is_told_and_can(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct worker_self self;
        const char *expected;
    } rows[] = {
        { { 0 }, "plain large gpu home other" }, /* a verb says nothing of itself */
        { { .role = "serve", .gpu = "" }, "plain large home other" },
        { { .role = "work", .gpu = "" }, "plain large other" },
        { { .role = "work", .gpu = "1 x NVIDIA" }, "plain large gpu other" },
        { { .role = "work", .gpu = "", .memory_bytes = INT64_C(4095) << 20 }, "plain other" },
        { { .role = "work", .gpu = "", .memory_bytes = INT64_C(4096) << 20 }, "plain large other" },
        { { .role = "work", .gpu = "", .takes = "w.*" }, "plain large home" },
        { { .role = "work", .gpu = "", .takes = " o.other , w.plain" }, "plain other" },
        { { .role = "work", .gpu = "", .takes = "*" }, "plain large home other" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct jobs *j = worker(f, "x", rows[i].self);
        takes_are(j, rows[i].expected);
        jobs_close(j, 0);
    }
    struct jobs *j = NULL;
    err e = open_worker(f, "x", (struct worker_self){ .takes = "w.*,w.plane" }, &j);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.msg, "'w.plane'"));
    assert_non_null(strstr(e.msg, "w.plain")); /* what there is */
}

static struct added add(struct jobs *j, const char *kind, bool is_here)
{
    struct added a;
    bool is_new;
    err e = job_add(j, &(struct job_spec){ .kind = kind, .is_here = is_here }, a.id, &is_new);
    if (e.code)
        fail_msg("%s", e.msg);
    return a;
}

static str why(struct fixture *f, struct jobs *j, const char *id)
{
    struct job_info info;
    str text;
    assert_int_equal(job_get(j, str_of(id), &f->mem, &info).code, ERR_NONE);
    assert_int_equal(job_why_waiting(j, &info, &f->mem, &text).code, ERR_NONE);
    return text;
}

static void a_job_stays_where_its_file_is(void **state)
{
    struct fixture *f = *state;
    struct jobs *here = worker(f, "a", (struct worker_self){ .place = "aaaa" });
    struct jobs *there = worker(f, "b", (struct worker_self){ .place = "bbbb" });
    struct added a = add(here, "w.plain", true);
    bool worked = true;
    assert_int_equal(jobs_work_once(there, STR_NONE, &worked).code, ERR_NONE);
    assert_false(worked);
    str text = why(f, there, a.id);
    assert_true(str_contains(text, STR("data folder aaaa")));
    assert_int_equal(jobs_work_once(here, STR_NONE, &worked).code, ERR_NONE);
    assert_true(worked);
    assert_int_equal(why(f, there, a.id).len, 0); /* it is done */
    jobs_close(here, 0);
    jobs_close(there, 0);
}

static void a_job_that_nobody_takes_says_so(void **state)
{
    struct fixture *f = *state;
    struct worker_self self = { .name = "rack", .role = "work", .gpu = "", .takes = "w.*" };
    struct jobs *asker = worker(f, "a", (struct worker_self){ .role = "serve", .gpu = "" });
    struct added other = add(asker, "o.other", false), gpu = add(asker, "w.gpu", false);
    assert_true(str_starts(why(f, asker, other.id), STR("no living worker takes jobs of the kind "
                                                        "o.other")));
    struct jobs *rack = worker(f, "b", self);
    assert_int_equal(jobs_start(rack, 1).code, ERR_NONE);
    assert_true(str_starts(why(f, asker, other.id), STR("no living worker")));
    assert_true(str_starts(why(f, asker, gpu.id), STR("no living worker"))); /* it has no GPU */

    int64_t told = 0;
    struct worker_info *list;
    size_t count = 0;
    assert_int_equal(workers_list(asker, &f->mem, &list, &count).code, ERR_NONE);
    assert_int_equal(count, 1);
    assert_true(str_eq(list[0].name, STR("rack")));
    assert_true(str_eq(list[0].state, STR("active")));
    assert_true(str_eq(list[0].kinds, STR(",w.plain,w.large,w.home,")));
    assert_int_equal(list[0].places, 1);
    assert_int_equal(worker_drain(asker, STR("nobody"), true, &told).code, ERR_NOT_FOUND);
    assert_int_equal(worker_drain(asker, STR("rack"), true, &told).code, ERR_NONE);
    assert_int_equal(told, 1);
    for (int i = 0; i < 1500 && !jobs_is_draining(rack); i++)
        clock_sleep_ms(10);
    assert_true(jobs_is_draining(rack));

    /* It takes nothing new; told to take jobs again, it does. */
    struct added plain = add(asker, "w.plain", false);
    for (int i = 0; i < 1500 && !str_starts(why(f, asker, plain.id), STR("all 1 workers")); i++)
        clock_sleep_ms(10);
    assert_true(str_starts(why(f, asker, plain.id), STR("all 1 workers")));
    assert_int_equal(worker_drain(asker, STR("rack"), false, &told).code, ERR_NONE);
    fixture_wait_state(f, plain.id, JOB_SUCCEEDED);
    jobs_close(rack, 1000);
    assert_int_equal(workers_list(asker, &f->mem, &list, &count).code, ERR_NONE);
    assert_true(str_eq(list[0].state, STR("gone")));
    jobs_close(asker, 0);
}

/* ------------------------------------------------------------------ the fence */

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
    assert_int_equal(job_claim(j, &claim, &t->job, &t->is_taken).code, ERR_NONE);
    assert_true(t->is_taken);
    return t;
}

struct effect {
    const char *by;
};

static err effect_write(struct store_tx *tx, void *arg)
{
    return store_exec(tx, "INSERT INTO effects (job_id, step) VALUES (?1, 1)",
                      ARGS(sql_cstr(((const struct effect *)arg)->by)), NULL);
}

static void two_owners_and_one_effect(void **state)
{
    struct fixture *f = *state;
    struct jobs *other = fixture_jobs(f, "two", 1000, false);
    fixture_note(f, "t.note", "{\"name\":\"x\"}");
    int64_t now_ms = clock_wall_ms();
    size_t count = 0;
    struct effect first_effect = { "first" }, second_effect = { "second" };
    struct taken *first = take(f, f->jobs, now_ms);
    assert_int_equal(jobs_reap(other, now_ms + 60000, STR_NONE, now_ms + 60000, &count).code,
                     ERR_NONE);
    assert_int_equal(count, 1);
    /* Between two owners, and with two: the first one has no say. */
    assert_int_equal(job_write(&first->job, f->store, effect_write, &first_effect).code,
                     ERR_CONFLICT);
    assert_int_equal(job_check(&first->job).code, ERR_CONFLICT); /* it knows now */
    struct taken *second = take(f, other, now_ms + 60001);
    assert_int_equal(job_write(&second->job, f->store, effect_write, &second_effect).code,
                     ERR_NONE);
    assert_int_equal(job_write(&first->job, f->store, effect_write, &first_effect).code,
                     ERR_CONFLICT);
    assert_int_equal(job_cursor_commit(&first->job, STR("{}")).code, ERR_CONFLICT);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM effects"), 1);
    err done = OK;
    assert_int_equal(job_finish(&second->job, &done, now_ms + 60002).code, ERR_NONE);
    /* After the end nobody has: a late thread of the second one neither. */
    assert_int_equal(job_write(&second->job, f->store, effect_write, &second_effect).code,
                     ERR_CONFLICT);
    arena_deinit(&first->job.mem);
    arena_deinit(&second->job.mem);
    jobs_close(other, 0);
}

/* ------------------------------------------------------------------ trouble of the store */

static void a_full_disk_is_not_the_jobs_fault(void **state)
{
    struct job_try t = { .attempts = 3, .tries_max = 3, .was_hindered = true };
    struct job_outcome o = job_outcome_of(&t, ERR_NO_SPACE);
    assert_int_equal(o.to, JOB_QUEUED);
    assert_true(o.has_backoff && o.is_hindered && !o.is_spent);
    t.kills = JOB_KILLS_MAX - 1; /* but not for ever */
    assert_int_equal(job_outcome_of(&t, ERR_NO_SPACE).to, JOB_FAILED);
    t.kills = 0;
    assert_int_equal(job_outcome_of(&t, ERR_INVALID).to, JOB_FAILED); /* this is */
    t.was_hindered = false;
    assert_int_equal(job_outcome_of(&t, ERR_BUSY).to, JOB_FAILED);

    struct fixture *f = *state;
    struct added a = fixture_note(f, "t.note", "{\"name\":\"x\"}");
    int64_t now_ms = clock_wall_ms();
    err full = ERR(ERR_NO_SPACE, "the disk is full");
    for (int i = 0; i < 5; i++) { /* more often than it may be tried */
        now_ms += 3600 * 1000;
        struct taken *x = take(f, f->jobs, now_ms);
        assert_int_equal(job_finish(&x->job, &full, now_ms).code, ERR_NONE);
        arena_deinit(&x->job.mem);
    }
    fixture_state_is(f, a.id, JOB_QUEUED);
    assert_int_equal(fixture_int(f, "SELECT attempts FROM jobs"), 0);
    assert_int_equal(fixture_int(f, "SELECT kills FROM jobs"), 5);
}

/* Whoever reaches a store first that was away must not take the others for dead. */
static void after_trouble_nobody_is_taken_for_dead_at_once(void **state)
{
    struct fixture *f = *state;
    struct jobs *silent = fixture_jobs(f, "silent", 1, false);
    struct added a = fixture_note(f, "t.note", "{\"name\":\"x\"}");
    struct taken *x = take(f, silent, clock_wall_ms()); /* a lease of one millisecond */
    err away = ERR(ERR_BUSY, "the database is away");
    jobs_note_trouble(f->jobs, &away);
    assert_int_equal(jobs_keeper_start(f->jobs).code, ERR_NONE);
    jobs_note_due(f->jobs, 0);
    clock_sleep_ms(1500); /* it looks, and waits for a third of its lease of 30 s */
    fixture_state_is(f, a.id, JOB_RUNNING);
    atomic_store(&f->jobs->trouble_ns, 0);
    jobs_note_due(f->jobs, 0);
    fixture_wait_state(f, a.id, JOB_QUEUED);
    arena_deinit(&x->job.mem);
    jobs_close(silent, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_worker_takes_what_it_is_told_and_can),
        T(a_job_stays_where_its_file_is),
        T(a_job_that_nobody_takes_says_so),
        T(two_owners_and_one_effect),
        T(a_full_disk_is_not_the_jobs_fault),
        T(after_trouble_nobody_is_taken_for_dead_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
