/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serving.h -- models that answer for an app: four aliases each, swapped under load, and judged.
 *
 * A family is a registered model name with what an app does to load and ask its versions. Its slots
 * are the registry's aliases Production, B, shadow1 and shadow2: whoever moves an alias, on any
 * server of the store, over any API, changes what serves; nothing else does. A request predicts
 * with one slot and lets the others predict beside it; when the truth is known it is noted, and
 * small tables then know how good each *version* was since it got its alias.
 *
 *     serving_assign    which slot a subject gets, by hash
 *     serving_predict   one slot decides, the shadows look on
 *     serving_note      the truth came at once: counted, durable within a second
 *     serving_note_tx   the same in the app's transaction: durable with the app's own rows
 *     serving_notes     many of these in one transaction, as one row
 *     serving_log       the truth comes later: kept under a key until serving_truth
 *     serving_outcome   what came of it all (a game won), for the slot that decided
 *
 * Promotion, which reads these tables, is in promotion.h.
 */
#ifndef SKERRY_SERVING_H
#define SKERRY_SERVING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "platform/blobs/blobs.h"
#include "platform/observe/log.h"
#include "platform/observe/metrics.h"
#include "platform/store/store.h"
#include "platform/track/track.h"

struct serving;
struct served_family; /* a family at work; lives as long as struct serving */

enum {
    SERVING_FAMILIES_MAX = 32,
    SERVING_CLASSES_MAX = 8,
    SERVING_FEATURES_MAX = 16, /* that are watched for drift */
    SERVING_BINS = 10,
    SERVING_KEY_BYTES_MAX = 128,
};

enum serving_slot {
    SERVING_PRODUCTION,
    SERVING_B,
    SERVING_SHADOW1,
    SERVING_SHADOW2,
    SERVING_SLOTS
};
/* "Production", "B", "shadow1", "shadow2": names of the registry's aliases, and labels. */
extern const char *const serving_aliases[SERVING_SLOTS];
/* ERR_INVALID names the four. */
MUST_USE err serving_slot_parse(str alias, enum serving_slot *ret_slot);

/* ------------------------------------------------------------------ what an app states */

/* What a version saw when it was trained, which later inputs and answers are compared with. Shares
 * sum to 1. */
struct serving_reference {
    bool has_confidence;
    double
        confidence[SERVING_BINS]; /* predictions by the tenth in which their likeliest class is */
    int feature_count;            /* 0: inputs are not watched */
    double edges[SERVING_FEATURES_MAX][SERVING_BINS - 1]; /* ascending; a bin holds what is below */
    double shares[SERVING_FEATURES_MAX][SERVING_BINS];
};

/* A const table row of an app. `ctx` is the house. Functions are called by any thread; a model is
 * never changed after load. */
struct serving_family {
    const char *name;  /* in addresses, labels and hashes: "xgboost"; NULL ends a table */
    const char *model; /* registered name: "rps_bot_xgboost" */
    const char *help;  /* one sentence */
    int class_count;   /* 2 to SERVING_CLASSES_MAX */
    int feature_count; /* that `watch` fills in */
    int64_t bytes_max; /* of a version's blob; 0 means 64 MiB */
    /* Setting with the share of subjects that Production gets, the others get B; NULL: half. */
    const char *ratio_setting;
    /* Production and B are compared by outcomes (games won), not by how often they are right. */
    bool is_by_outcome;
    /* Makes a model of a version's blob; the bytes are gone after the call. */
    err (*load)(void *ctx, const struct model_version_info *info, str bytes, void **ret_model);
    void (*drop)(void *model);
    /* Makes what these models need of the input, before they are asked: once a request, with the
     * very models that will answer it (NULL: none there). False: not now, and nobody is asked. May
     * be NULL. The input is const for us; what it points at need not be. */
    bool (*prepare)(const void *input, const void *const models[SERVING_SLOTS]);
    /* Fills in class_count probabilities; false: it cannot. Microseconds: on the request's path. */
    bool (*predict)(const void *model, const void *input, float *ret_p);
    /* The inputs that are watched for drift; may be NULL. */
    void (*watch)(const void *input, float *ret_values);
    /* May be NULL: then there is nothing to compare with, and no drift is told. */
    void (*reference)(const void *model, struct serving_reference *ret_reference);
};

/* ------------------------------------------------------------------ life cycle */

struct serving_options {
    struct store *store;
    struct track *track;
    struct blobs *blobs;
    struct log *log;
    struct metrics *metrics; /* serving_metrics must be registered */
    void *ctx;               /* handed to the families' functions */
    int64_t cooldown_ms;     /* a version that could not be loaded is left alone so long; 0: 30 s */
    int64_t poll_ms;         /* aliases are looked at at least so often; 0: 2 s */
    int64_t flush_ms;        /* what is noted in memory is written so often; 0: 1 s */
    double log_percent;      /* of the calls that are noted at once, kept one by one */
    int window_hours;        /* of gauges and alarms; 0: 24 */
    int log_days;            /* calls are kept so long; 0: 30 */
    int window_days;         /* sums by hour are kept so long; 0: 400 */
    double alpha;            /* error of every decision and alarm; 0: 0.05 */
    int64_t trials_min;      /* outcomes of each side before they are compared; 0: 20 */
    int64_t judged_min;      /* predictions with truth before they are compared; 0: 200 */
    double margin;           /* a fall of less than this is no fall; 0: 0.02 */
    double drift_max;        /* population stability index that alarms; 0: 0.25 */
};

extern const struct metric_family serving_metrics[];
extern const struct store_migration serving_migrations[]; /* of the owner "serving" */

/* Migrates its tables. Tables of families end with a NULL name, and outlive it. */
MUST_USE err serving_open(const struct serving_options *options,
                          const struct serving_family *const *tables, size_t table_count,
                          struct serving **ret_serving);
/* Loads what the aliases point at, and follows them from here on. What cannot be loaded is logged
 * and counted, and does not keep the server down. */
MUST_USE err serving_start(struct serving *s);
/* Writes what is noted. Nobody uses it any more; accepts NULL. */
void serving_close(struct serving *s);

size_t serving_family_count(const struct serving *s);
struct served_family *serving_family_at(const struct serving *s, size_t index);
/* By its name, or by its registered name; NULL: there is none. */
struct served_family *serving_find(const struct serving *s, str name);
const struct serving_family *served_row(const struct served_family *f);

/* Looks at the aliases now and loads what is new. For tests, and for who cannot wait poll_ms. */
MUST_USE err serving_follow(struct serving *s);
/* The same for one family and one alias that was just moved to `info`: the error says why it does
 * not serve. What served before goes on serving then. Other aliases than the four, and names of no
 * family, are nobody's business here: OK; but "prod" is ERR_INVALID, so that nobody takes it for
 * Production. For struct model_kind.load. */
MUST_USE err serving_load(struct serving *s, const struct model_version_info *info, str alias);
/* Loads all versions of a family again, from the blobs, and swaps them whole; what cannot be loaded
 * serves on as it is in memory. */
MUST_USE err serving_reload(struct served_family *f);
/* What came of looking at a family's aliases since the server started. */
struct serving_looks {
    int64_t named, unnamed; /* aliases that named a version, and that named none */
    int64_t failed;         /* versions that could not be loaded */
    int64_t skipped;        /* not tried again yet, because they failed a moment ago */
};
void serving_looks(struct served_family *f, struct serving_looks *ret_looks);
/* Writes what is in memory as JSON objects into an open array. */
void serving_loaded(struct serving *s, struct json_out *out);

/* ------------------------------------------------------------------ assignment */

/* First 8 bytes of SHA-256("subject|family") / 2^64: in [0, 1), the same on every server. */
double serving_share(str subject, str family);
/* ratio <= 0: B; >= 1: Production; else Production when share < ratio. */
enum serving_slot serving_split(double share, double ratio);
/* The slot for a subject, counted as an exposure: call it once for each, keep the answer with the
 * subject's own rows and read it back; a ratio may change under it. Nobody is sent to B while it
 * is empty. */
enum serving_slot serving_assign(struct served_family *f, str subject);
double serving_ratio(const struct served_family *f);
void serving_ratio_set(struct served_family *f, double ratio); /* any thread */

/* ------------------------------------------------------------------ predicting */

struct serving_answer {
    bool is_there;
    int64_t version; /* keep it with what it decided */
    int64_t tenure;  /* of the version in this slot: model_alias.tenure */
    float p[SERVING_CLASSES_MAX];
    int best;                           /* the likeliest class, the first of equals */
    uint8_t bins[SERVING_FEATURES_MAX]; /* of the inputs, by this version's reference */
    bool has_bins;
};

/* What one request got, as a plain value: it holds nothing, and may be noted at any time. */
struct serving_call {
    enum serving_slot active;
    int64_t at_ms;
    int64_t generation; /* the newest tenure of the family then */
    int class_count, feature_count;
    struct serving_answer answers[SERVING_SLOTS];
};

/* Asks the slot `active`, and with `with_others` those beside it, on the same versions from the
 * first to the last however aliases move meanwhile. No lock is held while models are asked. False
 * when the active slot has no answer; *ret_why (may be NULL; a literal) is then "not_assigned",
 * "load_failed" or "predict_failed": count what the app does instead with serving_fallback. Or it
 * is SERVING_NOT_PREPARED: the family's `prepare` said no, and nothing was asked or counted. */
#define SERVING_NOT_PREPARED "not_prepared"
MUST_USE bool serving_predict(struct served_family *f, enum serving_slot active, bool with_others,
                              const void *input, struct serving_call *ret_call,
                              const char **ret_why);
/* The app answered without a model. `reason` is a literal, of few. */
void serving_fallback(struct served_family *f, enum serving_slot slot, const char *reason);

/* ------------------------------------------------------------------ the truth */

/* The class that came true. In memory, and in the store within flush_ms: a kill -9 loses at most
 * what was noted since. */
void serving_note(struct served_family *f, const struct serving_call *call, int truth);
/* One row in the caller's transaction, which a thread of ours adds up later, exactly once. */
MUST_USE err serving_note_tx(struct served_family *f, struct store_tx *tx,
                             const struct serving_call *call, int truth);

/* Success or failure of what the slot's version decided alone. Told of a version that has left the
 * slot since, it is counted as late and otherwise ignored: it is evidence about neither. */
void serving_outcome(struct served_family *f, enum serving_slot slot, int64_t version,
                     bool is_success);
MUST_USE err serving_outcome_tx(struct served_family *f, struct store_tx *tx,
                                enum serving_slot slot, int64_t version, bool is_success);

/* Many notes and outcomes of one transaction, as one row: for who writes many requests at a time.
 * Begin, any number of notes and outcomes, end once; on one thread. Memory of about 100 bytes a
 * note; SERVING_NOTES_MAX of them at most, which the caller minds. */
enum { SERVING_NOTES_MAX = 1024 };
struct serving_notes {
    struct served_family *family;
    int64_t at_ms;
    struct buf bytes, one; /* all of them; the one that is being packed */
};
void serving_notes_begin(struct served_family *f, struct serving_notes *ret_notes);
void serving_notes_add(struct serving_notes *n, const struct serving_call *call, int truth);
void serving_notes_add_outcome(struct serving_notes *n, enum serving_slot slot, int64_t version,
                               bool is_success);
/* Writes the row, if there is something to write, and frees; tx is NULL: only frees. */
MUST_USE err serving_notes_end(struct serving_notes *n, struct store_tx *tx);

/* Keeps the call under a key of the family's until its truth comes. Off the request's path: a
 * bounded queue, written within flush_ms; what does not fit is dropped and counted, and false. */
bool serving_log(struct served_family *f, const struct serving_call *call, str key);
/* Joins all calls under the key that have no truth yet, on whichever server they were made. */
bool serving_truth(struct served_family *f, str key, int truth);

/* Writes what waits, now. ERR_* when the store refuses: it stays and is written later. */
MUST_USE err serving_flush(struct serving *s);

/* ------------------------------------------------------------------ how good they are */

/* Sums over predictions; only those with truth are judged. */
struct serving_tally {
    int64_t made, judged, correct;
    int64_t trials, wins; /* outcomes */
    double log_loss;      /* sum over the judged, natural logarithm; p is at least 1e-6 */
    /* By the tenth in which the likeliest class's probability is. Sums are in millionths. */
    int64_t confidence[SERVING_BINS]; /* made */
    int64_t calibration_count[SERVING_BINS], calibration_hits[SERVING_BINS],
        calibration_sum[SERVING_BINS];
    int64_t classes[SERVING_CLASSES_MAX]; /* made, by likeliest class */
    int64_t features[SERVING_FEATURES_MAX][SERVING_BINS];
};
/* NAN where nothing was judged. The error is the expected calibration error. */
double serving_accuracy(const struct serving_tally *t);
double serving_log_loss(const struct serving_tally *t);
double serving_calibration_error(const struct serving_tally *t);
/* Population stability index of counts against shares; NAN below 100 counts. */
double serving_psi(const int64_t counts[SERVING_BINS], const double shares[SERVING_BINS]);

/* What one slot does, over the window. */
struct serving_slot_report {
    enum serving_slot slot;
    int64_t alias_version; /* what the alias says; 0: nothing */
    int64_t version;       /* what serves here; 0: nothing */
    int64_t tenure, since_ms, loaded_ms, bytes;
    double load_ms;
    char failure[ERR_MSG_BYTES]; /* why alias_version does not serve; empty: it does */
    struct serving_tally tally;  /* of this version in this slot, over the window */
    double drift_inputs;         /* the largest of its inputs; NAN: not known */
    double drift_predictions;
};
MUST_USE err serving_report(struct served_family *f, int window_hours,
                            struct serving_slot_report ret_slots[SERVING_SLOTS]);

/* One version in one slot in one hour. */
struct serving_hour {
    int64_t hour_ms, version, tenure;
    enum serving_slot slot;
    struct serving_tally tally;
};
/* Newest hour first. limit 0: 500, the most is 2000 rows of the table. */
MUST_USE err serving_hours(struct served_family *f, int64_t since_ms, int64_t limit, arena *keep,
                           struct serving_hour **ret_hours, size_t *ret_count);

#endif
