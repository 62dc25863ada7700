/* What the tape's files share: entries, nodes, hooks, the walk. */
#ifndef WK_TAPE_H
#define WK_TAPE_H

#include "ctx.h"

/* One recorded call. Headers are pinned; storages are held where the op's gradient letter asks for them. An
 * entry that was walked stays as an empty place: its `in` is NULL. */
struct wki_entry {
    wk_call    k; /* in and out are the tape's own copies; op is WK_OP_COUNT for the two kinds below */
    wk_tensor *in;
    wk_fn      again;   /* a checkpoint: runs again instead of wki_vjp */
    wk_fn_n    again_n; /* one of several tensors */
    const wk_function *function;
    void              *arg; /* of either */
};

/* Where a node comes from, if from no entry. */
enum { WKI_LEAF = -1, WKI_WALKED = -2 };

/* A tracked value: leaf, or result of an entry. */
struct wki_node {
    int64_t   entry;
    wk_tensor like;   /* pinned shape and dtype; of leaves and of retained results only */
    wk_tensor grad;   /* pinned: of the walk under way, not final; NULL: none yet */
    wk_tensor total;  /* pinned: what wk_grad gives; NULL: zeros */
    int32_t   hook;   /* the first, counted from 1; 0: none */
    int32_t   wanted; /* place in wk_grad_of's results, counted from 1; 0: none */
    bool      needed; /* leads to such a node */
};

struct wki_hook {
    wk_hook_fn fn; /* NULL: removed */
    void      *arg;
    wk_hook    id;
    int32_t    next;
};

struct wk_tape {
    struct wki_entry *entries;
    struct wki_node  *nodes; /* node 0 is nobody */
    struct wki_hook  *hooks;
    int64_t           n_entries, cap_entries;
    int64_t           n_nodes, cap_nodes;
    int64_t           n_hooks, cap_hooks;
    bool              walking;
    const char       *walked; /* the op whose gradient is being taken */
};

static inline int wki_outputs(const wk_call *k)
{
    return k->n_out ? k->n_out : 1;
}
static inline bool wki_is_real(wk_dtype t)
{
    return wki_dtype_class(t) == 'F';
}

/* Room for one more of a growing array; false without memory. */
bool wki_tape_room(wk_ctx *c, void **array, size_t size, int64_t n, int64_t *cap);
/* Copies a call onto the tape and gives its real outputs nodes; `what` gives kind, function and arg. `reads`
 * is what its gradient reads and the tape therefore keeps: bit i operand i, bit 62 those from there on, and
 * the results. */
#define WKI_READS_OUTPUTS ((uint64_t)1 << 63)
void wki_tape_push(wk_ctx *c, const wk_call *k, uint64_t reads, const struct wki_entry *what);
/* Frees what an entry holds and leaves its place empty; its outputs are walked from now on. */
void wki_entry_forget(wk_ctx *c, int64_t at);
/* A tape of its own for a while: returns the one that was on, for wki_tape_swap(c, that) at the end. */
struct wk_tape *wki_tape_swap(wk_ctx *c, struct wk_tape *t);

/* What a walk is after (backward.c). */
struct wki_walk {
    bool       keep, create; /* entries stay; the walk itself is recorded */
    bool       only;         /* towards wanted nodes alone, no total changes */
    int64_t    known;        /* nodes when it began */
    wk_tensor *got;          /* pinned gradients of the wanted */
};
/* The gradient as the node's hooks leave it (hooks.c). */
wk_tensor wki_hooks_run(wk_ctx *c, int32_t node, wk_tensor g);
/* Gradients of a function's call (function.c). */
void wki_function_vjp(wk_ctx *c, const struct wki_walk *w, const struct wki_entry *e, const wk_tensor *g,
                      wk_tensor *dx);

/* Fused ops whose gradient is a kernel without one: while recording, their composition runs again and is
 * walked instead. */
#define WKI_RUN_AGAIN(OP)                                                                                    \
    OP(attend) OP(gated) OP(cross_entropy) OP(prod) OP(cumprod) OP(logcumsumexp) OP(grid_sample)
#define WKI_DECLARE_AGAIN(name) wk_tensor wki_again_##name(wk_ctx *c, const wk_call *k);
WKI_RUN_AGAIN(WKI_DECLARE_AGAIN)
#undef WKI_DECLARE_AGAIN

#endif
