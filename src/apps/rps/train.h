/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train.h -- from the games in the tables to a registered version: rows, dataset, training. */
#ifndef SKERRY_RPS_TRAIN_H
#define SKERRY_RPS_TRAIN_H

#include "apps/rps/model.h"
#include "apps/rps/rps_app.h"
#include "engine/learn/pipeline.h"
#include "engine/rps/player_past.h"

#define RPS_MODEL_KIND "rps.policy"
#define RPS_DATASET_KIND "rps.rounds"
#define RPS_DATASET_NAME "rps-rounds"

enum {
    RPS_TRAIN_ROWS_MAX = 1000 * 1000,
    RPS_PEOPLE_ROWS_MAX = 250 * 1000,
    RPS_IMPORTED_ROUNDS_MAX = 1024
};

/* ------------------------------------------------------------------ model_score.c */

/* For struct model_kind.score: versions of the contract's features. */
MUST_USE err rps_model_score(struct house *h, const struct model_version_info *info,
                             const struct score_batch *in, arena *keep,
                             struct prediction *ret_prediction);

/* ------------------------------------------------------------------ train_rows.c */

/* The rounds that train: of games played here that are no tests and began at since_ms or later, as
 * they stood at until_ms; the newest games that together have at most row_max rows. Of games of the
 * bots that follow rules (by the player's name) every stride-th counts, from the newest on. Fewer
 * games, when the installation says which: by who played, and against whom. */
enum rps_rows_source {
    RPS_ROWS_PLAYED,   /* games that were played here */
    RPS_ROWS_PEOPLE,   /* imported ones, of the people who may train */
    RPS_ROWS_HELD_OUT, /* imported ones, of a quarter of the people, by whom they met */
};
struct rps_rows_query {
    enum rps_rows_source source;
    int64_t since_ms, until_ms, row_max, stride;
    str player_like;   /* as in SQL, minds case, \\ escapes; empty: everybody */
    uint32_t policies; /* a bit for each, by rps_policy_index; 0: all */
};
/* What the settings say, for games of this source; player_like is theirs. Imported games were
 * chosen by who imported them: only their number is limited. */
MUST_USE err rps_rows_settings(struct house *h, enum rps_rows_source source,
                               struct rps_rows_query *ret_query);
struct rps_row_game {
    char key[RPS_ID_BYTES_MAX + 1];
    char player[RPS_NAME_BYTES_MAX + 1]; /* of a game that was played here; "": nobody's name */
    int64_t number, created_ms;
    int64_t seen;        /* of the player's games, see past.h */
    uint64_t group;      /* of its rows: the game; of imported ones whoever met each other */
    uint64_t person;     /* a hash of who played; of the game, where nobody knows them */
    uint8_t against;     /* enum rps_against, of imported games */
    size_t first, count; /* rows */
    size_t first_turn, turn_count; /* all rounds */
};
/* Oldest game first; whole games only. */
struct rps_rows {
    struct learn_table table; /* empty (row_count 0) when there are no rows */
    struct rps_row_game *games;
    size_t game_count;
    struct rps_turn *turns;
    size_t turn_count;
    bool is_people; /* imported */
};
/* The features are rps_training_rows, those of contract-50: what /play shows its models, to the
 * bit. */
MUST_USE err rps_rows_read(struct house *h, const struct rps_rows_query *query,
                           struct rps_rows *ret_rows);
void rps_rows_deinit(struct rps_rows *rows); /* accepts all zero */

/* Rounds (all numbers) that such games have, and how many of them were played after `after_ms`. */
MUST_USE err rps_rounds_count(struct house *h, const struct rps_rows_query *query, int64_t after_ms,
                              int64_t *ret_all, int64_t *ret_new);

/* As CSV: game_id, step_no, the features under their names with all their digits, user_move. */
void rps_rows_csv(const struct rps_rows *rows, struct buf *out);

/* ------------------------------------------------------------------ train_players.c */

/* The same rows in the features of player-history, which are made anew for each population, from
 * these games and those that the store has of their players from before. */
struct rps_players;
/* `rows` outlive it. */
MUST_USE err rps_players_open(struct house *h, const struct rps_rows *rows,
                              struct rps_players **ret_players);
void rps_players_close(struct rps_players *p); /* accepts NULL */
const struct learn_table *rps_players_table(const struct rps_players *p);
/* For struct learn_pipeline.prepare: a population of the games that train, and all rows by it. In
 * the folds, which part games of one person, a row that trains knows nothing of a game that does
 * not. Populations are kept: another configuration in the same parts fits none. */
MUST_USE err rps_players_prepare(struct rps_players *p, enum learn_stage stage, int part,
                                 struct learn_rows train, err (*progress)(void *arg, double done),
                                 void *arg, str *ret_part);
/* All rows as a model with this population is shown them. */
MUST_USE err rps_players_fill(struct rps_players *p, const struct rps_population *population);

/* ------------------------------------------------------------------ train_register.c */

/* The dataset of these rows: the same rows are the same version, whoever trains on them. */
MUST_USE err rps_dataset_of(struct run *run, const struct rps_rows *rows, char ret_id[UUID_BYTES]);

struct rps_made {
    enum rps_family family;
    enum rps_sort sort;
    struct learn_classifier *classifier;
    str dataset_id, metrics, config_id;
    str alias;          /* asked for; empty: the first that is free */
    bool is_challenger; /* when none is free: shadow2 */
};
/* Registers it once for this run, whatever became of earlier tries, and moves the alias. *ret_alias
 * is a literal; "" when it got none. */
MUST_USE err rps_register(struct run *run, const struct rps_made *made,
                          struct model_version_info *ret_info, const char **ret_alias);

/* ------------------------------------------------------------------ train_trees.c */

/* For struct learn_pipeline.train_trees: `library` as in tree_train. */
MUST_USE err rps_train_trees(const char *library, const struct learn_tree_options *options,
                             const struct learn_training *training,
                             struct learn_forest **ret_forest, struct learn_outcome *ret_outcome);

/* ------------------------------------------------------------------ train_people.c */

/* The job rps.import: {"path"} or {"blob","name"}: a log of people playing becomes games. */
err rps_import_run(struct run *run, const struct json *payload);
err rps_import_start(struct http_request *rq, struct http_reply *rp);
err rps_verb_import(struct house *h, const struct verb_args *args);

/* ------------------------------------------------------------------ train_evaluate.c */

/* The job rps.evaluate: a version, beside a baseline, on people who train nothing. */
err rps_evaluate_run(struct run *run, const struct json *payload);
err rps_verb_evaluate(struct house *h, const struct verb_args *args);
extern const struct model_kind rps_model_kinds[];

/* ------------------------------------------------------------------ train_job.c */

/* Properties of its payload. challenger: when all four aliases are taken, the version takes the
 * place of shadow2, from where it can earn another. */
/* clang-format off */
#define RPS_TRAIN_SCHEMA \
    "\"family\":{\"type\":\"string\",\"enum\":[\"feedforward_nn\",\"xgboost\"," \
    "\"multinomial_logistic\"]}," \
    "\"features\":{\"type\":\"string\",\"enum\":[\"contract-50\",\"player-history\"]}," \
    "\"source\":{\"type\":\"string\",\"enum\":[\"played\",\"people\"],\"default\":\"played\"}," \
    "\"alias\":{\"type\":\"string\",\"enum\":[\"Production\",\"B\",\"shadow1\",\"shadow2\"]}," \
    "\"config\":{\"type\":\"string\"}," \
    "\"hyperparameters\":{\"type\":\"object\"}," \
    "\"seed\":{\"type\":\"integer\",\"default\":42}," \
    "\"sweep\":{\"type\":\"boolean\",\"default\":false}," \
    "\"challenger\":{\"type\":\"boolean\",\"default\":false}," \
    "\"force\":{\"type\":\"boolean\",\"default\":false}"
/* clang-format on */
err rps_train_run(struct run *run, const struct json *payload);
/* The features of trainings that name none: as the settings say. */
MUST_USE err rps_train_features(struct house *h, enum rps_sort *ret_sort);
/* Checks what a job is told, before it is queued. */
MUST_USE err rps_train_check(const struct json *payload);
extern const struct job_schedule rps_schedules[];

#endif
