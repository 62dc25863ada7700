/* A tokeniser from GGUF metadata (tokenizer.ggml.*). */
#include "vocab.h"

#include "../io/files.h"

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

/* An array of the metadata, read in order: a vocabulary has too many items to look each up by its number. */
struct list {
    const unsigned char *p;
    int64_t              left;  /* items; -1: there is no such array */
    int                  width; /* bytes of a string's length */
};

static struct list list_of(const wk_files *f, const char *key, enum wki_type type)
{
    const wki_value *v = wki_files_value(f, key);
    if (!v || v->item.type != WKI_ARRAY || v->items) return (struct list){.left = -1};
    if (v->item.length && v->item_type != type) return (struct list){.left = -1};
    return (struct list){v->data, (int64_t)v->item.length, f->version == 1 ? 4 : 8};
}

static const char *next_text(struct list *x, size_t *length)
{
    const unsigned char *p = x->p + x->width;
    *length = (size_t)wki_load_u(x->p, x->width);
    x->p = p + *length;
    x->left--;
    return (const char *)p;
}

static bool token_kinds(wk_ctx *c, const wk_files *f, int64_t n, uint8_t *kind)
{
    const struct list x = list_of(f, KEY("token_type"), WKI_I32);
    memset(kind, WKI_NORMAL, (size_t)n);
    if (x.left < 0 && !wki_files_value(f, KEY("token_type"))) return true;
    if (x.left != n) {
        wk_fail(c, WK_EFORMAT, "tokenizer: token_type is no array of %lld i32", (long long)n);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        const uint64_t k = wki_load_u(x.p + 4 * i, 4);
        if (k >= WKI_NORMAL && k <= WKI_BYTE) kind[i] = (uint8_t)k; /* others, as undefined (0), are plain */
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
    const struct list x = list_of(f, KEY("scores"), WKI_F32);
    if (x.left != t->size) {
        wk_fail(c, WK_EFORMAT, "tokenizer: scores is no array of %lld f32", (long long)t->size);
        return false;
    }
    t->score_key = wk_alloc((size_t)t->size * sizeof *t->score_key);
    if (!t->score_key) {
        wk_fail(c, WK_ENOMEM, "tokenizer: no memory for scores");
        return false;
    }
    for (int64_t i = 0; i < t->size; i++) {
        const double score = wki_load_f32(x.p + 4 * i);
        if (isnan(score)) {
            wk_fail(c, WK_EFORMAT, "tokenizer: score %lld is not a number", (long long)i);
            return false;
        }
        t->score_key[i] = key_of((float)score);
    }
    return true;
}

static bool merges(wk_ctx *c, const wk_files *f, wk_tokenizer *t)
{
    struct list   x = list_of(f, KEY("merges"), WKI_STRING);
    const int64_t n = x.left;
    if (n < 0) {
        wk_fail(c, WK_EFORMAT, "tokenizer: merges is no array of strings");
        return false;
    }
    if (!wki_vocab_merges(c, t, n)) return false;
    for (int64_t i = 0; i < n; i++) {
        size_t      length;
        const char *m = next_text(&x, &length);
        const char *space = length > 1 ? memchr(m + 1, ' ', length - 1) : NULL;
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
    struct list   x = list_of(f, KEY("tokens"), WKI_STRING);
    const int64_t n = x.left;
    size_t        bytes = 0, length;
    if (n < 1) {
        wk_fail(c, WK_EFORMAT, "tokenizer: tokens is no array of strings, or empty");
        return NULL;
    }
    for (struct list y = x; y.left; bytes += length) (void)next_text(&y, &length);
    wk_tokenizer *t = wki_vocab_new(c, n, bytes);
    uint8_t      *kind = t ? wk_alloc((size_t)n) : NULL;
    if (t && !kind) wk_fail(c, WK_ENOMEM, "tokenizer: no memory for %lld tokens", (long long)n);
    bool ok = kind && token_kinds(c, f, n, kind);
    if (ok) t->sentencepiece = sentencepiece;
    for (int64_t i = 0; i < n && ok; i++) {
        const char *text = next_text(&x, &length);
        ok = wki_vocab_add(c, t, i, text, length, (enum wki_kind)kind[i]);
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
