/* SPDX-License-Identifier: GPL-3.0-or-later */
/* games.c -- the routes of stored games and players. */
#include <stdio.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/game_store.h"
#include "base/clock.h"

enum { LIST_MAX = 1000, RECENT_MAX = 100, NAME_BYTES_MAX = 200, PGN_BYTES_MAX = 8 * 1024 * 1024 };

static const int64_t DAY_MS = 24 * 3600 * 1000;

static void count_read(struct http_request *rq, const char *view)
{
    metric_add(CHESS_CELL(house_metrics(rq_house(rq)), CHESS_M_GAME_READS, str_of(view)), 1);
}

/* ------------------------------------------------------------------ lists */

static err query_day(const struct http_request *rq, const char *name, int64_t *ret_ms,
                     bool *ret_given)
{
    str text = http_query(rq, name);
    if (!text.len)
        return OK;
    TRY(err_wrap(clock_parse(text, ret_ms), "query parameter '%s'", name));
    *ret_given = true;
    return OK;
}

/* A result of the game (WHITE_WIN, 1-0) or of the player (win, loss, draw). */
static err query_result(const struct http_request *rq, struct game_query *q)
{
    static const struct {
        const char *name;
        int outcome;
    } outcomes[] = { { "win", 1 }, { "draw", 0 }, { "loss", -1 } };
    str text = http_query(rq, "result");
    if (!text.len)
        return OK;
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        if (str_eq_nocase(text, str_of(outcomes[i].name))) {
            q->has_outcome = true;
            q->outcome = outcomes[i].outcome;
            return OK;
        }
    }
    if (chess_result_find(text, &q->result))
        return OK;
    return ERR(
        ERR_INVALID,
        "query parameter 'result' is '%.*s': use WHITE_WIN, BLACK_WIN, DRAW, ABORTED, or win, "
        "loss, draw as the player saw it",
        STR_ARG(str_sub(text, 0, 40)));
}

static err query_read(const struct http_request *rq, struct game_query *q)
{
    q->limit = 50;
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &q->limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &q->offset));
    q->player = http_query(rq, "username");
    q->opponent = http_query(rq, "opponent");
    q->eco = http_query(rq, "eco");
    if (!q->player.len)
        return ERR(ERR_INVALID, "query parameter 'username' is required: whose games? "
                                "(/v1/games/recent lists everybody's)");
    if (q->player.len > NAME_BYTES_MAX || q->opponent.len > NAME_BYTES_MAX)
        return ERR(ERR_INVALID, "player names have at most %d bytes", NAME_BYTES_MAX);
    TRY(query_result(rq, q));
    str color = http_query(rq, "color");
    if (color.len) {
        q->has_color = true;
        q->color = str_eq_nocase(color, STR("black")) ? CHESS_BLACK : CHESS_WHITE;
        if (!str_eq_nocase(color, STR("black")) && !str_eq_nocase(color, STR("white")))
            return ERR(ERR_INVALID, "query parameter 'color' must be white or black");
    }
    str speed = http_query(rq, "speed");
    if (speed.len) {
        q->has_speed = true;
        if (!chess_speed_find(speed, &q->speed))
            return ERR(ERR_INVALID,
                       "query parameter 'speed' must be ULTRABULLET, BULLET, BLITZ, RAPID, "
                       "CLASSICAL, CORRESPONDENCE or UNKNOWN");
    }
    TRY(query_day(rq, "since", &q->since_ms, &q->has_since));
    TRY(query_day(rq, "until", &q->until_ms, &q->has_until));
    if (q->has_until && q->until_ms % DAY_MS == 0)
        q->until_ms += DAY_MS; /* a day without a time means to its end */
    return OK;
}

static err reply_list(struct http_request *rq, struct http_reply *rp, const struct game_query *q)
{
    struct stored_game *games;
    size_t count;
    TRY(stored_game_list(house_store(rq_house(rq)), q, http_arena(rq), &games, &count));
    struct json_out *w = http_json(rp);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        stored_game_write(&games[i], w);
        json_object_end(w);
    }
    json_array_end(w);
    count_read(rq, "list");
    return OK;
}

err games_list(struct http_request *rq, struct http_reply *rp)
{
    struct game_query q = { 0 };
    TRY(query_read(rq, &q));
    return reply_list(rq, rp, &q);
}

err games_recent(struct http_request *rq, struct http_reply *rp)
{
    struct game_query q = { .limit = 20 };
    TRY(http_query_int(rq, "limit", 1, RECENT_MAX, &q.limit));
    return reply_list(rq, rp, &q);
}

/* ------------------------------------------------------------------ counts */

struct counting {
    int64_t by_platform[CHESS_PLATFORM_COUNT];
    int64_t games, players, plies, packs, pack_bytes;
};

static err count_games(struct store_read *rd, void *arg)
{
    struct counting *c = arg;
    struct store_rows *rows;
    *c = (struct counting){ 0 };
    TRY(store_query(
        rd, "SELECT platform, count(*), COALESCE(sum(plies), 0) FROM chess_games GROUP BY platform",
        NO_ARGS, &rows));
    while (store_next(rows)) {
        int64_t platform = store_col_int(rows, 0);
        if (platform >= 0 && platform < CHESS_PLATFORM_COUNT)
            c->by_platform[platform] = store_col_int(rows, 1);
        c->games += store_col_int(rows, 1);
        c->plies += store_col_int(rows, 2);
    }
    TRY(store_rows_close(rows));
    TRY(store_get_int(rd, "SELECT count(*) FROM chess_players", NO_ARGS, &c->players));
    TRY(store_query(rd, "SELECT count(*), COALESCE(sum(bytes), 0) FROM chess_packs", NO_ARGS,
                    &rows));
    if (store_next(rows)) {
        c->packs = store_col_int(rows, 0);
        c->pack_bytes = store_col_int(rows, 1);
    }
    return store_rows_close(rows);
}

err games_count(struct http_request *rq, struct http_reply *rp)
{
    struct counting c;
    TRY(store_read(house_store(rq_house(rq)), count_games, &c));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "count", c.games);
    json_kv_int(w, "plies", c.plies);
    json_kv_int(w, "players", c.players);
    json_kv_int(w, "packs", c.packs);
    json_kv_int(w, "packBytes", c.pack_bytes);
    json_key(w, "platforms");
    json_object_begin(w);
    for (int i = 0; i < CHESS_PLATFORM_COUNT; i++)
        json_kv_int(w, chess_platform_name((enum chess_platform)i), c.by_platform[i]);
    json_object_end(w);
    json_object_end(w);
    metric_set(chess_cell(house_metrics(rq_house(rq)), CHESS_M_GAMES_STORED), (double)c.games);
    return OK;
}

/* From the packs, of which there are few: counting games takes a second for each ten million. */
static err count_packed(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT COALESCE(sum(games), 0) FROM chess_packs", NO_ARGS, arg);
}

err games_start(struct house *h)
{
    int64_t games = 0;
    TRY(store_read(house_store(h), count_packed, &games));
    metric_set(chess_cell(house_metrics(h), CHESS_M_GAMES_STORED), (double)games);
    return OK;
}

err games_status(struct house *h, struct json_out *out)
{
    struct counting c;
    TRY(store_read(house_store(h), count_games, &c));
    json_kv_int(out, "games", c.games);
    json_kv_int(out, "players", c.players);
    metric_set(chess_cell(house_metrics(h), CHESS_M_GAMES_STORED), (double)c.games);
    return OK;
}

/* ------------------------------------------------------------------ one game */

static err find_game(struct http_request *rq, struct stored_game *ret_game)
{
    uint8_t key[GAME_KEY_BYTES];
    TRY(game_id_parse(http_param(rq, "id"), key));
    return stored_game_get(house_store(rq_house(rq)), key, http_arena(rq), ret_game);
}

static err read_game(struct http_request *rq, struct stored_game *ret_game,
                     struct pgn_game **ret_moves)
{
    struct pgn_game *moves = NEW(http_arena(rq), struct pgn_game);
    ARENA_TRY(moves);
    TRY(find_game(rq, ret_game));
    TRY(stored_game_read(house_blobs(rq_house(rq)), ret_game, http_arena(rq), moves));
    *ret_moves = moves;
    return OK;
}

err games_get(struct http_request *rq, struct http_reply *rp)
{
    struct stored_game game;
    struct pgn_game *moves;
    struct buf pgn;
    TRY(read_game(rq, &game, &moves));
    buf_init(&pgn, PGN_BYTES_MAX);
    err e = pgn_write(moves, &pgn);
    if (e.code) {
        buf_deinit(&pgn);
        return e;
    }
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    stored_game_write(&game, w);
    json_kv_str(w, "pgnRaw", buf_str(&pgn));
    json_key(w, "tags");
    json_object_begin(w);
    for (size_t i = 0; i < moves->tag_count; i++) {
        json_key_str(w, moves->tags[i].name);
        json_out_str(w, moves->tags[i].value);
    }
    json_object_end(w);
    json_object_end(w);
    buf_deinit(&pgn);
    count_read(rq, "game");
    return OK;
}

static void write_legal(struct json_out *w, const struct chess_position *p, int64_t *legal_total)
{
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(p, moves);
    json_key(w, "legalMoves");
    json_array_begin(w);
    for (int i = 0; i < count; i++) {
        char uci[CHESS_UCI_BYTES];
        chess_uci_write(p, moves[i], uci);
        json_out_cstr(w, uci);
    }
    json_array_end(w);
    *legal_total += count;
}

err games_positions(struct http_request *rq, struct http_reply *rp)
{
    struct stored_game game;
    struct pgn_game *moves;
    TRY(read_game(rq, &game, &moves));
    str legal = http_query(rq, "legal");
    bool with_legal = str_eq(legal, STR("true")) || str_eq(legal, STR("1"));
    int64_t legal_total = 0;
    struct chess_position p = moves->start;
    struct json_out *w = http_json(rp);
    json_array_begin(w);
    for (size_t ply = 0; ply <= moves->ply_count; ply++) {
        char fen[CHESS_FEN_BYTES];
        chess_fen_write(&p, fen);
        json_object_begin(w);
        json_kv_int(w, "ply", (int64_t)ply);
        json_kv_cstr(w, "fen", fen);
        json_kv_cstr(w, "sideToMove", p.turn == CHESS_WHITE ? "white" : "black");
        if (with_legal)
            write_legal(w, &p, &legal_total);
        json_object_end(w);
        if (ply < moves->ply_count)
            chess_move_make(&p, moves->moves[ply]);
    }
    json_array_end(w);
    metric_add(chess_cell(house_metrics(rq_house(rq)), CHESS_M_LEGAL_MOVES), (double)legal_total);
    count_read(rq, "positions");
    return OK;
}

static void write_move(struct json_out *w, const struct pgn_game *g, const struct chess_position *p,
                       size_t ply)
{
    char san[CHESS_SAN_BYTES], uci[CHESS_UCI_BYTES];
    chess_san_write(p, g->moves[ply], san);
    chess_uci_write(p, g->moves[ply], uci);
    json_object_begin(w);
    json_kv_int(w, "ply", (int64_t)ply + 1);
    json_kv_cstr(w, "san", san);
    json_kv_cstr(w, "uci", uci);
    json_kv_cstr(w, "color", p->turn == CHESS_WHITE ? "white" : "black");
    json_key(w, "clockMs");
    if (g->clock_cs && g->clock_cs[ply] != PGN_CLOCK_NONE)
        json_out_int(w, (int64_t)g->clock_cs[ply] * 10);
    else
        json_out_null(w);
    json_key(w, "evalCp");
    if (g->eval_cp && g->eval_cp[ply] != PGN_EVAL_NONE)
        json_out_int(w, g->eval_cp[ply]);
    else
        json_out_null(w);
    if (g->nags && g->nags[ply])
        json_kv_int(w, "nag", g->nags[ply]);
    json_object_end(w);
}

err games_moves(struct http_request *rq, struct http_reply *rp)
{
    struct stored_game game;
    struct pgn_game *moves;
    TRY(read_game(rq, &game, &moves));
    struct chess_position p = moves->start;
    struct json_out *w = http_json(rp);
    json_array_begin(w);
    for (size_t ply = 0; ply < moves->ply_count; ply++) {
        write_move(w, moves, &p, ply);
        chess_move_make(&p, moves->moves[ply]);
    }
    json_array_end(w);
    count_read(rq, "moves");
    return OK;
}

/* ------------------------------------------------------------------ players */

struct players {
    str prefix; /* of the name, lower case */
    int64_t limit, offset, found;
    struct json_out *out;
};

static err list_players(struct store_read *rd, void *arg)
{
    struct players *p = arg;
    struct store_rows *rows;
    char end[NAME_BYTES_MAX + 8];
    /* From "abc" to "abc" and the last character there is: a walk along the index. */
    int used = snprintf(end, sizeof end, "%.*s\xF4\x8F\xBF\xBF", STR_ARG(p->prefix));
    TRY(store_query(
        rd,
        "SELECT p.id, p.name, p.platform, "
        "(SELECT count(*) FROM chess_games g WHERE g.white_id = p.id) + "
        "(SELECT count(*) FROM chess_games g WHERE g.black_id = p.id AND g.white_id <> p.id), "
        "(SELECT max(g.end_ms) FROM chess_games g WHERE g.white_id = p.id), "
        "(SELECT max(g.end_ms) FROM chess_games g WHERE g.black_id = p.id) "
        "FROM chess_players p WHERE p.name_key >= ?1 AND (?2 = '' OR p.name_key < ?3) "
        "ORDER BY p.name_key, p.platform LIMIT ?4 OFFSET ?5",
        ARGS(sql_text(p->prefix), sql_text(p->prefix), sql_text(str_from(end, (size_t)used)),
             sql_int(p->limit + 1), sql_int(p->offset)),
        &rows));
    p->found = 0;
    while (store_next(rows) && p->found++ < p->limit) {
        int64_t white_ms = store_col_int(rows, 4), black_ms = store_col_int(rows, 5);
        json_object_begin(p->out);
        json_kv_int(p->out, "id", store_col_int(rows, 0));
        json_kv_str(p->out, "name", store_col_text(rows, 1));
        json_kv_cstr(p->out, "platform",
                     chess_platform_name((enum chess_platform)store_col_int(rows, 2)));
        json_kv_int(p->out, "games", store_col_int(rows, 3));
        json_kv_time_ms(p->out, "lastPlayedAt", white_ms > black_ms ? white_ms : black_ms);
        json_object_end(p->out);
    }
    return store_rows_close(rows);
}

err players_list(struct http_request *rq, struct http_reply *rp)
{
    struct players p = { .limit = 50 };
    char prefix[NAME_BYTES_MAX];
    str q = http_query(rq, "q");
    TRY(http_query_int(rq, "limit", 1, LIST_MAX, &p.limit));
    TRY(http_query_int(rq, "offset", 0, INT32_MAX, &p.offset));
    if (q.len > NAME_BYTES_MAX)
        return ERR(ERR_INVALID, "query parameter 'q' has at most %d bytes", NAME_BYTES_MAX);
    for (size_t i = 0; i < q.len; i++)
        prefix[i] = q.ptr[i] >= 'A' && q.ptr[i] <= 'Z' ? (char)(q.ptr[i] - 'A' + 'a') : q.ptr[i];
    p.prefix = str_from(prefix, q.len);
    p.out = http_json(rp);
    json_object_begin(p.out);
    json_key(p.out, "items");
    json_array_begin(p.out);
    TRY(store_read(house_store(rq_house(rq)), list_players, &p));
    json_array_end(p.out);
    if (p.found > p.limit)
        json_kv_int(p.out, "nextOffset", p.offset + p.limit);
    json_object_end(p.out);
    count_read(rq, "players");
    return OK;
}

/* ------------------------------------------------------------------ blobs */

struct marking {
    blob_mark_fn mark;
    void *mark_arg;
};

static err mark_packs(struct store_read *rd, void *arg)
{
    const struct marking *m = arg;
    struct store_rows *rows;
    err e = OK;
    TRY(store_query(rd, "SELECT blob FROM chess_packs", NO_ARGS, &rows));
    while (!e.code && store_next(rows)) {
        struct blob_id id;
        e = blob_id_parse(store_col_text(rows, 0), &id);
        if (!e.code)
            e = m->mark(m->mark_arg, &id);
    }
    return err_first(e, store_rows_close(rows));
}

err games_roots(void *house, blob_mark_fn mark, void *mark_arg)
{
    return store_read(house_store(house), mark_packs, &(struct marking){ mark, mark_arg });
}
