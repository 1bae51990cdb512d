/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hash.h -- SHA-256 (through nettle), for digests that are stored or compared with the outside. */
#ifndef SKERRY_BASE_HASH_H
#define SKERRY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <nettle/sha2.h>

#include "base/str.h"

enum { SHA256_BYTES = 32, SHA256_HEX_BYTES = 65 };

struct sha256 {
    struct sha256_ctx ctx;
};

void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *bytes, size_t count);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_BYTES]);
void sha256_end_hex(struct sha256 *h, char out[SHA256_HEX_BYTES]); /* lower case */
void sha256_of(str s, uint8_t out[SHA256_BYTES]);
void sha256_hex_of(str s, char out[SHA256_HEX_BYTES]);

void hex_encode(const uint8_t *bytes, size_t count, char *out); /* 2*count characters and a NUL */

/* True when the bytes are equal; the time taken does not tell where they differ. */
bool hash_equal_secret(const void *a, const void *b, size_t count);

#endif
