/* The case driver's reductions. */
#include "cases.h"

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)
#define X        tensor(r, "input")
#define KEEP     truth(r, "keepdim", false)

typedef wk_tensor (*reduction)(wk_ctx *, wk_tensor, wk_shape, bool);
typedef wk_tensor (*reduction_as)(wk_ctx *, wk_tensor, wk_shape, bool, wk_dtype);

static wk_tensor reduce(struct run *r, reduction fn, reduction_as as)
{
    wk_tensor x = X;
    if (!given(r, "dtype")) return fn(r->c, x, sizes(r, "dim"), KEEP);
    const wk_dtype t = dtype(r, "dtype", x->dtype);
    return as ? as(r->c, x, sizes(r, "dim"), KEEP, t) : fn(r->c, wk_cast(r->c, x, t), sizes(r, "dim"), KEEP);
}
OP(sum)
{
    ONE(reduce(r, wk_sum, wk_sum_as));
}
OP(mean)
{
    ONE(reduce(r, wk_mean, wk_mean_as));
}
OP(prod)
{
    ONE(reduce(r, wk_prod, wk_prod_as));
}
OP(nansum)
{
    ONE(reduce(r, wk_nansum, NULL));
}
OP(nanmean)
{
    ONE(reduce(r, wk_nanmean, NULL));
}
OP(count_nonzero)
{
    ONE(wk_count_nonzero(r->c, X, sizes(r, "dim"), false));
}

OP(cdist)
{
    ONE(wk_cdist(r->c, tensor(r, "x1"), tensor(r, "x2"), real(r, "p", 2)));
}
OP(cov)
{
    ONE(wk_cov(r->c, X, real(r, "correction", 1), tensor_or_none(r, "fweights"),
               tensor_or_none(r, "aweights")));
}
OP(normalize)
{
    ONE(wk_normalize(r->c, X, real(r, "p", 2), (int)integer(r, "dim", 1), real(r, "eps", 1e-12)));
}
OP(corrcoef)
{
    ONE(wk_corrcoef(r->c, X));
}

/* var(input, dim, unbiased, keepdim) and var(input, unbiased) */
static double correction(struct run *r, wk_shape *dims)
{
    if (json_is_boolean(r->values[1])) {
        *dims = WK_ALL_DIMS;
        return json_is_true(r->values[1]);
    }
    *dims = sizes(r, "dim");
    return given(r, "unbiased") ? truth(r, "unbiased", true) : real(r, "correction", 1);
}
OP(var)
{
    wk_shape     dims;
    const double k = correction(r, &dims);
    ONE(wk_var(r->c, X, dims, k, KEEP));
}
OP(std_)
{
    wk_shape     dims;
    const double k = correction(r, &dims);
    ONE(wk_std(r->c, X, dims, k, KEEP));
}
OP(var_mean)
{
    wk_shape     dims;
    const double k = correction(r, &dims);
    out[0] = wk_var_mean(r->c, X, dims, k, KEEP, &out[1]);
    return 2;
}
OP(std_mean)
{
    wk_shape     dims;
    const double k = correction(r, &dims);
    out[0] = wk_std_mean(r->c, X, dims, k, KEEP, &out[1]);
    return 2;
}

/* torch.max: over everything, along a dim (values and indices), or of two tensors */
OP(max)
{
    if (!given(r, "dim")) ONE(wk_amax(r->c, X, WK_ALL_DIMS, false));
    if (json_is_object(r->values[1])) ONE(wk_maximum(r->c, X, tensor(r, "dim")));
    out[0] = wk_max(r->c, X, (int)integer(r, "dim", 0), KEEP, &out[1]);
    return 2;
}
OP(min)
{
    if (!given(r, "dim")) ONE(wk_amin(r->c, X, WK_ALL_DIMS, false));
    if (json_is_object(r->values[1])) ONE(wk_minimum(r->c, X, tensor(r, "dim")));
    out[0] = wk_min(r->c, X, (int)integer(r, "dim", 0), KEEP, &out[1]);
    return 2;
}
OP(aminmax)
{
    out[0] = wk_aminmax(r->c, X, sizes(r, "dim"), KEEP, &out[1]);
    return 2;
}

OP(dist)
{
    ONE(wk_dist(r->c, X, tensor(r, "other"), real(r, "p", 2)));
}
OP(renorm)
{
    ONE(wk_renorm(r->c, X, real(r, "p", 2), (int)integer(r, "dim", 0), real(r, "maxnorm", 1)));
}

const struct op_row reduce_ops[] = {
    {"sum", "input dim keepdim dtype", sum},
    {"mean", "input dim keepdim dtype", mean},
    {"prod", "input dim keepdim dtype", prod},
    {"nansum", "input dim keepdim dtype", nansum},
    {"nanmean", "input dim keepdim dtype", nanmean},
    {"count_nonzero", "input dim", count_nonzero},
    {"var", "input dim unbiased keepdim correction", var},
    {"std", "input dim unbiased keepdim correction", std_},
    {"var_mean", "input dim unbiased keepdim correction", var_mean},
    {"std_mean", "input dim unbiased keepdim correction", std_mean},
    {"max", "input dim keepdim", max},
    {"min", "input dim keepdim", min},
    {"aminmax", "input dim keepdim", aminmax},
    {"dist", "input other p", dist},
    {"renorm", "input p dim maxnorm", renorm},
    {"cdist", "x1 x2 p compute_mode", cdist},
    {"cov", "input correction fweights aweights", cov},
    {"normalize", "input p dim eps", normalize},
    {"corrcoef", "input", corrcoef},
    {0},
};
