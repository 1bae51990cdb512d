/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plugin_child.c -- the parent's side: starts the child, asks, and notices when it is gone. */
#include "apps/chess/plugin_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/rand.h"

enum { START_WAIT_MS = 10000 };

static err spawn(const char *origin, int child_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    char *const argv[] = { (char *)(uintptr_t) "skerry", (char *)(uintptr_t) "--role=plugin",
                           (char *)(uintptr_t)origin, NULL };
    char *const environment[] = { NULL }; /* nothing of ours is the plugin's business */
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_fd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(
        &attr, &none); /* our threads block all signals; a child must not inherit that */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    int failed = posix_spawn(ret_pid, "/proc/self/exe", &actions, &attr, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return failed ? ERR(ERR_IO, "starting a child for plugin '%s': %s", origin,
                        strerrordesc_np(failed))
                  : OK;
}

/* Reads or writes exactly `count` bytes before the deadline (monotonic ms). */
static err transfer(int fd, void *bytes, size_t count, bool writes, int64_t deadline_ms)
{
    unsigned char *p = bytes;
    while (count) {
        int64_t left_ms = deadline_ms - clock_mono_ns() / 1000000;
        struct pollfd wait = { .fd = fd, .events = writes ? POLLOUT : POLLIN };
        int ready = left_ms > 0 ? poll(&wait, 1, (int)left_ms) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return ERR(ERR_TIMEOUT, "it took longer than its time");
        ssize_t moved = writes ? send(fd, p, count, MSG_NOSIGNAL | MSG_DONTWAIT)
                               : recv(fd, p, count, MSG_DONTWAIT);
        if (moved < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (moved <= 0)
            return ERR(ERR_IO, "it ended");
        p += moved;
        count -= (size_t)moved;
    }
    return OK;
}

static err read_answer(struct plugin_child *c, int64_t deadline_ms, arena *keep,
                       enum plugin_status *ret_status, str *ret_text)
{
    unsigned char head[5];
    TRY(transfer(c->fd, head, sizeof head, false, deadline_ms));
    uint32_t len = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
                   (uint32_t)head[3] << 24;
    if (len < 1 || len > PLUGIN_ANSWER_MAX || head[4] > PLUGIN_DESCRIPTION)
        return ERR(ERR_CORRUPT, "it wrote something of its own to standard output");
    char *text = arena_alloc(keep, len, 1, 1);
    ARENA_TRY(text);
    TRY(transfer(c->fd, text, len - 1, false, deadline_ms));
    *ret_status = (enum plugin_status)head[4];
    *ret_text = str_from(text, len - 1);
    return OK;
}

/* Ends the child and says why it was gone, if it went by itself. */
static err end_child(struct plugin_child *c, err why)
{
    int status = 0;
    pid_t pid = c->pid;
    if (pid == 0)
        return why;
    close(c->fd);
    if (why.code != ERR_IO)
        kill(pid, SIGKILL);
    c->pid = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (why.code == ERR_IO && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return ERR(ERR_DENIED, "it made a system call that plugins may not make");
    if (why.code == ERR_IO && WIFSIGNALED(status))
        return ERR(ERR_IO, "it crashed: %s", strsignal(WTERMSIG(status)));
    if (why.code == ERR_IO)
        return ERR(ERR_IO, "it ended with exit code %d", WEXITSTATUS(status));
    return why;
}

static err read_description(struct plugin_child *c, arena *keep)
{
    enum plugin_status status = PLUGIN_FAILED;
    str text = STR_NONE;
    const struct json *said = NULL;
    TRY(read_answer(c, clock_mono_ns() / 1000000 + START_WAIT_MS, keep, &status, &text));
    if (status != PLUGIN_DESCRIPTION)
        return ERR(ERR_INVALID, "%.*s", STR_ARG(text));
    TRY(json_parse(keep, text, &said));
    snprintf(c->info.name, sizeof c->info.name, "%.*s",
             STR_ARG(json_str(json_get(said, "name"), STR_NONE)));
    snprintf(c->info.version, sizeof c->info.version, "%.*s",
             STR_ARG(json_str(json_get(said, "version"), STR_NONE)));
    snprintf(c->info.summary, sizeof c->info.summary, "%.*s",
             STR_ARG(json_str(json_get(said, "summary"), STR_NONE)));
    c->info.needs = (uint32_t)json_int(json_get(said, "needs"), 0);
    return OK;
}

err plugin_child_start(const char *origin, struct plugin_child *ret_child)
{
    int pair[2];
    struct plugin_child c = { 0 };
    arena keep;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return ERR_SYS("making a socket for plugin '%s'", origin);
    err e = spawn(origin, pair[1], &c.pid);
    close(pair[1]);
    if (e.code) {
        close(pair[0]);
        return e;
    }
    c.fd = pair[0];
    arena_init(&keep, 1024 * 1024);
    e = read_description(&c, &keep);
    arena_deinit(&keep);
    if (e.code)
        return err_wrap(end_child(&c, e), "loading plugin '%s'", origin);
    *ret_child = c;
    return OK;
}

err plugin_child_ask(struct plugin_child *c, const char *game_id, str packed_game, arena *keep,
                     enum plugin_status *ret_status, str *ret_text)
{
    int64_t deadline_ms = clock_mono_ns() / 1000000 + PLUGIN_GAME_WAIT_MS;
    size_t len = UUID_BYTES - 1 + packed_game.len;
    if (len > PLUGIN_QUESTION_MAX)
        return ERR(ERR_TOO_BIG, "the game has %zu bytes, plugins are given at most %d",
                   packed_game.len, PLUGIN_QUESTION_MAX);
    unsigned char *question = arena_alloc(keep, len + 4, 1, 1);
    ARENA_TRY(question);
    for (int i = 0; i < 4; i++)
        question[i] = (unsigned char)(len >> (8 * i));
    memcpy(question + 4, game_id, UUID_BYTES - 1);
    memcpy(question + 4 + UUID_BYTES - 1, packed_game.ptr, packed_game.len);
    err e = transfer(c->fd, question, len + 4, true, deadline_ms);
    if (!e.code)
        e = read_answer(c, deadline_ms, keep, ret_status, ret_text);
    return e.code ? end_child(c, e) : OK;
}

void plugin_child_stop(struct plugin_child *c)
{
    if (c->pid)
        (void)end_child(c, ERR(ERR_CANCELLED, "its work is done")).code;
}
