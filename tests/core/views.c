/* Views against a host-side model: long random chains of them, and what each refuses. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <string.h>

#define MOST 4096

/* What a view should hold: a dense array of numbers. */
struct model {
    int     ndim;
    int64_t shape[WK_MAX_DIMS], n, v[MOST];
};

static uint64_t state;
static int64_t  below(int64_t n) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (int64_t)((z ^ z >> 31) % (uint64_t)n);
}

/* m becomes shape; its element at y is the old one at base + sum_i y[i] step[i] * old stride of from[i]. */
static void take(struct model *m, int ndim, const int64_t *shape, const int *from, const int64_t *step,
                 int64_t base)
{
    static struct model old;
    int64_t             stride[WK_MAX_DIMS], s = 1;
    old = *m;
    for (int i = m->ndim - 1; i >= 0; i--) {
        stride[i] = s;
        s *= m->shape[i];
    }
    m->ndim = ndim;
    m->n = 1;
    for (int i = 0; i < ndim; i++) m->n *= m->shape[i] = shape[i];
    for (int64_t k = 0; k < m->n; k++) {
        int64_t at = base, rest = k;
        for (int i = ndim - 1; i >= 0; i--) {
            if (from[i] >= 0) at += rest % shape[i] * step[i] * stride[from[i]];
            rest /= shape[i];
        }
        m->v[k] = old.v[at];
    }
}

static int64_t stride_of(const struct model *m, int d)
{
    int64_t s = 1;
    for (int i = d + 1; i < m->ndim; i++) s *= m->shape[i];
    return s;
}

/* m[.., start + step * i, ..], n of them. */
static void take_range(struct model *m, int d, int64_t start, int64_t n, int64_t step)
{
    int64_t shape[WK_MAX_DIMS], steps[WK_MAX_DIMS];
    int     from[WK_MAX_DIMS];
    for (int i = 0; i < m->ndim; i++) {
        shape[i] = i == d ? n : m->shape[i];
        steps[i] = i == d ? step : 1;
        from[i] = i;
    }
    take(m, m->ndim, shape, from, steps, start * stride_of(m, d));
}

static void remove_dim(struct model *m, int d)
{
    for (int i = d; i + 1 < m->ndim; i++) m->shape[i] = m->shape[i + 1];
    m->ndim--;
}
static void insert_dim(struct model *m, int d)
{
    for (int i = m->ndim; i > d; i--) m->shape[i] = m->shape[i - 1];
    m->shape[d] = 1;
    m->ndim++;
}

/* The size of x[start:stop:step] and its first index, by counting as Python's range of clipped ends does. */
static int64_t python_slice(int64_t n, int64_t *start, int64_t stop, int64_t step)
{
    if (*start < 0) *start += n;
    if (stop < 0) stop += n;
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    if (*start < low) *start = low;
    if (*start > high) *start = high;
    if (stop < low) stop = low;
    if (stop > high) stop = high;
    int64_t count = 0;
    for (int64_t i = *start; step > 0 ? i < stop : i > stop; i += step) count++;
    return count;
}

static int either_sign(int d, int ndim)
{
    return below(2) ? d : d - ndim;
}

static wk_tensor view_slice(wk_ctx *c, wk_tensor x, struct model *m, int d, int arg)
{
    const int64_t n = m->shape[d], stop = below(2 * n + 5) - n - 2;
    int64_t       start = below(2 * n + 5) - n - 2, step = below(3) + 1;
    if (below(2)) step = -step;
    wk_tensor     y = wk_slice(c, x, arg, start, stop, step);
    const int64_t count = python_slice(n, &start, stop, step);
    if (count == 0 && below(10)) { /* mostly not empty, or chains end early */
        return x;
    }
    take_range(m, d, count ? start : 0, count, step);
    return y;
}

static wk_tensor view_expand(wk_ctx *c, wk_tensor x, struct model *m)
{
    wk_shape s = {.ndim = m->ndim};
    int64_t  steps[WK_MAX_DIMS], n = m->n;
    int      from[WK_MAX_DIMS];
    if (s.ndim < WK_MAX_DIMS && below(3) == 0) s.ndim++;
    const int lead = s.ndim - m->ndim;
    int64_t   want[WK_MAX_DIMS];
    for (int i = 0; i < s.ndim; i++) {
        const int64_t have = i < lead ? 1 : m->shape[i - lead];
        want[i] = have == 1 && n * 3 <= MOST ? below(3) + 1 : have;
        if (have == 1) n *= want[i];
        from[i] = have == 1 ? -1 : i - lead;
        steps[i] = 1;
        s.dim[i] = i >= lead && want[i] == have && below(2) ? -1 : want[i];
    }
    take(m, s.ndim, want, from, steps, 0);
    return wk_expand(c, x, s);
}

static wk_tensor view_reshape(wk_ctx *c, wk_tensor x, struct model *m)
{
    wk_shape s = {.ndim = (int)below(5) + 1};
    int64_t  left = m->n;
    for (int i = 0; i < s.ndim; i++) {
        int64_t size = below(4) + 1;
        while (left % size) size--;
        s.dim[i] = m->shape[i] = i == s.ndim - 1 ? left : size;
        if (i < s.ndim - 1) left /= size;
    }
    m->ndim = s.ndim;
    if (m->n && below(2)) s.dim[below(s.ndim)] = -1;
    return wk_reshape(c, x, s);
}

static wk_tensor view_permute(wk_ctx *c, wk_tensor x, struct model *m, bool two)
{
    wk_shape p = {.ndim = m->ndim};
    int      from[WK_MAX_DIMS];
    int64_t  shape[WK_MAX_DIMS], steps[WK_MAX_DIMS];
    for (int i = 0; i < m->ndim; i++) from[i] = i;
    const int a = (int)below(m->ndim), b = (int)below(m->ndim);
    for (int i = two ? 1 : m->ndim; i > 0; i--) {
        const int j = two ? a : i - 1, k = two ? b : (int)below(i), t = from[j];
        from[j] = from[k];
        from[k] = t;
    }
    for (int i = 0; i < m->ndim; i++) {
        p.dim[i] = either_sign(from[i], m->ndim);
        shape[i] = m->shape[from[i]];
        steps[i] = 1;
    }
    const int ndim = m->ndim;
    take(m, ndim, shape, from, steps, 0);
    return two ? wk_transpose(c, x, either_sign(a, ndim), either_sign(b, ndim)) : wk_permute(c, x, p);
}

static const char *const names[] = {"reshape", "permute", "transpose", "slice",     "narrow",
                                    "select",  "expand",  "squeeze",   "unsqueeze", "flatten"};
enum { N_NAMES = sizeof names / sizeof *names };

/* One random view of x, and the same of m. */
static wk_tensor random_view(wk_ctx *c, wk_tensor x, struct model *m, int which)
{
    if (which == 0) return view_reshape(c, x, m);
    if (which == 6) return view_expand(c, x, m);
    if (which == 8) {
        if (m->ndim == WK_MAX_DIMS) return x;
        const int d = (int)below(m->ndim + 1), arg = either_sign(d, m->ndim + 1);
        insert_dim(m, d);
        return wk_unsqueeze(c, x, arg);
    }
    if (m->ndim == 0) return x;
    const int     ndim = m->ndim, d = (int)below(ndim), arg = either_sign(d, ndim);
    const int64_t n = m->shape[d];
    if (which == 1 || which == 2) return view_permute(c, x, m, which == 2);
    if (which == 3) return view_slice(c, x, m, d, arg);
    if (which == 4) {
        const int64_t start = below(n + 1), left = n - start,
                      length = left ? left - below((left + 1) / 2) : 0;
        if (length == 0 && below(10)) return x;
        take_range(m, d, start, length, 1);
        return wk_narrow(c, x, arg, start, length);
    }
    if (which == 5) {
        if (n == 0 || below(2)) return x;
        const int64_t at = below(n);
        take_range(m, d, at, 1, 1);
        remove_dim(m, d);
        return wk_select(c, x, arg, below(2) ? at : at - n);
    }
    if (which == 7) {
        if (n == 1) remove_dim(m, d);
        return wk_squeeze(c, x, arg);
    }
    const int last = d + (int)below(ndim - d);
    int64_t   size = 1;
    for (int i = d; i <= last; i++) size *= m->shape[i];
    for (int i = d; i < last; i++) remove_dim(m, d);
    m->shape[d] = size;
    return wk_flatten(c, x, arg, either_sign(last, ndim));
}

Test(views, chains_agree_with_a_model)
{
    static struct model m;
    static int64_t      got[MOST];
    int64_t             used[N_NAMES] = {0}, empty = 0, scalars = 0, deep = 0;
    wk_ctx             *c = wk_ctx_new("cpu");
    for (int chain = 0; chain < 1500; chain++) {
        const wk_scope s = wk_scope_begin(c);
        char           path[512] = "";
        state = (uint64_t)chain;
        m = (struct model){.ndim = 3, .shape = {1 + below(5), 1 + below(6), 1 + below(8)}};
        m.n = m.shape[0] * m.shape[1] * m.shape[2];
        for (int64_t i = 0; i < m.n; i++) m.v[i] = i;
        wk_tensor x = wk_make(c, m.v, WK_i64, WK_SHAPE(m.shape[0], m.shape[1], m.shape[2]));
        for (int step = 0; step < 20; step++) {
            const int which = (int)below(N_NAMES);
            x = random_view(c, x, &m, which);
            used[which]++;
            strncat(path, names[which], sizeof path - strlen(path) - 2);
            strcat(path, " ");
            cr_assert_eq(wk_ctx_status(c), WK_OK, "chain %d: %s: %s", chain, path, wk_ctx_message(c));
            bool same = x->ndim == m.ndim && wk_count(x) == m.n;
            for (int i = 0; i < m.ndim && same; i++) same = x->shape[i] == m.shape[i];
            cr_assert(same, "chain %d: %s: another shape", chain, path);
            cr_assert_eq(wk_read(c, x, got), WK_OK);
            cr_assert(memcmp(got, m.v, (size_t)m.n * sizeof *got) == 0, "chain %d: %s: other values", chain,
                      path);
            empty += m.n == 0;
            scalars += m.ndim == 0;
            deep += m.ndim == WK_MAX_DIMS;
        }
        wk_scope_end(c, s, WK_NONE);
    }
    for (int i = 0; i < N_NAMES; i++) cr_assert_gt(used[i], 1000, "%s was hardly used", names[i]);
    cr_assert(empty > 10 && scalars > 10 && deep > 10, "%lld empty, %lld scalars, %lld of 8 dims",
              (long long)empty, (long long)scalars, (long long)deep);
    wk_ctx_free(c);
}

static wk_tensor bad_view(wk_ctx *c, wk_tensor x, int i)
{
    wk_tensor zero = wk_reshape(c, wk_narrow(c, wk_flatten(c, x, 0, -1), 0, 0, 1), WK_SCALAR_SHAPE);
    const int far = 7;
    wk_tensor deep = wk_reshape(c, x, WK_SHAPE(1, 1, 1, 1, 1, 1, 2, 3));
    switch (i) {
    case 0:
        return wk_reshape(c, x, WK_SHAPE(4, 2));
    case 1:
        return wk_reshape(c, x, WK_SHAPE(-1, -1));
    case 2:
        return wk_reshape(c, x, WK_SHAPE(4, -1));
    case 3:
        return wk_reshape(c, x, WK_SHAPE(-2, 3));
    case 4:
        return wk_permute(c, x, WK_DIMS(0));
    case 5:
        return wk_permute(c, x, WK_DIMS(0, 0));
    case 6:
        return wk_permute(c, x, WK_DIMS(0, 2));
    case 7:
        return wk_transpose(c, x, 0, 2);
    case 8:
        return wk_transpose(c, x, -3, 0);
    case 9:
        return wk_slice(c, x, far, 0, 1, 1);
    case 10:
        return wk_slice(c, x, 0, 0, 1, 0);
    case 11:
        return wk_slice(c, zero, 0, 0, 1, 1);
    case 12:
        return wk_narrow(c, x, 0, 1, 2);
    case 13:
        return wk_narrow(c, x, 0, 0, -1);
    case 14:
        return wk_narrow(c, x, 0, INT64_MAX, 2);
    case 15:
        return wk_select(c, x, 1, 3);
    case 16:
        return wk_select(c, x, 1, -4);
    case 17:
        return wk_select(c, zero, 0, 0);
    case 18:
        return wk_expand(c, x, WK_SHAPE(3));
    case 19:
        return wk_expand(c, x, WK_SHAPE(4, 3));
    case 20:
        return wk_expand(c, x, WK_SHAPE(-1, 2, 3));
    case 21:
        return wk_squeeze(c, x, 2);
    case 22:
        return wk_unsqueeze(c, x, 4);
    case 23:
        return wk_unsqueeze(c, deep, 0);
    case 24:
        return wk_flatten(c, x, 1, 0);
    default:
        return wk_flatten(c, x, 0, 2);
    }
}

Test(views, errors_name_the_view)
{
    static const struct {
        const char *op;
        wk_status   s;
    } wanted[] = {
        {"reshape", WK_ESHAPE}, {"reshape", WK_ESHAPE}, {"reshape", WK_ESHAPE}, {"reshape", WK_ESHAPE},
        {"permute", WK_EARG},   {"permute", WK_EARG},   {"permute", WK_EARG},   {"transpose", WK_EARG},
        {"transpose", WK_EARG}, {"slice", WK_EARG},     {"slice", WK_EARG},     {"slice", WK_ESHAPE},
        {"narrow", WK_EINDEX},  {"narrow", WK_EINDEX},  {"narrow", WK_EINDEX},  {"select", WK_EINDEX},
        {"select", WK_EINDEX},  {"select", WK_ESHAPE},  {"expand", WK_ESHAPE},  {"expand", WK_ESHAPE},
        {"expand", WK_ESHAPE},  {"squeeze", WK_EARG},   {"unsqueeze", WK_EARG}, {"unsqueeze", WK_EARG},
        {"flatten", WK_EARG},   {"flatten", WK_EARG}};
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor x = wk_make(c, (float[]){1, 2, 3, 4, 5, 6}, WK_f32, WK_SHAPE(2, 3));
    for (int i = 0; i < (int)(sizeof wanted / sizeof *wanted); i++) {
        cr_assert(wk_is_none(bad_view(c, x, i)), "case %d gives a tensor", i);
        cr_expect_eq(wk_ctx_status(c), wanted[i].s, "case %d: %s", i, wk_ctx_message(c));
        const size_t n = strlen(wanted[i].op);
        cr_expect(strncmp(wk_ctx_message(c), wanted[i].op, n) == 0 && wk_ctx_message(c)[n] == ':',
                  "case %d: %s", i, wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    float out[6];
    cr_assert_eq(wk_read(c, x, out), WK_OK);
    cr_assert_eq(out[5], 6.0f);
    wk_ctx_free(c);
}

Test(views, shapes_that_cannot_be)
{
    wk_ctx        *c = wk_ctx_new("cpu");
    const wk_shape shapes[] = {WK_SHAPE(-1),
                               WK_SHAPE((int64_t)1 << 40, (int64_t)1 << 40),
                               WK_SHAPE(INT64_MAX),
                               {.ndim = 9},
                               {.ndim = -1},
                               WK_SHAPE(0, INT64_MAX, INT64_MAX),
                               WK_SHAPE(INT64_MAX, INT64_MAX)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        cr_expect(wk_is_none(wk_zeros(c, WK_f32, shapes[i])), "shape %zu", i);
        cr_expect_eq(wk_ctx_status(c), WK_ESHAPE, "shape %zu: %s", i, wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    cr_assert(wk_is_none(wk_zeros(c, WK_q4_0, WK_SHAPE(2, 33))));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_zeros(c, WK_DTYPE_COUNT, WK_SHAPE(2))));
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE, "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_expand(c, wk_scalar(c, 1), WK_SHAPE((int64_t)1 << 32, (int64_t)1 << 32))));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    wk_item(c, wk_zeros(c, WK_f32, WK_SHAPE(2)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}
