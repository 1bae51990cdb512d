/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packed games: what is kept for years must come back as it was, and bytes that were damaged on the
 * way must be noticed and do no harm. */
#include "board_help.h"
#include "pgn_help.h"

#include "base/buf.h"
#include "engine/chess/pack.h"
#include "engine/chess/pack_internal.h"

enum { PACKED_MAX = 1 << 20, ARENA_MAX = 4 << 20 };

/* ------------------------------------------------------------------ there and back */

static void assert_same_str(str a, str b)
{
    if (!str_eq(a, b))
        fail_msg("'%.*s' became '%.*s'", STR_ARG(a), STR_ARG(b));
}

static void assert_same_game(const struct pgn_game *a, const struct pgn_game *b)
{
    assert_int_equal(a->ply_count, b->ply_count);
    assert_int_equal(a->result, b->result);
    assert_int_equal(a->has_fen, b->has_fen);
    assert_memory_equal(&a->start, &b->start, sizeof a->start);
    assert_int_equal(a->tag_count, b->tag_count);
    for (size_t i = 0; i < a->tag_count; i++) {
        assert_same_str(a->tags[i].name, b->tags[i].name);
        assert_same_str(a->tags[i].value, b->tags[i].value);
    }
    assert_int_equal(a->clock_cs != NULL, b->clock_cs != NULL);
    assert_int_equal(a->eval_cp != NULL, b->eval_cp != NULL);
    assert_int_equal(a->nags != NULL, b->nags != NULL);
    for (size_t ply = 0; ply < a->ply_count; ply++) {
        assert_int_equal(a->moves[ply], b->moves[ply]);
        assert_true(!a->clock_cs || a->clock_cs[ply] == b->clock_cs[ply]);
        assert_true(!a->eval_cp || a->eval_cp[ply] == b->eval_cp[ply]);
        assert_true(!a->nags || a->nags[ply] == b->nags[ply]);
    }
}

/* Packs, reads back, compares; and walks. Returns the packed size without tags. */
static size_t there_and_back(const struct pgn_game *g, struct buf *packed)
{
    arena keep;
    struct pgn_game again;
    struct pack_walk w;
    struct chess_position p = g->start;
    size_t ply = 0;

    buf_clear(packed);
    err e = pack_game_write(g, packed);
    if (e.code)
        fail_msg("%s", e.msg);
    arena_init(&keep, ARENA_MAX);
    e = pack_game_read(buf_str(packed), &keep, &again);
    if (e.code)
        fail_msg("%s", e.msg);
    assert_same_game(g, &again);
    arena_deinit(&keep);

    assert_int_equal(pack_walk_begin(buf_str(packed), &w).code, ERR_NONE);
    for (; pack_walk_next(&w); ply++) {
        assert_int_equal(w.ply, ply);
        assert_int_equal(w.move, g->moves[ply]);
        assert_int_equal(w.position.key, p.key);
        assert_int_equal(w.clock_cs, g->clock_cs ? g->clock_cs[ply] : PGN_CLOCK_NONE);
        assert_int_equal(w.eval_cp, g->eval_cp ? g->eval_cp[ply] : PGN_EVAL_NONE);
        chess_move_make(&p, w.move);
    }
    assert_int_equal(ply, g->ply_count);
    assert_int_equal(w.position.key, p.key);
    assert_false(pack_walk_next(&w)); /* the end stays the end */
    assert_int_equal(pack_walk_end(&w).code, ERR_NONE);

    struct pgn_game bare = *g;
    bare.tag_count = 0;
    buf_clear(packed);
    assert_int_equal(pack_game_write(&bare, packed).code, ERR_NONE);
    return packed->len;
}

static void real_games(void **state)
{
    static const char *const names[] = { "lichess_db_2021-10_excerpt", "lichess_user_cubicinfinity",
                                         "lichess_user_rivergrove" };
    const char *folder = getenv("SKERRY_EXAMPLES");
    size_t games = 0, plies = 0, clocks = 0, evals = 0, bytes = 0;
    struct buf packed;

    buf_init(&packed, PACKED_MAX);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[512];
        struct pgn_source *source;
        struct pgn_reader *reader;
        const struct pgn_game *g;

        snprintf(path, sizeof path, "%s/%s.pgn.zst", folder ? folder : "examples/games", names[i]);
        err e = pgn_source_open(path, &source);
        if (e.code)
            fail_msg("%s", e.msg);
        assert_int_equal(pgn_reader_open(source, NULL, &reader).code, ERR_NONE);
        for (;;) {
            assert_int_equal(pgn_next(reader, &g).code, ERR_NONE);
            if (!g)
                break;
            bytes += there_and_back(g, &packed);
            games++;
            plies += g->ply_count;
            clocks += g->clock_cs ? g->ply_count : 0;
            evals += g->eval_cp ? g->ply_count : 0;
        }
        pgn_reader_close(reader);
        pgn_source_close(source);
    }
    assert_int_equal(games, 2179);
    /* About a byte a move, a clock or an eval. */
    assert_in_range(bytes, plies, (plies + clocks + evals) * 120 / 100);
    buf_deinit(&packed);
}

static void made_games(void **state)
{
    static const char *const texts[] = {
        "1. e4 *",
        "[Event \"\"]\n\n*",
        "[Event \"E\"]\n[Zzz \"own name\"]\n[Site \"https://lichess.org/abcdefgh\"]\n[Opening "
        "\"French Defense: "
        "Advance\"]\n\n1. e4 e6 1-0",
        "[Event \"Rated\"]\n[Site \"https\"]\n\n1. e4 e6 1/2-1/2",
        "[FEN \"4k3/8/8/8/8/8/4P3/4K3 b - - 3 20\"]\n\n20... Kd7 21. e4 0-1",
        "[Variant \"Chess960\"]\n[FEN \"bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w "
        "HFhf - 2 9\"]\n\n9. Nf3 Ne7 *",
        "[Variant \"Chess960\"]\n\n1. Nf3 *",
        "1. e4 {[%clk 0:01:00]} e5 2. Nf3 {[%clk 0:01:03]} Nc6 {[%clk 2777:46:40]} 3. a3 {[%clk "
        "0:00:00]} *",
        "1. e4 {[%clk 0:01:00.1]} e5 {[%clk 0:00:00.5]} *",
        "1. e4 {[%clk 0:01:00.01]} e5 {[%clk 0:00:00.99]} *",
        "1. e4 {[%eval #1]} e5 {[%eval #-1]} 2. Nf3 {[%eval 300.0]} Nc6 3. a3 {[%eval -300.0]} *",
        "1. e4 e5 $1 2. Nf3 $255 Nc6 3. a3 a6 4. b3 $3 *",
        "1. e4 $1 *",
    };
    struct buf packed;

    buf_init(&packed, PACKED_MAX);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct one_game one = open_game(str_of(texts[i]));

        if (i > 1)
            assert_true(one.game->ply_count > 0);
        there_and_back(one.game, &packed);
        close_game(&one);
    }
    buf_deinit(&packed);
}

static struct buf random_packed;

static void pack_position(const struct chess_position *p, struct rng *rng)
{
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(p, moves);
    struct pgn_game g = { .start = *p, .has_fen = true, .ply_count = 1 };

    (void)rng;
    /* Each legal move alone: all numbers of the format are used. */
    g.start.fullmoves = 1;
    for (int i = 0; i < count; i++) {
        g.moves = &moves[i];
        there_and_back(&g, &random_packed);
    }
}

static void every_move_packs(void **state)
{
    buf_init(&random_packed, PACKED_MAX);
    random_games(3, 6, 150, pack_position);
    buf_deinit(&random_packed);
}

/* Nine queens and all other pieces: numbers beyond a byte. */
static void crowded_board(void **state)
{
    static const char men[] = "KQQQQQQQQQRRBBNNk";
    struct rng rng;
    int positions = 0;
    size_t escapes = 0;

    buf_init(&random_packed, PACKED_MAX);
    rng_init(&rng, 17);
    while (positions < 20) {
        char board[64] = { 0 }, fen[128];
        size_t at = 0;
        struct chess_position p;
        chess_move moves[CHESS_MOVES_MAX];

        for (size_t i = 0; men[i]; i++) {
            size_t square = (size_t)rng_below(&rng, 64);

            while (board[square])
                square = (square + 1) % 64;
            board[square] = men[i];
        }
        for (size_t square = 0; square < 64; square++) {
            if (square && square % 8 == 0)
                fen[at++] = '/';
            fen[at++] = board[square] ? board[square] : '1';
        }
        at += (size_t)snprintf(fen + at, sizeof fen - at, " w - - 0 1");
        if (chess_fen_parse(str_from(fen, at), &p).code)
            continue; /* nine queens usually give check */
        positions++;
        pack_position(&p, &rng);
        int count = chess_moves(&p, moves);
        for (int i = 0; i < count; i++)
            escapes += chess_move_index(&p, moves[i]) >= PACK_INDEX_ESCAPE;
    }
    assert_true(escapes > 0);
    buf_deinit(&random_packed);
}

static void refused_games(void **state)
{
    static const chess_move bad[] = { 12 | 28 << 6, 12 | 28 << 6 };
    static const uint32_t clocks[] = { 0x80000000u };
    struct pgn_game g = { .ply_count = 2, .moves = bad };
    struct buf packed;

    buf_init(&packed, PACKED_MAX);
    chess_position_start(&g.start);
    assert_int_equal(pack_game_write(&g, &packed).code, ERR_INVALID); /* black cannot play e2e4 */
    assert_int_equal(packed.len, 0);
    g.ply_count = 1;
    g.clock_cs = clocks;
    assert_int_equal(pack_game_write(&g, &packed).code, ERR_INVALID);
    g.clock_cs = NULL;
    g.ply_count = PGN_PLIES_MAX + 1;
    assert_int_equal(pack_game_write(&g, &packed).code, ERR_TOO_BIG);
    buf_deinit(&packed);
}

/* ------------------------------------------------------------------ damage */

static const char some_game[] =
    "[Event \"E\"]\n[Own \"x\"]\n[FEN \"4k3/8/8/8/8/8/4P3/4K3 b - - 3 20\"]\n\n20... Kd7 $3 "
    "{[%clk 0:01:00] [%eval 0.5]} 21. e4 {[%clk 0:00:59] [%eval 0.4]} Ke6 *";

/* Every bit of a packed game: the checksum notices; and even with a right checksum nothing bad
 * happens. */
static void flipped_bits(void **state)
{
    struct one_game one = open_game(str_of(some_game));
    struct buf packed;
    size_t survived = 0;

    buf_init(&packed, PACKED_MAX);
    assert_int_equal(pack_game_write(one.game, &packed).code, ERR_NONE);
    for (size_t bit = 0; bit < packed.len * 8; bit++) {
        arena keep;
        struct pgn_game g;
        struct pack_walk w;

        arena_init(&keep, ARENA_MAX);
        packed.ptr[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(pack_game_read(buf_str(&packed), &keep, &g).code, ERR_CORRUPT);
        char kept[PACK_CHECKSUM_BYTES];
        memcpy(kept, packed.ptr, sizeof kept);
        uint32_t crc = pack_crc(str_from(packed.ptr + sizeof kept, packed.len - sizeof kept));
        for (int i = 0; i < 4; i++)
            packed.ptr[i] = (char)(crc >> (8 * i));
        err e = pack_game_read(buf_str(&packed), &keep, &g);
        assert_true(e.code == ERR_NONE || e.code == ERR_CORRUPT || e.code == ERR_UNSUPPORTED);
        if (!e.code) {
            assert_game(
                &(struct pgn_game){ .start = g.start, .moves = g.moves, .ply_count = g.ply_count });
            survived++;
        }
        if (!pack_walk_begin(buf_str(&packed), &w).code) {
            while (pack_walk_next(&w))
                assert_true(w.ply < PGN_PLIES_MAX);
        }
        memcpy(packed.ptr, kept, sizeof kept);
        packed.ptr[bit / 8] ^= (char)(1 << bit % 8);
        arena_deinit(&keep);
    }
    assert_true(survived > 0 && survived < packed.len * 8);
    buf_deinit(&packed);
    close_game(&one);
}

static void cut_games(void **state)
{
    struct one_game one = open_game(str_of(some_game));
    struct buf packed;

    buf_init(&packed, PACKED_MAX);
    assert_int_equal(pack_game_write(one.game, &packed).code, ERR_NONE);
    for (size_t len = 0; len < packed.len; len++) {
        arena keep;
        struct pgn_game g;
        struct pack_walk w;
        char *exact = malloc(len ? len : 1); /* so that a sanitizer sees one byte too far */

        assert_non_null(exact);
        memcpy(exact, packed.ptr, len);
        arena_init(&keep, ARENA_MAX);
        assert_int_equal(pack_game_read(str_from(exact, len), &keep, &g).code, ERR_CORRUPT);
        if (!pack_walk_begin(str_from(exact, len), &w).code) {
            while (pack_walk_next(&w))
                continue;
        }
        arena_deinit(&keep);
        free(exact);
    }
    buf_deinit(&packed);
    close_game(&one);
}

static void small_arena(void **state)
{
    struct one_game one = open_game(str_of(some_game));
    struct buf packed;
    arena keep;
    struct pgn_game g;

    buf_init(&packed, PACKED_MAX);
    assert_int_equal(pack_game_write(one.game, &packed).code, ERR_NONE);
    arena_init(&keep, 64);
    assert_int_equal(pack_game_read(buf_str(&packed), &keep, &g).code, ERR_NO_MEMORY);
    arena_deinit(&keep);
    buf_deinit(&packed);
    close_game(&one);
}

/* ------------------------------------------------------------------ packs */

enum { PACK_GAMES = 50 };

static void fill_pack(struct pack_writer *w, uint32_t games)
{
    for (uint32_t i = 0; i < games; i++) {
        char text[128];
        uint32_t index;

        snprintf(text, sizeof text, "[Event \"%u\"]\n\n1. e4 e5 2. Nf3 Nc6 3. Bb5 %s *", i,
                 i % 2 ? "a6" : "Nf6");
        struct one_game one = open_game(str_of(text));
        assert_int_equal(pack_writer_add(w, one.game, &index).code, ERR_NONE);
        assert_int_equal(index, i);
        close_game(&one);
    }
}

static void packs(void **state)
{
    struct pack_writer w, copy;
    str pack, game, pack_copy;
    uint32_t count;

    assert_int_equal(pack_writer_init(&w, PACK_GAMES, PACKED_MAX).code, ERR_NONE);
    assert_int_equal(pack_writer_init(&copy, PACK_GAMES, PACKED_MAX).code, ERR_NONE);
    fill_pack(&w, PACK_GAMES);
    assert_int_equal(pack_writer_finish(&w, &pack).code, ERR_NONE);
    assert_int_equal(pack_open(pack, &count).code, ERR_NONE);
    assert_int_equal(count, PACK_GAMES);
    for (uint32_t i = 0; i < count; i++) {
        arena keep;
        struct pgn_game g;
        char number[16];
        uint32_t index;

        arena_init(&keep, ARENA_MAX);
        assert_int_equal(pack_game(pack, i, &game).code, ERR_NONE);
        assert_int_equal(pack_game_read(game, &keep, &g).code, ERR_NONE);
        snprintf(number, sizeof number, "%u", i);
        assert_str(pgn_game_tag(&g, "Event"), number);
        assert_int_equal(g.ply_count, 6);
        arena_deinit(&keep);
        assert_int_equal(pack_writer_add_packed(&copy, game, &index).code, ERR_NONE);
    }
    assert_int_equal(pack_game(pack, count, &game).code, ERR_NOT_FOUND);
    /* Adding packed games gives the same bytes. */
    assert_int_equal(pack_writer_finish(&copy, &pack_copy).code, ERR_NONE);
    assert_same_str(pack, pack_copy);
    /* The writer can be used again. */
    pack_writer_clear(&w);
    assert_int_equal(pack_writer_finish(&w, &pack).code, ERR_NONE);
    assert_int_equal(pack_open(pack, &count).code, ERR_NONE);
    assert_int_equal(count, 0);
    pack_writer_deinit(&w);
    pack_writer_deinit(&copy);
}

/* A full pack stays as it was and can be finished. */
static void full_packs(void **state)
{
    static const size_t sizes[] = { 200, 201, 230, 255, 260, 300, 333, 400 };
    struct one_game one = open_game(STR("[Event \"E\"]\n\n1. e4 e5 2. Nf3 Nc6 *"));
    uint32_t index, count;
    struct pack_writer w;
    str pack;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        uint32_t added = 0;

        assert_int_equal(pack_writer_init(&w, 100, sizes[i]).code, ERR_NONE);
        err e = OK;
        while (!e.code) {
            e = pack_writer_add(&w, one.game, &index);
            added += !e.code;
        }
        assert_int_equal(e.code, ERR_TOO_BIG);
        assert_true(added > 2 && added < 100);
        assert_int_equal(pack_writer_finish(&w, &pack).code, ERR_NONE);
        assert_true(pack.len <= sizes[i]);
        assert_int_equal(pack_open(pack, &count).code, ERR_NONE);
        assert_int_equal(count, added);
        pack_writer_deinit(&w);
    }
    assert_int_equal(pack_writer_init(&w, 2, PACKED_MAX).code, ERR_NONE);
    assert_int_equal(pack_writer_add(&w, one.game, &index).code, ERR_NONE);
    assert_int_equal(pack_writer_add(&w, one.game, &index).code, ERR_NONE);
    assert_int_equal(pack_writer_add(&w, one.game, &index).code, ERR_TOO_BIG);
    pack_writer_deinit(&w);
    assert_int_equal(pack_writer_init(&w, SIZE_MAX / 2, PACKED_MAX).code, ERR_INVALID);
    assert_int_equal(pack_writer_init(&w, 1, SIZE_MAX / 2).code, ERR_INVALID);
    close_game(&one);
}

static void damaged_packs(void **state)
{
    struct pack_writer w;
    str pack, game;
    uint32_t count;

    assert_int_equal(pack_writer_init(&w, 3, PACKED_MAX).code, ERR_NONE);
    fill_pack(&w, 3);
    assert_int_equal(pack_writer_finish(&w, &pack).code, ERR_NONE);
    char *bytes = malloc(pack.len);
    assert_non_null(bytes);
    for (size_t bit = 0; bit < pack.len * 8; bit++) {
        memcpy(bytes, pack.ptr, pack.len);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        str damaged = str_from(bytes, pack.len);
        bool noticed = pack_open(damaged, &count).code != ERR_NONE;
        for (uint32_t i = 0; i < 3; i++) {
            err e = pack_game(damaged, i, &game);
            noticed = noticed || e.code;
        }
        assert_true(noticed || (bit >= 16 * 8 && bit < 24 * 8)); /* eight bytes say nothing yet */
    }
    for (size_t len = 0; len < pack.len; len++) {
        char *exact = malloc(len ? len : 1);
        str cut = str_from(exact, len);

        assert_non_null(exact);
        memcpy(exact, pack.ptr, len);
        assert_int_equal(pack_open(cut, &count).code, ERR_CORRUPT);
        for (uint32_t i = 0; i < 4;
             i++) { /* pack_open has warned; now nothing must be read outside */
            if (!pack_game(cut, i, &game).code)
                assert_true(game.ptr >= cut.ptr && game.ptr + game.len <= cut.ptr + cut.len);
        }
        free(exact);
    }
    uint32_t index;
    bytes[0] = 1;
    pack_writer_clear(&w);
    assert_int_equal(pack_writer_add_packed(&w, str_from(bytes, 40), &index).code, ERR_CORRUPT);
    free(bytes);
    pack_writer_deinit(&w);
}

/* ------------------------------------------------------------------ identity */

static void identity(void **state)
{
    static const char base[] =
        "[White \"A\"]\n[Black \"B\"]\n[Date \"2020.01.01\"]\n[Result \"1-0\"]\n\n1. e4 e5 1-0";
    static const struct {
        const char *text;
        bool same;
    } cases[] = {
        { "[Event \"other\"]\n[White \" A \"]\n[Black \"B\"]\n[Date \"2020.01.01\"]\n\n1. e4 {x} "
          "e5 $1 1-0",
          true },
        { "[White \"A\"]\n[Black \"B\"]\n[Date \"2020.01.01\"]\n\n1. e4 e5 0-1", false },
        { "[White \"A\"]\n[Black \"B\"]\n[Date \"2020.01.02\"]\n\n1. e4 e5 1-0", false },
        { "[White \"AB\"]\n[Black \"\"]\n[Date \"2020.01.01\"]\n\n1. e4 e5 1-0", false },
        { "[White \"B\"]\n[Black \"A\"]\n[Date \"2020.01.01\"]\n\n1. e4 e5 1-0", false },
        { "[White \"A\"]\n[Black \"B\"]\n[Date \"2020.01.01\"]\n\n1. e4 e6 1-0", false },
        { "[White \"A\"]\n[Black \"B\"]\n[Date \"2020.01.01\"]\n\n1. e4 1-0", false },
        { "[White \"A\"]\n[Black \"B\"]\n[Date \"2020.01.01\"]\n[FEN "
          "\"rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - "
          "0 2\"]\n\n2. e4 e5 1-0",
          false },
    };
    uint8_t wanted[16], got[16];
    struct one_game one = open_game(str_of(base));

    pack_game_identity(one.game, wanted);
    close_game(&one);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        one = open_game(str_of(cases[i].text));
        pack_game_identity(one.game, got);
        assert_int_equal(memcmp(got, wanted, 16) == 0, cases[i].same);
        close_game(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_games),
        cmocka_unit_test(made_games),
        cmocka_unit_test(every_move_packs),
        cmocka_unit_test(crowded_board),
        cmocka_unit_test(refused_games),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(cut_games),
        cmocka_unit_test(small_arena),
        cmocka_unit_test(packs),
        cmocka_unit_test(full_packs),
        cmocka_unit_test(damaged_packs),
        cmocka_unit_test(identity),
    };

    chess_init();
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
