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

/* Several rows of x at once: one function for all formats of a kind, which calls theirs to unpack, since each
 * call serves all rows. */
#define AT_ONCE(kind, M)                                                                                     \
    TARGET static void UNIT(kind##_##M)(unpack256 f, int block, int bytes, int offset, const char *w,        \
                                        int64_t row_bytes, int64_t n, const struct chunk *x, int64_t k,      \
                                        float *y, int64_t y_step)                                            \
    {                                                                                                        \
        UNIT(rows)(f, block, bytes, offset, kind, M, w, row_bytes, n, x, k, y, y_step);                      \
    }
AT_ONCE(NARROW, 8)
AT_ONCE(NARROW, 4)
AT_ONCE(NARROW, 2)
AT_ONCE(MEDIUM, 8)
AT_ONCE(MEDIUM, 4)
AT_ONCE(MEDIUM, 2)
AT_ONCE(SIGNED, 8)
AT_ONCE(SIGNED, 4)
AT_ONCE(SIGNED, 2)
#undef AT_ONCE

TARGET INLINE void UNIT(any_rows)(unpack256 f, int block, int bytes, int offset, enum kind kind,
                                  const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,
                                  int64_t k, float *y, int64_t y_step)
{
#define KIND(name) [name] = { UNIT(name##_8), UNIT(name##_4), UNIT(name##_2) }
    static const rows_at_once at_once[][3] = {KIND(NARROW), KIND(MEDIUM), KIND(SIGNED)};
#undef KIND
    const int64_t chunks = (k + 255) / 256;
    for (int i = 0, M = MOST_ROWS; M > 1; i++, M /= 2)
        for (; m >= M; m -= M, x += M * chunks, y += M * y_step)
            at_once[kind][i](f, block, bytes, offset, w, row_bytes, n, x, k, y, y_step);
    if (m) UNIT(rows)(f, block, bytes, offset, kind, 1, w, row_bytes, n, x, k, y, y_step);
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
