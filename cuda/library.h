/* CUDA's libraries, opened at run time: where one is missing, callers have kernels of their own. */
#ifndef WK_CUDA_LIBRARY_H
#define WK_CUDA_LIBRARY_H

#include "cuda/kernel.cuh"

/* NULL: it is not there. WK_CUBLASLT, WK_CUFFT and WK_CUSOLVER name other files; nothing: not to be used. */
void *wki_cuda_library_open(enum wki_cuda_part which);
void  wki_cuda_library_close(void *module);
/* Puts a function's address into the pointer at `place`; false: there is none of this name. */
bool wki_cuda_library_find(void *module, const char *name, void *place);

#endif
