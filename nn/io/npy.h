/* .npy arrays in memory, shared by .npy and .npz files. */
#ifndef WKI_NPY_H
#define WKI_NPY_H

#include "save.h"

/* The array that is all of b, as a tensor; WK_NONE: b or c tells. */
wk_tensor wki_npy_read(wk_ctx *c, wki_bytes *b);
#define WKI_NPY_HEADER 448
/* What stands before x's values in a file: its length; 0 after an error. */
size_t wki_npy_header(wk_ctx *c, wk_tensor x, char out[WKI_NPY_HEADER]);

#endif
