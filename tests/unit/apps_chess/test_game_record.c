/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, games are counted twice or not at all, filters by rating, date and speed lie, and
 * old games sort as if they were new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/chess/dataset_file.h"
#include "apps/chess/game_record.h"
#include "base/clock.h"

/* Reads the one game of a text and takes its record while the game is valid. */
static void record_of(const char *pgn, void (*look)(const struct game_record *r, void *arg),
                      void *arg)
{
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *g;
    struct game_record r;
    assert_int_equal(pgn_source_open_bytes(str_of(pgn), "test", &source).code, ERR_NONE);
    assert_int_equal(pgn_reader_open(source, &(struct pgn_options){ 0 }, &reader).code, ERR_NONE);
    assert_int_equal(pgn_next(reader, &g).code, ERR_NONE);
    assert_non_null(g);
    game_record_of(g, &r);
    look(&r, arg);
    pgn_reader_close(reader);
    pgn_source_close(source);
}

static void keep_key(const struct game_record *r, void *arg)
{
    memcpy(arg, r->key, GAME_KEY_BYTES);
}

static void ratings_in_tags(void **state)
{
    static const struct {
        const char *text;
        int rating;
    } cases[] = { { "1503", 1503 },
                  { "1500?", 1500 },
                  { "?", 0 },
                  { "-", 0 },
                  { "", 0 },
                  { " 2800 ", 2800 },
                  { "0", 0 },
                  { "9999", 0 },
                  { "15a0", 0 },
                  { "-1500", 0 },
                  { "99999999999999999999", 0 } };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(rating_read(str_of(cases[i].text)), cases[i].rating);
}

static void dates_in_tags(void **state)
{
    static const struct {
        const char *text;
        uint32_t date;
    } cases[] = { { "2021.10.01", 20211001 },
                  { "1955.??.??", 19550000 },
                  { "1955.12.??", 19551200 },
                  { "????.??.??", 0 },
                  { "", 0 },
                  { "2021-10-01", 20211001 },
                  { "2021.13.01", 20210000 },
                  { "21.10.01", 0 },
                  { "2021.??.05", 20210000 } };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(date_read(str_of(cases[i].text)), cases[i].date);
}

static void time_controls_in_tags(void **state)
{
    static const struct {
        const char *text;
        enum chess_speed speed;
        int initial, increment;
    } cases[] = {
        { "60+0", CHESS_BULLET, 60, 0 },
        { "15+0", CHESS_ULTRABULLET, 15, 0 },
        { "180+2", CHESS_BLITZ, 180, 2 },
        { "300+8", CHESS_RAPID, 300, 8 },
        { "600", CHESS_RAPID, 600, 0 },
        { "1800+20", CHESS_CLASSICAL, 1800, 20 },
        { "1/86400", CHESS_CORRESPONDENCE, 86400, 0 },
        { "40/7200:3600", CHESS_CLASSICAL, 7200, 0 },
        { "15 min. + 10 s. per move", CHESS_RAPID, 900, 10 },
        { "15 minutes + 10 seconds increment per move, starting from move 1", CHESS_RAPID, 900,
          10 },
        { "-", CHESS_SPEED_UNKNOWN, -1, 0 },
        { "?", CHESS_SPEED_UNKNOWN, -1, 0 },
        { "", CHESS_SPEED_UNKNOWN, -1, 0 },
        { "180+x", CHESS_SPEED_UNKNOWN, -1, 0 },
        { "99999999999999999999+1", CHESS_SPEED_UNKNOWN, -1, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum chess_speed speed;
        int32_t initial;
        uint16_t increment;
        time_control_read(str_of(cases[i].text), &speed, &initial, &increment);
        if (speed != cases[i].speed || initial != cases[i].initial ||
            increment != cases[i].increment)
            fail_msg("'%s': %s %d+%d", cases[i].text, chess_speed_name(speed), (int)initial,
                     increment);
    }
}

#define LICHESS(site, more)                                                                      \
    "[Event \"Rated Bullet game\"]\n[Site \"" site "\"]\n[Date \"2021.10.01\"]\n[White \"a\"]\n" \
    "[Black \"b\"]\n[Result \"1-0\"]\n[UTCDate \"2021.10.01\"]\n[UTCTime \"00:00:14\"]\n"        \
    "[WhiteElo \"1703\"]\n[BlackElo \"?\"]\n[TimeControl \"60+0\"]\n" more                       \
    "\n1. e4 e5 2. Nf3 1-0\n"

static void look_lichess(const struct game_record *r, void *arg)
{
    int64_t at;
    assert_int_equal(r->platform, CHESS_LICHESS);
    assert_string_equal(r->external_id, "NRafdioG");
    assert_int_equal(r->white_rating, 1703);
    assert_int_equal(r->black_rating, 0);
    assert_int_equal(r->rated, 1);
    assert_int_equal(r->speed, CHESS_BULLET);
    assert_int_equal(r->result, CHESS_WHITE_WIN);
    assert_int_equal(r->ply_count, 3);
    assert_int_equal(clock_parse(STR("2021-10-01T00:00:14Z"), &at).code, ERR_NONE);
    assert_true(r->start_ms == at && r->end_ms == at);
    assert_int_equal(r->eco, 240); /* C40, from the moves: there is no ECO tag */
    assert_int_equal(r->key[6] & 0xF0, 0x80);
    assert_int_equal(r->key[8] & 0xC0, 0x80);
}

static void a_lichess_game(void **state)
{
    record_of(LICHESS("https://lichess.org/NRafdioG", ""), look_lichess, NULL);
}

/* The address decides, however it is written; two addresses are two games, even with the same
 * moves. */
static void lichess_games_are_known_by_their_address(void **state)
{
    uint8_t key[GAME_KEY_BYTES], same[GAME_KEY_BYTES], other[GAME_KEY_BYTES],
        parsed[GAME_KEY_BYTES];
    record_of(LICHESS("https://lichess.org/NRafdioG", ""), keep_key, key);
    record_of(LICHESS("https://lichess.org/NRafdioG/black", "[Annotator \"x\"]\n"), keep_key, same);
    assert_memory_equal(key, same, GAME_KEY_BYTES);
    record_of(LICHESS("https://lichess.org/NRafdioGabcd", ""), keep_key,
              same); /* one player's view */
    assert_memory_equal(key, same, GAME_KEY_BYTES);
    record_of(LICHESS("https://lichess.org/NRafdioH", ""), keep_key, other);
    assert_memory_not_equal(key, other, GAME_KEY_BYTES);

    char id[UUID_BYTES];
    game_id_write(key, id);
    assert_int_equal(strlen(id), 36);
    assert_int_equal(game_id_parse(str_of(id), parsed).code, ERR_NONE);
    assert_memory_equal(key, parsed, GAME_KEY_BYTES);
    assert_int_equal(game_id_parse(STR("lichess:NRafdioG"), parsed).code, ERR_NONE);
    assert_memory_equal(key, parsed, GAME_KEY_BYTES);
    assert_int_equal(game_id_parse(STR("../etc/passwd"), parsed).code, ERR_NOT_FOUND);
    assert_int_equal(game_id_parse(STR(""), parsed).code, ERR_NOT_FOUND);
}

static void look_chesscom(const struct game_record *r, void *arg)
{
    int64_t at;
    assert_int_equal(r->platform, CHESS_CHESSCOM);
    assert_string_equal(r->external_id, "daily/28453746");
    assert_int_equal(r->speed, CHESS_CORRESPONDENCE);
    assert_int_equal(r->rated, -1);
    assert_int_equal(clock_parse(STR("2009-09-30T01:29:54Z"), &at).code, ERR_NONE);
    assert_true(r->end_ms == at);
    assert_true(r->start_ms < r->end_ms);
}

static void a_chesscom_game(void **state)
{
    record_of(
        "[Event \"Let's Play!\"]\n[Site \"Chess.com\"]\n[Date \"2009.09.22\"]\n[White \"a\"]\n"
        "[Black \"b\"]\n[Result \"1-0\"]\n[UTCDate \"2009.09.22\"]\n[UTCTime \"23:52:43\"]\n"
        "[TimeControl \"1/259200\"]\n[EndDate \"2009.09.30\"]\n[EndTime \"01:29:54\"]\n"
        "[Link \"https://www.chess.com/daily/game/28453746\"]\n\n1. e4 1-0\n",
        look_chesscom, NULL);
}

static void look_old(const struct game_record *r, void *arg)
{
    assert_int_equal(r->platform, CHESS_PLATFORM_PGN);
    assert_string_equal(r->external_id, "");
    assert_int_equal(r->date, 19550000);
    assert_true(r->end_ms < 0 && r->end_ms != GAME_TIME_NONE);
    assert_int_equal(r->speed, CHESS_SPEED_UNKNOWN);
    assert_true(str_eq(r->black, STR("?")));
}

static void an_old_game_with_half_a_date(void **state)
{
    record_of(
        "[Event \"URS-ch sf\"]\n[Site \"Leningrad\"]\n[Date \"1955.??.??\"]\n[White \"Spassky\"]\n"
        "[Black \"\"]\n[Result \"1-0\"]\n[WhiteElo \"\"]\n\n1. d4 Nf6 1-0\n",
        look_old, NULL);
}

/* Without an address the game itself decides: other annotations are the same game, other moves are
 * not. */
static void other_games_are_known_by_what_was_played(void **state)
{
    static const char head[] =
        "[Event \"x\"]\n[Date \"1990.01.01\"]\n[White \"A, B\"]\n[Black \"C\"]\n"
        "[Result \"1-0\"]\n";
    char text[512];
    uint8_t key[GAME_KEY_BYTES], other[GAME_KEY_BYTES];
    snprintf(text, sizeof text, "%s\n1. d4 Nf6 2. c4 1-0\n", head);
    record_of(text, keep_key, key);
    snprintf(text, sizeof text, "%s[Annotator \"Z\"]\n\n1. d4 {good} Nf6 (1... d5) 2. c4! 1-0\n",
             head);
    record_of(text, keep_key, other);
    assert_memory_equal(key, other, GAME_KEY_BYTES);
    snprintf(text, sizeof text, "%s\n1. d4 Nf6 2. c3 1-0\n", head);
    record_of(text, keep_key, other);
    assert_memory_not_equal(key, other, GAME_KEY_BYTES);
}

/* An export writes "?" where a tag was missing: that must not make it another game. */
static void a_tag_that_says_nothing_is_none(void **state)
{
    uint8_t key[GAME_KEY_BYTES], same[GAME_KEY_BYTES];
    record_of("[Result \"*\"]\n\n1. d4 Nf6 *\n", keep_key, key);
    record_of("[Event \"?\"]\n[Site \"?\"]\n[Date \"????.??.??\"]\n[Round \"?\"]\n[White \"?\"]\n"
              "[Black \"?\"]\n[Result \"*\"]\n\n1. d4 Nf6 *\n",
              keep_key, same);
    assert_memory_equal(key, same, GAME_KEY_BYTES);
}

static void keep_hash(const struct game_record *r, void *arg)
{
    *(uint64_t *)arg = r->moves_hash;
}

/* The same moves under another address are another game, but must fall into the same split. */
static void copies_share_the_hash_of_their_moves(void **state)
{
    uint64_t a, b;
    record_of(LICHESS("https://lichess.org/NRafdioG", ""), keep_hash, &a);
    record_of(LICHESS("https://lichess.org/NRafdioH", ""), keep_hash, &b);
    assert_true(a == b);
}

static void look_minutes(const struct game_record *r, void *arg)
{
    assert_int_equal(r->initial_s, 90 * 60);
    assert_int_equal(r->increment_s, 30);
    assert_int_equal(r->speed, CHESS_CLASSICAL);
    assert_int_equal(r->platform, CHESS_PLATFORM_PGN); /* a study's address is no identity */
    assert_true(r->has_clocks);
}

static void broadcasts_write_minutes(void **state)
{
    record_of(
        "[Event \"Round 1\"]\n[Site \"https://lichess.org/study/gfXgh34J/4icmuXBU\"]\n"
        "[Date \"2025.04.12\"]\n[White \"A\"]\n[Black \"B\"]\n[Result \"1-0\"]\n"
        "[TimeControl \"90+30\"]\n\n1. e4 { [%clk 1:30:56] } 1... c5 { [%clk 1:30:46] } 1-0\n",
        look_minutes, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratings_in_tags),
        cmocka_unit_test(dates_in_tags),
        cmocka_unit_test(time_controls_in_tags),
        cmocka_unit_test(a_lichess_game),
        cmocka_unit_test(lichess_games_are_known_by_their_address),
        cmocka_unit_test(a_chesscom_game),
        cmocka_unit_test(an_old_game_with_half_a_date),
        cmocka_unit_test(other_games_are_known_by_what_was_played),
        cmocka_unit_test(a_tag_that_says_nothing_is_none),
        cmocka_unit_test(copies_share_the_hash_of_their_moves),
        cmocka_unit_test(broadcasts_write_minutes),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
