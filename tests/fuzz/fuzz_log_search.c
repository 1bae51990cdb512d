/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of a log file that anything may have torn or written: the scanner stays inside them, and
 * what it accepts is an object with a plausible time. */
#include <stdint.h>
#include <stdlib.h>

#include "platform/observe/log_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(str slice, str line)
{
    if (slice.len && (slice.ptr < line.ptr || slice.ptr + slice.len > line.ptr + line.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str rest = { (const char *)data, size };
    while (rest.len) {
        str line = str_split(&rest, '\n');
        struct log_scan scan;
        if (!log_scan_line(line, &scan))
            continue;
        if (line.ptr[0] != '{' || line.ptr[line.len - 1] != '}' || scan.level > LOG_ERROR)
            abort();
        /* Years 0 to 9999 in milliseconds. */
        if (scan.ts_ms < -62170000000000 || scan.ts_ms > 253500000000000)
            abort();
        const str slices[] = { scan.event,      scan.span,     scan.component, scan.run_id,
                               scan.dataset_id, scan.model_id, scan.username,  scan.request_id };
        for (size_t i = 0; i < COUNT_OF(slices); i++)
            check_slice(slices[i], line);
    }
    return 0;
}
