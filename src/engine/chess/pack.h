/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack.h -- games in about a byte a move: packs of games, as kept in the blob store.
 *
 * A move is its index in the fixed order of legal moves (one byte; an escape for the rare positions
 * with more than 254). Clocks and evals are parallel delta-coded arrays. A pack is a header, the
 * games one after another, and an index of offsets; it is immutable and is read in place from a
 * map. The format is described, byte by byte, at the top of pack.c, and has a version and a
 * checksum per game.
 */
#ifndef SKERRY_CHESS_PACK_H
#define SKERRY_CHESS_PACK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "engine/chess/pgn.h"

/* One game, packed: tags that SQL rows do not hold, start position, moves, clocks, evals. */
MUST_USE err pack_game_write(const struct pgn_game *g, struct buf *out);

/* Reads one packed game; arrays live in keep. Bytes may be hostile: ERR_CORRUPT, never more than
 * PGN_PLIES_MAX plies. */
MUST_USE err pack_game_read(str bytes, arena *keep, struct pgn_game *ret_game);

/* Streams the moves of a packed game without the rest: for datasets and the position index. The
 * checksum is not looked at: the game comes from pack_game, which has done so. */
struct pack_walk {
    struct chess_position position; /* before `move`; at the end, the last one of the game */
    chess_move move;
    size_t ply;        /* of `move`, from 0 */
    uint32_t clock_cs; /* after move, or PGN_CLOCK_NONE */
    int16_t eval_cp;   /* after move, or PGN_EVAL_NONE */
    /* private */
    struct cursor moves, clocks, evals;
    size_t ply_count;
    uint32_t last_clock[2];
    int16_t last_eval;
    uint8_t clock_unit;
    bool has_clocks, has_evals;
    bool started, finished, failed;
};
MUST_USE err pack_walk_begin(str bytes, struct pack_walk *w);
bool pack_walk_next(struct pack_walk *w); /* false at the end or when the bytes are bad */
MUST_USE err pack_walk_end(const struct pack_walk *w); /* ERR_CORRUPT when it ended early */

/* A pack in memory. Adding a game that does not fit is ERR_TOO_BIG and changes nothing: finish the
 * pack and begin the next one. */
struct pack_writer {
    struct buf bytes;
    uint32_t *offsets;
    size_t count, count_max;
};
MUST_USE err pack_writer_init(struct pack_writer *w, size_t games_max, size_t bytes_max);
MUST_USE err pack_writer_add(struct pack_writer *w, const struct pgn_game *g, uint32_t *ret_index);
MUST_USE err pack_writer_add_packed(struct pack_writer *w, str game, uint32_t *ret_index);
MUST_USE err pack_writer_finish(struct pack_writer *w, str *ret_pack); /* valid until clear */
void pack_writer_clear(struct pack_writer *w);
void pack_writer_deinit(struct pack_writer *w);

MUST_USE err pack_open(str pack, uint32_t *ret_count);           /* checks header and index */
MUST_USE err pack_game(str pack, uint32_t index, str *ret_game); /* slice, checksum verified */

/* 16 bytes that are equal for the same game: hash of start, moves, names, date, result. */
void pack_game_identity(const struct pgn_game *g, uint8_t out[16]);

/* ------------------------------------------------------------------ position index */

/* Which games pass through a position: sorted (key, game, ply) triples of a pack or dataset,
 * delta-coded in blocks with a key directory. Built once, immutable, searched in a map by binary
 * search. */
struct position_hit {
    uint32_t game;
    uint16_t ply;
};
MUST_USE err position_index_build(const str *games, size_t game_count, struct buf *out);
/* Head and directory are whole? Finding checks what it reads, but not that. */
MUST_USE err position_index_check(str index);
/* At most out_max hits, in the order of games; *ret_count is how many. Position 0 of a game is its
 * start, the last one stands after its last move. */
MUST_USE err position_index_find(str index, uint64_t key, struct position_hit *out, size_t out_max,
                                 size_t *ret_count);

#endif
