/* Lookups with padding, bags of rows, padded sequences, norms over neighbouring channels. */
#include "core/ctx.h"

#include <math.h>

/* The row of the table that padding means; -1 after recording that there is none. */
static int64_t padding_row(wk_ctx *c, const char *op, wk_tensor table, int64_t padding)
{
    if (wki_failed(c)) return -1;
    if (wk_is_none(table) || table->ndim != 2) {
        wk_fail(c, WK_ESHAPE, "%s: the table is %s, [n, d] is wanted", op, WKI_TEXT(table));
        return -1;
    }
    const int64_t n = table->shape[0];
    if (padding >= -n && padding < n) return padding < 0 ? padding + n : padding;
    wk_fail(c, WK_EINDEX, "%s: padding %lld of a table of %lld rows", op, (long long)padding, (long long)n);
    return -1;
}

wk_tensor wk_embedding_padded(wk_ctx *c, wk_tensor table, wk_tensor tokens, int64_t padding)
{
    const int64_t row = padding_row(c, "embedding_padded", table, padding);
    if (row < 0) return WK_NONE;
    const wk_tensor rows = wk_embedding_rows(c, table, tokens);
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor pads = wk_unsqueeze(c, wk_eq(c, tokens, wk_scalar_int(c, row)), -1);
    return wk_where(c, pads, wk_detach(c, rows), rows);
}

/* ---- bags ------------------------------------------------------------------------------------------- */

/* Tokens one after another, the bag of each, and their weights (or WK_NONE). */
struct bags {
    wk_tensor tokens, bag, weights;
    int64_t   count;
};

/* Bags that begin at offsets. */
static void by_offsets(wk_ctx *c, struct bags *b, wk_tensor offsets, bool last)
{
    const int64_t m = wk_count(b->tokens);
    if (offsets->ndim != 1 || (wki_dtype_class(offsets->dtype) != 'I') || offsets->shape[0] <= last) {
        wk_fail(c, WK_ESHAPE, "embedding_bag: offsets %s %s, integers [bags%s] are wanted",
                wk_dtype_name(offsets->dtype), WKI_TEXT(offsets), last ? " + 1" : "");
        return;
    }
    b->count = offsets->shape[0] - last;
    const wk_tensor at = wk_cast(c, offsets, WK_i64), starts = wk_narrow(c, at, 0, 0, b->count);
    const wk_tensor up =
        wk_all(c, wk_ge(c, wk_diff(c, at, 1, 0, WK_NONE, WK_NONE), wk_scalar_int(c, 0)), WK_ALL_DIMS, false);
    const double first = wk_item(c, wk_select(c, at, 0, 0)), end = wk_item(c, wk_select(c, at, 0, -1));
    if (!wki_failed(c) && (first != 0 || wk_item(c, up) == 0 || (last ? end != (double)m : end > (double)m)))
        wk_fail(c, WK_EARG,
                "embedding_bag: offsets from %.0f to %.0f, ascending ones from 0 in %lld tokens are "
                "wanted",
                first, end, (long long)m);
    const wk_tensor behind = wk_searchsorted(c, starts, wk_arange(c, 0, (double)m, 1, WK_i64), true);
    b->bag = wk_sub(c, behind, wk_scalar_int(c, 1));
}

static bool bags_of(wk_ctx *c, struct bags *b, wk_tensor tokens, wk_tensor offsets, const wk_bag_opts *o)
{
    const bool rows = wk_is_none(offsets), heavy = !wk_is_none(o->weights);
    if (wk_is_none(tokens) || wki_dtype_class(tokens->dtype) != 'I' || tokens->ndim != (rows ? 2 : 1))
        wk_fail(c, WK_ESHAPE, "embedding_bag: tokens %s %s, integers [%s] are wanted",
                wk_dtype_name(tokens->dtype), WKI_TEXT(tokens), rows ? "bags, size" : "m");
    else if (heavy && (o->mode != WK_BAG_SUM || wk_count(o->weights) != wk_count(tokens)))
        wk_fail(c, WK_EARG, "embedding_bag: weights %s for tokens %s; they go with sums alone",
                WKI_TEXT(o->weights), WKI_TEXT(tokens));
    if (wki_failed(c)) return false;
    b->count = tokens->shape[0];
    b->weights = heavy ? wk_reshape(c, o->weights, WK_SHAPE(wk_count(tokens))) : WK_NONE;
    b->tokens = wk_reshape(c, tokens, WK_SHAPE(wk_count(tokens)));
    if (rows) {
        const wk_tensor each = wk_unsqueeze(c, wk_arange(c, 0, (double)b->count, 1, WK_i64), 1);
        b->bag = wk_reshape(c, wk_expand(c, each, wki_shape(tokens)), WK_SHAPE(wk_count(tokens)));
    } else {
        by_offsets(c, b, offsets, o->last_offset);
    }
    return !wki_failed(c);
}

static void without(wk_ctx *c, struct bags *b, int64_t row)
{
    const wk_tensor kept = wk_ne(c, b->tokens, wk_scalar_int(c, row));
    b->tokens = wk_masked_select(c, b->tokens, kept);
    b->bag = wk_masked_select(c, b->bag, kept);
    if (!wk_is_none(b->weights)) b->weights = wk_masked_select(c, b->weights, kept);
}

wk_tensor wk_embedding_bag(wk_ctx *c, wk_tensor table, wk_tensor tokens, wk_tensor offsets, wk_bag_opts o)
{
    struct bags   b = {.count = 0};
    const int64_t row = padding_row(c, "embedding_bag", table, o.has_padding ? o.padding : 0);
    if (row < 0) return WK_NONE;
    WK_REQUIRE(c, wki_dtype_class(table->dtype) == 'F', WK_EDTYPE, "embedding_bag: a table of %s",
               wk_dtype_name(table->dtype));
    WK_REQUIRE(c, (unsigned)o.mode <= WK_BAG_MAX, WK_EARG, "embedding_bag: mode %d", (int)o.mode);
    if (!bags_of(c, &b, tokens, offsets, &o)) return WK_NONE;
    if (o.has_padding) without(c, &b, row);
    const wk_dtype wide = table->dtype == WK_f64 ? WK_f64 : WK_f32; /* halves are rounded once */
    wk_tensor      x = wk_cast(c, wk_embedding_rows(c, table, b.tokens), wide);
    if (!wk_is_none(b.weights)) x = wk_mul(c, x, wk_unsqueeze(c, wk_cast(c, b.weights, wide), 1));
    wk_tensor y = wk_zeros(c, wide, WK_SHAPE(b.count, table->shape[1]));
    if (o.mode == WK_BAG_MAX) {
        y = wk_index_reduce(c, y, 0, b.bag, x, WK_REDUCE_AMAX, false);
    } else {
        y = wk_index_add(c, y, 0, b.bag, x, 1);
        if (o.mode == WK_BAG_MEAN) {
            const wk_tensor sizes = wk_cast(c, wk_bincount(c, b.bag, WK_NONE, b.count), wide);
            y = wk_div(c, y, wk_unsqueeze(c, wk_clamp(c, sizes, 1, (double)INFINITY), 1));
        }
    }
    return wk_cast(c, y, table->dtype);
}

/* ---- sequences and channels --------------------------------------------------------------------------- */

wk_tensor wk_pad_sequence(wk_ctx *c, int n, const wk_tensor *x, bool batch_first, double value, bool left)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n > 0 && n < 1 << 24, WK_EARG, "pad_sequence: %d sequences", n);
    int64_t most = 0;
    for (int i = 0; i < n; i++) {
        bool fit =
            !wk_is_none(x[i]) && x[i]->ndim > 0 && x[i]->ndim == x[0]->ndim && x[i]->dtype == x[0]->dtype;
        for (int d = 1; d < x[i]->ndim && fit; d++) fit = x[i]->shape[d] == x[0]->shape[d];
        WK_REQUIRE(c, fit, WK_ESHAPE, "pad_sequence: sequence %d is %s %s, the first %s %s", i,
                   wk_dtype_name(x[i]->dtype), WKI_TEXT(x[i]), wk_dtype_name(x[0]->dtype), WKI_TEXT(x[0]));
        if (x[i]->shape[0] > most) most = x[i]->shape[0];
    }
    wk_tensor *all = wk_alloc((size_t)n * sizeof *all);
    WK_REQUIRE(c, all, WK_ENOMEM, "pad_sequence: out of memory");
    for (int i = 0; i < n; i++) {
        int64_t pads[2 * WK_MAX_DIMS] = {0};
        pads[2 * x[i]->ndim - 1 - left] = most - x[i]->shape[0];
        all[i] = wk_pad(c, x[i], 2 * x[i]->ndim, pads, value);
    }
    const wk_tensor y = wk_stack(c, n, all, batch_first ? 0 : 1);
    wk_free(all);
    return y;
}

wk_tensor wk_local_response_norm(wk_ctx *c, wk_tensor x, int64_t size, double alpha, double beta, double k)
{
    if (wki_failed(c)) return WK_NONE;
    const char cls = wki_dtype_class(x->dtype);
    WK_REQUIRE(c, !wk_is_none(x) && (cls == 'F' || cls == 'I'), WK_EDTYPE,
               "local_response_norm: x is %s, numbers are wanted", wk_dtype_name(x->dtype));
    WK_REQUIRE(c, x->ndim >= 3 && x->ndim < WK_MAX_DIMS && size >= 1, WK_ESHAPE,
               "local_response_norm: over %lld channels of %s, at least one of [N, C, ..] is wanted",
               (long long)size, WKI_TEXT(x));
    if (wk_count(x) == 0) return x;
    const wk_dtype  wide = x->dtype == WK_f64 ? WK_f64 : WK_f32; /* halves are rounded once */
    const wk_tensor v = wk_cast(c, x, cls == 'F' ? wide : WK_i64);
    int64_t         pads[2 * WK_MAX_DIMS] = {0};
    pads[2 * (x->ndim - 2)] = size / 2;
    pads[2 * (x->ndim - 2) + 1] = (size - 1) / 2;
    const wk_tensor squares = wk_pad(c, wk_square(c, v), 2 * (x->ndim - 1), pads, 0);
    const wk_tensor sum = wk_sum(c, wk_unfold(c, squares, 1, size, 1), WK_DIMS(-1), false);
    const wk_tensor count = wk_scalar_int(c, size);
    const wk_tensor mean = cls == 'F' ? wk_div(c, sum, count) : wk_trunc_div(c, sum, count);
    const wk_tensor base = wk_add(c, wk_mul(c, mean, wk_scalar(c, alpha)), wk_scalar(c, k));
    return wk_cast(c, wk_div(c, v, wk_pow(c, base, wk_scalar(c, beta))), cls == 'F' ? x->dtype : WK_f32);
}
