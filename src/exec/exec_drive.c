#include "exec/exec_drive.h"

#include <stdio.h>
#include <string.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "exec/exec_state.h"
#include "runtime/runtime_plain.h"
#include "runtime/runtime_thread.h"

/* ---- what the process has open ------------------------------------------------------------ */

/* One for each path, reading and writing. Somebody opens or closes it while `busy`, without the
   lock. */
struct open_drive {
    struct open_drive *next;
    char *path;
    bool writes;
    uint64_t users;
    bool busy;
    struct drive *drive; /* NULL: not open */
};

static struct thread_mutex lock = THREAD_MUTEX_INITIALIZER;
static struct thread_condition settled = THREAD_CONDITION_INITIALIZER;
static struct open_drive *all;

struct drive *exec__drive_of(const struct drive_use *use) {
    return use->open->drive;
}

static struct open_drive *find_or_add(const char *path, bool writes) {
    struct open_drive *open = all;
    while (open != NULL && (open->writes != writes || strcmp(open->path, path) != 0))
        open = open->next;
    if (open != NULL)
        return open;
    size_t size = strlen(path) + 1;
    open = memory_alloc_zeroed(1, sizeof *open + size);
    if (open == NULL)
        return NULL;
    open->path = (char *)(open + 1);
    memcpy(open->path, path, size);
    open->writes = writes;
    open->next = all;
    all = open;
    return open;
}

static void forget(struct open_drive *open) {
    struct open_drive **link = &all;
    while (*link != open)
        link = &(*link)->next;
    *link = open->next;
    memory_free(open);
}

static void give_back(struct open_drive *open) {
    thread_mutex_lock(&lock);
    if (--open->users == 0) {
        struct drive *drive = open->drive;
        open->drive = NULL;
        open->busy = true;
        thread_mutex_unlock(&lock);
        if (drive_close(drive) != STATUS_OK) /* what was promised is durable already */
            LOG(LOG_WARNING, "exec", "closing drive %s: %s", open->path, error_current()->message);
        thread_mutex_lock(&lock);
        open->busy = false;
        thread_condition_wake_all(&settled);
        if (open->users == 0)
            forget(open);
    }
    thread_mutex_unlock(&lock);
}

/* On a thread that may block. */
static enum status take(const char *path, enum drive_access access, struct open_drive **open_out) {
    enum status status = STATUS_OK;
    thread_mutex_lock(&lock);
    struct open_drive *open = find_or_add(path, access != DRIVE_FOR_READING);
    if (open == NULL) {
        thread_mutex_unlock(&lock);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    open->users++;
    while (open->busy)
        thread_condition_wait(&settled, &lock);
    if (open->drive == NULL) {
        open->busy = true;
        thread_mutex_unlock(&lock);
        struct drive_options options = {
            .read_only = !open->writes,
            .create = access == DRIVE_FOR_CREATING,
        };
        status = drive_open(path, &options, &open->drive);
        thread_mutex_lock(&lock);
        open->busy = false;
        thread_condition_wake_all(&settled);
    } else {
        thread_mutex_unlock(&lock);
        status = drive_refresh(open->drive);
        thread_mutex_lock(&lock);
    }
    bool held = open->drive != NULL; /* else nothing is to be closed */
    if (!held && --open->users == 0)
        forget(open);
    thread_mutex_unlock(&lock);
    if (held && status != STATUS_OK) {
        struct error error = *error_current();
        give_back(open);
        *error_current() = error;
    }
    *open_out = open;
    return status;
}

/* ---- what a statement may do -------------------------------------------------------------- */

static const char *setting(struct kernel_call *call, const char *name) {
    const struct exec_session_functions *functions = call->environment->session_functions;
    return functions == NULL || functions->setting_get == NULL
               ? NULL
               : functions->setting_get(call->environment->session, name, call->arena);
}

static bool is_on(const char *value) {
    return value != NULL && strcmp(value, "on") == 0;
}

static enum status check_allowed(struct kernel_call *call, enum drive_access access) {
    const char *name = call->expression->function->name;
    if (!is_on(setting(call, "is_superuser")))
        return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                         access == DRIVE_FOR_READING ? "must be superuser to read files with %s"
                                                     : "must be superuser to write files with %s",
                         name);
    if (access != DRIVE_FOR_READING && is_on(setting(call, "transaction_read_only")))
        return error_set(STATUS_READ_ONLY_TRANSACTION,
                         "cannot execute %s() in a read-only transaction", name);
    if (call->f == NULL || call->environment->store == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "%s needs a session", name);
    return STATUS_OK;
}

/* As COPY's: reading is from the data directory on, writing says the whole path. */
static enum status path_of(struct kernel_call *call, struct slice file, enum drive_access access,
                           const char **path_out) {
    const char *given = exec__c_text(call, file);
    if (given[0] == '/') {
        *path_out = given;
        return STATUS_OK;
    }
    if (access != DRIVE_FOR_READING)
        return error_set(STATUS_INVALID_NAME, "relative path not allowed for %s",
                         call->expression->function->name);
    *path_out =
        arena_format(call->arena, "%s/%s", store_directory(call->environment->store), given);
    return STATUS_OK;
}

/* ---- uses --------------------------------------------------------------------------------- */

struct hold_work {
    const char *path;
    enum drive_access access;
    bool scans;
    struct drive_use *use;
};

static enum status hold(void *argument) {
    struct hold_work *work = argument;
    TRY(take(work->path, work->access, &work->use->open));
    if (!work->scans)
        return STATUS_OK;
    enum status status =
        drive_iterate(work->use->open->drive, DRIVE_OLDEST_FIRST, &work->use->iterator);
    if (status != STATUS_OK) {
        struct error error = *error_current();
        give_back(work->use->open);
        *error_current() = error;
    }
    return status;
}

static enum status new_use(struct kernel_call *call, struct hold_work *work,
                           struct drive_use **use_out) {
    struct execution *execution = call->local->execution;
    work->use = memory_alloc_zeroed(1, sizeof *work->use);
    if (work->use == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = blocking_call(call->f, hold, work);
    if (status != STATUS_OK) {
        memory_free(work->use);
        return status;
    }
    work->use->next = execution->drives;
    execution->drives = work->use;
    *use_out = work->use;
    return STATUS_OK;
}

enum status exec__drive_hold(struct kernel_call *call, struct slice file, enum drive_access access,
                             struct drive_use **use_out) {
    struct hold_work work = {.access = access};
    TRY(check_allowed(call, access));
    TRY(path_of(call, file, access, &work.path));
    /* Who writes to it reads from it as well. */
    for (struct drive_use *use = call->local->execution->drives; use != NULL; use = use->next)
        if (use->iterator == NULL && (use->open->writes || access == DRIVE_FOR_READING) &&
            strcmp(use->open->path, work.path) == 0) {
            *use_out = use;
            return STATUS_OK;
        }
    return new_use(call, &work, use_out);
}

enum status exec__drive_scan(struct kernel_call *call, struct slice file,
                             struct drive_use **use_out) {
    struct hold_work work = {.access = DRIVE_FOR_READING, .scans = true};
    TRY(check_allowed(call, work.access));
    TRY(path_of(call, file, work.access, &work.path));
    return new_use(call, &work, use_out);
}

static enum status release_all(void *argument) {
    struct drive_use *uses = argument;
    while (uses != NULL) {
        struct drive_use *use = uses;
        uses = use->next;
        drive_iterator_close(use->iterator);
        buffer_release(&use->keys);
        give_back(use->open);
        memory_free(use);
    }
    return STATUS_OK;
}

static void release(struct fiber *f, struct drive_use *uses) {
    struct error error = *error_current(); /* the statement's outlives the clean-up */
    fiber_shield(f);
    if (blocking_call(f, release_all, uses) != STATUS_OK)
        (void)!release_all(uses); /* no memory to ask another thread */
    fiber_unshield(f);
    *error_current() = error;
}

void exec__drive_done(struct kernel_call *call, struct drive_use *use) {
    struct drive_use **link = &call->local->execution->drives;
    while (*link != use)
        link = &(*link)->next;
    *link = use->next;
    use->next = NULL;
    release(call->f, use);
}

void exec__drives_release(struct fiber *f, struct execution *execution) {
    struct drive_use *uses = execution->drives;
    execution->drives = NULL;
    if (uses != NULL)
        release(f, uses);
}
