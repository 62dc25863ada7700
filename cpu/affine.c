/* Affine maps: x w^T + bias with weights of every real and block dtype. How a weight is used depends on the
 * call's shapes and dtypes and on the CPU, never on the number of threads. */
#include "cpu/affine.h"

#include "cpu/codes8.h"
#include "cpu/cpu.h"
#include "cpu/gemm_bf16.h"
#include "cpu/gemm_i8.h"
#include "cpu/simd.h"

/* Rows of x up to which weights go row by row: unpacking a panel of them pays later. */
#define FEW 24
/* The same of block weights by integers. */
#if defined __AVX512F__
#define FEW_CODES 40
#else
#define FEW_CODES FEW
#endif

/* No tile of a plan is larger. */
#define MOST_TILE 576

/* Bytes of weights that a piece of INTEGER or STREAM takes at most, about: two streams of 128 KB, since
 * shorter ones are read at two thirds of the speed (docs/decisions/0012). */
#define PIECE 262144

/* Elements between rows of x, which the front end made even. */
static int64_t row_step(wk_tensor x)
{
    for (int i = x->ndim - 2; i >= 0; i--)
        if (x->shape[i] != 1) return x->stride[i];
    return 0;
}

static int64_t row_bytes(wk_tensor w)
{
    return w->stride[0] / wk_dtype_block(w->dtype) * wk_dtype_bytes(w->dtype);
}

static size_t lines(int64_t bytes)
{
    return ((size_t)bytes + 63) / 64 * 64;
}

/* Panels of integers for this product, or NULL. */
static const struct wki_panels *panels_of(const struct affine *j, wk_tensor w, unsigned features)
{
    if (j->k->precise || j->k->cls != WK_CLASS_F32) return NULL;
    if (wk_dtype_block(w->dtype) > 1) return CPU(block_panels)(w->dtype, features);
    return j->x->dtype == WK_f32 ? CPU(word_panels)(w->dtype, features) : NULL;
}

static enum path choose(const struct affine *j, wk_tensor w, unsigned features)
{
    const bool block = wk_dtype_block(w->dtype) > 1, quick = block && !j->k->precise;
    if (j->k->cls != WK_CLASS_F32) return BLOCKED;
    if (j->m <= FEW_CODES && quick && CPU(dot)(w->dtype, features).rows) return INTEGER;
#if defined __AVX512F__
    if (quick && CPU(i8_offset)(w->dtype, features) >= 0) return CODES;
#endif
    if (j->m <= FEW) return STREAM;
#if defined __AVX512F__
    /* bf16 by bf16 is exact. f32 rows are rounded to bf16, as f16 weights are, where no one asked for more:
     * less than what 8-bit activations cost block weights. */
    const bool exact = w->dtype == WK_bf16 && j->x->dtype == WK_bf16;
    const bool round = !j->k->precise && j->x->dtype == WK_f32 && (w->dtype == WK_bf16 || w->dtype == WK_f16);
    if (features & WKI_CPU_BF16 && (quick || ((exact || round) && j->k_values % 2 == 0))) return HALF;
#endif
    if (panels_of(j, w, features)) return PANEL;
    return BLOCKED;
}

/* Rows of w in a piece, each of which is computed by itself: eight pieces for a thread at least, so that
 * nobody waits long for the last. */
static int64_t grain_of_rows(int64_t n, int64_t bytes, int workers)
{
    const int64_t by_size = bytes > 0 ? PIECE / bytes : 8, by_count = n / (8 * workers);
    const int64_t rows = by_size < by_count ? by_size : by_count;
    return rows < 8 ? 8 : rows / 8 * 8;
}

static size_t plan_part(struct affine *j, struct part *p, wk_tensor w)
{
    const int64_t n = w->shape[0], k = j->k_values;
    switch (p->path) {
    case INTEGER:
    case STREAM:
        p->grain = grain_of_rows(n, row_bytes(w), wki_workers(j->k->device));
        p->pieces = (n + p->grain - 1) / p->grain;
        return lines((p->grain * j->m + TILE) * (int64_t)sizeof(float));
    case PANEL:
        p->grain = WKI_BLOCK_COLUMNS;
        p->rows = (j->m - 1) / ((j->m - 1) / p->panels->most + 1) / 12 * 12 + 12;
        p->pieces = (n + p->grain - 1) / p->grain * ((j->m + p->rows - 1) / p->rows);
        return lines(p->rows * WKI_BLOCK_COLUMNS * (int64_t)sizeof(float)) + p->panels->panel_bytes();
#if defined __AVX512F__
    case CODES:
        p->grain = WKI_I8_COLUMNS;
        p->pieces = (n + p->grain - 1) / p->grain;
        return lines(CPU(i8_panel_bytes)(k));
    case HALF:
        p->grain = WKI_BF16_COLUMNS;
        p->pieces = (n + p->grain - 1) / p->grain;
        return lines(CPU(bf16_panel_bytes)(k));
#else
    case CODES:
    case HALF:
#endif
    case BLOCKED:
        break;
    }
    p->plan = CPU(gemm_plan)(j->k->cls, j->k->out[p - j->part]->dtype, j->m, n, k, j->k->device);
    p->pieces = CPU(gemm_tiles)(&p->plan);
    return lines((int64_t)CPU(gemm_scratch)(&p->plan));
}

/* Do weights of two types want x in the same form? */
static bool same_form(const struct part *a, const struct part *b, wk_tensor wa, wk_tensor wb)
{
    if (a->path == INTEGER) return memcmp(&a->dot.form, &b->dot.form, sizeof a->dot.form) == 0;
#if defined __AVX512F__
    if (a->path == CODES) return CPU(i8_same)(wa, wb);
#endif
    (void)wa, (void)wb;
    return true;
}

/* Bytes of x in the form that part i wants; 0 where an earlier part has the same. */
static size_t form_of_x(struct affine *j, int i)
{
    struct part    *p = &j->part[i];
    const wk_tensor w = j->k->in[1 + i];
    if (p->path == BLOCKED) return 0;
    for (int e = 0; e < i; e++) {
        if (j->part[e].path != p->path) continue;
        if (p->path == PANEL ? j->part[e].panels != p->panels
                             : !same_form(&j->part[e], p, j->k->in[1 + e], w))
            continue;
        p->x = j->part[e].x;
        return 0;
    }
    p->x = j->shared;
    if (p->path == INTEGER) return (size_t)(j->m * j->chunks) * sizeof(struct chunk);
    if (p->path == PANEL) return lines(p->panels->rows_bytes(j->m, j->k_values));
#if defined __AVX512F__
    if (p->path == CODES) return lines(CPU(i8_rows_bytes)(j->m, j->k_values));
    if (p->path == HALF) return lines(CPU(bf16_rows_bytes)(j->m, j->k_values));
#endif
    return lines(j->m * j->k_values * (int64_t)sizeof(float));
}

struct affine CPU(affine_plan)(const wk_call *k)
{
    const wk_tensor x = k->in[0];
    struct affine   j = {
          .k = k, .x = x, .n_w = k->n_out ? k->n_out : 1, .m = wki_rows(x), .k_values = wki_cols(x)};
    const unsigned features = wki_cpu_features(k->device);
    j.x_step = row_step(x);
    j.chunks = (j.k_values + 255) / 256;
    for (int i = 0; i < j.n_w; i++) {
        struct part *p = &j.part[i];
        p->path = choose(&j, k->in[1 + i], features);
        p->panels = panels_of(&j, k->in[1 + i], features);
        if (p->path == INTEGER) p->dot = CPU(dot)(k->in[1 + i]->dtype, features);
        const size_t own = plan_part(&j, p, k->in[1 + i]);
        if (own > j.per_worker) j.per_worker = own;
        j.shared += form_of_x(&j, i);
    }
    return j;
}

/* Forms of x grow with the rows, which paths pad to their own tiles of at most 16. */
void CPU(affine_bounds)(const wk_call *k, int64_t rows, int64_t products, size_t *shared, size_t *per_worker)
{
    struct affine   j = CPU(affine_plan)(k);
    struct part    *p = &j.part[0];
    const wk_tensor w = k->in[1];
    *shared = *per_worker = 0;
    for (int path = 0; path < PATHS; path++) {
        p->path = (enum path)path;
        if (p->path == PANEL && !p->panels) continue;
        j.m = p->path == PANEL ? p->panels->most : FEW_CODES;
        size_t own = plan_part(&j, p, w);
        if (p->path == BLOCKED) {
            p->plan.tm = p->plan.tn = MOST_TILE;
            own = lines((int64_t)CPU(gemm_scratch)(&p->plan));
        }
        j.m = rows + 16 * products;
        j.shared = 0;
        const size_t form = form_of_x(&j, 0) + 64 * (size_t)products;
        if (form > *shared) *shared = form;
        if (own > *per_worker) *per_worker = own;
    }
}

size_t CPU(affine_scratch)(const wk_call *k)
{
    const struct affine j = CPU(affine_plan)(k);
    return j.shared + j.per_worker * (size_t)wki_workers(k->device);
}

/* ---- activations ----------------------------------------------------------------------------- */

/* One row of x in groups of 16: finer than the weights' blocks of 32, which halves the error. */
static void quantise(const float *x, int64_t k, const struct dot_form *form, struct chunk *to)
{
    for (; k > 0; k -= 256, x += 256, to++)
        for (int lane = 0; lane < 16; lane++) {
            const float *from = x + 4 * form->start[lane];
            float        v[16];
            int8_t       code[16] = {0};
            to->scale[lane] = to->sum[lane] = 0.0f;
            if (from < x + k) {
                for (int i = 0; i < 4; i++) memcpy(v + 4 * i, from + 4 * form->step[i], 4 * sizeof *v);
                quantise_group(v, code, &to->scale[lane], &to->sum[lane]);
                to->sum[lane] *= form->sum;
            }
            for (int i = 0; i < 4; i++) memcpy(to->code + 64 * i + 4 * lane, code + 4 * i, 4);
        }
}

int64_t CPU(affine_units)(const struct affine *j, int part, int64_t *rows)
{
    const struct part *p = &j->part[part];
    *rows = p->path == HALF    ? WKI_BF16_ROWS
            : p->path == CODES ? WKI_I8_ROWS
            : p->path == PANEL ? p->panels->rows
                               : 1;
    if (p->path == BLOCKED) return 0;
    for (int e = 0; e < part; e++)
        if (j->part[e].path == p->path && j->part[e].x == p->x) return 0;
    return (j->m + *rows - 1) / *rows;
}

void CPU(affine_form)(const struct affine *j, int part, int64_t first, int64_t last)
{
    const struct part *p = &j->part[part];
    const int64_t      k = j->k_values;
    char              *to = (char *)j->k->scratch + p->x;
    float              buffer[TILE];
    for (int64_t i = first; i < last; i++) {
        if (p->path == PANEL) {
            const struct wki_panels *panels = p->panels;
            panels->pack_rows(j->x, j->x_step, i * panels->rows, j->m, k, wki_cpu_features(j->k->device),
                              to + panels->rows_bytes(i * panels->rows, k));
            continue;
        }
#if defined __AVX512F__
        if (p->path == CODES) {
            CPU(i8_pack_rows)
            (j->x, j->x_step, i * WKI_I8_ROWS, j->m, k, j->k->in[1 + part]->dtype,
             CPU(i8_parts)(j->k->in[1 + part]), to + i * CPU(i8_rows_bytes)(1, k));
            continue;
        }
        if (p->path == HALF) {
            CPU(bf16_pack_rows)
            (j->x, j->x_step, i * WKI_BF16_ROWS, j->m, k, to + i * WKI_BF16_ROWS * k * 2);
            continue;
        }
#endif
        for (int64_t at = 0; at < k; at += TILE) {
            const int64_t n = k - at < TILE ? k - at : TILE;
            const float  *v = load_f32(j->x, i * j->x_step + at, n, buffer);
            if (p->path == INTEGER)
                quantise(v, n, &p->dot.form, (struct chunk *)(void *)to + i * j->chunks + at / 256);
            else
                memcpy((float *)(void *)to + i * k + at, v, (size_t)n * sizeof *v);
        }
    }
}

struct forming {
    const struct affine *j;
    int                  part;
};
static void form_rows(void *arg, int64_t first, int64_t last, int worker)
{
    const struct forming *f = arg;
    (void)worker;
    CPU(affine_form)(f->j, f->part, first, last);
}

/* ---- weights row by row ---------------------------------------------------------------------- */

/* Rows of w at a time: two far apart with few rows of x, since two steady streams are read from memory faster
 * than one or four (docs/decisions/0012); two pairs of neighbours with more, so that each value of x is read
 * once for four. */
enum { FAR = 2, MOST_W = 4, MOST_X = 4, STREAM_AHEAD = 8192 };

INLINE vf load_as(wk_dtype t, const void *row, int64_t at)
{
    if (t == WK_f16) return v_load_f16((const uint16_t *)row + at);
    if (t == WK_bf16) return v_load_bf16((const uint16_t *)row + at);
    return v_load((const float *)row + at);
}

struct stream_sums {
    vf    acc[MOST_W][MOST_X];
    float tail[MOST_W][MOST_X];
};

/* n values of R rows of w, of dtype t, times M rows of x; what lies `ahead` bytes further on is asked for,
 * where that is not 0: Zen 4 fetches it by itself, and is a fifth slower so (docs/decisions/0018). */
INLINE void stream_run(wk_dtype t, const int R, const int M, const char *const *v, int64_t n, const float *x,
                       int64_t x_step, int64_t ahead, struct stream_sums *s)
{
    const int64_t bytes = t == WK_f32 ? 4 : 2;
    int64_t       j = 0;
    for (; j + W <= n; j += W) {
        vf a[MOST_W];
        for (int r = 0; r < R; r++) a[r] = load_as(t, v[r], j);
        if (ahead)
            for (int r = 0; r < R; r++) __builtin_prefetch(v[r] + j * bytes + ahead, 0, 2);
        for (int i = 0; i < M; i++) {
            const vf b = v_load(x + i * x_step + j);
            for (int r = 0; r < R; r++) s->acc[r][i] = v_fma(a[r], b, s->acc[r][i]);
        }
    }
    for (; j < n; j++)
        for (int r = 0; r < R; r++) {
            float value;
            CPU(to_f32)[t](v[r] + j * bytes, &value, 1);
            for (int i = 0; i < M; i++) s->tail[r][i] += value * x[i * x_step + j];
        }
}

/* y[i][at[r]] = row first + at[r] of w times row i of M of x. The order of sums is the same for every R and
 * M. */
INLINE void stream_rows(wk_dtype t, const int R, const int M, wk_tensor w, int64_t first, const int64_t *at,
                        const float *x, int64_t k, int64_t ahead, float *y, int64_t y_step)
{
    struct stream_sums s;
    const char        *v[MOST_W];
    for (int r = 0; r < R; r++)
        for (int i = 0; i < M; i++) {
            s.acc[r][i] = (vf){0};
            s.tail[r][i] = 0;
        }
    if (t != WK_f32 || w->dtype == WK_f32) {
        for (int r = 0; r < R; r++) v[r] = address(w, (first + at[r]) * w->stride[0]);
        stream_run(t, R, M, v, k, x, k, ahead, &s);
    } else {
        float buffer[MOST_W][TILE];
        for (int64_t p = 0; p < k; p += TILE) {
            const int64_t n = k - p < TILE ? k - p : TILE;
            for (int r = 0; r < R; r++) {
                CPU(to_f32)[w->dtype](address(w, (first + at[r]) * w->stride[0] + p), buffer[r], n);
                v[r] = (const char *)buffer[r];
            }
            stream_run(WK_f32, R, M, v, n, x + p, k, 0, &s);
        }
    }
    for (int r = 0; r < R; r++)
        for (int i = 0; i < M; i++) y[i * y_step + at[r]] = v_sum(s.acc[r][i]) + s.tail[r][i];
}

/* n rows of w with M rows of x, R at a time; a row that is left over, by itself R times. */
INLINE void stream_some(wk_dtype t, const int R, const int M, wk_tensor w, int64_t first, int64_t n,
                        const float *x, int64_t k, int64_t ahead, float *y, int64_t y_step)
{
    const int     near = R / FAR;
    const int64_t half = n / FAR, whole = half / near, left = half % near;
    for (int64_t i = 0; i < whole + n - FAR * near * whole; i++) {
        const int64_t e = i - whole, row = e < left ? half - left + e : FAR * (half - left) + e;
        int64_t       at[MOST_W];
        for (int r = 0; r < R; r++) at[r] = i < whole ? r / near * half + i * near + r % near : row;
        stream_rows(t, R, M, w, first, at, x, k, ahead, y, y_step);
    }
}

INLINE void stream_as(wk_dtype t, const struct affine *j, wk_tensor w, const float *x, int64_t first,
                      int64_t n, bool ask, float *y)
{
    const int64_t k = j->k_values, ahead = ask ? STREAM_AHEAD : 0;
    int64_t       m = j->m;
    for (; m >= 4; m -= 4, x += 4 * k, y += 4 * n) stream_some(t, 4, 4, w, first, n, x, k, ahead, y, n);
    if (m >= 2) {
        stream_some(t, 2, 2, w, first, n, x, k, ahead, y, n);
        m -= 2, x += 2 * k, y += 2 * n;
    }
    if (m) stream_some(t, 2, 1, w, first, n, x, k, ahead, y, n);
}

static void stream(const struct affine *j, wk_tensor w, const float *x, int64_t first, int64_t n, bool ask,
                   float *y)
{
    if (w->dtype == WK_bf16)
        stream_as(WK_bf16, j, w, x, first, n, ask, y);
    else if (w->dtype == WK_f16 && V_HALF)
        stream_as(WK_f16, j, w, x, first, n, ask, y);
    else
        stream_as(WK_f32, j, w, x, first, n, ask, y);
}

/* Rows i0 .. i0 + m, columns j0 .. j0 + n of y out of tile [m][step], with the bias. */
static void finish(const struct affine *j, int part, int64_t i0, int64_t m, int64_t j0, int64_t n,
                   float *tile, int64_t step)
{
    const wk_tensor bias = j->k->in[1 + j->n_w + part], out = j->k->out[part];
    float           wide[TILE];
    for (int64_t i = i0; i < i0 + m; i++, tile += step)
        for (int64_t t = 0; t < n; t += TILE) {
            const int64_t len = n - t < TILE ? n - t : TILE;
            if (!wk_is_none(bias)) {
                const float *b = load_f32(bias, j0 + t, len, wide);
                for (int64_t c = 0; c < len; c++) tile[t + c] += b[c];
            }
            store_f32(out, i * wki_cols(out) + j0 + t, len, tile + t);
        }
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static void run_panel(const struct affine *j, int i, int64_t at, const char *x, float *tile)
{
    const struct part *p = &j->part[i];
    const wk_tensor    w = j->k->in[1 + i];
    const int64_t      across = (w->shape[0] + p->grain - 1) / p->grain;
    const int64_t      i0 = at / across * p->rows, j0 = at % across * p->grain;
    const int64_t      m = j->m - i0 < p->rows ? j->m - i0 : p->rows;
    const int64_t      n = w->shape[0] - j0 < p->grain ? w->shape[0] - j0 : p->grain;
    p->panels->panel(x + p->panels->rows_bytes(i0, j->k_values), m, w, j0, n, wki_cpu_features(j->k->device),
                     tile, tile + p->rows * WKI_BLOCK_COLUMNS);
    finish(j, i, i0, m, j0, n, tile, WKI_BLOCK_COLUMNS);
}

static void run_piece(const struct affine *j, int i, int64_t at, char *scratch)
{
    const struct part *p = &j->part[i];
    const wk_tensor    w = j->k->in[1 + i];
    const char        *x = (const char *)j->k->scratch + p->x;
    const int64_t first = at * p->grain, left = w->shape[0] - first, n = left < p->grain ? left : p->grain;
    if (p->path == BLOCKED) {
        const struct operand a = {j->x, 0, j->x_step, 1}, b = {w, 0, w->stride[0], 1};
        const struct result  r = {j->k->out[i], j->k->in[1 + j->n_w + i], 0};
        CPU(gemm_tile)(&p->plan, &a, &b, at, &r, scratch);
        return;
    }
#if defined __AVX512F__
    if (p->path == CODES) {
        CPU(i8_panel)(x, j->m, w, first, j->k->in[1 + j->n_w + i], j->k->out[i], scratch);
        return;
    }
    if (p->path == HALF) {
        CPU(bf16_panel)(x, j->m, w, first, j->k->in[1 + j->n_w + i], j->k->out[i], scratch);
        return;
    }
#endif
    float *y = (float *)(void *)scratch;
    if (p->path == PANEL) {
        run_panel(j, i, at, x, y);
        return;
    }
    const bool ask = (wki_cpu_features(j->k->device) & WKI_CPU_AHEAD) != 0;
    if (p->path == INTEGER)
        p->dot.rows(address(w, first * w->stride[0]), row_bytes(w), n, (const struct chunk *)(const void *)x,
                    (int)j->m, j->k_values, y, n, ask);
    else
        stream(j, w, (const float *)(const void *)x, first, n, ask, y);
    finish(j, i, 0, j->m, first, n, y, n);
}

int64_t CPU(affine_pieces)(const struct affine *j)
{
    int64_t n = 0;
    for (int i = 0; i < j->n_w; i++) n += j->part[i].pieces;
    return n;
}

void CPU(affine_piece)(const struct affine *j, int64_t at, char *scratch)
{
    int i = 0;
    while (at >= j->part[i].pieces) at -= j->part[i++].pieces;
    run_piece(j, i, at, scratch);
}

static void pieces(void *arg, int64_t first, int64_t last, int worker)
{
    const struct affine *j = arg;
    char                *scratch = (char *)j->k->scratch + j->shared + (size_t)worker * j->per_worker;
    for (int64_t t = first; t < last; t++) CPU(affine_piece)(j, t, scratch);
}

wk_status CPU(affine)(const wk_call *k)
{
    struct affine j = CPU(affine_plan)(k);
    if (j.m == 0) return WK_OK;
    for (int i = 0; i < j.n_w; i++) {
        struct forming f = {&j, i};
        int64_t        rows;
        const int64_t  units = CPU(affine_units)(&j, i, &rows), work = j.k_values * rows;
        wki_parallel(k->device, units, work < 16384 ? 16384 / (work + 1) + 1 : 1, form_rows, &f);
    }
    wki_parallel(k->device, CPU(affine_pieces)(&j), 1, pieces, &j);
    return WK_OK;
}
