/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_export.c -- a dataset as people read it: a page of rows, or all of it as CSV, NDJSON or
 * PGN.
 *
 * An export is pulled piece by piece by the connection that sends it: whatever its size, it takes
 * one buffer. CSV and NDJSON have a line for each position; PGN has the games the positions come
 * from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/dataset_filter.h"
#include "apps/chess/game_record.h"
#include "apps/chess/game_store.h"
#include "base/clock.h"

enum {
    PIECE_BYTES = 64 * 1024,
    PIECE_BYTES_MAX = 8 * 1024 * 1024, /* a piece and the longest game as PGN */
    GAME_ARENA_BYTES = 16 * 1024 * 1024,
};

/* ------------------------------------------------------------------ a row as text */

struct row_text {
    char id[UUID_BYTES], fen[CHESS_FEN_BYTES], uci[CHESS_UCI_BYTES], eco[4];
    char time_control[32], date[16];
    const char *color, *result, *category, *split;
    int white_rating, black_rating; /* 0: unknown */
    int64_t ply, clock_ms;          /* -1: unknown */
    bool has_eval;
    int eval_cp;
};

static void time_control_write(const struct chess_row_game *g, char out[32])
{
    out[0] = '\0';
    if (g->initial_s >= 0 && g->speed == CHESS_CORRESPONDENCE)
        snprintf(out, 32, "1/%d", (int)g->initial_s);
    else if (g->initial_s >= 0)
        snprintf(out, 32, "%d+%u", (int)g->initial_s, g->increment_s);
}

static void row_text_of(const struct chess_row *row, const struct chess_row_game *g,
                        struct row_text *t)
{
    const struct chess_sample *s = &row->sample;
    game_id_write(g->key, t->id);
    chess_fen_write(&s->position, t->fen);
    chess_uci_write(&s->position, s->move, t->uci);
    chess_eco_write(g->eco, t->eco);
    time_control_write(g, t->time_control);
    t->date[0] = '\0';
    if (g->date)
        snprintf(t->date, sizeof t->date, "%04u-%02u-%02u", g->date / 10000 % 10000,
                 g->date / 100 % 100, g->date % 100);
    t->color = s->position.turn == CHESS_WHITE ? "white" : "black";
    t->result = chess_winner_name((enum chess_result)g->result);
    t->category = chess_speed_name((enum chess_speed)g->speed);
    t->split = g->split < CHESS_SPLIT_COUNT ? chess_split_name((enum chess_split)g->split) : "";
    t->white_rating = g->white_rating;
    t->black_rating = g->black_rating;
    t->ply = s->ply;
    t->clock_ms = row->clock_cs == PGN_CLOCK_NONE ? -1 : (int64_t)row->clock_cs * 10;
    t->has_eval = row->eval_cp != PGN_EVAL_NONE;
    t->eval_cp = row->eval_cp;
}

static void kv_text(struct json_out *w, const char *key, const char *value)
{
    json_kv_cstr(w, key, value && value[0] ? value : NULL);
}

static void kv_known(struct json_out *w, const char *key, int64_t value, bool known)
{
    json_key(w, key);
    if (known)
        json_out_int(w, value);
    else
        json_out_null(w);
}

static void row_json(const struct row_text *t, struct json_out *w)
{
    json_object_begin(w);
    json_kv_cstr(w, "game_id", t->id);
    json_kv_int(w, "ply", t->ply);
    json_kv_cstr(w, "fen", t->fen);
    json_kv_cstr(w, "uci", t->uci);
    json_kv_cstr(w, "color", t->color);
    kv_text(w, "result", t->result);
    kv_text(w, "time_control", t->time_control);
    json_kv_cstr(w, "time_category", t->category);
    kv_known(w, "white_rating", t->white_rating, t->white_rating);
    kv_known(w, "black_rating", t->black_rating, t->black_rating);
    kv_text(w, "eco", t->eco);
    kv_known(w, "clock_ms", t->clock_ms, t->clock_ms >= 0);
    kv_known(w, "eval_cp", t->eval_cp, t->has_eval);
    kv_text(w, "date", t->date);
    json_kv_cstr(w, "split", t->split);
    json_object_end(w);
}

static const char csv_head[] =
    "game_id,ply,fen,uci,color,result,time_control,time_category,white_rating,"
    "black_rating,eco,clock_ms,eval_cp,date,split\n";

static void csv_known(struct buf *out, int64_t value, bool known)
{
    if (known)
        buf_add_i64(out, value);
    buf_add_char(out, ',');
}

/* No value of ours holds a comma, a quote or a line end, so none needs quoting. */
static void row_csv(const struct row_text *t, struct buf *out)
{
    buf_add_fmt(out, "%s,%lld,%s,%s,%s,%s,%s,%s,", t->id, (long long)t->ply, t->fen, t->uci,
                t->color, t->result ? t->result : "", t->time_control, t->category);
    csv_known(out, t->white_rating, t->white_rating);
    csv_known(out, t->black_rating, t->black_rating);
    buf_add_fmt(out, "%s,", t->eco);
    csv_known(out, t->clock_ms, t->clock_ms >= 0);
    csv_known(out, t->eval_cp, t->has_eval);
    buf_add_fmt(out, "%s,%s\n", t->date, t->split);
}

/* ------------------------------------------------------------------ check and sample */

err dataset_check(struct house *h, const struct json *filter, const struct json *split)
{
    struct row_filter f;
    struct split_plan plan;
    arena scratch;
    arena_init(&scratch, 64 * 1024);
    err e = row_filter_parse(filter, &scratch, &f);
    arena_deinit(&scratch);
    return e.code ? e : split_plan_parse(split, &plan);
}

err dataset_sample(struct house *h, const struct dataset_info *info, int64_t cursor, int64_t limit,
                   struct json_out *out)
{
    struct chess_dataset *ds;
    TRY(chess_dataset_open(house_blobs(h), info, &ds));
    size_t index = (size_t)cursor;
    int64_t left = limit;
    for (int split = 0; split < CHESS_SPLIT_COUNT && left > 0; split++) {
        size_t rows = chess_dataset_rows(ds, (enum chess_split)split);
        for (; index < rows && left > 0; index++, left--) {
            struct chess_row row;
            struct chess_row_game game;
            struct row_text text;
            chess_dataset_row(ds, (enum chess_split)split, index, &row);
            if (row.sample.game >= chess_dataset_games(ds))
                break; /* a damaged row has no game to tell about */
            chess_dataset_game(ds, row.sample.game, &game);
            row_text_of(&row, &game, &text);
            row_json(&text, out);
        }
        index -= index < rows ? index : rows;
    }
    chess_dataset_close(ds);
    return OK;
}

/* ------------------------------------------------------------------ export */

enum export_format { EXPORT_CSV, EXPORT_NDJSON, EXPORT_PGN };
static const char *const format_names[] = { "csv", "ndjson", "pgn" };
static const char *const format_types[] = { "text/csv; charset=utf-8", "application/x-ndjson",
                                            "application/x-chess-pgn" };

struct export
{
    struct house *house;
    struct chess_dataset *ds;
    enum export_format format;
    int split, split_end; /* of rows: the one at hand, one past the last */
    size_t index;         /* of the next row in the split, or of the next game */
    struct buf piece;
    size_t sent; /* of piece */
    arena game;
    int64_t started_ns, count;
};

static err pgn_next_game(struct export *x)
{
    struct chess_row_game g;
    struct stored_game stored;
    size_t index = x->index++;
    chess_dataset_game(x->ds, index, &g);
    if (g.split < x->split || g.split >= x->split_end)
        return OK;
    arena_reset(&x->game);
    struct pgn_game *moves = NEW(&x->game, struct pgn_game);
    ARENA_TRY(moves);
    TRY(stored_game_get(house_store(x->house), g.key, &x->game, &stored));
    TRY(stored_game_read(house_blobs(x->house), &stored, &x->game, moves));
    TRY(pgn_write(moves, &x->piece));
    buf_add_char(&x->piece, '\n'); /* readers find the next game behind an empty line */
    x->count++;
    return OK;
}

/* False at the end of the rows. */
static bool next_row(struct export *x)
{
    while (x->split < x->split_end &&
           x->index >= chess_dataset_rows(x->ds, (enum chess_split)x->split)) {
        x->split++;
        x->index = 0;
    }
    if (x->split >= x->split_end)
        return false;
    struct chess_row row;
    struct chess_row_game game;
    struct row_text text;
    chess_dataset_row(x->ds, (enum chess_split)x->split, x->index++, &row);
    if (row.sample.game >= chess_dataset_games(x->ds))
        return true;
    chess_dataset_game(x->ds, row.sample.game, &game);
    row_text_of(&row, &game, &text);
    if (x->format == EXPORT_CSV) {
        row_csv(&text, &x->piece);
    } else {
        struct json_out w;
        json_out_init(&w, &x->piece);
        row_json(&text, &w);
        buf_add_char(&x->piece, '\n');
    }
    x->count++;
    return true;
}

/* Fills the next piece; false when there is no more. */
static bool fill(struct export *x)
{
    buf_clear(&x->piece);
    x->sent = 0;
    while (x->piece.len < PIECE_BYTES) {
        if (x->format != EXPORT_PGN) {
            if (!next_row(x))
                break;
            continue;
        }
        if (x->index >= chess_dataset_games(x->ds))
            break;
        size_t before = x->piece.len;
        err e = pgn_next_game(x);
        if (e.code) {
            /* The others are still good; that one is missing is told where operators look. */
            struct log_labels labels = { .component = STR("dataset") };
            x->piece.len = before;
            log_error(house_log(x->house), &labels, "dataset.export_game_failed", &e);
        }
    }
    return x->piece.len > 0;
}

static ptrdiff_t export_pull(void *arg, char *out, size_t max)
{
    struct export *x = arg;
    if (x->sent == x->piece.len && !fill(x))
        return -1;
    size_t count = x->piece.len - x->sent;
    if (count > max)
        count = max;
    memcpy(out, x->piece.ptr + x->sent, count);
    x->sent += count;
    return (ptrdiff_t)count;
}

static void export_done(void *arg)
{
    struct export *x = arg;
    str format = str_of(format_names[x->format]);
    struct metrics *m = house_metrics(x->house);
    metric_observe(CHESS_CELL(m, CHESS_M_DATASET_EXPORT_DURATION, format),
                   (double)(clock_mono_ns() - x->started_ns) / 1e9);
    metric_add(CHESS_CELL(m, CHESS_M_DATASET_EXPORT_ROWS, format), (double)x->count);
    chess_dataset_close(x->ds);
    buf_deinit(&x->piece);
    arena_deinit(&x->game);
    free(x);
}

static err format_parse(str text, enum export_format *ret_format)
{
    for (size_t i = 0; i < COUNT_OF(format_names); i++) {
        if (str_eq(text, str_of(format_names[i]))) {
            *ret_format = (enum export_format)i;
            return OK;
        }
    }
    if (str_eq(text, STR("parquet")))
        return ERR(ERR_INVALID, "this build writes no parquet: take csv or ndjson and convert it");
    return ERR(ERR_INVALID, "format '%.*s' is not known: use csv, ndjson or pgn",
               STR_ARG(str_sub(text, 0, 40)));
}

err dataset_export_open(struct house *h, const struct dataset_info *info, str format, str split,
                        struct http_stream *ret_stream, const char **ret_content_type)
{
    enum export_format f = EXPORT_CSV;
    enum chess_split one = CHESS_TRAIN;
    struct chess_dataset *ds;
    TRY(format_parse(format, &f));
    if (split.len)
        TRY(chess_split_parse(split, &one));
    TRY(chess_dataset_open(house_blobs(h), info, &ds));
    struct export *x = calloc(1, sizeof *x);
    if (!x) {
        chess_dataset_close(ds);
        return ERR(ERR_NO_MEMORY, "exporting: out of memory");
    }
    *x = (struct export){
        .house = h,
        .ds = ds,
        .format = f,
        .split = split.len ? (int)one : 0,
        .split_end = split.len ? (int)one + 1 : CHESS_SPLIT_COUNT,
        .started_ns = clock_mono_ns(),
    };
    buf_init(&x->piece, PIECE_BYTES_MAX);
    arena_init(&x->game, GAME_ARENA_BYTES);
    if (f == EXPORT_CSV)
        buf_add_cstr(&x->piece, csv_head);
    *ret_stream = (struct http_stream){ .pull = export_pull, .done = export_done, .arg = x };
    *ret_content_type = format_types[f];
    return OK;
}
