/* SPDX-License-Identifier: GPL-3.0-or-later */
/* buf.h -- a growable byte buffer that cannot be made without a maximum, and a cursor to read one.
 *
 * Writing is sticky: the first refusal (maximum reached, no memory) is remembered, later writes do
 * nothing, and buf_check() reports it once at the end. So writers read like the format they write.
 * `ptr` is never NULL after the first write and always NUL-terminated behind len.
 *
 * The cursor is sticky in the same way: reading past the end returns zeros and sets `bad`.
 */
#ifndef SKERRY_BASE_BUF_H
#define SKERRY_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t bytes_max;
    bool failed;
    bool is_out_of_memory; /* why, when it failed; otherwise it was bytes_max */
};

void buf_init(struct buf *b, size_t bytes_max);
void buf_deinit(struct buf *b); /* accepts all zero */
void buf_clear(struct buf *b);  /* empty and not failed; keeps its memory */
MUST_USE err
buf_check(const struct buf *b);   /* ERR_TOO_BIG or ERR_NO_MEMORY if a write was refused */
str buf_str(const struct buf *b); /* valid until the next write */

void buf_add(struct buf *b, str s);
void buf_add_char(struct buf *b, char c);
void buf_add_cstr(struct buf *b, const char *s);
void buf_add_bytes(struct buf *b, const void *bytes, size_t count);
void buf_add_fmt(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_add_vfmt(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
void buf_add_i64(struct buf *b, int64_t value);
void buf_add_f64(struct buf *b,
                 double value); /* shortest text that reads back the same; JSON form */
/* The same, but whole ones as 1.0: whoever reads it sees what type it is. */
void buf_add_real(struct buf *b, double value);

/* Little-endian binary. Varint is LEB128, unsigned. */
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_f32(struct buf *b, float v);
void buf_add_varint(struct buf *b, uint64_t v);

/* Makes room for `count` more bytes and returns where they go; NULL when refused. The caller writes
 * and then adds to b->len itself. */
char *buf_reserve(struct buf *b, size_t count);

struct cursor {
    const unsigned char *next, *end;
    bool bad; /* something was read that is not there */
};

struct cursor cursor_of(str s);
size_t cursor_left(const struct cursor *c);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
float cursor_f32(struct cursor *c);
uint64_t cursor_varint(struct cursor *c);         /* more than ten bytes, or an overflow, is bad */
str cursor_bytes(struct cursor *c, size_t count); /* slice of the input; empty when bad */

#endif
