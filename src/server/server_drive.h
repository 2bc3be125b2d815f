/*
 * `satori drive`: what its commands share. A command gets its options read, does its work through
 * drive/drive.h and returns a status; server_drive.c turns that into messages and exit statuses.
 */
#ifndef SERVER_DRIVE_H
#define SERVER_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drive/drive.h"

enum { DRIVE_OPERANDS_MAX = 1024 };

/* The command line of any command, decoded. */
struct drive_command {
    const char *operands[DRIVE_OPERANDS_MAX];
    size_t operand_count;
    struct drive_options options; /* of STORE */
    enum drive_durability durability;
    unsigned threads;
    bool json, newest_first, force;
    const char *keys_path;
    const char *nested; /* --in KEY: the store that is KEY's value in STORE */
    uint64_t count;
    int exit_status; /* of a command that succeeded; 1: there is no such key, damage was found */
};

/* STORE as the options say, messages about its recovery on standard error. */
enum status drive_command_open(struct drive_command *command, struct drive **drive_out) MUST_USE;

/* Close it after the work; the first failure counts. */
enum status drive_command_finish(struct drive *drive, enum status status) MUST_USE;

/* A bar on standard error when that is a terminal. tick() for the drive's long passes. */
struct drive_progress drive_progress_bar(const char *what);
void drive_progress_end(void);

/* Printed so that a line is a line and JSON is JSON. */
void print_key(struct slice key);
void print_json_text(const char *text);
/* "key": "...", or "key_hex" when it is no UTF-8. */
void print_json_key(struct slice key);
void print_time(int64_t time_us);

/* server_drive_values.c */
enum status drive_run_put(struct drive_command *command) MUST_USE;
enum status drive_run_get(struct drive_command *command) MUST_USE;
enum status drive_run_delete(struct drive_command *command) MUST_USE;
enum status drive_run_rename(struct drive_command *command) MUST_USE;
enum status drive_run_copy(struct drive_command *command) MUST_USE;
enum status drive_run_move(struct drive_command *command) MUST_USE;
/* server_drive_store.c */
enum status drive_run_list(struct drive_command *command) MUST_USE;
enum status drive_run_info(struct drive_command *command) MUST_USE;
enum status drive_run_history(struct drive_command *command) MUST_USE;
enum status drive_run_verify(struct drive_command *command) MUST_USE;
enum status drive_run_compact(struct drive_command *command) MUST_USE;
enum status drive_run_convert(struct drive_command *command) MUST_USE;
enum status drive_run_bench(struct drive_command *command) MUST_USE;
/* server_drive_tree.c */
enum status drive_run_import(struct drive_command *command) MUST_USE;
enum status drive_run_export(struct drive_command *command) MUST_USE;

#endif
