/* Two channels of bf16 as one value of a convolution's copy and of its weights: words of two, the first one
 * in the lower half. Part of conv_class.h. */

/* n words of the values at a and at b (NULL: zeros), every step-th. */
static void join_words(const uint16_t *a, const uint16_t *b, int64_t step, int64_t n, float *to)
{
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 mask = (__mmask16)(n - i < 16 ? (1 << (n - i)) - 1 : 0xffff);
        uint16_t        low[16] = {0}, high[16] = {0};
        __m256i         first, second = _mm256_setzero_si256();
        if (step == 1) {
            first = _mm256_maskz_loadu_epi16(mask, a + i);
            if (b) second = _mm256_maskz_loadu_epi16(mask, b + i);
        } else {
            for (int64_t j = 0; j < 16 && i + j < n; j++) {
                low[j] = a[(i + j) * step];
                high[j] = b ? b[(i + j) * step] : 0;
            }
            first = _mm256_loadu_si256((const __m256i *)(const void *)low);
            second = _mm256_loadu_si256((const __m256i *)(const void *)high);
        }
        const __m512i words = _mm512_or_si512(_mm512_cvtepu16_epi32(first),
                                              _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
        _mm512_mask_storeu_epi32(to + i, mask, words);
    }
}

static void CONV(load_row)(const struct conv *o, int64_t at, int64_t next, int64_t step, int64_t n,
                           CONV_T *to)
{
    const uint16_t *x = (const uint16_t *)o->data + at;
    join_words(x, next ? x + next : NULL, step, n, to);
}

/* Values of w side by side that belong to one channel. */
static int64_t weight_run(const struct conv *o)
{
    return o->turned ? o->m * o->taps : o->taps;
}

/* Runs first .. last of words: w with half as many channels. */
static void CONV(join_weights)(const struct conv *o, int64_t first, int64_t last, CONV_T *to)
{
    const int64_t run = weight_run(o);
    for (int64_t i = first; i < last; i++) {
        const int64_t   channel = i % o->c * 2;
        const uint16_t *w =
            (const uint16_t *)(const void *)address(o->w, (i / o->c * o->channels + channel) * run);
        join_words(w, channel + 1 < o->channels ? w + run : NULL, 1, run, to + i * run);
    }
}

/* Rows of a tile, with their bias, into the result: n values side by side. */
CONV_TARGET static void CONV(store_rows)(const CONV_T *c, int64_t step, int64_t rows, int64_t n,
                                         const CONV_T *bias, void *to, int64_t area)
{
    uint16_t *y = to;
    for (int64_t r = 0; r < rows; r++, c += step, y += area) {
        const CONV(vec) b = CONV_SET(bias[r]);
        for (int64_t j = 0; j < n; j += CONV_W) {
            const __mmask16 mask = (__mmask16)(n - j < 16 ? (1 << (n - j)) - 1 : 0xffff);
            const __m256bh  v = _mm512_cvtneps_pbh((__m512)(CONV(load)(c + j) + b));
            _mm256_mask_storeu_epi16(y + j, mask, (__m256i)v);
        }
    }
}
