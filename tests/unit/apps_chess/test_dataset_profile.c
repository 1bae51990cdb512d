/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, the profile that people judge a dataset by is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/chess/dataset_profile.h"
#include "engine/chess/pgn.h"

static void distinct_counts_are_close(void **state)
{
    static const int sizes[] = { 0, 1, 10, 1000, 20000, 50000, 300000 };
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct distinct *d = calloc(1, sizeof *d);
        for (int round = 0; round < 3; round++) /* repeats must not count */
            for (int k = 0; k < sizes[i]; k++)
                distinct_add(d, (uint64_t)k * 0x9E3779B97F4A7C15u);
        double n = distinct_count(d);
        /* four standard errors of 0.8 % */
        assert_true(n >= sizes[i] * 0.967 - 0.5 && n <= sizes[i] * 1.033 + 0.5);
        free(d);
    }
}

static const struct json *profile_of(arena *keep, const struct chess_row *rows, size_t count,
                                     const struct chess_row_game *game)
{
    struct dataset_profile *p;
    struct buf text;
    struct json_out w;
    const struct json *root;
    assert_int_equal(dataset_profile_new(&p).code, ERR_NONE);
    dataset_profile_game(p, game);
    for (size_t i = 0; i < count; i++)
        dataset_profile_row(p, &rows[i], game);
    buf_init(&text, 65536);
    json_out_init(&w, &text);
    dataset_profile_write(p, &w);
    assert_int_equal(buf_check(&text).code, ERR_NONE);
    assert_int_equal(json_parse(keep, buf_str(&text), &root).code, ERR_NONE);
    buf_deinit(&text);
    dataset_profile_free(p);
    return root;
}

static const struct json *column_of(const struct json *profile, const char *name)
{
    const struct json *columns = json_get(json_get(profile, "schema"), "columns");
    for (size_t i = 0; i < json_count(columns); i++)
        if (str_eq(json_str(json_get(json_at(columns, i), "name"), STR_NONE), str_of(name)))
            return json_at(columns, i);
    fail_msg("no column %s", name);
    return NULL;
}

static void columns_nulls_and_duplicates(void **state)
{
    arena keep;
    arena_init(&keep, 1024 * 1024);
    struct chess_row_game game = { .result = CHESS_WHITE_WIN,
                                   .speed = CHESS_BLITZ,
                                   .white_rating = 1500,
                                   .initial_s = -1,
                                   .eco = 120,
                                   .date = 20240101 };
    struct chess_row rows[4];
    memset(rows, 0, sizeof rows);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        chess_position_start(&rows[i].sample.position);
        rows[i].sample.move = 796;
        rows[i].sample.ply = (uint16_t)(i * 10);
        rows[i].sample.conditions = (struct chess_conditions){ 1500, 0, CHESS_BLITZ };
        rows[i].clock_cs = i ? 100 : PGN_CLOCK_NONE;
        rows[i].eval_cp = PGN_EVAL_NONE;
    }
    const struct json *p = profile_of(&keep, rows, COUNT_OF(rows), &game);
    assert_float_equal(json_num(json_get(column_of(p, "clock_ms"), "nullPct"), -1), 25, 1e-9);
    assert_float_equal(json_num(json_get(column_of(p, "black_rating"), "nullPct"), -1), 100, 1e-9);
    assert_float_equal(json_num(json_get(column_of(p, "white_rating"), "nullPct"), -1), 0, 1e-9);
    assert_int_equal(json_int(json_get(column_of(p, "ply"), "max"), -1), 30);
    assert_int_equal(json_int(json_get(column_of(p, "clock_ms"), "max"), -1), 1000);
    assert_float_equal(json_num(json_get(column_of(p, "ply"), "uniquePct"), -1), 100, 1e-9);
    assert_float_equal(json_num(json_get(column_of(p, "uci"), "uniquePct"), -1), 25, 1e-9);
    /* One position with one move, four times: three of four rows repeat. */
    assert_float_equal(json_num(json_get(json_get(p, "quality"), "duplicatePct"), -1), 75, 0.1);
    assert_int_equal(json_int(json_get(json_get(p, "stats"), "classes"), -1), 1);
    const struct json *bands = json_get(json_get(p, "stats"), "elo_buckets");
    assert_int_equal(json_int(json_get(bands, "1200-1599"), -1), 4);
    arena_deinit(&keep);
}

/* A thousand ordinary ratings and ten absurd ones. */
static void outliers_are_counted(void **state)
{
    arena keep;
    arena_init(&keep, 4 * 1024 * 1024);
    enum { ORDINARY = 990, ABSURD = 10 };
    struct chess_row *rows = calloc(ORDINARY + ABSURD, sizeof *rows);
    struct chess_row_game game = { .initial_s = -1, .eco = CHESS_ECO_NONE };
    for (size_t i = 0; i < ORDINARY + ABSURD; i++) {
        chess_position_start(&rows[i].sample.position);
        rows[i].sample.conditions.rating_self = (uint16_t)(i < ORDINARY ? 1500 + i % 200 : 3900);
    }
    const struct json *p = profile_of(&keep, rows, ORDINARY + ABSURD, &game);
    assert_float_equal(json_num(json_get(json_get(p, "quality"), "outlierPct"), -1), 1, 1e-9);
    free(rows);
    arena_deinit(&keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distinct_counts_are_close),
        cmocka_unit_test(columns_nulls_and_duplicates),
        cmocka_unit_test(outliers_are_counted),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
