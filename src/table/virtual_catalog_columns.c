/*
 * Virtual relations of pg_catalog: what they are, with PostgreSQL 15's columns and oids. How their
 * rows are made is in virtual_types.c and virtual_catalog.c; those without a function are empty.
 */
#include "table/virtual.h"

#include "value/value_type.h"

/* clang-format off */
#define RELATION(oid_, type_oid_, kind_, name_, rows_)                                             \
    {                                                                                              \
        .oid = oid_, .namespace_name = "pg_catalog", .name = #name_,                       \
        .column_count = sizeof name_##_columns / sizeof name_##_columns[0],                        \
        .columns = name_##_columns, .rows = rows_, .kind = kind_, .type_oid = type_oid_,           \
    }

static const struct virtual_column pg_aggregate_columns[] = {
    {"aggfnoid", TYPE_REGPROC}, {"aggkind", TYPE_CHAR}, {"aggnumdirectargs", TYPE_INT2},
    {"aggtransfn", TYPE_REGPROC}, {"aggfinalfn", TYPE_REGPROC}, {"aggcombinefn", TYPE_REGPROC},
    {"aggserialfn", TYPE_REGPROC}, {"aggdeserialfn", TYPE_REGPROC}, {"aggmtransfn", TYPE_REGPROC},
    {"aggminvtransfn", TYPE_REGPROC}, {"aggmfinalfn", TYPE_REGPROC}, {"aggfinalextra", TYPE_BOOL},
    {"aggmfinalextra", TYPE_BOOL}, {"aggfinalmodify", TYPE_CHAR}, {"aggmfinalmodify", TYPE_CHAR},
    {"aggsortop", TYPE_OID}, {"aggtranstype", TYPE_OID}, {"aggtransspace", TYPE_INT4},
    {"aggmtranstype", TYPE_OID}, {"aggmtransspace", TYPE_INT4}, {"agginitval", TYPE_TEXT},
    {"aggminitval", TYPE_TEXT},
};
static const struct virtual_column pg_am_columns[] = {
    {"oid", TYPE_OID}, {"amname", TYPE_NAME}, {"amhandler", TYPE_REGPROC}, {"amtype", TYPE_CHAR},
};
static const struct virtual_column pg_amop_columns[] = {
    {"oid", TYPE_OID}, {"amopfamily", TYPE_OID}, {"amoplefttype", TYPE_OID},
    {"amoprighttype", TYPE_OID}, {"amopstrategy", TYPE_INT2}, {"amoppurpose", TYPE_CHAR},
    {"amopopr", TYPE_OID}, {"amopmethod", TYPE_OID}, {"amopsortfamily", TYPE_OID},
};
static const struct virtual_column pg_amproc_columns[] = {
    {"oid", TYPE_OID}, {"amprocfamily", TYPE_OID}, {"amproclefttype", TYPE_OID},
    {"amprocrighttype", TYPE_OID}, {"amprocnum", TYPE_INT2}, {"amproc", TYPE_REGPROC},
};
static const struct virtual_column pg_auth_members_columns[] = {
    {"roleid", TYPE_OID}, {"member", TYPE_OID}, {"grantor", TYPE_OID}, {"admin_option", TYPE_BOOL},
};
static const struct virtual_column pg_cast_columns[] = {
    {"oid", TYPE_OID}, {"castsource", TYPE_OID}, {"casttarget", TYPE_OID}, {"castfunc", TYPE_OID},
    {"castcontext", TYPE_CHAR}, {"castmethod", TYPE_CHAR},
};
static const struct virtual_column pg_collation_columns[] = {
    {"oid", TYPE_OID}, {"collname", TYPE_NAME}, {"collnamespace", TYPE_OID},
    {"collowner", TYPE_OID}, {"collprovider", TYPE_CHAR}, {"collisdeterministic", TYPE_BOOL},
    {"collencoding", TYPE_INT4}, {"collcollate", TYPE_TEXT}, {"collctype", TYPE_TEXT},
    {"colliculocale", TYPE_TEXT}, {"collversion", TYPE_TEXT},
};
static const struct virtual_column pg_conversion_columns[] = {
    {"oid", TYPE_OID}, {"conname", TYPE_NAME}, {"connamespace", TYPE_OID}, {"conowner", TYPE_OID},
    {"conforencoding", TYPE_INT4}, {"contoencoding", TYPE_INT4}, {"conproc", TYPE_REGPROC},
    {"condefault", TYPE_BOOL},
};
static const struct virtual_column pg_db_role_setting_columns[] = {
    {"setdatabase", TYPE_OID}, {"setrole", TYPE_OID}, {"setconfig", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_default_acl_columns[] = {
    {"oid", TYPE_OID}, {"defaclrole", TYPE_OID}, {"defaclnamespace", TYPE_OID},
    {"defaclobjtype", TYPE_CHAR}, {"defaclacl", TYPE_ACLITEM_ARRAY},
};
static const struct virtual_column pg_enum_columns[] = {
    {"oid", TYPE_OID}, {"enumtypid", TYPE_OID}, {"enumsortorder", TYPE_FLOAT4},
    {"enumlabel", TYPE_NAME},
};
static const struct virtual_column pg_event_trigger_columns[] = {
    {"oid", TYPE_OID}, {"evtname", TYPE_NAME}, {"evtevent", TYPE_NAME}, {"evtowner", TYPE_OID},
    {"evtfoid", TYPE_OID}, {"evtenabled", TYPE_CHAR}, {"evttags", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_extension_columns[] = {
    {"oid", TYPE_OID}, {"extname", TYPE_NAME}, {"extowner", TYPE_OID}, {"extnamespace", TYPE_OID},
    {"extrelocatable", TYPE_BOOL}, {"extversion", TYPE_TEXT}, {"extconfig", TYPE_OID_ARRAY},
    {"extcondition", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_foreign_data_wrapper_columns[] = {
    {"oid", TYPE_OID}, {"fdwname", TYPE_NAME}, {"fdwowner", TYPE_OID}, {"fdwhandler", TYPE_OID},
    {"fdwvalidator", TYPE_OID}, {"fdwacl", TYPE_ACLITEM_ARRAY}, {"fdwoptions", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_foreign_server_columns[] = {
    {"oid", TYPE_OID}, {"srvname", TYPE_NAME}, {"srvowner", TYPE_OID}, {"srvfdw", TYPE_OID},
    {"srvtype", TYPE_TEXT}, {"srvversion", TYPE_TEXT}, {"srvacl", TYPE_ACLITEM_ARRAY},
    {"srvoptions", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_foreign_table_columns[] = {
    {"ftrelid", TYPE_OID}, {"ftserver", TYPE_OID}, {"ftoptions", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_inherits_columns[] = {
    {"inhrelid", TYPE_OID}, {"inhparent", TYPE_OID}, {"inhseqno", TYPE_INT4},
    {"inhdetachpending", TYPE_BOOL},
};
static const struct virtual_column pg_init_privs_columns[] = {
    {"objoid", TYPE_OID}, {"classoid", TYPE_OID}, {"objsubid", TYPE_INT4}, {"privtype", TYPE_CHAR},
    {"initprivs", TYPE_ACLITEM_ARRAY},
};
static const struct virtual_column pg_language_columns[] = {
    {"oid", TYPE_OID}, {"lanname", TYPE_NAME}, {"lanowner", TYPE_OID}, {"lanispl", TYPE_BOOL},
    {"lanpltrusted", TYPE_BOOL}, {"lanplcallfoid", TYPE_OID}, {"laninline", TYPE_OID},
    {"lanvalidator", TYPE_OID}, {"lanacl", TYPE_ACLITEM_ARRAY},
};
static const struct virtual_column pg_largeobject_metadata_columns[] = {
    {"oid", TYPE_OID}, {"lomowner", TYPE_OID}, {"lomacl", TYPE_ACLITEM_ARRAY},
};
static const struct virtual_column pg_opclass_columns[] = {
    {"oid", TYPE_OID}, {"opcmethod", TYPE_OID}, {"opcname", TYPE_NAME}, {"opcnamespace", TYPE_OID},
    {"opcowner", TYPE_OID}, {"opcfamily", TYPE_OID}, {"opcintype", TYPE_OID},
    {"opcdefault", TYPE_BOOL}, {"opckeytype", TYPE_OID},
};
static const struct virtual_column pg_operator_columns[] = {
    {"oid", TYPE_OID}, {"oprname", TYPE_NAME}, {"oprnamespace", TYPE_OID}, {"oprowner", TYPE_OID},
    {"oprkind", TYPE_CHAR}, {"oprcanmerge", TYPE_BOOL}, {"oprcanhash", TYPE_BOOL},
    {"oprleft", TYPE_OID}, {"oprright", TYPE_OID}, {"oprresult", TYPE_OID}, {"oprcom", TYPE_OID},
    {"oprnegate", TYPE_OID}, {"oprcode", TYPE_REGPROC}, {"oprrest", TYPE_REGPROC},
    {"oprjoin", TYPE_REGPROC},
};
static const struct virtual_column pg_opfamily_columns[] = {
    {"oid", TYPE_OID}, {"opfmethod", TYPE_OID}, {"opfname", TYPE_NAME}, {"opfnamespace", TYPE_OID},
    {"opfowner", TYPE_OID},
};
static const struct virtual_column pg_partitioned_table_columns[] = {
    {"partrelid", TYPE_OID}, {"partstrat", TYPE_CHAR}, {"partnatts", TYPE_INT2},
    {"partdefid", TYPE_OID}, {"partattrs", TYPE_INT2VECTOR}, {"partclass", TYPE_OIDVECTOR},
    {"partcollation", TYPE_OIDVECTOR}, {"partexprs", TYPE_PG_NODE_TREE},
};
static const struct virtual_column pg_policy_columns[] = {
    {"oid", TYPE_OID}, {"polname", TYPE_NAME}, {"polrelid", TYPE_OID}, {"polcmd", TYPE_CHAR},
    {"polpermissive", TYPE_BOOL}, {"polroles", TYPE_OID_ARRAY}, {"polqual", TYPE_PG_NODE_TREE},
    {"polwithcheck", TYPE_PG_NODE_TREE},
};
static const struct virtual_column pg_proc_columns[] = {
    {"oid", TYPE_OID}, {"proname", TYPE_NAME}, {"pronamespace", TYPE_OID}, {"proowner", TYPE_OID},
    {"prolang", TYPE_OID}, {"procost", TYPE_FLOAT4}, {"prorows", TYPE_FLOAT4},
    {"provariadic", TYPE_OID}, {"prosupport", TYPE_REGPROC}, {"prokind", TYPE_CHAR},
    {"prosecdef", TYPE_BOOL}, {"proleakproof", TYPE_BOOL}, {"proisstrict", TYPE_BOOL},
    {"proretset", TYPE_BOOL}, {"provolatile", TYPE_CHAR}, {"proparallel", TYPE_CHAR},
    {"pronargs", TYPE_INT2}, {"pronargdefaults", TYPE_INT2}, {"prorettype", TYPE_OID},
    {"proargtypes", TYPE_OIDVECTOR}, {"proallargtypes", TYPE_OID_ARRAY},
    {"proargmodes", TYPE_CHAR_ARRAY}, {"proargnames", TYPE_TEXT_ARRAY},
    {"proargdefaults", TYPE_PG_NODE_TREE}, {"protrftypes", TYPE_OID_ARRAY}, {"prosrc", TYPE_TEXT},
    {"probin", TYPE_TEXT}, {"prosqlbody", TYPE_PG_NODE_TREE}, {"proconfig", TYPE_TEXT_ARRAY},
    {"proacl", TYPE_ACLITEM_ARRAY},
};
static const struct virtual_column pg_publication_columns[] = {
    {"oid", TYPE_OID}, {"pubname", TYPE_NAME}, {"pubowner", TYPE_OID}, {"puballtables", TYPE_BOOL},
    {"pubinsert", TYPE_BOOL}, {"pubupdate", TYPE_BOOL}, {"pubdelete", TYPE_BOOL},
    {"pubtruncate", TYPE_BOOL}, {"pubviaroot", TYPE_BOOL},
};
static const struct virtual_column pg_publication_namespace_columns[] = {
    {"oid", TYPE_OID}, {"pnpubid", TYPE_OID}, {"pnnspid", TYPE_OID},
};
static const struct virtual_column pg_publication_rel_columns[] = {
    {"oid", TYPE_OID}, {"prpubid", TYPE_OID}, {"prrelid", TYPE_OID}, {"prqual", TYPE_PG_NODE_TREE},
    {"prattrs", TYPE_INT2VECTOR},
};
static const struct virtual_column pg_range_columns[] = {
    {"rngtypid", TYPE_OID}, {"rngsubtype", TYPE_OID}, {"rngmultitypid", TYPE_OID},
    {"rngcollation", TYPE_OID}, {"rngsubopc", TYPE_OID}, {"rngcanonical", TYPE_REGPROC},
    {"rngsubdiff", TYPE_REGPROC},
};
static const struct virtual_column pg_rewrite_columns[] = {
    {"oid", TYPE_OID}, {"rulename", TYPE_NAME}, {"ev_class", TYPE_OID}, {"ev_type", TYPE_CHAR},
    {"ev_enabled", TYPE_CHAR}, {"is_instead", TYPE_BOOL}, {"ev_qual", TYPE_PG_NODE_TREE},
    {"ev_action", TYPE_PG_NODE_TREE},
};
static const struct virtual_column pg_seclabel_columns[] = {
    {"objoid", TYPE_OID}, {"classoid", TYPE_OID}, {"objsubid", TYPE_INT4}, {"provider", TYPE_TEXT},
    {"label", TYPE_TEXT},
};
static const struct virtual_column pg_shdepend_columns[] = {
    {"dbid", TYPE_OID}, {"classid", TYPE_OID}, {"objid", TYPE_OID}, {"objsubid", TYPE_INT4},
    {"refclassid", TYPE_OID}, {"refobjid", TYPE_OID}, {"deptype", TYPE_CHAR},
};
static const struct virtual_column pg_shdescription_columns[] = {
    {"objoid", TYPE_OID}, {"classoid", TYPE_OID}, {"description", TYPE_TEXT},
};
static const struct virtual_column pg_statistic_ext_columns[] = {
    {"oid", TYPE_OID}, {"stxrelid", TYPE_OID}, {"stxname", TYPE_NAME}, {"stxnamespace", TYPE_OID},
    {"stxowner", TYPE_OID}, {"stxstattarget", TYPE_INT4}, {"stxkeys", TYPE_INT2VECTOR},
    {"stxkind", TYPE_CHAR_ARRAY}, {"stxexprs", TYPE_PG_NODE_TREE},
};
static const struct virtual_column pg_subscription_columns[] = {
    {"oid", TYPE_OID}, {"subdbid", TYPE_OID}, {"subskiplsn", TYPE_TEXT}, {"subname", TYPE_NAME},
    {"subowner", TYPE_OID}, {"subenabled", TYPE_BOOL}, {"subbinary", TYPE_BOOL},
    {"substream", TYPE_BOOL}, {"subtwophasestate", TYPE_CHAR}, {"subdisableonerr", TYPE_BOOL},
    {"subconninfo", TYPE_TEXT}, {"subslotname", TYPE_NAME}, {"subsynccommit", TYPE_TEXT},
    {"subpublications", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_subscription_rel_columns[] = {
    {"srsubid", TYPE_OID}, {"srrelid", TYPE_OID}, {"srsubstate", TYPE_CHAR},
    {"srsublsn", TYPE_TEXT},
};
static const struct virtual_column pg_tablespace_columns[] = {
    {"oid", TYPE_OID}, {"spcname", TYPE_NAME}, {"spcowner", TYPE_OID},
    {"spcacl", TYPE_ACLITEM_ARRAY}, {"spcoptions", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_transform_columns[] = {
    {"oid", TYPE_OID}, {"trftype", TYPE_OID}, {"trflang", TYPE_OID}, {"trffromsql", TYPE_REGPROC},
    {"trftosql", TYPE_REGPROC},
};
static const struct virtual_column pg_trigger_columns[] = {
    {"oid", TYPE_OID}, {"tgrelid", TYPE_OID}, {"tgparentid", TYPE_OID}, {"tgname", TYPE_NAME},
    {"tgfoid", TYPE_OID}, {"tgtype", TYPE_INT2}, {"tgenabled", TYPE_CHAR},
    {"tgisinternal", TYPE_BOOL}, {"tgconstrrelid", TYPE_OID}, {"tgconstrindid", TYPE_OID},
    {"tgconstraint", TYPE_OID}, {"tgdeferrable", TYPE_BOOL}, {"tginitdeferred", TYPE_BOOL},
    {"tgnargs", TYPE_INT2}, {"tgattr", TYPE_INT2VECTOR}, {"tgargs", TYPE_BYTEA},
    {"tgqual", TYPE_PG_NODE_TREE}, {"tgoldtable", TYPE_NAME}, {"tgnewtable", TYPE_NAME},
};
static const struct virtual_column pg_ts_config_columns[] = {
    {"oid", TYPE_OID}, {"cfgname", TYPE_NAME}, {"cfgnamespace", TYPE_OID}, {"cfgowner", TYPE_OID},
    {"cfgparser", TYPE_OID},
};
static const struct virtual_column pg_ts_config_map_columns[] = {
    {"mapcfg", TYPE_OID}, {"maptokentype", TYPE_INT4}, {"mapseqno", TYPE_INT4},
    {"mapdict", TYPE_OID},
};
static const struct virtual_column pg_ts_dict_columns[] = {
    {"oid", TYPE_OID}, {"dictname", TYPE_NAME}, {"dictnamespace", TYPE_OID},
    {"dictowner", TYPE_OID}, {"dicttemplate", TYPE_OID}, {"dictinitoption", TYPE_TEXT},
};
static const struct virtual_column pg_ts_parser_columns[] = {
    {"oid", TYPE_OID}, {"prsname", TYPE_NAME}, {"prsnamespace", TYPE_OID},
    {"prsstart", TYPE_REGPROC}, {"prstoken", TYPE_REGPROC}, {"prsend", TYPE_REGPROC},
    {"prsheadline", TYPE_REGPROC}, {"prslextype", TYPE_REGPROC},
};
static const struct virtual_column pg_ts_template_columns[] = {
    {"oid", TYPE_OID}, {"tmplname", TYPE_NAME}, {"tmplnamespace", TYPE_OID},
    {"tmplinit", TYPE_REGPROC}, {"tmpllexize", TYPE_REGPROC},
};
static const struct virtual_column pg_type_columns[] = {
    {"oid", TYPE_OID}, {"typname", TYPE_NAME}, {"typnamespace", TYPE_OID}, {"typowner", TYPE_OID},
    {"typlen", TYPE_INT2}, {"typbyval", TYPE_BOOL}, {"typtype", TYPE_CHAR},
    {"typcategory", TYPE_CHAR}, {"typispreferred", TYPE_BOOL}, {"typisdefined", TYPE_BOOL},
    {"typdelim", TYPE_CHAR}, {"typrelid", TYPE_OID}, {"typsubscript", TYPE_REGPROC},
    {"typelem", TYPE_OID}, {"typarray", TYPE_OID}, {"typinput", TYPE_REGPROC},
    {"typoutput", TYPE_REGPROC}, {"typreceive", TYPE_REGPROC}, {"typsend", TYPE_REGPROC},
    {"typmodin", TYPE_REGPROC}, {"typmodout", TYPE_REGPROC}, {"typanalyze", TYPE_REGPROC},
    {"typalign", TYPE_CHAR}, {"typstorage", TYPE_CHAR}, {"typnotnull", TYPE_BOOL},
    {"typbasetype", TYPE_OID}, {"typtypmod", TYPE_INT4}, {"typndims", TYPE_INT4},
    {"typcollation", TYPE_OID}, {"typdefaultbin", TYPE_PG_NODE_TREE}, {"typdefault", TYPE_TEXT},
    {"typacl", TYPE_ACLITEM_ARRAY},
};
static const struct virtual_column pg_user_mapping_columns[] = {
    {"oid", TYPE_OID}, {"umuser", TYPE_OID}, {"umserver", TYPE_OID},
    {"umoptions", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_group_columns[] = {
    {"groname", TYPE_NAME}, {"grosysid", TYPE_OID}, {"grolist", TYPE_OID_ARRAY},
};
static const struct virtual_column pg_indexes_columns[] = {
    {"schemaname", TYPE_NAME}, {"tablename", TYPE_NAME}, {"indexname", TYPE_NAME},
    {"tablespace", TYPE_NAME}, {"indexdef", TYPE_TEXT},
};
static const struct virtual_column pg_locks_columns[] = {
    {"locktype", TYPE_TEXT}, {"database", TYPE_OID}, {"relation", TYPE_OID}, {"page", TYPE_INT4},
    {"tuple", TYPE_INT2}, {"virtualxid", TYPE_TEXT}, {"transactionid", TYPE_XID},
    {"classid", TYPE_OID}, {"objid", TYPE_OID}, {"objsubid", TYPE_INT2},
    {"virtualtransaction", TYPE_TEXT}, {"pid", TYPE_INT4}, {"mode", TYPE_TEXT},
    {"granted", TYPE_BOOL}, {"fastpath", TYPE_BOOL}, {"waitstart", TYPE_TIMESTAMPTZ},
};
static const struct virtual_column pg_matviews_columns[] = {
    {"schemaname", TYPE_NAME}, {"matviewname", TYPE_NAME}, {"matviewowner", TYPE_NAME},
    {"tablespace", TYPE_NAME}, {"hasindexes", TYPE_BOOL}, {"ispopulated", TYPE_BOOL},
    {"definition", TYPE_TEXT},
};
static const struct virtual_column pg_policies_columns[] = {
    {"schemaname", TYPE_NAME}, {"tablename", TYPE_NAME}, {"policyname", TYPE_NAME},
    {"permissive", TYPE_TEXT}, {"roles", TYPE_NAME_ARRAY}, {"cmd", TYPE_TEXT}, {"qual", TYPE_TEXT},
    {"with_check", TYPE_TEXT},
};
static const struct virtual_column pg_prepared_xacts_columns[] = {
    {"transaction", TYPE_XID}, {"gid", TYPE_TEXT}, {"prepared", TYPE_TIMESTAMPTZ},
    {"owner", TYPE_NAME}, {"database", TYPE_NAME},
};
static const struct virtual_column pg_publication_tables_columns[] = {
    {"pubname", TYPE_NAME}, {"schemaname", TYPE_NAME}, {"tablename", TYPE_NAME},
    {"attnames", TYPE_NAME_ARRAY}, {"rowfilter", TYPE_TEXT},
};
static const struct virtual_column pg_replication_slots_columns[] = {
    {"slot_name", TYPE_NAME}, {"plugin", TYPE_NAME}, {"slot_type", TYPE_TEXT},
    {"datoid", TYPE_OID}, {"database", TYPE_NAME}, {"temporary", TYPE_BOOL}, {"active", TYPE_BOOL},
    {"active_pid", TYPE_INT4}, {"xmin", TYPE_XID}, {"catalog_xmin", TYPE_XID},
    {"restart_lsn", TYPE_TEXT}, {"confirmed_flush_lsn", TYPE_TEXT}, {"wal_status", TYPE_TEXT},
    {"safe_wal_size", TYPE_INT8}, {"two_phase", TYPE_BOOL},
};
static const struct virtual_column pg_roles_columns[] = {
    {"rolname", TYPE_NAME}, {"rolsuper", TYPE_BOOL}, {"rolinherit", TYPE_BOOL},
    {"rolcreaterole", TYPE_BOOL}, {"rolcreatedb", TYPE_BOOL}, {"rolcanlogin", TYPE_BOOL},
    {"rolreplication", TYPE_BOOL}, {"rolconnlimit", TYPE_INT4}, {"rolpassword", TYPE_TEXT},
    {"rolvaliduntil", TYPE_TIMESTAMPTZ}, {"rolbypassrls", TYPE_BOOL},
    {"rolconfig", TYPE_TEXT_ARRAY}, {"oid", TYPE_OID},
};
static const struct virtual_column pg_rules_columns[] = {
    {"schemaname", TYPE_NAME}, {"tablename", TYPE_NAME}, {"rulename", TYPE_NAME},
    {"definition", TYPE_TEXT},
};
static const struct virtual_column pg_seclabels_columns[] = {
    {"objoid", TYPE_OID}, {"classoid", TYPE_OID}, {"objsubid", TYPE_INT4}, {"objtype", TYPE_TEXT},
    {"objnamespace", TYPE_OID}, {"objname", TYPE_TEXT}, {"provider", TYPE_TEXT},
    {"label", TYPE_TEXT},
};
static const struct virtual_column pg_sequences_columns[] = {
    {"schemaname", TYPE_NAME}, {"sequencename", TYPE_NAME}, {"sequenceowner", TYPE_NAME},
    {"data_type", TYPE_REGTYPE}, {"start_value", TYPE_INT8}, {"min_value", TYPE_INT8},
    {"max_value", TYPE_INT8}, {"increment_by", TYPE_INT8}, {"cycle", TYPE_BOOL},
    {"cache_size", TYPE_INT8}, {"last_value", TYPE_INT8},
};
static const struct virtual_column pg_shadow_columns[] = {
    {"usename", TYPE_NAME}, {"usesysid", TYPE_OID}, {"usecreatedb", TYPE_BOOL},
    {"usesuper", TYPE_BOOL}, {"userepl", TYPE_BOOL}, {"usebypassrls", TYPE_BOOL},
    {"passwd", TYPE_TEXT}, {"valuntil", TYPE_TIMESTAMPTZ}, {"useconfig", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_stats_columns[] = {
    {"schemaname", TYPE_NAME}, {"tablename", TYPE_NAME}, {"attname", TYPE_NAME},
    {"inherited", TYPE_BOOL}, {"null_frac", TYPE_FLOAT4}, {"avg_width", TYPE_INT4},
    {"n_distinct", TYPE_FLOAT4}, {"most_common_vals", TYPE_TEXT_ARRAY},
    {"most_common_freqs", TYPE_TEXT_ARRAY}, {"histogram_bounds", TYPE_TEXT_ARRAY},
    {"correlation", TYPE_FLOAT4}, {"most_common_elems", TYPE_TEXT_ARRAY},
    {"most_common_elem_freqs", TYPE_TEXT_ARRAY}, {"elem_count_histogram", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_tables_columns[] = {
    {"schemaname", TYPE_NAME}, {"tablename", TYPE_NAME}, {"tableowner", TYPE_NAME},
    {"tablespace", TYPE_NAME}, {"hasindexes", TYPE_BOOL}, {"hasrules", TYPE_BOOL},
    {"hastriggers", TYPE_BOOL}, {"rowsecurity", TYPE_BOOL},
};
static const struct virtual_column pg_user_columns[] = {
    {"usename", TYPE_NAME}, {"usesysid", TYPE_OID}, {"usecreatedb", TYPE_BOOL},
    {"usesuper", TYPE_BOOL}, {"userepl", TYPE_BOOL}, {"usebypassrls", TYPE_BOOL},
    {"passwd", TYPE_TEXT}, {"valuntil", TYPE_TIMESTAMPTZ}, {"useconfig", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_user_mappings_columns[] = {
    {"umid", TYPE_OID}, {"srvid", TYPE_OID}, {"srvname", TYPE_NAME}, {"umuser", TYPE_OID},
    {"usename", TYPE_NAME}, {"umoptions", TYPE_TEXT_ARRAY},
};
static const struct virtual_column pg_views_columns[] = {
    {"schemaname", TYPE_NAME}, {"viewname", TYPE_NAME}, {"viewowner", TYPE_NAME},
    {"definition", TYPE_TEXT},
};
static const struct virtual_column pg_available_extensions_columns[] = {
    {"name", TYPE_NAME}, {"default_version", TYPE_TEXT}, {"installed_version", TYPE_TEXT},
    {"comment", TYPE_TEXT},
};
static const struct virtual_column pg_available_extension_versions_columns[] = {
    {"name", TYPE_NAME}, {"version", TYPE_TEXT}, {"installed", TYPE_BOOL},
    {"superuser", TYPE_BOOL}, {"trusted", TYPE_BOOL}, {"relocatable", TYPE_BOOL},
    {"schema", TYPE_NAME}, {"requires", TYPE_NAME_ARRAY}, {"comment", TYPE_TEXT},
};

const struct virtual_table virtual_catalog_tables[] = {
    RELATION(2600, 10027, 'r', pg_aggregate, NULL),
    RELATION(2601, 10015, 'r', pg_am, virtual__pg_am),
    RELATION(2602, 10017, 'r', pg_amop, NULL),
    RELATION(2603, 10019, 'r', pg_amproc, NULL),
    RELATION(1261, 2843, 'r', pg_auth_members, NULL),
    RELATION(2605, 10043, 'r', pg_cast, NULL),
    RELATION(3456, 10095, 'r', pg_collation, virtual__pg_collation),
    RELATION(2607, 10049, 'r', pg_conversion, NULL),
    RELATION(2964, 10054, 'r', pg_db_role_setting, NULL),
    RELATION(826, 10088, 'r', pg_default_acl, NULL),
    RELATION(3501, 10045, 'r', pg_enum, NULL),
    RELATION(3466, 10039, 'r', pg_event_trigger, NULL),
    RELATION(3079, 10074, 'r', pg_extension, NULL),
    RELATION(2328, 10076, 'r', pg_foreign_data_wrapper, NULL),
    RELATION(1417, 10078, 'r', pg_foreign_server, NULL),
    RELATION(3118, 10082, 'r', pg_foreign_table, NULL),
    RELATION(2611, 10005, 'r', pg_inherits, NULL),
    RELATION(3394, 10090, 'r', pg_init_privs, NULL),
    RELATION(2612, 10021, 'r', pg_language, virtual__pg_language),
    RELATION(2995, 10023, 'r', pg_largeobject_metadata, NULL),
    RELATION(2616, 10013, 'r', pg_opclass, virtual__pg_opclass),
    RELATION(2617, 10009, 'r', pg_operator, NULL),
    RELATION(2753, 10011, 'r', pg_opfamily, virtual__pg_opfamily),
    RELATION(3350, 10099, 'r', pg_partitioned_table, NULL),
    RELATION(3256, 10084, 'r', pg_policy, NULL),
    RELATION(1255, 81, 'r', pg_proc, NULL),
    RELATION(6104, 10107, 'r', pg_publication, NULL),
    RELATION(6237, 10109, 'r', pg_publication_namespace, NULL),
    RELATION(6106, 10111, 'r', pg_publication_rel, NULL),
    RELATION(3541, 10101, 'r', pg_range, NULL),
    RELATION(2618, 10035, 'r', pg_rewrite, virtual__pg_rewrite),
    RELATION(3596, 10092, 'r', pg_seclabel, NULL),
    RELATION(1214, 10060, 'r', pg_shdepend, NULL),
    RELATION(2396, 10062, 'r', pg_shdescription, NULL),
    RELATION(3381, 10031, 'r', pg_statistic_ext, NULL),
    RELATION(6100, 6101, 'r', pg_subscription, NULL),
    RELATION(6102, 10114, 'r', pg_subscription_rel, NULL),
    RELATION(1213, 10056, 'r', pg_tablespace, virtual__pg_tablespace),
    RELATION(3576, 10103, 'r', pg_transform, NULL),
    RELATION(2620, 10037, 'r', pg_trigger, NULL),
    RELATION(3602, 10064, 'r', pg_ts_config, NULL),
    RELATION(3603, 10066, 'r', pg_ts_config_map, NULL),
    RELATION(3600, 10068, 'r', pg_ts_dict, NULL),
    RELATION(3601, 10070, 'r', pg_ts_parser, NULL),
    RELATION(3764, 10072, 'r', pg_ts_template, NULL),
    RELATION(1247, 71, 'r', pg_type, virtual__pg_type),
    RELATION(1418, 10080, 'r', pg_user_mapping, NULL),
    RELATION(12010, 12012, 'v', pg_group, NULL),
    RELATION(12043, 12045, 'v', pg_indexes, virtual__pg_indexes),
    RELATION(12073, 12075, 'v', pg_locks, virtual__pg_locks),
    RELATION(12038, 12040, 'v', pg_matviews, NULL),
    RELATION(12018, 12020, 'v', pg_policies, NULL),
    RELATION(12090, 12092, 'v', pg_prepared_xacts, NULL),
    RELATION(12068, 12070, 'v', pg_publication_tables, NULL),
    RELATION(12257, 12259, 'v', pg_replication_slots, NULL),
    RELATION(12000, 12002, 'v', pg_roles, virtual__pg_roles),
    RELATION(12023, 12025, 'v', pg_rules, NULL),
    RELATION(12099, 12101, 'v', pg_seclabels, NULL),
    RELATION(12048, 12050, 'v', pg_sequences, virtual__pg_sequences),
    RELATION(12005, 12007, 'v', pg_shadow, virtual__pg_shadow),
    RELATION(12053, 12055, 'v', pg_stats, virtual__pg_stats),
    RELATION(12033, 12035, 'v', pg_tables, virtual__pg_tables),
    RELATION(12014, 12016, 'v', pg_user, virtual__pg_user),
    RELATION(12327, 12329, 'v', pg_user_mappings, NULL),
    RELATION(12028, 12030, 'v', pg_views, virtual__pg_views),
    RELATION(12081, 12083, 'v', pg_available_extensions, NULL),
    RELATION(12085, 12087, 'v', pg_available_extension_versions, NULL),
};
const size_t virtual_catalog_tables_count =
    sizeof virtual_catalog_tables / sizeof virtual_catalog_tables[0];
