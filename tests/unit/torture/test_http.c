/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, one request too many for the machine's memory ends the server, or leaves it with
 * connections that nobody answers. */
#include "torture.h"

#include <unistd.h>

#include "../http/client.h"
#include "platform/http/http.h"

static err say_ok(struct http_request *rq, struct http_reply *rp)
{
    (void)rq;
    buf_add_cstr(http_text(rp, "text/plain"), "ok\n");
    return OK;
}

/* Long enough to be compressed. */
static err say_much(struct http_request *rq, struct http_reply *rp)
{
    (void)rq;
    for (int i = 0; i < 2000; i++)
        buf_add_cstr(http_text(rp, "text/plain"), "ok\n");
    return OK;
}

static err say_name(struct http_request *rq, struct http_reply *rp)
{
    const struct json *root = NULL;
    str name = STR_NONE;
    TRY(http_body_json(rq, &root));
    TRY(json_need_str(root, "name", &name));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "name", name);
    json_kv_str(w, "id", http_param(rq, "id"));
    json_kv_str(w, "q", http_query(rq, "q"));
    json_object_end(w);
    return OK;
}

static err say_parts(struct http_request *rq, struct http_reply *rp)
{
    buf_add_fmt(http_text(rp, "text/plain"), "%zu parts", http_upload_count(rq));
    return OK;
}

static const struct route routes[] = {
    { "GET", "/v1/inline", "Says ok at once.", ACCESS_PUBLIC, say_ok, .is_inline = true },
    { "GET", "/v1/ok", "Says ok.", ACCESS_PUBLIC, say_ok },
    { "GET", "/v1/much", "Says ok often.", ACCESS_PUBLIC, say_much },
    { "POST", "/v1/things/{id}", "Says a name.", ACCESS_PUBLIC, say_name, .body = "{}" },
    { "POST", "/v1/upload", "Counts parts.", ACCESS_PUBLIC, say_parts, .is_upload = true },
    { 0 },
};

static err authorise(void *ctx, struct http_request *rq, enum access needed)
{
    (void)ctx;
    (void)needed;
    http_request_set_user(rq, STR("tester"), ACCESS_VIEWER);
    return OK;
}

static err open_server(struct torture_place *place, struct http_server **ret_server)
{
    const struct route *tables[] = { routes };
    return http_open(&(struct http_options){ .workers = 2,
                                             .spool_folder = place->folder,
                                             .hooks = { .authorise = authorise } },
                     tables, 1, ret_server);
}

static err open_work(struct torture_place *place)
{
    struct http_server *server = NULL;
    err e = open_server(place, &server);
    http_close(server, 1000);
    return e;
}

static void opening(void **state)
{
    torture(*state, open_work);
}

/* ------------------------------------------------------------------ requests */

static const struct {
    const char *method, *target, *headers, *body, *wanted;
} asks[] = {
    { "GET", "/v1/inline", "", "", "ok\n" },
    { "GET", "/v1/ok", "", "", "ok\n" },
    { "GET", "/v1/much", "Accept-Encoding: gzip\r\n", "", "ok\nok\n" },
    { "POST", "/v1/things/seven?q=a%20b", "Content-Type: application/json\r\n",
      "{\"name\":\"ada\"}", "{\"name\":\"ada\",\"id\":\"seven\",\"q\":\"a b\"}" },
    { "POST", "/v1/upload", "Content-Type: multipart/form-data; boundary=xyz\r\n",
      "--xyz\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nvalue\r\n"
      "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pgn\"\r\n\r\n"
      "1. e4 e5\r\n--xyz--\r\n",
      "2 parts" },
};

static bool is_whole(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 && strstr(answer, "\r\n\r\n");
}

/* Asks once, over a connection that the server may also just close. What comes back is the answer,
 * a problem that says so, or nothing: never another answer. */
static err ask(int port, size_t which)
{
    char text[16384];
    size_t len = 0, body_bytes = strlen(asks[which].body);
    int fd = client_connect(port);
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%sContent-Length: "
             "%zu\r\n\r\n%s",
             asks[which].method, asks[which].target, asks[which].headers, body_bytes,
             asks[which].body);
    client_try_send(fd, text, strlen(text));
    for (ssize_t n = 1; n > 0 && len<sizeof text - 1; len += n> 0 ? (size_t)n : 0)
        n = read(fd, text + len, sizeof text - 1 - len);
    text[len] = '\0';
    client_close(fd);
    if (!is_whole(text))
        return ERR(ERR_NO_MEMORY, "no answer");
    int64_t status = 0;
    TRY(str_to_i64(str_from(text + 9, 3), &status));
    if (status >= 500)
        return ERR(ERR_NO_MEMORY, "%.90s", text);
    const char *body = strstr(text, "\r\n\r\n") + 4;
    bool is_right = strstr(body, asks[which].wanted) ||
                    (strstr(text, "\r\nContent-Encoding: gzip\r\n") && body[0] == 0x1f);
    if (status != 200 || !is_right)
        return ERR(ERR_INTERNAL, "%s %s: %.90s", asks[which].method, asks[which].target, text);
    return OK;
}

struct asking {
    int port;
    size_t which;
};

static err ask_work(struct torture_place *place)
{
    const struct asking *a = place->arg;
    return ask(a->port, a->which);
}

static void requests(void **state)
{
    struct torture_place *place = *state;
    struct http_server *server = NULL;
    assert_int_equal(open_server(place, &server).code, ERR_NONE);
    alloc_fail_spare_thread(true); /* the client, which is this thread, is not on trial */
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        struct asking a = { http_port(server), i };
        place->arg = &a;
        torture(place, ask_work);
    }
    struct http_stats stats;
    http_stats(server, &stats);
    http_close(server, 5000);
    alloc_fail_spare_thread(false);
    assert_int_equal(stats.queued, 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = { T(opening), T(requests) };
    alloc_fail_install();
    return cmocka_run_group_tests_name("http without memory", tests, NULL, NULL);
}
