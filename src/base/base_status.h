/*
 * Status codes and error detail: the one table of what can go wrong.
 *
 * A function that can fail returns `enum status`; zero is STATUS_OK. A status names the kind
 * of failure and carries its SQLSTATE. The detail (what, where, which value) is written once,
 * where the failure is detected, with error_set(); it goes to the error slot of the running
 * fiber (or of the thread, outside fibers) and stays there until the next error_set() or
 * error_clear(). Whoever only passes a failure on uses TRY and never touches the detail.
 *
 *     if (byte != MAGIC)
 *         return error_set(STATUS_DATA_CORRUPTED, "%s: bad magic at offset %zu", path, at);
 *     TRY(btree_insert(f, tree, key, value));
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, SQLSTATE, text). The text is used when nobody wrote a detail. */
#define STATUS_TABLE(X)                                                                            \
    X(OK, "00000", "successful completion")                                                        \
    /* connection and protocol */                                                                  \
    X(CONNECTION_FAILURE, "08006", "connection failure")                                           \
    X(PROTOCOL_VIOLATION, "08P01", "protocol violation")                                           \
    X(FEATURE_NOT_SUPPORTED, "0A000", "feature not supported")                                     \
    X(CARDINALITY_VIOLATION, "21000", "cardinality violation")                                     \
    /* data */                                                                                     \
    X(STRING_DATA_RIGHT_TRUNCATION, "22001", "value too long")                                     \
    X(NUMERIC_VALUE_OUT_OF_RANGE, "22003", "numeric value out of range")                           \
    X(NULL_VALUE_NOT_ALLOWED, "22004", "null value not allowed")                                   \
    X(INVALID_DATETIME_FORMAT, "22007", "invalid datetime format")                                 \
    X(DATETIME_FIELD_OVERFLOW, "22008", "datetime field overflow")                                 \
    X(INVALID_TIME_ZONE, "22009", "invalid time zone displacement value")                          \
    X(SUBSTRING_ERROR, "22011", "substring error")                                                 \
    X(DIVISION_BY_ZERO, "22012", "division by zero")                                               \
    X(INTERVAL_FIELD_OVERFLOW, "22015", "interval field overflow")                                 \
    X(INVALID_CHARACTER_FOR_CAST, "22018", "invalid character value for cast")                     \
    X(INVALID_ESCAPE_CHARACTER, "22019", "invalid escape character")                               \
    X(INVALID_ARGUMENT_FOR_WIDTH_BUCKET, "2201G", "invalid argument for width_bucket function")    \
    X(INVALID_REGULAR_EXPRESSION, "2201B", "invalid regular expression")                           \
    X(INVALID_ARGUMENT_FOR_LOG, "2201E", "invalid argument for logarithm")                         \
    X(INVALID_ARGUMENT_FOR_POWER, "2201F", "invalid argument for power function")                  \
    X(INVALID_ROW_COUNT_IN_LIMIT, "2201W", "LIMIT must not be negative")                           \
    X(INVALID_ROW_COUNT_IN_OFFSET, "2201X", "OFFSET must not be negative")                         \
    X(CHARACTER_NOT_IN_REPERTOIRE, "22021", "character not in repertoire")                         \
    X(INVALID_PARAMETER_VALUE, "22023", "invalid parameter value")                                 \
    X(INVALID_ESCAPE_SEQUENCE, "22025", "invalid escape sequence")                                 \
    X(ARRAY_SUBSCRIPT_ERROR, "2202E", "array subscript error")                                     \
    X(SEQUENCE_GENERATOR_LIMIT_EXCEEDED, "2200H", "sequence generator limit exceeded")             \
    X(INVALID_TEXT_REPRESENTATION, "22P02", "invalid text representation")                         \
    X(INVALID_BINARY_REPRESENTATION, "22P03", "invalid binary representation")                     \
    X(BAD_COPY_FILE_FORMAT, "22P04", "bad COPY file format")                                       \
    X(UNTRANSLATABLE_CHARACTER, "22P05", "untranslatable character")                               \
    /* constraints */                                                                              \
    X(NOT_NULL_VIOLATION, "23502", "not-null violation")                                           \
    X(FOREIGN_KEY_VIOLATION, "23503", "foreign key violation")                                     \
    X(UNIQUE_VIOLATION, "23505", "unique violation")                                               \
    X(CHECK_VIOLATION, "23514", "check violation")                                                 \
    /* transactions */                                                                             \
    X(ACTIVE_TRANSACTION, "25001", "there is already a transaction in progress")                   \
    X(READ_ONLY_TRANSACTION, "25006", "read-only transaction")                                     \
    X(NO_ACTIVE_TRANSACTION, "25P01", "there is no transaction in progress")                       \
    X(IN_FAILED_TRANSACTION, "25P02",                                                              \
      "current transaction is aborted, commands ignored until end of transaction block")           \
    X(IDLE_IN_TRANSACTION_TIMEOUT, "25P03",                                                        \
      "terminating connection due to idle-in-transaction timeout")                                 \
    X(INVALID_STATEMENT_NAME, "26000", "prepared statement does not exist")                        \
    X(INVALID_AUTHORIZATION, "28000", "invalid authorization specification")                       \
    X(DEPENDENT_OBJECTS, "2BP01", "dependent objects still exist")                                 \
    X(SAVEPOINT_INVALID, "3B001", "savepoint does not exist")                                      \
    X(INVALID_CURSOR_NAME, "34000", "portal does not exist")                                       \
    X(INVALID_CATALOG_NAME, "3D000", "database does not exist")                                    \
    X(INVALID_SCHEMA_NAME, "3F000", "schema does not exist")                                       \
    X(SERIALIZATION_FAILURE, "40001", "could not serialize access due to concurrent update")       \
    X(DEADLOCK_DETECTED, "40P01", "deadlock detected")                                             \
    /* syntax and names */                                                                         \
    X(INSUFFICIENT_PRIVILEGE, "42501", "insufficient privilege")                                   \
    X(SYNTAX_ERROR, "42601", "syntax error")                                                       \
    X(INVALID_NAME, "42602", "invalid name")                                                       \
    X(INVALID_COLUMN_DEFINITION, "42611", "invalid column definition")                             \
    X(NAME_TOO_LONG, "42622", "name too long")                                                     \
    X(DUPLICATE_COLUMN, "42701", "duplicate column")                                               \
    X(AMBIGUOUS_COLUMN, "42702", "ambiguous column")                                               \
    X(UNDEFINED_COLUMN, "42703", "undefined column")                                               \
    X(UNDEFINED_OBJECT, "42704", "undefined object")                                               \
    X(DUPLICATE_OBJECT, "42710", "duplicate object")                                               \
    X(DUPLICATE_ALIAS, "42712", "duplicate alias")                                                 \
    X(AMBIGUOUS_FUNCTION, "42725", "ambiguous function")                                           \
    X(GROUPING_ERROR, "42803", "grouping error")                                                   \
    X(DATATYPE_MISMATCH, "42804", "datatype mismatch")                                             \
    X(WRONG_OBJECT_TYPE, "42809", "wrong object type")                                             \
    X(CANNOT_COERCE, "42846", "cannot coerce")                                                     \
    X(UNDEFINED_FUNCTION, "42883", "undefined function")                                           \
    X(RESERVED_NAME, "42939", "reserved name")                                                     \
    X(GENERATED_ALWAYS, "428C9", "generated always")                                               \
    X(UNDEFINED_TABLE, "42P01", "undefined table")                                                 \
    X(UNDEFINED_PARAMETER, "42P02", "undefined parameter")                                         \
    X(DUPLICATE_CURSOR, "42P03", "duplicate portal")                                               \
    X(DUPLICATE_DATABASE, "42P04", "duplicate database")                                           \
    X(DUPLICATE_PREPARED_STATEMENT, "42P05", "duplicate prepared statement")                       \
    X(DUPLICATE_SCHEMA, "42P06", "duplicate schema")                                               \
    X(DUPLICATE_TABLE, "42P07", "duplicate table")                                                 \
    X(AMBIGUOUS_PARAMETER, "42P08", "ambiguous parameter")                                         \
    X(AMBIGUOUS_ALIAS, "42P09", "ambiguous alias")                                                 \
    X(INVALID_COLUMN_REFERENCE, "42P10", "invalid column reference")                               \
    X(INVALID_TABLE_DEFINITION, "42P16", "invalid table definition")                               \
    X(INVALID_OBJECT_DEFINITION, "42P17", "invalid object definition")                             \
    X(INDETERMINATE_DATATYPE, "42P18", "indeterminate datatype")                                   \
    X(COLLATION_MISMATCH, "42P21", "collation mismatch")                                           \
    /* resources and operation */                                                                  \
    X(DISK_FULL, "53100", "disk full")                                                             \
    X(OUT_OF_MEMORY, "53200", "out of memory")                                                     \
    X(TOO_MANY_CONNECTIONS, "53300", "too many connections")                                       \
    X(LIMIT_EXCEEDED, "54000", "program limit exceeded")                                           \
    X(STATEMENT_TOO_COMPLEX, "54001", "statement too complex")                                     \
    X(TOO_MANY_COLUMNS, "54011", "too many columns")                                               \
    X(OBJECT_NOT_IN_PREREQUISITE_STATE, "55000", "object not in prerequisite state")               \
    X(OBJECT_IN_USE, "55006", "object in use")                                                     \
    X(CANNOT_CHANGE_PARAMETER, "55P02", "parameter cannot be changed now")                         \
    X(LOCK_NOT_AVAILABLE, "55P03", "lock not available")                                           \
    X(CANCELED, "57014", "canceling statement due to user request")                                \
    X(SHUTDOWN, "57P01", "terminating connection due to administrator command")                    \
    X(CANNOT_CONNECT_NOW, "57P03", "the database is starting up or shutting down")                 \
    X(IO_ERROR, "58030", "input/output error")                                                     \
    X(UNDEFINED_FILE, "58P01", "file does not exist")                                              \
    X(DUPLICATE_FILE, "58P02", "file already exists")                                              \
    X(CONFIG_FILE_ERROR, "F0000", "configuration file error")                                      \
    X(INTERNAL_ERROR, "XX000", "internal error")                                                   \
    X(DATA_CORRUPTED, "XX001", "data corrupted")                                                   \
    X(INDEX_CORRUPTED, "XX002", "index corrupted")

enum status {
#define STATUS_ENUM(name, sqlstate, text) STATUS_##name,
    STATUS_TABLE(STATUS_ENUM)
#undef STATUS_ENUM
};

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* Name of the enumerator without its prefix, static. */
const char *status_name(enum status status);
/* Five-character SQLSTATE, static. */
const char *status_sqlstate(enum status status);
/* The general text of a status, static. */
const char *status_text(enum status status);
/* What is stored is damaged: bytes (DATA_CORRUPTED), or how a tree is put together. */
static inline bool status_is_damage(enum status status) {
    return status == STATUS_DATA_CORRUPTED || status == STATUS_INDEX_CORRUPTED;
}

enum { ERROR_MESSAGE_SIZE = 1024, ERROR_NAME_SIZE = 64 };

/* Detail of the last failure. Strings are always terminated; empty means absent. */
struct error {
    enum status status;
    int position;  /* 1-based character position in the statement; 0 means none */
    int batch_row; /* 1-based row at fault of the batch that was worked on; 0 means none */
    char message[ERROR_MESSAGE_SIZE];
    char detail[ERROR_MESSAGE_SIZE];
    char hint[ERROR_MESSAGE_SIZE];
    char context[ERROR_MESSAGE_SIZE];
    char schema[ERROR_NAME_SIZE];
    char table[ERROR_NAME_SIZE];
    char column[ERROR_NAME_SIZE];
    char constraint[ERROR_NAME_SIZE];
};

/* The error slot of whoever runs now. Never NULL. */
struct error *error_current(void);
/* The scheduler points the slot at the fiber it switches to; NULL restores the thread's own. */
void error_slot_set(struct error *slot);

/* Start a fresh detail; drops the one before. Returns `status`, so it ends a function. */
enum status error_set(enum status status, const char *format, ...) PRINTF_LIKE(2, 3);
#ifdef __clang_analyzer__ /* let it know that what comes back is a failure */
#define error_set(status, ...) (error_set((status), __VA_ARGS__), (status))
#endif
/* Add to the detail just set. */
void error_detail(const char *format, ...) PRINTF_LIKE(1, 2);
void error_hint(const char *format, ...) PRINTF_LIKE(1, 2);
void error_context(const char *format, ...) PRINTF_LIKE(1, 2);
/* The relation at fault, and its column or constraint; NULL: not told. */
void error_relation(const char *schema, const char *table, const char *column,
                    const char *constraint);
/* Row of a batch, from 0, that is at fault. */
void error_batch_row(uint32_t row);
/* Set the position if none is set yet. */
void error_position(int position);
void error_clear(void);

/* Pass a failure on. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        enum status try_status_ = (expression);                                                    \
        if (__builtin_expect(try_status_ != STATUS_OK, 0))                                         \
            return try_status_;                                                                    \
    } while (0)

/* Pass a failure on through the label `out`, with a local `enum status status`. */
#define TRY_OUT(expression)                                                                        \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (__builtin_expect(status != STATUS_OK, 0))                                              \
            goto out;                                                                              \
    } while (0)

/*
 * Assertions stay on in release builds: a programmer's error stops the process before it can
 * spoil data. DEBUG_ASSERT is for checks too costly for that.
 */
_Noreturn void assert_failed(const char *expression, const char *file, int line);
#define ASSERT(expression)                                                                         \
    (__builtin_expect(!!(expression), 1) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))
#ifdef SATORI_DEBUG
#define DEBUG_ASSERT(expression) ASSERT(expression)
#else
#define DEBUG_ASSERT(expression) ((void)sizeof(expression))
#endif

#endif
