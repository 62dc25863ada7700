/* The tape of reverse mode: calls in execution order, tracked values, their sums of gradients. */
#include "tape.h"

/* ---- entries and nodes ----------------------------------------------------------------------- */

static void unpin(wk_ctx *c, wk_tensor *x)
{
    if (*x) wki_unpin(c, *x);
    *x = NULL;
}

static void entry_free(wk_ctx *c, struct wki_entry *e)
{
    for (int i = 0; e->in && i < e->k.n_in; i++)
        if (e->in[i]) wki_unpin(c, e->in[i]);
    for (int i = 0; i < WK_MAX_OUT; i++) unpin(c, &e->k.out[i]);
    wk_free(e->in);
    if (e->function && e->function->release) e->function->release(e->arg);
    *e = (struct wki_entry){.k = {.op = WK_OP_COUNT}};
}

void wki_entry_forget(wk_ctx *c, int64_t at)
{
    struct wk_tape   *t = c->tape;
    struct wki_entry *e = &t->entries[at];
    for (int i = 0; i < WK_MAX_OUT; i++)
        if (e->k.out[i] && e->k.out[i]->node) t->nodes[e->k.out[i]->node].entry = WKI_WALKED;
    entry_free(c, e);
    while (t->n_entries > 0 && !t->entries[t->n_entries - 1].in) t->n_entries--;
}

void wki_tape_free(wk_ctx *c)
{
    struct wk_tape *t = c->tape;
    if (!t) return;
    for (int64_t i = 0; i < t->n_entries; i++) entry_free(c, &t->entries[i]);
    for (int64_t i = 0; i < t->n_nodes; i++) {
        unpin(c, &t->nodes[i].like);
        unpin(c, &t->nodes[i].grad);
        unpin(c, &t->nodes[i].total);
    }
    wk_free(t->entries);
    wk_free(t->nodes);
    wk_free(t->hooks);
    wk_free(t);
    c->tape = NULL;
}

struct wk_tape *wki_tape_swap(wk_ctx *c, struct wk_tape *t)
{
    struct wk_tape *was = c->tape;
    c->tape = t;
    return was;
}

bool wki_tape_room(wk_ctx *c, void **array, size_t size, int64_t n, int64_t *cap)
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
    void           *nodes = t->nodes;
    if (t->n_nodes >= INT32_MAX || !wki_tape_room(c, &nodes, sizeof *t->nodes, t->n_nodes + 1, &t->cap_nodes))
        return 0;
    t->nodes = nodes;
    if (t->n_nodes == 0) t->nodes[t->n_nodes++] = (struct wki_node){.entry = WKI_LEAF};
    wk_tensor own = NULL;
    if (like) {
        own = wki_pin(c, like, false);
        if (wki_failed(c)) return 0;
    }
    t->nodes[t->n_nodes] = (struct wki_node){.entry = entry, .like = own};
    return (int32_t)t->n_nodes++;
}

/* A copy for the tape, which knows when what it keeps is written over. */
static wk_tensor keep(wk_ctx *c, wk_tensor x, bool hold)
{
    const wk_tensor own = wki_pin(c, x, hold);
    if (!wki_failed(c) && hold) ((struct wki_header *)(uintptr_t)own)->saved = x->storage->written + 1;
    return own;
}

const char *wki_walked_op(const wk_ctx *c, const char *otherwise)
{
    return c->tape && c->tape->walked ? c->tape->walked : otherwise;
}

/* Of x and its n factors each is read for the other. */
static uint64_t product_reads(const wk_call *k)
{
    uint64_t  reads = 0;
    const int n = wki_outputs(k);
    for (int i = 1; i <= n; i++) {
        if (k->in[i]->node) reads |= 1;
        if (k->in[0]->node) reads |= (uint64_t)1 << i;
    }
    return reads;
}

static uint64_t reads_of(const wk_call *k)
{
    const uint64_t inputs = ~WKI_READS_OUTPUTS;
    const char     letter = wki_op_grad(k->op);
    unsigned       slope;
    switch (letter) {
    case 'I':
        return inputs;
    case 'O':
        return WKI_READS_OUTPUTS;
    case 'B':
        return inputs | WKI_READS_OUTPUTS;
    case 'F':
        slope = wki_slope_reads(k);
        return (slope & 3) | (slope & 4 ? WKI_READS_OUTPUTS : 0);
    case 'P':
        return product_reads(k);
    case 'C':
        return 1;
    case 'X':
        return inputs ^ 1;
    default:
        return 0;
    }
}

void wki_tape_push(wk_ctx *c, const wk_call *k, uint64_t reads, const struct wki_entry *what)
{
    struct wk_tape  *t = c->tape;
    void            *entries = t->entries;
    struct wki_entry e = {.k = *k};
    if (!wki_tape_room(c, &entries, sizeof e, t->n_entries, &t->cap_entries)) return;
    t->entries = entries;
    e.in = wk_alloc_zero((size_t)k->n_in, sizeof *e.in);
    for (int i = 0; i < WK_MAX_OUT; i++) e.k.out[i] = NULL;
    if (!e.in) {
        wk_fail(c, WK_ENOMEM, "tape: out of memory");
        return;
    }
    const int64_t at = t->n_entries;
    for (int i = 0; i < wki_outputs(k) && !wki_failed(c); i++)
        if (wki_is_real(k->out[i]->dtype)) wki_set_node(k->out[i], add_node(c, at, NULL));
    for (int i = 0; i < k->n_in && !wki_failed(c); i++)
        e.in[i] = wk_is_none(k->in[i]) ? WK_NONE : keep(c, k->in[i], reads >> (i < 62 ? i : 62) & 1);
    for (int i = 0; i < wki_outputs(k) && !wki_failed(c); i++)
        e.k.out[i] = keep(c, k->out[i], reads & WKI_READS_OUTPUTS);
    e.k.in = e.in;
    if (wki_failed(c)) {
        entry_free(c, &e);
        return;
    }
    if (what) {
        e.again = what->again;
        e.again_n = what->again_n;
        e.function = what->function;
        e.arg = what->arg;
    }
    t->entries[t->n_entries++] = e;
}

void wki_record(wk_ctx *c, const wk_call *k)
{
    if (wki_op_grad(k->op) != '0') {
        wki_tape_push(c, k, reads_of(k), NULL);
        return;
    }
    for (int i = 0; i < wki_outputs(k); i++)
        if (wki_is_real(k->out[i]->dtype)) wk_fail(c, WK_ENOGRAD, "%s: has no gradient", wki_op_name(k->op));
}

bool wki_constant(wk_ctx *c, const char *op, const char *what, wk_tensor x)
{
    if (!wki_failed(c) && wki_recording(c) && x->node)
        wk_fail(c, WK_ENOGRAD, "%s: has no gradient by %s; wk_detach takes it off the tape", op, what);
    return !wki_failed(c);
}

/* ---- what users see -------------------------------------------------------------------------- */

/* No tape ends under a walk; false after recording that. */
static bool rests(wk_ctx *c, const char *what)
{
    if (!c->tape || !c->tape->walking) return true;
    wk_fail(c, WK_EARG, "%s: inside of backward", what);
    return false;
}

void wk_tape_begin(wk_ctx *c)
{
    if (wki_failed(c) || !rests(c, "tape_begin")) return;
    wki_tape_free(c);
    c->tape = wk_alloc_zero(1, sizeof *c->tape);
    c->quiet_tape = false;
    if (!c->tape) wk_fail(c, WK_ENOMEM, "tape_begin: out of memory");
}

void wk_tape_end(wk_ctx *c)
{
    if (c && c->device && rests(c, "tape_end")) wki_tape_free(c);
}

bool wk_no_grad(wk_ctx *c, bool off)
{
    if (!c || !c->device) return false;
    const bool was = c->quiet_tape;
    c->quiet_tape = off;
    return was;
}

wk_tensor wk_track(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "track: no tensor");
    WK_REQUIRE(c, c->tape, WK_EARG, "track: no tape; wk_tape_begin starts one");
    WK_REQUIRE(c, wki_is_real(x->dtype), WK_EDTYPE, "track: %s has no gradient", wk_dtype_name(x->dtype));
    wk_tensor y = wki_untracked(c, x);
    if (wk_is_none(y)) return WK_NONE;
    const int32_t node = add_node(c, WKI_LEAF, y);
    wki_set_node(y, node);
    return node ? y : WK_NONE;
}

wk_tensor wk_detach(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "detach: no tensor");
    return wki_untracked(c, x);
}

/* The node whose sum is asked for; NULL after an error. */
static struct wki_node *summed(wk_ctx *c, const char *what, wk_tensor x)
{
    if (wki_failed(c)) return NULL;
    if (c->tape && x->node > 0 && x->node < c->tape->n_nodes && c->tape->nodes[x->node].like)
        return &c->tape->nodes[x->node];
    wk_fail(c, WK_EARG, "%s: the tensor is no leaf (wk_track) and not retained (wk_retain_grad) on this tape",
            what);
    return NULL;
}

void wk_retain_grad(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return;
    if (!c->tape || x->node <= 0 || x->node >= c->tape->n_nodes ||
        c->tape->nodes[x->node].entry == WKI_WALKED) {
        wk_fail(c, WK_EARG, "retain_grad: the tensor is not on this tape, or was walked already");
        return;
    }
    struct wki_node *n = &c->tape->nodes[x->node];
    if (n->like) return;
    const wk_tensor own = wki_pin(c, x, false);
    if (!wki_failed(c)) n->like = own;
}

wk_tensor wk_grad(wk_ctx *c, wk_tensor x)
{
    const struct wki_node *n = summed(c, "grad", x);
    if (!n) return WK_NONE;
    if (!n->total) return wk_zeros(c, x->dtype, wki_shape(x));
    const wk_tensor own = wki_pin(c, n->total, true);
    return wki_failed(c) ? WK_NONE : wki_adopt(c, own);
}

void wk_zero_grad(wk_ctx *c, wk_tensor x)
{
    struct wki_node *n = summed(c, "zero_grad", x);
    if (n) unpin(c, &n->total);
}
