/* Weights made of other parameters: weight norm, spectral norm. */
#include "layers.h"

enum { FIRST_ITERATIONS = 15 };

static bool dim_fits(wk_ctx *c, const char *op, int dim, int least, int ndim)
{
    if (wk_ctx_status(c) != WK_OK) return false;
    if (ndim >= 1 && dim >= least && dim < ndim) return true;
    wk_fail(c, WK_EINDEX, "%s: dim %d of a weight of %d dims", op, dim, ndim);
    return false;
}

static bool is_real(wk_ctx *c, const char *op, wk_tensor x)
{
    if (wk_ctx_status(c) != WK_OK) return false;
    const wk_dtype t = wk_is_none(x) ? WK_bool : x->dtype;
    if (t == WK_f16 || t == WK_bf16 || t == WK_f32 || t == WK_f64) return true;
    wk_fail(c, WK_EDTYPE, "%s: a weight of %s, a real dtype is wanted", op,
            wk_is_none(x) ? "nothing" : wk_dtype_name(x->dtype));
    return false;
}

static wk_init fresh_weight(wk_params p, wk_shape s)
{
    int64_t fan_in = 1;
    for (int i = 1; i < s.ndim; i++) fan_in *= s.dim[i];
    return wki_weight_init(p, fan_in);
}

/* ---- weight norm ---- */

wk_tensor wk_norm_except(wk_ctx *c, wk_tensor v, int dim)
{
    if (!is_real(c, "norm_except", v) || !dim_fits(c, "norm_except", dim, -1, v->ndim)) return WK_NONE;
    if (dim < 0) return wk_vector_norm(c, v, 2, WK_ALL_DIMS, false);
    wk_shape others = {.ndim = 0};
    for (int i = 0; i < v->ndim; i++)
        if (i != dim) others.dim[others.ndim++] = i;
    return others.ndim ? wk_vector_norm(c, v, 2, others, true) : wk_abs(c, v);
}

struct wk_weight_norm wk_weight_norm_load(wk_params p, const char *name, const char *what, wk_shape shape,
                                          int dim)
{
    const wk_params       at = wk_at(wk_at(p, "%s", name), "parametrizations.%s", what);
    struct wk_weight_norm n = {.g = WK_NONE, .v = WK_NONE, .dim = dim};
    wk_shape              sizes = {.ndim = dim < 0 ? 0 : shape.ndim};
    if (!dim_fits(p.c, "weight_norm", dim, -1, shape.ndim)) return n;
    for (int i = 0; i < sizes.ndim; i++) sizes.dim[i] = i == dim ? shape.dim[i] : 1;
    n.g = wk_param(at, "original0", sizes, -1);
    n.v = wk_param_as(at, "original1", shape, fresh_weight(p, shape));
    if (!p.files) wk_copy_into(p.c, n.g, wk_norm_except(p.c, n.v, dim));
    return n;
}

wk_tensor wk_weight_norm(wk_ctx *c, const struct wk_weight_norm *n)
{
    if (!is_real(c, "weight_norm", n->v) || !is_real(c, "weight_norm", n->g)) return WK_NONE;
    const wk_tensor norms = wk_norm_except(c, n->v, n->dim);
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    bool same = n->g->ndim == norms->ndim;
    for (int i = 0; i < norms->ndim && same; i++) same = n->g->shape[i] == norms->shape[i];
    if (!same) {
        wk_fail(c, WK_ESHAPE, "weight_norm: g has %d dims, %lld values; wanted: %d dims, %lld values",
                n->g->ndim, (long long)wk_count(n->g), norms->ndim, (long long)wk_count(norms));
        return WK_NONE;
    }
    return wk_mul(c, n->v, wk_div(c, n->g, norms));
}

/* ---- spectral norm ---- */

static wk_tensor as_matrix(wk_ctx *c, const struct wk_spectral_norm *n)
{
    const wk_tensor w = wk_movedim(c, n->weight, WK_DIMS(n->dim), WK_DIMS(0));
    return wk_cast(c, wk_flatten(c, w, 1, -1), n->u->dtype);
}

/* u = W v / |W v|, v = W^T u / |W^T u|, off the tape. */
static void power_method(wk_ctx *c, const struct wk_spectral_norm *n, int iterations)
{
    const wk_scope  s = wk_scope_begin(c);
    const wk_tensor w = wk_detach(c, as_matrix(c, n)), turned = wk_transpose(c, w, 0, 1);
    for (int i = 0; i < iterations; i++) {
        wk_copy_into(c, n->u, wk_normalize(c, wk_mv(c, w, n->v), 2, 0, n->eps));
        wk_copy_into(c, n->v, wk_normalize(c, wk_mv(c, turned, n->u), 2, 0, n->eps));
    }
    wk_scope_end(c, s, WK_NONE);
}

static void fresh_vector(wk_ctx *c, wk_tensor to, double eps)
{
    const wk_tensor x = wk_normal(c, 0, 1, to->dtype, WK_SHAPE(wk_count(to)));
    wk_copy_into(c, to, wk_normalize(c, x, 2, 0, eps));
}

struct wk_spectral_norm wk_spectral_norm_load(wk_params p, const char *name, const char *what, wk_shape shape,
                                              wk_spectral_norm_opts o)
{
    const wk_params at = wk_at(wk_at(p, "%s", name), "parametrizations.%s", what);
    const wk_dtype  t = p.dtype == WK_f64 ? WK_f64 : WK_f32; /* halves would lose small steps */
    int64_t         rest = 1;

    struct wk_spectral_norm n = {.weight = WK_NONE,
                                 .u = WK_NONE,
                                 .v = WK_NONE,
                                 .dim = o.dim < 0 ? o.dim + shape.ndim : o.dim,
                                 .iterations = o.iterations ? o.iterations : 1,
                                 .eps = o.eps > 0 ? o.eps : 1e-12};
    if (!dim_fits(p.c, "spectral_norm", n.dim, 0, shape.ndim)) return n;
    if (n.iterations < 0) wk_fail(p.c, WK_EARG, "spectral_norm: %d iterations", n.iterations);
    n.weight = wk_param_as(at, "original", shape, fresh_weight(p, shape));
    if (shape.ndim == 1) return n;
    for (int i = 0; i < shape.ndim; i++) rest *= i == n.dim ? 1 : shape.dim[i];
    n.u = wk_buffer(at, "0._u", t, WK_SHAPE(shape.dim[n.dim]), 0);
    n.v = wk_buffer(at, "0._v", t, WK_SHAPE(rest), 0);
    if (p.files || wk_ctx_status(p.c) != WK_OK) return n;
    fresh_vector(p.c, n.u, n.eps);
    fresh_vector(p.c, n.v, n.eps);
    power_method(p.c, &n, FIRST_ITERATIONS);
    return n;
}

wk_tensor wk_spectral_norm(wk_ctx *c, const struct wk_spectral_norm *n)
{
    if (!is_real(c, "spectral_norm", n->weight)) return WK_NONE;
    const wk_tensor w = n->weight;
    if (!dim_fits(c, "spectral_norm", n->dim, 0, w->ndim)) return WK_NONE;
    if (w->ndim == 1) return wk_normalize(c, w, 2, 0, n->eps);
    if (!is_real(c, "spectral_norm", n->u) || !is_real(c, "spectral_norm", n->v)) return WK_NONE;
    const int64_t rows = w->shape[n->dim], rest = rows ? wk_count(w) / rows : 0;
    if (n->u->ndim != 1 || n->v->ndim != 1 || n->u->shape[0] != rows || n->v->shape[0] != rest) {
        wk_fail(c, WK_ESHAPE, "spectral_norm: u and v of %lld and %lld values; wanted: %lld and %lld",
                (long long)wk_count(n->u), (long long)wk_count(n->v), (long long)rows, (long long)rest);
        return WK_NONE;
    }
    if (wk_training(c)) power_method(c, n, n->iterations);
    /* copies, so that the next call does not change what this one's gradient needs */
    const wk_tensor u = wk_clone(c, n->u), v = wk_clone(c, n->v);
    const wk_tensor sigma = wk_dot(c, u, wk_mv(c, as_matrix(c, n), v));
    return wk_cast(c, wk_div(c, w, sigma), w->dtype);
}
