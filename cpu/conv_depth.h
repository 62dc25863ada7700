/* Depthwise convolutions: one channel in, few out; part of conv_class.h. Each place of the result reads the
 * copy directly, eight rows of it at once. */

/* Rows (each `step` further in x and `apart` in y) of n <= CONV_W places. */
INLINE void CONV(depth_rows)(int rows, const CONV_T *restrict x, int64_t step, const CONV_T *restrict w,
                             const int64_t *restrict off, int64_t taps, CONV_T bias, CONV_T *restrict y,
                             int64_t apart, int64_t n)
{
    CONV(vec) acc[DEPTH_ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) acc[r] = bias - (CONV(vec)){0};
    for (int64_t t = 0; t < taps; t++) {
        const CONV(vec) v = w[t] - (CONV(vec)){0};
        const CONV_T *from = x + off[t];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) acc[r] = CONV_FMA(v, CONV(load)(from + r * step), acc[r]);
    }
    if (n < CONV_W) {
        CONV_T last[CONV_W];
        for (int r = 0; r < rows; r++) {
            CONV(put)(last, acc[r]);
            memcpy(y + r * apart, last, (size_t)n * sizeof *y);
        }
        return;
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) CONV(put)(y + r * apart, acc[r]);
}

/* Places of one result channel: `rows` rows of n places side by side. */
static void CONV(depth_plane)(const CONV_T *x, int64_t step, const CONV_T *w, const int64_t *off,
                              int64_t taps, CONV_T bias, CONV_T *y, int64_t apart, int64_t rows, int64_t n)
{
    for (int64_t h = 0; h < rows;) {
        const int64_t left = rows - h, some = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        const CONV_T *from = x + h * step;
        CONV_T       *to = y + h * apart;
        for (int64_t j = 0; j < n; j += CONV_W) {
            const int64_t col = j + CONV_W <= n || n < CONV_W ? j : n - CONV_W; /* the last ones again */
            if (some == 8)
                CONV(depth_rows)(8, from + col, step, w, off, taps, bias, to + col, apart, n);
            else if (some == 4)
                CONV(depth_rows)(4, from + col, step, w, off, taps, bias, to + col, apart, n);
            else if (some == 2)
                CONV(depth_rows)(2, from + col, step, w, off, taps, bias, to + col, apart, n);
            else
                CONV(depth_rows)(1, from + col, step, w, off, taps, bias, to + col, apart, n);
        }
        h += some;
    }
}

static void CONV(depth_task)(const struct conv *o, const wk_call *k, const struct conv_part *p, int worker)
{
    char          *scratch = k->scratch;
    CONV_T        *copy = (CONV_T *)(void *)(scratch + o->worker + (size_t)worker * o->worker_bytes);
    CONV_T        *rows = copy + o->image + CONV_VECTORS * CONV_W;
    const int64_t *off = (const int64_t *)(const void *)(scratch + o->offsets);
    const int64_t  area = o->out[0] * o->out[1] * o->out[2], n = p->count[2];
    const bool     plain = o->y->dtype == CONV_DTYPE;
    CONV(fill)(o, p, copy);
    for (int64_t m = 0; m < o->m; m++) {
        const int64_t channel = p->group * o->m + m;
        const CONV_T *w = CONV(weights)(o, k) + channel * o->taps;
        CONV_T        bias = 0;
        if (!wk_is_none(o->bias))
            bias = *CONV_LOAD_STRIDED(o->bias, channel * o->bias->stride[0], 1, 1, &bias);
        for (int64_t d = 0; d < p->count[0]; d++) {
            const CONV_T *from = copy + d * o->ext[1] * o->ext[2];
            const int64_t at = channel * area + result_at(o, p, 0, d, 0, 0);
            CONV_T       *to = plain ? (CONV_T *)wki_data(o->y) + at : rows;
            CONV(depth_plane)
            (from, o->ext[2], w, off, o->taps, bias, to, plain ? o->out[2] : n, p->count[1], n);
            for (int64_t h = 0; h < p->count[1] && !plain; h++)
                CONV_FROM[o->y->dtype](rows + h * n, address(o->y, at + h * o->out[2]), n);
        }
    }
}
