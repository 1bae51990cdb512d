/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_yaml.c -- what MLflow's folders hold, as far as they use it: flat YAML, lines of metrics.
 *
 * MLflow writes meta.yaml with safe_dump: a field a line; a value is plain, 'single' or "double"
 * quoted; a long one goes on in lines that are indented. Lists and maps inside are passed over.
 */
#include <math.h>
#include <string.h>

#include "apps/mlflow/import.h"

static bool is_blank(str line)
{
    str t = str_trim(line);
    return t.len == 0 || t.ptr[0] == '#' || str_eq(t, STR("---")) || str_eq(t, STR("..."));
}

static err bad(size_t line, const char *why)
{
    return ERR(ERR_INVALID, "line %zu: %s", line, why);
}

/* ------------------------------------------------------------------ values */

static err unescape(str in, size_t line, arena *keep, str *ret_value)
{
    static const char from[] = "0abtnvfre \"/\\", to[] = "\0\a\b\t\n\v\f\r\033 \"/\\";
    char *out = arena_alloc(keep, in.len * 2 + 1, 1, 1);
    size_t n = 0;
    ARENA_TRY(out);
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != '\\' || i + 1 >= in.len) {
            out[n++] = in.ptr[i];
            continue;
        }
        char c = in.ptr[++i];
        size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        const char *at = memchr(from, c, sizeof from - 1);
        if (digits) {
            uint32_t code = 0;
            for (size_t k = 0; k < digits; k++) {
                char d = i + 1 < in.len ? in.ptr[++i] : '?';
                int v = d >= '0' && d <= '9'   ? d - '0'
                        : d >= 'a' && d <= 'f' ? d - 'a' + 10
                        : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                               : -1;
                if (v < 0)
                    return bad(line, "a broken escape");
                code = code << 4 | (uint32_t)v;
            }
            if (code >= 0x110000 || (code >= 0xd800 && code < 0xe000))
                return bad(line, "an escape that is no character");
            n += str_utf8_put(code, out + n);
        } else if (at) {
            out[n++] = to[at - from];
        } else {
            return bad(line, "an escape that is not known");
        }
    }
    *ret_value = str_from(out, n);
    return OK;
}

static err unquote_single(str in, arena *keep, str *ret_value)
{
    char *out = arena_alloc(keep, in.len + 1, 1, 1);
    size_t n = 0;
    ARENA_TRY(out);
    for (size_t i = 0; i < in.len; i++) {
        out[n++] = in.ptr[i];
        if (in.ptr[i] == '\'' && i + 1 < in.len && in.ptr[i + 1] == '\'')
            i++;
    }
    *ret_value = str_from(out, n);
    return OK;
}

static bool is_null(str text)
{
    return text.len == 0 || str_eq(text, STR("null")) || str_eq(text, STR("~")) ||
           str_eq(text, STR("Null")) || str_eq(text, STR("NULL"));
}

/* Is a text that begins with a quote complete? */
static bool is_closed(str text)
{
    char quote = text.ptr[0];
    for (size_t i = 1; i < text.len; i++) {
        if (quote == '"' && text.ptr[i] == '\\')
            i++;
        else if (quote == '\'' && text.ptr[i] == '\'' && i + 1 < text.len &&
                 text.ptr[i + 1] == '\'')
            i++;
        else if (text.ptr[i] == quote)
            return i + 1 == text.len;
    }
    return false;
}

static err value_of(str text, size_t line, arena *keep, struct import_field *f)
{
    if (text.len && (text.ptr[0] == '"' || text.ptr[0] == '\'')) {
        if (text.len < 2 || !is_closed(text))
            return bad(line, "a quote that does not end");
        str inner = str_sub(text, 1, text.len - 2);
        return text.ptr[0] == '"' ? unescape(inner, line, keep, &f->value)
                                  : unquote_single(inner, keep, &f->value);
    }
    f->is_null = is_null(text);
    f->value = f->is_null ? STR_NONE : text;
    return OK;
}

/* ------------------------------------------------------------------ lines */

static bool is_deeper(str line, size_t indent)
{
    size_t n = 0;
    while (n < line.len && line.ptr[n] == ' ')
        n++;
    return n == line.len || line.ptr[n] == '\n' || n > indent;
}

/* A value that goes on in lines that are indented more: joined by blanks, and by a line break for
 * each empty line between, as YAML folds it; what a quoted line ends with a backslash for is joined
 * without. */
static err join_lines(str first, size_t indent, str *rest, size_t *line, arena *keep,
                      str *ret_value)
{
    struct buf joined;
    size_t lines = 0, empty = 0;
    buf_init(&joined, IMPORT_YAML_BYTES_MAX);
    buf_add(&joined, first);
    while (rest->len && is_deeper(*rest, indent)) {
        str more = str_trim(str_split(rest, '\n'));
        (*line)++;
        lines++;
        if (!more.len) {
            empty++;
            continue;
        }
        bool is_escaped = joined.len && joined.ptr[joined.len - 1] == '\\' && first.ptr[0] == '"';
        if (is_escaped)
            joined.len--;
        else if (!empty)
            buf_add_char(&joined, ' ');
        for (; empty; empty--)
            buf_add_char(&joined, '\n');
        if (is_escaped && str_starts(more, STR("\\ ")))
            more = str_sub(more, 1, more.len);
        buf_add(&joined, more);
    }
    err e = buf_check(&joined);
    if (!e.code)
        *ret_value = lines ? arena_str(keep, buf_str(&joined)) : first;
    buf_deinit(&joined);
    return e.code ? e : arena_check(keep);
}

/* Where the colon behind a key is: behind a quoted one, before a blank or the end. -1: nowhere. */
static ptrdiff_t colon_of(str line)
{
    size_t i = 0;
    if (line.len && (line.ptr[0] == '\'' || line.ptr[0] == '"')) {
        char quote = line.ptr[0];
        for (i = 1; i < line.len && line.ptr[i] != quote; i++)
            if (quote == '"' && line.ptr[i] == '\\')
                i++;
    }
    for (; i < line.len; i++)
        if (line.ptr[i] == ':' && (i + 1 == line.len || line.ptr[i + 1] == ' '))
            return (ptrdiff_t)i;
    return -1;
}

/* "key: value", perhaps going on below. */
static err take_field(str each, str parent, str *rest, size_t *line, arena *keep,
                      struct import_meta *meta)
{
    ptrdiff_t colon = colon_of(each);
    if (colon < 1)
        return bad(*line, "not \"key: value\"");
    if (meta->count == IMPORT_YAML_MAX)
        return bad(*line, "too many fields");
    struct import_field *f = &meta->fields[meta->count];
    *f = (struct import_field){ .parent = parent };
    struct import_field name = { .is_null = false };
    TRY(value_of(str_trim(str_sub(each, 0, (size_t)colon)), *line, keep, &name));
    f->key = name.value;
    str value = str_trim(str_sub(each, (size_t)colon + 1, each.len));
    bool is_text = value.len && !strchr("|>[{", value.ptr[0]);
    if (is_text)
        TRY(join_lines(value, parent.len ? 2 : 0, rest, line, keep, &value));
    if (is_text || value.len == 0)
        TRY(value_of(value, *line, keep, f));
    else
        f->is_null = true;
    meta->count++;
    return OK;
}

err import_yaml(str text, arena *keep, struct import_meta *ret_meta)
{
    size_t line = 0;
    str parent = STR_NONE;
    ret_meta->count = 0;
    if (text.len > IMPORT_YAML_BYTES_MAX)
        return ERR(ERR_TOO_BIG, "more than %d bytes", IMPORT_YAML_BYTES_MAX);
    for (str rest = text; rest.len;) {
        str each = str_split(&rest, '\n');
        line++;
        if (str_ends(each, STR("\r"))) /* written on Windows */
            each.len--;
        /* A list below a key may stand at its column. */
        if (is_blank(each) || each.ptr[0] == '-')
            continue;
        if (each.ptr[0] != ' ') {
            TRY(take_field(each, STR_NONE, &rest, &line, keep, ret_meta));
            const struct import_field *last = &ret_meta->fields[ret_meta->count - 1];
            parent = last->is_null ? last->key : STR_NONE;
        } else if (parent.len && each.len > 3 && str_starts(each, STR("  ")) &&
                   each.ptr[2] != ' ' && each.ptr[2] != '-') {
            TRY(take_field(str_sub(each, 2, each.len), parent, &rest, &line, keep, ret_meta));
        }
    }
    return OK;
}

str import_meta_str(const struct import_meta *m, const char *key)
{
    for (size_t i = 0; i < m->count; i++)
        if (!m->fields[i].parent.len && str_eq(m->fields[i].key, str_of(key)))
            return m->fields[i].value;
    return STR_NONE;
}

int64_t import_meta_int(const struct import_meta *m, const char *key, int64_t otherwise)
{
    int64_t value;
    return str_to_i64(import_meta_str(m, key), &value).code ? otherwise : value;
}

/* ------------------------------------------------------------------ metrics */

static bool real_of(str text, double *ret_value)
{
    static const struct {
        const char *name;
        double value;
    } named[] = { { "nan", NAN },        { "-nan", NAN },          { "inf", INFINITY },
                  { "-inf", -INFINITY }, { "infinity", INFINITY }, { "-infinity", -INFINITY } };
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (str_eq_nocase(text, str_of(named[i].name))) {
            *ret_value = named[i].value;
            return true;
        }
    return !str_to_f64(text, ret_value).code;
}

bool import_point_parse(str line, struct import_point *ret_point)
{
    str rest = str_trim(line);
    str time = str_split(&rest, ' ');
    str value = str_split(&rest, ' ');
    *ret_point = (struct import_point){ 0 };
    if (str_to_i64(time, &ret_point->ts_ms).code || !real_of(value, &ret_point->value))
        return false;
    str step = str_split(&rest, ' ');
    ret_point->rest = str_trim(rest);
    return step.len == 0 || !str_to_i64(step, &ret_point->step).code;
}
