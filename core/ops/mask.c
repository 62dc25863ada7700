/* Masks: nonzero, and picking, filling and writing where a mask is true. */
#include "core/ctx.h"

wk_tensor wk_nonzero(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG, "nonzero: no tensor of plain values");
    const int ndim = x->ndim;
    x = wk_detach(c, x);
    if (x->dtype != WK_bool) x = wk_ne(c, x, wk_scalar_int(c, 0));
    const double n = wk_item(c, wk_sum(c, x, WK_ALL_DIMS, false));
    if (wki_failed(c)) return WK_NONE;
    return wki_run(
        c,
        &(wk_call){.op = WK_OP_nonzero, WK_IN(x), .out = {wki_new(c, WK_i64, WK_SHAPE((int64_t)n, ndim))}});
}

/* The mask and x broadcast against each other; false after recording what is wrong with them. */
static bool masked(wk_ctx *c, const char *op, wk_tensor *x, wk_tensor *mask)
{
    wk_shape shape;
    if (wki_failed(c)) return false;
    if (wk_is_none(*x) || wk_is_none(*mask) || (*mask)->dtype != WK_bool ||
        !wki_broadcast(*x, *mask, &shape)) {
        wk_fail(c, WK_EARG, "%s: mask %s %s for %s", op, wk_dtype_name((*mask)->dtype), WKI_TEXT(*mask),
                WKI_TEXT(*x));
        return false;
    }
    *x = wk_expand(c, *x, shape);
    *mask = wk_expand(c, *mask, shape);
    return !wki_failed(c);
}

wk_tensor wk_masked_select(wk_ctx *c, wk_tensor x, wk_tensor mask)
{
    if (!masked(c, "masked_select", &x, &mask)) return WK_NONE;
    const int64_t   n = wk_count(x);
    const wk_tensor at = wk_nonzero(c, wk_reshape(c, mask, WK_SHAPE(n)));
    return wk_index_select(c, wk_reshape(c, x, WK_SHAPE(n)), 0, wk_reshape(c, at, WK_SHAPE(-1)));
}

wk_tensor wk_masked_fill(wk_ctx *c, wk_tensor x, wk_tensor mask, wk_tensor value)
{
    if (!masked(c, "masked_fill", &x, &mask)) return WK_NONE;
    WK_REQUIRE(c, wk_count(value) == 1, WK_ESHAPE, "masked_fill: the value is %s", WKI_TEXT(value));
    value = wk_reshape(c, value, WK_SCALAR_SHAPE);
    return wk_where(c, mask, value->dtype == x->dtype ? value : wk_cast(c, value, x->dtype), x);
}

wk_tensor wk_masked_scatter(wk_ctx *c, wk_tensor x, wk_tensor mask, wk_tensor src)
{
    if (!masked(c, "masked_scatter", &x, &mask)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(src) && src->dtype == x->dtype, WK_EDTYPE, "masked_scatter: %s into %s",
               wk_dtype_name(src->dtype), wk_dtype_name(x->dtype));
    const int64_t   n = wk_count(x), have = wk_count(src);
    const wk_tensor flat = wk_reshape(c, mask, WK_SHAPE(n)), at = wk_nonzero(c, flat);
    if (wki_failed(c)) return WK_NONE;
    const int64_t wanted = at->shape[0];
    WK_REQUIRE(c, wanted <= have, WK_ESHAPE, "masked_scatter: %lld places, but %lld values",
               (long long)wanted, (long long)have);
    const wk_tensor index = wk_reshape(c, at, WK_SHAPE(wanted));
    const wk_tensor values = wk_narrow(c, wk_reshape(c, src, WK_SHAPE(have)), 0, 0, wanted);
    const wk_tensor y =
        wki_index_put(c, wk_reshape(c, x, WK_SHAPE(n)), 0, 1, &index, values, false, false, WK_NONE);
    return wki_failed(c) ? WK_NONE : wk_reshape(c, y, wki_shape(x));
}
