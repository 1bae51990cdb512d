/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jobs_fixture.c -- see jobs_fixture.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "jobs_fixture.h"
#include "../test_db.h"
#include "../test_folder.h"

const struct job_kind fixture_kinds[] = {
    { .name = "t.note", .help = "Notes its name.", .component = "test" },
    { .name = "t.fail", .help = "Fails.", .component = "test" },
    { .name = "t.hold", .help = "Works until asked to stop.", .component = "test" },
    { .name = "t.deaf", .help = "Never asks.", .component = "test", .timeout_s = 1 },
    { .name = "t.gate", .help = "Waits for the gate.", .component = "test", .concurrent_max = 1 },
    { .name = "t.steps", .help = "Writes rows.", .component = "test" },
    { .name = "t.claim", .help = "Claims to be cancelled.", .component = "test" },
    { .name = "t.result", .help = "Answers.", .component = "test" },
    { .name = "t.slow",
      .help = "Takes too long.",
      .component = "test",
      .timeout_s = 1,
      .tries_max = 1 },
    { 0 },
};

static void trail_add(struct fixture *f, str name)
{
    pthread_mutex_lock(&f->lock);
    size_t len = strlen(f->trail);
    snprintf(f->trail + len, sizeof(f->trail) - len, "%s%.*s", len ? " " : "", STR_ARG(name));
    pthread_mutex_unlock(&f->lock);
}

static void observe(void *arg, const struct job_info *info, const char *event)
{
    struct fixture *f = arg;
    (void)info;
    pthread_mutex_lock(&f->lock);
    size_t len = strlen(f->events);
    snprintf(f->events + len, sizeof(f->events) - len, "%s%s", len ? " " : "", event);
    f->is_observer_inside = true;
    pthread_cond_broadcast(&f->moved);
    while (f->is_observer_held)
        pthread_cond_wait(&f->moved, &f->lock);
    f->is_observer_inside = false;
    pthread_mutex_unlock(&f->lock);
}

/* ------------------------------------------------------------------ kinds */

struct step_tx {
    struct job *job;
    int64_t step;
};

static err step_write(struct store_tx *tx, void *arg)
{
    struct step_tx *s = arg;
    char cursor[64];
    snprintf(cursor, sizeof(cursor), "{\"step\":%lld}", (long long)s->step);
    TRY(store_exec(tx, "INSERT INTO effects (job_id, step) VALUES (?1, ?2)",
                   ARGS(sql_cstr(job_id(s->job)), sql_int(s->step)), NULL));
    return job_cursor_save(s->job, tx, str_of(cursor));
}

static err steps_run(struct fixture *f, struct job *job, const struct json *payload, arena *scratch)
{
    int64_t count = json_int(json_get(payload, "count"), 1), from = 0;
    if (job_cursor(job).len) {
        const struct json *cursor = NULL;
        TRY(json_parse(scratch, job_cursor(job), &cursor));
        from = json_int(json_get(cursor, "step"), 0);
    }
    for (int64_t step = from + 1; step <= count; step++) {
        TRY(job_check(job));
        struct step_tx s = { job, step };
        TRY(store_write(job->jobs->options.store, step_write, &s));
        job_progress(job, step, count);
    }
    trail_add(f, json_str(json_get(payload, "name"), STR("steps")));
    return OK;
}

static err hold_run(struct job *job)
{
    int64_t done = 0;
    err e;
    while (!(e = job_check(job)).code) {
        job_progress(job, ++done, 1000000);
        clock_sleep_ms(2);
    }
    return e;
}

static void gate_wait(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->inside++;
    if (f->inside > f->inside_max)
        f->inside_max = f->inside;
    pthread_cond_broadcast(&f->moved);
    while (!f->gate_is_open)
        pthread_cond_wait(&f->moved, &f->lock);
    f->inside--;
    pthread_mutex_unlock(&f->lock);
}

static err fail_run(struct fixture *f, struct job *job, const struct json *payload)
{
    static const struct {
        const char *name;
        enum err_code code;
    } codes[] = { { "io", ERR_IO }, { "invalid", ERR_INVALID }, { "busy", ERR_BUSY } };
    int64_t until = json_int(json_get(payload, "until"), INT32_MAX);
    str code = json_str(json_get(payload, "code"), STR("io"));
    for (size_t i = 0; job_attempt(job) <= until && i < COUNT_OF(codes); i++) {
        if (str_eq(code, str_of(codes[i].name)))
            return ERR(codes[i].code, "made to fail with %s", codes[i].name);
    }
    trail_add(f, json_str(json_get(payload, "name"), STR("-")));
    return OK;
}

static void result_make(struct job *job, int64_t bytes)
{
    char *text = malloc((size_t)bytes);
    assert_non_null(text);
    memset(text, 'x', (size_t)bytes);
    text[0] = text[bytes - 1] = '"';
    job_result_set(job, str_from(text, (size_t)bytes));
    free(text);
}

static err run_kind(struct fixture *f, struct job *job, str kind, const struct json *payload,
                    arena *scratch)
{
    if (str_eq(kind, STR("t.fail")))
        return fail_run(f, job, payload);
    if (str_eq(kind, STR("t.hold")) || str_eq(kind, STR("t.slow")))
        return hold_run(job);
    if (str_eq(kind, STR("t.claim")))
        return ERR(ERR_CANCELLED, "just so");
    if (str_eq(kind, STR("t.steps")))
        return steps_run(f, job, payload, scratch);
    if (str_eq(kind, STR("t.result")))
        result_make(job, json_int(json_get(payload, "bytes"), 2));
    if (str_eq(kind, STR("t.gate")) || str_eq(kind, STR("t.deaf")))
        gate_wait(f);
    if (str_eq(kind, STR("t.deaf"))) {
        struct step_tx s = { job, 1 };
        TRY(store_write(job->jobs->options.store, step_write, &s));
    }
    trail_add(f, json_str(json_get(payload, "name"), STR("-")));
    return OK;
}

err fixture_execute(void *arg, struct job *job, const struct job_kind *kind)
{
    arena scratch;
    arena_init(&scratch, 1024 * 1024);
    const struct json *payload = NULL;
    err e = json_parse(&scratch, job_payload(job), &payload);
    if (!e.code)
        e = run_kind(arg, job, str_of(kind->name), payload, &scratch);
    arena_deinit(&scratch);
    return e;
}

/* ------------------------------------------------------------------ life cycle */

static void must(err e)
{
    if (e.code)
        fail_msg("%s", e.msg);
}

static void store_begin(struct fixture *f)
{
    static const struct store_migration steps[] = {
        { 1, "CREATE TABLE effects (job_id @text NOT NULL, step @int NOT NULL) @strict;" },
        { 0, NULL },
    };
    must(store_open(&(struct store_options){ .url = f->url }, &f->store));
    must(store_migrate(f->store, "fixture", steps));
}

struct jobs *fixture_jobs(struct fixture *f, const char *worker, int64_t lease_ms, bool sole_worker)
{
    const struct job_kind *tables[] = { fixture_kinds };
    struct jobs_options options = {
        .store = f->store,
        .worker = worker,
        .lease_ms = lease_ms,
        .sole_worker = sole_worker,
        .crash_folder = f->crash_folder,
        .execute = fixture_execute,
        .observe = observe,
        .arg = f,
        .retry_base_ms = 4,
        .pending_max = 20,
        .metrics = f->metrics,
        .log = f->log,
    };
    struct jobs *j = NULL;
    must(jobs_open(&options, tables, 1, &j));
    return j;
}

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    thread_cond_init(&f->moved);
    arena_init(&f->mem, 64 * 1024 * 1024);
    assert_true(test_folder_make(f->folder, sizeof(f->folder), "jobs"));
    test_db_url(f->folder, "test.db", f->url, sizeof(f->url));
    char log_folder[FS_PATH_BYTES];
    must(fs_join(log_folder, f->folder, "logs"));
    must(log_open(&(struct log_options){ .folder = log_folder, .quiet = true }, &f->log));
    must(metrics_open(&f->metrics));
    must(metrics_register(f->metrics, jobs_metrics));
    store_begin(f);
    f->jobs = fixture_jobs(f, "one", 0, true);
}

void fixture_reopen(struct fixture *f, const char *worker, bool sole_worker)
{
    jobs_close(f->jobs, 5000);
    store_close(f->store);
    store_begin(f);
    f->jobs = fixture_jobs(f, worker, 0, sole_worker);
}

/* What is open by the states, and by what is kept of them. */
static void open_jobs_agree(struct fixture *f)
{
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM jobs j WHERE state IN ('waiting', 'queued') AND NOT "
                       "EXISTS (SELECT 1 FROM jobs_queue q WHERE q.job_no = j.job_no AND q.kind = "
                       "j.kind AND q.state = j.state AND q.priority = j.priority AND q.next_try_ms "
                       "= j.next_try_ms AND COALESCE(q.place, '') = COALESCE(j.place, ''))"),
        0);
    assert_int_equal(
        fixture_int(f, "SELECT count(*) FROM jobs j WHERE state = 'running' AND NOT EXISTS (SELECT "
                       "1 FROM jobs_held h WHERE h.job_no = j.job_no AND h.kind = j.kind "
                       "AND h.lease_until_ms = j.lease_until_ms)"),
        0);
    assert_int_equal(fixture_int(f, "SELECT (SELECT count(*) FROM jobs_queue) - (SELECT count(*) "
                                    "FROM jobs WHERE state IN ('waiting', 'queued'))"),
                     0);
    assert_int_equal(fixture_int(f, "SELECT (SELECT count(*) FROM jobs_held) - (SELECT count(*) "
                                    "FROM jobs WHERE state = 'running')"),
                     0);
}

void fixture_deinit(struct fixture *f)
{
    fixture_gate(f, true);
    jobs_close(f->jobs, 5000);
    open_jobs_agree(f);
    store_close(f->store);
    test_db_drop(f->url);
    metrics_close(f->metrics);
    log_close(f->log);
    must(fs_remove_tree(f->folder));
    arena_deinit(&f->mem);
    pthread_cond_destroy(&f->moved);
    pthread_mutex_destroy(&f->lock);
}

void fixture_gate(struct fixture *f, bool is_open)
{
    pthread_mutex_lock(&f->lock);
    f->gate_is_open = is_open;
    pthread_cond_broadcast(&f->moved);
    pthread_mutex_unlock(&f->lock);
}

void fixture_observer_hold(struct fixture *f, bool is_held)
{
    pthread_mutex_lock(&f->lock);
    f->is_observer_held = is_held;
    pthread_cond_broadcast(&f->moved);
    pthread_mutex_unlock(&f->lock);
}

void fixture_observer_wait(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->is_observer_inside)
        pthread_cond_wait(&f->moved, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* ------------------------------------------------------------------ shorthand */

struct added fixture_add(struct fixture *f, const struct job_spec *spec)
{
    struct added a;
    bool is_new = false;
    must(job_add(f->jobs, spec, a.id, &is_new));
    assert_true(is_new);
    return a;
}

struct added fixture_note(struct fixture *f, const char *kind, const char *payload)
{
    return fixture_add(f, &(struct job_spec){ .kind = kind, .payload = str_of(payload) });
}

struct job_info fixture_get(struct fixture *f, const char *id)
{
    struct job_info info;
    must(job_get(f->jobs, str_of(id), &f->mem, &info));
    return info;
}

void fixture_state_is(struct fixture *f, const char *id, enum job_state state)
{
    assert_string_equal(job_state_name(fixture_get(f, id).state), job_state_name(state));
}

struct job_info fixture_run(struct fixture *f, const char *id)
{
    struct job_info info;
    must(jobs_run_until(f->jobs, str_of(id), NULL, NULL, &f->mem, &info));
    return info;
}

struct job_info fixture_wait_state(struct fixture *f, const char *id, enum job_state state)
{
    /* Generous: a busy machine is not a defect. A job that never gets there is. */
    for (int i = 0; i < 3000; i++) {
        struct job_info info;
        arena scratch;
        arena_init(&scratch, 1024 * 1024);
        must(job_get(f->jobs, str_of(id), &scratch, &info));
        arena_deinit(&scratch);
        if (info.state == state)
            return fixture_get(f, id);
        clock_sleep_ms(10);
    }
    fail_msg("job %s is %s, not %s", id, job_state_name(fixture_get(f, id).state),
             job_state_name(state));
    return fixture_get(f, id);
}

struct int_read {
    const char *sql;
    int64_t value;
};

static err int_query(struct store_read *rd, void *arg)
{
    struct int_read *r = arg;
    return store_get_int(rd, r->sql, NO_ARGS, &r->value);
}

int64_t fixture_int(struct fixture *f, const char *sql)
{
    struct int_read r = { .sql = sql };
    must(store_read(f->store, int_query, &r));
    return r.value;
}

void fixture_events_are(struct fixture *f, const char *events)
{
    char heard[sizeof f->events];
    struct timespec deadline = clock_deadline(60000);
    int rc = 0;
    pthread_mutex_lock(&f->lock);
    while (strcmp(f->events, events) != 0 && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&f->moved, &f->lock, &deadline);
    snprintf(heard, sizeof heard, "%s", f->events);
    pthread_mutex_unlock(&f->lock);
    assert_string_equal(heard, events);
}

int fixture_set_up(void **state)
{
    struct fixture *f = malloc(sizeof(*f));
    if (!f)
        return -1;
    fixture_init(f);
    *state = f;
    return 0;
}

int fixture_tear_down(void **state)
{
    fixture_deinit(*state);
    free(*state);
    return 0;
}
