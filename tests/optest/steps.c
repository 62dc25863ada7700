/* Recorded steps of layers that keep a state: attention on a rotating cache, latent attention, experts, LSTM.
 * They give what the same steps give when they are called, allocate nothing and wait once. */
#include "tests/optest/steps.h"

#include "nn/nn.h"
#include "tests/optest/counts.h"

#include <math.h>
#include <stdio.h>

enum { STEPS = 12, DIM = 16, HEAD = 32, WINDOW = 5, KINDS = 4 };
enum kind { SLIDING, LATENT, EXPERTS, LSTM };
static const char *const names[KINDS] = {"sliding attention", "latent attention", "experts", "an LSTM"};

struct layer {
    enum kind                  kind;
    struct wk_attention        attention;
    struct wk_latent_attention latent;
    struct wk_moe              moe;
    struct wk_rnn_cell         cell;
    struct wk_rnn_state        state;
    wk_cache                  *cache;
    wk_tensor                  x, at, y; /* all inputs; i64 [1], which one is next; of the step */
};

static void load(wk_ctx *c, struct layer *l)
{
    const wk_params p = wk_params_new(c, WK_f32, NULL);
    if (l->kind == SLIDING) {
        const struct wk_attention_opts o = {.dim = DIM,
                                            .heads = 4,
                                            .kv_heads = 2,
                                            .head_dim = HEAD,
                                            .window = WINDOW,
                                            .rotary = wk_rotary_load(p, HEAD)};
        l->attention = wk_attention_load(p, "a", o);
        l->cache = wk_cache_new_sliding(c, 1, 2, WINDOW, HEAD, HEAD, WK_f32, WK_f32);
    } else if (l->kind == LATENT) {
        const wk_latent_opts o = {.dim = DIM,
                                  .heads = 2,
                                  .kv_rank = 8,
                                  .plain_dim = 16,
                                  .turned_dim = 8,
                                  .value_dim = 16,
                                  .eps = 1e-6,
                                  .rotary = wk_rotary_load(p, 8)};
        l->latent = wk_latent_attention_load(p, "l", o);
        l->cache = wk_cache_new(c, 1, 1, STEPS + 2, 16, 0, WK_f32, WK_f32);
    } else if (l->kind == EXPERTS) {
        const wk_moe_opts o = {.dim = DIM, .hidden = 32, .experts = 4, .top_k = 2, .renormalise = true};
        l->moe = wk_moe_load(p, "m", o);
    } else {
        l->cell = wk_rnn_cell_load(p, "r", WK_RNN_LSTM, DIM, DIM, true);
        l->state = (struct wk_rnn_state){wk_zeros(c, WK_f32, WK_SHAPE(1, DIM)),
                                         wk_zeros(c, WK_f32, WK_SHAPE(1, DIM))};
    }
}

static wk_tensor run(wk_ctx *c, struct layer *l, wk_tensor x)
{
    if (l->kind == SLIDING) return wk_attention(c, &l->attention, x, l->at, &l->cache->layers[0], l->at);
    if (l->kind == LATENT) return wk_latent_attention(c, &l->latent, x, l->at, &l->cache->layers[0], l->at);
    if (l->kind == EXPERTS) return wk_moe(c, &l->moe, x, NULL);
    const struct wk_rnn_state next = wk_rnn_cell(c, &l->cell, x, l->state);
    wk_copy_into(c, l->state.h, next.h);
    wk_copy_into(c, l->state.c, next.c);
    return next.h;
}

static void step(wk_ctx *c, void *state)
{
    struct layer *l = state;
    wk_copy_into(c, l->y, run(c, l, wk_index_select(c, l->x, 0, l->at)));
    wk_copy_into(c, l->at, wk_add(c, l->at, wk_scalar_int(c, 1)));
}

static void begin(wk_ctx *c, struct layer *l)
{
    wk_copy_into(c, l->at, wk_zeros(c, WK_i64, WK_SHAPE(1)));
    if (l->kind != LSTM) return;
    wk_copy_into(c, l->state.h, wk_zeros(c, WK_f32, WK_SHAPE(1, DIM)));
    wk_copy_into(c, l->state.c, wk_zeros(c, WK_f32, WK_SHAPE(1, DIM)));
}

static bool check(const char *device, enum kind kind)
{
    float         called[STEPS * DIM], got[STEPS * DIM];
    struct counts from = {0}, to = {0};
    bool          counted = false;
    wk_ctx       *c = wk_ctx_new(device);
    struct layer  l = {.kind = kind};
    load(c, &l);
    l.x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(STEPS + 2, DIM));
    l.y = wk_zeros(c, WK_f32, WK_SHAPE(1, DIM));
    l.at = wk_zeros(c, WK_i64, WK_SHAPE(1));
    for (int i = 0; i < STEPS; i++) {
        const wk_scope s = wk_scope_begin(c);
        step(c, &l);
        wk_read(c, l.y, called + i * DIM);
        wk_scope_end(c, s, WK_NONE);
    }
    begin(c, &l);
    wk_step *recorded = wk_capture(c, step, &l);
    begin(c, &l);
    for (int i = 0; i < STEPS && recorded; i++) {
        if (i == 2) counted = device_counts(&from);
        wk_replay(recorded);
        wk_read(c, l.y, got + i * DIM);
    }
    bool ok = recorded && wk_ctx_status(c) == WK_OK;
    if (counted && device_counts(&to))
        ok = ok && to.allocations == from.allocations && to.waits - from.waits <= STEPS - 2;
    for (int i = 0; i < STEPS * DIM && ok; i++) ok = fabsf(got[i] - called[i]) <= 1e-6f;
    if (!ok)
        printf("FAIL recorded steps of %s: %lld allocations, %lld waits: %s\n", names[kind],
               (long long)(to.allocations - from.allocations), (long long)(to.waits - from.waits),
               wk_ctx_message(c));
    wk_step_free(recorded);
    wk_cache_free(l.cache);
    wk_ctx_free(c);
    return ok;
}

void check_layer_steps(const char *device, int *passed, int *failed)
{
    for (int k = 0; k < KINDS; k++) check(device, (enum kind)k) ? ++*passed : ++*failed;
}
