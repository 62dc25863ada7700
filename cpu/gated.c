/* Gated activations, act(gate) * up, and their gradients. */
#include "cpu/vmath.h"

enum { SILU, GELU, GELU_TANH, RELU }; /* attr.i[0], as in core/ops/gated.c */

#define ROOT_HALF    0.70710678f
#define ROOT_2_PI    0.79788456f /* sqrt(2 / pi) */
#define ROOT_HALF_PI 0.39894228f /* 1 / sqrt(2 pi) */
#define CUBE         0.044715f

INLINE float sigmoid(float x)
{
    return 1.0f / (1.0f + vm_exp(-x));
}

/* The share of x that gelu lets through: (1 + tanh(u)) / 2 = sigmoid(2 u). */
INLINE float tanh_share(float x)
{
    return sigmoid(2.0f * ROOT_2_PI * (x + CUBE * x * x * x));
}

INLINE float erf_share(float x)
{
    return 0.5f * (1.0f + vm_erf(x * ROOT_HALF));
}

static void forward(int64_t act, const float *g, const float *u, float *y, int64_t n)
{
    if (act == SILU)
        for (int64_t i = 0; i < n; i++) y[i] = g[i] * sigmoid(g[i]) * u[i];
    else if (act == GELU)
        for (int64_t i = 0; i < n; i++) y[i] = vm_gelu(g[i]) * u[i];
    else if (act == GELU_TANH)
        for (int64_t i = 0; i < n; i++) y[i] = g[i] * tanh_share(g[i]) * u[i];
    else
        for (int64_t i = 0; i < n; i++) y[i] = (g[i] < 0.0f ? 0.0f : g[i]) * u[i];
}

/* a = act(g), d = its derivative. */
static void derive(int64_t act, const float *g, float *a, float *d, int64_t n)
{
    if (act == SILU)
        for (int64_t i = 0; i < n; i++) {
            const float s = sigmoid(g[i]);
            a[i] = g[i] * s;
            d[i] = s + a[i] * (1.0f - s);
        }
    else if (act == GELU)
        for (int64_t i = 0; i < n; i++) {
            const float s = erf_share(g[i]);
            a[i] = g[i] * s;
            d[i] = s + g[i] * ROOT_HALF_PI * vm_exp(-0.5f * g[i] * g[i]);
        }
    else if (act == GELU_TANH)
        for (int64_t i = 0; i < n; i++) {
            const float s = tanh_share(g[i]);
            a[i] = g[i] * s;
            d[i] = s + a[i] * (1.0f - s) * (2.0f * ROOT_2_PI * (1.0f + 3.0f * CUBE * g[i] * g[i]));
        }
    else
        for (int64_t i = 0; i < n; i++) {
            a[i] = g[i] < 0.0f ? 0.0f : g[i];
            d[i] = g[i] > 0.0f ? 1.0f : 0.0f;
        }
}

/* Work is counted in tiles of a row. */
static int64_t tiles_per_row(const wk_call *k)
{
    return (wki_cols(k->out[0]) + TILE - 1) / TILE;
}

struct tile {
    int64_t row, column, n; /* of the result */
};

static struct tile tile_of(const wk_call *k, int64_t i)
{
    const int64_t per = tiles_per_row(k), n = wki_cols(k->out[0]), column = i % per * TILE;
    return (struct tile){.row = i / per, .column = column, .n = n - column < TILE ? n - column : TILE};
}

static const float *load_tile(wk_tensor x, struct tile t, float *buffer)
{
    return load_f32(x, wki_row_offset(x, t.row) + t.column, t.n, buffer);
}

static void forward_tiles(void *arg, int64_t first, int64_t last, int worker)
{
    const wk_call  *k = arg;
    const wk_tensor y = k->out[0];
    float           bg[TILE], bu[TILE], by[TILE];
    (void)worker;
    for (int64_t i = first; i < last; i++) {
        const struct tile t = tile_of(k, i);
        const int64_t     at = t.row * wki_cols(y) + t.column;
        float            *to = dest_f32(y, at, by);
        forward(k->attr.i[0], load_tile(k->in[0], t, bg), load_tile(k->in[1], t, bu), to, t.n);
        store_f32(y, at, t.n, to);
    }
}

static void gradient_tiles(void *arg, int64_t first, int64_t last, int worker)
{
    const wk_call  *k = arg;
    const wk_tensor dg = k->out[0], du = k->out[1];
    float           bg[TILE], bu[TILE], bd[TILE], a[TILE], d[TILE], by[TILE];
    (void)worker;
    for (int64_t i = first; i < last; i++) {
        const struct tile t = tile_of(k, i);
        const int64_t     at = t.row * wki_cols(dg) + t.column;
        const float      *up = load_tile(k->in[1], t, bu), *g = load_tile(k->in[2], t, bd);
        derive(k->attr.i[0], load_tile(k->in[0], t, bg), a, d, t.n);
        float *to = dest_f32(dg, at, by);
        for (int64_t j = 0; j < t.n; j++) to[j] = g[j] * up[j] * d[j];
        store_f32(dg, at, t.n, to);
        to = dest_f32(du, at, by);
        for (int64_t j = 0; j < t.n; j++) to[j] = g[j] * a[j];
        store_f32(du, at, t.n, to);
    }
}

static wk_status run(const wk_call *k, wk_piece fn)
{
    const int64_t n = wki_cols(k->out[0]);
    wki_parallel(k->device, wki_rows(k->out[0]) * tiles_per_row(k), 8192 / ((n < TILE ? n : TILE) + 1) + 1,
                 fn, (void *)(uintptr_t)k);
    return WK_OK;
}

wk_status CPU(gated)(const wk_call *k)
{
    return run(k, forward_tiles);
}

wk_status CPU(gated_vjp)(const wk_call *k)
{
    return run(k, gradient_tiles);
}
