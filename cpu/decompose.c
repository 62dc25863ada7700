/* Orthogonal and spectral decompositions on the CPU, through LAPACK: QR, eigenvalues, singular values, least
 * squares. */
#include "cpu/linalg.h"

static const int ASK = -1;

static int to_int(int64_t n)
{
    return (int)n;
}

/* ---- QR: in A; out Q, R; attr.i[0]: 0 reduced, 1 complete, 2 no Q ----------------------------- */

/* The upper triangle of a column-major matrix becomes matrix number `index` of y. */
#define WK_UPPER(name, T)                                                                                    \
    static void upper_##name(const T *a, int64_t ld, wk_tensor y, int64_t index)                             \
    {                                                                                                        \
        const int64_t m = rows_of(y), n = cols_of(y);                                                        \
        T            *to = (T *)wki_data(y) + index * m * n;                                                 \
        for (int64_t i = 0; i < m; i++)                                                                      \
            for (int64_t j = 0; j < n; j++) to[i * n + j] = j < i ? 0 : a[j * ld + i];                       \
    }
WK_UPPER(f32, float)
WK_UPPER(f64, double)

/* Columns of the orthogonal factor in scratch. */
static int q_columns(const wk_call *k)
{
    const int64_t m = rows_of(k->in[0]), n = cols_of(k->in[0]);
    return to_int(k->attr.i[0] == 1 ? m : least(m, n));
}

static int qr_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0])), q = q_columns(k);
    const int      rank = m < n ? m : n;
    void          *a = carve(&scratch, (int64_t)m * (n > q ? n : q), value_bytes(k));
    void          *tau = carve(&scratch, rank, value_bytes(k));
    int            info = 0;
    take(k, k->in[0], index, a, m);
    b->l->geqrf[wide(k)](&m, &n, a, &m, tau, scratch, &b->work, &info);
    if (wide(k))
        upper_f64(a, m, k->out[1], index);
    else
        upper_f32(a, m, k->out[1], index);
    if (k->attr.i[0] == 2) return info;
    b->l->orgqr[wide(k)](&m, &q, &rank, a, &m, tau, scratch, &b->work, &info);
    put(k, k->out[0], index, a, m);
    return info;
}

/* Workspace of geqrf for m x n and of orgqr for m x q. */
static int64_t qr_work(const wk_call *k, int m, int n, int q)
{
    const struct wki_lapack *l = wki_lapack();
    if (!l) return 0;
    double    first[1] = {0}, second[1] = {0};
    const int rank = m < q ? m : q;
    int       info = 0;
    l->geqrf[wide(k)](&m, &n, first, &m, first, first, &ASK, &info);
    l->orgqr[wide(k)](&m, &q, &rank, second, &m, second, second, &ASK, &info);
    const int64_t a = asked(k, first), b = asked(k, second);
    return a > b ? a : b;
}

static struct batch qr_plan(const wk_call *k)
{
    const int    m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0])), q = q_columns(k);
    const double steps = (double)m * (double)n * (double)least(m, n);
    const int    work = to_int(qr_work(k, m, n, q));
    return (struct batch){.k = k,
                          .count = batch_count(k->in[0], 2),
                          .work = work,
                          .bytes = room_for((int64_t)m * (n > q ? n : q), value_bytes(k)) +
                                   room_for(least(m, n), value_bytes(k)) + room_for(work, value_bytes(k)),
                          .flops = 4 * steps + 1000,
                          .one = qr_one,
                          .problem = "argument %d"};
}
size_t CPU(qr_scratch)(const wk_call *k)
{
    return qr_plan(k).bytes * (size_t)wki_workers(k->device);
}
wk_status CPU(qr)(const wk_call *k)
{
    struct batch b = qr_plan(k);
    return CPU(batch_run)(&b);
}

/* ---- QR as LAPACK packs it: in A; out reflectors below R, and their factors tau --------------- */

static int geqrf_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0]));
    void          *a = carve(&scratch, (int64_t)m * n, value_bytes(k));
    int            info = 0;
    take(k, k->in[0], index, a, m);
    void *tau = address(k->out[1], index * least(m, n));
    b->l->geqrf[wide(k)](&m, &n, a, &m, tau, scratch, &b->work, &info);
    put(k, k->out[0], index, a, m);
    return info;
}

static struct batch geqrf_plan(const wk_call *k)
{
    const int    m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0]));
    const int    work = to_int(qr_work(k, m, n, to_int(least(m, n))));
    const double steps = (double)m * (double)n * (double)least(m, n);
    return (struct batch){.k = k,
                          .count = batch_count(k->in[0], 2),
                          .work = work,
                          .bytes = room_for((int64_t)m * n, value_bytes(k)) + room_for(work, value_bytes(k)),
                          .flops = 2 * steps + 1000,
                          .one = geqrf_one,
                          .problem = "argument %d"};
}
size_t CPU(geqrf_scratch)(const wk_call *k)
{
    return geqrf_plan(k).bytes * (size_t)wki_workers(k->device);
}
wk_status CPU(geqrf)(const wk_call *k)
{
    struct batch b = geqrf_plan(k);
    return CPU(batch_run)(&b);
}

/* ---- products of reflectors: in A, tau (dense); out Q ----------------------------------------- */

static int orgqr_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0]));
    const int      count = to_int(cols_of(k->in[1]));
    void          *a = carve(&scratch, (int64_t)m * n, value_bytes(k));
    int            info = 0;
    take(k, k->in[0], index, a, m);
    const void *tau = address(k->in[1], index * count);
    b->l->orgqr[wide(k)](&m, &n, &count, a, &m, tau, scratch, &b->work, &info);
    put(k, k->out[0], index, a, m);
    return info;
}

static struct batch orgqr_plan(const wk_call *k)
{
    const int    m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0]));
    const int    work = to_int(qr_work(k, m, n, n));
    const double steps = (double)m * (double)n * (double)cols_of(k->in[1]);
    return (struct batch){.k = k,
                          .count = batch_count(k->in[0], 2),
                          .work = work,
                          .bytes = room_for((int64_t)m * n, value_bytes(k)) + room_for(work, value_bytes(k)),
                          .flops = 2 * steps + 1000,
                          .one = orgqr_one,
                          .problem = "argument %d"};
}
size_t CPU(householder_product_scratch)(const wk_call *k)
{
    return orgqr_plan(k).bytes * (size_t)wki_workers(k->device);
}
wk_status CPU(householder_product)(const wk_call *k)
{
    struct batch b = orgqr_plan(k);
    return CPU(batch_run)(&b);
}

/* ---- symmetric A: out eigenvalues, with attr.i[0] vectors too; attr.i[1]: the upper triangle -- */

static int eigh_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      n = to_int(rows_of(k->in[0])), whole = 3 + 5 * n;
    void          *a = carve(&scratch, (int64_t)n * n, value_bytes(k));
    int           *whole_work = carve(&scratch, whole, sizeof *whole_work);
    int            info = 0;
    take(k, k->in[0], index, a, n);
    b->l->syevd[wide(k)](k->attr.i[0] ? "V" : "N", k->attr.i[1] ? "U" : "L", &n, a, &n,
                         address(k->out[0], index * n), scratch, &b->work, whole_work, &whole, &info, 1, 1);
    if (k->attr.i[0]) put(k, k->out[1], index, a, n);
    return info;
}

static struct batch eigh_plan(const wk_call *k)
{
    const struct wki_lapack *l = wki_lapack();
    const int                n = to_int(rows_of(k->in[0]));
    double                   work[1] = {0};
    int                      whole = 0, info = 0;
    if (l)
        l->syevd[wide(k)](k->attr.i[0] ? "V" : "N", "L", &n, work, &n, work, work, &ASK, &whole, &ASK, &info,
                          1, 1);
    const int size = to_int(asked(k, work));
    return (struct batch){.k = k,
                          .count = batch_count(k->in[0], 2),
                          .work = size,
                          .bytes = room_for((int64_t)n * n, value_bytes(k)) +
                                   room_for(3 + 5 * (int64_t)n, sizeof(int)) + room_for(size, value_bytes(k)),
                          .flops = 9.0 * n * n * n + 4000,
                          .one = eigh_one,
                          .problem = "%d eigenvalues did not converge"};
}
size_t CPU(eigh_scratch)(const wk_call *k)
{
    return eigh_plan(k).bytes * (size_t)wki_workers(k->device);
}
wk_status CPU(eigh)(const wk_call *k)
{
    struct batch b = eigh_plan(k);
    return CPU(batch_run)(&b);
}

/* ---- singular values: in A; out S, U, Vh; attr.i[0]: 0 values only, 1 reduced, 2 full --------- */

/* Columns of U and rows of Vh. */
static int sides(const wk_call *k, int m, int n, int *v)
{
    const int rank = m < n ? m : n;
    *v = k->attr.i[0] == 2 ? n : rank;
    return k->attr.i[0] == 2 ? m : rank;
}

static const char *svd_job(const wk_call *k)
{
    static const char *const jobs[] = {"N", "S", "A"};
    return jobs[k->attr.i[0]];
}

static int svd_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0])), rank = m < n ? m : n;
    const bool     vectors = k->attr.i[0] != 0;
    int            v = 0, u = sides(k, m, n, &v), info = 0;
    void          *a = carve(&scratch, (int64_t)m * n, value_bytes(k));
    int           *whole = carve(&scratch, 8 * (int64_t)rank, sizeof *whole);
    void          *us = vectors ? carve(&scratch, (int64_t)m * u, value_bytes(k)) : a;
    void          *vs = vectors ? carve(&scratch, (int64_t)v * n, value_bytes(k)) : a;
    take(k, k->in[0], index, a, m);
    b->l->gesdd[wide(k)](svd_job(k), &m, &n, a, &m, address(k->out[0], index * rank), us, &m, vs, &v, scratch,
                         &b->work, whole, &info, 1);
    if (!vectors) return info;
    put(k, k->out[1], index, us, m);
    put(k, k->out[2], index, vs, v);
    return info;
}

static struct batch svd_plan(const wk_call *k)
{
    const struct wki_lapack *l = wki_lapack();
    const int    m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0])), rank = m < n ? m : n;
    int          v = 0, u = sides(k, m, n, &v), whole = 0, info = 0;
    double       work[1] = {0};
    const double steps = (double)m * n * rank;
    if (l)
        l->gesdd[wide(k)](svd_job(k), &m, &n, work, &m, work, work, &m, work, &v, work, &ASK, &whole, &info,
                          1);
    const int size = to_int(asked(k, work));
    size_t    bytes = room_for((int64_t)m * n, value_bytes(k)) + room_for(8 * (int64_t)rank, sizeof(int)) +
                   room_for(size, value_bytes(k));
    if (k->attr.i[0])
        bytes += room_for((int64_t)m * u, value_bytes(k)) + room_for((int64_t)v * n, value_bytes(k));
    return (struct batch){.k = k,
                          .count = batch_count(k->in[0], 2),
                          .work = size,
                          .bytes = bytes,
                          .flops = 20 * steps + 8000,
                          .one = svd_one,
                          .problem = "%d off-diagonals did not converge"};
}
size_t CPU(svd_scratch)(const wk_call *k)
{
    return svd_plan(k).bytes * (size_t)wki_workers(k->device);
}
wk_status CPU(svd)(const wk_call *k)
{
    struct batch b = svd_plan(k);
    return CPU(batch_run)(&b);
}

/* ---- any square A: out eigenvalues, with attr.i[0] vectors too; complex ----------------------- */

/* LAPACK gives the vectors of a conjugate pair as real part, imaginary part. */
#define WK_PAIRS(name, T)                                                                                    \
    static void values_##name(const T *re, const T *im, int64_t n, T *out)                                   \
    {                                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            out[2 * i] = re[i];                                                                              \
            out[2 * i + 1] = im[i];                                                                          \
        }                                                                                                    \
    }                                                                                                        \
    static void vectors_##name(const T *v, const T *im, int64_t n, T *out)                                   \
    {                                                                                                        \
        for (int64_t j = 0; j < n; j++) {                                                                    \
            const bool    pair = im[j] != 0 && j + 1 < n;                                                    \
            const int64_t next = pair ? j + 1 : j;                                                           \
            for (int64_t i = 0; i < n; i++) {                                                                \
                const T re = v[j * n + i], up = pair ? v[next * n + i] : 0;                                  \
                out[2 * (i * n + j)] = out[2 * (i * n + next)] = re;                                         \
                out[2 * (i * n + next) + 1] = -up;                                                           \
                out[2 * (i * n + j) + 1] = up;                                                               \
            }                                                                                                \
            j = next;                                                                                        \
        }                                                                                                    \
    }
WK_PAIRS(f32, float)
WK_PAIRS(f64, double)

static int eig_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      n = to_int(rows_of(k->in[0])), one = 1;
    const bool     vectors = k->attr.i[0];
    void          *a = carve(&scratch, (int64_t)n * n, value_bytes(k));
    void          *re = carve(&scratch, n, value_bytes(k)), *im = carve(&scratch, n, value_bytes(k));
    void          *v = carve(&scratch, vectors ? (int64_t)n * n : 1, value_bytes(k));
    int            info = 0;
    take(k, k->in[0], index, a, n);
    b->l->geev[wide(k)]("N", vectors ? "V" : "N", &n, a, &n, re, im, v, &one, v, &n, scratch, &b->work, &info,
                        1, 1);
    void *w = address(k->out[0], index * n * 2);
    void *to = vectors ? address(k->out[1], index * n * n * 2) : NULL;
    if (wide(k)) {
        values_f64(re, im, n, w);
        if (vectors) vectors_f64(v, im, n, to);
    } else {
        values_f32(re, im, n, w);
        if (vectors) vectors_f32(v, im, n, to);
    }
    return info;
}

static struct batch eig_plan(const wk_call *k)
{
    const struct wki_lapack *l = wki_lapack();
    const int                n = to_int(rows_of(k->in[0])), one = 1;
    double                   work[1] = {0};
    int                      info = 0;
    if (l)
        l->geev[wide(k)]("N", k->attr.i[0] ? "V" : "N", &n, work, &n, work, work, work, &one, work, &n, work,
                         &ASK, &info, 1, 1);
    const int     size = to_int(asked(k, work));
    const int64_t square = (int64_t)n * n;
    return (struct batch){.k = k,
                          .count = batch_count(k->in[0], 2),
                          .work = size,
                          .bytes = room_for(square, value_bytes(k)) + 2 * room_for(n, value_bytes(k)) +
                                   room_for(k->attr.i[0] ? square : 1, value_bytes(k)) +
                                   room_for(size, value_bytes(k)),
                          .flops = 25.0 * (double)square * n + 8000,
                          .one = eig_one,
                          .problem = "%d eigenvalues did not converge"};
}
size_t CPU(eig_scratch)(const wk_call *k)
{
    return eig_plan(k).bytes * (size_t)wki_workers(k->device);
}
wk_status CPU(eig)(const wk_call *k)
{
    struct batch b = eig_plan(k);
    return CPU(batch_run)(&b);
}

/* ---- least squares: in A, B; out X, rank, singular values of A; attr.f[0]: the relative cut --- */

static int lstsq_one(const struct batch *b, int64_t index, char *scratch)
{
    const wk_call *k = b->k;
    const int      m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0])), less = m < n ? m : n;
    const int      columns = to_int(cols_of(k->in[1])), more = m > n ? m : n;
    const float    cut_f32 = (float)k->attr.f[0];
    const double   cut_f64 = k->attr.f[0];
    const void    *cut = wide(k) ? (const void *)&cut_f64 : (const void *)&cut_f32;
    void          *a = carve(&scratch, (int64_t)m * n, value_bytes(k));
    void          *x = carve(&scratch, (int64_t)more * columns, value_bytes(k));
    int           *whole = carve(&scratch, 107 * (int64_t)less + 1, sizeof *whole), rank = 0, info = 0;
    take(k, k->in[0], index, a, m);
    take(k, k->in[1], index, x, more);
    b->l->gelsd[wide(k)](&m, &n, &columns, a, &m, x, &more, address(k->out[2], index * less), cut, &rank,
                         scratch, &b->work, whole, &info);
    put(k, k->out[0], index, x, more);
    ((int64_t *)wki_data(k->out[1]))[index] = rank;
    return info;
}

static struct batch lstsq_plan(const wk_call *k)
{
    const struct wki_lapack *l = wki_lapack();
    const int    m = to_int(rows_of(k->in[0])), n = to_int(cols_of(k->in[0])), less = m < n ? m : n;
    const int    columns = to_int(cols_of(k->in[1])), more = m > n ? m : n;
    double       work[1] = {0};
    const double cut = 0;
    int          whole = 0, rank = 0, info = 0;
    if (l)
        l->gelsd[wide(k)](&m, &n, &columns, work, &m, work, &more, work, &cut, &rank, work, &ASK, &whole,
                          &info);
    const int size = to_int(asked(k, work));
    return (struct batch){.k = k,
                          .count = batch_count(k->in[0], 2),
                          .work = size,
                          .bytes = room_for((int64_t)m * n, value_bytes(k)) +
                                   room_for((int64_t)more * columns, value_bytes(k)) +
                                   room_for(107 * (int64_t)less + 1, sizeof(int)) +
                                   room_for(size, value_bytes(k)),
                          .flops = 12.0 * m * n * less + 4.0 * more * less * columns + 8000,
                          .one = lstsq_one,
                          .problem = "%d singular values did not converge"};
}
size_t CPU(lstsq_scratch)(const wk_call *k)
{
    return lstsq_plan(k).bytes * (size_t)wki_workers(k->device);
}
wk_status CPU(lstsq)(const wk_call *k)
{
    struct batch b = lstsq_plan(k);
    return CPU(batch_run)(&b);
}
