/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/scoring/mlmodel.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

enum { DEPTH_MAX = 16, ENTRIES_MAX = 4096, PATH_BYTES_MAX = 512 };

/* A mapping that is open: where its keys stand, and the path that leads to it. */
struct level {
    size_t indent;
    str path;
};

struct reader {
    str rest;
    arena *keep;
    struct level levels[DEPTH_MAX];
    size_t depth;
    struct mlmodel *m;
    size_t room; /* entries allocated */
    int line;
};

/* ------------------------------------------------------------------ lines */

static str next_line(struct reader *r)
{
    str line = str_split(&r->rest, '\n');
    r->line++;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static size_t indent_of(str line)
{
    size_t n = 0;
    while (n < line.len && line.ptr[n] == ' ')
        n++;
    return n;
}

static bool is_empty(str line)
{
    return indent_of(line) == line.len;
}

/* Whether the next line belongs to a scalar that began on a line indented by `indent`. */
static bool goes_on(const struct reader *r, size_t indent)
{
    str ahead = r->rest;
    while (ahead.len) {
        str line = str_split(&ahead, '\n');
        if (!is_empty(line) && !(line.len == 1 && line.ptr[0] == '\r'))
            return indent_of(line) > indent;
    }
    return false;
}

/* A line break in a scalar is a space, an empty line a line break. */
static void fold(struct buf *out, size_t *breaks)
{
    if (*breaks == 1)
        buf_add_char(out, ' ');
    for (size_t i = 1; i < *breaks; i++)
        buf_add_char(out, '\n');
    *breaks = 0;
}

/* ------------------------------------------------------------------ scalars */

static void add_code_point(struct buf *out, str digits)
{
    uint32_t c = 0;
    char utf8[4];
    for (size_t i = 0; i < digits.len; i++) {
        char d = digits.ptr[i];
        c = c * 16 + (uint32_t)(d <= '9' ? d - '0' : (d | 32) - 'a' + 10);
    }
    if (c < 0x110000)
        buf_add_bytes(out, utf8, str_utf8_put(c, utf8));
}

static bool is_hex(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789abcdefABCDEF", s.ptr[i]) || s.ptr[i] == '\0')
            return false;
    return true;
}

/* What stands behind a backslash; returns how many bytes of `s` that is. */
static size_t escape(struct buf *out, str s)
{
    static const char names[] = "0abtnvfre \"/\\", bytes[] = "\0\a\b\t\n\v\f\r\x1b \"/\\";
    const char *at = s.len && s.ptr[0] ? strchr(names, s.ptr[0]) : NULL;
    if (at) {
        buf_add_char(out, bytes[at - names]);
        return 1;
    }
    size_t digits = !s.len            ? 0
                    : s.ptr[0] == 'x' ? 2
                    : s.ptr[0] == 'u' ? 4
                    : s.ptr[0] == 'U' ? 8
                                      : 0;
    if (digits && s.len > digits && is_hex(str_sub(s, 1, digits))) {
        add_code_point(out, str_sub(s, 1, digits));
        return digits + 1;
    }
    return 0;
}

/* One line of a quoted scalar, from behind the quote or from the start of a further line. Sets
 * *ended at the closing quote. A backslash at the end of a line takes the break away. */
static void quoted_line(struct buf *out, str s, char quote, bool *ended, size_t *breaks)
{
    *breaks = 1;
    for (size_t i = 0; i < s.len; i++) {
        if (quote == '"' && s.ptr[i] == '\\') {
            if (i + 1 == s.len)
                *breaks = 0;
            else
                i += escape(out, str_sub(s, i + 1, s.len));
        } else if (s.ptr[i] != quote) {
            buf_add_char(out, s.ptr[i]);
        } else if (quote == '\'' && i + 1 < s.len && s.ptr[i + 1] == '\'') {
            buf_add_char(out, s.ptr[i++]);
        } else {
            *ended = true;
            return;
        }
    }
}

static str right_trimmed(str s)
{
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* A scalar that begins with `first`, on a line indented by `indent`. */
static err read_scalar(struct reader *r, str first, size_t indent, str *ret_value)
{
    struct buf out;
    bool quoted = first.len && (first.ptr[0] == '\'' || first.ptr[0] == '"'), ended = false;
    char quote = quoted ? first.ptr[0] : 0;
    size_t breaks = 1;
    buf_init(&out, MLMODEL_BYTES_MAX);
    if (quoted)
        quoted_line(&out, right_trimmed(str_sub(first, 1, first.len)), quote, &ended, &breaks);
    else
        buf_add(&out, right_trimmed(first));
    while (!ended && r->rest.len && (quoted || goes_on(r, indent))) {
        str line = next_line(r);
        if (is_empty(line)) {
            breaks++;
            continue;
        }
        fold(&out, &breaks);
        line = right_trimmed(str_sub(line, indent_of(line), line.len));
        if (quoted) {
            quoted_line(&out, line, quote, &ended, &breaks);
        } else {
            buf_add(&out, line);
            breaks = 1;
        }
    }
    err e = buf_check(&out);
    if (!e.code && quoted && !ended)
        e = ERR(ERR_INVALID, "line %d: a text in quotes does not end", r->line);
    if (!e.code) {
        *ret_value = arena_str(r->keep, buf_str(&out));
        e = arena_check(r->keep);
    }
    buf_deinit(&out);
    return e;
}

/* ------------------------------------------------------------------ mappings */

static err add_entry(struct reader *r, str path, str value)
{
    struct mlmodel *m = r->m;
    if (m->entry_count == ENTRIES_MAX)
        return ERR(ERR_TOO_BIG, "it has more than %d values", ENTRIES_MAX);
    if (m->entry_count == r->room) {
        size_t room = r->room ? 2 * r->room : 64;
        struct mlmodel_entry *grown = NEW_ARRAY(r->keep, struct mlmodel_entry, room);
        ARENA_TRY(grown);
        for (size_t i = 0; i < m->entry_count; i++)
            grown[i] = m->entries[i];
        m->entries = grown;
        r->room = room;
    }
    if (str_eq(value, STR("null")) || str_eq(value, STR("~")))
        value = STR_NONE;
    m->entries[m->entry_count++] = (struct mlmodel_entry){ path, value };
    return OK;
}

/* Where the key of "key: value" ends, or -1. A key in quotes has no quote inside. */
static ptrdiff_t key_end(str line)
{
    size_t from = 0;
    if (line.len && (line.ptr[0] == '\'' || line.ptr[0] == '"')) {
        ptrdiff_t close = str_find_char(str_sub(line, 1, line.len), line.ptr[0]);
        if (close < 0)
            return -1;
        from = (size_t)close + 2;
    }
    for (size_t i = from; i < line.len; i++)
        if (line.ptr[i] == ':' && (i + 1 == line.len || line.ptr[i + 1] == ' '))
            return (ptrdiff_t)i;
    return -1;
}

static str unquoted(str key)
{
    bool quoted = key.len >= 2 && (key.ptr[0] == '\'' || key.ptr[0] == '"');
    return quoted ? str_sub(key, 1, key.len - 2) : key;
}

static err read_key(struct reader *r, str line, size_t indent, size_t colon)
{
    while (r->depth > 1 && r->levels[r->depth - 1].indent >= indent)
        r->depth--;
    str parent = r->levels[r->depth - 1].path, key = unquoted(str_sub(line, 0, colon));
    str path = parent.len ? arena_fmt(r->keep, "%.*s.%.*s", STR_ARG(parent), STR_ARG(key))
                          : arena_str(r->keep, key);
    ARENA_TRY(path.ptr);
    if (path.len > PATH_BYTES_MAX)
        return ERR(ERR_TOO_BIG, "line %d: names of more than %d bytes", r->line, PATH_BYTES_MAX);
    str value = str_trim(str_sub(line, colon + 1, line.len));
    if (value.len) {
        TRY(read_scalar(r, value, indent, &value));
    } else {
        if (r->depth == DEPTH_MAX)
            return ERR(ERR_TOO_BIG, "line %d: nested deeper than %d", r->line, DEPTH_MAX);
        r->levels[r->depth++] = (struct level){ indent, path };
    }
    return add_entry(r, path, value);
}

static err read_lines(struct reader *r)
{
    while (r->rest.len) {
        str line = next_line(r);
        size_t indent = indent_of(line);
        line = str_sub(line, indent, line.len);
        if (line.len == 0 || line.ptr[0] == '#' || str_starts(line, STR("---")))
            continue;
        /* items of lists: nothing in them matters here, and no path leads to it */
        while (str_starts(line, STR("- "))) {
            line = str_sub(line, 2, line.len);
            indent += 2;
        }
        ptrdiff_t colon = key_end(line);
        if (colon > 0)
            TRY(read_key(r, line, indent, (size_t)colon));
        else if (r->m->entry_count == 0)
            return ERR(ERR_INVALID, "line %d: expected 'name: value'", r->line);
    }
    return OK;
}

/* ------------------------------------------------------------------ signature */

static const char *const type_names[] = {
    [COLUMN_BOOLEAN] = "boolean", [COLUMN_INTEGER] = "integer", [COLUMN_LONG] = "long",
    [COLUMN_FLOAT] = "float",     [COLUMN_DOUBLE] = "double",   [COLUMN_STRING] = "string",
    [COLUMN_OTHER] = "other",
};

const char *column_type_name(enum column_type type)
{
    return type_names[type];
}

static enum column_type type_of(str name)
{
    for (size_t i = 0; i < COLUMN_OTHER; i++)
        if (str_eq(name, str_of(type_names[i])))
            return (enum column_type)i;
    return COLUMN_OTHER;
}

static err read_tensor(const struct json *input, struct signature *s)
{
    const struct json *spec = json_get(input, "tensor-spec"), *shape = json_get(spec, "shape");
    s->tensor_type = json_str(json_get(spec, "dtype"), STR_NONE);
    s->is_tensor = true;
    s->dims = json_count(shape);
    if (s->dims > MLMODEL_DIMS_MAX)
        return ERR(ERR_TOO_BIG, "its signature has a tensor of more than %d dimensions",
                   MLMODEL_DIMS_MAX);
    for (size_t i = 0; i < s->dims; i++)
        s->shape[i] = json_int(json_at(shape, i), -1);
    return OK;
}

static err read_inputs(const struct json *inputs, arena *keep, struct signature *s)
{
    size_t count = json_count(inputs);
    if (count > MLMODEL_COLUMNS_MAX)
        return ERR(ERR_TOO_BIG, "its signature has %zu columns, at most %d are served", count,
                   MLMODEL_COLUMNS_MAX);
    s->is_given = true;
    s->columns = NEW_ARRAY(keep, struct column_spec, count ? count : 1);
    ARENA_TRY(s->columns);
    for (size_t i = 0; i < count; i++) {
        const struct json *input = json_at(inputs, i);
        str type = json_str(json_get(input, "type"), STR_NONE);
        struct column_spec *c = &s->columns[i];
        c->name = json_str(json_get(input, "name"), STR_NONE);
        c->type = type_of(type);
        c->is_optional = !json_bool(json_get(input, "required"), true) ||
                         json_bool(json_get(input, "optional"), false);
        s->is_named = s->is_named || c->name.len;
        if (str_eq(type, STR("tensor")))
            TRY(read_tensor(input, s));
        else if (c->type == COLUMN_OTHER)
            s->is_unreadable = true;
    }
    s->column_count = count;
    if (s->is_tensor && (count > 1 || s->is_named))
        s->is_unreadable = true;
    return OK;
}

static err read_signature(struct mlmodel *m, arena *keep)
{
    const struct json *inputs;
    str text = mlmodel_value(m, "signature.inputs");
    m->signature.has_params = mlmodel_value(m, "signature.params").len > 0;
    if (text.len == 0)
        return OK;
    TRY(err_wrap(json_parse(keep, text, &inputs), "its signature's inputs"));
    if (json_kind(inputs) != JSON_IS_ARRAY)
        return ERR(ERR_INVALID, "its signature's inputs are no list");
    return read_inputs(inputs, keep, &m->signature);
}

err mlmodel_read(str text, arena *keep, struct mlmodel *ret_model)
{
    struct mlmodel m = { .entry_count = 0 };
    struct reader r = { .rest = text, .keep = keep, .m = &m, .depth = 1 };
    if (text.len > MLMODEL_BYTES_MAX)
        return ERR(ERR_TOO_BIG, "the file MLmodel has %zu bytes, at most %d are read", text.len,
                   MLMODEL_BYTES_MAX);
    TRY(err_wrap(read_lines(&r), "the file MLmodel"));
    TRY(err_wrap(read_signature(&m, keep), "the file MLmodel"));
    *ret_model = m;
    return OK;
}

/* ------------------------------------------------------------------ answers */

str mlmodel_value(const struct mlmodel *m, const char *path)
{
    for (size_t i = 0; i < m->entry_count; i++)
        if (str_eq(m->entries[i].path, str_of(path)))
            return m->entries[i].value;
    return STR_NONE;
}

/* The name in "flavors.NAME"; empty for other paths. */
static str flavour_of(str path)
{
    static const char prefix[] = "flavors.";
    if (!str_starts(path, STR("flavors.")))
        return STR_NONE;
    str name = str_sub(path, sizeof prefix - 1, path.len);
    return str_find_char(name, '.') < 0 ? name : STR_NONE;
}

bool mlmodel_has_flavour(const struct mlmodel *m, const char *flavour)
{
    for (size_t i = 0; i < m->entry_count; i++)
        if (str_eq(flavour_of(m->entries[i].path), str_of(flavour)))
            return true;
    return false;
}

void mlmodel_flavours(const struct mlmodel *m, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < m->entry_count; i++) {
        str name = flavour_of(m->entries[i].path);
        if (name.len == 0 || used + 1 >= bytes)
            continue;
        int n = snprintf(out + used, bytes - used, "%s%.*s", used ? ", " : "", STR_ARG(name));
        used += n > 0 ? (size_t)n : 0;
    }
}
