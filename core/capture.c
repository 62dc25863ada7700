/* A step that is recorded once and replayed; on devices that cannot record, replay calls it. */
#include "ctx.h"

struct wk_step {
    wk_ctx    *c;
    wk_step_fn fn;
    void      *state;
    void      *graph; /* NULL: call fn */
};

static bool call(wk_ctx *c, wk_step_fn fn, void *state)
{
    const wk_scope s = wk_scope_begin(c);
    fn(c, state);
    wk_scope_end(c, s, WK_NONE);
    return !wki_failed(c);
}

bool wk_records(const wk_ctx *c)
{
    return c && c->device && c->device->backend->capture_begin;
}

wk_step *wk_capture(wk_ctx *c, wk_step_fn fn, void *state)
{
    if (wki_failed(c)) return NULL;
    wk_step *step = wk_alloc_zero(1, sizeof *step);
    if (!step) {
        wk_fail(c, WK_ENOMEM, "capture: out of memory");
        return NULL;
    }
    *step = (wk_step){.c = c, .fn = fn, .state = state};
    const wk_backend *b = c->device->backend;
    bool              ok = call(c, fn, state) && call(c, fn, state);
    if (ok && wk_records(c)) {
        wk_status s = b->capture_begin(c->device, c->stream);
        c->capture = 2;
        ok = s == WK_OK && call(c, fn, state);
        c->capture = 0;
        if (s == WK_OK) step->graph = b->capture_end(c->device, c->stream);
        ok = ok && step->graph;
        if (!ok) wk_fail(c, WK_EDEVICE, "capture: %s cannot record this step", wki_device_name(c->device));
    }
    if (!ok) {
        wk_step_free(step);
        return NULL;
    }
    return step;
}

wk_status wk_replay(wk_step *step)
{
    if (!step) return WK_EARG;
    wk_ctx *c = step->c;
    if (wki_failed(c)) return c->status;
    if (!step->graph) {
        call(c, step->fn, step->state);
    } else {
        const wk_status s = c->device->backend->replay(c->device, c->stream, step->graph);
        if (s != WK_OK) wk_fail(c, s, "replay: %s", wk_status_text(s));
    }
    return c->status;
}

void wk_step_free(wk_step *step)
{
    if (!step) return;
    if (step->graph) step->c->device->backend->graph_free(step->c->device, step->graph);
    wk_free(step);
}

wk_status wk_sync(wk_ctx *c)
{
    if (wki_failed(c)) return c->status;
    const wk_backend *b = c->device->backend;
    const wk_status   s = b->sync ? b->sync(c->device, c->stream) : WK_OK;
    if (s != WK_OK) wki_fail_wait(c, s, "sync:");
    return c->status;
}
