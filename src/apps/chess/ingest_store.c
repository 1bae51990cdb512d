/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_store.c -- the transaction that stores a batch of games. */
#include "apps/chess/ingest_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/chess/dataset_file.h"
#include "base/clock.h"

enum {
    PACK_BYTES_MAX = INGEST_BATCH_BYTES + 2 * 1024 * 1024,
    /* 50,000 names are about 4 MiB. A monthly dump has a million players, of whom the busy ones
     * come again within minutes; the rest costs a look-up in an index. */
    NAMES_MAX = 50000,
    NAMES_BYTES_MAX = 16 * 1024 * 1024,
    NAME_KEY_BYTES_MAX = 512,
    OPENING_KEY_BYTES_MAX = 4200, /* a tag is at most 4096 */
    INGEST_CHUNK = 128,           /* rows asked for, or names added, in one statement */
};

static const char game_columns[] =
    "key, pack_id, pack_index, platform, external_id, white_id, black_id, white_rating, "
    "black_rating, "
    "white_title, black_title, result, rated, speed, time_control, initial_s, increment_s, date, "
    "start_ms, end_ms, eco, opening_id, plies, flags, moves_hash";

/* ------------------------------------------------------------------ life cycle */

static err cursor_load(struct ingest_store *s)
{
    str text = job_cursor(s->job);
    if (!text.len)
        return OK;
    arena scratch;
    arena_init(&scratch, 64 * 1024);
    const struct json *root;
    err e = json_parse(&scratch, text, &root);
    if (!e.code) {
        s->counts = (struct ingest_counts){
            .ordinal = (uint64_t)json_int(json_get(root, "ordinal"), 0),
            .games = json_int(json_get(root, "games"), 0),
            .duplicates = json_int(json_get(root, "duplicates"), 0),
            .plies = json_int(json_get(root, "plies"), 0),
            .packs = json_int(json_get(root, "packs"), 0),
            .bytes_in = json_int(json_get(root, "bytesIn"), 0),
        };
        s->source_bytes = json_int(json_get(root, "sourceBytes"), 0);
    }
    arena_deinit(&scratch);
    return e;
}

err ingest_store_init(struct ingest_store *s, struct store *store, struct blobs *blobs,
                      struct job *job, int64_t ingest_id)
{
    memset(s, 0, sizeof *s);
    s->store = store;
    s->blobs = blobs;
    s->job = job;
    s->ingest_id = ingest_id;
    map_init(&s->players, NAMES_MAX);
    map_init(&s->openings, NAMES_MAX);
    arena_init(&s->names, NAMES_BYTES_MAX);
    s->known = calloc(INGEST_BATCH_GAMES, sizeof *s->known);
    s->white_ids = calloc(INGEST_BATCH_GAMES, sizeof *s->white_ids);
    s->black_ids = calloc(INGEST_BATCH_GAMES, sizeof *s->black_ids);
    s->opening_ids = calloc(INGEST_BATCH_GAMES, sizeof *s->opening_ids);
    s->pack_index = calloc(INGEST_BATCH_GAMES, sizeof *s->pack_index);
    if (!s->known || !s->white_ids || !s->black_ids || !s->opening_ids || !s->pack_index)
        return ERR(ERR_NO_MEMORY, "importing: out of memory");
    TRY(pack_writer_init(&s->pack, INGEST_BATCH_GAMES, PACK_BYTES_MAX));
    return cursor_load(s);
}

void ingest_store_deinit(struct ingest_store *s)
{
    pack_writer_deinit(&s->pack);
    map_deinit(&s->players);
    map_deinit(&s->openings);
    arena_deinit(&s->names);
    free(s->known);
    free(s->white_ids);
    free(s->black_ids);
    free(s->opening_ids);
    free(s->pack_index);
    memset(s, 0, sizeof *s);
}

/* ------------------------------------------------------------------ telling duplicates apart */

struct finding {
    struct ingest_store *s;
    const struct ingest_batch *batch;
    const struct map *seen; /* game key to index in the batch */
};

/* Asks for a chunk of keys in one statement: on a server elsewhere each way there counts. */
static err find_chunk(struct store_read *rd, const struct finding *f, const size_t *indexes,
                      size_t count)
{
    struct store_value values[INGEST_CHUNK];
    struct store_rows *rows = NULL;
    struct buf sql;
    buf_init(&sql, 8 * 1024);
    buf_add_cstr(&sql, "SELECT key FROM chess_games WHERE key IN (");
    for (size_t i = 0; i < count; i++) {
        values[i] = sql_blob(str_from(f->batch->games[indexes[i]].record.key, GAME_KEY_BYTES));
        buf_add_fmt(&sql, "%s?%zu", i ? "," : "", i + 1);
    }
    buf_add_cstr(&sql, ")");
    err e = buf_check(&sql);
    if (!e.code)
        e = store_query_dynamic(rd, buf_str(&sql), (struct store_args){ values, count }, &rows);
    buf_deinit(&sql);
    while (!e.code && store_next(rows)) {
        const union map_value *index = map_find(f->seen, store_col_blob(rows, 0));
        if (index)
            f->s->known[index->num] = 1;
    }
    return err_first(e, store_rows_close(rows));
}

static err find_known(struct store_read *rd, void *arg)
{
    const struct finding *f = arg;
    size_t indexes[INGEST_CHUNK], count = 0;
    for (size_t i = 0; i < f->batch->count; i++) {
        if (!f->s->known[i])
            indexes[count++] = i;
        if (count < INGEST_CHUNK)
            continue;
        TRY(find_chunk(rd, f, indexes, count));
        count = 0;
    }
    return count ? find_chunk(rd, f, indexes, count) : OK;
}

/* Games that stand in the batch twice, then games that the store has. */
static err tell_known(struct ingest_store *s, const struct ingest_batch *batch)
{
    struct map seen;
    map_init(&seen, INGEST_BATCH_GAMES);
    err e = OK;
    memset(s->known, 0, INGEST_BATCH_GAMES);
    for (size_t i = 0; i < batch->count && !e.code; i++) {
        union map_value *value;
        bool is_new = false;
        e = map_put(&seen, str_from(batch->games[i].record.key, GAME_KEY_BYTES), &value, &is_new);
        if (!e.code && is_new)
            value->num = (int64_t)i;
        s->known[i] = !is_new;
    }
    if (!e.code)
        e = store_read(s->store, find_known, &(struct finding){ s, batch, &seen });
    map_deinit(&seen);
    return e;
}

/* ------------------------------------------------------------------ names */

static err id_of(struct store_tx *tx, const char *select, const char *insert,
                 struct store_args args, size_t key_args, int64_t *ret_id)
{
    struct store_read *rd = store_tx_read(tx);
    struct store_rows *rows;
    int64_t id = 0;
    TRY(store_query(rd, select, (struct store_args){ args.values, key_args }, &rows));
    if (store_next(rows))
        id = store_col_int(rows, 0);
    TRY(store_rows_close(rows));
    if (!id) {
        TRY(store_query(rd, insert, args, &rows));
        if (store_next(rows))
            id = store_col_int(rows, 0);
        TRY(store_rows_close(rows));
    }
    *ret_id = id;
    return OK;
}

/* ASCII letters only: what else is upper case depends on the language. */
static str lower(str name, char out[NAME_KEY_BYTES_MAX])
{
    size_t len = name.len < NAME_KEY_BYTES_MAX ? name.len : NAME_KEY_BYTES_MAX;
    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return str_from(out, str_utf8_valid_len(str_from(out, len)));
}

/* Names are remembered as soon as they have an id. When the transaction fails, or is run again, its
 * new ids were never there: names_forget. Returns the key as it is kept; empty when there is no
 * room: then the name is looked up again. */
static str name_remember(struct ingest_store *s, struct map *m, str key, int64_t id)
{
    union map_value *value;
    bool is_new;
    str kept = arena_str(&s->names, key);
    s->upserts++;
    if (!kept.ptr)
        return STR_NONE;
    err e = map_put(m, kept, &value, &is_new);
    if (e.code)
        return STR_NONE;
    value->num = id;
    return kept;
}

static void names_forget(struct ingest_store *s)
{
    map_deinit(&s->players);
    map_deinit(&s->openings);
    arena_reset(&s->names);
    map_init(&s->players, NAMES_MAX);
    map_init(&s->openings, NAMES_MAX);
}

static err player_id(struct ingest_store *s, struct store_tx *tx, enum chess_platform platform,
                     str name, int64_t *ret_id)
{
    char text[NAME_KEY_BYTES_MAX + 1];
    text[0] = (char)('0' + platform);
    str key = lower(name, text + 1);
    str cached = str_from(text, key.len + 1);
    union map_value *found = map_find(&s->players, cached);
    if (found && found->num) {
        *ret_id = found->num;
        return OK;
    }
    TRY(id_of(
        tx, "SELECT id FROM chess_players WHERE name_key = ?1 AND platform = ?2",
        "INSERT INTO chess_players (name_key, platform, name) VALUES (?1, ?2, ?3) RETURNING id",
        ARGS(sql_text(key), sql_int(platform), sql_text(name)), 2, ret_id));
    name_remember(s, &s->players, cached, *ret_id);
    return OK;
}

/* Names without an id yet: their cached keys (platform and lower-case name) and the names. */
struct wanted {
    str keys[INGEST_CHUNK], names[INGEST_CHUNK];
    size_t count;
};

/* Rows of (id, platform, name_key) give the cached keys their ids. */
static err ids_take(struct ingest_store *s, struct store_rows *rows)
{
    char text[NAME_KEY_BYTES_MAX + 1];
    while (store_next(rows)) {
        str key = str_sub(store_col_text(rows, 2), 0, NAME_KEY_BYTES_MAX);
        text[0] = (char)('0' + store_col_int(rows, 1));
        memcpy(text + 1, key.ptr, key.len);
        union map_value *found = map_find(&s->players, str_from(text, key.len + 1));
        if (found)
            found->num = store_col_int(rows, 0);
    }
    return store_rows_close(rows);
}

static err players_find(struct ingest_store *s, struct store_tx *tx, const struct wanted *w)
{
    struct store_value values[INGEST_CHUNK];
    struct store_rows *rows = NULL;
    struct buf sql;
    buf_init(&sql, 8 * 1024);
    buf_add_cstr(&sql, "SELECT id, platform, name_key FROM chess_players WHERE name_key IN (");
    for (size_t i = 0; i < w->count; i++) {
        values[i] = sql_text(str_sub(w->keys[i], 1, w->keys[i].len));
        buf_add_fmt(&sql, "%s?%zu", i ? "," : "", i + 1);
    }
    buf_add_cstr(&sql, ")");
    err e = buf_check(&sql);
    if (!e.code)
        e = store_query_dynamic(store_tx_read(tx), buf_str(&sql),
                                (struct store_args){ values, w->count }, &rows);
    buf_deinit(&sql);
    return e.code ? e : ids_take(s, rows);
}

/* Adds those that players_find did not find. */
static err players_add(struct ingest_store *s, struct store_tx *tx, const struct wanted *w)
{
    struct store_value values[3 * INGEST_CHUNK];
    struct store_rows *rows = NULL;
    size_t count = 0;
    struct buf sql;
    buf_init(&sql, 8 * 1024);
    buf_add_cstr(&sql, "INSERT INTO chess_players (name_key, platform, name) VALUES ");
    for (size_t i = 0; i < w->count; i++) {
        if (map_find(&s->players, w->keys[i])->num)
            continue;
        buf_add_fmt(&sql, "%s(?%zu,?%zu,?%zu)", count ? "," : "", count + 1, count + 2, count + 3);
        values[count++] = sql_text(str_sub(w->keys[i], 1, w->keys[i].len));
        values[count++] = sql_int(w->keys[i].ptr[0] - '0');
        values[count++] = sql_text(w->names[i]);
    }
    buf_add_cstr(&sql, " RETURNING id, platform, name_key");
    err e = buf_check(&sql);
    if (!e.code && count)
        e = store_query_dynamic(store_tx_read(tx), buf_str(&sql),
                                (struct store_args){ values, count }, &rows);
    buf_deinit(&sql);
    return e.code || !count ? e : ids_take(s, rows);
}

static err players_intern(struct ingest_store *s, struct store_tx *tx, struct wanted *w)
{
    TRY(players_find(s, tx, w));
    TRY(players_add(s, tx, w));
    w->count = 0;
    return OK;
}

/* Puts a name that has no id yet among the wanted; full ones are looked up. */
static err player_want(struct ingest_store *s, struct store_tx *tx, struct wanted *w,
                       enum chess_platform platform, str name)
{
    char text[NAME_KEY_BYTES_MAX + 1];
    text[0] = (char)('0' + platform);
    str key = str_from(text, lower(name, text + 1).len + 1);
    if (map_find(&s->players, key))
        return OK;
    str kept = name_remember(s, &s->players, key, 0);
    if (!kept.len)
        return OK; /* it is looked up alone */
    w->keys[w->count] = kept;
    w->names[w->count++] = name;
    return w->count == INGEST_CHUNK ? players_intern(s, tx, w) : OK;
}

static err opening_id(struct ingest_store *s, struct store_tx *tx, const struct game_record *g,
                      int64_t *ret_id)
{
    char text[OPENING_KEY_BYTES_MAX], eco[4];
    if (!g->opening.len) {
        *ret_id = 0;
        return OK;
    }
    chess_eco_write(g->eco, eco);
    int used = snprintf(text, sizeof text, "%s %.*s", eco, STR_ARG(g->opening));
    str cached = str_from(text, used < (int)sizeof text ? (size_t)used : sizeof text - 1);
    union map_value *found = map_find(&s->openings, cached);
    if (found) {
        *ret_id = found->num;
        return OK;
    }
    TRY(id_of(tx, "SELECT id FROM chess_openings WHERE eco = ?1 AND name = ?2",
              "INSERT INTO chess_openings (eco, name) VALUES (?1, ?2) RETURNING id",
              ARGS(sql_cstr(eco), sql_text(g->opening)), 2, ret_id));
    name_remember(s, &s->openings, cached, *ret_id);
    return OK;
}

/* ------------------------------------------------------------------ the transaction */

struct storing {
    struct ingest_store *s;
    const struct ingest_batch *batch;
    const struct blob_info *blob; /* NULL: nothing new in the batch */
    size_t fresh;
    struct ingest_counts after; /* result */
};

static struct store_value int_or_null(int64_t value, bool known)
{
    return known ? sql_int(value) : sql_null();
}

static err game_row(struct store_bulk *bulk, const struct ingest_store *s, int64_t pack_id,
                    size_t i, const struct game_record *g)
{
    int flags = (g->has_clocks ? GAME_HAS_CLOCKS : 0) | (g->has_evals ? GAME_HAS_EVALS : 0) |
                (g->has_fen ? GAME_HAS_FEN : 0) | (g->is_960 ? GAME_IS_960 : 0);
    const struct store_value values[] = {
        sql_blob(str_from(g->key, GAME_KEY_BYTES)),
        sql_int(pack_id),
        sql_int(s->pack_index[i]),
        sql_int(g->platform),
        sql_text_opt(str_of(g->external_id)),
        sql_int(s->white_ids[i]),
        sql_int(s->black_ids[i]),
        int_or_null(g->white_rating, g->white_rating != 0),
        int_or_null(g->black_rating, g->black_rating != 0),
        sql_text_opt(g->white_title),
        sql_text_opt(g->black_title),
        sql_int(g->result),
        int_or_null(g->rated, g->rated >= 0),
        sql_int(g->speed),
        sql_text_opt(g->time_control),
        int_or_null(g->initial_s, g->initial_s >= 0),
        sql_int(g->increment_s),
        sql_int(g->date),
        int_or_null(g->start_ms, g->start_ms != GAME_TIME_NONE),
        int_or_null(g->end_ms, g->end_ms != GAME_TIME_NONE),
        int_or_null(g->eco, g->eco != CHESS_ECO_NONE),
        int_or_null(s->opening_ids[i], s->opening_ids[i] != 0),
        sql_int(g->ply_count),
        sql_int(flags),
        sql_int((int64_t)g->moves_hash),
    };
    return store_bulk_row(bulk, values);
}

static err names_intern(struct ingest_store *s, struct store_tx *tx,
                        const struct ingest_batch *batch)
{
    struct wanted wanted = { .count = 0 };
    for (size_t i = 0; i < batch->count; i++) {
        const struct game_record *g = &batch->games[i].record;
        if (s->known[i])
            continue;
        TRY(player_want(s, tx, &wanted, g->platform, g->white));
        TRY(player_want(s, tx, &wanted, g->platform, g->black));
    }
    if (wanted.count)
        TRY(players_intern(s, tx, &wanted));
    for (size_t i = 0; i < batch->count; i++) {
        const struct game_record *g = &batch->games[i].record;
        if (s->known[i])
            continue;
        TRY(player_id(s, tx, g->platform, g->white, &s->white_ids[i]));
        TRY(player_id(s, tx, g->platform, g->black, &s->black_ids[i]));
        TRY(opening_id(s, tx, g, &s->opening_ids[i]));
    }
    return OK;
}

static err games_insert(struct storing *w, struct store_tx *tx, int64_t pack_id,
                        int64_t *ret_inserted)
{
    struct store_bulk *bulk;
    TRY(store_bulk_begin(tx, "chess_games", game_columns, 25, &bulk));
    err e = OK;
    for (size_t i = 0; i < w->batch->count && !e.code; i++) {
        if (!w->s->known[i])
            e = game_row(bulk, w->s, pack_id, i, &w->batch->games[i].record);
    }
    int64_t inserted = 0;
    e = err_first(e, store_bulk_end(bulk, &inserted));
    if (!e.code)
        *ret_inserted = inserted;
    return e;
}

static err pack_insert(struct storing *w, struct store_tx *tx, int64_t *ret_id)
{
    struct store_rows *rows;
    TRY(store_query(store_tx_read(tx),
                    "INSERT INTO chess_packs (blob, games, bytes, ingest_id, created_ms) "
                    "VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
                    ARGS(sql_cstr(w->blob->id.hex), sql_int((int64_t)w->fresh),
                         sql_int(w->blob->bytes), sql_int(w->s->ingest_id),
                         sql_int(clock_wall_ms())),
                    &rows));
    int64_t id = store_next(rows) ? store_col_int(rows, 0) : 0;
    TRY(store_rows_close(rows));
    *ret_id = id;
    return OK;
}

static err cursor_save(const struct storing *w, struct store_tx *tx)
{
    struct buf text;
    struct json_out out;
    buf_init(&text, 4096);
    json_out_init(&out, &text);
    json_object_begin(&out);
    json_kv_int(&out, "ordinal", (int64_t)w->after.ordinal);
    json_kv_int(&out, "games", w->after.games);
    json_kv_int(&out, "duplicates", w->after.duplicates);
    json_kv_int(&out, "plies", w->after.plies);
    json_kv_int(&out, "packs", w->after.packs);
    json_kv_int(&out, "bytesIn", w->after.bytes_in);
    json_kv_int(&out, "sourceBytes", w->s->source_bytes);
    json_object_end(&out);
    err e = buf_check(&text);
    if (!e.code)
        e = job_cursor_save(w->s->job, tx, buf_str(&text));
    buf_deinit(&text);
    return e;
}

static err store_tx_batch(struct store_tx *tx, void *arg)
{
    struct storing *w = arg;
    struct ingest_store *s = w->s;
    int64_t inserted = 0, plies = 0;
    if (s->names_pending)
        names_forget(s);
    s->names_pending = true;
    if (w->fresh) {
        int64_t pack_id;
        TRY(pack_insert(w, tx, &pack_id));
        TRY(names_intern(s, tx, w->batch));
        TRY(games_insert(w, tx, pack_id, &inserted));
    }
    for (size_t i = 0; i < w->batch->count; i++)
        plies += s->known[i] ? 0 : w->batch->games[i].record.ply_count;

    /* Fewer inserted than fresh: another import was faster with the same games. */
    w->after = s->counts;
    w->after.ordinal = w->batch->ordinal;
    w->after.bytes_in = w->batch->bytes_in;
    w->after.games += inserted;
    w->after.duplicates += (int64_t)w->batch->count - inserted;
    w->after.plies += plies;
    w->after.packs += w->fresh > 0;
    TRY(store_exec(tx,
                   "UPDATE chess_ingests SET games = ?2, duplicates = ?3, plies = ?4, packs = ?5, "
                   "bytes = ?6 WHERE id = ?1",
                   ARGS(sql_int(s->ingest_id), sql_int(w->after.games),
                        sql_int(w->after.duplicates), sql_int(w->after.plies),
                        sql_int(w->after.packs), sql_int(w->after.bytes_in)),
                   NULL));
    return cursor_save(w, tx);
}

/* ------------------------------------------------------------------ a batch */

static err pack_build(struct ingest_store *s, const struct ingest_batch *batch, size_t *ret_fresh,
                      struct blob_info *ret_blob)
{
    size_t fresh = 0;
    pack_writer_clear(&s->pack);
    for (size_t i = 0; i < batch->count; i++) {
        const struct ingest_game *g = &batch->games[i];
        if (s->known[i])
            continue;
        TRY(pack_writer_add_packed(&s->pack, str_sub(buf_str(&batch->packed), g->offset, g->bytes),
                                   &s->pack_index[i]));
        fresh++;
    }
    if (fresh) {
        str pack;
        TRY(pack_writer_finish(&s->pack, &pack));
        TRY(blob_put(s->blobs, pack, ret_blob));
    }
    *ret_fresh = fresh;
    return OK;
}

err ingest_store_batch(struct ingest_store *s, const struct ingest_batch *batch)
{
    struct blob_info blob;
    struct storing w = { .s = s, .batch = batch };
    TRY(tell_known(s, batch));
    TRY(pack_build(s, batch, &w.fresh, &blob));
    w.blob = w.fresh ? &blob : NULL;
    err e = job_write(s->job, s->store, store_tx_batch, &w);
    if (w.fresh)
        blob_unpin(s->blobs, &blob.id);
    if (e.code)
        return e;
    s->counts = w.after;
    s->names_pending = false;
    if (s->players.count + 2 * INGEST_BATCH_GAMES > NAMES_MAX ||
        s->names.bytes_used > NAMES_BYTES_MAX / 2)
        names_forget(s);
    return OK;
}
