/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one prediction costs, in microseconds, by models of the three families, of the shapes that
 * the rock-paper-scissors bot serves: 50 features, 3 classes.
 *
 *     predict_bench [LIBXGBOOST]
 *
 * rps-predict-logit, rps-predict-net (128-128-64), rps-predict-trees (300 rounds of depth 3) and
 * rps-predict-trees-deep (300 rounds of depth 6). The trees are trained on made-up rounds by
 * libxgboost, which is also the peer: its own prediction of one row, in this process, without
 * Python. Best of many short rounds, so that what else runs on the machine disturbs little; a
 * prediction takes other features each time. rps-models-load is what loading twelve models takes,
 * three of each of these, in ms of processor time.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "engine/learn/classifier.h"
#include "platform/scoring/tree_train.h"
#include "platform/scoring/xgboost_load.h"

enum {
    FEATURES = 50,
    CLASSES = 3,
    ROWS = 3000,
    ASKED = 512,
    ROUNDS = 400,
    COPIES = 3,
    FILE_BYTES = 32 << 20
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "predict_bench: %s\n", what);
    exit(1);
}

static void need(err e)
{
    if (e.code)
        die(e.msg);
}

/* Rounds that look like those of the contract: twenty-seven bits, points, shares, counts; the next
 * move follows from some of them, so that trees have something to find. */
static void fill(double *values, float *floats, float *labels)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t row = 0; row < ROWS; row++) {
        double *x = values + row * FEATURES;
        for (size_t f = 0; f < FEATURES; f++) {
            double u = rng_unit(&rng);
            x[f] = f < 27   ? (u < 0.33)
                   : f < 39 ? 1 + floor(u * 11) / 10
                   : f < 45 ? u
                            : floor(u * 15);
            floats[row * FEATURES + f] = (float)x[f];
        }
        double lean = x[0] + 2 * x[10] * x[20] - x[30] + x[40] * x[48] / 10;
        labels[row] = (float)((int)(lean * 2 + 3 * rng_unit(&rng) + 9) % CLASSES);
    }
}

static double best_us(const struct learn_classifier *c, const double *values)
{
    double best = INFINITY, sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_mono_ns();
        for (size_t i = 0; i < ASKED; i++) {
            float p[CLASSES];
            learn_classifier_predict(c, values + i * FEATURES, p);
            sum += (double)p[0];
        }
        double us = (double)(clock_mono_ns() - start) / 1e3 / ASKED;
        best = us < best ? us : best;
    }
    if (!(sum > 0))
        die("no probabilities");
    return best;
}

static void print(const char *bench, double ours, double theirs, const char *unit)
{
    if (theirs > 0)
        printf("{\"bench\":\"%s\",\"ours\":%.3f,\"peer\":\"libxgboost, in process\","
               "\"theirs\":%.3f,\"unit\":\"%s\",\"ratio\":%.3f}\n",
               bench, ours, theirs, unit, theirs / ours);
    else
        printf("{\"bench\":\"%s\",\"ours\":%.3f,\"peer\":null,\"theirs\":null,\"unit\":\"%s\","
               "\"ratio\":null}\n",
               bench, ours, unit);
}

static struct learn_card card_of(enum learn_family family)
{
    return (struct learn_card){ .family = family,
                                .feature_set = STR("contract-50"),
                                .class_names = { STR("rock"), STR("paper"), STR("scissors") } };
}

/* A network costs the same whatever its weights are. */
static struct learn_classifier *make_dense(enum learn_family family)
{
    struct learn_dense_shape shape = { .feature_count = FEATURES,
                                       .layer_count = 1,
                                       .width = { CLASSES } };
    struct learn_card card = card_of(family);
    struct learn_classifier *c;
    struct learn_dense *d;
    struct rng rng;
    if (family == LEARN_NET)
        shape = (struct learn_dense_shape){ .feature_count = FEATURES,
                                            .layer_count = 4,
                                            .width = { 128, 128, 64, CLASSES } };
    rng_init(&rng, 2);
    need(learn_dense_new(&shape, &d));
    for (size_t l = 0; l < shape.layer_count; l++)
        for (size_t i = 0; i < learn_dense_inputs(d, l); i++)
            for (size_t o = 0; o < shape.width[l]; o++)
                d->weights[l][i * learn_dense_padded(shape.width[l]) + o] = 0.1F * rng_normal(&rng);
    need(learn_classifier_of_dense(&card, d, &c));
    return c;
}

/* ------------------------------------------------------------------ trees */

struct made {
    struct learn_forest *forest;
    const struct xgboost_functions *lib;
    void *booster;
};

static err take(void *arg, str json)
{
    struct made *m = arg;
    if (m->lib->XGBoosterCreate(NULL, 0, &m->booster) ||
        m->lib->XGBoosterLoadModelFromBuffer(m->booster, json.ptr, json.len) ||
        m->lib->XGBoosterSetParam(m->booster, "nthread", "1"))
        die("libxgboost does not read its own model");
    return learn_forest_add_xgboost(m->forest, json);
}

/* The library's own way to predict a row in place, which platform/scoring uses as well. */
static double library_us(const struct made *m, const float *floats)
{
    static const char config[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"strict_shape\":false,\"cache_id\":0,"
                                 "\"missing\":NaN}";
    double best = INFINITY;
    for (int round = 0; round < ROUNDS / 4; round++) {
        int64_t start = clock_mono_ns();
        for (size_t i = 0; i < ASKED; i++) {
            char array[160];
            const uint64_t *shape;
            const float *values;
            uint64_t dims;
            snprintf(array, sizeof array,
                     "{\"data\":[%llu,true],\"shape\":[1,%d],\"typestr\":\"<f4\",\"version\":3}",
                     (unsigned long long)(uintptr_t)(floats + i * FEATURES), FEATURES);
            if (m->lib->XGBoosterPredictFromDense(m->booster, array, config, NULL, &shape, &dims,
                                                  &values))
                die("libxgboost does not predict");
        }
        double us = (double)(clock_mono_ns() - start) / 1e3 / ASKED;
        best = us < best ? us : best;
    }
    return best;
}

static struct learn_classifier *make_trees(const char *library, struct made *m, int depth,
                                           const float *floats, const float *labels)
{
    struct tree_train_options options = { .feature_count = FEATURES,
                                          .class_count = CLASSES,
                                          .rounds = 300,
                                          .rate = 0.05,
                                          .depth = depth,
                                          .min_child_weight = 2,
                                          .subsample = 0.8,
                                          .colsample = 0.7,
                                          .lambda = 2,
                                          .alpha = 0.1,
                                          .threads = 1,
                                          .slice_rounds = 300 };
    struct tree_train_rows rows = { floats, labels, NULL, ROWS };
    struct tree_train_ends ends = { .slice = take, .arg = m };
    struct learn_card card = card_of(LEARN_TREES);
    struct learn_classifier *c;
    need(learn_forest_new(FEATURES, CLASSES, &m->forest));
    need(tree_train(library, &options, &rows, NULL, &ends, NULL));
    fprintf(stderr, "depth %d: %zu trees of %zu nodes\n", depth, learn_forest_tree_count(m->forest),
            learn_forest_node_count(m->forest));
    need(learn_classifier_of_forest(&card, m->forest, &c));
    return c;
}

/* ------------------------------------------------------------------ loading */

static void bench_load(struct learn_classifier *const *models, size_t count)
{
    double best = INFINITY;
    struct buf files[4];
    size_t memory = 0;
    for (size_t k = 0; k < count; k++) {
        buf_init(&files[k], FILE_BYTES);
        need(learn_classifier_save(models[k], &files[k]));
    }
    for (int round = 0; round < 100; round++) {
        struct learn_classifier *loaded[4 * COPIES];
        int64_t start = clock_cpu_ns();
        for (size_t k = 0; k < COPIES * count; k++)
            need(learn_classifier_load(buf_str(&files[k % count]), &loaded[k]));
        double ms = (double)(clock_cpu_ns() - start) / 1e6;
        best = ms < best ? ms : best;
        memory = 0;
        for (size_t k = 0; k < COPIES * count; k++) {
            memory += learn_classifier_bytes(loaded[k]);
            learn_classifier_free(loaded[k]);
        }
    }
    print("rps-models-load", best, 0, "ms");
    fprintf(stderr, "%zu models: %.2f MiB in memory\n", COPIES * count, (double)memory / 1048576);
    for (size_t k = 0; k < count; k++)
        buf_deinit(&files[k]);
}

int main(int argc, char **argv)
{
    static const int depths[] = { 3, 6 };
    static const char *const names[] = { "rps-predict-trees", "rps-predict-trees-deep" };
    const char *library = argc > 1 ? argv[1] : "";
    double *values = calloc((size_t)ROWS * FEATURES, sizeof *values);
    float *floats = calloc((size_t)ROWS * FEATURES, sizeof *floats);
    float *labels = calloc(ROWS, sizeof *labels);
    struct learn_classifier *models[4];
    struct xgboost_functions lib;
    if (!values || !floats || !labels)
        die("out of memory");
    fill(values, floats, labels);
    models[0] = make_dense(LEARN_LOGIT);
    models[1] = make_dense(LEARN_NET);
    print("rps-predict-logit", best_us(models[0], values), 0, "us");
    print("rps-predict-net", best_us(models[1], values), 0, "us");
    need(xgboost_load(library, &lib));
    for (int d = 0; d < 2; d++) {
        struct made made = { .lib = &lib };
        struct learn_classifier *c = make_trees(library, &made, depths[d], floats, labels);
        print(names[d], best_us(c, values), library_us(&made, floats), "us");
        lib.XGBoosterFree(made.booster);
        models[2 + d] = c;
    }
    bench_load(models, 4);
    for (size_t k = 0; k < 4; k++)
        learn_classifier_free(models[k]);
    free(values);
    free(floats);
    free(labels);
    return 0;
}
