/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long counting all games of six half moves takes, beside Stockfish's `go perft 6`.
 *
 *     perft_bench [STOCKFISH]      default: /usr/games/stockfish
 *
 * Prints one JSON line. Both use one thread, count the last level without making the moves, and are
 * timed alternately, best of five; Stockfish from the command to its last line, without its start.
 * A wrong count of either side ends the program with an error.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/chess/position.h"

enum { DEPTH = 6, ROUNDS = 5, LINE_BYTES = 512 };
static const unsigned long long nodes_expected = 119060324;

struct peer {
    pid_t pid;
    FILE *to, *from;
    char name[64];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "perft_bench: %s\n", what);
    exit(1);
}

static double ours_s(void)
{
    struct chess_position p;
    int64_t start = clock_mono_ns();

    chess_position_start(&p);
    if (chess_perft(&p, DEPTH) != nodes_expected)
        die("our count is wrong");
    return (double)(clock_mono_ns() - start) / 1e9;
}

/* The next line of the peer that starts with `prefix`. */
static void expect_line(struct peer *peer, const char *prefix, char line[LINE_BYTES])
{
    while (fgets(line, LINE_BYTES, peer->from)) {
        if (strncmp(line, prefix, strlen(prefix)) == 0) {
            line[strcspn(line, "\r\n")] = '\0';
            return;
        }
    }
    die("the peer ended early");
}

static bool peer_start(struct peer *peer, const char *path)
{
    int to[2], from[2];
    char line[LINE_BYTES];

    if (access(path, X_OK) != 0)
        return false;
    if (pipe(to) != 0 || pipe(from) != 0)
        die(strerror(errno));
    peer->pid = fork();
    if (peer->pid < 0)
        die(strerror(errno));
    if (peer->pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    peer->to = fdopen(to[1], "w");
    peer->from = fdopen(from[0], "r");
    if (!peer->to || !peer->from)
        die("no memory");
    fputs("uci\nisready\n", peer->to);
    fflush(peer->to);
    expect_line(peer, "id name ", line);
    snprintf(peer->name, sizeof(peer->name), "%.63s", line + strlen("id name "));
    for (char *c = peer->name; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
        else if (*c < ' ' || *c == '"' || *c == '\\')
            *c = ' ';
    }
    expect_line(peer, "readyok", line);
    return true;
}

static double theirs_s(struct peer *peer)
{
    char line[LINE_BYTES];
    int64_t start;
    double seconds;

    fputs("position startpos\nisready\n", peer->to);
    fflush(peer->to);
    expect_line(peer, "readyok", line);
    start = clock_mono_ns();
    fprintf(peer->to, "go perft %d\n", DEPTH);
    fflush(peer->to);
    expect_line(peer, "Nodes searched: ", line);
    seconds = (double)(clock_mono_ns() - start) / 1e9;
    if (strtoull(line + strlen("Nodes searched: "), NULL, 10) != nodes_expected)
        die("the peer's count is wrong");
    return seconds;
}

static void peer_end(struct peer *peer)
{
    fputs("quit\n", peer->to);
    fclose(peer->to);
    fclose(peer->from);
    waitpid(peer->pid, NULL, 0);
}

int main(int argc, char **argv)
{
    struct peer peer = { 0 };
    double ours = 1e9, theirs = 1e9;
    bool beside;

    signal(SIGPIPE, SIG_IGN);
    chess_init();
    beside = peer_start(&peer, argc > 1 ? argv[1] : "/usr/games/stockfish");
    for (int round = 0; round < ROUNDS; round++) {
        double s = ours_s();

        ours = s < ours ? s : ours;
        if (beside) {
            s = theirs_s(&peer);
            theirs = s < theirs ? s : theirs;
        }
    }
    printf("{\"bench\":\"perft\",\"ours\":%.4f,", ours);
    if (beside)
        printf("\"peer\":\"%s\",\"theirs\":%.4f,\"unit\":\"s\",\"ratio\":%.4f}\n", peer.name,
               theirs, theirs / ours); /* how many times better ours is */
    else
        printf("\"peer\":null,\"theirs\":null,\"unit\":\"s\",\"ratio\":null}\n");
    if (beside)
        peer_end(&peer);
    return 0;
}
