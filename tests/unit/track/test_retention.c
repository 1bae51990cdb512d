/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What goes and what stays: rules, the trash, and what may never go. */
#include "track_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "platform/track/client_runs.h"
#include "platform/track/experiments.h"
#include "platform/track/retention.h"

#define DAY_MS (24LL * 3600 * 1000)
#define NOW (100 * DAY_MS) /* of the tests' own time */

/* ------------------------------------------------------------------ rows */

static void exec_fmt(struct fixture *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void exec_fmt(struct fixture *f, const char *fmt, ...)
{
    char *sql = malloc(4096); /* statements are kept by their address */
    va_list args;
    va_start(args, fmt);
    assert_true(vsnprintf(sql, 4096, fmt, args) < 4096);
    va_end(args);
    fixture_exec(f, arena_cstr(&f->mem, str_of(sql)));
    free(sql);
}

/* A run of a client that ended on `day`; its id is its name. */
static void add_run(struct fixture *f, int experiment, const char *id, int day)
{
    exec_fmt(
        f,
        "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin, status,"
        " lifecycle_stage, created_ms, start_ms, end_ms, attempts) VALUES ('%s', %d, 'r', 'u',"
        " 'mlflow', 'client', 'FINISHED', 'active', %lld, %lld, %lld, 1)",
        id, experiment, day * DAY_MS, day * DAY_MS, day * DAY_MS);
}

static void delete_run(struct fixture *f, const char *id, int day)
{
    exec_fmt(f,
             "UPDATE runs SET lifecycle_stage = 'deleted', deleted_ms = %lld WHERE run_id = '%s'",
             day * DAY_MS, id);
}

static void add_edge(struct fixture *f, const char *run, const char *direction, const char *kind,
                     const char *asset)
{
    exec_fmt(f,
             "INSERT INTO run_assets (run_id, direction, kind, asset_id, context, step, at_ms)"
             " VALUES ('%s', '%s', '%s', '%s', '', 0, 1)",
             run, direction, kind, asset);
}

static void add_version(struct fixture *f, int number, const char *columns, const char *values)
{
    fixture_exec(f, "INSERT INTO registered_models (name, kind, created_ms, updated_ms)"
                    " VALUES ('m', 'mlflow', 1, 1) ON CONFLICT DO NOTHING");
    exec_fmt(f,
             "INSERT INTO model_versions (id, name, version, kind, stage, status, bytes,"
             " created_ms, updated_ms, %s) VALUES ('v%d', 'm', %d, 'mlflow', 'None', 'READY', 0, 1,"
             " 1, %s)",
             columns, number, number, values);
}

static int64_t add_experiment(struct fixture *f, const char *name)
{
    int64_t id;
    assert_ok(experiment_create(f->track, &(struct experiment_spec){ .name = str_of(name) }, &id));
    return id;
}

static struct retention_report apply(struct fixture *f, struct retention want)
{
    struct retention_report report;
    want.now_ms = NOW;
    assert_ok(retention_apply(f->track, &want, &report));
    return report;
}

/* "a b c" of the runs in a stage, by id. */
static bool stage_is(struct fixture *f, const char *stage, const char *ids)
{
    const char *sql = arena_fmt(&f->mem,
                                "SELECT COALESCE(MIN(x.run_id), '') FROM runs x WHERE"
                                " x.lifecycle_stage = '%s'",
                                stage)
                          .ptr;
    struct buf found;
    buf_init(&found, 4096);
    str id = fixture_text(f, sql);
    while (id.len) {
        buf_add_fmt(&found, "%s%.*s", found.len ? " " : "", STR_ARG(id));
        sql = arena_fmt(&f->mem,
                        "SELECT COALESCE(MIN(x.run_id), '') FROM runs x WHERE"
                        " x.lifecycle_stage = '%s' AND x.run_id > '%.*s'",
                        stage, STR_ARG(id))
                  .ptr;
        id = fixture_text(f, sql);
    }
    bool is = str_eq(buf_str(&found), str_of(ids));
    if (!is)
        print_error("%s: '%.*s' instead of '%s'\n", stage, STR_ARG(buf_str(&found)), ids);
    buf_deinit(&found);
    return is;
}

/* ------------------------------------------------------------------ rules */

static void tag_experiment(struct fixture *f, int64_t id, const char *key, const char *value)
{
    assert_ok(experiment_tag_set(f->track, id, str_of(key), str_of(value)));
}

static void a_rule_is_a_number(void **state)
{
    struct fixture *f = *state;
    assert_err(experiment_tag_set(f->track, 0, STR(RETENTION_TAG_RUNS), STR("ten")), ERR_INVALID);
    assert_err(experiment_tag_set(f->track, 0, STR(RETENTION_TAG_DAYS), STR("-1")), ERR_INVALID);
    assert_err(experiment_tag_set(f->track, 0, STR(RETENTION_TAG_TRACES), STR("99999999")),
               ERR_INVALID);
    tag_experiment(f, 0, RETENTION_TAG_RUNS, "10");
    tag_experiment(f, 0, "skerry.keep_fit", "never");
    /* one that an import brought keeps everything, and is counted */
    add_run(f, 0, "a", 1);
    fixture_exec(f, "UPDATE experiment_tags SET value = 'x' WHERE key = 'skerry.keep_runs'");
    struct retention_report r = apply(f, (struct retention){ 0 });
    assert_int_equal(r.rules, 1);
    assert_int_equal(r.rules_wrong, 1);
    assert_true(stage_is(f, "active", "a"));
}

static void the_newest_stay_or_the_young(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
    int64_t other = add_experiment(f, "other");
    for (int i = 0; i < 6; i++)
        add_run(f, 0, names[i], 90 + i);
    add_run(f, (int)other, "x", 1); /* has no rule */
    exec_fmt(f, "UPDATE runs SET status = 'RUNNING', end_ms = NULL WHERE run_id = 'a'");
    tag_experiment(f, 0, RETENTION_TAG_RUNS, "0");
    (void)apply(f, (struct retention){ 0 });
    assert_true(stage_is(f, "deleted", ""));

    tag_experiment(f, 0, RETENTION_TAG_RUNS, "2");
    tag_experiment(f, 0, RETENTION_TAG_DAYS, "8"); /* ended on day 92 or later */
    struct retention_report r = apply(f, (struct retention){ .is_rehearsal = true });
    assert_int_equal(r.counts[RETENTION_TRASH_RUN], 1);
    assert_true(stage_is(f, "deleted", ""));
    r = apply(f, (struct retention){ 0 });
    assert_int_equal(r.counts[RETENTION_TRASH_RUN], 1);
    assert_true(stage_is(f, "deleted", "b")); /* "a" is at work */

    tag_experiment(f, 0, RETENTION_TAG_DAYS, "0"); /* the number alone */
    exec_fmt(f, "INSERT INTO tags (run_id, key, value) VALUES ('c', 'keep', 'true')");
    r = apply(f, (struct retention){ 0 });
    assert_int_equal(r.counts[RETENTION_TRASH_RUN], 1);
    assert_int_equal(r.counts[RETENTION_KEEP_RUN], 1);
    assert_true(stage_is(f, "deleted", "b d"));
    assert_true(stage_is(f, "active", "a c e f x"));
    exec_fmt(f, "UPDATE tags SET value = 'false' WHERE run_id = 'c' AND key = 'keep'");
    r = apply(f, (struct retention){ 0 });
    assert_true(stage_is(f, "deleted", "b c d"));
    assert_int_equal(apply(f, (struct retention){ 0 }).counts[RETENTION_TRASH_RUN], 0);
}

static void a_rule_reaches_behind_its_first_step(void **state)
{
    struct fixture *f = *state;
    /* many of one time; every fifth is kept */
    fixture_exec(f, "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin,"
                    " status, lifecycle_stage, created_ms, start_ms, end_ms, attempts)"
                    " WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE"
                    " i < 269) SELECT 'r' || CAST(i AS @text), 0, 'r', 'u', 'mlflow', 'client',"
                    " 'FINISHED', 'active', i % 3, i % 3, i % 3, 1 FROM n");
    fixture_exec(f, "INSERT INTO tags (run_id, key, value) SELECT run_id, 'keep', '' FROM runs"
                    " WHERE substr(run_id, 4, 1) IN ('0', '5')");
    tag_experiment(f, 0, RETENTION_TAG_RUNS, "10");
    struct retention_report plan = apply(f, (struct retention){ .is_rehearsal = true });
    struct retention_report r = apply(f, (struct retention){ 0 });
    assert_int_equal(plan.counts[RETENTION_TRASH_RUN], r.counts[RETENTION_TRASH_RUN]);
    assert_int_equal(r.counts[RETENTION_TRASH_RUN] + r.counts[RETENTION_KEEP_RUN], 160);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM runs WHERE lifecycle_stage = 'active'"),
                     10 + r.counts[RETENTION_KEEP_RUN]);
}

/* ------------------------------------------------------------------ what may not go */

static const struct retention long_ago = { .deleted_before_ms = 50 * DAY_MS };

static void what_a_version_came_from_stays(void **state)
{
    struct fixture *f = *state;
    static const char *const all[] = { "built",  "child",  "cut",    "loner",
                                       "parent", "reader", "trained" };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        add_run(f, 0, all[i], 1);
    /* built -> dataset d -> trained -> version 1; trained's child; its parent; a reader of it */
    add_edge(f, "built", "out", "dataset", "d");
    add_edge(f, "trained", "in", "dataset", "d");
    add_edge(f, "trained", "out", "model", "v1");
    add_edge(f, "reader", "in", "model", "v1");
    exec_fmt(f, "INSERT INTO tags (run_id, key, value) VALUES ('trained', 'mlflow.parentRunId',"
                " 'parent'), ('child', 'mlflow.parentRunId', 'trained')");
    add_edge(f, "cut", "out", "model", "v2");
    add_version(f, 1, "run_id", "'trained'");
    add_version(f, 2, "run_id", "NULL");
    exec_fmt(f, "UPDATE model_versions SET stage = 'Deleted_Internal' WHERE id = 'v2'");
    for (size_t i = 0; i < COUNT_OF(all); i++)
        delete_run(f, all[i], 2);

    struct retention plan = long_ago;
    plan.is_rehearsal = true;
    struct retention_report r = apply(f, plan);
    assert_int_equal(r.counts[RETENTION_PURGE_RUN], 4);
    assert_int_equal(r.counts[RETENTION_KEEP_RUN], 3);
    assert_true(stage_is(f, "deleted", "built child cut loner parent reader trained"));
    r = apply(f, long_ago);
    assert_int_equal(r.counts[RETENTION_PURGE_RUN], 4);
    assert_true(stage_is(f, "deleted", "built parent trained"));
    /* With the version gone, nothing holds them. */
    exec_fmt(f, "UPDATE model_versions SET stage = 'Deleted_Internal', run_id = NULL");
    (void)apply(f, long_ago);
    assert_true(stage_is(f, "deleted", ""));
}

static void files_that_a_version_names_stay(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = { "11111111111111111111111111111111",
                                       "22222222222222222222222222222222",
                                       "33333333333333333333333333333333" };
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        add_run(f, 0, ids[i], 1);
        delete_run(f, ids[i], 2);
    }
    add_version(f, 1, "source", "'runs:/11111111111111111111111111111111/model'");
    add_version(f, 2, "run_id, source, location",
                "'elsewhere', 'models:/m/1',"
                " 'mlflow-artifacts:/0/22222222222222222222222222222222/artifacts/model'");
    (void)apply(f, long_ago);
    assert_true(stage_is(f, "deleted",
                         "11111111111111111111111111111111 22222222222222222222222222222222"));
}

static void our_own_work_stays(void **state)
{
    struct fixture *f = *state;
    add_run(f, 0, "a", 1);
    add_run(f, 0, "b", 1);
    add_run(f, 0, "c", 1);
    exec_fmt(f, "UPDATE runs SET origin = 'house', status = 'SCHEDULED' WHERE run_id = 'a'");
    exec_fmt(f, "UPDATE runs SET origin = 'house' WHERE run_id = 'b'");
    struct dataset_info d = fixture_dataset(f, "positions", STR("bytes"));
    add_edge(f, "b", "out", "dataset", d.id);
    delete_run(f, "a", 2);
    delete_run(f, "b", 2);
    delete_run(f, "c", 2);
    (void)apply(f, long_ago);
    assert_true(stage_is(f, "deleted", "a b"));
    assert_ok(dataset_delete(f->track, str_of(d.id)));
    (void)apply(f, long_ago);
    assert_true(stage_is(f, "deleted", "a"));
}

/* ------------------------------------------------------------------ for good */

static void fill_run(struct fixture *f, const char *id, int points)
{
    exec_fmt(f, "INSERT INTO params (run_id, key, value) VALUES ('%s', 'p', '1')", id);
    exec_fmt(f, "INSERT INTO tags (run_id, key, value) VALUES ('%s', 't', '1')", id);
    exec_fmt(f,
             "INSERT INTO latest_metrics (run_id, key, step, ts_ms, value, is_nan)"
             " VALUES ('%s', 'm', 0, 0, 0, 0)",
             id);
    exec_fmt(f,
             "INSERT INTO metrics (metric_id, ts_ms, step, value, is_nan)"
             " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " SELECT metric_id, i, i, 1.0, 0 FROM latest_metrics, n WHERE run_id = '%s'",
             points - 1, id);
    struct blob_info blob = fixture_blob(f, str_of(id));
    exec_fmt(f,
             "INSERT INTO artifacts (run_id, path, blob, bytes, created_ms)"
             " VALUES ('%s', 'a', '%s', %lld, 1)",
             id, blob.id.hex, (long long)blob.bytes);
    blob_unpin(f->blobs, &blob.id);
    exec_fmt(f, "INSERT INTO trace_runs (trace_id, run_id) VALUES ('tr-1', '%s')", id);
}

/* Rows that speak of a run that is not there. */
static int64_t dangling(struct fixture *f)
{
    return fixture_int(
        f, "SELECT (SELECT COUNT(*) FROM params WHERE run_id NOT IN (SELECT run_id FROM runs))"
           " + (SELECT COUNT(*) FROM tags WHERE run_id NOT IN (SELECT run_id FROM runs))"
           " + (SELECT COUNT(*) FROM artifacts WHERE run_id NOT IN (SELECT run_id FROM runs))"
           " + (SELECT COUNT(*) FROM run_assets WHERE run_id NOT IN (SELECT run_id FROM runs))"
           " + (SELECT COUNT(*) FROM input_tags WHERE run_id NOT IN (SELECT run_id FROM runs))"
           " + (SELECT COUNT(*) FROM trace_runs WHERE run_id NOT IN (SELECT run_id FROM runs))"
           " + (SELECT COUNT(*) FROM latest_metrics WHERE run_id NOT IN (SELECT run_id FROM runs))"
           " + (SELECT COUNT(*) FROM metrics WHERE metric_id NOT IN"
           "  (SELECT metric_id FROM latest_metrics))");
}

static void the_trash_is_emptied_by_age(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = { "a", "b", "c", "d" };
    for (int i = 0; i < 4; i++) {
        add_run(f, 0, ids[i], 1);
        fill_run(f, ids[i], i == 0 ? 45000 : 10);
    }
    delete_run(f, "a", 49);
    delete_run(f, "b", 51);
    delete_run(f, "c", 2);
    assert_ok(client_run_restore(f->track, STR("c")));
    struct retention_report r = apply(f, (struct retention){ 0 }); /* no age: nothing goes */
    assert_int_equal(r.counts[RETENTION_PURGE_RUN], 0);
    r = apply(f, long_ago);
    assert_int_equal(r.counts[RETENTION_PURGE_RUN], 1);
    assert_true(stage_is(f, "deleted", "b"));
    assert_true(stage_is(f, "active", "c d"));
    assert_int_equal(dangling(f), 0);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM metrics"), 30);
    assert_int_equal(fixture_collect(f).removed_count, 1);
    assert_ok(store_check(f->store));
}

static void what_is_going_does_not_come_back(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_experiment(f, "e");
    add_run(f, (int)e, "a", 1);
    fill_run(f, "a", 10);
    delete_run(f, "a", 2);
    exec_fmt(f, "UPDATE runs SET purge_ms = 5 WHERE run_id = 'a'"); /* a kill left it so */
    assert_err(client_run_restore(f->track, STR("a")), ERR_NOT_FOUND);
    assert_ok(experiment_delete(f->track, e));
    assert_ok(experiment_restore(f->track, e));
    assert_true(stage_is(f, "active", ""));
    struct retention plan = { .is_rehearsal = true };
    assert_int_equal(apply(f, plan).counts[RETENTION_PURGE_RUN], 0);
    assert_int_equal(apply(f, (struct retention){ 0 }).counts[RETENTION_PURGE_RUN], 1);
    assert_int_equal(dangling(f), 0);
}

static void add_file(struct fixture *f, const char *path)
{
    struct blob_info blob = fixture_blob(f, str_of(path));
    exec_fmt(f, "INSERT INTO files (path, blob, bytes, created_ms) VALUES ('%s', '%s', 1, 1)", path,
             blob.id.hex);
    blob_unpin(f->blobs, &blob.id);
}

static void add_model(struct fixture *f, const char *id, int64_t experiment, const char *stage)
{
    exec_fmt(f,
             "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location,"
             " created_ms, updated_ms, status, lifecycle_stage) VALUES ('%s', %lld, 'n',"
             " 'mlflow-artifacts:/%lld/models/%s/artifacts', 1, 2, 'LOGGED_MODEL_READY', '%s')",
             id, (long long)experiment, (long long)experiment, id, stage);
    add_file(f,
             arena_fmt(&f->mem, "%lld/models/%s/artifacts/MLmodel", (long long)experiment, id).ptr);
}

static void deleted_models_go_unless_they_are_registered(void **state)
{
    struct fixture *f = *state;
    add_run(f, 0, "a", 1);
    add_model(f, "m-1", 0, "deleted");
    add_model(f, "m-2", 0, "deleted");
    add_model(f, "m-3", 0, "deleted");
    add_model(f, "m-4", 0, "active");
    exec_fmt(f, "INSERT INTO logged_model_params (model_id, key, value) VALUES ('m-1', 'a', 'b')");
    exec_fmt(f, "INSERT INTO logged_model_tags (model_id, key, value) VALUES ('m-1', 'a', 'b')");
    add_edge(f, "a", "out", "model", "m-1");
    add_version(f, 1, "model_id", "'m-2'");
    add_version(f, 2, "run_id, location", "'x', 'mlflow-artifacts:/0/models/m-3/artifacts'");
    /* a location that a client could have written reaches nobody else's files */
    add_model(f, "m-5", 0, "deleted");
    exec_fmt(f, "UPDATE logged_models SET artifact_location = 'mlflow-artifacts:/0'"
                " WHERE model_id = 'm-5'");
    struct retention_report r = apply(f, long_ago);
    assert_int_equal(r.counts[RETENTION_PURGE_MODEL], 2);
    assert_int_equal(r.counts[RETENTION_KEEP_MODEL], 2);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM logged_models"), 3);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM run_assets"), 0);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM files"), 4);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM files WHERE path LIKE '0/models/m-1/%'"),
                     0);
}

static void an_empty_experiment_goes_and_its_number_with_it(void **state)
{
    struct fixture *f = *state;
    int64_t a = add_experiment(f, "a"), b = add_experiment(f, "b");
    add_run(f, (int)a, "held", 1);
    add_run(f, (int)b, "free", 1);
    add_version(f, 1, "run_id", "'held'");
    add_model(f, "m-1", b, "active");
    exec_fmt(f,
             "INSERT INTO traces (trace_id, experiment_id, request_ms, state) VALUES ('tr-1',"
             " %lld, 1, 'OK')",
             (long long)b);
    add_file(f, arena_fmt(&f->mem, "%lld/traces/tr-1/artifacts/traces.json", (long long)b).ptr);
    add_file(f, arena_fmt(&f->mem, "%lld/left/over", (long long)b).ptr);
    add_file(f, arena_fmt(&f->mem, "%lld0/not/mine", (long long)b).ptr);
    tag_experiment(f, b, "team", "harbour");
    assert_ok(experiment_delete(f->track, 0));
    assert_ok(experiment_delete(f->track, a));
    assert_ok(experiment_delete(f->track, b));
    fixture_exec(f, "UPDATE experiments SET last_update_time = 5");
    fixture_exec(f, "UPDATE runs SET deleted_ms = 5");

    struct retention plan = long_ago;
    plan.is_rehearsal = true;
    struct retention_report said = apply(f, plan), r = apply(f, long_ago);
    assert_memory_equal(said.counts, r.counts, sizeof r.counts);
    assert_int_equal(r.counts[RETENTION_PURGE_EXPERIMENT], 1);
    assert_int_equal(r.counts[RETENTION_PURGE_MODEL], 1);
    assert_int_equal(r.counts[RETENTION_REMOVE_TRACE], 1);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM experiments"), 2); /* Default, a */
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM files"), 1);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM traces"), 0);
    assert_ok(store_check(f->store));
    assert_int_equal(add_experiment(f, "b"), b + 1); /* the name is free, the number is not */
}

static void traces_go_by_their_own_rule(void **state)
{
    struct fixture *f = *state;
    int64_t e = add_experiment(f, "e");
    exec_fmt(f,
             "INSERT INTO traces (trace_id, experiment_id, request_ms, state)"
             " WITH RECURSIVE n(i) AS (SELECT CAST(0 AS @int) UNION ALL SELECT i + 1 FROM n"
             " WHERE i < 119)"
             " SELECT 'tr-' || CAST(i AS @text), CASE WHEN i %% 2 = 1 THEN %lld ELSE 0 END,"
             " i * 43200000, 'OK' FROM n",
             (long long)e);
    exec_fmt(f, "INSERT INTO trace_tags (trace, key, value) SELECT id, 'keep', 'yes' FROM traces"
                " WHERE trace_id = 'tr-2'");
    add_file(f, "0/traces/tr-0/artifacts/traces.json");
    add_file(f, "0/traces/tr-2/artifacts/traces.json");
    assert_int_equal(apply(f, (struct retention){ 0 }).counts[RETENTION_REMOVE_TRACE], 0);
    tag_experiment(f, e, RETENTION_TAG_TRACES, "0"); /* stays, whatever the default */
    struct retention want = { .traces_days = 50, .is_rehearsal = true };
    assert_int_equal(apply(f, want).counts[RETENTION_REMOVE_TRACE], 49);
    want.is_rehearsal = false;
    assert_int_equal(apply(f, want).counts[RETENTION_REMOVE_TRACE], 49);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM traces"), 71);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM files"), 1);
    tag_experiment(f, 0, RETENTION_TAG_TRACES, "100");
    assert_int_equal(apply(f, want).counts[RETENTION_REMOVE_TRACE], 0);
}

/* ------------------------------------------------------------------ kill -9 */

enum { KILLS = 6, KILL_RUNS = 40, KILL_POINTS = 3000 };

struct doomed {
    int round;
    struct blob_info blobs[KILL_RUNS];
};

/* Runs with all that runs have, every other one long in the trash, in one transaction. */
static err doomed_fn(struct store_tx *tx, void *arg)
{
    static const char *const sql[] = {
        "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin, status,"
        " lifecycle_stage, created_ms, deleted_ms, attempts) VALUES (?1, 0, 'r', 'u', 'mlflow',"
        " 'client', 'FINISHED', 'deleted', 1, ?2, 1)",
        "INSERT INTO params (run_id, key, value) SELECT run_id, 'p', 'v' FROM runs"
        " WHERE run_id = ?1 AND deleted_ms = ?2",
        "INSERT INTO tags (run_id, key, value) SELECT run_id, 't', 'v' FROM runs"
        " WHERE run_id = ?1 AND deleted_ms = ?2",
        "INSERT INTO latest_metrics (run_id, key, step, ts_ms, value, is_nan)"
        " SELECT run_id, 'm', 0, 0, 0, 0 FROM runs WHERE run_id = ?1 AND deleted_ms = ?2",
    };
    const struct doomed *d = arg;
    for (int i = 0; i < KILL_RUNS; i++) {
        char id[24];
        snprintf(id, sizeof id, "k%02d-%03d", d->round, i);
        for (size_t k = 0; k < COUNT_OF(sql); k++)
            TRY(store_exec(tx, sql[k], ARGS(sql_cstr(id), sql_int((i % 2 ? 2 : 60) * DAY_MS)),
                           NULL));
        TRY(store_exec(tx,
                       "INSERT INTO metrics (metric_id, ts_ms, step, value, is_nan)"
                       " WITH RECURSIVE n(i) AS (SELECT CAST(0 AS @int) UNION ALL SELECT i + 1"
                       " FROM n WHERE i < ?2) SELECT metric_id, i, i, 1.0, 0 FROM latest_metrics, n"
                       " WHERE run_id = ?1",
                       ARGS(sql_cstr(id), sql_int(KILL_POINTS - 1)), NULL));
        TRY(store_exec(tx,
                       "INSERT INTO artifacts (run_id, path, blob, bytes, created_ms)"
                       " VALUES (?1, 'a', ?2, ?3, 1)",
                       ARGS(sql_cstr(id), sql_cstr(d->blobs[i].id.hex), sql_int(d->blobs[i].bytes)),
                       NULL));
    }
    return OK;
}

static void add_doomed(struct fixture *f, int round)
{
    struct doomed d = { .round = round };
    for (int i = 0; i < KILL_RUNS; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "%d of %d", i, round);
        d.blobs[i] = fixture_blob(f, str_from(text, (size_t)len));
    }
    assert_ok(store_write(f->store, doomed_fn, &d));
}

static void going_child(struct fixture *f, int fd)
{
    struct retention_report report;
    struct retention want = { .now_ms = NOW, .deleted_before_ms = 50 * DAY_MS };
    err e = fixture_try_open(f);
    if (!e.code && write(fd, "o", 1) == 1)
        e = retention_apply(f->track, &want, &report);
    for (int i = 0; !e.code && i < 3; i++) { /* and the bytes, which are young */
        struct blob_gc_report gc;
        struct blob_owner owner = { track_roots, f->track };
        e = blobs_collect(f->blobs, &owner, 1, 0, &gc);
    }
    if (e.code)
        fprintf(stderr, "child: %s\n", e.msg);
    _exit(e.code ? 3 : 0);
}

static void kill_nine_in_the_middle_is_made_up_for(void **state)
{
    struct fixture f;
    struct rng rng;
    int64_t half_done = 0;
    rng_init(&rng, 20261128);
    fixture_folder(&f);
    for (int kills = 0; kills < KILLS; kills++) {
        int fds[2], status;
        char go;
        assert_ok(fixture_try_open(&f));
        add_doomed(&f, kills);
        fixture_shut(&f);
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            going_child(&f, fds[1]);
        assert_int_equal(read(fds[0], &go, 1), 1);
        clock_sleep_ms((int64_t)rng_below(&rng, 40));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        close(fds[0]);
        close(fds[1]);

        assert_ok(fixture_try_open(&f));
        assert_ok(store_check(f.store));
        assert_int_equal(dangling(&f), 0);
        assert_int_equal(fixture_collect(&f).missing_count, 0);
        half_done += fixture_int(&f, "SELECT COUNT(*) FROM runs WHERE deleted_ms < 4320000000");
        (void)apply(&f, long_ago);
        assert_int_equal(dangling(&f), 0);
        assert_int_equal(fixture_int(&f, "SELECT COUNT(*) FROM runs"), (kills + 1) * KILL_RUNS / 2);
        struct blob_gc_report gc = fixture_collect(&f);
        assert_int_equal(gc.missing_count, 0);
        assert_int_equal(gc.kept_count, (kills + 1) * KILL_RUNS / 2);
        fixture_shut(&f);
    }
    assert_true(half_done > 0); /* some kill was early enough to leave work */
    fixture_folder_remove(&f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)
    const struct CMUnitTest tests[] = {
        T(a_rule_is_a_number),
        T(the_newest_stay_or_the_young),
        T(a_rule_reaches_behind_its_first_step),
        T(what_a_version_came_from_stays),
        T(files_that_a_version_names_stay),
        T(our_own_work_stays),
        T(the_trash_is_emptied_by_age),
        T(what_is_going_does_not_come_back),
        T(deleted_models_go_unless_they_are_registered),
        T(an_empty_experiment_goes_and_its_number_with_it),
        T(traces_go_by_their_own_rule),
        cmocka_unit_test(kill_nine_in_the_middle_is_made_up_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
