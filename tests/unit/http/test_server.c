/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every client counts on: statuses, headers, one shape of errors, conditions, compression,
 * access. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static struct answer ask(void **state, const char *method, const char *target, const char *headers,
                         const char *body)
{
    return client_ask(((struct fixture *)*state)->port, method, target, headers, body);
}

static void handlers_answer(void **state)
{
    static const char *const targets[] = { "/v1/ok", "/v1/inline", "/health",
                                           "http://localhost/v1/ok", "/v1/%6Fk" };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct answer a = ask(state, "GET", targets[i], "", NULL);
        assert_status(&a, 200);
        assert_body(&a, "ok\n");
        assert_true(str_eq(answer_header(&a, "Content-Type"), STR("text/plain")));
        assert_true(str_eq(answer_header(&a, "X-Content-Type-Options"), STR("nosniff")));
        assert_int_equal(answer_header(&a, "Access-Control-Allow-Origin").len, 0); /* not offered */
        answer_free(&a);
    }
}

static void handlers_see_the_request(void **state)
{
    struct answer a = ask(state, "GET", "/v1/echo/a%2Fb%20c?q=x+%26y&limit=9&tag=1&tag=2&tag=",
                          "User-Agent: test/1\r\nX-Request-Id: my-id.7\r\n", NULL);
    assert_status(&a, 200);
    assert_body(
        &a,
        "{\"id\":\"a/b c\",\"q\":\"x &y\",\"limit\":9,\"tags\":3,\"requestId\":\"my-id.7\","
        "\"agent\":\"test/1\",\"address\":\"127.0.0.1\",\"loopback\":true,\"user\":\"tester\"}");
    assert_true(str_eq(answer_header(&a, "X-Request-Id"), STR("my-id.7")));
    answer_free(&a);
}

/* The reply waits for what calls back, whichever comes first: that, or the handler's return. */
static void replies_may_come_later(void **state)
{
    static const char *const targets[] = { "/v1/later",
                                           "/v1/later-inline",
                                           "/v1/later?how=now",
                                           "/v1/later-inline?how=now",
                                           "/v1/moved",
                                           "/v1/moved?then=later",
                                           "/v1/moved?then=later&how=now" };
    char target[80];
    for (size_t round = 0; round < 20 * COUNT_OF(targets); round++) {
        const char *path = targets[round % COUNT_OF(targets)];
        struct answer a = ask(state, "GET", path, "", NULL);
        assert_status(&a, 200);
        assert_body(&a, "ok\n");
        answer_free(&a);
        if (!strstr(path, "later"))
            continue;
        snprintf(target, sizeof target, "%s%ccode=%d", path, strchr(path, '?') ? '&' : '?',
                 ERR_CONFLICT);
        a = ask(state, "GET", target, "", NULL);
        assert_code(&a, 409, "conflict");
        answer_free(&a);
    }
}

static void request_ids_are_sane(void **state)
{
    static const struct {
        const char *headers;
        bool is_kept;
    } rows[] = {
        { "X-Request-Id: abc-123\r\n", true },
        { "X-Correlation-Id: abc-123\r\n", true },
        { "X-Request-Id: abc\"123\r\n", false },
        { "X-Request-Id: <script>\r\n", false },
        { "X-Request-Id: "
          "0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
          false },
        { "", false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer a = ask(state, "GET", "/v1/ok", rows[i].headers, NULL);
        str id = answer_header(&a, "X-Request-Id");
        assert_int_equal(str_eq(id, STR("abc-123")), rows[i].is_kept);
        if (!rows[i].is_kept)
            assert_int_equal(id.len, 32);
        answer_free(&a);
    }
}

static void problems_have_one_shape(void **state)
{
    static const struct {
        const char *method, *target, *headers, *body;
        int status;
        const char *code;
    } rows[] = {
        { "GET", "/nowhere", "", NULL, 404, "not_found" },
        { "GET", "/v1/ok/", "", NULL, 404, "not_found" },
        { "GET", "/v1/missing", "", NULL, 404, "not_found" },
        { "DELETE", "/v1/ok", "", NULL, 405, "method_not_allowed" },
        { "BREW", "/v1/ok", "", NULL, 405, "method_not_allowed" },
        { "GET", "/v1/../etc", "", NULL, 400, "invalid" },
        { "GET", "/v1/%00", "", NULL, 400, "invalid" },
        { "GET", "/v1/ok?a=%", "", NULL, 400, "invalid" },
        { "GET", "nowhere", "", NULL, 400, "invalid" },
        { "GET", "/v1/echo/1?limit=0", "", NULL, 400, "invalid" },
        { "GET", "/v1/echo/1?limit=x", "", NULL, 400, "invalid" },
        { "GET", "/v1/fail", "", NULL, 409, "conflict" },
        { "GET", "/v1/fail?code=8", "", NULL, 503, "busy" },
        { "GET", "/v1/fail?code=2", "", NULL, 401, "unauthenticated" },
        { "GET", "/v1/problem", "", NULL, 422, "odd_move" },
        { "GET", "/v1/stream-fail", "", NULL, 404, "not_found" },
        { "GET", "/v1/big?bytes=20000000", "", NULL, 500, "internal" },
        { "POST", "/v1/things", "Content-Type: application/json\r\n", "{", 400, "invalid" },
        { "POST", "/v1/things", "Content-Type: application/json\r\n", "[]", 400, "invalid" },
        { "POST", "/v1/things", "Content-Type: application/json\r\n", "{\"x\":1}", 400, "invalid" },
        { "POST", "/v1/things", "", "", 400, "invalid" },
        { "POST", "/v1/things", "Content-Type: text/plain\r\n", "{}", 415,
          "unsupported_media_type" },
        { "POST", "/v1/admin", "", NULL, 401, "unauthenticated" },
        { "POST", "/v1/admin", "X-Api-Key: viewer\r\n", NULL, 403, "denied" },
        { "GET", "/v1/ok", "Origin: http://evil.example\r\n", NULL, 403, "denied" },
        { "GET", "/v1/ok", "Origin: null\r\n", NULL, 403, "denied" },
        { "GET", "http://evil.example/v1/ok", "", NULL, 403, "denied" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer a = ask(state, rows[i].method, rows[i].target, rows[i].headers, rows[i].body);
        assert_code(&a, rows[i].status, rows[i].code);
        assert_int_equal(answer_header(&a, "X-Half").len,
                         0); /* nothing of a half-written reply is left */
        answer_free(&a);
        fixture_await(&f->finished_errors, rows[i].status == 422 ? (int)i : (int)i + 1 - (i > 14));
    }
}

static void problems_say_what_to_do_next(void **state)
{
    struct answer a = ask(state, "DELETE", "/v1/raw", "", NULL);
    assert_true(str_eq(answer_header(&a, "Allow"), STR("POST, PUT, OPTIONS")));
    answer_free(&a);
    a = ask(state, "PUT", "/v1/ok", "", NULL);
    assert_true(str_eq(answer_header(&a, "Allow"), STR("GET, HEAD, OPTIONS")));
    answer_free(&a);
    a = ask(state, "GET", "/v1/fail?code=8", "", NULL);
    assert_true(answer_header(&a, "Retry-After").len > 0);
    answer_free(&a);
    a = ask(state, "GET", "/v1/fail?code=2", "", NULL);
    assert_true(str_eq(answer_header(&a, "WWW-Authenticate"), STR("Bearer")));
    answer_free(&a);
}

static void access_is_enforced(void **state)
{
    struct answer a = ask(state, "POST", "/v1/admin", "X-Api-Key: admin\r\n", NULL);
    assert_status(&a, 200);
    answer_free(&a);
}

static void hosts_and_origins_are_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        { "GET /v1/ok HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403 },
        { "GET /v1/ok HTTP/1.1\r\nHost: local host\r\n\r\n", 400 },
        { "GET /v1/ok HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400 },
        { "GET /v1/ok HTTP/1.1\r\n\r\n", 400 },
        { "GET /v1/ok HTTP/1.0\r\n\r\n", 200 },
        { "GET /v1/ok HTTP/1.0\r\nHost: evil.example\r\n\r\n", 403 },
        { "GET /v1/ok HTTP/1.1\r\nHost: localhost:5\r\nOrigin: http://localhost:5\r\n\r\n", 200 },
        { "GET /v1/ok HTTP/1.1\r\nHost: localhost:5\r\nOrigin: http://localhost:6\r\n\r\n", 403 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = client_connect(f->port);
        client_send(fd, rows[i].request);
        struct answer a = client_read(fd, false);
        assert_status(&a, rows[i].status);
        answer_free(&a);
        client_close(fd);
    }
}

static void head_and_options_work(void **state)
{
    struct answer a = ask(state, "HEAD", "/v1/static", "", NULL);
    assert_status(&a, 200);
    assert_true(str_eq(answer_header(&a, "Content-Length"), STR("5000")));
    assert_int_equal(a.body.len, 0);
    answer_free(&a);
    a = ask(state, "HEAD", "/v1/stream", "", NULL);
    assert_status(&a, 200);
    answer_free(&a);
    struct fixture *f = *state;
    fixture_await(&f->stream_done, 1);
    a = ask(state, "OPTIONS", "/v1/raw", "", NULL);
    assert_status(&a, 204);
    assert_true(str_eq(answer_header(&a, "Allow"), STR("POST, PUT, OPTIONS")));
    answer_free(&a);
    a = ask(state, "OPTIONS", "*", "", NULL);
    assert_status(&a, 204);
    answer_free(&a);
    a = ask(state, "OPTIONS", "/nowhere", "", NULL);
    assert_status(&a, 404);
    answer_free(&a);
}

static void redirects_point(void **state)
{
    struct answer a = ask(state, "GET", "/v1/redirect", "", NULL);
    assert_status(&a, 308);
    assert_true(str_eq(answer_header(&a, "Location"), STR("/v1/ok")));
    answer_free(&a);
}

static void json_is_read_and_written(void **state)
{
    static const char *const types[] = { "Content-Type: application/json\r\n", "",
                                         "Content-Type: Application/JSON; charset=utf-8\r\n",
                                         "Content-Type: application/vnd.x+json\r\n" };
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct answer a = ask(state, "POST", "/v1/things", types[i], "{\"name\":\"caf\xc3\xa9\"}");
        assert_status(&a, 201);
        assert_body(&a, "{\"name\":\"caf\xc3\xa9\"}");
        assert_true(str_eq(answer_header(&a, "Location"), STR("/v1/things/1")));
        answer_free(&a);
    }
}

static void rest_is_handed_over(void **state)
{
    struct answer a = ask(state, "GET", "/files/a/b%20c.txt", "", NULL);
    assert_body(&a, "a/b c.txt");
    answer_free(&a);
    a = ask(state, "GET", "/files/a/..%2f..%2fetc/passwd", "", NULL);
    assert_status(&a, 400);
    answer_free(&a);
}

static void unchanged_bodies_are_not_sent(void **state)
{
    struct answer a = ask(state, "GET", "/v1/static", "If-None-Match: \"v1\"\r\n", NULL);
    assert_status(&a, 304);
    assert_true(str_eq(answer_header(&a, "ETag"), STR("\"v1\"")));
    answer_free(&a);
    a = ask(state, "GET", "/v1/static", "If-None-Match: \"v2\"\r\n", NULL);
    assert_status(&a, 200);
    answer_free(&a);
    a = ask(state, "GET", "/v1/tagged", "If-None-Match: W/\"seven\"\r\n", NULL);
    assert_status(&a, 304);
    answer_free(&a);
    a = ask(state, "GET", "/v1/tagged", "", NULL);
    assert_body(&a, "tagged");
    assert_true(str_eq(answer_header(&a, "ETag"), STR("\"seven\"")));
    answer_free(&a);
}

static void text_is_compressed_on_request(void **state)
{
    struct answer plain = ask(state, "GET", "/v1/big?bytes=50000", "", NULL);
    assert_true(plain.body.len > 50000);
    assert_true(str_eq(answer_header(&plain, "Vary"), STR("Accept-Encoding")));

    struct answer a = ask(state, "GET", "/v1/big?bytes=50000", "Accept-Encoding: gzip\r\n", NULL);
    assert_true(str_eq(answer_header(&a, "Content-Encoding"), STR("gzip")));
    assert_true(a.body.len < 5000);
    char *back = malloc(plain.body.len);
    z_stream z = { .next_in = (Bytef *)(uintptr_t)a.body.ptr,
                   .avail_in = (uInt)a.body.len,
                   .next_out = (Bytef *)back,
                   .avail_out = (uInt)plain.body.len };
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    assert_memory_equal(back, plain.body.ptr, plain.body.len);
    answer_free(&a);

    a = ask(state, "GET", "/v1/big?bytes=50000", "Accept-Encoding: gzip, zstd\r\n", NULL);
    assert_true(str_eq(answer_header(&a, "Content-Encoding"), STR("zstd")));
    assert_int_equal(ZSTD_decompress(back, plain.body.len, a.body.ptr, a.body.len), plain.body.len);
    free(back);
    answer_free(&plain);
    answer_free(&a);

    a = ask(state, "GET", "/v1/ok", "Accept-Encoding: gzip\r\n", NULL); /* not worth it */
    assert_int_equal(answer_header(&a, "Content-Encoding").len, 0);
    answer_free(&a);
    a = ask(state, "GET", "/v1/static", "Accept-Encoding: gzip\r\n", NULL); /* inline, and a tag */
    assert_true(str_eq(answer_header(&a, "Content-Encoding"), STR("gzip")));
    assert_true(str_eq(answer_header(&a, "ETag"), STR("W/\"v1\"")));
    answer_free(&a);
    a = ask(state, "GET", "/v1/static", "Accept-Encoding: gzip\r\nIf-None-Match: W/\"v1\"\r\n",
            NULL);
    assert_status(&a, 304);
    answer_free(&a);
}

/* CORS only for the sites in the list. */
static int set_up_listed(void **state)
{
    static const char *const origins[] = { "https://notebook.example", NULL };
    static const char *const hosts[] = { "skerry.example", NULL };
    return fixture_set_up_with(state,
                               (struct http_options){ .origins = origins, .hosts_extra = hosts });
}

static void listed_sites_may_read(void **state)
{
    struct answer a = ask(state, "GET", "/v1/ok", "Origin: https://notebook.example\r\n", NULL);
    assert_status(&a, 200);
    assert_true(
        str_eq(answer_header(&a, "Access-Control-Allow-Origin"), STR("https://notebook.example")));
    assert_true(str_eq(answer_header(&a, "Vary"), STR("Origin")));
    answer_free(&a);
    a = ask(state, "OPTIONS", "/v1/things",
            "Origin: https://notebook.example\r\nAccess-Control-Request-Method: POST\r\n", NULL);
    assert_status(&a, 204);
    assert_true(
        str_contains(answer_header(&a, "Access-Control-Allow-Headers"), STR("Content-Type")));
    answer_free(&a);
    a = ask(state, "OPTIONS", "/v1/things", "Origin: https://evil.example\r\n", NULL);
    assert_status(&a, 403);
    answer_free(&a);
}

static void hooks_hear_of_everything(void **state)
{
    struct fixture *f = *state;
    struct answer a = ask(state, "GET", "/v1/static", "", NULL);
    answer_free(&a);
    fixture_await(&f->finished, 1);
    assert_int_equal(atomic_load(&f->last_status), 200);
    assert_int_equal(atomic_load(&f->last_bytes), 5000);
    a = ask(state, "GET", "/nowhere", "", NULL);
    answer_free(&a);
    fixture_await(&f->finished, 2);
    assert_int_equal(atomic_load(&f->last_status), 404);
    int fd = client_connect(f->port);
    client_send(fd, "this is not HTTP\r\n\r\n");
    a = client_read(fd, false);
    assert_status(&a, 400);
    answer_free(&a);
    client_close(fd);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        T(handlers_answer),
        T(handlers_see_the_request),
        T(replies_may_come_later),
        T(request_ids_are_sane),
        T(problems_have_one_shape),
        T(problems_say_what_to_do_next),
        T(access_is_enforced),
        T(hosts_and_origins_are_checked),
        T(head_and_options_work),
        T(redirects_point),
        T(json_is_read_and_written),
        T(rest_is_handed_over),
        T(unchanged_bodies_are_not_sent),
        T(text_is_compressed_on_request),
        cmocka_unit_test_setup_teardown(listed_sites_may_read, set_up_listed, fixture_tear_down),
        T(hooks_hear_of_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
