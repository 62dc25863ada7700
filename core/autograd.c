/* Reverse mode: a tape of calls in execution order, and the walk back. */
#include "ctx.h"

/* One recorded call. Headers are pinned; storages are held where the op's gradient letter asks for them. */
struct entry {
    wk_call    k; /* in and out are the tape's own copies */
    wk_tensor *in;
    wk_fn      fn; /* a checkpoint: runs again instead of wki_vjp */
    void      *arg;
};

/* A tracked value: leaf, or result of an entry. */
struct node {
    int64_t   entry; /* -1: leaf */
    wk_tensor like;  /* pinned shape and dtype; leaves only */
    wk_tensor grad;  /* pinned; NULL: none yet */
};

struct wk_tape {
    struct entry *entries;
    struct node  *nodes; /* node 0 is nobody */
    int64_t       n_entries, cap_entries;
    int32_t       n_nodes, cap_nodes;
};

static const wki_vjp vjps[WK_OP_COUNT] = {
#define VJP_0(name)                        NULL
#define VJP_N(name)                        wki_vjp_##name
#define VJP_I(name)                        wki_vjp_##name
#define VJP_O(name)                        wki_vjp_##name
#define VJP_B(name)                        wki_vjp_##name
#define WK_OP(name, cpu, cuda, grad, rows) [WK_OP_##name] = VJP_##grad(name),
#include "ops.def"
#undef WK_OP
};

static bool is_real(wk_dtype t)
{
    return wki_dtype_class(t) == 'F';
}

static int outputs(const wk_call *k)
{
    return k->n_out ? k->n_out : 1;
}

/* ---- the tape -------------------------------------------------------------------------------- */

/* Frees what an entry holds; it stays as an empty place. */
static void entry_free(wk_ctx *c, struct entry *e)
{
    for (int i = 0; e->in && i < e->k.n_in; i++)
        if (e->in[i]) wki_unpin(c, e->in[i]);
    for (int i = 0; i < WK_MAX_OUT; i++)
        if (e->k.out[i]) wki_unpin(c, e->k.out[i]);
    wk_free(e->in);
    *e = (struct entry){.k = {.op = WK_OP_COUNT}};
}

void wki_tape_free(wk_ctx *c)
{
    struct wk_tape *t = c->tape;
    if (!t) return;
    for (int64_t i = 0; i < t->n_entries; i++) entry_free(c, &t->entries[i]);
    for (int32_t i = 0; i < t->n_nodes; i++) {
        if (t->nodes[i].like) wki_unpin(c, t->nodes[i].like);
        if (t->nodes[i].grad) wki_unpin(c, t->nodes[i].grad);
    }
    wk_free(t->entries);
    wk_free(t->nodes);
    wk_free(t);
    c->tape = NULL;
}

void wk_tape_begin(wk_ctx *c)
{
    if (wki_failed(c)) return;
    wki_tape_free(c);
    c->tape = wk_alloc_zero(1, sizeof *c->tape);
    c->quiet_tape = false;
    if (!c->tape) wk_fail(c, WK_ENOMEM, "tape_begin: out of memory");
}

void wk_tape_end(wk_ctx *c)
{
    if (c && c->device) wki_tape_free(c);
}

bool wk_no_grad(wk_ctx *c, bool off)
{
    if (!c || !c->device) return false;
    const bool was = c->quiet_tape;
    c->quiet_tape = off;
    return was;
}

/* Room for one more of a growing array; false without memory. */
static bool room(wk_ctx *c, void **array, size_t size, int64_t n, int64_t *cap)
{
    if (n < *cap) return true;
    const int64_t more = *cap ? *cap * 2 : 64;
    void         *grown = wk_resize(*array, (size_t)more * size);
    if (!grown) {
        wk_fail(c, WK_ENOMEM, "tape: out of memory for %lld entries", (long long)more);
        return false;
    }
    *array = grown;
    *cap = more;
    return true;
}

/* A new node; 0 after an error. */
static int32_t add_node(wk_ctx *c, int64_t entry, wk_tensor like)
{
    struct wk_tape *t = c->tape;
    int64_t         cap = t->cap_nodes;
    void           *nodes = t->nodes;
    if (t->n_nodes == INT32_MAX || !room(c, &nodes, sizeof *t->nodes, t->n_nodes + 1, &cap)) return 0;
    t->nodes = nodes;
    t->cap_nodes = (int32_t)cap;
    if (t->n_nodes == 0) t->nodes[t->n_nodes++] = (struct node){.entry = -1};
    wk_tensor own = NULL;
    if (like) {
        own = wki_pin(c, like, false);
        if (wki_failed(c)) return 0;
    }
    t->nodes[t->n_nodes] = (struct node){.entry = entry, .like = own};
    return t->n_nodes++;
}

/* Copies a call onto the tape and gives its real outputs nodes. */
static void push(wk_ctx *c, const wk_call *k, bool hold_in, bool hold_out, wk_fn fn, void *arg)
{
    struct wk_tape *t = c->tape;
    void           *entries = t->entries;
    struct entry    e = {.k = *k, .fn = fn, .arg = arg};
    if (!room(c, &entries, sizeof e, t->n_entries, &t->cap_entries)) return;
    t->entries = entries;
    e.in = wk_alloc_zero((size_t)k->n_in, sizeof *e.in);
    for (int i = 0; i < WK_MAX_OUT; i++) e.k.out[i] = NULL;
    if (!e.in) {
        wk_fail(c, WK_ENOMEM, "tape: out of memory");
        return;
    }
    const int64_t at = t->n_entries;
    for (int i = 0; i < outputs(k) && !wki_failed(c); i++)
        if (is_real(k->out[i]->dtype)) wki_set_node(k->out[i], add_node(c, at, NULL));
    for (int i = 0; i < k->n_in && !wki_failed(c); i++)
        e.in[i] = wk_is_none(k->in[i]) ? WK_NONE : wki_pin(c, k->in[i], hold_in);
    for (int i = 0; i < outputs(k) && !wki_failed(c); i++) e.k.out[i] = wki_pin(c, k->out[i], hold_out);
    e.k.in = e.in;
    if (wki_failed(c)) {
        entry_free(c, &e);
        return;
    }
    t->entries[t->n_entries++] = e;
}

void wki_record(wk_ctx *c, const wk_call *k)
{
    const char letter = wki_op_grad(k->op);
    if (letter != '0') {
        push(c, k, letter == 'I' || letter == 'B', letter == 'O' || letter == 'B', NULL, NULL);
        return;
    }
    for (int i = 0; i < outputs(k); i++)
        if (is_real(k->out[i]->dtype)) wk_fail(c, WK_ENOGRAD, "%s: has no gradient", wki_op_name(k->op));
}

wk_tensor wk_track(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "track: no tensor");
    WK_REQUIRE(c, c->tape, WK_EARG, "track: no tape; wk_tape_begin starts one");
    WK_REQUIRE(c, is_real(x->dtype), WK_EDTYPE, "track: %s has no gradient", wk_dtype_name(x->dtype));
    wk_tensor y = wki_untracked(c, x);
    if (wk_is_none(y)) return WK_NONE;
    const int32_t node = add_node(c, -1, y);
    wki_set_node(y, node);
    return node ? y : WK_NONE;
}

wk_tensor wk_detach(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "detach: no tensor");
    return wki_untracked(c, x);
}

/* ---- the walk back --------------------------------------------------------------------------- */

/* Adds g to the gradient of a node. */
static void accumulate(wk_ctx *c, int32_t node, wk_tensor g)
{
    struct node *n = &c->tape->nodes[node];
    if (n->grad) g = wk_add(c, n->grad, g);
    if (wki_failed(c)) return;
    wk_tensor pinned = wki_pin(c, g, true);
    if (wki_failed(c)) return;
    n = &c->tape->nodes[node];
    if (n->grad) wki_unpin(c, n->grad);
    n->grad = pinned;
}

static bool same_shape(wk_tensor a, wk_tensor b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

/* Sends an entry's output gradients to its inputs. */
static void through(wk_ctx *c, const struct entry *e, const wk_tensor *g)
{
    enum { MOST = 64 };
    wk_tensor  few[MOST];
    wk_tensor *dx = e->k.n_in <= MOST ? few : wk_alloc((size_t)e->k.n_in * sizeof *dx);
    if (!dx) {
        wk_fail(c, WK_ENOMEM, "backward: out of memory");
        return;
    }
    for (int i = 0; i < e->k.n_in; i++) dx[i] = WK_NONE;
    vjps[e->k.op](c, &e->k, g, dx);
    for (int i = 0; i < e->k.n_in && !wki_failed(c); i++) {
        const wk_tensor x = e->in[i];
        if (!x->node) continue;
        if (wk_is_none(dx[i]) || !same_shape(dx[i], x)) {
            wk_fail(c, WK_EINTERNAL, "%s: gradient of operand %d is %s, the operand %s", wki_op_name(e->k.op),
                    i, WKI_TEXT(dx[i]), WKI_TEXT(x));
            break;
        }
        accumulate(c, x->node, dx[i]->dtype == x->dtype ? dx[i] : wk_cast(c, dx[i], x->dtype));
    }
    if (dx != few) wk_free(dx);
}

static void walk(wk_ctx *c, int64_t from);

/* A checkpoint: its function runs again, recorded behind the tape's end, and that part is walked at once. */
static void again(wk_ctx *c, const struct entry *e, wk_tensor g)
{
    const int64_t from = c->tape->n_entries;
    c->quiet_tape = false;
    wk_tensor y = e->fn(c, e->arg, e->in[0]);
    c->quiet_tape = true;
    if (wki_failed(c)) return;
    if (y->node) {
        accumulate(c, y->node, g);
        walk(c, from);
    }
}

/* Walks the entries from the last down to `from`, freeing them. */
static void walk(wk_ctx *c, int64_t from)
{
    while (c->tape->n_entries > from && !wki_failed(c)) {
        struct entry   e = c->tape->entries[--c->tape->n_entries];
        const wk_scope s = wk_scope_begin(c);
        wk_tensor      g[WK_MAX_OUT];
        bool           any = false;
        for (int i = 0; i < outputs(&e.k); i++) {
            const int32_t node = e.k.out[i]->node;
            g[i] = WK_NONE;
            if (!node || !c->tape->nodes[node].grad) continue;
            g[i] = wki_adopt(c, c->tape->nodes[node].grad);
            c->tape->nodes[node].grad = NULL;
            any = true;
        }
        if (any && !wki_failed(c)) {
            if (e.fn)
                again(c, &e, g[0]);
            else
                through(c, &e, g);
        }
        entry_free(c, &e);
        wk_scope_end(c, s, WK_NONE);
    }
}

wk_status wk_backward_from(wk_ctx *c, int n, const wk_tensor *y, const wk_tensor *cotangent)
{
    if (wki_failed(c)) return c->status;
    if (!c->tape) return wk_fail(c, WK_EARG, "backward: no tape; wk_tape_begin starts one");
    const bool     was = wk_no_grad(c, true);
    const wk_scope s = wk_scope_begin(c);
    for (int i = 0; i < n && !wki_failed(c); i++) {
        if (wk_is_none(y[i]) || wk_is_none(cotangent[i])) {
            wk_fail(c, WK_EARG, "backward: no tensor");
        } else if (!y[i]->node) {
            wk_fail(c, WK_ENOGRAD, "backward: result %d depends on no tracked tensor", i);
        } else if (y[i]->node >= c->tape->n_nodes || c->tape->nodes[y[i]->node].entry >= c->tape->n_entries) {
            wk_fail(c, WK_EARG, "backward: the tape of result %d was walked already", i);
        } else if (!same_shape(y[i], cotangent[i])) {
            wk_fail(c, WK_ESHAPE, "backward: result %d is %s, its cotangent %s", i, WKI_TEXT(y[i]),
                    WKI_TEXT(cotangent[i]));
        } else {
            accumulate(c, y[i]->node, wk_cast(c, cotangent[i], y[i]->dtype));
        }
    }
    walk(c, 0);
    wk_scope_end(c, s, WK_NONE);
    wk_no_grad(c, was);
    return c->status;
}

wk_status wk_backward(wk_ctx *c, wk_tensor y)
{
    if (wki_failed(c)) return c->status;
    if (wk_is_none(y) || wk_count(y) != 1)
        return wk_fail(c, WK_ESHAPE, "backward: the result is %s, not one element", WKI_TEXT(y));
    wk_tensor one = wk_full(c, 1.0, y->dtype, wki_shape(y));
    return wk_backward_from(c, 1, &y, &one);
}

wk_tensor wk_grad(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, c->tape && x->node > 0 && x->node < c->tape->n_nodes && c->tape->nodes[x->node].like,
               WK_EARG, "grad: the tensor was not made by wk_track on this tape");
    const struct node *n = &c->tape->nodes[x->node];
    if (!n->grad) return wk_zeros(c, x->dtype, wki_shape(x));
    return wki_untracked(c, n->grad);
}

wk_tensor wk_checkpoint(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "checkpoint: no tensor");
    if (!wki_recording(c)) return fn(c, arg, x);
    wk_no_grad(c, true);
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      y = wk_scope_end(c, s, fn(c, arg, x));
    wk_no_grad(c, false);
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, is_real(y->dtype), WK_EDTYPE, "checkpoint: its result is %s", wk_dtype_name(y->dtype));
    wk_tensor result = wki_untracked(c, y); /* y may be a tensor from outside */
    if (wk_is_none(result)) return WK_NONE;
    push(c, &(wk_call){.op = WK_OP_COUNT, WK_IN(x), .out = {result}}, true, false, fn, arg);
    return wki_failed(c) ? WK_NONE : result;
}
