/* What core's own files share. Never leaves core. */
#ifndef WK_CTX_H
#define WK_CTX_H

#include "op.h"

#include <stdatomic.h>

struct wk_storage {
    void           *data; /* first: wki_data in op.h reads it there */
    _Atomic int64_t refs;
    size_t          bytes; /* size class of the block; 0 for wrapped memory */
    wk_device      *device;
    void (*release)(void *); /* wrapped memory */
    void       *arg;
    wk_storage *next;    /* in a cache */
    uint32_t    written; /* how many times a kernel or a copy wrote into it */
};

/* A tensor as core makes it: what users see, then what they do not. */
struct wki_header {
    struct wk_tensor_info info;
    bool                  keep; /* while a scope ends */
    uint32_t           saved;   /* what a tape keeps, and views of it: its storage's `written` then, plus 1 */
    struct wki_header *next;    /* in a cache */
};

static inline const struct wki_header *wki_header_of(wk_tensor x)
{
    return (const struct wki_header *)x;
}

/* A device as core opens it. */
struct wki_device {
    wk_device          base;
    int                refs;
    char               name[32];
    void              *module;
    _Atomic int64_t    in_use, cached, peak, limit, allocations;
    struct wki_device *next;
};
static inline struct wki_device *wki_device_of(const wk_device *d)
{
    return (struct wki_device *)(uintptr_t)d;
}

struct wk_tape;
struct wki_transfers;

#define WKI_MESSAGE 512

struct wk_ctx {
    wk_device        *device;
    void             *stream;
    wk_status         status;
    char              message[WKI_MESSAGE];
    bool              unnamed; /* the message lacks the op that wanted a tensor which could not be made */
    wk_tensor        *live;    /* temporaries in the order they were made */
    int64_t           n_live, cap_live;
    struct wk_tape   *tape;      /* NULL: not recording */
    int64_t           last_hook; /* ids of hooks ever given */
    bool              precise;
    bool              training;
    bool              quiet_tape; /* tape exists but is not recording (no_grad, backward) */
    atomic_bool       cancelled;
    struct wki_cache *cache;         /* freed blocks and headers */
    uint64_t          seed, counter; /* Philox */
    int               capture;       /* 0 no, 1 warming, 2 recording */
    unsigned          trace;         /* enum wki_trace */

    struct wki_transfers *transfers; /* copies begun and not ended: what they use */
};

/* ---- errors ---------------------------------------------------------------------------------- */

/* Checks a front end's demand; on failure records it and returns the empty tensor. */
#define WK_REQUIRE(c, cond, status, ...)                                                                     \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            wk_fail(c, status, __VA_ARGS__);                                                                 \
            return WK_NONE;                                                                                  \
        }                                                                                                    \
    } while (0)
static inline bool wki_failed(const wk_ctx *c)
{
    return c->status != WK_OK;
}
/* Shape of x as text, "[2, 3]", into a buffer of WKI_SHAPE_TEXT bytes; returns it. */
#define WKI_SHAPE_TEXT 96
const char *wki_shape_text(wk_tensor x, char *buffer);
#define WKI_TEXT(x) wki_shape_text(x, (char[WKI_SHAPE_TEXT]){0})

/* Puts op before a message that lacks it; returns y, which could not be made if there is one. */
wk_tensor wki_named(wk_ctx *c, const char *op, wk_tensor y);
/* Records that waiting for the device, or a copy, failed: "WHAT: " and what the backend says of it. */
wk_status wki_fail_wait(wk_ctx *c, wk_status s, const char *what);

/* ---- the funnel (run.c) ---------------------------------------------------------------------- */

/* Runs one call: device check, dense rows, kernel, tape, trace. Outputs must be set. Returns out[0]. */
wk_tensor wki_run(wk_ctx *c, const wk_call *k);
bool      wki_has(const wk_ctx *c,
                  wk_op         op); /* a kernel is there, and (while recording) a gradient or none needed */
/* A view has no kernel: it is recorded only. */
wk_tensor   wki_run_view(wk_ctx *c, const wk_call *k);
const char *wki_op_name(wk_op op);
char        wki_op_grad(wk_op op);          /* ops.def's letter */
bool        wki_recording(const wk_ctx *c); /* a tape is on */

/* ---- making (tensor.c, storage.c) ------------------------------------------------------------ */

wk_tensor wki_new(wk_ctx *c, wk_dtype t, wk_shape shape);  /* uninitialised, dense */
wk_tensor wki_like(wk_ctx *c, wk_tensor x);                /* same shape and dtype, dense */
wk_tensor wki_like_as(wk_ctx *c, wk_tensor x, wk_dtype t); /* same shape, another dtype */
wk_tensor wki_view(wk_ctx *c, wk_tensor x, int64_t offset_elements, wk_shape shape, const int64_t *stride);
wk_tensor wki_untracked(wk_ctx *c, wk_tensor x); /* same storage, off the tape */
wk_shape  wki_shape(wk_tensor x);
int wki_dim(wk_ctx *c, const char *op, wk_tensor x, int dim); /* normalised; -1 after recording WK_EARG */
/* Entry i of an option in which 0 says nothing: one left out is as the first, `none` without a first. */
static inline int64_t wki_entry(const int64_t *option, int i, int64_t none)
{
    return option[i] ? option[i] : option[0] ? option[0] : none;
}
/* What a function found in x flattened (WK_FLAT), with x's dims as size 1 behind its own if they are kept. */
wk_tensor wki_unflat(wk_ctx *c, wk_tensor y, wk_tensor x, bool keep);
bool      wki_is_block(wk_dtype t);
char      wki_dtype_class(wk_dtype t); /* 'B' 'I' 'F' 'Q' */
wk_class  wki_class_of(wk_dtype t);    /* compute class of a dtype */
/* The least and largest value of an integer dtype or bool; of a real one, of the integers in its range. */
void wki_range(wk_dtype t, int64_t *least, int64_t *most);
/* The largest finite value of a real dtype, f32's for blocks. */
double wki_largest(wk_dtype t);
/* What a composition returns: y, or WK_NONE with op put before the message of the op that failed in it. */
wk_tensor wki_within(wk_ctx *c, const char *op, wk_tensor y);
/* Result dtype of two operands, with 0-d and weak ones as in PyTorch. */
wk_dtype wki_result_dtype(wk_tensor a, wk_tensor b);
/* Broadcast shape of a and b; false if they do not fit. */
bool wki_broadcast(wk_tensor a, wk_tensor b, wk_shape *out);
/* May values like x be written into dst? False after recording why not, in the name of op. */
bool wki_goes_into(wk_ctx *c, const char *op, wk_tensor dst, wk_tensor x);
/* Sums a gradient over the dims in which `like` was broadcast, casts it to like's dtype. */
wk_tensor wki_unbroadcast(wk_ctx *c, wk_tensor g, wk_tensor like);

/* The index as i32 or i64: narrower integers are widened. WK_NONE after recording why it is none. */
wk_tensor wki_as_index(wk_ctx *c, const char *op, wk_tensor i);
/* wk_gather and wk_scatter_add; wrap: negative indices count from the end. */
wk_tensor wki_gather(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, bool wrap);
wk_tensor wki_scatter_add(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src, bool wrap);
/* May index, with x's dims, hold places along dim d of x? */
bool wki_index_fits(wk_tensor x, wk_tensor index, int d);
/* x at n indices of dims d .. d + n - 1, broadcast to picks: [dims before, picks, dims behind]. */
wk_tensor wki_index(wk_ctx *c, wk_tensor x, int d, int n, const wk_tensor *index, wk_shape picks);
/* x with values [dims before, picks, dims behind] put there (or added), index [picks]; into out, dense, where
 * that is a tensor. wrap: negative indices count from the end. */
wk_tensor wki_index_put(wk_ctx *c, wk_tensor x, int d, int n, const wk_tensor *index, wk_tensor values,
                        bool add, bool wrap, wk_tensor out);
/* x with src in a view of it: `view` is one of `dense`, a clone of x off the tape, which becomes the
 * result. src is broadcast. */
wk_tensor wki_view_scatter(wk_ctx *c, wk_tensor x, wk_tensor src, wk_tensor dense, wk_tensor view);

/* The bytes of a tensor; false after recording why there is none: whole blocks in the last dim, no
 * overflow. */
bool wki_shape_fits(wk_ctx *c, wk_dtype t, wk_shape shape, int64_t *bytes);

wk_storage *wki_storage_new(wk_ctx *c, size_t bytes); /* NULL after recording the error */
wk_storage *wki_storage_wrap(wk_ctx *c, void *data, void (*release)(void *), void *arg);
void        wki_storage_drop(wk_ctx *c, wk_storage *s); /* the last one caches or frees the block */
wk_storage *wki_storage_hold(wk_storage *s);
void        wki_cache_empty(wk_ctx *c);

struct wki_header *wki_header_new(wk_ctx *c); /* zeroed, owned by nobody; NULL after recording the error */
void               wki_header_free(wk_ctx *c, struct wki_header *h);
/* Drops the storage, then the header. */
void               wki_header_drop(wk_ctx *c, wk_tensor x);
static inline void wki_header_keep(wk_tensor x, bool keep)
{
    ((struct wki_header *)(uintptr_t)x)->keep = keep;
}
static inline bool wki_header_kept(wk_tensor x)
{
    return wki_header_of(x)->keep;
}
/* A copy of x that no scope owns (for the tape); with_storage false: shape and dtype alone. wki_unpin frees
 * it. */
wk_tensor wki_pin(wk_ctx *c, wk_tensor x, bool with_storage);
void      wki_unpin(wk_ctx *c, wk_tensor x);
/* A pinned tensor back among the temporaries (the pin is gone). */
wk_tensor          wki_adopt(wk_ctx *c, wk_tensor pinned);
static inline void wki_set_node(wk_tensor x, int32_t node)
{
    ((struct wki_header *)(uintptr_t)x)->info.node = node;
}

bool wki_alloc_allowed(void); /* counts one allocation; false: a test wants it to fail */

/* ---- gradients ------------------------------------------------------------------------------- */

/* Beside each op's front end: dx[i] for every input that wants one, from the call and the outputs' gradients
 * (WK_NONE where an output was not used). Entries of inputs not tracked may be left WK_NONE. */
typedef void        wki_vjp_fn(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx);
typedef wki_vjp_fn *wki_vjp;
#define WKI_VJP_0(name)
#define WKI_VJP_N(name)                    wki_vjp_fn wki_vjp_##name;
#define WKI_VJP_I(name)                    WKI_VJP_N(name)
#define WKI_VJP_O(name)                    WKI_VJP_N(name)
#define WKI_VJP_B(name)                    WKI_VJP_N(name)
#define WKI_VJP_F(name)                    WKI_VJP_N(name)
#define WKI_VJP_P(name)                    WKI_VJP_N(name)
#define WKI_VJP_C(name)                    WKI_VJP_N(name)
#define WKI_VJP_X(name)                    WKI_VJP_N(name)
#define WK_OP(name, cpu, cuda, grad, rows) WKI_VJP_##grad(name)
#include "ops.def"
#undef WK_OP

/* Tape (autograd.c; tape.h has the rest). */
/* Was what the tape keeps as x written over since? */
static inline bool wki_stale(wk_tensor x)
{
    const uint32_t saved = wki_header_of(x)->saved;
    return saved && saved != x->storage->written + 1;
}
/* The op whose gradient is being taken; `otherwise` outside of a walk. */
const char *wki_walked_op(const wk_ctx *c, const char *otherwise);
void        wki_record(wk_ctx *c, const wk_call *k);
/* Is x off the tape, or nothing recorded? Else fails: op has no gradient by it, and cuts none silently. */
bool wki_constant(wk_ctx *c, const char *op, const char *what, wk_tensor x);
void wki_tape_free(wk_ctx *c);

/* What the gradient of a call of an elementwise op with a formula reads: bits 0 and 1 its operands, 2 its
 * result. */
unsigned wki_slope_reads(const wk_call *k);

/* Drops what copies that were not ended use (transfer.c). */
void wki_transfers_free(wk_ctx *c);

/* Devices (device.c): opened once, shared and counted. */
wk_device  *wki_device_open(const char *name, char *message, size_t size, wk_status *status);
void        wki_device_hold(wk_device *d);
void        wki_device_close(wk_device *d);
const char *wki_device_name(const wk_device *d);

/* Threads (parallel.c). */
struct wk_pool *wki_pool_new(void);
void            wki_pool_free(struct wk_pool *p);
void            wki_pool_resize(wk_device *d, int threads); /* 0: as many as there are CPUs for us */

/* Tracing (trace.c): WK_TRACE=1 prints each op, WK_SYNC=1 waits for each, WK_CHECK=1 looks for NaN. */
enum wki_trace { WKI_TRACE = 1, WKI_SYNC = 2, WKI_CHECK = 4 };
unsigned  wki_trace_flags(void);
double    wki_trace_clock(void); /* seconds */
void      wki_trace_call(const wk_ctx *c, const wk_call *k, double seconds);
wk_status wki_trace_check(wk_ctx *c, const wk_call *k);

#endif
