/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/http/path.h"

#include <string.h>

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

ptrdiff_t percent_decode(str raw, bool plus_is_space, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '%') {
            bool is_whole = raw.len - i > 2;
            int high = is_whole ? hex_value(raw.ptr[i + 1]) : -1;
            int low = is_whole ? hex_value(raw.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[len++] = c;
    }
    return (ptrdiff_t)len;
}

/* Decoded segments may hold a slash ("%2F"); then its parts count as well. */
static bool has_dots(str segment)
{
    for (;;) {
        ptrdiff_t slash = str_find_char(segment, '/');
        str part = str_sub(segment, 0, slash < 0 ? segment.len : (size_t)slash);
        if (str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return true;
        if (slash < 0)
            return false;
        segment = str_sub(segment, (size_t)slash + 1, segment.len);
    }
}

static err segment_check(str segment)
{
    for (size_t i = 0; i < segment.len; i++) {
        unsigned char c = (unsigned char)segment.ptr[i];
        if (c < 0x20 || c == 0x7F)
            return ERR(ERR_INVALID, "the path holds a control character");
        if (c == '\\')
            return ERR(ERR_INVALID, "the path holds a backslash");
    }
    if (has_dots(segment))
        return ERR(ERR_INVALID, "the path holds '.' or '..': send it resolved");
    if (str_utf8_valid_len(segment) != segment.len)
        return ERR(ERR_INVALID, "the path is not UTF-8");
    return OK;
}

err path_parse(str raw, char *scratch, struct path *ret_path)
{
    if (raw.len == 0 || raw.ptr[0] != '/')
        return ERR(ERR_INVALID, "the path must start with '/'");
    struct path path = { .text = { scratch, 0 } };
    char *out = scratch;
    size_t at = 0;
    while (at < raw.len) {
        if (path.count == PATH_SEGMENTS_MAX)
            return ERR(ERR_INVALID, "the path has more than %d segments", PATH_SEGMENTS_MAX);
        *out++ = '/';
        str rest = str_sub(raw, at + 1, raw.len);
        ptrdiff_t slash = str_find_char(rest, '/');
        str segment = str_sub(rest, 0, slash < 0 ? rest.len : (size_t)slash);
        ptrdiff_t len = percent_decode(segment, false, out);
        if (len < 0)
            return ERR(ERR_INVALID, "the path holds a '%%' that is not followed by two hex digits");
        str decoded = { out, (size_t)len };
        TRY(segment_check(decoded));
        path.segments[path.count++] = decoded;
        out += len;
        at += 1 + segment.len;
    }
    path.text.len = (size_t)(out - scratch);
    *ret_path = path;
    return OK;
}

static bool query_part(str raw, char **scratch, str *ret_text)
{
    ptrdiff_t len = percent_decode(raw, true, *scratch);
    str text = { *scratch, len < 0 ? 0 : (size_t)len };
    if (len < 0 || str_find_char(text, '\0') >= 0 || str_utf8_valid_len(text) != text.len)
        return false;
    *scratch += len;
    *ret_text = text;
    return true;
}

bool query_next(str *rest, char **scratch, str *ret_name, str *ret_value, err *ret_error)
{
    while (rest->len) {
        str pair = str_split(rest, '&');
        if (pair.len == 0)
            continue;
        str name = str_split(&pair, '=');
        if (query_part(name, scratch, ret_name) && query_part(pair, scratch, ret_value))
            return true;
        *ret_error = ERR(ERR_INVALID,
                         "query parameter '%.*s': the value is not percent-encoded UTF-8",
                         STR_ARG(str_sub(name, 0, 60)));
        return false;
    }
    return false;
}

err target_split(str target, str *ret_authority, str *ret_path, str *ret_query)
{
    str authority = STR_NONE;
    if (str_starts(target, STR("http://"))) {
        target = str_sub(target, 7, target.len);
        size_t end = 0;
        while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?')
            end++;
        authority = str_sub(target, 0, end);
        target = str_sub(target, end, target.len);
        if (authority.len == 0)
            return ERR(ERR_INVALID, "the request target names no host");
        if (target.len == 0)
            target = STR("/");
    }
    if (target.len == 0 || target.ptr[0] != '/')
        return ERR(ERR_INVALID, "the request target must be a path that starts with '/'");
    if (str_find_char(target, '#') >= 0)
        return ERR(ERR_INVALID, "the request target holds a '#': encode it as %%23");
    ptrdiff_t mark = str_find_char(target, '?');
    *ret_authority = authority;
    *ret_path = str_sub(target, 0, mark < 0 ? target.len : (size_t)mark);
    *ret_query = mark < 0 ? STR_NONE : str_sub(target, (size_t)mark + 1, target.len);
    return OK;
}
