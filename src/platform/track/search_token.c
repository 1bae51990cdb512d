/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_token.c -- page tokens: the place of the last row of a page, for the next one to begin
 * behind.
 *
 * A token is base64 of: a digest of the search, then each key of the place. The digest keeps people
 * from going on with another filter or order, where the place means nothing. It is no secret: a
 * made-up token is only a made-up place.
 */
#include <string.h>

#include "base/hash.h"
#include "platform/track/search_internal.h"

enum { DIGEST_BYTES = 8, TEXT_BYTES_MAX = 64 * 1024 };

static void hash_str(struct sha256 *h, str s)
{
    uint64_t len = s.len;
    sha256_add(h, &len, sizeof len);
    sha256_add(h, s.ptr ? s.ptr : "", s.len);
}

static void digest_of(const struct search_spec *spec, uint8_t out[SHA256_BYTES])
{
    struct sha256 h;
    const int64_t numbers[] = { spec->kind, (int64_t)spec->order_count, spec->view,
                                (int64_t)spec->experiment_count, (int64_t)spec->field_count };
    sha256_begin(&h);
    sha256_add(&h, numbers, sizeof numbers);
    hash_str(&h, spec->filter);
    for (size_t i = 0; i < spec->order_count; i++)
        hash_str(&h, spec->order_by[i]);
    if (spec->experiment_count)
        sha256_add(&h, spec->experiment_ids, spec->experiment_count * sizeof(int64_t));
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct search_field *f = &spec->fields[i];
        sha256_add(&h, &f->is_descending, sizeof f->is_descending);
        hash_str(&h, f->name);
        hash_str(&h, f->dataset.name);
        hash_str(&h, f->dataset.digest);
    }
    for (size_t i = 0; i < spec->dataset_count; i++) {
        hash_str(&h, spec->datasets[i].name);
        hash_str(&h, spec->datasets[i].digest);
    }
    sha256_end(&h, out);
}

static void write_place(const struct store_value *values, size_t count, struct buf *bytes)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_value *v = &values[i];
        uint64_t bits = 0;
        buf_add_u8(bytes, (uint8_t)v->type);
        if (v->type == STORE_TEXT) {
            buf_add_varint(bytes, v->bytes.len);
            buf_add(bytes, v->bytes);
            continue;
        }
        if (v->type == STORE_REAL)
            memcpy(&bits, &v->real, sizeof bits);
        else
            bits = (uint64_t)v->integer;
        buf_add_u64(bytes, bits);
    }
}

err search_token(const struct search_spec *spec, const struct search_page *page, size_t index,
                 arena *keep, str *ret_token)
{
    uint8_t digest[SHA256_BYTES];
    struct buf bytes;
    buf_init(&bytes, SEARCH_TOKEN_BYTES_MAX / 4 * 3);
    digest_of(spec, digest);
    buf_add_bytes(&bytes, digest, DIGEST_BYTES);
    write_place(page->places + index * page->place_values, page->place_values, &bytes);
    err e = buf_check(&bytes);
    char *text = e.code ? NULL : NEW_ARRAY(keep, char, (bytes.len + 2) / 3 * 4);
    if (text)
        *ret_token = str_from(text, str_base64(buf_str(&bytes), text));
    buf_deinit(&bytes);
    TRY(e);
    ARENA_TRY(text);
    return OK;
}

static err token_bad(void)
{
    return ERR(ERR_INVALID, "Invalid page token, could not base64-decode");
}

static bool place_read(struct cursor *c, const struct search_sort *sorts, size_t count,
                       struct search_place *place)
{
    static const enum store_type types[] = {
        [SEARCH_KEY_INT] = STORE_INT, [SEARCH_KEY_REAL] = STORE_REAL, [SEARCH_KEY_TEXT] = STORE_TEXT
    };
    for (size_t i = 0; i < count; i++) {
        struct store_value *v = &place->values[i];
        v->type = types[sorts[i].type];
        if (cursor_u8(c) != (uint8_t)v->type)
            return false;
        if (v->type == STORE_TEXT) {
            uint64_t len = cursor_varint(c);
            v->bytes = cursor_bytes(c, len <= TEXT_BYTES_MAX ? (size_t)len : SIZE_MAX);
            /* an argument of a statement: UTF-8 without NUL */
            if (c->bad || str_utf8_valid_len(v->bytes) != v->bytes.len ||
                str_find_char(v->bytes, '\0') >= 0)
                return false;
            continue;
        }
        uint64_t bits = cursor_u64(c);
        if (v->type == STORE_REAL)
            memcpy(&v->real, &bits, sizeof bits);
        else
            v->integer = (int64_t)bits;
        if (v->type == STORE_REAL && !(v->real == v->real))
            return false;
    }
    place->count = count;
    return !c->bad && cursor_left(c) == 0;
}

err search_token_read(const struct search_spec *spec, const struct search_sort *sorts, size_t count,
                      arena *keep, struct search_place *ret_place)
{
    uint8_t digest[SHA256_BYTES];
    str token = spec->page_token;
    if (token.len > SEARCH_TOKEN_BYTES_MAX)
        return token_bad();
    char *bytes = NEW_ARRAY(keep, char, token.len / 4 * 3 + 3);
    ARENA_TRY(bytes);
    ptrdiff_t len = str_base64_decode(token, bytes);
    if (len < DIGEST_BYTES)
        return token_bad();
    digest_of(spec, digest);
    if (memcmp(bytes, digest, DIGEST_BYTES) != 0)
        return ERR(ERR_INVALID,
                   "Invalid page token: it is of another search (send it with the same filter,"
                   " order_by and experiments as the page before)");
    struct cursor c = cursor_of(str_from(bytes + DIGEST_BYTES, (size_t)len - DIGEST_BYTES));
    return place_read(&c, sorts, count, ret_place) ? OK : token_bad();
}
