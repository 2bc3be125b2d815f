/* What the binders of CREATE, ALTER and DROP share; each function is described at its home. */
#ifndef BIND_DDL_H
#define BIND_DDL_H

#include "sql/bind.h"

/* A table being defined. */
struct definition {
    const char *table_name;
    const struct table *existing; /* ALTER TABLE */
    uint32_t column_count;        /* CREATE */
    struct column_spec *columns;
    uint32_t sequence_count, index_count, check_count;
    struct sequence *sequences;
    struct index_spec *indexes;
    struct constraint_spec *checks;
};

/* ---- bind_ddl.c */
const char *copy_name(const struct binder *b, const char *name);
int column_number(const struct definition *d, const char *name);
enum status add_constraint(struct binder *b, const PgQuery__Constraint *node, struct definition *d,
                           const char *column, struct expression **condition_out) MUST_USE;
enum status bind_default_text(struct binder *b, const parse_node *node, const char *column_name,
                              struct type type, const char **text_out,
                              struct expression **expression_out) MUST_USE;
enum status define_column(struct binder *b, const PgQuery__ColumnDef *node, struct definition *d,
                          const char *schema_name, struct expression **default_out) MUST_USE;
enum status column_checks(struct binder *b, const PgQuery__ColumnDef *node, struct definition *d)
    MUST_USE;
enum status definition_open(struct binder *b, struct definition *d, size_t columns,
                            size_t constraints) MUST_USE;

/* ---- bind_sequence.c */
enum status add_sequence(struct binder *b, struct definition *d, const char *schema_name,
                         struct column_spec *column, size_t option_count, parse_node **options)
    MUST_USE;
uint32_t serial_type(const PgQuery__TypeName *name);
enum status bind_create_sequence(struct binder *b, const PgQuery__CreateSeqStmt *node,
                                 struct statement *statement) MUST_USE;
enum status bind_alter_sequence(struct binder *b, const PgQuery__AlterSeqStmt *node,
                                struct statement *statement) MUST_USE;

/* ---- bind_alter.c */
enum status bind_alter_table(struct binder *b, const PgQuery__AlterTableStmt *node,
                             struct statement *statement) MUST_USE;
enum status bind_rename(struct binder *b, const PgQuery__RenameStmt *node,
                        struct statement *statement) MUST_USE;

/* ---- bind_drop.c */
enum status bind_drop(struct binder *b, const PgQuery__DropStmt *node, struct statement *statement)
    MUST_USE;
enum status bind_reindex(struct binder *b, const PgQuery__ReindexStmt *node,
                         struct statement *statement) MUST_USE;
enum status bind_truncate(struct binder *b, const PgQuery__TruncateStmt *node,
                          struct statement *statement) MUST_USE;

#endif
