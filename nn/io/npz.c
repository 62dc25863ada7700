/* NumPy's .npz: a zip archive whose entries are .npy arrays. */
#include "npz.h"

#include <stdio.h>
#include <string.h>

static const char extension[] = ".npy";

/* The entry's name without .npy, as text of its own. */
static char *name_of(wk_ctx *c, const wki_map *m, wki_zip *z, const wki_zip_entry *e, wki_arena *a)
{
    const size_t n = e->name_length, k = sizeof extension - 1, where = z->next;
    if (n <= k || memcmp(e->name + n - k, extension, k) != 0)
        return wki_reject(&z->b, "zip entry", where, "is no .npy array"), NULL;
    if (n - k > WKI_MAX_NAME || !wki_is_printable(e->name, n - k))
        return wki_reject(&z->b, "zip entry", where, "its name is too long, or not printable UTF-8"), NULL;
    char *name = wki_arena_text(a, e->name, n - k);
    if (!name) wki_no_memory(c, wki_map_name(m));
    return name;
}

static wk_tensor read_entry(wk_ctx *c, const wki_map *m, wki_zip *z, const wki_zip_entry *e)
{
    const int64_t  limit = wk_memory_stats(c).limit;
    wk_tensor      x = WK_NONE;
    unsigned char *values;
    if (limit && e->size > (uint64_t)limit) {
        wk_fail(c, WK_ELIMIT, "%.200s: an array of %zu bytes, the limit is %lld", wki_map_name(m), e->size,
                (long long)limit);
        return x;
    }
    values = wk_alloc(e->size);
    if (!values) return wki_no_memory(c, wki_map_name(m)), x;
    if (wki_zip_read(c, z, e, values)) {
        wki_bytes b = wki_bytes_of(values, e->size);
        x = wki_npy_read(c, &b);
        if (wki_bad(&b))
            wki_reject(&z->b, b.field, (size_t)(e->data - z->b.start), "%.90s (byte %zu of the array)", b.why,
                       b.where);
    }
    wk_free(values);
    return x;
}

bool wki_npz_load(wk_ctx *c, const wki_map *m, wki_loaded *l)
{
    wki_zip       z;
    wki_zip_entry e;
    wki_names     seen = {0};
    if (wki_zip_open(&z, wki_map_data(m), wki_map_size(m)) && wki_loaded_room(c, l, z.count, wki_map_name(m)))
        while (wki_zip_next(&z, &e)) {
            const char *name = name_of(c, m, &z, &e, &l->names);
            if (!name) break;
            if (wki_names_find(&seen, name) != WKI_NO_NAME) {
                wki_reject(&z.b, "zip entry", z.next, "\"%.70s\" appears twice", name);
                break;
            }
            if (!wki_names_add(&seen, name)) {
                wki_no_memory(c, wki_map_name(m));
                break;
            }
            const wk_tensor x = read_entry(c, m, &z, &e);
            if (wk_is_none(x)) break;
            l->list[l->n++] = (wk_named){name, x};
        }
    wki_names_free(&seen);
    if (wki_bad(&z.b)) wki_file_error(c, wki_map_name(m), &z.b);
    return wk_ctx_status(c) == WK_OK;
}

static bool add(wki_zip_writer *z, const char *name, wk_tensor x, bool deflate)
{
    char         head[WKI_NPY_HEADER], entry[WKI_MAX_NAME + sizeof extension];
    wk_ctx      *c = z->s->c;
    const size_t n = wki_npy_header(c, x, head), bytes = (size_t)wk_bytes(x);
    if (n == 0) return false;
    void *values = wk_alloc(bytes);
    if (!values) return wki_no_memory(c, z->s->path);
    snprintf(entry, sizeof entry, "%s%s", name, extension);
    const bool fine =
        wk_read(c, x, values) == WK_OK && wki_zip_add(z, entry, head, n, values, bytes, deflate);
    wk_free(values);
    return fine;
}

wk_status wk_save_npz(wk_ctx *c, const char *path, int64_t n, const char *const *names, const wk_tensor *x,
                      bool deflate)
{
    if (wk_ctx_status(c) != WK_OK) return wk_ctx_status(c);
    if (!path || n < 0 || (n > 0 && (!names || !x)))
        return wk_fail(c, WK_EARG, "save_npz: no path or no tensors");
    if (!wki_save_check(c, path, n, names, x)) return wk_ctx_status(c);
    wki_save       s;
    wki_zip_writer z = {.s = &s};
    bool           fine = wki_save_begin(&s, c, path);
    for (int64_t i = 0; i < n && fine; i++) fine = add(&z, names[i], x[i], deflate);
    fine = wki_zip_finish(&z, fine);
    return wki_save_end(&s, fine);
}
