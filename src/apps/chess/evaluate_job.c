/* SPDX-License-Identifier: GPL-3.0-or-later */
/* evaluate_job.c -- the job chess.evaluate: a model version judged on held-out positions, as a
 * whole, by rating band and (suite topk) by k, beside a baseline: another version if one is named,
 * and always the uniform choice among the legal moves. Suite acpl is in evaluate_acpl.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/chess/chess_metrics.h"
#include "apps/chess/evaluate.h"
#include "apps/chess/model_serve.h"
#include "base/clock.h"

enum { POSITIONS_MAX = 100000, BAND_WIDTH = 200, BAND_FIRST = 800, TOP_MAX = 10, CHUNK = 2000 };

int evaluate_band(uint16_t rating)
{
    if (rating == 0)
        return 0;
    int band = rating < BAND_FIRST + BAND_WIDTH ? 1 : (rating - BAND_FIRST) / BAND_WIDTH + 1;
    return band < EVAL_BANDS ? band : EVAL_BANDS - 1;
}

void evaluate_band_name(int band, char out[EVAL_BAND_NAME_BYTES])
{
    if (band == 0)
        snprintf(out, EVAL_BAND_NAME_BYTES, "unrated");
    else if (band == 1)
        snprintf(out, EVAL_BAND_NAME_BYTES, "<%d", BAND_FIRST + BAND_WIDTH);
    else if (band == EVAL_BANDS - 1)
        snprintf(out, EVAL_BAND_NAME_BYTES, "%d+", BAND_FIRST + (band - 1) * BAND_WIDTH);
    else
        snprintf(out, EVAL_BAND_NAME_BYTES, "%d-%d", BAND_FIRST + (band - 1) * BAND_WIDTH,
                 BAND_FIRST + band * BAND_WIDTH - 1);
}

struct judged {
    struct chess_score all;
    struct chess_score bands[EVAL_BANDS];
    double top[TOP_MAX]; /* share of positions whose move is among the first k+1 */
};

static void get_row(void *arg, size_t index, struct chess_sample *ret_sample)
{
    const struct evaluation *e = arg;
    size_t row = index * e->source.count / e->count + e->first;
    e->source.get(e->source.arg, row % e->source.count, ret_sample);
}

static bool in_band(void *arg, const struct chess_sample *s)
{
    return evaluate_band(s->conditions.rating_self) == *(const int *)arg;
}

/* ------------------------------------------------------------------ top-k, k = 1..10 */

struct ranking {
    const struct evaluation *e;
    const struct chess_net *net;
    uint32_t (*hits)[TOP_MAX]; /* by chunk */
};

static void rank_chunk(void *arg, size_t chunk)
{
    struct ranking *r = arg;
    size_t from = chunk * CHUNK, to = from + CHUNK < r->e->count ? from + CHUNK : r->e->count;
    for (size_t i = from; i < to; i++) {
        struct chess_sample s;
        struct chess_prediction pred;
        get_row((void *)(uintptr_t)r->e, i, &s);
        chess_net_predict(r->net, &s.position, &s.conditions, &pred);
        int played = -1, rank = 0;
        for (int k = 0; k < pred.move_count; k++)
            if (pred.moves[k] == s.move)
                played = k;
        for (int k = 0; played >= 0 && k < pred.move_count; k++)
            rank += pred.probability[k] > pred.probability[played];
        for (int k = rank; played >= 0 && k < TOP_MAX; k++)
            r->hits[chunk][k]++;
    }
}

static err rank(const struct evaluation *e, const struct chess_net *net, double top[TOP_MAX])
{
    size_t chunks = (e->count + CHUNK - 1) / CHUNK;
    struct ranking r = { e, net, NULL };
    r.hits = arena_alloc(run_arena(e->run), chunks, sizeof *r.hits, _Alignof(uint32_t));
    ARENA_TRY(r.hits);
    pool_each(house_compute(e->h), chunks, rank_chunk, &r);
    for (int k = 0; k < TOP_MAX; k++) {
        uint64_t hits = 0;
        for (size_t c = 0; c < chunks; c++)
            hits += r.hits[c][k];
        top[k] = e->count ? (double)hits / (double)e->count : 0;
    }
    return OK;
}

/* ------------------------------------------------------------------ judging */

static err judge(struct evaluation *e, const struct chess_net *net, struct judged *ret)
{
    struct chess_sample_source rows = { .count = e->count, .get = get_row, .arg = e };
    memset(ret, 0, sizeof *ret);
    TRY(chess_net_score(net, &rows, NULL, NULL, house_compute(e->h), &ret->all));
    for (int band = 0; band < EVAL_BANDS; band++) {
        TRY(run_check(e->run));
        TRY(chess_net_score(net, &rows, in_band, &band, house_compute(e->h), &ret->bands[band]));
    }
    if (str_eq(e->suite, STR("topk")))
        TRY(rank(e, net, ret->top));
    return OK;
}

/* What a player who picks any legal move would score. */
static void judge_uniform(struct evaluation *e, double *ret_top1, double *ret_log_loss)
{
    double top1 = 0, log_loss = 0;
    for (size_t i = 0; i < e->count; i++) {
        struct chess_sample s;
        chess_move moves[CHESS_MOVES_MAX];
        get_row(e, i, &s);
        int count = chess_moves(&s.position, moves);
        top1 += count ? 1.0 / count : 0;
        log_loss += count ? log(count) : 0;
    }
    *ret_top1 = e->count ? top1 / (double)e->count : 0;
    *ret_log_loss = e->count ? log_loss / (double)e->count : 0;
}

/* "name@3" */
static err acquire(struct evaluation *e, str ref, struct served_model **ret_model)
{
    str version = ref;
    str name = str_split(&version, '@');
    return model_acquire(e->h, name, version, ret_model);
}

static err choose_rows(struct evaluation *e, const struct json *payload)
{
    int64_t limit = 0, seed = 0;
    TRY(json_opt_int(payload, "limit", 0, INT64_MAX, &limit));
    TRY(json_opt_int(payload, "seed", 0, INT64_MAX, &seed));
    size_t most = limit > 0 && limit < POSITIONS_MAX ? (size_t)limit : POSITIONS_MAX;
    e->count = e->source.count < most ? e->source.count : most;
    if (seed) {
        struct rng rng;
        rng_init(&rng, (uint64_t)seed);
        e->first = (size_t)rng_below(&rng, e->source.count);
    }
    TRY(run_param_fmt(e->run, "limit", "%lld", (long long)limit));
    return run_param_fmt(e->run, "seed", "%lld", (long long)seed);
}

static err open_rows(struct evaluation *e, const struct json *payload)
{
    struct dataset_info info;
    struct model_version_info model;
    str dataset = json_str(json_get(payload, "datasetId"), STR_NONE);
    if (dataset.len == 0) { /* the held-out rows of what the candidate was trained on */
        TRY(model_get(house_track(e->h), str_of(e->candidate->name), str_of(e->candidate->version),
                      run_arena(e->run), &model));
        dataset = model.dataset_id;
    }
    TRY(dataset_get(house_track(e->h), dataset, STR_NONE, run_arena(e->run), &info));
    run_set_dataset(e->run, str_of(info.id));
    TRY(run_dataset_in(e->run, str_of(info.id), "evaluation"));
    TRY(chess_dataset_open(house_blobs(e->h), &info, &e->data));
    enum chess_split split = chess_dataset_rows(e->data, CHESS_TEST) ? CHESS_TEST : CHESS_VALID;
    chess_dataset_source(e->data, split, &e->source);
    e->split = chess_split_name(split);
    if (e->source.count == 0)
        return ERR(ERR_INVALID,
                   "dataset %.*s@%.*s has no held-out rows: build it with a test or valid share",
                   STR_ARG(info.name), STR_ARG(info.version));
    return OK;
}

/* ------------------------------------------------------------------ the report */

void score_write(struct json_out *w, const struct chess_score *s)
{
    json_kv_int(w, "positions", (int64_t)s->positions);
    json_kv_real(w, "top1", s->top1);
    json_kv_real(w, "top3", s->top3);
    json_kv_real(w, "top5", s->top5);
    json_kv_real(w, "logLoss", s->log_loss);
    json_kv_real(w, "ece", s->ece);
    json_kv_real(w, "valueLogLoss", s->value_log_loss);
    json_kv_real(w, "valueBaselineLogLoss", s->value_baseline_log_loss);
}

static void write_score(struct json_out *w, const char *key, const struct chess_score *s)
{
    json_key(w, key);
    json_object_begin(w);
    score_write(w, s);
    json_object_end(w);
}

static void write_bands(struct json_out *w, const char *label, const struct judged *j)
{
    json_object_begin(w);
    json_kv_cstr(w, "label", label);
    json_kv_cstr(w, "metric", "top1_by_rating");
    json_key(w, "points");
    json_array_begin(w);
    for (int band = 0; band < EVAL_BANDS; band++) {
        char name[EVAL_BAND_NAME_BYTES];
        if (j->bands[band].positions == 0)
            continue;
        evaluate_band_name(band, name);
        json_object_begin(w);
        json_kv_cstr(w, "x", name);
        json_kv_real(w, "value", j->bands[band].top1);
        json_kv_int(w, "positions", (int64_t)j->bands[band].positions);
        json_kv_real(w, "logLoss", j->bands[band].log_loss);
        json_kv_real(w, "ece", j->bands[band].ece);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void write_top(struct json_out *w, const char *label, const struct judged *j)
{
    json_object_begin(w);
    json_kv_cstr(w, "label", label);
    json_kv_cstr(w, "metric", "topk");
    json_key(w, "points");
    json_array_begin(w);
    for (int k = 0; k < TOP_MAX; k++) {
        json_object_begin(w);
        json_kv_int(w, "x", k + 1);
        json_kv_real(w, "value", j->top[k]);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void write_calibration(struct json_out *w, const char *label, const struct chess_score *s)
{
    json_object_begin(w);
    json_kv_cstr(w, "label", label);
    json_kv_cstr(w, "metric", "calibration");
    json_key(w, "points");
    json_array_begin(w);
    for (size_t i = 0; i < COUNT_OF(s->bin_count); i++) {
        if (s->bin_count[i] == 0)
            continue;
        json_object_begin(w);
        json_kv_real(w, "x", s->bin_confidence[i]);
        json_kv_real(w, "value", s->bin_accuracy[i]);
        json_kv_int(w, "positions", (int64_t)s->bin_count[i]);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void write_series(struct json_out *w, const struct evaluation *e, const char *label,
                         const struct judged *j)
{
    write_bands(w, label, j);
    write_calibration(w, label, &j->all);
    if (str_eq(e->suite, STR("topk")))
        write_top(w, label, j);
}

static err write_report(struct evaluation *e, const struct judged *candidate,
                        const struct judged *baseline, struct buf *out)
{
    struct json_out w;
    double uniform_top1, uniform_log_loss;
    judge_uniform(e, &uniform_top1, &uniform_log_loss);
    json_out_init(&w, out);
    json_object_begin(&w);
    json_key(&w, "summary");
    json_object_begin(&w);
    json_kv_cstr(&w, "split", e->split);
    write_score(&w, "candidate", &candidate->all);
    if (baseline)
        write_score(&w, "baseline", &baseline->all);
    json_key(&w, "uniform");
    json_object_begin(&w);
    json_kv_real(&w, "top1", uniform_top1);
    json_kv_real(&w, "logLoss", uniform_log_loss);
    json_object_end(&w);
    json_object_end(&w);
    json_key(&w, "metricSuite");
    json_object_begin(&w);
    json_kv_real(&w, "top1_agreement", candidate->all.top1);
    json_kv_real(&w, "ece", candidate->all.ece);
    json_object_end(&w);
    json_key(&w, "series");
    json_array_begin(&w);
    write_series(&w, e, "candidate", candidate);
    if (baseline)
        write_series(&w, e, "baseline", baseline);
    json_array_end(&w);
    json_object_end(&w);
    return buf_check(out);
}

static err publish(struct evaluation *e, const struct chess_score *s, str report)
{
    struct metrics *m = house_metrics(e->h);
    metric_set(chess_cell(m, CHESS_M_EVAL_LOSS), s->log_loss);
    metric_set(chess_cell(m, CHESS_M_EVAL_TOP1), s->top1);
    metric_set(chess_cell(m, CHESS_M_EVAL_TOP3), s->top3);
    metric_set(chess_cell(m, CHESS_M_EVAL_ECE), s->ece);
    TRY(run_metric(e->run, "val_loss", s->log_loss, 0));
    TRY(run_metric(e->run, "val_acc_top1", s->top1, 0));
    TRY(run_metric(e->run, "val_acc_top3", s->top3, 0));
    TRY(run_metric(e->run, "ece", s->ece, 0));
    TRY(run_artifact(e->run, "report.json", report));
    return run_result(e->run, report);
}

static err evaluate(struct evaluation *e, const struct json *payload)
{
    struct judged *candidate = NEW(run_arena(e->run), struct judged);
    struct judged *baseline = NEW(run_arena(e->run), struct judged);
    str baseline_ref = json_str(json_get(payload, "baseline"), STR_NONE), candidate_ref;
    ARENA_TRY(candidate);
    ARENA_TRY(baseline);
    TRY(json_need_str(payload, "candidate", &candidate_ref));
    if (!str_eq(e->suite, STR("topk")) && !str_eq(e->suite, STR("accuracy")) &&
        !str_eq(e->suite, STR("acpl")))
        return ERR(ERR_INVALID, "suite '%.*s' is not one of topk, accuracy and acpl",
                   STR_ARG(str_sub(e->suite, 0, 40)));
    TRY(acquire(e, candidate_ref, &e->candidate));
    if (baseline_ref.len)
        TRY(acquire(e, baseline_ref, &e->baseline));
    run_set_model(e->run, str_of(e->candidate->name));
    TRY(run_model_in(e->run, str_of(e->candidate->id)));
    TRY(open_rows(e, payload));
    TRY(run_param(e->run, "candidate", candidate_ref));
    TRY(run_param(e->run, "baseline", baseline_ref));
    TRY(run_param(e->run, "suite", e->suite));
    if (str_eq(e->suite, STR("acpl")))
        return acpl_evaluate(e, payload, &e->count); /* which has its own sample */
    TRY(choose_rows(e, payload));
    TRY(run_param_fmt(e->run, "positions", "%zu", e->count));
    run_progress(e->run, 0, e->baseline ? 2 : 1);
    TRY(judge(e, e->candidate->net, candidate));
    run_progress(e->run, 1, e->baseline ? 2 : 1);
    if (e->baseline)
        TRY(judge(e, e->baseline->net, baseline));
    struct buf report;
    buf_init(&report, 1024 * 1024);
    err done = write_report(e, candidate, e->baseline ? baseline : NULL, &report);
    if (!done.code)
        done = publish(e, &candidate->all, buf_str(&report));
    buf_deinit(&report);
    return done;
}

err evaluate_run(struct run *run, const struct json *payload)
{
    struct evaluation e = { .run = run,
                            .h = run_house(run),
                            .suite = json_str(json_get(payload, "suite"), STR("topk")) };
    int64_t started_ns = clock_mono_ns();
    err result = evaluate(&e, payload);
    metric_observe(chess_cell(house_metrics(e.h), CHESS_M_EVAL_SECONDS),
                   (double)(clock_mono_ns() - started_ns) / 1e9);
    if (result.code && result.code != ERR_CANCELLED)
        metric_add(
            CHESS_CELL(house_metrics(e.h), CHESS_M_EVAL_ERRORS, str_of(err_code_name(result.code))),
            1);
    if (!result.code)
        RUN_LOG(run, LOG_INFO, "evaluation.completed", NULL, F_INT("positions", (int64_t)e.count));
    model_release(e.candidate);
    model_release(e.baseline);
    chess_dataset_close(e.data);
    return result;
}
