/* Walking over tensors of any strides: dims merged where they lie end to end, tiles read by position in the
 * result. */
#ifndef WK_CPU_WALK_H
#define WK_CPU_WALK_H

#include "cpu/kernel.h"

#define WALK_MAX 5 /* tensors walked together */

/* Elements by their size alone, wherever they lie. */
typedef int8_t  any8;
typedef int16_t any16 __attribute__((aligned(1), may_alias));
typedef int32_t any32 __attribute__((aligned(1), may_alias));
typedef int64_t any64 __attribute__((aligned(1), may_alias));

struct walk {
    int     ndim; /* at least 1 */
    int64_t n, shape[WK_MAX_DIMS], stride[WALK_MAX][WK_MAX_DIMS];
};

/* Appends a dim, merging it into the last one where every tensor's strides allow. */
INLINE void walk_dim(struct walk *w, int n, int64_t size, const int64_t *stride)
{
    if (size == 1) return;
    const int last = w->ndim - 1;
    bool      merge = last >= 0;
    for (int o = 0; o < n && merge; o++) merge = w->stride[o][last] == stride[o] * size;
    const int at = merge ? last : w->ndim++;
    w->shape[at] = merge ? w->shape[at] * size : size;
    for (int o = 0; o < n; o++) w->stride[o][at] = stride[o];
}

/* Strides of n tensors broadcast to y's shape, in one order of dims. */
INLINE void walk_over(struct walk *w, wk_tensor y, int n, const wk_tensor *x)
{
    w->ndim = 0;
    w->n = 1;
    for (int i = 0; i < y->ndim; i++) {
        int64_t stride[WALK_MAX];
        for (int o = 0; o < n; o++) {
            const int j = i - (y->ndim - x[o]->ndim);
            stride[o] = j < 0 || (x[o]->shape[j] == 1 && y->shape[i] != 1) ? 0 : x[o]->stride[j];
        }
        walk_dim(w, n, y->shape[i], stride);
        w->n *= y->shape[i];
    }
    if (w->ndim) return;
    w->ndim = 1;
    w->shape[0] = 1;
    for (int o = 0; o < n; o++) w->stride[o][0] = 1;
}

/* Where position `at` of the walk lies in tensor o; *left: positions to the end of its innermost dim. */
INLINE int64_t walk_offset(const struct walk *w, int o, int64_t at, int64_t *left)
{
    const int last = w->ndim - 1;
    int64_t   offset = 0, col = at;
    if (last) {
        int64_t row = at / w->shape[last];
        col = at % w->shape[last];
        for (int i = last - 1; i >= 0; i--) {
            offset += row % w->shape[i] * w->stride[o][i];
            row /= w->shape[i];
        }
    }
    *left = w->shape[last] - col;
    return offset + col * w->stride[o][last];
}

/* Offsets of successive rows (runs of the innermost dim) of tensor o. */
struct walk_row {
    int64_t index[WK_MAX_DIMS], offset;
};
INLINE void walk_row_at(struct walk_row *r, const struct walk *w, int o, int64_t row)
{
    r->offset = 0;
    for (int i = w->ndim - 2; i >= 0; i--) {
        r->index[i] = row % w->shape[i];
        r->offset += r->index[i] * w->stride[o][i];
        row /= w->shape[i];
    }
}
INLINE void walk_row_next(struct walk_row *r, const struct walk *w, int o)
{
    for (int i = w->ndim - 2; i >= 0; i--) {
        r->offset += w->stride[o][i];
        if (++r->index[i] < w->shape[i]) return;
        r->offset -= w->shape[i] * w->stride[o][i];
        r->index[i] = 0;
    }
}

/* n values of x, tensor o of the walk, from position at. */
#define WK_WALK(cls, type, own)                                                                              \
    INLINE const type *walk_##cls(const struct walk *w, int o, wk_tensor x, int64_t at, int64_t n,           \
                                  type *buffer)                                                              \
    {                                                                                                        \
        const int64_t stride = w->stride[o][w->ndim - 1], cols = w->shape[w->ndim - 1];                      \
        int64_t       left, offset = walk_offset(w, o, at, &left);                                           \
        if (n <= left) return load_##cls##_strided(x, offset, stride, n, buffer);                            \
        struct walk_row r;                                                                                   \
        walk_row_at(&r, w, o, at / cols);                                                                    \
        const bool plain = x->dtype == own && cols < 64;                                                     \
        for (int64_t done = 0, from = cols - left;; from = 0) {                                              \
            const int64_t m = cols - from < n - done ? cols - from : n - done;                               \
            offset = r.offset + from * stride;                                                               \
            if (plain) {                                                                                     \
                const type *v = (const type *)(const void *)address(x, 0) + offset;                          \
                for (int64_t i = 0; i < m; i++) buffer[done + i] = v[i * stride];                            \
            } else {                                                                                         \
                const type *v = load_##cls##_strided(x, offset, stride, m, buffer + done);                   \
                if (v != buffer + done) memcpy(buffer + done, v, (size_t)m * sizeof *v);                     \
            }                                                                                                \
            done += m;                                                                                       \
            if (done == n) return buffer;                                                                    \
            walk_row_next(&r, w, o);                                                                         \
        }                                                                                                    \
    }
WK_WALK(f32, float, WK_f32)
WK_WALK(f64, double, WK_f64)
WK_WALK(i64, int64_t, WK_i64)

/* All of tensor o is one value. */
INLINE bool walk_constant(const struct walk *w, int o)
{
    for (int i = 0; i < w->ndim; i++)
        if (w->stride[o][i] != 0 && w->shape[i] > 1) return false;
    return true;
}

#endif
