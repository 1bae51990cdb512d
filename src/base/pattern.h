/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pattern.h -- regular expressions that strangers may send: the common part of RE2's syntax,
 * matched in time that grows with the text, never with a power of it.
 *
 * Literals, . [classes] \d \w \s \D \W \S \pieces of punctuation, groups ( ) (?: ) (?i) (?i: ),
 * | * + ? {n} {n,} {n,m}, lazy forms, ^ and $ for the ends of the text. Not: back-references (RE2
 * has none either), \b, \p{..}, named groups, (?m) and (?s). Text is UTF-8; a byte that is not
 * counts as one character.
 */
#ifndef SKERRY_BASE_PATTERN_H
#define SKERRY_BASE_PATTERN_H

#include "base/arena.h"
#include "base/str.h"

enum {
    PATTERN_BYTES_MAX = 4096,
    PATTERN_STEPS_MAX = 4096,
    PATTERN_REPEAT_MAX = 1000,
    /* of a portable one */
    PATTERN_PORTABLE_STEPS_MAX = 1000,
    PATTERN_PORTABLE_REPEAT_MAX = 255,
};

struct pattern;

/* Lives in keep. ERR_INVALID says what of the expression is wrong or not supported, and where. */
MUST_USE err pattern_compile(arena *keep, str expression, struct pattern **ret_pattern);
/* The whole text, as label matchers want it. A pattern is used by one thread at a time. */
bool pattern_matches(struct pattern *p, str text);
/* Somewhere in the text, as line filters want it. */
bool pattern_finds(struct pattern *p, str text);
/* How much was done so far: each character of a text costs at least 1, and 1 for each place where
 * the expression may be. For who bounds the work of many texts. */
uint64_t pattern_work(const struct pattern *p);

/* The same expression in words that PostgreSQL's operator ~ means the same by: what is compiled
 * from it finds what the server finds. Also ERR_INVALID beyond the limits of a portable one, which
 * keep both engines quick. */
MUST_USE err pattern_portable(arena *keep, str expression, str *ret_portable);

#endif
