/*
 * The base case: the stored catalog tables and their indexes, with PostgreSQL 15's columns, oids
 * and index names. Columns of types that satori does not have are text here (anyarray: text[]).
 */
#include "table/system_tables.h"

/* clang-format off */
#define SYSTEM_COLUMNS(columns) sizeof(columns) / sizeof(columns)[0], columns

static const struct system_column pg_namespace_columns[] = {
    {"oid", TYPE_OID, true}, {"nspname", TYPE_NAME, true}, {"nspowner", TYPE_OID, true},
    {"nspacl", TYPE_ACLITEM_ARRAY, false},
};
static const struct system_column pg_class_columns[] = {
    {"oid", TYPE_OID, true}, {"relname", TYPE_NAME, true}, {"relnamespace", TYPE_OID, true},
    {"reltype", TYPE_OID, true}, {"reloftype", TYPE_OID, true}, {"relowner", TYPE_OID, true},
    {"relam", TYPE_OID, true}, {"relfilenode", TYPE_OID, true}, {"reltablespace", TYPE_OID, true},
    {"relpages", TYPE_INT4, true}, {"reltuples", TYPE_FLOAT4, true},
    {"relallvisible", TYPE_INT4, true}, {"reltoastrelid", TYPE_OID, true},
    {"relhasindex", TYPE_BOOL, true}, {"relisshared", TYPE_BOOL, true},
    {"relpersistence", TYPE_CHAR, true}, {"relkind", TYPE_CHAR, true},
    {"relnatts", TYPE_INT2, true}, {"relchecks", TYPE_INT2, true},
    {"relhasrules", TYPE_BOOL, true}, {"relhastriggers", TYPE_BOOL, true},
    {"relhassubclass", TYPE_BOOL, true}, {"relrowsecurity", TYPE_BOOL, true},
    {"relforcerowsecurity", TYPE_BOOL, true}, {"relispopulated", TYPE_BOOL, true},
    {"relreplident", TYPE_CHAR, true}, {"relispartition", TYPE_BOOL, true},
    {"relrewrite", TYPE_OID, true}, {"relfrozenxid", TYPE_XID, true},
    {"relminmxid", TYPE_XID, true}, {"relacl", TYPE_ACLITEM_ARRAY, false},
    {"reloptions", TYPE_TEXT_ARRAY, false}, {"relpartbound", TYPE_PG_NODE_TREE, false},
};
static const struct system_column pg_attribute_columns[] = {
    {"attrelid", TYPE_OID, true}, {"attname", TYPE_NAME, true}, {"atttypid", TYPE_OID, true},
    {"attstattarget", TYPE_INT4, true}, {"attlen", TYPE_INT2, true}, {"attnum", TYPE_INT2, true},
    {"attndims", TYPE_INT4, true}, {"attcacheoff", TYPE_INT4, true},
    {"atttypmod", TYPE_INT4, true}, {"attbyval", TYPE_BOOL, true}, {"attalign", TYPE_CHAR, true},
    {"attstorage", TYPE_CHAR, true}, {"attcompression", TYPE_CHAR, true},
    {"attnotnull", TYPE_BOOL, true}, {"atthasdef", TYPE_BOOL, true},
    {"atthasmissing", TYPE_BOOL, true}, {"attidentity", TYPE_CHAR, true},
    {"attgenerated", TYPE_CHAR, true}, {"attisdropped", TYPE_BOOL, true},
    {"attislocal", TYPE_BOOL, true}, {"attinhcount", TYPE_INT4, true},
    {"attcollation", TYPE_OID, true}, {"attacl", TYPE_ACLITEM_ARRAY, false},
    {"attoptions", TYPE_TEXT_ARRAY, false}, {"attfdwoptions", TYPE_TEXT_ARRAY, false},
    {"attmissingval", TYPE_TEXT_ARRAY, false},
};
static const struct system_column pg_attrdef_columns[] = {
    {"oid", TYPE_OID, true}, {"adrelid", TYPE_OID, true}, {"adnum", TYPE_INT2, true},
    {"adbin", TYPE_PG_NODE_TREE, true},
};
static const struct system_column pg_index_columns[] = {
    {"indexrelid", TYPE_OID, true}, {"indrelid", TYPE_OID, true}, {"indnatts", TYPE_INT2, true},
    {"indnkeyatts", TYPE_INT2, true}, {"indisunique", TYPE_BOOL, true},
    {"indnullsnotdistinct", TYPE_BOOL, true}, {"indisprimary", TYPE_BOOL, true},
    {"indisexclusion", TYPE_BOOL, true}, {"indimmediate", TYPE_BOOL, true},
    {"indisclustered", TYPE_BOOL, true}, {"indisvalid", TYPE_BOOL, true},
    {"indcheckxmin", TYPE_BOOL, true}, {"indisready", TYPE_BOOL, true},
    {"indislive", TYPE_BOOL, true}, {"indisreplident", TYPE_BOOL, true},
    {"indkey", TYPE_INT2VECTOR, true}, {"indcollation", TYPE_OIDVECTOR, true},
    {"indclass", TYPE_OIDVECTOR, true}, {"indoption", TYPE_INT2VECTOR, true},
    {"indexprs", TYPE_PG_NODE_TREE, false}, {"indpred", TYPE_PG_NODE_TREE, false},
};
static const struct system_column pg_constraint_columns[] = {
    {"oid", TYPE_OID, true}, {"conname", TYPE_NAME, true}, {"connamespace", TYPE_OID, true},
    {"contype", TYPE_CHAR, true}, {"condeferrable", TYPE_BOOL, true},
    {"condeferred", TYPE_BOOL, true}, {"convalidated", TYPE_BOOL, true},
    {"conrelid", TYPE_OID, true}, {"contypid", TYPE_OID, true}, {"conindid", TYPE_OID, true},
    {"conparentid", TYPE_OID, true}, {"confrelid", TYPE_OID, true},
    {"confupdtype", TYPE_CHAR, true}, {"confdeltype", TYPE_CHAR, true},
    {"confmatchtype", TYPE_CHAR, true}, {"conislocal", TYPE_BOOL, true},
    {"coninhcount", TYPE_INT4, true}, {"connoinherit", TYPE_BOOL, true},
    {"conkey", TYPE_INT2_ARRAY, false}, {"confkey", TYPE_INT2_ARRAY, false},
    {"conpfeqop", TYPE_OID_ARRAY, false}, {"conppeqop", TYPE_OID_ARRAY, false},
    {"conffeqop", TYPE_OID_ARRAY, false}, {"confdelsetcols", TYPE_INT2_ARRAY, false},
    {"conexclop", TYPE_OID_ARRAY, false}, {"conbin", TYPE_PG_NODE_TREE, false},
};
static const struct system_column pg_sequence_columns[] = {
    {"seqrelid", TYPE_OID, true}, {"seqtypid", TYPE_OID, true}, {"seqstart", TYPE_INT8, true},
    {"seqincrement", TYPE_INT8, true}, {"seqmax", TYPE_INT8, true}, {"seqmin", TYPE_INT8, true},
    {"seqcache", TYPE_INT8, true}, {"seqcycle", TYPE_BOOL, true},
};
static const struct system_column pg_depend_columns[] = {
    {"classid", TYPE_OID, true}, {"objid", TYPE_OID, true}, {"objsubid", TYPE_INT4, true},
    {"refclassid", TYPE_OID, true}, {"refobjid", TYPE_OID, true}, {"refobjsubid", TYPE_INT4, true},
    {"deptype", TYPE_CHAR, true},
};
static const struct system_column pg_description_columns[] = {
    {"objoid", TYPE_OID, true}, {"classoid", TYPE_OID, true}, {"objsubid", TYPE_INT4, true},
    {"description", TYPE_TEXT, true},
};
static const struct system_column pg_database_columns[] = {
    {"oid", TYPE_OID, true}, {"datname", TYPE_NAME, true}, {"datdba", TYPE_OID, true},
    {"encoding", TYPE_INT4, true}, {"datlocprovider", TYPE_CHAR, true},
    {"datistemplate", TYPE_BOOL, true}, {"datallowconn", TYPE_BOOL, true},
    {"datconnlimit", TYPE_INT4, true}, {"datfrozenxid", TYPE_XID, true},
    {"datminmxid", TYPE_XID, true}, {"dattablespace", TYPE_OID, true},
    {"datcollate", TYPE_TEXT, true}, {"datctype", TYPE_TEXT, true},
    {"daticulocale", TYPE_TEXT, false}, {"datcollversion", TYPE_TEXT, false},
    {"datacl", TYPE_ACLITEM_ARRAY, false},
};
static const struct system_column pg_authid_columns[] = {
    {"oid", TYPE_OID, true}, {"rolname", TYPE_NAME, true}, {"rolsuper", TYPE_BOOL, true},
    {"rolinherit", TYPE_BOOL, true}, {"rolcreaterole", TYPE_BOOL, true},
    {"rolcreatedb", TYPE_BOOL, true}, {"rolcanlogin", TYPE_BOOL, true},
    {"rolreplication", TYPE_BOOL, true}, {"rolbypassrls", TYPE_BOOL, true},
    {"rolconnlimit", TYPE_INT4, true}, {"rolpassword", TYPE_TEXT, false},
    {"rolvaliduntil", TYPE_TIMESTAMPTZ, false},
};
/* Ours alone: by which column a table's rows are spread over the partitions. */
static const struct system_column satori_placement_columns[] = {
    {"relid", TYPE_OID, true}, {"partition_column", TYPE_INT2, true},
};

/* What a view stands for; pg_rewrite and pg_views show it. */
static const struct system_column satori_view_columns[] = {
    {"relid", TYPE_OID, true}, {"definition", TYPE_TEXT, true},
};

/* What ANALYZE found; pg_stats shows it. */
static const struct system_column satori_statistic_columns[] = {
    {"relid", TYPE_OID, true}, {"attnum", TYPE_INT2, true}, {"null_share", TYPE_FLOAT4, true},
    {"average_width", TYPE_INT4, true}, {"distinct_values", TYPE_FLOAT4, true},
    {"common_values", TYPE_TEXT_ARRAY, false}, {"common_shares", TYPE_TEXT_ARRAY, false},
    {"histogram", TYPE_TEXT_ARRAY, false}, {"sample", TYPE_TEXT_ARRAY, false},
};

const struct system_table system_tables[] = {
    {2615, 10047, "pg_namespace", SYSTEM_COLUMNS(pg_namespace_columns)},
    {1259, 83, "pg_class", SYSTEM_COLUMNS(pg_class_columns)},
    {1249, 75, "pg_attribute", SYSTEM_COLUMNS(pg_attribute_columns)},
    {2604, 10001, "pg_attrdef", SYSTEM_COLUMNS(pg_attrdef_columns)},
    {2610, 10007, "pg_index", SYSTEM_COLUMNS(pg_index_columns)},
    {2606, 10003, "pg_constraint", SYSTEM_COLUMNS(pg_constraint_columns)},
    {2224, 10105, "pg_sequence", SYSTEM_COLUMNS(pg_sequence_columns)},
    {2608, 10051, "pg_depend", SYSTEM_COLUMNS(pg_depend_columns)},
    {2609, 10041, "pg_description", SYSTEM_COLUMNS(pg_description_columns)},
    {1262, 1248, "pg_database", SYSTEM_COLUMNS(pg_database_columns)},
    {1260, 2842, "pg_authid", SYSTEM_COLUMNS(pg_authid_columns)},
    {9001, 0, "satori_placement", SYSTEM_COLUMNS(satori_placement_columns)},
    {9004, 0, "satori_view", SYSTEM_COLUMNS(satori_view_columns)},
    {9007, 0, "satori_statistic", SYSTEM_COLUMNS(satori_statistic_columns)},
};
const size_t system_table_count = sizeof system_tables / sizeof system_tables[0];

const struct system_index system_indexes[] = {
    {2685, "pg_namespace_oid_index", 2615, true, true, 10164, 1, {1}},
    {2684, "pg_namespace_nspname_index", 2615, true, false, 10163, 1, {2}},
    {2662, "pg_class_oid_index", 1259, true, true, 10121, 1, {1}},
    {2663, "pg_class_relname_nsp_index", 1259, true, false, 10122, 2, {2, 3}},
    {2659, "pg_attribute_relid_attnum_index", 1249, true, true, 10120, 2, {1, 6}},
    {2658, "pg_attribute_relid_attnam_index", 1249, true, false, 10119, 2, {1, 2}},
    {2657, "pg_attrdef_oid_index", 2604, true, true, 10124, 1, {1}},
    {2656, "pg_attrdef_adrelid_adnum_index", 2604, true, false, 10123, 2, {2, 3}},
    {2679, "pg_index_indexrelid_index", 2610, true, true, 10128, 1, {1}},
    {2678, "pg_index_indrelid_index", 2610, false, false, 0, 1, {2}},
    {2667, "pg_constraint_oid_index", 2606, true, true, 10126, 1, {1}},
    {2664, "pg_constraint_conname_nsp_index", 2606, false, false, 0, 2, {2, 3}},
    {2665, "pg_constraint_conrelid_contypid_conname_index", 2606, true, false, 10125, 3,
     {8, 9, 2}},
    {5002, "pg_sequence_seqrelid_index", 2224, true, true, 10214, 1, {1}},
    {2673, "pg_depend_depender_index", 2608, false, false, 0, 3, {1, 2, 3}},
    {2674, "pg_depend_reference_index", 2608, false, false, 0, 3, {4, 5, 6}},
    {2675, "pg_description_o_c_o_index", 2609, true, true, 10157, 3, {1, 2, 3}},
    {2672, "pg_database_oid_index", 1262, true, true, 10169, 1, {1}},
    {2671, "pg_database_datname_index", 1262, true, false, 10168, 1, {2}},
    {2677, "pg_authid_oid_index", 1260, true, true, 10174, 1, {1}},
    {2676, "pg_authid_rolname_index", 1260, true, false, 10173, 1, {2}},
    {9002, "satori_placement_relid_index", 9001, true, true, 9003, 1, {1}},
    {9005, "satori_view_relid_index", 9004, true, true, 9006, 1, {1}},
    {9008, "satori_statistic_relid_attnum_index", 9007, true, true, 9009, 2, {1, 2}},
};
const size_t system_index_count = sizeof system_indexes / sizeof system_indexes[0];
