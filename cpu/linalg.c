/* Linear systems on the CPU, through LAPACK: LU, Cholesky and triangular factors, and what they solve. */
#include "cpu/linalg.h"

/* ---- batches --------------------------------------------------------------------------------- */

static void piece(void *arg, int64_t first, int64_t last, int worker)
{
    struct batch *b = arg;
    char         *scratch = (char *)b->k->scratch + (size_t)worker * b->bytes;
    for (int64_t i = first; i < last; i++) {
        const int info = b->one(b, i, scratch);
        if (info == 0 || b->tolerant) continue;
        const int64_t mine = i << 32 | (int64_t)(info < 0 ? 0 : info);
        int64_t       seen = atomic_load(&b->first);
        while (mine < seen && !atomic_compare_exchange_weak(&b->first, &seen, mine)) continue;
    }
}

wk_status CPU(batch_run)(struct batch *b)
{
    const wk_call *k = b->k;
    b->l = wki_lapack();
    if (!b->l) {
        snprintf(k->message, WKI_CALL_MESSAGE, "OpenBLAS with LAPACK in it (libopenblas.so.0) is wanted");
        return WK_EUNSUPPORTED;
    }
    atomic_store(&b->first, INT64_MAX);
    const double grain = 65536 / (b->flops + 256);
    wki_parallel(k->device, b->count, grain < 1 ? 1 : (int64_t)grain, piece, b);
    const int64_t first = atomic_load(&b->first);
    if (first == INT64_MAX) return WK_OK;
    char which[48] = "";
    if (b->count > 1) snprintf(which, sizeof which, "matrix %lld of the batch: ", (long long)(first >> 32));
    snprintf(k->message, WKI_CALL_MESSAGE, "%s", which);
    const size_t n = strlen(which);
    snprintf(k->message + n, WKI_CALL_MESSAGE - n, b->problem, (int)(first & INT32_MAX));
    return WK_ELINALG;
}

static int32_t *info_of(const wk_call *k, int output, int64_t index)
{
    return (int32_t *)wki_data(k->out[output]) + index;
}
static int to_int(int64_t n)
{
    return (int)n;
}

/* ---- LU: in A; out LU packed, pivots, info; attr.i[0]: a zero pivot is no error -------------- */

static int lu_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0]));
    int           *info = info_of(k, 2, index);
    take(k, k->in[0], index, scratch, m);
    b->l->getrf[wide(k)](&m, &n, scratch, &m, info_of(k, 1, index * least(m, n)), info);
    put(k, k->out[0], index, scratch, m);
    return *info;
}

size_t CPU(lu_factor_scratch)(const wk_call *k)
{
    return room_for(rows_of(k->in[0]) * cols_of(k->in[0]), value_bytes(k)) * (size_t)wki_workers(k->device);
}

wk_status CPU(lu_factor)(const wk_call *k)
{
    const int64_t m = rows_of(k->in[0]), n = cols_of(k->in[0]);
    struct batch  b = {.k = k,
                       .count = batch_count(k->in[0], 2),
                       .bytes = room_for(m * n, value_bytes(k)),
                       .flops = (double)m * (double)n * (double)least(m, n),
                       .one = lu_one,
                       .problem = "pivot %d is zero: the matrix is singular",
                       .tolerant = k->attr.i[0]};
    return CPU(batch_run)(&b);
}

/* ---- LU's row exchanges as a permutation: row i of P L U is row out[i] of L U ---------------- */

wk_status CPU(lu_order)(const wk_call *k)
{
    const wk_tensor y = k->out[0];
    const int64_t   m = cols_of(y), n = cols_of(k->in[0]), count = batch_count(y, 1);
    const int32_t  *pivots = wki_data(k->in[0]);
    int64_t        *order = wki_data(y);
    for (int64_t b = 0; b < count; b++, pivots += n, order += m) {
        for (int64_t i = 0; i < m; i++) order[i] = i;
        for (int64_t i = n - 1; i >= 0; i--) {
            const int64_t j = pivots[i] - 1;
            if (j < 0 || j >= m) {
                snprintf(k->message, WKI_CALL_MESSAGE, "pivot %lld, of %lld rows", (long long)j + 1,
                         (long long)m);
                return WK_EINDEX;
            }
            const int64_t t = order[i];
            order[i] = order[j];
            order[j] = t;
        }
    }
    return WK_OK;
}

/* ---- LU's solutions: in LU, pivots, B; out X; attr.i[0]: of the transposed system ------------ */

static int lu_solve_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      n = to_int(rows_of(k->in[2])), columns = to_int(cols_of(k->in[2]));
    void          *a = carve(&scratch, (int64_t)n * n, value_bytes(k));
    int            info = 0;
    take(k, k->in[0], index, a, n);
    take(k, k->in[2], index, scratch, n);
    const int *pivots = (const int32_t *)wki_data(k->in[1]) + index * n;
    for (int i = 0; i < n; i++)
        if (pivots[i] < 1 || pivots[i] > n) return i + 1;
    b->l->getrs[wide(k)](k->attr.i[0] ? "T" : "N", &n, &columns, a, &n, pivots, scratch, &n, &info, 1);
    put(k, k->out[0], index, scratch, n);
    return 0;
}

static size_t pair_bytes(const wk_call *k, int b)
{
    const int64_t n = rows_of(k->in[b]);
    return room_for(n * n, value_bytes(k)) + room_for(n * cols_of(k->in[b]), value_bytes(k));
}
size_t CPU(lu_solve_scratch)(const wk_call *k)
{
    return pair_bytes(k, 2) * (size_t)wki_workers(k->device);
}

wk_status CPU(lu_solve)(const wk_call *k)
{
    const double n = (double)rows_of(k->in[2]);
    struct batch b = {.k = k,
                      .count = batch_count(k->in[2], 2),
                      .bytes = pair_bytes(k, 2),
                      .flops = n * n * (2 * (double)cols_of(k->in[2]) + 4),
                      .one = lu_solve_one,
                      .problem = "pivot %d is no row's number"};
    return CPU(batch_run)(&b);
}

/* ---- systems: in A, B; out X, info; attr.i[0]: a singular A is no error ---------------------- */

static int solve_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      n = to_int(rows_of(k->in[1])), columns = to_int(cols_of(k->in[1]));
    void          *a = carve(&scratch, (int64_t)n * n, value_bytes(k));
    int           *pivots = carve(&scratch, n, sizeof *pivots), *info = info_of(k, 1, index), none = 0;
    take(k, k->in[0], index, a, n);
    take(k, k->in[1], index, scratch, n);
    b->l->getrf[wide(k)](&n, &n, a, &n, pivots, info);
    b->l->getrs[wide(k)]("N", &n, &columns, a, &n, pivots, scratch, &n, &none, 1);
    put(k, k->out[0], index, scratch, n);
    return *info;
}

static size_t solve_bytes(const wk_call *k)
{
    return pair_bytes(k, 1) + room_for(rows_of(k->in[1]), sizeof(int));
}
size_t CPU(solve_scratch)(const wk_call *k)
{
    return solve_bytes(k) * (size_t)wki_workers(k->device);
}

wk_status CPU(solve)(const wk_call *k)
{
    const double n = (double)rows_of(k->in[1]);
    struct batch b = {.k = k,
                      .count = batch_count(k->in[1], 2),
                      .bytes = solve_bytes(k),
                      .flops = n * n * (n + 2 * (double)cols_of(k->in[1]) + 8),
                      .one = solve_one,
                      .problem = "the matrix is singular: pivot %d is zero",
                      .tolerant = k->attr.i[0]};
    return CPU(batch_run)(&b);
}

/* ---- inverses: in A; out its inverse, info; attr.i[0]: a singular A is no error -------------- */

static int64_t inverse_work(const wk_call *k)
{
    const struct wki_lapack *l = wki_lapack();
    if (!l) return 0;
    const int n = to_int(rows_of(k->in[0])), ask = -1;
    double    work[1] = {0};
    int       info = 0;
    l->getri[wide(k)](&n, work, &n, &info, work, &ask, &info);
    return asked(k, work);
}

static int inverse_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      n = to_int(rows_of(k->in[0]));
    void          *a = carve(&scratch, (int64_t)n * n, value_bytes(k));
    int           *pivots = carve(&scratch, n, sizeof *pivots), *info = info_of(k, 1, index), none = 0;
    take(k, k->in[0], index, a, n);
    b->l->getrf[wide(k)](&n, &n, a, &n, pivots, info);
    if (*info == 0) b->l->getri[wide(k)](&n, a, &n, pivots, scratch, &b->work, &none);
    put(k, k->out[0], index, a, n);
    return *info;
}

static size_t inverse_bytes(const wk_call *k, int64_t work)
{
    const int64_t n = rows_of(k->in[0]);
    return room_for(n * n, value_bytes(k)) + room_for(n, sizeof(int)) + room_for(work, value_bytes(k));
}
size_t CPU(inv_scratch)(const wk_call *k)
{
    return inverse_bytes(k, inverse_work(k)) * (size_t)wki_workers(k->device);
}

wk_status CPU(inv)(const wk_call *k)
{
    const double n = (double)rows_of(k->in[0]);
    struct batch b = {.k = k,
                      .work = to_int(inverse_work(k)),
                      .count = batch_count(k->in[0], 2),
                      .bytes = inverse_bytes(k, inverse_work(k)),
                      .flops = n * n * (2 * n + 8),
                      .one = inverse_one,
                      .problem = "the matrix is singular: pivot %d is zero",
                      .tolerant = k->attr.i[0]};
    return CPU(batch_run)(&b);
}

/* ---- determinants: in A; out det, or with attr.i[0] its sign and the logarithm of its size --- */

#define WK_DETERMINANT(name, T, ABS, LOG)                                                                    \
    static void det_##name(const wk_call *k, const T *a, int64_t n, const int *pivots, int64_t index)        \
    {                                                                                                        \
        T sign = 1, product = 1, logs = 0;                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            const T d = pivots[i] != i + 1 ? -a[i * n + i] : a[i * n + i];                                   \
            product *= d;                                                                                    \
            logs += LOG(ABS(d));                                                                             \
            sign *= d > 0 ? 1 : d < 0 ? -1 : d; /* 0 and NaN stay */                                         \
        }                                                                                                    \
        ((T *)wki_data(k->out[0]))[index] = k->attr.i[0] ? sign : product;                                   \
        if (k->attr.i[0]) ((T *)wki_data(k->out[1]))[index] = logs;                                          \
    }
WK_DETERMINANT(f32, float, fabsf, logf)
WK_DETERMINANT(f64, double, fabs, log)

static int det_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      n = to_int(rows_of(k->in[0]));
    void          *a = carve(&scratch, (int64_t)n * n, value_bytes(k));
    int           *pivots = (int *)(void *)scratch, info = 0;
    take(k, k->in[0], index, a, n);
    b->l->getrf[wide(k)](&n, &n, a, &n, pivots, &info);
    if (wide(k))
        det_f64(k, a, n, pivots, index);
    else
        det_f32(k, a, n, pivots, index);
    return 0;
}

static size_t det_bytes(const wk_call *k)
{
    const int64_t n = rows_of(k->in[0]);
    return room_for(n * n, value_bytes(k)) + room_for(n, sizeof(int));
}
size_t CPU(det_scratch)(const wk_call *k)
{
    return det_bytes(k) * (size_t)wki_workers(k->device);
}

wk_status CPU(det)(const wk_call *k)
{
    const double n = (double)rows_of(k->in[0]);
    struct batch b = {.k = k,
                      .count = batch_count(k->in[0], 2),
                      .bytes = det_bytes(k),
                      .flops = n * n * (n + 4),
                      .one = det_one,
                      .problem = ""};
    return CPU(batch_run)(&b);
}

/* ---- Cholesky: in A; out the factor, info; attr.i: upper, an indefinite A is no error -------- */

/* Sets the other triangle of a column-major matrix to zero. */
static void one_triangle(const wk_call *k, void *a, int64_t n, bool upper)
{
    const size_t bytes = (size_t)value_bytes(k);
    for (int64_t j = 0; j < n; j++) {
        char *column = (char *)a + (size_t)(j * n) * bytes;
        if (upper)
            memset(column + (size_t)(j + 1) * bytes, 0, (size_t)(n - j - 1) * bytes);
        else
            memset(column, 0, (size_t)j * bytes);
    }
}

static int cholesky_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      n = to_int(rows_of(k->in[0]));
    const bool     upper = k->attr.i[0];
    int           *info = info_of(k, 1, index);
    take(k, k->in[0], index, scratch, n);
    b->l->potrf[wide(k)](upper ? "U" : "L", &n, scratch, &n, info, 1);
    one_triangle(k, scratch, n, upper);
    put(k, k->out[0], index, scratch, n);
    return *info;
}

static size_t square_bytes(const wk_call *k)
{
    return room_for(rows_of(k->in[0]) * rows_of(k->in[0]), value_bytes(k));
}
size_t CPU(cholesky_scratch)(const wk_call *k)
{
    return square_bytes(k) * (size_t)wki_workers(k->device);
}

wk_status CPU(cholesky)(const wk_call *k)
{
    const double n = (double)rows_of(k->in[0]);
    struct batch b = {.k = k,
                      .count = batch_count(k->in[0], 2),
                      .bytes = square_bytes(k),
                      .flops = n * n * (n / 2 + 4),
                      .one = cholesky_one,
                      .problem = "the leading minor of order %d is not positive",
                      .tolerant = k->attr.i[1]};
    return CPU(batch_run)(&b);
}

/* ---- triangular systems: in A, B; out X; attr.i: upper, ones on the diagonal ----------------- */

static int triangular_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      n = to_int(rows_of(k->in[1])), columns = to_int(cols_of(k->in[1]));
    void          *a = carve(&scratch, (int64_t)n * n, value_bytes(k));
    const float    one_f32 = 1;
    const double   one_f64 = 1;
    const void    *one = wide(k) ? (const void *)&one_f64 : (const void *)&one_f32;
    take(k, k->in[0], index, a, n);
    take(k, k->in[1], index, scratch, n);
    b->l->trsm[wide(k)]("L", k->attr.i[0] ? "U" : "L", "N", k->attr.i[1] ? "U" : "N", &n, &columns, one, a,
                        &n, scratch, &n, 1, 1, 1, 1);
    put(k, k->out[0], index, scratch, n);
    return 0;
}

size_t CPU(solve_triangular_scratch)(const wk_call *k)
{
    return pair_bytes(k, 1) * (size_t)wki_workers(k->device);
}

wk_status CPU(solve_triangular)(const wk_call *k)
{
    const double n = (double)rows_of(k->in[1]);
    struct batch b = {.k = k,
                      .count = batch_count(k->in[1], 2),
                      .bytes = pair_bytes(k, 1),
                      .flops = n * n * ((double)cols_of(k->in[1]) + 4),
                      .one = triangular_one,
                      .problem = ""};
    return CPU(batch_run)(&b);
}
