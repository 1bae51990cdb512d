/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From probabilities to a move; who serves which policy; the split; promotion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/rand.h"
#include "engine/rps/promotion_contract.h"

static const struct rps_points points = { { 1.0, 1.3, 1.8 } };

static void families(void **state)
{
    for (int i = 0; i < RPS_FAMILIES; i++) {
        enum rps_family f = (enum rps_family)i;
        assert_int_equal(rps_family_find(str_of(rps_family_name(f))), f);
        assert_int_equal(rps_policy_family(str_of(rps_family_policy(f))), f);
    }
    assert_int_equal(rps_policy_family(STR("ace")), RPS_FAMILIES);
    assert_int_equal(rps_policy_family(STR("")), RPS_FAMILIES);
    assert_int_equal(rps_family_find(STR("xgb")), RPS_FAMILIES);
    assert_string_equal(rps_family_registry(RPS_LOGISTIC), "rps_bot_mnlogit");
    assert_string_equal(rps_family_fallback(RPS_XGBOOST), "cal");
}

static void normalising(void **state)
{
    double p[RPS_MOVES];
    rps_normalise((double[]){ 2, 2 }, 2, p);
    assert_true(p[0] == 0.5 && p[1] == 0.5 && p[2] == 0);
    rps_normalise((double[]){ 1, 1, 2, 50 }, 4, p);
    assert_true(p[2] == 0.5);
    rps_normalise((double[]){ -5, 1, 0 }, 3, p);
    assert_true(p[1] == 1);
    rps_normalise((double[]){ 0, 0, 0 }, 3, p);
    assert_true(p[0] == 1.0 / 3 && p[2] == 1.0 / 3);
    rps_normalise((double[]){ NAN, 1, INFINITY }, 3, p);
    assert_true(p[1] == 1);
    rps_normalise((double[]){ 1e308, 1e308, 1e308 }, 3, p);
    assert_true(p[0] == 1.0 / 3);
    rps_normalise(NULL, 0, p);
    assert_true(p[1] == 1.0 / 3);
}

static void expected_values(void **state)
{
    double v[RPS_MOVES];

    /* the user plays rock: paper wins 1.3, scissors lose 1.0, rock draws */
    rps_expected_values((double[]){ 1, 0, 0 }, &points, 2, 4, v);
    assert_true(v[RPS_PAPER] == 1.3 && v[RPS_SCISSORS] == -1.0);
    assert_true(fabs(v[RPS_ROCK] - 0.1) < 1e-12);
    assert_int_equal(rps_choose(v), RPS_PAPER);
    /* the win that ends the game is worth ten more */
    rps_expected_values((double[]){ 1, 0, 0 }, &points, 2, 9, v);
    assert_true(v[RPS_PAPER] == 11.3);
    /* knowing nothing, the bot takes what pays most */
    rps_expected_values(RPS_UNIFORM, &points, 0, 0, v);
    assert_int_equal(rps_choose(v), RPS_SCISSORS);
    assert_int_equal(rps_choose((double[]){ 1, 1, 1 }), RPS_ROCK);
}

static void the_split(void **state)
{
    struct rng rng;
    unsigned production = 0;

    assert_int_equal(rps_assign(0, 0), RPS_B);
    assert_int_equal(rps_assign(1, 0.999), RPS_PRODUCTION);
    assert_int_equal(rps_assign(0.3, 0.3), RPS_B);
    assert_int_equal(rps_assign(0.3, 0.29), RPS_PRODUCTION);
    assert_false(rps_assign_needs_unit(0) || rps_assign_needs_unit(1) || rps_assign_needs_unit(-1));
    assert_true(rps_assign_needs_unit(0.5));
    /* 0x954f369b6c00001c over 2^64, made with sha256sum */
    assert_true(fabs(rps_assign_unit(STR("g1"), RPS_XGBOOST) - 0.5832399491737306) < 1e-15);
    rng_init(&rng, 1);
    for (int i = 0; i < 10000; i++) {
        char id[17];
        for (int k = 0; k < 16; k++)
            id[k] = "0123456789abcdef"[rng_below(&rng, 16)];
        double unit = rps_assign_unit(str_from(id, 16), RPS_LOGISTIC);
        assert_true(unit >= 0 && unit < 1);
        assert_true(unit == rps_assign_unit(str_from(id, 16), RPS_LOGISTIC));
        production += rps_assign(0.2, unit) == RPS_PRODUCTION;
    }
    assert_in_range(production, 1850, 2150);
    assert_true(rps_assign_unit(STR("g1"), RPS_XGBOOST) !=
                rps_assign_unit(STR("g1"), RPS_LOGISTIC));
    assert_int_equal(rps_alias_find(STR("shadow2")), RPS_SHADOW2);
    assert_int_equal(rps_alias_find(STR("production")), RPS_ALIASES);
}

static void promotion(void **state)
{
    struct rps_promotion_input in = {
        .games = { [RPS_PRODUCTION] = { 5, 10 }, [RPS_B] = { 7, 10 } },
        .accuracy = { { 10, 100 }, { 20, 100 }, { 50, 100 }, { 20, 200 } },
        .cycles_since_swap = 4,
    };
    struct rps_promotion got;

    rps_promotion_decide(&in, &got); /* the contract's example */
    assert_int_equal(got.decision, RPS_SWAP);
    assert_true(fabs(got.z - 0.9129) < 1e-4 && fabs(got.p - 0.1807) < 1e-4);
    assert_int_equal(got.source[RPS_PRODUCTION], RPS_B);
    assert_int_equal(got.source[RPS_B], RPS_SHADOW1);
    assert_int_equal(got.source[RPS_SHADOW1], RPS_SHADOW2);    /* as good as the old Production, */
    assert_int_equal(got.source[RPS_SHADOW2], RPS_PRODUCTION); /* on more predictions */
    assert_true(got.is_reordered && got.cycles_since_swap == 0);

    in.games[RPS_B].total = 2;
    in.has_baseline = true;
    in.baseline_production_games = 4;
    in.baseline_b_games = 9;
    rps_promotion_decide(&in, &got);
    assert_string_equal(rps_decision_name(got.decision), "insufficient_data");
    assert_false(got.has_z);
    assert_int_equal(got.production_games_since_swap, 6);
    assert_int_equal(got.b_games_since_swap, 2); /* the counter started anew */
    assert_int_equal(got.cycles_since_swap, 5);
    in.games[RPS_B] = (struct rps_share){ 5, 10 };
    rps_promotion_decide(&in, &got);
    assert_int_equal(got.decision, RPS_RETAIN); /* equal keeps */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(families),        cmocka_unit_test(normalising),
        cmocka_unit_test(expected_values), cmocka_unit_test(the_split),
        cmocka_unit_test(promotion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
