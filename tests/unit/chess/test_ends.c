/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ends of games: a wrong answer here gives somebody half a point too many, or a game that never
 * ends. */
#include "board_help.h"

static void ends_by_position(void **state)
{
    static const struct {
        const char *fen;
        enum chess_end end;
        bool white_can_mate, black_can_mate;
    } rows[] = {
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", CHESS_GOES_ON, true, true },
        { "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", CHESS_CHECKMATE, true,
          true },
        { "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", CHESS_STALEMATE, true, false },
        { "4k3/8/8/8/8/8/8/4K3 w - - 0 1", CHESS_INSUFFICIENT, false, false },
        { "4k3/8/8/8/8/8/8/4KN2 w - - 0 1", CHESS_INSUFFICIENT, false, false },
        { "4k3/8/8/8/8/8/8/4KB2 w - - 0 1", CHESS_INSUFFICIENT, false, false },
        { "4kb2/8/8/8/8/8/8/2B1K3 w - - 0 1", CHESS_INSUFFICIENT, false, false }, /* both dark */
        { "4k1b1/8/8/8/8/8/8/2B1K3 w - - 0 1", CHESS_GOES_ON, true, true }, /* light and dark */
        { "4k3/8/8/8/8/8/8/2B1KB2 w - - 0 1", CHESS_GOES_ON, true, false },
        { "4k3/8/8/8/8/8/8/4KNN1 w - - 0 1", CHESS_GOES_ON, true, false },
        { "4kn2/8/8/8/8/8/8/4KN2 w - - 0 1", CHESS_GOES_ON, true, true },
        { "4kb2/8/8/8/8/8/8/4KN2 w - - 0 1", CHESS_GOES_ON, true, true },
        { "4kq2/8/8/8/8/8/8/4KN2 w - - 0 1", CHESS_GOES_ON, false, true },
        { "4kr2/8/8/8/8/8/8/4KN2 w - - 0 1", CHESS_GOES_ON, true, true },
        { "4kr2/8/8/8/8/8/8/4KB2 w - - 0 1", CHESS_GOES_ON, false, true },
        { "4k3/7p/8/8/8/8/8/4KB2 w - - 0 1", CHESS_GOES_ON, true, true },
        { "4k3/7p/8/8/8/8/8/4K3 w - - 0 1", CHESS_GOES_ON, false, true },
        { "4k3/8/8/8/8/8/8/4K2R w K - 99 80", CHESS_GOES_ON, true, false },
        { "4k3/8/8/8/8/8/8/4K2R w K - 100 80", CHESS_FIFTY, true, false },
        { "4k3/8/8/8/8/8/8/4K2R w K - 149 80", CHESS_FIFTY, true, false },
        { "4k3/8/8/8/8/8/8/4K2R w K - 150 80", CHESS_SEVENTY_FIVE, true, false },
        /* Mate on the last move comes before the counter. */
        { "R3k3/8/4K3/8/8/8/8/8 b - - 150 120", CHESS_CHECKMATE, true, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p = position_of(rows[i].fen);
        enum chess_end end = chess_end_of(&p, NULL, 0);

        if (end != rows[i].end)
            fail_msg("%s: %s", rows[i].fen, chess_end_name(end));
        assert_int_equal(chess_can_mate(&p, CHESS_WHITE), rows[i].white_can_mate);
        assert_int_equal(chess_can_mate(&p, CHESS_BLACK), rows[i].black_can_mate);
    }
}

/* Plays SAN from a position and returns how it stands at the end, with the keys of the way. */
static enum chess_end end_after(const char *fen, const char *moves, int repeat)
{
    struct chess_position p = position_of(fen);
    uint64_t keys[512];
    size_t count = 0;

    for (int i = 0; i < repeat; i++) {
        str rest = str_of(moves);

        while (rest.len) {
            str word = str_split(&rest, ' ');
            chess_move m = chess_san_find(&p, word.ptr, word.len);

            assert_int_not_equal(m, CHESS_MOVE_NONE);
            assert_in_range(count, 0, COUNT_OF(keys) - 1);
            keys[count++] = p.key;
            chess_move_make(&p, m);
        }
    }
    return chess_end_of(&p, keys, count);
}

static void repetition(void **state)
{
    static const char start[] = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1";
    static const char rooks[] = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1";
    static const char passant[] = "4k3/8/8/8/3p4/8/4P3/4K2R w - - 0 1";

    assert_int_equal(end_after(start, "Nf3 Nf6 Ng1 Ng8", 1), CHESS_GOES_ON);
    assert_int_equal(end_after(start, "Nf3 Nf6 Ng1 Ng8", 2), CHESS_THREEFOLD);
    assert_int_equal(end_after(start, "Nf3 Nf6 Ng1 Ng8", 3), CHESS_THREEFOLD);
    assert_int_equal(end_after(start, "Nf3 Nf6 Ng1 Ng8", 4), CHESS_FIVEFOLD);
    /* The first time the rights were other ones, so it is not the same position. */
    assert_int_equal(end_after(rooks, "Rb1 Rb8 Ra1 Ra8", 2), CHESS_GOES_ON);
    assert_int_equal(end_after(rooks, "Rb1 Rb8 Ra1 Ra8", 3), CHESS_THREEFOLD);
    /* The same with an en passant capture that was possible once. */
    assert_int_equal(end_after(passant, "e4 Kd8 Kd1 Ke8 Ke1 Kd8 Kd1 Ke8 Ke1", 1), CHESS_GOES_ON);
    assert_int_equal(end_after(passant, "e4 Kd8 Kd1 Ke8 Ke1 Kd8 Kd1 Ke8 Ke1 Kd8 Kd1 Ke8 Ke1", 1),
                     CHESS_THREEFOLD);
    /* A pawn move ends what can repeat: equal keys before it do not count. */
    {
        struct chess_position p = position_of("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1");
        uint64_t keys[8];

        for (size_t i = 0; i < COUNT_OF(keys); i++)
            keys[i] = p.key;
        assert_int_equal(chess_end_of(&p, keys, COUNT_OF(keys)), CHESS_GOES_ON);
        p.halfmoves = 4;
        assert_int_equal(chess_end_of(&p, keys, COUNT_OF(keys)), CHESS_THREEFOLD);
    }
}

static void names(void **state)
{
    for (int end = CHESS_GOES_ON; end <= CHESS_FIVEFOLD; end++) {
        assert_string_not_equal(chess_end_name((enum chess_end)end), "unknown");
        for (int other = CHESS_GOES_ON; other < end; other++)
            assert_string_not_equal(chess_end_name((enum chess_end)end),
                                    chess_end_name((enum chess_end)other));
    }
    assert_string_equal(chess_end_name(CHESS_CHECKMATE), "checkmate");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_by_position),
        cmocka_unit_test(repetition),
        cmocka_unit_test(names),
    };

    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
