/* A second backend, as a module: memory of the host, a few unfused ops in scalar code, no fused ones.
 * It shows that core/op.h is all a backend needs, and that what it lacks runs as compositions. */
#include "core/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DUMMY_ABI
#define DUMMY_ABI WK_BACKEND_ABI
#endif

static double get(wk_tensor x, int64_t at)
{
    const char *p = (const char *)wki_data(x) + at * wk_dtype_bytes(x->dtype);
    if (x->dtype == WK_f32) return (double)*(const float *)(const void *)p;
    if (x->dtype == WK_f64) return *(const double *)(const void *)p;
    if (x->dtype == WK_i64) return (double)*(const int64_t *)(const void *)p;
    return (double)*(const bool *)(const void *)p;
}

static void set(wk_tensor x, int64_t at, double v)
{
    char *p = (char *)wki_data(x) + at * wk_dtype_bytes(x->dtype);
    if (x->dtype == WK_f32) *(float *)(void *)p = (float)v;
    if (x->dtype == WK_f64) *(double *)(void *)p = v;
    if (x->dtype == WK_i64) *(int64_t *)(void *)p = (int64_t)v;
    if (x->dtype == WK_bool) *(bool *)(void *)p = v != 0;
}

static bool known(const wk_call *k)
{
    for (int i = -1; i < k->n_in; i++) {
        const wk_dtype t = i < 0 ? k->out[0]->dtype : k->in[i]->dtype;
        if (t != WK_f32 && t != WK_f64 && t != WK_i64 && t != WK_bool) return false;
    }
    return true;
}

/* Offset of x at position i of y's elements; x is broadcast to y. */
static int64_t place(wk_tensor x, wk_tensor y, int64_t i)
{
    int64_t at = 0;
    for (int d = y->ndim - 1; d >= 0; d--) {
        const int     e = d - (y->ndim - x->ndim);
        const int64_t index = i % y->shape[d];
        i /= y->shape[d];
        if (e >= 0 && x->shape[e] != 1) at += index * x->stride[e];
    }
    return at;
}

static wk_status each(const wk_call *k, double (*fn)(double, double))
{
    const wk_tensor y = k->out[0];
    if (!known(k)) return WK_EDTYPE;
    for (int64_t i = 0; i < wk_count(y); i++) {
        const double a = get(k->in[0], place(k->in[0], y, i));
        set(y, place(y, y, i), fn(a, k->n_in > 1 ? get(k->in[1], place(k->in[1], y, i)) : 0));
    }
    return WK_OK;
}

#define EACH(name, formula)                                                                                  \
    static double fn_##name(double a, double b)                                                              \
    {                                                                                                        \
        (void)b;                                                                                             \
        return formula;                                                                                      \
    }                                                                                                        \
    static wk_status op_##name(const wk_call *k)                                                             \
    {                                                                                                        \
        return each(k, fn_##name);                                                                           \
    }
EACH(copy, a)
EACH(add, a + b)
EACH(sub, a - b)
EACH(mul, a *b)
EACH(div, a / b)
EACH(eq, a == b)
EACH(exp, exp(a))
EACH(log, log(a))
EACH(rsqrt, 1 / sqrt(a))
EACH(square, a *a)
EACH(silu, a / (1 + exp(-a)))

static wk_status op_fill(const wk_call *k)
{
    for (int64_t i = 0; i < wk_count(k->out[0]); i++) set(k->out[0], i, k->attr.f[0]);
    return known(k) ? WK_OK : WK_EDTYPE;
}

/* Over the dims of the mask attr.i[0]. */
static wk_status reduce(const wk_call *k, double start, double (*fn)(double, double), bool mean)
{
    const wk_tensor x = k->in[0], y = k->out[0];
    const int64_t   n = wk_count(x), m = wk_count(y);
    if (!known(k)) return WK_EDTYPE;
    for (int64_t i = 0; i < m; i++) set(y, i, start);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, from = 0, to = 0, step = 1;
        for (int d = x->ndim - 1; d >= 0; d--) {
            const int64_t index = rest % x->shape[d];
            rest /= x->shape[d];
            from += index * x->stride[d];
            if (k->attr.i[0] >> d & 1) continue;
            to += index * step;
            step *= x->shape[d];
        }
        set(y, to, fn(get(y, to), get(x, from)));
    }
    for (int64_t i = 0; mean && i < m; i++) set(y, i, get(y, i) * (double)m / (double)n);
    return WK_OK;
}
static double larger(double a, double b)
{
    return a > b ? a : b;
}
static wk_status op_sum(const wk_call *k)
{
    return reduce(k, 0, fn_add, false);
}
static wk_status op_mean(const wk_call *k)
{
    return reduce(k, 0, fn_add, true);
}
static wk_status op_amax(const wk_call *k)
{
    return reduce(k, -INFINITY, larger, false);
}

static wk_status dummy_open(wk_device *d, int index, char *message, size_t size)
{
    d->state = NULL;
    if (index < 2) return WK_OK;
    snprintf(message, size, "device \"dummy:%d\": there are two", index);
    return WK_EDEVICE;
}
static void dummy_close(wk_device *d)
{
    (void)d;
}
static void *dummy_alloc(wk_device *d, size_t bytes)
{
    return d ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;
}
static void dummy_free(wk_device *d, void *block, size_t bytes)
{
    (void)d;
    (void)bytes;
    free(block);
}
static wk_status dummy_out(wk_device *d, void *stream, void *host, const void *block, size_t bytes)
{
    (void)d;
    (void)stream;
    memcpy(host, block, bytes);
    return WK_OK;
}
static wk_status dummy_in(wk_device *d, void *stream, void *block, const void *host, size_t bytes)
{
    return dummy_out(d, stream, block, host, bytes);
}
static wk_status dummy_sync(wk_device *d, void *stream)
{
    (void)d;
    (void)stream;
    return WK_OK;
}

#define SLOT(name) [WK_OP_##name] = op_##name
static const wk_backend backend = {.name = "dummy",
                                   .abi = DUMMY_ABI,
                                   .open = dummy_open,
                                   .close = dummy_close,
                                   .alloc = dummy_alloc,
                                   .free = dummy_free,
                                   .to_host = dummy_out,
                                   .from_host = dummy_in,
                                   .sync = dummy_sync,
                                   .kernels = {SLOT(copy), SLOT(fill), SLOT(add), SLOT(sub), SLOT(mul),
                                               SLOT(div), SLOT(eq), SLOT(exp), SLOT(log), SLOT(rsqrt),
                                               SLOT(square), SLOT(silu), SLOT(sum), SLOT(mean), SLOT(amax)}};

WK_API const wk_backend *wk_backend_entry_point(void) __asm__("wk_backend_entry");
const wk_backend        *wk_backend_entry_point(void)
{
    return &backend;
}
