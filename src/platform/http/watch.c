/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The watch thread: wakes streams that wait, and ends connections that only pretend to be slow.
 *
 * libmicrohttpd closes a connection on which nothing moves. A client that sends one byte now and
 * then keeps it busy for ever, so there is a second limit: a request's head must be complete soon
 * after the idle time, and a body must come at 1 KiB/s at least.
 *
 * A client that sends and closes within one epoll event is not noticed by libmicrohttpd 0.9.75
 * (edge triggered, without EPOLLRDHUP), and would keep its connection, and the file of its upload,
 * until the idle time is over. So the watch looks for ends of input as well.
 *
 * It also reads on for a moment when a connection was refused in the middle of its body: closing
 * with unread bytes makes the kernel send a reset, and the client would lose the reply that tells
 * it why.
 */
#include "platform/http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    TICK_MS = 10, /* streams wake on multiples of this, many at a time */
    INSPECT_MS = 500,
    LINGER_MS = 2000,
    LINGER_TICK_MS = 20,
    BODY_RATE_MIN = 1024, /* bytes per second, after timeout_s of grace */
    WAKE_BATCH = 64,
};

static const int64_t NEVER_MS = INT64_MAX;

int64_t mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ------------------------------------------------------------------ connections */

void conn_enter(struct http_conn *conn, enum conn_phase phase)
{
    atomic_store_explicit(&conn->phase_since_ms, mono_ms(), memory_order_relaxed);
    atomic_store_explicit(&conn->body_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->phase, (int)phase, memory_order_release);
}

static void conn_address(struct http_conn *conn, const struct sockaddr *addr)
{
    const struct sockaddr_in *v4 = (const void *)addr;
    const struct sockaddr_in6 *v6 = (const void *)addr;
    if (addr->sa_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, conn->address, sizeof conn->address);
    else if (addr->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, conn->address, sizeof conn->address);
    conn->is_loopback = guard_is_loopback(conn->address);
}

static void conn_open(struct http_server *s, struct MHD_Connection *mhd, void **context)
{
    struct http_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return; /* requests on it are refused */
    conn->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    conn_address(conn,
                 MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    conn_enter(conn, CONN_HEAD);
    conn->ended_phase_ms = -1;
    atomic_fetch_add(&s->connections, 1);
    pthread_mutex_lock(&s->watch_lock);
    bool was_idle = list_is_empty(&s->conns);
    list_push(&s->conns, &conn->link);
    if (was_idle)
        pthread_cond_signal(&s->watch_wake);
    pthread_mutex_unlock(&s->watch_lock);
    *context = conn;
}

/* Watch lock held. libmicrohttpd closes its own descriptor after this. */
static void linger(struct http_server *s, int fd)
{
    if (s->lingerer_count == LINGERERS_MAX || s->watch_ends)
        return;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return;
    shutdown(copy, SHUT_WR); /* the reply is complete, says this */
    s->lingerers[s->lingerer_count++] = (struct lingerer){ .fd = copy,
                                                           .until_ms = mono_ms() + LINGER_MS };
    pthread_cond_signal(&s->watch_wake);
}

static void conn_close(struct http_server *s, struct http_conn *conn)
{
    if (!conn)
        return;
    pthread_mutex_lock(&s->watch_lock);
    list_remove(&conn->link);
    if (conn->lingers)
        linger(s, conn->fd);
    pthread_mutex_unlock(&s->watch_lock);
    atomic_fetch_sub(&s->connections, 1);
    free(conn);
}

void watch_connection(void *server, struct MHD_Connection *mhd, void **context,
                      enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        conn_open(server, mhd, context);
    else
        conn_close(server, *context);
}

static bool is_stalling(const struct http_server *s, const struct http_conn *conn, int64_t now_ms)
{
    int phase = atomic_load_explicit(&conn->phase, memory_order_acquire);
    int64_t age_ms = now_ms - atomic_load_explicit(&conn->phase_since_ms, memory_order_relaxed);
    int64_t grace_ms = (int64_t)s->options.timeout_s * 1000;
    if (phase == CONN_HEAD)
        return age_ms > grace_ms + grace_ms / 4 + 1000;
    if (phase == CONN_BODY && age_ms > grace_ms) {
        int64_t wanted = (age_ms - grace_ms) * BODY_RATE_MIN / 1000;
        return atomic_load_explicit(&conn->body_bytes, memory_order_relaxed) < wanted;
    }
    return false;
}

/* No further byte can come, and one is waited for. Seen twice in the same phase: once might be just
 * before the event thread says that it has all it needs. */
static bool is_abandoned(struct http_conn *conn)
{
    if (atomic_load_explicit(&conn->phase, memory_order_acquire) == CONN_BUSY)
        return false;
    char byte;
    int64_t since_ms = atomic_load_explicit(&conn->phase_since_ms, memory_order_relaxed);
    bool at_end = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    bool seen_before = conn->ended_phase_ms == since_ms;
    conn->ended_phase_ms = at_end ? since_ms : -1;
    return at_end && seen_before;
}

/* Watch lock held. A shut socket wakes libmicrohttpd, which closes it. */
static void inspect(struct http_server *s, int64_t now_ms)
{
    for (struct list_link *link = s->conns.head.next; link != &s->conns.head; link = link->next) {
        struct http_conn *conn = LIST_ENTRY(link, struct http_conn, link);
        if (!is_abandoned(conn) && !is_stalling(s, conn, now_ms))
            continue;
        shutdown(conn->fd, SHUT_RDWR);
        conn_enter(conn, CONN_BUSY);
    }
}

/* ------------------------------------------------------------------ lingering */

/* True when done with. */
static bool linger_read(struct lingerer *l, int64_t now_ms)
{
    char waste[16 * 1024];
    for (int i = 0; i < 16; i++) {
        ssize_t n = recv(l->fd, waste, sizeof waste, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            break;
        if (n <= 0)
            return true;
    }
    return now_ms >= l->until_ms;
}

/* Watch lock held. */
static void linger_all(struct http_server *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->lingerer_count;) {
        if (!s->watch_ends && !linger_read(&s->lingerers[i], now_ms)) {
            i++;
            continue;
        }
        close(s->lingerers[i].fd);
        s->lingerers[i] = s->lingerers[--s->lingerer_count];
    }
}

/* ------------------------------------------------------------------ sleepers */

void watch_sleep(struct http_request *rq, int64_t wait_ms)
{
    struct http_server *s = rq->server;
    int64_t wake_ms = (mono_ms() + wait_ms + TICK_MS - 1) / TICK_MS * TICK_MS;
    pthread_mutex_lock(&s->watch_lock);
    /* One request a connection sleeps, and there are no more connections than this. */
    if (s->no_sleep)
        wake_ms = 0;
    else if (s->sleeper_count < s->sleeper_max)
        s->sleepers[s->sleeper_count++] = (struct sleeper){ rq, wake_ms };
    else
        wake_ms = 0;
    if (wake_ms < s->watch_until_ms)
        pthread_cond_signal(&s->watch_wake);
    pthread_mutex_unlock(&s->watch_lock);
    if (wake_ms == 0)
        gate_resume(rq);
}

void watch_wake_all(struct http_server *s, bool for_good)
{
    pthread_mutex_lock(&s->watch_lock);
    s->no_sleep = for_good;
    for (size_t i = 0; i < s->sleeper_count; i++)
        s->sleepers[i].wake_ms = 0;
    pthread_cond_signal(&s->watch_wake);
    pthread_mutex_unlock(&s->watch_lock);
}

/* Watch lock held. Takes sleepers whose time has come. */
static size_t take_awake(struct http_server *s, int64_t now_ms, struct http_request **awake)
{
    size_t count = 0;
    for (size_t i = 0; i < s->sleeper_count && count < WAKE_BATCH;) {
        if (s->sleepers[i].wake_ms > now_ms) {
            i++;
            continue;
        }
        awake[count++] = s->sleepers[i].rq;
        s->sleepers[i] = s->sleepers[--s->sleeper_count];
    }
    return count;
}

/* Watch lock held. When the thread has something to do next. */
static int64_t next_turn_ms(const struct http_server *s, int64_t now_ms)
{
    int64_t next_ms = list_is_empty(&s->conns) ? NEVER_MS : now_ms + INSPECT_MS;
    if (s->lingerer_count)
        next_ms = now_ms + LINGER_TICK_MS;
    for (size_t i = 0; i < s->sleeper_count; i++)
        if (s->sleepers[i].wake_ms < next_ms)
            next_ms = s->sleepers[i].wake_ms;
    return next_ms;
}

static void *watch_run(void *arg)
{
    struct http_server *s = arg;
    int64_t inspected_ms = mono_ms();
    pthread_mutex_lock(&s->watch_lock);
    while (!s->watch_ends || s->sleeper_count) {
        int64_t now_ms = mono_ms();
        struct http_request *awake[WAKE_BATCH];
        size_t count = take_awake(s, now_ms, awake);
        if (count) {
            pthread_mutex_unlock(&s->watch_lock);
            for (size_t i = 0; i < count; i++)
                gate_resume(awake[i]);
            pthread_mutex_lock(&s->watch_lock);
            continue;
        }
        linger_all(s, now_ms);
        if (now_ms - inspected_ms >= INSPECT_MS) {
            inspect(s, now_ms);
            inspected_ms = now_ms;
        }
        s->watch_until_ms = next_turn_ms(s, now_ms);
        if (s->watch_ends)
            continue;
        if (s->watch_until_ms == NEVER_MS) {
            pthread_cond_wait(&s->watch_wake, &s->watch_lock);
        } else if (s->watch_until_ms > now_ms) {
            struct timespec deadline = clock_deadline(s->watch_until_ms - now_ms);
            pthread_cond_timedwait(&s->watch_wake, &s->watch_lock, &deadline);
        }
        s->watch_until_ms = 0; /* awake: it will see what is added */
    }
    linger_all(s, mono_ms());
    pthread_mutex_unlock(&s->watch_lock);
    return NULL;
}

err watch_start(struct http_server *s)
{
    s->sleeper_max = (size_t)s->options.connections_max;
    s->sleepers = calloc(s->sleeper_max, sizeof *s->sleepers);
    if (!s->sleepers)
        return ERR(ERR_NO_MEMORY, "no memory for %d connections", s->options.connections_max);
    TRY(thread_start(&s->watch_thread, "http-watch", watch_run, s));
    s->watch_runs = true;
    return OK;
}

void watch_stop(struct http_server *s)
{
    if (s->watch_runs) {
        pthread_mutex_lock(&s->watch_lock);
        s->watch_ends = true;
        for (size_t i = 0; i < s->sleeper_count; i++)
            s->sleepers[i].wake_ms = 0;
        pthread_cond_signal(&s->watch_wake);
        pthread_mutex_unlock(&s->watch_lock);
        pthread_join(s->watch_thread, NULL);
        s->watch_runs = false;
    }
    free(s->sleepers);
    s->sleepers = NULL;
}
