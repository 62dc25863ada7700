/* The tape beyond one walk: several losses, retained results, hooks, gradients of gradients. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static double at(wk_ctx *c, wk_tensor x, int64_t i)
{
    return wk_item(c, wk_select(c, wk_flatten(c, x, 0, -1), 0, i));
}
static wk_tensor leaf(wk_ctx *c, int n)
{
    static const double v[] = {1, 2, 3, 4};
    return wk_track(c, wk_make(c, v, WK_f64, WK_SHAPE(n)));
}
static wk_tensor total(wk_ctx *c, wk_tensor x)
{
    return wk_sum(c, x, WK_ALL_DIMS, false);
}
static bool refused(wk_ctx *c, wk_status s, const char *part)
{
    const bool ok = wk_ctx_status(c) == s && strstr(wk_ctx_message(c), part);
    if (!ok) cr_log_error("%d: %s", (int)wk_ctx_status(c), wk_ctx_message(c));
    wk_ctx_clear(c);
    return ok;
}
#define FINE(c) cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c))

/* As in PyTorch: parts that share nothing are walked each by its own loss, and gradients add up. */
Test(autograd, several_losses)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_tape_begin(c);
    const wk_tensor x = leaf(c, 3), unused = leaf(c, 2);
    const wk_tensor a = total(c, wk_square(c, x)), b = total(c, wk_mul(c, x, wk_scalar(c, 5)));
    wk_backward(c, a);
    cr_assert_eq(at(c, wk_grad(c, x), 1), 4);
    wk_backward(c, b);
    cr_assert_eq(at(c, wk_grad(c, x), 1), 9);
    wk_zero_grad(c, x);
    cr_assert_eq(at(c, wk_grad(c, x), 1), 0);
    cr_assert_eq(at(c, wk_grad(c, unused), 1), 0);
    FINE(c);
    /* what was walked is gone: for a result, and for what it shares with another */
    const wk_tensor y = wk_exp(c, x), one = total(c, y), other = total(c, wk_square(c, y));
    wk_backward(c, one);
    FINE(c);
    wk_backward(c, one);
    cr_assert(refused(c, WK_EARG, "walked already"));
    wk_backward(c, other);
    cr_assert(refused(c, WK_EARG, "walked already"));
    wk_ctx_free(c);
}

Test(autograd, a_tape_that_is_kept)
{
    wk_ctx            *c = wk_ctx_new("cpu");
    const wk_grad_opts keep = {.retain_graph = true};
    wk_tape_begin(c);
    const wk_tensor x = leaf(c, 2), y = wk_square(c, x), z = wk_mul(c, y, y);
    wk_retain_grad(c, y);
    wk_retain_grad(c, x); /* no effect */
    const wk_tensor s = total(c, z), g = wk_make(c, (double[]){1, -1}, WK_f64, WK_SHAPE(2));
    cr_assert_eq(wk_backward_with(c, 1, &s, NULL, keep), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(at(c, wk_grad(c, x), 1), 4 * 8);
    cr_assert_eq(at(c, wk_grad(c, y), 1), 2 * 4);
    cr_assert_eq(wk_backward_with(c, 1, &z, &g, keep), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(at(c, wk_grad(c, x), 1), 0);
    cr_assert_eq(at(c, wk_grad(c, y), 0), 4, "retained gradients add up too");
    wk_grad(c, z);
    cr_assert(refused(c, WK_EARG, "grad: the tensor is no leaf"));
    wk_zero_grad(c, z);
    cr_assert(refused(c, WK_EARG, "zero_grad: "));
    cr_assert_eq(wk_backward(c, s), WK_OK, "%s", wk_ctx_message(c));
    wk_retain_grad(c, z);
    cr_assert(refused(c, WK_EARG, "retain_grad: "));
    wk_ctx_free(c);
}

/* ---- hooks ---- */

struct log {
    int    n;
    double seen[8];
};
static wk_tensor look(wk_ctx *c, void *arg, wk_tensor g)
{
    struct log *l = arg;
    l->seen[l->n++] = at(c, g, 0);
    return WK_NONE;
}
static wk_tensor twice(wk_ctx *c, void *arg, wk_tensor g)
{
    struct log *l = arg;
    l->seen[l->n++] = -1;
    return wk_mul(c, g, wk_scalar(c, 2));
}
static wk_tensor wrong(wk_ctx *c, void *arg, wk_tensor g)
{
    (void)arg;
    return wk_unsqueeze(c, g, 0);
}
static wk_tensor nested(wk_ctx *c, void *arg, wk_tensor g)
{
    wk_backward(c, *(wk_tensor *)arg);
    return g;
}
static wk_tensor restart(wk_ctx *c, void *arg, wk_tensor g)
{
    (void)arg;
    wk_tape_begin(c);
    return g;
}

Test(autograd, hooks_see_and_replace_final_gradients)
{
    wk_ctx    *c = wk_ctx_new("cpu");
    struct log l = {0};
    wk_tape_begin(c);
    const wk_tensor x = leaf(c, 1), y = wk_mul(c, x, wk_scalar(c, 3));
    const wk_tensor s = total(c, wk_add(c, wk_mul(c, y, y), y)); /* 2 y + 1 = 7 at y = 3 */
    wk_register_hook(c, y, look, &l);
    const wk_hook doubled = wk_register_hook(c, y, twice, &l);
    wk_register_hook(c, y, look, &l);
    wk_register_hook(c, x, look, &l);
    wk_retain_grad(c, y);
    const wk_grad_opts keep = {.retain_graph = true};
    wk_backward_with(c, 1, &s, NULL, keep);
    FINE(c);
    const double want[] = {7, -1, 14, 42};
    cr_assert_eq(l.n, 4);
    for (int i = 0; i < 4; i++) cr_assert_eq(l.seen[i], want[i], "%d: %g", i, l.seen[i]);
    cr_assert_eq(at(c, wk_grad(c, y), 0), 14, "retained after the hooks");
    wk_remove_hook(c, doubled);
    wk_remove_hook(c, doubled);
    l.n = 0;
    wk_backward_with(c, 1, &s, NULL, keep);
    cr_assert(l.n == 3 && l.seen[2] == 21, "a leaf's hook sees this walk's part");
    cr_assert_eq(at(c, wk_grad(c, x), 0), 42 + 21);
    /* wk_grad_of: hooks of what lies between, and of the input itself */
    l.n = 0;
    wk_tensor dx;
    wk_grad_of(c, 1, &s, NULL, 1, &x, &dx, keep);
    cr_assert(l.n == 3 && at(c, dx, 0) == 21);
    cr_assert_eq(at(c, wk_grad(c, x), 0), 63, "sums stay");
    wk_ctx_free(c);
}

Test(autograd, hooks_used_wrongly)
{
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_eq(wk_register_hook(c, wk_scalar(c, 1), look, NULL), 0);
    cr_assert(refused(c, WK_EARG, "register_hook: "));
    wk_tape_begin(c);
    wk_tensor x = leaf(c, 1), s = wk_square(c, x);
    cr_assert_eq(wk_register_hook(c, x, NULL, NULL), 0);
    cr_assert(refused(c, WK_EARG, "register_hook: no function"));
    wk_register_hook(c, x, wrong, NULL);
    wk_backward(c, s);
    cr_assert(refused(c, WK_ESHAPE, "hook: returned f64 [1, 1] for a gradient f64 [1]"));
    wk_hook_fn inside[] = {nested, restart};
    for (int i = 0; i < 2; i++) {
        wk_tape_begin(c);
        x = leaf(c, 1);
        s = wk_square(c, x);
        wk_register_hook(c, x, inside[i], &s);
        wk_backward(c, s);
        cr_assert(refused(c, WK_EARG, "inside of backward"));
    }
    wk_ctx_free(c);
}

/* ---- gradients of gradients ---- */

Test(autograd, gradients_have_gradients)
{
    wk_ctx            *c = wk_ctx_new("cpu");
    const wk_grad_opts create = {.create_graph = true};
    wk_tape_begin(c);
    const wk_tensor x = leaf(c, 4);
    wk_tensor       y = total(c, wk_mul(c, wk_sin(c, x), x)), g[5] = {y};
    for (int order = 1; order < 5; order++) { /* of x sin x */
        const wk_tensor up = total(c, g[order - 1]);
        wk_grad_of(c, 1, &up, NULL, 1, &x, &g[order], create);
    }
    FINE(c);
    for (int i = 0; i < 4; i++) {
        const double v = i + 1, s = sin(v), k = cos(v);
        cr_assert_float_eq(at(c, g[1], i), s + v * k, 1e-12);
        cr_assert_float_eq(at(c, g[2], i), 2 * k - v * s, 1e-12);
        cr_assert_float_eq(at(c, g[3], i), -3 * s - v * k, 1e-12);
        cr_assert_float_eq(at(c, g[4], i), -4 * k + v * s, 1e-12);
    }
    /* a penalty on the gradient, through backward: d/dx (sum g1^2) = 2 g1 g2 */
    cr_assert_eq(wk_backward(c, total(c, wk_square(c, g[1]))), WK_OK, "%s", wk_ctx_message(c));
    for (int i = 0; i < 4; i++)
        cr_assert_float_eq(at(c, wk_grad(c, x), i), 2 * at(c, g[1], i) * at(c, g[2], i), 1e-12);
    wk_ctx_free(c);
}

/* backward with create_graph: what wk_grad gives is on the tape. */
Test(autograd, backward_may_be_recorded)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_tape_begin(c);
    const wk_tensor x = leaf(c, 2), s = total(c, wk_mul(c, x, wk_square(c, x)));
    wk_backward_with(c, 1, &s, NULL, (wk_grad_opts){.create_graph = true});
    const wk_tensor g = wk_grad(c, x);
    wk_zero_grad(c, x);
    wk_backward(c, total(c, g));
    FINE(c);
    cr_assert_eq(at(c, wk_grad(c, x), 1), 6 * 2);
    /* a first walk that is not recorded gives constants */
    wk_tape_begin(c);
    const wk_tensor p = leaf(c, 2);
    wk_backward(c, total(c, wk_square(c, p)));
    cr_assert_eq(wk_grad(c, p)->node, 0);
    wk_ctx_free(c);
}

Test(autograd, by_some_inputs_only)
{
    wk_ctx            *c = wk_ctx_new("cpu");
    const wk_grad_opts keep = {.retain_graph = true};
    wk_tape_begin(c);
    const wk_tensor x = leaf(c, 2), w = leaf(c, 2), h = wk_mul(c, x, w), z = leaf(c, 2);
    const wk_tensor s = total(c, wk_square(c, h)), in[4] = {h, w, h, z};
    wk_tensor       dx[4];
    struct log      l = {0};
    wk_register_hook(c, x, look, &l);
    cr_assert_eq(wk_grad_of(c, 1, &s, NULL, 3, in, dx, keep), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(at(c, dx[0], 1) == 8 && at(c, dx[2], 1) == 8, "a result, twice");
    cr_assert_eq(at(c, dx[1], 1), 2 * 2 * 2 * 4 / 2 * 1.0);
    cr_assert_eq(l.n, 0, "x was not asked for");
    cr_assert_eq(at(c, wk_grad(c, w), 1), 0, "sums stay");
    wk_grad_of(c, 1, &s, NULL, 4, in, dx, keep);
    cr_assert(wk_is_none(dx[0]) && wk_is_none(dx[3]));
    cr_assert(refused(c, WK_ENOGRAD, "grad_of: no result depends on input 3"));
    wk_grad_of(c, 1, &s, NULL, 4, in, dx, (wk_grad_opts){.retain_graph = true, .allow_unused = true});
    cr_assert(wk_is_none(dx[3]) && !wk_is_none(dx[1]));
    wk_grad_of(c, 1, &s, NULL, 4, in, dx, (wk_grad_opts){.retain_graph = true, .materialize_grads = true});
    cr_assert_eq(at(c, dx[3], 1), 0);
    const wk_tensor plain = wk_scalar(c, 1);
    wk_grad_of(c, 1, &s, NULL, 1, &plain, dx, keep);
    cr_assert(refused(c, WK_EARG, "grad_of: input 0 is not on this tape"));
    wk_grad_of(c, 1, &h, NULL, 1, &x, dx, keep);
    cr_assert(refused(c, WK_ESHAPE, "grad_of: the result is [2], not one element"));
    cr_assert_eq(wk_grad_of(c, 1, &s, NULL, 1, &h, dx, (wk_grad_opts){0}), WK_OK);
    wk_grad_of(c, 1, &s, NULL, 1, &h, dx, keep);
    cr_assert(refused(c, WK_EARG, "walked already"));
    wk_tape_end(c);
    wk_grad_of(c, 1, &s, NULL, 1, &h, dx, keep);
    cr_assert(refused(c, WK_EARG, "grad_of: no tape"));
    wk_ctx_free(c);
}

/* ---- recomputation ---- */

struct net {
    wk_tensor w;
    int       calls;
};
static wk_tensor noisy(wk_ctx *c, void *arg, wk_tensor x)
{
    struct net     *n = arg;
    const wk_tensor kept = wk_lt(c, wk_uniform(c, 0, 1, WK_f64, WK_SHAPE(4)), wk_scalar(c, 0.5));
    n->calls++;
    return wk_tanh(c, wk_mul(c, wk_mul(c, x, n->w), wk_cast(c, kept, WK_f64)));
}

/* With a checkpoint or without: the same values, first and second gradients; random numbers too. */
Test(autograd, a_checkpoint_repeats_random_numbers)
{
    double out[2][4][4], next[2];
    for (int with = 0; with < 2; with++) {
        wk_ctx *c = wk_ctx_new("cpu");
        wk_seed(c, 11);
        wk_tape_begin(c);
        struct net      n = {.w = leaf(c, 4)};
        const wk_tensor x = leaf(c, 4);
        const wk_tensor y = with ? wk_checkpoint(c, noisy, &n, x) : noisy(c, &n, x);
        const wk_tensor s = total(c, wk_square(c, y)), in[2] = {x, n.w};
        wk_tensor       dx[2];
        wk_grad_of(c, 1, &s, NULL, 2, in, dx, (wk_grad_opts){.create_graph = true});
        wk_backward(c, wk_add(c, total(c, wk_square(c, dx[0])), total(c, wk_square(c, dx[1]))));
        wk_read(c, dx[0], out[with][0]);
        wk_read(c, dx[1], out[with][1]);
        wk_read(c, wk_grad(c, x), out[with][2]);
        wk_read(c, wk_grad(c, n.w), out[with][3]);
        next[with] = at(c, wk_uniform(c, 0, 1, WK_f64, WK_SHAPE(1)), 0);
        FINE(c);
        cr_assert_eq(n.calls, with ? 3 : 1, "each walk runs it again");
        wk_ctx_free(c);
    }
    cr_assert_eq(next[0], next[1], "the stream goes on where it was");
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++) cr_assert_float_eq(out[0][i][k], out[1][i][k], 1e-14);
    cr_assert(out[0][2][0] != 0 || out[0][2][1] != 0 || out[0][2][2] != 0);
}

/* y0 = tanh(x0 x1 w), y1 = positives of x0, y2 = sum of x1, with a mask of random numbers in y0 */
static void many(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    y[0] = noisy(c, arg, wk_mul(c, x[0], x[1]));
    y[1] = wk_sum(c, wk_gt(c, x[0], wk_scalar(c, 0)), WK_ALL_DIMS, false);
    y[2] = total(c, x[1]);
}
static void two_of_one(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = y[1] = wk_square(c, x[0]);
}
static void nothing(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)c, (void)arg, (void)x, (void)y;
}

Test(autograd, a_checkpoint_of_several_tensors)
{
    double out[2][6][4];
    for (int with = 0; with < 2; with++) {
        wk_ctx *c = wk_ctx_new("cpu");
        wk_seed(c, 11);
        wk_tape_begin(c);
        struct net      n = {.w = leaf(c, 4)};
        const wk_tensor in[3] = {leaf(c, 4), wk_square(c, leaf(c, 4)), n.w};
        wk_tensor       y[3], dx[3];
        if (with)
            wk_checkpoint_n(c, many, &n, 2, in, 3, y);
        else
            many(c, &n, in, y);
        FINE(c);
        cr_assert(y[1]->dtype == WK_i64 && y[1]->node == 0);
        const wk_tensor s = wk_mul(c, total(c, wk_square(c, y[0])), y[2]);
        wk_grad_of(c, 1, &s, NULL, 3, in, dx, (wk_grad_opts){.create_graph = true});
        wk_backward(c, wk_add(c, total(c, wk_square(c, dx[0])), total(c, wk_square(c, dx[1]))));
        for (int i = 0; i < 3; i++) wk_read(c, dx[i], out[with][i]);
        wk_read(c, wk_grad(c, in[0]), out[with][3]);
        wk_read(c, wk_grad(c, n.w), out[with][4]);
        wk_read(c, y[0], out[with][5]);
        FINE(c);
        wk_ctx_free(c);
    }
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 4; k++) cr_assert_float_eq(out[0][i][k], out[1][i][k], 1e-13, "%d %d", i, k);
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor y[4];
    wk_tape_begin(c);
    const wk_tensor x = leaf(c, 4);
    wk_checkpoint_n(c, two_of_one, NULL, 1, &x, 2, y);
    wk_backward(c, wk_add(c, total(c, y[0]), wk_mul(c, total(c, y[1]), wk_scalar(c, 3))));
    FINE(c);
    for (int i = 0; i < 4; i++) cr_assert_float_eq(at(c, wk_grad(c, x), i), 8 * at(c, x, i), 1e-14);
    wk_checkpoint_n(c, nothing, NULL, 1, &x, 2, y);
    cr_assert(wk_is_none(y[0]) && refused(c, WK_EARG, "checkpoint_n: the function gave no result 0"));
    wk_checkpoint_n(c, two_of_one, NULL, 1, &x, 5, y);
    cr_assert(refused(c, WK_EARG, "checkpoint_n: 1 tensors to 5"));
    wk_checkpoint_n(c, two_of_one, NULL, 1, (wk_tensor[]){WK_NONE}, 2, y);
    cr_assert(refused(c, WK_EARG, "checkpoint_n: operand 0 is no tensor"));
    wk_tape_end(c);
    wk_checkpoint_n(c, two_of_one, NULL, 1, &x, 2, y);
    cr_assert_float_eq(at(c, y[1], 1), at(c, x, 1) * at(c, x, 1), 1e-14);
    cr_assert_not(wk_no_grad(c, false), "as it was");
    wk_ctx_free(c);
}

/* Training of first order frees the tape as it is walked, and a walk that is kept does not grow it. */
Test(autograd, memory)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_tape_begin(c);
    const wk_tensor x = wk_track(c, wk_full(c, 0.5, WK_f32, WK_SHAPE(4096)));
    const int64_t   before = wk_memory_stats(c).in_use;
    wk_scope        s = wk_scope_begin(c);
    wk_tensor       y = x;
    for (int i = 0; i < 20; i++) y = wk_sin(c, y);
    y = wk_scope_end(c, s, total(c, y));
    const int64_t full = wk_memory_stats(c).in_use;
    for (int i = 0; i < 3; i++) {
        wk_backward_with(c, 1, &y, NULL, (wk_grad_opts){.retain_graph = true});
        wk_zero_grad(c, x);
        cr_assert_eq(wk_memory_stats(c).in_use, full);
    }
    wk_backward(c, y);
    wk_zero_grad(c, x);
    FINE(c);
    cr_assert(full > before + 18 * 4096 * 4);
    cr_assert_leq(wk_memory_stats(c).in_use, before + 64);
    wk_ctx_free(c);
}

/* Ops of y and a constant w [64, 64], and how many results of a chain of them a tape has to keep. */
enum { CHAIN = 20, SIDE = 64 };
static wk_tensor chain_add(wk_ctx *c, wk_tensor y, wk_tensor w)
{
    return wk_add(c, y, w);
}
static wk_tensor chain_mul(wk_ctx *c, wk_tensor y, wk_tensor w)
{
    return wk_mul(c, y, w);
}
static wk_tensor chain_affine(wk_ctx *c, wk_tensor y, wk_tensor w)
{
    return wk_affine(c, y, w, WK_NONE);
}
static wk_tensor chain_where(wk_ctx *c, wk_tensor y, wk_tensor w)
{
    return wk_where(c, w, y, w);
}
static wk_tensor chain_sin(wk_ctx *c, wk_tensor y, wk_tensor w)
{
    (void)w;
    return wk_sin(c, y);
}
static wk_tensor chain_exp(wk_ctx *c, wk_tensor y, wk_tensor w)
{
    (void)w;
    return wk_exp(c, wk_neg(c, y));
}
static wk_tensor chain_square(wk_ctx *c, wk_tensor y, wk_tensor w)
{
    (void)w;
    return wk_mul(c, y, y);
}

Test(autograd, a_tape_keeps_what_gradients_read)
{
    static const struct {
        wk_tensor (*op)(wk_ctx *c, wk_tensor y, wk_tensor w);
        int kept;
    } chains[] = {{chain_add, 0},         {chain_mul, 0},     {chain_affine, 0},        {chain_where, 0},
                  {chain_sin, CHAIN - 1}, {chain_exp, CHAIN}, {chain_square, CHAIN - 1}};
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        wk_ctx *c = wk_ctx_new("cpu");
        wk_tape_begin(c);
        const wk_tensor w = wk_full(c, 0.01, WK_f32, WK_SHAPE(SIDE, SIDE));
        const wk_tensor x = wk_track(c, wk_full(c, 0.5, WK_f32, WK_SHAPE(SIDE, SIDE)));
        const int64_t   before = wk_memory_stats(c).in_use;
        const wk_scope  s = wk_scope_begin(c);
        wk_tensor       y = x;
        for (int n = 0; n < CHAIN; n++) y = chains[i].op(c, y, w);
        y = wk_scope_end(c, s, total(c, y));
        const int64_t kept = (wk_memory_stats(c).in_use - before) / (SIDE * SIDE * 4);
        cr_assert_eq(kept, chains[i].kept, "%zu: %lld", i, (long long)kept);
        cr_assert_eq(wk_backward(c, y), WK_OK, "%s", wk_ctx_message(c));
        wk_ctx_free(c);
    }
}

/* What the gradient of y = x w (or of another op) needs is written over before it is taken. */
struct written {
    const char *op, *said;
    wk_tensor (*call)(wk_ctx *c, wk_tensor x, wk_tensor w);
    void (*write)(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor y);
    bool fine; /* the gradient does not need that tensor */
};
static wk_tensor product(wk_ctx *c, wk_tensor x, wk_tensor w)
{
    return wk_mul(c, x, w);
}
static wk_tensor sum_of(wk_ctx *c, wk_tensor x, wk_tensor w)
{
    return wk_add(c, x, w);
}
static wk_tensor exp_of(wk_ctx *c, wk_tensor x, wk_tensor w)
{
    (void)w;
    return wk_exp(c, x);
}
static wk_tensor sin_of(wk_ctx *c, wk_tensor x, wk_tensor w)
{
    (void)w;
    return wk_sin(c, x);
}
static wk_tensor affine_of(wk_ctx *c, wk_tensor x, wk_tensor w)
{
    return wk_affine(c, wk_reshape(c, x, WK_SHAPE(1, 3)), wk_reshape(c, w, WK_SHAPE(1, 3)), WK_NONE);
}
static void write_w(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor y)
{
    (void)x, (void)y;
    wk_copy_into(c, w, wk_scalar(c, 9));
}
static void write_part_of_w(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor y)
{
    (void)x, (void)y;
    wk_index_write(c, w, WK_AT(WK_I(1)), wk_scalar(c, 9));
}
static void write_x(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor y)
{
    (void)w, (void)y;
    wk_add_into(c, wk_detach(c, x), wk_scalar(c, 9), 1);
}
static void write_y(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor y)
{
    (void)x, (void)w;
    wk_mul_into(c, wk_detach(c, y), wk_scalar(c, 9));
}

Test(autograd, a_gradient_does_not_use_what_was_written_over)
{
    static const struct written cases[] = {{"mul", "mul: its gradient", product, write_w, false},
                                           {"mul", "mul: its gradient", product, write_part_of_w, false},
                                           {"mul", NULL, product, write_x, true},
                                           {"mul", NULL, product, write_y, true},
                                           {"add", NULL, sum_of, write_w, true},
                                           {"exp", NULL, exp_of, write_x, true},
                                           {"exp", "exp: its gradient", exp_of, write_y, false},
                                           {"sin", "sin: its gradient", sin_of, write_x, false},
                                           {"sin", NULL, sin_of, write_y, true},
                                           {"affine", "affine: its gradient", affine_of, write_w, false},
                                           {"affine", NULL, affine_of, write_x, true}};
    static const float          v[] = {0.5F, -1, 2}, u[] = {3, 4, 5};
    wk_ctx                     *c = wk_ctx_new("cpu");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int write = 0; write < 2; write++) {
            wk_tape_begin(c);
            wk_tensor x = wk_track(c, wk_make(c, v, WK_f32, WK_SHAPE(3))),
                      w = wk_make(c, u, WK_f32, WK_SHAPE(3));
            wk_tensor y = cases[i].call(c, x, w);
            if (write) cases[i].write(c, x, w, y);
            cr_assert_eq(wk_ctx_status(c), WK_OK, "%zu: %s", i, wk_ctx_message(c));
            const wk_status s = wk_backward(c, wk_sum(c, y, WK_ALL_DIMS, false));
            cr_assert_eq(s, write && !cases[i].fine ? WK_EARG : WK_OK, "%s, %zu: %s", cases[i].op, i,
                         wk_ctx_message(c));
            if (s != WK_OK)
                cr_assert(strstr(wk_ctx_message(c), cases[i].said), "%zu: %s", i, wk_ctx_message(c));
            wk_ctx_clear(c);
            wk_tape_end(c);
        }
    }
    wk_ctx_free(c);
}
