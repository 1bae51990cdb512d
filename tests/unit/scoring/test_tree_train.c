/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trees: trained by libxgboost, walked by us. Would a prediction differ from the library's, were
 * early stopping not applied, or did a training depend on what else runs, nobody would see it.
 * Skipped where libxgboost is not installed. */
#include "learn_cases.h"

#include <string.h>

#include "engine/learn/forest.h"
#include "platform/scoring/tree_train.h"
#include "platform/scoring/xgboost_load.h"

enum { ROWS = 1200, JSON_BYTES_MAX = 16 << 20 };

/* The one that is installed, or any other to try. */
static const char *library(void)
{
    const char *path = getenv("SKERRY_XGBOOST_LIB");
    return path ? path : "";
}

struct made {
    struct learn_forest *forest;
    struct buf json; /* of the last slice */
    int slices, reports, stop_at;
    double best_valid;
    int best_round;
};

static err see(void *arg, const struct tree_train_round *r)
{
    struct made *m = arg;
    assert_int_equal(r->round, ++m->reports);
    if (r->valid_loss < m->best_valid) {
        m->best_valid = r->valid_loss;
        m->best_round = r->round;
    }
    return r->round == m->stop_at ? ERR(ERR_CANCELLED, "stopped") : OK;
}

static err take(void *arg, str json)
{
    struct made *m = arg;
    m->slices++;
    buf_clear(&m->json);
    buf_add(&m->json, json);
    TRY(buf_check(&m->json));
    return learn_forest_add_xgboost(m->forest, json);
}

static void made_init(struct made *m)
{
    *m = (struct made){ .best_valid = INFINITY };
    buf_init(&m->json, JSON_BYTES_MAX);
    assert_ok(learn_forest_new(CASE_FEATURES, 3, &m->forest));
}

static void made_deinit(struct made *m)
{
    learn_forest_free(m->forest);
    buf_deinit(&m->json);
}

struct world {
    struct learn_table table;
    float *values, *labels, *weights;
    struct tree_train_rows train, valid;
    struct tree_train_options options;
};

static void world_init(struct world *w)
{
    struct rng rng;
    rng_init(&rng, 1);
    case_fill(&w->table, 2 * ROWS, 0, 21);
    w->values = calloc((size_t)2 * ROWS * CASE_FEATURES, sizeof *w->values);
    w->labels = calloc((size_t)2 * ROWS, sizeof *w->labels);
    w->weights = calloc((size_t)2 * ROWS, sizeof *w->weights);
    for (size_t i = 0; i < (size_t)2 * ROWS * CASE_FEATURES; i++) {
        if (rng_below(&rng, 20) == 0)
            w->table.values[i] = NAN;
        w->values[i] = learn_forest_value(w->table.values[i]);
    }
    for (size_t i = 0; i < (size_t)2 * ROWS; i++) {
        w->labels[i] = w->table.labels[i];
        w->weights[i] = 1;
    }
    w->train = (struct tree_train_rows){ w->values, w->labels, NULL, ROWS };
    w->valid = (struct tree_train_rows){ w->values + ROWS * CASE_FEATURES, w->labels + ROWS, NULL,
                                         ROWS };
    w->options = (struct tree_train_options){ .feature_count = CASE_FEATURES,
                                              .class_count = 3,
                                              .rounds = 20,
                                              .rate = 0.05,
                                              .depth = 3,
                                              .min_child_weight = 2,
                                              .subsample = 0.8,
                                              .colsample = 0.7,
                                              .lambda = 2,
                                              .alpha = 0.1,
                                              .is_exact = true,
                                              .seed = 42 };
}

static void world_deinit(struct world *w)
{
    learn_table_deinit(&w->table);
    free(w->values);
    free(w->labels);
    free(w->weights);
}

static void run(struct world *w, struct made *m, struct tree_train_outcome *outcome)
{
    struct tree_train_ends ends = { see, take, m };
    assert_ok(tree_train(library(), &w->options, &w->train, &w->valid, &ends, outcome));
}

/* What the library itself predicts with the last slice. */
static const float *library_predicts(const struct xgboost_functions *lib, void *booster,
                                     const struct tree_train_rows *rows, void **ret_matrix)
{
    const uint64_t *shape;
    uint64_t dims;
    const float *values;
    assert_int_equal(
        lib->XGDMatrixCreateFromMat(rows->values, rows->count, CASE_FEATURES, NAN, ret_matrix), 0);
    assert_int_equal(
        lib->XGBoosterPredictFromDMatrix(booster, *ret_matrix,
                                         "{\"type\":0,\"training\":false,\"iteration_begin\":0,"
                                         "\"iteration_end\":0,\"strict_shape\":false}",
                                         &shape, &dims, &values),
        0);
    assert_int_equal(dims, 2);
    return values;
}

static void test_same_as_the_library(void **state)
{
    static const struct {
        int rounds, depth;
        bool is_exact;
    } cases[] = { { 70, 3, true }, { 30, 6, false }, { 1, 1, true }, { 3, 12, false } };
    struct xgboost_functions lib;
    assert_ok(xgboost_load(library(), &lib));
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        struct world w;
        struct made m;
        void *booster, *matrix;
        size_t same = 0;
        world_init(&w);
        made_init(&m);
        w.options.rounds = cases[k].rounds;
        w.options.depth = cases[k].depth;
        w.options.is_exact = cases[k].is_exact;
        w.options.slice_rounds = cases[k].rounds; /* in one piece, to be read by the library */
        run(&w, &m, NULL);
        assert_int_equal(m.slices, 1);
        assert_int_equal(learn_forest_tree_count(m.forest), 3 * cases[k].rounds);
        assert_int_equal(lib.XGBoosterCreate(NULL, 0, &booster), 0);
        assert_int_equal(lib.XGBoosterLoadModelFromBuffer(booster, m.json.ptr, m.json.len), 0);
        const float *theirs = library_predicts(&lib, booster, &w.valid, &matrix);
        for (size_t i = 0; i < ROWS; i++) {
            float ours[3];
            learn_forest_predict(m.forest, learn_table_row(&w.table, ROWS + i), ours);
            for (size_t c = 0; c < 3; c++)
                assert_near((double)ours[c], (double)theirs[i * 3 + c], 1e-6);
            same += memcmp(ours, theirs + i * 3, sizeof ours) == 0;
        }
        print_message(
            "libxgboost %d.%d, %d rounds of depth %d: %zu of %d rows have the same bits\n",
            lib.major, lib.minor, cases[k].rounds, cases[k].depth, same, ROWS);
        assert_int_equal(same, ROWS);
        lib.XGDMatrixFree(matrix);
        lib.XGBoosterFree(booster);
        made_deinit(&m);
        world_deinit(&w);
    }
}

static double loss_of(const struct learn_forest *f, const struct world *w)
{
    struct learn_loss l = { 0 };
    for (size_t i = ROWS; i < (size_t)2 * ROWS; i++) {
        float p[3];
        learn_forest_predict(f, learn_table_row(&w->table, i), p);
        learn_loss_add(&l, p, 3, w->table.labels[i], 1, NULL);
    }
    return learn_loss_value(&l, 0);
}

/* The trees that come back, over several slices, are those up to the best round and no more: their
 * loss is the best that was reported. */
static void test_stops_early_with_the_best(void **state)
{
    struct tree_train_outcome outcome;
    struct world w;
    struct made m;
    world_init(&w);
    made_init(&m);
    w.options.rounds = 2000;
    w.options.rate = 0.08;
    w.options.patience = 20;
    run(&w, &m, &outcome);
    print_message("best round %d of %d, loss %.4f\n", outcome.best_round, outcome.rounds,
                  outcome.valid_loss);
    assert_true(outcome.stopped_early && outcome.rounds == outcome.best_round + 20);
    assert_int_equal(outcome.best_round, m.best_round);
    assert_int_equal(m.slices,
                     (outcome.best_round + TREE_TRAIN_SLICE_ROUNDS - 1) / TREE_TRAIN_SLICE_ROUNDS);
    assert_true(m.slices > 1);
    assert_int_equal(learn_forest_tree_count(m.forest), 3 * outcome.best_round);
    assert_near(loss_of(m.forest, &w), m.best_valid, 1e-6);
    made_deinit(&m);
    world_deinit(&w);
}

static void test_is_repeatable_and_seeded(void **state)
{
    struct world w;
    struct made a, b, c;
    world_init(&w);
    made_init(&a);
    made_init(&b);
    made_init(&c);
    run(&w, &a, NULL);
    run(&w, &b, NULL);
    w.options.seed++;
    run(&w, &c, NULL);
    assert_true(str_eq(buf_str(&a.json), buf_str(&b.json)));
    assert_false(str_eq(buf_str(&a.json), buf_str(&c.json)));
    made_deinit(&a);
    made_deinit(&b);
    made_deinit(&c);
    world_deinit(&w);
}

/* Weights of rows must reach the library: heavy class 2 is predicted more. */
static void test_weights_do_something(void **state)
{
    struct world w;
    struct made plain, heavy;
    size_t more = 0;
    world_init(&w);
    made_init(&plain);
    made_init(&heavy);
    run(&w, &plain, NULL);
    for (size_t i = 0; i < ROWS; i++)
        w.weights[i] = w.labels[i] > 1 ? 3 : 1;
    w.train.weights = w.weights;
    run(&w, &heavy, NULL);
    for (size_t i = 0; i < ROWS; i++) {
        float p[3], q[3];
        learn_forest_predict(plain.forest, learn_table_row(&w.table, ROWS + i), p);
        learn_forest_predict(heavy.forest, learn_table_row(&w.table, ROWS + i), q);
        more += q[2] > p[2];
    }
    assert_true(more > ROWS * 9 / 10);
    made_deinit(&plain);
    made_deinit(&heavy);
    world_deinit(&w);
}

static void test_refusals(void **state)
{
    struct world w;
    struct made m;
    world_init(&w);
    made_init(&m);
    struct tree_train_ends ends = { see, take, &m };
    m.stop_at = 4;
    assert_int_equal(tree_train(library(), &w.options, &w.train, &w.valid, &ends, NULL).code,
                     ERR_CANCELLED);
    assert_int_equal(m.reports, 4);
    assert_int_equal(m.slices, 0);
    err e = tree_train("/nowhere/libxgboost.so", &w.options, &w.train, &w.valid, &ends, NULL);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "apt-get install libxgboost0"));
    w.options.depth = 0;
    e = tree_train(library(), &w.options, &w.train, &w.valid, &ends, NULL);
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.msg, "max_depth"));
    w.options.depth = 3;
    w.options.rate = NAN;
    assert_int_equal(tree_train(library(), &w.options, &w.train, NULL, &ends, NULL).code,
                     ERR_INVALID);
    w.options.rate = 0.1;
    w.labels[5] = 3;
    assert_int_equal(tree_train(library(), &w.options, &w.train, NULL, &ends, NULL).code,
                     ERR_INVALID);
    w.labels[5] = 0;
    w.values[7] = INFINITY; /* refused by the library, in its words */
    e = tree_train(library(), &w.options, &w.train, NULL, &ends, NULL);
    assert_int_equal(e.code, ERR_INVALID);
    print_message("%s\n", e.msg);
    w.train.count = 0;
    assert_int_equal(tree_train(library(), &w.options, &w.train, NULL, &ends, NULL).code,
                     ERR_INVALID);
    made_deinit(&m);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_library),
        cmocka_unit_test(test_stops_early_with_the_best),
        cmocka_unit_test(test_is_repeatable_and_seeded),
        cmocka_unit_test(test_weights_do_something),
        cmocka_unit_test(test_refusals),
    };
    struct xgboost_functions lib;
    err e = xgboost_load(library(), &lib);
    if (e.code) {
        print_message("skipped: %s\n", e.msg);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
