/* Views: the same storage seen through other sizes and strides. */
#include "core/ctx.h"

#include <string.h>

static wk_tensor view(wk_ctx *c, wk_op op, wk_tensor x, int64_t offset, wk_shape shape, const int64_t *stride,
                      const int64_t *attr, int n_attr)
{
    wk_call k = {.op = op, WK_IN(x), .out = {wki_view(c, x, offset, shape, stride)}};
    for (int i = 0; i < n_attr; i++) k.attr.i[i] = attr[i];
    return wki_run_view(c, &k);
}

/* Strides of x seen as shape without a copy; false if there are none. Dims of x that lie end to end are
 * merged; each merged run must then split evenly into the new sizes. */
static bool reshape_strides(wk_tensor x, wk_shape shape, int64_t *stride)
{
    int64_t size[WK_MAX_DIMS], step[WK_MAX_DIMS];
    int     n = 0;
    for (int i = 0; i < x->ndim; i++) {
        if (x->shape[i] == 1) continue;
        if (n && step[n - 1] == x->stride[i] * x->shape[i]) {
            size[n - 1] *= x->shape[i];
            step[n - 1] = x->stride[i];
        } else {
            size[n] = x->shape[i];
            step[n++] = x->stride[i];
        }
    }
    int     at = n - 1;
    int64_t left = n ? size[at] : 1, next = n ? step[at] : 1;
    for (int i = shape.ndim - 1; i >= 0; i--) {
        if (shape.dim[i] == 1) {
            stride[i] = 1;
            continue;
        }
        if (left == 1 && at > 0) {
            at--;
            left = size[at];
            next = step[at];
        }
        if (left % shape.dim[i] != 0) return false;
        stride[i] = next;
        next *= shape.dim[i];
        left /= shape.dim[i];
    }
    return true;
}

/* Puts the size that -1 stands for; false after recording why the shape does not fit. */
static bool complete_shape(wk_ctx *c, wk_tensor x, wk_shape *shape)
{
    int64_t       known = 1;
    const int64_t n = wk_count(x);
    int           open = -1;
    for (int i = 0; i < shape->ndim; i++) {
        const int64_t size = shape->dim[i];
        if (size == -1 && open < 0) {
            open = i;
        } else if (size < 0 || __builtin_mul_overflow(known, size, &known)) {
            wk_fail(c, WK_ESHAPE, "reshape: size %lld of dim %d", (long long)size, i);
            return false;
        }
    }
    if (open >= 0 && known > 0 && n % known == 0) {
        shape->dim[open] = n / known;
        known = n;
    }
    if (known == n && (open < 0 || shape->dim[open] >= 0)) return true;
    wk_fail(c, WK_ESHAPE, "reshape: %s has %lld elements, the new sizes %lld", WKI_TEXT(x), (long long)n,
            (long long)known);
    return false;
}

wk_tensor wk_reshape(wk_ctx *c, wk_tensor x, wk_shape shape)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, shape.ndim >= 0 && shape.ndim <= WK_MAX_DIMS, WK_ESHAPE, "reshape: %d dims", shape.ndim);
    if (!complete_shape(c, x, &shape)) return WK_NONE;
    const int64_t block = wk_dtype_block(x->dtype);
    WK_REQUIRE(c, block == 1 || (shape.ndim && shape.dim[shape.ndim - 1] % block == 0), WK_ESHAPE,
               "reshape: rows of %s must be whole blocks of %lld", wk_dtype_name(x->dtype), (long long)block);
    int64_t    stride[WK_MAX_DIMS] = {0};
    const bool empty = wk_count(x) == 0;
    if (!empty && !reshape_strides(x, shape, stride)) return wk_reshape(c, wk_contiguous(c, x), shape);
    return view(c, WK_OP_reshape, x, 0, shape, empty ? NULL : stride, NULL, 0);
}

void wki_vjp_reshape(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = wk_reshape(c, g[0], wki_shape(k->in[0]));
}

wk_tensor wk_permute(wk_ctx *c, wk_tensor x, wk_shape dims)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, dims.ndim == x->ndim, WK_EARG, "permute: %d dims for a tensor %s", dims.ndim, WKI_TEXT(x));
    if (x->ndim == 0) return x;
    wk_shape shape = {.ndim = x->ndim};
    int64_t  stride[WK_MAX_DIMS] = {0}, order[WK_MAX_DIMS] = {0};
    unsigned seen = 0;
    for (int i = 0; i < x->ndim; i++) {
        const int d = wki_dim(c, "permute", x, (int)dims.dim[i]);
        if (d < 0) return WK_NONE;
        WK_REQUIRE(c, !(seen >> d & 1), WK_EARG, "permute: dim %d twice", d);
        seen |= 1u << d;
        order[i] = d;
        shape.dim[i] = x->shape[d];
        stride[i] = x->stride[d];
    }
    WK_REQUIRE(c, !wki_is_block(x->dtype) || order[x->ndim - 1] == x->ndim - 1, WK_EDTYPE,
               "permute: the rows of %s cannot be turned", wk_dtype_name(x->dtype));
    return view(c, WK_OP_permute, x, 0, shape, stride, order, x->ndim);
}

void wki_vjp_permute(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    wk_shape back = {.ndim = k->in[0]->ndim};
    for (int i = 0; i < back.ndim; i++) back.dim[k->attr.i[i]] = i;
    dx[0] = wk_permute(c, g[0], back);
}

wk_tensor wk_transpose(wk_ctx *c, wk_tensor x, int a, int b)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    a = wki_dim(c, "transpose", x, a);
    b = wki_dim(c, "transpose", x, b);
    if (a < 0 || b < 0) return WK_NONE;
    wk_shape dims = {.ndim = x->ndim};
    for (int i = 0; i < x->ndim; i++) dims.dim[i] = i == a ? b : i == b ? a : i;
    return wk_permute(c, x, dims);
}

/* x[start : start + n * step : step] along d, all in range. */
static wk_tensor cut(wk_ctx *c, wk_tensor x, int d, int64_t start, int64_t n, int64_t step)
{
    wk_shape shape = wki_shape(x);
    int64_t  stride[WK_MAX_DIMS];
    memcpy(stride, x->stride, sizeof stride);
    shape.dim[d] = n;
    stride[d] = x->stride[d] * step;
    const int64_t block = wk_dtype_block(x->dtype);
    WK_REQUIRE(c, block == 1 || d < x->ndim - 1 || (start % block == 0 && n % block == 0 && step == 1),
               WK_EDTYPE, "slice: %lld values from %lld are not whole blocks of %s", (long long)n,
               (long long)start, wk_dtype_name(x->dtype));
    return view(c, WK_OP_slice, x, n ? start * x->stride[d] : 0, shape, stride,
                (int64_t[]){d, start, n, step}, 4);
}

static int64_t clip(int64_t i, int64_t low, int64_t high)
{
    return i < low ? low : i > high ? high : i;
}

wk_tensor wk_slice(wk_ctx *c, wk_tensor x, int dim, int64_t start, int64_t stop, int64_t step)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, x->ndim > 0, WK_ESHAPE, "slice: a tensor without dims");
    const int d = wki_dim(c, "slice", x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, step != 0 && step > -INT64_MAX, WK_EARG, "slice: step %lld", (long long)step);
    /* Python's rules: negative ends count from the end, then both are clipped. */
    const int64_t n = x->shape[d], low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    start = clip(start < 0 ? (start < -n ? -1 : start + n) : start, low, high);
    stop = clip(stop < 0 ? (stop < -n ? -1 : stop + n) : stop, low, high);
    int64_t count = 0;
    if (step > 0 && stop > start) count = (stop - start - 1) / step + 1;
    if (step < 0 && stop < start) count = (start - stop - 1) / -step + 1;
    if (count == 0) return cut(c, x, d, 0, 0, 1);
    if (step > 0) return cut(c, x, d, start, count, step);
    /* Strides stay non-negative: cut forwards, then turn by a copy. */
    wk_tensor forward = cut(c, x, d, start + (count - 1) * step, count, -step);
    if (count == 1 || wk_is_none(forward)) return forward;
    return wk_flip(c, forward, WK_DIMS(d));
}

void wki_vjp_slice(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const int64_t *a = k->attr.i;
    wk_tensor      d = wk_zeros(c, g[0]->dtype, wki_shape(k->in[0]));
    dx[0] =
        a[2] == 0 ? d : wki_view_scatter(c, wk_detach(c, d), g[0], d, cut(c, d, (int)a[0], a[1], a[2], a[3]));
}

wk_tensor wk_narrow(wk_ctx *c, wk_tensor x, int dim, int64_t start, int64_t length)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, x->ndim > 0, WK_ESHAPE, "narrow: a tensor without dims");
    const int d = wki_dim(c, "narrow", x, dim);
    if (d < 0) return WK_NONE;
    const int64_t n = x->shape[d], from = start < 0 ? start + n : start;
    WK_REQUIRE(c, from >= 0 && length >= 0 && from <= n - length, WK_EINDEX,
               "narrow: %lld values from %lld of a size %lld", (long long)length, (long long)start,
               (long long)n);
    return cut(c, x, d, from, length, 1);
}

wk_tensor wk_select(wk_ctx *c, wk_tensor x, int dim, int64_t index)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, x->ndim > 0, WK_ESHAPE, "select: a tensor without dims");
    const int d = wki_dim(c, "select", x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, index >= -x->shape[d] && index < x->shape[d], WK_EINDEX,
               "select: index %lld of a size %lld", (long long)index, (long long)x->shape[d]);
    return wk_squeeze(c, wk_narrow(c, x, d, index, 1), d);
}

wk_tensor wk_expand(wk_ctx *c, wk_tensor x, wk_shape shape)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, shape.ndim >= x->ndim && shape.ndim <= WK_MAX_DIMS, WK_ESHAPE, "expand: %s to %d dims",
               WKI_TEXT(x), shape.ndim);
    int64_t   stride[WK_MAX_DIMS] = {0};
    const int lead = shape.ndim - x->ndim;
    bool      same = lead == 0, many = false;
    int64_t   n = 1;
    for (int i = 0; i < shape.ndim; i++) {
        const int64_t have = i < lead ? 1 : x->shape[i - lead];
        if (shape.dim[i] == -1 && i >= lead) shape.dim[i] = have;
        WK_REQUIRE(c, shape.dim[i] >= 0 && (have == 1 || have == shape.dim[i]), WK_ESHAPE,
                   "expand: size %lld of %s cannot become %lld", (long long)have, WKI_TEXT(x),
                   (long long)shape.dim[i]);
        if (have == shape.dim[i] && i >= lead) stride[i] = x->stride[i - lead];
        same &= have == shape.dim[i];
        many |= __builtin_mul_overflow(n, shape.dim[i], &n);
    }
    WK_REQUIRE(c, !many, WK_ESHAPE, "expand: %s to too many elements", WKI_TEXT(x));
    if (same) return x;
    WK_REQUIRE(c, !wki_is_block(x->dtype) || x->shape[x->ndim - 1] == shape.dim[shape.ndim - 1], WK_EDTYPE,
               "expand: the rows of %s", wk_dtype_name(x->dtype));
    return view(c, WK_OP_expand, x, 0, shape, stride, NULL, 0);
}

void wki_vjp_expand(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = wki_unbroadcast(c, g[0], k->in[0]);
}

wk_tensor wk_squeeze(wk_ctx *c, wk_tensor x, int dim)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    const int d = wki_dim(c, "squeeze", x, dim);
    if (d < 0) return WK_NONE;
    if (x->ndim == 0 || x->shape[d] != 1) return x; /* as PyTorch */
    WK_REQUIRE(c, !wki_is_block(x->dtype) || d < x->ndim - 1, WK_EDTYPE, "squeeze: the rows of %s",
               wk_dtype_name(x->dtype));
    wk_shape shape = {.ndim = x->ndim - 1};
    int64_t  stride[WK_MAX_DIMS] = {0};
    for (int i = 0, j = 0; i < x->ndim; i++) {
        if (i == d) continue;
        shape.dim[j] = x->shape[i];
        stride[j++] = x->stride[i];
    }
    return view(c, WK_OP_reshape, x, 0, shape, stride, NULL, 0);
}

wk_tensor wk_unsqueeze(wk_ctx *c, wk_tensor x, int dim)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, dim >= -x->ndim - 1 && dim <= x->ndim && x->ndim < WK_MAX_DIMS, WK_EARG,
               "unsqueeze: dim %d of a tensor %s", dim, WKI_TEXT(x));
    const int d = dim < 0 ? dim + x->ndim + 1 : dim;
    WK_REQUIRE(c, !wki_is_block(x->dtype) || d < x->ndim, WK_EDTYPE, "unsqueeze: the rows of %s",
               wk_dtype_name(x->dtype));
    wk_shape shape = {.ndim = x->ndim + 1};
    int64_t  stride[WK_MAX_DIMS] = {0};
    for (int i = 0, j = 0; i <= x->ndim; i++) {
        shape.dim[i] = i == d ? 1 : x->shape[j];
        stride[i] = i == d ? 1 : x->stride[j++];
    }
    return view(c, WK_OP_reshape, x, 0, shape, stride, NULL, 0);
}

wk_tensor wk_flatten(wk_ctx *c, wk_tensor x, int first, int last)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    if (x->ndim == 0) return wk_reshape(c, x, WK_SHAPE(1));
    first = wki_dim(c, "flatten", x, first);
    last = wki_dim(c, "flatten", x, last);
    if (first < 0 || last < 0) return WK_NONE;
    WK_REQUIRE(c, first <= last, WK_EARG, "flatten: dims %d to %d", first, last);
    wk_shape shape = {0};
    for (int i = 0; i < x->ndim; i++) {
        if (i > first && i <= last)
            shape.dim[shape.ndim - 1] *= x->shape[i];
        else
            shape.dim[shape.ndim++] = x->shape[i];
    }
    return wk_reshape(c, x, shape);
}

wk_tensor wk_view_dtype(wk_ctx *c, wk_tensor x, wk_dtype t)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    WK_REQUIRE(c, (unsigned)t < WK_DTYPE_COUNT && !wki_is_block(t) && !wki_is_block(x->dtype), WK_EDTYPE,
               "view_dtype: from %s to %s", wk_dtype_name(x->dtype), wk_dtype_name(t));
    WK_REQUIRE(c, t != WK_bool || x->dtype == WK_bool, WK_EDTYPE, "view_dtype: not any bits are a bool");
    const int64_t from = wk_dtype_bytes(x->dtype), to = wk_dtype_bytes(t);
    wk_shape      shape = wki_shape(x);
    int64_t       stride[WK_MAX_DIMS];
    const int     last = shape.ndim - 1;
    bool          fits = from == to || (last >= 0 && (x->stride[last] == 1 || x->shape[last] < 2));
    for (int i = 0; i < shape.ndim; i++) {
        stride[i] = i == last && from != to ? 1 : x->stride[i] * from / to;
        fits = fits && (i == last || x->stride[i] * from % to == 0);
    }
    if (from != to && fits) {
        fits = shape.dim[last] * from % to == 0;
        shape.dim[last] = shape.dim[last] * from / to;
    }
    WK_REQUIRE(c, fits && x->offset % to == 0, WK_ESHAPE,
               "view_dtype: %s of %s cannot be looked at as %s without a copy", WKI_TEXT(x),
               wk_dtype_name(x->dtype), wk_dtype_name(t));
    const wk_tensor y = wki_view(c, x, 0, shape, stride);
    if (wk_is_none(y)) return y;
    ((struct wki_header *)(uintptr_t)y)->info.dtype = t;
    return wki_run_view(c, &(wk_call){.op = WK_OP_view_dtype, WK_IN(x), .out = {y}});
}
