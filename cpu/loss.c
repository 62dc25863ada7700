/* Cross entropy, row by row, without the probabilities in memory. */
#include "cpu/vmath.h"
#include "cpu/walk.h"

#include <stdio.h>

struct rows {
    const wk_call *k;
    wk_tensor      x, target;
    int64_t        n;
    double         smoothing;
};

static int64_t target_at(wk_tensor t, int64_t row)
{
    int64_t     buffer;
    struct walk w;
    walk_over(&w, t, 1, &t);
    return *walk_i64(&w, 0, t, row, 1, &buffer);
}

static bool ignored(const wk_call *k, int64_t t)
{
    return k->attr.i[0] && t == k->attr.i[1];
}

/* Row r of x in tiles: its maximum, then the sum of exp(x - maximum) and of x, in double. */
static void row_sums_f32(wk_tensor x, int64_t at, int64_t n, double *lse, double *total)
{
    _Alignas(64) float buffer[TILE], e[TILE];
    float              top = -INFINITY;
    double             sum = 0;
    *total = 0;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE;
        const float  *v = load_f32(x, at + i, m, buffer);
        for (int64_t j = 0; j < m; j++) top = v[j] > top || v[j] != v[j] ? v[j] : top;
        *total += (double)sum_f32(v, m);
    }
    const float shift = top == -INFINITY ? 0.0f : top;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE;
        const float  *v = load_f32(x, at + i, m, buffer);
        for (int64_t j = 0; j < m; j++) e[j] = vm_exp(v[j] - shift);
        sum += (double)sum_f32(e, m);
    }
    *lse = (double)shift + log(sum);
}

static void row_sums_f64(wk_tensor x, int64_t at, int64_t n, double *lse, double *total)
{
    double buffer[TILE], top = -INFINITY, sum = 0;
    *total = 0;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE;
        const double *v = load_f64(x, at + i, m, buffer);
        for (int64_t j = 0; j < m; j++) {
            top = v[j] > top || v[j] != v[j] ? v[j] : top;
            *total += v[j];
        }
    }
    const double shift = top == -INFINITY ? 0.0 : top;
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = n - i < TILE ? n - i : TILE;
        const double *v = load_f64(x, at + i, m, buffer);
        for (int64_t j = 0; j < m; j++) sum += exp(v[j] - shift);
    }
    *lse = shift + log(sum);
}

static double value_at(wk_tensor x, int64_t at)
{
    double buffer;
    return *load_f64(x, at, 1, &buffer);
}

static void loss_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct rows *r = arg;
    const wk_call     *k = r->k;
    (void)worker;
    for (int64_t row = first; row < last; row++) {
        const int64_t at = wki_row_offset(r->x, row), t = target_at(r->target, row);
        double        lse, total, loss = 0;
        if (k->cls == WK_CLASS_F64)
            row_sums_f64(r->x, at, r->n, &lse, &total);
        else
            row_sums_f32(r->x, at, r->n, &lse, &total);
        if (!ignored(k, t)) {
            loss = (1 - r->smoothing) * (lse - value_at(r->x, at + t));
            if (r->smoothing != 0) loss += r->smoothing * (lse - total / (double)r->n);
        }
        CPU(from_f64)[k->out[0]->dtype](&loss, address(k->out[0], row), 1);
        CPU(from_f64)[k->out[1]->dtype](&lse, address(k->out[1], row), 1);
    }
}

static wk_status check_targets(const wk_call *k, wk_tensor target, int64_t n)
{
    const int64_t rows = wk_count(target);
    for (int64_t row = 0; row < rows; row++) {
        const int64_t t = target_at(target, row);
        if ((t < 0 || t >= n) && !ignored(k, t)) {
            snprintf(k->message, WKI_CALL_MESSAGE, "target %lld of row %lld is outside of %lld classes",
                     (long long)t, (long long)row, (long long)n);
            return WK_EINDEX;
        }
    }
    return WK_OK;
}

static int64_t grain_of(int64_t n)
{
    return 8192 / (n ? n : 1) + 1;
}

wk_status CPU(cross_entropy)(const wk_call *k)
{
    struct rows r = {
        .k = k, .x = k->in[0], .target = k->in[1], .n = wki_cols(k->in[0]), .smoothing = k->attr.f[0]};
    WK_TRY(check_targets(k, r.target, r.n));
    wki_parallel(k->device, wki_rows(r.x), grain_of(r.n), loss_piece, &r);
    return WK_OK;
}

/* d loss / dx = softmax(x) - (1 - s) [i = t] - s / n, times the row's g. */
static void vjp_piece(void *arg, int64_t first, int64_t last, int worker)
{
    const struct rows *r = arg;
    const wk_call     *k = r->k;
    const wk_tensor    dx = k->out[0];
    _Alignas(64) float buffer[TILE], out[TILE];
    double             wide[TILE], wide_out[TILE];
    (void)worker;
    for (int64_t row = first; row < last; row++) {
        const int64_t at = wki_row_offset(r->x, row), t = target_at(r->target, row);
        const bool    off = ignored(k, t);
        const double  lse = value_at(k->in[2], row), g = off ? 0 : value_at(k->in[3], row);
        const double  flat = r->smoothing / (double)r->n;
        for (int64_t i = 0; i < r->n; i += TILE) {
            const int64_t m = r->n - i < TILE ? r->n - i : TILE;
            const bool    hit = !off && t >= i && t < i + m;
            if (k->cls == WK_CLASS_F64) {
                const double *v = load_f64(r->x, at + i, m, wide);
                for (int64_t j = 0; j < m; j++) wide_out[j] = off ? 0 : (exp(v[j] - lse) - flat) * g;
                if (hit) wide_out[t - i] -= (1 - r->smoothing) * g;
                store_f64(dx, row * r->n + i, m, wide_out);
            } else {
                const float *v = load_f32(r->x, at + i, m, buffer);
                const float  l = (float)lse, f = (float)flat, gf = (float)g;
                for (int64_t j = 0; j < m; j++) out[j] = (vm_exp(v[j] - l) - f) * gf;
                if (off) memset(out, 0, (size_t)m * sizeof *out);
                if (hit) out[t - i] -= (float)((1 - r->smoothing) * g);
                store_f32(dx, row * r->n + i, m, out);
            }
        }
    }
}

wk_status CPU(cross_entropy_vjp)(const wk_call *k)
{
    struct rows r = {
        .k = k, .x = k->in[0], .target = k->in[1], .n = wki_cols(k->in[0]), .smoothing = k->attr.f[0]};
    wki_parallel(k->device, wki_rows(r.x), grain_of(r.n), vjp_piece, &r);
    return WK_OK;
}
