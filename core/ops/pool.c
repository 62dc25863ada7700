/* Pooling: max_pool and its inverse, avg_pool, lp_pool, and the adaptive ones. Ops see [N, C, D, H, W]: fewer
 * dims are dims of size 1. */
#include "core/ctx.h"

#include <math.h>

/* attr.i: kernel, stride (0: adaptive), padding and dilation of the three dims; exclude padding, divisor. */
enum { KERNEL = 0, STRIDE = 3, PADDING = 6, DILATION = 9, EXCLUDE = 12, DIVISOR = 13, ATTRIBUTES = 14 };

#define LONG_SUM 4096

/* What a pooling call is about: its attributes and the sizes that come out. */
struct plan {
    int64_t attr[ATTRIBUTES], out[3];
    bool    batch;
};

static bool fits(wk_ctx *c, const char *op, int n, wk_tensor x, bool integers)
{
    if (wki_failed(c)) return false;
    const char cls = wki_dtype_class(x->dtype);
    if (wk_is_none(x) || (x->ndim != n + 1 && x->ndim != n + 2))
        wk_fail(c, WK_ESHAPE, "%s: x is %s; %d or %d dims are wanted", op, WKI_TEXT(x), n + 1, n + 2);
    else if (cls != 'F' && !(cls == 'I' && integers))
        wk_fail(c, WK_EDTYPE, "%s: x is %s", op, wk_dtype_name(x->dtype));
    for (int i = x->ndim - n - (x->ndim == n + 1); i < x->ndim && !wki_failed(c); i++)
        if (x->shape[i] == 0) wk_fail(c, WK_ESHAPE, "%s: x %s has nothing to pool", op, WKI_TEXT(x));
    return !wki_failed(c);
}

static wk_tensor five(wk_ctx *c, wk_tensor x, int n)
{
    wk_shape  shape = {.ndim = 5, .dim = {1, 1, 1, 1, 1}};
    const int batch = x->ndim == n + 2;
    if (batch) shape.dim[0] = x->shape[0];
    shape.dim[1] = x->shape[batch];
    for (int i = 0; i < n; i++) shape.dim[5 - n + i] = x->shape[batch + 1 + i];
    return wk_reshape(c, x, shape);
}

static wk_shape shape_like(wk_tensor x, int n, const int64_t *out)
{
    wk_shape shape = wki_shape(x);
    for (int i = 0; i < n; i++) shape.dim[x->ndim - n + i] = out[3 - n + i];
    return shape;
}

static int64_t places(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                      bool ceil)
{
    const int64_t room = in + 2 * padding - dilation * (kernel - 1) - 1;
    if (room < 0 && !(ceil && room + stride - 1 >= 0)) return 0;
    int64_t n = (room + (ceil ? stride - 1 : 0)) / stride + 1;
    if (ceil && (n - 1) * stride >= in + padding) n--; /* the last window has to begin inside */
    return n;
}

static bool plan_of(wk_ctx *c, const char *op, int n, wk_tensor x, const wk_pool_opts *o, bool dilated,
                    struct plan *p)
{
    *p = (struct plan){.attr = {1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1}, .out = {1, 1, 1}};
    for (int i = 0; i < n && !wki_failed(c); i++) {
        const int     at = 3 - n + i;
        const int64_t in = x->shape[x->ndim - n + i], padding = o->padding[i];
        const int64_t kernel = wki_entry(o->kernel, i, 0), stride = wki_entry(o->stride, i, kernel),
                      dilation = dilated ? wki_entry(o->dilation, i, 1) : 1;
        if (kernel < 1 || stride < 1 || dilation < 1 || padding < 0 || padding > kernel / 2 ||
            kernel > INT32_MAX || stride > INT32_MAX || dilation > INT32_MAX) {
            wk_fail(c, WK_EARG,
                    "%s: kernel %lld, stride %lld, padding %lld (at most half of the kernel), "
                    "dilation %lld",
                    op, (long long)kernel, (long long)stride, (long long)padding, (long long)dilation);
            break;
        }
        p->attr[KERNEL + at] = kernel;
        p->attr[STRIDE + at] = stride;
        p->attr[PADDING + at] = padding;
        p->attr[DILATION + at] = dilation;
        p->out[at] = places(in, kernel, stride, padding, dilation, o->ceil);
        if (p->out[at] < 1)
            wk_fail(c, WK_ESHAPE, "%s: a kernel over %lld places on %lld", op,
                    (long long)(dilation * (kernel - 1) + 1), (long long)(in + 2 * padding));
    }
    p->attr[EXCLUDE] = o->exclude_pad;
    p->attr[DIVISOR] = o->divisor;
    return !wki_failed(c);
}

/* Windows that cut a dim into equal parts are ordinary ones. */
static bool plan_adaptive(wk_ctx *c, const char *op, int n, wk_tensor x, const wk_shape *size, struct plan *p)
{
    *p = (struct plan){.attr = {1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1}, .out = {1, 1, 1}};
    if (size->ndim != n) wk_fail(c, WK_EARG, "%s: %d sizes; %d are wanted", op, size->ndim, n);
    for (int i = 0; i < n && !wki_failed(c); i++) {
        const int     at = 3 - n + i;
        const int64_t in = x->shape[x->ndim - n + i], out = size->dim[i] ? size->dim[i] : in;
        if (out < 0) wk_fail(c, WK_EARG, "%s: a size of %lld", op, (long long)out);
        if (wki_failed(c)) break;
        const bool even = in % out == 0;
        p->attr[KERNEL + at] = even ? in / out : 1;
        p->attr[STRIDE + at] = even ? in / out : 0;
        p->out[at] = out;
    }
    return !wki_failed(c);
}

static wk_tensor run(wk_ctx *c, wk_op op, wk_tensor x, wk_shape shape, const int64_t *attr,
                     wk_tensor *indices)
{
    if (wki_failed(c)) return WK_NONE;
    wk_call k = {.op = op,
                 .cls = wki_class_of(x->dtype),
                 WK_IN(x),
                 .n_out = indices ? 2 : 1,
                 .out = {wki_new(c, x->dtype, shape), indices ? wki_new(c, WK_i64, shape) : NULL}};
    for (int i = 0; i < ATTRIBUTES; i++) k.attr.i[i] = attr[i];
    const wk_tensor y = wki_run(c, &k);
    if (indices) *indices = wk_is_none(y) ? WK_NONE : k.out[1];
    return y;
}

static wk_shape five_out(wk_tensor x, const struct plan *p)
{
    return (wk_shape){5, {x->shape[0], x->shape[1], p->out[0], p->out[1], p->out[2]}};
}

/* ---- max ------------------------------------------------------------------------------------- */

static wk_tensor max_planned(wk_ctx *c, const char *op, int n, wk_tensor x, const struct plan *p,
                             wk_tensor *indices)
{
    const wk_tensor h = five(c, x, n);
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, (double)h->shape[2] * (double)h->shape[3] * (double)h->shape[4] < INT32_MAX, WK_ESHAPE,
               "%s: x is %s; at most 2^31 - 1 values of a channel", op, WKI_TEXT(x));
    wk_tensor       at = WK_NONE;
    const bool      wanted = indices || (wki_recording(c) && h->node);
    const wk_tensor y = run(c, WK_OP_max_pool, h, five_out(h, p), p->attr, wanted ? &at : NULL);
    if (wki_failed(c)) return WK_NONE;
    const wk_shape shape = shape_like(x, n, p->out);
    if (indices) *indices = wk_reshape(c, at, shape);
    return wk_reshape(c, y, shape);
}

static wk_tensor max_pool(wk_ctx *c, const char *op, int n, wk_tensor x, const wk_pool_opts *o,
                          wk_tensor *indices)
{
    struct plan p;
    if (indices) *indices = WK_NONE;
    if (!fits(c, op, n, x, true) || !plan_of(c, op, n, x, o, true, &p)) return WK_NONE;
    return max_planned(c, op, n, x, &p, indices);
}

static wk_tensor adaptive_max(wk_ctx *c, const char *op, int n, wk_tensor x, const wk_shape *size,
                              wk_tensor *indices)
{
    struct plan p;
    if (indices) *indices = WK_NONE;
    if (!fits(c, op, n, x, true) || !plan_adaptive(c, op, n, x, size, &p)) return WK_NONE;
    return max_planned(c, op, n, x, &p, indices);
}

/* x [planes, n] at its places in rows of `size`; add: places may come more than once. */
static wk_tensor put_back(wk_ctx *c, wk_tensor x, wk_tensor index, int64_t planes, int64_t size, bool add)
{
    const wk_shape rows = WK_SHAPE(planes, planes ? wk_count(x) / planes : 0);
    x = wk_reshape(c, x, rows);
    index = wk_reshape(c, index, rows);
    if (wki_failed(c)) return WK_NONE;
    return wki_run(c, &(wk_call){.op = WK_OP_unpool,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x, index),
                                 .attr.i = {add},
                                 .out = {wki_new(c, x->dtype, WK_SHAPE(planes, size))}});
}

static wk_tensor max_unpool(wk_ctx *c, const char *op, int n, wk_tensor x, wk_tensor indices,
                            const wk_pool_opts *o, const wk_shape *size)
{
    if (!fits(c, op, n, x, true)) return WK_NONE;
    WK_REQUIRE(c,
               !wk_is_none(indices) && indices->dtype == WK_i64 && indices->ndim == x->ndim &&
                   wk_count(indices) == wk_count(x),
               WK_ESHAPE, "%s: x is %s, indices %s %s; i64 of x's shape are wanted", op, WKI_TEXT(x),
               wk_dtype_name(indices->dtype), WKI_TEXT(indices));
    WK_REQUIRE(c, size->ndim == 0 || size->ndim == n, WK_EARG, "%s: %d sizes; %d are wanted", op, size->ndim,
               n);
    wk_shape shape = wki_shape(x);
    int64_t  area = 1;
    for (int i = 0; i < n; i++) {
        const int64_t kernel = wki_entry(o->kernel, i, 0), stride = wki_entry(o->stride, i, kernel);
        int64_t      *to = &shape.dim[x->ndim - n + i];
        *to = size->ndim ? size->dim[i] : (*to - 1) * stride + kernel - 2 * o->padding[i];
        WK_REQUIRE(c, *to >= 0, WK_EARG, "%s: a size of %lld", op, (long long)*to);
        area *= *to;
    }
    const int64_t planes = x->shape[0] * (x->ndim == n + 2 ? x->shape[1] : 1);
    return wk_reshape(c, put_back(c, x, indices, planes, area, false), shape);
}

/* ---- mean ------------------------------------------------------------------------------------ */

static wk_tensor avg_planned(wk_ctx *c, int n, wk_tensor x, const struct plan *p)
{
    const wk_tensor h = five(c, x, n);
    if (wki_failed(c)) return WK_NONE;
    return wk_reshape(c, run(c, WK_OP_avg_pool, h, five_out(h, p), p->attr, NULL), shape_like(x, n, p->out));
}

static wk_tensor avg_pool(wk_ctx *c, const char *op, int n, wk_tensor x, const wk_pool_opts *o)
{
    struct plan p;
    if (!fits(c, op, n, x, true) || !plan_of(c, op, n, x, o, false, &p)) return WK_NONE;
    return avg_planned(c, n, x, &p);
}

static wk_tensor adaptive_avg(wk_ctx *c, const char *op, int n, wk_tensor x, const wk_shape *size)
{
    struct plan p;
    if (!fits(c, op, n, x, false) || !plan_adaptive(c, op, n, x, size, &p)) return WK_NONE;
    int64_t  area = 1;
    wk_shape dims = {.ndim = n};
    for (int i = 0; i < n; i++) {
        dims.dim[i] = x->ndim - n + i;
        area *= x->shape[x->ndim - n + i];
    }
    /* long sums in blocks */
    if (p.out[0] * p.out[1] * p.out[2] == 1 && area > LONG_SUM) return wk_mean(c, x, dims, true);
    return avg_planned(c, n, x, &p);
}

/* The sum of a window is its mean times its size. A root of what rounding made negative would be NaN. */
static wk_tensor lp_pool(wk_ctx *c, const char *op, int n, wk_tensor x, double power, wk_pool_opts o)
{
    if (!fits(c, op, n, x, false)) return WK_NONE;
    for (int i = 0; i < n; i++) WK_REQUIRE(c, o.padding[i] == 0, WK_EARG, "%s: has no padding", op);
    double size = 1;
    for (int i = 0; i < n; i++) size *= (double)wki_entry(o.kernel, i, 0);
    o.exclude_pad = false;
    o.divisor = 0;
    const wk_tensor h = wk_pow(c, x, wk_scalar(c, power)), mean = avg_pool(c, op, n, h, &o);
    const wk_tensor sum =
        wk_mul(c, wk_mul(c, wk_sign(c, mean), wk_relu(c, wk_abs(c, mean))), wk_scalar(c, size));
    return wk_pow(c, sum, wk_scalar(c, 1 / power));
}

/* ---- gradients ------------------------------------------------------------------------------- */

void wki_vjp_max_pool(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    const int64_t   planes = x->shape[0] * x->shape[1], size = x->shape[2] * x->shape[3] * x->shape[4];
    dx[0] = wk_reshape(c, put_back(c, g[0], k->out[1], planes, size, true), wki_shape(x));
}
void wki_vjp_unpool(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = wk_gather(c, g[0], 1, k->in[1]);
}
/* The mean and its gradient are linear, and each the other's. */
void wki_vjp_avg_pool(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = run(c, WK_OP_avg_pool_vjp, g[0], wki_shape(k->in[0]), k->attr.i, NULL);
}
void wki_vjp_avg_pool_vjp(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = run(c, WK_OP_avg_pool, g[0], wki_shape(k->in[0]), k->attr.i, NULL);
}

/* ---- the functions of each number of dims ---------------------------------------------------- */

#define DIMS(n)                                                                                              \
    wk_tensor wk_max_pool##n##d(wk_ctx *c, wk_tensor x, wk_pool_opts o, wk_tensor *indices)                  \
    {                                                                                                        \
        return max_pool(c, "max_pool" #n "d", n, x, &o, indices);                                            \
    }                                                                                                        \
    wk_tensor wk_avg_pool##n##d(wk_ctx *c, wk_tensor x, wk_pool_opts o)                                      \
    {                                                                                                        \
        return avg_pool(c, "avg_pool" #n "d", n, x, &o);                                                     \
    }                                                                                                        \
    wk_tensor wk_lp_pool##n##d(wk_ctx *c, wk_tensor x, double p, wk_pool_opts o)                             \
    {                                                                                                        \
        return lp_pool(c, "lp_pool" #n "d", n, x, p, o);                                                     \
    }                                                                                                        \
    wk_tensor wk_adaptive_avg_pool##n##d(wk_ctx *c, wk_tensor x, wk_shape out)                               \
    {                                                                                                        \
        return adaptive_avg(c, "adaptive_avg_pool" #n "d", n, x, &out);                                      \
    }                                                                                                        \
    wk_tensor wk_adaptive_max_pool##n##d(wk_ctx *c, wk_tensor x, wk_shape out, wk_tensor *indices)           \
    {                                                                                                        \
        return adaptive_max(c, "adaptive_max_pool" #n "d", n, x, &out, indices);                             \
    }                                                                                                        \
    wk_tensor wk_max_unpool##n##d(wk_ctx *c, wk_tensor x, wk_tensor indices, wk_pool_opts o, wk_shape size)  \
    {                                                                                                        \
        return max_unpool(c, "max_unpool" #n "d", n, x, indices, &o, &size);                                 \
    }
DIMS(1)
DIMS(2)
DIMS(3)
