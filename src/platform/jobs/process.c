/* SPDX-License-Identifier: GPL-3.0-or-later */
/* process.c -- does the process that holds this lease still live?
 *
 * A pid alone does not say: it may have been given out again. Together with the time at which the
 * process started (in ticks since boot, from /proc) it names one process. On doubt the answer is
 * "it lives": then its lease runs out by the clock, which is slower but never wrong. A wrong "dead"
 * would cost work, not correctness: leases are numbered.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "platform/jobs/jobs_internal.h"

/* What /proc/PID/stat says; ERR_NOT_FOUND when there is no such process. */
static err stat_read(int64_t pid, char *text, size_t bytes, size_t *ret_len)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_SYS("opening '%s'", path);
    ssize_t got = read(fd, text, bytes);
    err e = OK;
    if (got < 0 && errno == ESRCH) /* between the two calls */
        e = ERR(ERR_NOT_FOUND, "process %" PRId64 " has ended", pid);
    else if (got < 0)
        e = ERR_SYS("reading '%s'", path);
    close(fd);
    if (e.code)
        return e;
    *ret_len = (size_t)got;
    return OK;
}

/* The 22nd field. The second is the program's name in brackets, and may contain spaces and brackets
 * itself. */
static err start_ticks(int64_t pid, int64_t *ret_ticks)
{
    char text[1024]; /* numbers, and a name of at most 15 characters: some 300 bytes */
    size_t len = 0;
    TRY(stat_read(pid, text, sizeof(text), &len));
    size_t end = len;
    while (end > 0 && text[end - 1] != ')')
        end--;
    str rest = str_trim(str_from(text + end, len - end));
    if (str_starts(rest, STR("Z")) ||
        str_starts(rest, STR("X"))) /* only its parent has not looked */
        return ERR(ERR_NOT_FOUND, "process %" PRId64 " has ended", pid);
    str field = STR_NONE;
    for (int i = 3; i <= 22; i++)
        field = str_split(&rest, ' ');
    return str_to_i64(field, ret_ticks);
}

/* Splits "host:pid@start"; without "@start", *ret_start is -1. */
static bool name_split(str name, str *ret_host, int64_t *ret_pid, int64_t *ret_start)
{
    str rest = name;
    str place = str_split(&rest, '@');
    int64_t start = -1, pid = 0;
    if (place.len < name.len && (str_to_i64(rest, &start).code || start < 0))
        return false;
    size_t colon = place.len;
    while (colon > 0 && place.ptr[colon - 1] != ':')
        colon--;
    if (colon < 2 || str_to_i64(str_sub(place, colon, place.len - colon), &pid).code || pid < 1)
        return false;
    *ret_host = str_sub(place, 0, colon - 1);
    *ret_pid = pid;
    *ret_start = start;
    return true;
}

void process_name(const char *label, char out[PROCESS_NAME_BYTES])
{
    str host;
    int64_t pid = 0, start = -1, ticks = 0;
    bool is_us = name_split(str_of(label), &host, &pid, &start) && start < 0 && pid == getpid();
    if (is_us && !start_ticks(pid, &ticks).code)
        snprintf(out, PROCESS_NAME_BYTES, "%s@%" PRId64, label, ticks);
    else
        snprintf(out, PROCESS_NAME_BYTES, "%s", label);
}

bool process_is_kin(str name, str own)
{
    str host, own_host;
    int64_t pid = 0, own_pid = 0, start = -1;
    return name_split(name, &host, &pid, &start) && name_split(own, &own_host, &own_pid, &start) &&
           str_eq(host, own_host);
}

bool process_is_dead(str name, str own)
{
    str host, own_host;
    int64_t pid = 0, start = -1, own_pid = 0, own_start = -1, ticks = 0;
    if (!name_split(name, &host, &pid, &start) || start < 0 ||
        !name_split(own, &own_host, &own_pid, &own_start) || !str_eq(host, own_host))
        return false;
    err e = start_ticks(pid, &ticks);
    return e.code == ERR_NOT_FOUND || (!e.code && ticks != start);
}
