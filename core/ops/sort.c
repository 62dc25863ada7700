/* Sorting, and what is read off sorted values: order statistics, quantiles, modes, different values. */
#include "core/ctx.h"

/* ---- sort: attr.i[0] descending; along the last dim ------------------------------------------- */

/* The dim moved to the end and back. */
static wk_tensor swap(wk_ctx *c, wk_tensor x, int d)
{
    return x->ndim > 1 && d != x->ndim - 1 ? wk_transpose(c, x, d, -1) : x;
}

wk_tensor wk_sort(wk_ctx *c, wk_tensor x, int dim, bool descending, wk_tensor *indices)
{
    if (indices) *indices = WK_NONE;
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG, "sort: no tensor of plain values");
    const int d = wki_dim(c, "sort", x, dim);
    if (d < 0) return WK_NONE;
    const wk_tensor rows = swap(c, x, d);
    const wk_call   k = {.op = WK_OP_sort,
                         .cls = wki_class_of(x->dtype),
                         WK_IN(rows),
                         .n_out = 2,
                         .out = {wki_like(c, rows), wki_like_as(c, rows, WK_i64)},
                         .attr.i = {descending}};
    const wk_tensor y = wki_run(c, &k);
    if (wk_is_none(y)) return WK_NONE;
    if (indices) *indices = swap(c, k.out[1], d);
    return swap(c, y, d);
}

void wki_vjp_sort(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    dx[0] = x->ndim == 0 || wk_count(x) == 0
                ? g[0]
                : wk_scatter_add(c, wk_zeros(c, g[0]->dtype, wki_shape(x)), -1, k->out[1], g[0]);
}

wk_tensor wk_argsort(wk_ctx *c, wk_tensor x, int dim, bool descending)
{
    wk_tensor at;
    if (wki_failed(c)) return WK_NONE;
    wk_sort(c, x, dim, descending, &at);
    return wki_within(c, "argsort", at);
}

wk_tensor wk_msort(wk_ctx *c, wk_tensor x)
{
    return wki_failed(c) ? WK_NONE : wki_within(c, "msort", wk_sort(c, x, 0, false, NULL));
}

/* ---- topk: attr.i[0] largest; along the last dim ----------------------------------------------- */

wk_tensor wk_topk(wk_ctx *c, wk_tensor x, int64_t k, int dim, bool largest, wk_tensor *indices)
{
    if (indices) *indices = WK_NONE;
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG, "topk: no tensor of plain values");
    const int d = wki_dim(c, "topk", x, dim);
    if (d < 0) return WK_NONE;
    const int64_t n = x->ndim ? x->shape[d] : 1;
    WK_REQUIRE(c, k >= 0 && k <= n, WK_EINDEX, "topk: %lld of %lld values", (long long)k, (long long)n);
    if (x->ndim && (k > n / 2 || (k > n / 8 && n >= 1 << 16))) { /* so many that it pays to sort them all */
        wk_tensor order, sorted = wk_sort(c, x, d, largest, &order);
        if (wki_failed(c)) return WK_NONE;
        if (indices) *indices = wk_contiguous(c, wk_narrow(c, order, d, 0, k));
        return wk_contiguous(c, wk_narrow(c, sorted, d, 0, k));
    }
    const wk_tensor rows = swap(c, x, d);
    if (wki_failed(c)) return WK_NONE;
    wk_shape shape = wki_shape(rows);
    if (x->ndim) shape.dim[x->ndim - 1] = k;
    const wk_call   call = {.op = WK_OP_topk,
                            .cls = wki_class_of(x->dtype),
                            WK_IN(rows),
                            .n_out = 2,
                            .out = {wki_new(c, x->dtype, shape), wki_new(c, WK_i64, shape)},
                            .attr.i = {largest}};
    const wk_tensor y = wki_run(c, &call);
    if (wk_is_none(y)) return WK_NONE;
    if (indices) *indices = swap(c, call.out[1], d);
    return swap(c, y, d);
}

void wki_vjp_topk(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], zero = wk_zeros(c, g[0]->dtype, wki_shape(x));
    dx[0] = wk_count(g[0]) == 0 ? zero : x->ndim ? wk_scatter_add(c, zero, -1, k->out[1], g[0]) : g[0];
}

/* ---- one value of each line ------------------------------------------------------------------- */

/* Checks what the functions below share; the dim, or -1. */
static int line_dim(wk_ctx *c, const char *op, wk_tensor x, int dim)
{
    if (wki_failed(c)) return -1;
    if (wk_is_none(x) || wki_is_block(x->dtype)) {
        wk_fail(c, WK_EARG, "%s: no tensor of plain values", op);
        return -1;
    }
    const int d = wki_dim(c, op, x, dim);
    if (d >= 0 && x->ndim && x->shape[d] == 0) {
        wk_fail(c, WK_ESHAPE, "%s: no values along dim %d of %s", op, d, WKI_TEXT(x));
        return -1;
    }
    return d;
}

/* Values at positions `at` (size 1 along d) of the sorted lines, and where they stood in x. */
static wk_tensor picked(wk_ctx *c, wk_tensor sorted, wk_tensor order, wk_tensor at, int d, bool keep,
                        wk_tensor *indices)
{
    wk_tensor y = sorted, i = order;
    if (sorted->ndim) {
        y = wk_gather(c, sorted, d, at);
        i = wk_gather(c, order, d, at);
        if (!keep) y = wk_squeeze(c, y, d);
        if (!keep) i = wk_squeeze(c, i, d);
    }
    if (wki_failed(c)) return WK_NONE;
    if (indices) *indices = i;
    return y;
}

/* The same position in every line. */
static wk_tensor ranked(wk_ctx *c, wk_tensor x, int64_t rank, int d, bool keep, wk_tensor *indices)
{
    wk_tensor       order;
    const wk_tensor sorted = wk_sort(c, x, d, false, &order);
    if (wki_failed(c)) return WK_NONE;
    wk_shape one = wki_shape(x);
    if (x->ndim) one.dim[d] = 1;
    return picked(c, sorted, order, wk_full(c, (double)rank, WK_i64, one), d, keep, indices);
}

wk_tensor wk_kthvalue(wk_ctx *c, wk_tensor x, int64_t k, int dim, bool keep, wk_tensor *indices)
{
    if (indices) *indices = WK_NONE;
    const int d = line_dim(c, "kthvalue", x, dim);
    if (d < 0) return WK_NONE;
    const int64_t n = x->ndim ? x->shape[d] : 1;
    WK_REQUIRE(c, k >= 1 && k <= n, WK_EINDEX, "kthvalue: number %lld of %lld values", (long long)k,
               (long long)n);
    return ranked(c, x, k - 1, d, keep, indices);
}

/* Of x flattened: the value and its place. */
static void median_of_all(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_median(c, wk_flatten(c, x[0], 0, -1), 0, false, &y[1]);
}
static void nanmedian_of_all(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_nanmedian(c, wk_flatten(c, x[0], 0, -1), 0, false, &y[1]);
}
/* Equal values share the gradient, as in PyTorch's form without a dim. */
static void share_of_all(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                         wk_tensor *dx)
{
    (void)arg;
    const wk_tensor both_nan = wk_logical_and(c, wk_isnan(c, x[0]), wk_isnan(c, y[0]));
    const wk_tensor hit = wk_logical_or(c, wk_eq(c, x[0], y[0]), both_nan);
    const wk_tensor share = wk_div(c, dy[0], wk_sum(c, hit, WK_ALL_DIMS, false));
    dx[0] = wk_where(c, hit, share, wk_scalar(c, 0));
}

static wk_tensor of_all(wk_ctx *c, const wk_function *f, wk_tensor x, bool keep, wk_tensor *indices)
{
    wk_tensor y[2];
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "%s: no tensor of plain values", f->name);
    wk_apply(c, f, NULL, 1, &x, y);
    if (indices && !wki_failed(c)) *indices = wki_unflat(c, y[1], x, keep);
    return wki_unflat(c, y[0], x, keep);
}

wk_tensor wk_median(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices)
{
    if (indices) *indices = WK_NONE;
    static const wk_function all = {
        .name = "median", .forward = median_of_all, .backward = share_of_all, .n_out = 2};
    if (dim == WK_FLAT) return of_all(c, &all, x, keep, indices);
    const int d = line_dim(c, "median", x, dim);
    if (d < 0) return WK_NONE;
    const int64_t n = x->ndim ? x->shape[d] : 1;
    if (wki_dtype_class(x->dtype) != 'F') return ranked(c, x, (n - 1) / 2, d, keep, indices);
    /* with a NaN in the line, the first of them: NaN is sorted last */
    wk_tensor       order;
    const wk_tensor sorted = wk_sort(c, x, d, false, &order);
    const wk_tensor good = wk_sum(c, wk_eq(c, x, x), WK_DIMS(d), true);
    const wk_tensor whole = wk_eq(c, good, wk_scalar_int(c, n));
    const wk_tensor at = wk_where(c, whole, wk_scalar_int(c, (n - 1) / 2), good);
    return wki_failed(c) ? WK_NONE : picked(c, sorted, order, at, d, keep, indices);
}

wk_tensor wk_nanmedian(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices)
{
    if (indices) *indices = WK_NONE;
    static const wk_function all = {
        .name = "nanmedian", .forward = nanmedian_of_all, .backward = share_of_all, .n_out = 2};
    if (dim == WK_FLAT) return of_all(c, &all, x, keep, indices);
    const int d = line_dim(c, "nanmedian", x, dim);
    if (d < 0) return WK_NONE;
    if (wki_dtype_class(x->dtype) != 'F') return wk_median(c, x, dim, keep, indices);
    wk_tensor       order;
    const wk_tensor sorted = wk_sort(c, x, d, false, &order);
    const wk_tensor good = wk_sum(c, wk_eq(c, x, x), WK_DIMS(d), true);
    const wk_tensor half = wk_floor_div(c, wk_sub(c, good, wk_scalar_int(c, 1)), wk_scalar_int(c, 2));
    const wk_tensor at = wk_maximum(c, half, wk_scalar_int(c, 0));
    return wki_failed(c) ? WK_NONE : picked(c, sorted, order, at, d, keep, indices);
}

/* Positions along the last dim of x, as they broadcast over it. */
static wk_tensor positions(wk_ctx *c, wk_tensor x)
{
    return wk_arange(c, 0, (double)wki_cols(x), 1, WK_i64);
}

/* True where a run of equal values begins along the last dim. */
static wk_tensor run_starts(wk_ctx *c, wk_tensor x)
{
    const wk_tensor parts[] = {wk_full(c, 1, WK_bool, (wk_shape){.ndim = 1, .dim = {1}}),
                               wk_ne(c, wk_slice(c, x, -1, 1, INT64_MAX, 1), wk_slice(c, x, -1, 0, -1, 1))};
    if (wki_failed(c)) return WK_NONE;
    wk_shape first = wki_shape(parts[1]);
    first.dim[first.ndim - 1] = 1;
    const wk_tensor wide[] = {wk_expand(c, parts[0], first), parts[1]};
    return wk_cat(c, 2, wide, -1);
}

wk_tensor wk_mode(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices)
{
    if (indices) *indices = WK_NONE;
    const int d = line_dim(c, "mode", x, dim);
    if (d < 0) return WK_NONE;
    wk_tensor       order;
    const wk_tensor sorted = wk_sort(c, x, d, false, &order);
    if (wki_failed(c)) return WK_NONE;
    if (x->ndim == 0) return picked(c, sorted, order, WK_NONE, d, keep, indices);
    /* how long each run is up to each value; the longest one's end, the first of them */
    const bool      was = wk_no_grad(c, true);
    const wk_tensor rows = swap(c, sorted, d), here = positions(c, rows);
    const wk_tensor start = wk_where(c, run_starts(c, rows), here, wk_scalar_int(c, 0));
    const wk_tensor length = wk_sub(c, here, wk_cummax(c, start, -1, NULL));
    const wk_tensor at = swap(c, wk_argmax(c, length, -1, true), d);
    wk_no_grad(c, was);
    return wki_failed(c) ? WK_NONE : picked(c, sorted, order, at, d, keep, indices);
}

/* ---- quantiles -------------------------------------------------------------------------------- */

/* Values of sorted (lines last) at real positions [.., q]. */
static wk_tensor between(wk_ctx *c, wk_tensor sorted, wk_tensor at, wk_between how)
{
    const wk_tensor low = wk_floor(c, at), high = wk_ceil(c, at);
    if (how == WK_NEAREST) return wk_gather(c, sorted, -1, wk_cast(c, wk_round(c, at), WK_i64));
    const wk_tensor a = wk_gather(c, sorted, -1, wk_cast(c, low, WK_i64));
    if (how == WK_LOWER) return a;
    const wk_tensor b = wk_gather(c, sorted, -1, wk_cast(c, high, WK_i64));
    if (how == WK_HIGHER) return b;
    return wk_lerp(c, a, b, how == WK_MIDPOINT ? wk_scalar(c, 0.5) : wk_sub(c, at, low));
}

static wk_tensor quantile(wk_ctx *c, const char *op, wk_tensor x, wk_tensor q, int dim, bool keep,
                          wk_between how, bool ignore_nan)
{
    if (dim == WK_FLAT && !wki_failed(c) && !wk_is_none(x)) {
        const wk_tensor all = wk_flatten(c, x, 0, -1);
        return wki_unflat(c, quantile(c, op, all, q, 0, false, how, ignore_nan), x, keep);
    }
    const int d = line_dim(c, op, x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, (x->dtype == WK_f32 || x->dtype == WK_f64) && !wk_is_none(q), WK_EDTYPE,
               "%s: x is %s, not f32 or f64", op, wk_dtype_name(x->dtype));
    WK_REQUIRE(c, (unsigned)how <= WK_NEAREST, WK_EARG, "%s: way %d between two values", op, (int)how);
    WK_REQUIRE(c, q->ndim <= 1, WK_ESHAPE, "%s: q is %s", op, WKI_TEXT(q));
    const bool      scalar = q->ndim == 0;
    const wk_tensor line = x->ndim ? x : wk_unsqueeze(c, x, 0);
    const wk_tensor rows = swap(c, wk_sort(c, line, d, false, NULL), d);
    if (wki_failed(c)) return WK_NONE;
    wk_shape shape = wki_shape(rows);
    shape.dim[shape.ndim - 1] = scalar ? 1 : q->shape[0];
    q = wk_cast(c, scalar ? wk_unsqueeze(c, q, 0) : q, x->dtype);
    const wk_tensor out =
        wk_logical_or(c, wk_lt(c, q, wk_scalar_int(c, 0)), wk_gt(c, q, wk_scalar_int(c, 1)));
    WK_REQUIRE(c, wk_count(q) == 0 || wk_item(c, wk_any(c, out, WK_ALL_DIMS, false)) == 0, WK_EARG,
               "%s: q is outside of [0, 1]", op);
    /* the last position a line has: of all values, or of those that are numbers */
    const wk_tensor one = wk_scalar_int(c, 1), zero = wk_scalar_int(c, 0);
    const wk_tensor good = wk_sum(c, wk_eq(c, rows, rows), WK_DIMS(-1), true);
    const wk_tensor last = wk_maximum(c, wk_sub(c, good, one), zero);
    const wk_tensor all = wk_scalar_int(c, wki_cols(rows));
    wk_tensor       at = wk_mul(c, q, wk_cast(c, ignore_nan ? last : wk_sub(c, all, one), x->dtype));
    if (!ignore_nan) /* NaN is sorted last */
        at = wk_where(c, wk_eq(c, good, all), at, wk_cast(c, wk_sub(c, all, one), x->dtype));
    wk_tensor y = between(c, rows, wk_expand(c, at, shape), how);
    if (wki_failed(c)) return WK_NONE;
    /* [.., d's place, .., q] becomes [q, ..] */
    y = wk_unsqueeze(c, y, 0);
    y = wk_transpose(c, y, 0, -1); /* [q, .., 1] */
    y = x->ndim ? swap(c, y, d + 1) : y;
    if (!keep || x->ndim == 0) y = wk_squeeze(c, y, x->ndim ? d + 1 : 1);
    return scalar && !wki_failed(c) ? wk_squeeze(c, y, 0) : y;
}

wk_tensor wk_quantile(wk_ctx *c, wk_tensor x, wk_tensor q, int dim, bool keep, wk_between how)
{
    return quantile(c, "quantile", x, q, dim, keep, how, false);
}
wk_tensor wk_nanquantile(wk_ctx *c, wk_tensor x, wk_tensor q, int dim, bool keep, wk_between how)
{
    return quantile(c, "nanquantile", x, q, dim, keep, how, true);
}

/* ---- searching -------------------------------------------------------------------------------- */

wk_tensor wk_searchsorted(wk_ctx *c, wk_tensor sorted, wk_tensor values, bool right)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(sorted) && !wk_is_none(values) && sorted->ndim > 0, WK_EARG,
               "searchsorted: no sorted values");
    bool fit = sorted->ndim == 1 || sorted->ndim == values->ndim;
    for (int i = 0; i + 1 < sorted->ndim && fit; i++) fit = sorted->shape[i] == values->shape[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "searchsorted: %s in %s", WKI_TEXT(values), WKI_TEXT(sorted));
    const wk_dtype t = wki_result_dtype(sorted, values);
    const wk_class cls = wki_class_of(t);
    values = wk_detach(c, values->dtype == t ? values : wk_cast(c, values, t));
    /* looked at many times: in the dtype that it is compared in, whose values are those of t */
    sorted = wk_detach(c, wk_cast(c, sorted->dtype == t ? sorted : wk_cast(c, sorted, t),
                                  cls == WK_CLASS_F32   ? WK_f32
                                  : cls == WK_CLASS_F64 ? WK_f64
                                                        : WK_i64));
    if (wki_failed(c)) return WK_NONE;
    return wki_run(c, &(wk_call){.op = WK_OP_searchsorted,
                                 .cls = cls,
                                 WK_IN(sorted, values),
                                 .out = {wki_like_as(c, values, WK_i64)},
                                 .attr.i = {right}});
}

wk_tensor wk_bucketize(wk_ctx *c, wk_tensor values, wk_tensor boundaries, bool right)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(boundaries) && boundaries->ndim == 1, WK_ESHAPE, "bucketize: boundaries %s",
               WKI_TEXT(boundaries));
    return wki_within(c, "bucketize", wk_searchsorted(c, boundaries, values, right));
}
