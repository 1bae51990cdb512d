/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_write.c -- games as text: the export format of the PGN standard.
 *
 * Seven tags first, in their order, made up where the game lacks them; then the others as they
 * come. The movetext has lines of at most 80 columns. Clocks and evals stand in comments the way
 * Lichess writes them, and read back to the same values; glyphs stand as $n.
 */
#include <stdio.h>
#include <string.h>

#include "engine/chess/pgn.h"

enum { LINE_COLUMNS = 80 };

static const char *const roster[7][2] = {
    { "Event", "?" }, { "Site", "?" },  { "Date", "????.??.??" }, { "Round", "?" },
    { "White", "?" }, { "Black", "?" }, { "Result", "*" },
};

static const char *result_text(enum chess_result result)
{
    switch (result) {
    case CHESS_WHITE_WIN:
        return "1-0";
    case CHESS_BLACK_WIN:
        return "0-1";
    case CHESS_DRAW:
        return "1/2-1/2";
    case CHESS_ABORTED:
    case CHESS_RESULT_UNKNOWN:
        break;
    }
    return "*";
}

/* ------------------------------------------------------------------ tags */

static void write_tag(struct buf *out, str name, str value)
{
    buf_add_char(out, '[');
    buf_add(out, name);
    buf_add_cstr(out, " \"");
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '"' || c == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, (unsigned char)c < ' ' ? ' ' : c);
    }
    buf_add_cstr(out, "\"]\n");
}

/* Names come from strangers too: what is no name cannot be written as one. */
static bool is_tag_name(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c != '_' && c != '-' && !(c >= '0' && c <= '9') &&
            !((c | 32) >= 'a' && (c | 32) <= 'z'))
            return false;
    }
    return name.len > 0;
}

static bool is_written_elsewhere(str name)
{
    for (size_t i = 0; i < COUNT_OF(roster); i++) {
        if (str_eq(name, str_of(roster[i][0])))
            return true;
    }
    return str_eq(name, STR("FEN")) || str_eq(name, STR("SetUp"));
}

static void write_tags(const struct pgn_game *g, struct buf *out)
{
    bool has_variant = pgn_game_tag(g, "Variant").len > 0;
    for (size_t i = 0; i < COUNT_OF(roster); i++) {
        str value = pgn_game_tag(g, roster[i][0]);
        if (i == 6)
            value = str_of(result_text(g->result));
        write_tag(out, str_of(roster[i][0]), value.ptr ? value : str_of(roster[i][1]));
    }
    for (size_t i = 0; i < g->tag_count; i++) {
        if (is_tag_name(g->tags[i].name) && !is_written_elsewhere(g->tags[i].name))
            write_tag(out, g->tags[i].name, g->tags[i].value);
    }
    if (g->start.is_960 && !has_variant)
        write_tag(out, STR("Variant"), STR("Chess960"));
    if (g->has_fen) {
        char fen[CHESS_FEN_BYTES];
        chess_fen_write(&g->start, fen);
        write_tag(out, STR("SetUp"), STR("1"));
        write_tag(out, STR("FEN"), str_of(fen));
    }
}

/* ------------------------------------------------------------------ movetext */

struct lines {
    struct buf *out;
    size_t column;
};

/* A word, behind a space or on a new line. */
static void write_word(struct lines *l, const char *word)
{
    size_t len = strlen(word);
    if (l->column > 0 && l->column + 1 + len > LINE_COLUMNS) {
        buf_add_char(l->out, '\n');
        l->column = 0;
    }
    if (l->column > 0) {
        buf_add_char(l->out, ' ');
        l->column++;
    }
    buf_add_cstr(l->out, word);
    l->column += len;
}

static void write_number(struct lines *l, const struct chess_position *p)
{
    char word[24];
    snprintf(word, sizeof word, "%u%s", p->fullmoves, p->turn == CHESS_WHITE ? "." : "...");
    write_word(l, word);
}

static void format_eval(struct buf *text, int16_t eval_cp)
{
    int magnitude = eval_cp < 0 ? -eval_cp : eval_cp;
    if (magnitude >= 31001) /* mate in n is 32000 - n, at most 999 moves */
        buf_add_fmt(text, "[%%eval #%s%d]",
                    eval_cp < 0          ? "-"
                    : magnitude == 32000 ? "+"
                                         : "",
                    32000 - magnitude);
    else
        buf_add_fmt(text, "[%%eval %s%d.%02d]", eval_cp < 0 ? "-" : "", magnitude / 100,
                    magnitude % 100);
}

static void format_clock(struct buf *text, uint32_t clock_cs)
{
    uint32_t seconds = clock_cs / 100, rest = clock_cs % 100;
    buf_add_fmt(text, "[%%clk %u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (rest)
        buf_add_fmt(text, rest % 10 ? ".%02u" : ".%u", rest % 10 ? rest : rest / 10);
    buf_add_char(text, ']');
}

/* "{ [%eval 0.17] [%clk 0:00:30] }"; false when there is nothing to say. */
static bool write_comment(struct lines *l, const struct pgn_game *g, size_t ply, struct buf *text)
{
    bool has_eval = g->eval_cp && g->eval_cp[ply] != PGN_EVAL_NONE;
    bool has_clock = g->clock_cs && g->clock_cs[ply] != PGN_CLOCK_NONE;
    if (!has_eval && !has_clock)
        return false;
    write_word(l, "{");
    /* A command stays on one line; its own space is part of it. */
    if (has_eval) {
        buf_clear(text);
        format_eval(text, g->eval_cp[ply]);
        write_word(l, text->ptr);
    }
    if (has_clock) {
        buf_clear(text);
        format_clock(text, g->clock_cs[ply]);
        write_word(l, text->ptr);
    }
    write_word(l, "}");
    return true;
}

static void write_moves(const struct pgn_game *g, struct buf *out, struct buf *text)
{
    struct lines l = { .out = out };
    struct chess_position p = g->start;
    bool needs_number = true;
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        char san[CHESS_SAN_BYTES];
        if (needs_number || p.turn == CHESS_WHITE)
            write_number(&l, &p);
        chess_san_write(&p, g->moves[ply], san);
        write_word(&l, san);
        if (g->nags && g->nags[ply]) {
            buf_clear(text);
            buf_add_fmt(text, "$%d", g->nags[ply]);
            write_word(&l, text->ptr);
        }
        needs_number = write_comment(&l, g, ply, text);
        chess_move_make(&p, g->moves[ply]);
    }
    write_word(&l, result_text(g->result));
    buf_add_char(out, '\n');
}

err pgn_write(const struct pgn_game *g, struct buf *out)
{
    enum { WORD_BYTES = 64 };
    struct buf text;
    buf_init(&text, WORD_BYTES);
    if (!buf_reserve(&text, WORD_BYTES)) /* all it will ever need */
        return buf_check(&text);
    write_tags(g, out);
    buf_add_char(out, '\n');
    write_moves(g, out, &text);
    err e = err_first(buf_check(out), buf_check(&text));
    buf_deinit(&text);
    return e;
}
