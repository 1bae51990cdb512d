/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 16 };

void map_init(struct map *m, size_t count_max)
{
    *m = (struct map){ .count_max = count_max };
}

void map_deinit(struct map *m)
{
    free(m->slots);
    map_init(m, m->count_max);
}

/* The slot of `key`, or the free slot where it would go. There is always a free one. */
static struct map_slot *probe(struct map_slot *slots, size_t slot_count, str key, uint64_t hash)
{
    size_t i = hash & (slot_count - 1);
    while (slots[i].key.ptr && !(slots[i].hash == hash && str_eq(slots[i].key, key)))
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

union map_value *map_find(const struct map *m, str key)
{
    if (m->count == 0)
        return NULL;
    struct map_slot *slot = probe(m->slots, m->slot_count, key, str_hash(key));
    return slot->key.ptr ? &slot->value : NULL;
}

static bool grow(struct map *m)
{
    size_t slot_count = m->slot_count ? m->slot_count * 2 : SLOTS_MIN;
    struct map_slot *slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].key.ptr)
            *probe(slots, slot_count, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    free(m->slots);
    m->slots = slots;
    m->slot_count = slot_count;
    return true;
}

err map_put(struct map *m, str key, union map_value **ret_value, bool *ret_is_new)
{
    if (!key.ptr)
        key.ptr = ""; /* NULL marks a free slot */
    uint64_t hash = str_hash(key);
    if (m->count) {
        struct map_slot *slot = probe(m->slots, m->slot_count, key, hash);
        if (slot->key.ptr) {
            *ret_value = &slot->value;
            *ret_is_new = false;
            return OK;
        }
    }
    if (m->count >= m->count_max)
        return ERR(ERR_TOO_BIG, "a table of at most %zu entries is full", m->count_max);
    /* At most three quarters full: probes stay short. */
    if ((m->count + 1) * 4 > m->slot_count * 3 && !grow(m))
        return ERR(ERR_NO_MEMORY, "no memory for a table of %zu entries", m->count + 1);
    struct map_slot *slot = probe(m->slots, m->slot_count, key, hash);
    *slot = (struct map_slot){ .key = key, .hash = hash };
    m->count++;
    *ret_value = &slot->value;
    *ret_is_new = true;
    return OK;
}

bool map_remove(struct map *m, str key)
{
    if (m->count == 0)
        return false;
    struct map_slot *slot = probe(m->slots, m->slot_count, key, str_hash(key));
    if (!slot->key.ptr)
        return false;
    /* Moves later entries of the same run back, so that no probe is cut short by the hole. */
    size_t mask = m->slot_count - 1;
    size_t hole = (size_t)(slot - m->slots);
    size_t i = hole;
    for (;;) {
        i = (i + 1) & mask;
        if (!m->slots[i].key.ptr)
            break;
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){ 0 };
    m->count--;
    return true;
}

struct map_slot *map_next(const struct map *m, size_t *index)
{
    while (*index < m->slot_count) {
        struct map_slot *slot = &m->slots[(*index)++];
        if (slot->key.ptr)
            return slot;
    }
    return NULL;
}
