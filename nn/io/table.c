/* Arena and hash of names for file descriptions. */
#include "table.h"

#include <string.h>
#include <sys/random.h>

struct wki_block {
    struct wki_block *next;
    size_t            used, size;
};
#define HEAD ((sizeof(struct wki_block) + 15) / 16 * 16)

void *wki_arena_take(wki_arena *a, size_t bytes)
{
    size_t need;
    if (!wki_add_size(bytes, 15 + HEAD, &need)) return NULL;
    need = need / 16 * 16;
    if (!a->last || a->last->size - a->last->used < need - HEAD) {
        const size_t      grown = a->last ? a->last->size * 2 : 4096;
        const size_t      room = grown < 1u << 20 ? grown : 1u << 20;
        const size_t      size = need > room ? need : room;
        struct wki_block *b = wk_alloc(size);
        if (!b) return NULL;
        *b = (struct wki_block){.next = a->last, .used = HEAD, .size = size};
        a->last = b;
    }
    char *p = (char *)a->last + a->last->used;
    a->last->used += need - HEAD;
    memset(p, 0, need - HEAD);
    return p;
}

char *wki_arena_text(wki_arena *a, const void *text, size_t n)
{
    char *p = n < SIZE_MAX ? wki_arena_take(a, n + 1) : NULL;
    if (p && n) memcpy(p, text, n);
    return p;
}

void wki_arena_free(wki_arena *a)
{
    while (a->last) {
        struct wki_block *next = a->last->next;
        wk_free(a->last);
        a->last = next;
    }
}

static inline uint64_t turn(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void mix(uint64_t v[4])
{
    v[0] += v[1], v[1] = turn(v[1], 13) ^ v[0], v[0] = turn(v[0], 32);
    v[2] += v[3], v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = turn(v[1], 17) ^ v[2], v[2] = turn(v[2], 32);
}

/* SipHash-1-3. */
static uint64_t hash(const uint64_t key[2], const char *name)
{
    const size_t   n = strlen(name);
    const uint64_t k0 = key[0], k1 = key[1];
    uint64_t       v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                           k1 ^ 0x7465646279746573u};
    size_t         i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint64_t m = wki_load_u((const unsigned char *)name + i, 8);
        v[3] ^= m, mix(v), v[0] ^= m;
    }
    const uint64_t m = wki_load_u((const unsigned char *)name + i, (int)(n - i)) | (uint64_t)n << 56;
    v[3] ^= m, mix(v), v[0] ^= m;
    v[2] ^= 0xff;
    for (int r = 0; r < 3; r++) mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

size_t wki_names_find(const wki_names *t, const char *name)
{
    if (t->slots == 0) return WKI_NO_NAME;
    for (size_t i = hash(t->key, name) & (t->slots - 1); t->slot[i]; i = (i + 1) & (t->slots - 1))
        if (strcmp(t->name[t->slot[i] - 1], name) == 0) return t->slot[i] - 1;
    return WKI_NO_NAME;
}

static void enter(wki_names *t, size_t number)
{
    size_t i = hash(t->key, t->name[number]) & (t->slots - 1);
    while (t->slot[i]) i = (i + 1) & (t->slots - 1);
    t->slot[i] = (uint32_t)number + 1;
}

static bool grow(wki_names *t)
{
    const size_t capacity = t->capacity ? t->capacity * 2 : 32, slots = capacity * 2;
    if (capacity > UINT32_MAX / 2) return false;
    const char **name = wk_resize(t->name, capacity * sizeof *name);
    if (!name) return false;
    t->name = name;
    uint32_t *slot = wk_alloc_zero(slots, sizeof *slot);
    if (!slot) return false;
    wk_free(t->slot);
    t->slot = slot;
    t->slots = slots;
    t->capacity = capacity;
    for (size_t i = 0; i < t->count; i++) enter(t, i);
    return true;
}

bool wki_names_add(wki_names *t, const char *name)
{
    if (t->slots == 0 && getrandom(t->key, sizeof t->key, GRND_NONBLOCK) != sizeof t->key)
        t->key[0] = (uint64_t)(uintptr_t)t,
        t->key[1] = (uint64_t)(uintptr_t)name; /* early boot: the address */
    if (t->count == t->capacity && !grow(t)) return false;
    t->name[t->count] = name;
    enter(t, t->count++);
    return true;
}

void wki_names_free(wki_names *t)
{
    wk_free(t->name);
    wk_free(t->slot);
    *t = (wki_names){0};
}
