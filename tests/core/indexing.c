/* Subscripts as a reader writes them, views made of views, and what each refuses. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <string.h>

static void holds(wk_ctx *c, wk_tensor x, wk_shape shape, const double *want, int line)
{
    double got[64];
    cr_assert_eq(wk_ctx_status(c), WK_OK, "line %d: %s", line, wk_ctx_message(c));
    cr_assert_eq(x->ndim, shape.ndim, "line %d: %d dims", line, x->ndim);
    for (int i = 0; i < x->ndim; i++)
        cr_assert_eq(x->shape[i], shape.dim[i], "line %d: size %d is %lld", line, i, (long long)x->shape[i]);
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_f64), got), WK_OK);
    for (int64_t i = 0; i < wk_count(x); i++)
        cr_assert_eq(got[i], want[i], "line %d: value %lld is %g, not %g", line, (long long)i, got[i],
                     want[i]);
}
#define HOLDS(x, shape, ...) holds(c, x, shape, (const double[]){__VA_ARGS__}, __LINE__)

/* 0 .. 11 as [3, 4] */
static wk_tensor numbers(wk_ctx *c)
{
    return wk_reshape(c, wk_arange(c, 0, 12, 1, WK_f32), WK_SHAPE(3, 4));
}
static wk_tensor list(wk_ctx *c, int n, const int64_t *v)
{
    return wk_make(c, v, WK_i64, WK_SHAPE(n));
}

Test(indexing, reads)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = numbers(c), rows = list(c, 2, (int64_t[]){2, -3}),
                    cols = list(c, 2, (int64_t[]){1, -1});
    const wk_tensor mask = wk_gt(c, x, wk_scalar(c, 8));
    HOLDS(wk_index(c, x, WK_AT(WK_I(1))), WK_SHAPE(4), 4, 5, 6, 7);
    HOLDS(wk_index(c, x, WK_AT(WK_REST, WK_I(-1))), WK_SHAPE(3), 3, 7, 11);
    HOLDS(wk_index(c, x, WK_AT(WK_RANGE(1, WK_END), WK_STEP(WK_END, WK_BEGIN, -2))), WK_SHAPE(2, 2), 7, 5, 11,
          9);
    HOLDS(wk_index(c, x, WK_AT(WK_I(0), WK_NEW, WK_RANGE(-2, 9))), WK_SHAPE(1, 2), 2, 3);
    HOLDS(wk_index(c, x, WK_AT(WK_T(rows))), WK_SHAPE(2, 4), 8, 9, 10, 11, 0, 1, 2, 3);
    HOLDS(wk_index(c, x, WK_AT(WK_T(rows), WK_T(cols))), WK_SHAPE(2), 9, 3);
    HOLDS(wk_index(c, x, WK_AT(WK_T(wk_unsqueeze(c, rows, 1)), WK_T(cols))), WK_SHAPE(2, 2), 9, 11, 1, 3);
    HOLDS(wk_index(c, x, WK_AT(WK_T(mask))), WK_SHAPE(3), 9, 10, 11);
    HOLDS(wk_index(c, x, WK_AT(WK_ALL, WK_T(wk_select(c, mask, 0, 2)))), WK_SHAPE(3, 3), 1, 2, 3, 5, 6, 7, 9,
          10, 11);
    HOLDS(wk_index(c, x, WK_AT(WK_T(wk_full(c, 0, WK_bool, WK_SCALAR_SHAPE)))), WK_SHAPE(0, 3, 4), 0);
    HOLDS(wk_index(c, x, WK_AT(WK_REST)), WK_SHAPE(3, 4), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    wk_ctx_free(c);
}

Test(indexing, writes)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = numbers(c), cols = list(c, 3, (int64_t[]){1, -1, 1});
    wk_index_write(c, x, WK_AT(WK_I(0), WK_RANGE(1, 3)), wk_scalar(c, -1));
    wk_index_write(c, x, WK_AT(WK_T(wk_gt(c, x, wk_scalar(c, 9)))), wk_scalar_int(c, 50));
    HOLDS(x, WK_SHAPE(3, 4), 0, -1, -1, 3, 4, 5, 6, 7, 8, 9, 50, 50);
    wk_index_write(c, wk_transpose(c, x, 0, 1), WK_AT(WK_STEP(WK_END, WK_BEGIN, -1), WK_I(1)),
                   wk_arange(c, 0, 4, 1, WK_i64));
    HOLDS(x, WK_SHAPE(3, 4), 0, -1, -1, 3, 3, 2, 1, 0, 8, 9, 50, 50);
    wk_index_write(c, wk_select(c, x, 0, 2), WK_AT(WK_T(cols)), wk_scalar(c, 1));
    HOLDS(wk_select(c, x, 0, 2), WK_SHAPE(4), 8, 1, 50, 1);
    const wk_tensor sum = wk_index_put(c, x, WK_AT(WK_I(0), WK_T(cols)), wk_scalar(c, 10), true);
    HOLDS(wk_select(c, sum, 0, 0), WK_SHAPE(4), 0, 19, -1, 13);
    HOLDS(wk_select(c, x, 0, 0), WK_SHAPE(4), 0, -1, -1, 3);
    wk_tape_begin(c);
    wk_index_write(c, wk_track(c, x), WK_AT(WK_I(0)), wk_scalar(c, 0));
    cr_assert_eq(wk_ctx_status(c), WK_ENOGRAD);
    wk_ctx_free(c);
}

Test(indexing, errors_name_the_index_and_the_size)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = numbers(c), far = list(c, 2, (int64_t[]){1, 7}),
                    three = list(c, 3, (int64_t[]){0, 0, 0});
    static const struct {
        wk_status   s;
        const char *says[2];
    } want[] = {{WK_EINDEX, {"7", "4"}},
                {WK_EINDEX, {"-5", "4"}},
                {WK_EINDEX, {"7", "3"}},
                {WK_EINDEX, {"7", "3"}},
                {WK_EARG, {"3 dims", "[3, 4]"}},
                {WK_ESHAPE, {"[3]", "broadcast"}},
                {WK_EINDEX, {"mask [4]", "[3, 4]"}},
                {WK_EDTYPE, {"f32", "integers"}},
                {WK_EINDEX, {"7", "3"}},
                {WK_ESHAPE, {"[5]", "[4]"}},
                {WK_EINDEX, {"7", "3"}},
                {WK_EINDEX, {"-1", "4"}},
                {WK_EINDEX, {"13", "12"}}};
    for (int i = 0; i < 13; i++) {
        const wk_tensor wide = wk_expand(c, wk_unsqueeze(c, far, 1), WK_SHAPE(2, 4));
        const wk_tensor y = i == 0   ? wk_index(c, x, WK_AT(WK_ALL, WK_T(far)))
                            : i == 1 ? wk_index(c, x, WK_AT(WK_ALL, WK_I(-5)))
                            : i == 2 ? wk_index_select(c, x, 0, far)
                            : i == 3 ? wk_gather(c, x, 0, wide)
                            : i == 4 ? wk_index(c, x, WK_AT(WK_ALL, WK_ALL, WK_ALL))
                            : i == 5 ? wk_index(c, x, WK_AT(WK_T(list(c, 2, (int64_t[]){0, 1})), WK_T(three)))
                            : i == 6 ? wk_index(c, x, WK_AT(WK_T(wk_ones(c, WK_bool, WK_SHAPE(4)))))
                            : i == 7 ? wk_index(c, x, WK_AT(WK_T(x)))
                            : i == 8 ? wk_index_put(c, x, WK_AT(WK_T(far)), wk_scalar(c, 0), false)
                            : i == 9
                                ? wk_index_put(c, x, WK_AT(WK_I(0)), wk_zeros(c, WK_f32, WK_SHAPE(5)), false)
                            : i == 10 ? wk_scatter_value(c, x, 0, wide, 1)
                            : i == 11 ? wk_gather(c, x, 1, wk_full(c, -1, WK_i64, WK_SHAPE(3, 1)))
                                      : wk_take(c, x, list(c, 1, (int64_t[]){13}));
        cr_expect(wk_is_none(y), "case %d gives a tensor", i);
        cr_expect_eq(wk_ctx_status(c), want[i].s, "case %d: %s", i, wk_ctx_message(c));
        for (int k = 0; k < 2; k++)
            cr_expect(strstr(wk_ctx_message(c), want[i].says[k]), "case %d: %s", i, wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    wk_ctx_free(c);
}

Test(indexing, pieces)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_arange(c, 0, 7, 1, WK_f32);
    wk_tensor       p[8];
    cr_assert_eq(wk_split(c, x, 3, 0, p, 8), 3);
    HOLDS(p[2], WK_SHAPE(1), 6);
    cr_assert_eq(wk_split_sizes(c, x, WK_SHAPE(2, 5), 0, p, 8), 2);
    HOLDS(p[1], WK_SHAPE(5), 2, 3, 4, 5, 6);
    cr_assert_eq(wk_chunk(c, x, 4, -1, p, 8), 4);
    HOLDS(p[3], WK_SHAPE(1), 6);
    cr_assert_eq(wk_tensor_split(c, x, 3, 0, p, 8), 3);
    HOLDS(p[0], WK_SHAPE(3), 0, 1, 2);
    HOLDS(p[2], WK_SHAPE(2), 5, 6);
    cr_assert_eq(wk_tensor_split_at(c, x, 2, (int64_t[]){1, -2}, 0, p, 8), 3);
    HOLDS(p[1], WK_SHAPE(4), 1, 2, 3, 4);
    cr_assert_eq(wk_unbind(c, numbers(c), 1, p, 8), 4);
    HOLDS(p[3], WK_SHAPE(3), 3, 7, 11);
    cr_assert_eq(wk_unbind(c, x, 0, p, 3), 0);
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_clear(c);
    cr_assert_eq(wk_split_sizes(c, x, WK_SHAPE(2, 4), 0, p, 8), 0);
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_free(c);
}

Test(indexing, made)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_i16, WK_SHAPE(2, 1));
    wk_tensor       grid[2];
    cr_assert_eq(wk_empty_like(c, x)->dtype, WK_i16);
    HOLDS(wk_full_like(c, x, 3), WK_SHAPE(2, 1), 3, 3);
    HOLDS(wk_linspace(c, 1, 2, 5, WK_f64), WK_SHAPE(5), 1, 1.25, 1.5, 1.75, 2);
    HOLDS(wk_logspace(c, 0, 3, 4, 2, WK_i32), WK_SHAPE(4), 1, 2, 4, 8);
    HOLDS(wk_eye(c, 2, 3, WK_bool), WK_SHAPE(2, 3), 1, 0, 0, 0, 1, 0);
    HOLDS(wk_tri(c, 2, 3, 1, WK_f32), WK_SHAPE(2, 3), 1, 1, 0, 1, 1, 1);
    HOLDS(wk_tril_indices(c, 2, 2, 0), WK_SHAPE(2, 3), 0, 1, 1, 0, 0, 1);
    HOLDS(wk_triu_indices(c, 2, 2, 1), WK_SHAPE(2, 1), 0, 1);
    const wk_tensor ends[] = {wk_arange(c, 0, 2, 1, WK_i64), wk_arange(c, 5, 8, 1, WK_i64)};
    wk_meshgrid(c, 2, ends, false, grid);
    HOLDS(grid[1], WK_SHAPE(2, 3), 5, 6, 7, 5, 6, 7);
    wk_meshgrid(c, 2, ends, true, grid);
    HOLDS(grid[0], WK_SHAPE(3, 2), 0, 1, 0, 1, 0, 1);
    HOLDS(wk_diagflat(c, wk_arange(c, 1, 3, 1, WK_i64), -1), WK_SHAPE(3, 3), 0, 0, 0, 1, 0, 0, 0, 2, 0);
    HOLDS(wk_diag(c, numbers(c), 1), WK_SHAPE(3), 1, 6, 11);
    HOLDS(wk_rot90(c, wk_diag(c, ends[0], 0), 1, 0, 1), WK_SHAPE(2, 2), 0, 1, 0, 0);
    wk_ctx_free(c);
}

/* ---- random subscripts against a host-side model ---- */

static uint64_t state = 1;
static int64_t  below(int64_t n) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (int64_t)((z ^ z >> 31) % (uint64_t)n);
}

/* A random subscript: for each dim of x the places it takes, and the dims of the result. */
struct model {
    int          n;
    wk_subscript at[12];
    int64_t      places[4][8];
    int          kind[4];              /* of each dim: 0 a number, 1 a slice, 4 a tensor */
    int          result[12], n_result; /* dims of the result: which of x's, -1 new, -2 the picks */
    wk_shape     shape;
};

static void entry_for(wk_ctx *c, struct model *m, int d, int64_t size, int64_t picks)
{
    const int kind = size == 0 ? 2 : (int)below(4);
    m->kind[d] = kind == 0 ? 0 : kind == 1 && picks ? 4 : 1;
    if (m->kind[d] == 0) {
        m->places[d][0] = below(size);
        m->at[m->n++] = WK_I(m->places[d][0] - (below(2) ? size : 0));
    } else if (m->kind[d] == 4) {
        int64_t v[8];
        for (int64_t i = 0; i < picks; i++) {
            m->places[d][i] = below(size);
            v[i] = m->places[d][i] - (below(2) ? size : 0);
        }
        m->at[m->n++] = WK_T(list(c, (int)picks, v));
    } else {
        const int64_t step = below(2) ? 1 + below(2) : -1 - below(2), a = below(size + 3) - 1,
                      b = below(size + 3) - 1;
        const int64_t start = step > 0 ? (a < 0 ? 0 : a) : a >= size ? size - 1 : a;
        int64_t       n = 0;
        m->at[m->n++] = WK_STEP(a < 0 ? (step > 0 ? 0 : -size - 1) : a, b < 0 ? -size - 1 : b, step);
        for (int64_t i = start; step > 0 ? i < (b > size ? size : b) : i > b && i >= 0; i += step)
            m->places[d][n++] = i;
        m->shape.dim[d] = n; /* for now by x's dims */
    }
}

/* The result's dims, after PyTorch's rule for where picks go. */
static void lay_out(struct model *m, int ndim, const bool *new_before, int64_t picks)
{
    int  first = -1, last = -1;
    bool apart = false;
    for (int i = 0, p = 0; i < ndim; i++) { /* p: place among the dims that are left */
        p += new_before[i];
        if (m->kind[i] == 4) {
            apart |= first >= 0 && p != last + 1;
            first = first < 0 ? p : first;
            last = p;
        }
        p += m->kind[i] != 0;
    }
    if (apart) m->result[m->n_result++] = -2;
    bool there = apart;
    for (int i = 0; i < ndim; i++) {
        if (new_before[i]) m->result[m->n_result++] = -1;
        if (m->kind[i] == 1) m->result[m->n_result++] = i;
        if (m->kind[i] == 4 && !there) m->result[m->n_result++] = -2;
        there |= m->kind[i] == 4;
    }
    wk_shape shape = {.ndim = m->n_result};
    for (int i = 0; i < m->n_result; i++)
        shape.dim[i] = m->result[i] == -1 ? 1 : m->result[i] == -2 ? picks : m->shape.dim[m->result[i]];
    m->shape = shape;
}

Test(indexing, random_subscripts_read_and_write_what_a_model_says)
{
    wk_ctx *c = wk_ctx_new("cpu");
    for (int round = 0; round < 20000; round++) {
        const wk_scope s = wk_scope_begin(c);
        struct model   m = {.n = 0};
        wk_shape       shape = {.ndim = (int)below(5)};
        bool           new_before[4] = {false};
        int64_t        n = 1;
        double         v[256], y[2048], after[256], want[256];
        for (int i = 0; i < shape.ndim; i++) n *= shape.dim[i] = below(5);
        for (int64_t i = 0; i < n; i++) v[i] = want[i] = (double)i;
        wk_tensor     x = wk_make(c, v, WK_f64, shape);
        const int64_t picks = below(4);
        for (int i = 0; i < shape.ndim; i++) {
            new_before[i] = below(4) == 0;
            if (new_before[i]) m.at[m.n++] = WK_NEW;
            entry_for(c, &m, i, shape.dim[i], picks);
        }
        lay_out(&m, shape.ndim, new_before, picks);
        const wk_tensor got = wk_index(c, x, m.n, m.at);
        cr_assert_eq(wk_ctx_status(c), WK_OK, "round %d: %s", round, wk_ctx_message(c));
        cr_assert_eq(got->ndim, m.shape.ndim, "round %d", round);
        for (int i = 0; i < got->ndim; i++)
            cr_assert_eq(got->shape[i], m.shape.dim[i], "round %d, dim %d", round, i);
        cr_assert_eq(wk_read(c, got, y), WK_OK);
        const wk_tensor values = wk_arange(c, 1000, 1000 + (double)wk_count(got), 1, WK_f64);
        const wk_tensor put = wk_index_put(c, x, m.n, m.at, wk_reshape(c, values, m.shape), false);
        cr_assert_eq(wk_read(c, put, after), WK_OK, "round %d: %s", round, wk_ctx_message(c));
        for (int64_t i = 0; i < wk_count(got); i++) {
            int64_t at[12] = {0}, from = 0;
            for (int64_t rest = i, d = m.n_result - 1; d >= 0; d--) {
                at[m.result[d] == -2 ? 4 : m.result[d] == -1 ? 5 : m.result[d]] = rest % m.shape.dim[d];
                rest /= m.shape.dim[d];
            }
            for (int d = 0; d < shape.ndim; d++)
                from = from * shape.dim[d] + m.places[d][m.kind[d] == 4 ? at[4] : m.kind[d] == 0 ? 0 : at[d]];
            cr_assert_eq(y[i], v[from], "round %d: value %lld is %g, not %g", round, (long long)i, y[i],
                         v[from]);
            want[from] = 1000 + (double)i; /* the last one written stays */
        }
        for (int64_t i = 0; i < n; i++)
            cr_assert_eq(after[i], want[i], "round %d: element %lld is %g, not %g", round, (long long)i,
                         after[i], want[i]);
        wk_scope_end(c, s, WK_NONE);
    }
    wk_ctx_free(c);
}
