/* Elementwise kernels: a formula over broadcast operands; and the formulas of all classes
 * (with VJP defined, of the derivatives). */
#include "cuda/walk.cuh"

#ifdef __CUDACC__
#define lgamma_r(x, sign) ((void)(sign), lgamma(x)) /* the device knows no sign */
#define WK_FORMULA_FN     static __device__ __noinline__ __attribute__((unused))
#endif
#include "core/formula.h"

/* Does a formula's text call a function? */
static constexpr bool has_call(const char *text)
{
    for (; *text; text++)
        if ((text[0] == 'f' && text[1] == '(') || (text[0] == 'w' && text[1] == 'k' && text[2] == 'i'))
            return true;
    return false;
}

#ifdef VJP
#define F32(name) f32_d_##name
#define F64(name) f64_d_##name
#define I64(name) i64_d_##name
#else
#define F32(name) f32_##name
#define F64(name) f64_##name
#define I64(name) i64_##name
#endif

#define T        float
#define FN(name) F32(name)
#include "cuda/formulas.cuh"

#define T        int64_t
#define FN(name) I64(name)
#define INTEGERS
#include "cuda/formulas.cuh"
#undef INTEGERS

#define T                double
#define FN(name)         F64(name)
#define expf(x)          exp(x)
#define exp2f(x)         exp2(x)
#define expm1f(x)        expm1(x)
#define logf(x)          log(x)
#define log2f(x)         log2(x)
#define log10f(x)        log10(x)
#define log1pf(x)        log1p(x)
#define sqrtf(x)         sqrt(x)
#define cbrtf(x)         cbrt(x)
#define fabsf(x)         fabs(x)
#define floorf(x)        floor(x)
#define ceilf(x)         ceil(x)
#define rintf(x)         rint(x)
#define truncf(x)        trunc(x)
#define sinf(x)          sin(x)
#define cosf(x)          cos(x)
#define tanf(x)          tan(x)
#define asinf(x)         asin(x)
#define acosf(x)         acos(x)
#define atanf(x)         atan(x)
#define sinhf(x)         sinh(x)
#define coshf(x)         cosh(x)
#define tanhf(x)         tanh(x)
#define asinhf(x)        asinh(x)
#define acoshf(x)        acosh(x)
#define atanhf(x)        atanh(x)
#define erff(x)          erf(x)
#define erfcf(x)         erfc(x)
#define powf(a, b)       pow(a, b)
#define fmodf(a, b)      fmod(a, b)
#define atan2f(a, b)     atan2(a, b)
#define hypotf(a, b)     hypot(a, b)
#define copysignf(a, b)  copysign(a, b)
#define nextafterf(a, b) nextafter(a, b)
#include "cuda/formulas.cuh"

/* Where a class has no formula. */
struct no_formula {
    enum { inputs = 1, exists = 0, calls = 0 };
    template <typename C> static DEVICE C of(C a, C, C, C, C, C) { return a; }
};

/* Formulas that call functions are functions themselves, compiled once for all kernels of a class. */
template <typename F, typename C> __device__ __noinline__ C formula_called(C a, C b, C c, C d, C p, C q)
{
    return F::of(a, b, c, d, p, q);
}
template <typename F, typename C> DEVICE C formula(const C *v, C p, C q)
{
    const C b = v[F::inputs > 1 ? 1 : 0], c = v[F::inputs > 2 ? 2 : 0], d = v[F::inputs > 3 ? 3 : 0];
    return F::calls ? formula_called<F, C>(v[0], b, c, d, p, q) : F::of(v[0], b, c, d, p, q);
}

/* Any strides and dtypes: an element to a thread. */
template <typename F, typename C>
__global__ void map_kernel(const __grid_constant__ walk<F::inputs + 1> w, C p, C q)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= w.n) return;
    C v[F::inputs];
#pragma unroll
    for (int o = 0; o < F::inputs; o++) v[o] = walk_load<C>(w, o + 1, at);
    walk_store(w, 0, at, formula<F, C>(v, p, q));
}

/* Dense operands of one dtype, or constants: 16 bytes of each to a thread. */
template <typename F, typename T>
__global__ void dense_map_kernel(const __grid_constant__ walk<F::inputs + 1> w, float p, float q)
{
    enum { PACK = pack_of<T>::values };
    const int64_t at = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * PACK;
    if (at >= w.n) return;
    const int n = w.n - at < PACK ? (int)(w.n - at) : (int)PACK;
    float     v[F::inputs][PACK], y[PACK];
#pragma unroll
    for (int o = 0; o < F::inputs; o++) {
        const operand &x = w.of[o + 1];
        if (x.constant)
            spread(load_any<float>(x.data, x.dtype, 0), v[o]);
        else
            load_pack((const T *)(const void *)x.data + at, n, v[o]);
    }
#pragma unroll
    for (int j = 0; j < PACK; j++) {
        float x[F::inputs];
#pragma unroll
        for (int o = 0; o < F::inputs; o++) x[o] = v[o][j];
        y[j] = formula<F, float>(x, p, q);
    }
    store_pack((T *)(void *)w.of[0].data + at, n, y);
}

template <typename F, typename T>
static wk_status dense_map(const wk_call *k, const walk<F::inputs + 1> &w, float p, float q)
{
    const unsigned blocks = blocks_for(w.n, 256 * pack_of<T>::values);
    return launch(k, dense_map_kernel<F, T>, blocks, 256, 0, w, p, q);
}
template <typename F>
static wk_status map_f32(const wk_call *k, const walk<F::inputs + 1> &w, float p, float q)
{
    const int t = walk_packs(w) ? w.of[0].dtype : WK_bool;
    return t == WK_f32    ? dense_map<F, float>(k, w, p, q)
           : t == WK_bf16 ? dense_map<F, bf16>(k, w, p, q)
           : t == WK_f16  ? dense_map<F, f16>(k, w, p, q)
                          : launch(k, map_kernel<F, float>, blocks_for(w.n, 256), 256, 0, w, p, q);
}

template <typename F, typename D, typename I> static wk_status map_classes(const wk_call *k)
{
    const double p = k->attr.f[0], q = k->attr.f[1];
    if (!wki_cuda_all_plain(k)) return WK_EDTYPE;
    walk<(F::exists ? (int)F::inputs : (int)I::inputs) + 1> w;
    walk_over(&w, k->out[0], k->in);
    if (w.n == 0) return WK_OK;
    if constexpr (F::exists)
        if (k->cls == WK_CLASS_F32) return map_f32<F>(k, w, (float)p, (float)q);
    if constexpr (D::exists)
        if (k->cls == WK_CLASS_F64)
            return launch(k, map_kernel<D, double>, blocks_for(w.n, 256), 256, 0, w, p, q);
    if constexpr (I::exists)
        if (k->cls == WK_CLASS_I64)
            return launch(k, map_kernel<I, int64_t>, blocks_for(w.n, 256), 256, 0, w, saturated<int64_t>(p),
                          saturated<int64_t>(q));
    return WK_EDTYPE;
}
