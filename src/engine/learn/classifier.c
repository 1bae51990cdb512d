/* SPDX-License-Identifier: GPL-3.0-or-later */
/* classifier.c -- the model object, and the model as bytes.
 *
 *   0  "SKLEARN"  7  u8 version      8  u32 family   12  u32 features   16  u32 classes
 *  20  texts, each u32 length and bytes: the feature set, the classes, params, metrics; in version
 *      2 also the part that features are made with
 *      the body: dense.h or forest.h           32 bytes SHA-256 of all before it. Little-endian.
 *
 * Version 1 has no such part, and is what a model without one is written as: programs that know
 * only that version go on reading them. Params and metrics are kept as the text that was given, so
 * that a file loads and saves to the same bytes.
 */
#include "engine/learn/classifier.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static const char magic[7] = { 'S', 'K', 'L', 'E', 'A', 'R', 'N' };

enum {
    VERSION_PLAIN = 1,
    VERSION_PART = 2,
    HEAD_BYTES = 20,
    KEEP_BYTES_MAX = 512 * 1024,
    JSON_SCRATCH_BYTES = 64 * 1024,
};

struct learn_classifier {
    struct learn_card card;
    struct learn_dense *dense;   /* of nets and logits */
    struct learn_forest *forest; /* of trees */
    char digest[SHA256_HEX_BYTES];
    arena keep; /* of the card's texts */
};

/* ------------------------------------------------------------------ the card */

static bool is_name(str s)
{
    if (s.len == 0 || s.len > LEARN_NAME_BYTES_MAX || str_utf8_valid_len(s) != s.len)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7F)
            return false;
    return true;
}

static err check_object(const char *what, str text)
{
    const struct json *root = NULL;
    arena scratch;
    if (text.len > LEARN_TEXT_BYTES_MAX)
        return ERR(ERR_INVALID, "the %s of a model are %zu bytes: at most %d", what, text.len,
                   LEARN_TEXT_BYTES_MAX);
    arena_init(&scratch, JSON_SCRATCH_BYTES);
    err e = json_parse(&scratch, text, &root);
    if (!e.code && json_kind(root) != JSON_IS_OBJECT)
        e = ERR(ERR_INVALID, "the %s of a model are no JSON object", what);
    arena_deinit(&scratch);
    return e.code ? err_wrap(e, "the %s of a model", what) : OK;
}

/* Copies the card; it must make sense. */
static err card_keep(struct learn_classifier *c, const struct learn_card *card)
{
    c->card = *card;
    c->card.params = card->params.len ? card->params : STR("{}");
    c->card.metrics = card->metrics.len ? card->metrics : STR("{}");
    if (!is_name(card->feature_set))
        return ERR(ERR_INVALID, "a model needs the name of its feature set, of 1 to %d bytes",
                   LEARN_NAME_BYTES_MAX);
    for (size_t i = 0; i < card->class_count; i++)
        if (!is_name(card->class_names[i]))
            return ERR(ERR_INVALID, "class %zu of a model needs a name, of 1 to %d bytes", i,
                       LEARN_NAME_BYTES_MAX);
    if (card->part.len > LEARN_PART_BYTES_MAX)
        return ERR(ERR_INVALID, "the features of a model are made with %zu bytes: at most %d",
                   card->part.len, LEARN_PART_BYTES_MAX);
    TRY(check_object("params", c->card.params));
    TRY(check_object("metrics", c->card.metrics));
    c->card.feature_set = arena_str(&c->keep, card->feature_set);
    for (size_t i = 0; i < card->class_count; i++)
        c->card.class_names[i] = arena_str(&c->keep, card->class_names[i]);
    c->card.params = arena_str(&c->keep, c->card.params);
    c->card.metrics = arena_str(&c->keep, c->card.metrics);
    c->card.part = arena_str(&c->keep, c->card.part);
    return arena_check(&c->keep);
}

/* ------------------------------------------------------------------ the object */

static err make(const struct learn_card *card, struct learn_dense *take_dense,
                struct learn_forest *take_forest, struct learn_classifier **ret_classifier)
{
    struct learn_card real = *card;
    struct learn_classifier *c = calloc(1, sizeof *c);
    if (!c) {
        learn_dense_free(take_dense);
        learn_forest_free(take_forest);
        return ERR(ERR_NO_MEMORY, "no memory for a model");
    }
    arena_init(&c->keep, KEEP_BYTES_MAX);
    c->dense = take_dense;
    c->forest = take_forest;
    if (take_dense) {
        real.feature_count = take_dense->shape.feature_count;
        real.class_count = take_dense->shape.width[take_dense->shape.layer_count - 1];
    } else {
        real.feature_count = learn_forest_feature_count(take_forest);
        real.class_count = learn_forest_class_count(take_forest);
    }
    err e = card_keep(c, &real);
    if (e.code)
        learn_classifier_free(c);
    else
        *ret_classifier = c;
    return e;
}

err learn_classifier_of_dense(const struct learn_card *card, struct learn_dense *take,
                              struct learn_classifier **ret_classifier)
{
    bool is_one = card->family == LEARN_NET ||
                  (card->family == LEARN_LOGIT && take->shape.layer_count == 1);
    if (!is_one) {
        learn_dense_free(take);
        return ERR(ERR_INVALID, "a model of %s is no such network",
                   learn_family_name(card->family));
    }
    return make(card, take, NULL, ret_classifier);
}

err learn_classifier_of_forest(const struct learn_card *card, struct learn_forest *take,
                               struct learn_classifier **ret_classifier)
{
    if (card->family != LEARN_TREES) {
        learn_forest_free(take);
        return ERR(ERR_INVALID, "a model of %s has no trees", learn_family_name(card->family));
    }
    return make(card, NULL, take, ret_classifier);
}

void learn_classifier_free(struct learn_classifier *c)
{
    if (!c)
        return;
    learn_dense_free(c->dense);
    learn_forest_free(c->forest);
    arena_deinit(&c->keep);
    free(c);
}

const struct learn_card *learn_classifier_card(const struct learn_classifier *c)
{
    return &c->card;
}

size_t learn_classifier_bytes(const struct learn_classifier *c)
{
    return sizeof *c + c->keep.bytes_used + (c->dense ? learn_dense_bytes(c->dense) : 0) +
           (c->forest ? learn_forest_bytes(c->forest) : 0);
}

const char *learn_classifier_digest(const struct learn_classifier *c)
{
    return c->digest;
}

void learn_classifier_predict(const struct learn_classifier *c, const double *features,
                              float *probability)
{
    if (c->dense)
        learn_dense_predict(c->dense, features, probability);
    else
        learn_forest_predict(c->forest, features, probability);
}

/* ------------------------------------------------------------------ out */

static void add_text(struct buf *out, str text)
{
    buf_add_u32(out, (uint32_t)text.len);
    buf_add(out, text);
}

err learn_classifier_save(struct learn_classifier *c, struct buf *out)
{
    const struct learn_card *card = &c->card;
    uint8_t digest[SHA256_BYTES];
    size_t start = out->len;
    buf_add_bytes(out, magic, sizeof magic);
    buf_add_u8(out, card->part.len ? VERSION_PART : VERSION_PLAIN);
    buf_add_u32(out, (uint32_t)card->family);
    buf_add_u32(out, (uint32_t)card->feature_count);
    buf_add_u32(out, (uint32_t)card->class_count);
    add_text(out, card->feature_set);
    for (size_t i = 0; i < card->class_count; i++)
        add_text(out, card->class_names[i]);
    add_text(out, card->params);
    add_text(out, card->metrics);
    if (card->part.len)
        add_text(out, card->part);
    if (c->dense)
        learn_dense_write(c->dense, out);
    else
        learn_forest_write(c->forest, out);
    TRY(buf_check(out));
    sha256_of(str_from(out->ptr + start, out->len - start), digest);
    buf_add_bytes(out, digest, sizeof digest);
    TRY(buf_check(out));
    hex_encode(digest, sizeof digest, c->digest);
    return OK;
}

/* ------------------------------------------------------------------ in */

static str text_read(struct cursor *c, size_t bytes_max)
{
    size_t len = cursor_u32(c);
    if (len > bytes_max)
        c->bad = true;
    return c->bad ? STR_NONE : cursor_bytes(c, len);
}

static err card_read(struct cursor *c, struct learn_card *ret_card)
{
    struct learn_card card = { 0 };
    str head = cursor_bytes(c, sizeof magic);
    uint8_t version = cursor_u8(c);
    if (c->bad || memcmp(head.ptr, magic, sizeof magic) != 0)
        return ERR(ERR_CORRUPT, "these bytes are not a model of classes");
    if (version != VERSION_PLAIN && version != VERSION_PART)
        return ERR(ERR_UNSUPPORTED,
                   "the model's file is of version %d, this program reads %d and %d: train it "
                   "again, or use the program that made it",
                   version, VERSION_PLAIN, VERSION_PART);
    uint32_t family = cursor_u32(c);
    card.feature_count = cursor_u32(c);
    card.class_count = cursor_u32(c);
    if (c->bad || family < LEARN_LOGIT || family >= LEARN_FAMILY_END || card.feature_count == 0 ||
        card.feature_count > LEARN_FEATURES_MAX || card.class_count < 2 ||
        card.class_count > LEARN_CLASSES_MAX)
        return ERR(ERR_CORRUPT, "the model's head has an impossible family or counts");
    card.family = (enum learn_family)family;
    card.feature_set = text_read(c, LEARN_NAME_BYTES_MAX);
    for (size_t i = 0; i < card.class_count; i++)
        card.class_names[i] = text_read(c, LEARN_NAME_BYTES_MAX);
    card.params = text_read(c, LEARN_TEXT_BYTES_MAX);
    card.metrics = text_read(c, LEARN_TEXT_BYTES_MAX);
    if (version == VERSION_PART)
        card.part = text_read(c, LEARN_PART_BYTES_MAX);
    if (c->bad || card.params.len == 0 || card.metrics.len == 0 ||
        (version == VERSION_PART && card.part.len == 0))
        return ERR(ERR_CORRUPT, "the model's texts are cut short, or longer than they may be");
    *ret_card = card;
    return OK;
}

static err body_read(struct cursor *c, const struct learn_card *card,
                     struct learn_classifier **ret_classifier)
{
    struct learn_classifier *classifier = NULL;
    struct learn_dense *dense = NULL;
    struct learn_forest *forest = NULL;
    err e;
    if (card->family == LEARN_TREES) {
        TRY(learn_forest_read(c, card->feature_count, card->class_count, &forest));
        e = learn_classifier_of_forest(card, forest, &classifier);
    } else {
        TRY(learn_dense_read(c, card->feature_count, card->class_count, &dense));
        e = learn_classifier_of_dense(card, dense, &classifier);
    }
    if (!e.code && cursor_left(c) != 0) {
        learn_classifier_free(classifier);
        return ERR(ERR_CORRUPT, "%zu bytes too many follow the model", cursor_left(c));
    }
    if (e.code == ERR_INVALID) /* here the file is to blame, not the caller */
        e.code = ERR_CORRUPT;
    if (!e.code)
        *ret_classifier = classifier;
    return e;
}

err learn_classifier_load(str bytes, struct learn_classifier **ret_classifier)
{
    struct learn_classifier *classifier = NULL;
    struct learn_card card = { 0 };
    uint8_t digest[SHA256_BYTES];
    if (bytes.len < HEAD_BYTES + SHA256_BYTES || bytes.len > LEARN_MODEL_BYTES_MAX)
        return ERR(ERR_CORRUPT, "a model of classes cannot have %zu bytes", bytes.len);
    str rest = str_from(bytes.ptr, bytes.len - SHA256_BYTES);
    struct cursor c = cursor_of(rest);
    TRY(card_read(&c, &card));
    sha256_of(rest, digest);
    if (memcmp(digest, bytes.ptr + rest.len, sizeof digest) != 0)
        return ERR(ERR_CORRUPT, "the model's checksum is wrong: it is cut short or damaged");
    TRY(body_read(&c, &card, &classifier));
    hex_encode(digest, sizeof digest, classifier->digest);
    *ret_classifier = classifier;
    return OK;
}
