/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_file.c -- a model as bytes.
 *
 *   0  "SKCHNET1"           8  u32 version of the features   12  u32 widths: bag, square, move,
 * value 28  u32 1 if a book follows the weights                   32  weights, f32, group after
 * group then the book (book.c), and 32 bytes SHA-256 of all before it. Little-endian.
 *
 * A file may come from anywhere: sizes are checked before memory is taken, and a weight that is not
 * a finite number of a sane size is refused, so that no input can make a prediction overflow.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/chess/net_model.h"

static const char net_magic[8] = { 'S', 'K', 'C', 'H', 'N', 'E', 'T', '1' };

enum { HEAD_BYTES = 32 };

/* Trained weights stay below 10; sums of hundreds of weights of this size are still far from
 * overflow. */
#define WEIGHT_MAX 1e4f

err chess_net_save(const struct chess_net *net, struct buf *out)
{
    size_t start = out->len;
    uint8_t digest[SHA256_BYTES];

    buf_add_bytes(out, net_magic, sizeof net_magic);
    buf_add_u32(out, FEATURES_VERSION);
    buf_add_u32(out, net->shape.bag);
    buf_add_u32(out, net->shape.square);
    buf_add_u32(out, net->shape.move);
    buf_add_u32(out, net->shape.value);
    buf_add_u32(out, net->book.count > 0);
    for (size_t i = 0; i < net->at.count; i++)
        buf_add_f32(out, net->weights[i]);
    if (net->book.count > 0)
        book_write(&net->book, out);
    TRY(buf_check(out));
    sha256_of(str_from(out->ptr + start, out->len - start), digest);
    buf_add_bytes(out, digest, sizeof digest);
    return buf_check(out);
}

static err head_read(struct cursor *c, struct net_shape *ret_shape, bool *ret_has_book)
{
    str magic = cursor_bytes(c, sizeof net_magic);
    uint32_t version = cursor_u32(c);
    struct net_shape shape;
    shape.bag = cursor_u32(c);
    shape.square = cursor_u32(c);
    shape.move = cursor_u32(c);
    shape.value = cursor_u32(c);
    uint32_t has_book = cursor_u32(c);
    if (c->bad || memcmp(magic.ptr, net_magic, sizeof net_magic) != 0)
        return ERR(ERR_CORRUPT, "these bytes are not a chess model of ours");
    if (version != FEATURES_VERSION)
        return ERR(ERR_UNSUPPORTED,
                   "the model sees positions as version %u does, this program as version %d: "
                   "train it again, or use the program that made it",
                   version, FEATURES_VERSION);
    if (net_shape_check(&shape).code || has_book > 1)
        return ERR(ERR_CORRUPT, "the model's head has impossible widths");
    *ret_shape = shape;
    *ret_has_book = has_book == 1;
    return OK;
}

static err weights_read(struct cursor *c, size_t count, float **ret_weights)
{
    if (cursor_left(c) / sizeof(float) < count)
        return ERR(ERR_CORRUPT, "the model is cut short: %zu bytes are left for %zu weights",
                   cursor_left(c), count);
    float *weights = net_floats(count);
    if (!weights)
        return ERR(ERR_NO_MEMORY, "no memory for a network of %zu weights", count);
    for (size_t i = 0; i < count; i++) {
        weights[i] = cursor_f32(c);
        if (!(fabsf(weights[i]) <= WEIGHT_MAX)) {
            free(weights);
            return ERR(ERR_CORRUPT, "weight %zu of the model is not a sane number", i);
        }
    }
    *ret_weights = weights;
    return OK;
}

err chess_net_load(str bytes, struct chess_net **ret_net)
{
    err e = OK;
    struct net_shape shape;
    struct net_layout at;
    bool has_book = false;
    float *weights = NULL;
    struct chess_net *net = NULL;
    uint8_t digest[SHA256_BYTES];

    if (bytes.len < HEAD_BYTES + SHA256_BYTES)
        return ERR(ERR_CORRUPT, "a chess model cannot have %zu bytes", bytes.len);
    struct cursor c = cursor_of(str_from(bytes.ptr, bytes.len - SHA256_BYTES));
    TRY(head_read(&c, &shape, &has_book));
    sha256_of(str_from(bytes.ptr, bytes.len - SHA256_BYTES), digest);
    if (memcmp(digest, bytes.ptr + bytes.len - SHA256_BYTES, sizeof digest) != 0)
        return ERR(ERR_CORRUPT, "the model's checksum is wrong: it is cut short or damaged");
    net_layout_of(&shape, &at);
    e = weights_read(&c, at.count, &weights);
    if (e.code)
        goto done;
    e = net_new(&shape, weights, &net);
    if (e.code)
        goto done;
    if (has_book)
        e = book_read(&c, &net->book);
    if (!e.code && cursor_left(&c) != 0)
        e = ERR(ERR_CORRUPT, "%zu bytes too many follow the model", cursor_left(&c));
    if (e.code)
        goto done;
    *ret_net = net;
    net = NULL;
done:
    chess_net_free(net);
    free(weights);
    return e;
}
