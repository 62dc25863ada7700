/* Files in memory: mapped, counted, and read whole where mapping is not wanted.
 *
 * Only regular files are opened. A mapping lives until its last holder drops it, so tensors may outlive
 * wk_files_close.
 *
 * A file that another process shortens while it is mapped: touching the lost pages raises SIGBUS, which a
 * library cannot catch without taking the process's signal handler. So (1) replace model files by rename, as
 * wk_save and every downloader do: the old mapping stays whole; (2) the size is checked again each time a
 * tensor is taken (wki_map_check), which turns a file cut short since it was opened into an error; (3) where
 * others may write to the files, set WK_MAP=0 in the environment: files are then read into memory, nothing
 * is mapped, and a file cut short meanwhile is an error. */
#ifndef WKI_MAP_H
#define WKI_MAP_H

#include "bytes.h"

typedef struct wki_map wki_map;

enum wki_map_flags {
    WKI_MAP_NO_LINKS = 1, /* a name that data gave: no symbolic link, no second hard link */
    WKI_MAP_COPY = 2,     /* read it into memory whatever WK_MAP says */
};
/* NULL after an error; with missing given, a file that is not there is no error but sets it. */
wki_map             *wki_map_open(wk_ctx *c, const char *path, unsigned flags, bool *missing);
wki_map             *wki_map_hold(wki_map *m);
void                 wki_map_drop(void *m); /* as wk_wrap's release wants it; NULL is fine */
const unsigned char *wki_map_data(const wki_map *m);
size_t               wki_map_size(const wki_map *m);
const char          *wki_map_name(const wki_map *m);
bool wki_map_check(wk_ctx *c, const wki_map *m); /* false after recording that the file shrank */

#endif
