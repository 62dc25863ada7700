/* Random numbers. Part of core/wick.h. */
#ifndef WK_API_RANDOM_H
#define WK_API_RANDOM_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Philox 4x32-10 (Salmon et al., SC11), counter-based: the same numbers on every device and thread count. */
WK_API void      wk_seed(wk_ctx *c, uint64_t seed);
WK_API wk_tensor wk_uniform(wk_ctx *c, double low, double high, wk_dtype t, wk_shape shape); /* [low, high) */
WK_API wk_tensor wk_normal(wk_ctx *c, double mean, double deviation, wk_dtype t, wk_shape shape);
/* [low, high), which t must hold: values that it does not have are WK_EARG. */
WK_API wk_tensor wk_randint(wk_ctx *c, int64_t low, int64_t high, wk_dtype t, wk_shape shape);
/* Exponential with a rate; logarithms, tangents and truncation are made of the above, values in t. */
WK_API wk_tensor wk_exponential(wk_ctx *c, double rate, wk_dtype t, wk_shape shape);
WK_API wk_tensor wk_log_normal(wk_ctx *c, double mean, double deviation, wk_dtype t, wk_shape shape);
WK_API wk_tensor wk_cauchy(wk_ctx *c, double median, double scale, wk_dtype t, wk_shape shape);
/* Trials until the first success, of probability p each: 1, 2, .. */
WK_API wk_tensor wk_geometric(wk_ctx *c, double p, wk_dtype t, wk_shape shape);
/* Normal values that lie in [low, high], whose ends are rounded to t as the values are and may be infinite.
 * An interval more than 37 deviations from the mean is WK_EARG: f64 has no such probability. */
WK_API wk_tensor wk_truncated_normal(wk_ctx *c, double mean, double deviation, double low, double high,
                                     wk_dtype t, wk_shape shape);
/* 1 with the probability that p (real) has there, else 0: of p's shape and dtype. The gradient of p is
 * 0, as in PyTorch. */
WK_API wk_tensor wk_bernoulli(wk_ctx *c, wk_tensor p);
WK_API wk_tensor wk_randperm(wk_ctx *c, int64_t n, wk_dtype t); /* 0 .. n - 1 in random order */
/* n indices (i64) from each row of weights [.., m] >= 0, drawn in proportion to them: [.., n]. Without
 * replacement no index comes twice, and each row needs n weights that are not 0. */
WK_API wk_tensor wk_multinomial(wk_ctx *c, wk_tensor weights, int64_t n, bool replacement);

/* With a location and a scale > 0, t real. */
WK_API wk_tensor wk_laplace(wk_ctx *c, double location, double scale, wk_dtype t, wk_shape shape);
WK_API wk_tensor wk_gumbel(wk_ctx *c, double location, double scale, wk_dtype t, wk_shape shape);
/* mean + deviation times a normal value, of the shape that both (real) broadcast to. As in rsample, gradients
 * go to mean and deviation. A negative deviation is WK_EARG. */
WK_API wk_tensor wk_normal_of(wk_ctx *c, wk_tensor mean, wk_tensor deviation);

/* One value for each of real parameters (which broadcast where there are two), in their shape and dtype,
 * exact but for the rounding of f64 and of the dtype: by rejection, so that sizes are read back from the
 * device. Without gradients. Parameters out of range, NaN among them, are WK_EARG. */
WK_API wk_tensor wk_poisson(wk_ctx *c, wk_tensor rate);                /* rate >= 0 */
WK_API wk_tensor wk_binomial(wk_ctx *c, wk_tensor count, wk_tensor p); /* whole count >= 0, p in [0, 1] */
WK_API wk_tensor wk_standard_gamma(wk_ctx *c, wk_tensor shape);        /* shape > 0, scale 1 */
WK_API wk_tensor wk_beta(wk_ctx *c, wk_tensor a, wk_tensor b);         /* both > 0 */
WK_API wk_tensor wk_dirichlet(wk_ctx *c, wk_tensor concentration);     /* rows [.., n] > 0, sums are 1 */

/* softmax((logits + Gumbel noise) / tau) along dim (arXiv:1611.01144), tau > 0. hard: one-hot at the largest,
 * with the gradient of the soft values. */
WK_API wk_tensor wk_gumbel_softmax(wk_ctx *c, wk_tensor logits, double tau, bool hard, int dim);

#ifdef __cplusplus
}
#endif
#endif
