/* SPDX-License-Identifier: GPL-3.0-or-later */
/* match.h -- one game as it is being played: position, history, clocks, how it ends.
 *
 * Used by play (a person against a model) and by matches (a model against a model); both write the
 * same PGN.
 */
#ifndef SKERRY_APPS_CHESS_MATCH_H
#define SKERRY_APPS_CHESS_MATCH_H

#include "base/buf.h"
#include "engine/chess/pgn.h"
#include "engine/chess/position.h"

enum {
    MATCH_PLIES_MAX = 1024
}; /* far beyond the 75-move rule's practical games; then it is a draw */

struct match_game {
    struct chess_position start, position;
    uint64_t keys[MATCH_PLIES_MAX + 1]; /* of all earlier positions */
    chess_move moves[MATCH_PLIES_MAX];
    uint32_t clock_cs[MATCH_PLIES_MAX]; /* left after the move; PGN_CLOCK_NONE without a clock */
    size_t plies;
    enum chess_result result; /* unknown while it goes on */
    const char *reason;       /* "checkmate", "threefold repetition", "time forfeit", ... */
};

void match_start(struct match_game *g, const struct chess_position *start);

/* Makes a legal move and sees whether the game is over: mate, stalemate, insufficient material, and
 * the draws that nobody has to claim (fivefold, 75 moves) or, with claim_draws, threefold and 50
 * moves. */
void match_move(struct match_game *g, chess_move move, uint32_t clock_cs, bool claim_draws);

/* `loser` ran out of time or gave up. Running out of time is a draw when the other cannot mate. */
void match_flag(struct match_game *g, enum chess_color loser);
void match_resign(struct match_game *g, enum chess_color loser);

/* PGN with the given tags (Result and FEN are added). */
MUST_USE err match_pgn(const struct match_game *g, const struct pgn_tag *tags, size_t tag_count,
                       struct buf *out);

const char *match_result_pgn(enum chess_result result); /* "1-0", "*" */

#endif
