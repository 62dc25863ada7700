/* First and second derivatives of a function as tensors, a row for each walk back. */
#include "core/ctx.h"

#include <string.h>

/* Starts a tape with x as its leaf, and calls fn; false after an error. */
static bool begin(wk_ctx *c, const char *op, wk_fn fn, void *arg, wk_tensor x, wk_tensor *leaf, wk_tensor *y)
{
    *y = WK_NONE;
    if (wki_failed(c)) return false;
    if (wk_is_none(x) || wki_dtype_class(x->dtype) != 'F') {
        wk_fail(c, WK_EDTYPE, "%s: by %s, a real tensor is wanted", op,
                wk_is_none(x) ? "no tensor" : wk_dtype_name(x->dtype));
        return false;
    }
    wk_tape_begin(c);
    *leaf = wk_track(c, wk_detach(c, x));
    *y = fn(c, arg, *leaf);
    if (!wki_failed(c) && (wk_is_none(*y) || wki_dtype_class((*y)->dtype) != 'F'))
        wk_fail(c, WK_EARG, "%s: the function gave %s", op,
                wk_is_none(*y) ? "no tensor" : wk_dtype_name((*y)->dtype));
    return !wki_failed(c);
}

static wk_shape joined(wk_ctx *c, const char *op, wk_tensor y, wk_tensor x)
{
    wk_shape s = wki_shape(y);
    if (y->ndim + x->ndim > WK_MAX_DIMS) {
        wk_fail(c, WK_ESHAPE, "%s: of %s by %s, at most %d dims are possible", op, WKI_TEXT(y), WKI_TEXT(x),
                WK_MAX_DIMS);
        return s;
    }
    for (int i = 0; i < x->ndim; i++) s.dim[s.ndim++] = x->shape[i];
    return s;
}

/* The derivatives of each element of y by the leaf x. */
static wk_tensor rows(wk_ctx *c, const char *op, wk_tensor y, wk_tensor x)
{
    const int64_t  m = wk_count(y), n = wk_count(x);
    const wk_shape shape = joined(c, op, y, x);
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor all = wk_zeros(c, x->dtype, WK_SHAPE(m, n));
    for (int64_t i = 0; i < m && !wki_failed(c) && y->node; i++) {
        const wk_scope  s = wk_scope_begin(c);
        const wk_tensor at = wk_select(c, wk_reshape(c, y, WK_SHAPE(m)), 0, i);
        wk_tensor       dx;
        wk_grad_of(c, 1, &at, NULL, 1, &x, &dx,
                   (wk_grad_opts){.retain_graph = true, .materialize_grads = true});
        const bool was = wk_no_grad(c, true);
        wk_copy_into(c, wk_select(c, all, 0, i), wk_reshape(c, dx, WK_SHAPE(n)));
        wk_no_grad(c, was);
        wk_scope_end(c, s, WK_NONE);
    }
    return wk_reshape(c, all, shape);
}

static wk_tensor finish(wk_ctx *c, wk_tensor result, wk_tensor y, wk_tensor *value)
{
    result = wki_failed(c) ? WK_NONE : wk_detach(c, result);
    if (value) *value = wki_failed(c) ? WK_NONE : wk_detach(c, y);
    wk_tape_end(c);
    return result;
}

wk_tensor wk_jacobian(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x)
{
    wk_tensor leaf, y, j = WK_NONE;
    if (begin(c, "jacobian", fn, arg, x, &leaf, &y)) j = rows(c, "jacobian", y, leaf);
    return finish(c, j, y, NULL);
}

wk_tensor wk_hessian(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x)
{
    wk_tensor leaf, y, g = WK_NONE, h = WK_NONE;
    if (begin(c, "hessian", fn, arg, x, &leaf, &y) && wk_count(y) != 1)
        wk_fail(c, WK_ESHAPE, "hessian: the function gave %s, one element is wanted", WKI_TEXT(y));
    if (!wki_failed(c) && y->node)
        wk_grad_of(c, 1, &y, NULL, 1, &leaf, &g,
                   (wk_grad_opts){.create_graph = true, .materialize_grads = true});
    if (!wki_failed(c)) h = rows(c, "hessian", wk_is_none(g) ? wk_zeros_like(c, leaf) : g, leaf);
    return finish(c, h, y, NULL);
}

static bool same_shape(wk_ctx *c, const char *op, wk_tensor v, wk_tensor like)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(v) || v->ndim != like->ndim || memcmp(v->shape, like->shape, sizeof v->shape) != 0)
        wk_fail(c, WK_ESHAPE, "%s: a direction %s, wanted is %s", op, WKI_TEXT(v), WKI_TEXT(like));
    return !wki_failed(c);
}

wk_tensor wk_vjp(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x, wk_tensor v, wk_tensor *y)
{
    wk_tensor leaf, value, g = WK_NONE;
    if (begin(c, "vjp", fn, arg, x, &leaf, &value) && same_shape(c, "vjp", v, value)) {
        if (value->node)
            wk_grad_of(c, 1, &value, &v, 1, &leaf, &g, (wk_grad_opts){.materialize_grads = true});
        else
            g = wk_zeros_like(c, x);
    }
    return finish(c, g, value, y);
}

/* The walk back is linear in its cotangent: its own derivative by that, along v, is the walk forward. */
wk_tensor wk_jvp(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x, wk_tensor v, wk_tensor *y)
{
    wk_tensor leaf, value, g, forward = WK_NONE;
    if (begin(c, "jvp", fn, arg, x, &leaf, &value) && same_shape(c, "jvp", v, leaf)) {
        const wk_tensor cotangent = wk_track(c, wk_zeros_like(c, value));
        forward = wk_zeros_like(c, value);
        if (value->node)
            wk_grad_of(c, 1, &value, &cotangent, 1, &leaf, &g,
                       (wk_grad_opts){.create_graph = true, .materialize_grads = true});
        if (value->node && !wki_failed(c) && g->node)
            wk_grad_of(c, 1, &g, &v, 1, &cotangent, &forward, (wk_grad_opts){.materialize_grads = true});
    }
    return finish(c, forward, value, y);
}
