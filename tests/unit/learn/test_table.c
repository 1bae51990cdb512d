/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables and what is computed of them: a scale of zero, or a class that weighs wrong, spoils every
 * model without an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "engine/learn/training.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void test_rows_and_limits(void **state)
{
    struct learn_table t;
    double row[2] = { 1, 2 };
    assert_int_equal(learn_table_init(&t, 0, 3, 10).code, ERR_INVALID);
    assert_int_equal(learn_table_init(&t, LEARN_FEATURES_MAX + 1, 3, 10).code, ERR_INVALID);
    assert_int_equal(learn_table_init(&t, 2, 1, 10).code, ERR_INVALID);
    assert_int_equal(learn_table_init(&t, 2, LEARN_CLASSES_MAX + 1, 10).code, ERR_INVALID);
    assert_int_equal(learn_table_init(&t, 2, 3, 0).code, ERR_INVALID);
    assert_int_equal(learn_table_init(&t, 2, 3, 3000).code, ERR_NONE);
    assert_int_equal(learn_table_add(&t, row, 3, 0, 0).code, ERR_INVALID);
    for (size_t i = 0; i < 3000; i++) {
        row[0] = (double)i;
        assert_int_equal(learn_table_add(&t, row, i % 3, i / 7, (int64_t)i * 5).code, ERR_NONE);
    }
    assert_int_equal(learn_table_add(&t, row, 0, 0, 0).code, ERR_TOO_BIG);
    assert_int_equal(t.row_count, 3000);
    assert_near(learn_table_row(&t, 2047)[0], 2047, 0);
    assert_int_equal(t.labels[2047], 2047 % 3);
    assert_int_equal(t.groups[2047], 2047 / 7);
    assert_int_equal(t.times[2047], 2047 * 5);
    learn_table_deinit(&t);
    learn_table_deinit(&t);
}

static void test_scale(void **state)
{
    struct learn_table t;
    double mean[4], scale[4];
    /* varies; always the same, and no sum of it is exact; missing once; always missing */
    const double rows[][4] = {
        { 1, 0.1, 5, NAN }, { 3, 0.1, NAN, INFINITY }, { 100, 7, 9, NAN }, { 5, 0.1, 7, NAN }
    };
    const uint32_t index[] = { 0, 1, 3 }; /* the third row is of another part: it must not leak */
    assert_int_equal(learn_table_init(&t, 4, 2, 10).code, ERR_NONE);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(learn_table_add(&t, rows[i], 0, 0, 0).code, ERR_NONE);
    learn_table_scale(&t, (struct learn_rows){ index, 3 }, mean, scale);
    assert_near(mean[0], 3, 1e-12);
    assert_near(scale[0], sqrt(8.0 / 3), 1e-12);
    assert_near(mean[1], 0.1, 1e-12);
    assert_near(scale[1], 1, 0);
    assert_near(mean[2], 6, 1e-12);
    assert_near(scale[2], 1, 1e-12);
    assert_near(mean[3], 0, 0);
    assert_near(scale[3], 1, 0);
    assert_near((double)learn_scaled(7, 3, 0.5), 2, 0);
    assert_near((double)learn_scaled(NAN, 3, 0.5), 0, 0);
    assert_near((double)learn_scaled(-INFINITY, 3, 0.5), 0, 0);
    assert_near((double)learn_scaled(1e300, 0, 1e300), LEARN_SCALED_MAX, 0);
    learn_table_deinit(&t);
}

static void test_class_weights(void **state)
{
    struct learn_table t;
    double row = 0, weights[4];
    const size_t labels[] = { 0, 0, 0, 1, 2, 2, 0, 1 };
    const uint32_t index[] = { 0, 1, 2, 3, 4, 5 };
    assert_int_equal(learn_table_init(&t, 1, 4, 10).code, ERR_NONE);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(learn_table_add(&t, &row, labels[i], 0, 0).code, ERR_NONE);
    learn_table_class_weights(&t, (struct learn_rows){ index, 6 }, weights);
    assert_near(weights[0], 6 / (3.0 * 3), 1e-12);
    assert_near(weights[1], 6 / (3.0 * 1), 1e-12);
    assert_near(weights[2], 6 / (3.0 * 2), 1e-12);
    assert_near(weights[3], 0, 0); /* a class that is not there, not infinity */
    learn_table_deinit(&t);
}

static void test_loss(void **state)
{
    const float p[2][3] = { { 0.5f, 0.25f, 0.25f }, { 0.125f, 0.125f, 0.75f } };
    const uint8_t danger[] = { 1, 2, 0 };
    struct learn_loss l = { 0 };
    assert_true(isnan(learn_loss_value(&l, 0)));
    learn_loss_add(&l, p[0], 3, 0, 2, danger);
    learn_loss_add(&l, p[1], 3, 1, 0.5, danger);
    assert_near(learn_loss_value(&l, 0), (2 * log(2) + 0.5 * log(8)) / 2.5, 1e-12);
    assert_near(learn_loss_value(&l, 0.6), (2 * log(2) + 0.5 * log(8)) / 2.5 + 0.6 * 0.5, 1e-12);
    assert_near(learn_loss_accuracy(&l), 0.5, 0);
}

static void test_training_is_checked(void **state)
{
    struct learn_table t;
    double row = 0;
    uint32_t index[] = { 0, 1, 2 };
    uint8_t danger[] = { 1, 0 };
    assert_int_equal(learn_table_init(&t, 1, 2, 10).code, ERR_NONE);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(learn_table_add(&t, &row, i == 2, 0, 0).code, ERR_NONE);
    struct learn_training training = { .table = &t, .train = { index, 3 }, .danger = danger };
    assert_int_equal(learn_training_check(&training).code, ERR_NONE);
    training.train.count = 2; /* one class */
    assert_int_equal(learn_training_check(&training).code, ERR_INVALID);
    training.train.count = 0;
    assert_int_equal(learn_training_check(&training).code, ERR_INVALID);
    training.train.count = 3;
    danger[0] = 2;
    assert_int_equal(learn_training_check(&training).code, ERR_INVALID);
    danger[0] = 1;
    index[1] = 3;
    assert_int_equal(learn_training_check(&training).code, ERR_INVALID);
    learn_table_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_and_limits),     cmocka_unit_test(test_scale),
        cmocka_unit_test(test_class_weights),       cmocka_unit_test(test_loss),
        cmocka_unit_test(test_training_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
