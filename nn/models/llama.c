/* Llama (arXiv:2302.13971; grouped queries 2307.09288) and its kin Mistral (2310.06825), Qwen2
 * (2407.10671), Qwen3 (2505.09388): pre-norm decoders with rotary attention and a gated feed-forward. */
#include "nn/model.h"

#include <string.h>

struct block {
    struct wk_norm      attn_norm, mlp_norm;
    struct wk_attention attn;
    struct wk_mlp       mlp;
};

struct llama {
    struct wk_embedding embed;
    struct block       *blocks;
    int64_t             n_blocks;
    struct wk_norm      norm;
    struct wk_linear    head;
};

/* h enters normed; x, the residual stream, takes both halves of the block; the next norm's output leaves. */
static wk_tensor run_block(wk_ctx *c, const struct block *b, const struct wk_norm *next, wk_tensor *x,
                           wk_tensor h, int64_t i, const struct wki_step *s)
{
    h = wk_attention(c, &b->attn, h, s->positions, wki_kv(s, i), s->start);
    h = wk_norm_add(c, &b->mlp_norm, x, h);
    return wk_norm_add(c, next, x, wk_mlp(c, &b->mlp, h));
}

static wk_tensor forward(wk_ctx *c, const void *model, wk_tensor tokens, const struct wki_step *s)
{
    const struct llama *m = model;
    const wk_scope      scope = wk_scope_begin(c);
    wk_tensor           x = wk_embedding(c, &m->embed, tokens);
    wk_tensor           h = wk_norm(c, &m->blocks[0].attn_norm, x);
    for (int64_t i = 0; i < m->n_blocks; i++) {
        const struct wk_norm *next = i + 1 < m->n_blocks ? &m->blocks[i + 1].attn_norm : &m->norm;
        h = run_block(c, &m->blocks[i], next, &x, h, i, s);
        wk_scope_end_n(c, scope, 2, (wk_tensor[]){x, h});
    }
    return wk_scope_end(c, scope, wk_linear(c, &m->head, wki_wanted(c, s, h)));
}

/* ---- loading ---- */

/* Sliding window of layer i (Mistral: all layers; Qwen: from max_window_layers on, where it is switched
 * on). */
static int64_t window_of(wk_params p, const struct wki_facts *facts, int64_t i)
{
    const int64_t window = wk_config_int(p.files, "sliding_window", 0);
    size_t        length = 0;
    const char   *type = wk_config_string_at(p.files, "layer_types", i, &length);
    if (facts->window == WKI_NO_WINDOW || window <= 0) return 0;
    if (type) return length == 17 && !memcmp(type, "sliding_attention", 17) ? window : 0;
    if (facts->window == WKI_WINDOW) return window;
    const bool used = wk_config_bool(p.files, "use_sliding_window", false);
    return used && i >= wk_config_int(p.files, "max_window_layers", 28) ? window : 0;
}

static struct wk_attention_opts attention_opts(wk_params p, const struct wki_facts *facts,
                                               wk_model_info *info)
{
    struct wk_attention_opts o = {.eps = wk_config_float(p.files, "rms_norm_eps", 1e-6)};
    const int64_t even = info->heads > 0 && info->dim % info->heads == 0 ? info->dim / info->heads : 0;
    o.dim = info->dim;
    o.heads = info->heads;
    o.kv_heads = info->kv_heads = wki_config_size(p, "num_key_value_heads", info->heads, info->heads);
    o.head_dim = info->head_dim = wki_config_size(p, "head_dim", even, 65536);
    o.qk_norm = facts->qk_norm;
    o.rotary = wk_rotary_load(p, o.head_dim);
    o.rotary.opts.layout = facts->rope;
    if (wk_ctx_status(p.c) != WK_OK) return o;
    if (info->heads % info->kv_heads != 0)
        wk_fail(p.c, WK_EFORMAT, "num_attention_heads %lld is not a multiple of num_key_value_heads %lld",
                (long long)info->heads, (long long)info->kv_heads);
    if (!(o.eps > 0 && o.eps < 1)) wk_fail(p.c, WK_EFORMAT, "rms_norm_eps is %g", o.eps);
    if (wk_config_int(p.files, "num_local_experts", 0) > 0)
        wk_fail(p.c, WK_EUNSUPPORTED, "a mixture of experts is not supported");
    return o;
}

static struct block load_block(wk_params p, const wk_model_info *info, struct wk_attention_opts o, int act)
{
    o.bias = o.bias || wk_config_bool(p.files, "attention_bias", wk_param_there(p, "self_attn.q_proj.bias"));
    o.out_bias = wk_config_bool(p.files, "attention_bias", wk_param_there(p, "self_attn.o_proj.bias"));
    const bool mlp_bias = wk_config_bool(p.files, "mlp_bias", wk_param_there(p, "mlp.up_proj.bias"));
    return (struct block){.attn_norm = wk_rms_norm_load(p, "input_layernorm", info->dim, o.eps),
                          .attn = wk_attention_load(p, "self_attn", o),
                          .mlp_norm = wk_rms_norm_load(p, "post_attention_layernorm", info->dim, o.eps),
                          .mlp = wk_mlp_load(p, "mlp", info->dim, info->hidden, true, mlp_bias, act)};
}

static void load_layers(struct llama *m, wk_params p, const struct wki_facts *facts, wk_model_info *info)
{
    struct wk_attention_opts o = attention_opts(p, facts, info);
    const char              *act = wk_config_string(p.files, "hidden_act", "silu");
    if (wk_activation_find(act) < 0)
        wk_fail(p.c, WK_EUNSUPPORTED, "hidden_act \"%.40s\" is not supported", act);
    o.bias = facts->bias;
    m->embed = wk_embedding_load(p, "model.embed_tokens", info->vocab, info->dim);
    for (int64_t i = 0; i < m->n_blocks && wk_ctx_status(p.c) == WK_OK; i++) {
        o.window = window_of(p, facts, i);
        m->blocks[i] =
            load_block(wk_at(p, "model.layers.%lld", (long long)i), info, o, wk_activation_find(act));
    }
    m->norm = wk_rms_norm_load(p, "model.norm", info->dim, o.eps);
    m->head = wki_head_load(p, &m->embed, info->dim, info->vocab);
}

static void *load(wk_params p, const struct wki_facts *facts, wk_model_info *info)
{
    info->dim = wki_config_size(p, "hidden_size", 0, 1 << 20);
    info->layers = wki_config_size(p, "num_hidden_layers", 0, 4096);
    info->heads = wki_config_size(p, "num_attention_heads", 0, 65536);
    info->hidden = wki_config_size(p, "intermediate_size", 0, 1 << 24);
    info->vocab = wki_config_size(p, "vocab_size", 0, INT32_MAX);
    info->context = wki_config_size(p, "max_position_embeddings", 2048, INT32_MAX);
    if (wk_ctx_status(p.c) != WK_OK) return NULL;
    struct llama *m = wk_alloc_zero(1, sizeof *m);
    if (m) m->blocks = wk_alloc_zero((size_t)info->layers, sizeof *m->blocks);
    if (!m || !m->blocks) {
        wk_fail(p.c, WK_ENOMEM, "out of memory: %lld layers", (long long)info->layers);
        return m;
    }
    m->n_blocks = info->layers;
    load_layers(m, p, facts, info);
    return m;
}

static void bind(void *model, wk_param_list *l)
{
    struct llama *m = model;
    wki_embedding_bind(l, &m->embed);
    for (int64_t i = 0; i < m->n_blocks; i++) {
        wki_norm_bind(l, &m->blocks[i].attn_norm);
        wki_attention_bind(l, &m->blocks[i].attn);
        wki_norm_bind(l, &m->blocks[i].mlp_norm);
        wki_mlp_bind(l, &m->blocks[i].mlp);
    }
    wki_norm_bind(l, &m->norm);
    wki_linear_bind(l, &m->head);
}

static void release(void *model)
{
    struct llama *m = model;
    if (m) wk_free(m->blocks);
    wk_free(m);
}

const struct wki_model_kind wki_llama = {"llama", load, bind, forward, release};
