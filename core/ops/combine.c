/* Values of several tensors, or of several classes, beside each other. */
#include "core/ctx.h"

wk_tensor wk_argwhere(wk_ctx *c, wk_tensor x)
{
    return wk_nonzero(c, x);
}

wk_tensor wk_one_hot(wk_ctx *c, wk_tensor x, int64_t classes)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->dtype == WK_i64, WK_EDTYPE, "one_hot: classes of %s, wanted are i64",
               wk_is_none(x) ? "no tensor" : wk_dtype_name(x->dtype));
    WK_REQUIRE(c, x->ndim < WK_MAX_DIMS, WK_ESHAPE, "one_hot: %s has no dim left for classes", WKI_TEXT(x));
    WK_REQUIRE(c, classes >= -1 && (classes > 0 || wk_count(x) > 0), WK_EARG, "one_hot: %lld classes for %s",
               (long long)classes, WKI_TEXT(x));
    if (wk_count(x) > 0) {
        const double least = wk_item(c, wk_amin(c, x, WK_ALL_DIMS, false));
        const double most = wk_item(c, wk_amax(c, x, WK_ALL_DIMS, false));
        if (wki_failed(c)) return WK_NONE;
        WK_REQUIRE(c, least >= 0 && (classes < 0 || most < (double)classes), WK_EINDEX,
                   "one_hot: classes from %.0f to %.0f, there are %lld", least, most, (long long)classes);
        if (classes < 0) classes = (int64_t)most + 1;
    }
    const wk_tensor names = wk_arange(c, 0, (double)classes, 1, WK_i64);
    return wk_cast(c, wk_eq(c, wk_unsqueeze(c, x, -1), names), WK_i64);
}

wk_tensor wk_searchsorted_by(wk_ctx *c, wk_tensor sorted, wk_tensor sorter, wk_tensor values, bool right)
{
    if (wki_failed(c)) return WK_NONE;
    bool fit = !wk_is_none(sorted) && !wk_is_none(sorter) && sorted->ndim > 0 && sorted->ndim == sorter->ndim;
    for (int i = 0; i < sorted->ndim && fit; i++) fit = sorted->shape[i] == sorter->shape[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "searchsorted_by: sorter %s for %s", WKI_TEXT(sorter), WKI_TEXT(sorted));
    return wk_searchsorted(c, wk_gather(c, wk_detach(c, sorted), -1, sorter), values, right);
}

/* What all n tensors broadcast to. */
static bool common_shape(wk_ctx *c, int n, const wk_tensor *x, wk_shape *shape)
{
    *shape = (wk_shape){0};
    for (int i = 0; i < n && !wki_failed(c); i++) {
        const wk_tensor t = x[i];
        if (wk_is_none(t)) wk_fail(c, WK_EARG, "broadcast_tensors: no tensor %d", i);
        for (; shape->ndim < t->ndim; shape->ndim++) {
            for (int d = shape->ndim; d > 0; d--) shape->dim[d] = shape->dim[d - 1];
            shape->dim[0] = 1;
        }
        for (int d = 0; d < t->ndim && !wki_failed(c); d++) {
            int64_t *size = &shape->dim[shape->ndim - t->ndim + d];
            if (*size == 1)
                *size = t->shape[d];
            else if (t->shape[d] != 1 && t->shape[d] != *size)
                wk_fail(c, WK_ESHAPE, "broadcast_tensors: tensor %d, %s, does not fit those before it", i,
                        WKI_TEXT(t));
        }
    }
    return !wki_failed(c);
}

void wk_broadcast_tensors(wk_ctx *c, int n, const wk_tensor *x, wk_tensor *out)
{
    wk_shape   shape;
    const bool fit = common_shape(c, n, x, &shape);
    for (int i = 0; i < n; i++) out[i] = fit ? wk_expand(c, x[i], shape) : WK_NONE;
}

static bool is_list(wk_ctx *c, const char *op, wk_tensor x)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x) || x->ndim != 1) wk_fail(c, WK_ESHAPE, "%s: %s, 1-d is wanted", op, WKI_TEXT(x));
    return !wki_failed(c);
}

wk_tensor wk_cartesian_prod(wk_ctx *c, int n, const wk_tensor *x)
{
    wk_tensor grid[WK_MAX_DIMS];
    WK_REQUIRE(c, n >= 1 && n <= WK_MAX_DIMS, WK_EARG, "cartesian_prod: of %d tensors, wanted are 1 to %d", n,
               WK_MAX_DIMS);
    for (int i = 0; i < n; i++) {
        if (!is_list(c, "cartesian_prod", x[i])) return WK_NONE;
        WK_REQUIRE(c, x[i]->dtype == x[0]->dtype, WK_EDTYPE, "cartesian_prod: %s and %s",
                   wk_dtype_name(x[0]->dtype), wk_dtype_name(x[i]->dtype));
    }
    if (n == 1) return x[0];
    wk_meshgrid(c, n, x, false, grid);
    for (int i = 0; i < n && !wki_failed(c); i++) grid[i] = wk_flatten(c, grid[i], 0, -1);
    return wk_stack(c, n, grid, 1);
}

/* Of `most` things, r in order: how many ways there are. -1: beyond all memory. */
static int64_t ways(int64_t most, int64_t r)
{
    int64_t n = 1;
    if (r > most) return 0;
    if (r > most - r) r = most - r;
    for (int64_t i = 1; i <= r; i++) {
        if (__builtin_mul_overflow(n, most - r + i, &n)) return -1;
        n /= i;
    }
    return n;
}

/* The next row of places: the last that can still move does, and those behind it follow closely. */
static void advance(int64_t *row, int64_t r, int64_t n, bool again)
{
    int64_t i = r - 1;
    while (i >= 0 && row[i] == (again ? n - 1 : n - r + i)) i--;
    if (i < 0) return;
    row[i]++;
    for (int64_t k = i + 1; k < r; k++) row[k] = row[k - 1] + !again;
}

wk_tensor wk_combinations(wk_ctx *c, wk_tensor x, int64_t r, bool with_replacement)
{
    if (!is_list(c, "combinations", x)) return WK_NONE;
    WK_REQUIRE(c, r >= 0, WK_EARG, "combinations: of %lld values", (long long)r);
    if (r == 0) return wki_new(c, x->dtype, WK_SHAPE(0));
    const int64_t n = x->shape[0],
                  rows = with_replacement && n == 0 ? 0 : ways(with_replacement ? n + r - 1 : n, r);
    int64_t count;
    WK_REQUIRE(c, rows >= 0 && !__builtin_mul_overflow(rows, r, &count) && count < INT64_MAX / 64, WK_ESHAPE,
               "combinations: too many of %lld in %lld", (long long)r, (long long)n);
    int64_t *at = wk_alloc((size_t)(count + r) * sizeof *at), *row = at;
    WK_REQUIRE(c, at, WK_ENOMEM, "combinations: out of memory");
    for (int64_t k = 0; k < r; k++) row[k] = with_replacement ? 0 : k;
    for (int64_t i = 1; i < rows; i++, row += r) {
        for (int64_t k = 0; k < r; k++) row[r + k] = row[k];
        advance(row + r, r, n, with_replacement);
    }
    const wk_tensor index = wk_make(c, at, WK_i64, WK_SHAPE(count));
    wk_free(at);
    return wk_reshape(c, wk_index_select(c, x, 0, index), WK_SHAPE(rows, r));
}
