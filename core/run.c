/* The funnel: every op passes wki_run. */
#include "ctx.h"

static const struct {
    const char *name;
    char        grad, rows;
} ops[WK_OP_COUNT] = {
#define WK_OP(name, cpu, cuda, grad, rows) [WK_OP_##name] = {#name, #grad[0], #rows[0]},
#include "ops.def"
#undef WK_OP
};

const char *wki_op_name(wk_op op)
{
    return (unsigned)op < WK_OP_COUNT ? ops[op].name : "?";
}
char wki_op_grad(wk_op op)
{
    return ops[op].grad;
}

bool wki_recording(const wk_ctx *c)
{
    return c->tape && !c->quiet_tape;
}

bool wki_has(const wk_ctx *c, wk_op op)
{
    const wk_backend *b = c->device ? c->device->backend : NULL;
    if (!b || !b->kernels[op] || (b->able && !b->able(c->device, c->stream, op))) return false;
    return ops[op].grad != '0' || !wki_recording(c);
}

static bool tracked(const wk_ctx *c, const wk_call *k)
{
    if (!wki_recording(c)) return false;
    for (int i = 0; i < k->n_in; i++)
        if (k->in[i]->node) return true;
    return false;
}

static wk_tensor record(wk_ctx *c, const wk_call *k)
{
    if (tracked(c, k)) wki_record(c, k);
    return wki_failed(c) ? WK_NONE : k->out[0];
}

wk_tensor wki_run_view(wk_ctx *c, const wk_call *k)
{
    if (wki_failed(c) || wk_is_none(k->out[0])) return wki_named(c, ops[k->op].name, WK_NONE);
    return record(c, k);
}

/* Does x have the rows that kernels of this op want? */
static bool rows_fit(wk_tensor x, char rows)
{
    if (rows == 'S' || wk_is_none(x)) return true;
    if (rows == 'D') return wk_is_dense(x);
    return x->ndim == 0 || x->stride[x->ndim - 1] == 1 || x->shape[x->ndim - 1] <= 1;
}

static bool check(wk_ctx *c, const wk_call *k)
{
    if (wki_failed(c)) {
        wki_named(c, ops[k->op].name, WK_NONE);
        return false;
    }
    if (atomic_load_explicit(&c->cancelled, memory_order_relaxed)) {
        wk_fail(c, WK_ECANCELLED, "%s: cancelled", ops[k->op].name);
        return false;
    }
    for (int i = 0; i < (k->n_out ? k->n_out : 1); i++)
        if (wk_is_none(k->out[i])) {
            wk_fail(c, WK_EARG, "%s: an operand is empty", ops[k->op].name);
            return false;
        }
    for (int i = 0; i < k->n_in; i++) {
        if (wk_is_none(k->in[i])) continue;
        if (k->in[i]->storage->device != c->device) {
            wk_fail(c, WK_EDEVICE, "%s: an operand is on %s, the context on %s", ops[k->op].name,
                    wki_device_name(k->in[i]->storage->device), wki_device_name(c->device));
            return false;
        }
        if (wki_stale(k->in[i])) {
            wk_fail(c, WK_EARG, "%s: its gradient needs a tensor that was written over since",
                    wki_walked_op(c, ops[k->op].name));
            return false;
        }
    }
    return true;
}

static void launch(wk_ctx *c, wk_call *k)
{
    const wk_backend *b = c->device->backend, *of_class = b->of_class[k->cls];
    const wk_backend *table = of_class ? of_class : b;
    const wk_kernel   kernel = table->kernels[k->op];
    if (!kernel) {
        wk_fail(c, WK_EUNSUPPORTED, "%s: no kernel on %s", ops[k->op].name, wki_device_name(c->device));
        return;
    }
    char message[WKI_CALL_MESSAGE] = "";
    k->device = c->device;
    k->stream = c->stream;
    k->precise = c->precise;
    k->message = message;
    _Alignas(64) char near[2048]; /* little scratch costs nothing where kernels work in host memory */
    wk_storage       *scratch = NULL;
    const size_t      bytes = table->scratch[k->op] ? table->scratch[k->op](k) : 0;
    if (bytes && bytes <= sizeof near && b->host_memory) {
        k->scratch = near;
    } else if (bytes) {
        scratch = wki_storage_new(c, bytes);
        if (!scratch) {
            c->unnamed = true;
            wki_named(c, ops[k->op].name, WK_NONE);
            return;
        }
        k->scratch = scratch->data;
    }
    const double    from = c->trace & WKI_TRACE ? wki_trace_clock() : 0;
    const wk_status s = kernel(k);
    if (c->trace & (WKI_TRACE | WKI_SYNC)) {
        const wk_status done = b->sync(c->device, c->stream);
        if (done != WK_OK) wki_fail_wait(c, done, ops[k->op].name);
    }
    if (c->trace & WKI_TRACE) wki_trace_call(c, k, wki_trace_clock() - from);
    wki_storage_drop(c, scratch);
    for (int i = 0; i < (k->n_out ? k->n_out : 1); i++) k->out[i]->storage->written++;
    if (s != WK_OK) wk_fail(c, s, "%s: %s", ops[k->op].name, message[0] ? message : wk_status_text(s));
    if (c->trace & WKI_CHECK && !wki_failed(c)) wki_trace_check(c, k);
}

wk_tensor wki_run(wk_ctx *c, const wk_call *given)
{
    if (!check(c, given)) return WK_NONE;
    wk_call    k = *given;
    const char rows = ops[k.op].rows;
    wk_tensor  dense[16];
    bool       fit = true;
    for (int i = 0; i < k.n_in && fit; i++) fit = rows_fit(k.in[i], rows);
    if (!fit) {
        if (k.n_in > (int)(sizeof dense / sizeof *dense)) {
            wk_fail(c, WK_EINTERNAL, "%s: %d operands", ops[k.op].name, k.n_in);
            return WK_NONE;
        }
        for (int i = 0; i < k.n_in; i++)
            dense[i] = rows_fit(k.in[i], rows) ? k.in[i] : wk_contiguous(c, k.in[i]);
        if (wki_failed(c)) return WK_NONE;
        k.in = dense;
    }
    launch(c, &k);
    if (wki_failed(c)) return WK_NONE;
    return record(c, &k);
}
