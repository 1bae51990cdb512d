/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signals.h -- who listens to what, and which named locks this process holds. Private to this
 * room; the same for all engines.
 */
#ifndef SKERRY_STORE_SIGNALS_H
#define SKERRY_STORE_SIGNALS_H

#include <pthread.h>

#include "base/list.h"
#include "platform/store/backend.h"

enum { SIGNALS_LISTENERS_MAX = 16, SIGNALS_NAME_BYTES = 96 };

struct signals_listener {
    const char *topic; /* NULL: free */
    void (*fn)(void *arg);
    void *arg;
};

struct signals {
    const struct store_backend *backend;
    void *engine;
    pthread_mutex_t hearing; /* of listeners; held while they are called */
    struct signals_listener listeners[SIGNALS_LISTENERS_MAX]; /* guarded by hearing */
    pthread_mutex_t lock;
    pthread_cond_t unlocked;
    struct list held; /* guarded by lock: struct store_lock */
};

void signals_init(struct signals *s, const struct store_backend *backend, void *engine);
void signals_deinit(struct signals *s);
MUST_USE err signals_listen(struct signals *s, const char *topic, void (*fn)(void *arg), void *arg);
void signals_unlisten(struct signals *s, void *arg);
MUST_USE err signals_lock(struct signals *s, const char *name, int64_t timeout_ms,
                          struct store_lock **ret_lock);

#endif
