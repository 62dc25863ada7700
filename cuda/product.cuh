/* A matrix product, or a batch of them, as kernels and libraries see it. */
#ifndef WK_CUDA_PRODUCT_CUH
#define WK_CUDA_PRODUCT_CUH

#include "cuda/walk.cuh"

struct product {
    walk<3>     batch;                                    /* y, a, b over the leading dims */
    int64_t     m, n, k, am, ak, bk, bn, ym, yn, tiles_n; /* sizes, strides in elements */
    const void *bias;                                     /* of columns, or nothing */
    int         bias_dtype;
};

/* By cuBLASLt (blaslt.cu): false where it cannot. */
bool wki_cuda_lt_multiply(const wk_call *k, const product *p, wk_status *status);

#endif
