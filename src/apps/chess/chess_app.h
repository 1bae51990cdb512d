/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chess_app.h -- what the files of the chess app share: tables and the handlers named in them.
 *
 * app.c and routes.c hold the tables; they are the table of contents. A handler lives in the file
 * that its prefix names: ingest_* in ingest.c, games_* in games.c, and so on.
 */
#ifndef SKERRY_APPS_CHESS_APP_H
#define SKERRY_APPS_CHESS_APP_H

#include "apps/chess/model_serve.h"
#include "base/fs.h"
#include "platform/app/app.h"

extern const struct app app_chess;
extern const struct route chess_routes[];
extern const struct store_migration chess_migrations[];

/* ------------------------------------------------------------------ data: ingest, games, datasets
 */

/* routes */
err ingest_post(struct http_request *rq, struct http_reply *rp);
err ingest_get(struct http_request *rq, struct http_reply *rp);
err ingest_report_get(struct http_request *rq, struct http_reply *rp);
err ingest_list(struct http_request *rq, struct http_reply *rp);
err ingest_moved(struct http_request *rq, struct http_reply *rp);
err ingest_demo(struct http_request *rq, struct http_reply *rp);
err games_list(struct http_request *rq, struct http_reply *rp);
err games_recent(struct http_request *rq, struct http_reply *rp);
err games_count(struct http_request *rq, struct http_reply *rp);
err games_get(struct http_request *rq, struct http_reply *rp);
err games_positions(struct http_request *rq, struct http_reply *rp);
err games_moves(struct http_request *rq, struct http_reply *rp);
err players_list(struct http_request *rq, struct http_reply *rp);
err player_summary(struct http_request *rq, struct http_reply *rp);

/* jobs */
err ingest_run(struct run *run, const struct json *payload);
err dataset_build_run(struct run *run, const struct json *payload);

/* dataset kind "chess.positions" */
extern const char dataset_filter_schema[], dataset_split_schema[];
err dataset_check(struct house *h, const struct json *filter, const struct json *split);
err dataset_sample(struct house *h, const struct dataset_info *info, int64_t cursor, int64_t limit,
                   struct json_out *out);
extern const char dataset_imports_sql[], dataset_of_import_sql[];
err dataset_history(struct house *h, const struct dataset_info *info, struct json_out *out);
err dataset_export_open(struct house *h, const struct dataset_info *info, str format, str split,
                        struct http_stream *ret_stream, const char **ret_content_type);

/* verbs */
err verb_import(struct house *h, const struct verb_args *args);
err verb_dataset(struct house *h, const struct verb_args *args);
err verb_games(struct house *h, const struct verb_args *args);

/* start, blobs that our tables refer to, and the data part of the STATUS block */
err ingest_start(struct house *h);
err games_start(struct house *h);   /* sets the gauges of what is stored */
err dataset_start(struct house *h); /* the same for datasets */
/* Where uploads wait for their import; with file NULL the folder itself. */
err inbox_path(const struct house *h, const char *file, char out[FS_PATH_BYTES]);
err games_roots(void *house, blob_mark_fn mark, void *mark_arg);
err games_status(struct house *h, struct json_out *out);

/* ------------------------------------------------------------------ models: train, serve, evaluate
 */

/* The app's memory while the house is open. */
struct chess_state {
    struct model_serve serve;
};

/* model kind "chess.policy" */
extern const char train_params_schema[];
err train_check(struct house *h, const struct json *params);
err train_run(struct run *run, const struct json *payload);
err evaluate_run(struct run *run, const struct json *payload);
extern const char evaluate_schema[];
err evaluate_check(struct house *h, const struct json *params);
/* What `skerry doctor` says of CHESS_ENGINE. */
size_t evaluate_examine(struct house *h, struct finding *ret_findings, size_t max);
/* Writes the members of a score into an open object: the same names wherever a model was judged. */
void score_write(struct json_out *w, const struct chess_score *s);

err predict_post(struct http_request *rq, struct http_reply *rp);
err predict_version_post(struct http_request *rq, struct http_reply *rp);

/* Reads rating, opponentRating and speed; what is absent keeps its value. */
MUST_USE err chess_conditions_read(const struct json *body, struct chess_conditions *conditions);

/* ------------------------------------------------------------------ games against a model, and
 * matches */

extern const char chess_schema_plays[]; /* migration step 2 */
err play_start(struct house *h); /* brings finished games that a dead process left into the store */
err play_new(struct http_request *rq, struct http_reply *rp);
err play_list(struct http_request *rq, struct http_reply *rp);
err play_get(struct http_request *rq, struct http_reply *rp);
err play_pgn(struct http_request *rq, struct http_reply *rp);
err play_move(struct http_request *rq, struct http_reply *rp);
err play_resign(struct http_request *rq, struct http_reply *rp);
err play_online_count(struct http_request *rq, struct http_reply *rp);
err play_takeback(struct http_request *rq, struct http_reply *rp);
err prefs_get(struct http_request *rq, struct http_reply *rp);
err prefs_put(struct http_request *rq, struct http_reply *rp);

extern const char selfplay_schema[];
err selfplay_start(struct http_request *rq, struct http_reply *rp);
err selfplay_list(struct http_request *rq, struct http_reply *rp);
err selfplay_get(struct http_request *rq, struct http_reply *rp);
err selfplay_metrics(struct http_request *rq, struct http_reply *rp);
err selfplay_debug(struct http_request *rq, struct http_reply *rp);
err selfplay_run(struct run *run, const struct json *payload);

/* verbs */
err verb_train(struct house *h, const struct verb_args *args);
err verb_evaluate(struct house *h, const struct verb_args *args);
err verb_match(struct house *h, const struct verb_args *args);
err verb_uci(struct house *h, const struct verb_args *args);

/* ------------------------------------------------------------------ analytics: plugins over games
 */

extern const char chess_schema_analytics[]; /* migration step 3 */
err analytics_run(struct run *run, const struct json *payload);
err analytics_list(struct http_request *rq, struct http_reply *rp);
err analytics_start(struct http_request *rq, struct http_reply *rp);
err analytics_results(struct http_request *rq, struct http_reply *rp);
err games_analytics(struct http_request *rq, struct http_reply *rp);
err verb_plugin(struct house *h, const struct verb_args *args);
err verb_analyse(struct house *h, const struct verb_args *args);

#endif
