/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack_walk.c -- the moves of a packed game one after another, with clocks and evals. */
#include "engine/chess/pack_internal.h"

err pack_walk_begin(str bytes, struct pack_walk *w)
{
    struct pack_head h;
    TRY(pack_head_read(bytes, &h));
    *w = (struct pack_walk){
        .position = h.start,
        .moves = h.moves,
        .clocks = h.clocks,
        .evals = h.evals,
        .ply_count = h.ply_count,
        .clock_unit = h.clock_unit,
        .has_clocks = h.flags & PACK_HAS_CLOCKS,
        .has_evals = h.flags & PACK_HAS_EVALS,
        .clock_cs = PGN_CLOCK_NONE,
        .eval_cp = PGN_EVAL_NONE,
    };
    return OK;
}

/* Nearly all numbers here have one byte. */
static inline uint64_t next_varint(struct cursor *c)
{
    if (c->next < c->end && *c->next < 0x80)
        return *c->next++;
    return cursor_varint(c);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static bool next_clock(struct pack_walk *w)
{
    uint64_t coded = next_varint(&w->clocks);
    w->clock_cs = PGN_CLOCK_NONE;
    if (coded == 0)
        return !w->clocks.bad;
    uint32_t *last = &w->last_clock[w->ply & 1];
    int64_t now = (int64_t)*last - unzigzag(coded - 1);
    if (coded > UINT32_MAX || now < 0 || now * w->clock_unit > PACK_CLOCK_CS_MAX)
        return false;
    *last = (uint32_t)now;
    w->clock_cs = *last * w->clock_unit;
    return true;
}

static bool next_eval(struct pack_walk *w)
{
    uint64_t coded = next_varint(&w->evals);
    w->eval_cp = PGN_EVAL_NONE;
    if (coded == 0)
        return !w->evals.bad;
    int64_t now = w->last_eval + unzigzag(coded - 1);
    if (coded > UINT32_MAX || now <= INT16_MIN || now > INT16_MAX)
        return false;
    w->last_eval = w->eval_cp = (int16_t)now;
    return true;
}

bool pack_walk_next(struct pack_walk *w)
{
    size_t ply = w->started ? w->ply + 1 : 0;
    if (w->failed || w->finished)
        return false;
    if (w->started)
        chess_move_make(&w->position, w->move);
    w->move = CHESS_MOVE_NONE;
    if (ply >= w->ply_count) {
        w->finished = true;
        return false;
    }
    unsigned index = cursor_u8(&w->moves);
    if (index == PACK_INDEX_ESCAPE)
        index += cursor_u8(&w->moves);
    w->ply = ply;
    w->started = true;
    w->move = chess_move_at(&w->position, (int)index);
    w->failed = w->moves.bad || !w->move || (w->has_clocks && !next_clock(w)) ||
                (w->has_evals && !next_eval(w));
    return !w->failed;
}

err pack_walk_end(const struct pack_walk *w)
{
    if (w->failed || (w->finished && (cursor_left(&w->moves) || cursor_left(&w->clocks) ||
                                      cursor_left(&w->evals))))
        return ERR(ERR_CORRUPT, "reading a packed game: half-move %zu of %zu makes no sense",
                   w->ply + 1, w->ply_count);
    return OK;
}
