/* The register tile of cpu/gemm_words.c by PAIRS(sums, w, x). Included once for each unit. */

/* c [MR][NR] (+)= MR rows of x times the columns over n groups of 64. */
TARGET static void UNIT(micro)(const struct rows64 *x, const struct columns64 *w, int64_t n, float *c,
                               bool add)
{
    for (; n > 0; n--, w++, x++, add = true) {
        sums s[MR][NV];
#pragma GCC unroll 12
        for (int r = 0; r < MR; r++) s[r][0] = s[r][1] = (sums)b_set(0);
#pragma GCC unroll 2
        for (int j = 0; j < PAIRED; j++) {
            const sums w0 = (sums)b_load(w->code[j]), w1 = (sums)b_load(w->code[j] + W);
#pragma GCC unroll 12
            for (int r = 0; r < MR; r++) {
                const sums two = (sums)(x->code[j * MR + r] - (vi){0});
                s[r][0] = PAIRS(s[r][0], w0, two);
                s[r][1] = PAIRS(s[r][1], w1, two);
                SETTLE(s[r][0]);
                SETTLE(s[r][1]);
            }
        }
#pragma GCC unroll 12
        for (int r = 0; r < MR; r++)
#pragma GCC unroll 2
            for (int v = 0; v < NV; v++) {
                float   *y = c + r * WKI_BLOCK_COLUMNS + v * W;
                const vf sum = __builtin_convertvector((vi)s[r][v], vf) * v_set(x->scale[r]);
                v_store(y, v_fma(sum, v_load(w->d + v * W), add ? v_load(y) : v_set(0.0f)));
            }
    }
}
