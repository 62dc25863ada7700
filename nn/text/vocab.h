/* What the tokeniser's own files share: the vocabulary with its tables, splitters, merging. */
#ifndef WK_VOCAB_H
#define WK_VOCAB_H

#include "text.h"

/* Kinds of tokens; the numbers are GGUF's (tokenizer.ggml.token_type). */
enum wki_kind {
    WKI_GAP,     /* no token has this id */
    WKI_NORMAL,  /* 1 */
    WKI_UNKNOWN, /* 2: stands for what cannot be written */
    WKI_CONTROL, /* 3 */
    WKI_USER,    /* 4: added word, always cut out of the text first */
    WKI_UNUSED,  /* 5 */
    WKI_BYTE     /* 6: SentencePiece's <0x0A> */
};

struct wki_token {
    uint32_t offset, length; /* its bytes in the arena */
    uint8_t  kind;
    bool     strip_left, strip_right; /* swallows white space before, after it */
};

/* u64 -> two u32, open addressing. Keys, below 2^64 - 1, are stored plus one, so that 0 is free. */
struct wki_hash_entry {
    uint64_t key;
    uint32_t a, b;
};
struct wki_hash {
    struct wki_hash_entry *entry;
    uint64_t               mask; /* size - 1 */
    int64_t                count;
    uint64_t               seed;
};

static inline uint64_t wki_mix(uint64_t x)
{
    x = (x ^ (x >> 32)) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 32);
}

static inline const struct wki_hash_entry *wki_hash_get(const struct wki_hash *m, uint64_t key)
{
    if (!m->entry) return NULL;
    for (uint64_t i = wki_mix(key ^ m->seed) & m->mask;; i = (i + 1) & m->mask) {
        if (m->entry[i].key == key + 1) return &m->entry[i];
        if (!m->entry[i].key) return NULL;
    }
}

/* A plain token in the table by its bytes. */
struct wki_word {
    uint32_t hash, id; /* id plus one; 0: free */
};

/* Ways to cut text into words; a tokeniser has a list of them, each cutting the pieces of the one before. */
enum wki_split {
    WKI_SPLIT_GPT2,     /* GPT-2's regex */
    WKI_SPLIT_LLAMA3,   /* Llama 3's regex: numbers by threes */
    WKI_SPLIT_QWEN2,    /* the same, each digit alone */
    WKI_SPLIT_DIGIT,    /* each \p{N} alone */
    WKI_SPLIT_NUMBER,   /* runs of \p{N} */
    WKI_SPLIT_THREE,    /* \p{N}{1,3} */
    WKI_SPLIT_THOUSAND, /* [0-9][0-9][0-9] */
    WKI_SPLIT_PUNCTUATION
};
#define WKI_MAX_SPLITS 6
#define WKI_MAX_EDGES  8
#define WKI_MAX_ENDS   32
#define WKI_MAX_ADDED  512 /* bytes of an added token */

struct wk_tokenizer {
    bool              sentencepiece;
    int64_t           size; /* ids are below */
    struct wki_token *token;
    uint8_t          *arena;
    size_t            arena_used, arena_size;
    uint32_t          longest; /* bytes of the longest token */
    struct wki_word  *words;   /* of plain tokens, open addressing */
    uint64_t          word_mask;
    struct wki_hash   pairs;        /* left, right -> rank, merged id */
    int16_t           byte_of[324]; /* byte that a character of a byte-level token stands for, -1: none */
    struct wki_hash   trie;         /* of added tokens: node, byte -> node */
    int32_t          *trie_token;   /* by node: id or -1 */
    uint32_t          trie_nodes, trie_capacity;
    bool              starts[2][256]; /* bytes that start an added token: user's, any */
    uint64_t          seed;           /* of the hashes, unlike from run to run */
    int32_t           byte_id[256];   /* token of a single byte, -1: none */
    uint32_t         *score_key;      /* SentencePiece: smaller is merged first */
    int32_t           last_merged;    /* while merges are read */
    int32_t           unknown, bos, eos;
    int32_t           ends[WKI_MAX_ENDS];
    int               n_ends;
    int32_t           prefix[WKI_MAX_EDGES], suffix[WKI_MAX_EDGES]; /* edges that encoding adds */
    int               n_prefix, n_suffix;
    enum wki_split    split[WKI_MAX_SPLITS];
    int               n_splits;
    bool              whole_words;  /* a word in the vocabulary is taken without merging */
    bool              space_prefix; /* text gets a space in front: at its start and after each added token */
    bool              bare_prefix;  /* .. but where it begins with one (Metaspace) */
    bool              first_prefix; /* .. and only at its start (Metaspace, "first") */
    bool              nfc;
    char *template; /* chat template, or NULL */
};

/* ---- building (vocab.c): all return false after recording the error in c --------------------- */

wk_tokenizer *wki_vocab_new(wk_ctx *c, int64_t size,
                            size_t bytes); /* room for tokens of so many bytes in all */
/* Enters token id as written in the file; byte-level tokens are turned into bytes, U+2581 into a space. */
bool wki_vocab_add(wk_ctx *c, wk_tokenizer *t, int64_t id, const char *text, size_t length,
                   enum wki_kind kind);
bool wki_vocab_index(wk_ctx *c, wk_tokenizer *t); /* after the last token: tables, byte tokens, ends */
bool wki_vocab_merges(wk_ctx *c, wk_tokenizer *t, int64_t n);
/* Merge number rank (they come in order); a is written in byte-level form. */
bool  wki_vocab_merge(wk_ctx *c, wk_tokenizer *t, int64_t rank, const char *a, size_t na, const char *b,
                      size_t nb);
bool  wki_vocab_end(wk_tokenizer *t, int64_t id); /* id ends a text too */
void  wki_vocab_control(wk_tokenizer *t, int64_t id);
char *wki_copy_text(wk_ctx *c, const char *text);

wk_tokenizer *wki_tokenizer_gguf(wk_ctx *c, const wk_files *f);
wk_tokenizer *wki_tokenizer_json(wk_ctx *c, const char *json, size_t length, const char *config);

/* ---- use ------------------------------------------------------------------------------------- */

/* SentencePiece writes a space as U+2581: p with spaces, at out (n bytes of room); its length. */
size_t wki_to_spaces(const uint8_t *p, size_t n, uint8_t *out);
/* Plain token of those bytes, -1: none. */
int32_t wki_word_find(const wk_tokenizer *t, const uint8_t *bytes, size_t length);
/* Longest added token at p (specials only where asked for), its length through *length; -1: none. */
int32_t wki_added_at(const wk_tokenizer *t, const uint8_t *p, const uint8_t *end, bool special,
                     size_t *length);

/* Character at p < end: its code point and length, or -1 and 1 for a byte that is not UTF-8. */
int32_t wki_utf8(const uint8_t *p, const uint8_t *end, int *length);
bool    wki_is_space(int32_t c);
/* End of the first piece of [p, end), which is not empty. */
const uint8_t *wki_split_next(enum wki_split s, const uint8_t *p, const uint8_t *end);

/* Scratch of one wk_encode call. */
struct wki_symbol {
    int32_t  id, prev, next, merged;
    uint32_t rank, start;
};
struct wki_work {
    wk_ctx             *c;
    const wk_tokenizer *t;
    wk_tokens          *out;
    const uint8_t      *start; /* of the text */
    struct wki_symbol  *symbol;
    int64_t             symbols; /* allocated */
    uint64_t           *heap;
    int64_t             heaped, heap_size;
    uint8_t            *text; /* normalised text */
    size_t              text_size;
    int32_t            *code; /* code points being normalised */
    size_t              code_size;
};
bool wki_push(struct wki_work *w, int32_t id);
bool wki_bpe_word(struct wki_work *w, const uint8_t *p, size_t n);
bool wki_spm_text(struct wki_work *w, const uint8_t *p, size_t n, bool prefix);
/* p in normal form C (Unicode Standard Annex 15), in w->text where it had to change; *n is its new length. */
const uint8_t *wki_nfc(struct wki_work *w, const uint8_t *p, size_t *n);
/* Grows *block to at least want items, doubling; false after recording the error. */
bool wki_room(wk_ctx *c, void **block, int64_t *have, int64_t want, size_t item);

#endif
