#!/bin/sh
# malloc and its kin only in core/alloc.c, cudaMalloc only in cuda/memory.cu.
{
    git grep -nwE '(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|strndup|asprintf)\(' -- \
        'core/*.[ch]' 'cpu/*.[ch]' 'nn/*.[ch]' ':!core/alloc.c' | grep -vE '[.>]free\(|^[^:]*:[0-9]+: *(/?\*|//)|\(\*free\)'
    git grep -nE 'cudaMalloc' -- 'cuda' ':!cuda/memory.cu'
} | { ! grep .; }
