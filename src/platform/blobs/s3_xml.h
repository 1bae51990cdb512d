/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s3_xml.h -- reads the few replies of S3 that are XML. Private to this room.
 *
 * Not an XML library: elements, text, the five named entities and character references, in slices
 * of the reply. Attributes, comments, declarations and CDATA's brackets are stepped over;
 * namespaces are ignored. Anything else that is not well-formed ends the walk with `bad`.
 */
#ifndef SKERRY_BLOBS_S3_XML_H
#define SKERRY_BLOBS_S3_XML_H

#include "base/buf.h"

enum { S3_XML_DEPTH_MAX = 16, S3_TEXT_BYTES = 1100, S3_ID_BYTES = 1025 };

enum s3_xml_event { S3_XML_OPEN, S3_XML_CLOSE, S3_XML_END };

struct s3_xml {
    str rest;
    str name; /* of the element that opened or closed, without prefix */
    str text; /* at S3_XML_CLOSE: what stood since the last tag, entities not decoded */
    bool bad;
    bool closes_next; /* <Name/>: the close of what was just opened */
    int depth;
    str names[S3_XML_DEPTH_MAX];
};

struct s3_xml s3_xml_of(str text);
enum s3_xml_event s3_xml_next(struct s3_xml *x);

/* Writes decoded text into `out`, terminated. False when it does not fit or a reference is bad. */
bool s3_xml_decode(str raw, char *out, size_t out_bytes);

/* The first element of that name, decoded. ERR_UPSTREAM when there is none. */
MUST_USE err s3_xml_find(str text, const char *name, char *out, size_t out_bytes);

/* <Error>: what is not there stays "". */
struct s3_fault {
    char code[64], message[160];
    char region[64], request_time[40], server_time[40];
};
/* False when the text is no <Error>. */
bool s3_xml_fault(str text, struct s3_fault *ret_fault);

/* One page of a listing. Strings are decoded and live until the callback returns. */
struct s3_entry {
    char key[S3_TEXT_BYTES];
    char upload_id[S3_ID_BYTES]; /* of an unfinished upload */
    char etag[160];              /* of a part, as it stands, quotes included */
    int64_t bytes;               /* of an object or a part; -1 unless stated */
    int64_t part_number;
    int64_t wall_ms; /* LastModified or Initiated; 0 unless stated */
};
struct s3_page {
    bool is_truncated;
    char next[S3_TEXT_BYTES];      /* continuation token, key marker or part number marker */
    char next_upload[S3_ID_BYTES]; /* upload id marker */
};
typedef err (*s3_entry_fn)(void *arg, const struct s3_entry *entry);

/* Calls fn for each `element` ("Contents", "Upload", "Part"). Stops at its first error.
 * ERR_UPSTREAM when the text is not what S3 answers. */
MUST_USE err s3_xml_page(str text, const char *element, s3_entry_fn fn, void *arg,
                         struct s3_page *ret_page);

#endif
