/* SPDX-License-Identifier: GPL-3.0-or-later */
/* predict.c -- POST /v1/predict: what a human would play here.
 *
 * The route is inline: it runs on the event thread, takes one lock for a moment, computes for some
 * microseconds and writes the reply by hand, so that a small machine answers tens of thousands a
 * second. A version other than prod may have to be loaded first: that is POST
 * /v1/models/{id}/versions/{version}/predict, on a worker.
 */

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/game_record.h"
#include "apps/chess/model_serve.h"
#include "base/clock.h"

enum { HISTORY_MAX = 1024 };

struct question {
    str fen;
    struct chess_position position;
    struct chess_conditions conditions;
    double temperature;
    int64_t top_k;
    int64_t seed;
    bool has_seed, with_san;
};

err chess_conditions_read(const struct json *body, struct chess_conditions *conditions)
{
    int64_t self = conditions->rating_self, opponent = conditions->rating_opponent;
    str speed = STR_NONE;
    TRY(json_opt_int(body, "rating", 0, 4000, &self));
    TRY(json_opt_int(body, "opponentRating", 0, 4000, &opponent));
    TRY(json_opt_str(body, "speed", &speed));
    enum chess_speed class = (enum chess_speed)conditions->speed;
    if (speed.len && !chess_speed_find(speed, &class))
        return ERR(
            ERR_INVALID,
            "field 'speed' must be ultraBullet, bullet, blitz, rapid, classical or correspondence");
    conditions->speed = (uint8_t) class;
    conditions->rating_self = (uint16_t)self;
    conditions->rating_opponent = (uint16_t)opponent;
    return OK;
}

/* "history" is the moves that lead from "fen" (or the start) to the position that is asked about.
 */
static err play_history(const struct json *body, struct chess_position *p)
{
    const struct json *history = json_get(body, "history");
    if (json_kind(history) <= JSON_IS_NULL)
        return OK;
    if (json_kind(history) != JSON_IS_ARRAY || json_count(history) > HISTORY_MAX)
        return ERR(ERR_INVALID, "field 'history' must be an array of at most %d UCI moves",
                   HISTORY_MAX);
    for (size_t i = 0; i < json_count(history); i++) {
        chess_move m = CHESS_MOVE_NONE;
        TRY(err_wrap(chess_uci_parse(p, json_str(json_at(history, i), STR_NONE), &m),
                     "field 'history', move %zu", i + 1));
        chess_move_make(p, m);
    }
    return OK;
}

static err read_question(const struct json *body, struct question *q)
{
    *q = (struct question){ .fen = STR_NONE };
    TRY(json_need_str(body, "fen", &q->fen));
    TRY(json_opt_real(body, "temperature", 0, 10, &q->temperature));
    TRY(json_opt_int(body, "topk", 0, CHESS_MOVES_MAX, &q->top_k));
    q->has_seed = json_kind(json_get(body, "seed")) == JSON_IS_INT;
    TRY(json_opt_int(body, "seed", 0, INT64_MAX, &q->seed));
    TRY(json_opt_bool(body, "san", &q->with_san));
    return chess_conditions_read(body, &q->conditions);
}

/* Probabilities with six decimals; printf would cost more than the network. */
static void write_probability(struct buf *out, double p)
{
    char text[8];
    uint32_t millionths = (uint32_t)(p * 1e6 + 0.5);
    if (millionths >= 1000000) {
        buf_add_char(out, '1');
        return;
    }
    text[0] = '0';
    text[1] = '.';
    for (int i = 7; i >= 2; i--) {
        text[i] = (char)('0' + millionths % 10);
        millionths /= 10;
    }
    buf_add_bytes(out, text, sizeof text);
}

static void write_quoted(struct buf *out, const char *text)
{
    buf_add_char(out, '"');
    buf_add_cstr(out, text);
    buf_add_char(out, '"');
}

/* Indices of moves, most probable first. At most 256 of them, nearly sorted lists do not occur. */
static void sort_moves(const struct chess_prediction *pred, uint8_t order[CHESS_MOVES_MAX])
{
    for (int i = 0; i < pred->move_count; i++) {
        int k = i;
        while (k > 0 && pred->probability[order[k - 1]] < pred->probability[i]) {
            order[k] = order[k - 1];
            k--;
        }
        order[k] = (uint8_t)i;
    }
}

static void write_policy(struct buf *out, const struct question *q,
                         const struct chess_prediction *pred)
{
    uint8_t order[CHESS_MOVES_MAX];
    int shown = q->top_k > 0 && q->top_k < pred->move_count ? (int)q->top_k : pred->move_count;
    sort_moves(pred, order);
    buf_add_cstr(out, ",\"policy\":[");
    for (int i = 0; i < shown; i++) {
        char uci[CHESS_UCI_BYTES];
        chess_uci_write(&q->position, pred->moves[order[i]], uci);
        buf_add_cstr(out, i ? ",{\"uci\":" : "{\"uci\":");
        write_quoted(out, uci);
        buf_add_cstr(out, ",\"move\":");
        write_quoted(out, uci);
        if (q->with_san) {
            char san[CHESS_SAN_BYTES];
            chess_san_write(&q->position, pred->moves[order[i]], san);
            buf_add_cstr(out, ",\"san\":");
            write_quoted(out, san);
        }
        buf_add_cstr(out, ",\"prob\":");
        write_probability(out, pred->probability[order[i]]);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void write_reply(struct buf *out, const struct question *q,
                        const struct chess_prediction *pred, chess_move move,
                        const struct served_model *m, int64_t started_ns)
{
    char uci[CHESS_UCI_BYTES];
    buf_add_cstr(out, "{\"move\":");
    if (move == CHESS_MOVE_NONE) {
        buf_add_cstr(out, "null");
    } else {
        chess_uci_write(&q->position, move, uci);
        write_quoted(out, uci);
    }
    buf_add_cstr(out, ",\"legal\":[");
    for (int i = 0; i < pred->move_count; i++) {
        chess_uci_write(&q->position, pred->moves[i], uci);
        if (i)
            buf_add_char(out, ',');
        write_quoted(out, uci);
    }
    buf_add_char(out, ']');
    write_policy(out, q, pred);
    buf_add_cstr(out, ",\"value\":{\"win\":");
    write_probability(out, pred->win);
    buf_add_cstr(out, ",\"draw\":");
    write_probability(out, pred->draw);
    buf_add_cstr(out, ",\"loss\":");
    write_probability(out, pred->loss);
    buf_add_cstr(out, "},\"modelId\":");
    json_escape(out, str_of(m->name));
    buf_add_cstr(out, ",\"modelVersion\":");
    write_quoted(out, m->version);
    buf_add_cstr(out, ",\"latencyMs\":");
    int64_t us = (clock_mono_ns() - started_ns) / 1000;
    buf_add_i64(out, us / 1000);
    char fraction[4] = { '.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
                         (char)('0' + us % 10) };
    buf_add_bytes(out, fraction, sizeof fraction);
    buf_add_char(out, '}');
}

static void log_predict(struct house *h, struct http_request *rq, const struct served_model *m,
                        const struct question *q, const char *move, int64_t ns)
{
    if (!model_log_allowed(chess_model_serve(h)))
        return;
    struct log_labels labels = { .component = STR("serve"),
                                 .model_id = str_of(m->name),
                                 .username = http_user(rq),
                                 .request_id = http_request_id(rq) };
    log_event(house_log(h), LOG_INFO, &labels, "predict.completed", NULL,
              F_CSTR("model_version", m->version), F_STR("fen", q->fen), F_CSTR("top_move", move),
              F_REAL("lat_ms", (double)ns / 1e6));
}

static void log_refusal(struct house *h, struct http_request *rq, str model, str fen,
                        const char *reason)
{
    if (!model_log_allowed(chess_model_serve(h)))
        return;
    struct log_labels labels = { .component = STR("serve"),
                                 .model_id = model,
                                 .username = http_user(rq),
                                 .request_id = http_request_id(rq) };
    log_event(house_log(h), LOG_WARN, &labels, "predict.failed", NULL,
              F_STR("fen", str_sub(fen, 0, CHESS_FEN_BYTES)), F_CSTR("reason", reason));
}

static err answer(struct http_request *rq, struct http_reply *rp, const struct json *body,
                  struct served_model *m)
{
    struct house *h = rq_house(rq);
    struct question q;
    int64_t started_ns = clock_mono_ns();
    err e = read_question(body, &q);
    err bad_fen = e.code ? OK : chess_fen_parse(q.fen, &q.position);
    if (bad_fen.code) {
        metric_add(m->errors, 1);
        log_refusal(h, rq, str_of(m->name), q.fen, bad_fen.msg);
        http_problem(rp, 400, "INVALID_FEN", "field 'fen': %s", bad_fen.msg);
        return OK;
    }
    if (!e.code)
        e = play_history(body, &q.position);
    if (e.code ==
        ERR_CONFLICT) { /* an illegal move in the history is the caller's mistake, not a state */
        metric_add(m->illegal, 1);
        e.code = ERR_INVALID;
    }
    if (e.code) {
        metric_add(m->errors, 1);
        log_refusal(h, rq, str_of(m->name), q.fen, e.msg);
        return e;
    }
    struct chess_prediction pred;
    struct rng rng;
    chess_net_predict(m->net, &q.position, &q.conditions, &pred);
    rng_init(&rng, q.has_seed ? (uint64_t)q.seed : (uint64_t)started_ns);
    chess_move move = pred.move_count
                          ? chess_prediction_pick(&pred, q.temperature, (int)q.top_k, &rng)
                          : CHESS_MOVE_NONE;
    http_set_header(rp, "X-Component", STR("serve"));
    write_reply(http_text(rp, "application/json"), &q, &pred, move, m, started_ns);
    int64_t spent_ns = clock_mono_ns() - started_ns;
    metric_add(m->requests, 1);
    metric_observe(m->seconds, (double)spent_ns / 1e9);
    char uci[CHESS_UCI_BYTES] = "";
    if (move != CHESS_MOVE_NONE)
        chess_uci_write(&q.position, move, uci);
    log_predict(h, rq, m, &q, uci, spent_ns);
    return OK;
}

err predict_post(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body;
    struct served_model *m;
    TRY(http_body_json(rq, &body));
    err e = model_acquire_prod(rq_house(rq), &m);
    if (e.code) {
        metric_add(CHESS_CELL(house_metrics(rq_house(rq)), CHESS_M_PREDICT_ERRORS, STR("none"),
                              STR("none"), STR("409")),
                   1);
        log_refusal(rq_house(rq), rq, STR_NONE, STR_NONE, e.msg);
        return e;
    }
    e = answer(rq, rp, body, m);
    model_release(m);
    return e;
}

err predict_version_post(struct http_request *rq, struct http_reply *rp)
{
    const struct json *body;
    struct served_model *m;
    TRY(http_body_json(rq, &body));
    TRY(model_acquire(rq_house(rq), http_param(rq, "id"), http_param(rq, "version"), &m));
    err e = answer(rq, rp, body, m);
    model_release(m);
    return e;
}
