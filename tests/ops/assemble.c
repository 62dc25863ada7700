/* Cases of what puts values in other places, or only gives them other dims: each value of a result is one of
 * an input, or zero. */
#include "tests/ops/cases.h"

#include <math.h>

struct place_case {
    const char *op;
    wk_tensor (*run)(wk_ctx *c, const wk_tensor *x, const struct op_case *k);
    /* Which value of which input (0 to begin with) the result has at these coordinates; -1: zero. */
    int64_t (*from)(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                    const int64_t *at, int *which);
    int      n;
    wk_shape in[4], out;
    int64_t  a, b, c; /* arguments */
    wk_shape dims;    /* likewise */
};

static const struct place_case *row(const struct op_case *k)
{
    return k->row;
}

static int64_t index_of(const struct values *x, const int64_t *at)
{
    int64_t i = 0;
    for (int d = 0; d < x->ndim; d++) i = i * x->shape[d] + at[d];
    return i;
}

/* A result of another shape than the case says is all NaN. */
static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const wk_shape want = row(k)->out;
    bool           fit = want.ndim == y->ndim;
    for (int d = 0; d < y->ndim && fit; d++) fit = want.dim[d] == y->shape[d];
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS] = {0}, rest = i;
        int     which = 0;
        for (int d = y->ndim - 1; d >= 0; d--) {
            at[d] = rest % y->shape[d];
            rest /= y->shape[d];
        }
        const int64_t from = fit ? row(k)->from(k, x, y, i, at, &which) : -1;
        y->v[i] = !fit ? (double)NAN : from < 0 ? 0 : x[which].v[from];
    }
}

/* ---- the same values in the same order ---- */

static int64_t same_order(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                          const int64_t *at, int *which)
{
    (void)k, (void)x, (void)y, (void)at, (void)which;
    return i;
}
static wk_tensor run_atleast(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor (*const all[])(wk_ctx *, wk_tensor) = {wk_atleast_1d, wk_atleast_2d, wk_atleast_3d};
    return all[row(k)->a - 1](c, x[0]);
}
static wk_tensor run_squeeze(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_squeeze_dims(c, x[0], row(k)->dims);
}

/* ---- swapaxes: a and b, as they are given; the places are those of the dims swapped ---- */

static wk_tensor run_swap(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_swapaxes(c, x[0], (int)row(k)->a, (int)row(k)->b);
}
static int64_t swapped(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                       const int64_t *at, int *which)
{
    const int n = x->ndim, a = (int)(row(k)->a + n) % n, b = (int)(row(k)->b + n) % n;
    int64_t   in[WK_MAX_DIMS];
    (void)y, (void)i, (void)which;
    for (int d = 0; d < n; d++) in[d] = at[d == a ? b : d == b ? a : d];
    return index_of(x, in);
}

/* ---- joining: a the dim along which ---- */

static wk_tensor run_hstack(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_hstack(c, k->n_in, x);
}
static wk_tensor run_vstack(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_vstack(c, k->n_in, x);
}
static wk_tensor run_dstack(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_dstack(c, k->n_in, x);
}
static wk_tensor run_columns(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_column_stack(c, k->n_in, x);
}
static int64_t joined(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                      const int64_t *at, int *which)
{
    const int d = (int)row(k)->a;
    int64_t   outer = 1, inner = 1, here = at[d];
    for (int j = 0; j < y->ndim; j++) {
        outer *= j < d ? y->shape[j] : 1;
        inner *= j > d ? y->shape[j] : 1;
    }
    for (;; ++*which) {
        const int64_t size = x[*which].n / (outer * inner);
        if (here < size) return (i / (y->shape[d] * inner) * size + here) * inner + i % inner;
        here -= size;
    }
}

static wk_tensor run_blocks(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_block_diag(c, k->n_in, x);
}
static int64_t in_block(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                        const int64_t *at, int *which)
{
    int64_t top = 0, left = 0;
    (void)y, (void)i;
    for (*which = 0; *which < k->n_in; ++*which) {
        const struct values *m = &x[*which];
        const int64_t        rows = m->ndim == 2 ? m->shape[0] : 1, cols = m->ndim == 2 ? m->shape[1] : m->n;
        if (at[0] < top + rows)
            return at[1] < left || at[1] >= left + cols ? -1 : (at[0] - top) * cols + at[1] - left;
        top += rows;
        left += cols;
    }
    return -1;
}

/* ---- tile ---- */

static wk_tensor run_tile(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_tile(c, x[0], row(k)->dims);
}
static int64_t tiled(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                     const int64_t *at, int *which)
{
    int64_t in[WK_MAX_DIMS];
    (void)k, (void)i, (void)which;
    for (int d = 0; d < x->ndim; d++) in[d] = at[y->ndim - x->ndim + d] % x->shape[d];
    return index_of(x, in);
}

/* ---- diagonal_scatter into a matrix of the dims a and b, c beside its diagonal ---- */

static wk_tensor run_diagonal(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_diagonal_scatter(c, x[0], x[1], row(k)->c, (int)row(k)->a, (int)row(k)->b);
}
static int64_t on_diagonal(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                           const int64_t *at, int *which)
{
    const int     a = (int)(row(k)->a + y->ndim) % y->ndim, b = (int)(row(k)->b + y->ndim) % y->ndim;
    const int64_t offset = row(k)->c;
    int64_t       in[WK_MAX_DIMS];
    int           n = 0;
    if (at[b] - at[a] != offset) return i;
    for (int d = 0; d < y->ndim; d++)
        if (d != a && d != b) in[n++] = at[d];
    in[n] = offset > 0 ? at[a] : at[b];
    *which = 1;
    return index_of(&x[1], in);
}

/* ---- channels and places: a the factor, or the groups ---- */

static wk_tensor run_shuffle(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_pixel_shuffle(c, x[0], row(k)->a);
}
static wk_tensor run_unshuffle(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_pixel_unshuffle(c, x[0], row(k)->a);
}
static wk_tensor run_groups(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_channel_shuffle(c, x[0], row(k)->a);
}
static int64_t shuffled(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                        const int64_t *at, int *which)
{
    const int64_t r = row(k)->a;
    const int     n = y->ndim;
    int64_t       in[WK_MAX_DIMS];
    (void)i, (void)which;
    for (int d = 0; d < n; d++) in[d] = at[d];
    in[n - 3] = at[n - 3] * r * r + at[n - 2] % r * r + at[n - 1] % r;
    in[n - 2] /= r;
    in[n - 1] /= r;
    return index_of(x, in);
}
static int64_t unshuffled(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                          const int64_t *at, int *which)
{
    const int64_t r = row(k)->a;
    const int     n = y->ndim;
    int64_t       in[WK_MAX_DIMS];
    (void)i, (void)which;
    for (int d = 0; d < n; d++) in[d] = at[d];
    in[n - 3] /= r * r;
    in[n - 2] = at[n - 2] * r + at[n - 3] / r % r;
    in[n - 1] = at[n - 1] * r + at[n - 3] % r;
    return index_of(x, in);
}
static int64_t in_groups(const struct op_case *k, const struct values *x, const struct values *y, int64_t i,
                         const int64_t *at, int *which)
{
    const int64_t groups = row(k)->a;
    int64_t       in[WK_MAX_DIMS];
    (void)i, (void)which;
    for (int d = 0; d < y->ndim; d++) in[d] = at[d];
    in[1] = at[1] % groups * (x->shape[1] / groups) + at[1] / groups;
    return index_of(x, in);
}

#define S(...)  WK_SHAPE(__VA_ARGS__)
#define NO_DIMS WK_SCALAR_SHAPE
static const struct place_case cases[] = {
    {"atleast_1d", run_atleast, same_order, 1, {NO_DIMS}, S(1), .a = 1},
    {"atleast_1d", run_atleast, same_order, 1, {S(5)}, S(5), .a = 1},
    {"atleast_1d", run_atleast, same_order, 1, {S(2, 0)}, S(2, 0), .a = 1},
    {"atleast_2d", run_atleast, same_order, 1, {NO_DIMS}, S(1, 1), .a = 2},
    {"atleast_2d", run_atleast, same_order, 1, {S(5)}, S(1, 5), .a = 2},
    {"atleast_2d", run_atleast, same_order, 1, {S(3, 5)}, S(3, 5), .a = 2},
    {"atleast_3d", run_atleast, same_order, 1, {NO_DIMS}, S(1, 1, 1), .a = 3},
    {"atleast_3d", run_atleast, same_order, 1, {S(5)}, S(1, 5, 1), .a = 3},
    {"atleast_3d", run_atleast, same_order, 1, {S(3, 5)}, S(3, 5, 1), .a = 3},
    {"atleast_3d", run_atleast, same_order, 1, {S(2, 3, 1, 2)}, S(2, 3, 1, 2), .a = 3},
    {"squeeze_dims", run_squeeze, same_order, 1, {S(3, 1, 4, 1)}, S(3, 4), .dims = WK_ALL_DIMS},
    {"squeeze_dims", run_squeeze, same_order, 1, {S(1, 3, 1, 4)}, S(3, 1, 4), .dims = S(0, -1)},
    {"squeeze_dims", run_squeeze, same_order, 1, {S(1, 3, 1, 4)}, S(3, 4), .dims = S(-2, 0)},
    {"squeeze_dims", run_squeeze, same_order, 1, {S(1, 0, 1)}, S(0), .dims = WK_ALL_DIMS},
    {"squeeze_dims", run_squeeze, same_order, 1, {NO_DIMS}, NO_DIMS, .dims = WK_ALL_DIMS},
    {"swapaxes", run_swap, swapped, 1, {S(3, 4, 5)}, S(5, 4, 3), .a = 0, .b = -1},
    {"swapaxes", run_swap, swapped, 1, {S(3, 4, 2)}, S(3, 2, 4), .a = 2, .b = 1},
    {"swapaxes", run_swap, swapped, 1, {S(3, 4)}, S(3, 4), .a = 1, .b = 1},
    {"swapaxes", run_swap, swapped, 1, {S(0, 4)}, S(4, 0), .a = -2, .b = -1},
    {"hstack", run_hstack, joined, 3, {NO_DIMS, S(4), S(2)}, S(7), .a = 0},
    {"hstack", run_hstack, joined, 3, {S(3, 2), S(3, 1), S(3, 4)}, S(3, 7), .a = 1},
    {"hstack", run_hstack, joined, 2, {S(2, 1, 3), S(2, 2, 3)}, S(2, 3, 3), .a = 1},
    {"hstack", run_hstack, joined, 2, {S(0), S(3)}, S(3), .a = 0},
    {"vstack", run_vstack, joined, 3, {S(4), S(2, 4), S(4)}, S(4, 4), .a = 0},
    {"vstack", run_vstack, joined, 2, {NO_DIMS, NO_DIMS}, S(2, 1), .a = 0},
    {"vstack", run_vstack, joined, 2, {S(1, 2, 3), S(3, 2, 3)}, S(4, 2, 3), .a = 0},
    {"vstack", run_vstack, joined, 2, {S(0, 3), S(2, 3)}, S(2, 3), .a = 0},
    {"dstack", run_dstack, joined, 3, {S(4), S(1, 4), S(1, 4, 3)}, S(1, 4, 5), .a = 2},
    {"dstack", run_dstack, joined, 2, {S(2, 3), S(2, 3)}, S(2, 3, 2), .a = 2},
    {"dstack", run_dstack, joined, 2, {NO_DIMS, NO_DIMS}, S(1, 1, 2), .a = 2},
    {"column_stack", run_columns, joined, 3, {S(3), S(3, 2), S(3)}, S(3, 4), .a = 1},
    {"column_stack", run_columns, joined, 2, {NO_DIMS, NO_DIMS}, S(1, 2), .a = 1},
    {"column_stack", run_columns, joined, 2, {S(2, 2, 3), S(2, 1, 3)}, S(2, 3, 3), .a = 1},
    {"block_diag", run_blocks, in_block, 4, {S(2, 3), S(4), NO_DIMS, S(3, 1)}, S(7, 9), .a = 0},
    {"block_diag", run_blocks, in_block, 1, {S(3, 2)}, S(3, 2), .a = 0},
    {"block_diag", run_blocks, in_block, 3, {S(2, 0), S(2, 2), S(0, 1)}, S(4, 3), .a = 0},
    {"tile", run_tile, tiled, 1, {S(2, 3)}, S(2, 12), .dims = S(4)},
    {"tile", run_tile, tiled, 1, {S(2, 3)}, S(2, 4, 3), .dims = S(2, 2, 1)},
    {"tile", run_tile, tiled, 1, {S(2, 3, 2)}, S(2, 6, 6), .dims = S(2, 3)},
    {"tile", run_tile, tiled, 1, {NO_DIMS}, S(3, 2), .dims = S(3, 2)},
    {"tile", run_tile, tiled, 1, {S(2, 3)}, S(0, 3), .dims = S(0, 1)},
    {"tile", run_tile, tiled, 1, {S(2, 3)}, S(2, 3), .dims = NO_DIMS},
    {"diagonal_scatter", run_diagonal, on_diagonal, 2, {S(4, 5), S(4)}, S(4, 5), .a = 0, .b = 1, .c = 0},
    {"diagonal_scatter", run_diagonal, on_diagonal, 2, {S(4, 5), S(3)}, S(4, 5), .a = 0, .b = 1, .c = 2},
    {"diagonal_scatter", run_diagonal, on_diagonal, 2, {S(4, 5), S(3)}, S(4, 5), .a = 1, .b = 0, .c = 1},
    {"diagonal_scatter",
     run_diagonal,
     on_diagonal,
     2,
     {S(3, 2, 4), S(2, 2)},
     S(3, 2, 4),
     .a = -3,
     .b = -1,
     .c = -1},
    {"diagonal_scatter",
     run_diagonal,
     on_diagonal,
     2,
     {S(3, 2, 4), S(2, 0)},
     S(3, 2, 4),
     .a = 0,
     .b = 2,
     .c = 9},
    {"pixel_shuffle", run_shuffle, shuffled, 1, {S(2, 8, 3, 4)}, S(2, 2, 6, 8), .a = 2},
    {"pixel_shuffle", run_shuffle, shuffled, 1, {S(9, 2, 3)}, S(1, 6, 9), .a = 3},
    {"pixel_shuffle", run_shuffle, shuffled, 1, {S(2, 1, 4, 1, 2)}, S(2, 1, 1, 2, 4), .a = 2},
    {"pixel_shuffle", run_shuffle, shuffled, 1, {S(0, 4, 2, 2)}, S(0, 1, 4, 4), .a = 2},
    {"pixel_shuffle", run_shuffle, shuffled, 1, {S(2, 3, 4)}, S(2, 3, 4), .a = 1},
    {"pixel_unshuffle", run_unshuffle, unshuffled, 1, {S(2, 2, 6, 4)}, S(2, 8, 3, 2), .a = 2},
    {"pixel_unshuffle", run_unshuffle, unshuffled, 1, {S(1, 6, 9)}, S(9, 2, 3), .a = 3},
    {"pixel_unshuffle", run_unshuffle, unshuffled, 1, {S(2, 1, 1, 2, 4)}, S(2, 1, 4, 1, 2), .a = 2},
    {"pixel_unshuffle", run_unshuffle, unshuffled, 1, {S(0, 4, 2, 2)}, S(0, 16, 1, 1), .a = 2},
    {"channel_shuffle", run_groups, in_groups, 1, {S(2, 6, 3)}, S(2, 6, 3), .a = 2},
    {"channel_shuffle", run_groups, in_groups, 1, {S(1, 6, 2, 3)}, S(1, 6, 2, 3), .a = 3},
    {"channel_shuffle", run_groups, in_groups, 1, {S(1, 4, 1, 2, 3)}, S(1, 4, 1, 2, 3), .a = 4},
    {"channel_shuffle", run_groups, in_groups, 1, {S(0, 4, 2)}, S(0, 4, 2), .a = 2},
};

void family_assemble(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32,  WK_f64,    WK_f16, WK_bf16, WK_i64,
                                      WK_bool, WK_f8e4m3, WK_i32, WK_u8,   WK_i8};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
            struct op_case k = {.op = cases[i].op,
                                .run = cases[i].run,
                                .exact = exact,
                                .row = &cases[i],
                                .n_in = cases[i].n,
                                .gradient = t == 0};
            for (int n = 0; n < cases[i].n; n++) {
                const int64_t first = cases[i].in[n].ndim ? cases[i].in[n].dim[0] : 0;
                k.in[n] = (struct input){.shape = cases[i].in[n],
                                         .dtype = dtypes[t],
                                         .low = dtypes[t] == WK_u8 ? 0 : -9,
                                         .high = 9,
                                         .layout = (enum layout)((t + (size_t)n) % (first ? 4 : 3))};
            }
            visit(arg, &k);
        }
}
