/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a training that is short of memory takes the server with it, or leaves a model
 * that was not trained. */
#include "torture.h"

#include <math.h>

#include "engine/learn/pipeline.h"
#include "engine/learn/split.h"

enum { ROWS = 90, FEATURES = 4, FILE_BYTES_MAX = 1 << 20 };

static err fill(struct learn_table *t)
{
    for (int i = 0; i < ROWS; i++) {
        double x[FEATURES] = { i % 7, i % 3, i % 5 == 0, 1 };
        TRY(learn_table_add(t, x, (size_t)(i % 3), (uint64_t)i / 6, i));
    }
    return OK;
}

/* What comes out must be a model that can be saved and loaded. */
static err keep(struct learn_classifier *c)
{
    struct learn_classifier *again = NULL;
    double x[FEATURES] = { 1, 2, 0, 1 };
    float p[3], q[3];
    struct buf bytes;
    buf_init(&bytes, FILE_BYTES_MAX);
    err e = learn_classifier_save(c, &bytes);
    if (!e.code)
        e = learn_classifier_load(buf_str(&bytes), &again);
    if (!e.code) {
        learn_classifier_predict(c, x, p);
        learn_classifier_predict(again, x, q);
        if (fabsf(p[0] - q[0]) > 0 || !(fabsf(p[0] + p[1] + p[2] - 1) < 1e-4F))
            e = ERR(ERR_INTERNAL, "it predicts otherwise after loading");
    }
    learn_classifier_free(again);
    buf_deinit(&bytes);
    return e;
}

/* One leaf for class 1, as in a file. */
static err read_forest(struct learn_forest **ret_forest)
{
    struct buf bytes;
    buf_init(&bytes, 256);
    buf_add_u32(&bytes, 1);
    buf_add_u32(&bytes, 1);
    for (int c = 0; c < 3; c++)
        buf_add_f32(&bytes, 0.5F);
    buf_add_u16(&bytes, 1);
    buf_add_u16(&bytes, 1);
    buf_add_f32(&bytes, 0.25F);
    buf_add_u16(&bytes, 0x7FFF);
    buf_add_u16(&bytes, 0);
    err e = buf_check(&bytes);
    if (!e.code) {
        struct cursor c = cursor_of(buf_str(&bytes));
        e = learn_forest_read(&c, FEATURES, 3, ret_forest);
    }
    buf_deinit(&bytes);
    return e;
}

/* Splits the rows in all ways; trains on what the first way gave. */
static err split(const struct learn_table *t, uint32_t *train, size_t *ret_count)
{
    const struct learn_shares shares = { .valid = 0.2, .test = 0.2 };
    enum learn_part parts[ROWS];
    uint8_t folds[ROWS];
    size_t count = 0;
    TRY(learn_split_every(t->groups, ROWS, 5, parts));
    TRY(learn_split_folds(t->groups, ROWS, 3, 1, folds));
    TRY(learn_split_chronological(t->groups, t->times, ROWS, &shares, parts));
    for (uint32_t i = 0; i < ROWS; i++)
        if (parts[i] == LEARN_TRAIN)
            train[count++] = i;
    *ret_count = count;
    return OK;
}

static err make(enum learn_family family, const struct learn_table *t,
                struct learn_classifier **ret_classifier)
{
    struct learn_card card = { .family = family,
                               .feature_set = STR("four"),
                               .class_names = { STR("rock"), STR("paper"), STR("scissors") } };
    struct learn_config config = learn_config_default(family);
    struct learn_matrix matrix = { 0 };
    struct learn_forest *forest = NULL;
    struct learn_dense *dense = NULL;
    uint32_t rows[ROWS];
    size_t count = 0;
    TRY(split(t, rows, &count));
    struct learn_training training = { .table = t, .train = { rows, count } };
    if (family == LEARN_LOGIT) {
        TRY(learn_softmax_train(&config.logit, &training, &dense, NULL));
        return learn_classifier_of_dense(&card, dense, ret_classifier);
    }
    if (family == LEARN_NET) {
        config.net.epochs = 2;
        config.net.hidden[0] = config.net.hidden[1] = 16;
        TRY(learn_mlp_train(&config.net, &training, &dense, NULL));
        return learn_classifier_of_dense(&card, dense, ret_classifier);
    }
    TRY(learn_matrix_init(&matrix, t, training.train, (const double[3]){ 1, 1, 1 }));
    learn_matrix_deinit(&matrix);
    TRY(read_forest(&forest));
    return learn_classifier_of_forest(&card, forest, ret_classifier);
}

static err train(enum learn_family family)
{
    struct learn_classifier *c = NULL;
    struct learn_table t;
    TRY(learn_table_init(&t, FEATURES, 3, ROWS));
    err e = fill(&t);
    if (!e.code)
        e = make(family, &t, &c);
    if (!e.code)
        e = keep(c);
    learn_classifier_free(c);
    learn_table_deinit(&t);
    return e;
}

static err logit_work(struct torture_place *place)
{
    return train(LEARN_LOGIT);
}

static err net_work(struct torture_place *place)
{
    return train(LEARN_NET);
}

static err trees_work(struct torture_place *place)
{
    return train(LEARN_TREES);
}

static void logits(void **state)
{
    torture(*state, logit_work);
}

static void nets(void **state)
{
    torture(*state, net_work);
}

static void trees(void **state)
{
    torture(*state, trees_work);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = { T(logits), T(nets), T(trees) };
    alloc_fail_install();
    return cmocka_run_group_tests_name("training without memory", tests, NULL, NULL);
}
