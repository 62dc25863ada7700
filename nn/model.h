/* What a kind of model is: the facts of its row in models.def, how it loads, how it runs. */
#ifndef WKI_MODEL_H
#define WKI_MODEL_H

#include "layers.h"

enum wki_window {
    WKI_NO_WINDOW,
    WKI_WINDOW,
    WKI_WINDOW_IF_USED
}; /* sliding_window: ignored, obeyed, switched */

/* In what architectures of one kind differ. */
struct wki_facts {
    bool            bias;    /* of q, k, v */
    bool            qk_norm; /* per head */
    wk_rope_layout  rope;
    enum wki_window window;
    bool            columns; /* weights are stored [in, out] */
};

/* One step: where its tokens are, the cache's layers or NULL, which logits are wanted. */
struct wki_step {
    wk_tensor           positions; /* i64 [T] */
    const struct wk_kv *kv;
    wk_tensor           start;
    bool                last_only;
};
static inline const struct wk_kv *wki_kv(const struct wki_step *s, int64_t layer)
{
    return s->kv ? &s->kv[layer] : NULL;
}

struct wki_model_kind {
    const char *name;
    /* Checks the sizes (into info), loads the layers. What it returns goes to free, also after an error. */
    void *(*load)(wk_params p, const struct wki_facts *facts, wk_model_info *info);
    void (*bind)(void *model, wk_param_list *l); /* once the model is where it stays */
    wk_tensor (*forward)(wk_ctx *c, const void *model, wk_tensor tokens, const struct wki_step *s);
    void (*free)(void *model);
};

/* A configured size in 1 .. most; anything else is an error that names the key. */
int64_t wki_config_size(wk_params p, const char *key, int64_t fallback, int64_t most);
/* The output layer: its own weights, or the embedding's where they are tied. */
struct wk_linear wki_head_load(wk_params p, const struct wk_embedding *e, int64_t dim, int64_t vocab);
wk_tensor wki_wanted(wk_ctx *c, const struct wki_step *s, wk_tensor h); /* the rows whose logits are wanted */

#define WK_MODEL(kind, arch, ...) extern const struct wki_model_kind wki_##kind;
#include "models/models.def"
#undef WK_MODEL

#endif
