/* Devices: opened by name, shared by contexts, their backends linked in or loaded as modules. */
#include "ctx.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Linked-in backends. */
const wk_backend *wki_backend_cpu(void);

static struct {
    pthread_mutex_t    lock;
    struct wki_device *first;
} devices = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct {
    const char *name, *module;
} backends[] = {
#define WK_BACKEND(name, module) {#name, module},
#include "backends.def"
#undef WK_BACKEND
};

/* "name" or "name:index" into its parts. */
static bool parse(const char *text, char *name, size_t size, int *index)
{
    size_t n = 0;
    while (n + 1 < size && ((text[n] >= 'a' && text[n] <= 'z') || (n && text[n] >= '0' && text[n] <= '9'))) {
        name[n] = text[n];
        n++;
    }
    name[n] = '\0';
    *index = 0;
    if (n == 0) return false;
    if (text[n] == '\0') return true;
    if (text[n++] != ':') return false;
    int digits = 0;
    for (; text[n] >= '0' && text[n] <= '9' && digits < 4; n++, digits++)
        *index = *index * 10 + (text[n] - '0');
    return digits > 0 && text[n] == '\0';
}

/* The module that holds a backend: the one its row names, else libwick_NAME.so.0, in $WK_MODULE_PATH or where
 * the loader looks. */
static const wk_backend *load(const char *name, void **module, char *message, size_t size)
{
    char        file[64], path[512];
    const char *row = NULL, *dir = getenv("WK_MODULE_PATH");
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (strcmp(backends[i].name, name) == 0) row = backends[i].module;
    if (row)
        snprintf(file, sizeof file, "%s", row);
    else
        snprintf(file, sizeof file, "libwick_%s.so.0", name);
    const int n = snprintf(path, sizeof path, "%s%s%s", dir ? dir : "", dir && *dir ? "/" : "", file);
    *module = n > 0 && (size_t)n < sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!*module) {
        const char *why = dlerror();
        snprintf(message, size, "device \"%s\": its module cannot be loaded: %s", name, why ? why : path);
        return NULL;
    }
    union { /* ISO C has no cast from object to function pointers */
        void            *object;
        wk_backend_entry fn;
    } entry = {.object = dlsym(*module, WK_BACKEND_ENTRY)};
    const wk_backend *b = entry.object ? entry.fn() : NULL;
    if (b && b->abi == WK_BACKEND_ABI) return b;
    snprintf(message, size, "device \"%s\": %s %s", name, path,
             b ? "was built for another version of wick" : "is not a wick backend");
    dlclose(*module);
    *module = NULL;
    return NULL;
}

static struct wki_device *open_new(const char *name, int index, char *message, size_t size, wk_status *status)
{
    struct wki_device *d = wk_alloc_zero(1, sizeof *d);
    if (!d) {
        snprintf(message, size, "device \"%s\": out of memory", name);
        *status = WK_ENOMEM;
        return NULL;
    }
    const bool cpu = strcmp(name, "cpu") == 0;
    d->base.backend = cpu ? wki_backend_cpu() : load(name, &d->module, message, size);
    d->base.index = index;
    d->refs = 1;
    snprintf(d->name, sizeof d->name, cpu ? "%s" : "%s:%d", name, index);
    *status = d->base.backend ? WK_OK : WK_EDEVICE;
    if (*status == WK_OK) *status = d->base.backend->open(&d->base, index, message, size);
    if (*status == WK_OK && d->base.backend->host_memory && !(d->base.pool = wki_pool_new())) {
        snprintf(message, size, "device \"%s\": out of memory", name);
        *status = WK_ENOMEM;
        d->base.backend->close(&d->base);
    }
    if (*status == WK_OK) return d;
    if (d->module) dlclose(d->module);
    wk_free(d);
    return NULL;
}

wk_device *wki_device_open(const char *text, char *message, size_t size, wk_status *status)
{
    char name[24];
    int  index;
    if (!parse(text, name, sizeof name, &index)) {
        snprintf(message, size, "no such device: \"%.60s\" (\"cpu\" or \"cuda:0\" are)", text);
        *status = WK_EDEVICE;
        return NULL;
    }
    pthread_mutex_lock(&devices.lock);
    struct wki_device *d = devices.first;
    while (d && !(d->base.index == index && strcmp(d->base.backend->name, name) == 0)) d = d->next;
    if (d) {
        d->refs++;
    } else {
        d = open_new(name, index, message, size, status);
        if (d) {
            d->next = devices.first;
            devices.first = d;
        }
    }
    pthread_mutex_unlock(&devices.lock);
    return d ? &d->base : NULL;
}

void wki_device_hold(wk_device *d)
{
    pthread_mutex_lock(&devices.lock);
    wki_device_of(d)->refs++;
    pthread_mutex_unlock(&devices.lock);
}

void wki_device_close(wk_device *device)
{
    struct wki_device *d = wki_device_of(device);
    pthread_mutex_lock(&devices.lock);
    const bool last = --d->refs == 0;
    if (last) {
        struct wki_device **at = &devices.first;
        while (*at != d) at = &(*at)->next;
        *at = d->next;
    }
    pthread_mutex_unlock(&devices.lock);
    if (!last) return;
    if (d->base.pool) wki_pool_free(d->base.pool);
    d->base.backend->close(&d->base);
    if (d->module) dlclose(d->module);
    wk_free(d);
}

const char *wki_device_name(const wk_device *d)
{
    return wki_device_of(d)->name;
}
