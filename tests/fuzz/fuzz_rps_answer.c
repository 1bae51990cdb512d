/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers of any server to the load generator: what is found lies inside of what came. */
#include <stdlib.h>
#include <string.h>

#include "apps/rps/sim_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(str part, str whole)
{
    if (part.len && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = calloc(1, size ? size : 1); /* of its exact size: reading on is seen */
    struct rps_answer answer;
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    str text = str_from(copy, size);
    if (rps_answer_read(text, 4096, &answer) == RPS_ANSWER_WHOLE) {
        inside(answer.body, text);
        inside(rps_answer_text(answer.body, "\"bot_move\":\""), answer.body);
        (void)rps_answer_number(answer.body, "\"round\":");
    }
    /* An answer is whole only once all of it is there. */
    if (size && rps_answer_read(str_sub(text, 0, size - 1), 4096, &answer) == RPS_ANSWER_WHOLE &&
        rps_answer_read(text, 4096, &answer) != RPS_ANSWER_WHOLE)
        abort();
    free(copy);
    return 0;
}
