/* Attention that never holds the score matrix, and the key-value cache it reads. */
#include "core/tape.h"

#include <math.h>

struct sizes {
    int64_t heads, groups, queries, keys, d, dv;
};

static struct sizes sizes_of(wk_tensor q, wk_tensor k, wk_tensor v)
{
    return (struct sizes){.heads = wk_size(q, -3),
                          .groups = wk_size(k, -3),
                          .queries = wk_size(q, -2),
                          .keys = wk_size(k, -2),
                          .d = wk_size(q, -1),
                          .dv = wk_size(v, -1)};
}

static bool same_lead(wk_tensor a, wk_tensor b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i + 3 < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

/* Leading dims that differ are broadcast: x with those of `lead`, and its own last three. */
static wk_tensor spread(wk_ctx *c, wk_tensor x, wk_shape lead)
{
    const int skip = lead.ndim - x->ndim;
    bool      same = skip == 0;
    for (int i = 0; i + 3 < lead.ndim && same; i++) same = x->shape[i] == lead.dim[i];
    if (same) return x;
    for (int i = lead.ndim - 3; i < lead.ndim; i++) lead.dim[i] = x->shape[i - skip];
    return wk_expand(c, x, lead);
}
static void spread_all(wk_ctx *c, wk_tensor *x[3])
{
    wk_shape lead = {.ndim = 0};
    for (int o = 0; o < 3; o++) {
        const wk_tensor t = *x[o];
        if (t->ndim < 3) return;
        for (; lead.ndim < t->ndim; lead.ndim++) {
            for (int i = lead.ndim; i > 0; i--) lead.dim[i] = lead.dim[i - 1];
            lead.dim[0] = 1;
        }
        for (int i = 0; i + 3 < t->ndim; i++)
            if (t->shape[i] != 1) lead.dim[i + lead.ndim - t->ndim] = t->shape[i];
    }
    for (int o = 0; o < 3; o++)
        for (int i = 0; i + 3 < (*x[o])->ndim; i++) {
            const int64_t size = (*x[o])->shape[i];
            if (size != 1 && size != lead.dim[i + lead.ndim - (*x[o])->ndim]) return; /* check tells */
        }
    for (int o = 0; o < 3; o++) *x[o] = spread(c, *x[o], lead);
}

static bool is_index(wk_tensor x)
{
    return x->dtype == WK_i32 || x->dtype == WK_i64;
}

/* One place, or one for each entry of x's leading sizes. */
static bool is_start(wk_tensor start, wk_tensor x)
{
    int64_t entries = 1;
    for (int i = 0; i + 3 < x->ndim; i++) entries *= x->shape[i];
    return is_index(start) && (wk_count(start) == 1 || (entries && wk_count(start) == entries));
}

static bool takes(wk_tensor x)
{
    const char cls = wki_dtype_class(x->dtype);
    return cls == 'F' || cls == 'Q';
}

static bool check(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const wk_attend_opts *o)
{
    if (wki_failed(c)) return false;
    const struct sizes n = sizes_of(q, k, v);
    if (q->ndim < 3 || !same_lead(q, k) || !same_lead(k, v) || wk_size(k, -1) != n.d || n.d == 0 ||
        wk_size(v, -2) != n.keys || wk_size(v, -3) != n.groups || n.groups == 0 || n.heads % n.groups != 0)
        wk_fail(c, WK_ESHAPE, "attend: q %s, k %s, v %s", WKI_TEXT(q), WKI_TEXT(k), WKI_TEXT(v));
    else if (wki_dtype_class(q->dtype) != 'F' || !takes(k) || !takes(v))
        wk_fail(c, WK_EDTYPE, "attend: q %s, k %s, v %s", wk_dtype_name(q->dtype), wk_dtype_name(k->dtype),
                wk_dtype_name(v->dtype));
    else if (!wk_is_none(o->start) && !is_start(o->start, q))
        wk_fail(c, WK_EARG, "attend: start is %s %s, not one i32 or i64 or one for each entry of q %s",
                wk_dtype_name(o->start->dtype), WKI_TEXT(o->start), WKI_TEXT(q));
    else if (o->window < 0 || o->softcap < 0)
        wk_fail(c, WK_EARG, "attend: window %lld, softcap %g", (long long)o->window, o->softcap);
    else if (!wk_is_none(o->mask) && wki_dtype_class(o->mask->dtype) != 'B' &&
             wki_dtype_class(o->mask->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "attend: mask is %s, neither bool nor real", wk_dtype_name(o->mask->dtype));
    else if (!wk_is_none(o->sinks) && ((wk_count(o->sinks) != 1 && wk_count(o->sinks) != n.heads) ||
                                       wki_dtype_class(o->sinks->dtype) != 'F'))
        wk_fail(c, WK_ESHAPE, "attend: sinks are %s %s, there are %lld heads", wk_dtype_name(o->sinks->dtype),
                WKI_TEXT(o->sinks), (long long)n.heads);
    return !wki_failed(c);
}

/* Shape of q with its last two sizes replaced. */
static wk_shape shape_like(wk_tensor q, int64_t rows, int64_t columns)
{
    wk_shape s = wki_shape(q);
    s.dim[s.ndim - 2] = rows;
    s.dim[s.ndim - 1] = columns;
    return s;
}

/* [.., H, T, n] whose memory is [.., T, H, n]. */
static wk_tensor new_result(wk_ctx *c, wk_tensor q, int64_t n)
{
    const int d = q->ndim;
    wk_shape  s = shape_like(q, q->shape[d - 3], n);
    s.dim[d - 3] = q->shape[d - 2];
    const wk_tensor memory = wki_new(c, q->dtype, s);
    if (wk_is_none(memory)) return WK_NONE;
    int64_t stride[WK_MAX_DIMS];
    for (int i = 0; i < d; i++) stride[i] = memory->stride[i];
    stride[d - 3] = memory->stride[d - 2];
    stride[d - 2] = memory->stride[d - 3];
    return wki_view(c, memory, 0, shape_like(q, q->shape[d - 2], n), stride);
}

/* ---- the composition: what attend means ------------------------------------------------------ */

/* bool [T, S], or [.., 1, T, S] where entries have starts of their own: which keys a query may see by place;
 * WK_NONE: all. */
static wk_tensor visible(wk_ctx *c, wk_tensor q, struct sizes n, const wk_attend_opts *o)
{
    if (!o->causal && !o->window && wk_is_none(o->start)) return WK_NONE;
    wk_shape entries = wki_shape(q);
    for (int i = 0; i < 3; i++) entries.dim[entries.ndim - 1 - i] = 1;
    const wk_tensor start = wk_is_none(o->start)
                                ? wk_full(c, (double)(n.keys - n.queries), WK_i64, WK_SHAPE(1))
                                : wk_reshape(c, o->start, wk_count(o->start) > 1 ? entries : WK_SHAPE(1));
    const wk_tensor t = wk_unsqueeze(c, wk_arange(c, 0, (double)n.queries, 1, WK_i64), 1);
    const wk_tensor at = wk_add(c, t, start), key = wk_arange(c, 0, (double)n.keys, 1, WK_i64);
    wk_tensor       seen =
        o->causal ? wk_le(c, key, at) : wk_lt(c, key, wk_add(c, start, wk_scalar_int(c, n.queries)));
    if (o->window) seen = wk_logical_and(c, seen, wk_gt(c, key, wk_sub(c, at, wk_scalar_int(c, o->window))));
    return seen;
}

static wk_tensor masked(wk_ctx *c, wk_tensor scores, wk_tensor seen)
{
    return wk_where(c, seen, scores, wk_scalar(c, -(double)INFINITY));
}

static wk_tensor composed(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const wk_attend_opts *o)
{
    const struct sizes n = sizes_of(q, k, v);
    const wk_dtype     t = q->dtype == WK_f64 ? WK_f64 : WK_f32;
    const int64_t      rows = n.heads / n.groups * n.queries;
    wk_shape           packed = shape_like(q, rows, n.d);
    packed.dim[q->ndim - 3] = n.groups;
    const wk_tensor qs = wk_mul(c, wk_cast(c, q, t), wk_scalar(c, o->scale));
    wk_tensor       s = wk_matmul(c, wk_reshape(c, qs, packed), wk_transpose(c, wk_cast(c, k, t), -1, -2));
    s = wk_reshape(c, s, shape_like(q, n.queries, n.keys));
    if (o->softcap > 0)
        s = wk_mul(c, wk_tanh(c, wk_mul(c, s, wk_scalar(c, 1 / o->softcap))), wk_scalar(c, o->softcap));
    if (!wk_is_none(o->mask))
        s = o->mask->dtype == WK_bool ? masked(c, s, o->mask) : wk_add(c, s, wk_cast(c, o->mask, t));
    const wk_tensor seen = visible(c, q, n, o);
    if (!wk_is_none(seen)) s = masked(c, s, seen);
    /* a query that sees nothing gives 0 */
    if (wk_is_none(o->sinks)) {
        const wk_tensor most = wk_amax(c, wk_detach(c, s), WK_DIMS(-1), true);
        const wk_tensor blind = wk_eq(c, most, wk_scalar(c, -(double)INFINITY));
        s = wk_softmax(c, wk_where(c, blind, wk_scalar(c, 0), s), -1);
        s = wk_where(c, blind, wk_scalar(c, 0), s);
    } else { /* one more key, that all see and that has no value */
        const wk_tensor sink = wk_reshape(c, wk_cast(c, o->sinks, t), WK_SHAPE(-1, 1, 1));
        const wk_tensor both[] = {s, wk_expand(c, sink, shape_like(q, n.queries, 1))};
        s = wk_narrow(c, wk_softmax(c, wk_cat(c, 2, both, -1), -1), -1, 0, n.keys);
    }
    packed.dim[q->ndim - 1] = n.keys;
    const wk_tensor y = wk_matmul(c, wk_reshape(c, s, packed), wk_cast(c, v, t));
    const wk_tensor heads = wk_cast(c, wk_reshape(c, y, shape_like(q, n.queries, n.dv)), q->dtype);
    return wk_transpose(c, wk_contiguous(c, wk_transpose(c, heads, -2, -3)), -2, -3);
}

/* ---- the op ---------------------------------------------------------------------------------- */

static bool is_tracked(wk_tensor x)
{
    return x->node != 0;
}

/* What sinks leave of y: the share of the keys' exponentials, whose sum's logarithm is lse [.., H, T]. */
static wk_tensor beside_sinks(wk_ctx *c, wk_tensor y, wk_tensor lse, wk_tensor sinks)
{
    const wk_tensor sink = wk_reshape(c, wk_cast(c, sinks, WK_f32), WK_SHAPE(-1, 1));
    const wk_tensor share = wk_unsqueeze(c, wk_sigmoid(c, wk_sub(c, lse, sink)), -1);
    const wk_tensor rows = wk_mul(c, wk_transpose(c, y, -2, -3), wk_transpose(c, share, -2, -3));
    return wki_failed(c) ? WK_NONE : wk_transpose(c, wk_cast(c, rows, y->dtype), -2, -3);
}

/* attr.i: causal, window; attr.f: scale, softcap. Inputs q, k, v, start, mask. */
static wk_tensor fused(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const wk_attend_opts *o)
{
    const struct sizes n = sizes_of(q, k, v);
    wk_tensor          mask = o->mask;
    if (!wk_is_none(mask)) mask = wk_expand(c, mask, shape_like(q, n.queries, n.keys));
    wk_call    r = {.op = WK_OP_attend,
                    WK_IN(q, k, v, o->start, mask),
                    .n_out = 1,
                    .attr = {.i = {o->causal, o->window}, .f = {o->scale, o->softcap}},
                    .out = {new_result(c, q, n.dv)}};
    const bool sinks = !wk_is_none(o->sinks);
    if (sinks || (wki_recording(c) && (is_tracked(q) || is_tracked(k) || is_tracked(v)))) {
        wk_shape s = wki_shape(q);
        s.ndim--;
        r.out[r.n_out++] = wki_new(c, WK_f32, s); /* log of each row's sum of exponentials */
    }
    const wk_tensor y = wki_run(c, &r);
    return sinks ? beside_sinks(c, y, r.out[1], o->sinks) : y;
}

/* Gradients of what kernels do not give: of the mask, beside sinks. */
static bool wants_composed(const wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const wk_attend_opts *o)
{
    if (!wki_recording(c)) return false;
    if (is_tracked(o->mask)) return true;
    return !wk_is_none(o->sinks) && (is_tracked(q) || is_tracked(k) || is_tracked(v) || is_tracked(o->sinks));
}

wk_tensor wk_attend(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, wk_attend_opts o)
{
    if (wk_is_none(o.start)) o.start = WK_NONE;
    if (wk_is_none(o.mask)) o.mask = WK_NONE;
    if (wk_is_none(o.sinks)) o.sinks = WK_NONE;
    if (!wki_failed(c)) spread_all(c, (wk_tensor *[3]){&q, &k, &v});
    if (!check(c, q, k, v, &o)) return WK_NONE;
    if (!wk_is_none(o.start) && wk_count(o.start) > 1)
        o.start = wk_contiguous(c, wk_cast(c, o.start, WK_i64));
    if (o.scale == 0) o.scale = 1 / sqrt((double)wk_size(q, -1));
    if (q->dtype == WK_f64 || wants_composed(c, q, k, v, &o) || !wki_has(c, WK_OP_attend))
        return composed(c, q, k, v, &o);
    return fused(c, q, k, v, &o);
}

wk_tensor wki_again_attend(wk_ctx *c, const wk_call *k)
{
    const wk_attend_opts o = {.scale = k->attr.f[0],
                              .softcap = k->attr.f[1],
                              .causal = k->attr.i[0] != 0,
                              .window = k->attr.i[1],
                              .start = k->in[3],
                              .mask = k->in[4],
                              .sinks = WK_NONE};
    return composed(c, k->in[0], k->in[1], k->in[2], &o);
}

void wki_vjp_attend(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor *in = k->in;
    wk_call          r = {.op = WK_OP_attend_vjp,
                          WK_IN(in[0], in[1], in[2], in[3], in[4], k->out[0], k->out[1], g[0]),
                          .n_out = 3,
                          .attr = k->attr};
    for (int i = 0; i < 3; i++) r.out[i] = wki_like(c, in[i]);
    if (wk_is_none(wki_run(c, &r))) return;
    for (int i = 0; i < 3; i++) dx[i] = r.out[i];
}

void wk_cache_write(wk_ctx *c, wk_tensor cache, wk_tensor x, wk_tensor start)
{
    if (wki_failed(c)) return;
    if (x->ndim < 3 || !same_lead(x, cache) || wk_size(x, -3) != wk_size(cache, -3) ||
        wk_size(x, -1) != wk_size(cache, -1) || cache->stride[cache->ndim - 1] != 1)
        wk_fail(c, WK_ESHAPE, "cache_write: cache %s, x %s", WKI_TEXT(cache), WKI_TEXT(x));
    else if (!takes(x) || !takes(cache))
        wk_fail(c, WK_EDTYPE, "cache_write: cache %s, x %s", wk_dtype_name(cache->dtype),
                wk_dtype_name(x->dtype));
    else if (!is_start(start, x))
        wk_fail(c, WK_EARG, "cache_write: start is %s %s, not one i32 or i64 or one for each entry of x %s",
                wk_dtype_name(start->dtype), WKI_TEXT(start), WKI_TEXT(x));
    else if (wk_size(x, -2) > wk_size(cache, -2))
        wk_fail(c, WK_EINDEX, "cache_write: %lld positions, room for %lld", (long long)wk_size(x, -2),
                (long long)wk_size(cache, -2));
    else
        wki_run(
            c, &(wk_call){.op = WK_OP_cache_write, WK_IN(x, wk_contiguous(c, start), cache), .out = {cache}});
}
