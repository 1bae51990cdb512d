/* SPDX-License-Identifier: GPL-3.0-or-later */
/* routes.c -- every address of this app, by area. */
#include "apps/rps/train.h"

#define OBJECT "{\"type\":\"object\"}"
#define LIST "{\"type\":\"array\"}"

#define TEXT(name) "\"" name "\":{\"type\":\"string\"}"
#define FLAG(name) "\"" name "\":{\"type\":\"boolean\"}"
#define TEXTS(name) "\"" name "\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define START_BODY      \
    TEXT("player_name") \
    "," TEXT("policy") "," TEXT("difficulty_mode") "," TEXT("session_id") "," FLAG("is_test")
#define PLAY_BODY TEXT("game_id") "," TEXT("user_move") ",\"round\":{\"type\":\"integer\"}"
#define PREDICT_BODY                                                                             \
    TEXT("policy")                                                                               \
    "," TEXT("player_name") "," TEXTS("player_history") "," TEXTS("bot_history") "," TEXTS(      \
        "result_history") ",\"round_values\":{\"type\":\"object\"},\"ab_assignment\":{\"type\":" \
                          "\"object\"}"
#define PREDICT_EXAMPLE                                                                \
    "{\"policy\":\"logan\",\"player_history\":[\"rock\"],\"bot_history\":[\"paper\"]," \
    "\"result_history\":[\"lose\"]}"
#define CONTEXT_BODY \
    TEXT("player_move") "," TEXTS("opponent_history") ",\"context\":{\"type\":\"object\"}"
#define CONTEXT_EXAMPLE \
    "{\"player_move\":\"rock\",\"opponent_history\":[],\"context\":{\"policy\":\"logan\"}}"

const struct route rps_routes[] = {
    /* playing */
    { "POST", "/v1/rps/start_game", "Start a game against a policy.", ACCESS_ANALYST,
      rps_start_game, .alias = "/start_game", .is_inline = true, .body = START_BODY,
      .reply = OBJECT, .example = "{\"player_name\":\"Ann\",\"policy\":\"ace\"}",
      .metric = "rps_games_started_total" },
    { "POST", "/v1/rps/play", "Play a round; committed before it is answered.", ACCESS_ANALYST,
      rps_play, .alias = "/play", .is_inline = true, .body = PLAY_BODY, .reply = OBJECT,
      .example = "{\"game_id\":\"<game>\",\"user_move\":\"rock\"}" },
    { "GET", "/v1/rps/round_points", "What the moves are worth in the round that is due.",
      ACCESS_VIEWER, rps_points_get, .alias = "/round_points", .query = "game_id:string",
      .reply = OBJECT, .example = "game_id=any" },

    { "GET", "/v1/rps/games/{game_id}",
      "A game so far: its rounds, and what the next is worth; whoever plays goes on from here.",
      ACCESS_VIEWER, rps_game_get, .reply = OBJECT },

    /* predictions without a game */
    { "GET", "/v1/rps/policies", "Policies with a model behind them.", ACCESS_VIEWER, rps_policies,
      .alias = "/policies", .is_inline = true, .reply = LIST },
    { "GET", "/v1/rps/predict/policies", "What a prediction can be asked of.", ACCESS_VIEWER,
      rps_predict_policies, .alias = "/predict/policies", .is_inline = true, .reply = OBJECT },
    { "GET", "/v1/rps/predict/features/example", "What a model sees, by an example.", ACCESS_VIEWER,
      rps_predict_example, .alias = "/predict/features/example", .is_inline = true,
      .reply = OBJECT },
    { "POST", "/v1/rps/predict", "Predict a player's next move from a history.", ACCESS_VIEWER,
      rps_predict, .alias = "/predict", .is_inline = true, .body = PREDICT_BODY, .reply = OBJECT,
      .example = PREDICT_EXAMPLE },
    { "POST", "/v1/rps/predict/batch", "The same for a list of them.", ACCESS_VIEWER,
      rps_predict_batch, .alias = "/predict/batch", .body = PREDICT_BODY, .reply = OBJECT,
      .example = "[" PREDICT_EXAMPLE "]" },
    { "POST", "/v1/rps/predict/context", "Predict with the history in a context.", ACCESS_VIEWER,
      rps_predict_context, .alias = "/predict/context", .body = CONTEXT_BODY, .reply = OBJECT,
      .example = CONTEXT_EXAMPLE },

    /* statistics */
    { "GET", "/v1/rps/stats", "Rounds and scores of a game or a session.", ACCESS_VIEWER, rps_stats,
      .alias = "/stats", .query = "game_id:string session_id:string", .reply = OBJECT,
      .example = "game_id=any" },
    { "GET", "/v1/rps/stats/global", "Games of everybody.", ACCESS_VIEWER, rps_stats_global,
      .alias = "/stats/global", .reply = OBJECT },
    { "GET", "/v1/rps/stats/policy/{policy}", "Games against a policy.", ACCESS_VIEWER,
      rps_stats_policy, .alias = "/stats/policy/{policy}", .reply = OBJECT },
    { "GET", "/v1/rps/stats/player/{player}", "Games of a player.", ACCESS_VIEWER, rps_stats_player,
      .alias = "/stats/player/{player}", .reply = OBJECT },
    { "GET", "/v1/rps/games", "Games, newest first.", ACCESS_VIEWER, rps_games_list,
      .alias = "/games", .reply = OBJECT,
      .query = "player_name:string policy:string easy_mode:bool difficulty_mode:string limit:int" },
    { "GET", "/v1/rps/export", "Rounds with their games, newest game first.", ACCESS_VIEWER,
      rps_export, .alias = "/export", .query = "format:string limit:int", .reply = OBJECT },
    { "GET", "/v1/rps/leaderboard", "Players by the games they win.", ACCESS_VIEWER,
      rps_leaderboard, .alias = "/leaderboard", .query = "limit:int", .reply = OBJECT },
    { "GET", "/v1/rps/bot_win_rates", "How policies do against people.", ACCESS_VIEWER,
      rps_bot_win_rates, .alias = "/bot_win_rates", .query = "easy_mode:bool human_only:bool",
      .reply = OBJECT },
    { "GET", "/v1/rps/win_streaks", "Players by games won in a row.", ACCESS_VIEWER,
      rps_win_streaks, .alias = "/win_streaks", .reply = OBJECT,
      .query = "opponent:string limit:int easy_mode:bool" },

    /* models */
    { "GET", "/v1/rps/models", "What serves in every alias.", ACCESS_VIEWER, rps_models_list,
      .alias = "/models", .reply = OBJECT },
    { "GET", "/v1/rps/models/stages", "Versions by type and alias.", ACCESS_VIEWER,
      rps_models_stages, .alias = "/models/stages", .reply = OBJECT },
    { "GET", "/v1/rps/models/production", "What serves as Production.", ACCESS_VIEWER,
      rps_models_production, .alias = "/models/production", .reply = OBJECT },
    { "GET", "/v1/rps/models/ab_test/stats", "Production beside B.", ACCESS_VIEWER, rps_models_ab,
      .alias = "/models/ab_test/stats", .reply = OBJECT },
    { "POST", "/v1/rps/models/{type}/load",
      "Look at the aliases of a type again; force_reload loads what is in memory, too.",
      ACCESS_ADMIN, rps_models_load, .alias = "/models/{type}/load", .query = "force_reload:bool",
      .reply = OBJECT },
    { "DELETE", "/v1/rps/models/{type}", "Put a type's models out of memory and load them again.",
      ACCESS_ADMIN, rps_models_unload, .alias = "/models/{type}", .reply = OBJECT },
    { "POST", "/v1/rps/models/reload", "Look at all aliases again; what serves is swapped whole.",
      ACCESS_ADMIN, rps_models_reload, .alias = "/models/reload", .query = "sync_minio:bool",
      .reply = OBJECT },
    { "POST", "/v1/rps/models/reload/{type}/{alias}", "Look at one alias again.", ACCESS_ADMIN,
      rps_models_reload_alias, .alias = "/models/reload/{type}/{alias}", .query = "sync_minio:bool",
      .reply = OBJECT },

    { "POST", "/v1/rps/train", "Train a family on the stored games and register the version.",
      ACCESS_ADMIN, rps_train_start, .body = RPS_TRAIN_SCHEMA, .reply = OBJECT, .reply_status = 202,
      .example = "{\"family\":\"multinomial_logistic\"}" },

    { "POST", "/v1/rps/import", "Import a log of people playing: the CSV, also packed with zstd.",
      ACCESS_ADMIN, rps_import_start, .takes_any_type = true, .body_max = 64 << 20,
      .query = "name:string", .reply = OBJECT, .reply_status = 202 },

    /* what other programs report */
    { "POST", "/v1/rps/internal/promotion/report", "Report a decision about promotion.",
      ACCESS_ADMIN, rps_promotion_report, .alias = "/internal/promotion/report",
      .body = TEXT("model_type") "," TEXT("decision") "," TEXT("reason"), .reply = OBJECT,
      .example = "{\"model_type\":\"xgboost\",\"decision\":\"retain_production\"}",
      .metric = "rps_model_promotion_events_total" },
    { "GET", "/v1/rps/internal/promotion/history", "Decisions about promotion, newest first.",
      ACCESS_VIEWER, rps_promotion_history, .alias = "/internal/promotion/history",
      .query = "limit:int model_type:string decision:string since:string", .reply = LIST },
    { "GET", "/v1/rps/internal/promotion/event_totals", "How many decisions of each kind.",
      ACCESS_VIEWER, rps_promotion_totals, .alias = "/internal/promotion/event_totals",
      .query = "days:int", .reply = LIST },
    { "POST", "/v1/rps/internal/training/complete", "Report that a training has ended.",
      ACCESS_ADMIN, rps_training_complete, .alias = "/internal/training/complete",
      .body = TEXT("model_type") "," TEXT("status") "," TEXT("alias"), .reply = OBJECT,
      .example = "{\"model_type\":\"xgboost\",\"status\":\"success\",\"duration_seconds\":12}",
      .metric = "rps_training_completed_total" },
    { 0 },
};
