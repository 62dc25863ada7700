/* Recurrent layers: Elman's, LSTM (Hochreiter, Schmidhuber, 1997; arXiv:1402.1128 for the projection), GRU
 * (arXiv:1406.1078). */
#include "layers.h"

#include <stdio.h>

static int64_t gates(wk_rnn_kind k)
{
    return k == WK_RNN_LSTM ? 4 : k == WK_RNN_GRU ? 3 : 1;
}

static struct wk_rnn_cell load(wk_params at, wk_rnn_kind kind, const char *suffix, int64_t input,
                               int64_t hidden, int64_t proj, bool bias)
{
    const int64_t      rows = gates(kind) * hidden, size = proj ? proj : hidden;
    const wk_init      init = wki_weight_init(at, hidden), own = wki_bias_init(at, hidden);
    struct wk_rnn_cell cell = {.kind = kind, .bias_ih = WK_NONE, .bias_hh = WK_NONE, .weight_hr = WK_NONE};
    char               name[64];
    snprintf(name, sizeof name, "weight_ih%s", suffix);
    cell.weight_ih = wk_param_as(at, name, WK_SHAPE(rows, input), init);
    snprintf(name, sizeof name, "weight_hh%s", suffix);
    cell.weight_hh = wk_param_as(at, name, WK_SHAPE(rows, size), init);
    if (bias) {
        snprintf(name, sizeof name, "bias_ih%s", suffix);
        cell.bias_ih = wk_param_as(at, name, WK_SHAPE(rows), own);
        snprintf(name, sizeof name, "bias_hh%s", suffix);
        cell.bias_hh = wk_param_as(at, name, WK_SHAPE(rows), own);
    }
    if (proj) {
        snprintf(name, sizeof name, "weight_hr%s", suffix);
        cell.weight_hr = wk_param_as(at, name, WK_SHAPE(proj, hidden), init);
    }
    return cell;
}

struct wk_rnn_cell wk_rnn_cell_load(wk_params p, const char *name, wk_rnn_kind kind, int64_t input,
                                    int64_t hidden, bool bias)
{
    return load(wk_at(p, "%s", name), kind, "", input, hidden, 0, bias);
}

struct wk_rnn wk_rnn_load(wk_params p, const char *name, wk_rnn_opts o)
{
    const wk_params at = wk_at(p, "%s", name);
    const int64_t   layers = o.layers ? o.layers : 1, directions = o.bidirectional ? 2 : 1;
    struct wk_rnn   r = {.hidden = o.hidden,
                         .proj = o.proj,
                         .bidirectional = o.bidirectional,
                         .batch_first = o.batch_first,
                         .dropout = o.dropout};
    if (layers < 1 || o.input < 1 || o.hidden < 1 || o.proj < 0 || (o.proj && o.kind != WK_RNN_LSTM))
        wk_fail(p.c, WK_EARG, "rnn: %lld layers of %lld to %lld, projected to %lld", (long long)layers,
                (long long)o.input, (long long)o.hidden, (long long)o.proj);
    if (wk_ctx_status(p.c) != WK_OK) return r;
    r.cells = wk_alloc_zero((size_t)(layers * directions), sizeof *r.cells);
    if (!r.cells) {
        wk_fail(p.c, WK_ENOMEM, "out of memory: %lld layers", (long long)layers);
        return r;
    }
    r.layers = layers;
    for (int64_t i = 0; i < layers * directions; i++) {
        const int64_t size = o.proj ? o.proj : o.hidden, input = i < directions ? o.input : directions * size;
        char          suffix[40];
        snprintf(suffix, sizeof suffix, "_l%lld%s", (long long)(i / directions),
                 i % directions ? "_reverse" : "");
        r.cells[i] = load(at, o.kind, suffix, input, o.hidden, o.proj, !o.no_bias);
    }
    return r;
}

void wk_rnn_free(struct wk_rnn *r)
{
    wk_free(r->cells);
    *r = (struct wk_rnn){0};
}

/* A step from the input's share of the gates, x [N, gates * hidden]. */
static struct wk_rnn_state step(wk_ctx *c, const struct wk_rnn_cell *cell, wk_tensor x, struct wk_rnn_state s)
{
    const int64_t n = wk_size(x, -1) / gates(cell->kind);
    wk_tensor     a[4], b[3];
    if (cell->kind == WK_RNN_GRU) {
        const wk_tensor h = wk_affine(c, s.h, cell->weight_hh, cell->bias_hh);
        for (int i = 0; i < 3; i++) {
            a[i] = wk_narrow(c, x, -1, i * n, n);
            b[i] = wk_narrow(c, h, -1, i * n, n);
        }
        const wk_tensor reset = wk_sigmoid(c, wk_add(c, a[0], b[0]));
        const wk_tensor keep = wk_sigmoid(c, wk_add(c, a[1], b[1]));
        const wk_tensor fresh = wk_tanh(c, wk_addcmul(c, a[2], reset, b[2], 1));
        return (struct wk_rnn_state){wk_lerp(c, fresh, s.h, keep), WK_NONE};
    }
    const wk_tensor all = wk_affine_add(c, s.h, cell->weight_hh, cell->bias_hh, x);
    if (cell->kind == WK_RNN_TANH) return (struct wk_rnn_state){wk_tanh(c, all), WK_NONE};
    if (cell->kind == WK_RNN_RELU) return (struct wk_rnn_state){wk_relu(c, all), WK_NONE};
    for (int i = 0; i < 4; i++) a[i] = wk_narrow(c, all, -1, i * n, n);
    const wk_tensor in = wk_mul(c, wk_sigmoid(c, a[0]), wk_tanh(c, a[2]));
    const wk_tensor cell_state = wk_addcmul(c, in, wk_sigmoid(c, a[1]), s.c, 1);
    wk_tensor       out = wk_mul(c, wk_sigmoid(c, a[3]), wk_tanh(c, cell_state));
    if (!wk_is_none(cell->weight_hr)) out = wk_affine(c, out, cell->weight_hr, WK_NONE);
    return (struct wk_rnn_state){out, cell_state};
}

/* Zeros where there is no state yet. */
static struct wk_rnn_state begun(wk_ctx *c, const struct wk_rnn_cell *cell, wk_dtype t, int64_t batch,
                                 struct wk_rnn_state s)
{
    const int64_t hidden = wk_size(cell->weight_hh, 0) / gates(cell->kind);
    if (wk_is_none(s.h)) s.h = wk_zeros(c, t, WK_SHAPE(batch, wk_size(cell->weight_hh, 1)));
    if (cell->kind != WK_RNN_LSTM)
        s.c = WK_NONE;
    else if (wk_is_none(s.c))
        s.c = wk_zeros(c, t, WK_SHAPE(batch, hidden));
    return s;
}

struct wk_rnn_state wk_rnn_cell(wk_ctx *c, const struct wk_rnn_cell *cell, wk_tensor x, struct wk_rnn_state s)
{
    const bool          single = x->ndim == 1;
    struct wk_rnn_state none = {WK_NONE, WK_NONE};
    if (wk_ctx_status(c) != WK_OK) return none;
    if (x->ndim != 1 && x->ndim != 2) {
        wk_fail(c, WK_ESHAPE, "rnn_cell: x has %d dims; wanted: [N, input] or [input]", x->ndim);
        return none;
    }
    if (single) {
        x = wk_unsqueeze(c, x, 0);
        if (!wk_is_none(s.h)) s.h = wk_unsqueeze(c, s.h, 0);
        if (!wk_is_none(s.c)) s.c = wk_unsqueeze(c, s.c, 0);
    }
    s = begun(c, cell, x->dtype, x->shape[0], s);
    s = step(c, cell, wk_affine(c, x, cell->weight_ih, cell->bias_ih), s);
    if (!single) return s;
    return (struct wk_rnn_state){wk_squeeze(c, s.h, 0), wk_is_none(s.c) ? WK_NONE : wk_squeeze(c, s.c, 0)};
}

/* Sequences that ended keep their state. */
static struct wk_rnn_state held(wk_ctx *c, wk_tensor counts, struct wk_rnn_state now, struct wk_rnn_state was)
{
    now.h = wk_where(c, counts, now.h, was.h);
    if (!wk_is_none(now.c)) now.c = wk_where(c, counts, now.c, was.c);
    return now;
}

/* One layer in one direction over x [T, N, input]; lengths [N, 1] or WK_NONE. *s: first, then last state. */
static wk_tensor run(wk_ctx *c, const struct wk_rnn_cell *cell, wk_tensor x, bool backwards,
                     wk_tensor lengths, struct wk_rnn_state *s)
{
    const int64_t   T = x->shape[0];
    const wk_tensor all = wk_affine(c, x, cell->weight_ih, cell->bias_ih);
    wk_tensor      *out = wk_alloc((size_t)T * sizeof *out);
    if (!out) {
        wk_fail(c, WK_ENOMEM, "out of memory: results of %lld steps", (long long)T);
        return WK_NONE;
    }
    for (int64_t i = 0; i < T; i++) {
        const int64_t       t = backwards ? T - 1 - i : i;
        const wk_scope      scope = wk_scope_begin(c);
        struct wk_rnn_state now = step(c, cell, wk_select(c, all, 0, t), *s);
        out[t] = now.h;
        if (!wk_is_none(lengths)) {
            const wk_tensor counts = wk_gt(c, lengths, wk_scalar_int(c, t));
            now = held(c, counts, now, *s);
            out[t] = wk_mul(c, now.h, counts);
        }
        const wk_tensor keep[] = {now.h, now.c, out[t] == now.h ? WK_NONE : out[t]};
        wk_scope_end_n(c, scope, 3, keep);
        *s = now;
    }
    const wk_tensor y = wk_stack(c, (int)T, out, 0);
    wk_free(out);
    return y;
}

static bool fit(wk_ctx *c, const struct wk_rnn *r, wk_tensor x, wk_tensor lengths)
{
    if (wk_ctx_status(c) != WK_OK) return false;
    if (!r->cells || x->ndim != 3 || x->shape[0] < 1 || x->shape[2] != wk_size(r->cells[0].weight_ih, 1))
        wk_fail(c, WK_ESHAPE, "rnn: x has %d dims, %lld features; wanted: 2 or 3 dims, %lld features",
                x->ndim, (long long)wk_size(x, -1),
                (long long)(r->cells ? wk_size(r->cells[0].weight_ih, 1) : 0));
    else if (!wk_is_none(lengths) && wk_count(lengths) != x->shape[1])
        wk_fail(c, WK_ESHAPE, "rnn: %lld lengths for %lld sequences", (long long)wk_count(lengths),
                (long long)x->shape[1]);
    return wk_ctx_status(c) == WK_OK;
}

/* All layers over x [T, N, input]; h and c receive the last states. */
static wk_tensor layers(wk_ctx *c, const struct wk_rnn *r, wk_tensor x, struct wk_rnn_state first,
                        wk_tensor lengths, wk_tensor *h, wk_tensor *cell_state)
{
    const int64_t directions = r->bidirectional ? 2 : 1;
    for (int64_t l = 0; l < r->layers; l++) {
        wk_tensor y[2];
        for (int64_t d = 0; d < directions; d++) {
            const int64_t             i = l * directions + d;
            const struct wk_rnn_cell *cell = &r->cells[i];
            struct wk_rnn_state       s = {wk_is_none(first.h) ? WK_NONE : wk_select(c, first.h, 0, i),
                                     wk_is_none(first.c) ? WK_NONE : wk_select(c, first.c, 0, i)};
            s = begun(c, cell, x->dtype, x->shape[1], s);
            y[d] = run(c, cell, x, d == 1, lengths, &s);
            h[i] = s.h;
            cell_state[i] = s.c;
        }
        x = directions == 2 ? wk_cat(c, 2, y, -1) : y[0];
        if (l + 1 < r->layers) x = wk_dropout(c, &(struct wk_dropout){.p = r->dropout}, x);
    }
    return x;
}

/* x [T, N, input] */
static wk_tensor time_first(wk_ctx *c, const struct wk_rnn *r, wk_tensor x, struct wk_rnn_state first,
                            wk_tensor lengths, struct wk_rnn_state *last)
{
    if (last) *last = (struct wk_rnn_state){WK_NONE, WK_NONE};
    if (!fit(c, r, x, lengths)) return WK_NONE;
    if (!wk_is_none(lengths)) lengths = wk_reshape(c, lengths, WK_SHAPE(-1, 1));
    const int64_t n = r->layers * (r->bidirectional ? 2 : 1);
    wk_tensor    *ends = wk_alloc((size_t)(2 * n) * sizeof *ends);
    if (!ends) {
        wk_fail(c, WK_ENOMEM, "out of memory: states of %lld layers", (long long)n);
        return WK_NONE;
    }
    const wk_tensor y = layers(c, r, x, first, lengths, ends, ends + n);
    if (last) {
        last->h = wk_stack(c, (int)n, ends, 0);
        if (r->cells[0].kind == WK_RNN_LSTM) last->c = wk_stack(c, (int)n, ends + n, 0);
    }
    wk_free(ends);
    return y;
}

wk_tensor wk_rnn(wk_ctx *c, const struct wk_rnn *r, wk_tensor x, struct wk_rnn_state first, wk_tensor lengths,
                 struct wk_rnn_state *last)
{
    if (x->ndim == 3) {
        if (!r->batch_first) return time_first(c, r, x, first, lengths, last);
        const wk_tensor y = time_first(c, r, wk_transpose(c, x, 0, 1), first, lengths, last);
        return wk_transpose(c, y, 0, 1);
    }
    if (!wk_is_none(first.h)) first.h = wk_unsqueeze(c, first.h, 1);
    if (!wk_is_none(first.c)) first.c = wk_unsqueeze(c, first.c, 1);
    const wk_tensor y = time_first(c, r, wk_unsqueeze(c, x, 1), first, lengths, last);
    if (last) {
        last->h = wk_squeeze(c, last->h, 1);
        if (!wk_is_none(last->c)) last->c = wk_squeeze(c, last->c, 1);
    }
    return wk_squeeze(c, y, 1);
}
