/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mirror.c -- events, one by one, to an MLflow; mirror_runs.c, mirror_inputs.c, mirror_models.c,
 * mirror_logged.c and mirror_changes.c do what they say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/outbox/destinations.h"
#include "platform/track/mirror_internal.h"

enum { CALL_MS = 60 * 1000 };

/* ------------------------------------------------------------------ asking */

err mirror_go_on(const struct mirror *m)
{
    if (m->batch->stop && atomic_load(m->batch->stop))
        return ERR(ERR_CANCELLED, "the mirror is closing");
    if (m->batch->deadline_ns && clock_mono_ns() > m->batch->deadline_ns)
        return ERR(ERR_TIMEOUT, "mirroring takes its time: it goes on with the next try");
    return OK;
}

struct json_out mirror_body(struct mirror *m)
{
    struct json_out w;
    buf_clear(&m->body);
    json_out_init(&w, &m->body);
    json_object_begin(&w);
    return w;
}

void mirror_key_value(struct json_out *w, const char *key, str value)
{
    json_object_begin(w);
    json_kv_cstr(w, "key", key);
    json_kv_str(w, "value", value);
    json_object_end(w);
}

err mirror_ask(struct mirror *m, const char *method, const char *path,
               const struct json **ret_reply)
{
    const struct json *reply;
    TRY(mirror_go_on(m));
    TRY(buf_check(&m->body));
    return net_api_need(m->api, method, path, buf_str(&m->body), m->batch->stop, &m->keep,
                        ret_reply ? ret_reply : &reply);
}

err mirror_try(struct mirror *m, const char *method, const char *path, const char *code,
               bool *ret_is_code, const struct json **ret_reply)
{
    int status = 0;
    const struct json *reply = NULL;
    TRY(mirror_go_on(m));
    TRY(buf_check(&m->body));
    TRY(net_api_call(m->api, method, path, buf_str(&m->body), m->batch->stop, &m->keep, &status,
                     &reply));
    str said = json_str(json_get(reply, "error_code"), STR_NONE);
    *ret_is_code = status >= 400 && status < 500 && str_eq(said, str_of(code));
    if (ret_reply)
        *ret_reply = reply;
    if (*ret_is_code || (status >= 200 && status < 300 && reply))
        return OK;
    return mirror_ask(m, method, path, ret_reply); /* says what is wrong */
}

/* ------------------------------------------------------------------ events */

static err tell_run(struct mirror *m, const struct outbox_item *item)
{
    struct mirror_run run;
    TRY(mirror_run_need(m, item->subject, &run));
    if (!run.id.len || str_eq(item->type, STR("run.started")))
        return OK;
    return mirror_run_fill(m, item->subject, &run);
}

static err tell_model(struct mirror *m, const struct outbox_item *item)
{
    const struct json *data;
    struct mirror_version there;
    TRY(json_parse(&m->keep, item->body, &data));
    struct mirror_wanted wanted = { .name = json_str(json_get(data, "model"), STR_NONE),
                                    .id = json_str(json_get(data, "modelId"), STR_NONE),
                                    .version = json_int(json_get(data, "version"), 0) };
    if (str_eq(item->type, STR("model.registered"))) {
        wanted.is_new = true;
        return mirror_version_need(m, &wanted, &there);
    }
    if (str_eq(item->type, STR("model.changed")))
        return mirror_change(m, &wanted, json_str(json_get(data, "what"), STR_NONE),
                             json_str(json_get(data, "key"), STR_NONE));
    if (str_eq(item->type, STR("model.renamed")))
        return mirror_rename(m, json_str(json_get(data, "from"), STR_NONE), wanted.name);
    if (str_eq(item->type, STR("model.deleted")))
        return wanted.id.len ? mirror_version_delete(m, wanted.id)
                             : mirror_name_delete(m, wanted.name);
    return mirror_alias(m, wanted.name, json_str(json_get(data, "alias"), STR_NONE),
                        json_int(json_get(data, "toVersion"), 0));
}

static err tell_logged(struct mirror *m, const struct outbox_item *item)
{
    if (str_eq(item->type, STR("logged_model.deleted")))
        return mirror_logged_delete(m, item->subject);
    return mirror_logged_fill(m, item->subject, str_eq(item->type, STR("logged_model.finished")));
}

static err tell(struct mirror *m, const struct outbox_item *item)
{
    arena_reset(&m->keep);
    if (str_starts(item->type, STR("logged_model.")))
        return tell_logged(m, item);
    if (str_starts(item->type, STR("run.")))
        return tell_run(m, item);
    if (str_starts(item->type, STR("model.")))
        return tell_model(m, item);
    return OK; /* games are no business of MLflow's */
}

/* ------------------------------------------------------------------ the destination */

static void mirror_close(void *state)
{
    struct mirror *m = state;
    if (!m)
        return;
    net_api_close(m->api);
    arena_deinit(&m->keep);
    buf_deinit(&m->body);
    free(m);
}

static err mirror_open(const void *config, void **ret_state)
{
    struct mirror *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "opening the mirror: out of memory");
    m->config = config;
    arena_init(&m->keep, MIRROR_ARENA_BYTES);
    buf_init(&m->body, MIRROR_BODY_MAX);
    err e = net_api_open(&(struct net_api_options){ .url = m->config->url,
                                                    .token = m->config->token,
                                                    .ca_file = m->config->ca_file,
                                                    .call_ms = CALL_MS },
                         &m->api);
    if (e.code) {
        mirror_close(m);
        return e;
    }
    *ret_state = m;
    return OK;
}

static err mirror_send(void *state, struct outbox_batch *batch)
{
    struct mirror *m = state;
    m->batch = batch;
    for (size_t i = 0; i < batch->count; i++) {
        struct outbox_item *item = &batch->items[i];
        if (item->outcome != OUTBOX_WAITING)
            continue;
        err e = tell(m, item);
        if (e.code == ERR_INVALID || e.code == ERR_TOO_BIG) { /* and would be again */
            item->outcome = OUTBOX_REFUSED;
            snprintf(item->why, sizeof item->why, "%.*s",
                     (int)str_utf8_valid_len(str_sub(str_of(e.msg), 0, sizeof item->why - 1)),
                     e.msg);
        } else if (e.code) {
            return e;
        } else {
            item->outcome = OUTBOX_SENT;
        }
    }
    return OK;
}

err mirror_check(const struct mirror_config *config, const char *url_setting)
{
    TRY(outbox_url_check(config->url, url_setting));
    if (str_find_char(str_of(config->url), '?') >= 0)
        return ERR(ERR_INVALID, "setting %s must be an address without a query", url_setting);
    return OK;
}

const struct outbox_kind mirror_kind = {
    .name = "mlflow",
    .takes = OUTBOX_EVENTS,
    .items_max = 50,
    .bytes_max = 1024 * 1024,
    .open = mirror_open,
    .send = mirror_send,
    .close = mirror_close,
};
