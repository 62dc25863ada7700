/* Products that are too small or too thin to pack, of operands in the class's own dtype. Part of gemm.h. */

/* R rows of y, nv vectors wide, the last one of `last` lanes. */
INLINE void GEMM(block)(const int R, const int nv, const GEMM_T *a, int64_t a_row, int64_t a_along,
                        const GEMM_T *b, int64_t b_row, int64_t k, GEMM_T *y, int64_t y_row, int64_t last)
{
    GEMM(vec) acc[SMALL_ROWS][SMALL_VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++)
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++) {
            acc[i][j] = (GEMM(vec)){0};
            __builtin_prefetch(y + i * y_row + j * GEMM_W, 1);
        }
    for (int64_t t = 0; t < k; t++) {
        GEMM(vec) v[SMALL_VECTORS];
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++)
            v[j] = *(const GEMM(vec_any) *)(const void *)(b + t * b_row + j * GEMM_W);
#pragma GCC unroll 8
        for (int i = 0; i < R; i++) {
            const GEMM(vec) s = a[i * a_row + t * a_along] - (GEMM(vec)){0};
#pragma GCC unroll 3
            for (int j = 0; j < nv; j++) acc[i][j] = GEMM_FMA(s, v[j], acc[i][j]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; i++)
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++) {
            GEMM_T *to = y + i * y_row + j * GEMM_W;
            const GEMM(vec) sum = acc[i][j]; /* of its own, so that acc stays in registers */
            if (j + 1 == nv && last < GEMM_W)
                memcpy(to, &sum, (size_t)last * sizeof *to);
            else
                *(GEMM(vec_any) *)(void *)to = sum;
        }
}

INLINE void GEMM(blocks)(const int nv, const GEMM_T *a, int64_t a_row, int64_t a_along, const GEMM_T *b,
                         int64_t b_row, int64_t m, int64_t k, GEMM_T *y, int64_t y_row, int64_t last)
{
    int64_t i = 0;
    for (; i + SMALL_ROWS <= m; i += SMALL_ROWS)
        GEMM(block)(SMALL_ROWS, nv, a + i * a_row, a_row, a_along, b, b_row, k, y + i * y_row, y_row, last);
    for (; i + 2 <= m; i += 2)
        GEMM(block)(2, nv, a + i * a_row, a_row, a_along, b, b_row, k, y + i * y_row, y_row, last);
    for (; i < m; i++)
        GEMM(block)(1, nv, a + i * a_row, a_row, a_along, b, b_row, k, y + i * y_row, y_row, last);
}

/* Columns j0 .. n of b as the blocks want them: [k][width], zeros beyond n. */
static void GEMM(rows_of)(const struct operand *o, int64_t j0, int64_t n, int64_t k, int64_t width,
                          GEMM_T *restrict dst)
{
    const GEMM_T *b = (const GEMM_T *)(const void *)address(o->x, o->at + j0 * o->outer);
    n -= j0;
    if (width > n)
        for (int64_t t = 0; t < k; t++) memset(dst + t * width + n, 0, (size_t)(width - n) * sizeof *dst);
    int64_t j = 0;
    if (o->outer == 1) {
        for (int64_t t = 0; t < k; t++) memcpy(dst + t * width, b + t * o->along, (size_t)n * sizeof *dst);
        return;
    }
    if (o->along == 1)
        for (; j + 4 <= n; j += 4) {
            const GEMM_T *v[4];
            for (int r = 0; r < 4; r++) v[r] = b + (j + r) * o->outer;
            GEMM_INTERLEAVE4(v, k, dst + j, width);
        }
    for (int64_t t = 0; t < k; t++)
        for (int64_t i = j; i < n; i++) dst[t * width + i] = b[t * o->along + i * o->outer];
}

/* Rows i0 .. i0 + m of a product with a b that fits the second cache. Whole vectors of its rows are read in
 * place where they lie side by side. */
static void GEMM(small)(const struct gemm_plan *p, const struct operand *a, const struct operand *b,
                        int64_t i0, int64_t m, const struct result *r, GEMM_T *scratch)
{
    const int64_t step = SMALL_VECTORS * GEMM_W, whole = b->outer == 1 ? p->n - p->n % step : 0;
    const int64_t width = (p->n - whole + GEMM_W - 1) / GEMM_W * GEMM_W;
    const bool    ready = b->outer == 1 && whole + width == p->n;
    const GEMM_T *in_place = (const GEMM_T *)(const void *)address(b->x, b->at);
    const GEMM_T *pa = (const GEMM_T *)(const void *)address(a->x, a->at + i0 * a->outer);
    GEMM_T       *y = (GEMM_T *)(void *)address(r->y, r->at + i0 * p->n);
    if (!ready) GEMM(rows_of)(b, whole, p->n, p->k, width, scratch);
    for (int64_t j = 0; j < p->n; j += step) {
        const int64_t left = p->n - j, b_row = ready || j < whole ? b->along : width;
        const GEMM_T *pb = ready || j < whole ? in_place + j : scratch + (j - whole);
        if (SMALL_VECTORS > 2 && left > 2 * GEMM_W) GEMM(blocks)
        (SMALL_VECTORS, pa, a->outer, a->along, pb, b_row, m, p->k, y + j, p->n, left - 2 * GEMM_W);
        else if (left > GEMM_W)
            GEMM(blocks)(2, pa, a->outer, a->along, pb, b_row, m, p->k, y + j, p->n, left - GEMM_W);
        else GEMM(blocks)(1, pa, a->outer, a->along, pb, b_row, m, p->k, y + j, p->n, left);
    }
}

/* ---- a matrix times a vector: memory's speed ----------------------------------------------------- */

INLINE void GEMM(dots)(const int R, const GEMM_T *w, int64_t row, const GEMM_T *x, int64_t k, GEMM_T *y)
{
    GEMM(vec) acc[4][2];
    int64_t t = 0;
    for (int i = 0; i < R; i++) acc[i][0] = acc[i][1] = (GEMM(vec)){0};
    for (; t + 2 * GEMM_W <= k; t += 2 * GEMM_W)
        for (int j = 0; j < 2; j++) {
            const GEMM(vec) v = *(const GEMM(vec_any) *)(const void *)(x + t + j * GEMM_W);
#pragma GCC unroll 4
            for (int i = 0; i < R; i++) {
                const GEMM(vec) m = *(const GEMM(vec_any) *)(const void *)(w + i * row + t + j * GEMM_W);
                acc[i][j] = GEMM_FMA(m, v, acc[i][j]);
            }
        }
    for (int i = 0; i < R; i++) {
        GEMM_T lanes[GEMM_W];
        *(GEMM(vec_any) *)(void *)lanes = acc[i][0] + acc[i][1];
        for (int half = GEMM_W / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
        for (int64_t e = t; e < k; e++) lanes[0] += w[i * row + e] * x[e];
        y[i] = lanes[0];
    }
}

/* Outputs first .. first + n of w x, rows of w `outer` apart, its values `along` (one of them 1). */
static void GEMM(vector)(const struct operand *w, const GEMM_T *x, int64_t first, int64_t n, int64_t k,
                         GEMM_T *y)
{
    const GEMM_T *from = (const GEMM_T *)(const void *)address(w->x, w->at + first * w->outer);
    if (w->along == 1) {
        int64_t i = 0;
        for (; i + 4 <= n; i += 4) GEMM(dots)(4, from + i * w->outer, w->outer, x, k, y + i);
        for (; i < n; i++) GEMM(dots)(1, from + i * w->outer, w->outer, x, k, y + i);
        return;
    }
    for (int64_t i = 0; i < n; i++) y[i] = 0;
    int64_t t = 0;
    for (; t + 4 <= k; t += 4) {
        const GEMM_T *r0 = from + t * w->along, *r1 = r0 + w->along, *r2 = r1 + w->along, *r3 = r2 + w->along;
        const GEMM_T  x0 = x[t], x1 = x[t + 1], x2 = x[t + 2], x3 = x[t + 3];
        for (int64_t i = 0; i < n; i++) y[i] += (x0 * r0[i] + x1 * r1[i]) + (x2 * r2[i] + x3 * r3[i]);
    }
    for (; t < k; t++)
        for (int64_t i = 0; i < n; i++) y[i] += x[t] * from[t * w->along + i];
}
