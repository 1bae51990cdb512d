/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ingest_report.h -- what an import tells about the games it could not read: file, line, reason.
 *
 * The first thousand are listed, all are counted by reason. One thread fills it, then another reads
 * it.
 */
#ifndef SKERRY_APPS_CHESS_INGEST_REPORT_H
#define SKERRY_APPS_CHESS_INGEST_REPORT_H

#include "base/arena.h"
#include "base/json.h"
#include "engine/chess/pgn.h"

enum { REPORT_LISTED_MAX = 1000, REPORT_REASONS_MAX = 64, REPORT_REASON_BYTES = 80 };

struct ingest_refusal {
    str file;
    uint64_t line, game;
    str reason;
};

struct ingest_report {
    arena keep;
    struct ingest_refusal *listed; /* in order of appearance */
    size_t listed_count;
    struct ingest_reason {
        char text[REPORT_REASON_BYTES];
        uint64_t count;
    } reasons[REPORT_REASONS_MAX]; /* the last one counts what found no place */
    size_t reason_count;
    uint64_t refused;
};

MUST_USE err ingest_report_init(struct ingest_report *r);
void ingest_report_deinit(struct ingest_report *r); /* accepts all zero */
void ingest_report_add(struct ingest_report *r, str file, const struct pgn_problem *problem);

/* The part of a reason that many games share: "move 12. Nf7: no knight can go there" is "no knight
 * can go there". A slice of `reason`. */
str ingest_reason_kind(str reason);

/* Writes "refused" and "reasons" members into an open object. */
void ingest_report_write(const struct ingest_report *r, struct json_out *w);

#endif
