/* Configuration of every format: typed look-ups, items of arrays, printing. */
#include "files.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"u8",     "i8",    "u16", "i16", "u32", "i32",  "f32",  "bool",
                                         "string", "array", "u64", "i64", "f64", "null", "mixed"};

/* Own key; then GGUF's for a Hugging Face key; then where newer or nested config.json files have it. */
static const wki_value *find(const wk_files *f, const char *key)
{
    if (!f || !key) return NULL;
    char             own[256];
    const wki_value *v = wki_files_value(f, key);
    if (v) return v;
    if (f->arch) {
        for (int row = 0; !v && wki_gguf_key(f->arch, key, &row, own, sizeof own);)
            v = wki_files_value(f, own);
        return v;
    }
    static const char scaling[] = "rope_scaling.";
    const bool        scaled = strncmp(key, scaling, sizeof scaling - 1) == 0;
    if (scaled || strcmp(key, "rope_theta") == 0) {
        snprintf(own, sizeof own, "rope_parameters.%.200s", scaled ? key + sizeof scaling - 1 : key);
        v = wki_files_value(f, own);
    }
    if (v || strncmp(key, "text_config.", 12) == 0) return v;
    snprintf(own, sizeof own, "text_config.%.200s", key);
    return find(f, own);
}

static bool is_unsigned(enum wki_type t)
{
    return t == WKI_U8 || t == WKI_U16 || t == WKI_U32 || t == WKI_U64;
}

static bool is_integer(enum wki_type t)
{
    return is_unsigned(t) || t == WKI_I8 || t == WKI_I16 || t == WKI_I32 || t == WKI_I64;
}

static bool as_int(const wki_item *x, int64_t *out)
{
    if (x->type == WKI_U64) {
        *out = x->v.i;
        return x->v.u <= INT64_MAX;
    }
    if (is_integer(x->type)) {
        *out = x->v.i;
        return true;
    }
    if ((x->type != WKI_F32 && x->type != WKI_F64) || !(fabs(x->v.f) <= 0x1p53) || trunc(x->v.f) != x->v.f)
        return false;
    *out = (int64_t)x->v.f;
    return true;
}

static bool as_float(const wki_item *x, double *out)
{
    if (x->type == WKI_F32 || x->type == WKI_F64)
        *out = x->v.f;
    else if (x->type == WKI_U64)
        *out = (double)x->v.u;
    else if (is_integer(x->type))
        *out = (double)x->v.i;
    else
        return false;
    return true;
}

/* ---- items ---- */

static int size_of(enum wki_type t)
{
    static const int size[WKI_TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return t < WKI_TYPE_COUNT ? size[t] : 0;
}

static wki_item load_item(const unsigned char *p, enum wki_type t)
{
    wki_item  x = {.type = t};
    const int n = size_of(t);
    if (t == WKI_F32)
        x.v.f = wki_load_f32(p);
    else if (t == WKI_F64)
        x.v.f = wki_load_f64(p);
    else
        x.v.u = wki_load_u(p, n);
    const bool sign = t == WKI_I8 || t == WKI_I16 || t == WKI_I32;
    if (sign && x.v.u >> (8 * n - 1)) x.v.u |= ~UINT64_C(0) << (8 * n);
    return x;
}

/* Item i of an array of strings in a GGUF file: from the nearest mark onwards. */
static wki_item string_item(const wk_files *f, const wki_value *v, size_t i)
{
    const int            width = f->version == 1 ? 4 : 8;
    const unsigned char *p = v->data + v->step[i / WKI_EACH];
    for (size_t k = i % WKI_EACH; k > 0; k--) p += (size_t)width + wki_load_u(p, width);
    return (wki_item){
        .type = WKI_STRING, .length = (size_t)wki_load_u(p, width), .v.s = (const char *)p + width};
}

/* Item i of a value; a scalar is its own item 0. */
static bool item_at(const wk_files *f, const wki_value *v, int64_t i, wki_item *out)
{
    if (!v || i < 0) return false;
    if (v->item.type != WKI_ARRAY) {
        *out = v->item;
        return i == 0;
    }
    if ((uint64_t)i >= v->item.length) return false;
    if (v->items)
        *out = v->items[i];
    else if (v->item_type == WKI_STRING)
        *out = string_item(f, v, (size_t)i);
    else if (v->item_type == WKI_ARRAY)
        *out = (wki_item){.type = WKI_ARRAY};
    else
        *out = load_item(v->data + (size_t)i * (size_t)size_of(v->item_type), v->item_type);
    return true;
}

/* ---- what a GGUF file says only indirectly ---- */

static bool derived_int(const wk_files *f, const char *key, int64_t *out)
{
    if (!f || !f->arch || strcmp(key, "vocab_size") != 0) return false;
    const wki_value *tokens = wki_files_value(f, "tokenizer.ggml.tokens");
    if (!tokens || tokens->item.type != WKI_ARRAY) return false;
    *out = (int64_t)tokens->item.length;
    return true;
}

static bool derived_float(const wk_files *f, const char *key, double *out)
{
    if (!f || !f->arch || strcmp(key, "partial_rotary_factor") != 0) return false;
    char own[160];
    snprintf(own, sizeof own, "%.100s.rope.dimension_count", f->arch);
    const int64_t dims = wk_config_int(f, own, 0), heads = wk_config_int(f, "num_attention_heads", 0);
    const int64_t all =
        wk_config_int(f, "head_dim", heads > 0 ? wk_config_int(f, "hidden_size", 0) / heads : 0);
    if (dims <= 0 || all <= 0 || dims > all) return false;
    *out = (double)dims / (double)all;
    return true;
}

/* ---- public ---- */

int64_t wk_config_int(const wk_files *f, const char *key, int64_t fallback)
{
    const wki_value *v = find(f, key);
    int64_t          x;
    if (v) return as_int(&v->item, &x) ? x : fallback;
    return key && derived_int(f, key, &x) ? x : fallback;
}

double wk_config_float(const wk_files *f, const char *key, double fallback)
{
    const wki_value *v = find(f, key);
    double           x;
    if (v) return as_float(&v->item, &x) ? x : fallback;
    return key && derived_float(f, key, &x) ? x : fallback;
}

bool wk_config_bool(const wk_files *f, const char *key, bool fallback)
{
    const wki_value *v = find(f, key);
    if (v) return v->item.type == WKI_BOOL ? v->item.v.i != 0 : fallback;
    if (f && f->arch && key && strcmp(key, "tie_word_embeddings") == 0)
        return !wk_files_has(f, "output.weight");
    return fallback;
}

const char *wk_config_string(const wk_files *f, const char *key, const char *fallback)
{
    const wki_value *v = find(f, key);
    return v && v->item.type == WKI_STRING && !memchr(v->item.v.s, 0, v->item.length) ? v->item.v.s
                                                                                      : fallback;
}

int64_t wk_config_count(const wk_files *f, const char *key)
{
    const wki_value *v = find(f, key);
    return v && v->item.type == WKI_ARRAY ? (int64_t)v->item.length : -1;
}

int64_t wk_config_int_at(const wk_files *f, const char *key, int64_t i, int64_t fallback)
{
    wki_item x;
    int64_t  n;
    return item_at(f, find(f, key), i, &x) && as_int(&x, &n) ? n : fallback;
}

double wk_config_float_at(const wk_files *f, const char *key, int64_t i, double fallback)
{
    wki_item x;
    double   n;
    return item_at(f, find(f, key), i, &x) && as_float(&x, &n) ? n : fallback;
}

const char *wk_config_string_at(const wk_files *f, const char *key, int64_t i, size_t *length)
{
    wki_item x;
    if (!item_at(f, find(f, key), i, &x) || x.type != WKI_STRING) return NULL;
    if (length) *length = x.length;
    return x.v.s;
}

int64_t wk_config_entries(const wk_files *f)
{
    return f ? (int64_t)f->keys.count : 0;
}

/* The fewest digits that give the same value back. */
static int print_real(char *out, size_t size, const wki_item *x)
{
    int n = 0;
    for (int digits = 6; digits <= 17; digits++) {
        n = snprintf(out, size, "%.*g", digits, x->v.f);
        const double back = strtod(out, NULL);
        if (x->type == WKI_F32 ? (float)back == (float)x->v.f : back == x->v.f) break;
    }
    return n;
}

static size_t print_item(char *out, size_t size, const wki_item *x)
{
    int n = 0;
    if (size < 8) return 0;
    if (x->type == WKI_STRING) {
        out[0] = '"';
        const size_t k = wki_escape(out + 1, size - 2, x->v.s, x->length);
        out[k + 1] = '"';
        out[k + 2] = '\0';
        return k + 2;
    }
    if (x->type == WKI_BOOL)
        n = snprintf(out, size, x->v.i ? "true" : "false");
    else if (x->type == WKI_F32 || x->type == WKI_F64)
        n = print_real(out, size, x);
    else if (x->type == WKI_U64)
        n = snprintf(out, size, "%" PRIu64, x->v.u);
    else if (is_integer(x->type))
        n = snprintf(out, size, "%" PRId64, x->v.i);
    else
        n = snprintf(out, size, x->type == WKI_ARRAY ? "[..]" : "null");
    return n > 0 && (size_t)n < size ? (size_t)n : size - 1;
}

static void print_array(const wk_files *f, const wki_value *v, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%zu items: [", v->item.length);
    for (size_t i = 0; i < v->item.length && used < size; i++) {
        wki_item x = {.type = WKI_NULL};
        char     one[64];
        if (i == 8 || size - used < 80) {
            snprintf(out + used, size - used, ", ..]");
            return;
        }
        item_at(f, v, (int64_t)i, &x);
        print_item(one, sizeof one, &x);
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", one);
    }
    if (used < size) snprintf(out + used, size - used, "]");
}

void wk_config_entry(const wk_files *f, int64_t i, const char **key, const char **type, char *value,
                     size_t size)
{
    const bool       there = i >= 0 && i < wk_config_entries(f);
    const wki_value *v = there ? &f->values[i] : NULL;
    if (key) *key = there ? v->key : "";
    if (type) *type = there ? type_names[v->item.type] : "";
    if (!value || size == 0) return;
    value[0] = '\0';
    if (there && v->item.type == WKI_ARRAY)
        print_array(f, v, value, size);
    else if (there)
        print_item(value, size, &v->item);
}
