/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_build.c -- the job "chess.dataset": replays the selected games and writes their
 * positions.
 *
 * The file wants all rows of one split together, so the games are walked once for each split; a
 * game's split is known from its row, so its moves are decoded once only. The table of games, which
 * comes behind the rows, waits in an unnamed temporary file. Nothing grows with the number of
 * games.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/dataset_profile.h"
#include "apps/chess/dataset_select.h"
#include "apps/chess/dataset_write.h"
#include "base/clock.h"
#include "base/fs.h"
#include "engine/chess/pack.h"

enum {
    CHUNK_ROWS = CHUNK_BYTES / CHESS_ROW_BYTES,
    JSON_BYTES_MAX = 1024 * 1024,
    TRIES_MAX = 3, /* of the job kind */
    DAMAGE_LOGGED_MAX = 20,
};

struct build {
    struct run *run;
    struct house *house;
    struct dataset_info info;
    struct row_filter filter;
    struct split_plan plan;
    struct game_selection games;
    int64_t started_ns;

    struct chunk_writer *writer;
    unsigned char *chunk; /* being filled */
    size_t chunk_rows;
    FILE *game_table;
    struct dataset_profile *profile;

    uint64_t rows[CHESS_SPLIT_COUNT], row_limit[CHESS_SPLIT_COUNT], split_games[CHESS_SPLIT_COUNT];
    uint64_t game_count;
    int64_t damaged, too_many_pieces, no_date;

    struct blob_id pack_id; /* of the map */
    struct blob_map pack;
};

/* ------------------------------------------------------------------ writing rows */

static err chunk_flush(struct build *b)
{
    if (!b->chunk_rows)
        return OK;
    metric_add(chess_cell(run_metrics(b->run), CHESS_M_DATASET_ROWS_WRITTEN),
               (double)b->chunk_rows);
    chunk_writer_put(b->writer, b->chunk_rows * CHESS_ROW_BYTES);
    b->chunk_rows = 0;
    return chunk_writer_get(b->writer, &b->chunk);
}

static int8_t outcome_of(uint8_t result, int turn)
{
    if (result == CHESS_DRAW)
        return 0;
    if (result != CHESS_WHITE_WIN && result != CHESS_BLACK_WIN)
        return 2;
    return (result == CHESS_WHITE_WIN) == (turn == CHESS_WHITE) ? 1 : -1;
}

static err row_write(struct build *b, const struct selected_game *g, const struct pack_walk *w,
                     uint32_t clock_cs)
{
    int turn = w->position.turn;
    bool white = turn == CHESS_WHITE;
    struct chess_row row = {
        .sample = {
            .position = w->position,
            .conditions = {
                .rating_self = white ? g->game.white_rating : g->game.black_rating,
                .rating_opponent = white ? g->game.black_rating : g->game.white_rating,
                .speed = g->game.speed,
            },
            .move = w->move,
            .outcome = outcome_of(g->game.result, turn),
            .game = (uint32_t)b->game_count,
            .ply = (uint16_t)w->ply,
        },
        .clock_cs = clock_cs,
        .eval_cp = w->eval_cp,
    };
    if (!chess_row_pack(&row, b->chunk + b->chunk_rows * CHESS_ROW_BYTES)) {
        b->too_many_pieces++;
        return OK;
    }
    dataset_profile_row(b->profile, &row, &g->game);
    b->rows[g->game.split]++;
    if (++b->chunk_rows == CHUNK_ROWS)
        return chunk_flush(b);
    return OK;
}

/* ------------------------------------------------------------------ one game */

static err pack_select(struct build *b, const struct selected_game *g)
{
    if (b->pack.bytes && strcmp(b->pack_id.hex, g->pack.hex) == 0)
        return OK;
    blob_unmap(&b->pack);
    b->pack = (struct blob_map){ 0 };
    TRY(blob_map(run_blobs(b->run), &g->pack, &b->pack));
    b->pack_id = g->pack;
    return OK;
}

static uint32_t start_clock(const struct chess_row_game *g)
{
    if (g->initial_s <= 0 || g->speed == CHESS_CORRESPONDENCE)
        return PGN_CLOCK_NONE;
    return (uint32_t)g->initial_s * 100;
}

static err game_replay(struct build *b, const struct selected_game *g, str packed)
{
    enum chess_split split = (enum chess_split)g->game.split;
    uint64_t limit = b->row_limit[split];
    uint32_t clock_cs[2] = { PGN_CLOCK_NONE, PGN_CLOCK_NONE };
    struct pack_walk w;
    TRY(pack_walk_begin(packed, &w));
    bool first = true;
    while (pack_walk_next(&w)) {
        int turn = w.position.turn;
        if (first && w.clock_cs != PGN_CLOCK_NONE)
            clock_cs[0] = clock_cs[1] = start_clock(&g->game);
        first = false;
        if (row_filter_has(&b->filter, &w.position, w.ply, clock_cs[turn], g->player_color)) {
            if (limit && b->rows[split] >= limit)
                return OK;
            TRY(row_write(b, g, &w, clock_cs[turn]));
        }
        clock_cs[turn] = w.clock_cs;
    }
    return pack_walk_end(&w);
}

static err game_add(struct build *b, struct selected_game *g)
{
    str packed;
    uint64_t *rows = &b->rows[g->game.split];
    TRY(pack_select(b, g));
    err e = pack_game(str_from(b->pack.bytes, b->pack.count), g->pack_index, &packed);
    if (e.code) {
        if (b->damaged++ < DAMAGE_LOGGED_MAX)
            RUN_LOG(b->run, LOG_ERROR, "dataset.game_damaged", e.msg, F_INT("game", g->id));
        return OK;
    }
    g->game.first_row = *rows;
    TRY(game_replay(b, g, packed));
    g->game.row_count = (uint32_t)(*rows - g->game.first_row);
    if (!g->game.row_count)
        return OK;
    unsigned char bytes[CHESS_ROW_GAME_BYTES];
    chess_row_game_pack(&g->game, bytes);
    if (fwrite(bytes, sizeof bytes, 1, b->game_table) != 1)
        return ERR_SYS("writing the table of games of dataset '%.*s'", STR_ARG(b->info.name));
    dataset_profile_game(b->profile, &g->game);
    b->split_games[g->game.split]++;
    b->game_count++;
    return b->game_count < UINT32_MAX ? OK
                                      : ERR(ERR_TOO_BIG, "a dataset holds at most 2^32 - 1 games");
}

/* ------------------------------------------------------------------ all games */

static bool split_is_full(const struct build *b, enum chess_split split)
{
    if (b->filter.limit)
        return b->rows[split] >= b->row_limit[split];
    return b->plan.share[split] <= 0;
}

static err split_build(struct build *b, enum chess_split split)
{
    int64_t seen = split * b->games.games;
    game_selection_rewind(&b->games);
    while (!split_is_full(b, split)) {
        TRY(run_check(b->run));
        TRY(game_selection_next(&b->games));
        if (!b->games.page_count)
            break;
        for (size_t i = 0; i < b->games.page_count && !split_is_full(b, split); i++) {
            struct selected_game *g = &b->games.page[i];
            if (b->plan.by_time && !g->has_time)
                continue;
            if (split_plan_of(&b->plan, g->moves_hash, g->end_ms) != split)
                continue;
            g->game.split = (uint8_t)split;
            TRY(game_add(b, g));
        }
        seen += (int64_t)b->games.page_count;
        run_progress(b->run, seen, CHESS_SPLIT_COUNT * b->games.games);
    }
    return chunk_flush(b);
}

static err game_table_append(struct build *b)
{
    if (fflush(b->game_table) != 0)
        return ERR_SYS("writing the table of games of dataset '%.*s'", STR_ARG(b->info.name));
    rewind(b->game_table);
    size_t got;
    while ((got = fread(b->chunk, 1, CHUNK_BYTES, b->game_table)) > 0) {
        chunk_writer_put(b->writer, got);
        TRY(chunk_writer_get(b->writer, &b->chunk));
    }
    return ferror(b->game_table) ? ERR(ERR_IO, "reading back the table of games failed") : OK;
}

static err file_build(struct build *b, struct blob_info *ret_blob)
{
    TRY(chunk_writer_open(run_blobs(b->run), &b->writer));
    TRY(chunk_writer_get(b->writer, &b->chunk));
    chess_dataset_head(b->chunk);
    chunk_writer_put(b->writer, CHESS_DATASET_HEAD_BYTES);
    TRY(chunk_writer_get(b->writer, &b->chunk));
    for (int split = 0; split < CHESS_SPLIT_COUNT; split++)
        TRY(split_build(b, (enum chess_split)split));
    if (!b->game_count)
        return ERR(
            ERR_INVALID,
            "the filter leaves no position: %lld games matched, none had a position that did",
            (long long)b->games.games);
    TRY(game_table_append(b));
    chess_dataset_foot(b->rows, b->game_count, b->chunk);
    chunk_writer_put(b->writer, CHESS_DATASET_FOOT_BYTES);
    struct chunk_writer *writer = b->writer;
    b->writer = NULL; /* commit frees it, also when it fails */
    return chunk_writer_commit(writer, ret_blob);
}

/* ------------------------------------------------------------------ telling */

static void raw_or_empty(struct json_out *w, const char *key, str json)
{
    json_kv_raw(w, key, json.len ? json : STR("{}"));
}

static err manifest_write(struct build *b, const struct blob_info *blob, size_t packs,
                          struct buf *out)
{
    struct json_out w;
    char version[16];
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_cstr(&w, "dataset_id", b->info.id);
    json_kv_str(&w, "name", b->info.name);
    json_kv_str(&w, "version", b->info.version);
    json_kv_str(&w, "kind", b->info.kind);
    snprintf(version, sizeof version, "%d", CHESS_DATASET_SCHEMA);
    json_kv_cstr(&w, "schema", version);
    json_kv_time_ms(&w, "created_at", clock_wall_ms());
    json_kv_int(&w, "rows", (int64_t)(b->rows[0] + b->rows[1] + b->rows[2]));
    json_kv_int(&w, "games", (int64_t)b->game_count);
    json_key(&w, "location");
    json_out_fmt(&w, "datasets/%s", blob->id.hex);
    json_kv_cstr(&w, "digest", blob->id.hex);
    json_kv_int(&w, "bytes", blob->bytes);
    raw_or_empty(&w, "filter", b->info.filter);
    raw_or_empty(&w, "split", b->info.split);
    json_key(&w, "splits");
    json_object_begin(&w);
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++) {
        json_key(&w, chess_split_name((enum chess_split)i));
        json_object_begin(&w);
        json_kv_real(&w, "fraction", b->plan.share[i]);
        json_kv_int(&w, "rows", (int64_t)b->rows[i]);
        json_kv_int(&w, "games", (int64_t)b->split_games[i]);
        json_object_end(&w);
    }
    json_object_end(&w);
    json_key(&w, "source");
    json_object_begin(&w);
    json_kv_int(&w, "games_matched", b->games.games);
    json_kv_int(&w, "last_game", b->games.max_id);
    json_kv_int(&w, "packs", (int64_t)packs);
    json_object_end(&w);
    json_key(&w, "left_out");
    json_object_begin(&w);
    json_kv_int(&w, "damaged_game", b->damaged);
    json_kv_int(&w, "too_many_pieces", b->too_many_pieces);
    json_kv_int(&w, "no_date", b->no_date);
    json_object_end(&w);
    json_key(&w, "stats");
    dataset_profile_stats(b->profile, &w);
    json_object_end(&w);
    return buf_check(out);
}

static void count_build(struct build *b)
{
    struct metrics *m = run_metrics(b->run);
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++)
        metric_set(CHESS_CELL(m, CHESS_M_DATASET_ROWS, str_of(b->info.id),
                              str_of(chess_split_name((enum chess_split)i))),
                   (double)b->rows[i]);
    metric_add(CHESS_CELL(m, CHESS_M_DATASET_INVALID, STR("damaged_game")), (double)b->damaged);
    metric_add(CHESS_CELL(m, CHESS_M_DATASET_INVALID, STR("too_many_pieces")),
               (double)b->too_many_pieces);
    metric_add(CHESS_CELL(m, CHESS_M_DATASET_INVALID, STR("no_date")), (double)b->no_date);
}

static err result_write(struct build *b, const struct blob_info *blob)
{
    struct buf text;
    struct json_out w;
    double seconds = (double)(clock_mono_ns() - b->started_ns) / 1e9;
    uint64_t rows = b->rows[0] + b->rows[1] + b->rows[2];
    buf_init(&text, 16 * 1024);
    json_out_init(&w, &text);
    json_object_begin(&w);
    json_kv_cstr(&w, "datasetId", b->info.id);
    json_kv_str(&w, "name", b->info.name);
    json_kv_str(&w, "version", b->info.version);
    json_kv_int(&w, "rows", (int64_t)rows);
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++)
        json_kv_int(&w, chess_split_name((enum chess_split)i), (int64_t)b->rows[i]);
    json_kv_int(&w, "games", (int64_t)b->game_count);
    json_kv_int(&w, "bytes", blob->bytes);
    json_kv_cstr(&w, "digest", blob->id.hex);
    json_kv_real(&w, "seconds", seconds);
    json_kv_real(&w, "rowsPerSecond", (double)rows / (seconds > 0 ? seconds : 1));
    json_object_end(&w);
    err e = buf_check(&text);
    if (!e.code)
        e = run_result(b->run, buf_str(&text));
    buf_deinit(&text);
    return e;
}

/* Manifest, profile and lineage with the state "ready", which is what makes the dataset visible. */
static err dataset_publish(struct build *b, struct blob_info *blob)
{
    struct buf profile, manifest;
    struct blob_id *packs = NULL;
    size_t pack_count = 0;
    struct json_out w;
    buf_init(&profile, JSON_BYTES_MAX);
    buf_init(&manifest, JSON_BYTES_MAX);
    json_out_init(&w, &profile);
    dataset_profile_write(b->profile, &w);
    err e = buf_check(&profile);
    if (!e.code)
        e = game_selection_packs(&b->games, run_arena(b->run), &packs, &pack_count);
    if (!e.code)
        e = manifest_write(b, blob, pack_count, &manifest);
    if (!e.code)
        e = run_artifact(b->run, "manifest.json", buf_str(&manifest));
    if (!e.code)
        e = run_artifact(b->run, "profile.json", buf_str(&profile));
    if (!e.code)
        e = dataset_finish(run_track(b->run), str_of(b->info.id),
                           &(struct dataset_result){
                               .blob = *blob,
                               .rows = (int64_t)(b->rows[0] + b->rows[1] + b->rows[2]),
                               .profile = buf_str(&profile),
                               .manifest = buf_str(&manifest),
                               .parents = packs,
                               .parent_count = pack_count,
                               .run_id = str_of(run_id(b->run)),
                               .job = run_job(b->run),
                           });
    if (e.code)
        blob_unpin(run_blobs(b->run), &blob->id);
    buf_deinit(&profile);
    buf_deinit(&manifest);
    return e;
}

/* ------------------------------------------------------------------ the job */

static err build_open(struct build *b)
{
    arena *keep = run_arena(b->run);
    const struct json *filter = NULL, *split = NULL;
    char path[FS_PATH_BYTES];
    if (b->info.filter.len)
        TRY(json_parse(keep, b->info.filter, &filter));
    if (b->info.split.len)
        TRY(json_parse(keep, b->info.split, &split));
    TRY(row_filter_parse(filter, keep, &b->filter));
    TRY(split_plan_parse(split, &b->plan));
    TRY(game_selection_open(run_store(b->run), &b->filter, &b->plan, &b->games));
    if (!b->games.games)
        return ERR(ERR_INVALID, "the filter matches no game: import games first, or ask for less");
    b->no_date = b->plan.by_time ? b->games.no_date : 0;
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++)
        b->row_limit[i] = (uint64_t)llround((double)b->filter.limit * b->plan.share[i]);

    TRY(dataset_profile_new(&b->profile));
    TRY(fs_join(path, house_home(b->house), "dataset-XXXXXX"));
    int fd = mkstemp(path);
    if (fd < 0)
        return ERR_SYS("making a temporary file in '%s'", house_home(b->house));
    unlink(path);
    b->game_table = fdopen(fd, "w+b");
    if (!b->game_table) {
        close(fd);
        return ERR(ERR_NO_MEMORY, "building a dataset: out of memory");
    }
    return OK;
}

static void build_close(struct build *b)
{
    chunk_writer_abort(b->writer);
    blob_unmap(&b->pack);
    game_selection_close(&b->games);
    dataset_profile_free(b->profile);
    if (b->game_table)
        fclose(b->game_table);
}

static err build(struct build *b)
{
    struct blob_info blob;
    TRY(build_open(b));
    TRY(run_param(b->run, "filter", b->info.filter.len ? b->info.filter : STR("{}")));
    TRY(run_param(b->run, "split", b->info.split.len ? b->info.split : STR("{}")));
    TRY(file_build(b, &blob));
    TRY(dataset_publish(b, &blob));
    TRY(run_dataset_out(b->run, str_of(b->info.id)));
    count_build(b);
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++) {
        char key[32];
        snprintf(key, sizeof key, "rows_%s", chess_split_name((enum chess_split)i));
        TRY(run_metric(b->run, key, (double)b->rows[i], 0));
    }
    return result_write(b, &blob);
}

/* Will the queue try again after this error? See jobs.h. */
static bool is_final(const struct run *run, const err *e)
{
    static const enum err_code again[] = { ERR_BUSY,     ERR_TIMEOUT,   ERR_UPSTREAM, ERR_IO,
                                           ERR_NO_SPACE, ERR_NO_MEMORY, ERR_CONFLICT };
    for (size_t i = 0; i < COUNT_OF(again); i++) {
        if (e->code == again[i])
            return run_attempt(run) >= TRIES_MAX;
    }
    return true;
}

/* Somebody asked to stop; a pause or a shutdown is not the end of the build. */
static bool is_stopped(const struct build *b)
{
    struct job_info job;
    err e = job_get(house_jobs(b->house), str_of(job_id(run_job(b->run))), run_arena(b->run), &job);
    return !e.code && job.stop_wanted;
}

err dataset_build_run(struct run *run, const struct json *payload)
{
    struct build b = { .run = run, .house = run_house(run), .started_ns = clock_mono_ns() };
    struct metrics *m = run_metrics(run);
    str id;
    TRY(json_need_str(payload, "datasetId", &id));
    TRY(dataset_get(run_track(run), id, STR_NONE, run_arena(run), &b.info));
    run_set_dataset(run, str_of(b.info.id));
    if (str_eq(b.info.state, STR("ready")))
        return OK; /* an earlier try finished it and died before the job could say so */

    err e = build(&b);
    build_close(&b);
    metric_add(CHESS_CELL(m, CHESS_M_DATASET_BUILDS, e.code ? STR("failed") : STR("success")), 1);
    metric_observe(chess_cell(m, CHESS_M_DATASET_BUILD_DURATION),
                   (double)(clock_mono_ns() - b.started_ns) / 1e9);
    if (!e.code) {
        RUN_LOG(run, LOG_INFO, "dataset.created", NULL, F_STR("name", b.info.name),
                F_STR("version", b.info.version), F_INT("games", (int64_t)b.game_count),
                F_INT("rows", (int64_t)(b.rows[0] + b.rows[1] + b.rows[2])));
        return OK;
    }
    if (e.code == ERR_CANCELLED ? is_stopped(&b) : is_final(run, &e))
        return err_first(
            e, dataset_fail(run_track(run), run_job(run), str_of(b.info.id), str_of(e.msg)));
    return e;
}
