/* Transformer ops beyond their cases: formulas written out, extreme values, threads, what they refuse. */
#include "tests/ops/fused.h"

/* What PyTorch gives: no overflow for large values; a row of -inf, or with a NaN or +inf, is NaN. */
Test(softmax, extreme_rows)
{
    const float inf = INFINITY;
    const float x[5][4] = {{1000, 1001, 999, -1000},
                           {-inf, 0, 1, -inf},
                           {-inf, -inf, -inf, -inf},
                           {0, NAN, 1, 2},
                           {0, inf, 1, -inf}};
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        if (wk_ctx_status(c) == WK_OK) {
            for (int wide = 0; wide < 2; wide++) {
                const wk_tensor in =
                    wk_cast(c, wk_make(c, x, WK_f32, WK_SHAPE(5, 4)), wide ? WK_f64 : WK_f32);
                double *y = fused_read(c, wk_softmax(c, in, -1)),
                       *l = fused_read(c, wk_log_softmax(c, in, -1));
                const double total = exp(-1) + 1 + exp(-2);
                cr_assert_float_eq(y[0], exp(-1) / total, 1e-6, "%s", name);
                cr_assert_float_eq(y[1], 1 / total, 1e-6, "%s", name);
                cr_assert_eq(y[3], 0, "%s: %g", name, y[3]);
                cr_assert_float_eq(l[0], -1 - log(total), 1e-6, "%s", name);
                cr_assert_float_eq(l[3], -2001 - log(total), 1e-3, "%s", name);
                cr_assert_eq(y[4], 0, "%s", name);
                cr_assert_float_eq(y[5], 1 / (1 + exp(1)), 1e-6, "%s", name);
                cr_assert_eq(l[4], -(double)INFINITY, "%s", name);
                for (int i = 8; i < 16; i++) cr_assert(isnan(y[i]), "%s: %d", name, i);
                cr_assert(isnan(y[17]), "%s", name);
                free(y);
                free(l);
            }
        }
        wk_ctx_free(c);
    }
}

Test(softmax, no_dims_and_bad_arguments)
{
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_eq(wk_item(c, wk_softmax(c, wk_full(c, 3, WK_f32, WK_SCALAR_SHAPE), 0)), 1);
    cr_assert_eq(wk_item(c, wk_log_softmax(c, wk_full(c, 3, WK_f32, WK_SCALAR_SHAPE), -1)), 0);
    const wk_tensor i = wk_zeros(c, WK_i32, WK_SHAPE(2, 2));
    cr_assert(wk_is_none(wk_softmax(c, i, -1)));
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_log_softmax(c, wk_zeros(c, WK_f32, WK_SHAPE(2, 2)), 2)));
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}

/* x / sqrt(mean(x^2) + eps) w and (x - mean) / sqrt(var + eps) w + b, written out. */
Test(norm, agrees_with_the_formula)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const float     x[3] = {1, -2, 4}, w[3] = {0.5f, 2, -1}, b[3] = {1, 0, -1};
    const double    rms_scale = 1 / sqrt(7 + 1e-3), mean = 1, layer_scale = 1 / sqrt(6 + 1e-3);
    const wk_tensor tx = wk_make(c, x, WK_f32, WK_SHAPE(1, 3)), tw = wk_make(c, w, WK_f32, WK_SHAPE(3)),
                    tb = wk_make(c, b, WK_f32, WK_SHAPE(3));
    double *r = fused_read(c, wk_rms_norm(c, tx, tw, 1e-3)),
           *l = fused_read(c, wk_layer_norm(c, tx, tw, tb, 1e-3));
    wk_tensor sum;
    double *a = fused_read(c, wk_add_norm(c, tx, tx, tw, WK_NONE, 1e-3, true, &sum)), *s = fused_read(c, sum);
    for (int i = 0; i < 3; i++) {
        cr_assert_float_eq(r[i], (double)x[i] * rms_scale * (double)w[i], 1e-6);
        cr_assert_float_eq(l[i], ((double)x[i] - mean) * layer_scale * (double)w[i] + (double)b[i], 1e-6);
        cr_assert_eq(s[i], 2 * (double)x[i]);
        cr_assert_float_eq(a[i], 2 * ((double)x[i] - mean) / sqrt(24 + 1e-3) * (double)w[i], 1e-6);
    }
    free(r);
    free(l);
    free(a);
    free(s);
    wk_ctx_free(c);
}

Test(norm, bad_arguments)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 4)), w = wk_zeros(c, WK_f32, WK_SHAPE(3));
    wk_tensor       sum = x;
    cr_assert(wk_is_none(wk_rms_norm(c, x, w, 1e-5)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    cr_assert(strstr(wk_ctx_message(c), "rms_norm"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_layer_norm(c, wk_zeros(c, WK_i64, WK_SHAPE(2, 4)), WK_NONE, WK_NONE, 1e-5)));
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_add_norm(c, x, x, w, WK_NONE, 1e-5, false, &sum)));
    cr_assert(wk_is_none(sum));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_free(c);
}

/* One pair at one position, written out: the angle is the f32 product, its sine and cosine exact. */
Test(rope, turns_pairs_by_the_f32_angle)
{
    const int64_t positions[] = {0, 1, 77, 4095, 131071, 1000003};
    const float   x[4] = {0.6f, -0.8f, 1.5f, 0.25f}, frequency[2] = {1.0f, 0.0316227766f};
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        for (size_t i = 0; i < sizeof positions / sizeof *positions && wk_ctx_status(c) == WK_OK; i++)
            for (int layout = 0; layout < 2; layout++) {
                const wk_rope_opts o = {.layout = layout ? WK_ROPE_INTERLEAVED : WK_ROPE_HALVES};
                double            *y = fused_read(c, wk_rope(c, wk_make(c, x, WK_f32, WK_SHAPE(1, 4)),
                                                             wk_make(c, &positions[i], WK_i64, WK_SHAPE(1)),
                                                             wk_make(c, frequency, WK_f32, WK_SHAPE(2)), o));
                for (int p = 0; p < 2; p++) {
                    const int    a = layout ? 2 * p : p, b = layout ? 2 * p + 1 : p + 2;
                    const double angle = (double)((float)positions[i] * frequency[p]);
                    const double u = (double)x[a], v = (double)x[b];
                    cr_assert_float_eq(y[a], u * cos(angle) - v * sin(angle), 4e-7, "%s, position %lld", name,
                                       (long long)positions[i]);
                    cr_assert_float_eq(y[b], v * cos(angle) + u * sin(angle), 4e-7, "%s, position %lld", name,
                                       (long long)positions[i]);
                }
                free(y);
            }
        wk_ctx_free(c);
    }
}

Test(rope, bad_arguments)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 3, 8)), at = wk_zeros(c, WK_i64, WK_SHAPE(3)),
                    f = wk_zeros(c, WK_f32, WK_SHAPE(4));
    const wk_rope_opts plain = {0}, odd = {.dims = 3};
    const struct {
        wk_tensor    x, at, f;
        wk_rope_opts o;
        wk_status    want;
    } bad[] = {
        {x, wk_zeros(c, WK_i64, WK_SHAPE(4)), f, plain, WK_ESHAPE},
        {x, wk_zeros(c, WK_f32, WK_SHAPE(3)), f, plain, WK_EDTYPE},
        {x, at, wk_zeros(c, WK_f32, WK_SHAPE(3)), plain, WK_ESHAPE},
        {x, at, wk_zeros(c, WK_f16, WK_SHAPE(4)), plain, WK_EDTYPE},
        {x, at, f, odd, WK_ESHAPE},
        {wk_zeros(c, WK_i32, WK_SHAPE(2, 3, 8)), at, f, plain, WK_EDTYPE},
        {wk_zeros(c, WK_f32, WK_SHAPE(8)), at, f, plain, WK_ESHAPE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(wk_is_none(wk_rope(c, bad[i].x, bad[i].at, bad[i].f, bad[i].o)), "case %zu", i);
        cr_assert_eq(wk_ctx_status(c), bad[i].want, "case %zu: %s", i, wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    wk_ctx_free(c);
}

/* The formulas of arXiv:2002.05202 over a range that includes where exp overflows. */
Test(gated, agrees_with_the_formulas)
{
    enum { N = 401 };
    float gate[N], up[N];
    for (int i = 0; i < N; i++) {
        gate[i] = (float)(i - 200) * 0.5f;
        up[i] = 1 + (float)i * 0.001f;
    }
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        if (wk_ctx_status(c) == WK_OK) {
            const wk_tensor g = wk_make(c, gate, WK_f32, WK_SHAPE(N)),
                            u = wk_make(c, up, WK_f32, WK_SHAPE(N));
            double *y[4] = {fused_read(c, wk_swiglu(c, g, u)), fused_read(c, wk_geglu(c, g, u, false)),
                            fused_read(c, wk_geglu(c, g, u, true)), fused_read(c, wk_reglu(c, g, u))};
            for (int i = 0; i < N; i++) {
                const double x = (double)gate[i], w = (double)up[i],
                             t = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
                const double want[4] = {x / (1 + exp(-x)), x * 0.5 * erfc(-x / sqrt(2)),
                                        x / (1 + exp(-2 * t)), x > 0 ? x : 0};
                for (int f = 0; f < 4; f++)
                    cr_assert(fabs(y[f][i] - want[f] * w) <= 1e-6 * (1 + fabs(want[f])),
                              "%s, function %d at %g: %g, not %g", name, f, x, y[f][i], want[f] * w);
            }
            for (int f = 0; f < 4; f++) free(y[f]);
        }
        wk_ctx_free(c);
    }
}

Test(gated, bad_arguments)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor a = wk_zeros(c, WK_f32, WK_SHAPE(2, 4)), b = wk_zeros(c, WK_f32, WK_SHAPE(2, 3));
    cr_assert(wk_is_none(wk_swiglu(c, a, b)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    cr_assert(strstr(wk_ctx_message(c), "[2, 3]"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_reglu(c, wk_zeros(c, WK_i32, WK_SHAPE(2)), wk_zeros(c, WK_i32, WK_SHAPE(2)))));
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_glu(c, b, -1)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_free(c);
}

/* Values and gradients of layer_norm, whose weight gradients are sums over rows, by one thread and by two. */
Test(norm, results_do_not_depend_on_threads)
{
    wk_ctx  *c = wk_ctx_new("cpu");
    double  *got[2][4];
    uint64_t state = 5;
    float   *v = malloc(700 * 130 * sizeof *v);
    cr_assert(v);
    for (int i = 0; i < 700 * 130; i++) v[i] = (float)fused_random(&state);
    for (int t = 0; t < 2; t++) {
        wk_set_threads(c, t + 1);
        wk_tape_begin(c);
        const wk_tensor x = wk_track(c, wk_make(c, v, WK_f32, WK_SHAPE(700, 130))),
                        w = wk_track(c, wk_make(c, v + 99, WK_f32, WK_SHAPE(130))),
                        b = wk_track(c, wk_make(c, v + 777, WK_f32, WK_SHAPE(130)));
        const wk_tensor y = wk_layer_norm(c, x, w, b, 1e-5);
        cr_assert_eq(wk_backward_from(c, 1, &y, &x), WK_OK, "%s", wk_ctx_message(c));
        const wk_tensor all[4] = {y, wk_grad(c, x), wk_grad(c, w), wk_grad(c, b)};
        for (int i = 0; i < 4; i++) got[t][i] = fused_read(c, all[i]);
        wk_tape_end(c);
    }
    for (int i = 0; i < 4; i++) {
        const size_t n = i < 2 ? 700 * 130 : 130;
        cr_assert_eq(memcmp(got[0][i], got[1][i], n * sizeof(double)), 0, "result %d", i);
        free(got[0][i]);
        free(got[1][i]);
    }
    free(v);
    wk_ctx_free(c);
}
