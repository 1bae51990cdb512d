/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replies that are pulled piece by piece, mostly of unknown length, and server-sent events.
 *
 * libmicrohttpd pulls on the event thread. When there is nothing, the connection is suspended and
 * the watch thread resumes it after the stream's wait: returning "nothing" without suspending would
 * make libmicrohttpd ask again at once, for ever. A suspended connection does not notice that its
 * client has left, so each turn looks.
 */
#include "platform/http/http_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

enum {
    LARGE_BYTES = 1024 * 1024,
    LARGE_BLOCK_BYTES = 256 * 1024, /* each costs a look at the socket */
};

static const int64_t HEARTBEAT_NS = 15 * (int64_t)1000000000;

/* A client that has closed its side waits for nothing more, or is gone. */
static bool client_left(const struct http_request *rq)
{
    char byte;
    ssize_t n = recv(rq->conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static ssize_t stream_wait(struct http_reply *rp, char *out, size_t max)
{
    struct http_request *rq = rp->rq;
    static const char heartbeat[] = ":\n\n"; /* a comment: clients skip it, proxies see life */
    int64_t now_ns = clock_mono_ns();
    if (rp->is_sse && now_ns - rp->stream_last_ns >= HEARTBEAT_NS && max >= sizeof heartbeat) {
        memcpy(out, heartbeat, sizeof heartbeat - 1);
        rp->stream_last_ns = now_ns;
        return sizeof heartbeat - 1;
    }
    if (client_left(rq))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (!gate_suspend(rq))
        return MHD_CONTENT_READER_END_OF_STREAM;
    watch_sleep(rq, rp->stream.wait_ms);
    return 0;
}

static ssize_t stream_pull(void *arg, uint64_t position, char *out, size_t max)
{
    struct http_reply *rp = arg;
    struct http_request *rq = rp->rq;
    gate_leave_suspension(rq);
    /* Event streams have no end of their own; shutdown is one. */
    if (rp->is_sse && atomic_load(&rq->server->is_closing))
        return MHD_CONTENT_READER_END_OF_STREAM;
    ptrdiff_t count = rp->stream.pull(rp->stream.arg, out, max);
    if (count < 0)
        return rp->stream.seek ? MHD_CONTENT_READER_END_WITH_ERROR
                               : MHD_CONTENT_READER_END_OF_STREAM;
    if (count == 0)
        return stream_wait(rp, out, max);
    rp->stream_last_ns = clock_mono_ns();
    rq->bytes_out += count;
    return count;
}

struct MHD_Response *stream_response(struct http_reply *rp)
{
    /* The block is used where no chunks are sent: for HTTP/1.0 clients and when the length is
     * known. Chunks are written into the connection's memory. */
    uint64_t bytes = rp->stream.seek ? (uint64_t)rp->length : MHD_SIZE_UNKNOWN;
    size_t block = rp->is_sse ? 4096 : 32768;
    if (bytes != MHD_SIZE_UNKNOWN && bytes > LARGE_BYTES)
        block = LARGE_BLOCK_BYTES;
    return MHD_create_response_from_callback(bytes, block, stream_pull, rp, NULL);
}
