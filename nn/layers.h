/* What layers and models share: steps of attention and mlp, binding of fields to the parameter list. */
#ifndef WKI_LAYERS_H
#define WKI_LAYERS_H

#include "nn.h"

/* Enters a tensor that was made of others under p; returns it. */
wk_tensor wki_param_made(wk_params p, const char *name, wk_tensor x);
/* First values of a matrix and of a bias as PyTorch's linear has them, or as p says. */
wk_init   wki_weight_init(wk_params p, int64_t fan_in);
wk_init   wki_bias_init(wk_params p, int64_t fan_in);
wk_tensor wki_activate(wk_ctx *c, int act, wk_tensor x); /* enum wk_activation */
wk_tensor wki_affine_activate(wk_ctx *c, int act, wk_tensor x, wk_tensor w, wk_tensor bias);
wk_tensor wki_gate(wk_ctx *c, int act, wk_tensor gate, wk_tensor up); /* act(gate) up */
wk_shape  wki_shape_of(wk_tensor x);
/* An option that has a default where it is 0, and is 0 where it is negative. */
static inline double wki_or(double option, double otherwise)
{
    return option == 0 ? otherwise : option < 0 ? 0 : option;
}
/* Two masks of attention (bool: seen, or real: added; WK_NONE) as one. */
wk_tensor wki_mask_join(wk_ctx *c, wk_tensor a, wk_tensor b);
/* The frequencies where reach positions may come. */
wk_tensor wki_rotary_freq(wk_ctx *c, const struct wk_rotary *r, int64_t reach);
wk_tensor wki_split_heads(wk_ctx *c, wk_tensor x, int64_t heads); /* [.., H d] as [.., H, d] */
/* Attention on a rotating layer of a cache, to which k and v are appended at o.start. */
wk_tensor wki_attend_sliding(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const struct wk_kv *kv,
                             wk_attend_opts o);
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
