/* Joining, repeating, turning and padding: copies of x's values in other places. */
#include "core/ctx.h"

/* ---- joining --------------------------------------------------------------------------------------- */

static wk_tensor join(wk_ctx *c, const char *op, int n, const wk_tensor *x,
                      wk_tensor (*wide)(wk_ctx *, wk_tensor), int dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n > 0 && n <= 4096, WK_EARG, "%s: %d tensors", op, n);
    wk_tensor *y = wk_alloc((size_t)n * sizeof *y);
    WK_REQUIRE(c, y, WK_ENOMEM, "%s: out of memory", op);
    for (int i = 0; i < n; i++) y[i] = wk_is_none(x[i]) ? WK_NONE : wide(c, x[i]);
    const int       d = !wki_failed(c) && dim == 1 && y[0]->ndim == 1 ? 0 : dim;
    const wk_tensor all = wki_failed(c) ? WK_NONE : wk_cat(c, n, y, d);
    wk_free(y);
    return wki_within(c, op, all);
}

static wk_tensor as_column(wk_ctx *c, wk_tensor x)
{
    return x->ndim < 2 ? wk_reshape(c, x, WK_SHAPE(wk_count(x), 1)) : x;
}

wk_tensor wk_hstack(wk_ctx *c, int n, const wk_tensor *x)
{
    return join(c, "hstack", n, x, wk_atleast_1d, 1);
}
wk_tensor wk_vstack(wk_ctx *c, int n, const wk_tensor *x)
{
    return join(c, "vstack", n, x, wk_atleast_2d, 0);
}
wk_tensor wk_dstack(wk_ctx *c, int n, const wk_tensor *x)
{
    return join(c, "dstack", n, x, wk_atleast_3d, 2);
}
wk_tensor wk_column_stack(wk_ctx *c, int n, const wk_tensor *x)
{
    return join(c, "column_stack", n, x, as_column, 1);
}

wk_tensor wk_block_diag(wk_ctx *c, int n, const wk_tensor *x)
{
    if (wki_failed(c)) return WK_NONE;
    int64_t cols = 0, left = 0;
    WK_REQUIRE(c, n > 0 && n <= 4096, WK_EARG, "block_diag: %d tensors", n);
    for (int i = 0; i < n; i++) {
        WK_REQUIRE(c, !wk_is_none(x[i]) && x[i]->ndim <= 2, WK_ESHAPE, "block_diag: operand %d is %s", i,
                   WKI_TEXT(x[i]));
        cols += x[i]->ndim == 2 ? x[i]->shape[1] : wk_count(x[i]);
    }
    wk_tensor *y = wk_alloc((size_t)n * sizeof *y);
    WK_REQUIRE(c, y, WK_ENOMEM, "block_diag: out of memory");
    for (int i = 0; i < n && !wki_failed(c); i++) {
        const wk_tensor m = wk_atleast_2d(c, x[i]);
        if (wki_failed(c)) break;
        y[i] = wk_pad(c, m, 2, (int64_t[]){left, cols - left - m->shape[1]}, 0);
        left += m->shape[1];
    }
    const wk_tensor all = wki_failed(c) ? WK_NONE : wk_cat(c, n, y, 0);
    wk_free(y);
    return all;
}

/* ---- repeating ------------------------------------------------------------------------------------- */

wk_tensor wk_tile(wk_ctx *c, wk_tensor x, wk_shape times)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "tile: no tensor");
    const int lead = x->ndim - times.ndim;
    if (lead <= 0) return wki_within(c, "tile", wk_repeat(c, x, times));
    wk_shape all = {.ndim = x->ndim};
    for (int i = 0; i < x->ndim; i++) all.dim[i] = i < lead ? 1 : times.dim[i - lead];
    return wki_within(c, "tile", wk_repeat(c, x, all));
}

wk_tensor wk_repeat_interleave(wk_ctx *c, wk_tensor x, int64_t times, int dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim < WK_MAX_DIMS, WK_EARG, "repeat_interleave: of %s", WKI_TEXT(x));
    WK_REQUIRE(c, times >= 0, WK_EARG, "repeat_interleave: %lld times", (long long)times);
    if (x->ndim == 0) x = wk_unsqueeze(c, x, 0);
    const int d = wki_dim(c, "repeat_interleave", x, dim);
    if (d < 0) return WK_NONE;
    const wk_tensor apart = wk_unsqueeze(c, x, d + 1);
    if (wki_failed(c)) return WK_NONE;
    wk_shape shape = wki_shape(apart), flat = wki_shape(x);
    shape.dim[d + 1] = times;
    flat.dim[d] *= times;
    return wk_reshape(c, wk_expand(c, apart, shape), flat);
}

wk_tensor wk_repeat_interleave_each(wk_ctx *c, wk_tensor x, wk_tensor times, int dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "repeat_interleave_each: no tensor");
    times = wki_as_index(c, "repeat_interleave_each", times);
    if (wki_failed(c)) return WK_NONE;
    if (x->ndim == 0) x = wk_unsqueeze(c, x, 0);
    const int d = wki_dim(c, "repeat_interleave_each", x, dim);
    if (d < 0) return WK_NONE;
    const int64_t n = x->shape[d];
    WK_REQUIRE(c, times->ndim <= 1 && (wk_count(times) == n || wk_count(times) == 1), WK_ESHAPE,
               "repeat_interleave_each: times %s for %lld values", WKI_TEXT(times), (long long)n);
    if (n == 0) return x;
    times = wk_expand(c, wk_reshape(c, times, WK_SHAPE(-1)), WK_SHAPE(n));
    const double least = wk_item(c, wk_amin(c, times, WK_ALL_DIMS, false));
    WK_REQUIRE(c, least >= 0, WK_EARG, "repeat_interleave_each: %lld times", (long long)least);
    const wk_tensor ends = wk_cumsum(c, times, 0);
    const double    total = wk_item(c, wk_select(c, ends, 0, -1));
    return wk_index_select(c, x, d, wk_searchsorted(c, ends, wk_arange(c, 0, total, 1, WK_i64), true));
}

/* ---- turning: attr.i[0] a bit for each dim ----------------------------------------------------------- */

wk_tensor wk_flip(wk_ctx *c, wk_tensor x, wk_shape dims)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG, "flip: no tensor of plain values");
    int64_t turned = dims.ndim ? 0 : (1 << x->ndim) - 1;
    for (int i = 0; i < dims.ndim; i++) {
        const int d = wki_dim(c, "flip", x, (int)dims.dim[i]);
        if (d < 0) return WK_NONE;
        WK_REQUIRE(c, !(turned >> d & 1), WK_EARG, "flip: dim %d twice", d);
        turned |= (int64_t)1 << d;
    }
    return wki_run(c, &(wk_call){.op = WK_OP_flip, WK_IN(x), .out = {wki_like(c, x)}, .attr.i = {turned}});
}

void wki_vjp_flip(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    wk_shape dims = {.ndim = 0};
    for (int i = 0; i < g[0]->ndim; i++)
        if (k->attr.i[0] >> i & 1) dims.dim[dims.ndim++] = i;
    dx[0] = dims.ndim ? wk_flip(c, g[0], dims) : g[0];
}

wk_tensor wk_roll(wk_ctx *c, wk_tensor x, wk_shape shifts, wk_shape dims)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "roll: no tensor");
    WK_REQUIRE(c, shifts.ndim == dims.ndim || (dims.ndim == 0 && shifts.ndim == 1), WK_EARG,
               "roll: %d shifts for %d dims", shifts.ndim, dims.ndim);
    if (wk_count(x) == 0) return x;
    if (dims.ndim == 0) {
        const wk_tensor y = wk_roll(c, wk_reshape(c, x, WK_SHAPE(-1)), shifts, WK_DIMS(0));
        return wki_failed(c) ? WK_NONE : wk_reshape(c, y, wki_shape(x));
    }
    for (int i = 0; i < dims.ndim; i++) {
        const int d = wki_dim(c, "roll", x, (int)dims.dim[i]);
        if (d < 0) return WK_NONE;
        const int64_t n = x->ndim ? x->shape[d] : 1, shift = (shifts.dim[i] % n + n) % n;
        if (shift == 0) continue;
        const wk_tensor parts[] = {wk_narrow(c, x, d, n - shift, shift), wk_narrow(c, x, d, 0, n - shift)};
        x = wk_cat(c, 2, parts, d);
        if (wki_failed(c)) return WK_NONE;
    }
    return x;
}

wk_tensor wk_rot90(wk_ctx *c, wk_tensor x, int64_t times, int a, int b)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim >= 2, WK_ESHAPE, "rot90: %s has fewer than 2 dims", WKI_TEXT(x));
    a = wki_dim(c, "rot90", x, a);
    b = wki_dim(c, "rot90", x, b);
    if (a < 0 || b < 0) return WK_NONE;
    WK_REQUIRE(c, a != b, WK_EARG, "rot90: of dim %d and itself", a);
    switch ((times % 4 + 4) % 4) {
    case 1:
        return wk_transpose(c, wk_flip(c, x, WK_DIMS(b)), a, b);
    case 2:
        return wk_flip(c, x, WK_DIMS(a, b));
    case 3:
        return wk_transpose(c, wk_flip(c, x, WK_DIMS(a)), a, b);
    default:
        return x;
    }
}

/* ---- padding with x's own values --------------------------------------------------------------------- */

/* Where the values of a dim of size n come from, from `before` in front to `after` behind. */
static wk_tensor sources(wk_ctx *c, int64_t n, int64_t before, int64_t after, wk_pad_mode mode)
{
    const wk_tensor at = wk_arange(c, (double)-before, (double)(n + after), 1, WK_i64),
                    last = wk_scalar_int(c, n - 1);
    if (mode == WK_PAD_REPLICATE) return wk_maximum(c, wk_minimum(c, at, last), wk_scalar_int(c, 0));
    if (mode == WK_PAD_CIRCULAR) return wk_remainder(c, at, wk_scalar_int(c, n));
    return wk_sub(c, last, wk_abs(c, wk_sub(c, last, wk_abs(c, at))));
}

wk_tensor wk_pad_with(wk_ctx *c, wk_tensor x, int n_pads, const int64_t *pads, wk_pad_mode mode)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "pad_with: no tensor");
    WK_REQUIRE(c, n_pads >= 0 && n_pads % 2 == 0 && n_pads / 2 <= x->ndim, WK_EARG,
               "pad_with: %d counts for %s", n_pads, WKI_TEXT(x));
    for (int i = 0; i < n_pads / 2; i++) {
        const int     d = x->ndim - 1 - i;
        int64_t       before = pads[2 * i], after = pads[2 * i + 1], n = x->shape[d];
        const int64_t most = mode == WK_PAD_REFLECT ? n - 1 : mode == WK_PAD_CIRCULAR ? n : INT64_MAX / 4;
        WK_REQUIRE(c,
                   n > 0 && before <= most && after <= most && n + before + after >= 0 && before >= -n &&
                       after >= -n,
                   WK_ESHAPE, "pad_with: %lld and %lld values beside %lld of them", (long long)before,
                   (long long)after, (long long)n);
        if (before == 0 && after == 0) continue;
        if (mode == WK_PAD_CIRCULAR &&
            (before < 0 || after < 0)) { /* what is cut off is not there to come again */
            const int64_t front = before < 0 ? -before : 0, back = after < 0 ? -after : 0;
            x = wk_narrow(c, x, d, front, n - front - back);
            n -= front + back;
            before += front;
            after += back;
        }
        x = before <= 0 && after <= 0 ? wk_narrow(c, x, d, -before, n + before + after)
                                      : wk_index_select(c, x, d, sources(c, n, before, after, mode));
        if (wki_failed(c)) return WK_NONE;
    }
    return x;
}
