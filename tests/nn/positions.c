/* Positions against the published algorithms. */
#include "reference.h"

Test(positions, relative_bias_as_t5s)
{
    struct reference r;
    reference_open(&r, "positions");
    for (int both = 0; both < 2; both++) {
        reference_case(&r, both ? "both" : "causal");
        struct wk_relative_bias b = wk_relative_bias_load(r.p, "bias", 8, 2, 20, both);
        reference_bind(&r, &b, sizeof b);
        reference_track(&r);
        wk_tensor y = wk_relative_bias(r.c, &b, 28, 30, 0);
        reference_check(&r, 1, &y);
        reference_eval(&r);
        wk_tensor later = wk_relative_bias(r.c, &b, 3, 30, 25);
        cr_assert(wk_equal(r.c, later, wk_narrow(r.c, y, 1, 25, 3)));
        wk_no_grad(r.c, false);
    }
    reference_close(&r);
}

Test(positions, tables)
{
    struct reference r;
    reference_open(&r, "positions");
    wk_ctx   *c = r.c;
    wk_tensor w = wk_files_tensor(c, r.files, "turns");
    r.name = "positions";
    reference_same(&r, "turns", wk_sinusoids(c, 6, 8, 10000, WK_SINUSOIDS_IN_TURNS, WK_f32), w);
    w = wk_files_tensor(c, r.files, "halves");
    reference_same(&r, "halves", wk_sinusoids(c, 6, 8, 10000, WK_SINUSOIDS_IN_HALVES, WK_f32), w);
    reference_same(&r, "8 heads", wk_alibi_slopes(c, 8), wk_files_tensor(c, r.files, "slopes8"));
    reference_same(&r, "12 heads", wk_alibi_slopes(c, 12), wk_files_tensor(c, r.files, "slopes12"));
    wk_tensor bias = wk_alibi_bias(c, 8, 2, 4, 2);
    cr_assert(bias->shape[0] == 8 && bias->shape[1] == 2 && bias->shape[2] == 4);
    float v[64];
    wk_read(c, bias, v);
    const float wanted[] = {-1, -0.5f, 0, -0.5f, -1.5f, -1, -0.5f, 0}; /* slope 1/2 */
    for (int i = 0; i < 8; i++) cr_assert_float_eq(v[i], wanted[i], 1e-6);
    reference_close(&r);
}

Test(positions, learned)
{
    wk_ctx                   *c = wk_ctx_new("cpu");
    const struct wk_embedding e = wk_embedding_load(wk_params_new(c, WK_f32, NULL), "wpe", 10, 4);
    wk_tensor                 x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 3, 4));
    wk_tensor                 y = wk_sub(c, wk_learned_positions(c, &e, x, 5), x);
    wk_tensor                 rows = wk_expand(c, wk_narrow(c, e.weight, 0, 5, 3), WK_SHAPE(2, 3, 4));
    cr_assert(wk_allclose(c, y, rows, 1e-5, 1e-6, false));
    cr_assert(wk_is_none(wk_learned_positions(c, &e, x, 8)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_clear(c);
    wk_sinusoids(c, 4, 3, 10000, WK_SINUSOIDS_IN_TURNS, WK_f32);
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_clear(c);
    wk_alibi_slopes(c, 0);
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}
