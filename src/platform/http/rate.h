/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rate.h -- how many requests a client may make of a route in a minute.
 *
 * A client's minute begins with its first request to the route; when its share is used up, it waits
 * for the end of that minute. The table is bounded: when more clients come at the same time than it
 * holds, the one whose minute began first is forgotten, which errs on the side of the client.
 */
#ifndef SKERRY_HTTP_RATE_H
#define SKERRY_HTTP_RATE_H

#include <pthread.h>
#include <stdint.h>

#include "base/str.h"

enum {
    RATE_WINDOW_MS = 60 * 1000,
    RATE_CLIENTS_MAX = 1024, /* pairs of a client and a route within the same minute */
    RATE_WAYS = 8,           /* places in which a pair may stand */
};

struct rate_entry {
    uint64_t key;     /* 0: free */
    int64_t since_ms; /* monotonic */
    int64_t count;
};

struct rate_table {
    pthread_mutex_t lock;
    uint64_t seed; /* keys cannot be aimed at one another from outside */
    struct rate_entry entries[RATE_CLIENTS_MAX]; /* guarded by lock */
};

void rate_init(struct rate_table *t, uint64_t seed);
void rate_deinit(struct rate_table *t);

/* Who is counted: the peer, or, when a proxy on this machine speaks for somebody, the last address
 * in X-Forwarded-For, which is the one that the proxy itself has seen. An IPv6 client is its /64
 * network: it has all the addresses in there. */
uint64_t rate_client(str peer, bool peer_is_loopback, str forwarded_for);

/* Counts one request. 0: it may go on; else how many ms the client has to wait. Any thread. */
int64_t rate_take(struct rate_table *t, uint64_t client, const void *route, int64_t max,
                  int64_t now_ms);

#endif
