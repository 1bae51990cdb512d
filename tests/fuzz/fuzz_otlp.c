/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exports of spans from strangers, the first byte says in which form: whatever is taken is kept in
 * lines that can be read back, and what clients then read is JSON. */
#include <stdlib.h>
#include <string.h>

#include "platform/track/spans_internal.h"

enum { MEMORY_BYTES = 256 * 1024 * 1024, TEXT_BYTES = 256 * 1024 * 1024, DEPTH_MAX = 400 };

static void check(int is_true)
{
    if (!is_true)
        abort();
}

static void check_span(const struct span *s)
{
    struct buf text;
    struct json_out w;
    str value;
    buf_init(&text, TEXT_BYTES);
    json_out_init(&w, &text);
    check(s->trace_id[35 - 1] != '\0' && strlen(s->span_id) == 16);
    check(str_utf8_valid_len(s->content) == s->content.len);
    check(span_write_proto_json(&w, str_of(s->trace_id), s).code == ERR_NONE);
    check(buf_check(&text).code == ERR_NONE);
    struct json_scan scan = json_scan_of(buf_str(&text));
    check(json_scan_value(&scan, DEPTH_MAX, &value) && scan.next == scan.end);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span_batch batch = { 0 };
    bool has_resources;
    arena memory;
    if (size == 0)
        return 0;
    char *copy = malloc(size > 1 ? size - 1 : 1); /* of its exact size: reading beyond it is seen */
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    str input = str_from(copy, size - 1);
    arena_init(&memory, MEMORY_BYTES);
    err e = data[0] == 'j' ? span_batch_read_json(input, &memory, &batch, &has_resources)
                           : span_batch_read_proto(input, &memory, &batch, &has_resources);
    for (size_t i = 0; !e.code && i < batch.count; i++)
        check_span(&batch.spans[i]);
    span_batch_deinit(&batch);
    arena_deinit(&memory);
    free(copy);
    return 0;
}
