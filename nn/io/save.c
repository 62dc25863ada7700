/* Crash-safe writing of files, and of safetensors files with it. */
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- a file that appears whole ---- */

bool wki_save_begin(wki_save *s, wk_ctx *c, const char *path)
{
    *s = (wki_save){.c = c, .path = path, .fd = -1};
    if (wk_ctx_status(c) != WK_OK) return false;
    const char  *slash = path ? strrchr(path, '/') : NULL;
    const size_t head = slash ? (size_t)(slash - path) + 1 : 0, n = path ? strlen(path) : 0;
    if (n == head) {
        wk_fail(c, WK_EARG, "save: \"%.200s\" names no file", path ? path : "");
        return false;
    }
    s->temporary = wk_alloc(n + 48);
    if (!s->temporary) return wki_no_memory(c, path);
    for (int i = 0; i < 1000 && s->fd < 0; i++) {
        snprintf(s->temporary, n + 48, "%.*s.%s.%ld-%d.tmp", (int)head, path, path + head, (long)getpid(), i);
        s->fd = open(s->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (s->fd < 0 && errno != EEXIST) break;
    }
    if (s->fd >= 0) return true;
    wk_fail(c, WK_EIO, "%.200s: cannot create %.200s: %s", path, s->temporary, strerror(errno));
    return false;
}

bool wki_save_write(wki_save *s, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        const ssize_t k = write(s->fd, p, n < 1u << 30 ? n : 1u << 30);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) {
            wk_fail(s->c, WK_EIO, "%.300s: write failed: %s", s->path, strerror(k < 0 ? errno : ENOSPC));
            return false;
        }
        p += k;
        n -= (size_t)k;
    }
    return true;
}

bool wki_save_tensor(wki_save *s, wk_tensor x)
{
    const size_t n = (size_t)wk_bytes(x);
    void        *values = wk_alloc(n);
    if (!values) return wki_no_memory(s->c, s->path);
    const bool fine = wk_read(s->c, x, values) == WK_OK && wki_save_write(s, values, n);
    wk_free(values);
    return fine;
}

static bool sync_folder(const wki_save *s)
{
    const char *slash = strrchr(s->path, '/');
    char       *folder = wk_alloc(strlen(s->path) + 2);
    if (!folder) return wki_no_memory(s->c, s->path);
    const size_t n = slash ? (size_t)(slash - s->path) + 1 : 1;
    memcpy(folder, slash ? s->path : ".", n);
    folder[n] = '\0';
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a folder and say EINVAL; the rename is theirs to keep. */
    const bool fine = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    if (!fine) wk_fail(s->c, WK_EIO, "%.300s: fsync of its folder failed: %s", s->path, strerror(errno));
    if (fd >= 0) close(fd);
    wk_free(folder);
    return fine;
}

wk_status wki_save_end(wki_save *s, bool keep)
{
    bool renamed = false;
    if (s->fd >= 0) {
        keep = keep && wk_ctx_status(s->c) == WK_OK;
        bool fine = !keep || fsync(s->fd) == 0;
        fine = close(s->fd) == 0 && fine;
        renamed = keep && fine && rename(s->temporary, s->path) == 0;
        if (keep && !renamed) wk_fail(s->c, WK_EIO, "%.300s: cannot finish: %s", s->path, strerror(errno));
        if (renamed)
            sync_folder(s);
        else
            unlink(s->temporary);
    }
    wk_free(s->temporary);
    return wk_ctx_status(s->c);
}

/* ---- safetensors ---- */

static const char *dtype_name(wk_dtype t)
{
    static const struct {
        wk_dtype    dtype;
        const char *name;
    } rows[] = {{WK_bool, "BOOL"},     {WK_u8, "U8"},   {WK_i8, "I8"},   {WK_i16, "I16"},
                {WK_i32, "I32"},       {WK_i64, "I64"}, {WK_u32, "U32"}, {WK_f16, "F16"},
                {WK_bf16, "BF16"},     {WK_f32, "F32"}, {WK_f64, "F64"}, {WK_f8e4m3, "F8_E4M3"},
                {WK_f8e5m2, "F8_E5M2"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].dtype == t) return rows[i].name;
    return NULL;
}

struct text { /* the header, growing */
    char  *p;
    size_t n, cap;
    bool   failed;
};

static void put(struct text *t, const char *s, size_t n)
{
    if (t->failed) return;
    if (t->cap - t->n < n) {
        const size_t cap = (t->n + n) * 2 + 256;
        char        *p = wk_resize(t->p, cap);
        t->failed = !p;
        if (!p) return;
        t->p = p;
        t->cap = cap;
    }
    memcpy(t->p + t->n, s, n);
    t->n += n;
}

static void put_text(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void put_string(struct text *t, const char *s)
{
    put_text(t, "\"");
    for (; *s; s++) {
        char         one[8] = {*s, 0};
        const size_t n =
            (unsigned char)*s < 0x20 ? (size_t)snprintf(one, sizeof one, "\\u%04x", (unsigned char)*s) : 1;
        if (*s == '"' || *s == '\\') put_text(t, "\\");
        put(t, one, n);
    }
    put_text(t, "\"");
}

static void put_numbers(struct text *t, const int64_t *v, int n)
{
    for (int i = 0; i < n; i++) {
        char one[32];
        snprintf(one, sizeof one, "%s%lld", i ? "," : "", (long long)v[i]);
        put_text(t, one);
    }
}

bool wki_save_check(wk_ctx *c, const char *path, int64_t n, const char *const *names, const wk_tensor *x)
{
    wki_names seen = {0};
    for (int64_t i = 0; i < n && wk_ctx_status(c) == WK_OK; i++) {
        const size_t k = names[i] ? strlen(names[i]) : 0;
        if (k == 0 || k > WKI_MAX_NAME || !wki_is_printable(names[i], k))
            wk_fail(c, WK_EARG, "%.200s: tensor %lld has no name fit for a file", path, (long long)i);
        else if (wki_names_find(&seen, names[i]) != WKI_NO_NAME)
            wk_fail(c, WK_EARG, "%.200s: two tensors are named \"%.120s\"", path, names[i]);
        else if (wk_is_none(x[i]))
            wk_fail(c, WK_EARG, "%.200s: \"%.120s\" is no tensor", path, names[i]);
        else if (!wki_names_add(&seen, names[i]))
            wki_no_memory(c, path);
    }
    wki_names_free(&seen);
    return wk_ctx_status(c) == WK_OK;
}

/* What else a safetensors file asks of its tensors. */
static bool fit(wk_ctx *c, const char *path, int64_t n, const char *const *names, const wk_tensor *x)
{
    for (int64_t i = 0; i < n && wk_ctx_status(c) == WK_OK; i++)
        if (strcmp(names[i], "__metadata__") == 0)
            wk_fail(c, WK_EARG, "%.200s: tensor %lld has no name fit for a file", path, (long long)i);
        else if (!dtype_name(x[i]->dtype))
            wk_fail(c, WK_EDTYPE, "%.200s: \"%.120s\": safetensors has no dtype %s", path, names[i],
                    wk_dtype_name(x[i]->dtype));
    return wk_ctx_status(c) == WK_OK;
}

/* Widest values first, so that every tensor begins at a multiple of its value size. */
static const int widths[] = {8, 4, 2, 1};

static void put_tensors(struct text *t, int64_t n, const char *const *names, const wk_tensor *x, bool first)
{
    int64_t at = 0;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int64_t i = 0; i < n; i++) {
            if (wk_dtype_bytes(x[i]->dtype) != widths[w]) continue;
            put_text(t, first ? "" : ",");
            first = false;
            put_string(t, names[i]);
            put_text(t, ":{\"dtype\":\"");
            put_text(t, dtype_name(x[i]->dtype));
            put_text(t, "\",\"shape\":[");
            put_numbers(t, x[i]->shape, x[i]->ndim);
            put_text(t, "],\"data_offsets\":[");
            put_numbers(t, (int64_t[]){at, at + wk_bytes(x[i])}, 2);
            put_text(t, "]}");
            at += wk_bytes(x[i]);
        }
}

static bool write_all(wki_save *s, const struct text *t, int64_t n, const wk_tensor *x)
{
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)t->n >> (8 * i));
    if (!wki_save_write(s, length, 8) || !wki_save_write(s, t->p, t->n)) return false;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int64_t i = 0; i < n; i++)
            if (wk_dtype_bytes(x[i]->dtype) == widths[w] && !wki_save_tensor(s, x[i])) return false;
    return true;
}

wk_status wk_save(wk_ctx *c, const char *path, int64_t n, const char *const *names, const wk_tensor *x,
                  int n_metadata, const char *const (*metadata)[2])
{
    if (wk_ctx_status(c) != WK_OK) return wk_ctx_status(c);
    if (!path || n < 0 || (n > 0 && (!names || !x)))
        return wk_fail(c, WK_EARG, "save: no path or no tensors");
    for (int i = 0; i < n_metadata; i++)
        for (int k = 0; k < 2; k++)
            if (!metadata || !metadata[i][k] || !wki_is_utf8(metadata[i][k], strlen(metadata[i][k])))
                return wk_fail(c, WK_EARG, "%.200s: metadata %d is not UTF-8 text", path, i);
    if (!wki_save_check(c, path, n, names, x) || !fit(c, path, n, names, x)) return wk_ctx_status(c);
    struct text t = {0};
    put_text(&t, "{");
    for (int i = 0; i < n_metadata; i++) {
        put_text(&t, i ? "," : "\"__metadata__\":{");
        put_string(&t, metadata[i][0]);
        put_text(&t, ":");
        put_string(&t, metadata[i][1]);
    }
    if (n_metadata > 0) put_text(&t, "}");
    put_tensors(&t, n, names, x, n_metadata <= 0);
    put_text(&t, "}");
    while (!t.failed && t.n % 8 != 0) put_text(&t, " ");
    wki_save   s;
    const bool fine = !t.failed && wki_save_begin(&s, c, path);
    if (t.failed) wki_no_memory(c, path);
    if (!t.failed) wki_save_end(&s, fine && write_all(&s, &t, n, x));
    wk_free(t.p);
    return wk_ctx_status(c);
}
