/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/hash.h"

void sha256_begin(struct sha256 *h)
{
    sha256_init(&h->ctx);
}

void sha256_add(struct sha256 *h, const void *bytes, size_t count)
{
    if (count)
        sha256_update(&h->ctx, count, bytes);
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_BYTES])
{
    sha256_digest(&h->ctx, SHA256_BYTES, out);
}

void sha256_end_hex(struct sha256 *h, char out[SHA256_HEX_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    sha256_end(h, digest);
    hex_encode(digest, sizeof digest, out);
}

void sha256_of(str s, uint8_t out[SHA256_BYTES])
{
    struct sha256 h;
    sha256_begin(&h);
    sha256_add(&h, s.ptr, s.len);
    sha256_end(&h, out);
}

void sha256_hex_of(str s, char out[SHA256_HEX_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(s, digest);
    hex_encode(digest, sizeof digest, out);
}

void hex_encode(const uint8_t *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}

bool hash_equal_secret(const void *a, const void *b, size_t count)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char differs = 0;
    for (size_t i = 0; i < count; i++)
        differs = (unsigned char)(differs | (x[i] ^ y[i]));
    return differs == 0;
}
