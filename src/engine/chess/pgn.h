/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn.h -- a streaming reader of PGN at constant memory, and a writer.
 *
 * Bytes come from a source (file, pipe, plain, .gz, .zst; told by their first bytes) through one
 * bounded buffer; games come out one by one with their moves checked for legality. A broken game is
 * reported with line and reason and skipped, the next one is read; nothing before or after it is
 * lost. Input may be hostile: every length, depth and count has a maximum (below).
 */
#ifndef SKERRY_CHESS_PGN_H
#define SKERRY_CHESS_PGN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "engine/chess/position.h"

enum {
    PGN_PLIES_MAX =
        4096, /* longer games are refused; the longest possible practical game is far below */
    PGN_TAGS_MAX = 64,
    PGN_TAG_BYTES_MAX = 4096,       /* one value; longer ones are cut */
    PGN_TEXT_MAX = 4 * 1024 * 1024, /* one game's text; longer ones are refused */
    PGN_VARIATION_DEPTH_MAX = 100,  /* deeper nesting is skipped, counted */
};

/* ------------------------------------------------------------------ bytes */

struct pgn_source;
/* path "-" is standard input. */
MUST_USE err pgn_source_open(const char *path, struct pgn_source **ret_source);
MUST_USE err pgn_source_open_fd(int fd, const char *name,
                                struct pgn_source **ret_source); /* borrows fd */
MUST_USE err pgn_source_open_bytes(str bytes, const char *name, struct pgn_source **ret_source);
/* fetch() hands out the next bytes, 0 at the end; it may block, and is called by another thread
 * when the bytes turn out to be compressed. */
MUST_USE err pgn_source_open_fn(err (*fetch)(void *arg, char *out, size_t bytes_max,
                                             size_t *ret_count),
                                void *arg, const char *name, struct pgn_source **ret_source);
int64_t pgn_source_bytes_in(
    const struct pgn_source *s); /* compressed bytes consumed, for progress */
int64_t pgn_source_bytes_total(const struct pgn_source *s); /* -1 when not known (pipe) */
void pgn_source_close(struct pgn_source *s);

/* ------------------------------------------------------------------ games */

struct pgn_tag {
    str name, value; /* UTF-8: Latin-1 and Windows-1252 input is converted; escapes resolved */
};

enum { PGN_EVAL_NONE = INT16_MIN, PGN_CLOCK_NONE = UINT32_MAX };

/* A game, valid until the next pgn_next. Arrays are indexed by ply, 0 is the first move. */
struct pgn_game {
    struct pgn_tag tags[PGN_TAGS_MAX];
    size_t tag_count;
    struct chess_position start;
    bool has_fen; /* start is not the standard one */
    size_t ply_count;
    const chess_move *moves;
    const uint32_t
        *clock_cs;          /* centiseconds left after the move; NULL if the game has none at all */
    const int16_t *eval_cp; /* white view, centipawns; mate in n is +-(32000 - n); NULL if none */
    const uint8_t *nags;    /* first NAG after the move, 0 for none; NULL if none */
    enum chess_result result;
    uint64_t line;                         /* of its first tag, from 1 */
    uint64_t byte_offset;                  /* in the decompressed stream */
    size_t variation_count, comment_count; /* seen and skipped */
    str text;                              /* the game as it stood in the source */
};

str pgn_game_tag(const struct pgn_game *g,
                 const char *name); /* empty, with a NULL ptr, when absent */

struct pgn_problem {
    uint64_t line;        /* where the reader gave up, from 1 */
    uint64_t game_number; /* from 1, broken ones counted */
    char reason[200];     /* "move 12. Nf7: no knight can go there" */
};

struct pgn_reader;
struct pgn_options {
    bool keep_text;  /* fill game.text */
    bool moves_only; /* skip clocks, evals and NAGs */
    /* Called for each game that is refused. May be NULL. */
    void (*problem)(void *arg, const struct pgn_problem *problem);
    void *arg;
};
MUST_USE err pgn_reader_open(struct pgn_source *source, const struct pgn_options *options,
                             struct pgn_reader **ret_reader);
/* *ret_game is NULL at the end. Errors are of the source (disk, broken compression: what was read
 * before it stays good); refused games are not errors. Variant games that are not chess or Chess960
 * are refused with their name as reason. */
MUST_USE err pgn_next(struct pgn_reader *r, const struct pgn_game **ret_game);

struct pgn_stats {
    uint64_t games, refused, plies, bytes, lines, empty /* tags without moves */;
    uint64_t
        tags_ignored; /* lines among the tags that are no [Name "value"]; their games are kept */
};
void pgn_reader_stats(const struct pgn_reader *r, struct pgn_stats *ret_stats);
void pgn_reader_close(struct pgn_reader *r); /* not the source */

/* ------------------------------------------------------------------ writing */

/* Export format: seven-tag roster first, 80 columns, clocks and evals as comments where present. */
MUST_USE err pgn_write(const struct pgn_game *g, struct buf *out);

#endif
