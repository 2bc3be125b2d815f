/* Backslash commands of the shell. The describing ones ask the catalog in plain SQL. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/shell.h"

static void list_relations(struct shell *shell, const char *kinds) {
    char sql[1024];
    snprintf(sql, sizeof sql,
             "select n.nspname as \"Schema\", c.relname as \"Name\", case c.relkind when 'r' then "
             "'table' when 'i' then 'index' when 'S' then 'sequence' when 'v' then 'view' end as "
             "\"Type\", 'satori' as \"Owner\" from pg_catalog.pg_class c join "
             "pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in (%s) and "
             "n.nspname <> 'pg_catalog' and n.nspname <> 'information_schema' order by 1, 2",
             kinds);
    shell__run(shell, sql);
}

/* The name as a string literal, folded to lower case unless it is quoted. */
static void literal(const char *name, char *text, size_t size) {
    size_t at = 0;
    bool quoted = false;
    text[at++] = '\'';
    for (; *name != '\0' && *name != ';' && !isspace((unsigned char)*name) && at + 3 < size;
         name++) {
        if (*name == '"') {
            quoted = !quoted;
            continue;
        }
        if (*name == '\'')
            text[at++] = '\'';
        text[at++] = quoted ? *name : (char)tolower((unsigned char)*name);
    }
    text[at++] = '\'';
    text[at] = '\0';
}

static void describe(struct shell *shell, const char *name) {
    char sql[2048], quoted[160];
    literal(name, quoted, sizeof quoted);
    printf("Table %s\n", quoted);
    snprintf(sql, sizeof sql,
             "select a.attname as \"Column\", pg_catalog.format_type(a.atttypid, a.atttypmod) as "
             "\"Type\", case when a.attnotnull then 'not null' else '' end as \"Nullable\", "
             "coalesce((select pg_catalog.pg_get_expr(d.adbin, d.adrelid) from "
             "pg_catalog.pg_attrdef d where d.adrelid = a.attrelid and d.adnum = a.attnum), '') as "
             "\"Default\" from pg_catalog.pg_attribute a where a.attrelid = %s::regclass and "
             "a.attnum > 0 and not a.attisdropped order by a.attnum",
             quoted);
    if (!shell__run(shell, sql))
        return;
    snprintf(
        sql, sizeof sql,
        "select pg_catalog.pg_get_indexdef(i.indexrelid) as \"Indexes\" from "
        "pg_catalog.pg_index i where i.indrelid = %s::regclass order by i.indisprimary desc, 1",
        quoted);
    shell__run(shell, sql);
}

static void help(void) {
    puts("\\?           this help\n"
         "\\d           list tables and sequences\n"
         "\\d NAME      describe a table\n"
         "\\dt \\di \\ds  list tables, indexes, sequences\n"
         "\\timing      show how long statements take\n"
         "\\x           one column a line\n"
         "\\i FILE      run the statements of a file\n"
         "\\q           leave\n"
         "Statements end with ';'. COPY t FROM STDIN reads the lines behind it up to \\.");
}

static void run_file(struct shell *shell, const char *path) {
    char name[512];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(path, " \t\r\n;"), path);
    FILE *file = fopen(name, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: cannot be read\n", name);
        shell->failed = true;
        return;
    }
    shell__run_stream(shell, file);
    fclose(file);
}

void shell__command(struct shell *shell, const char *line) {
    char word[16];
    size_t size = strcspn(line, " \t\r\n;");
    snprintf(word, sizeof word, "%.*s", (int)size, line);
    const char *argument = line + size;
    argument += strspn(argument, " \t");
    bool has_argument = argument[0] != '\0' && argument[0] != '\n' && argument[0] != ';';
    if (strcmp(word, "\\q") == 0)
        shell->done = true;
    else if (strcmp(word, "\\?") == 0)
        help();
    else if (strcmp(word, "\\timing") == 0)
        printf("Timing is %s.\n", (shell->timing = !shell->timing) ? "on" : "off");
    else if (strcmp(word, "\\x") == 0)
        printf("Expanded display is %s.\n", (shell->expanded = !shell->expanded) ? "on" : "off");
    else if (strcmp(word, "\\i") == 0 && has_argument)
        run_file(shell, argument);
    else if (strcmp(word, "\\d") == 0 && has_argument)
        describe(shell, argument);
    else if (strcmp(word, "\\d") == 0)
        list_relations(shell, "'r', 'S'");
    else if (strcmp(word, "\\dt") == 0)
        list_relations(shell, "'r'");
    else if (strcmp(word, "\\di") == 0)
        list_relations(shell, "'i'");
    else if (strcmp(word, "\\ds") == 0)
        list_relations(shell, "'S'");
    else {
        fprintf(stderr, "invalid command %s; \\? lists the commands\n", word);
        shell->failed = true;
    }
}
