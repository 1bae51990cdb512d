/* SPDX-License-Identifier: GPL-3.0-or-later */
/* batch.h -- rows that a model is asked about, in the shapes of MLflow's scoring server, and what a
 * model answers.
 *
 *   {"dataframe_split": {"columns": [...], "data": [[...]]}}     {"dataframe_records": [{...}]}
 *   {"instances": [...]}  {"inputs": {...} or [...]}             text/csv with a header
 *
 * A batch is a table of cells. Reading it knows nothing of the model; fitting it to a signature
 * does what MLflow does with pandas: columns are taken by name, in the order of the signature,
 * others are dropped, and values become what the column is. So 2.5 in a column of long is 2, "0.5"
 * in a column of double is 0.5, and null in one of long is refused.
 */
#ifndef SKERRY_SCORING_BATCH_H
#define SKERRY_SCORING_BATCH_H

#include "platform/scoring/mlmodel.h"

struct json;
struct json_out;

enum { BATCH_COLUMNS_MAX = MLMODEL_COLUMNS_MAX, BATCH_CELLS_MAX = 2 * 1000 * 1000 };

enum cell_kind { CELL_NULL, CELL_BOOL, CELL_INT, CELL_REAL, CELL_TEXT, CELL_OTHER };
struct cell {
    enum cell_kind kind;
    union {
        bool truth;
        int64_t integer;
        double real;
        str text;
    };
};

struct score_batch {
    size_t rows, columns;
    str *names;         /* of the columns; NULL: they have none */
    struct cell *cells; /* row by row */
    bool is_table;      /* a table of columns, else an array */
    bool is_text;       /* of CSV: nothing but texts and nulls */
    bool is_flat;       /* an array of numbers, not of rows: one column */
};

/* From a JSON body; NaN may stand where null may. ERR_INVALID says what is wrong; ERR_TOO_BIG above
 * BATCH_CELLS_MAX. Lives in `keep`, refers to `text`. */
MUST_USE err batch_read_json(str text, arena *keep, struct score_batch *ret_batch);
/* From CSV with a header, as pandas reads it: empty fields and "NA" and the like are null. */
MUST_USE err batch_read_csv(str text, arena *keep, struct score_batch *ret_batch);

/* For a model without a signature: in columns of CSV, texts that are all numbers, or all "true" and
 * "false", become that. Texts of JSON stay what they are. */
void batch_infer(struct score_batch *b);

/* Makes values what the columns of a signature are. ERR_INVALID names column and value. Columns
 * that are not there are left to batch_choose. */
MUST_USE err batch_cast(struct score_batch *b, const struct signature *s);
/* Takes the columns of a signature in its order. ERR_INVALID names those that are missing. */
MUST_USE err batch_choose(struct score_batch *b, const struct signature *s, arena *keep);

/* The cells as numbers, row by row: null is NaN, true is 1. ERR_INVALID for texts. */
MUST_USE err batch_numbers(const struct score_batch *b, arena *keep, double **ret_numbers);

/* ------------------------------------------------------------------ answers */

enum output_type { OUTPUT_FLOAT, OUTPUT_DOUBLE, OUTPUT_LONG, OUTPUT_BOOL, OUTPUT_TEXT };
struct output {
    str name; /* empty: the model has one answer */
    enum output_type type;
    size_t dims;
    int64_t shape[MLMODEL_DIMS_MAX];
    const void *values; /* float, double, int64_t, bool, str */
};
struct prediction {
    struct output *outputs;
    size_t count;
    bool is_table; /* several outputs as rows of an object each, else one object of arrays */
};
/* Writes it as the value of "predictions". */
void prediction_write(const struct prediction *p, struct json_out *out);

#endif
