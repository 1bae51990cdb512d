/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bots: simulations are only worth something when a seed gives the same game again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/rps/bots.h"

enum { MAX = 12 };

struct scene {
    struct rps_round rounds[MAX];
    struct rps_table table;
};

/* Moves as letters; all past rounds and the next one have the points 1.0, 1.3, 1.8. */
static struct rps_table *scene(struct scene *s, const char *user, const char *bot)
{
    struct rps_game game = { 0 };
    const struct rps_points points = { { 1.0, 1.3, 1.8 } };

    *s = (struct scene){ .table = {
                             .rounds = s->rounds, .count = strlen(user), .points = points } };
    for (size_t i = 0; i < s->table.count; i++) {
        err e = rps_game_play(&game, rps_move_of_letter(user[i]), rps_move_of_letter(bot[i]),
                              &points, &s->rounds[i]);
        assert_int_equal(e.code, ERR_NONE);
    }
    s->table.user_score = game.user_score;
    s->table.bot_score = game.bot_score;
    return &s->table;
}

static void rules(void **state)
{
    static const struct {
        enum rps_bot bot;
        const char *user, *theirs;
        char want;
    } cases[] = {
        { RPS_ACE, "", "", 's' },       { RPS_ACE, "r", "r", 'p' }, { RPS_ACE, "pp", "rr", 's' },
        { RPS_BOB, "", "", 's' },       { RPS_BOB, "r", "r", 'r' }, { RPS_BOB, "rr", "rr", 'p' },
        { RPS_BOB, "pp", "rr", 'p' },   { RPS_CAL, "", "", 'r' },   { RPS_CAL, "rrr", "ppp", 's' },
        { RPS_CAL, "rr", "pp", 'r' },   { RPS_EDD, "", "", 's' },   { RPS_EDD, "r", "p", 's' },
        { RPS_EDD, "ss", "pp", 's' },   { RPS_FOX, "", "", 'p' },   { RPS_FOX, "p", "r", 'r' },
        { RPS_FOX, "r", "p", 's' },     { RPS_HAL, "", "", 'p' },   { RPS_HAL, "rrp", "pps", 'p' },
        { RPS_HAL, "prs", "spr", 's' }, { RPS_GUS, "r", "r", 's' },
    };
    struct rng rng;

    rng_init(&rng, 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scene s;
        unsigned got = rps_bot_move(cases[i].bot, scene(&s, cases[i].user, cases[i].theirs), &rng);
        if (got != rps_move_of_letter(cases[i].want))
            fail_msg("%s after %s against %s: %s", rps_bot_name(cases[i].bot), cases[i].user,
                     cases[i].theirs, rps_move_name(got));
    }
}

/* Where the points are close, gus looks at the bot's habits. */
static void gus_with_flat_points(void **state)
{
    struct scene s;
    struct rng rng;
    struct rps_table *t = scene(&s, "rsp", "rpp");

    rng_init(&rng, 1);
    t->points = (struct rps_points){ { 1, 1, 1 } };
    assert_int_equal(rps_bot_move(RPS_GUS, t, &rng), RPS_SCISSORS); /* paper twice in a row */
    t = scene(&s, "rspr", "rrpr");
    t->points = (struct rps_points){ { 1, 1, 1 } };
    assert_int_equal(rps_bot_move(RPS_GUS, t, &rng), RPS_PAPER); /* rock most */
    t = scene(&s, "spr", "rps");
    t->points = (struct rps_points){ { 1, 1, 1 } };
    assert_int_equal(rps_bot_move(RPS_GUS, t, &rng), RPS_ROCK); /* no habit: the last one */
}

/* On an even table dan's weights are .4 best, .3 its beater, .3 the other. */
static void dan_throws_a_die(void **state)
{
    struct scene s;
    struct rps_table *t = scene(&s, "", "");
    unsigned count[RPS_MOVES] = { 0 };
    struct rng rng, again;

    rng_init(&rng, 5);
    rng_init(&again, 5);
    for (int i = 0; i < 10000; i++) {
        unsigned move = rps_bot_move(RPS_DAN, t, &rng);
        assert_int_equal(move, rps_bot_move(RPS_DAN, t, &again));
        count[move]++;
    }
    assert_in_range(count[RPS_SCISSORS], 3800, 4200);
    assert_in_range(count[RPS_ROCK], 2800, 3200);
}

static void names(void **state)
{
    for (int i = 0; i < RPS_BOTS; i++)
        assert_int_equal(rps_bot_find(str_of(rps_bot_name((enum rps_bot)i))), i);
    assert_int_equal(rps_bot_find(STR("Ace")), RPS_BOTS);
    assert_string_equal(rps_bot_title(RPS_HAL), "Hal");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(gus_with_flat_points),
        cmocka_unit_test(dan_throws_a_die),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
