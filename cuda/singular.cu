/* Singular values by rotations of columns until all are orthogonal (one-sided Jacobi: Hestenes, J.
 * SIAM 6(1), 1958), and what is made of them: the decomposition, least squares. A block to a matrix;
 * each pair of columns a warp; few large ones by cuSOLVER where that is. */
#include "cuda/linalg.cuh"

enum { SWEEPS = 40 };

/* A tall matrix, rows x cols (of A, or of A transposed): g = u s v^T. In scratch, column by column. */
template <typename C> struct parts {
    C      *g, *v, *u, *a, *s, *norm, *tau; /* a: reflectors that u is made of */
    int    *order;                          /* columns by falling singular values */
    int64_t rows, cols, left;               /* left: columns of u */
};
static inline int64_t values_for(int64_t m, int64_t n, int64_t left)
{
    const int64_t rows = m > n ? m : n, cols = m > n ? n : m;
    return 2 * rows * cols + cols * cols + rows * left + 4 * cols;
}
template <typename C> DEVICE parts<C> parts_of(char *scratch, int64_t m, int64_t n, int64_t left)
{
    parts<C> p;
    p.rows = m > n ? m : n;
    p.cols = m > n ? n : m;
    p.left = left;
    p.g = (C *)(void *)scratch;
    p.v = p.g + p.rows * p.cols;
    p.u = p.v + p.cols * p.cols;
    p.a = p.u + p.rows * left;
    p.s = p.a + p.rows * p.cols;
    p.norm = p.s + p.cols;
    p.tau = p.norm + p.cols;
    p.order = (int *)(void *)(p.tau + p.cols);
    return p;
}

/* Makes columns p and q orthogonal, by a warp; were they not? */
template <typename C> DEVICE bool make_orthogonal(const parts<C> &o, int64_t p, int64_t q, C negligible)
{
    const int lane = (int)threadIdx.x % 32;
    C *const x = o.g + p * o.rows, *const y = o.g + q * o.rows;
    C xx = 0, yy = 0, xy = 0;
    for (int64_t i = lane; i < o.rows; i += 32) {
        xx += x[i] * x[i];
        yy += y[i] * y[i];
        xy += x[i] * y[i];
    }
    xx = warp_fold<plus>(xx);
    yy = warp_fold<plus>(yy);
    xy = warp_fold<plus>(xy);
    const C tolerance = epsilon<C>() * sqrt((C)o.rows);
    if (xx <= negligible || yy <= negligible || size_of(xy) <= tolerance * sqrt(xx) * sqrt(yy)) return false;
    const C zeta = (yy - xx) / (2 * xy);
    const C t = (zeta < 0 ? (C)-1 : (C)1) / (size_of(zeta) + (C)hypot(zeta, (C)1));
    const C cosine = 1 / sqrt(1 + t * t), sine = cosine * t;
    for (int64_t i = lane; i < o.rows; i += 32) rotate(&x[i], &y[i], cosine, sine);
    for (int64_t i = lane; i < o.cols; i += 32)
        rotate(&o.v[p * o.cols + i], &o.v[q * o.cols + i], cosine, sine);
    __syncwarp();
    return true;
}

/* Rotates until nothing changes; sweeps. more: of shared memory. */
template <typename C, typename A, typename F> DEVICE int sweep_columns(const parts<C> &o, A &part, F &more)
{
    const int64_t even = o.cols + o.cols % 2;
    C             norm = 0;
    for (int64_t e = threadIdx.x; e < o.rows * o.cols; e += blockDim.x) norm += o.g[e] * o.g[e];
    norm = block_sum(norm, part);
    if (norm != norm) return SWEEPS;
    const C negligible = norm * epsilon<C>() * epsilon<C>();
    int     sweep = 0;
    for (bool again = true; again && sweep < SWEEPS; sweep++) {
        int turned = 0;
        for (int64_t round = 0; round < even - 1; round++) {
            for (int64_t i = threadIdx.x / 32; i < even / 2; i += blockDim.x / 32) {
                int64_t p, q;
                pair_of(even, round, i, &p, &q);
                if (q < o.cols) turned |= make_orthogonal(o, p, q, negligible);
            }
            __syncthreads();
        }
        again = block_sum(turned, more) != 0;
    }
    return sweep;
}

/* The largest size of a value, 1 where that is no number to divide by. */
template <typename C, typename A> DEVICE C scale_of(const parts<C> &o, A &part)
{
    C most = 0;
    for (int64_t e = threadIdx.x; e < o.rows * o.cols; e += blockDim.x)
        most = larger<C>::of(most, size_of(o.g[e]));
    most = block_max(most, part, (C)0);
    return most > 0 && most < (C)INFINITY ? most : (C)1;
}

/* All of it for matrix `index` of x; sweeps. vectors: u too, completed to an orthogonal basis by
 * reflectors. */
template <typename C, typename A, typename F>
DEVICE int decompose(const matrices &x, int64_t index, const parts<C> &o, bool vectors, A &part, F &more)
{
    const bool    wide = x.m < x.n;
    const int64_t rows = o.rows, cols = o.cols;
    take(x, index, o.g, wide ? rows : (int64_t)1, wide ? (int64_t)1 : rows);
    for (int64_t e = threadIdx.x; e < cols * cols; e += blockDim.x)
        o.v[e] = e / cols == e % cols ? (C)1 : (C)0;
    __syncthreads();
    const C scale = scale_of(o, part);
    for (int64_t e = threadIdx.x; e < rows * cols; e += blockDim.x) o.g[e] /= scale;
    __syncthreads();
    const int sweeps = sweep_columns(o, part, more);
    for (int64_t j = threadIdx.x / 32; j < cols; j += blockDim.x / 32) {
        C sum = 0;
        for (int64_t i = threadIdx.x % 32; i < rows; i += 32) sum += o.g[j * rows + i] * o.g[j * rows + i];
        sum = warp_fold<plus>(sum);
        if (threadIdx.x % 32 == 0) o.norm[j] = sqrt(sum);
    }
    __syncthreads();
    for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
        int64_t rank = sweeps == SWEEPS ? j : 0; /* NaN has no order */
        for (int64_t i = 0; i < cols && sweeps < SWEEPS; i++)
            rank += o.norm[i] > o.norm[j] || (!(o.norm[i] < o.norm[j]) && i < j) ? 1 : 0;
        o.order[rank] = (int)j;
        o.s[rank] = o.norm[j] * scale;
    }
    __syncthreads();
    if (!vectors || sweeps == SWEEPS) return sweeps;
    for (int64_t e = threadIdx.x; e < rows * cols; e += blockDim.x) {
        const int64_t j = o.order[e / rows];
        const C       size = o.norm[j];
        o.a[e] = size > epsilon<C>() * o.norm[o.order[0]] ? o.g[j * rows + e % rows] / size : (C)0;
    }
    __syncthreads();
    reflectors(o.a, rows, cols, o.tau, part);
    product_of(o.a, o.tau, rows, cols, o.u, o.left);
    for (int64_t e = threadIdx.x; e < rows * cols; e += blockDim.x)
        if (o.a[e / rows * rows + e / rows] < 0) o.u[e] = -o.u[e];
    __syncthreads();
    return sweeps;
}

/* in A; out S, U, Vh; attr.i[0]: 0 values only, 1 reduced, 2 full */
template <typename C>
__global__ void svd_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices x, C *values,
                           const __grid_constant__ matrices u, const __grid_constant__ matrices vh,
                           int64_t left)
{
    SHARED(C, part, 32);
    SHARED(int, more, 32);
    const parts<C> o = parts_of<C>(b.scratch + blockIdx.x * b.bytes, x.m, x.n, left);
    const bool     wide = x.m < x.n;
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        const int sweeps = decompose(x, index, o, u.data != nullptr, part, more);
        report_matrix(b, index, sweeps == SWEEPS ? SWEEPS : 0);
        for (int64_t j = threadIdx.x; j < o.cols; j += blockDim.x) values[index * o.cols + j] = o.s[j];
        if (u.data) {
            C *const tu = (C *)u.data + index * u.m * u.n, *const tv = (C *)vh.data + index * vh.m * vh.n;
            for (int64_t e = threadIdx.x; e < u.m * u.n; e += blockDim.x) {
                const int64_t i = e / u.n, j = e % u.n;
                tu[e] = wide ? o.v[o.order[j] * o.cols + i] : o.u[j * o.rows + i];
            }
            for (int64_t e = threadIdx.x; e < vh.m * vh.n; e += blockDim.x) {
                const int64_t i = e / vh.n, j = e % vh.n;
                tv[e] = wide ? o.u[i * o.rows + j] : o.v[o.order[i] * o.cols + j];
            }
        }
        __syncthreads();
    }
}

static int64_t rows_of(wk_tensor x)
{
    return x->shape[x->ndim - 2];
}
static int64_t svd_left(const wk_call *k)
{
    const int64_t m = rows_of(k->in[0]), n = wki_cols(k->in[0]), rows = m > n ? m : n, cols = m > n ? n : m;
    return k->attr.i[0] == 0 ? 0 : k->attr.i[0] == 2 ? rows : cols;
}
static int64_t svd_values(const wk_call *k)
{
    return values_for(rows_of(k->in[0]), wki_cols(k->in[0]), svd_left(k));
}
/* Threads for as many pairs of columns. */
static unsigned threads_of(wk_tensor x)
{
    const int64_t m = rows_of(x), n = wki_cols(x), pairs = ((m < n ? m : n) + 1) / 2;
    return pairs <= 1 ? 32 : pairs <= 4 ? 128 : pairs <= 8 ? 256 : (unsigned)MOST_THREADS;
}
wk_status CUDA(svd)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_svd(k, nullptr, &status)) return status;
    const batch b = batch_of(k, count_of(k->in[0], 2), svd_values(k), false);
    matrices    u, vh;
    memset((void *)&u, 0, sizeof u);
    vh = u;
    if (k->attr.i[0]) {
        u = matrices_of(k->out[1]);
        vh = matrices_of(k->out[2]);
    }
    WITH_REAL_CLASS(k, return launch(k, svd_kernel<C>, blocks_of(b), threads_of(k->in[0]), 0, b,
                                     matrices_of(k->in[0]), (C *)wki_data(k->out[0]), u, vh, svd_left(k)););
}
size_t CUDA(svd_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), svd_values(k));
    wki_cuda_solver_svd(k, &bytes, nullptr);
    return bytes;
}

/* ---- least squares: in A, B; out X, rank, singular values of A; attr.f[0]: the relative cut ---- */

template <typename C>
__global__ void lstsq_kernel(const __grid_constant__ batch b, const __grid_constant__ matrices x,
                             const __grid_constant__ matrices right, C *y, int64_t *ranks, C *values,
                             double cut)
{
    SHARED(C, part, 32);
    SHARED(int, more, 32);
    const int64_t  less = x.m < x.n ? x.m : x.n, columns = right.n;
    const parts<C> o = parts_of<C>(b.scratch + blockIdx.x * b.bytes, x.m, x.n, less);
    C *const       along = (C *)(void *)(b.scratch + (blockIdx.x + 1) * b.bytes) - less * columns;
    const bool     wide = x.m < x.n;
    for (int64_t index = blockIdx.x; index < b.count; index += gridDim.x) {
        const int sweeps = decompose(x, index, o, true, part, more);
        report_matrix(b, index, sweeps == SWEEPS ? SWEEPS : 0);
        const C  least = (C)cut * o.s[0];
        const C *rhs = (const C *)right.data + matrix_at(right, index);
        for (int64_t e = threadIdx.x; e < less * columns; e += blockDim.x) {
            const int64_t j = e / columns, c = e % columns;
            const C      *side = wide ? o.v + o.order[j] * o.cols : o.u + j * o.rows;
            C             sum = 0;
            for (int64_t i = 0; i < x.m && o.s[j] > least; i++)
                sum += side[i] * rhs[i * right.rs + c * right.cs];
            along[e] = o.s[j] > least ? sum / o.s[j] : (C)0;
        }
        __syncthreads();
        for (int64_t e = threadIdx.x; e < x.n * columns; e += blockDim.x) {
            const int64_t i = e / columns, c = e % columns;
            C             sum = 0;
            for (int64_t j = 0; j < less; j++)
                sum += (wide ? o.u[j * o.rows + i] : o.v[o.order[j] * o.cols + i]) * along[j * columns + c];
            y[index * x.n * columns + e] = sum;
        }
        if (threadIdx.x == 0) {
            int64_t rank = 0;
            for (int64_t j = 0; j < less; j++) {
                rank += o.s[j] > least;
                values[index * less + j] = o.s[j];
            }
            ranks[index] = rank;
        }
        __syncthreads();
    }
}

static int64_t lstsq_values(const wk_call *k)
{
    const int64_t m = rows_of(k->in[0]), n = wki_cols(k->in[0]), less = m < n ? m : n;
    return values_for(m, n, less) + less * wki_cols(k->in[1]);
}
wk_status CUDA(lstsq)(const wk_call *k)
{
    wk_status status;
    if (wki_cuda_solver_lstsq(k, nullptr, &status)) return status;
    const batch b = batch_of(k, count_of(k->in[0], 2), lstsq_values(k), false);
    WITH_REAL_CLASS(k,
                    return launch(k, lstsq_kernel<C>, blocks_of(b), threads_of(k->in[0]), 0, b,
                                  matrices_of(k->in[0]), matrices_of(k->in[1]), (C *)wki_data(k->out[0]),
                                  (int64_t *)wki_data(k->out[1]), (C *)wki_data(k->out[2]), k->attr.f[0]););
}
size_t CUDA(lstsq_scratch)(const wk_call *k)
{
    size_t bytes = scratch_of(count_of(k->in[0], 2), lstsq_values(k));
    wki_cuda_solver_lstsq(k, &bytes, nullptr);
    return bytes;
}
