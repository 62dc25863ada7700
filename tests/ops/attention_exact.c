/* Attention against the definition in double precision, and the key-value cache. */
#include "tests/ops/fused.h"

struct attention_case {
    int      heads, groups, queries, keys, d, dv;
    bool     causal;
    int      window, start; /* start -1: none given */
    double   softcap;
    int      mask; /* 0 none, 1 bool, 2 real */
    wk_dtype t;    /* of keys and values */
    double   tolerance;
};

/* softmax(scale q k^T + mask) v of one batch entry, by the definition. */
static void exact(const struct attention_case *k, const double *q, const double *keys, const double *values,
                  const double *mask, double *y)
{
    const int start = k->start < 0 ? k->keys - k->queries : k->start;
    const int seen = k->start < 0 ? k->keys : k->start + k->queries;
    double   *s = malloc((size_t)(k->keys + 1) * sizeof *s);
    cr_assert(s);
    for (int h = 0; h < k->heads; h++)
        for (int t = 0; t < k->queries; t++) {
            const int     g = h / (k->heads / k->groups), at = start + t;
            const double *query = q + (h * k->queries + t) * k->d;
            double        most = -(double)INFINITY, sum = 0, *out = y + (h * k->queries + t) * k->dv;
            for (int j = 0; j < k->keys; j++) {
                double    dot = 0;
                const int bit = t * k->keys + j;
                for (int e = 0; e < k->d; e++) dot += query[e] * keys[(g * k->keys + j) * k->d + e];
                dot /= sqrt(k->d);
                if (k->softcap > 0) dot = k->softcap * tanh(dot / k->softcap);
                if (k->mask == 2) dot += mask[bit];
                const bool sees = j < seen && (!k->causal || j <= at) && (!k->window || j > at - k->window) &&
                                  (k->mask != 1 || mask[bit] != 0);
                s[j] = sees ? dot : -(double)INFINITY;
                if (s[j] > most) most = s[j];
            }
            for (int e = 0; e < k->dv; e++) out[e] = 0;
            for (int j = 0; j < k->keys && most > -(double)INFINITY; j++) {
                const double w = exp(s[j] - most);
                sum += w;
                for (int e = 0; e < k->dv; e++) out[e] += w * values[(g * k->keys + j) * k->dv + e];
            }
            for (int e = 0; e < k->dv && sum > 0; e++) out[e] /= sum;
        }
    free(s);
}

static wk_tensor noise(wk_ctx *c, uint64_t *state, wk_dtype t, wk_shape s)
{
    const int64_t n = fused_count(s);
    float        *v = malloc((size_t)(n + 1) * sizeof *v);
    cr_assert(v);
    for (int64_t i = 0; i < n; i++) v[i] = (float)fused_random(state);
    const wk_tensor x = wk_cast(c, wk_make(c, v, WK_f32, s), t);
    free(v);
    return x;
}

/* loose: products may be of 16 bits, with keys and values of a cache's dtype; of many rows with weights in
 * bf16. */
static void compare(wk_ctx *c, const struct attention_case *k, const char *isa, int number, bool loose)
{
    const bool      few = k->heads / k->groups * k->queries <= 16;
    const double    rounded = few ? 1e-4 : 4e-3, exact_to = k->tolerance > 0 ? k->tolerance : 2e-6;
    const double    tolerance = loose && k->t != WK_f32 ? rounded : exact_to;
    const wk_scope  scope = wk_scope_begin(c);
    uint64_t        state = 11;
    const wk_tensor q = noise(c, &state, WK_f32, WK_SHAPE(k->heads, k->queries, k->d)),
                    keys = noise(c, &state, k->t, WK_SHAPE(k->groups, k->keys, k->d)),
                    values = noise(c, &state, k->t, WK_SHAPE(k->groups, k->keys, k->dv));
    wk_tensor mask = WK_NONE, start = WK_NONE;
    if (k->mask) mask = noise(c, &state, WK_f32, WK_SHAPE(k->queries, k->keys));
    if (k->mask == 1) mask = wk_gt(c, mask, wk_scalar(c, 0));
    if (k->start >= 0) start = wk_full(c, k->start, number % 2 ? WK_i32 : WK_i64, WK_SHAPE(1));
    const wk_attend_opts o = {
        .causal = k->causal, .window = k->window, .softcap = k->softcap, .start = start, .mask = mask};
    wk_set_threads(c, 2);
    const wk_tensor y = wk_attend(c, q, keys, values, o);
    wk_set_threads(c, 1);
    const wk_tensor again = wk_attend(c, q, keys, values, o);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "case %d: %s", number, wk_ctx_message(c));
    cr_assert(wk_is_dense(wk_transpose(c, y, 0, 1)));
    double *dq = fused_read(c, q), *dk = fused_read(c, keys), *dv = fused_read(c, values);
    double *got = fused_read(c, y), *one = fused_read(c, again), *m = k->mask ? fused_read(c, mask) : NULL;
    const int64_t n = wk_count(y);
    double       *want = malloc((size_t)(n + 1) * sizeof *want);
    cr_assert(want);
    exact(k, dq, dk, dv, m, want);
    for (int64_t i = 0; i < n; i++) {
        cr_assert(fabs(got[i] - want[i]) <= tolerance, "case %d, %s: element %lld is %.9g, not %.9g", number,
                  isa, (long long)i, got[i], want[i]);
        cr_assert_eq(got[i], one[i], "case %d, %s: element %lld depends on threads", number, isa,
                     (long long)i);
    }
    double *all[] = {dq, dk, dv, got, one, m, want};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    wk_scope_end(c, scope, WK_NONE);
}

/* Instruction sets, and features taken from them. */
static const struct path {
    const char *isa, *without;
} paths[] = {{"v4", ""}, {"v4", "-vnni"}, {"v4", "-bf16"}, {"v3", ""}, {"v2", ""}, {"base", ""}};

static void compare_all(const struct attention_case *cases, size_t n)
{
    int found = 0;
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        setenv("WK_ISA", paths[p].isa, 1);
        setenv("WK_CPU_FEATURES", paths[p].without, 1);
        wk_ctx *c = wk_ctx_new("cpu");
        char    name[64];
        for (int precise = 0; precise < 2; precise++) {
            wk_set_precise(c, precise);
            snprintf(name, sizeof name, "%s%s%s", paths[p].isa, paths[p].without, precise ? ", precise" : "");
            for (size_t i = 0; i < n && wk_ctx_status(c) == WK_OK; i++)
                compare(c, &cases[i], name, (int)i, !precise && !strcmp(paths[p].isa, "v4"));
        }
        found += wk_ctx_status(c) == WK_OK;
        wk_ctx_free(c);
    }
    cr_assert_gt(found, 0);
}
#define COMPARE(cases) compare_all(cases, sizeof(cases) / sizeof *(cases))

Test(attention, decoding_agrees_with_the_definition)
{
    const struct attention_case cases[] = {
        {9, 3, 1, 1, 64, 64, true, 0, -1, 0, 0, WK_f32, 0},
        {9, 3, 1, 1000, 64, 64, true, 0, -1, 0, 0, WK_f16, 0},
        {9, 3, 1, 1000, 64, 64, true, 0, 700, 0, 0, WK_bf16, 0},
        {8, 1, 1, 77, 64, 64, true, 0, 0, 0, 0, WK_f32, 0},
        {4, 4, 1, 300, 80, 80, true, 0, -1, 0, 0, WK_f16, 0},
        {4, 2, 1, 513, 96, 96, true, 0, 400, 0, 0, WK_f16, 0},
        {4, 2, 1, 260, 128, 128, true, 0, -1, 0, 0, WK_bf16, 0},
        {2, 1, 1, 600, 256, 256, true, 0, -1, 0, 0, WK_f16, 0},
        {4, 2, 3, 400, 80, 80, false, 100, -1, 0, 0, WK_f16, 0},
        {5, 5, 4, 50, 7, 5, false, 0, -1, 0, 2, WK_f16, 0},
        {2, 1, 1, 3000, 64, 64, true, 0, -1, 0, 1, WK_f32, 0},
        {6, 2, 2, 900, 64, 32, true, 33, 800, 20, 0, WK_f16, 5e-6},
        {9, 3, 1, 500, 64, 64, true, 0, 450, 0, 0, WK_q8_0, 0},
        {4, 2, 1, 300, 64, 64, true, 0, -1, 0, 0, WK_q4_0, 0},
        {4, 2, 1, 0, 64, 64, false, 0, -1, 0, 0, WK_f32, 0},
        {3, 1, 2, 300, 24, 40, true, 0, 200, 0, 1, WK_f8e4m3, 0},
        {1, 1, 1, 65, 32, 96, true, 0, -1, 0, 0, WK_q8_0, 0},
        {14, 2, 1, 1111, 128, 128, true, 0, 1100, 0, 0, WK_q8_0, 0},
        {10, 5, 1, 2000, 64, 64, true, 300, 1950, 0, 0, WK_q8_0, 0},
        {4, 4, 4, 70, 96, 32, true, 0, -1, 25, 0, WK_q8_0, 5e-6},
        {12, 4, 5, 130, 64, 64, true, 0, -1, 0, 2, WK_q8_0, 0},
        {8, 1, 2, 777, 32, 64, true, 50, 770, 30, 1, WK_q4_0, 5e-6},
        {5, 1, 1, 3001, 96, 96, true, 0, -1, 0, 0, WK_q4_0, 0},
        {9, 3, 1, 3, 64, 64, true, 0, -1, 0, 0, WK_q4_0, 0},
    };
    COMPARE(cases);
}

Test(attention, prefill_agrees_with_the_definition)
{
    const struct attention_case cases[] = {
        {9, 3, 70, 70, 64, 64, true, 0, -1, 0, 0, WK_f32, 0},
        {9, 3, 17, 300, 64, 64, true, 0, 100, 0, 0, WK_f16, 0},
        {4, 4, 17, 33, 80, 80, false, 0, -1, 0, 0, WK_f32, 0},
        {8, 1, 40, 400, 96, 64, true, 128, 300, 30, 0, WK_bf16, 5e-6},
        {2, 2, 65, 65, 128, 128, true, 0, -1, 50, 0, WK_f32, 1e-5},
        {2, 2, 30, 50, 40, 24, false, 0, -1, 0, 2, WK_f32, 0},
        {32, 1, 20, 150, 64, 64, true, 0, -1, 0, 0, WK_f32, 0},
        {2, 2, 20, 4, 64, 64, true, 0, -1, 0, 0, WK_f32, 0},
        {1, 1, 200, 200, 64, 64, true, 20, -1, 0, 1, WK_f32, 0},
        {3, 3, 64, 1200, 64, 64, true, 0, 1100, 0, 0, WK_f16, 0},
        {2, 1, 33, 129, 256, 256, true, 0, 90, 0, 0, WK_f16, 0},
        {4, 2, 20, 130, 64, 64, true, 0, 100, 0, 0, WK_q8_0, 0},
        {4, 2, 20, 130, 32, 96, false, 0, -1, 0, 0, WK_q4_0, 0},
        {40, 1, 9, 40, 16, 16, true, 0, -1, 0, 0, WK_f32, 0},
        {300, 1, 2, 10, 8, 8, true, 0, -1, 0, 0, WK_f32, 0},
    };
    COMPARE(cases);
}

/* ---- what must fail ---- */

Test(attention, bad_arguments)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor q = wk_zeros(c, WK_f32, WK_SHAPE(4, 3, 8)), k = wk_zeros(c, WK_f32, WK_SHAPE(2, 5, 8)),
                    odd = wk_zeros(c, WK_f32, WK_SHAPE(3, 5, 8)), start = wk_full(c, 3, WK_i64, WK_SHAPE(1));
    const struct {
        wk_tensor      q, k, v;
        wk_attend_opts o;
        wk_status      want;
    } bad[] = {
        {q, odd, odd, {.scale = 1}, WK_ESHAPE},
        {q, k, odd, {.scale = 1}, WK_ESHAPE},
        {q, k, k, {.mask = wk_zeros(c, WK_f32, WK_SHAPE(3, 6))}, WK_ESHAPE},
        {q, k, k, {.mask = wk_zeros(c, WK_i32, WK_SHAPE(3, 5))}, WK_EDTYPE},
        {wk_zeros(c, WK_i32, WK_SHAPE(4, 3, 8)), k, k, {.scale = 1}, WK_EDTYPE},
        {q, k, k, {.start = wk_zeros(c, WK_f32, WK_SHAPE(1))}, WK_EARG},
        {q, k, k, {.window = -1}, WK_EARG},
        {q, k, k, {.start = start}, WK_EINDEX},
        {q, k, k, {.start = wk_full(c, -1, WK_i32, WK_SHAPE(1))}, WK_EINDEX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(wk_is_none(wk_attend(c, bad[i].q, bad[i].k, bad[i].v, bad[i].o)), "case %zu", i);
        cr_assert_eq(wk_ctx_status(c), bad[i].want, "case %zu: %s", i, wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    wk_ctx_free(c);
}

/* Entries with starts of their own give what each gives by itself, whose order of sums may be another. */
Test(attention, each_entry_begins_where_it_says)
{
    const struct {
        int64_t  queries, keys;
        wk_dtype t;
    } cases[] = {{1, 700, WK_f16}, {1, 90, WK_q8_0}, {33, 200, WK_f32}, {40, 130, WK_f16}};
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        for (size_t i = 0; i < sizeof cases / sizeof *cases && wk_ctx_status(c) == WK_OK; i++) {
            const int64_t   T = cases[i].queries, S = cases[i].keys, at[] = {S - T, 0, 17};
            uint64_t        state = 5;
            const wk_tensor q = noise(c, &state, WK_f32, WK_SHAPE(3, 4, T, 64)),
                            k = noise(c, &state, cases[i].t, WK_SHAPE(3, 2, S, 64)),
                            v = noise(c, &state, cases[i].t, WK_SHAPE(3, 2, S, 64));
            const wk_tensor y = wk_attend(
                c, q, k, v, (wk_attend_opts){.causal = true, .start = wk_make(c, at, WK_i64, WK_SHAPE(3))});
            for (int b = 0; b < 3; b++) {
                const wk_tensor alone =
                    wk_attend(c, wk_narrow(c, q, 0, b, 1), wk_narrow(c, k, 0, b, 1), wk_narrow(c, v, 0, b, 1),
                              (wk_attend_opts){.causal = true,
                                               .start = wk_full(c, (double)at[b], WK_i64, WK_SHAPE(1))});
                double *got = fused_read(c, wk_narrow(c, y, 0, b, 1)), *want = fused_read(c, alone);
                for (int64_t e = 0; e < wk_count(alone); e++)
                    cr_assert(fabs(got[e] - want[e]) <= 1e-5, "%s, case %zu: entry %d, %lld: %.9g, not %.9g",
                              name, i, b, (long long)e, got[e], want[e]);
                free(got);
                free(want);
            }
            wk_attend(c, q, k, v, (wk_attend_opts){.start = wk_full(c, (double)S, WK_i64, WK_SHAPE(3))});
            cr_assert_eq(wk_ctx_status(c), WK_EINDEX);
            wk_ctx_clear(c);
            wk_attend(c, q, k, v, (wk_attend_opts){.start = wk_zeros(c, WK_i64, WK_SHAPE(2))});
            cr_assert_eq(wk_ctx_status(c), WK_EARG);
            wk_ctx_clear(c);
        }
        wk_ctx_free(c);
    }
}

/* ---- the cache ---- */

Test(cache, positions_are_written_in_the_caches_dtype)
{
    const wk_dtype types[] = {WK_f32, WK_f16, WK_bf16, WK_q8_0};
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        for (size_t t = 0; t < sizeof types / sizeof *types && wk_ctx_status(c) == WK_OK; t++) {
            uint64_t        state = 3;
            const wk_tensor cache = wk_cast(c, wk_zeros(c, WK_f32, WK_SHAPE(2, 9, 32)), types[t]);
            const wk_tensor x = noise(c, &state, WK_f32, WK_SHAPE(4, 2, 32));
            wk_cache_write(c, cache, wk_transpose(c, x, 0, 1), wk_full(c, 5, WK_i32, WK_SHAPE(1)));
            double         *got = fused_read(c, cache);
            const wk_tensor round = wk_cast(c, wk_contiguous(c, wk_transpose(c, x, 0, 1)), types[t]);
            double         *want = fused_read(c, round);
            for (int h = 0; h < 2; h++)
                for (int i = 0; i < 9 * 32; i++) {
                    const int at = i / 32 - 5;
                    cr_assert_eq(got[h * 9 * 32 + i], at < 0 ? 0 : want[(h * 4 + at) * 32 + i % 32],
                                 "%s, %s: head %d, %d", name, wk_dtype_name(types[t]), h, i);
                }
            free(got);
            free(want);
        }
        wk_ctx_free(c);
    }
}

Test(cache, writes_beyond_it_fail)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor cache = wk_zeros(c, WK_f16, WK_SHAPE(2, 6, 8)),
                    x = wk_full(c, 1, WK_f32, WK_SHAPE(2, 2, 8));
    wk_cache_write(c, cache, x, wk_full(c, 5, WK_i64, WK_SHAPE(1)));
    cr_assert_eq(wk_ctx_status(c), WK_EINDEX);
    cr_assert(strstr(wk_ctx_message(c), "room for 6"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    wk_cache_write(c, cache, x, wk_full(c, -1, WK_i64, WK_SHAPE(1)));
    cr_assert_eq(wk_ctx_status(c), WK_EINDEX);
    wk_ctx_clear(c);
    wk_cache_write(c, cache, wk_zeros(c, WK_f32, WK_SHAPE(2, 7, 8)), wk_full(c, 0, WK_i64, WK_SHAPE(1)));
    cr_assert_eq(wk_ctx_status(c), WK_EINDEX);
    wk_ctx_clear(c);
    wk_cache_write(c, cache, wk_zeros(c, WK_f32, WK_SHAPE(3, 2, 8)), wk_full(c, 0, WK_i64, WK_SHAPE(1)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_clear(c);
    double *v = fused_read(c, cache);
    for (int i = 0; i < 96; i++) cr_assert_eq(v[i], 0);
    free(v);
    wk_ctx_free(c);
}

/* Large scores make one weight nearly 1, so that the gradient is a small difference of large terms. */
static void gradient_of_peaks(wk_dtype t, double relative, double absolute)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    uint64_t  state = 5;
    wk_tensor rough[4], x[3], wide[3];
    const int n[] = {3, 6, 6, 3};
    const int count = 4 * 3 * 8;
    double    got[4 * 3 * 8], want[4 * 3 * 8];
    for (int i = 0; i < 4; i++)
        rough[i] = wk_cast(c, wk_mul(c, noise(c, &state, WK_f32, WK_SHAPE(4, n[i], 8)), wk_scalar(c, 9)), t);
    wk_tape_begin(c);
    for (int i = 0; i < 3; i++) {
        x[i] = wk_track(c, rough[i]);
        wide[i] = wk_track(c, wk_cast(c, rough[i], WK_f64));
    }
    const wk_tensor y[] = {wk_attend(c, x[0], x[1], x[2], (wk_attend_opts){.causal = true}),
                           wk_attend(c, wide[0], wide[1], wide[2], (wk_attend_opts){.causal = true})};
    wk_backward_from(c, 2, y, (const wk_tensor[]){rough[3], wk_cast(c, rough[3], WK_f64)});
    cr_assert_eq(wk_read(c, wk_cast(c, wk_grad(c, x[0]), WK_f64), got), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_read(c, wk_grad(c, wide[0]), want), WK_OK);
    for (int i = 0; i < count; i++)
        cr_assert(fabs(got[i] - want[i]) <= absolute + relative * fabs(want[i]), "%s: dq[%d] is %g, not %g",
                  wk_dtype_name(t), i, got[i], want[i]);
    wk_ctx_free(c);
}

Test(attention, gradient_of_few_keys_is_not_blurred_by_the_kept_result)
{
    gradient_of_peaks(WK_f32, 1e-5, 2e-4);
    gradient_of_peaks(WK_bf16, 4e-3, 1e-3);
}

Test(cache, no_sequences_are_written_at_once)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_cache_write(c, wk_zeros(c, WK_f32, WK_SHAPE(0, 2, 9, 8)), wk_zeros(c, WK_f32, WK_SHAPE(0, 2, 1, 8)),
                   wk_full(c, 3, WK_i64, WK_SHAPE(1)));
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}
