/* wk_generate on a device: the CPU's tokens; a steady step allocates nothing, waits once and, where the
 * device records, launches little beside what was recorded. */
#include "nn/text/text.h"
#include "tests/optest/counts.h"
#include "tests/optest/steps.h"

#include <string.h>

#define FOLDER WK_SOURCE_DIR "/tests/golden/"
enum { PROMPT = 5, TOKENS = 18, STEADY = 7, BESIDE = 4 };

struct answer {
    wk_tokens     out;
    int           pieces, cancel_at;
    wk_ctx       *c;
    struct counts from, to;
    int64_t       allocations, made, steps;
    bool          counted;
};

/* A piece is the text of one token or of a few. */
static bool piece(void *arg, const char *text, size_t n)
{
    struct answer *a = arg;
    (void)text;
    if (n && ++a->pieces == STEADY) {
        a->allocations = wk_alloc_count();
        a->steps = a->out.count;
        a->counted = device_counts(&a->from);
    }
    if (a->pieces == STEADY + 8) {
        a->made = wk_alloc_count() - a->allocations;
        a->steps = a->out.count - a->steps;
        a->counted = a->counted && device_counts(&a->to);
    }
    if (a->pieces == a->cancel_at) wk_cancel(a->c);
    return true;
}

static enum wk_finish generate(struct answer *a, const char *device, const char *model, int64_t capacity)
{
    char           path[1024];
    int32_t        id[PROMPT] = {7, 13, 4, 18, 7};
    enum wk_finish finish = WK_FINISH_ERROR;
    a->c = wk_ctx_new(device);
    wk_set_precise(a->c, true);
    snprintf(path, sizeof path, FOLDER "%s", model);
    wk_model *chain = wk_model_open(a->c, FOLDER "text/chain.gguf"), *m = wk_model_open(a->c, path);
    if (chain && m) {
        wk_tokenizer   *t = wk_tokenizer_open(a->c, wk_model_files(chain));
        wk_cache       *cache = wk_model_cache(a->c, m, capacity, WK_f32, WK_f32);
        const wk_tokens prompt = {.id = id, .count = PROMPT, .capacity = PROMPT};
        if (t && cache)
            finish =
                wk_generate(
                    a->c, m, t, cache, &prompt,
                    (wk_generate_opts){
                        .ignore_eos = true, .special = true, .max_tokens = TOKENS, .piece = piece, .arg = a},
                    &a->out)
                    .finish;
        wk_cache_free(cache);
        wk_tokenizer_free(t);
    }
    wk_model_free(m);
    wk_model_free(chain);
    return finish;
}

static void done(struct answer *a)
{
    wk_tokens_free(&a->out);
    wk_ctx_free(a->c);
}

/* capacity: of the cache, which may end the text */
static bool same(const char *device, const char *model, int64_t capacity)
{
    struct answer        here = {0}, there = {0};
    const enum wk_finish on_cpu = generate(&there, "cpu", model, capacity);
    bool ok = generate(&here, device, model, capacity) == on_cpu && on_cpu == WK_FINISH_LENGTH &&
              here.out.count == there.out.count && here.out.count > 8 &&
              !memcmp(here.out.id, there.out.id, (size_t)here.out.count * sizeof *here.out.id);
    if (ok && here.counted && here.pieces > STEADY + 8) {
        const int64_t steps = here.steps, launches = here.to.launches - here.from.launches;
        ok = here.to.allocations == here.from.allocations && here.to.waits - here.from.waits <= steps &&
             launches <= BESIDE * steps;
#if !defined __SANITIZE_ADDRESS__
        ok = ok && here.made == 0;
#endif
    }
    if (!ok)
        printf("FAIL an answer of %s: %lld tokens, %lld device and %lld host allocations, %lld waits, %lld "
               "launches: %s\n",
               model, (long long)here.out.count, (long long)(here.to.allocations - here.from.allocations),
               (long long)here.made, (long long)(here.to.waits - here.from.waits),
               (long long)(here.to.launches - here.from.launches), wk_ctx_message(here.c));
    done(&here);
    done(&there);
    return ok;
}

/* Also among recorded steps the caller's context stops. */
static bool stops(const char *device)
{
    struct answer        a = {.cancel_at = STEADY};
    const enum wk_finish finish = generate(&a, device, "text/chain.gguf", 64);
    const bool ok = finish == WK_FINISH_ERROR && wk_ctx_status(a.c) == WK_ECANCELLED && a.pieces == STEADY;
    if (!ok) printf("FAIL an answer that was cancelled: %d pieces: %s\n", a.pieces, wk_ctx_message(a.c));
    done(&a);
    return ok;
}

void check_answers(const char *device, int *passed, int *failed)
{
    static const char *const models[] = {"text/chain.gguf",  "models/llama",          "models/gpt2",
                                         "models/qwen3",     "models/mistral",        "models/qwen2.gguf",
                                         "models/gpt2.gguf", "models/llama-q8_0.gguf"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        same(device, models[i], 64) ? ++*passed : ++*failed;
    same(device, "text/chain.gguf", PROMPT + 13) ? ++*passed : ++*failed; /* full while steps are recorded */
    stops(device) ? ++*passed : ++*failed;
}
