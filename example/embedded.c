/*
 * satori as a library: open a database in this process, write, read, handle an error, close.
 *
 *     cc example/embedded.c -Iinclude -Lbuild -lsatori $(libraries named in the README) -o embedded
 *     ./embedded DIR
 */
#include <satori.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void execute(struct satori_connection *connection, const char *sql) {
    if (satori_execute(connection, sql) != SATORI_OK)
        fail(sql, satori_message(connection));
}

static void insert_cities(struct satori_connection *connection) {
    static const struct {
        const char *name;
        long long people;
    } cities[] = {{"Kyoto", 1464890}, {"Nara", 367353}, {"Osaka", 2753862}};
    struct satori_statement *insert;
    if (satori_prepare(connection, "insert into city (name, people) values ($1, $2)", &insert) !=
        SATORI_OK)
        fail("prepare", satori_message(connection));
    execute(connection, "begin");
    for (size_t i = 0; i < sizeof cities / sizeof cities[0]; i++) {
        satori_bind_text(insert, 1, cities[i].name);
        satori_bind_int64(insert, 2, cities[i].people);
        if (satori_step(insert) != SATORI_DONE)
            fail("insert", satori_message(connection));
        satori_reset(insert);
    }
    satori_finalize(insert);
    execute(connection, "commit");
}

static void print_cities(struct satori_connection *connection) {
    struct satori_statement *select;
    if (satori_prepare(connection,
                       "select name, people, round(people / 1e6, 2) from city where people > $1 "
                       "order by people desc",
                       &select) != SATORI_OK)
        fail("prepare", satori_message(connection));
    satori_bind_int64(select, 1, 1000000);
    int result;
    while ((result = satori_step(select)) == SATORI_ROW)
        printf("%s has %lld people, %s million\n", satori_text(select, 0),
               (long long)satori_int64(select, 1), satori_text(select, 2));
    if (result != SATORI_DONE)
        fail("select", satori_message(connection));
    satori_finalize(select);
}

int main(int argc, char **argv) {
    struct satori *database = NULL;
    struct satori_connection *connection = NULL;
    const struct satori_options options = {.create = 1, .cores = 1, .memory = 64 << 20};
    if (argc != 2)
        fail("usage", "embedded DIR");
    if (satori_open(argv[1], &options, &database) != SATORI_OK ||
        satori_connect(database, &connection) != SATORI_OK)
        fail(argv[1], satori_open_error());
    execute(connection, "create table if not exists city (name text primary key, people bigint)");
    execute(connection, "delete from city");
    insert_cities(connection);
    print_cities(connection);
    if (satori_execute(connection, "insert into city values ('Nara', 1)") == SATORI_OK)
        fail("duplicate", "it was taken");
    printf("refused with %s: %s\n", satori_sqlstate(connection), satori_message(connection));
    satori_disconnect(connection);
    satori_close(database);
    return 0;
}
