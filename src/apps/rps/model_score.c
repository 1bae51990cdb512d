/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model_score.c -- a version asked like any other model: rows of the contract's features, by name
 * or in their order; for each the likeliest move and what every move is given. */
#include "apps/rps/train.h"
#include "engine/rps/features.h"
#include "engine/rps/game.h"
#include "platform/scoring/batch.h"

enum { ROWS_MAX = 100000, OUTPUTS = 1 + RPS_MOVES, NO_COLUMN = -1 };

/* ------------------------------------------------------------------ the rows */

static ptrdiff_t column_of(const struct score_batch *in, str name)
{
    for (size_t k = 0; k < in->columns; k++)
        if (str_eq(in->names[k], name))
            return (ptrdiff_t)k;
    return NO_COLUMN;
}

/* Where each feature is: by its name, else in their order. */
static err find_columns(const struct score_batch *in, size_t columns[RPS_FEATURES])
{
    if (!in->names && (in->is_flat || in->columns != RPS_FEATURES))
        return ERR(ERR_INVALID, "a row has %zu values, and the model takes the %d features of '%s'",
                   in->columns, RPS_FEATURES, RPS_CONTRACT_FEATURES);
    for (size_t i = 0; i < RPS_FEATURES; i++) {
        str name = str_of(rps_feature_name(i));
        ptrdiff_t at = in->names ? column_of(in, name) : (ptrdiff_t)i;
        if (at == NO_COLUMN)
            return ERR(ERR_INVALID, "the column '%.*s' is missing", STR_ARG(name));
        columns[i] = (size_t)at;
    }
    return OK;
}

/* Rows by rows of features; texts of CSV are numbers, others are not. */
static err read_rows(const struct score_batch *in, arena *keep, double **ret_rows)
{
    size_t columns[RPS_FEATURES];
    TRY(find_columns(in, columns));
    if (in->rows > ROWS_MAX)
        return ERR(ERR_INVALID, "%zu rows: at most %d are asked at once", in->rows, ROWS_MAX);
    struct score_batch own = { .rows = in->rows, .columns = RPS_FEATURES, .is_table = true };
    own.is_text = in->is_text;
    own.cells = NEW_ARRAY(keep, struct cell, in->rows * RPS_FEATURES + 1);
    ARENA_TRY(own.cells);
    for (size_t row = 0; row < in->rows; row++)
        for (size_t i = 0; i < RPS_FEATURES; i++)
            own.cells[row * RPS_FEATURES + i] = in->cells[row * in->columns + columns[i]];
    if (own.is_text)
        batch_infer(&own);
    return batch_numbers(&own, keep, ret_rows);
}

/* ------------------------------------------------------------------ the answers */

static err answer_rows(const struct rps_model *model, const double *rows, size_t count, arena *keep,
                       struct prediction *ret_prediction)
{
    struct output *o = NEW_ARRAY(keep, struct output, OUTPUTS);
    str *moves = NEW_ARRAY(keep, str, count + 1);
    double *shares = NEW_ARRAY(keep, double, RPS_MOVES *count + 1);
    ARENA_TRY(o && moves && shares);
    for (size_t k = 0; k < OUTPUTS; k++)
        o[k] = (struct output){ .name = k ? str_of(rps_move_name((unsigned)k - 1)) : STR("move"),
                                .type = k ? OUTPUT_DOUBLE : OUTPUT_TEXT,
                                .dims = 1,
                                .shape = { (int64_t)count },
                                .values = k ? (const void *)(shares + (k - 1) * count) : moves };
    for (size_t i = 0; i < count; i++) {
        float p[RPS_MOVES];
        unsigned best = 0;
        learn_classifier_predict(model->classifier, rows + i * RPS_FEATURES, p);
        for (unsigned move = 0; move < RPS_MOVES; move++) {
            shares[move * count + i] = (double)p[move];
            best = p[move] > p[best] ? move : best;
        }
        moves[i] = str_of(rps_move_name(best));
    }
    *ret_prediction = (struct prediction){ .outputs = o, .count = OUTPUTS, .is_table = true };
    return OK;
}

static err load_version(struct house *h, const struct model_version_info *info,
                        struct rps_model **ret_model)
{
    struct blob_map map = { .count = 0 };
    TRY(blob_map(house_blobs(h), &info->blob, &map));
    err e = rps_model_load(str_from(map.bytes, map.count), ret_model);
    blob_unmap(&map);
    return e;
}

err rps_model_score(struct house *h, const struct model_version_info *info,
                    const struct score_batch *in, arena *keep, struct prediction *ret_prediction)
{
    double *rows;
    struct rps_model *model = NULL;
    TRY(load_version(h, info, &model));
    err e = model->sort == RPS_OF_CONTRACT
                ? read_rows(in, keep, &rows)
                : ERR(ERR_UNSUPPORTED,
                      "version %lld takes features of '" RPS_PLAYER_FEATURE_SET
                      "', which are of a person: ask POST /predict with player_name",
                      (long long)info->version);
    if (!e.code)
        e = answer_rows(model, rows, in->rows, keep, ret_prediction);
    rps_model_free(model);
    return e;
}
