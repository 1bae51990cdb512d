/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http_status;
    int exit_code;
} err_table[ERR_CODE_COUNT] = {
#define ERR_ROW(code, http, exit, name) [code] = { name, http, exit },
    ERR_CODES(ERR_ROW)
#undef ERR_ROW
};

/* Cuts an over-long message without leaving half a UTF-8 character at its end. */
static void trim_partial_utf8(char *msg)
{
    size_t len = strlen(msg);
    if (len < ERR_MSG_BYTES - 1)
        return;
    size_t start = len;
    while (start > 0 && ((unsigned char)msg[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)msg[start - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (len - (start - 1) < want)
        msg[start - 1] = '\0';
}

/* Puts ": text" behind the first `used` bytes, as much of it as there is room for. */
static void append(char msg[ERR_MSG_BYTES], size_t used, const char *text)
{
    size_t room = ERR_MSG_BYTES - 1 - used, len = strlen(text);
    if (room < 2)
        return;
    msg[used] = ':';
    msg[used + 1] = ' ';
    if (len > room - 2)
        len = room - 2;
    memcpy(msg + used + 2, text, len);
    msg[used + 2 + len] = '\0';
}

err err_make(enum err_code code, const char *file, int line, const char *fmt, ...)
{
    err e = { .code = code, .line = line, .file = file };
    va_list args;
    va_start(args, fmt);
    vsnprintf(e.msg, sizeof e.msg, fmt, args);
    va_end(args);
    trim_partial_utf8(e.msg);
    return e;
}

err err_make_sys(const char *file, int line, const char *fmt, ...)
{
    int saved = errno;
    enum err_code code = ERR_IO;
    if (saved == ENOSPC || saved == EDQUOT || saved == EFBIG)
        code = ERR_NO_SPACE;
    else if (saved == ENOENT)
        code = ERR_NOT_FOUND;
    else if (saved == EACCES || saved == EPERM)
        code = ERR_DENIED;
    else if (saved == ENOMEM)
        code = ERR_NO_MEMORY;

    err e = { .code = code, .line = line, .file = file };
    va_list args;
    va_start(args, fmt);
    int used = vsnprintf(e.msg, sizeof e.msg, fmt, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof e.msg) {
        char reason[128];
        append(e.msg, (size_t)used, strerror_r(saved, reason, sizeof reason));
    }
    trim_partial_utf8(e.msg);
    return e;
}

err err_wrap(err e, const char *fmt, ...)
{
    if (!e.code)
        return e;
    char inner[ERR_MSG_BYTES];
    memcpy(inner, e.msg, sizeof inner);
    va_list args;
    va_start(args, fmt);
    int used = vsnprintf(e.msg, sizeof e.msg, fmt, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof e.msg)
        append(e.msg, (size_t)used, inner);
    trim_partial_utf8(e.msg);
    return e;
}

err err_first(err first, err second)
{
    return first.code ? first : second;
}

int err_http_status(enum err_code code)
{
    return code < ERR_CODE_COUNT ? err_table[code].http_status : 500;
}

int err_exit_code(enum err_code code)
{
    return code < ERR_CODE_COUNT ? err_table[code].exit_code : 70;
}

const char *err_code_name(enum err_code code)
{
    return code < ERR_CODE_COUNT ? err_table[code].name : "internal";
}

enum err_code err_code_find(const char *name, size_t len)
{
    for (int code = 0; code < ERR_CODE_COUNT; code++)
        if (strlen(err_table[code].name) == len && memcmp(err_table[code].name, name, len) == 0)
            return (enum err_code)code;
    return ERR_INTERNAL;
}
