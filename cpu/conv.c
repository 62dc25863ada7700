/* Convolutions of one to three dims, transposed ones, and the gradient for their weights. */
#include "cpu/conv_plan.h"

/* ---- the classes ----------------------------------------------------------------------------- */

typedef double  vd __attribute__((vector_size(4 * W)));
typedef int64_t vl __attribute__((vector_size(4 * W)));

INLINE double sum_vd(vd v)
{
    double s = 0;
    for (int i = 0; i < W / 2; i++) s += v[i];
    return s;
}
INLINE int64_t sum_vl(vl v)
{
    uint64_t s = 0;
    for (int i = 0; i < W / 2; i++) s += (uint64_t)v[i];
    return (int64_t)s;
}

#define CONV(name) conv_##name##_f32
#define CONV_T     float
#define CONV_W     W
#define CONV_EACH  1
#define CONV_TARGET
#define CONV_SET(x)       v_set(x)
#define CONV_FMA          v_fma
#define CONV_SUM          v_sum
#define CONV_TRANSPOSE4   v_transpose4
#define CONV_LOAD_STRIDED load_f32_strided
#define CONV_FROM         CPU(from_f32)
#define CONV_DTYPE        WK_f32
#include "cpu/conv_class.h"

#if defined __AVX512F__
#define CONV(name)        conv_##name##_pairs
#define CONV_T            float
#define CONV_W            W
#define CONV_EACH         2
#define CONV_TARGET       __attribute__((target("avx512bf16")))
#define CONV_SET(x)       (vf) _mm512_set1_ps(x)
#define CONV_FMA(a, b, c) (vf) _mm512_dpbf16_ps((__m512)(c), (__m512bh)(a), (__m512bh)(b))
#define CONV_TRANSPOSE4   v_transpose4
#define CONV_LOAD_STRIDED load_f32_strided
#define CONV_FROM         CPU(from_f32)
#define CONV_DTYPE        WK_f32
#include "cpu/conv_class.h"
#endif

#if !defined WK_SET_OF_F64
#define CONV(name) conv_##name##_f64
#define CONV_T     double
#define CONV_W     (W / 2)
#define CONV_EACH  1
#define CONV_TARGET
#define CONV_SET(x)       ((x) - (vd){0})
#define CONV_FMA(a, b, c) ((a) * (b) + (c))
#define CONV_SUM          sum_vd
#define CONV_LOAD_STRIDED load_f64_strided
#define CONV_FROM         CPU(from_f64)
#define CONV_DTYPE        WK_f64
#include "cpu/conv_class.h"
#endif

#if !defined     WK_SET_OF_I64
typedef uint64_t vul __attribute__((vector_size(4 * W)));
#define CONV(name) conv_##name##_i64
#define CONV_T     int64_t
#define CONV_W     (W / 2)
#define CONV_EACH  1
#define CONV_TARGET
#define CONV_SET(x)       ((x) - (vl){0})
#define CONV_FMA(a, b, c) ((vl)((vul)(a) * (vul)(b) + (vul)(c)))
#define CONV_SUM          sum_vl
#define CONV_LOAD_STRIDED load_i64_strided
#define CONV_FROM         CPU(from_i64)
#define CONV_DTYPE        WK_i64
#include "cpu/conv_class.h"
#endif

/* ---- the ops --------------------------------------------------------------------------------- */

struct job {
    const wk_call *k;
    struct conv    o;
};

static void widen(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    const wk_tensor   w = j->o.w;
    void             *to = (char *)j->k->scratch + j->o.weights;
    (void)worker;
    if (j->k->cls == WK_CLASS_F32)
        CPU(to_f32)[w->dtype](address(w, first), (float *)to + first, last - first);
    else if (j->k->cls == WK_CLASS_F64)
        CPU(to_f64)[w->dtype](address(w, first), (double *)to + first, last - first);
    else
        CPU(to_i64)[w->dtype](address(w, first), (int64_t *)to + first, last - first);
}

#if defined __AVX512F__
static void join(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    (void)worker;
    conv_join_weights_pairs(&j->o, first, last, (float *)(void *)((char *)j->k->scratch + j->o.weights));
}
#endif

/* What a class does of a convolution. */
struct steps {
    void (*pack_panel)(const struct conv *, const wk_call *, int64_t group, int64_t panel);
    void (*task)(const struct conv *, const wk_call *, const struct conv_part *, int worker);
    void (*depth_task)(const struct conv *, const wk_call *, const struct conv_part *, int worker);
};
static const struct steps *steps_of(const struct job *j)
{
#define STEPS(class)                                                                                         \
    {                                                                                                        \
        conv_pack_panel_##class, conv_task_##class, conv_depth_task_##class                                  \
    }
    static const struct steps f32 = STEPS(f32);
#if !defined WK_SET_OF_F64
    static const struct steps f64 = STEPS(f64);
#endif
#if !defined WK_SET_OF_I64
    static const struct steps i64 = STEPS(i64);
#endif
#undef STEPS
#if defined __AVX512F__
    static const struct steps pairs = {conv_pack_panel_pairs, conv_task_pairs, NULL};
    if (j->o.pairs) return &pairs;
#endif
    return OF_CLASS(j->k->cls, &f32, &f64, &i64);
}

static void pack_panels(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    (void)worker;
    for (int64_t i = first; i < last; i++)
        steps_of(j)->pack_panel(&j->o, j->k, i / j->o.panels, i % j->o.panels);
}

static void piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job   *j = arg;
    const struct steps *s = steps_of(j);
    struct conv_part    p;
    for (int64_t i = first; i < last; i++)
        if (part_of(&j->o, i, &p)) (j->o.depth ? s->depth_task : s->task)(&j->o, j->k, &p, worker);
}

static int64_t grain(double work)
{
    return work < 32768 ? (int64_t)(32768 / (work + 1)) + 1 : 1;
}

static wk_status convolve(const wk_call *k, bool turned)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct job         j = {k, describe(k, turned)};
    const struct conv *o = &j.o;
    const double       row = (double)(o->c * o->taps);
    write_offsets(o, k);
    int64_t      *steps = (int64_t *)(void *)((char *)k->scratch + o->steps);
    const int64_t step = tile_vectors(o) * (k->cls == WK_CLASS_F32 ? W : W / 2);
    for (int64_t i = 0; i < CONV_K; i++) steps[i] = i * step;
#if defined __AVX512F__
    if (o->pairs)
        wki_parallel(k->device, weights_of(o) / weight_run(o), 16384 / weight_run(o) + 1, join, &j);
    else
#endif
        if (o->w->dtype != own(k->cls))
        wki_parallel(k->device, wk_count(o->w), 65536, widen, &j);
    if (!o->depth) wki_parallel(k->device, o->groups * o->panels, grain(row * CONV_ROWS), pack_panels, &j);
    const double places = (double)(o->band[0] * o->band[1] * o->band[2] * o->band[3]);
    const double rows = (double)max_block_rows(o) / (double)o->phases;
    wki_parallel(k->device, tasks_of(o), grain(places * row * (rows + 1)), piece, &j);
    return WK_OK;
}

static size_t scratch_of(const struct conv *o, const wk_call *k)
{
    return o->worker + o->worker_bytes * (size_t)wki_workers(k->device);
}

size_t CPU(conv_scratch)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return 0;
    const struct conv o = describe(k, false);
    return scratch_of(&o, k);
}
size_t CPU(conv_transpose_scratch)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return 0;
    const struct conv o = describe(k, true);
    return scratch_of(&o, k);
}
wk_status CPU(conv)(const wk_call *k)
{
    return convolve(k, false);
}
wk_status CPU(conv_transpose)(const wk_call *k)
{
    return convolve(k, true);
}

static void dot_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    for (int64_t i = first; i < last; i++) BY_CLASS(j->k->cls, conv_dot_task, &j->o, j->k, i, worker);
}

static void total_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    (void)worker;
    BY_CLASS(j->k->cls, conv_dot_total, &j->o, j->k, first, last);
}

size_t CPU(conv_weight_scratch)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return 0;
    const struct conv o = describe_dot(k);
    return scratch_of(&o, k);
}
wk_status CPU(conv_weight)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct job         j = {k, describe_dot(k)};
    const struct conv *o = &j.o;
    write_offsets(o, k);
    const double work = (double)(o->images * o->m * o->c * o->taps) *
                        (double)(o->out[0] * o->out[1] * o->out[2]) / (double)(o->blocks * o->chunks);
    wki_parallel(k->device, o->groups * o->blocks * o->chunks, grain(work), dot_piece, &j);
    wki_parallel(k->device, wk_count(o->w), 16384, total_piece, &j);
    return WK_OK;
}
