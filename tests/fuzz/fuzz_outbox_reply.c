/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a collector, or whoever answers in its place, says: numbers stay within reason, texts are
 * one line, terminated and free of our secret. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/outbox/http_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct outbox_http config = { .token = "s3cr3t", .headers = "X-Key=hunter22" };
    str text = { (const char *)data, size };
    char why[OUTBOX_WHY_BYTES], small[9];
    int64_t refused = -1;
    err e = http_out_otlp_reply(text, &refused, why);
    if (strnlen(why, sizeof why) == sizeof why || refused < 0 || refused > 2000000 ||
        (e.code && refused))
        abort();
    int64_t ms = http_out_retry_after_ms(text);
    if (ms < 0 || ms > 86400000)
        abort();
    http_out_excerpt(&config, text, why, sizeof why);
    if (strnlen(why, sizeof why) == sizeof why || strchr(why, '\n') || strstr(why, "s3cr3t") ||
        strstr(why, "hunter22"))
        abort();
    http_out_excerpt(&config, text, small, sizeof small);
    if (strnlen(small, sizeof small) == sizeof small)
        abort();
    return 0;
}
