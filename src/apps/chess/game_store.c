/* SPDX-License-Identifier: GPL-3.0-or-later */
/* game_store.c -- rows of games, and the pack behind each. */
#include "apps/chess/game_store.h"

#include <string.h>

#include "apps/chess/dataset_file.h"
#include "engine/chess/pack.h"

enum { ARGS_MAX = 24, SQL_BYTES_MAX = 8192 };

#define SELECT_GAME                                                                             \
    "SELECT g.key, g.platform, g.external_id, w.name, b.name, g.white_rating, g.black_rating, " \
    "g.white_title, g.black_title, g.result, g.rated, g.speed, g.time_control, g.date, "        \
    "g.start_ms, g.end_ms, g.eco, o.name, g.plies, g.flags, p.blob, g.pack_index "              \
    "FROM chess_games g JOIN chess_players w ON w.id = g.white_id "                             \
    "JOIN chess_players b ON b.id = g.black_id JOIN chess_packs p ON p.id = g.pack_id "         \
    "LEFT JOIN chess_openings o ON o.id = g.opening_id "

/* The row the result stands on. Texts live in keep. */
static err stored_game_of(struct store_rows *rows, arena *keep, struct stored_game *ret_game)
{
    struct stored_game g = {
        .platform = (enum chess_platform)store_col_int(rows, 1),
        .external_id = store_col_text_keep(rows, 2, keep),
        .white = store_col_text_keep(rows, 3, keep),
        .black = store_col_text_keep(rows, 4, keep),
        .white_rating = store_col_int(rows, 5),
        .black_rating = store_col_int(rows, 6),
        .white_title = store_col_text_keep(rows, 7, keep),
        .black_title = store_col_text_keep(rows, 8, keep),
        .result = (enum chess_result)store_col_int(rows, 9),
        .rated = store_col_is_null(rows, 10) ? -1 : (int)store_col_int(rows, 10),
        .speed = (enum chess_speed)store_col_int(rows, 11),
        .time_control = store_col_text_keep(rows, 12, keep),
        .date = (uint32_t)store_col_int(rows, 13),
        .has_time = !store_col_is_null(rows, 15),
        .start_ms = store_col_int(rows, 14),
        .end_ms = store_col_int(rows, 15),
        .eco = store_col_is_null(rows, 16) ? CHESS_ECO_NONE : (uint16_t)store_col_int(rows, 16),
        .opening = store_col_text_keep(rows, 17, keep),
        .plies = store_col_int(rows, 18),
        .flags = (int)store_col_int(rows, 19),
        .pack_index = (uint32_t)store_col_int(rows, 21),
    };
    str key = store_col_blob(rows, 0);
    if (key.len != GAME_KEY_BYTES)
        return ERR(ERR_CORRUPT, "a stored game has a key of %zu bytes", key.len);
    memcpy(g.key, key.ptr, GAME_KEY_BYTES);
    TRY(blob_id_parse(store_col_text(rows, 20), &g.pack));
    TRY(arena_check(keep));
    *ret_game = g;
    return OK;
}

/* ------------------------------------------------------------------ one game */

struct getting {
    str key;
    arena *keep;
    struct stored_game game;
    bool found;
};

static err get_one(struct store_read *rd, void *arg)
{
    struct getting *g = arg;
    struct store_rows *rows;
    err e = OK;
    TRY(store_query(rd, SELECT_GAME "WHERE g.key = ?1", ARGS(sql_blob(g->key)), &rows));
    g->found = store_next(rows);
    if (g->found)
        e = stored_game_of(rows, g->keep, &g->game);
    return err_first(e, store_rows_close(rows));
}

err stored_game_get(struct store *store, const uint8_t key[GAME_KEY_BYTES], arena *keep,
                    struct stored_game *ret_game)
{
    struct getting g = { .key = str_from(key, GAME_KEY_BYTES), .keep = keep };
    TRY(store_read(store, get_one, &g));
    if (!g.found) {
        char id[UUID_BYTES];
        game_id_write(key, id);
        return ERR(ERR_NOT_FOUND, "there is no game '%s'", id);
    }
    *ret_game = g.game;
    return OK;
}

static void unmap(void *arg)
{
    blob_unmap(arg);
}

err stored_game_read(struct blobs *blobs, const struct stored_game *game, arena *keep,
                     struct pgn_game *ret_game)
{
    struct blob_map *map = NEW(keep, struct blob_map);
    ARENA_TRY(map);
    TRY(blob_map(blobs, &game->pack, map));
    err e = arena_on_reset(keep, unmap, map);
    if (e.code) {
        blob_unmap(map);
        return e;
    }
    str packed;
    TRY(pack_game(str_from(map->bytes, map->count), game->pack_index, &packed));
    return pack_game_read(packed, keep, ret_game);
}

/* ------------------------------------------------------------------ as JSON */

static void write_opt_int(struct json_out *w, const char *key, int64_t value)
{
    json_key(w, key);
    if (value)
        json_out_int(w, value);
    else
        json_out_null(w);
}

static void write_opt_str(struct json_out *w, const char *key, str value)
{
    json_key(w, key);
    if (value.len)
        json_out_str(w, value);
    else
        json_out_null(w);
}

/* Where people can look at the game. */
static void write_url(const struct stored_game *g, struct json_out *w)
{
    json_key(w, "url");
    if (g->platform == CHESS_LICHESS && g->external_id.len) {
        json_out_fmt(w, "https://lichess.org/%.*s", STR_ARG(g->external_id));
    } else if (g->platform == CHESS_CHESSCOM && g->external_id.len) {
        str number = g->external_id;
        str kind = str_split(&number, '/');
        json_out_fmt(w, "https://www.chess.com/%.*s/game/%.*s", STR_ARG(kind), STR_ARG(number));
    } else {
        json_out_null(w);
    }
}

void stored_game_write(const struct stored_game *g, struct json_out *w)
{
    char id[UUID_BYTES], eco[4];
    game_id_write(g->key, id);
    chess_eco_write(g->eco, eco);
    json_kv_cstr(w, "id", id);
    json_kv_cstr(w, "platform", chess_platform_name(g->platform));
    write_opt_str(w, "externalId", g->external_id);
    json_kv_str(w, "white", g->white);
    json_kv_str(w, "black", g->black);
    write_opt_int(w, "whiteRating", g->white_rating);
    write_opt_int(w, "blackRating", g->black_rating);
    write_opt_str(w, "whiteTitle", g->white_title);
    write_opt_str(w, "blackTitle", g->black_title);
    json_kv_cstr(w, "result", chess_result_name(g->result));
    json_kv_cstr(w, "winner", chess_winner_name(g->result));
    json_key(w, "rated");
    if (g->rated < 0)
        json_out_null(w);
    else
        json_out_bool(w, g->rated);
    write_opt_str(w, "timeControl", g->time_control);
    json_kv_cstr(w, "timeCategory", chess_speed_name(g->speed));
    json_key(w, "date");
    if (g->date)
        json_out_fmt(w, "%04u-%02u-%02u", g->date / 10000, g->date / 100 % 100, g->date % 100);
    else
        json_out_null(w);
    json_kv_time_ms(w, "startTime", g->has_time ? g->start_ms : 0);
    json_kv_time_ms(w, "endTime", g->has_time ? g->end_ms : 0);
    write_opt_str(w, "eco", str_of(eco));
    write_opt_str(w, "opening", g->opening);
    json_kv_int(w, "moveCount", (g->plies + 1) / 2);
    json_kv_int(w, "plies", g->plies);
    write_url(g, w);
}

/* ------------------------------------------------------------------ lists */

err eco_range(str text, int *ret_first, int *ret_last)
{
    static const int width[] = { 0, 100, 10, 1 };
    bool good = text.len >= 1 && text.len <= 3 && text.ptr[0] >= 'A' && text.ptr[0] <= 'E';
    int first = good ? (text.ptr[0] - 'A') * 100 : 0;
    for (size_t i = 1; good && i < text.len; i++) {
        good = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        first += (text.ptr[i] - '0') * (i == 1 ? 10 : 1);
    }
    if (!good)
        return ERR(ERR_INVALID,
                   "'%.*s' is not an opening code: use A00 to E99, or its beginning (B, B2)",
                   STR_ARG(str_sub(text, 0, 20)));
    *ret_first = first;
    *ret_last = first + width[text.len] - 1;
    return OK;
}

struct listing {
    const struct game_query *query;
    arena *keep;
    struct buf sql;
    struct store_value values[ARGS_MAX];
    size_t value_count;
    struct stored_game *games;
    size_t count;
};

static void add_value(struct listing *l, struct store_value value)
{
    l->values[l->value_count++] = value;
    buf_add_fmt(&l->sql, "?%zu", l->value_count);
}

static void add_player(struct listing *l, const char *column, str name)
{
    buf_add_fmt(&l->sql, " AND g.%s IN (SELECT id FROM chess_players WHERE name_key = ", column);
    add_value(l, sql_text(name));
    buf_add_cstr(&l->sql, ")");
}

static void add_int(struct listing *l, const char *condition, int64_t value)
{
    buf_add_fmt(&l->sql, " AND g.%s ", condition);
    add_value(l, sql_int(value));
}

/* One side of the board: games in which the player had this colour. */
static err add_side(struct listing *l, enum chess_color color)
{
    const struct game_query *q = l->query;
    int eco_first, eco_last;
    buf_add_cstr(&l->sql, SELECT_GAME "WHERE 1 = 1");
    if (q->player.len)
        add_player(l, color == CHESS_WHITE ? "white_id" : "black_id", q->player);
    if (q->opponent.len)
        add_player(l, color == CHESS_WHITE ? "black_id" : "white_id", q->opponent);
    if (q->result != CHESS_RESULT_UNKNOWN)
        add_int(l, "result =", q->result);
    if (q->has_outcome) {
        bool white_wins = (q->outcome > 0) == (color == CHESS_WHITE);
        add_int(l, "result =",
                q->outcome == 0 ? CHESS_DRAW
                : white_wins    ? CHESS_WHITE_WIN
                                : CHESS_BLACK_WIN);
    }
    if (q->has_since)
        add_int(l, "end_ms >=", q->since_ms);
    if (q->has_until)
        add_int(l, "end_ms <", q->until_ms);
    if (q->has_speed)
        add_int(l, "speed =", q->speed);
    if (q->eco.len) {
        TRY(eco_range(q->eco, &eco_first, &eco_last));
        add_int(l, "eco >=", eco_first);
        add_int(l, "eco <=", eco_last);
    }
    return OK;
}

static err list_build(struct listing *l)
{
    const struct game_query *q = l->query;
    bool both = q->player.len && !q->has_color;
    TRY(add_side(l, q->has_color ? q->color : CHESS_WHITE));
    if (both) {
        /* Two index walks and a merge; somebody who plays himself still appears once. */
        buf_add_cstr(&l->sql, " UNION ");
        TRY(add_side(l, CHESS_BLACK));
        buf_add_cstr(&l->sql, " ORDER BY 16 DESC NULLS LAST, 1 LIMIT ");
    } else {
        buf_add_cstr(&l->sql, " ORDER BY g.end_ms DESC NULLS LAST, g.id DESC LIMIT ");
    }
    add_value(l, sql_int(q->limit));
    buf_add_cstr(&l->sql, " OFFSET ");
    add_value(l, sql_int(q->offset));
    return buf_check(&l->sql);
}

static err list_read(struct store_read *rd, void *arg)
{
    struct listing *l = arg;
    struct store_rows *rows;
    err e = OK;
    l->count = 0;
    TRY(store_query_dynamic(rd, buf_str(&l->sql), (struct store_args){ l->values, l->value_count },
                            &rows));
    while (!e.code && l->count < (size_t)l->query->limit && store_next(rows))
        e = stored_game_of(rows, l->keep, &l->games[l->count++]);
    return err_first(e, store_rows_close(rows));
}

static str lower_text(arena *keep, str s)
{
    str out = arena_str(keep, s);
    char *text = (char *)(uintptr_t)out.ptr; /* our own copy */
    for (size_t i = 0; i < out.len; i++)
        text[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    return out;
}

err stored_game_list(struct store *store, const struct game_query *query, arena *keep,
                     struct stored_game **ret_games, size_t *ret_count)
{
    struct game_query q = *query;
    struct listing l = { .query = &q, .keep = keep };
    q.player = lower_text(keep, query->player);
    q.opponent = lower_text(keep, query->opponent);
    l.games = NEW_ARRAY(keep, struct stored_game, (size_t)q.limit);
    TRY(arena_check(keep));
    buf_init(&l.sql, SQL_BYTES_MAX);
    err e = list_build(&l);
    if (!e.code)
        e = store_read(store, list_read, &l);
    buf_deinit(&l.sql);
    if (e.code)
        return e;
    *ret_games = l.games;
    *ret_count = l.count;
    return OK;
}
