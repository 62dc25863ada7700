/* Generation to standard output. */
#include "generate.h"

#include <string.h>
#include <time.h>

struct sink {
    struct text *answer;
    bool         closed; /* nobody reads standard output any more */
};

static bool append(struct text *t, const char *bytes, size_t n)
{
    if (t->length + n + 1 > t->capacity) {
        const size_t cap = (t->length + n + 1) * 2;
        char        *grown = wk_resize(t->bytes, cap);
        if (!grown) return false;
        t->bytes = grown;
        t->capacity = cap;
    }
    memcpy(t->bytes + t->length, bytes, n);
    t->length += n;
    t->bytes[t->length] = '\0';
    return true;
}

static bool piece(void *arg, const char *bytes, size_t n)
{
    struct sink *k = arg;
    if (fwrite(bytes, 1, n, stdout) != n || fflush(stdout) != 0) {
        k->closed = true;
        return false;
    }
    if (k->answer && !append(k->answer, bytes, n)) return false;
    return !interrupted();
}

int generate(struct session *s, const struct options *o, const wk_tokens *prompt, struct text *answer,
             wk_tokens *made)
{
    struct sink            sink = {.answer = answer};
    const wk_generate_opts g = {
        .sample = {.temperature = o->temperature,
                   .top_k = o->top_k,
                   .top_p = o->top_p,
                   .min_p = o->min_p,
                   .repeat_penalty = o->repeat_penalty,
                   .repeat_last = o->repeat_last,
                   .seed = o->seed_given ? (uint64_t)o->seed
                                         : (uint64_t)time(NULL) * 2654435761u + (uint64_t)clock()},
        .max_tokens = o->predict > 0 ? o->predict : 0,
        .stop = o->stop,
        .n_stop = o->n_stop,
        .ignore_eos = o->ignore_eos,
        .batch = o->batch,
        .piece = piece,
        .arg = &sink};
    if (o->predict == 0) return EXIT_OK;
    const wk_generated r = wk_generate(s->c, s->model, s->tokenizer, s->cache, prompt, g, made);
    if (o->verbose)
        fprintf(stderr, "\nprompt: %lld tokens, %.1f tokens/s; answer: %lld tokens, %.1f tokens/s\n",
                (long long)r.prompt_tokens, (double)r.prompt_tokens / (r.prompt_seconds + 1e-9),
                (long long)r.tokens, (double)r.tokens / (r.seconds + 1e-9));
    if (r.finish == WK_FINISH_ERROR && wk_ctx_status(s->c) != WK_ECANCELLED) return failed_ctx(s->c);
    if (interrupted()) {
        wk_ctx_clear(s->c);
        return EXIT_INTERRUPTED;
    }
    return sink.closed ? EXIT_FAILED : EXIT_OK;
}
