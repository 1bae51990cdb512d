/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Paths of files from strangers: what is accepted leads nowhere but down, is the same when it is
 * sent again, encoded or not, and joins with another to such a path. */
#include <stdint.h>
#include <stdlib.h>

#include "platform/track/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(str path)
{
    str rest = path;
    if (path.len > FILES_PATH_BYTES_MAX || str_utf8_valid_len(path) != path.len)
        abort();
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] < 0x20 || path.ptr[i] == 0x7F || path.ptr[i] == '\\' ||
            path.ptr[i] == '#')
            abort();
    while (rest.len) {
        str part = str_split(&rest, '/');
        if (part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            abort();
    }
    if (str_ends(path, STR("/")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena keep;
    str path, again;
    arena_init(&keep, 1 << 20);
    err e = files_path(str_from(data, size), &keep, &path);
    if (!e.code) {
        check(path);
        e = files_path(path, &keep, &again);
        if (e.code || !str_eq(path, again))
            abort();
        e = files_join(STR("1/models"), path, &keep, &again);
        if (!e.code)
            check(again);
    }
    e = files_uri_path(str_from(data, size), &keep, &path);
    if (!e.code)
        check(path);
    arena_deinit(&keep);
    return 0;
}
