/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Encodings, clocks and evals: what a site wrote beside the moves must arrive as it was meant. */
#include "pgn_help.h"

#include "base/buf.h"
#include "engine/chess/pgn_internal.h"

/* ------------------------------------------------------------------ encodings */

/* UTF-8 of the basic plane to UTF-16, for the test's own use. */
static void add_utf16(struct buf *out, const char *text, bool big_endian)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p) {
        unsigned c = *p, more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
        unsigned units[2], count = 1;

        c = more == 3 ? c & 7 : more == 2 ? c & 15 : more == 1 ? c & 31 : c;
        for (p++; more > 0; more--)
            c = c << 6 | (*p++ & 63);
        units[0] = c;
        if (c >= 0x10000) {
            units[0] = 0xd800 + ((c - 0x10000) >> 10);
            units[1] = 0xdc00 + ((c - 0x10000) & 1023);
            count = 2;
        }
        for (unsigned i = 0; i < count; i++) {
            buf_add_u8(out, (uint8_t)(big_endian ? units[i] >> 8 : units[i]));
            buf_add_u8(out, (uint8_t)(big_endian ? units[i] : units[i] >> 8));
        }
    }
}

static void utf16(void **state)
{
    static const char text[] =
        "[White \"\u0141ukasz \u00fc \U0001F600\"]\n[Black \"B\"]\n\n1. e4 e5 2. \u2658f3 1-0\n";

    for (int variant = 0; variant < 4; variant++) {
        bool big_endian = variant & 1, has_mark = variant & 2;
        struct buf bytes;

        buf_init(&bytes, 1024);
        if (has_mark)
            add_utf16(&bytes, "\ufeff", big_endian);
        add_utf16(&bytes, text, big_endian);
        struct one_game one = open_game(buf_str(&bytes));
        assert_str(pgn_game_tag(one.game, "White"), "\u0141ukasz \u00fc \U0001F600");
        assert_int_equal(one.game->ply_count, 3);
        assert_int_equal(one.game->result, CHESS_WHITE_WIN);
        close_game(&one);

        struct seen whole, seen;
        read_text(buf_str(&bytes), 0, &whole);
        for (size_t step = 1; step < 6; step++) {
            read_text(buf_str(&bytes), step, &seen);
            assert_int_equal(seen.digest, whole.digest);
        }
        buf_deinit(&bytes);
    }
}

/* Larger than the window, so that conversion and refilling meet. */
static void utf16_long(void **state)
{
    struct buf bytes;
    struct seen seen;

    buf_init(&bytes, 8 << 20);
    add_utf16(&bytes, "\ufeff", false);
    for (int i = 0; i < 20000; i++)
        add_utf16(&bytes, "[White \"\u0416\u20ac\"]\n[Black \"B\"]\n\n1. e4 e5 {\u20ac} 1-0\n\n",
                  false);
    read_text(buf_str(&bytes), 0, &seen);
    assert_int_equal(seen.stats.games, 20000);
    assert_int_equal(seen.stats.plies, 40000);
    buf_deinit(&bytes);
}

static void broken_utf16(void **state)
{
    static const struct {
        str bytes;
        const char *text;
    } cases[] = {
        { STR_INIT("a\0\0\xd8"
                   "b\0"),
          "a\ufffdb" }, /* half a pair */
        { STR_INIT("\0\xdc"), "\ufffd" },
        { STR_INIT("\x3d\xd8\0\xde"), "\U0001F600" },
        { STR_INIT("a\0b"), "a" }, /* an odd byte at the end */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t step = 1; step <= cases[i].bytes.len; step++) {
            struct pgn_utf16 t = { 0 };
            char out[32];
            size_t len = 0;

            for (size_t at = 0; at < cases[i].bytes.len; at += step)
                len += pgn_utf16_to_utf8(&t, str_sub(cases[i].bytes, at, step), out + len);
            assert_str(str_from(out, len), cases[i].text);
        }
    }
}

static void line_ends(void **state)
{
    static const struct {
        const char *text;
        unsigned lines;
    } cases[] = {
        { "", 0 },
        { "a", 0 },
        { "\n", 1 },
        { "\r", 1 },
        { "\r\n", 1 },
        { "\n\r", 2 },
        { "\r\r\n", 2 },
        { "\n\n\n", 3 },
        { "a\r\nb\rc\nd", 3 },
        { "0123456789abcdef\n0123456789abcdef\r\n0123456789abcdef\r", 3 },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str text = str_of(cases[i].text);

        /* Cut anywhere, the sum is the same. */
        for (size_t cut = 0; cut <= text.len; cut++) {
            bool was_cr = false;
            uint64_t lines = pgn_text_lines(str_sub(text, 0, cut), &was_cr);

            lines += pgn_text_lines(str_sub(text, cut, text.len), &was_cr);
            assert_int_equal(lines, cases[i].lines);
        }
    }
}

/* Counting in vectors of bytes must not lose its carry. */
static void many_line_ends(void **state)
{
    enum { COUNT = 100000 };
    char *text = malloc(COUNT);
    bool was_cr = false;

    assert_non_null(text);
    memset(text, '\n', COUNT);
    assert_int_equal(pgn_text_lines(str_from(text, COUNT), &was_cr), COUNT);
    free(text);
}

/* ------------------------------------------------------------------ clocks and evals */

enum { NO_CLOCK = -1, NO_EVAL = PGN_EVAL_NONE };

static void comments(void **state)
{
    static const struct {
        const char *text;
        int clock_cs, eval_cp;
    } cases[] = {
        { "[%clk 0:01:57]", 11700, NO_EVAL },
        { " [%clk 0:01:57] ", 11700, NO_EVAL },
        { " [%eval 0.17] [%clk 0:00:30] ", 3000, 17 },
        { "[%clk 0:00:30] [%eval 0.17]", 3000, 17 },
        { "[%clk 0:14:53.4]", 89340, NO_EVAL },
        { "[%clk 1:02:03.45]", 372345, NO_EVAL },
        { "[%clk 1:02:03.456]", 372345, NO_EVAL },
        { "[%clk 12:00:00]", 4320000, NO_EVAL },
        { "[%clk 123:00:00]", 44280000, NO_EVAL },
        { "[%clk 05:30]", 33000, NO_EVAL },
        { "[%clk 63.25]", 6325, NO_EVAL },
        { "[%clkc 0:00:07.35]", 735, NO_EVAL },
        { "[%clk 0:00:00]", 0, NO_EVAL },
        { "[%clk -0:00:01]", NO_CLOCK, NO_EVAL },
        { "[%clk 0:0x:01]", NO_CLOCK, NO_EVAL },
        { "[%clk ]", NO_CLOCK, NO_EVAL },
        { "[%clk", NO_CLOCK, NO_EVAL },
        { "[%clk 99999999999:00:00]", NO_CLOCK, NO_EVAL },
        { "[%clk 1:2:3:4]", NO_CLOCK, NO_EVAL },
        { "[%emt 0:00:05]", NO_CLOCK, NO_EVAL },
        { "[%emt 0:00:05] [%clk 0:01:00]", 6000, NO_EVAL },
        { "[%csl Ra1,Gb2][%cal Ge2e4] good move [%clk 0:01:00]", 6000, NO_EVAL },
        { "[%eval -1.5]", NO_CLOCK, -150 },
        { "[%eval 0.0]", NO_CLOCK, 0 },
        { "[%eval 12.34]", NO_CLOCK, 1234 },
        { "[%eval +0.3]", NO_CLOCK, 30 },
        { "[%eval .5]", NO_CLOCK, 50 },
        { "[%eval -.5]", NO_CLOCK, -50 },
        { "[%eval 3]", NO_CLOCK, 300 },
        { "[%eval 0.17,23]", NO_CLOCK, 17 },
        { "[%eval 0.175]", NO_CLOCK, 17 },
        { "[%eval 999.99]", NO_CLOCK, 30000 },
        { "[%eval -99999999999]", NO_CLOCK, -30000 },
        { "[%eval #4]", NO_CLOCK, 31996 },
        { "[%eval #-12]", NO_CLOCK, -31988 },
        { "[%eval #0]", NO_CLOCK, 32000 }, /* white has moved, so white has mated */
        { "[%eval #-0]", NO_CLOCK, -32000 },
        { "[%eval #5000]", NO_CLOCK, 31001 },
        { "[%eval ]", NO_CLOCK, NO_EVAL },
        { "[%eval --1]", NO_CLOCK, NO_EVAL },
        { "[%eval x]", NO_CLOCK, NO_EVAL },
        { "[%evaluation 1.0]", NO_CLOCK, NO_EVAL },
        { "eval 0.3 clk 0:01:00", NO_CLOCK, NO_EVAL },
        { "[%clk 0:01:00] text [%clk 0:02:00]", 12000, NO_EVAL },
        { "", NO_CLOCK, NO_EVAL },
        { "[", NO_CLOCK, NO_EVAL },
        { "[%", NO_CLOCK, NO_EVAL },
        { "[[%clk 0:01:00]]", 6000, NO_EVAL },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];

        snprintf(text, sizeof text, "1. e4 {%s} e5 *", cases[i].text);
        struct one_game one = open_game(str_of(text));
        int clock_cs = one.game->clock_cs ? (int)one.game->clock_cs[0] : NO_CLOCK;
        int eval_cp = one.game->eval_cp ? one.game->eval_cp[0] : NO_EVAL;
        if (clock_cs != cases[i].clock_cs || eval_cp != cases[i].eval_cp ||
            one.game->ply_count != 2)
            fail_msg("'%s': clock %d, eval %d", cases[i].text, clock_cs, eval_cp);
        /* Nothing was said about the second move. */
        assert_true(!one.game->clock_cs || one.game->clock_cs[1] == PGN_CLOCK_NONE);
        assert_true(!one.game->eval_cp || one.game->eval_cp[1] == PGN_EVAL_NONE);
        close_game(&one);
    }
}

/* The quick path for common comments and the thorough one agree wherever both know an answer. */
static void two_ways(void **state)
{
    static const char *const texts[] = {
        " [%eval 0.17] [%clk 0:00:30] }",
        "[%clk 0:24:55.5]}",
        "[%clk 1:59:59]}",
        " [%eval #-3] }",
        " [%eval -12.5] }",
        "[%eval 0.0][%clk 9:00:01]}",
        " [%eval #12] }",
        " }",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char padded[128] = { 0 };
        struct pgn_note quick = { PGN_CLOCK_NONE, PGN_EVAL_NONE }, slow = quick;
        size_t len = strlen(texts[i]);

        memcpy(padded, texts[i], len);
        const char *after = pgn_comment_parse_common(padded, &quick);
        assert_ptr_equal(after, padded + len);
        pgn_comment_parse(padded, padded + len - 1, true, &slow);
        assert_int_equal(quick.clock_cs, slow.clock_cs);
        assert_int_equal(quick.eval_cp, slow.eval_cp);
        /* Cut short, it must ask for the thorough way instead of reading on. */
        for (size_t cut = 0; cut < len; cut++) {
            char shorter[128] = { 0 };

            memcpy(shorter, texts[i], cut);
            assert_null(pgn_comment_parse_common(shorter, &quick));
        }
    }
}

static void moves_only(void **state)
{
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *g;
    struct pgn_options options = { .moves_only = true };

    assert_int_equal(
        pgn_source_open_bytes(STR("1. e4! {[%clk 0:01:00]} e5 {x [%eval 1.0]} ; [%clk 0:02:00]\n*"),
                              "t", &source)
            .code,
        ERR_NONE);
    assert_int_equal(pgn_reader_open(source, &options, &reader).code, ERR_NONE);
    assert_int_equal(pgn_next(reader, &g).code, ERR_NONE);
    assert_int_equal(g->ply_count, 2);
    assert_true(!g->clock_cs && !g->eval_cp && !g->nags);
    assert_int_equal(g->comment_count, 3);
    pgn_reader_close(reader);
    pgn_source_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf16),          cmocka_unit_test(utf16_long),
        cmocka_unit_test(broken_utf16),   cmocka_unit_test(line_ends),
        cmocka_unit_test(many_line_ends), cmocka_unit_test(comments),
        cmocka_unit_test(two_ways),       cmocka_unit_test(moves_only),
    };

    return cmocka_run_group_tests_name("pgn_text", tests, NULL, NULL);
}
