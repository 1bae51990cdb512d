/* SPDX-License-Identifier: GPL-3.0-or-later */
/* uci_engine.c -- starts the child, speaks UCI with it, and notices when it is gone.
 *
 * The child is ourselves in the role "engine", which sets its limits and then becomes the program:
 * limits must be set between fork and exec, and posix_spawn has no place for them.
 */
#include "apps/chess/uci_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/chess/plugin_fence.h"
#include "base/clock.h"

enum {
    MEMORY_MAX_MIB = 4096, /* address space: network, hash table, stacks */
    CPU_MAX_S = 4 * 3600,  /* of one child; it is ended long before, unless the work is long */
    FILES_MAX = 64,
    NICE = 10, /* who asks for a prediction comes first */
    SLICE_MS = 100,
    GONE_WAIT_MS = 1000, /* between the end of its output and its end */
    QUIT_WAIT_MS = 200,
    NOT_STARTED = 126, /* exit code of the role when the program could not be run */
};
static const char NO_ENGINE[] =
    "apt-get install stockfish, or set CHESS_ENGINE to the path of a UCI engine";

struct uci_engine {
    struct uci_engine_options options;
    pid_t pid; /* 0: not running */
    int fd;
    char name[128];
    bool has_hash, has_threads, has_960, is_960;
    int64_t hash_mib;
    size_t used, taken; /* of `in`: filled, and handed out as lines */
    char in[UCI_LINE_MAX];
};

/* One wait: until when, and how much may be read. */
struct patience {
    int64_t deadline_ms, next_check_ms; /* monotonic */
    int64_t bytes_left;
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static struct patience patience_of(int64_t wait_ms)
{
    return (struct patience){ .deadline_ms = now_ms() + wait_ms, .bytes_left = UCI_ANSWER_MAX };
}

/* ------------------------------------------------------------------ finding the program */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

static bool find_on_path(str name, char out[FS_PATH_BYTES])
{
    const char *path = getenv("PATH");
    str folders = str_of(path ? path : "/usr/local/bin:/usr/bin:/bin");
    while (folders.len) {
        str folder = str_split(&folders, ':');
        if (folder.len == 0 || folder.ptr[0] != '/') /* what lies about in "." is not ours to run */
            continue;
        int n = snprintf(out, FS_PATH_BYTES, "%.*s/%.*s", STR_ARG(folder), STR_ARG(name));
        if (n > 0 && n < FS_PATH_BYTES && is_program(out))
            return true;
    }
    /* Debian's place for it, which root and services do not have on their PATH. */
    int n = snprintf(out, FS_PATH_BYTES, "/usr/games/%.*s", STR_ARG(name));
    return n > 0 && n < FS_PATH_BYTES && is_program(out);
}

err uci_engine_find(str setting, char out[FS_PATH_BYTES])
{
    char path[FS_PATH_BYTES];
    str wanted = str_trim(setting);
    bool is_auto = str_eq(wanted, STR("auto"));
    if (wanted.len == 0 || str_eq(wanted, STR("off")))
        return ERR(ERR_NOT_FOUND, "no chess engine is set (CHESS_ENGINE is off): %s", NO_ENGINE);
    if (str_find_char(wanted, '/') < 0) {
        if (!find_on_path(is_auto ? STR("stockfish") : wanted, path))
            return ERR(ERR_NOT_FOUND, "no chess engine: '%.*s' is not on PATH: %s",
                       STR_ARG(is_auto ? STR("stockfish") : str_sub(wanted, 0, 60)), NO_ENGINE);
    } else {
        if (wanted.len >= sizeof path)
            return ERR(ERR_TOO_BIG, "CHESS_ENGINE is a path of %zu bytes", wanted.len);
        snprintf(path, sizeof path, "%.*s", STR_ARG(wanted));
        if (!is_program(path))
            return ERR(ERR_NOT_FOUND, "no chess engine: '%.100s' is not a program: %s", path,
                       NO_ENGINE);
    }
    memcpy(out, path, sizeof path);
    return OK;
}

/* ------------------------------------------------------------------ the child's side */

int uci_engine_role(int argc, char **argv)
{
    if (argc < 3)
        return NOT_STARTED;
    err e = fence_limit(RLIMIT_AS, (uint64_t)MEMORY_MAX_MIB << 20, "memory");
    if (!e.code)
        e = fence_limit(RLIMIT_CPU, CPU_MAX_S, "CPU time");
    if (!e.code)
        e = fence_limit(RLIMIT_NOFILE, FILES_MAX, "open files");
    if (!e.code)
        e = fence_limit(RLIMIT_FSIZE, 0, "file size");
    if (!e.code)
        e = fence_limit(RLIMIT_CORE, 0, "core dumps");
    /* Our death must not leave an engine behind that thinks. */
    if (!e.code && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && close_range(3, ~0u, 0) == 0) {
        signal(SIGXFSZ, SIG_IGN); /* a log file that cannot grow is no reason to die */
        (void)setpriority(PRIO_PROCESS, 0, NICE);
        execl(argv[2], argv[2], (char *)NULL);
    }
    _exit(NOT_STARTED); /* with these limits there is nothing that could be tidied up */
}

/* ------------------------------------------------------------------ starting and ending */

static err spawn(const char *program, int child_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, usual;
    char path[FS_PATH_BYTES];
    const char *ours = getenv("PATH"); /* for an engine that is a script */
    snprintf(path, sizeof path, "PATH=%s", ours ? ours : "/usr/local/bin:/usr/bin:/bin");
    char *const argv[] = { (char *)(uintptr_t) "skerry", (char *)(uintptr_t) "--role=engine",
                           (char *)(uintptr_t)program, NULL };
    char *const environment[] = { path, NULL };
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_fd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGINT);
    sigaddset(&usual, SIGTERM);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &usual);
    posix_spawnattr_setpgroup(&attr, 0); /* so that what it starts itself goes with it */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(ret_pid, "/proc/self/exe", &actions, &attr, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return failed ? ERR(ERR_IO, "starting a child: %s", strerrordesc_np(failed)) : OK;
}

/* Waits a moment for the child to end by itself; it stays a zombie, so that its group's number is
 * not given to anybody else. */
static bool has_ended(pid_t pid, int64_t wait_ms)
{
    siginfo_t info = { 0 };
    int64_t until_ms = now_ms() + wait_ms;
    for (;;) {
        int failed = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
        if ((failed && errno != EINTR) || (!failed && info.si_pid == pid))
            return true;
        if (now_ms() >= until_ms)
            return false;
        clock_sleep_ms(5);
    }
}

/* Ends the child; `why` says what was wrong, and becomes what it died of when it went by itself. */
static err end_child(struct uci_engine *e, err why, int64_t grace_ms)
{
    int status = 0;
    if (e->pid == 0)
        return why;
    bool ended = grace_ms > 0 && has_ended(e->pid, grace_ms);
    kill(-e->pid, SIGKILL);
    while (waitpid(e->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(e->fd);
    e->pid = 0;
    e->fd = -1;
    e->used = e->taken = 0;
    if (!ended)
        return why;
    if (WIFSIGNALED(status))
        return ERR(ERR_UPSTREAM, "it crashed: %s", strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == NOT_STARTED)
        return ERR(ERR_UPSTREAM, "it could not be run: is it a program for this machine?");
    return ERR(ERR_UPSTREAM, "it ended with exit code %d", WEXITSTATUS(status));
}

/* ------------------------------------------------------------------ lines */

/* Until the descriptor is ready, the deadline passes or the asker has enough. */
static err await(struct uci_engine *e, struct patience *p, short events)
{
    for (;;) {
        int64_t now = now_ms(), left_ms = p->deadline_ms - now;
        if (now >= p->next_check_ms) {
            p->next_check_ms = now + SLICE_MS;
            if (e->options.check)
                TRY(e->options.check(e->options.arg));
        }
        if (left_ms <= 0)
            return ERR(ERR_TIMEOUT, "it did not answer in time");
        struct pollfd wait = { .fd = e->fd, .events = events };
        int ready = poll(&wait, 1, (int)(left_ms < SLICE_MS ? left_ms : SLICE_MS));
        if (ready > 0)
            return OK;
        if (ready < 0 && errno != EINTR)
            return ERR_SYS("waiting for a chess engine");
    }
}

static const char ENDED[] = "it ended";

/* The engine is gone: the only error after which it may be asked how it went. */
static err gone(void)
{
    return ERR(ERR_UPSTREAM, "%s", ENDED);
}

static bool is_gone(const err *e)
{
    return e->code == ERR_UPSTREAM && strcmp(e->msg, ENDED) == 0;
}

static err say(struct uci_engine *e, struct patience *p, const char *text)
{
    size_t left = strlen(text);
    while (left) {
        TRY(await(e, p, POLLOUT));
        ssize_t put = send(e->fd, text, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (put <= 0)
            return gone();
        text += put;
        left -= (size_t)put;
    }
    return OK;
}

/* The slice is valid until the next call. */
static err read_line(struct uci_engine *e, struct patience *p, str *ret_line)
{
    for (;;) {
        char *from = e->in + e->taken;
        char *end = memchr(from, '\n', e->used - e->taken);
        if (end) {
            *ret_line = str_from(from, (size_t)(end - from));
            e->taken = (size_t)(end - e->in) + 1;
            return OK;
        }
        memmove(e->in, from, e->used - e->taken);
        e->used -= e->taken;
        e->taken = 0;
        if (e->used == sizeof e->in)
            return ERR(ERR_UPSTREAM, "it wrote a line of more than %d bytes", UCI_LINE_MAX);
        TRY(await(e, p, POLLIN));
        ssize_t got = recv(e->fd, e->in + e->used, sizeof e->in - e->used, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return gone();
        e->used += (size_t)got;
        p->bytes_left -= got;
        if (p->bytes_left < 0)
            return ERR(ERR_UPSTREAM, "it wrote more than %d MiB and no answer",
                       UCI_ANSWER_MAX >> 20);
    }
}

/* ------------------------------------------------------------------ the protocol */

static err until_ready(struct uci_engine *e, struct patience *p)
{
    struct uci_reply reply = { .kind = UCI_REPLY_OTHER };
    TRY(say(e, p, "isready\n"));
    while (reply.kind != UCI_REPLY_READYOK) {
        str line;
        TRY(read_line(e, p, &line));
        uci_reply_parse(line, &reply);
    }
    return OK;
}

static void see_option(struct uci_engine *e, const struct uci_reply *option)
{
    if (str_eq_nocase(option->text, STR("Hash")) && option->is_spin) {
        e->has_hash = true;
        e->hash_mib = UCI_HASH_MIB < option->min   ? option->min
                      : UCI_HASH_MIB > option->max ? option->max
                                                   : UCI_HASH_MIB;
    }
    e->has_threads |= str_eq_nocase(option->text, STR("Threads"));
    e->has_960 |= str_eq_nocase(option->text, STR("UCI_Chess960"));
}

static err introduce(struct uci_engine *e, struct patience *p)
{
    struct uci_reply reply = { .kind = UCI_REPLY_OTHER };
    char text[128];
    e->has_hash = e->has_threads = e->has_960 = e->is_960 = false;
    TRY(say(e, p, "uci\n"));
    while (reply.kind != UCI_REPLY_UCIOK) {
        str line;
        TRY(read_line(e, p, &line));
        uci_reply_parse(line, &reply);
        if (reply.kind == UCI_REPLY_NAME) {
            str name = str_sub(reply.text, 0, sizeof e->name - 1);
            snprintf(e->name, sizeof e->name, "%.*s", (int)str_utf8_valid_len(name), name.ptr);
        } else if (reply.kind == UCI_REPLY_OPTION) {
            see_option(e, &reply);
        }
    }
    snprintf(text, sizeof text, "setoption name Hash value %lld\n", (long long)e->hash_mib);
    if (e->has_hash)
        TRY(say(e, p, text));
    if (e->has_threads) /* one: with more, the same nodes are not the same score */
        TRY(say(e, p, "setoption name Threads value 1\n"));
    return until_ready(e, p);
}

static err start(struct uci_engine *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return ERR_SYS("making a socket for chess engine '%.100s'", e->options.program);
    err spawned = spawn(e->options.program, pair[1], &e->pid);
    close(pair[1]);
    if (spawned.code) {
        close(pair[0]);
        e->pid = 0;
        return err_wrap(spawned, "chess engine '%.100s'", e->options.program);
    }
    e->fd = pair[0];
    int64_t wait_ms = e->options.start_wait_ms;
    struct patience p = patience_of(wait_ms ? wait_ms : UCI_START_WAIT_MS);
    err said = introduce(e, &p);
    if (!said.code)
        return OK;
    return err_wrap(end_child(e, said, is_gone(&said) ? GONE_WAIT_MS : 0),
                    "starting chess engine '%.100s'", e->options.program);
}

/* Reads until "bestmove". The last score that the search was through with counts; a bound only when
 * there is nothing better. */
static err await_best(struct uci_engine *e, struct patience *p, const struct chess_position *pos,
                      struct uci_score *ret_score, chess_move *ret_best)
{
    struct uci_score exact = { 0 }, bound = { 0 };
    bool has_exact = false, has_bound = false;
    for (;;) {
        str line;
        struct uci_reply reply;
        TRY(read_line(e, p, &line));
        uci_reply_parse(line, &reply);
        if (reply.kind == UCI_REPLY_SCORE && reply.score.is_bound) {
            bound = reply.score;
            has_bound = true;
        } else if (reply.kind == UCI_REPLY_SCORE) {
            exact = reply.score;
            has_exact = true;
        } else if (reply.kind == UCI_REPLY_BESTMOVE) {
            str move = str_sub(reply.text, 0, 20);
            err legal = chess_uci_parse(pos, move, ret_best);
            if (legal.code)
                return ERR(ERR_UPSTREAM, "its best move '%.*s' is not legal",
                           (int)str_utf8_valid_len(move), move.len ? move.ptr : "");
            if (!has_exact && !has_bound)
                return ERR(ERR_UPSTREAM, "it gave a move without a score");
            *ret_score = has_exact ? exact : bound;
            return OK;
        }
    }
}

static err search(struct uci_engine *e, struct patience *p, const struct chess_position *pos,
                  chess_move only, struct uci_score *ret_score, chess_move *ret_best)
{
    char fen[CHESS_FEN_BYTES], uci[CHESS_UCI_BYTES] = "", text[CHESS_FEN_BYTES + 128], limit[48];
    if (pos->is_960 && !e->has_960)
        return ERR(ERR_UPSTREAM, "it does not play Chess960");
    if (e->has_960 && e->is_960 != (pos->is_960 != 0)) {
        TRY(say(e, p,
                pos->is_960 ? "setoption name UCI_Chess960 value true\n"
                            : "setoption name UCI_Chess960 value false\n"));
        e->is_960 = pos->is_960 != 0;
    }
    TRY(say(e, p, "ucinewgame\n"));
    TRY(until_ready(e, p));
    chess_fen_write(pos, fen);
    if (only != CHESS_MOVE_NONE)
        chess_uci_write(pos, only, uci);
    if (e->options.depth > 0)
        snprintf(limit, sizeof limit, "depth %d", e->options.depth);
    else
        snprintf(limit, sizeof limit, "nodes %lld", (long long)e->options.nodes);
    /* searchmoves comes last: some engines take all that follows as moves. */
    snprintf(text, sizeof text, "position fen %s\ngo %s%s%s\n", fen, limit,
             uci[0] ? " searchmoves " : "", uci);
    TRY(say(e, p, text));
    TRY(await_best(e, p, pos, ret_score, ret_best));
    if (only != CHESS_MOVE_NONE && *ret_best != only)
        return ERR(ERR_UPSTREAM,
                   "it was asked for %s alone and answered another move: it does not "
                   "know 'searchmoves'",
                   uci);
    return OK;
}

/* ------------------------------------------------------------------ for who asks */

err uci_engine_open(const struct uci_engine_options *options, struct uci_engine **ret_engine)
{
    struct uci_engine *e = calloc(1, sizeof *e);
    if (!e)
        return ERR(ERR_NO_MEMORY, "no memory for a chess engine");
    e->options = *options;
    e->fd = -1;
    snprintf(e->name, sizeof e->name, "unnamed engine");
    err started = start(e);
    if (started.code) {
        free(e);
        return started;
    }
    *ret_engine = e;
    return OK;
}

const char *uci_engine_name(const struct uci_engine *e)
{
    return e->name;
}

err uci_engine_ask(struct uci_engine *e, const struct chess_position *p, chess_move only,
                   struct uci_score *ret_score, chess_move *ret_best)
{
    struct uci_score score = { 0 };
    chess_move best = CHESS_MOVE_NONE;
    if (e->pid == 0)
        TRY(start(e));
    struct patience patience = patience_of(e->options.answer_wait_ms);
    err said = search(e, &patience, p, only, &score, &best);
    if (said.code) {
        said = end_child(e, said, is_gone(&said) ? GONE_WAIT_MS : 0);
        return said.code == ERR_UPSTREAM || said.code == ERR_TIMEOUT
                   ? err_wrap(said, "chess engine %.60s", e->name)
                   : said;
    }
    *ret_score = score;
    if (ret_best)
        *ret_best = best;
    return OK;
}

void uci_engine_close(struct uci_engine *e)
{
    if (!e)
        return;
    if (e->pid) {
        (void)send(e->fd, "quit\n", 5, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)end_child(e, OK, QUIT_WAIT_MS).code;
    }
    free(e);
}
