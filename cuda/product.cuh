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

/* What follows a product of rows: nothing, an activation, or that `add`, of y's dtype, is added. */
enum product_end { PRODUCT_ALONE, PRODUCT_RELU, PRODUCT_GELU_TANH, PRODUCT_ADD };
struct following {
    enum product_end end;
    const void      *add;
    int64_t          step; /* elements between its rows */
    bool             done; /* the product did it */
};

/* By cuBLASLt (blaslt.cu), with what follows where that is what the library does: false where it cannot. y
 * may be f32 where a and b are halves. */
bool wki_cuda_lt_multiply(const wk_call *k, const product *p, following *then, wk_status *status);

/* The outputs of affine whose weights are in blocks, or are halves that meet f32 (affine_blocks.cu). */
wk_status wki_cuda_affine_blocks(const wk_call *k, following *then);
size_t    wki_cuda_affine_blocks_scratch(const wk_call *k);
bool      wki_cuda_affine_formed(const wk_call *k, wk_tensor w); /* is w one of them? */

#endif
