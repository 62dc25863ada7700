/* Multi-head attention and scaled dot product attention against PyTorch's. */
#include "reference.h"

/* In what the cases of the golden file differ. */
static const struct row {
    const char       *name;
    wk_multihead_opts o;
    bool              per_head, weights_unwanted;
} rows[] = {
    {"self", {.heads = 2}, false, false},
    {"self_batch_first", {.heads = 4, .batch_first = true}, true, false},
    {"single", {.heads = 2}, false, false},
    {"cross", {.heads = 2, .key_dim = 6, .value_dim = 5, .batch_first = true}, false, false},
    {"cross_same", {.heads = 2, .no_bias = true}, false, false},
    {"everything", {.heads = 2, .bias_kv = true, .add_zero = true, .batch_first = true}, false, false},
    {"real_masks", {.heads = 2, .batch_first = true}, false, false},
    {"bool_per_head", {.heads = 2, .add_zero = true}, false, false},
    {"causal", {.heads = 2}, false, true},
};

static void run(struct reference *r, const struct row *row, bool want)
{
    wk_multihead_opts o = row->o;
    reference_case(r, row->name);
    o.dim = 8;
    wk_multihead_masks  masks = {.causal = row->weights_unwanted, .per_head = row->per_head};
    struct wk_multihead m = wk_multihead_load(r->p, "", o);
    wk_tensor           y[2];
    if (reference_has(r, "keys")) masks.keys = reference_get(r, "keys");
    if (reference_has(r, "scores")) masks.scores = reference_get(r, "scores");
    reference_bind(r, &m, sizeof m);
    reference_track(r);
    const wk_tensor q = r->x[0], k = r->n_x == 3 ? r->x[1] : q, v = r->n_x == 3 ? r->x[2] : q;
    y[0] = wk_multihead(r->c, &m, q, k, v, masks, want ? &y[1] : NULL);
    if (want || row->weights_unwanted)
        reference_check(r, row->weights_unwanted ? 1 : 2, y);
    else /* the fused op gives the same */
        reference_same(r, "fused", y[0], reference_get(r, "y0"));
}

Test(multihead, as_pytorchs)
{
    struct reference r;
    reference_open(&r, "attention");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int want = 0; want < 2; want++)
            if (!(want && rows[i].weights_unwanted)) run(&r, &rows[i], want);
    reference_close(&r);
}

Test(multihead, dropout_of_weights)
{
    wk_ctx             *c = wk_ctx_new("cpu");
    wk_multihead_opts   o = {.dim = 8, .heads = 2, .dropout = 0.5, .batch_first = true};
    struct wk_multihead m = wk_multihead_load(wk_params_new(c, WK_f32, NULL), "a", o);
    wk_tensor           x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(4, 50, 8)), w, y, z;
    y = wk_multihead(c, &m, x, x, x, (wk_multihead_masks){.per_head = true}, &w);
    cr_assert(wk_allclose(c, wk_sum(c, w, WK_DIMS(-1), false), wk_ones(c, WK_f32, WK_SHAPE(4, 2, 50)), 1e-5,
                          1e-5, false));
    wk_set_training(c, true);
    z = wk_multihead(c, &m, x, x, x, (wk_multihead_masks){.per_head = true}, &w);
    cr_assert(!wk_allclose(c, y, z, 1e-3, 1e-3, false));
    const double kept =
        wk_item(c, wk_mean(c, wk_cast(c, wk_gt(c, w, wk_scalar(c, 0)), WK_f32), WK_ALL_DIMS, false));
    cr_assert(fabs(kept - 0.5) < 0.02, "%g kept", kept);
    wk_multihead(c, &m, wk_ones(c, WK_f32, WK_SHAPE(8)), x, x, (wk_multihead_masks){0}, NULL);
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_clear(c);
    wk_multihead_load(wk_params_new(c, WK_f32, NULL), "a", (wk_multihead_opts){.dim = 8, .heads = 3});
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}

static void attend(struct reference *r, const char *name, wk_sdpa_opts o, bool weights)
{
    wk_tensor w = WK_NONE, sinks = WK_NONE;
    reference_case(r, name);
    if (!strcmp(name, "sinks")) sinks = wk_param(r->p, "sinks", WK_SHAPE(2), 0);
    reference_bind(r, &sinks, sizeof sinks);
    reference_track(r);
    o.sinks = sinks;
    if (reference_has(r, "mask")) o.mask = reference_get(r, "mask");
    const wk_tensor y =
        wk_scaled_dot_product_attention(r->c, r->x[0], r->x[1], r->x[2], o, weights ? &w : NULL);
    if (weights && wk_is_none(sinks)) {
        wk_tensor sums = wk_sum(r->c, w, WK_DIMS(-1), false);
        cr_assert(wk_allclose(r->c, sums, wk_ones_like(r->c, sums), 1e-5, 1e-5, false), "%s", name);
    }
    reference_check(r, 1, &y);
}

Test(sdpa, as_pytorchs)
{
    static const struct {
        const char  *name;
        wk_sdpa_opts o;
    } cases[] = {{"sdpa", {.scale = 0}},
                 {"sdpa_flat", {.scale = 0.7}},
                 {"sdpa_causal", {.causal = true}},
                 {"sdpa_grouped", {.causal = true}},
                 {"sdpa_bool", {.scale = 0}},
                 {"sdpa_real", {.scale = 0}},
                 {"sinks", {.causal = true}},
                 {"capped", {.softcap = 0.8}}};
    struct reference r;
    reference_open(&r, "attention");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int weights = 0; weights < 2; weights++) attend(&r, cases[i].name, cases[i].o, weights);
    reference_close(&r);
}

/* Untracked operands take the fused op, weights the composition: windows, sinks and masks agree. */
Test(sdpa, fused_and_composed_agree)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor sinks = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(4)), w;
    for (int i = 0; i < 48; i++) {
        const int64_t T = i & 1 ? 9 : 7;
        wk_tensor     q = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 4, T, 8));
        wk_tensor     k = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 2, 9, 8)),
                  v = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 2, 9, 6));
        wk_sdpa_opts o = {.causal = i & 2, .window = i & 4 ? 3 : 0, .sinks = i & 8 ? sinks : WK_NONE};
        if (i >= 16) o.mask = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(T, 9));
        if (i >= 32) o.mask = wk_gt(c, o.mask, wk_scalar(c, 0));
        wk_tensor a = wk_scaled_dot_product_attention(c, q, k, v, o, NULL);
        wk_tensor b = wk_scaled_dot_product_attention(c, q, k, v, o, &w);
        cr_assert(wk_allclose(c, a, b, 1e-4, 1e-5, false), "%d: %s", i, wk_ctx_message(c));
    }
    wk_tensor q = wk_ones(c, WK_f32, WK_SHAPE(3, 2, 4));
    cr_assert(wk_is_none(wk_scaled_dot_product_attention(c, q, wk_ones(c, WK_f32, WK_SHAPE(2, 2, 4)), q,
                                                         (wk_sdpa_opts){0}, &w)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_free(c);
}

/* Blocks are a mask of their size; so are their gradients. */
Test(block_sparse, agrees_with_the_mask)
{
    enum { B = 3, T = 11, S = 8, ROWS = 4, COLUMNS = 3 };
    wk_ctx *c = wk_ctx_new("cpu");
    for (int i = 0; i < 8; i++) {
        const bool    causal = i & 1;
        bool          seen[ROWS * COLUMNS];
        unsigned char mask[T * S];
        wk_block_pattern(seen, ROWS, COLUMNS, i & 2 ? 0 : 1, i & 4 ? 1 : 0, 0, causal);
        if (!(i & 6)) seen[0] = seen[1] = seen[2] = false; /* queries that see nothing */
        for (int t = 0; t < T; t++)
            for (int s = 0; s < S; s++) mask[t * S + s] = seen[t / B * COLUMNS + s / B] && !(causal && s > t);
        wk_tensor x[3] = {wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 4, T, 8)),
                          wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 2, S, 8)),
                          wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 2, S, 5))};
        wk_tensor y[2], g[2][3], dy = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(2, 4, T, 5));
        for (int way = 0; way < 2; way++) {
            wk_tensor    in[3];
            wk_sdpa_opts o = {.softcap = 2, .scale = 0.5, .causal = causal};
            wk_tape_begin(c);
            for (int k = 0; k < 3; k++) in[k] = wk_track(c, x[k]);
            if (way) {
                y[1] = wk_block_sparse_attention(c, in[0], in[1], in[2],
                                                 (wk_block_layout){B, ROWS, COLUMNS, seen}, o);
            } else {
                o.causal = false;
                o.mask = wk_make(c, mask, WK_bool, WK_SHAPE(T, S));
                y[0] = wk_scaled_dot_product_attention(c, in[0], in[1], in[2], o, NULL);
            }
            wk_backward_from(c, 1, &y[way], &dy);
            for (int k = 0; k < 3; k++) g[way][k] = wk_clone(c, wk_grad(c, in[k]));
            wk_tape_end(c);
        }
        cr_assert(wk_allclose(c, y[0], y[1], 1e-4, 1e-5, false), "%d: %s", i, wk_ctx_message(c));
        for (int k = 0; k < 3; k++)
            cr_assert(wk_allclose(c, g[0][k], g[1][k], 1e-4, 1e-5, false), "%d: gradient %d", i, k);
    }
    bool      one = true;
    wk_tensor x = wk_ones(c, WK_f32, WK_SHAPE(1, 4, 2));
    wk_block_sparse_attention(c, x, x, x, (wk_block_layout){2, 1, 1, &one}, (wk_sdpa_opts){0});
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "two blocks, not one");
    wk_ctx_free(c);
}

Test(block_sparse, patterns)
{
    bool seen[16];
    wk_block_pattern(seen, 4, 4, 1, 0, 0, false);
    cr_assert(seen[0] && seen[1] && !seen[2] && seen[4] && !seen[12]);
    wk_block_pattern(seen, 4, 4, 1, 1, 0, false);
    for (int r = 0; r < 4; r++)
        for (int k = 0; k < 4; k++) cr_assert_eq(seen[4 * r + k], (r - k) * (r - k) <= 1 || r == 0 || k == 0);
    wk_block_pattern(seen, 4, 4, 0, 0, 2, true); /* each second column */
    for (int r = 0; r < 4; r++)
        for (int k = 0; k < 4; k++) cr_assert_eq(seen[4 * r + k], k <= r && (k == r || k % 2 == 1));
}
