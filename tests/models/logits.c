/* Logits of every golden model: whole, step by step, in chunks of mixed sizes, on any number of threads. */
#include "golden.h"

static const struct {
    const char *model, *expected;
} cases[] = {
    {"llama", "llama"},
    {"llama-tied", "llama-tied"},
    {"llama-llama3", "llama-llama3"},
    {"llama-yarn", "llama-yarn"},
    {"llama-linear", "llama-linear"},
    {"llama-dynamic", "llama-dynamic"},
    {"llama-dynamic-long", "llama-dynamic-long"},
    {"llama-longrope-short", "llama-longrope-short"},
    {"llama-longrope-long", "llama-longrope-long"},
    {"llama-bf16", "llama-bf16"},
    {"mistral", "mistral"},
    {"qwen2", "qwen2"},
    {"qwen3", "qwen3"},
    {"gpt2", "gpt2"},
    {"llama.gguf", "llama"},
    {"llama-tied.gguf", "llama-tied"},
    {"llama-llama3.gguf", "llama-llama3"},
    {"llama-yarn.gguf", "llama-yarn"},
    {"llama-linear.gguf", "llama-linear"},
    {"llama-q8_0.gguf", "llama-q8_0"},
    {"llama-q4_0.gguf", "llama-q4_0"},
    {"qwen2.gguf", "qwen2-gguf"},
    {"qwen3.gguf", "qwen3"},
    {"gpt2.gguf", "gpt2"},
};
#define N_CASES   (sizeof cases / sizeof *cases)
#define TOLERANCE 1e-4

/* The tokens in pieces of the sizes given (over and over), through a cache. */
static void in_pieces(struct golden *g, const int64_t *sizes, int n_sizes, wk_dtype t, float *out)
{
    wk_cache *cache = wk_model_cache(g->c, g->m, TOKENS, t, t);
    int64_t   at = 0;
    for (int i = 0; cache && at < TOKENS; i++) {
        const int64_t left = TOKENS - at, n = sizes[i % n_sizes] < left ? sizes[i % n_sizes] : left;
        golden_forward(g, cache, at, n, out + at * VOCAB);
        at += n;
    }
    wk_cache_free(cache);
}

static void check(struct golden *g, const char *name, const char *how, const float *got)
{
    cr_assert_eq(wk_ctx_status(g->c), WK_OK, "%s, %s: %s", name, how, wk_ctx_message(g->c));
    const double e = relative_error(got, g->logits, TOKENS * VOCAB);
    cr_assert(e <= TOLERANCE, "%s, %s: relative error %g", name, how, e);
}

Test(models, agree_with_the_reference)
{
    for (size_t i = 0; i < N_CASES; i++) {
        struct golden g;
        float         got[TOKENS * VOCAB];
        golden_open(&g, cases[i].model, cases[i].expected);
        wk_set_precise(g.c, true);
        golden_forward(&g, NULL, 0, TOKENS, got);
        check(&g, cases[i].model, "whole", got);
        in_pieces(&g, (int64_t[]){1}, 1, WK_f32, got);
        check(&g, cases[i].model, "step by step", got);
        in_pieces(&g, (int64_t[]){5, 1, 1, 9, 2}, 5, WK_f32, got);
        check(&g, cases[i].model, "in chunks", got);
        golden_close(&g);
    }
}

/* Up to max_position_embeddings dynamic NTK changes nothing: in one piece without a cache, in steps through
 * one of that capacity. In a larger one the same tokens turn as its capacity has it, from the first on. */
Test(models, dynamic_ntk_follows_the_capacity)
{
    enum { SHORT = 10 };
    struct golden g;
    float         want[SHORT * VOCAB], got[SHORT * VOCAB];
    golden_open(&g, "llama-dynamic-long", "llama-dynamic-long");
    wk_set_precise(g.c, true);
    wk_read(g.c, wk_files_tensor(g.c, g.files, "short"), want);
    golden_forward(&g, NULL, 0, SHORT, got);
    cr_assert(relative_error(got, want, SHORT * VOCAB) <= TOLERANCE);
    for (int64_t capacity = SHORT; capacity <= TOKENS; capacity += TOKENS - SHORT) {
        wk_cache *cache = wk_model_cache(g.c, g.m, capacity, WK_f32, WK_f32);
        for (int64_t at = 0; at < SHORT; at++) golden_forward(&g, cache, at, 1, got + at * VOCAB);
        wk_cache_free(cache);
        cr_assert_eq(wk_ctx_status(g.c), WK_OK, "%s", wk_ctx_message(g.c));
        cr_assert(relative_error(got, capacity == SHORT ? want : g.logits, SHORT * VOCAB) <= TOLERANCE,
                  "capacity %lld", (long long)capacity);
    }
    cr_assert_gt(relative_error(want, g.logits, SHORT * VOCAB), 0.1);
    golden_close(&g);
}

Test(models, last_only_and_batches_give_the_same_rows)
{
    for (size_t i = 0; i < N_CASES; i++) {
        struct golden g;
        float         got[2 * TOKENS * VOCAB];
        golden_open(&g, cases[i].model, cases[i].expected);
        wk_set_precise(g.c, true);
        wk_tensor row = wk_make(g.c, g.tokens, WK_i64, WK_SHAPE(TOKENS));
        wk_tensor last = wk_model_forward(g.c, g.m, row, NULL, (wk_forward_opts){.last_only = true});
        wk_read(g.c, last, got);
        cr_assert_eq(wk_size(last, 0), 1, "%s: %s", cases[i].model, wk_ctx_message(g.c));
        const double e = relative_error(got, g.logits + (TOKENS - 1) * VOCAB, VOCAB);
        cr_assert(e <= TOLERANCE, "%s, last: relative error %g", cases[i].model, e);
        wk_tensor both = wk_stack(g.c, 2, (wk_tensor[]){row, row}, 0);
        wk_read(g.c, wk_model_forward(g.c, g.m, both, NULL, (wk_forward_opts){0}), got);
        check(&g, cases[i].model, "batch, first", got);
        check(&g, cases[i].model, "batch, second", got + TOKENS * VOCAB);
        golden_close(&g);
    }
}

Test(models, do_not_depend_on_threads)
{
    for (size_t i = 0; i < N_CASES; i++)
        for (int precise = 0; precise < 2; precise++) {
            struct golden g;
            float         one[TOKENS * VOCAB], two[TOKENS * VOCAB];
            golden_open(&g, cases[i].model, cases[i].expected);
            wk_set_precise(g.c, precise);
            wk_set_threads(g.c, 1);
            in_pieces(&g, (int64_t[]){7, 1}, 2, WK_f16, one);
            wk_set_threads(g.c, 2);
            in_pieces(&g, (int64_t[]){7, 1}, 2, WK_f16, two);
            cr_assert_eq(wk_ctx_status(g.c), WK_OK, "%s", wk_ctx_message(g.c));
            cr_assert_eq(memcmp(one, two, sizeof one), 0, "%s, precise %d", cases[i].model, precise);
            golden_close(&g);
        }
}

Test(models, forgotten_positions_are_written_again)
{
    struct golden g;
    float         got[TOKENS * VOCAB], other[VOCAB];
    golden_open(&g, "llama", "llama");
    wk_cache *cache = wk_model_cache(g.c, g.m, TOKENS, WK_f32, WK_f32);
    golden_forward(&g, cache, 0, 10, got);
    golden_forward(&g, cache, 3, 1, other); /* a wrong turn */
    cr_assert_eq(cache->length, 11);
    wk_cache_truncate(cache, 10);
    golden_forward(&g, cache, 10, TOKENS - 10, got + 10 * VOCAB);
    check(&g, "llama", "after truncate", got);
    wk_cache_free(cache);
    golden_close(&g);
}

struct stepping {
    struct golden *g;
    wk_cache      *cache;
    wk_tensor      tokens, logits;
};
static void step_on_device(wk_ctx *c, void *state)
{
    struct stepping      *d = state;
    const wk_tensor       token = wk_index_select(c, d->tokens, 0, d->cache->start);
    const wk_forward_opts o = {.on_device = true};
    wk_copy_into(c, d->logits, wk_model_forward(c, d->g->m, token, d->cache, o));
}

Test(models, steps_find_their_place_on_the_device)
{
    struct golden g;
    float         got[TOKENS * VOCAB];
    golden_open(&g, "gpt2", "gpt2");
    wk_set_precise(g.c, true);
    struct stepping d = {.g = &g, .cache = wk_model_cache(g.c, g.m, TOKENS, WK_f32, WK_f32)};
    d.tokens = wk_make(g.c, g.tokens, WK_i64, WK_SHAPE(TOKENS));
    d.logits = wk_zeros(g.c, WK_f32, WK_SHAPE(1, VOCAB));
    wk_step *step = wk_capture(g.c, step_on_device, &d);
    wk_cache_place(g.c, d.cache, 0);
    for (int64_t at = 0; at < TOKENS; at++) {
        cr_assert_eq(wk_replay(step), WK_OK, "%s", wk_ctx_message(g.c));
        wk_read(g.c, d.logits, got + at * VOCAB);
    }
    check(&g, "gpt2", "from recorded steps", got);
    cr_assert_eq(wk_sync(g.c), WK_OK);
    cr_assert_eq((int64_t)wk_item(g.c, d.cache->start), TOKENS);
    wk_cache_place(g.c, d.cache, TOKENS + 1);
    cr_assert_eq(wk_ctx_status(g.c), WK_EINDEX);
    wk_step_free(step);
    wk_cache_free(d.cache);
    golden_close(&g);
}

Test(models, a_steady_step_allocates_nothing)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("under AddressSanitizer each tensor is an allocation of its own");
#endif
    const char *const names[] = {"llama", "gpt2", "llama-q4_0.gguf", "qwen3", "mistral"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct golden g;
        float         row[VOCAB];
        char          path[300];
        snprintf(path, sizeof path, "%s", names[i]);
        if (strchr(path, '.')) *strchr(path, '.') = '\0';
        golden_open(&g, names[i], path);
        wk_cache *cache = wk_model_cache(g.c, g.m, TOKENS, WK_f16, WK_f16);
        for (int64_t at = 0; at < 8; at++) golden_forward(&g, cache, at, 1, row);
        const int64_t before = wk_alloc_count();
        for (int64_t at = 8; at < TOKENS; at++) golden_forward(&g, cache, at, 1, row);
        cr_assert_eq(wk_alloc_count(), before, "%s: %lld allocations", names[i],
                     (long long)(wk_alloc_count() - before));
        cr_assert_eq(wk_ctx_status(g.c), WK_OK);
        wk_cache_free(cache);
        golden_close(&g);
    }
}
