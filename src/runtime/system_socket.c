/* What is done to sockets of this machine without waiting. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/backend.h"

enum { BACKLOG = 1024 };

static int system_socket(int family) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

/* A Unix socket left by a process that died: nobody answers on it. */
static void remove_stale_socket(const struct sockaddr_un *address, socklen_t size) {
    struct stat info;
    if (lstat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return;
    int fd = system_socket(AF_UNIX);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, size) != 0 && errno == ECONNREFUSED)
        (void)unlink(address->sun_path);
    close(fd);
}

static int system_listen(const void *address, unsigned size, void *bound, unsigned *bound_size) {
    int family = ((const struct sockaddr *)address)->sa_family;
    int fd = system_socket(family);
    if (fd < 0)
        return fd;
    int on = 1;
    if (family == AF_UNIX)
        remove_stale_socket(address, size);
    else
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address, size) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    (void)getsockname(fd, bound, bound_size);
    return fd;
}

static int system_peer(int fd, void *address, unsigned *size) {
    int result = getpeername(fd, address, size) == 0 ? 0 : -errno;
    if (((const struct sockaddr *)address)->sa_family != AF_UNIX) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    return result;
}

static void system_shutdown(int fd) {
    (void)shutdown(fd, SHUT_RDWR);
}

static void system_close(int fd) {
    close(fd);
}

const struct socket_calls system__sockets = {
    .listen = system_listen,
    .create = system_socket,
    .peer = system_peer,
    .shutdown = system_shutdown,
    .close = system_close,
};
