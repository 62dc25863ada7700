/* Cases of complex arithmetic; ops that real tensors have too ask for theirs where nothing is complex. */
#include "cases.h"

#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

#define UNARY(name, real, complex)                                                                           \
    OP(name)                                                                                                 \
    {                                                                                                        \
        wk_tensor x = tensor(r, "input");                                                                    \
        ONE(is_complex(r, "input") ? complex(r->c, x) : real(r->c, x));                                      \
    }
#define BINARY(name, real, complex)                                                                          \
    OP(name)                                                                                                 \
    {                                                                                                        \
        if (!is_complex(r, "input") && !is_complex(r, "other"))                                              \
            ONE(real(r->c, tensor(r, "input"), tensor(r, "other")));                                         \
        ONE(complex(r->c, complex_tensor(r, "input"), complex_tensor(r, "other")));                          \
    }
static wk_tensor itself(wk_ctx *c, wk_tensor x)
{
    (void)c;
    return x;
}
UNARY(conjugate, itself, wk_conj)
UNARY(absolute, wk_abs, wk_complex_abs)
UNARY(angle, wk_angle, wk_complex_angle)
UNARY(exponential, wk_exp, wk_complex_exp)
UNARY(sign, wk_sign, wk_complex_sgn)
UNARY(real_part, itself, wk_real)
BINARY(multiply, wk_mul, wk_complex_mul)
BINARY(matmul, wk_matmul, wk_complex_matmul)
OP(imaginary_part)
{
    ONE(wk_imag(r->c, tensor(r, "input")));
}
OP(divide)
{
    const char *mode = text(r, "rounding_mode", "");
    if (is_complex(r, "input") || is_complex(r, "other"))
        ONE(wk_complex_div(r->c, complex_tensor(r, "input"), complex_tensor(r, "other")));
    wk_tensor a = tensor(r, "input"), b = tensor(r, "other");
    ONE(!strcmp(mode, "floor")   ? wk_floor_div(r->c, a, b)
        : !strcmp(mode, "trunc") ? wk_trunc_div(r->c, a, b)
                                 : wk_div(r->c, a, b));
}
OP(polar)
{
    ONE(wk_polar(r->c, tensor(r, "abs"), tensor(r, "angle")));
}

const struct op_row complex_ops[] = {
    {"conj conj_physical", "input", conjugate},
    {"abs absolute", "input", absolute},
    {"angle", "input", angle},
    {"exp", "input", exponential},
    {"sgn", "input", sign},
    {"real", "input", real_part},
    {"imag", "input", imaginary_part},
    {"mul multiply", "input other", multiply},
    {"div divide true_divide", "input other rounding_mode", divide},
    {"matmul", "input other", matmul},
    {"polar", "abs angle", polar},
    {0},
};
