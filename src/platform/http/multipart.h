/* SPDX-License-Identifier: GPL-3.0-or-later */
/* multipart.h -- takes a multipart/form-data body (RFC 7578) apart as it arrives.
 *
 * The caller keeps the buffer: multipart_feed says how many bytes it is done with, and wants the
 * rest again with more behind it. So a part's bytes are never copied, and memory is the caller's
 * buffer.
 */
#ifndef SKERRY_HTTP_MULTIPART_H
#define SKERRY_HTTP_MULTIPART_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum {
    MULTIPART_BOUNDARY_MAX = 200,
    MULTIPART_HEAD_BYTES_MAX =
        8192, /* a part's headers; the caller's buffer must be larger than this */
    MULTIPART_NAME_BYTES_MAX = 512,
};

struct multipart_events {
    void *arg;
    /* filename.ptr is NULL for a plain field. Slices are valid during the call. */
    err (*part_begin)(void *arg, str name, str filename);
    err (*part_data)(void *arg, str bytes);
    err (*part_end)(void *arg);
};

enum multipart_state {
    MULTIPART_PREAMBLE,
    MULTIPART_DELIMITER,
    MULTIPART_HEAD,
    MULTIPART_BODY,
    MULTIPART_END
};

struct multipart {
    struct multipart_events events;
    enum multipart_state state;
    size_t part_count;
    size_t preamble_bytes;
    size_t delimiter_len;
    char delimiter[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF - - boundary */
};

/* Reads the boundary from the Content-Type header. ERR_INVALID when there is none. */
MUST_USE err multipart_init(struct multipart *m, str content_type, struct multipart_events events);

/* Handles `data`; *ret_used says how much of it. With is_last everything is used, and a body that
 * stops before its closing delimiter is ERR_INVALID. Errors of the events come back as they are. */
MUST_USE err multipart_feed(struct multipart *m, str data, bool is_last, size_t *ret_used);

/* One parameter of a header value: form-data; name="x". Quotes and backslashes are undone into out
 * (room for value.len bytes). False when absent. Names are compared without case. */
bool header_param(str value, str name, char *out, str *ret_param);

#endif
