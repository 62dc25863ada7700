/* Convolutions and transposed convolutions. Ops see [N, C, D, H, W]: fewer dims are dims of size 1. */
#include "core/ctx.h"

/* attr.i: stride, padding before and dilation of the three dims, groups. */
enum { STRIDE = 0, PADDING = 3, DILATION = 6, GROUPS = 9 };

/* [N, C, .. n dims] as five dims. */
static wk_tensor five(wk_ctx *c, wk_tensor x, int n)
{
    wk_shape shape = {.ndim = 5, .dim = {x->shape[0], x->shape[1], 1, 1, 1}};
    for (int i = 0; i < n; i++) shape.dim[5 - n + i] = x->shape[2 + i];
    return wk_reshape(c, x, shape);
}

/* The op on five dims, of any of the three kinds. */
static wk_tensor run(wk_ctx *c, wk_op op, wk_tensor x, wk_tensor w, wk_tensor bias, wk_shape shape,
                     const int64_t *attr)
{
    if (wki_failed(c)) return WK_NONE;
    wk_call k = {.op = op,
                 .cls = wki_class_of(x->dtype),
                 .in = (const wk_tensor[]){x, w, bias},
                 .n_in = op == WK_OP_conv_weight ? 2 : 3,
                 .out = {wki_new(c, x->dtype, shape)}};
    for (int i = 0; i <= GROUPS; i++) k.attr.i[i] = attr[i];
    return wki_run(c, &k);
}

static bool operands_fit(wk_ctx *c, const char *op, int n, wk_tensor x, wk_tensor w, wk_tensor bias)
{
    if (wki_failed(c)) return false;
    const char cls = wki_dtype_class(x->dtype);
    if (wk_is_none(x) || wk_is_none(w))
        wk_fail(c, WK_EARG, "%s: an operand is empty", op);
    else if ((x->ndim != n + 2 && x->ndim != n + 1) || w->ndim != n + 2)
        wk_fail(c, WK_ESHAPE, "%s: x %s and weight %s; %d or %d and %d dims are wanted", op, WKI_TEXT(x),
                WKI_TEXT(w), n + 1, n + 2, n + 2);
    else if ((cls != 'F' && cls != 'I') || w->dtype != x->dtype ||
             (!wk_is_none(bias) && bias->dtype != x->dtype))
        wk_fail(c, WK_EDTYPE, "%s: x is %s, weight %s, bias %s; one real or integer dtype is wanted", op,
                wk_dtype_name(x->dtype), wk_dtype_name(w->dtype),
                wk_is_none(bias) ? "none" : wk_dtype_name(bias->dtype));
    return !wki_failed(c);
}

/* Options with their defaults filled in, as attributes; false after recording what is wrong. */
static bool attributes(wk_ctx *c, const char *op, int n, const wk_conv_opts *o, int64_t *attr)
{
    for (int i = 0; i < 3; i++) {
        attr[STRIDE + i] = attr[DILATION + i] = 1;
        attr[PADDING + i] = 0;
    }
    attr[GROUPS] = o->groups ? o->groups : 1;
    for (int i = 0; i < n; i++) {
        const int64_t stride = wki_entry(o->stride, i, 1), dilation = wki_entry(o->dilation, i, 1);
        if (stride < 0 || dilation < 0 || o->padding[i] < 0 || o->output_padding[i] < 0 ||
            stride > INT32_MAX || dilation > INT32_MAX || o->padding[i] > INT32_MAX) {
            wk_fail(c, WK_EARG, "%s: stride %lld, padding %lld, dilation %lld, output padding %lld", op,
                    (long long)stride, (long long)o->padding[i], (long long)dilation,
                    (long long)o->output_padding[i]);
            return false;
        }
        attr[STRIDE + 3 - n + i] = stride;
        attr[DILATION + 3 - n + i] = dilation;
        attr[PADDING + 3 - n + i] = o->padding[i];
    }
    if (attr[GROUPS] < 0) wk_fail(c, WK_EARG, "%s: %lld groups", op, (long long)attr[GROUPS]);
    return !wki_failed(c);
}

/* Back from five dims: n of them, and no batch where x had none. */
static wk_tensor as_given(wk_ctx *c, wk_tensor y, int n, bool batch)
{
    if (wk_is_none(y)) return WK_NONE;
    wk_shape shape = {0};
    if (batch) shape.dim[shape.ndim++] = y->shape[0];
    shape.dim[shape.ndim++] = y->shape[1];
    for (int i = 0; i < n; i++) shape.dim[shape.ndim++] = y->shape[5 - n + i];
    return wk_reshape(c, y, shape);
}

/* Checks a bias of `out` values; the result's shape so far. */
static bool bias_fits(wk_ctx *c, const char *op, wk_tensor bias, int64_t out)
{
    if (wk_is_none(bias) || (bias->ndim == 1 && bias->shape[0] == out)) return true;
    wk_fail(c, WK_ESHAPE, "%s: bias is %s, %lld channels come out", op, WKI_TEXT(bias), (long long)out);
    return false;
}

static wk_tensor conv(wk_ctx *c, const char *op, int n, wk_tensor x, wk_tensor w, wk_tensor bias,
                      const wk_conv_opts *o)
{
    int64_t a[GROUPS + 1];
    if (wki_failed(c)) return WK_NONE;
    if (!bias) bias = WK_NONE;
    if (!operands_fit(c, op, n, x, w, bias) || !attributes(c, op, n, o, a)) return WK_NONE;
    const bool batch = x->ndim == n + 2;
    if (!batch) x = wk_unsqueeze(c, x, 0);
    x = five(c, x, n);
    w = wk_contiguous(c, five(c, w, n));
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, w->shape[1] * a[GROUPS] == x->shape[1] && w->shape[0] % a[GROUPS] == 0, WK_ESHAPE,
               "%s: %lld channels, weight %s, %lld groups", op, (long long)x->shape[1], WKI_TEXT(w),
               (long long)a[GROUPS]);
    if (!bias_fits(c, op, bias, w->shape[0])) return WK_NONE;
    wk_shape shape = {.ndim = 5, .dim = {x->shape[0], w->shape[0]}};
    for (int i = 0; i < 3; i++) {
        const int64_t reach = a[DILATION + i] * (w->shape[2 + i] - 1);
        int64_t       padded = x->shape[2 + i] + 2 * a[PADDING + i];
        if (o->same) {
            WK_REQUIRE(c, a[STRIDE + i] == 1, WK_EARG, "%s: padding as large as x with stride %lld", op,
                       (long long)a[STRIDE + i]);
            a[PADDING + i] = reach / 2;
            padded = x->shape[2 + i] + reach;
        }
        WK_REQUIRE(c, w->shape[2 + i] > 0 && padded > reach, WK_ESHAPE,
                   "%s: a kernel over %lld places on %lld", op, (long long)(reach + 1), (long long)padded);
        shape.dim[2 + i] = (padded - reach - 1) / a[STRIDE + i] + 1;
    }
    return as_given(c, run(c, WK_OP_conv, x, w, bias, shape, a), n, batch);
}

static wk_tensor transposed(wk_ctx *c, const char *op, int n, wk_tensor x, wk_tensor w, wk_tensor bias,
                            const wk_conv_opts *o)
{
    int64_t a[GROUPS + 1];
    if (wki_failed(c)) return WK_NONE;
    if (!bias) bias = WK_NONE;
    if (!operands_fit(c, op, n, x, w, bias) || !attributes(c, op, n, o, a)) return WK_NONE;
    WK_REQUIRE(c, !o->same, WK_EARG, "%s: has no padding as large as x", op);
    const bool batch = x->ndim == n + 2;
    if (!batch) x = wk_unsqueeze(c, x, 0);
    x = five(c, x, n);
    w = wk_contiguous(c, five(c, w, n));
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, w->shape[0] == x->shape[1] && w->shape[0] % a[GROUPS] == 0, WK_ESHAPE,
               "%s: %lld channels, weight %s, %lld groups", op, (long long)x->shape[1], WKI_TEXT(w),
               (long long)a[GROUPS]);
    wk_shape shape = {.ndim = 5, .dim = {x->shape[0], w->shape[1] * a[GROUPS]}};
    if (!bias_fits(c, op, bias, shape.dim[1])) return WK_NONE;
    for (int i = 0; i < 3; i++) {
        const int64_t more = i < 3 - n ? 0 : o->output_padding[i - (3 - n)];
        WK_REQUIRE(c, more == 0 || more < a[STRIDE + i] || more < a[DILATION + i], WK_EARG,
                   "%s: output padding %lld with stride %lld, dilation %lld", op, (long long)more,
                   (long long)a[STRIDE + i], (long long)a[DILATION + i]);
        shape.dim[2 + i] = (x->shape[2 + i] - 1) * a[STRIDE + i] - 2 * a[PADDING + i] +
                           a[DILATION + i] * (w->shape[2 + i] - 1) + more + 1;
        WK_REQUIRE(c, w->shape[2 + i] > 0 && x->shape[2 + i] > 0 && shape.dim[2 + i] > 0, WK_ESHAPE,
                   "%s: x %s with weight %s leaves nothing", op, WKI_TEXT(x), WKI_TEXT(w));
    }
    return as_given(c, run(c, WK_OP_conv_transpose, x, w, bias, shape, a), n, batch);
}

wk_tensor wk_conv1d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o)
{
    return conv(c, "conv1d", 1, x, w, bias, &o);
}
wk_tensor wk_conv2d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o)
{
    return conv(c, "conv2d", 2, x, w, bias, &o);
}
wk_tensor wk_conv3d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o)
{
    return conv(c, "conv3d", 3, x, w, bias, &o);
}
wk_tensor wk_conv_transpose1d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o)
{
    return transposed(c, "conv_transpose1d", 1, x, w, bias, &o);
}
wk_tensor wk_conv_transpose2d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o)
{
    return transposed(c, "conv_transpose2d", 2, x, w, bias, &o);
}
wk_tensor wk_conv_transpose3d(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_conv_opts o)
{
    return transposed(c, "conv_transpose3d", 3, x, w, bias, &o);
}

/* ---- gradients: the three ops are each other's, being linear in either operand ----------------- */

static wk_tensor bias_gradient(wk_ctx *c, wk_tensor g)
{
    return wk_sum(c, g, WK_DIMS(0, 2, 3, 4), false);
}

void wki_vjp_conv(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], w = k->in[1], bias = k->in[2];
    if (x->node) dx[0] = run(c, WK_OP_conv_transpose, g[0], w, WK_NONE, wki_shape(x), k->attr.i);
    if (w->node) dx[1] = run(c, WK_OP_conv_weight, x, g[0], WK_NONE, wki_shape(w), k->attr.i);
    if (bias->node) dx[2] = bias_gradient(c, g[0]);
}

void wki_vjp_conv_transpose(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], w = k->in[1], bias = k->in[2];
    if (x->node) dx[0] = run(c, WK_OP_conv, g[0], w, WK_NONE, wki_shape(x), k->attr.i);
    if (w->node) dx[1] = run(c, WK_OP_conv_weight, g[0], x, WK_NONE, wki_shape(w), k->attr.i);
    if (bias->node) dx[2] = bias_gradient(c, g[0]);
}

/* Of x and the gradient y of a convolution's result; h: a change of the weight. */
void wki_vjp_conv_weight(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], y = k->in[1], h = wk_contiguous(c, g[0]);
    if (x->node) dx[0] = run(c, WK_OP_conv_transpose, y, h, WK_NONE, wki_shape(x), k->attr.i);
    if (y->node) dx[1] = run(c, WK_OP_conv, x, h, WK_NONE, wki_shape(y), k->attr.i);
}
