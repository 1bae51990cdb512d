/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The network: its gradient against differences of a loss that is written again here, in double;
 * what it folds to; and the promises of its training: repeatable, stops, the best weights kept. */
#include "learn_cases.h"

#include <string.h>

#include "engine/learn/mlp_internal.h"

enum { ROWS = 23 };

/* ------------------------------------------------------------------ the loss, again */

static double activation(const struct mlp *m, const struct mlp_layer *layer, size_t at, double y)
{
    double scale = 256.0 / (256 - m->drop_below);
    return y > 0 && !(layer->drop[at] < m->drop_below) ? y * scale : 0;
}

static double loss_of(const struct mlp *m, const float *x, const uint8_t *labels,
                      const struct mlp_loss *loss)
{
    static double in[ROWS][64], out[ROWS][64];
    double entropy = 0, weights = 0, danger = 0;
    size_t inputs = m->shape.feature_count;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < inputs; i++)
            in[r][i] = (double)x[r * inputs + i];
    for (size_t l = 0; l < m->shape.layer_count; l++) {
        const struct mlp_layer *layer = &m->layers[l];
        size_t width = m->shape.width[l];
        const float *w = m->weights + layer->matrix;
        for (size_t o = 0; o < width; o++) {
            double mean = 0, variance = 0, shift = (double)m->weights[layer->shift + o];
            for (size_t r = 0; r < ROWS; r++) {
                out[r][o] = 0;
                for (size_t i = 0; i < inputs; i++)
                    out[r][o] += in[r][i] * (double)w[i * layer->outputs + o];
                mean += out[r][o] / ROWS;
            }
            for (size_t r = 0; r < ROWS; r++)
                variance += (out[r][o] - mean) * (out[r][o] - mean) / ROWS;
            for (size_t r = 0; r < ROWS; r++)
                out[r][o] = l + 1 == m->shape.layer_count
                                ? out[r][o] + shift
                                : activation(m, layer, r * layer->outputs + o,
                                             (out[r][o] - mean) / sqrt(variance + 1e-5) *
                                                     (double)m->weights[layer->scale + o] +
                                                 shift);
        }
        memcpy(in, out, sizeof in);
        inputs = width;
    }
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0, weight = loss->class_weights[labels[r]];
        for (size_t c = 0; c < 3; c++)
            sum += exp(in[r][c]);
        entropy -= weight * (in[r][labels[r]] - log(sum));
        weights += weight;
        danger += exp(in[r][loss->danger[labels[r]]]) / sum;
    }
    return entropy / weights + loss->lambda * danger / ROWS;
}

static void test_gradient(void **state)
{
    static const struct {
        size_t layers, width[3];
        double dropout, lambda;
    } cases[] = { { 3, { 16, 32, 3 }, 0, 0 },
                  { 3, { 20, 9, 3 }, 0.4, 0.6 }, /* widths that are padded */
                  { 2, { 33, 3 }, 0.2, 0.3 },
                  { 1, { 3 }, 0, 1 } };
    const double class_weights[3] = { 0.7, 2, 1.1 };
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        struct learn_dense_shape shape = { .feature_count = 7, .layer_count = cases[k].layers };
        struct mlp_loss loss = { class_weights, case_danger, cases[k].lambda };
        struct learn_loss sum = { 0 };
        struct rng rng;
        struct mlp m;
        float x[ROWS * 7];
        uint8_t labels[ROWS];
        memcpy(shape.width, cases[k].width, sizeof cases[k].width);
        rng_init(&rng, 11 + k);
        assert_ok(mlp_init(&m, &shape, ROWS, cases[k].dropout, &rng));
        for (size_t i = 0; i < ROWS * 7; i++)
            x[i] = rng_normal(&rng) + (i % 7 == 2 ? 3 : 0);
        for (size_t r = 0; r < ROWS; r++)
            labels[r] = (uint8_t)rng_below(&rng, 3);
        /* scales and shifts that are not their first values */
        for (size_t l = 0; l < shape.layer_count; l++)
            for (size_t o = 0; o < shape.width[l]; o++) {
                if (l + 1 < shape.layer_count)
                    m.weights[m.layers[l].scale + o] = 0.5F + (float)rng_unit(&rng);
                m.weights[m.layers[l].shift + o] = 0.3F * rng_normal(&rng);
            }
        mlp_draw(&m, ROWS, &rng);
        mlp_step(&m, x, labels, ROWS, &loss, &sum);
        assert_near(learn_loss_value(&sum, loss.lambda), loss_of(&m, x, labels, &loss), 2e-5);
        double norm = 0;
        for (size_t i = 0; i < m.weight_count; i++)
            norm += (double)m.gradient[i] * (double)m.gradient[i];
        size_t checked = 0;
        for (size_t i = 0; i < m.weight_count; i++) {
            float kept = m.weights[i], step = 1e-5F;
            m.weights[i] = kept + step;
            double up = loss_of(&m, x, labels, &loss), width = (double)m.weights[i];
            m.weights[i] = kept - step;
            double down = loss_of(&m, x, labels, &loss);
            double slope = (up - down) / (width - (double)m.weights[i]);
            m.weights[i] = kept;
            /* a unit that crosses zero within the step has no slope there: hardly one does */
            checked += fabs(slope - (double)m.gradient[i]) < 2e-3 * fabs(slope) + 2e-4 * sqrt(norm);
        }
        print_message("%zu of %zu slopes agree\n", checked, m.weight_count);
        assert_true(checked + 2 >= m.weight_count && norm > 1e-4);
        mlp_deinit(&m);
    }
}

/* What serves must be what was trained: running statistics folded in give the same numbers as the
 * norm applied with them. */
static void test_fold(void **state)
{
    struct learn_dense_shape shape = { .feature_count = 5,
                                       .layer_count = 3,
                                       .width = { 24, 16, 3 } };
    struct rng rng;
    struct mlp m;
    struct learn_dense *d;
    rng_init(&rng, 3);
    assert_ok(mlp_init(&m, &shape, 4, 0.5, &rng));
    assert_ok(learn_dense_new(&shape, &d));
    for (size_t l = 0; l < 2; l++)
        for (size_t o = 0; o < shape.width[l]; o++) {
            m.weights[m.layers[l].scale + o] = 0.5F + (float)rng_unit(&rng);
            m.weights[m.layers[l].shift + o] = rng_normal(&rng);
            m.layers[l].running_mean[o] = rng_normal(&rng);
            m.layers[l].running_variance[o] = 0.1F + (float)rng_unit(&rng);
        }
    mlp_fold(&m, d);
    for (size_t f = 0; f < 5; f++) {
        d->mean[f] = (double)f;
        d->inverse_scale[f] = 0.5;
    }
    for (int row = 0; row < 20; row++) {
        double x[5], in[24], out[24];
        float p[3];
        for (size_t f = 0; f < 5; f++) {
            x[f] = (double)rng_normal(&rng) * 3;
            in[f] = (x[f] - (double)f) * 0.5;
        }
        for (size_t l = 0, inputs = 5; l < 3; inputs = shape.width[l++]) {
            const struct mlp_layer *layer = &m.layers[l];
            for (size_t o = 0; o < shape.width[l]; o++) {
                out[o] = 0;
                for (size_t i = 0; i < inputs; i++)
                    out[o] += in[i] * (double)m.weights[layer->matrix + i * layer->outputs + o];
                if (l < 2) {
                    out[o] = (out[o] - (double)layer->running_mean[o]) /
                             sqrt((double)layer->running_variance[o] + 1e-5) *
                             (double)m.weights[layer->scale + o];
                    out[o] = fmax(0, out[o] + (double)m.weights[layer->shift + o]);
                }
            }
            memcpy(in, out, sizeof in);
        }
        learn_dense_predict(d, x, p);
        double sum = exp(in[0]) + exp(in[1]) + exp(in[2]);
        for (size_t c = 0; c < 3; c++)
            assert_near((double)p[c], exp(in[c]) / sum, 2e-5);
    }
    learn_dense_free(d);
    mlp_deinit(&m);
}

/* ------------------------------------------------------------------ training */

struct watch {
    int epochs, stop_at;
    double best, rate_last;
    int best_epoch;
};

static err see(void *arg, const struct learn_epoch *e)
{
    struct watch *w = arg;
    w->epochs = e->epoch;
    w->rate_last = e->rate;
    if (e->valid_loss < w->best - 1e-6) {
        w->best = e->valid_loss;
        w->best_epoch = e->epoch;
    }
    return e->epoch == w->stop_at ? ERR(ERR_CANCELLED, "stopped") : OK;
}

static struct learn_loss judge(const struct learn_dense *d, const struct learn_table *t,
                               struct learn_rows rows, const uint8_t *danger)
{
    struct learn_loss l = { 0 };
    for (size_t i = 0; i < rows.count; i++) {
        float p[3];
        learn_dense_predict(d, learn_table_row(t, rows.index[i]), p);
        learn_loss_add(&l, p, 3, t->labels[rows.index[i]], 1, danger);
    }
    return l;
}

struct world {
    struct learn_table table;
    uint32_t *train, *valid, *test;
    struct learn_training training;
    struct learn_rows tests;
};

static void world_init(struct world *w, size_t rows, double lean)
{
    case_fill(&w->table, rows, lean, 5);
    w->train = case_rows(0, rows / 2);
    w->valid = case_rows(rows / 2, rows * 3 / 4);
    w->test = case_rows(rows * 3 / 4, rows);
    w->tests = (struct learn_rows){ w->test, rows - rows * 3 / 4 };
    w->training = (struct learn_training){ .table = &w->table,
                                           .train = { w->train, rows / 2 },
                                           .valid = { w->valid, rows * 3 / 4 - rows / 2 },
                                           .danger = case_danger,
                                           .seed = 7 };
}

static void world_deinit(struct world *w)
{
    learn_table_deinit(&w->table);
    free(w->train);
    free(w->valid);
    free(w->test);
}

static struct learn_mlp_options small(void)
{
    struct learn_mlp_options o = learn_mlp_defaults();
    o.hidden[0] = 32;
    o.hidden[1] = 16;
    o.dropout = 0.1;
    o.epochs = 60;
    return o;
}

/* It must learn what no linear model can, stop by itself, and answer with the weights of its best
 * epoch: the loss of the model that comes back is the best that was reported. The reference gave
 * back the last weights. */
static void test_learns_and_keeps_the_best(void **state)
{
    struct world w;
    struct watch watch = { .best = INFINITY };
    struct learn_mlp_options o = small();
    struct learn_dense *d;
    struct learn_outcome outcome;
    world_init(&w, 4000, 0);
    w.training.report = see;
    w.training.arg = &watch;
    o.patience = 6;
    o.plateau = 3;
    assert_ok(learn_mlp_train(&o, &w.training, &d, &outcome));
    struct learn_loss valid = judge(d, &w.table, w.training.valid, NULL);
    struct learn_loss test = judge(d, &w.table, w.tests, NULL);
    print_message("epoch %d of %d, loss %.4f, test accuracy %.3f, loss %.4f\n", outcome.best_epoch,
                  outcome.epochs, outcome.valid_loss, learn_loss_accuracy(&test),
                  learn_loss_value(&test, 0));
    assert_true(outcome.stopped_early && outcome.epochs == outcome.best_epoch + o.patience);
    assert_int_equal(outcome.best_epoch, watch.best_epoch);
    assert_int_equal(outcome.epochs, watch.epochs);
    assert_near(learn_loss_value(&valid, 0), watch.best, 1e-9);
    assert_near(outcome.valid_loss, watch.best, 1e-9);
    assert_true(watch.rate_last < o.rate);          /* the plateau came before the patience's end */
    assert_true(learn_loss_value(&test, 0) < 0.66); /* linear models reach 0.74 */
    learn_dense_free(d);
    world_deinit(&w);
}

static void test_is_repeatable_and_seeded(void **state)
{
    struct world w;
    struct learn_mlp_options o = small();
    struct learn_dense *a, *b, *c;
    world_init(&w, 600, 0);
    o.epochs = 5;
    assert_ok(learn_mlp_train(&o, &w.training, &a, NULL));
    assert_ok(learn_mlp_train(&o, &w.training, &b, NULL));
    w.training.seed++;
    assert_ok(learn_mlp_train(&o, &w.training, &c, NULL));
    size_t count = (learn_dense_inputs(a, 0) + 1) * 32;
    assert_memory_equal(a->weights[0], b->weights[0], count * sizeof(float));
    assert_memory_not_equal(a->weights[0], c->weights[0], count * sizeof(float));
    learn_dense_free(a);
    learn_dense_free(b);
    learn_dense_free(c);
    world_deinit(&w);
}

/* Class weights must raise what is rare, danger must lower the probability of the dangerous class,
 * and a stop must be one. */
static void test_options_do_something(void **state)
{
    struct world w;
    struct learn_mlp_options o = small();
    struct learn_dense *plain, *weighted, *careful, *none = NULL;
    struct watch watch = { .best = INFINITY, .stop_at = 3 };
    size_t rare[2] = { 0 };
    world_init(&w, 3000, 2.5);
    o.epochs = 15;
    assert_ok(learn_mlp_train(&o, &w.training, &plain, NULL));
    o.class_weights = true;
    assert_ok(learn_mlp_train(&o, &w.training, &weighted, NULL));
    for (size_t i = 0; i < w.tests.count; i++) {
        float p[2][3];
        learn_dense_predict(plain, learn_table_row(&w.table, w.test[i]), p[0]);
        learn_dense_predict(weighted, learn_table_row(&w.table, w.test[i]), p[1]);
        for (size_t k = 0; k < 2; k++)
            rare[k] += p[k][0] < p[k][1] || p[k][0] < p[k][2];
    }
    assert_true(rare[1] > rare[0] + w.tests.count / 20);
    o.class_weights = false;
    o.lambda_danger = 2;
    assert_ok(learn_mlp_train(&o, &w.training, &careful, NULL));
    struct learn_loss bold = judge(plain, &w.table, w.tests, case_danger);
    struct learn_loss shy = judge(careful, &w.table, w.tests, case_danger);
    assert_true(shy.danger < 0.9 * bold.danger);

    w.training.report = see;
    w.training.arg = &watch;
    assert_int_equal(learn_mlp_train(&o, &w.training, &none, NULL).code, ERR_CANCELLED);
    assert_int_equal(watch.epochs, 3);
    assert_null(none);
    learn_dense_free(plain);
    learn_dense_free(weighted);
    learn_dense_free(careful);
    world_deinit(&w);
}

/* 65 rows in batches of 64 leave one row alone, and fewer rows than a batch are less than one: both
 * broke the reference. */
static void test_odd_sizes(void **state)
{
    static const size_t counts[] = { 65, 5, 129, 64 };
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct world w;
        struct learn_mlp_options o = small();
        struct learn_dense *d;
        struct learn_outcome outcome;
        double x[CASE_FEATURES] = { 0 };
        float p[3];
        world_init(&w, 400, 0);
        w.training.train.count = counts[i];
        w.training.valid.count = 0;
        o.epochs = 3;
        assert_ok(learn_mlp_train(&o, &w.training, &d, &outcome));
        assert_int_equal(outcome.best_epoch, 3); /* nothing to judge by: the last */
        assert_false(outcome.stopped_early);
        learn_dense_predict(d, x, p);
        assert_near((double)(p[0] + p[1] + p[2]), 1, 1e-5);
        learn_dense_free(d);
        world_deinit(&w);
    }
}

static void test_bad_options_are_refused(void **state)
{
    struct learn_mlp_options bad[11];
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = learn_mlp_defaults();
    bad[0].hidden_count = LEARN_HIDDEN_MAX + 1;
    bad[1].hidden[1] = 0;
    bad[2].hidden[0] = LEARN_WIDTH_MAX + 1;
    bad[3].dropout = NAN;
    bad[4].dropout = 1;
    bad[5].batch = 1;
    bad[6].epochs = 0;
    bad[7].rate = 0;
    bad[8].weight_decay = -1;
    bad[9].patience = 0;
    bad[10].lambda_danger = INFINITY;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(learn_mlp_check(&bad[i]).code, ERR_INVALID);
    bad[0] = learn_mlp_defaults();
    assert_ok(learn_mlp_check(&bad[0]));
}

/* Whatever comes in, what comes out is a distribution. */
static void test_strange_features(void **state)
{
    struct learn_dense_shape shape = { .feature_count = 2, .layer_count = 2, .width = { 16, 3 } };
    struct learn_dense *d;
    assert_ok(learn_dense_new(&shape, &d));
    for (size_t i = 0; i < 3 * 16; i++)
        d->weights[0][i] = d->weights[1][i] = i % 2 ? 1e6F : -1e6F;
    const double rows[][2] = { { NAN, 1 }, { INFINITY, -INFINITY }, { 1e308, -1e308 }, { 0, 0 } };
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        float p[3];
        learn_dense_predict(d, rows[r], p);
        assert_near((double)(p[0] + p[1] + p[2]), 1, 1e-5);
    }
    learn_dense_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_learns_and_keeps_the_best),
        cmocka_unit_test(test_is_repeatable_and_seeded),
        cmocka_unit_test(test_options_do_something),
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_strange_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
