/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/http/rate.h"
#include "base/rand.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void rate_init(struct rate_table *t, uint64_t seed)
{
    memset(t->entries, 0, sizeof t->entries);
    t->seed = seed;
    pthread_mutex_init(&t->lock, NULL);
}

void rate_deinit(struct rate_table *t)
{
    pthread_mutex_destroy(&t->lock);
}

/* The bytes of an address that tell clients apart; false when it is none. */
static bool address_key(str text, uint64_t *ret_key)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    snprintf(copy, sizeof copy, "%.*s", STR_ARG(text));
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        *ret_key = str_hash(str_from((const char *)bytes, 4));
        return true;
    }
    if (inet_pton(AF_INET6, copy, bytes) != 1)
        return false;
    static const unsigned char mapped[12] = { [10] = 0xFF, [11] = 0xFF };
    bool is_v4 = memcmp(bytes, mapped, sizeof mapped) == 0;
    *ret_key = str_hash(str_from((const char *)bytes + (is_v4 ? 12 : 0), is_v4 ? 4 : 8));
    return true;
}

uint64_t rate_client(str peer, bool peer_is_loopback, str forwarded_for)
{
    uint64_t key;
    str last = STR_NONE;
    while (peer_is_loopback && forwarded_for.len)
        last = str_trim(str_split(&forwarded_for, ','));
    if (last.len && address_key(last, &key))
        return key;
    return address_key(peer, &key) ? key : 0;
}

/* The pair's entry, or else the place of the oldest; a free one is older than any. Lock held. */
static struct rate_entry *find(struct rate_table *t, uint64_t key, int64_t now_ms)
{
    struct rate_entry *ways = &t->entries[key % (RATE_CLIENTS_MAX / RATE_WAYS) * RATE_WAYS];
    struct rate_entry *oldest = &ways[0];
    for (size_t i = 0; i < RATE_WAYS; i++) {
        if (ways[i].key == key && now_ms - ways[i].since_ms < RATE_WINDOW_MS)
            return &ways[i];
        if (ways[i].since_ms < oldest->since_ms)
            oldest = &ways[i];
    }
    *oldest = (struct rate_entry){ .key = key, .since_ms = now_ms };
    return oldest;
}

int64_t rate_take(struct rate_table *t, uint64_t client, const void *route, int64_t max,
                  int64_t now_ms)
{
    uint64_t key = rand_mix(rand_mix(client ^ t->seed) ^ (uint64_t)(uintptr_t)route);
    key += key == 0;
    pthread_mutex_lock(&t->lock);
    struct rate_entry *entry = find(t, key, now_ms);
    bool may = entry->count < max;
    entry->count += may;
    int64_t wait_ms = may ? 0 : entry->since_ms + RATE_WINDOW_MS - now_ms;
    pthread_mutex_unlock(&t->lock);
    return wait_ms;
}
