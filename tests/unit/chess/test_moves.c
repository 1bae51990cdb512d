/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Moves: three ways to ask what is legal (list, one move, number) must agree, and attack tables
 * must be what a walk along the board finds. */
#include "board_help.h"

/* ------------------------------------------------------------------ attacks against a plain walk
 */

static chess_bits walk(int square, const int steps[][2], int count, int far, chess_bits occupied)
{
    chess_bits found = 0;

    for (int i = 0; i < count; i++) {
        int file = square % 8, rank = square / 8;

        for (int n = 0; n < far; n++) {
            file += steps[i][0];
            rank += steps[i][1];
            if (file < 0 || file > 7 || rank < 0 || rank > 7)
                break;
            found |= 1ULL << (file + 8 * rank);
            if (occupied >> (file + 8 * rank) & 1)
                break;
        }
    }
    return found;
}

static chess_bits walk_piece(enum chess_piece piece, enum chess_color color, int square,
                             chess_bits occupied)
{
    static const int lines[8][2] = { { 1, 0 }, { -1, 0 }, { 0, 1 },  { 0, -1 },
                                     { 1, 1 }, { 1, -1 }, { -1, 1 }, { -1, -1 } };
    static const int jumps[8][2] = { { 1, 2 },   { 2, 1 },   { 2, -1 }, { 1, -2 },
                                     { -1, -2 }, { -2, -1 }, { -2, 1 }, { -1, 2 } };
    static const int up[2][2] = { { -1, 1 }, { 1, 1 } }, down[2][2] = { { -1, -1 }, { 1, -1 } };

    switch (piece) {
    case CHESS_PAWN:
        return walk(square, color == CHESS_WHITE ? up : down, 2, 1, occupied);
    case CHESS_KNIGHT:
        return walk(square, jumps, 8, 1, occupied);
    case CHESS_BISHOP:
        return walk(square, lines + 4, 4, 8, occupied);
    case CHESS_ROOK:
        return walk(square, lines, 4, 8, occupied);
    case CHESS_QUEEN:
        return walk(square, lines, 8, 8, occupied);
    case CHESS_KING:
        return walk(square, lines, 8, 1, occupied);
    case CHESS_NO_PIECE:
        break;
    }
    return 0;
}

/* A wrong slot in a table is a piece that jumps, in one position of millions. */
static void attacks_match_a_walk(void **state)
{
    struct rng rng;

    rng_init(&rng, 3);
    for (int round = 0; round < 3000; round++) {
        chess_bits occupied = rng_u64(&rng);

        for (int thin = round % 4; thin > 0; thin--)
            occupied &= rng_u64(&rng);
        for (int square = 0; square < 64; square++) {
            for (int piece = CHESS_PAWN; piece <= CHESS_NO_PIECE; piece++) {
                enum chess_color color = round % 2 ? CHESS_BLACK : CHESS_WHITE;

                assert_true(chess_attacks((enum chess_piece)piece, color, square, occupied) ==
                            walk_piece((enum chess_piece)piece, color, square, occupied));
            }
        }
    }
}

static void look_attackers(const struct chess_position *p, struct rng *rng)
{
    chess_bits occupied = p->colors[0] | p->colors[1], want = 0;
    int square = (int)rng_below(rng, 64);

    for (int from = 0; from < 64; from++) {
        int code = p->board[from];

        if (code != CHESS_NO_PIECE && (walk_piece((enum chess_piece)(code & 7),
                                                  (enum chess_color)(code >> 3), from, occupied) >>
                                           square &
                                       1))
            want |= 1ULL << from;
    }
    assert_true(chess_attackers(p, square, occupied) == want);
}

static void attackers_match_a_walk(void **state)
{
    random_games(21, 60, 200, look_attackers);
}

/* ------------------------------------------------------------------ legality */

/* All 65,536 possible moves, as a client may send them: exactly the listed ones are legal, each has
 * a number, and no other number is a move. A hole here lets a client play anything, or reads a
 * stored game differently from how it was written. */
static void look_all_moves(const struct chess_position *p, struct rng *rng)
{
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(p, moves), legal = 0, numbered = 0;

    assert_int_equal(chess_has_moves(p), count > 0);
    for (int m = 0; m < 65536; m++)
        legal += chess_move_is_legal(p, (chess_move)m);
    assert_int_equal(legal, count);
    for (int i = 0; i < count; i++) {
        int index = chess_move_index(p, moves[i]);

        assert_true(chess_move_is_legal(p, moves[i]));
        assert_in_range(index, 0, CHESS_INDEX_MAX - 1);
        assert_int_equal(chess_move_at(p, index), moves[i]);
        for (int other = 0; other < i; other++)
            assert_int_not_equal(moves[i], moves[other]);
    }
    for (int index = -300; index < 1000; index++) {
        chess_move m = chess_move_at(p, index);

        numbered += m != CHESS_MOVE_NONE;
        assert_true(m == CHESS_MOVE_NONE || chess_move_index(p, m) == index);
    }
    assert_int_equal(numbered, count);
    assert_int_equal(chess_move_at(p, INT32_MAX), CHESS_MOVE_NONE);
    assert_int_equal(chess_move_at(p, INT32_MIN), CHESS_MOVE_NONE);
}

static void all_ways_to_ask_agree(void **state)
{
    static const char *const fens[] = {
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
        "8/8/8/8/k1pP3R/8/8/K7 b - d3 0 1",
        "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1",
        "4k3/8/8/8/8/8/8/qRK5 w B - 0 1",
        "4k3/8/8/8/8/8/8/4K2R w K - 0 1",
        "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
    };

    for (size_t i = 0; i < COUNT_OF(fens); i++) {
        struct chess_position p = position_of(fens[i]);

        look_all_moves(&p, NULL);
    }
    random_games(31, 14, 120, look_all_moves);
}

/* The known maximum: a list longer than CHESS_MOVES_MAX would overflow every buffer of moves. */
static void most_moves(void **state)
{
    struct chess_position p = position_of("R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1");
    chess_move moves[CHESS_MOVES_MAX];

    assert_int_equal(chess_moves(&p, moves), 218);
    look_all_moves(&p, NULL);
}

/* The numbers are in every stored game: if one of these changes, stored games read as other games.
 */
static void numbers_are_a_format(void **state)
{
    static const struct {
        const char *fen, *uci;
        int index;
    } rows[] = {
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e2e4", 159 },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "g1f3", 108 },
        { "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1", "g8f6", 102 },
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1g1", 8 },
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1c1", 9 },
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1f2", 7 },
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "h1h8", 37 },
        { "4k3/8/8/8/8/2q5/8/6K1 b - - 0 1", "c3a1", 24 },
        { "4k3/8/8/8/8/2q5/8/6K1 b - - 0 1", "c3e1", 34 },
        { "4k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7a8q", 13 },
        { "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7b8n", 18 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p = position_of(rows[i].fen);
        chess_move m;
        err e = chess_uci_parse(&p, str_of(rows[i].uci), &m);

        assert_int_equal(e.code, ERR_NONE);
        assert_int_equal(chess_move_index(&p, m), rows[i].index);
    }
}

static void checks(void **state)
{
    static const struct {
        const char *fen;
        bool check;
        int moves;
    } rows[] = {
        { "4k3/8/8/8/8/8/4R3/4K3 b - - 0 1", true, 4 },
        { "4k3/8/8/8/8/5N2/4R3/4K3 b - - 0 1", true, 4 },
        { "4k3/8/3N4/8/8/8/4R3/4K3 b - - 0 1", true, 3 }, /* two at once: only the king moves */
        { "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", false, 0 },
        { "7k/6Q1/6K1/8/8/8/8/8 b - - 0 1", true, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p = position_of(rows[i].fen);
        chess_move moves[CHESS_MOVES_MAX];

        assert_int_equal(chess_in_check(&p), rows[i].check);
        assert_int_equal(chess_moves(&p, moves), rows[i].moves);
        assert_int_equal(chess_has_moves(&p), rows[i].moves > 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(attacks_match_a_walk),  cmocka_unit_test(attackers_match_a_walk),
        cmocka_unit_test(all_ways_to_ask_agree), cmocka_unit_test(most_moves),
        cmocka_unit_test(numbers_are_a_format),  cmocka_unit_test(checks),
    };

    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
