/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What joins the pipeline and libxgboost: were a round reported wrong, or the model of another
 * round taken, only the accuracy of served models would show it. Skipped where libxgboost is not
 * installed. */
#include "learn_cases.h"

#include <string.h>

#include "apps/rps/train.h"
#include "engine/learn/pipeline.h"
#include "platform/scoring/xgboost_load.h"

enum { ROWS = 2400, JSON_BYTES_MAX = 16 << 20 };

/* The one that is installed, or any other to try. */
static const char *library(void)
{
    const char *path = getenv("SKERRY_XGBOOST_LIB");
    return path ? path : "";
}

static err train_trees(void *arg, const struct learn_tree_options *options,
                       const struct learn_training *training, struct learn_forest **ret_forest,
                       struct learn_outcome *ret_outcome)
{
    (void)arg;
    return rps_train_trees(library(), options, training, ret_forest, ret_outcome);
}

struct figures {
    double test_accuracy, cv_mean, cv_deviation;
};

static err see_figure(void *arg, const char *name, double value)
{
    struct figures *f = arg;
    if (strcmp(name, "test_accuracy") == 0)
        f->test_accuracy = value;
    if (strcmp(name, "cv_mean_acc") == 0)
        f->cv_mean = value;
    if (strcmp(name, "cv_std_acc") == 0)
        f->cv_deviation = value;
    return OK;
}

/* From a table to a model that is loaded again, by the real library. */
static void test_pipeline_with_trees(void **state)
{
    static const str names[] = { STR_INIT("rock"), STR_INIT("paper"), STR_INIT("scissors") };
    struct learn_config config = *learn_sweep_find(LEARN_TREES, STR("c03"));
    struct learn_classifier *c, *loaded;
    struct figures figures = { 0 };
    struct learn_table table;
    struct rng rng;
    struct buf bytes;
    rng_init(&rng, 1);
    case_fill(&table, ROWS, 0, 21);
    for (size_t i = 0; i < (size_t)ROWS * CASE_FEATURES; i++)
        if (rng_below(&rng, 20) == 0)
            table.values[i] = NAN;
    buf_init(&bytes, JSON_BYTES_MAX);
    struct learn_pipeline p = { .table = &table,
                                .config = &config,
                                .feature_set = STR("made-up"),
                                .class_names = names,
                                .seed = 7,
                                .train_trees = train_trees,
                                .metric = see_figure,
                                .arg = &figures };
    assert_ok(learn_pipeline_run(&p, &c));
    print_message("test accuracy %.3f, folds %.3f +- %.3f\n", figures.test_accuracy,
                  figures.cv_mean, figures.cv_deviation);
    assert_true(figures.test_accuracy > 0.65 && figures.cv_mean > 0.62 &&
                figures.cv_deviation < 0.05);
    assert_ok(learn_classifier_save(c, &bytes));
    assert_ok(learn_classifier_load(buf_str(&bytes), &loaded));
    for (size_t i = 0; i < ROWS; i++) {
        float q[2][3];
        learn_classifier_predict(c, learn_table_row(&table, i), q[0]);
        learn_classifier_predict(loaded, learn_table_row(&table, i), q[1]);
        assert_memory_equal(q[0], q[1], sizeof q[0]);
    }
    learn_classifier_free(c);
    learn_classifier_free(loaded);
    buf_deinit(&bytes);
    learn_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_pipeline_with_trees) };
    struct xgboost_functions lib;
    err e = xgboost_load(library(), &lib);
    if (e.code) {
        print_message("skipped: %s\n", e.msg);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
