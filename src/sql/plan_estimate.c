/*
 * How many rows: table sizes, distinct values, selectivities.
 *
 * With statistics (table_statistics.h) a condition about one relation is tried on the sample that
 * ANALYZE kept, whatever it is: LIKE, comparisons of two columns, ORs, and several conditions at
 * once, so that their correlation counts. Equality with a constant uses the common values and the
 * number of distinct values instead, which reach further than a sample. Without statistics there
 * are fixed guesses.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sql/plan.h"
#include "value/value_array.h"
#include "value/value_text.h"

enum {
    ROWS_UNKNOWN = 1000,
    ROWS_VIRTUAL = 200,
    DISTINCT_UNKNOWN = 200,
    HITS_TRUSTED = 8, /* rows of the sample that a share may be told from */
    VARIABLES_MAX = 64,
};

double plan_table_rows(const struct binder *b, const struct table *table) {
    if (table->kind == RELATION_VIRTUAL)
        return ROWS_VIRTUAL;
    double rows = b->row_estimates != NULL ? b->row_estimates(b, table) : -1;
    double analyzed = table->row_estimate;
    if (rows < 0 || (rows > analyzed * 0.5 && rows < analyzed * 2))
        rows = analyzed; /* counted exactly; the trees' counters are rough */
    if (rows < 0)
        rows = ROWS_UNKNOWN;
    return rows < 1 ? 1 : rows;
}

double plan_lookup_cost(const struct binder *b, const struct table *table) {
    double cold = b->cold_shares != NULL ? b->cold_shares(b, table) : 0;
    return COST_LOOKUP * (1 - cold) + COST_LOOKUP_COLD * cold;
}

const struct expression *plan_strip_casts(const struct expression *expression) {
    while (expression->kind == EXPRESSION_CAST)
        expression = expression->arguments[0];
    return expression;
}

static const struct table *table_of(const struct frame *frame, uint32_t relation) {
    return relation < frame->query->relation_count &&
                   frame->query->relations[relation]->source == RELATION_OF_TABLE
               ? frame->query->relations[relation]->table
               : NULL;
}

const struct table_column_statistics *plan_column_statistics(const struct frame *frame,
                                                             const struct expression *variable) {
    if (variable->kind != EXPRESSION_VARIABLE || variable->variable.level != 0 ||
        variable->variable.column < 1)
        return NULL;
    const struct table *table = table_of(frame, variable->variable.relation);
    if (table == NULL || table->statistics == NULL)
        return NULL;
    const struct table_column_statistics *statistics =
        &table->statistics[variable->variable.column - 1];
    return statistics->number != 0 ? statistics : NULL;
}

/* ---- lists of values -------------------------------------------------------------------- */

const struct sample_column *plan_statistics_list(struct planner *p, struct slice body,
                                                 struct type type) {
    static const struct sample_column nothing;
    static const struct value_context plain_context;
    struct array array;
    for (const struct sample_column *at = p->samples; at != NULL; at = at->next)
        if (at->body == body.data)
            return at;
    if (body.size == 0 || array_open(body, &array) != STATUS_OK) {
        error_clear();
        return &nothing;
    }
    struct sample_column *column = ARENA_NEW(p->b->arena, struct sample_column);
    column->values = ARENA_ARRAY(p->b->arena, struct value, array.count > 0 ? array.count : 1);
    if (column->values == NULL)
        return &nothing;
    column->body = body.data;
    for (uint32_t i = 0; i < array.count; i++) {
        struct value text;
        if (array_get(&array, i, &text) != STATUS_OK ||
            (!text.is_null && text_input(&plain_context, text.string, type, p->b->arena,
                                         &column->values[i]) != STATUS_OK)) {
            error_clear();
            return &nothing;
        }
        if (text.is_null)
            column->values[i] = value_null(type);
        column->count++;
    }
    column->next = p->samples;
    p->samples = column;
    return column;
}

/* ---- trying conditions on the sample ---------------------------------------------------- */

struct trial {
    struct frame *frame;
    uint32_t relation;
    bool possible;
    uint32_t rows, count;
    struct expression *nodes[VARIABLES_MAX]; /* constants in place of the variables ... */
    const struct sample_column *columns[VARIABLES_MAX]; /* ... with these values */
};

static enum status try_variable(struct variable_map *map, const struct expression *variable,
                                uint32_t depth, struct expression **out) {
    struct trial *trial = map->context;
    const struct table_column_statistics *statistics =
        plan_column_statistics(trial->frame, variable);
    struct value null = value_null(variable->type);
    *out = expression_constant(map->p->b, &null, -1);
    trial->possible &= statistics != NULL && trial->count < VARIABLES_MAX && depth == 0 &&
                       variable->variable.relation == trial->relation;
    if (!trial->possible)
        return STATUS_OK;
    const struct sample_column *column =
        plan_statistics_list(map->p, statistics->sample, variable->type);
    trial->possible &= column->count > 0 && (trial->count == 0 || column->count == trial->rows);
    trial->rows = column->count;
    trial->nodes[trial->count] = *out;
    trial->columns[trial->count++] = column;
    return STATUS_OK;
}

static bool visit_unknown(const struct expression *expression, void *context) {
    switch (expression->kind) {
    case EXPRESSION_PARAMETER:
    case EXPRESSION_SLOT:
    case EXPRESSION_SUBLINK:
    case EXPRESSION_SUBPLAN:
    case EXPRESSION_AGGREGATE:
    case EXPRESSION_DEFAULT:
        return true;
    case EXPRESSION_VARIABLE:
        return expression->variable.level != 0 || expression->variable.column < 1;
    case EXPRESSION_CALL:
        return expression->function->volatility != FUNCTION_IMMUTABLE ||
               expression->function->shape == FUNCTION_SET;
    default:
        return false;
    }
}

/* The expression with constants for its variables; false when it cannot be tried. */
static bool trial_open(struct frame *frame, const struct expression *expression,
                       struct trial *trial, struct expression **out) {
    struct planner *p = frame->p;
    uint64_t relations = plan_relations_of(expression);
    if (p->b->options->folding == NULL || relations == 0 || (relations & (relations - 1)) != 0 ||
        expression_walk(expression, visit_unknown, NULL))
        return false;
    *trial = (struct trial){
        .frame = frame, .possible = true, .relation = (uint32_t)__builtin_ctzll(relations)};
    if (table_of(frame, trial->relation) == NULL ||
        table_of(frame, trial->relation)->statistics == NULL)
        return false;
    struct variable_map map = {.p = p, .variable = try_variable, .context = trial};
    if (plan_map(&map, expression, 0, out) != STATUS_OK) {
        error_clear();
        return false;
    }
    return trial->possible && trial->count > 0;
}

static bool trial_row(struct trial *trial, const struct expression *expression, uint32_t row,
                      struct arena *scratch, struct value *value) {
    const struct binder *b = trial->frame->p->b;
    for (uint32_t i = 0; i < trial->count; i++)
        trial->nodes[i]->value = trial->columns[i]->values[row];
    if (b->options->folding->evaluate(&b->values, expression, scratch, value) == STATUS_OK)
        return true;
    error_clear();
    return false;
}

/* Rows of the sample for which it is true; -1 when it cannot be tried. */
static int count_hits(struct frame *frame, const struct expression *condition, uint32_t *rows_out) {
    struct trial trial;
    struct expression *tried;
    struct arena scratch = {0};
    int hits = 0;
    if (!trial_open(frame, condition, &trial, &tried))
        return -1;
    for (uint32_t row = 0; row < trial.rows; row++) {
        struct value value;
        if (trial_row(&trial, tried, row, &scratch, &value) && !value.is_null && value.boolean)
            hits++;
        if (row % 64 == 63)
            arena_reset(&scratch);
    }
    arena_release(&scratch);
    *rows_out = trial.rows;
    return hits;
}

/* ---- distinct values -------------------------------------------------------------------- */

static int compare_values(const void *a, const void *b) {
    return value_compare(a, b);
}

/* Of an expression, from its values over the sample (Haas, Stokes 1998: "Duj1"); -1 unknown. */
static double distinct_of_sample(struct frame *frame, const struct expression *expression,
                                 double table_rows) {
    struct trial trial;
    struct expression *tried;
    if (!trial_open(frame, expression, &trial, &tried))
        return -1;
    struct value *values = ARENA_ARRAY(frame->p->b->arena, struct value, trial.rows);
    uint32_t count = 0, distinct = 0, once = 0;
    for (uint32_t row = 0; values != NULL && row < trial.rows; row++)
        if (trial_row(&trial, tried, row, frame->p->b->arena, &values[count]) &&
            !values[count].is_null)
            count++;
    if (count == 0)
        return -1;
    for (uint32_t i = 0; i < count; i++)
        values[i].type = expression->type;
    qsort(values, count, sizeof *values, compare_values);
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i + 1;
        while (end < count && value_compare(&values[i], &values[end]) == 0)
            end++;
        distinct++;
        once += end == i + 1;
        i = end;
    }
    return (double)count * distinct / (count - once + once * (double)count / table_rows);
}

static double distinct_in_query(struct frame *frame, const struct query *query, uint32_t column) {
    if (query->set_operation != SET_NONE || query->values_count > 0)
        return DISTINCT_UNKNOWN;
    struct frame inner = {.p = frame->p, .query = (struct query *)query, .parent = frame};
    for (uint32_t i = 0, at = 0; i < query->target_count; i++)
        if (!query->targets[i].junk && at++ == column &&
            !expression_walk(query->targets[i].expression, visit_unknown, NULL))
            return plan_distinct_values(&inner, query->targets[i].expression);
    return DISTINCT_UNKNOWN;
}

/* Without statistics: what the indexes say. */
static double distinct_of_column(const struct table *table, double rows, int16_t number,
                                 struct type type) {
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        if (index->columns[0].column_number != number)
            continue;
        if (index->unique && index->column_count == 1)
            return rows;
        return rows / 4 < 1 ? 1 : rows / 4;
    }
    if (type.id == TYPE_BOOL)
        return 2;
    return fmin(rows, DISTINCT_UNKNOWN);
}

double plan_distinct_values(struct frame *frame, const struct expression *expression) {
    expression = plan_strip_casts(expression);
    if (expression->kind != EXPRESSION_VARIABLE || expression->variable.level != 0 ||
        expression->variable.relation >= frame->query->relation_count) {
        uint64_t relations = plan_relations_of(expression);
        const struct table *table =
            relations != 0 ? table_of(frame, (uint32_t)__builtin_ctzll(relations)) : NULL;
        double found = table == NULL ? -1
                                     : distinct_of_sample(frame, expression,
                                                          plan_table_rows(frame->p->b, table));
        return found < 1 ? DISTINCT_UNKNOWN : found;
    }
    const struct relation *relation = frame->query->relations[expression->variable.relation];
    uint32_t column = (uint32_t)(expression->variable.column - 1);
    if (relation->source == RELATION_OF_QUERY && expression->variable.column > 0)
        return distinct_in_query(frame, relation->query, column);
    if (relation->source == RELATION_OF_CTE && expression->variable.column > 0)
        return distinct_in_query(frame, relation->cte->query, column);
    if (relation->source != RELATION_OF_TABLE)
        return DISTINCT_UNKNOWN;
    double rows = plan_table_rows(frame->p->b, relation->table);
    const struct table_column_statistics *statistics = plan_column_statistics(frame, expression);
    if (statistics == NULL)
        return distinct_of_column(relation->table, rows, expression->variable.column,
                                  expression->type);
    double distinct =
        statistics->distinct < 0 ? -statistics->distinct * rows : fmin(statistics->distinct, rows);
    return distinct < 1 ? 1 : distinct;
}

/* Groups that `rows` rows fall into. Of a relation whose key is among them nothing else counts. */
double plan_group_count(struct frame *frame, uint32_t count, struct expression *const *keys,
                        double rows) {
    double groups = 1;
    uint64_t unique = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < count; i++) {
            uint64_t relations = plan_relations_of(keys[i]);
            double distinct = plan_distinct_values(frame, keys[i]);
            const struct table *table =
                relations != 0 ? table_of(frame, (uint32_t)__builtin_ctzll(relations)) : NULL;
            bool is_key = table != NULL && keys[i]->kind == EXPRESSION_VARIABLE &&
                          distinct > 0.9 * plan_table_rows(frame->p->b, table);
            if (pass == 0 && is_key && (relations & unique) == 0) {
                unique |= relations;
                groups *= distinct;
            } else if (pass == 1 && !is_key && (relations == 0 || (relations & ~unique) != 0)) {
                groups *= distinct;
            }
        }
    if (groups >= rows * 1e3)
        return rows;
    groups *= 1 - exp(-rows / groups); /* some stay without a row */
    return groups < 1 ? 1 : groups;
}

/* ---- selectivity ------------------------------------------------------------------------ */

/* Share of rows whose column is this constant. */
static double constant_share(struct frame *frame, const struct expression *variable,
                             const struct expression *constant) {
    double distinct = plan_distinct_values(frame, variable);
    const struct table_column_statistics *statistics = plan_column_statistics(frame, variable);
    if (statistics == NULL)
        return 1 / distinct;
    const struct sample_column *values =
        plan_statistics_list(frame->p, statistics->common_values, variable->type);
    const struct sample_column *shares =
        plan_statistics_list(frame->p, statistics->common_shares, TYPE_OF(FLOAT8));
    double rest = 1 - statistics->null_share;
    bool known = constant->kind == EXPRESSION_CONSTANT && !constant->value.is_null &&
                 constant->value.type.id == variable->type.id;
    for (uint32_t i = 0; i < values->count && i < shares->count; i++) {
        if (known && value_compare(&values->values[i], &constant->value) == 0)
            return shares->values[i].float64;
        rest -= shares->values[i].float64;
    }
    if (!known)
        return (1 - statistics->null_share) / distinct;
    if (statistics->histogram.size == 0 && values->count > 0)
        return 0.5 / plan_table_rows(frame->p->b, table_of(frame, variable->variable.relation));
    return fmax(rest, 0) / fmax(distinct - values->count, 1);
}

/* The target of a grouped subquery that a variable stands for; NULL: it is none. *inner_out: the
   frame to estimate in. */
static const struct expression *grouped_target(struct frame *frame,
                                               const struct expression *variable,
                                               struct frame *inner_out) {
    if (variable->kind != EXPRESSION_VARIABLE || variable->variable.level != 0 ||
        variable->variable.relation >= frame->query->relation_count ||
        variable->variable.column < 1)
        return NULL;
    const struct relation *relation = frame->query->relations[variable->variable.relation];
    const struct query *query = relation->query;
    if (relation->source != RELATION_OF_QUERY || query->set_operation != SET_NONE ||
        query->group_count == 0)
        return NULL;
    *inner_out = (struct frame){.p = frame->p, .query = (struct query *)query, .parent = frame};
    for (uint32_t i = 0, at = 1; i < query->target_count; i++)
        if (!query->targets[i].junk && at++ == (uint32_t)variable->variable.column)
            return query->targets[i].expression;
    return NULL;
}

/* x = the least or greatest value of its group (ps_cost = (select min(ps_cost) ... of the part)):
   one row of each group is it, however many values there are. -1: it is not that. */
static double extreme_share(struct frame *frame, const struct expression *variable) {
    struct frame inner;
    const struct expression *target = grouped_target(frame, variable, &inner);
    if (target == NULL || target->kind != EXPRESSION_AGGREGATE ||
        target->aggregate->aggregate->symbol[0] != 'm' || target->aggregate->argument_count != 1)
        return -1;
    uint64_t relations = plan_relations_of(target->aggregate->arguments[0]);
    const struct table *table =
        relations != 0 ? table_of(&inner, (uint32_t)__builtin_ctzll(relations)) : NULL;
    if (table == NULL)
        return -1;
    double rows = plan_table_rows(frame->p->b, table);
    return plan_group_count(&inner, inner.query->group_count, inner.query->groups, rows) / rows;
}

static double equality_selectivity(struct frame *frame, const struct expression *left,
                                   const struct expression *right) {
    left = plan_strip_casts(left);
    right = plan_strip_casts(right);
    double extreme = fmax(extreme_share(frame, left), extreme_share(frame, right));
    if (extreme > 0)
        return extreme;
    bool left_row_free = plan_relations_of(left) == 0;
    bool right_row_free = plan_relations_of(right) == 0;
    if (left_row_free || right_row_free)
        return constant_share(frame, left_row_free ? right : left, left_row_free ? left : right);
    return 1 / fmax(plan_distinct_values(frame, left), plan_distinct_values(frame, right));
}

static double in_selectivity(struct frame *frame, const struct expression *in) {
    double share = 0;
    for (uint32_t i = 1; i < in->argument_count; i++)
        share += equality_selectivity(frame, in->arguments[0], in->arguments[i]);
    share = fmin(share, 0.95);
    return in->negated ? 1 - share : share;
}

static double null_share(struct frame *frame, const struct expression *expression) {
    const struct table_column_statistics *statistics =
        plan_column_statistics(frame, plan_strip_casts(expression));
    return statistics != NULL ? statistics->null_share : 0.02;
}

static bool is_equality(const struct expression *qual) {
    return qual->kind == EXPRESSION_IN ||
           (qual->kind == EXPRESSION_CALL && (qual->function->comparison == COMPARISON_EQ ||
                                              qual->function->comparison == COMPARISON_NE));
}

static double guess(struct frame *frame, const struct expression *qual) {
    double product = 1;
    switch (qual->kind) {
    case EXPRESSION_CONSTANT:
        return !qual->value.is_null && qual->value.boolean ? 1 : 0;
    case EXPRESSION_AND:
        for (uint32_t i = 0; i < qual->argument_count; i++)
            product *= plan_selectivity(frame, qual->arguments[i]);
        return product;
    case EXPRESSION_OR:
        for (uint32_t i = 0; i < qual->argument_count; i++)
            product *= 1 - plan_selectivity(frame, qual->arguments[i]);
        return 1 - product;
    case EXPRESSION_NOT:
        return 1 - plan_selectivity(frame, qual->arguments[0]);
    case EXPRESSION_TEST:
        product = null_share(frame, qual->arguments[0]);
        return qual->test == TEST_NULL || qual->test == TEST_UNKNOWN ? product : 1 - product;
    case EXPRESSION_IN:
        return in_selectivity(frame, qual);
    case EXPRESSION_CALL:
        switch (qual->function->comparison) {
        case COMPARISON_EQ:
            return equality_selectivity(frame, qual->arguments[0], qual->arguments[1]);
        case COMPARISON_NE:
            return 1 - equality_selectivity(frame, qual->arguments[0], qual->arguments[1]);
        case COMPARISON_NONE:
            return strstr(qual->function->symbol, "like") != NULL ? 0.1 : 0.5;
        default:
            return plan_bound_share(frame, qual, &product) ? product : 0.33;
        }
    default:
        return 0.5;
    }
}

struct known_share {
    struct known_share *next;
    const struct expression *qual;
    double share;
};

static double remember(struct planner *p, const struct expression *qual, double share) {
    struct known_share *known = ARENA_NEW(p->b->arena, struct known_share);
    *known = (struct known_share){p->shares, qual, share};
    p->shares = known;
    return share;
}

/* What a share of the sample says, given what is guessed otherwise. */
static double sampled_share(int hits, uint32_t rows, double guessed, double table_rows) {
    if (hits >= HITS_TRUSTED || rows >= table_rows)
        return fmax((double)hits / rows, 0.1 / table_rows);
    return fmin(guessed, (double)HITS_TRUSTED / rows);
}

double plan_selectivity(struct frame *frame, const struct expression *qual) {
    uint32_t rows;
    if (is_equality(qual) && plan_strip_casts(qual->arguments[0])->kind == EXPRESSION_VARIABLE &&
        plan_relations_of(qual->arguments[1]) == 0)
        return guess(frame, qual);
    uint64_t relations = plan_relations_of(qual);
    if (relations == 0 || (relations & (relations - 1)) != 0)
        return guess(frame, qual);
    for (const struct known_share *known = frame->p->shares; known != NULL; known = known->next)
        if (known->qual == qual)
            return known->share;
    int hits = count_hits(frame, qual, &rows);
    double guessed = guess(frame, qual), bound;
    if (hits < 0)
        return guessed;
    const struct table *table = table_of(frame, (uint32_t)__builtin_ctzll(relations));
    if (hits > 0 && qual->kind != EXPRESSION_AND && qual->kind != EXPRESSION_OR &&
        !plan_bound_share(frame, qual, &bound))
        guessed = (double)hits / rows; /* better than a fixed guess, however few */
    return remember(frame->p, qual,
                    sampled_share(hits, rows, guessed, plan_table_rows(frame->p->b, table)));
}

/* The shares of each; of two bounds of one column the first gets the range's, the second 1. */
static void single_shares(struct frame *frame, uint32_t count, struct expression **quals,
                          double *shares) {
    for (uint32_t i = 0; i < count; i++)
        shares[i] = -1;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = i + 1; k < count && shares[i] < 0; k++) {
            if (shares[k] < 0 && plan_range_share(frame, quals[i], quals[k], &shares[i]))
                shares[k] = 1;
        }
        if (shares[i] < 0)
            shares[i] = plan_selectivity(frame, quals[i]);
    }
}

/* Share of the relation's rows that satisfy all. What can be tried is tried together. */
double plan_scan_selectivity(struct frame *frame, uint32_t relation, uint32_t count,
                             struct expression **quals) {
    double product = 1, tried_product = 1;
    struct expression **tried;
    double *shares;
    uint32_t tried_count = 0, rows = 0;
    if (BIND_ARRAY(frame->p->b, count, &tried) != STATUS_OK ||
        BIND_ARRAY(frame->p->b, count, &shares) != STATUS_OK) {
        error_clear();
        return 1;
    }
    single_shares(frame, count, quals, shares);
    for (uint32_t i = 0; i < count; i++) {
        double share = shares[i];
        struct trial trial;
        struct expression *ignored;
        if (count > 1 && trial_open(frame, quals[i], &trial, &ignored)) {
            tried[tried_count++] = quals[i];
            tried_product *= share;
        } else {
            product *= share;
        }
    }
    if (tried_count < 2)
        return product * tried_product;
    int hits = count_hits(frame, plan_and_all(frame->p, tried_count, tried), &rows);
    const struct table *table = table_of(frame, relation);
    if (hits >= 0 && table != NULL)
        tried_product =
            sampled_share(hits, rows, tried_product, plan_table_rows(frame->p->b, table));
    return product * tried_product;
}
