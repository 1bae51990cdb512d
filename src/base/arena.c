/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chunks start small, because most requests need little, and double up to a limit where malloc's
 * own cost no longer matters. */
enum {
    CHUNK_BYTES_MIN = 4096,
    CHUNK_BYTES_MAX = 1024 * 1024,
    CHUNK_BYTES_KEPT = 16 * 1024, /* by rewind, at most */
    ALIGN_MAX = 64,
};

struct arena_chunk {
    struct arena_chunk *older;
    size_t bytes;
    _Alignas(ALIGN_MAX) unsigned char data[];
};

struct arena_hook {
    struct arena_hook *older;
    void (*fn)(void *arg);
    void *arg;
};

void arena_init(arena *a, size_t bytes_max)
{
    *a = (arena){ .bytes_max = bytes_max };
}

static void run_hooks(arena *a)
{
    while (a->hooks) {
        struct arena_hook *hook = a->hooks;
        a->hooks = hook->older; /* first: the hook may look at the arena */
        hook->fn(hook->arg);
    }
}

/* All chunks but one. */
static void free_chunks(arena *a, const struct arena_chunk *kept)
{
    while (a->chunks && a->chunks != kept) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->older;
        free(chunk);
    }
}

void arena_reset(arena *a)
{
    run_hooks(a);
    free_chunks(a, NULL);
    arena_init(a, a->bytes_max);
}

void arena_rewind(arena *a)
{
#ifdef __SANITIZE_ADDRESS__
    arena_reset(a);
#else
    run_hooks(a);
    struct arena_chunk *first = a->chunks;
    while (first && first->older)
        first = first->older;
    if (first && first->bytes > CHUNK_BYTES_KEPT)
        first = NULL;
    free_chunks(a, first);
    arena_init(a, a->bytes_max);
    if (!first)
        return;
    a->chunks = first;
    a->bytes_used = first->bytes;
    a->next = first->data;
    a->end = (unsigned char *)first + first->bytes;
#endif
}

void arena_deinit(arena *a)
{
    arena_reset(a);
}

static bool add_chunk(arena *a, size_t need)
{
    size_t bytes = a->chunks ? a->chunks->bytes * 2 : CHUNK_BYTES_MIN;
    if (bytes > CHUNK_BYTES_MAX)
        bytes = CHUNK_BYTES_MAX;
    size_t padded;
    if (__builtin_add_overflow(need, sizeof(struct arena_chunk) + ALIGN_MAX, &padded))
        return false;
    if (bytes < padded)
        bytes = padded;
    size_t left = a->bytes_max - a->bytes_used;
    if (bytes > left)
        bytes = left;
    if (bytes < padded)
        return false;
    struct arena_chunk *chunk = aligned_alloc(ALIGN_MAX,
                                              (bytes + ALIGN_MAX - 1) & ~(size_t)(ALIGN_MAX - 1));
    if (!chunk)
        return false;
    chunk->older = a->chunks;
    chunk->bytes = bytes;
    a->chunks = chunk;
    a->bytes_used += bytes;
    a->next = chunk->data;
    a->end = (unsigned char *)chunk + bytes;
    return true;
}

void *arena_alloc(arena *a, size_t count, size_t size, size_t align)
{
    assert(align != 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        a->failed = true;
        return NULL;
    }
    if (bytes == 0)
        bytes = 1; /* a distinct, valid pointer for empty arrays */
    for (int try = 0; try < 2; try++) {
        size_t pad = (size_t)(-(uintptr_t)a->next & (align - 1));
        size_t left = a->next ? (size_t)(a->end - a->next) : 0;
        if (left >= pad && left - pad >= bytes) {
            void *p = a->next + pad;
            a->next += pad + bytes;
            return memset(p, 0, bytes);
        }
        if (try == 0 && !add_chunk(a, bytes))
            break;
    }
    a->failed = true;
    return NULL;
}

str arena_str(arena *a, str s)
{
    if (s.len == SIZE_MAX)
        return STR_NONE;
    char *copy = arena_alloc(a, s.len + 1, 1, 1);
    if (!copy)
        return STR_NONE;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return (str){ copy, s.len };
}

char *arena_cstr(arena *a, str s)
{
    return (char *)(uintptr_t)arena_str(a, s).ptr;
}

str arena_vfmt(arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *text = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1, 1, 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text ? (str){ text, (size_t)len } : STR_NONE;
}

str arena_fmt(arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    str s = arena_vfmt(a, fmt, args);
    va_end(args);
    return s;
}

err arena_on_reset(arena *a, void (*fn)(void *arg), void *arg)
{
    struct arena_hook *hook = NEW(a, struct arena_hook);
    ARENA_TRY(hook);
    *hook = (struct arena_hook){ .older = a->hooks, .fn = fn, .arg = arg };
    a->hooks = hook;
    return OK;
}

err arena_check(const arena *a)
{
    if (a->failed)
        return ERR(ERR_NO_MEMORY, "the memory cap of %zu bytes of this request or job is used up",
                   a->bytes_max);
    return OK;
}
