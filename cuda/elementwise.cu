/* Elementwise ops: unary.def and binary.def compiled for the device in three classes. */
#include "cuda/map.cuh"

template <typename T> struct where_of {
    enum { inputs = 3, exists = 1, calls = 0 };
    static DEVICE T of(T condition, T a, T b, T, T, T) { return condition != 0 ? a : b; }
};

template <typename T> struct addcmul_of {
    enum { inputs = 3, exists = 1, calls = 0 };
    static DEVICE T of(T x, T a, T b, T, T p, T) { return x + p * (a * b); }
};
template <> struct addcmul_of<int64_t> {
    enum { inputs = 3, exists = 1, calls = 0 };
    static DEVICE int64_t of(int64_t x, int64_t a, int64_t b, int64_t, int64_t p, int64_t)
    {
        return (int64_t)(U(x) + U(p) * U(a) * U(b));
    }
};
template <typename T> struct addcdiv_of {
    enum { inputs = 3, exists = 1, calls = 0 };
    static DEVICE T of(T x, T a, T b, T, T p, T) { return x + p * (a / b); }
};
/* From the nearer end, so that weight 1 gives the other end itself. */
template <typename T> struct lerp_of {
    enum { inputs = 3, exists = 1, calls = 0 };
    static DEVICE T of(T a, T b, T w, T, T, T)
    {
        return w < K(0.5) ? a + w * (b - a) : b + (w - K(1)) * (b - a);
    }
};

#define KERNEL(name, f, d, i)                                                                                \
    wk_status CUDA(name)(const wk_call *k)                                                                   \
    {                                                                                                        \
        return map_classes<f, d, i>(k);                                                                      \
    }
#define REAL(name) KERNEL(name, F32(name), F64(name), no_formula)
#define ANY(name)  KERNEL(name, F32(name), F64(name), I64(name))

#define WK_UNARY(name, y, dy)              REAL(name)
#define WK_UNARY_ANY(name, y, dy, iy)      ANY(name)
#define WK_UNARY_P(name, y, dy)            REAL(name)
#define WK_UNARY_P_ANY(name, y, dy, iy)    ANY(name)
#define WK_UNARY_TEST(name, y)             REAL(name)
#define WK_BINARY(name, y, da, db)         REAL(name)
#define WK_BINARY_ANY(name, y, da, db, iy) ANY(name)
#define WK_BINARY_INT(name, iy)            KERNEL(name, no_formula, no_formula, I64(name))
#define WK_COMPARE(name, y)                ANY(name)
#include "core/unary.def"
#include "core/binary.def"

KERNEL(where, where_of<float>, where_of<double>, where_of<int64_t>)
KERNEL(lerp, lerp_of<float>, lerp_of<double>, no_formula)
KERNEL(addcmul, addcmul_of<float>, addcmul_of<double>, addcmul_of<int64_t>)
KERNEL(addcdiv, addcdiv_of<float>, addcdiv_of<double>, no_formula)
