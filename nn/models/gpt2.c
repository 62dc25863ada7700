/* GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"): pre-norm decoder with
 * learned positions, layer norms, biases, GELU. */
#include "nn/model.h"

/* A linear layer whose weight may be stored [in, out]; then a turned copy serves until a trainer replaces
 * it. */
struct projection {
    struct wk_linear linear;
    bool             columns;
    wk_tensor        stored, turned; /* [in, out] as loaded; [out, in] */
};

struct block {
    struct wk_norm    ln_1, ln_2;
    struct projection c_attn, c_proj, mlp_fc, mlp_proj;
};

struct gpt2 {
    struct wk_embedding wte, wpe;
    struct block       *blocks;
    int64_t             n_blocks, heads;
    int                 act;
    struct wk_norm      ln_f;
    struct wk_linear    head;
};

static wk_tensor project(wk_ctx *c, const struct projection *p, wk_tensor x)
{
    const struct wk_linear *l = &p->linear;
    if (!p->columns) return wk_linear(c, l, x);
    if (l->weight == p->stored) return wk_affine(c, x, p->turned, l->bias);
    return wk_add(c, wk_matmul(c, x, l->weight), l->bias);
}

/* The activation of a projection. */
static wk_tensor project_act(wk_ctx *c, const struct projection *p, int act, wk_tensor x)
{
    const struct wk_linear *l = &p->linear;
    if (!p->columns) return wki_affine_activate(c, act, x, l->weight, l->bias);
    if (l->weight == p->stored) return wki_affine_activate(c, act, x, p->turned, l->bias);
    return wki_activate(c, act, project(c, p, x));
}

/* Part i of the fused projection, [.., T, 3 dim], by heads: [.., H, T, d]. */
static wk_tensor part(wk_ctx *c, wk_tensor qkv, int64_t i, int64_t heads)
{
    const int64_t dim = wk_size(qkv, -1) / 3;
    return wk_transpose(c, wki_split_heads(c, wk_narrow(c, qkv, -1, i * dim, dim), heads), -2, -3);
}

static wk_tensor attention(wk_ctx *c, const struct gpt2 *m, const struct block *b, wk_tensor h, int64_t i,
                           const struct wki_step *s)
{
    const wk_tensor qkv = project(c, &b->c_attn, h);
    const wk_tensor q = part(c, qkv, 0, m->heads), k = part(c, qkv, 1, m->heads),
                    v = part(c, qkv, 2, m->heads);
    h = wki_attend_heads(c, q, k, v, wki_kv(s, i), (wk_attend_opts){.start = s->start});
    return project(c, &b->c_proj, h);
}

static wk_tensor mlp(wk_ctx *c, const struct gpt2 *m, const struct block *b, wk_tensor h)
{
    return project(c, &b->mlp_proj, project_act(c, &b->mlp_fc, m->act, h));
}

static wk_tensor forward(wk_ctx *c, const void *model, wk_tensor tokens, const struct wki_step *s)
{
    const struct gpt2 *m = model;
    const wk_scope     scope = wk_scope_begin(c);
    wk_tensor x = wk_add(c, wk_embedding(c, &m->wte, tokens), wk_embedding(c, &m->wpe, s->positions));
    wk_tensor h = wk_norm(c, &m->blocks[0].ln_1, x);
    for (int64_t i = 0; i < m->n_blocks; i++) {
        const struct block *b = &m->blocks[i];
        h = wk_norm_add(c, &b->ln_2, &x, attention(c, m, b, h, i, s));
        h = wk_norm_add(c, i + 1 < m->n_blocks ? &b[1].ln_1 : &m->ln_f, &x, mlp(c, m, b, h));
        wk_scope_end_n(c, scope, 2, (wk_tensor[]){x, h});
    }
    return wk_scope_end(c, scope, wk_linear(c, &m->head, wki_wanted(c, s, h)));
}

/* ---- loading ---- */

static struct projection load_projection(wk_params p, const char *name, int64_t in, int64_t out, bool columns)
{
    struct projection x = {.columns = columns, .stored = WK_NONE, .turned = WK_NONE};
    if (!columns) {
        x.linear = wk_linear_load(p, name, in, out, true);
        return x;
    }
    const wk_params at = wk_at(p, "%s", name);
    x.linear.weight = x.stored = wk_param(at, "weight", WK_SHAPE(in, out), 0.02);
    x.linear.bias = wk_param(at, "bias", WK_SHAPE(out), 0);
    x.turned = wk_contiguous(p.c, wk_transpose(p.c, x.stored, 0, 1));
    return x;
}

static struct block load_block(wk_params p, const wk_model_info *info, double eps, bool columns)
{
    return (struct block){.ln_1 = wk_layer_norm_load(p, "ln_1", info->dim, eps, true),
                          .c_attn = load_projection(p, "attn.c_attn", info->dim, 3 * info->dim, columns),
                          .c_proj = load_projection(p, "attn.c_proj", info->dim, info->dim, columns),
                          .ln_2 = wk_layer_norm_load(p, "ln_2", info->dim, eps, true),
                          .mlp_fc = load_projection(p, "mlp.c_fc", info->dim, info->hidden, columns),
                          .mlp_proj = load_projection(p, "mlp.c_proj", info->hidden, info->dim, columns)};
}

static void load_layers(struct gpt2 *m, wk_params p, const struct wki_facts *facts, const wk_model_info *info)
{
    /* files of the bare model lack the prefix */
    const wk_params at = wk_param_there(p, "wte.weight") ? p : wk_at(p, "transformer");
    const double    eps = wk_config_float(p.files, "layer_norm_epsilon", 1e-5);
    if (!(eps > 0 && eps < 1)) wk_fail(p.c, WK_EFORMAT, "layer_norm_epsilon is %g", eps);
    m->wte = wk_embedding_load(at, "wte", info->vocab, info->dim);
    m->wpe = wk_embedding_load(at, "wpe", info->context, info->dim);
    for (int64_t i = 0; i < m->n_blocks && wk_ctx_status(p.c) == WK_OK; i++)
        m->blocks[i] = load_block(wk_at(at, "h.%lld", (long long)i), info, eps, facts->columns);
    m->ln_f = wk_layer_norm_load(at, "ln_f", info->dim, eps, true);
    m->head = wki_head_load(p, &m->wte, info->dim, info->vocab);
}

static void *load(wk_params p, const struct wki_facts *facts, wk_model_info *info)
{
    const char *act = wk_config_string(p.files, "activation_function", "gelu_new");
    info->dim = wki_config_size(p, "n_embd", 0, 1 << 20);
    info->layers = wki_config_size(p, "n_layer", 0, 4096);
    info->heads = info->kv_heads = wki_config_size(p, "n_head", 0, 65536);
    info->hidden = wki_config_size(p, "n_inner", 4 * info->dim, 1 << 24);
    info->vocab = wki_config_size(p, "vocab_size", 0, INT32_MAX);
    info->context = wki_config_size(p, "n_positions", 1024, 1 << 24);
    if (wk_ctx_status(p.c) != WK_OK) return NULL;
    if (info->dim % info->heads != 0)
        wk_fail(p.c, WK_EFORMAT, "n_embd %lld is not a multiple of n_head %lld", (long long)info->dim,
                (long long)info->heads);
    if (wk_activation_find(act) < 0)
        wk_fail(p.c, WK_EUNSUPPORTED, "activation_function \"%.40s\" is not supported", act);
    info->head_dim = info->dim / info->heads;
    struct gpt2 *m = wk_alloc_zero(1, sizeof *m);
    if (m) m->blocks = wk_alloc_zero((size_t)info->layers, sizeof *m->blocks);
    if (!m || !m->blocks) {
        wk_fail(p.c, WK_ENOMEM, "out of memory: %lld layers", (long long)info->layers);
        return m;
    }
    m->n_blocks = info->layers;
    m->heads = info->heads;
    m->act = wk_activation_find(act);
    load_layers(m, p, facts, info);
    return m;
}

static void bind(void *model, wk_param_list *l)
{
    struct gpt2 *m = model;
    wki_embedding_bind(l, &m->wte);
    wki_embedding_bind(l, &m->wpe);
    for (int64_t i = 0; i < m->n_blocks; i++) {
        struct block *b = &m->blocks[i];
        wki_norm_bind(l, &b->ln_1);
        wki_linear_bind(l, &b->c_attn.linear);
        wki_linear_bind(l, &b->c_proj.linear);
        wki_norm_bind(l, &b->ln_2);
        wki_linear_bind(l, &b->mlp_fc.linear);
        wki_linear_bind(l, &b->mlp_proj.linear);
    }
    wki_norm_bind(l, &m->ln_f);
    wki_linear_bind(l, &m->head);
}

static void release(void *model)
{
    struct gpt2 *m = model;
    if (m) wk_free(m->blocks);
    wk_free(m);
}

const struct wki_model_kind wki_gpt2 = {"gpt2", load, bind, forward, release};
