/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UCI moves: what chess programs and the HTTP interface send. */
#include "board_help.h"

static void accepted(void **state)
{
    static const struct {
        const char *fen, *text, *written;
        bool castling;
    } rows[] = {
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e2e4", "e2e4", false },
        { "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7a8q", "a7a8q", false },
        { "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7b8n", "a7b8n", false },
        { "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", "e5d6", "e5d6", false },
        /* Both spellings of castling; the answer is in the spelling of the position. */
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1g1", "e1g1", true },
        { "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1h1", "e1g1", true },
        { "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1", "e8c8", "e8c8", true },
        { "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1", "e8a8", "e8c8", true },
        { "r3k2r/8/8/8/8/8/8/R3K2R w HAha - 0 1", "e1h1", "e1h1", true },
        { "r3k2r/8/8/8/8/8/8/R3K2R w HAha - 0 1", "e1g1", "e1h1", true },
        /* Next to its square a king can step there or castle there: the two are told apart. */
        { "4k3/8/8/8/8/8/8/5K1R w H - 0 1", "f1g1", "f1g1", false },
        { "4k3/8/8/8/8/8/8/5K1R w H - 0 1", "f1h1", "f1h1", true },
        { "4k3/8/8/8/8/8/8/1R3K2 w B - 0 1", "f1c1", "f1b1", true },
        /* Already there: it can only be said by the rook. */
        { "4k3/8/8/8/8/8/8/6KR w H - 0 1", "g1h1", "g1h1", true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p = position_of(rows[i].fen);
        char text[CHESS_UCI_BYTES];
        chess_move m;
        err e = chess_uci_parse(&p, str_of(rows[i].text), &m);

        if (e.code)
            fail_msg("%s", e.msg);
        assert_int_equal(chess_move_is_castling(m), rows[i].castling);
        assert_true(chess_move_is_legal(&p, m));
        chess_uci_write(&p, m, text);
        assert_string_equal(text, rows[i].written);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *fen, *text;
        enum err_code code;
    } rows[] = {
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "", ERR_INVALID },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e2", ERR_INVALID },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e2e9", ERR_INVALID },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "E2E4", ERR_INVALID },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e2e4 ", ERR_INVALID },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e2e4qq", ERR_INVALID },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "0000", ERR_INVALID },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "Nf3", ERR_INVALID },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e2e5", ERR_CONFLICT },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e7e5", ERR_CONFLICT },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e4e5", ERR_CONFLICT },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e2e4q", ERR_CONFLICT },
        { "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "e1g1", ERR_CONFLICT },
        { "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7a8", ERR_CONFLICT },
        { "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7a8k", ERR_INVALID },
        { "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7a8p", ERR_INVALID },
        { "1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7a8Q", ERR_INVALID },
        { "r3k2r/8/8/8/8/8/8/R3K2R w - - 0 1", "e1g1", ERR_CONFLICT },
        { "r3k2r/8/8/8/8/8/8/R3K2R w - - 0 1", "e1h1", ERR_CONFLICT },
        { "r3kr2/8/8/8/8/8/8/R3K2R w KQq - 0 1", "e1g1", ERR_CONFLICT },
        { "4k3/8/8/8/8/8/8/qRK5 w B - 0 1", "c1b1", ERR_CONFLICT },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chess_position p = position_of(rows[i].fen);
        chess_move m = 12345;
        err e = chess_uci_parse(&p, str_of(rows[i].text), &m);

        if (e.code != rows[i].code)
            fail_msg("'%s' in %s: %s", rows[i].text, rows[i].fen, e.code ? e.msg : "accepted");
        assert_int_equal(m, 12345);
    }
}

static void look_round_trip(const struct chess_position *p, struct rng *rng)
{
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(p, moves);

    for (int i = 0; i < count; i++) {
        char text[CHESS_UCI_BYTES];
        chess_move m = CHESS_MOVE_NONE;
        err e;

        chess_uci_write(p, moves[i], text);
        e = chess_uci_parse(p, str_of(text), &m);
        if (e.code)
            fail_msg("%s", e.msg);
        assert_int_equal(m, moves[i]);
    }
}

static void every_move_reads_back(void **state)
{
    random_games(61, 150, 250, look_round_trip);
}

static void no_move(void **state)
{
    struct chess_position p;
    char text[CHESS_UCI_BYTES];

    chess_position_start(&p);
    chess_uci_write(&p, CHESS_MOVE_NONE, text);
    assert_string_equal(text, "0000");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
        cmocka_unit_test(every_move_reads_back),
        cmocka_unit_test(no_move),
    };

    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
