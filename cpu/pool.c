/* Pooling: the largest value and the mean of windows, and what their gradients need. */
#include "cpu/pool.h"
#include "cpu/simd.h"

#include <stdio.h>

static float sum_vectors(const float *x, int64_t n)
{
    vf      a = v_set(0), b = v_set(0);
    int64_t i = 0;
    if (n < W) {
        float sum = 0;
        for (; i < n; i++) sum += x[i];
        return sum;
    }
    for (; i + 2 * W <= n; i += 2 * W) {
        a += v_load(x + i);
        b += v_load(x + i + W);
    }
    if (i + W <= n) {
        a += v_load(x + i);
        i += W;
    }
    if (i < n) { /* the last vector, without what has been added */
        vi lane;
        for (int j = 0; j < W; j++) lane[j] = j;
        const vi fresh = lane >= (int32_t)(W - (n - i));
        b += v_pick(fresh, v_load(x + n - W), v_set(0));
    }
    return v_sum(a + b);
}
#define SUM_ANY(name, type)                                                                                  \
    static type name(const type *x, int64_t n)                                                               \
    {                                                                                                        \
        type sum = 0;                                                                                        \
        for (int64_t i = 0; i < n; i++) sum += x[i];                                                         \
        return sum;                                                                                          \
    }
SUM_ANY(sum_doubles, double)
#if !defined WK_SET_OF_I64
SUM_ANY(sum_integers, int64_t)
#endif

#define POOL(name)  pool_##name##_f32
#define POOL_T      float
#define POOL_I      int32_t
#define POOL_LEAST  (-INFINITY)
#define POOL_LAST   INT32_MAX
#define POOL_LOAD   load_f32_strided
#define POOL_DEST   dest_f32
#define POOL_STORE  store_f32
#define POOL_SUM    sum_vectors
#define POOL_NAN(x) ((x) != (x))
#include "cpu/pool_class.h"

#define POOL(name)  pool_##name##_f64
#define POOL_T      double
#define POOL_I      int64_t
#define POOL_LEAST  (-(double)INFINITY)
#define POOL_LAST   INT64_MAX
#define POOL_LOAD   load_f64_strided
#define POOL_DEST   dest_f64
#define POOL_STORE  store_f64
#define POOL_SUM    sum_doubles
#define POOL_NAN(x) ((x) != (x))
#include "cpu/pool_class.h"

#if !defined WK_SET_OF_I64
#define POOL(name)  pool_##name##_i64
#define POOL_T      int64_t
#define POOL_I      int64_t
#define POOL_LEAST  INT64_MIN
#define POOL_LAST   INT64_MAX
#define POOL_LOAD   load_i64_strided
#define POOL_DEST   dest_i64
#define POOL_STORE  store_i64
#define POOL_SUM    sum_integers
#define POOL_NAN(x) ((void)(x), false)
#include "cpu/pool_class.h"
#endif

/* Columns of a unit's window rows that stay in the first-level cache. */
#define COLUMNS 2048

struct job {
    const wk_call *k;
    struct pool    o;
};

/* The mean of whole planes: of one row each. */
static void flatten(struct pool *o, wk_tensor x)
{
    const int64_t area = o->in[0] * o->in[1] * o->in[2];
    int64_t       step = 1;
    for (int i = 2; i >= 0; i--) {
        if (o->out[i] != 1 || o->ker[i] != o->in[i] || o->pad[i] != 0) return;
        if (o->in[i] > 1 && x->stride[2 + i] != step) return;
        step *= o->in[i];
    }
    o->whole = true;
    o->in[0] = o->in[1] = o->ker[0] = o->ker[1] = 1;
    o->in[2] = o->ker[2] = area;
}

static struct pool plan(const wk_call *k, bool gradient)
{
    struct pool     o = {.x = k->in[0], .y = k->out[0], .scratch = k->scratch};
    const wk_tensor in = gradient ? o.y : o.x, out = gradient ? o.x : o.y;
    const int64_t  *a = k->attr.i;
    o.planes = in->shape[0] * in->shape[1];
    o.inside = a[12] != 0;
    o.divisor = a[13];
    for (int i = 0; i < 3; i++) {
        o.in[i] = in->shape[2 + i];
        o.out[i] = out->shape[2 + i];
        o.ker[i] = a[i];
        o.stride[i] = a[3 + i];
        o.pad[i] = a[6 + i];
        o.dil[i] = a[9 + i];
    }
    if (k->op != WK_OP_max_pool) flatten(&o, in);
    const int64_t step = o.stride[2], reach = (o.ker[2] - 1) * o.dil[2] + 1;
    o.run = o.out[2];
    if (step && !gradient && (o.run - 1) * step + reach > COLUMNS) {
        const int64_t fit = COLUMNS > reach ? (COLUMNS - reach) / step + 1 : 1;
        o.run = fit < 64 ? (o.run < 64 ? o.run : 64) : fit;
    }
    o.runs = o.run ? (o.out[2] + o.run - 1) / o.run : 0;
    o.width = step ? (o.run - 1) * step + reach : o.in[2];
    if (gradient && o.width < o.in[2] + o.pad[2]) o.width = o.in[2] + o.pad[2];
    if (o.width < o.run) o.width = o.run;
    const size_t size = k->cls == WK_CLASS_F32 ? sizeof(float) : sizeof(double);
    o.bytes = ((size_t)(3 * o.width + 2 * o.run) * size + 127) / 64 * 64;
    return o;
}

static size_t scratch_for(const wk_call *k, bool gradient)
{
    return plan(k, gradient).bytes * (size_t)wki_workers(k->device);
}

/* Units of so much work that a piece is worth a thread's while. */
static int64_t grain(double work)
{
    return work < 16384 ? (int64_t)(16384 / (work + 1)) + 1 : 1;
}

static double window_rows(const struct pool *o)
{
    double n = 1;
    for (int i = 0; i < 2; i++) {
        const struct span s = window(o, i, 0);
        n *= (double)(s.hi - s.lo);
    }
    return n;
}

static void max_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    for (int64_t i = first; i < last; i++) BY_CLASS(j->k->cls, pool_max_unit, &j->o, j->k, i, worker);
}
wk_status CPU(max_pool)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct job   j = {k, plan(k, false)};
    const double work = (double)j.o.width * (2 * window_rows(&j.o) + 2 * (double)j.o.ker[2]);
    wki_parallel(k->device, j.o.planes * j.o.out[0] * j.o.out[1] * j.o.runs, grain(work), max_piece, &j);
    return WK_OK;
}
size_t CPU(max_pool_scratch)(const wk_call *k)
{
    return scratch_for(k, false);
}

static void avg_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    if (j->o.whole) {
        BY_CLASS(j->k->cls, pool_avg_planes, &j->o, first, last, worker);
        return;
    }
    for (int64_t i = first; i < last; i++) BY_CLASS(j->k->cls, pool_avg_unit, &j->o, i, worker);
}
wk_status CPU(avg_pool)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct job   j = {k, plan(k, false)};
    const double work = (double)j.o.width * (window_rows(&j.o) + (double)j.o.ker[2]);
    wki_parallel(k->device, j.o.planes * j.o.out[0] * j.o.out[1] * j.o.runs, grain(work), avg_piece, &j);
    return WK_OK;
}
size_t CPU(avg_pool_scratch)(const wk_call *k)
{
    return scratch_for(k, false);
}

static void avg_vjp_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    if (j->o.whole) {
        BY_CLASS(j->k->cls, pool_avg_vjp_planes, &j->o, first, last, worker);
        return;
    }
    for (int64_t i = first; i < last; i++) BY_CLASS(j->k->cls, pool_avg_vjp_unit, &j->o, i, worker);
}
wk_status CPU(avg_pool_vjp)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct job j = {k, plan(k, true)};
    wki_parallel(k->device, j.o.planes * j.o.in[0] * j.o.in[1], grain((double)j.o.width * 4), avg_vjp_piece,
                 &j);
    return WK_OK;
}
size_t CPU(avg_pool_vjp_scratch)(const wk_call *k)
{
    return scratch_for(k, true);
}

/* in: x [planes, n], places of its values; out [planes, size]. attr.i: add (places may come twice). */
static struct pool plan_unpool(const wk_call *k)
{
    struct pool  o = {.x = k->in[0], .y = k->out[0], .scratch = k->scratch};
    const size_t size = k->cls == WK_CLASS_F32 ? sizeof(float) : sizeof(double);
    o.planes = o.y->shape[0];
    o.in[2] = o.y->shape[1];
    o.out[2] = o.x->shape[1];
    o.bytes = ((size_t)o.in[2] * size + 63) / 64 * 64;
    return o;
}

static void unpool_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    for (int64_t i = first; i < last; i++) BY_CLASS(j->k->cls, pool_unpool_plane, &j->o, j->k, i, worker);
}
wk_status CPU(unpool)(const wk_call *k)
{
    struct job     j = {k, plan_unpool(k)};
    const int64_t *index = (const int64_t *)(const void *)address(k->in[1], 0);
    const int64_t  n = wk_count(k->in[1]), size = j.o.in[2];
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= size) {
            snprintf(k->message, WKI_CALL_MESSAGE, "place %lld of value %lld is outside of %lld",
                     (long long)index[i], (long long)i, (long long)size);
            return WK_EINDEX;
        }
    if (wk_count(k->out[0]) == 0) return WK_OK;
    wki_parallel(k->device, j.o.planes, grain((double)(size + 2 * j.o.out[2])), unpool_piece, &j);
    return WK_OK;
}
size_t CPU(unpool_scratch)(const wk_call *k)
{
    return k->out[0]->dtype == WK_f32 ? 0 : plan_unpool(k).bytes * (size_t)wki_workers(k->device);
}
