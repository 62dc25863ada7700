/* Rows: tensors of the same sizes whose last dim is dense, a row of each to a block; elements by a type of
 * their own where all tensors have it, else by their dtypes. */
#ifndef WK_CUDA_ROWS_CUH
#define WK_CUDA_ROWS_CUH

#include "cuda/walk.cuh"

struct any_type {
};

template <typename T> struct reals {
    static DEVICE float get(const operand &o, int64_t at)
    {
        return element<float>((const T *)(const void *)o.data + at);
    }
    static DEVICE void put(const operand &o, int64_t at, float v)
    {
        ((T *)(void *)o.data)[at] = element_of<T>::value(v);
    }
};
template <> struct reals<any_type> {
    static DEVICE float get(const operand &o, int64_t at) { return load_any<float>(o.data, o.dtype, at); }
    static DEVICE void  put(const operand &o, int64_t at, float v)
    {
        store_any<float>(o.data, o.dtype, at, v);
    }
};

/* Walks over the dims before the last, of tensors with the sizes of t[0]; absent ones have no data. */
template <int N> static inline void walk_rows(walk<N> *w, const wk_tensor *t)
{
    memset((void *)w, 0, sizeof *w);
    w->n = 1;
    for (int o = 0; o < N; o++)
        if (!wki_cuda_none(t[o])) walk_operand(&w->of[o], t[o]);
    for (int i = 0; i + 1 < t[0]->ndim; i++) {
        int64_t stride[N];
        for (int o = 0; o < N; o++) stride[o] = wki_cuda_none(t[o]) ? 0 : t[o]->stride[i];
        walk_dim(w, t[0]->shape[i], stride);
        w->n *= t[0]->shape[i];
    }
    walk_close(w);
}
template <int N> static inline int common_dtype(const walk<N> &w)
{
    for (int o = 1; o < N; o++)
        if (w.of[o].data && w.of[o].dtype != w.of[0].dtype) return -1;
    return w.of[0].dtype;
}

/* Runs BODY with T as the element type of a dtype: f32, bf16, f16, or any other (-1: several). */
#define WITH_COMMON(dtype, ...)                                                                              \
    do {                                                                                                     \
        const int wk_common = (dtype);                                                                       \
        if (wk_common == WK_f32) {                                                                           \
            typedef float T;                                                                                 \
            __VA_ARGS__                                                                                      \
        } else if (wk_common == WK_bf16) {                                                                   \
            typedef bf16 T;                                                                                  \
            __VA_ARGS__                                                                                      \
        } else if (wk_common == WK_f16) {                                                                    \
            typedef f16 T;                                                                                   \
            __VA_ARGS__                                                                                      \
        } else {                                                                                             \
            typedef any_type T;                                                                              \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    } while (0)

/* The same for all tensors of a walk. */
#define WITH_REALS(w, ...) WITH_COMMON(common_dtype(w), __VA_ARGS__)

/* Threads for rows of n values. */
static inline unsigned row_threads(int64_t n)
{
    return n <= 256 ? 32 : n <= 1024 ? 128 : n <= 8192 ? 256 : 512;
}

#endif
