/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json_scan.c -- JSON without a tree: spans hold a lot of it, and most is only passed on. */
#include <string.h>

#include "platform/track/spans_internal.h"

struct json_scan json_scan_of(str text)
{
    return (struct json_scan){ text.ptr, text.ptr + text.len };
}

static void skip_space(struct json_scan *s)
{
    while (s->next < s->end &&
           (*s->next == ' ' || *s->next == '\n' || *s->next == '\t' || *s->next == '\r'))
        s->next++;
}

static bool is_digit(const struct json_scan *s)
{
    return s->next < s->end && *s->next >= '0' && *s->next <= '9';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_text(struct json_scan *s)
{
    for (s->next++; s->next < s->end; s->next++) {
        unsigned char c = (unsigned char)*s->next;
        if (c == '"') {
            s->next++;
            return true;
        }
        if (c < 0x20)
            return false;
        if (c != '\\')
            continue;
        if (++s->next == s->end || !memchr("\"\\/bfnrtu", *s->next, 9))
            return false;
        if (*s->next != 'u')
            continue;
        for (int i = 0; i < 4; i++)
            if (++s->next == s->end || !is_hex(*s->next))
                return false;
    }
    return false;
}

static bool scan_word(struct json_scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->next) < len || memcmp(s->next, word, len) != 0)
        return false;
    s->next += len;
    return true;
}

static bool scan_digits(struct json_scan *s)
{
    if (!is_digit(s))
        return false;
    while (is_digit(s))
        s->next++;
    return true;
}

static bool scan_number(struct json_scan *s)
{
    if (*s->next == '-')
        s->next++;
    if (scan_word(s, "Infinity"))
        return true;
    bool is_zero = s->next < s->end && *s->next == '0';
    if (!scan_digits(s) || (is_zero && s->next[-1] != '0'))
        return false;
    if (s->next < s->end && *s->next == '.') {
        s->next++;
        if (!scan_digits(s))
            return false;
    }
    if (s->next < s->end && (*s->next == 'e' || *s->next == 'E')) {
        s->next++;
        if (s->next < s->end && (*s->next == '+' || *s->next == '-'))
            s->next++;
        return scan_digits(s);
    }
    return true;
}

static bool scan_any(struct json_scan *s, int depth_left);

static bool scan_nested(struct json_scan *s, int depth_left)
{
    char last = *s->next == '{' ? '}' : ']';
    if (depth_left == 0)
        return false;
    s->next++;
    skip_space(s);
    if (s->next < s->end && *s->next == last) {
        s->next++;
        return true;
    }
    for (;;) {
        if (last == '}') {
            skip_space(s);
            if (s->next == s->end || *s->next != '"' || !scan_text(s))
                return false;
            skip_space(s);
            if (s->next == s->end || *s->next++ != ':')
                return false;
        }
        if (!scan_any(s, depth_left - 1))
            return false;
        skip_space(s);
        if (s->next == s->end)
            return false;
        char c = *s->next++;
        if (c == last)
            return true;
        if (c != ',')
            return false;
    }
}

static bool scan_any(struct json_scan *s, int depth_left)
{
    skip_space(s);
    if (s->next == s->end)
        return false;
    switch (*s->next) {
    case '{':
    case '[':
        return scan_nested(s, depth_left);
    case '"':
        return scan_text(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    case 'N':
        return scan_word(s, "NaN");
    case 'I':
        return scan_word(s, "Infinity");
    default:
        return (is_digit(s) || *s->next == '-') && scan_number(s);
    }
}

bool json_scan_value(struct json_scan *s, int depth_max, str *ret_value)
{
    skip_space(s);
    const char *from = s->next;
    if (!scan_any(s, depth_max))
        return false;
    *ret_value = str_from(from, (size_t)(s->next - from));
    return true;
}

bool json_scan_enter(struct json_scan *s, char bracket)
{
    skip_space(s);
    if (s->next == s->end || *s->next != bracket)
        return false;
    s->next++;
    return true;
}

bool json_scan_next(struct json_scan *s, str *key, str *value)
{
    skip_space(s);
    if (s->next < s->end && *s->next == ',') {
        s->next++;
        skip_space(s);
    }
    if (s->next == s->end || *s->next == '}' || *s->next == ']') {
        s->next += s->next < s->end;
        return false;
    }
    if (key) {
        const char *from = s->next;
        if (*s->next != '"' || !scan_text(s))
            return false;
        *key = str_from(from, (size_t)(s->next - from));
        skip_space(s);
        if (s->next == s->end || *s->next++ != ':')
            return false;
    }
    return json_scan_value(s, 2 * SPAN_DEPTH_MAX + 2, value);
}

bool json_scan_is_document(str text)
{
    struct json_scan s = json_scan_of(str_trim(text));
    str value;
    if (s.next == s.end || !memchr("{[\"", *s.next, 3) || !memchr("}]\"", s.end[-1], 3))
        return false;
    return json_scan_value(&s, SPAN_DEPTH_MAX, &value) && s.next == s.end &&
           str_utf8_valid_len(value) == value.len;
}
