/* The case driver's scans, sorts and counts. */
#include "cases.h"

#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

static int dim_of(struct run *r, int64_t fallback)
{
    return (int)integer(r, "dim", fallback);
}
static wk_tensor input(struct run *r)
{
    wk_tensor x = tensor(r, "input");
    return given(r, "dtype") ? wk_cast(r->c, x, dtype(r, "dtype", x->dtype)) : x;
}

static wk_tensor as_asked(struct run *r, wk_tensor y)
{
    return given(r, "dtype") ? wk_cast(r->c, y, dtype(r, "dtype", y->dtype)) : y;
}
OP(cumsum)
{
    ONE(as_asked(r, wk_cumsum(r->c, input(r), dim_of(r, 0))));
}
OP(cumprod)
{
    ONE(as_asked(r, wk_cumprod(r->c, input(r), dim_of(r, 0))));
}
OP(logcumsumexp)
{
    ONE(wk_logcumsumexp(r->c, input(r), dim_of(r, 0)));
}
OP(cummax)
{
    out[0] = wk_cummax(r->c, input(r), dim_of(r, 0), &out[1]);
    return 2;
}
OP(cummin)
{
    out[0] = wk_cummin(r->c, input(r), dim_of(r, 0), &out[1]);
    return 2;
}
OP(diff)
{
    ONE(wk_diff(r->c, input(r), (int)integer(r, "n", 1), dim_of(r, -1), tensor_or_none(r, "prepend"),
                tensor_or_none(r, "append")));
}
OP(trapezoid)
{
    ONE(wk_trapezoid(r->c, tensor(r, "y"), tensor_or_none(r, "x"), real(r, "dx", 1), dim_of(r, -1)));
}
OP(cumulative_trapezoid)
{
    ONE(wk_cumulative_trapezoid(r->c, tensor(r, "y"), tensor_or_none(r, "x"), real(r, "dx", 1),
                                dim_of(r, -1)));
}

OP(sort)
{
    out[0] = wk_sort(r->c, input(r), dim_of(r, -1), truth(r, "descending", false), &out[1]);
    return 2;
}
OP(argsort)
{
    ONE(wk_argsort(r->c, input(r), dim_of(r, -1), truth(r, "descending", false)));
}
OP(msort)
{
    ONE(wk_msort(r->c, input(r)));
}
OP(kthvalue)
{
    out[0] =
        wk_kthvalue(r->c, input(r), integer(r, "k", 1), dim_of(r, -1), truth(r, "keepdim", false), &out[1]);
    return 2;
}

typedef wk_tensor (*middle)(wk_ctx *, wk_tensor, int, bool, wk_tensor *);
static int one_of_line(struct run *r, wk_tensor *out, middle fn)
{
    if (!given(r, "dim")) ONE(fn(r->c, input(r), WK_FLAT, false, NULL));
    out[0] = fn(r->c, input(r), dim_of(r, -1), truth(r, "keepdim", false), &out[1]);
    return 2;
}
OP(median)
{
    return one_of_line(r, out, wk_median);
}
OP(nanmedian)
{
    return one_of_line(r, out, wk_nanmedian);
}
OP(mode)
{
    out[0] = wk_mode(r->c, input(r), dim_of(r, -1), truth(r, "keepdim", false), &out[1]);
    return 2;
}

static wk_tensor quantile_with(struct run *r,
                               wk_tensor (*fn)(wk_ctx *, wk_tensor, wk_tensor, int, bool, wk_between))
{
    static const char *const names[] = {"linear", "lower", "higher", "midpoint", "nearest"};
    const char              *how = text(r, "interpolation", "linear");
    const int                dim = given(r, "dim") ? dim_of(r, 0) : WK_FLAT;
    int                      between = 0;
    while (between < 5 && strcmp(how, names[between]) != 0) between++;
    if (between == 5) stop(r, CASE_UNSUPPORTED, "interpolation %s", how);
    return fn(r->c, input(r), tensor(r, "q"), dim, truth(r, "keepdim", false), (wk_between)between);
}
OP(quantile)
{
    ONE(quantile_with(r, wk_quantile));
}
OP(nanquantile)
{
    ONE(quantile_with(r, wk_nanquantile));
}

static int different(struct run *r, wk_tensor *out, bool sorted)
{
    wk_tensor  x = input(r), inverse, counts;
    const bool along = given(r, "dim");
    if (along)
        out[0] = sorted ? wk_unique_dim(r->c, x, dim_of(r, 0), &inverse, &counts)
                        : wk_unique_consecutive_dim(r->c, x, dim_of(r, 0), &inverse, &counts);
    else
        out[0] = sorted ? wk_unique(r->c, x, &inverse, &counts)
                        : wk_unique_consecutive(r->c, x, &inverse, &counts);
    int n = 1;
    if (truth(r, "return_inverse", false)) out[n++] = inverse;
    if (truth(r, "return_counts", false)) out[n++] = counts;
    return n;
}
OP(unique)
{
    return different(r, out, true);
}
OP(unique_consecutive)
{
    return different(r, out, false);
}
OP(histogram)
{
    wk_tensor x = input(r), edges;
    double    low = 0, high = 0;
    if (json_is_integer(r->values[1])) {
        if (json_is_array(r->values[2])) {
            number(json_array_get(r->values[2], 0), &low);
            number(json_array_get(r->values[2], 1), &high);
        } else if (wk_count(x) > 0) {
            low = wk_item(r->c, wk_amin(r->c, x, WK_ALL_DIMS, false));
            high = wk_item(r->c, wk_amax(r->c, x, WK_ALL_DIMS, false));
        }
        if (wk_count(x) == 0) high = 1;
        if (low == high) low -= 0.5, high += 0.5;
        edges = wk_linspace(r->c, low, high, integer(r, "bins", 100) + 1, x->dtype);
    } else {
        edges = tensor(r, "bins");
    }
    out[0] = wk_histogram(r->c, x, edges, tensor_or_none(r, "weight"), truth(r, "density", false));
    out[1] = edges;
    return 2;
}
OP(nonzero_static)
{
    ONE(wk_nonzero_static(r->c, input(r), integer(r, "size", 0), integer(r, "fill_value", -1)));
}
OP(isin)
{
    wk_tensor y = wk_isin(r->c, tensor(r, "elements"), tensor(r, "test_elements"));
    ONE(truth(r, "invert", false) ? wk_logical_not(r->c, y) : y);
}
OP(unravel_index)
{
    const wk_shape shape = sizes(r, "shape");
    wk_unravel_index(r->c, tensor(r, "indices"), shape, out);
    return shape.ndim;
}
OP(bincount)
{
    ONE(wk_bincount(r->c, input(r), tensor_or_none(r, "weights"), integer(r, "minlength", 0)));
}
OP(histc)
{
    ONE(wk_histc(r->c, input(r), integer(r, "bins", 100), real(r, "min", 0), real(r, "max", 0)));
}

static wk_tensor narrowed(struct run *r, wk_tensor y)
{
    return truth(r, "out_int32", false) ? wk_cast(r->c, y, WK_i32) : y;
}
OP(searchsorted)
{
    wk_tensor  sorted = tensor(r, "sorted_sequence");
    const bool right = truth(r, "right", false) || !strcmp(text(r, "side", "left"), "right");
    if (given(r, "sorter"))
        ONE(narrowed(r, wk_searchsorted_by(r->c, sorted, tensor(r, "sorter"), input(r), right)));
    ONE(narrowed(r, wk_searchsorted(r->c, sorted, input(r), right)));
}
OP(gradient)
{
    double    h[WK_MAX_DIMS];
    wk_tensor at[WK_MAX_DIMS], x = input(r);
    wk_shape  dims = sizes(r, "dim");
    const int order = (int)integer(r, "edge_order", 1);
    if (holds_tensors(r, "spacing")) {
        tensors(r, "spacing", at, WK_MAX_DIMS);
        return wk_gradient_at(r->c, x, dims, at, order, out);
    }
    const int n = numbers(r, "spacing", h, WK_MAX_DIMS);
    return wk_gradient(r->c, x, dims, n, h, order, out);
}
OP(bucketize)
{
    ONE(narrowed(r, wk_bucketize(r->c, input(r), tensor(r, "boundaries"), truth(r, "right", false))));
}
OP(nonzero)
{
    wk_tensor x = tensor(r, "input"), y = wk_nonzero(r->c, x);
    if (!truth(r, "as_tuple", false)) ONE(y);
    if (x->ndim == 0) ONE(wk_reshape(r->c, wk_nonzero(r->c, wk_unsqueeze(r->c, x, 0)), WK_SHAPE(-1)));
    for (int i = 0; i < x->ndim; i++) out[i] = wk_select(r->c, y, 1, i);
    return x->ndim;
}

const struct op_row sort_ops[] = {
    {"cumsum", "input dim dtype", cumsum},
    {"cumprod", "input dim dtype", cumprod},
    {"logcumsumexp", "input dim", logcumsumexp},
    {"cummax", "input dim", cummax},
    {"cummin", "input dim", cummin},
    {"diff", "input n dim prepend append", diff},
    {"trapezoid trapz", "y x dx dim", trapezoid},
    {"cumulative_trapezoid", "y x dx dim", cumulative_trapezoid},
    {"sort", "input dim descending stable", sort},
    {"argsort", "input dim descending stable", argsort},
    {"msort", "input", msort},
    {"kthvalue", "input k dim keepdim", kthvalue},
    {"median", "input dim keepdim", median},
    {"nanmedian", "input dim keepdim", nanmedian},
    {"mode", "input dim keepdim", mode},
    {"quantile", "input q dim keepdim interpolation", quantile},
    {"nanquantile", "input q dim keepdim interpolation", nanquantile},
    {"unique", "input sorted return_inverse return_counts dim", unique},
    {"unique_consecutive", "input return_inverse return_counts dim", unique_consecutive},
    {"histogram", "input bins range weight density", histogram},
    {"nonzero_static", "input size fill_value", nonzero_static},
    {"isin", "elements test_elements assume_unique invert", isin},
    {"unravel_index", "indices shape", unravel_index},
    {"bincount", "input weights minlength", bincount},
    {"histc", "input bins min max", histc},
    {"searchsorted", "sorted_sequence input out_int32 right side sorter", searchsorted},
    {"nonzero", "input as_tuple", nonzero},
    {"gradient", "input spacing dim edge_order", gradient},
    {"bucketize", "input boundaries out_int32 right", bucketize},
    {0},
};
