/* libFuzzer: an .npz archive of any bytes, all of it loaded. */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[128];
    begin("model.npz");
    put("model.npz", data, size);
    snprintf(path, sizeof path, "%s/model.npz", folder);
    wk_ctx   *c = wk_ctx_new("cpu");
    int64_t   n = 0;
    wk_named *l = wk_load(c, path, &n);
    if (!l && (wk_ctx_status(c) == WK_OK || !*wk_ctx_message(c))) abort();
    for (int64_t i = 0; l && i < n; i++) {
        void *bytes = malloc((size_t)wk_bytes(l[i].x) + 1);
        if (bytes) wk_read(c, l[i].x, bytes);
        free(bytes);
        sink += strlen(l[i].name);
    }
    wk_free(l);
    wk_ctx_free(c);
    unlink(path);
    return 0;
}
