/* What layers and models share: steps of attention and mlp, binding of fields to the parameter list. */
#ifndef WKI_LAYERS_H
#define WKI_LAYERS_H

#include "nn.h"

wk_tensor wki_activate(wk_ctx *c, int act, wk_tensor x);          /* enum wk_activation */
wk_tensor wki_split_heads(wk_ctx *c, wk_tensor x, int64_t heads); /* [.., H d] as [.., H, d] */
/* Causal attention of q [.., H, T, d] on k, v [.., G, T, d], or on the cache after they were appended at
 * o.start; the heads side by side: [.., T, H d]. */
wk_tensor wki_attend_heads(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const struct wk_kv *kv,
                           wk_attend_opts o);

/* Binds the field to the parameter that it holds, so that wk_param_list_set reaches it; no parameter:
 * nothing. */
void wki_bind(wk_param_list *l, wk_tensor *field);
void wki_linear_bind(wk_param_list *l, struct wk_linear *x);
void wki_embedding_bind(wk_param_list *l, struct wk_embedding *x);
void wki_norm_bind(wk_param_list *l, struct wk_norm *x);
void wki_attention_bind(wk_param_list *l, struct wk_attention *x);
void wki_mlp_bind(wk_param_list *l, struct wk_mlp *x);

#endif
