/* SPDX-License-Identifier: GPL-3.0-or-later */
/* routes.c -- every address of the chess app: what it takes, who may call it, what it answers. */
#include "apps/chess/chess_app.h"

/* JSON Schema in one line a member. */
#define P(name, type) "\"" name "\":{\"type\":\"" type "\"}"
#define N(name, type) "\"" name "\":{\"type\":[\"" type "\",\"null\"]}" /* null when not known */
#define OBJECT(members) "{\"type\":\"object\",\"properties\":{" members "}}"
#define ARRAY(members) "{\"type\":\"array\",\"items\":" OBJECT(members) "}"
#define ITEMS(members) OBJECT("\"items\":" ARRAY(members) "," P("nextOffset", "integer"))

#define START "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
#define STRINGS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"

/* What goes in and comes out, a macro each, a group of members a line: by hand, because the
 * formatter takes lists of literals apart. */
/* clang-format off */
#define INGEST_BODY \
    "\"file\":{\"type\":\"string\",\"format\":\"binary\"}," \
    P("datasetId", "string") "," P("note", "string") "," P("version", "string") "," \
    P("tags", "string")
#define INGEST_STARTED \
    OBJECT(P("runId", "string") "," P("jobId", "string") "," P("status", "string"))
#define INGEST \
    P("runId", "string") "," P("status", "string") "," P("datasetId", "string") "," \
    P("version", "string") "," "\"versions\":" STRINGS "," \
    P("note", "string") "," P("source", "string") "," N("reportUri", "string") "," \
    P("filesWritten", "integer") "," P("message", "string") "," P("progress", "number") "," \
    P("games", "integer") "," P("duplicates", "integer") "," P("refused", "integer") "," \
    P("positions", "integer") "," P("bytes", "integer") "," \
    N("startedAt", "string") "," N("finishedAt", "string")
#define INGEST_REPORT \
    OBJECT(P("runId", "string") "," P("games", "object") "," P("refused", "array"))
#define DEMO_STARTED \
    OBJECT(P("queued", "boolean") "," P("runId", "string") "," P("jobId", "string") "," \
           P("status", "string"))

#define GAME \
    P("id", "string") "," P("platform", "string") "," \
    P("white", "string") "," P("black", "string") "," \
    N("whiteRating", "integer") "," N("blackRating", "integer") "," \
    P("result", "string") "," N("winner", "string") "," \
    N("timeControl", "string") "," P("timeCategory", "string") "," \
    N("endTime", "string") "," N("date", "string") "," \
    N("eco", "string") "," N("opening", "string") "," \
    P("moveCount", "integer") "," P("plies", "integer") "," N("url", "string")
#define GAME_WHOLE OBJECT(GAME "," P("pgnRaw", "string") "," P("tags", "object"))
#define POSITION_ROW \
    P("ply", "integer") "," P("fen", "string") "," P("sideToMove", "string") "," \
    P("legalMoves", "array")
#define MOVE_ROW \
    P("ply", "integer") "," P("san", "string") "," P("uci", "string") "," P("color", "string") "," \
    N("clockMs", "integer") "," N("evalCp", "integer")
#define PLAYER_ROW \
    P("id", "integer") "," P("name", "string") "," P("platform", "string") "," \
    P("games", "integer") "," N("lastPlayedAt", "string")

#define OUTCOMES P("games", "integer") "," P("wins", "integer") "," P("draws", "integer") "," \
                 P("losses", "integer")
#define PLAYER_SUMMARY \
    OBJECT(P("name", "string") "," OUTCOMES "," P("hasMore", "boolean") "," \
           N("since", "string") "," N("until", "string") "," \
           "\"colors\":" ARRAY(P("color", "string") "," OUTCOMES) "," \
           "\"speeds\":" \
           ARRAY(P("speed", "string") "," OUTCOMES "," N("rating", "integer") "," \
                 N("ratingMax", "integer") "," \
                 "\"points\":" ARRAY(P("at", "string") "," P("rating", "integer"))) "," \
           "\"openings\":" \
           ARRAY(P("color", "string") "," P("eco", "string") "," P("opening", "string") "," \
                 OUTCOMES) "," \
           P("sample", "integer") "," \
           "\"phases\":" \
           ARRAY(P("phase", "string") "," P("moves", "integer") "," \
                 N("secondsPerMove", "number") "," \
                 P("ended", "object")) "," \
           "\"clock\":" \
           ARRAY(P("move", "integer") "," P("games", "integer") "," P("leftShare", "number")))

#define PREDICT_BODY \
    P("fen", "string") "," "\"history\":" STRINGS "," \
    P("temperature", "number") "," P("topk", "integer") "," P("seed", "integer") "," \
    P("rating", "integer") "," P("opponentRating", "integer") "," P("speed", "string") "," \
    P("san", "boolean")
#define PREDICTION \
    OBJECT(N("move", "string") "," "\"legal\":" STRINGS "," \
           "\"policy\":" \
           ARRAY(P("uci", "string") "," P("move", "string") "," P("san", "string") "," \
                 P("prob", "number")) "," \
           P("value", "object") "," P("latencyMs", "number") "," \
           P("modelId", "string") "," P("modelVersion", "string"))

#define PLAY \
    P("gameId", "string") "," P("fen", "string") "," P("status", "string") "," \
    N("turn", "string") "," P("you", "string") "," \
    P("rating", "integer") "," P("opponentRating", "integer") "," P("speed", "string") "," \
    N("result", "string") "," N("winner", "string") "," N("reason", "string") "," \
    P("check", "boolean") "," P("plies", "integer") "," N("clock", "object")
#define PLAY_BODY \
    P("color", "string") "," P("fen", "string") "," P("clock", "object") "," \
    P("rating", "integer") "," P("opponentRating", "integer") "," P("speed", "string") "," \
    P("temperature", "number") "," P("topk", "integer") "," P("useGameAsTraining", "boolean")
#define PLAY_STARTED \
    OBJECT(PLAY "," P("startedAt", "string") "," \
           P("modelId", "string") "," P("modelVersion", "string"))

#define PREFS \
    P("temperature", "number") "," P("topk", "integer") "," \
    P("boardOrientation", "string") "," P("useGameAsTraining", "boolean")

#define MATCH_BODY \
    P("modelId", "string") "," P("baselineId", "string") "," \
    P("games", "integer") "," P("seed", "integer") "," \
    P("concurrency", "integer") "," P("temperature", "number")
#define MATCH \
    P("runId", "string") "," P("jobId", "string") "," P("status", "string") "," \
    P("progress", "object") "," P("metrics", "object") "," P("reportUri", "string")
#define RUN_METRICS \
    OBJECT(P("runId", "string") "," P("status", "string") "," P("metrics", "object"))
/* clang-format on */

const struct route chess_routes[] = {
    /* ---------------------------------------------------------------- ingest */
    { "POST", "/v1/ingest",
      "Import games: .pgn, .pgn.zst, .pgn.gz or .zip, as form file or raw body.", ACCESS_ANALYST,
      ingest_post, .is_upload = true,
      .query = "name:string datasetId:string note:string version:string tags:string",
      .per_minute = 30, .body = INGEST_BODY, .reply = INGEST_STARTED, .reply_status = 202,
      .example = "file=@games.pgn", .metric = "chs_ingest_jobs_total", .event = "ingest.queued" },
    { "GET", "/v1/ingest", "List imports, newest first.", ACCESS_VIEWER, ingest_list,
      .query = "limit:int offset:int", .reply = ITEMS(INGEST), .example = "limit=5" },
    { "GET", "/v1/ingest/{runId}", "Show how far an import is and what it did.", ACCESS_VIEWER,
      ingest_get, .reply = OBJECT(INGEST) },
    { "GET", "/v1/ingest/{runId}/report",
      "Show an import's report: counts, and which games were refused, where and why.",
      ACCESS_VIEWER, ingest_report_get, .reply = INGEST_REPORT },
    { "POST", "/v1/games/demo", "Import the games that come with the program.", ACCESS_ANALYST,
      ingest_demo, .per_minute = 30, .reply = DEMO_STARTED, .reply_status = 202,
      .metric = "chs_ingest_jobs_total", .event = "ingest.queued" },
    { "POST", "/v1/data/import", "Moved to POST /v1/ingest.", ACCESS_ANALYST, ingest_moved,
      .reply_status = 308, .example = "{}" },

    /* ---------------------------------------------------------------- games */
    { "GET", "/v1/games", "List a player's games, newest first.", ACCESS_VIEWER, games_list,
      .query = "username:string limit:int offset:int result:string color:string since:string "
               "until:string speed:string eco:string opponent:string",
      .reply = ARRAY(GAME), .example = "username=xtzdavi182&limit=5",
      .metric = "chs_game_reads_total" },
    { "GET", "/v1/games/recent", "List the games that ended last.", ACCESS_VIEWER, games_recent,
      .query = "limit:int", .reply = ARRAY(GAME), .example = "limit=5",
      .metric = "chs_game_reads_total" },
    { "GET", "/v1/games/count", "Count the stored games.", ACCESS_VIEWER, games_count,
      .reply = OBJECT(P("count", "integer") "," P("platforms", "object")), .example = "" },
    { "GET", "/v1/games/online_count", "How many games are being played now.", ACCESS_VIEWER,
      play_online_count, .reply = OBJECT(P("count", "integer") "," P("windowSec", "integer")) },
    { "GET", "/v1/games/{id}", "Show one game with its PGN.", ACCESS_VIEWER, games_get,
      .reply = GAME_WHOLE, .metric = "chs_game_reads_total" },
    { "GET", "/v1/games/{id}/positions", "List the positions of a game.", ACCESS_VIEWER,
      games_positions, .query = "legal:bool", .reply = ARRAY(POSITION_ROW),
      .metric = "chs_game_reads_total" },
    { "GET", "/v1/games/{id}/moves", "List the moves of a game with clocks and evaluations.",
      ACCESS_VIEWER, games_moves, .reply = ARRAY(MOVE_ROW), .metric = "chs_game_reads_total" },
    { "GET", "/v1/players", "List players by name, with how many games each has.", ACCESS_VIEWER,
      players_list, .query = "q:string limit:int offset:int", .reply = ITEMS(PLAYER_ROW),
      .example = "q=a&limit=5", .metric = "chs_game_reads_total" },
    { "GET", "/v1/players/{name}/summary",
      "How a player does: results, rating curves, openings, phases, use of time.", ACCESS_VIEWER,
      player_summary, .query = "games:int", .reply = PLAYER_SUMMARY,
      .metric = "chs_game_reads_total" },

    /* ---------------------------------------------------------------- serving */
    { "POST", "/v1/predict", "What would a human play here? Move, legal moves, policy and value.",
      ACCESS_VIEWER, predict_post, .is_inline = true, .body = PREDICT_BODY, .reply = PREDICTION,
      .example = "{\"fen\":\"" START "\",\"topk\":5}", .metric = "chs_predict_requests_total",
      .event = "predict.completed" },
    { "POST", "/v1/models/{id}/versions/{version}/predict",
      "The same from one version of a model, loaded if it is not yet.", ACCESS_VIEWER,
      predict_version_post, .body = PREDICT_BODY, .reply = PREDICTION,
      .example = "{\"fen\":\"" START "\",\"topk\":5}", .metric = "chs_predict_requests_total",
      .event = "predict.completed" },

    /* ---------------------------------------------------------------- play */
    { "POST", "/v1/play/new", "Start a game against the model.", ACCESS_ANALYST, play_new,
      .body = PLAY_BODY, .reply = PLAY_STARTED,
      .example = "{\"color\":\"black\",\"clock\":{\"initial\":300,\"increment\":3}}",
      .metric = "chs_moves_total", .event = "play.started" },
    { "GET", "/v1/play", "List games against the model, newest first.", ACCESS_VIEWER, play_list,
      .query = "limit:int offset:int", .reply = ITEMS(PLAY) },
    { "GET", "/v1/play/{id}", "Show a game: position, moves, clocks, result.", ACCESS_VIEWER,
      play_get, .reply = OBJECT(PLAY) },
    { "GET", "/v1/play/{id}/pgn", "Download a game as PGN.", ACCESS_VIEWER, play_pgn },
    { "POST", "/v1/play/{id}/move", "Make a move; the model answers at once.", ACCESS_ANALYST,
      play_move, .body = P("uci", "string") "," P("plies", "integer"),
      .reply = OBJECT(PLAY "," P("ok", "boolean")), .example = "{\"uci\":\"e2e4\"}",
      .metric = "chs_moves_total", .event = "play.moved" },
    { "POST", "/v1/play/{id}/takeback", "Take back the last move and the model's answer.",
      ACCESS_ANALYST, play_takeback, .reply = OBJECT(PLAY) },
    { "POST", "/v1/play/{id}/resign", "Give up the game.", ACCESS_ANALYST, play_resign,
      .reply = OBJECT(PLAY), .metric = "chs_plays_total", .event = "play.finished" },
    { "GET", "/v1/users/me/prefs", "How I like to play: defaults of POST /v1/play/new.",
      ACCESS_VIEWER, prefs_get, .reply = OBJECT(PREFS) },
    { "PUT", "/v1/users/me/prefs", "Change how I like to play; what is left out stays.",
      ACCESS_VIEWER, prefs_put, .body = PREFS, .reply = OBJECT(PREFS),
      .example = "{\"temperature\":0.5,\"topk\":3}", .event = "prefs.saved" },

    /* ---------------------------------------------------------------- matches */
    { "POST", "/v1/selfplay", "Play a match of two model versions.", ACCESS_ANALYST, selfplay_start,
      .body = MATCH_BODY, .reply = INGEST_STARTED, .reply_status = 202,
      .alias = "/runner/selfplay/start", .example = "{\"games\":4,\"seed\":1}",
      .metric = "chs_selfplay_games_total", .event = "selfplay.started" },
    { "GET", "/v1/selfplay", "List matches, newest first.", ACCESS_VIEWER, selfplay_list,
      .query = "limit:int offset:int",
      .reply = ITEMS(P("runId", "string") "," P("status", "string")) },
    { "GET", "/v1/selfplay/{runId}", "Show a match: games, Elo with its interval.", ACCESS_VIEWER,
      selfplay_get, .alias = "/runner/selfplay/runs/{runId}", .reply = OBJECT(MATCH) },
    { "GET", "/v1/selfplay/debug", "Play a few games of the serving model here and now.",
      ACCESS_ANALYST, selfplay_debug, .query = "games:int seed:int",
      .alias = "/runner/selfplay/debug",
      .reply = OBJECT(P("games", "integer") "," P("wins", "integer") "," P("elo", "number")),
      .example = "games=2" },
    { "GET", "/v1/metrics/selfplay/{runId}", "Numbers of a match for charts.", ACCESS_VIEWER,
      selfplay_metrics, .reply = RUN_METRICS },

    /* ---------------------------------------------------------------- analytics */
    { "GET", "/v1/analytics", "List analytics plugins and how far each is.", ACCESS_VIEWER,
      analytics_list,
      .reply = ITEMS(P("name", "string") "," P("version", "string") "," P("pending", "integer")) },
    { "POST", "/v1/analytics/run", "Give every plugin the games it has not seen, now.",
      ACCESS_ANALYST, analytics_start, .reply = INGEST_STARTED, .reply_status = 202,
      .event = "analytics.completed" },
    { "GET", "/v1/analytics/{id}/results", "What a plugin said about games, newest first.",
      ACCESS_VIEWER, analytics_results, .query = "version:string limit:int offset:int",
      .reply = ITEMS(P("gameId", "string") "," P("status", "string") "," P("result", "object")) },
    { "GET", "/v1/games/{id}/analytics", "What all plugins said about one game.", ACCESS_VIEWER,
      games_analytics,
      .reply = ITEMS(P("plugin", "string") "," P("version", "string") "," P("result", "object")) },
    { 0 },
};
