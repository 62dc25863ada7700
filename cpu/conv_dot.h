/* The gradient of a convolution for its weight: sums over places of x at a tap times the result's gradient.
 * Part of conv_class.h. */

/* sums[rows][taps] += over n places: g[row] times x, whose tap t is off[t] further on. */
INLINE void CONV(dot)(int rows, int taps, const CONV_T *g, int64_t step, const CONV_T *x, const int64_t *off,
                      int64_t n, CONV_T *sums, int64_t sums_step)
{
    CONV(vec) acc[4][8];
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int t = 0; t < taps; t++) acc[i][t] = (CONV(vec)){0};
    for (int64_t q = 0; q < n; q += CONV_W) {
        CONV(vec) v[4];
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) v[i] = CONV(load)(g + i * step + q);
#pragma GCC unroll 8
        for (int t = 0; t < taps; t++) {
            const CONV(vec) u = CONV(load)(x + off[t] + q);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) acc[i][t] = CONV_FMA(v[i], u, acc[i][t]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int t = 0; t < taps; t++) sums[i * sums_step + t] += CONV_SUM(acc[i][t]);
}

static void CONV(dot_any)(int64_t rows, const CONV_T *g, int64_t step, const CONV_T *x, const int64_t *off,
                          int64_t taps, int64_t n, CONV_T *sums)
{
    int64_t t = 0;
    if (rows == CONV_DOT_ROWS) {
        for (; t + CONV_DOT_TAPS <= taps; t += CONV_DOT_TAPS)
            CONV(dot)(CONV_DOT_ROWS, CONV_DOT_TAPS, g, step, x, off + t, n, sums + t, taps);
        for (; t < taps; t++) CONV(dot)(CONV_DOT_ROWS, 1, g, step, x, off + t, n, sums + t, taps);
        return;
    }
    for (int64_t i = 0; i < rows; i++, g += step, sums += taps) {
        for (t = 0; t + 8 <= taps; t += 8) CONV(dot)(1, 8, g, step, x, off + t, n, sums + t, taps);
        for (; t < taps; t++) CONV(dot)(1, 1, g, step, x, off + t, n, sums + t, taps);
    }
}

/* The gradient of one row in the order of the copy, zeros between: n places. */
static void CONV(spread)(const struct conv *o, const struct conv_part *p, int64_t row, CONV_T *to, int64_t n)
{
    const wk_tensor g = o->y;
    const int64_t   at = p->image * g->stride[0] + (p->group * o->m + row) * g->stride[1];
    memset(to, 0, (size_t)n * sizeof *to);
    for (int64_t d = 0; d < p->count[0]; d++)
        for (int64_t h = 0; h < p->count[1]; h++) {
            CONV_T       *next = to + (d * o->ext[1] + h) * o->ext[2];
            const CONV_T *v =
                CONV_LOAD_STRIDED(g,
                                  at + (p->first[0] + d) * g->stride[2] + (p->first[1] + h) * g->stride[3] +
                                      p->first[2] * g->stride[4],
                                  g->stride[4], p->count[2], next);
            if (v != next) memcpy(next, v, (size_t)p->count[2] * sizeof *next);
        }
}

/* One image's band: adds to the sums of the rows row0 .. row0 + rows of a group, [row][tap]. */
static void CONV(dot_part)(const struct conv *o, const wk_call *k, const struct conv_part *p, int64_t row0,
                           int64_t rows, CONV_T *sums, int worker)
{
    const int64_t *off = (const int64_t *)(const void *)((const char *)k->scratch + o->offsets);
    const int64_t  taps = o->c * o->taps;
    const int64_t  places = ((p->count[0] - 1) * o->ext[1] + p->count[1] - 1) * o->ext[2] + p->count[2];
    const int64_t  n = (places + CONV_W - 1) / CONV_W * CONV_W, step = dot_step(o);
    CONV_T        *g = (CONV_T *)(void *)((char *)k->scratch + o->worker + (size_t)worker * o->worker_bytes);
    CONV_T        *copy = g + CONV_DOT_ROWS * step;
    /* what is not filled is multiplied by zeros: it has to be finite */
    const int64_t values = o->c * o->channel;
    if (p->count[0] < o->band[1] || p->count[1] < o->band[2]) memset(copy, 0, (size_t)values * sizeof *copy);
    memset(copy + values, 0, (CONV_VECTORS * CONV_W) * sizeof *copy);
    CONV(fill)(o, p, copy);
    for (int64_t r = 0; r < rows; r += CONV_DOT_ROWS) {
        const int64_t m = rows - r < CONV_DOT_ROWS ? rows - r : CONV_DOT_ROWS;
        for (int64_t i = 0; i < m; i++) CONV(spread)(o, p, row0 + r + i, g + i * step, n);
        CONV(dot_any)(m, g, step, copy, off, taps, n, sums + r * taps);
    }
}

/* A task of rows: all images and bands of a chunk. */
static void CONV(dot_task)(const struct conv *o, const wk_call *k, int64_t task, int worker)
{
    const int64_t block = task % o->blocks, group = task / o->blocks % o->groups,
                  chunk = task / o->blocks / o->groups;
    const int64_t row0 = block * o->m / o->blocks, rows = (block + 1) * o->m / o->blocks - row0;
    const int64_t taps = o->c * o->taps, bands = o->bands[1] * o->bands[2] * o->bands[3];
    CONV_T       *sums = (CONV_T *)(void *)((char *)k->scratch + o->partial) +
                   ((chunk * o->groups + group) * o->m + row0) * taps;
    memset(sums, 0, (size_t)(rows * taps) * sizeof *sums);
    const int64_t parts = o->images * bands;
    for (int64_t i = parts * chunk / o->chunks; i < parts * (chunk + 1) / o->chunks; i++) {
        const struct conv_part p = dot_part_of(o, group, i);
        CONV(dot_part)(o, k, &p, row0, rows, sums, worker);
    }
}

/* Values first .. last of the gradient: the chunks' sums. */
static void CONV(dot_total)(const struct conv *o, const wk_call *k, int64_t first, int64_t last)
{
    const CONV_T *from = (const CONV_T *)(const void *)((const char *)k->scratch + o->partial);
    const int64_t all = o->groups * o->m * o->c * o->taps;
    CONV_T        sum[TILE];
    for (int64_t at = first; at < last; at += TILE) {
        const int64_t n = last - at < TILE ? last - at : TILE;
        memcpy(sum, from + at, (size_t)n * sizeof *sum);
        for (int64_t c = 1; c < o->chunks; c++)
            for (int64_t j = 0; j < n; j++) sum[j] += from[c * all + at + j];
        CONV_FROM[o->w->dtype](sum, address(o->w, at), n);
    }
}
