/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, an import or a dataset loses games when memory is short, and says that all is
 * well. */
#include "torture.h"

#include "apps/chess/dataset_file.h"
#include "apps/chess/ingest_read.h"

enum { GAMES = 700 }; /* more than the first batch takes */

static err take_all(struct ingest_reader *r, size_t *ret_games)
{
    for (;;) {
        struct ingest_batch *batch = NULL;
        bool end = false;
        err e = ingest_reader_take(r, 10000, &batch, &end);
        if (end)
            return e;
        *ret_games += batch->count;
        ingest_reader_give_back(r, batch);
    }
}

static err ingest_use(const char *path, struct ingest_report *report, struct ingest_source **source)
{
    struct ingest_reader *reader = NULL;
    size_t games = 0;
    TRY(ingest_source_open(&(struct ingest_source_options){ .path = path,
                                                            .name = STR("upload"),
                                                            .expanded_bytes_max = 1 << 30 },
                           source));
    TRY(ingest_reader_open(&(struct ingest_reader_options){ .source = *source, .report = report },
                           &reader));
    err e = take_all(reader, &games);
    ingest_reader_close(reader);
    if (!e.code && (games != GAMES || report->refused != 1))
        e = ERR(ERR_INTERNAL, "%zu games of %d, %d refused", games, GAMES, (int)report->refused);
    return e;
}

static err ingest_work(struct torture_place *place)
{
    char path[FS_PATH_BYTES];
    struct ingest_report report = { 0 };
    struct ingest_source *source = NULL;
    TRY(fs_join(path, place->folder, "upload"));
    err e = ingest_report_init(&report);
    if (!e.code)
        e = ingest_use(path, &report, &source);
    ingest_source_close(source);
    ingest_report_deinit(&report);
    return e;
}

static void imports(void **state)
{
    struct torture_place *place = *state;
    char path[FS_PATH_BYTES];
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < GAMES; i++)
        buf_add_fmt(&text, "[White \"w%d\"]\n[Black \"b%d\"]\n[Result \"1-0\"]\n\n1. e4 e5 1-0\n\n",
                    i, i);
    buf_add(&text, STR("[White \"broken\"]\n\n1. e5 *\n\n"));
    assert_int_equal(fs_join(path, place->folder, "upload").code, ERR_NONE);
    assert_int_equal(fs_write_durable(path, buf_str(&text)).code, ERR_NONE);
    buf_deinit(&text);
    torture(place, ingest_work);
}

static err dataset_work(struct torture_place *place)
{
    struct buf bytes;
    struct chess_dataset *ds = NULL;
    unsigned char head[CHESS_DATASET_HEAD_BYTES], foot[CHESS_DATASET_FOOT_BYTES],
        row[CHESS_ROW_BYTES], game[CHESS_ROW_GAME_BYTES];
    struct chess_row made = { .sample.outcome = 1 };
    (void)place;
    chess_position_start(&made.sample.position);
    chess_row_game_pack(&(struct chess_row_game){ .row_count = 1, .eco = CHESS_ECO_NONE }, game);
    chess_dataset_head(head);
    chess_dataset_foot((const uint64_t[CHESS_SPLIT_COUNT]){ 1, 0, 0 }, 1, foot);
    if (!chess_row_pack(&made, row))
        return ERR(ERR_INTERNAL, "the start has no row");
    buf_init(&bytes, 4096);
    buf_add_bytes(&bytes, head, sizeof head);
    buf_add_bytes(&bytes, row, sizeof row);
    buf_add_bytes(&bytes, game, sizeof game);
    buf_add_bytes(&bytes, foot, sizeof foot);
    err e = buf_check(&bytes);
    if (!e.code)
        e = chess_dataset_open_bytes(buf_str(&bytes), &ds);
    if (!e.code && chess_dataset_rows_all(ds) != 1)
        e = ERR(ERR_INTERNAL, "not one row");
    chess_dataset_close(ds);
    buf_deinit(&bytes);
    return e;
}

static void datasets(void **state)
{
    torture(*state, dataset_work);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = { T(imports), T(datasets) };
    alloc_fail_install();
    return cmocka_run_group_tests_name("imports without memory", tests, NULL, NULL);
}
