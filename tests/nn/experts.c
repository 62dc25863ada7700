/* Mixtures of experts against written-out ones and the published routers. */
#include "reference.h"

static void run(struct reference *r, const char *name, wk_moe_opts o)
{
    reference_case(r, name);
    struct wk_moe     m = wk_moe_load(r->p, "", o);
    struct wk_routing routing;
    reference_bind(r, &m, sizeof m);
    reference_track(r);
    const wk_tensor y = wk_moe(r->c, &m, r->x[0], &routing);
    if (reference_has(r, "balance"))
        reference_same(r, "balance", wk_reshape(r->c, wk_moe_balance_loss(r->c, &routing), WK_SHAPE(1)),
                       reference_get(r, "balance"));
    reference_check(r, 1, &y);
}

Test(moe, as_published)
{
    struct reference r;
    reference_open(&r, "experts");
    run(&r, "mixtral",
        (wk_moe_opts){.dim = 6,
                      .hidden = 5,
                      .experts = 4,
                      .top_k = 2,
                      .renormalise = true,
                      .names = {"w1", "w3", "w2"}});
    run(&r, "qwen",
        (wk_moe_opts){
            .dim = 6, .hidden = 5, .experts = 4, .top_k = 2, .shared_hidden = 7, .shared_gate = true});
    run(&r, "deepseek",
        (wk_moe_opts){.dim = 6,
                      .hidden = 5,
                      .experts = 8,
                      .top_k = 3,
                      .groups = 4,
                      .top_groups = 2,
                      .sigmoid = true,
                      .renormalise = true,
                      .correction = true,
                      .scale = 2.5,
                      .shared_hidden = 5,
                      .shared_name = "shared_experts"});
    reference_close(&r);
}

/* With all experts chosen and equal, the layer is its expert; alike use makes the balance loss top_k. */
Test(moe, equal_experts_are_one)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_moe_opts   o = {.dim = 6, .hidden = 8, .experts = 4, .top_k = 4, .plain = true, .act = WK_ACT_RELU};
    struct wk_moe m = wk_moe_load(wk_params_new(c, WK_f32, NULL), "moe", o);
    m.up = wk_contiguous(c, wk_expand(c, wk_narrow(c, m.up, 0, 0, 1), WK_SHAPE(4, -1, -1)));
    m.down = wk_contiguous(c, wk_expand(c, wk_narrow(c, m.down, 0, 0, 1), WK_SHAPE(4, -1, -1)));
    wk_tensor         x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(3, 6));
    struct wk_routing r;
    wk_tensor         y = wk_moe(c, &m, x, &r);
    wk_tensor         h = wk_relu(c, wk_affine(c, x, wk_select(c, m.up, 0, 0), WK_NONE));
    cr_assert(wk_allclose(c, y, wk_affine(c, h, wk_select(c, m.down, 0, 0), WK_NONE), 1e-4, 1e-5, false),
              "%s", wk_ctx_message(c));
    cr_assert(fabs(wk_item(c, wk_moe_balance_loss(c, &r)) - 4) < 1e-4);
    o.top_k = 5;
    wk_moe_load(wk_params_new(c, WK_f32, NULL), "moe", o);
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}
