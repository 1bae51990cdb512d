/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_select.c -- SQL around a filter: count, borders, pages, packs. */
#include "apps/chess/dataset_select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/chess/game_record.h"

enum { SQL_BYTES_MAX = 32 * 1024 };

/* The filter's values come first, so that its text is the same in every statement. */
static err statement(struct game_selection *s, struct buf *sql, const char *before,
                     const char *after)
{
    buf_init(sql, SQL_BYTES_MAX);
    buf_add_cstr(sql, before);
    buf_add(sql, buf_str(&s->where));
    buf_add_cstr(sql, after);
    return buf_check(sql);
}

/* The filter's values and, behind them, those of the statement itself. */
static size_t add_values(const struct game_selection *s, struct store_value *all,
                         const struct store_value *own, size_t own_count)
{
    size_t count = 0;
    for (size_t i = 0; i < s->value_count && i < ROW_FILTER_ARGS_MAX; i++)
        all[count++] = s->values[i];
    for (size_t i = 0; i < own_count; i++)
        all[count++] = own[i];
    return count;
}

/* ------------------------------------------------------------------ opening */

struct opening {
    struct game_selection *s;
    struct split_plan *plan;
};

static err find_players(struct store_read *rd, struct game_selection *s)
{
    struct store_rows *rows;
    if (!s->filter->player.len)
        return OK;
    s->player_count = 0;
    TRY(store_query(rd, "SELECT id FROM chess_players WHERE name_key = ?1 LIMIT 16",
                    ARGS(sql_text(s->filter->player)), &rows));
    while (s->player_count < SELECT_PLAYERS_MAX && store_next(rows))
        s->players[s->player_count++] = store_col_int(rows, 0);
    return store_rows_close(rows);
}

static err get_ints(struct store_read *rd, struct game_selection *s, const char *before,
                    const char *after, struct store_value value, int64_t *ret, int columns)
{
    struct store_value values[ROW_FILTER_ARGS_MAX + 4];
    struct buf sql;
    struct store_rows *rows;
    size_t count = add_values(s, values, &value, 1);
    err e = statement(s, &sql, before, after);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), (struct store_args){ values, count }, &rows);
    buf_deinit(&sql);
    if (e.code)
        return e;
    if (store_next(rows)) {
        for (int i = 0; i < columns; i++)
            ret[i] = store_col_int(rows, i);
    }
    return store_rows_close(rows);
}

/* The end of the game that stands at this share of all games, oldest first. */
static err border(struct store_read *rd, struct game_selection *s, double share, int64_t *ret_ms)
{
    char after[128];
    int64_t dated = s->games - s->no_date;
    int64_t offset = (int64_t)(share * (double)dated);
    *ret_ms = INT64_MAX;
    if (offset >= dated)
        return OK;
    snprintf(after, sizeof after,
             " AND g.end_ms IS NOT NULL AND g.id <= ?%zu ORDER BY g.end_ms LIMIT 1 OFFSET %lld",
             s->value_count + 1, (long long)offset);
    return get_ints(rd, s, "SELECT g.end_ms FROM chess_games g WHERE 1 = 1", after,
                    sql_int(s->max_id), ret_ms, 1);
}

static err open_read(struct store_read *rd, void *arg)
{
    struct opening *o = arg;
    struct game_selection *s = o->s;
    int64_t counts[2] = { 0, 0 };
    char after[64];
    TRY(find_players(rd, s));
    TRY(store_get_int(rd, "SELECT COALESCE(max(id), 0) FROM chess_games", NO_ARGS, &s->max_id));
    snprintf(after, sizeof after, " AND g.id <= ?%zu", s->value_count + 1);
    TRY(get_ints(rd, s,
                 "SELECT count(*), count(*) - count(g.end_ms) FROM chess_games g WHERE 1 = 1",
                 after, sql_int(s->max_id), counts, 2));
    s->games = counts[0];
    s->no_date = counts[1];
    if (o->plan->by_time) {
        double train = o->plan->share[CHESS_TRAIN];
        TRY(border(rd, s, train, &o->plan->valid_from_ms));
        TRY(border(rd, s, train + o->plan->share[CHESS_VALID], &o->plan->test_from_ms));
    }
    return OK;
}

err game_selection_open(struct store *store, const struct row_filter *filter,
                        struct split_plan *plan, struct game_selection *ret_selection)
{
    struct game_selection s = { .store = store, .filter = filter };
    buf_init(&s.where, SQL_BYTES_MAX / 2);
    s.page = calloc(SELECT_PAGE_GAMES, sizeof *s.page);
    err e = s.page ? OK : ERR(ERR_NO_MEMORY, "selecting games: out of memory");
    if (!e.code)
        e = row_filter_sql(filter, &s.where, s.values, &s.value_count);
    if (!e.code)
        e = store_read(store, open_read, &(struct opening){ &s, plan });
    if (e.code) {
        game_selection_close(&s);
        return e;
    }
    *ret_selection = s;
    return OK;
}

void game_selection_close(struct game_selection *s)
{
    buf_deinit(&s->where);
    free(s->page);
    memset(s, 0, sizeof *s);
}

void game_selection_rewind(struct game_selection *s)
{
    s->last_id = 0;
    s->page_count = 0;
}

/* ------------------------------------------------------------------ pages */

static int player_color(const struct game_selection *s, int64_t white_id, int64_t black_id)
{
    for (size_t i = 0; i < s->player_count; i++) {
        if (s->players[i] == white_id && s->filter->color != CHESS_BLACK)
            return CHESS_WHITE;
        if (s->players[i] == black_id && s->filter->color != CHESS_WHITE)
            return CHESS_BLACK;
    }
    return -1;
}

static err selected_of(const struct game_selection *s, struct store_rows *rows,
                       struct selected_game *ret_game)
{
    str key = store_col_blob(rows, 1);
    struct selected_game g = {
        .id = store_col_int(rows, 0),
        .pack_id = store_col_int(rows, 2),
        .pack_index = (uint32_t)store_col_int(rows, 3),
        .player_color = player_color(s, store_col_int(rows, 5), store_col_int(rows, 6)),
        .has_time = !store_col_is_null(rows, 14),
        .end_ms = store_col_int(rows, 14),
        .moves_hash = (uint64_t)store_col_int(rows, 17),
        .game = {
            .white_rating = (uint16_t)store_col_int(rows, 7),
            .black_rating = (uint16_t)store_col_int(rows, 8),
            .result = (uint8_t)store_col_int(rows, 9),
            .speed = (uint8_t)store_col_int(rows, 10),
            .initial_s = store_col_is_null(rows, 11) ? -1 : (int32_t)store_col_int(rows, 11),
            .increment_s = (uint16_t)store_col_int(rows, 12),
            .date = (uint32_t)store_col_int(rows, 13),
            .eco = store_col_is_null(rows, 15) ? CHESS_ECO_NONE : (uint16_t)store_col_int(rows, 15),
            .platform = (uint8_t)store_col_int(rows, 16),
        },
    };
    if (key.len != GAME_KEY_BYTES)
        return ERR(ERR_CORRUPT, "stored game %lld has a key of %zu bytes", (long long)g.id,
                   key.len);
    memcpy(g.game.key, key.ptr, GAME_KEY_BYTES);
    TRY(blob_id_parse(store_col_text(rows, 4), &g.pack));
    *ret_game = g;
    return OK;
}

static err page_read(struct store_read *rd, void *arg)
{
    struct game_selection *s = arg;
    struct store_value values[ROW_FILTER_ARGS_MAX + 4];
    struct store_rows *rows;
    struct buf sql;
    char after[128];
    const struct store_value own[] = { sql_int(s->last_id), sql_int(s->max_id) };
    size_t count = add_values(s, values, own, COUNT_OF(own));
    snprintf(after, sizeof after, " AND g.id > ?%zu AND g.id <= ?%zu ORDER BY g.id LIMIT %d",
             count - 1, count, SELECT_PAGE_GAMES);
    err e = statement(
        s, &sql,
        "SELECT g.id, g.key, g.pack_id, g.pack_index, k.blob, g.white_id, g.black_id, "
        "g.white_rating, g.black_rating, g.result, g.speed, g.initial_s, g.increment_s, "
        "g.date, g.end_ms, g.eco, g.platform, g.moves_hash "
        "FROM chess_games g JOIN chess_packs k ON k.id = g.pack_id WHERE 1 = 1",
        after);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), (struct store_args){ values, count }, &rows);
    buf_deinit(&sql);
    if (e.code)
        return e;
    s->page_count = 0;
    while (!e.code && s->page_count < SELECT_PAGE_GAMES && store_next(rows)) {
        e = selected_of(s, rows, &s->page[s->page_count]);
        s->page_count++;
    }
    return err_first(e, store_rows_close(rows));
}

err game_selection_next(struct game_selection *s)
{
    TRY(store_read(s->store, page_read, s));
    if (s->page_count)
        s->last_id = s->page[s->page_count - 1].id;
    return OK;
}

/* ------------------------------------------------------------------ packs */

struct packs {
    struct game_selection *s;
    arena *keep;
    struct blob_id *ids;
    size_t count;
};

static err packs_read(struct store_read *rd, void *arg)
{
    struct packs *p = arg;
    struct store_value values[ROW_FILTER_ARGS_MAX + 4];
    struct store_rows *rows;
    struct buf sql;
    char after[64];
    int64_t packs = 0;
    TRY(store_get_int(rd, "SELECT count(*) FROM chess_packs", NO_ARGS, &packs));
    p->ids = NEW_ARRAY(p->keep, struct blob_id, (size_t)packs + 1);
    ARENA_TRY(p->ids);
    p->count = 0;
    const struct store_value own = sql_int(p->s->max_id);
    size_t count = add_values(p->s, values, &own, 1);
    snprintf(after, sizeof after, " AND g.id <= ?%zu) ORDER BY k.id", count);
    err e = statement(p->s, &sql,
                      "SELECT k.blob FROM chess_packs k WHERE k.id IN "
                      "(SELECT g.pack_id FROM chess_games g WHERE 1 = 1",
                      after);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), (struct store_args){ values, count }, &rows);
    buf_deinit(&sql);
    if (e.code)
        return e;
    while (!e.code && p->count < (size_t)packs && store_next(rows))
        e = blob_id_parse(store_col_text(rows, 0), &p->ids[p->count++]);
    return err_first(e, store_rows_close(rows));
}

err game_selection_packs(struct game_selection *s, arena *keep, struct blob_id **ret_packs,
                         size_t *ret_count)
{
    struct packs p = { .s = s, .keep = keep };
    TRY(store_read(s->store, packs_read, &p));
    *ret_packs = p.ids;
    *ret_count = p.count;
    return OK;
}
