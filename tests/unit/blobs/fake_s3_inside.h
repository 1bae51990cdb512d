/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fake_s3_inside.h -- what the two files of the fake share: fake_s3.c speaks HTTP and checks who is
 * asking, fake_s3_objects.c keeps objects, listings and uploads. */
#ifndef SKERRY_TEST_FAKE_S3_INSIDE_H
#define SKERRY_TEST_FAKE_S3_INSIDE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "fake_s3.h"
#include "platform/blobs/s3_sign.h"

enum { HEAD_MAX = 16384, PATH_MAX_BYTES = 1024 };

#define MUST(call)                                       \
    do {                                                 \
        err must_ = (call);                              \
        if (must_.code) {                                \
            fprintf(stderr, "fake S3: %s\n", must_.msg); \
            abort();                                     \
        }                                                \
    } while (0)

struct query {
    struct s3_pair pairs[S3_PARAMS_MAX];
    size_t count;
};

struct http {
    struct fake_s3 *fake;
    int fd;
    char head[HEAD_MAX + 1];
    size_t head_len;
    str method, target, headers;
    char path[PATH_MAX_BYTES]; /* decoded */
    char decoded[8][1100];
    struct query query;
    char *body;
    size_t body_len;
    char file[2048]; /* of the object */
};

str fake_header(const struct http *h, str name);
str fake_query(const struct http *h, const char *name, bool *ret_there);
/* head_only: Content-Length without the bytes. */
void fake_answer(struct http *h, int status, const char *more, const char *body, size_t count,
                 bool head_only);
void fake_answer_xml(struct http *h, int status, const struct buf *xml);
void fake_answer_fault(struct http *h, int status, const char *code, const char *more);
void fake_http_date(int64_t wall_ms, char out[40]);
void fake_send(int fd, const char *bytes, size_t count);

void fake_serve_object(struct http *h);
void fake_list_objects(struct http *h, const char *bucket_folder);
void fake_list_uploads(struct http *h);

#endif
