/* wick's layers, models and files. A layer is a struct, a loader and a verb: struct wk_linear,
 * wk_linear_load, wk_linear. A model is opened from a path, whatever its format, and run with
 * wk_model_forward.
 *
 * Errors: as in wick.h, sticky in the context that is passed. Loaded weights live in the context they were
 * loaded in and are only read afterwards, so any number of contexts of the same device may run one model. */
#ifndef WK_NN_H
#define WK_NN_H

#include "../core/wick.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Files -------------------------------------------------------------------------------- */

/* Weights and configuration from a path: a GGUF file (v1-3; gguf-split parts by their first), a safetensors
 * file, a *.safetensors.index.json, or a Hugging Face folder (config.json + *.safetensors). Mapped, not read.
 * Names of tensors and configuration keys are Hugging Face's; GGUF's are translated (gguf_names.def). */
typedef struct wk_files wk_files;
WK_API wk_files        *wk_files_open(wk_ctx *c, const char *path); /* NULL after an error */
WK_API void             wk_files_close(wk_files *f); /* mappings stay while tensors over them live */

typedef struct wk_file_tensor { /* one tensor as the file has it */
    const char *name;           /* the file's own name */
    wk_dtype    dtype;          /* WK_DTYPE_COUNT: a type wick does not know (type_name says which) */
    const char *type_name;
    wk_shape    shape;         /* outermost first */
    int64_t     offset, bytes; /* in its file */
} wk_file_tensor;
WK_API const char    *wk_files_format(const wk_files *f); /* "gguf v3", "safetensors", "huggingface" */
WK_API int64_t        wk_files_bytes(const wk_files *f);  /* of all weight files */
WK_API int64_t        wk_files_count(const wk_files *f);
WK_API wk_file_tensor wk_files_at(const wk_files *f, int64_t i);
/* translated or the file's own name */
WK_API bool wk_files_has(const wk_files *f, const char *name);
/* The tensor of that name (translated or own), over the mapping; WK_NONE and an error when absent. */
WK_API wk_tensor wk_files_tensor(wk_ctx *c, const wk_files *f, const char *name);

/* Configuration: config.json's keys ("hidden_size", nested "rope_scaling.factor"), or GGUF metadata under the
 * same names, or a GGUF key as it is. The fallback is returned where the key is absent or of another type. */
WK_API int64_t     wk_config_int(const wk_files *f, const char *key, int64_t fallback);
WK_API double      wk_config_float(const wk_files *f, const char *key, double fallback);
WK_API bool        wk_config_bool(const wk_files *f, const char *key, bool fallback);
WK_API const char *wk_config_string(const wk_files *f, const char *key, const char *fallback);
WK_API int64_t     wk_config_count(const wk_files *f, const char *key); /* items of an array; -1: no array */
WK_API int64_t     wk_config_int_at(const wk_files *f, const char *key, int64_t i, int64_t fallback);
WK_API double      wk_config_float_at(const wk_files *f, const char *key, int64_t i, double fallback);
/* Item i of an array of strings; bytes may hold any value, *length tells how many. NULL: none. */
WK_API const char *wk_config_string_at(const wk_files *f, const char *key, int64_t i, size_t *length);
/* Number of configuration entries, and entry i as "key", "type" and a one-line printable value. */
WK_API int64_t wk_config_entries(const wk_files *f);
WK_API void    wk_config_entry(const wk_files *f, int64_t i, const char **key, const char **type, char *value,
                               size_t size);
/* Text of a file beside the weights ("tokenizer.json") of a folder, NUL-terminated, to be freed with wk_free;
 * NULL (and no error) when there is none. */
WK_API char *wk_files_read(wk_ctx *c, const wk_files *f, const char *name, size_t *length);

/* Writes named tensors as a safetensors file: temporary file, fsync, rename. metadata: pairs of strings. */
WK_API wk_status wk_save(wk_ctx *c, const char *path, int64_t n, const char *const *names, const wk_tensor *x,
                         int n_metadata, const char *const (*metadata)[2]);
/* All tensors of a file that wk_files_open takes, or of an .npz, under their own names. *n tells how many;
 * the list is one block, freed with wk_free (the tensors stay). NULL after an error; an empty file gives a
 * list of none. */
typedef struct wk_named {
    const char *name;
    wk_tensor   x;
} wk_named;
WK_API wk_named *wk_load(wk_ctx *c, const char *path, int64_t *n);
/* One array as .npy (format 1.0, C order). Read: formats 1.0 to 3.0, Fortran order and big-endian too. */
WK_API wk_status wk_save_npy(wk_ctx *c, const char *path, wk_tensor x);
WK_API wk_tensor wk_load_npy(wk_ctx *c, const char *path);
/* Named arrays as .npz, a zip of .npy (stored, or deflated). Read by wk_load: checksums are compared, and a
 * file gives at most 1032 times its own bytes (deflate's limit). */
WK_API wk_status wk_save_npz(wk_ctx *c, const char *path, int64_t n, const char *const *names,
                             const wk_tensor *x, bool deflate);

/* ---- 2. Parameters --------------------------------------------------------------------------- */

/* A place among the weights, passed by value. The source is files, or an initialiser when files is NULL. Each
 * tensor asked for is entered in the list, so optimiser, saver and counter need no second description. */
typedef struct wk_param_list wk_param_list;
typedef struct wk_params {
    wk_ctx         *c;
    const wk_files *files; /* NULL: fresh values (seeded by c's generator) */
    wk_param_list  *list;  /* may be NULL */
    wk_dtype        dtype; /* of fresh values */
    char            path[200];
} wk_params;
WK_API wk_params wk_params_from(wk_ctx *c, const wk_files *f, wk_param_list *list);
WK_API wk_params wk_params_new(wk_ctx *c, wk_dtype t, wk_param_list *list);
/* descends: p.path + "." + format */
WK_API wk_params wk_at(wk_params p, const char *format, ...) WK_PRINTF(2, 3);
/* The tensor name below p, whose shape must be as given (else WK_ESHAPE naming it). init: deviation of a
 * normal for fresh values; 0: zeros; -1: ones. */
WK_API wk_tensor wk_param(wk_params p, const char *name, wk_shape shape, double init);
WK_API bool      wk_param_there(wk_params p, const char *name); /* always true for fresh values */

WK_API wk_param_list *wk_param_list_new(wk_ctx *c);
WK_API void           wk_param_list_free(wk_param_list *l);
WK_API int64_t        wk_param_list_count(const wk_param_list *l);
WK_API const char    *wk_param_list_name(const wk_param_list *l, int64_t i);
WK_API wk_tensor      wk_param_list_tensor(const wk_param_list *l, int64_t i);
/* A trainer swaps in tracked tensors: every layer field that holds parameter i is set to x. */
WK_API void wk_param_list_bind(wk_param_list *l, int64_t i, wk_tensor *field);
WK_API void wk_param_list_set(wk_param_list *l, int64_t i, wk_tensor x);

/* ---- 3. Key-value cache ---------------------------------------------------------------------- */

/* Keys and values of one sequence, per layer [kv_heads, capacity, head_dim]: head-major, so that a head's
 * keys are one run of memory. Keys and values each have a dtype of their own, real or in blocks (q8_0, q4_0:
 * a head's size is whole blocks, else WK_EDTYPE). Lives in its own context. */
struct wk_kv {
    wk_tensor k, v;
};
typedef struct wk_cache {
    wk_ctx       *c;
    struct wk_kv *layers;
    int64_t       n_layers, capacity, length; /* length: positions written */
    wk_tensor     start;                      /* i64 [1]: length before the step that runs */
} wk_cache;
WK_API wk_cache *wk_cache_new(wk_ctx *c, int64_t layers, int64_t kv_heads, int64_t capacity, int64_t key_dim,
                              int64_t value_dim, wk_dtype keys, wk_dtype values); /* NULL after an error */
WK_API void      wk_cache_free(wk_cache *k);
WK_API void      wk_cache_truncate(wk_cache *k, int64_t length); /* forget later positions */

/* ---- 4. Layers ------------------------------------------------------------------------------- */

struct wk_linear {
    wk_tensor weight, bias; /* [out, in] of any dtype; [out] or WK_NONE */
};
WK_API struct wk_linear wk_linear_load(wk_params p, const char *name, int64_t in, int64_t out, bool bias);
WK_API wk_tensor        wk_linear(wk_ctx *c, const struct wk_linear *l, wk_tensor x);

struct wk_embedding {
    wk_tensor weight; /* [n, dim] */
};
WK_API struct wk_embedding wk_embedding_load(wk_params p, const char *name, int64_t n, int64_t dim);
WK_API wk_tensor           wk_embedding(wk_ctx *c, const struct wk_embedding *e, wk_tensor tokens);

struct wk_norm {
    wk_tensor weight, bias; /* [dim]; bias WK_NONE where there is none */
    double    eps;
    bool      layer; /* layer norm; else root mean square */
};
WK_API struct wk_norm wk_rms_norm_load(wk_params p, const char *name, int64_t dim, double eps);
WK_API struct wk_norm wk_layer_norm_load(wk_params p, const char *name, int64_t dim, double eps, bool bias);
WK_API wk_tensor      wk_norm(wk_ctx *c, const struct wk_norm *n, wk_tensor x);
/* *x += y; norm(*x) */
WK_API wk_tensor wk_norm_add(wk_ctx *c, const struct wk_norm *n, wk_tensor *x, wk_tensor y);

/* Rotary positions with every published scaling folded into the frequencies. */
struct wk_rotary {
    wk_tensor    inv_freq; /* f32 [dims / 2]; WK_NONE: no rotation */
    wk_rope_opts opts;
    wk_tensor    long_freq; /* instead of inv_freq where more than long_from positions may come: */
    int64_t      long_from; /* the cache's capacity, or T without one; 0: never */
};
/* From configuration: rope_theta, rope_scaling (none, linear, dynamic NTK, llama3, yarn, longrope), partial
 * rotary factor; a GGUF's rope_freqs.weight divides the frequencies. Layout: set opts.layout afterwards. */
WK_API struct wk_rotary wk_rotary_load(wk_params p, int64_t head_dim);

struct wk_attention {
    struct wk_linear q, k, v, o;
    struct wk_norm   q_norm, k_norm; /* weight WK_NONE: none (Qwen3 has them, per head) */
    struct wk_rotary rotary;
    int64_t          heads, kv_heads, head_dim;
    int64_t          window;  /* 0: all */
    double           softcap; /* 0: off */
};
struct wk_attention_opts {
    int64_t          dim, heads, kv_heads, head_dim, window;
    bool             bias, out_bias, qk_norm;
    double           eps, softcap;
    struct wk_rotary rotary;
};
WK_API struct wk_attention wk_attention_load(wk_params p, const char *name, struct wk_attention_opts o);
/* Causal self-attention of x [.., T, dim] at positions [T] (i64). With a layer of a cache, keys and values
 * are appended to it and start tells where. */
WK_API wk_tensor wk_attention(wk_ctx *c, const struct wk_attention *a, wk_tensor x, wk_tensor positions,
                              const struct wk_kv *kv, wk_tensor start);

struct wk_mlp {
    struct wk_linear gate, up, down; /* gate.weight WK_NONE: down(act(up(x))) */
    int              act;            /* enum wk_activation */
};
enum wk_activation { WK_ACT_SILU, WK_ACT_GELU, WK_ACT_GELU_TANH, WK_ACT_RELU };
WK_API int           wk_activation_find(const char *name); /* a Hugging Face name; -1: unknown */
WK_API struct wk_mlp wk_mlp_load(wk_params p, const char *name, int64_t dim, int64_t hidden, bool gated,
                                 bool bias, int act); /* names gate_proj, up_proj, down_proj */
WK_API wk_tensor     wk_mlp(wk_ctx *c, const struct wk_mlp *m, wk_tensor x);

/* ---- 5. Models ------------------------------------------------------------------------------- */

typedef struct wk_model wk_model;
typedef struct wk_model_info {
    const char *kind;              /* the row of models.def: "llama", "gpt2" */
    const char *arch;              /* what the file says: "LlamaForCausalLM", "llama" */
    const char *name;              /* the file's own title, or its file name */
    const char *quantization;      /* dtype of most weight bytes: "q4_1" */
    int64_t     parameters, bytes; /* values and bytes of all weights */
    int64_t     layers, dim, heads, kv_heads, head_dim, hidden, vocab, context;
} wk_model_info;
typedef struct wk_forward_opts {
    bool last_only; /* logits of the last token alone: [1, vocab] */
} wk_forward_opts;
/* Opens a model on c's device; the weights live in a context of the model's own. NULL after an error. */
WK_API wk_model       *wk_model_open(wk_ctx *c, const char *path);
WK_API void            wk_model_free(wk_model *m);
WK_API wk_model_info   wk_model_about(const wk_model *m);
WK_API const wk_files *wk_model_files(const wk_model *m);
/* All parameters, with every field of every layer bound: wk_param_list_set puts a trainer's tensor in its
 * place. */
WK_API wk_param_list *wk_model_params(wk_model *m);
/* NULL after an error */
WK_API wk_cache *wk_model_cache(wk_ctx *c, const wk_model *m, int64_t capacity, wk_dtype keys,
                                wk_dtype values);
/* tokens i32 or i64 [T] (or [B, T] without a cache): logits f32 [.., T, vocab]. With a cache, positions go on
 * from cache->length, which grows by T; over capacity is WK_EINDEX. */
WK_API wk_tensor wk_model_forward(wk_ctx *c, const wk_model *m, wk_tensor tokens, wk_cache *cache,
                                  wk_forward_opts o);

#ifdef __cplusplus
}
#endif
#endif
