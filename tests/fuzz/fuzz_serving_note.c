/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notes and sums of predictions as they stand in the store, which a restore or another program may
 * have written: what can be read can be counted, and is the same when it is written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/serving/tally.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(const struct note *n)
{
    struct tally_table *t = calloc(1, sizeof *t);
    if (!t)
        return;
    if (n->is_outcome)
        note_count_outcome(t, &n->outcome, 1);
    else
        note_count(t, &n->call, n->truth,
                   n->truth == NO_TRUTH ? NOTE_MADE : NOTE_MADE | NOTE_JUDGED);
    free(t);
}

static void try_note(str bytes)
{
    struct note n, again;
    struct buf out;
    if (note_unpack(bytes, &n).code)
        return;
    count(&n);
    buf_init(&out, NOTE_BYTES_MAX);
    if (n.is_outcome)
        note_pack_outcome(&n.outcome, &out);
    else
        note_pack_call(&n.call, n.truth, &out);
    if (buf_check(&out).code || note_unpack(buf_str(&out), &again).code)
        abort();
    if (n.truth != again.truth || n.call.generation != again.call.generation ||
        n.outcome.key.tenure != again.outcome.key.tenure)
        abort();
    for (int i = 0; i < SERVING_SLOTS; i++)
        if (memcmp(n.call.answers[i].p, again.call.answers[i].p, sizeof n.call.answers[i].p) != 0)
            abort();
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct serving_tally sum;
    str bytes = str_from(data, size);
    memset(&sum, 0, sizeof sum);
    try_note(bytes);
    if (!tally_unpack(bytes, &sum).code && (sum.confidence[0] < 0 || sum.features[0][0] < 0))
        abort();
    return 0;
}
