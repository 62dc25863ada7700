/* Gradients of the cases, of first and second order, against differences: wk_gradcheck and wk_gradgradcheck
 * on each layout. */
#include "tests/ops/cases.h"

#include "core/ctx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LAYOUTS (EXPANDED + 1)
/* Pairs of elements (of an input, of the result) up to which each pair is looked at. */
enum { EACH_PAIR = 1200 };

static bool seen[WK_OP_COUNT][LAYOUTS], second[WK_OP_COUNT];

static bool differs(const struct op_case *k, int i)
{
    return !k->in[i].fixed && k->in[i].dtype == WK_f64;
}

static void run(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    const struct op_case *k = arg;
    y[0] = k->run(c, x, k);
    if (y[0]->dtype != WK_f64 && wki_dtype_class(y[0]->dtype) == 'F') y[0] = wk_cast(c, y[0], WK_f64);
}

/* Outside of its domain a function gives NaN: there the inputs take the values of a place inside. False where
 * that is not possible, since they are not of the result's shape. */
static bool move_inside(wk_ctx *c, const struct op_case *k, wk_tensor *x, int64_t *pairs)
{
    wk_tensor y;
    run(c, (void *)(uintptr_t)k, x, &y);
    int64_t n = 0;
    for (int i = 0; i < k->n_in; i++)
        if (differs(k, i)) n += wk_count(x[i]);
    *pairs = n * wk_count(y);
    if (wk_ctx_status(c) != WK_OK || wki_dtype_class(y->dtype) != 'F' || wk_count(y) == 0) return true;
    const wk_tensor fine = wk_isfinite(c, y);
    if (wk_item(c, wk_all(c, fine, WK_ALL_DIMS, false)) != 0) return true;
    const int64_t at =
        (int64_t)wk_item(c, wk_argmax(c, wk_cast(c, wk_flatten(c, fine, 0, -1), WK_i32), 0, false));
    for (int i = 0; i < k->n_in; i++) {
        if (!differs(k, i)) continue;
        if (x[i]->ndim != y->ndim || memcmp(x[i]->shape, y->shape, sizeof y->shape) != 0) return false;
        /* written in place, so that the layout stays; every element of an expanded one has its own value */
        const wk_tensor inside = wk_select(c, wk_flatten(c, x[i], 0, -1), 0, at);
        const wk_tensor moved = wk_where(c, fine, x[i], inside);
        if (k->in[i].layout == EXPANDED)
            x[i] = moved;
        else
            wk_copy_into(c, x[i], moved);
    }
    return wk_item(c, wk_all(c, fine, WK_ALL_DIMS, false)) != 0 ||
           wk_item(c, wk_any(c, fine, WK_ALL_DIMS, false)) != 0;
}

static bool fail(wk_ctx *c, const struct op_case *k, const char *what, char *message, size_t size)
{
    snprintf(message, size, "%s%s: %s", DESCRIBE(k), what, wk_ctx_message(c));
    wk_ctx_clear(c);
    return false;
}

static bool check_layout(wk_ctx *c, const struct op_case *k, bool *done, char *message, size_t size)
{
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x[CASE_INPUTS];
    bool           ok = true;
    int64_t        pairs = 0;
    for (int i = 0; i < k->n_in; i++) x[i] = make_input(c, &k->in[i], (uint64_t)i + 1);
    const bool inside = move_inside(c, k, x, &pairs);
    if (wk_ctx_status(c) != WK_OK) ok = fail(c, k, ", value", message, size);
    if (ok && inside) {
        wk_gradcheck_opts o = {.atol = 2e-5, .rtol = 2e-5, .fast_mode = pairs > EACH_PAIR};
        for (int i = 0; i < k->n_in; i++)
            if (!differs(k, i)) o.fixed |= (uint64_t)1 << i;
        ok = wk_gradcheck(c, run, (void *)(uintptr_t)k, k->n_in, x, o) == WK_OK ||
             fail(c, k, "", message, size);
        o.atol = o.rtol = 1e-4;
        o.fast_mode = pairs > EACH_PAIR / 4;
        ok = ok && (k->first || wk_gradgradcheck(c, run, (void *)(uintptr_t)k, k->n_in, x, o) == WK_OK ||
                    fail(c, k, "", message, size));
    }
    *done |= ok && inside;
    for (wk_op op = 0; op < WK_OP_COUNT && ok && inside && !k->first; op++)
        second[op] |= strcmp(wki_op_name(op), k->op) == 0;
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

/* The case with its inputs in another layout; false where that changes nothing. */
static bool laid_out(struct op_case *k, enum layout layout)
{
    bool changed = false;
    for (int i = 0; i < k->n_in; i++) {
        struct input *in = &k->in[i];
        if (in->fixed || in->values || in->shape.ndim < (layout == TURNED ? 2 : 1)) continue;
        if (layout == EXPANDED && (k->apart || (k->lapack && in->shape.ndim < 3))) continue;
        changed |= in->layout != layout;
        in->layout = layout;
    }
    return changed;
}

bool check_gradient(wk_ctx *c, const struct op_case *given, char *message, size_t size)
{
    struct op_case k = *given;
    wk_op          op = 0;
    while (op < WK_OP_COUNT && strcmp(wki_op_name(op), k.op) != 0) op++;
    for (int i = 0; i < k.n_in; i++) {
        const wk_dtype t = k.in[i].dtype;
        if (k.in[i].fixed || wki_dtype_class(t) != 'F') continue;
        if (t == WK_f16 || t == WK_bf16) return true; /* in f64 the same as the case of f32 */
        k.in[i].dtype = WK_f64;
    }
    bool *const layouts = seen[op % WK_OP_COUNT];
    bool        plain = false;
    if (!check_layout(c, &k, &plain, message, size)) return false;
    for (enum layout layout = DENSE; layout < LAYOUTS; layout++) {
        struct op_case other = k;
        if (!laid_out(&other, layout))
            layouts[layout] |= plain;
        else if (!check_layout(c, &other, &layouts[layout], message, size))
            return false;
    }
    return true;
}

/* The gradient of the sum of squares of the gradients, by each input, in f64; in_f64: of inputs cast to it
 * first. */
static bool second_gradients(wk_ctx *c, const struct op_case *k, bool in_f64, wk_tensor *ddx)
{
    const wk_grad_opts o = {.create_graph = true, .materialize_grads = true};
    wk_tensor x[CASE_INPUTS], by[CASE_INPUTS], dx[CASE_INPUTS], sum = wk_zeros(c, WK_f64, WK_SCALAR_SHAPE);
    int       n = 0;
    wk_tape_begin(c);
    for (int i = 0; i < k->n_in; i++) {
        x[i] = make_input(c, &k->in[i], (uint64_t)i + 1);
        if (k->in[i].fixed || wki_dtype_class(x[i]->dtype) != 'F') continue;
        by[n++] = x[i] = wk_track(c, in_f64 ? wk_cast(c, x[i], WK_f64) : x[i]);
    }
    const wk_tensor y = k->run(c, x, k);
    const wk_tensor at = wk_reshape(c, wk_arange(c, 0, (double)wk_count(y), 1, WK_f64), wki_shape(y));
    const wk_tensor g = wk_cast(c, wk_cast(c, wk_cos(c, at), k->in[0].dtype), y->dtype);
    wk_grad_of(c, 1, &y, &g, n, by, dx, o);
    for (int i = 0; i < n && wk_ctx_status(c) == WK_OK; i++)
        sum = wk_add(c, sum, wk_sum(c, wk_square(c, wk_cast(c, dx[i], WK_f64)), WK_ALL_DIMS, false));
    if (sum->node) wk_backward(c, sum);
    for (int i = 0; i < CASE_INPUTS; i++) ddx[i] = i < n ? wk_cast(c, wk_grad(c, by[i]), WK_f64) : WK_NONE;
    wk_tape_end(c);
    return wk_ctx_status(c) == WK_OK;
}

bool check_fused_second(wk_ctx *c, const struct op_case *k, char *message, size_t size)
{
    if (k->in[0].dtype != WK_f32 || k->first) return true;
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      got[CASE_INPUTS], want[CASE_INPUTS];
    bool           ok = second_gradients(c, k, false, got) && second_gradients(c, k, true, want);
    if (!ok) fail(c, k, ", second order", message, size);
    for (int i = 0; i < CASE_INPUTS && ok; i++) {
        if (wk_is_none(want[i]) || wk_count(want[i]) == 0) continue;
        const wk_tensor scale =
            wk_add(c, wk_amax(c, wk_abs(c, want[i]), WK_ALL_DIMS, false), wk_scalar(c, 1));
        const wk_tensor off = wk_amax(c, wk_abs(c, wk_sub(c, got[i], want[i])), WK_ALL_DIMS, false);
        const double    by = wk_item(c, wk_div(c, off, scale));
        ok = by <= 1e-4;
        if (!ok) snprintf(message, size, "%s, second order by input %d: off by %.3g", DESCRIBE(k), i, by);
    }
    wk_scope_end(c, s, WK_NONE);
    return ok;
}

/* A row NAME_vjp is seen through the second order of NAME. */
static bool seen_through(const char *name, size_t n)
{
    for (wk_op of = 0; of < WK_OP_COUNT; of++)
        if (strlen(wki_op_name(of)) == n && strncmp(wki_op_name(of), name, n) == 0) return second[of];
    return false;
}

bool check_gradient_coverage(char *message, size_t size)
{
    size_t n = 0;
    message[0] = '\0';
    for (wk_op op = 0; op < WK_OP_COUNT; op++) {
        const char  *name = wki_op_name(op);
        const size_t length = strlen(name);
        bool         all = second[op];
        for (int layout = 0; layout < LAYOUTS; layout++) all &= seen[op][layout];
        if (wki_op_grad(op) == '0') continue;
        if (length > 4 && strcmp(name + length - 4, "_vjp") == 0) all = seen_through(name, length - 4);
        if (!all && n < size) n += (size_t)snprintf(message + n, size - n, "%s, ", name);
    }
    return n == 0;
}
