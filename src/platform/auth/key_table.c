/* SPDX-License-Identifier: GPL-3.0-or-later */
/* key_table.c -- see key_table.h. */
#include <assert.h>
#include <string.h>

#include "platform/auth/key_table.h"

enum { USE_WRITTEN_EVERY_MS = 60 * 1000 };

void key_table_init(struct key_table *t)
{
    memset(t, 0, sizeof(*t));
    pthread_mutex_init(&t->lock, NULL);
}

void key_table_deinit(struct key_table *t)
{
    pthread_mutex_destroy(&t->lock);
}

uint64_t key_table_ticket(struct key_table *t)
{
    pthread_mutex_lock(&t->lock);
    uint64_t ticket = ++t->ticket_last;
    pthread_mutex_unlock(&t->lock);
    return ticket;
}

void key_table_set(struct key_table *t, uint64_t ticket, const struct auth_key *keys, size_t count)
{
    assert(count <= AUTH_KEYS_MAX);
    pthread_mutex_lock(&t->lock);
    if (ticket > t->ticket_set) {
        t->ticket_set = ticket;
        t->count = count;
        t->admin_count = 0;
        for (size_t i = 0; i < count; i++) {
            t->keys[i] = keys[i];
            t->admin_count += keys[i].role == ACCESS_ADMIN;
        }
    }
    pthread_mutex_unlock(&t->lock);
}

bool key_table_find(struct key_table *t, const uint8_t hash[SHA256_BYTES], int64_t now_ms,
                    struct auth_key *ret_key, bool *ret_is_use_due)
{
    struct auth_key *found = NULL;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->count; i++) {
        if (hash_equal_secret(t->keys[i].hash, hash, SHA256_BYTES))
            found = &t->keys[i]; /* and on: no early end */
    }
    if (found) {
        bool is_over = found->expires_ms && now_ms >= found->expires_ms;
        *ret_is_use_due = !is_over && now_ms - found->last_used_ms >= USE_WRITTEN_EVERY_MS;
        if (*ret_is_use_due)
            found->last_used_ms = now_ms;
        *ret_key = *found;
    }
    pthread_mutex_unlock(&t->lock);
    return found != NULL;
}

bool key_table_has_admin(struct key_table *t)
{
    pthread_mutex_lock(&t->lock);
    bool has_admin = t->admin_count > 0;
    pthread_mutex_unlock(&t->lock);
    return has_admin;
}
