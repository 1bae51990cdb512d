/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policies are those of the engine; games in memory are bounded, and one request at a time has one;
 * programs are told from people by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "apps/rps/boards.h"
#include "apps/rps/live.h"

/* The house that models are loaded in reads this list. */
const struct app *const app_registry[] = { &app_core, &app_rps, NULL };

static void policies_are_those_of_the_engine(void **state)
{
    bool is_retired;
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        const struct rps_policy *p = rps_policy_find(str_of(rps_family_policy(family)),
                                                     &is_retired);
        assert_non_null(p);
        assert_int_equal(p->family, family);
        assert_int_equal(p->bot, RPS_BOTS);
        assert_string_equal(p->model_type, rps_family_name(family));
        assert_string_equal(rps_families[family].name, rps_family_name(family));
        assert_string_equal(rps_families[family].model, rps_family_registry(family));
    }
    for (enum rps_bot bot = 0; bot < RPS_BOTS; bot++) {
        const struct rps_policy *p = rps_policy_find(str_of(rps_bot_name(bot)), &is_retired);
        assert_non_null(p);
        assert_int_equal(p->bot, bot);
        assert_int_equal(p->family, RPS_FAMILIES);
        assert_false(is_retired);
    }
    for (size_t i = 0; i < RPS_POLICIES; i++)
        assert_int_equal(rps_policy_index(rps_policy_at(i)), i);
}

static void retired_policies_are_those_they_were(void **state)
{
    bool is_retired;
    const struct rps_policy *p = rps_policy_find(STR("brian_easy"), &is_retired);
    assert_ptr_equal(p, rps_policy_at(0));
    assert_true(is_retired);
    static const char *const none[] = {
        "", "_easy", "Brian", "brian ", "brian_easy_easy", "mlflow"
    };
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_null(rps_policy_find(str_of(none[i]), &is_retired));
}

static struct rps_live *add(struct rps_live_table *t, int number)
{
    struct rps_live *live = NULL, *there = NULL;
    err e = rps_live_new(&live);
    assert_int_equal(e.code, ERR_NONE);
    snprintf(live->id, sizeof live->id, "game-%d", number);
    return rps_live_add(t, live, &there) == RPS_TAKEN ? there : NULL;
}

static struct rps_live_table *open_table(size_t games_max)
{
    struct rps_live_table *t = NULL;
    err e = rps_live_open(games_max, &t);
    assert_int_equal(e.code, ERR_NONE);
    return t;
}

static void one_at_a_time_has_a_game(void **state)
{
    struct rps_live_table *t = open_table(4);
    struct rps_live *other = NULL, *game = add(t, 1);
    assert_non_null(game);
    assert_int_equal(rps_live_take(t, STR("game-1"), &other), RPS_TAKEN_BY_OTHERS);
    assert_null(add(t, 1)); /* is there, and in use */
    rps_live_give(t, game);
    assert_int_equal(rps_live_take(t, STR("game-1"), &other), RPS_TAKEN);
    assert_ptr_equal(other, game);
    rps_live_give(t, game);
    assert_ptr_equal(add(t, 1), game); /* the one that is there, not a second */
    rps_live_drop(t, game);
    assert_int_equal(rps_live_take(t, STR("game-1"), &other), RPS_NOT_HERE);
    assert_int_equal(rps_live_take(t, STR("nobody"), &other), RPS_NOT_HERE);
    rps_live_close(t);
}

static void the_longest_unused_makes_room(void **state)
{
    struct rps_live_table *t = open_table(3);
    struct rps_live *games[3], *other = NULL;
    for (int i = 0; i < 3; i++)
        games[i] = add(t, i);
    assert_null(add(t, 3)); /* all are in use */
    rps_live_give(t, games[1]);
    rps_live_give(t, games[2]);
    struct rps_live *fourth = add(t, 3);
    assert_non_null(fourth);
    assert_int_equal(rps_live_take(t, STR("game-1"), &other), RPS_NOT_HERE);
    assert_int_equal(rps_live_take(t, STR("game-2"), &other), RPS_TAKEN);
    assert_int_equal(rps_live_count(t), 3);
    rps_live_close(t);
}

static void programs_are_known_by_their_names(void **state)
{
    static const char *const programs[] = { "ace",   "Hal",    "sim7",    "sim[3]", "SIM(12)",
                                            "sim[x", "sim-a1", "sim_b-2", "simp 4", "simpler9" };
    static const char *const people[] = { "Ann",      "sim",    "simon", "Simone",
                                          "sim(x)",   "a sim7", "",      "acehigh",
                                          "sim on 7", "simple", "si",    "sim(" };
    for (size_t i = 0; i < COUNT_OF(programs); i++)
        assert_true(rps_is_program_name(str_of(programs[i])));
    for (size_t i = 0; i < COUNT_OF(people); i++)
        assert_false(rps_is_program_name(str_of(people[i])));
}

static void shares_have_two_decimals(void **state)
{
    assert_true(rps_percent(1, 3) == 33.33);
    assert_true(rps_percent(2, 3) == 66.67);
    assert_true(rps_percent(0, 0) == 0);
    assert_true(rps_percent(5, 5) == 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_are_those_of_the_engine),
        cmocka_unit_test(retired_policies_are_those_they_were),
        cmocka_unit_test(one_at_a_time_has_a_game),
        cmocka_unit_test(the_longest_unused_makes_room),
        cmocka_unit_test(programs_are_known_by_their_names),
        cmocka_unit_test(shares_have_two_decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
