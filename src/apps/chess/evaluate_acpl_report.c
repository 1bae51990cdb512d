/* SPDX-License-Identifier: GPL-3.0-or-later */
/* evaluate_acpl_report.c -- what suite acpl says: a line for each position, means with intervals by
 * player, rating band and phase. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/chess/chess_metrics.h"
#include "apps/chess/evaluate.h"

enum { LINE_ARENA_BYTES = 256 * 1024 };

const char *acpl_player_name(const struct evaluation *e, enum acpl_player player)
{
    switch (player) {
    case ACPL_HUMAN:
        return "human";
    case ACPL_CANDIDATE:
        return "candidate";
    case ACPL_OTHER:
    case ACPL_PLAYERS:
        break;
    }
    return e->baseline ? "baseline" : "uniform";
}

/* ------------------------------------------------------------------ a line for each position */

static void write_move(struct json_out *w, const char *key, const struct chess_position *p,
                       const struct acpl_verdict *v, enum acpl_player player)
{
    char uci[CHESS_UCI_BYTES];
    chess_uci_write(p, v->move[player], uci);
    json_key(w, key);
    json_object_begin(w);
    json_kv_cstr(w, "move", uci);
    json_kv_int(w, "cp", v->cp[player]);
    json_kv_int(w, "loss", acpl_loss(v->best_cp, v->cp[player]));
    json_object_end(w);
}

void acpl_lines_write(const struct acpl_sample *s, struct buf *out)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct acpl_verdict *v = &s->verdicts[i];
        struct chess_sample row;
        struct json_out w;
        char fen[CHESS_FEN_BYTES], uci[CHESS_UCI_BYTES];
        if (!v->is_judged)
            continue;
        s->e->source.get(s->e->source.arg, v->row, &row);
        chess_fen_write(&row.position, fen);
        chess_uci_write(&row.position, v->best, uci);
        json_out_init(&w, out);
        json_object_begin(&w);
        json_kv_int(&w, "row", (int64_t)v->row);
        json_kv_int(&w, "ply", v->ply);
        json_kv_cstr(&w, "fen", fen);
        json_kv_int(&w, "rating", v->rating);
        json_kv_cstr(&w, "phase", chess_phase_name(v->phase));
        json_kv_cstr(&w, "best", uci);
        json_kv_int(&w, "bestCp", v->best_cp);
        for (int player = 0; player < ACPL_PLAYERS; player++)
            write_move(&w, acpl_player_name(s->e, (enum acpl_player)player), &row.position, v,
                       (enum acpl_player)player);
        json_object_end(&w);
        buf_add_char(out, '\n');
    }
}

static struct acpl_verdict *find_row(const struct acpl_sample *s, int64_t row)
{
    size_t from = 0, to = s->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if ((int64_t)s->verdicts[middle].row < row)
            from = middle + 1;
        else
            to = middle;
    }
    return from < s->count && (int64_t)s->verdicts[from].row == row ? &s->verdicts[from] : NULL;
}

static bool read_judgement(const struct json *node, const char *move_key, const char *cp_key,
                           const struct chess_position *p, chess_move *ret_move, int *ret_cp)
{
    int64_t cp = json_int(json_get(node, cp_key), INT64_MAX);
    err e = chess_uci_parse(p, json_str(json_get(node, move_key), STR_NONE), ret_move);
    *ret_cp = (int)cp;
    return !e.code && cp >= -ACPL_CAP && cp <= ACPL_CAP;
}

static bool read_line(struct acpl_sample *s, const struct json *line)
{
    struct chess_sample row;
    struct acpl_verdict *v = find_row(s, json_int(json_get(line, "row"), -1));
    if (!v || v->is_judged)
        return false;
    struct acpl_verdict read = *v;
    s->e->source.get(s->e->source.arg, v->row, &row);
    bool good = read_judgement(line, "best", "bestCp", &row.position, &read.best, &read.best_cp);
    for (int i = 0; i < ACPL_PLAYERS; i++) {
        const char *name = acpl_player_name(s->e, (enum acpl_player)i);
        good = good && read_judgement(json_get(line, name), "move", "cp", &row.position,
                                      &read.move[i], &read.cp[i]);
    }
    read.is_judged = good;
    if (good)
        *v = read;
    return good;
}

err acpl_lines_read(struct acpl_sample *s, str text, size_t *ret_count)
{
    size_t count = 0;
    arena scratch;
    err e = OK;
    arena_init(&scratch, LINE_ARENA_BYTES);
    while (text.len && !e.code) {
        const struct json *line;
        arena_reset(&scratch);
        e = json_parse(&scratch, str_split(&text, '\n'), &line);
        if (!e.code)
            count += read_line(s, line);
    }
    arena_deinit(&scratch);
    TRY(e);
    *ret_count = count;
    return OK;
}

/* ------------------------------------------------------------------ means */

enum { ANY = -1 };

static void mean_of(const struct acpl_sample *s, enum acpl_player player, int band, int phase,
                    struct acpl *ret)
{
    struct acpl_tally tally = { 0 };
    for (size_t i = 0; i < s->count; i++) {
        const struct acpl_verdict *v = &s->verdicts[i];
        if (v->is_judged && (band == ANY || evaluate_band(v->rating) == band) &&
            (phase == ANY || (int)v->phase == phase))
            acpl_add(&tally, v->game, acpl_loss(v->best_cp, v->cp[player]),
                     v->move[player] == v->best);
    }
    acpl_of(&tally, ret);
    if (ret->low < 0) /* of losses; a difference may be below */
        ret->low = 0;
}

/* How much more the candidate loses than `other` in the same positions. */
static void difference_of(const struct acpl_sample *s, enum acpl_player other, struct acpl *ret)
{
    struct acpl_tally tally = { 0 };
    for (size_t i = 0; i < s->count; i++) {
        const struct acpl_verdict *v = &s->verdicts[i];
        if (v->is_judged)
            acpl_add(&tally, v->game,
                     acpl_loss(v->best_cp, v->cp[ACPL_CANDIDATE]) -
                         acpl_loss(v->best_cp, v->cp[other]),
                     false);
    }
    acpl_of(&tally, ret);
}

static double agreement_of(const struct acpl_sample *s)
{
    size_t same = 0, all = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct acpl_verdict *v = &s->verdicts[i];
        all += v->is_judged;
        same += v->is_judged && v->move[ACPL_CANDIDATE] == v->move[ACPL_HUMAN];
    }
    return all ? (double)same / (double)all : NAN;
}

/* ------------------------------------------------------------------ the report */

static void write_mean(struct json_out *w, const char *key, const struct acpl *mean)
{
    json_key(w, key);
    json_object_begin(w);
    json_kv_int(w, "positions", (int64_t)mean->positions);
    json_kv_int(w, "games", (int64_t)mean->games);
    json_kv_real(w, "acpl", mean->mean);
    json_kv_real(w, "low", mean->low);
    json_kv_real(w, "high", mean->high);
    json_kv_real(w, "inaccuraciesPer100", mean->inaccuracies);
    json_kv_real(w, "mistakesPer100", mean->mistakes);
    json_kv_real(w, "blundersPer100", mean->blunders);
    json_kv_real(w, "bestPer100", mean->best);
    json_object_end(w);
}

static void write_difference(struct json_out *w, const char *key, const struct acpl *mean)
{
    json_key(w, key);
    json_object_begin(w);
    json_kv_real(w, "acpl", mean->mean);
    json_kv_real(w, "low", mean->low);
    json_kv_real(w, "high", mean->high);
    json_object_end(w);
}

static void write_summary(struct json_out *w, const struct acpl_sample *s)
{
    struct acpl mean;
    json_kv_cstr(w, "split", s->e->split);
    json_kv_int(w, "positions", (int64_t)s->judged);
    json_kv_int(w, "failed", (int64_t)s->failed);
    json_kv_cstr(w, "engine", s->engine_name);
    if (s->plan.depth)
        json_kv_int(w, "depth", s->plan.depth);
    else
        json_kv_int(w, "nodes", s->plan.nodes);
    json_kv_int(w, "seed", s->plan.seed);
    for (int i = 0; i < ACPL_PLAYERS; i++) {
        mean_of(s, (enum acpl_player)i, ANY, ANY, &mean);
        write_mean(w, acpl_player_name(s->e, (enum acpl_player)i), &mean);
    }
    difference_of(s, ACPL_HUMAN, &mean);
    write_difference(w, "candidateMinusHuman", &mean);
    difference_of(s, ACPL_OTHER, &mean);
    write_difference(w, s->e->baseline ? "candidateMinusBaseline" : "candidateMinusUniform", &mean);
}

static void write_point(struct json_out *w, const char *x, const struct acpl *mean)
{
    json_object_begin(w);
    json_kv_cstr(w, "x", x);
    json_kv_real(w, "value", mean->mean);
    json_kv_real(w, "low", mean->low);
    json_kv_real(w, "high", mean->high);
    json_kv_int(w, "positions", (int64_t)mean->positions);
    json_kv_real(w, "blundersPer100", mean->blunders);
    json_object_end(w);
}

static void series_begin(struct json_out *w, const char *label, const char *metric)
{
    json_object_begin(w);
    json_kv_cstr(w, "label", label);
    json_kv_cstr(w, "metric", metric);
    json_key(w, "points");
    json_array_begin(w);
}

static void series_end(struct json_out *w)
{
    json_array_end(w);
    json_object_end(w);
}

static void write_series(struct json_out *w, const struct acpl_sample *s, enum acpl_player player)
{
    const char *label = acpl_player_name(s->e, player);
    struct acpl mean;
    series_begin(w, label, "acpl_by_rating");
    for (int band = 0; band < EVAL_BANDS; band++) {
        char name[EVAL_BAND_NAME_BYTES];
        evaluate_band_name(band, name);
        mean_of(s, player, band, ANY, &mean);
        if (mean.positions)
            write_point(w, name, &mean);
    }
    series_end(w);
    series_begin(w, label, "acpl_by_phase");
    for (int phase = 0; phase < CHESS_PHASE_COUNT; phase++) {
        mean_of(s, player, ANY, phase, &mean);
        if (mean.positions)
            write_point(w, chess_phase_name((enum chess_phase)phase), &mean);
    }
    series_end(w);
}

static void write_report(struct json_out *w, const struct acpl_sample *s)
{
    struct acpl mean;
    json_object_begin(w);
    json_key(w, "summary");
    json_object_begin(w);
    write_summary(w, s);
    json_object_end(w);
    json_key(w, "metricSuite");
    json_object_begin(w);
    mean_of(s, ACPL_CANDIDATE, ANY, ANY, &mean);
    json_kv_real(w, "acpl", mean.mean);
    json_kv_real(w, "blunders_per_100", mean.blunders);
    json_kv_real(w, "top1_agreement", agreement_of(s));
    json_object_end(w);
    json_key(w, "series");
    json_array_begin(w);
    for (int i = 0; i < ACPL_PLAYERS; i++)
        write_series(w, s, (enum acpl_player)i);
    json_array_end(w);
    json_object_end(w);
}

static void write_metrics(struct json_out *w, const struct acpl_sample *s)
{
    char key[64];
    json_object_begin(w);
    for (int i = 0; i < ACPL_PLAYERS; i++) {
        struct acpl mean;
        const char *name = acpl_player_name(s->e, (enum acpl_player)i);
        mean_of(s, (enum acpl_player)i, ANY, ANY, &mean);
        snprintf(key, sizeof key, "%s_acpl", name);
        json_kv_real(w, key, mean.mean);
        snprintf(key, sizeof key, "%s_blunders_per_100", name);
        json_kv_real(w, key, mean.blunders);
    }
    json_kv_real(w, "top1_agreement", agreement_of(s));
    json_kv_int(w, "positions", (int64_t)s->judged);
    json_kv_int(w, "failed", (int64_t)s->failed);
    json_object_end(w);
}

/* ------------------------------------------------------------------ out of the run */

err acpl_metrics(const struct acpl_sample *s)
{
    for (int i = 0; i < ACPL_PLAYERS; i++) {
        char key[64];
        struct acpl mean;
        const char *name = acpl_player_name(s->e, (enum acpl_player)i);
        mean_of(s, (enum acpl_player)i, ANY, ANY, &mean);
        if (mean.positions == 0)
            continue;
        snprintf(key, sizeof key, "%s_acpl", name);
        TRY(run_metric(s->e->run, key, mean.mean, (int64_t)s->judged));
        snprintf(key, sizeof key, "%s_blunders_per_100", name);
        TRY(run_metric(s->e->run, key, mean.blunders, (int64_t)s->judged));
    }
    return OK;
}

err acpl_publish(const struct acpl_sample *s)
{
    struct run *run = s->e->run;
    struct buf report, metrics;
    struct json_out w;
    buf_init(&report, EVAL_RESULT_MAX);
    buf_init(&metrics, 4096);
    json_out_init(&w, &report);
    write_report(&w, s);
    json_out_init(&w, &metrics);
    write_metrics(&w, s);
    err e = err_first(buf_check(&report), buf_check(&metrics));
    if (!e.code)
        e = run_artifact(run, "metrics.json", buf_str(&metrics));
    if (!e.code)
        e = run_artifact(run, "report.json", buf_str(&report));
    if (!e.code)
        e = run_result(run, buf_str(&report));
    buf_deinit(&report);
    buf_deinit(&metrics);
    TRY(e);
    for (int i = 0; i < ACPL_PLAYERS; i++) {
        struct acpl mean;
        str name = str_of(acpl_player_name(s->e, (enum acpl_player)i));
        mean_of(s, (enum acpl_player)i, ANY, ANY, &mean);
        metric_set(CHESS_CELL(house_metrics(s->e->h), CHESS_M_EVAL_ACPL, name), mean.mean);
        metric_set(CHESS_CELL(house_metrics(s->e->h), CHESS_M_EVAL_BLUNDERS, name), mean.blunders);
    }
    return OK;
}
