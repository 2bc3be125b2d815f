/* The text pool: sentences written phrase by phrase until the pool is full.
 *
 *   text      = sentence { sentence }
 *   sentence  = NP VP T | NP VP PP T | NP VP NP T | NP PP VP NP T | NP PP VP PP T
 *   NP        = noun | adjective noun | adjective ", " adjective noun | adverb adjective noun
 *   VP        = verb | auxiliary verb | verb adverb | auxiliary verb adverb
 *   PP        = preposition "the" NP
 *   T         = "." | ";" | ":" | "?" | "!" | "--"
 *
 * The specification says that words are not equally frequent, not how frequent they are; the
 * weights below were estimated by counting words and sentence shapes in published TPC-H rows. */
#include "text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

enum { WORD_BYTES = 16, CHOICES_MAX = 512, SENTENCE_BYTES_MAX = 256 };

struct word {
    char bytes[WORD_BYTES];
    uint32_t count;
};

/* A word for each unit of weight, so that one multiplication picks. */
struct choices {
    struct word words[CHOICES_MAX];
    uint32_t count;
};

struct weighted {
    uint32_t weight;
    const char *words; /* separated by '|' */
};

static const struct weighted NOUNS[] = {
    {40, "packages|requests|accounts|deposits"},
    {22, "foxes|ideas|pinto beans"},
    {18, "theodolites|instructions"},
    {10, "excuses|platelets|asymptotes"},
    {8, "dependencies"},
    {5, "courts|dolphins"},
    {1, "multipliers|sauternes|warthogs|frets|dinos|attainments|somas|Tiresias'|patterns|forges"
        "|braids|hockey players|frays|warhorses|dugouts|notornis|epitaphs|pearls|tithes|waters"
        "|orbits|gifts|sheaves|depths|sentiments|decoys|realms|pains|grouches|escapades"},
    {0, NULL}};
static const struct weighted VERBS[] = {
    {20, "sleep|wake|are|cajole|haggle"},
    {10, "nag|use|boost"},
    {5, "affix|detect|integrate"},
    {1, "maintain|nod|was|lose|sublate|solve|thrash|promise|engage|hinder|print|x-ray|breach|eat"
        "|grow|impress|mold|poach|serve|run|dazzle|snooze|doze|unwind|kindle|play|hang|believe"
        "|doubt"},
    {0, NULL}};
static const struct weighted ADJECTIVES[] = {
    {47, "regular"},
    {40, "final|ironic"},
    {30, "even"},
    {20, "bold|special|pending|unusual|express"},
    {10, "silent"},
    {1, "furious|sly|careful|blithe|quick|fluffy|slow|quiet|ruthless|thin|close|dogged|daring"
        "|brave|stealthy|permanent|enticing|idle|busy"},
    {0, NULL}};
static const struct weighted ADVERBS[] = {
    {51, "slyly"},
    {46, "carefully|furiously"},
    {39, "blithely"},
    {30, "quickly"},
    {20, "fluffily"},
    {1, "sometimes|always|never|slowly|quietly|ruthlessly|thinly|closely|doggedly|daringly|bravely"
        "|stealthily|permanently|enticingly|idly|busily|regularly|finally|ironically|evenly|boldly"
        "|silently"},
    {0, NULL}};
static const struct weighted PREPOSITIONS[] = {
    {50, "about|above|across|after"},
    {44, "according to"},
    {40, "along|against"},
    {36, "of"},
    {32, "among"},
    {28, "alongside"},
    {19, "around"},
    {10, "at"},
    {1, "atop|before|behind|beneath|beside|besides|between|beyond|by|despite|during|except|for|from"
        "|in place of|inside|instead of|into|near|on|outside|over|past|since|through|throughout|to"
        "|toward|under|until|up|upon|without|with|within"},
    {0, NULL}};
static const struct weighted AUXILIARIES[] = {
    {1, "do|may|might|shall|will|would|can|could|should|ought to|must|will have to|shall have to"
        "|could have to|should have to|must have to|need to|try to"},
    {0, NULL}};
static const struct weighted TERMINATORS[] = {{50, "."}, {1, ";|:|?|!|--"}, {0, NULL}};

struct grammar {
    struct choices nouns, verbs, adjectives, adverbs, prepositions, auxiliaries, terminators;
};

/* Where the next word goes, and the random numbers: four of 16 bits are taken from each draw. */
struct writer {
    const struct grammar *grammar;
    char *at;
    uint64_t seed, draws, bits;
};

static void choices_init(struct choices *choices, const struct weighted *lists) {
    for (; lists->words != NULL; lists++) {
        for (const char *word = lists->words; *word != '\0';) {
            uint32_t count = (uint32_t)strcspn(word, "|");
            assert(count < WORD_BYTES);
            for (uint32_t i = 0; i < lists->weight; i++) {
                assert(choices->count < CHOICES_MAX);
                struct word *into = &choices->words[choices->count++];
                memcpy(into->bytes, word, count);
                into->count = count;
            }
            word += count + (word[count] == '|');
        }
    }
}

static uint32_t pick(struct writer *w, uint32_t count) {
    uint32_t lane = w->draws++ % 4;
    w->bits = lane == 0 ? random_bits(w->seed, STREAM_TEXT_POOL, w->draws) : w->bits >> 16;
    return (uint32_t)((w->bits & 0xffff) * count >> 16);
}

static void word(struct writer *w, const struct choices *choices) {
    const struct word *word = &choices->words[pick(w, choices->count)];
    memcpy(w->at, word->bytes, WORD_BYTES);
    w->at += word->count;
    *w->at++ = ' ';
}

static void noun_phrase(struct writer *w) {
    const struct grammar *g = w->grammar;
    uint32_t shape = pick(w, 9);
    if (shape >= 4) {
        word(w, &g->adverbs);
    } else if (shape == 3) {
        word(w, &g->adjectives);
        memcpy(w->at - 1, ", ", 2);
        w->at++;
    }
    if (shape >= 1)
        word(w, &g->adjectives);
    word(w, &g->nouns);
}

static void verb_phrase(struct writer *w) {
    uint32_t shape = pick(w, 72);
    if (shape < 2)
        word(w, &w->grammar->auxiliaries);
    word(w, &w->grammar->verbs);
    if (shape == 0 || shape >= 32)
        word(w, &w->grammar->adverbs);
}

static void prepositional_phrase(struct writer *w) {
    word(w, &w->grammar->prepositions);
    memcpy(w->at, "the ", 4);
    w->at += 4;
    noun_phrase(w);
}

static void sentence(struct writer *w) {
    uint32_t shape = pick(w, 11);
    noun_phrase(w);
    if (shape >= 9)
        prepositional_phrase(w);
    verb_phrase(w);
    if ((shape >= 3 && shape < 6) || shape == 9)
        prepositional_phrase(w);
    else if (shape >= 6)
        noun_phrase(w);
    w->at--; /* the terminator follows its word */
    word(w, &w->grammar->terminators);
}

char *text_pool_create(uint64_t seed) {
    static struct grammar grammar;
    if (grammar.nouns.count == 0) {
        choices_init(&grammar.nouns, NOUNS);
        choices_init(&grammar.verbs, VERBS);
        choices_init(&grammar.adjectives, ADJECTIVES);
        choices_init(&grammar.adverbs, ADVERBS);
        choices_init(&grammar.prepositions, PREPOSITIONS);
        choices_init(&grammar.auxiliaries, AUXILIARIES);
        choices_init(&grammar.terminators, TERMINATORS);
    }
    char *pool = malloc(TEXT_POOL_BYTES + SENTENCE_BYTES_MAX);
    if (pool == NULL)
        return NULL;
    struct writer writer = {.grammar = &grammar, .at = pool, .seed = seed};
    while (writer.at < pool + TEXT_POOL_BYTES)
        sentence(&writer);
    assert(writer.at <= pool + TEXT_POOL_BYTES + SENTENCE_BYTES_MAX);
    return pool;
}
