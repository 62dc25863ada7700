/* Fourier transforms along one dim: complex to complex, real to half a spectrum, and back. Complex
 * values are a last dim of two. Passes of small radices (Stockham), in shared memory where lines are
 * short, else in scratch; a length with a prime factor above 31 becomes a convolution (Bluestein, IEEE
 * Trans. AU-18, 1970), in f64. Where cuFFT is, it does most of this (cufft.cu). */
#include "cuda/fft.cuh"

enum { LARGEST = 31, SHARED_BYTES = 64 << 10 };

/* e^(-2 pi i k / length), turned round for inverses. */
template <typename C> __global__ void roots_kernel(value<C> *roots, int64_t length, bool inverse)
{
    const int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= length) return;
    const double angle = 2 * 3.14159265358979323846 * (double)k / (double)length;
    roots[k] = {(C)cos(angle), (C)(inverse ? sin(angle) : -sin(angle))};
}

template <typename C> DEVICE value<C> fetch(const transform &o, int64_t line, int64_t i)
{
    const C *x = (const C *)o.x + walk_at(o.others, 1, line);
    if (i >= o.have) return {(C)0, (C)0};
    if (o.kind == FROM_REAL) return {x[i * o.xs], (C)0};
    const C weight = o.kind == COMPLEX || o.one_sided || i == 0 || 2 * i == o.n ? (C)1 : (C)2;
    return {weight * x[i * o.xs], weight * x[i * o.xs + 1]};
}
template <typename C> DEVICE void deliver(const transform &o, int64_t line, int64_t i, value<C> v)
{
    C      *y = (C *)o.y + walk_at(o.others, 0, line);
    const C scale = (C)o.scale * (o.kind == FROM_REAL && o.one_sided && i != 0 && 2 * i != o.n ? (C)2 : (C)1);
    if (o.kind == TO_REAL) {
        y[i * o.ys] = scale * v.re;
    } else if (o.kind == COMPLEX || i <= o.n / 2) {
        y[i * o.ys] = scale * v.re;
        y[i * o.ys + 1] = scale * v.im;
    }
}

/* Unit j of a line's pass of this radix after passes whose radices multiply to `done`. */
template <typename C, typename A, typename B>
DEVICE void butterfly(const A &from, const B &to, int64_t line, const value<C> *roots, int64_t n,
                      int64_t done, int radix, int64_t j)
{
    const int64_t k = j % done, step = n / radix, turn = n / (done * radix), out = line + (j - k) * radix + k;
    value<C>      v[LARGEST];
    for (int i = 0; i < radix; i++) v[i] = times(value<C>(from[line + j + i * step]), roots[i * k * turn]);
    if (radix == 2) {
        to[out] = {v[0].re + v[1].re, v[0].im + v[1].im};
        to[out + done] = {v[0].re - v[1].re, v[0].im - v[1].im};
    } else if (radix == 4) {
        const value<C> a = {v[0].re + v[2].re, v[0].im + v[2].im}, b = {v[0].re - v[2].re, v[0].im - v[2].im};
        const value<C> c = {v[1].re + v[3].re, v[1].im + v[3].im}, d = {v[1].re - v[3].re, v[1].im - v[3].im};
        const value<C> q = times(d, roots[n / 4]);
        to[out] = {a.re + c.re, a.im + c.im};
        to[out + done] = {b.re + q.re, b.im + q.im};
        to[out + 2 * done] = {a.re - c.re, a.im - c.im};
        to[out + 3 * done] = {b.re - q.re, b.im - q.im};
    } else {
        for (int q = 0; q < radix; q++) {
            value<C> sum = v[0];
            for (int i = 1; i < radix; i++) {
                const value<C> t = times(v[i], roots[q * i % radix * step]);
                sum.re += t.re;
                sum.im += t.im;
            }
            to[out + q * done] = sum;
        }
    }
}

/* Whole lines in shared memory, some to a block. */
template <typename C> __global__ void lines_kernel(const __grid_constant__ transform o, const value<C> *roots)
{
    SHARED_DYNAMIC(value<C>, room);
    const int64_t first = (int64_t)blockIdx.x * o.each, left = o.lines - first;
    const int     n = (int)o.n, lines = left < o.each ? (int)left : o.each;
    int           a = 0, b = o.each * n;
    for (int i = (int)threadIdx.x; i < lines * n; i += (int)blockDim.x) {
        const int line = o.along ? i / n : i % lines, at = o.along ? i % n : i / lines;
        room[line * n + at] = fetch<C>(o, first + line, at);
    }
    __syncthreads();
    int64_t done = 1;
    for (int p = 0; p < o.passes; p++) {
        const int radix = o.radix[p], units = n / radix;
        for (int i = (int)threadIdx.x; i < lines * units; i += (int)blockDim.x) {
            const value<C> *from = &room[a];
            value<C>       *to = &room[b];
            butterfly<C>(from, to, i / units * n, roots, n, done, radix, i % units);
        }
        __syncthreads();
        const int t = a;
        a = b;
        b = t;
        done *= radix;
    }
    for (int i = (int)threadIdx.x; i < lines * n; i += (int)blockDim.x) {
        const int line = o.along ? i / n : i % lines, at = o.along ? i % n : i / lines;
        deliver<C>(o, first + line, at, room[a + line * n + at]);
    }
}

/* ---- long lines ---- */

/* e^(-i pi k^2 / n), turned round for inverses. */
DEVICE value<double> chirp(int64_t k, int64_t n, bool inverse)
{
    const double angle =
        3.14159265358979323846 * (double)(int64_t)((uint64_t)k * (uint64_t)k % (uint64_t)(2 * n)) / (double)n;
    return {cos(angle), inverse ? sin(angle) : -sin(angle)};
}

/* Lines into scratch; CHIRP: C is double, elements are E. */
template <typename E, typename C, bool CHIRP>
__global__ void load_kernel(const __grid_constant__ transform o, value<C> *to)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.lines * o.length) return;
    const int64_t  i = at % o.length;
    const value<E> v = i < o.n ? fetch<E>(o, at / o.length, i) : value<E>{(E)0, (E)0};
    value<C>       w = {(C)v.re, (C)v.im};
    if (CHIRP && i < o.n) {
        const value<double> c = chirp(i, o.n, o.inverse);
        w = times(w, value<C>{(C)c.re, (C)c.im});
    }
    to[at] = w;
}
template <typename E, typename C, bool CHIRP>
__global__ void store_kernel(const __grid_constant__ transform o, const value<C> *from)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.lines * o.n) return;
    const int64_t i = at % o.n, line = at / o.n;
    value<C>      v = from[line * o.length + i];
    if (CHIRP) { /* the inverse's sign turned, and its length divided by */
        const value<double> c = chirp(i, o.n, o.inverse);
        v = times(value<C>{v.re / (C)o.length, -v.im / (C)o.length}, value<C>{(C)c.re, (C)c.im});
    }
    deliver<E>(o, line, i, value<E>{(E)v.re, (E)v.im});
}
template <typename C>
__global__ void pass_kernel(const value<C> *from, value<C> *to, const value<C> *roots, int64_t n,
                            int64_t lines, int64_t done, int radix)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, units = n / radix;
    if (at < lines * units) butterfly<C>(from, to, at / units * n, roots, n, done, radix, at % units);
}

/* What chirped values are convolved with: the chirp turned round, at both ends. */
static __global__ void filter_kernel(value<double> *to, int64_t n, int64_t length, bool inverse)
{
    const int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= length) return;
    const int64_t       i = k < n ? k : length - k;
    const value<double> c = chirp(i, n, !inverse);
    to[k] = i < n ? c : value<double>{0, 0};
}
/* Times the filter; conjugated, so that the next transform is the inverse. */
static __global__ void apply_kernel(value<double> *v, const value<double> *filter, int64_t length,
                                    int64_t count)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    const value<double> t = times(v[at], filter[at % length]);
    v[at] = {t.re, -t.im};
}

/* All passes over lines in a; where they end up. */
template <typename C>
static wk_status passes(const wk_call *k, const transform &o, int64_t lines, const value<C> *roots,
                        value<C> **a, value<C> **b)
{
    int64_t done = 1;
    for (int p = 0; p < o.passes; p++) {
        WK_TRY(launch(k, pass_kernel<C>, blocks_for(lines * (o.length / o.radix[p]), 128), 128, 0,
                      (const value<C> *)*a, *b, roots, o.length, lines, done, o.radix[p]));
        value<C> *const t = *a;
        *a = *b;
        *b = t;
        done *= o.radix[p];
    }
    return WK_OK;
}

template <typename C> static wk_status run_long(const wk_call *k, const transform &o, value<C> *roots)
{
    value<C>      *a = roots + o.length, *b = a + o.lines * o.length;
    const unsigned blocks = blocks_for(o.lines * o.length, 256);
    WK_TRY(launch(k, load_kernel<C, C, false>, blocks, 256, 0, o, a));
    WK_TRY(passes(k, o, o.lines, (const value<C> *)roots, &a, &b));
    return launch(k, store_kernel<C, C, false>, blocks, 256, 0, o, (const value<C> *)a);
}
template <typename E> static wk_status run_chirp(const wk_call *k, const transform &o)
{
    value<double> *const roots = (value<double> *)k->scratch, *filter = roots + o.length,
                         *spare = filter + o.length;
    value<double>       *a = spare + o.length, *b = a + o.lines * o.length;
    const value<double> *w = roots;
    const unsigned       blocks = blocks_for(o.lines * o.length, 256), one = blocks_for(o.length, 256);
    WK_TRY(launch(k, roots_kernel<double>, one, 256, 0, roots, o.length, false));
    WK_TRY(launch(k, filter_kernel, one, 256, 0, filter, o.n, o.length, o.inverse));
    WK_TRY(passes(k, o, 1, w, &filter, &spare));
    WK_TRY(launch(k, load_kernel<E, double, true>, blocks, 256, 0, o, a));
    WK_TRY(passes(k, o, o.lines, w, &a, &b));
    WK_TRY(launch(k, apply_kernel, blocks, 256, 0, a, (const value<double> *)filter, o.length,
                  o.lines * o.length));
    WK_TRY(passes(k, o, o.lines, w, &a, &b));
    return launch(k, store_kernel<E, double, true>, blocks, 256, 0, o, (const value<double> *)a);
}

/* ---- the op ---- */

/* false: a prime factor above LARGEST is left. */
static bool factorise(transform *o, int64_t n)
{
    for (o->passes = 0; n % 4 == 0; n /= 4) o->radix[o->passes++] = 4;
    for (int r = 2; r <= LARGEST; r++)
        for (; n % r == 0; n /= r) o->radix[o->passes++] = r;
    return n == 1;
}

static size_t value_size(const wk_call *k)
{
    return k->cls == WK_CLASS_F64 ? sizeof(value<double>) : sizeof(value<float>);
}
static bool is_chirp(const transform &o)
{
    return o.length != o.n;
}
static bool is_short(const wk_call *k, const transform &o)
{
    return !is_chirp(o) && 2 * o.n * (int64_t)value_size(k) <= SHARED_BYTES;
}

static transform plan(const wk_call *k)
{
    const wk_tensor x = k->in[0], y = k->out[0];
    transform       o;
    memset((void *)&o, 0, sizeof o);
    const int d = (int)k->attr.i[0];
    o.inverse = k->attr.i[1] != 0;
    o.kind = (int)k->attr.i[2];
    o.one_sided = k->attr.i[3] != 0;
    o.scale = k->attr.f[0];
    o.n = o.kind == TO_REAL ? y->shape[d] : x->shape[d];
    o.have = x->shape[d];
    o.xs = x->stride[d];
    o.ys = y->stride[d];
    walk_operand(&o.others.of[0], y);
    walk_operand(&o.others.of[1], x);
    o.x = o.others.of[1].data;
    o.y = o.others.of[0].data;
    o.others.n = 1;
    int64_t least = INT64_MAX;
    for (int i = 0; i < (o.kind == FROM_REAL ? x->ndim : x->ndim - 1); i++) {
        const int64_t stride[] = {y->stride[i], x->stride[i]};
        if (i == d) continue;
        walk_dim(&o.others, x->shape[i], stride);
        o.others.n *= x->shape[i];
        if (x->shape[i] > 1 && x->stride[i] < least) least = x->stride[i];
    }
    walk_close(&o.others);
    o.lines = o.others.n;
    o.along = o.xs <= least;
    o.length = o.n;
    if (o.n > 0 && !factorise(&o, o.n)) {
        for (o.length = 16; o.length < 2 * o.n - 1;) o.length *= 2;
        factorise(&o, o.length);
    }
    const int64_t fit = o.n > 0 ? SHARED_BYTES / 2 / (2 * o.n * (int64_t)value_size(k)) : 1,
                  want = 512 / (o.n + 1);
    o.each = (int)(fit < want ? fit : want);
    if (o.each < 1) o.each = 1;
    return o;
}

size_t CUDA(fft_scratch)(const wk_call *k)
{
    if (wki_cuda_count(k->in[0]) == 0 || wki_cuda_count(k->out[0]) == 0) return 0;
    const transform o = plan(k);
    size_t          bytes;
    if (wki_cuda_fft_bytes(k, &o, &bytes)) return bytes;
    const int64_t tables = is_chirp(o) ? 3 : 1, buffers = is_short(k, o) ? 0 : 2 * o.lines;
    return (size_t)(o.length * (tables + buffers)) * (is_chirp(o) ? sizeof(value<double>) : value_size(k));
}

template <typename C> static wk_status run(const wk_call *k, const transform &o)
{
    value<C> *const roots = (value<C> *)k->scratch;
    if (is_chirp(o)) return run_chirp<C>(k, o);
    WK_TRY(launch(k, roots_kernel<C>, blocks_for(o.length, 128), 128, 0, roots, o.length, o.inverse));
    if (!is_short(k, o)) return run_long<C>(k, o, roots);
    const unsigned threads = o.n * o.each <= 128 ? 32 : o.n * o.each <= 1024 ? 128 : 256;
    return launch(k, lines_kernel<C>, blocks_for(o.lines, o.each), threads,
                  2 * (size_t)(o.n * o.each) * sizeof(value<C>), o, (const value<C> *)roots);
}

wk_status CUDA(fft)(const wk_call *k)
{
    if (wki_cuda_count(k->in[0]) == 0 || wki_cuda_count(k->out[0]) == 0) return WK_OK;
    const transform o = plan(k);
    wk_status       status;
    if (wki_cuda_fft_run(k, &o, &status)) return status;
    return k->cls == WK_CLASS_F64 ? run<double>(k, o) : run<float>(k, o);
}
