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
