/*
 * Lists that transactions append to and read, after Elle (Kingsbury and Alvaro, 2020): every
 * element is appended once, so a read of a list tells in which order its writers committed, and
 * reads and writes of a history make a graph of dependencies:
 *
 *      ww  appended right before        wr  read what the other appended last
 *      rw  read a list that the other appended to next
 *
 * At READ COMMITTED there is no cycle of ww (G0) or of ww and wr (G1c), nobody reads what was
 * refused (G1a) or what its writer appended to afterwards (G1b). At REPEATABLE READ, which is
 * snapshot isolation here, no reader lies on a cycle with exactly one rw, which begins at it
 * (G-single; a lost update is one, too). Everything but that last search is linear in the length of
 * the history; the search walks what is reachable from each rw edge inside one strongly connected
 * component, and those are small.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"
#include "world.h"

enum {
    KEYS = 8,
    OPERATIONS_MAX = 5,
    TRANSACTIONS_MAX = 40000,
    STEPS_MAX = 20000, /* the others are for looking */
    ELEMENTS_MAX = TRANSACTIONS_MAX * OPERATIONS_MAX,
    LIST_MAX = 250, /* then the key is given up for a fresh one */
    KEYS_MAX = 4096,
};
enum fate { UNKNOWN, COMMITTED, REFUSED };

struct operation_done {
    bool appends;
    uint32_t key;
    uint32_t element; /* appended */
    uint32_t *list;   /* read: elements in order */
    uint32_t list_size;
};

struct transaction_done {
    struct operation_done operations[OPERATIONS_MAX];
    unsigned count;
    bool snapshot; /* REPEATABLE READ */
    enum fate fate;
};

enum edge_kind { EDGE_WW, EDGE_WR, EDGE_RW };
struct edge {
    uint32_t to;
    enum edge_kind kind;
};
struct node {
    struct edge *edges;
    size_t count, capacity;
    uint32_t order, low, component; /* Tarjan (1972) */
    bool on_stack;
    uint32_t visited; /* by the search number so and so */
};

struct append {
    struct transaction_done *transactions;
    uint32_t transaction_count;
    uint32_t *element_writer; /* transaction; element 0 is none */
    uint32_t element_count;
    uint32_t live_keys[KEYS];
    uint32_t key_count;
    uint32_t *longest[KEYS_MAX];
    uint32_t longest_size[KEYS_MAX];
    struct arena arena;
    bool freezes;
    bool cut_short; /* no room to look at everything */
    struct node *nodes;
};

static void *append_create(struct world *world) {
    struct append *a = memory_alloc_zeroed(1, sizeof *a);
    a->transactions = memory_alloc_zeroed(TRANSACTIONS_MAX, sizeof *a->transactions);
    a->element_writer = memory_alloc_zeroed(ELEMENTS_MAX, sizeof *a->element_writer);
    a->element_count = 1;
    a->freezes = random_below(world->random, 2) == 0;
    for (a->key_count = 0; a->key_count < KEYS; a->key_count++)
        a->live_keys[a->key_count] = a->key_count;
    return a;
}

static void append_destroy(void *state) {
    struct append *a = state;
    arena_release(&a->arena);
    memory_free(a->transactions);
    memory_free(a->element_writer);
    memory_free(a);
}

static enum client_outcome append_set_up(struct fiber *f, struct world *world, void *state,
                                         struct client *client) {
    const struct append *a = state;
    enum client_outcome outcome =
        client_query_format(f, client, "create table lists (k int primary key, v text not null) %s",
                            a->freezes ? "with (freeze = eager)" : "");
    return outcome == CLIENT_REFUSED && strcmp(client->sqlstate, "42P07") == 0 ? CLIENT_DONE
                                                                               : outcome;
}

/* ---- one transaction ---------------------------------------------------------------------- */

static void take_list(struct append *a, struct operation_done *operation, const char *text) {
    uint32_t count = 0;
    for (const char *c = text; *c != '\0'; c++)
        count += *c == ',';
    operation->list = arena_alloc(&a->arena, (count + 1) * sizeof *operation->list);
    operation->list_size = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == ',')
            operation->list[operation->list_size++] = (uint32_t)strtoul(c + 1, NULL, 10);
    }
}

static enum client_outcome run_operation(struct fiber *f, struct world *world, struct append *a,
                                         struct client *client, struct transaction_done *t) {
    struct operation_done *operation = &t->operations[t->count];
    unsigned place = (unsigned)random_below(world->random, KEYS);
    operation->key = a->live_keys[place];
    operation->appends = random_below(world->random, 2) == 0;
    enum client_outcome outcome;
    if (operation->appends) {
        if (a->element_count == ELEMENTS_MAX)
            return CLIENT_REFUSED;
        operation->element = a->element_count++;
        a->element_writer[operation->element] = (uint32_t)(t - a->transactions);
        t->count++; /* whatever becomes of it */
        return client_query_format(f, client,
                                   "insert into lists values (%u, ',%u') on conflict (k) do update "
                                   "set v = lists.v || excluded.v",
                                   operation->key, operation->element);
    }
    outcome = client_query_format(f, client, "select v from lists where k = %u", operation->key);
    if (outcome != CLIENT_DONE)
        return outcome;
    take_list(a, operation, client->rows.row_count > 0 ? client->rows.cells[0][0] : "");
    t->count++;
    if (operation->list_size >= LIST_MAX && a->live_keys[place] == operation->key &&
        a->key_count < KEYS_MAX)
        a->live_keys[place] = a->key_count++;
    return outcome;
}

static enum client_outcome append_step(struct fiber *f, struct world *world, void *state,
                                       unsigned number, struct client *client) {
    struct append *a = state;
    if (random_below(world->random, 100) == 0)
        return client_query(f, client,
                            random_below(world->random, 2) == 0 ? "vacuum (freeze) lists"
                                                                : "checkpoint");
    if (a->transaction_count >= STEPS_MAX)
        return CLIENT_DONE;
    struct transaction_done *t = &a->transactions[a->transaction_count++];
    t->snapshot = random_below(world->random, 2) == 0;
    enum client_outcome outcome =
        client_query(f, client, t->snapshot ? "begin isolation level repeatable read" : "begin");
    unsigned wanted = 1 + (unsigned)random_below(world->random, OPERATIONS_MAX);
    for (unsigned i = 0; i < wanted && outcome == CLIENT_DONE; i++)
        outcome = run_operation(f, world, a, client, t);
    if (outcome == CLIENT_DONE && random_below(world->random, 12) == 0) {
        t->fate = REFUSED;
        return client_query(f, client, "rollback");
    }
    bool committing = outcome == CLIENT_DONE;
    if (committing)
        outcome = client_query(f, client, "commit");
    t->fate = outcome == CLIENT_DONE                                                 ? COMMITTED
              : outcome == CLIENT_REFUSED || (outcome == CLIENT_LOST && !committing) ? REFUSED
                                                                                     : UNKNOWN;
    simulator_note(world->simulator, "append %u: transaction %u%s: %u operations: %s %s", number,
                   (unsigned)(t - a->transactions), t->snapshot ? " (snapshot)" : "", t->count,
                   t->fate == COMMITTED ? "committed"
                   : t->fate == REFUSED ? "no"
                                        : "lost",
                   client->message);
    if (outcome == CLIENT_REFUSED && client->transaction != 'I')
        return client_query(f, client, "rollback");
    return outcome;
}

/* Reads everything, as one more transaction of the history. */
static enum client_outcome append_compare(struct fiber *f, struct world *world, void *state,
                                          unsigned number, struct client *client) {
    struct append *a = state;
    for (uint32_t key = 0; key < a->key_count; key++) {
        if (world->stopping ? number != 0 : random_below(world->random, 8) != 0)
            continue;
        a->cut_short |= a->transaction_count == TRANSACTIONS_MAX;
        if (a->cut_short)
            break;
        enum client_outcome outcome =
            client_query_format(f, client, "select v from lists where k = %u", key);
        if (outcome != CLIENT_DONE)
            return outcome;
        struct transaction_done *t = &a->transactions[a->transaction_count++];
        t->fate = COMMITTED;
        t->count = 1;
        t->operations[0].key = key;
        take_list(a, &t->operations[0], client->rows.row_count > 0 ? client->rows.cells[0][0] : "");
    }
    return CLIENT_DONE;
}

/* ---- the graph ---------------------------------------------------------------------------- */

static void add_edge(struct append *a, uint32_t from, uint32_t to, enum edge_kind kind) {
    if (from == to)
        return;
    struct node *node = &a->nodes[from];
    if (!memory_grow(&node->edges, &node->capacity, node->count + 1, sizeof *node->edges))
        abort();
    node->edges[node->count++] = (struct edge){to, kind};
}

/* Does the transaction append to the key after this operation? And is `element` its own? */
static bool appends_later(const struct transaction_done *t, uint32_t key, uint32_t element) {
    bool passed = false;
    for (unsigned i = 0; i < t->count; i++) {
        if (t->operations[i].appends && t->operations[i].key == key) {
            if (passed)
                return true;
            passed = t->operations[i].element == element;
        }
    }
    return false;
}

/* Elements that the transaction itself had appended before it read are no matter of others. */
static uint32_t foreign_size(const struct append *a, uint32_t reader,
                             const struct operation_done *operation) {
    uint32_t size = operation->list_size;
    while (size > 0 && a->element_writer[operation->list[size - 1]] == reader)
        size--;
    return size;
}

static void find_longest(struct world *world, struct append *a) {
    for (uint32_t i = 0; i < a->transaction_count; i++) {
        const struct transaction_done *t = &a->transactions[i];
        for (unsigned j = 0; j < t->count && t->fate == COMMITTED; j++) {
            const struct operation_done *operation = &t->operations[j];
            uint32_t key = operation->key;
            if (operation->appends)
                continue;
            uint32_t size = operation->list_size, known = a->longest_size[key];
            uint32_t common = size < known ? size : known;
            if (common > 0 &&
                memcmp(operation->list, a->longest[key], common * sizeof(uint32_t)) != 0 &&
                !world_excuses_tail(world))
                world_fail(world, "append: two reads of list %u do not fit together", key);
            if (size > known) {
                a->longest[key] = operation->list;
                a->longest_size[key] = size;
            }
        }
    }
}

static void check_elements(struct world *world, struct append *a) {
    bool *seen = memory_alloc_zeroed(ELEMENTS_MAX, 1);
    for (uint32_t key = 0; key < a->key_count; key++) {
        for (uint32_t i = 0; i < a->longest_size[key]; i++) {
            uint32_t element = a->longest[key][i];
            if (element == 0 || element >= a->element_count || seen[element]) {
                world_fail(world, "append: list %u holds %u, which %s", key, element,
                           element < a->element_count ? "is there twice" : "nobody appended");
                continue;
            }
            seen[element] = true;
            struct transaction_done *writer = &a->transactions[a->element_writer[element]];
            if (writer->fate == REFUSED)
                world_fail(world, "append: G1a: list %u holds %u of refused transaction %u", key,
                           element, a->element_writer[element]);
            writer->fate = COMMITTED; /* it was seen */
        }
    }
    for (uint32_t i = 0; i < a->transaction_count; i++) {
        const struct transaction_done *t = &a->transactions[i];
        for (unsigned j = 0; j < t->count && t->fate == COMMITTED; j++) {
            if (t->operations[j].appends && !seen[t->operations[j].element] && !world->damaged &&
                !a->cut_short)
                world_fail(world, "append: element %u of committed transaction %u is lost",
                           t->operations[j].element, i);
        }
    }
    memory_free(seen);
}

static void add_edges_of_read(struct world *world, struct append *a, uint32_t reader,
                              const struct operation_done *operation) {
    uint32_t size = foreign_size(a, reader, operation), key = operation->key;
    if (size > 0) {
        uint32_t last = operation->list[size - 1], writer = a->element_writer[last];
        if (appends_later(&a->transactions[writer], key, last))
            world_fail(world, "append: G1b: transaction %u read %u, not the last of %u", reader,
                       last, writer);
        add_edge(a, writer, reader, EDGE_WR);
    }
    if (size < a->longest_size[key])
        add_edge(a, reader, a->element_writer[a->longest[key][size]], EDGE_RW);
}

static void build_graph(struct world *world, struct append *a) {
    for (uint32_t key = 0; key < a->key_count; key++) {
        for (uint32_t i = 1; i < a->longest_size[key]; i++)
            add_edge(a, a->element_writer[a->longest[key][i - 1]],
                     a->element_writer[a->longest[key][i]], EDGE_WW);
    }
    for (uint32_t i = 0; i < a->transaction_count; i++) {
        const struct transaction_done *t = &a->transactions[i];
        for (unsigned j = 0; j < t->count && t->fate == COMMITTED; j++) {
            if (!t->operations[j].appends)
                add_edges_of_read(world, a, i, &t->operations[j]);
        }
    }
}

/* Strongly connected components over the edges up to `kind_max`, without recursion. Returns the
   number of components with more than one transaction; *example_out is in one. */
struct visit {
    uint32_t node;
    size_t edge;
};

static uint32_t find_components(struct append *a, enum edge_kind kind_max, uint32_t *example_out) {
    uint32_t count = a->transaction_count, order = 0, component = 0, large = 0, stack_size = 0;
    uint32_t *stack = memory_alloc_zeroed(count + 1, sizeof *stack);
    struct visit *visits = memory_alloc_zeroed(count + 1, sizeof *visits);
    for (uint32_t i = 0; i < count; i++)
        a->nodes[i].order = a->nodes[i].component = 0;
    for (uint32_t root = 0; root < count; root++) {
        size_t depth = 0;
        if (a->nodes[root].order == 0)
            visits[depth++] = (struct visit){root, 0};
        while (depth > 0) {
            struct visit *visit = &visits[depth - 1];
            struct node *node = &a->nodes[visit->node];
            if (visit->edge == 0) {
                node->order = node->low = ++order;
                node->on_stack = true;
                stack[stack_size++] = visit->node;
            }
            bool deeper = false;
            while (visit->edge < node->count && !deeper) {
                struct edge edge = node->edges[visit->edge++];
                struct node *to = &a->nodes[edge.to];
                if (edge.kind > kind_max)
                    continue;
                if (to->order == 0) {
                    visits[depth++] = (struct visit){edge.to, 0};
                    deeper = true;
                } else if (to->on_stack && to->order < node->low) {
                    node->low = to->order;
                }
            }
            if (deeper)
                continue;
            if (node->low == node->order) {
                component++;
                uint32_t size = 0, member;
                do {
                    member = stack[--stack_size];
                    a->nodes[member].on_stack = false;
                    a->nodes[member].component = component;
                    size++;
                } while (member != visit->node);
                if (size > 1) {
                    large++;
                    *example_out = visit->node;
                }
            }
            depth--;
            if (depth > 0 && node->low < a->nodes[visits[depth - 1].node].low)
                a->nodes[visits[depth - 1].node].low = node->low;
        }
    }
    memory_free(stack);
    memory_free(visits);
    return large;
}

/* A way from `from` to `to` over ww and wr edges inside their component. */
static bool leads_to(struct append *a, uint32_t from, uint32_t to, uint32_t search,
                     uint32_t *stack) {
    size_t size = 0;
    stack[size++] = from;
    a->nodes[from].visited = search;
    while (size > 0) {
        const struct node *node = &a->nodes[stack[--size]];
        if (node == &a->nodes[to])
            return true;
        for (size_t i = 0; i < node->count; i++) {
            struct node *next = &a->nodes[node->edges[i].to];
            if (node->edges[i].kind == EDGE_RW || next->visited == search ||
                next->component != node->component)
                continue;
            next->visited = search;
            stack[size++] = node->edges[i].to;
        }
    }
    return false;
}

static void check_single(struct world *world, struct append *a) {
    uint32_t *stack = memory_alloc_zeroed(a->transaction_count + 1, sizeof *stack), search = 0;
    for (uint32_t i = 0; i < a->transaction_count; i++) {
        const struct node *node = &a->nodes[i];
        for (size_t j = 0; j < node->count && a->transactions[i].snapshot; j++) {
            struct edge edge = node->edges[j];
            if (edge.kind == EDGE_RW && a->nodes[edge.to].component == node->component &&
                leads_to(a, edge.to, i, ++search, stack))
                world_fail(world,
                           "append: G-single: transaction %u read before %u wrote and comes after",
                           i, edge.to);
        }
    }
    memory_free(stack);
}

static void append_judge(struct world *world, void *state) {
    struct append *a = state;
    uint32_t example = 0;
    find_longest(world, a);
    if (!world_failed(world))
        check_elements(world, a);
    if (world_failed(world))
        return;
    a->nodes = memory_alloc_zeroed(a->transaction_count + 1, sizeof *a->nodes);
    build_graph(world, a);
    if (find_components(a, EDGE_WW, &example) > 0)
        world_fail(world, "append: G0: writes of transaction %u are in a cycle", example);
    if (find_components(a, EDGE_WR, &example) > 0)
        world_fail(world, "append: G1c: transaction %u is in a cycle of writes and reads", example);
    if (find_components(a, EDGE_RW, &example) > 0)
        check_single(world, a);
    for (uint32_t i = 0; i < a->transaction_count; i++)
        memory_free(a->nodes[i].edges);
    memory_free(a->nodes);
}

const struct workload workload_append = {
    .name = "append",
    .create = append_create,
    .destroy = append_destroy,
    .set_up = append_set_up,
    .step = append_step,
    .compare = append_compare,
    .judge = append_judge,
};
