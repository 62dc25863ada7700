/* Weight files of every format behind one face: opening, names, tensors. */
#include "files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool wki_file_error(wk_ctx *c, const char *shown, const wki_bytes *b)
{
    wk_fail(c, WK_EFORMAT, "%.220s: %.80s at byte %zu: %s", shown, b->field, b->where, b->why);
    return false;
}

bool wki_no_memory(wk_ctx *c, const char *shown)
{
    wk_fail(c, WK_ENOMEM, "%.300s: out of memory", shown);
    return false;
}

/* list with room for one more of size bytes, moved if it must; NULL: out of memory, list stays. */
static void *room(void *list, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) return list;
    const size_t grown = *capacity ? *capacity * 2 : 16;
    size_t       bytes;
    void        *p = wki_mul_size(grown, size, &bytes) ? wk_resize(list, bytes) : NULL;
    if (p) *capacity = grown;
    return p;
}

bool wki_files_own(wk_ctx *c, wk_files *f, wki_map *m)
{
    wki_map **maps = room(f->maps, f->n_maps, &f->cap_maps, sizeof *maps);
    if (!maps) {
        wki_no_memory(c, wki_map_name(m));
        wki_map_drop(m);
        return false;
    }
    f->maps = maps;
    f->maps[f->n_maps++] = m;
    return true;
}

bool wki_files_enter(wk_ctx *c, wk_files *f, wki_bytes *b, wk_file_tensor about, size_t name_length,
                     wki_map *m, size_t where)
{
    const size_t n = f->tensor_names.count;
    if (name_length == 0 || name_length > WKI_MAX_NAME)
        return wki_reject(b, "tensor name", where, "%zu bytes long, 1 to %d are allowed (tensor %zu)",
                          name_length, WKI_MAX_NAME, n);
    if (!wki_is_printable(about.name, name_length))
        return wki_reject(b, "tensor name", where, "control characters or broken UTF-8 (tensor %zu)", n);
    const char      *name = wki_arena_text(&f->arena, about.name, name_length);
    wki_file_tensor *tensors = room(f->tensors, n, &f->cap_tensors, sizeof *tensors);
    if (tensors) f->tensors = tensors;
    if (!name || !tensors) return wki_no_memory(c, wki_map_name(m));
    const size_t twin = wki_names_find(&f->tensor_names, name);
    if (twin != WKI_NO_NAME) {
        if (f->tensors[twin].map == m)
            return wki_reject(b, "tensor name", where, "\"%.70s\" appears twice", name);
        wk_fail(c, WK_EFORMAT, "%.160s: tensor \"%.80s\" is in %.160s too", wki_map_name(m), name,
                wki_map_name(f->tensors[twin].map));
        return false;
    }
    if (!wki_names_add(&f->tensor_names, name)) return wki_no_memory(c, wki_map_name(m));
    about.name = name;
    f->tensors[n] = (wki_file_tensor){about, m};
    return true;
}

wki_value *wki_files_key(wk_ctx *c, wk_files *f, wki_bytes *b, const char *key, size_t length, size_t where)
{
    const size_t n = f->keys.count;
    if (length == 0 || length > 65535 || !wki_is_printable(key, length)) {
        wki_reject(b, "key", where, "empty, too long, or with control characters (entry %zu)", n);
        return NULL;
    }
    const char *own = wki_arena_text(&f->arena, key, length);
    wki_value  *values = room(f->values, n, &f->cap_values, sizeof *values);
    if (values) f->values = values;
    if (!own || !values) {
        wk_fail(c, WK_ENOMEM, "out of memory for key %.100s", own ? own : "");
        return NULL;
    }
    if (wki_names_find(&f->keys, own) != WKI_NO_NAME) {
        wki_reject(b, "key", where, "\"%.70s\" appears twice", own);
        return NULL;
    }
    if (!wki_names_add(&f->keys, own)) {
        wk_fail(c, WK_ENOMEM, "out of memory for key %.100s", own);
        return NULL;
    }
    f->values[n] = (wki_value){.key = own, .item.type = WKI_NULL};
    return &f->values[n];
}

const wki_value *wki_files_value(const wk_files *f, const char *key)
{
    const size_t i = wki_names_find(&f->keys, key);
    return i == WKI_NO_NAME ? NULL : &f->values[i];
}

/* ---- opening ---- */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

char *wki_path_join(wk_ctx *c, const char *folder, const char *name)
{
    const size_t n = strlen(folder), size = n + strlen(name) + 2;
    char        *p = wk_alloc(size);
    if (!p)
        wki_no_memory(c, name);
    else
        snprintf(p, size, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
    return p;
}

/* The folder part of path, "." where there is none. */
static bool set_folder(wk_ctx *c, wk_files *f, const char *path)
{
    const char  *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) + 1 : 1;
    f->folder = wki_arena_text(&f->arena, slash ? path : ".", n);
    return f->folder || wki_no_memory(c, path);
}

static bool open_file(wk_ctx *c, wk_files *f, const char *path)
{
    wki_map *m = wki_map_open(c, path, 0, NULL);
    if (!m || !wki_files_own(c, f, m)) return false;
    const unsigned char *p = wki_map_data(m);
    const size_t         n = wki_map_size(m);
    if (n >= 4 && memcmp(p, "GGUF", 4) == 0) return wki_gguf_open(c, f, m);
    if (ends_with(path, ".safetensors") || (n >= 9 && p[8] == '{')) {
        memcpy(f->format, "safetensors", 12);
        return set_folder(c, f, path) && wki_safetensors_open(c, f, m, true);
    }
    if (n >= 4 && memcmp(p, "PK\3\4", 4) == 0)
        wk_fail(c, WK_EFORMAT,
                "%.300s: a zip file (PyTorch? NumPy's are for wk_load), not GGUF or safetensors: convert it "
                "first",
                path);
    else if (n < 8)
        wk_fail(c, WK_EFORMAT, "%.300s: header at byte 0: a file of %zu bytes", path, n);
    else
        wk_fail(c, WK_EFORMAT, "%.300s: magic at byte 0: %02x %02x %02x %02x is neither GGUF nor safetensors",
                path, p[0], p[1], p[2], p[3]);
    return false;
}

static bool open_any(wk_ctx *c, wk_files *f, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        f->folder = wki_arena_text(&f->arena, path, strlen(path));
        return f->folder ? wki_folder_open(c, f) : wki_no_memory(c, path);
    }
    if (!ends_with(path, ".index.json")) return open_file(c, f, path);
    const char *slash = strrchr(path, '/');
    return set_folder(c, f, path) && wki_index_open(c, f, slash ? slash + 1 : path);
}

wk_files *wk_files_open(wk_ctx *c, const char *path)
{
    if (wk_ctx_status(c) != WK_OK) return NULL;
    if (!path) {
        wk_fail(c, WK_EARG, "files_open: no path");
        return NULL;
    }
    wk_files *f = wk_alloc_zero(1, sizeof *f);
    if (!f) {
        wki_no_memory(c, path);
        return NULL;
    }
    if (open_any(c, f, path) && wk_ctx_status(c) == WK_OK) return f;
    wk_files_close(f);
    return NULL;
}

void wk_files_close(wk_files *f)
{
    if (!f) return;
    for (size_t i = 0; i < f->n_maps; i++) wki_map_drop(f->maps[i]);
    wk_free(f->maps);
    wk_free(f->tensors);
    wk_free(f->values);
    wki_names_free(&f->tensor_names);
    wki_names_free(&f->keys);
    wki_arena_free(&f->arena);
    wk_free(f);
}

/* ---- tensors ---- */

const char *wk_files_format(const wk_files *f)
{
    return f ? f->format : "";
}

int64_t wk_files_bytes(const wk_files *f)
{
    int64_t n = 0;
    for (size_t i = 0; f && i < f->n_maps; i++) n += (int64_t)wki_map_size(f->maps[i]);
    return n;
}

int64_t wk_files_count(const wk_files *f)
{
    return f ? (int64_t)f->tensor_names.count : 0;
}

wk_file_tensor wk_files_at(const wk_files *f, int64_t i)
{
    if (i < 0 || i >= wk_files_count(f))
        return (wk_file_tensor){.name = "", .dtype = WK_DTYPE_COUNT, .type_name = ""};
    return f->tensors[i].about;
}

/* Own name; then GGUF's for a Hugging Face name; then without the base model's prefix, as checkpoints saved
 * from the bare model have it. */
static size_t find(const wk_files *f, const char *name)
{
    size_t i = wki_names_find(&f->tensor_names, name);
    if (i != WKI_NO_NAME) return i;
    if (f->arch) {
        char own[256];
        for (int row = 0; i == WKI_NO_NAME && wki_gguf_tensor_name(f->arch, name, &row, own, sizeof own);)
            i = wki_names_find(&f->tensor_names, own);
        return i;
    }
    static const char *const prefix[] = {"model.", "transformer."};
    for (size_t k = 0; k < sizeof prefix / sizeof *prefix && i == WKI_NO_NAME; k++)
        if (strncmp(name, prefix[k], strlen(prefix[k])) == 0)
            i = wki_names_find(&f->tensor_names, name + strlen(prefix[k]));
    return i;
}

bool wk_files_has(const wk_files *f, const char *name)
{
    return f && name && find(f, name) != WKI_NO_NAME;
}

wk_tensor wk_files_tensor(wk_ctx *c, const wk_files *f, const char *name)
{
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (!f || !name) {
        wk_fail(c, WK_EARG, "files_tensor: no %s", f ? "name" : "files");
        return WK_NONE;
    }
    const size_t i = find(f, name);
    if (i == WKI_NO_NAME) {
        wk_fail(c, WK_EARG, "%.300s: no tensor \"%.120s\"", f->n_maps ? wki_map_name(f->maps[0]) : "", name);
        return WK_NONE;
    }
    const wk_file_tensor *t = &f->tensors[i].about;
    wki_map              *m = f->tensors[i].map;
    if (t->dtype == WK_DTYPE_COUNT) {
        wk_fail(c, WK_EUNSUPPORTED,
                "%.250s: tensor \"%.120s\" has type %.40s, which wick cannot compute with", wki_map_name(m),
                t->name, t->type_name);
        return WK_NONE;
    }
    if (!wki_map_check(c, m)) return WK_NONE;
    const unsigned char *data = wki_map_data(m) + t->offset;
    /* Kernels may look at whole values, so those of old safetensors files at odd places are copied. */
    const int64_t align = wk_dtype_block(t->dtype) > 1 ? 1 : wk_dtype_bytes(t->dtype);
    if ((uintptr_t)data % (uintptr_t)align != 0) return wk_make(c, data, t->dtype, t->shape);
    wk_tensor x = wk_wrap(c, data, t->dtype, t->shape, wki_map_drop, wki_map_hold(m));
    if (wk_is_none(x)) wki_map_drop(m);
    return x;
}

/* ---- files beside the weights ---- */

char *wk_files_read(wk_ctx *c, const wk_files *f, const char *name, size_t *length)
{
    if (wk_ctx_status(c) != WK_OK || !f || !f->folder) return NULL;
    if (!name || !*name || strchr(name, '/') || name[0] == '.') {
        wk_fail(c, WK_EARG, "files_read: \"%.80s\" is not the name of a file in the folder",
                name ? name : "");
        return NULL;
    }
    bool     missing = false;
    char    *path = wki_path_join(c, f->folder, name);
    wki_map *m = path ? wki_map_open(c, path, WKI_MAP_COPY, &missing) : NULL;
    char    *text = NULL;
    if (m) {
        const size_t n = wki_map_size(m);
        text = wk_alloc(n + 1);
        if (text) {
            if (n) memcpy(text, wki_map_data(m), n);
            text[n] = '\0';
            if (length) *length = n;
        } else {
            wki_no_memory(c, path);
        }
        wki_map_drop(m);
    }
    wk_free(path);
    return text;
}
