/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_internal.h -- what the files of the PGN reader share: bytes, movetext, comments and
 * encodings.
 *
 * The reader (pgn_reader.c) owns a window of text that always holds the current game from its first
 * byte. The movetext machine (pgn_lex.c) walks through that window and stops when it needs more
 * text or when the game is over. Behind the last byte of the window stand PGN_PAD_BYTES zero
 * bytes, so that the scanners may read whole words without asking where the end is; as many bytes
 * before its first are readable, and the nearest of them are what stood there.
 */
#ifndef SKERRY_CHESS_PGN_INTERNAL_H
#define SKERRY_CHESS_PGN_INTERNAL_H

#include "engine/chess/pgn.h"
#include "engine/chess/pgn_board.h"

enum {
    PGN_PAD_BYTES = 64,       /* before and behind the window */
    PGN_SEEN_BYTES = 4,       /* before the window: what stood there */
    PGN_TOKEN_BYTES_MAX = 40, /* a longer run of characters cannot be a move */
};

/* ------------------------------------------------------------------ bytes (pgn_source.c) */

/* Copies the next bytes, at most `bytes_max`; 0 at the end. Blocks for a pipe. */
MUST_USE err pgn_source_read(struct pgn_source *s, char *out, size_t bytes_max, size_t *ret_count);
const char *pgn_source_name(const struct pgn_source *s);

/* ------------------------------------------------------------------ encodings (pgn_text.c) */

enum pgn_encoding {
    PGN_BYTES, /* UTF-8, Latin-1 or Windows-1252: told apart value by value */
    PGN_UTF16_LE,
    PGN_UTF16_BE,
};

/* What the first bytes of a stream (up to four) say; *ret_skip is the length of a byte order mark.
 */
enum pgn_encoding pgn_encoding_of(str head, size_t *ret_skip);

/* Turns UTF-16 into UTF-8 piece by piece. */
struct pgn_utf16 {
    bool big_endian;
    bool has_odd_byte;
    uint8_t odd_byte;
    uint16_t high_surrogate; /* waiting for its partner; 0 for none */
};
enum { PGN_UTF16_GROWTH = 2 }; /* output bytes for each input byte, at most, and 8 more */
size_t pgn_utf16_to_utf8(struct pgn_utf16 *t, str in, char *out);

/* Appends a tag value as UTF-8: escapes resolved, Windows-1252 converted when it is not valid
 * UTF-8, cut to PGN_TAG_BYTES_MAX between characters. */
void pgn_text_add(struct buf *out, str raw, bool has_escapes);

/* Line ends in a piece of text: LF, CR LF and lone CR. `last_was_cr` carries over the border. */
uint64_t pgn_text_lines(str text, bool *last_was_cr);

/* ------------------------------------------------------------------ window (pgn_window.c) */

struct pgn_window {
    struct pgn_source *source;
    char *padded; /* the text with zeros on both sides */
    char *text;
    size_t text_bytes; /* room, without the zeros */
    size_t game_at;    /* where the current game starts */
    size_t at;         /* next byte to look at */
    size_t end;
    bool at_eof;
    err failure;      /* of the source; everything in the window is still good */
    uint64_t dropped; /* bytes of the stream before the window */
    uint64_t bytes;   /* of the stream, so far */

    size_t counted_to; /* line ends before it are in `line` */
    uint64_t line;
    bool counted_cr;

    bool has_begun;
    enum pgn_encoding encoding;
    struct pgn_utf16 utf16;
    char *raw;
};

MUST_USE err pgn_window_init(struct pgn_window *w, struct pgn_source *source);
void pgn_window_deinit(struct pgn_window *w); /* accepts all zero */
/* Does p, in the window, stand at the start of a line? A byte order mark takes no place. Where the
 * window begins makes no difference. */
static inline bool pgn_opens_line(const char *p)
{
    if (p[-1] == '\xbf' && p[-2] == '\xbb' && p[-3] == '\xef')
        p -= 3;
    return p[-1] == '\n' || p[-1] == '\r';
}
/* Reads the first bytes, which tell the encoding. */
MUST_USE err pgn_window_begin(struct pgn_window *w);
/* Reads until the text behind `at` has doubled, so that whoever looks at it again from its start
 * does not do so more often than its length allows; moves the text. Fails only on our own limits:
 * what the source has to say waits in w->failure until the good text is used up. */
MUST_USE err pgn_window_fill(struct pgn_window *w);
/* The line (from 1) of an offset at or behind game_at; the first one also remembers the count. */
uint64_t pgn_window_pass(struct pgn_window *w, size_t offset);
uint64_t pgn_window_line(const struct pgn_window *w, size_t offset);

/* ------------------------------------------------------------------ comments (pgn_comment.c) */

/* What the commands of one comment say; a field stays as it was when the comment does not set it.
 */
struct pgn_note {
    uint32_t clock_cs;
    int16_t eval_cp;
};

/* Reads [%clk], [%clkc] and [%eval] out of the text of a comment, without its braces. The text must
 * lie in the window or be followed by 16 readable bytes. */
void pgn_comment_parse(const char *text, const char *end, bool white_moved, struct pgn_note *note);

/* The same for the comments that nearly all annotated files consist of. `p` stands behind the
 * brace; returns the position behind the closing brace, or NULL when the comment is of another
 * form. */
const char *pgn_comment_parse_common(const char *p, struct pgn_note *note);

/* ------------------------------------------------------------------ tags (pgn_tags.c) */

/* A tag as found: offsets from the start of the game, or, for a value that had to be converted,
 * from the start of `converted`. */
struct pgn_raw_tag {
    uint32_t name_at, name_len, value_at, value_len;
    bool is_converted;
};

enum pgn_tag_step {
    PGN_TAG_READ,
    PGN_TAG_NONE, /* this is no tag pair; *p has not moved */
    PGN_TAG_CUT,  /* the window ends first; *p has not moved */
};

/* Reads the tag pair at the bracket *p and moves *p behind it. */
enum pgn_tag_step pgn_tag_read(const char *begin, const char **p, const char *end, bool at_eof,
                               struct buf *converted, struct pgn_raw_tag *ret_tag);

/* True when a tag pair opens at p: [ Name " . *ret_unsure is set instead when the window ends
 * first. */
bool pgn_is_tag(const char *p, const char *end, bool *ret_unsure);
/* The next place at or after p where a tag pair opens a line, or "[Event " stands anywhere; NULL
 * for none. *ret_unsure: the window ends before that is clear. */
const char *pgn_find_tags(const char *p, const char *end, bool *ret_unsure);

/* ------------------------------------------------------------------ movetext (pgn_lex.c) */

enum pgn_step {
    PGN_GO_ON,       /* inside pgn_lex.c only */
    PGN_NEED_MORE,   /* at `p` stands something that the end of the window cuts */
    PGN_GAME_OVER,   /* a result was read, `p` is behind it */
    PGN_TAGS_FOLLOW, /* no result, and `p` is at the tags of the next game */
    PGN_INPUT_OVER,  /* no result, and there is no more text */
    PGN_BROKEN,      /* `reason` says why, `p` is at the place */
};

struct pgn_movetext {
    const char *begin; /* of the game; the reader sets these three anew whenever the window moves */
    const char *p, *end; /* zeros follow end */
    bool at_eof;         /* nothing comes behind end */
    bool moves_only;
    bool has_bmi2; /* of the CPU */

    struct pgn_sources sources;
    struct pgn_board board;
    struct chess_position start; /* kept for error texts */
    size_t ply_count;
    enum chess_result result;
    bool has_result; /* a result token was read, be it "*" */

    /* Inside a variation everything is skipped up to the parenthesis that closes it. */
    unsigned depth;
    bool in_brace, in_line;  /* in a comment of the variation */
    size_t variation_offset; /* from begin: where the outermost one opened */

    size_t variation_count, comment_count;
    size_t clock_filled, eval_filled, nag_filled; /* entries written so far; 0: no such data yet */
    char reason[200];

    chess_move moves[PGN_PLIES_MAX];
    uint32_t clock_cs[PGN_PLIES_MAX];
    int16_t eval_cp[PGN_PLIES_MAX];
    uint8_t nags[PGN_PLIES_MAX];
};

void pgn_movetext_begin(struct pgn_movetext *m, const struct chess_position *start);
enum pgn_step pgn_movetext_run(struct pgn_movetext *m);
/* Takes the comment at p when it is of the common form: notes what it says for the last of
 * `ply_count` moves and returns the place behind it and a space. NULL: it needs pgn_movetext_run.
 */
const char *pgn_comment_take(struct pgn_movetext *m, const char *p, size_t ply_count);
/* Fills the rest of the arrays that have any entry. */
void pgn_movetext_end(struct pgn_movetext *m);

/* ------------------------------------------------------------------ moves (pgn_moves.c) */

/* Reads plain moves, with numbers and single spaces between, as long as they are plain and whole.
 */
void pgn_moves_run(struct pgn_movetext *m);

/* Reads one move token by every rule there is. CHESS_MOVE_NONE: m->reason is filled. */
chess_move pgn_move_read(struct pgn_movetext *m, str token);

#endif
