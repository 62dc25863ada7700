/* Files that appear whole or not at all: temporary file in the same folder, fsync, rename, fsync of the
 * folder. */
#ifndef WKI_SAVE_H
#define WKI_SAVE_H

#include "files.h"

typedef struct wki_save {
    wk_ctx     *c;
    const char *path;
    char       *temporary;
    int         fd; /* -1: nothing to write to */
} wki_save;
bool      wki_save_begin(wki_save *s, wk_ctx *c, const char *path);
bool      wki_save_write(wki_save *s, const void *data, size_t n);
bool      wki_save_tensor(wki_save *s, wk_tensor x); /* its values, dense, in its dtype */
wk_status wki_save_end(wki_save *s, bool keep);      /* keep false: path stays as it was */
/* Names are printable and differ, tensors are there. False after an error. */
bool wki_save_check(wk_ctx *c, const char *path, int64_t n, const char *const *names, const wk_tensor *x);

#endif
