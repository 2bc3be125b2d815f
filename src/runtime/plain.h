/* What plain.c and plain_map.c share. */
#ifndef PLAIN_H
#define PLAIN_H

#include "runtime/runtime_plain.h"

struct plain_file {
    int fd;
    char *path;
};

struct plain_hook {
    int (*function)(void *context, struct plain_event *event);
    void *context;
};
extern struct plain_hook plain__hook;

enum status plain__failure(int error, const char *what, const char *path);
/* Of file.c. */
enum status file__status_of_errno(int error);

#endif
