/* SPDX-License-Identifier: GPL-3.0-or-later */
/* guard.h -- keeps web pages away from a server that trusts its own machine.
 *
 * A page on the web can make a browser send requests to 127.0.0.1 (Origin tells), and with DNS
 * rebinding even under a name of its own (Host tells). So Host must be a name of this machine, and
 * Origin, when there is one, must be the same as Host or be listed.
 */
#ifndef SKERRY_HTTP_GUARD_H
#define SKERRY_HTTP_GUARD_H

#include "base/err.h"
#include "base/str.h"

struct guard {
    const char *bind_address;
    const char *const *hosts_extra; /* NULL-ended, or NULL */
    const char *const *origins;     /* NULL-ended, or NULL */
};

/* "host", "host:port", "[v6]:port". ERR_INVALID when malformed, ERR_DENIED when it is not ours. */
MUST_USE err guard_host(const struct guard *g, str host);

/* ERR_DENIED for a foreign origin. *ret_is_listed: it is another site that the settings allow. */
MUST_USE err guard_origin(const struct guard *g, str origin, str host, bool *ret_is_listed);

bool guard_is_loopback(const char *address);

#endif
