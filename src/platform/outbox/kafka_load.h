/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kafka_load.h -- the functions of librdkafka that this room uses. Private to this room.
 *
 * Not linked: it starts threads and costs megabytes, and most servers have no Kafka.
 */
#ifndef SKERRY_OUTBOX_KAFKA_LOAD_H
#define SKERRY_OUTBOX_KAFKA_LOAD_H

#include <librdkafka/rdkafka.h>

#include "base/err.h"

/* X(result, name, arguments) */
#define KAFKA_FUNCTIONS(X)                                                                    \
    X(rd_kafka_conf_t *, conf_new, (void))                                                    \
    X(void, conf_destroy, (rd_kafka_conf_t * conf))                                           \
    X(rd_kafka_conf_res_t, conf_set,                                                          \
      (rd_kafka_conf_t * conf, const char *name, const char *value, char *why, size_t bytes)) \
    X(void, conf_set_opaque, (rd_kafka_conf_t * conf, void *opaque))                          \
    X(void, conf_set_dr_msg_cb,                                                               \
      (rd_kafka_conf_t * conf,                                                                \
       void (*fn)(rd_kafka_t * rk, const rd_kafka_message_t *message, void *opaque)))         \
    X(void, conf_set_error_cb,                                                                \
      (rd_kafka_conf_t * conf,                                                                \
       void (*fn)(rd_kafka_t * rk, int code, const char *reason, void *opaque)))              \
    X(void, conf_set_log_cb,                                                                  \
      (rd_kafka_conf_t * conf,                                                                \
       void (*fn)(const rd_kafka_t *rk, int level, const char *where, const char *text)))     \
    X(void, conf_set_connect_cb,                                                              \
      (rd_kafka_conf_t * conf, int (*fn)(int fd, const struct sockaddr *address, int bytes,   \
                                         const char *id, void *opaque)))                      \
    X(rd_kafka_t *, new, (rd_kafka_type_t type, rd_kafka_conf_t * conf, char *why, size_t n)) \
    X(void, destroy_flags, (rd_kafka_t * rk, int flags))                                      \
    X(rd_kafka_resp_err_t, producev, (rd_kafka_t * rk, ...))                                  \
    X(int, poll, (rd_kafka_t * rk, int timeout_ms))                                           \
    X(rd_kafka_resp_err_t, purge, (rd_kafka_t * rk, int flags))                               \
    X(const char *, err2str, (rd_kafka_resp_err_t code))                                      \
    X(int, version, (void))

struct kafka_functions {
#define KAFKA_MEMBER(result, name, arguments) result(*name) arguments;
    KAFKA_FUNCTIONS(KAFKA_MEMBER)
#undef KAFKA_MEMBER
};

/* ERR_UNSUPPORTED, with the package to install, when the library or a function is not there. It
 * stays loaded: the TLS library below it leaves exit handlers behind. */
MUST_USE err kafka_load(struct kafka_functions *ret_functions);

#endif
