/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json.c -- reading: a facade over jansson. A struct json is a json_t; the cast is here and nowhere
 * else, so that another parser can take its place. Our names avoid jansson's, because the linker
 * sees both. */
#include "base/json.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

static const struct json *to_node(const json_t *value)
{
    return (const struct json *)value;
}

static const json_t *to_value(const struct json *node)
{
    return (const json_t *)node;
}

static void release_root(void *arg)
{
    json_decref(arg);
}

/* jansson's own limit is far deeper than any document of ours. Counts brackets outside strings. */
static bool is_too_deep(str text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

/* jansson reports many a refused allocation as a mistake in the text. So it asks for memory here,
 * and json_parse looks afterwards whether it got it. */
static _Thread_local bool was_refused;

static void *json_memory(size_t bytes)
{
    void *memory = malloc(bytes);
    was_refused |= !memory;
    return memory;
}

static void json_memory_init(void)
{
    json_set_alloc_funcs(json_memory, free);
}

err json_parse(arena *keep, str text, const struct json **ret_root)
{
    if (is_too_deep(text))
        return ERR(ERR_INVALID, "reading JSON: nested deeper than %d levels", DEPTH_MAX);
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, json_memory_init);
    json_error_t why;
    was_refused = false;
    json_t *root = json_loadb(text.len ? text.ptr : "", text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (was_refused) {
        /* also when there is a root: its lexer drops the characters that it has no room for */
        json_decref(root);
        return ERR(ERR_NO_MEMORY, "reading JSON: out of memory");
    }
    if (!root)
        return ERR(ERR_INVALID, "reading JSON: line %d, column %d: %s", why.line, why.column,
                   why.text);
    err e = arena_on_reset(keep, release_root, root);
    if (e.code) {
        json_decref(root);
        return e;
    }
    *ret_root = to_node(root);
    return OK;
}

enum json_kind json_kind(const struct json *node)
{
    if (!node)
        return JSON_IS_NONE;
    switch (json_typeof(to_value(node))) {
    case JSON_OBJECT:
        return JSON_IS_OBJECT;
    case JSON_ARRAY:
        return JSON_IS_ARRAY;
    case JSON_STRING:
        return JSON_IS_STR;
    case JSON_INTEGER:
        return JSON_IS_INT;
    case JSON_REAL:
        return JSON_IS_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_IS_BOOL;
    case JSON_NULL:
        return JSON_IS_NULL;
    }
    return JSON_IS_NONE;
}

const struct json *json_get(const struct json *object, const char *key)
{
    return object ? to_node(json_object_get(to_value(object), key)) : NULL;
}

size_t json_count(const struct json *node)
{
    enum json_kind kind = json_kind(node);
    if (kind == JSON_IS_ARRAY)
        return json_array_size(to_value(node));
    return kind == JSON_IS_OBJECT ? json_object_size(to_value(node)) : 0;
}

const struct json *json_at(const struct json *array, size_t index)
{
    return array ? to_node(json_array_get(to_value(array), index)) : NULL;
}

bool json_next(const struct json *object, void **iter, str *ret_key, const struct json **ret_value)
{
    if (json_kind(object) != JSON_IS_OBJECT)
        return false;
    json_t *value = (json_t *)(uintptr_t)
        object; /* jansson's iterators do not take const; they only read */
    *iter = *iter ? json_object_iter_next(value, *iter) : json_object_iter(value);
    if (!*iter)
        return false;
    *ret_key = str_of(json_object_iter_key(*iter));
    *ret_value = to_node(json_object_iter_value(*iter));
    return true;
}

str json_str(const struct json *node, str otherwise)
{
    if (json_kind(node) != JSON_IS_STR)
        return otherwise;
    return str_from(json_string_value(to_value(node)), json_string_length(to_value(node)));
}

/* Whole numbers written as reals are accepted while they are exact. */
static bool to_int(const struct json *node, int64_t *ret_value)
{
    if (json_kind(node) == JSON_IS_INT) {
        *ret_value = json_integer_value(to_value(node));
        return true;
    }
    if (json_kind(node) != JSON_IS_REAL)
        return false;
    double value = json_real_value(to_value(node));
    if (value != floor(value) || fabs(value) > 9007199254740992.0)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

int64_t json_int(const struct json *node, int64_t otherwise)
{
    int64_t value = otherwise;
    to_int(node, &value);
    return value;
}

double json_num(const struct json *node, double otherwise)
{
    enum json_kind kind = json_kind(node);
    if (kind == JSON_IS_INT)
        return (double)json_integer_value(to_value(node));
    return kind == JSON_IS_REAL ? json_real_value(to_value(node)) : otherwise;
}

bool json_bool(const struct json *node, bool otherwise)
{
    return json_kind(node) == JSON_IS_BOOL ? json_is_true(to_value(node)) : otherwise;
}

static bool is_absent(const struct json *node)
{
    return json_kind(node) <= JSON_IS_NULL;
}

err json_opt_str(const struct json *object, const char *key, str *value)
{
    const struct json *node = json_get(object, key);
    if (is_absent(node))
        return OK;
    if (json_kind(node) != JSON_IS_STR)
        return ERR(ERR_INVALID, "field '%s' must be a string", key);
    *value = json_str(node, STR_NONE);
    return OK;
}

err json_opt_int(const struct json *object, const char *key, int64_t min, int64_t max,
                 int64_t *value)
{
    const struct json *node = json_get(object, key);
    if (is_absent(node))
        return OK;
    int64_t got;
    if (!to_int(node, &got) || got < min || got > max)
        return ERR(ERR_INVALID, "field '%s' must be a whole number from %lld to %lld", key,
                   (long long)min, (long long)max);
    *value = got;
    return OK;
}

err json_opt_real(const struct json *object, const char *key, double min, double max, double *value)
{
    const struct json *node = json_get(object, key);
    if (is_absent(node))
        return OK;
    double got = json_num(node, NAN);
    if (!(got >= min && got <= max))
        return ERR(ERR_INVALID, "field '%s' must be a number from %g to %g", key, min, max);
    *value = got;
    return OK;
}

err json_opt_bool(const struct json *object, const char *key, bool *value)
{
    const struct json *node = json_get(object, key);
    if (is_absent(node))
        return OK;
    if (json_kind(node) != JSON_IS_BOOL)
        return ERR(ERR_INVALID, "field '%s' must be true or false", key);
    *value = json_bool(node, false);
    return OK;
}

err json_need_str(const struct json *object, const char *key, str *ret_value)
{
    if (is_absent(json_get(object, key)))
        return ERR(ERR_INVALID, "field '%s' is required and must be a string", key);
    return json_opt_str(object, key, ret_value);
}

err json_need_int(const struct json *object, const char *key, int64_t min, int64_t max,
                  int64_t *ret_value)
{
    if (is_absent(json_get(object, key)))
        return ERR(ERR_INVALID, "field '%s' is required and must be a whole number", key);
    return json_opt_int(object, key, min, max, ret_value);
}

static void dump_node(const struct json *node, struct json_out *w)
{
    switch (json_kind(node)) {
    case JSON_IS_NONE:
    case JSON_IS_NULL:
        json_out_null(w);
        break;
    case JSON_IS_BOOL:
        json_out_bool(w, json_bool(node, false));
        break;
    case JSON_IS_INT:
        json_out_int(w, json_int(node, 0));
        break;
    case JSON_IS_REAL:
        json_out_real(w, json_num(node, 0));
        break;
    case JSON_IS_STR:
        json_out_str(w, json_str(node, STR_NONE));
        break;
    case JSON_IS_ARRAY:
        json_array_begin(w);
        for (size_t i = 0; i < json_count(node); i++)
            dump_node(json_at(node, i), w);
        json_array_end(w);
        break;
    case JSON_IS_OBJECT: {
        void *iter = NULL;
        str key;
        const struct json *value;
        json_object_begin(w);
        while (json_next(node, &iter, &key, &value)) {
            json_key_str(w, key);
            dump_node(value, w);
        }
        json_object_end(w);
        break;
    }
    }
}

void json_dump(const struct json *node, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    dump_node(node, &w);
}
