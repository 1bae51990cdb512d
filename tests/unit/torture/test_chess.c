/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, an import or a training on a small machine ends in a crash, or with games that
 * look whole and are not, instead of an error. */
#include "torture.h"

#include <zlib.h>
#include <zstd.h>

#include "../chess/net_help.h"
#include "engine/chess/pack.h"
#include "engine/chess/pgn.h"

enum { GAMES = 40, TEXT_BYTES_MAX = 4 << 20 };

/* One of the games is longer than the reader's window, and has values that must be converted. */
static void add_games(struct buf *out)
{
    for (int i = 0; i < GAMES; i++)
        buf_add_fmt(
            out,
            "[Event \"Game %d\"]\n[White \"caf\xe9 \\\"%d\\\"\"]\n\n1. e4 {[%%clk 0:01:%02d] "
            "[%%eval 0.3]} e5 $1 2. Nf3 (2. d4 {x}) Nc6 1-0\n\n",
            i, i, i);
    buf_add(out, STR("[Event \"long\"]\n\n1. d4 {"));
    for (int i = 0; i < 40 * 1000; i++)
        buf_add(out, STR("0123456789"));
    buf_add(out, STR("} d5 *\n"));
}

struct made {
    struct buf plain, gzip, zstd;
};

static void make(struct made *made)
{
    buf_init(&made->plain, TEXT_BYTES_MAX);
    buf_init(&made->gzip, TEXT_BYTES_MAX);
    buf_init(&made->zstd, TEXT_BYTES_MAX);
    add_games(&made->plain);
    z_stream z = { .next_in = (Bytef *)made->plain.ptr, .avail_in = (uInt)made->plain.len };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, made->plain.len);
    z.next_out = (Bytef *)buf_reserve(&made->gzip, bound);
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    made->gzip.len = z.total_out;
    deflateEnd(&z);
    bound = ZSTD_compressBound(made->plain.len);
    char *room = buf_reserve(&made->zstd, bound);
    made->zstd.len = ZSTD_compress(room, bound, made->plain.ptr, made->plain.len, 3);
    assert_false(ZSTD_isError(made->zstd.len));
}

static void unmake(struct made *made)
{
    buf_deinit(&made->plain);
    buf_deinit(&made->gzip);
    buf_deinit(&made->zstd);
}

/* Every game or an error: never fewer games and OK. */
static err read_games(struct pgn_source *source, struct pack_writer *pack)
{
    struct pgn_reader *reader = NULL;
    const struct pgn_game *g = NULL;
    struct pgn_stats stats;
    TRY(pgn_reader_open(source, &(struct pgn_options){ .keep_text = true }, &reader));
    err e = OK;
    do {
        uint32_t index;
        e = pgn_next(reader, &g);
        if (!e.code && g && pack)
            e = pack_writer_add(pack, g, &index);
    } while (!e.code && g);
    pgn_reader_stats(reader, &stats);
    pgn_reader_close(reader);
    if (!e.code && (stats.games != GAMES + 1 || stats.refused))
        return ERR(ERR_INTERNAL, "%d games of %d, %d refused", (int)stats.games, GAMES + 1,
                   (int)stats.refused);
    return e;
}

static err read_bytes(str bytes, struct pack_writer *pack)
{
    struct pgn_source *source = NULL;
    TRY(pgn_source_open_bytes(bytes, "torture", &source));
    err e = read_games(source, pack);
    pgn_source_close(source);
    return e;
}

static err pgn_work(struct torture_place *place)
{
    struct made *made = place->arg;
    TRY(read_bytes(buf_str(&made->plain), NULL));
    TRY(read_bytes(buf_str(&made->gzip), NULL));
    return read_bytes(buf_str(&made->zstd), NULL);
}

static void reading_pgn(void **state)
{
    struct torture_place *place = *state;
    struct made made;
    make(&made);
    place->arg = &made;
    torture(place, pgn_work);
    unmake(&made);
}

/* A pack, each of its games as text again, and the index over it. */
static err pack_use(str bytes)
{
    uint32_t count = 0;
    str games[GAMES + 1];
    struct buf text, index;
    arena keep;
    TRY(pack_open(bytes, &count));
    buf_init(&text, TEXT_BYTES_MAX);
    buf_init(&index, TEXT_BYTES_MAX);
    arena_init(&keep, TEXT_BYTES_MAX);
    err e = OK;
    for (uint32_t i = 0; i < count && !e.code; i++) {
        struct pgn_game g;
        e = pack_game(bytes, i, &games[i]);
        if (!e.code)
            e = pack_game_read(games[i], &keep, &g);
        if (!e.code)
            e = pgn_write(&g, &text);
    }
    if (!e.code)
        e = position_index_build(games, count, &index);
    if (!e.code) {
        struct position_hit hits[GAMES + 1];
        struct chess_position start;
        size_t found = 0;
        chess_position_start(&start);
        e = position_index_find(buf_str(&index), start.key, hits, GAMES + 1, &found);
        if (!e.code && found != GAMES + 1)
            e = ERR(ERR_INTERNAL, "%zu games pass through the start", found);
    }
    arena_deinit(&keep);
    buf_deinit(&index);
    buf_deinit(&text);
    return e;
}

static err pack_work(struct torture_place *place)
{
    struct made *made = place->arg;
    struct pack_writer pack = { 0 };
    str bytes = STR_NONE;
    err e = pack_writer_init(&pack, 100, TEXT_BYTES_MAX);
    if (!e.code)
        e = read_bytes(buf_str(&made->plain), &pack);
    if (!e.code)
        e = pack_writer_finish(&pack, &bytes);
    if (!e.code)
        e = pack_use(bytes);
    pack_writer_deinit(&pack);
    return e;
}

static void packs_and_indexes(void **state)
{
    struct torture_place *place = *state;
    struct made made;
    make(&made);
    place->arg = &made;
    torture(place, pack_work);
    unmake(&made);
}

/* ------------------------------------------------------------------ networks */

static err net_work(struct torture_place *place)
{
    struct chess_net *made = place->arg, *net = NULL;
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    err e = chess_net_save(made, &bytes);
    if (!e.code)
        e = chess_net_load(buf_str(&bytes), &net);
    if (!e.code) {
        struct chess_position p;
        struct chess_prediction seen;
        chess_position_start(&p);
        chess_net_predict(net, &p, &(struct chess_conditions){ 1500, 1500, CHESS_BLITZ }, &seen);
        if (seen.move_count != 20)
            e = ERR(ERR_INTERNAL, "%d moves at the start", seen.move_count);
    }
    chess_net_free(net);
    buf_deinit(&bytes);
    return e;
}

static void networks(void **state)
{
    struct torture_place *place = *state;
    struct sample_set samples = samples_make(3, 300);
    struct chess_sample_source source = source_of(&samples);
    struct chess_net *net = random_net(&small_shape, 7);
    assert_ok(chess_net_add_book(net, &source));
    place->arg = net;
    torture(place, net_work);
    chess_net_free(net);
    free(samples.samples);
}

static err stop_at_third(void *arg, const struct chess_train_report *report)
{
    (void)arg;
    return report->step >= 3 ? ERR(ERR_CANCELLED, "enough") : OK;
}

/* Trains a little, stops, goes on from the checkpoint. */
static err train_work(struct torture_place *place)
{
    struct sample_set *samples = place->arg;
    struct chess_sample_source source = source_of(samples);
    struct chess_train_options options = chess_train_defaults(samples->count);
    struct chess_trainer *first = NULL, *second = NULL;
    struct chess_net *net = NULL;
    struct buf checkpoint;
    options.size = CHESS_NET_SMALL;
    options.epochs = 2;
    options.batch_size = 32;
    options.threads = 1;
    options.book = true;
    buf_init(&checkpoint, 256 << 20);
    err e = chess_trainer_new(&options, &source, &source, &first);
    if (!e.code)
        e = chess_trainer_run(first, NULL, stop_at_third, NULL);
    if (e.code == ERR_CANCELLED)
        e = chess_trainer_checkpoint(first, &checkpoint);
    if (!e.code)
        e = chess_trainer_new(&options, &source, &source, &second);
    if (!e.code)
        e = chess_trainer_restore(second, buf_str(&checkpoint));
    if (!e.code)
        e = chess_trainer_run(second, NULL, NULL, NULL);
    if (!e.code)
        e = chess_trainer_net(second, &net);
    chess_net_free(net);
    chess_trainer_free(first);
    chess_trainer_free(second);
    buf_deinit(&checkpoint);
    return e;
}

static void training(void **state)
{
    struct torture_place *place = *state;
    struct sample_set samples = samples_make(3, 40);
    place->arg = &samples;
    torture(place, train_work);
    free(samples.samples);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = {
        T(reading_pgn),
        T(packs_and_indexes),
        T(networks),
        T(training),
    };
    alloc_fail_install();
    return cmocka_run_group_tests_name("chess without memory", tests, NULL, NULL);
}
