/* SPDX-License-Identifier: GPL-3.0-or-later */
/* path.h -- request targets: percent-decoding, and paths cut into segments.
 *
 * A path is split at its raw slashes first and decoded after, so that "%2F" can never make a new
 * segment. What nobody needs and attackers do is refused: NUL and other control characters,
 * backslashes, "." and
 * "..", encodings that are not two hex digits, text that is not UTF-8.
 */
#ifndef SKERRY_HTTP_PATH_H
#define SKERRY_HTTP_PATH_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum { PATH_SEGMENTS_MAX = 32, PATH_BYTES_MAX = 8192 };

/* Slices of the scratch that path_parse was given. "/" is one empty segment, "/a/" is "a" and "".
 */
struct path {
    str text; /* decoded, with its slashes */
    str segments[PATH_SEGMENTS_MAX];
    size_t count;
};

/* `raw` is the path without query. `scratch` has room for raw.len bytes and lives as long as the
 * path. */
MUST_USE err path_parse(str raw, char *scratch, struct path *ret_path);

/* Decodes into out (room for raw.len bytes). Returns the length, or -1 for a broken encoding. */
ptrdiff_t percent_decode(str raw, bool plus_is_space, char *out);

/* One "name=value" pair of a query after another, decoded into *scratch, which moves on. False at
 * the end. ERR_INVALID, through ret_error, names the parameter that is broken. */
bool query_next(str *rest, char **scratch, str *ret_name, str *ret_value, err *ret_error);

/* A request target in origin form ("/x?y") or absolute form ("http://host/x?y"). authority is empty
 * for the origin form. ERR_INVALID for anything else. */
MUST_USE err target_split(str target, str *ret_authority, str *ret_path, str *ret_query);

#endif
