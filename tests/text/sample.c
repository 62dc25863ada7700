/* Sampling: the options' sets, frequencies, determinism, odd logits. */
#include "golden.h"

#include <math.h>

#define N 8

static const float logits[N] = {1.0f, 3.0f, 2.0f, -1.0f, 0.0f, 2.5f, -3.0f, 1.5f};

/* How often each token is drawn in n draws. */
static void draws(wk_sample_opts o, const float *x, int n, int *count)
{
    wk_ctx     *c = wk_ctx_new("cpu");
    wk_sampler *s = wk_sampler_new(c, o, N);
    cr_assert_not_null(s, "%s", wk_ctx_message(c));
    memset(count, 0, N * sizeof *count);
    for (int i = 0; i < n; i++) {
        const int32_t id = wk_sample(s, x);
        cr_assert(id >= 0 && id < N);
        count[id]++;
    }
    wk_sampler_free(s);
    wk_ctx_free(c);
}

/* Frequencies agree with softmax(logits / temperature) over the tokens in `set` (chi square, 7 degrees: 30
 * is 1e-4). */
static void agrees(wk_sample_opts o, const char *set)
{
    const int n = 200000;
    int       count[N];
    double    total = 0, chi = 0;
    draws(o, logits, n, count);
    for (int i = 0; i < N; i++) total += set[i] == '1' ? exp((double)logits[i] / o.temperature) : 0;
    for (int i = 0; i < N; i++) {
        const double want = set[i] == '1' ? n * exp((double)logits[i] / o.temperature) / total : 0;
        if (want > 0)
            chi += (count[i] - want) * (count[i] - want) / want;
        else
            cr_assert_eq(count[i], 0, "token %d was drawn %d times", i, count[i]);
    }
    cr_assert_lt(chi, 30, "chi square %g", chi);
}

Test(sample, frequencies_follow_the_probabilities)
{
    agrees((wk_sample_opts){.temperature = 1}, "11111111");
    agrees((wk_sample_opts){.temperature = 0.5, .seed = 1}, "11111111");
    agrees((wk_sample_opts){.temperature = 2, .seed = 2}, "11111111");
    agrees((wk_sample_opts){.temperature = 1, .top_k = 3, .seed = 3}, "01100100");
    agrees((wk_sample_opts){.temperature = 1, .top_k = 100, .seed = 3}, "11111111");
    /* softmax: 0.056 0.414 0.152 0.008 0.021 0.251 0.001 0.092 */
    agrees((wk_sample_opts){.temperature = 1, .top_p = 0.6, .seed = 4}, "01000100");
    agrees((wk_sample_opts){.temperature = 1, .top_p = 0.7, .seed = 4}, "01100100");
    agrees((wk_sample_opts){.temperature = 1, .min_p = 0.2, .seed = 5}, "01100101");
    agrees((wk_sample_opts){.temperature = 1, .top_k = 4, .top_p = 0.95, .min_p = 0.3, .seed = 6},
           "01100100");
}

Test(sample, same_seed_same_tokens)
{
    int            one[N], two[N], other[N];
    wk_sample_opts o = {.temperature = 1, .seed = 42};
    draws(o, logits, 1000, one);
    draws(o, logits, 1000, two);
    o.seed = 43;
    draws(o, logits, 1000, other);
    cr_assert_arr_eq(one, two, sizeof one);
    cr_assert_neq(memcmp(one, other, sizeof one), 0);
}

Test(sample, greedy_takes_the_first_of_the_greatest)
{
    int         count[N];
    const float ties[N] = {0, 2, 1, 2, 2, -1, 0, 0};
    draws((wk_sample_opts){0}, ties, 3, count);
    cr_assert_eq(count[1], 3);
    draws((wk_sample_opts){.temperature = 1, .top_k = 1}, ties, 3, count);
    cr_assert_eq(count[1], 3);
}

Test(sample, logits_that_are_not_finite_are_never_drawn)
{
    int                         count[N];
    const float                 odd[N] = {NAN, 1, INFINITY, -INFINITY, 0.5f, NAN, -INFINITY, NAN};
    static const wk_sample_opts opts[] = {{0},
                                          {.temperature = 1},
                                          {.temperature = 1, .top_k = 5},
                                          {.temperature = 1, .top_p = 0.99},
                                          {.temperature = 1, .min_p = 0.01},
                                          {.temperature = 1e-300},
                                          {.temperature = 1e300}};
    for (size_t i = 0; i < sizeof opts / sizeof *opts; i++) {
        draws(opts[i], odd, 1000, count);
        cr_assert_eq(count[1] + count[4], 1000, "options %zu", i);
    }
    const float big[N] = {3e38f, -3e38f, 3e38f, 0, 0, 0, 0, 0};
    draws((wk_sample_opts){.temperature = 1}, big, 1000, count);
    cr_assert_eq(count[0] + count[2], 1000);
    wk_ctx     *c = wk_ctx_new("cpu");
    wk_sampler *s = wk_sampler_new(c, (wk_sample_opts){.temperature = 1}, N);
    cr_assert_eq(wk_sample(s, (const float[N]){NAN, NAN, NAN, NAN, NAN, INFINITY, NAN, -INFINITY}), -1);
    wk_sampler_free(s);
    wk_ctx_free(c);
}

Test(sample, repeated_tokens_are_penalised_while_they_are_remembered)
{
    wk_ctx     *c = wk_ctx_new("cpu");
    const float x[N] = {2, 1.9f, -1, -5, -5, -5, -5, -5};
    for (int all = 0; all < 2; all++) {
        wk_sampler *s =
            wk_sampler_new(c, (wk_sample_opts){.repeat_penalty = 1.5, .repeat_last = all ? -1 : 2}, N);
        cr_assert_eq(wk_sample(s, x), 0);
        wk_sampler_accept(s, 0); /* 2 / 1.5 < 1.9 */
        cr_assert_eq(wk_sample(s, x), 1);
        wk_sampler_accept(s, 1); /* 1.27 < 1.33 */
        cr_assert_eq(wk_sample(s, x), 0);
        wk_sampler_accept(s, -7);
        wk_sampler_accept(s, N);
        wk_sampler_accept(s, 3);
        wk_sampler_accept(s, 3); /* of the last two, neither is 0 or 1 */
        wk_sampler_accept(s, 1);
        cr_assert_eq(wk_sample(s, x), 0);
        wk_sampler_accept(s, 0);
        wk_sampler_accept(s, 2);
        cr_assert_eq(wk_sample(s, x), all ? 0 : 1, "only the short memory has forgotten token 1");
        wk_sampler_free(s);
    }
    wk_ctx_free(c);
}

Test(sample, a_large_vocabulary_needs_no_memory_per_token)
{
    const int64_t vocab = 150000;
    wk_ctx       *c = wk_ctx_new("cpu");
    float        *x = malloc((size_t)vocab * sizeof *x);
    uint64_t      state = 5;
    for (int64_t i = 0; i < vocab; i++) x[i] = (float)(golden_random(&state) % 2000) * 0.01f;
    static const wk_sample_opts opts[] = {
        {.temperature = 1, .top_p = 0.9},
        {.temperature = 1, .top_k = 40, .top_p = 0.9, .repeat_penalty = 1.1},
        {.temperature = 1, .top_p = 0.5, .min_p = 0.05}};
    for (size_t k = 0; k < sizeof opts / sizeof *opts; k++) {
        wk_sampler   *s = wk_sampler_new(c, opts[k], vocab);
        const int64_t before = wk_alloc_count();
        for (int i = 0; i < 20; i++) {
            const int32_t id = wk_sample(s, x);
            cr_assert(id >= 0 && id < vocab);
            cr_assert_gt(x[id], 10, "token %d of logit %g is far out of the nucleus", id, (double)x[id]);
            wk_sampler_accept(s, id);
        }
        cr_assert_eq(wk_alloc_count(), before);
        wk_sampler_free(s);
    }
    free(x);
    wk_ctx_free(c);
}

Test(sample, senseless_options_are_refused)
{
    static const wk_sample_opts opts[] = {{.temperature = -1},
                                          {.temperature = NAN},
                                          {.top_k = -1},
                                          {.top_p = 1.5},
                                          {.top_p = NAN},
                                          {.min_p = -0.1},
                                          {.min_p = 2},
                                          {.repeat_penalty = -1},
                                          {.repeat_last = -2},
                                          {.temperature = INFINITY},
                                          {.repeat_penalty = INFINITY}};
    wk_ctx                     *c = wk_ctx_new("cpu");
    for (size_t i = 0; i < sizeof opts / sizeof *opts; i++) {
        cr_assert_null(wk_sampler_new(c, opts[i], N), "options %zu", i);
        cr_assert_eq(wk_ctx_status(c), WK_EARG);
        wk_ctx_clear(c);
    }
    cr_assert_null(wk_sampler_new(c, (wk_sample_opts){0}, 0));
    wk_ctx_clear(c);
    for (int64_t n = 1; n <= 4; n++) {
        wk_alloc_fail_at(n, false);
        cr_assert_null(wk_sampler_new(c, (wk_sample_opts){0}, N));
        wk_alloc_fail_at(0, false);
        cr_assert_eq(wk_ctx_status(c), WK_ENOMEM);
        wk_ctx_clear(c);
    }
    wk_sampler_free(NULL);
    wk_ctx_free(c);
}
