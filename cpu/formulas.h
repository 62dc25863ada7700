/* The loops of unary.def and binary.def for one class of values, named CLASS_op. elementwise.c includes this
 * once per class, with T, FN(name) and, for i64, INTEGERS defined. A loop takes its operands' tiles and n
 * results. */

#define LOOP(name, ...)                                                                                      \
    static void FN(name)(const T *const *in, T *restrict out, int64_t n, const wk_call *k)                   \
    {                                                                                                        \
        const T *restrict xs = in[0], *restrict ys = in[1], *restrict zs = in[2], *restrict gs = in[3];      \
        const T    p = (T)k->attr.f[0], q = (T)k->attr.f[1];                                                 \
        const bool wide = WIDE(#__VA_ARGS__, xs, n);                                                         \
        (void)p, (void)q, (void)ys, (void)zs, (void)gs, (void)wide;                                          \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
    }
#define MAP1(name, f) LOOP(name, const T x = xs[i]; out[i] = (T)(f))
#define MAP2(name, f) LOOP(name, const T a = xs[i]; const T b = ys[i]; out[i] = (T)(f))
#if defined WK_SET_256
#define MAP1_VJP(name, f)
#define MAP2_VJP(name, f)
#else
#define MAP1_VJP(name, f)                                                                                    \
    LOOP(name##_vjp, const T x = xs[i]; const T y = ys[i]; (void)x, (void)y; out[i] = zs[i] * (T)(f))
#define MAP2_VJP(name, f)                                                                                    \
    LOOP(name##_vjp, const T a = xs[i]; const T b = ys[i]; const T y = zs[i]; (void)a, (void)b, (void)y;     \
         out[i] = gs[i] * (T)(f))
#endif

#ifdef INTEGERS
#define WK_UNARY(name, y, dy)
#define WK_UNARY_ANY(name, y, dy, iy) MAP1(name, iy)
#define WK_UNARY_P(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy) MAP1(name, iy)
#define WK_UNARY_TEST(name, y)
#define WK_BINARY(name, y, da, db)
#define WK_BINARY_ANY(name, y, da, db, iy) MAP2(name, iy)
#define WK_BINARY_INT(name, iy)            MAP2(name, iy)
#else
#define WK_UNARY(name, y, dy)              MAP1(name, y) MAP1_VJP(name, dy)
#define WK_UNARY_ANY(name, y, dy, iy)      MAP1(name, y) MAP1_VJP(name, dy)
#define WK_UNARY_P(name, y, dy)            MAP1(name, y) MAP1_VJP(name, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy)    MAP1(name, y) MAP1_VJP(name, dy)
#define WK_UNARY_TEST(name, y)             MAP1(name, y)
#define WK_BINARY(name, y, da, db)         MAP2(name, y) MAP2_VJP(name##_da, da) MAP2_VJP(name##_db, db)
#define WK_BINARY_ANY(name, y, da, db, iy) MAP2(name, y) MAP2_VJP(name##_da, da) MAP2_VJP(name##_db, db)
#define WK_BINARY_INT(name, iy)
#endif
#define WK_COMPARE(name, y) MAP2(name, y)
#include "core/unary.def"
#include "core/binary.def"

LOOP(where, out[i] = xs[i] != 0 ? ys[i] : zs[i])
#ifdef INTEGERS
LOOP(addcmul, out[i] = (T)(U(xs[i]) + U(p) * U(ys[i]) * U(zs[i])))
#else
LOOP(addcmul, out[i] = xs[i] + p * (ys[i] * zs[i]))
LOOP(addcdiv, out[i] = xs[i] + p * (ys[i] / zs[i]))
/* From the nearer end, so that weight 1 gives the other end itself. */
LOOP(lerp, const T w = zs[i]; const T d = ys[i] - xs[i]; const T near = w < K(0.5) ? w : w - K(1);
     out[i] = (w < K(0.5) ? xs[i] : ys[i]) + near * d)
#endif

#undef LOOP
#undef MAP1
#undef MAP1_VJP
#undef MAP2
#undef MAP2_VJP
#undef WK_UNARY
#undef WK_UNARY_ANY
#undef WK_UNARY_P
#undef WK_UNARY_P_ANY
#undef WK_UNARY_TEST
#undef WK_BINARY
#undef WK_BINARY_ANY
#undef WK_BINARY_INT
#undef WK_COMPARE
#undef T
#undef FN
#undef WIDE
