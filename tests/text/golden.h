/* Golden files of the text tests: reading them whole, walking their cases. */
#ifndef TEXT_GOLDEN_H
#define TEXT_GOLDEN_H

#include "nn/text/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline char *golden_file(const char *name, size_t *length)
{
    char path[512];
    snprintf(path, sizeof path, WK_SOURCE_DIR "/tests/golden/text/%s", name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s is missing", path);
    fseek(f, 0, SEEK_END);
    *length = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*length + 1);
    cr_assert_eq(fread(data, 1, *length, f), *length);
    data[*length] = '\0';
    fclose(f);
    return data;
}

static inline wk_tokenizer *golden_json(wk_ctx *c, const char *name)
{
    char   file[64];
    size_t length;
    snprintf(file, sizeof file, "%s.json", name);
    char         *json = golden_file(file, &length);
    wk_tokenizer *t = wk_tokenizer_from_json(c, json, length);
    cr_assert_not_null(t, "%s: %s", name, wk_ctx_message(c));
    free(json);
    return t;
}

struct golden_case {
    const char *text;
    uint32_t    length, flags, count; /* flags: 1 special, 2 edges */
    int32_t    *id;                   /* to be freed */
};

static inline uint32_t golden_u32(const char **p)
{
    uint32_t x;
    memcpy(&x, *p, 4);
    *p += 4;
    return x;
}

static inline struct golden_case golden_next(const char **p)
{
    struct golden_case k = {.length = golden_u32(p)};
    k.text = *p;
    *p += k.length;
    k.flags = golden_u32(p);
    k.count = golden_u32(p);
    k.id = malloc(4 * (size_t)k.count + 4);
    memcpy(k.id, *p, 4 * (size_t)k.count);
    *p += 4 * (size_t)k.count;
    return k;
}

/* Small deterministic numbers for tests. */
static inline uint32_t golden_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

#endif
