/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_reader.c -- games out of a stream of text, one at a time, at constant memory.
 *
 * Tags are kept as offsets into the window, as its text moves when more is read; they become slices
 * when the game is whole. A game that cannot be read is reported and left behind: the reader looks
 * for the next place where a line opens with a tag pair (or, in files without tags, where a
 * paragraph begins with "1."), and forgets the text on the way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pgn_internal.h"

enum { CONVERTED_BYTES_MAX = PGN_TAGS_MAX * (PGN_TAG_BYTES_MAX + 8) };

struct pgn_reader {
    struct pgn_options options;
    struct pgn_stats stats;

    struct pgn_window window;

    struct pgn_raw_tag raw_tags[PGN_TAGS_MAX];
    size_t tag_count;
    uint64_t names_seen;
    struct buf converted;
    struct chess_position standard; /* the usual start */
    struct pgn_game game;
    struct pgn_movetext text;
};

/* ------------------------------------------------------------------ tags */

enum tags_step { TAGS_NEED_MORE, TAGS_DONE, TAGS_OTHER_GAME };

static str raw_name(const struct pgn_reader *r, const struct pgn_raw_tag *t)
{
    return str_from(r->window.text + r->window.game_at + t->name_at, t->name_len);
}

static str raw_value(const struct pgn_reader *r, const struct pgn_raw_tag *t)
{
    const char *base = t->is_converted ? r->converted.ptr : r->window.text + r->window.game_at;
    return str_from(base ? base + t->value_at : "", t->value_len);
}

static const struct pgn_raw_tag *find_raw(const struct pgn_reader *r, str name)
{
    for (size_t i = 0; i < r->tag_count; i++) {
        if (r->raw_tags[i].name_len == name.len && str_eq(raw_name(r, &r->raw_tags[i]), name))
            return &r->raw_tags[i];
    }
    return NULL;
}

/* A bit for a name: no tag has been seen whose bit is not in r->names_seen. */
static uint64_t name_bit(str name)
{
    return 1ULL << ((name.len * 7 + (unsigned char)name.ptr[0] * 3 +
                     (unsigned char)name.ptr[name.len - 1]) &
                    63);
}

/* Line ends since the last tag: two of a kind in a row are an empty line. */
struct line_ends {
    unsigned lf, cr;
};

static bool is_blank(const struct line_ends *seen)
{
    return seen->lf > 1 || (seen->cr > 1 && seen->lf == 0);
}

static const char *skip_space(const char *p, struct line_ends *seen)
{
    for (;; p++) {
        if (*p == '\n')
            seen->lf++;
        else if (*p == '\r')
            seen->cr++;
        else if (*p != ' ' && *p != '\t' && *p != '\v' && *p != '\f')
            return p;
    }
}

/* Takes a tag that was read, unless it belongs to the next game: a game without moves is followed
 * by tags too. */
static bool take_tag(struct pgn_reader *r, const struct pgn_raw_tag *tag, bool blank)
{
    str name = raw_name(r, tag);
    uint64_t its_bit = name_bit(name);
    bool is_event = name.len == 5 && memcmp(name.ptr, "Event", 5) == 0;
    bool is_known = (r->names_seen & its_bit) && find_raw(r, name);
    if (r->tag_count > 0 && ((is_event && blank) || (is_known && (is_event || blank))))
        return false;
    if (is_known || r->tag_count == PGN_TAGS_MAX)
        return true; /* said twice, or one too many: the first ones stand */
    r->names_seen |= its_bit;
    r->raw_tags[r->tag_count++] = *tag;
    return true;
}

/* An escaped line, or one that wants to be a tag and is none. False when the window ends first. */
static bool skip_line(struct pgn_reader *r)
{
    const char *p = r->window.text + r->window.at, *end = r->window.text + r->window.end;
    bool is_bad_tag = *p == '[';
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    if (p == end && !r->window.at_eof)
        return false;
    r->stats.tags_ignored += is_bad_tag;
    r->window.at = (size_t)(p - r->window.text);
    return true;
}

static enum tags_step read_tags(struct pgn_reader *r, struct line_ends *seen)
{
    for (;;) {
        const char *end = r->window.text + r->window.end;
        const char *p = skip_space(r->window.text + r->window.at, seen);
        r->window.at = (size_t)(p - r->window.text);
        if (r->tag_count == 0)
            r->window.game_at = r->window.at;
        if (p == end)
            return r->window.at_eof ? TAGS_DONE : TAGS_NEED_MORE;
        struct pgn_raw_tag tag;
        size_t converted_before = r->converted.len;
        enum pgn_tag_step step = PGN_TAG_NONE;
        if (*p == '[')
            step = pgn_tag_read(r->window.text + r->window.game_at, &p, end, r->window.at_eof,
                                &r->converted, &tag);
        if (step == PGN_TAG_CUT)
            return TAGS_NEED_MORE;
        if (step == PGN_TAG_READ) {
            if (!take_tag(r, &tag, is_blank(seen))) {
                r->converted.len = converted_before;
                return TAGS_OTHER_GAME;
            }
            *seen = (struct line_ends){ 0 };
            r->window.at = (size_t)(p - r->window.text);
            continue;
        }
        if ((*p == '[' && r->tag_count > 0) || (*p == '%' && pgn_opens_line(p))) {
            if (!skip_line(r))
                return TAGS_NEED_MORE;
        } else if (*p == '\xef' && end - p < 3 && !r->window.at_eof) {
            return TAGS_NEED_MORE;
        } else if (memcmp(p, "\xef\xbb\xbf", 3) == 0) {
            r->window.at += 3; /* files with byte order marks, put together */
        } else {
            return TAGS_DONE;
        }
    }
}

/* ------------------------------------------------------------------ what tags mean */

static bool is_one_of(str value, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_nocase(value, str_of(names[i])))
            return true;
    }
    return false;
}

/* The start position the tags ask for. False: r->text.reason says why the game cannot be read, and
 * *ret_where is the place of the tag that is to blame. */
static bool tags_start(struct pgn_reader *r, size_t *ret_where)
{
    static const char *const same_rules[] = {
        "", "?", "-", "Standard", "Chess", "Normal", "From Position", "Classical", "regular"
    };
    static const char *const random_start[] = { "Chess960",      "Chess 960",      "Fischerandom",
                                                "Fischerrandom", "Fischer Random", "FRC",
                                                "Freestyle",     "wild/fr" };
    struct pgn_game *g = &r->game;
    char *reason = r->text.reason;
    size_t reason_bytes = sizeof r->text.reason;
    const struct pgn_raw_tag *fen = find_raw(r, STR("FEN")), *variant = find_raw(r, STR("Variant"));
    if (!fen && !variant) {
        g->start = r->standard;
        g->has_fen = false;
        return true;
    }
    str rules = variant ? str_trim(raw_value(r, variant)) : STR_NONE;
    bool is_960 = is_one_of(rules, random_start, COUNT_OF(random_start));
    if (!is_960 && !is_one_of(rules, same_rules, COUNT_OF(same_rules))) {
        snprintf(reason, reason_bytes, "variant '%.*s' has other rules than chess",
                 STR_ARG(str_sub(rules, 0, 60)));
        *ret_where = r->window.game_at + variant->name_at;
        return false;
    }
    str text = fen ? str_trim(raw_value(r, fen)) : STR_NONE;
    g->has_fen = text.len > 0;
    if (!g->has_fen) {
        g->start = r->standard;
        g->start.is_960 = is_960;
        return true;
    }
    err e = chess_fen_parse(text, &g->start);
    if (e.code) {
        snprintf(reason, reason_bytes, "%.190s", e.msg);
        *ret_where = r->window.game_at + fen->name_at;
        return false;
    }
    if (is_960)
        g->start.is_960 = 1;
    g->has_fen = g->start.key != r->standard.key || g->start.fullmoves != 1 ||
                 g->start.halfmoves != 0;
    return true;
}

static enum chess_result tags_result(const struct pgn_reader *r)
{
    const struct pgn_raw_tag *tag = find_raw(r, STR("Result"));
    str value = tag ? str_trim(raw_value(r, tag)) : STR_NONE;
    if (str_eq(value, STR("1-0")))
        return CHESS_WHITE_WIN;
    if (str_eq(value, STR("0-1")))
        return CHESS_BLACK_WIN;
    if (str_eq(value, STR("1/2-1/2")) || str_eq(value, STR("1/2")) || str_eq(value, STR("½-½")))
        return CHESS_DRAW;
    return CHESS_RESULT_UNKNOWN;
}

/* ------------------------------------------------------------------ refusing and going on */

static void tell_problem(struct pgn_reader *r, size_t where)
{
    r->stats.refused++;
    if (!r->options.problem)
        return;
    struct pgn_problem problem = {
        .line = pgn_window_line(&r->window, where),
        .game_number = r->stats.games + r->stats.refused,
    };
    snprintf(problem.reason, sizeof problem.reason, "%s", r->text.reason);
    r->options.problem(r->options.arg, &problem);
}

/* The next paragraph that begins with "1.": where a game without tags starts. */
static const char *find_first_move(const char *p, const char *end)
{
    for (; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++) {
        const char *q = p + 1;
        q += *q == '\r';
        if (*q == '\n' && q[1] == '1' && q[2] == '.')
            return q + 1;
    }
    return NULL;
}

/* Moves to the next game, or to the end. Forgets the text it passes. */
static err skip_to_next(struct pgn_reader *r, bool had_tags)
{
    for (;;) {
        const char *p = r->window.text + r->window.at, *end = r->window.text + r->window.end;
        bool unsure = false;
        const char *next = pgn_find_tags(p, end, &unsure);
        if (!had_tags) {
            const char *first = find_first_move(p, next ? next : end);
            unsure = unsure && !first;
            next = first ? first : next;
        }
        if (next && (!unsure || r->window.at_eof)) {
            r->window.at = (size_t)(next - r->window.text);
            r->window.game_at = r->window.at;
            return OK;
        }
        /* Keep what the next look needs: an undecided bracket, or the last few characters. */
        size_t keep = next ? (size_t)(end - next) : 4;
        r->window.at = r->window.end - r->window.at > keep ? r->window.end - keep : r->window.at;
        if (r->window.at_eof) {
            r->window.at = r->window.game_at = r->window.end;
            return OK;
        }
        r->window.game_at = r->window.at;
        TRY(pgn_window_fill(&r->window));
    }
}

/* `where` is the place to report; the search for the next game begins behind r->window.at. */
static err refuse(struct pgn_reader *r, size_t where, bool had_tags)
{
    tell_problem(r, where);
    r->window.at += r->window.at < r->window.end;
    return skip_to_next(r, had_tags);
}

/* ------------------------------------------------------------------ games */

static void give_window(struct pgn_reader *r)
{
    r->text.begin = r->window.text + r->window.game_at;
    r->text.p = r->window.text + r->window.at;
    r->text.end = r->window.text + r->window.end;
    r->text.at_eof = r->window.at_eof;
}

/* Reads the movetext at r->window.at, with as many refills as it takes. */
static err read_movetext(struct pgn_reader *r, enum pgn_step *ret_step)
{
    for (;;) {
        give_window(r);
        enum pgn_step step = pgn_movetext_run(&r->text);
        r->window.at = (size_t)(r->text.p - r->window.text);
        if (step == PGN_NEED_MORE && r->window.end - r->window.game_at >= PGN_TEXT_MAX) {
            snprintf(r->text.reason, sizeof r->text.reason,
                     "the text of one game is longer than %d MiB", PGN_TEXT_MAX / (1024 * 1024));
            step = PGN_BROKEN;
        }
        if (step != PGN_NEED_MORE) {
            *ret_step = step;
            return OK;
        }
        TRY(pgn_window_fill(&r->window));
    }
}

static void deliver(struct pgn_reader *r)
{
    struct pgn_game *g = &r->game;
    struct pgn_movetext *m = &r->text;
    pgn_movetext_end(m);
    g->tag_count = r->tag_count;
    for (size_t i = 0; i < r->tag_count; i++) {
        g->tags[i].name = raw_name(r, &r->raw_tags[i]);
        g->tags[i].value = raw_value(r, &r->raw_tags[i]);
    }
    g->ply_count = m->ply_count;
    g->moves = m->moves;
    g->clock_cs = m->clock_filled ? m->clock_cs : NULL;
    g->eval_cp = m->eval_filled ? m->eval_cp : NULL;
    g->nags = m->nag_filled ? m->nags : NULL;
    g->result = m->has_result && m->result != CHESS_RESULT_UNKNOWN ? m->result : tags_result(r);
    g->variation_count = m->variation_count;
    g->comment_count = m->comment_count;
    g->line = pgn_window_pass(&r->window, r->window.game_at);
    g->byte_offset = r->window.dropped + r->window.game_at;
    g->text = STR_NONE;
    if (r->options.keep_text)
        g->text = str_trim(
            str_from(r->window.text + r->window.game_at, r->window.at - r->window.game_at));
    r->stats.games++;
    r->stats.plies += g->ply_count;
    r->stats.empty += g->ply_count == 0;
}

/* Names what stands where a game should be, when not even its first move could be read. */
static void explain_no_game(struct pgn_reader *r)
{
    char first = r->window.text[r->window.at];
    if (r->tag_count > 0 || r->text.ply_count > 0 || first == '{' || first == '(')
        return;
    char shown[25];
    size_t len = 0;
    for (size_t i = r->window.at; i < r->window.end && len < sizeof shown - 1; i++, len++) {
        unsigned char c = (unsigned char)r->window.text[i];
        shown[len] = c >= ' ' && c < 127 ? (char)c : '?';
    }
    shown[len] = '\0';
    snprintf(r->text.reason, sizeof r->text.reason,
             "'%s' is neither a tag nor a move; is this a PGN file?", shown);
}

/* Reads one game. *ret_delivered is false when there was none to deliver; more may follow. */
static err read_game(struct pgn_reader *r, bool *ret_delivered)
{
    struct line_ends seen = { 0 };
    enum tags_step tags;
    enum pgn_step step = PGN_TAGS_FOLLOW;
    *ret_delivered = false;
    r->window.game_at = r->window.at;
    r->tag_count = 0;
    r->names_seen = 0;
    buf_clear(&r->converted);
    r->text.reason[0] = '\0';
    r->text.ply_count = 0;
    while ((tags = read_tags(r, &seen)) == TAGS_NEED_MORE) {
        if (r->window.end - r->window.game_at >= PGN_TEXT_MAX) {
            snprintf(r->text.reason, sizeof r->text.reason,
                     "the tags of one game are longer than %d MiB", PGN_TEXT_MAX / (1024 * 1024));
            return refuse(r, r->window.at, true);
        }
        TRY(pgn_window_fill(&r->window));
    }
    size_t where = r->window.at;
    if (!tags_start(r, &where)) {
        r->window.at -= r->window.at > r->window.game_at; /* the next tag may stand right here */
        return refuse(r, where, true);
    }
    pgn_movetext_begin(&r->text, &r->game.start);
    if (tags == TAGS_DONE)
        TRY(read_movetext(r, &step));
    if (step == PGN_INPUT_OVER && r->window.failure.code && (r->tag_count || r->text.ply_count)) {
        snprintf(r->text.reason, sizeof r->text.reason, "the input breaks off in this game");
        step = PGN_BROKEN;
    }
    if (step == PGN_BROKEN) {
        explain_no_game(r);
        return refuse(r, r->window.at, r->tag_count > 0);
    }
    /* A result or a comment alone is no game. */
    *ret_delivered = r->tag_count > 0 || r->text.ply_count > 0;
    if (*ret_delivered)
        deliver(r);
    return OK;
}

err pgn_next(struct pgn_reader *r, const struct pgn_game **ret_game)
{
    bool delivered = false;
    if (!r->window.has_begun)
        TRY(pgn_window_begin(&r->window));
    while (!delivered) {
        if (r->window.at == r->window.end && r->window.at_eof) {
            r->stats.lines = pgn_window_pass(&r->window, r->window.end) - 1 +
                             (r->window.end > 0 && !r->window.counted_cr &&
                              r->window.text[r->window.end - 1] != '\n');
            if (r->window.failure.code)
                return r->window.failure;
            *ret_game = NULL;
            return OK;
        }
        TRY(read_game(r, &delivered));
    }
    *ret_game = &r->game;
    return OK;
}

/* ------------------------------------------------------------------ opening */

err pgn_reader_open(struct pgn_source *source, const struct pgn_options *options,
                    struct pgn_reader **ret_reader)
{
    chess_init();
    struct pgn_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ERR(ERR_NO_MEMORY, "reading '%s': out of memory", pgn_source_name(source));
    err e = pgn_window_init(&r->window, source);
    if (e.code) {
        free(r);
        return e;
    }
    pgn_sources_fill(&r->text.sources);
    chess_position_start(&r->standard);
    if (options)
        r->options = *options;
    r->text.moves_only = r->options.moves_only;
#if defined(__x86_64__)
    r->text.has_bmi2 = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#endif
    buf_init(&r->converted, CONVERTED_BYTES_MAX);
    *ret_reader = r;
    return OK;
}

void pgn_reader_stats(const struct pgn_reader *r, struct pgn_stats *ret_stats)
{
    *ret_stats = r->stats;
    ret_stats->bytes = r->window.bytes;
}

void pgn_reader_close(struct pgn_reader *r)
{
    if (!r)
        return;
    buf_deinit(&r->converted);
    pgn_window_deinit(&r->window);
    free(r);
}

str pgn_game_tag(const struct pgn_game *g, const char *name)
{
    str wanted = str_of(name);
    for (size_t i = 0; i < g->tag_count; i++) {
        if (str_eq(g->tags[i].name, wanted))
            return g->tags[i].value;
    }
    return STR_NONE;
}
