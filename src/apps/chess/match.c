/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/match.h"

#include <assert.h>
#include <string.h>

void match_start(struct match_game *g, const struct chess_position *start)
{
    g->start = *start;
    g->position = *start;
    g->plies = 0;
    g->result = CHESS_RESULT_UNKNOWN;
    g->reason = "";
}

static enum chess_result win_of(enum chess_color color)
{
    return color == CHESS_WHITE ? CHESS_WHITE_WIN : CHESS_BLACK_WIN;
}

static void end(struct match_game *g, enum chess_result result, const char *reason)
{
    g->result = result;
    g->reason = reason;
}

static void see_end(struct match_game *g, bool claim_draws)
{
    enum chess_color mover = g->position.turn == CHESS_WHITE ? CHESS_BLACK : CHESS_WHITE;
    switch (chess_end_of(&g->position, g->keys, g->plies)) {
    case CHESS_CHECKMATE:
        end(g, win_of(mover), "checkmate");
        break;
    case CHESS_STALEMATE:
        end(g, CHESS_DRAW, "stalemate");
        break;
    case CHESS_INSUFFICIENT:
        end(g, CHESS_DRAW, "insufficient material");
        break;
    case CHESS_SEVENTY_FIVE:
        end(g, CHESS_DRAW, "75-move rule");
        break;
    case CHESS_FIVEFOLD:
        end(g, CHESS_DRAW, "fivefold repetition");
        break;
    case CHESS_FIFTY:
        if (claim_draws)
            end(g, CHESS_DRAW, "50-move rule");
        break;
    case CHESS_THREEFOLD:
        if (claim_draws)
            end(g, CHESS_DRAW, "threefold repetition");
        break;
    case CHESS_GOES_ON:
        break;
    }
    if (g->result == CHESS_RESULT_UNKNOWN && g->plies == MATCH_PLIES_MAX)
        end(g, CHESS_DRAW, "longest game allowed");
}

void match_move(struct match_game *g, chess_move move, uint32_t clock_cs, bool claim_draws)
{
    assert(g->result == CHESS_RESULT_UNKNOWN && g->plies < MATCH_PLIES_MAX);
    g->keys[g->plies] = g->position.key;
    g->moves[g->plies] = move;
    g->clock_cs[g->plies] = clock_cs;
    g->plies++;
    chess_move_make(&g->position, move);
    see_end(g, claim_draws);
}

void match_flag(struct match_game *g, enum chess_color loser)
{
    enum chess_color winner = loser == CHESS_WHITE ? CHESS_BLACK : CHESS_WHITE;
    if (chess_can_mate(&g->position, winner))
        end(g, win_of(winner), "time forfeit");
    else
        end(g, CHESS_DRAW, "time forfeit against insufficient material");
}

void match_resign(struct match_game *g, enum chess_color loser)
{
    end(g, win_of(loser == CHESS_WHITE ? CHESS_BLACK : CHESS_WHITE), "resignation");
}

const char *match_result_pgn(enum chess_result result)
{
    switch (result) {
    case CHESS_WHITE_WIN:
        return "1-0";
    case CHESS_BLACK_WIN:
        return "0-1";
    case CHESS_DRAW:
        return "1/2-1/2";
    case CHESS_RESULT_UNKNOWN:
    case CHESS_ABORTED:
        break;
    }
    return "*";
}

err match_pgn(const struct match_game *g, const struct pgn_tag *tags, size_t tag_count,
              struct buf *out)
{
    struct pgn_game *game = NULL;
    arena scratch;
    arena_init(&scratch, 1024 * 1024);
    game = NEW(&scratch, struct pgn_game);
    if (!game || tag_count + 2 > PGN_TAGS_MAX) {
        arena_deinit(&scratch);
        return ERR(ERR_NO_MEMORY, "writing a game's PGN");
    }
    bool has_clock = g->plies > 0 && g->clock_cs[0] != PGN_CLOCK_NONE;
    memcpy(game->tags, tags, tag_count * sizeof *tags);
    game->tag_count = tag_count;
    game->tags[game->tag_count++] = (struct pgn_tag){ STR("Result"),
                                                      str_of(match_result_pgn(g->result)) };
    if (g->reason[0])
        game->tags[game->tag_count++] = (struct pgn_tag){ STR("Termination"), str_of(g->reason) };
    struct chess_position standard;
    chess_position_start(&standard);
    game->start = g->start;
    game->has_fen = g->start.key != standard.key;
    game->ply_count = g->plies;
    game->moves = g->moves;
    game->clock_cs = has_clock ? g->clock_cs : NULL;
    game->result = g->result;
    err e = pgn_write(game, out);
    arena_deinit(&scratch);
    return e;
}
