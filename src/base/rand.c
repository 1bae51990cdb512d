/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/rand.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/hash.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = rand_mix(*state);
    *state += RAND_MIX_STEP;
    return z;
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix64(&seed);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t result = rotate_left(r->s[1] * 5, 7) * 9;
    uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotate_left(r->s[3], 45);
    return result;
}

/* Lemire's multiply-shift with rejection of the uneven rest (2019). */
uint64_t rng_below(struct rng *r, uint64_t bound)
{
    unsigned __int128 product = (unsigned __int128)rng_u64(r) * bound;
    uint64_t low = (uint64_t)product;
    if (low < bound) {
        uint64_t uneven = (0 - bound) % bound;
        while (low < uneven) {
            product = (unsigned __int128)rng_u64(r) * bound;
            low = (uint64_t)product;
        }
    }
    return (uint64_t)(product >> 64);
}

double rng_unit(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1.0p-53;
}

/* Box and Muller (1958); the second value is thrown away, so that the state is just the generator.
 */
float rng_normal(struct rng *r)
{
    double u = 1.0 - rng_unit(r); /* (0, 1]: the logarithm exists */
    double v = rng_unit(r);
    return (float)(sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v));
}

void rng_shuffle_u32(struct rng *r, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = rng_below(r, i);
        uint32_t swapped = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swapped;
    }
}

void rand_bytes(void *out, size_t count)
{
    unsigned char *p = out;
    while (count) {
        ssize_t got = getrandom(p, count, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        p += got;
        count -= (size_t)got;
    }
}

static void uuid_v7(uint8_t id[16])
{
    rand_bytes(id, 16);
    uint64_t ns = (uint64_t)clock_wall_ns(), ms = ns / 1000000;
    unsigned part = (unsigned)(ns % 1000000 * 4096 / 1000000);
    for (int i = 0; i < 6; i++)
        id[i] = (uint8_t)(ms >> (40 - 8 * i));
    id[6] = (uint8_t)(0x70 | part >> 8);
    id[7] = (uint8_t)part;
    id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
}

void rand_uuid(char out[UUID_BYTES])
{
    uint8_t id[16];
    char hex[HEX_ID_BYTES];
    uuid_v7(id);
    hex_encode(id, sizeof id, hex);
    snprintf(out, UUID_BYTES, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

void rand_hex_id(char out[HEX_ID_BYTES])
{
    uint8_t id[16];
    uuid_v7(id);
    hex_encode(id, sizeof id, out);
}
