/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, a request lands at another route than the table says, or a broken table starts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/http/router.h"

static err nothing(struct http_request *rq, struct http_reply *rp)
{
    return OK;
}

#define R(m, p)                           \
    {                                     \
        m, p, "x", ACCESS_PUBLIC, nothing \
    }
static const struct route table[] = {
    R("GET", "/"),
    R("GET", "/v1/games"),
    R("POST", "/v1/games"),
    R("GET", "/v1/games/{id}"),
    R("DELETE", "/v1/games/{gameId}"),
    R("POST", "/v1/games/export"),
    R("GET", "/v1/games/{id}/moves/{ply}"),
    R("GET", "/v1/games/mine/moves"),
    R("GET", "/static/{rest...}"),
    R("GET", "/v1/runs/{id}/artifacts/{path...}"),
    { "POST", "/v1/predict", "x", ACCESS_PUBLIC, nothing, .alias = "/start_game" },
    R("PATCH", "/v1/odd-chars_~.:@!"),
    { 0 },
};
static const struct route more[] = { R("PUT", "/v1/games/{id}"), { 0 } };

static bool find(struct router *r, const char *method, const char *raw, struct route_match *match)
{
    static char scratch[1024];
    static struct path path; /* the match points into both */
    err e = path_parse(str_of(raw), scratch, &path);
    assert_int_equal(e.code, 0);
    return router_find(r, method_of(str_of(method)), &path, match);
}

static void requests_reach_their_route(void **state)
{
    static const struct {
        const char *method, *raw, *found, *params; /* found NULL: 404; "": 405 */
    } rows[] = {
        { "GET", "/", "/", "" },
        { "GET", "/v1/games", "/v1/games", "" },
        { "HEAD", "/v1/games", "/v1/games", "" },
        { "POST", "/v1/games", "/v1/games", "" },
        { "GET", "/v1/games/17", "/v1/games/{id}", "id=17 " },
        { "DELETE", "/v1/games/17", "/v1/games/{gameId}", "gameId=17 " },
        { "PUT", "/v1/games/a%2Fb", "/v1/games/{id}", "id=a/b " },
        { "POST", "/v1/games/export", "/v1/games/export", "" },
        { "GET", "/v1/games/export", "/v1/games/{id}",
          "id=export " }, /* the name has no GET, the parameter has */
        { "GET", "/v1/games/mine/moves", "/v1/games/mine/moves", "" },
        { "GET", "/v1/games/mine/moves/3", "/v1/games/{id}/moves/{ply}", "id=mine ply=3 " },
        { "GET", "/v1/games/x/moves", NULL, NULL },
        { "GET", "/v1/games/", NULL, NULL }, /* an empty segment is no parameter */
        { "GET", "/v1/games//moves/3", NULL, NULL },
        { "GET", "/V1/games", NULL, NULL },
        { "GET", "/v1/%67ames", "/v1/games", "" },
        { "GET", "/static/css/a.css", "/static/{rest...}", "rest=css/a.css " },
        { "GET", "/static/", "/static/{rest...}", "rest= " },
        { "GET", "/static", NULL, NULL },
        { "GET", "/static/a%20b", "/static/{rest...}", "rest=a b " },
        { "GET", "/static/a%2Fb", NULL, NULL }, /* an encoded slash in a file name */
        { "GET", "/v1/runs/r1/artifacts/model/net.bin", "/v1/runs/{id}/artifacts/{path...}",
          "id=r1 path=model/net.bin " },
        { "POST", "/start_game", "/v1/predict", "" },
        { "PATCH", "/v1/odd-chars_~.:@!", "/v1/odd-chars_~.:@!", "" },
        { "POST", "/", "", "" },
        { "TRACE", "/v1/games", "", "" },
        { "BREW", "/v1/games/1", "", "" },
        { "GET", "/v1", NULL, NULL },
    };
    const struct route *tables[] = { table, more };
    struct router *r = NULL;
    (void)state;
    err e = router_new(tables, 2, &r);
    assert_int_equal(e.code, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct route_match match;
        bool found = find(r, rows[i].method, rows[i].raw, &match);
        if (found != (rows[i].found != NULL))
            fail_msg("%s %s: found %d", rows[i].method, rows[i].raw, found);
        if (!found)
            continue;
        assert_string_equal(match.route ? match.route->path : "", rows[i].found);
        char params[256] = "";
        size_t len = 0;
        for (size_t p = 0; p < match.param_count; p++)
            len += (size_t)snprintf(params + len, sizeof params - len, "%.*s=%.*s ",
                                    STR_ARG(match.params[p].name), STR_ARG(match.params[p].value));
        assert_string_equal(params, rows[i].params);
    }
    struct route_match match;
    assert_true(find(r, "PATCH", "/v1/games/export", &match));
    assert_int_equal(match.allowed,
                     1u << METHOD_GET | 1u << METHOD_POST | 1u << METHOD_PUT | 1u << METHOD_DELETE);
    router_free(r);
}

static void broken_tables_do_not_start(void **state)
{
    static const struct {
        struct route route;
        enum err_code code;
        const char *word;
    } rows[] = {
        { R("GET", "/v1/games"), ERR_CONFLICT, "/v1/games" },
        { R("GET", "/v1/games/{other}"), ERR_CONFLICT, "{id}" },
        { R("GET", "/static/{all...}"), ERR_CONFLICT, "{rest...}" },
        { { "GET", "/x", "x", ACCESS_PUBLIC, nothing, .alias = "/v1/games" },
          ERR_CONFLICT,
          "/v1/games" },
        { { "GET", "/x", "x", ACCESS_UNSET, nothing }, ERR_INVALID, "access" },
        { { "GET", "/x", "x", ACCESS_PUBLIC, NULL }, ERR_INVALID, "handler" },
        { R("HEAD", "/x"), ERR_INVALID, "method" },
        { R("get", "/x"), ERR_INVALID, "method" },
        { R("GET", "x"), ERR_INVALID, "start with" },
        { R("GET", NULL), ERR_INVALID, "path" },
        { R("GET", "/{a...}/b"), ERR_INVALID, "last" },
        { R("GET", "/{a"), ERR_INVALID, "{a" },
        { R("GET", "/{}"), ERR_INVALID, "{}" },
        { R("GET", "/{a-b}"), ERR_INVALID, "{a-b}" },
        { R("GET", "/{a}/{a}"), ERR_INVALID, "twice" },
        { R("GET", "/a b"), ERR_INVALID, "a b" },
        { R("GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"), ERR_INVALID, "parameters" },
        { { "POST", "/x", "x", ACCESS_PUBLIC, nothing, .is_inline = true, .is_upload = true },
          ERR_INVALID,
          "inline" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct route bad[] = { rows[i].route, { 0 } };
        const struct route *tables[] = { table, bad };
        struct router *r = NULL;
        err e = router_new(tables, 2, &r);
        if (e.code != rows[i].code || !strstr(e.msg, rows[i].word))
            fail_msg("row %zu: code %d, '%s'", i, e.code, e.msg);
        assert_null(r);
    }
    router_free(NULL);
}

/* Many routes and a hostile path: the search is bounded by the table. */
static void large_tables_work(void **state)
{
    enum { COUNT = 2000 };
    struct route *routes = calloc(COUNT + 1, sizeof *routes);
    char(*paths)[64] = calloc(COUNT, sizeof *paths);
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(paths[i], sizeof paths[i], "/v1/%s%d/{a}/x%d", i % 2 ? "b" : "a", i, i % 7);
        routes[i] = (struct route)R("GET", paths[i]);
    }
    const struct route *tables[] = { routes };
    struct router *r = NULL;
    err e = router_new(tables, 1, &r);
    assert_int_equal(e.code, 0);
    for (int i = 0; i < COUNT; i++) {
        char raw[64];
        struct route_match match;
        snprintf(raw, sizeof raw, "/v1/%s%d/v/x%d", i % 2 ? "b" : "a", i, i % 7);
        assert_true(find(r, "GET", raw, &match));
        assert_ptr_equal(match.route, &routes[i]);
        assert_true(str_eq(match.params[0].value, STR("v")));
    }
    router_free(r);
    free(routes);
    free(paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_reach_their_route),
        cmocka_unit_test(broken_tables_do_not_start),
        cmocka_unit_test(large_tables_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
