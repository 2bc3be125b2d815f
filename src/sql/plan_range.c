/*
 * Shares of ranges: how many rows have a column below, above or between two bounds.
 *
 * A known bound is looked up in the common values and the histogram that ANALYZE made; inside a
 * class of the histogram numbers and times are taken as evenly spread. Two bounds of one column
 * that are parameters are taken for a narrow range, with PostgreSQL's number: few enough for an
 * index on rows that are not in blocks.
 */
#include <math.h>

#include "sql/plan.h"

static const double RANGE_OF_PARAMETERS = 0.005;

/* A comparison of a variable with something of no relation. */
struct bound {
    const struct expression *variable, *limit;
    bool is_upper; /* the variable is below it */
};

static bool bound_of(const struct expression *qual, struct bound *bound) {
    if (qual->kind != EXPRESSION_CALL || qual->argument_count != 2)
        return false;
    enum comparison how = qual->function->comparison;
    bool below = how == COMPARISON_LT || how == COMPARISON_LE;
    if (!below && how != COMPARISON_GT && how != COMPARISON_GE)
        return false;
    const struct expression *left = plan_strip_casts(qual->arguments[0]),
                            *right = plan_strip_casts(qual->arguments[1]);
    bool swapped = left->kind != EXPRESSION_VARIABLE;
    *bound = swapped ? (struct bound){right, left, !below} : (struct bound){left, right, below};
    return bound->variable->kind == EXPRESSION_VARIABLE && bound->variable->variable.level == 0 &&
           plan_relations_of(bound->limit) == 0;
}

/* Where a value lies, for spreading inside a class; false: no such scale. */
static bool scale_of(const struct value *value, double *number_out) {
    switch (value->type.id) {
    case TYPE_INT2:
        *number_out = value->int16;
        return true;
    case TYPE_INT4:
    case TYPE_DATE:
        *number_out = value->int32;
        return true;
    case TYPE_INT8:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        *number_out = (double)value->int64;
        return true;
    case TYPE_FLOAT8:
        *number_out = value->float64;
        return isfinite(value->float64);
    default:
        return false;
    }
}

/* Part of the class between two bounds that lies below the value. */
static double part_below(const struct value *low, const struct value *high,
                         const struct value *value) {
    double a, b, x;
    if (!scale_of(low, &a) || !scale_of(high, &b) || !scale_of(value, &x) || !(b > a))
        return 0.5;
    return fmin(fmax((x - a) / (b - a), 0), 1);
}

static double histogram_below(const struct sample_column *bounds, const struct value *value) {
    if (value_compare(value, &bounds->values[0]) <= 0)
        return 0;
    uint32_t low = 0, high = bounds->count - 1;
    if (value_compare(value, &bounds->values[high]) > 0)
        return 1;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (value_compare(value, &bounds->values[middle]) > 0)
            low = middle;
        else
            high = middle;
    }
    return (low + part_below(&bounds->values[low], &bounds->values[high], value)) /
           (bounds->count - 1);
}

/* Share of all rows below the bound; false when that is not to be told. */
static bool share_below(struct frame *frame, const struct bound *bound, double *share_out) {
    const struct table_column_statistics *statistics =
        plan_column_statistics(frame, bound->variable);
    const struct value *value = &bound->limit->value;
    struct type type = bound->variable->type;
    if (statistics == NULL || bound->limit->kind != EXPRESSION_CONSTANT || value->is_null ||
        value->type.id != type.id)
        return false;
    const struct sample_column *bounds =
        plan_statistics_list(frame->p, statistics->histogram, type);
    const struct sample_column *common =
        plan_statistics_list(frame->p, statistics->common_values, type);
    const struct sample_column *shares =
        plan_statistics_list(frame->p, statistics->common_shares, TYPE_OF(FLOAT8));
    if (bounds->count < 2)
        return false;
    double rest = 1 - statistics->null_share, below = 0;
    for (uint32_t i = 0; i < common->count && i < shares->count; i++) {
        rest -= shares->values[i].float64;
        if (value_compare(&common->values[i], value) < 0)
            below += shares->values[i].float64;
    }
    *share_out = below + fmax(rest, 0) * histogram_below(bounds, value);
    return true;
}

bool plan_bound_share(struct frame *frame, const struct expression *qual, double *share_out) {
    struct bound bound;
    if (!bound_of(qual, &bound) || !share_below(frame, &bound, share_out))
        return false;
    if (!bound.is_upper)
        *share_out =
            fmax(1 - plan_column_statistics(frame, bound.variable)->null_share - *share_out, 0);
    return true;
}

bool plan_range_share(struct frame *frame, const struct expression *a, const struct expression *b,
                      double *share_out) {
    struct bound first, second;
    if (!bound_of(a, &first) || !bound_of(b, &second) || first.is_upper == second.is_upper ||
        !expression_equal(first.variable, second.variable))
        return false;
    double x, y;
    if (first.limit->kind == EXPRESSION_PARAMETER || second.limit->kind == EXPRESSION_PARAMETER)
        *share_out = RANGE_OF_PARAMETERS;
    else if (share_below(frame, &first, &x) && share_below(frame, &second, &y))
        *share_out = fmax(first.is_upper ? x - y : y - x, 0);
    else
        return false;
    return true;
}
