/* Tensors as text, in PyTorch's layout. */
#include "ctx.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MOST_DIGITS 40

struct writer {
    char   *out;
    size_t  size;
    int64_t at;
    int     column;
};

WK_PRINTF(2, 3) static void put(struct writer *w, const char *format, ...)
{
    char    text[400]; /* the widest: the largest f64 written out, with MOST_DIGITS behind its point */
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int i = 0; i < n && i < (int)sizeof text - 1; i++) {
        if (w->out && w->at + 1 < (int64_t)w->size) w->out[w->at] = text[i];
        w->at++;
        w->column = text[i] == '\n' ? 0 : w->column + 1;
    }
}

/* A value shown: integers keep all their digits. */
union value {
    double  real;
    int64_t whole;
};

/* How the values are written: one width for all, as PyTorch chooses it. */
struct style {
    wk_print_opts o;
    bool          integers, boolean, whole, scientific, cut;
    int           width;
};

static int width_of(const struct style *s, union value v)
{
    if (s->boolean) return v.whole ? 4 : 5;
    if (s->integers) return snprintf(NULL, 0, "%lld", (long long)v.whole);
    if (s->scientific) return snprintf(NULL, 0, "%.*e", s->o.precision, v.real);
    if (s->whole) return snprintf(NULL, 0, "%.0f.", v.real);
    return snprintf(NULL, 0, "%.*f", s->o.precision, v.real);
}

/* Of real values only those that are finite and not 0 have a say. */
static bool counts(const struct style *s, union value v)
{
    return s->integers || s->boolean || (isfinite(v.real) && v.real != 0);
}

static void choose(struct style *s, const union value *v, int64_t n)
{
    double low = (double)INFINITY, high = 0;
    s->whole = true;
    s->width = 1;
    for (int64_t i = 0; i < n && !s->integers && !s->boolean; i++) {
        if (!counts(s, v[i])) continue;
        const double a = fabs(v[i].real);
        if (a != nearbyint(a)) s->whole = false;
        if (a < low) low = a;
        if (a > high) high = a;
    }
    if (high > 0) /* without any such value PyTorch does not look at the option either */
        s->scientific = s->o.scientific == WK_SCI_AUTO ? high / low > 1000 || high > 1e8 || low < 1e-4
                                                       : s->o.scientific == WK_SCI_ALWAYS;
    for (int64_t i = 0; i < n; i++) {
        const int w = counts(s, v[i]) ? width_of(s, v[i]) : 0;
        if (w > s->width) s->width = w;
    }
}

static void put_value(struct writer *w, const struct style *s, union value v, int width)
{
    if (s->boolean)
        put(w, "%*s", width, v.whole ? "True" : "False");
    else if (s->integers)
        put(w, "%*lld", width, (long long)v.whole);
    else if (!isfinite(v.real))
        put(w, "%*s", width, isnan(v.real) ? "nan" : v.real < 0 ? "-inf" : "inf");
    else if (s->scientific)
        put(w, "%*.*e", width, s->o.precision, v.real);
    else if (s->whole)
        put(w, "%*.0f.", width - 1, v.real);
    else
        put(w, "%*.*f", width, s->o.precision, v.real);
}

static void put_row(struct writer *w, const struct style *s, const union value *v, int64_t n, bool cut,
                    int indent)
{
    const int edge = s->o.edge_items;
    int       per_line = (s->o.line_width + 1 - indent) / (s->width + 2); /* its bracket is not counted */
    if (per_line < 1) per_line = 1;
    int shown = 0;
    put(w, "[");
    for (int64_t i = 0; i < n; i++) {
        if (shown) put(w, shown % per_line == 0 ? ",\n%*s" : ", %*s", shown % per_line == 0 ? indent : 0, "");
        if (cut && i == edge) {
            put(w, edge ? " ..." : "..."); /* PyTorch's own extra space */
            i = n - edge - 1;
        } else {
            put_value(w, s, v[i], s->width);
        }
        shown++;
    }
    put(w, "]");
}

static bool cut_at(const struct style *s, int64_t n)
{
    return s->cut && n > 2 * (int64_t)s->o.edge_items;
}

static void put_dim(struct writer *w, const struct style *s, wk_tensor x, const union value *v, int dim,
                    int indent)
{
    const int64_t n = x->shape[dim];
    const bool    cut = cut_at(s, n);
    if (dim == x->ndim - 1) {
        put_row(w, s, v, n, cut, indent);
        return;
    }
    int64_t step = 1;
    for (int i = dim + 1; i < x->ndim; i++) step *= x->shape[i];
    put(w, "[");
    for (int64_t i = 0; i < n; i++) {
        if (i) {
            put(w, ",");
            for (int k = 0; k < x->ndim - dim - 1; k++) put(w, "\n");
            put(w, "%*s", indent, "");
        }
        if (cut && i == s->o.edge_items) {
            put(w, "...");
            i = n - s->o.edge_items - 1;
        } else {
            put_dim(w, s, x, v + i * step, dim + 1, indent + 1);
        }
    }
    put(w, "]");
}

/* The values that will be shown, to choose the width from. */
static int64_t gather_shown(const struct style *s, wk_tensor x, const union value *v, int dim,
                            union value *out)
{
    if (dim == x->ndim) {
        *out = *v;
        return 1;
    }
    int64_t step = 1, made = 0;
    for (int i = dim + 1; i < x->ndim; i++) step *= x->shape[i];
    const int64_t n = x->shape[dim];
    for (int64_t i = 0; i < n; i++) {
        if (cut_at(s, n) && i == s->o.edge_items) i = n - s->o.edge_items;
        if (i < n) made += gather_shown(s, x, v + i * step, dim + 1, out + made);
    }
    return made;
}

/* ", text", on a line of its own where this one is full. */
static void put_suffix(struct writer *w, const struct style *s, const char *text)
{
    const bool full = w->column + 4 + (int)strlen(text) > s->o.line_width;
    put(w, full ? ",\n       %s" : ", %s", text);
}

static void put_suffixes(struct writer *w, const struct style *s, wk_tensor x, int64_t n)
{
    char text[200] = "size=(";
    int  k = 6;
    for (int i = 0; i < x->ndim; i++)
        k += snprintf(text + k, sizeof text - (size_t)k, "%s%lld", i ? ", " : "", (long long)x->shape[i]);
    snprintf(text + k, sizeof text - (size_t)k, x->ndim == 1 ? ",)" : ")");
    if (n == 0 ? x->ndim != 1 : s->o.edge_items == 0) put_suffix(w, s, text);
    if (x->dtype != WK_f32 && (n == 0 || (x->dtype != WK_i64 && x->dtype != WK_bool))) {
        snprintf(text, sizeof text, "dtype=%s", wk_dtype_name(x->dtype));
        put_suffix(w, s, text);
    }
    put(w, ")");
}

/* x's values, then as many places for those shown; NULL after an error. */
static union value *values_of(wk_ctx *c, wk_tensor x)
{
    const int64_t n = wk_count(x);
    union value  *v = wk_alloc_zero((size_t)(2 * n + 1), sizeof *v);
    if (!v) {
        wk_fail(c, WK_ENOMEM, "format: out of memory for %lld values", (long long)n);
        return NULL;
    }
    const wk_scope scope = wk_scope_begin(c);
    const bool     was = wk_no_grad(c, true);
    const char     cls = wki_dtype_class(x->dtype);
    wk_tensor      wide = wki_is_block(x->dtype) ? wk_cast(c, x, WK_f32) : x;
    wk_read(c, wk_cast(c, wide, cls == 'I' || cls == 'B' ? WK_i64 : WK_f64), v);
    wk_no_grad(c, was);
    wk_scope_end(c, scope, WK_NONE);
    if (!wki_failed(c)) return v;
    wk_free(v);
    return NULL;
}

int64_t wk_format_with(wk_ctx *c, wk_tensor x, wk_print_opts o, char *out, size_t size)
{
    struct writer w = {.out = out, .size = size};
    if (out && size) out[0] = '\0';
    if (wki_failed(c) || wk_is_none(x)) return 0;
    if (o.precision < 0 || o.precision > MOST_DIGITS || o.edge_items < 0 || o.line_width < 1 ||
        o.threshold < 0) {
        wk_fail(c, WK_EARG, "format: precision %d, edge items %d, line width %d, threshold %lld", o.precision,
                o.edge_items, o.line_width, (long long)o.threshold);
        return 0;
    }
    const int64_t n = wk_count(x);
    const char    cls = wki_dtype_class(x->dtype);
    union value  *v = values_of(c, x);
    if (!v) return 0;
    struct style s = {.o = o, .integers = cls == 'I', .boolean = cls == 'B', .cut = n > o.threshold};
    choose(&s, v + n, n ? gather_shown(&s, x, v, 0, v + n) : 0);
    put(&w, "tensor(");
    if (n == 0)
        put(&w, "[]");
    else if (x->ndim == 0)
        put_value(&w, &s, v[0], 0);
    else
        put_dim(&w, &s, x, v, 0, 8);
    put_suffixes(&w, &s, x, n);
    wk_free(v);
    if (out && size) out[w.at < (int64_t)size ? w.at : (int64_t)size - 1] = '\0';
    return w.at;
}

int64_t wk_format(wk_ctx *c, wk_tensor x, char *out, size_t size)
{
    return wk_format_with(c, x, WK_PRINT_OPTS, out, size);
}
