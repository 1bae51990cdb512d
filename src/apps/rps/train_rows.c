/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_rows.c -- the stored games as rows to learn from. They are read from the newest backwards
 * until there are enough, and handed out in order of time. */
#include <stdlib.h>
#include <string.h>

#include "apps/rps/past.h"
#include "apps/rps/policies.h"
#include "apps/rps/train.h"
#include "base/clock.h"
#include "base/rand.h"
#include "engine/learn/split.h"

/* ------------------------------------------------------------------ who played */

/* "Ace", "sim-ace-2": a word of the name is a bot that follows rules. */
static bool is_rule_bot(str name)
{
    char word[8];
    size_t len = 0;
    for (size_t i = 0; i <= name.len; i++) {
        char c = i < name.len ? name.ptr[i] : ' ';
        char lower = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (lower >= 'a' && lower <= 'z') {
            if (len < sizeof word)
                word[len] = lower;
            len++;
            continue;
        }
        if (len && len < sizeof word && rps_bot_find(str_from(word, len)) != RPS_BOTS)
            return true;
        len = 0;
    }
    return false;
}

/* ------------------------------------------------------------------ which games */

static err read_policies(str list, uint32_t *ret_policies)
{
    *ret_policies = 0;
    while (list.len) {
        str name = str_trim(str_split(&list, ','));
        bool is_retired;
        const struct rps_policy *found = rps_policy_find(name, &is_retired);
        if (!found && name.len)
            return ERR(ERR_INVALID, "there is no policy '%.*s': brian, forrest, logan, ace to hal",
                       STR_ARG(str_sub(name, 0, 40)));
        if (found)
            *ret_policies |= 1u << rps_policy_index(found);
    }
    return OK;
}

/* PostgreSQL refuses a pattern that ends in the middle of an escape, when it meets a row. */
static err check_pattern(str pattern)
{
    size_t escapes = 0;
    while (escapes < pattern.len && pattern.ptr[pattern.len - 1 - escapes] == '\\')
        escapes++;
    return escapes % 2 == 0 ? OK
                            : ERR(ERR_INVALID,
                                  "'%.*s' ends with a single \\, which escapes "
                                  "nothing",
                                  STR_ARG(str_sub(pattern, 0, 60)));
}

err rps_rows_settings(struct house *h, enum rps_rows_source source,
                      struct rps_rows_query *ret_query)
{
    struct rps_rows_query q = { .source = source, .row_max = RPS_PEOPLE_ROWS_MAX, .stride = 1 };
    if (source == RPS_ROWS_PLAYED) {
        q.row_max = setting_int(h, "MAX_USABLE_ROWS");
        q.stride = setting_int(h, "TRAINING_LEGACY_GAME_STRIDE");
        q.player_like = setting_str(h, "TRAINING_PLAYER_NAME_LIKE");
        TRY(err_wrap(check_pattern(q.player_like), "setting TRAINING_PLAYER_NAME_LIKE"));
        TRY(err_wrap(read_policies(setting_str(h, "TRAINING_BOT_POLICY_IN"), &q.policies),
                     "setting TRAINING_BOT_POLICY_IN"));
        TRY(err_wrap(clock_parse(setting_str(h, "TRAINING_DATA_SINCE_DATE"), &q.since_ms),
                     "setting TRAINING_DATA_SINCE_DATE"));
    }
    *ret_query = q;
    return OK;
}

static bool is_against_one_of(uint32_t policies, str name)
{
    bool is_retired;
    const struct rps_policy *policy = policies ? rps_policy_find(name, &is_retired) : NULL;
    return !policies || (policy && (policies >> rps_policy_index(policy) & 1));
}

/* ------------------------------------------------------------------ reading */

enum { HELD_OUT_ONE_OF = 4 };

/* People of one group met each other: all of them, or none, are held out. */
static bool is_held_out(str group)
{
    return rand_mix(learn_split_key(group)) % HELD_OUT_ONE_OF == 0;
}

/* Games newest first while they are read, with the rows of each in order. */
struct reading {
    const struct rps_rows_query *query;
    struct rps_row_game *games;
    size_t game_count, game_room;
    double (*rows)[RPS_FEATURES];
    uint8_t *labels;
    size_t row_count;
    struct rps_turn *turns; /* of the games, as the rows are */
    size_t turn_count, turn_room;
    bool is_full;

    /* the game that is being read */
    struct rps_row_game game;
    struct rps_round rounds[RPS_IMPORTED_ROUNDS_MAX];
    size_t round_count;
    bool is_easy, is_bot, is_left_out;
    int64_t bot_games; /* seen so far */
    double game_rows[RPS_IMPORTED_ROUNDS_MAX][RPS_FEATURES];
    uint8_t game_labels[RPS_IMPORTED_ROUNDS_MAX];
};

static err room_for_game(struct reading *r)
{
    if (r->game_count < r->game_room)
        return OK;
    size_t room = r->game_room ? 2 * r->game_room : 256;
    struct rps_row_game *games = realloc(r->games, room * sizeof *games);
    if (!games)
        return ERR(ERR_NO_MEMORY, "%zu games to learn from", room);
    r->games = games;
    r->game_room = room;
    return OK;
}

static err keep_turns(struct reading *r)
{
    size_t count = r->turn_count + r->round_count;
    if (count > r->turn_room) {
        size_t room = 2 * count;
        struct rps_turn *turns = realloc(r->turns, room * sizeof *turns);
        if (!turns)
            return ERR(ERR_NO_MEMORY, "%zu rounds to learn from", room);
        r->turns = turns;
        r->turn_room = room;
    }
    r->game.first_turn = r->turn_count;
    r->game.turn_count = r->round_count;
    for (size_t i = 0; i < r->round_count; i++)
        r->turns[r->turn_count++] = (struct rps_turn){ .points = r->rounds[i].points,
                                                       .user = r->rounds[i].user,
                                                       .bot = r->rounds[i].bot };
    return OK;
}

/* The game is complete: its rows, unless it is thinned out or there is no more room. */
static err take_game(struct reading *r)
{
    if (r->round_count == 0 || r->is_left_out ||
        (r->is_bot && r->bot_games++ % r->query->stride != 0))
        return OK;
    size_t count = rps_training_rows(r->rounds, r->round_count, r->is_easy, r->game_rows,
                                     r->game_labels);
    if (count == 0)
        return OK;
    if ((int64_t)(r->row_count + count) > r->query->row_max) {
        r->is_full = true;
        return OK;
    }
    TRY(room_for_game(r));
    TRY(keep_turns(r));
    memcpy(r->rows + r->row_count, r->game_rows, count * sizeof *r->rows);
    memcpy(r->labels + r->row_count, r->game_labels, count);
    r->game.first = r->row_count;
    r->game.count = count;
    r->games[r->game_count++] = r->game;
    r->row_count += count;
    return OK;
}

/* Logs of several experiments may call their people alike. */
static void know_imported(struct rps_row_game *game, str player, str group, str against)
{
    game->group = learn_split_key(group);
    game->person = rand_mix(rand_mix(learn_split_key(player)) ^ game->group) ^
                   learn_split_key(against);
    while (game->against + 1 < RPS_AGAINST_KINDS &&
           !str_eq(against, str_of(rps_against_name((enum rps_against)game->against))))
        game->against++;
}

static void know_player(struct rps_row_game *game, str player, int64_t seen)
{
    game->group = (uint64_t)game->number;
    game->person = learn_split_key(str_of(game->key));
    if (!rps_is_person(player) || player.len > RPS_NAME_BYTES_MAX)
        return;
    game->person = learn_split_key(player);
    game->seen = seen;
    memcpy(game->player, player.ptr, player.len);
}

static err begin_game(struct reading *r, struct store_rows *rows)
{
    str key = store_col_text(rows, 1);
    if (key.len > RPS_ID_BYTES_MAX)
        return ERR(ERR_CORRUPT, "a game has an id of %zu bytes", key.len);
    r->game = (struct rps_row_game){ .number = store_col_int(rows, 0),
                                     .created_ms = store_col_int(rows, 4) };
    memcpy(r->game.key, key.ptr, key.len);
    str player = store_col_text(rows, 2), group = store_col_text(rows, 14);
    bool is_people = r->query->source != RPS_ROWS_PLAYED;
    r->is_bot = !is_people && is_rule_bot(player);
    r->is_left_out = is_people ? is_held_out(group) != (r->query->source == RPS_ROWS_HELD_OUT)
                               : !is_against_one_of(r->query->policies, store_col_text(rows, 15));
    if (is_people)
        know_imported(&r->game, player, group, store_col_text(rows, 15));
    else
        know_player(&r->game, player, store_col_int(rows, 16));
    r->is_easy = store_col_int(rows, 3) != 0;
    r->round_count = 0;
    return OK;
}

static err read_round(struct reading *r, struct store_rows *rows)
{
    int64_t user = store_col_int(rows, 6), bot = store_col_int(rows, 7);
    int64_t outcome = store_col_int(rows, 8);
    if (r->round_count == RPS_IMPORTED_ROUNDS_MAX || user < 0 || user >= RPS_MOVES || bot < 0 ||
        bot >= RPS_MOVES || outcome < 0 || outcome >= RPS_OUTCOMES)
        return ERR(ERR_CORRUPT, "game %s has a round that nobody can have played", r->game.key);
    r->rounds[r->round_count++] = (struct rps_round){
        .number = store_col_int(rows, 5),
        .user = (uint8_t)user,
        .bot = (uint8_t)bot,
        .outcome = (uint8_t)outcome,
        .user_score = store_col_real(rows, 9),
        .bot_score = store_col_real(rows, 10),
        .points = { { store_col_real(rows, 11), store_col_real(rows, 12),
                      store_col_real(rows, 13) } },
    };
    return OK;
}

#define CHOSEN(origin)                                                                             \
    " FROM rps_games g JOIN rps_rounds r ON r.game_id = g.id WHERE g.is_test = 0 AND "             \
    "g.origin " origin " AND g.created_ms >= ?1 AND r.created_ms <= ?2 AND g.player_name LIKE ?3 " \
    "ESCAPE '\\'"
#define ROUNDS(origin)                                                                           \
    "SELECT g.id, g.key, g.player_name, g.easy_mode, g.created_ms, r.step_no, r.user_move, "     \
    "r.bot_move, r.result, r.user_score, r.bot_score, r.rock_pts, r.paper_pts, r.scissors_pts, " \
    "g.session_id, g.policy, g.person_seen" CHOSEN(                                              \
        origin) " ORDER BY g.created_ms DESC, g.id DESC, r.step_no"
#define COUNTS(origin)                                                                 \
    "SELECT g.policy, COUNT(*), COUNT(CASE WHEN r.created_ms > ?4 THEN 1 END)" CHOSEN( \
        origin) " GROUP BY g.policy"

static struct store_value like_of(const struct rps_rows_query *query)
{
    return sql_text(query->player_like.len ? query->player_like : STR("%"));
}

static err read_games(struct store_read *rd, void *arg)
{
    struct reading *r = arg;
    struct store_rows *rows;
    err e = OK;
    r->game_count = r->row_count = r->round_count = r->turn_count = 0;
    r->game.number = r->bot_games = 0;
    TRY(store_query(
        rd, r->query->source == RPS_ROWS_PLAYED ? ROUNDS("= ''") : ROUNDS("<> ''"),
        ARGS(sql_int(r->query->since_ms), sql_int(r->query->until_ms), like_of(r->query)), &rows));
    while (!e.code && !r->is_full && store_next(rows)) {
        if (store_col_int(rows, 0) != r->game.number) {
            e = take_game(r);
            if (!e.code)
                e = begin_game(r, rows);
        }
        if (!e.code)
            e = read_round(r, rows);
    }
    e = err_first(e, store_rows_close(rows));
    return e.code || r->is_full ? e : take_game(r);
}

/* ------------------------------------------------------------------ in order of time */

static err arrange(struct reading *r, struct rps_rows *ret)
{
    TRY(learn_table_init(&ret->table, RPS_FEATURES, RPS_MOVES, r->row_count));
    ret->games = r->games;
    ret->game_count = r->game_count;
    r->games = NULL;
    ret->turns = r->turns;
    ret->turn_count = r->turn_count;
    r->turns = NULL;
    ret->is_people = r->query->source != RPS_ROWS_PLAYED;
    for (size_t i = 0, j = ret->game_count; i + 1 < j; i++) {
        struct rps_row_game newer = ret->games[i];
        ret->games[i] = ret->games[--j];
        ret->games[j] = newer;
    }
    for (size_t i = 0; i < ret->game_count; i++) {
        struct rps_row_game *g = &ret->games[i];
        size_t from = g->first;
        g->first = ret->table.row_count;
        for (size_t k = 0; k < g->count; k++)
            TRY(learn_table_add(&ret->table, r->rows[from + k], r->labels[from + k], g->group,
                                g->created_ms));
    }
    return OK;
}

err rps_rows_read(struct house *h, const struct rps_rows_query *query, struct rps_rows *ret_rows)
{
    struct reading *r = calloc(1, sizeof *r);
    struct rps_rows rows = { 0 };
    err e = OK;
    if (!r)
        return ERR(ERR_NO_MEMORY, "reading games to learn from");
    r->query = query;
    r->rows = calloc((size_t)query->row_max, sizeof *r->rows);
    r->labels = calloc((size_t)query->row_max, 1);
    if (!r->rows || !r->labels)
        e = ERR(ERR_NO_MEMORY, "%lld rows to learn from: lower MAX_USABLE_ROWS",
                (long long)query->row_max);
    if (!e.code)
        e = store_read(house_store(h), read_games, r);
    if (!e.code && r->row_count)
        e = arrange(r, &rows);
    free(r->games);
    free(r->turns);
    free(r->rows);
    free(r->labels);
    free(r);
    if (e.code) {
        rps_rows_deinit(&rows);
        return e;
    }
    *ret_rows = rows;
    return OK;
}

void rps_rows_deinit(struct rps_rows *rows)
{
    learn_table_deinit(&rows->table);
    free(rows->games);
    free(rows->turns);
    *rows = (struct rps_rows){ 0 };
}

struct counting {
    const struct rps_rows_query *query;
    int64_t after_ms, all, new;
};

static err count_rounds(struct store_read *rd, void *arg)
{
    struct counting *c = arg;
    struct store_rows *rows;
    TRY(store_query(rd, c->query->source == RPS_ROWS_PLAYED ? COUNTS("= ''") : COUNTS("<> ''"),
                    ARGS(sql_int(c->query->since_ms), sql_int(c->query->until_ms),
                         like_of(c->query), sql_int(c->after_ms)),
                    &rows));
    c->all = c->new = 0;
    while (store_next(rows)) {
        if (!is_against_one_of(c->query->policies, store_col_text(rows, 0)))
            continue;
        c->all += store_col_int(rows, 1);
        c->new += store_col_int(rows, 2);
    }
    return store_rows_close(rows);
}

err rps_rounds_count(struct house *h, const struct rps_rows_query *query, int64_t after_ms,
                     int64_t *ret_all, int64_t *ret_new)
{
    struct counting c = { .query = query, .after_ms = after_ms };
    TRY(store_read(house_store(h), count_rounds, &c));
    *ret_all = c.all;
    *ret_new = c.new;
    return OK;
}

/* ------------------------------------------------------------------ as text */

void rps_rows_csv(const struct rps_rows *rows, struct buf *out)
{
    buf_add_cstr(out, "game_id,step_no");
    for (size_t f = 0; f < RPS_FEATURES; f++)
        buf_add_fmt(out, ",%s", rps_feature_name(f));
    buf_add_cstr(out, ",user_move\n");
    for (size_t i = 0; i < rows->game_count; i++) {
        const struct rps_row_game *g = &rows->games[i];
        for (size_t k = g->first; k < g->first + g->count; k++) {
            const double *x = learn_table_row(&rows->table, k);
            buf_add_fmt(out, "%s,%d", g->key, (int)x[48]);
            for (size_t f = 0; f < RPS_FEATURES; f++)
                buf_add_fmt(out, ",%.17g", x[f]);
            buf_add_fmt(out, ",%s\n", rps_move_name(rows->table.labels[k]));
        }
    }
}
