/* Losses. Part of core/wick.h. Names and defaults are PyTorch's; x and target (and
 * every other pair of operands) broadcast. */
#ifndef WK_API_LOSS_H
#define WK_API_LOSS_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* WK_EACH: no reduction. WK_BATCH_MEAN: the sum divided by the size of dim 0 (kl_div's). */
typedef enum wk_reduction { WK_MEAN, WK_SUM, WK_EACH, WK_BATCH_MEAN } wk_reduction;

/* ---- of numbers ---- */
WK_API wk_tensor wk_mse_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_reduction r);
WK_API wk_tensor wk_l1_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_reduction r);
/* d^2 / 2 where d = |x - target| <= delta, delta (d - delta / 2) beyond; delta > 0 (PyTorch: 1). */
WK_API wk_tensor wk_huber_loss(wk_ctx *c, wk_tensor x, wk_tensor target, double delta, wk_reduction r);
/* d^2 / (2 beta) where d < beta, d - beta / 2 beyond (PyTorch: 1); 0 is l1. */
WK_API wk_tensor wk_smooth_l1_loss(wk_ctx *c, wk_tensor x, wk_tensor target, double beta, wk_reduction r);
/* exp(x) - target x, or with log_input false x - target log(x + eps); full adds Stirling's term of target!
 * Integers give f32. */
WK_API wk_tensor wk_poisson_nll_loss(wk_ctx *c, wk_tensor x, wk_tensor target, bool log_input, bool full,
                                     double eps, wk_reduction r);
/* (log var + (x - target)^2 / var) / 2, var at least eps (PyTorch: 1e-6) and broadcast, or without x's last
 * dim; full adds log(2 pi) / 2. */
WK_API wk_tensor wk_gaussian_nll_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_tensor var, bool full,
                                      double eps, wk_reduction r);

/* ---- of probabilities ---- */
/* -weight (target log p + (1 - target) log(1 - p)), logarithms at least -100; weight may be WK_NONE. */
WK_API wk_tensor wk_binary_cross_entropy(wk_ctx *c, wk_tensor p, wk_tensor target, wk_tensor weight,
                                         wk_reduction r);
/* The same of sigmoid(x), stable; pos_weight (or WK_NONE) scales the positive part. */
WK_API wk_tensor wk_binary_cross_entropy_with_logits(wk_ctx *c, wk_tensor x, wk_tensor target,
                                                     wk_tensor weight, wk_tensor pos_weight, wk_reduction r);
/* target (log target - x), x log-probabilities; log_target: target is logarithms too. */
WK_API wk_tensor wk_kl_div(wk_ctx *c, wk_tensor x, wk_tensor target, bool log_target, wk_reduction r);

/* ---- of classes: logits [.., n], the classes are the last dim ---- */
/* -log softmax(logits)[target], target [..] i32 or i64; or target [.., n] real: probabilities. WK_MEAN over
 * rows, weighted by the classes' weights. Rows whose target is ignore_index (PyTorch: -100) do not count.
 * smoothing is PyTorch's label_smoothing; weight [n] (WK_NONE or NULL: ones) has no gradient. */
typedef struct wk_cross_entropy_opts {
    bool         ignore; /* use ignore_index */
    int64_t      ignore_index;
    double       smoothing;
    wk_reduction reduction;
    wk_tensor    weight;
} wk_cross_entropy_opts;
WK_API wk_tensor wk_cross_entropy(wk_ctx *c, wk_tensor logits, wk_tensor target, wk_cross_entropy_opts o);
/* The same of log-probabilities; target are classes, smoothing is not used. */
WK_API wk_tensor wk_nll_loss(wk_ctx *c, wk_tensor log_p, wk_tensor target, wk_cross_entropy_opts o);
/* sum over j != target of weight[target] max(0, margin - x[target] + x[j])^p / n, p 1 or 2; x [rows, n] or
 * [n]. */
WK_API wk_tensor wk_multi_margin_loss(wk_ctx *c, wk_tensor x, wk_tensor target, int p, double margin,
                                      wk_tensor weight, wk_reduction r);
/* target [rows, n] lists classes up to a first -1: sum over listed j, others i of max(0, 1 - (x[j] - x[i])) /
 * n. */
WK_API wk_tensor wk_multilabel_margin_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_reduction r);
/* Mean over classes of binary cross entropy with logits; weight [n] or WK_NONE. */
WK_API wk_tensor wk_multilabel_soft_margin_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_tensor weight,
                                                wk_reduction r);
/* Connectionist temporal classification (Graves et al., ICML 2006). log_p [T, N, classes] (or [T, classes]),
 * log-probabilities; targets [N, S] (or all of them one after another), lengths [N]. WK_MEAN divides
 * each by its target length first. zero_infinity: an impossible alignment gives 0 instead of infinity. */
WK_API wk_tensor wk_ctc_loss(wk_ctx *c, wk_tensor log_p, wk_tensor targets, wk_tensor input_lengths,
                             wk_tensor target_lengths, int64_t blank, bool zero_infinity, wk_reduction r);

/* ---- of similarity; y is 1 or -1 ---- */
WK_API wk_tensor wk_soft_margin_loss(wk_ctx *c, wk_tensor x, wk_tensor y, wk_reduction r);
/* x where y is 1, max(0, margin - x) where -1 (PyTorch: 1). */
WK_API wk_tensor wk_hinge_embedding_loss(wk_ctx *c, wk_tensor x, wk_tensor y, double margin, wk_reduction r);
/* max(0, margin - y (a - b)) */
WK_API wk_tensor wk_margin_ranking_loss(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor y, double margin,
                                        wk_reduction r);
/* 1 - cos where y is 1, max(0, cos - margin) where -1; over the last dim. Integers give f32. */
WK_API wk_tensor wk_cosine_embedding_loss(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor y, double margin,
                                          wk_reduction r);
/* max(0, margin + |anchor - positive|_p - |anchor - negative|_p); swap: the nearer of |anchor - negative|
 * and |positive - negative|. PyTorch: margin 1, p 2, eps 1e-6. */
WK_API wk_tensor wk_triplet_margin_loss(wk_ctx *c, wk_tensor anchor, wk_tensor positive, wk_tensor negative,
                                        double margin, double p, double eps, bool swap, wk_reduction r);
/* a . b / (max(|a|, eps) max(|b|, eps)) along dim (PyTorch: 1, eps 1e-8). */
WK_API wk_tensor wk_cosine_similarity(wk_ctx *c, wk_tensor a, wk_tensor b, int dim, double eps);
/* |a - b + eps|_p over the last dim (PyTorch: p 2, eps 1e-6). */
WK_API wk_tensor wk_pairwise_distance(wk_ctx *c, wk_tensor a, wk_tensor b, double p, double eps, bool keep);

#ifdef __cplusplus
}
#endif
#endif
