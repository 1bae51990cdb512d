/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Searching an index whose bytes were changed: the first eight bytes are the key, the rest is the
 * index. */
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct position_hit hits[32];
    uint64_t keys[3] = { 0, UINT64_MAX, 0 };
    size_t count = 0;
    str index;

    if (size < sizeof keys[2])
        return 0;
    memcpy(&keys[2], data, sizeof keys[2]);
    index = str_from(data + sizeof keys[2], size - sizeof keys[2]);
    (void)!position_index_check(index).code;
    for (size_t i = 0; i < 3; i++) {
        if (!position_index_find(index, keys[i], hits, COUNT_OF(hits), &count).code &&
            count > COUNT_OF(hits))
            abort();
    }
    return 0;
}
