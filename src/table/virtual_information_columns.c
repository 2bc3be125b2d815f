/*
 * Views of information_schema: what they are, with PostgreSQL 15's columns and oids. How their
 * rows are made is in virtual_information.c; those without a function are empty.
 */
#include "table/virtual.h"

#include "value/value_type.h"

/* clang-format off */
#define RELATION(oid_, type_oid_, kind_, name_, rows_)                                             \
    {                                                                                              \
        .oid = oid_, .namespace_name = "information_schema", .name = #name_,                       \
        .column_count = sizeof name_##_columns / sizeof name_##_columns[0],                        \
        .columns = name_##_columns, .rows = rows_, .kind = kind_, .type_oid = type_oid_,           \
    }

static const struct virtual_column tables_columns[] = {
    {"table_catalog", TYPE_NAME}, {"table_schema", TYPE_NAME}, {"table_name", TYPE_NAME},
    {"table_type", TYPE_VARCHAR}, {"self_referencing_column_name", TYPE_NAME},
    {"reference_generation", TYPE_VARCHAR}, {"user_defined_type_catalog", TYPE_NAME},
    {"user_defined_type_schema", TYPE_NAME}, {"user_defined_type_name", TYPE_NAME},
    {"is_insertable_into", TYPE_VARCHAR}, {"is_typed", TYPE_VARCHAR},
    {"commit_action", TYPE_VARCHAR},
};
static const struct virtual_column columns_columns[] = {
    {"table_catalog", TYPE_NAME}, {"table_schema", TYPE_NAME}, {"table_name", TYPE_NAME},
    {"column_name", TYPE_NAME}, {"ordinal_position", TYPE_INT4}, {"column_default", TYPE_VARCHAR},
    {"is_nullable", TYPE_VARCHAR}, {"data_type", TYPE_VARCHAR},
    {"character_maximum_length", TYPE_INT4}, {"character_octet_length", TYPE_INT4},
    {"numeric_precision", TYPE_INT4}, {"numeric_precision_radix", TYPE_INT4},
    {"numeric_scale", TYPE_INT4}, {"datetime_precision", TYPE_INT4},
    {"interval_type", TYPE_VARCHAR}, {"interval_precision", TYPE_INT4},
    {"character_set_catalog", TYPE_NAME}, {"character_set_schema", TYPE_NAME},
    {"character_set_name", TYPE_NAME}, {"collation_catalog", TYPE_NAME},
    {"collation_schema", TYPE_NAME}, {"collation_name", TYPE_NAME}, {"domain_catalog", TYPE_NAME},
    {"domain_schema", TYPE_NAME}, {"domain_name", TYPE_NAME}, {"udt_catalog", TYPE_NAME},
    {"udt_schema", TYPE_NAME}, {"udt_name", TYPE_NAME}, {"scope_catalog", TYPE_NAME},
    {"scope_schema", TYPE_NAME}, {"scope_name", TYPE_NAME}, {"maximum_cardinality", TYPE_INT4},
    {"dtd_identifier", TYPE_NAME}, {"is_self_referencing", TYPE_VARCHAR},
    {"is_identity", TYPE_VARCHAR}, {"identity_generation", TYPE_VARCHAR},
    {"identity_start", TYPE_VARCHAR}, {"identity_increment", TYPE_VARCHAR},
    {"identity_maximum", TYPE_VARCHAR}, {"identity_minimum", TYPE_VARCHAR},
    {"identity_cycle", TYPE_VARCHAR}, {"is_generated", TYPE_VARCHAR},
    {"generation_expression", TYPE_VARCHAR}, {"is_updatable", TYPE_VARCHAR},
};
static const struct virtual_column schemata_columns[] = {
    {"catalog_name", TYPE_NAME}, {"schema_name", TYPE_NAME}, {"schema_owner", TYPE_NAME},
    {"default_character_set_catalog", TYPE_NAME}, {"default_character_set_schema", TYPE_NAME},
    {"default_character_set_name", TYPE_NAME}, {"sql_path", TYPE_VARCHAR},
};
static const struct virtual_column table_constraints_columns[] = {
    {"constraint_catalog", TYPE_NAME}, {"constraint_schema", TYPE_NAME},
    {"constraint_name", TYPE_NAME}, {"table_catalog", TYPE_NAME}, {"table_schema", TYPE_NAME},
    {"table_name", TYPE_NAME}, {"constraint_type", TYPE_VARCHAR}, {"is_deferrable", TYPE_VARCHAR},
    {"initially_deferred", TYPE_VARCHAR}, {"enforced", TYPE_VARCHAR},
    {"nulls_distinct", TYPE_VARCHAR},
};
static const struct virtual_column key_column_usage_columns[] = {
    {"constraint_catalog", TYPE_NAME}, {"constraint_schema", TYPE_NAME},
    {"constraint_name", TYPE_NAME}, {"table_catalog", TYPE_NAME}, {"table_schema", TYPE_NAME},
    {"table_name", TYPE_NAME}, {"column_name", TYPE_NAME}, {"ordinal_position", TYPE_INT4},
    {"position_in_unique_constraint", TYPE_INT4},
};
static const struct virtual_column sequences_columns[] = {
    {"sequence_catalog", TYPE_NAME}, {"sequence_schema", TYPE_NAME}, {"sequence_name", TYPE_NAME},
    {"data_type", TYPE_VARCHAR}, {"numeric_precision", TYPE_INT4},
    {"numeric_precision_radix", TYPE_INT4}, {"numeric_scale", TYPE_INT4},
    {"start_value", TYPE_VARCHAR}, {"minimum_value", TYPE_VARCHAR},
    {"maximum_value", TYPE_VARCHAR}, {"increment", TYPE_VARCHAR}, {"cycle_option", TYPE_VARCHAR},
};
static const struct virtual_column constraint_column_usage_columns[] = {
    {"table_catalog", TYPE_NAME}, {"table_schema", TYPE_NAME}, {"table_name", TYPE_NAME},
    {"column_name", TYPE_NAME}, {"constraint_catalog", TYPE_NAME},
    {"constraint_schema", TYPE_NAME}, {"constraint_name", TYPE_NAME},
};
static const struct virtual_column check_constraints_columns[] = {
    {"constraint_catalog", TYPE_NAME}, {"constraint_schema", TYPE_NAME},
    {"constraint_name", TYPE_NAME}, {"check_clause", TYPE_VARCHAR},
};
static const struct virtual_column referential_constraints_columns[] = {
    {"constraint_catalog", TYPE_NAME}, {"constraint_schema", TYPE_NAME},
    {"constraint_name", TYPE_NAME}, {"unique_constraint_catalog", TYPE_NAME},
    {"unique_constraint_schema", TYPE_NAME}, {"unique_constraint_name", TYPE_NAME},
    {"match_option", TYPE_VARCHAR}, {"update_rule", TYPE_VARCHAR}, {"delete_rule", TYPE_VARCHAR},
};
static const struct virtual_column views_columns[] = {
    {"table_catalog", TYPE_NAME}, {"table_schema", TYPE_NAME}, {"table_name", TYPE_NAME},
    {"view_definition", TYPE_VARCHAR}, {"check_option", TYPE_VARCHAR},
    {"is_updatable", TYPE_VARCHAR}, {"is_insertable_into", TYPE_VARCHAR},
    {"is_trigger_updatable", TYPE_VARCHAR}, {"is_trigger_deletable", TYPE_VARCHAR},
    {"is_trigger_insertable_into", TYPE_VARCHAR},
};
static const struct virtual_column routines_columns[] = {
    {"specific_catalog", TYPE_NAME}, {"specific_schema", TYPE_NAME}, {"specific_name", TYPE_NAME},
    {"routine_catalog", TYPE_NAME}, {"routine_schema", TYPE_NAME}, {"routine_name", TYPE_NAME},
    {"routine_type", TYPE_VARCHAR}, {"module_catalog", TYPE_NAME}, {"module_schema", TYPE_NAME},
    {"module_name", TYPE_NAME}, {"udt_catalog", TYPE_NAME}, {"udt_schema", TYPE_NAME},
    {"udt_name", TYPE_NAME}, {"data_type", TYPE_VARCHAR}, {"character_maximum_length", TYPE_INT4},
    {"character_octet_length", TYPE_INT4}, {"character_set_catalog", TYPE_NAME},
    {"character_set_schema", TYPE_NAME}, {"character_set_name", TYPE_NAME},
    {"collation_catalog", TYPE_NAME}, {"collation_schema", TYPE_NAME},
    {"collation_name", TYPE_NAME}, {"numeric_precision", TYPE_INT4},
    {"numeric_precision_radix", TYPE_INT4}, {"numeric_scale", TYPE_INT4},
    {"datetime_precision", TYPE_INT4}, {"interval_type", TYPE_VARCHAR},
    {"interval_precision", TYPE_INT4}, {"type_udt_catalog", TYPE_NAME},
    {"type_udt_schema", TYPE_NAME}, {"type_udt_name", TYPE_NAME}, {"scope_catalog", TYPE_NAME},
    {"scope_schema", TYPE_NAME}, {"scope_name", TYPE_NAME}, {"maximum_cardinality", TYPE_INT4},
    {"dtd_identifier", TYPE_NAME}, {"routine_body", TYPE_VARCHAR},
    {"routine_definition", TYPE_VARCHAR}, {"external_name", TYPE_VARCHAR},
    {"external_language", TYPE_VARCHAR}, {"parameter_style", TYPE_VARCHAR},
    {"is_deterministic", TYPE_VARCHAR}, {"sql_data_access", TYPE_VARCHAR},
    {"is_null_call", TYPE_VARCHAR}, {"sql_path", TYPE_VARCHAR},
    {"schema_level_routine", TYPE_VARCHAR}, {"max_dynamic_result_sets", TYPE_INT4},
    {"is_user_defined_cast", TYPE_VARCHAR}, {"is_implicitly_invocable", TYPE_VARCHAR},
    {"security_type", TYPE_VARCHAR}, {"to_sql_specific_catalog", TYPE_NAME},
    {"to_sql_specific_schema", TYPE_NAME}, {"to_sql_specific_name", TYPE_NAME},
    {"as_locator", TYPE_VARCHAR}, {"created", TYPE_TIMESTAMPTZ},
    {"last_altered", TYPE_TIMESTAMPTZ}, {"new_savepoint_level", TYPE_VARCHAR},
    {"is_udt_dependent", TYPE_VARCHAR}, {"result_cast_from_data_type", TYPE_VARCHAR},
    {"result_cast_as_locator", TYPE_VARCHAR}, {"result_cast_char_max_length", TYPE_INT4},
    {"result_cast_char_octet_length", TYPE_INT4}, {"result_cast_char_set_catalog", TYPE_NAME},
    {"result_cast_char_set_schema", TYPE_NAME}, {"result_cast_char_set_name", TYPE_NAME},
    {"result_cast_collation_catalog", TYPE_NAME}, {"result_cast_collation_schema", TYPE_NAME},
    {"result_cast_collation_name", TYPE_NAME}, {"result_cast_numeric_precision", TYPE_INT4},
    {"result_cast_numeric_precision_radix", TYPE_INT4}, {"result_cast_numeric_scale", TYPE_INT4},
    {"result_cast_datetime_precision", TYPE_INT4}, {"result_cast_interval_type", TYPE_VARCHAR},
    {"result_cast_interval_precision", TYPE_INT4}, {"result_cast_type_udt_catalog", TYPE_NAME},
    {"result_cast_type_udt_schema", TYPE_NAME}, {"result_cast_type_udt_name", TYPE_NAME},
    {"result_cast_scope_catalog", TYPE_NAME}, {"result_cast_scope_schema", TYPE_NAME},
    {"result_cast_scope_name", TYPE_NAME}, {"result_cast_maximum_cardinality", TYPE_INT4},
    {"result_cast_dtd_identifier", TYPE_NAME},
};
static const struct virtual_column parameters_columns[] = {
    {"specific_catalog", TYPE_NAME}, {"specific_schema", TYPE_NAME}, {"specific_name", TYPE_NAME},
    {"ordinal_position", TYPE_INT4}, {"parameter_mode", TYPE_VARCHAR}, {"is_result", TYPE_VARCHAR},
    {"as_locator", TYPE_VARCHAR}, {"parameter_name", TYPE_NAME}, {"data_type", TYPE_VARCHAR},
    {"character_maximum_length", TYPE_INT4}, {"character_octet_length", TYPE_INT4},
    {"character_set_catalog", TYPE_NAME}, {"character_set_schema", TYPE_NAME},
    {"character_set_name", TYPE_NAME}, {"collation_catalog", TYPE_NAME},
    {"collation_schema", TYPE_NAME}, {"collation_name", TYPE_NAME},
    {"numeric_precision", TYPE_INT4}, {"numeric_precision_radix", TYPE_INT4},
    {"numeric_scale", TYPE_INT4}, {"datetime_precision", TYPE_INT4},
    {"interval_type", TYPE_VARCHAR}, {"interval_precision", TYPE_INT4}, {"udt_catalog", TYPE_NAME},
    {"udt_schema", TYPE_NAME}, {"udt_name", TYPE_NAME}, {"scope_catalog", TYPE_NAME},
    {"scope_schema", TYPE_NAME}, {"scope_name", TYPE_NAME}, {"maximum_cardinality", TYPE_INT4},
    {"dtd_identifier", TYPE_NAME}, {"parameter_default", TYPE_VARCHAR},
};
static const struct virtual_column triggers_columns[] = {
    {"trigger_catalog", TYPE_NAME}, {"trigger_schema", TYPE_NAME}, {"trigger_name", TYPE_NAME},
    {"event_manipulation", TYPE_VARCHAR}, {"event_object_catalog", TYPE_NAME},
    {"event_object_schema", TYPE_NAME}, {"event_object_table", TYPE_NAME},
    {"action_order", TYPE_INT4}, {"action_condition", TYPE_VARCHAR},
    {"action_statement", TYPE_VARCHAR}, {"action_orientation", TYPE_VARCHAR},
    {"action_timing", TYPE_VARCHAR}, {"action_reference_old_table", TYPE_NAME},
    {"action_reference_new_table", TYPE_NAME}, {"action_reference_old_row", TYPE_NAME},
    {"action_reference_new_row", TYPE_NAME}, {"created", TYPE_TIMESTAMPTZ},
};
static const struct virtual_column enabled_roles_columns[] = {
    {"role_name", TYPE_NAME},
};

const struct virtual_table virtual_information_tables[] = {
    RELATION(13425, 13427, 'v', tables, virtual__information_tables),
    RELATION(13295, 13297, 'v', columns, virtual__information_columns),
    RELATION(13382, 13384, 'v', schemata, virtual__information_schemata),
    RELATION(13411, 13413, 'v', table_constraints, virtual__information_table_constraints),
    RELATION(13329, 13331, 'v', key_column_usage, virtual__information_key_column_usage),
    RELATION(13386, 13388, 'v', sequences, virtual__information_sequences),
    RELATION(13300, 13302, 'v', constraint_column_usage,
             virtual__information_constraint_column_usage),
    RELATION(13260, 13262, 'v', check_constraints, virtual__information_check_constraints),
    RELATION(13339, 13341, 'v', referential_constraints, NULL),
    RELATION(13483, 13485, 'v', views, NULL),
    RELATION(13377, 13379, 'v', routines, NULL),
    RELATION(13334, 13336, 'v', parameters, NULL),
    RELATION(13440, 13442, 'v', triggers, NULL),
    RELATION(13325, 13327, 'v', enabled_roles, NULL),
};
const size_t virtual_information_tables_count =
    sizeof virtual_information_tables / sizeof virtual_information_tables[0];
