/* The types of wick's public headers: status, dtype, tensor, shape. Included by core/wick.h. */
#ifndef WK_TYPES_H
#define WK_TYPES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined _WIN32
#define WK_API
#else
#define WK_API __attribute__((visibility("default")))
#endif
#if defined __GNUC__
#define WK_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define WK_PRINTF(f, a)
#endif

#define WK_MAX_DIMS 8

typedef enum wk_status {
#define WK_STATUS(name, text) WK_##name,
#include "status.def"
#undef WK_STATUS
    WK_STATUS_COUNT
} wk_status;

typedef enum wk_dtype {
#define WK_DTYPE(name, block, bytes, cls) WK_##name,
#include "dtypes.def"
#undef WK_DTYPE
    WK_DTYPE_COUNT
} wk_dtype;

typedef struct wk_ctx     wk_ctx;     /* device, temporaries, first error, tape */
typedef struct wk_storage wk_storage; /* counted bytes on a device */

/* A read-only handle. Fields may be read, never written. */
typedef const struct wk_tensor_info {
    wk_storage *storage;
    int64_t     offset;              /* of the first element, in bytes */
    int64_t     shape[WK_MAX_DIMS];  /* outermost first; unused ones are 1 */
    int64_t     stride[WK_MAX_DIMS]; /* in elements; 0 where expanded */
    int32_t     ndim;
    wk_dtype    dtype;
    int32_t     node; /* place on the tape, 0: none */
    bool        weak; /* made by wk_scalar: takes part in type promotion as a Python number */
} * wk_tensor;

/* The empty tensor: all sizes 0, safe to look at; what a failed call returns and an optional argument left
 * out. */
#define WK_NONE (wk_none())
WK_API wk_tensor wk_none(void);

/* Sizes or dims, by value: WK_SHAPE(2, 3). No dims at all is WK_SCALAR_SHAPE. */
typedef struct wk_shape {
    int     ndim;
    int64_t dim[WK_MAX_DIMS];
} wk_shape;
#define WK_SHAPE(...)   ((wk_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
#define WK_DIMS(...)    WK_SHAPE(__VA_ARGS__)
#define WK_SCALAR_SHAPE ((wk_shape){0, {0}})
#define WK_ALL_DIMS     ((wk_shape){0, {0}})
/* In place of the one dim of a function that says so: all of the tensor, flattened, as PyTorch does without a
 * dim. Indices are places in it; keep leaves every dim in as size 1. */
#define WK_FLAT (INT_MIN)

#ifdef __cplusplus
}
#endif
#endif
