/*
 * The order of joins.
 *
 * Dynamic programming over the connected subgraphs of the join graph and their connected
 * complements (DPhyp of Moerkotte, Neumann: "Dynamic programming strikes back", SIGMOD 2008). It
 * works with numbers only; the plan is made once, from the best tree. A graph with more than
 * PAIRS_MAX pairs is ordered greedily instead: always the join with the smallest result next.
 *
 * Cost is the sum of what the joins make and read, in the units of scans (plan_join_cost).
 */
#include <string.h>

#include "sql/plan_graph.h"

enum { PAIRS_MAX = 10000, TABLE_SIZE_MIN = 64 };

/* The best known way to join a set of relations. */
struct entry {
    uint64_t set;
    struct entry *left, *right; /* NULL: a leaf */
    enum join_kind kind;
    double rows, cost;
};

struct ordering {
    struct join_graph *graph;
    struct binder *b;
    struct entry **table; /* open addressing by set */
    uint32_t table_size, entry_count;
    uint32_t pair_count;
    bool gave_up;
    enum status status;
};

/* ---- entries ---------------------------------------------------------------------------- */

static uint32_t set_hash(uint64_t set) {
    return (uint32_t)((set * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static struct entry **entry_slot(const struct ordering *o, uint64_t set) {
    uint32_t at = set_hash(set) & (o->table_size - 1);
    while (o->table[at] != NULL && o->table[at]->set != set)
        at = (at + 1) & (o->table_size - 1);
    return &o->table[at];
}

static struct entry *entry_find(const struct ordering *o, uint64_t set) {
    return *entry_slot(o, set);
}

static enum status entry_add(struct ordering *o, const struct entry *entry) {
    if ((o->entry_count + 1) * 2 > o->table_size) {
        struct entry **old = o->table;
        uint32_t size = o->table_size;
        o->table_size = size * 2;
        TRY(BIND_ARRAY(o->b, o->table_size, &o->table));
        for (uint32_t i = 0; i < size; i++)
            if (old[i] != NULL)
                *entry_slot(o, old[i]->set) = old[i];
    }
    struct entry *copy;
    TRY(BIND_ARRAY(o->b, 1, &copy));
    *copy = *entry;
    *entry_slot(o, entry->set) = copy;
    o->entry_count++;
    return STATUS_OK;
}

/* ---- one join --------------------------------------------------------------------------- */

/* What joins two sets: either inner edges or one other operator. */
struct crossing {
    enum join_kind kind;
    bool connected, allowed;
    bool swap; /* the operator's left side is the second set */
    uint32_t condition_count;
    struct expression *conditions[RELATIONS_MAX]; /* further ones become filters */
    uint32_t filter_count;
    struct expression *filters[RELATIONS_MAX];
    double filter_selectivity;
};

static bool rules_hold(const struct join_operator *join, uint64_t set) {
    for (uint32_t i = 0; i < join->rule_count; i++)
        if ((join->rules[i].from & set) != 0 && !set_within(join->rules[i].to, set))
            return false;
    return true;
}

static bool crosses(uint64_t needs, uint64_t left, uint64_t right) {
    return set_within(needs, left | right) && !set_within(needs, left) && !set_within(needs, right);
}

static struct expression *class_member(const struct equality_class *class, uint64_t set) {
    for (uint32_t i = 0; i < class->count; i++)
        if (set_within(plan_relations_of(class->members[i]), set))
            return class->members[i];
    return NULL;
}

static void add_condition(struct crossing *c, struct expression *condition) {
    if (c->condition_count < RELATIONS_MAX)
        c->conditions[c->condition_count++] = condition;
    else
        c->allowed = false;
}

/* One equality between the two sides stands for all of the class. */
static void add_class(const struct ordering *o, struct crossing *c, uint32_t number, uint64_t left,
                      uint64_t right, uint64_t *classes_seen) {
    const struct equality_class *class = &o->graph->classes[number - 1];
    uint64_t bit = UINT64_C(1) << ((number - 1) % 64);
    if (number <= 64 && (*classes_seen & bit))
        return;
    *classes_seen |= bit;
    struct expression *a = class_member(class, left), *b = class_member(class, right);
    if (a != NULL && b != NULL && class->constant == NULL) /* else both are that constant */
        add_condition(c, expression_call(o->b, class->function, TYPE_OF(BOOL), -1, a, b));
}

static void add_inner(const struct ordering *o, struct crossing *c,
                      const struct join_operator *edge, uint64_t left, uint64_t right,
                      uint64_t *classes_seen) {
    bool straight = set_within(edge->left_set, left) && set_within(edge->right_set, right);
    bool turned = set_within(edge->left_set, right) && set_within(edge->right_set, left);
    c->allowed &= c->kind == JOIN_INNER && rules_hold(edge, left | right);
    c->connected |= straight || turned;
    if (edge->class_number > 0)
        add_class(o, c, edge->class_number, left, right, classes_seen);
    for (uint32_t i = 0; i < edge->condition_count; i++)
        add_condition(c, edge->conditions[i]);
}

static void add_other(struct crossing *c, const struct join_operator *join, uint64_t left,
                      uint64_t right, bool is_first) {
    c->connected = true;
    c->kind = join->kind;
    c->swap = !(set_within(join->left_set, left) && join->right_set == right);
    if (c->swap && !(set_within(join->left_set, right) && join->right_set == left))
        c->allowed = false;
    c->allowed &= is_first && rules_hold(join, left | right);
    for (uint32_t i = 0; i < join->condition_count; i++)
        add_condition(c, join->conditions[i]);
}

/* Leaves that use others (LATERAL) are alone on the right, with all that they use on the left. */
static bool needs_hold(const struct ordering *o, uint64_t set, uint64_t other) {
    bool alone = (set & (set - 1)) == 0;
    for (uint64_t left = set; left != 0; left &= left - 1) {
        uint64_t needs = o->graph->leaves[__builtin_ctzll(left)].needs;
        if (!set_within(needs, alone ? other : set | other))
            return false;
    }
    return true;
}

static void crossing_of(const struct ordering *o, uint64_t left, uint64_t right,
                        struct crossing *c) {
    const struct join_graph *graph = o->graph;
    uint64_t classes_seen = 0;
    uint32_t count = 0;
    c->kind = JOIN_INNER;
    c->connected = c->swap = false;
    c->allowed = true;
    c->condition_count = c->filter_count = 0;
    c->filter_selectivity = 1;
    for (uint32_t i = 0; i < graph->operator_count && c->allowed; i++) {
        const struct join_operator *join = graph->operators[i];
        if (!crosses(join->left_set | join->right_set, left, right))
            continue;
        if (join->right_relations == 0)
            add_inner(o, c, join, left, right, &classes_seen);
        else
            add_other(c, join, left, right, count == 0);
        count++;
    }
    if (!c->connected || !c->allowed)
        return;
    c->allowed = needs_hold(o, left, right) && needs_hold(o, right, left);
    for (uint32_t i = 0; i < graph->filter_count; i++) {
        const struct join_filter *filter = &graph->filters[i];
        if (!crosses(filter->needs, left, right))
            continue;
        if (c->filter_count == RELATIONS_MAX)
            c->allowed = false;
        else
            c->filters[c->filter_count++] = filter->condition;
        c->filter_selectivity *= filter->selectivity;
    }
}

static const struct path *leaf_of(const struct ordering *o, const struct entry *entry) {
    return entry->left == NULL ? &o->graph->leaves[__builtin_ctzll(entry->set)] : NULL;
}

static double pair_cost(const struct ordering *o, const struct crossing *c,
                        const struct entry *left, const struct entry *right, double rows) {
    return left->cost + plan_join_cost(o->graph->frame, c->kind, left->rows, leaf_of(o, right),
                                       right->rows, right->cost, rows, c->condition_count,
                                       (struct expression **)c->conditions, left->set, right->set);
}

static bool has_needs(const struct ordering *o, const struct entry *entry) {
    return entry->left == NULL && leaf_of(o, entry)->needs != 0;
}

/* Remember left joined with right, if that is the best for the set. */
static void consider(struct ordering *o, const struct crossing *c, struct entry *left,
                     struct entry *right) {
    struct entry entry = {
        .set = left->set | right->set, .left = left, .right = right, .kind = c->kind};
    struct entry *known = entry_find(o, entry.set);
    entry.rows = known != NULL
                     ? known->rows
                     : plan_join_rows(o->graph->frame, c->kind, left->rows, right->rows, right->set,
                                      c->condition_count, (struct expression **)c->conditions) *
                           c->filter_selectivity;
    entry.rows = entry.rows < 1 ? 1 : entry.rows;
    entry.cost = pair_cost(o, c, left, right, entry.rows);
    if (known == NULL) {
        if (o->status == STATUS_OK)
            o->status = entry_add(o, &entry);
    } else if (entry.cost < known->cost) {
        *known = entry;
    }
}

static void join_entries(struct ordering *o, struct entry *a, struct entry *b, struct crossing *c) {
    crossing_of(o, a->set, b->set, c);
    if (!c->connected || !c->allowed)
        return;
    if (c->kind != JOIN_INNER) {
        consider(o, c, c->swap ? b : a, c->swap ? a : b);
        return;
    }
    if (!has_needs(o, a))
        consider(o, c, a, b);
    if (!has_needs(o, b))
        consider(o, c, b, a);
}

/* ---- DPhyp ------------------------------------------------------------------------------ */

static uint64_t lowest(uint64_t set) {
    return set & (0 - set);
}
/* All relations up to and with the lowest of the set. */
static uint64_t up_to(uint64_t bit) {
    return bit | (bit - 1);
}

static uint64_t neighbours(const struct ordering *o, uint64_t set, uint64_t excluded) {
    uint64_t found = 0;
    for (uint32_t i = 0; i < o->graph->operator_count; i++) {
        const struct join_operator *join = o->graph->operators[i];
        for (int side = 0; side < 2; side++) {
            uint64_t from = side == 0 ? join->left_set : join->right_set;
            uint64_t to = side == 0 ? join->right_set : join->left_set;
            to &= ~set;
            if (set_within(from, set) && to != 0 && (to & excluded) == 0)
                found |= lowest(to);
        }
    }
    return found;
}

static bool are_connected(const struct ordering *o, uint64_t a, uint64_t b) {
    for (uint32_t i = 0; i < o->graph->operator_count; i++) {
        const struct join_operator *join = o->graph->operators[i];
        if ((set_within(join->left_set, a) && set_within(join->right_set, b)) ||
            (set_within(join->left_set, b) && set_within(join->right_set, a)))
            return true;
    }
    return false;
}

static void emit_pair(struct ordering *o, uint64_t a, uint64_t b) {
    struct crossing c;
    struct entry *left = entry_find(o, a), *right = entry_find(o, b);
    if (left == NULL || right == NULL || o->gave_up)
        return;
    if (++o->pair_count > PAIRS_MAX) {
        o->gave_up = true;
        return;
    }
    join_entries(o, left, right, &c);
}

static void grow_complement(struct ordering *o, uint64_t a, uint64_t b, uint64_t excluded) {
    uint64_t next = neighbours(o, b, excluded | a) & ~a;
    if (next == 0 || o->gave_up)
        return;
    for (uint64_t part = lowest(next); part != 0; part = (part - next) & next)
        if (entry_find(o, b | part) != NULL && are_connected(o, a, b | part))
            emit_pair(o, a, b | part);
    for (uint64_t part = lowest(next); part != 0 && !o->gave_up; part = (part - next) & next)
        grow_complement(o, a, b | part, excluded | next);
}

static void emit_complements(struct ordering *o, uint64_t a) {
    uint64_t excluded = a | up_to(lowest(a));
    uint64_t next = neighbours(o, a, excluded);
    for (uint64_t left = next; left != 0 && !o->gave_up;) {
        uint64_t bit = UINT64_C(1) << (63 - __builtin_clzll(left));
        left &= ~bit;
        if (are_connected(o, a, bit))
            emit_pair(o, a, bit);
        grow_complement(o, a, bit, excluded | (up_to(bit) & next));
    }
}

static void grow_connected(struct ordering *o, uint64_t a, uint64_t excluded) {
    uint64_t next = neighbours(o, a, excluded);
    if (next == 0 || o->gave_up)
        return;
    for (uint64_t part = lowest(next); part != 0; part = (part - next) & next)
        if (entry_find(o, a | part) != NULL)
            emit_complements(o, a | part);
    for (uint64_t part = lowest(next); part != 0 && !o->gave_up; part = (part - next) & next)
        grow_connected(o, a | part, excluded | next);
}

static void enumerate(struct ordering *o) {
    for (uint64_t left = o->graph->relations; left != 0 && !o->gave_up;) {
        uint64_t bit = UINT64_C(1) << (63 - __builtin_clzll(left));
        left &= ~bit;
        emit_complements(o, bit);
        grow_connected(o, bit, up_to(bit));
    }
}

/* ---- greedy ----------------------------------------------------------------------------- */

static enum status order_greedily(struct ordering *o) {
    struct entry *parts[RELATIONS_MAX];
    struct crossing c;
    uint32_t count = 0;
    for (uint64_t left = o->graph->relations; left != 0; left &= left - 1)
        parts[count++] = entry_find(o, lowest(left));
    while (count > 1) {
        struct entry *best = NULL;
        uint32_t first = 0, second = 0;
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t k = i + 1; k < count; k++) {
                join_entries(o, parts[i], parts[k], &c);
                TRY(o->status);
                struct entry *joined =
                    c.connected && c.allowed ? entry_find(o, parts[i]->set | parts[k]->set) : NULL;
                if (joined == NULL || (best != NULL && joined->rows >= best->rows))
                    continue;
                best = joined;
                first = i;
                second = k;
            }
        if (best == NULL)
            return STATUS_OK; /* plan_order reports it */
        parts[first] = best;
        parts[second] = parts[--count];
    }
    return STATUS_OK;
}

/* ---- the plan --------------------------------------------------------------------------- */

static enum status apply_filters(const struct ordering *o, struct path *path, uint32_t count,
                                 struct expression **filters) {
    return count == 0 ? STATUS_OK
                      : plan_filter(o->graph->frame, path,
                                    plan_and_all(o->graph->frame->p, count, filters));
}

static enum status build(struct ordering *o, const struct entry *entry, struct path *path) {
    TRY(bind_stack_check(o->b));
    if (entry->left == NULL) {
        *path = o->graph->leaves[__builtin_ctzll(entry->set)];
        return STATUS_OK;
    }
    struct path left, right;
    struct crossing *c;
    TRY(BIND_ARRAY(o->b, 1, &c));
    TRY(build(o, entry->left, &left));
    TRY(build(o, entry->right, &right));
    crossing_of(o, entry->left->set, entry->right->set, c);
    ASSERT(c->connected && c->allowed && c->kind == entry->kind);
    if (c->kind == JOIN_INNER) {
        for (uint32_t i = 0; i < c->filter_count; i++)
            add_condition(c, c->filters[i]);
        c->filter_count = 0;
    }
    TRY(plan_join_paths(o->graph->frame, c->kind, &left, &right, c->condition_count, c->conditions,
                        entry->rows, path));
    path->relations = entry->set;
    return apply_filters(o, path, c->filter_count, c->filters);
}

/* Filters that one relation satisfies but whose place is above its scan. */
static enum status add_leaf(struct ordering *o, uint32_t relation) {
    struct path *leaf = &o->graph->leaves[relation];
    for (uint32_t i = 0; i < o->graph->filter_count; i++) {
        struct join_filter *filter = &o->graph->filters[i];
        if (set_within(filter->needs, relation_bit(relation)))
            TRY(apply_filters(o, leaf, 1, &filter->condition));
    }
    struct entry entry = {
        .set = relation_bit(relation), .rows = leaf->rows, .cost = leaf->node->total_cost};
    return entry_add(o, &entry);
}

enum status plan_order(struct join_graph *graph, struct path *path) {
    struct ordering o = {.graph = graph, .b = graph->frame->p->b, .table_size = TABLE_SIZE_MIN};
    TRY(BIND_ARRAY(o.b, o.table_size, &o.table));
    for (uint64_t left = graph->relations; left != 0; left &= left - 1)
        TRY(add_leaf(&o, (uint32_t)__builtin_ctzll(left)));
    enumerate(&o);
    TRY(o.status);
    struct entry *whole = o.gave_up ? NULL : entry_find(&o, graph->relations);
    if (whole == NULL) {
        TRY(order_greedily(&o));
        whole = entry_find(&o, graph->relations);
    }
    if (whole == NULL)
        return bind_unsupported(o.b, -1, "a LATERAL reference across these joins");
    return build(&o, whole, path);
}
