/* Stream sockets over operations. */
#include "runtime/runtime_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/core.h"

enum { ADDRESS_TEXT_SIZE = 128, VECTORS_MAX = 64 };

struct listener {
    struct pollable pollable;
    const struct backend *backend;
    unsigned port;
    bool is_loopback;
    char address[ADDRESS_TEXT_SIZE];
    char unix_path[ADDRESS_TEXT_SIZE];
};

struct connection {
    struct pollable pollable;
    const struct backend *backend;
    bool shut_down;
    unsigned calls; /* receives and sends in progress */
    char peer[ADDRESS_TEXT_SIZE];
};

/* ---- addresses -------------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

static void address_to_text(const union address *a, socklen_t size, char *text, size_t text_size) {
    char host[INET6_ADDRSTRLEN] = "";
    if (a->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->ipv4.sin_addr, host, sizeof host);
        snprintf(text, text_size, "%s:%u", host, ntohs(a->ipv4.sin_port));
    } else if (a->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->ipv6.sin6_addr, host, sizeof host);
        snprintf(text, text_size, "[%s]:%u", host, ntohs(a->ipv6.sin6_port));
    } else if (size > offsetof(struct sockaddr_un, sun_path) && a->local.sun_path[0] != '\0') {
        snprintf(text, text_size, "%s", a->local.sun_path);
    } else {
        snprintf(text, text_size, "[local]");
    }
}

static bool address_is_loopback(const union address *a) {
    if (a->any.sa_family == AF_INET)
        return ntohl(a->ipv4.sin_addr.s_addr) >> 24 == 127;
    if (a->any.sa_family == AF_INET6) {
        const struct in6_addr *host = &a->ipv6.sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(host) ||
               (IN6_IS_ADDR_V4MAPPED(host) && host->s6_addr[12] == 127);
    }
    return true;
}

static unsigned address_port(const union address *a) {
    if (a->any.sa_family == AF_INET)
        return ntohs(a->ipv4.sin_port);
    return a->any.sa_family == AF_INET6 ? ntohs(a->ipv6.sin6_port) : 0;
}

static enum status bad_address(const char *text) {
    (void)!error_set(STATUS_INVALID_PARAMETER_VALUE, "invalid address \"%s\"", text);
    error_hint("Write host:port, [IPv6]:port or the absolute path of a Unix socket.");
    return STATUS_INVALID_PARAMETER_VALUE;
}

/* Cut "host:port" or "[host]:port". */
static bool split_host_port(const char *text, char *host, size_t host_size, char *port,
                            size_t port_size) {
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0' || strlen(colon + 1) >= port_size)
        return false;
    const char *begin = text, *end = colon;
    if (text[0] == '[') {
        if (end[-1] != ']')
            return false;
        begin++;
        end--;
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return false; /* IPv6 without brackets */
    }
    if (end <= begin || (size_t)(end - begin) >= host_size)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    strcpy(port, colon + 1);
    char *port_end;
    unsigned long number = strtoul(port, &port_end, 10);
    return *port_end == '\0' && port[0] >= '0' && port[0] <= '9' && number <= 65535;
}

static enum status parse_address(struct fiber *f, const char *text, union address *address_out,
                                 socklen_t *size_out) {
    memset(address_out, 0, sizeof *address_out);
    if (text[0] == '/') {
        if (strlen(text) >= sizeof address_out->local.sun_path)
            return bad_address(text);
        address_out->local.sun_family = AF_UNIX;
        strcpy(address_out->local.sun_path, text);
        *size_out = sizeof address_out->local;
        return STATUS_OK;
    }
    char host[256], port[8];
    if (!split_host_port(text, host, sizeof host, port, sizeof port))
        return bad_address(text);
    struct resolved_address resolved = {0};
    struct operation o = {
        .kind = OPERATION_RESOLVE, .path = host, .path_to = port, .buffer = &resolved};
    if (inet_pton(AF_INET, host, &address_out->ipv4.sin_addr) == 1) {
        address_out->ipv4.sin_family = AF_INET;
        address_out->ipv4.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
        *size_out = sizeof address_out->ipv4;
        return STATUS_OK;
    }
    TRY(operation__run(f, &o));
    if (o.result < 0 || resolved.size > sizeof *address_out)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "could not translate host name \"%s\" to address", host);
    memcpy(address_out, resolved.bytes, resolved.size);
    *size_out = resolved.size;
    return STATUS_OK;
}

/* ---- listening -------------------------------------------------------------------------- */

static enum status listen_failure(const char *address, int error) {
    enum status status = error == EADDRINUSE                 ? STATUS_OBJECT_IN_USE
                         : error == EACCES || error == EPERM ? STATUS_INSUFFICIENT_PRIVILEGE
                                                             : STATUS_CONNECTION_FAILURE;
    (void)!error_set(status, "could not listen on \"%s\": %s", address, strerror(error));
    if (error == EADDRINUSE)
        error_hint("Is another server already running there? If not, wait a few seconds and "
                   "retry, or choose another port.");
    return status;
}

enum status listener_open(struct fiber *f, const char *address, struct listener **listener_out) {
    *listener_out = NULL;
    union address wanted, bound = {0};
    socklen_t size, bound_size = sizeof bound;
    TRY(parse_address(f, address, &wanted, &size));
    struct listener *listener = memory_alloc_zeroed(1, sizeof *listener);
    if (listener == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    int fd = f->core->backend->sockets->listen(&wanted, size, &bound, &bound_size);
    if (fd < 0) {
        memory_free(listener);
        return listen_failure(address, -fd);
    }
    listener->pollable.fd = fd;
    listener->backend = f->core->backend;
    listener->port = address_port(&bound);
    listener->is_loopback = address_is_loopback(&bound);
    address_to_text(&bound, bound_size, listener->address, sizeof listener->address);
    if (wanted.any.sa_family == AF_UNIX)
        strcpy(listener->unix_path, wanted.local.sun_path);
    *listener_out = listener;
    return STATUS_OK;
}

const char *listener_address(const struct listener *listener) {
    return listener->address;
}

unsigned listener_port(const struct listener *listener) {
    return listener->port;
}

bool listener_is_loopback(const struct listener *listener) {
    return listener->is_loopback;
}

void listener_close(struct fiber *f, struct listener *listener) {
    if (listener == NULL)
        return;
    listener->backend->forget(&listener->pollable);
    listener->backend->sockets->close(listener->pollable.fd);
    if (listener->unix_path[0] != '\0')
        (void)unlink(listener->unix_path);
    memory_free(listener);
}

/* ---- connections ------------------------------------------------------------------------ */

/* Takes the descriptor. */
static enum status connection_create(struct fiber *f, int fd, struct connection **connection_out) {
    struct connection *connection = memory_alloc_zeroed(1, sizeof *connection);
    const struct backend *backend = f->core->backend;
    if (connection == NULL) {
        backend->sockets->close(fd);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    connection->pollable.fd = fd;
    connection->backend = backend;
    union address peer = {0};
    socklen_t size = sizeof peer;
    if (backend->sockets->peer(fd, &peer, &size) == 0)
        address_to_text(&peer, size, connection->peer, sizeof connection->peer);
    else
        strcpy(connection->peer, "[unknown]");
    *connection_out = connection;
    return STATUS_OK;
}

/* Nothing is wrong with the listener; the next client may come through. */
static bool accept_failure_passes(int64_t result) {
    return result == -ECONNABORTED || result == -EPROTO || result == -ENETDOWN ||
           result == -EHOSTUNREACH || result == -ENETUNREACH || result == -EPERM ||
           result == -EAGAIN;
}

static bool accept_lacks_resources(int64_t result) {
    return result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
}

enum status listener_accept(struct fiber *f, struct listener *listener,
                            struct connection **connection_out) {
    *connection_out = NULL;
    for (;;) {
        struct operation o = {
            .kind = OPERATION_ACCEPT, .fd = listener->pollable.fd, .pollable = &listener->pollable};
        TRY(operation__run(f, &o));
        if (o.result >= 0) {
            if (connection_create(f, (int)o.result, connection_out) == STATUS_OK)
                return STATUS_OK;
            LOG(LOG_WARNING, "runtime", "closed a new connection on %s: %s", listener->address,
                error_current()->message);
            continue;
        }
        if (accept_failure_passes(o.result))
            continue;
        if (!accept_lacks_resources(o.result))
            return error_set(STATUS_CONNECTION_FAILURE, "could not accept a connection on %s: %s",
                             listener->address, strerror((int)-o.result));
        LOG(LOG_WARNING, "runtime", "could not accept a connection on %s: %s", listener->address,
            strerror((int)-o.result));
        TRY(fiber_sleep(f, 100 * 1000 * 1000));
    }
}

enum status connection_open(struct fiber *f, const char *address,
                            struct connection **connection_out) {
    *connection_out = NULL;
    union address peer;
    socklen_t size;
    TRY(parse_address(f, address, &peer, &size));
    const struct backend *backend = f->core->backend;
    int fd = backend->sockets->create(peer.any.sa_family);
    if (fd < 0)
        return error_set(STATUS_CONNECTION_FAILURE, "could not create socket: %s", strerror(-fd));
    struct pollable pollable = {.fd = fd};
    struct operation o = {.kind = OPERATION_CONNECT,
                          .fd = fd,
                          .pollable = &pollable,
                          .address = &peer,
                          .address_size = size};
    enum status status = operation__run(f, &o);
    backend->forget(&pollable);
    if (status == STATUS_OK && o.result < 0)
        status = error_set(STATUS_CONNECTION_FAILURE, "could not connect to \"%s\": %s", address,
                           strerror((int)-o.result));
    if (status != STATUS_OK) {
        backend->sockets->close(fd);
        return status;
    }
    return connection_create(f, fd, connection_out);
}

void connection_move(struct connection *connection, unsigned core) {
    (void)core; /* whoever waits next registers it with its own core */
    ASSERT(connection->calls == 0);
    connection->backend->forget(&connection->pollable);
}

const char *connection_peer(const struct connection *connection) {
    return connection->peer;
}

static enum status shut_down_failure(void) {
    return error_set(STATUS_CONNECTION_FAILURE, "the connection was shut down");
}

enum status connection_receive(struct fiber *f, struct connection *connection, void *buffer,
                               size_t size, size_t *size_out) {
    ASSERT(size > 0);
    *size_out = 0;
    if (connection->shut_down)
        return shut_down_failure();
    struct operation o = {.kind = OPERATION_RECEIVE,
                          .fd = connection->pollable.fd,
                          .pollable = &connection->pollable,
                          .buffer = buffer,
                          .size = size};
    connection->calls++;
    enum status status = operation__run(f, &o);
    connection->calls--;
    TRY(status);
    if (connection->shut_down && o.result <= 0)
        return shut_down_failure();
    if (o.result < 0)
        return error_set(STATUS_CONNECTION_FAILURE, "could not receive data from client: %s",
                         strerror((int)-o.result));
    *size_out = (size_t)o.result;
    return STATUS_OK;
}

bool connection_readable(struct connection *connection) {
    char byte;
    struct operation o = {.kind = OPERATION_RECEIVE,
                          .fd = connection->pollable.fd,
                          .buffer = &byte,
                          .size = 1,
                          .flags = MSG_PEEK};
    return connection->backend->perform(&o) != -EAGAIN;
}

/* What of the slices is still to be sent, from byte `skip` of the first on, as vectors. */
static unsigned fill_vectors(struct iovec *vectors, const struct slice *slices, size_t count,
                             size_t skip) {
    unsigned filled = 0;
    for (size_t i = 0; i < count && filled < VECTORS_MAX; i++, skip = 0) {
        if (slices[i].size > skip)
            vectors[filled++] =
                (struct iovec){(void *)(uintptr_t)(slices[i].data + skip), slices[i].size - skip};
    }
    return filled;
}

static enum status send_some(struct fiber *f, struct connection *connection,
                             const struct iovec *vectors, unsigned count, size_t *sent_out) {
    if (connection->shut_down)
        return shut_down_failure();
    struct operation o = {.kind = OPERATION_SEND,
                          .fd = connection->pollable.fd,
                          .pollable = &connection->pollable,
                          .vectors = vectors,
                          .vector_count = count};
    connection->calls++;
    enum status status = operation__run(f, &o);
    connection->calls--;
    TRY(status);
    if (o.result < 0)
        return connection->shut_down
                   ? shut_down_failure()
                   : error_set(STATUS_CONNECTION_FAILURE, "could not send data to client: %s",
                               strerror((int)-o.result));
    *sent_out = (size_t)o.result;
    return STATUS_OK;
}

enum status connection_send(struct fiber *f, struct connection *connection,
                            const struct slice *slices, size_t count) {
    size_t skip = 0; /* sent of slices[0] */
    for (;;) {
        while (count > 0 && skip >= slices[0].size) {
            skip -= slices[0].size;
            slices++;
            count--;
        }
        if (count == 0)
            return STATUS_OK;
        struct iovec vectors[VECTORS_MAX];
        size_t sent = 0;
        unsigned filled = fill_vectors(vectors, slices, count, skip);
        TRY(send_some(f, connection, vectors, filled, &sent));
        skip += sent;
    }
}

void connection_shutdown(struct connection *connection) {
    connection->shut_down = true;
    connection->backend->sockets->shutdown(connection->pollable.fd);
}

void connection_close(struct fiber *f, struct connection *connection) {
    if (connection == NULL)
        return;
    ASSERT(connection->calls == 0);
    connection->backend->forget(&connection->pollable);
    connection->backend->sockets->close(connection->pollable.fd);
    memory_free(connection);
}
