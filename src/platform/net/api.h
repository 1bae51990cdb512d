/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api.h -- somebody else's API in JSON: one address, one identity, calls and their parsed answers.
 *
 * Nothing is repeated. Any thread; calls of one api run one after another. No message shows the
 * token.
 */
#ifndef SKERRY_NET_API_H
#define SKERRY_NET_API_H

#include "base/json.h"
#include "platform/net/net.h"

enum { NET_API_REPLY_MAX = 64 * 1024 * 1024 };

struct net_api_options {
    const char *url;     /* base, without a slash at its end */
    const char *token;   /* "name:password" is sent as basic, else as bearer; "": none */
    const char *ca_file; /* "" or NULL: the system's */
    int64_t call_ms;     /* a call takes no longer; 0: no limit but net's own */
};
struct net_api;
MUST_USE err net_api_open(const struct net_api_options *options, struct net_api **ret_api);
void net_api_close(struct net_api *a); /* accepts NULL */

/* A body that is empty is not sent. The status of an answer that is no error in transport is in
 * *ret_status, whatever it is; *ret_reply is NULL unless the answer is JSON. `stop` may be NULL. */
MUST_USE err net_api_call(struct net_api *a, const char *method, const char *path, str body,
                          const atomic_bool *stop, arena *keep, int *ret_status,
                          const struct json **ret_reply);
/* The same, where anything but 2xx is an error: ERR_NOT_FOUND for 404, ERR_DENIED for 401 and 403,
 * ERR_INVALID for other 4xx, ERR_BUSY for 429 and 503, else ERR_UPSTREAM; it says what the server
 * said, cut short. */
MUST_USE err net_api_need(struct net_api *a, const char *method, const char *path, str body,
                          const atomic_bool *stop, arena *keep, const struct json **ret_reply);
/* A GET whose body the caller reads, and a PUT of bytes. 2xx or an error as above. */
MUST_USE err net_api_get(struct net_api *a, const char *path, const atomic_bool *stop,
                         struct net_call **ret_call);
MUST_USE err net_api_put(struct net_api *a, const char *path, str bytes, const atomic_bool *stop);

/* Appends text as a part of a query or, with slashes kept, of a path. */
void net_api_escape(struct buf *out, str text, bool keeps_slash);

#endif
