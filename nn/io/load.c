/* All tensors of a file at once. */
#include "npz.h"

#include <string.h>
#include <sys/stat.h>

bool wki_loaded_room(wk_ctx *c, wki_loaded *l, size_t n, const char *shown)
{
    l->list = wk_alloc_zero(n + 1, sizeof *l->list);
    return l->list || wki_no_memory(c, shown);
}

static bool load_files(wk_ctx *c, const char *path, wki_loaded *l)
{
    wk_files *f = wk_files_open(c, path);
    if (f && wki_loaded_room(c, l, (size_t)wk_files_count(f), path))
        for (int64_t i = 0; i < wk_files_count(f) && wk_ctx_status(c) == WK_OK; i++) {
            const char *own = wk_files_at(f, i).name, *name = wki_arena_text(&l->names, own, strlen(own));
            if (!name)
                wki_no_memory(c, path);
            else
                l->list[l->n++] = (wk_named){name, wk_files_tensor(c, f, own)};
        }
    wk_files_close(f);
    return wk_ctx_status(c) == WK_OK;
}

/* Entries and their names in one block, which is what the caller frees. */
static wk_named *packed(wk_ctx *c, const wki_loaded *l, const char *path)
{
    size_t bytes = (l->n + 1) * sizeof *l->list;
    for (size_t i = 0; i < l->n; i++) bytes += strlen(l->list[i].name) + 1;
    wk_named *out = wk_alloc(bytes);
    char     *text = out ? (char *)(out + l->n + 1) : NULL;
    if (!out) wki_no_memory(c, path);
    for (size_t i = 0; out && i < l->n; i++) {
        const size_t k = strlen(l->list[i].name) + 1;
        memcpy(text, l->list[i].name, k);
        out[i] = (wk_named){text, l->list[i].x};
        text += k;
    }
    if (out) out[l->n] = (wk_named){NULL, WK_NONE};
    return out;
}

static bool is_zip(const wki_map *m)
{
    const unsigned char *p = wki_map_data(m);
    return wki_map_size(m) >= 4 && p[0] == 'P' && p[1] == 'K' && p[2] <= 7 && p[3] == p[2] + 1;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool ends_npz(const char *path)
{
    const size_t n = strlen(path);
    return n >= 4 && strcmp(path + n - 4, ".npz") == 0;
}

wk_named *wk_load(wk_ctx *c, const char *path, int64_t *n)
{
    wki_loaded l = {0};
    wk_named  *out = NULL;
    if (n) *n = 0;
    if (wk_ctx_status(c) != WK_OK) return NULL;
    if (!path || !n) return wk_fail(c, WK_EARG, "load: no %s", path ? "place for the count" : "path"), NULL;
    const wk_scope s = wk_scope_begin(c);
    const bool     folder = is_folder(path);
    wki_map       *m = folder ? NULL : wki_map_open(c, path, 0, NULL);
    const bool     npz = m && (ends_npz(path) || is_zip(m));
    const bool     fine = npz ? wki_npz_load(c, m, &l) : (folder || m) && load_files(c, path, &l);
    wki_map_drop(m);
    if (fine) out = packed(c, &l, path);
    if (out)
        *n = (int64_t)l.n;
    else
        wk_scope_end(c, s, WK_NONE);
    wk_free(l.list);
    wki_arena_free(&l.names);
    return out;
}
