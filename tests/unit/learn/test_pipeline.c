/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pipeline: which rows train and judge which model, and under which names that is told. A leak
 * here makes every figure of every model a lie. */
#include "learn_cases.h"

#include <stdio.h>
#include <string.h>

#include "engine/learn/pipeline.h"

enum { ROWS = 1500, CALLS_MAX = 8 };

static const str classes[3] = { STR_INIT("rock"), STR_INIT("paper"), STR_INIT("scissors") };

struct watch {
    int calls;
    size_t train_count[CALLS_MAX], valid_count[CALLS_MAX];
    int rounds[CALLS_MAX];
    bool trains[CALLS_MAX][ROWS], validates[CALLS_MAX][ROWS];
    int epochs[3], parts;
    int metrics, stop_at;
    double fold[3], mean, deviation, test_accuracy, test_holdout, val_holdout, train_production;
};

/* Trees that were not trained: they only remember what they were given. */
static err fake_trees(void *arg, const struct learn_tree_options *options,
                      const struct learn_training *t, struct learn_forest **ret_forest,
                      struct learn_outcome *ret_outcome)
{
    struct watch *w = arg;
    int call = w->calls++;
    w->train_count[call] = t->train.count;
    w->valid_count[call] = t->valid.count;
    w->rounds[call] = options->rounds;
    for (size_t i = 0; i < t->train.count; i++)
        w->trains[call][t->train.index[i]] = true;
    for (size_t i = 0; i < t->valid.count; i++)
        w->validates[call][t->valid.index[i]] = true;
    struct learn_epoch epoch = { .epoch = 1, .epoch_max = 1 };
    TRY(t->report(t->arg, &epoch));
    *ret_outcome = (struct learn_outcome){ .epochs = 50, .best_epoch = 37 };
    return learn_forest_new(t->table->feature_count, t->table->class_count, ret_forest);
}

static err see_epoch(void *arg, enum learn_stage stage, int part, const struct learn_epoch *epoch)
{
    struct watch *w = arg;
    w->epochs[stage]++;
    w->parts = part > w->parts ? part : w->parts;
    return OK;
}

static err see_metric(void *arg, const char *name, double value)
{
    struct watch *w = arg;
    const struct {
        const char *name;
        double *place;
    } wanted[] = { { "cv_fold_1_acc", &w->fold[0] },
                   { "cv_fold_2_acc", &w->fold[1] },
                   { "cv_fold_3_acc", &w->fold[2] },
                   { "cv_mean_acc", &w->mean },
                   { "cv_std_acc", &w->deviation },
                   { "test_accuracy", &w->test_accuracy },
                   { "test_acc_holdout", &w->test_holdout },
                   { "val_acc_holdout", &w->val_holdout },
                   { "train_acc_production", &w->train_production } };
    assert_true(isfinite(value));
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        if (strcmp(name, wanted[i].name) == 0)
            *wanted[i].place = value;
    return ++w->metrics == w->stop_at ? ERR(ERR_CANCELLED, "enough") : OK;
}

static struct learn_pipeline pipeline_of(const struct learn_table *t,
                                         const struct learn_config *config, struct watch *w)
{
    return (struct learn_pipeline){ .table = t,
                                    .config = config,
                                    .feature_set = STR("contract-50"),
                                    .class_names = classes,
                                    .danger = case_danger,
                                    .seed = 42,
                                    .train_trees = fake_trees,
                                    .report = see_epoch,
                                    .metric = see_metric,
                                    .arg = w };
}

static void assert_no_group_in_both(const struct learn_table *t, const bool *a, const bool *b)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; a[i] && j < ROWS; j++)
            assert_false(b[j] && t->groups[i] == t->groups[j]);
}

static void test_who_is_trained_on_what(void **state)
{
    static struct watch w;
    const struct learn_config *config = learn_sweep_find(LEARN_TREES, STR("c07"));
    struct learn_classifier *c;
    struct learn_table t;
    case_fill(&t, ROWS, 0, 3);
    struct learn_pipeline p = pipeline_of(&t, config, &w);
    w = (struct watch){ .fold = { NAN, NAN, NAN } };
    assert_ok(learn_pipeline_run(&p, &c));
    assert_int_equal(w.calls, 5);
    for (int call = 0; call < 5; call++)
        assert_no_group_in_both(&t, w.trains[call], w.validates[call]);
    /* hold-out: the first 60 % train, the next 20 % stop, the rest is seen by neither */
    assert_true(w.train_count[0] == 900 && w.valid_count[0] == 300);
    assert_true(w.trains[0][0] && w.trains[0][899] && w.validates[0][900] && w.validates[0][1199]);
    assert_int_equal(w.rounds[0], config->trees.rounds);
    /* candidate: every fifth game */
    assert_true(w.train_count[1] == 1200 && w.valid_count[1] == 300);
    assert_true(w.validates[1][40] && w.validates[1][49] && w.trains[1][50] &&
                w.validates[1][1499]);
    /* folds: only of the hold-out's training rows, each row left out once, nothing stops them, as
     * long as the hold-out found best */
    size_t left_out[ROWS] = { 0 };
    for (int fold = 2; fold < 5; fold++) {
        assert_int_equal(w.valid_count[fold], 0);
        assert_int_equal(w.rounds[fold], 37);
        for (size_t i = 0; i < ROWS; i++) {
            assert_false(w.trains[fold][i] && i >= 900);
            left_out[i] += i < 900 && !w.trains[fold][i];
        }
        bool judged[ROWS];
        for (size_t i = 0; i < ROWS; i++)
            judged[i] = i < 900 && !w.trains[fold][i];
        assert_no_group_in_both(&t, w.trains[fold], judged);
    }
    for (size_t i = 0; i < 900; i++)
        assert_int_equal(left_out[i], 1);
    assert_true(w.epochs[LEARN_STAGE_HOLDOUT] == 1 && w.epochs[LEARN_STAGE_CANDIDATE] == 1 &&
                w.epochs[LEARN_STAGE_FOLDS] == 3 && w.parts == 2);

    /* trees that say nothing take the first class: accuracies are shares of it */
    double hits = 0, square = 0;
    for (size_t i = 1200; i < ROWS; i++)
        hits += t.labels[i] == 0;
    assert_near(w.test_accuracy, hits / 300, 1e-12);
    assert_near(w.test_holdout, w.test_accuracy, 0);
    hits = 0;
    for (size_t i = 0; i < 900; i++)
        hits += t.labels[i] == 0;
    assert_near(w.mean, hits / 900, 1e-12);
    for (int k = 0; k < 3; k++) {
        size_t rows = 0;
        hits = 0;
        for (size_t i = 0; i < 900; i++)
            if (!w.trains[k + 2][i]) {
                rows++;
                hits += t.labels[i] == 0;
            }
        assert_near(w.fold[k], hits / (double)rows, 1e-12);
        square += (double)rows * pow(w.fold[k] - w.mean, 2);
    }
    assert_near(w.deviation, sqrt(square / 900), 1e-12);

    const struct learn_card *card = learn_classifier_card(c);
    assert_true(str_contains(card->params, STR("\"hyperparameter_config_id\":\"c07\"")));
    assert_true(str_contains(card->params, STR("\"n_samples\":1500")));
    assert_true(str_contains(card->params, STR("\"max_depth\":5")));
    assert_true(str_contains(card->metrics, STR("\"test_acc_rock\":1")));
    assert_true(str_contains(card->metrics, STR("\"cv_std_acc\":")));
    assert_true(str_eq(card->feature_set, STR("contract-50")));
    learn_classifier_free(c);
    learn_table_deinit(&t);
}

/* The families that this room trains itself learn something, and the model that comes out is the
 * candidate: its accuracy on the candidate's rows is the one told. */
static void test_trains_for_real(void **state)
{
    for (int f = LEARN_LOGIT; f <= LEARN_NET; f++) {
        struct learn_config config = learn_config_default((enum learn_family)f);
        struct watch *w = calloc(1, sizeof *w);
        struct learn_classifier *c;
        struct learn_table t;
        case_fill(&t, ROWS, 0, 4);
        if (f == LEARN_NET)
            config.net.epochs = 15;
        struct learn_pipeline p = pipeline_of(&t, &config, w);
        assert_ok(learn_pipeline_run(&p, &c));
        assert_true(w->test_accuracy > 0.55 && w->mean > 0.55 && w->val_holdout > 0.55);
        size_t hits = 0, count = 0;
        for (size_t i = 0; i < ROWS; i++) {
            float q[3];
            if (i / 10 % 5 == 4)
                continue;
            learn_classifier_predict(c, learn_table_row(&t, i), q);
            hits += t.labels[i] == (q[1] > q[0] && q[1] >= q[2] ? 1 : q[2] > q[0] ? 2 : 0);
            count++;
        }
        assert_near(w->train_production, (double)hits / (double)count, 0.002); /* ties */
        learn_classifier_free(c);
        learn_table_deinit(&t);
        free(w);
    }
}

/* Features that are fitted: here the label's share of the rows that train, as text and as value. */
struct fitting {
    struct learn_table *table;
    struct watch watch;
    int prepared, trained;
    size_t count[CALLS_MAX];
    char part[CALLS_MAX][16];
};

static err fit_features(void *arg, enum learn_stage stage, int part, struct learn_rows train,
                        str *ret_part)
{
    struct fitting *f = arg;
    int at = stage == LEARN_STAGE_FOLDS ? 2 + part : stage == LEARN_STAGE_CANDIDATE;
    assert_int_equal(at, f->prepared);
    assert_int_equal(f->prepared, f->trained);
    f->count[f->prepared++] = train.count;
    for (size_t i = 0; i < ROWS; i++)
        f->table->values[i * f->table->feature_count] = at;
    int len = snprintf(f->part[at], sizeof f->part[at], "fitted %d", at);
    *ret_part = str_from(f->part[at], (size_t)len);
    return at == 4 && f->watch.stop_at ? ERR(ERR_CANCELLED, "enough") : OK;
}

static err train_fitted(void *arg, const struct learn_tree_options *options,
                        const struct learn_training *t, struct learn_forest **ret_forest,
                        struct learn_outcome *ret_outcome)
{
    struct fitting *f = arg;
    assert_int_equal(f->prepared, f->trained + 1);
    assert_int_equal(t->train.count, f->count[f->trained]);
    assert_near(learn_table_row(t->table, t->train.index[0])[0], f->trained, 0);
    f->trained++;
    *ret_outcome = (struct learn_outcome){ .epochs = 3, .best_epoch = 2 };
    return learn_forest_new(t->table->feature_count, t->table->class_count, ret_forest);
}

static void test_features_are_fitted_to_what_trains(void **state)
{
    static struct fitting f;
    const struct learn_config *config = learn_sweep_find(LEARN_TREES, STR("c01"));
    struct learn_classifier *c = NULL;
    struct learn_table t;
    case_fill(&t, ROWS, 0, 3);
    struct learn_pipeline p = { .table = &t,
                                .config = config,
                                .feature_set = STR("fitted"),
                                .class_names = classes,
                                .seed = 42,
                                .train_trees = train_fitted,
                                .prepare = fit_features,
                                .arg = &f };
    f = (struct fitting){ .table = &t };
    assert_ok(learn_pipeline_run(&p, &c));
    assert_int_equal(f.trained, 5);
    assert_true(f.count[0] == 900 && f.count[1] == 1200);
    assert_int_equal(f.count[2] + f.count[3] + f.count[4], 2 * 900);
    assert_true(str_eq(learn_classifier_card(c)->part, STR("fitted 1"))); /* the candidate's */
    learn_classifier_free(c);
    c = NULL;
    f = (struct fitting){ .table = &t, .watch = { .stop_at = 1 } };
    assert_int_equal(learn_pipeline_run(&p, &c).code, ERR_CANCELLED);
    assert_null(c);
    learn_table_deinit(&t);
}

static void test_refusals(void **state)
{
    static struct watch w;
    const struct learn_config *config = learn_sweep_find(LEARN_TREES, STR("c01"));
    struct learn_classifier *c = NULL;
    struct learn_table t;
    case_fill(&t, 40, 0, 3);
    struct learn_pipeline p = pipeline_of(&t, config, &w);
    assert_int_equal(learn_pipeline_run(&p, &c).code, ERR_INVALID); /* few rows */
    learn_table_deinit(&t);
    case_fill(&t, 90, 0, 3);
    assert_int_equal(learn_pipeline_run(&p, &c).code, ERR_INVALID); /* few games */
    learn_table_deinit(&t);
    case_fill(&t, ROWS, 0, 3);
    p.train_trees = NULL;
    assert_int_equal(learn_pipeline_run(&p, &c).code, ERR_UNSUPPORTED);
    p.train_trees = fake_trees;
    w = (struct watch){ .stop_at = 12 };
    assert_int_equal(learn_pipeline_run(&p, &c).code, ERR_CANCELLED);
    assert_null(c);
    learn_table_deinit(&t);
    assert_string_equal(learn_stage_name(LEARN_STAGE_FOLDS), "folds");
}

static void test_matrix(void **state)
{
    struct learn_table t;
    struct learn_matrix m;
    const uint32_t index[] = { 2, 0 };
    const double weights[] = { 0.5, 2, 1 };
    const double rows[][2] = { { 1, NAN }, { 7, 7 }, { 1e300, -3 } };
    assert_ok(learn_table_init(&t, 2, 3, 3));
    for (size_t i = 0; i < 3; i++)
        assert_ok(learn_table_add(&t, rows[i], i == 2, 0, 0));
    assert_ok(learn_matrix_init(&m, &t, (struct learn_rows){ index, 2 }, weights));
    assert_int_equal(m.count, 2);
    assert_true(isnan(m.values[0]) && isnan(m.values[3]));
    assert_near((double)m.values[1], -3, 0);
    assert_near((double)m.values[2], 1, 0);
    assert_near((double)m.labels[0], 1, 0);
    assert_near((double)m.weights[0], 2, 0);
    assert_near((double)m.weights[1], 0.5, 0);
    learn_matrix_deinit(&m);
    learn_matrix_deinit(&m);
    learn_table_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_trained_on_what),
        cmocka_unit_test(test_trains_for_real),
        cmocka_unit_test(test_features_are_fitted_to_what_trains),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
