/* First values of parameters. */
#include "nn.h"

#include <math.h>
#include <string.h>

double wk_init_gain(const char *function, double slope)
{
    static const struct {
        const char *name;
        double      gain;
    } gains[] = {{"linear", 1},           {"identity", 1},         {"sigmoid", 1},
                 {"conv1d", 1},           {"conv2d", 1},           {"conv3d", 1},
                 {"conv_transpose1d", 1}, {"conv_transpose2d", 1}, {"conv_transpose3d", 1},
                 {"tanh", 5.0 / 3.0},     {"selu", 0.75},          {"relu", M_SQRT2}};
    for (size_t i = 0; function && i < sizeof gains / sizeof *gains; i++)
        if (!strcmp(function, gains[i].name)) return gains[i].gain;
    if (function && !strcmp(function, "leaky_relu")) return sqrt(2 / (1 + slope * slope));
    return (double)NAN;
}

static bool fans(wk_ctx *c, wk_shape s, double *in, double *out)
{
    double field = 1;
    if (s.ndim < 2) {
        wk_fail(c, WK_ESHAPE, "initial: a weight of %d dims has no fans", s.ndim);
        return false;
    }
    for (int i = 2; i < s.ndim; i++) field *= (double)s.dim[i];
    *in = (double)s.dim[1] * field;
    *out = (double)s.dim[0] * field;
    return true;
}

/* Uniform within [-sqrt(3) d, sqrt(3) d], or normal: both of deviation d. */
static wk_tensor spread(wk_ctx *c, wk_dtype t, wk_shape s, double d, bool normal)
{
    return normal ? wk_normal(c, 0, d, t, s) : wk_uniform(c, -sqrt(3) * d, sqrt(3) * d, t, s);
}

static wk_tensor by_fans(wk_ctx *c, wk_dtype t, wk_shape s, wk_init how)
{
    const bool xavier = how.kind == WK_INIT_XAVIER_UNIFORM || how.kind == WK_INIT_XAVIER_NORMAL;
    const bool normal = how.kind == WK_INIT_XAVIER_NORMAL || how.kind == WK_INIT_KAIMING_NORMAL;
    double     in, out;
    if (!fans(c, s, &in, &out)) return WK_NONE;
    const double gain = how.a != 0 ? how.a : xavier ? 1 : M_SQRT2;
    const double fan = xavier ? (in + out) / 2 : how.fan_out ? out : in;
    return spread(c, t, s, fan > 0 ? gain / sqrt(fan) : 0, normal);
}

/* The Q of a normal matrix, with signs that make it uniform among all of its kind. */
static wk_tensor orthogonal(wk_ctx *c, wk_dtype t, wk_shape s, double gain)
{
    double in, out;
    if (!fans(c, s, &in, &out)) return WK_NONE;
    const int64_t rows = s.dim[0], columns = (int64_t)in;
    const bool    wide = rows < columns;
    wk_tensor     r, x = wk_normal(c, 0, 1, t == WK_f64 ? WK_f64 : WK_f32, WK_SHAPE(rows, columns));
    if (wide) x = wk_transpose(c, x, 0, 1);
    wk_tensor q = wk_qr(c, x, WK_QR_REDUCED, &r);
    q = wk_mul(c, q, wk_sign(c, wk_diagonal(c, r, 0, 0, 1)));
    if (wide) q = wk_transpose(c, q, 0, 1);
    return wk_cast(c, wk_reshape(c, wk_mul(c, q, wk_scalar(c, gain)), s), t);
}

static wk_tensor dirac(wk_ctx *c, wk_dtype t, wk_shape s, int64_t groups)
{
    int64_t field = 1, middle = 0;
    if (s.ndim < 3 || s.ndim > 5 || s.dim[0] % groups != 0) {
        wk_fail(c, WK_ESHAPE, "initial: no dirac of %d dims, %lld channels in %lld groups", s.ndim,
                (long long)s.dim[0], (long long)groups);
        return WK_NONE;
    }
    for (int i = 2; i < s.ndim; i++) {
        field *= s.dim[i];
        middle = middle * s.dim[i] + s.dim[i] / 2;
    }
    const int64_t each = s.dim[0] / groups, n = each < s.dim[1] ? each : s.dim[1];
    float        *v = wk_alloc_zero((size_t)(s.dim[0] * s.dim[1] * field), sizeof *v);
    if (!v) {
        wk_fail(c, WK_ENOMEM, "out of memory: initial values");
        return WK_NONE;
    }
    for (int64_t g = 0; g < groups; g++)
        for (int64_t i = 0; i < n; i++) v[((g * each + i) * s.dim[1] + i) * field + middle] = 1;
    const wk_tensor x = wk_cast(c, wk_make(c, v, WK_f32, s), t);
    wk_free(v);
    return x;
}

static wk_tensor sparse(wk_ctx *c, wk_dtype t, wk_shape s, wk_init how)
{
    if (s.ndim != 2) {
        wk_fail(c, WK_ESHAPE, "initial: sparse values have 2 dims, not %d", s.ndim);
        return WK_NONE;
    }
    const double    zeros = ceil(how.a * (double)s.dim[0]);
    const wk_tensor order = wk_argsort(c, wk_uniform(c, 0, 1, WK_f32, s), 0, false);
    const wk_tensor rank = wk_argsort(c, order, 0, false);
    const wk_tensor out = wk_lt(c, rank, wk_scalar(c, zeros));
    return wk_masked_fill(c, wk_normal(c, 0, how.b, t, s), out, wk_scalar(c, 0));
}

wk_tensor wk_initial(wk_ctx *c, wk_dtype t, wk_shape shape, wk_init how)
{
    switch (how.kind) {
    case WK_INIT_FULL:
        return wk_full(c, how.a, t, shape);
    case WK_INIT_UNIFORM:
        return wk_uniform(c, how.a, how.b, t, shape);
    case WK_INIT_NORMAL:
        return wk_normal(c, how.a, how.b, t, shape);
    case WK_INIT_TRUNCATED_NORMAL:
        return wk_truncated_normal(c, how.a, how.b, how.low, how.high, t, shape);
    case WK_INIT_XAVIER_UNIFORM:
    case WK_INIT_XAVIER_NORMAL:
    case WK_INIT_KAIMING_UNIFORM:
    case WK_INIT_KAIMING_NORMAL:
        return by_fans(c, t, shape, how);
    case WK_INIT_ORTHOGONAL:
        return orthogonal(c, t, shape, how.a != 0 ? how.a : 1);
    case WK_INIT_EYE:
        if (shape.ndim == 2) return wk_eye(c, shape.dim[0], shape.dim[1], t);
        break;
    case WK_INIT_DIRAC:
        return dirac(c, t, shape, how.groups > 0 ? how.groups : 1);
    case WK_INIT_SPARSE:
        return sparse(c, t, shape, how);
    }
    wk_fail(c, WK_EARG, "initial: kind %d of %d dims", (int)how.kind, shape.ndim);
    return WK_NONE;
}
