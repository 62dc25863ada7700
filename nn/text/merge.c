/* Merging: from bytes or characters to tokens, by rank (byte-level BPE) or by score (SentencePiece BPE). */
#include "vocab.h"

#include <string.h>

#define NONE UINT32_MAX

bool wki_push(struct wki_work *w, int32_t id)
{
    void *p = w->out->id;
    if (!wki_room(w->c, &p, &w->out->capacity, w->out->count + 1, sizeof *w->out->id)) return false;
    w->out->id = p;
    w->out->id[w->out->count++] = id;
    return true;
}

static uint32_t rank_of(const wk_tokenizer *t, int32_t a, int32_t b, int32_t *merged)
{
    if ((a | b) < 0) return NONE; /* a character that is no token */
    const struct wki_hash_entry *e = wki_hash_get(&t->pairs, ((uint64_t)(uint32_t)a << 32) | (uint32_t)b);
    if (!e) return NONE;
    *merged = (int32_t)e->b;
    return e->a;
}

/* ---- a heap of (rank, place), the smallest first ---- */

static bool heap_push(struct wki_work *w, uint32_t rank, int32_t place)
{
    void *p = w->heap;
    if (!wki_room(w->c, &p, &w->heap_size, w->heaped + 1, sizeof *w->heap)) return false;
    w->heap = p;
    const uint64_t key = ((uint64_t)rank << 32) | (uint32_t)place;
    int64_t        i = w->heaped++;
    for (; i > 0 && w->heap[(i - 1) / 2] > key; i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = key;
    return true;
}

static uint64_t heap_pop(struct wki_work *w)
{
    const uint64_t top = w->heap[0], key = w->heap[--w->heaped];
    int64_t        i = 0;
    for (int64_t k = 1; k < w->heaped; k = 2 * i + 1) {
        if (k + 1 < w->heaped && w->heap[k + 1] < w->heap[k]) k++;
        if (w->heap[k] >= key) break;
        w->heap[i] = w->heap[k];
        i = k;
    }
    w->heap[i] = key;
    return top;
}

/* ---- symbols: a list whose neighbours merge until no pair has a rank ---- */

/* text: the bytes that scored symbols cover (they end at `end`); NULL: ranks by pair of ids. */
static bool rank_pair(struct wki_work *w, int32_t i, const uint8_t *text, uint32_t end)
{
    struct wki_symbol *s = &w->symbol[i];
    s->rank = NONE;
    if (s->next < 0) return true;
    const struct wki_symbol *n = &w->symbol[s->next];
    if (text) {
        const uint32_t stop = n->next < 0 ? end : w->symbol[n->next].start;
        s->merged = wki_word_find(w->t, text + s->start, stop - s->start);
        if (s->merged >= 0) s->rank = w->t->score_key[s->merged];
    } else {
        s->rank = rank_of(w->t, s->id, n->id, &s->merged);
    }
    return s->rank == NONE || heap_push(w, s->rank, i);
}

static bool merge_all(struct wki_work *w, int32_t n, const uint8_t *text, uint32_t end)
{
    w->heaped = 0;
    for (int32_t i = 0; i < n; i++)
        if (!rank_pair(w, i, text, end)) return false;
    while (w->heaped) {
        const uint64_t     top = heap_pop(w);
        const int32_t      i = (int32_t)(top & 0xffffffffu);
        struct wki_symbol *s = &w->symbol[i];
        if (s->rank != top >> 32) continue; /* the pair that was meant is gone */
        struct wki_symbol *gone = &w->symbol[s->next];
        s->id = s->merged;
        s->next = gone->next;
        gone->rank = NONE;
        if (s->next >= 0) w->symbol[s->next].prev = i;
        if (!rank_pair(w, i, text, end)) return false;
        if (s->prev >= 0 && !rank_pair(w, s->prev, text, end)) return false;
    }
    return true;
}

static bool reserve(struct wki_work *w, size_t n)
{
    void *p = w->symbol;
    if (n >= INT32_MAX / 2) {
        wk_fail(w->c, WK_EARG, "encode: a piece of %zu bytes is too long", n);
        return false;
    }
    if (!wki_room(w->c, &p, &w->symbols, (int64_t)n, sizeof *w->symbol)) return false;
    w->symbol = p;
    return true;
}

/* ---- byte-level BPE ---- */

#define SHORT 48 /* bytes up to which looking at all pairs beats a heap */

static bool short_word(struct wki_work *w, int32_t *id, int n)
{
    uint32_t rank[SHORT];
    int32_t  merged[SHORT];
    for (int i = 0; i + 1 < n; i++) rank[i] = rank_of(w->t, id[i], id[i + 1], &merged[i]);
    while (n > 1) {
        int best = 0;
        for (int i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == NONE) break;
        id[best] = merged[best];
        n--;
        for (int i = best + 1; i < n; i++) {
            id[i] = id[i + 1];
            rank[i - 1] = rank[i];
            merged[i - 1] = merged[i];
        }
        if (best > 0) rank[best - 1] = rank_of(w->t, id[best - 1], id[best], &merged[best - 1]);
        if (best + 1 < n) rank[best] = rank_of(w->t, id[best], id[best + 1], &merged[best]);
    }
    for (int i = 0; i < n; i++)
        if (!wki_push(w, id[i])) return false;
    return true;
}

/* A byte without a token becomes the unknown token, or is left out where there is none. */
static int32_t byte_token(const wk_tokenizer *t, uint8_t b)
{
    return t->byte_id[b] < 0 ? t->unknown : t->byte_id[b];
}

bool wki_bpe_word(struct wki_work *w, const uint8_t *p, size_t n)
{
    if (w->t->whole_words) {
        const int32_t id = wki_word_find(w->t, p, n);
        if (id >= 0) return wki_push(w, id);
    }
    int32_t k = 0;
    if (n <= SHORT) {
        int32_t id[SHORT];
        for (size_t i = 0; i < n; i++) {
            id[k] = byte_token(w->t, p[i]);
            k += id[k] >= 0;
        }
        return short_word(w, id, k);
    }
    if (!reserve(w, n)) return false;
    for (size_t i = 0; i < n; i++) {
        const int32_t id = byte_token(w->t, p[i]);
        if (id < 0) continue;
        w->symbol[k] = (struct wki_symbol){.id = id, .prev = k - 1, .next = k + 1};
        k++;
    }
    if (!k) return true;
    w->symbol[k - 1].next = -1;
    if (!merge_all(w, k, NULL, 0)) return false;
    for (int32_t i = 0; i >= 0; i = w->symbol[i].next)
        if (!wki_push(w, w->symbol[i].id)) return false;
    return true;
}

/* ---- SentencePiece BPE (arXiv:1808.06226): over characters, by score or (tokenizer.json) by rank ---- */

/* A character that the vocabulary lacks: its bytes, or the unknown token. */
static bool push_bytes(struct wki_work *w, const uint8_t *p, const uint8_t *end)
{
    bool all = true;
    for (const uint8_t *q = p; q < end; q++) all = all && w->t->byte_id[*q] >= 0;
    if (!all) return w->t->unknown < 0 || wki_push(w, w->t->unknown);
    for (; p < end; p++)
        if (!wki_push(w, w->t->byte_id[*p])) return false;
    return true;
}

bool wki_spm_text(struct wki_work *w, const uint8_t *p, size_t n, bool prefix)
{
    if (!reserve(w, n + prefix)) return false;
    void   *block = w->text;
    int64_t have = (int64_t)w->text_size;
    if (!wki_room(w->c, &block, &have, (int64_t)(n + prefix), 1)) return false;
    w->text = block;
    w->text_size = (size_t)have;
    uint8_t *text = w->text;
    size_t   length = 0;
    if (prefix) text[length++] = ' ';
    length += wki_to_spaces(p, n, text + length);
    int32_t k = 0;
    for (size_t i = 0; i < length; k++) {
        int bytes;
        (void)wki_utf8(text + i, text + length, &bytes);
        const int32_t id = wki_word_find(w->t, text + i, (size_t)bytes);
        w->symbol[k] = (struct wki_symbol){.id = id, .prev = k - 1, .next = k + 1, .start = (uint32_t)i};
        i += (size_t)bytes;
    }
    if (!k) return true;
    w->symbol[k - 1].next = -1;
    if (!merge_all(w, k, w->t->score_key ? text : NULL, (uint32_t)length)) return false;
    for (int32_t i = 0; i >= 0; i = w->symbol[i].next) {
        const struct wki_symbol *s = &w->symbol[i];
        const size_t             stop = s->next < 0 ? length : w->symbol[s->next].start;
        if (!(s->id >= 0 ? wki_push(w, s->id) : push_bytes(w, text + s->start, text + stop))) return false;
    }
    return true;
}
