/* SPDX-License-Identifier: GPL-3.0-or-later */
/* key_table.h -- the keys that work now, in memory. Private to this room.
 *
 * A request must not wait for the store, so its key is looked up here. Every key is compared, in
 * constant time, whatever the first ones say: the time taken tells nothing about any of them.
 */
#ifndef SKERRY_AUTH_KEY_TABLE_H
#define SKERRY_AUTH_KEY_TABLE_H

#include <pthread.h>

#include "base/hash.h"
#include "base/rand.h"
#include "platform/http/http.h"

enum { AUTH_KEYS_MAX = 256, AUTH_NAME_MAX = 64 };

struct auth_key {
    char id[UUID_BYTES];
    char username[AUTH_NAME_MAX + 1];
    enum access role;
    uint8_t hash[SHA256_BYTES];
    int64_t expires_ms;   /* 0: never */
    int64_t last_used_ms; /* guarded by key_table.lock */
};

struct key_table {
    pthread_mutex_t lock; /* held for a scan of the table, never across the store */
    struct auth_key keys[AUTH_KEYS_MAX];
    size_t count;
    size_t admin_count;
    uint64_t ticket_last, ticket_set;
};

void key_table_init(struct key_table *t);
void key_table_deinit(struct key_table *t);
/* Taken before the store is read. Of two readings that overlap, the one that began later knows
 * more. */
uint64_t key_table_ticket(struct key_table *t);
/* Takes over what the store said, unless a reading that began later is in place already. */
void key_table_set(struct key_table *t, uint64_t ticket, const struct auth_key *keys, size_t count);
/* Copies the key that has this hash, notes its use unless it expired, and says whether that is
 * worth writing down: once a minute is enough. */
bool key_table_find(struct key_table *t, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                    struct auth_key *ret_key, bool *ret_is_use_due);
bool key_table_has_admin(struct key_table *t);

#endif
