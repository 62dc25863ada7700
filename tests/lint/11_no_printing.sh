#!/bin/sh
# Library folders neither print nor end the process.
git grep -nE '\b(abort|exit|_exit|printf|fprintf|puts|fputs|putchar|perror)\(' -- 'core/*.c' 'cpu/*.c' 'nn/*.c' 'cuda/*' |
    grep -vE '^core/trace\.c:|^[^:]*:[0-9]+: *(/?\*|//)' | { ! grep .; }
