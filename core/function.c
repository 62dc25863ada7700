/* Functions with a gradient of one's own, as torch.autograd.Function. */
#include "tape.h"

/* A gradient that cannot be differentiated: recorded so that nobody takes it for a constant. */
static void no_second(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                      wk_tensor *dx)
{
    (void)x, (void)y, (void)dy, (void)dx;
    const wk_function *f = arg;
    wk_fail(c, WK_ENOGRAD, "%s: once_differentiable, its gradient has none", f->name);
}
static const wk_function once = {.name = "once_differentiable", .backward = no_second, .n_out = 1};

/* Puts dx off the tape as results of x and g that have no gradient. */
static void seal(wk_ctx *c, const struct wki_entry *e, const wk_tensor *g, wk_tensor *dx)
{
    const int  n = e->k.n_in + e->function->n_out;
    wk_tensor *in = wk_alloc((size_t)n * sizeof *in);
    if (!in) {
        wk_fail(c, WK_ENOMEM, "%s: out of memory", e->function->name);
        return;
    }
    for (int i = 0; i < n; i++) in[i] = i < e->k.n_in ? e->in[i] : g[i - e->k.n_in];
    for (int i = 0; i < e->k.n_in && !wki_failed(c); i++) {
        if (wk_is_none(dx[i])) continue;
        dx[i] = wki_untracked(c, dx[i]);
        if (wki_failed(c)) break;
        wki_tape_push(c, &(wk_call){.op = WK_OP_COUNT, .in = in, .n_in = n, .out = {dx[i]}}, 0,
                      &(struct wki_entry){.function = &once, .arg = (void *)(uintptr_t)e->function});
    }
    wk_free(in);
}

void wki_function_vjp(wk_ctx *c, const struct wki_walk *w, const struct wki_entry *e, const wk_tensor *g,
                      wk_tensor *dx)
{
    const wk_function *f = e->function;
    wk_tensor          dy[WK_MAX_OUT];
    for (int i = 0; i < f->n_out; i++) {
        const wk_tensor y = e->k.out[i];
        dy[i] = wk_is_none(g[i]) && wki_is_real(y->dtype) ? wk_zeros(c, y->dtype, wki_shape(y)) : g[i];
    }
    if (wki_failed(c)) return;
    const bool was = wk_no_grad(c, !w->create || f->once_differentiable);
    f->backward(c, e->arg, e->in, e->k.out, dy, dx);
    wk_no_grad(c, was);
    if (f->once_differentiable && f != &once && wki_recording(c) && !wki_failed(c)) seal(c, e, dy, dx);
}

/* Results are the call's own headers: forward may hand on a tensor from outside. */
static void forward(wk_ctx *c, const wk_function *f, void *arg, const wk_tensor *x, wk_tensor *y)
{
    const bool     was = wk_no_grad(c, true);
    const wk_scope s = wk_scope_begin(c);
    f->forward(c, arg, x, y);
    for (int i = 0; i < f->n_out && !wki_failed(c); i++) {
        if (wk_is_none(y[i]))
            wk_fail(c, WK_EARG, "%s: forward gave no result %d", f->name, i);
        else
            y[i] = wki_untracked(c, y[i]);
    }
    wk_scope_end_n(c, s, wki_failed(c) ? 0 : f->n_out, y);
    wk_no_grad(c, was);
}

wk_tensor wk_apply(wk_ctx *c, const wk_function *f, void *arg, int n, const wk_tensor *x, wk_tensor *y)
{
    bool tracked = false, recorded = false;
    if (!wki_failed(c) && (f->n_out < 1 || f->n_out > WK_MAX_OUT))
        wk_fail(c, WK_EARG, "%s: %d results, not 1 to %d", f->name, f->n_out, WK_MAX_OUT);
    const int n_out = f->n_out < 0 ? 0 : f->n_out;
    for (int i = 0; i < n_out; i++) y[i] = WK_NONE;
    for (int i = 0; i < n && !wki_failed(c); i++) tracked |= x[i]->node != 0;
    if (!wki_failed(c)) forward(c, f, arg, x, y);
    if (!wki_failed(c) && tracked && wki_recording(c)) {
        wk_call k = {.op = WK_OP_COUNT, .in = x, .n_in = n, .n_out = n_out};
        for (int i = 0; i < n_out; i++) k.out[i] = y[i];
        wki_tape_push(c, &k,
                      (f->shapes_of_inputs ? 0 : ~WKI_READS_OUTPUTS) |
                          (f->shapes_of_outputs ? 0 : WKI_READS_OUTPUTS),
                      &(struct wki_entry){.function = f, .arg = arg});
        recorded = !wki_failed(c);
    }
    if (!recorded && f->release) f->release(arg);
    for (int i = 0; i < n_out && wki_failed(c); i++) y[i] = WK_NONE;
    return n_out && !wki_failed(c) ? y[0] : WK_NONE;
}
