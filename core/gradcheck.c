/* Gradients against differences, as torch.autograd.gradcheck and gradgradcheck. */
#include "tape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 64 }; /* inputs, and outputs, of a function */

/* A function under check, its inputs, and what is known of its results. */
struct check {
    wk_ctx           *c;
    const char       *name;
    wk_check_fn       fn;
    void             *arg;
    int               n_in, n_out;
    const wk_tensor  *x;
    wk_gradcheck_opts o;
    bool              taped;       /* fn wants a tape even for its value */
    uint64_t          seed, count; /* of random numbers: the same each time */
};

static bool is_checked(const struct check *k, int i)
{
    return !(i < 64 && k->o.fixed >> i & 1) && wki_is_real(k->x[i]->dtype);
}

/* Values in [-1, 1), far from each other. */
static double direction(int64_t i)
{
    const double v = (double)(i + 1) * 0.754877666246693;
    return 2 * (v - floor(v)) - 1;
}

static double *host_values(wk_ctx *c, wk_tensor x)
{
    double *v = wk_alloc(((size_t)wk_count(x) + 1) * sizeof *v);
    if (!v) wk_fail(c, WK_ENOMEM, "gradcheck: out of memory");
    if (!v || wk_read(c, wk_cast(c, x, WK_f64), v) == WK_OK) return v;
    wk_free(v);
    return NULL;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

/* Values v in the places that `like` has them, so that fn sees its strides; dense where elements overlap. */
static wk_tensor in_place_of(wk_ctx *c, wk_tensor like, const double *v)
{
    int64_t       extent = 1;
    const int64_t n = wk_count(like);
    for (int i = 0; i < like->ndim; i++) extent += (like->shape[i] - 1) * like->stride[i];
    if (n == 0 || wk_is_dense(like)) return wk_make(c, v, WK_f64, wki_shape(like));
    double *block = wk_alloc_zero((size_t)extent, sizeof *block);
    if (!block) {
        wk_fail(c, WK_ENOMEM, "gradcheck: out of memory");
        return WK_NONE;
    }
    bool apart = true;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < n; i++) {
            int64_t at = 0, rest = i;
            for (int d = like->ndim - 1; d >= 0; d--) {
                at += rest % like->shape[d] * like->stride[d];
                rest /= like->shape[d];
            }
            if (pass == 0) block[at] = v[i];
            apart &= block[at] == v[i] || v[i] != v[i];
        }
    const wk_tensor whole = wk_make(c, block, WK_f64, WK_SHAPE(extent));
    wk_free(block);
    if (!apart) return wk_make(c, v, WK_f64, wki_shape(like));
    return wki_view(c, whole, 0, wki_shape(like), like->stride);
}

/* ---- calling --------------------------------------------------------------------------------- */

/* y from inputs, which are tracked where a tape is wanted. False after an error. */
static bool call(const struct check *k, wk_tensor *x, wk_tensor *y, bool tape)
{
    wk_ctx *c = k->c;
    if (tape) wk_tape_begin(c);
    c->quiet_tape = false;
    c->seed = k->seed;
    c->counter = k->count;
    for (int i = 0; tape && i < k->n_in; i++)
        if (is_checked(k, i)) x[i] = wk_track(c, x[i]);
    for (int i = 0; i < k->n_out; i++) y[i] = WK_NONE;
    if (!wki_failed(c)) k->fn(c, k->arg, x, y);
    for (int i = 0; i < k->n_out && !wki_failed(c); i++)
        if (wk_is_none(y[i])) wk_fail(c, WK_EARG, "%s: the function gave no result %d", k->name, i);
    return !wki_failed(c);
}

/* Results of the function with `by` times the direction added to input i (u: which element moves, -1: all);
 * of all real results one after the other, into v, which has room for `left`. */
static bool moved(const struct check *k, int i, int64_t u, double by, double *v, int64_t left)
{
    wk_ctx        *c = k->c;
    const wk_scope s = wk_scope_begin(c);
    const int      most = k->n_in > k->n_out ? k->n_in : k->n_out;
    wk_tensor     *t = wk_alloc(2 * (size_t)most * sizeof *t), *y = t + most;
    double        *in = t ? host_values(c, k->x[i]) : NULL;
    if (in) {
        for (int64_t e = 0; e < wk_count(k->x[i]); e++)
            if (u == e || u < 0) in[e] += by * (u < 0 ? direction(e) : 1);
        for (int n = 0; n < k->n_in; n++) t[n] = n == i ? in_place_of(c, k->x[n], in) : k->x[n];
        if (call(k, t, y, k->taped))
            for (int o = 0; o < k->n_out; o++) {
                if (!wki_is_real(y[o]->dtype)) continue;
                if (wk_count(y[o]) > left) wk_fail(c, WK_ESHAPE, "%s: results change their size", k->name);
                wk_read(c, wk_cast(c, y[o], WK_f64), v);
                v += wk_count(y[o]);
                left -= wk_count(y[o]);
            }
        if (k->taped) wk_tape_end(c);
    }
    wk_free(in);
    wk_free(t);
    wk_scope_end(c, s, WK_NONE);
    return in && !wki_failed(c);
}

/* Differences of all results by one element of input i, or along its direction (u < 0). */
static bool difference(const struct check *k, int i, int64_t u, int64_t n, double *v, double *room)
{
    if (!moved(k, i, u, k->o.eps, v, n) || !moved(k, i, u, -k->o.eps, room, n)) return false;
    for (int64_t e = 0; e < n; e++) v[e] = (v[e] - room[e]) / (2 * k->o.eps);
    return true;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool close_to(const struct check *k, double got, double want)
{
    return got == want || fabs(got - want) <= k->o.atol + k->o.rtol * fabs(want);
}

/* "5 [1, 2]" */
static const char *place(wk_tensor x, int64_t at, char *text, size_t size)
{
    int64_t size_of_rest = wk_count(x), rest = at;
    size_t  n = (size_t)snprintf(text, size, "%lld", (long long)at);
    for (int i = 0; i < x->ndim && n < size; i++) {
        size_of_rest /= x->shape[i];
        n +=
            (size_t)snprintf(text + n, size - n, "%s%lld", i ? ", " : " [", (long long)(rest / size_of_rest));
        rest %= size_of_rest;
    }
    if (x->ndim && n < size) snprintf(text + n, size - n, "]");
    return text;
}
#define PLACE(x, at) place(x, at, (char[128]){0}, 128)

/* The gradient of `y` (with cotangent g) by every checked input, into dx. */
static void gradients(const struct check *k, const wk_tensor *y, const wk_tensor *g, int n,
                      const wk_tensor *x, wk_tensor *dx)
{
    const wk_grad_opts o = {.retain_graph = true, .allow_unused = true, .materialize_grads = true};
    wk_tensor          on[MOST], with[MOST];
    int                used = 0;
    for (int i = 0; i < k->n_out; i++) {
        if (!y[i]->node) continue;
        on[used] = y[i];
        with[used++] = g[i];
    }
    if (used) wk_grad_of(k->c, used, on, with, n, x, dx, o);
    for (int i = 0; i < n && !used; i++) dx[i] = wk_zeros(k->c, WK_f64, wki_shape(x[i]));
}

/* Every pair of elements: rows of the Jacobian by walks, columns by differences. */
struct jacobian {
    const struct check *k;
    const wk_tensor    *y;
    wk_tensor          *x, *dx; /* the checked inputs, tracked; room for their gradients */
    const int          *of;     /* their numbers */
    int                 n_x;
    int64_t             n_y; /* elements of real results */
};

static bool compare(const struct jacobian *j, int i, const double *rows)
{
    const struct check *k = j->k;
    wk_ctx             *c = k->c;
    const int64_t       n = wk_count(j->x[i]);
    double             *v = wk_alloc((2 * (size_t)j->n_y + 1) * sizeof *v);
    if (!v) wk_fail(c, WK_ENOMEM, "%s: out of memory", k->name);
    for (int64_t e = 0; e < n && !wki_failed(c); e++) {
        if (!difference(k, j->of[i], e, j->n_y, v, v + j->n_y)) break;
        int64_t row = 0;
        for (int o = 0; o < k->n_out; o++)
            for (int64_t at = 0; wki_is_real(j->y[o]->dtype) && at < wk_count(j->y[o]); at++, row++)
                if (!close_to(k, rows[row * n + e], v[row]) && !wki_failed(c))
                    wk_fail(
                        c, WK_EGRADCHECK,
                        "%s: input %d, element %s, output %d, element %s: analytical %.9g, numerical %.9g",
                        k->name, j->of[i], PLACE(j->x[i], e), o, PLACE(j->y[o], at), rows[row * n + e],
                        v[row]);
    }
    wk_free(v);
    return !wki_failed(c);
}

/* Row by row, the gradients of one element of the results by all inputs, into rows[input]. */
static void walk_rows(const struct jacobian *j, double *const *rows)
{
    const struct check *k = j->k;
    wk_ctx             *c = k->c;
    int64_t             row = 0;
    for (int o = 0; o < k->n_out; o++) {
        if (!wki_is_real(j->y[o]->dtype)) continue;
        const int64_t n = wk_count(j->y[o]);
        for (int64_t at = 0; at < n && !wki_failed(c); at++, row++) {
            const wk_scope s = wk_scope_begin(c);
            wk_tensor      g[MOST];
            for (int p = 0; p < k->n_out; p++) {
                const wk_tensor place_of = wk_arange(c, 0, (double)wk_count(j->y[p]), 1, WK_i64);
                const wk_tensor hit = wk_eq(c, place_of, wk_scalar_int(c, p == o ? at : -1));
                g[p] = wk_reshape(c, wk_cast(c, hit, WK_f64), wki_shape(j->y[p]));
            }
            gradients(k, j->y, g, j->n_x, j->x, j->dx);
            for (int i = 0; i < j->n_x && !wki_failed(c); i++)
                wk_read(c, j->dx[i], rows[i] + row * wk_count(j->x[i]));
            wk_scope_end(c, s, WK_NONE);
        }
    }
}

static void each_pair(const struct jacobian *j)
{
    wk_ctx  *c = j->k->c;
    double **rows = wk_alloc_zero((size_t)j->n_x, sizeof *rows);
    for (int i = 0; i < j->n_x && rows && !wki_failed(c); i++) {
        int64_t n;
        if (!__builtin_mul_overflow(wk_count(j->x[i]), j->n_y, &n))
            rows[i] = wk_alloc_zero((size_t)n + 1, sizeof *rows[i]);
        if (!rows[i]) wk_fail(c, WK_ENOMEM, "%s: out of memory", j->k->name);
    }
    if (!rows) wk_fail(c, WK_ENOMEM, "%s: out of memory", j->k->name);
    if (!wki_failed(c)) walk_rows(j, rows);
    struct wk_tape *tape = wki_tape_swap(c, NULL); /* functions that need one begin their own */
    for (int i = 0; i < j->n_x && !wki_failed(c); i++) compare(j, i, rows[i]);
    wki_tape_free(c);
    wki_tape_swap(c, tape);
    for (int i = 0; rows && i < j->n_x; i++) wk_free(rows[i]);
    wk_free(rows);
}

/* ---- the fast way ---------------------------------------------------------------------------- */

static double dot(const double *v, const double *w, int64_t n)
{
    double sum = 0;
    for (int64_t e = 0; e < n; e++) sum += v[e] * (w ? w[e] : direction(e));
    return sum;
}

/* Which element of input i it is that differs, by differences of the outputs' one direction g. */
static void find(const struct jacobian *j, int i, const double *dx, const double *g, double *v, double want)
{
    const struct check *k = j->k;
    for (int64_t e = 0; e < wk_count(j->x[i]) && !wki_failed(k->c); e++) {
        if (!difference(k, j->of[i], e, j->n_y, v, v + j->n_y)) return;
        const double by = dot(v, g, j->n_y);
        if (close_to(k, dx[e], by)) continue;
        wk_fail(
            k->c, WK_EGRADCHECK,
            "%s: input %d, element %s, along one direction of the outputs: analytical %.9g, numerical %.9g",
            k->name, j->of[i], PLACE(j->x[i], e), dx[e], by);
    }
    if (!wki_failed(k->c))
        wk_fail(k->c, WK_EGRADCHECK,
                "%s: input %d, along one direction of it and of the outputs: analytical %.9g, numerical %.9g",
                k->name, j->of[i], dot(dx, NULL, wk_count(j->x[i])), want);
}

static void along_directions(const struct jacobian *j)
{
    const struct check *k = j->k;
    wk_ctx             *c = k->c;
    double             *g = wk_alloc((3 * (size_t)j->n_y + 1) * sizeof *g), *v = g + j->n_y;
    wk_tensor           cotangent[MOST];
    int64_t             at = 0;
    if (!g) wk_fail(c, WK_ENOMEM, "%s: out of memory", k->name);
    for (int64_t e = 0; e < j->n_y && g; e++) g[e] = direction(e);
    for (int o = 0; o < k->n_out && !wki_failed(c); o++) {
        cotangent[o] = WK_NONE;
        if (!wki_is_real(j->y[o]->dtype)) continue;
        cotangent[o] = wk_make(c, g + at, WK_f64, wki_shape(j->y[o]));
        at += wk_count(j->y[o]);
    }
    if (!wki_failed(c)) gradients(k, j->y, cotangent, j->n_x, j->x, j->dx);
    struct wk_tape *tape = wki_tape_swap(c, NULL);
    for (int i = 0; i < j->n_x && !wki_failed(c); i++) {
        double *dx = host_values(c, j->dx[i]);
        if (dx && difference(k, j->of[i], -1, j->n_y, v, v + j->n_y)) {
            const double want = dot(v, g, j->n_y);
            if (!close_to(k, dot(dx, NULL, wk_count(j->x[i])), want)) find(j, i, dx, g, v, want);
        }
        wk_free(dx);
    }
    wki_tape_free(c);
    wki_tape_swap(c, tape);
    wk_free(g);
}

/* ---- both checks ----------------------------------------------------------------------------- */

static bool fits(const struct check *k)
{
    wk_ctx *c = k->c;
    if (k->n_in < 1 || k->n_out < 1 || k->n_in > MOST || k->n_out > MOST) {
        wk_fail(c, WK_EARG, "%s: %d inputs and %d outputs, not 1 to %d", k->name, k->n_in, k->n_out, MOST);
        return false;
    }
    for (int i = 0; i < k->n_in && !wki_failed(c); i++)
        if (is_checked(k, i) && k->x[i]->dtype != WK_f64)
            wk_fail(c, WK_EDTYPE, "%s: input %d is %s; differences want f64", k->name, i,
                    wk_dtype_name(k->x[i]->dtype));
    return !wki_failed(c);
}

/* On a tape of its own. */
static void run(const struct check *k)
{
    wk_ctx         *c = k->c;
    wk_tensor       x[MOST], checked[MOST], dx[MOST], y[MOST];
    int             of[MOST];
    struct jacobian j = {.k = k, .y = y, .x = checked, .dx = dx, .of = of};
    for (int i = 0; i < k->n_in; i++) x[i] = k->x[i];
    if (!call(k, x, y, true)) return;
    for (int i = 0; i < k->n_in; i++) {
        if (!is_checked(k, i)) continue;
        checked[j.n_x] = x[i];
        of[j.n_x++] = i;
    }
    for (int o = 0; o < k->n_out; o++) {
        if (!wki_is_real(y[o]->dtype)) continue;
        j.n_y += wk_count(y[o]);
    }
    if (j.n_x == 0)
        wk_fail(c, WK_EARG, "%s: no input is checked", k->name);
    else if (k->o.fast_mode)
        along_directions(&j);
    else
        each_pair(&j);
}

static wk_status checked_run(struct check *k)
{
    wk_ctx   *c = k->c;
    wk_tensor off[MOST]; /* another tape's places mean nothing on this one */
    if (k->o.eps == 0) k->o.eps = 1e-6;
    if (k->o.atol == 0) k->o.atol = 1e-5;
    if (k->o.rtol == 0) k->o.rtol = 1e-3;
    k->seed = c->seed;
    k->count = c->counter;
    const wk_scope  s = wk_scope_begin(c);
    const bool      was = wk_no_grad(c, false);
    struct wk_tape *tape = wki_tape_swap(c, NULL);
    if (fits(k)) {
        for (int i = 0; i < k->n_in; i++) off[i] = wki_untracked(c, k->x[i]);
        k->x = off;
        if (!wki_failed(c)) run(k);
    }
    wki_tape_free(c);
    wki_tape_swap(c, tape);
    wk_no_grad(c, was);
    c->seed = k->seed;
    c->counter = k->count;
    wk_scope_end(c, s, WK_NONE);
    return c->status;
}

wk_status wk_gradcheck(wk_ctx *c, wk_check_fn fn, void *arg, int n, const wk_tensor *x, wk_gradcheck_opts o)
{
    if (wki_failed(c)) return c->status;
    struct check k = {.c = c,
                      .name = "gradcheck",
                      .fn = fn,
                      .arg = arg,
                      .n_in = n,
                      .n_out = o.n_out ? o.n_out : 1,
                      .x = x,
                      .o = o};
    return checked_run(&k);
}

/* A gradient as a function of its inputs and of the cotangents behind them. */
static void gradient_as_function(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *dx)
{
    const struct check *k = arg;
    wk_tensor           y[MOST], by[MOST], with[MOST], on[MOST];
    int                 n = 0, used = 0, g = k->n_in;
    for (int i = 0; i < k->n_out; i++) y[i] = WK_NONE;
    k->fn(c, k->arg, x, y);
    for (int i = 0; i < k->n_in; i++)
        if (is_checked(k, i)) by[n++] = x[i];
    for (int i = 0; i < k->n_out && !wki_failed(c); i++) {
        if (!wki_is_real(y[i]->dtype)) continue;
        if (y[i]->node) {
            on[used] = y[i];
            with[used++] = x[g];
        }
        g++;
    }
    for (int i = 0; i < n && !used; i++) dx[i] = wk_zeros(c, WK_f64, wki_shape(by[i]));
    if (used)
        wk_grad_of(c, used, on, with, n, by, dx,
                   (wk_grad_opts){.create_graph = true, .materialize_grads = true});
}

/* Random cotangents of the real results behind the inputs; returns how many. */
static int add_cotangents(const struct check *k, wk_tensor *all)
{
    wk_tensor  y[MOST], x[MOST];
    int        n = 0;
    const bool was = wk_no_grad(k->c, true);
    for (int i = 0; i < k->n_in; i++) all[i] = x[i] = wk_detach(k->c, k->x[i]);
    if (!wki_failed(k->c) && call(k, x, y, false))
        for (int o = 0; o < k->n_out; o++) {
            if (!wki_is_real(y[o]->dtype)) continue;
            const int64_t count = wk_count(y[o]);
            double       *v = wk_alloc(((size_t)count + 1) * sizeof *v);
            if (!v) wk_fail(k->c, WK_ENOMEM, "%s: out of memory", k->name);
            for (int64_t e = 0; v && e < count; e++) v[e] = direction(3 * e + 1 + o);
            if (v) all[k->n_in + n++] = wk_make(k->c, v, WK_f64, wki_shape(y[o]));
            wk_free(v);
        }
    wk_no_grad(k->c, was);
    return n;
}

wk_status wk_gradgradcheck(wk_ctx *c, wk_check_fn fn, void *arg, int n, const wk_tensor *x,
                           wk_gradcheck_opts o)
{
    if (wki_failed(c)) return c->status;
    struct check    first = {.c = c,
                             .name = "gradgradcheck",
                             .fn = fn,
                             .arg = arg,
                             .n_in = n,
                             .n_out = o.n_out ? o.n_out : 1,
                             .x = x,
                             .o = o,
                             .seed = c->seed,
                             .count = c->counter};
    const wk_scope  s = wk_scope_begin(c);
    wk_tensor       all[2 * MOST];
    struct wk_tape *tape = wki_tape_swap(c, NULL);
    const int       cotangents = fits(&first) ? add_cotangents(&first, all) : 0;
    wki_tape_swap(c, tape);
    c->seed = first.seed;
    c->counter = first.count;
    struct check second = first;
    second.fn = gradient_as_function;
    second.arg = &first;
    second.taped = true;
    second.x = all;
    second.n_in = n + cotangents;
    second.n_out = 0;
    for (int i = 0; i < n; i++) second.n_out += is_checked(&first, i);
    if (!wki_failed(c)) checked_run(&second);
    wk_scope_end(c, s, WK_NONE);
    return c->status;
}
