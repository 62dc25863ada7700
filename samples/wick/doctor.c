/* wick doctor: what this machine offers, and what wick will use of it. */
#include "wick.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

/* The lines "key: value" of a device into an object. */
static json_t *describe(const char *device, const struct options *o)
{
    json_t *j = json_object();
    wk_ctx *c = wk_ctx_new(device);
    json_object_set_new(j, "device", json_string(device));
    if (wk_ctx_status(c)) {
        json_object_set_new(j, "available", json_false());
        json_object_set_new(j, "reason", json_string(wk_ctx_message(c)));
    } else {
        char text[1024];
        if (o->threads) wk_set_threads(c, (int)o->threads);
        json_object_set_new(j, "available", json_true());
        json_object_set_new(j, "threads", json_integer(wk_threads(c)));
        wk_ctx_describe(c, text, sizeof text);
        for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
            char *colon = strchr(line, ':');
            if (!colon) continue;
            *colon = '\0';
            json_object_set_new(j, line, json_string(colon[1] == ' ' ? colon + 2 : colon + 1));
        }
    }
    wk_ctx_free(c);
    return j;
}

static void cpu_name(char *out, size_t size)
{
    char  line[512];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(out, size, "%s", colon + 2);
        break;
    }
    if (f) fclose(f);
}

static void print_device(const json_t *j)
{
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        if (json_is_string(value)) printf("%-12s %s\n", key, json_string_value(value));
        if (json_is_integer(value)) printf("%-12s %lld\n", key, (long long)json_integer_value(value));
        if (json_is_boolean(value)) printf("%-12s %s\n", key, json_is_true(value) ? "yes" : "no");
    }
    printf("\n");
}

int verb_doctor(const struct options *o)
{
    const char *const devices[] = {"cpu", "cuda:0"};
    char              cpu[256];
    json_t           *root = json_object(), *list = json_array();
    const long        pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    cpu_name(cpu, sizeof cpu);
    json_object_set_new(root, "wick", json_string(wk_version()));
    json_object_set_new(root, "cpu", json_string(cpu));
    json_object_set_new(root, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(root, "memory_mib", json_integer((json_int_t)pages * page >> 20));
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        json_array_append_new(list, describe(devices[i], o));
    if (o->json) {
        json_object_set(root, "devices", list);
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_device(root);
        for (size_t i = 0; i < json_array_size(list); i++) print_device(json_array_get(list, i));
    }
    const bool ok = json_is_true(json_object_get(json_array_get(list, 0), "available"));
    json_decref(list);
    json_decref(root);
    return ok ? EXIT_OK : EXIT_FAILED;
}
