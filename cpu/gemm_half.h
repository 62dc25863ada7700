/* Tiles of products of two bf16 operands. Present in the AVX-512 table alone; needs WKI_CPU_BF16. */
#ifndef WK_CPU_GEMM_HALF_H
#define WK_CPU_GEMM_HALF_H

#include "cpu/matmul.h"

/* Does an operand have rows that can be packed? */
bool   CPU(half_fits)(wk_tensor x, int64_t outer, int64_t along);
void   CPU(half_tiles)(struct gemm_plan *p, int64_t along); /* sets their size; along: stride of a */
size_t CPU(half_scratch)(const struct gemm_plan *p);        /* bytes per worker */
void   CPU(half_tile)(const struct gemm_plan *p, const struct operand *a, const struct operand *b, int64_t i0,
                    int64_t m, int64_t j0, int64_t n, const struct result *r, void *scratch);

#endif
