/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies: limits, uploads of every shape, and memory that does not grow with them. If these fail,
 * an upload is changed on its way, a stranger fills memory or disk, or temporary files pile up. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"

static err count_entry(void *arg, const char *name)
{
    *(int *)arg += str_starts(str_of(name), STR("upload-"));
    return OK;
}

/* Temporary files of uploads, once the server had the time to remove them. */
static int spooled_files(struct fixture *f)
{
    int count = -1;
    for (int i = 0; i < CLIENT_PATIENCE_S * 100 && count != 0; i++) {
        count = 0;
        err e = fs_list(f->folder, count_entry, &count);
        assert_int_equal(e.code, 0);
        if (count)
            clock_sleep_ms(10);
    }
    return count;
}

static void expect(int fd, int status, const char *body)
{
    struct answer a = client_read(fd, false);
    assert_status(&a, status);
    if (body)
        assert_body(&a, body);
    answer_free(&a);
}

static void expect_code(int fd, int status, const char *code)
{
    struct answer a = client_read(fd, false);
    assert_code(&a, status, code);
    answer_free(&a);
}

static void send_fill(int fd, size_t count)
{
    char block[16384];
    memset(block, 'x', sizeof block);
    for (size_t n; count; count -= n) {
        n = count < sizeof block ? count : sizeof block;
        if (!client_try_send(fd, block, n))
            return;
    }
}

static void bodies_up_to_the_limit_are_taken(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    client_send(fd, "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    send_fill(fd, 100000);
    expect(fd, 200, "100000");
    client_send(
        fd,
        "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
    send_fill(fd, 100000);
    client_send(fd, "\r\n0\r\n\r\n");
    expect(fd, 200, "100000");
    client_send(fd, "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    expect(fd, 200, "0");
    client_close(fd);
}

/* A little too much: it is read away, and the connection goes on. */
static void small_excess_keeps_the_connection(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    for (int i = 0; i < 3; i++) {
        client_send(fd,
                    "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\n\r\n");
        send_fill(fd, 100001);
        expect_code(fd, 413, "too_big");
        client_send(fd,
                    "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n");
        send_fill(fd, 5000);
        expect_code(fd, 404, "not_found");
        client_send(fd, "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc");
        expect(fd, 200, "3");
    }
    client_close(fd);
}

/* Much too much: refused before it is read, also when the client would not stop sending. */
static void large_excess_is_refused_early(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    client_send(fd,
                "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n");
    expect_code(fd, 413, "too_big"); /* nothing was sent yet */
    client_close(fd);

    fd = client_connect(f->port);
    client_send(fd,
                "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n");
    send_fill(fd, 1000000); /* a stubborn client still hears why */
    expect_code(fd, 413, "too_big");
    client_close(fd);

    fd = client_connect(f->port);
    client_send(fd, "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nExpect: "
                    "100-continue\r\nContent-Length: 200000\r\n\r\n");
    expect_code(fd, 413, "too_big"); /* and no 100 before */
    client_close(fd);
}

/* A body without a stated length is stopped when it has become too long. */
static void endless_chunks_are_refused_midway(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    client_send(fd,
                "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 40; i++) {
        client_try_send(fd, "2000\r\n", 6);
        send_fill(fd, 0x2000);
        client_try_send(fd, "\r\n", 2);
    }
    expect_code(fd, 413, "too_big");
    assert_true(client_at_end(fd));
    client_close(fd);
    fixture_await(&f->finished, 1);
    assert_int_equal(atomic_load(&f->last_status), 413);
}

static void continue_is_said_before_a_wanted_body(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    client_send(fd, "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nExpect: "
                    "100-continue\r\nContent-Length: 5\r\n\r\n");
    char interim[26] = "";
    for (size_t i = 0; i < 25; i++)
        assert_int_equal(read(fd, interim + i, 1), 1);
    assert_string_equal(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(fd, "hello");
    expect(fd, 200, "5");
    client_close(fd);
}

/* ------------------------------------------------------------------ uploads */

#define BOUNDARY "----skerryTest"
#define MULTIPART "multipart/form-data; boundary=" BOUNDARY

static int64_t send_head(int fd, const char *target, const char *type, int64_t length)
{
    char head[512];
    snprintf(
        head, sizeof head,
        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %lld\r\n\r\n",
        target, type, (long long)length);
    client_send(fd, head);
    return length;
}

static void forms_arrive_whole(void **state)
{
    struct fixture *f = *state;
    static const char form[] =
        "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n"
        "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pgn\"\r\n"
        "Content-Type: application/x-chess-pgn\r\n\r\n1. e4 e5\r\n\r\n"
        "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n\r\n"
        "--" BOUNDARY "--\r\n";
    int fd = client_connect(f->port);
    for (int i = 0; i < 3; i++) {
        send_head(fd, "/v1/upload", MULTIPART, sizeof form - 1);
        client_send(fd, form);
        expect(fd, 200,
               "{\"body\":0,\"parts\":[{\"field\":\"note\",\"filename\":\"\",\"bytes\":5,\"value\":"
               "\"hello\"},"
               "{\"field\":\"file\",\"filename\":\"a.pgn\",\"bytes\":10,\"value\":\"\",\"sha256\":"
               "\"2f31c205f0916e8ad6464afd81de60ae66a0645f281e3dc9166afc19e74cf49a\"},"
               "{\"field\":\"file\",\"filename\":\"\",\"bytes\":0,\"value\":\"\",\"sha256\":"
               "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}]}");
    }
    client_close(fd);
    assert_int_equal(spooled_files(f), 0);
}

/* Pseudo-random bytes, also ones that look like boundaries, of any length. */
static void fill_block(char *block, size_t count, uint64_t *seed)
{
    for (size_t i = 0; i < count; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        block[i] = (char)(*seed >> 56);
        if (block[i] == 'Q' && i + 6 < count) {
            memcpy(block + i, "\r\n----", 6);
            i += 5;
        }
    }
}

/* Several MiB in one body, checked by digest; memory stays where it was. */
static void large_uploads_take_no_memory(void **state)
{
    enum { BLOCK = 65536 };
    struct fixture *f = *state;
    static const char before[] =
        "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big\"\r\n\r\n";
    static const char after[] = "\r\n--" BOUNDARY "--\r\n";
    char *block = malloc(BLOCK);
    int64_t rss_before = 0;
    for (int round = 0; round < 4;
         round++) { /* the first two are small: memory of the first use is not counted */
        int64_t blocks = round < 2 ? 8 : 800; /* 50 MiB */
        int64_t odd = round * 7 + 1;
        bool is_form = round % 2 == 0;
        int fd = client_connect(f->port);
        send_head(fd, "/v1/upload", is_form ? MULTIPART : "application/octet-stream",
                  blocks * BLOCK + odd +
                      (is_form ? (int64_t)sizeof before + (int64_t)sizeof after - 2 : 0));
        if (is_form)
            client_send(fd, before);
        struct sha256 h;
        sha256_begin(&h);
        uint64_t seed = (uint64_t)round;
        for (int64_t i = 0; i <= blocks; i++) {
            size_t count = i < blocks ? BLOCK : (size_t)odd;
            fill_block(block, count, &seed);
            sha256_add(&h, block, count);
            client_send_bytes(fd, block, count);
        }
        if (is_form)
            client_send(fd, after);
        char hex[SHA256_HEX_BYTES], expected[512];
        sha256_end_hex(&h, hex);
        snprintf(expected, sizeof expected,
                 "{\"body\":0,\"parts\":[{\"field\":\"%s\",\"filename\":\"%s\",\"bytes\":%lld,"
                 "\"value\":\"\",\"sha256\":\"%s\"}]}",
                 is_form ? "file" : "", is_form ? "big" : "", (long long)(blocks * BLOCK + odd),
                 hex);
        expect(fd, 200, expected);
        client_close(fd);
        if (round == 1)
            rss_before = fixture_rss_bytes();
    }
    free(block);
    assert_true(fixture_rss_bytes() - rss_before < 8 << 20);
    assert_int_equal(spooled_files(f), 0);
}

static void chunked_uploads_work(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    client_send(
        fd, "POST /v1/upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1000; i++) {
        client_send(fd, "400\r\n");
        send_fill(fd, 1024);
        client_send(fd, "\r\n");
    }
    client_send(fd, "0\r\n\r\n");
    struct answer a = client_read(fd, false);
    assert_status(&a, 200);
    assert_true(str_contains(a.body, STR("\"bytes\":1024000,")));
    answer_free(&a);
    client_close(fd);
}

static void upload_routes_take_json_and_nothing_too(void **state)
{
    struct fixture *f = *state;
    struct answer a = client_ask(f->port, "POST", "/v1/upload",
                                 "Content-Type: application/json\r\n", "{\"a\":1}");
    assert_body(&a, "{\"body\":7,\"parts\":[]}");
    answer_free(&a);
    a = client_ask(f->port, "POST", "/v1/upload", "", "");
    assert_body(&a, "{\"body\":0,\"parts\":[]}");
    answer_free(&a);
}

static void taken_files_stay(void **state)
{
    struct fixture *f = *state;
    static const char form[] = "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"keep\"; "
                               "filename=\"x\"\r\n\r\nkeep me\r\n--" BOUNDARY "--";
    struct answer a = client_ask(f->port, "POST", "/v1/upload", "Content-Type: " MULTIPART "\r\n",
                                 form);
    assert_status(&a, 200);
    answer_free(&a);
    char path[FS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/kept", f->folder);
    arena keep;
    arena_init(&keep, 1 << 20);
    str bytes;
    err e = fs_read(&keep, path, 100, &bytes);
    assert_int_equal(e.code, 0);
    assert_true(str_eq(bytes, STR("keep me")));
    arena_deinit(&keep);
    assert_int_equal(spooled_files(f), 0);
}

static void broken_forms_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *type, *body;
    } rows[] = {
        { "multipart/form-data", "x" },
        { MULTIPART, "no boundary at all" },
        { MULTIPART, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncut" },
        { MULTIPART,
          "--" BOUNDARY "\r\nContent-Type: text/plain\r\n\r\nno name\r\n--" BOUNDARY "--" },
    };
    int fd = client_connect(f->port);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        send_head(fd, "/v1/upload", rows[i].type, (int64_t)strlen(rows[i].body));
        client_send(fd, rows[i].body);
        expect_code(fd, 400, "invalid");
    }
    client_close(fd);
    assert_int_equal(spooled_files(f), 0);
}

/* Refusals in the middle of an upload, when chunks are already on disk. */
static void upload_limits_hold(void **state)
{
    struct fixture *f = *state;
    int fd = client_connect(f->port);
    send_head(fd, "/v1/small-upload", "application/octet-stream", 300001);
    expect_code(fd, 413, "too_big");
    client_close(fd);

    fd = client_connect(f->port);
    client_send(
        fd,
        "POST /v1/small-upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 80; i++) {
        client_try_send(fd, "2000\r\n", 6);
        send_fill(fd, 0x2000);
        client_try_send(fd, "\r\n", 2);
    }
    expect_code(fd, 413, "too_big");
    client_close(fd);

    /* A plain field as long as a file. */
    static const char before[] = "--" BOUNDARY
                                 "\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n";
    fd = client_connect(f->port);
    send_head(fd, "/v1/upload", MULTIPART, 5000000);
    client_send(fd, before);
    send_fill(fd, 5000000 - sizeof before + 1);
    expect_code(fd, 413, "too_big");
    client_close(fd);
    assert_int_equal(spooled_files(f), 0);
}

static void aborted_uploads_leave_nothing(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++) {
        int fd = client_connect(f->port);
        send_head(fd, "/v1/upload", "application/octet-stream", 2000000);
        send_fill(fd, (size_t)i * 250000);
        client_close(fd);
    }
    fixture_await(&f->finished, 8);
    assert_int_equal(spooled_files(f), 0);
    struct answer a = client_ask(f->port, "GET", "/v1/ok", "", NULL);
    assert_status(&a, 200);
    answer_free(&a);
}

static void expect_sunk(struct fixture *f, const char *headers, str body)
{
    char hex[SHA256_HEX_BYTES], wanted[100];
    sha256_hex_of(body, hex);
    snprintf(wanted, sizeof wanted, "%zu %s", body.len, hex);
    struct answer a = client_ask(f->port, "PUT", "/v1/sink", headers, body.ptr);
    assert_body(&a, wanted);
    answer_free(&a);
}

/* The bytes of a file are its bytes, whatever a client calls them. */
static void sinks_take_bodies_of_any_type_as_they_are(void **state)
{
    struct fixture *f = *state;
    expect_sunk(f, "", STR("plain"));
    expect_sunk(f, "Content-Type: application/json\r\n", STR("{\"not\": json"));
    expect_sunk(f, "Content-Type: " MULTIPART "\r\n", STR("--no form"));
    expect_sunk(f, "Content-Type: multipart/form-data\r\n", STR("x"));
    struct answer a = client_ask(f->port, "PUT", "/v1/sink", "", "");
    assert_body(&a, "-1 ");
    answer_free(&a);
    int fd = client_connect(f->port);
    client_send(fd, "PUT /v1/sink HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                    "\r\n0\r\n\r\n");
    a = client_read(fd, false);
    assert_true(str_starts(a.body, STR("0 e3b0c442")));
    answer_free(&a);
    client_close(fd);
    fixture_await(&f->finished, 6);
    assert_int_equal(f->sinks_open, 0);
    assert_int_equal(spooled_files(f), 0);
}

static void sinks_refuse_and_are_closed(void **state)
{
    struct fixture *f = *state;
    struct answer a = client_ask(f->port, "PUT", "/v1/sink?refuse=1", "", "small");
    assert_code(&a, 400, "invalid");
    answer_free(&a);
    int fd = client_connect(f->port);
    client_send(fd, "PUT /v1/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
    send_fill(fd, 9000000);
    a = client_read(fd, false);
    assert_status(&a, 507);
    answer_free(&a);
    client_close(fd);
    for (int i = 0; i < 4; i++) { /* and when the client leaves, before or after it was opened */
        fd = client_connect(f->port);
        client_send(fd,
                    "PUT /v1/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n");
        send_fill(fd, (size_t)i * 500000);
        client_close(fd);
    }
    fixture_await(&f->finished, 6);
    for (int i = 0; i < 1000 && f->sinks_open; i++)
        usleep(10000); /* the closing is a worker's */
    assert_int_equal(f->sinks_open, 0);
}

static void uploads_run_side_by_side(void **state)
{
    enum { CLIENTS = 30 };
    struct fixture *f = *state;
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(f->port);
        send_head(fds[i], "/v1/upload", "application/octet-stream", 600000);
    }
    for (int round = 0; round < 6; round++)
        for (int i = 0; i < CLIENTS; i++)
            send_fill(fds[i], 100000);
    for (int i = 0; i < CLIENTS; i++) {
        struct answer a = client_read(fds[i], false);
        assert_status(&a, 200);
        assert_true(str_contains(a.body, STR("\"bytes\":600000,")));
        answer_free(&a);
        client_close(fds[i]);
    }
    assert_int_equal(spooled_files(f), 0);
}

/* A full disk, here a limit on file size: the client hears it, the server goes on. */
static void a_full_disk_is_said(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 400000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int fd = client_connect(f->port);
    send_head(fd, "/v1/upload", "application/octet-stream", 30000000);
    send_fill(fd, 3000000);
    struct answer a = client_read(fd, false);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_code(&a, 507, "no_space");
    answer_free(&a);
    client_close(fd);
    assert_int_equal(spooled_files(f), 0);
    a = client_ask(f->port, "POST", "/v1/upload", "", "fine again");
    assert_status(&a, 200);
    answer_free(&a);
}

static void a_full_disk_is_foreseen(void **state)
{
    struct fixture *f = *state;
    int64_t free_bytes = 0;
    err e = fs_free_bytes(f->folder, &free_bytes);
    assert_int_equal(e.code, 0);
    int fd = client_connect(f->port);
    send_head(fd, "/v1/upload", "application/octet-stream", free_bytes + ((int64_t)1 << 30));
    struct answer a = client_read(fd, false);
    if (free_bytes + ((int64_t)1 << 30) > (int64_t)16 << 30)
        assert_code(&a, 413, "too_big"); /* the limit for uploads comes first */
    else
        assert_code(&a, 507, "no_space");
    answer_free(&a);
    client_close(fd);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        T(bodies_up_to_the_limit_are_taken),
        T(small_excess_keeps_the_connection),
        T(large_excess_is_refused_early),
        T(endless_chunks_are_refused_midway),
        T(continue_is_said_before_a_wanted_body),
        T(forms_arrive_whole),
        T(large_uploads_take_no_memory),
        T(chunked_uploads_work),
        T(upload_routes_take_json_and_nothing_too),
        T(taken_files_stay),
        T(broken_forms_are_refused),
        T(upload_limits_hold),
        T(aborted_uploads_leave_nothing),
        T(sinks_take_bodies_of_any_type_as_they_are),
        T(sinks_refuse_and_are_closed),
        T(uploads_run_side_by_side),
        T(a_full_disk_is_said),
        T(a_full_disk_is_foreseen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
