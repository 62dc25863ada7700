/* Cases of the losses that are compositions: halves and f32 against f64, gradients against differences. Their
 * values against PyTorch's are in tests/golden/cases. */
#include "tests/ops/cases.h"

#include <math.h>

#define R ((wk_reduction)k->dims.dim[0])
#define LOSS(name, expr)                                                                                     \
    static wk_tensor name(wk_ctx *c, const wk_tensor *x, const struct op_case *k)                            \
    {                                                                                                        \
        (void)k;                                                                                             \
        return expr;                                                                                         \
    }
LOSS(mse, wk_mse_loss(c, x[0], x[1], R))
LOSS(l1, wk_l1_loss(c, x[0], x[1], R))
LOSS(huber, wk_huber_loss(c, x[0], x[1], 0.7, R))
LOSS(smooth_l1, wk_smooth_l1_loss(c, x[0], x[1], 0.7, R))
LOSS(poisson, wk_poisson_nll_loss(c, x[0], x[1], true, true, 1e-8, R))
LOSS(poisson_linear, wk_poisson_nll_loss(c, x[1], x[0], false, false, 1e-8, R))
LOSS(gaussian, wk_gaussian_nll_loss(c, x[0], x[1], wk_select(c, x[1], -1, 0), true, 1e-6, R))
LOSS(bce, wk_binary_cross_entropy(c, wk_sigmoid(c, x[0]), x[1], x[1], R))
LOSS(bce_logits, wk_binary_cross_entropy_with_logits(c, x[0], x[1], x[1], x[1], R))
LOSS(kl, wk_kl_div(c, x[0], x[1], false, R))
LOSS(kl_log, wk_kl_div(c, x[0], x[1], true, R))
LOSS(soft_margin, wk_soft_margin_loss(c, x[0], x[1], R))
LOSS(multilabel_soft, wk_multilabel_soft_margin_loss(c, x[0], x[1], wk_select(c, x[1], 0, 0), R))
LOSS(hinge, wk_hinge_embedding_loss(c, x[0], wk_sign(c, wk_detach(c, x[0])), 1.3, R))
LOSS(ranking, wk_margin_ranking_loss(c, x[0], x[1], wk_sign(c, wk_detach(c, x[0])), 0.5, R))
LOSS(cosine, wk_cosine_embedding_loss(c, x[0], x[1], wk_scalar(c, 1), 0, R))
LOSS(cosine_apart, wk_cosine_embedding_loss(c, x[0], x[1], wk_scalar(c, -1), -0.9, R))
LOSS(similarity, wk_cosine_similarity(c, x[0], x[1], 0, 1e-8))
LOSS(distance, wk_pairwise_distance(c, x[0], x[1], 2, 1e-6, true))
LOSS(distance_3, wk_pairwise_distance(c, x[0], x[1], 3, 1e-6, false))
LOSS(triplet, wk_triplet_margin_loss(c, x[0], x[1], wk_neg(c, x[1]), 1, 2, 1e-6, true, R))

static const struct {
    const char *name;
    wk_tensor (*run)(wk_ctx *, const wk_tensor *, const struct op_case *);
} pairs[] = {{"mse_loss", mse},
             {"l1_loss", l1},
             {"huber_loss", huber},
             {"smooth_l1_loss", smooth_l1},
             {"poisson_nll_loss", poisson},
             {"poisson_nll_loss linear", poisson_linear},
             {"gaussian_nll_loss", gaussian},
             {"binary_cross_entropy", bce},
             {"binary_cross_entropy_with_logits", bce_logits},
             {"kl_div", kl},
             {"kl_div of logarithms", kl_log},
             {"soft_margin_loss", soft_margin},
             {"multilabel_soft_margin_loss", multilabel_soft},
             {"hinge_embedding_loss", hinge},
             {"margin_ranking_loss", ranking},
             {"cosine_embedding_loss", cosine},
             {"cosine_embedding_loss apart", cosine_apart},
             {"cosine_similarity", similarity},
             {"pairwise_distance", distance},
             {"pairwise_distance 3", distance_3},
             {"triplet_margin_loss", triplet}};

/* p: smoothing; q: 0 plain, 1 weights, 2 soft targets */
static wk_tensor cross_entropy(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_cross_entropy_opts o = {.ignore = true,
                                     .ignore_index = 1,
                                     .smoothing = k->p,
                                     .reduction = R,
                                     .weight = k->q == 1 ? wk_detach(c, x[2]) : NULL};
    return wk_cross_entropy(c, x[0], k->q == 2 ? x[0] : x[1], o);
}
static wk_tensor nll(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_cross_entropy_opts o = {.ignore = true, .ignore_index = 1, .reduction = R, .weight = x[2]};
    return wk_nll_loss(c, x[0], x[1], o);
}
static wk_tensor multi_margin(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_multi_margin_loss(c, x[0], x[1], (int)k->p, 0.8, x[2], R);
}
static wk_tensor multilabel(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_multilabel_margin_loss(c, x[0], x[1], R);
}
static wk_tensor ctc(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_ctc_loss(c, wk_log_softmax(c, x[0], -1), x[1], x[2], x[3], 0, true, R);
}

static void class_cases(case_fn visit, void *arg, struct op_case k)
{
    k.n_in = 3;
    k.in[0] = (struct input){.shape = WK_SHAPE(2, 3, 5), .dtype = WK_f32, .layout = TURNED};
    k.in[1] = (struct input){.shape = WK_SHAPE(2, 3), .dtype = WK_i64, .low = 0, .high = 4.4, .fixed = true};
    k.in[2] = (struct input){.shape = WK_SHAPE(5), .dtype = WK_f32, .low = 0.1, .high = 2, .fixed = true};
    k.op = "cross_entropy";
    k.run = cross_entropy;
    for (int how = 1; how < 3; how++)
        for (int smooth = 0; smooth < 2; smooth++) {
            k.p = 0.2 * smooth;
            k.q = how;
            visit(arg, &k);
        }
    k.op = "nll_loss";
    k.run = nll;
    visit(arg, &k);
    k.op = "multi_margin_loss";
    k.run = multi_margin;
    for (k.p = 1; k.p < 3; k.p++) visit(arg, &k);
}

void family_losses(case_fn visit, void *arg)
{
    static const double labels[] = {3, 0, -1, 1, 2, 1, 4, 0, 3, -1}, classes[] = {1, 2, 2, 3, 1, 0};
    static const double inputs[] = {6, 5}, lengths[] = {3, 2};
    for (int r = 0; r < 3; r++) {
        struct op_case k = {.n_in = 2, .tolerance = 1e-5, .dims = WK_DIMS(r), .gradient = true};
        k.in[0] = (struct input){.shape = WK_SHAPE(4, 6), .dtype = WK_f32, .layout = STEPPED};
        k.in[1] = (struct input){.shape = WK_SHAPE(4, 6), .dtype = WK_f32, .low = 0.1, .high = 0.9};
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
            k.op = pairs[i].name;
            k.run = pairs[i].run;
            visit(arg, &k);
        }
        class_cases(visit, arg, k);
        k.op = "multilabel_margin_loss";
        k.run = multilabel;
        k.in[0] = (struct input){.shape = WK_SHAPE(2, 5), .dtype = WK_f32};
        k.in[1] = (struct input){.shape = WK_SHAPE(2, 5), .dtype = WK_i64, .values = labels, .fixed = true};
        visit(arg, &k);
        k.op = "ctc_loss";
        k.run = ctc;
        k.n_in = 4;
        k.in[0] = (struct input){.shape = WK_SHAPE(6, 2, 4), .dtype = WK_f32};
        k.in[1] = (struct input){.shape = WK_SHAPE(2, 3), .dtype = WK_i64, .values = classes, .fixed = true};
        k.in[2] = (struct input){.shape = WK_SHAPE(2), .dtype = WK_i64, .values = inputs, .fixed = true};
        k.in[3] = (struct input){.shape = WK_SHAPE(2), .dtype = WK_i64, .values = lengths, .fixed = true};
        visit(arg, &k);
        k.in[1] = (struct input){.shape = WK_SHAPE(5), .dtype = WK_i64, .values = classes, .fixed = true};
        visit(arg, &k); /* the rows one after another */
    }
}
