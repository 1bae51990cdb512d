/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/app/process.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { FAMILY_CPU, FAMILY_RESIDENT, FAMILY_FDS, FAMILY_START };

/* Names as the Prometheus client libraries have them. */
const struct metric_family process_metrics[] = {
    { .name = "process_cpu_seconds_total",
      .type = METRIC_COUNTER,
      .help = "User and system CPU time spent." },
    { .name = "process_resident_memory_bytes", .type = METRIC_GAUGE, .help = "Resident memory." },
    { .name = "process_open_fds", .type = METRIC_GAUGE, .help = "Open file descriptors." },
    { .name = "process_start_time_seconds",
      .type = METRIC_GAUGE,
      .help = "Start time, seconds since 1970 UTC." },
    { 0 },
};

int64_t process_resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    long long size = 0, resident = 0;
    int got = fscanf(f, "%lld %lld", &size, &resident);
    fclose(f);
    return got == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

static int64_t open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    int64_t count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 3; /* ".", ".." and the folder itself */
}

void process_metrics_update(struct metrics *m)
{
    struct metric_cell *cpu = metric_cell_plain(m, &process_metrics[FAMILY_CPU]);
    double spent = (double)clock_cpu_ns() / 1e9 - metric_value(cpu);
    if (spent > 0)
        metric_add(cpu, spent);
    metric_set(metric_cell_plain(m, &process_metrics[FAMILY_RESIDENT]),
               (double)process_resident_bytes());
    metric_set(metric_cell_plain(m, &process_metrics[FAMILY_FDS]), (double)open_fds());
    struct metric_cell *start = metric_cell_plain(m, &process_metrics[FAMILY_START]);
    if (metric_value(start) == 0)
        metric_set(start, (double)clock_wall_ms() / 1000); /* set first when the house opens */
}
