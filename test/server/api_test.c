#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "satori.h"

enum { CANCELS = 400 };

static struct satori *open_new(char directory[32]) {
    const struct satori_options options = {.create = 1, .cores = 2, .memory = 64 << 20};
    struct satori *database;
    strcpy(directory, "/tmp/satori-api-XXXXXX");
    assert_non_null(mkdtemp(directory));
    if (satori_open(directory, &options, &database) != SATORI_OK)
        fail_msg("%s", satori_open_error());
    return database;
}

static void close_and_remove(struct satori *database, const char *directory) {
    char command[64];
    satori_close(database);
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

struct copying {
    struct satori_connection *connection;
    pthread_t canceller;
    unsigned pause_us;
    int rows;
};

static void *cancel(void *argument) {
    satori_cancel(argument);
    return NULL;
}

/* Give a row, and while it is on its way, or a moment later, cancel. */
static long next_row(void *context, const char **data_out) {
    struct copying *copying = context;
    *data_out = "1\n";
    if (copying->rows++ == 0) {
        assert_int_equal(pthread_create(&copying->canceller, NULL, cancel, copying->connection), 0);
        usleep(copying->pause_us);
    }
    return 2;
}

/* The statement may end while the caller is asked for the next row, or just after: both hear of
   it, and nobody waits for ever. */
static void a_copy_is_cancelled_while_it_asks(void **state) {
    char directory[32];
    struct satori *database = open_new(directory);
    struct satori_connection *connection;
    assert_int_equal(satori_connect(database, &connection), SATORI_OK);
    assert_int_equal(satori_execute(connection, "create table t (a int)"), SATORI_OK);
    for (unsigned i = 0; i < CANCELS; i++) {
        struct copying copying = {.connection = connection, .pause_us = i % 100 * 2};
        const struct satori_receiver receiver = {.copy_read = next_row, .context = &copying};
        int result = satori_query(connection, "copy t from stdin", &receiver);
        assert_int_equal(result, SATORI_ERROR);
        assert_string_equal(satori_sqlstate(connection), "57014");
        pthread_join(copying.canceller, NULL);
        assert_int_equal(satori_transaction_status(connection), 'I');
    }
    assert_int_equal(satori_execute(connection, "insert into t values (2)"), SATORI_OK);
    satori_disconnect(connection);
    close_and_remove(database, directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_copy_is_cancelled_while_it_asks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
