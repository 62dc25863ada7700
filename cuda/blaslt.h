/* Dense products by cuBLASLt, which is opened at run time: the few functions and numbers of its interface
 * that are used, so that no toolkit is needed to compile this. */
#ifndef WK_CUDA_BLASLT_H
#define WK_CUDA_BLASLT_H

#include <stddef.h>
#include <stdint.h>

enum { /* cudaDataType, cublasComputeType_t */
       LT_R_32F = 0,
       LT_R_64F = 1,
       LT_R_16F = 2,
       LT_R_16BF = 14,
       LT_COMPUTE_32F = 68,
       LT_COMPUTE_64F = 70
};
enum { LT_DESC_TRANSA = 3, LT_DESC_TRANSB = 4, LT_DESC_EPILOGUE = 7, LT_DESC_BIAS_POINTER = 8 };
enum {
    LT_EPILOGUE_NONE = 1,
    LT_EPILOGUE_RELU = 2,
    LT_EPILOGUE_BIAS = 4,
    LT_EPILOGUE_GELU = 32
}; /* sums too */
enum { LT_LAYOUT_BATCH_COUNT = 5, LT_LAYOUT_BATCH_OFFSET = 6 };
enum {
    LT_PREF_WORKSPACE = 1,
    LT_PREF_REDUCTIONS = 3,
    LT_PREF_ALIGN_A = 5,
    LT_PREF_ALIGN_B = 6,
    LT_PREF_ALIGN_C = 7,
    LT_PREF_ALIGN_D = 8
};
enum { LT_IN_ORDER = 2 | 4 }; /* reductions of split sums whose order is fixed: not those in place */

struct lt_algo {
    uint64_t data[8];
};
struct lt_heuristic {
    struct lt_algo algo;
    size_t         workspace;
    int            state;
    float          waves;
    int            reserved[4];
};

/* name, arguments; all return 0 on success */
#define WK_BLASLT_FUNCTIONS(F)                                                                               \
    F(Create, (void **handle))                                                                               \
    F(Destroy, (void *handle))                                                                               \
    F(MatmulDescCreate, (void **desc, int compute, int scale))                                               \
    F(MatmulDescDestroy, (void *desc))                                                                       \
    F(MatmulDescSetAttribute, (void *desc, int what, const void *value, size_t size))                        \
    F(MatrixLayoutCreate, (void **layout, int type, uint64_t rows, uint64_t columns, int64_t step))          \
    F(MatrixLayoutDestroy, (void *layout))                                                                   \
    F(MatrixLayoutSetAttribute, (void *layout, int what, const void *value, size_t size))                    \
    F(MatmulPreferenceCreate, (void **preference))                                                           \
    F(MatmulPreferenceDestroy, (void *preference))                                                           \
    F(MatmulPreferenceSetAttribute, (void *preference, int what, const void *value, size_t size))            \
    F(MatmulAlgoGetHeuristic, (void *handle, void *desc, void *a, void *b, void *c, void *d, void *wanted,   \
                               int asked, struct lt_heuristic *found, int *count))                           \
    F(Matmul, (void *handle, void *desc, const void *alpha, const void *a, void *la, const void *b,          \
               void *lb, const void *beta, const void *c, void *lc, void *d, void *ld,                       \
               const struct lt_algo *algo, void *workspace, size_t bytes, void *stream))

#endif
