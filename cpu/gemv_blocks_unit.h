/* Rows of block-quantised weights times few rows of x, by UNIT(quarters). Included once for each unit. */

TARGET INLINE void UNIT(step)(enum kind kind, int offset, const struct codes256 *c, const struct chunk *x,
                              vf *acc, vf *low)
{
    for (int L = 0; L < SCALES; L++) {
        vb w[4], v[4];
        for (int j = 0; j < 4; j++) {
            w[j] = c->v[j * SCALES + L];
            v[j] = b_load(x->code + BYTES * (j * SCALES + L));
        }
        const vf s = __builtin_convertvector((vi)UNIT(quarters)(kind, w, v), vf);
        *acc = v_fma(s, c->d[L] * v_load(x->scale + W * L), *acc);
        if (kind != SIGNED) *low = v_fma(offset ? c->d[L] : c->m[L], v_load(x->sum + W * L), *low);
    }
}

/* n rows of w against M rows of x. */
TARGET INLINE void UNIT(rows)(unpack256 f, int block, int bytes, int offset, enum kind kind, const int M,
                              const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int64_t k,
                              float *y, int64_t y_step)
{
    const int     per = 256 / block;
    const int64_t chunks = (k + 255) / 256, full = k / 256, rest = k % 256 / block;
    const vf      low_scale = v_set(offset > 0 ? (float)-offset : 1.0f);
    for (int64_t j = 0; j < n; j++, w += row_bytes) {
        vf          acc[MOST_ROWS], low[MOST_ROWS];
        const char *p = w;
        for (int i = 0; i < M; i++) acc[i] = low[i] = v_set(0.0f);
        for (int64_t t = 0; t < full; t++, p += per * bytes) {
            struct codes256 c;
            for (int line = 0; line < per * bytes; line += 64) __builtin_prefetch(p + 2048 + line);
            f(p, per, &c);
            for (int i = 0; i < M; i++) UNIT(step)(kind, offset, &c, x + i * chunks + t, &acc[i], &low[i]);
        }
        if (rest) {
            struct codes256 c;
            f(p, rest, &c);
            for (int i = 0; i < M; i++) UNIT(step)(kind, offset, &c, x + i * chunks + full, &acc[i], &low[i]);
        }
        for (int i = 0; i < M; i++)
            y[i * y_step + j] = v_sum(kind == SIGNED ? acc[i] : v_fma(low[i], low_scale, acc[i]));
    }
}

TARGET INLINE void UNIT(any_rows)(unpack256 f, int block, int bytes, int offset, enum kind kind,
                                  const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,
                                  int64_t k, float *y, int64_t y_step)
{
    const int64_t chunks = (k + 255) / 256;
    for (; m >= 4; m -= 4, x += 4 * chunks, y += 4 * y_step)
        UNIT(rows)(f, block, bytes, offset, kind, 4, w, row_bytes, n, x, k, y, y_step);
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
