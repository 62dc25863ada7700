/* Fourier transforms by cuFFT: opened at a stream's first one, a plan per shape kept with the stream, its
 * work area in the call's scratch. Scales, the other sign of real transforms and spectra whose frequencies
 * count once are passes of our own. */
#include "cuda/cufft.h"
#include "cuda/fft.cuh"
#include "cuda/library.h"

#include <stdio.h>

enum {
    KEPT = 64,      /* plans of a stream; the one not used for longest makes room */
    MOST_CALLS = 64 /* of a transform whose lines are not all the same step apart */
};

/* What a plan is made of. Steps are in values of the side: complex or real ones. */
struct layout {
    int64_t n, in_step, in_next, out_step, out_next, batch;
    int     type, pad;
};
struct plan {
    struct layout layout;
    int           handle;
    bool          used, fits, held; /* held: a graph has its addresses */
    size_t        bytes;
    uint64_t      last;
};
/* Of a stream. */
struct part {
    void *module;
#define WK_FFT_FIELD(name, arguments) int(*name) arguments;
    WK_CUFFT_FUNCTIONS(WK_FFT_FIELD)
#undef WK_FFT_FIELD
    uint64_t    calls;
    struct plan plans[KEPT];
};

/* One call to the library for each place of the dims beside `along`. */
struct calls {
    struct layout layout;
    int           along;
    int64_t       packed; /* bytes of x in scratch, 0: it is read where it lies */
};

static struct part *part_of(const wk_call *k)
{
    void       **place = wki_cuda_part_of(k->stream, WKI_CUDA_FFT);
    struct part *p = (struct part *)*place;
    if (p || wki_cuda_capturing(k->stream)) return p;
    *place = p = (struct part *)wki_cuda_state(sizeof *p);
    if (!p) return nullptr;
    void *const module = wki_cuda_library_open(WKI_CUDA_FFT);
    bool        whole = module != nullptr;
#define WK_FFT_FIND(name, arguments)                                                                         \
    whole = whole && wki_cuda_library_find(module, "cufft" #name, (void *)&p->name);
    WK_CUFFT_FUNCTIONS(WK_FFT_FIND)
#undef WK_FFT_FIND
    if (whole)
        p->module = module;
    else
        wki_cuda_library_close(module);
    return p;
}

void wki_cuda_fft_free(void *part)
{
    struct part *p = (struct part *)part;
    if (!p) return;
    for (int i = 0; i < KEPT; i++)
        if (p->plans[i].fits) p->Destroy(p->plans[i].handle);
    wki_cuda_library_close(p->module);
    wki_cuda_state_free(p);
}

/* ---- what a transform is to the library ---- */

/* The dim of the lines that is the plan's batch: the longest one. */
static int longest(const transform &o)
{
    int at = 0;
    for (int i = 1; i < o.others.ndim; i++)
        if (o.others.shape[i] > o.others.shape[at]) at = i;
    return at;
}

/* Lines of the dims behind `along`. */
static int64_t behind(const transform &o, int along)
{
    int64_t n = 1;
    for (int i = along + 1; i < o.others.ndim; i++) n *= o.others.shape[i];
    return n;
}

/* Are all steps of a side whole values, forwards, and its values where the library wants them? */
static bool lies_well(const transform &o, int side, int64_t step, int64_t real_bytes, bool complex)
{
    const operand &p = o.others.of[side];
    const int64_t  whole = complex ? 2 : 1;
    bool well = (uintptr_t)p.data % (uintptr_t)(2 * real_bytes) == 0 && step > 0 && step % whole == 0;
    for (int i = 0; i < o.others.ndim && well; i++) {
        const bool looped = o.others.shape[i] > 1 && i != longest(o);
        well = o.others.shape[i] == 1 || (p.stride[i] > 0 && p.stride[i] % (looped ? 2 : whole) == 0);
    }
    return well;
}

static bool calls_of(const wk_call *k, const transform &o, struct calls *c)
{
    const bool    wide = k->cls == WK_CLASS_F64, from_real = o.kind == FROM_REAL, to_real = o.kind == TO_REAL;
    const int64_t bytes = wide ? 8 : 4, half = o.n / 2 + 1;
    memset((void *)c, 0, sizeof *c);
    c->along = longest(o);
    const int64_t batch = o.others.shape[c->along], step_in = from_real ? 1 : 2, step_out = to_real ? 1 : 2;
    if (o.n < 2 || o.n >= INT32_MAX || o.lines / batch > MOST_CALLS) return false;
    if (!lies_well(o, 0, o.ys, bytes, !to_real) || (!to_real && !lies_well(o, 1, o.xs, bytes, !from_real)))
        return false;
    c->layout.n = o.n;
    c->layout.batch = batch;
    c->layout.out_step = o.ys / step_out;
    c->layout.out_next = batch == 1 ? 1 : o.others.of[0].stride[c->along] / step_out;
    c->layout.in_step = to_real ? 1 : o.xs / step_in;
    c->layout.in_next = batch == 1 ? 1 : o.others.of[1].stride[c->along] / step_in;
    if (to_real) {
        c->layout.in_next = half * behind(o, c->along);
        c->packed = (o.lines * half * 2 * bytes + 255) / 256 * 256;
    }
    c->layout.type = from_real ? (wide ? FFT_D2Z : FFT_R2C)
                     : to_real ? (wide ? FFT_Z2D : FFT_C2R)
                               : (wide ? FFT_Z2Z : FFT_C2C);
    return true;
}

static void make(const wk_call *k, struct part *p, struct plan *f)
{
    const struct layout &s = f->layout;
    long long            n = s.n, half = s.n / 2 + 1;
    const bool           from_real = s.type == FFT_R2C || s.type == FFT_D2Z,
               to_real = s.type == FFT_C2R || s.type == FFT_Z2D;
    if (p->Create(&f->handle) != 0) return;
    f->fits =
        p->SetAutoAllocation(f->handle, 0) == 0 &&
        p->MakePlanMany64(f->handle, 1, &n, to_real ? &half : &n, s.in_step, s.in_next,
                          from_real ? &half : &n, s.out_step, s.out_next, s.type, s.batch, &f->bytes) == 0 &&
        p->SetStream(f->handle, (void *)wki_cuda_stream(k->stream)) == 0;
    if (!f->fits) p->Destroy(f->handle);
}

/* The plan of these calls, made where there is none and no step is captured. */
static struct plan *plan_of(const wk_call *k, struct part *p, const struct layout *s)
{
    struct plan *oldest = nullptr;
    for (int i = 0; i < KEPT; i++) {
        struct plan *f = &p->plans[i];
        if (f->used && memcmp(&f->layout, s, sizeof *s) == 0) return f;
        if (!f->held && (!oldest || f->last < oldest->last)) oldest = f;
    }
    if (!oldest || wki_cuda_capturing(k->stream)) return nullptr;
    if (oldest->fits) p->Destroy(oldest->handle);
    memset((void *)oldest, 0, sizeof *oldest);
    oldest->layout = *s;
    oldest->used = true;
    cudaSetDevice(k->device->index);
    make(k, p, oldest);
    return oldest;
}

static struct plan *find(const wk_call *k, const transform &o, struct calls *c)
{
    if (!k->stream || !calls_of(k, o, c)) return nullptr;
    struct part *p = part_of(k);
    struct plan *f = p && p->module ? plan_of(k, p, &c->layout) : nullptr;
    if (!f || !f->fits) return nullptr;
    f->last = ++p->calls;
    return f;
}

bool wki_cuda_fft_bytes(const wk_call *k, const transform *o, size_t *bytes)
{
    struct calls       c;
    const struct plan *f = find(k, *o, &c);
    if (f) *bytes = f->bytes + (size_t)c.packed;
    return f != nullptr;
}

/* ---- our own passes ---- */

/* Half spectra, dense and as the library reads them: of the exponent's other sign, scaled, each frequency
 * counted once where it is one-sided. */
template <typename C> __global__ void pack_kernel(const __grid_constant__ transform o, value<C> *to)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, half = o.n / 2 + 1;
    if (at >= o.lines * half) return;
    const int64_t i = at % half;
    const C      *x = (const C *)o.x + walk_at(o.others, 1, at / half) + i * o.xs;
    const bool    whole = i == 0 || 2 * i == o.n;
    const C       scale = (C)o.scale * (o.one_sided && !whole ? (C)0.5 : (C)1);
    value<C>      v = {(C)0, (C)0};
    if (i < o.have) v = {scale * x[0], whole ? (C)0 : scale * (o.inverse ? x[1] : -x[1])};
    to[at] = v;
}

/* y, dense complex values of which `size` lie along the dim, `step` apart. */
template <typename C>
__global__ void finish_kernel(value<C> *y, int64_t count, int64_t n, int64_t size, int64_t step, C scale,
                              bool turned, bool one_sided)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    const int64_t i = at / step % size;
    const C       s = one_sided && i != 0 && 2 * i != n ? 2 * scale : scale;
    y[at] = {s * y[at].re, turned ? -s * y[at].im : s * y[at].im};
}

template <typename C> static wk_status finish(const wk_call *k, const transform &o)
{
    const bool    from_real = o.kind == FROM_REAL, turned = from_real && o.inverse;
    const int64_t count = wki_cuda_count(k->out[0]) / 2;
    if (o.kind == TO_REAL || (o.scale == 1 && !turned && !(from_real && o.one_sided))) return WK_OK;
    return launch(k, finish_kernel<C>, blocks_for(count, 256), 256, 0, (value<C> *)o.y, count, o.n,
                  from_real ? o.n / 2 + 1 : o.n, o.ys / 2, (C)o.scale, turned, from_real && o.one_sided);
}

static int execute(struct part *p, const struct plan *f, const transform &o, void *x, void *y)
{
    const int way = o.inverse ? FFT_INVERSE : FFT_FORWARD;
    switch (f->layout.type) {
    case FFT_C2C:
        return p->ExecC2C(f->handle, x, y, way);
    case FFT_Z2Z:
        return p->ExecZ2Z(f->handle, x, y, way);
    case FFT_R2C:
        return p->ExecR2C(f->handle, x, y);
    case FFT_D2Z:
        return p->ExecD2Z(f->handle, x, y);
    case FFT_C2R:
        return p->ExecC2R(f->handle, x, y);
    default:
        return p->ExecZ2D(f->handle, x, y);
    }
}

/* Elements of a side from its start to call i. */
static int64_t begin_of(const transform &o, int side, int along, int64_t i)
{
    int64_t at = 0;
    for (int d = o.others.ndim - 1; d >= 0; d--) {
        if (d == along) continue;
        at += i % o.others.shape[d] * o.others.of[side].stride[d];
        i /= o.others.shape[d];
    }
    return at;
}

template <typename C>
static wk_status run(const wk_call *k, struct part *p, struct plan *f, const transform &o,
                     const struct calls &c)
{
    char *const   packed = (char *)k->scratch;
    const int64_t half = o.n / 2 + 1, inner = behind(o, c.along), batch = c.layout.batch;
    if (c.packed)
        WK_TRY(launch(k, pack_kernel<C>, blocks_for(o.lines * half, 256), 256, 0, o, (value<C> *)k->scratch));
    cudaSetDevice(k->device->index);
    int failed = f->bytes ? p->SetWorkArea(f->handle, packed + c.packed) : 0;
    for (int64_t i = 0; i < o.lines / batch && !failed; i++) {
        const int64_t line = i / inner * inner * batch + i % inner;
        void *const   x = c.packed ? packed + line * half * 2 * (int64_t)sizeof(C)
                                   : (char *)o.x + begin_of(o, 1, c.along, i) * (int64_t)sizeof(C);
        failed = execute(p, f, o, x, (char *)o.y + begin_of(o, 0, c.along, i) * (int64_t)sizeof(C));
    }
    if (failed) {
        snprintf(k->message, WKI_CALL_MESSAGE, "cuFFT gives status %d", failed);
        return WK_EDEVICE;
    }
    return finish<C>(k, o);
}

bool wki_cuda_fft_run(const wk_call *k, const transform *o, wk_status *status)
{
    struct calls c;
    struct plan *f = find(k, *o, &c);
    if (!f) return false;
    struct part *p = part_of(k);
    f->held |= wki_cuda_capturing(k->stream);
    *status = k->cls == WK_CLASS_F64 ? run<double>(k, p, f, *o, c) : run<float>(k, p, f, *o, c);
    return true;
}
