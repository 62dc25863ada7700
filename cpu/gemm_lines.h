/* Products of rows with rows, both in place, for matmul.c: nothing is packed, which few rows would not pay
 * back. f32; sums are by lanes, so rows should be long. */
enum { LINES_A = W == 16 ? 4 : 2, LINES_B = 6, LINES_K = 1024, LINES_FROM = 64 };

/* In a register: the compiler would read it again for each use. */
INLINE vf lines_load(const float *p)
{
    vf v = v_load(p);
#if defined __x86_64__
    __asm__("" : "+x"(v));
#endif
    return v;
}

/* The last values of a row, `rest` before `end`; what lies before them counts for nothing, whatever it is. */
INLINE vf lines_rest(const float *end, vi rest)
{
    return (vf)((vi)v_load(end - W) & rest);
}

/* c[A][B] (+)= A rows of a by B rows of b over k values. */
INLINE void lines_block(const int A, const int B, const float *a, int64_t a_row, const float *b,
                        int64_t b_row, int64_t k, float *c, int64_t step, bool add)
{
    vf      acc[LINES_A][LINES_B], u[LINES_A];
    int64_t t = 0;
    for (int i = 0; i < A; i++)
        for (int j = 0; j < B; j++) acc[i][j] = v_set(0);
    for (; t + W <= k; t += W) {
        for (int i = 0; i < A; i++) u[i] = v_load(a + i * a_row + t);
#pragma GCC unroll 6
        for (int j = 0; j < B; j++) {
            const vf w = lines_load(b + j * b_row + t);
            for (int i = 0; i < A; i++) acc[i][j] = v_fma(u[i], w, acc[i][j]);
        }
    }
    if (t < k) {
        vi rest;
        for (int l = 0; l < W; l++) rest[l] = W - l <= k - t ? -1 : 0;
        for (int i = 0; i < A; i++) u[i] = lines_rest(a + i * a_row + k, rest);
#pragma GCC unroll 6
        for (int j = 0; j < B; j++) {
            const vf w = lines_rest(b + j * b_row + k, rest);
            for (int i = 0; i < A; i++) acc[i][j] = v_fma(u[i], w, acc[i][j]);
        }
    }
    float sum[LINES_A * LINES_B];
    for (int s = 0; s + 4 <= A * B; s += 4) {
        const v4 four = v_sum4(acc[s / B][s % B], acc[(s + 1) / B][(s + 1) % B],
                               acc[(s + 2) / B][(s + 2) % B], acc[(s + 3) / B][(s + 3) % B]);
        memcpy(sum + s, &four, sizeof four);
    }
    for (int s = A * B / 4 * 4; s < A * B; s++) sum[s] = v_sum(acc[s / B][s % B]);
    for (int i = 0; i < A; i++)
        for (int j = 0; j < B; j++) c[i * step + j] = sum[i * B + j] + (add ? c[i * step + j] : 0);
}

/* All m rows of a by B rows of b, which stay in the first cache meanwhile. */
INLINE void lines_strip(const int B, const float *a, int64_t a_row, int64_t m, const float *b, int64_t b_row,
                        int64_t k, float *c, int64_t step, bool add)
{
    int64_t i = 0;
    for (; i + LINES_A <= m; i += LINES_A)
        lines_block(LINES_A, B, a + i * a_row, a_row, b, b_row, k, c + i * step, step, add);
    for (; LINES_A > 2 && i + 2 <= m; i += 2)
        lines_block(2, B, a + i * a_row, a_row, b, b_row, k, c + i * step, step, add);
    for (; i < m; i++) lines_block(1, B, a + i * a_row, a_row, b, b_row, k, c + i * step, step, add);
}

static bool lines_fit(const struct gemm_plan *p, const struct operand *a, const struct operand *b)
{
    return p->cls == WK_CLASS_F32 && p->k >= LINES_FROM && a->along == 1 && b->along == 1 &&
           a->x->dtype == WK_f32 && b->x->dtype == WK_f32;
}

static void lines_tile(const struct gemm_plan *p, const struct operand *a, const struct operand *b,
                       int64_t i0, int64_t m, int64_t j0, int64_t n, const struct result *r, float *scratch)
{
    const float  *from = (const float *)(const void *)address(a->x, a->at + i0 * a->outer);
    const float  *with = (const float *)(const void *)address(b->x, b->at + j0 * b->outer);
    float        *c = p->direct ? (float *)(void *)address(r->y, r->at + i0 * p->n + j0) : scratch;
    float        *row = p->direct ? scratch : scratch + m * n;
    const int64_t step = p->direct ? p->n : n;
    for (int64_t k0 = 0; k0 < p->k; k0 += LINES_K) {
        const int64_t k = p->k - k0 < LINES_K ? p->k - k0 : LINES_K;
        int64_t       j = 0;
        for (; j + LINES_B <= n; j += LINES_B)
            lines_strip(LINES_B, from + k0, a->outer, m, with + j * b->outer + k0, b->outer, k, c + j, step,
                        k0 > 0);
        for (; j + 4 <= n; j += 4)
            lines_strip(4, from + k0, a->outer, m, with + j * b->outer + k0, b->outer, k, c + j, step,
                        k0 > 0);
        for (; j < n; j++)
            lines_strip(1, from + k0, a->outer, m, with + j * b->outer + k0, b->outer, k, c + j, step,
                        k0 > 0);
    }
    finish_f32(p, c, step, i0, m, j0, n, r, row);
}
