/* wick list: models in the cache folder. */
#include "wick.h"

#include <dirent.h>
#include <jansson.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DEPTH 6

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static void walk(const char *root, const char *below, int depth, json_t *found)
{
    char path[4096];
    if (depth > DEPTH || snprintf(path, sizeof path, "%s/%s", root, below) >= (int)sizeof path) return;
    DIR *d = opendir(path);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        char        name[4096], full[8192];
        struct stat st;
        if (e->d_name[0] == '.') continue;
        if (snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", e->d_name) >= (int)sizeof name)
            continue;
        snprintf(full, sizeof full, "%s/%s", root, name);
        if (stat(full, &st) != 0) continue;
        if (S_ISDIR(st.st_mode)) {
            walk(root, name, depth + 1, found);
        } else if (ends_with(name, ".gguf") || ends_with(name, ".safetensors")) {
            json_array_append_new(found,
                                  json_pack("{s:s, s:I}", "name", name, "bytes", (json_int_t)st.st_size));
        }
    }
    closedir(d);
}

static int compare(const void *a, const void *b)
{
    return strcmp(json_string_value(json_object_get(*(json_t *const *)a, "name")),
                  json_string_value(json_object_get(*(json_t *const *)b, "name")));
}

int verb_list(const struct options *o)
{
    char *folder = cache_folder();
    if (!folder) return failed("out of memory");
    json_t *found = json_array();
    walk(folder, "", 0, found);
    const size_t n = json_array_size(found);
    json_t     **order = wk_alloc_zero(n + 1, sizeof *order);
    for (size_t i = 0; order && i < n; i++) order[i] = json_array_get(found, i);
    if (order) qsort(order, n, sizeof *order, compare);
    json_t *sorted = json_array();
    for (size_t i = 0; order && i < n; i++) {
        json_array_append(sorted, order[i]);
        if (!o->json)
            printf("%10.1f MB  %s\n", (double)json_integer_value(json_object_get(order[i], "bytes")) / 1e6,
                   json_string_value(json_object_get(order[i], "name")));
    }
    if (o->json) {
        json_dumpf(sorted, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (n == 0) {
        fprintf(stderr, "no models in %s; wick pull fetches one\n", folder);
    }
    json_decref(sorted);
    json_decref(found);
    wk_free(order);
    wk_free(folder);
    return EXIT_OK;
}
