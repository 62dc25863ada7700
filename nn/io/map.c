/* Mapped files, shared by count. */
#include "map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct wki_map {
    atomic_llong   refs;
    unsigned char *data;
    size_t         size;
    int            fd; /* -1: read into memory */
    char           name[];
};

static bool read_whole(wk_ctx *c, wki_map *m, int fd)
{
    m->data = wk_alloc(m->size);
    if (!m->data) {
        wk_fail(c, WK_ENOMEM, "%.300s: out of memory for %zu bytes", m->name, m->size);
        return false;
    }
    for (size_t done = 0; done < m->size;) {
        const ssize_t n = pread(fd, m->data + done, m->size - done, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            wk_fail(c, WK_EIO, "%.300s: read failed at byte %zu: %s", m->name, done,
                    n < 0 ? strerror(errno) : "the file was cut short");
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

static bool fill(wk_ctx *c, wki_map *m, int fd, unsigned flags)
{
    const char *wanted = getenv("WK_MAP");
    if (m->size == 0) return true;
    if ((flags & WKI_MAP_COPY) || (wanted && strcmp(wanted, "0") == 0)) return read_whole(c, m, fd);
    void *p = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        wk_fail(c, WK_EIO, "%.300s: cannot map %zu bytes: %s", m->name, m->size, strerror(errno));
        return false;
    }
    m->data = p;
    m->fd = fd;
    return true;
}

/* An open regular file, -1 after an error (or after setting *missing). */
static int open_regular(wk_ctx *c, const char *path, unsigned flags, bool *missing, size_t *size)
{
    const bool no_links = flags & WKI_MAP_NO_LINKS;
    /* O_NONBLOCK: a FIFO must not make us wait before fstat can refuse it. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (no_links ? O_NOFOLLOW : 0));
    if (fd < 0) {
        if (missing && errno == ENOENT)
            *missing = true;
        else if (no_links && errno == ELOOP)
            wk_fail(c, WK_EIO, "%.300s: a symbolic link is not followed", path);
        else
            wk_fail(c, WK_EIO, "%.300s: cannot open: %s", path, strerror(errno));
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) != 0)
        wk_fail(c, WK_EIO, "%.300s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        wk_fail(c, WK_EIO, "%.300s: not a regular file", path);
    else if (no_links && st.st_nlink != 1)
        wk_fail(c, WK_EIO, "%.300s: has a second hard link", path);
    else {
        *size = (size_t)st.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

wki_map *wki_map_open(wk_ctx *c, const char *path, unsigned flags, bool *missing)
{
    size_t    size = 0;
    const int fd = open_regular(c, path, flags, missing, &size);
    if (fd < 0) return NULL;
    const size_t n = strlen(path) + 1;
    wki_map     *m = wk_alloc_zero(1, sizeof *m + n);
    if (!m) {
        wk_fail(c, WK_ENOMEM, "%.300s: out of memory", path);
        close(fd);
        return NULL;
    }
    m->fd = -1;
    m->size = size;
    memcpy(m->name, path, n);
    atomic_init(&m->refs, 1);
    const bool done = fill(c, m, fd, flags);
    if (m->fd != fd) close(fd);
    if (done) return m;
    wki_map_drop(m);
    return NULL;
}

wki_map *wki_map_hold(wki_map *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

void wki_map_drop(void *map)
{
    wki_map *m = map;
    if (!m || atomic_fetch_sub(&m->refs, 1) != 1) return;
    if (m->fd < 0) {
        wk_free(m->data);
    } else {
        munmap(m->data, m->size);
        close(m->fd);
    }
    wk_free(m);
}

const unsigned char *wki_map_data(const wki_map *m)
{
    return m->data ? m->data : (const unsigned char *)m->name; /* an empty file: any address will do */
}
size_t wki_map_size(const wki_map *m)
{
    return m->size;
}
const char *wki_map_name(const wki_map *m)
{
    return m->name;
}

bool wki_map_check(wk_ctx *c, const wki_map *m)
{
    struct stat st;
    if (m->fd < 0 || (fstat(m->fd, &st) == 0 && (size_t)st.st_size >= m->size)) return true;
    wk_fail(c, WK_EIO, "%.300s: cut short since it was opened, from %zu bytes", m->name, m->size);
    return false;
}
