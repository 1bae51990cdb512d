/* SPDX-License-Identifier: GPL-3.0-or-later */
/* err.h -- the one error type of the house: a value, no allocation, no errno, no thread-local.
 *
 * A function that can fail returns `err` and hands its results out through ret_ parameters, which
 * it leaves untouched on failure. The code says what the *caller* can do about it; the message says
 * what was tried, on what, what happened and what to do. Libraries return errors; the edge
 * (request, job, verb) logs them, once.
 */
#ifndef SKERRY_BASE_ERR_H
#define SKERRY_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_index, args_index) __attribute__((format(printf, fmt_index, args_index)))

/* X(code, http status, exit code, stable name). Exit codes are documented in docs/operations.md. */
#define ERR_CODES(X)                                                                              \
    X(ERR_NONE, 200, 0, "ok")                                                                     \
    X(ERR_INVALID, 400, 2, "invalid")                 /* the input is wrong: correct it */        \
    X(ERR_UNAUTHENTICATED, 401, 3, "unauthenticated") /* say who you are */                       \
    X(ERR_DENIED, 403, 3, "denied")                   /* you may not */                           \
    X(ERR_NOT_FOUND, 404, 4, "not_found")             /* the thing named does not exist */        \
    X(ERR_CONFLICT, 409, 5, "conflict")               /* the state does not allow it */           \
    X(ERR_TOO_BIG, 413, 6, "too_big")                 /* over a stated maximum */                 \
    X(ERR_CANCELLED, 409, 7, "cancelled")             /* somebody asked to stop; not a failure */ \
    X(ERR_BUSY, 503, 8, "busy")                       /* a queue is full: try again later */      \
    X(ERR_TIMEOUT, 504, 8, "timeout")                 /* a deadline passed: try again later */    \
    X(ERR_UPSTREAM, 502, 9, "upstream")               /* another service failed */                \
    X(ERR_IO, 500, 10, "io")                   /* disk or network: the operator must look */      \
    X(ERR_NO_SPACE, 507, 10, "no_space")       /* disk or quota is full: make room, try again */  \
    X(ERR_NO_MEMORY, 503, 11, "no_memory")     /* a memory cap was reached */                     \
    X(ERR_CORRUPT, 500, 12, "corrupt")         /* stored bytes are not what was stored */         \
    X(ERR_UNSUPPORTED, 501, 13, "unsupported") /* this build or version cannot do it */           \
    X(ERR_INTERNAL, 500, 70, "internal")       /* our own mistake */

enum err_code {
#define ERR_ENUM(code, http, exit, name) code,
    ERR_CODES(ERR_ENUM)
#undef ERR_ENUM
        ERR_CODE_COUNT
};

enum { ERR_MSG_BYTES = 240 };

typedef struct err {
    enum err_code code;
    int line;
    const char *file;
    char msg[ERR_MSG_BYTES]; /* always terminated; longer messages are cut at a UTF-8 boundary */
} err;

#define OK ((err){ .code = ERR_NONE })

/* Makes an error. The message is printf-formatted and copied. */
#define ERR(code, ...) err_make((code), __FILE__, __LINE__, __VA_ARGS__)

/* Makes an error from errno, which is read at once and appended to the text as ": <reason>".
 * ENOSPC, EDQUOT and EFBIG become ERR_NO_SPACE, ENOENT becomes ERR_NOT_FOUND, EACCES ERR_DENIED,
 * else ERR_IO. */
#define ERR_SYS(...) err_make_sys(__FILE__, __LINE__, __VA_ARGS__)

/* Returns from the calling function when `call` failed. Only while nothing is held; otherwise use
 * the cleanup ladder (`e = call; if (e.code) goto done;`). */
#define TRY(call)              \
    do {                       \
        err try_err_ = (call); \
        if (try_err_.code)     \
            return try_err_;   \
    } while (0)

MUST_USE err err_make(enum err_code code, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
MUST_USE err err_make_sys(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Returns `e` with "<context>: " put before its message: the caller says what it was trying to do.
 */
MUST_USE err err_wrap(err e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* For cleanup that can fail while another error is already on its way: keeps the first one. */
MUST_USE err err_first(err first, err second);

/* The one table: HTTP status, process exit code and stable name ("not_found") of a code. */
int err_http_status(enum err_code code);
int err_exit_code(enum err_code code);
const char *err_code_name(enum err_code code);
enum err_code err_code_find(const char *name, size_t len); /* ERR_INTERNAL for an unknown name */

#endif
