/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Metrics against numbers worked out by hand: a wrong one would promote the wrong model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "engine/learn/metrics.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void test_rank_breaks_ties_by_index(void **state)
{
    const float p[] = { 0.2f, 0.4f, 0.2f, 0.2f };
    assert_int_equal(learn_rank(p, 4, 1), 0);
    assert_int_equal(learn_rank(p, 4, 0), 1);
    assert_int_equal(learn_rank(p, 4, 3), 3);
}

static void test_tally(void **state)
{
    struct learn_tally t = { 0 };
    const float sure[] = { 0.9f, 0.05f, 0.03f, 0.02f };
    const float flat[] = { 0.25f, 0.25f, 0.25f, 0.25f };
    const float wrong[] = { 0, 1 };
    learn_tally_add(&t, sure, 4, 0);
    learn_tally_add(&t, flat, 4, 3);
    learn_tally_add(&t, wrong, 2, 0);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.top1, 1);
    assert_int_equal(t.top3, 2);
    assert_int_equal(t.top5, 3);
    assert_near(t.log_loss, -log(0.9) - log(0.25) - log(1e-9), 1e-5);
    /* bins 13 (0.9), 3 (0.25) and 14 (1.0): gaps 0.1, 0.25 and 1 */
    assert_int_equal(t.bin_count[13], 1);
    assert_int_equal(t.bin_count[3], 1);
    assert_int_equal(t.bin_count[14], 1);
    assert_near(learn_tally_ece(&t), (0.1 + 0.25 + 1) / 3, 1e-6);

    struct learn_tally twice = { 0 };
    learn_tally_merge(&twice, &t);
    learn_tally_merge(&twice, &t);
    assert_int_equal(twice.count, 6);
    assert_int_equal(twice.top3, 4);
    assert_near(learn_tally_ece(&twice), learn_tally_ece(&t), 1e-12);
    struct learn_tally empty = { 0 };
    assert_near(learn_tally_ece(&empty), 0, 0);
}

static void test_wilson(void **state)
{
    struct learn_interval i = learn_wilson(10, 100, LEARN_Z95); /* Newcombe 1998: 0.0552, 0.1744 */
    assert_near(i.low, 0.0552, 5e-5);
    assert_near(i.high, 0.1744, 5e-5);
    i = learn_wilson(0, 20, LEARN_Z95); /* 0, 0.1611 */
    assert_near(i.low, 0, 1e-12);
    assert_near(i.high, 0.1611, 5e-5);
    i = learn_wilson(20, 20, LEARN_Z95);
    assert_near(i.high, 1, 1e-12);
    i = learn_wilson(0, 0, LEARN_Z95);
    assert_true(i.low == 0 && i.high == 1);
}

/* Rows of one group move together: the interval must be as wide as the groups say, not the rows. */
static void test_bootstrap_draws_groups(void **state)
{
    struct learn_group_sum groups[40];
    for (int i = 0; i < 40; i++)
        groups[i] = (struct learn_group_sum){ i % 2 ? 100 : 0, 100 };
    struct rng rng;
    rng_init(&rng, 3);
    struct learn_interval i = learn_bootstrap(groups, 40, 2000, &rng);
    /* mean 0.5, standard error 0.5 / sqrt(40) = 0.079 */
    assert_near(i.low, 0.345, 0.035);
    assert_near(i.high, 0.655, 0.035);
    i = learn_bootstrap(groups, 0, 100, &rng);
    assert_true(i.low == 0 && i.high == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank_breaks_ties_by_index),
        cmocka_unit_test(test_tally),
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_bootstrap_draws_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
