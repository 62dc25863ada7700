/* Attention over some blocks of keys (arXiv:1904.10509). */
#include "layers.h"

void wk_block_pattern(bool *seen, int64_t rows, int64_t columns, int64_t near_blocks, int64_t global,
                      int64_t step, bool causal)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < columns; k++) {
            const int64_t away = r > k ? r - k : k - r;
            const bool    chosen =
                away <= near_blocks || r < global || k < global || (step > 0 && k % step == step - 1);
            seen[r * columns + k] = chosen && !(causal && k > r);
        }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct gather {
    wk_tensor *k, *v, *places; /* pieces, one for each run of blocks */
    int        n;
};

/* The runs of blocks that row r sees. */
static void runs(wk_ctx *c, const wk_block_layout *l, int64_t r, wk_tensor k, wk_tensor v, wk_tensor place,
                 bool causal, struct gather *g)
{
    const int64_t S = wk_size(k, -2);
    const bool   *row = l->seen + r * l->columns;
    g->n = 0;
    for (int64_t i = 0; i < l->columns; i++) {
        if (!row[i] || (causal && i > r)) continue;
        int64_t last = i;
        while (last + 1 < l->columns && row[last + 1] && !(causal && last + 1 > r)) last++;
        const int64_t from = i * l->block, length = least((last + 1) * l->block, S) - from;
        g->k[g->n] = wk_narrow(c, k, -2, from, length);
        g->v[g->n] = wk_narrow(c, v, -2, from, length);
        g->places[g->n++] = wk_narrow(c, place, 0, from, length);
        i = last;
    }
}

static wk_tensor joined(wk_ctx *c, int n, const wk_tensor *x, int dim)
{
    return n == 1 ? x[0] : wk_cat(c, n, x, dim);
}

/* Queries of block row r. */
static wk_tensor row_of(wk_ctx *c, const wk_block_layout *l, int64_t r, wk_tensor q, wk_tensor v,
                        wk_tensor place, const struct gather *g, const wk_sdpa_opts *o)
{
    const int64_t   from = r * l->block, length = least(l->block, wk_size(q, -2) - from);
    const wk_tensor x = wk_narrow(c, q, -2, from, length);
    wk_sdpa_opts    own = {.scale = o->scale, .softcap = o->softcap, .mask = WK_NONE};
    if (g->n == 0) { /* sees nothing */
        wk_shape s = wki_shape_of(x);
        s.dim[s.ndim - 1] = wk_size(v, -1);
        return wk_zeros(c, q->dtype, s);
    }
    if (o->causal)
        own.mask =
            wk_le(c, joined(c, g->n, g->places, 0), wk_unsqueeze(c, wk_narrow(c, place, 0, from, length), 1));
    return wk_scaled_dot_product_attention(c, x, joined(c, g->n, g->k, -2), joined(c, g->n, g->v, -2), own,
                                           NULL);
}

static bool fit(wk_ctx *c, wk_tensor q, wk_tensor k, const wk_block_layout *l)
{
    if (wk_ctx_status(c) != WK_OK) return false;
    const int64_t T = wk_size(q, -2), S = wk_size(k, -2), b = l->block;
    if (b >= 1 && l->rows == (T + b - 1) / b && l->columns == (S + b - 1) / b && T > 0 && S > 0) return true;
    wk_fail(c, WK_ESHAPE, "block_sparse_attention: %lld queries, %lld keys in %lld x %lld blocks of %lld",
            (long long)T, (long long)S, (long long)l->rows, (long long)l->columns, (long long)b);
    return false;
}

wk_tensor wk_block_sparse_attention(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, wk_block_layout layout,
                                    wk_sdpa_opts o)
{
    if (!fit(c, q, k, &layout)) return WK_NONE;
    const int64_t n = layout.columns,
                  most = wk_size(q, -2) > wk_size(k, -2) ? wk_size(q, -2) : wk_size(k, -2);
    wk_tensor *pieces = wk_alloc((size_t)(3 * n + layout.rows) * sizeof *pieces);
    if (!pieces) {
        wk_fail(c, WK_ENOMEM, "out of memory: blocks of attention");
        return WK_NONE;
    }
    struct gather   g = {.k = pieces, .v = pieces + n, .places = pieces + 2 * n};
    wk_tensor      *rows = pieces + 3 * n;
    const wk_tensor place = wk_arange(c, 0, (double)most, 1, WK_i64);
    for (int64_t r = 0; r < layout.rows; r++) {
        const wk_scope s = wk_scope_begin(c);
        runs(c, &layout, r, k, v, place, o.causal, &g);
        rows[r] = wk_scope_end(c, s, row_of(c, &layout, r, q, v, place, &g, &o));
    }
    const wk_tensor y = joined(c, (int)layout.rows, rows, -2);
    wk_free(pieces);
    return y;
}
