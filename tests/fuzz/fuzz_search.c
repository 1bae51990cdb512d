/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filters and orders of MLflow's clients: the first byte says which search and whether it is an
 * order. What is accepted has a known entity, an operator that the key has, and slices of the
 * input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/track/search_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(str slice, str text)
{
    if (slice.len && (slice.ptr < text.ptr || slice.ptr + slice.len > text.ptr + text.len))
        abort();
}

static void check_name(const struct search_entity *entity, const struct search_key *attribute,
                       str key, str text)
{
    if (!entity || (entity->keys != NULL) != (attribute != NULL))
        abort();
    if (attribute && !str_eq(str_of(attribute->name), key))
        abort();
    check_slice(key, text);
}

static void check_condition(const struct search_condition *c, str text)
{
    unsigned ops = c->attribute ? c->attribute->ops : c->entity->ops;
    bool is_null = c->op == SEARCH_IS_NULL || c->op == SEARCH_IS_NOT_NULL;
    bool is_list = c->op == SEARCH_IN || c->op == SEARCH_NOT_IN;
    bool wants_number = c->attribute ? c->attribute->is_number : c->entity->value_is_number;
    check_name(c->entity, c->attribute, c->key, text);
    check_slice(c->text, text);
    if (!(ops & 1u << c->op) || is_list != (c->list_count > 0))
        abort();
    if (!is_null && !is_list && c->is_number != wants_number)
        abort();
    if (is_list && wants_number && !c->integers)
        abort();
    for (size_t i = 0; i < c->list_count; i++)
        check_slice(c->list[i], text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    /* an exact copy, so that reading one byte too many is seen */
    char *copy = malloc(size);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    arena memory;
    arena_init(&memory, 4 << 20);
    enum search_kind kind = (enum search_kind)((unsigned char)copy[0] % SEARCH_KIND_COUNT);
    bool is_order = (unsigned char)copy[0] / SEARCH_KIND_COUNT % 2 == 1;
    str text = str_from(copy + 1, size - 1);
    struct search_filter f;
    struct search_order o;
    if (is_order && !search_parse_order(kind, text, &o).code) {
        check_name(o.entity, o.attribute, o.key, text);
        if (!o.entity->is_order || (o.attribute && !o.attribute->is_order))
            abort();
    } else if (!is_order && !search_parse_filter(kind, text, &memory, &f).code) {
        for (size_t i = 0; i < f.count; i++)
            check_condition(&f.conditions[i], text);
    }
    arena_deinit(&memory);
    free(copy);
    return 0;
}
