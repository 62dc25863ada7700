/* Indexing: picking, writing, masks. Part of core/wick.h. */
#ifndef WK_API_INDEX_H
#define WK_API_INDEX_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- subscripts: x[...] ------------------------------------------------------------------------- */

/* One entry of a subscript; WK_AT(...) is the list of them:
 *
 *     x[2, 1:-1, ::2]            wk_index(c, x, WK_AT(WK_I(2), WK_RANGE(1, -1), WK_STEP(0, WK_END, 2)))
 *     x[..., None, rows]         wk_index(c, x, WK_AT(WK_REST, WK_NEW, WK_T(rows)))
 *     x[mask] = 0                wk_index_write(c, x, WK_AT(WK_T(mask)), wk_scalar(c, 0))
 *
 * Numbers, slices and new dims give a view (a slice with a negative step a copy). Integer tensors are
 * broadcast against each other and pick; a bool tensor stands for as many dims as it has and is the integer
 * tensors of where it is true. As in PyTorch the picks take the place of the first such dim where those
 * dims are neighbours, and come first where they are not. Negative numbers count from the end. A number
 * that is out of range is WK_EINDEX, with the number and the size in the message. */
typedef struct wk_subscript {
    int       kind; /* 0 a number, 1 a slice, 2 the dims not named, 3 a new dim, 4 a tensor */
    int64_t   start, stop, step;
    wk_tensor tensor;
} wk_subscript;
#define WK_I(i)                 ((wk_subscript){0, (i), 0, 1, NULL})
#define WK_RANGE(start, stop)   ((wk_subscript){1, (start), (stop), 1, NULL})
#define WK_STEP(start, stop, s) ((wk_subscript){1, (start), (stop), (s), NULL})
#define WK_ALL                  ((wk_subscript){1, 0, WK_END, 1, NULL})
#define WK_END                  INT64_MAX /* a slice's open end; with a negative step its open start */
#define WK_BEGIN                INT64_MIN /* with a negative step its open stop */
#define WK_REST                 ((wk_subscript){2, 0, 0, 1, NULL})
#define WK_NEW                  ((wk_subscript){3, 0, 0, 1, NULL})
#define WK_T(index)             ((wk_subscript){4, 0, 0, 1, (index)})
#define WK_AT(...)                                                                                           \
    (int)(sizeof((wk_subscript[]){__VA_ARGS__}) / sizeof(wk_subscript)), (const wk_subscript[])              \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

WK_API wk_tensor wk_index(wk_ctx *c, wk_tensor x, int n, const wk_subscript *at);
/* A copy of x with values there (or added, each as often as its place is named); values are broadcast and
 * cast to x's dtype. Of two values for one place the later one stays. */
WK_API wk_tensor wk_index_put(wk_ctx *c, wk_tensor x, int n, const wk_subscript *at, wk_tensor values,
                              bool accumulate);
/* x[...] = values, in place; x may be a view. Writing in place has no gradient: it is WK_ENOGRAD where x or
 * values is tracked. */
WK_API void wk_index_write(wk_ctx *c, wk_tensor x, int n, const wk_subscript *at, wk_tensor values);

/* ---- along one dim ------------------------------------------------------------------------------ */

/* A copy of x with src[at] at x[at, but index[at] in dim]: scatter puts it there, scatter_add adds it.
 * index has x's dims and is no larger than src, nor than x in dims other than dim. src is of x's dtype. */
WK_API wk_tensor wk_scatter(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src);
WK_API wk_tensor wk_scatter_value(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, double value);
/* ... reduced: with x's own value there among them, or without it. */
typedef enum wk_reduce {
    WK_REDUCE_SUM,
    WK_REDUCE_PROD,
    WK_REDUCE_MEAN,
    WK_REDUCE_AMAX,
    WK_REDUCE_AMIN
} wk_reduce;
WK_API wk_tensor wk_scatter_reduce(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src,
                                   wk_reduce how, bool include_self);
/* Slices of src to slices index[i] (1-d) of dim: added alpha times (for integers a whole number, or WK_EARG),
 * copied, reduced; or filled with one value. */
WK_API wk_tensor wk_index_add(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src, double alpha);
WK_API wk_tensor wk_index_copy(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src);
WK_API wk_tensor wk_index_fill(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor value);
WK_API wk_tensor wk_index_reduce(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src,
                                 wk_reduce how, bool include_self);
/* gather with x and index broadcast against each other in dims other than dim; negative indices count from
 * the end. */
WK_API wk_tensor wk_take_along_dim(wk_ctx *c, wk_tensor x, wk_tensor index, int dim);
/* Elements counted through all dims of x, negative ones from the end; the index has any shape. */
WK_API wk_tensor wk_take(wk_ctx *c, wk_tensor x, wk_tensor index);
WK_API wk_tensor wk_put(wk_ctx *c, wk_tensor x, wk_tensor index, wk_tensor src, bool accumulate);

/* ---- masks: bool, broadcast with x -------------------------------------------------------------- */

/* Where x is not zero: i64 [count, dims of x], in order. Reads the count back from the device. */
WK_API wk_tensor wk_nonzero(wk_ctx *c, wk_tensor x);
WK_API wk_tensor wk_masked_select(wk_ctx *c, wk_tensor x, wk_tensor mask); /* 1-d */
WK_API wk_tensor wk_masked_fill(wk_ctx *c, wk_tensor x, wk_tensor mask, wk_tensor value);
/* x with the values of src, one after another, where the mask is true. */
WK_API wk_tensor wk_masked_scatter(wk_ctx *c, wk_tensor x, wk_tensor mask, wk_tensor src);

/* The first `size` rows of wk_nonzero, and rows of `fill` where there are fewer. */
WK_API wk_tensor wk_nonzero_static(wk_ctx *c, wk_tensor x, int64_t size, int64_t fill);
/* The subscripts that places in a flattened tensor of a shape stand for: shape.ndim tensors of i's shape. A
 * place outside is WK_EINDEX (read back from the device). */
WK_API void wk_unravel_index(wk_ctx *c, wk_tensor i, wk_shape shape, wk_tensor *out);

WK_API wk_tensor wk_argwhere(wk_ctx *c, wk_tensor x); /* wk_nonzero */
/* A new last dim of `classes` zeros and a one where x (i64, in [0, classes)) says: i64. classes -1: one more
 * than the largest of x, which is read back from the device, as is whether all values are in range. */
WK_API wk_tensor wk_one_hot(wk_ctx *c, wk_tensor x, int64_t classes);

#ifdef __cplusplus
}
#endif
#endif
