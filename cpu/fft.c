/* Fourier transforms along one dim: complex to complex, real to half a spectrum, and back. Complex values are
 * a last dim of two.
 *
 * Many short lines go side by side through the lanes of vectors; a long line is cut into columns and
 * rows; a length with a prime factor above 31 becomes a convolution (Bluestein, IEEE Trans. AU-18, 1970),
 * in f64. */
#include "cpu/simd.h"

#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

#define LOW2(a, b)   PICK(a, b, 0, 2)
#define HIGH2(a, b)  PICK(a, b, 1, 3)
#define LOW4(a, b)   PICK(a, b, 0, 4, 1, 5)
#define HIGH4(a, b)  PICK(a, b, 2, 6, 3, 7)
#define EVEN4(a, b)  PICK(a, b, 0, 2, 4, 6)
#define ODD4(a, b)   PICK(a, b, 1, 3, 5, 7)
#define LOW8(a, b)   PICK(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH8(a, b)  PICK(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define EVEN8(a, b)  PICK(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD8(a, b)   PICK(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define LOW16(a, b)  PICK(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH16(a, b) PICK(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define EVEN16(a, b) PICK(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD16(a, b)  PICK(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)

/* ---- a call, taken apart --------------------------------------------------------------------- */

#define FFT_LARGEST 31 /* prime that is transformed directly */

struct fft_factors {
    int64_t n;
    int     count, factor[40];
};

/* 8s and 4s first; false: a prime factor above FFT_LARGEST. */
static bool factorise(int64_t n, struct fft_factors *f)
{
    *f = (struct fft_factors){.n = n};
    for (; n % 8 == 0; n /= 8) f->factor[f->count++] = 8;
    for (; n % 4 == 0; n /= 4) f->factor[f->count++] = 4;
    for (int r = 2; r <= FFT_LARGEST; r++)
        for (; n % r == 0; n /= r) f->factor[f->count++] = r;
    return n == 1;
}

enum mode { LANES, LONG, CHIRP };

/* Offsets into the scratch, in bytes, and what the mode needs. */
struct job {
    const wk_call     *k;
    wk_tensor          x, y;
    int                dim, nd; /* nd: dims but for the two of complex values */
    bool               wide, from_real, to_real, inverse, one_sided;
    int64_t            n, lines, xs, ys; /* steps along dim, in values */
    double             scale;
    enum mode          mode;
    int64_t            length, n1, n2; /* of the complex transform that is run, and its cut */
    struct fft_factors whole, f1, f2;
    int64_t            steps; /* roots that the tables know: length, or twice that */
    size_t             roots, roots1, roots2, twiddle, fine, coarse, chirp, own, per_worker;
    size_t             mid, line; /* within a worker's share */
    int                shift;
};

/* Where line l of x begins: l counts over all dims but `dim`, the last one fastest. */
static int64_t line_offset(const struct job *j, wk_tensor x, int64_t l)
{
    int64_t at = 0;
    for (int i = j->nd - 1; i >= 0; i--) {
        if (i == j->dim) continue;
        at += l % x->shape[i] * x->stride[i];
        l /= x->shape[i];
    }
    return at;
}

/* The frequencies of a real line that are their own mirror images. */
INLINE bool ends(const struct job *j, int64_t k)
{
    return k == 0 || 2 * k == j->n;
}

INLINE void *table(const struct job *j, size_t at)
{
    return (char *)j->k->scratch + at;
}
INLINE void *own_scratch(const struct job *j, int worker, size_t at)
{
    return (char *)j->k->scratch + j->own + (size_t)worker * j->per_worker + at;
}

/* A long line whose parts are done on all threads. */
struct line_parts {
    const struct job *j;
    const void       *x;
    void             *y;
    int64_t           xs, ys;
    bool              swap;
    double            scale;
};

#define FFT(name) fft_##name##_f32
#define FFT_T     float
#define FFT_W     W
#if W == 16
#define FFT_LOW  LOW16
#define FFT_HIGH HIGH16
#define FFT_EVEN EVEN16
#define FFT_ODD  ODD16
#elif W == 8
#define FFT_LOW  LOW8
#define FFT_HIGH HIGH8
#define FFT_EVEN EVEN8
#define FFT_ODD  ODD8
#else
#define FFT_LOW  LOW4
#define FFT_HIGH HIGH4
#define FFT_EVEN EVEN4
#define FFT_ODD  ODD4
#endif
#include "cpu/fft_lanes.h"

#define FFT(name) fft_##name##_f64
#define FFT_T     double
#define FFT_W     (W / 2)
#if W == 16
#define FFT_LOW  LOW8
#define FFT_HIGH HIGH8
#define FFT_EVEN EVEN8
#define FFT_ODD  ODD8
#elif W == 8
#define FFT_LOW  LOW4
#define FFT_HIGH HIGH4
#define FFT_EVEN EVEN4
#define FFT_ODD  ODD4
#else
#define FFT_LOW  LOW2
#define FFT_HIGH HIGH2
#define FFT_EVEN LOW2
#define FFT_ODD  HIGH2
#endif
#include "cpu/fft_lanes.h"

static int lanes_of(const struct job *j)
{
    return j->wide ? W / 2 : W;
}
static size_t value_bytes(const struct job *j)
{
    return j->wide ? sizeof(double) : sizeof(float);
}

/* Cuts length into two factors that fill the lanes best. */
static void cut(struct job *j)
{
    const int64_t w = lanes_of(j), n = j->length;
    double        best = 0;
    for (int64_t a = 1; a * a <= n; a++) {
        if (n % a) continue;
        for (int turn = 0; turn < 2; turn++) {
            const int64_t n1 = turn ? n / a : a, n2 = n / n1;
            const double  cost = (double)((n2 + w - 1) / w * w) * (double)n1 * (log2((double)n1) + 1) +
                                (double)((n1 + w - 1) / w * w) * (double)n2 * (log2((double)n2) + 1) +
                                (n1 > 4096 || n2 > 4096 ? 8.0 * (double)n : 0.0);
            if (best > 0 && cost >= best) continue;
            best = cost;
            j->n1 = n1;
            j->n2 = n2;
        }
    }
    factorise(j->n1, &j->f1);
    factorise(j->n2, &j->f2);
}

static size_t take(size_t *at, size_t bytes)
{
    const size_t here = *at;
    *at += (bytes + 63) / 64 * 64;
    return here;
}

/* Tables and buffers of the long transform of j->length. */
static void plan_long(struct job *j, size_t *at, size_t *own, bool wide)
{
    const size_t  b = wide ? sizeof(double) : sizeof(float);
    const int64_t w = wide ? W / 2 : W, g1 = (j->n1 + w - 1) / w, g2 = (j->n2 + w - 1) / w;
    const size_t  cell = 2 * b * (size_t)w;
    j->roots1 = take(at, 2 * b * (size_t)j->n1);
    j->roots2 = take(at, 2 * b * (size_t)j->n2);
    j->twiddle = take(at, cell * (size_t)(j->n1 * g2));
    while (((int64_t)1 << 2 * j->shift) < j->steps) j->shift++;
    j->fine = take(at, (size_t)16 << j->shift);
    j->coarse = take(at, 16 * (size_t)((j->steps >> j->shift) + 1));
    take(own, 2 * cell * (size_t)(j->n1 > j->n2 ? j->n1 : j->n2));
    j->mid = take(own, cell * (size_t)(j->n2 * g1));
}

static void plan(struct job *j)
{
    size_t        at = 0, own = 0;
    const int64_t w = lanes_of(j), n = j->n;
    const bool    real = j->from_real || j->to_real;
    const bool    along = real ? (j->from_real ? j->xs : j->ys) == 1 : j->xs == 2;
    j->length = n;
    if (!factorise(n, &j->whole)) {
        j->mode = CHIRP;
        j->wide = true;
        for (j->length = 16; j->length < 2 * n - 1;) j->length *= 2;
        j->steps = j->length;
        cut(j);
        j->chirp = take(&at, 32 * (size_t)n); /* e^(i pi k^2 / n), twice: as it is and transformed */
        j->own = take(&at, 16 * (size_t)j->length);
        plan_long(j, &at, &own, true);
        j->line = take(&own, 32 * (size_t)j->length);
    } else if (n <= 16 || (j->lines >= w / 2 && (n <= 512 || (!along && n <= 8192)))) {
        j->mode = LANES;
        j->roots = take(&at, 2 * value_bytes(j) * (size_t)n);
        take(&own, 2 * 2 * (size_t)w * value_bytes(j) * (size_t)(n + 2));
    } else {
        j->mode = LONG;
        j->steps = n;
        if (real && n % 2 == 0) {
            j->length = n / 2;
            j->roots = take(&at, 2 * value_bytes(j) * (size_t)n);
        }
        cut(j);
        plan_long(j, &at, &own, j->wide);
        j->line = take(&own, real ? 4 * value_bytes(j) * (size_t)(n + 2) : 0);
    }
    j->per_worker = own;
    j->own = at;
}

static struct job describe(const wk_call *k)
{
    struct job j = {.k = k, .x = k->in[0], .y = k->out[0], .dim = (int)k->attr.i[0], .scale = k->attr.f[0]};
    j.inverse = k->attr.i[1] != 0;
    j.from_real = k->attr.i[2] == 1;
    j.to_real = k->attr.i[2] == 2;
    j.one_sided = k->attr.i[3] != 0;
    j.wide = j.y->dtype == WK_f64;
    j.nd = j.from_real ? j.x->ndim : j.x->ndim - 1;
    j.n = j.to_real ? j.y->shape[j.dim] : j.x->shape[j.dim];
    j.xs = j.x->stride[j.dim];
    j.ys = j.y->stride[j.dim];
    j.lines = wk_count(j.x) / j.x->shape[j.dim] / (j.from_real ? 1 : 2);
    plan(&j);
    return j;
}

size_t CPU(fft_scratch)(const wk_call *k)
{
    if (wk_count(k->in[0]) == 0 || wk_count(k->out[0]) == 0) return 0;
    const struct job j = describe(k);
    return j.own + j.per_worker * (size_t)wki_workers(k->device);
}

/* Roots of one and of 2^shift steps. */
static void fill_steps(const struct job *j)
{
    double *fine = table(j, j->fine), *coarse = table(j, j->coarse);
    for (int t = 0; t < 2; t++) {
        const int64_t most = t ? (j->steps >> j->shift) + 1 : (int64_t)1 << j->shift;
        for (int64_t i = 0; i < most; i++) {
            const double a = -6.283185307179586476925 * (double)(t ? i << j->shift : i) / (double)j->steps;
            (t ? coarse : fine)[2 * i] = cos(a);
            (t ? coarse : fine)[2 * i + 1] = sin(a);
        }
    }
}

/* ---- any length: k j = (k^2 + j^2 - (k - j)^2) / 2 makes the sum a convolution ------------------ */

/* e^(-i pi k^2 / n), and the transform of its conjugate over `length` places. */
static void fill_chirp(const struct job *j)
{
    double *chirp = table(j, j->chirp), *line = own_scratch(j, 0, j->line), *spectrum = chirp + 2 * j->n;
    const int64_t n = j->n, m = j->length;
    memset(line, 0, (size_t)m * 16);
    int64_t square = 0; /* k^2 modulo 2 n */
    for (int64_t k = 0; k < n; k++) {
        const double a = -3.141592653589793238463 * (double)square / (double)n;
        chirp[2 * k] = cos(a);
        chirp[2 * k + 1] = sin(a);
        square = (square + 2 * k + 1) % (2 * n);
    }
    for (int64_t k = 0; k < n; k++) {
        const int64_t at[] = {k, k ? m - k : 0};
        for (int i = 0; i < 2; i++) {
            line[2 * at[i]] = chirp[2 * k];
            line[2 * at[i] + 1] = -chirp[2 * k + 1];
        }
    }
    const struct fft_long_f64 o = fft_long_of_f64(j);
    fft_line_f64(&o, line, 2, spectrum, 2, false, 1.0 / (double)m, own_scratch(j, 0, j->mid),
                 own_scratch(j, 0, 0));
}

static double value_at(wk_tensor x, int64_t at)
{
    return x->dtype == WK_f64 ? ((const double *)wki_data(x))[at] : (double)((const float *)wki_data(x))[at];
}
static void set_value(wk_tensor y, int64_t at, double v)
{
    if (y->dtype == WK_f64)
        ((double *)wki_data(y))[at] = v;
    else
        ((float *)wki_data(y))[at] = (float)v;
}

/* Value k of the whole complex line, whatever the kind of x; the way back is taken by exchanged parts. */
static void complex_at(const struct job *j, int64_t at, int64_t k, double *re, double *im)
{
    const bool    mirror = j->to_real && 2 * k > j->n;
    const int64_t i = at + (mirror ? j->n - k : k) * j->xs;
    const double  f = j->to_real && j->one_sided && !ends(j, k) ? 0.5 : 1.0;
    double        r = value_at(j->x, i) * f, m = j->from_real ? 0 : value_at(j->x, i + 1) * f;
    if (j->to_real && ends(j, k)) m = 0;
    if (mirror) m = -m;
    *re = j->inverse ? m : r;
    *im = j->inverse ? r : m;
}

static void chirp_line(const struct job *j, int64_t l, double *a, double *b, void *mid, void *buf)
{
    const double             *chirp = table(j, j->chirp), *spectrum = chirp + 2 * j->n;
    const struct fft_long_f64 o = fft_long_of_f64(j);
    const int64_t n = j->n, m = j->length, xa = line_offset(j, j->x, l), ya = line_offset(j, j->y, l);
    memset(a, 0, (size_t)m * 16);
    for (int64_t k = 0; k < n; k++) {
        double re, im;
        complex_at(j, xa, k, &re, &im);
        a[2 * k] = re * chirp[2 * k] - im * chirp[2 * k + 1];
        a[2 * k + 1] = re * chirp[2 * k + 1] + im * chirp[2 * k];
    }
    fft_line_f64(&o, a, 2, b, 2, false, 1, mid, buf);
    for (int64_t k = 0; k < m; k++) {
        const double re = b[2 * k] * spectrum[2 * k] - b[2 * k + 1] * spectrum[2 * k + 1];
        b[2 * k + 1] = b[2 * k] * spectrum[2 * k + 1] + b[2 * k + 1] * spectrum[2 * k];
        b[2 * k] = re;
    }
    fft_line_f64(&o, b, 2, a, 2, true, 1, mid, buf);
    for (int64_t k = 0; k < (j->from_real ? n / 2 + 1 : n); k++) {
        const double f = j->scale * (j->from_real && j->one_sided && !ends(j, k) ? 2.0 : 1.0);
        const double re = (a[2 * k] * chirp[2 * k] - a[2 * k + 1] * chirp[2 * k + 1]) * f;
        const double im = (a[2 * k] * chirp[2 * k + 1] + a[2 * k + 1] * chirp[2 * k]) * f;
        set_value(j->y, ya + k * j->ys, j->inverse ? im : re);
        if (!j->to_real) set_value(j->y, ya + k * j->ys + 1, j->inverse ? re : im);
    }
}

static void chirp_lines(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    double           *a = own_scratch(j, worker, j->line);
    for (int64_t l = first; l < last; l++)
        chirp_line(j, l, a, a + 2 * j->length, own_scratch(j, worker, j->mid), own_scratch(j, worker, 0));
}

/* ---- the call -------------------------------------------------------------------------------- */

/* One line at a time, its columns and rows on all threads. */
static void few_lines(struct job *j)
{
    wk_device    *d = j->k->device;
    const int64_t w = lanes_of(j);
    for (int64_t l = 0; l < j->lines; l++) {
        struct line_parts p = {.j = j, .xs = j->xs, .ys = j->ys, .swap = j->inverse, .scale = j->scale};
        p.x = (const char *)wki_data(j->x) + line_offset(j, j->x, l) * (int64_t)value_bytes(j);
        p.y = (char *)wki_data(j->y) + line_offset(j, j->y, l) * (int64_t)value_bytes(j);
        wki_parallel(d, (j->n2 + w - 1) / w, 1, j->wide ? fft_some_columns_f64 : fft_some_columns_f32, &p);
        wki_parallel(d, (j->n1 + w - 1) / w, 1, j->wide ? fft_some_rows_f64 : fft_some_rows_f32, &p);
    }
}

wk_status CPU(fft)(const wk_call *k)
{
    if (wk_count(k->in[0]) == 0 || wk_count(k->out[0]) == 0) return WK_OK;
    struct job j = describe(k);
    if (j.mode != LANES) fill_steps(&j);
    if (j.wide)
        fft_fill_tables_f64(&j);
    else
        fft_fill_tables_f32(&j);
    const int64_t lines = j.from_real || j.to_real ? 2 * lanes_of(&j) : lanes_of(&j);
    if (j.mode == CHIRP) {
        fill_chirp(&j);
        wki_parallel(k->device, j.lines, 512 / j.n + 1, chirp_lines, &j);
    } else if (j.mode == LANES) {
        wki_parallel(k->device, (j.lines + lines - 1) / lines, 2048 / (j.n * lines) + 1,
                     j.wide ? fft_groups_of_lines_f64 : fft_groups_of_lines_f32, &j);
    } else if (!j.from_real && !j.to_real && j.lines < 4 && j.n >= 32768) {
        few_lines(&j);
    } else {
        wki_parallel(k->device, j.lines, 2048 / j.n + 1, j.wide ? fft_long_lines_f64 : fft_long_lines_f32,
                     &j);
    }
    return WK_OK;
}
