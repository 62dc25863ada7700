/* Complex arithmetic on pairs, made of real ops. */
#include "core/ctx.h"

/* The parts of x; false after recording what is wrong with it. */
static bool parts(wk_ctx *c, const char *op, wk_tensor x, wk_tensor *re, wk_tensor *im)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x) || x->ndim < 1 || x->shape[x->ndim - 1] != 2)
        wk_fail(c, WK_ESHAPE, "%s: %s, complex values, a last dim of two, are wanted", op, WKI_TEXT(x));
    else if (wki_dtype_class(x->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "%s: %s, a real dtype is wanted", op, wk_dtype_name(x->dtype));
    if (wki_failed(c)) return false;
    *re = wk_select(c, x, -1, 0);
    *im = wk_select(c, x, -1, 1);
    return !wki_failed(c);
}

struct pair {
    wk_tensor re, im;
};

/* Both operands; the dims before the last must broadcast. */
static bool operands(wk_ctx *c, const char *op, wk_tensor a, wk_tensor b, struct pair *p, struct pair *q)
{
    return parts(c, op, a, &p->re, &p->im) && parts(c, op, b, &q->re, &q->im);
}

static bool broadcast(wk_ctx *c, const char *op, wk_tensor a, wk_tensor b)
{
    wk_shape shape;
    if (wki_broadcast(a, b, &shape)) return true;
    wk_fail(c, WK_ESHAPE, "%s: %s and %s do not broadcast", op, WKI_TEXT(a), WKI_TEXT(b));
    return false;
}

typedef wk_tensor (*product)(wk_ctx *, wk_tensor, wk_tensor);
static wk_tensor multiplied(wk_ctx *c, product mul, struct pair p, struct pair q)
{
    return wk_complex(c, wk_sub(c, mul(c, p.re, q.re), mul(c, p.im, q.im)),
                      wk_add(c, mul(c, p.re, q.im), mul(c, p.im, q.re)));
}

wk_tensor wk_real(wk_ctx *c, wk_tensor x)
{
    wk_tensor re, im;
    return parts(c, "real", x, &re, &im) ? re : WK_NONE;
}

wk_tensor wk_imag(wk_ctx *c, wk_tensor x)
{
    wk_tensor re, im;
    return parts(c, "imag", x, &re, &im) ? im : WK_NONE;
}

wk_tensor wk_conj(wk_ctx *c, wk_tensor x)
{
    wk_tensor re, im;
    return parts(c, "conj", x, &re, &im) ? wk_complex(c, re, wk_neg(c, im)) : WK_NONE;
}

wk_tensor wk_complex_mul(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    struct pair p, q;
    if (!operands(c, "complex_mul", a, b, &p, &q) || !broadcast(c, "complex_mul", a, b)) return WK_NONE;
    return multiplied(c, wk_mul, p, q);
}

wk_tensor wk_complex_matmul(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    struct pair p, q;
    return operands(c, "complex_matmul", a, b, &p, &q) ? multiplied(c, wk_matmul, p, q) : WK_NONE;
}

/* The scale cancels in the quotient, so that it needs no gradient. */
wk_tensor wk_complex_div(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    struct pair p, q;
    if (!operands(c, "complex_div", a, b, &p, &q) || !broadcast(c, "complex_div", a, b)) return WK_NONE;
    const wk_tensor   scale = wk_maximum(c, wk_abs(c, wk_detach(c, q.re)), wk_abs(c, wk_detach(c, q.im)));
    const struct pair turned = {wk_div(c, q.re, scale), wk_neg(c, wk_div(c, q.im, scale))};
    const wk_tensor   square = wk_add(c, wk_square(c, turned.re), wk_square(c, turned.im));
    const struct pair small = {wk_div(c, p.re, scale), wk_div(c, p.im, scale)};
    return wk_div(c, multiplied(c, wk_mul, small, turned), wk_unsqueeze(c, square, -1));
}

wk_tensor wk_polar(wk_ctx *c, wk_tensor abs, wk_tensor angle)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c,
               !wk_is_none(abs) && !wk_is_none(angle) && abs->dtype == angle->dtype &&
                   wki_dtype_class(abs->dtype) == 'F',
               WK_EDTYPE, "polar: %s and %s, one real dtype is wanted", wk_dtype_name(abs->dtype),
               wk_dtype_name(angle->dtype));
    if (!broadcast(c, "polar", abs, angle)) return WK_NONE;
    return wk_complex(c, wk_mul(c, abs, wk_cos(c, angle)), wk_mul(c, abs, wk_sin(c, angle)));
}

wk_tensor wk_complex_exp(wk_ctx *c, wk_tensor x)
{
    wk_tensor re, im;
    return parts(c, "complex_exp", x, &re, &im) ? wk_polar(c, wk_exp(c, re), im) : WK_NONE;
}

/* f(im, re), with 0 and no gradient where both are 0, as PyTorch has it. */
static wk_tensor away_from_zero(wk_ctx *c, const char *op, product f, wk_tensor x)
{
    wk_tensor re, im;
    if (!parts(c, op, x, &re, &im)) return WK_NONE;
    const wk_tensor nought = wk_zeros_like(c, re), at_zero = f(c, wk_detach(c, im), wk_detach(c, re));
    const wk_tensor zero = wk_logical_and(c, wk_eq(c, re, nought), wk_eq(c, im, nought));
    const wk_tensor y = f(c, im, wk_where(c, zero, wk_ones_like(c, re), re));
    return wk_where(c, zero, at_zero, y);
}

wk_tensor wk_complex_abs(wk_ctx *c, wk_tensor x)
{
    return away_from_zero(c, "complex_abs", wk_hypot, x);
}
wk_tensor wk_complex_angle(wk_ctx *c, wk_tensor x)
{
    return away_from_zero(c, "complex_angle", wk_atan2, x);
}

wk_tensor wk_complex_sgn(wk_ctx *c, wk_tensor x)
{
    wk_tensor re, im;
    if (!parts(c, "complex_sgn", x, &re, &im)) return WK_NONE;
    const wk_tensor size = wk_complex_abs(c, x), one = wk_ones_like(c, size);
    const wk_tensor over = wk_where(c, wk_eq(c, size, wk_zeros_like(c, size)), one, size);
    return wk_div(c, x, wk_unsqueeze(c, over, -1));
}
