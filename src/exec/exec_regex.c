/*
 * Regular expressions, first half: text -> tree -> program of a Thompson automaton.
 *
 *     a|b   split L1, L2; L1: a; jump E; L2: b; E:
 *     a*    L: split B, E; B: a; jump L; E:        (the non-greedy form swaps the split's arms)
 *     (a)   save 2n; a; save 2n+1
 *     a{2,} a; a*                                  (counted forms are written out)
 *
 * Sources: K. Thompson 1968; R. Cox, "Regular Expression Matching: the Virtual Machine Approach";
 * the syntax is PostgreSQL's manual, 9.7.3.
 */
#include "exec/exec_regex.h"

#include <string.h>

#include "exec/exec_regex_private.h"

enum node_kind {
    NODE_EMPTY,
    NODE_CHARACTER,
    NODE_ANY,
    NODE_CLASS,
    NODE_ASSERT,
    NODE_GROUP,
    NODE_CONCATENATE,
    NODE_ALTERNATE,
    NODE_REPEAT,
};

struct node {
    enum node_kind kind;
    uint32_t argument;    /* code point, class, assertion, group number (0: not capturing) */
    int minimum, maximum; /* REPEAT; maximum -1: none */
    bool lazy;
    struct node *left, *right;
};

enum { REPEAT_MAX = 255, NESTING_MAX = 200, CLASSES_MAX = 4096 };

struct parser {
    const uint8_t *at, *end;
    struct regex *regex;
    struct arena *arena;
    unsigned depth;
    uint32_t class_capacity;
};

static enum status bad_regex(const char *why) {
    return error_set(STATUS_INVALID_REGULAR_EXPRESSION, "invalid regular expression: %s", why);
}

static struct node *node_new(struct parser *parser, enum node_kind kind, uint32_t argument) {
    struct node *node = ARENA_NEW(parser->arena, struct node);
    node->kind = kind;
    node->argument = argument;
    return node;
}

/* ---- classes ----------------------------------------------------------------------------- */

struct class_builder {
    struct regex_range *ranges;
    uint32_t count, capacity;
};

static void class_add(struct parser *parser, struct class_builder *builder, uint32_t first,
                      uint32_t last) {
    if (builder->count == builder->capacity) {
        uint32_t capacity = builder->capacity == 0 ? 8 : builder->capacity * 2;
        if (capacity > 4096)
            return; /* 4,096 ranges in one bracket: the rest of the bracket is dropped below */
        struct regex_range *grown = ARENA_ARRAY(parser->arena, struct regex_range, capacity);
        if (builder->count > 0)
            memcpy(grown, builder->ranges, builder->count * sizeof *grown);
        builder->ranges = grown;
        builder->capacity = capacity;
    }
    builder->ranges[builder->count++] = (struct regex_range){first, last};
}

static void class_add_complement(struct parser *parser, struct class_builder *builder,
                                 const struct regex_range *ranges, uint32_t count) {
    uint32_t next = 0; /* ranges are in order */
    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].first > next)
            class_add(parser, builder, next, ranges[i].first - 1);
        next = ranges[i].last + 1;
    }
    class_add(parser, builder, next, 0x10FFFF);
}

static const struct regex_range range_digit[] = {{'0', '9'}};
static const struct regex_range range_space[] = {{9, 13}, {32, 32}};
static const struct regex_range range_word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const struct regex_range range_alpha[] = {{'A', 'Z'}, {'a', 'z'}};
static const struct regex_range range_alnum[] = {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}};
static const struct regex_range range_upper[] = {{'A', 'Z'}};
static const struct regex_range range_lower[] = {{'a', 'z'}};
static const struct regex_range range_punct[] = {{33, 47}, {58, 64}, {91, 96}, {123, 126}};
static const struct regex_range range_xdigit[] = {{'0', '9'}, {'A', 'F'}, {'a', 'f'}};
static const struct regex_range range_blank[] = {{9, 9}, {32, 32}};
static const struct regex_range range_cntrl[] = {{0, 31}, {127, 127}};
static const struct regex_range range_graph[] = {{33, 126}};
static const struct regex_range range_print[] = {{32, 126}};

static const struct {
    const char *name;
    const struct regex_range *ranges;
    uint32_t count;
} named_classes[] = {
#define NAMED(name, ranges)                                                                        \
    { name, ranges, sizeof ranges / sizeof ranges[0] }
    NAMED("digit", range_digit), NAMED("space", range_space), NAMED("word", range_word),
    NAMED("alpha", range_alpha), NAMED("alnum", range_alnum), NAMED("upper", range_upper),
    NAMED("lower", range_lower), NAMED("punct", range_punct), NAMED("xdigit", range_xdigit),
    NAMED("blank", range_blank), NAMED("cntrl", range_cntrl), NAMED("graph", range_graph),
    NAMED("print", range_print),
#undef NAMED
};

/* \d \s \w and their complements. False when `letter` is none of them. */
static bool class_add_escape(struct parser *parser, struct class_builder *builder, uint8_t letter) {
    const struct regex_range *ranges = NULL;
    uint32_t count = 0;
    switch (letter | 32) {
    case 'd':
        ranges = range_digit, count = 1;
        break;
    case 's':
        ranges = range_space, count = 2;
        break;
    case 'w':
        ranges = range_word, count = 4;
        break;
    default:
        return false;
    }
    if (letter & 32) {
        for (uint32_t i = 0; i < count; i++)
            class_add(parser, builder, ranges[i].first, ranges[i].last);
    } else {
        class_add_complement(parser, builder, ranges, count);
    }
    return true;
}

static enum status class_finish(struct parser *parser, struct class_builder *builder, bool negated,
                                struct node **node_out) {
    struct regex *regex = parser->regex;
    if (regex->class_count == parser->class_capacity) {
        uint32_t capacity = parser->class_capacity == 0 ? 8 : parser->class_capacity * 2;
        struct regex_class *grown = arena_alloc(parser->arena, capacity * sizeof *grown);
        if (capacity > CLASSES_MAX || grown == NULL)
            return bad_regex("too many character classes");
        if (regex->class_count > 0)
            memcpy(grown, regex->classes, regex->class_count * sizeof *grown);
        regex->classes = grown;
        parser->class_capacity = capacity;
    }
    struct regex_class *class = &regex->classes[regex->class_count];
    *class = (struct regex_class){
        .negated = negated, .ranges = builder->ranges, .range_count = builder->count};
    for (uint32_t code = 0; code < 128; code++) {
        bool member = false;
        for (uint32_t i = 0; i < class->range_count && !member; i++) {
            member = code >= class->ranges[i].first && code <= class->ranges[i].last;
            if (!member && (regex->flags & REGEX_IGNORE_CASE) && (code | 32) >= 'a' &&
                (code | 32) <= 'z')
                member =
                    (code ^ 32) >= class->ranges[i].first && (code ^ 32) <= class->ranges[i].last;
        }
        if (negated && code == '\n' && (regex->flags & REGEX_NEWLINE_STOPS))
            member = true;
        if (member != negated)
            class->ascii[code / 64] |= 1ull << (code % 64);
    }
    *node_out = node_new(parser, NODE_CLASS, regex->class_count++);
    return STATUS_OK;
}

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 32;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool parse_hex(struct parser *parser, int digits_max, uint32_t *code_out) {
    uint32_t code = 0;
    int used = 0;
    while (parser->at < parser->end && used < digits_max && hex_digit(*parser->at) >= 0) {
        code = code * 16 + (uint32_t)hex_digit(*parser->at++);
        used++;
    }
    *code_out = code;
    return used > 0;
}

/* A character escape; parser->at stands behind the letter. False: not one. */
static enum status parse_character_escape(struct parser *parser, uint8_t letter, bool *is_one,
                                          uint32_t *code_out) {
    static const char letters[] = "abBefnrtv0";
    static const uint8_t codes[] = {7, 8, '\\', 27, 12, 10, 13, 9, 11, 0};
    *is_one = true;
    const char *found = letter == 0 ? NULL : strchr(letters, letter);
    if (found != NULL) {
        *code_out = codes[found - letters];
        return STATUS_OK;
    }
    switch (letter) {
    case 'x':
    case 'u':
    case 'U':
        if (!parse_hex(parser, letter == 'x' ? 8 : letter == 'u' ? 4 : 8, code_out))
            return bad_regex("invalid escape \\ sequence");
        return STATUS_OK;
    case 'c':
        if (parser->at == parser->end)
            return bad_regex("invalid escape \\ sequence");
        *code_out = *parser->at++ & 0x1F;
        return STATUS_OK;
    default:
        *is_one = false;
        return STATUS_OK;
    }
}

static bool is_alnum(uint8_t byte) {
    return (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z');
}

/* One end of a range, or a class that was added whole (*whole). */
static enum status parse_bracket_item(struct parser *parser, struct class_builder *builder,
                                      bool *whole, uint32_t *code_out) {
    *whole = false;
    if (parser->at == parser->end)
        return bad_regex("brackets [] not balanced");
    if (parser->at[0] == '[' && parser->end - parser->at >= 2 &&
        (parser->at[1] == ':' || parser->at[1] == '.' || parser->at[1] == '=')) {
        uint8_t kind = parser->at[1];
        const uint8_t *name = parser->at + 2, *stop = name;
        while (stop + 1 < parser->end && !(stop[0] == kind && stop[1] == ']'))
            stop++;
        if (stop + 1 >= parser->end)
            return bad_regex("brackets [] not balanced");
        parser->at = stop + 2;
        size_t size = (size_t)(stop - name);
        if (kind != ':') {
            size_t used;
            if (size == 0)
                return bad_regex("invalid collating element");
            *code_out = regex__decode(name, size, &used);
            return used == size ? STATUS_OK : bad_regex("invalid collating element");
        }
        for (size_t i = 0; i < sizeof named_classes / sizeof named_classes[0]; i++)
            if (strlen(named_classes[i].name) == size &&
                memcmp(named_classes[i].name, name, size) == 0) {
                for (uint32_t k = 0; k < named_classes[i].count; k++)
                    class_add(parser, builder, named_classes[i].ranges[k].first,
                              named_classes[i].ranges[k].last);
                *whole = true;
                return STATUS_OK;
            }
        return bad_regex("invalid character class");
    }
    if (parser->at[0] == '\\') {
        if (parser->end - parser->at < 2)
            return bad_regex("invalid escape \\ sequence");
        uint8_t letter = parser->at[1];
        parser->at += 2;
        if (class_add_escape(parser, builder, letter)) {
            *whole = true;
            return STATUS_OK;
        }
        bool is_one;
        TRY(parse_character_escape(parser, letter, &is_one, code_out));
        if (!is_one) {
            if (is_alnum(letter))
                return bad_regex("invalid escape \\ sequence");
            *code_out = letter;
        }
        return STATUS_OK;
    }
    size_t used;
    *code_out = regex__decode(parser->at, (size_t)(parser->end - parser->at), &used);
    parser->at += used;
    return STATUS_OK;
}

static enum status parse_bracket(struct parser *parser, struct node **node_out) {
    /* parser->at stands behind '['. */
    static const struct {
        const char *text;
        enum regex_assertion assertion;
    } edges[] = {{"[:<:]]", REGEX_AT_WORD_START}, {"[:>:]]", REGEX_AT_WORD_END}};
    for (int i = 0; i < 2; i++)
        if (parser->end - parser->at >= 6 && memcmp(parser->at, edges[i].text, 6) == 0) {
            parser->at += 6;
            *node_out = node_new(parser, NODE_ASSERT, edges[i].assertion);
            return STATUS_OK;
        }
    struct class_builder builder = {0};
    bool negated = parser->at < parser->end && *parser->at == '^';
    if (negated)
        parser->at++;
    bool first = true;
    for (;; first = false) {
        if (parser->at == parser->end)
            return bad_regex("brackets [] not balanced");
        if (*parser->at == ']' && !first) {
            parser->at++;
            return class_finish(parser, &builder, negated, node_out);
        }
        bool whole;
        uint32_t low = 0, high = 0;
        TRY(parse_bracket_item(parser, &builder, &whole, &low));
        if (whole)
            continue;
        high = low;
        if (parser->end - parser->at >= 2 && parser->at[0] == '-' && parser->at[1] != ']') {
            parser->at++;
            TRY(parse_bracket_item(parser, &builder, &whole, &high));
            if (whole || high < low)
                return bad_regex("invalid character range");
        }
        class_add(parser, &builder, low, high);
    }
}

/* ---- expressions ------------------------------------------------------------------------- */

static enum status parse_alternation(struct parser *parser, struct node **node_out);

static enum status parse_escape(struct parser *parser, struct node **node_out) {
    if (parser->at == parser->end)
        return bad_regex("invalid escape \\ sequence");
    uint8_t letter = *parser->at++;
    static const struct {
        uint8_t letter;
        enum regex_assertion assertion;
    } assertions[] = {
        {'A', REGEX_AT_TEXT_START}, {'Z', REGEX_AT_TEXT_END},  {'m', REGEX_AT_WORD_START},
        {'M', REGEX_AT_WORD_END},   {'y', REGEX_AT_WORD_EDGE}, {'Y', REGEX_NOT_WORD_EDGE},
    };
    for (size_t i = 0; i < sizeof assertions / sizeof assertions[0]; i++)
        if (assertions[i].letter == letter) {
            *node_out = node_new(parser, NODE_ASSERT, assertions[i].assertion);
            return STATUS_OK;
        }
    struct class_builder builder = {0};
    if (class_add_escape(parser, &builder, letter))
        return class_finish(parser, &builder, false, node_out);
    if (letter >= '1' && letter <= '9')
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "back references in regular expressions are not supported");
    bool is_one;
    uint32_t code = letter;
    TRY(parse_character_escape(parser, letter, &is_one, &code));
    if (!is_one) {
        if (is_alnum(letter))
            return bad_regex("invalid escape \\ sequence");
        parser->at--;
        size_t used;
        code = regex__decode(parser->at, (size_t)(parser->end - parser->at), &used);
        parser->at += used;
    }
    *node_out = node_new(parser, NODE_CHARACTER, code);
    return STATUS_OK;
}

static enum status parse_group(struct parser *parser, struct node **node_out) {
    uint32_t number = 0;
    if (parser->end - parser->at >= 2 && parser->at[0] == '?') {
        if (parser->at[1] != ':')
            return parser->at[1] == '=' || parser->at[1] == '!' || parser->at[1] == '<'
                       ? error_set(STATUS_FEATURE_NOT_SUPPORTED,
                                   "lookaround in regular expressions is not supported")
                       : bad_regex("quantifier operand invalid");
        parser->at += 2;
    } else {
        if (parser->regex->group_count == REGEX_GROUPS_MAX)
            return bad_regex("too many parentheses");
        number = ++parser->regex->group_count;
    }
    struct node *inner = NULL;
    if (++parser->depth > NESTING_MAX)
        return bad_regex("regular expression is too complex");
    TRY(parse_alternation(parser, &inner));
    parser->depth--;
    if (parser->at == parser->end || *parser->at != ')')
        return bad_regex("parentheses () not balanced");
    parser->at++;
    *node_out = node_new(parser, NODE_GROUP, number);
    (*node_out)->left = inner;
    return STATUS_OK;
}

static void skip_expanded(struct parser *parser) {
    if (!(parser->regex->flags & REGEX_EXPANDED))
        return;
    while (parser->at < parser->end) {
        if (*parser->at == '#')
            while (parser->at < parser->end && *parser->at != '\n')
                parser->at++;
        else if (*parser->at == ' ' || (*parser->at >= 9 && *parser->at <= 13))
            parser->at++;
        else
            break;
    }
}

static enum status parse_atom(struct parser *parser, struct node **node_out) {
    uint8_t byte = *parser->at;
    size_t used = 1;
    switch (byte) {
    case '(':
        parser->at++;
        return parse_group(parser, node_out);
    case '[':
        parser->at++;
        return parse_bracket(parser, node_out);
    case '\\':
        parser->at++;
        return parse_escape(parser, node_out);
    case '.':
        *node_out = node_new(parser, NODE_ANY, 0);
        break;
    case '^':
    case '$':
        *node_out =
            node_new(parser, NODE_ASSERT, byte == '^' ? REGEX_AT_LINE_START : REGEX_AT_LINE_END);
        break;
    case '*':
    case '+':
    case '?':
        return bad_regex("quantifier operand invalid");
    case '{':
        if (parser->at + 1 < parser->end && parser->at[1] >= '0' && parser->at[1] <= '9')
            return bad_regex("quantifier operand invalid");
        *node_out = node_new(parser, NODE_CHARACTER, '{');
        break;
    default:
        *node_out = node_new(parser, NODE_CHARACTER,
                             regex__decode(parser->at, (size_t)(parser->end - parser->at), &used));
    }
    parser->at += used;
    return STATUS_OK;
}

static enum status parse_number(struct parser *parser, int *number_out) {
    int number = 0;
    if (parser->at == parser->end || *parser->at < '0' || *parser->at > '9')
        return bad_regex("invalid repetition count(s)");
    while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9') {
        number = number * 10 + (*parser->at++ - '0');
        if (number > REPEAT_MAX)
            return bad_regex("invalid repetition count(s)");
    }
    *number_out = number;
    return STATUS_OK;
}

/* A quantifier behind *atom, if there is one. */
static enum status parse_quantifier(struct parser *parser, struct node **atom) {
    skip_expanded(parser);
    if (parser->at == parser->end)
        return STATUS_OK;
    int minimum, maximum;
    switch (*parser->at) {
    case '*':
        minimum = 0, maximum = -1;
        break;
    case '+':
        minimum = 1, maximum = -1;
        break;
    case '?':
        minimum = 0, maximum = 1;
        break;
    case '{':
        if (parser->at + 1 < parser->end && parser->at[1] >= '0' && parser->at[1] <= '9') {
            parser->at++;
            TRY(parse_number(parser, &minimum));
            maximum = minimum;
            if (parser->at < parser->end && *parser->at == ',') {
                parser->at++;
                maximum = -1;
                if (parser->at < parser->end && *parser->at != '}')
                    TRY(parse_number(parser, &maximum));
            }
            if (parser->at == parser->end || *parser->at != '}')
                return bad_regex("invalid repetition count(s)");
            if (maximum >= 0 && maximum < minimum)
                return bad_regex("invalid repetition count(s)");
            break;
        }
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
    parser->at++;
    struct node *repeat = node_new(parser, NODE_REPEAT, 0);
    repeat->minimum = minimum;
    repeat->maximum = maximum;
    repeat->left = *atom;
    if (parser->at < parser->end && *parser->at == '?') {
        repeat->lazy = true;
        parser->at++;
    }
    if (parser->at < parser->end &&
        (*parser->at == '*' || *parser->at == '+' || *parser->at == '?'))
        return bad_regex("quantifier operand invalid");
    *atom = repeat;
    return STATUS_OK;
}

static enum status parse_branch(struct parser *parser, struct node **node_out) {
    struct node *whole = NULL;
    for (;;) {
        skip_expanded(parser);
        if (parser->at == parser->end || *parser->at == '|')
            break;
        if (*parser->at == ')') {
            if (parser->depth > 0)
                break;
            return bad_regex("parentheses () not balanced");
        }
        struct node *atom = NULL;
        TRY(parse_atom(parser, &atom));
        TRY(parse_quantifier(parser, &atom));
        if (whole == NULL) {
            whole = atom;
        } else {
            struct node *both = node_new(parser, NODE_CONCATENATE, 0);
            both->left = whole;
            both->right = atom;
            whole = both;
        }
    }
    *node_out = whole != NULL ? whole : node_new(parser, NODE_EMPTY, 0);
    return STATUS_OK;
}

static enum status parse_alternation(struct parser *parser, struct node **node_out) {
    TRY(parse_branch(parser, node_out));
    while (parser->at < parser->end && *parser->at == '|') {
        parser->at++;
        struct node *both = node_new(parser, NODE_ALTERNATE, 0);
        both->left = *node_out;
        TRY(parse_branch(parser, &both->right));
        *node_out = both;
    }
    return STATUS_OK;
}

/* ---- preference: 0 none, 1 longest, -1 shortest ------------------------------------------ */

static int preference(const struct node *node) {
    switch (node->kind) {
    case NODE_CONCATENATE: {
        /* The left spine may be as long as the pattern: walk it. */
        const struct node *parts = node;
        int last = 0;
        while (parts->kind == NODE_CONCATENATE) {
            int right = preference(parts->right);
            if (right != 0)
                last = right;
            parts = parts->left;
        }
        int left = preference(parts);
        return left != 0 ? left : last;
    }
    case NODE_ALTERNATE:
        return 1;
    case NODE_GROUP:
        return preference(node->left);
    case NODE_REPEAT:
        return node->minimum == node->maximum ? preference(node->left) : node->lazy ? -1 : 1;
    default:
        return 0;
    }
}

/* ---- program ----------------------------------------------------------------------------- */

static enum status emit(struct regex *regex, uint8_t operation, uint32_t argument,
                        uint32_t *place_out) {
    if (regex->program_count == REGEX_PROGRAM_MAX)
        return bad_regex("regular expression is too complex");
    /* Doubling in the arena: what is left behind is at most as large again. */
    uint32_t count = regex->program_count;
    if ((count & (count - 1)) == 0 && (count == 0 || count >= 16)) {
        uint32_t capacity = count == 0 ? 16 : count * 2;
        struct regex_instruction *grown =
            arena_alloc(regex->arena, capacity * sizeof *regex->program);
        if (grown == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (count > 0)
            memcpy(grown, regex->program, count * sizeof *grown);
        regex->program = grown;
    }
    regex->program[count] =
        (struct regex_instruction){.operation = operation, .argument = argument};
    regex->program_count++;
    if (place_out != NULL)
        *place_out = count;
    return STATUS_OK;
}

static void set_split(struct regex *regex, uint32_t place, uint32_t into, uint32_t past,
                      bool lazy) {
    regex->program[place].x = lazy ? past : into;
    regex->program[place].y = lazy ? into : past;
}

static enum status generate(struct regex *regex, const struct node *node);

static enum status generate_repeat(struct regex *regex, const struct node *node) {
    for (int i = 0; i < node->minimum; i++)
        TRY(generate(regex, node->left));
    if (node->maximum < 0) {
        uint32_t split, jump;
        TRY(emit(regex, REGEX_SPLIT, 0, &split));
        TRY(generate(regex, node->left));
        TRY(emit(regex, REGEX_JUMP, 0, &jump));
        regex->program[jump].x = split;
        set_split(regex, split, split + 1, jump + 1, node->lazy);
        return STATUS_OK;
    }
    int optional = node->maximum - node->minimum;
    uint32_t splits[REPEAT_MAX];
    for (int i = 0; i < optional; i++) {
        TRY(emit(regex, REGEX_SPLIT, 0, &splits[i]));
        TRY(generate(regex, node->left));
    }
    for (int i = 0; i < optional; i++)
        set_split(regex, splits[i], splits[i] + 1, regex->program_count, node->lazy);
    return STATUS_OK;
}

/* The left spine is as long as the pattern: no recursion along it. */
static enum status generate_concatenation(struct regex *regex, const struct node *node) {
    uint32_t count = 0;
    const struct node *part = node;
    for (; part->kind == NODE_CONCATENATE; part = part->left)
        count++;
    TRY(generate(regex, part));
    const struct node **parts = arena_alloc(regex->arena, (count + 1) * sizeof *parts);
    if (parts == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint32_t at = count;
    for (part = node; part->kind == NODE_CONCATENATE; part = part->left)
        parts[--at] = part->right;
    for (at = 0; at < count; at++)
        TRY(generate(regex, parts[at]));
    return STATUS_OK;
}

static enum status generate(struct regex *regex, const struct node *node) {
    switch (node->kind) {
    case NODE_EMPTY:
        return STATUS_OK;
    case NODE_CHARACTER:
        return emit(regex, REGEX_CHARACTER,
                    regex->flags & REGEX_IGNORE_CASE ? regex__fold(node->argument) : node->argument,
                    NULL);
    case NODE_ANY:
        return emit(regex, REGEX_ANY, 0, NULL);
    case NODE_CLASS:
        return emit(regex, REGEX_CLASS, node->argument, NULL);
    case NODE_ASSERT:
        if (node->argument >= REGEX_AT_WORD_START || (regex->flags & REGEX_NEWLINE_ANCHORS))
            regex->has_edges = true;
        return emit(regex, REGEX_ASSERT, node->argument, NULL);
    case NODE_GROUP:
        if (node->argument != 0)
            TRY(emit(regex, REGEX_SAVE, 2 * node->argument, NULL));
        TRY(generate(regex, node->left));
        return node->argument != 0 ? emit(regex, REGEX_SAVE, 2 * node->argument + 1, NULL)
                                   : STATUS_OK;
    case NODE_CONCATENATE:
        return generate_concatenation(regex, node);
    case NODE_ALTERNATE: {
        uint32_t split, jump;
        TRY(emit(regex, REGEX_SPLIT, 0, &split));
        TRY(generate(regex, node->left));
        TRY(emit(regex, REGEX_JUMP, 0, &jump));
        set_split(regex, split, split + 1, jump + 1, false);
        TRY(generate(regex, node->right));
        regex->program[jump].x = regex->program_count;
        return STATUS_OK;
    }
    case NODE_REPEAT:
        return generate_repeat(regex, node);
    }
    return STATUS_OK;
}

/* ---- compiling --------------------------------------------------------------------------- */

/* ***= literal, ***: advanced, (?flags) at the start. */
static enum status parse_options(struct parser *parser) {
    struct regex *regex = parser->regex;
    if (parser->end - parser->at >= 4 && memcmp(parser->at, "***", 3) == 0) {
        if (parser->at[3] == '=')
            regex->flags |= REGEX_LITERAL;
        else if (parser->at[3] != ':')
            return bad_regex("quantifier operand invalid");
        parser->at += 4;
    }
    if (!(regex->flags & REGEX_LITERAL) && parser->end - parser->at >= 4 && parser->at[0] == '(' &&
        parser->at[1] == '?' && (parser->at[2] | 32) >= 'a' && (parser->at[2] | 32) <= 'z') {
        const uint8_t *at = parser->at + 2;
        for (; at < parser->end && *at != ')'; at++)
            switch (*at) {
            case 'i':
                regex->flags |= REGEX_IGNORE_CASE;
                break;
            case 'c':
                regex->flags &= ~(unsigned)REGEX_IGNORE_CASE;
                break;
            case 'n':
            case 'm':
                regex->flags |= REGEX_NEWLINE_ANCHORS | REGEX_NEWLINE_STOPS;
                break;
            case 'p':
                regex->flags |= REGEX_NEWLINE_STOPS;
                break;
            case 'w':
                regex->flags |= REGEX_NEWLINE_ANCHORS;
                break;
            case 's':
                regex->flags &= ~(unsigned)(REGEX_NEWLINE_ANCHORS | REGEX_NEWLINE_STOPS);
                break;
            case 'x':
                regex->flags |= REGEX_EXPANDED;
                break;
            case 't':
                regex->flags &= ~(unsigned)REGEX_EXPANDED;
                break;
            case 'q':
                regex->flags |= REGEX_LITERAL;
                break;
            case 'e':
            case 'b':
                break;
            default:
                return bad_regex("invalid embedded option");
            }
        if (at == parser->end)
            return bad_regex("parentheses () not balanced");
        parser->at = at + 1;
    }
    return STATUS_OK;
}

/* Is the program characters only, with ^ before and $ behind at most? Then memcmp does it. Groups
   without alternatives are looked through: ^(name)$ is what psql sends for every \d name. */
static void find_literal(struct regex *regex) {
    if (regex->flags & (REGEX_IGNORE_CASE | REGEX_NEWLINE_ANCHORS))
        return;
    uint8_t *text = arena_alloc(regex->arena, (size_t)regex->program_count * 4 + 1);
    size_t size = 0;
    if (text == NULL)
        return;
    bool start = false, end = false;
    for (uint32_t i = 0; i + 1 < regex->program_count; i++) {
        const struct regex_instruction *in = &regex->program[i];
        if (in->operation == REGEX_SAVE)
            continue;
        if (in->operation == REGEX_ASSERT && size == 0 && !end &&
            (in->argument == REGEX_AT_LINE_START || in->argument == REGEX_AT_TEXT_START)) {
            start = true;
            continue;
        }
        if (in->operation == REGEX_ASSERT &&
            (in->argument == REGEX_AT_LINE_END || in->argument == REGEX_AT_TEXT_END)) {
            end = true;
            continue;
        }
        if (in->operation != REGEX_CHARACTER || end)
            return;
        uint32_t code = in->argument;
        if (code < 0x80) {
            text[size++] = (uint8_t)code;
        } else if (code < 0x800) {
            text[size++] = (uint8_t)(0xC0 | code >> 6);
            text[size++] = (uint8_t)(0x80 | (code & 0x3F));
        } else if (code < 0x10000) {
            text[size++] = (uint8_t)(0xE0 | code >> 12);
            text[size++] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
            text[size++] = (uint8_t)(0x80 | (code & 0x3F));
        } else {
            text[size++] = (uint8_t)(0xF0 | (code >> 18 & 7));
            text[size++] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
            text[size++] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
            text[size++] = (uint8_t)(0x80 | (code & 0x3F));
        }
    }
    regex->is_literal = true;
    regex->literal_start = start;
    regex->literal_end = end;
    regex->literal = slice_of(text, size);
}

static enum status parse_literal(struct parser *parser, struct node **node_out) {
    struct node *whole = node_new(parser, NODE_EMPTY, 0);
    while (parser->at < parser->end) {
        size_t used;
        struct node *both = node_new(parser, NODE_CONCATENATE, 0);
        both->left = whole;
        both->right =
            node_new(parser, NODE_CHARACTER,
                     regex__decode(parser->at, (size_t)(parser->end - parser->at), &used));
        parser->at += used;
        whole = both;
    }
    *node_out = whole;
    return STATUS_OK;
}

enum { PATTERN_SIZE_MAX = 16000 };

enum status regex_compile(struct slice pattern, unsigned flags, struct arena *arena,
                          struct regex **regex_out) {
    struct regex *regex = ARENA_NEW(arena, struct regex);
    regex->arena = arena;
    regex->flags = flags;
    struct parser parser = {
        .at = pattern.data, .end = pattern.data + pattern.size, .regex = regex, .arena = arena};
    if (pattern.size > PATTERN_SIZE_MAX)
        return bad_regex("regular expression is too complex");
    TRY(parse_options(&parser));
    struct node *tree = NULL;
    if (regex->flags & REGEX_LITERAL)
        TRY(parse_literal(&parser, &tree));
    else
        TRY(parse_alternation(&parser, &tree));
    regex->shortest = preference(tree) < 0;
    TRY(generate(regex, tree));
    TRY(emit(regex, REGEX_ACCEPT, 0, NULL));
    uint32_t first = 0;
    while (regex->program[first].operation == REGEX_SAVE)
        first++;
    regex->anchored = regex->program[first].operation == REGEX_ASSERT &&
                      (regex->program[first].argument == REGEX_AT_TEXT_START ||
                       (regex->program[first].argument == REGEX_AT_LINE_START &&
                        !(regex->flags & REGEX_NEWLINE_ANCHORS)));
    find_literal(regex);
    regex__matcher_init(regex);
    *regex_out = regex;
    return arena_status(arena);
}

unsigned regex_group_count(const struct regex *regex) {
    return regex->group_count;
}
