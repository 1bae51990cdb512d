/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boards.c -- who is good: leaderboard, bots against people, streaks. Tests and games from before
 * METRICS_SINCE_DATE are left out, and so are players that are programs. */
#include "apps/rps/boards.h"

#include <math.h>
#include <stdlib.h>

#include "apps/rps/policies.h"
#include "base/clock.h"

enum { LEADER_GAMES_MIN = 5, NAMES_OUT_MAX = 100, STREAK_PLAYERS_MAX = 100000 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

bool rps_is_program_name(str name)
{
    for (enum rps_bot bot = 0; bot < RPS_BOTS; bot++)
        if (str_eq_nocase(name, str_of(rps_bot_name(bot))))
            return true;
    if (name.len < 4 || !str_eq_nocase(str_sub(name, 0, 3), STR("sim")))
        return false;
    if (name.ptr[3] == '[' || (name.len > 4 && name.ptr[3] == '(' && is_digit(name.ptr[4])))
        return true;
    bool goes_on = str_eq_nocase(str_sub(name, 0, 4), STR("simp"));
    for (size_t i = 3; i < name.len && (is_word(name.ptr[i]) || goes_on); i++)
        if (is_digit(name.ptr[i]))
            return true;
    return false;
}

double rps_percent(int64_t part, int64_t total)
{
    return total ? round((double)part * 10000 / (double)total) / 100 : 0;
}

void rps_write_since(struct json_out *w, const struct rps_state *s)
{
    json_kv_time_ms(w, "since", s->since_ms);
}

/* Names that were left out, as "filtered_out". */
struct names_out {
    str names[NAMES_OUT_MAX];
    size_t count;
};

static void leave_out(struct names_out *out, str name, arena *keep)
{
    if (out->count < NAMES_OUT_MAX)
        out->names[out->count++] = arena_str(keep, name);
}

static void write_names_out(struct json_out *w, const struct names_out *out)
{
    json_key(w, "filtered_out");
    json_array_begin(w);
    for (size_t i = 0; i < out->count; i++)
        json_out_str(w, out->names[i]);
    json_array_end(w);
}

/* ------------------------------------------------------------------ leaderboard */

struct leader {
    str name;
    int64_t games, wins, losses, ties;
};

struct leaders {
    const struct rps_state *s;
    arena *keep;
    struct leader *rows;
    size_t count, max;
    struct names_out out;
};

static err read_leaders(struct store_read *rd, void *arg)
{
    struct leaders *l = arg;
    struct store_rows *rows;
    l->count = l->out.count = 0;
    /* More than `limit`: programs are taken out before it is applied. */
    TRY(store_query(
        rd,
        "SELECT player_name, COUNT(*), SUM(CASE WHEN winner = 1 THEN 1 ELSE 0 END), SUM(CASE WHEN "
        "winner = 2 THEN 1 ELSE 0 END) FROM rps_games WHERE is_test = 0 AND origin = '' AND winner "
        "<> 0 AND created_ms >= ?1 GROUP BY player_name HAVING COUNT(*) >= ?2 ORDER BY SUM(CASE "
        "WHEN winner = 1 THEN 1.0 ELSE 0.0 END) / COUNT(*) DESC, COUNT(*) DESC, player_name",
        ARGS(sql_int(l->s->since_ms), sql_int(LEADER_GAMES_MIN)), &rows));
    while (l->count < l->max && store_next(rows)) {
        if (rps_is_program_name(store_col_text(rows, 0))) {
            leave_out(&l->out, store_col_text(rows, 0), l->keep);
            continue;
        }
        struct leader *row = &l->rows[l->count++];
        *row = (struct leader){ .name = store_col_text_keep(rows, 0, l->keep),
                                .games = store_col_int(rows, 1),
                                .wins = store_col_int(rows, 2),
                                .losses = store_col_int(rows, 3) };
        row->ties = row->games - row->wins - row->losses;
    }
    return store_rows_close(rows);
}

err rps_leaderboard(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct rps_input in;
    int64_t limit = 10;
    rps_query_open(rq, &in);
    rps_query_int(&in, "limit", 1, 100, &limit);
    if (in.count)
        return rps_refuse(&in, rp);
    struct leaders l = { .s = s, .keep = http_arena(rq), .max = (size_t)limit };
    l.rows = NEW_ARRAY(http_arena(rq), struct leader, (size_t)limit);
    ARENA_TRY(l.rows);
    TRY(store_read(house_store(s->house), read_leaders, &l));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "leaderboard");
    json_array_begin(w);
    for (size_t i = 0; i < l.count; i++) {
        json_object_begin(w);
        json_kv_str(w, "player_name", l.rows[i].name);
        json_kv_int(w, "total_games", l.rows[i].games);
        json_kv_int(w, "wins", l.rows[i].wins);
        json_kv_int(w, "losses", l.rows[i].losses);
        json_kv_int(w, "ties", l.rows[i].ties);
        json_kv_real(w, "win_rate", rps_percent(l.rows[i].wins, l.rows[i].games));
        json_kv_int(w, "rank", (int64_t)i + 1);
        json_object_end(w);
    }
    json_array_end(w);
    rps_write_since(w, s);
    json_kv_int(w, "limit", limit);
    write_names_out(w, &l.out);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ bots against people */

struct rates {
    const struct rps_state *s;
    bool has_easy, is_easy, human_only;
    struct rate {
        int64_t games, bot_wins, human_wins, ties, excluded, total;
    } policies[RPS_POLICIES];
};

static err read_rates(struct store_read *rd, void *arg)
{
    struct rates *r = arg;
    struct store_rows *rows;
    for (size_t i = 0; i < RPS_POLICIES; i++)
        r->policies[i] = (struct rate){ 0 };
    TRY(store_query(rd,
                    "SELECT policy, player_name, winner, COUNT(*) FROM rps_games WHERE is_test = 0 "
                    "AND origin = '' AND winner <> 0 AND created_ms >= ?1 AND (?2 < 0 OR "
                    "easy_mode = ?2) GROUP BY policy, player_name, winner",
                    ARGS(sql_int(r->s->since_ms), sql_int(r->has_easy ? r->is_easy : -1)), &rows));
    while (store_next(rows)) {
        bool is_retired;
        const struct rps_policy *policy = rps_policy_find(store_col_text(rows, 0), &is_retired);
        if (!policy)
            continue;
        struct rate *rate = &r->policies[rps_policy_index(policy)];
        int64_t winner = store_col_int(rows, 2), count = store_col_int(rows, 3);
        rate->total += count;
        if (r->human_only && rps_is_program_name(store_col_text(rows, 1))) {
            rate->excluded += count;
            continue;
        }
        rate->games += count;
        rate->bot_wins += winner == RPS_BOT_WINS ? count : 0;
        rate->human_wins += winner == RPS_USER_WINS ? count : 0;
        rate->ties += winner == RPS_TIE ? count : 0;
    }
    return store_rows_close(rows);
}

err rps_bot_win_rates(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct rps_input in;
    struct rates r = { .s = s, .human_only = true };
    rps_query_open(rq, &in);
    r.has_easy = http_query(rq, "easy_mode").len != 0;
    rps_query_bool(&in, "easy_mode", &r.is_easy);
    rps_query_bool(&in, "human_only", &r.human_only);
    if (in.count)
        return rps_refuse(&in, rp);
    TRY(store_read(house_store(s->house), read_rates, &r));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    for (size_t i = 0; i < RPS_POLICIES; i++) {
        const struct rate *rate = &r.policies[i];
        if (rate->total == 0 && rps_policy_at(i)->family == RPS_FAMILIES)
            continue;
        json_key(w, rps_policy_at(i)->name);
        json_object_begin(w);
        json_kv_real(w, "bot_win_rate", rps_percent(rate->bot_wins, rate->games));
        json_kv_real(w, "human_win_rate", rps_percent(rate->human_wins, rate->games));
        json_kv_int(w, "human_games", rate->games);
        json_kv_int(w, "bot_wins", rate->bot_wins);
        json_kv_int(w, "human_wins", rate->human_wins);
        json_kv_int(w, "ties", rate->ties);
        json_kv_int(w, "excluded_games", rate->excluded);
        json_kv_int(w, "total_games_tracked", rate->total);
        json_object_end(w);
    }
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ streaks */

struct streak {
    str name;
    int64_t longest, current, last_win_ms, games;
};

struct streaks {
    const struct rps_state *s;
    arena *keep;
    str opponent;
    bool has_easy, is_easy;
    struct streak *rows;
    size_t count, max;
    struct names_out out;
};

static err grow(struct streaks *t)
{
    if (t->count < t->max)
        return OK;
    size_t max = t->max ? t->max * 2 : 64;
    if (max > STREAK_PLAYERS_MAX)
        return ERR(ERR_TOO_BIG, "more than %d players: name an opponent", t->max ? (int)t->max : 0);
    struct streak *rows = NEW_ARRAY(t->keep, struct streak, max);
    ARENA_TRY(rows);
    for (size_t i = 0; i < t->count; i++)
        rows[i] = t->rows[i];
    t->rows = rows;
    t->max = max;
    return OK;
}

/* Rows come by player, oldest game first. */
static err take_game(struct streaks *t, struct store_rows *rows)
{
    str name = store_col_text(rows, 0);
    if (t->count == 0 || !str_eq(t->rows[t->count - 1].name, name)) {
        TRY(grow(t));
        t->rows[t->count++] = (struct streak){ .name = arena_str(t->keep, name) };
    }
    struct streak *streak = &t->rows[t->count - 1];
    bool won = store_col_int(rows, 1) == RPS_USER_WINS;
    streak->games++;
    streak->current = won ? streak->current + 1 : 0;
    if (won)
        streak->last_win_ms = store_col_int(rows, 2);
    if (streak->current > streak->longest)
        streak->longest = streak->current;
    return OK;
}

static err read_streaks(struct store_read *rd, void *arg)
{
    struct streaks *t = arg;
    struct store_rows *rows;
    err e = OK;
    t->count = 0;
    TRY(store_query(rd,
                    "SELECT player_name, winner, finished_ms FROM rps_games WHERE is_test = 0 AND "
                    "origin = '' AND winner <> 0 AND created_ms >= ?1 AND (?2 = '' OR policy = ?2) "
                    "AND (?3 < 0 OR easy_mode = ?3) ORDER BY player_name, finished_ms, id",
                    ARGS(sql_int(t->s->since_ms), sql_text(t->opponent),
                         sql_int(t->has_easy ? t->is_easy : -1)),
                    &rows));
    while (!e.code && store_next(rows))
        e = take_game(t, rows);
    return err_first(e, store_rows_close(rows));
}

static int by_streak(const void *a, const void *b)
{
    const struct streak *x = a, *y = b;
    if (x->longest != y->longest)
        return x->longest > y->longest ? -1 : 1;
    if (x->games != y->games)
        return x->games > y->games ? -1 : 1;
    return str_cmp(x->name, y->name);
}

static void write_streaks(struct json_out *w, struct streaks *t, int64_t limit)
{
    json_key(w, "players");
    json_array_begin(w);
    for (size_t i = 0; i < t->count && limit > 0; i++) {
        const struct streak *streak = &t->rows[i];
        if (rps_is_program_name(streak->name)) {
            leave_out(&t->out, streak->name, t->keep);
            continue;
        }
        if (streak->longest == 0)
            break;
        json_object_begin(w);
        json_kv_str(w, "username", streak->name);
        json_kv_int(w, "streak", streak->longest);
        json_kv_int(w, "current_streak", streak->current);
        json_kv_time_ms(w, "last_win_date", streak->last_win_ms);
        json_kv_int(w, "total_games", streak->games);
        json_object_end(w);
        limit--;
    }
    json_array_end(w);
}

err rps_win_streaks(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct rps_input in;
    int64_t limit = 10;
    struct streaks t = { .s = s, .keep = http_arena(rq), .opponent = http_query(rq, "opponent") };
    rps_query_open(rq, &in);
    rps_query_int(&in, "limit", 1, 100, &limit);
    t.has_easy = http_query(rq, "easy_mode").len != 0;
    rps_query_bool(&in, "easy_mode", &t.is_easy);
    if (in.count)
        return rps_refuse(&in, rp);
    TRY(store_read(house_store(s->house), read_streaks, &t));
    if (t.count)
        qsort(t.rows, t.count, sizeof *t.rows, by_streak);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    write_streaks(w, &t, limit);
    json_key(w, "filters");
    json_object_begin(w);
    json_key(w, "opponent");
    if (t.opponent.len)
        json_out_str(w, t.opponent);
    else
        json_out_null(w);
    json_kv_int(w, "limit", limit);
    json_key(w, "easy_mode");
    if (t.has_easy)
        json_out_bool(w, t.is_easy);
    else
        json_out_null(w);
    json_object_end(w);
    rps_write_since(w, s);
    json_kv_time_ms(w, "timestamp", clock_wall_ms());
    write_names_out(w, &t.out);
    json_object_end(w);
    return OK;
}
