/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.c -- rock, paper, scissors: everything it adds to the house, as tables. */
#include "apps/rps/counts.h"
#include "apps/rps/live.h"
#include "apps/rps/memory.h"
#include "apps/rps/round_writer.h"
#include "apps/rps/train.h"
#include "apps/rps/wire.h"
#include "base/clock.h"

static const char *const prefixes[] = {
    "/start_game",  "/play",        "/round_points", "/policies", "/predict",
    "/stats",       "/leaderboard", "/games",        "/export",   "/bot_win_rates",
    "/win_streaks", "/models",      "/internal/",    NULL,
};

/* A sentence, or a list of members that are missing or of the wrong kind. */
#define ERROR_SCHEMA                                                                      \
    "{\"type\":\"object\",\"properties\":{\"detail\":{\"type\":[\"string\",\"array\"]}}," \
    "\"required\":[\"detail\"]}"

/* Below /v1 errors are the house's. */
static const struct http_error_shape error_shapes[] = {
    { "/start_game", rps_error, ERROR_SCHEMA },   { "/play", rps_error, ERROR_SCHEMA },
    { "/round_points", rps_error, ERROR_SCHEMA }, { "/policies", rps_error, ERROR_SCHEMA },
    { "/predict", rps_error, ERROR_SCHEMA },      { "/stats", rps_error, ERROR_SCHEMA },
    { "/leaderboard", rps_error, ERROR_SCHEMA },  { "/games", rps_error, ERROR_SCHEMA },
    { "/export", rps_error, ERROR_SCHEMA },       { "/bot_win_rates", rps_error, ERROR_SCHEMA },
    { "/win_streaks", rps_error, ERROR_SCHEMA },  { "/models", rps_error, ERROR_SCHEMA },
    { "/internal/", rps_error, ERROR_SCHEMA },    { 0 },
};

static const struct setting settings[] = {
    { "ENABLE_AB_TESTING", SETTING_BOOL, "true",
      "Split games of a policy between Production and B; false: all to Production." },
    { "AB_SPLIT_RATIO", SETTING_REAL, "0.5",
      "Share of games that Production gets; the others get B.", .max = 1 },
    { "AB_SPLIT_RATIO_FEEDFORWARD_NN", SETTING_STR, "",
      "The same for feedforward_nn alone; empty: AB_SPLIT_RATIO." },
    { "AB_SPLIT_RATIO_XGBOOST", SETTING_STR, "",
      "The same for xgboost alone; empty: AB_SPLIT_RATIO." },
    { "AB_SPLIT_RATIO_MULTINOMIAL_LOGISTIC", SETTING_STR, "",
      "The same for multinomial_logistic alone; empty: AB_SPLIT_RATIO." },
    { "RPS_FORCE_MODEL_FALLBACKS", SETTING_BOOL, "false",
      "Ask no model: all moves by equal probabilities, counted as forced_fallback." },
    { "METRICS_SINCE_DATE", SETTING_STR, "2025-10-10T08:00:00Z",
      "Statistics leave out games that began before." },
    { "RPS_LIVE_GAMES", SETTING_INT, "8192",
      "Games kept in memory, about 2 KiB each; others are read from the store when they go on.",
      .min = 16, .max = 1000000 },
    { "RPS_PLAYER_STATES", SETTING_INT, "512",
      "What models of player-history know of people, kept in memory: a state for each person and "
      "game of each such model, about 45 KiB each; others are made again from the stored rounds.",
      .min = 1, .max = 1000000 },
    { "TRAINING_DATA_SINCE_DATE", SETTING_STR, "2025-10-01T00:00:00Z",
      "Trainings leave out games that began before." },
    { "TRAINING_LEGACY_GAME_STRIDE", SETTING_INT, "5",
      "Of games that ace to hal played as the user every n-th one trains.", .min = 1,
      .max = 1000000 },
    { "TRAINING_PLAYER_NAME_LIKE", SETTING_STR, "",
      "Trainings use the games of these players only, as in SQL: 'sim-%'; empty: of all." },
    { "TRAINING_BOT_POLICY_IN", SETTING_STR, "",
      "Trainings use games against these only: brian,logan; empty: against all." },
    { "TRAINING_FEATURE_SET", SETTING_STR, RPS_CONTRACT_FEATURES,
      "Features of trainings that name none, the scheduled ones among them: " RPS_CONTRACT_FEATURES
      " or " RPS_PLAYER_FEATURE_SET "." },
    { "MAX_USABLE_ROWS", SETTING_INT, "3000",
      "A training uses the newest games that together have at most so many rows.", .min = 100,
      .max = RPS_TRAIN_ROWS_MAX },
    { "MIN_SUP_ROWS", SETTING_INT, "200",
      "A training needs so many rows; with fewer it is skipped.", .min = 50,
      .max = RPS_TRAIN_ROWS_MAX },
    { "MIN_TOTAL_ROWS", SETTING_INT, "300",
      "A training is skipped until so many rounds were played.", .max = 1e12 },
    { "MIN_NEW_ROWS_FOR_TRAINING", SETTING_INT, "50",
      "A training is skipped until so many rounds were played since the last of its family.",
      .max = 1e12 },
    { "FORCE_TRAINING", SETTING_BOOL, "false",
      "Train though too little is new; MIN_SUP_ROWS holds all the same." },
    { 0 },
};

static const struct job_kind jobs[] = {
    { .name = "rps.train",
      .help = "Trains a family on the stored games and registers a version of it.",
      .component = "training",
      .run = rps_train_run,
      .timeout_s = 6 * 3600,
      .concurrent_max = 1,
      .payload_schema = RPS_TRAIN_SCHEMA,
      .example = "{\"family\":\"multinomial_logistic\"}",
      .metric = "rps_training_completed_total",
      .event = "training.completed",
      .artifact = "training_report.json" },
    { .name = "rps.import",
      .help = "Reads a log of people playing as games of theirs.",
      .component = "ingest",
      .run = rps_import_run,
      .concurrent_max = 1,
      .payload_schema = "\"path\":{\"type\":\"string\"},\"blob\":{\"type\":\"string\"},"
                        "\"name\":{\"type\":\"string\"}",
      .event = "rps.import_completed",
      .artifact = "report.json" },
    { .name = "rps.evaluate",
      .help = "Judges a version on people who train nothing, beside another.",
      .component = "evaluation",
      .run = rps_evaluate_run,
      .concurrent_max = 1,
      .payload_schema = "\"candidate\":{\"type\":\"string\"},\"baseline\":{\"type\":"
                        "\"string\"},\"suite\":{\"type\":\"string\"}",
      .event = "evaluation.completed",
      .artifact = "evaluation.json" },
    { 0 },
};

const char *const rps_source_names[RPS_SOURCES] = {
    [RPS_SOURCE_GAMBIT] = "gambit",
    [RPS_SOURCE_HEURISTIC] = "heuristic",
    [RPS_SOURCE_MODEL] = "mlflow",
    [RPS_SOURCE_FALLBACK] = "fallback",
    [RPS_SOURCE_FORCED_FALLBACK] = "forced_fallback",
    [RPS_SOURCE_IMPORTED] = "imported",
};

static const struct verb verbs[] = {
    { "play", "skerry rps play [--policy NAME] [--name YOU]",
      "Plays a game in the terminal, against brian, forrest or logan (models) or a bot (ace, bob, "
      "cal, dan,\n"
      "edd, fox, gus, hal). After each round it says what the model expected. With --json moves "
      "are "
      "read and\n"
      "answers written line by line.\n"
      "  skerry rps play --policy forrest --name Ann\n"
      "  printf 'r\\np\\ns\\n' | skerry rps play --json",
      rps_verb_play, .needs_app_name = true },
    { "sim",
      "skerry rps sim [--user NAME] [--policy NAME] [--games N] [--seed S] [--url URL] "
      "[--connections N] [--keep]",
      "Plays games without people: a bot (ace, bob, cal, dan, edd, fox, gus, hal) or random as the "
      "user,\n"
      "against a policy. In this process, which stores nothing, or with --url against a server: "
      "then it is\n"
      "a load generator that checks every answer against the rules; such games are marked as "
      "tests\n"
      "unless --keep is given.\n"
      "  skerry rps sim --user ace --policy logan --games 10000\n"
      "  skerry rps sim --url http://127.0.0.1:8001 --connections 64 --games 20000 --json",
      rps_verb_sim, .needs_app_name = true },
    { "train",
      "skerry rps train [--family NAME | --all] [--alias ALIAS] [--config c01..c12 | --sweep] "
      "[--seed N] "
      "[--features contract-50|player-history] [--source played|people] [--force]",
      "Trains models on the stored games, all three families one after the other unless one is "
      "named\n"
      "(multinomial_logistic, feedforward_nn, xgboost), and registers them. The first free alias "
      "of\n"
      "Production, B, shadow1 and shadow2 points at the new version, or the one that is named. "
      "When too\n"
      "little was played since the last time it is skipped, unless --force is given.\n"
      "  skerry rps train\n"
      "player-history knows who plays: what it sees is fitted on people, and goes on from game to "
      "game.\n"
      "  skerry rps train --family multinomial_logistic --alias shadow1 --config c09\n"
      "  skerry rps train --family xgboost --features player-history",
      rps_verb_train, .needs_app_name = true },
    { "import", "skerry rps import FILE...",
      "Imports logs of people playing (CSV, also packed with zstd) as games of theirs. What is "
      "there "
      "already\n"
      "is recognised. A quarter of the people train nothing and judge versions: skerry rps "
      "evaluate.\n"
      "  skerry rps import brockbank_v1.csv.zst wxz2014.csv",
      rps_verb_import, .needs_app_name = true },
    { "evaluate", "skerry rps evaluate MODEL@VERSION [BASELINE@VERSION]",
      "Says how well a version predicts the imported people who are in no training: accuracy, log "
      "loss\n"
      "and calibration, with 95 % intervals by person; also by whom they played, and in people's "
      "first rounds.\n"
      "  skerry rps evaluate rps_bot_xgboost@Production rps_bot_mnlogit@Production",
      rps_verb_evaluate, .needs_app_name = true },
    { 0 },
};

struct rps_state *rps_state(const struct house *h)
{
    return app_state(h, &app_rps);
}

static err set_ratio(struct house *h, struct rps_state *s, enum rps_family family,
                     const char *setting)
{
    double ratio = setting_real(h, "AB_SPLIT_RATIO");
    str own = setting_str(h, setting);
    if (own.len)
        TRY(err_wrap(str_to_f64(own, &ratio), "setting %s", setting));
    serving_ratio_set(s->served[family], ratio);
    return OK;
}

static err rps_start(struct house *h, void *state)
{
    struct rps_state *s = state;
    s->house = h;
    pthread_mutex_init(&s->runs_lock, NULL);
    s->is_ab_enabled = setting_bool(h, "ENABLE_AB_TESTING");
    s->is_fallback_forced = setting_bool(h, "RPS_FORCE_MODEL_FALLBACKS");
    TRY(err_wrap(clock_parse(setting_str(h, "METRICS_SINCE_DATE"), &s->since_ms),
                 "setting METRICS_SINCE_DATE"));
    TRY(rps_rows_settings(h, RPS_ROWS_PLAYED, &(struct rps_rows_query){ 0 }));
    TRY(rps_train_features(h, &(enum rps_sort){ RPS_SORTS }));
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        s->served[family] = serving_find(house_serving(h), str_of(rps_family_name(family)));
        if (!s->served[family])
            return ERR(ERR_INTERNAL, "family %s is not served", rps_family_name(family));
    }
    TRY(set_ratio(h, s, RPS_FEEDFORWARD, "AB_SPLIT_RATIO_FEEDFORWARD_NN"));
    TRY(set_ratio(h, s, RPS_XGBOOST, "AB_SPLIT_RATIO_XGBOOST"));
    TRY(set_ratio(h, s, RPS_LOGISTIC, "AB_SPLIT_RATIO_MULTINOMIAL_LOGISTIC"));
    TRY(rps_live_open((size_t)setting_int(h, "RPS_LIVE_GAMES"), &s->live));
    TRY(rps_memory_open(house_store(h), (size_t)setting_int(h, "RPS_PLAYER_STATES"), &s->memory));
    TRY(rps_round_writer_open(s, &s->round_writer));
    return rps_counts_open(s, &s->counts);
}

static void rps_stop(struct house *h, void *state)
{
    (void)h;
    struct rps_state *s = state;
    rps_counts_close(s->counts);
    rps_memory_close(s->memory);
    rps_round_writer_close(s->round_writer);
    rps_live_close(s->live);
}

static const struct page pages[] = {
    { "/ui/rps", "Rock, paper, scissors" },
    { 0 },
};

static err rps_refresh(struct house *h, void *state)
{
    (void)h;
    struct rps_state *s = state;
    return s->counts ? rps_counts_refresh(s) : OK;
}

const struct app app_rps = {
    .name = "rps",
    .title = "Rock, paper, scissors",
    .summary = "People play, models predict them, the better model is promoted.",
    .settings = settings,
    .migrations = rps_migrations,
    .routes = rps_routes,
    .prefixes = prefixes,
    .error_shapes = error_shapes,
    .jobs = jobs,
    .schedules = rps_schedules,
    .model_kinds = rps_model_kinds,
    .metrics = rps_metrics,
    .families = rps_families,
    .verbs = verbs,
    .pages = pages,
    .state_bytes = sizeof(struct rps_state),
    .start = rps_start,
    .stop = rps_stop,
    .refresh = rps_refresh,
};
