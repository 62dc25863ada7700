/* Rows of block-quantised weights times few rows of x, by UNIT(sixteen_words). Included once for each
 * unit. */

/* 256 weights with M rows of x. */
TARGET INLINE void UNIT(products)(enum kind kind, const int M, const struct words *c, const struct chunk *x,
                                  int64_t chunks, vf *acc)
{
    for (int i = 0; i < M; i++, x += chunks)
        for (int L = 0; L < SCALES; L++) {
            const sums s = UNIT(sixteen_words)(kind, c->w[L], (const char *)x->code + BYTES * L, 64);
            if (FLIP || kind != SIGNED) acc[i] = v_fma(c->m[L], v_load(x->sum + W * L), acc[i]);
            acc[i] = v_fma(__builtin_convertvector((vi)s, vf), c->d[L] * v_load(x->scale + W * L), acc[i]);
        }
}

/* n rows of w against M rows of x, `run` chunks of 256 weights unpacked at a time. The order of sums is the
 * same for every M. */
TARGET INLINE void UNIT(rows)(unpack_run f, int64_t run, int64_t run_bytes, int64_t full, int64_t rest,
                              enum kind kind, const int M, const char *w, int64_t row_bytes, int64_t n,
                              const struct chunk *x, int64_t chunks, float *y, int64_t y_step)
{
    struct words c[RUN];
    for (int64_t j = 0; j < n; j++, w += row_bytes) {
        vf          acc[MOST_ROWS];
        const char *p = w;
        for (int i = 0; i < M; i++) acc[i] = v_set(0.0f);
        for (int64_t t = 0; t < chunks; t += run, p += run_bytes) {
            const int64_t now = chunks - t < run ? chunks - t : run;
            f(p, now, full - t, rest, FLIP, c);
            for (int64_t i = 0; i < now; i++) UNIT(products)(kind, M, c + i, x + t + i, chunks, acc);
        }
        for (int i = 0; i < M; i++) y[i * y_step + j] = v_sum(acc[i]);
    }
}

/* Several rows of x at once: one function for all formats of a kind, which calls theirs to unpack. */
#define AT_ONCE(kind, M)                                                                                     \
    TARGET static void UNIT(kind##_##M)(unpack_run f, int64_t run_bytes, int64_t full, int64_t rest,         \
                                        const char *w, int64_t row_bytes, int64_t n, const struct chunk *x,  \
                                        int64_t chunks, float *y, int64_t y_step)                            \
    {                                                                                                        \
        UNIT(rows)(f, RUN, run_bytes, full, rest, kind, M, w, row_bytes, n, x, chunks, y, y_step);           \
    }
AT_ONCE(NARROW, 8)
AT_ONCE(NARROW, 4)
AT_ONCE(MEDIUM, 8)
AT_ONCE(MEDIUM, 4)
AT_ONCE(SIGNED, 8)
AT_ONCE(SIGNED, 4)
#if FEWEST_ROWS == 2
AT_ONCE(NARROW, 2)
AT_ONCE(MEDIUM, 2)
AT_ONCE(SIGNED, 2)
#define KIND(name) [name] = {UNIT(name##_8), UNIT(name##_4), UNIT(name##_2)}
#else
#define KIND(name) [name] = {UNIT(name##_8), UNIT(name##_4)}
#endif
#undef AT_ONCE

TARGET INLINE void UNIT(any_rows)(unpack_run many, unpack_run one, int block, int bytes, enum kind kind,
                                  const char *w, int64_t row_bytes, int64_t n, const struct chunk *x, int m,
                                  int64_t k, float *y, int64_t y_step)
{
    static const rows_at_once at_once[][3] = {KIND(NARROW), KIND(MEDIUM), KIND(SIGNED)};
#undef KIND
    const int64_t step = 256 / block * bytes, chunks = (k + 255) / 256, full = k / 256;
    const int64_t rest = k % 256 / block * bytes;
    for (int i = 0, M = MOST_ROWS; M >= FEWEST_ROWS; i++, M /= 2)
        for (; m >= M; m -= M, x += M * chunks, y += M * y_step)
            at_once[kind][i](many, RUN * step, full, rest, w, row_bytes, n, x, chunks, y, y_step);
#if FEWEST_ROWS > 2
    for (; m >= 2; m -= 2, x += 2 * chunks, y += 2 * y_step)
        UNIT(rows)(one, 1, step, full, rest, kind, 2, w, row_bytes, n, x, chunks, y, y_step);
#endif
    if (m) UNIT(rows)(one, 1, step, full, rest, kind, 1, w, row_bytes, n, x, chunks, y, y_step);
}

#define DOT(t, block, bytes, offset, kind, parts, order)                                                     \
    TARGET static void UNIT(dot_##t)(const char *w, int64_t row_bytes, int64_t n, const struct chunk *x,     \
                                     int m, int64_t k, float *y, int64_t y_step, bool ahead)                 \
    {                                                                                                        \
        (void)ahead; /* always */                                                                            \
        UNIT(any_rows)(run_##t, each_##t, block, bytes, kind, w, row_bytes, n, x, m, k, y, y_step);          \
    }
WK_BLOCK_FORMATS(DOT)
#undef DOT

#define ROW(t, block, bytes, offset, kind, parts, order) [WK_##t] = UNIT(dot_##t),
static const wki_dot_rows UNIT(table)[WK_DTYPE_COUNT] = {WK_BLOCK_FORMATS(ROW)};
#undef ROW
