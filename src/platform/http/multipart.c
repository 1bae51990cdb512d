/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/http/multipart.h"

#include <string.h>

#include "platform/http/path.h"

enum { PADDING_MAX = 256 }; /* white space behind a boundary */

/* ------------------------------------------------------------------ header parameters */

/* A value behind "=": a token, or a quoted string. Returns what was used of `rest`. */
static size_t param_value(str rest, char *out, size_t *ret_len)
{
    size_t len = 0;
    size_t at = 0;
    if (rest.len == 0 || rest.ptr[0] != '"') {
        while (at < rest.len && rest.ptr[at] != ';' && rest.ptr[at] != ' ' && rest.ptr[at] != '\t')
            out[len++] = rest.ptr[at++];
        *ret_len = len;
        return at;
    }
    for (at = 1; at < rest.len && rest.ptr[at] != '"'; at++) {
        bool escapes = rest.ptr[at] == '\\' && at + 1 < rest.len &&
                       (rest.ptr[at + 1] == '"' || rest.ptr[at + 1] == '\\');
        at += escapes;
        out[len++] = rest.ptr[at];
    }
    *ret_len = len;
    return at < rest.len ? at + 1 : at;
}

bool header_param(str value, str name, char *out, str *ret_param)
{
    str_split(&value, ';');
    while (value.len) {
        value = str_trim(value);
        ptrdiff_t equals = str_find_char(value, '=');
        ptrdiff_t semicolon = str_find_char(value, ';');
        if (equals < 0 || (semicolon >= 0 && semicolon < equals)) {
            str_split(&value, ';'); /* a parameter without a value */
            continue;
        }
        str key = str_trim(str_sub(value, 0, (size_t)equals));
        value = str_trim(str_sub(value, (size_t)equals + 1, value.len));
        size_t len = 0;
        size_t used = param_value(value, out, &len);
        if (str_eq_nocase(key, name)) {
            *ret_param = str_from(out, len);
            return true;
        }
        value = str_sub(value, used, value.len);
        str_split(&value, ';');
    }
    return false;
}

/* ------------------------------------------------------------------ a part's head */

/* filename*=UTF-8''na%C3%AFve.txt (RFC 5987), which some clients send. */
static bool extended_filename(str disposition, char *out, str *ret_filename)
{
    char raw[MULTIPART_HEAD_BYTES_MAX];
    str value;
    if (!header_param(disposition, STR("filename*"), raw, &value) || value.len < 7 ||
        !str_eq_nocase(str_sub(value, 0, 6), STR("UTF-8'")))
        return false;
    value = str_sub(value, 6, value.len);
    str_split(&value, '\''); /* the language */
    ptrdiff_t len = percent_decode(value, false, out);
    if (len <= 0)
        return false;
    *ret_filename = str_from(out, (size_t)len);
    return true;
}

/* Shown to people and kept in tables: valid UTF-8 without control characters. */
static str make_printable(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            text[i] = '?';
    size_t good = 0;
    while ((good += str_utf8_valid_len(str_from(text + good, len - good))) < len)
        text[good] = '?';
    return str_from(text, len);
}

static err part_begin(struct multipart *m, str head)
{
    str disposition = STR_NONE;
    while (head.len) {
        ptrdiff_t end = str_find(head, STR("\r\n"));
        str line = str_sub(head, 0, end < 0 ? head.len : (size_t)end);
        head = end < 0 ? STR_NONE : str_sub(head, (size_t)end + 2, head.len);
        ptrdiff_t colon = str_find_char(line, ':');
        if (colon > 0 &&
            str_eq_nocase(str_trim(str_sub(line, 0, (size_t)colon)), STR("content-disposition")))
            disposition = str_trim(str_sub(line, (size_t)colon + 1, line.len));
    }
    char name_bytes[MULTIPART_HEAD_BYTES_MAX], filename_bytes[MULTIPART_HEAD_BYTES_MAX];
    str name, filename = STR_NONE;
    if (!header_param(disposition, STR("name"), name_bytes, &name))
        return ERR(ERR_INVALID, "part %zu of the form has no Content-Disposition with a name",
                   m->part_count);
    bool is_file = extended_filename(disposition, filename_bytes, &filename) ||
                   header_param(disposition, STR("filename"), filename_bytes, &filename);
    if (name.len > MULTIPART_NAME_BYTES_MAX || filename.len > MULTIPART_NAME_BYTES_MAX)
        return ERR(ERR_INVALID, "part %zu of the form has a name longer than %d bytes",
                   m->part_count, MULTIPART_NAME_BYTES_MAX);
    name = make_printable(name_bytes, name.len);
    filename = is_file ? make_printable(filename_bytes, filename.len) : STR_NONE;
    return m->events.part_begin(m->events.arg, name, filename);
}

/* ------------------------------------------------------------------ the stream */

err multipart_init(struct multipart *m, str content_type, struct multipart_events events)
{
    char out[1024];
    str boundary;
    if (content_type.len > sizeof out ||
        !header_param(content_type, STR("boundary"), out, &boundary) || boundary.len == 0)
        return ERR(ERR_INVALID, "the Content-Type multipart/form-data names no boundary");
    if (boundary.len > MULTIPART_BOUNDARY_MAX)
        return ERR(ERR_INVALID, "the multipart boundary is longer than %d bytes",
                   MULTIPART_BOUNDARY_MAX);
    *m = (struct multipart){ .events = events, .delimiter_len = 4 + boundary.len };
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.ptr, boundary.len);
    return OK;
}

static str delimiter_of(const struct multipart *m)
{
    return str_from(m->delimiter, m->delimiter_len);
}

/* What stands before the first delimiter is ignored; that delimiter may lack its line break. */
static err feed_preamble(struct multipart *m, str data, bool *ret_more, size_t *ret_used)
{
    str bare = str_sub(delimiter_of(m), 2, m->delimiter_len);
    if (m->preamble_bytes == 0 && data.len < bare.len) {
        *ret_more = true;
        return OK;
    }
    if (m->preamble_bytes == 0 && str_starts(data, bare)) {
        m->state = MULTIPART_DELIMITER;
        *ret_used = bare.len;
        return OK;
    }
    ptrdiff_t at = str_find(data, delimiter_of(m));
    size_t skipped = at >= 0                        ? (size_t)at
                     : data.len >= m->delimiter_len ? data.len - (m->delimiter_len - 1)
                                                    : 0;
    m->preamble_bytes += skipped;
    if (m->preamble_bytes > MULTIPART_HEAD_BYTES_MAX)
        return ERR(ERR_INVALID, "the multipart body does not start with its boundary");
    *ret_used = skipped + (at >= 0 ? m->delimiter_len : 0);
    *ret_more = at < 0;
    if (at >= 0)
        m->state = MULTIPART_DELIMITER;
    return OK;
}

/* Behind a delimiter: "--" ends the form, a line break starts a part. */
static err feed_delimiter(struct multipart *m, str data, bool *ret_more, size_t *ret_used)
{
    size_t at = 0;
    if (str_starts(data, STR("--"))) {
        m->state = MULTIPART_END;
        *ret_used = 2;
        return OK;
    }
    while (at < data.len && at < PADDING_MAX && (data.ptr[at] == ' ' || data.ptr[at] == '\t'))
        at++;
    if (data.len < at + 2) {
        *ret_more = true;
        return OK;
    }
    if (!str_starts(str_sub(data, at, data.len), STR("\r\n")))
        return ERR(ERR_INVALID,
                   "part %zu of the form: the boundary is not followed by a line break",
                   m->part_count + 1);
    m->state = MULTIPART_HEAD;
    m->part_count++;
    *ret_used = at + 2;
    return OK;
}

static err feed_head(struct multipart *m, str data, bool *ret_more, size_t *ret_used)
{
    ptrdiff_t end = str_starts(data, STR("\r\n")) ? 0 : str_find(data, STR("\r\n\r\n"));
    if (end > MULTIPART_HEAD_BYTES_MAX || (end < 0 && data.len >= MULTIPART_HEAD_BYTES_MAX + 4))
        return ERR(ERR_INVALID, "part %zu of the form has more than %d bytes of headers",
                   m->part_count, MULTIPART_HEAD_BYTES_MAX);
    if (end < 0) {
        *ret_more = true;
        return OK;
    }
    TRY(part_begin(m, str_sub(data, 0, (size_t)end)));
    m->state = MULTIPART_BODY;
    *ret_used = end == 0 ? 2 : (size_t)end + 4;
    return OK;
}

static err feed_body(struct multipart *m, str data, bool *ret_more, size_t *ret_used)
{
    ptrdiff_t at = str_find(data, delimiter_of(m));
    if (at < 0) {
        /* The end of the data may be the start of the delimiter. */
        *ret_used = data.len >= m->delimiter_len ? data.len - (m->delimiter_len - 1) : 0;
        *ret_more = true;
        return *ret_used ? m->events.part_data(m->events.arg, str_sub(data, 0, *ret_used)) : OK;
    }
    if (at > 0)
        TRY(m->events.part_data(m->events.arg, str_sub(data, 0, (size_t)at)));
    TRY(m->events.part_end(m->events.arg));
    m->state = MULTIPART_DELIMITER;
    *ret_used = (size_t)at + m->delimiter_len;
    return OK;
}

err multipart_feed(struct multipart *m, str data, bool is_last, size_t *ret_used)
{
    size_t used = 0;
    bool needs_more = false;
    while (!needs_more && used < data.len) {
        str rest = str_sub(data, used, data.len);
        size_t step = 0;
        switch (m->state) {
        case MULTIPART_PREAMBLE:
            TRY(feed_preamble(m, rest, &needs_more, &step));
            break;
        case MULTIPART_DELIMITER:
            TRY(feed_delimiter(m, rest, &needs_more, &step));
            break;
        case MULTIPART_HEAD:
            TRY(feed_head(m, rest, &needs_more, &step));
            break;
        case MULTIPART_BODY:
            TRY(feed_body(m, rest, &needs_more, &step));
            break;
        case MULTIPART_END:
            step = rest.len; /* an epilogue is ignored */
            break;
        }
        used += step;
    }
    if (is_last && m->state != MULTIPART_END)
        return ERR(ERR_INVALID, "the multipart body ends within part %zu: send it again",
                   m->part_count);
    *ret_used = is_last ? data.len : used;
    return OK;
}
