/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Models in memory: would an alias that moves under load give a wrong answer, or memory grow?
 * Skipped where libxgboost is not installed. */
#include "track_fixture.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/thread.h"
#include "platform/scoring/scoring.h"
#include "platform/track/files.h"

enum { VERSIONS = 6, THREADS = 4, ROUNDS = 300, FILE_BYTES_MAX = 1 << 20 };

static const char *const models[] = { "regressor", "classifier", "native-binary" };

static void put(struct fixture *f, const char *model, const char *file, int version)
{
    char path[512], from[512];
    str bytes;
    snprintf(from, sizeof from, "%s/%s/%s", MODELS_FOLDER, model, file);
    snprintf(path, sizeof path, "0/models/v%d/%s", version, file);
    assert_ok(fs_read(&f->mem, from, FILE_BYTES_MAX, &bytes));
    struct blob_info blob = fixture_blob(f, bytes);
    assert_ok(files_put(f->track, str_of(path), &blob));
    blob_unpin(f->blobs, &blob.id);
}

static void add_version(struct fixture *f, int version)
{
    char sql[512];
    const char *model = models[version % 3];
    put(f, model, "MLmodel", version);
    put(f, model, "model.xgb", version);
    snprintf(sql, sizeof sql,
             "INSERT INTO model_versions (id, name, version, kind, stage, status, source, bytes,"
             " created_ms, updated_ms) VALUES ('id-%d', 'm', %d, 'mlflow', 'None', 'READY',"
             " 'mlflow-artifacts:/0/models/v%d', 0, 1, 1)",
             version, version, version);
    fixture_exec(f, sql);
}

static struct scoring *open_scoring(struct fixture *f, int64_t bytes_max)
{
    struct scoring *s;
    assert_ok(scoring_open(&(struct scoring_options){ .track = f->track,
                                                      .blobs = f->blobs,
                                                      .log = f->log,
                                                      .metrics = f->metrics,
                                                      .bytes_max = bytes_max,
                                                      .xgboost_library = "",
                                                      .onnx_library = "" },
                           &s));
    return s;
}

static int setup(void **state)
{
    if (fixture_init(state))
        return -1;
    struct fixture *f = *state;
    assert_ok(metrics_register(f->metrics, scoring_metrics));
    fixture_exec(f, "INSERT INTO registered_models (name, kind, created_ms, updated_ms)"
                    " VALUES ('m', 'mlflow', 1, 1)");
    for (int i = 1; i <= VERSIONS; i++)
        add_version(f, i);
    fixture_exec(f, "INSERT INTO model_aliases (name, alias, version) VALUES ('m', 'live', 1)");
    return 0;
}

static bool has_library(void)
{
    void *library = dlopen("libxgboost.so.0", RTLD_NOW | RTLD_NODELETE);
    return library != NULL;
}

/* What the first row of the recordings gets from each of the models. */
static double expected(int64_t version)
{
    static const double answers[] = { 0.34186649322509766, 1, 0.7758790254592896 };
    return answers[version % 3];
}

static double first_value(const struct prediction *p)
{
    const struct output *o = &p->outputs[0];
    return o->type == OUTPUT_LONG ? (double)((const int64_t *)o->values)[0]
                                  : (double)((const float *)o->values)[0];
}

static err ask(struct scoring *s, const char *ref, double *ret_value, int64_t *ret_version)
{
    static const char body[] = "{\"dataframe_split\":{\"columns\":[\"a\",\"b\",\"c\",\"n\"],"
                               "\"data\":[[0.5,-1.25,0.25,3]]}}";
    struct scored_model *m;
    struct score_batch b;
    struct prediction p;
    enum scoring_fault fault;
    arena keep;
    TRY(scoring_acquire(s, STR("m"), str_of(ref), &m));
    arena_init(&keep, 1 << 20);
    err e = batch_read_json(str_of(body), &keep, &b);
    if (!e.code)
        e = scoring_predict(m, &b, &keep, &p, &fault);
    if (!e.code) {
        *ret_value = first_value(&p);
        *ret_version = scored_model_version(m);
    }
    arena_deinit(&keep);
    scoring_release(m);
    return e;
}

struct asker {
    struct scoring *scoring;
    unsigned seed;
    int wrong;
    err failure;
};

static void *ask_often(void *arg)
{
    struct asker *a = arg;
    for (int i = 0; i < ROUNDS && !a->failure.code; i++) {
        char ref[16] = "live";
        double value = 0;
        int64_t version = 0;
        a->seed = a->seed * 1103515245U + 12345U;
        if (i % 3)
            snprintf(ref, sizeof ref, "%u", 1 + (a->seed >> 16) % VERSIONS);
        a->failure = ask(a->scoring, ref, &value, &version);
        if (!a->failure.code &&
            (value < expected(version) - 1e-6 || value > expected(version) + 1e-6))
            a->wrong++;
    }
    return NULL;
}

static void models_come_and_go_under_load(void **state)
{
    struct fixture *f = *state;
    if (!has_library())
        skip();
    /* two or three of the six versions fit, so they push each other out all the time */
    struct scoring *s = open_scoring(f, 13000);
    struct asker askers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){ .scoring = s, .seed = i };
        assert_ok(thread_start(&threads[i], "ask", ask_often, &askers[i]));
    }
    for (int i = 0; i < 50; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "UPDATE model_aliases SET version = %d", 1 + i % VERSIONS);
        fixture_exec(f, sql);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_ok(askers[i].failure);
        assert_int_equal(askers[i].wrong, 0);
    }
    assert_true(metric_value(metric_cell_plain(f->metrics, &scoring_metrics[6])) <= 13000);
    scoring_close(s);
}

static void who_holds_a_model_keeps_it(void **state)
{
    struct fixture *f = *state;
    struct scored_model *first;
    double value;
    int64_t version;
    if (!has_library())
        skip();
    struct scoring *s = open_scoring(f, 10000);
    assert_ok(scoring_acquire(s, STR("m"), STR("1"), &first));
    for (int i = 2; i <= VERSIONS; i++) {
        char ref[16];
        snprintf(ref, sizeof ref, "%d", i);
        assert_ok(ask(s, ref, &value, &version));
    }
    assert_int_equal(scored_model_version(first), 1);
    assert_string_equal(scored_model_flavour(first), "xgboost");
    assert_int_equal(scored_model_signature(first)->column_count, 4);
    scoring_release(first);
    scoring_close(s);
}

static void refusals_say_why(void **state)
{
    struct fixture *f = *state;
    struct scored_model *m;
    struct blob_info blob = fixture_blob(f, STR("flavors:\n  python_function:\n    env: x\n  "
                                                "sklearn:\n    pickled_model: model.pkl\n"));
    assert_ok(files_put(f->track, STR("0/models/v1/MLmodel"), &blob));
    blob_unpin(f->blobs, &blob.id);
    fixture_exec(f, "UPDATE model_versions SET source = 's3://elsewhere/m' WHERE version = 2");
    fixture_exec(f,
                 "UPDATE model_versions SET source = 'mlflow-artifacts:/none' WHERE version = 3");
    struct scoring *s = open_scoring(f, 1000);
    err e = scoring_acquire(s, STR("m"), STR("live"), &m);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "python_function, sklearn"));
    assert_err(scoring_acquire(s, STR("m"), STR("2"), &m), ERR_NOT_FOUND);
    assert_err(scoring_acquire(s, STR("m"), STR("3"), &m), ERR_NOT_FOUND);
    assert_err(scoring_acquire(s, STR("m"), STR("4"), &m), ERR_TOO_BIG);
    assert_err(scoring_acquire(s, STR("m"), STR("99"), &m), ERR_NOT_FOUND);
    scoring_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_come_and_go_under_load, setup, fixture_deinit),
        cmocka_unit_test_setup_teardown(who_holds_a_model_keeps_it, setup, fixture_deinit),
        cmocka_unit_test_setup_teardown(refusals_say_why, setup, fixture_deinit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
