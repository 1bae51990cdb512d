/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net.h -- one HTTP request to another service, its reply pulled as it comes.
 *
 * A `struct net` belongs to one client of one service (an S3 store, say) and may be used by any
 * thread; a call belongs to one thread at a time. Redirects are not followed and nothing is
 * repeated: the caller knows what may be.
 */
#ifndef SKERRY_NET_H
#define SKERRY_NET_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct net;

struct net_options {
    int lanes_max;          /* calls at the same time; 0 means 16 */
    int64_t connect_ms;     /* 0 means 10 s */
    int64_t stall_ms;       /* no byte either way for so long fails the call; 0 means 30 s */
    const char *ca_file;    /* certificates to trust instead of the system's; NULL or "": those */
    bool plain_only_nearby; /* http:// only to loopback and private addresses */
};

/* Loads libcurl. The strings are copied. ERR_UNSUPPORTED when it is not installed. */
MUST_USE err net_open(const struct net_options *options, struct net **ret_net);
void net_close(struct net *n); /* no call may be open; accepts NULL */

struct net_request {
    const char *method, *url;
    const char *const *headers; /* "Name: value", NULL-ended; must not contain line breaks */
    bool has_body;              /* a Content-Length is sent, also of nothing */
    str body;                   /* unless body_is_file */
    bool body_is_file;          /* body_bytes bytes of body_fd from body_offset on, read by pread */
    int body_fd;
    int64_t body_offset, body_bytes;
    int64_t deadline_ns;     /* clock_mono_ns() after which the call fails; 0: none */
    const atomic_bool *stop; /* true: the call fails soon, with ERR_CANCELLED; may be NULL */
};

struct net_call;

/* Sends it and waits for the head of the reply. What is sent as body must stay valid until net_end
 * (a service may answer before it has read all); the rest is copied. On failure nothing has to be
 * ended. ERR_TIMEOUT and ERR_UPSTREAM may be tried again (no lane, no connection, it broke);
 * ERR_DENIED not: a certificate that is not trusted, or http:// to a public address. */
MUST_USE err net_begin(struct net *n, const struct net_request *rq, struct net_call **ret_call);
int net_status(const struct net_call *c);
/* Value of a header of the reply, or empty. Valid until net_end. */
str net_header(const struct net_call *c, str name);
/* The next bytes of the body; 0 at its end. ERR_TIMEOUT, ERR_UPSTREAM (it broke off). */
MUST_USE err net_read(struct net_call *c, void *out, size_t count, size_t *ret_count);
/* The rest of the body. ERR_TOO_BIG beyond the buffer's maximum. */
MUST_USE err net_read_all(struct net_call *c, struct buf *out);
/* Gives the lane back; a body that was not read to its end costs the connection. Accepts NULL. */
void net_end(struct net_call *c);

/* True for loopback, private (RFC 1918, RFC 4193) and link-local addresses, written as numbers. */
bool net_is_nearby(const char *address);

#endif
