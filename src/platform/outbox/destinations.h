/* SPDX-License-Identifier: GPL-3.0-or-later */
/* destinations.h -- the kinds of destination there are, and what each has to be told.
 *
 * Strings are borrowed for the life of the outbox. Credentials stand in these structs only: they
 * are never in an error, a log line, the store, or an argument of a process.
 */
#ifndef SKERRY_OUTBOX_DESTINATIONS_H
#define SKERRY_OUTBOX_DESTINATIONS_H

#include "platform/outbox/outbox.h"

/* Loki and OTLP over HTTP. http:// only reaches this machine and private networks. */
struct outbox_http {
    const char *url;                /* base: https://loki.example:3100, http://localhost:4318 */
    const char *tenant;             /* X-Scope-OrgID; "": none */
    const char *token;              /* "name:password" is sent as basic, else as bearer; "": none */
    const char *headers;            /* "Name=value,Name=value"; "": none */
    const char *ca_file;            /* certificates to trust instead of the system's; "": those */
    const char *instance, *version; /* what service.instance.id and service.version say */
};

struct outbox_kafka {
    const char *brokers; /* "host:port,host:port" */
    const char *topic;
    const char *security;  /* plaintext, ssl, sasl_plaintext, sasl_ssl */
    const char *mechanism; /* PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; with sasl_ */
    const char *username, *password;
    const char *ca_file;
    const char *extra;  /* "key=value,key=value" for librdkafka; "": none */
    const char *source; /* what an event's "source" says */
};

extern const struct outbox_kind outbox_loki;        /* config: struct outbox_http */
extern const struct outbox_kind outbox_otlp_logs;   /* the same */
extern const struct outbox_kind outbox_otlp_traces; /* the same */
extern const struct outbox_kind outbox_kafka_kind;  /* config: struct outbox_kafka */

/* An http or https address without credentials in it. */
MUST_USE err outbox_url_check(const char *url, const char *setting);
/* At start, so that a mistake in a setting is said there: an address without credentials in it, a
 * header without a line break. The settings' names are for the message. */
MUST_USE err outbox_http_check(const struct outbox_http *config, const char *url_setting,
                               const char *headers_setting);
MUST_USE err outbox_kafka_check(const struct outbox_kafka *config);

#endif
