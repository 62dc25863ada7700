/* A model from a path: which kind it is, its weights in a context of its own, a step through it. */
#include "model.h"

#include <stdio.h>
#include <string.h>

struct wk_model {
    wk_ctx                      *c; /* holds the weights */
    wk_files                    *files;
    wk_param_list               *params;
    const struct wki_model_kind *kind;
    void                        *layers; /* the kind's own */
    wk_model_info                info;
    char                         arch[64], name[128];
};

static const struct row {
    const struct wki_model_kind *kind;
    const char                  *arch;
    struct wki_facts             facts;
} rows[] = {
#define WK_MODEL(kind, arch, ...) {&wki_##kind, arch, {__VA_ARGS__}},
#include "models/models.def"
#undef WK_MODEL
};
#define N_ROWS (sizeof rows / sizeof *rows)

/* ---- what loaders share ---- */

int64_t wki_config_size(wk_params p, const char *key, int64_t fallback, int64_t most)
{
    const int64_t n = wk_config_int(p.files, key, fallback);
    if (n >= 1 && n <= most) return n;
    wk_fail(p.c, WK_EFORMAT, "configuration: %s is %s or not in 1 .. %lld", key,
            n ? "out of range" : "missing", (long long)most);
    return 1;
}

struct wk_linear wki_head_load(wk_params p, const struct wk_embedding *e, int64_t dim, int64_t vocab)
{
    const bool own = wk_param_there(p, "lm_head.weight");
    if (wk_config_bool(p.files, "tie_word_embeddings", !own)) return (struct wk_linear){e->weight, WK_NONE};
    return wk_linear_load(p, "lm_head", dim, vocab, false);
}

wk_tensor wki_wanted(wk_ctx *c, const struct wki_step *s, wk_tensor h)
{
    const int64_t T = wk_size(h, -2);
    return s->last_only && T > 1 ? wk_narrow(c, h, -2, T - 1, 1) : h;
}

void wki_bind(wk_param_list *l, wk_tensor *field)
{
    if (wk_is_none(*field)) return;
    for (int64_t i = 0; i < wk_param_list_count(l); i++)
        if (wk_param_list_tensor(l, i) == *field) {
            wk_param_list_bind(l, i, field);
            return;
        }
}

/* ---- opening ---- */

static const struct row *find_row(wk_model *m)
{
    size_t      length = 0;
    const char *arch = wk_config_string_at(m->files, "architectures", 0, &length);
    char        known[400] = "";
    if (!arch) arch = wk_config_string(m->files, "general.architecture", NULL);
    if (arch && !length) length = strlen(arch);
    if (arch) snprintf(m->arch, sizeof m->arch, "%.*s", length < 60 ? (int)length : 60, arch);
    for (size_t i = 0; i < N_ROWS; i++) {
        if (arch && !strcmp(m->arch, rows[i].arch)) return &rows[i];
        const size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", rows[i].arch);
    }
    if (arch)
        wk_fail(m->c, WK_EUNSUPPORTED, "architecture \"%s\" is not known; known ones: %s", m->arch, known);
    else
        wk_fail(m->c, WK_EFORMAT, "the configuration names no architecture; known ones: %s", known);
    return NULL;
}

static void describe(wk_model *m, const char *path)
{
    int64_t held[WK_DTYPE_COUNT] = {0}, most = 0;
    for (int64_t i = 0; i < wk_param_list_count(m->params); i++) {
        const wk_tensor x = wk_param_list_tensor(m->params, i);
        m->info.parameters += wk_count(x);
        m->info.bytes += wk_bytes(x);
        held[x->dtype] += wk_bytes(x);
    }
    for (int t = 0; t < WK_DTYPE_COUNT; t++)
        if (held[t] > most) {
            most = held[t];
            m->info.quantization = wk_dtype_name((wk_dtype)t);
        }
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t first = n;
    while (first > 0 && path[first - 1] != '/') first--;
    const char *title = wk_config_string(m->files, "general.name", NULL);
    if (title && *title)
        snprintf(m->name, sizeof m->name, "%s", title);
    else
        snprintf(m->name, sizeof m->name, "%.*s", (int)(n - first), path + first);
    m->info.name = m->name;
    m->info.arch = m->arch;
    m->info.kind = m->kind->name;
}

static void open_model(wk_model *m, const char *path)
{
    if (!(m->files = wk_files_open(m->c, path))) return;
    const struct row *row = find_row(m);
    if (!row || !(m->params = wk_param_list_new(m->c))) return;
    m->kind = row->kind;
    m->layers = m->kind->load(wk_params_from(m->c, m->files, m->params), &row->facts, &m->info);
    if (wk_ctx_status(m->c) != WK_OK) return;
    m->kind->bind(m->layers, m->params);
    describe(m, path);
}

wk_model *wk_model_open(wk_ctx *c, const char *path)
{
    if (wk_ctx_status(c) != WK_OK) return NULL;
    wk_model *m = path ? wk_alloc_zero(1, sizeof *m) : NULL;
    if (!m) {
        wk_fail(c, path ? WK_ENOMEM : WK_EARG, path ? "out of memory: %s" : "model_open: no path", path);
        return NULL;
    }
    m->c = wk_ctx_new(wk_ctx_device(c));
    m->info.quantization = "";
    if (wk_ctx_status(m->c) == WK_OK) open_model(m, path);
    if (wk_sync(m->c) == WK_OK) return m; /* the weights are there for every context */
    const char *text = wk_ctx_message(m->c);
    if (strstr(text, path)) /* the file's own errors name it */
        wk_fail(c, wk_ctx_status(m->c), "%s", text);
    else
        wk_fail(c, wk_ctx_status(m->c), "%s: %s", path, text);
    wk_model_free(m);
    return NULL;
}

void wk_model_free(wk_model *m)
{
    if (!m) return;
    if (m->kind) m->kind->free(m->layers);
    wk_param_list_free(m->params);
    wk_files_close(m->files);
    wk_ctx_free(m->c);
    wk_free(m);
}

wk_model_info wk_model_about(const wk_model *m)
{
    return m->info;
}

const wk_files *wk_model_files(const wk_model *m)
{
    return m->files;
}

wk_param_list *wk_model_params(wk_model *m)
{
    return m->params;
}

/* ---- running ---- */

wk_cache *wk_model_cache(wk_ctx *c, const wk_model *m, int64_t capacity, wk_dtype keys, wk_dtype values)
{
    const wk_model_info *i = &m->info;
    return wk_cache_new(c, i->layers, i->kv_heads, capacity, i->head_dim, i->head_dim, keys, values);
}

static bool fits(wk_ctx *c, const wk_model *m, wk_tensor tokens, const wk_cache *cache, bool on_device)
{
    const int64_t T = wk_size(tokens, -1);
    if (wk_is_none(tokens) || T < 1 || tokens->ndim > 2 || (cache && tokens->ndim != 1))
        wk_fail(c, WK_ESHAPE, "model: tokens have %d dims, %lld values; wanted: [T]%s", tokens->ndim,
                (long long)wk_count(tokens), cache ? "" : " or [B, T]");
    else if (tokens->dtype != WK_i32 && tokens->dtype != WK_i64)
        wk_fail(c, WK_EDTYPE, "model: tokens are %s, not i32 or i64", wk_dtype_name(tokens->dtype));
    else if (cache && cache->n_layers != m->info.layers)
        wk_fail(c, WK_EARG, "model: the cache has %lld layers, the model %lld", (long long)cache->n_layers,
                (long long)m->info.layers);
    else if (cache && !cache->sliding && T > cache->capacity - (on_device ? 0 : cache->length))
        wk_fail(c, WK_EINDEX, "model: %lld positions written, %lld more exceed the cache's %lld",
                (long long)cache->length, (long long)T, (long long)cache->capacity);
    else if (on_device && !cache)
        wk_fail(c, WK_EARG, "model: on_device asks for a cache");
    return wk_ctx_status(c) == WK_OK;
}

wk_tensor wk_model_forward(wk_ctx *c, const wk_model *m, wk_tensor tokens, wk_cache *cache, wk_forward_opts o)
{
    if (wk_ctx_status(c) != WK_OK || !fits(c, m, tokens, cache, o.on_device)) return WK_NONE;
    const int64_t   T = wk_size(tokens, -1), first = cache && !o.on_device ? cache->length : 0;
    const wk_scope  scope = wk_scope_begin(c);
    struct wki_step step = {.last_only = o.last_only, .start = WK_NONE};
    step.positions = wk_arange(c, (double)first, (double)(first + T), 1, WK_i64);
    if (cache) {
        step.kv = cache->layers;
        step.start = cache->start;
        if (o.on_device)
            step.positions = wk_add(c, step.positions, cache->start);
        else
            wk_copy_into(c, cache->start, wk_narrow(c, step.positions, 0, 0, 1));
    }
    const wk_tensor logits = m->kind->forward(c, m->layers, tokens, &step);
    if (o.on_device) wk_copy_into(c, cache->start, wk_add(c, cache->start, wk_scalar_int(c, T)));
    if (cache && !o.on_device && wk_ctx_status(c) == WK_OK) cache->length += T;
    return wk_scope_end(c, scope, logits);
}
