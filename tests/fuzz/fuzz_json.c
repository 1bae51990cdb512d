/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON from strangers: what is accepted can be written again, and reads back as the same. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* exact size, so that reading past the end is seen */
    arena keep;
    struct buf first, second;
    const struct json *root = NULL, *again = NULL;
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    arena_init(&keep, 16 << 20);
    buf_init(&first, 16 << 20);
    buf_init(&second, 16 << 20);
    err e = json_parse(&keep, str_from(text, size), &root);
    if (!e.code) {
        json_dump(root, &first);
        if (first.failed || json_parse(&keep, buf_str(&first), &again).code)
            abort();
        json_dump(again, &second);
        if (!str_eq(buf_str(&first), buf_str(&second)))
            abort();
    }
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&keep);
    free(text);
    return 0;
}
