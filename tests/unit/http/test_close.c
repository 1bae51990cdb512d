/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Starting and stopping. If these fail, a restart loses answers that were on their way, hangs, or a
 * second server starts where one already runs. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/thread.h"

struct closer {
    struct http_server *server;
    int64_t drain_ms;
    _Atomic int done;
};

static void *close_run(void *arg)
{
    struct closer *c = arg;
    http_close(c->server, c->drain_ms);
    atomic_store(&c->done, 1);
    return NULL;
}

/* Takes the server from the fixture and closes it in a thread of its own. */
static pthread_t close_begin(struct fixture *f, struct closer *c, int64_t drain_ms)
{
    *c = (struct closer){ .server = f->server, .drain_ms = drain_ms };
    f->server = NULL;
    pthread_t thread;
    err e = thread_start(&thread, "closer", close_run, c);
    assert_int_equal(e.code, 0);
    return thread;
}

/* Until a new connection hears that the server is closing. */
static void await_closing(struct fixture *f)
{
    int status = 200;
    for (int i = 0; i < CLIENT_PATIENCE_S * 100 && status == 200; i++) {
        struct answer a = client_ask(f->port, "GET", "/v1/inline", "", NULL);
        status = a.status;
        answer_free(&a);
        if (status == 200)
            clock_sleep_ms(10);
    }
    assert_int_equal(status, 503);
}

static void running_requests_finish(void **state)
{
    struct fixture *f = *state;
    fixture_hold(f, true);
    int fd = client_connect(f->port), idle = client_connect(f->port);
    client_send(fd, "GET /v1/hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_send(idle, "GET /v1/ok HTTP/1.1\r\nHost: localhost\r\n\r\n");
    struct answer a = client_read(idle, false);
    answer_free(&a);
    fixture_await(&f->running, 1);
    struct closer c;
    pthread_t thread = close_begin(f, &c, 20000);
    await_closing(f);
    assert_int_equal(atomic_load(&c.done), 0);
    client_send(idle, "GET /v1/ok HTTP/1.1\r\nHost: localhost\r\n\r\n"); /* too late */
    a = client_read(idle, false);
    assert_code(&a, 503, "busy");
    assert_true(str_eq(answer_header(&a, "Connection"), STR("close")));
    answer_free(&a);
    fixture_hold(f, false);
    a = client_read(fd, false);
    assert_body(&a, "ok\n");
    assert_true(str_eq(answer_header(&a, "Connection"), STR("close")));
    answer_free(&a);
    pthread_join(thread, NULL);
    client_close(fd);
    client_close(idle);
}

/* Waiting requests hear it when the time to drain is over; running handlers are waited for. */
static void waiting_requests_are_told(void **state)
{
    enum { CLIENTS = 12 };
    struct fixture *f = *state;
    int fds[CLIENTS];
    fixture_hold(f, true);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(f->port);
        client_send(fds[i], "GET /v1/hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    fixture_await(&f->running, 8);
    struct closer c;
    pthread_t thread = close_begin(f, &c, 100);
    clock_sleep_ms(1000);
    assert_int_equal(atomic_load(&c.done), 0);
    fixture_hold(f, false);
    pthread_join(thread, NULL);
    int fine = 0;
    for (int i = 0; i < CLIENTS; i++) {
        char text[16] = "";
        fine += recv(fds[i], text, sizeof text - 1, MSG_WAITALL) > 0 &&
                !strncmp(text, "HTTP/1.1 200", 12);
        client_close(fds[i]);
    }
    assert_in_range(fine, 0, 8);
}

static void streams_end(void **state)
{
    struct fixture *f = *state;
    int events = client_connect(f->port), endless = client_connect(f->port);
    client_send(events, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_send(endless, "GET /v1/endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    char byte;
    assert_int_equal(recv(events, &byte, 1, 0), 1);
    assert_int_equal(recv(endless, &byte, 1, 0), 1);
    struct closer c;
    pthread_t thread = close_begin(f, &c, 300);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&f->stream_done), 2);
    assert_int_equal(atomic_load(&f->finished), 2);
    client_close(events);
    client_close(endless);
}

static err count_upload(void *arg, const char *name)
{
    *(int *)arg += str_starts(str_of(name), STR("upload-"));
    return OK;
}

static void uploads_under_way_end(void **state)
{
    struct fixture *f = *state;
    int fds[4];
    char block[300000];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 4; i++) {
        fds[i] = client_connect(f->port);
        client_send(
            fds[i],
            "POST /v1/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
        client_send_bytes(fds[i], block, sizeof block);
    }
    http_close(f->server, 50);
    f->server = NULL;
    for (int i = 0; i < 4; i++)
        client_close(fds[i]);
    int count = 0;
    err e = fs_list(f->folder, count_upload, &count);
    assert_int_equal(e.code, 0);
    assert_int_equal(count, 0);
}

static void closing_twice_in_a_row_works(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++) {
        http_close(f->server, 0);
        struct http_server *s = NULL;
        static const struct route none[] = { { 0 } };
        const struct route *tables[] = { none };
        err e = http_open(&(struct http_options){ .port = f->port }, tables, 1, &s);
        if (e.code)
            fail_msg("%s", e.msg);
        struct answer a = client_ask(f->port, "GET", "/", "", NULL);
        assert_status(&a, 404);
        answer_free(&a);
        f->server = s;
    }
    http_close(NULL, 0);
}

static err get_ok(struct http_request *rq, struct http_reply *rp)
{
    return OK;
}

struct asker {
    int port;
    _Atomic int answered;
    _Atomic bool is_over;
};

/* Connects and asks again and again, alternately of the event thread and of a worker. */
static void *ask_on(void *arg)
{
    static const char *const asked[] = { "GET /inline HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                         "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n" };
    struct asker *a = arg;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)a->port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char text[4096];
    while (!atomic_load(&a->is_over)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
            client_close(fd);
            break;
        }
        for (int i = 0; i < 5; i++) {
            const char *text_out = asked[i % 2];
            if (send(fd, text_out, strlen(text_out), MSG_NOSIGNAL) <= 0 ||
                recv(fd, text, sizeof text, 0) <= 0)
                break;
            atomic_fetch_add(&a->answered, 1);
        }
        client_close(fd);
    }
    return NULL;
}

/* libmicrohttpd 0.9.75 could end the process here: see drain. */
static void closing_while_clients_ask_ends_in_peace(void **state)
{
    enum { ROUNDS = 300, ASKERS = 3 };
    static const struct route both[] = {
        { "GET", "/x", "x", ACCESS_PUBLIC, get_ok },
        { "GET", "/inline", "x", ACCESS_PUBLIC, get_ok, .is_inline = true },
        { 0 },
    };
    const struct route *tables[] = { both };
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct http_server *s = NULL;
        struct asker asker = { 0 };
        pthread_t threads[ASKERS];
        err e = http_open(&(struct http_options){ 0 }, tables, 1, &s);
        assert_int_equal(e.code, 0);
        asker.port = http_port(s);
        for (int i = 0; i < ASKERS; i++) {
            e = thread_start(&threads[i], "asker", ask_on, &asker);
            assert_int_equal(e.code, 0);
        }
        fixture_await(&asker.answered, 20);
        http_close(s, 1000);
        atomic_store(&asker.is_over, true);
        for (int i = 0; i < ASKERS; i++)
            pthread_join(threads[i], NULL);
    }
}

static void bad_options_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct route closed[] = { { "GET", "/x", "x", ACCESS_VIEWER, get_ok }, { 0 } };
    static const struct route twice[] = { { "GET", "/x", "x", ACCESS_PUBLIC, get_ok },
                                          { "GET", "/x", "x", ACCESS_PUBLIC, get_ok },
                                          { 0 } };
    static const struct route fine[] = { { "GET", "/x", "x", ACCESS_PUBLIC, get_ok }, { 0 } };
    const struct {
        struct http_options options;
        const struct route *routes;
        enum err_code code;
        const char *word;
    } rows[] = {
        { { .port = f->port }, fine, ERR_CONFLICT, "in use" },
        { { 0 }, closed, ERR_INVALID, "authorise" },
        { { 0 }, twice, ERR_CONFLICT, "/x" },
        { { .port = 70000 }, fine, ERR_INVALID, "70000" },
        { { .bind_address = "8.8.8.8" }, fine, ERR_INVALID, "8.8.8.8" },
        { { .bind_address = "example.com" }, fine, ERR_INVALID, "example.com" },
        { { .spool_folder = "/dev/null/x" }, fine, ERR_IO, "/dev/null" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_server *s = NULL;
        const struct route *tables[] = { rows[i].routes };
        err e = http_open(&rows[i].options, tables, 1, &s);
        if (e.code != rows[i].code || !strstr(e.msg, rows[i].word) || s)
            fail_msg("row %zu: code %d, '%s'", i, e.code, e.msg);
    }
}

static void other_addresses_can_be_bound(void **state)
{
    static const struct route fine[] = { { "GET", "/x", "x", ACCESS_PUBLIC, get_ok }, { 0 } };
    static const char *const addresses[] = { "0.0.0.0", "localhost", "127.0.0.2", "::1" };
    const struct route *tables[] = { fine };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct http_server *s = NULL;
        err e = http_open(&(struct http_options){ .bind_address = addresses[i] }, tables, 1, &s);
        if (e.code && !strcmp(addresses[i], "::1"))
            continue; /* a machine without IPv6 */
        assert_int_equal(e.code, 0);
        assert_true(http_port(s) > 0);
        if (i < 2) {
            struct answer a = client_ask(http_port(s), "GET", "/x", "", NULL);
            assert_status(&a, 200);
            answer_free(&a);
        }
        http_close(s, 0);
    }
}

static err leave_file(struct fixture *f, const char *name)
{
    char path[FS_PATH_BYTES];
    TRY(fs_join(path, f->folder, name));
    return fs_write_durable(path, STR("x"));
}

/* What a killed server left in the spool is gone at the next start; nothing else is touched. */
static void the_spool_is_swept(void **state)
{
    struct fixture *f = *state;
    err e = leave_file(f, "upload-dead-1");
    if (!e.code)
        e = leave_file(f, "other");
    assert_int_equal(e.code, 0);
    struct http_server *s = NULL;
    static const struct route none[] = { { 0 } };
    const struct route *tables[] = { none };
    e = http_open(&(struct http_options){ .spool_folder = f->folder }, tables, 1, &s);
    assert_int_equal(e.code, 0);
    http_close(s, 0);
    char path[FS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/upload-dead-1", f->folder);
    assert_false(fs_exists(path));
    snprintf(path, sizeof path, "%s/other", f->folder);
    assert_true(fs_exists(path));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        T(running_requests_finish),
        T(waiting_requests_are_told),
        T(streams_end),
        T(uploads_under_way_end),
        T(closing_twice_in_a_row_works),
        T(closing_while_clients_ask_ends_in_peace),
        T(bad_options_are_refused),
        T(other_addresses_can_be_bound),
        T(the_spool_is_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
