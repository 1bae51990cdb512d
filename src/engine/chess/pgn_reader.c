/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pgn_reader.c -- games out of a stream of text, one at a time, at constant memory.
 *
 * The window holds the text from the start of the current game on. When something is cut by its
 * end, the game's text is moved to the front and more is read behind it; the window grows only for
 * games that are longer than it, up to PGN_TEXT_MAX. A game that cannot be read is reported and
 * left behind: the reader looks for the next place where a line opens with a tag pair (or, in files
 * without tags, where a paragraph begins with "1."), and forgets the text on the way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chess/pgn_internal.h"

enum {
    WINDOW_BYTES = 256 * 1024,   /* to begin with; stays in the second level cache */
    READ_BYTES_MIN = 64 * 1024,  /* room there must be before reading */
    WINDOW_BYTES_MAX = PGN_TEXT_MAX + 2 * READ_BYTES_MIN,
    RAW_BYTES = 64 * 1024,       /* UTF-16 before it is converted */
    CONVERTED_BYTES_MAX = PGN_TAGS_MAX * (PGN_TAG_BYTES_MAX + 8),
};

struct pgn_reader {
    struct pgn_source *source;
    struct pgn_options options;
    struct pgn_stats stats;

    char *padded;        /* the window with zeros on both sides */
    char *window;
    size_t window_bytes; /* without the zeros */
    size_t game_at;      /* where the current game starts */
    size_t at;           /* next byte to look at */
    size_t end;
    bool at_eof;
    err failure;         /* of the source; everything in the window is still good */
    uint64_t dropped;    /* bytes of the stream before the window */

    size_t counted_to;   /* line ends before it are in `line` */
    uint64_t line;
    bool counted_cr;

    bool has_encoding;
    enum pgn_encoding encoding;
    struct pgn_utf16 utf16;
    char *raw;

    struct pgn_raw_tag raw_tags[PGN_TAGS_MAX];
    size_t tag_count;
    uint64_t names_seen;
    struct buf converted;
    struct chess_position standard; /* the usual start */
    struct pgn_game game;
    struct pgn_movetext text;
};

/* ------------------------------------------------------------------ window */

static uint64_t line_at(struct pgn_reader *r, size_t offset)
{
    if (offset > r->counted_to) {
        r->line += pgn_text_lines(str_from(r->window + r->counted_to, offset - r->counted_to),
                                  &r->counted_cr);
        r->counted_to = offset;
    }
    return r->line + 1;
}

/* Line of a place that lies before what is counted already, or behind it. */
static uint64_t line_of(struct pgn_reader *r, size_t offset)
{
    bool was_cr = r->counted_cr;
    uint64_t line = r->line;
    if (offset > r->counted_to)
        line += pgn_text_lines(str_from(r->window + r->counted_to, offset - r->counted_to),
                               &was_cr);
    return line + 1;
}

/* Makes room for READ_BYTES_MIN more bytes behind the current game. */
static err window_make_room(struct pgn_reader *r)
{
    if (r->window_bytes - r->end >= READ_BYTES_MIN)
        return OK;
    if (r->game_at > 0) {
        line_at(r, r->game_at);
        memmove(r->window, r->window + r->game_at, r->end - r->game_at);
        r->dropped += r->game_at;
        r->end -= r->game_at;
        r->at -= r->game_at;
        r->counted_to -= r->game_at;
        r->game_at = 0;
    }
    /* Half empty after each move, so that long games are not moved over and over. */
    if (r->window_bytes - r->end >= r->window_bytes / 2 || r->window_bytes >= WINDOW_BYTES_MAX)
        return OK;
    size_t larger = r->window_bytes * 2 < WINDOW_BYTES_MAX ? r->window_bytes * 2 : WINDOW_BYTES_MAX;
    char *moved = realloc(r->padded, larger + 2 * PGN_PAD_BYTES);
    if (!moved)
        return ERR(ERR_NO_MEMORY, "reading '%s': no memory for a game of %zu bytes",
                   pgn_source_name(r->source), r->end);
    r->padded = moved;
    r->window = moved + PGN_PAD_BYTES;
    r->window_bytes = larger;
    return OK;
}

/* One read, converted to what the window holds. */
static err window_read(struct pgn_reader *r, size_t *ret_count)
{
    size_t room = r->window_bytes - r->end, count = 0;
    if (r->encoding == PGN_BYTES) {
        TRY(pgn_source_read(r->source, r->window + r->end, room, &count));
    } else {
        size_t want = (room - 8) / PGN_UTF16_GROWTH;
        TRY(pgn_source_read(r->source, r->raw, want < RAW_BYTES ? want : RAW_BYTES, &count));
        size_t len = pgn_utf16_to_utf8(&r->utf16, str_from(r->raw, count), r->window + r->end);
        /* An odd byte or half a pair gives no text yet; zero would mean the end. */
        if (count > 0 && len == 0)
            return window_read(r, ret_count);
        count = len;
    }
    *ret_count = count;
    return OK;
}

/* Reads until the text behind `at` has doubled, so that whoever looks at it again from its start
 * does not do so more often than its length allows. Fails only on our own limits: what the source
 * has to say waits in r->failure until the good text is used up. */
static err window_fill(struct pgn_reader *r)
{
    size_t want = (r->end - r->at) * 2 + 1;
    while (!r->at_eof && r->end - r->at < want) {
        TRY(window_make_room(r));
        if (r->window_bytes == r->end)
            break;
        size_t count = 0;
        err e = window_read(r, &count);
        if (e.code)
            r->failure = e;
        r->at_eof = e.code || count == 0;
        r->end += count;
        r->stats.bytes += count;
    }
    memset(r->window + r->end, 0, PGN_PAD_BYTES);
    return OK;
}

/* The first bytes tell the encoding. */
static err window_begin(struct pgn_reader *r)
{
    while (!r->at_eof && r->end < 4)
        TRY(window_fill(r));
    size_t skip;
    r->encoding = pgn_encoding_of(str_from(r->window, r->end), &skip);
    r->has_encoding = true;
    if (r->encoding == PGN_BYTES) {
        r->at = r->game_at = skip;
        return OK;
    }
    r->utf16.big_endian = r->encoding == PGN_UTF16_BE;
    r->raw = malloc(RAW_BYTES);
    size_t before = r->end, needed = before * PGN_UTF16_GROWTH + 8;
    size_t larger = needed > r->window_bytes ? needed : r->window_bytes;
    char *again = calloc(1, larger + 2 * PGN_PAD_BYTES);
    if (!r->raw || !again) {
        free(again);
        return ERR(ERR_NO_MEMORY, "reading '%s': no memory to convert UTF-16",
                   pgn_source_name(r->source));
    }
    r->end = pgn_utf16_to_utf8(&r->utf16, str_from(r->window + skip, before - skip),
                               again + PGN_PAD_BYTES);
    free(r->padded);
    r->padded = again;
    r->window = again + PGN_PAD_BYTES;
    r->window_bytes = larger;
    r->stats.bytes = r->end;
    memset(r->window + r->end, 0, PGN_PAD_BYTES);
    return OK;
}

/* ------------------------------------------------------------------ tags */

enum tags_step { TAGS_NEED_MORE, TAGS_DONE, TAGS_OTHER_GAME };

static str raw_name(const struct pgn_reader *r, const struct pgn_raw_tag *t)
{
    return str_from(r->window + r->game_at + t->name_at, t->name_len);
}

static str raw_value(const struct pgn_reader *r, const struct pgn_raw_tag *t)
{
    const char *base = t->is_converted ? r->converted.ptr : r->window + r->game_at;
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
    const char *p = r->window + r->at, *end = r->window + r->end;
    bool is_bad_tag = *p == '[';
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    if (p == end && !r->at_eof)
        return false;
    r->stats.tags_ignored += is_bad_tag;
    r->at = (size_t)(p - r->window);
    return true;
}

static enum tags_step read_tags(struct pgn_reader *r, struct line_ends *seen)
{
    for (;;) {
        const char *end = r->window + r->end;
        const char *p = skip_space(r->window + r->at, seen);
        r->at = (size_t)(p - r->window);
        if (r->tag_count == 0)
            r->game_at = r->at;
        if (p == end)
            return r->at_eof ? TAGS_DONE : TAGS_NEED_MORE;
        struct pgn_raw_tag tag;
        size_t converted_before = r->converted.len;
        enum pgn_tag_step step = PGN_TAG_NONE;
        if (*p == '[')
            step = pgn_tag_read(r->window + r->game_at, &p, end, r->at_eof, &r->converted, &tag);
        if (step == PGN_TAG_CUT)
            return TAGS_NEED_MORE;
        if (step == PGN_TAG_READ) {
            if (!take_tag(r, &tag, is_blank(seen))) {
                r->converted.len = converted_before;
                return TAGS_OTHER_GAME;
            }
            *seen = (struct line_ends){ 0 };
            r->at = (size_t)(p - r->window);
            continue;
        }
        bool opens_line = r->at == 0 || p[-1] == '\n' || p[-1] == '\r';
        if ((*p == '[' && r->tag_count > 0) || (*p == '%' && opens_line)) {
            if (!skip_line(r))
                return TAGS_NEED_MORE;
        } else if (memcmp(p, "\xef\xbb\xbf", 3) ==
                   0) { /* files with byte order marks, put together */
            r->at += 3;
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
        *ret_where = r->game_at + variant->name_at;
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
        *ret_where = r->game_at + fen->name_at;
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
        .line = line_of(r, where),
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
        const char *begin = r->window + r->game_at, *p = r->window + r->at,
                   *end = r->window + r->end;
        bool unsure = false;
        const char *next = pgn_find_tags(begin, p, end, &unsure);
        if (!had_tags) {
            const char *first = find_first_move(p, next ? next : end);
            unsure = unsure && !first;
            next = first ? first : next;
        }
        if (next && (!unsure || r->at_eof)) {
            r->at = (size_t)(next - r->window);
            r->game_at = r->at;
            return OK;
        }
        /* Keep what the next look needs: an undecided bracket, or the last few characters. */
        size_t keep = next ? (size_t)(end - next) : 4;
        r->at = r->end - r->at > keep ? r->end - keep : r->at;
        if (r->at_eof) {
            r->at = r->game_at = r->end;
            return OK;
        }
        r->game_at = r->at > 0 ? r->at - 1 : 0; /* one before, for "at the start of a line" */
        TRY(window_fill(r));
    }
}

/* `where` is the place to report; the search for the next game begins behind r->at. */
static err refuse(struct pgn_reader *r, size_t where, bool had_tags)
{
    tell_problem(r, where);
    r->at += r->at < r->end;
    return skip_to_next(r, had_tags);
}

/* ------------------------------------------------------------------ games */

static void give_window(struct pgn_reader *r)
{
    r->text.begin = r->window + r->game_at;
    r->text.p = r->window + r->at;
    r->text.end = r->window + r->end;
    r->text.at_eof = r->at_eof;
}

/* Reads the movetext at r->at, with as many refills as it takes. */
static err read_movetext(struct pgn_reader *r, enum pgn_step *ret_step)
{
    for (;;) {
        give_window(r);
        enum pgn_step step = pgn_movetext_run(&r->text);
        r->at = (size_t)(r->text.p - r->window);
        if (step == PGN_NEED_MORE && r->end - r->game_at >= PGN_TEXT_MAX) {
            snprintf(r->text.reason, sizeof r->text.reason,
                     "the text of one game is longer than %d MiB", PGN_TEXT_MAX / (1024 * 1024));
            step = PGN_BROKEN;
        }
        if (step != PGN_NEED_MORE) {
            *ret_step = step;
            return OK;
        }
        TRY(window_fill(r));
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
    g->line = line_at(r, r->game_at);
    g->byte_offset = r->dropped + r->game_at;
    g->text = STR_NONE;
    if (r->options.keep_text)
        g->text = str_trim(str_from(r->window + r->game_at, r->at - r->game_at));
    r->stats.games++;
    r->stats.plies += g->ply_count;
    r->stats.empty += g->ply_count == 0;
}

/* Names what stands where a game should be, when not even its first move could be read. */
static void explain_no_game(struct pgn_reader *r)
{
    char first = r->window[r->at];
    if (r->tag_count > 0 || r->text.ply_count > 0 || first == '{' || first == '(')
        return;
    char shown[25];
    size_t len = 0;
    for (size_t i = r->at; i < r->end && len < sizeof shown - 1; i++, len++) {
        unsigned char c = (unsigned char)r->window[i];
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
    r->game_at = r->at;
    r->tag_count = 0;
    r->names_seen = 0;
    buf_clear(&r->converted);
    r->text.reason[0] = '\0';
    r->text.ply_count = 0;
    while ((tags = read_tags(r, &seen)) == TAGS_NEED_MORE) {
        if (r->end - r->game_at >= PGN_TEXT_MAX) {
            snprintf(r->text.reason, sizeof r->text.reason,
                     "the tags of one game are longer than %d MiB", PGN_TEXT_MAX / (1024 * 1024));
            return refuse(r, r->at, true);
        }
        TRY(window_fill(r));
    }
    size_t where = r->at;
    if (!tags_start(r, &where)) {
        r->at -= r->at > r->game_at; /* the next tag may stand right here */
        return refuse(r, where, true);
    }
    pgn_movetext_begin(&r->text, &r->game.start);
    if (tags == TAGS_DONE)
        TRY(read_movetext(r, &step));
    if (step == PGN_INPUT_OVER && r->failure.code && (r->tag_count || r->text.ply_count)) {
        snprintf(r->text.reason, sizeof r->text.reason, "the input breaks off in this game");
        step = PGN_BROKEN;
    }
    if (step == PGN_BROKEN) {
        explain_no_game(r);
        return refuse(r, r->at, r->tag_count > 0);
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
    if (!r->has_encoding)
        TRY(window_begin(r));
    while (!delivered) {
        if (r->at == r->end && r->at_eof) {
            r->stats.lines = line_at(r, r->end) - 1 +
                             (r->end > 0 && !r->counted_cr && r->window[r->end - 1] != '\n');
            if (r->failure.code)
                return r->failure;
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
    if (r)
        r->padded = calloc(1, WINDOW_BYTES + 2 * PGN_PAD_BYTES);
    if (!r || !r->padded) {
        free(r);
        return ERR(ERR_NO_MEMORY, "reading '%s': out of memory", pgn_source_name(source));
    }
    pgn_sources_fill(&r->text.sources);
    chess_position_start(&r->standard);
    r->window = r->padded + PGN_PAD_BYTES;
    r->window_bytes = WINDOW_BYTES;
    r->source = source;
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
}

void pgn_reader_close(struct pgn_reader *r)
{
    if (!r)
        return;
    buf_deinit(&r->converted);
    free(r->raw);
    free(r->padded);
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
