/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a UCI engine says, line by line: engines are outside programs. */
#include <stdlib.h>
#include <string.h>

#include "apps/chess/uci_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(str part, const char *whole, size_t size)
{
    return part.len == 0 || (part.ptr >= whole && part.ptr + part.len <= whole + size);
}

static void check(str line)
{
    char *exact = malloc(line.len ? line.len : 1);
    struct uci_reply r;
    if (!exact)
        return;
    if (line.len)
        memcpy(exact, line.ptr, line.len);
    uci_reply_parse(str_from(exact, line.len), &r);
    if (!is_inside(r.text, exact, line.len) || r.kind > UCI_REPLY_BESTMOVE)
        abort();
    if (r.kind == UCI_REPLY_SCORE &&
        (r.score.value > UCI_SCORE_MAX || r.score.value < -UCI_SCORE_MAX))
        abort();
    int cp = uci_score_cp(&r.score, 1000);
    if (cp < -1000 || cp > 1000)
        abort();
    if (r.is_spin && r.min > r.max)
        abort();
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str rest = str_from(data, size);
    while (rest.len)
        check(str_split(&rest, '\n'));
    return 0;
}
