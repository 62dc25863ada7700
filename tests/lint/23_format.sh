#!/bin/sh
# clang-format changes nothing.
git ls-files '*.c' '*.h' '*.cu' '*.cuh' | xargs clang-format --dry-run 2>&1 | grep 'warning:' | cut -d: -f1 | sort | uniq -c |
    awk '{print $2 ": " $1 " places"}' | { ! grep .; }
