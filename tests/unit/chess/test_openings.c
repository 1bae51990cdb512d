/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Openings: a name that is off by a table row mislabels every game of a library. */
#include "board_help.h"

#include "engine/chess/openings.h"

static size_t moves_of(const char *line, chess_move *out, size_t out_max)
{
    struct chess_position p;
    str rest = str_of(line);
    size_t count = 0;

    chess_position_start(&p);
    while (rest.len) {
        str word = str_split(&rest, ' ');

        assert_true(count < out_max);
        out[count] = chess_san_find(&p, word.ptr, word.len);
        assert_int_not_equal(out[count], CHESS_MOVE_NONE);
        chess_move_make(&p, out[count++]);
    }
    return count;
}

static void games(void **state)
{
    static const struct {
        const char *moves, *eco, *name;
        int ply;
    } rows[] = {
        { "e4", "B00", "King's Pawn Game", 1 },
        { "e4 c5 Nf3 d6 d4 cxd4 Nxd4 Nf6 Nc3 a6", "B90", "Sicilian Defense: Najdorf Variation",
          10 },
        /* The name stays when the game leaves the book. */
        { "e4 e5 Nf3 Nc6 Bb5 a6 Ba4 b5 Bb3 h5 h4 Rh6", "C70",
          "Ruy Lopez: Morphy Defense, Caro Variation", 8 },
        /* A transposition is found by position, not by order of moves. */
        { "d4 e6 c4 Nf6 g3", "E00", "Catalan Opening", 5 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_opening found;
        struct chess_position start;
        chess_move moves[32];
        size_t count = moves_of(rows[i].moves, moves, COUNT_OF(moves));

        chess_position_start(&start);
        assert_true(chess_opening_of_game(&start, moves, count, &found));
        assert_string_equal(found.eco, rows[i].eco);
        assert_string_equal(found.name, rows[i].name);
        assert_int_equal(found.ply, rows[i].ply);
    }
}

static void no_name(void **state)
{
    struct chess_opening found = { "x", "untouched", 7 };
    struct chess_position p;
    chess_move moves[8];
    size_t count = moves_of("e4 e5", moves, COUNT_OF(moves));

    chess_position_start(&p);
    assert_false(chess_opening_of_game(&p, moves, 0, &found));
    assert_null(chess_opening_at(p.key));
    assert_null(chess_opening_at(0));
    assert_null(chess_opening_at(UINT64_MAX));
    chess_position_start_960(&p, 518); /* looks standard, but is another game */
    assert_false(chess_opening_of_game(&p, moves, count, &found));
    p = position_of("4k3/8/8/8/8/8/8/4K3 w - - 0 1");
    assert_false(chess_opening_of_game(&p, moves, 0, &found));
    assert_string_equal(found.name, "untouched");
}

/* Every one of the tables' rows is reachable under its key. */
static void table_is_whole(void **state)
{
    struct chess_position p;

    assert_true(chess_opening_count() > 3500);
    chess_position_start(&p);
    play(&p, "e4 e5");
    assert_non_null(chess_opening_at(p.key));
    assert_int_equal(chess_opening_at(p.key)->ply, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(games),
        cmocka_unit_test(no_name),
        cmocka_unit_test(table_is_whole),
    };

    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
