/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fixture.h -- a server on a free port with routes that the tests of this folder share. */
#ifndef SKERRY_TESTS_HTTP_FIXTURE_H
#define SKERRY_TESTS_HTTP_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "client.h"
#include "platform/http/http.h"

struct fixture {
    struct http_server *server;
    int port;
    char folder[64];
    _Atomic int finished, finished_errors, stream_done, running, last_status;
    _Atomic int64_t last_bytes;
    _Atomic int sinks_open; /* of /v1/sink */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hold; /* guarded by lock: handlers of /hold wait */
};

int fixture_set_up(void **state); /* the usual server */
int fixture_set_up_with(void **state, struct http_options options);
int fixture_tear_down(void **state);
void fixture_hold(struct fixture *f, bool hold);
/* Waits until *counter reaches `value`; fails the test after CLIENT_PATIENCE_S. */
void fixture_await(const _Atomic int *counter, int value);
/* Resident memory of this process. */
int64_t fixture_rss_bytes(void);
void assert_status(const struct answer *a, int status);
void assert_code(const struct answer *a, int status, const char *code); /* a problem of this code */
void assert_body(const struct answer *a, const char *expected);

extern char fixture_static_bytes[]; /* what /v1/static answers */
enum { FIXTURE_STATIC_BYTES = 5000 };

#endif
