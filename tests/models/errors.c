/* What cannot be opened or run says why. */
#include "golden.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A copy of the llama golden folder with one text of its config.json replaced, in a fresh folder. */
static void damaged(char *folder, size_t size, const char *model, const char *from, const char *to)
{
    static char text[1 << 16];
    char        path[400], source[400];
    snprintf(folder, size, "/tmp/wick-models-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, FOLDER "%s/config.json", model);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    char *at = strstr(text, from);
    cr_assert_not_null(at, "%s has no %s", path, from);
    snprintf(path, sizeof path, "%s/config.json", folder);
    f = fopen(path, "wb");
    cr_assert_not_null(f);
    fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    fclose(f);
    snprintf(source, sizeof source, FOLDER "%s/model.safetensors", model);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    f = fopen(source, "rb");
    FILE *g = fopen(path, "wb");
    cr_assert(f && g);
    for (size_t m; (m = fread(text, 1, sizeof text, f)) > 0;) cr_assert_eq(fwrite(text, 1, m, g), m);
    fclose(f);
    fclose(g);
}

static void discard(const char *folder)
{
    char path[400];
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    rmdir(folder);
}

Test(models, refuse_what_does_not_fit)
{
    static const struct {
        const char *model, *from, *to;
        wk_status   status;
        const char *says;
    } cases[] = {
        {"llama", "LlamaForCausalLM", "WhaleForCausalLM", WK_EUNSUPPORTED,
         "\"WhaleForCausalLM\" is not known"},
        {"llama", "LlamaForCausalLM", "WhaleForCausalLM", WK_EUNSUPPORTED, "Qwen3ForCausalLM"},
        {"llama", "\"architectures\"", "\"arch\"", WK_EFORMAT, "names no architecture"},
        {"llama", "\"hidden_size\": 32", "\"hidden_size\": -32", WK_EFORMAT, "hidden_size"},
        {"llama", "\"hidden_size\": 32", "\"hidden_size\": 36893488147419103232", WK_EFORMAT, "hidden_size"},
        {"llama", "\"hidden_size\": 32", "\"hidden_size\": 64", WK_ESHAPE, "embed_tokens.weight"},
        {"llama", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", WK_OK, "model.layers.2."},
        {"llama", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000", WK_EFORMAT,
         "num_hidden_layers"},
        {"llama", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", WK_EFORMAT,
         "num_attention_heads"},
        {"llama", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", WK_EFORMAT, "not a multiple"},
        {"llama", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 8", WK_EFORMAT,
         "num_key_value_heads"},
        {"llama", "\"head_dim\": 8", "\"head_dim\": 7", WK_EFORMAT, "rope"},
        {"llama", "\"rope_theta\": 10000.0", "\"rope_theta\": -1.0", WK_EFORMAT, "rope"},
        {"llama", "\"rope_type\": \"default\"", "\"rope_type\": \"spiral\"", WK_EUNSUPPORTED, "spiral"},
        {"llama", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"sine\"", WK_EUNSUPPORTED, "sine"},
        {"llama", "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": -1", WK_EFORMAT, "rms_norm_eps"},
        {"llama", "\"vocab_size\": 48", "\"vocab_size\": 49", WK_ESHAPE, "[48, 32]"},
        {"llama-longrope-long", "\"long_factor\"", "\"lost_factor\"", WK_EFORMAT, "long_factor"},
        {"gpt2", "\"n_head\": 4", "\"n_head\": 5", WK_EFORMAT, "n_head"},
        {"gpt2", "\"n_inner\": 64", "\"n_inner\": 65", WK_ESHAPE, "c_fc.weight"},
        {"gpt2", "\"n_positions\": 32", "\"n_positions\": 0", WK_EFORMAT, "n_positions"},
        {"gpt2", "\"activation_function\": \"gelu_new\"", "\"activation_function\": \"x\"", WK_EUNSUPPORTED,
         "\"x\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char    folder[64];
        wk_ctx *c = wk_ctx_new("cpu");
        damaged(folder, sizeof folder, cases[i].model, cases[i].from, cases[i].to);
        wk_model *m = wk_model_open(c, folder);
        discard(folder);
        cr_assert_null(m, "%s opened", cases[i].to);
        cr_assert(cases[i].status == WK_OK || wk_ctx_status(c) == cases[i].status, "%s: status %s: %s",
                  cases[i].to, wk_status_text(wk_ctx_status(c)), wk_ctx_message(c));
        cr_assert(strstr(wk_ctx_message(c), cases[i].says), "%s: \"%s\" does not say %s", cases[i].to,
                  wk_ctx_message(c), cases[i].says);
        cr_assert(strstr(wk_ctx_message(c), folder), "\"%s\" does not name the file", wk_ctx_message(c));
        wk_ctx_free(c);
    }
}

Test(models, refuse_tokens_that_do_not_fit)
{
    struct golden g;
    float         out[TOKENS * VOCAB];
    golden_open(&g, "gpt2", "gpt2");
    wk_ctx   *c = g.c;
    wk_cache *cache = wk_model_cache(c, g.m, 4, WK_f32, WK_f32);
    golden_forward(&g, cache, 0, 3, out);
    wk_tensor two = wk_make(c, g.tokens, WK_i64, WK_SHAPE(2));
    cr_assert(wk_is_none(wk_model_forward(c, g.m, two, cache, (wk_forward_opts){0})));
    cr_assert_eq(wk_ctx_status(c), WK_EINDEX, "%s", wk_ctx_message(c));
    cr_assert_eq(cache->length, 3);
    wk_ctx_clear(c);
    golden_forward(&g, cache, 3, 1, out); /* the room that is left */
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(relative_error(out, g.logits + 3 * VOCAB, VOCAB) < 1e-4);

    const struct {
        wk_tensor tokens;
        wk_status status;
    } bad[] = {
        {wk_zeros(c, WK_i64, WK_SHAPE(0)), WK_ESHAPE},
        {wk_zeros(c, WK_i64, WK_SHAPE(1, 1, 2)), WK_ESHAPE},
        {wk_zeros(c, WK_f32, WK_SHAPE(2)), WK_EDTYPE},
        {wk_full(c, VOCAB, WK_i64, WK_SHAPE(2)), WK_EINDEX},
        {wk_full(c, -1, WK_i32, WK_SHAPE(2)), WK_EINDEX},
        {wk_zeros(c, WK_i64, WK_SHAPE(33)), WK_EINDEX}, /* GPT-2 has 32 positions */
        {WK_NONE, WK_ESHAPE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(wk_is_none(wk_model_forward(c, g.m, bad[i].tokens, NULL, (wk_forward_opts){0})), "case %zu",
                  i);
        cr_assert_eq(wk_ctx_status(c), bad[i].status, "case %zu: %s", i, wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    wk_cache *other = wk_cache_new(c, 5, 4, 8, 8, 8, WK_f32, WK_f32);
    wk_model_forward(c, g.m, two, other, (wk_forward_opts){0});
    cr_assert_eq(wk_ctx_status(c), WK_EARG, "%s", wk_ctx_message(c));
    wk_cache_free(other);
    wk_ctx_clear(c);
    cr_assert_null(wk_cache_new(c, 1, 1, 0, 8, 8, WK_f32, WK_f32));
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_clear(c);
    cr_assert_null(wk_cache_new(c, 1, 1, 8, 64, 40, WK_f16, WK_q8_0)); /* values of 40 are not whole blocks */
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert_null(wk_cache_new(c, 1, 1, 8, 8, 32, WK_q4_0, WK_f32));
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert_null(wk_model_open(c, "/nonexistent"));
    cr_assert_neq(wk_ctx_status(c), WK_OK);
    wk_model_free(NULL);
    wk_cache_free(NULL);
    wk_cache_free(cache);
    golden_close(&g);
}

/* Opens, runs four tokens, all in a context of its own; false when anything failed. */
static bool whole_life(const char *path, float *out)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_model *m = wk_model_open(c, path);
    wk_cache *cache = m ? wk_model_cache(c, m, 8, WK_f32, WK_f32) : NULL;
    if (cache) {
        wk_tensor tokens = wk_make(c, (int32_t[]){5, 6, 7, 8}, WK_i32, WK_SHAPE(4));
        wk_read(c, wk_model_forward(c, m, tokens, cache, (wk_forward_opts){.last_only = true}), out);
    }
    const bool ok = cache && wk_ctx_status(c) == WK_OK;
    cr_assert(ok || wk_ctx_status(c) != WK_OK, "failed without a reason");
    wk_cache_free(cache);
    wk_model_free(m);
    wk_ctx_free(c);
    return ok;
}

Test(models, survive_every_failing_allocation)
{
    const char *const paths[] = {FOLDER "llama-yarn", FOLDER "gpt2", FOLDER "llama-q8_0.gguf"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        float wanted[VOCAB], got[VOCAB];
        bool  ok = false;
        cr_assert(whole_life(paths[i], wanted));
        for (int64_t n = 1; !ok; n++) {
            cr_assert(n < 20000, "%s", paths[i]);
            wk_alloc_fail_at(n, false);
            ok = whole_life(paths[i], got);
            if (wk_alloc_fail_at(0, false) >= n && ok) ok = false; /* it failed, and was made good */
        }
        cr_assert_eq(memcmp(wanted, got, sizeof got), 0, "%s", paths[i]);
    }
}
