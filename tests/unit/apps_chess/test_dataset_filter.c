/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a dataset holds what nobody asked for: a misspelt filter selects everything, a
 * game is in train and in test, a share is not what was said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/chess/dataset_filter.h"
#include "apps/chess/game_record.h"
#include "engine/chess/pgn.h"

static arena scratch;

static int setup(void **state)
{
    arena_init(&scratch, 1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    arena_deinit(&scratch);
    return 0;
}

static const struct json *json_of(const char *text)
{
    const struct json *root = NULL;
    err e = json_parse(&scratch, str_of(text), &root);
    assert_int_equal(e.code, ERR_NONE);
    return root;
}

static err parse(const char *text, struct row_filter *f)
{
    return row_filter_parse(text ? json_of(text) : NULL, &scratch, f);
}

static void no_filter_is_everything(void **state)
{
    struct row_filter f;
    struct buf sql;
    struct store_value values[ROW_FILTER_ARGS_MAX];
    size_t count = 0;
    assert_int_equal(parse(NULL, &f).code, ERR_NONE);
    buf_init(&sql, 4096);
    assert_int_equal(row_filter_sql(&f, &sql, values, &count).code, ERR_NONE);
    assert_int_equal(sql.len, 0);
    assert_int_equal(count, 0);
    struct chess_position p;
    chess_position_start(&p);
    assert_true(row_filter_has(&f, &p, 0, PGN_CLOCK_NONE, -1));
    buf_deinit(&sql);
}

/* Each with the word that must be in the message, so that somebody can correct it. */
static void wrong_filters_are_refused_with_the_field(void **state)
{
    static const struct {
        const char *filter, *says;
    } wrong[] = {
        { "{\"minELO\":1500}", "minELO" },
        { "{\"minElo\":0}", "minElo" },
        { "{\"minElo\":\"1500\"}", "minElo" },
        { "{\"minElo\":2000,\"maxElo\":1000}", "above" },
        { "{\"minPly\":20,\"maxPly\":10}", "above" },
        { "{\"minPly\":-1}", "minPly" },
        { "{\"since\":\"yesterday\"}", "since" },
        { "{\"since\":\"2024-01-02\",\"until\":\"2024-01-01\"}", "before" },
        { "{\"speed\":[\"FAST\"]}", "speed" },
        { "{\"speed\":[1]}", "speed" },
        { "{\"eco\":\"Z\"}", "eco" },
        { "{\"phase\":\"late\"}", "phase" },
        { "{\"platform\":\"fics\"}", "platform" },
        { "{\"result\":\"lost\"}", "result" },
        { "{\"color\":\"red\"}", "color" },
        { "{\"ownMoves\":true}", "player" },
        { "{\"limit\":0}", "limit" },
        { "{\"minClock\":-5}", "minClock" },
        { "{\"rated\":\"yes\"}", "rated" },
        { "[]", "object" },
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct row_filter f;
        err e = parse(wrong[i].filter, &f);
        if (e.code != ERR_INVALID || !strstr(e.msg, wrong[i].says))
            fail_msg("%s: code %d, '%s' does not say '%s'", wrong[i].filter, e.code, e.msg,
                     wrong[i].says);
    }
}

static void a_full_filter_is_understood(void **state)
{
    struct row_filter f;
    struct buf sql;
    struct store_value values[ROW_FILTER_ARGS_MAX];
    size_t count = 0;
    assert_int_equal(
        parse("{\"player\":\"DrNykterstein\",\"color\":\"black\",\"minElo\":1800,"
              "\"maxElo\":3000,\"since\":\"2020-01-01\",\"until\":\"2020-12-31\","
              "\"timeControl\":\"180+2\",\"speed\":[\"blitz\",\"RAPID\"],\"eco\":[\"B2\","
              "\"C42\"],\"result\":\"1-0\",\"rated\":true,\"source\":\"mine\",\"phase\":["
              "\"endgame\"],\"minPly\":10,\"maxPly\":80,\"minClock\":30,\"limit\":1000,"
              "\"platform\":\"LICHESS\",\"ownMoves\":true}",
              &f)
            .code,
        ERR_NONE);
    assert_true(str_eq(f.player, STR("drnykterstein")));
    assert_int_equal(f.eco_count, 2);
    assert_int_equal(f.eco[0].first, 120);
    assert_int_equal(f.eco[0].last, 129);
    assert_int_equal(f.eco[1].first, 242);
    assert_int_equal(f.eco[1].last, 242);
    assert_int_equal(f.speeds, 1u << CHESS_BLITZ | 1u << CHESS_RAPID);
    assert_int_equal(f.result, CHESS_WHITE_WIN);
    assert_true(f.until_ms > f.since_ms);
    assert_int_equal(f.until_ms - f.since_ms, 366LL * 24 * 3600 * 1000); /* the last day counts */
    buf_init(&sql, 16384);
    assert_int_equal(row_filter_sql(&f, &sql, values, &count).code, ERR_NONE);
    assert_null(strstr(sql.ptr, "DrNyk")); /* values are bound, never written into the text */
    assert_null(strstr(sql.ptr, "180+2"));
    char last[16];
    snprintf(last, sizeof last, "?%zu", count);
    assert_non_null(strstr(sql.ptr, last));
    buf_deinit(&sql);
}

static void positions_are_told_apart(void **state)
{
    struct chess_position start, ending;
    chess_position_start(&start);
    assert_int_equal(chess_fen_parse(STR("8/5k2/3r4/8/2N5/8/1K3P2/4R3 w - - 0 40"), &ending).code,
                     ERR_NONE);
    static const struct {
        const char *filter;
        bool start, ending; /* ply 0 with 60 s; ply 78 with 5 s; white to move in both */
        int player_color;
    } cases[] = {
        { "{\"minPly\":1}", false, true, -1 },
        { "{\"maxPly\":77}", true, false, -1 },
        { "{\"phase\":\"opening\"}", true, false, -1 },
        { "{\"phase\":[\"endgame\"]}", false, true, -1 },
        { "{\"phase\":[\"middlegame\"]}", false, false, -1 },
        { "{\"minClock\":30}", true, false, -1 },
        { "{\"color\":\"white\"}", true, true, -1 },
        { "{\"color\":\"black\"}", false, false, -1 },
        { "{\"player\":\"x\",\"ownMoves\":true}", true, true, CHESS_WHITE },
        { "{\"player\":\"x\",\"ownMoves\":true}", false, false, CHESS_BLACK },
        { "{\"player\":\"x\",\"color\":\"black\"}", true, true,
          CHESS_BLACK }, /* his games, all moves */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct row_filter f;
        assert_int_equal(parse(cases[i].filter, &f).code, ERR_NONE);
        bool first = row_filter_has(&f, &start, 0, 6000, cases[i].player_color);
        bool second = row_filter_has(&f, &ending, 78, 500, cases[i].player_color);
        if (first != cases[i].start || second != cases[i].ending)
            fail_msg("%s: start %d, ending %d", cases[i].filter, first, second);
    }
    struct row_filter f;
    assert_int_equal(parse("{\"minClock\":1}", &f).code, ERR_NONE);
    assert_false(row_filter_has(&f, &start, 0, PGN_CLOCK_NONE, -1)); /* unknown is not enough */
}

static void splits_must_sum_to_one(void **state)
{
    static const char *const wrong[] = {
        "{\"train\":0.8}",
        "{\"train\":0.8,\"valid\":0.1,\"test\":0.2}",
        "{\"by\":\"player\"}",
        "{\"train\":1.5,\"valid\":-0.5,\"test\":0}",
        "{\"ratio\":1}",
        "{\"seed\":-1}",
        "[]",
    };
    struct split_plan plan;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        err e = split_plan_parse(json_of(wrong[i]), &plan);
        if (e.code != ERR_INVALID)
            fail_msg("%s was accepted", wrong[i]);
    }
    assert_int_equal(split_plan_parse(NULL, &plan).code, ERR_NONE);
    assert_float_equal(plan.share[CHESS_TRAIN], 0.8, 1e-12);
    assert_int_equal(
        split_plan_parse(json_of("{\"train\":0.7,\"val\":0.1,\"test\":0.2}"), &plan).code,
        ERR_NONE);
    assert_float_equal(plan.share[CHESS_VALID], 0.1, 1e-12);
}

/* The shares come out as asked, another seed gives another split, and the same seed the same one.
 */
static void games_are_split_by_their_moves(void **state)
{
    struct split_plan plan, other;
    assert_int_equal(
        split_plan_parse(json_of("{\"train\":0.8,\"valid\":0.1,\"test\":0.1}"), &plan).code,
        ERR_NONE);
    other = plan;
    other.seed = 43;
    enum { N = 100000 };
    int count[CHESS_SPLIT_COUNT] = { 0 }, moved = 0;
    for (uint64_t i = 0; i < N; i++) {
        enum chess_split split = split_plan_of(&plan, i, 0);
        assert_int_equal(split, split_plan_of(&plan, i, 999));
        count[split]++;
        moved += split != split_plan_of(&other, i, 0);
    }
    assert_in_range(count[CHESS_TRAIN], 79500, 80500); /* four standard errors are 506 */
    assert_in_range(count[CHESS_VALID], 9600, 10400);
    assert_in_range(count[CHESS_TEST], 9600, 10400);
    assert_true(moved > N / 10);
}

static void time_splits_put_the_past_into_train(void **state)
{
    struct split_plan plan;
    assert_int_equal(split_plan_parse(json_of("{\"by\":\"time\"}"), &plan).code, ERR_NONE);
    plan.valid_from_ms = 1000;
    plan.test_from_ms = 2000;
    assert_int_equal(split_plan_of(&plan, 1, -500), CHESS_TRAIN); /* before 1970 */
    assert_int_equal(split_plan_of(&plan, 1, 999), CHESS_TRAIN);
    assert_int_equal(split_plan_of(&plan, 1, 1000), CHESS_VALID);
    assert_int_equal(split_plan_of(&plan, 1, 2000), CHESS_TEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_filter_is_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_filters_are_refused_with_the_field, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_filter_is_understood, setup, teardown),
        cmocka_unit_test_setup_teardown(positions_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(splits_must_sum_to_one, setup, teardown),
        cmocka_unit_test_setup_teardown(games_are_split_by_their_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(time_splits_put_the_past_into_train, setup, teardown),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
