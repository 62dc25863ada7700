/* rms_norm and layer_norm over rows, of one tensor or of a sum, and their gradients. */
#include "cpu/kernel.h"

static int64_t rows_per_piece(int64_t n)
{
    return 16384 / (n + 1) + 1;
}

static int64_t tile_at(int64_t i, int64_t n)
{
    return n - i < TILE ? n - i : TILE;
}

static double square_sum(const float *x, int64_t n, float mean)
{
    float   s[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) s[j] += (x[i + j] - mean) * (x[i + j] - mean);
    for (int j = 0; i < n; i++, j++) s[j] += (x[i] - mean) * (x[i] - mean);
    return (double)fold16_f32(s);
}

/* A row of another dtype is kept as floats up to this length, not converted for each pass. */
#define KEPT 4096

/* Values i .. i + m of the row at `at`, or of a kept row. */
INLINE const float *part(wk_tensor x, int64_t at, const float *kept, int64_t i, int64_t m, float *buffer)
{
    return kept ? kept + i : load_f32(x, at + i, m, buffer);
}

/* Mean (0 unless layer) and 1 / sqrt(mean square + eps) of n values. */
static float statistics(wk_tensor x, int64_t at, const float *kept, int64_t n, bool layer, double eps,
                        float *mean)
{
    float  buffer[TILE];
    double sum = 0, squares = 0;
    for (int64_t i = 0; layer && i < n; i += TILE)
        sum += (double)sum_f32(part(x, at, kept, i, tile_at(i, n), buffer), tile_at(i, n));
    *mean = (float)(sum / (double)n);
    for (int64_t i = 0; i < n; i += TILE)
        squares += square_sum(part(x, at, kept, i, tile_at(i, n), buffer), tile_at(i, n), *mean);
    return (float)(1.0 / sqrt(squares / (double)n + eps));
}

struct norm {
    const wk_call *k;
    wk_tensor      x, w, b; /* x is what is normalised */
    bool           layer, add;
};

/* One tile of y = (x - mean) scale w + b. */
static void scale_tile(float *y, const float *x, const float *w, const float *b, float mean, float scale,
                       int64_t m)
{
    if (w && b)
        for (int64_t j = 0; j < m; j++) y[j] = (x[j] - mean) * scale * w[j] + b[j];
    else if (w)
        for (int64_t j = 0; j < m; j++) y[j] = (x[j] - mean) * scale * w[j];
    else if (b)
        for (int64_t j = 0; j < m; j++) y[j] = (x[j] - mean) * scale + b[j];
    else
        for (int64_t j = 0; j < m; j++) y[j] = (x[j] - mean) * scale;
}

static void add_row(const wk_call *k, int64_t r, int64_t n)
{
    const wk_tensor a = k->in[0], b = k->in[1], s = k->out[1];
    const int64_t   at_a = wki_row_offset(a, r), at_b = wki_row_offset(b, r);
    float           ba[TILE], bb[TILE], bs[TILE];
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = tile_at(i, n);
        const float  *va = load_f32(a, at_a + i, m, ba), *vb = load_f32(b, at_b + i, m, bb);
        float        *to = dest_f32(s, r * n + i, bs);
        for (int64_t j = 0; j < m; j++) to[j] = va[j] + vb[j];
        store_f32(s, r * n + i, m, to);
    }
}

static void norm_rows(void *arg, int64_t first, int64_t last, int worker)
{
    const struct norm *o = arg;
    const wk_tensor    y = o->k->out[0];
    const int64_t      n = wki_cols(y);
    const bool         has_w = !wk_is_none(o->w), has_b = !wk_is_none(o->b), keep = n <= KEPT;
    float              bx[TILE], bw[KEPT], bb[KEPT], by[TILE], row[KEPT];
    const float       *w = has_w && keep ? load_f32(o->w, 0, n, bw) : NULL;
    const float       *b = has_b && keep ? load_f32(o->b, 0, n, bb) : NULL;
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        if (o->add) add_row(o->k, r, n);
        const int64_t at = wki_row_offset(o->x, r);
        const float  *kept = keep ? load_f32(o->x, at, n, row) : NULL;
        float         mean;
        const float   scale = statistics(o->x, at, kept, n, o->layer, o->k->attr.f[0], &mean);
        for (int64_t i = 0; i < n; i += TILE) {
            const int64_t m = tile_at(i, n);
            float        *to = dest_f32(y, r * n + i, by);
            scale_tile(to, part(o->x, at, kept, i, m, bx), has_w ? part(o->w, 0, w, i, m, bw) : NULL,
                       has_b ? part(o->b, 0, b, i, m, bb) : NULL, mean, scale, m);
            store_f32(y, r * n + i, m, to);
        }
    }
}

static wk_status norm(const wk_call *k, struct norm o)
{
    o.k = k;
    wki_parallel(k->device, wki_rows(k->out[0]), rows_per_piece(wki_cols(k->out[0])), norm_rows, &o);
    return WK_OK;
}

wk_status CPU(rms_norm)(const wk_call *k)
{
    return norm(k, (struct norm){.x = k->in[0], .w = k->in[1], .b = WK_NONE});
}

wk_status CPU(layer_norm)(const wk_call *k)
{
    return norm(k, (struct norm){.x = k->in[0], .w = k->in[1], .b = k->in[2], .layer = true});
}

wk_status CPU(add_norm)(const wk_call *k)
{
    return norm(
        k,
        (struct norm){.x = k->out[1], .w = k->in[2], .b = k->in[3], .layer = k->attr.i[0] != 0, .add = true});
}

/* ---- gradients: inputs x, w, g; outputs dx, dw, db ------------------------------------------- */

/* Rows are cut into blocks whose share of dw and db is summed apart, then added up in order: the cut
 * depends on the number of rows alone. */
static int64_t rows_per_block(int64_t rows)
{
    const int64_t per = (rows + 63) / 64;
    return per < 16 ? 16 : per;
}

static int64_t blocks_of(int64_t rows)
{
    return (rows + rows_per_block(rows) - 1) / rows_per_block(rows);
}

static int64_t padded(int64_t n)
{
    return (n + 15) / 16 * 16;
}

static size_t vjp_scratch(const wk_call *k)
{
    const int64_t n = padded(wki_cols(k->out[0])), sums = k->n_out - 1;
    return sums > 0 ? (size_t)(blocks_of(wki_rows(k->out[0])) * n * sums) * sizeof(float) : 0;
}

size_t CPU(rms_norm_vjp_scratch)(const wk_call *k)
{
    return vjp_scratch(k);
}

size_t CPU(layer_norm_vjp_scratch)(const wk_call *k)
{
    return vjp_scratch(k);
}

/* Adds one row's share to dw and db, and the sums that its dx needs to s: of h and of h u, h = g w. */
static void row_sums(const float *x, const float *g, const float *w, float mean, float scale, int64_t m,
                     float *dw, float *db, double *s)
{
    float h[TILE], hu[TILE];
    for (int64_t j = 0; j < m; j++) {
        const float u = (x[j] - mean) * scale;
        h[j] = w ? g[j] * w[j] : g[j];
        hu[j] = h[j] * u;
    }
    if (dw)
        for (int64_t j = 0; j < m; j++) dw[j] += g[j] * ((x[j] - mean) * scale);
    if (db)
        for (int64_t j = 0; j < m; j++) db[j] += g[j];
    s[0] += (double)sum_f32(h, m);
    s[1] += (double)sum_f32(hu, m);
}

static void vjp_row(const struct norm *o, int64_t r, float *dw, float *db)
{
    const wk_tensor x = o->x, w = o->w, g = o->k->in[2], dx = o->k->out[0];
    const int64_t   n = wki_cols(dx), ax = wki_row_offset(x, r), ag = wki_row_offset(g, r);
    float           bx[TILE], bg[TILE], bw[TILE], bd[TILE], mean;
    double          s[2] = {0, 0};
    const bool      has_w = !wk_is_none(w);
    const float     scale = statistics(x, ax, NULL, n, o->layer, o->k->attr.f[0], &mean);
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = tile_at(i, n);
        row_sums(load_f32(x, ax + i, m, bx), load_f32(g, ag + i, m, bg), has_w ? load_f32(w, i, m, bw) : NULL,
                 mean, scale, m, dw ? dw + i : NULL, db ? db + i : NULL, s);
    }
    const float mean_h = o->layer ? (float)(s[0] / (double)n) : 0.0f, mean_hu = (float)(s[1] / (double)n);
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = tile_at(i, n);
        const float  *vx = load_f32(x, ax + i, m, bx), *vg = load_f32(g, ag + i, m, bg);
        const float  *vw = has_w ? load_f32(w, i, m, bw) : NULL;
        float        *to = dest_f32(dx, r * n + i, bd);
        if (vw)
            for (int64_t j = 0; j < m; j++)
                to[j] = scale * (vg[j] * vw[j] - mean_h - (vx[j] - mean) * scale * mean_hu);
        else
            for (int64_t j = 0; j < m; j++)
                to[j] = scale * (vg[j] - mean_h - (vx[j] - mean) * scale * mean_hu);
        store_f32(dx, r * n + i, m, to);
    }
}

static void vjp_blocks(void *arg, int64_t first, int64_t last, int worker)
{
    const struct norm *o = arg;
    const int64_t      rows = wki_rows(o->k->out[0]), n = padded(wki_cols(o->k->out[0])),
                  per = rows_per_block(rows);
    const int64_t blocks = blocks_of(rows);
    (void)worker;
    for (int64_t b = first; b < last; b++) {
        float *dw = o->k->n_out > 1 ? (float *)o->k->scratch + b * n : NULL;
        float *db = o->k->n_out > 2 ? (float *)o->k->scratch + (blocks + b) * n : NULL;
        if (dw) memset(dw, 0, (size_t)n * sizeof *dw);
        if (db) memset(db, 0, (size_t)n * sizeof *db);
        for (int64_t r = b * per; r < (b + 1) * per && r < rows; r++) vjp_row(o, r, dw, db);
    }
}

static void add_blocks(const float *part, int64_t blocks, wk_tensor y)
{
    const int64_t n = wki_cols(y);
    for (int64_t i = 0; i < n; i += TILE) {
        const int64_t m = tile_at(i, n);
        float         sum[TILE] = {0};
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t j = 0; j < m; j++) sum[j] += part[b * padded(n) + i + j];
        CPU(from_f32)[y->dtype](sum, address(y, i), m);
    }
}

static wk_status norm_vjp(const wk_call *k, bool layer)
{
    struct norm   o = {.k = k, .x = k->in[0], .w = k->in[1], .b = WK_NONE, .layer = layer};
    const int64_t rows = wki_rows(k->out[0]), n = padded(wki_cols(k->out[0])), blocks = blocks_of(rows);
    wki_parallel(k->device, blocks, 8192 / (rows_per_block(rows) * n) + 1, vjp_blocks, &o);
    for (int i = 1; i < k->n_out; i++)
        add_blocks((const float *)k->scratch + (i - 1) * blocks * n, blocks, k->out[i]);
    return WK_OK;
}

wk_status CPU(rms_norm_vjp)(const wk_call *k)
{
    return norm_vjp(k, false);
}

wk_status CPU(layer_norm_vjp)(const wk_call *k)
{
    return norm_vjp(k, true);
}
