/*
 * What the statements that change the schema share. Private to them.
 */
#ifndef SESSION_UTILITY_DDL_H
#define SESSION_UTILITY_DDL_H

#include "session/state.h"

/* One running DDL statement. */
struct change {
    struct fiber *f;
    struct session *session;
    struct catalog *catalog;
    struct transaction *transaction;
    struct schema *schema; /* as it is now; retained */
};

/* Read the transaction's schema anew: pointers of the one before are stale. */
enum status session__change_renew(struct change *change) MUST_USE;
enum status session__change_find(const struct change *change, uint32_t oid,
                                 const struct table **table_out) MUST_USE;

/* ---- utility_drop.c */
enum status session__drop(struct change *change, const struct statement *statement) MUST_USE;
enum status session__drop_column(struct change *change, uint32_t table_oid, int16_t column_number,
                                 bool cascade) MUST_USE;

#endif
