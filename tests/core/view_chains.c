/* Chains of 20 random views, then a read: against index arithmetic, and against what NumPy gave for some. */
#include "tests/core/oracle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum kind {
    RESHAPE,   /* s */
    PERMUTE,   /* s */
    TRANSPOSE, /* a, b */
    SLICE,     /* dim a, p:q:r */
    SELECT,    /* dim a, index p */
    EXPAND,    /* s */
    SQUEEZE,   /* a */
    UNSQUEEZE, /* a */
    FLATTEN,   /* a to b */
    DIAGONAL,  /* of a and b, offset p */
    UNFOLD,    /* dim a, size p, step q */
    MOVEDIM,   /* a to b */
    UNFLATTEN, /* a, s */
    NARROW,    /* dim a, start p, length q */
    KINDS
};
struct view {
    int      kind, a, b;
    int64_t  p, q, r;
    wk_shape s;
};
enum { LENGTH = 20 };

static wk_tensor apply(wk_ctx *c, wk_tensor x, const struct view *w)
{
    switch ((enum kind)w->kind) {
    case RESHAPE:
        return wk_reshape(c, x, w->s);
    case PERMUTE:
        return wk_permute(c, x, w->s);
    case TRANSPOSE:
        return wk_transpose(c, x, w->a, w->b);
    case SLICE:
        return wk_slice(c, x, w->a, w->p, w->q, w->r);
    case SELECT:
        return wk_select(c, x, w->a, w->p);
    case EXPAND:
        return wk_expand(c, x, w->s);
    case SQUEEZE:
        return wk_squeeze(c, x, w->a);
    case UNSQUEEZE:
        return wk_unsqueeze(c, x, w->a);
    case FLATTEN:
        return wk_flatten(c, x, w->a, w->b);
    case DIAGONAL:
        return wk_diagonal(c, x, w->p, w->a, w->b);
    case UNFOLD:
        return wk_unfold(c, x, w->a, w->p, w->q);
    case MOVEDIM:
        return wk_movedim(c, x, WK_DIMS(w->a), WK_DIMS(w->b));
    case UNFLATTEN:
        return wk_unflatten(c, x, w->a, w->s);
    case NARROW:
        return wk_narrow(c, x, w->a, w->p, w->q);
    case KINDS:
        break;
    }
    return wk_none();
}

/* ---- the model ---- */

static void resize(struct array *y, int ndim, const int64_t *shape)
{
    y->ndim = ndim;
    for (int i = 0; i < ndim; i++) y->shape[i] = shape[i];
    y->n = count_of(ndim, shape);
}
static void drop(struct array *y, int dim)
{
    for (int i = dim; i + 1 < y->ndim; i++) y->shape[i] = y->shape[i + 1];
    y->ndim--;
}
static void insert(struct array *y, int dim, int64_t size)
{
    for (int i = y->ndim; i > dim; i--) y->shape[i] = y->shape[i - 1];
    y->shape[dim] = size;
    y->ndim++;
}

/* Python's slice of n: the first index, and how many. */
static int64_t sliced(int64_t n, int64_t *start, int64_t stop, int64_t step)
{
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    int64_t      *ends[] = {start, &stop};
    for (int i = 0; i < 2; i++) {
        if (*ends[i] < 0) *ends[i] += n;
        if (*ends[i] < low) *ends[i] = low;
        if (*ends[i] > high) *ends[i] = high;
    }
    const int64_t span = step < 0 ? *start - stop : stop - *start, size = step < 0 ? -step : step;
    return span > 0 ? (span + size - 1) / size : 0;
}

static int whole(int dim, int ndim)
{
    return dim < 0 ? dim + ndim : dim;
}
static void order_of(const struct view *w, const struct array *x, int *order)
{
    const int a = whole(w->a, x->ndim), b = whole(w->b, x->ndim);
    for (int i = 0; i < x->ndim; i++) order[i] = w->kind == PERMUTE ? whole((int)w->s.dim[i], x->ndim) : i;
    if (w->kind == TRANSPOSE && x->ndim) {
        order[a] = b;
        order[b] = a;
    }
    if (w->kind != MOVEDIM) return;
    for (int i = a; i + 1 < x->ndim; i++) order[i] = i + 1;
    for (int i = x->ndim - 1; i > b; i--) order[i] = order[i - 1];
    order[b] = a;
}

/* The shape after a view. */
static void shape_after(const struct view *w, const struct array *x, struct array *y)
{
    const int a = whole(w->a, x->ndim), b = whole(w->b, x->ndim);
    int       order[WK_MAX_DIMS];
    int64_t   start = w->p;
    resize(y, x->ndim, x->shape);
    switch ((enum kind)w->kind) {
    case RESHAPE:
    case UNFLATTEN: {
        int64_t   known = 1;
        const int at = w->kind == RESHAPE ? 0 : a;
        for (int i = 0; i < w->s.ndim; i++) known *= w->s.dim[i] < 0 ? 1 : w->s.dim[i];
        const int64_t all = w->kind == RESHAPE ? x->n : x->shape[a];
        if (w->kind == RESHAPE)
            y->ndim = 0;
        else
            drop(y, a);
        for (int i = w->s.ndim - 1; i >= 0; i--) insert(y, at, w->s.dim[i] < 0 ? all / known : w->s.dim[i]);
        break;
    }
    case PERMUTE:
    case TRANSPOSE:
    case MOVEDIM:
        order_of(w, x, order);
        for (int i = 0; i < x->ndim; i++) y->shape[i] = x->shape[order[i]];
        break;
    case SLICE:
        y->shape[a] = sliced(x->shape[a], &start, w->q, w->r);
        break;
    case NARROW:
        y->shape[a] = w->q;
        break;
    case SELECT:
        drop(y, a);
        break;
    case EXPAND:
        y->ndim = w->s.ndim;
        for (int i = 0; i < y->ndim; i++)
            y->shape[i] = w->s.dim[i] < 0 ? x->shape[i - (w->s.ndim - x->ndim)] : w->s.dim[i];
        break;
    case SQUEEZE:
        if (x->ndim && x->shape[a] == 1) drop(y, a);
        break;
    case UNSQUEEZE:
        insert(y, whole(w->a, x->ndim + 1), 1);
        break;
    case FLATTEN:
        for (int i = b; i > a; i--) {
            y->shape[a] *= x->shape[i];
            drop(y, i);
        }
        if (x->ndim == 0) insert(y, 0, 1);
        break;
    case DIAGONAL: {
        const int64_t rows = x->shape[a] + (w->p < 0 ? w->p : 0),
                      columns = x->shape[b] - (w->p > 0 ? w->p : 0);
        const int64_t n = rows < columns ? rows : columns;
        drop(y, a > b ? a : b);
        drop(y, a > b ? b : a);
        insert(y, y->ndim, n > 0 ? n : 0);
        break;
    }
    case UNFOLD:
        y->shape[a] = (x->shape[a] - w->p) / w->q + 1;
        insert(y, y->ndim, w->p);
        break;
    case KINDS:
        break;
    }
    y->n = count_of(y->ndim, y->shape);
}

/* Where element `at` of the view is in x. */
static void place_before(const struct view *w, const struct array *x, const struct array *y,
                         const int64_t *at, int64_t *from)
{
    const int a = whole(w->a, x->ndim), b = whole(w->b, x->ndim);
    int       order[WK_MAX_DIMS], n = 0;
    int64_t   start = w->p;
    for (int i = 0; i < x->ndim; i++) from[i] = at[i < y->ndim ? i : 0];
    switch ((enum kind)w->kind) {
    case PERMUTE:
    case TRANSPOSE:
    case MOVEDIM:
        order_of(w, x, order);
        for (int i = 0; i < x->ndim; i++) from[order[i]] = at[i];
        break;
    case SLICE:
        sliced(x->shape[a], &start, w->q, w->r);
        from[a] = start + at[a] * w->r;
        break;
    case NARROW:
        from[a] = w->p + at[a];
        break;
    case SELECT:
        for (int i = 0; i < x->ndim; i++) from[i] = i == a ? whole((int)w->p, (int)x->shape[a]) : at[n++];
        break;
    case EXPAND:
        for (int i = 0; i < x->ndim; i++) from[i] = x->shape[i] == 1 ? 0 : at[i + y->ndim - x->ndim];
        break;
    case DIAGONAL:
        for (int i = 0; i < x->ndim; i++)
            from[i] = i == a   ? at[y->ndim - 1] - (w->p < 0 ? w->p : 0)
                      : i == b ? at[y->ndim - 1] + (w->p > 0 ? w->p : 0)
                               : at[n++];
        break;
    case UNFOLD:
        from[a] = at[a] * w->q + at[y->ndim - 1];
        break;
    default:
        break;
    }
}

static void model(const struct view *w, const struct array *x, struct array *y)
{
    const bool in_order = w->kind == RESHAPE || w->kind == UNFLATTEN || w->kind == FLATTEN ||
                          w->kind == SQUEEZE || w->kind == UNSQUEEZE;
    shape_after(w, x, y);
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS + 1] = {0}, from[WK_MAX_DIMS + 1];
        coordinates(y, i, at);
        if (!in_order) place_before(w, x, y, at, from);
        y->v[i] = x->v[in_order ? i : element(x, from)];
    }
}

/* ---- random views ---- */

/* n as a product of up to 3 sizes. */
static wk_shape factors(uint64_t *r, int64_t n)
{
    wk_shape s = {.ndim = 0};
    for (int i = 0; i < 2 && n > 0; i++) {
        int64_t f = 1 + below(r, n < 7 ? n : 7);
        while (n % f) f--;
        s.dim[s.ndim++] = f;
        n /= f;
    }
    s.dim[s.ndim++] = n;
    if (n > 0 && below(r, 2)) s.dim[below(r, s.ndim)] = -1;
    return s;
}

/* A view that fits x, and keeps it from dying out or growing too large; false: roll again. */
static bool roll(uint64_t *r, const struct array *x, struct view *w)
{
    const int n = x->ndim;
    *w = (struct view){.kind = (int)below(r, KINDS), .a = (int)below(r, n), .b = (int)below(r, n)};
    const int64_t size = n ? x->shape[w->a] : 1;
    const bool    shrinks = w->kind == SLICE || w->kind == SELECT || w->kind == DIAGONAL || w->kind == NARROW;
    if ((shrinks && x->n < 24 && below(r, 8)) || (n > 5 && (w->kind == UNSQUEEZE || w->kind == UNFLATTEN)))
        return false;
    w->s.ndim = n;
    switch ((enum kind)w->kind) {
    case RESHAPE:
        w->s = factors(r, x->n);
        return true;
    case PERMUTE:
        for (int i = 0; i < n; i++) w->s.dim[i] = i;
        for (int i = n - 1; i > 0; i--) {
            const int     j = (int)below(r, i + 1);
            const int64_t was = w->s.dim[i];
            w->s.dim[i] = w->s.dim[j];
            w->s.dim[j] = was - (below(r, 2) ? n : 0); /* from the end */
            if (w->s.dim[j] < -n) w->s.dim[j] += n;
        }
        return true;
    case SLICE:
        w->p = below(r, 2 * size + 3) - size - 1;
        w->q = below(r, 3) ? size : below(r, 2 * size + 3) - size - 1;
        w->r = below(r, 4) ? 1 + below(r, 3) : -1 - below(r, 2);
        return n > 0;
    case NARROW:
        w->p = below(r, size + 1);
        w->q = size - w->p - below(r, 2) * (w->p < size);
        return n > 0;
    case SELECT:
        w->p = below(r, 2 * size) - size;
        return n > 1 && size > 0;
    case EXPAND: {
        int64_t all = x->n;
        for (int i = 0; i < n; i++) w->s.dim[i] = -1;
        for (int i = 0; i < n && all < 128; i++)
            if (x->shape[i] == 1) all *= w->s.dim[i] = 1 + below(r, 4);
        if (all < 128 && n < 5) {
            for (int i = w->s.ndim++; i > 0; i--) w->s.dim[i] = w->s.dim[i - 1];
            w->s.dim[0] = 1 + below(r, 3);
        }
        return true;
    }
    case UNSQUEEZE:
        w->a = (int)below(r, 2 * (n + 1)) - n - 1;
        return true;
    case FLATTEN:
        if (w->b < w->a) w->b = w->a;
        return true;
    case DIAGONAL:
        w->p = below(r, 5) - 2;
        return n > 1 && w->a != w->b && x->shape[w->a] > 2 && x->shape[w->b] > 2;
    case UNFOLD:
        w->p = 1 + below(r, size < 4 ? size : 4);
        w->q = 1 + below(r, 3);
        return n > 0 && n < 6 && size >= w->p && x->n * w->p / w->q < 256;
    case UNFLATTEN:
        w->s = factors(r, size);
        return n > 0;
    default:
        return n > 0 || w->kind == SQUEEZE;
    }
}

/* ---- tests ---- */

static void check(wk_ctx *c, wk_tensor x, const struct array *want, const char *what, int64_t number)
{
    int64_t got[ORACLE_MOST];
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s %lld: %s", what, (long long)number, wk_ctx_message(c));
    cr_assert_eq(x->ndim, want->ndim, "%s %lld: %d dims", what, (long long)number, x->ndim);
    for (int i = 0; i < x->ndim; i++)
        cr_assert_eq(x->shape[i], want->shape[i], "%s %lld: size %d", what, (long long)number, i);
    for (int computed = 0; computed < 2; computed++) { /* a read, and what a kernel reads */
        const wk_tensor y = computed ? wk_neg(c, wk_cast(c, x, WK_i64)) : wk_cast(c, x, WK_i64);
        cr_assert_eq(wk_read(c, y, got), WK_OK, "%s", wk_ctx_message(c));
        for (int64_t i = 0; i < want->n; i++)
            if ((computed ? -got[i] : got[i]) != want->v[i]) /* an assertion for each would cost more */
                cr_assert_fail("%s %lld: element %lld", what, (long long)number, (long long)i);
    }
}

static wk_tensor begin(wk_ctx *c, struct array *x, wk_dtype t)
{
    for (int64_t i = 0; i < x->n; i++) x->v[i] = i;
    return wk_cast(c, wk_make(c, x->v, WK_i64, shape_of(x)), t);
}

Test(properties, chains_of_views)
{
    static const wk_dtype dtypes[] = {WK_i16, WK_i32, WK_i64, WK_f32, WK_f64};
    static struct array   x, y;
    wk_ctx               *c = wk_ctx_new("cpu");
    uint64_t              r = 20;
    for (int64_t chain = 0; chain < cases_of(20000); chain++) {
        const wk_scope s = wk_scope_begin(c);
        x.ndim = 1 + (int)below(&r, 4);
        for (int i = 0; i < x.ndim; i++) x.shape[i] = 1 + below(&r, 6);
        x.n = count_of(x.ndim, x.shape);
        wk_tensor t = begin(c, &x, dtypes[below(&r, 5)]);
        for (int i = 0; i < LENGTH; i++) {
            struct view w;
            while (!roll(&r, &x, &w)) continue;
            model(&w, &x, &y);
            t = apply(c, t, &w);
            x = y;
            cr_assert_eq(wk_ctx_status(c), WK_OK, "chain %lld, view %d of kind %d: %s", (long long)chain, i,
                         w.kind, wk_ctx_message(c));
        }
        check(c, t, &x, "chain", chain);
        wk_scope_end(c, s, wk_none());
    }
    wk_ctx_free(c);
}

static int64_t number(FILE *f)
{
    long long v = 0;
    cr_assert_eq(fscanf(f, "%lld", &v), 1);
    return v;
}
static wk_shape numbers(FILE *f)
{
    wk_shape s = {.ndim = (int)number(f)};
    cr_assert(s.ndim >= 0 && s.ndim <= WK_MAX_DIMS);
    for (int i = 0; i < s.ndim; i++) s.dim[i] = number(f);
    return s;
}

/* tests/golden/view_chains.py wrote the chains and NumPy's answers; the model has to agree with them too. */
Test(properties, chains_as_numpy)
{
    static struct array x, y, want;
    wk_ctx             *c = wk_ctx_new("cpu");
    FILE               *f = fopen(WK_SOURCE_DIR "/tests/golden/ops/view_chains.txt", "r");
    cr_assert(f);
    const int64_t n = number(f);
    for (int64_t chain = 0; chain < n; chain++) {
        wk_shape s = numbers(f);
        resize(&x, s.ndim, s.dim);
        wk_tensor t = begin(c, &x, WK_i32);
        for (int64_t left = number(f); left > 0; left--) {
            struct view w = {.kind = (int)number(f)};
            w.a = (int)number(f);
            w.b = (int)number(f);
            w.p = number(f);
            w.q = number(f);
            w.r = number(f);
            w.s = numbers(f);
            model(&w, &x, &y);
            t = apply(c, t, &w);
            x = y;
        }
        s = numbers(f);
        resize(&want, s.ndim, s.dim);
        cr_assert_leq(want.n, ORACLE_MOST);
        for (int64_t i = 0; i < want.n; i++) want.v[i] = number(f);
        check(c, t, &want, "NumPy's chain", chain);
        cr_assert(x.n == want.n && memcmp(x.v, want.v, (size_t)x.n * sizeof *x.v) == 0,
                  "the model, chain %lld", (long long)chain);
    }
    fclose(f);
    wk_ctx_free(c);
}
