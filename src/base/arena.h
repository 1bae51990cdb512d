/* SPDX-License-Identifier: GPL-3.0-or-later */
/* arena.h -- memory of one lifetime: the server, a request or job, or a call.
 *
 * Allocate, never free; ending the lifetime ends everything, cleanup hooks included, on every path.
 * An arena cannot be made without a cap. Beyond the cap, or when the machine is out of memory,
 * allocation returns NULL and the arena remembers: callers test the pointer (ARENA_TRY) or, after a
 * row of allocations, arena_check(). Not thread-safe: one owner at a time.
 *
 * `arena *keep` in a signature means "the result lives there".
 */
#ifndef SKERRY_BASE_ARENA_H
#define SKERRY_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct arena_chunk;
struct arena_hook;

typedef struct arena {
    struct arena_chunk *chunks; /* newest first */
    struct arena_hook *hooks;   /* newest first */
    unsigned char *next, *end;  /* free space of the newest chunk */
    size_t bytes_used;          /* of all chunks, as allocated from malloc */
    size_t bytes_max;
    bool failed; /* an allocation was refused since init or reset */
} arena;

/* No memory is taken before the first allocation. */
void arena_init(arena *a, size_t bytes_max);

/* Runs the hooks (newest first) and gives everything back. The arena may be used again. */
void arena_reset(arena *a);

/* The same, but a small first chunk is kept for what comes next: for arenas that are used again and
 * again. (Built with AddressSanitizer it keeps nothing, so that late uses are found.) */
void arena_rewind(arena *a);

/* Same as reset; the name that says the lifetime is over. Accepts an arena that is all zero. */
void arena_deinit(arena *a);

/* Zeroed memory aligned to `align` (a power of two up to 64), or NULL. count * size is checked. */
void *arena_alloc(arena *a, size_t count, size_t size, size_t align);

#define NEW(a, type) ((type *)arena_alloc((a), 1, sizeof(type), _Alignof(type)))
#define NEW_ARRAY(a, type, count) ((type *)arena_alloc((a), (count), sizeof(type), _Alignof(type)))

/* Copies. On failure .ptr is NULL and .len is 0. The copy is followed by a NUL that len does not
 * count, so .ptr is also a C string when s has no NUL inside. */
str arena_str(arena *a, str s);
char *arena_cstr(arena *a, str s);
str arena_fmt(arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
str arena_vfmt(arena *a, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

/* Calls fn(arg) when the arena is reset. Returns ERR_NO_MEMORY, without calling fn, when it cannot
 * remember that. */
MUST_USE err arena_on_reset(arena *a, void (*fn)(void *arg), void *arg);

/* ERR_NO_MEMORY when any allocation was refused since init or reset. */
MUST_USE err arena_check(const arena *a);

/* Returns ERR_NO_MEMORY from the calling function when `pointer` is NULL. */
#define ARENA_TRY(pointer)                                                                 \
    do {                                                                                   \
        if (!(pointer))                                                                    \
            return ERR(ERR_NO_MEMORY, "the memory cap of this request or job is used up"); \
    } while (0)

#endif
