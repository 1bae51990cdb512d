/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass over the SQL text. Only the outermost level counts: an "@" inside a quoted text, a
 * quoted name or a comment is data, and belongs to whoever wrote it. */
#include "platform/store/dialect.h"

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

size_t dialect_opaque_len(str sql, size_t at)
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

/* True when the word in front of `at` is AS: the type of a cast. */
static bool is_cast(str sql, size_t at)
{
    str before = str_trim(str_sub(sql, 0, at));
    return before.len > 2 && !is_word_char(before.ptr[before.len - 3]) &&
           str_eq_nocase(str_sub(before, before.len - 2, 2), STR("AS"));
}

err dialect_translate(const struct dialect_word *words, str sql, struct buf *out)
{
    size_t at = 0;
    while (at < sql.len) {
        size_t skip = dialect_opaque_len(sql, at);
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
                       "@blob @strict @clustered @instr @rlike @skip_locked)",
                       STR_ARG(word));
        buf_add(out, w->cast.len && is_cast(sql, at) ? w->cast : w->text);
        at = end;
    }
    return OK;
}
