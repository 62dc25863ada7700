/* Derivatives of elementwise ops: those of unary.def and binary.def compiled for the device. */
#define VJP
#include "cuda/map.cuh"

#define ONE(name)                                                                                            \
    wk_status CUDA(name##_vjp)(const wk_call *k)                                                             \
    {                                                                                                        \
        return map_classes<F32(name), F64(name), no_formula>(k);                                             \
    }
#define PAIR(name)                                                                                           \
    wk_status CUDA(name##_vjp)(const wk_call *k)                                                             \
    {                                                                                                        \
        return k->attr.i[0] ? map_classes<F32(name##_db), F64(name##_db), no_formula>(k)                     \
                            : map_classes<F32(name##_da), F64(name##_da), no_formula>(k);                    \
    }
#define WK_UNARY(name, y, dy)           ONE(name)
#define WK_UNARY_ANY(name, y, dy, iy)   ONE(name)
#define WK_UNARY_P(name, y, dy)         ONE(name)
#define WK_UNARY_P_ANY(name, y, dy, iy) ONE(name)
#define WK_UNARY_TEST(name, y)
#define WK_BINARY(name, y, da, db)         PAIR(name)
#define WK_BINARY_ANY(name, y, da, db, iy) PAIR(name)
#define WK_BINARY_INT(name, iy)
#define WK_COMPARE(name, y)
#include "core/unary.def"
#include "core/binary.def"
