/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Request targets from strangers: what is accepted is free of dots, backslashes and control
 * characters, and finds at most one route, whose parameters are slices of the path. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/http/guard.h"
#include "platform/http/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static err nothing(struct http_request *rq, struct http_reply *rp)
{
    return OK;
}

static const struct route routes[] = {
    { "GET", "/", "x", ACCESS_PUBLIC, nothing },
    { "GET", "/v1/games/{id}", "x", ACCESS_PUBLIC, nothing },
    { "POST", "/v1/games/{id}/moves/{ply}", "x", ACCESS_PUBLIC, nothing },
    { "GET", "/v1/games/mine", "x", ACCESS_PUBLIC, nothing },
    { "GET", "/files/{rest...}", "x", ACCESS_PUBLIC, nothing },
    { 0 },
};

static struct router *the_router(void)
{
    static struct router *router;
    const struct route *tables[] = { routes };
    if (!router) {
        err e = router_new(tables, 1, &router);
        if (e.code)
            abort();
    }
    return router;
}

static void check_path(const struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        str s = path->segments[i];
        if (str_eq(s, STR("..")) || str_eq(s, STR(".")) || str_find_char(s, '\\') >= 0 ||
            str_find_char(s, '\0') >= 0 || str_find_char(s, '\n') >= 0 ||
            str_utf8_valid_len(s) != s.len)
            abort();
        if (s.ptr < path->text.ptr || s.ptr + s.len > path->text.ptr + path->text.len)
            abort();
    }
}

static void check_match(const struct path *path)
{
    for (int method = 0; method <= METHOD_COUNT; method++) {
        struct route_match match;
        if (!router_find(the_router(), (enum method)method, path, &match))
            continue;
        if (!match.allowed || match.param_count > HTTP_PARAMS_MAX ||
            (method == METHOD_COUNT && match.route))
            abort();
        for (size_t i = 0; match.route && i < match.param_count; i++) {
            str v = match.params[i].value;
            if (v.len &&
                (v.ptr < path->text.ptr || v.ptr + v.len > path->text.ptr + path->text.len))
                abort();
            /* A rest goes to the file system. */
            if (str_eq(match.params[i].name, STR("rest")) &&
                (str_find(v, STR("../")) == 0 || str_contains(v, STR("/../"))))
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str target = { (const char *)data, size };
    str authority, raw_path, query, name, value;
    if (size > PATH_BYTES_MAX)
        return 0;
    err e = target_split(target, &authority, &raw_path, &query);
    if (e.code)
        return 0;
    if (authority.len) {
        struct guard g = { .bind_address = "127.0.0.1" };
        e = guard_host(&g, authority);
    }
    char *scratch = malloc(raw_path.len + query.len + 1);
    if (!scratch)
        return 0;
    struct path path;
    e = path_parse(raw_path, scratch, &path);
    if (!e.code) {
        check_path(&path);
        check_match(&path);
    }
    char *at = scratch + raw_path.len;
    e = OK;
    while (query_next(&query, &at, &name, &value, &e))
        if (at > scratch + size || str_find_char(value, '\0') >= 0)
            abort();
    free(scratch);
    return 0;
}
