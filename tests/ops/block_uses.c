/* What is done with block dtypes on a device gives what it gives on the CPU: moved and recoded blocks bit for
 * bit, products within rounding. */
#include "tests/ops/block_uses.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 6, COLUMNS = 768, MOST = 8 * ROWS * COLUMNS };

static wk_tensor values(wk_ctx *c, wk_shape shape, uint64_t seed)
{
    static float x[MOST];
    uint64_t     s = seed * 2 + 1;
    int64_t      n = 1;
    for (int i = 0; i < shape.ndim; i++) n *= shape.dim[i];
    for (int64_t i = 0; i < n; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(s >> 40) / 8388608.0f - 1.0f;
    }
    return wk_make(c, x, WK_f32, shape);
}
static wk_tensor blocks(wk_ctx *c, wk_dtype t, wk_shape shape, uint64_t seed)
{
    return wk_cast(c, values(c, shape, seed), t);
}

static wk_tensor embedded(wk_ctx *c, wk_dtype t)
{
    const wk_tensor id = wk_make(c, (const int64_t[]){4, 0, 5, 4}, WK_i64, WK_SHAPE(2, 2));
    return wk_embedding_rows(c, blocks(c, t, WK_SHAPE(ROWS, COLUMNS), 1), id);
}
static wk_tensor selected(wk_ctx *c, wk_dtype t)
{
    const wk_tensor id = wk_make(c, (const int32_t[]){3, 3, 1}, WK_i32, WK_SHAPE(3));
    return wk_index_select(c, blocks(c, t, WK_SHAPE(2, ROWS, COLUMNS), 2), 1, id);
}
/* Rows and blocks out of the middle, so that they begin anywhere. */
static wk_tensor cut(wk_ctx *c, wk_dtype t)
{
    const wk_tensor x = wk_slice(c, blocks(c, t, WK_SHAPE(ROWS, COLUMNS), 3), 0, 1, ROWS, 2);
    return wk_slice(c, x, 1, 256, 768, 1);
}
static wk_tensor turned(wk_ctx *c, wk_dtype t)
{
    return wk_contiguous(c, wk_permute(c, blocks(c, t, WK_SHAPE(2, 3, COLUMNS), 4), WK_DIMS(1, 0, 2)));
}
static wk_tensor as_bf16(wk_ctx *c, wk_dtype t)
{
    return wk_cast(c, cut(c, t), WK_bf16);
}
static wk_tensor as_i32(wk_ctx *c, wk_dtype t)
{
    return wk_cast(c, wk_cast(c, wk_mul(c, values(c, WK_SHAPE(2, 256), 5), wk_scalar(c, 90)), t), WK_i32);
}
static wk_tensor from_turned(wk_ctx *c, wk_dtype t)
{
    return wk_cast(c, wk_transpose(c, values(c, WK_SHAPE(256, 5), 6), 0, 1), t);
}
static wk_tensor from_half(wk_ctx *c, wk_dtype t)
{
    return wk_cast(c, wk_cast(c, values(c, WK_SHAPE(3, 512), 7), WK_f16), t);
}
static wk_tensor from_other(wk_ctx *c, wk_dtype t)
{
    return wk_cast(c, cut(c, WK_q6_k), t);
}
/* Into a view of a larger tensor of blocks. */
static wk_tensor copied_into(wk_ctx *c, wk_dtype t)
{
    const wk_tensor home = blocks(c, t, WK_SHAPE(ROWS, COLUMNS), 8);
    wk_copy_into(c, wk_slice(c, wk_slice(c, home, 0, 1, 5, 2), 1, 256, 512, 1),
                 values(c, WK_SHAPE(2, 256), 9));
    return home;
}
static wk_tensor cached(wk_ctx *c, wk_dtype t)
{
    const wk_tensor cache = blocks(c, t, WK_SHAPE(1, 2, 7, 256), 10);
    const wk_tensor start = wk_make(c, (const int64_t[]){3}, WK_i64, WK_SHAPE(1));
    wk_cache_write(c, cache, wk_transpose(c, values(c, WK_SHAPE(1, 3, 2, 256), 11), 1, 2), start);
    return cache;
}
static wk_tensor cached_blocks(wk_ctx *c, wk_dtype t)
{
    const wk_tensor cache = blocks(c, t, WK_SHAPE(1, 2, 7, 256), 12);
    const wk_tensor start = wk_make(c, (const int32_t[]){5}, WK_i32, WK_SHAPE(1));
    wk_cache_write(c, cache, blocks(c, t, WK_SHAPE(1, 2, 2, 256), 13), start);
    return cache;
}
/* Weights of four dtypes at once, with and without bias; the sum of all their results. */
static wk_tensor affine_of(wk_ctx *c, wk_dtype t, wk_tensor x)
{
    static const int64_t sizes[] = {5, 33, 64, 9};
    const wk_dtype       types[] = {t, WK_q4_0, WK_f32, WK_q6_k};
    wk_tensor            w[4], bias[4], y[4], parts[4];
    for (int i = 0; i < 4; i++) {
        w[i] = blocks(c, types[i], WK_SHAPE(sizes[i], 512), 14 + (uint64_t)i);
        bias[i] = i % 2 ? values(c, WK_SHAPE(sizes[i]), 20) : WK_NONE;
    }
    wk_affine_n(c, x, 4, w, bias, y);
    for (int i = 0; i < 4; i++) parts[i] = wk_cast(c, y[i], WK_f32);
    return wk_cat(c, 4, parts, -1);
}
static wk_tensor several(wk_ctx *c, wk_dtype t)
{
    return affine_of(c, t, wk_slice(c, values(c, WK_SHAPE(5, 640), 30), 1, 64, 576, 1));
}
static wk_tensor several_f64(wk_ctx *c, wk_dtype t)
{
    return affine_of(c, t, wk_cast(c, values(c, WK_SHAPE(2, 2, 512), 31), WK_f64));
}
static wk_tensor several_bf16(wk_ctx *c, wk_dtype t)
{
    const wk_tensor x = wk_cast(c, values(c, WK_SHAPE(22, 512), 32), WK_bf16);
    return affine_of(c, t, wk_slice(c, x, 0, 0, 22, 2));
}
/* A weight whose rows lie between others. */
static wk_tensor stepped(wk_ctx *c, wk_dtype t)
{
    const wk_tensor w = wk_slice(c, blocks(c, t, WK_SHAPE(11, 512), 33), 0, 1, 11, 2);
    const wk_tensor x = values(c, WK_SHAPE(12, 256), 34);
    return wk_affine(c, x, wk_slice(c, w, 1, 256, 512, 1), WK_NONE);
}

static const struct use {
    const char *name;
    wk_tensor (*run)(wk_ctx *c, wk_dtype t);
    double tolerance;
} uses[] = {{"embedding_rows", embedded, 0},
            {"index_select", selected, 0},
            {"rows and blocks of the middle", cut, 0},
            {"permuted", turned, 0},
            {"to bf16", as_bf16, 0},
            {"to i32", as_i32, 0},
            {"from turned", from_turned, 0},
            {"from f16", from_half, 0},
            {"from q6_k", from_other, 0},
            {"copy_into a view", copied_into, 0},
            {"cache_write", cached, 0},
            {"cache_write of blocks", cached_blocks, 0},
            {"four weights", several, 2e-5},
            {"four weights in f64", several_f64, 1e-11},
            {"four weights in bf16", several_bf16, 0.02},
            {"rows between others", stepped, 2e-5}};
#define USES (sizeof uses / sizeof *uses)

static int64_t read_all(wk_ctx *c, wk_tensor x, double *y)
{
    x = wk_cast(c, wk_cast(c, x, wk_dtype_block(x->dtype) > 1 ? WK_f32 : WK_f64), WK_f64);
    return wk_ctx_status(c) == WK_OK && wk_count(x) <= MOST && wk_read(c, x, y) == WK_OK ? wk_count(x) : 0;
}

static bool agrees(wk_ctx *c, wk_ctx *cpu, const struct use *u, wk_dtype t, char *message, size_t size)
{
    static double  got[MOST], want[MOST];
    const wk_scope s = wk_scope_begin(c), at = wk_scope_begin(cpu);
    const int64_t  n = read_all(cpu, u->run(cpu, t), want), m = read_all(c, u->run(c, t), got);
    double         largest = 0, wrong = 0;
    int64_t        where = 0;
    for (int64_t i = 0; i < n && i < m; i++) {
        const double e = fabs(got[i] - want[i]);
        if (fabs(want[i]) > largest) largest = fabs(want[i]);
        if (e > wrong || isnan(e)) {
            wrong = isnan(e) ? (double)INFINITY : e;
            where = i;
        }
    }
    const bool ok = n > 0 && n == m && wrong <= u->tolerance * largest;
    if (!ok)
        snprintf(message, size, "%s of %s: %lld values of %lld, value %lld is %g, not %g %s%s", u->name,
                 wk_dtype_name(t), (long long)m, (long long)n, (long long)where, got[where], want[where],
                 wk_ctx_message(c), wk_ctx_message(cpu));
    wk_scope_end(c, s, WK_NONE);
    wk_scope_end(cpu, at, WK_NONE);
    return ok;
}

/* A bad index is the next read's failure, and the context goes on. */
static bool bad_index(wk_ctx *c, wk_tensor y, const char *what, const char *want, char *message, size_t size)
{
    static float v[MOST];
    const bool   ok = wk_read(c, y, v) == WK_EINDEX && strstr(wk_ctx_message(c), want);
    if (!ok) snprintf(message, size, "%s gives \"%s\"", what, wk_ctx_message(c));
    wk_ctx_clear(c);
    return ok;
}
static bool bad_indices(wk_ctx *c, char *message, size_t size)
{
    enum { MANY = 40 };
    int64_t         id[MANY] = {1, 9};
    const wk_tensor table = blocks(c, WK_q4_0, WK_SHAPE(ROWS, 256), 1);
    const wk_tensor two = wk_make(c, id, WK_i64, WK_SHAPE(2));
    if (!bad_index(c, wk_embedding_rows(c, table, two), "embedding_rows", "index 9 of 6", message, size))
        return false;
    const wk_tensor experts = blocks(c, WK_q4_0, WK_SHAPE(3, ROWS, 256), 2);
    const wk_tensor x = values(c, WK_SHAPE(MANY, 256), 3);
    id[1] = -2;
    const wk_tensor few = wk_affine_experts(c, wk_slice(c, x, 0, 0, 2, 1), experts, WK_NONE,
                                            wk_make(c, id, WK_i64, WK_SHAPE(2, 1)));
    if (!bad_index(c, few, "affine_experts", "index -2 of 3", message, size)) return false;
    id[1] = 0;
    id[30] = (int64_t)1 << 40;
    const wk_tensor many =
        wk_affine_experts(c, x, experts, WK_NONE, wk_make(c, id, WK_i64, WK_SHAPE(MANY, 1)));
    if (!bad_index(c, many, "affine_experts", "index 1099511627776 of 3", message, size)) return false;
    const wk_tensor cache = blocks(c, WK_q8_0, WK_SHAPE(1, 2, 7, 256), 4);
    const wk_tensor start = wk_make(c, (const int64_t[]){6}, WK_i64, WK_SHAPE(1));
    wk_cache_write(c, cache, values(c, WK_SHAPE(1, 2, 2, 256), 5), start);
    return bad_index(c, wk_cast(c, cache, WK_f32), "cache_write", "index 6 of 6", message, size);
}

int64_t check_block_uses(const char *device, char *message, size_t size)
{
    wk_ctx *c = wk_ctx_new(device), *cpu = wk_ctx_new("cpu");
    int64_t done = 0;
    bool    ok = true;
    wk_set_precise(c, true); /* the same way on both */
    wk_set_precise(cpu, true);
    for (wk_dtype t = 0; t < WK_DTYPE_COUNT && ok; t++)
        for (size_t i = 0; i < USES && ok && wk_dtype_block(t) > 1; i++, done++)
            ok = agrees(c, cpu, &uses[i], t, message, size);
    ok = ok && bad_indices(c, message, size);
    wk_ctx_free(c);
    wk_ctx_free(cpu);
    return ok ? done : 0;
}
