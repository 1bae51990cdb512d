/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sources: a download must be importable as it came, from a file or a pipe, and a damaged one must
 * say so and still give the games before the damage. */
#include "pgn_help.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/rand.h"

enum { GAMES = 300, PACKED_MAX = 4 * 1024 * 1024 };

/* Games whose text differs, so that compressors have something to do. */
static void make_games(struct buf *out, int count)
{
    struct rng rng;

    rng_init(&rng, 7);
    for (int i = 0; i < count; i++) {
        buf_add_fmt(out,
                    "[Event \"Game %d\"]\n[Site \"%016llx\"]\n\n1. e4 {%016llx} e5 2. Nf3 *\n\n", i,
                    (unsigned long long)rng_u64(&rng), (unsigned long long)rng_u64(&rng));
    }
}

static void add_zstd(struct buf *out, str text)
{
    char *room = buf_reserve(out, ZSTD_compressBound(text.len));
    size_t len = ZSTD_compress(room, ZSTD_compressBound(text.len), text.ptr, text.len, 3);

    assert_false(ZSTD_isError(len));
    out->len += len;
}

static void add_gzip(struct buf *out, str text)
{
    z_stream z = { .next_in = (Bytef *)text.ptr, .avail_in = (uInt)text.len };

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uLong bound = deflateBound(&z, (uLong)text.len);
    z.next_out = (Bytef *)buf_reserve(out, bound);
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd(&z);
}

struct fixture {
    struct buf plain, packed;
    char folder[64], path[96];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    buf_init(&f->plain, PACKED_MAX);
    buf_init(&f->packed, PACKED_MAX);
    make_games(&f->plain, GAMES);
    snprintf(f->folder, sizeof f->folder, "/tmp/skerry-source-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/games", f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unlink(f->path);
    rmdir(f->folder);
    buf_deinit(&f->plain);
    buf_deinit(&f->packed);
    free(f);
    return 0;
}

static void save(struct fixture *f, str bytes)
{
    int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
    close(fd);
}

/* Reads bytes as a file, from memory and in drops; all three must agree. */
static void read_three_ways(struct fixture *f, str bytes, struct seen *seen)
{
    struct pgn_source *source;
    struct seen other;

    save(f, bytes);
    assert_int_equal(pgn_source_open(f->path, &source).code, ERR_NONE);
    assert_int_equal(pgn_source_bytes_total(source), bytes.len);
    read_all(source, (struct pgn_options){ 0 }, seen);

    assert_int_equal(pgn_source_open_bytes(bytes, "bytes", &source).code, ERR_NONE);
    read_all(source, (struct pgn_options){ 0 }, &other);
    assert_int_equal(other.digest, seen->digest);
    assert_int_equal(other.failure.code, seen->failure.code);

    struct drip drip = { bytes, 13 };
    assert_int_equal(pgn_source_open_fn(drip_fetch, &drip, "drip", &source).code, ERR_NONE);
    assert_int_equal(pgn_source_bytes_total(source), -1);
    read_all(source, (struct pgn_options){ 0 }, &other);
    assert_int_equal(other.digest, seen->digest);
    assert_int_equal(other.failure.code, seen->failure.code);
}

static void formats(void **state)
{
    struct fixture *f = *state;
    str plain = buf_str(&f->plain), half = str_sub(plain, 0, plain.len / 2);
    str rest = str_sub(plain, half.len, plain.len);
    struct seen wanted, seen;

    read_three_ways(f, plain, &wanted);
    assert_int_equal(wanted.stats.games, GAMES);

    add_gzip(&f->packed, plain);
    read_three_ways(f, buf_str(&f->packed), &seen);
    assert_int_equal(seen.digest, wanted.digest);

    /* Several members, as "cat a.gz b.gz" makes them, and padding. */
    buf_clear(&f->packed);
    add_gzip(&f->packed, half);
    add_gzip(&f->packed, STR(""));
    add_gzip(&f->packed, rest);
    buf_add_bytes(&f->packed, "\0\0\0\0\0", 5);
    read_three_ways(f, buf_str(&f->packed), &seen);
    assert_int_equal(seen.digest, wanted.digest);
    assert_int_equal(seen.failure.code, ERR_NONE);

    buf_clear(&f->packed);
    add_zstd(&f->packed, plain);
    read_three_ways(f, buf_str(&f->packed), &seen);
    assert_int_equal(seen.digest, wanted.digest);

    /* Several frames with skippable ones before and between. */
    buf_clear(&f->packed);
    buf_add_bytes(&f->packed, "\x5a\x2a\x4d\x18\x03\0\0\0abc", 11);
    add_zstd(&f->packed, half);
    buf_add_bytes(&f->packed, "\x50\x2a\x4d\x18\0\0\0\0", 8);
    add_zstd(&f->packed, rest);
    read_three_ways(f, buf_str(&f->packed), &seen);
    assert_int_equal(seen.digest, wanted.digest);
    assert_int_equal(seen.failure.code, ERR_NONE);
}

/* Cut downloads and flipped bits: an error, no crash, and what came before stays. */
static void damage(void **state)
{
    struct fixture *f = *state;
    str plain = buf_str(&f->plain);

    for (int zstd = 0; zstd < 2; zstd++) {
        struct seen seen;

        buf_clear(&f->packed);
        if (zstd) {
            /* One frame for each hundred games or so: frames before the damage come out. */
            for (size_t at = 0; at < plain.len; at += 8192)
                add_zstd(&f->packed, str_sub(plain, at, 8192));
        } else {
            add_gzip(&f->packed, plain);
        }
        str whole = buf_str(&f->packed);
        for (size_t cut = 1; cut < 8; cut++) {
            size_t len = whole.len * cut / 8;

            read_three_ways(f, str_sub(whole, 0, len), &seen);
            assert_int_equal(seen.failure.code, ERR_CORRUPT);
            assert_non_null(strstr(seen.failure.msg, "unpacking"));
            assert_true(seen.stats.games < GAMES);
            if (cut > 2)
                assert_true(seen.stats.games > 0);
        }
        for (size_t at = 20; at < whole.len; at += whole.len / 16) {
            char before = f->packed.ptr[at];

            f->packed.ptr[at] = (char)(before ^ 0x40);
            read_three_ways(f, whole, &seen); /* zstd frames without checksum may give other text */
            assert_true(zstd || seen.failure.code == ERR_CORRUPT);
            f->packed.ptr[at] = before;
        }
    }
    buf_clear(&f->packed);
    add_gzip(&f->packed, plain);
    buf_add_cstr(&f->packed, "trailing rubbish");
    struct seen seen;
    read_three_ways(f, buf_str(&f->packed), &seen);
    assert_int_equal(seen.failure.code, ERR_CORRUPT);
    assert_int_equal(seen.stats.games, GAMES);
}

/* A game that the damage cuts must not pass as a shorter game. */
static void cut_game_is_refused(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    add_zstd(&f->packed, STR("[Event \"A\"]\n\n1. e4 *\n\n[Event \"B\"]\n\n1. d4 d5 2. c4"));
    buf_add_bytes(&f->packed, "\x28\xb5\x2f\xfd", 4); /* the next frame never comes */
    read_three_ways(f, buf_str(&f->packed), &seen);
    assert_int_equal(seen.failure.code, ERR_CORRUPT);
    assert_int_equal(seen.stats.games, 1);
    assert_int_equal(seen.stats.refused, 1);
    assert_non_null(strstr(seen.problems[0].reason, "breaks off"));
}

/* Formats we do not read are named, not called broken PGN. */
static void other_formats(void **state)
{
    static const struct {
        str head;
        const char *word;
    } cases[] = {
        { STR_INIT("PK\3\4xxxxxxxx"), "zip" },
        { STR_INIT("BZh91AY&SY"), "bzip2" },
        { STR_INIT("\3757zXZ\0\0\0\0"), "xz" },
        { STR_INIT("SQLite format 3\0"), "SQLite" },
    };
    struct pgn_source *source;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        err e = pgn_source_open_bytes(cases[i].head, "upload", &source);
        assert_int_equal(e.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(e.msg, cases[i].word));
        assert_non_null(strstr(e.msg, "upload"));
    }
    assert_int_equal(pgn_source_open("/tmp", &source).code, ERR_INVALID);
    err e = pgn_source_open("/nowhere/at/all.pgn", &source);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "/nowhere/at/all.pgn"));
}

struct feeder {
    int fd;
    str bytes;
};

static void *feed(void *arg)
{
    struct feeder *f = arg;
    size_t at = 0;

    while (at < f->bytes.len) {
        ssize_t n = write(f->fd, f->bytes.ptr + at,
                          f->bytes.len - at < 1000 ? f->bytes.len - at : 1000);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    close(f->fd);
    return NULL;
}

/* Plain and packed through a real pipe. */
static void pipes(void **state)
{
    struct fixture *f = *state;
    struct seen wanted, seen;

    read_text(buf_str(&f->plain), 0, &wanted);
    add_zstd(&f->packed, buf_str(&f->plain));
    for (int packed = 0; packed < 2; packed++) {
        int fds[2];
        struct pgn_source *source;
        pthread_t thread;

        assert_int_equal(pipe(fds), 0);
        struct feeder feeder = { fds[1], packed ? buf_str(&f->packed) : buf_str(&f->plain) };
        assert_int_equal(pthread_create(&thread, NULL, feed, &feeder), 0);
        assert_int_equal(pgn_source_open_fd(fds[0], "pipe", &source).code, ERR_NONE);
        read_all(source, (struct pgn_options){ .keep_text = true }, &seen);
        pthread_join(thread, NULL);
        close(fds[0]);
        assert_int_equal(seen.digest, wanted.digest);
        assert_int_equal(seen.stats.games, GAMES);
    }
}

/* A writer that goes silent in the middle must not hold up whoever closes the source; nor must a
 * reader that stops taking. */
static void closing_early(void **state)
{
    struct fixture *f = *state;
    struct pgn_source *source;
    int fds[2];

    add_zstd(&f->packed, buf_str(&f->plain));
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], f->packed.ptr, 200), 200);
    assert_int_equal(pgn_source_open_fd(fds[0], "silent pipe", &source).code, ERR_NONE);
    pgn_source_close(source);
    close(fds[0]);
    close(fds[1]);

    /* 16 MiB of zeros, packed: the ring fills and the thread waits for room. */
    char *zeros = calloc(1, 16 << 20);
    struct buf many;
    assert_non_null(zeros);
    buf_init(&many, 32 << 20);
    add_gzip(&many, str_from(zeros, 16 << 20));
    free(zeros);
    assert_int_equal(pgn_source_open_bytes(buf_str(&many), "zeros", &source).code, ERR_NONE);
    usleep(20000); /* so that the thread gets that far; the test holds without it */
    pgn_source_close(source);
    buf_deinit(&many);
    pgn_source_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(formats, setup, teardown),
        cmocka_unit_test_setup_teardown(damage, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_game_is_refused, setup, teardown),
        cmocka_unit_test(other_formats),
        cmocka_unit_test_setup_teardown(pipes, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_early, setup, teardown),
    };

    return cmocka_run_group_tests_name("pgn_source", tests, NULL, NULL);
}
