/* SPDX-License-Identifier: GPL-3.0-or-later */
/* openings_table.h -- what openings_generate.c writes and openings.c reads; for these two only. */
#ifndef SKERRY_CHESS_OPENINGS_TABLE_H
#define SKERRY_CHESS_OPENINGS_TABLE_H

#include "engine/chess/openings.h"

/* Keys are sorted; entry i belongs to key i. The keys with the leading bits `d` are those from
 * openings_first[d] up to, not including, openings_first[d + 1]: about one. */
enum { OPENINGS_DIRECTORY_BITS = 12 };

extern const uint64_t openings_keys[];
extern const struct chess_opening openings_entries[];
extern const uint16_t openings_first[(1 << OPENINGS_DIRECTORY_BITS) + 1];
extern const size_t openings_count;
extern const int openings_ply_max; /* of the longest line */

#endif
