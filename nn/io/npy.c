/* NumPy's .npy arrays, format 1.0 to 3.0 (NEP 1). */
#include "npy.h"

#include <stdio.h>
#include <string.h>

static const struct row {
    const char *descr; /* after the byte order */
    wk_dtype    dtype;
} types[] = {{"b1", WK_bool}, {"u1", WK_u8},  {"i1", WK_i8},  {"i2", WK_i16}, {"i4", WK_i32},
             {"i8", WK_i64},  {"u4", WK_u32}, {"f2", WK_f16}, {"f4", WK_f32}, {"f8", WK_f64}};

static const char field[] = "npy header";

/* The header is a Python literal of a fixed form: a dict of three keys. */
struct header {
    wki_bytes b;
    wk_dtype  dtype;
    bool      fortran, swapped; /* big-endian */
    wk_shape  shape;
};

static char peek(struct header *h)
{
    wki_bytes *b = &h->b;
    while (b->at < b->end && (*b->at == ' ' || *b->at == '\n' || *b->at == '\t' || *b->at == '\r')) b->at++;
    return b->at < b->end ? (char)*b->at : 0;
}

static bool eat(struct header *h, char ch)
{
    if (peek(h) != ch || h->b.at == h->b.end) return false;
    h->b.at++;
    return true;
}

static bool want(struct header *h, char ch)
{
    return eat(h, ch) || wki_reject(&h->b, field, wki_offset(&h->b), "'%c' should be here", ch);
}

/* 'text' without escapes. */
static bool quoted(struct header *h, char *out, size_t size)
{
    const char quote = peek(h);
    size_t     n = 0;
    if ((quote != '\'' && quote != '"') || !eat(h, quote))
        return wki_reject(&h->b, field, wki_offset(&h->b), "a string should be here");
    while (h->b.at < h->b.end && *h->b.at != (unsigned char)quote && *h->b.at != '\\' && *h->b.at >= 0x20 &&
           *h->b.at < 0x7f && n + 1 < size)
        out[n++] = (char)*h->b.at++;
    out[n] = '\0';
    return (h->b.at < h->b.end && *h->b.at == (unsigned char)quote && eat(h, quote)) ||
           wki_reject(&h->b, field, wki_offset(&h->b), "a string that is too long or odd");
}

static bool read_descr(struct header *h)
{
    char         text[16];
    const size_t where = wki_offset(&h->b);
    if (peek(h) == '[') return wki_reject(&h->b, "descr", where, "structured arrays are not supported");
    if (!quoted(h, text, sizeof text)) return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(text + (*text != 0), types[i].descr) != 0) continue;
        const bool single = types[i].descr[1] == '1';
        if (*text == '<' || *text == '=' || *text == '>' || (*text == '|' && single)) {
            h->dtype = types[i].dtype;
            h->swapped = *text == '>' && !single;
            return true;
        }
    }
    return wki_reject(&h->b, "descr", where, "'%s' is not supported", text);
}

static bool read_bool(struct header *h)
{
    const bool   yes = peek(h) == 'T';
    const size_t n = yes ? 4 : 5;
    if (wki_left(&h->b) < n || memcmp(h->b.at, yes ? "True" : "False", n) != 0)
        return wki_reject(&h->b, "fortran_order", wki_offset(&h->b), "True or False should be here");
    h->b.at += n;
    h->fortran = yes;
    return true;
}

static bool read_shape(struct header *h)
{
    if (!want(h, '(')) return false;
    while (!eat(h, ')')) {
        const size_t where = wki_offset(&h->b);
        uint64_t     v = 0;
        size_t       n = 0;
        (void)peek(h);
        while (n < wki_left(&h->b) && h->b.at[n] >= '0' && h->b.at[n] <= '9') n++;
        if (!wki_parse_u64((const char *)h->b.at, n, &v) || v > INT64_MAX || h->shape.ndim == WK_MAX_DIMS)
            return wki_reject(&h->b, "shape", where, "at most %d sizes, each a whole number", WK_MAX_DIMS);
        h->b.at += n;
        h->shape.dim[h->shape.ndim++] = (int64_t)v;
        if (!eat(h, ',') && peek(h) != ')') return want(h, ')');
    }
    return true;
}

static bool read_dict(struct header *h)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    bool                     seen[3] = {false};
    if (!want(h, '{')) return false;
    while (!eat(h, '}')) {
        char         key[16];
        const size_t where = wki_offset(&h->b);
        int          k = 0;
        if (!quoted(h, key, sizeof key) || !want(h, ':')) return false;
        while (k < 3 && strcmp(keys[k], key) != 0) k++;
        if (k == 3 || seen[k]) return wki_reject(&h->b, field, where, "key '%s' unknown or twice", key);
        seen[k] = true;
        if (!(k == 0 ? read_descr(h) : k == 1 ? read_bool(h) : read_shape(h))) return false;
        if (!eat(h, ',') && peek(h) != '}') return want(h, '}');
    }
    if (!seen[0] || !seen[1] || !seen[2])
        return wki_reject(&h->b, field, wki_offset(&h->b), "descr, fortran_order or shape is missing");
    if (peek(h) != 0 || h->b.at != h->b.end)
        return wki_reject(&h->b, field, wki_offset(&h->b), "text after the dict");
    return true;
}

/* Leaves h->b at the data. */
static bool read_header(struct header *h)
{
    const unsigned char *magic = wki_take(&h->b, 6, "magic");
    if (!magic) return false;
    if (memcmp(magic, "\x93NUMPY", 6) != 0) return wki_reject(&h->b, "magic", 0, "not a .npy file");
    const unsigned major = (unsigned)wki_take_u(&h->b, 1, "version"),
                   minor = (unsigned)wki_take_u(&h->b, 1, "version");
    const unsigned char *end = h->b.end;
    if (!wki_bad(&h->b) && (major < 1 || major > 3 || minor != 0))
        return wki_reject(&h->b, "version", 6, "%u.%u is not 1.0, 2.0 or 3.0", major, minor);
    const uint64_t n = wki_take_u(&h->b, major == 1 ? 2 : 4, "header length");
    if (!wki_may_hold(&h->b, n, 1, "header length")) return false;
    h->b.end = h->b.at + n;
    if (!read_dict(h)) return false;
    h->b.end = end;
    size_t values = 0, bytes = 0;
    if (!wki_tensor_size(h->shape, 1, (size_t)wk_dtype_bytes(h->dtype), &values, &bytes))
        return wki_reject(&h->b, "shape", wki_offset(&h->b), "too many values");
    return bytes == wki_left(&h->b) ||
           wki_reject(&h->b, "data", wki_offset(&h->b), "%zu bytes, shape and descr need %zu",
                      wki_left(&h->b), bytes);
}

/* Fortran's order is C's of the turned-round shape. */
static wk_tensor from_fortran(wk_ctx *c, const struct header *h, const void *data)
{
    wk_shape  turned = h->shape, dims = {.ndim = h->shape.ndim};
    const int n = h->shape.ndim;
    for (int i = 0; i < n; i++) {
        turned.dim[i] = h->shape.dim[n - 1 - i];
        dims.dim[i] = n - 1 - i;
    }
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x = wk_make(c, data, h->dtype, turned);
    return wk_scope_end(c, s, wk_contiguous(c, wk_permute(c, x, dims)));
}

static unsigned char *turned_bytes(const unsigned char *p, size_t n, size_t width)
{
    unsigned char *out = wk_alloc(n);
    for (size_t i = 0; out && i < n; i++) out[i] = p[i / width * width + width - 1 - i % width];
    return out;
}

wk_tensor wki_npy_read(wk_ctx *c, wki_bytes *b)
{
    struct header  h = {.b = *b};
    wk_tensor      x = WK_NONE;
    unsigned char *turned = NULL;
    const bool     fine = read_header(&h);
    *b = h.b;
    if (!fine) return x;
    const size_t n = wki_left(&h.b);
    if (h.swapped && n > 0) {
        turned = turned_bytes(h.b.at, n, (size_t)wk_dtype_bytes(h.dtype));
        if (!turned) return wk_fail(c, WK_ENOMEM, "npy: out of memory for %zu bytes", n), x;
    }
    const unsigned char *data = turned ? turned : h.b.at;
    x = h.fortran && h.shape.ndim > 1 ? from_fortran(c, &h, data) : wk_make(c, data, h.dtype, h.shape);
    wk_free(turned);
    return x;
}

wk_tensor wk_load_npy(wk_ctx *c, const char *path)
{
    wk_tensor x = WK_NONE;
    if (wk_ctx_status(c) != WK_OK) return x;
    if (!path) {
        wk_fail(c, WK_EARG, "load_npy: no path");
        return x;
    }
    wki_map *m = wki_map_open(c, path, WKI_MAP_COPY, NULL);
    if (!m) return x;
    wki_bytes b = wki_bytes_of(wki_map_data(m), wki_map_size(m));
    x = wki_npy_read(c, &b);
    if (wki_bad(&b)) wki_file_error(c, path, &b);
    wki_map_drop(m);
    return x;
}

size_t wki_npy_header(wk_ctx *c, wk_tensor x, char out[WKI_NPY_HEADER])
{
    const char *descr = NULL;
    char        text[320];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == x->dtype) descr = types[i].descr;
    if (!descr) return wk_fail(c, WK_EDTYPE, "save: .npy has no dtype %s", wk_dtype_name(x->dtype)), 0;
    int n = snprintf(text, sizeof text, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                     descr[1] == '1' ? '|' : '<', descr);
    for (int i = 0; i < x->ndim; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      i == 0 && x->ndim > 1 ? "%lld"
                      : i                   ? ", %lld"
                                            : "%lld,",
                      (long long)x->shape[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "), }");
    const int length = (10 + n + 1 + 63) / 64 * 64 - 10; /* the data begin at a multiple of 64 */
    memcpy(out, "\x93NUMPY\1\0", 8);
    out[8] = (char)(length & 255);
    out[9] = (char)(length >> 8);
    memset(out + 10, ' ', (size_t)length);
    memcpy(out + 10, text, (size_t)n);
    out[10 + length - 1] = '\n';
    return (size_t)length + 10;
}

wk_status wk_save_npy(wk_ctx *c, const char *path, wk_tensor x)
{
    char head[WKI_NPY_HEADER];
    if (wk_ctx_status(c) != WK_OK) return wk_ctx_status(c);
    if (wk_is_none(x)) return wk_fail(c, WK_EARG, "save_npy: no tensor");
    const size_t n = wki_npy_header(c, x, head);
    if (n == 0) return wk_ctx_status(c);
    wki_save   s;
    const bool fine = wki_save_begin(&s, c, path) && wki_save_write(&s, head, n) && wki_save_tensor(&s, x);
    return wki_save_end(&s, fine);
}
