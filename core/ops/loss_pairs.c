/* Losses of numbers, probabilities and distances: compositions over pairs of operands. */
#include "loss.h"

#include <math.h>

enum { NARROW, WIDE, INTEGERS };
/* Checks that the operands of a loss are there and broadcast with the first, casts them to the dtype of its
 * result, which is real (WIDE: f32 where that is a half; INTEGERS: they are welcome, as f32), and returns
 * that; WK_DTYPE_COUNT after an error. */
static wk_dtype operands(wk_ctx *c, const char *op, int how, int n, wk_tensor **x)
{
    if (wki_failed(c)) return WK_DTYPE_COUNT;
    for (int i = 0; i < n; i++)
        if (wk_is_none(*x[i])) {
            wk_fail(c, WK_EARG, "%s: operand %d is no tensor", op, i);
            return WK_DTYPE_COUNT;
        }
    wk_dtype t = (*x[0])->dtype;
    for (int i = 1; i < n; i++) {
        wk_shape s;
        if (!wki_broadcast(*x[0], *x[i], &s)) {
            wk_fail(c, WK_ESHAPE, "%s: %s and %s do not broadcast", op, WKI_TEXT(*x[0]), WKI_TEXT(*x[i]));
            return WK_DTYPE_COUNT;
        }
        t = wk_promote(t, (*x[i])->weak ? t : (*x[i])->dtype);
    }
    if (how == INTEGERS && (wki_dtype_class(t) == 'I' || wki_dtype_class(t) == 'B')) t = WK_f32;
    if (wki_dtype_class(t) != 'F') {
        wk_fail(c, WK_EDTYPE, "%s: %s is not a real dtype", op, wk_dtype_name(t));
        return WK_DTYPE_COUNT;
    }
    for (int i = 0; i < n; i++) *x[i] = wk_cast(c, *x[i], how == WIDE && t != WK_f64 ? WK_f32 : t);
    return wki_failed(c) ? WK_DTYPE_COUNT : t;
}
/* Casts the operands named; the loss's dtype is t afterwards. WIDE computes halves in f32; the others round
 * them after each step, as PyTorch's compositions do. */
#define OPERANDS_IN(op, how, ...)                                                                            \
    wk_tensor     *given_[] = {__VA_ARGS__};                                                                 \
    const wk_dtype t = operands(c, op, how, (int)(sizeof given_ / sizeof *given_), given_);                  \
    if (t == WK_DTYPE_COUNT) return WK_NONE
#define OPERANDS(op, ...)      OPERANDS_IN(op, NARROW, __VA_ARGS__)
#define WIDE_OPERANDS(op, ...) OPERANDS_IN(op, WIDE, __VA_ARGS__)
#define ANY_OPERANDS(op, ...)  OPERANDS_IN(op, INTEGERS, __VA_ARGS__)

wk_tensor wki_loss_reduce(wk_ctx *c, wk_tensor rows, wk_reduction r, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    if (r == WK_MEAN) rows = wk_mean(c, rows, WK_ALL_DIMS, false);
    if (r == WK_SUM) rows = wk_sum(c, rows, WK_ALL_DIMS, false);
    if (r == WK_BATCH_MEAN) {
        const double n = rows->ndim ? (double)rows->shape[0] : 1;
        rows = wk_div(c, wk_sum(c, rows, WK_ALL_DIMS, false), wk_scalar(c, n));
    }
    return wk_cast(c, rows, t);
}

wk_tensor wki_loss_times(wk_ctx *c, wk_tensor x, double v)
{
    return v == 1 ? x : wk_mul(c, x, wk_scalar(c, v));
}
static wk_tensor plus(wk_ctx *c, wk_tensor x, double v)
{
    return wk_add(c, x, wk_scalar(c, v));
}
static wk_tensor from(wk_ctx *c, double v, wk_tensor x)
{
    return wki_failed(c) ? WK_NONE : wk_sub(c, wk_full(c, v, x->dtype, WK_SCALAR_SHAPE), x);
}
wk_tensor wki_loss_at_least(wk_ctx *c, wk_tensor x, double v)
{
    return wk_clamp(c, x, v, (double)INFINITY);
}
/* max(x, v), with the gradient of x everywhere. */
static wk_tensor raised(wk_ctx *c, wk_tensor x, double v)
{
    const wk_tensor nothing = wk_sub(c, x, wk_detach(c, x));
    return wk_where(c, wk_lt(c, x, wk_scalar(c, v)), plus(c, nothing, v), x);
}
static wk_tensor half_square(wk_ctx *c, wk_tensor x)
{
    return wki_loss_times(c, wk_square(c, x), 0.5);
}

/* ---- of numbers ------------------------------------------------------------------------------ */

wk_tensor wk_mse_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_reduction r)
{
    WIDE_OPERANDS("mse_loss", &x, &target);
    return wki_loss_reduce(c, wk_square(c, wk_sub(c, x, target)), r, t);
}

wk_tensor wk_l1_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_reduction r)
{
    WIDE_OPERANDS("l1_loss", &x, &target);
    return wki_loss_reduce(c, wk_abs(c, wk_sub(c, x, target)), r, t);
}

wk_tensor wk_huber_loss(wk_ctx *c, wk_tensor x, wk_tensor target, double delta, wk_reduction r)
{
    WIDE_OPERANDS("huber_loss", &x, &target);
    WK_REQUIRE(c, delta > 0, WK_EARG, "huber_loss: delta %g", delta);
    const wk_tensor d = wk_abs(c, wk_sub(c, x, target));
    const wk_tensor far = wki_loss_times(c, plus(c, d, -0.5 * delta), delta);
    const wk_tensor near = wk_le(c, d, wk_scalar(c, delta));
    return wki_loss_reduce(c, wk_where(c, near, half_square(c, d), far), r, t);
}

wk_tensor wk_smooth_l1_loss(wk_ctx *c, wk_tensor x, wk_tensor target, double beta, wk_reduction r)
{
    if (beta == 0) return wk_l1_loss(c, x, target, r);
    WIDE_OPERANDS("smooth_l1_loss", &x, &target);
    WK_REQUIRE(c, beta > 0, WK_EARG, "smooth_l1_loss: beta %g", beta);
    const wk_tensor d = wk_abs(c, wk_sub(c, x, target));
    const wk_tensor near = wki_loss_times(c, wk_square(c, d), 0.5 / beta);
    const wk_tensor is_near = wk_lt(c, d, wk_scalar(c, beta));
    return wki_loss_reduce(c, wk_where(c, is_near, near, plus(c, d, -0.5 * beta)), r, t);
}

wk_tensor wk_poisson_nll_loss(wk_ctx *c, wk_tensor x, wk_tensor target, bool log_input, bool full, double eps,
                              wk_reduction r)
{
    ANY_OPERANDS("poisson_nll_loss", &x, &target);
    wk_tensor y = log_input ? wk_sub(c, wk_exp(c, x), wk_mul(c, target, x))
                            : wk_sub(c, x, wk_mul(c, target, wk_log(c, plus(c, x, eps))));
    if (full) { /* log target! for targets above 1, by Stirling */
        const wk_tensor many = wk_gt(c, target, wk_scalar(c, 1));
        const wk_tensor n = wk_where(c, many, target, wk_scalar(c, 1));
        const wk_tensor log = wk_log(c, wki_loss_times(c, n, 6.28318530717958647693)); /* 2 pi */
        const wk_tensor s = wk_sub(c, wk_mul(c, n, wk_log(c, n)), n);
        y = wk_add(c, y, wk_where(c, many, wk_add(c, s, wki_loss_times(c, log, 0.5)), wk_scalar(c, 0)));
    }
    return wki_loss_reduce(c, y, r, t);
}

wk_tensor wk_gaussian_nll_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_tensor var, bool full, double eps,
                               wk_reduction r)
{
    if (wki_failed(c)) return WK_NONE;
    bool rows = !wk_is_none(var) && !wk_is_none(x) && var->ndim + 1 == x->ndim;
    for (int i = 0; rows && i < var->ndim; i++) rows = var->shape[i] == x->shape[i];
    if (rows) var = wk_unsqueeze(c, var, -1);
    OPERANDS("gaussian_nll_loss", &x, &target, &var);
    var = raised(c, var, eps);
    const wk_tensor error = wk_div(c, wk_square(c, wk_sub(c, x, target)), var);
    wk_tensor       y = wki_loss_times(c, wk_add(c, wk_log(c, var), error), 0.5);
    if (full) y = plus(c, y, 0.918938533204672741780);
    return wki_loss_reduce(c, y, r, t);
}

/* ---- of probabilities ------------------------------------------------------------------------ */

static wk_tensor weighted(wk_ctx *c, wk_tensor rows, wk_tensor weight)
{
    return wk_is_none(weight) ? rows : wk_mul(c, rows, wk_cast(c, weight, rows->dtype));
}

/* log p, or log(1 - p), at least -100; where there is no probability the slope is 0. */
static wk_tensor bounded_log(wk_ctx *c, wk_tensor p, bool other)
{
    const wk_tensor there = other ? wk_lt(c, p, wk_scalar(c, 1)) : wk_gt(c, p, wk_scalar(c, 0));
    const wk_tensor safe = wk_where(c, there, p, wk_scalar(c, 0.5));
    const wk_tensor log = other ? wk_log1p(c, wk_neg(c, safe)) : wk_log(c, safe);
    return wk_where(c, there, wki_loss_at_least(c, log, -100), wk_scalar(c, -100));
}

wk_tensor wk_binary_cross_entropy(wk_ctx *c, wk_tensor p, wk_tensor target, wk_tensor weight, wk_reduction r)
{
    WIDE_OPERANDS("binary_cross_entropy", &p, &target);
    const wk_tensor yes = wk_mul(c, target, bounded_log(c, p, false));
    const wk_tensor no = wk_mul(c, from(c, 1, target), bounded_log(c, p, true));
    return wki_loss_reduce(c, weighted(c, wk_neg(c, wk_add(c, yes, no)), weight), r, t);
}

wk_tensor wk_binary_cross_entropy_with_logits(wk_ctx *c, wk_tensor x, wk_tensor target, wk_tensor weight,
                                              wk_tensor pos_weight, wk_reduction r)
{
    WIDE_OPERANDS("binary_cross_entropy_with_logits", &x, &target);
    wk_tensor soft = wk_logsigmoid(c, x);
    if (!wk_is_none(pos_weight)) {
        const wk_tensor more = plus(c, wk_cast(c, pos_weight, x->dtype), -1);
        soft = wk_mul(c, plus(c, wk_mul(c, more, target), 1), soft);
    }
    const wk_tensor y = wk_sub(c, wk_mul(c, from(c, 1, target), x), soft);
    return wki_loss_reduce(c, weighted(c, y, weight), r, t);
}

wk_tensor wk_kl_div(wk_ctx *c, wk_tensor x, wk_tensor target, bool log_target, wk_reduction r)
{
    OPERANDS("kl_div", &x, &target);
    wk_tensor y;
    if (log_target) {
        y = wk_mul(c, wk_exp(c, target), wk_sub(c, target, x));
    } else { /* 0 log 0 is 0 */
        const wk_tensor there = wk_gt(c, target, wk_scalar(c, 0));
        const wk_tensor log = wk_log(c, wk_where(c, there, target, wk_scalar(c, 1)));
        y = wk_sub(c, wk_mul(c, target, log), wk_mul(c, target, x));
    }
    return wki_loss_reduce(c, y, r, t);
}

wk_tensor wk_multilabel_soft_margin_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_tensor weight,
                                         wk_reduction r)
{
    OPERANDS("multilabel_soft_margin_loss", &x, &target);
    const wk_tensor yes = wk_mul(c, target, wk_logsigmoid(c, x));
    const wk_tensor no = wk_mul(c, from(c, 1, target), wk_logsigmoid(c, wk_neg(c, x)));
    const wk_tensor y = weighted(c, wk_neg(c, wk_add(c, yes, no)), weight);
    if (wki_failed(c)) return WK_NONE;
    return wki_loss_reduce(c, y->ndim ? wk_mean(c, y, WK_DIMS(-1), false) : y, r, t);
}

/* ---- of similarity --------------------------------------------------------------------------- */

wk_tensor wk_soft_margin_loss(wk_ctx *c, wk_tensor x, wk_tensor y, wk_reduction r)
{
    OPERANDS("soft_margin_loss", &x, &y);
    return wki_loss_reduce(c, wk_neg(c, wk_logsigmoid(c, wk_mul(c, x, y))), r, t);
}

/* a where y is not -1, plus b where y is not 1, as PyTorch reads other values of y. */
static wk_tensor by_sign(wk_ctx *c, wk_tensor y, wk_tensor a, wk_tensor b)
{
    const wk_tensor zero = wk_scalar(c, 0);
    return wk_add(c, wk_where(c, wk_ne(c, y, wk_scalar(c, -1)), a, zero),
                  wk_where(c, wk_ne(c, y, wk_scalar(c, 1)), b, zero));
}

wk_tensor wk_hinge_embedding_loss(wk_ctx *c, wk_tensor x, wk_tensor y, double margin, wk_reduction r)
{
    OPERANDS("hinge_embedding_loss", &x, &y);
    return wki_loss_reduce(c, by_sign(c, y, x, wki_loss_at_least(c, from(c, margin, x), 0)), r, t);
}

wk_tensor wk_margin_ranking_loss(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor y, double margin,
                                 wk_reduction r)
{
    ANY_OPERANDS("margin_ranking_loss", &a, &b, &y);
    const wk_tensor gap = wk_mul(c, y, wk_sub(c, a, b));
    return wki_loss_reduce(c, wki_loss_at_least(c, from(c, margin, gap), 0), r, t);
}

static wk_tensor dot(wk_ctx *c, wk_tensor a, wk_tensor b, int dim)
{
    const wk_tensor y = wk_mul(c, a, b);
    return wki_failed(c) || y->ndim == 0 ? y : wk_sum(c, y, WK_DIMS(dim), false);
}

/* |x| along dim, no less than eps. */
static wk_tensor length(wk_ctx *c, wk_tensor x, int dim, double eps)
{
    if (wki_failed(c)) return WK_NONE;
    return raised(c, wk_vector_norm(c, x, 2, x->ndim ? WK_DIMS(dim) : WK_ALL_DIMS, true), eps);
}

wk_tensor wk_cosine_similarity(wk_ctx *c, wk_tensor a, wk_tensor b, int dim, double eps)
{
    OPERANDS("cosine_similarity", &a, &b);
    wk_shape s;
    wki_broadcast(a, b, &s);
    a = wk_expand(c, a, s);
    b = wk_expand(c, b, s);
    a = wk_div(c, a, length(c, a, dim, eps));
    b = wk_div(c, b, length(c, b, dim, eps));
    return wk_cast(c, dot(c, a, b, dim), t);
}

wk_tensor wk_cosine_embedding_loss(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor y, double margin,
                                   wk_reduction r)
{
    ANY_OPERANDS("cosine_embedding_loss", &a, &b);
    WK_REQUIRE(c, !wk_is_none(y), WK_EARG, "cosine_embedding_loss: no tensor y");
    const double    eps = 1e-12; /* PyTorch's */
    const wk_tensor aa = plus(c, dot(c, a, a, -1), eps), bb = plus(c, dot(c, b, b, -1), eps);
    const wk_tensor cosine = wk_div(c, dot(c, a, b, -1), wk_sqrt(c, wk_mul(c, aa, bb)));
    const wk_tensor zero = wk_scalar(c, 0);
    const wk_tensor near = wk_where(c, wk_eq(c, y, wk_scalar(c, 1)), from(c, 1, cosine), zero);
    const wk_tensor far = wki_loss_at_least(c, plus(c, cosine, -margin), 0);
    const wk_tensor rows = wk_add(c, near, wk_where(c, wk_eq(c, y, wk_scalar(c, -1)), far, zero));
    return wki_loss_reduce(c, rows, r, t);
}

wk_tensor wk_pairwise_distance(wk_ctx *c, wk_tensor a, wk_tensor b, double p, double eps, bool keep)
{
    ANY_OPERANDS("pairwise_distance", &a, &b);
    const wk_tensor apart = plus(c, wk_sub(c, a, b), eps);
    if (wki_failed(c)) return WK_NONE;
    return wk_cast(c, wk_vector_norm(c, apart, p, apart->ndim ? WK_DIMS(-1) : WK_ALL_DIMS, keep), t);
}

wk_tensor wk_triplet_margin_loss(wk_ctx *c, wk_tensor anchor, wk_tensor positive, wk_tensor negative,
                                 double margin, double p, double eps, bool swap, wk_reduction r)
{
    ANY_OPERANDS("triplet_margin_loss", &anchor, &positive, &negative);
    const wk_tensor near = wk_pairwise_distance(c, anchor, positive, p, eps, false);
    wk_tensor       far = wk_pairwise_distance(c, anchor, negative, p, eps, false);
    if (swap) far = wk_minimum(c, far, wk_pairwise_distance(c, positive, negative, p, eps, false));
    return wki_loss_reduce(c, wki_loss_at_least(c, wk_sub(c, plus(c, near, margin), far), 0), r, t);
}
