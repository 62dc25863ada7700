/* Fourier transforms of as many lines at once as a vector has lanes. Included once per type with
 *   FFT(name)  the type's names      FFT_T  its type
 *   FFT_W      lanes of a vector     FFT_LOW, FFT_HIGH(a, b): lanes of a and b in turn, first and last half
 * Stockham's algorithm (Van Loan, Computational Frameworks for the FFT, 1.7) over the factors of n: each pass
 * reads one buffer and writes the other, in order, so that nothing is permuted. All transforms here go
 * forward; the way back is the same with real and imaginary parts exchanged. */

typedef FFT_T FFT(vec) __attribute__((vector_size(FFT_W * sizeof(FFT_T))));
typedef FFT_T FFT(vec_any)
    __attribute__((vector_size(FFT_W * sizeof(FFT_T)), aligned(sizeof(FFT_T)), may_alias));
struct FFT(cell) {
    FFT(vec) re, im;
};
#define VEC  FFT(vec)
#define CELL struct FFT(cell)

/* roots: e^(-2 pi i k / n), real and imaginary parts in turn. */
struct FFT(plan) {
    const struct fft_factors *f;
    const FFT_T              *roots;
};

INLINE VEC FFT(load)(const FFT_T *p)
{
    return *(const FFT(vec_any) *)(const void *)p;
}
INLINE void FFT(store)(FFT_T *p, VEC v)
{
    *(FFT(vec_any) *)(void *)p = v;
}
INLINE CELL FFT(times)(CELL x, FFT_T re, FFT_T im)
{
    return (CELL){x.re * re - x.im * im, x.re * im + x.im * re};
}
INLINE CELL FFT(plus)(CELL a, CELL b)
{
    return (CELL){a.re + b.re, a.im + b.im};
}
INLINE CELL FFT(minus)(CELL a, CELL b)
{
    return (CELL){a.re - b.re, a.im - b.im};
}

/* ---- passes: [r][m][s] becomes [m][r][s], r m s = n ------------------------------------------ */

INLINE void FFT(two)(CELL a, CELL b, CELL *y)
{
    y[0] = FFT(plus)(a, b);
    y[1] = FFT(minus)(a, b);
}
INLINE void FFT(four)(CELL a, CELL b, CELL c, CELL d, CELL *y)
{
    const CELL p = FFT(plus)(a, c), q = FFT(minus)(a, c), r = FFT(plus)(b, d), t = FFT(minus)(b, d);
    y[0] = FFT(plus)(p, r);
    y[1] = (CELL){q.re + t.im, q.im - t.re};
    y[2] = FFT(minus)(p, r);
    y[3] = (CELL){q.re - t.im, q.im + t.re};
}
/* e^(-i pi / 4) x and e^(-3 i pi / 4) x */
INLINE CELL FFT(eighth)(CELL x)
{
    const FFT_T h = (FFT_T)0.70710678118654752440;
    return (CELL){(x.re + x.im) * h, (x.im - x.re) * h};
}
INLINE CELL FFT(three_eighths)(CELL x)
{
    const FFT_T h = (FFT_T)0.70710678118654752440;
    return (CELL){(x.im - x.re) * h, -(x.re + x.im) * h};
}
INLINE void FFT(eight)(const CELL *x, CELL *y)
{
    CELL e[4], o[4];
    FFT(four)(x[0], x[2], x[4], x[6], e);
    FFT(four)(x[1], x[3], x[5], x[7], o);
    o[1] = FFT(eighth)(o[1]);
    o[2] = (CELL){o[2].im, -o[2].re};
    o[3] = FFT(three_eighths)(o[3]);
    for (int i = 0; i < 4; i++) {
        y[i] = FFT(plus)(e[i], o[i]);
        y[i + 4] = FFT(minus)(e[i], o[i]);
    }
}
/* An odd r: cosines on sums and sines on differences of opposite values. w: r-th roots, `step` apart. */
INLINE void FFT(odd)(const CELL *x, int r, const FFT_T *roots, int64_t step, CELL *y)
{
    CELL sum[FFT_LARGEST / 2 + 1], dif[FFT_LARGEST / 2 + 1];
    y[0] = x[0];
    for (int j = 1; j <= r / 2; j++) {
        sum[j] = FFT(plus)(x[j], x[r - j]);
        dif[j] = FFT(minus)(x[j], x[r - j]);
        y[0] = FFT(plus)(y[0], sum[j]);
    }
    for (int k = 1; k <= r / 2; k++) {
        CELL p = x[0], q = {(VEC){0}, (VEC){0}};
        for (int j = 1, at = k; j <= r / 2; j++) {
            const FFT_T c = roots[2 * at * step], s = roots[2 * at * step + 1];
            p = (CELL){p.re + sum[j].re * c, p.im + sum[j].im * c};
            q = (CELL){q.re + dif[j].re * s, q.im + dif[j].im * s};
            at = at + k >= r ? at + k - r : at + k;
        }
        y[k] = (CELL){p.re - q.im, p.im + q.re};
        y[r - k] = (CELL){p.re + q.im, p.im - q.re};
    }
}

INLINE void FFT(pass)(int r, const CELL *in, CELL *out, int64_t n, int64_t s, const FFT_T *roots)
{
    const int64_t m = n / r / s;
    for (int64_t p = 0; p < m; p++)
        for (int64_t q = 0; q < s; q++) {
            CELL x[FFT_LARGEST], y[FFT_LARGEST];
            x[0] = in[p * s + q];
            for (int j = 1; j < r; j++) x[j] = in[(j * m + p) * s + q];
            if (r == 2)
                FFT(two)(x[0], x[1], y);
            else if (r == 4)
                FFT(four)(x[0], x[1], x[2], x[3], y);
            else if (r == 8)
                FFT(eight)(x, y);
            else
                FFT(odd)(x, r, roots, n / r, y);
            CELL *to = out + p * r * s + q;
            to[0] = y[0];
            if (p == 0)
                for (int k = 1; k < r; k++) to[k * s] = y[k];
            else
                for (int k = 1; k < r; k++)
                    to[k * s] = FFT(times)(y[k], roots[2 * k * p * s], roots[2 * k * p * s + 1]);
        }
}

/* Transforms buf[0..n); other is as large. Returns where the result is. */
static CELL *FFT(lanes)(const struct FFT(plan) * plan, CELL *buf, CELL *other)
{
    const int64_t n = plan->f->n;
    int64_t       s = 1;
    for (int i = 0; i < plan->f->count; i++) {
        const int r = plan->f->factor[i];
        if (r == 8)
            FFT(pass)(8, buf, other, n, s, plan->roots);
        else if (r == 4)
            FFT(pass)(4, buf, other, n, s, plan->roots);
        else if (r == 2)
            FFT(pass)(2, buf, other, n, s, plan->roots);
        else if (r == 3)
            FFT(pass)(3, buf, other, n, s, plan->roots);
        else if (r == 5)
            FFT(pass)(5, buf, other, n, s, plan->roots);
        else
            FFT(pass)(r, buf, other, n, s, plan->roots);
        s *= r;
        CELL *swap = buf;
        buf = other;
        other = swap;
    }
    return buf;
}

/* ---- into lanes and out of them -------------------------------------------------------------- */

/* v[i][j] becomes v[j][i]: log2(W) perfect shuffles. */
INLINE void FFT(turn)(VEC *v)
{
    VEC t[FFT_W];
#pragma GCC unroll 4
    for (int round = 1; round < FFT_W; round *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < FFT_W / 2; i++) {
            t[2 * i] = FFT_LOW(v[i], v[i + FFT_W / 2]);
            t[2 * i + 1] = FFT_HIGH(v[i], v[i + FFT_W / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < FFT_W; i++) v[i] = t[i];
    }
}

/* Where the lines of a group begin, and the step along them; both in values. */
struct FFT(lines) {
    FFT_T  *p;
    int64_t at[FFT_W], step;
    int     count;
    bool    beside; /* one after the other, `unit` apart */
};

/* n values of each line, unit 1; to[i * stride] gets value i of all lines. */
static void FFT(read)(const struct FFT(lines) * l, int64_t n, VEC *to, int64_t stride)
{
    int64_t i = 0;
    if (l->beside && l->count == FFT_W) {
        for (; i < n; i++) to[i * stride] = FFT(load)(l->p + l->at[0] + i * l->step);
        return;
    }
    if (l->step == 1 && l->count == FFT_W)
        for (; i + FFT_W <= n; i += FFT_W) {
            VEC v[FFT_W];
            for (int j = 0; j < FFT_W; j++) v[j] = FFT(load)(l->p + l->at[j] + i);
            FFT(turn)(v);
            for (int j = 0; j < FFT_W; j++) to[(i + j) * stride] = v[j];
        }
    for (; i < n; i++) {
        VEC v = {0};
        for (int j = 0; j < l->count; j++) v[j] = l->p[l->at[j] + i * l->step];
        to[i * stride] = v;
    }
}
static void FFT(write)(const struct FFT(lines) * l, int64_t n, const VEC *from, int64_t stride, FFT_T scale)
{
    int64_t i = 0;
    if (l->beside && l->count == FFT_W) {
        for (; i < n; i++) FFT(store)(l->p + l->at[0] + i * l->step, from[i * stride] * scale);
        return;
    }
    if (l->step == 1 && l->count == FFT_W)
        for (; i + FFT_W <= n; i += FFT_W) {
            VEC v[FFT_W];
            for (int j = 0; j < FFT_W; j++) v[j] = from[(i + j) * stride] * scale;
            FFT(turn)(v);
            for (int j = 0; j < FFT_W; j++) FFT(store)(l->p + l->at[j] + i, v[j]);
        }
    for (; i < n; i++) {
        const VEC v = from[i * stride] * scale;
        for (int j = 0; j < l->count; j++) l->p[l->at[j] + i * l->step] = v[j];
    }
}

/* Two vectors of W complex numbers from memory, and back. */
INLINE CELL FFT(load_pairs)(const FFT_T *p)
{
    const VEC a = FFT(load)(p), b = FFT(load)(p + FFT_W);
    return (CELL){FFT_EVEN(a, b), FFT_ODD(a, b)};
}
INLINE void FFT(store_pairs)(FFT_T *p, CELL x)
{
    FFT(store)(p, FFT_LOW(x.re, x.im));
    FFT(store)(p + FFT_W, FFT_HIGH(x.re, x.im));
}

/* n complex numbers of each line; swap: exchange real and imaginary parts. */
static void FFT(read_complex)(const struct FFT(lines) * l, int64_t n, CELL *to, bool swap)
{
    int64_t i = 0;
    if (l->beside && l->count == FFT_W) {
        for (; i < n; i++) to[i] = FFT(load_pairs)(l->p + l->at[0] + i * l->step);
    } else if (l->step == 2 && l->count == FFT_W) {
        for (; i + FFT_W <= n; i += FFT_W) {
            VEC re[FFT_W], im[FFT_W];
            for (int j = 0; j < FFT_W; j++) {
                const CELL v = FFT(load_pairs)(l->p + l->at[j] + 2 * i);
                re[j] = v.re;
                im[j] = v.im;
            }
            FFT(turn)(re);
            FFT(turn)(im);
            for (int j = 0; j < FFT_W; j++) to[i + j] = (CELL){re[j], im[j]};
        }
    }
    for (; i < n; i++) {
        CELL v = {(VEC){0}, (VEC){0}};
        for (int j = 0; j < l->count; j++) {
            v.re[j] = l->p[l->at[j] + i * l->step];
            v.im[j] = l->p[l->at[j] + i * l->step + 1];
        }
        to[i] = v;
    }
    for (i = 0; swap && i < n; i++) to[i] = (CELL){to[i].im, to[i].re};
}
static void FFT(write_complex)(const struct FFT(lines) * l, int64_t n, const CELL *from, bool swap,
                               FFT_T scale)
{
    int64_t i = 0;
    if (l->beside && l->count == FFT_W) {
        for (; i < n; i++) {
            const CELL v = {from[i].re * scale, from[i].im * scale};
            FFT(store_pairs)(l->p + l->at[0] + i * l->step, swap ? (CELL){v.im, v.re} : v);
        }
    } else if (l->step == 2 && l->count == FFT_W) {
        for (; i + FFT_W <= n; i += FFT_W) {
            VEC re[FFT_W], im[FFT_W];
            for (int j = 0; j < FFT_W; j++) {
                re[j] = from[i + j].re * scale;
                im[j] = from[i + j].im * scale;
            }
            FFT(turn)(re);
            FFT(turn)(im);
            for (int j = 0; j < FFT_W; j++) FFT(store_pairs)
            (l->p + l->at[j] + 2 * i, swap ? (CELL){im[j], re[j]} : (CELL){re[j], im[j]});
        }
    }
    for (; i < n; i++) {
        const CELL v = {from[i].re * scale, from[i].im * scale};
        for (int j = 0; j < l->count; j++) {
            l->p[l->at[j] + i * l->step] = swap ? v.im[j] : v.re[j];
            l->p[l->at[j] + i * l->step + 1] = swap ? v.re[j] : v.im[j];
        }
    }
}

/* ---- one long line: n = n1 n2, columns then rows (Bailey, J. Supercomputing 4, 1990) ---------- */

struct FFT(long) {
    struct FFT(plan) columns, rows; /* of n1 and n2 */
    const CELL *twiddle;            /* [n1][ceil(n2 / W)]: e^(-2 pi i j2 k1 / n) */
    int64_t     n1, n2;
};

static int64_t FFT(groups)(int64_t n)
{
    return (n + FFT_W - 1) / FFT_W;
}

/* Columns of group g: transformed, twiddled and turned into mid[j2][k1 / W]. */
static void FFT(columns)(const struct FFT(long) * o, const FFT_T *x, int64_t step, bool swap, int64_t g,
                         CELL *mid, CELL *buf)
{
    const int64_t n1 = o->n1, n2 = o->n2, g1 = FFT(groups)(n1), g2 = FFT(groups)(n2), j2 = g * FFT_W;
    const int     count = n2 - j2 < FFT_W ? (int)(n2 - j2) : FFT_W;
    if (step == 2 && count == FFT_W)
        for (int64_t i = 0; i < n1; i++) buf[i] = FFT(load_pairs)(x + 2 * (i * n2 + j2));
    else
        for (int64_t i = 0; i < n1; i++) {
            CELL v = {(VEC){0}, (VEC){0}};
            for (int j = 0; j < count; j++) {
                v.re[j] = x[(i * n2 + j2 + j) * step];
                v.im[j] = x[(i * n2 + j2 + j) * step + 1];
            }
            buf[i] = v;
        }
    for (int64_t i = 0; swap && i < n1; i++) buf[i] = (CELL){buf[i].im, buf[i].re};
    const CELL *y = FFT(lanes)(&o->columns, buf, buf + n1);
    for (int64_t k = 0; k < g1; k++) {
        VEC re[FFT_W], im[FFT_W];
        for (int j = 0; j < FFT_W; j++) {
            const int64_t k1 = k * FFT_W + j;
            if (k1 < n1) {
                const CELL t = o->twiddle[k1 * g2 + g], v = y[k1];
                re[j] = v.re * t.re - v.im * t.im;
                im[j] = v.re * t.im + v.im * t.re;
            } else {
                re[j] = im[j] = (VEC){0};
            }
        }
        FFT(turn)(re);
        FFT(turn)(im);
        for (int j = 0; j < count; j++) mid[(j2 + j) * g1 + k] = (CELL){re[j], im[j]};
    }
}

/* Rows of group g: result k1 + n1 k2 lies in row k2, lane k1. */
static void FFT(rows)(const struct FFT(long) * o, FFT_T *y, int64_t step, bool swap, FFT_T scale, int64_t g,
                      const CELL *mid, CELL *buf)
{
    const int64_t n1 = o->n1, n2 = o->n2, g1 = FFT(groups)(n1), k1 = g * FFT_W;
    const int     count = n1 - k1 < FFT_W ? (int)(n1 - k1) : FFT_W;
    for (int64_t j = 0; j < n2; j++) buf[j] = mid[j * g1 + g];
    const CELL *from = FFT(lanes)(&o->rows, buf, buf + n2);
    for (int64_t k2 = 0; k2 < n2; k2++) {
        FFT_T *to = y + (k2 * n1 + k1) * step;
        CELL   v = {from[k2].re * scale, from[k2].im * scale};
        if (swap) v = (CELL){v.im, v.re};
        if (step == 2 && count == FFT_W) {
            FFT(store_pairs)(to, v);
            continue;
        }
        for (int j = 0; j < count; j++) {
            to[j * step] = v.re[j];
            to[j * step + 1] = v.im[j];
        }
    }
}

/* A whole line on one thread. */
static void FFT(line)(const struct FFT(long) * o, const FFT_T *x, int64_t xstep, FFT_T *y, int64_t ystep,
                      bool swap, FFT_T scale, CELL *mid, CELL *buf)
{
    for (int64_t g = 0; g < FFT(groups)(o->n2); g++) FFT(columns)(o, x, xstep, swap, g, mid, buf);
    for (int64_t g = 0; g < FFT(groups)(o->n1); g++) FFT(rows)(o, y, ystep, swap, scale, g, mid, buf);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void FFT(fill_roots)(FFT_T *roots, int64_t n)
{
    const int64_t quarter = n % 4 == 0 ? n / 4 : n;
    for (int64_t k = 0; k < quarter; k++) {
        const double angle = -6.283185307179586476925 * (double)k / (double)n;
        roots[2 * k] = (FFT_T)cos(angle);
        roots[2 * k + 1] = (FFT_T)sin(angle);
    }
    for (int64_t k = quarter; k < n; k++) { /* times -i */
        roots[2 * k] = roots[2 * (k - quarter) + 1];
        roots[2 * k + 1] = -roots[2 * (k - quarter)];
    }
}

/* The root of n steps e, from two tables: of 1 and of 2^shift steps. */
struct FFT(tables) {
    const double *fine, *coarse;
    int           shift;
    int64_t       n;
};
INLINE void FFT(root)(const struct FFT(tables) * t, int64_t e, FFT_T *re, FFT_T *im)
{
    const double *a = t->coarse + 2 * (e >> t->shift),
                 *b = t->fine + 2 * (e & (((int64_t)1 << t->shift) - 1));
    *re = (FFT_T)(a[0] * b[0] - a[1] * b[1]);
    *im = (FFT_T)(a[0] * b[1] + a[1] * b[0]);
}
/* A row of twiddles: 0, step, 2 step .. */
static void FFT(fill_twiddles)(CELL *row, const struct FFT(tables) * t, int64_t n2, int64_t step)
{
    int64_t e = 0;
    for (int64_t g = 0; g < FFT(groups)(n2); g++) {
        FFT_T re[FFT_W], im[FFT_W];
        for (int j = 0; j < FFT_W; j++) {
            FFT(root)(t, e, &re[j], &im[j]);
            e = e + step >= t->n ? e + step - t->n : e + step;
        }
        row[g] = (CELL){FFT(load)(re), FFT(load)(im)};
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The lines of group g of x: `first` and as many as there are lanes. */
static struct FFT(lines)
    FFT(lines_at)(const struct job *j, wk_tensor x, bool complex_values, int64_t step, int64_t first)
{
    struct FFT(lines) l = {.p = wki_data(x), .step = step, .beside = true};
    for (; l.count < FFT_W && first + l.count < j->lines; l.count++) {
        l.at[l.count] = line_offset(j, x, first + l.count);
        if (l.at[l.count] != l.at[0] + l.count * (complex_values ? 2 : 1)) l.beside = false;
    }
    return l;
}

static void FFT(group_complex)(const struct job *j, const struct FFT(plan) * p, int64_t g, CELL *buf)
{
    const struct FFT(lines) x = FFT(lines_at)(j, j->x, true, j->xs, g * FFT_W);
    const struct FFT(lines) y = FFT(lines_at)(j, j->y, true, j->ys, g * FFT_W);
    FFT(read_complex)(&x, j->n, buf, j->inverse);
    FFT(write_complex)(&y, j->n, FFT(lanes)(p, buf, buf + j->n), j->inverse, (FFT_T)j->scale);
}

/* Two real lines are the parts of a complex one: Z = A + i B, so that A_k = (Z_k + conj Z_-k) / 2. */
static void FFT(group_from_real)(const struct job *j, const struct FFT(plan) * p, int64_t g, CELL *buf)
{
    const int64_t n = j->n, half = n / 2, first = 2 * g * FFT_W;
    const struct FFT(lines) a = FFT(lines_at)(j, j->x, false, j->xs, first);
    const struct FFT(lines) b = FFT(lines_at)(j, j->x, false, j->xs, first + FFT_W);
    FFT(read)(&a, n, &buf->re, 2);
    FFT(read)(&b, n, &buf->im, 2);
    const CELL *z = FFT(lanes)(p, buf, buf + n + 2);
    CELL       *t = z == buf ? buf + n + 2 : buf, *u = t + half + 1;
    const FFT_T sign = j->inverse ? (FFT_T)-0.5 : (FFT_T)0.5;
    for (int64_t k = 0; k <= half; k++) {
        const CELL  v = z[k], m = z[k ? n - k : 0];
        const FFT_T s = ends(j, k) || !j->one_sided ? (FFT_T)1 : (FFT_T)2;
        t[k] = (CELL){(v.re + m.re) * ((FFT_T)0.5 * s), (v.im - m.im) * (sign * s)};
        u[k] = (CELL){(v.im + m.im) * ((FFT_T)0.5 * s), (m.re - v.re) * (sign * s)};
    }
    const struct FFT(lines) ya = FFT(lines_at)(j, j->y, true, j->ys, first);
    const struct FFT(lines) yb = FFT(lines_at)(j, j->y, true, j->ys, first + FFT_W);
    FFT(write_complex)(&ya, half + 1, t, false, (FFT_T)j->scale);
    FFT(write_complex)(&yb, half + 1, u, false, (FFT_T)j->scale);
}

/* ... and back: Z = A + i B, whose parts are the lines. */
static void FFT(group_to_real)(const struct job *j, const struct FFT(plan) * p, int64_t g, CELL *buf)
{
    const int64_t n = j->n, half = n / 2, first = 2 * g * FFT_W;
    CELL         *t = buf + n + 2, *u = t + half + 1;
    const struct FFT(lines) a = FFT(lines_at)(j, j->x, true, j->xs, first);
    const struct FFT(lines) b = FFT(lines_at)(j, j->x, true, j->xs, first + FFT_W);
    FFT(read_complex)(&a, half + 1, t, false);
    FFT(read_complex)(&b, half + 1, u, false);
    for (int64_t k = 0; k <= half; k++) {
        const bool  end = ends(j, k);
        const FFT_T s = end || !j->one_sided ? (FFT_T)1 : (FFT_T)0.5;
        const FFT_T i = end ? (FFT_T)0 : j->inverse ? s : -s;
        const CELL  v = {t[k].re * s, t[k].im * i}, w = {u[k].re * s, u[k].im * i};
        /* exchanged: the transform goes the other way */
        if (k) buf[n - k] = (CELL){w.re - v.im, v.re + w.im};
        buf[k] = (CELL){v.im + w.re, v.re - w.im};
    }
    const CELL *z = FFT(lanes)(p, buf, t);
    const struct FFT(lines) ya = FFT(lines_at)(j, j->y, false, j->ys, first);
    const struct FFT(lines) yb = FFT(lines_at)(j, j->y, false, j->ys, first + FFT_W);
    FFT(write)(&ya, n, &z->im, 2, (FFT_T)j->scale);
    FFT(write)(&yb, n, &z->re, 2, (FFT_T)j->scale);
}

static void FFT(groups_of_lines)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    CELL             *buf = (CELL *)own_scratch(j, worker, 0);
    const struct FFT(plan) p = {&j->whole, table(j, j->roots)};
    for (int64_t g = first; g < last; g++)
        if (j->from_real)
            FFT(group_from_real)(j, &p, g, buf);
        else if (j->to_real)
            FFT(group_to_real)(j, &p, g, buf);
        else
            FFT(group_complex)(j, &p, g, buf);
}

static struct FFT(long) FFT(long_of)(const struct job *j)
{
    return (struct FFT(long)){.columns = {&j->f1, table(j, j->roots1)},
                              .rows = {&j->f2, table(j, j->roots2)},
                              .twiddle = table(j, j->twiddle),
                              .n1 = j->n1,
                              .n2 = j->n2};
}

/* The spectrum of n real values from that of the n / 2 complex ones that they are in pairs. */
static void FFT(unfold)(const struct job *j, const FFT_T *z, FFT_T *y, int64_t step)
{
    const int64_t h = j->n / 2;
    const FFT_T  *roots = table(j, j->roots), scale = (FFT_T)j->scale, sign = j->inverse ? -scale : scale;
    for (int64_t k = 0; k <= h; k++) {
        const FFT_T *a = z + 2 * (k == h ? 0 : k), *b = z + 2 * (k ? h - k : 0);
        const FFT_T  pr = a[0] + b[0], pi = a[1] - b[1], qr = a[0] - b[0], qi = a[1] + b[1];
        const FFT_T  c = roots[2 * k], s = roots[2 * k + 1]; /* -i w q */
        const FFT_T  f = ends(j, k) || !j->one_sided ? (FFT_T)0.5 : (FFT_T)1;
        y[k * step] = (pr + (c * qi + s * qr)) * f * scale;
        y[k * step + 1] = (pi + (s * qi - c * qr)) * f * sign;
    }
}

/* The complex values whose transform (back) is n real values in pairs. */
static void FFT(fold)(const struct job *j, const FFT_T *x, int64_t step, FFT_T *z)
{
    const int64_t h = j->n / 2;
    const FFT_T  *roots = table(j, j->roots), sign = j->inverse ? (FFT_T)1 : (FFT_T)-1;
    for (int64_t k = 0; k < h; k++) {
        const FFT_T *a = x + k * step, *b = x + (h - k) * step;
        const FFT_T  fa = k && j->one_sided ? (FFT_T)0.5 : (FFT_T)1, ai = k ? a[1] * sign * fa : (FFT_T)0;
        const FFT_T  bi = k ? b[1] * sign * fa : (FFT_T)0, ar = a[0] * fa, br = b[0] * fa;
        const FFT_T  pr = ar + br, pi = ai - bi, qr = ar - br, qi = ai + bi;
        const FFT_T  c = roots[2 * k], s = -roots[2 * k + 1]; /* i conj(w) q */
        z[2 * k] = pr - (s * qr + c * qi);
        z[2 * k + 1] = pi + (c * qr - s * qi);
    }
}

static void FFT(real_line)(const struct job *j, const FFT_T *x, FFT_T *y, CELL *mid, CELL *buf, FFT_T *line)
{
    const struct FFT(long) o = FFT(long_of)(j);
    const int64_t n = j->n;
    FFT_T        *z = line + 2 * (n + 2);
    if (j->from_real && n % 2 == 0) {
        if (j->xs != 1)
            for (int64_t i = 0; i < n; i++) line[i] = x[i * j->xs];
        FFT(line)(&o, j->xs == 1 ? x : line, 2, z, 2, false, 1, mid, buf);
        FFT(unfold)(j, z, y, j->ys);
    } else if (j->from_real) {
        for (int64_t i = 0; i < n; i++) {
            line[2 * i] = x[i * j->xs];
            line[2 * i + 1] = 0;
        }
        FFT(line)(&o, line, 2, z, 2, false, (FFT_T)j->scale, mid, buf);
        for (int64_t k = 0; k <= n / 2; k++) {
            const FFT_T f = ends(j, k) || !j->one_sided ? (FFT_T)1 : (FFT_T)2;
            y[k * j->ys] = z[2 * k] * f;
            y[k * j->ys + 1] = z[2 * k + 1] * (j->inverse ? -f : f);
        }
    } else if (n % 2 == 0) {
        FFT(fold)(j, x, j->xs, line);
        FFT_T *to = j->ys == 1 ? y : z;
        FFT(line)(&o, line, 2, to, 2, true, (FFT_T)j->scale, mid, buf);
        for (int64_t i = 0; to == z && i < n; i++) y[i * j->ys] = z[i];
    } else {
        for (int64_t k = 0; k <= n / 2; k++) {
            const FFT_T f = ends(j, k) || !j->one_sided ? (FFT_T)1 : (FFT_T)0.5;
            const FFT_T re = x[k * j->xs] * f, im = ends(j, k) ? (FFT_T)0 : x[k * j->xs + 1] * f;
            line[2 * k] = re;
            line[2 * k + 1] = j->inverse ? im : -im;
            if (k) line[2 * (n - k)] = re;
            if (k) line[2 * (n - k) + 1] = j->inverse ? -im : im;
        }
        FFT(line)(&o, line, 2, z, 2, true, (FFT_T)j->scale, mid, buf);
        for (int64_t i = 0; i < n; i++) y[i * j->ys] = z[2 * i];
    }
}

static void FFT(long_lines)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    CELL             *buf = (CELL *)own_scratch(j, worker, 0), *mid = (CELL *)own_scratch(j, worker, j->mid);
    const struct FFT(long) o = FFT(long_of)(j);
    for (int64_t l = first; l < last; l++) {
        const FFT_T *x = (const FFT_T *)wki_data(j->x) + line_offset(j, j->x, l);
        FFT_T       *y = (FFT_T *)wki_data(j->y) + line_offset(j, j->y, l);
        if (j->from_real || j->to_real)
            FFT(real_line)(j, x, y, mid, buf, (FFT_T *)own_scratch(j, worker, j->line));
        else
            FFT(line)(&o, x, j->xs, y, j->ys, j->inverse, (FFT_T)j->scale, mid, buf);
    }
}

/* A line on all threads: its columns, then its rows. */
static void FFT(some_columns)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct line_parts *p = arg;
    const struct FFT(long) o = FFT(long_of)(p->j);
    for (int64_t g = first; g < last; g++) FFT(columns)
    (&o, p->x, p->xs, p->swap, g, (CELL *)own_scratch(p->j, 0, p->j->mid),
     (CELL *)own_scratch(p->j, worker, 0));
}
static void FFT(some_rows)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct line_parts *p = arg;
    const struct FFT(long) o = FFT(long_of)(p->j);
    for (int64_t g = first; g < last; g++) FFT(rows)
    (&o, p->y, p->ys, p->swap, (FFT_T)p->scale, g, (const CELL *)own_scratch(p->j, 0, p->j->mid),
     (CELL *)own_scratch(p->j, worker, 0));
}

static void FFT(some_twiddles)(void *arg, int64_t first, int64_t last, int worker)
{
    const struct job *j = arg;
    const struct FFT(tables) t = {table(j, j->fine), table(j, j->coarse), j->shift, j->steps};
    CELL *twiddle = table(j, j->twiddle);
    (void)worker;
    for (int64_t k1 = first; k1 < last; k1++)
        FFT(fill_twiddles)(twiddle + k1 * FFT(groups)(j->n2), &t, j->n2, k1 * (j->steps / j->length));
}

static void FFT(fill_tables)(struct job *j)
{
    if (j->mode == LANES) {
        FFT(fill_roots)(table(j, j->roots), j->n);
        return;
    }
    FFT(fill_roots)(table(j, j->roots1), j->n1);
    FFT(fill_roots)(table(j, j->roots2), j->n2);
    wki_parallel(j->k->device, j->n1, 8192 / j->n2 + 1, FFT(some_twiddles), j);
    if (j->mode == CHIRP || j->steps == j->length) return;
    const struct FFT(tables) t = {table(j, j->fine), table(j, j->coarse), j->shift, j->steps};
    FFT_T *roots = table(j, j->roots);
    for (int64_t k = 0; k <= j->n / 2; k++) FFT(root)(&t, k, &roots[2 * k], &roots[2 * k + 1]);
}

#undef VEC
#undef CELL
#undef FFT
#undef FFT_T
#undef FFT_W
#undef FFT_LOW
#undef FFT_HIGH
#undef FFT_EVEN
#undef FFT_ODD
