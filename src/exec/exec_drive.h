/*
 * Drives (drive/drive.h) that statements have open. Private to exec.
 *
 * A statement holds a store from its first call that names it until the statement ends; statements
 * of one process share what is open, so that two sessions can write to one file. Everything that
 * may block is done on a thread that may (blocking_call), never on the core.
 */
#ifndef EXEC_DRIVE_H
#define EXEC_DRIVE_H

#include "base/base_buffer.h"
#include "drive/drive.h"
#include "exec/exec_kernel.h"

struct execution;

/* CREATING: writing, and the file need not be there yet. */
enum drive_access { DRIVE_FOR_READING, DRIVE_FOR_WRITING, DRIVE_FOR_CREATING };

/* A store as one statement holds it. */
struct drive_use {
    struct drive_use *next;
    struct open_drive *open;
    struct drive_iterator *iterator; /* of a scan, else NULL; closed with the use */
    struct buffer keys;              /* scratch of the scan, too */
};

struct drive *exec__drive_of(const struct drive_use *use);
/* The store of the file, for this statement. INSUFFICIENT_PRIVILEGE unless the user is a superuser;
   a relative path is below the data directory, and INVALID_NAME for writing; what reading finds is
   what was there when the statement first asked. Suspends. */
enum status exec__drive_hold(struct kernel_call *call, struct slice file, enum drive_access access,
                             struct drive_use **use_out) MUST_USE;
/* The same for a scan, with an iterator of its own. Suspends. */
enum status exec__drive_scan(struct kernel_call *call, struct slice file,
                             struct drive_use **use_out) MUST_USE;
/* Give it back before the statement ends. Suspends. */
void exec__drive_done(struct kernel_call *call, struct drive_use *use);
/* Give back all that the execution holds. Suspends. */
void exec__drives_release(struct fiber *f, struct execution *execution);

#endif
