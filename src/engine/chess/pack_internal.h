/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack_internal.h -- what the files of the pack format share. The format is described in pack.c. */
#ifndef SKERRY_CHESS_PACK_INTERNAL_H
#define SKERRY_CHESS_PACK_INTERNAL_H

#include "engine/chess/pack.h"

enum {
    PACK_GAME_VERSION = 1,
    PACK_CHECKSUM_BYTES = 4,
    PACK_INDEX_ESCAPE = 255,
    PACK_CLOCK_CS_MAX = 0x3fffffff, /* four months; differences fit 32 bits */
};

enum pack_flags {
    PACK_HAS_FEN = 1,
    PACK_IS_960 = 2,
    PACK_HAS_CLOCKS = 4, /* the three parts in the order of their flags */
    PACK_HAS_EVALS = 8,
    PACK_HAS_NAGS = 16,
    PACK_FLAGS = 31,
};

struct pack_head {
    uint8_t flags;
    enum chess_result result;
    size_t ply_count;
    struct chess_position start;
    struct cursor moves, clocks, evals, nags, tags;
    uint8_t clock_unit;
};

uint32_t pack_crc(str bytes);
MUST_USE err pack_checksum_verify(str game);
/* Does not look at the checksum. */
MUST_USE err pack_head_read(str game, struct pack_head *ret_head);

void pack_tag_write(const struct pgn_tag *tag, struct buf *out);
MUST_USE err pack_tag_read(struct cursor *c, arena *keep, struct pgn_tag *ret_tag);

#endif
