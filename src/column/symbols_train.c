/*
 * Finding good symbols: encode the sample with the symbols so far, count which were used and which
 * followed which, and keep the 255 that would have saved most, among the symbols, their
 * concatenations and single bytes. Five rounds, on growing parts of the sample.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base_bytes.h"
#include "column/symbols.h"

enum {
    PAUSE_TEXTS = 64, /* so many without a pause */
    PAUSE_UNITS = 64,
    ROUNDS = 5,
    UNITS = 512, /* 0..255 a byte that stands for itself, 256.. a symbol */
    CANDIDATES_MAX = 1 << 14,
};

struct candidate {
    uint64_t word;
    uint32_t gain;
    uint8_t size;
};

struct training {
    struct symbols *symbols;
    struct symbol_matcher matcher;
    uint32_t uses[UNITS];
    uint16_t pairs[UNITS][UNITS]; /* rows of units that are in use */
    bool taken[MATCHER_SLOTS];
    struct candidate candidates[CANDIDATES_MAX];
    uint32_t candidate_count;
};

static uint64_t unit_word(const struct symbols *symbols, unsigned unit) {
    return unit < 256 ? unit : symbols->words[unit - 256];
}
static unsigned unit_size(const struct symbols *symbols, unsigned unit) {
    return unit < 256 ? 1 : symbols->sizes[unit - 256];
}

/* A unit's first use makes its row of pairs, too: most units of little text have none. */
static void count_use(struct training *training, int unit) {
    if (training->uses[unit]++ == 0)
        memset(training->pairs[unit], 0, sizeof training->pairs[unit]);
}

static void count_text(struct training *training, struct slice text) {
    int last = -1;
    for (size_t at = 0; at < text.size;) {
        int code = matcher_find(&training->matcher, text.data + at, text.size - at);
        int unit = code >= 0 ? 256 + code : text.data[at];
        count_use(training, unit);
        if (last >= 0 && training->pairs[last][unit] < UINT16_MAX)
            training->pairs[last][unit]++;
        /* Also what would be had without the long symbol: else its parts die out. */
        if (code >= 0 && training->symbols->sizes[code] > 1) {
            count_use(training, text.data[at]);
            if (last >= 0 && training->pairs[last][text.data[at]] < UINT16_MAX)
                training->pairs[last][text.data[at]]++;
        }
        last = unit;
        at += unit_size(training->symbols, (unsigned)unit);
    }
}

static void add_candidate(struct training *training, uint64_t word, unsigned size, uint32_t count) {
    if (training->candidate_count == CANDIDATES_MAX)
        return;
    training->candidates[training->candidate_count++] =
        (struct candidate){.word = word, .size = (uint8_t)size, .gain = count * size};
}

static enum status let_pause(struct column_pause pause) {
    return pause.function == NULL ? STATUS_OK : pause.function(pause.context);
}

static enum status collect(struct training *training, struct column_pause pause) {
    const struct symbols *symbols = training->symbols;
    unsigned units = 256 + symbols->count;
    training->candidate_count = 0;
    for (unsigned unit = 0; unit < units; unit++) {
        if (unit % PAUSE_UNITS == PAUSE_UNITS - 1)
            TRY(let_pause(pause));
        unsigned size = unit_size(symbols, unit);
        uint64_t word = unit_word(symbols, unit);
        if (training->uses[unit] == 0)
            continue;
        /* A single byte saves its escape. */
        add_candidate(training, word, size, training->uses[unit] * (size == 1 ? 8 : 1));
        for (unsigned after = 0; after < units && size < SYMBOL_SIZE_MAX; after++) {
            uint32_t count = training->pairs[unit][after];
            if (count < 2)
                continue;
            unsigned both = size + unit_size(symbols, after);
            uint64_t joined = word | unit_word(symbols, after) << 8 * size;
            add_candidate(training, joined, both < 8 ? both : 8, count);
        }
    }
    return STATUS_OK;
}

static int by_value(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;
    if (a->word != b->word)
        return a->word < b->word ? -1 : 1;
    return (int)a->size - (int)b->size;
}
static int by_gain(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;
    if (a->gain != b->gain)
        return a->gain > b->gain ? -1 : 1;
    return by_value(left, right); /* the same table on every machine */
}

/* The best candidates become the symbols. */
static void choose(struct training *training) {
    struct candidate *all = training->candidates;
    struct symbols *symbols = training->symbols;
    uint32_t count = 0;
    qsort(all, training->candidate_count, sizeof *all, by_value);
    for (uint32_t i = 0; i < training->candidate_count; i++) {
        if (count > 0 && by_value(&all[count - 1], &all[i]) == 0)
            all[count - 1].gain += all[i].gain;
        else
            all[count++] = all[i];
    }
    qsort(all, count, sizeof *all, by_gain);
    *symbols = (struct symbols){0};
    memset(training->taken, 0, sizeof training->taken);
    for (uint32_t i = 0; i < count && symbols->count < SYMBOLS_MAX; i++) {
        if (all[i].size > 2 && training->taken[matcher_slot(all[i].word)])
            continue;
        training->taken[matcher_slot(all[i].word)] |= all[i].size > 2;
        symbols->words[symbols->count] = all[i].word;
        symbols->sizes[symbols->count++] = all[i].size;
    }
}

enum status symbols_train(const struct slice *sample, uint32_t count, struct column_pause pause,
                          struct arena *arena, struct symbols *symbols) {
    struct training *training = arena_alloc(arena, sizeof *training); /* large, little of it used */
    if (training == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    *symbols = (struct symbols){0};
    training->symbols = symbols;
    matcher_empty(&training->matcher);
    matcher_init(&training->matcher, symbols);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        memset(training->uses, 0, sizeof training->uses);
        for (uint32_t i = 0; i < count; i++) {
            if (i % ROUNDS < round)
                count_text(training, sample[i]);
            if (i % PAUSE_TEXTS == PAUSE_TEXTS - 1)
                TRY(let_pause(pause));
        }
        TRY(collect(training, pause));
        TRY(let_pause(pause));
        matcher_clear(&training->matcher);
        choose(training);
        matcher_init(&training->matcher, symbols);
        TRY(let_pause(pause));
    }
    return STATUS_OK;
}
