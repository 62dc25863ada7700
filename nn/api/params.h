/* A place among the weights, and the list of parameters. Part of nn/nn.h. */
#ifndef WK_NN_PARAMS_H
#define WK_NN_PARAMS_H

#include "init.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_files wk_files; /* nn.h */

/* A place among the weights, passed by value. The source is files, or an initialiser when files is NULL. Each
 * tensor asked for is entered in the list, so optimiser, saver and counter need no second description. */
typedef struct wk_param_list wk_param_list;
typedef struct wk_params {
    wk_ctx         *c;
    const wk_files *files;     /* NULL: fresh values (seeded by c's generator) */
    wk_param_list  *list;      /* may be NULL */
    wk_dtype        dtype;     /* of fresh values */
    double          deviation; /* of fresh matrices, with biases of 0; 0: values as PyTorch's layers have */
    char            path[200];
} wk_params;
WK_API wk_params wk_params_from(wk_ctx *c, const wk_files *f, wk_param_list *list);
WK_API wk_params wk_params_new(wk_ctx *c, wk_dtype t, wk_param_list *list);
/* descends: p.path + "." + format; by nothing, "", it stays (so that a layer's name may be "") */
WK_API wk_params wk_at(wk_params p, const char *format, ...) WK_PRINTF(2, 3);
/* The tensor name below p, whose shape must be as given (else WK_ESHAPE naming it). init: deviation of a
 * normal for fresh values; 0: zeros; -1: ones. */
WK_API wk_tensor wk_param(wk_params p, const char *name, wk_shape shape, double init);
WK_API wk_tensor wk_param_as(wk_params p, const char *name, wk_shape shape, wk_init init);
/* What a layer keeps beside its parameters and writes while it trains (running means): entered in the list, a
 * copy of the file's tensor, in dtype t. Fresh: full of value. */
WK_API wk_tensor wk_buffer(wk_params p, const char *name, wk_dtype t, wk_shape shape, double value);
WK_API bool      wk_param_there(wk_params p, const char *name); /* always true for fresh values */

WK_API wk_param_list *wk_param_list_new(wk_ctx *c);
WK_API void           wk_param_list_free(wk_param_list *l);
WK_API int64_t        wk_param_list_count(const wk_param_list *l);
WK_API const char    *wk_param_list_name(const wk_param_list *l, int64_t i);
WK_API wk_tensor      wk_param_list_tensor(const wk_param_list *l, int64_t i);
WK_API bool           wk_param_list_learns(const wk_param_list *l, int64_t i); /* false: a buffer */
/* A trainer swaps in tracked tensors: every layer field that holds parameter i is set to x. */
WK_API void wk_param_list_bind(wk_param_list *l, int64_t i, wk_tensor *field);
WK_API void wk_param_list_set(wk_param_list *l, int64_t i, wk_tensor x);
/* Binds every field of a layer, once it is where it stays, that holds a parameter of the list: wk_bind(l,
 * &layer, sizeof layer). What a layer points at (the layers of a stack) is bound by itself. */
WK_API void wk_bind(wk_param_list *l, void *layer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
