/* The register tile of cpu/gemm_blocks.c by UNIT(sixteen). Included once for each unit. */

/* c [MR][NR] (+)= MR rows of x times the columns over n groups of 32, in which w has `parts` scales. `low`:
 * there are minima. */
TARGET INLINE void UNIT(micro)(enum kind kind, const int parts, const bool low, const struct rows32 *x,
                               const struct columns32 *w, int64_t n, float *c, bool add)
{
    vf acc[MR][NV];
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++)
            acc[r][v] = add ? v_load(c + r * WKI_BLOCK_COLUMNS + v * W) : v_set(0.0f);
    for (; n > 0; n--, w++, x++) {
        vf part[MR][NV];
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            sums s[MR][NV];
            UNIT(sixteen)(kind, x->code + 4 * h * MR, w->code + 4 * h * NR, s);
#pragma GCC unroll 8
            for (int r = 0; r < MR; r++) {
                const vf scale = v_set(x->scale[h][r]);
#pragma GCC unroll 2
                for (int v = 0; v < NV; v++) {
                    const vf sum = __builtin_convertvector((vi)s[r][v], vf);
                    part[r][v] = parts == 1 && h ? v_fma(sum, scale, part[r][v]) : sum * scale;
                    if (parts == 1 && h == 0) continue;
                    const int at = parts == 1 ? 0 : h;
                    acc[r][v] = v_fma(v_load(w->d[at] + v * W), part[r][v], acc[r][v]);
                    if (low)
                        acc[r][v] =
                            v_fma(v_load(w->m[at] + v * W), v_set(x->sum[parts == 1 ? 2 : h][r]), acc[r][v]);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 2
        for (int v = 0; v < NV; v++) v_store(c + r * WKI_BLOCK_COLUMNS + v * W, acc[r][v]);
}

#define MICRO(kind, parts, low)                                                                              \
    TARGET static void UNIT(micro_##kind##_##parts)(const struct rows32 *x, const struct columns32 *w,       \
                                                    int64_t n, float *c, bool add)                           \
    {                                                                                                        \
        UNIT(micro)(kind, parts, low, x, w, n, c, add);                                                      \
    }
MICRO(NARROW, 1, true)
MICRO(NARROW, 2, true)
MICRO(MEDIUM, 2, true)
MICRO(SIGNED, 1, FLIP != 0)
#undef MICRO

static const struct unit UNIT(unit) = {{[NARROW] = {UNIT(micro_NARROW_1), UNIT(micro_NARROW_2)},
                                        [MEDIUM] = {NULL, UNIT(micro_MEDIUM_2)},
                                        [SIGNED] = {UNIT(micro_SIGNED_1), NULL}},
                                       FLIP,
                                       EIGHTS};
