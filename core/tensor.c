/* Tensors: making, looking at, reading. */
#include "ctx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct wki_header none = {
    .info = {.shape = {0, 1, 1, 1, 1, 1, 1, 1}, .ndim = 1, .dtype = WK_f32}};

wk_tensor wk_none(void)
{
    return &none.info;
}
bool wk_is_none(wk_tensor x)
{
    return !x || !x->storage;
}

int64_t wk_count(wk_tensor x)
{
    int64_t n = 1;
    for (int i = 0; i < x->ndim; i++) n *= x->shape[i];
    return n;
}

int64_t wk_bytes(wk_tensor x)
{
    return wk_count(x) / wk_dtype_block(x->dtype) * wk_dtype_bytes(x->dtype);
}

int64_t wk_size(wk_tensor x, int dim)
{
    if (dim < 0) dim += x->ndim;
    return dim >= 0 && dim < x->ndim ? x->shape[dim] : 0;
}

bool wk_is_dense(wk_tensor x)
{
    int64_t step = 1;
    for (int i = x->ndim - 1; i >= 0; i--) {
        if (x->shape[i] != 1 && x->stride[i] != step) return wk_count(x) == 0;
        step *= x->shape[i];
    }
    return true;
}

wk_shape wki_shape(wk_tensor x)
{
    wk_shape s = {.ndim = x->ndim};
    memcpy(s.dim, x->shape, sizeof s.dim);
    return s;
}

const char *wki_shape_text(wk_tensor x, char *buffer)
{
    int n = snprintf(buffer, WKI_SHAPE_TEXT, "[");
    for (int i = 0; i < x->ndim && n < WKI_SHAPE_TEXT - 24; i++)
        n += snprintf(buffer + n, (size_t)(WKI_SHAPE_TEXT - n), "%s%lld", i ? ", " : "",
                      (long long)x->shape[i]);
    snprintf(buffer + n, (size_t)(WKI_SHAPE_TEXT - n), "]");
    return buffer;
}

int wki_dim(wk_ctx *c, const char *op, wk_tensor x, int dim)
{
    const int n = x->ndim ? x->ndim : 1; /* a 0-d tensor has dims 0 and -1, as in PyTorch */
    if (wki_failed(c)) return -1;
    if (dim < -n || dim >= n) {
        wk_fail(c, WK_EARG, "%s: dim %d of a tensor %s", op, dim, WKI_TEXT(x));
        return -1;
    }
    return dim < 0 ? dim + n : dim;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* Enters h among the temporaries; on failure frees it and drops its storage. */
static wk_tensor enter(wk_ctx *c, struct wki_header *h)
{
    if (c->n_live == c->cap_live) {
        const int64_t cap = c->cap_live ? c->cap_live * 2 : 64;
        wk_tensor    *grown = wk_resize(c->live, (size_t)cap * sizeof *grown);
        if (!grown) {
            wk_fail(c, WK_ENOMEM, "out of memory: list of %lld tensors", (long long)cap);
            wki_header_drop(c, &h->info);
            return WK_NONE;
        }
        c->live = grown;
        c->cap_live = cap;
    }
    c->live[c->n_live++] = &h->info;
    return &h->info;
}

void wki_header_drop(wk_ctx *c, wk_tensor x)
{
    wki_storage_drop(c, x->storage);
    wki_header_free(c, (struct wki_header *)(uintptr_t)x);
}

wk_tensor wki_pin(wk_ctx *c, wk_tensor x, bool with_storage)
{
    struct wki_header *h = wki_header_new(c);
    if (!h) return WK_NONE;
    h->info = *x;
    h->info.storage = with_storage ? wki_storage_hold(x->storage) : NULL;
    return &h->info;
}

void wki_unpin(wk_ctx *c, wk_tensor x)
{
    if (x != &none.info) wki_header_drop(c, x);
}

wk_tensor wki_adopt(wk_ctx *c, wk_tensor pinned)
{
    return pinned == &none.info ? WK_NONE : enter(c, (struct wki_header *)(uintptr_t)pinned);
}

bool wki_shape_fits(wk_ctx *c, wk_dtype t, wk_shape s, int64_t *bytes)
{
    if (s.ndim < 0 || s.ndim > WK_MAX_DIMS) {
        wk_fail(c, WK_ESHAPE, "a tensor has 0 to %d dims, not %d", WK_MAX_DIMS, s.ndim);
        return false;
    }
    if ((unsigned)t >= WK_DTYPE_COUNT) {
        wk_fail(c, WK_EDTYPE, "no such dtype: %d", (int)t);
        return false;
    }
    const int64_t block = wk_dtype_block(t);
    if (block > 1 && (s.ndim == 0 || s.dim[s.ndim - 1] % block != 0)) {
        wk_fail(c, WK_ESHAPE, "%s: rows of %lld values are not whole blocks of %lld", wk_dtype_name(t),
                (long long)(s.ndim ? s.dim[s.ndim - 1] : 1), (long long)block);
        return false;
    }
    int64_t n = 1;
    bool    zero = false, many = false;
    for (int i = 0; i < s.ndim; i++) {
        if (s.dim[i] < 0) {
            wk_fail(c, WK_ESHAPE, "negative size %lld", (long long)s.dim[i]);
            return false;
        }
        zero |= s.dim[i] == 0;
        many |= __builtin_mul_overflow(n, s.dim[i] ? s.dim[i] : 1, &n);
    }
    if (many || n > INT64_MAX / 16) {
        wk_fail(c, WK_ESHAPE, "too many elements");
        return false;
    }
    *bytes = zero ? 0 : n / block * wk_dtype_bytes(t);
    return true;
}

static void set_dense(struct wk_tensor_info *x, wk_dtype t, wk_shape s)
{
    x->dtype = t;
    x->ndim = s.ndim;
    int64_t step = 1;
    for (int i = WK_MAX_DIMS - 1; i >= 0; i--) {
        x->shape[i] = i < s.ndim ? s.dim[i] : 1;
        x->stride[i] = i < s.ndim ? step : 0;
        if (i < s.ndim)
            step = (int64_t)((uint64_t)step * (uint64_t)s.dim[i]); /* of no elements it may wrap */
    }
}

wk_tensor wki_new(wk_ctx *c, wk_dtype t, wk_shape shape)
{
    int64_t bytes;
    if (!c || wki_failed(c)) return WK_NONE;
    wk_storage        *s = wki_shape_fits(c, t, shape, &bytes) ? wki_storage_new(c, (size_t)bytes) : NULL;
    struct wki_header *h = s ? wki_header_new(c) : NULL;
    c->unnamed = !h;
    if (!s) return WK_NONE;
    if (!h) {
        wki_storage_drop(c, s);
        return WK_NONE;
    }
    h->info.storage = s;
    set_dense(&h->info, t, shape);
    return enter(c, h);
}

wk_tensor wki_like(wk_ctx *c, wk_tensor x)
{
    return wki_new(c, x->dtype, wki_shape(x));
}
wk_tensor wki_like_as(wk_ctx *c, wk_tensor x, wk_dtype t)
{
    return wki_new(c, t, wki_shape(x));
}

wk_tensor wki_view(wk_ctx *c, wk_tensor x, int64_t offset, wk_shape shape, const int64_t *stride)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    struct wki_header *h = wki_header_new(c);
    if (!h) return WK_NONE;
    set_dense(&h->info, x->dtype, shape);
    if (stride) memcpy(h->info.stride, stride, (size_t)shape.ndim * sizeof *stride);
    h->info.storage = wki_storage_hold(x->storage);
    h->info.offset = x->offset + offset / wk_dtype_block(x->dtype) * wk_dtype_bytes(x->dtype);
    h->info.weak = x->weak;
    h->saved = wki_header_of(x)->saved;
    return enter(c, h);
}

wk_tensor wki_untracked(wk_ctx *c, wk_tensor x)
{
    return wki_view(c, x, 0, wki_shape(x), x->stride);
}

/* ---- from and to the host -------------------------------------------------------------------- */

wk_tensor wk_empty(wk_ctx *c, wk_dtype t, wk_shape shape)
{
    return wki_named(c, "empty", wki_new(c, t, shape));
}

wk_tensor wk_make(wk_ctx *c, const void *data, wk_dtype t, wk_shape shape)
{
    wk_tensor x = wki_named(c, "make", wki_new(c, t, shape));
    if (wk_is_none(x) || wk_count(x) == 0) return x;
    WK_REQUIRE(c, data, WK_EARG, "make: no data");
    const wk_status s =
        c->device->backend->from_host(c->device, c->stream, wki_data(x), data, (size_t)wk_bytes(x));
    if (s == WK_OK) return x;
    wki_fail_wait(c, s, "make: copy to");
    return WK_NONE;
}

static wk_tensor weak_scalar(wk_ctx *c, const void *value, wk_dtype t)
{
    wk_tensor x = wk_make(c, value, t, WK_SCALAR_SHAPE);
    if (!wk_is_none(x)) ((struct wki_header *)(uintptr_t)x)->info.weak = true;
    return x;
}
wk_tensor wk_scalar(wk_ctx *c, double value)
{
    return weak_scalar(c, &value, WK_f64);
}
wk_tensor wk_scalar_int(wk_ctx *c, int64_t value)
{
    return weak_scalar(c, &value, WK_i64);
}

wk_tensor wk_wrap(wk_ctx *c, const void *data, wk_dtype t, wk_shape shape, void (*release)(void *), void *arg)
{
    int64_t bytes;
    if (!c || wki_failed(c)) return WK_NONE;
    c->unnamed = !wki_shape_fits(c, t, shape, &bytes);
    if (c->unnamed) return wki_named(c, "wrap", WK_NONE);
    WK_REQUIRE(c, data || bytes == 0, WK_EARG, "wrap: no data");
    if (!c->device->backend->host_memory) {
        wk_tensor x = wk_make(c, data, t, shape);
        if (!wk_is_none(x) && release) release(arg);
        return x;
    }
    wk_storage *s = wki_storage_wrap(c, (void *)(uintptr_t)data, release, arg);
    if (!s) return WK_NONE;
    struct wki_header *h = wki_header_new(c);
    if (!h) {
        s->release = NULL; /* the caller keeps its memory when the call fails */
        wki_storage_drop(c, s);
        return WK_NONE;
    }
    h->info.storage = s;
    set_dense(&h->info, t, shape);
    wk_tensor x = &h->info;
    s->release = NULL;
    x = enter(c, h);
    if (!wk_is_none(x)) s->release = release;
    return x;
}

wk_status wk_read(wk_ctx *c, wk_tensor x, void *out)
{
    if (wki_failed(c)) return c->status;
    if (wk_is_none(x)) return wk_fail(c, WK_EARG, "read: no tensor");
    const wk_scope s = wk_scope_begin(c);
    const bool     was = wk_no_grad(c, true);
    wk_tensor      dense = wk_contiguous(c, x);
    if (!wki_failed(c) && wk_count(dense) > 0) {
        const wk_status st =
            c->device->backend->to_host(c->device, c->stream, out, wki_data(dense), (size_t)wk_bytes(dense));
        if (st != WK_OK) wki_fail_wait(c, st, "read: copy from");
    }
    wk_no_grad(c, was);
    wk_scope_end(c, s, WK_NONE);
    return c->status;
}

double wk_item(wk_ctx *c, wk_tensor x)
{
    double value = (double)NAN;
    if (!wki_failed(c) && (wk_is_none(x) || wk_count(x) != 1))
        wk_fail(c, WK_ESHAPE, "item: the tensor is %s, not one element", WKI_TEXT(x));
    if (wki_failed(c)) return value;
    const wk_scope s = wk_scope_begin(c);
    const bool     was = wk_no_grad(c, true);
    if (wk_read(c, wk_cast(c, x, WK_f64), &value) != WK_OK) value = (double)NAN;
    wk_no_grad(c, was);
    wk_scope_end(c, s, WK_NONE);
    return value;
}

/* ---- broadcasting ---------------------------------------------------------------------------- */

bool wki_broadcast(wk_tensor a, wk_tensor b, wk_shape *out)
{
    out->ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 0; i < WK_MAX_DIMS; i++) out->dim[i] = 1;
    for (int i = 1; i <= out->ndim; i++) {
        const int64_t da = i <= a->ndim ? a->shape[a->ndim - i] : 1,
                      db = i <= b->ndim ? b->shape[b->ndim - i] : 1;
        if (da != db && da != 1 && db != 1) return false;
        out->dim[out->ndim - i] = da == 1 ? db : da;
    }
    return true;
}

wk_tensor wki_unbroadcast(wk_ctx *c, wk_tensor g, wk_tensor like)
{
    if (wki_failed(c)) return WK_NONE;
    wk_shape  dims = {0};
    const int lead = g->ndim - like->ndim;
    for (int i = 0; i < g->ndim; i++)
        if (i < lead || (like->shape[i - lead] == 1 && g->shape[i] != 1)) dims.dim[dims.ndim++] = i;
    if (dims.ndim) g = wk_reshape(c, wk_sum(c, g, dims, true), wki_shape(like));
    return g->dtype == like->dtype ? g : wk_cast(c, g, like->dtype);
}
