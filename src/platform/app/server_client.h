/* SPDX-License-Identifier: GPL-3.0-or-later */
/* server_client.h -- how a command-line verb finds and asks the server of its own data folder. */
#ifndef SKERRY_APP_SERVER_CLIENT_H
#define SKERRY_APP_SERVER_CLIENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct server_address {
    int pid, port;
};

/* True when a server holds the home's lock; reads where it listens from the lock's note. */
bool server_find(const char *home, struct server_address *ret_server);

/* One request to 127.0.0.1:port, with SKERRY_KEY from the environment as bearer key. The body of a
 * reply below 400 lives in keep; a problem reply becomes an error with its detail. */
MUST_USE err server_post(const struct server_address *server, const char *path, str json_body,
                         arena *keep, str *ret_body);

#endif
