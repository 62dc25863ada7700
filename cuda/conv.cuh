/* A convolution as sums over taps: how places of x, of the weight and of the result belong together. */
#ifndef WK_CUDA_CONV_CUH
#define WK_CUDA_CONV_CUH

#include "cuda/kernel.cuh"

/* Element types: one that all operands have, or any. */
struct any_type {
};
template <typename C, typename T> struct typed {
    static DEVICE C    get(const void *p, int, int64_t i) { return element<C>((const T *)p + i); }
    static DEVICE void put(void *p, int, int64_t i, C v) { ((T *)p)[i] = element_of<T>::value(v); }
};
template <typename C> struct typed<C, any_type> {
    static DEVICE C    get(const void *p, int dtype, int64_t i) { return load_any<C>(p, dtype, i); }
    static DEVICE void put(void *p, int dtype, int64_t i, C v) { store_any<C>(p, dtype, i, v); }
};

/* Place j of a dim of the result is its place o0 + j os; tap t is tap k0 + t ks of the weight, and place
 * i0 + j is + t ts of x. */
struct conv_dim {
    int64_t in, out, full, o0, os, ker, taps, k0, ks, i0, is,
        ts; /* full: the result's size; ker: the weight's */
};
struct conv {
    const void *x, *w, *bias;
    void       *y;
    int         dtype;
    int64_t     images, groups, c, m, wc, wm; /* channels of a group of x and of y, and the weight's steps */
    int64_t     along[5];                     /* x's strides */
    int64_t     taps, places, all_taps, all_places, groups_step;
    conv_dim    dim[3];
};

/* Tap and channel number `i` of a group (taps fastest): where x is, from the place that `at` begins at, or
 * -1; *w: the weight's element. */
DEVICE int64_t conv_source(const conv &o, int64_t i, const int64_t *j, int64_t *w)
{
    int64_t tap[3], rest = i;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        const uint32_t n = (uint32_t)o.dim[d].taps;
        if (rest <= UINT32_MAX) {
            tap[d] = (uint32_t)rest % n;
            rest = (uint32_t)rest / n;
        } else {
            tap[d] = rest % n;
            rest /= n;
        }
    }
    *w = rest * o.wc;
    int64_t from = rest * o.along[1], k = 0;
    bool    in = true;
#pragma unroll
    for (int d = 0; d < 3; d++) {
        const conv_dim &q = o.dim[d];
        const int64_t   at = q.i0 + j[d] * q.is + tap[d] * q.ts;
        in &= at >= 0 && at < q.in;
        from += at * o.along[2 + d];
        k = k * q.ker + q.k0 + tap[d] * q.ks;
    }
    *w += k;
    return in ? from : -1;
}

/* Place `at` of all images' results: its image, its coordinates, and where it stands in a plane of y. */
DEVICE int64_t conv_place(const conv &o, int64_t at, int64_t *j, int64_t *plane)
{
    int64_t y = 0, step = 1;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        const conv_dim &q = o.dim[d];
        j[d] = at % q.out;
        at /= q.out;
        y += (q.o0 + j[d] * q.os) * step;
        step *= q.full;
    }
    *plane = y;
    return at;
}

#endif
