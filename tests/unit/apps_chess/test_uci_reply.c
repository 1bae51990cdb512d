/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, scores of engines are misread: a mate as centipawns, a bound as a score, a second
 * line as the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apps/chess/uci_reply.h"

static struct uci_reply parse(const char *line)
{
    struct uci_reply r;
    uci_reply_parse(str_of(line), &r);
    return r;
}

static void scores(void **state)
{
    static const struct {
        const char *line;
        bool has_score, is_mate, is_bound;
        int value;
    } cases[] = {
        { "info depth 1 score cp 35 nodes 20 pv e2e4", true, false, false, 35 },
        { "info score cp -35", true, false, false, -35 },
        { "  info\tdepth 9  score  mate  -3  pv e2e4\r", true, true, false, -3 },
        { "info score mate 0", true, true, false, 0 },
        { "info depth 20 score cp 12 upperbound nodes 5", true, false, true, 12 },
        { "info depth 20 score cp 12 lowerbound", true, false, true, 12 },
        { "info multipv 1 score cp 5", true, false, false, 5 },
        { "info unheard of words score cp 5", true, false, false, 5 },
        { "info score cp 1 score cp 2", true, false, false, 2 },
        /* not the first line, not a score, or not a number */
        { "info multipv 2 score cp 5", false, false, false, 0 },
        { "info score cp 5 multipv 2", false, false, false, 0 },
        { "info string score cp 5", false, false, false, 0 },
        { "info pv score cp 5", false, false, false, 0 },
        { "info score cp", false, false, false, 0 },
        { "info score", false, false, false, 0 },
        { "info score cp five", false, false, false, 0 },
        { "info score cp 5x", false, false, false, 0 },
        { "info score cp 1000001", false, false, false, 0 },
        { "info score cp 99999999999999999999", false, false, false, 0 },
        { "info score wdl 1 2 3", false, false, false, 0 },
        { "info depth 5", false, false, false, 0 },
        { "infos score cp 5", false, false, false, 0 },
        { "info", false, false, false, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct uci_reply r = parse(cases[i].line);
        if ((r.kind == UCI_REPLY_SCORE) != cases[i].has_score)
            fail_msg("%s", cases[i].line);
        if (!cases[i].has_score)
            continue;
        assert_int_equal(r.score.is_mate, cases[i].is_mate);
        assert_int_equal(r.score.is_bound, cases[i].is_bound);
        assert_int_equal(r.score.value, cases[i].value);
    }
}

static void other_lines(void **state)
{
    struct uci_reply r = parse("id name Stockfish 15.1 ");
    assert_int_equal(r.kind, UCI_REPLY_NAME);
    assert_true(str_eq(r.text, STR("Stockfish 15.1")));
    r = parse("bestmove e7e8q ponder e2e4");
    assert_int_equal(r.kind, UCI_REPLY_BESTMOVE);
    assert_true(str_eq(r.text, STR("e7e8q")));
    r = parse("bestmove");
    assert_int_equal(r.kind, UCI_REPLY_BESTMOVE);
    assert_int_equal(r.text.len, 0);
    assert_int_equal(parse("uciok").kind, UCI_REPLY_UCIOK);
    assert_int_equal(parse("readyok\r").kind, UCI_REPLY_READYOK);
    static const char *const nothing[] = {
        "",        " ",      "\t\r",        "id author nobody",      "id",
        "uciokay", "option", "option name", "Stockfish 15.1 by ...", "copyprotection ok",
        "\xff\xfe"
    };
    for (size_t i = 0; i < COUNT_OF(nothing); i++)
        assert_int_equal(parse(nothing[i]).kind, UCI_REPLY_OTHER);
}

static void options(void **state)
{
    struct uci_reply r = parse("option name Hash type spin default 16 min 1 max 33554432");
    assert_int_equal(r.kind, UCI_REPLY_OPTION);
    assert_true(str_eq(r.text, STR("Hash")));
    assert_true(r.is_spin);
    assert_int_equal(r.min, 1);
    assert_int_equal(r.max, 33554432);
    r = parse("option name Clear Hash type button");
    assert_true(str_eq(r.text, STR("Clear Hash")));
    assert_false(r.is_spin);
    r = parse("option name UCI_Chess960 type check default false");
    assert_true(str_eq(r.text, STR("UCI_Chess960")));
    assert_false(parse("option name Hash type spin default 1").is_spin);
    assert_false(parse("option name Hash type spin min 5 max 4").is_spin);
    assert_false(parse("option name Hash type spin min x max 4").is_spin);
}

static void centipawns(void **state)
{
    static const struct {
        struct uci_score score;
        int cp;
    } cases[] = {
        { { .value = 35 }, 35 },
        { { .value = 1000 }, 1000 },
        { { .value = 1001 }, 1000 },
        { { .value = -20000 }, -1000 },
        { { .is_mate = true, .value = 12 }, 1000 },
        { { .is_mate = true, .value = -1 }, -1000 },
        { { .is_mate = true, .value = 0 }, -1000 }, /* it is over for who is to move */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(uci_score_cp(&cases[i].score, 1000), cases[i].cp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores),
        cmocka_unit_test(other_lines),
        cmocka_unit_test(options),
        cmocka_unit_test(centipawns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
