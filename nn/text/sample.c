/* Draws the next token from logits. */
#include "text.h"

#include <math.h>
#include <string.h>

struct candidate {
    float   logit;
    int32_t id;
};

struct wk_sampler {
    wk_sample_opts    o;
    int64_t           vocab;
    struct candidate *candidate; /* [vocab] */
    int32_t          *history;   /* [look_back]: ring of the last tokens, or all distinct ones */
    uint32_t         *seen;      /* [vocab]: how often the history has it */
    int64_t           look_back, held, next;
    bool              forgets;
    uint64_t          draws;
};

/* Philox 4x32-10 (Salmon et al., SC11): draw number `counter` of stream `seed`, in [0, 1). */
static double uniform(uint64_t seed, uint64_t counter)
{
    uint32_t x[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    uint32_t k[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int i = 0; i < 10; i++) {
        const uint64_t a = (uint64_t)x[0] * 0xD2511F53u, b = (uint64_t)x[2] * 0xCD9E8D57u;
        const uint32_t y[4] = {(uint32_t)(b >> 32) ^ x[1] ^ k[0], (uint32_t)b,
                               (uint32_t)(a >> 32) ^ x[3] ^ k[1], (uint32_t)a};
        memcpy(x, y, sizeof x);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    return (double)((((uint64_t)x[0] << 32) | x[1]) >> 11) * 0x1p-53;
}

static bool check(wk_ctx *c, wk_sample_opts o, int64_t vocab)
{
    const char *wrong = NULL;
    if (vocab < 1 || vocab > INT32_MAX) wrong = "vocabulary must be from 1 to 2^31 - 1";
    if (!(o.temperature >= 0 && o.temperature < INFINITY)) wrong = "temperature must be 0 or more";
    if (o.top_k < 0) wrong = "top_k must be 0 or more";
    if (!(o.top_p >= 0 && o.top_p <= 1)) wrong = "top_p must be from 0 to 1";
    if (!(o.min_p >= 0 && o.min_p <= 1)) wrong = "min_p must be from 0 to 1";
    if (!(o.repeat_penalty >= 0 && o.repeat_penalty < INFINITY)) wrong = "repeat_penalty must be 0 or more";
    if (o.repeat_last < -1) wrong = "repeat_last must be -1 or more";
    if (wrong) wk_fail(c, WK_EARG, "sampler: %s", wrong);
    return !wrong;
}

wk_sampler *wk_sampler_new(wk_ctx *c, wk_sample_opts o, int64_t vocab)
{
    if (wk_ctx_status(c) || !check(c, o, vocab)) return NULL;
    wk_sampler *s = wk_alloc_zero(1, sizeof *s);
    if (s) {
        if (o.top_p == 0) o.top_p = 1;
        if (o.repeat_penalty == 0) o.repeat_penalty = 1;
        if (o.repeat_last == 0) o.repeat_last = 64;
        s->o = o;
        s->vocab = vocab;
        s->forgets = o.repeat_last > 0;
        s->look_back = s->forgets && o.repeat_last < (1 << 20) ? o.repeat_last : s->forgets ? 1 << 20 : vocab;
        s->candidate = wk_alloc((size_t)vocab * sizeof *s->candidate);
        s->history = wk_alloc((size_t)s->look_back * sizeof *s->history);
        s->seen = wk_alloc_zero((size_t)vocab, sizeof *s->seen);
    }
    if (s && s->candidate && s->history && s->seen) return s;
    wk_fail(c, WK_ENOMEM, "sampler: no memory for %lld tokens", (long long)vocab);
    wk_sampler_free(s);
    return NULL;
}

void wk_sampler_free(wk_sampler *s)
{
    if (!s) return;
    wk_free(s->candidate);
    wk_free(s->history);
    wk_free(s->seen);
    wk_free(s);
}

void wk_sampler_accept(wk_sampler *s, int32_t token)
{
    if (token < 0 || token >= s->vocab) return;
    if (!s->forgets) {
        if (!s->seen[token]) s->history[s->held++] = token;
        s->seen[token] = 1;
        return;
    }
    if (s->held == s->look_back)
        s->seen[s->history[s->next]]--;
    else
        s->held++;
    s->history[s->next] = token;
    s->next = (s->next + 1) % s->look_back;
    s->seen[token]++;
}

/* Larger logits first, of equal ones the smaller id: a total order, so that selecting is deterministic. */
static inline bool before(struct candidate a, struct candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static inline void swap(struct candidate *x, int64_t i, int64_t k)
{
    const struct candidate t = x[i];
    x[i] = x[k];
    x[k] = t;
}

/* Sorts a heap whose root comes last in order. */
static void sift(struct candidate *x, int64_t i, int64_t n)
{
    for (int64_t k; (k = 2 * i + 1) < n; i = k) {
        if (k + 1 < n && before(x[k], x[k + 1])) k++;
        if (!before(x[i], x[k])) return;
        swap(x, i, k);
    }
}

/* The first k of n in order, sorted: a heap of the best so far. */
static void select_sorted(struct candidate *x, int64_t n, int64_t k)
{
    for (int64_t i = k / 2; i-- > 0;) sift(x, i, k);
    for (int64_t i = k; i < n; i++) {
        if (!before(x[i], x[0])) continue;
        swap(x, 0, i);
        sift(x, 0, k);
    }
    for (int64_t i = k; i-- > 1;) {
        swap(x, 0, i);
        sift(x, 0, i);
    }
}

/* Finite logits, repeated tokens penalised: positive logits divided, negative ones multiplied. Returns how
 * many. */
static int64_t gather(wk_sampler *s, const float *logits)
{
    const float penalty = (float)s->o.repeat_penalty;
    int64_t     n = 0;
    for (int64_t i = 0; i < s->vocab; i++) {
        float x = logits[i];
        if (s->seen[i] && penalty != 1.0f) x = x > 0 ? x / penalty : x * penalty;
        s->candidate[n] = (struct candidate){x, (int32_t)i};
        n += isfinite(x) ? 1 : 0;
    }
    return n;
}

static int32_t greatest(const struct candidate *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i].logit > x[best].logit) best = i;
    return x[best].id;
}

/* Sorts the smallest set whose probabilities reach top_p to the front; returns its size. */
static int64_t nucleus(struct candidate *x, int64_t n, int64_t sorted, double top_p)
{
    float  max = x[0].logit;
    double total = 0;
    for (int64_t i = 1; i < n; i++) max = x[i].logit > max ? x[i].logit : max;
    for (int64_t i = 0; i < n; i++) total += (double)expf(x[i].logit - max);
    for (int64_t k = sorted ? sorted : 64;; k = k * 8) { /* few tokens hold most of the mass: try few first */
        if (k > n) k = n;
        if (!sorted) select_sorted(x, n, k);
        double sum = 0;
        for (int64_t i = 0; i < k; i++) {
            sum += (double)expf(x[i].logit - max);
            if (sum >= top_p * total) return i + 1;
        }
        if (k == n) return n;
    }
}

/* Those with at least min_p of the greatest probability. */
static int64_t likely(struct candidate *x, int64_t n, double min_p)
{
    float max = x[0].logit;
    for (int64_t i = 1; i < n; i++) max = x[i].logit > max ? x[i].logit : max;
    const double least = (double)max + log(min_p);
    int64_t      kept = 0;
    for (int64_t i = 0; i < n; i++)
        if ((double)x[i].logit >= least) x[kept++] = x[i];
    return kept;
}

/* Overwrites the logits with weights. */
static int32_t draw(wk_sampler *s, int64_t n)
{
    struct candidate *x = s->candidate;
    const double      scale = 1 / s->o.temperature;
    float             max = x[0].logit;
    double            total = 0, sum = 0;
    for (int64_t i = 1; i < n; i++) max = x[i].logit > max ? x[i].logit : max;
    for (int64_t i = 0; i < n; i++) {
        x[i].logit = expf((float)((double)(x[i].logit - max) * scale));
        total += (double)x[i].logit;
    }
    const double u = uniform(s->o.seed, s->draws++) * total;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i].logit;
        if (sum > u) return x[i].id;
    }
    return greatest(x, n); /* rounding: u fell on the very end */
}

int32_t wk_sample(wk_sampler *s, const float *logits)
{
    struct candidate *x = s->candidate;
    int64_t           n = gather(s, logits), sorted = 0;
    if (!n) return -1;
    const double scale = 1 / s->o.temperature;
    if (s->o.temperature == 0 || !(scale < INFINITY)) return greatest(x, n);
    if (s->o.top_k && s->o.top_k < n) {
        select_sorted(x, n, s->o.top_k);
        n = sorted = s->o.top_k;
    }
    if (s->o.top_p < 1) n = nucleus(x, n, sorted, s->o.top_p);
    if (s->o.min_p > 0) n = likely(x, n, s->o.min_p);
    return draw(s, n);
}
