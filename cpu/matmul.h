/* What the product kernels share: blocked products of operands of any dtype and strides. */
#ifndef WK_CPU_MATMUL_H
#define WK_CPU_MATMUL_H

#include "cpu/kernel.h"

/* A matrix seen as `outer` places of values along k. Strides in elements. */
struct operand {
    wk_tensor x;
    int64_t   at, outer, along;
};
/* Dense rows of y from element `at`; bias is added to each of them, or WK_NONE. */
struct result {
    wk_tensor y, bias;
    int64_t   at;
};
struct gemm_plan {
    wk_class cls;
    int64_t  m, n, k;
    int64_t  tm, tn; /* tile of the result: multiples of the register tile's rows, and of vectors */
    bool     direct; /* summed where it is wanted: the result is of the class's own dtype */
    bool     blas;   /* let OpenBLAS do the tiles that it can take in place */
};

/* The tiles of a product with a result of dtype `to`. */
struct gemm_plan CPU(gemm_plan)(wk_class cls, wk_dtype to, int64_t m, int64_t n, int64_t k,
                                const wk_device *d);
size_t           CPU(gemm_scratch)(const struct gemm_plan *p); /* bytes per worker */
int64_t          CPU(gemm_tiles)(const struct gemm_plan *p);
void CPU(gemm_tile)(const struct gemm_plan *p, const struct operand *a, const struct operand *b, int64_t tile,
                    const struct result *r, void *scratch);

#endif
