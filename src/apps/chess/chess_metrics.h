/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chess_metrics.h -- the metric families of the chess app, by index. */
#ifndef SKERRY_APPS_CHESS_METRICS_H
#define SKERRY_APPS_CHESS_METRICS_H

#include "platform/observe/metrics.h"

enum chess_metric {
    /* ingest */
    CHESS_M_INGEST_JOBS,
    CHESS_M_INGEST_STARTS,
    CHESS_M_INGEST_SUCCESS,
    CHESS_M_INGEST_FAILED,
    CHESS_M_INGEST_DURATION,
    CHESS_M_INGEST_ACTIVE,
    CHESS_M_INGEST_GAMES,
    CHESS_M_INGEST_POSITIONS,
    CHESS_M_INGEST_SKIPPED,
    CHESS_M_INGEST_REFUSED,
    CHESS_M_INGEST_BYTES,
    CHESS_M_INGEST_WRITES,
    CHESS_M_INGEST_UPSERTS,
    CHESS_M_INGEST_FILES,
    CHESS_M_LEGAL_MOVES,
    CHESS_M_GAME_READS,
    CHESS_M_GAMES_STORED,
    /* datasets */
    CHESS_M_DATASET_BUILDS,
    CHESS_M_DATASET_BUILD_DURATION,
    CHESS_M_DATASET_ROWS,
    CHESS_M_DATASET_ROWS_WRITTEN,
    CHESS_M_DATASET_INVALID,
    CHESS_M_DATASET_EXPORT_DURATION,
    CHESS_M_DATASET_EXPORT_ROWS,

    /* training */
    CHESS_M_TRAINING_RUNS,
    CHESS_M_TRAINING_LOSS,
    CHESS_M_TRAINING_ACCURACY,
    CHESS_M_TRAINING_RATE,
    CHESS_M_TRAINING_STEP,
    /* serving */
    CHESS_M_MODELS_LOADED,
    CHESS_M_RELOAD_FAILURES,
    CHESS_M_PREDICT_REQUESTS,
    CHESS_M_PREDICT_ERRORS,
    CHESS_M_PREDICT_ILLEGAL,
    CHESS_M_PREDICT_SECONDS,
    /* evaluation */
    CHESS_M_EVAL_LOSS,
    CHESS_M_EVAL_TOP1,
    CHESS_M_EVAL_TOP3,
    CHESS_M_EVAL_ECE,
    CHESS_M_EVAL_SECONDS,
    CHESS_M_EVAL_ERRORS,
    CHESS_M_EVAL_ACPL,
    CHESS_M_EVAL_BLUNDERS,
    CHESS_M_EVAL_POSITIONS,
    CHESS_M_EVAL_POSITION_SECONDS,
    /* play and matches */
    CHESS_M_MOVES,
    CHESS_M_PLAYS,
    CHESS_M_ELO,
    CHESS_M_SELFPLAY_GAMES,
    CHESS_M_SELFPLAY_MOVES,
    CHESS_M_SELFPLAY_ACTIVE,
    CHESS_M_SELFPLAY_FAILURES,
    CHESS_M_SELFPLAY_ELO,
    CHESS_M_SELFPLAY_WIN_RATE,
    CHESS_M_SELFPLAY_MOVE_SECONDS,
    /* analytics plugins */
    CHESS_M_ANALYTIC_GAMES,

    CHESS_M_COUNT,
};

/* One row for each index, then the end. */
extern const struct metric_family chess_metrics[CHESS_M_COUNT + 1];

static inline struct metric_cell *chess_cell(struct metrics *m, enum chess_metric which)
{
    return metric_cell_plain(m, &chess_metrics[which]);
}
#define CHESS_CELL(m, which, ...) METRIC_CELL((m), &chess_metrics[which], __VA_ARGS__)

/* Makes the label sets that panels and alerts ask for before anything happened. */
void chess_metrics_zero(struct metrics *m, str default_user);

#endif
