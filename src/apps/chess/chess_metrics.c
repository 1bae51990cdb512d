/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chess_metrics.c -- what the chess app counts. Names follow the contract (chs_*); one meaning each.
 *
 * run_id is a label only of gauges of a run that is going on: counters that carried it would grow
 * without end. */
#include "apps/chess/chess_metrics.h"

static const double ingest_seconds[] = { 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600 };
static const double export_seconds[] = { 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300 };

const struct metric_family chess_metrics[CHESS_M_COUNT + 1] = {
    [CHESS_M_INGEST_JOBS] = { "chs_ingest_jobs_total", METRIC_COUNTER,
                              "Imports asked for, over HTTP or on the command line." },
    [CHESS_M_INGEST_STARTS] = { "chs_ingest_starts_total", METRIC_COUNTER,
                                "Imports started; a try after a failure counts again." },
    [CHESS_M_INGEST_SUCCESS] = { "chs_ingest_success_total", METRIC_COUNTER,
                                 "Imports that ended well." },
    [CHESS_M_INGEST_FAILED] = { "chs_ingest_failed_total", METRIC_COUNTER,
                                "Imports that ended with an error." },
    [CHESS_M_INGEST_DURATION] = { "chs_ingest_duration_seconds", METRIC_HISTOGRAM,
                                  "Duration of one import.",
                                  { "outcome" },
                                  ingest_seconds,
                                  sizeof ingest_seconds / sizeof ingest_seconds[0] },
    [CHESS_M_INGEST_ACTIVE] = { "chs_ingest_active", METRIC_GAUGE, "Imports running now." },
    [CHESS_M_INGEST_GAMES] = { "chs_ingest_games_total", METRIC_COUNTER, "Games added." },
    [CHESS_M_INGEST_POSITIONS] = { "chs_ingest_positions_total", METRIC_COUNTER,
                                   "Positions (half moves) of the games added." },
    [CHESS_M_INGEST_SKIPPED] = { "chs_ingest_skipped_total", METRIC_COUNTER,
                                 "Games not added because they were there already." },
    [CHESS_M_INGEST_REFUSED] = { "chs_ingest_refused_total", METRIC_COUNTER,
                                 "Games not added because they could not be read." },
    [CHESS_M_INGEST_BYTES] = { "chs_ingest_bytes_total", METRIC_COUNTER,
                               "Bytes read from uploads and files, as compressed." },
    [CHESS_M_INGEST_WRITES] = { "chs_ingest_write_total", METRIC_COUNTER,
                                "Batches of games written to the store." },
    [CHESS_M_INGEST_UPSERTS] = { "chs_ingest_upsert_total", METRIC_COUNTER,
                                 "Players and openings looked up or added while importing." },
    [CHESS_M_INGEST_FILES] = { "chs_ingest_files_written_total", METRIC_COUNTER,
                               "Packs and reports written to the blob store by imports." },
    [CHESS_M_LEGAL_MOVES] = { "chs_positions_legal_moves_total", METRIC_COUNTER,
                              "Legal moves listed for positions of stored games." },
    [CHESS_M_GAME_READS] = { "chs_game_reads_total", METRIC_COUNTER,
                             "Reads of stored games over HTTP.",
                             { "view" } },
    [CHESS_M_GAMES_STORED] = { "chs_games_stored", METRIC_GAUGE, "Games in the store." },
    [CHESS_M_DATASET_BUILDS] = { "chs_dataset_build_total", METRIC_COUNTER,
                                 "Datasets built.",
                                 { "outcome" } },
    [CHESS_M_DATASET_BUILD_DURATION] = { "chs_dataset_build_duration_seconds", METRIC_HISTOGRAM,
                                         "Duration of one dataset build.",
                                         { NULL },
                                         ingest_seconds,
                                         sizeof ingest_seconds / sizeof ingest_seconds[0] },
    [CHESS_M_DATASET_ROWS] = { "chs_dataset_rows", METRIC_GAUGE,
                               "Rows of a dataset.",
                               { "dataset_id", "split" } },
    [CHESS_M_DATASET_ROWS_WRITTEN] = { "chs_dataset_rows_total", METRIC_COUNTER,
                                       "Rows written to datasets." },
    [CHESS_M_DATASET_INVALID] = { "chs_dataset_invalid_rows_total", METRIC_COUNTER,
                                  "Positions and games left out of datasets because they could not be used.",
                                  { "reason" } },
    [CHESS_M_DATASET_EXPORT_DURATION] = { "chs_dataset_export_duration_seconds", METRIC_HISTOGRAM,
                                          "Duration of one dataset export.",
                                          { "format" },
                                          export_seconds,
                                          sizeof export_seconds / sizeof export_seconds[0] },
    [CHESS_M_DATASET_EXPORT_ROWS] = { "chs_dataset_export_rows_total", METRIC_COUNTER,
                                      "Rows or games written by exports.",
                                      { "format" } },
    [CHESS_M_COUNT] = { 0 },
};

void chess_metrics_zero(struct metrics *m)
{
    static const struct {
        enum chess_metric which;
        const char *value;
    } sets[] = {
        { CHESS_M_INGEST_DURATION, "success" },      { CHESS_M_INGEST_DURATION, "failed" },
        { CHESS_M_DATASET_BUILDS, "success" },       { CHESS_M_DATASET_BUILDS, "failed" },
        { CHESS_M_DATASET_INVALID, "damaged_game" }, { CHESS_M_DATASET_INVALID, "too_many_pieces" },
        { CHESS_M_DATASET_INVALID, "no_date" },      { CHESS_M_DATASET_EXPORT_DURATION, "pgn" },
        { CHESS_M_DATASET_EXPORT_DURATION, "csv" },  { CHESS_M_DATASET_EXPORT_DURATION, "ndjson" },
        { CHESS_M_DATASET_EXPORT_ROWS, "pgn" },      { CHESS_M_DATASET_EXPORT_ROWS, "csv" },
        { CHESS_M_DATASET_EXPORT_ROWS, "ndjson" },   { CHESS_M_GAME_READS, "list" },
        { CHESS_M_GAME_READS, "game" },              { CHESS_M_GAME_READS, "positions" },
        { CHESS_M_GAME_READS, "moves" },             { CHESS_M_GAME_READS, "players" },
    };
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        (void)CHESS_CELL(m, sets[i].which, str_of(sets[i].value));
}
