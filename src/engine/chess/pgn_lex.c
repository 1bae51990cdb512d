/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_lex.c -- movetext: what stands between the tags of one game and those of the next.
 *
 * Plain moves are read by the fast loop in pgn_moves.c. This file reads everything else: comments,
 * variations, glyphs, results, escapes, and moves written in unusual ways. It stops when the window
 * ends in the middle of something; the reader then gets more text and calls again. The only things
 * that may be larger than the window, variations, are skipped with their state kept here.
 *
 * A comment or variation that is never closed would swallow all games behind it. So both end, with
 * an error, where a line opens with a tag pair.
 */
#include <stdio.h>
#include <string.h>

#include "engine/chess/pgn_internal.h"

void pgn_movetext_begin(struct pgn_movetext *m, const struct chess_position *start)
{
    m->start = *start;
    pgn_board_from(start, &m->board);
    m->ply_count = 0;
    m->result = CHESS_RESULT_UNKNOWN;
    m->has_result = false;
    m->depth = 0;
    m->in_brace = m->in_line = false;
    m->variation_count = m->comment_count = 0;
    m->clock_filled = m->eval_filled = m->nag_filled = 0;
    m->reason[0] = '\0';
}

static enum pgn_step broken(struct pgn_movetext *m, const char *at, const char *why)
{
    m->p = at;
    snprintf(m->reason, sizeof m->reason, "after %zu half-moves: %s", m->ply_count, why);
    return PGN_BROKEN;
}

/* ------------------------------------------------------------------ what belongs to a move */

static void put_clock(struct pgn_movetext *m, size_t ply_count, uint32_t clock_cs)
{
    size_t ply = ply_count - 1;
    while (m->clock_filled < ply)
        m->clock_cs[m->clock_filled++] = PGN_CLOCK_NONE;
    m->clock_cs[ply] = clock_cs;
    m->clock_filled = ply_count;
}

static void put_eval(struct pgn_movetext *m, size_t ply_count, int16_t eval_cp)
{
    size_t ply = ply_count - 1;
    while (m->eval_filled < ply)
        m->eval_cp[m->eval_filled++] = PGN_EVAL_NONE;
    m->eval_cp[ply] = eval_cp;
    m->eval_filled = ply_count;
}

/* The first glyph of a move stays. */
static void put_nag(struct pgn_movetext *m, unsigned nag)
{
    if (m->ply_count == 0 || m->moves_only || nag == 0 || nag > 255)
        return;
    while (m->nag_filled < m->ply_count)
        m->nags[m->nag_filled++] = 0;
    if (m->nags[m->ply_count - 1] == 0)
        m->nags[m->ply_count - 1] = (uint8_t)nag;
}

static void put_note(struct pgn_movetext *m, size_t ply_count, const struct pgn_note *note)
{
    if (ply_count == 0)
        return;
    if (note->clock_cs != PGN_CLOCK_NONE)
        put_clock(m, ply_count, note->clock_cs);
    if (note->eval_cp != PGN_EVAL_NONE)
        put_eval(m, ply_count, note->eval_cp);
}

void pgn_movetext_end(struct pgn_movetext *m)
{
    while (m->clock_filled && m->clock_filled < m->ply_count)
        m->clock_cs[m->clock_filled++] = PGN_CLOCK_NONE;
    while (m->eval_filled && m->eval_filled < m->ply_count)
        m->eval_cp[m->eval_filled++] = PGN_EVAL_NONE;
    while (m->nag_filled && m->nag_filled < m->ply_count)
        m->nags[m->nag_filled++] = 0;
}

/* ------------------------------------------------------------------ comments */

/* Does a game begin inside [from, to)? A quick no for the usual comment, which has no bracket. */
static bool has_tags(const struct pgn_movetext *m, const char *from, const char *to)
{
    bool unsure = false;
    return pgn_find_tags(from, to, &unsure) && !unsure;
}

const char *pgn_comment_take(struct pgn_movetext *m, const char *p, size_t ply_count)
{
    struct pgn_note note = { PGN_CLOCK_NONE, PGN_EVAL_NONE };
    p = pgn_comment_parse_common(p + 1, &note);
    if (!p)
        return NULL;
    m->comment_count++;
    if (!m->moves_only)
        put_note(m, ply_count, &note);
    return p + (*p == ' ');
}

static enum pgn_step read_brace(struct pgn_movetext *m)
{
    const char *open = m->p, *text = open + 1;
    struct pgn_note note = { PGN_CLOCK_NONE, PGN_EVAL_NONE };
    const char *after = pgn_comment_take(m, open, m->ply_count);
    if (after) {
        m->p = after;
        return PGN_GO_ON;
    }
    const char *close = memchr(text, '}', (size_t)(m->end - text));
    if (has_tags(m, text, close ? close : m->end) || (!close && m->at_eof))
        return broken(m, open, "a comment opens with '{' and is never closed");
    if (!close)
        return PGN_NEED_MORE;
    if (!m->moves_only)
        pgn_comment_parse(text, close, m->board.turn == CHESS_BLACK, &note);
    m->comment_count++;
    put_note(m, m->ply_count, &note);
    m->p = close + 1;
    return PGN_GO_ON;
}

/* The end of the line that p is in, or NULL when the window does not show it. */
static const char *line_end(const struct pgn_movetext *m, const char *p)
{
    const char *lf = memchr(p, '\n', (size_t)(m->end - p));
    const char *cr = memchr(p, '\r', (size_t)((lf ? lf : m->end) - p));
    if (cr)
        return cr;
    return lf || !m->at_eof ? lf : m->end;
}

static enum pgn_step read_rest_of_line(struct pgn_movetext *m)
{
    const char *stop = line_end(m, m->p);
    if (!stop)
        return PGN_NEED_MORE;
    if (*m->p == ';') {
        struct pgn_note note = { PGN_CLOCK_NONE, PGN_EVAL_NONE };
        m->comment_count++;
        if (!m->moves_only)
            pgn_comment_parse(m->p + 1, stop, m->board.turn == CHESS_BLACK, &note);
        put_note(m, m->ply_count, &note);
    }
    m->p = stop;
    return PGN_GO_ON;
}

/* ------------------------------------------------------------------ variations */

static enum pgn_step variation_broken(struct pgn_movetext *m)
{
    /* Back to where it opened: good games may stand right behind it. */
    return broken(m, m->begin + m->variation_offset,
                  "a variation opens with '(' and is never closed");
}

/* Moves *p behind a comment of the variation, or to the end of the window. */
static enum pgn_step skip_inner_comment(struct pgn_movetext *m, const char **p)
{
    const char *close = m->in_brace ? memchr(*p, '}', (size_t)(m->end - *p)) : line_end(m, *p);
    bool unsure = false;
    const char *tags = m->in_brace ? pgn_find_tags(*p, close ? close : m->end, &unsure) : NULL;
    if (tags && !unsure)
        return variation_broken(m);
    if (tags && !close && !m->at_eof) {
        m->p = tags;
        return PGN_NEED_MORE;
    }
    *p = close && close < m->end ? close + 1 : m->end;
    if (close)
        m->in_brace = m->in_line = false;
    return PGN_GO_ON;
}

static enum pgn_step skip_variation(struct pgn_movetext *m)
{
    const char *p = m->p;
    while (p < m->end && m->depth) {
        if (m->in_brace || m->in_line) {
            enum pgn_step step = skip_inner_comment(m, &p);
            if (step != PGN_GO_ON)
                return step;
            continue;
        }
        char c = *p;
        bool unsure = false;
        if (c == '(') {
            m->depth++;
            m->variation_count++;
        } else if (c == ')') {
            m->depth--;
        } else if (c == '{' || c == ';') {
            m->in_brace = c == '{';
            m->in_line = c == ';';
            m->comment_count++;
        } else if (c == '[' && (p[-1] == '\n' || p[-1] == '\r')) {
            if (pgn_is_tag(p, m->end, &unsure))
                return variation_broken(m);
            if (unsure && !m->at_eof) {
                m->p = p;
                return PGN_NEED_MORE;
            }
        }
        p++;
    }
    m->p = p;
    if (m->depth == 0)
        return PGN_GO_ON;
    return m->at_eof ? variation_broken(m) : PGN_NEED_MORE;
}

static enum pgn_step open_variation(struct pgn_movetext *m)
{
    m->variation_offset = (size_t)(m->p - m->begin);
    m->variation_count++;
    m->depth = 1;
    m->p++;
    return PGN_GO_ON;
}

/* ------------------------------------------------------------------ words */

/* Ends a word of movetext. Bytes of other alphabets do not: figurines and signs are made of them.
 */
static bool ends_word(char c)
{
    return (unsigned char)c <= ' ' || c == '{' || c == '}' || c == '(' || c == ')' || c == '[' ||
           c == ']' || c == ';' || c == '$';
}

/* The word at p; false when the window cuts it. Words are compared and read up to a maximum only.
 */
static bool take_word(const struct pgn_movetext *m, str *ret_word)
{
    const char *q = m->p;
    while (!ends_word(*q) && (*q != '*' || q == m->p) && q - m->p <= PGN_TOKEN_BYTES_MAX)
        q++;
    /* Promotions of the form "e8(Q)". */
    if (*q == '(' && q > m->p && (q[-1] == '8' || q[-1] == '1') && q[1] && q[2] == ')' &&
        strchr("NBRQ", q[1]))
        q += 3;
    *ret_word = str_from(m->p, (size_t)(q - m->p));
    return q < m->end || m->at_eof;
}

static bool word_result(str word, enum chess_result *ret_result)
{
    static const struct {
        str text;
        enum chess_result result;
    } results[] = {
        { STR_INIT("1-0"), CHESS_WHITE_WIN },    { STR_INIT("0-1"), CHESS_BLACK_WIN },
        { STR_INIT("1/2-1/2"), CHESS_DRAW },     { STR_INIT("1/2"), CHESS_DRAW },
        { STR_INIT("*"), CHESS_RESULT_UNKNOWN }, { STR_INIT("½-½"), CHESS_DRAW },
        { STR_INIT("½"), CHESS_DRAW },           { STR_INIT("1–0"), CHESS_WHITE_WIN },
        { STR_INIT("0–1"), CHESS_BLACK_WIN },    { STR_INIT("½–½"), CHESS_DRAW },
    };
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        if (str_eq(word, results[i].text)) {
            *ret_result = results[i].result;
            return true;
        }
    }
    return false;
}

/* Signs that stand for a glyph number; 0 says nothing about the move and is skipped. */
static bool word_glyph(str word, unsigned *ret_nag)
{
    static const struct {
        str text;
        uint8_t nag;
    } glyphs[] = {
        { STR_INIT("!"), 1 },    { STR_INIT("?"), 2 },    { STR_INIT("!!"), 3 },
        { STR_INIT("\?\?"), 4 }, { STR_INIT("!?"), 5 },   { STR_INIT("?!"), 6 },
        { STR_INIT("="), 10 },   { STR_INIT("∞"), 13 },   { STR_INIT("+="), 14 },
        { STR_INIT("+/="), 14 }, { STR_INIT("⩲"), 14 },   { STR_INIT("=+"), 15 },
        { STR_INIT("=/+"), 15 }, { STR_INIT("⩱"), 15 },   { STR_INIT("+/-"), 16 },
        { STR_INIT("±"), 16 },   { STR_INIT("-/+"), 17 }, { STR_INIT("∓"), 17 },
        { STR_INIT("+-"), 18 },  { STR_INIT("-+"), 19 },  { STR_INIT("+−"), 18 },
        { STR_INIT("−+"), 19 },  { STR_INIT("N"), 146 },  { STR_INIT("+"), 0 },
        { STR_INIT("++"), 0 },   { STR_INIT("#"), 0 },    { STR_INIT("e.p."), 0 },
        { STR_INIT("ep"), 0 },
    };
    for (size_t i = 0; i < COUNT_OF(glyphs); i++) {
        if (str_eq(word, glyphs[i].text)) {
            *ret_nag = glyphs[i].nag;
            return true;
        }
    }
    return false;
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* The end of "12." or "12..." at the start of a word, or its start when it is something else. */
static size_t number_length(str word)
{
    size_t i = 0;
    while (i < word.len && is_digit(word.ptr[i]))
        i++;
    if (i < word.len && (word.ptr[i] == '-' || word.ptr[i] == '/'))
        return 0; /* "0-0", "1-0" */
    while (i < word.len && word.ptr[i] == '.')
        i++;
    return i;
}

static enum pgn_step read_move(struct pgn_movetext *m, str word)
{
    /* "Nf3!?": the sign belongs to the move, the rest is the move. */
    size_t len = word.len;
    unsigned nag = 0;
    while (len > 0 && (word.ptr[len - 1] == '!' || word.ptr[len - 1] == '?'))
        len--;
    if (m->ply_count == PGN_PLIES_MAX) {
        snprintf(m->reason, sizeof m->reason, "more than %d half-moves", PGN_PLIES_MAX);
        return PGN_BROKEN;
    }
    chess_move move = pgn_move_read(m, str_from(word.ptr, len));
    if (!move)
        return PGN_BROKEN;
    pgn_board_make(&m->board, move);
    m->moves[m->ply_count++] = move;
    if (len < word.len && word_glyph(str_from(word.ptr + len, word.len - len), &nag))
        put_nag(m, nag);
    m->p = word.ptr + word.len;
    return PGN_GO_ON;
}

/* Spares the usual word the tables of unusual ones. */
static bool is_surely_move(str word)
{
    char c = word.ptr[0];
    return word.len > 1 && (c == 'O' || c == 'N' || c == 'B' || c == 'R' || c == 'Q' || c == 'K' ||
                            (c >= 'a' && c <= 'h' && c != 'e'));
}

static enum pgn_step read_word(struct pgn_movetext *m)
{
    str word;
    unsigned nag;
    if (!take_word(m, &word))
        return PGN_NEED_MORE;
    if (is_surely_move(word))
        return read_move(m, word);
    if (str_starts(word, STR("\xef\xbb\xbf"))) { /* files with byte order marks, put together */
        m->p += 3;
        return PGN_GO_ON;
    }
    if (word_result(word, &m->result)) {
        m->has_result = true;
        m->p = word.ptr + word.len;
        return PGN_GAME_OVER;
    }
    size_t number = number_length(word);
    if (number) {
        m->p += number;
        /* A run that is longer than any word is taken whole: the fast loop looks through all of it
         * too, and must not do so again for every piece. */
        while (number > PGN_TOKEN_BYTES_MAX && (is_digit(*m->p) || *m->p == '.'))
            m->p++;
        return PGN_GO_ON;
    }
    if (word_glyph(word, &nag)) {
        put_nag(m, nag);
        m->p = word.ptr + word.len;
        return PGN_GO_ON;
    }
    return read_move(m, word);
}

static enum pgn_step read_nag(struct pgn_movetext *m)
{
    const char *q = m->p + 1;
    unsigned nag = 0;
    for (; is_digit(*q); q++)
        nag = nag < 1000 ? nag * 10 + (unsigned)(*q - '0') : nag;
    if (q == m->end && !m->at_eof)
        return PGN_NEED_MORE;
    put_nag(m, nag);
    m->p = q;
    return PGN_GO_ON;
}

static enum pgn_step read_bracket(struct pgn_movetext *m)
{
    bool unsure = false;
    if (pgn_is_tag(m->p, m->end, &unsure))
        return PGN_TAGS_FOLLOW;
    if (unsure && !m->at_eof)
        return PGN_NEED_MORE;
    return broken(m, m->p, "a bracket that opens no tag; a tag looks like [Name \"value\"]");
}

static enum pgn_step read_one(struct pgn_movetext *m)
{
    switch (*m->p) {
    case ' ':
    case '\n':
    case '\r':
    case '\t':
    case '\v':
    case '\f':
    case '.':
    case ')': /* closes nothing; what it would have skipped was legal */
    case '}':
        m->p++;
        return PGN_GO_ON;
    case '{':
        return read_brace(m);
    case '(':
        return open_variation(m);
    case '$':
        return read_nag(m);
    case ';':
        return read_rest_of_line(m);
    case '%':
        return pgn_opens_line(m->p) ? read_rest_of_line(m) : read_word(m);
    case '[':
        return read_bracket(m);
    case ']':
        return broken(m, m->p, "a bracket that closes no tag");
    case '\0':
        if (m->p == m->end)
            return m->at_eof ? PGN_INPUT_OVER : PGN_NEED_MORE;
        return broken(m, m->p, "a zero byte; this is not text");
    default:
        if ((unsigned char)*m->p < ' ')
            return broken(m, m->p, "a control character; this is not text");
        return read_word(m);
    }
}

enum pgn_step pgn_movetext_run(struct pgn_movetext *m)
{
    for (;;) {
        enum pgn_step step;
        if (m->depth) {
            step = skip_variation(m);
        } else {
            pgn_moves_run(m);
            step = read_one(m);
        }
        if (step != PGN_GO_ON)
            return step;
    }
}
