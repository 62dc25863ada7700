/* Gradients: the tape, hooks, gradients of gradients, functions with a gradient of one's own, checks. Part of
 * core/wick.h. Names and meaning are torch.autograd's. */
#ifndef WK_API_AUTOGRAD_H
#define WK_API_AUTOGRAD_H

#include "../types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the tape -------------------------------------------------------------------------------- */

/* Reverse mode. Ops between wk_tape_begin and wk_tape_end that touch a tracked tensor are recorded; scopes
 * may end before wk_backward runs. An op that has no gradient fails with WK_ENOGRAD and names itself. Where
 * ops wrote over what a gradient needs (in place, through any view), the walk back is WK_EARG naming the op
 * whose gradient it is; writes of the host into wrapped memory are not seen. */
WK_API void      wk_tape_begin(wk_ctx *c);          /* forgets the tape before */
WK_API void      wk_tape_end(wk_ctx *c);            /* forget the tape, its gradients and hooks */
WK_API wk_tensor wk_track(wk_ctx *c, wk_tensor x);  /* a leaf: a view of x whose gradient will be known */
WK_API wk_tensor wk_detach(wk_ctx *c, wk_tensor x); /* a view of x off the tape */
WK_API bool      wk_no_grad(wk_ctx *c, bool off);   /* stop (true) or resume recording; what it was */
WK_API void      wk_retain_grad(wk_ctx   *c,
                                wk_tensor x); /* wk_grad shall know this result too; no effect on leaves */
/* Of a leaf or a retained result: the sum over all wk_backward since wk_track (wk_retain_grad) or
 * wk_zero_grad; zeros where there was none. */
WK_API wk_tensor wk_grad(wk_ctx *c, wk_tensor x);
WK_API void      wk_zero_grad(wk_ctx *c, wk_tensor x); /* start that sum anew */

/* ---- the walk back --------------------------------------------------------------------------- */

typedef struct wk_grad_opts {
    bool retain_graph;      /* the part of the tape that is walked stays, to be walked again */
    bool create_graph;      /* the walk is recorded, so that gradients have gradients; implies retain_graph */
    bool allow_unused;      /* wk_grad_of: WK_NONE, not an error, for an input that no output depends on */
    bool materialize_grads; /* wk_grad_of: zeros for it */
} wk_grad_opts;

/* Adds to the gradient of every leaf that y, of one element, depends on. What was walked is freed: a second
 * walk over the same part of the tape is WK_EARG. Other parts stay, so that several losses may each be
 * walked. */
WK_API wk_status wk_backward(wk_ctx *c, wk_tensor y);
/* The same from n results at once, each with its cotangent of the same shape (WK_NONE: 1, of one element). */
WK_API wk_status wk_backward_from(wk_ctx *c, int n, const wk_tensor *y, const wk_tensor *cotangent);
WK_API wk_status wk_backward_with(wk_ctx *c, int n, const wk_tensor *y, const wk_tensor *cotangent,
                                  wk_grad_opts o);
/* Gradients of n_y results by n_x tensors, leaves or results, into dx; sums that wk_grad knows stay as they
 * are. cotangent may be NULL (all WK_NONE). Only the part of the tape between is walked. With create_graph
 * dx is recorded, by the cotangents too: walking it gives second derivatives, and so on. An input that no
 * result depends on is WK_ENOGRAD. After an error all of dx is WK_NONE. */
WK_API wk_status wk_grad_of(wk_ctx *c, int n_y, const wk_tensor *y, const wk_tensor *cotangent, int n_x,
                            const wk_tensor *x, wk_tensor *dx, wk_grad_opts o);

/* Runs fn without keeping its intermediates; its gradient runs fn again (recompute), with the same random
 * numbers. Tracked tensors that fn finds through arg get their gradients too. */
typedef wk_tensor (*wk_fn)(wk_ctx *c, void *arg, wk_tensor x);
WK_API wk_tensor wk_checkpoint(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x);
/* The same of n_in tensors and n_out (1 to 4) results: fn fills y[0 .. n_out), real ones or integers, which
 * have no gradient. After an error all of y is WK_NONE. */
typedef void (*wk_fn_n)(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y);
WK_API void wk_checkpoint_n(wk_ctx *c, wk_fn_n fn, void *arg, int n_in, const wk_tensor *x, int n_out,
                            wk_tensor *y);

/* ---- hooks ----------------------------------------------------------------------------------- */

/* Called by each walk with the gradient of a tensor, once it is final: of a result before it goes on to the
 * operands, of a leaf (this walk's part of it) at the end of the walk. Returns what takes its place, of the
 * same shape and dtype, or WK_NONE to leave it. Hooks of one tensor are called in the order they were
 * registered. While a walk lasts no other may begin on the same context, nor a tape. */
typedef wk_tensor (*wk_hook_fn)(wk_ctx *c, void *arg, wk_tensor grad);
typedef int64_t wk_hook; /* 0 after an error */
WK_API wk_hook  wk_register_hook(wk_ctx *c, wk_tensor x, wk_hook_fn fn, void *arg);
WK_API void     wk_remove_hook(wk_ctx *c, wk_hook h); /* one that is gone already is fine */

/* ---- functions with a gradient of one's own -------------------------------------------------- */

/* As torch.autograd.Function. It must live as long as the tape (a static const, usually). */
typedef struct wk_function {
    const char *name; /* in messages */
    /* Fills y[0 .. n_out), all of them; is not recorded. */
    void (*forward)(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y);
    /* dx[i], of x[i]'s shape, for every tracked x[i], from the cotangents dy (zeros for real results that
     * nothing used, WK_NONE for integers). With create_graph it is recorded like any code. */
    void (*backward)(wk_ctx *c, void *arg, const wk_tensor *x, const wk_tensor *y, const wk_tensor *dy,
                     wk_tensor *dx);
    void (*release)(void *arg); /* NULL or: called once, when the call is forgotten */
    int  n_out;                 /* 1 to 4. What backward needs besides x goes into further results. */
    bool shapes_of_inputs;      /* backward looks at shapes of x alone: the tape need not hold its values */
    bool shapes_of_outputs;     /* likewise of y */
    bool once_differentiable;   /* backward is not made of recorded ops: its gradient is WK_ENOGRAD */
} wk_function;
/* Calls f on n tensors; y has room for f->n_out results, all WK_NONE after an error. Returns y[0]. */
WK_API wk_tensor wk_apply(wk_ctx *c, const wk_function *f, void *arg, int n, const wk_tensor *x,
                          wk_tensor *y);

/* ---- checks ---------------------------------------------------------------------------------- */

/* Fills y[0 .. n_out) from x; integer results are not looked at. Called often, each time with the same random
 * numbers. */
typedef void (*wk_check_fn)(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y);
typedef struct wk_gradcheck_opts {
    double   eps, atol, rtol; /* step and tolerances; 0: 1e-6, 1e-5, 1e-3 */
    int      n_out;           /* 0: 1 */
    uint64_t fixed;           /* bit i: input i is passed as it is and not checked; integers are so always */
    bool     fast_mode; /* one random direction per input and one of the outputs, not each pair of elements */
} wk_gradcheck_opts;
/* Compares gradients of fn at the n tensors x, each f64 or fixed, with central differences, as
 * torch.autograd.gradcheck: |analytical - numerical| <= atol + rtol |numerical|. Inputs keep their strides,
 * but those whose elements overlap (expanded ones) are copied for the differences. Where they differ the
 * context fails with WK_EGRADCHECK and a message that names input, output, their elements and both values.
 * The tape that is on, if any, rests meanwhile. */
WK_API wk_status wk_gradcheck(wk_ctx *c, wk_check_fn fn, void *arg, int n, const wk_tensor *x,
                              wk_gradcheck_opts o);
/* The same for the gradient itself, by the inputs and by random cotangents: second derivatives. In its
 * messages inputs from n on are the cotangents, and output i is the gradient of the i-th input checked. */
WK_API wk_status wk_gradgradcheck(wk_ctx *c, wk_check_fn fn, void *arg, int n, const wk_tensor *x,
                                  wk_gradcheck_opts o);

/* ---- derivatives as tensors -------------------------------------------------------------------- */

/* torch.func's, of a function that gives one real tensor. The tape that is on, if any, is forgotten: none of
 * these may be called within fn, nor while a tape is needed on. Results are not on a tape. Parts of the
 * result that x has no say in are 0. */
/* Derivatives of fn's result [m ..] by x [n ..]: [m .., n ..], a walk back for each element of the result. */
WK_API wk_tensor wk_jacobian(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x);
/* Second derivatives of fn's result, of one element: [n .., n ..]. */
WK_API wk_tensor wk_hessian(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x);
/* Jacobian times a direction v of x's shape, [m ..], by two walks; the value through *y, unless it is NULL.
 * And a cotangent v of the result's shape times the Jacobian, [n ..]. */
WK_API wk_tensor wk_jvp(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x, wk_tensor v, wk_tensor *y);
WK_API wk_tensor wk_vjp(wk_ctx *c, wk_fn fn, void *arg, wk_tensor x, wk_tensor v, wk_tensor *y);

#ifdef __cplusplus
}
#endif
#endif
