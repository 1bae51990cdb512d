/* SPDX-License-Identifier: GPL-3.0-or-later */
/* selfplay.c -- matches of two model versions (or one against itself): Elo with an interval, PGNs
 * kept.
 *
 * Games come in pairs with the same opening and swapped colours, so that a lopsided opening favours
 * nobody. A game's moves follow from the seed and its number alone: a match that is run again after
 * a crash, or on more threads, is the same match.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/game_record.h"
#include "apps/chess/match.h"
#include "base/clock.h"
#include "engine/learn/elo.h"

enum {
    GAMES_MAX = 10000,
    BATCH = 16,        /* games between two looks at stop and progress */
    OPENING_PLIES = 8, /* drawn at OPENING_TEMPERATURE, so that pairs differ */
    PGN_BYTES_MAX = 256 * 1024 * 1024,
    GAME_PGN_BYTES_MAX = 64 * 1024,
    LIST_MAX = 100,
    RATING = 1500, /* both sides pretend to be equal: the match compares the nets */
};
static const double OPENING_TEMPERATURE = 1.0;

struct match_plan {
    struct served_model *player[2]; /* 0 the candidate, 1 the baseline */
    uint64_t seed;
    double temperature;
    struct metric_cell *move_seconds;
};

struct match_tally {
    uint64_t wins, draws, losses; /* of the candidate */
    uint64_t plies;
};

static chess_move choose(const struct match_plan *plan, const struct served_model *m,
                         const struct match_game *g, double temperature, struct rng *rng)
{
    struct chess_prediction pred;
    struct chess_conditions conditions = { .rating_self = RATING,
                                           .rating_opponent = RATING,
                                           .speed = CHESS_BLITZ };
    int64_t started_ns = clock_mono_ns();
    chess_net_predict(m->net, &g->position, &conditions, &pred);
    metric_observe(plan->move_seconds, (double)(clock_mono_ns() - started_ns) / 1e9);
    return chess_prediction_pick(&pred, temperature, 0, rng);
}

/* Games 2k and 2k+1 share an opening; the candidate is white in the even one. */
static void play_game(const struct match_plan *plan, size_t number, struct match_game *g)
{
    struct rng opening, rest;
    struct chess_position start;
    rng_init(&opening, plan->seed * 0x9E3779B97F4A7C15u + number / 2);
    rng_init(&rest, plan->seed * 0xD6E8FEB86659FD93u + number);
    chess_position_start(&start);
    match_start(g, &start);
    while (g->result == CHESS_RESULT_UNKNOWN) {
        bool in_opening = g->plies < OPENING_PLIES;
        size_t white = number & 1;
        const struct served_model *mover =
            plan->player[g->position.turn == CHESS_WHITE ? white : !white];
        /* The opening is the candidate's choice in both games of a pair, so that both are the same.
         */
        chess_move m = choose(plan, in_opening ? plan->player[0] : mover, g,
                              in_opening ? OPENING_TEMPERATURE : plan->temperature,
                              in_opening ? &opening : &rest);
        match_move(g, m, PGN_CLOCK_NONE, true);
    }
}

struct batch {
    const struct match_plan *plan;
    size_t first;
    struct match_game *games; /* BATCH of them */
};

static void play_one(void *arg, size_t index)
{
    struct batch *b = arg;
    play_game(b->plan, b->first + index, &b->games[index]);
}

/* ------------------------------------------------------------------ the job */

struct match_run {
    struct run *run;
    struct house *h;
    struct match_plan plan;
    struct match_tally tally;
    int64_t games;
    struct buf pgns;
};

static str player_name(const struct served_model *m, char out[160])
{
    return str_from(out, (size_t)snprintf(out, 160, "%s@%s", m->name, m->version));
}

/* The candidate is white in games with an even number. */
static void tally_game(struct match_tally *t, size_t number, const struct match_game *g)
{
    bool won = g->result == ((number & 1) == 0 ? CHESS_WHITE_WIN : CHESS_BLACK_WIN);
    bool drawn = g->result == CHESS_DRAW;
    t->wins += won;
    t->draws += drawn;
    t->losses += !won && !drawn;
    t->plies += g->plies;
}

static err keep_game(struct match_run *r, size_t number, const struct match_game *g)
{
    char white[160], black[160], round[24];
    struct metrics *m = house_metrics(r->h);
    bool candidate_white = (number & 1) == 0;
    tally_game(&r->tally, number, g);
    metric_add(CHESS_CELL(m, CHESS_M_SELFPLAY_GAMES, str_of(chess_result_name(g->result))), 1);
    metric_add(chess_cell(m, CHESS_M_SELFPLAY_MOVES), (double)g->plies);
    metric_add(CHESS_CELL(m, CHESS_M_MOVES, STR("match")), (double)g->plies);
    struct pgn_tag tags[] = {
        { STR("Event"), STR("Model match") },
        { STR("Site"), STR("Skerry") },
        { STR("Round"), str_from(round, (size_t)snprintf(round, sizeof round, "%zu", number + 1)) },
        { STR("White"), player_name(r->plan.player[candidate_white ? 0 : 1], white) },
        { STR("Black"), player_name(r->plan.player[candidate_white ? 1 : 0], black) },
        { STR("WhiteTitle"), STR("BOT") },
        { STR("BlackTitle"), STR("BOT") },
    };
    return match_pgn(g, tags, COUNT_OF(tags), &r->pgns);
}

static struct learn_elo elo_of(const struct match_tally *t)
{
    return learn_elo_of(t->wins, t->draws, t->losses);
}

static err report_progress(struct match_run *r, int64_t played)
{
    struct learn_elo elo = elo_of(&r->tally);
    str run = str_of(run_id(r->run));
    metric_set(CHESS_CELL(house_metrics(r->h), CHESS_M_SELFPLAY_ELO, run), elo.difference);
    metric_set(CHESS_CELL(house_metrics(r->h), CHESS_M_SELFPLAY_WIN_RATE, run), elo.score);
    run_progress(r->run, played, r->games);
    TRY(run_metric(r->run, "elo", elo.difference, played));
    TRY(run_metric(r->run, "win_rate", elo.score, played));
    return run_metric(r->run, "games", (double)played, played);
}

static err play_all(struct match_run *r)
{
    struct batch b = { .plan = &r->plan,
                       .games = NEW_ARRAY(run_arena(r->run), struct match_game, BATCH) };
    ARENA_TRY(b.games);
    for (int64_t played = 0; played < r->games;) {
        size_t count = r->games - played < BATCH ? (size_t)(r->games - played) : BATCH;
        TRY(run_check(r->run));
        b.first = (size_t)played;
        pool_each(house_compute(r->h), count, play_one, &b);
        for (size_t i = 0; i < count; i++)
            TRY(keep_game(r, b.first + i, &b.games[i]));
        played += (int64_t)count;
        TRY(report_progress(r, played));
    }
    return OK;
}

static void write_result(struct json_out *w, const struct match_run *r)
{
    struct learn_elo elo = elo_of(&r->tally);
    char name[160];
    json_object_begin(w);
    json_kv_str(w, "candidate", player_name(r->plan.player[0], name));
    json_kv_str(w, "baseline", player_name(r->plan.player[1], name));
    json_kv_int(w, "games", r->games);
    json_kv_int(w, "wins", (int64_t)r->tally.wins);
    json_kv_int(w, "draws", (int64_t)r->tally.draws);
    json_kv_int(w, "losses", (int64_t)r->tally.losses);
    json_kv_int(w, "moves", (int64_t)r->tally.plies);
    json_kv_real(w, "winRate", elo.score);
    json_kv_real(w, "elo", elo.difference);
    json_kv_real(w, "eloLow", elo.low);
    json_kv_real(w, "eloHigh", elo.high);
    json_kv_real(w, "superiority", elo.superiority);
    json_object_end(w);
}

static err publish(struct match_run *r)
{
    struct buf report;
    struct json_out w;
    struct learn_elo elo = elo_of(&r->tally);
    buf_init(&report, 16 * 1024);
    json_out_init(&w, &report);
    write_result(&w, r);
    err e = buf_check(&report);
    if (!e.code)
        e = run_artifact(r->run, "games.pgn", buf_str(&r->pgns));
    if (!e.code)
        e = run_artifact(r->run, "report.json", buf_str(&report));
    if (!e.code)
        e = run_result(r->run, buf_str(&report));
    if (!e.code && r->plan.player[0] != r->plan.player[1])
        metric_set(CHESS_CELL(house_metrics(r->h), CHESS_M_ELO, str_of(r->plan.player[0]->name),
                              str_of(r->plan.player[0]->version)),
                   elo.difference);
    buf_deinit(&report);
    return e;
}

/* "name@3", "name" (newest) or empty (prod). */
static err acquire(struct house *h, str ref, struct served_model **ret_model)
{
    str version = ref;
    str name = str_split(&version, '@');
    return model_acquire(h, name, version, ret_model);
}

static err read_plan(struct match_run *r, const struct json *payload)
{
    str candidate = STR_NONE, baseline = STR_NONE;
    int64_t seed = 1;
    r->games = 100;
    r->plan.temperature = 0.3;
    TRY(json_opt_str(payload, "candidate", &candidate));
    TRY(json_opt_str(payload, "baseline", &baseline));
    TRY(json_opt_int(payload, "games", 1, GAMES_MAX, &r->games));
    TRY(json_opt_int(payload, "seed", 0, INT64_MAX, &seed));
    TRY(json_opt_real(payload, "temperature", 0, 10, &r->plan.temperature));
    r->plan.seed = (uint64_t)seed;
    TRY(acquire(r->h, candidate, &r->plan.player[0]));
    TRY(acquire(r->h, baseline.len ? baseline : candidate, &r->plan.player[1]));
    run_set_model(r->run, str_of(r->plan.player[0]->name));
    TRY(run_model_in(r->run, str_of(r->plan.player[0]->id)));
    TRY(run_param_fmt(r->run, "candidate", "%s@%s", r->plan.player[0]->name,
                      r->plan.player[0]->version));
    TRY(run_param_fmt(r->run, "baseline", "%s@%s", r->plan.player[1]->name,
                      r->plan.player[1]->version));
    TRY(run_param_fmt(r->run, "games", "%lld", (long long)r->games));
    TRY(run_param_fmt(r->run, "seed", "%lld", (long long)seed));
    return run_param_fmt(r->run, "temperature", "%g", r->plan.temperature);
}

err selfplay_run(struct run *run, const struct json *payload)
{
    struct match_run r = { .run = run, .h = run_house(run) };
    struct metrics *m = house_metrics(r.h);
    struct metric_cell *active = chess_cell(m, CHESS_M_SELFPLAY_ACTIVE);
    buf_init(&r.pgns, PGN_BYTES_MAX);
    r.plan.move_seconds = chess_cell(m, CHESS_M_SELFPLAY_MOVE_SECONDS);
    metric_add(active, 1);
    err e = read_plan(&r, payload);
    if (!e.code) {
        RUN_LOG(run, LOG_INFO, "selfplay.started", NULL, F_INT("games", r.games));
        e = play_all(&r);
    }
    if (!e.code)
        e = publish(&r);
    if (!e.code)
        RUN_LOG(run, LOG_INFO, "selfplay.completed", NULL, F_INT("games", r.games),
                F_REAL("elo", elo_of(&r.tally).difference));
    if (e.code && e.code != ERR_CANCELLED) {
        metric_add(chess_cell(m, CHESS_M_SELFPLAY_FAILURES), 1);
        RUN_LOG(run, LOG_ERROR, "selfplay.failed", e.msg);
    }
    metric_add(active, -1);
    metrics_drop(m, &chess_metrics[CHESS_M_SELFPLAY_ELO], "run_id", str_of(run_id(run)));
    metrics_drop(m, &chess_metrics[CHESS_M_SELFPLAY_WIN_RATE], "run_id", str_of(run_id(run)));
    model_release(r.plan.player[0]);
    model_release(r.plan.player[1]);
    buf_deinit(&r.pgns);
    return e;
}

/* ------------------------------------------------------------------ routes */

/* clang-format off */
const char selfplay_schema[] =
    "\"games\":{\"type\":\"integer\",\"default\":100},"
    "\"temperature\":{\"type\":\"number\",\"default\":0.3},"
    "\"seed\":{\"type\":\"integer\",\"default\":1}";
/* clang-format on */

/* modelId and baselineId as "name", "name@3", or left out for prod. */
err selfplay_start(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body;
    str candidate = STR_NONE, baseline = STR_NONE;
    int64_t games = 100, seed = 1, concurrency = 1;
    double temperature = 0.3;
    struct served_model *m;
    TRY(http_body_json(rq, &body));
    TRY(json_opt_str(body, "modelId", &candidate));
    TRY(json_opt_str(body, "baselineId", &baseline));
    TRY(json_opt_int(body, "games", 1, GAMES_MAX, &games));
    TRY(json_opt_int(body, "seed", 0, INT64_MAX, &seed));
    TRY(json_opt_int(body, "concurrency", 1, 1024,
                     &concurrency)); /* accepted; all cores are used anyway */
    TRY(json_opt_real(body, "temperature", 0, 10, &temperature));
    TRY(acquire(rq_house(rq), candidate, &m)); /* unknown models are refused now, not in the job */
    model_release(m);
    if (baseline.len) {
        TRY(acquire(rq_house(rq), baseline, &m));
        model_release(m);
    }
    struct buf payload;
    struct json_out w;
    buf_init(&payload, JOB_PAYLOAD_MAX);
    json_out_init(&w, &payload);
    json_object_begin(&w);
    json_kv_str(&w, "candidate", candidate);
    json_kv_str(&w, "baseline", baseline);
    json_kv_int(&w, "games", games);
    json_kv_int(&w, "seed", seed);
    json_kv_real(&w, "temperature", temperature);
    json_object_end(&w);
    err e = buf_check(&payload);
    if (!e.code)
        e = app_start_job(rq, rp,
                          &(struct job_spec){ .kind = "chess.match", .payload = buf_str(&payload) },
                          202, "/v1/selfplay/");
    buf_deinit(&payload);
    return e;
}

static err find_match(struct http_request *rq, struct job_info *ret_info)
{
    char id[HEX_ID_BYTES];
    struct job_info info = { 0 };
    TRY(app_run_id_parse(http_param(rq, "runId"), id));
    TRY(job_get_by_run(house_jobs(rq_house(rq)), str_of(id), http_arena(rq), &info));
    if (strcmp(info.kind, "chess.match") != 0)
        return ERR(ERR_NOT_FOUND, "run %s is a %s, not a match", id, info.kind);
    *ret_info = info;
    return OK;
}

/* Numbers of a match: the result when it is done, the live gauges' history before. */
static err write_match(struct http_request *rq, struct json_out *w, const struct job_info *info)
{
    const struct json *result = NULL;
    if (info->result.len)
        TRY(json_parse(http_arena(rq), info->result, &result));
    json_object_begin(w);
    json_kv_str(w, "runId", info->run_id);
    json_kv_cstr(w, "jobId", info->id);
    json_kv_cstr(w, "status", job_state_name(info->state));
    json_key(w, "progress");
    json_object_begin(w);
    json_kv_int(w, "played", info->state == JOB_SUCCEEDED ? info->total : info->done);
    json_kv_int(w, "total", info->total);
    json_object_end(w);
    json_key(w, "metrics");
    json_object_begin(w);
    json_kv_real(w, "elo", json_num(json_get(result, "elo"), NAN));
    json_kv_real(w, "eloLow", json_num(json_get(result, "eloLow"), NAN));
    json_kv_real(w, "eloHigh", json_num(json_get(result, "eloHigh"), NAN));
    json_kv_real(w, "winRate", json_num(json_get(result, "winRate"), NAN));
    json_object_end(w);
    json_key(w, "reportUri");
    json_out_fmt(w, "/v1/runs/%.*s/artifacts/report.json", STR_ARG(info->run_id));
    json_key(w, "gamesUri");
    json_out_fmt(w, "/v1/runs/%.*s/artifacts/games.pgn", STR_ARG(info->run_id));
    json_kv_raw(w, "result", info->result);
    json_kv_cstr(w, "error", info->error.len ? info->error.ptr : NULL);
    json_object_end(w);
    return OK;
}

err selfplay_get(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info = { 0 };
    TRY(find_match(rq, &info));
    return write_match(rq, http_json(rp), &info);
}

err selfplay_list(struct http_request *rq, struct http_reply *rp)
{
    struct job_filter filter = { .kind = STR("chess.match"), .limit = 20 };
    struct job_info *jobs;
    size_t count;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &filter.limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &filter.offset));
    TRY(job_list(house_jobs(rq_house(rq)), &filter, http_arena(rq), &jobs, &count));
    struct json_out *w = http_json(rp);
    json_items_begin(w);
    for (size_t i = 0; i < count; i++)
        TRY(write_match(rq, w, &jobs[i]));
    json_items_end(w);
    return OK;
}

/* GET /runner/selfplay/debug?games=4: does the model play at all? Nothing is stored. */
err selfplay_debug(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    int64_t games = 4, seed = 1;
    struct match_run r = { .h = h };
    TRY(http_query_int(rq, "games", 1, BATCH, &games));
    TRY(http_query_int(rq, "seed", 0, INT64_MAX, &seed));
    struct batch b = { .plan = &r.plan,
                       .games = NEW_ARRAY(http_arena(rq), struct match_game, (size_t)games) };
    ARENA_TRY(b.games);
    TRY(model_acquire_prod(h, &r.plan.player[0]));
    r.plan.player[1] = r.plan.player[0];
    r.plan.seed = (uint64_t)seed;
    r.plan.temperature = 0.3;
    r.games = games;
    r.plan.move_seconds = chess_cell(house_metrics(h), CHESS_M_SELFPLAY_MOVE_SECONDS);
    pool_each(house_compute(h), (size_t)games, play_one, &b);
    for (size_t i = 0; i < (size_t)games; i++)
        tally_game(&r.tally, i, &b.games[i]);
    write_result(http_json(rp), &r);
    model_release(r.plan.player[0]);
    return OK;
}

/* GET /v1/metrics/selfplay/{runId}, as the metric catalogue wants it. */
err selfplay_metrics(struct http_request *rq, struct http_reply *rp)
{
    struct job_info info = { 0 };
    const struct json *result = NULL;
    TRY(find_match(rq, &info));
    if (info.result.len)
        TRY(json_parse(http_arena(rq), info.result, &result));
    double games = json_num(json_get(result, "games"), 0);
    const struct metric_cell *seconds = chess_cell(house_metrics(rq_house(rq)),
                                                   CHESS_M_SELFPLAY_MOVE_SECONDS);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "runId", info.run_id);
    json_kv_cstr(w, "status", job_state_name(info.state));
    json_key(w, "metrics");
    json_object_begin(w);
    json_kv_int(w, "gamesTotal", result ? (int64_t)games : info.done);
    json_kv_int(w, "movesTotal", json_int(json_get(result, "moves"), 0));
    json_kv_real(w, "winRate", games > 0 ? json_num(json_get(result, "wins"), 0) / games : 0);
    json_kv_real(w, "drawRate", games > 0 ? json_num(json_get(result, "draws"), 0) / games : 0);
    json_kv_real(w, "lossRate", games > 0 ? json_num(json_get(result, "losses"), 0) / games : 0);
    json_kv_real(w, "eloEstimate", json_num(json_get(result, "elo"), NAN));
    json_key(w, "moveLatency");
    json_object_begin(w);
    json_kv_real(w, "p50", metric_quantile(seconds, 0.5) * 1000);
    json_kv_real(w, "p95", metric_quantile(seconds, 0.95) * 1000);
    json_object_end(w);
    json_kv_int(w, "crashes", info.attempts > 1 ? info.attempts - 1 : 0);
    json_object_end(w);
    json_object_end(w);
    return OK;
}
