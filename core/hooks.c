/* Hooks: functions of the user that see, and may change, the gradient of a tensor. */
#include "tape.h"

#include <string.h>

wk_hook wk_register_hook(wk_ctx *c, wk_tensor x, wk_hook_fn fn, void *arg)
{
    if (wki_failed(c)) return 0;
    struct wk_tape *t = c->tape;
    if (!t || x->node <= 0 || x->node >= t->n_nodes || t->nodes[x->node].entry == WKI_WALKED) {
        wk_fail(c, WK_EARG, "register_hook: the tensor is not on this tape, or was walked already");
        return 0;
    }
    if (!fn) {
        wk_fail(c, WK_EARG, "register_hook: no function");
        return 0;
    }
    void *hooks = t->hooks;
    if (t->n_hooks >= INT32_MAX || !wki_tape_room(c, &hooks, sizeof *t->hooks, t->n_hooks, &t->cap_hooks))
        return 0;
    t->hooks = hooks;
    const wk_hook id = ++c->last_hook;
    t->hooks[t->n_hooks++] = (struct wki_hook){.fn = fn, .arg = arg, .id = id};
    int32_t *last = &t->nodes[x->node].hook;
    while (*last) last = &t->hooks[*last - 1].next;
    *last = (int32_t)t->n_hooks;
    return id;
}

void wk_remove_hook(wk_ctx *c, wk_hook h)
{
    for (int64_t i = 0; c && c->tape && i < c->tape->n_hooks; i++)
        if (c->tape->hooks[i].id == h) c->tape->hooks[i].fn = NULL;
}

wk_tensor wki_hooks_run(wk_ctx *c, int32_t node, wk_tensor g)
{
    const struct wk_tape *t = c->tape;
    for (int32_t at = t->nodes[node].hook; at && !wki_failed(c); at = t->hooks[at - 1].next) {
        const struct wki_hook h = t->hooks[at - 1]; /* it may register others */
        if (!h.fn) continue;
        const wk_tensor r = h.fn(c, h.arg, g);
        if (wki_failed(c) || wk_is_none(r)) continue;
        if (r->dtype != g->dtype || r->ndim != g->ndim || memcmp(r->shape, g->shape, sizeof r->shape) != 0)
            wk_fail(c, WK_ESHAPE, "hook: returned %s %s for a gradient %s %s", wk_dtype_name(r->dtype),
                    WKI_TEXT(r), wk_dtype_name(g->dtype), WKI_TEXT(g));
        g = r;
    }
    return wki_failed(c) ? WK_NONE : g;
}
