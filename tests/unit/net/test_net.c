/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls against a peer that answers what the test dictates, or nothing at all. If these failed, a
 * stuck service would hold a worker for ever, or a key would travel in the clear. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "platform/net/net.h"

#define assert_ok(call)                                                         \
    do {                                                                        \
        err assert_ok_ = (call);                                                \
        if (assert_ok_.code)                                                    \
            fail_msg("%s: %s", err_code_name(assert_ok_.code), assert_ok_.msg); \
    } while (0)

enum { BIG = 3000000 };

/* One connection; waits for the head of one request, writes `reply`, then `fill` letters, and
 * closes or, told to hang, waits for the test. */
struct peer {
    pthread_t thread;
    int listen_fd, port;
    const char *reply;
    size_t fill;
    int hang_fd[2]; /* readable: go on */
    bool hangs;
    char request[4096];
};

static void *peer_main(void *arg)
{
    struct peer *p = arg;
    size_t len = 0;
    int fd = accept(p->listen_fd, NULL, NULL);
    while (len < sizeof p->request - 1 && !strstr(p->request, "\r\n\r\n")) {
        ssize_t got = read(fd, p->request + len, sizeof p->request - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        p->request[len] = '\0';
    }
    send(fd, p->reply, strlen(p->reply), MSG_NOSIGNAL);
    char *letters = malloc(p->fill + 1);
    if (letters) {
        for (size_t i = 0; i < p->fill; i++)
            letters[i] = (char)('a' + i % 26);
        for (size_t at = 0; at < p->fill;) {
            ssize_t sent = send(fd, letters + at, p->fill - at, MSG_NOSIGNAL);
            if (sent <= 0)
                break;
            at += (size_t)sent;
        }
    }
    free(letters);
    char c;
    if (p->hangs && read(p->hang_fd[0], &c, 1) < 0)
        abort();
    close(fd);
    return NULL;
}

static void peer_open(struct peer *p)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(p->listen_fd, 1), 0);
    assert_int_equal(getsockname(p->listen_fd, (struct sockaddr *)&address, &len), 0);
    p->port = ntohs(address.sin_port);
    assert_int_equal(pipe(p->hang_fd), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

static void peer_close(struct peer *p)
{
    assert_int_equal(write(p->hang_fd[1], "x", 1), 1);
    pthread_join(p->thread, NULL);
    close(p->listen_fd);
    close(p->hang_fd[0]);
    close(p->hang_fd[1]);
}

static err ask(struct net *n, const struct peer *p, const struct net_request *like,
               struct net_call **ret_call)
{
    char url[64];
    struct net_request rq = *like;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/path?q=1", p->port);
    rq.url = url;
    return net_begin(n, &rq, ret_call);
}

static void test_a_call(void **state)
{
    static const char *const headers[] = { "X-Mine: 1", NULL };
    struct peer p = {
        .reply = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nX-Theirs: yes \r\n"
                 "Content-Length: 5\r\n\r\nhello"
    };
    struct net *n;
    struct net_call *c;
    struct buf body;
    peer_open(&p);
    assert_ok(net_open(&(struct net_options){ .plain_only_nearby = true }, &n));
    assert_ok(ask(n, &p,
                  &(struct net_request){
                      .method = "PUT", .headers = headers, .has_body = true, .body = STR("body") },
                  &c));
    assert_int_equal(net_status(c), 201);
    assert_true(str_eq(net_header(c, STR("x-theirs")), STR("yes")));
    assert_int_equal(net_header(c, STR("x-other")).len, 0);
    buf_init(&body, 100);
    assert_ok(net_read_all(c, &body));
    assert_string_equal(body.ptr, "hello");
    buf_deinit(&body);
    net_end(c);
    peer_close(&p);
    net_close(n);
    assert_non_null(strstr(p.request, "PUT /path?q=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(p.request, "\r\nX-Mine: 1\r\n"));
    assert_non_null(strstr(p.request, "\r\nContent-Length: 4\r\n"));
    assert_null(strstr(p.request, "Expect:"));
}

/* In whatever pieces it is read, it is the same; what is not read does not pile up here. */
static void test_reading_in_pieces(void **state)
{
    static const size_t steps[] = { 7777, 65536, BIG };
    static unsigned char out[BIG];
    for (size_t s = 0; s < COUNT_OF(steps); s++) {
        struct peer p = { .reply = "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n",
                          .fill = BIG };
        struct net *n;
        struct net_call *c;
        size_t at = 0, got = 1;
        peer_open(&p);
        assert_ok(net_open(&(struct net_options){ 0 }, &n));
        assert_ok(ask(n, &p, &(struct net_request){ .method = "GET" }, &c));
        while (got > 0) {
            size_t room = BIG - at < steps[s] ? BIG - at : steps[s];
            assert_ok(net_read(c, out + at, room ? room : 1, &got));
            at += got;
        }
        assert_int_equal(at, BIG);
        for (size_t i = 0; i < BIG; i++)
            if (out[i] != 'a' + i % 26)
                fail_msg("byte %zu", i);
        net_end(c);
        peer_close(&p);
        net_close(n);
    }
}

/* Also when the end is there before the first byte is asked for: both then come to light at once.
 */
static void test_a_body_that_breaks_off(void **state)
{
    for (int ended_first = 0; ended_first < 2; ended_first++) {
        struct peer p = { .reply = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", .fill = 600 };
        struct net *n;
        struct net_call *c;
        struct buf body;
        peer_open(&p);
        assert_ok(net_open(&(struct net_options){ 0 }, &n));
        assert_ok(ask(n, &p, &(struct net_request){ .method = "GET" }, &c));
        if (ended_first)
            peer_close(&p);
        buf_init(&body, 5000);
        assert_int_equal(net_read_all(c, &body).code, ERR_UPSTREAM);
        assert_int_equal(body.len, 600); /* what came is there */
        size_t got;
        assert_int_equal(net_read(c, p.request, 10, &got).code, ERR_UPSTREAM); /* and stays so */
        buf_deinit(&body);
        net_end(c);
        if (!ended_first)
            peer_close(&p);
        net_close(n);
    }
}

static void test_a_reply_has_a_maximum(void **state)
{
    struct peer p = { .reply = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", .fill = 1000 };
    struct net *n;
    struct net_call *c;
    struct buf body;
    peer_open(&p);
    assert_ok(net_open(&(struct net_options){ 0 }, &n));
    assert_ok(ask(n, &p, &(struct net_request){ .method = "GET" }, &c));
    buf_init(&body, 500);
    assert_int_equal(net_read_all(c, &body).code, ERR_TOO_BIG);
    buf_deinit(&body);
    net_end(c);
    peer_close(&p);
    net_close(n);
}

/* A peer that takes the request, or the half of it, and says no more. */
static void test_every_wait_ends(void **state)
{
    static const char *const replies[] = { "", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf" };
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        struct peer p = { .reply = replies[i], .hangs = true };
        struct net *n;
        struct net_call *c = NULL;
        struct buf body;
        peer_open(&p);
        assert_ok(net_open(&(struct net_options){ .stall_ms = 300 }, &n));
        err e = ask(n, &p, &(struct net_request){ .method = "GET" }, &c);
        buf_init(&body, 100);
        if (!e.code)
            e = net_read_all(c, &body);
        assert_int_equal(e.code, ERR_TIMEOUT);
        buf_deinit(&body);
        net_end(c);
        peer_close(&p);
        net_close(n);
    }
}

static void test_a_deadline(void **state)
{
    struct peer p = { .reply = "", .hangs = true };
    struct net *n;
    struct net_call *c = NULL;
    peer_open(&p);
    assert_ok(net_open(&(struct net_options){ 0 }, &n));
    struct net_request rq = { .method = "GET",
                              .deadline_ns = clock_mono_ns() + INT64_C(200000000) };
    assert_int_equal(ask(n, &p, &rq, &c).code, ERR_TIMEOUT);
    peer_close(&p);
    net_close(n);
}

static void test_lanes_are_bounded(void **state)
{
    struct peer p = { .reply = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", .hangs = true };
    struct net *n;
    struct net_call *first = NULL, *second = NULL;
    peer_open(&p);
    assert_ok(net_open(&(struct net_options){ .lanes_max = 1, .stall_ms = 200 }, &n));
    assert_ok(ask(n, &p, &(struct net_request){ .method = "GET" }, &first));
    err e = ask(n, &p, &(struct net_request){ .method = "GET" }, &second);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_non_null(strstr(e.msg, "busy"));
    net_end(first);
    peer_close(&p);
    net_close(n);
}

static void test_what_cannot_work(void **state)
{
    static const struct {
        const char *url;
        enum err_code code;
    } cases[] = {
        { "http://127.0.0.1:1/", ERR_UPSTREAM }, { "http://192.0.2.1/", ERR_DENIED },
        { "http://[2001:db8::1]/", ERR_DENIED }, { "ftp://127.0.0.1/", ERR_DENIED },
        { "file:///etc/passwd", ERR_DENIED },    { "nonsense://", ERR_DENIED },
    };
    struct net *n;
    assert_ok(net_open(&(struct net_options){ .plain_only_nearby = true }, &n));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct net_call *c = NULL;
        err e = net_begin(n, &(struct net_request){ .method = "GET", .url = cases[i].url }, &c);
        if (e.code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].url, err_code_name(e.code), e.msg);
    }
    net_close(n);
    net_close(NULL);
    net_end(NULL);
}

static void test_nearby(void **state)
{
    static const char *const near[] = { "127.0.0.1",  "127.9.9.9",       "10.0.0.1",   "172.16.0.1",
                                        "172.31.9.9", "192.168.1.1",     "::1",        "fd00::1",
                                        "fe80::1",    "::ffff:10.1.2.3", "169.254.1.1" };
    static const char *const far[] = { "8.8.8.8",   "172.32.0.1",  "172.15.0.1",     "192.169.0.1",
                                       "11.0.0.1",  "2001:db8::1", "::ffff:8.8.8.8", "",
                                       "localhost", "0.0.0.0",     "10.0.0" };
    for (size_t i = 0; i < COUNT_OF(near); i++)
        if (!net_is_nearby(near[i]))
            fail_msg("%s", near[i]);
    for (size_t i = 0; i < COUNT_OF(far); i++)
        if (net_is_nearby(far[i]))
            fail_msg("%s", far[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call),
        cmocka_unit_test(test_reading_in_pieces),
        cmocka_unit_test(test_a_body_that_breaks_off),
        cmocka_unit_test(test_a_reply_has_a_maximum),
        cmocka_unit_test(test_every_wait_ends),
        cmocka_unit_test(test_a_deadline),
        cmocka_unit_test(test_lanes_are_bounded),
        cmocka_unit_test(test_what_cannot_work),
        cmocka_unit_test(test_nearby),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
