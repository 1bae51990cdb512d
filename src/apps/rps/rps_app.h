/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rps_app.h -- what the files of this app share: its state, and its handlers by area. */
#ifndef SKERRY_RPS_APP_H
#define SKERRY_RPS_APP_H

#include "engine/rps/assign.h"
#include "engine/rps/bots.h"
#include "engine/rps/features.h"
#include "engine/rps/policy.h"
#include "platform/app/app.h"
#include "platform/serving/serving.h"

enum {
    RPS_ID_BYTES_MAX = 64,   /* of a game_id or session_id */
    RPS_NAME_BYTES_MAX = 64, /* of a player */
};

/* Who chose the bot's move; also what is reported as probability_source. Stored: never renumber. */
enum rps_source {
    RPS_SOURCE_GAMBIT,
    RPS_SOURCE_HEURISTIC,
    RPS_SOURCE_MODEL,           /* "mlflow" */
    RPS_SOURCE_FALLBACK,        /* no model answered: uniform */
    RPS_SOURCE_FORCED_FALLBACK, /* RPS_FORCE_MODEL_FALLBACKS: uniform */
    RPS_SOURCE_IMPORTED,        /* a game of somebody else's */
    RPS_SOURCES
};
extern const char *const rps_source_names[RPS_SOURCES];

enum { RPS_RUNS_KNOWN = 128 };

struct rps_live_table;
struct rps_memory;
struct rps_counts;
struct rps_round_writer;

/* app_state of this app. What is not said to be guarded is set at start and never changed. */
struct rps_state {
    struct house *house;
    struct rps_live_table *live;
    struct rps_memory *memory;
    struct rps_counts *counts;
    struct rps_round_writer *round_writer;
    struct served_family *served[RPS_FAMILIES];
    bool is_ab_enabled, is_fallback_forced;
    int64_t since_ms; /* METRICS_SINCE_DATE */

    /* Which run made a version that was loaded: the newest of a ring. */
    pthread_mutex_t runs_lock;
    size_t runs_next; /* guarded by runs_lock, like runs */
    struct rps_known_run {
        enum rps_family family;
        int64_t version;
        char run_id[HEX_ID_BYTES];
    } runs[RPS_RUNS_KNOWN];
};
struct rps_state *rps_state(const struct house *h);

/* Features that are watched for drift: all that is counted or measured. The others follow from the
 * game's id, or are one of three moves, whose shares the tendencies are. */
enum { RPS_WATCHED = 10 };
extern const uint8_t rps_watched[RPS_WATCHED];

extern const struct app app_rps;
extern const struct route rps_routes[];
extern const struct store_migration rps_migrations[];

typedef err rps_handler(struct http_request *rq, struct http_reply *rp);

/* models.c: the families behind the policies */
extern const struct serving_family rps_families[];
/* The run that made a version; "" when it is not known here. */
void rps_run_of(struct rps_state *s, enum rps_family family, int64_t version,
                char ret_run_id[HEX_ID_BYTES]);
rps_handler rps_models_list, rps_models_load, rps_models_unload, rps_models_stages,
    rps_models_production, rps_models_ab, rps_models_reload, rps_models_reload_alias;
/* start.c */
rps_handler rps_start_game;
/* play.c */
rps_handler rps_play, rps_points_get;
/* game.c */
rps_handler rps_game_get;
/* predict.c */
rps_handler rps_policies, rps_predict_policies, rps_predict_example, rps_predict, rps_predict_batch,
    rps_predict_context;
/* stats.c */
rps_handler rps_stats, rps_games_list, rps_export, rps_stats_global, rps_stats_policy,
    rps_stats_player;
/* boards.c */
rps_handler rps_leaderboard, rps_bot_win_rates, rps_win_streaks;
/* internal.c */
rps_handler rps_promotion_report, rps_promotion_history, rps_promotion_totals,
    rps_training_complete;
/* train_start.c */
rps_handler rps_train_start;
/* verb_play.c, verb_sim.c, train_start.c */
err rps_verb_play(struct house *h, const struct verb_args *args);
err rps_verb_sim(struct house *h, const struct verb_args *args);
err rps_verb_train(struct house *h, const struct verb_args *args);

#endif
