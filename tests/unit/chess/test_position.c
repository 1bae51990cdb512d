/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Positions: start positions, keys, and that making moves keeps every part of a position in step.
 */
#include "board_help.h"

/* Opening books and other programs look positions up by these published keys. */
static void polyglot_keys(void **state)
{
    static const struct {
        const char *moves;
        uint64_t key;
        const char *fen;
    } rows[] = {
        { "", 0x463b96181691fc9cULL, "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1" },
        { "e4", 0x823c9b50fd114196ULL,
          "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1" },
        { "e4 d5", 0x0756b94461c50fb0ULL,
          "rnbqkbnr/ppp1pppp/8/3p4/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2" },
        { "e4 d5 e5", 0x662fafb965db29d4ULL,
          "rnbqkbnr/ppp1pppp/8/3pP3/8/8/PPPP1PPP/RNBQKBNR b KQkq - 0 2" },
        { "e4 d5 e5 f5", 0x22a48b5a8e47ff78ULL,
          "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3" },
        { "e4 d5 e5 f5 Ke2", 0x652a607ca3f242c1ULL,
          "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPPKPPP/RNBQ1BNR b kq - 1 3" },
        { "e4 d5 e5 f5 Ke2 Kf7", 0x00fdd303c946bdd9ULL,
          "rnbq1bnr/ppp1pkpp/8/3pPp2/8/8/PPPPKPPP/RNBQ1BNR w - - 2 4" },
        { "a4 b5 h4 b4 c4", 0x3c8123ea7b067637ULL,
          "rnbqkbnr/p1pppppp/8/8/PpP4P/8/1P1PPPP1/RNBQKBNR b KQkq c3 0 3" },
        { "a4 b5 h4 b4 c4 bxc3 Ra3", 0x5c3f9b829b279560ULL,
          "rnbqkbnr/p1pppppp/8/8/P6P/R1p5/1P1PPPP1/1NBQKBNR b Kkq - 1 4" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p, read;

        chess_position_start(&p);
        play(&p, rows[i].moves);
        assert_fen(&p, rows[i].fen);
        assert_true(p.key == rows[i].key);
        read = position_of(rows[i].fen);
        assert_true(read.key == rows[i].key);
    }
}

/* A drifting key would merge different positions in the index, a drifting bitboard would move
 * ghosts. */
static void look_consistent(const struct chess_position *p, struct rng *rng)
{
    if (!chess_position_check(p)) {
        char fen[CHESS_FEN_BYTES];

        chess_fen_write(p, fen);
        fail_msg("not consistent: %s", fen);
    }
    assert_true(p->key == chess_position_key(p));
}

static void moves_keep_positions_consistent(void **state)
{
    random_games(11, 300, 300, look_consistent);
}

/* The check above is worth something only if it sees damage. */
static void check_sees_damage(void **state)
{
    struct chess_position good, p;

    chess_position_start(&good);
    assert_true(chess_position_check(&good));
    p = good;
    p.key ^= 1;
    assert_false(chess_position_check(&p));
    p = good;
    p.board[0] = CHESS_NO_PIECE;
    assert_false(chess_position_check(&p));
    p = good;
    p.pieces[CHESS_KNIGHT] |= 1ULL << 30;
    assert_false(chess_position_check(&p));
    p = good;
    p.castling_rook[CHESS_WHITE][0] = 6;
    p.key = chess_position_key(&p);
    assert_false(chess_position_check(&p));
    p = good;
    p.en_passant = 20;
    p.key = chess_position_key(&p);
    assert_false(chess_position_check(&p));
    p = position_of("4k3/8/8/8/8/8/8/4K2R w - - 0 1");
    p.turn = CHESS_WHITE;
    assert_true(chess_position_check(&p));
    p = position_of("4k3/8/8/8/8/8/4R3/4K3 b - - 0 1");
    p.turn = CHESS_WHITE; /* it could take the king */
    p.key = chess_position_key(&p);
    assert_false(chess_position_check(&p));
}

/* Players agree on a start position by its number: it must be the one that others mean. */
static void start_positions_960(void **state)
{
    static const struct {
        int number;
        const char *fen;
    } rows[] = {
        { 0, "bbqnnrkr/pppppppp/8/8/8/8/PPPPPPPP/BBQNNRKR w HFhf - 0 1" },
        { 518, "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w HAha - 0 1" },
        { 534, "rnbkqbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBKQBNR w HAha - 0 1" },
        { 959, "rkrnnqbb/pppppppp/8/8/8/8/PPPPPPPP/RKRNNQBB w CAca - 0 1" },
        { 285, "nrkbnrbq/pppppppp/8/8/8/8/PPPPPPPP/NRKBNRBQ w FBfb - 0 1" },
    };
    static uint64_t keys[960];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p;

        chess_position_start_960(&p, rows[i].number);
        assert_fen(&p, rows[i].fen);
    }
    for (int number = 0; number < 960; number++) {
        struct chess_position p;

        chess_position_start_960(&p, number);
        assert_true(chess_position_check(&p));
        assert_int_equal(p.is_960, 1);
        keys[number] = p.key;
        for (int other = 0; other < number; other++)
            assert_true(keys[other] != p.key);
    }
}

/* Counters at their end must stop, not wrap: 0 would make a claimable draw vanish. */
static void counters_do_not_wrap(void **state)
{
    struct chess_position p = position_of("4k3/8/8/8/8/8/8/R3K3 b - - 9999 9999");

    p.halfmoves = UINT16_MAX;
    p.fullmoves = UINT16_MAX;
    play(&p, "Kd7");
    assert_int_equal(p.halfmoves, UINT16_MAX);
    assert_int_equal(p.fullmoves, UINT16_MAX);
    assert_true(chess_position_check(&p));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(polyglot_keys),        cmocka_unit_test(moves_keep_positions_consistent),
        cmocka_unit_test(check_sees_damage),    cmocka_unit_test(start_positions_960),
        cmocka_unit_test(counters_do_not_wrap),
    };

    chess_init();
    chess_init(); /* twice is allowed */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
