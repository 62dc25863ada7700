/* Random shapes and layouts, all in integers: broadcasting, reductions and indexing against plain loops.
 * 100,000 of each, or as many as WK_PROPERTIES says. */
#include "tests/core/oracle.h"

#include <criterion/criterion.h>
#include <string.h>

static const wk_dtype dtypes[] = {WK_i64, WK_i32, WK_i16, WK_f32, WK_f64};

/* Sizes of 0 to 4, rarely 0; at most 5 dims and 256 elements. */
static void random_shape(uint64_t *r, struct array *x, int least)
{
    do {
        x->ndim = least + (int)below(r, 6 - least);
        for (int i = 0; i < x->ndim; i++) x->shape[i] = below(r, 40) ? 1 + below(r, 4) : 0;
        x->n = count_of(x->ndim, x->shape);
    } while (x->n > 256);
}

/* Values in [low, high) and a tensor of them in a random layout: dense, dims in another order, or every
 * second of the last dim. */
static wk_tensor random_tensor(wk_ctx *c, uint64_t *r, struct array *x, int64_t low, int64_t high, wk_dtype t)
{
    for (int64_t i = 0; i < x->n; i++) x->v[i] = low + below(r, high - low);
    const wk_tensor dense = wk_cast(c, wk_make(c, x->v, WK_i64, shape_of(x)), t);
    const int64_t   layout = x->ndim ? below(r, 3) : 0;
    if (layout == 0) return dense;
    if (layout == 1) {
        const int a = (int)below(r, x->ndim), b = (int)below(r, x->ndim);
        return wk_transpose(c, wk_clone(c, wk_transpose(c, dense, a, b)), a, b);
    }
    const wk_tensor pairs = wk_stack(c, 2, (wk_tensor[]){dense, wk_neg(c, dense)}, -1);
    return wk_slice(c, wk_flatten(c, pairs, -2, -1), -1, 0, WK_END, 2);
}

static void equal(wk_ctx *c, wk_tensor x, const struct array *want, const char *what, int64_t number)
{
    int64_t got[ORACLE_MOST];
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_i64), got), WK_OK, "%s %lld: %s", what, (long long)number,
                 wk_ctx_message(c));
    cr_assert_eq(x->ndim, want->ndim, "%s %lld: %d dims, not %d", what, (long long)number, x->ndim,
                 want->ndim);
    cr_assert_eq(wk_count(x), want->n, "%s %lld: %lld elements", what, (long long)number,
                 (long long)wk_count(x));
    for (int i = 0; i < x->ndim; i++)
        cr_assert_eq(x->shape[i], want->shape[i], "%s %lld: size %d", what, (long long)number, i);
    for (int64_t i = 0; i < want->n; i++) /* an assertion for each would cost more than the work */
        if (got[i] != want->v[i])
            cr_assert_fail("%s %lld: element %lld is %lld, not %lld", what, (long long)number, (long long)i,
                           (long long)got[i], (long long)want->v[i]);
}

/* ---- broadcasting ---- */

/* Element of x that meets element `at` of the broadcast y. */
static int64_t met(const struct array *x, const struct array *y, const int64_t *at)
{
    int64_t from[WK_MAX_DIMS] = {0};
    for (int i = 0; i < x->ndim; i++) from[i] = x->shape[i] == 1 ? 0 : at[i + y->ndim - x->ndim];
    return x->v[element(x, from)];
}

/* y as x broadcasts to it: some leading dims left out, some sizes 1; rarely a size that does not fit. */
static bool narrower(uint64_t *r, const struct array *y, struct array *x)
{
    const int skip = (int)below(r, y->ndim + 1) * (below(r, 3) == 0);
    bool      fits = true;
    x->ndim = y->ndim - skip;
    for (int i = 0; i < x->ndim; i++) {
        const int64_t size = y->shape[i + skip], shape = below(r, 3) ? size : 1;
        x->shape[i] = shape;
        if (shape > 1 && below(r, 50) == 0) {
            x->shape[i] = shape + 1;
            fits = false;
        }
    }
    x->n = count_of(x->ndim, x->shape);
    return fits;
}

static int64_t combined(int op, int64_t a, int64_t b, int64_t condition)
{
    const int64_t results[] = {a + b, a - b, a * b, a > b ? a : b, a < b, condition ? a : b};
    return results[op];
}

Test(properties, broadcasting)
{
    static struct array x[3], y;
    wk_ctx             *c = wk_ctx_new("cpu");
    uint64_t            r = 1;
    for (int64_t n = 0; n < cases_of(100000); n++) {
        const wk_scope s = wk_scope_begin(c);
        const int      op = (int)below(&r, 6), operands = op == 5 ? 3 : 2;
        const wk_dtype t = dtypes[below(&r, 5)];
        wk_tensor      in[3], got;
        bool           fits = true;
        random_shape(&r, &y, 0);
        for (int i = 0; i < operands; i++) {
            fits &= narrower(&r, &y, &x[i]);
            in[i] = random_tensor(c, &r, &x[i], i == 2 ? 0 : -9, i == 2 ? 2 : 9, i == 2 ? WK_bool : t);
        }
        wk_tensor (*const two[])(wk_ctx *, wk_tensor, wk_tensor) = {wk_add, wk_sub, wk_mul, wk_maximum,
                                                                    wk_lt};
        got = op == 5 ? wk_where(c, in[2], in[0], in[1]) : two[op](c, in[0], in[1]);
        /* the shape that the operands agree on, which is not y's where all of them are 1 */
        for (int d = 0; d < WK_MAX_DIMS; d++) y.shape[d] = 1;
        y.ndim = 0;
        for (int i = 0; i < operands; i++) y.ndim = x[i].ndim > y.ndim ? x[i].ndim : y.ndim;
        bool agree = true;
        for (int i = 0; i < operands; i++)
            for (int d = 0; d < x[i].ndim; d++) {
                int64_t *size = &y.shape[d + y.ndim - x[i].ndim];
                agree &= x[i].shape[d] == 1 || *size == 1 || *size == x[i].shape[d];
                if (x[i].shape[d] != 1) *size = x[i].shape[d];
            }
        cr_assert(agree || !fits);
        if (!agree) {
            cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "broadcast %lld: %s", (long long)n, wk_ctx_message(c));
            wk_ctx_clear(c);
        } else {
            y.n = count_of(y.ndim, y.shape);
            for (int64_t i = 0; i < y.n; i++) {
                int64_t at[WK_MAX_DIMS] = {0};
                coordinates(&y, i, at);
                y.v[i] =
                    combined(op, met(&x[0], &y, at), met(&x[1], &y, at), op == 5 ? met(&x[2], &y, at) : 0);
            }
            equal(c, got, &y, "broadcast", n);
        }
        wk_scope_end(c, s, wk_none());
    }
    wk_ctx_free(c);
}

/* ---- reductions ---- */

enum { SUM, PROD, AMAX, AMIN, ANY, ALL, ARGMAX, CUMSUM, REDUCTIONS };

static int64_t start_of(int op)
{
    return op == PROD || op == ALL ? 1 : op == AMAX ? INT64_MIN : op == AMIN ? INT64_MAX : 0;
}
static int64_t folded(int op, int64_t a, int64_t v)
{
    switch (op) {
    case SUM:
        return a + v;
    case PROD:
        return a * v;
    case AMAX:
        return v > a ? v : a;
    case AMIN:
        return v < a ? v : a;
    case ANY:
        return a || v;
    default:
        return a && v;
    }
}

/* y from x over the dims of mask. */
static void reduce(int op, const struct array *x, int mask, bool keep, struct array *y)
{
    static struct array kept;
    kept = *x;
    for (int i = 0; i < x->ndim; i++)
        if (mask >> i & 1) kept.shape[i] = 1;
    kept.n = count_of(kept.ndim, kept.shape);
    for (int64_t i = 0; i < kept.n; i++) kept.v[i] = start_of(op);
    for (int64_t i = 0; i < x->n; i++) {
        int64_t at[WK_MAX_DIMS] = {0};
        coordinates(x, i, at);
        for (int d = 0; d < x->ndim; d++)
            if (mask >> d & 1) at[d] = 0;
        int64_t *sum = &kept.v[element(&kept, at)];
        *sum = folded(op, *sum, x->v[i]);
    }
    *y = kept;
    y->ndim = 0;
    for (int i = 0; i < x->ndim; i++)
        if (keep || !(mask >> i & 1)) y->shape[y->ndim++] = kept.shape[i];
}

/* Along one dim: the place of the first largest, or sums so far. */
static void along(int op, const struct array *x, int dim, bool keep, struct array *y)
{
    *y = *x;
    if (op == CUMSUM) {
        for (int64_t i = 0; i < x->n; i++) {
            int64_t at[WK_MAX_DIMS] = {0};
            coordinates(x, i, at);
            if (at[dim]-- > 0) y->v[i] += y->v[element(x, at)];
        }
        return;
    }
    y->shape[dim] = 1;
    y->n = count_of(y->ndim, y->shape);
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS] = {0}, best = 0, most = INT64_MIN;
        coordinates(y, i, at);
        for (at[dim] = 0; at[dim] < x->shape[dim]; at[dim]++)
            if (x->v[element(x, at)] > most) {
                most = x->v[element(x, at)];
                best = at[dim];
            }
        y->v[i] = best;
    }
    for (int i = dim; !keep && i + 1 < x->ndim; i++) y->shape[i] = y->shape[i + 1];
    y->ndim -= !keep;
}

Test(properties, reductions)
{
    static struct array x, y;
    wk_ctx             *c = wk_ctx_new("cpu");
    uint64_t            r = 2;
    for (int64_t n = 0; n < cases_of(100000); n++) {
        const wk_scope s = wk_scope_begin(c);
        const int      op = (int)below(&r, REDUCTIONS);
        random_shape(&r, &x, 1);
        const bool      truth = op == ANY || op == ALL || (op == SUM && below(&r, 4) == 0);
        const int64_t   low = op == PROD ? -1 : truth ? 0 : -9, high = op == PROD || truth ? 2 : 9;
        const wk_dtype  t = truth && below(&r, 2) ? WK_bool : dtypes[below(&r, 5)];
        const wk_tensor in = random_tensor(c, &r, &x, low, high, t);
        const int       mask = 1 + (int)below(&r, (1 << x.ndim) - 1), dim = (int)below(&r, x.ndim);
        const bool      keep = below(&r, 2);
        wk_shape        dims = {.ndim = 0};
        bool            empty = op >= ARGMAX && x.shape[dim] == 0;
        for (int i = 0; i < x.ndim; i++)
            if (mask >> i & 1) {
                dims.dim[dims.ndim++] = below(&r, 2) ? i : i - x.ndim;
                empty |= (op == AMAX || op == AMIN) && x.shape[i] == 0;
            }
        wk_tensor (*const over[])(wk_ctx *, wk_tensor, wk_shape, bool) = {wk_sum,  wk_prod, wk_amax,
                                                                          wk_amin, wk_any,  wk_all};
        const wk_tensor got = op == CUMSUM   ? wk_cumsum(c, in, dim)
                              : op == ARGMAX ? wk_argmax(c, in, dim, keep)
                                             : over[op](c, in, dims, keep);
        if (op >= ARGMAX)
            along(op, &x, dim, keep, &y);
        else
            reduce(op, &x, mask, keep, &y);
        if (empty && op != CUMSUM && wk_ctx_status(c) != WK_OK) {
            cr_assert(strstr(wk_ctx_message(c), op == ARGMAX ? "argmax" : "am"), "%s", wk_ctx_message(c));
            wk_ctx_clear(c); /* nothing has no largest value */
        } else {
            cr_assert(!empty || op == CUMSUM || y.n == 0, "reduction %lld of nothing", (long long)n);
            equal(c, got, &y, "reduction", n);
        }
        wk_scope_end(c, s, wk_none());
    }
    wk_ctx_free(c);
}

/* ---- indexing ---- */

enum { SELECT, GATHER, SCATTER_ADD, SUBSCRIPT, TAKE, INDEXINGS };

static void indexed(int op, const struct array *x, int dim, const struct array *index,
                    const struct array *src, struct array *y)
{
    int64_t at[WK_MAX_DIMS] = {0}, from[WK_MAX_DIMS] = {0};
    *y = op == SCATTER_ADD ? *x : *index;
    if (op == SELECT || op == SUBSCRIPT) { /* the index's dims take the place of dim */
        y->ndim = 0;
        for (int i = 0; i < x->ndim; i++) {
            if (i != dim) y->shape[y->ndim++] = x->shape[i];
            for (int k = 0; i == dim && k < index->ndim; k++) y->shape[y->ndim++] = index->shape[k];
        }
        y->n = count_of(y->ndim, y->shape);
    }
    for (int64_t i = 0; i < (op == SCATTER_ADD ? index : y)->n; i++) {
        coordinates(op == SCATTER_ADD ? index : y, i, at);
        if (op == TAKE) {
            y->v[i] = x->v[index->v[i] < 0 ? index->v[i] + x->n : index->v[i]];
        } else if (op == SELECT || op == SUBSCRIPT) {
            for (int k = 0; k < x->ndim; k++) from[k] = at[k < dim ? k : k + index->ndim - 1];
            from[dim] = index->v[element(index, at + dim)];
            if (from[dim] < 0) from[dim] += x->shape[dim];
            y->v[i] = x->v[element(x, from)];
        } else {
            memcpy(from, at, sizeof from);
            from[dim] = index->v[i];
            if (op == GATHER)
                y->v[i] = x->v[element(x, from)];
            else
                y->v[element(y, from)] += src->v[element(src, at)];
        }
    }
}

static wk_tensor index_with(wk_ctx *c, int op, wk_tensor x, int dim, wk_tensor index, wk_tensor src)
{
    wk_subscript at[WK_MAX_DIMS];
    switch (op) {
    case SELECT:
        return wk_index_select(c, x, dim, index);
    case GATHER:
        return wk_gather(c, x, dim, index);
    case SCATTER_ADD:
        return wk_scatter_add(c, x, dim, index, src);
    case TAKE:
        return wk_take(c, x, index);
    default:
        for (int i = 0; i <= dim; i++) at[i] = i < dim ? WK_ALL : WK_T(index);
        return wk_index(c, x, dim + 1, at);
    }
}

Test(properties, indexing)
{
    static struct array x, index, src, y;
    wk_ctx             *c = wk_ctx_new("cpu");
    uint64_t            r = 3;
    for (int64_t n = 0; n < cases_of(100000); n++) {
        const wk_scope s = wk_scope_begin(c);
        const int      op = (int)below(&r, INDEXINGS);
        do random_shape(&r, &x, 1);
        while (x.n == 0);
        const wk_dtype  t = dtypes[below(&r, 5)];
        const int       dim = (int)below(&r, x.ndim);
        const wk_tensor in = random_tensor(c, &r, &x, -9, 9, t);
        index = x;
        if (op == SELECT || op == SUBSCRIPT || op == TAKE) {
            index.ndim = op == SELECT ? 1 : 1 + (int)below(&r, 2);
            for (int i = 0; i < index.ndim; i++) index.shape[i] = below(&r, 5);
        } else {
            for (int i = 0; i < x.ndim; i++)
                index.shape[i] = i == dim && op == GATHER ? below(&r, 6) : below(&r, x.shape[i] + 1);
        }
        index.n = count_of(index.ndim, index.shape);
        const bool    wraps = op == SUBSCRIPT || op == TAKE;
        const int64_t size = op == TAKE ? x.n : x.shape[dim], bad = index.n > 0 && below(&r, 40) == 0;
        random_tensor(c, &r, &index, wraps ? -size : 0, size, WK_i64);
        const int64_t wrong = below(&r, index.n);
        if (bad) index.v[wrong] = below(&r, 2) ? size : -size - 1;
        const wk_dtype  it = below(&r, 2) ? WK_i64 : WK_i32;
        const wk_tensor at = wk_cast(c, wk_make(c, index.v, WK_i64, shape_of(&index)), it);
        src = index;
        for (int i = 0; i < x.ndim && op == SCATTER_ADD; i++) src.shape[i] += below(&r, 2);
        src.n = count_of(src.ndim, src.shape);
        const wk_tensor add = op == SCATTER_ADD ? random_tensor(c, &r, &src, -9, 9, t) : in;
        const wk_tensor got = index_with(c, op, in, dim, at, add);
        if (bad) {
            int64_t room[ORACLE_MOST];
            wk_read(c, wk_cast(c, got, WK_i64), room);
            /* the index names no element where another dim of the result is empty */
            const bool ok =
                wk_ctx_status(c) == WK_EINDEX || (wk_ctx_status(c) == WK_OK && wk_count(got) == 0);
            cr_assert(ok, "indexing %lld: %s", (long long)n, wk_ctx_message(c));
            wk_ctx_clear(c);
        } else {
            indexed(op, &x, dim, &index, &src, &y);
            equal(c, got, &y, "indexing", n);
        }
        wk_scope_end(c, s, wk_none());
    }
    wk_ctx_free(c);
}
