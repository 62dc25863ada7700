/* For the tests of files: golden files, damaged copies of them, and a walk over all that a file says. */
#ifndef WALK_H
#define WALK_H

#include "nn/nn.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GOLDEN WK_SOURCE_DIR "/tests/golden/io/"

/* Bytes of a file under test, and a place in memory that can be opened by path. */
struct image {
    unsigned char *p;
    size_t         n;
    int            fd;
    char           path[64];
};

static inline struct image image_new(void)
{
    struct image m = {.fd = memfd_create("image", MFD_CLOEXEC)};
    cr_assert(m.fd >= 0);
    snprintf(m.path, sizeof m.path, "/proc/self/fd/%d", m.fd);
    return m;
}
/* Makes the file at m's path hold n bytes of p. */
static inline void image_put(const struct image *m, const void *p, size_t n)
{
    cr_assert(ftruncate(m->fd, 0) == 0 && pwrite(m->fd, p, n, 0) == (ssize_t)n);
}
static inline struct image image_of(const char *name)
{
    struct image m = image_new();
    char         path[400];
    snprintf(path, sizeof path, "%s%s", GOLDEN, name);
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s", path);
    m.p = malloc(1 << 16);
    m.n = fread(m.p, 1, 1 << 16, f);
    fclose(f);
    image_put(&m, m.p, m.n);
    return m;
}
static inline void image_free(struct image *m)
{
    close(m->fd);
    free(m->p);
}

/* Looks at everything f says; returns a number that depends on it. */
static inline uint64_t walk(wk_ctx *c, const wk_files *f)
{
    uint64_t sum = strlen(wk_files_format(f)) + (uint64_t)wk_files_bytes(f);
    for (int64_t i = 0; i < wk_config_entries(f); i++) {
        const char *key, *type;
        char        value[200];
        wk_config_entry(f, i, &key, &type, value, sizeof value);
        for (const char *p = key; *p; p++) cr_assert((unsigned char)*p >= 0x20, "control character in a key");
        for (const char *p = value; *p; p++) cr_assert((unsigned char)*p >= 0x20, "control character shown");
        sum = sum * 31 + strlen(value) + (uint64_t)wk_config_int(f, key, 1) +
              (uint64_t)wk_config_bool(f, key, 0);
        sum += strlen(wk_config_string(f, key, "")) + (wk_config_float(f, key, 2) > 1);
        const int64_t n = wk_config_count(f, key);
        for (int64_t k = -1; k <= n; k++) {
            size_t      length = 0;
            const char *s = wk_config_string_at(f, key, k, &length);
            for (size_t b = 0; s && b < length; b++) sum = sum * 33 + (unsigned char)s[b];
            sum += (uint64_t)wk_config_int_at(f, key, k, 3) + (wk_config_float_at(f, key, k, 4) > 1);
        }
    }
    for (int64_t i = -1; i <= wk_files_count(f); i++) {
        const wk_file_tensor t = wk_files_at(f, i);
        const wk_scope       s = wk_scope_begin(c);
        cr_assert(i < 0 || i >= wk_files_count(f) || wk_files_has(f, t.name), "%s", t.name);
        wk_tensor x = wk_files_tensor(c, f, t.name);
        cr_assert(wk_is_none(x) == (wk_ctx_status(c) != WK_OK), "%s", wk_ctx_message(c));
        unsigned char *bytes = malloc((size_t)wk_bytes(x) + 1);
        if (!wk_is_none(x)) {
            cr_assert_eq(wk_bytes(x), t.bytes);
            cr_assert_eq(wk_read(c, x, bytes), WK_OK, "%s", wk_ctx_message(c));
            for (int64_t k = 0; k < wk_bytes(x); k++) sum = sum * 33 + bytes[k];
        }
        free(bytes);
        wk_ctx_clear(c);
        wk_scope_end(c, s, WK_NONE);
    }
    return sum;
}

/* Opens path and walks it. Either it loads, or there is an error that names the file. True if it loaded. */
static inline bool visit(wk_ctx *c, const char *path, const char *what)
{
    wk_files *f = wk_files_open(c, path);
    if (f) {
        cr_assert_eq(wk_ctx_status(c), WK_OK, "%s: %s", what, wk_ctx_message(c));
        walk(c, f);
        wk_files_close(f);
        return true;
    }
    cr_assert(wk_ctx_status(c) == WK_EFORMAT || wk_ctx_status(c) == WK_EIO, "%s: status %d: %s", what,
              (int)wk_ctx_status(c), wk_ctx_message(c));
    cr_assert(strstr(wk_ctx_message(c), path) != NULL, "%s: %s", what, wk_ctx_message(c));
    for (const char *p = wk_ctx_message(c); *p; p++)
        cr_assert((unsigned char)*p >= 0x20, "%s: control character in the message", what);
    wk_ctx_clear(c);
    return false;
}

/* Every prefix of the file (A1), then every byte replaced by seven others (A2). Returns the number of cases
 * that still loaded. */
static inline int64_t sweep(const char *name)
{
    static const unsigned char values[] = {0x00, 0xff, 0x7f, 0x80};
    wk_ctx                    *c = wk_ctx_new("cpu");
    struct image               m = image_of(name);
    int64_t                    loaded = 0;
    char                       what[200];
    cr_assert(visit(c, m.path, name), "%s itself does not load", name);
    for (size_t n = 0; n < m.n; n++) {
        image_put(&m, m.p, n);
        snprintf(what, sizeof what, "%s cut to %zu bytes", name, n);
        loaded += visit(c, m.path, what);
    }
    image_put(&m, m.p, m.n);
    for (size_t i = 0; i < m.n; i++)
        for (int k = 0; k < 7; k++) {
            const unsigned char was = m.p[i];
            const unsigned char now = k < 4    ? values[k]
                                      : k == 4 ? (unsigned char)(was + 1)
                                      : k == 5 ? (unsigned char)(was - 1)
                                               : was ^ 0x20;
            cr_assert(pwrite(m.fd, &now, 1, (off_t)i) == 1);
            snprintf(what, sizeof what, "%s with byte %zu set to %02x", name, i, now);
            loaded += visit(c, m.path, what);
            cr_assert(pwrite(m.fd, &was, 1, (off_t)i) == 1);
        }
    image_free(&m);
    wk_ctx_free(c);
    return loaded;
}

/* Hostile values written over every place of the file in every width (A3). */
static inline void hostile_integers(const char *name)
{
    static const uint64_t values[] = {0,          1,          (1 << 15) - 1, 1 << 15,
                                      0x7fffffff, 0x80000000, 0xffffffffu,   1ull << 32,
                                      INT64_MAX,  1ull << 63, UINT64_MAX};
    wk_ctx               *c = wk_ctx_new("cpu");
    struct image          m = image_of(name);
    char                  what[200];
    for (int width = 2; width <= 8; width *= 2)
        for (size_t i = 0; i + (size_t)width <= m.n; i++)
            for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
                if (width < 8 && values[k] >> (8 * width) && values[k] != UINT64_MAX) continue;
                cr_assert(pwrite(m.fd, &values[k], (size_t)width, (off_t)i) == width);
                snprintf(what, sizeof what, "%s with %d bytes at %zu set to %llx", name, width, i,
                         (unsigned long long)values[k]);
                visit(c, m.path, what);
                cr_assert(pwrite(m.fd, m.p + i, (size_t)width, (off_t)i) == width);
            }
    image_free(&m);
    wk_ctx_free(c);
}

/* Every allocation of opening and walking fails once, then from there on: an error or a whole result. */
static inline void failing_allocations(const char *path)
{
    for (int keep = 0; keep < 2; keep++)
        for (int64_t n = 1;; n++) {
            wk_ctx *c = wk_ctx_new("cpu");
            wk_alloc_fail_at(n, keep);
            wk_files     *f = wk_files_open(c, path);
            wk_tensor     x = f ? wk_files_tensor(c, f, wk_files_at(f, 0).name) : WK_NONE;
            const int64_t made = wk_alloc_fail_at(0, false);
            cr_assert(f || wk_ctx_status(c) == WK_ENOMEM, "%s: allocation %lld: %s", path, (long long)n,
                      wk_ctx_message(c));
            cr_assert(wk_is_none(x) == (wk_ctx_status(c) != WK_OK));
            wk_files_close(f);
            wk_ctx_free(c);
            if (made < n) break;
        }
}

#endif
