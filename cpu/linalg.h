/* What the kernels of linear algebra share: batches of matrices, column by column as LAPACK wants them. */
#ifndef WK_CPU_LINALG_H
#define WK_CPU_LINALG_H

#include "cpu/kernel.h"
#include "cpu/lapack.h"

#include <stdatomic.h>
#include <stdio.h>

/* A call over many matrices. one() does matrix number `index` in a worker's own scratch and returns LAPACK's
 * info: not 0 where there is no result. */
struct batch {
    const wk_call           *k;
    const struct wki_lapack *l;
    int64_t                  count;
    size_t                   bytes; /* scratch per worker */
    double                   flops; /* of one matrix */
    int                      work;  /* values of workspace for LAPACK */
    int (*one)(const struct batch *b, int64_t index, char *scratch);
    const char     *problem; /* what info says */
    bool            tolerant;
    _Atomic int64_t first; /* index << 32 | info of the first matrix without a result */
};

INLINE int wide(const wk_call *k)
{
    return k->cls == WK_CLASS_F64;
}
INLINE int64_t value_bytes(const wk_call *k)
{
    return wide(k) ? 8 : 4;
}
/* Matrices of a tensor, less its last `inner` dims. */
INLINE int64_t batch_count(wk_tensor x, int inner)
{
    int64_t n = 1;
    for (int i = 0; i < x->ndim - inner; i++) n *= x->shape[i];
    return n;
}
INLINE int64_t rows_of(wk_tensor x)
{
    return x->shape[x->ndim - 2];
}
INLINE int64_t cols_of(wk_tensor x)
{
    return x->shape[x->ndim - 1];
}
/* Element at which matrix number `index` begins. */
INLINE int64_t matrix_at(wk_tensor x, int64_t index)
{
    int64_t at = 0;
    for (int i = x->ndim - 3; i >= 0; i--) {
        at += index % x->shape[i] * x->stride[i];
        index /= x->shape[i];
    }
    return at;
}
/* n values of scratch, from *at on. */
INLINE void *carve(char **at, int64_t n, int64_t bytes)
{
    void *here = *at;
    *at += (n * bytes + 63) / 64 * 64;
    return here;
}
INLINE size_t room_for(int64_t n, int64_t bytes)
{
    return (size_t)((n * bytes + 63) / 64 * 64);
}
INLINE int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A workspace query's answer. */
INLINE int64_t asked(const wk_call *k, const void *work)
{
    const double n = wide(k) ? *(const double *)work : (double)*(const float *)work;
    return (int64_t)(n * 1.0000002) + 1; /* f32 has rounded */
}

/* between rows and columns: out[j * ld + i] = in[i * rs + j * cs] for i < m, j < n */
#define WK_TURN(name, T)                                                                                     \
    INLINE void turn_##name(const T *in, int64_t rs, int64_t cs, int64_t m, int64_t n, T *out, int64_t ld)   \
    {                                                                                                        \
        enum { SIDE = 16 };                                                                                  \
        for (int64_t i0 = 0; i0 < m; i0 += SIDE)                                                             \
            for (int64_t j0 = 0; j0 < n; j0 += SIDE)                                                         \
                for (int64_t j = j0; j < n && j < j0 + SIDE; j++)                                            \
                    for (int64_t i = i0; i < m && i < i0 + SIDE; i++) out[j * ld + i] = in[i * rs + j * cs]; \
    }
WK_TURN(f32, float)
WK_TURN(f64, double)

/* Matrix number `index` of x, column by column. */
INLINE void take(const wk_call *k, wk_tensor x, int64_t index, void *to, int64_t ld)
{
    const int64_t rs = x->stride[x->ndim - 2], cs = x->stride[x->ndim - 1];
    const void   *from = address(x, matrix_at(x, index));
    if (wide(k))
        turn_f64(from, rs, cs, rows_of(x), cols_of(x), to, ld);
    else
        turn_f32(from, rs, cs, rows_of(x), cols_of(x), to, ld);
}
/* Back into matrix number `index` of y, which is dense. */
INLINE void put(const wk_call *k, wk_tensor y, int64_t index, const void *from, int64_t ld)
{
    const int64_t m = rows_of(y), n = cols_of(y);
    void         *to = address(y, index * m * n);
    if (wide(k))
        turn_f64(from, ld, 1, n, m, to, n);
    else
        turn_f32(from, ld, 1, n, m, to, n);
}

/* Runs b->one over all matrices, spread over threads. */
wk_status CPU(batch_run)(struct batch *b);

#endif
