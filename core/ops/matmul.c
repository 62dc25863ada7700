/* Products: matrices with broadcast leading dims, and affine maps with weights of any real or block dtype. */
#include "core/ctx.h"

/* ---- matmul ---------------------------------------------------------------------------------- */

static wk_tensor product(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    const int     na = a->ndim, nb = b->ndim;
    const int64_t n = a->shape[na - 2], m = b->shape[nb - 1];
    WK_REQUIRE(c, a->shape[na - 1] == b->shape[nb - 2], WK_ESHAPE, "matmul: %s times %s: inner sizes differ",
               WKI_TEXT(a), WKI_TEXT(b));
    wk_shape  shape = {0};
    const int nd = na > nb ? na : nb;
    for (int i = 3; i <= nd; i++) {
        const int64_t da = i <= na ? a->shape[na - i] : 1, db = i <= nb ? b->shape[nb - i] : 1;
        WK_REQUIRE(c, da == db || da == 1 || db == 1, WK_ESHAPE,
                   "matmul: %s times %s: leading dims do not broadcast", WKI_TEXT(a), WKI_TEXT(b));
        shape.dim[nd - i] = da == 1 ? db : da;
    }
    shape.ndim = nd;
    shape.dim[nd - 2] = n;
    shape.dim[nd - 1] = m;
    const wk_dtype t = wk_promote(a->dtype, b->dtype);
    return wki_run(
        c,
        &(wk_call){.op = WK_OP_matmul, .cls = wki_class_of(t), WK_IN(a, b), .out = {wki_new(c, t, shape)}});
}

wk_tensor wk_matmul(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(a) && !wk_is_none(b), WK_EARG, "matmul: an operand is empty");
    WK_REQUIRE(c, a->ndim > 0 && b->ndim > 0, WK_ESHAPE,
               "matmul: %s times %s: operands have at least one dim", WKI_TEXT(a), WKI_TEXT(b));
    const char ca = wki_dtype_class(a->dtype), cb = wki_dtype_class(b->dtype);
    WK_REQUIRE(c, (ca == 'F' || ca == 'I') && (cb == 'F' || cb == 'I'), WK_EDTYPE,
               "matmul: %s times %s is not supported", wk_dtype_name(a->dtype), wk_dtype_name(b->dtype));
    const bool row = a->ndim == 1, col = b->ndim == 1;
    if (row) a = wk_unsqueeze(c, a, 0);
    if (col) b = wk_unsqueeze(c, b, 1);
    if (wki_failed(c)) return WK_NONE;
    wk_tensor y = product(c, a, b);
    if (col) y = wk_squeeze(c, y, -1);
    if (row) y = wk_squeeze(c, y, col ? -1 : -2);
    return y;
}

static bool one_matrix(wk_tensor x)
{
    return wk_count(x) == x->shape[x->ndim - 1] * x->shape[x->ndim - 2];
}

/* The gradient of a matrix that served a whole batch: one product over the batch and the inner dim; `inner`
 * counts from the end of both. */
static wk_tensor over_batch(wk_ctx *c, wk_tensor a, wk_tensor b, int inner, wk_tensor like)
{
    wk_shape dims = {.ndim = a->ndim - 1};
    for (int i = 0; i < dims.ndim; i++) dims.dim[i] = i;
    if (inner == 1) dims.dim[dims.ndim - 1] = a->ndim - 1;
    return wk_reshape(c, wk_tensordot(c, a, b, dims, dims), wki_shape(like));
}

void wki_vjp_matmul(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor a = k->in[0], b = k->in[1];
    const bool      many = wk_count(g[0]) > 0 && !one_matrix(g[0]);
    if (a->node && many && one_matrix(a) && b->ndim == g[0]->ndim)
        dx[0] = over_batch(c, g[0], b, 1, a);
    else if (a->node)
        dx[0] = wki_unbroadcast(c, wk_matmul(c, g[0], wk_transpose(c, b, -1, -2)), a);
    if (b->node && many && one_matrix(b) && a->ndim == g[0]->ndim)
        dx[1] = over_batch(c, a, g[0], 2, b);
    else if (b->node)
        dx[1] = wki_unbroadcast(c, wk_matmul(c, wk_transpose(c, a, -1, -2), g[0]), b);
}

/* ---- affine ---------------------------------------------------------------------------------- */

/* Integers have no kernel of their own: they are a product and a sum. */
static bool of_integers(wk_tensor x)
{
    return wki_dtype_class(x->dtype) == 'I';
}

static bool affine_fits(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias)
{
    if (wki_failed(c)) return false;
    const char cw = wki_dtype_class(w->dtype);
    if (wk_is_none(x) || wk_is_none(w))
        wk_fail(c, WK_EARG, "affine: an operand is empty");
    else if (x->ndim == 0 || w->ndim != 2 || wki_cols(x) != wki_cols(w))
        wk_fail(c, WK_ESHAPE, "affine: x has %lld columns, weight is %s",
                x->ndim ? (long long)wki_cols(x) : 0LL, WKI_TEXT(w));
    else if (of_integers(x) ? x->dtype != w->dtype
                            : wki_dtype_class(x->dtype) != 'F' || (cw != 'F' && cw != 'Q'))
        wk_fail(c, WK_EDTYPE, "affine: x is %s, weight %s; real ones, or integers of one dtype, are wanted",
                wk_dtype_name(x->dtype), wk_dtype_name(w->dtype));
    else if (!wk_is_none(bias) && (bias->ndim != 1 || bias->shape[0] != w->shape[0]))
        wk_fail(c, WK_ESHAPE, "affine: bias is %s, weight %s", WKI_TEXT(bias), WKI_TEXT(w));
    else if (!wk_is_none(bias) &&
             (of_integers(x) ? bias->dtype != x->dtype : wki_dtype_class(bias->dtype) != 'F'))
        wk_fail(c, WK_EDTYPE, "affine: bias is %s", wk_dtype_name(bias->dtype));
    else if (cw == 'Q' && w->node && wki_recording(c))
        wk_fail(c, WK_ENOGRAD, "affine: a weight in %s has no gradient", wk_dtype_name(w->dtype));
    return !wki_failed(c);
}

/* x with all its rows at one step from each other. */
static wk_tensor even_rows(wk_ctx *c, wk_tensor x)
{
    int64_t next = -1;
    for (int i = x->ndim - 2; i >= 0; i--) {
        if (x->shape[i] == 1) continue;
        if (next >= 0 && x->stride[i] != next) return wk_contiguous(c, x);
        next = x->stride[i] * x->shape[i];
    }
    return x;
}

void wk_affine_n(wk_ctx *c, wk_tensor x, int n, const wk_tensor *w, const wk_tensor *bias, wk_tensor *out)
{
    for (int i = 0; i < n; i++) out[i] = WK_NONE;
    if (wki_failed(c)) return;
    if (n < 1 || n > WK_MAX_OUT) {
        wk_fail(c, WK_EARG, "affine_n: %d weights, 1 to %d are possible", n, WK_MAX_OUT);
        return;
    }
    for (int i = 0; i < n; i++)
        if (!affine_fits(c, x, w[i], bias && bias[i] ? bias[i] : WK_NONE)) return;
    for (int i = 0; of_integers(x) && i < n && !wki_failed(c); i++) {
        out[i] = wk_matmul(c, x, wk_transpose(c, w[i], 0, 1));
        if (bias && bias[i] && !wk_is_none(bias[i])) out[i] = wk_add(c, out[i], bias[i]);
    }
    for (int i = 0; i < n && wki_failed(c); i++) out[i] = WK_NONE;
    if (of_integers(x)) return;
    x = even_rows(c, x);
    if (wki_failed(c)) return;
    wk_tensor in[1 + 2 * WK_MAX_OUT] = {x};
    wk_call   k = {.op = WK_OP_affine, .n_in = 1 + 2 * n, .n_out = n, .in = in};
    for (int i = 0; i < n; i++) {
        in[1 + i] = w[i];
        in[1 + n + i] = bias && bias[i] ? bias[i] : WK_NONE;
        wk_shape shape = wki_shape(x);
        shape.dim[shape.ndim - 1] = w[i]->shape[0];
        k.out[i] = wki_new(c, x->dtype, shape);
    }
    k.cls = wki_class_of(x->dtype);
    wki_run(c, &k);
    if (wki_failed(c)) return;
    for (int i = 0; i < n; i++) out[i] = k.out[i];
}

wk_tensor wk_affine(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias)
{
    wk_tensor y;
    wk_affine_n(c, x, 1, &w, &bias, &y);
    return y;
}

/* ---- affine and what follows it: their gradients are the compositions' -------------------------- */

/* The fused op's result: one of affine's shape, in x's dtype. */
static wk_tensor ended(wk_ctx *c, wk_call k)
{
    const wk_tensor x = k.in[0], w = k.in[1];
    if (wki_failed(c)) return WK_NONE;
    wk_shape shape = wki_shape(x);
    shape.dim[shape.ndim - 1] = w->shape[0];
    k.cls = wki_class_of(x->dtype);
    k.out[0] = wki_new(c, x->dtype, shape);
    return wki_run(c, &k);
}

static wk_tensor affine_act(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, enum wki_affine_act act)
{
    if (!affine_fits(c, x, w, bias)) return WK_NONE;
    if (of_integers(x) || !wki_has(c, WK_OP_affine_act)) {
        const wk_tensor y = wk_affine(c, x, w, bias);
        return act == WKI_AFFINE_RELU ? wk_relu(c, y) : wk_gelu_tanh(c, y);
    }
    x = even_rows(c, x);
    return ended(c, (wk_call){.op = WK_OP_affine_act, WK_IN(x, w, bias), .attr.i = {act}});
}

wk_tensor wk_affine_relu(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias)
{
    return affine_act(c, x, w, bias, WKI_AFFINE_RELU);
}

wk_tensor wk_affine_gelu_tanh(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias)
{
    return affine_act(c, x, w, bias, WKI_AFFINE_GELU_TANH);
}

wk_tensor wk_affine_add(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_tensor r)
{
    if (!affine_fits(c, x, w, bias)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(r), WK_EARG, "affine_add: an operand is empty");
    bool same = r->ndim == x->ndim && r->dtype == x->dtype && wki_cols(r) == w->shape[0];
    for (int i = 0; same && i + 1 < x->ndim; i++) same = r->shape[i] == x->shape[i];
    if (!same || of_integers(x) || !wki_has(c, WK_OP_affine_add))
        return wk_add(c, r, wk_affine(c, x, w, bias));
    x = even_rows(c, x);
    r = even_rows(c, r);
    return ended(c, (wk_call){.op = WK_OP_affine_add, WK_IN(x, w, bias, r)});
}

static wk_tensor to_dtype(wk_ctx *c, wk_tensor x, wk_dtype t)
{
    return x->dtype == t ? x : wk_cast(c, x, t);
}

void wki_vjp_affine(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const int       n = k->n_out ? k->n_out : 1;
    const wk_tensor x = k->in[0];
    for (int i = 0; i < n; i++) {
        const wk_tensor w = k->in[1 + i], b = k->in[1 + n + i];
        if (wk_is_none(g[i])) continue;
        if (x->node) {
            wk_tensor part =
                to_dtype(c, wk_matmul(c, g[i], wki_is_block(w->dtype) ? wk_cast(c, w, WK_f32) : w), x->dtype);
            dx[0] = wk_is_none(dx[0]) ? part : wk_add(c, dx[0], part);
        }
        const wk_tensor rows = wk_reshape(c, g[i], WK_SHAPE(wki_rows(g[i]), wki_cols(g[i])));
        if (w->node) {
            wk_tensor flat = wk_reshape(c, x, WK_SHAPE(wki_rows(x), wki_cols(x)));
            dx[1 + i] = to_dtype(c, wk_matmul(c, wk_transpose(c, rows, 0, 1), flat), w->dtype);
        }
        if (b->node) dx[1 + n + i] = to_dtype(c, wk_sum(c, rows, WK_DIMS(0), false), b->dtype);
    }
}
