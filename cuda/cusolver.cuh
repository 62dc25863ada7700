/* What ops of linear algebra by cuSOLVER share: when it takes one, the room for it in scratch, matrices
 * brought to the library's order and back. An op is one function, called twice: for the bytes it needs, and
 * to run. */
#ifndef WK_CUDA_CUSOLVER_CUH
#define WK_CUDA_CUSOLVER_CUH

#include "cuda/cusolver.h"
#include "cuda/linalg.cuh"

/* Fewer rows or columns than this are a block's work. */
#ifndef WK_SOLVER_LEAST
#define WK_SOLVER_LEAST 128
#endif

/* Of a stream. */
struct solver {
    void *module, *handle, *params;
#define WK_SOLVER_FIELD(name, arguments) int(*name) arguments;
    WK_CUSOLVER_FUNCTIONS(WK_SOLVER_FIELD)
    WK_CUSOLVER_NEWER(WK_SOLVER_FIELD)
#undef WK_SOLVER_FIELD
    void  *host; /* work of the library on the host */
    size_t host_bytes;
};

/* One op: room is handed out of scratch in the same order each time; `sizing`: nothing else is done. */
struct job {
    const wk_call *k;
    struct solver *s;
    batch          all;
    size_t         used, device, host;
    void          *work;
    int           *info;
    int            type, failed;
    wk_status      status;
    bool           sizing, refused;
};

/* Does the library take this op on matrices of m x n? They are few and large. any: be they as small as they
 * will. */
bool solver_begin(struct job *j, const wk_call *k, bool sizing, int64_t m, int64_t n, bool any,
                  bool tolerant);
/* Space for so many values, or bytes; NULL while sizing. */
void *solver_room(struct job *j, int64_t values);
void *solver_bytes(struct job *j, size_t bytes);
/* Space for the library's work, of the sizes that j was given; how many matrices are to be done now. */
int64_t solver_ready(struct job *j);
/* The answer of an op's function. bytes: becomes the larger of what it was and what the op needs. */
bool solver_end(struct job *j, size_t *bytes, wk_status *status);

/* Keeps the first failure of the library. */
static inline bool solver_did(struct job *j, int failed)
{
    if (failed && !j->failed) j->failed = failed;
    return j->failed == 0 && j->status == WK_OK;
}
static inline bool solver_goes_on(struct job *j, wk_status status)
{
    if (j->status == WK_OK) j->status = status;
    return j->failed == 0 && j->status == WK_OK;
}

/* ---- matrices in and out, the whole device at it ---- */

enum solver_part { SOLVER_WHOLE, SOLVER_NO_UPPER, SOLVER_NO_LOWER }; /* strictly above, strictly below */

template <typename C>
__global__ void solver_take_kernel(const __grid_constant__ matrices x, int64_t index, C *to, int64_t ri,
                                   int64_t rj)
{
    const C      *from = (const C *)x.data + matrix_at(x, index);
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t e = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; e < x.m * x.n; e += step)
        to[e / x.n * ri + e % x.n * rj] = from[e / x.n * x.rs + e % x.n * x.cs];
}
/* other: taken instead where the library has stopped. */
template <typename C>
__global__ void solver_put_kernel(const __grid_constant__ matrices y, int64_t index, const C *from,
                                  const C *other, const int *info, int64_t ri, int64_t rj, int part)
{
    C            *to = (C *)y.data + matrix_at(y, index);
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    const C      *x = other && *info > 0 ? other : from;
    for (int64_t e = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; e < y.m * y.n; e += step) {
        const int64_t r = e / y.n, c = e % y.n;
        const bool    none = (part == SOLVER_NO_UPPER && c > r) || (part == SOLVER_NO_LOWER && r > c);
        to[r * y.rs + c * y.cs] = none ? (C)0 : x[r * ri + c * rj];
    }
}

static inline unsigned solver_blocks(int64_t n)
{
    const int64_t blocks = (n + 255) / 256;
    return (unsigned)(blocks < 4096 ? blocks : 4096);
}
template <typename C>
static inline bool solver_take(struct job *j, const matrices &x, int64_t index, C *to, int64_t ri, int64_t rj)
{
    return solver_goes_on(
        j, launch(j->k, solver_take_kernel<C>, solver_blocks(x.m * x.n), 256, 0, x, index, to, ri, rj));
}
template <typename C>
static inline bool solver_put(struct job *j, const matrices &y, int64_t index, const C *from, int64_t ri,
                              int64_t rj, enum solver_part part)
{
    return solver_goes_on(j, launch(j->k, solver_put_kernel<C>, solver_blocks(y.m * y.n), 256, 0, y, index,
                                    from, (const C *)nullptr, (const int *)nullptr, ri, rj, (int)part));
}

/* What the library says of a matrix, where our own kernels would say it; values, n: results that are no
 * numbers are a failure too. */
bool solver_settle(struct job *j, int64_t index, int *infos, const void *values, int64_t n);

#endif
