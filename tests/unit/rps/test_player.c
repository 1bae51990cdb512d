/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is known of a person: it must learn, say the same wherever it is asked, and survive storing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rand.h"
#include "engine/rps/player_past.h"

enum { PEOPLE = 12, BEATERS = 9, GAMES = 3, ROUNDS = 20, ALL = PEOPLE * GAMES * ROUNDS };

/* People who beat what the other played last nine times of ten, and a few who copy it; every game
 * with points. */
static struct crowd {
    struct rps_person people[PEOPLE];
    struct rps_people_game games[PEOPLE * GAMES];
    struct rps_pair rounds[ALL];
    struct rps_points points[ALL];
    struct rps_people all;
    struct rps_population *population;
} crowd;

static void make_game(size_t g, struct rng *rng)
{
    size_t first = g * ROUNDS;
    crowd.games[g] = (struct rps_people_game){ .person = (uint32_t)(g / GAMES),
                                               .first = (uint32_t)first,
                                               .count = ROUNDS };
    for (size_t i = first; i < first + ROUNDS; i++) {
        unsigned user = (unsigned)rng_below(rng, 3), bot = (unsigned)rng_below(rng, 3);
        if (i > first && rng_below(rng, 10) != 0)
            user = g / GAMES < BEATERS ? rps_beater(crowd.rounds[i - 1].bot)
                                       : crowd.rounds[i - 1].bot;
        crowd.rounds[i] = (struct rps_pair){ (uint8_t)user, (uint8_t)bot };
        rps_round_points(STR("a game"), (int64_t)i, &crowd.points[i]);
    }
}

static int make_crowd(void **state)
{
    struct rng rng;

    rng_init(&rng, 3);
    for (size_t p = 0; p < PEOPLE; p++) {
        crowd.people[p] = (struct rps_person){ .id = STR("x"),
                                               .group = STR("x"),
                                               .first_game = (uint32_t)(p * GAMES),
                                               .game_count = GAMES,
                                               .first = (uint32_t)(p * GAMES * ROUNDS),
                                               .count = GAMES * ROUNDS };
        for (size_t g = p * GAMES; g < (p + 1) * GAMES; g++)
            make_game(g, &rng);
    }
    crowd.all = (struct rps_people){ .people = crowd.people,
                                     .games = crowd.games,
                                     .rounds = crowd.rounds,
                                     .points = crowd.points,
                                     .person_count = PEOPLE,
                                     .game_count = PEOPLE * GAMES,
                                     .round_count = ALL };
    err e = rps_population_fit(&crowd.all, NULL, NULL, NULL, &crowd.population);
    return e.code != ERR_NONE;
}

static int free_crowd(void **state)
{
    rps_population_free(crowd.population);
    return 0;
}

static struct rps_player *somebody(void)
{
    struct rps_player *player = NULL;
    err e = rps_player_new(crowd.population, &player);
    assert_int_equal(e.code, ERR_NONE);
    return player;
}

/* Somebody never seen is predicted from their second round on, because people are alike; somebody
 * who is not alike is learned. */
static void it_knows_people_and_learns_a_person(void **state)
{
    struct rps_player *player = somebody();
    double p[RPS_MOVES];

    rps_player_begin_game(player);
    rps_player_predict(crowd.population, player, NULL, p);
    assert_true(fabs(p[0] + p[1] + p[2] - 1) < 1e-6);
    rps_player_add(crowd.population, player, RPS_ROCK, RPS_ROCK, NULL);
    rps_player_predict(crowd.population, player, NULL, p);
    assert_true(p[RPS_PAPER] > 0.5);
    /* this one copies the other */
    unsigned bot = RPS_ROCK;
    struct rng rng;
    rng_init(&rng, 8);
    for (int i = 0; i < 100; i++) {
        unsigned next = (unsigned)rng_below(&rng, 3);
        rps_player_add(crowd.population, player, bot, next, NULL);
        bot = next;
    }
    rps_player_predict(crowd.population, player, NULL, p);
    assert_true(p[bot] > 0.7);
    assert_int_equal(rps_player_rounds(player), 101);
    rps_player_free(player);
}

/* Served round by round, made again from the rounds, and stored between any two: the same bits. */
static void one_result_by_every_way(void **state)
{
    const struct rps_person *who = &crowd.people[5];
    struct rps_player *live = somebody(), *stored = somebody();
    double a[RPS_PLAYER_FEATURES], b[RPS_PLAYER_FEATURES], mix[RPS_MOVES];

    for (size_t i = 0; i < who->count; i++) {
        const struct rps_pair *r = &crowd.rounds[who->first + i];
        const struct rps_points *now = i % 4 ? &crowd.points[who->first + i] : NULL;
        struct buf bytes;

        if (i % ROUNDS == 0) {
            rps_player_begin_game(live);
            rps_player_begin_game(stored);
        }
        rps_player_features(crowd.population, live, now, a);
        rps_player_features(crowd.population, stored, now, b);
        assert_memory_equal(a, b, sizeof a);
        rps_player_predict(crowd.population, live, now, mix);
        assert_memory_equal(a, mix, sizeof mix);
        for (size_t k = 0; k < RPS_PLAYER_FEATURES; k++)
            assert_true(isfinite(a[k]));
        rps_player_add(crowd.population, live, r->user, r->bot, now);
        rps_player_add(crowd.population, stored, r->user, r->bot, now);
        buf_init(&bytes, RPS_PLAYER_BYTES_MAX);
        rps_player_write(crowd.population, stored, &bytes);
        err e = buf_check(&bytes);
        assert_int_equal(e.code, ERR_NONE);
        rps_player_free(stored);
        e = rps_player_read(crowd.population, buf_str(&bytes), &stored);
        if (e.code)
            fail_msg("%s", e.msg);
        buf_deinit(&bytes);
    }
    rps_player_free(live);
    rps_player_free(stored);
}

/* The features that are three of a kind are probabilities or one move. */
static void names_and_sums(void **state)
{
    struct rps_player *player = somebody();
    double out[RPS_PLAYER_FEATURES];
    char name[RPS_PLAYER_NAME_BYTES], other[RPS_PLAYER_NAME_BYTES];

    rps_player_begin_game(player);
    for (int i = 0; i < 9; i++)
        rps_player_add(crowd.population, player, RPS_ROCK, (unsigned)i % 3, &crowd.points[i]);
    rps_player_features(crowd.population, player, &crowd.points[9], out);
    for (size_t i = 0; i < (2 + RPS_SHOWN_EXPERTS + 2 * RPS_PLAYER_LAGS) * RPS_MOVES; i += 3)
        assert_true(fabs(out[i] + out[i + 1] + out[i + 2] - 1) < 1e-5);
    for (size_t i = 0; i < RPS_PLAYER_FEATURES; i++) {
        rps_player_feature_name(i, name);
        assert_true(strlen(name) > 3);
        for (size_t k = 0; k < i; k++) {
            rps_player_feature_name(k, other);
            assert_string_not_equal(name, other);
        }
    }
    rps_player_feature_name(0, name);
    assert_string_equal(name, "mix_r");
    rps_player_feature_name(24, name);
    assert_string_equal(name, "step-r2s1_r");
    rps_player_feature_name(48, name);
    assert_string_equal(name, "user_-2_r");
    assert_true(out[48] == 1);
    rps_player_feature_name(RPS_PLAYER_FEATURES - 3, name);
    assert_string_equal(name, "game_rounds");
    rps_player_free(player);
}

/* The same people give the same population; the bytes are one, and nothing else is taken for one.
 */
static void populations_as_bytes(void **state)
{
    struct rps_population *again, *other;
    bool use[PEOPLE] = { true, true, true };
    struct buf bytes, second;

    err e = rps_population_fit(&crowd.all, use, NULL, NULL, &other);
    assert_int_equal(e.code, ERR_NONE);
    assert_true(rps_population_digest(other) != rps_population_digest(crowd.population));
    buf_init(&bytes, RPS_POPULATION_BYTES_MAX);
    buf_init(&second, RPS_POPULATION_BYTES_MAX);
    rps_population_write(crowd.population, &bytes);
    e = rps_population_read(buf_str(&bytes), &again);
    assert_int_equal(e.code, ERR_NONE);
    rps_population_write(again, &second);
    assert_true(str_eq(buf_str(&bytes), buf_str(&second)));
    assert_true(rps_population_digest(again) == rps_population_digest(crowd.population));
    rps_population_free(again);
    e = rps_population_fit(&crowd.all, NULL, NULL, NULL, &again);
    assert_int_equal(e.code, ERR_NONE);
    assert_true(rps_population_digest(again) == rps_population_digest(crowd.population));
    rps_population_free(again);

    for (size_t i = 0; i < bytes.len; i += 97) {
        bytes.ptr[i] ^= 0x10;
        e = rps_population_read(buf_str(&bytes), &again);
        assert_true(e.code == ERR_CORRUPT || e.code == ERR_UNSUPPORTED);
        e = rps_population_read(str_from(bytes.ptr, i), &again);
        assert_true(e.code == ERR_CORRUPT || e.code == ERR_UNSUPPORTED);
        bytes.ptr[i] ^= 0x10;
    }
    bytes.ptr[4] = 9; /* the version */
    e = rps_population_read(buf_str(&bytes), &again);
    assert_int_equal(e.code, ERR_UNSUPPORTED);

    /* a player goes with one population */
    struct rps_player *player = somebody(), *read;
    buf_clear(&second);
    rps_player_write(crowd.population, player, &second);
    e = rps_player_read(other, buf_str(&second), &read);
    assert_int_equal(e.code, ERR_CONFLICT);
    second.ptr[40] ^= 1;
    e = rps_player_read(crowd.population, buf_str(&second), &read);
    assert_int_equal(e.code, ERR_CORRUPT);
    rps_player_free(player);
    buf_deinit(&bytes);
    buf_deinit(&second);
    rps_population_free(other);
}

static err stop(void *arg, double done)
{
    int *calls = arg;
    assert_true(done > 0 && done <= 1);
    return ++*calls == 3 ? ERR(ERR_CANCELLED, "enough") : OK;
}

static void fits_that_fail(void **state)
{
    bool nobody[PEOPLE] = { false };
    struct rps_population *none = NULL;
    int calls = 0;
    err e = rps_population_fit(&crowd.all, nobody, NULL, NULL, &none);

    assert_int_equal(e.code, ERR_INVALID);
    e = rps_population_fit(&crowd.all, NULL, stop, &calls, &none);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_null(none);
}

/* Who plays for years stays within bounds, and what they are told of stays numbers. */
static void a_long_life(void **state)
{
    struct rps_player *player = somebody();
    double out[RPS_PLAYER_FEATURES];
    struct buf bytes;
    struct rng rng;

    rng_init(&rng, 1);
    for (int i = 0; i < 50000; i++) {
        if (i % 15 == 0)
            rps_player_begin_game(player);
        rps_player_add(crowd.population, player, (unsigned)rng_below(&rng, 3),
                       (unsigned)rng_below(&rng, 3), NULL);
    }
    rps_player_features(crowd.population, player, NULL, out);
    for (size_t k = 0; k < RPS_PLAYER_FEATURES; k++)
        assert_true(isfinite(out[k]));
    assert_true(out[0] > 0.1 && out[1] > 0.1 && out[2] > 0.1); /* there is nothing to predict */
    buf_init(&bytes, RPS_PLAYER_BYTES_MAX);
    rps_player_write(crowd.population, player, &bytes);
    err e = buf_check(&bytes);
    assert_int_equal(e.code, ERR_NONE);
    assert_true(rps_player_bytes(crowd.population) < 64 * 1024);
    buf_deinit(&bytes);
    rps_player_free(player);
}

/* ---------------------------------------------------------------- the past */

/* Games of one person, made up by their numbers. */
struct past {
    struct rps_turn turns[ROUNDS];
    int64_t first_asked, asked, fails_at;
};

static err past_game(void *arg, int64_t number, const struct rps_turn **ret_turns,
                     size_t *ret_count)
{
    struct past *past = arg;
    struct rng rng;

    if (past->asked++ == 0)
        past->first_asked = number;
    if (number == past->fails_at)
        return ERR(ERR_IO, "the disk is gone");
    rng_init(&rng, (uint64_t)number);
    for (size_t i = 0; i < ROUNDS; i++) {
        past->turns[i] = (struct rps_turn){ .user = (uint8_t)rng_below(&rng, 3),
                                            .bot = (uint8_t)rng_below(&rng, 3) };
        rps_round_points(STR("past"), number * ROUNDS + (int64_t)i, &past->turns[i].points);
    }
    *ret_turns = past->turns;
    *ret_count = 5 + (size_t)number % 10;
    return OK;
}

static void chapters(void **state)
{
    static const int64_t cases[][2] = { { 0, 1 },   { 1, 1 },   { 31, 1 },  { 32, 1 },    { 63, 1 },
                                        { 64, 33 }, { 95, 33 }, { 96, 65 }, { 1000, 961 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(rps_past_first(cases[i][0]), cases[i][1]);
    for (int64_t seen = 32; seen < 500; seen++) { /* bounded, and never less than a chapter */
        int64_t games = seen - rps_past_first(seen) + 1;
        assert_true(games >= RPS_CHAPTER_GAMES && games < 2 * RPS_CHAPTER_GAMES);
    }
}

/* Game by game, in leaps, backwards, and made anew: the same bits, and no game read twice in a row.
 */
static void the_past_is_one(void **state)
{
    enum { SEEN = 100 };
    struct rps_recall step = { 0 }, leap = { 0 };
    double a[RPS_PLAYER_FEATURES], b[RPS_PLAYER_FEATURES];
    struct past past = { 0 };

    for (int64_t seen = 0; seen <= SEEN; seen++) {
        struct rps_recall anew = { 0 };
        bool begins = seen == 0 || rps_past_first(seen) != rps_past_first(seen - 1);
        assert_int_equal(rps_recall_needs(&step, seen), begins ? rps_past_first(seen) : seen);
        past.asked = 0;
        assert_int_equal(rps_recall_to(crowd.population, &step, seen, past_game, &past).code, 0);
        assert_int_equal(past.asked, begins ? seen - rps_past_first(seen) + 1 : 1);
        if (seen % 7 == 0)
            assert_int_equal(rps_recall_to(crowd.population, &leap, seen, past_game, &past).code,
                             0);
        assert_int_equal(rps_recall_to(crowd.population, &anew, seen, past_game, &past).code, 0);
        rps_player_see(crowd.population, step.player, &crowd.points[0], a);
        rps_player_see(crowd.population, anew.player, &crowd.points[0], b);
        assert_memory_equal(a, b, sizeof a);
        if (seen % 7 == 0) {
            rps_player_see(crowd.population, leap.player, &crowd.points[0], b);
            assert_memory_equal(a, b, sizeof a);
        }
        rps_recall_deinit(&anew);
    }
    /* back to an earlier game, and after a failure: begun anew */
    assert_int_equal(rps_recall_to(crowd.population, &step, 98, past_game, &past).code, 0);
    assert_int_equal(rps_recall_to(crowd.population, &leap, 98, past_game, &past).code, 0);
    rps_player_see(crowd.population, step.player, &crowd.points[0], a);
    rps_player_see(crowd.population, leap.player, &crowd.points[0], b);
    assert_memory_equal(a, b, sizeof a);
    past.fails_at = 99;
    assert_int_equal(rps_recall_to(crowd.population, &step, 99, past_game, &past).code, ERR_IO);
    assert_null(step.player);
    rps_recall_deinit(&step);
    rps_recall_deinit(&leap);
}

/* Points that nobody saw say nothing. */
static void flat_points_are_unknown(void **state)
{
    const struct rps_points flat = { { 1, 1, 1 } };
    struct rps_player *told = somebody(), *untold = somebody();
    double a[RPS_PLAYER_FEATURES], b[RPS_PLAYER_FEATURES];

    for (unsigned i = 0; i < 9; i++) {
        const struct rps_turn turn = { .points = flat, .user = (uint8_t)(i % 3), .bot = 1 };
        rps_player_take(crowd.population, told, &turn);
        rps_player_add(crowd.population, untold, i % 3, 1, NULL);
    }
    rps_player_see(crowd.population, told, &flat, a);
    rps_player_features(crowd.population, untold, NULL, b);
    assert_memory_equal(a, b, sizeof a);
    rps_player_see(crowd.population, told, &crowd.points[3], b);
    assert_memory_not_equal(a, b, sizeof a);
    rps_player_free(told);
    rps_player_free(untold);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_knows_people_and_learns_a_person),
        cmocka_unit_test(one_result_by_every_way),
        cmocka_unit_test(names_and_sums),
        cmocka_unit_test(populations_as_bytes),
        cmocka_unit_test(fits_that_fail),
        cmocka_unit_test(a_long_life),
        cmocka_unit_test(chapters),
        cmocka_unit_test(the_past_is_one),
        cmocka_unit_test(flat_points_are_unknown),
    };
    return cmocka_run_group_tests(tests, make_crowd, free_crowd);
}
