/* Parameters: a place among the weights, and the list of those that were asked for. */
#include "layers.h"
#include "io/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct entry {
    wk_tensor   x;
    wk_tensor **fields; /* layer fields that hold it */
    size_t      n_fields, cap_fields;
    bool        buffer; /* written by its layer, not by a trainer */
};

struct wk_param_list {
    wk_ctx       *c;
    wki_arena     arena;
    wki_names     names;
    struct entry *entries; /* as many as names */
    size_t        cap;
};

wk_params wk_params_from(wk_ctx *c, const wk_files *f, wk_param_list *list)
{
    if (!f) wk_fail(c, WK_EARG, "params_from: no files");
    return (wk_params){.c = c, .files = f, .list = list, .dtype = WK_f32};
}

wk_params wk_params_new(wk_ctx *c, wk_dtype t, wk_param_list *list)
{
    return (wk_params){.c = c, .list = list, .dtype = t};
}

wk_params wk_at(wk_params p, const char *format, ...)
{
    const size_t used = strlen(p.path), dot = used > 0;
    va_list      args;
    if (used + dot >= sizeof p.path) {
        wk_fail(p.c, WK_EARG, "at: \"%s\" is too long a path", p.path);
        return p;
    }
    if (dot) p.path[used] = '.';
    va_start(args, format);
    const int n = vsnprintf(p.path + used + dot, sizeof p.path - used - dot, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof p.path - used - dot)
        wk_fail(p.c, WK_EARG, "at: \"%s\" is too long a path", p.path);
    if (n == 0) p.path[used] = '\0';
    return p;
}

#define MAX_PATH 400
static bool full_name(wk_params p, const char *name, char *out)
{
    const int n = snprintf(out, MAX_PATH, "%s%s%s", p.path, p.path[0] && name[0] ? "." : "", name);
    if (n >= 0 && n < MAX_PATH) return true;
    wk_fail(p.c, WK_EARG, "param: \"%s\" is too long a name", out);
    return false;
}

static const char *shape_text(wk_shape s, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < s.ndim && i < WK_MAX_DIMS && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? ", " : "", (long long)s.dim[i]);
    if (n < size) snprintf(out + n, size - n, "]");
    return out;
}

static bool same_shape(wk_tensor x, wk_shape s)
{
    if (x->ndim != s.ndim) return false;
    for (int i = 0; i < s.ndim; i++)
        if (x->shape[i] != s.dim[i]) return false;
    return true;
}

/* x, or an error naming both shapes. */
static wk_tensor checked(wk_params p, const char *name, wk_tensor x, wk_shape shape)
{
    char want[200], got[200];
    if (wk_is_none(x) || same_shape(x, shape)) return x;
    wk_shape has = {.ndim = x->ndim};
    memcpy(has.dim, x->shape, sizeof has.dim);
    wk_fail(p.c, WK_ESHAPE, "%.150s: the file has %.100s, the model needs %.100s", name,
            shape_text(has, got, sizeof got), shape_text(shape, want, sizeof want));
    return WK_NONE;
}

static bool enter(wk_param_list *l, const char *name, wk_tensor x, bool buffer)
{
    const size_t n = l->names.count;
    if (n == l->cap) {
        const size_t  cap = l->cap ? l->cap * 2 : 64;
        struct entry *grown = wk_resize(l->entries, cap * sizeof *grown);
        if (!grown) return false;
        l->entries = grown;
        l->cap = cap;
    }
    const char *own = wki_arena_text(&l->arena, name, strlen(name));
    if (!own || !wki_names_add(&l->names, own)) return false;
    l->entries[n] = (struct entry){.x = x, .buffer = buffer};
    return true;
}

/* The parameter that already has this name; WK_NONE: there is none. */
static wk_tensor known(wk_params p, const char *full, wk_shape shape)
{
    const size_t i = p.list ? wki_names_find(&p.list->names, full) : WKI_NO_NAME;
    return i == WKI_NO_NAME ? WK_NONE : checked(p, full, p.list->entries[i].x, shape); /* of two layers */
}

static wk_tensor entered(wk_params p, const char *full, wk_tensor x, bool buffer)
{
    if (wk_is_none(x) || !p.list || enter(p.list, full, x, buffer)) return x;
    wk_fail(p.c, WK_ENOMEM, "out of memory: list of parameters");
    return WK_NONE;
}

wk_tensor wk_param_as(wk_params p, const char *name, wk_shape shape, wk_init init)
{
    char full[MAX_PATH];
    if (wk_ctx_status(p.c) != WK_OK || !full_name(p, name, full)) return WK_NONE;
    wk_tensor x = known(p, full, shape);
    if (!wk_is_none(x) || wk_ctx_status(p.c) != WK_OK) return x;
    x = p.files ? wk_files_tensor(p.c, p.files, full) : wk_initial(p.c, p.dtype, shape, init);
    return entered(p, full, checked(p, full, x, shape), false);
}

wk_tensor wki_param_made(wk_params p, const char *name, wk_tensor x)
{
    char full[MAX_PATH];
    return wk_ctx_status(p.c) == WK_OK && full_name(p, name, full) ? entered(p, full, x, false) : WK_NONE;
}

wk_tensor wk_param(wk_params p, const char *name, wk_shape shape, double init)
{
    const wk_init normal = {.kind = WK_INIT_NORMAL, .b = init};
    const wk_init full = {.kind = WK_INIT_FULL, .a = init < 0 ? 1 : 0};
    return wk_param_as(p, name, shape, init > 0 ? normal : full);
}

wk_tensor wk_buffer(wk_params p, const char *name, wk_dtype t, wk_shape shape, double value)
{
    char full[MAX_PATH];
    if (wk_ctx_status(p.c) != WK_OK || !full_name(p, name, full)) return WK_NONE;
    wk_tensor x = known(p, full, shape);
    if (!wk_is_none(x) || wk_ctx_status(p.c) != WK_OK) return x;
    if (p.files)
        x = wk_clone(p.c, wk_cast(p.c, checked(p, full, wk_files_tensor(p.c, p.files, full), shape), t));
    else
        x = wk_full(p.c, value, t, shape);
    return entered(p, full, x, true);
}

bool wk_param_there(wk_params p, const char *name)
{
    char full[MAX_PATH];
    if (!p.files) return true;
    return wk_ctx_status(p.c) == WK_OK && full_name(p, name, full) && wk_files_has(p.files, full);
}

/* ---- the list ---- */

wk_param_list *wk_param_list_new(wk_ctx *c)
{
    if (wk_ctx_status(c) != WK_OK) return NULL;
    wk_param_list *l = wk_alloc_zero(1, sizeof *l);
    if (l)
        l->c = c;
    else
        wk_fail(c, WK_ENOMEM, "out of memory: list of parameters");
    return l;
}

void wk_param_list_free(wk_param_list *l)
{
    if (!l) return;
    for (size_t i = 0; i < l->names.count; i++) wk_free(l->entries[i].fields);
    wk_free(l->entries);
    wki_names_free(&l->names);
    wki_arena_free(&l->arena);
    wk_free(l);
}

int64_t wk_param_list_count(const wk_param_list *l)
{
    return l ? (int64_t)l->names.count : 0;
}

static struct entry *at(const wk_param_list *l, int64_t i)
{
    return i >= 0 && i < wk_param_list_count(l) ? &l->entries[i] : NULL;
}

const char *wk_param_list_name(const wk_param_list *l, int64_t i)
{
    return at(l, i) ? l->names.name[i] : "";
}

wk_tensor wk_param_list_tensor(const wk_param_list *l, int64_t i)
{
    const struct entry *e = at(l, i);
    return e ? e->x : WK_NONE;
}

bool wk_param_list_learns(const wk_param_list *l, int64_t i)
{
    const struct entry *e = at(l, i);
    return e && !e->buffer;
}

void wk_param_list_bind(wk_param_list *l, int64_t i, wk_tensor *field)
{
    struct entry *e = at(l, i);
    if (!l) return;
    if (!e || !field) {
        wk_fail(l->c, WK_EINDEX, "param_list_bind: no parameter %lld", (long long)i);
        return;
    }
    if (e->n_fields == e->cap_fields) {
        const size_t cap = e->cap_fields ? e->cap_fields * 2 : 2;
        wk_tensor  **grown = wk_resize(e->fields, cap * sizeof *grown);
        if (!grown) {
            wk_fail(l->c, WK_ENOMEM, "out of memory: fields of a parameter");
            return;
        }
        e->fields = grown;
        e->cap_fields = cap;
    }
    e->fields[e->n_fields++] = field;
}

void wk_param_list_set(wk_param_list *l, int64_t i, wk_tensor x)
{
    struct entry *e = at(l, i);
    if (!l) return;
    if (!e || wk_is_none(x)) {
        wk_fail(l->c, WK_EINDEX, "param_list_set: no parameter %lld, or no tensor", (long long)i);
        return;
    }
    e->x = x;
    for (size_t k = 0; k < e->n_fields; k++) *e->fields[k] = x;
}

void wk_bind(wk_param_list *l, void *layer, size_t size)
{
    char *bytes = layer;
    for (size_t at_byte = 0; l && at_byte + sizeof(wk_tensor) <= size; at_byte += sizeof(wk_tensor)) {
        wk_tensor x;
        memcpy(&x, bytes + at_byte, sizeof x);
        for (int64_t i = 0; i < wk_param_list_count(l); i++)
            if (x && x == l->entries[i].x) wk_param_list_bind(l, i, (wk_tensor *)(void *)(bytes + at_byte));
    }
}
