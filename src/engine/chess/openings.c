/* SPDX-License-Identifier: GPL-3.0-or-later */
/* openings.c -- looks positions up in the table that openings_generate.c made. */
#include "engine/chess/openings_table.h"

const struct chess_opening *chess_opening_at(uint64_t key)
{
    size_t slot = key >> (64 - OPENINGS_DIRECTORY_BITS);

    for (size_t i = openings_first[slot]; i < openings_first[slot + 1]; i++) {
        if (openings_keys[i] == key)
            return &openings_entries[i];
    }
    return NULL;
}

/* Later moves than the longest line are not looked at: to reach a named position so late by wasting
 * moves is possible, but nobody would call it that opening. */
bool chess_opening_of_game(const struct chess_position *start, const chess_move *moves,
                           size_t count, struct chess_opening *ret_opening)
{
    const struct chess_opening *last = NULL;
    struct chess_position p;
    int last_ply = 0;

    chess_position_start(&p);
    if (start->key != p.key || start->is_960)
        return false;
    for (int ply = 0; ply < openings_ply_max && (size_t)ply < count; ply++) {
        const struct chess_opening *found;

        chess_move_make(&p, moves[ply]);
        found = chess_opening_at(p.key);
        if (found) {
            last = found;
            last_ply = ply + 1;
        }
    }
    if (!last)
        return false;
    *ret_opening = *last;
    ret_opening->ply = last_ply;
    return true;
}

size_t chess_opening_count(void)
{
    return openings_count;
}
