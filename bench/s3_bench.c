/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blobs in S3 from the command line, for measuring and for tests against real servers.
 *
 *     s3_bench speed FOLDER COUNT BYTES     puts, then gets COUNT blobs; prints JSON lines
 *     s3_bench put FOLDER FILE              prints the digest, and the parts that were there
 * already s3_bench get FOLDER DIGEST FILE
 *
 * FOLDER takes what is kept locally. The store is named by SKERRY_TEST_S3_ENDPOINT, _BUCKET,
 * _REGION, _ACCESS, _SECRET. Reads go to the server: there is no cache.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "platform/blobs/blobs.h"

enum { COUNT_MAX = 1000, PIECE_BYTES = 1 << 20 };

static _Noreturn void die(const char *what, const err *e)
{
    fprintf(stderr, "s3_bench: %s: %s\n", what, e->msg);
    exit(1);
}

static void need(const char *what, err e)
{
    if (e.code)
        die(what, &e);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    if (value)
        return value;
    fprintf(stderr, "s3_bench: set %s\n", name);
    exit(1);
}

static struct blobs *open_blobs(const char *folder, struct metrics *metrics)
{
    struct blobs *b = NULL;
    char url[200];
    const struct blobs_s3 s3 = {
        .endpoint = environment("SKERRY_TEST_S3_ENDPOINT"),
        .region = environment("SKERRY_TEST_S3_REGION"),
        .access_key = environment("SKERRY_TEST_S3_ACCESS"),
        .secret_key = environment("SKERRY_TEST_S3_SECRET"),
        .local_folder = folder,
        .create_bucket = true,
    };
    snprintf(url, sizeof url, "s3://%s/bench", environment("SKERRY_TEST_S3_BUCKET"));
    need("opening",
         blobs_open_with(&(struct blobs_options){ .url = url, .s3 = &s3, .metrics = metrics }, &b));
    return b;
}

static int64_t number(const char *text)
{
    int64_t value = 0;
    need(text, str_to_i64(str_of(text), &value));
    return value;
}

static void report(const char *op, int64_t count, int64_t bytes, int64_t begin_ns)
{
    double seconds = (double)(clock_mono_ns() - begin_ns) / 1e9;
    printf("{\"op\":\"%s\",\"count\":%lld,\"bytes\":%lld,\"seconds\":%.4f,\"mb_s\":%.1f}\n", op,
           (long long)count, (long long)bytes, seconds, (double)(count * bytes) / 1e6 / seconds);
}

static void read_all(struct blobs *b, const struct blob_id *id, FILE *out)
{
    struct blob_reader *r = NULL;
    size_t got = 1;
    unsigned char *piece = malloc(PIECE_BYTES);
    if (!piece)
        exit(1);
    need("reading", blob_reader_open(b, id, 0, &r, NULL));
    while (got > 0) {
        need("reading", blob_read(r, piece, PIECE_BYTES, &got));
        if (out && fwrite(piece, 1, got, out) != got)
            exit(1);
    }
    blob_reader_close(r);
    free(piece);
}

static void speed(struct blobs *b, int64_t count, int64_t bytes)
{
    static struct blob_info infos[COUNT_MAX];
    uint64_t *text = malloc((size_t)bytes + sizeof *text);
    if (!text || count > COUNT_MAX)
        exit(1);
    struct rng rng;
    rng_init(&rng, (uint64_t)clock_mono_ns());
    for (size_t i = 0; i <= (size_t)bytes / sizeof *text; i++)
        text[i] = rng_u64(&rng);
    int64_t begin_ns = clock_mono_ns();
    for (int64_t i = 0; i < count; i++) {
        text[0] = (uint64_t)i;
        need("putting", blob_put(b, str_from(text, (size_t)bytes), &infos[i]));
    }
    report("put", count, bytes, begin_ns);
    begin_ns = clock_mono_ns();
    for (int64_t i = 0; i < count; i++)
        read_all(b, &infos[i].id, NULL);
    report("get", count, bytes, begin_ns);
    free(text);
}

static void put_file(struct blobs *b, struct metrics *m, const char *path)
{
    struct blob_info info;
    struct buf text;
    need("putting", blob_put_file(b, path, &info));
    buf_init(&text, 1 << 20);
    metrics_write(m, METRICS_PROMETHEUS, &text);
    ptrdiff_t at = str_find(buf_str(&text), STR("\nskerry_s3_parts_resumed_total "));
    long resumed = at < 0 ? 0 : strtol(text.ptr + at + 31, NULL, 10);
    printf("%s %ld\n", info.id.hex, resumed);
    buf_deinit(&text);
}

static void get_file(struct blobs *b, const char *digest, const char *path)
{
    struct blob_id id;
    need("digest", blob_id_parse(str_of(digest), &id));
    FILE *out = fopen(path, "wb");
    if (!out)
        exit(1);
    read_all(b, &id, out);
    if (fclose(out) != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    struct metrics *metrics = NULL;
    need("metrics", metrics_open(&metrics));
    need("metrics", metrics_register(metrics, blobs_metrics));
    if (argc < 4) {
        fprintf(stderr, "usage: s3_bench speed FOLDER COUNT BYTES | put FOLDER FILE | "
                        "get FOLDER DIGEST FILE\n");
        return 2;
    }
    struct blobs *b = open_blobs(argv[2], metrics);
    if (strcmp(argv[1], "speed") == 0 && argc == 5)
        speed(b, number(argv[3]), number(argv[4]));
    else if (strcmp(argv[1], "put") == 0)
        put_file(b, metrics, argv[3]);
    else if (strcmp(argv[1], "get") == 0 && argc == 5)
        get_file(b, argv[3], argv[4]);
    blobs_close(b);
    metrics_close(metrics);
    return 0;
}
