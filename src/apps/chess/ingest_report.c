/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_report.c -- a bounded list of refused games, and bounded counts by reason. */
#include "apps/chess/ingest_report.h"

#include <stdio.h>
#include <string.h>

/* A thousand names and reasons of at most 200 bytes each, and the list itself. */
enum { REPORT_BYTES_MAX = 1024 * 1024 };

err ingest_report_init(struct ingest_report *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->keep, REPORT_BYTES_MAX);
    r->listed = NEW_ARRAY(&r->keep, struct ingest_refusal, REPORT_LISTED_MAX);
    ARENA_TRY(r->listed);
    return OK;
}

void ingest_report_deinit(struct ingest_report *r)
{
    arena_deinit(&r->keep);
    memset(r, 0, sizeof *r);
}

str ingest_reason_kind(str reason)
{
    str rest = reason;
    if (str_starts(reason, STR("move "))) {
        ptrdiff_t colon = str_find(reason, STR(": "));
        if (colon >= 0)
            rest = str_sub(reason, (size_t)colon + 2, reason.len);
    }
    return str_trim(rest);
}

static void count_reason(struct ingest_report *r, str reason)
{
    char text[REPORT_REASON_BYTES];
    str kind = ingest_reason_kind(reason);
    kind = str_sub(kind, 0, sizeof text - 1);
    kind.len = str_utf8_valid_len(kind);
    snprintf(text, sizeof text, "%.*s", STR_ARG(kind));
    size_t i = 0;
    while (i < r->reason_count && strcmp(r->reasons[i].text, text) != 0)
        i++;
    if (i == r->reason_count) {
        if (r->reason_count < REPORT_REASONS_MAX - 1) {
            memcpy(r->reasons[i].text, text, sizeof text);
            r->reason_count++;
        } else {
            i = REPORT_REASONS_MAX - 1;
            snprintf(r->reasons[i].text, sizeof r->reasons[i].text, "other reasons");
            r->reason_count = REPORT_REASONS_MAX;
        }
    }
    r->reasons[i].count++;
}

void ingest_report_add(struct ingest_report *r, str file, const struct pgn_problem *problem)
{
    str reason = str_of(problem->reason);
    r->refused++;
    count_reason(r, reason);
    if (r->listed_count == REPORT_LISTED_MAX)
        return;
    struct ingest_refusal *last = r->listed_count ? &r->listed[r->listed_count - 1] : NULL;
    struct ingest_refusal next = {
        .file = last && str_eq(last->file, file) ? last->file : arena_str(&r->keep, file),
        .line = problem->line,
        .game = problem->game_number,
        .reason = arena_str(&r->keep, reason),
    };
    if (next.file.ptr && next.reason.ptr)
        r->listed[r->listed_count++] = next;
}

void ingest_report_write(const struct ingest_report *r, struct json_out *w)
{
    json_key(w, "reasons");
    json_array_begin(w);
    for (size_t i = 0; i < r->reason_count; i++) {
        json_object_begin(w);
        json_kv_cstr(w, "reason", r->reasons[i].text);
        json_kv_int(w, "count", (int64_t)r->reasons[i].count);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "refused");
    json_array_begin(w);
    for (size_t i = 0; i < r->listed_count; i++) {
        json_object_begin(w);
        json_kv_str(w, "file", r->listed[i].file);
        json_kv_int(w, "line", (int64_t)r->listed[i].line);
        json_kv_int(w, "game", (int64_t)r->listed[i].game);
        json_kv_str(w, "reason", r->listed[i].reason);
        json_object_end(w);
    }
    json_array_end(w);
}
