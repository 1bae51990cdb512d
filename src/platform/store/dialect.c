/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass over the SQL text. Only the outermost level counts: an "@" inside a quoted text, a
 * quoted name or a comment is data, and belongs to whoever wrote it. */
#include "platform/store/dialect.h"

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The length of the quoted text or comment at `at`; 0 when there is none. A quote inside quotes is
 * doubled, which reads as one quoted text right behind another. */
static size_t opaque_len(str sql, size_t at)
{
    str rest = str_sub(sql, at, sql.len);
    str end;
    size_t open_len;
    if (str_starts(rest, STR("'"))) {
        end = STR("'");
        open_len = 1;
    } else if (str_starts(rest, STR("\""))) {
        end = STR("\"");
        open_len = 1;
    } else if (str_starts(rest, STR("--"))) {
        end = STR("\n");
        open_len = 2;
    } else if (str_starts(rest, STR("/*"))) {
        end = STR("*/");
        open_len = 2;
    } else {
        return 0;
    }
    ptrdiff_t found = str_find(str_sub(rest, open_len, rest.len), end);
    return found < 0 ? rest.len : open_len + (size_t)found + end.len;
}

err dialect_translate(const struct dialect_word *words, str sql, struct buf *out)
{
    size_t at = 0;
    while (at < sql.len) {
        size_t skip = opaque_len(sql, at);
        if (!skip && sql.ptr[at] != '@')
            skip = 1;
        if (skip) {
            buf_add(out, str_sub(sql, at, skip));
            at += skip;
            continue;
        }
        size_t end = at + 1;
        while (end < sql.len && is_word_char(sql.ptr[end]))
            end++;
        str word = str_sub(sql, at + 1, end - at - 1);
        const struct dialect_word *w = words;
        while (w->word.len && !str_eq(w->word, word))
            w++;
        if (!w->word.len)
            return ERR(ERR_INTERNAL,
                       "SQL uses '@%.*s', which is no word of store.h (known: @id @int @real @text "
                       "@blob @strict)",
                       STR_ARG(word));
        buf_add(out, w->text);
        at = end;
    }
    return OK;
}
