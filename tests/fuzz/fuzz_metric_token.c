/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page token of a metric's history, as anybody may send it: refused, or a place that reads the
 * same when it is written again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "platform/track/client_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_place place, again;
    arena memory;
    str token;
    char *copy = malloc(size ? size : 1); /* cut to size: reading over its end is seen */
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    arena_init(&memory, 4096);
    if (!client_token_read(str_from(copy, size), &place).code) {
        assert(!client_token_make(&place, &memory, &token).code);
        assert(!client_token_read(token, &again).code);
        assert(place.ts_ms == again.ts_ms && place.step == again.step);
        assert(memcmp(&place.value, &again.value, sizeof place.value) == 0);
        assert(place.is_nan == again.is_nan);
    }
    arena_deinit(&memory);
    free(copy);
    return 0;
}
