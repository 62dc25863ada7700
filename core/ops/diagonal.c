/* Views along diagonals, windows and any strides, and copies of a tensor with values written into a view. */
#include "core/ctx.h"

#include <string.h>

/* ---- writing into a view: attr.i the view's offset in elements and its strides ------------------- */

wk_tensor wki_view_scatter(wk_ctx *c, wk_tensor x, wk_tensor src, wk_tensor dense, wk_tensor view)
{
    if (wki_failed(c)) return WK_NONE;
    src = wk_expand(c, src, wki_shape(view));
    if (wki_failed(c)) return WK_NONE;
    wk_call k = {.op = WK_OP_view_scatter, WK_IN(x, src), .out = {dense}};
    k.attr.i[0] = (view->offset - dense->offset) / wk_dtype_bytes(x->dtype);
    memcpy(k.attr.i + 1, view->stride, sizeof view->stride);
    const bool was = wk_no_grad(c, true);
    wk_copy_into(c, view, src);
    wk_no_grad(c, was);
    return wki_run_view(c, &k);
}

/* A clone off the tape. */
static wk_tensor fresh(wk_ctx *c, wk_tensor x)
{
    const bool      was = wk_no_grad(c, true);
    const wk_tensor y = wki_failed(c) ? WK_NONE : wk_clone(c, x);
    wk_no_grad(c, was);
    return y;
}

void wki_vjp_view_scatter(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor src = k->in[1];
    const int64_t  *stride = k->attr.i + 1;
    if (k->in[0]->node) {
        const wk_tensor y = fresh(c, g[0]), zero = wk_full(c, 0, g[0]->dtype, WK_SCALAR_SHAPE);
        if (wki_failed(c)) return;
        dx[0] = wki_view_scatter(c, g[0], zero, y, wki_view(c, y, k->attr.i[0], wki_shape(src), stride));
    }
    if (!src->node) return;
    wk_shape strides = {.ndim = src->ndim};
    memcpy(strides.dim, stride, sizeof strides.dim);
    dx[1] = wk_as_strided(c, wk_contiguous(c, g[0]), wki_shape(src), strides, k->attr.i[0]);
}

/* ---- as_strided: attr.i the offset and the strides ------------------------------------------------ */

wk_tensor wk_as_strided(wk_ctx *c, wk_tensor x, wk_shape shape, wk_shape strides, int64_t offset)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG,
               "as_strided: no tensor of plain values");
    WK_REQUIRE(c, wk_is_dense(x), WK_EARG, "as_strided: x is not dense");
    WK_REQUIRE(c, shape.ndim == strides.ndim && shape.ndim >= 0 && shape.ndim <= WK_MAX_DIMS && offset >= 0,
               WK_EARG, "as_strided: %d sizes, %d strides from %lld on", shape.ndim, strides.ndim,
               (long long)offset);
    int64_t last = offset, reach;
    bool    fit = true, none = false;
    wk_call k = {.op = WK_OP_as_strided, WK_IN(x), .attr.i = {offset}};
    for (int i = 0; i < shape.ndim; i++) {
        fit &= shape.dim[i] >= 0 && strides.dim[i] >= 0;
        none |= shape.dim[i] == 0;
        fit = fit && !__builtin_mul_overflow(shape.dim[i] - 1, strides.dim[i], &reach) &&
              !__builtin_add_overflow(last, reach, &last);
        k.attr.i[1 + i] = strides.dim[i];
    }
    WK_REQUIRE(c, fit && (none || last < wk_count(x)), WK_EINDEX, "as_strided: element %lld of %lld",
               (long long)last, (long long)wk_count(x));
    k.out[0] = wki_view(c, x, none ? 0 : offset, shape, strides.dim);
    return wki_run_view(c, &k);
}

void wki_vjp_as_strided(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    wk_tensor       at = wk_full(c, (double)k->attr.i[0], WK_i64, WK_SCALAR_SHAPE);
    for (int i = 0; i < g[0]->ndim; i++) { /* places of the elements in x */
        const wk_tensor along =
            wk_mul(c, wk_arange(c, 0, (double)g[0]->shape[i], 1, WK_i64), wk_scalar_int(c, k->attr.i[1 + i]));
        at = wk_add(c, wk_unsqueeze(c, at, -1), along);
    }
    const wk_tensor zero = wk_zeros(c, g[0]->dtype, WK_SHAPE(wk_count(x)));
    dx[0] = wk_reshape(c, wki_index_put(c, zero, 0, 1, &at, g[0], true, false, WK_NONE), wki_shape(x));
}

/* ---- diagonal: attr.i the offset and the dims ----------------------------------------------------- */

wk_tensor wk_diagonal(wk_ctx *c, wk_tensor x, int64_t offset, int a, int b)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim >= 2 && !wki_is_block(x->dtype), WK_ESHAPE,
               "diagonal: %s has fewer than 2 dims", WKI_TEXT(x));
    a = wki_dim(c, "diagonal", x, a);
    b = wki_dim(c, "diagonal", x, b);
    if (a < 0 || b < 0) return WK_NONE;
    WK_REQUIRE(c, a != b, WK_EARG, "diagonal: of dim %d and itself", a);
    const int64_t low = -x->shape[a], high = x->shape[b];
    const bool    inside = offset > low && offset < high;
    const int64_t down = offset < 0 ? -offset : 0, right = offset > 0 ? offset : 0;
    wk_shape      shape = {.ndim = x->ndim - 1};
    int64_t       stride[WK_MAX_DIMS] = {0};
    for (int i = 0, j = 0; i < x->ndim; i++) {
        if (i == a || i == b) continue;
        shape.dim[j] = x->shape[i];
        stride[j++] = x->stride[i];
    }
    const int     last = shape.ndim - 1;
    const int64_t rows = x->shape[a] - down, cols = x->shape[b] - right;
    shape.dim[last] = !inside ? 0 : rows < cols ? rows : cols;
    stride[last] = x->stride[a] + x->stride[b];
    const int64_t from = shape.dim[last] ? down * x->stride[a] + right * x->stride[b] : 0;
    return wki_run_view(c, &(wk_call){.op = WK_OP_diagonal,
                                      WK_IN(x),
                                      .out = {wki_view(c, x, from, shape, stride)},
                                      .attr.i = {offset, a, b}});
}

static wk_tensor in_zeros(wk_ctx *c, wk_tensor x, wk_shape shape, int64_t offset, int a, int b)
{
    const wk_tensor y = wk_zeros(c, x->dtype, shape);
    return wki_view_scatter(c, wk_detach(c, y), x, y, wk_diagonal(c, y, offset, a, b));
}

void wki_vjp_diagonal(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = in_zeros(c, g[0], wki_shape(k->in[0]), k->attr.i[0], (int)k->attr.i[1], (int)k->attr.i[2]);
}

wk_tensor wk_diag_embed(wk_ctx *c, wk_tensor x, int64_t offset, int a, int b)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim > 0 && x->ndim < WK_MAX_DIMS, WK_ESHAPE, "diag_embed: of %s",
               WKI_TEXT(x));
    const int ndim = x->ndim + 1;
    WK_REQUIRE(c, a >= -ndim && a < ndim && b >= -ndim && b < ndim, WK_EARG,
               "diag_embed: dims %d and %d of %d", a, b, ndim);
    a = a < 0 ? a + ndim : a;
    b = b < 0 ? b + ndim : b;
    WK_REQUIRE(c, a != b, WK_EARG, "diag_embed: dim %d twice", a);
    const int64_t n = x->shape[x->ndim - 1] + (offset < 0 ? -offset : offset);
    wk_shape      shape = {.ndim = ndim};
    for (int i = 0, j = 0; i < ndim; i++) shape.dim[i] = i == a || i == b ? n : x->shape[j++];
    return in_zeros(c, x, shape, offset, a, b);
}

wk_tensor wk_diag(wk_ctx *c, wk_tensor x, int64_t offset)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, x->ndim == 1 || x->ndim == 2, WK_ESHAPE, "diag: of %s", WKI_TEXT(x));
    return x->ndim == 1 ? wk_diag_embed(c, x, offset, 0, 1) : wk_diagonal(c, x, offset, 0, 1);
}

wk_tensor wk_diagflat(wk_ctx *c, wk_tensor x, int64_t offset)
{
    return wk_diag_embed(c, wk_flatten(c, x, 0, -1), offset, 0, 1);
}

/* ---- unfold: attr.i the dim and the step ---------------------------------------------------------- */

wk_tensor wk_unfold(wk_ctx *c, wk_tensor x, int dim, int64_t size, int64_t step)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG, "unfold: no tensor of plain values");
    const int d = wki_dim(c, "unfold", x, dim);
    if (d < 0) return WK_NONE;
    const int64_t n = x->ndim ? x->shape[d] : 1;
    WK_REQUIRE(c, size >= 0 && size <= n && step > 0 && x->ndim < WK_MAX_DIMS, WK_EARG,
               "unfold: windows of %lld, %lld apart, in %lld values of %s", (long long)size, (long long)step,
               (long long)n, WKI_TEXT(x));
    if (x->ndim == 0) return wk_narrow(c, wk_unsqueeze(c, x, 0), 0, 0, size);
    wk_shape shape = wki_shape(x);
    int64_t  stride[WK_MAX_DIMS];
    memcpy(stride, x->stride, sizeof stride);
    shape.dim[shape.ndim++] = size;
    stride[x->ndim] = x->stride[d];
    shape.dim[d] = (n - size) / step + 1;
    stride[d] = x->stride[d] * step;
    return wki_run_view(
        c, &(wk_call){
               .op = WK_OP_unfold, WK_IN(x), .out = {wki_view(c, x, 0, shape, stride)}, .attr.i = {d, step}});
}

void wki_vjp_unfold(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const int       d = (int)k->attr.i[0], last = g[0]->ndim - 1;
    const int64_t   windows = g[0]->shape[d], size = g[0]->shape[last];
    const wk_tensor starts = wk_arange(c, 0, (double)(windows * k->attr.i[1]), (double)k->attr.i[1], WK_i64);
    const wk_tensor at = wk_add(c, wk_unsqueeze(c, starts, 1), wk_arange(c, 0, (double)size, 1, WK_i64));
    const wk_tensor zero = wk_zeros(c, g[0]->dtype, wki_shape(k->in[0]));
    const wk_tensor values = wk_movedim(c, g[0], WK_DIMS(last), WK_DIMS(d + 1));
    dx[0] = wki_index_put(c, zero, d, 1, &at, values, true, false, WK_NONE);
}

/* ---- values in a slice, at an index, in a diagonal -------------------------------------------------- */

/* src as x's dtype; WK_NONE after recording what is wrong with either. */
static wk_tensor source(wk_ctx *c, const char *op, wk_tensor x, wk_tensor src, wk_tensor view)
{
    if (wki_failed(c)) return WK_NONE;
    bool fit = src->ndim == view->ndim;
    for (int i = 0; i < src->ndim && fit; i++) fit = src->shape[i] == view->shape[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "%s: %s into %s of %s", op, WKI_TEXT(src), WKI_TEXT(view), WKI_TEXT(x));
    return wk_cast(c, src, x->dtype);
}

wk_tensor wk_slice_scatter(wk_ctx *c, wk_tensor x, wk_tensor src, int dim, int64_t start, int64_t stop,
                           int64_t step)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(src), WK_EARG, "slice_scatter: no tensor");
    WK_REQUIRE(c, step > 0, WK_EARG, "slice_scatter: step %lld", (long long)step);
    const wk_tensor y = fresh(c, x), view = wk_slice(c, y, dim, start, stop, step);
    return wki_view_scatter(c, x, source(c, "slice_scatter", x, src, view), y, view);
}

wk_tensor wk_select_scatter(wk_ctx *c, wk_tensor x, wk_tensor src, int dim, int64_t index)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(src), WK_EARG, "select_scatter: no tensor");
    const wk_tensor y = fresh(c, x), view = wk_select(c, y, dim, index);
    return wki_view_scatter(c, x, source(c, "select_scatter", x, src, view), y, view);
}

wk_tensor wk_diagonal_scatter(wk_ctx *c, wk_tensor x, wk_tensor src, int64_t offset, int a, int b)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(src), WK_EARG, "diagonal_scatter: no tensor");
    const wk_tensor y = fresh(c, x), view = wk_diagonal(c, y, offset, a, b);
    return wki_view_scatter(c, x, source(c, "diagonal_scatter", x, src, view), y, view);
}
