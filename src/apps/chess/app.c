/* SPDX-License-Identifier: GPL-3.0-or-later */
/* app.c -- the chess app: everything it adds to the house, as tables. */
#include "apps/chess/chess_app.h"

#include "apps/chess/analytics.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/plugin_child.h"
#include "apps/chess/uci_engine.h"
#include "engine/chess/position.h"

static const struct setting settings[] = {
    { "CHESS_INGEST_EXPANDED_MAX", SETTING_BYTES, "64G",
      "The most bytes an uploaded zip may unpack to; beyond, the import is refused." },
    { "CHESS_CHECKPOINT_SECONDS", SETTING_REAL, "30",
      "How often a training keeps its state: at most this much work is done twice after a crash.",
      .min = 0.01, .max = 86400 },
    { "CHESS_ENGINE", SETTING_STR, "auto",
      "The UCI engine for evaluations with suite acpl: a path, a name on PATH, auto (stockfish, if "
      "it is there) or off." },
    { "CHESS_ENGINE_NODES", SETTING_INT, "10000",
      "How many nodes the engine searches for one score, unless an evaluation says otherwise.",
      .min = 1, .max = UCI_NODES_MAX },
    { "CHESS_ENGINE_SECONDS", SETTING_REAL, "30",
      "The longest that one score may take; then the engine is ended and started again.",
      .min = 0.1, .max = 86400 },
    { 0 },
};

static const struct job_kind jobs[] = {
    { .name = "chess.ingest",
      .help = "Reads games from an upload or a file and stores those that are new.",
      .component = "ingest",
      .run = ingest_run,
      .concurrent_max = 2,
      .payload_schema = "\"path\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
                        "\"upload\":{\"type\":\"string\"},\"datasetId\":{\"type\":\"string\"},"
                        "\"version\":{\"type\":\"string\"},\"note\":{\"type\":\"string\"},"
                        "\"tags\":{\"type\":\"string\"}",
      .metric = "chs_ingest_games_total",
      .event = "ingest.completed",
      .artifact = "report.json" },
    { .name = "chess.dataset",
      .help = "Builds a dataset of positions from the stored games.",
      .component = "dataset",
      .run = dataset_build_run,
      .concurrent_max = 1,
      .payload_schema = "\"datasetId\":{\"type\":\"string\"}",
      .metric = "chs_dataset_rows_total",
      .event = "dataset.created",
      .artifact = "manifest.json" },
    { .name = "chess.train",
      .help = "Trains a policy and value network on a dataset and registers it.",
      .component = "training",
      .run = train_run,
      .concurrent_max = 1,
      .payload_schema = "\"datasetId\":{\"type\":\"string\"},\"model\":{\"type\":\"string\"},"
                        "\"params\":{\"type\":\"object\"}",
      .metric = "chs_training_runs_total",
      .event = "training.completed",
      .artifact = "training_report.json" },
    { .name = "chess.evaluate",
      .help = "Judges a model version on held-out positions, beside a baseline.",
      .component = "evaluation",
      .run = evaluate_run,
      .concurrent_max = 1,
      .payload_schema = "\"candidate\":{\"type\":\"string\"},\"baseline\":{\"type\":\"string\"},"
                        "\"suite\":{\"type\":\"string\"},\"datasetId\":{\"type\":\"string\"},"
                        "\"params\":{\"type\":\"object\"},\"engine\":{\"type\":\"string\"},"
                        "\"limit\":{\"type\":\"integer\"},\"seed\":{\"type\":\"integer\"}",
      .metric = "chs_eval_runtime_seconds",
      .event = "evaluation.completed",
      .artifact = "report.json" },
    { .name = "chess.match",
      .help = "Plays a match of two model versions; Elo with an interval, PGNs kept.",
      .component = "selfplay",
      .run = selfplay_run,
      .concurrent_max = 1,
      .payload_schema = "\"candidate\":{\"type\":\"string\"},\"baseline\":{\"type\":\"string\"},"
                        "\"games\":{\"type\":\"integer\"},"
                        "\"seed\":{\"type\":\"integer\"},\"temperature\":{\"type\":\"number\"}",
      .metric = "chs_selfplay_games_total",
      .event = "selfplay.completed",
      .artifact = "report.json" },
    { .name = ANALYTICS_KIND,
      .help = "Gives every analytics plugin the games it has not seen.",
      .component = "analytics",
      .run = analytics_run,
      .stays_home = true, /* the plugins are files in a server's data folder */
      .concurrent_max = 1,
      .payload_schema = "",
      .example = "{}",
      .metric = "chs_analytic_games_total",
      .event = "analytics.completed",
      .artifact = "report.json" },
    { 0 },
};

static const struct job_schedule schedules[] = {
    { "chess.analyse", "@every 300s", "chess.analyse", "{}",
      "New games and new plugins: what each plugin has not seen." },
    { 0 },
};

static const struct role roles[] = {
    { "plugin", plugin_role },
    { "engine", uci_engine_role },
    { 0 },
};

static const struct dataset_kind dataset_kinds[] = {
    { .name = "chess.positions",
      .build_job = "chess.dataset",
      .filter_schema = dataset_filter_schema,
      .split_schema = dataset_split_schema,
      .check = dataset_check,
      .sample = dataset_sample,
      .history = dataset_history,
      .sources = { .of_dataset = dataset_imports_sql, .of_run = dataset_of_import_sql },
      .first_step = "POST /v1/games/demo imports some games",
      .formats = "pgn csv ndjson",
      .export_open = dataset_export_open },
    { 0 },
};

static const struct model_kind model_kinds[] = {
    { .name = "chess.policy",
      .dataset_kind = "chess.positions",
      .train_job = "chess.train",
      .evaluate_job = "chess.evaluate",
      .params_schema = train_params_schema,
      .check = train_check,
      .suites = "topk accuracy acpl",
      .evaluate_schema = evaluate_schema,
      .match_route = "/v1/selfplay",
      .match_schema = selfplay_schema,
      .evaluate_check = evaluate_check,
      .load = model_load,
      .loaded = model_loaded,
      .score = model_score,
      .score_inputs = "[{\"name\":\"fen\",\"type\":\"string\",\"required\":true}]" },
    { 0 },
};

static const struct verb verbs[] = {
    { "import", "skerry chess import FILE... [--dataset NAME] [--version V] [--note TEXT]",
      "Imports games from .pgn, .pgn.zst, .pgn.gz or .zip files; \"-\" reads standard input.\n"
      "Games that are stored already are recognised and counted; broken ones are reported with "
      "line\n"
      "and reason, and the rest is kept.\n"
      "  skerry chess import lichess_db.pgn.zst\n"
      "  curl -s https://example.org/games.pgn | skerry chess import -",
      verb_import },
    { "dataset",
      "skerry chess dataset NAME [--version V] [--filter key=value]... [--split train,valid,test] "
      "[--by game|time]",
      "Builds a dataset of positions from the stored games.\n"
      "  skerry chess dataset blitz --filter speed=BLITZ --filter minElo=1800\n"
      "  skerry chess dataset all --split 0.8,0.1,0.1 --by time",
      verb_dataset },
    { "games", "skerry chess games [--player NAME] [--limit N]",
      "Lists stored games, newest first.\n"
      "  skerry chess games --player DrNykterstein --limit 20",
      verb_games },
    { "train",
      "skerry chess train DATASET[@VERSION] [MODEL] [--minutes M] [--epochs N] [--seed S] ...",
      "Trains a policy and value network on a dataset and registers it as the next version of "
      "MODEL\n"
      "(chess-policy, if none is named). Options: epochs, batch-size, learning-rate, "
      "weight-decay,\n"
      "dropout, minutes, patience, seed, threads, book.\n"
      "  skerry chess train blitz --minutes 5",
      verb_train },
    { "evaluate",
      "skerry chess evaluate MODEL@VERSION [BASELINE@VERSION] [--suite topk|accuracy|acpl] "
      "[--dataset-id D] ...",
      "Judges a model version on held-out positions: top-k, log loss, calibration, by rating "
      "band.\n"
      "Suite acpl asks a UCI engine (stockfish, or CHESS_ENGINE) how many centipawns the model's "
      "moves\n"
      "lose, beside the people who played there and the baseline. Its options: positions, nodes, "
      "depth,\n"
      "seed, engine.\n"
      "  skerry chess evaluate chess-policy@2 chess-policy@1\n"
      "  skerry chess evaluate chess-policy@2 --suite acpl --positions 500\n"
      "  skerry chess evaluate chess-policy@2 --suite acpl --engine /usr/games/stockfish --nodes "
      "50000",
      verb_evaluate },
    { "match", "skerry chess match MODEL@VERSION [BASELINE@VERSION] [--games N] [--seed S]",
      "Plays a match and says how much stronger one is, with a 95 % interval.\n"
      "  skerry chess match chess-policy@2 chess-policy@1 --games 200",
      verb_match },
    { "analyse", "skerry chess analyse",
      "Gives every analytics plugin the games it has not seen. The server does this by itself.\n"
      "  skerry chess analyse",
      verb_analyse, .takes_nothing = true },
    { "plugin", "skerry plugin build FILE.c | skerry plugin header",
      "Compiles an analytics plugin, tries it in a fenced child and puts it into the plugin "
      "folder; from\n"
      "then on it runs over all games. `skerry plugin header` prints the header it is written "
      "against.\n"
      "  skerry plugin build examples/plugins/checks.c",
      verb_plugin },
    { "uci", "skerry uci [MODEL@VERSION]",
      "Speaks UCI on standard input and output, so that any chess program can use the model.\n"
      "  printf 'uci\\nposition startpos moves e2e4\\ngo\\nquit\\n' | skerry uci",
      verb_uci },
    { 0 },
};

static const struct page pages[] = {
    { "/ui/play", "Play chess" },    { "/ui/games", "Games" },     { "/ui/player", "Player" },
    { "/ui/judged", "Evaluations" }, { "/ui/plugins", "Plugins" }, { 0 },
};

static err chess_start(struct house *h, void *state)
{
    chess_init();
    struct chess_state *chess = state;
    model_serve_init(&chess->serve);
    chess_metrics_zero(house_metrics(h), setting_str(h, "SKERRY_USER"));
    TRY(games_start(h));
    TRY(dataset_start(h));
    TRY(ingest_start(h));
    TRY(play_start(h));
    return model_serve_follow(h);
}

static err chess_follow(struct house *h, void *state)
{
    (void)state;
    return model_serve_follow(h);
}

static void chess_stop(struct house *h, void *state)
{
    struct chess_state *chess = state;
    model_serve_deinit(&chess->serve);
}

const struct app app_chess = {
    .name = "chess",
    .title = "Chess",
    .summary = "Games in, a model of human moves out, served and played against.",
    .settings = settings,
    .migrations = chess_migrations,
    .routes = chess_routes,
    .jobs = jobs,
    .schedules = schedules,
    .roles = roles,
    .metrics = chess_metrics,
    .dataset_kinds = dataset_kinds,
    .model_kinds = model_kinds,
    .state_bytes = sizeof(struct chess_state),
    .verbs = verbs,
    .pages = pages,
    .start = chess_start,
    .stop = chess_stop,
    .follow = chess_follow,
    .roots = games_roots,
    .status = games_status,
    .examine = evaluate_examine,
};
