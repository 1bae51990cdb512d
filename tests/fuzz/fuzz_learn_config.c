/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configurations of trainings from requests: what is taken is in range, and comes back as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/learn/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_config(const struct learn_config *config, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    learn_config_write(config, &w);
    json_object_end(&w);
    if (buf_check(out).code)
        abort();
}

static void read_again(arena *keep, const struct learn_config *config)
{
    struct learn_config again = learn_config_default(config->family);
    const struct json *root;
    struct buf text, other;
    buf_init(&text, 1 << 16);
    buf_init(&other, 1 << 16);
    write_config(config, &text);
    if (json_parse(keep, buf_str(&text), &root).code || learn_config_read(&again, root).code)
        abort();
    write_config(&again, &other);
    if (!str_eq(buf_str(&text), buf_str(&other)))
        abort();
    buf_deinit(&text);
    buf_deinit(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct json *root;
    arena keep;
    arena_init(&keep, 1 << 20);
    if (!json_parse(&keep, str_from(data, size), &root).code)
        for (int f = LEARN_LOGIT; f < LEARN_FAMILY_END; f++) {
            struct learn_config c = learn_config_default((enum learn_family)f);
            if (learn_config_read(&c, root).code)
                continue;
            if ((f == LEARN_NET && learn_mlp_check(&c.net).code) ||
                (f == LEARN_LOGIT && learn_softmax_check(&c.logit).code))
                abort();
            read_again(&keep, &c);
        }
    arena_deinit(&keep);
    return 0;
}
