/* Hugging Face folders: config.json, one safetensors file or an index of several. */
#include "json.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define MAX_CONFIG (16u << 20)
#define MAX_INDEX  100000000u
#define MAX_KEY    1000

/* ---- config.json: nested objects become dotted keys ---- */

struct config {
    wk_ctx   *c;
    wk_files *f;
    wki_map  *m;
    wki_json  j;
    char      key[MAX_KEY + 64]; /* where we are */
    size_t    length;
};

static const char field[] = "config.json";

static bool read_value(struct config *r, wki_item *x)
{
    const char ch = wki_json_peek(&r->j);
    wki_span   s;
    *x = (wki_item){.type = WKI_NULL};
    if (ch == '-' || (ch >= '0' && ch <= '9')) return wki_json_number(&r->j, x, field);
    if (ch == '{' || ch == '[') { /* inside an array */
        x->type = WKI_ARRAY;
        return wki_json_skip(&r->j, field);
    }
    if (ch != '"') return wki_json_word(&r->j, x, field);
    if (!wki_json_string(&r->j, &s, field)) return false;
    x->type = WKI_STRING;
    x->v.s = wki_span_text(&r->f->arena, &s, &x->length);
    return x->v.s || wki_no_memory(r->c, wki_map_name(r->m));
}

static bool read_array(struct config *r, wki_value *v)
{
    wki_json count = r->j;
    bool     first = true;
    size_t   n = 0;
    if (!wki_json_open(&count, '[', field)) return wki_json_open(&r->j, '[', field);
    while (wki_json_more(&count, ']', &first, field)) {
        if (!wki_json_skip(&count, field)) break;
        n++;
    }
    if (wki_bad(&count.b)) {
        r->j.b = count.b;
        return false;
    }
    wki_item *items = wki_arena_take(&r->f->arena, n * sizeof *items);
    if (!items) return wki_no_memory(r->c, wki_map_name(r->m));
    bool fine = wki_json_open(&r->j, '[', field);
    first = true;
    for (size_t i = 0; i < n && fine; i++)
        fine = wki_json_more(&r->j, ']', &first, field) && read_value(r, &items[i]);
    fine = fine && !wki_json_more(&r->j, ']', &first, field) && !wki_bad(&r->j.b);
    v->item = (wki_item){.type = WKI_ARRAY, .length = n};
    v->item_type = WKI_MIXED;
    v->items = items;
    return fine;
}

static bool read_object(struct config *r)
{
    bool         first = true;
    const size_t before = r->length;
    wki_span     s;
    if (!wki_json_open(&r->j, '{', field)) return false;
    while (wki_json_more(&r->j, '}', &first, field)) {
        const size_t where = wki_offset(&r->j.b);
        char         name[MAX_KEY];
        if (!wki_json_key(&r->j, &s, field)) return false;
        if (!wki_span_short(&s, name, sizeof name) || before + strlen(name) * 4 + 1 >= MAX_KEY)
            return wki_reject(&r->j.b, field, where, "NUL in a key, or longer than %d bytes", MAX_KEY / 4);
        if (before) r->key[r->length++] = '.';
        r->length += wki_escape(r->key + r->length, sizeof r->key - r->length, name, strlen(name));
        const char ch = wki_json_peek(&r->j);
        if (ch == '{') {
            if (!read_object(r)) return false;
        } else {
            wki_value *v = wki_files_key(r->c, r->f, &r->j.b, r->key, r->length, where);
            if (!v || !(ch == '[' ? read_array(r, v) : read_value(r, &v->item))) return false;
        }
        r->length = before;
    }
    return !wki_bad(&r->j.b);
}

static bool config_read(wk_ctx *c, wk_files *f, wki_map *m)
{
    struct config r = {.c = c, .f = f, .m = m, .j = {.b = wki_bytes_of(wki_map_data(m), wki_map_size(m))}};
    bool          fine = wki_map_size(m) <= MAX_CONFIG ||
                wki_reject(&r.j.b, field, 0, "%zu bytes, the limit is %u", wki_map_size(m), MAX_CONFIG);
    fine = fine && read_object(&r) && wki_json_end(&r.j, field);
    if (wki_bad(&r.j.b)) wki_file_error(c, wki_map_name(m), &r.j.b);
    return fine;
}

/* ---- the index of a checkpoint in several files ---- */

struct index {
    wk_ctx   *c;
    wk_files *f;
    wki_map  *m;
    wki_json  j;
    wki_names tensors, shards;
    uint32_t *shard_of; /* per tensor */
    size_t    cap;
};

/* A name that a file gave: one component, harmless characters. */
static bool is_shard_name(const char *s)
{
    const size_t n = strlen(s);
    if (n == 0 || n > 128 || s[0] == '.') return false;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
              s[i] == '.' || s[i] == '_' || s[i] == '-'))
            return false;
    return n > 12 && strcmp(s + n - 12, ".safetensors") == 0;
}

/* "model-00001-of-00002.safetensors": the name every tool writes, which caches keep as a symbolic link. */
static bool is_usual_name(const char *s)
{
    static const char form[] = "model-#####-of-#####.safetensors";
    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == '#' ? s[i] < '0' || s[i] > '9' : s[i] != form[i]) return false;
    return true;
}

/* The number of name in t, entered if new. */
static size_t number_of(struct index *x, wki_names *t, const char *name)
{
    const size_t i = wki_names_find(t, name);
    if (i != WKI_NO_NAME) return i;
    const char *own = wki_arena_text(&x->f->arena, name, strlen(name));
    if (!own || !wki_names_add(t, own)) {
        wki_no_memory(x->c, wki_map_name(x->m));
        return WKI_NO_NAME;
    }
    return t->count - 1;
}

static bool read_entry(struct index *x)
{
    static const char map[] = "weight_map";
    const size_t      where = wki_offset(&x->j.b);
    char              name[WKI_MAX_NAME + 1], shard[160], shown[200];
    wki_span          a, b;
    if (!wki_json_key(&x->j, &a, map) || !wki_json_string(&x->j, &b, map)) return false;
    if (!wki_span_short(&a, name, sizeof name) || !wki_is_printable(name, strlen(name)))
        return wki_reject(&x->j.b, map, where,
                          "control characters in a tensor's name, or longer than %d bytes", WKI_MAX_NAME);
    if (!wki_span_short(&b, shard, sizeof shard) || !is_shard_name(shard)) {
        wki_escape(shown, 80, b.at, b.length);
        return wki_reject(&x->j.b, map, where, "\"%.70s\" is no name of a .safetensors file", shown);
    }
    if (wki_names_find(&x->tensors, name) != WKI_NO_NAME)
        return wki_reject(&x->j.b, map, where, "\"%.70s\" appears twice", name);
    const size_t s = number_of(x, &x->shards, shard);
    const size_t t = s == WKI_NO_NAME ? WKI_NO_NAME : number_of(x, &x->tensors, name);
    if (t == WKI_NO_NAME) return false;
    if (t == x->cap) {
        const size_t cap = x->cap ? x->cap * 2 : 64;
        uint32_t    *grown = wk_resize(x->shard_of, cap * sizeof *grown);
        if (!grown) return wki_no_memory(x->c, wki_map_name(x->m));
        x->shard_of = grown;
        x->cap = cap;
    }
    x->shard_of[t] = (uint32_t)s;
    return true;
}

static bool read_index(struct index *x)
{
    static const char what[] = "index";
    bool              first = true, seen = false;
    wki_span          s;
    if (!wki_json_open(&x->j, '{', what)) return false;
    while (wki_json_more(&x->j, '}', &first, what)) {
        char         key[32];
        const size_t where = wki_offset(&x->j.b);
        if (!wki_json_key(&x->j, &s, what)) return false;
        if (!wki_span_short(&s, key, sizeof key) || strcmp(key, "weight_map") != 0) {
            if (!wki_json_skip(&x->j, what)) return false;
            continue;
        }
        if (seen) return wki_reject(&x->j.b, what, where, "weight_map appears twice");
        seen = true;
        bool head = true;
        if (!wki_json_open(&x->j, '{', "weight_map")) return false;
        while (wki_json_more(&x->j, '}', &head, "weight_map"))
            if (!read_entry(x)) return false;
        if (wki_bad(&x->j.b)) return false;
    }
    if (!wki_json_end(&x->j, what)) return false;
    return (seen && x->shards.count > 0) || wki_reject(&x->j.b, what, 0, "no weight_map, or an empty one");
}

/* Opens shard number s and compares it with the index. */
static bool open_shard(struct index *x, size_t s)
{
    wk_files    *f = x->f;
    const char  *name = x->shards.name[s];
    const size_t from = f->tensor_names.count;
    char        *path = wki_path_join(x->c, f->folder, name);
    if (!path) return false;
    wki_map *m = wki_map_open(x->c, path, is_usual_name(name) ? 0 : WKI_MAP_NO_LINKS, NULL);
    wk_free(path);
    return m && wki_files_own(x->c, f, m) && wki_safetensors_open(x->c, f, m, false) &&
           from <= f->tensor_names.count;
}

static bool compare(struct index *x)
{
    for (size_t t = 0; t < x->tensors.count; t++) {
        const size_t i = wki_names_find(&x->f->tensor_names, x->tensors.name[t]);
        const char  *shard = x->shards.name[x->shard_of[t]];
        const char  *in = i == WKI_NO_NAME ? "" : strrchr(wki_map_name(x->f->tensors[i].map), '/');
        if (in && strcmp(in + (*in == '/'), shard) == 0) continue;
        wk_fail(x->c, WK_EFORMAT, "%.200s: weight_map: tensor \"%.100s\" is not in %.130s",
                wki_map_name(x->m), x->tensors.name[t], shard);
        return false;
    }
    return true;
}

static bool read_shards(struct index *x)
{
    bool fine = wki_map_size(x->m) <= MAX_INDEX ||
                wki_reject(&x->j.b, "index", 0, "%zu bytes, the limit is %u", wki_map_size(x->m), MAX_INDEX);
    fine = fine && read_index(x);
    if (wki_bad(&x->j.b)) wki_file_error(x->c, wki_map_name(x->m), &x->j.b);
    for (size_t s = 0; s < x->shards.count && fine; s++) fine = open_shard(x, s);
    return fine && compare(x);
}

/* A file of the folder; *missing where it is not there. */
static wki_map *open_in(wk_ctx *c, wk_files *f, const char *name, unsigned flags, bool *missing)
{
    char    *path = wki_path_join(c, f->folder, name);
    wki_map *m = path ? wki_map_open(c, path, flags, missing) : NULL;
    wk_free(path);
    return m;
}

static bool open_config(wk_ctx *c, wk_files *f)
{
    bool     missing = false;
    wki_map *m = open_in(c, f, "config.json", WKI_MAP_COPY, &missing);
    if (!m) return missing;
    const bool fine = config_read(c, f, m);
    wki_map_drop(m);
    return fine;
}

static bool shards_of(wk_ctx *c, wk_files *f, wki_map *m)
{
    struct index x = {.c = c, .f = f, .m = m, .j = {.b = wki_bytes_of(wki_map_data(m), wki_map_size(m))}};
    const bool   fine = read_shards(&x);
    wki_names_free(&x.tensors);
    wki_names_free(&x.shards);
    wk_free(x.shard_of);
    wki_map_drop(m);
    return fine;
}

bool wki_index_open(wk_ctx *c, wk_files *f, const char *name)
{
    memcpy(f->format, "huggingface", 12);
    if (!open_config(c, f)) return false;
    wki_map *m = open_in(c, f, name, WKI_MAP_COPY, NULL);
    return m && shards_of(c, f, m);
}

/* The one *.safetensors file of the folder; false when there is none or more than one. */
static bool only_file(const char *folder, char *name, size_t size)
{
    int  found = 0;
    DIR *d = opendir(folder);
    if (!d) return false;
    for (const struct dirent *e; found < 2 && (e = readdir(d));) {
        const size_t n = strlen(e->d_name);
        if (n < 13 || n >= size || strcmp(e->d_name + n - 12, ".safetensors") != 0) continue;
        memcpy(name, e->d_name, n + 1);
        found++;
    }
    closedir(d);
    return found == 1;
}

bool wki_folder_open(wk_ctx *c, wk_files *f)
{
    char     other[256];
    bool     missing = false;
    wki_map *m = NULL;
    memcpy(f->format, "huggingface", 12);
    if (!open_config(c, f)) return false;
    m = open_in(c, f, "model.safetensors", 0, &missing);
    if (!m && missing) {
        missing = false;
        m = open_in(c, f, "model.safetensors.index.json", WKI_MAP_COPY, &missing);
        if (m) return shards_of(c, f, m);
    }
    if (!m && missing && only_file(f->folder, other, sizeof other)) m = open_in(c, f, other, 0, NULL);
    if (m) return wki_files_own(c, f, m) && wki_safetensors_open(c, f, m, true);
    wk_fail(c, WK_EIO, "%.300s: no model.safetensors, no model.safetensors.index.json", f->folder);
    return false;
}
