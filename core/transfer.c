/* Copies between contexts, and memory of the host that devices reach at full speed. */
#include "ctx.h"

/* Storages that copies to a context still use. */
struct wki_transfers {
    struct pair {
        wk_storage *to, *from;
        wk_ctx     *giver;
    } * pairs;
    int64_t n, cap;
};

static bool host(const wk_ctx *c)
{
    return c->device->backend->host_memory;
}

/* The side whose backend copies; NULL: both are in memory of the host, or strangers to each other. */
static wk_ctx *copier(wk_ctx *c, wk_ctx *from)
{
    wk_ctx *own = host(c) ? from : c, *other = own == c ? from : c;
    return own->device->backend->copy_begin && (host(other) || other->device->backend == own->device->backend)
               ? own
               : NULL;
}

static bool may_begin(wk_ctx *c, const wk_ctx *from, wk_tensor x)
{
    if (!c || wki_failed(c)) return false;
    if (wk_ctx_status(from) != WK_OK)
        wk_fail(c, wk_ctx_status(from), "transfer: %s", wk_ctx_message(from));
    else if (wk_is_none(x))
        wk_fail(c, WK_EARG, "transfer: no tensor");
    else if (x->storage->device != from->device)
        wk_fail(c, WK_EDEVICE, "transfer: the tensor is on %s, the context on %s",
                wki_device_name(x->storage->device), wki_device_name(from->device));
    else if (c->capture == 2 || from->capture == 2)
        wk_fail(c, WK_EARG, "transfer: a captured step cannot hold one");
    else if (x->node && wki_recording(from))
        wk_fail(c, WK_ENOGRAD, "transfer: has no gradient by x; wk_detach takes it off the tape");
    return !wki_failed(c);
}

/* Room for one more pair, before anything is begun. */
static bool has_room(wk_ctx *c)
{
    struct wki_transfers *t = c->transfers;
    if (!t) c->transfers = t = wk_alloc_zero(1, sizeof *t);
    if (t && t->n < t->cap) return true;
    const int64_t cap = t && t->cap ? 2 * t->cap : 8;
    struct pair  *grown = t ? wk_resize(t->pairs, (size_t)cap * sizeof *grown) : NULL;
    if (!grown) {
        wk_fail(c, WK_ENOMEM, "transfer: out of memory");
        return false;
    }
    t->pairs = grown;
    t->cap = cap;
    return true;
}

static void keep(wk_ctx *c, wk_tensor y, wk_ctx *from, wk_tensor x)
{
    struct wki_transfers *t = c->transfers;
    t->pairs[t->n++] = (struct pair){
        .to = wki_storage_hold(y->storage), .from = wki_storage_hold(x->storage), .giver = from};
}

/* By way of memory of the host, where neither side knows the other. */
static wk_status by_host(wk_ctx *c, wk_tensor y, wk_ctx *from, wk_tensor x, size_t bytes)
{
    const wk_backend *b = c->device->backend, *a = from->device->backend;
    void             *near = host(from) ? wki_data(x) : host(c) ? wki_data(y) : wk_alloc(bytes);
    if (!near) return wk_fail(c, WK_ENOMEM, "transfer: out of memory: %zu bytes wanted", bytes);
    wk_status s = WK_OK;
    if (!host(from)) s = a->to_host(from->device, from->stream, near, wki_data(x), bytes);
    if (s != WK_OK) wk_fail(c, wki_fail_wait(from, s, "transfer: copy from"), "%s", wk_ctx_message(from));
    if (s == WK_OK && near != wki_data(y)) {
        s = b->from_host(c->device, c->stream, wki_data(y), near, bytes);
        if (s != WK_OK) wki_fail_wait(c, s, "transfer: copy to");
    }
    if (!host(from) && !host(c)) wk_free(near);
    return c->status;
}

static void begin(wk_ctx *c, wk_tensor y, wk_ctx *from, wk_tensor x)
{
    const size_t bytes = (size_t)wk_bytes(x);
    wk_ctx      *own = copier(c, from);
    if (!own) {
        by_host(c, y, from, x, bytes);
        return;
    }
    if (!has_room(c)) return;
    wk_ctx             *other = own == c ? from : c;
    const enum wki_copy way = host(from) ? WKI_FROM_HOST : host(c) ? WKI_TO_HOST : WKI_FROM_DEVICE;
    const wk_status     s =
        own->device->backend->copy_begin(own->device, own->stream, way, wki_data(y), wki_data(x), bytes,
                                         other->device, way == WKI_FROM_DEVICE ? other->stream : NULL);
    if (s == WK_OK) {
        keep(c, y, from, x);
        return;
    }
    wki_fail_wait(own, s, "transfer:");
    if (own != c) wk_fail(c, s, "%s", wk_ctx_message(own));
}

void wk_transfer_into(wk_ctx *c, wk_tensor y, wk_ctx *from, wk_tensor x)
{
    if (!may_begin(c, from, x)) return;
    if (wk_is_none(y) || !wk_is_dense(y) || y->dtype != x->dtype || wk_count(y) != wk_count(x)) {
        wk_fail(c, WK_ESHAPE, "transfer: x is %s %s, y %s %s; a dense y like x is wanted",
                wk_dtype_name(x->dtype), WKI_TEXT(x), wk_dtype_name(y->dtype), WKI_TEXT(y));
        return;
    }
    if (y->storage->device != c->device) {
        wk_fail(c, WK_EDEVICE, "transfer: y is on %s, the context on %s", wki_device_name(y->storage->device),
                wki_device_name(c->device));
        return;
    }
    if (!wki_constant(c, "transfer", "what it writes over", y)) return;
    y->storage->written++;
    const wk_scope  s = wk_scope_begin(from);
    const bool      was = wk_no_grad(from, true);
    const wk_tensor dense = wk_contiguous(from, x);
    if (wki_failed(from))
        wk_fail(c, from->status, "transfer: %s", wk_ctx_message(from));
    else if (wk_count(x) > 0)
        begin(c, y, from, dense);
    wk_no_grad(from, was);
    wk_scope_end(from, s, WK_NONE);
}

void wki_transfers_free(wk_ctx *c)
{
    struct wki_transfers *t = c->transfers;
    if (!t) return;
    for (int64_t i = 0; i < t->n; i++) {
        wki_storage_drop(c, t->pairs[i].from);
        wki_storage_drop(c, t->pairs[i].to);
    }
    wk_free(t->pairs);
    wk_free(t);
    c->transfers = NULL;
}

wk_status wk_transfer_end(wk_ctx *c, wk_ctx *from)
{
    struct wki_transfers *t = c ? c->transfers : NULL;
    bool                  begun = false;
    int64_t               left = 0;
    for (int64_t i = 0; t && i < t->n; i++) begun |= t->pairs[i].giver == from;
    if (begun) {
        wk_ctx         *own = copier(c, from), *other = own == c ? from : c;
        const wk_status s = own->device->backend->copy_end(
            own->device, own->stream, host(other) ? NULL : other->device, other->stream, host(c));
        if (s != WK_OK) wki_fail_wait(own, s, "transfer:");
        if (s != WK_OK && own != c) wk_fail(c, s, "%s", wk_ctx_message(own));
    }
    for (int64_t i = 0; begun && i < t->n; i++) {
        const struct pair p = t->pairs[i];
        if (p.giver != from) {
            t->pairs[left++] = p;
            continue;
        }
        wki_storage_drop(from, p.from);
        wki_storage_drop(c, p.to);
    }
    if (begun) t->n = left;
    return wk_ctx_status(c);
}

wk_tensor wk_transfer(wk_ctx *c, wk_ctx *from, wk_tensor x)
{
    if (!may_begin(c, from, x)) return WK_NONE;
    const wk_tensor y = wki_named(c, "transfer", wki_like(c, x));
    if (wk_is_none(y)) return WK_NONE;
    wk_transfer_into(c, y, from, x);
    return wk_transfer_end(c, from) == WK_OK ? y : WK_NONE;
}

/* ---- pinned memory ------------------------------------------------------------------------------- */

struct pinned {
    wk_device *device;
    void      *block;
};

static void unpin(void *arg)
{
    struct pinned *p = arg;
    p->device->backend->host_free(p->device, p->block);
    wki_device_close(p->device);
    wk_free(p);
}

wk_tensor wk_empty_pinned(wk_ctx *c, wk_ctx *device, wk_dtype t, wk_shape shape, void **memory)
{
    if (memory) *memory = NULL;
    if (!c || wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, wk_ctx_status(device) == WK_OK, wk_ctx_status(device), "empty_pinned: %s",
               wk_ctx_message(device));
    WK_REQUIRE(c, host(c), WK_EDEVICE, "empty_pinned: memory of the host is wanted, the context is on %s",
               wki_device_name(c->device));
    const wk_backend *b = device->device->backend;
    int64_t           bytes;
    if (!wki_shape_fits(c, t, shape, &bytes)) return WK_NONE;
    if (!b->host_alloc || bytes == 0) {
        const wk_tensor x = wki_named(c, "empty_pinned", wki_new(c, t, shape));
        if (memory && !wk_is_none(x)) *memory = wki_data(x);
        return x;
    }
    struct pinned *p = wk_alloc(sizeof *p);
    if (p)
        *p = (struct pinned){.device = device->device,
                             .block =
                                 wki_alloc_allowed() ? b->host_alloc(device->device, (size_t)bytes) : NULL};
    if (!p || !p->block) {
        wk_free(p);
        wk_fail(c, WK_ENOMEM, "out of memory: %lld bytes wanted, pinned for %s", (long long)bytes,
                wki_device_name(device->device));
        return WK_NONE;
    }
    wki_device_hold(p->device);
    const wk_tensor x = wk_wrap(c, p->block, t, shape, unpin, p);
    if (wk_is_none(x)) unpin(p);
    if (memory && !wk_is_none(x)) *memory = wki_data(x);
    return x;
}
