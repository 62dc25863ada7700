/* Cases of scans along a dim. */
#include "tests/ops/cases.h"

#include <math.h>
#include <string.h>

enum kind { SUM, PROD, LOGSUM, MOST, LEAST };

/* p the dim, q the kind; dims.ndim: the indices */
static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor at = WK_NONE, y = WK_NONE;
    const int d = (int)k->p;
    switch ((enum kind)k->q) {
    case SUM:
        return wk_cumsum(c, x[0], d);
    case PROD:
        return wk_cumprod(c, x[0], d);
    case LOGSUM:
        return wk_logcumsumexp(c, x[0], d);
    case MOST:
        y = wk_cummax(c, x[0], d, &at);
        break;
    case LEAST:
        y = wk_cummin(c, x[0], d, &at);
        break;
    }
    return k->dims.ndim ? at : y;
}

static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const int d = (int)k->p;
    int64_t   inner = 1, n = x->ndim ? x->shape[d] : 1;
    for (int i = d + 1; i < x->ndim; i++) inner *= x->shape[i];
    for (int64_t first = 0; first < x->n; first++) {
        if (first / inner % n != 0) continue; /* no line starts here */
        double  a = k->q == PROD ? 1 : k->q >= MOST ? x->v[first] : 0, top = -(double)INFINITY;
        int64_t best = 0;
        for (int64_t j = 0; j < n; j++) {
            const double v = x->v[first + j * inner], old = top;
            top = fmax(top, v);
            if (k->q == SUM) a += v;
            if (k->q == PROD) a *= v;
            if (k->q == LOGSUM) a = (a > 0 ? a * exp(old - top) : 0) + exp(v - top);
            if (k->q >= MOST && (isnan(v) || (!isnan(a) && (k->q == MOST ? v >= a : v <= a)))) {
                a = v;
                best = j;
            }
            y->v[first + j * inner] = k->dims.ndim ? (double)best : k->q == LOGSUM ? top + log(a) : a;
        }
    }
}

static const char *const names[] = {"cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"};
static const double      odd[] = {1, 3, 3, -2, 0, 3, 0, 5, NAN, 7, NAN, 2};

void family_scan(case_fn visit, void *arg)
{
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16, WK_i32, WK_u8, WK_bool};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED, EXPANDED};
    struct op_case           k = {.n_in = 1, .run = run, .exact = exact};
    for (int kind = 0; kind < 5; kind++) {
        k.op = names[kind];
        k.q = kind;
        k.apart = kind >= MOST;
        for (int indices = 0; indices < (kind >= MOST ? 2 : 1); indices++) {
            k.dims.ndim = indices;
            for (int t = 0; t < (kind == LOGSUM ? 4 : 7); t++)
                for (int l = 0; l < 4; l++)
                    for (int d = 0; d < 3; d++) {
                        k.in[0] = (struct input){
                            .shape = WK_SHAPE(4, 6, 5), .dtype = dtypes[t], .layout = layouts[l]};
                        k.p = d;
                        k.gradient = t == 0 && !indices && l < 3;
                        visit(arg, &k);
                    }
            k.gradient = false;
            k.p = 0;
            /* long lines and wide columns, in chunks */
            k.in[0] =
                (struct input){.shape = WK_SHAPE(140000), .dtype = WK_f32, .low = 0.9999, .high = 1.0001};
            k.tolerance = 1e-5;
            if (kind == SUM || kind == PROD) visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(1, 400, 330), .dtype = WK_f32, .low = -3, .high = 1};
            for (k.p = 1; k.p < 3; k.p++) visit(arg, &k);
            k.tolerance = 0;
            k.p = 0;
            k.in[0] = (struct input){.shape = WK_SCALAR_SHAPE, .dtype = WK_f32};
            visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(0, 3), .dtype = WK_f32};
            visit(arg, &k);
            k.note = "NaN and zeros";
            k.in[0] = (struct input){.shape = WK_SHAPE(12), .dtype = WK_f32, .values = odd};
            if (kind != LOGSUM) visit(arg, &k);
            k.in[0].shape = WK_SHAPE(8);
            k.gradient = kind < MOST;
            visit(arg, &k);
            k.note = NULL;
        }
    }
}
