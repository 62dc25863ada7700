/* The two large tables of a tokenizer.json, vocabulary and merges, read where they stand: a tree of them
 * would take far longer to build than the tokeniser. */
#ifndef WK_JSON_TABLES_H
#define WK_JSON_TABLES_H

#include "vocab.h"

#include "../io/json.h"

struct wki_tables {
    wki_json vocab, merges; /* readers that stand at the opening bracket */
    bool     has_vocab, has_merges;
};
/* The document with both tables emptied, to be freed with wk_free; NULL after recording the error. */
char *wki_tables_cut(wk_ctx *c, const char *json, size_t length, struct wki_tables *t, size_t *left);
/* Counts entries, the bytes of their texts and the greatest id. */
bool wki_tables_measure(wk_ctx *c, const struct wki_tables *t, int64_t *entries, size_t *bytes,
                        int64_t *greatest);
bool wki_tables_vocab(wk_ctx *c, const struct wki_tables *t, wk_tokenizer *out);
bool wki_tables_merges(wk_ctx *c, const struct wki_tables *t, wk_tokenizer *out);

#endif
