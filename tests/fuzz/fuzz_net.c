/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Model files from strangers: whatever loads predicts a distribution over the legal moves, and is
 * saved as it came.
 *
 * The smallest model has a megabyte of weights, which no fuzzer would write. So the input is a
 * recipe: one byte that says how, a head of 32 bytes, 64 bytes that are repeated as weights, and
 * what follows them. The checksum is put right. With an odd first byte, the rest of the input is a
 * file as it is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/chess/net_model.h"

enum { HEAD = 32, PATTERN = 64, SIZE_MAX_BYTES = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct chess_net *net)
{
    struct chess_position p;
    struct chess_conditions c = { 1500, 1500, CHESS_BLITZ };
    struct chess_prediction pred;
    double sum = 0;

    chess_position_start(&p);
    chess_net_predict(net, &p, &c, &pred);
    for (int i = 0; i < pred.move_count; i++)
        sum += (double)pred.probability[i];
    if (pred.move_count != 20 || !(fabs(sum - 1) < 1e-3) ||
        !(fabs((double)(pred.win + pred.draw + pred.loss) - 1) < 1e-3))
        abort();
}

static void load(str bytes)
{
    struct chess_net *net = NULL;
    struct buf again;
    err e = chess_net_load(bytes, &net);
    if (e.code)
        return;
    look(net);
    buf_init(&again, bytes.len);
    e = chess_net_save(net, &again);
    if (e.code || !str_eq(buf_str(&again), bytes))
        abort();
    buf_deinit(&again);
    chess_net_free(net);
}

static uint32_t u32_at(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The file that the recipe stands for, or a raw copy; exact size, so that reading past the end is
 * seen. */
static char *file_of(const uint8_t *data, size_t size, size_t *ret_len)
{
    size_t weights = 0, left = size - HEAD - PATTERN;
    struct net_shape shape = { u32_at(data + 12), u32_at(data + 16), u32_at(data + 20),
                               u32_at(data + 24) };
    struct net_layout at;
    if (!net_shape_check(&shape).code) {
        net_layout_of(&shape, &at);
        weights = at.count * sizeof(float);
    }
    if (weights > SIZE_MAX_BYTES)
        weights = 0;
    size_t len = HEAD + weights + left + SHA256_BYTES;
    char *bytes = malloc(len);
    if (!bytes)
        return NULL;
    memcpy(bytes, data, HEAD);
    for (size_t i = 0; i < weights; i += PATTERN)
        memcpy(bytes + HEAD + i, data + HEAD, weights - i < PATTERN ? weights - i : PATTERN);
    if (left)
        memcpy(bytes + HEAD + weights, data + HEAD + PATTERN, left);
    sha256_of(str_from(bytes, len - SHA256_BYTES), (uint8_t *)bytes + len - SHA256_BYTES);
    *ret_len = len;
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chess_init();
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0 && size >= 1 + HEAD + PATTERN) {
        size_t len = 0;
        char *bytes = file_of(data + 1, size - 1, &len);
        if (bytes)
            load(str_from(bytes, len));
        free(bytes);
    } else {
        char *bytes = malloc(size);
        if (bytes) {
            memcpy(bytes, data + 1, size - 1);
            load(str_from(bytes, size - 1));
        }
        free(bytes);
    }
    return 0;
}
