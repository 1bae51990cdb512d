/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A saved place in the log: what is accepted can be saved and read again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "platform/observe/log_follow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log_follow first, second;
    struct buf text;
    if (log_follow_load(str_from(data, size), false, &first).code)
        return 0;
    buf_init(&text, LOG_PLACES_TEXT_MAX);
    log_follow_save(&first, &text);
    if (buf_check(&text).code || log_follow_load(buf_str(&text), false, &second).code ||
        second.count != first.count || second.passed != first.passed)
        abort();
    for (size_t i = 0; i < first.count; i++)
        if (first.places[i].segment != second.places[i].segment ||
            first.places[i].offset != second.places[i].offset)
            abort();
    buf_deinit(&text);
    return 0;
}
