/* wick's layers, models and files. A layer is a struct, a loader and a verb: struct wk_linear,
 * wk_linear_load, wk_linear. A model is opened from a path, whatever its format, and run with
 * wk_model_forward.
 *
 * Errors: as in wick.h, sticky in the context that is passed. Loaded weights live in the context they were
 * loaded in and are only read afterwards, so any number of contexts of the same device may run one model. */
#ifndef WK_NN_H
#define WK_NN_H

#include "../core/wick.h"
#include "api/kv.h"
#include "api/layers.h"
#include "api/params.h"

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

/* ---- 2. Parameters: api/params.h, their first values: api/init.h -------------------------------- */

/* ---- 3. Key-value caches: api/kv.h -------------------------------------------------------------- */

/* ---- 4. Layers: api/layers.h, and a header for each further family (below) ---------------------- */

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
    /* With a cache: the place is read from cache->start, on the device, and moved on by T there, so that
     * wk_capture can record the call. cache->length is not looked at: see wk_cache_place. */
    bool on_device;
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

/* ---- 6. Further families of layers, a header each ----------------------------------------------- */

#include "api/attention.h"
#include "api/convolution.h"
#include "api/dropout.h"
#include "api/experts.h"
#include "api/latent.h"
#include "api/norms.h"
#include "api/positions.h"
#include "api/recurrent.h"
#include "api/sequential.h"
#include "api/transformer.h"
#include "api/weights.h"
#endif
