/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a network learns from positions that nobody played, or a damaged file takes the
 * server down instead of being refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/chess/dataset_file.h"
#include "engine/chess/pgn.h"

static struct chess_row row_of(const char *fen)
{
    struct chess_row row = { .clock_cs = 12345, .eval_cp = -17 };
    err e = chess_fen_parse(str_of(fen), &row.sample.position);
    assert_int_equal(e.code, ERR_NONE);
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(&row.sample.position, moves);
    row.sample.move = count ? moves[count / 2] : CHESS_MOVE_NONE;
    row.sample.conditions = (struct chess_conditions){ 1801, 2755, CHESS_BLITZ };
    row.sample.outcome = -1;
    row.sample.game = 4000000000u;
    row.sample.ply = 4095;
    return row;
}

static void assert_same_position(const struct chess_position *a, const struct chess_position *b)
{
    char fen_a[CHESS_FEN_BYTES], fen_b[CHESS_FEN_BYTES];
    chess_fen_write(a, fen_a);
    chess_fen_write(b, fen_b);
    assert_string_equal(fen_a, fen_b);
    assert_memory_equal(a->pieces, b->pieces, sizeof a->pieces);
    assert_memory_equal(a->colors, b->colors, sizeof a->colors);
    assert_memory_equal(a->board, b->board, sizeof a->board);
    assert_memory_equal(a->castling_rook, b->castling_rook, sizeof a->castling_rook);
    assert_int_equal(a->en_passant, b->en_passant);
    assert_int_equal(a->turn, b->turn);
    assert_int_equal(a->is_960, b->is_960);
    assert_true(a->key == b->key);
    assert_true(chess_position_check(b));
}

/* Castling rights, en passant and Chess960 ride in the piece codes: each must come back as it went
 * in. */
static void positions_come_back_as_they_were(void **state)
{
    static const char *const fens[] = {
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
        "r3k2r/8/8/8/8/8/8/R3K2R b Kq - 7 30",
        "r3k2r/8/8/8/8/8/8/R3K2R w Qk - 0 30",
        "rnbqkbnr/ppp1p1pp/8/3pPp2/8/8/PPPP1PPP/RNBQKBNR w KQkq f6 0 3",
        "rnbqkbnr/pppp1ppp/8/8/3Pp3/8/PPP1PPPP/RNBQKBNR b KQkq d3 0 3",
        "8/8/8/4k3/8/8/4K3/8 w - - 99 200",
        "Q6Q/1Q4Q1/2Q2Q2/3QQ2k/8/8/8/K7 b - - 3 60",
        "nrkbbqrn/pppppppp/8/8/8/8/PPPPPPPP/NRKBBQRN w GBgb - 0 1", /* Chess960 */
    };
    for (size_t i = 0; i < COUNT_OF(fens); i++) {
        unsigned char bytes[CHESS_ROW_BYTES];
        struct chess_row row = row_of(fens[i]), back;
        memset(&back, 0xAA, sizeof back);
        assert_true(chess_row_pack(&row, bytes));
        chess_row_unpack(bytes, &back);
        assert_same_position(&row.sample.position, &back.sample.position);
        assert_int_equal(back.sample.move, row.sample.move);
        assert_int_equal(back.sample.outcome, -1);
        assert_int_equal(back.sample.game, 4000000000u);
        assert_int_equal(back.sample.ply, 4095);
        assert_int_equal(back.sample.conditions.rating_self, 1801);
        assert_int_equal(back.sample.conditions.rating_opponent, 2755);
        assert_int_equal(back.sample.conditions.speed, CHESS_BLITZ);
        assert_int_equal(back.clock_cs, 12345);
        assert_int_equal(back.eval_cp, -17);
    }
}

/* Every position of many random games, not just those that somebody thought of. */
static void random_games_survive(void **state)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int game = 0; game < 200; game++) {
        struct chess_row row = row_of("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1");
        struct chess_position *p = &row.sample.position;
        if (game % 2)
            chess_position_start_960(p, (int)rng_below(&rng, 960));
        for (int ply = 0; ply < 200; ply++) {
            chess_move moves[CHESS_MOVES_MAX];
            int count = chess_moves(p, moves);
            if (!count)
                break;
            unsigned char bytes[CHESS_ROW_BYTES];
            struct chess_row back;
            row.sample.outcome = (int8_t)((ply % 4) - 1);
            assert_true(chess_row_pack(&row, bytes));
            chess_row_unpack(bytes, &back);
            if (p->halfmoves > 255)
                break;
            assert_same_position(p, &back.sample.position);
            assert_int_equal(back.sample.outcome, row.sample.outcome);
            chess_move_make(p, moves[rng_below(&rng, (uint64_t)count)]);
        }
    }
}

static void more_pieces_than_fit_are_refused(void **state)
{
    struct chess_row row = row_of("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w - - 0 1");
    struct chess_position *p = &row.sample.position;
    unsigned char bytes[CHESS_ROW_BYTES];
    p->pieces[CHESS_KNIGHT] |= 1ULL << 36;
    p->colors[CHESS_WHITE] |= 1ULL << 36;
    p->board[36] = CHESS_KNIGHT;
    memset(bytes, 0x55, sizeof bytes);
    assert_false(chess_row_pack(&row, bytes));
    assert_int_equal(bytes[0], 0x55); /* untouched */
}

static void counters_saturate(void **state)
{
    struct chess_row row = row_of("8/8/8/4k3/8/8/4K3/8 w - - 0 1"), back;
    unsigned char bytes[CHESS_ROW_BYTES];
    row.sample.position.halfmoves = 1000;
    assert_true(chess_row_pack(&row, bytes));
    chess_row_unpack(bytes, &back);
    assert_int_equal(back.sample.position.halfmoves, 255);
}

static void games_come_back_as_they_were(void **state)
{
    struct chess_row_game game = {
        .first_row = 1ULL << 40,
        .row_count = 77,
        .split = CHESS_TEST,
        .result = CHESS_DRAW,
        .speed = CHESS_RAPID,
        .platform = 1,
        .white_rating = 1500,
        .black_rating = 0,
        .date = 19550000,
        .initial_s = -1,
        .increment_s = 30,
        .eco = 499,
    };
    memset(game.key, 0xC3, sizeof game.key);
    unsigned char bytes[CHESS_ROW_GAME_BYTES];
    struct chess_row_game back;
    memset(&back, 0, sizeof back);
    chess_row_game_pack(&game, bytes);
    chess_row_game_unpack(bytes, &back);
    assert_memory_equal(&back, &game, sizeof game);
}

/* ------------------------------------------------------------------ files */

enum { TRAIN_ROWS = 5, TEST_ROWS = 2, GAMES = 3 };

static struct buf file_make(void)
{
    struct buf b;
    unsigned char row[CHESS_ROW_BYTES], game[CHESS_ROW_GAME_BYTES];
    unsigned char head[CHESS_DATASET_HEAD_BYTES], foot[CHESS_DATASET_FOOT_BYTES];
    const uint64_t rows[CHESS_SPLIT_COUNT] = { TRAIN_ROWS, 0, TEST_ROWS };
    buf_init(&b, 65536);
    chess_dataset_head(head);
    buf_add_bytes(&b, head, sizeof head);
    for (unsigned i = 0; i < TRAIN_ROWS + TEST_ROWS; i++) {
        struct chess_row r = row_of("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1");
        r.sample.ply = (uint16_t)i;
        r.sample.game = i % GAMES;
        assert_true(chess_row_pack(&r, row));
        buf_add_bytes(&b, row, sizeof row);
    }
    for (unsigned i = 0; i < GAMES; i++) {
        struct chess_row_game g = { .row_count = i };
        chess_row_game_pack(&g, game);
        buf_add_bytes(&b, game, sizeof game);
    }
    chess_dataset_foot(rows, GAMES, foot);
    buf_add_bytes(&b, foot, sizeof foot);
    assert_int_equal(buf_check(&b).code, ERR_NONE);
    return b;
}

static void a_file_is_read_by_split(void **state)
{
    struct buf b = file_make();
    struct chess_dataset *ds;
    assert_int_equal(chess_dataset_open_bytes(buf_str(&b), &ds).code, ERR_NONE);
    assert_int_equal(chess_dataset_rows(ds, CHESS_TRAIN), TRAIN_ROWS);
    assert_int_equal(chess_dataset_rows(ds, CHESS_VALID), 0);
    assert_int_equal(chess_dataset_rows(ds, CHESS_TEST), TEST_ROWS);
    assert_int_equal(chess_dataset_rows_all(ds), TRAIN_ROWS + TEST_ROWS);
    assert_int_equal(chess_dataset_games(ds), GAMES);

    struct chess_sample_source source;
    struct chess_sample s;
    chess_dataset_source(ds, CHESS_TEST, &source);
    assert_int_equal(source.count, TEST_ROWS);
    source.get(source.arg, 1, &s);
    assert_int_equal(s.ply, TRAIN_ROWS + 1); /* behind train, valid is empty */

    struct chess_row_game game;
    chess_dataset_game(ds, 2, &game);
    assert_int_equal(game.row_count, 2);
    chess_dataset_close(ds);
    buf_deinit(&b);
}

/* A file that was cut off or written over anywhere in its ends must be refused, never read past. */
static void damaged_files_are_refused(void **state)
{
    struct buf b = file_make();
    struct chess_dataset *ds = NULL;
    for (size_t len = 0; len < b.len; len++) {
        char *exact = malloc(len ? len : 1);
        memcpy(exact, b.ptr, len);
        assert_int_not_equal(chess_dataset_open_bytes(str_from(exact, len), &ds).code, ERR_NONE);
        free(exact);
    }
    for (size_t at = b.len - CHESS_DATASET_FOOT_BYTES; at < b.len; at++) {
        char *copy = malloc(b.len);
        memcpy(copy, b.ptr, b.len);
        copy[at] = (char)(copy[at] ^ 0x81);
        err e = chess_dataset_open_bytes(str_from(copy, b.len), &ds);
        bool reserved = at - (b.len - CHESS_DATASET_FOOT_BYTES) >= 10 &&
                        at - (b.len - CHESS_DATASET_FOOT_BYTES) < 16;
        bool tail = at - (b.len - CHESS_DATASET_FOOT_BYTES) >= 56;
        if (reserved || tail) {
            assert_int_equal(e.code, ERR_NONE);
            chess_dataset_close(ds);
        } else {
            assert_int_not_equal(e.code, ERR_NONE);
        }
        free(copy);
    }
    buf_deinit(&b);
}

static void names_and_codes(void **state)
{
    enum chess_split split;
    assert_int_equal(chess_split_parse(STR("valid"), &split).code, ERR_NONE);
    assert_int_equal(split, CHESS_VALID);
    assert_int_equal(chess_split_parse(STR("val"), &split).code, ERR_NONE);
    assert_int_equal(chess_split_parse(STR("Train"), &split).code, ERR_INVALID);

    static const struct {
        const char *text;
        uint16_t eco;
    } ecos[] = { { "A00", 0 },
                 { "B20", 120 },
                 { "E99", 499 },
                 { "F00", CHESS_ECO_NONE },
                 { "", CHESS_ECO_NONE },
                 { "B2", CHESS_ECO_NONE },
                 { "b20", CHESS_ECO_NONE },
                 { "C42g", 242 } };
    for (size_t i = 0; i < COUNT_OF(ecos); i++)
        assert_int_equal(chess_eco_parse(str_of(ecos[i].text)), ecos[i].eco);
    char text[4];
    chess_eco_write(242, text);
    assert_string_equal(text, "C42");
    chess_eco_write(CHESS_ECO_NONE, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_come_back_as_they_were),
        cmocka_unit_test(random_games_survive),
        cmocka_unit_test(more_pieces_than_fit_are_refused),
        cmocka_unit_test(counters_saturate),
        cmocka_unit_test(games_come_back_as_they_were),
        cmocka_unit_test(a_file_is_read_by_split),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(names_and_codes),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
