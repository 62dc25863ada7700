#!/bin/sh
# The word cuda is not in core/*.c (but for columns of ops.def) nor in nn; WK_CUDA is known to CMake and core/device.c.
{
    git grep -niw 'cuda' -- 'core/*.c' 'nn/*.[ch]' ':!core/device.c' | grep -v '#define WK_OP('
    git grep -nw 'WK_CUDA' -- '*.[ch]' '*.cu' ':!core/device.c'
} | { ! grep .; }
