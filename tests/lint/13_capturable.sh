#!/bin/sh
# CUDA kernels stay capturable: waiting only in cuda/device.cu, every launch on a stream; kernels never allocate.
{
    git grep -nE 'cuda(Device|Stream)Synchronize|cudaMemcpy\(' -- 'cuda' ':!cuda/device.cu'
    git grep -nE '<<<[^,>]*,[^,>]*(,[^,>]*)?>>>' -- 'cuda'
    git grep -nwE '(wk_alloc|wk_resize|wk_free|wki_host_block)\(' -- 'cpu/*.[ch]' 'cuda' ':!cpu/cpu.c' ':!cpu/blas.c' ':!cuda/memory.cu'
} | { ! grep .; }
