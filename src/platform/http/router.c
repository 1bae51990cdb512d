/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/http/router.h"

#include <stdlib.h>
#include <string.h>

enum { ROUTER_BYTES_MAX = 8 * 1024 * 1024 };

const char *const method_names[METHOD_COUNT] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

/* A route as reached by one of its paths: the names of the parameters in their order. */
struct target {
    const struct route *route;
    size_t param_count;
    str params[HTTP_PARAMS_MAX];
};

struct node {
    str name;
    struct node **children; /* sorted by name */
    size_t child_count;
    struct node *param, *rest;
    struct target *targets[METHOD_COUNT];
    unsigned methods; /* bits of the targets */
};

struct router {
    arena arena;
    struct node *root;
};

enum method method_of(str name)
{
    if (str_eq(name, STR("HEAD")))
        return METHOD_GET;
    for (size_t i = 0; i < METHOD_COUNT; i++)
        if (str_eq(name, str_of(method_names[i])))
            return (enum method)i;
    return METHOD_COUNT;
}

/* ------------------------------------------------------------------ building */

/* Index of the first child whose name is not below `name`. */
static size_t child_lower(const struct node *node, str name)
{
    size_t low = 0, high = node->child_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (str_cmp(node->children[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct node *child_named(const struct node *node, str name)
{
    size_t at = child_lower(node, name);
    bool found = at < node->child_count && str_eq(node->children[at]->name, name);
    return found ? node->children[at] : NULL;
}

static err child_add(struct router *r, struct node *node, str name, struct node **ret_child)
{
    struct node *child = child_named(node, name);
    if (child) {
        *ret_child = child;
        return OK;
    }
    child = NEW(&r->arena, struct node);
    ARENA_TRY(child);
    child->name = name;
    size_t count = node->child_count;
    if ((count & (count - 1)) ==
        0) { /* room doubles at powers of two; the old array stays in the arena */
        struct node **grown = NEW_ARRAY(&r->arena, struct node *, count ? 2 * count : 1);
        ARENA_TRY(grown);
        for (size_t i = 0; i < count; i++)
            grown[i] = node->children[i];
        node->children = grown;
    }
    size_t at = child_lower(node, name);
    for (size_t i = count; i > at; i--)
        node->children[i] = node->children[i - 1];
    node->children[at] = child;
    node->child_count++;
    *ret_child = child;
    return OK;
}

static bool is_segment_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._~-:@!$&'()*+,;=", c));
}

static bool is_literal(str segment)
{
    for (size_t i = 0; i < segment.len; i++)
        if (!is_segment_char(segment.ptr[i]))
            return false;
    return true;
}

static bool is_param_name(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_';
        if (!fine)
            return false;
    }
    return name.len > 0;
}

/* Goes (and builds) one segment down, noting a parameter's name. */
static err step_down(struct router *r, struct node **node, str segment, bool is_last,
                     struct target *target)
{
    if (segment.len < 2 || segment.ptr[0] != '{') {
        if (!is_literal(segment))
            return ERR(ERR_INVALID, "bad segment '%.*s'", STR_ARG(segment));
        return child_add(r, *node, segment, node);
    }
    bool is_rest = str_ends(segment, STR("...}"));
    str name = str_sub(segment, 1, segment.len - (is_rest ? 5 : 2));
    if (!str_ends(segment, STR("}")) || !is_param_name(name))
        return ERR(ERR_INVALID, "bad parameter '%.*s'", STR_ARG(segment));
    if (is_rest && !is_last)
        return ERR(ERR_INVALID, "'%.*s' must be the last segment", STR_ARG(segment));
    if (target->param_count == HTTP_PARAMS_MAX)
        return ERR(ERR_INVALID, "more than %d parameters", HTTP_PARAMS_MAX);
    for (size_t i = 0; i < target->param_count; i++)
        if (str_eq(target->params[i], name))
            return ERR(ERR_INVALID, "parameter '%.*s' occurs twice", STR_ARG(name));
    target->params[target->param_count++] = name;
    struct node **slot = is_rest ? &(*node)->rest : &(*node)->param;
    if (!*slot)
        *slot = NEW(&r->arena, struct node);
    ARENA_TRY(*slot);
    *node = *slot;
    return OK;
}

static err path_add(struct router *r, const struct route *route, enum method method,
                    const char *path)
{
    str rest = str_of(path);
    if (!str_starts(rest, STR("/")) || rest.len > PATH_BYTES_MAX)
        return ERR(ERR_INVALID, "the path must start with '/' and be at most %d bytes",
                   PATH_BYTES_MAX);
    rest = str_sub(rest, 1, rest.len);
    struct target *target = NEW(&r->arena, struct target);
    ARENA_TRY(target);
    target->route = route;
    struct node *node = r->root;
    size_t depth = 0;
    for (bool is_last = false; !is_last; depth++) {
        is_last = str_find_char(rest, '/') < 0;
        if (depth == PATH_SEGMENTS_MAX)
            return ERR(ERR_INVALID, "more than %d segments", PATH_SEGMENTS_MAX);
        TRY(step_down(r, &node, str_split(&rest, '/'), is_last, target));
    }
    if (node->targets[method])
        return ERR(ERR_CONFLICT, "the same requests already go to '%s %s'", method_names[method],
                   node->targets[method]->route->path);
    node->targets[method] = target;
    node->methods |= 1u << method;
    return OK;
}

static err route_add(struct router *r, const struct route *route)
{
    enum method method = method_of(str_of(route->method));
    if (method == METHOD_COUNT || !strcmp(route->method, "HEAD"))
        return ERR(ERR_INVALID, "the method must be GET, POST, PUT, PATCH or DELETE");
    if (!route->run)
        return ERR(ERR_INVALID, "it has no handler");
    if (route->access == ACCESS_UNSET)
        return ERR(ERR_INVALID, "its access is not set: every row must choose");
    if (route->is_inline && route->is_upload)
        return ERR(ERR_INVALID, "an upload cannot run inline: it writes files");
    if (route->sink && !route->is_upload)
        return ERR(ERR_INVALID, "a sink takes the bodies of uploads: set is_upload");
    if (!route->path)
        return ERR(ERR_INVALID, "it has no path");
    TRY(path_add(r, route, method, route->path));
    if (route->alias)
        TRY(path_add(r, route, method, route->alias));
    return OK;
}

err router_new(const struct route *const *tables, size_t table_count, struct router **ret_router)
{
    struct router *r = calloc(1, sizeof *r);
    if (!r)
        return ERR(ERR_NO_MEMORY, "building the router: out of memory");
    arena_init(&r->arena, ROUTER_BYTES_MAX);
    r->root = NEW(&r->arena, struct node);
    err e = arena_check(&r->arena);
    for (size_t i = 0; i < table_count && !e.code; i++)
        for (const struct route *route = tables[i]; route && route->method && !e.code; route++)
            e = err_wrap(route_add(r, route), "route '%s %s'", route->method,
                         route->path ? route->path : "(none)");
    if (e.code) {
        router_free(r);
        return e;
    }
    *ret_router = r;
    return OK;
}

void router_free(struct router *r)
{
    if (!r)
        return;
    arena_deinit(&r->arena);
    free(r);
}

/* ------------------------------------------------------------------ finding */

struct finder {
    const struct path *path;
    enum method method;
    unsigned allowed;
    str values[HTTP_PARAMS_MAX];
    const struct target *target;
};

/* A rest is handed to handlers that look for a file with it: an encoded slash in there is refused.
 */
static bool rest_is_plain(const struct path *path, size_t from)
{
    for (size_t i = from; i < path->count; i++)
        if (str_find_char(path->segments[i], '/') >= 0)
            return false;
    return true;
}

static bool node_accept(struct finder *f, const struct node *node)
{
    f->allowed |= node->methods;
    if (f->method < METHOD_COUNT)
        f->target = node->targets[f->method];
    return f->target != NULL;
}

/* Depth is at most PATH_SEGMENTS_MAX: the tree is no deeper. */
static bool find_below(struct finder *f, const struct node *node, size_t at, size_t value_count)
{
    const struct path *path = f->path;
    if (at == path->count)
        return node_accept(f, node);
    str segment = path->segments[at];
    const struct node *child = child_named(node, segment);
    if (child && find_below(f, child, at + 1, value_count))
        return true;
    if (node->param && segment.len) {
        f->values[value_count] = segment;
        if (find_below(f, node->param, at + 1, value_count + 1))
            return true;
    }
    if (node->rest && rest_is_plain(path, at)) {
        size_t from = (size_t)(segment.ptr - path->text.ptr);
        f->values[value_count] = str_sub(path->text, from, path->text.len);
        return node_accept(f, node->rest);
    }
    return false;
}

bool router_find(const struct router *r, enum method method, const struct path *path,
                 struct route_match *ret_match)
{
    struct finder f = { .path = path, .method = method };
    find_below(&f, r->root, 0, 0);
    if (!f.allowed)
        return false;
    ret_match->route = NULL;
    ret_match->allowed = f.allowed;
    ret_match->param_count = 0;
    if (f.target) {
        ret_match->route = f.target->route;
        ret_match->param_count = f.target->param_count;
        for (size_t i = 0; i < f.target->param_count; i++) {
            ret_match->params[i].name = f.target->params[i];
            ret_match->params[i].value = f.values[i];
        }
    }
    return true;
}
