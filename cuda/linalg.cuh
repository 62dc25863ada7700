/* What the kernels of linear algebra share: batches of matrices, a block to each, in scratch of its own; LU,
 * substitution, reflectors. All threads of a block call these together. */
#ifndef WK_CUDA_LINALG_CUH
#define WK_CUDA_LINALG_CUH

#include "cuda/kernel.cuh"

static const int64_t MATRICES = 1024; /* worked on at a time */
enum { MOST_THREADS = 512 };          /* of a block */

struct matrices {
    void   *data;
    int64_t m, n, rs, cs, shape[WK_MAX_DIMS], stride[WK_MAX_DIMS];
    int     dims; /* before the last two */
};
/* A batch of them, and what a block has to itself. */
struct batch {
    int64_t                count, bytes;
    char                  *scratch;
    int                    op;
    bool                   tolerant;
    struct wki_cuda_fault *fault;
};

static inline matrices matrices_of(wk_tensor x)
{
    matrices a;
    memset((void *)&a, 0, sizeof a);
    a.data = wki_data(x);
    a.dims = x->ndim - 2;
    a.m = x->shape[a.dims];
    a.n = x->shape[a.dims + 1];
    a.rs = x->stride[a.dims];
    a.cs = x->stride[a.dims + 1];
    for (int i = 0; i < a.dims; i++) {
        a.shape[i] = x->shape[i];
        a.stride[i] = x->stride[i];
    }
    return a;
}
static inline int64_t count_of(wk_tensor x, int inner)
{
    int64_t n = 1;
    for (int i = 0; i < x->ndim - inner; i++) n *= x->shape[i];
    return n;
}
/* values: of a block's scratch, 8 bytes each. */
static inline batch batch_of(const wk_call *k, int64_t count, int64_t values, bool tolerant)
{
    batch b = {count, values * 8, (char *)k->scratch, (int)k->op, tolerant, nullptr};
    if (k->stream) b.fault = wki_cuda_fault_of(k->stream);
    return b;
}
static inline unsigned blocks_of(const batch &b)
{
    return (unsigned)(b.count < MATRICES ? b.count : MATRICES);
}
static inline size_t scratch_of(int64_t count, int64_t values)
{
    return (size_t)((count < MATRICES ? count : MATRICES) * values) * 8;
}
static inline unsigned threads_for(int64_t n)
{
    return n <= 16 ? 32 : n <= 64 ? 128 : n <= 256 ? 256 : MOST_THREADS;
}

DEVICE int64_t matrix_at(const matrices &a, int64_t index)
{
    int64_t at = 0;
    for (int i = a.dims - 1; i >= 0; i--) {
        at += index % a.shape[i] * a.stride[i];
        index /= a.shape[i];
    }
    return at;
}
/* A matrix with steps (ri, rj) of rows and columns in scratch, and back. */
template <typename C> DEVICE void take(const matrices &a, int64_t index, C *to, int64_t ri, int64_t rj)
{
    const C *from = (const C *)a.data + matrix_at(a, index);
    for (int64_t e = threadIdx.x; e < a.m * a.n; e += blockDim.x)
        to[e / a.n * ri + e % a.n * rj] = from[e / a.n * a.rs + e % a.n * a.cs];
}
template <typename C> DEVICE void put(const matrices &a, int64_t index, const C *from, int64_t ri, int64_t rj)
{
    C *to = (C *)a.data + matrix_at(a, index);
    for (int64_t e = threadIdx.x; e < a.m * a.n; e += blockDim.x)
        to[e / a.n * a.rs + e % a.n * a.cs] = from[e / a.n * ri + e % a.n * rj];
}

/* Keeps what stopped a matrix for the next wait. */
DEVICE void report_matrix(const batch &b, int64_t index, int64_t info)
{
    if (b.tolerant || info == 0 || threadIdx.x != 0) return;
    if (atomicCAS(&b.fault->op, 0, b.op + 1) != 0) return;
    b.fault->problem = 1;
    b.fault->index = (long long)info;
    b.fault->size = (long long)index;
    __threadfence_system();
}

template <typename C> DEVICE C size_of(C x)
{
    return x < 0 ? -x : x;
}
template <typename C> DEVICE C epsilon();
template <> DEVICE float       epsilon<float>()
{
    return 1.1920929e-7f;
}
template <> DEVICE double epsilon<double>()
{
    return 2.220446049250313e-16;
}

/* The place from first on whose value is largest in size; the first of equals. value, place: 32 each. */
template <typename C, typename A, typename B>
DEVICE int64_t block_pick(const C *x, int64_t step, int64_t first, int64_t n, A &value, B &place)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, warps = (int)blockDim.x / 32;
    C         best = -1;
    int64_t   at = first;
    for (int64_t i = first + threadIdx.x; i < n; i += blockDim.x)
        if (size_of(x[i * step]) > best) {
            best = size_of(x[i * step]);
            at = i;
        }
    for (int turn = 0; turn < 2; turn++) {
        for (int s = 16; s > 0; s /= 2) {
            const C       v = __shfl_xor_sync(FULL_WARP, best, s);
            const int64_t i = __shfl_xor_sync(FULL_WARP, at, s);
            if (v > best || (v == best && i < at)) {
                best = v;
                at = i;
            }
        }
        if (turn == 1) break;
        if (lane == 0) {
            value[warp] = best;
            place[warp] = at;
        }
        __syncthreads();
        best = lane < warps ? value[lane] : (C)-1;
        at = lane < warps ? place[lane] : first;
    }
    __syncthreads();
    return at;
}

/* LU with row exchanges of a, m x n, row by row; pivots count from 1. The first pivot that is zero, or 0. */
template <typename C, typename A, typename B>
DEVICE int64_t lu(C *a, int64_t m, int64_t n, int *pivots, A &value, B &place)
{
    const int64_t r = m < n ? m : n;
    int64_t       info = 0;
    for (int64_t j = 0; j < r; j++) {
        const int64_t p = block_pick(a + j, n, j, m, value, place);
        const C       pivot = a[p * n + j];
        if (threadIdx.x == 0) pivots[j] = (int)p + 1;
        __syncthreads();
        if (pivot == 0) {
            info = info ? info : j + 1;
            continue;
        }
        for (int64_t k = threadIdx.x; k < n && p != j; k += blockDim.x) {
            const C t = a[j * n + k];
            a[j * n + k] = a[p * n + k];
            a[p * n + k] = t;
        }
        __syncthreads();
        for (int64_t i = j + 1 + threadIdx.x; i < m; i += blockDim.x) a[i * n + j] /= pivot;
        __syncthreads();
        const int64_t cols = n - j - 1, all = (m - j - 1) * cols;
        for (int64_t e = threadIdx.x; e < all; e += blockDim.x) {
            const int64_t i = j + 1 + e / cols, k = j + 1 + e % cols;
            a[i * n + k] -= a[i * n + j] * a[j * n + k];
        }
        __syncthreads();
    }
    return info;
}

/* b, n x columns row by row, becomes the solution of a triangle of a with steps (ra, ca). */
template <typename C>
DEVICE void substitute(const C *a, int64_t ra, int64_t ca, int64_t n, C *b, int64_t columns, bool upper,
                       bool unit)
{
    for (int64_t s = 0; s < n; s++) {
        const int64_t i = upper ? n - 1 - s : s, first = upper ? 0 : i + 1, rows = n - 1 - s;
        const C       d = a[i * ra + i * ca];
        for (int64_t c = threadIdx.x; c < columns && !unit; c += blockDim.x) b[i * columns + c] /= d;
        __syncthreads();
        for (int64_t e = threadIdx.x; e < rows * columns; e += blockDim.x) {
            const int64_t r = first + e / columns, c = e % columns;
            b[r * columns + c] -= a[r * ra + i * ca] * b[i * columns + c];
        }
        __syncthreads();
    }
}

/* Rows of b, n x columns, exchanged as pivots say; back: in reverse. */
template <typename C> DEVICE void exchange(C *b, int64_t n, int64_t columns, const int *pivots, bool back)
{
    for (int64_t c = threadIdx.x; c < columns; c += blockDim.x)
        for (int64_t s = 0; s < n; s++) {
            const int64_t i = back ? n - 1 - s : s, p = pivots[i] - 1;
            const C       t = b[i * columns + c];
            b[i * columns + c] = b[p * columns + c];
            b[p * columns + c] = t;
        }
    __syncthreads();
}

/* x -= tau v (v^T x) for m values from `first` on, v[first] being 1; by a warp. */
template <typename C> DEVICE void reflect(const C *v, C tau, int64_t first, int64_t m, C *x)
{
    const int lane = (int)threadIdx.x % 32;
    C         sum = lane == 0 ? x[first] : (C)0;
    for (int64_t i = first + 1 + lane; i < m; i += 32) sum += v[i] * x[i];
    sum = warp_fold<plus>(sum) * tau;
    if (lane == 0) x[first] -= sum;
    for (int64_t i = first + 1 + lane; i < m; i += 32) x[i] -= sum * v[i];
    __syncwarp();
}

/* QR of a, m x n column by column, as LAPACK packs it: reflectors below R, tau. part: 32 values. */
template <typename C, typename A> DEVICE void reflectors(C *a, int64_t m, int64_t n, C *tau, A &part)
{
    const int64_t r = m < n ? m : n;
    for (int64_t j = 0; j < r; j++) {
        C *const x = a + j * m;
        C        most = 0, sum = 0;
        for (int64_t i = j + 1 + threadIdx.x; i < m; i += blockDim.x)
            most = larger<C>::of(most, size_of(x[i]));
        most = block_max(most, part, (C)0);
        for (int64_t i = j + 1 + threadIdx.x; i < m && most > 0; i += blockDim.x)
            sum += x[i] / most * (x[i] / most);
        sum = block_sum(sum, part);
        const C alpha = x[j], norm = most * sqrt(sum), length = (C)hypot(alpha, norm);
        const C beta = alpha > 0 ? -length : length, t = norm == 0 ? (C)0 : (beta - alpha) / beta;
        __syncthreads();
        if (threadIdx.x == 0) {
            tau[j] = t;
            if (norm != 0) x[j] = beta;
        }
        for (int64_t i = j + 1 + threadIdx.x; i < m && norm != 0; i += blockDim.x) x[i] /= alpha - beta;
        __syncthreads();
        for (int64_t k = j + 1 + threadIdx.x / 32; k < n; k += blockDim.x / 32)
            reflect(x, t, j, m, a + k * m);
        __syncthreads();
    }
}

/* q, m x columns column by column: the first columns of the product of `count` reflectors. */
template <typename C>
DEVICE void product_of(const C *a, const C *tau, int64_t m, int64_t count, C *q, int64_t columns)
{
    for (int64_t k = threadIdx.x / 32; k < columns; k += blockDim.x / 32) {
        C *const x = q + k * m;
        for (int64_t i = threadIdx.x % 32; i < m; i += 32) x[i] = i == k ? (C)1 : (C)0;
        __syncwarp();
        for (int64_t j = (k < count ? k : count - 1); j >= 0; j--) reflect(a + j * m, tau[j], j, m, x);
    }
    __syncthreads();
}

/* Pair i of a round of n - 1 in which all n (an even number) meet. */
DEVICE void pair_of(int64_t n, int64_t round, int64_t i, int64_t *p, int64_t *q)
{
    const int64_t a = i == 0 ? n - 1 : (round + i) % (n - 1),
                  b = i == 0 ? round : (round - i + n - 1) % (n - 1);
    *p = a < b ? a : b;
    *q = a < b ? b : a;
}
template <typename C> DEVICE void rotate(C *x, C *y, C cosine, C sine)
{
    const C a = *x, b = *y;
    *x = cosine * a - sine * b;
    *y = sine * a + cosine * b;
}

/* Runs BODY with C as float or double. */
#define WITH_REAL_CLASS(k, ...)                                                                              \
    do {                                                                                                     \
        if ((k)->cls == WK_CLASS_F64) {                                                                      \
            typedef double C;                                                                                \
            __VA_ARGS__                                                                                      \
        } else {                                                                                             \
            typedef float C;                                                                                 \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    } while (0)

#endif
