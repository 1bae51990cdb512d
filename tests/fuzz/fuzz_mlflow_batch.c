/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A log-batch as anybody may send it: what the quick scan reads is what the tree says. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apps/mlflow/batch_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct json *tree, const struct batch_scan *scan)
{
    const struct json *list = json_get(tree, "metrics");
    assert(json_kind(list) == JSON_IS_ARRAY && json_count(list) == scan->count);
    for (size_t i = 0; i < scan->count; i++) {
        const struct json *one = json_at(list, i);
        const struct client_metric *m = &scan->metrics[i];
        size_t members = 3;
        assert(str_eq(json_str(json_get(one, "key"), STR_NONE), m->key));
        assert(json_num(json_get(one, "value"), -1) == m->value);
        assert(json_kind(json_get(one, "timestamp")) == JSON_IS_INT);
        assert(json_int(json_get(one, "timestamp"), -1) == m->ts_ms);
        members += json_get(one, "step") != NULL;
        assert(json_int(json_get(one, "step"), 0) == m->step);
        members += json_get(one, "model_id") != NULL;
        assert(str_eq(json_str(json_get(one, "model_id"), STR_NONE), m->model_id));
        assert(json_count(one) == members);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct batch_scan scan;
    const struct json *whole, *rest;
    arena memory;
    char *copy = malloc(size ? size : 1); /* cut to size: reading over its end is seen */
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    arena_init(&memory, 4u << 20);
    str body = str_from(copy, size);
    if (batch_scan(body, &memory, &scan) && !json_parse(&memory, scan.rest, &rest).code) {
        assert(!json_parse(&memory, body, &whole).code);
        compare(whole, &scan);
        assert(json_count(whole) == json_count(rest));
    }
    arena_deinit(&memory);
    free(copy);
    return 0;
}
