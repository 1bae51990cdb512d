/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model_score.c -- a policy asked like any other model: a column of FENs, a move for each. */
#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/model_serve.h"
#include "platform/scoring/batch.h"

enum { ROWS_MAX = 10000, OUTPUTS = 4 };

static err find_fen(const struct score_batch *in, size_t *ret_column)
{
    for (size_t k = 0; in->names && k < in->columns; k++) {
        if (str_eq(in->names[k], STR("fen"))) {
            *ret_column = k;
            return OK;
        }
    }
    return ERR(ERR_INVALID, "a column 'fen' is needed: {\"inputs\": {\"fen\": [\"...\"]}}");
}

static err score_row(const struct chess_net *net, const struct cell *cell, size_t row, arena *keep,
                     str *ret_move, struct chess_prediction *p)
{
    struct chess_position position;
    struct chess_conditions conditions = { .speed = 0 };
    struct rng rng;
    char uci[CHESS_UCI_BYTES] = "";
    if (cell->kind != CELL_TEXT)
        return ERR(ERR_INVALID, "row %zu: 'fen' must be a text", row);
    TRY(err_wrap(chess_fen_parse(cell->text, &position), "row %zu", row));
    chess_net_predict(net, &position, &conditions, p);
    rng_init(&rng, row);
    if (p->move_count)
        chess_uci_write(&position, chess_prediction_pick(p, 0, 0, &rng), uci);
    *ret_move = arena_str(keep, str_of(uci));
    return arena_check(keep);
}

static err score_rows(const struct served_model *m, const struct score_batch *in, size_t column,
                      arena *keep, struct prediction *ret_prediction)
{
    static const char *const names[OUTPUTS] = { "move", "win", "draw", "loss" };
    struct output *o = NEW_ARRAY(keep, struct output, OUTPUTS);
    str *moves = NEW_ARRAY(keep, str, in->rows + 1);
    double *values = NEW_ARRAY(keep, double, 3 * in->rows + 1);
    struct chess_prediction *p = NEW(keep, struct chess_prediction);
    ARENA_TRY(o && moves && values && p);
    for (size_t k = 0; k < OUTPUTS; k++)
        o[k] = (struct output){ .name = str_of(names[k]),
                                .type = k ? OUTPUT_DOUBLE : OUTPUT_TEXT,
                                .dims = 1,
                                .shape = { (int64_t)in->rows },
                                .values = k ? (const void *)(values + (k - 1) * in->rows) : moves };
    for (size_t i = 0; i < in->rows; i++) {
        TRY(score_row(m->net, &in->cells[i * in->columns + column], i, keep, &moves[i], p));
        values[i] = p->win;
        values[in->rows + i] = p->draw;
        values[2 * in->rows + i] = p->loss;
    }
    *ret_prediction = (struct prediction){ .outputs = o, .count = OUTPUTS, .is_table = true };
    return OK;
}

err model_score(struct house *h, const struct model_version_info *info,
                const struct score_batch *in, arena *keep, struct prediction *ret_prediction)
{
    size_t column = 0;
    struct served_model *m;
    TRY(find_fen(in, &column));
    if (in->rows > ROWS_MAX)
        return ERR(ERR_INVALID, "%zu rows: at most %d positions are asked at once", in->rows,
                   ROWS_MAX);
    str version = arena_fmt(keep, "%lld", (long long)info->version);
    ARENA_TRY(version.ptr);
    TRY(model_acquire(h, info->name, version, &m));
    err e = score_rows(m, in, column, keep, ret_prediction);
    metric_add(e.code ? m->errors : m->requests, 1);
    model_release(m);
    return e;
}
