/* Layers without memory: whichever allocation fails, there is an error and nothing is lost. */
#include "nn/nn.h"

#include <criterion/criterion.h>

/* Loads and runs layers that hold arrays or ask for memory of their own. */
static wk_tensor everything(wk_ctx *c)
{
    wk_params                 p = wk_params_new(c, WK_f32, NULL);
    const wk_transformer_opts o = {.dim = 4, .heads = 2, .hidden = 4, .layers = 1, .final_norm = true};
    const wk_rnn_opts         r = {.kind = WK_RNN_LSTM, .input = 4, .hidden = 2, .bidirectional = true};
    const wk_moe_opts         m = {.dim = 4, .hidden = 4, .experts = 2, .top_k = 1};
    const bool                seen[] = {true};
    const wk_multihead_masks  masks = {.causal = true};
    struct wk_encoder_stack   e = wk_encoder_stack_load(p, "e", o);
    struct wk_decoder_stack   d = wk_decoder_stack_load(p, "d", o);
    struct wk_rnn             rnn = wk_rnn_load(p, "r", r);
    const struct wk_moe       moe = wk_moe_load(p, "m", m);
    wk_tensor                 x = wk_add(c, wk_ones(c, WK_f32, WK_SHAPE(4, 1, 4)),
                                         wk_sinusoids(c, 4, 4, 100, WK_SINUSOIDS_IN_TURNS, WK_f32));
    x = wk_decoder_stack(c, &d, x, wk_encoder_stack(c, &e, x, masks), masks, masks);
    x = wk_moe(c, &moe, wk_rnn(c, &rnn, x, (struct wk_rnn_state){WK_NONE, WK_NONE}, WK_NONE, NULL), NULL);
    x = wk_block_sparse_attention(c, x, x, x, (wk_block_layout){4, 1, 1, seen},
                                  (wk_sdpa_opts){.causal = true});
    wk_encoder_stack_free(&e);
    wk_decoder_stack_free(&d);
    wk_rnn_free(&rnn);
    return x;
}

Test(failing, without_memory)
{
    for (int64_t n = 1;; n++) {
        wk_ctx *c = wk_ctx_new("cpu");
        wk_threads(c); /* what the device keeps is there */
        wk_alloc_fail_at(n, false);
        wk_tensor  x = everything(c);
        const bool reached = wk_alloc_fail_at(0, false) >= n;
        if (wk_ctx_status(c) == WK_OK)
            cr_assert(wk_count(x) == 64);
        else
            cr_assert(wk_is_none(x) && wk_ctx_status(c) == WK_ENOMEM, "allocation %lld: %s", (long long)n,
                      wk_ctx_message(c));
        wk_ctx_free(c);
        if (!reached) {
            cr_assert(n > 50, "%lld allocations", (long long)n);
            break;
        }
    }
}

Test(failing, a_failed_context_gives_nothing)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_fail(c, WK_EARG, "on purpose");
    cr_assert(wk_is_none(everything(c)));
    cr_assert_str_eq(wk_ctx_message(c), "on purpose");
    wk_ctx_free(c);
}
