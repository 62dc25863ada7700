/* The vocabulary of a tokeniser: its tokens and the tables that find them. */
#include "vocab.h"

#include <string.h>

static bool hash_init(struct wki_hash *m, int64_t expected, uint64_t seed)
{
    uint64_t size = 16;
    while (size < (uint64_t)expected + (uint64_t)expected / 2) size *= 2;
    *m = (struct wki_hash){
        .entry = wk_alloc_zero((size_t)size, sizeof *m->entry), .mask = size - 1, .seed = seed};
    return m->entry != NULL;
}

static void place(struct wki_hash *m, struct wki_hash_entry e)
{
    uint64_t i = wki_mix((e.key - 1) ^ m->seed) & m->mask;
    while (m->entry[i].key && m->entry[i].key != e.key) i = (i + 1) & m->mask;
    if (m->entry[i].key) return;
    m->count++;
    m->entry[i] = e;
}

/* Keeps what is there; false: no memory. */
static bool hash_put(struct wki_hash *m, uint64_t key, uint32_t a, uint32_t b)
{
    if ((uint64_t)m->count * 4 >= (m->mask + 1) * 3) {
        struct wki_hash bigger;
        if (!hash_init(&bigger, (int64_t)(m->mask + 1), m->seed)) return false;
        for (uint64_t i = 0; i <= m->mask; i++)
            if (m->entry[i].key) place(&bigger, m->entry[i]);
        wk_free(m->entry);
        *m = bigger;
    }
    place(m, (struct wki_hash_entry){key + 1, a, b});
    return true;
}

bool wki_room(wk_ctx *c, void **block, int64_t *have, int64_t want, size_t item)
{
    if (want <= *have) return true;
    int64_t size = *have < 32 ? 64 : *have * 2;
    if (size < want) size = want;
    void *p = (uint64_t)size <= SIZE_MAX / item ? wk_resize(*block, (size_t)size * item) : NULL;
    if (!p) {
        wk_fail(c, WK_ENOMEM, "tokenizer: no memory for %lld items", (long long)size);
        return false;
    }
    *block = p;
    *have = size;
    return true;
}

char *wki_copy_text(wk_ctx *c, const char *text)
{
    const size_t n = strlen(text) + 1;
    char        *copy = wk_alloc(n);
    if (copy)
        memcpy(copy, text, n);
    else
        wk_fail(c, WK_ENOMEM, "tokenizer: no memory for a template of %zu bytes", n);
    return copy;
}

/* ---- tokens ---- */

/* Byte-level vocabularies write each byte as one printable character (GPT-2): bytes that are printable in
 * Latin-1 stand for themselves, the others are U+0100 and on, in order. Returns the byte, -1: none. */
static int byte_of(int32_t code)
{
    const bool self = (code >= 33 && code <= 126) || (code >= 161 && code <= 255 && code != 173);
    if (self) return code;
    if (code < 256 || code > 323) return -1;
    const int n = code - 256;
    return n < 33 ? n : n < 67 ? n - 33 + 127 : 173;
}

wk_tokenizer *wki_vocab_new(wk_ctx *c, int64_t size, size_t bytes)
{
    if (size < 1 || size >= INT32_MAX || bytes >= UINT32_MAX) {
        wk_fail(c, WK_EFORMAT, "tokenizer: %lld tokens of %zu bytes", (long long)size, bytes);
        return NULL;
    }
    wk_tokenizer *t = wk_alloc_zero(1, sizeof *t);
    if (t) {
        *t = (wk_tokenizer){.size = size, .unknown = -1, .bos = -1, .eos = -1, .arena_size = bytes};
        t->seed = wki_mix((uint64_t)(uintptr_t)t); /* the address, so that collisions cannot be prepared */
        t->token = wk_alloc_zero((size_t)size, sizeof *t->token);
        t->arena = wk_alloc(bytes);
        for (int i = 0; i < 256; i++) t->byte_id[i] = -1;
        for (int i = 0; i < 324; i++) t->byte_of[i] = (int16_t)byte_of(i);
    }
    if (!t || !t->token || !t->arena) {
        wk_fail(c, WK_ENOMEM, "tokenizer: no memory for %lld tokens", (long long)size);
        wk_tokenizer_free(t);
        return NULL;
    }
    return t;
}

void wk_tokenizer_free(wk_tokenizer *t)
{
    if (!t) return;
    wk_free(t->token);
    wk_free(t->arena);
    wk_free(t->words);
    wk_free(t->pairs.entry);
    wk_free(t->trie.entry);
    wk_free(t->trie_token);
    wk_free(t->score_key);
    wk_free(t->template);
    wk_free(t);
}

/* Text in byte-level form to bytes at out; false where a character stands for no byte. */
static bool to_bytes(const wk_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out, size_t *length)
{
    const uint8_t *end = p + n;
    uint8_t       *o = out;
    while (p < end) {
        uint32_t code = *p++;
        if (code >= 0xc2 && code <= 0xc5 && p < end && (*p & 0xc0) == 0x80)
            code = (code & 31) << 6 | (*p++ & 63);
        else if (code >= 0x80)
            return false; /* beyond U+0143 there are none */
        if (code > 323 || t->byte_of[code] < 0) return false;
        *o++ = (uint8_t)t->byte_of[code];
    }
    *length = (size_t)(o - out);
    return true;
}

static int hex_digit(uint8_t x)
{
    if (x >= '0' && x <= '9') return x - '0';
    if (x >= 'A' && x <= 'F') return x - 'A' + 10;
    return x >= 'a' && x <= 'f' ? x - 'a' + 10 : -1;
}

/* The byte that "<0x0A>" names; -1: it is not of that form. */
static int named_byte(const uint8_t *p, size_t n)
{
    if (n != 6 || memcmp(p, "<0x", 3) != 0 || p[5] != '>') return -1;
    const int high = hex_digit(p[3]), low = hex_digit(p[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t wki_to_spaces(const uint8_t *p, size_t n, uint8_t *out)
{
    size_t k = 0;
    for (size_t i = 0; i < n; k++) {
        const bool space = n - i >= 3 && p[i] == 0xe2 && p[i + 1] == 0x96 && p[i + 2] == 0x81;
        out[k] = space ? ' ' : p[i];
        i += space ? 3 : 1;
    }
    return k;
}

/* The bytes that a plain token of a vocabulary file stands for; false: none. */
static bool to_token(const wk_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out, size_t *length)
{
    if (!t->sentencepiece) return to_bytes(t, p, n, out, length);
    *length = wki_to_spaces(p, n, out);
    return true;
}

bool wki_vocab_add(wk_ctx *c, wk_tokenizer *t, int64_t id, const char *text, size_t length,
                   enum wki_kind kind)
{
    if (id < 0 || id >= t->size || length > t->arena_size - t->arena_used) {
        wk_fail(c, WK_EFORMAT, "tokenizer: token %lld is out of range", (long long)id);
        return false;
    }
    const uint8_t *p = (const uint8_t *)text;
    uint8_t       *out = t->arena + t->arena_used;
    const bool     plain = kind == WKI_NORMAL || kind == WKI_UNUSED;
    size_t         n = length;
    if (kind == WKI_BYTE) {
        const int b = named_byte(p, length);
        if (b < 0) {
            wk_fail(c, WK_EFORMAT, "tokenizer: byte token %lld is not of the form <0x0A>", (long long)id);
            return false;
        }
        out[0] = (uint8_t)b;
        n = 1;
        t->byte_id[b] = (int32_t)id;
    } else if (plain && !to_token(t, p, length, out, &n)) {
        kind = WKI_UNUSED; /* never the result of a merge; it still decodes to its text */
        memcpy(out, p, n = length);
    } else if (!plain) {
        memcpy(out, p, n);
    }
    t->token[id] =
        (struct wki_token){.offset = (uint32_t)t->arena_used, .length = (uint32_t)n, .kind = (uint8_t)kind};
    t->arena_used += n;
    if (n > t->longest) t->longest = (uint32_t)n;
    return true;
}

static uint32_t hash_bytes(const wk_tokenizer *t, const uint8_t *p, size_t n)
{
    uint64_t h = t->seed ^ n, x = 0;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&x, p, 8);
        h = wki_mix(h ^ x);
    }
    x = 0;
    for (size_t i = 0; i < n; i++) x |= (uint64_t)p[i] << (8 * i);
    return (uint32_t)wki_mix(h ^ x);
}

static bool same(const wk_tokenizer *t, uint32_t id, const uint8_t *p, size_t n)
{
    const struct wki_token *k = &t->token[id];
    return k->length == n && memcmp(t->arena + k->offset, p, n) == 0;
}

/* The place of those bytes in the table, or the free one where they belong. */
static struct wki_word *word_place(const wk_tokenizer *t, uint32_t hash, const uint8_t *p, size_t n)
{
    for (uint64_t i = hash & t->word_mask;; i = (i + 1) & t->word_mask) {
        struct wki_word *w = &t->words[i];
        if (!w->id || (w->hash == hash && same(t, w->id - 1, p, n))) return w;
    }
}

int32_t wki_word_find(const wk_tokenizer *t, const uint8_t *p, size_t n)
{
    return n > t->longest ? -1 : (int32_t)word_place(t, hash_bytes(t, p, n), p, n)->id - 1;
}

static void word_put(wk_tokenizer *t, uint32_t id)
{
    const uint8_t *p = t->arena + t->token[id].offset;
    const size_t   n = t->token[id].length;
    const uint32_t hash = hash_bytes(t, p, n);
    *word_place(t, hash, p, n) = (struct wki_word){hash, id + 1}; /* of equal tokens the last counts */
}

/* ---- added tokens: a trie ---- */

static bool trie_put(wk_tokenizer *t, uint32_t id)
{
    const uint8_t *p = t->arena + t->token[id].offset;
    uint32_t       node = 0;
    for (uint32_t i = 0; i < t->token[id].length; i++) {
        const uint64_t               key = ((uint64_t)node << 8) | p[i];
        const struct wki_hash_entry *e = wki_hash_get(&t->trie, key);
        if (e) {
            node = e->a;
            continue;
        }
        if (t->trie_nodes == t->trie_capacity) {
            int32_t *more = wk_resize(t->trie_token, (size_t)t->trie_capacity * 2 * sizeof *more);
            if (!more) return false;
            t->trie_token = more;
            t->trie_capacity *= 2;
        }
        if (!hash_put(&t->trie, key, t->trie_nodes, 0)) return false;
        node = t->trie_nodes++;
        t->trie_token[node] = -1;
    }
    t->trie_token[node] = (int32_t)id;
    t->starts[1][p[0]] = true;
    if (t->token[id].kind == WKI_USER) t->starts[0][p[0]] = true;
    return true;
}

int32_t wki_added_at(const wk_tokenizer *t, const uint8_t *p, const uint8_t *end, bool special,
                     size_t *length)
{
    if (!t->starts[special][*p]) return -1;
    int32_t  found = -1;
    uint32_t node = 0;
    for (const uint8_t *q = p; q < end; q++) {
        const struct wki_hash_entry *e = wki_hash_get(&t->trie, ((uint64_t)node << 8) | *q);
        if (!e) break;
        node = e->a;
        const int32_t id = t->trie_token[node];
        if (id < 0 || !(special || t->token[id].kind == WKI_USER)) continue;
        found = id;
        *length = (size_t)(q - p) + 1;
    }
    return found;
}

static bool is_added(const struct wki_token *k)
{
    return k->kind == WKI_CONTROL || k->kind == WKI_USER || k->kind == WKI_UNKNOWN;
}

static bool index_added(wk_ctx *c, wk_tokenizer *t)
{
    t->trie_capacity = 64;
    t->trie_nodes = 1;
    t->trie_token = wk_alloc(t->trie_capacity * sizeof *t->trie_token);
    if (!t->trie_token || !hash_init(&t->trie, 64, t->seed)) goto memory;
    t->trie_token[0] = -1;
    for (int64_t i = 0; i < t->size; i++) {
        const struct wki_token *k = &t->token[i];
        if (!is_added(k) || !k->length) continue;
        if (k->length > WKI_MAX_ADDED) {
            wk_fail(c, WK_EUNSUPPORTED, "tokenizer: added token %lld has %u bytes (at most %d)", (long long)i,
                    k->length, WKI_MAX_ADDED);
            return false;
        }
        if (!trie_put(t, (uint32_t)i)) goto memory;
    }
    return true;
memory:
    wk_fail(c, WK_ENOMEM, "tokenizer: no memory for added tokens");
    return false;
}

/* Tokens that end a text or a turn in the published model families, by their text. */
static void find_ends(wk_tokenizer *t)
{
    static const char *const names[] = {"<|endoftext|>", "<|im_end|>",      "<|eot_id|>",    "<|eom_id|>",
                                        "<|end|>",       "<|end_of_text|>", "<end_of_turn>", "<|EOT|>",
                                        "</s>",          "<|return|>",      "<|endofturn|>", "<|eos|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int32_t id = wk_token_find(t, names[i]);
        if (id >= 0 && t->token[id].kind != WKI_NORMAL) wki_vocab_end(t, id);
    }
}

bool wki_vocab_index(wk_ctx *c, wk_tokenizer *t)
{
    uint64_t size = 16;
    while (size < (uint64_t)t->size + (uint64_t)t->size / 2) size *= 2;
    t->words = wk_alloc_zero((size_t)size, sizeof *t->words);
    t->word_mask = size - 1;
    if (!t->words) {
        wk_fail(c, WK_ENOMEM, "tokenizer: no memory for a table of %lld tokens", (long long)t->size);
        return false;
    }
    for (int64_t i = 0; i < t->size; i++) {
        const struct wki_token *k = &t->token[i];
        if (k->kind != WKI_NORMAL || !k->length) continue;
        word_put(t, (uint32_t)i);
        if (k->length == 1 && !t->sentencepiece) t->byte_id[t->arena[k->offset]] = (int32_t)i;
    }
    if (!index_added(c, t)) return false;
    if (t->eos >= 0) wki_vocab_end(t, t->eos);
    find_ends(t);
    return true;
}

bool wki_vocab_end(wk_tokenizer *t, int64_t id)
{
    if (id < 0 || id >= t->size) return false;
    if (wk_token_ends(t, (int32_t)id)) return true;
    if (t->n_ends == WKI_MAX_ENDS) return false;
    t->ends[t->n_ends++] = (int32_t)id;
    return true;
}

void wki_vocab_control(wk_tokenizer *t, int64_t id)
{
    if (id >= 0 && id < t->size && t->token[id].kind == WKI_NORMAL) t->token[id].kind = WKI_CONTROL;
}

/* ---- merges ---- */

bool wki_vocab_merges(wk_ctx *c, wk_tokenizer *t, int64_t n)
{
    if (n < INT32_MAX && hash_init(&t->pairs, n, t->seed)) return true;
    wk_fail(c, WK_ENOMEM, "tokenizer: no memory for %lld merges", (long long)n);
    return false;
}

/* Token of those bytes, plain or added. */
static int32_t find_any(const wk_tokenizer *t, const uint8_t *p, size_t n)
{
    const int32_t id = wki_word_find(t, p, n);
    if (id >= 0 || !n) return id;
    size_t        length = 0;
    const int32_t added = wki_added_at(t, p, p + n, true, &length);
    return length == n ? added : -1;
}

bool wki_vocab_merge(wk_ctx *c, wk_tokenizer *t, int64_t rank, const char *a, size_t na, const char *b,
                     size_t nb)
{
    uint8_t small[256], *both = na + nb <= sizeof small ? small : wk_alloc(na + nb);
    size_t  la = 0, lb = 0;
    int32_t left = -1, right = -1, merged = -1;
    if (!both) {
        wk_fail(c, WK_ENOMEM, "tokenizer: no memory for a merge of %zu bytes", na + nb);
        return false;
    }
    if (to_token(t, (const uint8_t *)a, na, both, &la) &&
        to_token(t, (const uint8_t *)b, nb, both + la, &lb)) {
        left = find_any(t, both, la);
        right = find_any(t, both + la, lb);
        /* Vocabularies list what merges make in order, so the next id is a good guess. */
        const bool guess = t->last_merged + 1 < t->size && t->token[t->last_merged + 1].kind == WKI_NORMAL &&
                           same(t, (uint32_t)t->last_merged + 1, both, la + lb);
        merged = guess ? t->last_merged + 1 : find_any(t, both, la + lb);
        t->last_merged = merged;
    }
    if (both != small) wk_free(both);
    if (left < 0 || right < 0 || merged < 0) {
        wk_fail(c, WK_EFORMAT, "tokenizer: merge %lld names a token that is not in the vocabulary",
                (long long)rank);
        return false;
    }
    /* A control token never comes from text; of equal merges the first counts. */
    const uint64_t key = ((uint64_t)(uint32_t)left << 32) | (uint32_t)right;
    if (t->token[merged].kind != WKI_CONTROL && !hash_put(&t->pairs, key, (uint32_t)rank, (uint32_t)merged)) {
        wk_fail(c, WK_ENOMEM, "tokenizer: no memory for merges");
        return false;
    }
    return true;
}

/* ---- what anyone may ask ---- */

int64_t wk_tokenizer_size(const wk_tokenizer *t)
{
    return t->size;
}

const char *wk_tokenizer_kind(const wk_tokenizer *t)
{
    return t->sentencepiece ? "sentencepiece-bpe" : "bpe";
}

const char *wk_token_bytes(const wk_tokenizer *t, int32_t id, size_t *length, bool *special)
{
    if (length) *length = 0;
    if (special) *special = false;
    if (id < 0 || id >= t->size || t->token[id].kind == WKI_GAP) return NULL;
    const struct wki_token *k = &t->token[id];
    if (length) *length = k->length;
    if (special) *special = k->kind == WKI_CONTROL || k->kind == WKI_UNKNOWN;
    return (const char *)t->arena + k->offset;
}

int32_t wk_token_find(const wk_tokenizer *t, const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    const size_t   n = strlen(text);
    size_t         length = 0;
    const int32_t  added = n ? wki_added_at(t, p, p + n, true, &length) : -1;
    return added >= 0 && length == n ? added : wki_word_find(t, p, n);
}

int32_t wk_token_bos(const wk_tokenizer *t)
{
    return t->bos;
}

int32_t wk_token_eos(const wk_tokenizer *t)
{
    return t->eos;
}

bool wk_token_ends(const wk_tokenizer *t, int32_t id)
{
    for (int i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id) return true;
    return false;
}
