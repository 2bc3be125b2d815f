/* The virtual relations of this room, and the list of all (private to the room). */
#ifndef VIRTUAL_H
#define VIRTUAL_H

#include "table/table_catalog.h"
#include "table/table_virtual.h"
#include "value/value.h"

/* All virtual relations: registered ones, then ours that nobody replaced. A cursor begins as zero;
   NULL: that was the last. */
struct virtual_cursor {
    size_t list, at;
};
const struct virtual_table *virtual__next(struct virtual_cursor *cursor);
size_t virtual__count(void);

extern const struct virtual_table virtual_catalog_tables[];
extern const size_t virtual_catalog_tables_count;
extern const struct virtual_table virtual_information_tables[];
extern const size_t virtual_information_tables_count;

/* satori_blocks and satori_progress. */
void virtual__blocks_register(void);
/* satori_turns. */
void virtual__turns_register(void);

/* The relation that a sequence is for SELECT, in `arena`. */
enum status virtual__sequence_relation(const struct sequence *sequence, struct arena *arena,
                                       const struct table **relation_out) MUST_USE;

#define VIRTUAL_ROWS(name)                                                                         \
    enum status virtual__##name(struct fiber *f, struct catalog *catalog,                          \
                                const struct schema *schema, struct transaction *transaction,      \
                                void *session, struct virtual_sink *sink)

VIRTUAL_ROWS(pg_type);
VIRTUAL_ROWS(pg_am);
VIRTUAL_ROWS(pg_collation);
VIRTUAL_ROWS(pg_opclass);
VIRTUAL_ROWS(pg_opfamily);
VIRTUAL_ROWS(pg_roles);
VIRTUAL_ROWS(pg_user);
VIRTUAL_ROWS(pg_shadow);
VIRTUAL_ROWS(pg_tables);
VIRTUAL_ROWS(pg_views);
VIRTUAL_ROWS(pg_stats);
VIRTUAL_ROWS(pg_rewrite);
VIRTUAL_ROWS(pg_indexes);
VIRTUAL_ROWS(pg_sequences);
VIRTUAL_ROWS(pg_tablespace);
VIRTUAL_ROWS(pg_locks);
VIRTUAL_ROWS(pg_language);
VIRTUAL_ROWS(information_tables);
VIRTUAL_ROWS(information_columns);
VIRTUAL_ROWS(information_schemata);
VIRTUAL_ROWS(information_table_constraints);
VIRTUAL_ROWS(information_key_column_usage);
VIRTUAL_ROWS(information_sequences);
VIRTUAL_ROWS(information_constraint_column_usage);
VIRTUAL_ROWS(information_check_constraints);

/* A row under construction: values in column order, one after the other. */
enum { VIRTUAL_COLUMNS_MAX = 64 };
struct virtual_row {
    const struct virtual_column *columns;
    size_t column_count, at;
    struct value values[VIRTUAL_COLUMNS_MAX];
};
void virtual_row_begin(struct virtual_row *row, const struct virtual_table *table);
/* Each gives the next column the value, in the form of the column's type. Texts must live until
   the row is done; NULL is null. */
void add_oid(struct virtual_row *row, uint32_t oid);
void add_int(struct virtual_row *row, int64_t number);
void add_float(struct virtual_row *row, double number);
void add_bool(struct virtual_row *row, bool truth);
void add_text(struct virtual_row *row, const char *text);
void add_letter(struct virtual_row *row, char letter);
void add_nulls(struct virtual_row *row, size_t count);
/* All columns must have been given. */
enum status virtual_row_end(struct virtual_row *row, struct virtual_sink *sink) MUST_USE;
/* The description of one of our relations by name. */
const struct virtual_table *virtual__find(const char *namespace_name, const char *name);

/* Names that rows show: there is one database and one role. */
#define VIRTUAL_DATABASE_NAME "satori"
#define VIRTUAL_OWNER_NAME "satori"

/* Identifier as SQL, quoted if it needs to be; CREATE INDEX of an index. In `arena`. */
const char *virtual__quote(struct arena *arena, const char *name);
const char *virtual__index_definition(struct arena *arena, const struct table *table,
                                      const struct index *index);

#endif
