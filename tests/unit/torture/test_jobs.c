/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a job that was acknowledged is lost, or done twice, when memory runs out. */
#include "torture.h"

#include "base/clock.h"
#include "base/json.h"
#include "platform/jobs/jobs.h"
#include "platform/store/store.h"

static const struct job_kind kinds[] = {
    { .name = "t.count", .help = "Counts.", .component = "test", .tries_max = 1000 },
    { 0 },
};

static const struct store_migration steps[] = {
    { 1, "CREATE TABLE effects (job_id @text NOT NULL UNIQUE) @strict" },
    { 0, NULL },
};

static err effect_write(struct store_tx *tx, void *arg)
{
    struct job *job = arg;
    TRY(store_exec(tx, "INSERT INTO effects (job_id) VALUES (?1)", ARGS(sql_cstr(job_id(job))),
                   NULL));
    return job_cursor_save(job, tx, STR("{\"done\":true}"));
}

static err execute(void *arg, struct job *job, const struct job_kind *kind)
{
    arena scratch;
    const struct json *payload = NULL;
    (void)kind;
    arena_init(&scratch, 1 << 20);
    err e = json_parse(&scratch, job_payload(job), &payload);
    arena_deinit(&scratch);
    if (!e.code && !job_cursor(job).len)
        e = store_write(arg, effect_write, job);
    if (!e.code)
        job_result_set(job, STR("{\"counted\":1}"));
    return e;
}

static err jobs_open_here(struct store *store, struct jobs **ret_jobs)
{
    const struct job_kind *tables[] = { kinds };
    return jobs_open(&(struct jobs_options){ .store = store,
                                             .worker = "torture:1",
                                             .sole_worker = true,
                                             .execute = execute,
                                             .arg = store,
                                             .retry_base_ms = 1 },
                     tables, 1, ret_jobs);
}

/* Adds a job, and does it, in a queue that is opened for it. */
static err jobs_work(struct torture_place *place)
{
    struct store *store = place->arg;
    struct jobs *j = NULL;
    struct job_info info = { .state = JOB_WAITING };
    char id[UUID_BYTES];
    bool is_new = false;
    arena keep;
    arena_init(&keep, 1 << 20);
    err e = jobs_open_here(store, &j);
    if (!e.code)
        e = job_add(j, &(struct job_spec){ .kind = "t.count", .payload = STR("{}") }, id, &is_new);
    if (!e.code)
        e = jobs_run_until(j, str_of(id), NULL, NULL, &keep, &info);
    jobs_close(j, 1000);
    if (!e.code && info.state != JOB_SUCCEEDED)
        e = ERR(str_eq(info.error_code, STR("no_memory")) ? ERR_NO_MEMORY : ERR_INTERNAL,
                "the job is %s: %.*s", job_state_name(info.state), STR_ARG(info.error));
    arena_deinit(&keep);
    return e;
}

static err count_unfinished(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT count(*) FROM jobs WHERE state <> 'succeeded'", NO_ARGS, arg);
}

static err count_odd(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT (SELECT count(*) FROM jobs) - (SELECT count(*) FROM effects)",
                         NO_ARGS, arg);
}

static void jobs(void **state)
{
    struct torture_place *place = *state;
    struct store *store = NULL;
    struct jobs *j = NULL;
    char url[128];
    int64_t left = -1;
    snprintf(url, sizeof url, "sqlite:%s/torture.db", place->folder);
    assert_int_equal(store_open(&(struct store_options){ .url = url }, &store).code, ERR_NONE);
    assert_int_equal(store_migrate(store, "torture", steps).code, ERR_NONE);
    place->arg = store;
    torture_singly(place, jobs_work); /* a result that cannot be stored is tried again and again */

    /* Those that could not be done are done now; each was counted once. */
    assert_int_equal(jobs_open_here(store, &j).code, ERR_NONE);
    assert_int_equal(jobs_start(j, 2).code, ERR_NONE);
    for (int i = 0; i < 6000 && left != 0; i++) {
        assert_int_equal(store_read(store, count_unfinished, &left).code, ERR_NONE);
        clock_sleep_ms(10);
    }
    assert_int_equal(left, 0);
    jobs_close(j, 1000);
    assert_int_equal(store_read(store, count_odd, &left).code, ERR_NONE);
    assert_int_equal(left, 0);
    store_close(store);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = { T(jobs) };
    alloc_fail_install();
    return cmocka_run_group_tests_name("jobs without memory", tests, NULL, NULL);
}
