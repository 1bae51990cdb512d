/* SPDX-License-Identifier: GPL-3.0-or-later */
/* takes.c -- which kinds of jobs does this process do?
 *
 * People say it ("chess.*,core.collect"), and the machine limits it: a kind that needs more memory
 * than there is, or a GPU that is not there, is left to somebody who has it. Decided once, at the
 * start; claims ask for these kinds only.
 */
#include <string.h>

#include "base/buf.h"
#include "platform/jobs/jobs_internal.h"

static bool pattern_matches(str pattern, str kind)
{
    if (str_eq(pattern, STR("*")))
        return true;
    if (pattern.len > 2 && str_ends(pattern, STR(".*")))
        return str_starts(kind, str_sub(pattern, 0, pattern.len - 1));
    return str_eq(pattern, kind);
}

bool takes_matches(str takes, const char *kind)
{
    for (str rest = takes; rest.len;)
        if (pattern_matches(str_trim(str_split(&rest, ',')), str_of(kind)))
            return true;
    return false;
}

static err nothing_matches(const struct jobs *j, str pattern)
{
    struct buf all;
    buf_init(&all, 8 * 1024);
    for (size_t i = 0; i < j->kind_count; i++)
        buf_add_fmt(&all, "%s%s", i ? ", " : "", j->kinds[i]->name);
    err e = ERR(ERR_INVALID, "no kind of jobs is called '%.*s'; there are %.*s",
                STR_ARG(str_sub(pattern, 0, 40)), STR_ARG(buf_str(&all)));
    buf_deinit(&all);
    return e;
}

/* A pattern without a kind is a slip of the pen: such a worker would wait for ever. */
static err patterns_check(const struct jobs *j, str takes)
{
    for (str rest = takes; rest.len;) {
        str pattern = str_trim(str_split(&rest, ','));
        bool is_used = false;
        for (size_t i = 0; i < j->kind_count; i++)
            is_used |= pattern_matches(pattern, str_of(j->kinds[i]->name));
        if (!is_used)
            return nothing_matches(j, pattern);
    }
    return OK;
}

static bool machine_suffices(const struct worker_self *self, const struct job_kind *kind)
{
    if (kind->needs_gpu && self->gpu && !self->gpu[0])
        return false;
    return !self->memory_bytes || self->memory_bytes >= (int64_t)kind->memory_mib << 20;
}

err takes_decide(struct jobs *j)
{
    const struct worker_self *self = &j->options.self;
    bool is_told = self->takes && self->takes[0];
    bool is_away = self->role && strcmp(self->role, "work") == 0;
    if (is_told)
        TRY(patterns_check(j, str_of(self->takes)));
    for (size_t i = 0; i < j->kind_count; i++) {
        const struct job_kind *kind = j->kinds[i];
        bool is_wanted = is_told ? takes_matches(str_of(self->takes), kind->name)
                                 : !(is_away && kind->stays_home);
        j->takes[i] = is_wanted && machine_suffices(self, kind);
    }
    return OK;
}
