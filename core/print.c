/* Tensors as text, in PyTorch's layout. */
#include "ctx.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EDGE      3    /* items shown at each end of a dim that is cut */
#define THRESHOLD 1000 /* more elements than this and dims are cut */
#define LINE      80

struct writer {
    char   *out;
    size_t  size;
    int64_t at;
    int     column;
};

WK_PRINTF(2, 3) static void put(struct writer *w, const char *format, ...)
{
    char    text[64];
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
    bool integers, boolean, whole, scientific;
    int  width;
};

static int width_of(const struct style *s, union value v)
{
    char text[64];
    if (s->boolean) return v.whole ? 4 : 5;
    if (s->integers) return snprintf(text, sizeof text, "%lld", (long long)v.whole);
    if (s->scientific) return snprintf(text, sizeof text, "%.4e", v.real);
    return snprintf(text, sizeof text, s->whole ? "%.0f." : "%.4f", v.real);
}

/* Of real values only those that are finite and not 0 have a say. */
static bool counts(const struct style *s, union value v)
{
    return s->integers || s->boolean || (isfinite(v.real) && v.real != 0);
}

static void choose(struct style *s, const union value *v, int64_t n)
{
    double low = INFINITY, high = 0;
    s->whole = true;
    for (int64_t i = 0; i < n && !s->integers && !s->boolean; i++) {
        if (!counts(s, v[i])) continue;
        const double a = fabs(v[i].real);
        if (a != nearbyint(a)) s->whole = false;
        if (a < low) low = a;
        if (a > high) high = a;
    }
    s->scientific = high > 0 && (high / low > 1000 || high > 1e8 || (!s->whole && low < 1e-4));
    s->width = 1;
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
        put(w, "%*.4e", width, v.real);
    else if (s->whole)
        put(w, "%*.0f.", width - 1, v.real);
    else
        put(w, "%*.4f", width, v.real);
}

static void put_row(struct writer *w, const struct style *s, const union value *v, int64_t n, bool cut,
                    int indent)
{
    int per_line = (LINE + 1 - indent) / (s->width + 2); /* the bracket is not counted, as in PyTorch */
    if (per_line < 1) per_line = 1;
    int shown = 0;
    put(w, "[");
    for (int64_t i = 0; i < n; i++) {
        if (shown) put(w, shown % per_line == 0 ? ",\n%*s" : ", %*s", shown % per_line == 0 ? indent : 0, "");
        if (cut && i == EDGE) {
            put(w, " ..."); /* PyTorch's own extra space */
            i = n - EDGE - 1;
        } else {
            put_value(w, s, v[i], s->width);
        }
        shown++;
    }
    put(w, "]");
}

static void put_dim(struct writer *w, const struct style *s, wk_tensor x, const union value *v, int dim,
                    bool cut, int indent)
{
    const int64_t n = x->shape[dim];
    const bool    cut_here = cut && n > 2 * EDGE;
    if (dim == x->ndim - 1) {
        put_row(w, s, v, n, cut_here, indent);
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
        if (cut_here && i == EDGE) {
            put(w, "...");
            i = n - EDGE - 1;
        } else {
            put_dim(w, s, x, v + i * step, dim + 1, cut, indent + 1);
        }
    }
    put(w, "]");
}

/* The values that will be shown, to choose the width from. */
static int64_t gather_shown(wk_tensor x, const union value *v, int dim, bool cut, union value *out)
{
    if (dim == x->ndim) {
        *out = *v;
        return 1;
    }
    int64_t step = 1, made = 0;
    for (int i = dim + 1; i < x->ndim; i++) step *= x->shape[i];
    const int64_t n = x->shape[dim];
    for (int64_t i = 0; i < n; i++) {
        if (cut && n > 2 * EDGE && i == EDGE) i = n - EDGE;
        made += gather_shown(x, v + i * step, dim + 1, cut, out + made);
    }
    return made;
}

int64_t wk_format(wk_ctx *c, wk_tensor x, char *out, size_t size)
{
    struct writer w = {.out = out, .size = size};
    if (out && size) out[0] = '\0';
    if (wki_failed(c) || wk_is_none(x)) return 0;
    const int64_t n = wk_count(x);
    union value  *v = wk_alloc_zero((size_t)(2 * n + 1), sizeof *v);
    if (!v) {
        wk_fail(c, WK_ENOMEM, "format: out of memory for %lld values", (long long)n);
        return 0;
    }
    const wk_scope scope = wk_scope_begin(c);
    const bool     was = wk_no_grad(c, true);
    const char     cls = wki_dtype_class(x->dtype);
    wk_tensor      wide = wki_is_block(x->dtype) ? wk_cast(c, x, WK_f32) : x;
    wk_read(c, wk_cast(c, wide, cls == 'I' || cls == 'B' ? WK_i64 : WK_f64), v);
    wk_no_grad(c, was);
    wk_scope_end(c, scope, WK_NONE);
    if (!wki_failed(c)) {
        struct style s = {.integers = cls == 'I', .boolean = cls == 'B'};
        const bool   cut = n > THRESHOLD;
        choose(&s, v + n, n ? gather_shown(x, v, 0, cut, v + n) : 0);
        put(&w, "tensor(");
        if (x->ndim == 0) {
            put_value(&w, &s, v[0], 0);
        } else if (n == 0) {
            put(&w, "[]");
            if (x->ndim > 1) {
                put(&w, ", size=(");
                for (int i = 0; i < x->ndim; i++) put(&w, "%s%lld", i ? ", " : "", (long long)x->shape[i]);
                put(&w, ")");
            }
        } else {
            put_dim(&w, &s, x, v, 0, cut, 8);
        }
        if (x->dtype != WK_f32 && (n == 0 || (x->dtype != WK_i64 && x->dtype != WK_bool)))
            put(&w, ", dtype=%s", wk_dtype_name(x->dtype));
        put(&w, ")");
    }
    wk_free(v);
    if (out && size) out[w.at < (int64_t)size ? w.at : (int64_t)size - 1] = '\0';
    return w.at;
}
