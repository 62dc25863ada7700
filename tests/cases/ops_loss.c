/* Cases of losses. */
#include "cases.h"

#include <string.h>

#define ONE(expr)                                                                                            \
    do {                                                                                                     \
        out[0] = (expr);                                                                                     \
        return 1;                                                                                            \
    } while (0)
#define OP(name) static int name(struct run *r, wk_tensor *out)

static wk_reduction reduction(struct run *r)
{
    static const char *const names[] = {"mean", "sum", "none", "batchmean"};
    if (given(r, "reduce") && !truth(r, "reduce", true)) return WK_EACH;
    if (given(r, "size_average") || given(r, "reduce"))
        return truth(r, "size_average", true) ? WK_MEAN : WK_SUM;
    const char *how = text(r, "reduction", "mean");
    for (int i = 0; i < 4; i++)
        if (!strcmp(how, names[i])) return (wk_reduction)i;
    stop(r, CASE_UNSUPPORTED, "reduction \"%s\"", how);
}

/* PyTorch's classes are dim 1; here they are the last. */
static wk_tensor classes_last(struct run *r, wk_tensor x)
{
    if (x->ndim < 3) return x;
    wk_shape order = {.ndim = x->ndim};
    for (int i = 0; i < x->ndim; i++) order.dim[i] = i == 0 ? 0 : i == x->ndim - 1 ? 1 : i + 1;
    return wk_permute(r->c, x, order);
}

#define PAIR(name, ...)                                                                                      \
    OP(name)                                                                                                 \
    {                                                                                                        \
        wk_tensor x = tensor(r, "input"), y = tensor(r, "target");                                           \
        ONE(wk_##name(r->c, x, y, __VA_ARGS__ reduction(r)));                                                \
    }
#define NOTHING
PAIR(mse_loss, NOTHING)
PAIR(l1_loss, NOTHING)
PAIR(soft_margin_loss, NOTHING)
PAIR(multilabel_margin_loss, NOTHING)
OP(huber_loss)
{
    ONE(wk_huber_loss(r->c, tensor(r, "input"), tensor(r, "target"), real(r, "delta", 1), reduction(r)));
}
OP(smooth_l1_loss)
{
    ONE(wk_smooth_l1_loss(r->c, tensor(r, "input"), tensor(r, "target"), real(r, "beta", 1), reduction(r)));
}
OP(hinge_embedding_loss)
{
    ONE(wk_hinge_embedding_loss(r->c, tensor(r, "input"), tensor(r, "target"), real(r, "margin", 1),
                                reduction(r)));
}
OP(poisson_nll_loss)
{
    ONE(wk_poisson_nll_loss(r->c, tensor(r, "input"), tensor(r, "target"), truth(r, "log_input", true),
                            truth(r, "full", false), real(r, "eps", 1e-8), reduction(r)));
}
OP(gaussian_nll_loss)
{
    ONE(wk_gaussian_nll_loss(r->c, tensor(r, "input"), tensor(r, "target"), tensor(r, "var"),
                             truth(r, "full", false), real(r, "eps", 1e-6), reduction(r)));
}
OP(binary_cross_entropy)
{
    ONE(wk_binary_cross_entropy(r->c, tensor(r, "input"), tensor(r, "target"), tensor_or_none(r, "weight"),
                                reduction(r)));
}
OP(bce_with_logits)
{
    ONE(wk_binary_cross_entropy_with_logits(r->c, tensor(r, "input"), tensor(r, "target"),
                                            tensor_or_none(r, "weight"), tensor_or_none(r, "pos_weight"),
                                            reduction(r)));
}
OP(kl_div)
{
    ONE(wk_kl_div(r->c, tensor(r, "input"), tensor(r, "target"), truth(r, "log_target", false),
                  reduction(r)));
}
static wk_cross_entropy_opts class_opts(struct run *r)
{
    return (wk_cross_entropy_opts){.ignore = true,
                                   .ignore_index = integer(r, "ignore_index", -100),
                                   .smoothing = real(r, "label_smoothing", 0),
                                   .reduction = reduction(r),
                                   .weight = tensor_or_none(r, "weight")};
}
OP(cross_entropy)
{
    wk_tensor  x = tensor(r, "input"), y = tensor(r, "target");
    const bool soft = y->dtype != WK_i64 && y->dtype != WK_i32;
    ONE(wk_cross_entropy(r->c, classes_last(r, x), soft ? classes_last(r, y) : y, class_opts(r)));
}
OP(nll_loss)
{
    bind(r, "input target weight size_average ignore_index reduce reduction label_smoothing");
    ONE(wk_nll_loss(r->c, classes_last(r, tensor(r, "input")), tensor(r, "target"), class_opts(r)));
}
OP(multi_margin_loss)
{
    ONE(wk_multi_margin_loss(r->c, tensor(r, "input"), tensor(r, "target"), (int)integer(r, "p", 1),
                             real(r, "margin", 1), tensor_or_none(r, "weight"), reduction(r)));
}
OP(multilabel_soft_margin_loss)
{
    ONE(wk_multilabel_soft_margin_loss(r->c, tensor(r, "input"), tensor(r, "target"),
                                       tensor_or_none(r, "weight"), reduction(r)));
}
OP(margin_ranking_loss)
{
    ONE(wk_margin_ranking_loss(r->c, tensor(r, "input1"), tensor(r, "input2"), tensor(r, "target"),
                               real(r, "margin", 0), reduction(r)));
}
OP(cosine_embedding_loss)
{
    ONE(wk_cosine_embedding_loss(r->c, tensor(r, "input1"), tensor(r, "input2"), tensor(r, "target"),
                                 real(r, "margin", 0), reduction(r)));
}
OP(cosine_similarity)
{
    ONE(wk_cosine_similarity(r->c, tensor(r, "x1"), tensor(r, "x2"), (int)integer(r, "dim", 1),
                             real(r, "eps", 1e-8)));
}
OP(pairwise_distance)
{
    ONE(wk_pairwise_distance(r->c, tensor(r, "x1"), tensor(r, "x2"), real(r, "p", 2), real(r, "eps", 1e-6),
                             truth(r, "keepdim", false)));
}
OP(triplet_margin_loss)
{
    ONE(wk_triplet_margin_loss(r->c, tensor(r, "anchor"), tensor(r, "positive"), tensor(r, "negative"),
                               real(r, "margin", 1), real(r, "p", 2), real(r, "eps", 1e-6),
                               truth(r, "swap", false), reduction(r)));
}
/* Lengths as a tensor or a list of integers. */
static wk_tensor lengths(struct run *r, const char *name)
{
    int64_t v[256];
    for (int i = 0; i < r->n_params; i++)
        if (!strcmp(r->params[i], name) && !json_is_array(r->values[i])) return tensor(r, name);
    const int n = integers(r, name, v, 256);
    return wk_make(r->c, v, WK_i64, WK_SHAPE(n));
}
OP(ctc_loss)
{
    ONE(wk_ctc_loss(r->c, tensor(r, "log_probs"), tensor(r, "targets"), lengths(r, "input_lengths"),
                    lengths(r, "target_lengths"), integer(r, "blank", 0), truth(r, "zero_infinity", false),
                    reduction(r)));
}

#define HOW "size_average reduce reduction"
const struct op_row loss_ops[] = {
    {"mse_loss", "input target " HOW " weight", mse_loss},
    {"l1_loss", "input target " HOW, l1_loss},
    {"huber_loss", "input target reduction delta weight", huber_loss},
    {"smooth_l1_loss", "input target " HOW " beta", smooth_l1_loss},
    {"soft_margin_loss", "input target " HOW, soft_margin_loss},
    {"multilabel_margin_loss", "input target " HOW, multilabel_margin_loss},
    {"multilabel_soft_margin_loss", "input target weight " HOW, multilabel_soft_margin_loss},
    {"multi_margin_loss", "input target p margin weight " HOW, multi_margin_loss},
    {"hinge_embedding_loss", "input target margin " HOW, hinge_embedding_loss},
    {"poisson_nll_loss", "input target log_input full size_average eps reduce reduction", poisson_nll_loss},
    {"gaussian_nll_loss", "input target var full eps reduction", gaussian_nll_loss},
    {"binary_cross_entropy", "input target weight " HOW, binary_cross_entropy},
    {"binary_cross_entropy_with_logits", "input target weight " HOW " pos_weight", bce_with_logits},
    {"kl_div", "input target " HOW " log_target", kl_div},
    {"cross_entropy", "input target weight size_average ignore_index reduce reduction label_smoothing",
     cross_entropy},
    {"nll_loss", "input target weight size_average ignore_index reduce reduction", nll_loss},
    {"margin_ranking_loss", "input1 input2 target margin " HOW, margin_ranking_loss},
    {"cosine_embedding_loss", "input1 input2 target margin " HOW, cosine_embedding_loss},
    {"cosine_similarity", "x1 x2 dim eps", cosine_similarity},
    {"pairwise_distance", "x1 x2 p eps keepdim", pairwise_distance},
    {"triplet_margin_loss triplet_margin_with_distance_loss",
     "anchor positive negative margin p eps swap " HOW, triplet_margin_loss},
    {"ctc_loss", "log_probs targets input_lengths target_lengths blank reduction zero_infinity", ctc_loss},
    {0},
};
