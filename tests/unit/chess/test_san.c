/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SAN: a game read from text must be the game that was played, however its moves were spelled. */
#include "board_help.h"

static const char start[] = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1";
static const char castle[] = "r3k2r/pppppppp/8/8/8/8/PPPPPPPP/R3K2R w KQkq - 0 1";
static const char promote[] = "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1";
static const char passant[] = "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1";
static const char rooks[] = "4k3/8/8/8/R7/8/8/R3K2R w - - 0 1";
static const char queens[] = "8/7k/8/8/Q2Q4/8/8/Q3K3 w - - 0 1";
static const char pinned[] = "4r1k1/8/8/8/8/4N3/8/N3K3 w - - 0 1"; /* Nc2: only the a1 knight may */
static const char captures[] = "4k3/8/8/3p1p2/4P3/8/8/4K3 w - - 0 1";

/* What is seen in the wild. Both readers must agree, as one is the fast path of the other's users.
 */
static void spellings(void **state)
{
    static const struct {
        const char *fen, *text, *uci; /* uci NULL: refused */
    } rows[] = {
        { start, "e4", "e2e4" },
        { start, "Nf3", "g1f3" },
        { start, "Nf3!", "g1f3" },
        { start, "Nf3!?", "g1f3" },
        { start, "Nf3+", "g1f3" },
        { start, "Nf3#", "g1f3" },
        { start, "Nf3++", "g1f3" },
        { start, "Ng1f3", "g1f3" },
        { start, "Ng1-f3", "g1f3" },
        { start, "Ngf3", "g1f3" },
        { start, "N1f3", "g1f3" },
        { start, "Nxf3", "g1f3" },
        { start,
          "\xe2\x99\x98"
          "f3",
          "g1f3" },
        { start,
          "\xe2\x99\x9e"
          "f3",
          "g1f3" },
        { start, "e2e4", "e2e4" },
        { start, "e2-e4", "e2e4" },
        { start, "Pe4", "e2e4" },
        { start, "Pe2-e4", "e2e4" },
        { start, "g1f3", "g1f3" },
        { start, " e4 ", "e2e4" },
        { start, "Pg1f3", NULL },
        { start, "e5", NULL },
        { start, "Nd2", NULL },
        { start, "Ke2", NULL },
        { start, "Qh5", NULL },
        { start, "O-O", NULL },
        { start, "xe4", "e2e4" },
        { start, "ee4", "e2e4" },
        { start, "de4", NULL },
        { start, "e4e4", NULL },
        { start, "e", NULL },
        { start, "4", NULL },
        { start, "", NULL },
        { start, "+", NULL },
        { start, "--", NULL },
        { start, "Z0", NULL },
        { start, "e9", NULL },
        { start, "i4", NULL },
        { start, "Nf3Q", NULL },
        { start, "e4=Q", NULL },
        { start, "Nf3=Q", NULL },
        { start, "NNf3", NULL },
        { start, "Nf3 Nf6", NULL },
        { start, "1-0", NULL },
        { start, "*", NULL },
        { start, "\xe2\x99", NULL },
        { start,
          "\xe2\x99\xa0"
          "f3",
          NULL },
        { castle, "O-O", "e1g1" },
        { castle, "O-O-O", "e1c1" },
        { castle, "0-0", "e1g1" },
        { castle, "0-0-0", "e1c1" },
        { castle, "o-o", "e1g1" },
        { castle, "OO", "e1g1" },
        { castle, "OOO", "e1c1" },
        { castle, "O-O+", "e1g1" },
        { castle, "O-O-O!!", "e1c1" },
        { castle, "e1g1", "e1g1" },
        { castle, "e1h1", "e1g1" },
        { castle, "O-O-O-O", NULL },
        { castle, "O", NULL },
        { castle, "O-", NULL },
        { castle, "O--O", NULL },
        { promote, "a8=Q", "a7a8q" },
        { promote, "a8Q", "a7a8q" },
        { promote, "a8q", "a7a8q" },
        { promote, "a8=q+", "a7a8q" },
        { promote, "a8(N)", "a7a8n" },
        { promote, "a8/R", "a7a8r" },
        { promote, "a8b", "a7a8b" },
        { promote, "axb8=N", "a7b8n" },
        { promote, "ab8N", "a7b8n" },
        { promote, "a7xb8=R", "a7b8r" },
        { promote, "a7b8q", "a7b8q" },
        { promote, "b8=Q", NULL },
        { promote, "a8", NULL },
        { promote, "a8=", NULL },
        { promote, "a8=K", NULL },
        { promote, "a8=P", NULL },
        { promote, "a8=X", NULL },
        { promote, "a8Q)", NULL },
        { promote, "a8(Q", NULL },
        { passant, "exd6", "e5d6" },
        { passant, "ed6", "e5d6" },
        { passant, "exd6e.p.", "e5d6" },
        { passant, "exd6 e.p.", "e5d6" },
        { passant, "exd6ep", "e5d6" },
        { passant, "e5xd6", "e5d6" },
        { passant, "d6", NULL },
        { passant, "exf6", NULL },
        { rooks, "Rad1", "a1d1" }, /* the other one is on the a file too, but does not see d1 */
        { rooks, "R1a3", "a1a3" },
        { rooks, "R4a3", "a4a3" },
        { rooks, "Ra3", NULL },
        { rooks, "Raa3", NULL },
        { rooks, "Ra4-a3", "a4a3" },
        { rooks, "Rg1", "h1g1" },
        { queens, "Qd1", NULL },
        { queens, "Qaxd1", NULL },
        { queens, "Qa1d1", "a1d1" },
        { queens, "Qa4d1", "a4d1" },
        { queens, "Qdd1", "d4d1" },
        { queens, "Q1d1", "a1d1" },
        { pinned, "Nc2", "a1c2" },
        { pinned, "Nec2", NULL },
        { pinned, "Nac2", "a1c2" },
        { captures, "exd5", "e4d5" },
        { captures, "exf5", "e4f5" },
        { captures, "ed5", "e4d5" },
        { captures, "e:d5", "e4d5" },
        { captures, "e4:f5", "e4f5" },
        { captures, "d5", NULL },
        { captures, "xd5", NULL },
        { captures, "dxe5", NULL },
        { captures, "exe5", "e4e5" },
        { captures, "4xd5", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p = position_of(rows[i].fen);
        chess_move found = chess_san_find(&p, rows[i].text, strlen(rows[i].text)), parsed = 12345;
        err e = chess_san_parse(&p, str_of(rows[i].text), &parsed);
        char uci[CHESS_UCI_BYTES];

        if (!rows[i].uci) {
            if (found || !e.code)
                fail_msg("'%s' was read in %s", rows[i].text, rows[i].fen);
            assert_int_equal(parsed, 12345);
            continue;
        }
        if (e.code)
            fail_msg("%s", e.msg);
        chess_uci_write(&p, parsed, uci);
        if (strcmp(uci, rows[i].uci) != 0)
            fail_msg("'%s' was read as %s, not %s", rows[i].text, uci, rows[i].uci);
        assert_int_equal(found, parsed);
    }
}

/* The reader of a broken game must learn which kind of wrong it is. */
static void errors_tell(void **state)
{
    struct chess_position p = position_of(rooks);
    chess_move m;
    err e = chess_san_parse(&p, STR("hello"), &m);

    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.msg, "hello"));
    e = chess_san_parse(&p, STR("Ra3"), &m);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.msg, "several"));
    e = chess_san_parse(&p, STR("Nf3"), &m);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.msg, "not legal"));
    assert_non_null(strstr(e.msg, rooks));
    e = chess_san_parse(&p, STR("averyveryverylongmovethatneverends"), &m);
    assert_int_equal(e.code, ERR_INVALID);
}

/* What we write is what every other program must read: least disambiguation, check and mate. */
static void written(void **state)
{
    static const struct {
        const char *fen, *uci, *san;
    } rows[] = {
        { start, "g1f3", "Nf3" },
        { castle, "e1g1", "O-O" },
        { castle, "e1c1", "O-O-O" },
        { promote, "a7a8q", "a8=Q" },
        { promote, "a7b8q", "axb8=Q+" },
        { passant, "e5d6", "exd6" },
        { rooks, "a1a3", "R1a3" },
        { rooks, "h1g1", "Rg1" },
        { queens, "a1d1", "Q1d1" },
        { queens, "a4d1", "Qa4d1" },
        { queens, "d4d1", "Qdd1" },
        { pinned, "a1c2", "Nc2" },
        { "6k1/5ppp/8/8/8/8/8/R3K3 w Q - 0 1", "a1a8", "Ra8#" },
        { "7k/8/6K1/8/8/8/8/5Q2 w - - 0 1", "f1f7", "Qf7" }, /* stalemate has no sign */
        { "3k4/8/8/8/8/8/8/R3K3 w Q - 0 1", "e1c1", "O-O-O+" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p = position_of(rows[i].fen);
        char san[CHESS_SAN_BYTES];
        chess_move m;
        err e = chess_uci_parse(&p, str_of(rows[i].uci), &m);

        if (e.code)
            fail_msg("%s", e.msg);
        chess_san_write(&p, m, san);
        assert_string_equal(san, rows[i].san);
    }
}

static void look_round_trip(const struct chess_position *p, struct rng *rng)
{
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(p, moves);

    for (int i = 0; i < count; i++) {
        char san[CHESS_SAN_BYTES];
        chess_move m = CHESS_MOVE_NONE;

        chess_san_write(p, moves[i], san);
        assert_int_equal(chess_san_find(p, san, strlen(san)), moves[i]);
        assert_int_equal(chess_san_parse(p, str_of(san), &m).code, ERR_NONE);
        assert_int_equal(m, moves[i]);
        /* Long algebraic is never ambiguous. */
        if (!chess_move_is_castling(moves[i])) {
            char uci[CHESS_UCI_BYTES];

            chess_uci_write(p, moves[i], uci);
            assert_int_equal(chess_san_find(p, uci, strlen(uci)), moves[i]);
        }
    }
}

static void every_move_reads_back(void **state)
{
    random_games(41, 120, 250, look_round_trip);
}

/* Any text of up to six letters of SAN: the quick reader never accepts what the patient one
 * refuses, and a move that is accepted is legal. */
static void look_random_text(const struct chess_position *p, struct rng *rng)
{
    static const char letters[] = "abcdefgh12345678NBRQKPOx=+#-0e4d5f3";

    for (int i = 0; i < 60; i++) {
        char text[8];
        size_t len = 1 + rng_below(rng, 6);
        chess_move found, parsed = CHESS_MOVE_NONE;
        err e;

        for (size_t k = 0; k < len; k++)
            text[k] = letters[rng_below(rng, sizeof(letters) - 1)];
        found = chess_san_find(p, text, len);
        e = chess_san_parse(p, str_from(text, len), &parsed);
        assert_int_equal(found, e.code ? CHESS_MOVE_NONE : parsed);
        assert_true(found == CHESS_MOVE_NONE || chess_move_is_legal(p, found));
    }
}

static void both_readers_agree_on_rubbish(void **state)
{
    random_games(51, 60, 250, look_random_text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings),
        cmocka_unit_test(errors_tell),
        cmocka_unit_test(written),
        cmocka_unit_test(every_move_reads_back),
        cmocka_unit_test(both_readers_agree_on_rubbish),
    };

    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
