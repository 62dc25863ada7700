/* softmax and log_softmax over rows, and their gradients. */
#include "cpu/vmath.h"

/* Rows per piece so that a piece has enough to do. */
static int64_t rows_per_piece(int64_t n)
{
    return n >= 8192 ? 1 : 8192 / (n + 1) + 1;
}

static float max_of(const float *x, int64_t n, float most)
{
    float   m[16];
    int64_t i = 0;
    for (int j = 0; j < 16; j++) m[j] = most;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (; i < n; i++) m[0] = x[i] > m[0] ? x[i] : m[0];
    for (int j = 0; j < 16; j++) most = m[j] > most ? m[j] : most;
    return most;
}

struct rows {
    const wk_call *k;
    bool           log;
};

/* The largest value and the sum of exp(x - largest); the exponentials go to `e` if it is not NULL. */
static float statistics(wk_tensor x, int64_t at, int64_t n, float *e, double *sum)
{
    float buffer[TILE], work[TILE], most = -INFINITY;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE;
        most = max_of(load_f32(x, at + i, m, buffer), m, most);
    }
    *sum = 0;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE;
        const float  *v = load_f32(x, at + i, m, buffer);
        float        *to = e ? e + i : work;
        for (int64_t j = 0; j < m; j++) to[j] = vm_exp(v[j] - most);
        *sum += (double)sum_f32(to, m);
    }
    return most;
}

static void softmax_rows(void *arg, int64_t first, int64_t last, int worker)
{
    const wk_call  *k = ((const struct rows *)arg)->k;
    const bool      log = ((const struct rows *)arg)->log;
    const wk_tensor x = k->in[0], y = k->out[0];
    const int64_t   n = wki_cols(y);
    float           bx[TILE], by[TILE];
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        const int64_t at = wki_row_offset(x, r);
        float        *e = !log && y->dtype == WK_f32 ? (float *)(void *)address(y, r * n) : NULL;
        double        sum;
        const float   most = statistics(x, at, n, e, &sum);
        const float   scale = (float)(1.0 / sum), shift = log ? logf((float)sum) : 0;
        for (int64_t i = 0; i < n; i += TILE) {
            const int64_t m = n - i < TILE ? n - i : TILE;
            if (e) {
                for (int64_t j = 0; j < m; j++) e[i + j] *= scale;
                continue;
            }
            const float *v = load_f32(x, at + i, m, bx);
            float       *to = dest_f32(y, r * n + i, by);
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
