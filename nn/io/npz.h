/* Lists of named tensors, as wk_load gives them, and .npz files read into one. */
#ifndef WKI_NPZ_H
#define WKI_NPZ_H

#include "npy.h"
#include "zip.h"

typedef struct wki_loaded {
    wk_named *list;
    size_t    n;
    wki_arena names; /* text that the list points to, until it becomes one block */
} wki_loaded;
bool wki_loaded_room(wk_ctx *c, wki_loaded *l, size_t n, const char *shown); /* for n tensors */

bool wki_npz_load(wk_ctx *c, const wki_map *m, wki_loaded *l); /* false after an error */

#endif
