/* Ops that pick by index: index_select, gather, scatter_add, embedding_rows, topk. A bad index is WK_EINDEX,
 * from the kernel, which names it. */
#include "core/ctx.h"

/* The index as i32 or i64: narrower integers are widened. */
static wk_tensor as_index(wk_ctx *c, const char *op, wk_tensor i)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(i) && wki_dtype_class(i->dtype) == 'I', WK_EDTYPE,
               "%s: the index is %s, not integers", op, wk_is_none(i) ? "missing" : wk_dtype_name(i->dtype));
    return i->dtype == WK_i32 || i->dtype == WK_i64 ? i : wk_cast(c, i, WK_i64);
}

#define REQUIRE_INDEX(c, op, i)                                                                              \
    if (wk_is_none(i = as_index(c, op, i))) return WK_NONE

/* ---- index_select: attr.i[0] the dim --------------------------------------------------------- */

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

void wki_vjp_index_select(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    const int       d = (int)k->attr.i[0];
    wk_tensor       zero = wk_zeros(c, g[0]->dtype, wki_shape(x));
    if (x->ndim == 0) {
        dx[0] = wk_reshape(c, wk_sum(c, g[0], WK_ALL_DIMS, false), WK_SCALAR_SHAPE);
        return;
    }
    wk_shape along = {.ndim = x->ndim};
    for (int i = 0; i < x->ndim; i++) along.dim[i] = i == d ? g[0]->shape[d] : 1;
    wk_tensor index = wk_expand(c, wk_reshape(c, k->in[1], along), wki_shape(g[0]));
    dx[0] = wk_scatter_add(c, zero, d, index, g[0]);
}

/* ---- gather, scatter_add: attr.i[0] the dim -------------------------------------------------- */

static bool index_fits(wk_tensor x, wk_tensor index, int d)
{
    if (index->ndim != x->ndim && wk_count(index) > 0) return false;
    for (int i = 0; i < x->ndim && wk_count(index) > 0; i++)
        if (i != d && index->shape[i] > x->shape[i]) return false;
    return true;
}

wk_tensor wk_gather(wk_ctx *c, wk_tensor x, int dim, wk_tensor index)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "gather: no tensor");
    REQUIRE_INDEX(c, "gather", index);
    if (x->ndim == 0) x = wk_unsqueeze(c, x, 0);
    if (index->ndim == 0 && x->ndim == 1)
        return wk_squeeze(c, wk_gather(c, x, dim, wk_unsqueeze(c, index, 0)), 0);
    const int d = wki_dim(c, "gather", x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, !wki_is_block(x->dtype), WK_EDTYPE, "gather: from %s", wk_dtype_name(x->dtype));
    WK_REQUIRE(c, index_fits(x, index, d), WK_ESHAPE, "gather: index %s in %s along dim %d", WKI_TEXT(index),
               WKI_TEXT(x), d);
    return wki_run(c, &(wk_call){.op = WK_OP_gather,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x, index),
                                 .out = {wki_new(c, x->dtype, wki_shape(index))},
                                 .attr.i = {d}});
}

void wki_vjp_gather(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    wk_tensor zero = wk_zeros(c, g[0]->dtype, wki_shape(k->in[0]));
    dx[0] = wk_count(g[0]) ? wk_scatter_add(c, zero, (int)k->attr.i[0], k->in[1], g[0]) : zero;
}

wk_tensor wk_scatter_add(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(src), WK_EARG, "scatter_add: no tensor");
    REQUIRE_INDEX(c, "scatter_add", index);
    const int d = wki_dim(c, "scatter_add", x, dim);
    if (d < 0) return WK_NONE;
    bool fit = index_fits(x, index, d) && !wki_is_block(x->dtype) && src->dtype == x->dtype;
    for (int i = 0; i < index->ndim && wk_count(index) > 0 && fit; i++)
        fit = src->ndim == index->ndim && index->shape[i] <= src->shape[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "scatter_add: %s %s at index %s into %s %s along dim %d",
               wk_dtype_name(src->dtype), WKI_TEXT(src), WKI_TEXT(index), wk_dtype_name(x->dtype),
               WKI_TEXT(x), d);
    return wki_run(c, &(wk_call){.op = WK_OP_scatter_add,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x, index, src),
                                 .out = {wki_like(c, x)},
                                 .attr.i = {d}});
}

void wki_vjp_scatter_add(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor index = k->in[1], src = k->in[2];
    dx[0] = g[0];
    if (!src->node) return;
    wk_tensor back = wk_count(index) ? wk_gather(c, g[0], (int)k->attr.i[0], index)
                                     : wk_zeros(c, g[0]->dtype, wki_shape(index));
    /* Values of src beyond the index took no part. */
    int64_t pads[2 * WK_MAX_DIMS] = {0};
    for (int i = 0; i < src->ndim; i++) pads[2 * (src->ndim - 1 - i) + 1] = src->shape[i] - index->shape[i];
    dx[2] =
        wk_count(index) ? wk_pad(c, back, 2 * src->ndim, pads, 0.0) : wk_zeros(c, src->dtype, wki_shape(src));
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
    const int64_t   d = table->shape[1], n = wk_count(k->in[1]);
    if (wki_is_block(table->dtype)) {
        wk_fail(c, WK_ENOGRAD, "embedding_rows: a table of %s has no gradient", wk_dtype_name(table->dtype));
        return;
    }
    wk_tensor zero = wk_zeros(c, g[0]->dtype, wki_shape(table));
    wk_tensor index = wk_expand(c, wk_reshape(c, k->in[1], WK_SHAPE(n, 1)), WK_SHAPE(n, d));
    dx[0] = n ? wk_scatter_add(c, zero, 0, index, wk_reshape(c, g[0], WK_SHAPE(n, d))) : zero;
}

/* ---- topk: attr.i = dim, largest ------------------------------------------------------------- */

wk_tensor wk_topk(wk_ctx *c, wk_tensor x, int64_t k, int dim, bool largest, wk_tensor *indices)
{
    if (indices) *indices = WK_NONE;
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG, "topk: no tensor of plain values");
    const int d = wki_dim(c, "topk", x, dim);
    if (d < 0) return WK_NONE;
    const int64_t n = x->ndim ? x->shape[d] : 1;
    WK_REQUIRE(c, k >= 0 && k <= n, WK_EINDEX, "topk: %lld of %lld values", (long long)k, (long long)n);
    wk_shape shape = wki_shape(x);
    if (x->ndim) shape.dim[d] = k;
    wk_tensor values = wki_new(c, x->dtype, shape), at = wki_new(c, WK_i64, shape);
    wk_call   call = {.op = WK_OP_topk,
                      .cls = wki_class_of(x->dtype),
                      WK_IN(x),
                      .n_out = 2,
                      .out = {values, at},
                      .attr.i = {d, largest}};
    values = wki_run(c, &call);
    if (indices && !wk_is_none(values)) *indices = at;
    return values;
}

void wki_vjp_topk(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    wk_tensor       zero = wk_zeros(c, g[0]->dtype, wki_shape(x));
    if (x->ndim == 0)
        dx[0] = wk_count(g[0]) ? g[0] : zero;
    else
        dx[0] = wk_count(g[0]) ? wk_scatter_add(c, zero, (int)k->attr.i[0], k->out[1], g[0]) : zero;
}
