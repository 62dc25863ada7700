/* safetensors files (format: huggingface/safetensors, README "Format"). */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 100000000

static const struct row {
    const char *name;
    wk_dtype    dtype;
    size_t      bits;
} types[] = {
    {"BOOL", WK_bool, 8},
    {"U8", WK_u8, 8},
    {"I8", WK_i8, 8},
    {"I16", WK_i16, 16},
    {"I32", WK_i32, 32},
    {"I64", WK_i64, 64},
    {"U32", WK_u32, 32},
    {"F16", WK_f16, 16},
    {"BF16", WK_bf16, 16},
    {"F32", WK_f32, 32},
    {"F64", WK_f64, 64},
    {"F8_E4M3", WK_f8e4m3, 8},
    {"F8_E5M2", WK_f8e5m2, 8},
    {"U16", WK_DTYPE_COUNT, 16},
    {"U64", WK_DTYPE_COUNT, 64},
    {"F8_E8M0", WK_DTYPE_COUNT, 8},
    {"F4", WK_DTYPE_COUNT, 4},
    {"F6_E2M3", WK_DTYPE_COUNT, 6},
    {"F6_E3M2", WK_DTYPE_COUNT, 6},
    {"C64", WK_DTYPE_COUNT, 64},
};

static bool read_shape(wki_json *j, wk_shape *s)
{
    static const char field[] = "shape";
    bool              first = true;
    wki_item          x;
    if (!wki_json_open(j, '[', field)) return false;
    while (wki_json_more(j, ']', &first, field)) {
        const size_t where = wki_offset(&j->b);
        if (!wki_json_number(j, &x, field)) return false;
        if (x.type != WKI_I64 || x.v.i < 0)
            return wki_reject(&j->b, field, where, "a size is a whole number");
        if (s->ndim == WK_MAX_DIMS) return wki_reject(&j->b, field, where, "more than %d dims", WK_MAX_DIMS);
        s->dim[s->ndim++] = x.v.i;
    }
    return !wki_bad(&j->b);
}

static bool read_offsets(wki_json *j, int64_t range[2])
{
    static const char field[] = "data_offsets";
    bool              first = true;
    int               n = 0;
    wki_item          x;
    if (!wki_json_open(j, '[', field)) return false;
    while (wki_json_more(j, ']', &first, field)) {
        const size_t where = wki_offset(&j->b);
        if (!wki_json_number(j, &x, field)) return false;
        if (x.type != WKI_I64 || x.v.i < 0 || n == 2)
            return wki_reject(&j->b, field, where, "two whole numbers should be here");
        range[n++] = x.v.i;
    }
    if (wki_bad(&j->b)) return false;
    return (n == 2 && range[0] <= range[1]) ||
           wki_reject(&j->b, field, wki_offset(&j->b), "two whole numbers in order should be here");
}

/* bits per value by the dtype's name; a type nobody knows keeps its name and has 0. */
static bool read_dtype(wk_files *f, wki_json *j, wk_file_tensor *t, size_t *bits)
{
    char     name[32], shown[128];
    wki_span s;
    if (!wki_json_string(j, &s, "dtype")) return false;
    if (!wki_span_short(&s, name, sizeof name))
        return wki_reject(&j->b, "dtype", wki_offset(&j->b), "a name of %zu bytes", s.length);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, name) != 0) continue;
        t->dtype = types[i].dtype;
        t->type_name = types[i].name;
        *bits = types[i].bits;
        return true;
    }
    t->dtype = WK_DTYPE_COUNT;
    *bits = 0;
    const size_t n = wki_escape(shown, sizeof shown, name, strlen(name));
    t->type_name = wki_arena_text(&f->arena, shown, n);
    return t->type_name != NULL;
}

/* {"dtype": .., "shape": .., "data_offsets": ..} */
static bool read_info(wk_ctx *c, wk_files *f, wki_json *j, wk_file_tensor *t, const wki_map *m)
{
    static const char field[] = "tensor description";
    const size_t      where = wki_offset(&j->b);
    bool              first = true, seen[3] = {false};
    size_t            bits = 0, values = 0, bytes = 0;
    int64_t           range[2] = {0, 0};
    wki_span          s;
    if (!wki_json_open(j, '{', field)) return false;
    while (wki_json_more(j, '}', &first, field)) {
        char         key[32];
        const size_t at = wki_offset(&j->b);
        if (!wki_json_key(j, &s, field)) return false;
        if (!wki_span_short(&s, key, sizeof key)) key[0] = '\0';
        const int which = strcmp(key, "dtype") == 0          ? 0
                          : strcmp(key, "shape") == 0        ? 1
                          : strcmp(key, "data_offsets") == 0 ? 2
                                                             : -1;
        if (which >= 0 && seen[which]) return wki_reject(&j->b, field, at, "\"%s\" appears twice", key);
        if (which >= 0) seen[which] = true;
        const bool fine = which == 0   ? read_dtype(f, j, t, &bits)
                          : which == 1 ? read_shape(j, &t->shape)
                          : which == 2 ? read_offsets(j, range)
                                       : wki_json_skip(j, field);
        if (!fine) return wki_bad(&j->b) ? false : wki_no_memory(c, wki_map_name(m));
    }
    if (wki_bad(&j->b)) return false;
    if (!seen[0] || !seen[1] || !seen[2])
        return wki_reject(&j->b, field, where, "dtype, shape or data_offsets is missing");
    t->offset = range[0];
    t->bytes = range[1] - range[0];
    if (!wki_tensor_size(t->shape, 1, bits ? bits : 1, &values, &bytes))
        return wki_reject(&j->b, "shape", where, "too many values");
    if (bits && (bytes % 8 != 0 || bytes / 8 != (size_t)t->bytes))
        return wki_reject(&j->b, "data_offsets", where, "%lld bytes, but shape and dtype need %zu",
                          (long long)t->bytes, bytes / 8);
    return true;
}

static bool read_metadata(wk_ctx *c, wk_files *f, wki_json *j, bool keep, const wki_map *m)
{
    static const char field[] = "__metadata__";
    bool              first = true;
    wki_span          s, text;
    if (!wki_json_open(j, '{', field)) return false;
    while (wki_json_more(j, '}', &first, field)) {
        const size_t where = wki_offset(&j->b);
        size_t       n = 0, length = 0;
        if (!wki_json_key(j, &s, field) || !wki_json_string(j, &text, field)) return false;
        if (!keep) continue;
        char *key = wki_arena_take(&f->arena, sizeof field + s.length + 1);
        char *plain = wki_span_text(&f->arena, &s, &n);
        char *value = wki_span_text(&f->arena, &text, &length);
        if (!key || !plain || !value) return wki_no_memory(c, wki_map_name(m));
        const int head = snprintf(key, sizeof field + 1, "%s.", field);
        memcpy(key + head, plain, n);
        wki_value *v = wki_files_key(c, f, &j->b, key, (size_t)head + n, where);
        if (!v) return false;
        v->item = (wki_item){.type = WKI_STRING, .length = length, .v.s = value};
    }
    return !wki_bad(&j->b);
}

static bool read_header(wk_ctx *c, wk_files *f, wki_json *j, wki_map *m, bool metadata)
{
    static const char field[] = "header";
    bool              first = true, seen = false;
    wki_span          s;
    if (!wki_json_open(j, '{', field)) return false;
    while (wki_json_more(j, '}', &first, field)) {
        const size_t where = wki_offset(&j->b);
        char         name[WKI_MAX_NAME + 1];
        if (!wki_json_key(j, &s, field)) return false;
        if (!wki_span_short(&s, name, sizeof name))
            return wki_reject(&j->b, "tensor name", where, "NUL inside, or longer than %d bytes",
                              WKI_MAX_NAME);
        if (strcmp(name, "__metadata__") == 0) {
            if (seen) return wki_reject(&j->b, "__metadata__", where, "appears twice");
            seen = true;
            if (!read_metadata(c, f, j, metadata, m)) return false;
            continue;
        }
        wk_file_tensor t = {.name = name};
        if (!read_info(c, f, j, &t, m) || !wki_files_enter(c, f, &j->b, t, strlen(name), m, where))
            return false;
    }
    return wki_json_end(j, field);
}

static int by_offset(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    if (x[0] != y[0]) return x[0] < y[0] ? -1 : 1;
    return (x[1] > y[1]) - (x[1] < y[1]);
}

/* The tensors from number `from` on must fill the data without holes; offsets then count from the file's
 * start. */
static bool place(wk_ctx *c, wk_files *f, wki_json *j, size_t from, size_t data, const wki_map *m)
{
    const size_t n = f->tensor_names.count - from, size = wki_map_size(m) - data;
    int64_t(*range)[2] = wk_alloc_zero(n ? n : 1, sizeof *range);
    if (!range) return wki_no_memory(c, wki_map_name(m));
    for (size_t i = 0; i < n; i++) {
        wk_file_tensor *t = &f->tensors[from + i].about;
        range[i][0] = t->offset;
        range[i][1] = t->offset + t->bytes;
    }
    qsort(range, n, sizeof *range, by_offset);
    int64_t end = 0;
    bool    fine = true;
    for (size_t i = 0; i < n && fine; i++) {
        if (range[i][0] != end)
            fine = wki_reject(&j->b, "data_offsets", data, "%s at data byte %lld",
                              range[i][0] < end ? "tensors overlap" : "a hole", (long long)end);
        end = range[i][1];
    }
    wk_free(range);
    if (fine && (uint64_t)end != size)
        fine = wki_reject(&j->b, "data_offsets", data, "tensors end at data byte %lld, the file has %zu",
                          (long long)end, size);
    for (size_t i = 0; i < n && fine; i++) f->tensors[from + i].about.offset += (int64_t)data;
    return fine;
}

bool wki_safetensors_open(wk_ctx *c, wk_files *f, wki_map *m, bool metadata)
{
    const size_t   from = f->tensor_names.count;
    wki_json       j = {.b = wki_bytes_of(wki_map_data(m), wki_map_size(m))};
    const uint64_t n = wki_take_u(&j.b, 8, "header length");
    bool           fine = !wki_bad(&j.b);
    if (fine && (n > MAX_HEADER || n > wki_left(&j.b)))
        fine = wki_reject(&j.b, "header length", 0, "%llu bytes; the file has %zu, the limit is %d",
                          (unsigned long long)n, wki_left(&j.b), MAX_HEADER);
    if (fine && (n == 0 || *j.b.at != '{')) fine = wki_reject(&j.b, "header", 8, "does not begin with {");
    if (fine) {
        j.b.end = j.b.at + n;
        fine = read_header(c, f, &j, m, metadata) && place(c, f, &j, from, 8 + (size_t)n, m);
    }
    if (wki_bad(&j.b)) wki_file_error(c, wki_map_name(m), &j.b);
    return fine;
}
