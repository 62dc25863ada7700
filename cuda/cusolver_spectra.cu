/* Orthogonal decompositions, eigenvalues, singular values and least squares by cuSOLVER. */
#include "cuda/cusolver.cuh"

/* ---- QR ---- */

/* Room for the reflectors of m x n values, then for all columns of the product made of them. */
static void ask_qr(struct job *j, int64_t m, int64_t n, const void *a, const void *tau)
{
    struct solver *s = j->s;
    solver_did(j, s->Xgeqrf_bufferSize(s->handle, s->params, m, n, j->type, a, m, j->type, tau, j->type,
                                       &j->device, &j->host));
}
static bool factor(struct job *j, int64_t m, int64_t n, void *a, void *tau)
{
    struct solver *s = j->s;
    return solver_did(j, s->Xgeqrf(s->handle, s->params, m, n, j->type, a, m, j->type, tau, j->type, j->work,
                                   j->device, s->host, j->host, j->info));
}

/* Values of work for the product of `count` reflectors, m x columns. */
static int product_values(struct job *j, int64_t m, int64_t columns, int64_t count, const void *a,
                          const void *tau)
{
    struct solver *s = j->s;
    int            values = 0;
    solver_did(j, j->type == SOLVER_F64
                      ? s->Dorgqr_bufferSize(s->handle, (int)m, (int)columns, (int)count, (const double *)a,
                                             (int)m, (const double *)tau, &values)
                      : s->Sorgqr_bufferSize(s->handle, (int)m, (int)columns, (int)count, (const float *)a,
                                             (int)m, (const float *)tau, &values));
    const size_t bytes = (size_t)values * (j->type == SOLVER_F64 ? 8 : 4);
    if (bytes > j->device) j->device = bytes;
    return values;
}
static bool multiply(struct job *j, int64_t m, int64_t columns, int64_t count, void *a, const void *tau,
                     int values)
{
    struct solver *s = j->s;
    return solver_did(j, j->type == SOLVER_F64
                             ? s->Dorgqr(s->handle, (int)m, (int)columns, (int)count, (double *)a, (int)m,
                                         (const double *)tau, (double *)j->work, values, j->info)
                             : s->Sorgqr(s->handle, (int)m, (int)columns, (int)count, (float *)a, (int)m,
                                         (const float *)tau, (float *)j->work, values, j->info));
}

/* columns: of Q, 0: none is wanted. */
bool wki_cuda_solver_qr(const wk_call *k, int64_t columns, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]), r = matrices_of(k->out[1]);
    const int64_t  m = x.m, n = x.n, less = m < n ? m : n;
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, m, n, false, false)) return false;
    void *a = solver_room(&j, m * (n > columns ? n : columns)), *tau = solver_room(&j, less);
    ask_qr(&j, m, n, a, tau);
    const int values = columns ? product_values(&j, m, columns, less, a, tau) : 0;
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            if (solver_take(&j, x, i, (C *)a, 1, m) && factor(&j, m, n, a, tau) &&
                solver_put(&j, r, i, (const C *)a, 1, m, SOLVER_NO_LOWER) && columns &&
                multiply(&j, m, columns, less, a, tau, values))
                solver_put(&j, matrices_of(k->out[0]), i, (const C *)a, 1, m, SOLVER_WHOLE);
        });
    return solver_end(&j, bytes, status);
}

bool wki_cuda_solver_geqrf(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    const int64_t  m = x.m, n = x.n, less = m < n ? m : n;
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, m, n, false, false)) return false;
    void *a = solver_room(&j, m * n);
    ask_qr(&j, m, n, a, wki_data(k->out[1]));
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            C *const tau = (C *)wki_data(k->out[1]) + i * less;
            if (solver_take(&j, x, i, (C *)a, 1, m) && factor(&j, m, n, a, tau))
                solver_put(&j, matrices_of(k->out[0]), i, (const C *)a, 1, m, SOLVER_WHOLE);
        });
    return solver_end(&j, bytes, status);
}

bool wki_cuda_solver_product(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    const int64_t  m = x.m, n = x.n, reflectors = wki_cols(k->in[1]);
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, m, n, false, false)) return false;
    void     *a = solver_room(&j, m * n);
    const int values = product_values(&j, m, n, reflectors, a, wki_data(k->in[1]));
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            const C *const tau = (const C *)wki_data(k->in[1]) + i * reflectors;
            if (solver_take(&j, x, i, (C *)a, 1, m) && multiply(&j, m, n, reflectors, a, tau, values))
                solver_put(&j, matrices_of(k->out[0]), i, (const C *)a, 1, m, SOLVER_WHOLE);
        });
    return solver_end(&j, bytes, status);
}

/* ---- symmetric matrices ---- */

/* Our rows are the library's columns: the triangles change places. */
bool wki_cuda_solver_eigh(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    const int64_t  n = x.n;
    const bool     vectors = k->attr.i[0] != 0;
    const int      job = vectors ? SOLVER_VECTORS : SOLVER_VALUES,
              uplo = k->attr.i[1] ? SOLVER_LOWER : SOLVER_UPPER;
    struct job j;
    if (!solver_begin(&j, k, bytes != nullptr, n, n, false, false)) return false;
    struct solver *s = j.s;
    void          *a = solver_room(&j, n * n), *w = wki_data(k->out[0]);
    solver_did(&j, s->Xsyevd_bufferSize(s->handle, s->params, job, uplo, n, j.type, a, n, j.type, w, j.type,
                                        &j.device, &j.host));
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            C *const to = (C *)w + i * n;
            if (solver_take(&j, x, i, (C *)a, n, 1) &&
                solver_did(&j, s->Xsyevd(s->handle, s->params, job, uplo, n, j.type, a, n, j.type, to, j.type,
                                         j.work, j.device, s->host, j.host, j.info)) &&
                solver_settle(&j, i, nullptr, to, n) && vectors)
                solver_put(&j, matrices_of(k->out[1]), i, (const C *)a, 1, n, SOLVER_WHOLE);
        });
    return solver_end(&j, bytes, status);
}

/* ---- singular values: of A where it is tall, of its transpose where it is wide ---- */

struct singular {
    int64_t     m, n, rows, cols, left; /* rows >= cols; left: columns of u */
    bool        wide;
    signed char want; /* 'N', 'S', 'A' */
    void       *a, *u, *vt;
};
static struct singular singular_of(struct job *j, const matrices &x, int vectors)
{
    struct solver  *s = j->s;
    struct singular o;
    memset((void *)&o, 0, sizeof o);
    o.m = x.m;
    o.n = x.n;
    o.wide = x.m < x.n;
    o.rows = o.wide ? x.n : x.m;
    o.cols = o.wide ? x.m : x.n;
    o.left = vectors == 0 ? 0 : vectors == 2 ? o.rows : o.cols;
    o.want = vectors == 0 ? 'N' : vectors == 2 ? 'A' : 'S';
    o.a = solver_room(j, o.rows * o.cols);
    o.u = solver_room(j, o.rows * o.left);
    o.vt = solver_room(j, vectors ? o.cols * o.cols : 0);
    solver_did(j, s->Xgesvd_bufferSize(s->handle, s->params, o.want, o.want, o.rows, o.cols, j->type, o.a,
                                       o.rows, j->type, nullptr, j->type, o.u, o.rows, j->type, o.vt, o.cols,
                                       j->type, &j->device, &j->host));
    return o;
}
template <typename C>
static bool find_singular(struct job *j, const matrices &x, const struct singular &o, int64_t index,
                          C *values)
{
    struct solver *s = j->s;
    return solver_take(j, x, index, (C *)o.a, o.wide ? o.rows : (int64_t)1, o.wide ? (int64_t)1 : o.rows) &&
           solver_did(j, s->Xgesvd(s->handle, s->params, o.want, o.want, o.rows, o.cols, j->type, o.a, o.rows,
                                   j->type, values, j->type, o.u, o.rows, j->type, o.vt, o.cols, j->type,
                                   j->work, j->device, s->host, j->host, j->info)) &&
           solver_settle(j, index, nullptr, values, o.cols);
}

bool wki_cuda_solver_svd(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, x.m, x.n, false, false)) return false;
    const struct singular o = singular_of(&j, x, (int)k->attr.i[0]);
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            const C *const u = (const C *)(o.wide ? o.vt : o.u), *const vh = (const C *)(o.wide ? o.u : o.vt);
            if (find_singular(&j, x, o, i, (C *)wki_data(k->out[0]) + i * o.cols) && o.left &&
                solver_put(&j, matrices_of(k->out[1]), i, u, o.wide ? o.cols : (int64_t)1,
                           o.wide ? (int64_t)1 : o.rows, SOLVER_WHOLE))
                solver_put(&j, matrices_of(k->out[2]), i, vh, o.wide ? o.rows : (int64_t)1,
                           o.wide ? (int64_t)1 : o.cols, SOLVER_WHOLE);
        });
    return solver_end(&j, bytes, status);
}

/* ---- least squares, by singular values ---- */

/* along[j, c] = u_j . b_c / s_j, a warp each; 0 where s_j is cut. (ui, uj): steps of u. */
template <typename C>
__global__ void along_kernel(const C *u, int64_t ui, int64_t uj, const __grid_constant__ matrices b,
                             int64_t index, const C *s, int64_t count, double cut, C *along)
{
    const int64_t at = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / 32, j = at / b.n, c = at % b.n;
    const C      *right = (const C *)b.data + matrix_at(b, index);
    if (at >= count * b.n) return;
    C sum = 0;
    for (int64_t i = threadIdx.x % 32; i < b.m; i += 32)
        sum += u[i * ui + j * uj] * right[i * b.rs + c * b.cs];
    sum = warp_fold<plus>(sum);
    if (threadIdx.x % 32 == 0) along[at] = s[j] > (C)cut * s[0] ? sum / s[j] : (C)0;
}
/* y = v along, n x columns; (vi, vj): steps of v. And the rank. */
template <typename C>
__global__ void combine_kernel(const C *v, int64_t vi, int64_t vj, const C *along, int64_t count, int64_t n,
                               int64_t columns, C *y, const C *s, double cut, int64_t *rank)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, i = at / columns, c = at % columns;
    if (at == 0) {
        int64_t above = 0;
        for (int64_t j = 0; j < count; j++) above += s[j] > (C)cut * s[0];
        *rank = above;
    }
    if (at >= n * columns) return;
    C sum = 0;
    for (int64_t j = 0; j < count; j++) sum += v[i * vi + j * vj] * along[j * columns + c];
    y[at] = sum;
}

template <typename C>
static void least_squares(struct job *j, const matrices &x, const struct singular &o, int64_t index, C *along)
{
    const wk_call *k = j->k;
    const matrices b = matrices_of(k->in[1]);
    const double   cut = k->attr.f[0];
    C *const s = (C *)wki_data(k->out[2]) + index * o.cols, *const u = (C *)o.u, *const vt = (C *)o.vt;
    C *const y = (C *)wki_data(k->out[0]) + index * o.n * b.n;
    if (!find_singular(j, x, o, index, s)) return;
    const bool wide = o.wide;
    solver_goes_on(j, launch(k, along_kernel<C>, blocks_for(o.cols * b.n, 8), 256, 0,
                             (const C *)(wide ? vt : u), wide ? o.cols : (int64_t)1,
                             wide ? (int64_t)1 : o.rows, b, index, (const C *)s, o.cols, cut, along));
    solver_goes_on(j, launch(k, combine_kernel<C>, blocks_for(o.n * b.n, 256), 256, 0,
                             (const C *)(wide ? u : vt), wide ? (int64_t)1 : o.cols,
                             wide ? o.rows : (int64_t)1, (const C *)along, o.cols, o.n, b.n, y, (const C *)s,
                             cut, (int64_t *)wki_data(k->out[1]) + index));
}
bool wki_cuda_solver_lstsq(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, x.m, x.n, false, false)) return false;
    const struct singular o = singular_of(&j, x, 1);
    void                 *along = solver_room(&j, o.cols * wki_cols(k->in[1]));
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, least_squares(&j, x, o, i, (C *)along););
    return solver_end(&j, bytes, status);
}

/* ---- any square matrix: out complex eigenvalues, with attr.i[0] vectors too ---- */

/* w: real parts, then imaginary ones. The vectors of a pair of conjugate values are two columns of v: their
 * real and their imaginary part. */
template <typename C> __global__ void complex_kernel(const C *w, const C *v, int64_t n, C *values, C *vectors)
{
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t e = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; e < n * n; e += step) {
        const int64_t i = e / n, j = e % n;
        const C       imaginary = w[n + j];
        if (i == 0) {
            values[2 * j] = w[j];
            values[2 * j + 1] = imaginary;
        }
        if (!vectors) continue;
        const int64_t first = imaginary < 0 ? j - 1 : j;
        const C       im = imaginary == 0 ? (C)0 : v[(first + 1) * n + i];
        vectors[2 * e] = v[first * n + i];
        vectors[2 * e + 1] = imaginary < 0 ? -im : im;
    }
}

static bool eig(const wk_call *k, size_t *bytes, wk_status *status)
{
    const matrices x = matrices_of(k->in[0]);
    const int64_t  n = x.n;
    const bool     vectors = k->attr.i[0] != 0;
    const int      job = vectors ? SOLVER_VECTORS : SOLVER_VALUES;
    struct job     j;
    if (!solver_begin(&j, k, bytes != nullptr, n, n, true, false)) return false;
    struct solver *s = j.s;
    void          *a = solver_room(&j, n * n), *w = solver_room(&j, 2 * n), *v = solver_room(&j, n * n);
    solver_did(&j, s->Xgeev_bufferSize(s->handle, s->params, SOLVER_VALUES, job, n, j.type, a, n, j.type, w,
                                       j.type, nullptr, n, j.type, v, n, j.type, &j.device, &j.host));
    for (int64_t i = 0, count = solver_ready(&j); i < count; i++)
        WITH_REAL_CLASS(k, {
            C *const to = vectors ? (C *)wki_data(k->out[1]) + 2 * i * n * n : nullptr;
            if (solver_take(&j, x, i, (C *)a, 1, n) &&
                solver_did(&j, s->Xgeev(s->handle, s->params, SOLVER_VALUES, job, n, j.type, a, n, j.type, w,
                                        j.type, nullptr, n, j.type, v, n, j.type, j.work, j.device, s->host,
                                        j.host, j.info)) &&
                solver_settle(&j, i, nullptr, w, 2 * n))
                solver_goes_on(&j, launch(k, complex_kernel<C>, solver_blocks(n * n), 256, 0, (const C *)w,
                                          (const C *)v, n, (C *)wki_data(k->out[0]) + 2 * i * n, to));
        });
    return solver_end(&j, bytes, status);
}

wk_status CUDA(eig)(const wk_call *k)
{
    wk_status status = WK_EUNSUPPORTED;
    eig(k, nullptr, &status);
    return status;
}
size_t CUDA(eig_scratch)(const wk_call *k)
{
    size_t bytes = 0;
    eig(k, &bytes, nullptr);
    return bytes;
}
