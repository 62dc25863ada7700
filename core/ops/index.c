/* Ops that pick by index: index_select, index, gather, embedding_rows; and index_put. A bad index is
 * WK_EINDEX, from the kernel, which names it. */
#include "core/ctx.h"

wk_tensor wki_as_index(wk_ctx *c, const char *op, wk_tensor i)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(i) && wki_dtype_class(i->dtype) == 'I', WK_EDTYPE,
               "%s: the index is %s, not integers", op, wk_is_none(i) ? "missing" : wk_dtype_name(i->dtype));
    return i->dtype == WK_i32 || i->dtype == WK_i64 ? i : wk_cast(c, i, WK_i64);
}

#define REQUIRE_INDEX(c, op, i)                                                                              \
    if (wk_is_none(i = wki_as_index(c, op, i))) return WK_NONE

/* ---- slices: index_select, index, index_put --------------------------------------------------- */

/* attr.i[0] the dim */
wk_tensor wk_index_select(wk_ctx *c, wk_tensor x, int dim, wk_tensor index)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "index_select: no tensor");
    REQUIRE_INDEX(c, "index_select", index);
    WK_REQUIRE(c, index->ndim <= 1, WK_ESHAPE, "index_select: the index is %s", WKI_TEXT(index));
    const int d = wki_dim(c, "index_select", x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, !wki_is_block(x->dtype) || d < x->ndim - 1, WK_EDTYPE, "index_select: inside blocks of %s",
               wk_dtype_name(x->dtype));
    wk_shape shape = wki_shape(x);
    if (x->ndim) shape.dim[d] = wk_count(index);
    return wki_run(c, &(wk_call){.op = WK_OP_index_select,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x, index),
                                 .out = {wki_new(c, x->dtype, shape)},
                                 .attr.i = {d}});
}

wk_tensor wki_index(wk_ctx *c, wk_tensor x, int d, int n, const wk_tensor *index, wk_shape picks)
{
    wk_tensor in[WK_MAX_DIMS + 1] = {x};
    wk_shape  shape = {.ndim = x->ndim - n + picks.ndim};
    WK_REQUIRE(c, shape.ndim <= WK_MAX_DIMS, WK_ESHAPE, "index: a result of %d dims", shape.ndim);
    WK_REQUIRE(c, !wki_is_block(x->dtype) || d + n < x->ndim, WK_EDTYPE, "index: inside blocks of %s",
               wk_dtype_name(x->dtype));
    for (int i = 0; i < n; i++) {
        in[1 + i] = wk_expand(c, index[i], picks);
        if (picks.ndim != 1) in[1 + i] = wk_reshape(c, in[1 + i], WK_SHAPE(-1));
    }
    for (int i = 0; i < shape.ndim; i++)
        shape.dim[i] = i < d                ? x->shape[i]
                       : i < d + picks.ndim ? picks.dim[i - d]
                                            : x->shape[i - picks.ndim + n];
    return wki_run(c, &(wk_call){.op = WK_OP_index,
                                 .cls = wki_class_of(x->dtype),
                                 .in = in,
                                 .n_in = 1 + n,
                                 .out = {wki_new(c, x->dtype, shape)},
                                 .attr.i = {d}});
}

/* x's dims as those before the indexed ones, the picks, and those behind. */
static wk_shape three(wk_tensor x, int d, int n, int64_t picks)
{
    wk_shape s = WK_SHAPE(1, picks, 1);
    for (int i = 0; i < x->ndim; i++)
        if (i < d || i >= d + n) s.dim[i < d ? 0 : 2] *= x->shape[i];
    return s;
}

/* attr.i: the first dim, enum wki_scatter, negative indices count from the end */
wk_tensor wki_index_put(wk_ctx *c, wk_tensor x, int d, int n, const wk_tensor *index, wk_tensor values,
                        bool add, bool wrap, wk_tensor out)
{
    wk_tensor in[WK_MAX_DIMS + 2] = {x};
    if (wki_failed(c)) return WK_NONE;
    for (int i = 0; i < n; i++)
        in[2 + i] = index[i]->ndim == 1 ? index[i] : wk_reshape(c, index[i], WK_SHAPE(-1));
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wki_is_block(x->dtype), WK_EDTYPE, "index_put: into %s", wk_dtype_name(x->dtype));
    in[1] = wk_is_dense(values) ? values : wk_reshape(c, values, three(x, d, n, wk_count(in[2])));
    return wki_run(c, &(wk_call){.op = WK_OP_index_put,
                                 .cls = wki_class_of(x->dtype),
                                 .in = in,
                                 .n_in = 2 + n,
                                 .out = {wk_is_none(out) ? wki_like(c, x) : out},
                                 .attr.i = {d, add ? WKI_SCATTER_ADD : WKI_SCATTER_SET, wrap}});
}

void wki_vjp_index_select(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    wk_tensor zero = wk_zeros(c, g[0]->dtype, wki_shape(k->in[0]));
    dx[0] = wki_index_put(c, zero, (int)k->attr.i[0], 1, k->in + 1, g[0], true, false, WK_NONE);
}

void wki_vjp_index(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    wk_tensor zero = wk_zeros(c, g[0]->dtype, wki_shape(k->in[0]));
    dx[0] = wki_index_put(c, zero, (int)k->attr.i[0], k->n_in - 1, k->in + 1, g[0], true, true, WK_NONE);
}

void wki_vjp_index_put(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const int d = (int)k->attr.i[0], n = k->n_in - 2;
    wk_shape  picks = WK_SHAPE(wk_count(k->in[2]));
    dx[0] = g[0];
    if (k->attr.i[1] == WKI_SCATTER_SET) {
        const wk_shape  all = three(k->in[0], d, n, picks.dim[0]);
        const wk_tensor none = wk_expand(c, wk_full(c, 0, g[0]->dtype, WK_SCALAR_SHAPE), all);
        dx[0] = wki_index_put(c, g[0], d, n, k->in + 2, none, false, k->attr.i[2] != 0, WK_NONE);
    }
    if (!k->in[1]->node) return;
    wk_tensor back = k->in[0]->ndim ? g[0] : wk_reshape(c, g[0], WK_SHAPE(1));
    dx[1] = wk_reshape(c, wki_index(c, back, d, n, k->in + 2, picks), wki_shape(k->in[1]));
}

/* ---- gather: attr.i the dim, negative indices count from the end ----------------------------- */

bool wki_index_fits(wk_tensor x, wk_tensor index, int d)
{
    if (index->ndim != x->ndim && wk_count(index) > 0) return false;
    for (int i = 0; i < x->ndim && wk_count(index) > 0; i++)
        if (i != d && index->shape[i] > x->shape[i]) return false;
    return true;
}

wk_tensor wki_gather(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, bool wrap)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "gather: no tensor");
    REQUIRE_INDEX(c, "gather", index);
    if (x->ndim == 0) x = wk_unsqueeze(c, x, 0);
    if (index->ndim == 0 && x->ndim == 1)
        return wk_squeeze(c, wki_gather(c, x, dim, wk_unsqueeze(c, index, 0), wrap), 0);
    const int d = wki_dim(c, "gather", x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, !wki_is_block(x->dtype), WK_EDTYPE, "gather: from %s", wk_dtype_name(x->dtype));
    WK_REQUIRE(c, wki_index_fits(x, index, d), WK_ESHAPE, "gather: index %s in %s along dim %d",
               WKI_TEXT(index), WKI_TEXT(x), d);
    return wki_run(c, &(wk_call){.op = WK_OP_gather,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x, index),
                                 .out = {wki_new(c, x->dtype, wki_shape(index))},
                                 .attr.i = {d, wrap}});
}

wk_tensor wk_gather(wk_ctx *c, wk_tensor x, int dim, wk_tensor index)
{
    return wki_gather(c, x, dim, index, false);
}

void wki_vjp_gather(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    wk_tensor zero = wk_zeros(c, g[0]->dtype, wki_shape(k->in[0]));
    dx[0] = wki_scatter_add(c, zero, (int)k->attr.i[0], k->in[1], g[0], k->attr.i[1] != 0);
}

/* ---- embedding_rows -------------------------------------------------------------------------- */

wk_tensor wk_embedding_rows(wk_ctx *c, wk_tensor table, wk_tensor tokens)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(table) && table->ndim == 2, WK_ESHAPE, "embedding_rows: the table is %s",
               WKI_TEXT(table));
    REQUIRE_INDEX(c, "embedding_rows", tokens);
    WK_REQUIRE(c, tokens->ndim < WK_MAX_DIMS, WK_ESHAPE, "embedding_rows: tokens %s", WKI_TEXT(tokens));
    wk_shape shape = wki_shape(tokens);
    shape.dim[shape.ndim++] = table->shape[1];
    const wk_dtype t = wki_is_block(table->dtype) ? WK_f32 : table->dtype;
    return wki_run(c, &(wk_call){.op = WK_OP_embedding_rows,
                                 .cls = wki_class_of(t),
                                 WK_IN(table, tokens),
                                 .out = {wki_new(c, t, shape)}});
}

void wki_vjp_embedding_rows(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor table = k->in[0];
    if (wki_is_block(table->dtype)) {
        wk_fail(c, WK_ENOGRAD, "embedding_rows: a table of %s has no gradient", wk_dtype_name(table->dtype));
        return;
    }
    wk_tensor zero = wk_zeros(c, g[0]->dtype, wki_shape(table));
    dx[0] = wki_index_put(c, zero, 0, 1, k->in + 1, g[0], true, false, WK_NONE);
}

void wk_unravel_index(wk_ctx *c, wk_tensor i, wk_shape shape, wk_tensor *out)
{
    int64_t n = 1;
    for (int d = 0; d < shape.ndim; d++) {
        n *= shape.dim[d];
        out[d] = WK_NONE;
    }
    i = wki_as_index(c, "unravel_index", i);
    if (wki_failed(c)) return;
    const bool      was = wk_no_grad(c, true);
    const wk_tensor outside =
        wk_logical_or(c, wk_lt(c, i, wk_scalar_int(c, 0)), wk_ge(c, i, wk_scalar_int(c, n)));
    const bool bad = wk_item(c, wk_any(c, outside, WK_ALL_DIMS, false)) != 0;
    wk_no_grad(c, was);
    if (wki_failed(c)) return;
    if (bad) {
        wk_fail(c, WK_EINDEX, "unravel_index: a place outside %lld values", (long long)n);
        return;
    }
    for (int d = shape.ndim - 1; d >= 0; d--) {
        const wk_tensor size = wk_scalar_int(c, shape.dim[d]);
        out[d] = wk_remainder(c, i, size);
        i = wk_floor_div(c, i, size);
    }
}

wk_tensor wk_nonzero_static(wk_ctx *c, wk_tensor x, int64_t size, int64_t fill)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, size >= 0, WK_EARG, "nonzero_static: %lld rows", (long long)size);
    const wk_tensor at = wk_nonzero(c, x);
    if (wki_failed(c)) return WK_NONE;
    const int64_t n = at->shape[0];
    if (n >= size) return wk_narrow(c, at, 0, 0, size);
    return wk_cat(c, 2, (wk_tensor[]){at, wk_full(c, (double)fill, WK_i64, WK_SHAPE(size - n, at->shape[1]))},
                  0);
}
