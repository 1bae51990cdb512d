/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_out.h -- what the destinations over HTTP share: a compressed POST, and what its answer
 * means. Private to this room.
 */
#ifndef SKERRY_OUTBOX_HTTP_OUT_H
#define SKERRY_OUTBOX_HTTP_OUT_H

#include "base/buf.h"
#include "platform/net/net.h"
#include "platform/outbox/destinations.h"

enum { HTTP_OUT_REPLY_MAX = 64 * 1024 };

struct http_out {
    const struct outbox_http *config;
    struct net *net;
    arena keep; /* url and headers */
    const char *url;
    const char *const *headers;
};

/* `path` is put behind the configured URL. */
MUST_USE err http_out_open(const struct outbox_http *config, const char *path,
                           struct http_out **ret_out);
void http_out_close(struct http_out *h); /* accepts NULL */

/* Posts json, and gives the text of a 2xx answer, which lives in reply. ERR_INVALID and
 * ERR_TOO_BIG: refused for what it says (400, 413, 422). ERR_DENIED: for who says it, ERR_BUSY
 * (429) and others: later. Sets batch->retry_after_ms. */
MUST_USE err http_out_post(struct http_out *h, struct outbox_batch *batch, str json,
                           struct buf *reply);

/* ------------------------------------------------------------------ pure */

/* Retry-After in seconds as ms; 0 for anything else. */
int64_t http_out_retry_after_ms(str header);
/* How many items an answer to OTLP says were refused (rejectedLogRecords, rejectedSpans); its words
 * into why. ERR_UPSTREAM when it is not such an answer: then somebody else stands in its place. */
MUST_USE err http_out_otlp_reply(str reply, int64_t *ret_refused, char why[OUTBOX_WHY_BYTES]);
/* Does Loki's refusal of a batch (400) say that it takes no structured metadata at all? Before 2.9
 * it cannot read it, and later its settings may forbid it. */
bool http_out_wants_plain_lines(str reply);
/* Text that a stranger sent, fit for a message: one line of printable characters, no secret. */
void http_out_excerpt(const struct outbox_http *config, str text, char *out, size_t out_bytes);

#endif
