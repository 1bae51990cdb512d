/* SPDX-License-Identifier: GPL-3.0-or-later */
/* labels.c -- sets of labels: sorted by name, compared and filtered as Prometheus does. */
#include <stdlib.h>
#include <string.h>

#include "platform/query/query_internal.h"

enum { LABELS_MAX = 64 };

str labels_get(struct labels labels, str name)
{
    for (size_t i = 0; i < labels.count; i++)
        if (str_eq(labels.items[i].name, name))
            return labels.items[i].value;
    return STR_NONE;
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

err labels_make(arena *keep, const struct label *pairs, size_t count, struct labels *ret_labels)
{
    struct label *items = NEW_ARRAY(keep, struct label, count ? count : 1);
    ARENA_TRY(items);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (pairs[i].value.len)
            items[kept++] = pairs[i];
    qsort(items, kept, sizeof *items, by_name);
    *ret_labels = (struct labels){ items, kept };
    return OK;
}

/* The text of a value up to its closing quote, \\ \" \n taken out. *text moves behind the quote. */
static err take_value(arena *keep, str *text, str *ret_value)
{
    size_t end = 0;
    bool has_escape = false;
    while (end < text->len && text->ptr[end] != '"') {
        has_escape = has_escape || text->ptr[end] == '\\';
        end += text->ptr[end] == '\\' ? 2 : 1;
    }
    if (end >= text->len)
        return ERR(ERR_INVALID, "a label value has no closing quote");
    str raw = str_sub(*text, 0, end);
    *text = str_sub(*text, end + 1, text->len);
    *ret_value = raw;
    if (!has_escape)
        return OK;
    char *out = NEW_ARRAY(keep, char, raw.len);
    ARENA_TRY(out);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '\\' && i + 1 < raw.len) {
            c = raw.ptr[++i];
            c = c == 'n' ? '\n' : c;
        }
        out[len++] = c;
    }
    *ret_value = str_from(out, len);
    return OK;
}

err labels_parse(arena *keep, str name, str text, struct labels *ret_labels)
{
    struct label pairs[LABELS_MAX];
    size_t count = 0;
    if (name.len)
        pairs[count++] = (struct label){ LABELS_NAME, name };
    while (text.len) {
        if (count == LABELS_MAX)
            return ERR(ERR_TOO_BIG, "series '%.*s' has more than %d labels", STR_ARG(name),
                       LABELS_MAX);
        struct label *label = &pairs[count++];
        label->name = str_split(&text, '=');
        if (!label->name.len || !text.len || text.ptr[0] != '"')
            return ERR(ERR_INVALID, "labels of '%.*s' cannot be read", STR_ARG(name));
        text = str_sub(text, 1, text.len);
        TRY(take_value(keep, &text, &label->value));
        if (text.len && text.ptr[0] == ',')
            text = str_sub(text, 1, text.len);
        else if (text.len)
            return ERR(ERR_INVALID, "labels of '%.*s' cannot be read", STR_ARG(name));
    }
    return labels_make(keep, pairs, count, ret_labels);
}

void labels_json(struct labels labels, struct json_out *out)
{
    json_object_begin(out);
    for (size_t i = 0; i < labels.count; i++) {
        json_key_str(out, labels.items[i].name);
        json_out_str(out, labels.items[i].value);
    }
    json_object_end(out);
}

int labels_cmp(struct labels a, struct labels b)
{
    for (size_t i = 0; i < a.count && i < b.count; i++) {
        int order = str_cmp(a.items[i].name, b.items[i].name);
        order = order ? order : str_cmp(a.items[i].value, b.items[i].value);
        if (order)
            return order;
    }
    return (a.count > b.count) - (a.count < b.count);
}

err labels_copy(arena *keep, struct labels from, struct labels *ret_labels)
{
    struct label *items = NEW_ARRAY(keep, struct label, from.count ? from.count : 1);
    ARENA_TRY(items);
    for (size_t i = 0; i < from.count; i++)
        items[i] = (struct label){ arena_str(keep, from.items[i].name),
                                   arena_str(keep, from.items[i].value) };
    TRY(arena_check(keep));
    *ret_labels = (struct labels){ items, from.count };
    return OK;
}

bool label_list_has(const struct label_list *list, str name)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (str_eq(list->names[i], name))
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    const str *x = a, *y = b;
    return str_cmp(*x, *y);
}

void label_list_sort(struct label_list *list)
{
    qsort(list->names, list->count, sizeof list->names[0], by_text);
}

err labels_filter(arena *keep, struct labels from, const struct label_list *list, bool drop,
                  bool drop_name, struct labels *ret_labels)
{
    struct label *items = NEW_ARRAY(keep, struct label, from.count ? from.count : 1);
    ARENA_TRY(items);
    size_t kept = 0;
    for (size_t i = 0; i < from.count; i++)
        if (label_list_has(list, from.items[i].name) != drop &&
            !(drop_name && str_eq(from.items[i].name, LABELS_NAME)))
            items[kept++] = from.items[i];
    *ret_labels = (struct labels){ items, kept };
    return OK;
}

err labels_set(arena *keep, struct labels from, str name, str value, struct labels *ret_labels)
{
    struct label *items = NEW_ARRAY(keep, struct label, from.count + 1);
    ARENA_TRY(items);
    size_t kept = 0;
    for (size_t i = 0; i < from.count; i++)
        if (!str_eq(from.items[i].name, name))
            items[kept++] = from.items[i];
    if (value.len)
        items[kept++] = (struct label){ name, value };
    qsort(items, kept, sizeof *items, by_name);
    *ret_labels = (struct labels){ items, kept };
    return OK;
}

str labels_key(arena *keep, struct labels labels)
{
    size_t bytes = 0;
    for (size_t i = 0; i < labels.count; i++)
        bytes += labels.items[i].name.len + labels.items[i].value.len + 2;
    char *key = NEW_ARRAY(keep, char, bytes + 1);
    if (!key)
        return STR_NONE;
    size_t at = 0;
    for (size_t i = 0; i < labels.count; i++) {
        const str parts[] = { labels.items[i].name, labels.items[i].value };
        for (size_t k = 0; k < COUNT_OF(parts); k++) {
            if (parts[k].len)
                memcpy(key + at, parts[k].ptr, parts[k].len);
            at += parts[k].len;
            key[at++] = '\xFF'; /* no valid UTF-8 has it */
        }
    }
    return str_from(key, at);
}
