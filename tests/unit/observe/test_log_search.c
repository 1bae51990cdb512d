/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a person looking for the reason of a failure finds other lines than were written,
 * or none, or the search takes the server's memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/thread.h"
#include "platform/observe/log.h"
#include "platform/observe/log_internal.h"

struct fixture {
    char folder[64];
    struct log *log;
    arena keep;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/skerry-log-XXXXXX");
    arena_init(&f->keep, 64 << 20);
    *state = f;
    if (!mkdtemp(f->folder))
        return 1;
    err e = log_open(&(struct log_options){ .folder = f->folder, .quiet = true }, &f->log);
    return e.code != ERR_NONE;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    log_close(f->log);
    err e = fs_remove_tree(f->folder);
    arena_deinit(&f->keep);
    free(f);
    return e.code != ERR_NONE;
}

static size_t search(struct fixture *f, struct log_query query, struct log_line **ret_lines)
{
    size_t count = 0;
    err e = log_search(f->log, &query, &f->keep, ret_lines, &count);
    if (e.code)
        fail_msg("%s", e.msg);
    return count;
}

/* A segment as an earlier process left it. */
static void put_segment(struct fixture *f, int64_t start_ms, str text)
{
    char path[FS_PATH_BYTES];
    log_segment_path(path, f->folder, start_ms);
    err e = fs_write_durable(path, text);
    assert_int_equal(e.code, 0);
}

static void set_changed(struct fixture *f, int64_t start_ms, int64_t changed_ms)
{
    char path[FS_PATH_BYTES];
    struct timespec at = { changed_ms / 1000, changed_ms % 1000 * 1000000 };
    log_segment_path(path, f->folder, start_ms);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){ at, at }, 0), 0);
}

static void add_line(struct buf *out, int64_t ts_ms, const char *rest)
{
    char ts[CLOCK_ISO_BYTES];
    clock_iso(ts_ms, ts);
    buf_add_fmt(out, "{\"ts\":\"%s\",\"level\":\"info\",%s}\n", ts, rest);
}

static void filters_select(void **state)
{
    struct fixture *f = *state;
    struct log_labels a = { .component = STR("ingest"),
                            .run_id = STR("r1"),
                            .dataset_id = STR("d1"),
                            .username = STR("ann\"x"),
                            .request_id = STR("q1"),
                            .model_id = STR("m1") };
    struct log_labels b = { .component = STR("train"), .run_id = STR("r2") };
    log_event(f->log, LOG_INFO, &a, "ingest.started", "hello \"world\"");
    log_event(f->log, LOG_WARN, &a, "ingest.slow", NULL,
              F_JSON("inner", STR("{\"run_id\":\"r2\"}")));
    log_event(f->log, LOG_INFO, &b, "train.started", NULL, F_CSTR("note", "\"run_id\":\"r1\""));
    static const struct {
        struct log_query query;
        size_t expected;
    } rows[] = {
        { { 0 }, 3 },
        { { .run_id = STR_INIT("r1") }, 2 },
        { { .run_id = STR_INIT("r2") }, 1 }, /* not the one nested in a field */
        { { .run_id = STR_INIT("r") }, 0 },
        { { .component = STR_INIT("ingest"), .level_min = LOG_WARN }, 1 },
        { { .dataset_id = STR_INIT("d1"),
            .model_id = STR_INIT("m1"),
            .request_id = STR_INIT("q1") },
          2 },
        { { .username = STR_INIT("ann\"x") }, 2 },
        { { .event = STR_INIT("ingest.slow") }, 1 },
        { { .text = STR_INIT("hello \"world\"") }, 1 },
        { { .text = STR_INIT("started"), .component = STR_INIT("train") }, 1 },
        { { .text = STR_INIT("nowhere") }, 0 },
        { { .level_min = LOG_ERROR }, 0 },
        { { .limit = 2 }, 2 },
        { { .limit = 1000000 }, 3 },
        { { .to_ms = 1000 }, 0 },
        { { .spans = true }, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct log_line *lines = NULL;
        size_t count = search(f, rows[i].query, &lines);
        if (count != rows[i].expected)
            fail_msg("row %zu finds %zu lines, not %zu", i, count, rows[i].expected);
    }
}

/* Time ranges over several segments, both orders, bounds inclusive. */
static void time_ranges_cross_segments(void **state)
{
    struct fixture *f = *state;
    int64_t base = clock_wall_ms() - 10000000;
    for (int s = 0; s < 5; s++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        for (int i = 0; i < 100; i++) {
            char rest[64];
            snprintf(rest, sizeof rest, "\"event\":\"e\",\"i\":%d", s * 100 + i);
            add_line(&text, base + s * 100000 + i * 1000, rest);
        }
        put_segment(f, base + s * 100000, buf_str(&text));
        buf_deinit(&text);
    }
    struct log_line *lines = NULL;
    struct log_query range = { .from_ms = base + 150000, .to_ms = base + 250000 };
    size_t count = search(f, range, &lines);
    assert_int_equal(count, 101);
    assert_true(lines[0].ts_ms == base + 250000 && lines[100].ts_ms == base + 150000);
    range.oldest_first = true;
    range.limit = 3;
    assert_int_equal(search(f, range, &lines), 3);
    assert_true(lines[0].ts_ms == base + 150000 && lines[2].ts_ms == base + 152000);
    assert_true(str_contains(lines[0].json, STR("\"i\":150}")));
}

/* A server writes one segment all day; verbs beside it write theirs, more of them than are open at
 * once, and some end as others begin. Segment s of 40 has every 40th line. */
static void processes_that_wrote_at_one_time_are_merged(void **state)
{
    enum { SEGMENTS = 40, LINES = 30 };
    struct fixture *f = *state;
    int64_t base = clock_wall_ms() - 10000000;
    for (int s = 0; s < SEGMENTS; s++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        /* the first goes on through all of the time, the others have a part of it each */
        int64_t start = base + s * 50000, step = s == 0 ? 100000 : 3000;
        for (int i = 0; i < LINES; i++)
            add_line(&text, start + i * step + s, "\"event\":\"e\"");
        put_segment(f, start, buf_str(&text));
        set_changed(f, start, start + (LINES - 1) * step + s);
        buf_deinit(&text);
    }
    struct log_line *lines = NULL;
    for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
        struct log_query all = { .oldest_first = oldest_first };
        all.limit = 5000;
        assert_int_equal(search(f, all, &lines), SEGMENTS * LINES);
        for (int i = 1; i < SEGMENTS * LINES; i++)
            assert_true(oldest_first ? lines[i].ts_ms > lines[i - 1].ts_ms
                                     : lines[i].ts_ms < lines[i - 1].ts_ms);
    }
    /* The newest line is the first segment's, whatever began later. */
    assert_int_equal(search(f, (struct log_query){ .limit = 1 }, &lines), 1);
    assert_true(lines[0].ts_ms == base + (LINES - 1) * 100000);
}

/* Two threads: the one that stamped its line first was the second to write it. */
static void neighbours_in_the_wrong_order_are_put_right(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    int64_t base = clock_wall_ms() - 10000000;
    static const int at[] = { 0, 2, 1, 1, 4, 3 };
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(at); i++)
        add_line(&text, base + at[i], "\"event\":\"e\"");
    put_segment(f, base, buf_str(&text));
    buf_deinit(&text);
    struct log_line *lines = NULL;
    for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
        struct log_query all = { .oldest_first = oldest_first };
        assert_int_equal(search(f, all, &lines), COUNT_OF(at));
        for (size_t i = 1; i < COUNT_OF(at); i++)
            assert_true(oldest_first ? lines[i].ts_ms >= lines[i - 1].ts_ms
                                     : lines[i].ts_ms <= lines[i - 1].ts_ms);
    }
}

/* kill -9 or a full disk leaves half a line at the end of a segment. */
static void torn_and_foreign_lines_are_passed_over(void **state)
{
    struct fixture *f = *state;
    int64_t base = clock_wall_ms() - 1000000;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add(&text, STR("\n\nnot json\n{}\n{\"ts\":\"yesterday\",\"level\":\"info\"}\n[1]\n"));
    buf_add(&text, STR("{\"ts\":\"2026-11-21T10:22:33.123Z\"}\n")); /* no level */
    add_line(&text, base, "\"event\":\"whole\"");
    buf_add(&text,
            STR("{\"ts\":\"2026-11-21T10:22:33.123Z\",\"level\":\"info\",\"event\":\"torn\n"));
    add_line(&text, base + 1, "\"event\":\"whole\"");
    /* No newline behind it. */
    buf_add(&text,
            STR("{\"ts\":\"2026-11-21T10:22:33.123Z\",\"level\":\"info\",\"event\":\"tail\"}"));
    put_segment(f, base, buf_str(&text));
    put_segment(f, base + 5, STR(""));
    put_segment(f, base + 6, STR("{\"ts\":\"20"));
    buf_deinit(&text);
    struct log_line *lines = NULL;
    assert_int_equal(search(f, (struct log_query){ 0 }, &lines), 2);
    assert_int_equal(search(f, (struct log_query){ .oldest_first = true }, &lines), 2);
    assert_int_equal(search(f, (struct log_query){ .text = STR("tail") }, &lines), 0);
    log_event(f->log, LOG_INFO, NULL, "after", NULL); /* the new process writes elsewhere */
    assert_int_equal(search(f, (struct log_query){ 0 }, &lines), 3);
}

/* Lines that are longer than a window, and lines that are longer than any may be. */
static void long_lines_do_not_hide_their_neighbours(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = { 65 * 1024, 200 * 1024, 255 * 1024, 600 * 1024,
                                    3 * 1024 * 1024 };
    int64_t base = clock_wall_ms() - 1000000;
    struct buf text, rest;
    buf_init(&text, 16 << 20);
    buf_init(&rest, 16 << 20);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        add_line(&text, base + (int64_t)i, "\"event\":\"short\"");
        buf_clear(&rest);
        buf_add(&rest, STR("\"event\":\"long\",\"x\":\""));
        for (size_t n = 0; n < sizes[i] / 8; n++)
            buf_add(&rest, STR("abcdefgh"));
        buf_add_char(&rest, '"');
        add_line(&text, base + (int64_t)i, rest.ptr);
    }
    add_line(&text, base + 10, "\"event\":\"short\"");
    put_segment(f, base, buf_str(&text));
    buf_deinit(&text);
    buf_deinit(&rest);
    for (int oldest = 0; oldest < 2; oldest++) {
        struct log_line *lines = NULL;
        assert_int_equal(
            search(f, (struct log_query){ .event = STR("short"), .oldest_first = oldest }, &lines),
            6);
        assert_int_equal(
            search(f, (struct log_query){ .event = STR("long"), .oldest_first = oldest }, &lines),
            3);
    }
}

/* Every line is found exactly once wherever the window borders fall. */
static void window_borders_lose_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t base = clock_wall_ms() - 1000000;
    struct buf text;
    buf_init(&text, 16 << 20);
    int count = 0;
    while (text.len < 1200 * 1024) {
        char rest[512];
        int pad = (count * 37) % 400;
        snprintf(
            rest, sizeof rest, "\"event\":\"%s\",\"n\":%d,\"pad\":\"%.*s\"",
            count % 100 ? "common" : "rare", count, pad,
            "......................................................................................"
            "......................................................................................"
            "......................................................................................"
            "......................................................................................"
            "........................................................................");
        add_line(&text, base + count, rest);
        count++;
    }
    put_segment(f, base, buf_str(&text));
    buf_deinit(&text);
    for (int oldest = 0; oldest < 2; oldest++) {
        struct log_line *lines = NULL;
        size_t found = search(f, (struct log_query){ .limit = 5000, .oldest_first = oldest },
                              &lines);
        assert_int_equal(found, count < 5000 ? count : 5000);
        for (size_t i = 1; i < found; i++)
            assert_true(lines[i].ts_ms == lines[i - 1].ts_ms + (oldest ? 1 : -1));
        assert_int_equal(
            search(f, (struct log_query){ .event = STR("rare"), .oldest_first = oldest }, &lines),
            (count + 99) / 100);
    }
}

struct writer {
    struct log *log;
    _Atomic int ends;
};

static void *write_on(void *arg)
{
    struct writer *w = arg;
    for (int64_t i = 0; !atomic_load(&w->ends); i++) {
        log_event(w->log, LOG_INFO, NULL, "tick", NULL, F_INT("i", i));
        if (i % 50 == 49)
            clock_sleep_ms(1);
    }
    return NULL;
}

static int64_t number_of(str line)
{
    int64_t i = -1;
    ptrdiff_t at = str_find(line, STR("\"i\":"));
    assert_true(at > 0);
    str digits = str_sub(line, (size_t)at + 4, line.len - (size_t)at - 5);
    err e = str_to_i64(digits, &i);
    assert_int_equal(e.code, 0);
    return i;
}

/* Searching while a segment is written and rotated under it: no gap, no half line, nothing twice.
 */
static void searches_run_beside_the_writer(void **state)
{
    struct fixture *f = *state;
    log_close(f->log);
    err e = log_open(
        &(struct log_options){ .folder = f->folder, .quiet = true, .segment_bytes = 20000 },
        &f->log);
    assert_int_equal(e.code, 0);
    struct writer w = { .log = f->log };
    pthread_t thread;
    e = thread_start(&thread, "writer", write_on, &w);
    assert_int_equal(e.code, 0);
    int64_t newest = -1;
    for (int round = 0; round < 100000 && newest < 5000; round++) { /* over some 20 segments */
        arena keep;
        arena_init(&keep, 16 << 20);
        struct log_line *lines = NULL;
        size_t count = 0;
        struct log_query query = { .limit = 2000, .event = STR("tick") };
        e = log_search(f->log, &query, &keep, &lines, &count);
        assert_int_equal(e.code, 0);
        for (size_t i = 1; i < count; i++)
            assert_int_equal(number_of(lines[i].json), number_of(lines[i - 1].json) - 1);
        if (count) {
            assert_true(number_of(lines[0].json) >= newest); /* what was seen stays */
            newest = number_of(lines[0].json);
        }
        arena_deinit(&keep);
    }
    atomic_store(&w.ends, 1);
    pthread_join(thread, NULL);
    assert_true(newest >= 5000);
}

static void too_many_bytes_are_an_error(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++)
        log_event(f->log, LOG_INFO, NULL, "tick", "some text that takes room");
    arena small;
    arena_init(&small, 6 * 1024);
    struct log_line *lines = NULL;
    size_t count = 7;
    err e = log_search(f->log, &(struct log_query){ .limit = 100 }, &small, &lines, &count);
    assert_int_equal(e.code, ERR_NO_MEMORY);
    assert_int_equal(count, 7);
    arena_deinit(&small);
}

static void a_log_without_folder_finds_nothing(void **state)
{
    struct fixture *f = *state;
    struct log *l = NULL;
    err e = log_open(&(struct log_options){ .quiet = true }, &l);
    assert_int_equal(e.code, 0);
    log_event(l, LOG_INFO, NULL, "a.b", NULL);
    struct log_line *lines = NULL;
    size_t count = 7;
    e = log_search(l, &(struct log_query){ 0 }, &f->keep, &lines, &count);
    assert_int_equal(e.code, 0);
    assert_int_equal(count, 0);
    log_close(l);
}

static void lines_are_taken_apart(void **state)
{
    (void)state;
#define HEAD "{\"ts\":\"2026-11-21T10:22:33.123Z\",\"level\":\"warn\""
    static const struct {
        const char *line;
        bool good;
    } rows[] = {
        { HEAD "}", true },
        { HEAD ",\"event\":\"a\\\"b\",\"o\":{\"x\":[1,{\"}\":2}]},\"n\":-1.5e3,\"t\":true}", true },
        { "{ \"ts\" : \"2026-11-21T10:22:33.123Z\" , \"level\" : \"info\" }", true },
        { HEAD "} ", false },
        { HEAD ",}", false },
        { HEAD ",\"a\"}", false },
        { HEAD ",\"a\":}", false },
        { HEAD ",\"a\":\"x}", false },
        { HEAD ",\"a\":[1}", false },
        { HEAD ",\"a\":[[1]}", false },
        { HEAD, false },
        { "", false },
        { "{}", false },
        { "{\"level\":\"info\"}", false },
        { "{\"ts\":\"2026-13-21T10:22:33.123Z\",\"level\":\"info\"}", false },
        { "{\"ts\":\"2026-11-21T10:22:33.123Z\",\"level\":\"loud\"}", false },
        { "{\"ts\":5,\"level\":\"info\"}", false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        /* An exact copy, so that a sanitizer sees a read past the end. */
        size_t len = strlen(rows[i].line);
        char *copy = malloc(len ? len : 1);
        memcpy(copy, rows[i].line, len);
        struct log_scan scan;
        if (log_scan_line(str_from(copy, len), &scan) != rows[i].good)
            fail_msg("row %zu: %s", i, rows[i].line);
        free(copy);
    }
    struct log_scan scan;
    assert_true(
        log_scan_line(STR(HEAD ",\"event\":\"a\\\"b\",\"run_id\":\"1\",\"run_id\":\"2\"}"), &scan));
    assert_true(scan.ts_ms == 1795256553123);
    assert_int_equal(scan.level, LOG_WARN);
    assert_true(str_eq(scan.event, STR("a\\\"b")));
    assert_true(str_eq(scan.run_id, STR("1"))); /* the first, which is ours */
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(filters_select),
        T(time_ranges_cross_segments),
        T(processes_that_wrote_at_one_time_are_merged),
        T(neighbours_in_the_wrong_order_are_put_right),
        T(torn_and_foreign_lines_are_passed_over),
        T(long_lines_do_not_hide_their_neighbours),
        T(window_borders_lose_nothing),
        T(searches_run_beside_the_writer),
        T(too_many_bytes_are_an_error),
        T(a_log_without_folder_finds_nothing),
        T(lines_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
