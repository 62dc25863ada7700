/* The context: device, temporaries, scopes, the first error. */
#include "ctx.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What wk_ctx_new returns when there is no memory even for a context: failed for ever, never written. */
static const wk_ctx no_memory = {.status = WK_ENOMEM, .message = "wk_ctx_new: out of memory"};

static bool is_real(const wk_ctx *c)
{
    return c && c != &no_memory;
}

wk_ctx *wk_ctx_new(const char *device)
{
    wk_ctx *c = wk_alloc_zero(1, sizeof *c);
    if (!c) return (wk_ctx *)(uintptr_t)&no_memory;
    wk_status status = WK_OK;
    c->device = wki_device_open(device ? device : "(null)", c->message, sizeof c->message, &status);
    c->status = status;
    c->trace = wki_trace_flags();
    if (c->device && c->device->backend->stream_new) {
        c->stream = c->device->backend->stream_new(c->device);
        if (!c->stream) wk_fail(c, WK_EDEVICE, "wk_ctx_new: %s gives no stream", device);
    }
    return c;
}

void wk_ctx_free(wk_ctx *c)
{
    if (!is_real(c)) return;
    wki_tape_free(c);
    while (c->n_live > 0) wki_header_drop(c, c->live[--c->n_live]);
    wki_transfers_free(c);
    wki_cache_empty(c);
    wk_free(c->live);
    if (c->device) {
        if (c->stream) c->device->backend->stream_free(c->device, c->stream);
        wki_device_close(c->device);
    }
    wk_free(c);
}

wk_status wk_ctx_status(const wk_ctx *c)
{
    return c ? c->status : WK_EARG;
}
const char *wk_ctx_message(const wk_ctx *c)
{
    return c ? c->message : "no context";
}

void wk_ctx_clear(wk_ctx *c)
{
    if (!is_real(c) || !c->device) return; /* a context without a device stays failed */
    atomic_store(&c->cancelled, false);
    c->status = WK_OK;
    c->message[0] = '\0';
    c->unnamed = false;
}

const char *wk_ctx_device(const wk_ctx *c)
{
    return c && c->device ? wki_device_name(c->device) : "";
}

wk_limits wk_measure_limits(wk_ctx *c)
{
    wk_limits l = {0};
    if (wk_ctx_status(c) != WK_OK || !c->device->backend->limits) return l;
    enum { SIZE = 256 << 20 }; /* beyond the caches */
    const wk_scope  scope = wk_scope_begin(c);
    const wk_tensor x = wk_empty(c, WK_u8, WK_SHAPE(SIZE));
    if (wk_ctx_status(c) == WK_OK) {
        const wk_status s = c->device->backend->limits(c->device, wki_data(x), SIZE, &l);
        if (s != WK_OK) wk_fail(c, s, "measure_limits: %s", wk_status_text(s));
    }
    wk_scope_end(c, scope, WK_NONE);
    return wk_ctx_status(c) == WK_OK ? l : (wk_limits){0};
}

int64_t wk_ctx_describe(const wk_ctx *c, char *out, size_t size)
{
    char text[1024] = "";
    if (c && c->device && c->device->backend->describe)
        c->device->backend->describe(c->device, text, sizeof text);
    return snprintf(out, size, "%s", text);
}

wk_status wk_fail(wk_ctx *c, wk_status s, const char *format, ...)
{
    if (!is_real(c)) return c ? c->status : WK_EARG;
    if (c->status != WK_OK || s == WK_OK) return c->status;
    c->status = s;
    va_list args;
    va_start(args, format);
    vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
    return s;
}

wk_tensor wki_named(wk_ctx *c, const char *op, wk_tensor y)
{
    if (!is_real(c) || !c->unnamed) return y;
    char text[WKI_MESSAGE];
    snprintf(text, sizeof text, "%s: %s", op, c->message);
    memcpy(c->message, text, sizeof text);
    c->unnamed = false;
    return y;
}

wk_tensor wki_within(wk_ctx *c, const char *op, wk_tensor y)
{
    char         text[WKI_MESSAGE];
    const size_t n = strlen(op);
    if (!is_real(c) || c->status == WK_OK) return y;
    if (strncmp(c->message, op, n) != 0 || c->message[n] != ':') {
        memcpy(text, c->message, sizeof text);
        snprintf(c->message, sizeof c->message, "%s: %.*s", op, (int)(sizeof text - n - 3), text);
    }
    return WK_NONE;
}

wk_status wki_fail_wait(wk_ctx *c, wk_status s, const char *what)
{
    char text[WKI_CALL_MESSAGE] = "";
    if (c->device->backend->explain) c->device->backend->explain(c->device, c->stream, text, sizeof text);
    return wk_fail(c, s, "%s %s: %s", what, wki_device_name(c->device), text[0] ? text : wk_status_text(s));
}

void wk_set_threads(wk_ctx *c, int threads)
{
    if (is_real(c) && c->device) wki_pool_resize(c->device, threads);
}
int wk_threads(const wk_ctx *c)
{
    return is_real(c) && c->device ? wki_workers(c->device) : 0;
}
void wk_set_precise(wk_ctx *c, bool precise)
{
    if (is_real(c)) c->precise = precise;
}
bool wk_precise(const wk_ctx *c)
{
    return c && c->precise;
}

void wk_set_training(wk_ctx *c, bool training)
{
    if (is_real(c)) c->training = training;
}
bool wk_training(const wk_ctx *c)
{
    return c && c->training;
}
void wk_cancel(wk_ctx *c)
{
    if (is_real(c)) atomic_store(&c->cancelled, true);
}
bool wk_cancelled(wk_ctx *c)
{
    const bool asked = is_real(c) && atomic_load(&c->cancelled);
    if (asked) wk_fail(c, WK_ECANCELLED, "cancelled");
    return asked;
}

wk_scope wk_scope_begin(wk_ctx *c)
{
    return (wk_scope){c ? c->n_live : 0};
}

void wk_scope_end_n(wk_ctx *c, wk_scope s, int n, wk_tensor const *keep)
{
    if (!is_real(c) || s.mark < 0) return;
    int64_t kept = s.mark;
    for (int i = 0; i < n; i++)
        if (!wk_is_none(keep[i])) wki_header_keep(keep[i], true);
    /* Last made, first freed: the same code then takes the same blocks in the same order. */
    for (int64_t i = c->n_live - 1; i >= s.mark; i--)
        if (!wki_header_kept(c->live[i])) {
            wki_header_drop(c, c->live[i]);
            c->live[i] = NULL;
        }
    for (int64_t i = s.mark; i < c->n_live; i++)
        if (c->live[i]) c->live[kept++] = c->live[i];
    if (kept > s.mark || c->n_live > s.mark) c->n_live = kept;
    for (int i = 0; i < n; i++)
        if (!wk_is_none(keep[i])) wki_header_keep(keep[i], false);
}

wk_tensor wk_scope_next(wk_ctx *c, wk_scope s, wk_tensor keep)
{
    if (!keep) keep = WK_NONE;
    wk_scope_end_n(c, s, 1, &keep);
    return keep;
}

wk_tensor wk_scope_end(wk_ctx *c, wk_scope s, wk_tensor keep)
{
    return wk_scope_next(c, s, keep);
}
