/* Memory that a file's description lives in, and lookup of names. */
#ifndef WKI_TABLE_H
#define WKI_TABLE_H

#include "bytes.h"

/* Blocks that grow and are freed together. */
typedef struct wki_arena {
    struct wki_block *last;
} wki_arena;
void *wki_arena_take(wki_arena *a, size_t bytes); /* zeroed, aligned for anything; NULL: out of memory */
char *wki_arena_text(wki_arena *a, const void *text, size_t n); /* a copy with a NUL; NULL: out of memory */
void  wki_arena_free(wki_arena *a);

/* From names to numbers 0, 1, 2, .. in the order they were added. Names are not copied. Hashed with a
 * random key (SipHash, Aumasson and Bernstein 2012), so that no file can make lookups slow. */
typedef struct wki_names {
    const char **name;
    uint32_t    *slot; /* number + 1; 0: empty */
    size_t       count, capacity, slots;
    uint64_t     key[2];
} wki_names;
#define WKI_NO_NAME SIZE_MAX
size_t wki_names_find(const wki_names *t, const char *name); /* WKI_NO_NAME: absent */
/* Adds a name that is not there yet; false: out of memory. */
bool wki_names_add(wki_names *t, const char *name);
void wki_names_free(wki_names *t);

#endif
