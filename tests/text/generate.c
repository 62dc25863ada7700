/* Generation, with a model whose next token is known: chain.gguf (see tests/golden/text.py). */
#include "golden.h"

#include <math.h>

struct fixture {
    wk_ctx       *c;
    wk_model     *m;
    wk_tokenizer *t;
    wk_cache     *cache;
    char          text[512];
    int           pieces, stop_after; /* pieces after which the callback says no; 0: never */
    bool          cancel;
};

static void begin(struct fixture *f, int64_t capacity)
{
    *f = (struct fixture){.c = wk_ctx_new("cpu")};
    f->m = wk_model_open(f->c, WK_SOURCE_DIR "/tests/golden/text/chain.gguf");
    cr_assert_not_null(f->m, "%s", wk_ctx_message(f->c));
    f->t = wk_tokenizer_open(f->c, wk_model_files(f->m));
    f->cache = wk_model_cache(f->c, f->m, capacity, WK_f32, WK_f32);
    cr_assert_not_null(f->cache, "%s", wk_ctx_message(f->c));
}

static void end(struct fixture *f)
{
    wk_cache_free(f->cache);
    wk_tokenizer_free(f->t);
    wk_model_free(f->m);
    wk_ctx_free(f->c);
}

static bool collect(void *arg, const char *text, size_t n)
{
    struct fixture *f = arg;
    cr_assert_gt(n, 0);
    strncat(f->text, text, n);
    f->pieces++;
    if (f->cancel) wk_cancel(f->c);
    return f->pieces != f->stop_after;
}

/* Generates after one token; checks text and reason. */
static wk_generated after(struct fixture *f, int32_t token, wk_generate_opts o, const char *text,
                          enum wk_finish finish)
{
    const wk_tokens prompt = {.id = &token, .count = 1, .capacity = 1};
    f->text[0] = '\0';
    f->pieces = 0;
    o.piece = collect;
    o.arg = f;
    const wk_generated g = wk_generate(f->c, f->m, f->t, f->cache, &prompt, o, NULL);
    cr_assert_eq(g.finish, finish, "after %d: finish %d (%s)", token, (int)g.finish, wk_ctx_message(f->c));
    cr_assert_str_eq(f->text, text, "after %d: '%s', not '%s'", token, f->text, text);
    return g;
}

Test(generate, ends_with_the_turn_or_with_the_length)
{
    struct fixture f;
    begin(&f, 256);
    wk_generated g = after(&f, 3, (wk_generate_opts){0}, " B C D", WK_FINISH_END);
    cr_assert_eq(g.tokens, 4);
    cr_assert_eq(g.prompt_tokens, 1);
    cr_assert(g.seconds > 0 && g.prompt_seconds > 0);
    cr_assert_eq(f.cache->length, 5, "prompt, answer and the token that ended it");
    cr_assert_eq(f.pieces, 3);
    after(&f, 3, (wk_generate_opts){.special = true}, " B C D<|im_end|>", WK_FINISH_END);
    g = after(&f, 7, (wk_generate_opts){.max_tokens = 9}, "xxxxxxxxx", WK_FINISH_LENGTH);
    cr_assert_eq(g.tokens, 9);
    cr_assert_eq(f.cache->length, 20);
    after(&f, 3, (wk_generate_opts){.max_tokens = 3, .sample = {.temperature = 0.1, .top_k = 4}}, " B C D",
          WK_FINISH_LENGTH);
    end(&f);
}

Test(generate, ends_when_the_context_is_full)
{
    struct fixture f;
    begin(&f, 8);
    const wk_generated g = after(&f, 7, (wk_generate_opts){0}, "xxxxxxxx", WK_FINISH_LENGTH);
    cr_assert_eq(g.tokens, 8); /* the last one needs no place */
    cr_assert_eq(f.cache->length, 8);
    after(&f, 7, (wk_generate_opts){0}, "", WK_FINISH_ERROR);
    cr_assert_eq(wk_ctx_status(f.c), WK_EINDEX, "%s", wk_ctx_message(f.c));
    end(&f);
}

Test(generate, never_half_a_character)
{
    struct fixture f;
    begin(&f, 64);
    after(&f, 13, (wk_generate_opts){0}, "\xf0\x9f\x98\x80!", WK_FINISH_END);
    cr_assert_eq(f.pieces, 2);
    after(&f, 13, (wk_generate_opts){.max_tokens = 2}, "\xef\xbf\xbd", WK_FINISH_LENGTH);
    end(&f);
}

Test(generate, stop_strings_reach_across_tokens)
{
    static const char *const stop[] = {"STOP", "D", "xxxx"};
    struct fixture           f;
    begin(&f, 256);
    after(&f, 14, (wk_generate_opts){.stop = stop, .n_stop = 1}, "hello ", WK_FINISH_STOP);
    cr_assert_eq(f.cache->length, 3);
    after(&f, 18, (wk_generate_opts){.stop = stop, .n_stop = 1}, "STAR", WK_FINISH_END);
    after(&f, 18, (wk_generate_opts){.stop = stop, .n_stop = 1, .max_tokens = 1}, "ST", WK_FINISH_LENGTH);
    after(&f, 3, (wk_generate_opts){.stop = stop, .n_stop = 2}, " B C ", WK_FINISH_STOP);
    after(&f, 7, (wk_generate_opts){.stop = stop, .n_stop = 3}, "", WK_FINISH_STOP);
    after(&f, 7, (wk_generate_opts){.stop = stop, .n_stop = 3, .max_tokens = 3}, "xxx", WK_FINISH_LENGTH);
    after(&f, 3, (wk_generate_opts){.stop = &(const char *){""}, .n_stop = 1}, "", WK_FINISH_ERROR);
    cr_assert_eq(wk_ctx_status(f.c), WK_EARG);
    end(&f);
}

Test(generate, the_caller_may_stop_or_cancel)
{
    struct fixture f;
    begin(&f, 256);
    f.stop_after = 2;
    after(&f, 3, (wk_generate_opts){0}, " B C", WK_FINISH_CALLER);
    cr_assert_eq(f.cache->length, 3);
    f.stop_after = 0;
    f.cancel = true;
    after(&f, 7, (wk_generate_opts){0}, "x", WK_FINISH_ERROR);
    cr_assert_eq(wk_ctx_status(f.c), WK_ECANCELLED);
    end(&f);
}

Test(generate, ends_are_not_drawn_when_they_are_to_be_ignored)
{
    struct fixture f;
    begin(&f, 64);
    wk_tokens          out = {0};
    const int32_t      a = 3;
    const wk_tokens    prompt = {.id = (int32_t *)(uintptr_t)&a, .count = 1};
    const wk_generated g = wk_generate(f.c, f.m, f.t, f.cache, &prompt,
                                       (wk_generate_opts){.ignore_eos = true, .max_tokens = 20}, &out);
    cr_assert_eq(g.finish, WK_FINISH_LENGTH, "%s", wk_ctx_message(f.c));
    cr_assert_eq(out.count, 20);
    for (int64_t i = 0; i < out.count; i++) cr_assert(!wk_token_ends(f.t, out.id[i]));
    wk_tokens_free(&out);
    end(&f);
}

/* The prompt may come in batches of any size, and what follows is the same. */
Test(generate, prompts_go_in_batches)
{
    for (int64_t batch = 1; batch < 6; batch++) {
        struct fixture f;
        begin(&f, 64);
        int32_t            id[5] = {7, 13, 4, 18, 3};
        const wk_tokens    prompt = {.id = id, .count = 5};
        wk_tokens          out = {0};
        const wk_generated g =
            wk_generate(f.c, f.m, f.t, f.cache, &prompt, (wk_generate_opts){.batch = batch}, &out);
        cr_assert_eq(g.finish, WK_FINISH_END, "%s", wk_ctx_message(f.c));
        cr_assert_eq(g.prompt_tokens, 5);
        cr_assert_eq(out.count, 4);
        cr_assert_arr_eq(out.id, ((int32_t[]){4, 5, 6, 2}), 4 * sizeof *out.id);
        wk_tokens_free(&out);
        const wk_tokens none = {0};
        cr_assert_eq(wk_generate(f.c, f.m, f.t, f.cache, &none, (wk_generate_opts){0}, NULL).finish,
                     WK_FINISH_ERROR);
        end(&f);
    }
}

Test(generate, steps_allocate_nothing)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("under AddressSanitizer each tensor is an allocation of its own");
#endif
    struct fixture f;
    int64_t        made[2];
    begin(&f, 256);
    after(&f, 7, (wk_generate_opts){.max_tokens = 20}, "xxxxxxxxxxxxxxxxxxxx", WK_FINISH_LENGTH);
    for (int i = 0; i < 2; i++) {
        const int64_t      before = wk_alloc_count();
        const int32_t      x = 7;
        const wk_tokens    prompt = {.id = (int32_t *)(uintptr_t)&x, .count = 1};
        const wk_generated g =
            wk_generate(f.c, f.m, f.t, f.cache, &prompt, (wk_generate_opts){.max_tokens = i ? 90 : 30}, NULL);
        cr_assert_eq(g.tokens, i ? 90 : 30, "%s", wk_ctx_message(f.c));
        made[i] = wk_alloc_count() - before;
    }
    cr_assert_eq(made[0], made[1], "30 tokens made %d allocations, 90 made %d", (int)made[0], (int)made[1]);
    end(&f);
}

Test(generate, every_allocation_may_fail)
{
    static const char *const stop[] = {"STOP"};
    struct fixture           f;
    int32_t                  id[3] = {7, 7, 14};
    const wk_tokens          prompt = {.id = id, .count = 3};
    begin(&f, 64);
    for (int64_t n = 1;; n++) {
        wk_tokens out = {0};
        wk_cache_truncate(f.cache, 0);
        wk_alloc_fail_at(n, true);
        const wk_generated g =
            wk_generate(f.c, f.m, f.t, f.cache, &prompt, (wk_generate_opts){.stop = stop, .n_stop = 1}, &out);
        const bool done = wk_alloc_fail_at(0, false) < n;
        cr_assert_eq(g.finish, done ? WK_FINISH_STOP : WK_FINISH_ERROR, "allocation %d: %s", (int)n,
                     wk_ctx_message(f.c));
        cr_assert(done || wk_ctx_status(f.c) == WK_ENOMEM, "allocation %d: %s", (int)n, wk_ctx_message(f.c));
        wk_tokens_free(&out);
        wk_ctx_clear(f.c);
        if (done) {
            cr_assert_gt(n, 5, "%d allocations", (int)n);
            break;
        }
        cr_assert_lt(n, 2000);
    }
    end(&f);
}
