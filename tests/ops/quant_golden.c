/* Block-quantised rows against the reference encoder and decoder, bit for bit. */
#include "tests/ops/quant_golden.h"

#include "nn/nn.h"

#include <stdio.h>
#include <string.h>

struct golden {
    wk_ctx   *c;
    wk_files *files;
    wk_tensor x;
    char     *message;
    size_t    size;
};

static wk_tensor part(const struct golden *g, wk_dtype t, const char *which)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", wk_dtype_name(t), which);
    return wk_files_tensor(g->c, g->files, name);
}

/* Do the bytes of two tensors agree? Host memory, dense. */
static bool same_bytes(const struct golden *g, wk_dtype t, const char *what, wk_tensor got, wk_tensor want,
                       int64_t unit)
{
    const int64_t bytes = wk_bytes(want);
    if (wk_ctx_status(g->c) != WK_OK) {
        snprintf(g->message, g->size, "%s, %s: %s", wk_dtype_name(t), what, wk_ctx_message(g->c));
        return false;
    }
    if (wk_bytes(got) != bytes) {
        snprintf(g->message, g->size, "%s, %s: %lld bytes, not %lld", wk_dtype_name(t), what,
                 (long long)wk_bytes(got), (long long)bytes);
        return false;
    }
    unsigned char *a = wk_alloc((size_t)bytes), *b = wk_alloc((size_t)bytes);
    bool           same = a && b && wk_read(g->c, got, a) == WK_OK && wk_read(g->c, want, b) == WK_OK;
    if (!same) snprintf(g->message, g->size, "%s, %s: cannot be read", wk_dtype_name(t), what);
    for (int64_t i = 0; i < bytes && same; i++)
        if (a[i] != b[i]) {
            snprintf(g->message, g->size, "%s, %s: byte %lld of block (value) %lld is %d, not %d",
                     wk_dtype_name(t), what, (long long)(i % unit), (long long)(i / unit), a[i], b[i]);
            same = false;
        }
    wk_free(a);
    wk_free(b);
    return same;
}

/* The values as a tensor of blocks over bytes of the file. */
static wk_tensor blocks_of(const struct golden *g, wk_dtype t, wk_tensor bytes)
{
    const int64_t n = wk_bytes(bytes) / wk_dtype_bytes(t) * wk_dtype_block(t);
    char         *raw = wk_alloc((size_t)wk_bytes(bytes) + 1);
    if (!raw || wk_read(g->c, bytes, raw)) {
        wk_free(raw);
        return WK_NONE;
    }
    const wk_tensor b = wk_make(g->c, raw, t, WK_SHAPE(n));
    wk_free(raw);
    return b;
}

static bool check_format(const struct golden *g, wk_dtype t)
{
    const int64_t   bytes = wk_dtype_bytes(t);
    const wk_tensor quantised = wk_cast(g->c, g->x, t);
    if (!same_bytes(g, t, "quantised", quantised, part(g, t, "bytes"), bytes)) return false;
    const wk_tensor values = wk_cast(g->c, blocks_of(g, t, part(g, t, "random")), WK_f32);
    return same_bytes(g, t, "dequantised", values, part(g, t, "values"), 4);
}

int64_t check_quant_golden(wk_ctx *c, const char *path, char *message, size_t size)
{
    struct golden g = {.c = c, .files = wk_files_open(c, path), .message = message, .size = size};
    int64_t       n = 0;
    bool          ok = g.files != NULL;
    snprintf(message, size, "%s", wk_ctx_message(c));
    if (ok) g.x = wk_files_tensor(c, g.files, "x");
    for (wk_dtype t = 0; t < WK_DTYPE_COUNT && ok; t++) {
        if (wk_dtype_block(t) == 1) continue;
        ok = check_format(&g, t);
        n++;
    }
    wk_files_close(g.files);
    return ok ? n : 0;
}
