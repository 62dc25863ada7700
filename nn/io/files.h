/* What a wk_files is inside, shared by the formats. */
#ifndef WKI_FILES_H
#define WKI_FILES_H

#include "../nn.h"
#include "map.h"
#include "table.h"

/* Types of configuration values; the first thirteen are GGUF's numbers. */
enum wki_type {
    WKI_U8,
    WKI_I8,
    WKI_U16,
    WKI_I16,
    WKI_U32,
    WKI_I32,
    WKI_F32,
    WKI_BOOL,
    WKI_STRING,
    WKI_ARRAY,
    WKI_U64,
    WKI_I64,
    WKI_F64,
    WKI_TYPE_COUNT,
    WKI_NULL = WKI_TYPE_COUNT,
    WKI_MIXED /* items of a JSON array */
};

typedef struct wki_item {
    union {
        int64_t     i; /* every integer that fits, and bool */
        uint64_t    u; /* WKI_U64 */
        double      f;
        const char *s; /* not NUL-terminated where it is an item of a GGUF array */
    } v;
    size_t        length; /* of a string; count of an array */
    enum wki_type type;
} wki_item;

#define WKI_EACH 32
typedef struct wki_value {
    const char          *key;
    wki_item             item;
    enum wki_type        item_type;
    const unsigned char *data, *data_end; /* GGUF array: its items in the mapping */
    const size_t        *step;            /* offset of every WKI_EACH-th string from data */
    const wki_item      *items;           /* JSON array */
} wki_value;

typedef struct wki_file_tensor {
    wk_file_tensor about;
    wki_map       *map;
} wki_file_tensor;

struct wk_files {
    char             format[16];
    const char      *arch;    /* general.architecture of a GGUF file; NULL: not GGUF */
    int              version; /* of GGUF */
    char            *folder;  /* wk_files_read looks here; NULL: nowhere */
    wki_map        **maps;
    size_t           n_maps, cap_maps, cap_tensors, cap_values;
    wki_arena        arena;
    wki_names        tensor_names, keys;
    wki_file_tensor *tensors; /* as many as tensor_names */
    wki_value       *values;  /* as many as keys */
};

#define WKI_MAX_NAME 1024 /* bytes of a tensor's name */

/* Records b's failure as an error of the file shown. Always false. */
bool wki_file_error(wk_ctx *c, const char *shown, const wki_bytes *b);
bool wki_no_memory(wk_ctx *c, const char *shown); /* always false */

/* Takes over one reference to m, even when it fails. */
bool wki_files_own(wk_ctx *c, wk_files *f, wki_map *m);
/* Enters a tensor; about.name need not live on. False: b or c tells (it is there already, name unfit,
 * memory). */
bool wki_files_enter(wk_ctx *c, wk_files *f, wki_bytes *b, wk_file_tensor about, size_t name_length,
                     wki_map *m, size_t where);
/* A new configuration entry, whose key is not there yet; valid until the next one. NULL: b or c tells. */
wki_value *wki_files_key(wk_ctx *c, wk_files *f, wki_bytes *b, const char *key, size_t length, size_t where);
/* The entry of that key as the file has it, or NULL. */
const wki_value *wki_files_value(const wk_files *f, const char *key);

/* Formats: fill f from m (which f owns). */
bool wki_gguf_open(wk_ctx *c, wk_files *f, wki_map *m);
bool wki_safetensors_open(wk_ctx *c, wk_files *f, wki_map *m, bool metadata);
bool wki_folder_open(wk_ctx *c, wk_files *f);                  /* f->folder */
bool wki_index_open(wk_ctx *c, wk_files *f, const char *name); /* of f->folder */

/* folder + "/" + name, from wk_alloc; NULL after an error. */
char *wki_path_join(wk_ctx *c, const char *folder, const char *name);

/* Translation (names.c): Hugging Face's name into GGUF's, row by row; row starts at 0, false: no further
 * one. */
bool wki_gguf_tensor_name(const char *arch, const char *name, int *row, char *out, size_t size);
bool wki_gguf_key(const char *arch, const char *key, int *row, char *out, size_t size);

#endif
