/* Gradients through whole models, against PyTorch's. */
#include "golden.h"

Test(models, gradients_agree_with_the_reference)
{
    const char *const names[] = {"llama", "gpt2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct golden g;
        golden_open(&g, names[i], names[i]);
        wk_ctx        *c = g.c;
        wk_param_list *l = wk_model_params(g.m);
        const int64_t  n = wk_param_list_count(l);
        wk_tensor      tracked[64];
        cr_assert(n > 20 && n <= 64, "%s: %lld parameters", names[i], (long long)n);
        wk_tape_begin(c);
        for (int64_t k = 0; k < n; k++) {
            tracked[k] = wk_track(c, wk_param_list_tensor(l, k));
            wk_param_list_set(l, k, tracked[k]);
        }
        wk_tensor    tokens = wk_make(c, g.tokens, WK_i64, WK_SHAPE(TOKENS));
        wk_tensor    logits = wk_model_forward(c, g.m, tokens, NULL, (wk_forward_opts){0});
        wk_tensor    rows = wk_narrow(c, logits, 0, 0, TOKENS - 1);
        wk_tensor    next = wk_narrow(c, tokens, 0, 1, TOKENS - 1);
        wk_tensor    loss = wk_cross_entropy(c, rows, next, (wk_cross_entropy_opts){0});
        const double wanted = wk_item(c, wk_files_tensor(c, g.files, "loss"));
        cr_assert(fabs(wk_item(c, loss) - wanted) <= 1e-5 * wanted, "%s: loss %g, not %g: %s", names[i],
                  wk_item(c, loss), wanted, wk_ctx_message(c));
        wk_backward(c, loss);
        for (int64_t k = 0; k < n; k++) {
            static float got[8192], expected[8192];
            char         key[120];
            cr_assert(wk_count(tracked[k]) <= 8192);
            snprintf(key, sizeof key, "grad.%s", wk_param_list_name(l, k));
            wk_read(c, wk_grad(c, tracked[k]), got);
            wk_read(c, wk_files_tensor(c, g.files, key), expected);
            cr_assert_eq(wk_ctx_status(c), WK_OK, "%s: %s", names[i], wk_ctx_message(c));
            const double e = relative_error(got, expected, wk_count(tracked[k]));
            cr_assert(e <= 2e-4, "%s, %s: relative error %g", names[i], key, e);
        }
        wk_tape_end(c);
        golden_close(&g);
    }
}
