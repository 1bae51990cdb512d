/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net.c -- lanes, and one call from begin to end.
 *
 * curl pushes, our callers pull: each lane is a multi handle with one easy handle, driven only
 * while its caller waits in net_begin or net_read. Bytes go straight into the caller's memory; what
 * does not fit there waits in `side`, and curl is paused meanwhile, so that a slow reader slows the
 * sender and no buffer grows.
 */
#include "platform/net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/thread.h"
#include "platform/net/curl_load.h"

enum {
    LANES_DEFAULT = 16,
    CONNECT_MS = 10000,
    STALL_MS = 30000,
    POLL_MS = 250, /* how late a deadline may be noticed */
    HEAD_BYTES_MAX = 64 * 1024,
    SIDE_BYTES_MAX = 1024 * 1024,
    RECEIVE_BYTES = 128 * 1024,
    SEND_BYTES = 512 * 1024,
    READ_BYTES = 16 * 1024,
    PATH_BYTES = 512,
};

struct net {
    struct curl_functions curl;
    struct net_options options;
    char ca_file[PATH_BYTES];
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct list idle; /* guarded by lock: lanes nobody uses, last used last */
    int lane_count;   /* guarded by lock: all lanes */
};

/* A call is a lane in use. */
struct net_call {
    struct net *net;
    struct list_link link; /* in idle */
    CURLM *multi;
    CURL *easy;

    struct net_request rq; /* its url and headers are gone once the request is set up */
    struct curl_slist *headers;
    bool is_added, is_paused, is_done;
    CURLcode outcome;          /* when is_done */
    bool is_refused_as_public; /* plain http to an address that is not near */
    int64_t sent;              /* bytes of the body given to curl */
    int64_t moved_ns;          /* when a byte last moved */
    char detail[CURL_ERROR_SIZE];

    struct buf head; /* lines of the newest head */
    bool head_is_whole;
    int status;

    unsigned char *out; /* where the caller wants bytes, or NULL */
    size_t out_room, out_got;
    unsigned char *side; /* bytes that came when nobody wanted them */
    size_t side_cap, side_at, side_end;
};

/* ------------------------------------------------------------------ addresses */

static bool ipv4_is_nearby(uint32_t a)
{
    return a >> 24 == 127 || a >> 24 == 10 || a >> 20 == (172 << 4 | 1) || a >> 16 == 0xc0a8 ||
           a >> 16 == 0xa9fe;
}

static bool ipv6_is_nearby(const struct in6_addr *a)
{
    if (IN6_IS_ADDR_V4MAPPED(a))
        return ipv4_is_nearby((uint32_t)a->s6_addr[12] << 24 | (uint32_t)a->s6_addr[13] << 16 |
                              (uint32_t)a->s6_addr[14] << 8 | a->s6_addr[15]);
    return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) || (a->s6_addr[0] & 0xfe) == 0xfc;
}

bool net_is_nearby(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, address, &four) == 1)
        return ipv4_is_nearby(ntohl(four.s_addr));
    return inet_pton(AF_INET6, address, &six) == 1 && ipv6_is_nearby(&six);
}

/* Asked before each connection: names may point anywhere, addresses do not lie. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct net_call *c = arg;
    char text[INET6_ADDRSTRLEN] = "";
    if (address->family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, &address->addr, sizeof four);
        inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    } else if (address->family == AF_INET6 && address->addrlen >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 six;
        memcpy(&six, (const void *)&address->addr, sizeof six);
        inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    }
    if (!net_is_nearby(text)) {
        c->is_refused_as_public = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ------------------------------------------------------------------ what curl calls */

static void moved(struct net_call *c)
{
    c->moved_ns = clock_mono_ns();
}

static size_t on_head(char *bytes, size_t size, size_t count, void *arg)
{
    struct net_call *c = arg;
    str line = str_from(bytes, size * count);
    moved(c);
    if (str_starts(line, STR("HTTP/"))) { /* a later head replaces "100 Continue" */
        buf_clear(&c->head);
        c->head_is_whole = false;
    }
    buf_add(&c->head, line);
    if (str_trim(line).len == 0) {
        long status = 0;
        c->net->curl.easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        c->status = (int)status;
        c->head_is_whole = status >= 200;
    }
    return buf_check(&c->head).code ? 0 : size * count;
}

/* Keeps what the caller has no room for. */
static bool put_aside(struct net_call *c, const char *bytes, size_t count)
{
    if (c->side_at == c->side_end)
        c->side_at = c->side_end = 0;
    if (count > SIDE_BYTES_MAX)
        return false;
    if (count > c->side_cap) {
        unsigned char *larger = realloc(c->side, count);
        if (!larger)
            return false;
        c->side = larger;
        c->side_cap = count;
    }
    memcpy(c->side, bytes, count);
    c->side_end = count;
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct net_call *c = arg;
    size_t all = size * count, now = c->out_room - c->out_got;
    moved(c);
    if (!c->out || now == 0) {
        c->is_paused = true;
        return CURL_WRITEFUNC_PAUSE; /* curl gives the same bytes again */
    }
    if (now > all)
        now = all;
    memcpy(c->out + c->out_got, bytes, now);
    c->out_got += now;
    return now == all || put_aside(c, bytes + now, all - now) ? all : 0;
}

static size_t on_send(char *out, size_t size, size_t count, void *arg)
{
    struct net_call *c = arg;
    const struct net_request *rq = &c->rq;
    size_t room = size * count;
    int64_t all = rq->body_is_file ? rq->body_bytes : (int64_t)rq->body.len;
    moved(c);
    if ((int64_t)room > all - c->sent)
        room = (size_t)(all - c->sent);
    if (room && rq->body_is_file) {
        ssize_t got;
        do
            got = pread(rq->body_fd, out, room, (off_t)(rq->body_offset + c->sent));
        while (got < 0 && errno == EINTR);
        if (got <= 0)
            return CURL_READFUNC_ABORT; /* the file shrank, or the disk fails */
        room = (size_t)got;
    } else if (room) {
        memcpy(out, rq->body.ptr + c->sent, room);
    }
    c->sent += (int64_t)room;
    return room;
}

/* curl sends a body again when a kept connection turns out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct net_call *c = arg;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_FAIL;
    c->sent = offset;
    return CURL_SEEKFUNC_OK;
}

/* ------------------------------------------------------------------ lanes */

static void lane_free(struct net_call *c)
{
    const struct curl_functions *curl = &c->net->curl;
    if (c->easy)
        curl->easy_cleanup(c->easy);
    if (c->multi)
        curl->multi_cleanup(c->multi);
    buf_deinit(&c->head);
    free(c->side);
    free(c);
}

static struct net_call *lane_new(struct net *n)
{
    struct net_call *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->net = n;
    c->link.prev = c->link.next = &c->link;
    buf_init(&c->head, HEAD_BYTES_MAX);
    c->multi = n->curl.multi_init();
    c->easy = n->curl.easy_init();
    if (!c->multi || !c->easy) {
        lane_free(c);
        return NULL;
    }
    return c;
}

static err lane_borrow(struct net *n, struct net_call **ret_call)
{
    struct timespec until = clock_deadline(n->options.stall_ms);
    struct list_link *link = NULL;
    bool is_new = false;
    int waited = 0;
    pthread_mutex_lock(&n->lock);
    for (;;) {
        link = n->idle.head.prev; /* the one with the warmest connection */
        if (link != &n->idle.head)
            break;
        link = NULL;
        is_new = n->lane_count < n->options.lanes_max;
        if (is_new || waited == ETIMEDOUT)
            break;
        waited = pthread_cond_timedwait(&n->freed, &n->lock, &until);
    }
    if (link)
        list_remove(link);
    else if (is_new)
        n->lane_count++;
    pthread_mutex_unlock(&n->lock);
    if (link) {
        *ret_call = LIST_ENTRY(link, struct net_call, link);
        return OK;
    }
    if (!is_new)
        return ERR(ERR_TIMEOUT, "all %d connections were busy for %lld s", n->options.lanes_max,
                   (long long)(n->options.stall_ms / 1000));
    *ret_call = lane_new(n);
    if (*ret_call)
        return OK;
    pthread_mutex_lock(&n->lock);
    n->lane_count--;
    pthread_mutex_unlock(&n->lock);
    return ERR(ERR_NO_MEMORY, "calling out: out of memory");
}

void net_end(struct net_call *c)
{
    if (!c)
        return;
    struct net *n = c->net;
    if (c->is_added)
        n->curl.multi_remove_handle(c->multi, c->easy);
    n->curl.slist_free_all(c->headers);
    c->headers = NULL;
    c->is_added = false;
    pthread_mutex_lock(&n->lock);
    list_push(&n->idle, &c->link);
    pthread_cond_signal(&n->freed);
    pthread_mutex_unlock(&n->lock);
}

err net_open(const struct net_options *options, struct net **ret_net)
{
    struct net *n = calloc(1, sizeof *n);
    if (!n)
        return ERR(ERR_NO_MEMORY, "calling out: out of memory");
    n->options = *options;
    if (n->options.lanes_max <= 0)
        n->options.lanes_max = LANES_DEFAULT;
    if (n->options.connect_ms <= 0)
        n->options.connect_ms = CONNECT_MS;
    if (n->options.stall_ms <= 0)
        n->options.stall_ms = STALL_MS;
    snprintf(n->ca_file, sizeof n->ca_file, "%s", options->ca_file ? options->ca_file : "");
    err e = curl_load(&n->curl);
    if (!e.code && n->curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        e = ERR(ERR_UNSUPPORTED, "libcurl does not start");
    if (e.code) {
        free(n);
        return e;
    }
    pthread_mutex_init(&n->lock, NULL);
    thread_cond_init(&n->freed);
    list_init(&n->idle);
    *ret_net = n;
    return OK;
}

void net_close(struct net *n)
{
    if (!n)
        return;
    for (struct list_link *l; (l = list_pop(&n->idle)) != NULL;)
        lane_free(LIST_ENTRY(l, struct net_call, link));
    pthread_cond_destroy(&n->freed);
    pthread_mutex_destroy(&n->lock);
    n->curl.global_cleanup();
    free(n);
}

/* ------------------------------------------------------------------ driving */

static err failure(struct net_call *c)
{
    const char *text = c->detail[0] ? c->detail : c->net->curl.easy_strerror(c->outcome);
    if (c->is_refused_as_public)
        return ERR(ERR_DENIED, "http:// is for this machine and private networks; use https://");
    switch ((int)c->outcome) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR(ERR_DENIED, "its certificate is not trusted: %.120s", text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR(ERR_DENIED, "not an address: %.120s", text);
    case CURLE_OPERATION_TIMEDOUT:
        return ERR(ERR_TIMEOUT, "%.150s", text);
    default:
        return ERR(ERR_UPSTREAM, "%.150s", text);
    }
}

/* Lets curl work until the call has what is awaited or ends. */
static err step(struct net_call *c)
{
    const struct curl_functions *curl = &c->net->curl;
    int running = 0, left = 0;
    CURLMcode code = curl->multi_perform(c->multi, &running);
    for (CURLMsg *message; (message = curl->multi_info_read(c->multi, &left)) != NULL;) {
        if (message->msg == CURLMSG_DONE) {
            c->is_done = true;
            c->outcome = message->data.result;
        }
    }
    if (code != CURLM_OK)
        return ERR(ERR_UPSTREAM, "libcurl stopped with code %d", (int)code);
    return c->is_done && c->outcome != CURLE_OK ? failure(c) : OK;
}

static err wait_some(struct net_call *c)
{
    int64_t now = clock_mono_ns();
    int64_t stall_ms = c->net->options.stall_ms;
    if (c->rq.stop && atomic_load(c->rq.stop))
        return ERR(ERR_CANCELLED, "the call was given up");
    if (c->rq.deadline_ns && now >= c->rq.deadline_ns)
        return ERR(ERR_TIMEOUT, "no whole answer before the deadline");
    if (now - c->moved_ns > stall_ms * 1000000)
        return ERR(ERR_TIMEOUT, "nothing came or went for %lld s", (long long)(stall_ms / 1000));
    c->net->curl.multi_poll(c->multi, NULL, 0, POLL_MS, NULL);
    return OK;
}

static err set_up(struct net_call *c)
{
    const struct curl_functions *curl = &c->net->curl;
    const struct net_options *options = &c->net->options;
    const struct net_request *rq = &c->rq;
    struct curl_slist *list = curl->slist_append(NULL, "Expect:");
    for (size_t i = 0; list && rq->headers && rq->headers[i]; i++) {
        struct curl_slist *longer = curl->slist_append(list, rq->headers[i]);
        if (!longer)
            curl->slist_free_all(list);
        list = longer;
    }
    if (!list)
        return ERR(ERR_NO_MEMORY, "calling out: out of memory");
    c->headers = list;
    CURL *easy = c->easy;
    curl->easy_reset(easy);
    curl->easy_setopt(easy, CURLOPT_URL, rq->url);
    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* what was signed is what is sent */
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, c->detail);
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms);
    curl->easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, c);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, c);
    if (c->net->ca_file[0])
        curl->easy_setopt(easy, CURLOPT_CAINFO, c->net->ca_file);
    if (options->plain_only_nearby && strncmp(rq->url, "http://", 7) == 0) {
        curl->easy_setopt(easy, CURLOPT_PROXY, ""); /* the address must be the service's own */
        curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
        curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
    }
    if (strcmp(rq->method, "HEAD") == 0)
        curl->easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (rq->has_body) {
        int64_t bytes = rq->body_is_file ? rq->body_bytes : (int64_t)rq->body.len;
        curl->easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl->easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BYTES);
        curl->easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)bytes);
        curl->easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        curl->easy_setopt(easy, CURLOPT_READDATA, c);
        curl->easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl->easy_setopt(easy, CURLOPT_SEEKDATA, c);
    }
    curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, rq->method);
    if (curl->multi_add_handle(c->multi, easy) != CURLM_OK)
        return ERR(ERR_NO_MEMORY, "calling out: libcurl takes no request");
    c->is_added = true;
    return OK;
}

err net_begin(struct net *n, const struct net_request *rq, struct net_call **ret_call)
{
    struct net_call *c = NULL;
    TRY(lane_borrow(n, &c));
    c->rq = *rq;
    c->is_paused = c->is_done = c->is_refused_as_public = c->head_is_whole = false;
    c->outcome = CURLE_OK;
    c->sent = 0;
    c->status = 0;
    c->detail[0] = '\0';
    c->out = NULL;
    c->out_room = c->out_got = c->side_at = c->side_end = 0;
    buf_clear(&c->head);
    moved(c);
    err e = set_up(c);
    while (!e.code && !c->head_is_whole) {
        e = step(c);
        if (!e.code && !c->head_is_whole)
            e = c->is_done ? ERR(ERR_UPSTREAM, "it answered without a head") : wait_some(c);
    }
    if (e.code) {
        net_end(c);
        return e;
    }
    *ret_call = c;
    return OK;
}

/* ------------------------------------------------------------------ the reply */

int net_status(const struct net_call *c)
{
    return c->status;
}

str net_header(const struct net_call *c, str name)
{
    for (str rest = buf_str(&c->head); rest.len;) {
        str line = str_split(&rest, '\n');
        str key = str_split(&line, ':');
        if (str_eq_nocase(str_trim(key), name))
            return str_trim(line);
    }
    return STR_NONE;
}

static size_t take_aside(struct net_call *c, unsigned char *out, size_t count)
{
    size_t there = c->side_end - c->side_at;
    size_t taken = there < count ? there : count;
    if (taken)
        memcpy(out, c->side + c->side_at, taken);
    c->side_at += taken;
    return taken;
}

err net_read(struct net_call *c, void *out, size_t count, size_t *ret_count)
{
    c->out = out;
    c->out_room = count;
    c->out_got = take_aside(c, out, count);
    err e = OK;
    if (c->out_got == 0 && count > 0) {
        moved(c); /* the time between two reads is the caller's */
        if (c->is_paused) {
            c->is_paused = false;
            c->net->curl.easy_pause(c->easy, CURLPAUSE_CONT);
        }
        while (!e.code && c->out_got == 0 && !c->is_done) {
            e = step(c);
            if (!e.code && c->out_got == 0 && !c->is_done)
                e = wait_some(c);
        }
    }
    c->out = NULL;
    /* Bytes that came before it broke are still good; the next read reports, and all after it. */
    if (!e.code && c->is_done && c->outcome != CURLE_OK)
        e = failure(c);
    if (e.code && c->out_got == 0)
        return e;
    *ret_count = c->out_got;
    return OK;
}

err net_read_all(struct net_call *c, struct buf *out)
{
    char bytes[READ_BYTES];
    size_t got;
    do {
        TRY(net_read(c, bytes, sizeof bytes, &got));
        buf_add_bytes(out, bytes, got);
        TRY(buf_check(out));
    } while (got > 0);
    return OK;
}
