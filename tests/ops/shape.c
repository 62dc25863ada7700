/* Cases of views and of shape ops that copy: each result element is an input element, told by its own index.
 * */
#include "tests/ops/cases.h"

#include <string.h>

/* What a case computes: for result index y (of its dims), the input and its flat position; -1: the constant
 * p. */
struct row {
    const char *name;
    wk_tensor (*run)(wk_ctx *c, const wk_tensor *x, const struct op_case *k);
    int (*source)(const struct op_case *k, const struct values *x, const struct values *y, const int64_t *at,
                  int64_t *from);
};

static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct row *r = k->row;
    return r->run(c, x, k);
}

static int64_t flat(const struct values *x, const int64_t *at)
{
    int64_t f = 0;
    for (int i = 0; i < x->ndim; i++) f = f * x->shape[i] + at[i];
    return f;
}

static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct row *r = k->row;
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS], rest = i, from = 0;
        for (int d = y->ndim - 1; d >= 0; d--) {
            at[d] = rest % y->shape[d];
            rest /= y->shape[d];
        }
        const int which = r->source(k, x, y, at, &from);
        y->v[i] = which < 0 ? k->p : x[which].v[from];
    }
}

static wk_tensor run_reshape(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_reshape(c, x[0], k->dims);
}
static int from_reshape(const struct op_case *k, const struct values *x, const struct values *y,
                        const int64_t *at, int64_t *from)
{
    (void)k;
    (void)x;
    *from = flat(y, at);
    return 0;
}

static wk_tensor run_permute(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_permute(c, x[0], k->dims);
}
static int from_permute(const struct op_case *k, const struct values *x, const struct values *y,
                        const int64_t *at, int64_t *from)
{
    int64_t to[WK_MAX_DIMS];
    for (int i = 0; i < y->ndim; i++) to[(k->dims.dim[i] + y->ndim) % y->ndim] = at[i];
    *from = flat(x, to);
    return 0;
}

/* dims: dim, start, stop, step; only slices whose bounds lie inside. */
static wk_tensor run_slice(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const int64_t *a = k->dims.dim;
    return wk_slice(c, x[0], (int)a[0], a[1], a[2], a[3]);
}
static int from_slice(const struct op_case *k, const struct values *x, const struct values *y,
                      const int64_t *at, int64_t *from)
{
    int64_t to[WK_MAX_DIMS];
    memcpy(to, at, sizeof to);
    const int d = (int)k->dims.dim[0];
    to[d] = k->dims.dim[1] + at[d] * k->dims.dim[3];
    (void)y;
    *from = flat(x, to);
    return 0;
}

static wk_tensor run_expand(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_expand(c, x[0], k->dims);
}
static wk_tensor run_repeat(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_repeat(c, x[0], k->dims);
}
/* Also expand: indices modulo the input's sizes. */
static int from_repeat(const struct op_case *k, const struct values *x, const struct values *y,
                       const int64_t *at, int64_t *from)
{
    int64_t   to[WK_MAX_DIMS];
    const int lead = y->ndim - x->ndim;
    (void)k;
    for (int i = 0; i < x->ndim; i++) to[i] = at[i + lead] % x->shape[i];
    *from = flat(x, to);
    return 0;
}

/* dims.dim[0]: the dim */
static wk_tensor run_cat(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_cat(c, k->n_in, x, (int)k->dims.dim[0]);
}
static int from_cat(const struct op_case *k, const struct values *x, const struct values *y,
                    const int64_t *at, int64_t *from)
{
    int64_t   to[WK_MAX_DIMS];
    const int d = (int)k->dims.dim[0];
    int       which = 0;
    memcpy(to, at, sizeof to);
    while (to[d] >= x[which].shape[d]) to[d] -= x[which++].shape[d];
    (void)y;
    *from = flat(&x[which], to);
    return which;
}

static wk_tensor run_stack(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_stack(c, k->n_in, x, (int)k->dims.dim[0]);
}
static int from_stack(const struct op_case *k, const struct values *x, const struct values *y,
                      const int64_t *at, int64_t *from)
{
    int64_t   to[WK_MAX_DIMS] = {0};
    const int d = (int)k->dims.dim[0];
    for (int i = 0, j = 0; i < y->ndim; i++)
        if (i != d) to[j++] = at[i];
    *from = flat(x, to);
    return (int)at[d];
}

/* dims: pairs as wk_pad takes them */
static wk_tensor run_pad(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_pad(c, x[0], k->dims.ndim, k->dims.dim, k->p);
}
static int from_pad(const struct op_case *k, const struct values *x, const struct values *y,
                    const int64_t *at, int64_t *from)
{
    int64_t to[WK_MAX_DIMS];
    memcpy(to, at, sizeof to);
    for (int i = 0; i < k->dims.ndim / 2; i++) to[y->ndim - 1 - i] -= k->dims.dim[2 * i];
    for (int i = 0; i < y->ndim; i++)
        if (to[i] < 0 || to[i] >= x->shape[i]) return -1;
    *from = flat(x, to);
    return 0;
}

/* dims.dim[0]: the diagonal; keep: lower */
static wk_tensor run_triangle(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return (k->keep ? wk_tril : wk_triu)(c, x[0], k->dims.dim[0]);
}
static int from_triangle(const struct op_case *k, const struct values *x, const struct values *y,
                         const int64_t *at, int64_t *from)
{
    const int64_t offset = at[y->ndim - 1] - at[y->ndim - 2];
    (void)x;
    *from = flat(y, at);
    return (k->keep ? offset <= k->dims.dim[0] : offset >= k->dims.dim[0]) ? 0 : -1;
}

/* dims: the dims turned round */
static wk_tensor run_flip(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_flip(c, x[0], k->dims);
}
static int from_flip(const struct op_case *k, const struct values *x, const struct values *y,
                     const int64_t *at, int64_t *from)
{
    int64_t to[WK_MAX_DIMS];
    memcpy(to, at, sizeof to);
    for (int i = 0; i < k->dims.ndim; i++) {
        const int64_t d = (k->dims.dim[i] + y->ndim) % y->ndim;
        to[d] = y->shape[d] - 1 - at[d];
    }
    *from = flat(x, to);
    return 0;
}

/* dims: shifts of all dims, or of all values */
static wk_tensor run_roll(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_roll(c, x[0], k->dims, k->dims.ndim == 1 ? WK_ALL_DIMS : WK_DIMS(0, 1, 2));
}
static int from_roll(const struct op_case *k, const struct values *x, const struct values *y,
                     const int64_t *at, int64_t *from)
{
    int64_t to[WK_MAX_DIMS] = {0};
    for (int i = 0; i < y->ndim && k->dims.ndim == 3; i++)
        to[i] = ((at[i] - k->dims.dim[i]) % y->shape[i] + y->shape[i]) % y->shape[i];
    *from = k->dims.ndim == 3 ? flat(x, to) : ((flat(y, at) - k->dims.dim[0]) % y->n + y->n) % y->n;
    return 0;
}

/* dims: offset and the two dims, of x with three; keep: embedded in zeros */
static wk_tensor run_diagonal(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const int64_t *a = k->dims.dim;
    if (k->keep) return wk_diag_embed(c, x[0], a[0], (int)a[1], (int)a[2]);
    return wk_diagonal(c, x[0], a[0], (int)a[1], (int)a[2]);
}
static int from_diagonal(const struct op_case *k, const struct values *x, const struct values *y,
                         const int64_t *at, int64_t *from)
{
    const int64_t *a = k->dims.dim, row = a[0] < 0 ? -a[0] : 0, col = a[0] > 0 ? a[0] : 0;
    int64_t        to[WK_MAX_DIMS] = {0};
    int            n = 0;
    if (k->keep) {
        for (int i = 0; i < y->ndim; i++)
            if (i != a[1] && i != a[2]) to[n++] = at[i];
        to[n] = at[a[1]] - row;
        *from = flat(x, to);
        return at[a[2]] - at[a[1]] == a[0] ? 0 : -1;
    }
    for (int i = 0; i < x->ndim; i++)
        if (i != a[1] && i != a[2]) to[i] = at[n++];
    to[a[1]] = at[n] + row;
    to[a[2]] = at[n] + col;
    *from = flat(x, to);
    return 0;
}

/* dims: dim, size, step */
static wk_tensor run_unfold(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_unfold(c, x[0], (int)k->dims.dim[0], k->dims.dim[1], k->dims.dim[2]);
}
static int from_unfold(const struct op_case *k, const struct values *x, const struct values *y,
                       const int64_t *at, int64_t *from)
{
    int64_t   to[WK_MAX_DIMS];
    const int d = (int)k->dims.dim[0];
    memcpy(to, at, sizeof to);
    to[d] = at[d] * k->dims.dim[2] + at[y->ndim - 1];
    *from = flat(x, to);
    return 0;
}

/* [5, 4] windows from 3 on, 7 and 2 apart */
static wk_tensor run_strided(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_as_strided(c, wk_contiguous(c, x[0]), WK_SHAPE(5, 4), WK_SHAPE(7, 2), 3);
}
static int from_strided(const struct op_case *k, const struct values *x, const struct values *y,
                        const int64_t *at, int64_t *from)
{
    (void)k;
    (void)x;
    (void)y;
    *from = 3 + 7 * at[0] + 2 * at[1];
    return 0;
}

/* dims: dim, start, stop, step of x [4, 6, 5], where the second input goes; keep: at one index instead */
static wk_tensor run_into(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const int64_t *a = k->dims.dim;
    if (k->keep) return wk_select_scatter(c, x[0], x[1], (int)a[0], a[1]);
    return wk_slice_scatter(c, x[0], x[1], (int)a[0], a[1], a[2], a[3]);
}
static int from_into(const struct op_case *k, const struct values *x, const struct values *y,
                     const int64_t *at, int64_t *from)
{
    const int64_t *a = k->dims.dim;
    int64_t        to[WK_MAX_DIMS];
    memcpy(to, at, sizeof to);
    *from = flat(y, at);
    if (k->keep ? at[a[0]] != a[1] : at[a[0]] < a[1] || at[a[0]] >= a[2] || (at[a[0]] - a[1]) % a[3])
        return 0;
    if (k->keep)
        for (int i = (int)a[0]; i + 1 < y->ndim; i++) to[i] = at[i + 1];
    else
        to[a[0]] = (at[a[0]] - a[1]) / a[3];
    *from = flat(&x[1], to);
    return 1;
}

/* dims: dim, times */
static wk_tensor run_each(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const int64_t *a = k->dims.dim;
    if (!k->keep) return wk_repeat_interleave(c, x[0], a[1], (int)a[0]);
    return wk_repeat_interleave_each(c, x[0], wk_full(c, (double)a[1], WK_i64, WK_SHAPE(1)), (int)a[0]);
}
static int from_each(const struct op_case *k, const struct values *x, const struct values *y,
                     const int64_t *at, int64_t *from)
{
    int64_t to[WK_MAX_DIMS];
    memcpy(to, at, sizeof to);
    to[k->dims.dim[0]] /= k->dims.dim[1];
    (void)y;
    *from = flat(x, to);
    return 0;
}

/* dims: pads as wk_pad's; p is taken by the constant, keep is not: the mode is in dims.dim[7] */
static wk_tensor run_pad_with(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_pad_with(c, x[0], 4, k->dims.dim, (wk_pad_mode)k->dims.dim[7]);
}
static int from_pad_with(const struct op_case *k, const struct values *x, const struct values *y,
                         const int64_t *at, int64_t *from)
{
    int64_t to[WK_MAX_DIMS];
    memcpy(to, at, sizeof to);
    for (int i = 0; i < 2; i++) {
        const int     d = y->ndim - 1 - i;
        const int64_t n = x->shape[d], p = at[d] - k->dims.dim[2 * i];
        to[d] = k->dims.dim[7] == WK_PAD_REFLECT     ? (p < 0    ? -p
                                                        : p >= n ? 2 * n - 2 - p
                                                                 : p)
                : k->dims.dim[7] == WK_PAD_REPLICATE ? (p < 0    ? 0
                                                        : p >= n ? n - 1
                                                                 : p)
                                                     : (p + n) % n;
    }
    *from = flat(x, to);
    return 0;
}

/* The bits of integers as reals and back. */
static wk_tensor run_bits(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_view_dtype(c, wk_view_dtype(c, x[0], WK_f32), WK_i32);
}
static void exact_bits(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    memcpy(y->v, x->v, (size_t)y->n * sizeof *y->v);
}

static const struct row reshape = {"reshape", run_reshape, from_reshape},
                        permute = {"permute", run_permute, from_permute},
                        slice = {"slice", run_slice, from_slice},
                        expand = {"expand", run_expand, from_repeat},
                        repeat = {"repeat", run_repeat, from_repeat}, cat = {"cat", run_cat, from_cat},
                        stack = {"cat", run_stack, from_stack}, pad = {"pad", run_pad, from_pad},
                        triangle = {"triangle", run_triangle, from_triangle},
                        flip = {"flip", run_flip, from_flip}, roll = {"cat", run_roll, from_roll},
                        diagonal = {"diagonal", run_diagonal, from_diagonal},
                        unfold = {"unfold", run_unfold, from_unfold},
                        strided = {"as_strided", run_strided, from_strided},
                        into = {"view_scatter", run_into, from_into}, each = {"expand", run_each, from_each},
                        pad_with = {"index_select", run_pad_with, from_pad_with};

static void one(case_fn visit, void *arg, const struct row *r, const char *note, wk_shape dims, double p,
                bool keep, int n, const struct input *in)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_bf16, WK_i16, WK_bool};
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
        struct op_case k = {.op = r->name,
                            .note = note,
                            .n_in = n,
                            .run = run,
                            .exact = exact,
                            .row = r,
                            .p = p,
                            .dims = dims,
                            .keep = keep,
                            .gradient = dtypes[t] == WK_f32};
        if (dtypes[t] == WK_bool && p != 0) continue;
        for (int i = 0; i < n; i++) {
            k.in[i] = in[i];
            k.in[i].dtype = dtypes[t];
            if (dtypes[t] == WK_bool) k.in[i].high = 2;
        }
        visit(arg, &k);
    }
}

#define IN(...)                                                                                              \
    (const struct input[])                                                                                   \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

void family_shape(case_fn visit, void *arg)
{
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED, EXPANDED};
    static const char *const notes[] = {"dense", "turned", "stepped", "expanded"};
    for (int i = 0; i < 4; i++) {
        const struct input x = {.shape = WK_SHAPE(4, 6, 5), .layout = layouts[i]};
        one(visit, arg, &reshape, notes[i], WK_SHAPE(8, -1), 0, false, 1, &x);
        one(visit, arg, &reshape, notes[i], WK_SHAPE(2, 2, 3, 2, 5), 0, false, 1, &x);
        one(visit, arg, &permute, notes[i], WK_DIMS(2, 0, 1), 0, false, 1, &x);
        one(visit, arg, &permute, notes[i], WK_DIMS(-2, -1, 0), 0, false, 1, &x);
        one(visit, arg, &slice, notes[i], WK_DIMS(1, 1, 6, 2), 0, false, 1, &x);
        one(visit, arg, &slice, notes[i], WK_DIMS(2, 4, 0, -1), 0, false, 1, &x);
        one(visit, arg, &slice, notes[i], WK_DIMS(0, 2, 2, 1), 0, false, 1, &x);
        one(visit, arg, &repeat, notes[i], WK_DIMS(2, 1, 3, 2), 0, false, 1, &x);
        one(visit, arg, &repeat, notes[i], WK_DIMS(1, 0, 2), 0, false, 1, &x);
        one(visit, arg, &pad, notes[i], WK_DIMS(1, 2), 3, false, 1, &x);
        one(visit, arg, &pad, notes[i], WK_DIMS(-1, 3, 0, -2, 2, 2), 0, false, 1, &x);
        one(visit, arg, &triangle, notes[i], WK_DIMS(0), 0, true, 1, &x);
        one(visit, arg, &triangle, notes[i], WK_DIMS(-2), 0, false, 1, &x);
        one(visit, arg, &cat, notes[i], WK_DIMS(1), 0, false, 3,
            IN({.shape = WK_SHAPE(4, 2, 5)}, x, {.shape = WK_SHAPE(4, 1, 5), .layout = TURNED}));
        one(visit, arg, &stack, notes[i], WK_DIMS(2), 0, false, 2, IN(x, {.shape = WK_SHAPE(4, 6, 5)}));
        one(visit, arg, &expand, notes[i], WK_SHAPE(3, 4, 6, 5), 0, false, 1, &x);
        one(visit, arg, &flip, notes[i], WK_DIMS(2), 0, false, 1, &x);
        one(visit, arg, &flip, notes[i], WK_DIMS(0, -2), 0, false, 1, &x);
        one(visit, arg, &flip, notes[i], WK_DIMS(0, 1, 2), 0, false, 1, &x);
        one(visit, arg, &roll, notes[i], WK_DIMS(1, -2, 7), 0, false, 1, &x);
        one(visit, arg, &roll, notes[i], WK_DIMS(-31), 0, false, 1, &x);
        one(visit, arg, &diagonal, notes[i], WK_DIMS(0, 0, 1), 0, false, 1, &x);
        one(visit, arg, &diagonal, notes[i], WK_DIMS(-2, 2, 0), 0, false, 1, &x);
        one(visit, arg, &diagonal, notes[i], WK_DIMS(9, 0, 1), 0, false, 1, &x);
        one(visit, arg, &diagonal, notes[i], WK_DIMS(1, 1, 3), 0, true, 1, &x);
        one(visit, arg, &unfold, notes[i], WK_DIMS(1, 3, 1), 0, false, 1, &x);
        one(visit, arg, &unfold, notes[i], WK_DIMS(2, 2, 3), 0, false, 1, &x);
        one(visit, arg, &strided, notes[i], WK_DIMS(0), 0, false, 1, &x);
        one(visit, arg, &into, notes[i], WK_DIMS(1, 1, 6, 2), 0, false, 2,
            IN(x, {.shape = WK_SHAPE(4, 3, 5)}));
        one(visit, arg, &into, notes[i], WK_DIMS(2, 3), 0, true, 2, IN(x, {.shape = WK_SHAPE(4, 6)}));
        one(visit, arg, &each, notes[i], WK_DIMS(1, 3), 0, false, 1, &x);
        one(visit, arg, &each, notes[i], WK_DIMS(0, 2), 0, true, 1, &x);
        one(visit, arg, &pad_with, notes[i], WK_DIMS(2, 4, 5, 3, 0, 0, 0, WK_PAD_REFLECT), 0, false, 1, &x);
        one(visit, arg, &pad_with, notes[i], WK_DIMS(2, 9, -1, 3, 0, 0, 0, WK_PAD_REPLICATE), 0, false, 1,
            &x);
        one(visit, arg, &pad_with, notes[i], WK_DIMS(5, 4, 1, 0, 0, 0, 0, WK_PAD_CIRCULAR), 0, false, 1, &x);
    }
    for (int i = 0; i < 4; i++)
        visit(arg, &(struct op_case){.op = "view_dtype",
                                     .n_in = 1,
                                     .run = run_bits,
                                     .exact = exact_bits,
                                     .in = {{.shape = WK_SHAPE(4, 6),
                                             .dtype = WK_i32,
                                             .layout = layouts[i],
                                             .low = -1000,
                                             .high = 1000}}});
    one(visit, arg, &expand, "size 1", WK_SHAPE(2, 7, 3), 0, false, 1, IN({.shape = WK_SHAPE(7, 1)}));
    one(visit, arg, &expand, "0-d", WK_SHAPE(2, 3), 0, false, 1, IN({.shape = WK_SCALAR_SHAPE}));
    one(visit, arg, &reshape, "0-d", WK_SHAPE(1, 1), 0, false, 1, IN({.shape = WK_SCALAR_SHAPE}));
    one(visit, arg, &reshape, "empty", WK_SHAPE(0, 9), 0, false, 1, IN({.shape = WK_SHAPE(3, 0, 2)}));
    one(visit, arg, &permute, "8 dims", WK_DIMS(7, 6, 5, 4, 3, 2, 1, 0), 0, false, 1,
        IN({.shape = WK_SHAPE(2, 1, 3, 2, 1, 2, 2, 3)}));
    one(visit, arg, &cat, "one", WK_DIMS(0), 0, false, 1, IN({.shape = WK_SHAPE(3)}));
}
