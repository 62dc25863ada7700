#!/bin/sh
# Macros that define functions stay short: none is longer than 40 lines.
git ls-files '*.c' '*.h' '*.cu' '*.cuh' | xargs awk '
    FNR == 1 {n = 0}
    /^ *# *define/ {start = FNR; n = 0}
    /\\$/ {if (start) n++; next}
    {if (start && n > 40) print FILENAME ":" start ": a macro of " n + 1 " lines"; start = 0}' | { ! grep .; }
