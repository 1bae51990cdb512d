/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FEN: what is read must be playable, what is refused must say why, what is written must read back.
 */
#include "board_help.h"

static void accepted(void **state)
{
    static const struct {
        const char *text, *written;
    } rows[] = {
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
          "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1" },
        /* Missing fields, as in EPD and in many a database. */
        { "4k3/8/8/8/8/8/8/4K3 w", "4k3/8/8/8/8/8/8/4K3 w - - 0 1" },
        { "4k3/8/8/8/8/8/8/4K3 b - -", "4k3/8/8/8/8/8/8/4K3 b - - 0 1" },
        { "4k3/8/8/8/8/8/8/4K3 b - - 7", "4k3/8/8/8/8/8/8/4K3 b - - 7 1" },
        { "4k3/8/8/8/8/8/8/4K3 w - - 0 0", "4k3/8/8/8/8/8/8/4K3 w - - 0 1" },
        { "  4k3/8/8/8/8/8/8/4K3   w  -  -  3   9 ", "4k3/8/8/8/8/8/8/4K3 w - - 3 9" },
        { "4k3/8/8/8/8/8/8/4K3 w - - 3 9\r\n", "4k3/8/8/8/8/8/8/4K3 w - - 3 9" },
        { "4k3/8/8/8/8/8/8/4K3 w - - 9999 9999", "4k3/8/8/8/8/8/8/4K3 w - - 9999 9999" },
        { "11111k11/8/8/8/8/8/8/4K3 w - - 0 1", "5k2/8/8/8/8/8/8/4K3 w - - 0 1" },
        /* En passant stays only where a pawn could take, because the key must not depend on it. */
        { "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1",
          "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1" },
        { "4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 1", "4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 1" },
        /* ... also where the capture would be illegal: pinned along the fourth rank. */
        { "8/8/8/8/k2pP2R/8/8/4K3 b - e3 0 1", "8/8/8/8/k2pP2R/8/8/4K3 b - e3 0 1" },
        /* Chess960: K and Q are the outermost rooks, file letters name one. */
        { "1r2k1r1/8/8/8/8/8/8/1R2K1R1 w KQkq - 0 1", "1r2k1r1/8/8/8/8/8/8/1R2K1R1 w GBgb - 0 1" },
        { "4k3/8/8/8/8/8/8/1RR1K3 w Q - 0 1", "4k3/8/8/8/8/8/8/1RR1K3 w B - 0 1" },
        { "4k3/8/8/8/8/8/8/1RR1K3 w C - 0 1", "4k3/8/8/8/8/8/8/1RR1K3 w C - 0 1" },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w HAha - 0 1",
          "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w HAha - 0 1" },
        { "r3k2r/8/8/8/8/8/8/R3K2R w qK - 0 1", "r3k2r/8/8/8/8/8/8/R3K2R w Kq - 0 1" },
        /* Nine queens need all eight pawns, and here they are gone. */
        { "4k3/8/8/QQQQQQQQ/8/8/8/3QK3 w - - 0 1", NULL },
        { "7k/8/8/QQQQQQQQ/8/8/8/4K2Q b - - 0 1", "7k/8/8/QQQQQQQQ/8/8/8/4K2Q b - - 0 1" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p;
        err e = chess_fen_parse(str_of(rows[i].text), &p);

        if (!rows[i].written) { /* refused, and left alone */
            assert_int_equal(e.code, ERR_INVALID);
            continue;
        }
        if (e.code)
            fail_msg("%s", e.msg);
        assert_fen(&p, rows[i].written);
        assert_true(chess_position_check(&p));
    }
}

/* A position that slips through breaks what everything else relies on; the message is all a user
 * gets. */
static void refused(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "empty" },
        { "   ", "empty" },
        { "hello", "byte 1 is not a piece" },
        { "4k3/8/8/8/8/8/8 w - - 0 1", "rank 2" },
        { "4k3/8/8/8/8/8/8/4K3/8 w - - 0 1", "too many ranks" },
        { "4k4/8/8/8/8/8/8/4K3 w - - 0 1", "rank 8 is too long" },
        { "4k2/8/8/8/8/8/8/4K3 w - - 0 1", "rank 8 has 7 files" },
        { "4k3/9/8/8/8/8/8/4K3 w - - 0 1", "byte 5" },
        { "4k3/08/8/8/8/8/8/4K3 w - - 0 1", "byte 5" },
        { "4kx2/8/8/8/8/8/8/4K3 w - - 0 1", "byte 3 is not a piece" },
        { "8/8/8/8/8/8/8/4K3 w - - 0 1", "black has 0 kings" },
        { "4k3/8/8/8/8/8/8/3KK3 w - - 0 1", "white has 2 kings" },
        { "4k3/8/8/8/8/8/8/4K2P w - - 0 1", "first or last rank" },
        { "p3k3/8/8/8/8/8/8/4K3 w - - 0 1", "first or last rank" },
        { "4k3/8/8/8/8/P7/PPPPPPPP/4K3 w - - 0 1", "white has 9 pawns" },
        { "4k3/8/8/8/8/3Q4/PPPPPPPP/3QK3 b - - 0 1", "8 pawns and 1 promoted" },
        { "nnnnknnn/nnnn4/8/8/8/8/8/4K3 w - - 0 1", "promoted" },
        { "4k3/8/8/8/8/8/8/4K3", "write w or b" },
        { "4k3/8/8/8/8/8/8/4K3 white - - 0 1", "write w or b" },
        { "4k3/8/8/8/8/8/8/4K3 W - - 0 1", "write w or b" },
        { "4k3/4R3/8/8/8/8/8/4K3 w - - 0 1", "could take the king" },
        { "4k3/4K3/8/8/8/8/8/8 w - - 0 1", "could take the king" },
        { "4k3/8/8/8/8/8/8/4K3 w K - 0 1", "no rook" },
        { "4k3/8/8/8/8/8/8/4K2R w KK - 0 1", "twice" },
        { "4k3/8/8/8/8/8/8/4K2R w KH - 0 1", "twice" },
        { "4k3/8/8/8/8/8/8/4K2R w Q - 0 1", "no rook" },
        { "4k3/8/8/8/8/8/8/4K2R w k - 0 1", "no rook" },
        { "4k3/8/8/8/8/8/8/4K2R w E - 0 1", "no rook" },
        { "4k3/8/8/8/8/8/4K3/7R w K - 0 1", "not on its first rank" },
        { "4k3/8/8/8/8/8/8/4K2R w X - 0 1", "not one of" },
        { "4k3/8/8/8/8/8/8/4K2R w KQkqK - 0 1", "castling" },
        { "4k3/8/8/8/8/8/8/4K3 w - e3 0 1", "square on rank 6" },
        { "4k3/8/8/8/8/8/8/4K3 w - x6 0 1", "en passant" },
        { "4k3/8/8/8/8/8/8/4K3 w - e6 0 1", "no pawn" },
        { "4k3/8/8/8/3pP3/4N3/8/4K3 b - e3 0 1", "no pawn" },
        { "4k3/8/8/8/3pP3/8/4N3/4K3 b - e3 0 1", "no pawn" },
        { "4k3/8/8/8/8/8/8/4K3 w - - -1 1", "half moves" },
        { "4k3/8/8/8/8/8/8/4K3 w - - 0x1 1", "half moves" },
        { "4k3/8/8/8/8/8/8/4K3 w - - 0 99999", "move number" },
        { "4k3/8/8/8/8/8/8/4K3 w - - 0 99999999999999999999999", "move number" },
        { "4k3/8/8/8/8/8/8/4K3 w - - 0 1 bm", "something follows" },
        { "4k3/8/8/8/8/8/8/4K3 w - - 0 1\n4k3", "not printable" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p, before;
        err e;

        memset(&p, 0xa5, sizeof(p));
        before = p;
        e = chess_fen_parse(str_of(rows[i].text), &p);
        assert_int_equal(e.code, ERR_INVALID);
        if (!strstr(e.msg, rows[i].says))
            fail_msg("'%s' does not say '%s'", e.msg, rows[i].says);
        assert_memory_equal(&p, &before, sizeof(p));
    }
}

/* Bytes from strangers: NULs, long text, and text that is not terminated. */
static void hostile_bytes(void **state)
{
    static const char start[] = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1";
    struct chess_position p;
    char text[4000];
    err e;

    memset(text, '/', sizeof(text));
    e = chess_fen_parse(str_from(text, sizeof(text)), &p);
    assert_int_equal(e.code, ERR_INVALID);
    memset(text, 0, sizeof(text));
    e = chess_fen_parse(str_from(text, 60), &p);
    assert_int_equal(e.code, ERR_INVALID);
    e = chess_fen_parse(STR_NONE, &p);
    assert_int_equal(e.code, ERR_INVALID);
    for (size_t i = 0; i < sizeof(start) - 1; i++) { /* every prefix, every one-byte damage */
        char cut[sizeof(start)];

        memcpy(cut, start, sizeof(start));
        (void)!chess_fen_parse(str_from(cut, i), &p).code;
        for (int c = 0; c < 256; c++) {
            cut[i] = (char)c;
            e = chess_fen_parse(str_from(cut, sizeof(start) - 1), &p);
            assert_true(e.code == ERR_INVALID || chess_position_check(&p));
        }
    }
}

static void look_round_trip(const struct chess_position *p, struct rng *rng)
{
    char fen[CHESS_FEN_BYTES], again[CHESS_FEN_BYTES];
    struct chess_position read;

    chess_fen_write(p, fen);
    read = position_of(fen);
    chess_fen_write(&read, again);
    assert_string_equal(fen, again);
    assert_true(read.key == p->key);
    assert_memory_equal(read.board, p->board, sizeof(p->board));
    assert_memory_equal(read.castling_rook, p->castling_rook, sizeof(p->castling_rook));
}

/* A saved game must resume in the same position. */
static void every_position_reads_back(void **state)
{
    random_games(5, 200, 250, look_round_trip);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(every_position_reads_back),
    };

    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
