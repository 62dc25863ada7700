/* GGUF files, versions 1 to 3, in one or several parts (the format's specification: ggml, docs/gguf.md). */
#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NESTING 4 /* arrays in arrays */

struct part { /* one file while it is read */
    wk_ctx   *c;
    wk_files *f;
    wki_map  *map;
    wki_bytes b;
    int       version, width; /* width: of counts and lengths */
    bool      first;          /* its metadata are kept */
    uint64_t  tensors, keys, align, split_no, split_count, split_tensors;
};

static const struct row {
    uint32_t    id;
    const char *name;
    wk_dtype    dtype;
    size_t      block, bytes;
} types[] = {
#define WKI_GGUF_TYPE(id, name, dtype, block, bytes) {id, name, dtype, block, bytes},
#include "gguf_types.def"
#undef WKI_GGUF_TYPE
};

static const struct row *find_type(uint32_t id)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].id == id) return &types[i];
    return NULL;
}

static const char *text(struct part *p, size_t *n, const char *field)
{
    const size_t   where = wki_offset(&p->b);
    const uint64_t length = wki_take_u(&p->b, p->width, field);
    if (length > wki_left(&p->b)) {
        wki_reject(&p->b, field, where, "says %llu bytes, %zu are left", (unsigned long long)length,
                   wki_left(&p->b));
        return NULL;
    }
    *n = (size_t)length;
    return (const char *)wki_take(&p->b, *n, field);
}

static int scalar_size(enum wki_type t)
{
    static const int size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return size[t];
}

static bool read_scalar(struct part *p, enum wki_type t, wki_item *x)
{
    const size_t         where = wki_offset(&p->b);
    const int            n = scalar_size(t);
    const unsigned char *at = wki_take(&p->b, (size_t)n, "metadata value");
    if (!at) return false;
    *x = (wki_item){.type = t};
    if (t == WKI_F32)
        x->v.f = wki_load_f32(at);
    else if (t == WKI_F64)
        x->v.f = wki_load_f64(at);
    else
        x->v.u = wki_load_u(at, n);
    const bool sign = t == WKI_I8 || t == WKI_I16 || t == WKI_I32;
    if (sign && x->v.u >> (8 * n - 1)) x->v.u |= ~UINT64_C(0) << (8 * n);
    if (t == WKI_BOOL && x->v.u > 1)
        return wki_reject(&p->b, "metadata value", where, "a bool is 0 or 1, not %u", (unsigned)x->v.u);
    return true;
}

static bool read_type(struct part *p, enum wki_type *t, const char *field)
{
    const size_t   where = wki_offset(&p->b);
    const uint64_t v = wki_take_u(&p->b, 4, field);
    if (wki_bad(&p->b)) return false;
    if (v >= WKI_TYPE_COUNT)
        return wki_reject(&p->b, field, where, "unknown value type %llu", (unsigned long long)v);
    *t = (enum wki_type)v;
    return true;
}

/* Walks an array of strings; marks (may be NULL) receives every WKI_EACH-th offset. */
static bool walk_strings(struct part *p, size_t count, size_t *marks)
{
    const unsigned char *start = p->b.at;
    for (size_t i = 0; i < count; i++) {
        size_t n;
        if (marks && i % WKI_EACH == 0) marks[i / WKI_EACH] = (size_t)(p->b.at - start);
        if (!text(p, &n, "string of an array")) return false;
    }
    return true;
}

/* Checks an array and goes past it. At the top (depth 0) v is filled. */
static bool walk_array(struct part *p, int depth, wki_value *v)
{
    static const char field[] = "metadata array";
    enum wki_type     t = WKI_U8;
    size_t            bytes;
    if (!read_type(p, &t, field)) return false;
    const uint64_t count = wki_take_u(&p->b, p->width, field);
    const size_t   least = t == WKI_STRING  ? (size_t)p->width
                           : t == WKI_ARRAY ? 4 + (size_t)p->width
                                            : (size_t)scalar_size(t);
    if (!wki_may_hold(&p->b, count, least, field)) return false;
    const size_t n = (size_t)count;
    size_t      *marks = NULL;
    if (v) {
        *v = (wki_value){
            .key = v->key, .item = {.type = WKI_ARRAY, .length = n}, .item_type = t, .data = p->b.at};
        if (t == WKI_STRING && !(marks = wki_arena_take(&p->f->arena, (n / WKI_EACH + 1) * sizeof *marks)))
            return wki_no_memory(p->c, wki_map_name(p->map));
        v->step = marks;
    }
    if (t == WKI_STRING) {
        if (!walk_strings(p, n, marks)) return false;
    } else if (t == WKI_ARRAY) {
        if (depth >= MAX_NESTING)
            return wki_reject(&p->b, field, wki_offset(&p->b), "nested deeper than %d", MAX_NESTING);
        for (size_t i = 0; i < n; i++)
            if (!walk_array(p, depth + 1, NULL)) return false;
    } else {
        const unsigned char *at = wki_mul_size(n, least, &bytes) ? wki_take(&p->b, bytes, field) : NULL;
        for (size_t i = 0; at && t == WKI_BOOL && i < n; i++)
            if (at[i] > 1) return wki_reject(&p->b, field, (size_t)(at + i - p->b.start), "a bool is 0 or 1");
    }
    if (v) v->data_end = p->b.at;
    return !wki_bad(&p->b);
}

/* The few keys that say how the file itself is made. */
static bool note_layout(struct part *p, const char *key, size_t n, const wki_item *x, size_t where)
{
    static const struct {
        const char   *key;
        enum wki_type type;
        size_t        at;
    } rows[] = {{"general.alignment", WKI_U32, offsetof(struct part, align)},
                {"split.no", WKI_U16, offsetof(struct part, split_no)},
                {"split.count", WKI_U16, offsetof(struct part, split_count)},
                {"split.tensors.count", WKI_I32, offsetof(struct part, split_tensors)}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strlen(rows[i].key) != n || memcmp(rows[i].key, key, n) != 0) continue;
        if (x->type != rows[i].type)
            return wki_reject(&p->b, rows[i].key, where, "its value has the wrong type");
        memcpy((char *)p + rows[i].at, &x->v.u, sizeof x->v.u);
    }
    const bool power = p->align && (p->align & (p->align - 1)) == 0;
    return (power && p->align <= 1u << 20) ||
           wki_reject(&p->b, "general.alignment", where, "%llu is not a power of two up to 2^20",
                      (unsigned long long)p->align);
}

static bool read_pair(struct part *p)
{
    const size_t  where = wki_offset(&p->b);
    size_t        n = 0, length = 0;
    enum wki_type t = WKI_U8;
    wki_item      x = {.type = WKI_NULL};
    const char   *key = text(p, &n, "metadata key");
    if (!key || !read_type(p, &t, "metadata type")) return false;
    wki_value *v = p->first ? wki_files_key(p->c, p->f, &p->b, key, n, where) : NULL;
    if (p->first && !v) return false;
    if (t == WKI_ARRAY)
        return walk_array(p, 0, v) && note_layout(p, key, n, &(wki_item){.type = WKI_ARRAY}, where);
    if (t == WKI_STRING) {
        const char *s = text(p, &length, "metadata string");
        if (!s) return false;
        x = (wki_item){.type = WKI_STRING, .length = length};
        if (v && !(x.v.s = wki_arena_text(&p->f->arena, s, length)))
            return wki_no_memory(p->c, wki_map_name(p->map));
    } else if (!read_scalar(p, t, &x)) {
        return false;
    }
    if (v) v->item = x;
    return note_layout(p, key, n, &x, where);
}

static bool read_header(struct part *p)
{
    (void)wki_take(&p->b, 4, "magic");
    const uint32_t version = (uint32_t)wki_take_u(&p->b, 4, "version");
    if (wki_bad(&p->b)) return false;
    if (version & 0xffff0000u && !(version & 0xffff))
        return wki_reject(&p->b, "version", 4, "a big-endian file; wick reads little-endian ones");
    if (version < 1 || version > 3) return wki_reject(&p->b, "version", 4, "%u is not 1, 2 or 3", version);
    p->version = (int)version;
    p->width = version == 1 ? 4 : 8;
    p->tensors = wki_take_u(&p->b, p->width, "tensor count");
    p->keys = wki_take_u(&p->b, p->width, "metadata count");
    const size_t w = (size_t)p->width;
    return wki_may_hold(&p->b, p->tensors, w + 16, "tensor count") &&
           wki_may_hold(&p->b, p->keys, w + 5, "metadata count");
}

static bool read_tensor(struct part *p)
{
    static const char field[] = "tensor shape";
    const size_t      where = wki_offset(&p->b);
    size_t            n = 0, values = 0, bytes = 0;
    wk_file_tensor    t = {.name = text(p, &n, "tensor name")};
    const uint64_t    ndim = wki_take_u(&p->b, 4, field);
    if (wki_bad(&p->b)) return false;
    if (ndim > WK_MAX_DIMS)
        return wki_reject(&p->b, field, where, "%llu dims, at most %d are allowed", (unsigned long long)ndim,
                          WK_MAX_DIMS);
    t.shape.ndim = (int)ndim;
    for (int i = (int)ndim - 1; i >= 0; i--) {
        const uint64_t d = wki_take_u(&p->b, p->width, field);
        if (d > INT64_MAX) return wki_reject(&p->b, field, where, "size %llu", (unsigned long long)d);
        t.shape.dim[i] = (int64_t)d;
    }
    const uint32_t id = (uint32_t)wki_take_u(&p->b, 4, "tensor type");
    const uint64_t offset = wki_take_u(&p->b, 8, "tensor offset");
    if (wki_bad(&p->b)) return false;
    const struct row *row = find_type(id);
    if (!wki_tensor_size(t.shape, row ? row->block : 1, row ? row->bytes : 0, &values, &bytes))
        return wki_reject(&p->b, field, where, "too many values, or rows that are not whole blocks");
    if (offset % p->align != 0 || offset > INT64_MAX)
        return wki_reject(&p->b, "tensor offset", where, "%llu is not a multiple of %llu",
                          (unsigned long long)offset, (unsigned long long)p->align);
    t.dtype = row ? row->dtype : WK_DTYPE_COUNT;
    t.type_name = row ? row->name : NULL;
    if (!row) {
        char      name[32];
        const int k = snprintf(name, sizeof name, "gguf type %u", id);
        t.type_name = wki_arena_text(&p->f->arena, name, (size_t)k);
        if (!t.type_name) return wki_no_memory(p->c, wki_map_name(p->map));
    }
    t.offset = (int64_t)offset;
    t.bytes = (int64_t)bytes;
    return wki_files_enter(p->c, p->f, &p->b, t, n, p->map, where);
}

struct extent {
    int64_t from, to;
    size_t  tensor;
};

static int by_offset(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return (x->to > y->to) - (x->to < y->to);
}

/* Makes offsets count from the file's start. Tensors from number `from` on must lie in the file, apart. */
static bool place(struct part *p, size_t from)
{
    wk_files    *f = p->f;
    const size_t n = f->tensor_names.count - from;
    if (n == 0) return true;
    const size_t here = wki_offset(&p->b),
                 data = (here + (size_t)p->align - 1) / (size_t)p->align * (size_t)p->align;
    const size_t size = wki_map_size(p->map);
    if (data > size) return wki_reject(&p->b, "tensor data", here, "the file ends before its tensors begin");
    struct extent *e = wk_alloc_zero(n, sizeof *e);
    if (!e) return wki_no_memory(p->c, wki_map_name(p->map));
    bool fine = true, sorted = true;
    for (size_t i = 0; i < n && fine; i++) {
        wk_file_tensor *t = &f->tensors[from + i].about;
        const uint64_t  room = size - data, at = (uint64_t)t->offset;
        if (at > room || (uint64_t)t->bytes > room - at)
            fine =
                wki_reject(&p->b, "tensor data", data, "\"%.40s\": offset %llu, %llu bytes: beyond the file",
                           t->name, (unsigned long long)at, (unsigned long long)t->bytes);
        t->offset += fine ? (int64_t)data : 0;
        e[i] = (struct extent){t->offset, t->offset + t->bytes, from + i};
        sorted &= i == 0 || by_offset(&e[i - 1], &e[i]) <= 0;
    }
    if (fine && !sorted) qsort(e, n, sizeof *e, by_offset);
    int64_t end = 0;
    for (size_t i = 0; i < n && fine; i++) {
        if (e[i].to == e[i].from) continue;
        if (e[i].from < end)
            fine = wki_reject(&p->b, "tensor data", (size_t)e[i].from, "\"%.60s\" overlaps another tensor",
                              f->tensors[e[i].tensor].about.name);
        end = e[i].to;
    }
    wk_free(e);
    return fine;
}

static bool read_part(struct part *p)
{
    const size_t from = p->f->tensor_names.count;
    p->b = wki_bytes_of(wki_map_data(p->map), wki_map_size(p->map));
    p->align = 32;
    bool fine = read_header(p);
    for (uint64_t i = 0; i < p->keys && fine; i++) fine = read_pair(p);
    for (uint64_t i = 0; i < p->tensors && fine; i++) fine = read_tensor(p);
    fine = fine && place(p, from);
    if (wki_bad(&p->b)) wki_file_error(p->c, wki_map_name(p->map), &p->b);
    return fine;
}

/* Opens part number of the file whose first part is named "...-00001-of-0000N.gguf". */
static bool read_other(const struct part *first, uint64_t number)
{
    wk_ctx      *c = first->c;
    const char  *shown = wki_map_name(first->map);
    char         end[40];
    const size_t k = (size_t)snprintf(end, sizeof end, "-00001-of-%05u.gguf", (unsigned)first->split_count);
    const size_t n = strlen(shown);
    if (n < k || strcmp(shown + n - k, end) != 0) {
        wk_fail(c, WK_EFORMAT, "%.300s: split.count: %u parts, but the name does not end in %s", shown,
                (unsigned)first->split_count, end);
        return false;
    }
    char *path = wk_alloc(n + 1);
    if (!path) return wki_no_memory(c, shown);
    snprintf(end, sizeof end, "-%05u-of-%05u.gguf", (unsigned)number + 1, (unsigned)first->split_count);
    memcpy(path, shown, n - k);
    memcpy(path + n - k, end, k + 1);
    wki_map *m = wki_map_open(c, path, 0, NULL);
    wk_free(path);
    if (!m || !wki_files_own(c, first->f, m)) return false;
    struct part p = {.c = c, .f = first->f, .map = m, .split_no = UINT64_MAX};
    if (wki_map_size(m) < 4 || memcmp(wki_map_data(m), "GGUF", 4) != 0) {
        wk_fail(c, WK_EFORMAT, "%.300s: magic at byte 0: not GGUF", wki_map_name(m));
        return false;
    }
    if (!read_part(&p)) return false;
    if (p.split_no == number && p.split_count == first->split_count) return true;
    wk_fail(c, WK_EFORMAT, "%.300s: split.no, split.count: not part %u of %u", wki_map_name(m),
            (unsigned)number + 1, (unsigned)first->split_count);
    return false;
}

bool wki_gguf_open(wk_ctx *c, wk_files *f, wki_map *m)
{
    struct part p = {.c = c, .f = f, .map = m, .first = true, .split_tensors = UINT64_MAX};
    if (!read_part(&p)) return false;
    f->version = p.version;
    snprintf(f->format, sizeof f->format, "gguf v%d", p.version);
    const wki_value *arch = wki_files_value(f, "general.architecture");
    f->arch = arch && arch->item.type == WKI_STRING ? arch->item.v.s : "";
    if (p.split_no != 0) {
        wk_fail(c, WK_EFORMAT, "%.300s: split.no: part %llu of %llu; open the first part", wki_map_name(m),
                (unsigned long long)p.split_no + 1, (unsigned long long)p.split_count);
        return false;
    }
    for (uint64_t i = 1; i < p.split_count; i++)
        if (!read_other(&p, i)) return false;
    if (p.split_count > 1 && p.split_tensors != UINT64_MAX && p.split_tensors != f->tensor_names.count) {
        wk_fail(c, WK_EFORMAT, "%.300s: split.tensors.count: says %llu, the parts have %zu", wki_map_name(m),
                (unsigned long long)p.split_tensors, f->tensor_names.count);
        return false;
    }
    return true;
}
