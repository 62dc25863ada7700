/* wick perplexity: how well a model predicts a text. */
#include "wick.h"

#include <math.h>

/* Sum of -log softmax(row)[target] over n rows, in double. */
static double loss_of(const float *logits, const int32_t *target, int64_t n, int64_t vocab)
{
    double sum = 0;
    for (int64_t r = 0; r < n; r++) {
        const float *x = logits + r * vocab;
        float        top = x[0];
        double       total = 0;
        for (int64_t i = 1; i < vocab; i++)
            if (x[i] > top) top = x[i];
        for (int64_t i = 0; i < vocab; i++) total += exp((double)(x[i] - top));
        sum += log(total) - (double)(x[target[r]] - top);
    }
    return sum;
}

struct score {
    double  loss;
    int64_t counted;
};

/* One window through the cache, batch by batch; all its logits into keep when that is not NULL. */
static bool score_window(struct session *s, const int32_t *id, int64_t n, int64_t batch, float *keep,
                         struct score *score)
{
    const int64_t vocab = wk_model_about(s->model).vocab;
    float        *logits = keep ? NULL : wk_alloc((size_t)(batch * vocab) * sizeof *logits);
    if (!keep && !logits) return false;
    wk_cache_truncate(s->cache, 0);
    for (int64_t at = 0; at < n && !wk_ctx_status(s->c); at += batch) {
        const int64_t  m = n - at < batch ? n - at : batch;
        float         *rows = keep ? keep + at * vocab : logits;
        const wk_scope scope = wk_scope_begin(s->c);
        wk_tensor      tokens = wk_make(s->c, id + at, WK_i32, WK_SHAPE(m));
        wk_tensor      y = wk_model_forward(s->c, s->model, tokens, s->cache, (wk_forward_opts){0});
        if (wk_read(s->c, wk_cast(s->c, y, WK_f32), rows) == WK_OK) {
            const int64_t count = at + m < n ? m : m - 1;
            score->loss += loss_of(rows, id + at + 1, count, vocab);
            score->counted += count;
        }
        wk_scope_end(s->c, scope, WK_NONE);
    }
    wk_free(logits);
    return true;
}

static int report(const struct options *o, int64_t tokens, const struct score *r)
{
    const double mean = r->counted ? r->loss / (double)r->counted : NAN;
    if (o->json)
        printf("{\"tokens\": %lld, \"scored\": %lld, \"nll\": %.9g, \"perplexity\": %.9g}\n",
               (long long)tokens, (long long)r->counted, mean, exp(mean));
    else
        printf("tokens      %lld\nscored      %lld\nmean nll    %.6f\nperplexity  %.4f\n", (long long)tokens,
               (long long)r->counted, mean, exp(mean));
    return EXIT_OK;
}

int verb_perplexity(const struct options *o)
{
    size_t length;
    char  *text = prompt_text(o, &length);
    if (!text) return EXIT_FAILED;
    struct session s;
    if (!session_open(&s, o, true)) {
        wk_free(text);
        return EXIT_FAILED;
    }
    wk_tokens tokens = {0};
    wk_encode(s.c, s.tokenizer, text, length, (wk_encode_opts){.add_edges = true}, &tokens);
    wk_free(text);
    const int64_t vocab = wk_model_about(s.model).vocab;
    struct score  score = {0};
    float        *keep = NULL;
    int           code = EXIT_OK;
    if (wk_ctx_status(s.c)) {
        code = failed_ctx(s.c);
    } else if (tokens.count < 2) {
        code = failed("the text has %lld tokens; two are the least", (long long)tokens.count);
    } else if (o->logits && tokens.count > s.context) {
        code = failed("--logits: the text has %lld tokens, the context %lld (-c)", (long long)tokens.count,
                      (long long)s.context);
    } else if (o->logits && !(keep = wk_alloc((size_t)(tokens.count * vocab) * sizeof *keep))) {
        code = failed("out of memory for %lld rows of logits", (long long)tokens.count);
    }
    for (int64_t at = 0; code == EXIT_OK && at + 1 < tokens.count; at += s.context) {
        const int64_t n = tokens.count - at < s.context ? tokens.count - at : s.context;
        if (!score_window(&s, tokens.id + at, n, o->batch, keep, &score)) code = failed("out of memory");
        if (wk_ctx_status(s.c)) code = failed_ctx(s.c);
    }
    if (code == EXIT_OK && o->logits) {
        wk_tensor x = wk_make(s.c, keep, WK_f32, WK_SHAPE(tokens.count, vocab));
        if (wk_save_npy(s.c, o->logits, x)) code = failed_ctx(s.c);
    }
    if (code == EXIT_OK) code = report(o, tokens.count, &score);
    wk_free(keep);
    wk_tokens_free(&tokens);
    session_close(&s);
    return code;
}
