/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_resources.c -- GET /v1/obs/resources: what this process takes, now and over a window, from
 * its own metrics and their history. The reference had a process a service; here one answers to all
 * their names. */
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "platform/app/core.h"
#include "platform/app/process.h"

enum {
    WINDOW_DEFAULT_S = 300,
    WINDOW_MIN_S = 60, /* samples are 15 s apart: less would be a guess */
    WINDOW_MAX_S = 30 * 86400,
    SAMPLE_S = 15,
    STEPS_MAX = 1000,
};

static err read_service(const struct http_request *rq, str *ret_service)
{
    static const char *const names[] = { "skerry",          "api",          "ml",       "serve",
                                         "selfplay-runner", "eval-offline", "obs-proxy" };
    str given = http_query(rq, "service");
    *ret_service = given.len ? given : STR("skerry");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(*ret_service, str_of(names[i])))
            return OK;
    return ERR(ERR_NOT_FOUND,
               "there is no service '%.*s': everything is one process, 'skerry', which answers as "
               "api, ml, serve, selfplay-runner, eval-offline and obs-proxy, too",
               STR_ARG(str_sub(given, 0, 60)));
}

/* "90s", "5m", "2h", "7d" */
static err read_window(const struct http_request *rq, int64_t *ret_seconds)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    str text = http_query(rq, "window");
    int64_t number = 0, seconds = 0;
    *ret_seconds = WINDOW_DEFAULT_S;
    if (!text.len)
        return OK;
    err e = str_to_i64(str_sub(text, 0, text.len - 1), &number);
    for (size_t i = 0; !e.code && i < COUNT_OF(units); i++)
        if (text.ptr[text.len - 1] == units[i].unit && number <= WINDOW_MAX_S)
            seconds = number * units[i].seconds;
    if (seconds < WINDOW_MIN_S || seconds > WINDOW_MAX_S)
        return ERR(ERR_INVALID,
                   "query parameter 'window' must be a time from 60s to 30d, like 5m, 2h or 7d, "
                   "and is '%.*s'",
                   STR_ARG(str_sub(text, 0, 40)));
    *ret_seconds = seconds;
    return OK;
}

static err query(struct http_request *rq, str name, enum history_function function,
                 int64_t window_s, int64_t step_s, struct metric_point **ret_points,
                 size_t *ret_count)
{
    int64_t now = clock_wall_ms();
    struct history_query q = { .name = name,
                               .function = function,
                               .from_ms = now - window_s * 1000,
                               .to_ms = now,
                               .step_ms = step_s * 1000 };
    return history_query(house_history(rq_house(rq)), &q, http_arena(rq), ret_points, ret_count);
}

struct resources {
    double cpu_cores;    /* on average over the window */
    double memory_bytes; /* the most that was resident in the window */
    int64_t rss_bytes;   /* resident now */
    int64_t restarts;    /* in the window */
};

static err measure(struct http_request *rq, int64_t window_s, struct resources *ret)
{
    struct house *h = rq_house(rq);
    struct metric_point *cpu, *memory;
    size_t cpu_count, memory_count;
    int64_t step_s = window_s / STEPS_MAX > SAMPLE_S ? window_s / STEPS_MAX : SAMPLE_S;
    TRY(query(rq, STR("process_cpu_seconds_total"), HISTORY_RATE, window_s, step_s, &cpu,
              &cpu_count));
    TRY(query(rq, STR("process_resident_memory_bytes"), HISTORY_VALUE, window_s, step_s, &memory,
              &memory_count));
    int64_t resident = process_resident_bytes();
    struct resources r = { .rss_bytes = resident, .memory_bytes = (double)resident };
    for (size_t i = 0; i < cpu_count; i++)
        r.cpu_cores += cpu[i].value / (double)cpu_count;
    if (!cpu_count) { /* a process so young that it has no history: since its start */
        double alive_s = (double)(clock_wall_ms() - house_started_ms(h)) / 1000;
        r.cpu_cores = alive_s > 0 ? (double)clock_cpu_ns() / 1e9 / alive_s : 0;
    }
    for (size_t i = 0; i < memory_count; i++)
        r.memory_bytes = fmax(r.memory_bytes, memory[i].value);
    TRY(history_restarts(house_history(h), clock_wall_ms() - window_s * 1000, &r.restarts));
    *ret = r;
    return OK;
}

err core_resources(struct http_request *rq, struct http_reply *rp)
{
    str service, window = http_query(rq, "window");
    int64_t window_s;
    struct resources r;
    TRY(read_service(rq, &service));
    TRY(read_window(rq, &window_s));
    TRY(measure(rq, window_s, &r));
    int64_t now = clock_wall_ms();
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "service", service);
    json_kv_str(w, "window", window.len ? window : STR("5m"));
    json_kv_real(w, "cpuCores", r.cpu_cores);
    json_kv_real(w, "memoryBytes", r.memory_bytes);
    json_kv_int(w, "rssBytes", r.rss_bytes);
    json_kv_int(w, "restartCount", r.restarts);
    json_kv_int(w, "pid", (int64_t)getpid());
    json_kv_real(w, "ts", (double)now / 1000);
    json_kv_time_ms(w, "time", now);
    json_object_end(w);
    return OK;
}
