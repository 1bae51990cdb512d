/* SPDX-License-Identifier: GPL-3.0-or-later */
/* alloc_fail.c -- see alloc_fail.h. */
#include "alloc_fail.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

/* What the linker calls the real ones and ours. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
int __real_posix_memalign(void **ret, size_t align, size_t bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
int __wrap_posix_memalign(void **ret, size_t align, size_t bytes);
char *__wrap_strdup(const char *text);

static atomic_bool is_on, all_after;
static atomic_long asked, fails_at;
static _Thread_local bool is_spared_thread;
static sqlite3_mem_methods sqlite_real;

static bool is_refused(void)
{
    if (is_spared_thread || !atomic_load(&is_on))
        return false;
    long n = atomic_fetch_add(&asked, 1) + 1, at = atomic_load(&fails_at);
    if (n != at && !(n > at && atomic_load(&all_after)))
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t bytes)
{
    return is_refused() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return is_refused() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return is_refused() ? NULL : __real_realloc(old, bytes);
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
    return is_refused() ? NULL : __real_aligned_alloc(align, bytes);
}

int __wrap_posix_memalign(void **ret, size_t align, size_t bytes)
{
    return is_refused() ? ENOMEM : __real_posix_memalign(ret, align, bytes);
}

char *__wrap_strdup(const char *text)
{
    return is_refused() ? NULL : __real_strdup(text);
}

static void *sqlite_malloc(int bytes)
{
    return is_refused() ? NULL : sqlite_real.xMalloc(bytes);
}

static void *sqlite_realloc(void *old, int bytes)
{
    return is_refused() ? NULL : sqlite_real.xRealloc(old, bytes);
}

void alloc_fail_install(void)
{
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_real);
    sqlite3_mem_methods ours = sqlite_real;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK)
        abort();
}

void alloc_fail_at(long nth, bool and_all_after)
{
    atomic_store(&asked, 0);
    atomic_store(&fails_at, nth);
    atomic_store(&all_after, and_all_after);
    atomic_store(&is_on, true);
}

long alloc_fail_off(void)
{
    atomic_store(&is_on, false);
    return atomic_load(&asked);
}

void alloc_fail_spare_thread(bool is_spared)
{
    is_spared_thread = is_spared;
}
