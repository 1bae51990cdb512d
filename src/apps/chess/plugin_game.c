/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/plugin_game.h"

#include "apps/chess/dataset_file.h"
#include "apps/chess/game_record.h"
#include "apps/chess/match.h"

/* Our board byte (piece | colour << 3) as the plugin header's. */
static uint8_t piece_code(uint8_t board_byte)
{
    if (board_byte == CHESS_NO_PIECE)
        return SKERRY_EMPTY;
    return (uint8_t)(((board_byte & 7) + 1) | (board_byte & 8));
}

static void copy_board(const struct chess_position *p, uint8_t out[64])
{
    for (int square = 0; square < 64; square++)
        out[square] = piece_code(p->board[square]);
}

static void describe_castling(const struct chess_position *p, chess_move m, struct skerry_move *out)
{
    int rank = p->turn == CHESS_WHITE ? 0 : 56;
    bool king_side = chess_move_to(m) > chess_move_from(m); /* the move is king takes own rook */
    out->flags |= king_side ? SKERRY_CASTLE_KING : SKERRY_CASTLE_QUEEN;
    out->to = (uint8_t)(rank + (king_side ? 6 : 2));
}

/* Describes m in p, then makes it. */
static void describe_move(struct chess_position *p, chess_move m, struct skerry_move *out)
{
    int from = chess_move_from(m), to = chess_move_to(m);
    out->from = (uint8_t)from;
    out->to = (uint8_t)to;
    out->piece = piece_code(p->board[from]);
    chess_san_write(p, m, out->san);
    chess_uci_write(p, m, out->uci);
    if (chess_move_is_castling(m)) {
        describe_castling(p, m, out);
    } else {
        out->captured = piece_code(p->board[to]);
        if ((out->piece & 7) == SKERRY_PAWN && to == p->en_passant &&
            p->en_passant != CHESS_NO_SQUARE) {
            out->captured = (uint8_t)(SKERRY_PAWN | (p->turn == CHESS_WHITE ? SKERRY_BLACK : 0));
            out->flags |= SKERRY_EN_PASSANT;
        }
        if (out->captured)
            out->flags |= SKERRY_CAPTURE;
        if (chess_move_promotion(m)) {
            out->promoted = (uint8_t)((chess_move_promotion(m) + 1) | (out->piece & SKERRY_BLACK));
            out->flags |= SKERRY_PROMOTION;
        }
    }
    chess_move_make(p, m);
    if (chess_in_check(p))
        out->flags |= chess_has_moves(p) ? SKERRY_CHECK : SKERRY_CHECK | SKERRY_MATE;
}

static err describe_moves(const struct pgn_game *g, arena *keep, struct skerry_game *out)
{
    struct skerry_move *moves = NEW_ARRAY(keep, struct skerry_move, g->ply_count + 1);
    uint8_t(*boards)[64] = arena_alloc(keep, g->ply_count + 1, sizeof *boards, 1);
    struct chess_position p = g->start;
    ARENA_TRY(moves);
    ARENA_TRY(boards);
    copy_board(&p, boards[0]);
    for (size_t i = 0; i < g->ply_count; i++) {
        struct skerry_move *m = &moves[i];
        m->clock_cs = g->clock_cs && g->clock_cs[i] != PGN_CLOCK_NONE ? (int32_t)g->clock_cs[i]
                                                                      : SKERRY_CLOCK_NONE;
        m->eval_cp = g->eval_cp && g->eval_cp[i] != PGN_EVAL_NONE ? g->eval_cp[i]
                                                                  : SKERRY_EVAL_NONE;
        describe_move(&p, g->moves[i], m);
        copy_board(&p, boards[i + 1]);
    }
    out->plies = (int32_t)g->ply_count;
    out->moves = moves;
    out->boards = (const uint8_t(*)[64])boards;
    return OK;
}

err plugin_game_of(const struct pgn_game *game, const char *id, arena *keep,
                   struct skerry_game *ret_game)
{
    struct game_record record;
    struct skerry_game out = { .abi = SKERRY_PLUGIN_ABI };
    char eco[4];
    game_record_of(game, &record);
    chess_eco_write(record.eco, eco);
    out.id = arena_cstr(keep, str_of(id));
    out.white = arena_cstr(keep, record.white);
    out.black = arena_cstr(keep, record.black);
    out.white_rating = record.white_rating;
    out.black_rating = record.black_rating;
    out.result = match_result_pgn(record.result);
    out.speed = chess_speed_name(record.speed);
    out.eco = arena_cstr(keep, str_of(eco));
    out.opening = arena_cstr(keep, record.opening);
    out.time_control = arena_cstr(keep, record.time_control);
    out.has_clocks = game->clock_cs != NULL;
    out.has_evals = game->eval_cp != NULL;
    TRY(describe_moves(game, keep, &out));
    TRY(arena_check(keep));
    *ret_game = out;
    return OK;
}
