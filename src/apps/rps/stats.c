/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stats.c -- what was played: by game, session, policy and player; lists; exports. Tests, imported
 * games and games from before METRICS_SINCE_DATE are left out of what is summed. */
#include "apps/rps/boards.h"
#include "apps/rps/policies.h"
#include "base/clock.h"

enum { GAMES_MAX = 500, EXPORT_MAX = 10000 };

#define COUNTED "g.is_test = 0 AND g.origin = '' AND g.created_ms >= ?1"

/* ------------------------------------------------------------------ one game, one session */

struct sums {
    const struct rps_state *s;
    str game_id, session_id;
    int64_t rounds, wins, losses, draws, games;
    double user_score, bot_score;
    enum rps_winner winner;
};

static void take_results(struct sums *t, struct store_rows *rows)
{
    t->rounds = store_col_int(rows, 0);
    t->wins = store_col_int(rows, 1);
    t->losses = store_col_int(rows, 2);
    t->draws = store_col_int(rows, 3);
}

#define RESULTS                                                                           \
    "COUNT(r.step_no), COALESCE(SUM(CASE WHEN r.result = 0 THEN 1 ELSE 0 END), 0), "      \
    "COALESCE(SUM(CASE WHEN r.result = 1 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN " \
    "r.result = 2 THEN 1 ELSE 0 END), 0)"

static err read_game(struct store_read *rd, void *arg)
{
    struct sums *t = arg;
    struct store_rows *rows;
    *t = (struct sums){ .s = t->s, .game_id = t->game_id };
    TRY(store_query(rd,
                    "SELECT " RESULTS ", COALESCE(MAX(g.winner), 0) FROM rps_games g LEFT JOIN "
                    "rps_rounds r ON r.game_id = g.id WHERE " COUNTED " AND g.key = ?2",
                    ARGS(sql_int(t->s->since_ms), sql_text(t->game_id)), &rows));
    if (store_next(rows)) {
        take_results(t, rows);
        t->winner = (enum rps_winner)store_col_int(rows, 4);
    }
    TRY(store_rows_close(rows));
    TRY(store_query(rd,
                    "SELECT r.user_score, r.bot_score FROM rps_games g JOIN rps_rounds r ON "
                    "r.game_id = g.id WHERE " COUNTED " AND g.key = ?2 ORDER BY r.step_no DESC "
                    "LIMIT 1",
                    ARGS(sql_int(t->s->since_ms), sql_text(t->game_id)), &rows));
    if (store_next(rows)) {
        t->user_score = store_col_real(rows, 0);
        t->bot_score = store_col_real(rows, 1);
    }
    return store_rows_close(rows);
}

static err read_session(struct store_read *rd, void *arg)
{
    struct sums *t = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT " RESULTS ", COUNT(DISTINCT g.id) FROM rps_games g LEFT JOIN "
                    "rps_rounds r ON r.game_id = g.id WHERE " COUNTED " AND g.session_id = ?2",
                    ARGS(sql_int(t->s->since_ms), sql_text(t->session_id)), &rows));
    if (store_next(rows)) {
        take_results(t, rows);
        t->games = store_col_int(rows, 4);
    }
    return store_rows_close(rows);
}

err rps_stats(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct sums t = { .s = s,
                      .game_id = http_query(rq, "game_id"),
                      .session_id = http_query(rq, "session_id") };
    bool is_game = t.game_id.len != 0;
    if (!is_game && t.session_id.len == 0)
        return ERR(ERR_INVALID, "Provide game_id or session_id");
    TRY(store_read(house_store(s->house), is_game ? read_game : read_session, &t));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_cstr(w, "scope", is_game ? "game" : "session");
    json_kv_int(w, "rounds", t.rounds);
    json_kv_int(w, "wins", t.wins);
    json_kv_int(w, "losses", t.losses);
    json_kv_int(w, "draws", t.draws);
    if (is_game) {
        json_kv_real(w, "user_score", t.user_score);
        json_kv_real(w, "bot_score", t.bot_score);
        json_kv_cstr(w, "winner", rps_winner_name(t.winner));
    } else {
        json_kv_int(w, "games", t.games);
    }
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ totals */

struct totals {
    const struct rps_state *s;
    str policy, player; /* empty: all */
    int64_t games, finished, user_wins, bot_wins, ties, rounds, players;
};

static err read_totals(struct store_read *rd, void *arg)
{
    struct totals *t = arg;
    struct store_rows *rows;
    TRY(store_query(
        rd,
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN g.winner <> 0 THEN 1 ELSE 0 END), 0), "
        "COALESCE(SUM(CASE WHEN g.winner = 1 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN "
        "g.winner = 2 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN g.winner = 3 THEN 1 ELSE 0 "
        "END), 0), COALESCE(SUM(g.rounds), 0), COUNT(DISTINCT g.player_name) FROM rps_games g "
        "WHERE " COUNTED " AND (?2 = '' OR g.policy = ?2) AND (?3 = '' OR g.player_name = ?3)",
        ARGS(sql_int(t->s->since_ms), sql_text(t->policy), sql_text(t->player)), &rows));
    if (store_next(rows)) {
        int64_t *const to[] = { &t->games, &t->finished, &t->user_wins, &t->bot_wins,
                                &t->ties,  &t->rounds,   &t->players };
        for (size_t i = 0; i < COUNT_OF(to); i++)
            *to[i] = store_col_int(rows, (int)i);
    }
    return store_rows_close(rows);
}

static err answer_totals(struct http_request *rq, struct http_reply *rp, struct totals *t)
{
    TRY(store_read(house_store(rq_house(rq)), read_totals, t));
    if ((t->policy.len || t->player.len) && t->games == 0)
        return ERR(ERR_NOT_FOUND, "No games of %s '%.*s'", t->policy.len ? "policy" : "player",
                   STR_ARG(str_sub(t->policy.len ? t->policy : t->player, 0, 64)));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    if (t->policy.len)
        json_kv_str(w, "policy", t->policy);
    if (t->player.len)
        json_kv_str(w, "player_name", t->player);
    json_kv_int(w, "total_games", t->games);
    json_kv_int(w, "finished_games", t->finished);
    json_kv_int(w, "user_wins", t->user_wins);
    json_kv_int(w, "bot_wins", t->bot_wins);
    json_kv_int(w, "ties", t->ties);
    json_kv_real(w, "user_win_rate", rps_percent(t->user_wins, t->finished));
    json_kv_real(w, "bot_win_rate", rps_percent(t->bot_wins, t->finished));
    json_kv_real(w, "average_rounds", t->finished ? (double)t->rounds / (double)t->finished : 0);
    json_kv_int(w, "players", t->players);
    rps_write_since(w, t->s);
    json_object_end(w);
    return OK;
}

err rps_stats_global(struct http_request *rq, struct http_reply *rp)
{
    struct totals t = { .s = rps_state(rq_house(rq)) };
    return answer_totals(rq, rp, &t);
}

err rps_stats_policy(struct http_request *rq, struct http_reply *rp)
{
    struct totals t = { .s = rps_state(rq_house(rq)), .policy = http_param(rq, "policy") };
    return answer_totals(rq, rp, &t);
}

err rps_stats_player(struct http_request *rq, struct http_reply *rp)
{
    struct totals t = { .s = rps_state(rq_house(rq)), .player = http_param(rq, "player") };
    return answer_totals(rq, rp, &t);
}

/* ------------------------------------------------------------------ games */

struct games {
    struct json_out *w;
    str player, policy;
    bool has_easy, is_easy;
    int64_t limit, count;
};

static void write_text(struct json_out *w, const char *name, str text)
{
    json_key(w, name);
    if (text.len)
        json_out_str(w, text);
    else
        json_out_null(w);
}

static void write_game(struct json_out *w, struct store_rows *rows)
{
    json_object_begin(w);
    json_kv_str(w, "id", store_col_text(rows, 0));
    json_kv_str(w, "session_id", store_col_text(rows, 1));
    json_kv_str(w, "player_name", store_col_text(rows, 2));
    json_kv_str(w, "bot_policy", store_col_text(rows, 3));
    write_text(w, "model_type", store_col_text(rows, 4));
    write_text(w, "bot_model_alias", store_col_text(rows, 5));
    json_key(w, "bot_model_version");
    if (store_col_int(rows, 6) == 0)
        json_out_null(w);
    else if (store_col_int(rows, 6) < 0)
        json_out_cstr(w, "several");
    else
        json_out_fmt(w, "%lld", (long long)store_col_int(rows, 6));
    write_text(w, "bot_model_run_id", store_col_text(rows, 7));
    write_text(w, "opening_name", store_col_text(rows, 8));
    json_kv_bool(w, "easy_mode", store_col_int(rows, 9) != 0);
    json_kv_bool(w, "is_test", store_col_int(rows, 10) != 0);
    json_kv_real(w, "user_score", store_col_real(rows, 11));
    json_kv_real(w, "bot_score", store_col_real(rows, 12));
    json_kv_int(w, "rounds", store_col_int(rows, 13));
    json_kv_cstr(w, "winner", rps_winner_name((enum rps_winner)store_col_int(rows, 14)));
    json_kv_time_ms(w, "created_ts_utc", store_col_int(rows, 15));
    json_kv_time_ms(w, "finished_ts", store_col_int(rows, 16));
    write_text(w, "origin", store_col_text(rows, 17));
    json_object_end(w);
}

static err read_games(struct store_read *rd, void *arg)
{
    struct games *g = arg;
    struct store_rows *rows;
    /* The scores of a game that goes on are those of its last round. */
    TRY(store_query(
        rd,
        "SELECT g.key, g.session_id, g.player_name, g.policy, g.model_type, g.alias, "
        "g.model_version, g.model_run_id, g.opening_name, g.easy_mode, g.is_test, COALESCE((SELECT "
        "r.user_score FROM rps_rounds r WHERE r.game_id = g.id ORDER BY r.step_no DESC LIMIT 1), "
        "0.0), COALESCE((SELECT r.bot_score FROM rps_rounds r WHERE r.game_id = g.id ORDER BY "
        "r.step_no DESC LIMIT 1), 0.0), (SELECT COUNT(*) FROM rps_rounds r WHERE r.game_id = "
        "g.id), g.winner, g.created_ms, g.finished_ms, g.origin FROM rps_games g WHERE (?1 = '' OR "
        "g.player_name = ?1) AND (?2 = '' OR g.policy = ?2) AND (?3 < 0 OR g.easy_mode = ?3) ORDER "
        "BY g.created_ms DESC, g.id DESC LIMIT ?4",
        ARGS(sql_text(g->player), sql_text(g->policy), sql_int(g->has_easy ? g->is_easy : -1),
             sql_int(g->limit)),
        &rows));
    while (store_next(rows)) {
        write_game(g->w, rows);
        g->count++;
    }
    return store_rows_close(rows);
}

err rps_games_list(struct http_request *rq, struct http_reply *rp)
{
    struct rps_input in;
    struct games g = { .player = http_query(rq, "player_name"),
                       .policy = http_query(rq, "policy"),
                       .limit = 50 };
    str difficulty = http_query(rq, "difficulty_mode");
    rps_query_open(rq, &in);
    rps_query_int(&in, "limit", 1, GAMES_MAX, &g.limit);
    g.has_easy = http_query(rq, "easy_mode").len || difficulty.len;
    g.is_easy = str_eq(difficulty, STR("easy"));
    rps_query_bool(&in, "easy_mode", &g.is_easy);
    if (in.count)
        return rps_refuse(&in, rp);
    g.w = http_json(rp);
    json_object_begin(g.w);
    json_key(g.w, "games");
    json_array_begin(g.w);
    TRY(store_read(house_store(rq_house(rq)), read_games, &g));
    json_array_end(g.w);
    json_kv_int(g.w, "count", g.count);
    json_kv_int(g.w, "limit", g.limit);
    json_object_end(g.w);
    return OK;
}

/* ------------------------------------------------------------------ export */

struct export
{
    struct json_out *w;
    bool is_csv;
    int64_t since_ms, limit, count;
};

enum column_kind { COLUMN_TEXT, COLUMN_MOVE, COLUMN_RESULT, COLUMN_REAL, COLUMN_INT, COLUMN_TIME };

static const struct {
    const char *name;
    enum column_kind kind;
} columns[] = {
    { "game_id", COLUMN_TEXT },
    { "player_name", COLUMN_TEXT },
    { "bot_policy", COLUMN_TEXT },
    { "bot_model_alias", COLUMN_TEXT },
    { "step_no", COLUMN_INT },
    { "user_move", COLUMN_MOVE },
    { "bot_move", COLUMN_MOVE },
    { "result", COLUMN_RESULT },
    { "user_delta", COLUMN_REAL },
    { "bot_delta", COLUMN_REAL },
    { "user_score", COLUMN_REAL },
    { "bot_score", COLUMN_REAL },
    { "round_rock_pts", COLUMN_REAL },
    { "round_paper_pts", COLUMN_REAL },
    { "round_scissors_pts", COLUMN_REAL },
    { "bot_model_version", COLUMN_INT },
    { "created_ts_utc", COLUMN_TIME },
};

static void write_cell(struct json_out *w, struct store_rows *rows, size_t at)
{
    int column = (int)at;
    char iso[CLOCK_ISO_BYTES];
    switch (columns[at].kind) {
    case COLUMN_TEXT:
        json_out_str(w, store_col_text(rows, column));
        break;
    case COLUMN_MOVE:
        json_out_cstr(w, rps_move_name((unsigned)store_col_int(rows, column)));
        break;
    case COLUMN_RESULT:
        json_out_cstr(w, rps_outcome_name((enum rps_outcome)store_col_int(rows, column)));
        break;
    case COLUMN_REAL:
        json_out_real(w, store_col_real(rows, column));
        break;
    case COLUMN_INT:
        json_out_int(w, store_col_int(rows, column));
        break;
    case COLUMN_TIME:
        clock_iso(store_col_int(rows, column), iso);
        json_out_cstr(w, iso);
        break;
    }
}

static void write_row(struct export *x, struct store_rows *rows)
{
    if (x->is_csv)
        json_array_begin(x->w);
    else
        json_object_begin(x->w);
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        if (!x->is_csv)
            json_key(x->w, columns[i].name);
        write_cell(x->w, rows, i);
    }
    if (x->is_csv)
        json_array_end(x->w);
    else
        json_object_end(x->w);
    x->count++;
}

static err read_export(struct store_read *rd, void *arg)
{
    struct export *x = arg;
    struct store_rows *rows;
    TRY(store_query(rd,
                    "SELECT g.key, g.player_name, g.policy, g.alias, r.step_no, r.user_move, "
                    "r.bot_move, r.result, r.user_delta, r.bot_delta, r.user_score, r.bot_score, "
                    "r.rock_pts, r.paper_pts, r.scissors_pts, r.model_version, r.created_ms FROM "
                    "rps_rounds r JOIN rps_games g ON g.id = r.game_id WHERE " COUNTED
                    " ORDER BY g.id DESC, r.step_no LIMIT ?2",
                    ARGS(sql_int(x->since_ms), sql_int(x->limit)), &rows));
    while (store_next(rows))
        write_row(x, rows);
    return store_rows_close(rows);
}

err rps_export(struct http_request *rq, struct http_reply *rp)
{
    struct rps_input in;
    struct export x = { .since_ms = rps_state(rq_house(rq))->since_ms, .limit = 1000 };
    str format = http_query(rq, "format");
    rps_query_open(rq, &in);
    rps_query_int(&in, "limit", 1, EXPORT_MAX, &x.limit);
    x.is_csv = str_eq(format, STR("csv"));
    if (format.len && !x.is_csv && !str_eq(format, STR("json")))
        rps_issue(&in, "query", "format", "value_error", "The format is json or csv");
    if (in.count)
        return rps_refuse(&in, rp);
    x.w = http_json(rp);
    json_object_begin(x.w);
    json_kv_cstr(x.w, "format", x.is_csv ? "csv" : "json");
    json_key(x.w, "data");
    json_array_begin(x.w);
    if (x.is_csv) {
        json_array_begin(x.w);
        for (size_t i = 0; i < COUNT_OF(columns); i++)
            json_out_cstr(x.w, columns[i].name);
        json_array_end(x.w);
    }
    TRY(store_read(house_store(rq_house(rq)), read_export, &x));
    json_array_end(x.w);
    json_kv_int(x.w, "count", x.count);
    json_object_end(x.w);
    return OK;
}
