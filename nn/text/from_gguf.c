/* A tokeniser from GGUF metadata (tokenizer.ggml.*). */
#include "vocab.h"

#include <math.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

/* Names of tokenizer.ggml.pre that stand for a list of splits. */
static const struct pre {
    const char    *name;
    int            n;
    enum wki_split split[4];
    bool           whole_words;
} pres[] = {
    {"gpt-2", 1, {WKI_SPLIT_GPT2}, false},
    {"gpt2", 1, {WKI_SPLIT_GPT2}, false},
    {"phi-2", 1, {WKI_SPLIT_GPT2}, false},
    {"mpt", 1, {WKI_SPLIT_GPT2}, false},
    {"olmo", 1, {WKI_SPLIT_GPT2}, false},
    {"jais", 1, {WKI_SPLIT_GPT2}, false},
    {"smollm", 2, {WKI_SPLIT_DIGIT, WKI_SPLIT_GPT2}, false},
    {"starcoder", 2, {WKI_SPLIT_DIGIT, WKI_SPLIT_GPT2}, false},
    {"refact", 2, {WKI_SPLIT_DIGIT, WKI_SPLIT_GPT2}, false},
    {"command-r", 2, {WKI_SPLIT_DIGIT, WKI_SPLIT_GPT2}, false},
    {"codeshell", 2, {WKI_SPLIT_DIGIT, WKI_SPLIT_GPT2}, false},
    {"exaone", 2, {WKI_SPLIT_DIGIT, WKI_SPLIT_GPT2}, false},
    {"minerva-7b", 2, {WKI_SPLIT_DIGIT, WKI_SPLIT_GPT2}, false},
    {"llama-bpe", 1, {WKI_SPLIT_LLAMA3}, true},
    {"llama-v3", 1, {WKI_SPLIT_LLAMA3}, true},
    {"llama3", 1, {WKI_SPLIT_LLAMA3}, true},
    {"falcon3", 1, {WKI_SPLIT_LLAMA3}, true},
    {"pixtral", 1, {WKI_SPLIT_LLAMA3}, true},
    {"dbrx", 1, {WKI_SPLIT_LLAMA3}, false},
    {"smaug-bpe", 1, {WKI_SPLIT_LLAMA3}, false},
    {"qwen2", 1, {WKI_SPLIT_QWEN2}, false},
    {"stablelm2", 1, {WKI_SPLIT_QWEN2}, false},
    {"megrez", 1, {WKI_SPLIT_QWEN2}, false},
    {"deepseek-r1-qwen", 1, {WKI_SPLIT_QWEN2}, false},
    {"default", 4, {WKI_SPLIT_PUNCTUATION, WKI_SPLIT_GPT2, WKI_SPLIT_NUMBER, WKI_SPLIT_THOUSAND}, false},
};

static bool pre_tokenizer(wk_ctx *c, wk_tokenizer *t, const char *name)
{
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++) {
        if (strcmp(name, pres[i].name) != 0) continue;
        memcpy(t->split, pres[i].split, sizeof pres[i].split);
        t->n_splits = pres[i].n;
        t->whole_words = pres[i].whole_words;
        return true;
    }
    wk_fail(c, WK_EUNSUPPORTED, "tokenizer: pre-tokenizer '%.40s' is not known", name);
    return false;
}

/* Item i of an integer array; false when the file holds something else there. */
static bool integer_at(const wk_files *f, const char *key, int64_t i, int64_t *x)
{
    *x = wk_config_int_at(f, key, i, INT64_MIN);
    return *x != INT64_MIN;
}

static bool token_kinds(wk_ctx *c, const wk_files *f, int64_t n, uint8_t *kind)
{
    const int64_t have = wk_config_count(f, KEY("token_type"));
    memset(kind, WKI_NORMAL, (size_t)n);
    if (have < 0 && wk_config_string(f, KEY("token_type"), NULL) == NULL) return true;
    if (have != n) {
        wk_fail(c, WK_EFORMAT, "tokenizer: %lld token types for %lld tokens", (long long)have, (long long)n);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t k;
        if (!integer_at(f, KEY("token_type"), i, &k)) {
            wk_fail(c, WK_EFORMAT, "tokenizer: token types are not integers");
            return false;
        }
        kind[i] = k >= WKI_NORMAL && k <= WKI_BYTE ? (uint8_t)k : WKI_NORMAL; /* 0: undefined, as plain */
    }
    return true;
}

/* Sort key of a score: the higher the score, the smaller the key. */
static uint32_t key_of(float score)
{
    union {
        float    f;
        uint32_t u;
    } x = {.f = score + 0.0f};
    return ~(x.u & 0x80000000u ? ~x.u : x.u | 0x80000000u);
}

static bool scores(wk_ctx *c, const wk_files *f, wk_tokenizer *t)
{
    const int64_t have = wk_config_count(f, KEY("scores"));
    if (have != t->size) {
        wk_fail(c, WK_EFORMAT, "tokenizer: %lld scores for %lld tokens", (long long)have, (long long)t->size);
        return false;
    }
    t->score_key = wk_alloc((size_t)t->size * sizeof *t->score_key);
    if (!t->score_key) {
        wk_fail(c, WK_ENOMEM, "tokenizer: no memory for scores");
        return false;
    }
    for (int64_t i = 0; i < t->size; i++) {
        const double x = wk_config_float_at(f, KEY("scores"), i, NAN);
        if (isnan(x)) {
            wk_fail(c, WK_EFORMAT, "tokenizer: score %lld is not a number", (long long)i);
            return false;
        }
        t->score_key[i] = key_of((float)x);
    }
    return true;
}

static bool merges(wk_ctx *c, const wk_files *f, wk_tokenizer *t)
{
    const int64_t n = wk_config_count(f, KEY("merges"));
    if (n < 0) {
        wk_fail(c, WK_EFORMAT, "tokenizer: no merges");
        return false;
    }
    if (!wki_vocab_merges(c, t, n)) return false;
    for (int64_t i = 0; i < n; i++) {
        size_t      length = 0;
        const char *m = wk_config_string_at(f, KEY("merges"), i, &length);
        const char *space = m && length > 1 ? memchr(m + 1, ' ', length - 1) : NULL;
        if (!space) {
            wk_fail(c, WK_EFORMAT, "tokenizer: merge %lld is not a pair", (long long)i);
            return false;
        }
        const size_t left = (size_t)(space - m);
        if (!wki_vocab_merge(c, t, i, m, left, space + 1, length - left - 1)) return false;
    }
    return true;
}

/* A special token's id: absent is -1, out of range an error. */
static bool special_id(wk_ctx *c, const wk_files *f, const wk_tokenizer *t, const char *key, int32_t *id)
{
    const int64_t x = wk_config_int(f, key, -1);
    if (x < -1 || x >= t->size) {
        /* All ones is how some writers say "none". */
        if (x == UINT32_MAX || x < -1) return *id = -1, true;
        wk_fail(c, WK_EFORMAT, "tokenizer: %s is %lld of %lld tokens", key, (long long)x, (long long)t->size);
        return false;
    }
    *id = (int32_t)x;
    return true;
}

static bool special_ids(wk_ctx *c, const wk_files *f, wk_tokenizer *t)
{
    static const char *const ends[] = {KEY("eot_token_id"), KEY("eom_token_id")};
    int32_t                  unknown;
    if (!special_id(c, f, t, KEY("bos_token_id"), &t->bos) ||
        !special_id(c, f, t, KEY("eos_token_id"), &t->eos) ||
        !special_id(c, f, t, KEY("unknown_token_id"), &unknown))
        return false;
    if (t->sentencepiece) t->unknown = unknown; /* byte-level BPE has a token for every byte */
    wki_vocab_control(t, t->bos);
    wki_vocab_control(t, t->eos);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int32_t id;
        if (!special_id(c, f, t, ends[i], &id)) return false;
        wki_vocab_control(t, id);
        wki_vocab_end(t, id);
    }
    const bool add_bos =
        t->sentencepiece || (t->n_splits && t->split[0] == WKI_SPLIT_LLAMA3 && t->whole_words);
    if (wk_config_bool(f, KEY("add_bos_token"), add_bos) && t->bos >= 0) t->prefix[t->n_prefix++] = t->bos;
    if (wk_config_bool(f, KEY("add_eos_token"), false) && t->eos >= 0) t->suffix[t->n_suffix++] = t->eos;
    t->space_prefix = wk_config_bool(f, KEY("add_space_prefix"), t->sentencepiece);
    return true;
}

static wk_tokenizer *tokens(wk_ctx *c, const wk_files *f, bool sentencepiece)
{
    const int64_t n = wk_config_count(f, KEY("tokens"));
    size_t        bytes = 0;
    if (n < 1) {
        wk_fail(c, WK_EFORMAT, "tokenizer: the file has no tokens");
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        size_t length = 0;
        if (!wk_config_string_at(f, KEY("tokens"), i, &length)) {
            wk_fail(c, WK_EFORMAT, "tokenizer: tokens are not strings");
            return NULL;
        }
        bytes += length;
    }
    wk_tokenizer *t = wki_vocab_new(c, n, bytes);
    uint8_t      *kind = t ? wk_alloc((size_t)n) : NULL;
    if (t && !kind) wk_fail(c, WK_ENOMEM, "tokenizer: no memory for %lld tokens", (long long)n);
    bool ok = kind && token_kinds(c, f, n, kind);
    if (ok) t->sentencepiece = sentencepiece;
    for (int64_t i = 0; i < n && ok; i++) {
        size_t      length = 0;
        const char *text = wk_config_string_at(f, KEY("tokens"), i, &length);
        ok = text && wki_vocab_add(c, t, i, text, length, (enum wki_kind)kind[i]);
    }
    wk_free(kind);
    if (ok) return t;
    wk_tokenizer_free(t);
    return NULL;
}

wk_tokenizer *wki_tokenizer_gguf(wk_ctx *c, const wk_files *f)
{
    const char *model = wk_config_string(f, KEY("model"), "");
    const bool  sentencepiece = strcmp(model, "llama") == 0;
    if (!sentencepiece && strcmp(model, "gpt2") != 0) {
        wk_fail(c, WK_EUNSUPPORTED, "tokenizer: model '%.40s' (known: gpt2, llama)", model);
        return NULL;
    }
    wk_tokenizer *t = tokens(c, f, sentencepiece);
    if (!t) return NULL;
    const char *template = wk_config_string(f, "tokenizer.chat_template", NULL);
    bool ok = sentencepiece || pre_tokenizer(c, t, wk_config_string(f, KEY("pre"), "default"));
    ok = ok && special_ids(c, f, t) && wki_vocab_index(c, t);
    ok = ok && (sentencepiece ? scores(c, f, t) : merges(c, f, t));
    ok = ok && (!template || (t->template = wki_copy_text(c, template)) != NULL);
    if (ok) return t;
    wk_tokenizer_free(t);
    return NULL;
}
