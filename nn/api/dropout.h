/* Dropout. Part of nn/nn.h. */
#ifndef WK_NN_DROPOUT_H
#define WK_NN_DROPOUT_H

#include "../../core/wick.h"

#ifdef __cplusplus
extern "C" {
#endif

/* While wk_training each value is 0 with probability p and divided by 1 - p otherwise, drawn from c's
 * generator (Srivastava et al., JMLR 2014); outside of training x itself. */
struct wk_dropout {
    double p;
    int    dims;  /* 1 to 3: whole channels of x [N, C, ..] with that many dims behind C (one dim less: no N;
                     dropout2d takes [N, C, L] too); 0: single values */
    bool   alpha; /* keeps mean and variance of selu's results (arXiv:1706.02515) */
};
WK_API wk_tensor wk_dropout(wk_ctx *c, const struct wk_dropout *d, wk_tensor x);

#ifdef __cplusplus
}
#endif
#endif
