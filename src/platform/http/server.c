/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening and closing: the listening socket, the event threads, the workers, and the order of their
 * end. */
#include "platform/http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/rand.h"

enum {
    /* Head, read buffer and reply head of a connection. libmicrohttpd clears all of it after each
     * request (64 KiB cost 8 % of a small request), and a head that fills it leaves no room for a
     * reply: see HTTP_HEAD_BYTES_MAX. */
    CONNECTION_BYTES = 32 * 1024,
    LISTEN_BACKLOG = 511,
    DESCRIPTORS_BESIDE = 512, /* files, store, event threads */
    EPOLL_EVENTS_MAX = 127,   /* see epoll_wait */
};

/* ------------------------------------------------------------------ settings */

static void set_defaults(struct http_options *o)
{
    if (!o->bind_address || !o->bind_address[0])
        o->bind_address = "127.0.0.1";
    if (o->workers <= 0)
        o->workers = 8;
    if (o->queue_max == 0)
        o->queue_max = 256;
    if (o->connections_max <= 0)
        o->connections_max = 1024;
    if (o->arena_bytes_max <= 0)
        o->arena_bytes_max = 16 * 1024 * 1024;
    if (o->upload_bytes_max <= 0)
        o->upload_bytes_max = (int64_t)16 * 1024 * 1024 * 1024;
    if (o->timeout_s <= 0)
        o->timeout_s = 60;
}

static err check_access(const struct http_options *o, const struct route *const *tables,
                        size_t table_count)
{
    for (size_t i = 0; i < table_count && !o->hooks.authorise; i++)
        for (const struct route *route = tables[i]; route && route->method; route++)
            if (route->access != ACCESS_PUBLIC)
                return ERR(ERR_INVALID,
                           "route '%s %s' is not public, and there is no authorise hook",
                           route->method, route->path);
    return OK;
}

/* What a killed process left in the spool. */
static err spool_sweep(void *arg, const char *name)
{
    char path[FS_PATH_BYTES];
    if (!str_starts(str_of(name), STR("upload-")))
        return OK;
    TRY(fs_join(path, arg, name));
    unlink(path);
    return OK;
}

/* ------------------------------------------------------------------ listening */

static err listen_error(const struct http_options *o)
{
    if (errno == EADDRINUSE)
        return ERR(ERR_CONFLICT,
                   "port %d on %s is in use by another program: stop it, or choose another port",
                   o->port, o->bind_address);
    if (errno == EADDRNOTAVAIL)
        return ERR(
            ERR_INVALID,
            "%s is not an address of this machine: bind to 127.0.0.1, or to one of `ip addr`",
            o->bind_address);
    if (errno == EACCES)
        return ERR(ERR_DENIED, "port %d may only be opened by root: choose one above 1023",
                   o->port);
    return ERR_SYS("listening on %s port %d", o->bind_address, o->port);
}

static err listen_on(struct http_server *s, const struct addrinfo *info)
{
    s->listen_fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0)
        return ERR_SYS("opening a socket");
    int yes = 1;
    setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(s->listen_fd, info->ai_addr, info->ai_addrlen) != 0 ||
        listen(s->listen_fd, LISTEN_BACKLOG) != 0)
        return listen_error(&s->options);
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    if (getsockname(s->listen_fd, (struct sockaddr *)&bound, &len) != 0)
        return ERR_SYS("asking for the port");
    s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)&bound)->sin_port);
    return OK;
}

/* Only addresses, and localhost: a name could resolve to something the operator did not mean. */
static err listen_open(struct http_server *s)
{
    const struct http_options *o = &s->options;
    const char *address = strcmp(o->bind_address, "localhost") ? o->bind_address : "127.0.0.1";
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *info = NULL;
    char service[16];
    if (o->port < 0 || o->port > 65535)
        return ERR(ERR_INVALID, "%d is not a port: use 0 to 65535", o->port);
    snprintf(service, sizeof service, "%d", o->port);
    if (getaddrinfo(address, service, &hints, &info) != 0)
        return ERR(ERR_INVALID, "'%s' is not an IP address to bind to", o->bind_address);
    err e = listen_on(s, info);
    freeaddrinfo(info);
    return e;
}

/* ------------------------------------------------------------------ libmicrohttpd */

/* libmicrohttpd decodes targets in place; we route on the raw ones. */
static size_t keep_escapes(void *arg, struct MHD_Connection *mhd, char *text)
{
    return strlen(text);
}

/* It reports every client that leaves; our own hook tells what matters. */
static void __attribute__((format(printf, 2, 0)))
ignore_log(void *arg, const char *fmt, va_list args)
{
}

/* libmicrohttpd 0.9.75 asks for 128 events, and when it gets as many it asks for more before it
 * looks at them, and waits: as many clients who all wait for their answers waited for a minute, or
 * until somebody else came. This is the epoll_wait that it finds, as the program's comes before
 * libc's: it never gives as many, and what is left over is given with the next call. */
int epoll_wait(int epoll_fd, struct epoll_event *events, int events_max, int timeout_ms)
{
    int most = events_max < EPOLL_EVENTS_MAX ? events_max : EPOLL_EVENTS_MAX;
    return epoll_pwait(epoll_fd, events, most, timeout_ms, NULL);
}

static err daemon_start(struct http_server *s)
{
    const struct http_options *o = &s->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     MHD_USE_ITC;
    struct MHD_OptionItem items[] = {
        /* First: what goes wrong with the others is reported through it. */
        { MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)ignore_log, s },
        { MHD_OPTION_LISTEN_SOCKET, s->listen_fd, NULL },
        { MHD_OPTION_THREAD_POOL_SIZE, HTTP_EVENT_THREADS, NULL },
        { MHD_OPTION_CONNECTION_LIMIT, o->connections_max, NULL },
        { MHD_OPTION_CONNECTION_TIMEOUT, o->timeout_s, NULL },
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, NULL },
        { MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
        { MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, s },
        { MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)dispatch_line, s },
        { MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)dispatch_completed, s },
        { MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)watch_connection, s },
        { MHD_OPTION_END, 0, NULL },
    };
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, dispatch_call, s, MHD_OPTION_ARRAY, items,
                                 MHD_OPTION_END);
    if (!s->daemon)
        return ERR(ERR_INTERNAL, "libmicrohttpd did not start (%s)", strerror(errno));
    s->listen_fd = -1; /* the daemon closes it */
    return OK;
}

/* ------------------------------------------------------------------ life */

static void ignore_sigpipe(void)
{
    /* sendfile has no MSG_NOSIGNAL. An owner who handles the signal keeps his handler. */
    struct sigaction old;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) &&
        old.sa_handler == SIG_DFL)
        sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

/* The usual limit is 1024 descriptors, and connections are not all that needs one. What the system
 * refuses stays: then fewer connections are accepted. */
static void allow_descriptors(int connections_max)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections_max + DESCRIPTORS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static err server_prepare(struct http_server *s, const struct route *const *tables,
                          size_t table_count)
{
    struct http_options *o = &s->options;
    s->bind_address = strdup(o->bind_address);
    s->spool_folder = o->spool_folder ? strdup(o->spool_folder) : NULL;
    if (!s->bind_address || (o->spool_folder && !s->spool_folder))
        return ERR(ERR_NO_MEMORY, "out of memory");
    o->bind_address = s->bind_address;
    o->spool_folder = s->spool_folder;
    s->guard = (struct guard){ s->bind_address, o->hosts_extra, o->origins };
    TRY(check_access(o, tables, table_count));
    TRY(router_new(tables, table_count, &s->router));
    if (s->spool_folder) {
        TRY(fs_mkdirs(s->spool_folder));
        TRY(fs_list(s->spool_folder, spool_sweep, s->spool_folder));
    }
    return OK;
}

static err server_start(struct http_server *s)
{
    TRY(listen_open(s));
    TRY(pool_open("http", s->options.workers, s->options.queue_max, &s->pool));
    TRY(watch_start(s));
    return daemon_start(s);
}

err http_open(const struct http_options *options, const struct route *const *tables,
              size_t table_count, struct http_server **ret_server)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "opening the HTTP server: out of memory");
    s->options = *options;
    set_defaults(&s->options);
    s->listen_fd = -1;
    list_init(&s->conns);
    pthread_mutex_init(&s->gate_lock, NULL);
    pthread_mutex_init(&s->free_lock, NULL);
    pthread_mutex_init(&s->watch_lock, NULL);
    rand_bytes(&s->id_seed, sizeof s->id_seed);
    rate_init(&s->rates, s->id_seed);
    thread_cond_init(&s->gate_changed);
    thread_cond_init(&s->watch_wake);
    ignore_sigpipe();
    allow_descriptors(s->options.connections_max);
    err e = server_prepare(s, tables, table_count);
    if (!e.code)
        e = server_start(s);
    if (e.code) {
        http_close(s, 0);
        return err_wrap(e, "opening the HTTP server");
    }
    *ret_server = s;
    return OK;
}

/* Waits until *counter is 0, at most until the deadline (NULL: for ever). Gate lock held. */
static void gate_await(struct http_server *s, const int *counter, const struct timespec *deadline)
{
    while (*counter > 0) {
        if (!deadline)
            pthread_cond_wait(&s->gate_changed, &s->gate_lock);
        else if (pthread_cond_timedwait(&s->gate_changed, &s->gate_lock, deadline) == ETIMEDOUT)
            return;
    }
}

/* New requests get 503, event streams end, the others may finish until the deadline. After that
 * nothing is suspended any more, streams are cut, waiting requests get 503; handlers that still run
 * are waited for, because nobody can take memory away from a running thread.
 *
 * New connections are accepted, and hear the 503, too. MHD_quiesce_daemon of libmicrohttpd 0.9.75
 * would refuse them, but it and an event thread may both take the socket from the thread's epoll
 * set, and the second one to do so ends the process. */
static void drain(struct http_server *s, int64_t drain_ms)
{
    atomic_store(&s->is_closing, true);
    watch_wake_all(s, false);
    struct timespec deadline = clock_deadline(drain_ms);
    pthread_mutex_lock(&s->gate_lock);
    gate_await(s, &s->active, &deadline);
    s->is_cut = true;
    pthread_mutex_unlock(&s->gate_lock);
    watch_wake_all(s, true);
    pthread_mutex_lock(&s->gate_lock);
    gate_await(s, &s->suspended, NULL);
    pthread_mutex_unlock(&s->gate_lock);
}

void http_close(struct http_server *s, int64_t drain_ms)
{
    if (!s)
        return;
    if (s->daemon) {
        drain(s, drain_ms);
        MHD_stop_daemon(s->daemon);
    }
    pool_close(s->pool);
    watch_stop(s);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    requests_free_all(s);
    router_free(s->router);
    pthread_cond_destroy(&s->gate_changed);
    pthread_cond_destroy(&s->watch_wake);
    pthread_mutex_destroy(&s->gate_lock);
    pthread_mutex_destroy(&s->free_lock);
    pthread_mutex_destroy(&s->watch_lock);
    rate_deinit(&s->rates);
    free(s->bind_address);
    free(s->spool_folder);
    free(s);
}

int http_port(const struct http_server *s)
{
    return s->port;
}

void http_stats(struct http_server *s, struct http_stats *ret_stats)
{
    *ret_stats = (struct http_stats){
        .connections = atomic_load(&s->connections),
        .queued = pool_waiting(s->pool),
        .rejected = atomic_load(&s->rejected),
    };
}
