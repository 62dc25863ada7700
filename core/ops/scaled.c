/* Products of narrow reals with scales beside them, as torch._scaled_mm. */
#include "core/ctx.h"

/* Does s hold one scale, or one for each of the n rows (columns) of a matrix? */
static bool fits(wk_tensor s, int64_t n, bool rows)
{
    if (s->dtype != WK_f32) return false;
    if (s->ndim == 0 || wk_count(s) == 1) return s->ndim <= 2;
    if (s->ndim == 1) return s->shape[0] == n;
    return s->ndim == 2 && s->shape[rows ? 0 : 1] == n && s->shape[rows ? 1 : 0] == 1;
}

static bool check(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor scale_a, wk_tensor scale_b, wk_tensor bias,
                  wk_dtype t)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(a) || wk_is_none(b))
        wk_fail(c, WK_EARG, "scaled_matmul: an operand is empty");
    else if (a->ndim < 2 || b->ndim < 2 || wk_size(a, -1) != wk_size(b, -2))
        wk_fail(c, WK_ESHAPE, "scaled_matmul: %s times %s: [.., n, k] and [.., k, m] are wanted", WKI_TEXT(a),
                WKI_TEXT(b));
    else if (wki_dtype_class(a->dtype) != 'F' || wki_dtype_class(b->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "scaled_matmul: %s times %s; real ones are wanted", wk_dtype_name(a->dtype),
                wk_dtype_name(b->dtype));
    else if (t != WK_f32 && t != WK_f16 && t != WK_bf16)
        wk_fail(c, WK_EDTYPE, "scaled_matmul: to %s; f32, f16 or bf16 are wanted", wk_dtype_name(t));
    else if (!wk_is_none(scale_a) && !fits(scale_a, wk_size(a, -2), true))
        wk_fail(c, WK_ESHAPE, "scaled_matmul: scale_a is %s %s; one f32, or one for each of %lld rows",
                wk_dtype_name(scale_a->dtype), WKI_TEXT(scale_a), (long long)wk_size(a, -2));
    else if (!wk_is_none(scale_b) && !fits(scale_b, wk_size(b, -1), false))
        wk_fail(c, WK_ESHAPE, "scaled_matmul: scale_b is %s %s; one f32, or one for each of %lld columns",
                wk_dtype_name(scale_b->dtype), WKI_TEXT(scale_b), (long long)wk_size(b, -1));
    else if (!wk_is_none(bias) &&
             (bias->ndim != 1 || bias->shape[0] != wk_size(b, -1) || wki_dtype_class(bias->dtype) != 'F'))
        wk_fail(c, WK_ESHAPE, "scaled_matmul: bias is %s %s, for %lld columns", wk_dtype_name(bias->dtype),
                WKI_TEXT(bias), (long long)wk_size(b, -1));
    return !wki_failed(c);
}

wk_tensor wk_scaled_matmul(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor scale_a, wk_tensor scale_b,
                           wk_tensor bias, wk_dtype t)
{
    if (!check(c, a, b, scale_a, scale_b, bias, t)) return WK_NONE;
    wk_tensor y = wk_matmul(c, wk_cast(c, a, WK_f32), wk_cast(c, b, WK_f32));
    if (!wk_is_none(scale_a)) {
        const bool rows = wk_count(scale_a) > 1;
        y = wk_mul(c, y, wk_reshape(c, scale_a, rows ? WK_SHAPE(-1, 1) : WK_SCALAR_SHAPE));
    }
    if (!wk_is_none(scale_b)) {
        const bool columns = wk_count(scale_b) > 1;
        y = wk_mul(c, y, wk_reshape(c, scale_b, columns ? WK_SHAPE(-1) : WK_SCALAR_SHAPE));
    }
    if (!wk_is_none(bias)) y = wk_add(c, y, wk_cast(c, bias, WK_f32));
    return wk_cast(c, y, t);
}
