/* Rows of block-quantised weights times few rows of x, by UNIT(sixteen_words). Included once for each
 * unit. */

/* 256 weights, `blocks` blocks of them, with M rows of x. */
TARGET INLINE void UNIT(step)(unpack256 f, int64_t blocks, int offset, enum kind kind, const int M,
                              const char *p, const struct chunk *x, int64_t chunks, vf *acc)
{
    const int       minus = kind == SIGNED ? FLIP : offset;
    struct codes256 c;
    vb              w[SCALES][4];
    f(p, blocks, &c);
    for (int L = 0; L < SCALES; L++) {
        sums t[4];
        for (int j = 0; j < 4; j++) t[j] = (sums)c.v[j * SCALES + L];
        transposed(t); /* products add up under their slot's scale */
        for (int j = 0; j < 4; j++) w[L][j] = kind == SIGNED ? (vb)t[j] ^ b_set(FLIP) : (vb)t[j];
        if (minus) c.m[L] = c.d[L] * v_set((float)-minus);
    }
    for (int i = 0; i < M; i++, x += chunks)
        for (int L = 0; L < SCALES; L++) {
            const sums s = UNIT(sixteen_words)(kind, w[L], (const char *)x->code + BYTES * L, 64);
            if (minus || kind != SIGNED) acc[i] = v_fma(c.m[L], v_load(x->sum + W * L), acc[i]);
            acc[i] = v_fma(__builtin_convertvector((vi)s, vf), c.d[L] * v_load(x->scale + W * L), acc[i]);
        }
}

/* n rows of w against M rows of x. The order of sums is the same for every M. */
TARGET INLINE void UNIT(rows)(unpack256 f, int block, int bytes, int offset, enum kind kind, const int M,
                              const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int64_t k,
                              float *y, int64_t y_step)
{
    const int     per = 256 / block;
    const int64_t chunks = (k + 255) / 256, full = k / 256, rest = k % 256 / block;
    for (int64_t j = 0; j < n; j++, w += row_bytes) {
        vf          acc[MOST_ROWS];
        const char *p = w;
        for (int i = 0; i < M; i++) acc[i] = v_set(0.0f);
        for (int64_t t = 0; t < chunks; t++, p += per * bytes) {
            const char *from = p;
            char        part[320]; /* what is missing counts as zeros: one step serves both */
            if (t == full) from = memset(part, 0, sizeof part), memcpy(part, p, (size_t)(rest * bytes));
            for (int line = 0; line < per * bytes; line += 64) __builtin_prefetch(p + 2048 + line);
            UNIT(step)(f, per, offset, kind, M, from, x + t, chunks, acc);
        }
        for (int i = 0; i < M; i++) y[i * y_step + j] = v_sum(acc[i]);
    }
}

TARGET INLINE void UNIT(any_rows)(unpack256 f, int block, int bytes, int offset, enum kind kind,
                                  const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,
                                  int64_t k, float *y, int64_t y_step)
{
    const int64_t chunks = (k + 255) / 256;
    for (; m >= MOST_ROWS; m -= MOST_ROWS, x += MOST_ROWS * chunks, y += MOST_ROWS * y_step)
        UNIT(rows)(f, block, bytes, offset, kind, MOST_ROWS, w, row_bytes, n, x, k, y, y_step);
    if (m >= 4) {
        UNIT(rows)(f, block, bytes, offset, kind, 4, w, row_bytes, n, x, k, y, y_step);
        m -= 4, x += 4 * chunks, y += 4 * y_step;
    }
    if (m == 3) UNIT(rows)(f, block, bytes, offset, kind, 3, w, row_bytes, n, x, k, y, y_step);
    if (m == 2) UNIT(rows)(f, block, bytes, offset, kind, 2, w, row_bytes, n, x, k, y, y_step);
    if (m == 1) UNIT(rows)(f, block, bytes, offset, kind, 1, w, row_bytes, n, x, k, y, y_step);
}

#define DOT(t, block, bytes, offset, kind, parts, order)                                                     \
    TARGET static void UNIT(dot_##t)(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x,     \
                                     int m, int64_t k, float *y, int64_t y_step)                             \
    {                                                                                                        \
        UNIT(any_rows)(unpack_##t, block, bytes, offset, kind, w, row_bytes, n, x, m, k, y, y_step);         \
    }
WK_BLOCK_FORMATS(DOT)
#undef DOT

#define ROW(t, block, bytes, offset, kind, parts, order) [WK_##t] = UNIT(dot_##t),
static const wki_dot_rows UNIT(table)[WK_DTYPE_COUNT] = {WK_BLOCK_FORMATS(ROW)};
#undef ROW
