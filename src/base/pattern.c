/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pattern.c -- regular expressions as a small program that is followed on all its ways at once.
 *
 * The expression is compiled in one pass; jumps are relative, so that a split can be put before a
 * piece that is already there. Matching keeps the set of places where the program may be: each
 * character costs at most one look at each place, whatever the expression.
 */
#include "base/pattern.h"

#include <string.h>

#include "base/buf.h"

enum {
    DEPTH_MAX = 48,
    CLASS_RANGES_MAX = 64,
    /* Repetition parses a piece again for each copy; this bounds what nothing else would: pieces
     * that are empty. */
    PIECES_MAX = 50000,
    CODE_POINT_MAX = 0x10FFFF,
    /* A character may become a class of its ranges. */
    PORTABLE_BYTES_MAX = 256 * 1024,
};

enum step_kind {
    STEP_CHAR,
    STEP_ANY,
    STEP_CLASS,
    STEP_SPLIT,
    STEP_JUMP,
    STEP_BEGIN,
    STEP_END,
    STEP_MATCH
};

struct class_range {
    uint32_t low, high;
};

struct char_class {
    struct class_range ranges[CLASS_RANGES_MAX];
    size_t count;
    bool negated, any_case;
};

struct step {
    enum step_kind kind;
    bool any_case;
    int jump; /* relative; a split goes on with the next step as well */
    uint32_t c;
    const struct char_class *chars;
};

struct pattern {
    struct step *steps;
    int count;
    /* for matching: two sets of places, and when each place was entered last */
    int *now, *next, *stack;
    uint64_t *entered;
    uint64_t round, work;
};

struct compiler {
    arena *keep;
    struct pattern *p;
    str text;
    size_t at;
    bool any_case;
    int depth, pieces;
    struct buf *portable; /* NULL: not wanted, or written already */
};

/* ------------------------------------------------------------------ characters */

/* Takes one character off; a byte that is not UTF-8 stands for itself. */
static uint32_t take_char(str text, size_t *at)
{
    const unsigned char *s = (const unsigned char *)text.ptr + *at;
    size_t left = text.len - *at;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (len > 1 && (len > left || str_utf8_valid_len(str_from(s, len)) != len))
        len = 1;
    *at += len;
    switch (len) {
    case 2:
        return (uint32_t)(s[0] & 0x1F) << 6 | (s[1] & 0x3F);
    case 3:
        return (uint32_t)(s[0] & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6 | (s[2] & 0x3F);
    case 4:
        return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3F) << 12 |
               (uint32_t)(s[2] & 0x3F) << 6 | (s[3] & 0x3F);
    default:
        return s[0];
    }
}

static uint32_t fold(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool in_ranges(const struct char_class *chars, uint32_t c)
{
    for (size_t i = 0; i < chars->count; i++)
        if (c >= chars->ranges[i].low && c <= chars->ranges[i].high)
            return true;
    return false;
}

static bool class_has(const struct char_class *chars, uint32_t c)
{
    bool found = in_ranges(chars, c);
    if (!found && chars->any_case && c < 0x80) {
        uint32_t lower = fold(c);
        uint32_t upper = lower >= 'a' && lower <= 'z' ? lower - 'a' + 'A' : lower;
        found = in_ranges(chars, lower) || in_ranges(chars, upper);
    }
    return found != chars->negated;
}

/* ------------------------------------------------------------------ the program */

static err bad(const struct compiler *c, const char *what)
{
    return ERR(ERR_INVALID, "regular expression '%.*s', character %zu: %s",
               STR_ARG(str_sub(c->text, 0, 80)), c->at + 1, what);
}

static err step_add(struct compiler *c, struct step step)
{
    if (c->p->count == PATTERN_STEPS_MAX)
        return bad(c, "it is too large: use fewer or smaller repetitions");
    c->p->steps[c->p->count++] = step;
    return OK;
}

/* Before a piece that begins at `at` and ends at the end of the program. */
static err step_insert(struct compiler *c, int at, struct step step)
{
    TRY(step_add(c, step));
    struct step *steps = c->p->steps;
    memmove(&steps[at + 1], &steps[at], (size_t)(c->p->count - 1 - at) * sizeof *steps);
    steps[at] = step;
    return OK;
}

static bool is_at(const struct compiler *c, const char *text)
{
    size_t len = strlen(text);
    return c->text.len - c->at >= len && memcmp(c->text.ptr + c->at, text, len) == 0;
}

static bool take(struct compiler *c, const char *text)
{
    if (!is_at(c, text))
        return false;
    c->at += strlen(text);
    return true;
}

/* ------------------------------------------------------------------ the portable form */

static void write_text(struct compiler *c, const char *text)
{
    if (c->portable)
        buf_add_cstr(c->portable, text);
}

/* `special` are written behind a backslash. */
static void write_point(struct compiler *c, uint32_t point, const char *special)
{
    if (point < 0x80) {
        if (point && strchr(special, (int)point))
            buf_add_char(c->portable, '\\');
        buf_add_char(c->portable, (char)point);
        return;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const unsigned char first[] = { 0, 0xC0, 0xE0, 0xF0 };
    buf_add_char(c->portable, (char)(first[more] | point >> 6 * more));
    while (more--)
        buf_add_char(c->portable, (char)(0x80 | (point >> 6 * more & 0x3F)));
}

static void write_range(struct compiler *c, uint32_t low, uint32_t high)
{
    static const char special[] = "\\[]^-";
    write_point(c, low ? low : 1, special); /* no text has a NUL */
    buf_add_char(c->portable, '-');
    write_point(c, high ? high : 1, special);
}

/* The part of a range between two letters again, in the other case. */
static void write_other_case(struct compiler *c, struct class_range r, char first, char last)
{
    uint32_t low = r.low > (uint32_t)first ? r.low : (uint32_t)first;
    uint32_t high = r.high < (uint32_t)last ? r.high : (uint32_t)last;
    if (low <= high)
        write_range(c, low ^ 0x20, high ^ 0x20);
}

static void write_class(struct compiler *c, const struct char_class *chars)
{
    if (!c->portable)
        return;
    buf_add_cstr(c->portable, chars->negated ? "[^" : "[");
    for (size_t i = 0; i < chars->count; i++) {
        write_range(c, chars->ranges[i].low, chars->ranges[i].high);
        if (chars->any_case) {
            write_other_case(c, chars->ranges[i], 'a', 'z');
            write_other_case(c, chars->ranges[i], 'A', 'Z');
        }
    }
    buf_add_char(c->portable, ']');
}

static void write_char(struct compiler *c, uint32_t point, bool any_case)
{
    if (!c->portable)
        return;
    uint32_t lower = fold(point);
    if (any_case && lower >= 'a' && lower <= 'z')
        buf_add_fmt(c->portable, "[%c%c]", (int)lower, (int)(lower ^ 0x20));
    else
        write_point(c, point, ".[]{}()*+?|^$\\");
}

static err write_repeat(struct compiler *c, int min, int max)
{
    if (!c->portable)
        return OK;
    if (min > PATTERN_PORTABLE_REPEAT_MAX || max > PATTERN_PORTABLE_REPEAT_MAX)
        return bad(c, "a piece is repeated more than 255 times");
    if (max < 0)
        buf_add_fmt(c->portable, "{%d,}", min);
    else
        buf_add_fmt(c->portable, "{%d,%d}", min, max);
    return OK;
}

/* ------------------------------------------------------------------ classes */

static err range_add(struct compiler *c, struct char_class *chars, uint32_t low, uint32_t high)
{
    if (low > high)
        return bad(c, "the range in a class runs backwards");
    if (chars->count == CLASS_RANGES_MAX)
        return bad(c, "the class has too many ranges");
    chars->ranges[chars->count++] = (struct class_range){ low, high };
    return OK;
}

/* What \d \w \s stand for; their capitals stand for the rest of the characters. */
static err escape_ranges(struct compiler *c, char name, struct char_class *chars)
{
    static const struct class_range digits[] = { { '0', '9' } };
    static const struct class_range words[] = {
        { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' }
    };
    static const struct class_range spaces[] = { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } };
    char lower = (char)fold((uint32_t)(unsigned char)name);
    const struct class_range *from = lower == 'd' ? digits : lower == 'w' ? words : spaces;
    size_t count = lower == 'd'   ? COUNT_OF(digits)
                   : lower == 'w' ? COUNT_OF(words)
                                  : COUNT_OF(spaces);
    uint32_t low = 0;
    for (size_t i = 0; i < count; i++) {
        if (name == lower)
            TRY(range_add(c, chars, from[i].low, from[i].high));
        else if (from[i].low > low)
            TRY(range_add(c, chars, low, from[i].low - 1));
        low = from[i].high + 1;
    }
    return name == lower ? OK : range_add(c, chars, low, CODE_POINT_MAX);
}

static bool is_class_escape(char name)
{
    return name != '\0' && strchr("dwsDWS", name);
}

/* Behind a backslash: a character that is written with one. */
static err escaped_char(struct compiler *c, uint32_t *ret_char)
{
    static const char from[] = "nrtfv", to[] = "\n\r\t\f\v";
    if (c->at == c->text.len)
        return bad(c, "a backslash stands at the end");
    char name = c->text.ptr[c->at];
    const char *known = name ? strchr(from, name) : NULL;
    bool is_punctuation = (name >= '!' && name <= '/') || (name >= ':' && name <= '@') ||
                          (name >= '[' && name <= '`') || (name >= '{' && name <= '~') ||
                          name == ' ';
    if (!known && !is_punctuation)
        return bad(c, "this escape is not supported");
    *ret_char = known ? (uint32_t)to[known - from] : (uint32_t)name;
    c->at++;
    return OK;
}

static err class_char(struct compiler *c, uint32_t *ret_char)
{
    if (c->at == c->text.len)
        return bad(c, "the class has no closing ]");
    if (take(c, "\\"))
        return escaped_char(c, ret_char);
    *ret_char = take_char(c->text, &c->at);
    return OK;
}

/* Behind the opening bracket. */
static err class_parse(struct compiler *c)
{
    struct char_class *chars = NEW(c->keep, struct char_class);
    ARENA_TRY(chars);
    chars->negated = take(c, "^");
    chars->any_case = c->any_case;
    for (bool first = true; first || !is_at(c, "]"); first = false) {
        uint32_t low, high;
        if (is_at(c, "[:"))
            return bad(c, "classes like [:alpha:] are not supported");
        if (is_at(c, "\\") && c->at + 1 < c->text.len && is_class_escape(c->text.ptr[c->at + 1])) {
            c->at += 2;
            TRY(escape_ranges(c, c->text.ptr[c->at - 1], chars));
            continue;
        }
        TRY(class_char(c, &low));
        high = low;
        if (is_at(c, "-") && c->at + 1 < c->text.len && c->text.ptr[c->at + 1] != ']') {
            c->at++;
            TRY(class_char(c, &high));
        }
        TRY(range_add(c, chars, low, high));
    }
    c->at++;
    write_class(c, chars);
    return step_add(c, (struct step){ .kind = STEP_CLASS, .chars = chars });
}

/* ------------------------------------------------------------------ pieces */

static err alternatives_parse(struct compiler *c);

/* Behind the opening parenthesis. */
static err group_parse(struct compiler *c)
{
    bool outer = c->any_case;
    if (++c->depth > DEPTH_MAX)
        return bad(c, "groups are nested too deep");
    if (take(c, "?i)")) { /* up to the end of the group that it stands in */
        c->any_case = true;
        c->depth--;
        write_text(c, "(?:)");
        return OK;
    }
    if (take(c, "?i:"))
        c->any_case = true;
    else if (!take(c, "?:") && is_at(c, "?"))
        return bad(c, "of groups that begin with ? only (?: (?i) and (?i: are supported");
    write_text(c, "(?:");
    TRY(alternatives_parse(c));
    if (!take(c, ")"))
        return bad(c, "a group has no closing )");
    write_text(c, ")");
    c->depth--;
    c->any_case = outer;
    return OK;
}

static err escape_parse(struct compiler *c)
{
    if (c->at < c->text.len && is_class_escape(c->text.ptr[c->at])) {
        struct char_class *chars = NEW(c->keep, struct char_class);
        ARENA_TRY(chars);
        TRY(escape_ranges(c, c->text.ptr[c->at], chars));
        c->at++;
        write_class(c, chars);
        return step_add(c, (struct step){ .kind = STEP_CLASS, .chars = chars });
    }
    uint32_t value;
    TRY(escaped_char(c, &value));
    write_char(c, value, false);
    return step_add(c, (struct step){ .kind = STEP_CHAR, .c = value });
}

static err piece_parse(struct compiler *c)
{
    if (++c->pieces > PIECES_MAX)
        return bad(c, "it is too large: use fewer or smaller repetitions");
    if (take(c, "("))
        return group_parse(c);
    if (take(c, "["))
        return class_parse(c);
    if (take(c, "\\"))
        return escape_parse(c);
    if (take(c, ".")) {
        write_text(c, "[^\n]");
        return step_add(c, (struct step){ .kind = STEP_ANY });
    }
    if (take(c, "^")) {
        write_text(c, "(?:^)"); /* in a group, since it may be repeated */
        return step_add(c, (struct step){ .kind = STEP_BEGIN });
    }
    if (take(c, "$")) {
        write_text(c, "(?:$)");
        return step_add(c, (struct step){ .kind = STEP_END });
    }
    if (is_at(c, "*") || is_at(c, "+") || is_at(c, "?"))
        return bad(c, "there is nothing to repeat");
    uint32_t value = take_char(c->text, &c->at);
    write_char(c, value, c->any_case);
    return step_add(c, (struct step){ .kind = STEP_CHAR,
                                      .any_case = c->any_case,
                                      .c = c->any_case ? fold(value) : value });
}

/* ------------------------------------------------------------------ repetition */

static bool take_count(struct compiler *c, int *ret)
{
    int value = 0;
    size_t from = c->at;
    while (c->at < c->text.len && c->text.ptr[c->at] >= '0' && c->text.ptr[c->at] <= '9') {
        if (value <= PATTERN_REPEAT_MAX)
            value = value * 10 + (c->text.ptr[c->at] - '0');
        c->at++;
    }
    *ret = value;
    return c->at > from;
}

/* {n} {n,} {n,m}; -1: without end. A brace that is none of these is a character. */
static bool take_braces(struct compiler *c, int *ret_min, int *ret_max)
{
    size_t from = c->at;
    int min, max;
    if (take(c, "{") && take_count(c, &min)) {
        max = min;
        if (take(c, ",") && !take_count(c, &max))
            max = -1;
        if (take(c, "}")) {
            *ret_min = min;
            *ret_max = max;
            return true;
        }
    }
    c->at = from;
    return false;
}

static err star(struct compiler *c, int from)
{
    write_text(c, "*");
    TRY(step_insert(c, from, (struct step){ .kind = STEP_SPLIT, .jump = c->p->count - from + 2 }));
    return step_add(c, (struct step){ .kind = STEP_JUMP, .jump = from - c->p->count });
}

static err optional(struct compiler *c, int from)
{
    write_text(c, "?");
    return step_insert(c, from,
                       (struct step){ .kind = STEP_SPLIT, .jump = c->p->count - from + 1 });
}

/* The piece from `source` on again, as often as it takes. The first copy stands at `from`. */
static err repeat(struct compiler *c, size_t source, bool any_case, int from, int min, int max)
{
    size_t end = c->at;
    struct buf *portable = c->portable;
    if (min > PATTERN_REPEAT_MAX || max > PATTERN_REPEAT_MAX)
        return bad(c, "a piece is repeated more than 1000 times");
    if (max >= 0 && max < min)
        return bad(c, "a repetition has its bounds the wrong way round");
    TRY(write_repeat(c, min, max));
    c->portable = NULL;
    c->p->count = from;
    int copies = max < 0 ? min + 1 : max;
    for (int i = 0; i < copies; i++) {
        int start = c->p->count;
        c->at = source;
        c->any_case = any_case;
        TRY(piece_parse(c));
        if (i >= min)
            TRY(max < 0 ? star(c, start) : optional(c, start));
    }
    c->portable = portable;
    c->at = end;
    return OK;
}

static err repeated_parse(struct compiler *c)
{
    size_t source = c->at;
    bool any_case = c->any_case;
    int from = c->p->count, min, max;
    TRY(piece_parse(c));
    if (take(c, "*"))
        TRY(star(c, from));
    else if (take(c, "+"))
        TRY(repeat(c, source, any_case, from, 1, -1));
    else if (take(c, "?"))
        TRY(optional(c, from));
    else if (take_braces(c, &min, &max))
        TRY(repeat(c, source, any_case, from, min, max));
    else
        return OK;
    take(c, "?"); /* lazy: the same texts match */
    if (is_at(c, "*") || is_at(c, "+") || is_at(c, "?"))
        return bad(c, "a repetition is repeated");
    return OK;
}

static err alternatives_parse(struct compiler *c)
{
    int from = c->p->count;
    int last_jump = -1; /* jumps to the end, each holding the place of the one before */
    for (;;) {
        while (c->at < c->text.len && !is_at(c, "|") && !is_at(c, ")"))
            TRY(repeated_parse(c));
        if (!take(c, "|"))
            break;
        write_text(c, "|");
        TRY(step_insert(c, from,
                        (struct step){ .kind = STEP_SPLIT, .jump = c->p->count - from + 2 }));
        TRY(step_add(c, (struct step){ .kind = STEP_JUMP, .jump = last_jump }));
        last_jump = c->p->count - 1;
        from = c->p->count;
    }
    while (last_jump >= 0) {
        struct step *jump = &c->p->steps[last_jump];
        int before = jump->jump;
        jump->jump = c->p->count - last_jump;
        last_jump = before;
    }
    return OK;
}

static err compile(arena *keep, str expression, struct buf *portable, struct pattern **ret_pattern)
{
    struct compiler c = { .keep = keep, .text = expression, .portable = portable };
    struct step *room = NULL;
    if (expression.len > PATTERN_BYTES_MAX)
        return ERR(ERR_INVALID, "a regular expression has %zu bytes; at most %d", expression.len,
                   PATTERN_BYTES_MAX);
    c.p = NEW(keep, struct pattern);
    ARENA_TRY(c.p);
    /* Compiled in a scratch arena: most programs are short, and one query may hold many. */
    arena scratch;
    arena_init(&scratch, 4u << 20);
    room = NEW_ARRAY(&scratch, struct step, PATTERN_STEPS_MAX);
    err e = room ? OK : ERR(ERR_NO_MEMORY, "compiling a regular expression: out of memory");
    c.p->steps = room;
    if (!e.code)
        e = alternatives_parse(&c);
    if (!e.code && c.at < c.text.len)
        e = bad(&c, "a ) has no opening (");
    if (!e.code)
        e = step_add(&c, (struct step){ .kind = STEP_MATCH });
    if (!e.code) {
        size_t count = (size_t)c.p->count;
        c.p->steps = NEW_ARRAY(keep, struct step, count);
        c.p->now = NEW_ARRAY(keep, int, count);
        c.p->next = NEW_ARRAY(keep, int, count);
        c.p->stack = NEW_ARRAY(keep, int, count * 2 + 2);
        c.p->entered = NEW_ARRAY(keep, uint64_t, count);
        e = arena_check(keep);
        if (!e.code)
            memcpy(c.p->steps, room, count * sizeof *room);
    }
    arena_deinit(&scratch);
    if (!e.code)
        *ret_pattern = c.p;
    return e;
}

err pattern_compile(arena *keep, str expression, struct pattern **ret_pattern)
{
    return compile(keep, expression, NULL, ret_pattern);
}

err pattern_portable(arena *keep, str expression, str *ret_portable)
{
    struct pattern *p = NULL;
    struct buf text;
    buf_init(&text, PORTABLE_BYTES_MAX);
    err e = compile(keep, expression, &text, &p);
    if (!e.code)
        e = buf_check(&text);
    if (!e.code && p->count > PATTERN_PORTABLE_STEPS_MAX)
        e = ERR(ERR_INVALID,
                "regular expression '%.*s': it is too large: use fewer or smaller repetitions",
                STR_ARG(str_sub(expression, 0, 80)));
    if (!e.code) {
        *ret_portable = arena_str(keep, buf_str(&text));
        e = arena_check(keep);
    }
    buf_deinit(&text);
    return e;
}

/* ------------------------------------------------------------------ matching */

struct walk {
    size_t at, len;
};

/* Enters a place and all that can be reached from it without a character. True at a match that
 * counts: anywhere, or (whole) only at the end of the text. */
static bool enter(struct pattern *p, int place, struct walk w, bool whole, int *set, int *count)
{
    int depth = 0;
    p->stack[depth++] = place;
    while (depth) {
        int i = p->stack[--depth];
        if (p->entered[i] == p->round)
            continue;
        p->entered[i] = p->round;
        const struct step *s = &p->steps[i];
        switch (s->kind) {
        case STEP_JUMP:
            p->stack[depth++] = i + s->jump;
            break;
        case STEP_SPLIT:
            p->stack[depth++] = i + s->jump;
            p->stack[depth++] = i + 1;
            break;
        case STEP_BEGIN:
            if (w.at == 0)
                p->stack[depth++] = i + 1;
            break;
        case STEP_END:
            if (w.at == w.len)
                p->stack[depth++] = i + 1;
            break;
        case STEP_MATCH:
            if (!whole || w.at == w.len)
                return true;
            break;
        case STEP_CHAR:
        case STEP_ANY:
        case STEP_CLASS:
            set[(*count)++] = i;
            break;
        }
    }
    return false;
}

static bool step_takes(const struct step *s, uint32_t c)
{
    if (s->kind == STEP_ANY)
        return c != '\n';
    if (s->kind == STEP_CLASS)
        return class_has(s->chars, c);
    return s->c == (s->any_case ? fold(c) : c);
}

static bool match(struct pattern *p, str text, bool whole)
{
    struct walk w = { 0, text.len };
    int *now = p->now, *next = p->next;
    int count = 0;
    p->round++;
    if (enter(p, 0, w, whole, now, &count))
        return true;
    while (w.at < text.len && (count || !whole)) {
        int next_count = 0;
        uint32_t c = take_char(text, &w.at);
        p->round++;
        p->work += (uint64_t)count + 1;
        for (int i = 0; i < count; i++)
            if (step_takes(&p->steps[now[i]], c) &&
                enter(p, now[i] + 1, w, whole, next, &next_count))
                return true;
        if (!whole && enter(p, 0, w, whole, next, &next_count))
            return true;
        int *swap = now;
        now = next;
        next = swap;
        count = next_count;
    }
    return false;
}

bool pattern_matches(struct pattern *p, str text)
{
    return match(p, text, true);
}

bool pattern_finds(struct pattern *p, str text)
{
    return match(p, text, false);
}

uint64_t pattern_work(const struct pattern *p)
{
    return p->work;
}
