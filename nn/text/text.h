/* wick's text side: tokenisers, chat templates, sampling, generation. */
#ifndef WK_TEXT_H
#define WK_TEXT_H

#include "../nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Tokenisers --------------------------------------------------------------------------- */

/* From a model's files: GGUF metadata (byte-level BPE "gpt2", SentencePiece BPE "llama") or tokenizer.json
 * (BPE, byte-level or with byte fallback). Read-only once made; any number of threads may use one. */
typedef struct wk_tokenizer wk_tokenizer;
WK_API wk_tokenizer        *wk_tokenizer_open(wk_ctx *c, const wk_files *f); /* NULL after an error */
/* From the text of a tokenizer.json alone. */
WK_API wk_tokenizer *wk_tokenizer_from_json(wk_ctx *c, const char *json, size_t length);
WK_API void          wk_tokenizer_free(wk_tokenizer *t);
WK_API int64_t       wk_tokenizer_size(const wk_tokenizer *t);
WK_API const char   *wk_tokenizer_kind(const wk_tokenizer *t); /* "bpe", "sentencepiece-bpe" */

typedef struct wk_tokens {
    int32_t *id;
    int64_t  count, capacity;
} wk_tokens;
WK_API void wk_tokens_free(wk_tokens *t);
typedef struct wk_encode_opts {
    /* text of special tokens ("<|im_start|>") becomes those tokens; otherwise it stays text */
    bool special;
    bool add_edges; /* BOS / EOS as the file says */
} wk_encode_opts;
/* Appends the tokens of text (any bytes) to out. A byte that a byte-level vocabulary has no token for
 * becomes its unknown token, and is left out where there is none (as the reference does). */
WK_API wk_status wk_encode(wk_ctx *c, const wk_tokenizer *t, const char *text, size_t length,
                           wk_encode_opts o, wk_tokens *out);
/* Bytes of one token (not NUL-terminated; may be part of a character); *special tells control tokens.
 * NULL: no such id. */
WK_API const char *wk_token_bytes(const wk_tokenizer *t, int32_t id, size_t *length, bool *special);
/* Special or plain token of that exact text; -1: none. */
WK_API int32_t wk_token_find(const wk_tokenizer *t, const char *text);
WK_API int32_t wk_token_bos(const wk_tokenizer *t);              /* -1: none */
WK_API int32_t wk_token_eos(const wk_tokenizer *t);              /* -1: none */
WK_API bool    wk_token_ends(const wk_tokenizer *t, int32_t id); /* end of text, of turn, or of message */

/* Streaming decode: holds back the bytes of unfinished characters. Bytes that can never become UTF-8 come
 * out as U+FFFD. */
typedef struct wk_decoder {
    const wk_tokenizer *t;
    bool                special; /* write special tokens too */
    bool                started;
    unsigned char       held[8];
    int                 n_held;
} wk_decoder;
WK_API wk_decoder wk_decoder_new(const wk_tokenizer *t, bool special);
/* Writes the text that token id completes to out (NUL-terminated, at most size - 1 bytes); returns its
 * length, or the length needed when it exceeds size - 1 (then nothing was consumed). id -1 flushes what is
 * held. */
WK_API size_t wk_decode(wk_decoder *d, int32_t id, char *out, size_t size);

/* ---- 2. Chat --------------------------------------------------------------------------------- */

typedef struct wk_message {
    const char *role, *content; /* "system", "user", "assistant" */
} wk_message;
/* Encodes a conversation with the model's template (ChatML; others are refused with WK_EUNSUPPORTED) and,
 * with reply, the opening of the assistant's turn. Contents are encoded as text: control tokens in them
 * stay text. */
WK_API wk_status wk_chat_encode(wk_ctx *c, const wk_tokenizer *t, int n, const wk_message *m, bool reply,
                                wk_tokens *out);

/* ---- 3. Sampling ----------------------------------------------------------------------------- */

/* Applied in this order: repetition penalty (positive logits of repeated tokens divided by it, negative
 * ones multiplied), top-k (the k largest), top-p (the smallest set of likeliest tokens whose probabilities
 * add up to at least p), min-p (those at least min_p times as likely as the likeliest), temperature
 * (logits divided by it), draw. Logits that are not finite are never drawn. Same options, seed and logits:
 * same tokens. */
typedef struct wk_sample_opts {
    double   temperature;    /* 0: greedy */
    int64_t  top_k;          /* 0: off */
    double   top_p;          /* 1: off (0 means 1) */
    double   min_p;          /* 0: off */
    double   repeat_penalty; /* 1: off (0 means 1); arXiv:1909.05858 */
    int64_t  repeat_last;    /* tokens looked back at; 0: 64; -1: all */
    uint64_t seed;
} wk_sample_opts;
typedef struct wk_sampler wk_sampler;
WK_API wk_sampler *wk_sampler_new(wk_ctx *c, wk_sample_opts o, int64_t vocab); /* NULL after an error */
WK_API void        wk_sampler_free(wk_sampler *s);
/* Remembers a token for the penalty. */
WK_API void wk_sampler_accept(wk_sampler *s, int32_t token);
/* logits [vocab]; -1: none of them is finite. */
WK_API int32_t wk_sample(wk_sampler *s, const float *logits);

/* ---- 4. Generation --------------------------------------------------------------------------- */

typedef struct wk_generate_opts {
    wk_sample_opts     sample;
    int64_t            max_tokens; /* 0: until the context is full */
    const char *const *stop;       /* strings of up to 256 bytes that end the text and are left out of it */
    int                n_stop;
    bool               special; /* print special tokens */
    bool               ignore_eos;
    int64_t            batch; /* prompt tokens per step; 0: 512 */
    /* Called with each finished piece of text; false ends the generation. */
    bool (*piece)(void *arg, const char *text, size_t length);
    void *arg;
} wk_generate_opts;
enum wk_finish { WK_FINISH_END, WK_FINISH_LENGTH, WK_FINISH_STOP, WK_FINISH_CALLER, WK_FINISH_ERROR };
typedef struct wk_generated {
    enum wk_finish finish;
    int64_t        prompt_tokens, tokens;
    double         prompt_seconds, seconds;
} wk_generated;
/* Feeds prompt (at least one token) to the model through cache, then samples until a token ends the text
 * or turn, max_tokens are made, the context is full, a stop string appears or the caller says so. The
 * cache keeps prompt and all tokens made, the ending one too (but for a last one that found it full), so
 * that a next call with only the new tokens goes on. Tokens made are appended to *out when it is not NULL.
 * With ignore_eos, ending tokens are never drawn. On an error: WK_FINISH_ERROR, and c tells. */
WK_API wk_generated wk_generate(wk_ctx *c, const wk_model *m, const wk_tokenizer *t, wk_cache *cache,
                                const wk_tokens *prompt, wk_generate_opts o, wk_tokens *out);

#ifdef __cplusplus
}
#endif
#endif
