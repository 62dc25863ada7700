/* Host memory: the only caller of malloc, which tests can make fail at the n-th request. */
#include "ctx.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct {
    atomic_llong total, since, fail_at;
    atomic_bool  keep_failing;
} counts;

bool wki_alloc_allowed(void)
{
    atomic_fetch_add_explicit(&counts.total, 1, memory_order_relaxed);
    const long long n = atomic_fetch_add_explicit(&counts.since, 1, memory_order_relaxed) + 1;
    const long long at = atomic_load_explicit(&counts.fail_at, memory_order_relaxed);
    if (at == 0) return true;
    return n < at || (n > at && !atomic_load_explicit(&counts.keep_failing, memory_order_relaxed));
}

int64_t wk_alloc_fail_at(int64_t n, bool keep_failing)
{
    atomic_store(&counts.fail_at, 0);
    const int64_t made = atomic_exchange(&counts.since, 0);
    atomic_store(&counts.keep_failing, keep_failing);
    atomic_store(&counts.fail_at, n);
    return made;
}

int64_t wk_alloc_count(void)
{
    return atomic_load(&counts.total);
}

void *wk_alloc(size_t bytes)
{
    return wki_alloc_allowed() ? malloc(bytes ? bytes : 1) : NULL;
}

void *wk_alloc_zero(size_t count, size_t size)
{
    if (!wki_alloc_allowed() || (size && count > SIZE_MAX / size)) return NULL; /* sanitizers stop at it */
    return count && size ? calloc(count, size) : calloc(1, 1);
}

void *wk_resize(void *block, size_t bytes)
{
    return wki_alloc_allowed() ? realloc(block, bytes ? bytes : 1) : NULL;
}

void wk_free(void *block)
{
    free(block);
}

void *wki_host_block(size_t bytes, size_t alignment)
{
    if (bytes > SIZE_MAX - alignment) return NULL;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void wki_host_block_free(void *block)
{
    free(block);
}
