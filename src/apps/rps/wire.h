/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wire.h -- how this API reads what it is told, and says what was wrong with it.
 *
 * Everything wrong with an input is gathered and told at once, as clients of the original know it:
 * 422 with {"detail":[{"loc":[...],"msg":...,"type":...}]}; all other errors are {"detail":text}.
 * Below /v1 errors have the house's shape instead (application/problem+json). Unknown members are
 * ignored, null is absent.
 */
#ifndef SKERRY_RPS_WIRE_H
#define SKERRY_RPS_WIRE_H

#include "apps/rps/rps_app.h"

enum { RPS_ISSUES_MAX = 16 };

struct rps_issue {
    const char *where; /* "body", "query", "path" */
    const char *name;  /* of the member; NULL: the whole */
    const char *type;
    char msg[120];
};
struct rps_input {
    struct http_request *rq;
    const struct json *body; /* NULL when it is not usable; then an issue says so */
    size_t count;
    struct rps_issue issues[RPS_ISSUES_MAX];
};

/* Parses the body, which must be an object (or, for is_list, an array). */
void rps_input_open(struct http_request *rq, bool is_list, struct rps_input *ret_in);
/* The same for query parameters only. */
void rps_query_open(struct http_request *rq, struct rps_input *ret_in);
/* With further objects: the same getters read from `object` afterwards. */
void rps_input_from(struct rps_input *in, const struct json *object);

void rps_issue(struct rps_input *in, const char *where, const char *name, const char *type,
               const char *fmt, ...) PRINTF_LIKE(5, 6);

enum rps_need { RPS_OPTIONAL, RPS_REQUIRED };
/* Absent keeps *value. Texts with control characters, or longer than bytes_max, are issues. */
void rps_in_str(struct rps_input *in, const char *name, enum rps_need need, size_t bytes_max,
                str *value);
void rps_in_int(struct rps_input *in, const char *name, enum rps_need need, int64_t min,
                int64_t max, int64_t *value);
void rps_in_real(struct rps_input *in, const char *name, enum rps_need need, double *value);
void rps_in_bool(struct rps_input *in, const char *name, bool *value);
/* A list of at most `max`, or an object; NULL when absent. */
const struct json *rps_in_list(struct rps_input *in, const char *name, size_t max);
const struct json *rps_in_object(struct rps_input *in, const char *name);
/* Of the query. */
void rps_query_int(struct rps_input *in, const char *name, int64_t min, int64_t max,
                   int64_t *value);
void rps_query_bool(struct rps_input *in, const char *name, bool *value);

/* Answers 422 with the issues. Returns OK: the reply is made. */
err rps_refuse(const struct rps_input *in, struct http_reply *rp);

/* For struct app.error_shapes: {"detail": text}. */
void rps_error(struct http_reply *rp, int status, const char *code, str detail);

#endif
