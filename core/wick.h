/* wick: tensors and transformers in C. The public header, a manual from the simplest to the most advanced.
 *
 *     wk_ctx *c = wk_ctx_new("cpu");
 *     wk_tensor x = wk_make(c, (float[]){1, 2, 3, 4, 5, 6}, WK_f32, WK_SHAPE(2, 3));
 *     wk_tensor y = wk_softmax(c, wk_gelu(c, x), -1);
 *     float out[6];
 *     if (wk_read(c, y, out)) fprintf(stderr, "%s\n", wk_ctx_message(c));   // the one check
 *     wk_ctx_free(c);
 *
 * Conventions. Sizes run outermost first; dims count from 0, negative ones from the end. Names, semantics and
 * type promotion are PyTorch's where nothing else is said. A function that fails returns WK_NONE (or NULL)
 * and leaves the first status and message in its context; later calls on that context return at once. A
 * tensor lives until the scope it was made in ends. A context serves one thread at a time. */
#ifndef WK_WICK_H
#define WK_WICK_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WK_VERSION "0.1.0"

/* ---- 1. Types (core/types.h) ----------------------------------------------------------------- */

WK_API const char *wk_status_text(wk_status s);        /* "out of memory" */
WK_API const char *wk_dtype_name(wk_dtype t);          /* "f32"; "?" for no dtype */
WK_API wk_dtype    wk_dtype_find(const char *name);    /* WK_DTYPE_COUNT: no such name */
WK_API int64_t     wk_dtype_block(wk_dtype t);         /* values per block, 1 for plain types */
WK_API int64_t     wk_dtype_bytes(wk_dtype t);         /* bytes per block */
WK_API wk_dtype    wk_promote(wk_dtype a, wk_dtype b); /* PyTorch's table for two tensors with dims */
WK_API const char *wk_version(void);

/* ---- 2. Contexts and errors ------------------------------------------------------------------ */

/* Opens a context on "cpu" or "cuda:N". Never NULL: where the device cannot be opened, the context has
 * already failed and its message says why. */
WK_API wk_ctx     *wk_ctx_new(const char *device);
WK_API void        wk_ctx_free(wk_ctx *c);          /* and every tensor made in it; NULL is fine */
WK_API wk_status   wk_ctx_status(const wk_ctx *c);  /* first error since wk_ctx_new or wk_ctx_clear */
WK_API const char *wk_ctx_message(const wk_ctx *c); /* "" when there is none */
WK_API void        wk_ctx_clear(wk_ctx *c);         /* forget the error; tensors stay */
WK_API const char *wk_ctx_device(const wk_ctx *c);  /* "cpu" */
/* What the device is, as lines of "key: value" (as snprintf: returns the length it needs, at most 1023). */
WK_API int64_t wk_ctx_describe(const wk_ctx *c, char *out, size_t size);
/* What the device can do at most, measured with its threads of now (a tenth of a second): bytes read from
 * memory and operations (a multiply-add is two), both per second; 0: not known, or no such unit. All 0 after
 * an error. The limits of the roofline model (Williams et al., 2009). */
typedef struct wk_limits {
    double read;
    double f32, bf16, i8; /* products of pairs in this type, summed in 32 bits */
} wk_limits;
WK_API wk_limits wk_measure_limits(wk_ctx *c);
/* The kernels of the OpenBLAS that linear algebra and large products may use on the CPU (of f64; of f32
 * where our own are not as fast), by its own name ("SkylakeX"); "" where it is not installed. */
WK_API const char *wk_blas_core(void);
/* Record an error, for code built on wick; the first one sticks. Returns the context's status. */
WK_API wk_status wk_fail(wk_ctx *c, wk_status s, const char *format, ...) WK_PRINTF(3, 4);

/* Threads of the CPU device this context runs on (shared by all contexts of it); 0: as many as the affinity
 * mask and the cgroup quota give. Results do not depend on it. */
WK_API void wk_set_threads(wk_ctx *c, int threads);
WK_API int  wk_threads(const wk_ctx *c);
/* How f32 rows meet weights of fewer bits in wk_affine. true: in f32, the weights dequantised. false, the
 * default: where it is faster, with 8-bit activations for block-quantised weights, and with activations and
 * weights in bf16 for bf16 and f16 weights. */
WK_API void wk_set_precise(wk_ctx *c, bool precise);
WK_API bool wk_precise(const wk_ctx *c);
/* The mode of layers that behave differently while a model learns: dropout, and norms over a batch. false,
 * the default: inference. It has nothing to do with the tape. */
WK_API void wk_set_training(wk_ctx *c, bool training);
WK_API bool wk_training(const wk_ctx *c);
/* Another thread may ask a context to stop: its next op fails with WK_ECANCELLED. The only function that may
 * be called while another thread uses the context; async-signal-safe. */
WK_API void wk_cancel(wk_ctx *c);
/* Was c asked to stop? Then it fails, as its next op would. For loops whose ops run in other contexts. */
WK_API bool wk_cancelled(wk_ctx *c);

/* ---- 3. Scopes ------------------------------------------------------------------------------- */

typedef struct wk_scope {
    int64_t mark;
} wk_scope;
WK_API wk_scope  wk_scope_begin(wk_ctx *c);
WK_API wk_tensor wk_scope_end(wk_ctx *c, wk_scope s, wk_tensor keep);  /* frees all made since but keep */
WK_API wk_tensor wk_scope_next(wk_ctx *c, wk_scope s, wk_tensor keep); /* same; the scope goes on */
/* Ends the scope and hands n tensors outwards (their order is kept; WK_NONE entries are skipped). */
WK_API void wk_scope_end_n(wk_ctx *c, wk_scope s, int n, wk_tensor const *keep);

/* ---- 4. Making and reading tensors ----------------------------------------------------------- */

WK_API wk_tensor wk_make(wk_ctx *c, const void *data, wk_dtype t, wk_shape shape); /* copies host data */
WK_API wk_tensor wk_empty(wk_ctx *c, wk_dtype t, wk_shape shape);
WK_API wk_tensor wk_zeros(wk_ctx *c, wk_dtype t, wk_shape shape);
/* value is truncated for an integer t; WK_EARG where t has no such value (300 or -1 of u8, NaN). A double is
 * exact up to 2^53: larger integers are made with wk_make or wk_scalar_int (wk_expand and wk_clone fill). */
WK_API wk_tensor wk_full(wk_ctx *c, double value, wk_dtype t, wk_shape shape);
WK_API wk_tensor wk_scalar(wk_ctx *c, double value);      /* 0-d, promotes like a Python float */
WK_API wk_tensor wk_scalar_int(wk_ctx *c, int64_t value); /* 0-d, promotes like a Python int */
/* start, start + step, .. before stop. Of i64 each value is exact, whole start and step being so: those
 * beyond 2^53 that no double is are reached by steps, or as wk_add of an arange and wk_scalar_int. */
WK_API wk_tensor wk_arange(wk_ctx *c, double start, double stop, double step, wk_dtype t);
/* A tensor over memory of the caller's, which must outlive every context that uses it (mapped weights). Rows
 * are dense; nothing is copied on the CPU; other devices copy once. release(arg), if given, is called when
 * the last tensor over the memory is gone. data need not be aligned. */
WK_API wk_tensor wk_wrap(wk_ctx *c, const void *data, wk_dtype t, wk_shape shape, void (*release)(void *),
                         void *arg);

WK_API int64_t wk_count(wk_tensor x);         /* number of elements */
WK_API int64_t wk_bytes(wk_tensor x);         /* of its elements, dense */
WK_API int64_t wk_size(wk_tensor x, int dim); /* dim may be negative; 0 if there is none */
WK_API bool    wk_is_none(wk_tensor x);
WK_API bool    wk_is_dense(wk_tensor x);
/* Copies all elements, dense and in x's dtype, to host memory (wk_bytes(x) bytes). Waits for the device. */
WK_API wk_status wk_read(wk_ctx *c, wk_tensor x, void *out);
/* The value of a tensor of one element; NaN after an error. An i64 beyond 2^53 is rounded to a double;
 * wk_read gives it exactly. */
WK_API double wk_item(wk_ctx *c, wk_tensor x);
/* Prints as PyTorch does, into out (like snprintf: returns the length it would need), dtypes by wick's names.
 * wk_format_with: with other options than PyTorch's defaults. */
typedef enum wk_scientific { WK_SCI_AUTO, WK_SCI_ALWAYS, WK_SCI_NEVER } wk_scientific;
typedef struct wk_print_opts {
    int           precision;  /* digits after the point, at most 40 */
    int           edge_items; /* shown at each end of a dim that is cut */
    int           line_width;
    wk_scientific scientific; /* auto: where values differ 1000-fold, or are very large or small */
    int64_t       threshold;  /* with more elements than this dims are cut */
} wk_print_opts;
#define WK_PRINT_OPTS ((wk_print_opts){4, 3, 80, WK_SCI_AUTO, 1000})
WK_API int64_t wk_format(wk_ctx *c, wk_tensor x, char *out, size_t size);
WK_API int64_t wk_format_with(wk_ctx *c, wk_tensor x, wk_print_opts o, char *out, size_t size);

/* ---- 5. Views (no copies) -------------------------------------------------------------------- */

WK_API wk_tensor wk_reshape(wk_ctx *c, wk_tensor x,
                            wk_shape shape); /* one size may be -1; copies if it must */
WK_API wk_tensor wk_permute(wk_ctx *c, wk_tensor x, wk_shape dims);
WK_API wk_tensor wk_transpose(wk_ctx *c, wk_tensor x, int a, int b);
WK_API wk_tensor wk_slice(wk_ctx *c, wk_tensor x, int dim, int64_t start, int64_t stop,
                          int64_t step); /* as x[a:b:s]; s != 0, negative copies */
WK_API wk_tensor wk_narrow(wk_ctx *c, wk_tensor x, int dim, int64_t start, int64_t length);
WK_API wk_tensor wk_select(wk_ctx *c, wk_tensor x, int dim, int64_t index); /* drops the dim */
WK_API wk_tensor wk_expand(wk_ctx *c, wk_tensor x, wk_shape shape);         /* -1 keeps a size */
WK_API wk_tensor wk_squeeze(wk_ctx *c, wk_tensor x, int dim);
WK_API wk_tensor wk_unsqueeze(wk_ctx *c, wk_tensor x, int dim);
WK_API wk_tensor wk_flatten(wk_ctx *c, wk_tensor x, int first, int last);

/* ---- 6. Copies and casts --------------------------------------------------------------------- */

WK_API wk_tensor wk_contiguous(wk_ctx *c, wk_tensor x); /* x itself when it is dense */
WK_API wk_tensor wk_clone(wk_ctx *c, wk_tensor x);      /* always a copy */
WK_API wk_tensor wk_cast(wk_ctx *c, wk_tensor x,
                         wk_dtype t); /* block types quantise (no gradient) and dequantise */
WK_API void      wk_copy_into(wk_ctx *c, wk_tensor dst, wk_tensor x); /* x is broadcast and cast */

/* ---- 7. Elementwise -------------------------------------------------------------------------- */

/* What unary.def and binary.def list, named as PyTorch's functions: wk_exp, wk_gelu, wk_clamp, wk_add, wk_eq
 * ... Some have two parameters; PyTorch's names and defaults (an unused q is 0):
 *
 *   wk_leaky_relu(c, x, p, 0)   p: negative_slope, 0.01
 *   wk_elu(c, x, p, 0)          p: alpha, 1
 *   wk_celu(c, x, p, 0)         p: alpha, 1; not 0
 *   wk_softplus(c, x, p, q)     p: beta, 1; q: threshold, 20, above which (of p x) it is x
 *   wk_hardtanh(c, x, p, q)     p: min_val, -1; q: max_val, 1
 *   wk_softshrink(c, x, p, 0)   p: lambd, 0.5
 *   wk_hardshrink(c, x, p, 0)   p: lambd, 0.5
 *   wk_threshold(c, x, p, q)    p: threshold; q: value, which takes the place of x <= p; no defaults
 *   wk_clamp(c, x, p, q)        p: min, -INFINITY; q: max, INFINITY; where they cross the upper one counts
 *   wk_polygamma(c, x, p, 0)    p: n, the order, whole and at least 0; no default
 *
 * Integers stay integers in hardtanh and threshold, whose p and q are cut to integers, and in wk_clamp where
 * both bounds are whole or left open (of bool: i64); a fractional bound promotes to f32, and one beyond all
 * values of the dtype on the wrong side (min 300 of u8) is WK_EARG. The others give f32 of integers. */
#define WK_UNARY(name, y, dy)         WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor x);
#define WK_UNARY_ANY(name, y, dy, iy) WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor x);
#define WK_UNARY_P(name, y, dy)       WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor x, double p, double q);
#define WK_UNARY_P_ANY(name, y, dy, iy)                                                                      \
    WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor x, double p, double q);
#define WK_UNARY_TEST(name, y) WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor x);
#include "unary.def"
#undef WK_UNARY
#undef WK_UNARY_ANY
#undef WK_UNARY_P
#undef WK_UNARY_P_ANY
#undef WK_UNARY_TEST
#define WK_BINARY(name, y, da, db)         WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor a, wk_tensor b);
#define WK_BINARY_ANY(name, y, da, db, iy) WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor a, wk_tensor b);
#define WK_BINARY_INT(name, iy)            WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor a, wk_tensor b);
#define WK_COMPARE(name, y)                WK_API wk_tensor wk_##name(wk_ctx *c, wk_tensor a, wk_tensor b);
#include "binary.def"
#undef WK_BINARY
#undef WK_BINARY_ANY
#undef WK_BINARY_INT
#undef WK_COMPARE
WK_API wk_tensor wk_bitwise_not(wk_ctx *c, wk_tensor x); /* of bool: logical not */

/* ---- 8. Products ----------------------------------------------------------------------------- */

/* a [.., n, k] times b [.., k, m]: leading dims broadcast without copies; 1-d operands as in PyTorch. */
WK_API wk_tensor wk_matmul(wk_ctx *c, wk_tensor a, wk_tensor b);
/* y = x w^T + bias. x [.., in], w [out, in] of any real or block dtype, bias [out] or WK_NONE; y [.., out] in
 * x's dtype. With a block-quantised w, w carries no gradient. Integers of one dtype wrap, as in wk_matmul. */
WK_API wk_tensor wk_affine(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias);
/* n (at most 4) affines of one x at once, which read x (and quantise it) only once: out[i] = x w[i]^T +
 * bias[i]; bias may be NULL. After an error all of out is WK_NONE. */
WK_API void wk_affine_n(wk_ctx *c, wk_tensor x, int n, const wk_tensor *w, const wk_tensor *bias,
                        wk_tensor *out);
/* relu(x w^T + bias); gelu(x w^T + bias), in its form with tanh; r + x w^T + bias, r [.., out]. Where a
 * product ends that way halves are rounded once, else after each step, and, unless the context is precise,
 * relu may give 0 for NaN. The rest as wk_affine. */
WK_API wk_tensor wk_affine_relu(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias);
WK_API wk_tensor wk_affine_gelu_tanh(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias);
WK_API wk_tensor wk_affine_add(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_tensor r);

/* ---- 9. Reductions --------------------------------------------------------------------------- */

/* Over the dims given (WK_ALL_DIMS: all); keep leaves them in as size 1. Halves accumulate in f32; sums are
 * blocked so that errors stay small and the bits do not depend on threads. Sums of integers are i64. */
WK_API wk_tensor wk_sum(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
WK_API wk_tensor wk_mean(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
WK_API wk_tensor wk_prod(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
WK_API wk_tensor wk_amax(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep); /* NaN wins */
WK_API wk_tensor wk_amin(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
WK_API wk_tensor wk_any(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
WK_API wk_tensor wk_all(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
WK_API wk_tensor wk_var(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep);
WK_API wk_tensor wk_logsumexp(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep);
/* i64 index of the first largest (smallest) value along a dim, or WK_FLAT; NaN wins. */
WK_API wk_tensor wk_argmax(wk_ctx *c, wk_tensor x, int dim, bool keep);
WK_API wk_tensor wk_argmin(wk_ctx *c, wk_tensor x, int dim, bool keep);
/* The k largest (or smallest) along a dim, in order; indices (i64) through *indices when it is not NULL. */
WK_API wk_tensor wk_topk(wk_ctx *c, wk_tensor x, int64_t k, int dim, bool largest, wk_tensor *indices);

/* ---- 10. Shape and index ops that copy ------------------------------------------------------- */

WK_API wk_tensor wk_cat(wk_ctx *c, int n, const wk_tensor *x, int dim);
WK_API wk_tensor wk_stack(wk_ctx *c, int n, const wk_tensor *x, int dim);
WK_API wk_tensor wk_repeat(wk_ctx *c, wk_tensor x, wk_shape times);
/* pads[2i], pads[2i + 1]: values added before and after dim -1 - i (PyTorch's order); negative crops. */
WK_API wk_tensor wk_pad(wk_ctx *c, wk_tensor x, int n_pads, const int64_t *pads, double value);
WK_API wk_tensor wk_where(wk_ctx *c, wk_tensor condition, wk_tensor a, wk_tensor b);
WK_API wk_tensor wk_tril(wk_ctx *c, wk_tensor x, int64_t diagonal);
WK_API wk_tensor wk_triu(wk_ctx *c, wk_tensor x, int64_t diagonal);
/* Indices are integers; negative or too large ones are WK_EINDEX. */
WK_API wk_tensor wk_index_select(wk_ctx *c, wk_tensor x, int dim, wk_tensor index);
WK_API wk_tensor wk_gather(wk_ctx *c, wk_tensor x, int dim, wk_tensor index);
WK_API wk_tensor wk_scatter_add(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src);
/* Rows of table [n, d] (any dtype, block ones too) picked by tokens [..]: f32 (or table's real dtype) [..,
 * d]. */
WK_API wk_tensor wk_embedding_rows(wk_ctx *c, wk_tensor table, wk_tensor tokens);

/* ---- 11. Transformer ops --------------------------------------------------------------------- */

WK_API wk_tensor wk_softmax(wk_ctx *c, wk_tensor x, int dim);
WK_API wk_tensor wk_log_softmax(wk_ctx *c, wk_tensor x, int dim);
/* x / sqrt(mean(x^2) + eps) * w over the last dim (arXiv:1910.07467); w [d] or WK_NONE. With w of several
 * dims, and so in wk_layer_norm with w or b, over the last dims of these sizes (normalized_shape). */
WK_API wk_tensor wk_rms_norm(wk_ctx *c, wk_tensor x, wk_tensor w, double eps);
/* (x - mean) / sqrt(var + eps) * w + b over the last dim (arXiv:1607.06450); w, b [d] or WK_NONE. */
WK_API wk_tensor wk_layer_norm(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor b, double eps);
/* The sum s = x + y through *sum, and its norm as the result: rms_norm, or layer_norm where bias is a tensor
 * or layer is true. One pass over memory. */
WK_API wk_tensor wk_add_norm(wk_ctx *c, wk_tensor x, wk_tensor y, wk_tensor w, wk_tensor b, double eps,
                             bool layer, wk_tensor *sum);
/* Gated activations on separate halves: act(gate) * up. */
WK_API wk_tensor wk_swiglu(wk_ctx *c, wk_tensor gate, wk_tensor up); /* arXiv:2002.05202 */
WK_API wk_tensor wk_geglu(wk_ctx *c, wk_tensor gate, wk_tensor up, bool tanh_form);
WK_API wk_tensor wk_reglu(wk_ctx *c, wk_tensor gate, wk_tensor up);
WK_API wk_tensor wk_glu(wk_ctx *c, wk_tensor x, int dim); /* a * sigmoid(b), the two halves of dim */

/* Rotary positions (arXiv:2104.09864). x [.., heads, T, d]; positions [T] i32 or i64; the first `dims` of
 * each row are turned (0: all). inv_freq [dims / 2] f32 gives radians per position (scalings are folded into
 * it); attention_scale multiplies sine and cosine (YaRN; 1 otherwise). Layouts: halves pairs (i, i + dims/2)
 * as in GPT-NeoX and Hugging Face Llama; interleaved pairs (2i, 2i + 1) as in GPT-J and Meta's Llama. */
typedef enum wk_rope_layout { WK_ROPE_HALVES, WK_ROPE_INTERLEAVED } wk_rope_layout;
typedef struct wk_rope_opts {
    wk_rope_layout layout;
    int64_t        dims;            /* 0: all */
    double         attention_scale; /* 0: 1 */
    bool           inverse;         /* turn backwards */
} wk_rope_opts;
WK_API wk_tensor wk_rope(wk_ctx *c, wk_tensor x, wk_tensor positions, wk_tensor inv_freq, wk_rope_opts o);

/* softmax(scale q k^T + mask) v without the score matrix in memory. q [.., H, T, d]; k, v [.., G, S, d] with
 * H a multiple of G (grouped queries share keys); v's d may differ, leading dims broadcast. Real dtypes; k
 * and v also narrower ones or blocks. Result: [.., H, T, dv] in q's dtype, laid out so that transposing H and
 * T is dense. A query that sees no key gives 0, as in PyTorch. */
typedef struct wk_attend_opts {
    double    scale;   /* 0: 1 / sqrt(d) */
    bool      causal;  /* query t sees keys up to start + t */
    int64_t   window;  /* sees only the last `window` keys (itself included); 0: all */
    double    softcap; /* scores become softcap * tanh(score / softcap); 0: off */
    wk_tensor start;   /* i32 or i64: keys before the first query, one for all or one for each entry of q's
                        leading sizes; only start + T keys of k and v are looked at. WK_NONE or NULL:
                        start = S - T when causal, all keys seen. */
    wk_tensor
        mask; /* bool (true: seen) or real (added), broadcastable to [.., H, T, S]; WK_NONE or NULL: none */
    wk_tensor sinks; /* [H] or [1]: scores that take their share and give nothing (GPT-OSS, arXiv:2508.10925),
                        not scaled, capped or masked; WK_NONE or NULL: none */
} wk_attend_opts;
WK_API wk_tensor wk_attend(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, wk_attend_opts o);
/* Writes x [.., G, T, d] into cache [.., G, capacity, d] at positions start .. start + T (start i32 or i64,
 * one for all or one for each entry of the leading sizes), casting to the cache's dtype. In place; over
 * capacity is WK_EINDEX. */
WK_API void wk_cache_write(wk_ctx *c, wk_tensor cache, wk_tensor x, wk_tensor start);

/* ---- 12. Losses: core/api/loss.h ---------------------------------------------------------------- */

/* ---- 13. Gradients: core/api/autograd.h -------------------------------------------------------- */

/* ---- 14. Steps: capture and replay ----------------------------------------------------------- */

/* A step is a function that makes the same ops each time; what changes lives in tensors. wk_capture calls it
 * twice, then records it where the device can; wk_replay runs it again (on the CPU: calls it). */
typedef struct wk_step wk_step;
typedef void (*wk_step_fn)(wk_ctx *c, void *state);
WK_API wk_step  *wk_capture(wk_ctx *c, wk_step_fn fn, void *state); /* NULL after an error */
WK_API wk_status wk_replay(wk_step *step);
/* Can c's device record? A recorded step takes the blocks of its context at each replay: what else runs in it
 * must not outlive one. */
WK_API bool wk_records(const wk_ctx *c);
/* Waits for all that c has queued on its device: before another context uses what c has written. */
WK_API wk_status wk_sync(wk_ctx *c);
WK_API void      wk_step_free(wk_step *step);

/* ---- 15. Memory ------------------------------------------------------------------------------ */

/* Bytes on the context's device, over all its contexts. */
typedef struct wk_memory {
    int64_t in_use;      /* held by live tensors (mapped files not counted) */
    int64_t cached;      /* freed, kept for reuse */
    int64_t peak;        /* highest in_use + cached */
    int64_t limit;       /* 0: none */
    int64_t allocations; /* requests that reached the system, ever: constant in a steady state */
} wk_memory;
WK_API wk_memory wk_memory_stats(const wk_ctx *c);
WK_API void wk_memory_limit(wk_ctx *c, int64_t bytes); /* of the device; over it ops fail with WK_ELIMIT */
WK_API void wk_memory_trim(wk_ctx *c);                 /* give this context's cached blocks back */

/* ---- 16. For code built on wick, and for tests ----------------------------------------------- */

/* Host memory through the allocator that tests can make fail. Zero bytes give a valid pointer. wk_free(NULL)
 * is fine. wk_resize keeps the old block when it fails. */
WK_API void *wk_alloc(size_t bytes);
WK_API void *wk_alloc_zero(size_t count, size_t size); /* NULL on overflow too */
WK_API void *wk_resize(void *block, size_t bytes);
WK_API void  wk_free(void *block);
/* Make the n-th host or device allocation from now fail (n = 1: the next), and with keep_failing all after
 * it; n = 0 switches it off. Returns how many allocations were made since the last call. */
WK_API int64_t wk_alloc_fail_at(int64_t n, bool keep_failing);
WK_API int64_t wk_alloc_count(void); /* host and device allocations ever made by this process */

#ifdef __cplusplus
}
#endif

/* ---- 17. Further families, a header each ------------------------------------------------------- */

#include "api/make.h"
#include "api/transfer.h"
#include "api/loss.h"
#include "api/random.h"
#include "api/view.h"
#include "api/shape.h"
#include "api/elementwise.h"
#include "api/reduce.h"
#include "api/conv.h"
#include "api/pool.h"
#include "api/resample.h"
#include "api/fold.h"
#include "api/bags.h"
#include "api/norms.h"
#include "api/products.h"
#include "api/index.h"
#include "api/sort.h"
#include "api/numeric.h"
#include "api/fft.h"
#include "api/complex.h"
#include "api/window.h"
#include "api/experts.h"
#include "api/linalg.h"
#include "api/autograd.h"

#endif
