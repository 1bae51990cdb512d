/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes lines: one JSON object each, members in a fixed order, "ts" first.
 *
 * A call formats into a buffer of its own and hands the finished line to the writer's queue; it
 * takes one lock for the time of a memcpy and never waits for a disk.
 */
#include "platform/observe/log_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/rand.h"

static const char *const level_names[] = { "debug", "info", "warn", "error" };

const char *log_level_name(enum log_level level)
{
    return level <= LOG_ERROR ? level_names[level] : "error";
}

err log_level_parse(str text, enum log_level *ret_level)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++)
        if (str_eq_nocase(text, str_of(level_names[i]))) {
            *ret_level = (enum log_level)i;
            return OK;
        }
    if (str_eq_nocase(text, STR("warning"))) {
        *ret_level = LOG_WARN;
        return OK;
    }
    return ERR(ERR_INVALID, "'%.*s' is not a log level: use debug, info, warn or error",
               STR_ARG(str_sub(text, 0, 40)));
}

err log_open(const struct log_options *options, struct log **ret_log)
{
    struct log *l = calloc(1, sizeof *l);
    if (!l)
        return ERR(ERR_NO_MEMORY, "opening the log: out of memory");
    l->level_min = options->level_min;
    l->quiet = options->quiet;
    l->is_silent = options->is_silent && options->folder;
    l->stderr_is_terminal = isatty(STDERR_FILENO);
    uint64_t serial;
    rand_bytes(&serial, sizeof serial);
    atomic_init(&l->span_serial, serial);
    err e = log_writer_open(options, &l->dropped, &l->writer);
    if (e.code) {
        free(l);
        return err_wrap(e, "opening the log");
    }
    *ret_log = l;
    return OK;
}

void log_close(struct log *l)
{
    if (!l)
        return;
    log_writer_close(l->writer);
    free(l);
}

uint64_t log_dropped(struct log *l)
{
    return atomic_load(&l->dropped);
}

/* ------------------------------------------------------------------ lines */

/* Our own members, in order; a field of the caller's with such a name gets an underscore behind, so
 * that no object has a member twice. */
static bool is_reserved(const char *key)
{
    static const char *const reserved[] = { "ts",        "level",      "event",      "msg",
                                            "component", "run_id",     "dataset_id", "model_id",
                                            "username",  "request_id", "span",       "trace_id",
                                            "span_id",   "parent_id",  "start_ms",   "dur_us" };
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (key[0] == reserved[i][0] && !strcmp(key, reserved[i]))
            return true;
    return false;
}

static void add_key(struct buf *line, str key)
{
    buf_add(line, STR(",\""));
    buf_add(line, key);
    buf_add(line, STR("\":"));
}

static void add_member(struct buf *line, str key, str value)
{
    if (value.len == 0)
        return;
    add_key(line, key);
    json_escape(line, value);
}

/* Opens the object: {"ts":"...","level":"..." */
static void add_head(struct buf *line, int64_t now_ms, enum log_level level)
{
    char ts[CLOCK_ISO_BYTES];
    clock_iso(now_ms, ts);
    buf_add(line, STR("{\"ts\":\""));
    buf_add_cstr(line, ts);
    buf_add(line, STR("\",\"level\":\""));
    buf_add_cstr(line, log_level_name(level));
    buf_add_char(line, '"');
}

static void add_labels(struct buf *line, const struct log_labels *labels)
{
    if (!labels)
        return;
    add_member(line, STR("component"), labels->component);
    add_member(line, STR("run_id"), labels->run_id);
    add_member(line, STR("dataset_id"), labels->dataset_id);
    add_member(line, STR("model_id"), labels->model_id);
    add_member(line, STR("username"), labels->username);
    add_member(line, STR("request_id"), labels->request_id);
}

/* JSON of the caller's, on one line: raw line breaks can only be white space in valid JSON. */
static void add_json(struct buf *line, str json)
{
    size_t from = line->len;
    buf_add(line, json.len ? json : STR("null"));
    if (line->failed)
        return;
    for (size_t i = from; i < line->len; i++)
        if (line->ptr[i] == '\n' || line->ptr[i] == '\r')
            line->ptr[i] = ' ';
}

static void add_value(struct buf *line, const struct log_field *field)
{
    switch (field->type) {
    case LOG_FIELD_STR:
        json_escape(line, field->text);
        break;
    case LOG_FIELD_INT:
        buf_add_i64(line, field->integer);
        break;
    case LOG_FIELD_REAL:
        if (field->real - field->real == 0) /* neither NaN nor infinite */
            buf_add_f64(line, field->real);
        else
            buf_add(line, STR("null"));
        break;
    case LOG_FIELD_BOOL:
        buf_add(line, field->integer ? STR("true") : STR("false"));
        break;
    case LOG_FIELD_JSON:
        add_json(line, field->text);
        break;
    case LOG_FIELD_END:
        break;
    }
}

static void add_fields(struct buf *line, const struct log_field *fields, size_t field_count)
{
    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].type == LOG_FIELD_END) /* the log_event macro starts its array with one */
            continue;
        add_key(line, str_of(fields[i].key));
        if (is_reserved(fields[i].key)) {
            line->len -= line->failed ? 0 : 2;
            buf_add(line, STR("_\":"));
        }
        add_value(line, &fields[i]);
    }
}

/* The short form for people at a terminal: 10:22:33.123 WARN  store.slow  the message  key=value */
static void add_short(struct buf *out, int64_t now_ms, enum log_level level, const char *event,
                      const char *msg, const struct log_field *fields, size_t field_count)
{
    char ts[CLOCK_ISO_BYTES];
    clock_iso(now_ms, ts);
    static const char *const names[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };
    buf_add_fmt(out, "%.12s %s %s", ts + 11, names[level], event);
    if (msg && msg[0])
        buf_add_fmt(out, "  %s", msg);
    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].type == LOG_FIELD_END)
            continue;
        buf_add_fmt(out, "  %s=", fields[i].key);
        add_value(out, &fields[i]);
    }
    buf_add_char(out, '\n');
}

/* Which places a line of this level goes to. */
static unsigned destinations_of(const struct log *l, enum log_level level)
{
    unsigned to = log_writer_has_folder(l->writer) ? LOG_TO_FILE : 0;
    if (!l->is_silent && (!l->quiet || level >= LOG_ERROR))
        to |= LOG_TO_STDERR;
    return to;
}

static void line_begin(struct buf *line)
{
    buf_init(line, LOG_LINE_BYTES_MAX - 1);
    buf_reserve(line, 768); /* most lines fit without growing */
}

/* Ends the line and hands it on; what did not fit is replaced by a line that says so. */
static void line_send(struct log *l, struct buf *line, unsigned destinations, int64_t now_ms,
                      enum log_level level, const char *event)
{
    buf_add(line, STR("}\n"));
    if (line->failed) {
        buf_clear(line);
        add_head(line, now_ms, level);
        add_member(line, STR("event"), str_sub(str_of(event), 0, 200));
        buf_add(line, STR(",\"msg\":\"the line was longer than the maximum and is left out\"}\n"));
        atomic_fetch_add(&l->dropped, 1);
    }
    if (!line->failed)
        log_writer_add(l->writer, destinations, buf_str(line), now_ms, level >= LOG_ERROR);
}

void log_event_fields(struct log *l, enum log_level level, const struct log_labels *labels,
                      const char *event, const char *msg, const struct log_field *fields,
                      size_t field_count)
{
    if (!l || level < l->level_min)
        return;
    unsigned to = destinations_of(l, level);
    if (!to)
        return;
    int64_t now_ms = clock_wall_ms();
    struct buf line;
    line_begin(&line);
    if ((to & LOG_TO_STDERR) && l->stderr_is_terminal) {
        add_short(&line, now_ms, level, event, msg, fields, field_count);
        if (!line.failed)
            log_writer_add(l->writer, LOG_TO_STDERR, buf_str(&line), now_ms, level >= LOG_ERROR);
        buf_clear(&line);
        to &= ~(unsigned)LOG_TO_STDERR;
    }
    if (to) {
        add_head(&line, now_ms, level);
        add_member(&line, STR("event"), str_of(event));
        add_member(&line, STR("msg"), str_of(msg));
        add_labels(&line, labels);
        add_fields(&line, fields, field_count);
        line_send(l, &line, to, now_ms, level, event);
    }
    buf_deinit(&line);
}

void log_error(struct log *l, const struct log_labels *labels, const char *event, const err *e)
{
    if (!e || !e->code)
        return;
    log_event(l, LOG_ERROR, labels, event, e->msg, F_CSTR("code", err_code_name(e->code)),
              F_CSTR("file", e->file), F_INT("line", e->line));
}

/* ------------------------------------------------------------------ spans */

/* Ids must be unique within a trace and not zero; a counter with a random start, mixed, is both. */
static uint64_t span_id_next(struct log *l)
{
    uint64_t x = rand_mix(atomic_fetch_add_explicit(&l->span_serial, 1, memory_order_relaxed));
    return x ? x : 1;
}

struct log_span log_span_begin(struct log *l, const struct log_labels *labels, const char *name,
                               uint64_t parent_id)
{
    struct log_span span = { .log = l, .labels = labels, .name = name, .parent_id = parent_id };
    if (!l)
        return span;
    span.span_id = span_id_next(l);
    span.start_ms = clock_wall_ms();
    span.start_ns = clock_mono_ns();
    return span;
}

static void add_id(struct buf *line, str key, uint64_t id)
{
    add_key(line, key);
    buf_add_fmt(line, "\"%016llx\"", (unsigned long long)id);
}

void log_span_end(struct log_span *span, const err *e)
{
    struct log *l = span->log;
    if (!l || LOG_INFO < l->level_min || !log_writer_has_folder(l->writer))
        return;
    int64_t now_ms = clock_wall_ms();
    int64_t dur_us = (clock_mono_ns() - span->start_ns) / 1000;
    enum log_level level = e && e->code ? LOG_ERROR : LOG_INFO;
    const struct log_labels *labels = span->labels;
    str trace_id = !labels ? STR_NONE : labels->run_id.len ? labels->run_id : labels->request_id;

    struct buf line;
    line_begin(&line);
    add_head(&line, now_ms, level);
    add_member(&line, STR("span"), str_of(span->name));
    add_member(&line, STR("trace_id"), trace_id);
    add_id(&line, STR("span_id"), span->span_id);
    if (span->parent_id)
        add_id(&line, STR("parent_id"), span->parent_id);
    add_key(&line, STR("start_ms"));
    buf_add_i64(&line, span->start_ms);
    add_key(&line, STR("dur_us"));
    buf_add_i64(&line, dur_us);
    add_labels(&line, labels);
    if (level == LOG_ERROR) {
        add_member(&line, STR("code"), str_of(err_code_name(e->code)));
        add_member(&line, STR("error"), str_of(e->msg));
    }
    /* Only to the file: a person at a terminal has no use for spans. */
    line_send(l, &line, LOG_TO_FILE, now_ms, level, span->name);
    buf_deinit(&line);
}
