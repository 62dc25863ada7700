/* Tensors of any strides as kernels see them: dims merged where they lie end to end, elements by their
 * position in the result. */
#ifndef WK_CUDA_WALK_CUH
#define WK_CUDA_WALK_CUH

#include "cuda/kernel.cuh"

struct operand {
    char   *data;
    int     dtype;
    bool    aligned; /* begins at a multiple of 16 bytes */
    bool    constant;
    int64_t stride[WK_MAX_DIMS];
};

template <int N> struct walk { /* N tensors */
    int64_t n, shape[WK_MAX_DIMS];
    int     ndim;  /* at least 1 */
    bool    small; /* positions fit in 31 bits */
    operand of[N];
};

static inline void walk_operand(operand *o, wk_tensor x)
{
    memset(o, 0, sizeof *o);
    o->data = (char *)wki_data(x);
    o->dtype = (int)x->dtype;
}

/* Appends a dim, merged into the last one where every tensor's strides allow. */
template <int N> static inline void walk_dim(walk<N> *w, int64_t size, const int64_t *stride)
{
    if (size == 1) return;
    const int last = w->ndim - 1;
    bool      merge = last >= 0;
    for (int o = 0; o < N && merge; o++) merge = w->of[o].stride[last] == stride[o] * size;
    const int at = merge ? last : w->ndim++;
    w->shape[at] = merge ? w->shape[at] * size : size;
    for (int o = 0; o < N; o++) w->of[o].stride[at] = stride[o];
}

/* Closes a walk whose dims have been appended. */
template <int N> static inline void walk_close(walk<N> *w)
{
    if (!w->ndim) {
        w->ndim = 1;
        w->shape[0] = 1;
        for (int o = 0; o < N; o++) w->of[o].stride[0] = 1;
    }
    w->small = w->n < (int64_t)1 << 31;
    for (int o = 0; o < N; o++) {
        operand *p = &w->of[o];
        p->aligned = (uintptr_t)p->data % 16 == 0;
        p->constant = true;
        for (int i = 0; i < w->ndim; i++) p->constant &= p->stride[i] == 0 || w->shape[i] <= 1;
    }
}

/* Tensor 0 is y; the others are broadcast to it. */
template <int N> static inline void walk_over(walk<N> *w, wk_tensor y, const wk_tensor *x)
{
    memset(w, 0, sizeof *w);
    w->n = 1;
    walk_operand(&w->of[0], y);
    for (int o = 1; o < N; o++) walk_operand(&w->of[o], x[o - 1]);
    for (int i = 0; i < y->ndim; i++) {
        int64_t stride[N];
        stride[0] = y->stride[i];
        for (int o = 1; o < N; o++) {
            const int j = i - (y->ndim - x[o - 1]->ndim);
            stride[o] = j < 0 || (x[o - 1]->shape[j] == 1 && y->shape[i] != 1) ? 0 : x[o - 1]->stride[j];
        }
        walk_dim(w, y->shape[i], stride);
        w->n *= y->shape[i];
    }
    walk_close(w);
}

/* Are all tensors dense and of y's dtype, or constants, so that packs of 16 bytes can be had of each? */
template <int N> static inline bool walk_packs(const walk<N> &w)
{
    for (int o = 0; o < N; o++) {
        const operand &p = w.of[o];
        if (o && p.constant) continue;
        if (w.ndim != 1 || (p.stride[0] != 1 && w.n > 1) || p.dtype != w.of[0].dtype || !p.aligned)
            return false;
    }
    return true;
}

/* Elements from the start of a tensor of these dims to position `at`. */
__device__ __noinline__ static __attribute__((unused)) int64_t walk_offset(const int64_t *shape,
                                                                           const int64_t *stride, int ndim,
                                                                           bool small, int64_t at)
{
    int64_t offset = 0;
    if (small) {
        uint32_t rest = (uint32_t)at;
        for (int i = ndim - 1; i > 0; i--) {
            const uint32_t size = (uint32_t)shape[i], index = rest % size;
            rest /= size;
            offset += (int64_t)index * stride[i];
        }
        return offset + (int64_t)rest * stride[0];
    }
    for (int i = ndim - 1; i > 0; i--) {
        offset += at % shape[i] * stride[i];
        at /= shape[i];
    }
    return offset + at * stride[0];
}
template <int N> DEVICE int64_t walk_at(const walk<N> &w, int o, int64_t at)
{
    if (w.of[o].constant) return 0;
    return w.ndim == 1 ? at * w.of[o].stride[0] : walk_offset(w.shape, w.of[o].stride, w.ndim, w.small, at);
}
template <typename C, int N> DEVICE C walk_load(const walk<N> &w, int o, int64_t at)
{
    return load_any<C>(w.of[o].data, w.of[o].dtype, walk_at(w, o, at));
}
template <typename C, int N> DEVICE void walk_store(const walk<N> &w, int o, int64_t at, C v)
{
    store_any<C>(w.of[o].data, w.of[o].dtype, walk_at(w, o, at), v);
}

#endif
