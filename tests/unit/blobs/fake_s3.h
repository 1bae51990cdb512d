/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fake_s3.h -- a small S3 server in the test's own process, which fails when it is told to.
 *
 * Objects are plain files <folder>/<bucket>/<key>, so that a test can damage them or make them old.
 * It checks keys, clock, region, the digest of each body and the signature (with our own signer,
 * which golden vectors and real servers check). What it does beyond failing is the least that S3
 * promises.
 */
#ifndef SKERRY_TEST_FAKE_S3_H
#define SKERRY_TEST_FAKE_S3_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_ACCESS "AKIDEXAMPLE"
#define FAKE_SECRET "secret/with+every=kind"
#define FAKE_REGION "test-region-1"

struct fake_s3 {
    char folder[64];
    int port;
    atomic_int page_max; /* entries of one page of a listing */

    /* Failures to come: each request takes one of the first that is not 0. */
    atomic_int slow_down, fail_500, drop;
    atomic_int folder_is_gone; /* 409, as versitygw when a folder goes as an object comes */
    atomic_int only_op;        /* a letter of fake_s3.c's ops: failures wait for it; 0: any */
    atomic_int late_fault;     /* completing an upload answers 200 and an error */
    atomic_int lost_complete;  /* completing works, the answer is lost */
    atomic_int spoil;          /* stores other bytes than it was sent */
    atomic_llong cut_get;      /* breaks off a body after so many bytes; 0: not */
    atomic_int cuts;           /* how often */
    atomic_llong clock_ms;     /* how much its clock differs */

    atomic_int requests, parts, puts, gets, heads, lists, aborts, refused;
    void (*_Atomic on_part)(void *arg); /* after a part is stored, before it is answered */
    void *_Atomic on_part_arg;

    int listen_fd;
    atomic_int live; /* connections being served */
    atomic_bool stop;
    void *inside;
};

/* Aborts the test when it cannot. The bucket is not made. */
void fake_s3_open(struct fake_s3 *f);
/* Waits until all that was sent is done and nobody is connected. */
void fake_s3_settle(struct fake_s3 *f);
void fake_s3_close(struct fake_s3 *f); /* removes the folder */

#endif
