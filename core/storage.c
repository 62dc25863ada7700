/* Counted bytes on a device, and the context's cache of freed blocks and headers. */
#include "ctx.h"

#include <string.h>

#if defined __SANITIZE_ADDRESS__
#define WK_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define WK_ASAN 1
#endif
#endif

/* Size classes: eight per doubling, from 64 bytes, so that at most an eighth of a block is slack. */
#define CLASSES (8 * 58)
/* Freed blocks are kept up to this much, or up to the context's own peak, whichever is more. */
#define KEEP_BYTES ((int64_t)256 << 20)

struct wki_cache {
    wk_storage        *blocks[CLASSES];
    struct wki_header *headers;
    wk_storage        *shells; /* storages without a block, for wrapped memory */
    int64_t            bytes, in_use, peak;
};

static struct wki_cache *cache_of(wk_ctx *c)
{
    if (!c->cache) c->cache = wk_alloc_zero(1, sizeof *c->cache);
    return c->cache;
}

static int class_of(size_t bytes, size_t *rounded)
{
    if (bytes <= 64) {
        *rounded = 64;
        return 0;
    }
    const int top = 63 - __builtin_clzll((unsigned long long)(bytes - 1)); /* bytes in (2^top, 2^(top+1)] */
    const size_t step = (size_t)1 << (top - 3);
    const size_t over = (bytes - ((size_t)1 << top) + step - 1) / step; /* 1..8 */
    *rounded = ((size_t)1 << top) + over * step;
    return (top - 6) * 8 + (int)over;
}

static void account(struct wki_device *d, int64_t in_use, int64_t cached)
{
    const int64_t u = atomic_fetch_add(&d->in_use, in_use) + in_use;
    const int64_t k = atomic_fetch_add(&d->cached, cached) + cached;
    int64_t       peak = atomic_load(&d->peak);
    while (u + k > peak && !atomic_compare_exchange_weak(&d->peak, &peak, u + k)) {}
}

static void block_free(wk_storage *s, bool was_cached)
{
    struct wki_device *d = wki_device_of(s->device);
    s->device->backend->free(s->device, s->data, s->bytes);
    account(d, was_cached ? 0 : -(int64_t)s->bytes, was_cached ? -(int64_t)s->bytes : 0);
    wki_device_close(s->device);
    wk_free(s);
}

static void free_first(struct wki_cache *k, int cls)
{
    wk_storage *s = k->blocks[cls];
    k->blocks[cls] = s->next;
    k->bytes -= (int64_t)s->bytes;
    block_free(s, true);
}

static void empty_blocks(struct wki_cache *k)
{
    for (int i = 0; i < CLASSES; i++)
        while (k->blocks[i]) free_first(k, i);
}

void wki_cache_empty(wk_ctx *c)
{
    struct wki_cache *k = c->cache;
    if (!k) return;
    empty_blocks(k);
    while (k->shells) {
        wk_storage *s = k->shells;
        k->shells = s->next;
        wk_free(s);
    }
    while (k->headers) {
        struct wki_header *h = k->headers;
        k->headers = h->next;
        wk_free(h);
    }
    wk_free(k);
    c->cache = NULL;
}

static void *take_block(wk_ctx *c, size_t size, size_t asked)
{
    struct wki_device *d = wki_device_of(c->device);
    for (int attempt = 0; attempt < 2; attempt++) {
        const int64_t limit = atomic_load(&d->limit);
        const int64_t held = atomic_load(&d->in_use) + atomic_load(&d->cached);
        const bool    fits = limit == 0 || held + (int64_t)size <= limit;
        if (fits && wki_alloc_allowed()) {
            void *p = c->device->backend->alloc(c->device, size);
            if (p) {
                atomic_fetch_add(&d->allocations, 1);
                return p;
            }
        }
        if (attempt == 0 && c->cache && c->cache->bytes) {
            empty_blocks(c->cache);
            continue;
        }
        if (!fits)
            wk_fail(c, WK_ELIMIT, "memory limit: %lld bytes wanted, %lld in use, limit %lld",
                    (long long)asked, (long long)held, (long long)limit);
        else
            wk_fail(c, WK_ENOMEM, "out of memory: %lld bytes wanted on %s", (long long)asked,
                    wki_device_name(c->device));
        break;
    }
    return NULL;
}

wk_storage *wki_storage_new(wk_ctx *c, size_t bytes)
{
    if (wki_failed(c)) return NULL;
    struct wki_cache *k = cache_of(c);
    if (!k || bytes > (size_t)1 << 62) {
        wk_fail(c, WK_ENOMEM, "out of memory: %llu bytes wanted", (unsigned long long)bytes);
        return NULL;
    }
    size_t      size;
    const int   cls = class_of(bytes, &size);
    wk_storage *s = k->blocks[cls];
    if (s) {
        k->blocks[cls] = s->next;
        k->bytes -= (int64_t)size;
        account(wki_device_of(c->device), (int64_t)size, -(int64_t)size);
    } else {
        if (c->capture == 2) {
            wk_fail(c, WK_EINTERNAL,
                    "a captured step asks for a block of %llu bytes that its warm-up did not",
                    (unsigned long long)bytes);
            return NULL;
        }
        s = wk_alloc_zero(1, sizeof *s);
        if (!s) {
            wk_fail(c, WK_ENOMEM, "out of memory: a storage");
            return NULL;
        }
        s->data = take_block(c, size, bytes);
        if (!s->data) {
            wk_free(s);
            return NULL;
        }
        s->bytes = size;
        s->device = c->device;
        wki_device_hold(c->device);
        account(wki_device_of(c->device), (int64_t)size, 0);
    }
    k->in_use += (int64_t)size;
    if (k->in_use > k->peak) k->peak = k->in_use;
    atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

wk_storage *wki_storage_wrap(wk_ctx *c, void *data, void (*release)(void *), void *arg)
{
    if (wki_failed(c)) return NULL;
    struct wki_cache *k = cache_of(c);
    wk_storage       *s = k ? k->shells : NULL;
    if (s)
        k->shells = s->next;
    else
        s = wk_alloc(sizeof *s);
    if (!s) {
        wk_fail(c, WK_ENOMEM, "out of memory: a storage");
        return NULL;
    }
    *s = (wk_storage){.data = data, .device = c->device, .release = release, .arg = arg};
    atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
    wki_device_hold(c->device);
    return s;
}

wk_storage *wki_storage_hold(wk_storage *s)
{
    if (s) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

/* Frees kept blocks above a class, largest first, until no more than `most` bytes are kept: else one large
 * block that is never wanted again would have every small one freed. */
static bool make_room(struct wki_cache *k, int64_t most, int cls)
{
    for (int i = CLASSES - 1; k->bytes > most && i > cls; i--)
        while (k->blocks[i] && k->bytes > most) free_first(k, i);
    return k->bytes <= most;
}

void wki_storage_drop(wk_ctx *c, wk_storage *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    struct wki_cache *k = c->cache;
    if (s->bytes == 0) {
        if (s->release) s->release(s->arg);
        wki_device_close(s->device);
        if (k) {
            s->next = k->shells;
            k->shells = s;
        } else {
            wk_free(s);
        }
        return;
    }
    if (k) k->in_use -= (int64_t)s->bytes;
    const int64_t keep = k && k->peak > KEEP_BYTES ? k->peak : KEEP_BYTES;
    size_t        size;
    const int     cls = class_of(s->bytes, &size);
    if (!k || s->device != c->device || !make_room(k, keep - (int64_t)s->bytes, cls)) {
        block_free(s, false);
        return;
    }
    s->next = k->blocks[cls];
    k->blocks[cls] = s;
    k->bytes += (int64_t)s->bytes;
    account(wki_device_of(s->device), -(int64_t)s->bytes, (int64_t)s->bytes);
}

/* Headers are single allocations under AddressSanitizer, so that it reports use after a scope as use after
 * free; elsewhere they are reused. */
struct wki_header *wki_header_new(wk_ctx *c)
{
    struct wki_cache  *k = cache_of(c);
    struct wki_header *h = k ? k->headers : NULL;
    if (h)
        k->headers = h->next;
    else
        h = wk_alloc(sizeof *h);
    if (!h) {
        wk_fail(c, WK_ENOMEM, "out of memory: a tensor");
        return NULL;
    }
    memset(h, 0, sizeof *h);
    return h;
}

void wki_header_free(wk_ctx *c, struct wki_header *h)
{
#ifndef WK_ASAN
    if (c->cache) {
        h->next = c->cache->headers;
        c->cache->headers = h;
        return;
    }
#endif
    (void)c;
    wk_free(h);
}

wk_memory wk_memory_stats(const wk_ctx *c)
{
    if (!c || !c->device) return (wk_memory){0};
    struct wki_device *d = wki_device_of(c->device);
    return (wk_memory){.in_use = atomic_load(&d->in_use),
                       .cached = atomic_load(&d->cached),
                       .peak = atomic_load(&d->peak),
                       .limit = atomic_load(&d->limit),
                       .allocations = atomic_load(&d->allocations)};
}

void wk_memory_limit(wk_ctx *c, int64_t bytes)
{
    if (c && c->device) atomic_store(&wki_device_of(c->device)->limit, bytes > 0 ? bytes : 0);
}

void wk_memory_trim(wk_ctx *c)
{
    if (c && c->cache) empty_blocks(c->cache);
}
