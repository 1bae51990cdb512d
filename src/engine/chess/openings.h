/* SPDX-License-Identifier: GPL-3.0-or-later */
/* openings.h -- names of openings by position, from the CC0 table of lichess-org/chess-openings.
 *
 * The table (data/openings/a.tsv to e.tsv in this project, credited there) is compiled in at build
 * time as a sorted array of position keys. A game's opening is the last named position on its way.
 */
#ifndef SKERRY_CHESS_OPENINGS_H
#define SKERRY_CHESS_OPENINGS_H

#include "engine/chess/position.h"

struct chess_opening {
    char eco[4];
    const char *name;
    int ply; /* length of the named line; set by chess_opening_of_game */
};
const struct chess_opening *chess_opening_at(uint64_t key); /* NULL when unnamed */
/* Fills *ret and returns true, or returns false. Standard start positions only. */
bool chess_opening_of_game(const struct chess_position *start, const chess_move *moves,
                           size_t count, struct chess_opening *ret_opening);
size_t chess_opening_count(void);

#endif
