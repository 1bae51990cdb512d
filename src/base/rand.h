/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rand.h -- seeded pseudo-random numbers (same seed, same numbers, any machine), and real
 * randomness from the kernel for ids and keys. */
#ifndef SKERRY_BASE_RAND_H
#define SKERRY_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* xoshiro256** by Blackman and Vigna (2018), seeded through splitmix64. */
struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* uniform in [0, bound), unbiased; bound > 0 */
double rng_unit(struct rng *r);                    /* [0, 1), 53 bits */
float rng_normal(struct rng *r);                   /* mean 0, variance 1 */
/* Shuffles uniformly (Fisher-Yates). */
void rng_shuffle_u32(struct rng *r, uint32_t *items, size_t count);

#define RAND_MIX_STEP 0x9E3779B97F4A7C15u
/* One step of splitmix64 (Steele, Lea and Flood 2014): every bit of x moves half of the result, and
 * no two x give the same. For counters and for hashes whose bits are not all good; no secret. */
static inline uint64_t rand_mix(uint64_t x)
{
    x += RAND_MIX_STEP;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Kernel randomness. Aborts if the kernel has none: there is no safe way on. */
void rand_bytes(void *out, size_t count);

enum { UUID_BYTES = 37, HEX_ID_BYTES = 33 };
/* UUID version 7 (RFC 9562): starts with the time, so that new rows land at the end of an index.
 * The time is exact to a quarter of a microsecond (method 3 there), so that what one process makes
 * one after the other with any work in between also sorts so. */
void rand_uuid(char out[UUID_BYTES]);
/* The same without dashes: the shape of a run id, which MLflow clients expect. */
void rand_hex_id(char out[HEX_ID_BYTES]);

#endif
