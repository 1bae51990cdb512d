/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, centipawn losses, blunder counts or their intervals are wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apps/chess/acpl.h"
#include "base/str.h"

static void losses(void **state)
{
    assert_int_equal(acpl_loss(50, 20), 30);
    assert_int_equal(acpl_loss(-100, -1000), 900);
    assert_int_equal(acpl_loss(ACPL_CAP, -ACPL_CAP), 2000);
    assert_int_equal(acpl_loss(20, 20), 0);
    assert_int_equal(acpl_loss(20, 45), 0); /* searched alone, a move may look better */
}

static void means_and_counts(void **state)
{
    static const int values[] = { 0, 49, 50, 99, 100, 199, 200, 2000 };
    struct acpl_tally t = { 0 };
    struct acpl mean;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        acpl_add(&t, (uint32_t)i, values[i], i == 0);
    acpl_of(&t, &mean);
    assert_int_equal(mean.positions, 8);
    assert_int_equal(mean.games, 8);
    assert_true(fabs(mean.mean - 2697.0 / 8) < 1e-9);
    assert_true(fabs(mean.inaccuracies - 25) < 1e-9);
    assert_true(fabs(mean.mistakes - 25) < 1e-9);
    assert_true(fabs(mean.blunders - 25) < 1e-9);
    assert_true(fabs(mean.best - 12.5) < 1e-9);
}

/* Two games of which each repeats itself are two witnesses, however long they are. */
static void positions_of_a_game_are_no_independent_witnesses(void **state)
{
    struct acpl_tally few = { 0 }, many = { 0 };
    struct acpl a, b;
    for (uint32_t game = 7; game < 9; game++) {
        acpl_add(&few, game, game == 7 ? 0 : 100, false);
        for (int i = 0; i < 50; i++)
            acpl_add(&many, game, game == 7 ? 0 : 100, false);
    }
    acpl_of(&few, &a);
    acpl_of(&many, &b);
    assert_int_equal(b.games, 2);
    assert_true(fabs(a.mean - 50) < 1e-9 && fabs(b.mean - 50) < 1e-9);
    /* residuals -50 and 50: sqrt((50^2 + 50^2) * 2 / 1) / 2 * 1.96 = 98 */
    assert_true(fabs(a.high - 148) < 1e-9 && fabs(a.low + 48) < 1e-9);
    assert_true(fabs(b.high - a.high) < 1e-9 && fabs(b.low - a.low) < 1e-9);
}

static void what_is_not_known_is_not_a_number(void **state)
{
    struct acpl_tally t = { 0 };
    struct acpl mean;
    acpl_of(&t, &mean);
    assert_true(isnan(mean.mean) && isnan(mean.low) && isnan(mean.high));
    acpl_add(&t, 0, 30, false);
    acpl_add(&t, 0, 10, false);
    acpl_of(&t, &mean);
    assert_true(fabs(mean.mean - 20) < 1e-9);
    assert_true(isnan(mean.low) && isnan(mean.high)); /* one game says nothing of the others */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses),
        cmocka_unit_test(means_and_counts),
        cmocka_unit_test(positions_of_a_game_are_no_independent_witnesses),
        cmocka_unit_test(what_is_not_known_is_not_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
