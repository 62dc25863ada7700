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
WK_API wk_tensor wk_randint(wk_ctx *c, int64_t low, int64_t high, wk_dtype t,
                            wk_shape shape); /* [low, high) */

#ifdef __cplusplus
}
#endif
#endif
