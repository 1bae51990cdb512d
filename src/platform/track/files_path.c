/* SPDX-License-Identifier: GPL-3.0-or-later */
/* files_path.c -- paths of files as clients send them: what is left when all tricks are taken off.
 *
 * Clients encode names once, twice or not at all, and ask for a file by the name that a list gave
 * them, encoded in yet another way. A name that is decoded until nothing changes is the same
 * whichever way it came, and hides nothing. This is also what MLflow's server does.
 */
#include "platform/track/files.h"

#include <string.h>

#include "platform/track/track_internal.h"

enum {
    PASSES_MAX = 10,           /* encoded more often than this, it is an attack */
    TEXT_BYTES_MAX = 8 * 1024, /* as the longest request target */
};

static err invalid(void)
{
    return ERR(ERR_INVALID, "Invalid path");
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* In place; a '%' that is not followed by two hex digits is a '%'. Returns the new length. */
static size_t decode(char *text, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && len - i > 2 ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low >= 0) {
            text[out++] = (char)(high * 16 + low);
            i += 2;
        } else {
            text[out++] = text[i];
        }
    }
    return out;
}

static err decode_all(char *text, size_t *len)
{
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        size_t before = *len;
        *len = decode(text, before);
        if (*len == before)
            return OK;
    }
    return invalid();
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What must not be in a path anywhere, or at its start. */
static err check(str path)
{
    if (str_utf8_valid_len(path) != path.len)
        return invalid();
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c < 0x20 || c == 0x7F || c == '#' || c == '\\')
            return invalid();
    }
    bool has_drive = path.len > 2 && is_letter(path.ptr[0]) && path.ptr[1] == ':' &&
                     path.ptr[2] == '/';
    if (str_starts(path, STR("/")) || has_drive || str_eq_nocase(str_sub(path, 0, 5), STR("file:")))
        return invalid();
    return OK;
}

/* In place: one slash between parts, none at the end. */
static err resolve(char *text, size_t *len)
{
    str rest = str_from(text, *len);
    size_t out = 0;
    while (rest.len) {
        str part = str_split(&rest, '/');
        if (str_eq(part, STR("..")))
            return invalid();
        if (part.len == 0 || str_eq(part, STR(".")))
            continue;
        if (out)
            text[out++] = '/';
        memmove(text + out, part.ptr, part.len); /* never beyond where it was */
        out += part.len;
    }
    *len = out;
    return OK;
}

err files_path(str text, arena *keep, str *ret_path)
{
    size_t len = text.len;
    if (len == 0) {
        *ret_path = STR("");
        return OK;
    }
    if (len > TEXT_BYTES_MAX)
        return invalid();
    str copy = arena_str(keep, text);
    ARENA_TRY(copy.ptr);
    char *bytes = (char *)(uintptr_t)copy.ptr;
    TRY(decode_all(bytes, &len));
    TRY(check(str_from(bytes, len)));
    TRY(resolve(bytes, &len));
    TRY(check(str_from(bytes, len))); /* "./C:/x" */
    if (len > FILES_PATH_BYTES_MAX)
        return ERR(ERR_INVALID, "Invalid path: it has %zu bytes, and at most %d are kept", len,
                   FILES_PATH_BYTES_MAX);
    *ret_path = str_from(bytes, len);
    return OK;
}

err files_uri_path(str uri, arena *keep, str *ret_path)
{
    str rest = uri;
    if (!str_eq(str_split(&rest, ':'), STR("mlflow-artifacts")))
        return ERR(ERR_INVALID,
                   "the files are at '%.*s', which is not this server: clients read them there",
                   STR_ARG(str_sub(uri, 0, 60)));
    if (str_starts(rest, STR("//"))) { /* a host, which the client has resolved */
        rest = str_sub(rest, 2, rest.len);
        str_split(&rest, '/');
    }
    while (str_starts(rest, STR("/")))
        rest = str_sub(rest, 1, rest.len);
    return files_path(rest, keep, ret_path);
}

err files_join(str directory, str path, arena *keep, str *ret_path)
{
    str joined = path;
    if (directory.len && path.len)
        joined = arena_fmt(keep, "%.*s/%.*s", STR_ARG(directory), STR_ARG(path));
    else if (directory.len)
        joined = directory;
    if (directory.len && path.len)
        ARENA_TRY(joined.ptr);
    if (joined.len > FILES_PATH_BYTES_MAX)
        return ERR(ERR_INVALID, "Invalid path: it has %zu bytes, and at most %d are kept",
                   joined.len, FILES_PATH_BYTES_MAX);
    *ret_path = joined;
    return OK;
}
