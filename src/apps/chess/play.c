/* SPDX-License-Identifier: GPL-3.0-or-later */
/* play.c -- /v1/play: a person plays a model; the finished game becomes data.
 *
 * The person's move and the model's answer are one transaction: either both are on disk or neither
 * was made. A game that ends is written as PGN into the inbox and imported like any other.
 */
#include <stdio.h>
#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_events.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/game_record.h"
#include "apps/chess/play_store.h"
#include "apps/chess/prefs.h"
#include "base/clock.h"
#include "base/fs.h"

enum {
    LIST_MAX = 200,
    PLAY_PGN_BYTES_MAX = 256 * 1024,
    MODEL_RATING_DEFAULT = 1500,
    /* Somebody who thinks for longer has gone for tea; a game left alone is not being played. */
    ONLINE_WINDOW_MS = 10 * 60 * 1000,
};

static const char *side_name(enum chess_color color)
{
    return color == CHESS_WHITE ? "white" : "black";
}

/* ------------------------------------------------------------------ moves and clocks */

/* What the mover has left now: the running clock is never stored, it follows from the last move's
 * time. */
static int64_t left_ms(const struct play *p, int64_t now_ms)
{
    enum chess_color mover = (enum chess_color)p->game->position.turn;
    return p->clock_ms[mover] - (now_ms - p->turn_since_ms);
}

/* The clock starts with each side's first move, as over the board on a server. */
static bool clock_runs(const struct play *p)
{
    return p->initial_ms > 0 && p->game->plies >= 2;
}

static void make(struct play *p, chess_move move, int64_t now_ms)
{
    struct match_game *g = p->game;
    enum chess_color mover = (enum chess_color)g->position.turn;
    if (clock_runs(p))
        p->clock_ms[mover] = left_ms(p, now_ms) + p->increment_ms;
    p->spent_ms[g->plies] = now_ms - p->turn_since_ms;
    p->turn_since_ms = now_ms;
    /* Draws that must be claimed over the board are taken at once here: nobody asks a program for
     * one. */
    match_move(g, move, p->initial_ms ? (uint32_t)(p->clock_ms[mover] / 10) : PGN_CLOCK_NONE, true);
}

static void answer(struct play *p, const struct chess_net *net)
{
    struct chess_prediction pred;
    struct rng rng;
    uint64_t seed;
    rand_bytes(&seed, sizeof seed);
    rng_init(&rng, seed);
    chess_net_predict(net, &p->game->position, &p->conditions, &pred);
    make(p, chess_prediction_pick(&pred, p->temperature, (int)p->top_k, &rng), clock_wall_ms());
}

static bool is_over(const struct play *p)
{
    return p->game->result != CHESS_RESULT_UNKNOWN;
}

static bool models_turn(const struct play *p)
{
    return !is_over(p) && (enum chess_color)p->game->position.turn != p->person;
}

/* ------------------------------------------------------------------ replies */

static void write_clock(struct json_out *w, const struct play *p)
{
    json_key(w, "clock");
    if (p->initial_ms == 0) {
        json_out_null(w);
        return;
    }
    int64_t now = clock_wall_ms();
    int64_t shown[2] = { p->clock_ms[0], p->clock_ms[1] };
    if (!is_over(p) && clock_runs(p))
        shown[p->game->position.turn] = left_ms(p, now) > 0 ? left_ms(p, now) : 0;
    json_object_begin(w);
    json_kv_int(w, "whiteMs", shown[CHESS_WHITE]);
    json_kv_int(w, "blackMs", shown[CHESS_BLACK]);
    json_kv_int(w, "incrementMs", p->increment_ms);
    json_object_end(w);
}

static void write_state(struct json_out *w, const struct play *p)
{
    char fen[CHESS_FEN_BYTES];
    const struct match_game *g = p->game;
    chess_fen_write(&g->position, fen);
    json_kv_cstr(w, "gameId", p->id);
    json_kv_cstr(w, "fen", fen);
    json_kv_cstr(w, "status", is_over(p) ? "finished" : "playing");
    json_kv_cstr(w, "turn", is_over(p) ? NULL : side_name((enum chess_color)g->position.turn));
    json_kv_cstr(w, "you", side_name(p->person));
    json_kv_int(w, "rating", p->conditions.rating_self);
    json_kv_int(w, "opponentRating", p->conditions.rating_opponent);
    json_kv_cstr(w, "speed", chess_speed_name((enum chess_speed)p->conditions.speed));
    json_kv_cstr(w, "result", is_over(p) ? chess_result_name(g->result) : NULL);
    json_kv_cstr(w, "winner", chess_winner_name(g->result));
    json_kv_cstr(w, "reason", g->reason[0] ? g->reason : NULL);
    json_kv_bool(w, "check", chess_in_check(&g->position));
    json_kv_int(w, "plies", (int64_t)g->plies);
    write_clock(w, p);
}

/* One ply as {ply, san, uci, side, tMs}; moves `position` on. */
static void write_ply(struct json_out *w, const struct play *p, size_t ply,
                      struct chess_position *position)
{
    char uci[CHESS_UCI_BYTES], san[CHESS_SAN_BYTES];
    chess_move m = p->game->moves[ply];
    chess_uci_write(position, m, uci);
    chess_san_write(position, m, san);
    json_object_begin(w);
    json_kv_int(w, "ply", (int64_t)ply + 1);
    json_kv_cstr(w, "san", san);
    json_kv_cstr(w, "uci", uci);
    json_kv_cstr(w, "side", position->turn == CHESS_WHITE ? "w" : "b");
    json_kv_int(w, "tMs", p->spent_ms[ply]);
    json_object_end(w);
    chess_move_make(position, m);
}

static void write_plies(struct json_out *w, const char *key, const struct play *p, size_t from)
{
    struct chess_position position = p->game->start;
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < p->game->plies; i++) {
        if (i < from)
            chess_move_make(&position, p->game->moves[i]);
        else
            write_ply(w, p, i, &position);
    }
    json_array_end(w);
}

/* ------------------------------------------------------------------ a finished game becomes data
 */

static err write_pgn(const struct play *p, struct buf *out)
{
    char date[CLOCK_ISO_BYTES], model[160], person_rating[8], control[48] = "-";
    struct pgn_tag tags[12];
    size_t n = 0;
    bool person_is_white = p->person == CHESS_WHITE;
    clock_iso(p->created_ms, date);
    str model_name = str_from(model, (size_t)snprintf(model, sizeof model, "%.*s@%.*s",
                                                      STR_ARG(str_sub(p->model_name, 0, 100)),
                                                      STR_ARG(str_sub(p->model_version, 0, 20))));
    snprintf(person_rating, sizeof person_rating, "%d", p->conditions.rating_opponent);
    if (p->initial_ms)
        snprintf(control, sizeof control, "%lld+%lld", (long long)(p->initial_ms / 1000),
                 (long long)(p->increment_ms / 1000));
    char day[11] = { date[0], date[1], date[2], date[3], '.', date[5],
                     date[6], '.',     date[8], date[9], 0 };
    char time[9] = { 0 };
    memcpy(time, date + 11, 8);
    tags[n++] = (struct pgn_tag){ STR("Event"), STR("Game against a model") };
    tags[n++] = (struct pgn_tag){ STR("Site"), STR("Skerry") };
    tags[n++] = (struct pgn_tag){ STR("Round"), str_of(p->id) };
    tags[n++] = (struct pgn_tag){ STR("White"), person_is_white ? p->username : model_name };
    tags[n++] = (struct pgn_tag){ STR("Black"), person_is_white ? model_name : p->username };
    tags[n++] = (struct pgn_tag){ person_is_white ? STR("BlackTitle") : STR("WhiteTitle"),
                                  STR("BOT") };
    tags[n++] = (struct pgn_tag){ STR("UTCDate"), str_of(day) };
    tags[n++] = (struct pgn_tag){ STR("UTCTime"), str_of(time) };
    tags[n++] = (struct pgn_tag){ STR("TimeControl"), str_of(control) };
    if (p->conditions.rating_opponent)
        tags[n++] = (struct pgn_tag){ person_is_white ? STR("WhiteElo") : STR("BlackElo"),
                                      str_of(person_rating) };
    return match_pgn(p->game, tags, n, out);
}

struct publication {
    struct house *h;
    const struct play *play;
    struct job_spec job;
    bool wanted;
};

static err publish_tx(struct store_tx *tx, void *arg)
{
    struct publication *pub = arg;
    char id[UUID_BYTES];
    bool is_new;
    int64_t changed = 0;
    TRY(store_exec(tx, "UPDATE chess_plays SET published = 1 WHERE id = ?1 AND published = 0",
                   ARGS(sql_cstr(pub->play->id)), &changed));
    if (changed)
        TRY(chess_tell_game(pub->h, tx, pub->play));
    return pub->wanted ? job_add_tx(house_jobs(pub->h), tx, &pub->job, id, &is_new) : OK;
}

/* Writes the PGN into the inbox, then queues its import and marks the game in one transaction. When
 * the process dies between the two, play_start does it again; the import recognises a copy. */
static err publish(struct house *h, const struct play *p, arena *keep)
{
    char upload[HEX_ID_BYTES], name[64], path[FS_PATH_BYTES];
    struct publication pub = {
        .h = h, .play = p, .wanted = p->use_for_training && p->taken_back == 0 && p->game->plies > 1
    };
    if (pub.wanted) {
        struct buf pgn;
        snprintf(name, sizeof name, "play-%s.pgn", p->id);
        rand_hex_id(upload);
        TRY(inbox_path(h, upload, path));
        buf_init(&pgn, PLAY_PGN_BYTES_MAX);
        err e = write_pgn(p, &pgn);
        if (!e.code)
            e = fs_write_durable(path, buf_str(&pgn));
        buf_deinit(&pgn);
        TRY(e);
        struct buf payload;
        struct json_out w;
        buf_init(&payload, JOB_PAYLOAD_MAX);
        json_out_init(&w, &payload);
        json_object_begin(&w);
        json_kv_cstr(&w, "upload", upload);
        json_kv_cstr(&w, "name", name);
        json_kv_cstr(&w, "note", "played here");
        json_object_end(&w);
        str text = arena_str(keep, buf_str(&payload));
        buf_deinit(&payload);
        ARENA_TRY(text.ptr);
        pub.job = (struct job_spec){
            .kind = "chess.ingest",
            .payload = text,
            .username = p->username,
            .key = str_of(p->id),
            .is_here = true,
        };
    }
    TRY(store_write(house_store(h), publish_tx, &pub));
    jobs_wake(house_jobs(h));
    return OK;
}

static err finish(struct house *h, const struct play *p, arena *keep)
{
    struct log_labels labels = { .component = STR("play"),
                                 .username = p->username,
                                 .model_id = p->model_name };
    metric_add(
        CHESS_CELL(house_metrics(h), CHESS_M_PLAYS, str_of(chess_result_name(p->game->result))), 1);
    log_event(house_log(h), LOG_INFO, &labels, "play.finished", NULL, F_CSTR("game_id", p->id),
              F_CSTR("result", chess_result_name(p->game->result)),
              F_CSTR("reason", p->game->reason), F_INT("plies", (int64_t)p->game->plies));
    return publish(h, p, keep);
}

struct unpublished {
    arena *keep;
    str ids[LIST_MAX];
    size_t count;
};

static err find_unpublished(struct store_read *rd, void *arg)
{
    struct unpublished *u = arg;
    struct store_rows *rows;
    TRY(store_query(rd, "SELECT id FROM chess_plays WHERE published = 0 AND result <> 0 LIMIT ?1",
                    ARGS(sql_int(LIST_MAX)), &rows));
    u->count = 0;
    while (store_next(rows))
        u->ids[u->count++] = store_col_text_keep(rows, 0, u->keep);
    return store_rows_close(rows);
}

struct reading {
    str id;
    arena *keep;
    struct play play;
};

static err read_play(struct store_read *rd, void *arg)
{
    struct reading *r = arg;
    return play_read(rd, r->id, r->keep, &r->play);
}

err play_start(struct house *h)
{
    arena keep;
    struct unpublished found = { .keep = &keep };
    arena_init(&keep, 64 * 1024 * 1024);
    err e = store_read(house_store(h), find_unpublished, &found);
    for (size_t i = 0; i < found.count && !e.code; i++) {
        struct reading r = { .id = found.ids[i], .keep = &keep };
        e = store_read(house_store(h), read_play, &r);
        if (!e.code)
            e = publish(h, &r.play, &keep);
    }
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ POST /v1/play/new */

static err read_color(const struct json *body, enum chess_color *ret_color)
{
    str color = STR("white");
    TRY(json_opt_str(body, "color", &color));
    if (str_eq(color, STR("white"))) {
        *ret_color = CHESS_WHITE;
    } else if (str_eq(color, STR("black"))) {
        *ret_color = CHESS_BLACK;
    } else if (str_eq(color, STR("random"))) {
        uint8_t coin;
        rand_bytes(&coin, 1);
        *ret_color = coin & 1 ? CHESS_WHITE : CHESS_BLACK;
    } else {
        return ERR(ERR_INVALID, "field 'color' must be white, black or random");
    }
    return OK;
}

static err read_clock(const struct json *body, struct play *p)
{
    const struct json *clock = json_get(body, "clock");
    int64_t initial_s = 0, increment_s = 0;
    if (json_kind(clock) <= JSON_IS_NULL)
        return OK;
    if (json_kind(clock) != JSON_IS_OBJECT)
        return ERR(
            ERR_INVALID,
            "field 'clock' must be an object like {\"initial\":300,\"increment\":3}, in seconds");
    TRY(json_need_int(clock, "initial", 1, 86400, &initial_s));
    TRY(json_opt_int(clock, "increment", 0, 3600, &increment_s));
    p->initial_ms = initial_s * 1000;
    p->increment_ms = increment_s * 1000;
    p->clock_ms[0] = p->clock_ms[1] = p->initial_ms;
    return OK;
}

static err read_new(struct http_request *rq, struct play *p, str *fen)
{
    const struct json *body;
    struct chess_position start;
    TRY(http_body_json(rq, &body));
    p->conditions = (struct chess_conditions){ .rating_self = MODEL_RATING_DEFAULT,
                                               .rating_opponent = MODEL_RATING_DEFAULT,
                                               .speed = CHESS_RAPID };
    struct chess_prefs prefs;
    TRY(prefs_read(house_store(rq_house(rq)), http_user(rq), &prefs));
    p->temperature = prefs.temperature;
    p->top_k = prefs.top_k;
    p->use_for_training = prefs.use_for_training;
    TRY(read_color(body, &p->person));
    TRY(read_clock(body, p));
    TRY(chess_conditions_read(body, &p->conditions));
    TRY(json_opt_real(body, "temperature", 0, 10, &p->temperature));
    TRY(json_opt_int(body, "topk", 0, CHESS_MOVES_MAX, &p->top_k));
    TRY(json_opt_bool(body, "useGameAsTraining", &p->use_for_training));
    chess_position_start(&start);
    str given = STR_NONE;
    TRY(json_opt_str(body, "fen", &given));
    if (given.len)
        TRY(err_wrap(chess_fen_parse(given, &start), "field 'fen'"));
    if (!chess_has_moves(&start))
        return ERR(ERR_INVALID, "field 'fen': the game is over in that position");
    char text[CHESS_FEN_BYTES];
    chess_fen_write(&start, text);
    *fen = arena_str(http_arena(rq), str_of(text));
    ARENA_TRY(fen->ptr);
    match_start(p->game, &start);
    return OK;
}

struct new_play {
    struct play *play;
    str fen;
};

static err insert_tx(struct store_tx *tx, void *arg)
{
    struct new_play *n = arg;
    TRY(play_insert(tx, n->play, n->fen));
    return play_update(tx, n->play, 0);
}

err play_new(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct play p = { .game = NEW(http_arena(rq), struct match_game),
                      .spent_ms = NEW_ARRAY(http_arena(rq), int64_t, MATCH_PLIES_MAX) };
    struct served_model *m;
    struct new_play n = { .play = &p };
    ARENA_TRY(p.game);
    ARENA_TRY(p.spent_ms);
    TRY(read_new(rq, &p, &n.fen));
    TRY(model_acquire_prod(h, &m));
    rand_uuid(p.id);
    p.username = http_user(rq);
    p.model_name = str_of(m->name);
    p.model_version = str_of(m->version);
    p.created_ms = p.turn_since_ms = clock_wall_ms();
    if (models_turn(&p))
        answer(&p, m->net);
    err e = store_write(house_store(h), insert_tx, &n);
    if (!e.code) {
        struct log_labels labels = { .component = STR("play"),
                                     .username = p.username,
                                     .model_id = p.model_name,
                                     .request_id = http_request_id(rq) };
        log_event(house_log(h), LOG_INFO, &labels, "play.started", NULL, F_CSTR("game_id", p.id),
                  F_CSTR("person", side_name(p.person)));
        metric_add(CHESS_CELL(house_metrics(h), CHESS_M_MOVES, STR("play")), (double)p.game->plies);
        struct json_out *w = http_json(rp);
        json_object_begin(w);
        write_state(w, &p);
        json_kv_time_ms(w, "startedAt", p.created_ms);
        json_kv_str(w, "modelId", p.model_name);
        json_kv_str(w, "modelVersion", p.model_version);
        write_plies(w, "moves", &p, 0);
        json_object_end(w);
    }
    model_release(m);
    return e;
}

/* ------------------------------------------------------------------ moves */

struct turn {
    str id, uci;
    arena *keep;
    const struct chess_net *net;
    struct play play;
    int64_t expected; /* plies that the caller had seen; -1: it does not say */
    size_t before;    /* plies before this request */
    bool illegal, flagged;
};

/* Runs inside the transaction: two requests for the same ply cannot both win. May run again. */
static err move_tx(struct store_tx *tx, void *arg)
{
    struct turn *t = arg;
    chess_move move;
    t->illegal = t->flagged = false;
    TRY(play_read(store_tx_read(tx), t->id, t->keep, &t->play));
    struct play *p = &t->play;
    t->before = p->game->plies;
    if (is_over(p))
        return ERR(ERR_CONFLICT, "the game is over: %s, %s", chess_result_name(p->game->result),
                   p->game->reason);
    if (t->expected >= 0 && t->expected != (int64_t)t->before)
        return ERR(ERR_CONFLICT, "the game is at ply %zu, not at %lld: somebody moved before you",
                   t->before, (long long)t->expected);
    int64_t now = clock_wall_ms();
    if (clock_runs(p) && left_ms(p, now) <= 0) {
        p->clock_ms[p->game->position.turn] = 0;
        match_flag(p->game, (enum chess_color)p->game->position.turn);
        t->flagged = true;
        return play_update(tx, p, t->before);
    }
    err e = chess_uci_parse(&p->game->position, t->uci, &move);
    if (e.code) {
        t->illegal = true;
        return e;
    }
    make(p, move, now);
    if (models_turn(p))
        answer(p, t->net);
    return play_update(tx, p, t->before);
}

/* The version that the game was started with answers to its end; when it is gone, prod does. */
static err acquire_for(struct http_request *rq, struct served_model **ret_model)
{
    struct reading r = { .id = http_param(rq, "id"), .keep = http_arena(rq) };
    TRY(store_read(house_store(rq_house(rq)), read_play, &r));
    err e = model_acquire(rq_house(rq), r.play.model_name, r.play.model_version, ret_model);
    return e.code == ERR_NOT_FOUND ? model_acquire_prod(rq_house(rq), ret_model) : e;
}

static void count_moves(struct house *h, const struct turn *t)
{
    metric_add(CHESS_CELL(house_metrics(h), CHESS_M_MOVES, STR("play")),
               (double)(t->play.game->plies - t->before));
}

err play_move(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    const struct json *body;
    struct served_model *m;
    struct turn t = { .id = http_param(rq, "id"), .keep = http_arena(rq), .expected = -1 };
    TRY(http_body_json(rq, &body));
    TRY(json_need_str(body, "uci", &t.uci));
    TRY(json_opt_int(body, "plies", 0, MATCH_PLIES_MAX, &t.expected));
    TRY(acquire_for(rq, &m));
    t.net = m->net;
    err e = store_write(house_store(h), move_tx, &t);
    model_release(m);
    if (t.illegal) {
        http_problem(rp, 400, "ILLEGAL_MOVE", "field 'uci': %s", e.msg);
        return OK;
    }
    TRY(e);
    count_moves(h, &t);
    if (model_log_allowed(chess_model_serve(h))) {
        struct log_labels labels = { .component = STR("play"),
                                     .username = http_user(rq),
                                     .model_id = t.play.model_name,
                                     .request_id = http_request_id(rq) };
        log_event(house_log(h), LOG_INFO, &labels, "play.moved", NULL, F_CSTR("game_id", t.play.id),
                  F_STR("uci", t.uci), F_INT("plies", (int64_t)t.play.game->plies));
    }
    if (is_over(&t.play))
        TRY(finish(h, &t.play, http_arena(rq)));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "ok", !t.flagged);
    write_state(w, &t.play);
    write_plies(w, "played", &t.play, t.before);
    json_object_end(w);
    return OK;
}

static err resign_tx(struct store_tx *tx, void *arg)
{
    struct turn *t = arg;
    TRY(play_read(store_tx_read(tx), t->id, t->keep, &t->play));
    t->before = t->play.game->plies;
    if (is_over(&t->play))
        return ERR(ERR_CONFLICT, "the game is over: %s, %s",
                   chess_result_name(t->play.game->result), t->play.game->reason);
    match_resign(t->play.game, t->play.person);
    return play_update(tx, &t->play, t->before);
}

/* Takes back the person's last move and the model's answer to it. */
static err takeback_tx(struct store_tx *tx, void *arg)
{
    struct turn *t = arg;
    TRY(play_read(store_tx_read(tx), t->id, t->keep, &t->play));
    struct play *p = &t->play;
    size_t plies = p->game->plies, remove = models_turn(p) || is_over(p) ? 1 : 2;
    bool models_last = plies > 0 && (enum chess_color)p->game->position.turn == p->person;
    remove = models_last ? 2 : remove;
    if (p->initial_ms)
        return ERR(ERR_CONFLICT, "a move cannot be taken back in a game with a clock");
    if (p->published)
        return ERR(ERR_CONFLICT, "the game is over and stored: start a new one");
    if (plies < remove)
        return ERR(ERR_CONFLICT, "there is no move of yours to take back");
    p->taken_back += (int64_t)remove;
    p->turn_since_ms = clock_wall_ms();
    p->game->result = CHESS_RESULT_UNKNOWN;
    p->game->reason = "";
    TRY(play_cut(tx, p, plies - remove));
    return play_read(store_tx_read(tx), t->id, t->keep, &t->play);
}

static err reply_turn(struct http_request *rq, struct http_reply *rp, store_write_fn fn,
                      bool finishes)
{
    struct house *h = rq_house(rq);
    struct turn t = { .id = http_param(rq, "id"), .keep = http_arena(rq) };
    TRY(store_write(house_store(h), fn, &t));
    if (finishes)
        TRY(finish(h, &t.play, http_arena(rq)));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "ok", true);
    write_state(w, &t.play);
    json_object_end(w);
    return OK;
}

err play_resign(struct http_request *rq, struct http_reply *rp)
{
    return reply_turn(rq, rp, resign_tx, true);
}

err play_takeback(struct http_request *rq, struct http_reply *rp)
{
    return reply_turn(rq, rp, takeback_tx, false);
}

/* ------------------------------------------------------------------ reading */

err play_get(struct http_request *rq, struct http_reply *rp)
{
    struct reading r = { .id = http_param(rq, "id"), .keep = http_arena(rq) };
    TRY(store_read(house_store(rq_house(rq)), read_play, &r));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    write_state(w, &r.play);
    json_kv_time_ms(w, "startedAt", r.play.created_ms);
    json_kv_str(w, "modelId", r.play.model_name);
    json_kv_str(w, "modelVersion", r.play.model_version);
    json_kv_int(w, "takenBack", r.play.taken_back);
    write_plies(w, "moves", &r.play, 0);
    json_object_end(w);
    return OK;
}

err play_pgn(struct http_request *rq, struct http_reply *rp)
{
    struct reading r = { .id = http_param(rq, "id"), .keep = http_arena(rq) };
    TRY(store_read(house_store(rq_house(rq)), read_play, &r));
    return write_pgn(&r.play, http_text(rp, "application/x-chess-pgn"));
}

struct listing {
    struct json_out *out;
    int64_t limit, offset;
};

static err list_rows(struct store_read *rd, void *arg)
{
    struct listing *l = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT id, username, person, model_name, model_version, result, reason, "
                    "created_ms, updated_ms FROM chess_plays"
                    " ORDER BY created_ms DESC, id DESC LIMIT ?1 OFFSET ?2",
                    ARGS(sql_int(l->limit), sql_int(l->offset)), &rows));
    while (store_next(rows)) {
        enum chess_result result = (enum chess_result)store_col_int(rows, 5);
        json_object_begin(l->out);
        json_kv_str(l->out, "gameId", store_col_text(rows, 0));
        json_kv_str(l->out, "username", store_col_text(rows, 1));
        json_kv_cstr(l->out, "you", side_name((enum chess_color)store_col_int(rows, 2)));
        json_kv_str(l->out, "modelId", store_col_text(rows, 3));
        json_kv_str(l->out, "modelVersion", store_col_text(rows, 4));
        json_kv_cstr(l->out, "status", result == CHESS_RESULT_UNKNOWN ? "playing" : "finished");
        json_kv_cstr(l->out, "result",
                     result == CHESS_RESULT_UNKNOWN ? NULL : chess_result_name(result));
        json_kv_str(l->out, "reason", store_col_text(rows, 6));
        json_kv_time_ms(l->out, "startedAt", store_col_int(rows, 7));
        json_kv_time_ms(l->out, "updatedAt", store_col_int(rows, 8));
        json_object_end(l->out);
    }
    return store_rows_close(rows);
}

err play_list(struct http_request *rq, struct http_reply *rp)
{
    struct listing l = { .limit = 50 };
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &l.limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &l.offset));
    l.out = http_json(rp);
    json_items_begin(l.out);
    TRY(store_read(house_store(rq_house(rq)), list_rows, &l));
    json_items_end(l.out);
    return OK;
}

/* ------------------------------------------------------------------ GET /v1/games/online_count */

static err count_online(struct store_read *rd, void *arg)
{
    int64_t since_ms = clock_wall_ms() - ONLINE_WINDOW_MS;
    return store_get_int(rd,
                         "SELECT count(*) FROM chess_plays WHERE published = 0 AND result = 0 AND "
                         "updated_ms > ?1",
                         ARGS(sql_int(since_ms)), arg);
}

err play_online_count(struct http_request *rq, struct http_reply *rp)
{
    int64_t count = 0;
    TRY(store_read(house_store(rq_house(rq)), count_online, &count));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "count", count);
    json_kv_int(w, "windowSec", ONLINE_WINDOW_MS / 1000);
    json_object_end(w);
    return OK;
}
