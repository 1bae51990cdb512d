/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/http/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* An address literal, either family. */
struct address {
    int family; /* 0: not an address */
    unsigned char bytes[16];
};

static struct address address_of(str text)
{
    struct address a = { 0 };
    char cstr[64];
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = str_sub(text, 1, text.len - 2);
    if (text.len == 0 || text.len >= sizeof cstr)
        return a;
    memcpy(cstr, text.ptr, text.len);
    cstr[text.len] = '\0';
    if (inet_pton(AF_INET, cstr, a.bytes) == 1)
        a.family = AF_INET;
    else if (inet_pton(AF_INET6, cstr, a.bytes) == 1)
        a.family = AF_INET6;
    return a;
}

static bool address_is_loopback(const struct address *a)
{
    static const unsigned char v6[16] = { [15] = 1 };
    static const unsigned char mapped[13] = { [10] = 0xFF, [11] = 0xFF, [12] = 127 };
    if (a->family == AF_INET)
        return a->bytes[0] == 127;
    return a->family == AF_INET6 &&
           (!memcmp(a->bytes, v6, sizeof v6) || !memcmp(a->bytes, mapped, sizeof mapped));
}

static bool address_is_any(const struct address *a)
{
    static const unsigned char zeros[16];
    return a->family && !memcmp(a->bytes, zeros, a->family == AF_INET ? 4 : 16);
}

bool guard_is_loopback(const char *address)
{
    struct address a = address_of(str_of(address));
    return address_is_loopback(&a) || str_eq_nocase(str_of(address), STR("localhost"));
}

/* Cuts the port off; false when what is there cannot be a host. */
static bool host_split(str host, str *ret_name)
{
    str port = STR_NONE;
    str name = host;
    ptrdiff_t colon = -1;
    if (str_starts(host, STR("["))) {
        ptrdiff_t close = str_find_char(host, ']');
        if (close < 0)
            return false;
        name = str_sub(host, 0, (size_t)close + 1);
        if (name.len < host.len && host.ptr[name.len] != ':')
            return false;
        colon = name.len < host.len ? (ptrdiff_t)name.len : -1;
    } else if ((colon = str_find_char(host, ':')) >= 0) {
        name = str_sub(host, 0, (size_t)colon);
    }
    if (colon >= 0)
        port = str_sub(host, (size_t)colon + 1, host.len);
    if (name.len == 0 || name.len > 255 || port.len > 5)
        return false;
    for (size_t i = 0; i < port.len; i++)
        if (port.ptr[i] < '0' || port.ptr[i] > '9')
            return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '.' || c == '_' ||
                    (name.ptr[0] == '[' && (c == ':' || c == '[' || c == ']'));
        if (!fine)
            return false;
    }
    *ret_name = name;
    return true;
}

static bool in_list(const char *const *list, str a, str b)
{
    for (; list && *list; list++)
        if (str_eq_nocase(str_of(*list), a) || str_eq_nocase(str_of(*list), b))
            return true;
    return false;
}

err guard_host(const struct guard *g, str host)
{
    str name;
    if (!host_split(host, &name))
        return ERR(ERR_INVALID, "the Host header '%.*s' is not a host name with an optional port",
                   STR_ARG(str_sub(host, 0, 80)));
    if (name.ptr[name.len - 1] == '.') /* "localhost." is the same name, fully qualified */
        name.len--;
    if (str_eq_nocase(name, STR("localhost")) || str_eq_nocase(name, str_of(g->bind_address)) ||
        in_list(g->hosts_extra, name, host))
        return OK;
    struct address a = address_of(name);
    if (address_is_loopback(&a))
        return OK;
    struct address bound = address_of(str_of(g->bind_address));
    if (a.family && a.family == bound.family && !memcmp(a.bytes, bound.bytes, sizeof a.bytes))
        return OK;
    /* Rebinding needs a name. Bound to every address, any address is one of ours. */
    if (a.family && address_is_any(&bound))
        return OK;
    return ERR(ERR_DENIED,
               "Host '%.*s' is not a name of this server: use localhost or the address it is bound "
               "to, or add the name to SKERRY_HOSTS",
               STR_ARG(str_sub(host, 0, 80)));
}

err guard_origin(const struct guard *g, str origin, str host, bool *ret_is_listed)
{
    *ret_is_listed = in_list(g->origins, origin, origin);
    if (*ret_is_listed)
        return OK;
    str site = STR_NONE;
    if (str_starts(origin, STR("http://")))
        site = str_sub(origin, 7, origin.len);
    else if (str_starts(origin, STR("https://")))
        site = str_sub(origin, 8, origin.len);
    if (site.len && str_eq_nocase(site, host))
        return OK;
    return ERR(ERR_DENIED,
               "Origin '%.*s' is another site than this server: open the page from the server "
               "itself, or add the origin to SKERRY_ORIGINS",
               STR_ARG(str_sub(origin, 0, 80)));
}
