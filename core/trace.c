/* WK_TRACE=1 prints each op with shapes and time, WK_SYNC=1 waits after each, WK_CHECK=1 looks for NaN. The
 * only library file that prints. */
#include "ctx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned flag(const char *name, unsigned bit)
{
    const char *v = getenv(name);
    return v && *v && strcmp(v, "0") != 0 ? bit : 0;
}

unsigned wki_trace_flags(void)
{
    return flag("WK_TRACE", WKI_TRACE) | flag("WK_SYNC", WKI_SYNC) | flag("WK_CHECK", WKI_CHECK);
}

double wki_trace_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_tensor(wk_tensor x)
{
    if (wk_is_none(x))
        fprintf(stderr, " -");
    else
        fprintf(stderr, " %s%s", wk_dtype_name(x->dtype), WKI_TEXT(x));
}

void wki_trace_call(const wk_ctx *c, const wk_call *k, double seconds)
{
    fprintf(stderr, "wick %s %-16s %9.1f us ", wki_device_name(c->device), wki_op_name(k->op), seconds * 1e6);
    for (int i = 0; i < k->n_in; i++) print_tensor(k->in[i]);
    fprintf(stderr, " ->");
    for (int i = 0; i < (k->n_out ? k->n_out : 1); i++) print_tensor(k->out[i]);
    fprintf(stderr, "\n");
}

/* Infinities are data (masks); only NaN counts, and
 * only where no input has one. */
static bool has_nan(wk_ctx *c, wk_tensor x)
{
    if (wk_is_none(x) || wki_dtype_class(x->dtype) != 'F') return false;
    return wk_item(c, wk_any(c, wk_isnan(c, x), WK_ALL_DIMS, false)) != 0;
}

wk_status wki_trace_check(wk_ctx *c, const wk_call *k)
{
    const unsigned flags = c->trace;
    const bool     was = wk_no_grad(c, true);
    const wk_scope s = wk_scope_begin(c);
    c->trace = 0;
    bool in = false, out = false;
    for (int i = 0; i < k->n_in && !in; i++) in = has_nan(c, k->in[i]);
    for (int i = 0; i < (k->n_out ? k->n_out : 1) && !in && !out; i++) out = has_nan(c, k->out[i]);
    wk_scope_end(c, s, WK_NONE);
    c->trace = flags;
    wk_no_grad(c, was);
    if (out) wk_fail(c, WK_ENAN, "%s: a value is NaN where no operand has one", wki_op_name(k->op));
    return c->status;
}
