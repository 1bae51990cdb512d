/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the network sees. When a row is wrong, every model learns from a board that was never there.
 */
#include "net_help.h"

#include "engine/chess/features_view.h"

/* The one row of a move in a group, or -1. */
static int row_in(const struct features *f, int move, int first, int last)
{
    int found = -1;
    for (int i = f->move_start[move]; i < f->move_start[move + 1]; i++) {
        if (f->rows[i] >= first && f->rows[i] <= last) {
            assert_int_equal(found, -1);
            found = f->rows[i] - first;
        }
    }
    return found;
}
#define ROW_IN(f, move, group) row_in(f, move, group, group##_END)

static void extract(const struct chess_position *p, struct features *f,
                    chess_move moves[CHESS_MOVES_MAX])
{
    struct chess_conditions none = { 0 };
    features_extract(p, &none, moves, chess_moves(p, moves), f);
}

/* Extracts and finds a move by its SAN. */
static int find(const char *fen, const char *san, struct features *f)
{
    struct chess_position p = position_of(fen);
    chess_move moves[CHESS_MOVES_MAX], wanted = chess_san_find(&p, san, strlen(san));
    extract(&p, f, moves);
    for (int i = 0; i < f->move_count; i++)
        if (moves[i] == wanted)
            return i;
    fail_msg("%s is not legal in %s", san, fen);
    return -1;
}

/* ------------------------------------------------------------------ attack maps */

static void look_at_maps(const struct chess_position *p, struct rng *rng)
{
    (void)rng;
    for (int color = 0; color < 2; color++) {
        chess_bits pieces[6], occupied = p->colors[0] | p->colors[1];
        struct attack_map map;
        for (int piece = 0; piece < 6; piece++)
            pieces[piece] = p->pieces[piece] & p->colors[color];
        attack_map_make(&map, pieces, color == CHESS_WHITE ? OWN : THEIRS, occupied);
        for (int square = 0; square < 64; square++) {
            chess_bits attackers = chess_attackers(p, square, occupied) & p->colors[color];
            assert_int_equal((map.all >> square) & 1, attackers != 0);
            assert_int_equal((map.twice >> square) & 1, bits_many(attackers));
            for (int piece = 0; piece < 6; piece++)
                assert_int_equal((map.by[piece] >> square) & 1, (attackers & pieces[piece]) != 0);
        }
    }
}

static void test_maps_agree_with_the_board(void **state)
{
    random_games(21, 12, 120, look_at_maps);
}

/* ------------------------------------------------------------------ every row is in its place */

static void look_at_rows(const struct chess_position *p, struct rng *rng)
{
    static struct features f;
    chess_move moves[CHESS_MOVES_MAX];
    struct chess_conditions c = { (uint16_t)rng_below(rng, 65536), (uint16_t)rng_below(rng, 65536),
                                  (uint8_t)rng_below(rng, 256) };
    int count = chess_moves(p, moves);
    features_extract(p, &c, moves, count, &f);
    assert_int_equal(f.move_count, count);
    assert_in_range(f.bag_count, 10, FEATURES_BAG_MAX);
    assert_int_equal(f.relative_count, bits_count(p->colors[0] | p->colors[1]));
    for (int i = 0; i < f.bag_count; i++)
        assert_true(f.bag[i] < BAG_ROWS);
    assert_in_range(f.from_count, 0, 16);
    for (int i = 0; i < count; i++) {
        assert_true(f.move_from[i] < f.from_count && f.move_to[i] < f.to_count);
        int rows = f.move_start[i + 1] - f.move_start[i];
        assert_in_range(rows, 10, FEATURES_MOVE_MAX);
        for (int r = f.move_start[i]; r < f.move_start[i + 1]; r++)
            assert_true(f.rows[r] < MOVE_ROWS);
        assert_true(ROW_IN(&f, i, MOVE_PIECE_TO) >= 0 && ROW_IN(&f, i, MOVE_FROM_TO) >= 0 &&
                    ROW_IN(&f, i, MOVE_BEST) >= 0);
        (void)ROW_IN(&f, i, MOVE_CAPTURE);
        (void)ROW_IN(&f, i, MOVE_LEAVES);
        (void)ROW_IN(&f, i, MOVE_THREAT);
        (void)ROW_IN(&f, i, MOVE_SPACE);
    }
    for (int q = 0; q < f.from_count + f.to_count; q++) {
        const struct features_square *s = q < f.from_count ? &f.from[q] : &f.to[q - f.from_count];
        assert_in_range(s->rows[0], SQUARE_CONTENT, SQUARE_CONTENT_END);
        assert_in_range(s->rows[1], SQUARE_CONTROL, SQUARE_CONTROL_END);
        for (int i = 0; i < f.relative_count; i++)
            assert_in_range(f.relative[i] + s->shift, SQUARE_RELATIVE, SQUARE_RELATIVE_END);
    }
}

static void test_rows_stay_in_their_tables(void **state)
{
    random_games(22, 40, 150, look_at_rows);
}

/* Two hundred moves from nine queens: the fixed sizes must hold at the known maximum of legal
 * moves. */
static void test_most_moves(void **state)
{
    struct chess_position p = position_of("R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1");
    struct rng rng;
    rng_init(&rng, 1);
    look_at_rows(&p, &rng);
}

/* ------------------------------------------------------------------ both builds, both colours */

static bool same_features(const struct features *a, const struct features *b)
{
    return a->bag_count == b->bag_count && a->relative_count == b->relative_count &&
           a->from_count == b->from_count && a->to_count == b->to_count &&
           a->move_count == b->move_count &&
           memcmp(a->bag, b->bag, sizeof a->bag[0] * (size_t)a->bag_count) == 0 &&
           memcmp(a->relative, b->relative, sizeof a->relative[0] * (size_t)a->relative_count) ==
               0 &&
           memcmp(a->from, b->from, sizeof a->from[0] * (size_t)a->from_count) == 0 &&
           memcmp(a->to, b->to, sizeof a->to[0] * (size_t)a->to_count) == 0 &&
           memcmp(a->move_start, b->move_start,
                  sizeof a->move_start[0] * (size_t)(a->move_count + 1)) == 0 &&
           memcmp(a->rows, b->rows, sizeof a->rows[0] * a->move_start[a->move_count]) == 0;
}

static void look_at_builds(const struct chess_position *p, struct rng *rng)
{
    static struct features plain, fast, turned;
    chess_move moves[CHESS_MOVES_MAX], mirrored[CHESS_MOVES_MAX];
    struct chess_conditions c = { 1700, 1650, CHESS_BLITZ };
    int count = chess_moves(p, moves);
    (void)rng;
    features_extract_plain(p, &c, moves, count, &plain);
    if (features_fast()) {
        features_fast()(p, &c, moves, count, &fast);
        assert_true(same_features(&plain, &fast));
    }
    /* the mirror image: the same but for the row that tells the side */
    struct chess_position m = mirror_of(p);
    for (int i = 0; i < count; i++)
        mirrored[i] = mirror_move(moves[i]);
    features_extract(&m, &c, mirrored, count, &turned);
    for (int i = 0; i < turned.bag_count; i++)
        if (turned.bag[i] >= BAG_SIDE && turned.bag[i] <= BAG_SIDE_END)
            turned.bag[i] ^= (BAG_SIDE ^ BAG_SIDE_END);
    assert_true(same_features(&plain, &turned));
}

static void test_builds_and_mirror_images_agree(void **state)
{
    random_games(23, 30, 120, look_at_builds);
    print_message("fast build: %s\n", features_fast() ? "avx2" : "none on this processor");
}

/* ------------------------------------------------------------------ what rows mean */

static void test_exchanges(void **state)
{
    /* steps: 0 -5 or less, 1 -3 or -4, 2 -2, 3 -1, 4 even, 5 +1, 6 +2..+4, 7 +5 or +6, 8 +7 or more
     */
    static const struct {
        const char *fen, *move;
        int step;
    } cases[] = {
        { "1k1r4/1pp4p/p7/4p3/8/P5P1/1PP4P/2K1R3 w - - 0 1", "Rxe5", 5 }, /* free pawn */
        { "1k1r3q/1ppn3p/p4b2/4p3/8/P2N2P1/1PP1R1BP/2K1Q3 w - - 0 1", "Nxe5",
          2 },                                                /* knight for pawn, x-rays count */
        { "4k3/8/3p4/4p3/8/8/4R3/4K3 w - - 0 1", "Rxe5", 1 }, /* rook for pawn */
        { "4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1", "exd5", 8 },   /* queen for nothing */
        { "3rk3/8/8/3q4/4P3/8/8/4K3 w - - 0 1", "exd5", 8 },  /* queen for pawn */
        { "4k3/8/8/8/8/5b2/4P3/4K3 w - - 0 1", "e4", 3 },     /* walks into a bishop */
        { "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1", "e4", 4 },
        { "k7/4P3/8/8/8/8/8/4K3 w - - 0 1", "e8=Q", 8 },
        { "k2r4/4P3/8/8/8/8/8/4K3 w - - 0 1", "e8=Q", 3 },  /* promotes and is taken */
        { "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", "exd6", 5 }, /* en passant */
        { "4k3/2p5/8/3pP3/8/8/8/4K3 w - d6 0 1", "exd6", 4 },
        { "4r1k1/8/8/4p3/3K4/8/8/4R3 w - - 0 1", "Rxe5", 5 }, /* the king takes back */
    };
    static struct features f;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int move = find(cases[i].fen, cases[i].move, &f);
        int row = ROW_IN(&f, move, MOVE_CAPTURE) % 9;
        if (row != cases[i].step)
            fail_msg("%s in %s: step %d, not %d", cases[i].move, cases[i].fen, row, cases[i].step);
    }
}

static void test_checks(void **state)
{
    static struct features f;
    /* ((piece * 3 + kind) * 2 + safe) * 2 + mate */
    int move = find("6k1/5ppp/8/8/8/8/8/K2R4 w - - 0 1", "Rd8#", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_CHECK), ((CHESS_ROOK * 3 + 0) * 2 + 1) * 2 + 1);
    move = find("4k3/8/8/8/4N3/8/8/K3R3 w - - 0 1", "Nc5+", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_CHECK), ((CHESS_KNIGHT * 3 + 1) * 2 + 1) * 2);
    move = find("4k3/8/8/8/4N3/8/8/K3R3 w - - 0 1", "Nd6+", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_CHECK), ((CHESS_KNIGHT * 3 + 2) * 2 + 1) * 2);
    move = find("4k3/3p4/8/8/8/8/Q7/K7 w - - 0 1", "Qe2+", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_CHECK), ((CHESS_QUEEN * 3 + 0) * 2 + 1) * 2);
    move = find("4k3/3p4/8/8/8/8/Q7/K7 w - - 0 1", "Qe6+", &f); /* dxe6 */
    assert_int_equal(ROW_IN(&f, move, MOVE_CHECK), (CHESS_QUEEN * 3 + 0) * 2 * 2);
    move = find("4k3/3p4/8/8/8/8/Q7/K7 w - - 0 1", "Qd2", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_CHECK), -1);
}

static void test_dangers_and_threats(void **state)
{
    static struct features f;
    /* MOVE_LEAVES: ((piece * 6 + after) * 6 + before) * 2 + was it; the rook on d1 is attacked */
    const char *attacked = "4k3/8/8/8/8/5b2/8/K2R4 w - - 0 1";
    int move = find(attacked, "Rd7", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_LEAVES), ((CHESS_ROOK * 6 + 0) * 6 + 4) * 2 + 1);
    move = find(attacked, "Kb1", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_LEAVES), ((CHESS_KING * 6 + 4) * 6 + 4) * 2);
    /* a knight that attacks the queen: MOVE_THREAT ((piece * 6 + after) * 6 + before) * 3 + how
     * many */
    move = find("4k3/q7/8/8/3N4/8/8/7K w - - 0 1", "Nc6", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_THREAT), ((CHESS_KNIGHT * 6 + 5) * 6 + 0) * 3 + 1);
    assert_int_equal(ROW_IN(&f, move, MOVE_ATTACKS), (CHESS_KNIGHT * 6 + 5) * 3 + 1);
    /* pinned and in check */
    move = find("4r1k1/8/8/8/8/8/4R3/4K3 w - - 0 1", "Rxe8+", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_BOUND), (CHESS_ROOK * 2 + 0) * 2 + 1);
    move = find("4r1k1/8/8/8/8/8/8/R3K3 w - - 0 1", "Kd1", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_BOUND), (CHESS_KING * 2 + 1) * 2);
}

static void test_rights_and_promotions(void **state)
{
    static const struct {
        const char *fen, *move;
        int rights;
    } cases[] = {
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "O-O", 0 },
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "O-O-O", 1 },
        { "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1", "O-O-O", 1 },
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "Ke2", 2 },
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "Rh2", 3 },
        { "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1", "Ra2", 4 },
        { "r3k2r/8/8/8/8/8/8/R3K2R w kq - 0 1", "Rh2", -1 },
    };
    static struct features f;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int move = find(cases[i].fen, cases[i].move, &f);
        assert_int_equal(ROW_IN(&f, move, MOVE_RIGHTS), cases[i].rights);
    }
    int move = find("k7/4P3/8/8/8/8/8/4K3 w - - 0 1", "e8=N", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_PROMOTES), 0 * 2 + 1);
    /* castling lands where the king lands, in Chess960 too */
    move = find("4k3/8/8/8/8/8/8/1R2K1R1 w GB - 0 1", "O-O", &f);
    assert_int_equal(ROW_IN(&f, move, MOVE_PIECE_TO), CHESS_KING * 64 + 6);
}

static void test_conditions(void **state)
{
    static struct features f;
    struct chess_position p;
    chess_move moves[CHESS_MOVES_MAX];
    chess_position_start(&p);
    int count = chess_moves(&p, moves);
    struct chess_conditions c = { 1500, 1425, CHESS_RAPID };
    features_extract(&p, &c, moves, count, &f);
    bool speed = false, low = false, high = false, lead = false;
    for (int i = 0; i < f.bag_count; i++) {
        speed = speed || f.bag[i] == BAG_SPEED + CHESS_RAPID;
        low = low || f.bag[i] == BAG_RATING_SELF + 1 + 3;    /* 1200..1599 */
        high = high || f.bag[i] == BAG_RATING_SELF + 13 + 4; /* 1400..1799 */
        lead = lead || f.bag[i] == BAG_RATING_LEAD + 1 + 7;  /* one step above even */
    }
    assert_true(speed && low && high && lead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps_agree_with_the_board),
        cmocka_unit_test(test_rows_stay_in_their_tables),
        cmocka_unit_test(test_most_moves),
        cmocka_unit_test(test_builds_and_mirror_images_agree),
        cmocka_unit_test(test_exchanges),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_dangers_and_threats),
        cmocka_unit_test(test_rights_and_promotions),
        cmocka_unit_test(test_conditions),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
