/* satori_turns: how the classes of fibers share the cores. */
#include "table/virtual.h"

static const struct virtual_column columns[] = {
    {"core", TYPE_INT4},       {"class", TYPE_TEXT},     {"turns", TYPE_INT8},
    {"seconds", TYPE_FLOAT8},  {"median_us", TYPE_INT8}, {"p99_us", TYPE_INT8},
    {"longest_us", TYPE_INT8},
};

/* At least this share of the turns was not longer, to the next power of two. */
static int64_t quantile(const struct runtime_turns *turns, double share) {
    uint64_t below = 0;
    for (unsigned i = 0; i < RUNTIME_TURN_LENGTHS - 1; i++) {
        below += turns->lengths[i];
        if ((double)below >= share * (double)turns->turns)
            return (int64_t)1 << i;
    }
    return (int64_t)turns->longest_us;
}

static enum status rows(struct fiber *f, struct catalog *catalog, const struct schema *schema,
                        struct transaction *transaction, void *session, struct virtual_sink *sink) {
    static const char *const names[] = {"latency", "normal", "background"};
    const struct runtime *runtime = fiber_runtime(f);
    for (unsigned core = 0; core < runtime_core_count(runtime); core++) {
        for (int class = FIBER_LATENCY; class <= FIBER_BACKGROUND; class ++) {
            struct runtime_turns turns;
            runtime_turns(runtime, core, (enum fiber_class) class, &turns);
            struct value values[] = {
                value_int4((int32_t)core),
                value_text(names[class]),
                value_int8((int64_t)turns.turns),
                {.type = TYPE_OF(FLOAT8), .float64 = (double)turns.all_us / 1e6},
                value_int8(quantile(&turns, 0.5)),
                value_int8(quantile(&turns, 0.99)),
                value_int8((int64_t)turns.longest_us),
            };
            TRY(sink->row(sink, values));
        }
    }
    return STATUS_OK;
}

static const struct virtual_table table = {.oid = 9955,
                                           .namespace_name = "pg_catalog",
                                           .name = "satori_turns",
                                           .column_count = sizeof columns / sizeof columns[0],
                                           .columns = columns,
                                           .rows = rows,
                                           .kind = 'v'};

void virtual__turns_register(void) {
    virtual_tables_register(&table, 1);
}
