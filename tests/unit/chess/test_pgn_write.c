/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Export: what leaves the program as PGN must come back as the same game, here and in other
 * programs. */
#include "pgn_help.h"

#include "base/buf.h"

enum { TEXT_MAX = 1 << 20 };

static void known_text(void **state)
{
    static const char in[] =
        "[Black \"B \\\"x\\\"\"]\n[White \"A\"]\n[ECO \"C20\"]\n[Event \"E\"]\n\n"
        "1. e4 {[%clk 0:01:00]} e5 2. Nf3 $1 {[%eval -0.05] [%clk 1:00:00.5]} Nc6 0-1";
    static const char out[] =
        "[Event \"E\"]\n[Site \"?\"]\n[Date \"????.??.??\"]\n[Round \"?\"]\n[White \"A\"]\n"
        "[Black \"B \\\"x\\\"\"]\n[Result \"0-1\"]\n[ECO \"C20\"]\n\n"
        "1. e4 { [%clk 0:01:00] } 1... e5 2. Nf3 $1 { [%eval -0.05] [%clk 1:00:00.5] }\n"
        "2... Nc6 0-1\n";
    struct one_game one = open_game(str_of(in));
    struct buf text;

    buf_init(&text, TEXT_MAX);
    assert_int_equal(pgn_write(one.game, &text).code, ERR_NONE);
    assert_str(buf_str(&text), out);
    buf_deinit(&text);
    close_game(&one);
}

/* Moves, clocks, evals, glyphs, start and result; the tags by name. */
static void assert_same_game(const struct pgn_game *a, const struct pgn_game *b)
{
    assert_int_equal(a->ply_count, b->ply_count);
    assert_int_equal(a->result, b->result);
    assert_int_equal(a->start.key, b->start.key);
    assert_int_equal(a->start.fullmoves, b->start.fullmoves);
    assert_int_equal(a->start.is_960, b->start.is_960);
    assert_int_equal(a->has_fen, b->has_fen);
    assert_memory_equal(a->moves, b->moves, a->ply_count * sizeof *a->moves);
    assert_int_equal(a->clock_cs != NULL, b->clock_cs != NULL);
    assert_int_equal(a->eval_cp != NULL, b->eval_cp != NULL);
    assert_int_equal(a->nags != NULL, b->nags != NULL);
    if (a->clock_cs)
        assert_memory_equal(a->clock_cs, b->clock_cs, a->ply_count * sizeof *a->clock_cs);
    if (a->eval_cp)
        assert_memory_equal(a->eval_cp, b->eval_cp, a->ply_count * sizeof *a->eval_cp);
    if (a->nags)
        assert_memory_equal(a->nags, b->nags, a->ply_count);
    for (size_t i = 0; i < a->tag_count; i++) {
        if (str_eq(a->tags[i].name, STR("Result")) || str_eq(a->tags[i].name, STR("FEN")))
            continue; /* the result of the moves, and a position in its one spelling */
        str other = STR("(none)");
        for (size_t j = 0; j < b->tag_count; j++) {
            if (str_eq(a->tags[i].name, b->tags[j].name))
                other = b->tags[j].value;
        }
        if (!str_eq(a->tags[i].value, other))
            fail_msg("tag %.*s: '%.*s' became '%.*s'", STR_ARG(a->tags[i].name),
                     STR_ARG(a->tags[i].value), STR_ARG(other));
    }
}

static void assert_lines(str text)
{
    str rest = text;

    while (rest.len) {
        str line = str_split(&rest, '\n');

        if (line.len > 80 && line.ptr[0] != '[')
            fail_msg("a line of %zu columns: %.*s", line.len, STR_ARG(line));
    }
}

static void write_and_read(const struct pgn_game *g)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    assert_int_equal(pgn_write(g, &text).code, ERR_NONE);
    assert_lines(buf_str(&text));
    struct one_game again = open_game(buf_str(&text));
    assert_same_game(g, again.game);
    close_game(&again);
    buf_deinit(&text);
}

static void made_games(void **state)
{
    static const char *const texts[] = {
        "[Event \"\"]\n\n*",
        "[Event \"back\\\\slash\"]\n[Site \"quo\\\"te\"]\n[Extra \"\"]\n\n1. e4 1-0",
        "[FEN \"4k3/8/8/8/8/8/4P3/4K3 b - - 3 20\"]\n\n20... Kd7 21. e4 1/2-1/2",
        "[Variant \"Chess960\"]\n[FEN \"bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w "
        "HFhf - 2 9\"]\n\n9. Nf3 Ne7 *",
        "[Variant \"Chess960\"]\n\n1. Nf3 *",
        "[Event \"E\"]\n\n1. e4 {[%eval #3]} e5 {[%eval #-12]} 2. Nf3 {[%eval #0]} Nc6 {[%eval "
        "#0]} 3. a3 {[%eval #-0]} *",
        "[Event \"E\"]\n\n1. e4 {[%eval 300.0]} e5 {[%eval -300.0]} 2. Nf3 {[%eval 0.01]} Nc6 "
        "{[%eval -0.01]} *",
        "[Event \"E\"]\n\n1. e4 {[%clk 0:00:00.01]} e5 {[%clk 0:00:00.1]} 2. Nf3 {[%clk "
        "123:59:59]} *",
        "[Event \"E\"]\n\n1. e4 $139 e5 $255 2. Nf3 *",
        "[Event \"E\"]\n\n1. e4 {[%clk 0:01:00]} e5 2. Nf3 {[%eval 0.1]} *",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct one_game one = open_game(str_of(texts[i]));

        write_and_read(one.game);
        close_game(&one);
    }
}

static void real_games(void **state)
{
    static const char *const names[] = { "lichess_db_2021-10_excerpt", "lichess_user_rivergrove" };
    const char *folder = getenv("SKERRY_EXAMPLES");
    size_t count = 0;

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
        while (pgn_next(reader, &g).code == ERR_NONE && g) {
            write_and_read(g);
            count++;
        }
        pgn_reader_close(reader);
        pgn_source_close(source);
    }
    assert_int_equal(count, 1500);
}

/* A caller's limit is kept, and told. */
static void full_buffer(void **state)
{
    struct one_game one = open_game(STR("[Event \"E\"]\n\n1. e4 e5 *"));
    struct buf text;

    buf_init(&text, 40);
    assert_int_equal(pgn_write(one.game, &text).code, ERR_TOO_BIG);
    assert_true(text.len <= 40);
    buf_deinit(&text);
    close_game(&one);
}

/* A game that did not come from PGN may hold anything: nobody must be able to write tags or moves
 * of their own into an export through a name. */
static void hostile_values(void **state)
{
    struct one_game one = open_game(STR("[Event \"E\"]\n\n1. e4 *"));
    struct pgn_game g = *one.game;
    struct buf text;

    g.tags[0] = (struct pgn_tag){ STR("White"), STR("x\"]\n[Black \"y") };
    g.tags[1] = (struct pgn_tag){ STR("bad name \"]"), STR("z") };
    g.tag_count = 2;
    buf_init(&text, TEXT_MAX);
    assert_int_equal(pgn_write(&g, &text).code, ERR_NONE);
    struct one_game again = open_game(buf_str(&text));
    assert_str(pgn_game_tag(again.game, "White"), "x\"] [Black \"y");
    assert_str(pgn_game_tag(again.game, "Black"), "?");
    assert_int_equal(again.game->tag_count, 7);
    close_game(&again);
    buf_deinit(&text);
    close_game(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_text),     cmocka_unit_test(made_games),
        cmocka_unit_test(real_games),     cmocka_unit_test(full_buffer),
        cmocka_unit_test(hostile_values),
    };

    return cmocka_run_group_tests_name("pgn_write", tests, NULL, NULL);
}
