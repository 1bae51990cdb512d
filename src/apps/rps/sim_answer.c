/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/sim_answer.h"

enum { NUMBER_BYTES_MAX = 32 };

str rps_answer_text(str body, const char *key)
{
    str name = str_of(key);
    ptrdiff_t at = str_find(body, name);
    if (at < 0)
        return STR_NONE;
    str rest = str_sub(body, (size_t)at + name.len, body.len);
    ptrdiff_t end = str_find_char(rest, '"');
    return end < 0 ? STR_NONE : str_sub(rest, 0, (size_t)end);
}

static bool is_of_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

double rps_answer_number(str body, const char *key)
{
    str name = str_of(key);
    ptrdiff_t at = str_find(body, name);
    double value = -1;
    if (at < 0)
        return -1;
    str rest = str_sub(body, (size_t)at + name.len, NUMBER_BYTES_MAX);
    size_t len = 0;
    while (len < rest.len && is_of_number(rest.ptr[len]))
        len++;
    err e = str_to_f64(str_sub(rest, 0, len), &value);
    return e.code ? -1 : value;
}

enum rps_answer_state rps_answer_read(str text, size_t bytes_max, struct rps_answer *ret_answer)
{
    ptrdiff_t end = str_find(text, STR("\r\n\r\n"));
    if (end < 0)
        return text.len < bytes_max ? RPS_ANSWER_MORE : RPS_ANSWER_BROKEN;
    size_t head = (size_t)end + 4;
    double length = rps_answer_number(str_sub(text, 0, head), "\r\nContent-Length: ");
    if (length < 0 || length > (double)bytes_max || head + (size_t)length > bytes_max)
        return RPS_ANSWER_BROKEN;
    if (text.len - head < (size_t)length)
        return RPS_ANSWER_MORE;
    ret_answer->is_good = str_starts(text, STR("HTTP/1.1 200 "));
    ret_answer->body = str_sub(text, head, (size_t)length);
    return RPS_ANSWER_WHOLE;
}
