/* Cases of ops that write over an operand: the whole tensor is looked at afterwards, of which the destination
 * may be a part. */
#include "tests/ops/cases.h"

#include <string.h>

enum { ROWS = 5, COLS = 300 };

/* What is written, and what the first operand is. */
enum place { WHOLE, STEPS, ITSELF, SHIFTED, PLACES };

static wk_tensor run_over(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const enum place p = (enum place)k->q;
    const wk_tensor  home = wk_contiguous(c, wk_clone(c, x[0]));
    const wk_tensor  dst = p == STEPS     ? wk_slice(c, home, 1, 1, COLS, 2)
                           : p == SHIFTED ? wk_slice(c, home, 0, 1, ROWS, 1)
                                          : home;
    const wk_tensor  a = p == STEPS     ? wk_slice(c, x[1], 1, 1, COLS, 2)
                         : p == ITSELF  ? dst
                         : p == SHIFTED ? wk_slice(c, home, 0, 0, ROWS - 1, 1)
                                        : x[1];
    const wk_tensor  b = x[2];
    if (strcmp(k->op, "add") == 0) wk_add_into(c, dst, a, 1);
    if (strcmp(k->op, "mul") == 0) wk_mul_into(c, dst, a);
    if (strcmp(k->op, "lerp") == 0) wk_lerp_into(c, dst, a, b);
    if (strcmp(k->op, "addcdiv") == 0) wk_addcdiv_into(c, dst, a, b, k->p);
    if (strcmp(k->op, "addcmul") == 0) {
        if (strcmp(k->note, "add") == 0)
            wk_add_into(c, dst, a, k->p);
        else
            wk_addcmul_into(c, dst, a, b, k->p);
    }
    return home;
}

static void exact_over(const struct op_case *k, const struct values *x, struct values *y)
{
    const enum place p = (enum place)k->q;
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t row = i / COLS, col = i % COLS;
        const bool    wide = x[1].ndim > 1; /* else a row for all */
        const double  d = x[0].v[i], b = x[2].v[0];
        double        a = x[1].v[wide ? i : col];
        if (p == ITSELF) a = d;
        if (p == SHIFTED && row > 0) a = x[0].v[i - COLS];
        double v = strcmp(k->op, "mul") == 0                                          ? d * a
                   : strcmp(k->op, "lerp") == 0                                       ? d + b * (a - d)
                   : strcmp(k->op, "addcdiv") == 0                                    ? d + k->p * a / b
                   : strcmp(k->op, "addcmul") == 0 && strcmp(k->note, "addcmul") == 0 ? d + k->p * a * b
                   : strcmp(k->op, "addcmul") == 0                                    ? d + k->p * a
                                                                                      : d + a;
        if ((p == STEPS && col % 2 == 0) || (p == SHIFTED && row == 0)) v = d;
        y->v[i] = v;
    }
}

void family_inplace(case_fn visit, void *arg)
{
    static const struct {
        const char *op, *note;
        bool        real;
    } ops[] = {{"add", "add", false}, {"addcmul", "add", false}, {"addcmul", "addcmul", false},
               {"mul", "mul", false}, {"lerp", "lerp", true},    {"addcdiv", "addcdiv", true}};
    static const wk_dtype types[] = {WK_f32, WK_f64, WK_bf16, WK_f16, WK_i32, WK_i64, WK_i8};
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            for (int p = WHOLE; p < PLACES; p++) {
                if (ops[o].real && types[t] <= WK_u32) continue;
                struct op_case k = {
                    .op = ops[o].op, .note = ops[o].note, .n_in = 3, .run = run_over, .exact = exact_over};
                k.p = -3;
                k.q = p;
                k.in[0] =
                    (struct input){.shape = WK_SHAPE(ROWS, COLS), .dtype = types[t], .low = -4, .high = 4};
                k.in[1] = k.in[0];
                k.in[2] = (struct input){.shape = WK_SHAPE(1), .dtype = types[t], .low = 1, .high = 2};
                visit(arg, &k);
                if (p != WHOLE) continue;
                k.in[1].shape = WK_SHAPE(COLS); /* broadcast, and of another dtype than the result */
                visit(arg, &k);
                if (types[t] > WK_u32) k.in[1].dtype = WK_i32, visit(arg, &k);
            }
}
