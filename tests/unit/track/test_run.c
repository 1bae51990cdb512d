/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a stage tells its run: is it all there afterwards, under MLflow's rules? */
#include "track_fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"

static str data_json(struct fixture *f, const char *id)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, 1024 * 1024);
    json_out_init(&w, &text);
    json_object_begin(&w);
    assert_ok(track_run_data_json(f->track, str_of(id), &w));
    json_object_end(&w);
    str kept = arena_str(&f->mem, buf_str(&text));
    buf_deinit(&text);
    return kept;
}

/* If this failed, a run would show without what it said, or with the wrong user. */
static void what_a_run_says_is_stored(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    char id[HEX_ID_BYTES];
    memcpy(id, run_id(r), sizeof id);
    assert_int_equal(strlen(id), 32);
    assert_ptr_equal(run_ctx(r), f);

    assert_ok(run_param(r, "epochs", STR("3")));
    assert_ok(run_param_fmt(r, "opt/lr", "%.2f", 0.25));
    assert_ok(run_param(r, "empty", STR("")));
    assert_ok(run_tag(r, "host", STR("first")));
    assert_ok(run_tag(r, "host", STR("second")));
    assert_ok(run_metric(r, "loss", 0.5, 1));
    assert_ok(run_artifact(r, "report/a.json", STR("{\"a\":1}")));
    fixture_end(r, ERR_NONE);

    struct run_info info;
    assert_ok(track_run_get(f->track, str_of(id), &f->mem, &info));
    assert_string_equal(info.status.ptr, "FINISHED");
    assert_string_equal(info.component.ptr, "training");
    assert_string_equal(info.username.ptr, "ada");
    assert_string_equal(info.experiment_id.ptr, "0");
    assert_true(info.start_ms > 0 && info.end_ms >= info.start_ms);
    assert_int_equal(info.attempts, 1);

    const struct json *data;
    assert_ok(json_parse(&f->mem, data_json(f, id), &data));
    const struct json *params = json_get(data, "params");
    assert_int_equal(json_count(params), 3);
    assert_true(str_eq(json_str(json_get(params, "opt/lr"), STR_NONE), STR("0.25")));
    assert_true(json_kind(json_get(params, "empty")) == JSON_IS_STR);
    assert_true(
        str_eq(json_str(json_get(json_get(data, "tags"), "host"), STR_NONE), STR("second")));
    assert_true(
        str_eq(json_str(json_get(json_get(data, "tags"), "mlflow.user"), STR_NONE), STR("ada")));
    assert_true(json_num(json_get(json_get(data, "metrics"), "loss"), 0) == 0.5);
    assert_int_equal(json_count(json_get(data, "inputs")), 0);

    struct artifact_info *artifacts;
    size_t count;
    assert_ok(track_artifact_list(f->track, str_of(id), &f->mem, &artifacts, &count));
    assert_int_equal(count, 1);
    assert_string_equal(artifacts[0].path.ptr, "report/a.json");
    assert_int_equal(artifacts[0].bytes, 7);
    assert_true(fixture_exposed(f, "skerry_artifact_bytes_total{component=\"training\"} 7"));
}

/* Params are the record of what was tried: one that can change is no record. */
static void a_changed_param_is_refused(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    assert_ok(run_param(r, "seed", STR("1")));
    assert_ok(run_param(r, "seed", STR("1")));
    assert_err(run_param(r, "seed", STR("2")), ERR_CONFLICT);
    assert_ok(run_flush(r));
    assert_err(run_param(r, "seed", STR("")), ERR_CONFLICT);
    fixture_end(r, ERR_NONE);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM params WHERE value = '1'"), 1);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM params"), 1);
}

static err other_writer(struct store_tx *tx, void *arg)
{
    return store_exec(tx, "INSERT INTO params (run_id, key, value) VALUES (?1, 'seed', 'theirs')",
                      ARGS(sql_cstr(arg)), NULL);
}

/* A client may write to our run at the same time: the run must not claim success with a param that
 * is not the one it used. */
static void a_param_that_somebody_else_set_fails_the_run(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    char id[HEX_ID_BYTES];
    memcpy(id, run_id(r), sizeof id);
    assert_ok(store_write(f->store, other_writer, id));
    assert_ok(run_param(r, "seed", STR("ours")));
    assert_ok(run_param(r, "other", STR("kept")));
    assert_err(run_flush(r), ERR_CONFLICT);
    err fine = OK;
    assert_err(run_end(r, &fine), ERR_CONFLICT);
    struct run_info info;
    assert_ok(track_run_get(f->track, str_of(id), &f->mem, &info));
    assert_string_equal(info.status.ptr, "FAILED");
    assert_true(str_contains(info.error, STR("seed")));
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM params WHERE value = 'theirs'"), 1);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM params WHERE value = 'kept'"), 1);
}

static void bad_keys_and_values_are_refused(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    static const char *const bad[] = { "",      "/a",   "a/",   "a//b", "../a", "a/../b",
                                       "a/./b", "a\nb", "a\"b", "a;b",  "." };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_err(run_param(r, bad[i], STR("x")), ERR_INVALID);
        assert_err(run_metric(r, bad[i], 1, 1), ERR_INVALID);
        assert_err(run_tag(r, bad[i], STR("x")), ERR_INVALID);
    }
    char key[252];
    memset(key, 'k', sizeof key);
    key[251] = '\0';
    assert_err(run_param(r, key, STR("x")), ERR_INVALID);
    key[250] = '\0';
    assert_ok(run_param(r, key, STR("x")));
    static char big[TRACK_TAG_BYTES_MAX + 1];
    memset(big, 'v', sizeof big);
    assert_err(run_param(r, "big", str_from(big, TRACK_PARAM_BYTES_MAX + 1)), ERR_TOO_BIG);
    assert_ok(run_param(r, "big", str_from(big, TRACK_PARAM_BYTES_MAX)));
    assert_err(run_tag(r, "big", str_from(big, sizeof big)), ERR_TOO_BIG);
    static const char *const paths[] = { "", "/etc/passwd", "a/../b", "..", "a\\b", "a//b", "a/" };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        assert_err(run_artifact(r, paths[i], STR("x")), ERR_INVALID);
    assert_err(run_result(r, STR("{not json")), ERR_INVALID);
    assert_ok(run_result(r, STR("{\"ok\":true}")));
    fixture_end(r, ERR_NONE);
    assert_int_equal(fixture_collect(f).kept_count, 0);
}

/* The rule is the largest (step, time, value). A chart that shows another "latest" than MLflow
 * would make people distrust both. */
static void latest_is_the_largest_step(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    assert_ok(run_metric(r, "acc", 0.9, 10));
    assert_ok(run_metric(r, "acc", 0.1, 3));
    assert_ok(run_flush(r));
    assert_true(
        str_eq(fixture_text(f, "SELECT CAST(value AS TEXT) FROM latest_metrics"), STR("0.9")));
    assert_ok(run_metric(r, "acc", 0.2, 9)); /* later in time, but not in steps */
    assert_ok(run_flush(r));
    assert_int_equal(fixture_int(f, "SELECT step FROM latest_metrics"), 10);
    clock_sleep_ms(3);
    assert_ok(run_metric(r, "acc", 0.4, 10)); /* same step, later */
    assert_ok(run_flush(r));
    assert_true(
        str_eq(fixture_text(f, "SELECT CAST(value AS TEXT) FROM latest_metrics"), STR("0.4")));
    assert_ok(run_metric(r, "acc", 0.3, 11));
    fixture_end(r, ERR_NONE);
    assert_int_equal(fixture_int(f, "SELECT step FROM latest_metrics"), 11);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM latest_metrics"), 1);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM metrics"), 5);
}

static void nan_and_infinity_are_kept(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    char id[HEX_ID_BYTES];
    memcpy(id, run_id(r), sizeof id);
    assert_ok(run_metric(r, "loss", NAN, 1));
    assert_ok(run_metric(r, "loss", INFINITY, 2));
    assert_ok(run_metric(r, "loss", -INFINITY, 3));
    assert_ok(run_metric(r, "only", NAN, 0));
    fixture_end(r, ERR_NONE);
    struct metric_point *points;
    size_t count;
    assert_ok(
        track_metric_history(f->track, str_of(id), STR("loss"), 0, 0, &f->mem, &points, &count));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        if (points[i].step == 1)
            assert_true(isnan(points[i].value));
        if (points[i].step == 2)
            assert_true(points[i].value == DBL_MAX);
        if (points[i].step == 3)
            assert_true(points[i].value == -DBL_MAX);
    }
    assert_true(str_contains(data_json(f, id), STR("\"only\":null")));
    assert_ok(
        track_metric_history(f->track, str_of(id), STR("loss"), 0, 2, &f->mem, &points, &count));
    assert_int_equal(count, 2);
    assert_ok(
        track_metric_history(f->track, str_of(id), STR("absent"), 0, 0, &f->mem, &points, &count));
    assert_int_equal(count, 0);
}

/* A stage that logs fast fills buffers many times over: every point arrives, once, and the next
 * run's equal key is its own. */
static void many_points_go_through_small_buffers(void **state)
{
    struct fixture *f = *state;
    enum { POINTS = 25000, KEYS = 50 };
    for (int which = 0; which < 2; which++) {
        struct run *r = fixture_run(f, "training");
        char key[32];
        for (int i = 0; i < POINTS; i++) {
            snprintf(key, sizeof key, "m%02d", i % KEYS);
            assert_ok(run_metric(r, key, i, i / KEYS));
        }
        for (int i = 0; i < 350; i++) {
            snprintf(key, sizeof key, "p%d", i);
            assert_ok(run_param_fmt(r, key, "%d", i));
        }
        fixture_end(r, ERR_NONE);
    }
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM metrics"), 2 * POINTS);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM latest_metrics"), 2 * KEYS);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM latest_metrics WHERE step = 499"),
                     2 * KEYS);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM params"), 700);
    struct run *r = fixture_run(f, "training");
    char key[32];
    for (int i = 0; i < RUN_METRIC_KEYS_MAX; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(run_metric(r, key, 1, 1));
    }
    assert_err(run_metric(r, "one too many", 1, 1), ERR_TOO_BIG);
    fixture_end(r, ERR_NONE);
}

/* A stage that computes in silence must still be seen: the flusher writes without being asked. */
static void what_waits_is_written_without_being_asked(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    assert_ok(run_metric(r, "loss", 1, 1));
    for (int i = 0; i < 1000 && fixture_int(f, "SELECT COUNT(*) FROM metrics") == 0; i++)
        clock_sleep_ms(10);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM metrics"), 1);
    fixture_end(r, ERR_NONE);
}

static err exec_text(struct store_tx *tx, void *arg)
{
    return store_exec(tx, arg, NO_ARGS, NULL);
}

/* A store that refuses for a while (a full disk) must cost neither points nor their order: batches
 * wait, the stage hears of it when both buffers are full, and goes on when there is room again. */
static void a_store_that_refuses_costs_nothing(void **state)
{
    struct fixture *f = *state;
    static char refuse[] = "ALTER TABLE metrics RENAME TO metrics_away";
    static char accept[] = "ALTER TABLE metrics_away RENAME TO metrics";
    struct run *r = fixture_run(f, "training");
    assert_ok(run_metric(r, "m", 0, 0));
    assert_ok(run_flush(r));
    assert_ok(store_write(f->store, exec_text, refuse));

    int64_t step = 1;
    err e = OK;
    while (!e.code && step <= 10 * RUN_POINTS_MAX) {
        e = run_metric(r, "m", (double)step, step);
        step += !e.code;
    }
    assert_int_not_equal(e.code, ERR_NONE);
    assert_true(step > RUN_POINTS_MAX && step <= 2 * RUN_POINTS_MAX + 1);
    assert_int_not_equal(run_flush(r).code, ERR_NONE);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM metrics_away"), 1);
    assert_false(fixture_exposed(f, "skerry_run_flush_errors_total 0"));

    assert_ok(store_write(f->store, exec_text, accept));
    assert_ok(run_metric(r, "m", (double)step, step)); /* the one that was refused, again */
    fixture_end(r, ERR_NONE);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM metrics"), step + 1);
    assert_int_equal(fixture_int(f, "SELECT step FROM latest_metrics"), step);
}

/* The run cannot have finished well when what it said is lost. */
static void a_run_whose_record_is_lost_has_failed(void **state)
{
    struct fixture *f = *state;
    static char refuse[] = "ALTER TABLE metrics RENAME TO metrics_away";
    struct run *r = fixture_run(f, "training");
    assert_ok(store_write(f->store, exec_text, refuse));
    assert_ok(run_metric(r, "m", 1, 1));
    assert_int_not_equal(run_end(r, NULL).code, ERR_NONE);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM runs WHERE status = 'FAILED'"), 1);
    assert_false(fixture_exposed(f, "skerry_run_metric{"));
}

static void live_gauges_go_with_the_run(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    char line[160];
    assert_ok(run_metric(r, "loss", 0.25, 1));
    snprintf(line, sizeof line, "skerry_run_metric{run_id=\"%s\",key=\"loss\"} 0.25", run_id(r));
    assert_true(fixture_exposed(f, line));
    assert_true(fixture_exposed(f, "skerry_runs_active{component=\"training\"} 1"));
    fixture_end(r, ERR_NONE);
    assert_false(fixture_exposed(f, "skerry_run_metric{"));
    assert_true(fixture_exposed(f, "skerry_runs_active{component=\"training\"} 0"));
    assert_true(
        fixture_exposed(f, "skerry_runs_total{component=\"training\",status=\"FINISHED\"} 1"));
}

static void the_end_tells_how_it_went(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum err_code code;
        const char *status, *event;
    } ends[] = {
        { ERR_NONE, "FINISHED", "run.finished" },
        { ERR_CANCELLED, "KILLED", "run.killed" },
        { ERR_IO, "FAILED", "run.failed" },
        { ERR_INVALID, "FAILED", "run.failed" },
    };
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct run *r = fixture_run(f, "ingest");
        char id[HEX_ID_BYTES];
        memcpy(id, run_id(r), sizeof id);
        run_set_dataset(r, STR("d-1"));
        run_set_model(r, STR("m-1"));
        fixture_end(r, ends[i].code);
        struct run_info info;
        assert_ok(track_run_get(f->track, str_of(id), &f->mem, &info));
        assert_string_equal(info.status.ptr, ends[i].status);
        assert_string_equal(info.dataset_id.ptr, "d-1");
        assert_string_equal(info.model_id.ptr, "m-1");
        assert_int_equal(info.error.len > 0, ends[i].code != ERR_NONE);
        str line;
        assert_true(fixture_logged(f, ends[i].event, &line) > 0);
        assert_true(str_contains(line, str_of(id)) &&
                    str_contains(line, STR("\"dataset_id\":\"d-1\"")) &&
                    str_contains(line, STR("\"username\":\"ada\"")));
    }
    assert_int_equal(fixture_logged(f, "run.started", NULL), COUNT_OF(ends));
    struct run_info *infos;
    size_t count;
    int64_t total;
    struct run_filter failed = { .status = STR("FAILED"), .component = STR("ingest"), .limit = 1 };
    assert_ok(track_run_list(f->track, &failed, &f->mem, &infos, &count));
    assert_int_equal(count, 1);
    assert_ok(track_run_count(f->track, &failed, &total));
    assert_int_equal(total, 2);
    assert_ok(track_run_list(f->track, &(struct run_filter){ .component = STR("other") }, &f->mem,
                             &infos, &count));
    assert_int_equal(count, 0);
    assert_err(track_run_get(f->track, STR("nobody"), &f->mem, &infos[0]), ERR_NOT_FOUND);
    assert_ok(run_end(NULL, NULL));
}

/* After a crash nobody will ever end the run: it must not stay "running" for ever. Runs of clients
 * have their own process, and stay. */
static void runs_of_a_dead_process_are_failed_at_open(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "ingest");
    fixture_end(r, ERR_NONE);
    r = fixture_run(f, "ingest");
    /* The row says RUNNING, as a killed process would leave it. */
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'"), 1);
    struct track *second = NULL;
    struct track_options options = {
        .store = f->store, .blobs = f->blobs, .log = f->log, .metrics = f->metrics
    };
    /* A command line next to a server must leave the server's runs alone. */
    assert_ok(track_open(&options, &second));
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM runs WHERE status = 'FAILED'"), 0);
    track_close(second);
    options.sole_worker = true;
    assert_ok(track_open(&options, &second));
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM runs WHERE status = 'FAILED'"), 1);
    assert_int_equal(fixture_logged(f, "run.lost", NULL), 1);
    track_close(second);
    fixture_end(r, ERR_NONE);
}

static err client_run(struct store_tx *tx, void *arg)
{
    return store_exec(
        tx,
        "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin, status,"
        " lifecycle_stage, created_ms, attempts) VALUES ('abc', 0, 'n', 'u', 'c', 'client',"
        " 'RUNNING', 'active', 1, 1)",
        NO_ARGS, NULL);
}

static void runs_of_clients_are_left_alone_at_open(void **state)
{
    struct fixture *f = *state;
    assert_ok(store_write(f->store, client_run, NULL));
    fixture_shut(f);
    assert_ok(fixture_try_open(f));
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'"), 1);
    assert_int_equal(fixture_int(f, "SELECT experiment_id FROM experiments WHERE name = 'Default'"),
                     0);
}

static void artifacts_are_replaced_and_read_back(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    assert_ok(run_artifact(r, "net.bin", STR("one")));
    assert_ok(run_artifact(r, "net.bin", STR("two!")));
    assert_ok(run_artifact(r, "copy.bin", STR("two!")));
    str bytes;
    assert_ok(run_artifact_read(r, "net.bin", run_arena(r), 100, &bytes));
    assert_true(str_eq(bytes, STR("two!")));
    assert_err(run_artifact_read(r, "none.bin", run_arena(r), 100, &bytes), ERR_NOT_FOUND);
    assert_err(run_artifact_read(r, "net.bin", run_arena(r), 3, &bytes), ERR_TOO_BIG);
    struct blob_info blob = fixture_blob(f, STR("by hand"));
    assert_ok(run_artifact_blob(r, "hand.bin", &blob));
    fixture_end(r, ERR_NONE);
    /* "one" has no owner any more; nothing is pinned. */
    struct blob_gc_report report = fixture_collect(f);
    assert_int_equal(report.kept_count, 2);
    assert_int_equal(report.removed_count, 1);
    assert_int_equal(report.missing_count, 0);
}

static void experiments_are_made_when_named(void **state)
{
    struct fixture *f = *state;
    struct run *r = NULL;
    for (int i = 0; i < 2; i++) {
        assert_ok(run_begin(
            f->track,
            &(struct run_options){ .component = "training", .name = "mine", .experiment = "nets" },
            &r));
        fixture_end(r, ERR_NONE);
    }
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM experiments"), 2);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM runs WHERE experiment_id = 1"), 2);
    assert_true(str_eq(fixture_text(f, "SELECT run_name FROM runs LIMIT 1"), STR("mine")));
    assert_err(run_begin(f->track, &(struct run_options){ .component = "" }, &r), ERR_INVALID);
    assert_err(run_begin(f->track, &(struct run_options){ .component = "a", .name = "a\nb" }, &r),
               ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)
        T(what_a_run_says_is_stored),
        T(a_changed_param_is_refused),
        T(a_param_that_somebody_else_set_fails_the_run),
        T(bad_keys_and_values_are_refused),
        T(latest_is_the_largest_step),
        T(nan_and_infinity_are_kept),
        T(many_points_go_through_small_buffers),
        T(what_waits_is_written_without_being_asked),
        T(a_store_that_refuses_costs_nothing),
        T(a_run_whose_record_is_lost_has_failed),
        T(live_gauges_go_with_the_run),
        T(the_end_tells_how_it_went),
        T(runs_of_a_dead_process_are_failed_at_open),
        T(runs_of_clients_are_left_alone_at_open),
        T(artifacts_are_replaced_and_read_back),
        T(experiments_are_made_when_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
