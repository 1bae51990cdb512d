/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small texts from strangers: dates, numbers, cron expressions, settings lines. What is accepted
 * has to hold what its reader promises. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "platform/app/settings.h"
#include "platform/jobs/jobs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* settings.c reads the list of apps; here are none. */
const struct app *const app_registry[] = { NULL };

static void check_date(str s)
{
    int64_t ms, again;
    char iso[CLOCK_ISO_BYTES];
    if (clock_parse(s, &ms).code)
        return;
    clock_iso(ms, iso);
    if (clock_parse(str_of(iso), &again).code || again != ms)
        abort();
}

static void check_cron(str s)
{
    const int64_t from_ms = 1795219200000; /* 2026-11-21 */
    int64_t next;
    if (s.len < 200 && !cron_next(s, from_ms, &next).code && next <= from_ms)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1);
    int64_t integer;
    double real;
    str key, value;
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    str s = str_from(text, size);
    check_date(s);
    check_cron(s);
    if (!str_to_f64(s, &real).code && !isfinite(real))
        abort();
    (void)str_to_i64(s, &integer).code;
    if (!setting_parse_bytes(s, &integer).code && integer < 0)
        abort();
    if (setting_env_line(s, &key, &value) && !key.len)
        abort();
    if (str_utf8_valid_len(s) > s.len)
        abort();
    free(text);
    return 0;
}
