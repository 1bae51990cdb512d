/* SPDX-License-Identifier: GPL-3.0-or-later */
/* thread.h -- conditions on the monotonic clock, and a pool of threads with a bounded queue.
 *
 * pthread mutexes are used directly. Lock order and guarded fields are named where a struct has
 * them.
 */
#ifndef SKERRY_BASE_THREAD_H
#define SKERRY_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* pthread_cond_init on CLOCK_MONOTONIC: use with clock_deadline(). */
void thread_cond_init(pthread_cond_t *cond);

/* Starts a joinable thread with a name (15 characters are kept) and a 512 KiB stack, all signals
 * blocked. */
MUST_USE err thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg),
                          void *arg);

int thread_core_count(void); /* cores this process may use, at least 1 */

struct pool;

/* `threads` workers, at most `queue_max` waiting tasks. */
MUST_USE err pool_open(const char *name, int threads, size_t queue_max, struct pool **ret_pool);

/* Queues fn(arg) for a worker. ERR_BUSY when the queue is full, ERR_CANCELLED after pool_stop. */
MUST_USE err pool_submit(struct pool *p, void (*fn)(void *arg), void *arg);

size_t pool_waiting(struct pool *p);

/* Runs fn(arg, index) for index 0..count-1 on as many threads as the pool has, of which the caller
 * is one, and returns when all are done. So a pool for computing has a thread a core, and one of
 * them idles meanwhile. With p NULL it runs in the caller alone. fn cannot fail: keep results by
 * index. */
void pool_each(struct pool *p, size_t count, void (*fn)(void *arg, size_t index), void *arg);

/* Takes no more tasks, lets the waiting ones finish, joins. Accepts NULL. */
void pool_close(struct pool *p);

#endif
