/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Elo from match results: a wrong interval would call noise an improvement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/rand.h"
#include "engine/learn/elo.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void test_known_matches(void **state)
{
    struct learn_elo e = learn_elo_of(50, 0, 50);
    assert_near(e.difference, 0, 1e-9);
    assert_near(e.low, -e.high, 1e-9);
    assert_near(e.superiority, 0.5, 1e-12);
    e = learn_elo_of(760, 0, 240); /* 0.76 points a game is 200.2 Elo */
    assert_near(e.difference, 200.24, 0.01);
    assert_true(e.low > 170 && e.low < 200 && e.high > 200 && e.high < 230);
    struct learn_elo swapped = learn_elo_of(240, 0, 760);
    assert_near(swapped.difference, -e.difference, 1e-9);
    assert_near(swapped.low, -e.high, 1e-9);
    struct learn_elo drawish = learn_elo_of(10, 80, 10);
    assert_true(drawish.high < learn_elo_of(50, 0, 50).high); /* draws say more about equality */
}

static void test_one_sided_and_empty(void **state)
{
    struct learn_elo e = learn_elo_of(20, 0, 0);
    assert_near(e.difference, LEARN_ELO_MAX, 0);
    assert_near(e.high, LEARN_ELO_MAX, 0);
    assert_true(e.low > 100 && e.low < 600); /* twenty wins do not prove a difference of 1200 */
    e = learn_elo_of(0, 0, 1);
    assert_true(e.low == -LEARN_ELO_MAX && e.high > -LEARN_ELO_MAX);
    e = learn_elo_of(0, 0, 0);
    assert_true(e.score == 0.5 && e.low == -LEARN_ELO_MAX && e.high == LEARN_ELO_MAX &&
                e.superiority == 0.5);
    e = learn_elo_of(0, 10, 0);
    assert_near(e.difference, 0, 1e-9);
    assert_near(e.superiority, 0.5, 1e-12);
}

/* Simulated matches of known strength: the 95 % interval must hold the truth about 95 % of the
 * time. */
static void test_interval_covers(void **state)
{
    static const struct {
        double win, draw;
    } players[] = { { 0.35, 0.3 }, { 0.6, 0.25 }, { 0.85, 0.1 } };
    struct rng rng;
    rng_init(&rng, 5);
    for (size_t p = 0; p < 3; p++) {
        double score = players[p].win + players[p].draw / 2, truth = -400 * log10(1 / score - 1);
        int held = 0;
        enum { MATCHES = 1000, GAMES = 60 };
        for (int match = 0; match < MATCHES; match++) {
            uint64_t w = 0, d = 0, l = 0;
            for (int g = 0; g < GAMES; g++) {
                double u = rng_unit(&rng);
                if (u < players[p].win)
                    w++;
                else if (u < players[p].win + players[p].draw)
                    d++;
                else
                    l++;
            }
            struct learn_elo e = learn_elo_of(w, d, l);
            held += e.low <= truth && truth <= e.high;
        }
        assert_in_range(held, 925, 990);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_matches),
        cmocka_unit_test(test_one_sided_and_empty),
        cmocka_unit_test(test_interval_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
