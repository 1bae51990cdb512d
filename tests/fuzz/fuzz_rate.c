/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is counted, from X-Forwarded-For as anybody may write it: always somebody, and only what the
 * proxy wrote last decides. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "platform/http/rate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const str peer = STR("127.0.0.1");
    char *copy = malloc(size ? size : 1); /* cut to size: reading over its end is seen */
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    str header = str_from(copy, size);
    uint64_t client = rate_client(peer, true, header);
    assert(rate_client(peer, false, header) == rate_client(peer, false, STR_NONE));
    ptrdiff_t comma;
    str last = header;
    while ((comma = str_find_char(last, ',')) >= 0)
        last = str_sub(last, (size_t)comma + 1, last.len);
    if (str_trim(last).len)
        assert(client == rate_client(peer, true, last));
    free(copy);
    return 0;
}
