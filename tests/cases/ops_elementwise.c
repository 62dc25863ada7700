/* The case driver's elementwise functions that are more than a line of unary.def or binary.def. */
#include "cases.h"

#include <math.h>
#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)
#define X        tensor(r, "input")
#define Y        tensor(r, "other")

OP(identity)
{
    ONE(X);
}
OP(addcmul)
{
    ONE(wk_addcmul(r->c, X, tensor(r, "tensor1"), tensor(r, "tensor2"), real(r, "value", 1)));
}
OP(addcdiv)
{
    ONE(wk_addcdiv(r->c, X, tensor(r, "tensor1"), tensor(r, "tensor2"), real(r, "value", 1)));
}
OP(rsub)
{
    wk_tensor x = X;
    if (given(r, "alpha")) x = wk_mul(r->c, x, tensor(r, "alpha"));
    ONE(wk_rsub(r->c, x, Y));
}
OP(radd)
{
    ONE(wk_add(r->c, Y, X));
}
OP(rmul)
{
    ONE(wk_mul(r->c, Y, X));
}
/* PyTorch's, which rounds the reciprocal. */
OP(rdiv)
{
    ONE(wk_mul(r->c, wk_reciprocal(r->c, X), Y));
}
OP(rmod)
{
    ONE(wk_remainder(r->c, Y, X));
}
OP(rpow)
{
    ONE(wk_pow(r->c, Y, X));
}
OP(rand_)
{
    ONE(wk_bitwise_and(r->c, Y, X));
}
OP(ror)
{
    ONE(wk_bitwise_or(r->c, Y, X));
}
OP(rxor)
{
    ONE(wk_bitwise_xor(r->c, Y, X));
}
OP(float_power)
{
    ONE(wk_float_power(r->c, X, tensor(r, "exponent")));
}
OP(frexp_)
{
    out[0] = wk_frexp(r->c, X, &out[1]);
    return 2;
}
OP(polygamma)
{
    /* polygamma(n, input), and OpInfo's order of it */
    const bool first = json_is_object(r->values[0]);
    ONE(wk_polygamma(r->c, tensor(r, first ? "n" : "input"), (double)integer(r, first ? "input" : "n", 0),
                     0));
}
OP(mvlgamma)
{
    ONE(wk_mvlgamma(r->c, X, (int)integer(r, "p", 1)));
}
OP(nan_to_num)
{
    ONE(wk_nan_to_num(r->c, X, real(r, "nan", 0), real(r, "posinf", INFINITY), real(r, "neginf", -INFINITY)));
}
OP(round_to)
{
    ONE(wk_round_to(r->c, X, (int)integer(r, "decimals", 0)));
}
OP(isclose)
{
    ONE(wk_isclose(r->c, X, Y, real(r, "rtol", 1e-5), real(r, "atol", 1e-8), truth(r, "equal_nan", false)));
}
OP(allclose)
{
    const bool y =
        wk_allclose(r->c, X, Y, real(r, "rtol", 1e-5), real(r, "atol", 1e-8), truth(r, "equal_nan", false));
    ONE(wk_full(r->c, y, WK_bool, WK_SCALAR_SHAPE));
}
OP(equal)
{
    ONE(wk_full(r->c, wk_equal(r->c, X, Y), WK_bool, WK_SCALAR_SHAPE));
}

OP(clamp)
{
    wk_tensor     x = X;
    const json_t *low = r->values[1], *high = r->values[2];
    double        p = -INFINITY, q = INFINITY;
    const bool    numbers = (!given(r, "min") || number(low, &p)) && (!given(r, "max") || number(high, &q));
    if (numbers) ONE(wk_clamp(r->c, x, p, q));
    ONE(wk_clamp_to(r->c, x, tensor_or_none(r, "min"), tensor_or_none(r, "max")));
}
OP(clamp_min)
{
    ONE(wk_clamp_to(r->c, X, tensor(r, "min"), WK_NONE));
}
OP(clamp_max)
{
    ONE(wk_clamp_to(r->c, X, WK_NONE, tensor(r, "max")));
}

OP(prelu)
{
    ONE(wk_prelu(r->c, X, tensor(r, "weight")));
}
OP(rrelu)
{
    const bool training = truth(r, "training", false);
    ONE(wk_rrelu(r->c, X, real(r, "lower", 1.0 / 8), real(r, "upper", 1.0 / 3), training));
}
OP(softmin)
{
    wk_tensor x = X;
    if (given(r, "dtype")) x = wk_cast(r->c, x, dtype(r, "dtype", x->dtype));
    const int dim = given(r, "dim")                                ? (int)integer(r, "dim", 0)
                    : x->ndim == 0 || x->ndim == 1 || x->ndim == 3 ? 0
                                                                   : 1;
    ONE(wk_softmin(r->c, x, dim));
}

const struct op_row elementwise_ops[] = {
    {"positive resolve_conj resolve_neg", "input", identity},
    {"addcmul", "input tensor1 tensor2 value", addcmul},
    {"addcdiv", "input tensor1 tensor2 value", addcdiv},
    {"rsub __rsub__", "input other alpha", rsub},
    {"__radd__", "input other", radd},
    {"__rmul__", "input other", rmul},
    {"__rdiv__ __rtruediv__", "input other", rdiv},
    {"__rmod__", "input other", rmod},
    {"__rpow__", "input other", rpow},
    {"__rand__", "input other", rand_},
    {"__ror__", "input other", ror},
    {"__rxor__", "input other", rxor},
    {"float_power", "input exponent", float_power},
    {"frexp", "input", frexp_},
    {"polygamma", "n input", polygamma},
    {"mvlgamma multigammaln", "input p", mvlgamma},
    {"nan_to_num", "input nan posinf neginf", nan_to_num},
    {"round", "input decimals", round_to},
    {"isclose", "input other rtol atol equal_nan", isclose},
    {"allclose", "input other rtol atol equal_nan", allclose},
    {"equal", "input other", equal},
    {"clamp clip", "input min max", clamp},
    {"clamp_min", "input min", clamp_min},
    {"clamp_max", "input max", clamp_max},
    {"prelu", "input weight", prelu},
    {"rrelu", "input lower upper training inplace", rrelu},
    {"softmin", "input dim _stacklevel dtype", softmin},
    {0},
};
