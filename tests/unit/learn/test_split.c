/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Splits: when one fails, a model is judged on what it was trained on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "engine/learn/split.h"

static void test_shares_are_met(void **state)
{
    static const struct learn_shares cases[] = { { 0.1, 0.1 }, { 0, 0.25 }, { 0.3, 0 }, { 0, 0 } };
    enum { GROUPS = 20000 };
    for (size_t c = 0; c < 4; c++) {
        size_t count[3] = { 0 };
        for (uint64_t g = 0; g < GROUPS; g++)
            count[learn_split_group(7, g, &cases[c])]++;
        /* five standard deviations of a binomial count are at most 354 here */
        assert_true(fabs((double)count[LEARN_VALID] - cases[c].valid * GROUPS) < 354);
        assert_true(fabs((double)count[LEARN_TEST] - cases[c].test * GROUPS) < 354);
    }
}

/* The part depends on seed and group alone, so a group never straddles; other seeds split
 * otherwise. */
static void test_group_is_stable_and_seeded(void **state)
{
    struct learn_shares shares = { .valid = 0.25, .test = 0.25 };
    size_t both = 0;
    for (uint64_t g = 0; g < 4000; g++) {
        assert_int_equal(learn_split_group(1, g, &shares), learn_split_group(1, g, &shares));
        both += learn_split_group(1, g, &shares) == LEARN_TEST &&
                learn_split_group(2, g, &shares) == LEARN_TEST;
    }
    assert_in_range(both, 170, 330); /* 250 if independent */
    /* golden: a changed hash would silently reshuffle every stored dataset */
    assert_true(learn_split_key(STR("https://lichess.org/abcdefgh")) == 0x72F7E5EFBA970CB4u);
    assert_int_not_equal(learn_split_key(STR("a")), learn_split_key(STR("b")));
    assert_true(learn_split_key(STR("")) == 0xC3817C016BA4FF30u);
}

static void test_bad_shares_are_refused(void **state)
{
    static const struct learn_shares bad[] = { { -0.1, 0 }, { 0, 1 },   { 0.5, 0.5 },
                                               { NAN, 0 },  { 0, NAN }, { 0.1, -1 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(learn_shares_check(&bad[i]).code, ERR_INVALID);
    struct learn_shares good = { 0.1, 0.2 };
    assert_int_equal(learn_shares_check(&good).code, ERR_NONE);
}

static void test_time_split_never_tests_on_the_past(void **state)
{
    int64_t times[] = { 50, 10, 30, 20, 40, 90, 80, 70, 60, 100 };
    struct learn_shares shares = { .valid = 0.2, .test = 0.3 };
    struct learn_time_cuts cuts;
    learn_split_times(times, 10, &shares, &cuts);
    for (int64_t t = 10; t <= 100; t += 10)
        assert_int_equal(learn_split_time(t, &cuts), t >= 80   ? LEARN_TEST
                                                     : t >= 60 ? LEARN_VALID
                                                               : LEARN_TRAIN);

    int64_t same[] = { 5, 5, 5, 5 };
    learn_split_times(same, 4, &shares, &cuts);
    enum learn_part part = learn_split_time(5, &cuts);
    assert_int_equal(part, LEARN_TEST); /* one instant is one part, never cut apart */
    learn_split_times(NULL, 0, &shares, &cuts);
    assert_int_equal(learn_split_time(5, &cuts), LEARN_TRAIN);
    struct learn_shares none = { 0, 0 };
    learn_split_times(times, 10, &none, &cuts);
    assert_int_equal(learn_split_time(1000, &cuts), LEARN_TRAIN);
    assert_string_equal(learn_part_name(LEARN_VALID), "valid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_are_met),
        cmocka_unit_test(test_group_is_stable_and_seeded),
        cmocka_unit_test(test_bad_shares_are_refused),
        cmocka_unit_test(test_time_split_never_tests_on_the_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
