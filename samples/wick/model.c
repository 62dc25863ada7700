/* Opening a model and its surroundings, as the flags ask. */
#include "wick.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_CONTEXT 4096

int failed(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("wick: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_FAILED;
}

int failed_ctx(const wk_ctx *c)
{
    if (wk_ctx_status(c) == WK_ECANCELLED) return EXIT_INTERRUPTED;
    return failed("%s", wk_ctx_message(c));
}

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *join(const char *a, const char *b)
{
    const size_t n = strlen(a) + strlen(b) + 2;
    char        *s = wk_alloc(n);
    if (s) snprintf(s, n, "%s/%s", a, b);
    return s;
}

char *cache_folder(void)
{
    const char *own = getenv("WICK_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own) return join(own, "");
    if (xdg && *xdg) return join(xdg, "wick");
    return join(home && *home ? home : "/tmp", ".cache/wick");
}

char *model_path(const char *name)
{
    struct stat st;
    char       *path = NULL;
    if (stat(name, &st) != 0 && errno == ENOENT && name[0] != '/' && !strstr(name, "..")) {
        char *folder = cache_folder();
        path = folder ? join(folder, name) : NULL;
        wk_free(folder);
        if (path && stat(path, &st) != 0) {
            wk_free(path);
            path = NULL;
        }
    }
    if (!path && (path = wk_alloc(strlen(name) + 1))) strcpy(path, name);
    return path;
}

wk_ctx *context_open(const struct options *o)
{
    wk_ctx *c = wk_ctx_new(o->device);
    if (wk_ctx_status(c)) {
        failed_ctx(c);
        wk_ctx_free(c);
        return NULL;
    }
    if (o->threads) wk_set_threads(c, (int)o->threads);
    wk_set_precise(c, o->precise);
    interrupt_watch(c);
    return c;
}

/* What -ctk or -ctv asks for; without it --cache-type; without that f16, f32 if precise. */
static wk_dtype cache_dtype(wk_ctx *c, const struct options *o, const char *flag, const char *own)
{
    const char    *name = own ? own : o->cache_type ? o->cache_type : o->precise ? "f32" : "f16";
    const wk_dtype t = wk_dtype_find(name);
    if (t == WK_DTYPE_COUNT) wk_fail(c, WK_EARG, "%s %s: no such dtype", own ? flag : "--cache-type", name);
    return t;
}

bool session_open(struct session *s, const struct options *o, bool text)
{
    *s = (struct session){.c = context_open(o)};
    if (!s->c) return false;
    char *path = model_path(o->model);
    if (path) s->model = wk_model_open(s->c, path);
    wk_free(path);
    if (s->model && text) s->tokenizer = wk_tokenizer_open(s->c, wk_model_files(s->model));
    if (s->model && !wk_ctx_status(s->c)) {
        const int64_t own = wk_model_about(s->model).context;
        s->context = o->context ? o->context : own > 0 && own < DEFAULT_CONTEXT ? own : DEFAULT_CONTEXT;
        const wk_dtype keys = cache_dtype(s->c, o, "-ctk", o->key_type);
        const wk_dtype values = cache_dtype(s->c, o, "-ctv", o->value_type);
        s->cache = wk_model_cache(s->c, s->model, s->context, keys, values);
    }
    if (!wk_ctx_status(s->c) && s->cache) return true;
    failed_ctx(s->c);
    session_close(s);
    return false;
}

void session_close(struct session *s)
{
    interrupt_watch(NULL);
    wk_cache_free(s->cache);
    wk_tokenizer_free(s->tokenizer);
    wk_model_free(s->model);
    wk_ctx_free(s->c);
    *s = (struct session){0};
}

static char *read_all(FILE *f, size_t *length)
{
    size_t n = 0, cap = 65536;
    char  *text = wk_alloc(cap);
    while (text) {
        n += fread(text + n, 1, cap - n - 1, f);
        if (n + 1 < cap) break;
        char *grown = wk_resize(text, cap *= 2);
        if (!grown) wk_free(text);
        text = grown;
    }
    if (text) text[n] = '\0';
    *length = n;
    return text;
}

char *prompt_text(const struct options *o, size_t *length)
{
    if (o->prompt && o->file) {
        failed("-p and -f are both given");
        return NULL;
    }
    if (o->prompt) {
        *length = strlen(o->prompt);
        char *copy = wk_alloc(*length + 1);
        if (copy) memcpy(copy, o->prompt, *length + 1);
        return copy;
    }
    const bool input = !o->file || !strcmp(o->file, "-");
    if (!o->file && isatty(STDIN_FILENO)) {
        failed("no text; -p TEXT or -f FILE gives one");
        return NULL;
    }
    FILE *f = input ? stdin : fopen(o->file, "rb");
    if (!f) {
        failed("%s: %s", o->file, strerror(errno));
        return NULL;
    }
    char *text = read_all(f, length);
    if (!text) failed("out of memory for the text");
    if (text && ferror(f)) {
        failed("%s: %s", input ? "standard input" : o->file, strerror(errno));
        wk_free(text);
        text = NULL;
    }
    if (!input) fclose(f);
    return text;
}
