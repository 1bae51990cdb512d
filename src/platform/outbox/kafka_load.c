/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/outbox/kafka_load.h"

#include "base/library.h"

err kafka_load(struct kafka_functions *ret_functions)
{
    void *library = library_open("librdkafka.so.1", NULL);
    if (!library)
        return ERR(ERR_UNSUPPORTED, "librdkafka is needed to talk to Kafka and is not installed "
                                    "(apt-get install librdkafka1)");
    struct kafka_functions functions;
    const char *missing = NULL;
#define KAFKA_FIND(result, name, arguments)                                 \
    if (!library_find(library, "rd_kafka_" #name, (void *)&functions.name)) \
        missing = "rd_kafka_" #name;
    KAFKA_FUNCTIONS(KAFKA_FIND)
#undef KAFKA_FIND
    if (missing)
        return ERR(ERR_UNSUPPORTED, "the installed librdkafka has no %s: 1.4 or later is needed",
                   missing);
    *ret_functions = functions;
    return OK;
}
