/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_outbox.c -- from settings to destinations of the outbox. */
#include <string.h>

#include "platform/app/house_private.h"
#include "platform/outbox/destinations.h"
#include "platform/track/mirror.h"

#ifndef SKERRY_VERSION
#define SKERRY_VERSION "0"
#endif

static const char *text_of(struct house *h, const char *name)
{
    const char *text = arena_cstr(&h->keep, setting_str(h, name));
    return text ? text : ""; /* the arena is checked when all are read */
}

static err add_loki(struct house *h, const struct outbox_http *common,
                    struct outbox_destination *ret)
{
    struct outbox_http *config = NEW(&h->keep, struct outbox_http);
    ARENA_TRY(config);
    *config = *common;
    config->url = text_of(h, "SKERRY_LOKI_URL");
    config->tenant = text_of(h, "SKERRY_LOKI_TENANT");
    config->token = text_of(h, "SKERRY_LOKI_TOKEN");
    *ret = (struct outbox_destination){ &outbox_loki, config };
    return outbox_http_check(config, "SKERRY_LOKI_URL", "SKERRY_LOKI_TENANT");
}

static err add_otlp(struct house *h, const struct outbox_http *common,
                    struct outbox_destination ret[2])
{
    struct outbox_http *config = NEW(&h->keep, struct outbox_http);
    ARENA_TRY(config);
    *config = *common;
    config->url = text_of(h, "SKERRY_OTLP_URL");
    config->headers = text_of(h, "SKERRY_OTLP_HEADERS");
    ret[0] = (struct outbox_destination){ &outbox_otlp_logs, config };
    ret[1] = (struct outbox_destination){ &outbox_otlp_traces, config };
    return outbox_http_check(config, "SKERRY_OTLP_URL", "SKERRY_OTLP_HEADERS");
}

static err add_kafka(struct house *h, const struct outbox_http *common,
                     struct outbox_destination *ret)
{
    struct outbox_kafka *config = NEW(&h->keep, struct outbox_kafka);
    ARENA_TRY(config);
    str source = arena_fmt(&h->keep, "urn:skerry:%s", common->instance);
    ARENA_TRY(source.ptr);
    *config = (struct outbox_kafka){
        .brokers = text_of(h, "SKERRY_KAFKA_BROKERS"),
        .topic = text_of(h, "SKERRY_KAFKA_TOPIC"),
        .security = text_of(h, "SKERRY_KAFKA_SECURITY"),
        .mechanism = text_of(h, "SKERRY_KAFKA_MECHANISM"),
        .username = text_of(h, "SKERRY_KAFKA_USERNAME"),
        .password = text_of(h, "SKERRY_KAFKA_PASSWORD"),
        .extra = text_of(h, "SKERRY_KAFKA_OPTIONS"),
        .ca_file = common->ca_file,
        .source = source.ptr,
    };
    *ret = (struct outbox_destination){ &outbox_kafka_kind, config };
    return outbox_kafka_check(config);
}

/* Is an address this server's own, as far as its text tells? */
static bool is_our_own(const struct house *h, str url)
{
    const str names[] = { STR("localhost"), STR("127.0.0.1"), STR("[::1]"),
                          setting_str(h, "SKERRY_BIND") };
    int64_t port = str_starts(url, STR("https://")) ? 443 : 80;
    ptrdiff_t at = str_find(url, STR("://"));
    str rest = at < 0 ? url : str_sub(url, (size_t)at + 3, url.len), host = str_split(&rest, '/');
    for (size_t i = host.len; i-- > 0 && host.ptr[i] != ']';) {
        if (host.ptr[i] != ':')
            continue;
        if (str_to_i64(str_sub(host, i + 1, host.len), &port).code)
            return false;
        host.len = i;
        break;
    }
    bool is_ours = false;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        is_ours = is_ours || str_eq_nocase(host, names[i]);
    return is_ours && port == setting_int(h, "API_PORT");
}

static err add_mirror(struct house *h, const struct outbox_http *common,
                      struct outbox_destination *ret)
{
    struct mirror_config *config = NEW(&h->keep, struct mirror_config);
    ARENA_TRY(config);
    str url = setting_str(h, "SKERRY_MIRROR_URL");
    while (str_ends(url, STR("/")))
        url.len--;
    *config = (struct mirror_config){
        .url = arena_cstr(&h->keep, url),
        .token = text_of(h, "SKERRY_MIRROR_TOKEN"),
        .ca_file = common->ca_file,
        .prefix = text_of(h, "SKERRY_MIRROR_EXPERIMENT"),
        .artifact_bytes_max = setting_int(h, "SKERRY_MIRROR_ARTIFACT_BYTES"),
        .store = h->store,
        .blobs = h->blobs,
        .progress = NEW(&h->keep, struct mirror_progress),
    };
    ARENA_TRY(config->url);
    ARENA_TRY(config->progress);
    *ret = (struct outbox_destination){ &mirror_kind, config };
    if (is_our_own(h, url))
        return ERR(ERR_INVALID, "setting SKERRY_MIRROR_URL is the address of this server: name "
                                "that of another MLflow or Skerry");
    return mirror_check(config, "SKERRY_MIRROR_URL");
}

static err find_destinations(struct house *h, const char *instance, struct outbox_destination *list,
                             size_t *ret_count)
{
    struct outbox_http common = { .url = "",
                                  .tenant = "",
                                  .token = "",
                                  .headers = "",
                                  .ca_file = text_of(h, "SKERRY_OUTBOX_CA_FILE"),
                                  .instance = instance,
                                  .version = SKERRY_VERSION };
    size_t n = 0;
    if (setting_str(h, "SKERRY_LOKI_URL").len)
        TRY(add_loki(h, &common, &list[n++]));
    if (setting_str(h, "SKERRY_OTLP_URL").len) {
        TRY(add_otlp(h, &common, &list[n]));
        n += 2;
    }
    if (setting_str(h, "SKERRY_KAFKA_BROKERS").len)
        TRY(add_kafka(h, &common, &list[n++]));
    if (setting_str(h, "SKERRY_MIRROR_URL").len)
        TRY(add_mirror(h, &common, &list[n++]));
    *ret_count = n;
    return arena_check(&h->keep);
}

err house_open_outbox(struct house *h)
{
    struct outbox_destination *list = NEW_ARRAY(&h->keep, struct outbox_destination,
                                                OUTBOX_DESTINATIONS_MAX);
    struct outbox_options options = {
        .store = h->store,
        .log = h->log,
        .metrics = h->metrics,
        .destinations = list,
        .started_ms = h->started_ms,
        .rows_max = setting_int(h, "SKERRY_OUTBOX_ROWS"),
        .bytes_max = setting_int(h, "SKERRY_OUTBOX_BYTES"),
        .retry_max_ms = setting_int(h, "SKERRY_OUTBOX_RETRY_SECONDS") * 1000,
    };
    ARENA_TRY(list);
    TRY(house_place(h, &options.instance));
    TRY(find_destinations(h, options.instance, list, &options.destination_count));
    return outbox_open(&options, &h->outbox);
}
