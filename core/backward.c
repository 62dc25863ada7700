/* The walk back over the tape, and checkpoints. */
#include "tape.h"

static const wki_vjp vjps[WK_OP_COUNT] = {
#define VJP_0(name)                        NULL
#define VJP_N(name)                        wki_vjp_##name
#define VJP_I(name)                        wki_vjp_##name
#define VJP_O(name)                        wki_vjp_##name
#define VJP_B(name)                        wki_vjp_##name
#define VJP_F(name)                        wki_vjp_##name
#define VJP_P(name)                        wki_vjp_##name
#define VJP_C(name)                        wki_vjp_##name
#define VJP_X(name)                        wki_vjp_##name
#define WK_OP(name, cpu, cuda, grad, rows) [WK_OP_##name] = VJP_##grad(name),
#include "ops.def"
#undef WK_OP
};

static wk_tensor (*const run_again[WK_OP_COUNT])(wk_ctx *c, const wk_call *k) = {
#define AGAIN(name) [WK_OP_##name] = wki_again_##name,
    WKI_RUN_AGAIN(AGAIN)
#undef AGAIN
};

static bool is_checkpoint(const struct wki_entry *e)
{
    return e->again || e->again_n;
}

static const char *name_of(const struct wki_entry *e)
{
    return e->function ? e->function->name : is_checkpoint(e) ? "checkpoint" : wki_op_name(e->k.op);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void unpin(wk_ctx *c, wk_tensor *x)
{
    if (*x) wki_unpin(c, *x);
    *x = NULL;
}

static wk_tensor *slot(wk_ctx *c, int32_t node, bool total)
{
    struct wki_node *n = &c->tape->nodes[node];
    return total ? &n->total : &n->grad;
}

static void add_to(wk_ctx *c, int32_t node, bool total, wk_tensor g)
{
    if (*slot(c, node, total)) g = wk_add(c, *slot(c, node, total), g);
    if (wki_failed(c)) return;
    const wk_tensor pinned = wki_pin(c, g, true);
    if (wki_failed(c)) return;
    if (!wki_recording(c)) wki_set_node(pinned, 0);
    unpin(c, slot(c, node, total));
    *slot(c, node, total) = pinned;
}

/* Adds g to the gradient of a node: of a plain leaf to its total at once, so that there is one sum only. */
static void accumulate(wk_ctx *c, const struct wki_walk *w, int32_t node, wk_tensor g)
{
    const struct wki_node *n = &c->tape->nodes[node];
    if (n->entry == WKI_WALKED) {
        wk_fail(c, WK_EARG, "backward: this part of the tape was walked already; retain_graph keeps it");
        return;
    }
    if (w->only && node < w->known && !n->needed) return;
    add_to(c, node, n->entry == WKI_LEAF && !w->only && !n->hook, g);
}

/* A final gradient: what its hooks make of it, kept where somebody asked for it. */
static wk_tensor settle(wk_ctx *c, const struct wki_walk *w, int32_t node, wk_tensor g)
{
    if (c->tape->nodes[node].hook) g = wki_hooks_run(c, node, g);
    if (wki_failed(c)) return WK_NONE;
    const struct wki_node *n = &c->tape->nodes[node];
    if (n->like && !w->only) add_to(c, node, true, g);
    n = &c->tape->nodes[node];
    if (w->only && n->wanted && !wki_failed(c)) {
        const wk_tensor pinned = wki_pin(c, g, true);
        if (wki_failed(c)) return WK_NONE;
        if (!wki_recording(c)) wki_set_node(pinned, 0);
        w->got[n->wanted - 1] = pinned;
    }
    return g;
}

/* ---- one entry ------------------------------------------------------------------------------- */

static bool same_shape(wk_tensor a, wk_tensor b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

/* Sends an entry's output gradients to its inputs. */
static void through(wk_ctx *c, const struct wki_walk *w, const struct wki_entry *e, const wk_tensor *g)
{
    enum { MOST = 64 };
    wk_tensor  few[MOST];
    wk_tensor *dx = e->k.n_in <= MOST ? few : wk_alloc((size_t)e->k.n_in * sizeof *dx);
    if (!dx) {
        wk_fail(c, WK_ENOMEM, "backward: out of memory");
        return;
    }
    for (int i = 0; i < e->k.n_in; i++) dx[i] = WK_NONE;
    if (e->function)
        wki_function_vjp(c, w, e, g, dx);
    else
        vjps[e->k.op](c, &e->k, g, dx);
    for (int i = 0; i < e->k.n_in && !wki_failed(c); i++) {
        const wk_tensor x = e->in[i];
        if (!x->node) continue;
        if (wk_is_none(dx[i]) && e->function) {
            wk_fail(c, WK_ENOGRAD, "%s: backward gave no gradient of operand %d", name_of(e), i);
        } else if (wk_is_none(dx[i]) || !same_shape(dx[i], x)) {
            wk_fail(c, e->function ? WK_ESHAPE : WK_EINTERNAL,
                    "%s: gradient of operand %d is %s, the operand %s", name_of(e), i, WKI_TEXT(dx[i]),
                    WKI_TEXT(x));
        } else {
            accumulate(c, w, x->node, dx[i]->dtype == x->dtype ? dx[i] : wk_cast(c, dx[i], x->dtype));
        }
    }
    if (dx != few) wk_free(dx);
}

static void walk(wk_ctx *c, const struct wki_walk *w, int64_t from);

/* A checkpoint or a composition: it runs again, recorded behind the tape's end, and that part is walked at
 * once. */
static void again(wk_ctx *c, const struct wki_walk *w, const struct wki_entry *e, const wk_tensor *g)
{
    const int      n = wki_outputs(&e->k);
    const int64_t  from = c->tape->n_entries;
    const uint64_t seed = c->seed, counter = c->counter;
    wk_no_grad(c, false);
    wk_tensor y[WK_MAX_OUT] = {WK_NONE, WK_NONE, WK_NONE, WK_NONE};
    if (is_checkpoint(e)) {
        c->seed = (uint64_t)e->k.attr.i[0];
        c->counter = (uint64_t)e->k.attr.i[1];
        if (e->again_n)
            e->again_n(c, e->arg, e->in, y);
        else
            y[0] = e->again(c, e->arg, e->in[0]);
        c->seed = seed;
        c->counter = counter;
    } else {
        y[0] = run_again[e->k.op](c, &e->k);
    }
    wk_no_grad(c, !w->create);
    bool on = false;
    for (int i = 0; i < n && !wki_failed(c); i++) {
        if (wk_is_none(g[i])) continue;
        if (!same_shape(y[i], g[i]))
            wk_fail(c, WK_ESHAPE, "%s: gave %s first and %s again", name_of(e), WKI_TEXT(g[i]),
                    WKI_TEXT(y[i]));
        else if (y[i]->node)
            accumulate(c, w, y[i]->node, wk_cast(c, g[i], y[i]->dtype));
        on |= y[i]->node != 0;
    }
    if (wki_failed(c)) return;
    if (on) walk(c, w, from);
    if (w->create) return;
    for (int64_t i = c->tape->n_entries - 1; i >= from; i--)
        if (c->tape->entries[i].in) wki_entry_forget(c, i);
}

/* Does the entry lead to something that the walk is after? A checkpoint may, by what its function sees. */
static bool leads(const struct wk_tape *t, const struct wki_walk *w, const struct wki_entry *e)
{
    if (!w->only || is_checkpoint(e)) return true;
    for (int i = 0; i < e->k.n_in; i++)
        if (e->in[i]->node && (e->in[i]->node >= w->known || t->nodes[e->in[i]->node].needed)) return true;
    return false;
}

static void visit(wk_ctx *c, const struct wki_walk *w, int64_t at)
{
    const struct wki_entry e = c->tape->entries[at];
    bool                   any = false;
    for (int i = 0; e.in && i < wki_outputs(&e.k); i++)
        any |= e.k.out[i]->node && c->tape->nodes[e.k.out[i]->node].grad;
    if (!any) return;
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      g[WK_MAX_OUT];
    for (int i = 0; i < wki_outputs(&e.k); i++) {
        const int32_t node = e.k.out[i]->node;
        g[i] = WK_NONE;
        if (!node || !c->tape->nodes[node].grad || wki_failed(c)) continue;
        g[i] = wki_adopt(c, c->tape->nodes[node].grad);
        c->tape->nodes[node].grad = NULL;
        if (!wki_failed(c)) g[i] = settle(c, w, node, g[i]);
    }
    if (!wki_failed(c) && leads(c->tape, w, &e)) {
        const char *outer = c->tape->walked;
        c->tape->walked = name_of(&e);
        if (is_checkpoint(&e) || (w->create && e.k.op < WK_OP_COUNT && run_again[e.k.op]))
            again(c, w, &e, g);
        else
            through(c, w, &e, g);
        c->tape->walked = outer;
        if (!w->keep) wki_entry_forget(c, at);
    }
    wk_scope_end(c, s, WK_NONE);
}

static void walk(wk_ctx *c, const struct wki_walk *w, int64_t from)
{
    for (int64_t i = c->tape->n_entries - 1; i >= from && !wki_failed(c); i--) visit(c, w, i);
}

/* ---- a walk ---------------------------------------------------------------------------------- */

/* The cotangents of y, entered at their nodes. */
static void begin(wk_ctx *c, const struct wki_walk *w, const char *op, int n, const wk_tensor *y,
                  const wk_tensor *cotangent)
{
    const struct wk_tape *t = c->tape;
    for (int i = 0; i < n && !wki_failed(c); i++) {
        wk_tensor g = cotangent ? cotangent[i] : WK_NONE;
        if (wk_is_none(y[i])) {
            wk_fail(c, WK_EARG, "%s: no tensor", op);
        } else if (wk_is_none(g) && wk_count(y[i]) != 1) {
            wk_fail(c, WK_ESHAPE, "%s: the result is %s, not one element, and has no cotangent", op,
                    WKI_TEXT(y[i]));
        } else if (!y[i]->node) {
            wk_fail(c, WK_ENOGRAD, "%s: result %d depends on no tracked tensor", op, i);
        } else if (y[i]->node >= t->n_nodes || t->nodes[y[i]->node].entry == WKI_WALKED) {
            wk_fail(c, WK_EARG, "%s: the tape of result %d was walked already; retain_graph keeps it", op, i);
        } else if (!wk_is_none(g) && !same_shape(y[i], g)) {
            wk_fail(c, WK_ESHAPE, "%s: result %d is %s, its cotangent %s", op, i, WKI_TEXT(y[i]),
                    WKI_TEXT(g));
        } else {
            if (wk_is_none(g)) g = wk_full(c, 1.0, y[i]->dtype, wki_shape(y[i]));
            accumulate(c, w, y[i]->node, wk_cast(c, g, y[i]->dtype));
        }
    }
}

/* What is left at nodes: leaves with hooks and wanted leaves. After an error all of it is dropped. */
static void finish(wk_ctx *c, const struct wki_walk *w)
{
    for (int32_t i = 1; i < c->tape->n_nodes; i++) {
        if (!c->tape->nodes[i].grad) continue;
        if (wki_failed(c)) {
            unpin(c, &c->tape->nodes[i].grad);
            continue;
        }
        const bool      leaf = c->tape->nodes[i].entry == WKI_LEAF;
        const wk_tensor g = wki_adopt(c, c->tape->nodes[i].grad);
        c->tape->nodes[i].grad = NULL;
        if (leaf && !wki_failed(c)) settle(c, w, i, g);
        if (!leaf) wk_fail(c, WK_EARG, "backward: a checkpoint's function uses what was made behind it");
    }
}

static wk_status back(wk_ctx *c, struct wki_walk *w, const char *op, int n, const wk_tensor *y,
                      const wk_tensor *cotangent)
{
    struct wk_tape *t = c->tape;
    if (t->walking) return wk_fail(c, WK_EARG, "%s: inside of backward", op);
    const bool     was = wk_no_grad(c, !w->create);
    const wk_scope s = wk_scope_begin(c);
    t->walking = true;
    w->known = t->n_nodes;
    begin(c, w, op, n, y, cotangent);
    walk(c, w, 0);
    finish(c, w);
    t->walking = false;
    wk_scope_end(c, s, WK_NONE);
    wk_no_grad(c, was);
    return c->status;
}

wk_status wk_backward_with(wk_ctx *c, int n, const wk_tensor *y, const wk_tensor *cotangent, wk_grad_opts o)
{
    if (wki_failed(c)) return c->status;
    if (!c->tape) return wk_fail(c, WK_EARG, "backward: no tape; wk_tape_begin starts one");
    struct wki_walk w = {.keep = o.retain_graph || o.create_graph, .create = o.create_graph};
    return back(c, &w, "backward", n, y, cotangent);
}

wk_status wk_backward_from(wk_ctx *c, int n, const wk_tensor *y, const wk_tensor *cotangent)
{
    return wk_backward_with(c, n, y, cotangent, (wk_grad_opts){.retain_graph = false});
}

wk_status wk_backward(wk_ctx *c, wk_tensor y)
{
    return wk_backward_from(c, 1, &y, NULL);
}

/* ---- gradients by some tensors --------------------------------------------------------------- */

/* Marks the wanted nodes and all that leads to them. */
static void mark(wk_ctx *c, int n_x, const wk_tensor *x)
{
    struct wk_tape *t = c->tape;
    for (int i = 0; i < n_x && !wki_failed(c); i++) {
        if (x[i]->node <= 0 || x[i]->node >= t->n_nodes) {
            wk_fail(c, WK_EARG, "grad_of: input %d is not on this tape", i);
        } else if (t->nodes[x[i]->node].entry == WKI_WALKED) {
            wk_fail(c, WK_EARG, "grad_of: the tape of input %d was walked already; retain_graph keeps it", i);
        } else {
            t->nodes[x[i]->node].needed = true;
            if (!t->nodes[x[i]->node].wanted) t->nodes[x[i]->node].wanted = i + 1;
        }
    }
    const struct wki_walk all = {.only = true, .known = t->n_nodes};
    for (int64_t i = 0; i < t->n_entries; i++) {
        const struct wki_entry *e = &t->entries[i];
        if (!e->in || !leads(t, &all, e)) continue;
        for (int o = 0; o < wki_outputs(&e->k); o++) t->nodes[e->k.out[o]->node].needed = true;
    }
    t->nodes[0].needed = false;
}

/* The gradient of input i, pinned, as a tensor; of one that came twice the first has it. */
static wk_tensor result(wk_ctx *c, int i, const wk_tensor *x, const wk_tensor *got, wk_grad_opts o)
{
    const wk_tensor g = got[c->tape->nodes[x[i]->node].wanted - 1];
    if (g) {
        const wk_tensor own = wki_pin(c, g, true);
        return wki_failed(c) ? WK_NONE : wki_adopt(c, own);
    }
    if (o.materialize_grads) return wk_zeros(c, x[i]->dtype, wki_shape(x[i]));
    if (!o.allow_unused)
        wk_fail(c, WK_ENOGRAD, "grad_of: no result depends on input %d; allow_unused lets that pass", i);
    return WK_NONE;
}

wk_status wk_grad_of(wk_ctx *c, int n_y, const wk_tensor *y, const wk_tensor *cotangent, int n_x,
                     const wk_tensor *x, wk_tensor *dx, wk_grad_opts o)
{
    for (int i = 0; i < n_x; i++) dx[i] = WK_NONE;
    if (wki_failed(c)) return c->status;
    if (!c->tape) return wk_fail(c, WK_EARG, "grad_of: no tape; wk_tape_begin starts one");
    wk_tensor *got = wk_alloc_zero((size_t)n_x, sizeof *got);
    if (!got) return wk_fail(c, WK_ENOMEM, "grad_of: out of memory");
    struct wki_walk w = {
        .keep = o.retain_graph || o.create_graph, .create = o.create_graph, .only = true, .got = got};
    mark(c, n_x, x);
    if (!wki_failed(c)) back(c, &w, "grad_of", n_y, y, cotangent);
    for (int i = 0; i < n_x && !wki_failed(c); i++) dx[i] = result(c, i, x, got, o);
    for (int i = 0; i < n_x; i++) {
        if (wki_failed(c)) dx[i] = WK_NONE;
        unpin(c, &got[i]);
    }
    for (int64_t i = 0; i < c->tape->n_nodes; i++) {
        c->tape->nodes[i].wanted = 0;
        c->tape->nodes[i].needed = false;
    }
    wk_free(got);
    return c->status;
}

/* ---- recomputation --------------------------------------------------------------------------- */

wk_tensor wk_checkpoint(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "checkpoint: no tensor");
    if (!wki_recording(c)) return fn(c, arg, x);
    const int64_t seed = (int64_t)c->seed, counter = (int64_t)c->counter;
    wk_no_grad(c, true);
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      y = wk_scope_end(c, s, fn(c, arg, x));
    wk_no_grad(c, false);
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, wki_is_real(y->dtype), WK_EDTYPE, "checkpoint: its result is %s", wk_dtype_name(y->dtype));
    wk_tensor r = wki_untracked(c, y); /* y may be a tensor from outside */
    if (wk_is_none(r)) return WK_NONE;
    wki_tape_push(c, &(wk_call){.op = WK_OP_COUNT, WK_IN(x), .out = {r}, .attr.i = {seed, counter}}, 1,
                  &(struct wki_entry){.again = fn, .arg = arg});
    return wki_failed(c) ? WK_NONE : r;
}

void wk_checkpoint_n(wk_ctx *c, wk_fn_n fn, void *arg, int n_in, const wk_tensor *x, int n_out, wk_tensor *y)
{
    if (!wki_failed(c) && (n_in < 1 || n_out < 1 || n_out > WK_MAX_OUT))
        wk_fail(c, WK_EARG, "checkpoint_n: %d tensors to %d, wanted are 1 or more to 1 .. %d", n_in, n_out,
                WK_MAX_OUT);
    for (int i = 0; i < n_in && !wki_failed(c); i++)
        if (wk_is_none(x[i])) wk_fail(c, WK_EARG, "checkpoint_n: operand %d is no tensor", i);
    const int n = n_out > WK_MAX_OUT ? WK_MAX_OUT : n_out;
    for (int i = 0; i < n; i++) y[i] = WK_NONE;
    if (wki_failed(c)) return;
    const bool recording = wki_recording(c), was = wk_no_grad(c, true);
    wk_call    k = {.op = WK_OP_COUNT, .in = x, .n_in = n_in, .n_out = n};
    k.attr.i[0] = (int64_t)c->seed;
    k.attr.i[1] = (int64_t)c->counter;
    const wk_scope s = wk_scope_begin(c);
    fn(c, arg, x, y);
    for (int i = 0; i < n && !wki_failed(c); i++) {
        if (wk_is_none(y[i]))
            wk_fail(c, WK_EARG, "checkpoint_n: the function gave no result %d", i);
        else
            y[i] = k.out[i] = wki_untracked(c, y[i]); /* it may be a tensor from outside */
    }
    wk_scope_end_n(c, s, wki_failed(c) ? 0 : n, y);
    wk_no_grad(c, was);
    if (!wki_failed(c) && recording)
        wki_tape_push(c, &k, ~WKI_READS_OUTPUTS, &(struct wki_entry){.again_n = fn, .arg = arg});
    for (int i = 0; i < n && wki_failed(c); i++) y[i] = WK_NONE;
}
