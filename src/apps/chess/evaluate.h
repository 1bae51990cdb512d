/* SPDX-License-Identifier: GPL-3.0-or-later */
/* evaluate.h -- what the files of the job chess.evaluate share. Private to them. */
#ifndef SKERRY_APPS_CHESS_EVALUATE_H
#define SKERRY_APPS_CHESS_EVALUATE_H

#include "apps/chess/acpl.h"
#include "apps/chess/chess_app.h"
#include "apps/chess/dataset_file.h"
#include "apps/chess/dataset_filter.h"

enum { EVAL_BANDS = 10, EVAL_BAND_NAME_BYTES = 24, EVAL_RESULT_MAX = 64 * 1024 };

struct evaluation {
    struct run *run;
    struct house *h;
    struct chess_dataset *data;
    struct chess_sample_source source; /* all rows of the split */
    size_t count;                      /* rows judged, evenly spread over the split */
    size_t first;                      /* where they begin: the seed's choice */
    const char *split;
    struct served_model *candidate, *baseline; /* baseline may be NULL */
    str suite;
};

/* Bands of the mover's rating: unknown, below 1000, 1000-1199, ... 2200-2399, 2400 and more. */
int evaluate_band(uint16_t rating);
void evaluate_band_name(int band, char out[EVAL_BAND_NAME_BYTES]);

/* ------------------------------------------------------------------ suite acpl */

/* Whose moves are judged. The third is the baseline model if there is one, else a player who picks
 * any legal move, the same for the same seed. */
enum acpl_player { ACPL_HUMAN, ACPL_CANDIDATE, ACPL_OTHER, ACPL_PLAYERS };
const char *acpl_player_name(const struct evaluation *e, enum acpl_player player);

/* One position of the sample. Scores are the mover's, within ACPL_CAP. */
struct acpl_verdict {
    size_t row; /* in the split */
    uint32_t game;
    uint16_t rating, ply;
    enum chess_phase phase;
    bool is_judged; /* the following are known */
    chess_move best, move[ACPL_PLAYERS];
    int best_cp, cp[ACPL_PLAYERS];
};

struct acpl_plan {
    int64_t positions, nodes, depth, seed; /* depth 0: nodes decide */
    int64_t answer_ms;
    char engine[FS_PATH_BYTES];
};

struct acpl_sample {
    struct evaluation *e;
    struct acpl_plan plan;
    struct acpl_verdict *verdicts; /* by row, so that those of a game are together */
    size_t count;
    size_t judged, failed;
    char engine_name[128];
};

/* Reads positions, nodes, depth and seed, and finds the engine: `engine` if it is not empty, else
 * what CHESS_ENGINE means. */
MUST_USE err acpl_plan_read(struct house *h, const struct json *params, str engine,
                            struct acpl_plan *ret_plan);

/* The whole suite: rows, models and params of `e` are open. *ret_positions is how many were judged.
 */
MUST_USE err acpl_evaluate(struct evaluation *e, const struct json *payload, size_t *ret_positions);

/* positions.ndjson: a line for each judged position, for people and for the next try. Reading skips
 * lines that do not fit this sample. */
void acpl_lines_write(const struct acpl_sample *s, struct buf *out);
MUST_USE err acpl_lines_read(struct acpl_sample *s, str text, size_t *ret_count);

/* Logs the running means as metrics of the run, at step `judged`. */
MUST_USE err acpl_metrics(const struct acpl_sample *s);
/* metrics.json, report.json, the run's result and the gauges. */
MUST_USE err acpl_publish(const struct acpl_sample *s);

#endif
