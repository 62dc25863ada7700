/* Transcendental functions in f32 that compilers turn into SIMD: comparisons, integer arithmetic and
 * polynomials only. The polynomials are minimax fits (tests/golden/fit_vmath.py); errors stay within 2 ulp.
 * Instruction sets with fused operations use them, so they differ from the others in last bits. */
#ifndef WK_CPU_VMATH_H
#define WK_CPU_VMATH_H

#include "cpu/kernel.h"
#include "cpu/simd.h"

/* a b + c, rounded once where the machine can. */
INLINE float vm_fma(float a, float b, float c)
{
#if defined __FMA__ || defined __ARM_FEATURE_FMA
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

union vm_word {
    float    f;
    int32_t  i;
    uint32_t u;
};
INLINE float vm_float(int32_t i)
{
    return (union vm_word){.i = i}.f;
}
INLINE int32_t vm_int(float f)
{
    return (union vm_word){.f = f}.i;
}
#define VM_ROUND    12582912.0f /* 3 * 2^22: adding it leaves an integer in the low bits */
#define VM_LOG2_E   1.442695041e+00f
#define VM_LN2      6.931152344e-01f /* in two parts: products of the first with n are exact */
#define VM_LN2_REST 3.194618495e-05f

/* y 2^n for t = n + VM_ROUND, n in [-252, 254], as two factors so that neither leaves the normal range; n is
 * in the low bits of t. Not a number stays that. */
INLINE float vm_scale_by(float y, float t)
{
    const uint32_t n = (uint32_t)vm_int(t), half = n << 22 & 0xff800000u, one = 0x3f800000u;
    return y * vm_float((int32_t)(half + one)) * vm_float((int32_t)((n << 23) - half + one));
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2: coefficients of r to r^4, after 1/2 */
#define VM_EXP_1 1.666651219e-01f
#define VM_EXP_2 4.166619852e-02f
#define VM_EXP_3 8.369592018e-03f
#define VM_EXP_4 1.395117957e-03f
INLINE float vm_exp_poly(float r)
{
    const float q = vm_fma(vm_fma(VM_EXP_4, r, VM_EXP_3), r, VM_EXP_2);
    return vm_fma(vm_fma(q, r, VM_EXP_1), r, 0.5f);
}
INLINE float vm_expm1_poly(float r)
{
    return vm_fma(r * r, vm_exp_poly(r), r);
}

INLINE float vm_exp(float x)
{
    const float a = -104.0f > x ? -104.0f : x, c = 89.0f < a ? 89.0f : a;
    const float t = vm_fma(c, VM_LOG2_E, VM_ROUND), n = t - VM_ROUND;
    const float r = vm_fma(n, -VM_LN2_REST, vm_fma(n, -VM_LN2, c));
    return vm_scale_by(vm_fma(r, vm_fma(r, vm_exp_poly(r), 1.0f), 1.0f), t);
}

#if defined __AVX512F__
/* vm_exp of W values, bit for bit, with the instruction that multiplies by 2^n: compilers do not give it to
 * loops. */
INLINE vf vm_exp_lanes(vf x)
{
    const vf c = v_min(v_set(89.0f), v_max(v_set(-104.0f), x));
    const vf t = v_fma(c, v_set(VM_LOG2_E), v_set(VM_ROUND)), n = t - v_set(VM_ROUND), one = v_set(1.0f);
    const vf r = v_fma(n, v_set(-VM_LN2_REST), v_fma(n, v_set(-VM_LN2), c));
    vf       q = v_fma(v_fma(v_set(VM_EXP_4), r, v_set(VM_EXP_3)), r, v_set(VM_EXP_2));
    q = v_fma(v_fma(q, r, v_set(VM_EXP_1)), r, v_set(0.5f));
    return v_scale(v_fma(r, v_fma(r, q, one), one), n);
}
#endif

INLINE float vm_exp2(float x)
{
    const float a = -151.0f > x ? -151.0f : x, c = 129.0f < a ? 129.0f : a;
    const float t = c + VM_ROUND, n = t - VM_ROUND;
    const float r = (c - n) * 6.931471806e-01f;
    return vm_scale_by(vm_fma(r, vm_fma(r, vm_exp_poly(r), 1.0f), 1.0f), t);
}

INLINE float vm_expm1(float x)
{
    const float   c = x < -18.0f ? -18.0f : x > 89.0f ? 89.0f : x;
    const float   t = vm_fma(c, VM_LOG2_E, VM_ROUND), n = t - VM_ROUND;
    const int32_t k = x != x ? 0 : vm_int(t) - vm_int(VM_ROUND);
    const float   r = vm_fma(n, -VM_LN2_REST, vm_fma(n, -VM_LN2, c));
    /* 2^k p + (2^k - 1), halved where 2^k would overflow; tiny x keeps its sign of zero */
    const int32_t h = k > 126 ? k - 1 : k;
    const float   s = vm_float((h + 127) << 23), y = s * vm_expm1_poly(r) + (s - (k > 126 ? 0.5f : 1.0f));
    return x == 0 ? x : k > 126 ? y + y : y;
}

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)); returns m - 1. x is positive and finite. */
INLINE float vm_split(float x, float *e)
{
    const int     tiny = x < 1.175494351e-38f;
    const int32_t u = (int32_t)((uint32_t)vm_int(tiny ? x * 8388608.0f : x) - 0x3f3504f3u);
    *e = (float)((u >> 23) - (tiny ? 23 : 0));
    return vm_float((u & 0x7fffff) + 0x3f3504f3) - 1.0f;
}
/* log(1 + f) - f */
INLINE float vm_log_poly(float f)
{
    float q = vm_fma(6.746097654e-02f, f, -1.167500764e-01f);
    q = vm_fma(vm_fma(q, f, 1.188807636e-01f), f, -1.240569949e-01f);
    q = vm_fma(vm_fma(q, f, 1.421957612e-01f), f, -1.666798890e-01f);
    q = vm_fma(vm_fma(q, f, 2.000211775e-01f), f, -2.500000894e-01f);
    q = vm_fma(q, f, 3.333331347e-01f);
    return f * f * vm_fma(q, f, -0.5f);
}
/* What a logarithm gives outside of the positive numbers. */
INLINE float vm_log_edge(float x, float y)
{
    return x > 0 ? (x == (float)INFINITY ? x : y) : x == 0 ? -(float)INFINITY : (float)NAN;
}

INLINE float vm_log(float x)
{
    float       e;
    const float f = vm_split(x, &e);
    return vm_log_edge(x, e * VM_LN2 + (f + (e * VM_LN2_REST + vm_log_poly(f))));
}
INLINE float vm_log2(float x)
{
    float       e;
    const float f = vm_split(x, &e), p = vm_log_poly(f);
    /* f + p as a head that multiplies without rounding, and a tail */
    const float head = vm_float(vm_int(f + p) & ~0xfff), tail = (f - head) + p;
    return vm_log_edge(x, e + (head * 1.44238281e+00f + (tail * VM_LOG2_E + head * 3.12228571e-04f)));
}
INLINE float vm_log10(float x)
{
    float       e;
    const float f = vm_split(x, &e), p = vm_log_poly(f);
    const float head = vm_float(vm_int(f + p) & ~0xfff), tail = (f - head) + p;
    const float low = tail * 4.342944819e-01f + head * 6.99717e-05f;
    return vm_log_edge(x, e * 3.010253906e-01f + (head * 4.342245102e-01f + (low + e * 4.605038981e-06f)));
}
INLINE float vm_log1p(float x)
{
    float       e;
    const float u = 1.0f + x, f = vm_split(u, &e);
    const float lost = (x - (u - 1.0f)) / u; /* what u rounded away */
    const float big = e * VM_LN2 + (f + (e * VM_LN2_REST + (lost + vm_log_poly(f))));
    const float y = x > -0.29f && x < 0.41f ? x + vm_log_poly(x) : big;
    return x == 0 ? x : vm_log_edge(u, y);
}

INLINE float vm_tanh(float x)
{
    const float a = x < 0 ? -x : x, t = vm_expm1(a > 10.0f ? 20.0f : a + a), y = t / (t + 2.0f), z = x * x;
    float       q = vm_fma(vm_fma(-7.820862345e-03f, z, 2.176880650e-02f), z, -5.396473780e-02f);
    q = vm_fma(vm_fma(q, z, 1.333332956e-01f), z, -3.333333433e-01f);
    return a < 0.4f ? vm_fma(x, z * q, x) : x < 0 ? -y : x > 0 ? y : x;
}

INLINE float vm_erf(float x)
{
    const float a = x < 0 ? -x : x, z = x * x, b = a > 4.0f ? 3.0f : a - 1.0f;
    float       s = vm_fma(vm_fma(7.889010158e-05f, z, -8.020805544e-04f), z, 5.189531017e-03f);
    s = vm_fma(vm_fma(s, z, -2.685444243e-02f), z, 1.128360033e-01f);
    s = vm_fma(vm_fma(s, z, -3.761262596e-01f), z, 1.283791661e-01f);
    float q = vm_fma(vm_fma(2.556411971e-07f, b, -2.333077100e-05f), b, 2.936851815e-04f);
    q = vm_fma(vm_fma(q, b, -2.017267048e-03f), b, 1.005008537e-02f);
    q = vm_fma(vm_fma(q, b, -4.156479985e-02f), b, -8.431068659e-01f);
    const float far = 1.0f - vm_exp(vm_fma(vm_fma(q, b, -2.638967514e+00f), b, -1.849605560e+00f));
    return x != x ? x : a < 1.0f ? vm_fma(x, s, x) : x < 0 ? -far : far;
}

/* x times the normal distribution's share below x: max(x, 0) less |x| times the share beyond |x|, which is
 * 1/2 - |x| P(x^2) / Q(x^2) and off by at most 1.5e-7. */
INLINE float vm_gelu(float x)
{
    const float a = fabsf(x), c = a > 5.6f ? 5.6f : a, z = c * c;
    float       p = vm_fma(vm_fma(2.215179825e-08f, z, 6.353528551e-06f), z, 1.736330997e-04f);
    p = vm_fma(vm_fma(vm_fma(p, z, 4.705942177e-03f), z, 3.435636437e-02f), z, 3.989422249e-01f);
    float q = vm_fma(vm_fma(1.180175946e-06f, z, 7.502382457e-05f), z, 1.911766476e-03f);
    q = vm_fma(vm_fma(vm_fma(q, z, 2.892849927e-02f), z, 2.527843808e-01f), z, 1.0f);
    const float beyond = a > 5.6f ? 0.0f : vm_fma(-c, p / q, 0.5f);
    return vm_fma(x < -c ? x : -c, beyond, x < 0 ? 0.0f : x);
}

/* x = r + k pi/2, in double: exact enough up to |x| = 2^20. */
INLINE float vm_reduce(float x, int32_t *k)
{
    const double d = (double)x, round = 6755399441055744.0, t = d * 0.63661977236758134308 + round;
    const double n = t - round;
    const union {
        double   f;
        uint64_t u;
    } word = {t};
    *k = (int32_t)(uint32_t)word.u;
    return (float)(d - n * 1.57079632673412561417e+00 - n * 6.07710050650619224932e-11);
}
INLINE float vm_sin_poly(float r, float z)
{
    const float q = (2.718316637e-06f * z - 1.983933471e-04f) * z + 8.333329111e-03f;
    return r + r * z * (q * z - 1.666666716e-01f);
}
INLINE float vm_cos_poly(float z)
{
    const float q = (-2.721029091e-07f * z + 2.479952127e-05f) * z - 1.388888340e-03f;
    return 1.0f - 0.5f * z + z * z * (q * z + 4.166666791e-02f);
}
INLINE float vm_turn(float x, int32_t quarter)
{
    int32_t     k;
    const float r = vm_reduce(x, &k), z = r * r;
    k += quarter;
    const float y = k & 1 ? vm_cos_poly(z) : vm_sin_poly(r, z);
    return k & 2 ? -y : y;
}
/* For |x| up to VM_TURN_MAX; beyond, elementwise.c asks libm. */
#define VM_TURN_MAX 1.0e6f
INLINE float vm_sin(float x)
{
    const float y = vm_turn(x, 0);
    return x == 0 ? x : y;
}
INLINE float vm_cos(float x)
{
    return vm_turn(x, 1);
}

#endif
