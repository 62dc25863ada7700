/* Feed-forward, encoder and decoder layers, and their stacks (arXiv:1706.03762). */
#include "layers.h"

static wk_tensor dropped(wk_ctx *c, double p, wk_tensor x)
{
    return wk_dropout(c, &(struct wk_dropout){.p = p}, x);
}

struct wk_feed_forward wk_feed_forward_load(wk_params p, const char *name, wk_feed_forward_opts o)
{
    const wk_params at = wk_at(p, "%s", name);
    const int64_t   hidden = o.hidden ? o.hidden : 4 * o.dim;
    return (struct wk_feed_forward){
        .linear1 = wk_linear_load(at, "linear1", o.dim, o.gated ? 2 * hidden : hidden, !o.no_bias),
        .linear2 = wk_linear_load(at, "linear2", hidden, o.dim, !o.no_bias),
        .dropout = o.dropout,
        .act = o.act,
        .gated = o.gated};
}

/* What linear2 takes. */
static wk_tensor hidden(wk_ctx *c, const struct wk_feed_forward *f, wk_tensor x)
{
    if (!f->gated)
        return dropped(c, f->dropout, wki_affine_activate(c, f->act, x, f->linear1.weight, f->linear1.bias));
    const wk_tensor h = wk_linear(c, &f->linear1, x);
    const int64_t   n = wk_size(h, -1) / 2;
    return dropped(c, f->dropout, wki_gate(c, f->act, wk_narrow(c, h, -1, 0, n), wk_narrow(c, h, -1, n, n)));
}

wk_tensor wk_feed_forward(wk_ctx *c, const struct wk_feed_forward *f, wk_tensor x)
{
    return wk_linear(c, &f->linear2, hidden(c, f, x));
}

/* r + dropout(feed_forward(x)) */
static wk_tensor feed_onto(wk_ctx *c, const struct wk_feed_forward *f, double dropout, wk_tensor r,
                           wk_tensor x)
{
    if (wk_training(c) && dropout > 0) return wk_add(c, r, dropped(c, dropout, wk_feed_forward(c, f, x)));
    return wk_affine_add(c, hidden(c, f, x), f->linear2.weight, f->linear2.bias, r);
}

static struct wk_feed_forward feed_forward(wk_params at, const wk_transformer_opts *o)
{
    return wk_feed_forward_load(at, "",
                                (wk_feed_forward_opts){.dim = o->dim,
                                                       .hidden = o->hidden ? o->hidden : 2048,
                                                       .dropout = o->dropout,
                                                       .act = o->act,
                                                       .gated = o->gated,
                                                       .no_bias = o->no_bias});
}

static struct wk_norm norm(wk_params at, const char *name, const wk_transformer_opts *o)
{
    return wk_layer_norm_load(at, name, o->dim, wki_or(o->eps, 1e-5), !o->no_bias);
}

static struct wk_multihead attention(wk_params at, const char *name, const wk_transformer_opts *o)
{
    return wk_multihead_load(at, name,
                             (wk_multihead_opts){.dim = o->dim,
                                                 .heads = o->heads,
                                                 .dropout = o->dropout,
                                                 .no_bias = o->no_bias,
                                                 .batch_first = o->batch_first});
}

/* ---- layers ---- */

struct wk_encoder_layer wk_encoder_layer_load(wk_params p, const char *name, wk_transformer_opts o)
{
    const wk_params at = wk_at(p, "%s", name);
    return (struct wk_encoder_layer){.self_attn = attention(at, "self_attn", &o),
                                     .ff = feed_forward(at, &o),
                                     .norm1 = norm(at, "norm1", &o),
                                     .norm2 = norm(at, "norm2", &o),
                                     .dropout = o.dropout,
                                     .norm_first = o.norm_first};
}

wk_tensor wk_encoder_layer(wk_ctx *c, const struct wk_encoder_layer *l, wk_tensor x, wk_multihead_masks masks)
{
    wk_tensor h = l->norm_first ? wk_norm(c, &l->norm1, x) : x;
    h = dropped(c, l->dropout, wk_multihead(c, &l->self_attn, h, h, h, masks, NULL));
    if (l->norm_first) {
        h = wk_norm_add(c, &l->norm2, &x, h);
        return feed_onto(c, &l->ff, l->dropout, x, h);
    }
    x = wk_norm_add(c, &l->norm1, &x, h);
    return wk_norm_add(c, &l->norm2, &x, dropped(c, l->dropout, wk_feed_forward(c, &l->ff, x)));
}

struct wk_decoder_layer wk_decoder_layer_load(wk_params p, const char *name, wk_transformer_opts o)
{
    const wk_params at = wk_at(p, "%s", name);
    return (struct wk_decoder_layer){.self_attn = attention(at, "self_attn", &o),
                                     .multihead_attn = attention(at, "multihead_attn", &o),
                                     .ff = feed_forward(at, &o),
                                     .norm1 = norm(at, "norm1", &o),
                                     .norm2 = norm(at, "norm2", &o),
                                     .norm3 = norm(at, "norm3", &o),
                                     .dropout = o.dropout,
                                     .norm_first = o.norm_first};
}

wk_tensor wk_decoder_layer(wk_ctx *c, const struct wk_decoder_layer *l, wk_tensor x, wk_tensor memory,
                           wk_multihead_masks self, wk_multihead_masks cross)
{
    wk_tensor h = l->norm_first ? wk_norm(c, &l->norm1, x) : x;
    h = dropped(c, l->dropout, wk_multihead(c, &l->self_attn, h, h, h, self, NULL));
    if (l->norm_first) {
        h = wk_norm_add(c, &l->norm2, &x, h);
        h = dropped(c, l->dropout, wk_multihead(c, &l->multihead_attn, h, memory, memory, cross, NULL));
        h = wk_norm_add(c, &l->norm3, &x, h);
        return feed_onto(c, &l->ff, l->dropout, x, h);
    }
    x = wk_norm_add(c, &l->norm1, &x, h);
    h = dropped(c, l->dropout, wk_multihead(c, &l->multihead_attn, x, memory, memory, cross, NULL));
    x = wk_norm_add(c, &l->norm2, &x, h);
    return wk_norm_add(c, &l->norm3, &x, dropped(c, l->dropout, wk_feed_forward(c, &l->ff, x)));
}

/* ---- stacks ---- */

static const struct wk_norm no_norm;

/* An array for n layers; NULL after an error. */
static void *layers(wk_ctx *c, int64_t n, size_t size)
{
    void *a = NULL;
    if (wk_ctx_status(c) != WK_OK) return NULL;
    if (n < 1)
        wk_fail(c, WK_EARG, "transformer: %lld layers", (long long)n);
    else if (!(a = wk_alloc_zero((size_t)n, size)))
        wk_fail(c, WK_ENOMEM, "out of memory: %lld layers", (long long)n);
    return a;
}

struct wk_encoder_stack wk_encoder_stack_load(wk_params p, const char *name, wk_transformer_opts o)
{
    const wk_params         at = wk_at(p, "%s", name);
    struct wk_encoder_stack e = {.layers = layers(p.c, o.layers, sizeof *e.layers), .norm = no_norm};
    if (!e.layers) return e;
    e.n_layers = o.layers;
    for (int64_t i = 0; i < o.layers; i++)
        e.layers[i] = wk_encoder_layer_load(wk_at(at, "layers.%lld", (long long)i), "", o);
    if (o.final_norm) e.norm = norm(at, "norm", &o);
    return e;
}

void wk_encoder_stack_free(struct wk_encoder_stack *e)
{
    wk_free(e->layers);
    *e = (struct wk_encoder_stack){0};
}

wk_tensor wk_encoder_stack(wk_ctx *c, const struct wk_encoder_stack *e, wk_tensor x, wk_multihead_masks masks)
{
    for (int64_t i = 0; i < e->n_layers; i++) {
        const wk_scope s = wk_scope_begin(c);
        x = wk_scope_end(c, s, wk_encoder_layer(c, &e->layers[i], x, masks));
    }
    return wk_is_none(e->norm.weight) ? x : wk_norm(c, &e->norm, x);
}

struct wk_decoder_stack wk_decoder_stack_load(wk_params p, const char *name, wk_transformer_opts o)
{
    const wk_params         at = wk_at(p, "%s", name);
    struct wk_decoder_stack d = {.layers = layers(p.c, o.layers, sizeof *d.layers), .norm = no_norm};
    if (!d.layers) return d;
    d.n_layers = o.layers;
    for (int64_t i = 0; i < o.layers; i++)
        d.layers[i] = wk_decoder_layer_load(wk_at(at, "layers.%lld", (long long)i), "", o);
    if (o.final_norm) d.norm = norm(at, "norm", &o);
    return d;
}

void wk_decoder_stack_free(struct wk_decoder_stack *d)
{
    wk_free(d->layers);
    *d = (struct wk_decoder_stack){0};
}

wk_tensor wk_decoder_stack(wk_ctx *c, const struct wk_decoder_stack *d, wk_tensor x, wk_tensor memory,
                           wk_multihead_masks self, wk_multihead_masks cross)
{
    for (int64_t i = 0; i < d->n_layers; i++) {
        const wk_scope s = wk_scope_begin(c);
        x = wk_scope_end(c, s, wk_decoder_layer(c, &d->layers[i], x, memory, self, cross));
    }
    return wk_is_none(d->norm.weight) ? x : wk_norm(c, &d->norm, x);
}
