/* SPDX-License-Identifier: GPL-3.0-or-later */
/* evaluate_acpl.c -- suite acpl: an engine says how much the model's moves lose, beside the moves
 * that people played in the same positions and beside a baseline.
 *
 * The sample is spread over the held-out rows and follows from the seed. Each score is one search
 * of its own (uci_engine.h), so neither the number of engines nor a restart in the middle changes
 * a result, and the same human move costs the same whichever model is judged. What was judged is
 * kept in positions.ndjson: a paused or killed evaluation goes on from there.
 */
#include <stdio.h>
#include <string.h>

#include "apps/chess/chess_metrics.h"
#include "apps/chess/evaluate.h"
#include "apps/chess/uci_engine.h"
#include "base/clock.h"

enum {
    POSITIONS_USUAL = 1000,
    POSITIONS_MAX = 20000,
    ENGINES_MAX = 4,   /* at once; one a core below that. Each has a network of its own in memory */
    ENGINE_SHARE = 4,  /* positions of one engine between two looks at stop and progress */
    FAILURES_MAX = 20, /* positions that cost an engine; then it is not the positions */
    METRIC_EVERY_MS = 1000,
    LINES_BYTES_MAX = 32 * 1024 * 1024,
};
static const char POSITIONS_FILE[] = "positions.ndjson";

/* ------------------------------------------------------------------ the plan */

err acpl_plan_read(struct house *h, const struct json *params, str engine,
                   struct acpl_plan *ret_plan)
{
    struct acpl_plan plan = { .positions = POSITIONS_USUAL,
                              .nodes = setting_int(h, "CHESS_ENGINE_NODES"),
                              .seed = 1,
                              .answer_ms = (int64_t)(setting_real(h, "CHESS_ENGINE_SECONDS") *
                                                     1000) };
    if (json_get(params, "nodes") && json_get(params, "depth"))
        return ERR(ERR_INVALID, "fields 'nodes' and 'depth' exclude each other: leave one out");
    TRY(json_opt_int(params, "positions", 1, POSITIONS_MAX, &plan.positions));
    TRY(json_opt_int(params, "nodes", 1, UCI_NODES_MAX, &plan.nodes));
    TRY(json_opt_int(params, "depth", 1, UCI_DEPTH_MAX, &plan.depth));
    TRY(json_opt_int(params, "seed", 0, INT64_MAX, &plan.seed));
    TRY(err_wrap(uci_engine_find(engine.len ? engine : setting_str(h, "CHESS_ENGINE"), plan.engine),
                 "suite acpl"));
    *ret_plan = plan;
    return OK;
}

/* clang-format off */
const char evaluate_schema[] =
    "\"datasetId\":{\"type\":\"string\"},"
    "\"limit\":{\"type\":\"integer\",\"suites\":[\"topk\",\"accuracy\"]},"
    "\"positions\":{\"type\":\"integer\",\"default\":1000,\"suites\":[\"acpl\"]},"
    "\"nodes\":{\"type\":\"integer\",\"suites\":[\"acpl\"]},"
    "\"depth\":{\"type\":\"integer\",\"suites\":[\"acpl\"]},"
    "\"seed\":{\"type\":\"integer\"}";
/* clang-format on */

err evaluate_check(struct house *h, const struct json *params)
{
    struct acpl_plan plan;
    str suite = STR_NONE;
    TRY(json_opt_str(params, "suite", &suite));
    if (!str_eq(suite, STR("acpl")))
        return OK;
    /* Whoever may ask for an evaluation may not for that reason run a program of their choice. */
    if (json_get(params, "engine"))
        return ERR(ERR_INVALID, "field 'engine' is not for requests: the server runs the engine "
                                "that CHESS_ENGINE names");
    err e = acpl_plan_read(h, params, STR_NONE, &plan);
    if (e.code == ERR_NOT_FOUND) /* the evaluation is there; this installation cannot do it yet */
        e.code = ERR_CONFLICT;
    return e;
}

size_t evaluate_examine(struct house *h, struct finding *ret_findings, size_t max)
{
    char program[FS_PATH_BYTES];
    str setting = setting_str(h, "CHESS_ENGINE");
    struct uci_engine *engine = NULL;
    if (max == 0)
        return 0;
    struct finding f = { .what = "engine",
                         .is_good = true,
                         .next_step = "set CHESS_ENGINE to a UCI engine, to auto or to off" };
    err e = uci_engine_find(setting, program);
    bool is_wanted = setting.len && !str_eq(setting, STR("off")) && !str_eq(setting, STR("auto"));
    if (e.code) { /* an engine is a choice, unless one was named */
        f.is_good = !is_wanted;
        snprintf(f.state, sizeof f.state, "%s", e.msg);
    } else {
        e = uci_engine_open(&(struct uci_engine_options){ .program = program }, &engine);
        f.is_good = !e.code;
        if (e.code)
            snprintf(f.state, sizeof f.state, "%s", e.msg);
        else
            snprintf(f.state, sizeof f.state, "%s, %.120s", uci_engine_name(engine), program);
        uci_engine_close(engine);
    }
    ret_findings[0] = f;
    return 1;
}

/* ------------------------------------------------------------------ the sample */

/* One row out of each of `count` equal parts of the split. */
static err choose_rows(struct acpl_sample *s)
{
    struct evaluation *e = s->e;
    size_t rows = e->source.count, wanted = (size_t)s->plan.positions;
    s->count = rows < wanted ? rows : wanted;
    s->verdicts = NEW_ARRAY(run_arena(e->run), struct acpl_verdict, s->count);
    ARENA_TRY(s->verdicts);
    struct rng rng;
    rng_init(&rng, (uint64_t)s->plan.seed);
    for (size_t i = 0; i < s->count; i++) {
        struct chess_sample row;
        size_t from = i * rows / s->count, to = (i + 1) * rows / s->count;
        struct acpl_verdict *v = &s->verdicts[i];
        v->row = from + (size_t)rng_below(&rng, to - from);
        e->source.get(e->source.arg, v->row, &row);
        v->game = row.game;
        v->rating = row.conditions.rating_self;
        v->ply = row.ply;
        v->phase = chess_phase_of(&row.position, row.ply);
    }
    return OK;
}

static chess_move favourite(const struct served_model *m, const struct chess_sample *row)
{
    struct chess_prediction pred;
    struct rng unused;
    rng_init(&unused, 0);
    chess_net_predict(m->net, &row->position, &row->conditions, &pred);
    return chess_prediction_pick(&pred, 0, 0, &unused);
}

static chess_move any_move(const struct acpl_sample *s, const struct acpl_verdict *v,
                           const struct chess_position *p)
{
    chess_move moves[CHESS_MOVES_MAX];
    struct rng rng;
    rng_init(&rng, (uint64_t)s->plan.seed * 0x9E3779B97F4A7C15u + v->row);
    int count = chess_moves(p, moves);
    return count ? moves[rng_below(&rng, (uint64_t)count)] : CHESS_MOVE_NONE;
}

static err judge(const struct acpl_sample *s, struct uci_engine *engine, struct acpl_verdict *v)
{
    const struct evaluation *e = s->e;
    struct chess_sample row;
    struct uci_score score;
    e->source.get(e->source.arg, v->row, &row);
    const struct chess_position *p = &row.position;
    if (!chess_move_is_legal(p, row.move))
        return ERR(ERR_CORRUPT, "row %zu of the dataset has a move that is not legal", v->row);
    v->move[ACPL_HUMAN] = row.move;
    v->move[ACPL_CANDIDATE] = favourite(e->candidate, &row);
    v->move[ACPL_OTHER] = e->baseline ? favourite(e->baseline, &row) : any_move(s, v, p);
    TRY(uci_engine_ask(engine, p, CHESS_MOVE_NONE, &score, &v->best));
    v->best_cp = uci_score_cp(&score, ACPL_CAP);
    for (int i = 0; i < ACPL_PLAYERS; i++) {
        int same = -1;
        for (int k = 0; k < i; k++)
            if (v->move[k] == v->move[i])
                same = k;
        if (v->move[i] == v->best) {
            v->cp[i] = v->best_cp;
        } else if (same >= 0) {
            v->cp[i] = v->cp[same];
        } else {
            TRY(uci_engine_ask(engine, p, v->move[i], &score, NULL));
            v->cp[i] = uci_score_cp(&score, ACPL_CAP);
        }
    }
    v->is_judged = true;
    return OK;
}

/* ------------------------------------------------------------------ engines side by side */

struct batch {
    struct acpl_sample *s;
    struct uci_engine **engines;
    size_t engine_count;
    size_t *pending; /* indices of verdicts */
    size_t count;
    err *results; /* by place in pending */
    struct metric_cell *seconds;
};

static err check_run(void *run)
{
    return run_check(run);
}

/* Engine n takes every engine_count-th position. After an error of ours the rest is left alone. */
static void run_engine(void *arg, size_t n)
{
    struct batch *b = arg;
    for (size_t i = n; i < b->count; i += b->engine_count) {
        int64_t started_ns = clock_mono_ns();
        b->results[i] = run_check(b->s->e->run);
        if (b->results[i].code)
            return;
        b->results[i] = judge(b->s, b->engines[n], &b->s->verdicts[b->pending[i]]);
        metric_observe(b->seconds, (double)(clock_mono_ns() - started_ns) / 1e9);
    }
}

static err count_failure(struct acpl_sample *s, const struct acpl_verdict *v, const err *why)
{
    char fen[CHESS_FEN_BYTES];
    struct chess_sample row;
    s->e->source.get(s->e->source.arg, v->row, &row);
    chess_fen_write(&row.position, fen);
    s->failed++;
    metric_add(CHESS_CELL(house_metrics(s->e->h), CHESS_M_EVAL_POSITIONS, STR("failed")), 1);
    RUN_LOG(s->e->run, LOG_WARN, "evaluation.engine_failed", why->msg, F_CSTR("fen", fen),
            F_CSTR("engine", s->engine_name));
    if (s->failed > FAILURES_MAX)
        return ERR(ERR_UPSTREAM, "%zu positions failed, then it was enough; the last: %s",
                   s->failed, why->msg);
    return OK;
}

/* Counts a batch. What the run itself wants (stop, pause) comes before what engines did. */
static err take_results(struct batch *b)
{
    struct acpl_sample *s = b->s;
    TRY(run_check(s->e->run));
    for (size_t i = 0; i < b->count; i++) {
        const struct acpl_verdict *v = &s->verdicts[b->pending[i]];
        s->judged += v->is_judged;
        if (v->is_judged)
            metric_add(CHESS_CELL(house_metrics(s->e->h), CHESS_M_EVAL_POSITIONS, STR("judged")),
                       1);
    }
    for (size_t i = 0; i < b->count; i++) {
        const err *result = &b->results[i];
        if (result->code == ERR_UPSTREAM || result->code == ERR_TIMEOUT ||
            result->code == ERR_CORRUPT)
            TRY(count_failure(s, &s->verdicts[b->pending[i]], result));
        else if (result->code)
            return *result;
    }
    return OK;
}

/* ------------------------------------------------------------------ kept while it runs */

/* The cursor tells the scheduler that this try got ahead, as in a training. */
static err keep_positions(const struct acpl_sample *s)
{
    struct buf lines;
    char cursor[40];
    snprintf(cursor, sizeof cursor, "{\"judged\":%zu}", s->judged);
    buf_init(&lines, LINES_BYTES_MAX);
    acpl_lines_write(s, &lines);
    err e = buf_check(&lines);
    if (!e.code)
        e = run_artifact(s->e->run, POSITIONS_FILE, buf_str(&lines));
    buf_deinit(&lines);
    return e.code ? e : job_cursor_commit(run_job(s->e->run), str_of(cursor));
}

static err resume(struct acpl_sample *s)
{
    str text;
    arena scratch;
    arena_init(&scratch, LINES_BYTES_MAX + 4096);
    err e = run_artifact_read(s->e->run, POSITIONS_FILE, &scratch, LINES_BYTES_MAX, &text);
    bool is_first = e.code == ERR_NOT_FOUND;
    if (!e.code)
        e = acpl_lines_read(s, text, &s->judged);
    arena_deinit(&scratch);
    if (is_first)
        return OK;
    if (!e.code)
        RUN_LOG(s->e->run, LOG_INFO, "evaluation.resumed", "goes on from the positions judged",
                F_INT("positions", (int64_t)s->judged));
    return err_wrap(e, "going on from %s", POSITIONS_FILE);
}

/* ------------------------------------------------------------------ the suite */

static err judge_batches(struct batch *b, size_t left)
{
    struct acpl_sample *s = b->s;
    int64_t every_ms = (int64_t)(setting_real(s->e->h, "CHESS_CHECKPOINT_SECONDS") * 1000);
    int64_t now = clock_mono_ns() / 1000000, keep_at = now + every_ms, metric_at = now;
    while (left) {
        size_t most = b->engine_count * ENGINE_SHARE;
        b->count = left < most ? left : most;
        for (size_t i = 0; i < b->count; i++)
            b->results[i] = OK;
        pool_each(house_compute(s->e->h), b->engine_count, run_engine, b);
        TRY(take_results(b));
        b->pending += b->count;
        left -= b->count;
        run_progress(s->e->run, (int64_t)(s->judged + s->failed), (int64_t)s->count);
        now = clock_mono_ns() / 1000000;
        if (now >= metric_at) {
            metric_at = now + METRIC_EVERY_MS;
            TRY(acpl_metrics(s));
        }
        if (now >= keep_at) {
            keep_at = now + every_ms;
            TRY(keep_positions(s));
        }
    }
    return OK;
}

static err judge_all(struct acpl_sample *s, struct uci_engine **engines, size_t engine_count)
{
    arena *keep = run_arena(s->e->run);
    struct batch b = { .s = s,
                       .engines = engines,
                       .engine_count = engine_count,
                       .pending = NEW_ARRAY(keep, size_t, s->count + 1),
                       .results = NEW_ARRAY(keep, err, engine_count * ENGINE_SHARE),
                       .seconds = chess_cell(house_metrics(s->e->h),
                                             CHESS_M_EVAL_POSITION_SECONDS) };
    size_t left = 0;
    ARENA_TRY(b.pending);
    ARENA_TRY(b.results);
    for (size_t i = 0; i < s->count; i++)
        if (!s->verdicts[i].is_judged)
            b.pending[left++] = i;
    run_progress(s->e->run, (int64_t)s->judged, (int64_t)s->count);
    err e = judge_batches(&b, left);
    if (e.code == ERR_CANCELLED || e.code == ERR_UPSTREAM) {
        err kept = keep_positions(s); /* pause, stop, shutdown, a retry: no search is lost */
        return kept.code ? kept : e;
    }
    TRY(e);
    if (s->judged == 0)
        return ERR(ERR_UPSTREAM,
                   "the engine failed on each of %zu positions: see the log of run "
                   "%s",
                   s->failed, run_id(s->e->run));
    return keep_positions(s);
}

static err write_params(const struct acpl_sample *s)
{
    const struct acpl_plan *plan = &s->plan;
    struct run *run = s->e->run;
    TRY(run_param(run, "engine", str_of(s->engine_name)));
    TRY(run_tag(run, "engine_path", str_of(plan->engine)));
    TRY(run_param_fmt(run, "engine_limit", "%s %lld", plan->depth ? "depth" : "nodes",
                      (long long)(plan->depth ? plan->depth : plan->nodes)));
    TRY(run_param_fmt(run, "seed", "%lld", (long long)plan->seed));
    /* Names without a version mean the newest: half an evaluation of each would be of none. */
    TRY(run_param(run, "candidate_version", str_of(s->e->candidate->version)));
    if (s->e->baseline)
        TRY(run_param(run, "baseline_version", str_of(s->e->baseline->version)));
    return run_param_fmt(run, "positions", "%zu", s->count);
}

static err run_suite(struct acpl_sample *s, struct uci_engine **engines, size_t engine_count)
{
    struct uci_engine_options options = { .program = s->plan.engine,
                                          .nodes = s->plan.nodes,
                                          .depth = (int)s->plan.depth,
                                          .answer_wait_ms = s->plan.answer_ms,
                                          .check = check_run,
                                          .arg = s->e->run };
    for (size_t i = 0; i < engine_count; i++)
        TRY(uci_engine_open(&options, &engines[i]));
    snprintf(s->engine_name, sizeof s->engine_name, "%s", uci_engine_name(engines[0]));
    RUN_LOG(s->e->run, LOG_INFO, "evaluation.engine_started", NULL,
            F_CSTR("engine", s->engine_name), F_INT("engines", (int64_t)engine_count));
    TRY(write_params(s));
    TRY(resume(s));
    TRY(judge_all(s, engines, engine_count));
    TRY(acpl_metrics(s));
    return acpl_publish(s);
}

err acpl_evaluate(struct evaluation *e, const struct json *payload, size_t *ret_positions)
{
    struct uci_engine *engines[ENGINES_MAX] = { NULL };
    struct acpl_sample *s = NEW(run_arena(e->run), struct acpl_sample);
    str engine = STR_NONE;
    ARENA_TRY(s);
    s->e = e;
    TRY(json_opt_str(payload, "engine", &engine));
    TRY(acpl_plan_read(e->h, json_get(payload, "params"), engine, &s->plan));
    TRY(choose_rows(s));
    size_t engine_count = (size_t)thread_core_count();
    if (engine_count > ENGINES_MAX)
        engine_count = ENGINES_MAX;
    if (engine_count > s->count)
        engine_count = s->count;
    err done = run_suite(s, engines, engine_count);
    for (size_t i = 0; i < engine_count; i++)
        uci_engine_close(engines[i]);
    *ret_positions = s->judged;
    return done;
}
