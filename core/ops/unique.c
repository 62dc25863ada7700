/* Different values and how often they occur: unique, unique_consecutive, bincount, histc. */
#include "core/ctx.h"

#include <math.h>

/* True where a run of equal slices begins along dim 0 of x [n, ..]; [n]. */
static wk_tensor starts(wk_ctx *c, wk_tensor x)
{
    const int64_t n = x->shape[0];
    if (n == 0) return wk_zeros(c, WK_bool, WK_SHAPE(0));
    wk_tensor differs = wk_ne(c, wk_narrow(c, x, 0, 1, n - 1), wk_narrow(c, x, 0, 0, n - 1));
    if (x->ndim > 1) {
        wk_shape dims = {.ndim = x->ndim - 1};
        for (int i = 0; i < dims.ndim; i++) dims.dim[i] = i + 1;
        differs = wk_any(c, differs, dims, false);
    }
    const wk_tensor parts[] = {wk_full(c, 1, WK_bool, WK_SHAPE(1)), differs};
    return wk_cat(c, 2, parts, 0);
}

/* The slices of x [n, ..], equal ones side by side, without repeats. order: where they stood before they
 * were brought together (WK_NONE: here), for inverse. */
static wk_tensor runs(wk_ctx *c, wk_tensor x, wk_tensor order, wk_tensor *inverse, wk_tensor *counts)
{
    const int64_t   n = x->shape[0];
    const wk_tensor start = starts(c, x), first = wk_reshape(c, wk_nonzero(c, start), WK_SHAPE(-1));
    if (inverse) {
        wk_tensor which = wk_sub(c, wk_cumsum(c, start, 0), wk_scalar_int(c, 1));
        if (!wk_is_none(order) && n > 0)
            which = wk_scatter_add(c, wk_zeros(c, WK_i64, WK_SHAPE(n)), 0, order, which);
        *inverse = wki_failed(c) ? WK_NONE : which;
    }
    if (counts) *counts = wk_diff(c, first, 1, 0, WK_NONE, wk_full(c, (double)n, WK_i64, WK_SHAPE(1)));
    return wk_index_select(c, x, 0, first);
}

static bool begin(wk_ctx *c, const char *op, wk_tensor x, wk_tensor *inverse, wk_tensor *counts)
{
    if (inverse) *inverse = WK_NONE;
    if (counts) *counts = WK_NONE;
    if (wki_failed(c)) return false;
    if (!wk_is_none(x) && !wki_is_block(x->dtype)) return wki_constant(c, op, "x", x);
    wk_fail(c, WK_EARG, "%s: no tensor of plain values", op);
    return false;
}

static wk_tensor flat_unique(wk_ctx *c, wk_tensor x, bool sort, wk_tensor *inverse, wk_tensor *counts)
{
    wk_tensor flat = wk_flatten(c, x, 0, -1), order = WK_NONE;
    if (sort) flat = wk_sort(c, flat, 0, false, &order);
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor y = runs(c, flat, order, inverse, counts);
    if (inverse && !wki_failed(c)) *inverse = wk_reshape(c, *inverse, wki_shape(x));
    return y;
}

wk_tensor wk_unique(wk_ctx *c, wk_tensor x, wk_tensor *inverse, wk_tensor *counts)
{
    if (!begin(c, "unique", x, inverse, counts)) return WK_NONE;
    return flat_unique(c, x, true, inverse, counts);
}
wk_tensor wk_unique_consecutive(wk_ctx *c, wk_tensor x, wk_tensor *inverse, wk_tensor *counts)
{
    if (!begin(c, "unique_consecutive", x, inverse, counts)) return WK_NONE;
    return flat_unique(c, x, false, inverse, counts);
}

static wk_tensor dim_unique(wk_ctx *c, const char *op, wk_tensor x, int dim, bool sort, wk_tensor *inverse,
                            wk_tensor *counts)
{
    if (!begin(c, op, x, inverse, counts)) return WK_NONE;
    const int d = wki_dim(c, op, x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, x->ndim > 0, WK_ESHAPE, "%s: a tensor without dims has no slices", op);
    wk_tensor slices = wk_movedim(c, x, WK_DIMS(d), WK_DIMS(0)), order = WK_NONE;
    if (wki_failed(c)) return WK_NONE;
    const int64_t n = slices->shape[0], width = n ? wk_count(slices) / n : 0;
    if (sort &&
        n > 0) { /* slice by slice in order: a stable sort by each value, from the last to the first */
        const wk_tensor rows = wk_reshape(c, slices, WK_SHAPE(n, width));
        order = wk_arange(c, 0, (double)n, 1, WK_i64);
        for (int64_t j = width - 1; j >= 0 && !wki_failed(c); j--) {
            const wk_scope  s = wk_scope_begin(c);
            const wk_tensor column = wk_index_select(c, wk_select(c, rows, 1, j), 0, order);
            const wk_tensor next = wk_index_select(c, order, 0, wk_argsort(c, column, 0, false));
            order = wk_scope_end(c, s, next);
        }
        slices = wk_index_select(c, slices, 0, order);
    }
    if (wki_failed(c)) return WK_NONE;
    return wk_movedim(c, runs(c, slices, order, inverse, counts), WK_DIMS(0), WK_DIMS(d));
}

wk_tensor wk_unique_dim(wk_ctx *c, wk_tensor x, int dim, wk_tensor *inverse, wk_tensor *counts)
{
    return dim_unique(c, "unique_dim", x, dim, true, inverse, counts);
}
wk_tensor wk_unique_consecutive_dim(wk_ctx *c, wk_tensor x, int dim, wk_tensor *inverse, wk_tensor *counts)
{
    return dim_unique(c, "unique_consecutive_dim", x, dim, false, inverse, counts);
}

/* ---- counts ----------------------------------------------------------------------------------- */

wk_tensor wk_bincount(wk_ctx *c, wk_tensor x, wk_tensor weights, int64_t min_length)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim == 1 && wki_dtype_class(x->dtype) == 'I', WK_EARG,
               "bincount: x is %s %s, not integers in one dim", wk_dtype_name(x->dtype), WKI_TEXT(x));
    WK_REQUIRE(c, min_length >= 0, WK_EARG, "bincount: at least %lld counts", (long long)min_length);
    const bool weighted = !wk_is_none(weights);
    WK_REQUIRE(c, !weighted || (weights->ndim == 1 && weights->shape[0] == x->shape[0]), WK_ESHAPE,
               "bincount: weights %s for %s", WKI_TEXT(weights), WKI_TEXT(x));
    if (weighted && !wki_constant(c, "bincount", "weights", weights)) return WK_NONE;
    const wk_dtype t = !weighted ? WK_i64 : weights->dtype == WK_f32 ? WK_f32 : WK_f64;
    int64_t        n = min_length;
    if (x->shape[0] > 0) {
        const double low = wk_item(c, wk_amin(c, x, WK_ALL_DIMS, false)),
                     high = wk_item(c, wk_amax(c, x, WK_ALL_DIMS, false));
        if (wki_failed(c)) return WK_NONE;
        WK_REQUIRE(c, low >= 0, WK_EINDEX, "bincount: %lld is negative", (long long)low);
        if (n <= (int64_t)high) n = (int64_t)high + 1;
    }
    const wk_tensor zero = wk_zeros(c, t, WK_SHAPE(n));
    if (wki_failed(c) || x->shape[0] == 0) return zero;
    const wk_tensor more = weighted ? wk_cast(c, weights, t) : wk_full(c, 1, t, WK_SHAPE(1));
    return wk_scatter_add(c, zero, 0, x, wk_expand(c, more, wki_shape(x)));
}

wk_tensor wk_histc(wk_ctx *c, wk_tensor x, int64_t bins, double low, double high)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG, "histc: no tensor of plain values");
    WK_REQUIRE(c, bins > 0 && low <= high, WK_EARG, "histc: %lld bins over [%g, %g]", (long long)bins, low,
               high);
    const wk_tensor flat = wk_flatten(c, wk_detach(c, x), 0, -1);
    if (wki_failed(c)) return WK_NONE;
    if (low == high && wk_count(x) > 0) {
        low = wk_item(c, wk_amin(c, flat, WK_ALL_DIMS, false));
        high = wk_item(c, wk_amax(c, flat, WK_ALL_DIMS, false));
    }
    if (low == high) {
        low -= 1;
        high += 1;
    }
    WK_REQUIRE(c, isfinite(low) && isfinite(high), WK_EARG, "histc: the range [%g, %g] is not finite", low,
               high);
    const wk_dtype  t = wki_dtype_class(x->dtype) == 'F' ? x->dtype : WK_f32;
    const wk_tensor v = wk_cast(c, flat, t), from = wk_scalar(c, low), to = wk_scalar(c, high);
    const wk_tensor inside = wk_logical_and(c, wk_ge(c, v, from), wk_le(c, v, to));
    const wk_tensor share =
        wk_div(c, wk_mul(c, wk_sub(c, v, from), wk_scalar(c, (double)bins)), wk_scalar(c, high - low));
    /* the last bin has its end too */
    const wk_tensor at =
        wk_where(c, inside, wk_clamp(c, wk_floor(c, share), 0, (double)(bins - 1)), wk_scalar_int(c, 0));
    const wk_tensor zero = wk_zeros(c, WK_i64, WK_SHAPE(bins));
    if (wki_failed(c) || wk_count(x) == 0) return wk_cast(c, zero, x->dtype);
    return wk_cast(c, wk_scatter_add(c, zero, 0, wk_cast(c, at, WK_i64), wk_cast(c, inside, WK_i64)),
                   x->dtype);
}

wk_tensor wk_isin(wk_ctx *c, wk_tensor x, wk_tensor set)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(set) && !wki_is_block(x->dtype) && !wki_is_block(set->dtype),
               WK_EARG, "isin: no tensors of plain values");
    const int64_t n = wk_count(set);
    if (n == 0 || wk_count(x) == 0) return wk_zeros(c, WK_bool, wki_shape(x));
    const wk_dtype  t = wki_result_dtype(x, set);
    const wk_tensor flat = wk_cast(c, wk_flatten(c, wk_detach(c, set), 0, -1), t);
    const wk_tensor sorted = wk_sort(c, flat, 0, false, NULL), v = wk_cast(c, wk_detach(c, x), t);
    wk_tensor       at = wk_minimum(c, wk_searchsorted(c, sorted, v, false), wk_scalar_int(c, n - 1));
    at = wk_index_select(c, sorted, 0, wk_flatten(c, at, 0, -1));
    return wk_eq(c, wk_reshape(c, at, wki_shape(x)), v);
}

wk_tensor wk_histogram(wk_ctx *c, wk_tensor x, wk_tensor edges, wk_tensor weight, bool density)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && (x->dtype == WK_f32 || x->dtype == WK_f64), WK_EDTYPE,
               "histogram: x is %s", wk_dtype_name(x->dtype));
    WK_REQUIRE(c, edges->ndim == 1 && edges->shape[0] > 1, WK_ESHAPE, "histogram: edges %s", WKI_TEXT(edges));
    WK_REQUIRE(c, wk_is_none(weight) || wk_count(weight) == wk_count(x), WK_ESHAPE,
               "histogram: weights %s of %s", WKI_TEXT(weight), WKI_TEXT(x));
    const bool weighted = !wk_is_none(weight);
    if (!wki_constant(c, "histogram", "x", x) || !wki_constant(c, "histogram", "edges", edges) ||
        (weighted && !wki_constant(c, "histogram", "weight", weight)))
        return WK_NONE;
    const int64_t   bins = edges->shape[0] - 1;
    const wk_tensor v = wk_flatten(c, x, 0, -1), first = wk_select(c, edges, 0, 0);
    const wk_tensor last = wk_select(c, edges, 0, bins), one = wk_scalar_int(c, 1);
    const wk_tensor inside = wk_logical_and(c, wk_ge(c, v, first), wk_le(c, v, last));
    wk_tensor       at = wk_sub(c, wk_searchsorted(c, edges, v, true), one);
    at = wk_clamp(c, at, 0, (double)(bins - 1));
    wk_tensor w = weighted ? wk_cast(c, wk_flatten(c, weight, 0, -1), x->dtype)
                           : wk_full(c, 1, x->dtype, WK_SHAPE(wk_count(x)));
    w = wk_where(c, inside, w, wk_scalar(c, 0));
    const wk_tensor y = wk_scatter_add(c, wk_zeros(c, x->dtype, WK_SHAPE(bins)), 0, at, w);
    if (!density) return y;
    const wk_tensor width = wk_diff(c, wk_cast(c, edges, x->dtype), 1, 0, WK_NONE, WK_NONE);
    return wk_div(c, y, wk_mul(c, width, wk_sum(c, y, WK_ALL_DIMS, false)));
}
