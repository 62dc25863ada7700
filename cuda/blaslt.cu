/* Dense products by cuBLASLt, with bias, activation or a matrix that is added: opened with the device, an
 * algorithm per shape found once and kept with the stream, a workspace of fixed size. Where the library or an
 * algorithm is missing, callers have a kernel. */
#include "cuda/blaslt.h"
#include "cuda/library.h"
#include "cuda/product.cuh"

#include <stdio.h>

struct library {
    void *module, *handle;
#define WK_LT_FIELD(name, arguments) int(*name) arguments;
    WK_BLASLT_FUNCTIONS(WK_LT_FIELD)
#undef WK_LT_FIELD
};

/* What a product is, but for its addresses: the key of what is kept for it. */
struct shape {
    int64_t m, n, k, step_a, step_b, step_c, step_y, batch, next_a, next_b, next_y;
    int     type, type_y, epilogue, align_a, align_b, align_c, align_y;
    bool    turn_a, turn_b, adds, ends;
};

struct found {
    struct shape   shape;
    bool           used, fits;
    void          *desc, *a, *b, *c, *y;
    struct lt_algo algo;
};

enum { KEPT = 512, ASKED_PROBES = 16 };

/* Of a stream. */
struct lt_stream {
    void        *workspace;
    size_t       bytes;
    struct found kept[KEPT];
};

/* ---- the library ---- */

void *wki_cuda_lt_open(void)
{
    struct library *l = (struct library *)wki_cuda_state(sizeof *l);
    if (!l) return nullptr;
    l->module = wki_cuda_library_open(WKI_CUDA_LT);
    bool whole = l->module != nullptr;
#define WK_LT_FIND(name, arguments)                                                                          \
    whole = whole && wki_cuda_library_find(l->module, "cublasLt" #name, (void *)&l->name);
    WK_BLASLT_FUNCTIONS(WK_LT_FIND)
#undef WK_LT_FIND
    if (whole && l->Create(&l->handle) == 0) return l;
    wki_cuda_library_close(l->module);
    wki_cuda_state_free(l);
    return nullptr;
}

void wki_cuda_lt_close(void *library)
{
    struct library *l = (struct library *)library;
    if (!l) return;
    l->Destroy(l->handle);
    wki_cuda_library_close(l->module);
    wki_cuda_state_free(l);
}

static void forget(const struct library *l, struct found *f)
{
    if (f->desc) l->MatmulDescDestroy(f->desc);
    if (f->a) l->MatrixLayoutDestroy(f->a);
    if (f->b) l->MatrixLayoutDestroy(f->b);
    if (f->c) l->MatrixLayoutDestroy(f->c);
    if (f->y) l->MatrixLayoutDestroy(f->y);
    f->desc = f->a = f->b = f->c = f->y = nullptr;
}

void wki_cuda_lt_stream_free(void *library, void *stream)
{
    struct lt_stream *s = (struct lt_stream *)stream;
    if (!s) return;
    for (int i = 0; i < KEPT; i++) forget((const struct library *)library, &s->kept[i]);
    if (s->workspace) wki_cuda_block_free(s->workspace);
    wki_cuda_state_free(s);
}

/* The stream's part, made at its first product: streams that never multiply have none. */
static struct lt_stream *part_of(const wk_call *k)
{
    void **place = wki_cuda_part_of(k->stream, WKI_CUDA_LT);
    if (*place) return (struct lt_stream *)*place;
    struct lt_stream *s = (struct lt_stream *)wki_cuda_state(sizeof *s);
    if (!s) return nullptr;
    s->bytes = (size_t)(wki_cuda_architecture(k->device) >= 90 ? 32 : 4) << 20;
    s->workspace = wki_cuda_block(s->bytes);
    if (!s->workspace) s->bytes = 0;
    *place = s;
    return s;
}

/* ---- shapes ---- */

static int type_of(int dtype)
{
    return dtype == WK_f32    ? LT_R_32F
           : dtype == WK_f16  ? LT_R_16F
           : dtype == WK_bf16 ? LT_R_16BF
           : dtype == WK_f64  ? LT_R_64F
                              : -1;
}

static int alignment(const void *p)
{
    int n = 256;
    while ((uintptr_t)p % (uintptr_t)n) n /= 2;
    return n;
}

/* A matrix of these strides as rows one step apart: false if neither dim is dense. turned: the dims change
 * places. */
static bool rows_of(int64_t rows, int64_t columns, int64_t row, int64_t column, int64_t *step, bool *turned)
{
    *turned = false;
    *step = row;
    if (column == 1 || columns == 1) {
        if (rows == 1 || row < columns) *step = columns;
        return rows == 1 || row >= columns;
    }
    *turned = true;
    *step = column;
    if (columns == 1 || column < rows) *step = rows;
    return (row == 1 || rows == 1) && column >= rows;
}

/* What follows the product, as the library has it. It does not say how exact its gelu is, so that products
 * of halves alone take it, nor what its relu makes of NaN: precise contexts take neither. */
static void follow(const product *p, const following *then, bool halves, bool precise, struct shape *s)
{
    const bool gelu = then->end == PRODUCT_GELU_TANH && halves && !precise;
    const bool relu = then->end == PRODUCT_RELU && !precise;
    s->epilogue =
        (p->bias ? LT_EPILOGUE_BIAS : 0) | (relu ? LT_EPILOGUE_RELU : 0) | (gelu ? LT_EPILOGUE_GELU : 0);
    s->adds = then->end == PRODUCT_ADD && then->step >= p->n;
    s->step_c = s->adds ? then->step : s->step_y;
    s->align_c = alignment(s->adds ? then->add : p->batch.of[0].data);
    s->ends = relu || gelu || s->adds;
    if (!s->epilogue) s->epilogue = LT_EPILOGUE_NONE;
}

/* The product in the library's terms, whose matrices have columns one step apart: it makes y's transpose. */
static bool shape_of(const wk_call *k, const product *p, const following *then, struct shape *s)
{
    const operand &y = p->batch.of[0], &a = p->batch.of[1], &b = p->batch.of[2];
    const bool     halves = a.dtype == WK_f16 || a.dtype == WK_bf16;
    memset((void *)s, 0, sizeof *s);
    s->type = type_of(a.dtype);
    s->type_y = type_of(y.dtype);
    if (s->type < 0 || b.dtype != a.dtype) return false;
    if (y.dtype != a.dtype && !(halves && y.dtype == WK_f32)) return false;
    if (p->bias && p->bias_dtype != y.dtype) return false;
    if (p->batch.ndim != 1 || p->m >= INT32_MAX || p->n >= INT32_MAX || p->k >= INT32_MAX || p->k == 0)
        return false;
    bool turned_y;
    if (!rows_of(p->m, p->n, p->ym, p->yn, &s->step_y, &turned_y) || turned_y) return false;
    if (!rows_of(p->m, p->k, p->am, p->ak, &s->step_a, &s->turn_a)) return false;
    if (!rows_of(p->k, p->n, p->bk, p->bn, &s->step_b, &s->turn_b)) return false;
    s->m = p->m;
    s->n = p->n;
    s->k = p->k;
    s->batch = p->batch.n;
    if (s->batch > 1) {
        s->next_y = y.stride[0];
        s->next_a = a.stride[0];
        s->next_b = b.stride[0];
        if (s->next_y == 0) return false;
    }
    s->align_y = alignment(y.data);
    s->align_a = alignment(a.data);
    s->align_b = alignment(b.data);
    follow(p, then, halves, k->precise, s);
    return true;
}

static uint64_t mixed(const struct shape *s)
{
    const unsigned char *p = (const unsigned char *)s;
    uint64_t             h = 14695981039346656037ull;
    for (size_t i = 0; i < sizeof *s; i++) h = (h ^ p[i]) * 1099511628211ull;
    return h ^ h >> 29;
}

/* ---- algorithms ---- */

static void *layout(const struct library *l, const struct shape *s, int type, int64_t rows, int64_t columns,
                    int64_t step, int64_t next)
{
    void         *made = nullptr;
    const int32_t count = (int32_t)s->batch;
    if (l->MatrixLayoutCreate(&made, type, (uint64_t)rows, (uint64_t)columns, step) != 0) return nullptr;
    if (s->batch > 1) {
        l->MatrixLayoutSetAttribute(made, LT_LAYOUT_BATCH_COUNT, &count, sizeof count);
        l->MatrixLayoutSetAttribute(made, LT_LAYOUT_BATCH_OFFSET, &next, sizeof next);
    }
    return made;
}

static void describe(const struct library *l, const struct shape *s, struct found *f)
{
    const int     one = s->type == LT_R_64F ? LT_R_64F : LT_R_32F;
    const int     compute = s->type == LT_R_64F ? LT_COMPUTE_64F : LT_COMPUTE_32F;
    const int32_t first = s->turn_b, second = s->turn_a;
    const int32_t epilogue = s->epilogue;
    if (l->MatmulDescCreate(&f->desc, compute, one) != 0) return;
    l->MatmulDescSetAttribute(f->desc, LT_DESC_TRANSA, &first, sizeof first);
    l->MatmulDescSetAttribute(f->desc, LT_DESC_TRANSB, &second, sizeof second);
    l->MatmulDescSetAttribute(f->desc, LT_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    f->b = layout(l, s, s->type, s->turn_b ? s->k : s->n, s->turn_b ? s->n : s->k, s->step_b, s->next_b);
    f->a = layout(l, s, s->type, s->turn_a ? s->m : s->k, s->turn_a ? s->k : s->m, s->step_a, s->next_a);
    f->c = layout(l, s, s->type_y, s->n, s->m, s->step_c, s->next_y);
    f->y = layout(l, s, s->type_y, s->n, s->m, s->step_y, s->next_y);
}

static void choose(const struct library *l, const struct lt_stream *w, struct found *f)
{
    const struct shape *s = &f->shape;
    const uint32_t      in_order = LT_IN_ORDER, a = (uint32_t)s->align_a, b = (uint32_t)s->align_b,
                   add = (uint32_t)s->align_c, y = (uint32_t)s->align_y;
    const uint64_t      bytes = w->bytes;
    struct lt_heuristic best;
    void               *wanted = nullptr;
    int                 count = 0;
    memset((void *)&best, 0, sizeof best);
    describe(l, s, f);
    f->fits = f->desc && f->a && f->b && f->c && f->y && l->MatmulPreferenceCreate(&wanted) == 0;
    if (!f->fits) return;
    l->MatmulPreferenceSetAttribute(wanted, LT_PREF_WORKSPACE, &bytes, sizeof bytes);
    l->MatmulPreferenceSetAttribute(wanted, LT_PREF_REDUCTIONS, &in_order, sizeof in_order);
    l->MatmulPreferenceSetAttribute(wanted, LT_PREF_ALIGN_A, &b, sizeof b);
    l->MatmulPreferenceSetAttribute(wanted, LT_PREF_ALIGN_B, &a, sizeof a);
    l->MatmulPreferenceSetAttribute(wanted, LT_PREF_ALIGN_C, &add, sizeof add);
    l->MatmulPreferenceSetAttribute(wanted, LT_PREF_ALIGN_D, &y, sizeof y);
    f->fits = l->MatmulAlgoGetHeuristic(l->handle, f->desc, f->b, f->a, f->c, f->y, wanted, 1, &best,
                                        &count) == 0 &&
              count > 0 && best.state == 0;
    f->algo = best.algo;
    l->MatmulPreferenceDestroy(wanted);
}

/* What is kept for a shape; the first of a crowded row makes room. */
static struct found *find(const struct library *l, struct lt_stream *w, const struct shape *s)
{
    const uint64_t at = mixed(s);
    struct found  *f = nullptr;
    for (uint64_t i = 0; i < ASKED_PROBES; i++) {
        struct found *here = &w->kept[(at + i) % KEPT];
        if (here->used && memcmp(&here->shape, s, sizeof *s) == 0) return here;
        if (!here->used && !f) f = here;
    }
    if (!f) f = &w->kept[at % KEPT];
    forget(l, f);
    f->shape = *s;
    f->used = true;
    choose(l, w, f);
    return f;
}

/* The shape's product; without what follows where there is no algorithm with it. */
static struct found *find_either(const wk_call *k, const struct library *l, struct lt_stream *w,
                                 struct shape *s, const product *p)
{
    static const following alone = {};
    struct found          *f = find(l, w, s);
    if (f->fits || !s->ends) return f;
    return shape_of(k, p, &alone, s) ? find(l, w, s) : nullptr;
}

bool wki_cuda_lt_multiply(const wk_call *k, const product *p, following *then, wk_status *status)
{
    static const float    one = 1, zero = 0;
    static const double   one_f64 = 1, zero_f64 = 0;
    const struct library *l = (const struct library *)wki_cuda_lt_library(k->device);
    struct shape          s;
    if (!l || !shape_of(k, p, then, &s)) return false;
    cudaSetDevice(k->device->index);
    struct lt_stream *w = part_of(k);
    struct found     *f = w ? find_either(k, l, w, &s, p) : nullptr;
    if (!f || !f->fits) return false;
    const bool  wide = s.type == LT_R_64F;
    const void *unit = wide ? (const void *)&one_f64 : &one, *none = wide ? (const void *)&zero_f64 : &zero;
    void *const y = p->batch.of[0].data;
    if (p->bias) l->MatmulDescSetAttribute(f->desc, LT_DESC_BIAS_POINTER, &p->bias, sizeof p->bias);
    const int failed = l->Matmul(l->handle, f->desc, unit, p->batch.of[2].data, f->b, p->batch.of[1].data,
                                 f->a, s.adds ? unit : none, s.adds ? then->add : y, f->c, y, f->y, &f->algo,
                                 w->workspace, w->bytes, (void *)wki_cuda_stream(k->stream));
    then->done = s.ends;
    *status = failed ? WK_EDEVICE : WK_OK;
    if (failed) snprintf(k->message, WKI_CALL_MESSAGE, "cuBLASLt gives status %d", failed);
    return true;
}
