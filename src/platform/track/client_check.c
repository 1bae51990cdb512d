/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_check.c -- what clients may call things, in MLflow's words. Limits count characters, as
 * MLflow's do, not bytes. */
#include <stdio.h>
#include <string.h>

#include "platform/track/client_internal.h"

enum { KEY_CHARACTERS_MAX = 250, SHOWN_BYTES = 60, PATH_BYTES = 64 };

/* Every byte but those that go on with a character begins one. */
static bool begins(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

size_t client_characters(str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += begins(text.ptr[i]);
    return count;
}

str client_cut(str text, size_t characters_max)
{
    if (text.len <= characters_max)
        return text;
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        if (begins(text.ptr[i]) && count++ == characters_max)
            return str_sub(text, 0, i);
    return text;
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '/' || c == '.' || c == '-' || c == ' ' || c == ':' || (unsigned char)c >= 0x80;
}

/* It would be another path if it were one: "a//b", "./a", "..", "/a", "a/". */
static bool is_other_path(str key)
{
    if (key.ptr[0] == '/' || key.ptr[key.len - 1] == '/')
        return true;
    str rest = key;
    while (rest.len) {
        str part = str_split(&rest, '/');
        if (part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return true;
    }
    return false;
}

/* What Python's posixpath.normpath makes of the first SHOWN_BYTES of it. */
static str resolved(str key, char room[SHOWN_BYTES + 2])
{
    size_t len = 0, root = 0, ups = 0; /* bytes of "/" and "../" that nothing takes away */
    key = str_sub(key, 0, SHOWN_BYTES);
    if (key.len && key.ptr[0] == '/') {
        root = key.len > 1 && key.ptr[1] == '/' && !(key.len > 2 && key.ptr[2] == '/') ? 2 : 1;
        for (; len < root; len++)
            room[len] = '/';
    }
    while (key.len) {
        str part = str_split(&key, '/');
        if (part.len == 0 || str_eq(part, STR(".")))
            continue;
        bool is_up = str_eq(part, STR(".."));
        if (is_up && len > root + ups) {
            while (len > root + ups && room[len - 1] != '/')
                len--;
            if (len > root)
                len--; /* the slash before it */
            continue;
        }
        if (is_up && root)
            continue;
        if (len > root)
            room[len++] = '/';
        memcpy(room + len, part.ptr, part.len);
        len += part.len;
        if (is_up)
            ups = len - root;
    }
    if (len == 0)
        room[len++] = '.';
    return str_from(room, str_utf8_valid_len(str_from(room, len)));
}

static err wrong_key(const char *path, str key, const char *why)
{
    str shown = str_sub(key, 0, SHOWN_BYTES);
    shown.len = str_utf8_valid_len(shown);
    return ERR(ERR_INVALID, "Invalid value \"%.*s\" for parameter '%s' supplied: %s",
               STR_ARG(shown), path, why);
}

static err wrong_path(const char *path, str key)
{
    char room[SHOWN_BYTES + 2];
    str shown = str_sub(key, 0, SHOWN_BYTES), other = resolved(key, room);
    shown.len = str_utf8_valid_len(shown);
    return ERR(ERR_INVALID,
               "Invalid value \"%.*s\" for parameter '%s' supplied: Names may be treated as files "
               "in certain cases, and must not resolve to other names when treated as such. This "
               "name would resolve to '%.*s'",
               STR_ARG(shown), path, STR_ARG(other));
}

/* MLflow names some of them in words where they are too long. */
static const char *long_name(const char *list, const char *field, const char *path)
{
    if (strcmp(field, "name") == 0)
        return "Metric name";
    return list && strcmp(list, "params") == 0 ? "Param key" : path;
}

err client_check_key(const char *list, size_t index, const char *field, str key)
{
    const char *why = NULL;
    if (key.len > 0 && key.len <= KEY_CHARACTERS_MAX) {
        size_t plain = 0;
        while (plain < key.len && is_key_char(key.ptr[plain]))
            plain++;
        if (plain == key.len && !is_other_path(key))
            return OK;
    }
    char path[PATH_BYTES];
    if (list && index != CLIENT_ALONE)
        snprintf(path, sizeof path, "%s[%zu].%s", list, index, field);
    else
        snprintf(path, sizeof path, "%s", field);
    if (key.len == 0)
        return ERR(ERR_INVALID,
                   "Missing value for required parameter '%s'. See the API docs for more "
                   "information about request parameters.",
                   path);
    for (size_t i = 0; i < key.len && !why; i++)
        if (!is_key_char(key.ptr[i]))
            why = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
                  "spaces ( ), colon(:) and slashes (/).";
    if (why)
        return wrong_key(path, key, why);
    if (is_other_path(key))
        return wrong_path(path, key);
    if (client_characters(key) > KEY_CHARACTERS_MAX)
        return ERR(ERR_INVALID, "'%s' exceeds the maximum length of %d characters",
                   long_name(list, field, path), KEY_CHARACTERS_MAX);
    return OK;
}
