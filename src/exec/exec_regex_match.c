/*
 * Regular expressions, second half: running the program.
 *
 * Three ways, the cheapest that answers the question:
 *   literal   memcmp / slice_find, when the pattern is plain text
 *   DFA       sets of program places, made when first met and kept in a small cache; answers only
 *             "does it match?" and only for patterns without word and line edges
 *   sets      all places at once, one pass over the text; finds where the leftmost match starts
 *             and ends; a second pass bound to that range fills in the groups
 */
#include <string.h>

#include "exec/exec_regex.h"
#include "exec/exec_regex_private.h"

/* ---- sparse set of places: insertion order, constant-time clear -------------------------- */

struct place_set {
    uint32_t *dense, *sparse;
    uint32_t count;
    size_t *starts; /* by dense index: where the match of this thread began */
};

struct capture_frame;

struct regex_sets {
    struct place_set now, next;
    uint32_t *stack;
    size_t *captures_now, *captures_next; /* slot_count per dense index; made when needed */
    struct capture_frame *frames;
    uint32_t slot_count;
};

enum { DFA_STATES_MAX = 256, DFA_BUCKETS = 512 };

struct dfa_state {
    uint32_t *places;
    uint32_t count;
    bool accepts, accepts_at_end;
    uint64_t hash;
    struct dfa_state *chain;
    struct dfa_state *next[128];
};

struct regex_dfa {
    uint32_t state_count;
    struct dfa_state *start;
    struct dfa_state *buckets[DFA_BUCKETS];
};

static void set_init(struct place_set *set, uint32_t size, struct arena *arena) {
    set->dense = arena_alloc(arena, size * sizeof *set->dense);
    set->sparse = arena_alloc(arena, size * sizeof *set->sparse);
    set->starts = arena_alloc(arena, size * sizeof *set->starts);
    set->count = 0;
    if (set->sparse != NULL)
        memset(set->sparse, 0, size * sizeof *set->sparse);
}

void regex__matcher_init(struct regex *regex) {
    struct regex_sets *sets = ARENA_NEW(regex->arena, struct regex_sets);
    set_init(&sets->now, regex->program_count, regex->arena);
    set_init(&sets->next, regex->program_count, regex->arena);
    sets->stack = arena_alloc(regex->arena, (size_t)regex->program_count * 2 * sizeof(uint32_t));
    sets->slot_count = 2 * (regex->group_count + 1);
    regex->sets = sets;
}

static bool set_has(const struct place_set *set, uint32_t place) {
    uint32_t at = set->sparse[place];
    return at < set->count && set->dense[at] == place;
}

static bool is_word(uint32_t code) {
    return (code >= '0' && code <= '9') || ((code | 32) >= 'a' && (code | 32) <= 'z') ||
           code == '_' || code >= 0x80;
}

/* Around a position of the text. */
struct surroundings {
    bool at_start, at_end;
    uint32_t before, after;
};

static bool assertion_holds(const struct regex *regex, uint32_t assertion,
                            const struct surroundings *at) {
    bool before = !at->at_start && is_word(at->before), after = !at->at_end && is_word(at->after);
    bool lines = regex->flags & REGEX_NEWLINE_ANCHORS;
    switch (assertion) {
    case REGEX_AT_LINE_START:
        return at->at_start || (lines && at->before == '\n');
    case REGEX_AT_LINE_END:
        return at->at_end || (lines && at->after == '\n');
    case REGEX_AT_TEXT_START:
        return at->at_start;
    case REGEX_AT_TEXT_END:
        return at->at_end;
    case REGEX_AT_WORD_START:
        return !before && after;
    case REGEX_AT_WORD_END:
        return before && !after;
    case REGEX_AT_WORD_EDGE:
        return before != after;
    default:
        return before == after;
    }
}

static bool class_has(const struct regex *regex, const struct regex_class *class, uint32_t code) {
    if (code < 128)
        return class->ascii[code / 64] >> (code % 64) & 1;
    for (uint32_t i = 0; i < class->range_count; i++)
        if (code >= class->ranges[i].first && code <= class->ranges[i].last)
            return !class->negated;
    return class->negated;
}

static bool consumes(const struct regex *regex, const struct regex_instruction *in, uint32_t code) {
    switch (in->operation) {
    case REGEX_CHARACTER:
        return in->argument == (regex->flags & REGEX_IGNORE_CASE ? regex__fold(code) : code);
    case REGEX_ANY:
        return code != '\n' || !(regex->flags & REGEX_NEWLINE_STOPS);
    case REGEX_CLASS:
        return class_has(regex, &regex->classes[in->argument], code);
    default:
        return false;
    }
}

/* Add a place and all it leads to without consuming. */
static void close_over(const struct regex *regex, struct place_set *set, uint32_t place,
                       size_t start, const struct surroundings *at) {
    uint32_t *stack = regex->sets->stack, depth = 0;
    stack[depth++] = place;
    while (depth > 0) {
        place = stack[--depth];
        if (set_has(set, place)) {
            if (set->starts[set->sparse[place]] <= start)
                continue;
            /* Reached again by an earlier start: that one wins, and so do its followers. */
            set->starts[set->sparse[place]] = start;
        } else {
            set->sparse[place] = set->count;
            set->dense[set->count] = place;
            set->starts[set->count++] = start;
        }
        const struct regex_instruction *in = &regex->program[place];
        switch (in->operation) {
        case REGEX_SPLIT:
            stack[depth++] = in->y;
            stack[depth++] = in->x;
            break;
        case REGEX_JUMP:
            stack[depth++] = in->x;
            break;
        case REGEX_SAVE:
            stack[depth++] = place + 1;
            break;
        case REGEX_ASSERT:
            if (assertion_holds(regex, in->argument, at))
                stack[depth++] = place + 1;
            break;
        default:
            break;
        }
        /* Each place is expanded at most once per start; the stack holds at most two arms of each
           place on the way. */
        ASSERT(depth <= 2 * regex->program_count);
    }
}

static void surroundings_at(struct slice text, size_t at, size_t previous,
                            struct surroundings *out) {
    size_t used;
    out->at_start = at == 0;
    out->at_end = at >= text.size;
    out->before = at == 0 ? 0 : regex__decode(text.data + previous, text.size - previous, &used);
    out->after = out->at_end ? 0 : regex__decode(text.data + at, text.size - at, &used);
}

/* Leftmost match from `from`; its end by preference. */
static bool find_range(struct regex *regex, struct slice text, size_t from,
                       struct regex_span *span) {
    struct regex_sets *sets = regex->sets;
    struct place_set *now = &sets->now, *next = &sets->next;
    size_t best_start = SIZE_MAX, best_end = 0, at = from, previous = from;
    if (from > 0) {
        previous = from - 1;
        while (previous > 0 && (text.data[previous] & 0xC0) == 0x80)
            previous--;
    }
    now->count = 0;
    struct surroundings around;
    surroundings_at(text, at, previous, &around);
    for (;;) {
        if (best_start == SIZE_MAX && (!regex->anchored || at == 0))
            close_over(regex, now, 0, at, &around);
        uint32_t accept = regex->program_count - 1;
        if (set_has(now, accept)) {
            size_t start = now->starts[now->sparse[accept]];
            if (start < best_start || (start == best_start && !regex->shortest)) {
                best_start = start;
                best_end = at;
            }
        }
        if (around.at_end || (now->count == 0 && (best_start != SIZE_MAX || regex->anchored)))
            break;
        size_t used;
        uint32_t code = regex__decode(text.data + at, text.size - at, &used);
        previous = at;
        at += used;
        surroundings_at(text, at, previous, &around);
        next->count = 0;
        for (uint32_t i = 0; i < now->count; i++) {
            size_t start = now->starts[i];
            if (start > best_start || (regex->shortest && start == best_start))
                continue;
            if (consumes(regex, &regex->program[now->dense[i]], code))
                close_over(regex, next, now->dense[i] + 1, start, &around);
        }
        struct place_set *swap = now;
        now = next;
        next = swap;
    }
    if (best_start == SIZE_MAX)
        return false;
    *span = (struct regex_span){best_start, best_end};
    return true;
}

/* ---- groups ------------------------------------------------------------------------------ */

struct capture_frame {
    uint32_t place; /* or, when `restore`, the slot to put back */
    bool restore;
    size_t old;
};

struct capture_run {
    const struct regex *regex;
    size_t at;
    struct surroundings around;
    struct place_set *set;
    size_t *captures; /* of the set being filled: slot_count for each dense index */
    struct capture_frame *stack;
};

/* Add a thread and what it leads to, in order of preference. `slots` is as before afterwards. */
static void add_thread(struct capture_run *run, uint32_t place, size_t *slots) {
    const struct regex *regex = run->regex;
    uint32_t slot_count = regex->sets->slot_count, depth = 0;
    run->stack[depth++] = (struct capture_frame){.place = place};
    while (depth > 0) {
        struct capture_frame frame = run->stack[--depth];
        if (frame.restore) {
            slots[frame.place] = frame.old;
            continue;
        }
        if (set_has(run->set, frame.place))
            continue;
        run->set->sparse[frame.place] = run->set->count;
        run->set->dense[run->set->count] = frame.place;
        memcpy(run->captures + (size_t)run->set->count * slot_count, slots,
               slot_count * sizeof *slots);
        run->set->count++;
        const struct regex_instruction *in = &regex->program[frame.place];
        switch (in->operation) {
        case REGEX_SPLIT:
            run->stack[depth++] = (struct capture_frame){.place = in->y};
            run->stack[depth++] = (struct capture_frame){.place = in->x};
            break;
        case REGEX_JUMP:
            run->stack[depth++] = (struct capture_frame){.place = in->x};
            break;
        case REGEX_SAVE:
            run->stack[depth++] = (struct capture_frame){
                .place = in->argument, .restore = true, .old = slots[in->argument]};
            slots[in->argument] = run->at;
            run->stack[depth++] = (struct capture_frame){.place = frame.place + 1};
            break;
        case REGEX_ASSERT:
            if (assertion_holds(regex, in->argument, &run->around))
                run->stack[depth++] = (struct capture_frame){.place = frame.place + 1};
            break;
        default:
            break;
        }
    }
}

static bool captures_init(struct regex *regex) {
    struct regex_sets *sets = regex->sets;
    if (sets->captures_now != NULL)
        return true;
    size_t size = (size_t)regex->program_count * sets->slot_count * sizeof(size_t);
    sets->captures_now = arena_alloc(regex->arena, size);
    sets->captures_next = arena_alloc(regex->arena, size);
    sets->frames =
        arena_alloc(regex->arena, (size_t)regex->program_count * 2 * sizeof(struct capture_frame));
    return sets->captures_now != NULL && sets->captures_next != NULL && sets->frames != NULL;
}

/* The groups of the match that is known to span exactly `span`. */
static void find_groups(struct regex *regex, struct slice text, struct regex_span span,
                        struct regex_span *spans) {
    struct regex_sets *sets = regex->sets;
    for (unsigned g = 1; g <= regex->group_count; g++)
        spans[g] = (struct regex_span){SIZE_MAX, SIZE_MAX};
    if (regex->group_count == 0 || !captures_init(regex))
        return;
    size_t slots[2 * (REGEX_GROUPS_MAX + 1)];
    for (uint32_t i = 0; i < sets->slot_count; i++)
        slots[i] = SIZE_MAX;
    struct place_set *now = &sets->now, *next = &sets->next;
    size_t *captures_now = sets->captures_now, *captures_next = sets->captures_next;
    size_t at = span.start, previous = at;
    while (previous > 0 && (previous == at || (text.data[previous] & 0xC0) == 0x80))
        previous--;
    struct capture_run run = {.regex = regex, .at = at, .stack = sets->frames};
    surroundings_at(text, at, previous, &run.around);
    now->count = 0;
    run.set = now;
    run.captures = captures_now;
    add_thread(&run, 0, slots);
    while (at < span.end) {
        size_t used;
        uint32_t code = regex__decode(text.data + at, text.size - at, &used);
        previous = at;
        at += used;
        run.at = at;
        surroundings_at(text, at, previous, &run.around);
        next->count = 0;
        run.set = next;
        run.captures = captures_next;
        for (uint32_t i = 0; i < now->count; i++)
            if (consumes(regex, &regex->program[now->dense[i]], code))
                add_thread(&run, now->dense[i] + 1, captures_now + (size_t)i * sets->slot_count);
        struct place_set *swap = now;
        now = next;
        next = swap;
        size_t *swap_captures = captures_now;
        captures_now = captures_next;
        captures_next = swap_captures;
    }
    uint32_t accept = regex->program_count - 1;
    if (!set_has(now, accept))
        return;
    const size_t *found = captures_now + (size_t)now->sparse[accept] * sets->slot_count;
    for (unsigned g = 1; g <= regex->group_count; g++)
        if (found[2 * g] != SIZE_MAX && found[2 * g + 1] != SIZE_MAX)
            spans[g] = (struct regex_span){found[2 * g], found[2 * g + 1]};
}

static bool search_literal(const struct regex *regex, struct slice text, size_t from,
                           struct regex_span *span) {
    struct slice wanted = regex->literal;
    size_t at;
    if (text.size < wanted.size)
        return false;
    if (regex->literal_start && regex->literal_end) {
        at = 0;
        if (text.size != wanted.size)
            return false;
    } else if (regex->literal_start) {
        at = 0;
    } else if (regex->literal_end) {
        at = text.size - wanted.size;
    } else {
        if (from > text.size)
            return false;
        at = slice_find(slice_of(text.data + from, text.size - from), wanted);
        if (at == SIZE_MAX)
            return false;
        at += from;
        *span = (struct regex_span){at, at + wanted.size};
        return true;
    }
    if (at < from || (wanted.size > 0 && memcmp(text.data + at, wanted.data, wanted.size) != 0))
        return false;
    *span = (struct regex_span){at, at + wanted.size};
    return true;
}

bool regex_search(struct regex *regex, struct slice text, size_t from, bool groups,
                  struct regex_span *spans) {
    if (from > text.size)
        return false;
    bool found = regex->is_literal ? search_literal(regex, text, from, &spans[0])
                                   : find_range(regex, text, from, &spans[0]);
    if (found && groups)
        find_groups(regex, text, spans[0], spans);
    return found;
}

/* ---- DFA --------------------------------------------------------------------------------- */

/* The state for the places in `set`, made if it is new. NULL: the cache is full. */
static struct dfa_state *dfa_state(struct regex *regex, const struct place_set *set) {
    struct regex_dfa *dfa = regex->dfa;
    uint64_t hash = 0;
    for (uint32_t i = 0; i < set->count; i++)
        hash += (set->dense[i] + 1) * 0x9e3779b97f4a7c15ull; /* order does not matter */
    hash ^= hash >> 32;
    struct dfa_state **bucket = &dfa->buckets[hash % DFA_BUCKETS];
    for (struct dfa_state *state = *bucket; state != NULL; state = state->chain) {
        bool same = state->hash == hash && state->count == set->count;
        for (uint32_t i = 0; same && i < state->count; i++)
            same = set_has(set, state->places[i]);
        if (same)
            return state;
    }
    if (dfa->state_count == DFA_STATES_MAX)
        return NULL;
    struct dfa_state *state = arena_alloc_zeroed(regex->arena, sizeof *state);
    state->places = arena_alloc(regex->arena, (set->count + 1) * sizeof *state->places);
    if (state->places == NULL)
        return NULL;
    memcpy(state->places, set->dense, set->count * sizeof *state->places);
    state->count = set->count;
    state->hash = hash;
    state->accepts = set_has(set, regex->program_count - 1);
    /* What `$` lets through, once the text is over. */
    struct place_set *end = &regex->sets->next == set ? &regex->sets->now : &regex->sets->next;
    struct surroundings at_end = {.at_end = true};
    end->count = 0;
    for (uint32_t i = 0; i < state->count; i++)
        close_over(regex, end, state->places[i], 0, &at_end);
    state->accepts_at_end = set_has(end, regex->program_count - 1);
    state->chain = *bucket;
    *bucket = state;
    dfa->state_count++;
    return state;
}

static struct dfa_state *dfa_start(struct regex *regex, bool whole_text_empty) {
    struct surroundings around = {.at_start = true, .at_end = whole_text_empty};
    regex->sets->now.count = 0;
    close_over(regex, &regex->sets->now, 0, 0, &around);
    return dfa_state(regex, &regex->sets->now);
}

static struct dfa_state *dfa_step(struct regex *regex, struct dfa_state *state, uint32_t code) {
    struct place_set *next = &regex->sets->now;
    struct surroundings around = {0};
    next->count = 0;
    for (uint32_t i = 0; i < state->count; i++)
        if (consumes(regex, &regex->program[state->places[i]], code))
            close_over(regex, next, state->places[i] + 1, 0, &around);
    if (!regex->anchored)
        close_over(regex, next, 0, 0, &around);
    struct dfa_state *to = dfa_state(regex, next);
    if (to != NULL && code < 128)
        state->next[code] = to;
    return to;
}

/* 1 match, 0 none, -1 the cache overflowed. */
static int dfa_run(struct regex *regex, struct slice text) {
    struct regex_dfa *dfa = regex->dfa;
    if (text.size == 0)
        return -1; /* both edges at once: the general way */
    if (dfa->start == NULL)
        dfa->start = dfa_start(regex, false);
    struct dfa_state *state = dfa->start;
    if (state == NULL)
        return -1;
    size_t at = 0;
    while (at < text.size) {
        if (state->accepts)
            return 1;
        if (state->count == 0 && regex->anchored)
            return 0;
        uint8_t byte = text.data[at];
        struct dfa_state *to = byte < 128 ? state->next[byte] : NULL;
        size_t used = 1;
        if (to == NULL) {
            uint32_t code = regex__decode(text.data + at, text.size - at, &used);
            to = dfa_step(regex, state, code);
            if (to == NULL)
                return -1;
        }
        state = to;
        at += used;
    }
    return state->accepts_at_end;
}

bool regex_matches(struct regex *regex, struct slice text) {
    struct regex_span span;
    if (regex->is_literal)
        return search_literal(regex, text, 0, &span);
    if (!regex->has_edges && !regex->dfa_full) {
        if (regex->dfa == NULL) {
            regex->dfa = arena_alloc_zeroed(regex->arena, sizeof *regex->dfa);
            if (regex->dfa == NULL)
                return find_range(regex, text, 0, &span);
        }
        int outcome = dfa_run(regex, text);
        if (outcome >= 0)
            return outcome;
        regex->dfa_full =
            text.size > 0; /* too many states: this pattern goes by sets from now on */
    }
    return find_range(regex, text, 0, &span);
}
