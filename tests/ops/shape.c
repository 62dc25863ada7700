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

static const struct row reshape = {"reshape", run_reshape, from_reshape},
                        permute = {"permute", run_permute, from_permute},
                        slice = {"slice", run_slice, from_slice},
                        expand = {"expand", run_expand, from_repeat},
                        repeat = {"repeat", run_repeat, from_repeat}, cat = {"cat", run_cat, from_cat},
                        stack = {"cat", run_stack, from_stack}, pad = {"pad", run_pad, from_pad},
                        triangle = {"where", run_triangle, from_triangle};

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
    }
    one(visit, arg, &expand, "size 1", WK_SHAPE(2, 7, 3), 0, false, 1, IN({.shape = WK_SHAPE(7, 1)}));
    one(visit, arg, &expand, "0-d", WK_SHAPE(2, 3), 0, false, 1, IN({.shape = WK_SCALAR_SHAPE}));
    one(visit, arg, &reshape, "0-d", WK_SHAPE(1, 1), 0, false, 1, IN({.shape = WK_SCALAR_SHAPE}));
    one(visit, arg, &reshape, "empty", WK_SHAPE(0, 9), 0, false, 1, IN({.shape = WK_SHAPE(3, 0, 2)}));
    one(visit, arg, &permute, "8 dims", WK_DIMS(7, 6, 5, 4, 3, 2, 1, 0), 0, false, 1,
        IN({.shape = WK_SHAPE(2, 1, 3, 2, 1, 2, 2, 3)}));
    one(visit, arg, &cat, "one", WK_DIMS(0), 0, false, 1, IN({.shape = WK_SHAPE(3)}));
}
