#include "server/server_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base_log.h"

void command_line_help(const struct command_line *line) {
    printf("usage: %s\n\n%s\n", line->usage, line->about);
    if (line->option_count > 0)
        printf("\nOptions:\n");
    for (size_t i = 0; i < line->option_count; i++) {
        const struct option_spec *option = &line->options[i];
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", option->name, option->argument != NULL ? " " : "",
                 option->argument != NULL ? option->argument : "");
        printf("  %-22s %s\n", left, option->meaning);
    }
    printf("  %-22s %s\n", "--help", "show this help");
    if (line->operand_max > 0)
        printf("  %-22s %s\n", "--", "what follows are no options, whatever it begins with");
    if (line->more != NULL)
        printf("\n%s\n", line->more);
}

static const struct option_spec *find_option(const struct command_line *line, const char *text,
                                             size_t size) {
    for (size_t i = 0; i < line->option_count; i++) {
        const char *name = line->options[i].name;
        if (strlen(name) == size && memcmp(name, text, size) == 0)
            return &line->options[i];
    }
    return NULL;
}

static enum command_outcome wrong(const struct command_line *line, const char *what,
                                  const char *text) {
    fprintf(stderr, "satori: %s %s; usage: %s (--help says more)\n", what, text, line->usage);
    return COMMAND_WRONG;
}

static void set_value(const struct option_spec *option, const char *text) {
    if (option->count != NULL)
        option->value[(*option->count)++] = text;
    else
        *option->value = text;
}

enum command_outcome command_line_parse(struct command_line *line, int argc, char **argv) {
    bool only_operands = false;
    for (int at = 0; at < argc; at++) {
        const char *text = argv[at];
        if (!only_operands && strcmp(text, "--") == 0) {
            only_operands = true;
            continue;
        }
        if (only_operands || text[0] != '-' || text[1] == '\0') {
            if (line->operand_count == line->operand_max)
                return wrong(line, "unexpected argument", text);
            line->operands[line->operand_count++] = text;
            continue;
        }
        if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            command_line_help(line);
            return COMMAND_HELPED;
        }
        const char *equals = strchr(text, '=');
        size_t size = equals != NULL ? (size_t)(equals - text) : strlen(text);
        const struct option_spec *option = find_option(line, text, size);
        if (option == NULL)
            return wrong(line, "unknown option", text);
        if (option->argument == NULL) {
            if (equals != NULL)
                return wrong(line, "no value belongs to", option->name);
            set_value(option, "");
        } else if (equals != NULL) {
            set_value(option, equals + 1);
        } else {
            if (at + 1 == argc)
                return wrong(line, "a value is missing after", option->name);
            set_value(option, argv[++at]);
        }
    }
    return COMMAND_RUN;
}

bool number_parse(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *number_out) {
    uint64_t number = 0;
    if (*text == '\0')
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*c - '0'), &number))
            return false;
    }
    if (number < minimum || number > maximum)
        return false;
    *number_out = number;
    return true;
}

bool size_parse(const char *text, uint64_t *bytes_out) {
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"", 0},     {"b", 0},   {"k", 10},   {"kb", 10}, {"kib", 10},
                 {"m", 20},   {"mb", 20}, {"mib", 20}, {"g", 30},  {"gb", 30},
                 {"gib", 30}, {"t", 40},  {"tb", 40},  {"tib", 40}};
    size_t digits = strspn(text, "0123456789");
    char number[32];
    if (digits == 0 || digits >= sizeof number)
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    uint64_t value;
    if (!number_parse(number, 0, UINT64_MAX, &value))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(text + digits, units[i].unit) == 0)
            return !__builtin_mul_overflow(value, 1ull << units[i].shift, bytes_out);
    }
    return false;
}

bool memory_parse(const char *text, uint64_t *bytes_out) {
    return size_parse(text, bytes_out) && *bytes_out >= (32u << 20);
}

bool command_run(fiber_function function, void *argument) {
    log_level_set(LOG_WARNING);
    log_clock_set(clock_wall_us);
    struct runtime *runtime;
    struct runtime_options options = {.core_count = 1};
    enum status status = runtime_create(&options, &runtime);
    if (status == STATUS_OK) {
        status = runtime_run(runtime, 0, function, argument);
        struct error error = *error_current();
        runtime_destroy(runtime);
        *error_current() = error;
    }
    if (status == STATUS_OK)
        return true;
    const struct error *error = error_current();
    fprintf(stderr, "satori: %s%s%s\n", error->message, error->hint[0] != '\0' ? "; " : "",
            error->hint);
    return false;
}
