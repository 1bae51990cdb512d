/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, an uploaded file arrives changed, cut, or as another form field. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "platform/http/multipart.h"

/* What the events said, as text: <name|filename:data> */
static err on_begin(void *arg, str name, str filename)
{
    buf_add_fmt(arg, "<%.*s|%s%.*s:", STR_ARG(name), filename.ptr ? "" : "-", STR_ARG(filename));
    return OK;
}

static err on_data(void *arg, str bytes)
{
    buf_add(arg, bytes);
    return OK;
}

static err on_end(void *arg)
{
    buf_add_char(arg, '>');
    return OK;
}

/* Feeds `body` in pieces of `piece` bytes, the way a server's buffer does. */
static err feed(const char *type, str body, size_t piece, struct buf *out)
{
    struct multipart m;
    TRY(multipart_init(&m, str_of(type),
                       (struct multipart_events){ out, on_begin, on_data, on_end }));
    char *window = malloc(body.len + 1);
    size_t held = 0;
    err e = OK;
    do {
        size_t count = body.len < piece ? body.len : piece;
        memcpy(window + held, body.ptr, count);
        held += count;
        body = str_sub(body, count, body.len);
        size_t used = 0;
        /* An exact copy, so that a sanitizer sees a read past the end. */
        char *exact = malloc(held ? held : 1);
        memcpy(exact, window, held);
        e = multipart_feed(&m, str_from(exact, held), body.len == 0, &used);
        free(exact);
        assert_true(used <= held);
        held -= used;
        memmove(window, window + used, held);
    } while (!e.code && body.len);
    if (!e.code)
        assert_int_equal(held, 0);
    free(window);
    return e;
}

#define TYPE "multipart/form-data; boundary=XX"
#define CD "Content-Disposition: form-data; "

static void forms_come_apart(void **state)
{
    static const struct {
        const char *type, *body, *expected; /* NULL: refused */
    } rows[] = {
        { TYPE, "--XX\r\n" CD "name=\"a\"\r\n\r\nhello\r\n--XX--\r\n", "<a|-:hello>" },
        { TYPE, "--XX\r\n" CD "name=\"a\"\r\n\r\n\r\n--XX--", "<a|-:>" },
        { TYPE, "--XX--\r\n", "" },
        { TYPE, "\r\n--XX\r\n" CD "name=a\r\n\r\nx\r\n--XX--", "<a|-:x>" },
        { TYPE, "preamble\r\n--XX \t\r\n" CD "name=a\r\n\r\nx\r\n--XX--epilogue\r\n--XX",
          "<a|-:x>" },
        { TYPE,
          "--XX\r\n" CD "name=\"f\"; filename=\"a b.pgn\"\r\nContent-Type: "
          "text/plain\r\n\r\n1\r\n2\r\n--X\r\n--XX--",
          "<f|a b.pgn:1\r\n2\r\n--X>" },
        { TYPE,
          "--XX\r\n" CD "name=a\r\n\r\n1\r\n--XX\r\n" CD "name=b; filename=\"\"\r\n\r\n2\r\n--XX--",
          "<a|-:1><b|:2>" },
        { TYPE, "--XX\r\ncontent-disposition:form-data;filename=x;NAME=a\r\n\r\n1\r\n--XX--",
          "<a|x:1>" },
        { TYPE, "--XX\r\n" CD "name=\"q\\\"uo;te\"; filename=\"C:\\dir\\f.txt\"\r\n\r\n1\r\n--XX--",
          "<q\"uo;te|C:\\dir\\f.txt:1>" },
        { TYPE,
          "--XX\r\n" CD
          "name=a; filename*=UTF-8''na%C3%AFve.txt; filename=\"naive.txt\"\r\n\r\n1\r\n--XX--",
          "<a|na\xc3\xafve.txt:1>" },
        { TYPE, "--XX\r\n" CD "name=\"\xff\x01\"\r\n\r\n1\r\n--XX--", "<??|-:1>" },
        { TYPE, "--XX\r\n" CD "name=a\r\n\r\n\r\n\r\n\r\n--XX--", "<a|-:\r\n\r\n>" },
        { "multipart/form-data; charset=utf-8; boundary=\"a b:c\"",
          "--a b:c\r\n" CD "name=a\r\n\r\n1\r\n--a b:c--", "<a|-:1>" },
        { TYPE, "", NULL },
        { TYPE, "--XX\r\n" CD "name=a\r\n\r\nhel", NULL },
        { TYPE, "--XX\r\n" CD "name=a\r\n\r\nhello\r\n--XX", NULL },
        { TYPE, "--XX\r\n" CD "name=a\r\n", NULL },
        { TYPE, "--XX\r\n\r\nno headers\r\n--XX--", NULL },
        { TYPE, "--XX\r\n" CD "filename=a\r\n\r\n1\r\n--XX--", NULL },
        { TYPE, "--XXY\r\n" CD "name=a\r\n\r\n1\r\n--XX--", NULL },
        { TYPE, "garbage without end", NULL },
        { "multipart/form-data", "--XX--", NULL },
        { "multipart/form-data; boundary=", "----", NULL },
    };
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t piece = 1; piece <= strlen(rows[i].body) + 1; piece++) {
            buf_clear(&out);
            err e = feed(rows[i].type, str_of(rows[i].body), piece, &out);
            if ((e.code == ERR_NONE) != (rows[i].expected != NULL))
                fail_msg("row %zu in pieces of %zu: %s", i, piece, e.code ? e.msg : "accepted");
            if (!e.code && !str_eq(buf_str(&out), str_of(rows[i].expected)))
                fail_msg("row %zu in pieces of %zu: %s", i, piece, out.ptr);
            if (e.code)
                assert_int_equal(e.code, ERR_INVALID);
        }
    buf_deinit(&out);
}

static void heads_are_limited(void **state)
{
    (void)state;
    struct buf body, out;
    buf_init(&body, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_add_cstr(&body, "--XX\r\n" CD "name=a\r\nX-Long: ");
    for (int i = 0; i < 9000; i++)
        buf_add_char(&body, 'x');
    buf_add_cstr(&body, "\r\n\r\n1\r\n--XX--");
    err e = feed(TYPE, buf_str(&body), 1000, &out);
    assert_int_equal(e.code, ERR_INVALID);
    buf_clear(&body);
    for (int i = 0; i < 20000; i++)
        buf_add_char(&body, 'p');
    e = feed(TYPE, buf_str(&body), 1000, &out);
    assert_int_equal(e.code, ERR_INVALID);
    buf_deinit(&body);
    buf_deinit(&out);
}

static err refuse_data(void *arg, str bytes)
{
    return ERR(ERR_NO_SPACE, "the disk is full");
}

static void errors_of_the_receiver_come_back(void **state)
{
    (void)state;
    struct multipart m;
    struct buf out;
    buf_init(&out, 1000);
    size_t used = 0;
    err e = multipart_init(&m, STR(TYPE),
                           (struct multipart_events){ &out, on_begin, refuse_data, on_end });
    assert_int_equal(e.code, 0);
    e = multipart_feed(&m, STR("--XX\r\n" CD "name=a\r\n\r\n1\r\n--XX--"), true, &used);
    assert_int_equal(e.code, ERR_NO_SPACE);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_come_apart),
        cmocka_unit_test(heads_are_limited),
        cmocka_unit_test(errors_of_the_receiver_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
