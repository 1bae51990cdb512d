/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kafka.c -- events to a topic, through librdkafka.
 *
 * The producer is idempotent: within its life the broker keeps what it sends once and in order,
 * whatever it has to send again. Between two lives (a kill between the broker's answer and our
 * note of it) an event may come twice; its id, in the header "id" and in the value, says so. The
 * key is what the event is about, so that the events of one run are in one partition, in order.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/json.h"
#include "platform/net/net.h"
#include "platform/outbox/destinations.h"
#include "platform/outbox/kafka_load.h"

enum {
    EVENT_BYTES_MAX = OUTBOX_BODY_MAX + 4096,
    POLL_MS = 100,
    REASON_BYTES = 160,
    SPARE_MS = 2000, /* between the library giving up and our own deadline */
    /* Older ones repeat a part of the nonce, which Kafka takes no more (CVE-2024-56128). */
    SCRAM_VERSION_MIN = 0x02060100,
};

struct kafka {
    struct kafka_functions f;
    const struct outbox_kafka *config;
    rd_kafka_t *rk;
    size_t outstanding;        /* messages without a report */
    size_t refused;            /* of this batch */
    char reason[REASON_BYTES]; /* of the newest trouble */
    bool is_refused_as_public, is_fatal, is_refused_as_stranger;
};

/* ------------------------------------------------------------------ what librdkafka calls */

/* Items that can never be taken, whatever is done. */
static bool is_refusal(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || code == RD_KAFKA_RESP_ERR_INVALID_MSG ||
           code == RD_KAFKA_RESP_ERR_INVALID_RECORD || code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka *k = opaque;
    struct outbox_item *item = message->_private;
    k->outstanding--;
    if (!message->err) {
        item->outcome = OUTBOX_SENT;
    } else if (is_refusal(message->err)) {
        /* The broker refuses what the library put together, good ones with bad ones. */
        k->refused++;
        snprintf(k->reason, sizeof k->reason, "%s", k->f.err2str(message->err));
    } else if (!k->reason[0]) {
        snprintf(k->reason, sizeof k->reason, "%s", k->f.err2str(message->err));
    }
}

/* Called by poll. The newest reason says more than "timed out"; the texts name addresses only. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka *k = opaque;
    k->is_fatal = k->is_fatal || code == RD_KAFKA_RESP_ERR__FATAL;
    k->is_refused_as_stranger |= code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
    snprintf(k->reason, sizeof k->reason, "%s", reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *where, const char *text)
{
    /* It would write to stderr; what matters comes as errors and reports. */
}

/* Without TLS only to this machine and private networks, by the address and not the name. On a
 * thread of the library's. */
static int on_connect(int fd, const struct sockaddr *address, int bytes, const char *id,
                      void *opaque)
{
    struct kafka *k = opaque;
    char text[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, address, sizeof four);
        inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, address, sizeof six);
        inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    }
    if (!net_is_nearby(text)) {
        k->is_refused_as_public = true;
        return EACCES;
    }
    /* The library waits for a connection that is under way. */
    return connect(fd, address, (socklen_t)bytes) == 0 || errno == EINPROGRESS ? 0 : errno;
}

/* ------------------------------------------------------------------ opening */

static bool is_plain(const struct outbox_kafka *c)
{
    return strstr(c->security, "ssl") == NULL;
}

err outbox_kafka_check(const struct outbox_kafka *c)
{
    static const char *const protocols[] = { "plaintext", "ssl", "sasl_plaintext", "sasl_ssl" };
    bool is_known = false;
    for (size_t i = 0; i < COUNT_OF(protocols); i++)
        is_known = is_known || strcmp(c->security, protocols[i]) == 0;
    if (!is_known)
        return ERR(ERR_INVALID,
                   "setting SKERRY_KAFKA_SECURITY='%.40s' must be plaintext, ssl, sasl_plaintext "
                   "or sasl_ssl",
                   c->security);
    if (strncmp(c->security, "sasl", 4) == 0 && (!c->username[0] || !c->password[0]))
        return ERR(ERR_INVALID,
                   "SKERRY_KAFKA_SECURITY=%s needs SKERRY_KAFKA_USERNAME and "
                   "SKERRY_KAFKA_PASSWORD",
                   c->security);
    if (!c->topic[0])
        return ERR(ERR_INVALID, "setting SKERRY_KAFKA_TOPIC is empty");
    return OK;
}

static err set(struct kafka *k, rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[REASON_BYTES] = "";
    if (!value[0] || k->f.conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return OK;
    /* Its text repeats the value, which may be a password. */
    return ERR(ERR_UPSTREAM, "librdkafka does not accept the setting %s as it is given", name);
}

static err set_extra(struct kafka *k, rd_kafka_conf_t *conf)
{
    for (str rest = str_of(k->config->extra); rest.len;) {
        char name[128], value[512];
        str right = str_split(&rest, ',');
        str left = str_trim(str_split(&right, '='));
        snprintf(name, sizeof name, "%.*s", STR_ARG(left));
        snprintf(value, sizeof value, "%.*s", STR_ARG(str_trim(right)));
        if (left.len)
            TRY(set(k, conf, name, value));
    }
    return OK;
}

static err set_all(struct kafka *k, rd_kafka_conf_t *conf)
{
    const struct outbox_kafka *c = k->config;
    TRY(set(k, conf, "bootstrap.servers", c->brokers));
    TRY(set(k, conf, "client.id", "skerry"));
    TRY(set(k, conf, "enable.idempotence", "true"));
    TRY(set(k, conf, "message.timeout.ms", "15000"));
    TRY(set(k, conf, "linger.ms", "5"));
    TRY(set(k, conf, "compression.type", "gzip"));
    TRY(set(k, conf, "queue.buffering.max.kbytes", "8192"));
    TRY(set(k, conf, "security.protocol", c->security));
    if (strncmp(c->security, "sasl", 4) == 0) {
        TRY(set(k, conf, "sasl.mechanism", c->mechanism));
        TRY(set(k, conf, "sasl.username", c->username));
        TRY(set(k, conf, "sasl.password", c->password));
    }
    TRY(set(k, conf, "ssl.ca.location", c->ca_file));
    TRY(set_extra(k, conf));
    k->f.conf_set_opaque(conf, k);
    k->f.conf_set_dr_msg_cb(conf, on_report);
    k->f.conf_set_error_cb(conf, on_error);
    k->f.conf_set_log_cb(conf, on_log);
    if (is_plain(c))
        k->f.conf_set_connect_cb(conf, on_connect);
    return OK;
}

static void kafka_close(void *state)
{
    struct kafka *k = state;
    if (!k)
        return;
    if (k->rk) {
        k->f.purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        k->f.destroy_flags(k->rk, 0);
    }
    free(k);
}

static err kafka_open(const void *config, void **ret_state)
{
    struct kafka *k = calloc(1, sizeof *k);
    char why[REASON_BYTES] = "";
    if (!k)
        return ERR(ERR_NO_MEMORY, "opening Kafka: out of memory");
    k->config = config;
    err e = kafka_load(&k->f);
    rd_kafka_conf_t *conf = e.code ? NULL : k->f.conf_new();
    if (!e.code)
        e = set_all(k, conf);
    if (!e.code) {
        k->rk = k->f.new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
        if (k->rk)
            conf = NULL; /* is its own now */
        else
            e = ERR(ERR_UPSTREAM, "opening Kafka: %.150s", why);
    }
    if (e.code) {
        if (conf)
            k->f.conf_destroy(conf);
        kafka_close(k);
        return e;
    }
    *ret_state = k;
    return OK;
}

/* ------------------------------------------------------------------ sending */

/* CloudEvents 1.0, structured. */
static err write_event(const struct kafka *k, const struct outbox_item *item, struct buf *out)
{
    struct json_out w;
    buf_clear(out);
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_cstr(&w, "specversion", "1.0");
    json_kv_str(&w, "id", item->id);
    json_kv_cstr(&w, "source", k->config->source);
    json_key(&w, "type");
    json_out_fmt(&w, "skerry.%.200s", item->type.ptr);
    json_kv_time_ms(&w, "time", item->at_ms);
    if (item->subject.len)
        json_kv_str(&w, "subject", item->subject);
    json_kv_cstr(&w, "datacontenttype", "application/json");
    json_kv_raw(&w, "data", item->body);
    json_object_end(&w);
    return buf_check(out);
}

static err produce(struct kafka *k, struct outbox_item *item, struct buf *text)
{
    TRY(write_event(k, item, text));
    rd_kafka_resp_err_t code = k->f.producev(
        k->rk, RD_KAFKA_V_TOPIC(k->config->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(item->subject.ptr, item->subject.len),
        RD_KAFKA_V_VALUE(text->ptr, text->len), RD_KAFKA_V_TIMESTAMP(item->at_ms),
        RD_KAFKA_V_HEADER("id", item->id.ptr, (ssize_t)item->id.len),
        RD_KAFKA_V_HEADER("type", item->type.ptr, (ssize_t)item->type.len),
        RD_KAFKA_V_HEADER("content-type", "application/cloudevents+json", -1),
        RD_KAFKA_V_OPAQUE(item), RD_KAFKA_V_END);
    if (!code) {
        k->outstanding++;
        return OK;
    }
    if (is_refusal(code)) {
        item->outcome = OUTBOX_REFUSED;
        snprintf(item->why, sizeof item->why, "%s", k->f.err2str(code));
        return OK;
    }
    return ERR(ERR_UPSTREAM, "giving an event to librdkafka: %s", k->f.err2str(code));
}

/* Every message gets its report: none may still refer to the batch when this returns. */
static void await_reports(struct kafka *k, const struct outbox_batch *batch)
{
    int64_t give_up_ns = batch->deadline_ns - (int64_t)SPARE_MS * 1000000;
    bool is_purged = false;
    while (k->outstanding) {
        bool is_over = clock_mono_ns() > give_up_ns || atomic_load(batch->stop) || k->is_fatal ||
                       k->is_refused_as_public;
        if (is_over && !is_purged) {
            k->f.purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
            is_purged = true;
        }
        k->f.poll(k->rk, POLL_MS);
    }
}

static err kafka_send(void *state, struct outbox_batch *batch)
{
    struct kafka *k = state;
    struct buf text;
    err e = OK;
    bool all_done = true;
    k->reason[0] = '\0';
    k->refused = 0;
    k->is_refused_as_stranger = false;
    buf_init(&text, EVENT_BYTES_MAX);
    for (size_t i = 0; i < batch->count && !e.code; i++)
        if (batch->items[i].outcome == OUTBOX_WAITING)
            e = produce(k, &batch->items[i], &text);
    await_reports(k, batch);
    buf_deinit(&text);
    for (size_t i = 0; i < batch->count; i++)
        all_done = all_done && batch->items[i].outcome != OUTBOX_WAITING;
    if (e.code || all_done)
        return e;
    if (atomic_load(batch->stop))
        return ERR(ERR_CANCELLED, "the server stops");
    if (k->refused)
        return ERR(ERR_TOO_BIG, "Kafka refuses it: %s", k->reason);
    if (k->is_refused_as_public)
        return ERR(ERR_DENIED, "Kafka without TLS is for this machine and private networks; set "
                               "SKERRY_KAFKA_SECURITY to ssl or sasl_ssl");
    if (k->is_refused_as_stranger && k->config->mechanism[0] == 'S' &&
        k->f.version() < SCRAM_VERSION_MIN)
        return ERR(ERR_UPSTREAM,
                   "Kafka refuses name and password. If they are right: librdkafka before 2.6.1 "
                   "cannot do %s with Kafka 3.7.2, 3.8.1 and newer; install a newer one, or set "
                   "SKERRY_KAFKA_MECHANISM=PLAIN with sasl_ssl",
                   k->config->mechanism);
    return ERR(ERR_UPSTREAM, "sending to Kafka: %s",
               k->reason[0] ? k->reason : "no answer in time");
}

const struct outbox_kind outbox_kafka_kind = {
    .name = "kafka",
    .takes = OUTBOX_EVENTS,
    .items_max = 500,
    .bytes_max = 1 << 20,
    .open = kafka_open,
    .send = kafka_send,
    .close = kafka_close,
};
