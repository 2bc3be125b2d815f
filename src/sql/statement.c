/* Statements: from raw to prepared, counted, with all their memory in one arena. */
#include <stdatomic.h>
#include <string.h>

#include "base/base_memory.h"
#include "sql/bind.h"

struct statement_private {
    struct arena arena;
    atomic_uint references;
    struct schema *schema;
};

static const struct {
    const char *tag;
    bool failed_ok, changes;
} statement_facts[] = {{"", false, false},
#define STATEMENT_FACT(kind, tag, failed_ok, changes) {tag, failed_ok, changes},
                       STATEMENT_TABLE(STATEMENT_FACT)
#undef STATEMENT_FACT
};

const char *statement_kind_tag(enum statement_kind kind) {
    return statement_facts[kind].tag;
}
bool statement_allowed_in_failed_transaction(enum statement_kind kind) {
    return statement_facts[kind].failed_ok;
}
bool statement_changes_database(enum statement_kind kind) {
    return statement_facts[kind].changes;
}
enum statement_kind raw_statement_kind(const struct raw_statement *raw) {
    return node_statement_kind(raw->node);
}

void statement_retain(struct statement *statement) {
    struct statement_private *own = statement->private_part;
    atomic_fetch_add_explicit(&own->references, 1, memory_order_relaxed);
}

void statement_release(struct statement *statement) {
    if (statement == NULL)
        return;
    struct statement_private *own = statement->private_part;
    if (atomic_fetch_sub_explicit(&own->references, 1, memory_order_acq_rel) != 1)
        return;
    schema_release(own->schema);
    arena_release(&own->arena);
    memory_free(own);
}

size_t statement_size(const struct statement *statement) {
    const struct statement_private *own = statement->private_part;
    return sizeof *own + own->arena.size_total;
}

/* ---- binding plans ---------------------------------------------------------------------- */

static void set_result(struct statement *statement, const struct plan *plan) {
    statement->plan = plan;
    statement->column_count = plan->root->column_count;
    statement->columns = plan->root->columns;
    statement->returns_rows = statement->kind == STATEMENT_SELECT || plan->root->column_count > 0;
}

enum status bind_plan_modify(struct binder *b, struct modify *modify, struct statement *statement) {
    struct plan *plan;
    TRY(plan_modify(b, modify, &plan));
    set_result(statement, plan);
    return STATUS_OK;
}

enum status bind_plan_statement(struct binder *b, const parse_node *node,
                                struct statement *statement) {
    statement->kind = node_statement_kind(node);
    statement->tag = statement_kind_tag(statement->kind);
    if (statement->kind == STATEMENT_SELECT) {
        struct query *query;
        TRY(bind_select(b, node->select_stmt, &query));
        struct plan *plan;
        TRY(plan_query(b, query, &plan));
        set_result(statement, plan);
        return STATUS_OK;
    }
    struct modify *modify;
    TRY(BIND_ARRAY(b, 1, &modify));
    TRY(bind_modify(b, node, modify));
    return bind_plan_modify(b, modify, statement);
}

static bool is_plain(const parse_node *node) {
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
        return true;
    default:
        return false;
    }
}

/* ---- names of reg* literals ------------------------------------------------------------- */

static enum status find_type(const char *text, uint32_t *oid_out) {
    const struct type_info *info = type_by_typname(slice_of_text(text));
    for (size_t i = 0; info == NULL && i < type_info_count(); i++)
        if (strcmp(type_info_at(i)->name, text) == 0)
            info = type_info_at(i);
    if (info == NULL)
        return error_set(STATUS_UNDEFINED_OBJECT, "type \"%s\" does not exist", text);
    *oid_out = info->id;
    return STATUS_OK;
}

static enum status find_relation(struct binder *b, const char *schema_name, const char *text,
                                 const char *shown, uint32_t *oid_out) {
    const struct table *table = bind_search_table(b, schema_name, text);
    const struct table *owner;
    const struct index *index = NULL;
    if (table == NULL)
        index = schema_index(b->schema, schema_name, text, &owner);
    if (table == NULL && index == NULL)
        return error_set(STATUS_UNDEFINED_TABLE, "relation \"%s\" does not exist", shown);
    *oid_out = table != NULL ? table->oid : index->oid;
    return STATUS_OK;
}

/* One part of a dotted name, folded unless quoted. Returns what follows. */
static const char *name_part(const char *at, char *out, size_t size) {
    size_t used = 0;
    bool quoted = *at == '"';
    at += quoted;
    for (; *at != '\0'; at++) {
        if (quoted && *at == '"') {
            if (at[1] != '"') {
                at++;
                break;
            }
            at++;
        } else if (!quoted && *at == '.') {
            break;
        }
        char c = *at;
        if (!quoted && c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (used + 1 < size)
            out[used++] = c;
    }
    out[used] = '\0';
    return *at == '.' ? at + 1 : at;
}

static enum status resolver_find(void *data, uint32_t type_id, struct slice name,
                                 uint32_t *oid_out) {
    struct binder *b = data;
    const char *shown = arena_format(b->arena, "%.*s", (int)name.size, (const char *)name.data);
    char first[NAME_SIZE_MAX + 1], second[NAME_SIZE_MAX + 1];
    const char *rest = name_part(shown, first, sizeof first);
    const char *schema_name = NULL, *text = first;
    if (*rest != '\0' && type_id != TYPE_REGTYPE) {
        name_part(rest, second, sizeof second);
        schema_name = first;
        text = second;
    }
    b->depends_on_settings = true;
    switch (type_id) {
    case TYPE_REGCLASS:
        return find_relation(b, schema_name, text, shown, oid_out);
    case TYPE_REGTYPE:
        return find_type(strncmp(shown, "pg_catalog.", 11) == 0 ? shown + 11 : shown, oid_out);
    case TYPE_REGNAMESPACE: {
        const struct schema_namespace *found = schema_namespace(b->schema, first);
        if (found == NULL)
            return error_set(STATUS_INVALID_SCHEMA_NAME, "schema \"%s\" does not exist", first);
        *oid_out = found->oid;
        return STATUS_OK;
    }
    case TYPE_REGROLE:
        if (strcmp(first, "satori") != 0)
            return error_set(STATUS_UNDEFINED_OBJECT, "role \"%s\" does not exist", first);
        *oid_out = 10;
        return STATUS_OK;
    case TYPE_REGPROC:
    case TYPE_REGPROCEDURE:
        for (size_t i = 0; i < function_count(); i++)
            if (strncmp(function_at(i)->name, text, strcspn(text, "(")) == 0 &&
                strlen(function_at(i)->name) == strcspn(text, "(")) {
                *oid_out = function_at(i)->oid;
                return STATUS_OK;
            }
        return error_set(STATUS_UNDEFINED_FUNCTION, "function \"%s\" does not exist", shown);
    default:
        return error_set(STATUS_UNDEFINED_OBJECT, "\"%s\" does not exist", shown);
    }
}

static bool resolver_describe(void *data, uint32_t type_id, uint32_t oid, struct buffer *buffer) {
    return false;
}

/* ---- prepare ---------------------------------------------------------------------------- */

struct prepare_call {
    const struct raw_statement *raw;
    struct statement *statement;
    struct binder b;
    struct query *query; /* bound, waiting for row counts */
    struct modify *modify;
};

static enum status check_parameters(struct binder *b) {
    for (size_t i = 0; i < b->parameter_count; i++)
        if (b->parameter_types[i] == 0 || b->parameter_types[i] == TYPE_UNKNOWN)
            return error_set(STATUS_INDETERMINATE_DATATYPE,
                             "could not determine data type of parameter $%zu", i + 1);
    return STATUS_OK;
}

/* First half: names and types. */
static enum status bind_half(void *argument) {
    struct prepare_call *call = argument;
    struct binder *b = &call->b;
    const parse_node *node = call->raw->node;
    if (!is_plain(node)) {
        call->statement->kind = node_statement_kind(node);
        if (call->statement->kind != STATEMENT_NONE)
            call->statement->tag = statement_kind_tag(call->statement->kind);
        TRY(bind_utility(b, node, call->statement));
        return check_parameters(b);
    }
    call->statement->kind = node_statement_kind(node);
    call->statement->tag = statement_kind_tag(call->statement->kind);
    if (node->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
        TRY(bind_select(b, node->select_stmt, &call->query));
    } else {
        TRY(BIND_ARRAY(b, 1, &call->modify));
        TRY(bind_modify(b, node, call->modify));
    }
    return check_parameters(b);
}

/* Second half: the plan. */
static enum status plan_half(void *argument) {
    struct prepare_call *call = argument;
    struct plan *plan = NULL;
    if (call->query != NULL)
        TRY(plan_query(&call->b, call->query, &plan));
    if (call->modify != NULL)
        TRY(plan_modify(&call->b, call->modify, &plan));
    if (plan != NULL)
        set_result(call->statement, plan);
    return arena_status(call->b.arena);
}

struct row_counts {
    size_t count;
    struct {
        uint32_t oid;
        double rows, cold_share;
    } items[RELATIONS_MAX];
};

static double known_rows(const struct binder *b, const struct table *table) {
    const struct row_counts *counts = b->row_estimates_data;
    for (size_t i = 0; i < counts->count; i++)
        if (counts->items[i].oid == table->oid)
            return counts->items[i].rows;
    return -1;
}

static double known_cold_share(const struct binder *b, const struct table *table) {
    const struct row_counts *counts = b->row_estimates_data;
    for (size_t i = 0; i < counts->count; i++)
        if (counts->items[i].oid == table->oid)
            return counts->items[i].cold_share;
    return 0;
}

static enum status count_rows(struct fiber *f, struct binder *b, struct row_counts *counts) {
    if (b->options->tables == NULL)
        return STATUS_OK;
    for (size_t i = 0; i < b->lock_count && counts->count < RELATIONS_MAX; i++) {
        const struct table *table = schema_table_by_oid(b->schema, b->locks[i].oid);
        struct table_counts now;
        if (table == NULL || table->kind != RELATION_TABLE)
            continue;
        TRY(table_count_estimate(f, b->options->tables, table, &now));
        counts->items[counts->count].oid = table->oid;
        counts->items[counts->count].cold_share =
            now.rows > 0 ? (double)now.cold / (double)now.rows : 0;
        counts->items[counts->count++].rows = (double)now.rows;
    }
    return STATUS_OK;
}

/* Statements around a query are bound and planned in one go: once for the relations, and when their
   rows have been counted again. */
static bool plans_while_binding(enum statement_kind kind) {
    return kind == STATEMENT_EXPLAIN || kind == STATEMENT_CREATE_TABLE_AS;
}

/* What a client says the types are. */
static enum status declared_check(const struct sql_options *options) {
    for (size_t i = 0; i < options->parameter_type_count; i++) {
        uint32_t id = options->parameter_types[i];
        const struct type_info *info = type_info(id);
        if (id == 0 || id == TYPE_UNKNOWN)
            continue;
        if (info == NULL)
            return error_set(STATUS_UNDEFINED_OBJECT, "type with OID %u does not exist", id);
        if (info->is_pseudo)
            return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                             "a parameter of type %s is not supported", info->name);
    }
    return STATUS_OK;
}

static void open_binder(struct prepare_call *call, struct arena *arena, struct schema *schema,
                        const struct sql_options *options, struct row_counts *counts) {
    struct binder *b = &call->b;
    b->arena = arena;
    b->schema = schema;
    b->options = options;
    b->text = call->raw->text;
    b->text_offset = call->raw->offset;
    b->text_size = call->raw->size;
    b->row_estimates = known_rows;
    b->cold_shares = known_cold_share;
    b->row_estimates_data = counts;
    if (options->value_context != NULL)
        b->values = *options->value_context;
    b->resolver = (struct value_resolver){b, resolver_find, resolver_describe};
    b->values.resolver = &b->resolver;
    if (options->parameter_type_count > 0) {
        b->parameter_types = ARENA_ARRAY(arena, uint32_t, options->parameter_type_count);
        b->parameter_count = b->parameter_capacity = options->parameter_type_count;
        memcpy(b->parameter_types, options->parameter_types,
               options->parameter_type_count * sizeof *b->parameter_types);
    }
}

enum status sql_prepare(struct fiber *f, const struct raw_statement *raw, struct schema *schema,
                        const struct sql_options *options, struct statement **statement_out) {
    TRY(declared_check(options));
    struct statement_private *own = memory_alloc_zeroed(1, sizeof *own);
    if (own == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = STATUS_OK;
    struct row_counts counts = {0};
    struct prepare_call call = {.raw = raw};
    atomic_init(&own->references, 1);
    schema_retain(schema);
    own->schema = schema;
    struct statement *statement = ARENA_NEW(&own->arena, struct statement);
    statement->private_part = own;
    statement->schema = schema;
    statement->schema_version = schema_version(schema);
    statement->index_snapshot = options->index_snapshot;
    statement->tag = "";
    call.statement = statement;
    open_binder(&call, &own->arena, schema, options, &counts);
    int64_t started_ns = clock_monotonic_ns();
    TRY_OUT(fiber_on_large_stack(f, bind_half, &call));
    TRY_OUT(count_rows(f, &call.b, &counts));
    if (plans_while_binding(statement->kind) && counts.count > 0) {
        call.b.views = NULL;
        TRY_OUT(fiber_on_large_stack(f, bind_half, &call));
    }
    TRY_OUT(fiber_on_large_stack(f, plan_half, &call));
    statement->planning_ns = clock_monotonic_ns() - started_ns;
    statement->parameter_count = (uint32_t)call.b.parameter_count;
    statement->parameter_types = call.b.parameter_types;
    statement->locks = call.b.locks;
    statement->lock_count = (uint32_t)call.b.lock_count;
    statement->depends_on_settings = call.b.depends_on_settings;
out:
    if (status != STATUS_OK) {
        statement_release(statement);
        return status;
    }
    *statement_out = statement;
    return STATUS_OK;
}

enum status sql_prepare_text(struct fiber *f, const char *text, struct schema *schema,
                             const struct sql_options *options, struct statement **statement_out) {
    struct arena arena = {0};
    struct raw_statements raw;
    *statement_out = NULL;
    enum status status = sql_parse(f, text, &arena, &raw);
    if (status == STATUS_OK && raw.count > 1)
        status = error_set(STATUS_SYNTAX_ERROR,
                           "cannot insert multiple commands into a prepared statement");
    if (status == STATUS_OK && raw.count == 1)
        status = sql_prepare(f, &raw.items[0], schema, options, statement_out);
    arena_release(&arena);
    return status;
}
