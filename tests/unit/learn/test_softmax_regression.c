/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The regression: the least of the stated loss must be found, not a neighbour of it. The loss is
 * written again here, from the model that comes back, and no small change of a weight lowers it. */
#include "learn_cases.h"

#include "engine/learn/softmax_regression.h"

enum { ROWS = 900 };

struct world {
    struct learn_table table;
    uint32_t *train, *valid;
    struct learn_training training;
};

static void world_init(struct world *w, double lean)
{
    case_fill(&w->table, 2 * ROWS, lean, 9);
    w->train = case_rows(0, ROWS);
    w->valid = case_rows(ROWS, 2 * ROWS);
    w->training = (struct learn_training){ .table = &w->table,
                                           .train = { w->train, ROWS },
                                           .danger = case_danger };
}

static void world_deinit(struct world *w)
{
    learn_table_deinit(&w->table);
    free(w->train);
    free(w->valid);
}

/* Of the weights in the model, in double. */
static double loss_of(const struct learn_dense *d, const struct world *w,
                      const struct learn_softmax_options *o)
{
    double entropy = 0, weights = 0, danger = 0, square = 0, class_weights[3] = { 1, 1, 1 };
    const float *bias = learn_dense_bias(d, 0);
    if (o->class_weights)
        learn_table_class_weights(&w->table, w->training.train, class_weights);
    for (size_t i = 0; i < ROWS; i++) {
        const double *x = learn_table_row(&w->table, w->train[i]);
        double logit[3], sum = 0;
        size_t label = w->table.labels[w->train[i]];
        for (size_t c = 0; c < 3; c++) {
            logit[c] = (double)bias[c];
            for (size_t f = 0; f < CASE_FEATURES; f++)
                logit[c] += (double)d->weights[0][f * 16 + c] *
                            (double)(float)((x[f] - d->mean[f]) * d->inverse_scale[f]);
            sum += exp(logit[c]);
        }
        entropy -= class_weights[label] * (logit[label] - log(sum));
        weights += class_weights[label];
        danger += exp(logit[case_danger[label]]) / sum;
    }
    for (size_t f = 0; f < CASE_FEATURES; f++)
        for (size_t c = 0; c < 3; c++)
            square += pow((double)d->weights[0][f * 16 + c], 2);
    return entropy / weights + o->lambda_danger * danger / ROWS + o->l2 * square;
}

static void test_finds_the_least_of_its_loss(void **state)
{
    static const struct learn_softmax_options cases[] = {
        { 500, 0.01, 25, 0, true },
        { 500, 0.2, 25, 0, false },
        { 500, 0.003, 25, 0.6, true },
    };
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        const struct learn_softmax_options *o = &cases[k];
        struct learn_outcome outcome;
        struct learn_dense *d;
        struct world w;
        world_init(&w, 1);
        assert_ok(learn_softmax_train(o, &w.training, &d, &outcome));
        double least = loss_of(d, &w, o);
        for (size_t i = 0; i < (CASE_FEATURES + 1) * 16; i++) {
            float kept = d->weights[0][i];
            if (i % 16 >= 3)
                continue;
            for (float step = -0.02F; step < 0.03F; step += 0.04F) {
                d->weights[0][i] = kept + step;
                assert_true(loss_of(d, &w, o) > least);
            }
            d->weights[0][i] = kept;
        }
        print_message("loss %.6f after %d iterations\n", least, outcome.epochs);
        assert_true(outcome.epochs < 100);
        learn_dense_free(d);
        world_deinit(&w);
    }
}

/* With an l2 that leaves no weight, the biases alone must say how frequent the classes are. That is
 * where a penalty on them would show. */
static void test_biases_are_free(void **state)
{
    struct learn_softmax_options o = learn_softmax_defaults();
    struct learn_dense *d;
    struct world w;
    float p[3];
    size_t count[3] = { 0 };
    world_init(&w, 1.5);
    for (size_t i = 0; i < ROWS; i++)
        count[w.table.labels[i]]++;
    o.l2 = 1e4;
    o.class_weights = false;
    assert_ok(learn_softmax_train(&o, &w.training, &d, NULL));
    learn_dense_predict(d, learn_table_row(&w.table, 3), p);
    for (size_t c = 0; c < 3; c++)
        assert_near((double)p[c], (double)count[c] / ROWS, 2e-3);
    assert_true(count[0] > ROWS / 2);
    learn_dense_free(d);
    o.class_weights = true; /* and then all are equal */
    assert_ok(learn_softmax_train(&o, &w.training, &d, NULL));
    learn_dense_predict(d, learn_table_row(&w.table, 3), p);
    for (size_t c = 0; c < 3; c++)
        assert_near((double)p[c], 1.0 / 3, 2e-3);
    learn_dense_free(d);
    world_deinit(&w);
}

struct watch {
    double best;
    int best_epoch, stop_at;
};

static err see(void *arg, const struct learn_epoch *e)
{
    struct watch *w = arg;
    if (e->valid_loss < w->best - 1e-6) {
        w->best = e->valid_loss;
        w->best_epoch = e->epoch;
    }
    return e->epoch == w->stop_at ? ERR(ERR_CANCELLED, "stopped") : OK;
}

/* Few rows, many features, no penalty: the training loss goes on falling when the validation loss
 * has long turned. */
static void test_stops_early_with_the_best(void **state)
{
    struct learn_softmax_options o = { .iterations = 300, .l2 = 0, .patience = 5 };
    struct watch watch = { .best = INFINITY };
    struct learn_outcome outcome;
    struct learn_dense *d;
    struct world w;
    world_init(&w, 0);
    w.training.train.count = 25;
    w.training.valid = (struct learn_rows){ w.valid, ROWS };
    w.training.report = see;
    w.training.arg = &watch;
    assert_ok(learn_softmax_train(&o, &w.training, &d, &outcome));
    assert_true(outcome.stopped_early);
    assert_int_equal(outcome.best_epoch, watch.best_epoch);
    assert_int_equal(outcome.epochs, watch.best_epoch + 5);
    struct learn_loss valid = { 0 };
    for (size_t i = 0; i < ROWS; i++) {
        float p[3];
        learn_dense_predict(d, learn_table_row(&w.table, w.valid[i]), p);
        learn_loss_add(&valid, p, 3, w.table.labels[w.valid[i]], 1, NULL);
    }
    assert_near(learn_loss_value(&valid, 0), watch.best, 1e-9);
    learn_dense_free(d);
    watch.stop_at = 2;
    assert_int_equal(learn_softmax_train(&o, &w.training, &d, NULL).code, ERR_CANCELLED);
    world_deinit(&w);
}

static void test_bad_options_are_refused(void **state)
{
    struct learn_softmax_options bad[5];
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = learn_softmax_defaults();
    bad[0].iterations = 0;
    bad[1].l2 = -1;
    bad[2].l2 = NAN;
    bad[3].patience = 0;
    bad[4].lambda_danger = -1;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(learn_softmax_check(&bad[i]).code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_least_of_its_loss),
        cmocka_unit_test(test_biases_are_free),
        cmocka_unit_test(test_stops_early_with_the_best),
        cmocka_unit_test(test_bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
