/* What a backend sees of core: ops, calls, the backend table, and a few ways to look at tensors. */
#ifndef WK_OP_H
#define WK_OP_H

#include "wick.h"

typedef enum wk_op {
#define WK_OP(name, cpu, cuda, grad, rows) WK_OP_##name,
#include "ops.def"
#undef WK_OP
    WK_OP_COUNT
} wk_op;

/* What a kernel computes in, whatever its operands' dtypes. */
typedef enum wk_class { WK_CLASS_F32, WK_CLASS_F64, WK_CLASS_I64, WK_CLASS_COUNT } wk_class;

typedef struct wk_device  wk_device;
typedef struct wk_backend wk_backend;

#define WK_MAX_OUT 4

/* One op about to run. Lives on the caller's stack; the tape copies it. */
typedef struct wk_call {
    wk_op            op;
    wk_class         cls;
    int              n_in, n_out; /* 0 outputs means 1 (out[0]) */
    const wk_tensor *in;          /* optional ones are WK_NONE */
    wk_tensor        out[WK_MAX_OUT];
    struct {
        int64_t i[16];
        double  f[6];
    } attr;
    /* filled in by wki_run */
    wk_device *device;
    void      *stream;
    void      *scratch; /* as many bytes as the backend's scratch function asked for, 64-byte aligned */
    bool       precise;
    char
        *message; /* WKI_CALL_MESSAGE bytes: a failing kernel may say more than its status ("index 9 of 4") */
} wk_call;
#define WKI_CALL_MESSAGE 160
#define WK_IN(...)                                                                                           \
    .in = (const wk_tensor[]){__VA_ARGS__},                                                                  \
    .n_in = (int)(sizeof((wk_tensor[]){__VA_ARGS__}) / sizeof(wk_tensor))

typedef wk_status (*wk_kernel)(const wk_call *);

/* Between a device and memory of the host, or to a device from one of the same backend. */
enum wki_copy { WKI_FROM_HOST, WKI_TO_HOST, WKI_FROM_DEVICE };

struct wk_backend {
    const char *name;
    int         abi; /* WK_BACKEND_ABI: a module built for another table is refused */
    wk_status (*open)(wk_device *d, int index, char *message, size_t size); /* sets d->state */
    void (*close)(wk_device *d);
    void *(*alloc)(wk_device *d, size_t bytes); /* 64-byte aligned; NULL: none left */
    void (*free)(wk_device *d, void *block, size_t bytes);
    wk_status (*to_host)(wk_device *d, void *stream, void *host, const void *block, size_t bytes); /* waits */
    wk_status (*from_host)(wk_device *d, void *stream, void *block, const void *host,
                           size_t bytes); /* waits */
    wk_status (*sync)(wk_device *d, void *stream);
    /* optional, both or neither: a copy that follows what the streams have queued, beside what they queue
     * next, and its end, after which work that they queue waits for all copies begun; wait: the host waits
     * too. other_stream: of a second device, or NULL */
    wk_status (*copy_begin)(wk_device *d, void *stream, enum wki_copy way, void *to, const void *from,
                            size_t bytes, wk_device *other, void *other_stream);
    wk_status (*copy_end)(wk_device *d, void *stream, wk_device *other, void *other_stream, bool wait);
    /* optional, both or neither: memory of the host that copies reach at full speed */
    void *(*host_alloc)(wk_device *d, size_t bytes);
    void (*host_free)(wk_device *d, void *block);
    /* optional: what to_host, from_host or sync met when it last failed ("gather: index 9 of 4") */
    void (*explain)(wk_device *d, void *stream, char *text, size_t size);
    void (*describe)(wk_device *d, char *text, size_t size); /* lines of "key: value" */
    /* optional: fills in what it knows; a block of the device to read from, of size bytes */
    wk_status (*limits)(wk_device *d, void *block, int64_t size, wk_limits *out);
    /* optional: false: the kernel of this op wants what is not there (a library), the composition runs */
    bool (*able)(wk_device *d, void *stream, wk_op op);
    bool host_memory; /* blocks may be read and written by the host */
    /* optional: NULL on backends that need none */
    void *(*stream_new)(wk_device *d);
    void (*stream_free)(wk_device *d, void *stream);
    /* Capture: record what fn queues on the stream and replay it. Without it replay calls fn. */
    wk_status (*capture_begin)(wk_device *d, void *stream);
    void *(*capture_end)(wk_device *d, void *stream); /* NULL: failed */
    wk_status (*replay)(wk_device *d, void *stream, void *graph);
    void (*graph_free)(wk_device *d, void *graph);
    /* optional: the backend whose kernels run the calls of a class, if not this one's */
    const wk_backend *of_class[WK_CLASS_COUNT];
    wk_kernel         kernels[WK_OP_COUNT];           /* NULL: the composition runs */
    size_t (*scratch[WK_OP_COUNT])(const wk_call *k); /* NULL: the kernel needs none */
};

struct wk_pool;
struct wk_device {
    const wk_backend *backend;
    int               index;
    struct wk_pool   *pool;  /* worker threads, CPU only */
    void             *state; /* the backend's own */
};

#define WK_BACKEND_ABI ((int)(sizeof(wk_backend) * 16 + 1))
/* A backend in a module of its own ("libwick_NAME.so.0") exports this. */
#define WK_BACKEND_ENTRY "wk_backend_entry"
typedef const wk_backend *(*wk_backend_entry)(void);

/* How values that are written by index meet what is there. */
enum wki_scatter { WKI_SCATTER_SET, WKI_SCATTER_ADD, WKI_SCATTER_PROD, WKI_SCATTER_AMAX, WKI_SCATTER_AMIN };

/* affine_act, in attr.i[0] */
enum wki_affine_act { WKI_AFFINE_RELU, WKI_AFFINE_GELU_TANH };

/* Host blocks for backends that live there (core/alloc.c). */
void *wki_host_block(size_t bytes, size_t alignment);
void  wki_host_block_free(void *block);

/* The three slots a row of ops.def can ask for. */
#define WK_SLOT_1(kernel) kernel
#define WK_SLOT_0(kernel) NULL
#define WK_SLOT_V(kernel) NULL

/* ---- looking at tensors ---------------------------------------------------------------------- */

struct wk_storage_head { /* how every wk_storage begins */
    void *data;
};
/* Address of the first element, on its device. */
static inline void *wki_data(wk_tensor x)
{
    return (char *)((const struct wk_storage_head *)(const void *)x->storage)->data + x->offset;
}

static inline int64_t wki_cols(wk_tensor x)
{
    return x->ndim ? x->shape[x->ndim - 1] : 1;
}
static inline int64_t wki_rows(wk_tensor x)
{
    int64_t n = 1;
    for (int i = 0; i + 1 < x->ndim; i++) n *= x->shape[i];
    return n;
}
/* Elements from the start to row r (r counts over all dims but the last). */
static inline int64_t wki_row_offset(wk_tensor x, int64_t r)
{
    int64_t at = 0;
    for (int i = x->ndim - 2; i >= 0; i--) {
        at += r % x->shape[i] * x->stride[i];
        r /= x->shape[i];
    }
    return at;
}

/* ---- threads (core/parallel.c) --------------------------------------------------------------- */

/* Calls fn(arg, first, last, worker) over [0, n) in pieces of grain, on the device's pool; worker is in
 * [0, wki_workers(d)). The pieces depend on n and grain alone, so results do not depend on threads or timing.
 * Runs serially when there is one piece, one thread, or the caller is itself a worker. */
typedef void (*wk_piece)(void *arg, int64_t first, int64_t last, int worker);
void wki_parallel(wk_device *d, int64_t n, int64_t grain, wk_piece fn, void *arg);
int  wki_workers(const wk_device *d);

/* Forward the first failing status. */
#define WK_TRY(expr)                                                                                         \
    do {                                                                                                     \
        const wk_status wk_try_status = (expr);                                                              \
        if (wk_try_status != WK_OK) return wk_try_status;                                                    \
    } while (0)

#endif
