/* Reductions over any set of dims: front ends and gradients. */
#include "core/tape.h"

#include <math.h>

/* attr.i[0]: bit mask of the reduced dims; attr.f[0]: correction of var and std; attr.f[1]: norm's power. */

static wk_dtype real_of(wk_dtype t)
{
    const char cls = wki_dtype_class(t);
    return cls == 'F' ? t : WK_f32;
}
static wk_dtype total_of(wk_dtype t)
{
    const char cls = wki_dtype_class(t);
    return cls == 'I' || cls == 'B' ? WK_i64 : real_of(t);
}
static wk_dtype same_of(wk_dtype t)
{
    return wki_is_block(t) ? WK_f32 : t;
}

/* any and all of u8 stay u8, as in PyTorch. */
static wk_dtype truth_of(wk_dtype t)
{
    return t == WK_u8 ? WK_u8 : WK_bool;
}

/* The mask of dims (none: all); -1 after recording what is wrong. */
static int mask_of(wk_ctx *c, wk_op op, wk_tensor x, wk_shape dims)
{
    if (wki_failed(c)) return -1;
    if (wk_is_none(x)) {
        wk_fail(c, WK_EARG, "%s: no tensor", wki_op_name(op));
        return -1;
    }
    int mask = 0;
    for (int i = 0; i < dims.ndim; i++) {
        const int d = wki_dim(c, wki_op_name(op), x, (int)dims.dim[i]);
        if (d < 0) return -1;
        if (mask >> d & 1) {
            wk_fail(c, WK_EARG, "%s: dim %d twice", wki_op_name(op), d);
            return -1;
        }
        mask |= 1 << d;
    }
    return dims.ndim ? mask : (1 << x->ndim) - 1;
}

static wk_shape reduced_shape(wk_tensor x, int mask, bool keep)
{
    wk_shape shape = {0};
    for (int i = 0; i < x->ndim; i++)
        if (!(mask >> i & 1))
            shape.dim[shape.ndim++] = x->shape[i];
        else if (keep)
            shape.dim[shape.ndim++] = 1;
    return shape;
}

static int64_t reduced_count(wk_tensor x, int mask)
{
    int64_t n = 1;
    for (int i = 0; i < x->ndim; i++)
        if (mask >> i & 1) n *= x->shape[i];
    return n;
}

/* Result in dtype t, computed in the class of `in`. */
static wk_tensor reduce(wk_ctx *c, wk_op op, wk_tensor x, int mask, bool keep, wk_dtype in, wk_dtype t,
                        double correction)
{
    if (mask < 0) return WK_NONE;
    return wki_run(c, &(wk_call){.op = op,
                                 .cls = wki_class_of(in),
                                 WK_IN(x),
                                 .out = {wki_new(c, t, reduced_shape(x, mask, keep))},
                                 .attr = {.i = {mask}, .f = {correction, correction}}});
}

/* The sum and product of values cast to t first; a narrow t is still added up widely. */
wk_tensor wk_sum_as(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep, wk_dtype t)
{
    return reduce(c, WK_OP_sum, x, mask_of(c, WK_OP_sum, x, dims), keep, t, t, 0);
}
wk_tensor wk_prod_as(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep, wk_dtype t)
{
    return reduce(c, WK_OP_prod, x, mask_of(c, WK_OP_prod, x, dims), keep, t, t, 0);
}
wk_tensor wk_mean_as(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, wki_dtype_class(t) == 'F', WK_EDTYPE, "mean: as %s", wk_dtype_name(t));
    return reduce(c, WK_OP_mean, x, mask_of(c, WK_OP_mean, x, dims), keep, t, t, 0);
}
wk_tensor wk_sum(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    const int      mask = mask_of(c, WK_OP_sum, x, dims);
    const wk_dtype t = total_of(x->dtype);
    return reduce(c, WK_OP_sum, x, mask, keep, t, t, 0);
}
wk_tensor wk_mean(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    const int      mask = mask_of(c, WK_OP_mean, x, dims);
    const wk_dtype t = real_of(x->dtype);
    return reduce(c, WK_OP_mean, x, mask, keep, t, t, 0);
}
wk_tensor wk_prod(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    const int      mask = mask_of(c, WK_OP_prod, x, dims);
    const wk_dtype t = total_of(x->dtype);
    return reduce(c, WK_OP_prod, x, mask, keep, t, t, 0);
}
wk_tensor wk_any(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    const int mask = mask_of(c, WK_OP_any, x, dims);
    return reduce(c, WK_OP_any, x, mask, keep, same_of(x->dtype), truth_of(x->dtype), 0);
}
wk_tensor wk_all(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    const int mask = mask_of(c, WK_OP_all, x, dims);
    return reduce(c, WK_OP_all, x, mask, keep, same_of(x->dtype), truth_of(x->dtype), 0);
}
wk_tensor wk_var(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep)
{
    const int      mask = mask_of(c, WK_OP_var, x, dims);
    const wk_dtype t = real_of(x->dtype);
    return reduce(c, WK_OP_var, x, mask, keep, t, t, correction);
}
wk_tensor wk_std(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep)
{
    if (!wki_has(c, WK_OP_std)) return wk_sqrt(c, wk_var(c, x, dims, correction, keep));
    const wk_dtype t = real_of(x->dtype);
    return reduce(c, WK_OP_std, x, mask_of(c, WK_OP_std, x, dims), keep, t, t, correction);
}
wk_tensor wk_logsumexp(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    const int      mask = mask_of(c, WK_OP_logsumexp, x, dims);
    const wk_dtype t = real_of(x->dtype);
    return reduce(c, WK_OP_logsumexp, x, mask, keep, t, t, 0);
}

/* Those that pick a value, which must exist. */
static wk_tensor pick(wk_ctx *c, wk_op op, wk_tensor x, wk_shape dims, bool keep, bool index)
{
    const int      mask = mask_of(c, op, x, dims);
    const wk_dtype t = same_of(x->dtype);
    if (mask < 0) return WK_NONE;
    WK_REQUIRE(c, reduced_count(x, mask) > 0, WK_ESHAPE, "%s: no values to pick from in %s", wki_op_name(op),
               WKI_TEXT(x));
    return reduce(c, op, x, mask, keep, t, index ? WK_i64 : t, 0);
}
wk_tensor wk_amax(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    return pick(c, WK_OP_amax, x, dims, keep, false);
}
wk_tensor wk_amin(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    return pick(c, WK_OP_amin, x, dims, keep, false);
}
wk_tensor wki_unflat(wk_ctx *c, wk_tensor y, wk_tensor x, bool keep)
{
    if (wki_failed(c) || wk_is_none(y) || !keep) return y;
    wk_shape shape = wki_shape(y);
    for (int i = 0; i < x->ndim && shape.ndim < WK_MAX_DIMS; i++) shape.dim[shape.ndim++] = 1;
    WK_REQUIRE(c, shape.ndim == y->ndim + x->ndim, WK_ESHAPE, "keep: %d dims of the result, %d at most",
               y->ndim + x->ndim, WK_MAX_DIMS);
    return wk_reshape(c, y, shape);
}

static wk_tensor place(wk_ctx *c, wk_op op, wk_tensor x, int dim, bool keep)
{
    if (dim != WK_FLAT || wki_failed(c) || wk_is_none(x)) return pick(c, op, x, WK_DIMS(dim), keep, true);
    return wki_unflat(c, pick(c, op, wk_flatten(c, x, 0, -1), WK_DIMS(0), false, true), x, keep);
}
wk_tensor wk_argmax(wk_ctx *c, wk_tensor x, int dim, bool keep)
{
    return place(c, WK_OP_argmax, x, dim, keep);
}
wk_tensor wk_argmin(wk_ctx *c, wk_tensor x, int dim, bool keep)
{
    return place(c, WK_OP_argmin, x, dim, keep);
}

/* ---- norms and counts ------------------------------------------------------------------------ */

/* As a composition. */
static wk_tensor norm_of_parts(wk_ctx *c, wk_tensor x, double p, wk_shape dims, bool keep)
{
    const wk_tensor size = wk_abs(c, x), power = wk_scalar(c, p);
    if (p == (double)INFINITY) return wk_amax(c, size, dims, keep);
    if (p == -(double)INFINITY) return wk_amin(c, size, dims, keep);
    if (p == 0) return wk_cast(c, wk_count_nonzero(c, x, dims, keep), x->dtype);
    if (p == 1) return wk_sum(c, size, dims, keep);
    if (p == 2) return wk_sqrt(c, wk_sum(c, wk_square(c, x), dims, keep));
    return wk_pow(c, wk_sum(c, wk_pow(c, size, power), dims, keep), wk_reciprocal(c, power));
}

wk_tensor wk_vector_norm(wk_ctx *c, wk_tensor x, double p, wk_shape dims, bool keep)
{
    const int mask = mask_of(c, WK_OP_vector_norm, x, dims);
    if (mask < 0) return WK_NONE;
    const wk_dtype t = real_of(x->dtype);
    WK_REQUIRE(c, p == p, WK_EARG, "vector_norm: the power is NaN");
    WK_REQUIRE(c, (p >= 0 && p < (double)INFINITY) || reduced_count(x, mask) > 0, WK_ESHAPE,
               "vector_norm: power %g of no values in %s", p, WKI_TEXT(x));
    if (!wki_has(c, WK_OP_vector_norm)) {
        const wk_tensor wide = wk_cast(c, x, t == WK_f64 ? t : WK_f32); /* powers of halves overflow */
        return wk_cast(c, norm_of_parts(c, wide, p, dims, keep), t);
    }
    return reduce(c, WK_OP_vector_norm, x, mask, keep, t, t, p);
}

wk_tensor wk_nansum(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    if (wki_failed(c)) return WK_NONE;
    if (wki_dtype_class(x->dtype) != 'F') return wk_sum(c, x, dims, keep);
    if (!wki_has(c, WK_OP_nansum))
        return wk_sum(c, wk_where(c, wk_isnan(c, x), wk_scalar(c, 0), x), dims, keep);
    return reduce(c, WK_OP_nansum, x, mask_of(c, WK_OP_nansum, x, dims), keep, x->dtype, x->dtype, 0);
}

wk_tensor wk_count_nonzero(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    if (wki_failed(c)) return WK_NONE;
    if (!wki_has(c, WK_OP_count_nonzero))
        return wk_sum(c, wk_ne(c, wk_detach(c, x), wk_scalar_int(c, 0)), dims, keep);
    const int mask = mask_of(c, WK_OP_count_nonzero, x, dims);
    return reduce(c, WK_OP_count_nonzero, x, mask, keep, same_of(x->dtype), WK_i64, 0);
}

/* ---- gradients ------------------------------------------------------------------------------- */

/* v, of the result's shape, as it broadcasts over the input. */
static wk_tensor over_input(wk_ctx *c, const wk_call *k, wk_tensor v)
{
    return wk_reshape(c, v, reduced_shape(k->in[0], (int)k->attr.i[0], true));
}
static wk_shape dims_of(const wk_call *k)
{
    wk_shape dims = {0};
    for (int i = 0; i < WK_MAX_DIMS; i++)
        if (k->attr.i[0] >> i & 1) dims.dim[dims.ndim++] = i;
    return dims;
}

void wki_vjp_sum(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = wk_cast(c, wk_expand(c, over_input(c, k, g[0]), wki_shape(k->in[0])), k->in[0]->dtype);
}

void wki_vjp_mean(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const double    n = (double)reduced_count(k->in[0], (int)k->attr.i[0]);
    const wk_tensor part = wk_div(c, g[0], wk_scalar(c, n));
    wki_vjp_sum(c, k, &part, dx);
}

/* The product of the other values: with one zero in the set only the zero's is not zero. */
void wki_vjp_prod(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], zero = wk_scalar_int(c, 0), one = wk_scalar_int(c, 1);
    const wk_shape  dims = dims_of(k);
    const wk_tensor is_zero = wk_eq(c, x, zero), zeros = wk_sum(c, is_zero, dims, true);
    const wk_tensor filled = wk_where(c, is_zero, one, x), rest = wk_prod(c, filled, dims, true);
    const wk_tensor at_zero = wk_where(c, wk_eq(c, zeros, one), rest, zero);
    const wk_tensor elsewhere = wk_where(c, wk_eq(c, zeros, zero), wk_div(c, rest, filled), zero);
    dx[0] = wk_mul(c, over_input(c, k, g[0]), wk_where(c, is_zero, at_zero, elsewhere));
}

/* Halves times halves: unlike the division above it has all derivatives at zeros too. */
wk_tensor wki_again_prod(wk_ctx *c, const wk_call *k)
{
    const wk_tensor x = k->in[0];
    const int       mask = (int)k->attr.i[0];
    const wk_dtype  t = k->out[0]->dtype;
    wk_shape        order = {.ndim = 0};
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < x->ndim; i++)
            if ((mask >> i & 1) == turn) order.dim[order.ndim++] = i;
    int64_t   n = reduced_count(x, mask);
    wk_tensor y = wk_permute(c, wk_cast(c, x, t == WK_f64 ? t : WK_f32), order);
    if (n == 0) return wk_full(c, 1, t, wki_shape(k->out[0]));
    for (y = wk_reshape(c, y, WK_SHAPE(wk_count(k->out[0]), n)); n > 1 && !wki_failed(c); n -= n / 2) {
        const wk_tensor pairs = wk_mul(c, wk_narrow(c, y, 1, 0, n / 2), wk_narrow(c, y, 1, n / 2, n / 2));
        y = n % 2 ? wk_cat(c, 2, (const wk_tensor[]){pairs, wk_narrow(c, y, 1, n - 1, 1)}, 1) : pairs;
    }
    return wk_cast(c, wk_reshape(c, y, wki_shape(k->out[0])), t);
}

/* Equal values share the gradient. */
static void picked_vjp(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor hit = wk_eq(c, k->in[0], over_input(c, k, k->out[0]));
    const wk_tensor hits = wk_sum(c, hit, dims_of(k), true);
    dx[0] = wk_mul(c, hit, wk_div(c, over_input(c, k, g[0]), hits));
}
void wki_vjp_amax(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    picked_vjp(c, k, g, dx);
}
void wki_vjp_amin(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    picked_vjp(c, k, g, dx);
}

void wki_vjp_var(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    const double    n = (double)reduced_count(x, (int)k->attr.i[0]) - k->attr.f[0];
    const wk_tensor scaled = wk_mul(c, over_input(c, k, g[0]), wk_scalar(c, 2.0 / (n > 0 ? n : 0)));
    dx[0] = wk_mul(c, wk_sub(c, x, wk_mean(c, x, dims_of(k), true)), scaled);
}

void wki_vjp_logsumexp(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor share = wk_exp(c, wk_sub(c, k->in[0], over_input(c, k, k->out[0])));
    dx[0] = wk_mul(c, share, over_input(c, k, g[0]));
}

/* The root's slope is endless at 0; PyTorch's gradient is 0 there. */
static wk_tensor over_or_zero(wk_ctx *c, wk_tensor g, wk_tensor y)
{
    const wk_tensor zero = wk_scalar_int(c, 0);
    return wk_where(c, wk_eq(c, y, zero), zero, wk_div(c, g, y));
}

void wki_vjp_std(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor part = wk_mul(c, over_or_zero(c, g[0], k->out[0]), wk_scalar(c, 0.5));
    wki_vjp_var(c, k, &part, dx);
}

void wki_vjp_nansum(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = wk_where(c, wk_isnan(c, k->in[0]), wk_scalar_int(c, 0), over_input(c, k, g[0]));
}

/* As PyTorch's; other powers are taken of x / y, in f32 of halves, so that they do not overflow. */
void wki_vjp_vector_norm(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const double    p = k->attr.f[1];
    const wk_tensor x = k->in[0], y = over_input(c, k, k->out[0]), part = over_input(c, k, g[0]);
    const wk_tensor zero = wk_scalar_int(c, 0);
    if (p == 0) {
        dx[0] = wk_mul(c, x, zero);
    } else if (p == 1) {
        dx[0] = wk_mul(c, wk_sign(c, x), part);
    } else if (p == 2) {
        dx[0] = wk_mul(c, part, over_or_zero(c, x, y));
    } else if (fabs(p) == (double)INFINITY) { /* equal values share it */
        const wk_tensor hit = wk_logical_or(c, wk_eq(c, wk_abs(c, x), y), wk_isnan(c, x));
        const wk_tensor share = wk_div(c, part, wk_sum(c, hit, dims_of(k), true));
        dx[0] = wk_where(c, hit, wk_mul(c, wk_sign(c, x), share), zero);
    } else {
        const wk_dtype  t = x->dtype == WK_f64 ? WK_f64 : WK_f32;
        const wk_tensor size = wk_div(c, wk_abs(c, wk_cast(c, x, t)), wk_cast(c, y, t));
        const wk_tensor slope = wk_cast(c, wk_pow(c, size, wk_scalar(c, p - 1)), x->dtype);
        const wk_tensor flat = p < 2 ? wk_eq(c, x, zero) : wk_eq(c, y, zero);
        dx[0] = wk_where(c, flat, zero, wk_mul(c, wk_mul(c, wk_sign(c, x), slope), part));
    }
}
