/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, what happened on a server cannot be read afterwards: lines that are not JSON,
 * lines that are lost without being counted, or a log that eats the disk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/thread.h"
#include "platform/observe/log.h"
#include "platform/observe/log_internal.h"

struct fixture {
    char folder[64];
    struct log *log;
    arena keep;
};

static void open_log(struct fixture *f, struct log_options options)
{
    options.folder = f->folder;
    options.quiet = true;
    err e = log_open(&options, &f->log);
    assert_int_equal(e.code, 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/skerry-log-XXXXXX");
    arena_init(&f->keep, 64 << 20);
    *state = f;
    return mkdtemp(f->folder) == NULL;
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

static const struct json *only_line(struct fixture *f)
{
    struct log_line *lines = NULL;
    assert_int_equal(search(f, (struct log_query){ 0 }, &lines), 1);
    const struct json *root = NULL;
    err e = json_parse(&f->keep, lines[0].json, &root);
    if (e.code)
        fail_msg("%s in %.*s", e.msg, STR_ARG(lines[0].json));
    return root;
}

static void assert_text(const struct json *root, const char *key, const char *expected)
{
    str got = json_str(json_get(root, key), STR("(absent)"));
    if (!str_eq(got, str_of(expected)))
        fail_msg("%s is '%.*s', not '%s'", key, STR_ARG(got), expected);
}

static void a_line_has_everything(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ 0 });
    struct log_labels labels = { .component = STR("ingest"),
                                 .run_id = STR("r1"),
                                 .username = STR("M3NG00S3") };
    int64_t before = clock_wall_ms();
    log_event(f->log, LOG_WARN, &labels, "ingest.slow", "that took \"long\"", F_INT("games", -3),
              F_REAL("rate", 0.5), F_REAL("nothing", NAN), F_BOOL("ok", true),
              F_CSTR("path", "a\nb\x01"), F_JSON("extra", STR("{\"a\":\n[1,2]}")),
              F_STR("bad", STR("\xff")));
    const struct json *root = only_line(f);
    assert_text(root, "level", "warn");
    assert_text(root, "event", "ingest.slow");
    assert_text(root, "msg", "that took \"long\"");
    assert_text(root, "component", "ingest");
    assert_text(root, "run_id", "r1");
    assert_text(root, "username", "M3NG00S3");
    assert_text(root, "path", "a\nb\x01");
    assert_text(root, "bad", "\xef\xbf\xbd");
    assert_null(json_get(root, "model_id")); /* unset labels are left out */
    assert_int_equal(json_int(json_get(root, "games"), 0), -3);
    assert_true(json_num(json_get(root, "rate"), 0) == 0.5);
    assert_int_equal(json_kind(json_get(root, "nothing")), JSON_IS_NULL);
    assert_true(json_bool(json_get(root, "ok"), false));
    assert_int_equal(json_count(json_get(json_get(root, "extra"), "a")), 2);
    int64_t ts = 0;
    err e = clock_parse(json_str(json_get(root, "ts"), STR_NONE), &ts);
    assert_int_equal(e.code, 0);
    assert_true(ts >= before && ts <= clock_wall_ms());
}

/* Two members of one name: readers would disagree about which one counts. */
static void own_fields_cannot_shadow_labels(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ 0 });
    struct log_labels labels = { .run_id = STR("real") };
    log_event(f->log, LOG_INFO, &labels, "x.y", NULL, F_CSTR("run_id", "forged"),
              F_CSTR("level", "error"));
    const struct json *root = only_line(f); /* json_parse refuses duplicate members */
    assert_text(root, "run_id", "real");
    assert_text(root, "run_id_", "forged");
    assert_text(root, "level_", "error");
}

static void levels_filter(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ .level_min = LOG_WARN });
    log_event(f->log, LOG_INFO, NULL, "a.a", NULL);
    log_event(f->log, LOG_WARN, NULL, "b.b", "kept");
    log_event(NULL, LOG_ERROR, NULL, "c.c", "no log, no harm");
    assert_text(only_line(f), "event", "b.b");
}

static void errors_carry_code_and_place(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ 0 });
    err e = ERR(ERR_NOT_FOUND, "opening the '%s': nothing there", "thing");
    err none = OK;
    struct log_labels labels = { .component = STR("store") };
    int quiet = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr)); /* errors go there even when quiet */
    log_error(f->log, &labels, "store.failed", &none);
    log_error(f->log, &labels, "store.failed", &e);
    const struct json *root = only_line(f);
    dup2(quiet, STDERR_FILENO);
    close(quiet);
    assert_text(root, "level", "error");
    assert_text(root, "code", "not_found");
    assert_text(root, "msg", "opening the 'thing': nothing there");
    assert_true(json_int(json_get(root, "line"), 0) > 0);
}

static void spans_are_lines_apart(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ 0 });
    struct log_labels labels = { .run_id = STR("r7"), .component = STR("train") };
    struct log_span outer = log_span_begin(f->log, &labels, "train", 0);
    struct log_span inner = log_span_begin(f->log, &labels, "epoch", outer.span_id);
    err bad = ERR(ERR_CANCELLED, "stopped");
    log_span_end(&inner, &bad);
    log_span_end(&outer, NULL);
    struct log_line *lines = NULL;
    assert_int_equal(search(f, (struct log_query){ 0 }, &lines), 0);
    assert_int_equal(search(f, (struct log_query){ .spans = true, .oldest_first = true }, &lines),
                     2);
    const struct json *root = NULL;
    err e = json_parse(&f->keep, lines[0].json, &root);
    assert_int_equal(e.code, 0);
    assert_text(root, "span", "epoch");
    assert_text(root, "trace_id", "r7");
    assert_text(root, "error", "stopped");
    char parent[17];
    snprintf(parent, sizeof parent, "%016llx", (unsigned long long)outer.span_id);
    assert_text(root, "parent_id", parent);
    assert_int_equal(json_kind(json_get(root, "dur_us")), JSON_IS_INT);
    assert_int_equal(search(f, (struct log_query){ .spans = true, .event = STR("train") }, &lines),
                     1);
    assert_int_equal(search(f, (struct log_query){ .spans = true, .level_min = LOG_ERROR }, &lines),
                     1);
}

struct tally {
    int64_t bytes;
    int count;
};

static err tally_one(void *arg, const char *name)
{
    struct tally *t = ((void **)arg)[0];
    char path[FS_PATH_BYTES];
    int64_t bytes = 0;
    TRY(fs_join(path, ((void **)arg)[1], name));
    TRY(fs_size(path, &bytes));
    t->bytes += bytes;
    t->count++;
    return OK;
}

static struct tally tally(struct fixture *f)
{
    struct tally t = { 0 };
    err e = fs_list(f->folder, tally_one, (void *[]){ &t, f->folder });
    assert_int_equal(e.code, 0);
    return t;
}

/* A log that eats the disk takes the store down with it. */
static void segments_rotate_and_expire_by_bytes(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ .segment_bytes = 4096, .bytes_max = 20000 });
    struct log_line *lines = NULL;
    for (int i = 0; i < 2000; i++) {
        log_event(f->log, LOG_INFO, NULL, "tick", NULL, F_INT("i", i));
        if (i % 500 == 499)
            search(f, (struct log_query){ 0 }, &lines); /* flushes */
    }
    struct tally t = tally(f);
    assert_in_range(t.count, 3, 7);
    assert_true(t.bytes <= 20000 + 4096);
    size_t count = search(f, (struct log_query){ .limit = 5000 }, &lines);
    assert_true(count > 100 && count < 2000);
    /* What is left is the newest, without a gap, newest first. */
    for (size_t i = 0; i < count; i++) {
        const struct json *root = NULL;
        err e = json_parse(&f->keep, lines[i].json, &root);
        assert_int_equal(e.code, 0);
        assert_int_equal(json_int(json_get(root, "i"), -1), 1999 - (int)i);
    }
    assert_int_equal(log_dropped(f->log), 0);
}

static void segments_expire_by_age(void **state)
{
    struct fixture *f = *state;
    char path[FS_PATH_BYTES], other[FS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/log-0000000001000.ndjson", f->folder);
    snprintf(other, sizeof other, "%s/notes.txt", f->folder);
    err e = fs_write_durable(
        path, STR("{\"ts\":\"1970-01-01T00:00:01.000Z\",\"level\":\"info\",\"event\":\"old\"}\n"));
    assert_int_equal(e.code, 0);
    e = fs_write_durable(other, STR("not a segment"));
    assert_int_equal(e.code, 0);
    struct timespec past[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    assert_int_equal(utimensat(AT_FDCWD, path, past, 0), 0);
    open_log(f, (struct log_options){ .age_max_ms = 3600 * 1000 });
    log_event(f->log, LOG_INFO, NULL, "new", NULL);
    struct log_line *lines = NULL;
    assert_int_equal(search(f, (struct log_query){ 0 }, &lines), 1);
    assert_false(fs_exists(path));
    assert_true(fs_exists(other));
}

static void a_huge_line_is_cut_and_counted(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ 0 });
    size_t bytes = 100 * 1024;
    char *text = malloc(4 * bytes);
    memset(text, 'x', 4 * bytes);
    log_event(f->log, LOG_INFO, NULL, "long", NULL, F_STR("text", str_from(text, bytes)));
    log_event(f->log, LOG_INFO, NULL, "longer", NULL, F_STR("text", str_from(text, 4 * bytes)));
    free(text);
    struct log_line *lines = NULL;
    assert_int_equal(search(f, (struct log_query){ 0 }, &lines), 2);
    assert_true(lines[1].json.len > bytes); /* above 64 KiB, and whole */
    assert_true(str_contains(lines[0].json, STR("longer than the maximum")));
    assert_int_equal(log_dropped(f->log), 1);
}

static void write_many(void *arg, size_t index)
{
    struct fixture *f = arg;
    struct log_labels labels = { .component = STR("thread") };
    for (int i = 0; i < 1000; i++)
        log_event(f->log, LOG_INFO, &labels, "tick", NULL, F_INT("i", i),
                  F_INT("thread", (int64_t)index));
}

static void threads_do_not_tear_lines(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ .segment_bytes = 100000 });
    struct pool *pool = NULL;
    err e = pool_open("log", 4, 16, &pool);
    assert_int_equal(e.code, 0);
    pool_each(pool, 4, write_many, f);
    pool_close(pool);
    struct log_line *lines = NULL;
    size_t count = search(f, (struct log_query){ .limit = 5000, .component = STR("thread") },
                          &lines);
    assert_int_equal(count, 4000);
    for (size_t i = 0; i < count; i++) {
        const struct json *root = NULL;
        arena scratch;
        arena_init(&scratch, 1 << 20);
        e = json_parse(&scratch, lines[i].json, &root);
        assert_int_equal(e.code, 0);
        arena_deinit(&scratch);
    }
}

/* Logs as fast as it can until it is killed; each line says how many were dropped before it. */
static void log_until_killed(const char *folder, const char *round)
{
    struct log *l = NULL;
    struct log_labels labels = { .run_id = str_of(round) };
    err e = log_open(
        &(struct log_options){ .folder = folder, .quiet = true, .segment_bytes = 50000 }, &l);
    for (int64_t i = 0; !e.code; i++)
        log_event(l, LOG_INFO, &labels, "tick", "a line of some length", F_INT("i", i),
                  F_INT("dropped", (int64_t)log_dropped(l)));
    _exit(1);
}

/* The lines of one killed process, newest first: from one to the next, as many are missing as were
 * counted as dropped between them. */
static void assert_only_counted_gaps(struct fixture *f, const char *round)
{
    struct log_line *lines = NULL;
    size_t count = search(f, (struct log_query){ .limit = 5000, .run_id = str_of(round) }, &lines);
    assert_true(count > 100);
    int64_t last_i = -1, last_dropped = -1;
    for (size_t n = 0; n < count; n++) {
        arena scratch;
        arena_init(&scratch, 1 << 20);
        const struct json *root = NULL;
        err e = json_parse(&scratch, lines[n].json, &root);
        assert_int_equal(e.code, 0);
        int64_t i = json_int(json_get(root, "i"), -1),
                dropped = json_int(json_get(root, "dropped"), -1);
        assert_true(i >= 0 && dropped >= 0);
        if (n > 0)
            assert_int_equal(last_i - i - 1, last_dropped - dropped);
        last_i = i;
        last_dropped = dropped;
        arena_deinit(&scratch);
    }
}

/* kill -9 at any moment: what is in the files are whole lines without a gap that is not counted,
 * and the next process goes on beside them. */
static void queue_at(struct log_writer *w, int64_t at_ms)
{
    char ts[CLOCK_ISO_BYTES], line[64];
    clock_iso(at_ms, ts);
    snprintf(line, sizeof line, "{\"ts\":\"%s\",\"level\":\"info\"}\n", ts);
    log_writer_add(w, LOG_TO_FILE, str_of(line), at_ms, false);
}

/* A thread that was held up between looking at the clock and queueing its line. */
static void times_ascend_in_a_file(void **state)
{
    struct fixture *f = *state;
    _Atomic uint64_t dropped = 0;
    struct log_writer *w = NULL;
    const int64_t at_ms[] = { 5000, 4990, 5003, 4100, 9000, 2000, 2001 };
    const int64_t expected_ms[] = { 5000, 5000, 5003, 5003, 9000, 2000, 2001 }; /* set back: 7 s */
    err e = log_writer_open(&(struct log_options){ .folder = f->folder }, &dropped, &w);
    assert_int_equal(e.code, 0);
    for (size_t i = 0; i < COUNT_OF(at_ms); i++)
        queue_at(w, at_ms[i]);
    log_writer_flush(w);
    char path[FS_PATH_BYTES];
    log_segment_path(path, f->folder, log_writer_segment(w));
    log_writer_close(w);
    str text = STR_NONE;
    e = fs_read(&f->keep, path, 4096, &text);
    assert_int_equal(e.code, 0);
    for (size_t i = 0; i < COUNT_OF(at_ms); i++) {
        char ts[CLOCK_ISO_BYTES];
        clock_iso(expected_ms[i], ts);
        str line = str_split(&text, '\n');
        assert_true(str_contains(line, str_of(ts)));
    }
    assert_int_equal(text.len, 0);
}

static void a_killed_process_leaves_whole_lines(void **state)
{
    struct fixture *f = *state;
    static const char *const rounds[] = { "first", "second", "third", "fourth", "fifth" };
    for (int round = 0; round < 5; round++) {
        int64_t before_bytes = tally(f).bytes;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            log_until_killed(f->folder, rounds[round]);
        /* Enough on disk to judge, however slow the machine; a minute means it never comes. */
        for (int tries = 0; tally(f).bytes < before_bytes + 40000 && tries < 60000; tries++)
            clock_sleep_ms(1);
        clock_sleep_ms(13 * round);
        kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
    open_log(f, (struct log_options){ 0 });
    log_event(f->log, LOG_INFO, NULL, "after", NULL);
    struct log_line *lines = NULL;
    assert_true(search(f, (struct log_query){ 0 }, &lines) > 0);
    assert_true(str_contains(lines[0].json, STR("\"event\":\"after\"")));
    for (int round = 0; round < 5; round++)
        assert_only_counted_gaps(f, rounds[round]);
}

/* The folder is gone (somebody cleaned up): the server must go on, and say how much it lost. */
static void a_refusing_disk_is_counted(void **state)
{
    struct fixture *f = *state;
    open_log(f, (struct log_options){ .segment_bytes = 100 });
    log_event(f->log, LOG_INFO, NULL, "one", NULL);
    struct log_line *lines = NULL;
    assert_int_equal(search(f, (struct log_query){ 0 }, &lines), 1);
    err e = fs_remove_tree(f->folder);
    assert_int_equal(e.code, 0);
    int quiet = dup(STDERR_FILENO);
    FILE *caught = tmpfile();
    dup2(fileno(caught), STDERR_FILENO);
    for (int i = 0; i < 5; i++) {
        log_event(f->log, LOG_INFO, NULL, "two", NULL);
        search(f, (struct log_query){ 0 }, &lines);
    }
    dup2(quiet, STDERR_FILENO);
    close(quiet);
    assert_true(log_dropped(f->log) >= 4); /* the first may still fit in the open, deleted file */
    char text[8192] = "";
    rewind(caught);
    size_t n = fread(text, 1, sizeof text - 1, caught);
    fclose(caught);
    assert_true(n > 0);
    assert_non_null(strstr(text, "\"two\"")); /* stderr has them, quiet or not */
    assert_int_equal(mkdir(f->folder, 0700), 0);
}

static void bad_folders_are_refused(void **state)
{
    struct fixture *f = *state;
    char path[FS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/file", f->folder);
    err e = fs_write_durable(path, STR("x"));
    assert_int_equal(e.code, 0);
    struct log *l = NULL;
    e = log_open(&(struct log_options){ .folder = path, .quiet = true }, &l);
    assert_int_not_equal(e.code, 0);
    assert_null(l);
    log_close(NULL);
}

static void levels_have_names(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    err e = log_level_parse(STR("Info"), &level);
    assert_int_equal(e.code, 0);
    assert_int_equal(level, LOG_INFO);
    e = log_level_parse(STR("warning"), &level);
    assert_int_equal(level, LOG_WARN);
    e = log_level_parse(STR("loud"), &level);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(log_level_name(LOG_DEBUG), "debug");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_line_has_everything),
        T(own_fields_cannot_shadow_labels),
        T(levels_filter),
        T(errors_carry_code_and_place),
        T(spans_are_lines_apart),
        T(segments_rotate_and_expire_by_bytes),
        T(segments_expire_by_age),
        T(a_huge_line_is_cut_and_counted),
        T(threads_do_not_tear_lines),
        T(times_ascend_in_a_file),
        T(a_killed_process_leaves_whole_lines),
        T(a_refusing_disk_is_counted),
        T(bad_folders_are_refused),
        T(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
