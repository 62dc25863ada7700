/* wick inspect: what is in a model file or folder. */
#include "wick.h"

#include <inttypes.h>
#include <jansson.h>

static json_t *shape_json(wk_shape s)
{
    json_t *a = json_array();
    for (int i = 0; i < s.ndim; i++) json_array_append_new(a, json_integer(s.dim[i]));
    return a;
}

/* Names from files may hold any bytes; JSON may not. */
static json_t *text_json(const char *text)
{
    json_t *j = json_string(text);
    return j ? j : json_string("?");
}

static void print_json(const wk_files *f)
{
    json_t *root = json_object(), *config = json_object(), *tensors = json_array();
    char    value[512];
    for (int64_t i = 0; i < wk_config_entries(f); i++) {
        const char *key, *type;
        wk_config_entry(f, i, &key, &type, value, sizeof value);
        json_object_set_new(config, key, text_json(value));
    }
    for (int64_t i = 0; i < wk_files_count(f); i++) {
        const wk_file_tensor t = wk_files_at(f, i);
        json_t              *j = json_object();
        json_object_set_new(j, "name", text_json(t.name));
        json_object_set_new(j, "dtype", text_json(t.type_name));
        json_object_set_new(j, "shape", shape_json(t.shape));
        json_object_set_new(j, "offset", json_integer(t.offset));
        json_object_set_new(j, "bytes", json_integer(t.bytes));
        json_array_append_new(tensors, j);
    }
    json_object_set_new(root, "format", text_json(wk_files_format(f)));
    json_object_set_new(root, "bytes", json_integer(wk_files_bytes(f)));
    json_object_set_new(root, "config", config);
    json_object_set_new(root, "tensors", tensors);
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(root);
}

static void print_text(const wk_files *f)
{
    char value[100];
    printf("format  %s\nbytes   %" PRId64 "\n\n", wk_files_format(f), wk_files_bytes(f));
    for (int64_t i = 0; i < wk_config_entries(f); i++) {
        const char *key, *type;
        wk_config_entry(f, i, &key, &type, value, sizeof value);
        printf("%-44s %-10s %s\n", key, type, value);
    }
    printf("\n");
    for (int64_t i = 0; i < wk_files_count(f); i++) {
        const wk_file_tensor t = wk_files_at(f, i);
        printf("%-44s %-10s [", t.name, t.type_name);
        for (int d = 0; d < t.shape.ndim; d++) printf("%s%" PRId64, d ? ", " : "", t.shape.dim[d]);
        printf("]\n");
    }
}

int verb_inspect(const struct options *o)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    char     *path = model_path(o->model);
    wk_files *f = path ? wk_files_open(c, path) : NULL;
    if (f && o->json) print_json(f);
    if (f && !o->json) print_text(f);
    const int code = f ? EXIT_OK : failed_ctx(c);
    wk_files_close(f);
    wk_free(path);
    wk_ctx_free(c);
    return code;
}
