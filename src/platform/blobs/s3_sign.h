/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_sign.h -- AWS Signature Version 4 for S3. Private to this room.
 *
 * A signature covers method, path, query, chosen headers and the digest of the body. Both sides
 * must write these down to the same bytes, so the URL that is sent is built here from the same
 * parts: path and query are given raw, and every byte outside A-Z a-z 0-9 - . _ ~ is escaped once.
 */
#ifndef SKERRY_BLOBS_S3_SIGN_H
#define SKERRY_BLOBS_S3_SIGN_H

#include "base/buf.h"

enum { S3_PARAMS_MAX = 8, S3_HEADERS_MAX = 8, S3_DATE_BYTES = 17, S3_PRESIGN_S_MAX = 7 * 86400 };

struct s3_credentials {
    const char *access_key, *secret_key;
    const char *session_token; /* "" without one */
    const char *region;
};

struct s3_pair {
    str name, value; /* a header's name in lower case */
};

struct s3_request {
    const char *method;
    str host;                             /* as sent in Host, with a port that is not the default */
    str path;                             /* raw, from "/" on */
    struct s3_pair params[S3_PARAMS_MAX]; /* raw, any order */
    size_t param_count;
    struct s3_pair headers[S3_HEADERS_MAX]; /* to sign beside host and the x-amz-... of the rules */
    size_t header_count;
    const char *payload_sha256; /* 64 hex digits */
    int64_t wall_ms;            /* when it is signed */
};

/* Percent-encoding by the rules of S3. keep_slash for paths. */
void s3_encode(str raw, bool keep_slash, struct buf *out);

/* The query as it is sent and signed: encoded, sorted by name, then value; without "?". ERR_TOO_BIG
 * beyond S3_PARAMS_MAX pairs. */
MUST_USE err s3_query(const struct s3_pair *params, size_t count, struct buf *out);

void s3_date(int64_t wall_ms, char out[S3_DATE_BYTES]); /* 20130524T000000Z */

/* The value of the Authorization header. The request is to be sent with the headers x-amz-date
 * (s3_date of wall_ms), x-amz-content-sha256, x-amz-security-token when there is one, and those of
 * rq->headers. */
MUST_USE err s3_sign(const struct s3_credentials *credentials, const struct s3_request *rq,
                     struct buf *ret_authorization);

/* The whole query of a URL that works without credentials for `valid_s` seconds (1 to
 * S3_PRESIGN_S_MAX). headers and payload_sha256 of the request are not used. */
MUST_USE err s3_presign(const struct s3_credentials *credentials, const struct s3_request *rq,
                        int64_t valid_s, struct buf *ret_query);

#endif
