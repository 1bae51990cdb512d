/* SPDX-License-Identifier: GPL-3.0-or-later */
/* map.h -- a hash table from a string to a pointer or number, bounded.
 *
 * Open addressing, grows by doubling up to count_max. Keys are borrowed: they must outlive the map.
 * Not thread-safe.
 */
#ifndef SKERRY_BASE_MAP_H
#define SKERRY_BASE_MAP_H

#include "base/str.h"

union map_value {
    void *ptr;
    int64_t num;
};

struct map_slot {
    str key; /* key.ptr NULL: free */
    uint64_t hash;
    union map_value value;
};

struct map {
    struct map_slot *slots;
    size_t slot_count; /* power of two */
    size_t count;
    size_t count_max;
};

void map_init(struct map *m, size_t count_max);
void map_deinit(struct map *m);
/* The value of `key`, or NULL. Valid until the next map_put or map_remove. */
union map_value *map_find(const struct map *m, str key);
/* Finds or inserts (zeroed); *ret_value is valid until the next put. ERR_TOO_BIG above count_max.
 */
MUST_USE err map_put(struct map *m, str key, union map_value **ret_value, bool *ret_is_new);
bool map_remove(struct map *m, str key);
/* Walks all entries in no order: start with *index = 0. Ends with NULL. */
struct map_slot *map_next(const struct map *m, size_t *index);

#endif
