/* For the fuzz harnesses of files: writes the bytes to a file, opens it, looks at everything it says. */
#ifndef FUZZ_WALK_H
#define FUZZ_WALK_H

#include "nn/nn.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64], weights[100];

static void put(const char *name, const void *p, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, p, n) != (ssize_t)n) abort();
    close(fd);
}

static void clean(void)
{
    unlink(weights);
    snprintf(weights, sizeof weights, "%s/config.json", folder);
    unlink(weights);
    rmdir(folder);
}

static void begin(const char *name)
{
    if (folder[0]) return;
    snprintf(folder, sizeof folder, "%s/wick-fuzz-%ld", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
             (long)getpid());
    if (mkdir(folder, 0700) != 0) abort();
    snprintf(weights, sizeof weights, "%s/%s", folder, strstr(name, ".gguf") ? name : "model.safetensors");
    if (strcmp(name, "config.json") == 0) put("model.safetensors", "\2\0\0\0\0\0\0\0{}", 10);
    atexit(clean);
}

static volatile uint64_t sink;

static void look_at_config(const wk_files *f)
{
    for (int64_t i = 0; i < wk_config_entries(f); i++) {
        const char *key, *type;
        char        value[100];
        wk_config_entry(f, i, &key, &type, value, sizeof value);
        for (const char *p = value; *p; p++)
            if ((unsigned char)*p < 0x20) abort();
        sink += strlen(key) + strlen(type) + strlen(wk_config_string(f, key, "")) +
                (uint64_t)wk_config_int(f, key, 0);
        const int64_t n = wk_config_count(f, key);
        for (int64_t k = 0; k < n; k++) {
            size_t      length = 0;
            const char *s = wk_config_string_at(f, key, k, &length);
            for (size_t b = 0; s && b < length; b++) sink += (unsigned char)s[b];
            sink += (uint64_t)wk_config_int_at(f, key, k, 0) + (wk_config_float_at(f, key, k, 0) > 1);
        }
    }
}

static int walk_bytes(const char *name, const uint8_t *data, size_t size)
{
    begin(name);
    put(name, data, size);
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_files *f = wk_files_open(c, strcmp(name, "config.json") == 0 ? folder : weights);
    if (!f && (wk_ctx_status(c) == WK_OK || !*wk_ctx_message(c))) abort();
    look_at_config(f);
    for (int64_t i = 0; i < wk_files_count(f); i++) {
        wk_tensor x = wk_files_tensor(c, f, wk_files_at(f, i).name);
        void     *bytes = malloc((size_t)wk_bytes(x) + 1);
        if (bytes && !wk_is_none(x)) wk_read(c, x, bytes);
        free(bytes);
        wk_ctx_clear(c);
    }
    wk_files_close(f);
    wk_ctx_free(c);
    return 0;
}

#endif
