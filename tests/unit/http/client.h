/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client.h -- an HTTP client on raw sockets, for tests that must send what no proper client sends.
 *
 * A socket that stays silent for CLIENT_PATIENCE_S fails the test: nothing here waits for ever.
 */
#ifndef SKERRY_TESTS_HTTP_CLIENT_H
#define SKERRY_TESTS_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum { CLIENT_PATIENCE_S = 30 };

struct answer {
    int status;
    char *text;  /* head and body, NUL-terminated; owned */
    str head;    /* with its last line break */
    str body;    /* chunks are joined */
    bool closed; /* the server closed the connection behind it */
};

int client_connect(int port);
void client_close(int fd);
void client_send(int fd, const char *text);
void client_send_bytes(int fd, const void *bytes, size_t count);
bool client_try_send(int fd, const void *bytes, size_t count); /* false when the server closed */
/* Reads one answer. `head_only`: it answers HEAD. Fails the test when there is none. */
struct answer client_read(int fd, bool head_only);
void answer_free(struct answer *a);
/* True when the server closes the connection without a further byte. */
bool client_at_end(int fd);

/* A whole exchange on a connection of its own, with Host and Connection: close added. */
struct answer client_ask(int port, const char *method, const char *target, const char *headers,
                         const char *body);
/* The value of a header, or "". Points into the answer. */
str answer_header(const struct answer *a, const char *name);

#endif
