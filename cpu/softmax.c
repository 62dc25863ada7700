/* softmax and log_softmax over rows, and their gradients. */
#include "cpu/simd.h"
#include "cpu/vmath.h"

/* Rows per piece so that a piece has enough to do. */
static int64_t rows_per_piece(int64_t n)
{
    return n >= 8192 ? 1 : 8192 / (n + 1) + 1;
}

/* A row of another dtype is kept as floats up to this length, not converted for each pass. */
#define KEPT 4096

static float max_of(const float *x, int64_t n, float most)
{
    vf      m[4];
    int64_t i = 0;
    for (int j = 0; j < 4; j++) m[j] = v_set(most);
    for (; i + 4 * W <= n; i += 4 * W)
        for (int j = 0; j < 4; j++) m[j] = v_max(v_load(x + i + j * W), m[j]);
    most = v_most(v_max(v_max(m[0], m[1]), v_max(m[2], m[3])));
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/* to = exp(x - most); their sum, in sixteen partial ones. */
static float exponentials(const float *x, float most, float *to, int64_t n)
{
    enum { PARTS = 16 / W };
    vf       s[PARTS];
    const vf less = v_set(most);
    float    lane[16];
    int64_t  i = 0;
    for (int j = 0; j < PARTS; j++) s[j] = v_set(0);
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < PARTS; j++) {
            const vf e = v_exp(v_load(x + i + j * W) - less);
            v_store(to + i + j * W, e);
            s[j] += e;
        }
    for (int j = 0; j < PARTS; j++) v_store(lane + j * W, s[j]);
    if (i < n) {
        float rest[16] = {0};
        for (int64_t j = i; j < n; j++) rest[j - i] = x[j] - most;
        for (int j = 0; j < PARTS; j++) v_store(rest + j * W, v_exp(v_load(rest + j * W)));
        for (int64_t j = i; j < n; j++) lane[j - i] += to[j] = rest[j - i];
    }
    return fold16_f32(lane);
}

struct rows {
    const wk_call *k;
    bool           log;
};

/* The largest value and the sum of exp(x - largest) of n values at `at`, or of a kept row; the exponentials
 * go to `e` if it is not NULL. */
static float statistics(wk_tensor x, int64_t at, const float *kept, int64_t n, float *e, double *sum)
{
    float buffer[TILE], work[TILE], most = -INFINITY;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE;
        most = max_of(kept ? kept + i : load_f32(x, at + i, m, buffer), m, most);
    }
    *sum = 0;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE;
        const float  *v = kept ? kept + i : load_f32(x, at + i, m, buffer);
        *sum += (double)exponentials(v, most, e ? e + i : work, m);
    }
    return most;
}

static void softmax_rows(void *arg, int64_t first, int64_t last, int worker)
{
    const wk_call  *k = ((const struct rows *)arg)->k;
    const bool      log = ((const struct rows *)arg)->log;
    const wk_tensor x = k->in[0], y = k->out[0];
    const int64_t   n = wki_cols(y);
    float           bx[TILE], by[TILE], row[KEPT];
    const bool      keep = x->dtype != WK_f32 && n <= KEPT;
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        const int64_t at = wki_row_offset(x, r);
        const float  *kept = keep ? load_f32(x, at, n, row) : NULL;
        float        *e = log                  ? NULL
                          : y->dtype == WK_f32 ? (float *)(void *)address(y, r * n)
                          : n <= KEPT          ? row
                                               : NULL;
        double        sum;
        const float   most = statistics(x, at, kept, n, e, &sum);
        const float   scale = (float)(1.0 / sum), shift = log ? logf((float)sum) : 0;
        for (int64_t i = 0; e && i < n; i++) e[i] *= scale;
        if (e) store_f32(y, r * n, n, e);
        for (int64_t i = 0; !e && i < n; i += TILE) {
            const int64_t m = n - i < TILE ? n - i : TILE;
            const float  *v = kept ? kept + i : load_f32(x, at + i, m, bx);
            float        *to = dest_f32(y, r * n + i, by);
            if (log)
                for (int64_t j = 0; j < m; j++) to[j] = v[j] - most - shift;
            else
                for (int64_t j = 0; j < m; j++) to[j] = vm_exp(v[j] - most) * scale;
            store_f32(y, r * n + i, m, to);
        }
    }
}

wk_status CPU(softmax)(const wk_call *k)
{
    const int64_t n = wki_cols(k->out[0]);
    wki_parallel(k->device, wki_rows(k->out[0]), rows_per_piece(n), softmax_rows, &(struct rows){.k = k});
    return WK_OK;
}

wk_status CPU(log_softmax)(const wk_call *k)
{
    const int64_t n = wki_cols(k->out[0]);
    wki_parallel(k->device, wki_rows(k->out[0]), rows_per_piece(n), softmax_rows,
                 &(struct rows){.k = k, .log = true});
    return WK_OK;
}

/* softmax: dx = y (g - sum(g y)); log_softmax: dx = g - exp(y) sum(g). */
static void gradient_rows(void *arg, int64_t first, int64_t last, int worker)
{
    const wk_call  *k = ((const struct rows *)arg)->k;
    const bool      log = ((const struct rows *)arg)->log;
    const wk_tensor y = k->in[0], g = k->in[1], dx = k->out[0];
    const int64_t   n = wki_cols(dx);
    float           by[TILE], bg[TILE], bd[TILE];
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        const int64_t ay = wki_row_offset(y, r), ag = wki_row_offset(g, r);
        double        total = 0;
        for (int64_t i = 0; i < n; i += TILE) {
            const int64_t m = n - i < TILE ? n - i : TILE;
            const float  *vg = load_f32(g, ag + i, m, bg);
            total += (double)(log ? sum_f32(vg, m) : dot_f32(vg, load_f32(y, ay + i, m, by), m));
        }
        const float sum = (float)total;
        for (int64_t i = 0; i < n; i += TILE) {
            const int64_t m = n - i < TILE ? n - i : TILE;
            const float  *vy = load_f32(y, ay + i, m, by), *vg = load_f32(g, ag + i, m, bg);
            float        *to = dest_f32(dx, r * n + i, bd);
            if (log)
                for (int64_t j = 0; j < m; j++) to[j] = vg[j] - vm_exp(vy[j]) * sum;
            else
                for (int64_t j = 0; j < m; j++) to[j] = vy[j] * (vg[j] - sum);
            store_f32(dx, r * n + i, m, to);
        }
    }
}

wk_status CPU(softmax_vjp)(const wk_call *k)
{
    const int64_t n = wki_cols(k->out[0]);
    wki_parallel(k->device, wki_rows(k->out[0]), rows_per_piece(n), gradient_rows, &(struct rows){.k = k});
    return WK_OK;
}

wk_status CPU(log_softmax_vjp)(const wk_call *k)
{
    const int64_t n = wki_cols(k->out[0]);
    wki_parallel(k->device, wki_rows(k->out[0]), rows_per_piece(n), gradient_rows,
                 &(struct rows){.k = k, .log = true});
    return WK_OK;
}
