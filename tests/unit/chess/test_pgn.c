/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PGN reader: an import must keep every good game of a file, and say which others it left out
 * and why, whatever the file looks like. */
#include "pgn_help.h"

#define TAGS "[Event \"E\"]\n[White \"A\"]\n[Black \"B\"]\n[Result \"1-0\"]\n\n"

/* One row: a text, what should be counted, and for a refused game its line and a part of the
 * reason. */
struct row {
    const char *name, *text;
    unsigned games, refused, plies, empty;
    unsigned line;
    const char *reason;
};

static const struct row rows[] = {
    { "nothing", "", 0, 0, 0, 0, 0, NULL },
    { "white space", " \n\t\r\n ", 0, 0, 0, 0, 0, NULL },
    { "plain", TAGS "1. e4 e5 2. Nf3 Nc6 1-0\n", 1, 0, 4, 0, 0, NULL },
    { "numbers glued", TAGS "1.e4 e5 2.Nf3 Nc6 1-0", 1, 0, 4, 0, 0, NULL },
    { "no numbers", TAGS "e4 e5 Nf3 Nc6 1-0", 1, 0, 4, 0, 0, NULL },
    { "numbers for black", TAGS "1. e4 1... e5 2. Nf3 2...Nc6 1-0", 1, 0, 4, 0, 0, NULL },
    { "dots apart", TAGS "1 . e4 1 ... e5 2 Nf3 . . Nc6 1-0", 1, 0, 4, 0, 0, NULL },
    { "one move a line", TAGS "1.\ne4\ne5\n2.\nNf3\n\nNc6\n1-0", 1, 0, 4, 0, 0, NULL },
    { "carriage returns", "[Event \"E\"]\r[Result \"*\"]\r\r1. e4 e5\r2. Nf3 *\r", 1, 0, 3, 0, 0,
      NULL },
    { "CR LF", "[Event \"E\"]\r\n\r\n1. e4 e5\r\n2. Nf3 *\r\n", 1, 0, 3, 0, 0, NULL },
    { "no result", TAGS "1. e4 e5\n\n" TAGS "1. d4", 2, 0, 3, 0, 0, NULL },
    { "no tags", "1. e4 e5 1-0\n\n1. d4 d5 0-1\n", 2, 0, 4, 0, 0, NULL },
    { "no blank lines", "[Event \"E\"]\n1. e4 *\n[Event \"F\"]\n1. d4 *\n", 2, 0, 2, 0, 0, NULL },
    { "glued", "[Event \"E\"]1. e4 *[Event \"F\"][Site \"S\"]1. d4 1-0[Event \"G\"]1-0", 3, 0, 2, 1,
      0, NULL },
    { "tags only", "[Event \"E\"]\n[Site \"S\"]\n\n[Event \"F\"]\n[Site \"S\"]\n", 2, 0, 0, 2, 0,
      NULL },
    { "tags and result only", TAGS "1-0\n\n" TAGS "1-0\n", 2, 0, 0, 2, 0, NULL },
    { "empty line in tags", "[Event \"E\"]\n\n[Site \"S\"]\n[Date \"2020\"]\n\n1. e4 *", 1, 0, 1, 0,
      0, NULL },
    { "tags without event",
      "[White \"A\"]\n[Black \"B\"]\n\n[White \"C\"]\n[Black \"D\"]\n\n1. e4 *", 2, 0, 1, 1, 0,
      NULL },
    { "comments", TAGS "{a} 1. e4 {b [c] (d) $1 1-0} e5 ; rest } 1-0\n2. Nf3 {} 1-0 {after}\n", 1,
      0, 3, 0, 0, NULL },
    { "comment over lines", TAGS "1. e4 {one\n\ntwo\n} e5 1-0", 1, 0, 2, 0, 0, NULL },
    { "escaped line", TAGS "% [Event \"no\"]\n1. e4\n%1. d4\ne5 1-0", 1, 0, 2, 0, 0, NULL },
    { "escaped lines first", "% one\n%two\n" TAGS "1. e4 1-0", 1, 0, 1, 0, 0, NULL },
    { "escape behind a byte order mark", "\xef\xbb\xbf% no\n" TAGS "1. e4 1-0", 1, 0, 1, 0, 0,
      NULL },
    { "escape behind a game", TAGS "1. e4 1-0\n% [Event \"no\"]\n" TAGS "1. d4 *", 2, 0, 2, 0, 0,
      NULL },
    { "variations", TAGS "1. e4 (1. d4 (1. c4 {)}) d5) e5 (1... c5 ;)\n ) 1-0", 1, 0, 2, 0, 0,
      NULL },
    { "glyphs", TAGS "1. e4! e5?! $14 2. Nf3!! $1 $139 Nc6 ? 3. Bb5 += a6 +- 4. Ba4 N 1-0", 1, 0, 7,
      0, 0, NULL },
    { "signs", TAGS "1. e4 e5 2. Nf3+ Nc6# 3. d4 exd4 4. c3 d3 e.p. 1-0", 1, 0, 8, 0, 0, NULL },
    { "castling with zeros", TAGS "1. e4 e5 2. Nf3 Nf6 3. Be2 Be7 4. 0-0 0-0 1-0", 1, 0, 8, 0, 0,
      NULL },
    { "figurines", TAGS "1. \u2658f3 \u265ef6 2. \u2659e4 1-0", 1, 0, 3, 0, 0, NULL },
    { "long notation", TAGS "1. e2-e4 e7e5 2. Ng1-f3 b8c6 1-0", 1, 0, 4, 0, 0, NULL },
    { "half", TAGS "1. e4 1/2\n\n" TAGS "1. e4 \u00bd-\u00bd", 2, 0, 2, 0, 0, NULL },
    { "byte order mark", "\xef\xbb\xbf" TAGS "1. e4 *\n\xef\xbb\xbf" TAGS "1. d4 *", 2, 0, 2, 0, 0,
      NULL },
    { "stray brackets", TAGS "1. e4 ) e5 } 2. Nf3 1-0", 1, 0, 3, 0, 0, NULL },
    { "unread tag", "[Event \"E\"]\n[Bad tag]\n[Site \"S\"]\n\n1. e4 *", 1, 0, 1, 0, 0, NULL },
    { "chess960",
      "[Event \"E\"]\n[Variant \"Chess960\"]\n[FEN \"bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/"
      "BQ1BNRKR w HFhf - 2 9\"]\n\n9. Nf3 Ne7 *",
      1, 0, 2, 0, 0, NULL },
    { "from a position",
      "[Event \"E\"]\n[Variant \"From Position\"]\n[SetUp \"1\"]\n[FEN \"4k3/8/8/8/8/8/4P3/4K3 b - "
      "- 0 "
      "20\"]\n\n20... Kd7 21. e4 *",
      1, 0, 2, 0, 0, NULL },
    /* refused, and their neighbours kept */
    { "illegal", TAGS "1. e4 e5\n2. Nf4 Nc6 1-0\n\n" TAGS "1. d4 *", 1, 1, 1, 0, 7, "move 2. Nf4" },
    { "ambiguous", TAGS "1. Nf3 a6 2. d3 a5 3. Nd2 1-0\n" TAGS "1. d4 *", 1, 1, 1, 0, 6,
      "several" },
    { "not a move", TAGS "1. e4 hello 2. Nf3 1-0\n\n" TAGS "1. d4 *", 1, 1, 1, 0, 6,
      "move 1... hello" },
    { "null move", TAGS "1. e4 -- 2. Nf3 1-0\n\n" TAGS "1. d4 *", 1, 1, 1, 0, 6, "null move" },
    { "null move Z0", TAGS "1. e4 Z0 2. Nf3 1-0\n\n" TAGS "1. d4 *", 1, 1, 1, 0, 6, "null move" },
    { "move after mate", TAGS "1. f3 e5 2. g4 Qh4# 3. a3 1-0\n\n" TAGS "1. d4 *", 1, 1, 1, 0, 6,
      "3. a3" },
    { "open comment", TAGS "1. e4 {never closed\n\n" TAGS "1. d4 {closed} *", 1, 1, 1, 0, 6,
      "comment" },
    { "open comment at the end", TAGS "1. d4 *\n" TAGS "1. e4 {never closed", 1, 1, 1, 0, 12,
      "comment" },
    { "open variation", TAGS "1. e4 (1. d4 (1. c4)\n\n" TAGS "1. d4 (1. e4) *", 1, 1, 1, 0, 6,
      "variation" },
    { "open comment in a variation", TAGS "1. e4 (1. d4 {\n\n" TAGS "1. d4 {} *", 1, 1, 1, 0, 6,
      "variation" },
    { "bracket in moves", TAGS "1. e4 [%clk 1:00] e5 1-0\n\n" TAGS "1. d4 *", 1, 1, 1, 0, 6,
      "bracket" },
    { "bad position",
      "[Event \"E\"]\n[FEN \"8/8/8/8/8/8/8/8 w - - 0 1\"]\n\n1. e4 *\n\n" TAGS "1. d4 *", 1, 1, 1,
      0, 2, "king" },
    { "crazyhouse",
      "[Event \"E\"]\n[Variant \"Crazyhouse\"]\n\n1. e4 e5 2. P@d4 *\n\n" TAGS "1. d4 *", 1, 1, 1,
      0, 2, "variant 'Crazyhouse'" },
    { "no chess at all", "Dear Sir,\nthis is a letter.\n", 0, 1, 0, 0, 1, "is this a PGN file" },
    { "percent within a line", TAGS "1. e4 1-0 % [Event \"F\"]\n\n1. d4 *", 2, 1, 2, 0, 6, "'% " },
    { "junk between", TAGS "1. e4 1-0\n\nhttp://example.org/?[x]\n\n" TAGS "1. d4 *", 2, 1, 2, 0, 8,
      "http" },
    { "untagged after broken", "1. e4 e5 2. Ke3 1-0\n\n1. d4 d5 0-1\n", 1, 1, 2, 0, 1, "Ke3" },
    { "markup", "<!DOCTYPE html>\n<html>\n</html>\n", 0, 1, 0, 0, 1, "is this a PGN file" },
};

/* The same outcome however the bytes arrive: from one byte at a time to all at once. */
static void texts(void **state)
{
    static const size_t steps[] = { 0, 1, 2, 3, 7, 16, 61, 500 };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct seen whole, seen;

        read_text(str_of(row->text), 0, &whole);
        for (size_t s = 0; s < COUNT_OF(steps); s++) {
            read_text(str_of(row->text), steps[s], &seen);
            if (seen.failure.code || seen.stats.games != row->games ||
                seen.stats.refused != row->refused || seen.stats.plies != row->plies ||
                seen.stats.empty != row->empty || seen.digest != whole.digest)
                fail_msg("%s, step %zu: %u games, %u refused, %u plies, %u empty; %s%s", row->name,
                         steps[s], (unsigned)seen.stats.games, (unsigned)seen.stats.refused,
                         (unsigned)seen.stats.plies, (unsigned)seen.stats.empty,
                         seen.failure.code ? seen.failure.msg : "",
                         seen.problem_count ? seen.problems[0].reason : "");
            assert_int_equal(seen.problem_count, row->refused);
            assert_int_equal(seen.stats.bytes, strlen(row->text));
            if (row->refused && (seen.problems[0].line != row->line ||
                                 !strstr(seen.problems[0].reason, row->reason)))
                fail_msg("%s, step %zu: line %u: %s", row->name, steps[s],
                         (unsigned)seen.problems[0].line, seen.problems[0].reason);
        }
    }
}

/* A zero byte, control characters and bytes of no encoding are data like any other. */
static void binary(void **state)
{
    static const char junk[] = "\0\1\2\377\376[Event \0\"]\n\177ELF\0\0\0" TAGS
                               "1. e4 \0 e5 *\n\n" TAGS "1. d4 *";
    struct seen seen;

    read_text(str_from(junk, sizeof junk - 1), 0, &seen);
    assert_int_equal(seen.stats.games, 1);
    assert_int_equal(seen.stats.refused, 2);
    assert_non_null(strstr(seen.problems[1].reason, "zero byte"));
}

static void results(void **state)
{
    static const struct {
        const char *text;
        enum chess_result result;
    } cases[] = {
        { "[Result \"1-0\"]\n\n1. e4 1-0", CHESS_WHITE_WIN },
        { "[Result \"0-1\"]\n\n1. e4 0-1", CHESS_BLACK_WIN },
        { "[Result \"1/2-1/2\"]\n\n1. e4 1/2-1/2", CHESS_DRAW },
        { "[Result \"*\"]\n\n1. e4 *", CHESS_RESULT_UNKNOWN },
        { "[Result \"0-1\"]\n\n1. e4 *", CHESS_BLACK_WIN },   /* the tag knows more */
        { "[Result \"*\"]\n\n1. e4 1/2-1/2", CHESS_DRAW },    /* the text knows more */
        { "[Result \"1-0\"]\n\n1. e4 0-1", CHESS_BLACK_WIN }, /* the text counts */
        { "[Result \"1-0\"]\n\n1. e4", CHESS_WHITE_WIN },
        { "[Result \"nonsense\"]\n\n1. e4", CHESS_RESULT_UNKNOWN },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct one_game one = open_game(str_of(cases[i].text));

        assert_int_equal(one.game->result, cases[i].result);
        close_game(&one);
    }
}

/* Players are found by name: a name must come out as it was meant. */
static void tags(void **state)
{
    static const struct {
        const char *line, *value;
    } cases[] = {
        { "[White \"Carlsen, Magnus\"]", "Carlsen, Magnus" },
        { "[White \"\"]", "" },
        { "[White   \"x\"  ]", "x" },
        { "[ White\t\"x\"]", "x" },
        { "[White\"x\"]", "x" },
        { "[White \"a \\\"b\\\" c\\\\d\"]", "a \"b\" c\\d" },
        { "[White \"a \"b\" c\"]", "a \"b\" c" },
        { "[White \"C:\\\"]", "C:\\" },
        { "[White \"no end]", "no end" },
        { "[White \"no bracket\"", "no bracket" },
        { "[White \"tab\there\"]", "tab here" },
        { "[White \"J\xc3\xbcrgen\"]", "J\xc3\xbcrgen" },
        { "[White \"J\xfcrgen\"]", "J\xc3\xbcrgen" },                 /* Latin-1 */
        { "[White \"\x8aibl \x80\x93\"]", "\u0160ibl \u20ac\u201c" }, /* Windows-1252 */
        { "[White \"\x81\"]", "\ufffd" },                             /* assigned to nothing */
        { "[White \"first\"]\n[White \"second\"]", "first" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[300];

        snprintf(text, sizeof text, "[Event \"E\"]\n%s\n[Black \"B\"]\n\n1. e4 *", cases[i].line);
        struct one_game one = open_game(str_of(text));
        assert_str(pgn_game_tag(one.game, "White"), cases[i].value);
        assert_str(pgn_game_tag(one.game, "Black"), "B");
        assert_str(pgn_game_tag(one.game, "Round"), "");
        assert_int_equal(one.game->ply_count, 1);
        close_game(&one);
    }
}

static void long_tags(void **state)
{
    size_t size = 2 * PGN_TAG_BYTES_MAX + 64, at = 0;
    char *text = malloc(size);

    assert_non_null(text);
    at += (size_t)snprintf(text + at, size - at, "[Event \"");
    for (int i = 0; i < PGN_TAG_BYTES_MAX - 1; i++)
        text[at++] = 'x';
    at += (size_t)snprintf(text + at, size - at, "\u20ac tail\"]\n1. e4 *");
    struct one_game one = open_game(str_from(text, at));
    /* Cut before the character that would not fit whole. */
    assert_int_equal(pgn_game_tag(one.game, "Event").len, PGN_TAG_BYTES_MAX - 1);
    assert_int_equal(one.game->ply_count, 1);
    close_game(&one);
    free(text);
}

static void many_tags(void **state)
{
    char text[8192];
    size_t at = 0;

    for (int i = 0; i < 2 * PGN_TAGS_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "[Tag%d \"%d\"]\n", i, i);
    at += (size_t)snprintf(text + at, sizeof text - at, "\n1. e4 *");
    struct one_game one = open_game(str_from(text, at));
    assert_int_equal(one.game->tag_count, PGN_TAGS_MAX);
    assert_str(pgn_game_tag(one.game, "Tag63"), "63");
    assert_int_equal(one.game->ply_count, 1);
    close_game(&one);
}

/* Lines and offsets lead a person to the place in an editor. */
static void places(void **state)
{
    static const char text[] = "\n\n" TAGS "1. e4 *\n\n\n" TAGS "1. d4 *\n";
    struct one_game one = open_game(str_of(text));

    assert_int_equal(one.game->line, 3);
    assert_int_equal(one.game->byte_offset, 2);
    assert_int_equal(pgn_next(one.reader, &one.game).code, ERR_NONE);
    assert_int_equal(one.game->line, 11);
    assert_int_equal(text[one.game->byte_offset], '[');
    assert_int_equal(pgn_next(one.reader, &one.game).code, ERR_NONE);
    assert_null(one.game);
    struct pgn_stats stats;
    pgn_reader_stats(one.reader, &stats);
    assert_int_equal(stats.lines, 16);
    close_game(&one);
}

static void kept_text(void **state)
{
    static const char text[] = TAGS "1. e4 {x} e5 1-0\n\n" TAGS "1. d4 *\n";
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *g;
    struct pgn_options options = { .keep_text = true };

    assert_int_equal(pgn_source_open_bytes(str_of(text), "test", &source).code, ERR_NONE);
    assert_int_equal(pgn_reader_open(source, &options, &reader).code, ERR_NONE);
    assert_int_equal(pgn_next(reader, &g).code, ERR_NONE);
    assert_str(g->text, TAGS "1. e4 {x} e5 1-0");
    assert_int_equal(g->comment_count, 1);
    assert_int_equal(pgn_next(reader, &g).code, ERR_NONE);
    assert_str(g->text, TAGS "1. d4 *");
    pgn_reader_close(reader);
    pgn_source_close(source);
}

static void counts(void **state)
{
    struct one_game one = open_game(STR("1. e4 (1. d4 (1. c4 {a}) {b}) {c} e5 ; d\n (1... c5) *"));

    assert_int_equal(one.game->variation_count, 3);
    assert_int_equal(one.game->comment_count, 4);
    close_game(&one);
}

static void glyphs(void **state)
{
    struct one_game one = open_game(STR("1. e4! $3 e5 2. Nf3 $256 $0 Nc6 ?? 3. Bb5 +- a6?! *"));
    static const uint8_t wanted[] = { 1, 0, 0, 4, 18, 6 };

    assert_int_equal(one.game->ply_count, COUNT_OF(wanted));
    assert_non_null(one.game->nags);
    assert_memory_equal(one.game->nags, wanted, sizeof wanted);
    close_game(&one);
    one = open_game(STR("1. e4 e5 *"));
    assert_null(one.game->nags);
    close_game(&one);
}

static void starts(void **state)
{
    struct one_game one = open_game(
        STR("[FEN \"rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1\"]\n1. e4 *"));
    assert_false(one.game->has_fen);
    close_game(&one);

    one = open_game(STR("[FEN \"4k3/8/8/8/8/8/4P3/4K3 b - - 3 20\"]\n20... Kd7 *"));
    assert_true(one.game->has_fen);
    assert_int_equal(one.game->start.turn, CHESS_BLACK);
    assert_int_equal(one.game->start.fullmoves, 20);
    close_game(&one);

    one = open_game(STR("[Variant \"chess 960\"]\n1. e4 *"));
    assert_false(one.game->has_fen);
    assert_int_equal(one.game->start.is_960, 1);
    close_game(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),  cmocka_unit_test(binary),    cmocka_unit_test(results),
        cmocka_unit_test(tags),   cmocka_unit_test(long_tags), cmocka_unit_test(many_tags),
        cmocka_unit_test(places), cmocka_unit_test(kept_text), cmocka_unit_test(counts),
        cmocka_unit_test(glyphs), cmocka_unit_test(starts),
    };

    return cmocka_run_group_tests_name("pgn", tests, NULL, NULL);
}
