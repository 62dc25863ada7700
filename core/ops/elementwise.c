/* Elementwise ops: their front ends and gradients come from unary.def and binary.def. */
#include "derive.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static bool is_integer(wk_dtype t)
{
    const char cls = wki_dtype_class(t);
    return cls == 'I' || cls == 'B';
}
/* What a real function of t gives: block types compute in f32, integers promote to it. */
static wk_dtype real_of(wk_dtype t)
{
    return is_integer(t) || wki_is_block(t) ? WK_f32 : t;
}
static bool is_whole(double v)
{
    return v == trunc(v) && fabs(v) < 9.2e18;
}
/* Do integers stay integers? Bounds of clamp promote, but whole and open ones; the activations cut theirs to
 * integers. */
static bool stays(wk_op op, double p, double q)
{
    return op != WK_OP_clamp ||
           ((is_whole(p) || p == -(double)INFINITY) && (is_whole(q) || q == (double)INFINITY));
}

#define REQUIRE_TENSOR(c, op, x)                                                                             \
    if (wki_failed(c)) return WK_NONE;                                                                       \
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "%s: no tensor", wki_op_name(op))

/* Reading down columns wastes most of a cache line: a large turned operand is copied (in squares) first. */
static wk_tensor along_rows(wk_ctx *c, wk_tensor x)
{
    if (x->ndim < 2 || x->stride[x->ndim - 1] < 16 || x->shape[x->ndim - 1] < 16) return x;
    return wk_count(x) < 1 << 14 ? x : wk_contiguous(c, x);
}

/* clamp of integers: bool counts as i64, as in PyTorch; an open bound has no integer to stand for it. */
static wk_tensor clamp_whole(wk_ctx *c, wk_tensor x, double p, double q)
{
    const wk_dtype t = x->dtype == WK_bool ? WK_i64 : x->dtype;
    int64_t        least, most;
    wki_range(t, &least, &most);
    WK_REQUIRE(c, p <= (double)most && q >= (double)least, WK_EARG, "clamp: %s to [%g, %g]", wk_dtype_name(t),
               p, q);
    x = along_rows(c, x);
    if (isinf(p) && isinf(q)) return wk_clone(c, x);
    if (isinf(q)) return wk_maximum(c, x, wk_scalar_int(c, (int64_t)p));
    if (isinf(p)) return wk_minimum(c, x, wk_scalar_int(c, (int64_t)q));
    return wki_run(c, &(wk_call){.op = WK_OP_clamp,
                                 .cls = WK_CLASS_I64,
                                 WK_IN(x),
                                 .out = {wki_like_as(c, x, t)},
                                 .attr.f = {p, q}});
}

static wk_tensor unary(wk_ctx *c, wk_op op, wk_tensor x, double p, double q, bool integers)
{
    REQUIRE_TENSOR(c, op, x);
    if (op == WK_OP_clamp && integers && is_integer(x->dtype)) return clamp_whole(c, x, p, q);
    wk_dtype t = integers && is_integer(x->dtype) ? x->dtype : real_of(x->dtype);
    if (op == WK_OP_square && t == WK_bool) t = WK_i64; /* a power, in PyTorch */
    x = along_rows(c, x);
    return wki_run(
        c, &(wk_call){
               .op = op, .cls = wki_class_of(t), WK_IN(x), .out = {wki_like_as(c, x, t)}, .attr.f = {p, q}});
}

static wk_tensor test(wk_ctx *c, wk_op op, wk_tensor x)
{
    REQUIRE_TENSOR(c, op, x);
    const wk_class cls = wki_class_of(real_of(x->dtype));
    return wki_run(c, &(wk_call){.op = op, .cls = cls, WK_IN(x), .out = {wki_like_as(c, x, WK_bool)}});
}

/* Does a formula's text use the letter? */
static bool uses(const char *formula, char letter)
{
    char before = ' ';
    for (const char *p = formula; *p; before = *p++) {
        const bool inside = isalnum((unsigned char)before) || before == '_';
        if (*p == letter && !inside && !isalnum((unsigned char)p[1]) && p[1] != '_') return true;
    }
    return false;
}

/* dx = f'(x) g. While it is recorded, made of ops that have gradients. */
static void unary_vjp(wk_ctx *c, wk_op op, const wk_call *k, wk_tensor g, wk_tensor *dx, const char *formula)
{
    const wk_tensor x = k->in[0];
    if (wki_recording(c)) {
        const double   *pq = k->attr.f;
        const wk_tensor slope =
            wki_derive(c, op, formula, (struct wki_letters){.x = x, .y = k->out[0], .p = pq[0], .q = pq[1]});
        dx[0] = wk_cast(c, wk_mul(c, slope, g), real_of(x->dtype));
        return;
    }
    const wk_tensor like_x = uses(formula, 'x') ? x : g, y = uses(formula, 'y') ? k->out[0] : g;
    dx[0] = wki_run(c, &(wk_call){.op = op,
                                  .cls = k->cls,
                                  WK_IN(like_x, y, g),
                                  .out = {wki_like_as(c, x, real_of(x->dtype))},
                                  .attr.f = {k->attr.f[0], k->attr.f[1]}});
}

/* The neighbour of a towards b among the values of a half, by its bits: sign and magnitude, so that a step
 * away from 0 adds one. Recorded as the op it is. */
static wk_tensor next_half(wk_ctx *c, wk_tensor a, wk_tensor b, wk_dtype t, wk_shape shape)
{
    WK_REQUIRE(c, t == WK_f16 || t == WK_bf16, WK_EUNSUPPORTED, "nextafter: of %s", wk_dtype_name(t));
    const bool      was = wk_no_grad(c, true);
    const wk_tensor from = wk_contiguous(c, wk_expand(c, wk_cast(c, a, t), shape));
    const wk_tensor to = wk_expand(c, wk_cast(c, b, t), shape), bits = wk_view_dtype(c, from, WK_i16);
    const wk_tensor zero = wk_scalar_int(c, 0), one = wk_scalar_int(c, 1);
    const wk_tensor away = wk_eq(c, wk_lt(c, from, to), wk_gt(c, from, zero));
    const wk_tensor step = wk_where(c, away, one, wk_scalar_int(c, -1));
    const wk_tensor least = wk_where(c, wk_lt(c, to, zero), wk_scalar_int(c, -32767), one);
    const wk_tensor next = wk_where(c, wk_eq(c, from, zero), least, wk_add(c, bits, step));
    const wk_tensor stays = wk_logical_or(c, wk_eq(c, from, to), wk_isnan(c, to));
    wk_tensor       y = wk_where(c, stays, to, wk_view_dtype(c, wk_cast(c, next, WK_i16), t));
    y = wk_where(c, wk_isnan(c, from), from, y);
    wk_no_grad(c, was);
    return wki_run_view(c, &(wk_call){.op = WK_OP_nextafter, .cls = WK_CLASS_F32, WK_IN(a, b), .out = {y}});
}

enum kind { REAL, ANY, INTEGER, COMPARE };

static wk_tensor binary(wk_ctx *c, wk_op op, wk_tensor a, wk_tensor b, enum kind kind)
{
    REQUIRE_TENSOR(c, op, a);
    REQUIRE_TENSOR(c, op, b);
    wk_shape shape;
    WK_REQUIRE(c, wki_broadcast(a, b, &shape), WK_ESHAPE, "%s: %s and %s do not broadcast", wki_op_name(op),
               WKI_TEXT(a), WKI_TEXT(b));
    wk_dtype t = wki_result_dtype(a, b);
    if (wki_is_block(t)) t = WK_f32;
    if (kind == REAL) t = real_of(t);
    WK_REQUIRE(c, kind != INTEGER || is_integer(t), WK_EDTYPE, "%s: %s and %s are not integers",
               wki_op_name(op), wk_dtype_name(a->dtype), wk_dtype_name(b->dtype));
    if (op == WK_OP_nextafter && t != WK_f32 && t != WK_f64) return next_half(c, a, b, t, shape);
    a = along_rows(c, a);
    b = along_rows(c, b);
    return wki_run(c, &(wk_call){.op = op,
                                 .cls = wki_class_of(t),
                                 WK_IN(a, b),
                                 .out = {wki_new(c, kind == COMPARE ? WK_bool : t, shape)}});
}

/* Gradients of halves as PyTorch composes them, rounding each step. Where an operand was broadcast they are
 * summed and may cancel, as the two terms of a quotient's may; what is left then is of the size of these
 * roundings. */
static const struct {
    wk_op       op;
    bool        always;
    const char *by[2];
} stepwise[] = {
    {WK_OP_div_vjp, true, {NULL, "-g * (y / b)"}},
    {WK_OP_fmod_vjp, false, {NULL, "-g * truncf(a / b)"}},
    {WK_OP_pow_vjp, false, {"g * (b * powf(a, b - 1))", "a == 0 && b >= 0 ? 0 : g * (y * logf(a))"}},
    {WK_OP_atan2_vjp, false, {"g * b * (1 / (a * a + b * b))", "g * -a * (1 / (a * a + b * b))"}},
    {WK_OP_ldexp_vjp, false, {"g * exp2f(b)", "g * (a * exp2f(b)) * 0.693147180559945309417"}},
    {WK_OP_hypot_vjp, false, {"g * a / y", "g * b / y"}},
    {WK_OP_xlogy_vjp, false, {"a == 0 && b <= 0 ? 0 : g * logf(b)", "g * a / b"}},
    {WK_OP_xlog1py_vjp, false, {"a == 0 && b <= -1 ? 0 : g * log1pf(b)", "g * a / (b + 1)"}},
    {WK_OP_logaddexp_vjp,
     false,
     {"a == b ? 0.5 * g : g / (1 + expf(b - a))", "a == b ? 0.5 * g : g / (1 + expf(a - b))"}},
    {WK_OP_logaddexp2_vjp, false, {"g / (1 + exp2f(b - a))", "g / (1 + exp2f(a - b))"}},
};

/* The formula of `stepwise` for operand i; NULL: the op's own. */
static const char *in_steps(wk_op op, const wk_call *k, int i)
{
    const wk_dtype t = k->out[0]->dtype;
    if (t != WK_bf16 && t != WK_f16) return NULL;
    const bool summed = wk_count(k->in[i]) != wk_count(k->out[0]);
    for (size_t n = 0; n < sizeof stepwise / sizeof *stepwise; n++)
        if (stepwise[n].op == op && (summed || stepwise[n].always)) return stepwise[n].by[i];
    return NULL;
}

/* The derivative by operand i, times g; a formula "K(1)" is g itself. */
static void binary_vjp(wk_ctx *c, wk_op op, const wk_call *k, wk_tensor g, wk_tensor *dx, int i,
                       const char *formula)
{
    if (!k->in[i]->node) return;
    const char              *steps = in_steps(op, k, i);
    const struct wki_letters l = {.a = k->in[0], .b = k->in[1], .y = k->out[0], .g = g};
    if (strcmp(formula, "K(1)") != 0 && wki_recording(c)) {
        g = wk_mul(c, wki_derive(c, op, formula, l), g);
    } else if (steps) {
        g = wki_derive_stepwise(c, op, steps, l);
    } else if (strcmp(formula, "K(1)") != 0) {
        const wk_tensor a = uses(formula, 'a') ? k->in[0] : g, b = uses(formula, 'b') ? k->in[1] : g;
        const wk_tensor y = uses(formula, 'y') ? k->out[0] : g;
        g = wki_run(
            c,
            &(wk_call){
                .op = op, .cls = k->cls, WK_IN(a, b, y, g), .out = {wki_like(c, k->out[0])}, .attr.i = {i}});
    }
    dx[i] = wki_unbroadcast(c, g, k->in[i]);
}

/* The derivatives by the operands, as text. */
static const char *const formulas[WK_OP_COUNT][2] = {
#define WK_UNARY(name, y, dy)           [WK_OP_##name] = {#dy},
#define WK_UNARY_ANY(name, y, dy, iy)   [WK_OP_##name] = {#dy},
#define WK_UNARY_P(name, y, dy)         [WK_OP_##name] = {#dy},
#define WK_UNARY_P_ANY(name, y, dy, iy) [WK_OP_##name] = {#dy},
#define WK_UNARY_TEST(name, y)
#define WK_BINARY(name, y, da, db)         [WK_OP_##name] = {#da, #db},
#define WK_BINARY_ANY(name, y, da, db, iy) [WK_OP_##name] = {#da, #db},
#define WK_BINARY_INT(name, iy)
#define WK_COMPARE(name, y)
#include "core/binary.def"
#include "core/unary.def"
#undef WK_UNARY
#undef WK_UNARY_ANY
#undef WK_UNARY_P
#undef WK_UNARY_P_ANY
#undef WK_UNARY_TEST
#undef WK_BINARY
#undef WK_BINARY_ANY
#undef WK_BINARY_INT
#undef WK_COMPARE
};

unsigned wki_slope_reads(const wk_call *k)
{
    const char letters[] = {'x', 'a', 'b', 'y'}, reads[] = {1, 1, 2, 4};
    unsigned   all = 0;
    for (int i = 0; i < k->n_in; i++) {
        if (!k->in[i]->node) continue;
        const char *formula = formulas[k->op][i];
        const char *steps = k->n_in == 2 ? in_steps((wk_op)(k->op + 1), k, i) : NULL; /* its _vjp */
        for (int l = 0; l < 4; l++)
            if (uses(formula, letters[l]) || (steps && uses(steps, letters[l]))) all |= (unsigned)reads[l];
    }
    return all;
}

#define UNARY(name, integers)                                                                                \
    wk_tensor wk_##name(wk_ctx *c, wk_tensor x)                                                              \
    {                                                                                                        \
        return unary(c, WK_OP_##name, x, 0, 0, integers);                                                    \
    }
#define UNARY_P(name, integers)                                                                              \
    wk_tensor wk_##name(wk_ctx *c, wk_tensor x, double p, double q)                                          \
    {                                                                                                        \
        return unary(c, WK_OP_##name, x, p, q, integers);                                                    \
    }
#define UNARY_VJP(name, dy)                                                                                  \
    void wki_vjp_##name(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)                      \
    {                                                                                                        \
        unary_vjp(c, WK_OP_##name##_vjp, k, g[0], dx, dy);                                                   \
    }
#define WK_UNARY(name, y, dy)           UNARY(name, false) UNARY_VJP(name, #dy)
#define WK_UNARY_ANY(name, y, dy, iy)   UNARY(name, true) UNARY_VJP(name, #dy)
#define WK_UNARY_P(name, y, dy)         UNARY_P(name, false) UNARY_VJP(name, #dy)
#define WK_UNARY_P_ANY(name, y, dy, iy) UNARY_P(name, stays(WK_OP_##name, p, q)) UNARY_VJP(name, #dy)
#define WK_UNARY_TEST(name, y)                                                                               \
    wk_tensor wk_##name(wk_ctx *c, wk_tensor x)                                                              \
    {                                                                                                        \
        return test(c, WK_OP_##name, x);                                                                     \
    }
#include "core/unary.def"

#define BINARY(name, kind)                                                                                   \
    wk_tensor wk_##name(wk_ctx *c, wk_tensor a, wk_tensor b)                                                 \
    {                                                                                                        \
        return binary(c, WK_OP_##name, a, b, kind);                                                          \
    }
#define BINARY_VJP(name, da, db)                                                                             \
    void wki_vjp_##name(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)                      \
    {                                                                                                        \
        binary_vjp(c, WK_OP_##name##_vjp, k, g[0], dx, 0, da);                                               \
        binary_vjp(c, WK_OP_##name##_vjp, k, g[0], dx, 1, db);                                               \
    }
#define WK_BINARY(name, y, da, db)         BINARY(name, REAL) BINARY_VJP(name, #da, #db)
#define WK_BINARY_ANY(name, y, da, db, iy) BINARY(name, ANY) BINARY_VJP(name, #da, #db)
#define WK_BINARY_INT(name, iy)            BINARY(name, INTEGER)
#define WK_COMPARE(name, y)                BINARY(name, COMPARE)
#include "core/binary.def"

wk_tensor wk_bitwise_not(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c) || x->dtype == WK_bool) return wk_logical_not(c, x);
    return wk_bitwise_xor(c, x, wk_scalar_int(c, -1));
}

wk_tensor wk_where(wk_ctx *c, wk_tensor condition, wk_tensor a, wk_tensor b)
{
    REQUIRE_TENSOR(c, WK_OP_where, condition);
    REQUIRE_TENSOR(c, WK_OP_where, a);
    REQUIRE_TENSOR(c, WK_OP_where, b);
    wk_shape shape, all;
    bool     fit = wki_broadcast(a, b, &shape);
    if (fit) {
        struct wk_tensor_info both = {.ndim = shape.ndim}; /* only its sizes are looked at */
        memcpy(both.shape, shape.dim, sizeof both.shape);
        fit = wki_broadcast(condition, &both, &all);
    }
    WK_REQUIRE(c, fit, WK_ESHAPE, "where: %s, %s and %s do not broadcast", WKI_TEXT(condition), WKI_TEXT(a),
               WKI_TEXT(b));
    wk_dtype t = wki_result_dtype(a, b);
    if (wki_is_block(t)) t = WK_f32;
    return wki_run(c, &(wk_call){.op = WK_OP_where,
                                 .cls = wki_class_of(t),
                                 WK_IN(condition, a, b),
                                 .out = {wki_new(c, t, all)}});
}

void wki_vjp_where(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    wk_tensor zero = wk_scalar(c, 0.0);
    if (k->in[1]->node) dx[1] = wki_unbroadcast(c, wk_where(c, k->in[0], g[0], zero), k->in[1]);
    if (k->in[2]->node) dx[2] = wki_unbroadcast(c, wk_where(c, k->in[0], zero, g[0]), k->in[2]);
}
