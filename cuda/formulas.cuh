/* The functions of unary.def and binary.def for one class, as types CLASS_op. Included once per class and
 * half (values; with VJP defined, derivatives), with T, FN(name) and, for i64, INTEGERS defined. */

#define FORMULA(name, n, text, ...)                                                                          \
    struct FN(name) {                                                                                        \
        enum { inputs = n, exists = 1, calls = has_call(text) };                                             \
        static DEVICE T of(T v0, T v1, T v2, T v3, T p, T q)                                                 \
        {                                                                                                    \
            (void)v0, (void)v1, (void)v2, (void)v3, (void)p, (void)q;                                        \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
    };
#ifdef VJP
#define MAP1(name, f, df)                                                                                    \
    FORMULA(name, 3, #df, const T x = v0; const T y = v1; (void)x, (void)y; return v2 * (T)(df))
#define MAP2(name, f)
#define MAP2_VJP(name, df)                                                                                   \
    FORMULA(name, 4, #df, const T a = v0; const T b = v1; const T y = v2; (void)a, (void)b, (void)y;         \
            return v3 * (T)(df))
#else
#define MAP1(name, f, df) FORMULA(name, 1, #f, const T x = v0; return (T)(f))
#define MAP2(name, f)     FORMULA(name, 2, #f, const T a = v0; const T b = v1; return (T)(f))
#define MAP2_VJP(name, df)
#endif

#ifdef INTEGERS
#define WK_UNARY(name, y, dy)
#define WK_UNARY_ANY(name, y, dy, iy) MAP1(name, iy, 0)
#define WK_UNARY_P(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy) MAP1(name, iy, 0)
#define WK_UNARY_TEST(name, y)
#define WK_BINARY(name, y, da, db)
#define WK_BINARY_ANY(name, y, da, db, iy) MAP2(name, iy)
#define WK_BINARY_INT(name, iy)            MAP2(name, iy)
#else
#define WK_UNARY(name, y, dy)           MAP1(name, y, dy)
#define WK_UNARY_ANY(name, y, dy, iy)   MAP1(name, y, dy)
#define WK_UNARY_P(name, y, dy)         MAP1(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy) MAP1(name, y, dy)
#ifdef VJP
#define WK_UNARY_TEST(name, y)
#else
#define WK_UNARY_TEST(name, y) MAP1(name, y, 0)
#endif
#define WK_BINARY(name, y, da, db)         MAP2(name, y) MAP2_VJP(name##_da, da) MAP2_VJP(name##_db, db)
#define WK_BINARY_ANY(name, y, da, db, iy) MAP2(name, y) MAP2_VJP(name##_da, da) MAP2_VJP(name##_db, db)
#define WK_BINARY_INT(name, iy)
#endif
#define WK_COMPARE(name, y) MAP2(name, y)
#include "core/unary.def"
#include "core/binary.def"
#undef FORMULA
#undef MAP1
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
