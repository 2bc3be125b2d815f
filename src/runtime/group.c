/* Task groups. */
#include "base/base_memory.h"
#include "runtime/core.h"

/* The owner waits for its group in task_group_wait only; this is how a child finds it there. */
static void owner_interrupted(struct fiber *f, void *object) {
    (void)object;
    fiber__ready(f);
}

void task_group_init(struct task_group *group, struct fiber *owner) {
    *group = (struct task_group){.owner = owner};
}

static void unlink_child(struct task_group *group, struct fiber *child) {
    if (child->sibling_previous != NULL)
        child->sibling_previous->sibling_next = child->sibling_next;
    else
        group->children = child->sibling_next;
    if (child->sibling_next != NULL)
        child->sibling_next->sibling_previous = child->sibling_previous;
    group->live_count--;
    group->owner->children--;
}

static void child_ended(struct fiber *child, enum status status, void *object) {
    struct task_group *group = object;
    unlink_child(group, child);
    if (status != STATUS_OK && group->first_failure == STATUS_OK) {
        group->first_failure = status;
        group->failure_detail = memory_alloc(sizeof *group->failure_detail);
        if (group->failure_detail != NULL)
            error__copy(group->failure_detail, &child->error);
        task_group_cancel(group, status);
    }
    if (group->live_count == 0 && group->owner->interrupt_object == group &&
        group->owner->state == FIBER_WAITING)
        fiber__ready(group->owner);
}

enum status task_group_spawn(struct fiber *f, struct task_group *group, enum fiber_class class,
                             fiber_function function, void *argument) {
    ASSERT(group->owner->core == f->core);
    struct fiber *child = fiber__create(f->core, class, function, argument);
    if (child == NULL)
        return error_current()->status;
    child->name = f->name;
    child->group = group;
    child->on_end = child_ended;
    child->on_end_object = group;
    child->call_depth = f->call_depth;
    child->face.shield_depth = f->face.shield_depth > 0;
    fiber_deadline_set(child, f->deadline);
    child->sibling_next = group->children;
    if (group->children != NULL)
        group->children->sibling_previous = child;
    group->children = child;
    group->live_count++;
    group->owner->children++;
    if (group->first_failure != STATUS_OK)
        fiber_cancel(child, group->first_failure, NULL);
    fiber__ready(child);
    return STATUS_OK;
}

void task_group_cancel(struct task_group *group, enum status reason) {
    for (struct fiber *child = group->children, *next; child != NULL; child = next) {
        next = child->sibling_next;
        fiber_cancel(child, reason, NULL);
    }
}

enum status task_group_wait(struct fiber *f, struct task_group *group) {
    ASSERT(group->owner == f);
    enum status interruption = STATUS_OK;
    while (group->live_count > 0) {
        if (interruption == STATUS_OK) {
            interruption = fiber__interrupted(f);
            if (interruption != STATUS_OK) {
                task_group_cancel(group, interruption);
                continue;
            }
        }
        fiber__wait(f, interruption == STATUS_OK ? owner_interrupted : NULL, group);
        f->interrupt_object = NULL;
    }
    enum status status = group->first_failure;
    if (interruption != STATUS_OK)
        status = fiber__interruption_waits(f) ? fiber__interrupted(f) : interruption;
    else if (status != STATUS_OK && group->failure_detail != NULL)
        error__copy(error_current(), group->failure_detail);
    else if (status != STATUS_OK)
        (void)!error_set(status, "%s", status_text(status));
    memory_free(group->failure_detail);
    group->failure_detail = NULL;
    group->first_failure = STATUS_OK; /* ready for another use */
    return status;
}
