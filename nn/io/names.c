/* Hugging Face's names in GGUF's words, by gguf_names.def. */
#include "files.h"

#include <stdio.h>
#include <string.h>

struct row {
    const char *arch, *theirs, *ours; /* ours: GGUF's */
};
static const struct row tensors[] = {
#define WKI_TENSOR(arch, hf, gguf) {arch, hf, gguf},
#define WKI_KEY(arch, hf, gguf)
#include "gguf_names.def"
#undef WKI_TENSOR
#undef WKI_KEY
};
static const struct row keys[] = {
#define WKI_TENSOR(arch, hf, gguf)
#define WKI_KEY(arch, hf, gguf) {arch, hf, gguf},
#include "gguf_names.def"
#undef WKI_TENSOR
#undef WKI_KEY
};

/* Is arch one of the words of list? */
static bool listed(const char *list, const char *arch)
{
    const size_t n = strlen(arch);
    if (strcmp(list, "*") == 0) return true;
    for (const char *p = n ? strstr(list, arch) : NULL; p; p = strstr(p + 1, arch))
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0')) return true;
    return false;
}

/* Replaces the %d or %s of pattern. */
static bool put(char *out, size_t size, const char *pattern, const char *with, size_t length, const char *end)
{
    const char  *hole = strchr(pattern, '%');
    const size_t head = hole ? (size_t)(hole - pattern) : strlen(pattern);
    const int    n = snprintf(out, size, "%.*s%.*s%s%s", (int)head, pattern, hole ? (int)length : 0, with,
                           hole ? hole + 2 : "", end);
    return n > 0 && (size_t)n < size;
}

/* Does the first n bytes of name match pattern? The digits for its %d go to *digits, *count. */
static bool match(const char *pattern, const char *name, size_t n, const char **digits, size_t *count)
{
    const char  *hole = strchr(pattern, '%');
    const size_t head = hole ? (size_t)(hole - pattern) : strlen(pattern);
    *digits = "";
    *count = 0;
    if (n < head || memcmp(pattern, name, head) != 0) return false;
    if (!hole) return n == head;
    *digits = name + head;
    while (head + *count < n && (*digits)[*count] >= '0' && (*digits)[*count] <= '9') ++*count;
    const size_t rest = n - head - *count;
    return *count > 0 && *count < 10 && rest == strlen(hole + 2) &&
           memcmp(hole + 2, name + n - rest, rest) == 0;
}

bool wki_gguf_tensor_name(const char *arch, const char *name, int *row, char *out, size_t size)
{
    static const char *const ends[] = {".weight", ".bias"};
    size_t                   n = strlen(name);
    const char              *end = "";
    for (size_t k = 0; k < 2; k++) {
        const size_t w = strlen(ends[k]);
        if (n > w && strcmp(name + n - w, ends[k]) == 0) {
            end = ends[k];
            n -= w;
            break;
        }
    }
    while ((size_t)*row < sizeof tensors / sizeof *tensors) {
        const struct row *r = &tensors[(*row)++];
        const char       *digits;
        size_t            count;
        if (listed(r->arch, arch) && match(r->theirs, name, n, &digits, &count) &&
            put(out, size, r->ours, digits, count, end))
            return true;
    }
    return false;
}

bool wki_gguf_key(const char *arch, const char *key, int *row, char *out, size_t size)
{
    while ((size_t)*row < sizeof keys / sizeof *keys) {
        const struct row *r = &keys[(*row)++];
        if (strcmp(r->theirs, key) == 0 && listed(r->arch, arch) &&
            put(out, size, r->ours, arch, strlen(arch), ""))
            return true;
    }
    return false;
}
