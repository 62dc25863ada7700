/* Parameters: paths, shapes, the list. */
#include "walk.h"

Test(params, from_files)
{
    wk_ctx        *c = wk_ctx_new("cpu");
    wk_files      *f = wk_files_open(c, GOLDEN "v3.gguf");
    wk_param_list *l = wk_param_list_new(c);
    cr_assert(f && l, "%s", wk_ctx_message(c));
    const wk_params p = wk_params_from(c, f, l), at = wk_at(wk_at(p, "model.layers.%d", 0), "self_attn");
    cr_assert_str_eq(at.path, "model.layers.0.self_attn");
    cr_assert(wk_param_there(at, "q_proj.weight"));
    cr_assert_not(wk_param_there(at, "q_proj.bias"));
    wk_tensor q = wk_param(at, "q_proj.weight", WK_SHAPE(2, 32), 0.02);
    cr_assert_eq(q->dtype, WK_q8_0, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_param(at, "q_proj.weight", WK_SHAPE(2, 32), 0.02), q,
                 "a second ask gives another tensor");
    cr_assert_eq(wk_param_list_count(l), 1);
    cr_assert_str_eq(wk_param_list_name(l, 0), "model.layers.0.self_attn.q_proj.weight");
    cr_assert_eq(wk_param_list_tensor(l, 0), q);
    cr_assert(wk_is_none(wk_param(p, "model.norm.weight", WK_SHAPE(4), 0)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    cr_assert(strstr(wk_ctx_message(c), "model.norm.weight"), "%s", wk_ctx_message(c));
    cr_assert(strstr(wk_ctx_message(c), "[32]") && strstr(wk_ctx_message(c), "[4]"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_param(p, "no.such", WK_SHAPE(4), 0)));
    cr_assert(strstr(wk_ctx_message(c), "no.such"), "%s", wk_ctx_message(c));
    wk_param_list_free(l);
    wk_files_close(f);
    wk_ctx_free(c);
}

Test(params, fresh_values_and_binding)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    wk_param_list  *l = wk_param_list_new(c);
    const wk_params p = wk_at(wk_params_new(c, WK_f32, l), "a");
    float           v[6];
    wk_tensor       zeros = wk_param(p, "z", WK_SHAPE(2, 3), 0), ones = wk_param(p, "o", WK_SHAPE(3), -1);
    cr_assert_eq(wk_read(c, zeros, v), WK_OK, "%s", wk_ctx_message(c));
    for (int i = 0; i < 6; i++) cr_assert_eq(v[i], 0.0f);
    cr_assert_eq(wk_read(c, ones, v), WK_OK, "%s", wk_ctx_message(c));
    for (int i = 0; i < 3; i++) cr_assert_eq(v[i], 1.0f);
    cr_assert_str_eq(wk_param_list_name(l, 1), "a.o");
    wk_tensor one = zeros, two = zeros;
    wk_param_list_bind(l, 0, &one);
    wk_param_list_bind(l, 0, &two);
    wk_param_list_set(l, 0, ones);
    cr_assert(one == ones && two == ones && wk_param_list_tensor(l, 0) == ones);
    wk_param_list_bind(l, 2, &one);
    cr_assert_eq(wk_ctx_status(c), WK_EINDEX);
    cr_assert(wk_is_none(wk_param_list_tensor(l, -1)));
    wk_param_list_free(l);
    wk_ctx_free(c);
}

Test(params, random_values_have_the_deviation_asked_for)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_params p = wk_params_new(c, WK_f32, NULL);
    static float    v[10000];
    double          sum = 0, squares = 0;
    cr_assert_eq(wk_read(c, wk_param(p, "n", WK_SHAPE(100, 100), 0.02), v), WK_OK, "%s", wk_ctx_message(c));
    for (int i = 0; i < 10000; i++) sum += (double)v[i], squares += (double)v[i] * (double)v[i];
    cr_assert(sum / 1e4 < 1e-3 && sum / 1e4 > -1e-3, "mean %g", sum / 1e4);
    cr_assert(squares / 1e4 > 3.8e-4 && squares / 1e4 < 4.2e-4, "variance %g", squares / 1e4);
    wk_ctx_free(c);
}

Test(params, paths_that_are_too_long)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_params p = wk_params_new(c, WK_f32, NULL);
    for (int i = 0; i < 100; i++) p = wk_at(p, "layer%d", i);
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    cr_assert(strlen(p.path) < sizeof p.path);
    cr_assert(wk_is_none(wk_param(p, "x", WK_SHAPE(1), 0)));
    wk_ctx_free(c);
}

Test(params, failing_allocations)
{
    for (int64_t n = 1, made = n; made >= n; n++) {
        wk_ctx *c = wk_ctx_new("cpu");
        wk_alloc_fail_at(n, true);
        wk_param_list  *l = wk_param_list_new(c);
        const wk_params p = wk_params_new(c, WK_f32, l);
        char            name[16];
        for (int i = 0; i < 70; i++) {
            snprintf(name, sizeof name, "p%d", i);
            wk_param(p, name, WK_SHAPE(2), 0);
        }
        made = wk_alloc_fail_at(0, false);
        cr_assert(made < n || wk_ctx_status(c) == WK_ENOMEM, "allocation %lld: %s", (long long)n,
                  wk_ctx_message(c));
        wk_param_list_free(l);
        wk_ctx_free(c);
    }
}
