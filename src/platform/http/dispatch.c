/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between libmicrohttpd and the handlers: the steps of a request.
 *
 * dispatch_line: the request line is there. Takes a request object.
 *
 * dispatch_call, first: the head is complete. Checks it, finds the route, authorises. A refusal
 * waits for the end of a small body, so that the connection can go on; before a large one it is
 * sent at once. Then: body bytes, as often as they come. Last: all is there. Runs the handler here,
 * or suspends the connection and lets a worker do it; libmicrohttpd calls again after the resume,
 * and the reply goes out.
 *
 * dispatch_completed: sent, or the client left. Reports, cleans up, keeps the object.
 *
 * libmicrohttpd 0.9.75 accepts a reply only before the first body byte or after the last. For what
 * goes wrong in between, the reply is written to the socket directly, and the connection ends.
 */
#include "platform/http/http_internal.h"

#include <assert.h>
#include <sys/socket.h>

#include "base/clock.h"

/* ------------------------------------------------------------------ the gate */

bool gate_suspend(struct http_request *rq)
{
    struct http_server *s = rq->server;
    pthread_mutex_lock(&s->gate_lock);
    bool is_open = !s->is_cut;
    s->suspended += is_open ? 2 : 0; /* its return here, and the call that resumes it */
    pthread_mutex_unlock(&s->gate_lock);
    if (!is_open)
        return false;
    rq->is_suspended = true;
    conn_enter(rq->conn, CONN_BUSY);
    MHD_suspend_connection(rq->mhd);
    return true;
}

static void gate_count_down(struct http_server *s)
{
    pthread_mutex_lock(&s->gate_lock);
    if (--s->suspended == 0)
        pthread_cond_broadcast(&s->gate_changed);
    pthread_mutex_unlock(&s->gate_lock);
}

void gate_leave_suspension(struct http_request *rq)
{
    if (!rq->is_suspended)
        return;
    rq->is_suspended = false;
    gate_count_down(rq->server);
}

/* The event thread may be through with the request before the call is: it is counted, so that the
 * daemon is not freed under it. */
void gate_resume(struct http_request *rq)
{
    struct http_server *s = rq->server;
    MHD_resume_connection(rq->mhd);
    gate_count_down(s);
}

/* libmicrohttpd may call once more with further bytes while it unwinds from the call that
 * suspended. */
bool gate_is_suspended(struct http_request *rq)
{
    if (!rq->is_suspended)
        return false;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        rq->mhd, MHD_CONNECTION_INFO_CONNECTION_SUSPENDED);
    return info && info->suspended == MHD_YES;
}

static void gate_count(struct http_server *s, int change)
{
    pthread_mutex_lock(&s->gate_lock);
    s->active += change;
    if (s->active == 0)
        pthread_cond_broadcast(&s->gate_changed);
    pthread_mutex_unlock(&s->gate_lock);
}

/* ------------------------------------------------------------------ running */

static err call_handler(struct http_request *rq)
{
    return rq->run_on_worker ? rq->run_on_worker(rq, &rq->reply) : rq->route->run(rq, &rq->reply);
}

/* After the handler. False: http_later_done goes on with the request, which may be gone already. */
static bool settle(struct http_request *rq, err e)
{
    if (rq->is_later) {
        assert(!e.code);
        if (atomic_fetch_sub(&rq->later_awaited, 1) != 1)
            return false;
        rq->phase = PHASE_LATER;
        return true;
    }
    reply_finish(&rq->reply, &e);
    rq->phase = PHASE_READY;
    return true;
}

err http_later(struct http_request *rq)
{
    assert(!rq->is_later);
    /* A worker's request is suspended already. */
    if (!rq->is_suspended && !gate_suspend(rq))
        return ERR(ERR_BUSY, "the server is shutting down: try again in a moment");
    rq->is_later = true;
    rq->later_awaited = 2;
    return OK;
}

void http_later_done(struct http_request *rq, err result)
{
    if (result.code)
        rq->e = result;
    if (atomic_fetch_sub(&rq->later_awaited, 1) != 1)
        return;
    rq->phase = PHASE_LATER;
    gate_resume(rq);
}

void http_on_worker(struct http_request *rq,
                    err (*run)(struct http_request *rq, struct http_reply *rp))
{
    assert(rq->route->is_inline && !rq->run_on_worker && !rq->is_later);
    rq->run_on_worker = run;
}

/* Without a handler: the error, or, with OK, what the reply already says. */
static void answer(struct http_request *rq, err e)
{
    reply_finish(&rq->reply, &e);
    rq->phase = PHASE_READY;
}

/* Worker: the handler, with the rest of an upload before it. Its spooled files go here, where
 * deleting a large one holds up nobody. */
static void worker_run(void *arg)
{
    struct http_request *rq = arg;
    struct http_server *s = rq->server;
    pthread_mutex_lock(&s->gate_lock);
    bool is_cut = s->is_cut;
    pthread_mutex_unlock(&s->gate_lock);
    err e = is_cut ? ERR(ERR_BUSY, "the server is shutting down: try again in a moment") : OK;
    if (!e.code && rq->upload)
        e = upload_write(rq->upload, true);
    bool was_called = !e.code;
    if (was_called)
        e = call_handler(rq);
    upload_free(rq->upload); /* before it may be taken up by others */
    rq->upload = NULL;
    if (!was_called)
        answer(rq, e);
    else if (!settle(rq, e))
        return;
    gate_resume(rq);
}

/* Worker: one chunk of an upload in the middle. */
static void worker_write(void *arg)
{
    struct http_request *rq = arg;
    rq->e = upload_write(rq->upload, false);
    gate_resume(rq);
}

static void submit_failed(struct http_request *rq, err e)
{
    atomic_fetch_add_explicit(&rq->server->rejected, 1, memory_order_relaxed);
    answer(rq, e.code == ERR_BUSY ? ERR(ERR_BUSY, "%zu requests are waiting: try again in a moment",
                                        rq->server->options.queue_max)
                                  : e);
}

/* The whole request is there. */
static void request_run(struct http_request *rq)
{
    if (!rq->route) { /* OPTIONS */
        rq->reply.status = 204;
        answer(rq, OK);
        return;
    }
    if (rq->route->is_inline) {
        err e = call_handler(rq);
        if (e.code || !rq->run_on_worker) {
            if (settle(rq, e) && rq->is_later)
                gate_resume(rq);
            return;
        }
    }
    if (!gate_suspend(rq)) {
        answer(rq, ERR(ERR_BUSY, "the server is shutting down: try again in a moment"));
        return;
    }
    err e = pool_submit(rq->server->pool, worker_run, rq);
    if (e.code) {
        submit_failed(rq, e);
        gate_resume(rq);
    }
}

/* ------------------------------------------------------------------ refusing */

/* Before any body byte was read. */
static enum MHD_Result refuse_early(struct http_request *rq, err e)
{
    const struct known_headers *known = &rq->known;
    answer(rq, e);
    if (!request_has_body(rq) && !known->is_malformed && !known->has_other_encoding)
        return MHD_YES; /* the next call sends it, and the connection goes on */
    bool is_small = !known->is_chunked && !known->is_malformed && !known->has_other_encoding &&
                    known->content_length <= HTTP_DISCARD_BYTES_MAX;
    if (is_small && !known->expects_continue) {
        rq->phase = PHASE_DISCARD;
        return MHD_YES;
    }
    rq->conn->lingers = true;
    return reply_send(&rq->reply);
}

/* In the middle of the body. With little left, reads it away first; else says so at once, and ends.
 */
static enum MHD_Result refuse_midway(struct http_request *rq, err e)
{
    const struct known_headers *known = &rq->known;
    answer(rq, e);
    if (!known->is_chunked && known->content_length - rq->received <= HTTP_DISCARD_BYTES_MAX) {
        rq->phase = PHASE_DISCARD;
        return MHD_YES;
    }
    str message = reply_raw_problem(&rq->reply, &rq->arena);
    if (message.ptr &&
        send(rq->conn->fd, message.ptr, message.len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        rq->status_sent = rq->reply.status;
        rq->bytes_out = (int64_t)rq->reply.body.len;
    }
    rq->conn->lingers = true;
    return MHD_NO;
}

static enum MHD_Result take_and_refuse(struct http_request *rq, size_t *data_bytes, err e)
{
    rq->received += (int64_t)*data_bytes;
    *data_bytes = 0;
    return refuse_midway(rq, e);
}

/* ------------------------------------------------------------------ bodies */

static enum MHD_Result upload_receive(struct http_request *rq, const char *data, size_t *data_bytes)
{
    size_t used = upload_fill(rq->upload, data, *data_bytes);
    *data_bytes -= used;
    rq->received += (int64_t)used;
    if (!upload_is_full(rq->upload))
        return MHD_YES;
    if (gate_suspend(rq)) {
        err e = pool_submit(rq->server->pool, worker_write, rq);
        if (!e.code)
            return MHD_YES;
        worker_write(rq); /* every worker is busy: slow is better than failed */
        return MHD_YES;
    }
    return take_and_refuse(rq, data_bytes,
                           ERR(ERR_BUSY, "the server is shutting down: try again in a moment"));
}

static enum MHD_Result body_receive(struct http_request *rq, const char *data, size_t *data_bytes)
{
    atomic_fetch_add_explicit(&rq->conn->body_bytes, (int64_t)*data_bytes, memory_order_relaxed);
    if (rq->phase == PHASE_DISCARD) {
        rq->received += (int64_t)*data_bytes;
        *data_bytes = 0;
        return MHD_YES;
    }
    if (rq->phase != PHASE_BODY) /* a stopping libmicrohttpd takes replies and forgets them */
        return MHD_NO;
    if (rq->e.code) /* a worker could not write the chunk before this */
        return take_and_refuse(rq, data_bytes, rq->e);
    if ((int64_t)*data_bytes > rq->body_max - rq->received)
        return take_and_refuse(rq, data_bytes,
                               ERR(ERR_TOO_BIG,
                                   "the body is longer than the maximum here, %lld bytes",
                                   (long long)rq->body_max));
    if (rq->upload)
        return upload_receive(rq, data, data_bytes);
    buf_add_bytes(&rq->body, data, *data_bytes);
    if (rq->body.failed)
        return take_and_refuse(rq, data_bytes, ERR(ERR_NO_MEMORY, "no memory for the body"));
    rq->received += (int64_t)*data_bytes;
    *data_bytes = 0;
    return MHD_YES;
}

/* ------------------------------------------------------------------ callbacks */

void *dispatch_line(void *server, const char *target, struct MHD_Connection *mhd)
{
    return request_take(server, mhd, target);
}

static enum MHD_Result begin(struct http_request *rq, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        rq->mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    rq->conn = info ? info->socket_context : NULL;
    if (!rq->conn)
        return MHD_NO; /* there was no memory for the connection */
    gate_count(rq->server, 1);
    err e = request_begin(rq, method, version);
    conn_enter(rq->conn, request_has_body(rq) ? CONN_BODY : CONN_BUSY);
    if (e.code)
        return refuse_early(rq, e);
    rq->phase = PHASE_BODY;
    if (!rq->upload && rq->known.content_length > 0 &&
        !buf_reserve(&rq->body, (size_t)rq->known.content_length))
        return refuse_early(rq, ERR(ERR_NO_MEMORY, "no memory for the body"));
    return MHD_YES;
}

enum MHD_Result dispatch_call(void *server, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_bytes, void **context)
{
    struct http_request *rq = *context;
    if (!rq)
        return MHD_NO;
    if (gate_is_suspended(rq))
        return MHD_YES; /* takes nothing: libmicrohttpd offers it again */
    if (rq->is_suspended) {
        gate_leave_suspension(rq);
        if (rq->phase == PHASE_BODY)
            conn_enter(rq->conn, CONN_BODY);
    }
    if (rq->phase == PHASE_LINE)
        return begin(rq, method, version);
    if (rq->phase == PHASE_LATER)
        answer(rq, rq->e);
    if (*data_bytes)
        return body_receive(rq, data, data_bytes);
    if (rq->phase == PHASE_DISCARD)
        rq->phase = PHASE_READY;
    if (rq->phase == PHASE_BODY && rq->e.code)
        answer(rq, rq->e);
    else if (rq->phase == PHASE_BODY)
        request_run(rq);
    if (rq->is_suspended)
        return MHD_YES;
    return rq->phase == PHASE_READY ? reply_send(&rq->reply) : MHD_NO;
}

static void cleanup_files(void *upload)
{
    upload_free(upload);
}

void dispatch_completed(void *server, struct MHD_Connection *mhd, void **context,
                        enum MHD_RequestTerminationCode how)
{
    struct http_server *s = server;
    struct http_request *rq = *context;
    if (!rq)
        return;
    *context = NULL;
    gate_leave_suspension(rq);
    int status = rq->status_sent;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd,
                                                                   MHD_CONNECTION_INFO_HTTP_STATUS);
    if (!status && info) /* libmicrohttpd refused it by itself: not HTTP, or too large a head */
        status = (int)info->http_status;
    if (!rq->started_ns)
        rq->started_ns = clock_mono_ns();
    if (s->options.hooks.finished && (rq->was_begun || status))
        s->options.hooks.finished(s->options.hooks.ctx, rq, status,
                                  clock_mono_ns() - rq->started_ns, rq->bytes_out,
                                  rq->e.code ? &rq->e : NULL);
    if (rq->upload && upload_has_files(rq->upload)) {
        err e = pool_submit(s->pool, cleanup_files, rq->upload);
        if (!e.code)
            rq->upload = NULL;
    }
    if (rq->was_begun) {
        conn_enter(rq->conn, CONN_HEAD);
        gate_count(s, -1);
    }
    request_give_back(rq);
}
