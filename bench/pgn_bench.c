/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How fast games are read from PGN with every move checked, beside pgn-extract on the same file.
 *
 *     pgn_bench [FILE [PGN-EXTRACT]]
 *
 * FILE is a PGN, packed or not; without one, masters.pgn.zst of SKERRY_SHARED, or else the games in
 * examples/games. It is unpacked first: both sides read plain text that is in the page cache.
 * Prints JSON lines:
 *
 *   pgn-legal      half-moves a second: tags, moves and their legality, one thread
 *   pgn-annotated  MB/s of text with clocks and evaluations: the shipped Lichess games, again and
 * again pack-walk      half-moves a second through packed games, positions and keys included
 *
 * The sides run alternately, best of five. Time is processor time of one core, user and system:
 * other work on the machine blurs it less than the clock on the wall. pgn-extract runs with -s -r,
 * its fastest way to check games, which writes none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine/chess/pack.h"
#include "engine/chess/pgn.h"
#include "engine/chess/pgn_internal.h"

enum {
    ROUNDS = 5,
    TEXT_BYTES_MAX = 1 << 30,
    ANNOTATED_BYTES = 40 * 1000 * 1000,
    PACK_GAMES_MAX = 1 << 20
};

/* EXAMPLES, the folder of the shipped games, comes from the build. */
static const char *const examples[] = {
    EXAMPLES "/lichess_db_2021-10_excerpt.pgn.zst",
    EXAMPLES "/lichess_user_rivergrove.pgn.zst",
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "pgn_bench: %s\n", what);
    exit(1);
}

static void check(err e)
{
    if (e.code)
        die(e.msg);
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Appends the unpacked text of a file. */
static void add_text(struct buf *out, const char *path)
{
    struct pgn_source *source;
    size_t count = 1;

    check(pgn_source_open(path, &source));
    while (count > 0) {
        char *room = buf_reserve(out, 1 << 20);
        if (!room)
            check(buf_check(out));
        check(pgn_source_read(source, room, 1 << 20, &count));
        out->len += count;
    }
    pgn_source_close(source);
}

static void save(str text, char path[64])
{
    size_t at = 0;
    int fd;

    snprintf(path, 64, "/tmp/skerry-pgn-bench-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0)
        die(strerror(errno));
    while (at < text.len) {
        ssize_t count = write(fd, text.ptr + at, text.len - at);
        if (count <= 0)
            die(strerror(errno));
        at += (size_t)count;
    }
    close(fd);
}

static struct pgn_stats read_file(const char *path)
{
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *g;
    struct pgn_stats stats;

    check(pgn_source_open(path, &source));
    check(pgn_reader_open(source, NULL, &reader));
    do
        check(pgn_next(reader, &g));
    while (g);
    pgn_reader_stats(reader, &stats);
    pgn_reader_close(reader);
    pgn_source_close(source);
    return stats;
}

static double ours_s(const char *path, struct pgn_stats *ret_stats)
{
    double start = cpu_s();

    *ret_stats = read_file(path);
    return cpu_s() - start;
}

/* Processor time of the peer; negative when it cannot run. */
static double theirs_s(const char *program, const char *path)
{
    struct rusage usage;
    int status;
    pid_t pid = fork();

    if (pid < 0)
        die(strerror(errno));
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        execl(program, program, "-s", "-r", path, (char *)NULL);
        _exit(127);
    }
    if (wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
        return -1;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* "pgn-extract v19-04" */
static void peer_name(const char *program, char name[64])
{
    char command[256];
    FILE *pipe;

    snprintf(name, 64, "pgn-extract");
    snprintf(command, sizeof command, "%s --version 2>&1", program);
    pipe = popen(command, "re");
    if (!pipe)
        return;
    if (fgets(name, 64, pipe)) {
        for (char *c = name; *c; c++) {
            if (*c == '\n')
                *c = '\0';
            else if (*c < ' ' || *c == '"' || *c == '\\')
                *c = ' ';
        }
    }
    pclose(pipe);
}

static void bench_legal(const char *path, const char *program)
{
    double ours = 1e9, theirs = 1e9;
    struct pgn_stats stats = { 0 };
    bool beside = access(program, X_OK) == 0;
    char name[64];

    for (int round = 0; round < ROUNDS; round++) {
        double s = ours_s(path, &stats);
        ours = s < ours ? s : ours;
        if (beside) {
            s = theirs_s(program, path);
            beside = s > 0;
            theirs = s < theirs ? s : theirs;
        }
    }
    printf("{\"bench\":\"pgn-legal\",\"ours\":%.0f,", (double)stats.plies / ours);
    if (beside) {
        peer_name(program, name);
        printf("\"peer\":\"%s\",\"theirs\":%.0f,\"unit\":\"plies/s\",\"ratio\":%.3f}\n", name,
               (double)stats.plies / theirs, theirs / ours);
    } else {
        printf("\"peer\":null,\"theirs\":null,\"unit\":\"plies/s\",\"ratio\":null}\n");
        fprintf(stderr, "pgn_bench: %s does not run: no peer\n", program);
    }
}

static void bench_annotated(void)
{
    struct buf text;
    struct pgn_stats stats = { 0 };
    double best = 1e9;
    char path[64];

    buf_init(&text, TEXT_BYTES_MAX);
    while (text.len < ANNOTATED_BYTES) {
        for (size_t i = 0; i < COUNT_OF(examples); i++)
            add_text(&text, examples[i]);
    }
    save(buf_str(&text), path);
    buf_deinit(&text);
    for (int round = 0; round < ROUNDS; round++) {
        double s = ours_s(path, &stats);
        best = s < best ? s : best;
    }
    unlink(path);
    printf("{\"bench\":\"pgn-annotated\",\"ours\":%.1f,\"peer\":null,\"theirs\":null,\"unit\":\"MB/"
           "s\",\"ratio\":null}\n",
           (double)stats.bytes / best / 1e6);
}

static void pack_file(const char *path, struct pack_writer *w)
{
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *g;
    uint32_t index;

    check(pack_writer_init(w, PACK_GAMES_MAX, TEXT_BYTES_MAX));
    check(pgn_source_open(path, &source));
    check(pgn_reader_open(source, NULL, &reader));
    for (;;) {
        check(pgn_next(reader, &g));
        if (!g)
            break;
        check(pack_writer_add(w, g, &index));
    }
    pgn_reader_close(reader);
    pgn_source_close(source);
}

static void bench_walk(const char *path)
{
    struct pack_writer w;
    str pack, game;
    uint32_t count;
    double best = 1e9;
    uint64_t plies = 0, keys = 0;

    pack_file(path, &w);
    check(pack_writer_finish(&w, &pack));
    check(pack_open(pack, &count));
    for (int round = 0; round < ROUNDS; round++) {
        double start = cpu_s(), took;

        plies = 0;
        for (uint32_t i = 0; i < count; i++) {
            struct pack_walk walk;

            check(pack_game(pack, i, &game));
            check(pack_walk_begin(game, &walk));
            for (; pack_walk_next(&walk); plies++)
                keys ^= walk.position.key;
            check(pack_walk_end(&walk));
        }
        took = cpu_s() - start;
        best = took < best ? took : best;
    }
    pack_writer_deinit(&w);
    if (keys == 1) /* the walk cannot be left out */
        fprintf(stderr, "\n");
    printf("{\"bench\":\"pack-walk\",\"ours\":%.0f,\"peer\":null,\"theirs\":null,\"unit\":\"plies/"
           "s\",\"ratio\":null}\n",
           (double)plies / best);
}

int main(int argc, char **argv)
{
    const char *shared = getenv("SKERRY_SHARED");
    struct buf text;
    char masters[512], path[64];

    buf_init(&text, TEXT_BYTES_MAX);
    snprintf(masters, sizeof masters, "%s/data/chess/masters.pgn.zst",
             shared ? shared : "../shared");
    if (argc > 1) {
        add_text(&text, argv[1]);
    } else if (access(masters, R_OK) == 0) {
        add_text(&text, masters);
    } else {
        for (size_t i = 0; i < COUNT_OF(examples); i++)
            add_text(&text, examples[i]);
    }
    save(buf_str(&text), path);
    buf_deinit(&text);
    bench_legal(path, argc > 2 ? argv[2] : "/usr/games/pgn-extract");
    bench_walk(path);
    unlink(path);
    bench_annotated();
    return 0;
}
