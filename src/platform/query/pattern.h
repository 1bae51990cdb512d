/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pattern.h -- regular expressions that strangers may send: the common part of RE2's syntax,
 * matched in time that grows with the text, never with a power of it.
 *
 * Literals, . [classes] \d \w \s \D \W \S \pieces of punctuation, groups ( ) (?: ) (?i) (?i: ),
 * | * + ? {n} {n,} {n,m}, lazy forms, ^ and $ for the ends of the text. Not: back-references (RE2
 * has none either), \b, \p{..}, named groups, (?m) and (?s). Text is UTF-8; a byte that is not
 * counts as one character.
 */
#ifndef SKERRY_QUERY_PATTERN_H
#define SKERRY_QUERY_PATTERN_H

#include "base/arena.h"
#include "base/str.h"

enum { PATTERN_BYTES_MAX = 4096, PATTERN_STEPS_MAX = 4096, PATTERN_REPEAT_MAX = 1000 };

struct pattern;

/* Lives in keep. ERR_INVALID says what of the expression is wrong or not supported, and where. */
MUST_USE err pattern_compile(arena *keep, str expression, struct pattern **ret_pattern);
/* The whole text, as label matchers want it. A pattern is used by one thread at a time. */
bool pattern_matches(struct pattern *p, str text);
/* Somewhere in the text, as line filters want it. */
bool pattern_finds(struct pattern *p, str text);

#endif
