/* SPDX-License-Identifier: GPL-3.0-or-later */
/* player_internal.h -- the table of experts, and what player*.c share. Private to this room. */
#ifndef SKERRY_RPS_PLAYER_INTERNAL_H
#define SKERRY_RPS_PLAYER_INTERNAL_H

#include "engine/rps/player.h"

/* What an expert conditions on, a digit of 0..2 each. A lag of 1 is the last round. */
enum digit_kind {
    DIGIT_USER,                /* the user's move */
    DIGIT_BOT,                 /* the other's move */
    DIGIT_RESULT,              /* user minus other: 0 draw, 1 win, 2 loss */
    DIGIT_STEP,                /* user minus user a round earlier: stay, up, down */
    DIGIT_BOTSTEP,             /* the same of the other */
    DIGIT_ANSWER,              /* user minus other a round earlier: copy, beat, lose to */
    DIGIT_VALUE,               /* user minus the move of most points */
    DIGIT_RECENT,              /* how many of the above */
    DIGIT_SURE = DIGIT_RECENT, /* how sure the guess of the frame is: below 1/2, 3/4, or above */
};

/* What an expert predicts the user's move relative to: its three counts are of the difference. */
enum frame {
    FRAME_MOVE,  /* rock: the move itself */
    FRAME_USER,  /* the user's move `lag` rounds ago */
    FRAME_BOT,   /* the other's */
    FRAME_GUESS, /* the other's next move as guess `lag` has it: the user may have seen through them
                  */
    FRAME_VALUE, /* the move of most points of the round to come */
};

enum { LAGS = 6, DIGITS_MAX = 6, GUESSES = 6, GUESS_CONTEXTS = 9, WEIGHT_AGES = 3, NO_DIGIT = 3 };

struct expert {
    const char *name;
    uint8_t frame, lag;
    float decay; /* of the old counts of a context, each time it comes up */
    uint8_t digit_count;
    struct {
        uint8_t kind, lag;
    } digits[DIGITS_MAX];
};

extern const struct expert rps_experts[RPS_EXPERTS];
/* Where each expert's contexts begin among all; the last is their number. */
void rps_expert_offsets(uint32_t out[RPS_EXPERTS + 1]);

/* The rounds of this game that contexts look at, made ready: the last one in [1]. */
struct recent {
    uint8_t known; /* at most LAGS */
    uint8_t digits[DIGIT_RECENT][LAGS + 1];
};

/* Counts of one context. */
struct cell {
    float of[RPS_MOVES];
};

/* Open within the room, so that it can be written and fitted; a value apart from its cells. */
struct rps_player {
    uint64_t population; /* digest of the population that it goes with */
    uint32_t rounds, games;
    struct recent recent;
    struct cell guesses[GUESSES][GUESS_CONTEXTS]; /* of the other's moves */
    float drift[RPS_EXPERTS];                     /* added to the population's weights */
    float hedge[RPS_EXPERTS];                     /* log weights */
    struct cell counts[];                         /* of all experts, one after the other */
};

struct rps_population {
    uint64_t digest;
    float rate;       /* of learning a person's drift */
    float hedge_rate; /* of Hedge */
    /* Rows of logistic weights: for ever, for the first dozens of rounds, for the first few. */
    float weights[WEIGHT_AGES][RPS_EXPERTS];
    uint32_t offset[RPS_EXPERTS + 1];
    struct cell prior[]; /* pseudo-counts */
};

/* One expert's view before a round. */
struct view {
    bool speaks;   /* all it looks at is known; else its probabilities are a third each */
    uint8_t base;  /* the move that difference 0 stands for */
    uint32_t cell; /* its context among all */
    float p[RPS_MOVES], log_p[RPS_MOVES]; /* by move; the logarithm is relative to a third */
};

static inline unsigned rps_difference(unsigned move, unsigned base)
{
    return move >= base ? move - base : move + RPS_MOVES - base;
}

/* All experts before a round. `now` may be NULL: points unknown. */
void rps_player_views(const struct rps_population *population, const struct rps_player *player,
                      const struct rps_points *now, struct view views[RPS_EXPERTS]);
/* Both mixers, each a probability for each move. */
void rps_player_mix_logistic(const struct rps_population *population,
                             const struct rps_player *player, const struct view *views,
                             float out[RPS_MOVES]);
void rps_player_mix_hedge(const struct rps_player *player, const struct view *views,
                          float out[RPS_MOVES]);
/* How much each row of weights counts for a person of so many rounds. */
void rps_player_ages(uint32_t rounds, float out[WEIGHT_AGES]);
/* Adds what a round tells to counts and recent moves, and not to the mixers. */
void rps_player_count(struct rps_player *player, const struct view views[RPS_EXPERTS],
                      unsigned user, unsigned bot, const struct rps_points *now);
/* All that rps_player_add does, with views that are there already. */
void rps_player_learn(const struct rps_population *population, struct rps_player *player,
                      const struct view views[RPS_EXPERTS], unsigned user, unsigned bot,
                      const struct rps_points *now);

/* A population of uniform priors and equal weights, not sealed; NULL without memory. */
struct rps_population *rps_population_blank(void);
/* Computes the digest; after this nothing changes. ERR_NO_MEMORY. */
MUST_USE err rps_population_seal(struct rps_population *population);
static inline uint32_t rps_population_cells(const struct rps_population *population)
{
    return population->offset[RPS_EXPERTS];
}

#endif
