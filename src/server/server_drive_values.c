/* satori drive put, get, delete, rename, copy, move. */
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "runtime/runtime_plain.h"
#include "server/server_drive.h"

static enum status from_input(void *context, void *buffer, size_t size, size_t *size_out) {
    return plain_input(buffer, size, size_out);
}

enum status drive_run_put(struct drive_command *command) {
    struct drive *drive;
    struct slice key = slice_of_text(command->operands[1]);
    struct drive_source source = {from_input, NULL};
    command->options.create = true;
    TRY(drive_command_open(command, &drive));
    enum status status =
        command->operand_count == 3
            ? drive_put(drive, key, slice_of_text(command->operands[2]), command->durability)
            : drive_put_stream(drive, key, &source, command->durability);
    return drive_command_finish(drive, status);
}

enum status drive_run_get(struct drive_command *command) {
    struct drive *drive;
    struct drive_handle handle;
    command->options.read_only = true;
    TRY(drive_command_open(command, &drive));
    enum status status = drive_get(drive, slice_of_text(command->operands[1]), &handle);
    if (status == STATUS_OK && handle.data == NULL) {
        fprintf(stderr, "satori: there is no key \"%s\"\n", command->operands[1]);
        command->exit_status = 1;
    } else if (status == STATUS_OK) {
        status = drive_handle_verify(&handle);
        if (status == STATUS_OK)
            status = plain_output(handle.data, handle.size);
    }
    drive_handle_release(&handle);
    return drive_command_finish(drive, status);
}

enum status drive_run_delete(struct drive_command *command) {
    struct drive *drive;
    size_t count = command->operand_count - 1, deleted = 0;
    TRY(drive_command_open(command, &drive));
    struct drive_item *items = memory_alloc_zeroed(count, sizeof *items);
    if (items == NULL)
        return drive_command_finish(drive, error_set(STATUS_OUT_OF_MEMORY, "out of memory"));
    for (size_t i = 0; i < count; i++)
        items[i] =
            (struct drive_item){.key = slice_of_text(command->operands[i + 1]), .is_delete = true};
    enum status status = drive_batch(drive, items, count, command->durability);
    for (size_t i = 0; i < count; i++) {
        deleted += items[i].existed;
        if (status == STATUS_OK && !items[i].existed)
            fprintf(stderr, "satori: there is no key \"%s\"\n", command->operands[i + 1]);
    }
    memory_free(items);
    status = drive_command_finish(drive, status);
    if (status == STATUS_OK && command->json)
        printf("{\"deleted\": %zu, \"absent\": %zu}\n", deleted, count - deleted);
    command->exit_status = deleted == 0;
    return status;
}

enum status drive_run_rename(struct drive_command *command) {
    struct drive *drive;
    TRY(drive_command_open(command, &drive));
    return drive_command_finish(drive, drive_rename(drive, slice_of_text(command->operands[1]),
                                                    slice_of_text(command->operands[2]),
                                                    command->durability));
}

static enum status transfer(struct drive_command *command, bool moves) {
    struct drive *source, *target;
    struct drive_options target_options = command->options;
    struct slice key = slice_of_text(command->operands[1]);
    struct slice new_key = command->operand_count == 4 ? slice_of_text(command->operands[3]) : key;
    target_options.create = true;
    command->options.read_only = !moves;
    command->options.format = command->options.alignment = 0; /* those of a new TARGET */
    TRY(drive_command_open(command, &source));
    enum status status = drive_open(command->operands[2], &target_options, &target);
    if (status != STATUS_OK)
        return drive_command_finish(source, status);
    status = moves ? drive_move(source, key, target, new_key, command->durability)
                   : drive_copy(source, key, target, new_key, command->durability);
    status = drive_command_finish(target, status);
    return drive_command_finish(source, status);
}

enum status drive_run_copy(struct drive_command *command) {
    return transfer(command, false);
}

enum status drive_run_move(struct drive_command *command) {
    return transfer(command, true);
}
