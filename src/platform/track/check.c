/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check.c -- what names, keys, paths and JSON texts may look like before they reach a table.
 *
 * Keys follow MLflow's rule, so that every run written here can be read by its clients.
 */
#include "platform/track/track_internal.h"

#include <string.h>

/* Enough for the parse tree of TRACK_JSON_LARGE_MAX bytes; given back at once. */
#define JSON_CHECK_ARENA_BYTES (64u * 1024u * 1024u)

static bool has_control(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return true;
    return false;
}

err track_check_name(const char *what, str name, size_t bytes_max, const char *forbidden)
{
    if (name.len == 0)
        return ERR(ERR_INVALID, "%s is empty: give it a name of 1 to %zu bytes", what, bytes_max);
    if (name.len > bytes_max)
        return ERR(ERR_INVALID, "%s '%.40s...' is %zu bytes long: at most %zu are allowed", what,
                   name.ptr, name.len, bytes_max);
    if (str_utf8_valid_len(name) != name.len)
        return ERR(ERR_INVALID, "%s is not valid UTF-8", what);
    if (has_control(name))
        return ERR(ERR_INVALID, "%s contains a control character", what);
    for (const char *c = forbidden; *c; c++)
        if (str_find_char(name, *c) >= 0)
            return ERR(ERR_INVALID, "%s '%.*s' contains '%c', which is not allowed there", what,
                       STR_ARG(name), *c);
    return OK;
}

/* The same path written without ".", ".." and doubled slashes, as posixpath.normpath would leave
 * it. */
static bool is_plain_path(str path)
{
    if (path.len == 0 || path.ptr[0] == '/' || path.ptr[path.len - 1] == '/')
        return false;
    str rest = path;
    while (rest.len) {
        str part = str_split(&rest, '/');
        if (part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return false;
    }
    return true;
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '/' || c == '.' || c == '-' || c == ' ' || c == ':' || (unsigned char)c >= 0x80;
}

err track_check_key(const char *what, str key)
{
    TRY(track_check_name(what, key, TRACK_KEY_BYTES_MAX, ""));
    for (size_t i = 0; i < key.len; i++)
        if (!is_key_char(key.ptr[i]))
            return ERR(ERR_INVALID,
                       "%s '%.*s' contains '%c': letters, digits, _ - . : / and blanks are allowed",
                       what, STR_ARG(key), key.ptr[i]);
    if (!is_plain_path(key))
        return ERR(ERR_INVALID,
                   "%s '%.*s' must not start or end with '/' or have '.', '..' or "
                   "nothing between slashes",
                   what, STR_ARG(key));
    return OK;
}

err track_check_path(str path)
{
    TRY(track_check_name("artifact path", path, TRACK_PATH_BYTES_MAX, "\\"));
    if (!is_plain_path(path))
        return ERR(ERR_INVALID,
                   "artifact path '%.*s' must be relative, like 'model/net.bin', "
                   "without '.' or '..'",
                   STR_ARG(path));
    return OK;
}

err track_check_json(const char *what, str json, size_t bytes_max)
{
    if (json.len == 0)
        return OK;
    if (json.len > bytes_max)
        return ERR(ERR_TOO_BIG, "%s is %zu bytes of JSON: at most %zu are kept", what, json.len,
                   bytes_max);
    arena scratch;
    arena_init(&scratch, JSON_CHECK_ARENA_BYTES);
    const struct json *root;
    err e = json_parse(&scratch, json, &root);
    arena_deinit(&scratch);
    return e.code ? err_wrap(e, "%s is not JSON", what) : OK;
}
