/* The case driver's pooling. */
#include "cases.h"

#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

/* One integer for all dims, or one each; null: 0. */
static void each(struct run *r, const char *name, int n, int64_t *to)
{
    if (!given(r, name)) return;
    for (int p = 0; p < r->n_params; p++) {
        const json_t *v = r->values[p];
        if (strcmp(r->params[p], name) != 0) continue;
        for (int i = 0; i < n; i++) {
            const size_t  last = json_is_array(v) ? json_array_size(v) - 1 : 0;
            const json_t *at = json_is_array(v) ? json_array_get(v, (size_t)i < last ? (size_t)i : last) : v;
            to[i] = json_integer_value(at);
        }
    }
}

static wk_pool_opts options(struct run *r, int n)
{
    wk_pool_opts o = {.ceil = truth(r, "ceil_mode", false)};
    each(r, "kernel_size", n, o.kernel);
    each(r, "stride", n, o.stride);
    return o;
}

typedef wk_tensor (*picking)(wk_ctx *, wk_tensor, wk_pool_opts, wk_tensor *);
static int max_pool(struct run *r, wk_tensor *out, picking fn, int n)
{
    wk_pool_opts o = options(r, n);
    each(r, "padding", n, o.padding);
    each(r, "dilation", n, o.dilation);
    const bool places = truth(r, "return_indices", false);
    out[0] = fn(r->c, tensor(r, "input"), o, places ? &out[1] : NULL);
    return places ? 2 : 1;
}
OP(max_pool1d)
{
    return max_pool(r, out, wk_max_pool1d, 1);
}
OP(max_pool2d)
{
    return max_pool(r, out, wk_max_pool2d, 2);
}
OP(max_pool3d)
{
    return max_pool(r, out, wk_max_pool3d, 3);
}

typedef wk_tensor (*plain)(wk_ctx *, wk_tensor, wk_pool_opts);
static wk_tensor avg_pool(struct run *r, plain fn, int n)
{
    wk_pool_opts o = options(r, n);
    each(r, "padding", n, o.padding);
    o.exclude_pad = !truth(r, "count_include_pad", true);
    if (n > 1) o.divisor = integer(r, "divisor_override", 0);
    return fn(r->c, tensor(r, "input"), o);
}
OP(avg_pool1d)
{
    ONE(avg_pool(r, wk_avg_pool1d, 1));
}
OP(avg_pool2d)
{
    ONE(avg_pool(r, wk_avg_pool2d, 2));
}
OP(avg_pool3d)
{
    ONE(avg_pool(r, wk_avg_pool3d, 3));
}

OP(lp_pool1d)
{
    ONE(wk_lp_pool1d(r->c, tensor(r, "input"), real(r, "norm_type", 2), options(r, 1)));
}
OP(lp_pool2d)
{
    ONE(wk_lp_pool2d(r->c, tensor(r, "input"), real(r, "norm_type", 2), options(r, 2)));
}
OP(lp_pool3d)
{
    ONE(wk_lp_pool3d(r->c, tensor(r, "input"), real(r, "norm_type", 2), options(r, 3)));
}

static wk_shape size(struct run *r, int n)
{
    wk_shape s = {.ndim = n};
    each(r, "output_size", n, s.dim);
    return s;
}
OP(adaptive_avg_pool1d)
{
    ONE(wk_adaptive_avg_pool1d(r->c, tensor(r, "input"), size(r, 1)));
}
OP(adaptive_avg_pool2d)
{
    ONE(wk_adaptive_avg_pool2d(r->c, tensor(r, "input"), size(r, 2)));
}
OP(adaptive_avg_pool3d)
{
    ONE(wk_adaptive_avg_pool3d(r->c, tensor(r, "input"), size(r, 3)));
}

typedef wk_tensor (*adaptive)(wk_ctx *, wk_tensor, wk_shape, wk_tensor *);
static int adaptive_max(struct run *r, wk_tensor *out, adaptive fn, int n)
{
    const bool places = truth(r, "return_indices", false);
    out[0] = fn(r->c, tensor(r, "input"), size(r, n), places ? &out[1] : NULL);
    return places ? 2 : 1;
}
OP(adaptive_max_pool1d)
{
    return adaptive_max(r, out, wk_adaptive_max_pool1d, 1);
}
OP(adaptive_max_pool2d)
{
    return adaptive_max(r, out, wk_adaptive_max_pool2d, 2);
}
OP(adaptive_max_pool3d)
{
    return adaptive_max(r, out, wk_adaptive_max_pool3d, 3);
}

/* output_size may have all dims or those pooled. */
typedef wk_tensor (*unpooling)(wk_ctx *, wk_tensor, wk_tensor, wk_pool_opts, wk_shape);
static wk_tensor unpool(struct run *r, unpooling fn, int n)
{
    wk_pool_opts o = {.ceil = false};
    each(r, "kernel_size", n, o.kernel);
    each(r, "stride", n, o.stride);
    each(r, "padding", n, o.padding);
    wk_shape all = {0}, s = {0};
    if (given(r, "output_size")) all = sizes(r, "output_size");
    for (int i = all.ndim - n; i >= 0 && i < all.ndim; i++) s.dim[s.ndim++] = all.dim[i];
    return fn(r->c, tensor(r, "input"), tensor(r, "indices"), o, s);
}
OP(max_unpool1d)
{
    ONE(unpool(r, wk_max_unpool1d, 1));
}
OP(max_unpool2d)
{
    ONE(unpool(r, wk_max_unpool2d, 2));
}
OP(max_unpool3d)
{
    ONE(unpool(r, wk_max_unpool3d, 3));
}

#define MOST     "input kernel_size stride padding dilation ceil_mode return_indices"
#define MEAN     "input kernel_size stride padding ceil_mode count_include_pad divisor_override"
#define NORM     "input norm_type kernel_size stride ceil_mode"
#define ADAPTIVE "input output_size return_indices"
#define INVERSE  "input indices kernel_size stride padding output_size"
const struct op_row pool_ops[] = {
    {"max_pool1d", MOST, max_pool1d},
    {"max_pool2d", MOST, max_pool2d},
    {"max_pool3d", MOST, max_pool3d},
    {"avg_pool1d", MEAN, avg_pool1d},
    {"avg_pool2d", MEAN, avg_pool2d},
    {"avg_pool3d", MEAN, avg_pool3d},
    {"lp_pool1d", NORM, lp_pool1d},
    {"lp_pool2d", NORM, lp_pool2d},
    {"lp_pool3d", NORM, lp_pool3d},
    {"adaptive_avg_pool1d", ADAPTIVE, adaptive_avg_pool1d},
    {"adaptive_avg_pool2d", ADAPTIVE, adaptive_avg_pool2d},
    {"adaptive_avg_pool3d", ADAPTIVE, adaptive_avg_pool3d},
    {"adaptive_max_pool1d", ADAPTIVE, adaptive_max_pool1d},
    {"adaptive_max_pool2d", ADAPTIVE, adaptive_max_pool2d},
    {"adaptive_max_pool3d", ADAPTIVE, adaptive_max_pool3d},
    {"max_unpool1d", INVERSE, max_unpool1d},
    {"max_unpool2d", INVERSE, max_unpool2d},
    {"max_unpool3d", INVERSE, max_unpool3d},
    {0},
};
