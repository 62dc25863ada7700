/* Shape ops that copy: cat, stack, repeat, pad, tril, triu. */
#include "core/ctx.h"

#include <string.h>

/* ---- cat: attr.i[0] the dim ------------------------------------------------------------------ */

/* Of first's dims, and do its values from dim d on lie end to end? */
static bool ends_dense(wk_tensor x, wk_tensor first, int d)
{
    int64_t n = 1;
    for (int i = x->ndim - 1; i >= d; i--) {
        if (x->shape[i] != 1 && x->stride[i] != n) return false;
        n *= x->shape[i];
    }
    return x->ndim == first->ndim;
}

wk_tensor wk_cat(wk_ctx *c, int n, const wk_tensor *x, int dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n > 0, WK_EARG, "cat: no tensors");
    for (int i = 0; i < n; i++) WK_REQUIRE(c, !wk_is_none(x[i]), WK_EARG, "cat: operand %d is no tensor", i);
    /* PyTorch lets empty 1-d tensors join anything. */
    wk_tensor first = x[0];
    for (int i = 0; i < n && first->ndim == 1 && first->shape[0] == 0; i++) first = x[i];
    WK_REQUIRE(c, first->ndim > 0, WK_ESHAPE, "cat: tensors without dims");
    const int d = wki_dim(c, "cat", first, dim);
    if (d < 0) return WK_NONE;
    wk_shape shape = wki_shape(first);
    wk_dtype t = x[0]->dtype;
    shape.dim[d] = 0;
    for (int i = 0; i < n; i++) {
        t = wk_promote(t, x[i]->dtype);
        if (x[i]->ndim == 1 && x[i]->shape[0] == 0) continue;
        bool fit = x[i]->ndim == first->ndim;
        for (int k = 0; k < first->ndim && fit; k++) fit = k == d || x[i]->shape[k] == first->shape[k];
        WK_REQUIRE(c, fit, WK_ESHAPE, "cat: %s and %s along dim %d", WKI_TEXT(first), WKI_TEXT(x[i]), d);
        shape.dim[d] += x[i]->shape[d];
    }
    const wk_tensor y = wki_new(c, t, shape);
    bool            plain = wki_has(c, WK_OP_cat) && !wki_is_block(t);
    for (int i = 0; i < n && plain; i++) plain = x[i]->dtype == t && ends_dense(x[i], first, d);
    const wk_call k = {.op = WK_OP_cat, .in = x, .n_in = n, .out = {y}, .attr.i = {d}};
    if (plain) return wki_run(c, &k);
    int64_t    at = 0;
    const bool was = wk_no_grad(c, true);
    for (int i = 0; i < n && !wki_failed(c); i++) {
        if (x[i]->ndim == 1 && x[i]->shape[0] == 0 && first != x[i]) continue;
        wk_copy_into(c, wk_narrow(c, y, d, at, x[i]->shape[d]), x[i]);
        at += x[i]->shape[d];
    }
    wk_no_grad(c, was);
    return wki_run_view(c, &k);
}

void wki_vjp_cat(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const int d = (int)k->attr.i[0];
    int64_t   at = 0;
    for (int i = 0; i < k->n_in; i++) {
        if (k->in[i]->ndim == 1 && k->in[i]->shape[0] == 0) {
            dx[i] = wk_zeros(c, k->in[i]->dtype, WK_SHAPE(0));
            continue;
        }
        if (k->in[i]->node) dx[i] = wk_narrow(c, g[0], d, at, k->in[i]->shape[d]);
        at += k->in[i]->shape[d];
    }
}

wk_tensor wk_stack(wk_ctx *c, int n, const wk_tensor *x, int dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n > 0 && n <= 4096, WK_EARG, "stack: %d tensors", n);
    wk_tensor *wide = wk_alloc((size_t)n * sizeof *wide);
    WK_REQUIRE(c, wide, WK_ENOMEM, "stack: out of memory");
    for (int i = 0; i < n; i++) wide[i] = wk_is_none(x[i]) ? WK_NONE : wk_unsqueeze(c, x[i], dim);
    wk_tensor y = WK_NONE;
    if (!wki_failed(c)) y = wk_cat(c, n, wide, dim < 0 ? dim + x[0]->ndim + 1 : dim);
    wk_free(wide);
    return y;
}

/* ---- repeat: a size-1 dim before each, expanded, merged into it ------------------------------ */

wk_tensor wk_repeat(wk_ctx *c, wk_tensor x, wk_shape times)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "repeat: no tensor");
    WK_REQUIRE(c, times.ndim >= x->ndim, WK_ESHAPE, "repeat: %d counts for %s", times.ndim, WKI_TEXT(x));
    const int lead = times.ndim - x->ndim;
    wk_shape  shape = {.ndim = times.ndim};
    for (int i = 0; i < times.ndim; i++) {
        const int64_t n = i < lead ? 1 : x->shape[i - lead];
        WK_REQUIRE(c, times.dim[i] >= 0 && !__builtin_mul_overflow(n, times.dim[i], &shape.dim[i]), WK_ESHAPE,
                   "repeat: %lld times", (long long)times.dim[i]);
    }
    wk_tensor  y = wki_new(c, x->dtype, shape);
    const bool was = wk_no_grad(c, true);
    /* Copies double what is there, dim by dim, starting from one copy in the corner. */
    if (!wki_failed(c) && wk_count(y) > 0) {
        wk_tensor corner = y;
        for (int i = 0; i < times.ndim; i++)
            corner = wk_narrow(c, corner, i, 0, i < lead ? 1 : x->shape[i - lead]);
        wk_copy_into(c, corner, x);
        for (int i = times.ndim - 1; i >= 0; i--) {
            wk_tensor slab = y; /* full in later dims, one copy in earlier ones */
            for (int k = 0; k < i; k++) slab = wk_narrow(c, slab, k, 0, k < lead ? 1 : x->shape[k - lead]);
            const int64_t size = i < lead ? 1 : x->shape[i - lead];
            for (int64_t have = size; have < shape.dim[i] && !wki_failed(c);) {
                const int64_t more = shape.dim[i] - have < have ? shape.dim[i] - have : have;
                wk_copy_into(c, wk_narrow(c, slab, i, have, more), wk_narrow(c, slab, i, 0, more));
                have += more;
            }
        }
    }
    wk_no_grad(c, was);
    return wki_run_view(c, &(wk_call){.op = WK_OP_repeat, WK_IN(x), .out = {y}});
}

void wki_vjp_repeat(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    if (wk_count(g[0]) == 0) {
        dx[0] = wk_zeros(c, x->dtype, wki_shape(x));
        return;
    }
    /* One dim at a time: [.., times * size, ..] as [.., times, size, ..], summed over times. */
    wk_tensor d = g[0];
    const int lead = d->ndim - x->ndim;
    for (int i = d->ndim - 1; i >= 0; i--) {
        const int64_t size = i < lead ? 1 : x->shape[i - lead];
        wk_shape      apart = {.ndim = 4, .dim = {1, d->shape[i] / size, size, 1}}, back = wki_shape(d);
        for (int k2 = 0; k2 < i; k2++) apart.dim[0] *= d->shape[k2];
        for (int k2 = i + 1; k2 < d->ndim; k2++) apart.dim[3] *= d->shape[k2];
        back.dim[i] = size;
        if (apart.dim[1] != 1) d = wk_reshape(c, wk_sum(c, wk_reshape(c, d, apart), WK_DIMS(1), false), back);
        if (wki_failed(c)) return;
    }
    dx[0] = wk_reshape(c, d, wki_shape(x));
}

/* ---- pad: attr.i the values before each dim -------------------------------------------------- */

wk_tensor wk_pad(wk_ctx *c, wk_tensor x, int n_pads, const int64_t *pads, double value)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "pad: no tensor");
    WK_REQUIRE(c, n_pads >= 0 && n_pads % 2 == 0 && n_pads / 2 <= x->ndim, WK_EARG, "pad: %d counts for %s",
               n_pads, WKI_TEXT(x));
    wk_shape  shape = wki_shape(x);
    wk_call   k = {.op = WK_OP_pad, WK_IN(x)};
    wk_tensor from = x;
    int64_t   start[WK_MAX_DIMS] = {0}, size[WK_MAX_DIMS];
    memcpy(size, x->shape, sizeof size);
    const bool was = wk_no_grad(c, true);
    for (int i = 0; i < n_pads / 2; i++) {
        const int     d = x->ndim - 1 - i;
        const int64_t before = pads[2 * i], after = pads[2 * i + 1];
        shape.dim[d] = x->shape[d] + before + after;
        if (shape.dim[d] < 0) {
            wk_fail(c, WK_ESHAPE, "pad: %lld and %lld leave nothing of size %lld", (long long)before,
                    (long long)after, (long long)x->shape[d]);
            break;
        }
        const int64_t cut = before < 0 ? -before : 0, cut_after = after < 0 ? -after : 0;
        size[d] = x->shape[d] - cut - cut_after;
        if (size[d] < 0) size[d] = 0;
        start[d] = before > 0 ? before : 0;
        k.attr.i[d] = before;
        from = wk_narrow(c, from, d, cut < x->shape[d] ? cut : x->shape[d], size[d]);
    }
    wk_tensor y = wk_full(c, value, x->dtype, shape), inside = y;
    for (int d = 0; d < x->ndim; d++) inside = wk_narrow(c, inside, d, start[d], size[d]);
    if (!wki_failed(c) && wk_count(inside) > 0) wk_copy_into(c, inside, from);
    wk_no_grad(c, was);
    k.out[0] = y;
    return wki_run_view(c, &k);
}

void wki_vjp_pad(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    int64_t         back[2 * WK_MAX_DIMS];
    for (int i = 0; i < x->ndim; i++) {
        const int     d = x->ndim - 1 - i;
        const int64_t before = k->attr.i[d];
        back[2 * i] = -before;
        back[2 * i + 1] = x->shape[d] - (g[0]->shape[d] - before);
    }
    dx[0] = wk_pad(c, g[0], 2 * x->ndim, back, 0.0);
}

/* ---- triangles: attr.i the diagonal, lower ------------------------------------------------------ */

static wk_tensor triangle(wk_ctx *c, const char *op, wk_tensor x, int64_t diagonal, bool lower)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim >= 2, WK_ESHAPE, "%s: %s has fewer than 2 dims", op, WKI_TEXT(x));
    WK_REQUIRE(c, !wki_is_block(x->dtype), WK_EDTYPE, "%s: of %s", op, wk_dtype_name(x->dtype));
    return wki_run(
        c, &(wk_call){.op = WK_OP_triangle, WK_IN(x), .out = {wki_like(c, x)}, .attr.i = {diagonal, lower}});
}

void wki_vjp_triangle(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = triangle(c, "triangle", g[0], k->attr.i[0], k->attr.i[1] != 0);
}

wk_tensor wk_tril(wk_ctx *c, wk_tensor x, int64_t diagonal)
{
    return triangle(c, "tril", x, diagonal, true);
}
wk_tensor wk_triu(wk_ctx *c, wk_tensor x, int64_t diagonal)
{
    return triangle(c, "triu", x, diagonal, false);
}
