/* Resizing, forward and its gradient. */
#include "cpu/resize.h"

#define ROWS 16 /* added up at once */

#define RESIZE(name) resize_##name##_f32
#define RESIZE_T     float
#define RESIZE_LOAD  load_f32_strided
#define RESIZE_DEST  dest_f32
#define RESIZE_STORE store_f32
#include "cpu/resize_class.h"

#define RESIZE(name) resize_##name##_f64
#define RESIZE_T     double
#define RESIZE_LOAD  load_f64_strided
#define RESIZE_DEST  dest_f64
#define RESIZE_STORE store_f64
#include "cpu/resize_class.h"

/* ---- which values of x a place sums, and with what weights
 * --------------------------------------- */

/* Places are reckoned in the class's own precision, so that they fall where
 * PyTorch's do. */
static double as(const struct resize *o, double v)
{
    return o->wide ? v : (double)(float)v;
}

/* A fraction or a cubic weight as it is kept: where PyTorch rounds it to the dtype of x, so is it here. */
static double stored(const struct resize *o, double v)
{
    if (!o->rounded) return v;
    float         f = (float)v;
    unsigned char half[4];
    CPU(from_f32)[o->x->dtype](&f, half, 1);
    CPU(to_f32)[o->x->dtype](half, &f, 1);
    return (double)f;
}

static double source(const struct resize *o, const struct resize_dim *d, int64_t u)
{
    if (o->align) return as(o, d->scale * (double)u);
    return as(o, as(o, d->scale * ((double)u + 0.5)) - 0.5);
}

/* Keys' kernel for a neighbour at distance x (IEEE TASSP 29(6), 1981). */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* The values [*first, *last) that place u of the result sums; w, unless NULL,
 * gets their weights. */
static void widened(const struct resize *o, const struct resize_dim *d, int64_t u, int64_t *first,
                    int64_t *last, double *w)
{
    const double reach = o->mode == RESIZE_CUBIC ? 2 : 1,
                 support = as(o, d->scale >= 1 ? reach * d->scale : reach);
    const double center = as(o, d->scale * ((double)u + 0.5)),
                 inverse = d->scale >= 1 ? as(o, 1 / d->scale) : 1;
    double sum = 0;
    *first = clamp((int64_t)as(o, as(o, center - support) + 0.5), 0, d->from - 1);
    *last = clamp((int64_t)as(o, as(o, center + support) + 0.5), *first + 1, d->from);
    if (!w) return;
    for (int64_t i = *first; i < *last; i++) {
        const double x = ((double)i - center + 0.5) * inverse;
        const double v = o->mode == RESIZE_CUBIC ? cubic(x, -0.5) : fabs(x) < 1 ? 1 - fabs(x) : 0;
        w[i - *first] = v;
        sum += v;
    }
    for (int64_t i = *first; i < *last && sum != 0; i++) w[i - *first] /= sum;
}

static void neighbours(const struct resize *o, const struct resize_dim *d, int64_t u, int64_t *first,
                       int64_t *last, double *w)
{
    const int64_t top = d->from - 1;
    if (d->from == d->to && d->scale == 1) { /* nothing moves */
        *first = u;
        *last = u + 1;
        if (w) w[0] = 1;
    } else if (o->mode <= RESIZE_NEAREST_EXACT) {
        const double at = (double)u + (o->mode == RESIZE_NEAREST_EXACT ? 0.5 : 0);
        *first = clamp((int64_t)as(o, at * d->scale), 0, top);
        *last = *first + 1;
        if (w) w[0] = 1;
    } else if (o->antialias) {
        widened(o, d, u, first, last, w);
    } else if (o->mode == RESIZE_LINEAR) {
        const double at = source(o, d, u), from = at < 0 ? 0 : at;
        *first = clamp((int64_t)from, 0, top);
        *last = *first < top ? *first + 2 : *first + 1;
        const double part = stored(o, fmin(fmax(as(o, from - (double)*first), 0), 1));
        if (w) w[0] = *last - *first == 1 ? 1 : stored(o, 1 - part);
        if (w && *last - *first == 2) w[1] = part;
    } else {
        const double  at = source(o, d, u), base = floor(at), part = fmin(fmax(as(o, at - base), 0), 1);
        const int64_t i = (int64_t)base;
        *first = clamp(i - 1, 0, top);
        *last = clamp(i + 2, 0, top) + 1;
        for (int64_t t = 0; w && t < *last - *first; t++) w[t] = 0;
        for (int64_t t = -1; w && t <= 2; t++)
            w[clamp(i + t, 0, top) - *first] += stored(o, cubic((double)t - part, -0.75));
    }
}

/* Most weights of a place; turned: most places that a value goes to, which
 * follow one another. */
static int64_t most_taps(const struct resize *o, const struct resize_dim *d)
{
    int64_t most = 1, low = 0;
    for (int64_t u = 0; u < d->to; u++) {
        int64_t first, last, earliest;
        neighbours(o, d, u, &first, &last, NULL);
        if (!o->turned && last - first > most) most = last - first;
        if (!o->turned) continue;
        /* of the values that end here, the first has been wanted longest */
        do {
            int64_t end;
            neighbours(o, d, low, &earliest, &end, NULL);
            if (end > first) break;
        } while (++low < u);
        if (u - low + 1 > most) most = u - low + 1;
    }
    return most;
}

/* ---- tables
 * ----------------------------------------------------------------------------------
 */

static double weight_of(const struct resize *o, const struct resize_dim *d, int64_t at)
{
    return o->wide ? ((const double *)d->w)[at] : (double)((const float *)d->w)[at];
}
static void set_weight(const struct resize *o, const struct resize_dim *d, int64_t at, double v)
{
    if (o->wide)
        ((double *)d->w)[at] = v;
    else
        ((float *)d->w)[at] = (float)v;
}

/* No place reads over the end: it begins earlier then, with weights of zero. */
static void keep_inside(const struct resize *o, struct resize_dim *d, int64_t u)
{
    const int64_t over = d->start[u] + d->taps - d->in;
    if (over <= 0) return;
    d->start[u] -= (int32_t)over;
    for (int64_t t = d->taps - 1; t >= 0; t--)
        set_weight(o, d, t * d->out + u, t < over ? 0 : weight_of(o, d, (t - over) * d->out + u));
}

static void fill_table(const struct resize *o, struct resize_dim *d, double *w)
{
    memset(d->w, 0, (size_t)(d->taps * d->out) * (o->wide ? sizeof(double) : sizeof(float)));
    for (int64_t u = 0; u < d->out; u++) d->start[u] = -1;
    for (int64_t u = 0; u < d->to; u++) {
        int64_t first, last;
        neighbours(o, d, u, &first, &last, w);
        for (int64_t i = first; i < last; i++) {
            const int64_t place = o->turned ? i : u, value = o->turned ? u : i;
            if (d->start[place] < 0) d->start[place] = (int32_t)value;
            set_weight(o, d, (value - d->start[place]) * d->out + place, w[i - first]);
        }
    }
    for (int64_t u = 0; u < d->out; u++) {
        if (d->start[u] < 0) d->start[u] = 0; /* a value that goes nowhere */
        keep_inside(o, d, u);
    }
}

/* Is place u like the one a period before it? */
static bool repeats(const struct resize *o, const struct resize_dim *d, int64_t u, int64_t period,
                    int64_t step)
{
    if (d->start[u] - d->start[u - period] != step) return false;
    for (int64_t t = 0; t < d->taps; t++)
        if (weight_of(o, d, t * d->out + u) != weight_of(o, d, t * d->out + u - period)) return false;
    return true;
}

static void find_pattern(const struct resize *o, struct resize_dim *d)
{
    static const int8_t patterns[][2] = {{1, 1}, {2, 1}, {1, 2}}; /* period, step */
    d->lo = d->hi = d->period = 0;
    for (int i = 0; i < 3; i++)
        for (int64_t lo = 0; lo < 4 && lo < d->out; lo++) {
            const int64_t period = patterns[i][0];
            int64_t       hi = lo + period;
            while (hi < d->out && repeats(o, d, hi, period, patterns[i][1])) hi++;
            hi -= (hi - lo) % period;
            if (hi > d->out || hi - lo < 8 || hi - lo <= d->hi - d->lo) continue;
            d->lo = lo;
            d->hi = hi;
            d->period = period;
            d->step = patterns[i][1];
        }
    const bool listed = d->taps == 1 || (d->period * d->step == 2 && (d->taps == 2 || d->taps == 4));
    if (!listed) d->lo = d->hi = d->period = 0;
}

/* ---- the op
 * ----------------------------------------------------------------------------------
 */

static size_t place(size_t *at, int64_t n, size_t size)
{
    const size_t here = *at;
    *at += ((size_t)n * size + 63) / 64 * 64;
    return here;
}

static double scale_of(const struct resize *o, const struct resize_dim *d, double given)
{
    if (o->align) return d->to > 1 ? as(o, (double)(d->from - 1) / (double)(d->to - 1)) : 0;
    return as(o, given > 0 ? 1 / given : (double)d->from / (double)d->to);
}

/* attr.i: mode, align corners, antialias, turned, weights of halves rounded; attr.f: the scales given, 0
 * for none. */
static struct resize plan(const wk_call *k)
{
    struct resize o = {.x = k->in[0],
                       .y = k->out[0],
                       .mode = (int)k->attr.i[0],
                       .align = k->attr.i[1] != 0,
                       .antialias = k->attr.i[2] != 0,
                       .turned = k->attr.i[3] != 0,
                       .rounded = k->attr.i[4] != 0,
                       .wide = k->cls == WK_CLASS_F64};
    const size_t  size = o.wide ? sizeof(double) : sizeof(float);
    char         *scratch = k->scratch;
    size_t        at = 0, mine = 0;
    o.planes = o.y->shape[0] * o.y->shape[1];
    int64_t widest = 4;
    for (int i = 0; i < 3; i++) {
        struct resize_dim *d = &o.dim[i];
        d->in = o.x->shape[2 + i];
        d->out = o.y->shape[2 + i];
        d->from = o.turned ? d->out : d->in;
        d->to = o.turned ? d->in : d->out;
        d->scale = scale_of(&o, d, k->attr.f[i]);
        d->taps = most_taps(&o, d);
        const size_t start = place(&at, d->out, sizeof(int32_t)), w = place(&at, d->taps * d->out, size);
        if (scratch) {
            d->start = (int32_t *)(void *)(scratch + start);
            d->w = scratch + w;
        }
        const double reach = 4 * fmax(d->scale, 1) + 4;
        if (o.antialias && widest < (int64_t)reach) widest = (int64_t)reach;
    }
    const size_t w = place(&at, widest, sizeof(double));
    for (int i = 0; i < 3 && scratch; i++) fill_table(&o, &o.dim[i], (double *)(void *)(scratch + w));
    if (scratch) find_pattern(&o, &o.dim[2]);
    o.row = place(&mine, o.dim[2].in + o.dim[2].out, size);
    o.ring = place(&mine, o.dim[0].taps * o.dim[1].taps * o.dim[2].out, size);
    o.tags = place(&mine, o.dim[0].taps * o.dim[1].taps, sizeof(int64_t));
    o.worker = at;
    o.bytes = mine;
    return o;
}

struct job {
    const wk_call *k;
    struct resize  o;
};

static void piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    char             *mine = (char *)j->k->scratch + j->o.worker + (size_t)worker * j->o.bytes;
    if (j->o.wide)
        resize_rows_f64(&j->o, first, last, mine);
    else
        resize_rows_f32(&j->o, first, last, mine);
}

wk_status CPU(resize)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return WK_OK;
    struct job               j = {k, plan(k)};
    const struct resize_dim *d = j.o.dim;
    const int64_t            rows = j.o.planes * d[0].out * d[1].out;
    const double  row = (double)d[2].out * (double)(d[0].taps * d[1].taps + d[2].taps) + (double)d[2].in;
    const int64_t least = (int64_t)(32768 / row) + 1, few = 8 * d[0].taps * d[1].taps;
    /* rows in the ring serve their neighbours; whole planes where they are small
   */
    int64_t grain = rows / 16 < few ? rows / 16 : few;
    grain = grain < least ? least : grain;
    wki_parallel(k->device, rows, grain, piece, &j);
    return WK_OK;
}

size_t CPU(resize_scratch)(const wk_call *k)
{
    if (wk_count(k->out[0]) == 0) return 0;
    wk_call bare = *k;
    bare.scratch = NULL;
    const struct resize o = plan(&bare);
    return o.worker + o.bytes * (size_t)wki_workers(k->device);
}
