/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Splits: when one fails, a model is judged on what it was trained on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/rand.h"
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

/* ------------------------------------------------------------------ rows that carry their group */

enum { ROWS = 4000, GAMES = 300 };

/* Games of different lengths, rows of several games interleaved, later rows of a game later. */
static void make_rows(uint64_t *group, int64_t *time, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < ROWS; i++) {
        /* a window of games that are going on, which moves; numbers say nothing about time */
        uint64_t game = i * (GAMES - 8) / ROWS + rng_below(&rng, 8);
        group[i] = rand_mix(game * 17 + seed);
        time[i] = 1000 + (int64_t)i / 3;
    }
}

static void assert_groups_whole(const uint64_t *group, const enum learn_part *part)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = i + 1; j < ROWS; j++)
            if (group[i] == group[j])
                assert_int_equal(part[i], part[j]);
}

/* The reference put rows of one game into training and test, and called the result accuracy. */
static void test_chronological_keeps_games_whole(void **state)
{
    static uint64_t group[ROWS];
    static int64_t time[ROWS];
    static enum learn_part part[ROWS];
    struct learn_shares shares = { .valid = 0.2, .test = 0.2 };
    for (uint64_t seed = 1; seed <= 3; seed++) {
        size_t count[3] = { 0 };
        int64_t start[3] = { INT64_MAX, INT64_MAX, INT64_MAX }, last_start[3] = { 0 };
        make_rows(group, time, seed);
        assert_int_equal(learn_split_chronological(group, time, ROWS, &shares, part).code,
                         ERR_NONE);
        assert_groups_whole(group, part);
        for (size_t i = 0; i < ROWS; i++) {
            size_t j = 0;
            while (group[j] != group[i])
                j++;
            count[part[i]]++;
            start[part[i]] = time[j] < start[part[i]] ? time[j] : start[part[i]];
            last_start[part[i]] = time[j] > last_start[part[i]] ? time[j] : last_start[part[i]];
        }
        assert_true(fabs((double)count[LEARN_TRAIN] - 0.6 * ROWS) < 30);
        assert_true(fabs((double)count[LEARN_VALID] - 0.2 * ROWS) < 30);
        assert_true(last_start[LEARN_TRAIN] <= start[LEARN_VALID]);
        assert_true(last_start[LEARN_VALID] <= start[LEARN_TEST]);
    }
}

static void test_chronological_of_few_games(void **state)
{
    /* the newest game has most of the rows, and still leaves the others something */
    const uint64_t group[] = { 3, 9, 5, 5, 5, 5, 5, 5, 5, 5 };
    const int64_t time[] = { 1, 2, 3, 3, 3, 3, 3, 3, 3, 3 };
    enum learn_part part[10];
    struct learn_shares shares = { .valid = 0.2, .test = 0.2 };
    assert_int_equal(learn_split_chronological(group, time, 10, &shares, part).code, ERR_NONE);
    assert_int_equal(part[0], LEARN_TRAIN);
    assert_int_equal(part[1], LEARN_VALID);
    for (size_t i = 2; i < 10; i++)
        assert_int_equal(part[i], LEARN_TEST);
    /* a game is as old as its oldest row, wherever that stands */
    const uint64_t swapped[] = { 1, 1, 2, 2, 1 };
    const int64_t late[] = { 50, 60, 20, 30, 10 };
    shares = (struct learn_shares){ .valid = 0, .test = 0.4 };
    assert_int_equal(learn_split_chronological(swapped, late, 5, &shares, part).code, ERR_NONE);
    assert_int_equal(part[0], LEARN_TRAIN);
    assert_int_equal(part[4], LEARN_TRAIN);
    assert_int_equal(part[2], LEARN_TEST);
    assert_int_equal(part[3], LEARN_TEST);
    assert_int_equal(learn_split_chronological(NULL, NULL, 0, &shares, part).code, ERR_NONE);
    shares.test = 2;
    assert_int_equal(learn_split_chronological(group, time, 10, &shares, part).code, ERR_INVALID);
}

static void test_every_fifth_game_validates(void **state)
{
    static uint64_t group[ROWS];
    static int64_t time[ROWS];
    static enum learn_part part[ROWS];
    make_rows(group, time, 4);
    assert_int_equal(learn_split_every(group, ROWS, 5, part).code, ERR_NONE);
    assert_groups_whole(group, part);
    size_t games = 0;
    for (size_t i = 0; i < ROWS; i++) {
        size_t j = 0;
        while (group[j] != group[i])
            j++;
        if (i != j)
            continue;
        assert_int_equal(part[i], games % 5 == 4 ? LEARN_VALID : LEARN_TRAIN);
        games++;
    }
    assert_true(games > 250);
    assert_int_equal(learn_split_every(group, ROWS, 1, part).code, ERR_INVALID);
}

static void test_folds_keep_games_whole_and_even(void **state)
{
    static uint64_t group[ROWS];
    static int64_t time[ROWS];
    static uint8_t fold[ROWS], again[ROWS], other[ROWS];
    size_t count[3] = { 0 }, moved = 0;
    make_rows(group, time, 5);
    assert_int_equal(learn_split_folds(group, ROWS, 3, 42, fold).code, ERR_NONE);
    assert_int_equal(learn_split_folds(group, ROWS, 3, 42, again).code, ERR_NONE);
    assert_int_equal(learn_split_folds(group, ROWS, 3, 43, other).code, ERR_NONE);
    for (size_t i = 0; i < ROWS; i++) {
        count[fold[i]]++;
        assert_int_equal(fold[i], again[i]);
        moved += fold[i] != other[i];
        for (size_t j = i + 1; j < ROWS; j++)
            if (group[i] == group[j])
                assert_int_equal(fold[i], fold[j]);
    }
    for (size_t f = 0; f < 3; f++)
        assert_true(fabs((double)count[f] - ROWS / 3.0) < 30);
    assert_true(moved > ROWS / 3);
    assert_int_equal(learn_split_folds(group, ROWS, 1, 42, fold).code, ERR_INVALID);
    assert_int_equal(learn_split_folds(group, ROWS, 17, 42, fold).code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_are_met),
        cmocka_unit_test(test_group_is_stable_and_seeded),
        cmocka_unit_test(test_bad_shares_are_refused),
        cmocka_unit_test(test_time_split_never_tests_on_the_past),
        cmocka_unit_test(test_chronological_keeps_games_whole),
        cmocka_unit_test(test_chronological_of_few_games),
        cmocka_unit_test(test_every_fifth_game_validates),
        cmocka_unit_test(test_folds_keep_games_whole_and_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
