/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_get.c -- reading: from the local copy when there is one, else from the server as it comes.
 *
 * A stream that breaks goes on at the byte where it broke, with a range, so that a long download
 * survives a restart of the server. What is mapped is copied to the cache first (or, without one,
 * to a file without a name).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/blobs/folder.h"
#include "platform/blobs/s3.h"

enum { PIECE_BYTES = 256 * 1024 };

struct s3_get {
    struct s3 *s;
    struct blob_id id;
    void *local;           /* a get of the folder, or NULL */
    struct net_call *call; /* NULL: at the end, or to be opened again */
    int64_t position, total;
    bool is_read; /* for a reader, not for ourselves */
};

static err whose(err e, const char *doing, const struct blob_id *id)
{
    return e.code ? err_wrap(e, "%s blob %s", doing, id->hex) : OK;
}

/* Asks for everything from g->position on. */
static err ask(struct s3_get *g, struct s3_reply *ret_reply)
{
    char key[S3_KEY_BYTES], range[48];
    s3_key(g->s, &g->id, key);
    snprintf(range, sizeof range, "bytes=%lld-", (long long)g->position);
    struct s3_call call = { .op = S3_GET,
                            .method = "GET",
                            .key = key,
                            .range = g->position ? range : NULL,
                            .is_read = g->is_read };
    return s3_begin(g->s, &call, &g->call, ret_reply);
}

/* From the server. total is known afterwards. */
static err open_remote(struct s3_get *g)
{
    struct s3_reply reply;
    if (g->position > 0) { /* S3 answers a range that begins at the end with an error */
        TRY(s3_stat(g->s, &g->id, &g->total));
        if (g->position > g->total)
            return ERR(ERR_INVALID, "from byte %lld: it has %lld", (long long)g->position,
                       (long long)g->total);
        if (g->position == g->total)
            return OK;
    }
    int64_t total = g->total;
    TRY(ask(g, &reply));
    g->total = reply.total;
    if (g->total < 0 || (total && total != g->total)) {
        net_end(g->call);
        g->call = NULL;
        return ERR(ERR_UPSTREAM, "S3 at %.60s does not say how many bytes it has", g->s->endpoint);
    }
    return OK;
}

static err read_remote(struct s3_get *g, void *out, size_t count, size_t *ret_count)
{
    int64_t until_ns = clock_mono_ns() + g->s->retry_ms * 1000000;
    struct s3_reply reply;
    if ((int64_t)count > g->total - g->position)
        count = (size_t)(g->total - g->position);
    *ret_count = 0;
    for (int tries = 1; count > 0; tries++) {
        err e = g->call ? OK : ask(g, &reply);
        if (!e.code)
            e = net_read(g->call, out, count, ret_count);
        if (!e.code && *ret_count == 0)
            e = ERR(ERR_UPSTREAM, "S3 at %.60s: the body ended at byte %lld of %lld",
                    g->s->endpoint, (long long)g->position, (long long)g->total);
        if (!e.code)
            break;
        net_end(g->call);
        g->call = NULL;
        if (!s3_is_transient(&e) || clock_mono_ns() >= until_ns)
            return e;
        s3_count(g->s, S3_FAMILY_RETRIES, str_of(s3_op_name(S3_GET)), STR("connection"), 1);
        s3_pause(tries);
    }
    g->position += (int64_t)*ret_count;
    s3_count(g->s, S3_FAMILY_BYTES, STR("received"), STR_NONE, (double)*ret_count);
    return OK;
}

/* ------------------------------------------------------------------ readers */

err s3_get_open(void *engine, const struct blob_id *id, int64_t offset, void **ret_get,
                int64_t *ret_bytes_total)
{
    struct s3 *s = engine;
    struct s3_get *g = calloc(1, sizeof *g);
    if (!g)
        return ERR(ERR_NO_MEMORY, "reading blob %s: out of memory", id->hex);
    *g = (struct s3_get){ .s = s, .id = *id, .position = offset, .is_read = true };
    err e = blob_backend_folder.get_open(s->local, id, offset, &g->local, &g->total);
    bool is_local = e.code != ERR_NOT_FOUND;
    s3_count(s, S3_FAMILY_CACHE_READS, is_local ? STR("hit") : STR("miss"), STR_NONE, 1);
    if (is_local && !e.code)
        folder_touch(s->local, id);
    else if (!is_local)
        e = offset < 0
                ? ERR(ERR_INVALID, "reading blob %s from byte %lld", id->hex, (long long)offset)
                : whose(open_remote(g), "reading", id);
    if (e.code) {
        free(g);
        return e;
    }
    *ret_get = g;
    *ret_bytes_total = g->total;
    return OK;
}

err s3_get_read(void *get, void *out, size_t count, size_t *ret_count)
{
    struct s3_get *g = get;
    if (g->local)
        return blob_backend_folder.get_read(g->local, out, count, ret_count);
    return whose(read_remote(g, out, count, ret_count), "reading", &g->id);
}

void s3_get_close(void *get)
{
    struct s3_get *g = get;
    if (g->local)
        blob_backend_folder.get_close(g->local);
    net_end(g->call);
    free(g);
}

/* ------------------------------------------------------------------ whole objects */

static err read_pieces(struct s3_get *g, s3_piece_fn fn, void *arg, unsigned char *piece)
{
    struct sha256 sha;
    char hex[SHA256_HEX_BYTES];
    sha256_begin(&sha);
    while (g->position < g->total) {
        size_t got = 0;
        TRY(read_remote(g, piece, PIECE_BYTES, &got));
        sha256_add(&sha, piece, got);
        TRY(fn(arg, piece, got));
    }
    sha256_end_hex(&sha, hex);
    if (strcmp(hex, g->id.hex) == 0)
        return OK;
    return ERR(ERR_CORRUPT,
               "blob %s is damaged: its bytes have digest %s (put it again, or restore a backup)",
               g->id.hex, hex);
}

err s3_read_whole(struct s3 *s, const struct blob_id *id, s3_piece_fn fn, void *arg,
                  int64_t *ret_bytes)
{
    struct s3_get g = { .s = s, .id = *id };
    unsigned char *piece = malloc(PIECE_BYTES);
    if (!piece)
        return ERR(ERR_NO_MEMORY, "reading blob %s: out of memory", id->hex);
    err e = whose(open_remote(&g), "reading", id);
    if (!e.code)
        e = read_pieces(&g, fn, arg, piece);
    net_end(g.call);
    free(piece);
    if (!e.code)
        *ret_bytes = g.total;
    return e;
}

static err write_piece(void *put, const void *bytes, size_t count)
{
    return blob_backend_folder.put_write(put, bytes, count);
}

err s3_map(void *engine, const struct blob_id *id, struct blob_map *ret_map)
{
    struct s3 *s = engine;
    void *put = NULL;
    int64_t bytes = 0;
    err e = blob_backend_folder.map(s->local, id, ret_map);
    bool is_local = e.code != ERR_NOT_FOUND;
    s3_count(s, S3_FAMILY_CACHE_READS, is_local ? STR("hit") : STR("miss"), STR_NONE, 1);
    if (is_local) {
        if (!e.code)
            folder_touch(s->local, id);
        return e;
    }
    TRY(blob_backend_folder.put_begin(s->local, &put));
    e = s3_read_whole(s, id, write_piece, put, &bytes);
    if (!e.code)
        e = folder_map_fd(folder_put_fd(put), bytes, id, ret_map);
    if (e.code)
        blob_backend_folder.put_abort(put);
    else
        s3_cache_add(s, put, id, bytes);
    return e;
}
