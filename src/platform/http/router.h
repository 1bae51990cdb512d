/* SPDX-License-Identifier: GPL-3.0-or-later */
/* router.h -- finds the route of a method and a path.
 *
 * A tree over path segments. Under each segment there are named children (sorted, found by
 * halving), at most one "{param}" and at most one "{rest...}". A name beats a parameter, a
 * parameter beats a rest; when the better one leads nowhere, or has no route for the method, the
 * next one is tried. Every node is visited at most once a search, so the cost is bounded by the
 * table and not by the request.
 */
#ifndef SKERRY_HTTP_ROUTER_H
#define SKERRY_HTTP_ROUTER_H

#include "platform/http/http.h"
#include "platform/http/path.h"

enum method { METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE, METHOD_COUNT };

extern const char *const method_names[METHOD_COUNT];
/* METHOD_COUNT for a method that no route can have. HEAD is found as GET. */
enum method method_of(str name);

struct router;

/* Tables end with a NULL method and live as long as the router. ERR_INVALID and ERR_CONFLICT name
 * the route that is wrong. */
MUST_USE err router_new(const struct route *const *tables, size_t table_count,
                        struct router **ret_router);
void router_free(struct router *r); /* accepts NULL */

struct route_match {
    const struct route *route; /* NULL: none for this method */
    unsigned allowed;          /* bits of the methods that this path has */
    size_t param_count;
    struct {
        str name, value; /* name: of the table; value: slices of the path */
    } params[HTTP_PARAMS_MAX];
};

/* False: no route has this path. True with a NULL route: the path exists for other methods. */
bool router_find(const struct router *r, enum method method, const struct path *path,
                 struct route_match *ret_match);

#endif
