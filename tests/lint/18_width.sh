#!/bin/sh
# Lines are at most 110 columns wide; no tabs, no spaces at their ends.
git ls-files '*.c' '*.h' '*.def' '*.cu' '*.cuh' | while read -r f; do
    LC_ALL=C.UTF-8 awk -v f="$f" 'length($0) > 110 {print f ":" NR ": " length($0) " columns"}
        /\t/ {print f ":" NR ": tab"} / $/ {print f ":" NR ": space at the end"}' "$f"
done | { ! grep .; }
