/* SPDX-License-Identifier: GPL-3.0-or-later */
/* book.h -- how often each move was played in positions that were seen several times, for the files
 * of this room only. Prediction mixes these counts with the network's opinion, which counts like a
 * number of earlier games (the strength): the more often a position was seen, the more the games
 * decide. */
#ifndef SKERRY_CHESS_BOOK_H
#define SKERRY_CHESS_BOOK_H

#include "base/buf.h"
#include "engine/chess/net.h"

enum {
    BOOK_SEEN_MIN = 2,          /* rarer positions are left out */
    BOOK_ENTRIES_MAX = 8 << 20, /* a book of 2.5 million positions has about four million */
};

struct book_entry {
    uint64_t key;
    chess_move move;
    uint16_t count; /* saturates */
};

struct book {
    struct book_entry *entries; /* by key, then by count, falling; owned */
    size_t count;
    float strength;
};

/* Counts the first plies_max plies of the games. */
MUST_USE err book_build(const struct chess_sample_source *samples, int plies_max, float strength,
                        struct book *ret_book);
/* The same with its bounds: pairs held at a time, entries of the book. */
MUST_USE err book_build_in_passes(const struct chess_sample_source *samples, int plies_max,
                                  float strength, size_t pairs_max, size_t entries_max,
                                  struct book *ret_book);
void book_deinit(struct book *b); /* accepts all zero */
/* Mixes what the book knows into p[move_count]; returns how often the position was seen. */
unsigned book_mix(const struct book *b, uint64_t key, const chess_move *moves, int move_count,
                  float *p);

void book_write(const struct book *b, struct buf *out);
/* ERR_CORRUPT for anything that book_write would not have written. */
MUST_USE err book_read(struct cursor *c, struct book *ret_book);

#endif
