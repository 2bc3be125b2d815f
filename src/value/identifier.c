/* Names and strings as SQL shows them. */
#include <stdio.h>
#include <string.h>

#include "value/value_text.h"

static bool needs_quotes(struct slice name) {
    if (name.size == 0 || !((name.data[0] >= 'a' && name.data[0] <= 'z') || name.data[0] == '_'))
        return true;
    for (size_t i = 1; i < name.size; i++) {
        uint8_t byte = name.data[i];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_'))
            return true;
    }
    /* The words PostgreSQL's quote_identifier quotes: every keyword that is not "unreserved". */
    static const char *const words =
        " all analyse analyze and any array as asc asymmetric authorization between bigint binary "
        "bit boolean both case cast char character check coalesce collate collation column "
        "concurrently constraint create cross current_catalog current_date current_role "
        "current_schema current_time current_timestamp current_user dec decimal default deferrable "
        "desc distinct do else end except exists extract false fetch float for foreign freeze from "
        "full grant greatest group grouping having ilike in initially inner inout int integer "
        "intersect interval into is isnull join lateral leading least left like limit localtime "
        "localtimestamp national natural nchar none normalize not notnull null nullif numeric "
        "offset on only or order out outer overlaps overlay placing position precision primary "
        "real references returning right row select session_user setof similar smallint some "
        "substring symmetric table tablesample then time timestamp to trailing treat trim true "
        "union unique user using values varchar variadic verbose when where window with "
        "xmlattributes "
        "xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot "
        "xmlserialize "
        "xmltable ";
    char word[66];
    if (name.size > 63)
        return false;
    snprintf(word, sizeof word, " %.*s ", (int)name.size, (const char *)name.data);
    return strstr(words, word) != NULL;
}

void identifier_append(struct buffer *buffer, struct slice name) {
    if (!needs_quotes(name)) {
        buffer_append_slice(buffer, name);
        return;
    }
    buffer_append_byte(buffer, '"');
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '"')
            buffer_append_byte(buffer, '"');
        buffer_append_byte(buffer, name.data[i]);
    }
    buffer_append_byte(buffer, '"');
}

void literal_append(struct buffer *buffer, struct slice text) {
    buffer_append_byte(buffer, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'')
            buffer_append_byte(buffer, '\'');
        buffer_append_byte(buffer, text.data[i]);
    }
    buffer_append_byte(buffer, '\'');
}
