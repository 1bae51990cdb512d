/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these failed, lines of the log would be shipped twice or never, and nobody would know. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/observe/log_follow.h"
#include "platform/observe/log_internal.h"

#define assert_ok(call)                                                         \
    do {                                                                        \
        err assert_ok_ = (call);                                                \
        if (assert_ok_.code)                                                    \
            fail_msg("%s: %s", err_code_name(assert_ok_.code), assert_ok_.msg); \
    } while (0)

struct fixture {
    char folder[64];
    struct log *log;
    struct log_follow follow;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/skerry-follow-XXXXXX");
    *state = f;
    if (!mkdtemp(f->folder))
        return 1;
    return log_open(&(struct log_options){ .folder = f->folder, .quiet = true }, &f->log).code;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    log_close(f->log);
    err e = fs_remove_tree(f->folder);
    free(f);
    return e.code;
}

/* Lines as another process writes them. */
static void write_segment(struct fixture *f, int64_t name, const char *text)
{
    char path[FS_PATH_BYTES];
    log_segment_path(path, f->folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

#define LINE(event) \
    "{\"ts\":\"2026-11-21T10:22:33.123Z\",\"level\":\"info\",\"event\":\"" event "\"}\n"
#define SPAN(name) \
    "{\"ts\":\"2026-11-21T10:22:33.124Z\",\"level\":\"error\",\"span\":\"" name "\"}\n"

struct taken {
    struct fixture *f;
    size_t count, max;
    char text[4096]; /* events, each with a blank behind */
    bool moves;
};

static err take(void *arg, str line, int64_t segment, int64_t end_offset, bool *ret_stop)
{
    struct taken *t = arg;
    struct log_scan scan;
    if (t->count == t->max) {
        *ret_stop = true;
        return OK;
    }
    assert_true(log_scan_line(line, &scan));
    str name = scan.event.len ? scan.event : scan.span;
    size_t at = strlen(t->text);
    snprintf(t->text + at, sizeof t->text - at, "%.*s ", STR_ARG(name));
    t->count++;
    if (t->moves)
        log_follow_move(&t->f->follow, segment, end_offset);
    return OK;
}

/* Looks and reads; with_after moves behind all that was read. */
static void expect(struct fixture *f, size_t max, bool with_after, const char *events)
{
    struct taken t = { .f = f, .max = max };
    struct log_waiting waiting;
    struct log_follow after;
    log_writer_flush(f->log->writer);
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_ok(log_follow_read(f->log, &f->follow, 1, take, &t, &after));
    assert_string_equal(t.text, events);
    if (with_after)
        f->follow = after;
}

static void test_each_line_once_over_several_files(void **state)
{
    struct fixture *f = *state;
    struct log_waiting waiting;
    assert_ok(log_follow_begin(f->log, false, 0, &f->follow));
    write_segment(f, 1000, LINE("a") LINE("b") SPAN("s"));
    write_segment(f, 2000, LINE("c"));
    expect(f, 100, false, "a b c ");
    expect(f, 1, true, "a ");
    expect(f, 100, true, "b c ");
    write_segment(f, 1000, LINE("d")); /* the older file still grows */
    write_segment(f, 3000, SPAN("t") LINE("e"));
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_int_equal(waiting.lines, 2);
    expect(f, 100, true, "d e ");
    expect(f, 100, true, "");
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_int_equal(waiting.lines, 0);
    assert_int_equal(waiting.bytes, 0);
    log_event(f->log, LOG_INFO, NULL, "own", NULL);
    expect(f, 100, true, "own ");
}

static void test_spans_are_a_kind_of_their_own(void **state)
{
    struct fixture *f = *state;
    assert_ok(log_follow_begin(f->log, true, 0, &f->follow));
    write_segment(f, 1000, LINE("a") SPAN("s") LINE("b") SPAN("t"));
    struct log_span span = log_span_begin(f->log, NULL, "real", 0);
    log_span_end(&span, NULL);
    expect(f, 100, true, "s t real ");
    expect(f, 100, true, "");
}

static void test_places_survive_as_text(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    assert_ok(log_follow_begin(f->log, false, 0, &f->follow));
    write_segment(f, 1000, LINE("a") LINE("b"));
    expect(f, 1, true, "a ");
    buf_init(&text, LOG_PLACES_TEXT_MAX);
    log_follow_save(&f->follow, &text);
    assert_ok(log_follow_load(buf_str(&text), false, &f->follow));
    write_segment(f, 2000, LINE("c"));
    expect(f, 100, true, "b c ");
    static const char *const bad[] = { "", "x", "5 1", "5 1:2:3x", "5 -1:4", "5 1:-4", "5 1:2 :" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct log_follow none;
        if (log_follow_load(str_of(bad[i]), false, &none).code != ERR_CORRUPT)
            fail_msg("'%s' is taken for places", bad[i]);
    }
    buf_deinit(&text);
}

static void test_what_was_there_before_counts_as_read(void **state)
{
    struct fixture *f = *state;
    write_segment(f, 1000, LINE("old"));
    write_segment(f, 5000, LINE("mine"));
    assert_ok(log_follow_begin(f->log, false, 4000, &f->follow));
    expect(f, 100, true, "mine ");
    write_segment(f, 1000, LINE("more")); /* a process that began before, and goes on */
    expect(f, 100, true, "more ");
}

static void test_expired_lines_are_counted(void **state)
{
    struct fixture *f = *state;
    struct log_waiting waiting;
    char path[FS_PATH_BYTES];
    assert_ok(log_follow_begin(f->log, false, 0, &f->follow));
    write_segment(f, 1000, LINE("a") LINE("b") SPAN("s") LINE("c"));
    expect(f, 1, true, "a ");
    log_segment_path(path, f->folder, 1000);
    unlink(path);
    write_segment(f, 2000, LINE("d"));
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_int_equal(waiting.lost, 2);
    assert_int_equal(waiting.lines, 1);
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_int_equal(waiting.lost, 0); /* once */
}

/* A killed process leaves half a line; what follows stands in another file. */
static void test_torn_ends(void **state)
{
    struct fixture *f = *state;
    struct log_waiting waiting;
    assert_ok(log_follow_begin(f->log, false, 0, &f->follow));
    write_segment(f, 1000, LINE("a") "{\"ts\":\"2026-11");
    write_segment(f, 2000, LINE("b"));
    expect(f, 100, true, "a b ");
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_int_equal(waiting.lines, 0);
    assert_int_equal(waiting.bytes, 0);
    assert_int_equal(waiting.since_ms, 0);
}

static void test_the_age_of_what_waits(void **state)
{
    struct fixture *f = *state;
    struct log_waiting waiting;
    int64_t ts_ms;
    assert_ok(clock_parse(STR("2026-11-21T10:22:33.123Z"), &ts_ms));
    assert_ok(log_follow_begin(f->log, false, 0, &f->follow));
    write_segment(f, 1000, SPAN("s") LINE("a"));
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_int_equal(waiting.since_ms, ts_ms);
}

/* A home in which a verb runs every minute has thousands of small files. */
static void test_many_files_are_forgotten_again(void **state)
{
    struct fixture *f = *state;
    struct log_waiting waiting;
    char name[32];
    assert_ok(log_follow_begin(f->log, false, 0, &f->follow));
    int64_t old_ms = clock_wall_ms() - 3600 * 1000;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 400; i++) {
            char path[FS_PATH_BYTES];
            int64_t segment = old_ms - 500000 + (round * 400 + i) * 100;
            write_segment(f, segment, LINE("x"));
            log_segment_path(path, f->folder, segment);
            struct timespec times[2] = { { .tv_sec = segment / 1000 },
                                         { .tv_sec = segment / 1000 } };
            assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
        }
        int64_t total = 0;
        for (;;) {
            struct taken t = { .f = f, .max = 300, .moves = true };
            struct log_follow after;
            assert_ok(log_follow_look(f->log, &f->follow, &waiting));
            assert_ok(log_follow_read(f->log, &f->follow, 1, take, &t, &after));
            if (!t.count)
                break;
            total += (int64_t)t.count;
        }
        snprintf(name, sizeof name, "round %d", round);
        if (total != 400)
            fail_msg("%s: %lld lines", name, (long long)total);
    }
    write_segment(f, clock_wall_ms() + 1000, LINE("last"));
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_in_range(f->follow.count, 1, 100);
    assert_int_equal(waiting.lines, 1);
    assert_int_equal(waiting.lost, 0);
}

/* ------------------------------------------------------------------ a long backlog */

/* Counts lines; what it was given before must not come again. */
struct counted {
    int64_t count, end;
};

static err count_on(void *arg, str line, int64_t segment, int64_t end_offset, bool *ret_stop)
{
    struct counted *c = arg;
    assert_true(end_offset == c->end + (int64_t)line.len + 1);
    c->end = end_offset;
    c->count++;
    return OK;
}

/* Several times what one reading takes: after an outage. Each reading begins where the one before
 * ended. */
static void test_a_backlog_larger_than_a_reading(void **state)
{
    struct fixture *f = *state;
    struct log_waiting waiting;
    struct counted c = { 0 };
    enum { LINES = 400, WIDTH = 10000 };
    char *text = malloc(WIDTH + 1);
    assert_non_null(text);
    int head = snprintf(text, WIDTH,
                        "{\"ts\":\"2026-11-21T10:22:33.123Z\",\"level\":\"info\",\"event\":\"");
    memset(text + head, 'e', WIDTH - (size_t)head);
    snprintf(text + WIDTH - 3, 4, "\"}\n");
    assert_ok(log_follow_begin(f->log, false, 0, &f->follow));
    for (int i = 0; i < LINES; i++)
        write_segment(f, 1000, text);
    free(text);
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_int_equal(waiting.lines, LINES);
    int64_t before = -1;
    int readings = 0;
    while (c.count != before) {
        struct log_follow after;
        before = c.count;
        assert_ok(log_follow_read(f->log, &f->follow, 1, count_on, &c, &after));
        f->follow = after;
        readings++;
    }
    assert_int_equal(c.count, LINES);
    assert_int_equal(readings, (int64_t)LINES * WIDTH / LOG_FOLLOW_BYTES_MIN + 2);
    assert_ok(log_follow_look(f->log, &f->follow, &waiting));
    assert_int_equal(waiting.lines, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_line_once_over_several_files),
        TEST(test_spans_are_a_kind_of_their_own),
        TEST(test_places_survive_as_text),
        TEST(test_what_was_there_before_counts_as_read),
        TEST(test_expired_lines_are_counted),
        TEST(test_torn_ends),
        TEST(test_the_age_of_what_waits),
        TEST(test_many_files_are_forgotten_again),
        TEST(test_a_backlog_larger_than_a_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
