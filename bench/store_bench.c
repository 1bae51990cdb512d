/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How fast the store takes games in bulk, small durable writes, and point reads.
 *
 *     store_bench [FOLDER]      default: the current folder, so that a real disk is measured
 *
 * Prints JSON lines. The peer is SQLite as one would use it without this room, on the same disk in
 * the same run: one connection a thread, each commit synced for itself. What is compared is the
 * same promise: both run with WAL and synchronous=FULL.
 */
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/rand.h"
#include "base/thread.h"
#include "platform/store/store.h"

enum { GAMES = 400000, BATCH = 20000, SECONDS_PER_BENCH = 2, THREADS_MAX = 64 };

static const char schema[] =
    "CREATE TABLE game ("
    "  id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, white_id INTEGER NOT NULL,"
    "  black_id INTEGER NOT NULL, white_elo INTEGER, black_elo INTEGER, result INTEGER NOT NULL,"
    "  played_ms INTEGER, eco TEXT, time_control TEXT, plies INTEGER NOT NULL, moves BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX game_white ON game (white_id);"
    "CREATE INDEX game_black ON game (black_id);"
    "CREATE INDEX game_played ON game (played_ms);"
    "CREATE TABLE play (id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, body TEXT NOT NULL) "
    "STRICT";

static const char play_sql[] = "INSERT INTO play (thread, body) VALUES (?1, ?2)";
static const char play_body[] = "{\"move\":\"e2e4\",\"clock_ms\":298123,\"legal\":true,\"ply\":12}";

static _Noreturn void die(const char *what, const err *e)
{
    fprintf(stderr, "store_bench: %s: %s\n", what, e->msg);
    exit(1);
}

static void need(const char *what, err e)
{
    if (e.code)
        die(what, &e);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_mono_ns() - start_ns) / 1e9;
}

/* theirs 0: there is no peer. */
static void report(const char *bench, double ours, const char *peer, double theirs,
                   const char *unit)
{
    printf("{\"bench\":\"%s\",\"ours\":%.0f,", bench, ours);
    if (theirs > 0)
        printf("\"peer\":\"%s\",\"theirs\":%.0f,\"unit\":\"%s\",\"ratio\":%.4g}\n", peer, theirs,
               unit, ours / theirs);
    else
        printf("\"peer\":null,\"theirs\":null,\"unit\":\"%s\",\"ratio\":null}\n", unit);
    fflush(stdout);
}

static long rss_peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static struct store *open_store(const char *folder, const char *name)
{
    char url[FS_PATH_BYTES + 32];
    struct store *s = NULL;
    snprintf(url, sizeof url, "sqlite:%s/%s", folder, name);
    const struct store_options options = { .url = url };
    const struct store_migration steps[] = { { 1, schema }, { 0 } };
    need("opening", store_open(&options, &s));
    need("migrating", store_migrate(s, "bench", steps));
    return s;
}

/* ------------------------------------------------------------------ games in bulk */

enum { GAME_COLUMNS = 11, MOVES_BYTES_MAX = 160 };

struct game {
    uint8_t key[16];
    int64_t white_id, black_id, white_elo, black_elo, result, played_ms, plies;
    char moves[MOVES_BYTES_MAX];
};

static void game_make(struct rng *rng, struct game *g)
{
    for (int i = 0; i < 2; i++) {
        uint64_t bits = rng_u64(rng);
        memcpy(g->key + 8 * i, &bits, 8);
    }
    g->white_id = (int64_t)rng_below(rng, 20000);
    g->black_id = (int64_t)rng_below(rng, 20000);
    g->white_elo = 1500 + (int64_t)rng_below(rng, 1300);
    g->black_elo = 1500 + (int64_t)rng_below(rng, 1300);
    g->result = (int64_t)rng_below(rng, 3);
    g->played_ms = 1500000000000 + (int64_t)rng_below(rng, 200000000000);
    g->plies = 40 + (int64_t)rng_below(rng, MOVES_BYTES_MAX - 40);
    memset(g->moves, (int)(g->plies & 63), sizeof g->moves);
}

struct batch {
    struct game *games;
    size_t count;
};

static err batch_insert(struct store_tx *tx, void *arg)
{
    const struct batch *b = arg;
    struct store_bulk *bulk = NULL;
    TRY(store_bulk_begin(tx, "game",
                         "key, white_id, black_id, white_elo, black_elo, result, played_ms, eco,"
                         " time_control, plies, moves",
                         GAME_COLUMNS, &bulk));
    for (size_t i = 0; i < b->count; i++) {
        const struct game *g = &b->games[i];
        const struct store_value row[GAME_COLUMNS] = {
            sql_blob(str_from(g->key, sizeof g->key)),
            sql_int(g->white_id),
            sql_int(g->black_id),
            sql_int(g->white_elo),
            sql_int(g->black_elo),
            sql_int(g->result),
            sql_int(g->played_ms),
            sql_text(STR("B90")),
            sql_text(STR("300+3")),
            sql_int(g->plies),
            sql_blob(str_from(g->moves, (size_t)g->plies)),
        };
        TRY(store_bulk_row(bulk, row));
    }
    return store_bulk_end(bulk, NULL);
}

/* Stands for the parser: a core that is busy while the writer works. */
static void *busy_main(void *arg)
{
    atomic_bool *stop = arg;
    uint8_t digest[SHA256_BYTES];
    static const char bytes[65536];
    while (!atomic_load(stop))
        sha256_of(str_from(bytes, sizeof bytes), digest);
    return NULL;
}

static double bulk_run(const char *folder, const char *name, bool beside_a_busy_core,
                       double *ret_cpu_seconds)
{
    struct store *s = open_store(folder, name);
    struct rng rng;
    rng_init(&rng, 1);
    struct batch b = { calloc(BATCH, sizeof(struct game)), BATCH };
    atomic_bool stop = false;
    pthread_t busy;
    if (beside_a_busy_core)
        need("starting a thread", thread_start(&busy, "busy", busy_main, &stop));
    int64_t start = clock_mono_ns(), cpu_start = clock_cpu_ns();
    for (size_t done = 0; done < GAMES; done += b.count) {
        for (size_t i = 0; i < b.count; i++)
            game_make(&rng, &b.games[i]);
        need("inserting", store_write(s, batch_insert, &b));
    }
    double seconds = seconds_since(start);
    *ret_cpu_seconds = (double)(clock_cpu_ns() - cpu_start) / 1e9;
    atomic_store(&stop, true);
    if (beside_a_busy_core)
        pthread_join(busy, NULL);
    free(b.games);
    store_close(s);
    return GAMES / seconds;
}

/* Games made here, and inserted: 400,000 with random keys and players, the worst case for an index.
 */
static void bench_bulk(const char *folder)
{
    double cpu_seconds = 0, ignored = 0;
    report("store-bulk", bulk_run(folder, "bulk.db", false, &cpu_seconds), NULL, 0, "rows/s");
    report("store-bulk-cpu", GAMES / cpu_seconds, NULL, 0, "rows per CPU second");
    report("store-bulk-beside-a-busy-core", bulk_run(folder, "bulk2.db", true, &ignored), NULL, 0,
           "rows/s");
    report("store-bulk-peak-rss", (double)rss_peak_kib(), NULL, 0, "KiB");
}

/* ------------------------------------------------------------------ small durable writes */

struct clients {
    struct store *store;
    const char *path; /* of the peer's file */
    atomic_bool stop;
    atomic_int next_id;
    atomic_long writes;
    atomic_long slowest_ns;
};

static err play_insert(struct store_tx *tx, void *arg)
{
    return store_exec(tx, play_sql, ARGS(sql_int(*(int *)arg), sql_cstr(play_body)), NULL);
}

static void note_time(struct clients *c, int64_t start_ns)
{
    long took = (long)(clock_mono_ns() - start_ns);
    long before = atomic_load(&c->slowest_ns);
    while (took > before && !atomic_compare_exchange_weak(&c->slowest_ns, &before, took))
        ;
    atomic_fetch_add(&c->writes, 1);
}

static void *our_client(void *arg)
{
    struct clients *c = arg;
    int id = atomic_fetch_add(&c->next_id, 1);
    while (!atomic_load(&c->stop)) {
        int64_t start = clock_mono_ns();
        need("writing", store_write(c->store, play_insert, &id));
        note_time(c, start);
    }
    return NULL;
}

static void peer_need(sqlite3 *db, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_DONE)
        return;
    fprintf(stderr, "store_bench: peer: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static sqlite3 *peer_open(const char *path)
{
    sqlite3 *db = NULL;
    peer_need(db, sqlite3_open_v2(path, &db,
                                  SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                  NULL));
    sqlite3_busy_timeout(db, 60000);
    peer_need(
        db, sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", NULL, NULL, NULL));
    return db;
}

static void *peer_client(void *arg)
{
    struct clients *c = arg;
    int id = atomic_fetch_add(&c->next_id, 1);
    sqlite3 *db = peer_open(c->path);
    sqlite3_stmt *stmt = NULL;
    peer_need(db, sqlite3_prepare_v2(db, play_sql, -1, &stmt, NULL));
    while (!atomic_load(&c->stop)) {
        int64_t start = clock_mono_ns();
        sqlite3_bind_int(stmt, 1, id);
        sqlite3_bind_text(stmt, 2, play_body, -1, SQLITE_STATIC);
        sqlite3_step(stmt);
        peer_need(db, sqlite3_reset(stmt));
        note_time(c, start);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return NULL;
}

static double clients_run(struct clients *c, int threads, void *(*client)(void *))
{
    pthread_t ids[THREADS_MAX];
    atomic_store(&c->stop, false);
    atomic_store(&c->writes, 0);
    atomic_store(&c->slowest_ns, 0);
    int64_t start = clock_mono_ns();
    for (int i = 0; i < threads; i++)
        need("starting a thread", thread_start(&ids[i], "client", client, c));
    clock_sleep_ms(SECONDS_PER_BENCH * 1000);
    atomic_store(&c->stop, true);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return (double)atomic_load(&c->writes) / seconds_since(start);
}

static void bench_durable(const char *folder)
{
    static const int thread_counts[] = { 1, 8, 64 };
    char path[FS_PATH_BYTES];
    need("naming", fs_join(path, folder, "peer.db"));
    sqlite3 *db = peer_open(path);
    peer_need(db, sqlite3_exec(db, schema, NULL, NULL, NULL));
    struct clients c = { .store = open_store(folder, "durable.db"), .path = path };
    for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        char name[64];
        double ours = clients_run(&c, thread_counts[i], our_client);
        double ours_slowest = (double)atomic_load(&c.slowest_ns) / 1000;
        double theirs = clients_run(&c, thread_counts[i], peer_client);
        double theirs_slowest = (double)atomic_load(&c.slowest_ns) / 1000;
        snprintf(name, sizeof name, "store-durable-%d-threads", thread_counts[i]);
        report(name, ours, "sqlite, a connection a thread", theirs, "writes/s");
        snprintf(name, sizeof name, "store-durable-%d-threads-slowest", thread_counts[i]);
        report(name, ours_slowest, "sqlite, a connection a thread", theirs_slowest, "us");
    }
    store_close(c.store);
    sqlite3_close(db);
}

/* Callers that do not wait: a server that answers when `done` is called. */
struct flow {
    atomic_long started, done;
};

static err flow_insert(struct store_tx *tx, void *arg)
{
    return store_exec(tx, play_sql, ARGS(sql_int(0), sql_cstr(play_body)), NULL);
}

static void flow_done(void *arg, err result)
{
    need("writing", result);
    atomic_fetch_add(&((struct flow *)arg)->done, 1);
}

static void bench_later(const char *folder)
{
    struct store *s = open_store(folder, "later.db");
    struct flow f = { 0 };
    int64_t start = clock_mono_ns();
    while (seconds_since(start) < SECONDS_PER_BENCH) {
        err e = store_write_later(s, flow_insert, &f, flow_done);
        if (e.code == ERR_BUSY)
            clock_sleep_ms(1);
        else
            need("writing", e);
    }
    long done = atomic_load(&f.done);
    report("store-durable-not-waiting", (double)done / seconds_since(start), NULL, 0, "writes/s");
    store_close(s);
}

/* ------------------------------------------------------------------ reads */

static err point_read(struct store_read *rd, void *arg)
{
    int64_t plies = 0;
    return store_get_int(rd, "SELECT plies FROM game WHERE id = ?1", ARGS(sql_int(*(int64_t *)arg)),
                         &plies);
}

static void *reader_client(void *arg)
{
    struct clients *c = arg;
    struct rng rng;
    rng_init(&rng, (uint64_t)atomic_fetch_add(&c->next_id, 1));
    while (!atomic_load(&c->stop)) {
        int64_t id = 1 + (int64_t)rng_below(&rng, GAMES);
        need("reading", store_read(c->store, point_read, &id));
        atomic_fetch_add(&c->writes, 1);
    }
    return NULL;
}

static void bench_reads(const char *folder)
{
    struct clients c = { .store = open_store(folder, "bulk.db") };
    report("store-point-reads-1-thread", clients_run(&c, 1, reader_client), NULL, 0, "reads/s");
    report("store-point-reads-2-threads", clients_run(&c, 2, reader_client), NULL, 0, "reads/s");
    store_close(c.store);
}

int main(int argc, char **argv)
{
    char folder[FS_PATH_BYTES];
    need("naming", fs_join(folder, argc > 1 ? argv[1] : ".", "store-bench-XXXXXX"));
    if (!mkdtemp(folder)) {
        perror("store_bench: making a folder");
        return 1;
    }
    bench_bulk(folder);
    bench_reads(folder);
    bench_durable(folder);
    bench_later(folder);
    need("removing", fs_remove_tree(folder));
    return 0;
}
