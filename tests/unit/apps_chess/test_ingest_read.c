/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, an import loses or repeats games, hangs when it is stopped, or believes a zip's
 * names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <cmocka.h>

#include "apps/chess/ingest_read.h"
#include "base/fs.h"
#include "engine/chess/pack.h"

struct place {
    char folder[64];
    char file[128];
    struct ingest_source *source;
    struct ingest_report report;
    struct ingest_reader *reader;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "/tmp/skerry-ingest-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->file, sizeof p->file, "%s/upload", p->folder);
    assert_int_equal(ingest_report_init(&p->report).code, ERR_NONE);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    ingest_reader_close(p->reader);
    ingest_source_close(p->source);
    ingest_report_deinit(&p->report);
    err e = fs_remove_tree(p->folder);
    free(p);
    return e.code != ERR_NONE;
}

/* `count` games with different players, so that each is another game. */
static void add_games(struct buf *out, int first, int count)
{
    for (int i = first; i < first + count; i++)
        buf_add_fmt(
            out,
            "[White \"w%d\"]\n[Black \"b%d\"]\n[Result \"1-0\"]\n\n1. e4 e5 2. Nf3 Nc6 1-0\n\n", i,
            i);
}

static void write_file(struct place *p, const struct buf *content)
{
    assert_int_equal(buf_check(content).code, ERR_NONE);
    assert_int_equal(fs_write_durable(p->file, buf_str(content)).code, ERR_NONE);
}

static err open_source(struct place *p)
{
    return ingest_source_open(&(struct ingest_source_options){ .path = p->file,
                                                               .name = STR("upload"),
                                                               .expanded_bytes_max = 1 << 30 },
                              &p->source);
}

static void open_reader(struct place *p, uint64_t skip)
{
    err e = open_source(p);
    assert_string_equal(e.msg, "");
    assert_int_equal(ingest_reader_open(
                         &(struct ingest_reader_options){ p->source, &p->report, skip }, &p->reader)
                         .code,
                     ERR_NONE);
}

struct seen {
    size_t games, batches;
    uint64_t ordinal;
    char first[32], last[32];
    err result;
};

static struct seen take_all(struct place *p)
{
    struct seen seen = { 0 };
    for (;;) {
        struct ingest_batch *b;
        bool end;
        seen.result = ingest_reader_take(p->reader, 10000, &b, &end);
        if (end)
            return seen;
        assert_non_null(b);
        assert_true(b->count > 0);
        for (size_t i = 0; i < b->count; i++) {
            struct pack_walk w;
            const struct ingest_game *g = &b->games[i];
            assert_int_equal(
                pack_walk_begin(str_sub(buf_str(&b->packed), g->offset, g->bytes), &w).code,
                ERR_NONE);
            uint32_t plies = 0;
            while (pack_walk_next(&w))
                plies++;
            assert_int_equal(plies, g->record.ply_count);
            snprintf(seen.last, sizeof seen.last, "%.*s", STR_ARG(g->record.white));
            if (!seen.games++)
                memcpy(seen.first, seen.last, sizeof seen.first);
        }
        seen.batches++;
        seen.ordinal = b->ordinal;
        ingest_reader_give_back(p->reader, b);
    }
}

static void all_games_come_in_batches(void **state)
{
    struct place *p = *state;
    struct buf text;
    enum { GAMES = INGEST_BATCH_GAMES * 2 + 100 };
    buf_init(&text, 16 * 1024 * 1024);
    add_games(&text, 0, GAMES);
    write_file(p, &text);
    buf_deinit(&text);
    open_reader(p, 0);
    struct seen seen = take_all(p);
    assert_int_equal(seen.result.code, ERR_NONE);
    assert_int_equal(seen.games, GAMES);
    assert_int_equal(seen.batches, 6); /* 512, 1024, 2048, 4096, 8192 and the rest */
    assert_int_equal(seen.ordinal, GAMES);
    assert_string_equal(seen.first, "w0");
    struct ingest_read_stats stats;
    ingest_reader_stats(p->reader, &stats);
    assert_int_equal(stats.games, GAMES);
    assert_int_equal(stats.bytes_in, ingest_source_bytes_total(p->source));
}

/* What an earlier try has stored is passed over; refused games count on the way. */
static void a_second_try_goes_on_behind_the_first(void **state)
{
    struct place *p = *state;
    struct buf text;
    buf_init(&text, 1024 * 1024);
    add_games(&text, 0, 10);
    buf_add_cstr(&text,
                 "[White \"x\"]\n[Black \"y\"]\n[Result \"1-0\"]\n\n1. e4 e5 2. Qh7 1-0\n\n");
    add_games(&text, 10, 10);
    write_file(p, &text);
    buf_deinit(&text);
    open_reader(p, 13); /* ten, the broken one, two more */
    struct seen seen = take_all(p);
    assert_int_equal(seen.games, 8);
    assert_string_equal(seen.first, "w12");
    assert_string_equal(seen.last, "w19");
    assert_int_equal(seen.ordinal, 21);
    assert_int_equal(p->report.refused, 1);
    assert_int_equal(p->report.listed[0].game, 11);
}

/* A stop must not wait for a batch that nobody will give back. */
static void a_reader_can_be_closed_at_any_time(void **state)
{
    struct place *p = *state;
    struct buf text;
    buf_init(&text, 64 * 1024 * 1024);
    add_games(&text, 0, INGEST_BATCH_GAMES * 6);
    write_file(p, &text);
    buf_deinit(&text);
    open_reader(p, 0);
    struct ingest_batch *b;
    bool end;
    err e = ingest_reader_take(p->reader, 10000, &b, &end); /* kept: never given back */
    assert_int_equal(e.code, ERR_NONE);
    assert_non_null(b);
    ingest_reader_close(p->reader);
    p->reader = NULL;
}

/* ------------------------------------------------------------------ zip */

static void write_zip(struct place *p, const char *const *names, const str *contents, size_t count)
{
    struct archive *zip = archive_write_new();
    archive_write_set_format_zip(zip);
    assert_int_equal(archive_write_open_filename(zip, p->file), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, names[i]);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)contents[i].len);
        assert_int_equal(archive_write_header(zip, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(zip, contents[i].ptr, contents[i].len),
                         (la_ssize_t)contents[i].len);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_free(zip), ARCHIVE_OK);
}

static void a_zip_is_read_file_by_file(void **state)
{
    struct place *p = *state;
    struct buf a, b;
    buf_init(&a, 65536);
    buf_init(&b, 65536);
    add_games(&a, 0, 3);
    add_games(&b, 3, 4);
    const char *const names[] = { "../../a.pgn", "readme.md", "__MACOSX/._a.pgn", "deep/b.PGN" };
    const str contents[] = { buf_str(&a), STR("# no games"), STR("\x01\x02"), buf_str(&b) };
    write_zip(p, names, contents, COUNT_OF(names));
    open_reader(p, 0);
    struct seen seen = take_all(p);
    assert_int_equal(seen.result.code, ERR_NONE);
    assert_int_equal(seen.games, 7);
    assert_int_equal(seen.ordinal, 7);
    assert_int_equal(ingest_source_skipped(p->source), 2);
    buf_deinit(&a);
    buf_deinit(&b);
}

static void a_zip_that_unpacks_beyond_the_limit_is_refused(void **state)
{
    struct place *p = *state;
    enum { BYTES = 80 * 1024 * 1024 };
    char *zeros = calloc(1, BYTES);
    const char *const names[] = { "zeros.pgn" };
    const str contents[] = { str_from(zeros, BYTES) };
    write_zip(p, names, contents, 1);
    free(zeros);
    err e = open_source(p);
    assert_int_equal(e.code, ERR_TOO_BIG);
    assert_non_null(strstr(e.msg, "unpack"));
}

static void what_is_no_file_is_refused(void **state)
{
    struct place *p = *state;
    assert_int_equal(open_source(p).code, ERR_NOT_FOUND);
    assert_int_equal(fs_write_durable(p->file, STR_NONE).code, ERR_NONE);
    assert_int_equal(open_source(p).code, ERR_INVALID); /* empty */
    assert_int_equal(fs_write_durable(p->file, STR("PK\3\4 and nothing of a zip")).code, ERR_NONE);
    assert_int_not_equal(open_source(p).code, ERR_NONE);
    snprintf(p->file, sizeof p->file, "%s", p->folder);
    assert_int_equal(open_source(p).code, ERR_INVALID); /* a folder */
}

/* ------------------------------------------------------------------ report */

static void reasons_are_counted_by_kind(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < REPORT_LISTED_MAX + 500; i++) {
        struct pgn_problem problem = { .line = (uint64_t)i, .game_number = (uint64_t)i };
        if (i % 2)
            snprintf(problem.reason, sizeof problem.reason, "move %d. Nf7: no knight can go there",
                     i);
        else
            snprintf(problem.reason, sizeof problem.reason, "reason number %d", i % 400);
        ingest_report_add(&p->report, STR("file.pgn"), &problem);
    }
    assert_int_equal(p->report.refused, REPORT_LISTED_MAX + 500);
    assert_int_equal(p->report.listed_count, REPORT_LISTED_MAX);
    assert_int_equal(p->report.reason_count, REPORT_REASONS_MAX);
    uint64_t total = 0, knights = 0;
    for (size_t i = 0; i < p->report.reason_count; i++) {
        total += p->report.reasons[i].count;
        if (strcmp(p->report.reasons[i].text, "no knight can go there") == 0)
            knights = p->report.reasons[i].count;
    }
    assert_int_equal(total, REPORT_LISTED_MAX + 500);
    assert_int_equal(knights, (REPORT_LISTED_MAX + 500) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_games_come_in_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_try_goes_on_behind_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_can_be_closed_at_any_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_zip_is_read_file_by_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_zip_that_unpacks_beyond_the_limit_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(reasons_are_counted_by_kind, setup, teardown),
    };
    chess_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
