/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams, events, files and ranges. If these fail, a download is cut or glued wrongly, a live page
 * stands still, or clients that have left keep memory for ever. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fs.h"

static void streams_arrive_whole(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    for (int i = 0; i < 3; i++) {
        client_send(fd, "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
        struct answer a = client_read(fd, false);
        assert_status(&a, 200);
        assert_false(a.closed);
        assert_body(
            &a, "line 0\nline 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\nline 9\n");
        answer_free(&a);
        fixture_await(&f->stream_done, i + 1);
    }
    client_close(fd);
    fd = client_connect(f->port);
    client_send(
        fd,
        "GET /v1/stream HTTP/1.0\r\n\r\n"); /* no chunks: the end of the connection is the end */
    struct answer a = client_read(fd, false);
    assert_true(str_ends(a.body, STR("line 9\n")));
    answer_free(&a);
    client_close(fd);
    fixture_await(&f->stream_done, 4);
}

static void read_until(int fd, const char *needle)
{
    struct buf in;
    buf_init(&in, 1 << 20);
    while (!strstr(in.len ? in.ptr : "", needle)) {
        char byte;
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        buf_add_char(&in, byte);
    }
    buf_deinit(&in);
}

static void events_arrive_at_once(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    client_send(fd, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    read_until(fd, "Content-Type: text/event-stream\r\n");
    read_until(fd, "\r\n\r\n");
    read_until(fd, "event: tick\ndata: 0\n\n");
    read_until(fd, "event: tick\ndata: 2\n\n");
    assert_int_equal(atomic_load(&f->stream_done), 0);
    client_close(fd); /* the stream has nothing to send, and still notices */
    fixture_await(&f->stream_done, 1);
    fixture_await(&f->finished, 1);
}

/* Idle watchers must cost nothing: this was 89 % of a core for one client when done wrongly. */
static void idle_streams_cost_nothing(void **state)
{
    enum { CLIENTS = 50 };
    struct fixture *f = *state;
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(f->port);
        client_send(fds[i], "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        read_until(fds[i], "data: 2\n\n");
    }
    int64_t cpu_before = clock_cpu_ns();
    clock_sleep_ms(1000);
    /* Half a core for a second would be a loop; the true cost is some milliseconds. */
    assert_true(clock_cpu_ns() - cpu_before < 500000000);
    for (int i = 0; i < CLIENTS; i++)
        client_close(fds[i]);
    fixture_await(&f->stream_done, CLIENTS);
}

static void slow_readers_hold_up_nobody(void **state)
{
    struct fixture *f = *state;
    int64_t rss_before = fixture_rss_bytes();
    int fd = client_connect(f->port);
    client_send(fd, "GET /v1/endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    read_until(fd, "xxxx");
    for (int i = 0; i < 20; i++) {
        struct answer a = client_ask(f->port, "GET", i % 2 ? "/v1/ok" : "/v1/inline", "", NULL);
        assert_body(&a, "ok\n");
        answer_free(&a);
    }
    assert_true(fixture_rss_bytes() - rss_before < 16 << 20);
    client_close(fd);
    fixture_await(&f->stream_done, 1);
}

/* ------------------------------------------------------------------ files and ranges */

enum { FILE_BYTES = 3000000 };

static char *put_file(struct fixture *f)
{
    char path[FS_PATH_BYTES];
    char *bytes = malloc(FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    snprintf(path, sizeof path, "%s/file.bin", f->folder);
    err e = fs_write_durable(path, str_from(bytes, FILE_BYTES));
    assert_int_equal(e.code, 0);
    return bytes;
}

static void files_are_sent_whole(void **state)
{
    struct fixture *f = *state;
    char *bytes = put_file(f);
    int fd = client_connect(f->port);
    for (int i = 0; i < 3; i++) {
        client_send(fd, "GET /v1/file HTTP/1.1\r\nHost: localhost\r\n\r\n");
        struct answer a = client_read(fd, false);
        assert_status(&a, 200);
        assert_int_equal(a.body.len, FILE_BYTES);
        assert_memory_equal(a.body.ptr, bytes, FILE_BYTES);
        assert_true(str_eq(answer_header(&a, "Accept-Ranges"), STR("bytes")));
        assert_true(str_eq(answer_header(&a, "Content-Disposition"),
                           STR("attachment; filename=\"na__ve _file_.bin\"; "
                               "filename*=UTF-8''na%C3%AFve%20%22file%22.bin")));
        answer_free(&a);
    }
    client_close(fd);
    free(bytes);
}

static void ranges_are_parts(void **state)
{
    static const struct {
        const char *range;
        int status;
        int64_t from, length;
    } rows[] = {
        { "bytes=0-99", 206, 0, 100 },
        { "bytes=1234567-", 206, 1234567, FILE_BYTES - 1234567 },
        { "bytes=-5", 206, FILE_BYTES - 5, 5 },
        { "bytes=2999999-2999999", 206, 2999999, 1 },
        { "bytes=0-1,5-6", 200, 0, FILE_BYTES },
        { "nonsense", 200, 0, FILE_BYTES },
        { "bytes=3000000-", 416, 0, 0 },
    };
    struct fixture *f = *state;
    char *bytes = put_file(f);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char headers[128], content_range[64];
        snprintf(headers, sizeof headers, "Range: %s\r\n", rows[i].range);
        struct answer a = client_ask(f->port, "GET", "/v1/file", headers, NULL);
        assert_status(&a, rows[i].status);
        if (rows[i].status == 416) {
            assert_true(str_eq(answer_header(&a, "Content-Range"), STR("bytes */3000000")));
        } else {
            assert_int_equal(a.body.len, rows[i].length);
            assert_memory_equal(a.body.ptr, bytes + rows[i].from, (size_t)rows[i].length);
        }
        if (rows[i].status == 206) {
            snprintf(content_range, sizeof content_range, "bytes %lld-%lld/3000000",
                     (long long)rows[i].from, (long long)(rows[i].from + rows[i].length - 1));
            assert_true(str_eq(answer_header(&a, "Content-Range"), str_of(content_range)));
        }
        answer_free(&a);
    }
    free(bytes);
}

static void conditions_guard_ranges(void **state)
{
    struct fixture *f = *state;
    char *bytes = put_file(f);
    struct answer a = client_ask(f->port, "HEAD", "/v1/file", "", NULL);
    assert_status(&a, 200);
    assert_true(str_eq(answer_header(&a, "Content-Length"), STR("3000000")));
    char etag[128], modified[64], headers[512];
    snprintf(etag, sizeof etag, "%.*s", STR_ARG(answer_header(&a, "ETag")));
    snprintf(modified, sizeof modified, "%.*s", STR_ARG(answer_header(&a, "Last-Modified")));
    answer_free(&a);
    static const struct {
        const char *format;
        bool uses_tag;
        int status;
    } rows[] = {
        { "Range: bytes=0-9\r\nIf-Range: %s\r\n", true, 206 },
        { "Range: bytes=0-9\r\nIf-Range: %s\r\n", false, 206 },
        { "Range: bytes=0-9\r\nIf-Range: \"other\"%.0s\r\n", true, 200 },
        { "If-None-Match: %s\r\n", true, 304 },
        { "If-Modified-Since: %s\r\n", false, 304 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT%.0s\r\n", false, 200 },
        { "If-None-Match: \"other\"\r\nIf-Modified-Since: %s\r\n", false,
          200 }, /* the tag counts */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf text;
        buf_init(&text, sizeof headers);
        const char *value = rows[i].uses_tag ? etag : modified;
        const char *at = strchr(rows[i].format, '%');
        buf_add_bytes(&text, rows[i].format, (size_t)(at - rows[i].format));
        if (at[1] == 's')
            buf_add_cstr(&text, value);
        buf_add_cstr(&text, strchr(at, 's') + 1);
        a = client_ask(f->port, "GET", "/v1/file", text.ptr, NULL);
        if (a.status != rows[i].status)
            fail_msg("row %zu: %d", i, a.status);
        answer_free(&a);
        buf_deinit(&text);
    }
    free(bytes);
}

static void static_bytes_have_ranges(void **state)
{
    struct fixture *f = *state;
    struct answer a = client_ask(f->port, "GET", "/v1/static",
                                 "Range: bytes=26-51\r\nAccept-Encoding: gzip\r\n", NULL);
    assert_status(&a, 206);
    assert_body(&a, "abcdefghijklmnopqrstuvwxyz");
    answer_free(&a);
    a = client_ask(f->port, "GET", "/v1/static", "Range: bytes=5000-\r\n", NULL);
    assert_code(&a, 416, "range_not_satisfiable");
    answer_free(&a);
}

/* A stored file is read through its checksum, piece by piece, and is still a file to its reader: it
 * has a length, can be resumed, and a damaged one must not look complete. */
static void streams_of_known_size_have_ranges(void **state)
{
    static const struct {
        const char *headers;
        int status;
        size_t from, length;
    } rows[] = {
        { "", 200, 0, 1000 },
        { "Range: bytes=0-0\r\n", 206, 0, 1 },
        { "Range: bytes=26-77\r\n", 206, 26, 52 },
        { "Range: bytes=-7\r\n", 206, 993, 7 },
        { "Range: bytes=27-99999\r\n", 206, 27, 973 },
        { "Range: bytes=1000-\r\n", 416, 0, 0 },
        { "Range: bytes=13-20\r\n", 500, 0, 0 },
        { "If-None-Match: \"sized\"\r\n", 304, 0, 0 },
    };
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char request[256];
        snprintf(request, sizeof request, "GET /v1/sized HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                 rows[i].headers);
        client_send(fd, request);
        struct answer a = client_read(fd, false);
        if (a.status != rows[i].status)
            fail_msg("row %zu: %d", i, a.status);
        for (size_t k = 0; k < rows[i].length; k++)
            assert_int_equal(a.body.ptr[k], 'a' + (rows[i].from + k) % 26);
        if (rows[i].length > 0) {
            char length[24];
            snprintf(length, sizeof length, "%zu", rows[i].length);
            assert_true(str_eq(answer_header(&a, "Content-Length"), str_of(length)));
            assert_int_equal(a.body.len, rows[i].length);
        }
        answer_free(&a);
        fixture_await(&f->stream_done, (int)i + 1);
    }
    client_close(fd);
    fd = client_connect(f->port);
    client_send(fd, "GET /v1/sized?broken=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    read_until(fd, "\r\n\r\n");
    int count = 0;
    char byte;
    while (recv(fd, &byte, 1, 0) == 1)
        count++;
    assert_true(count <= 900); /* the connection ended before the promised length */
    client_close(fd);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        T(streams_arrive_whole),
        T(events_arrive_at_once),
        T(idle_streams_cost_nothing),
        T(slow_readers_hold_up_nobody),
        T(files_are_sent_whole),
        T(ranges_are_parts),
        T(streams_of_known_size_have_ranges),
        T(conditions_guard_ranges),
        T(static_bytes_have_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
