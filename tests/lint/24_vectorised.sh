#!/bin/sh
# The loops of vectorised.txt appear in the compiler's report of vectorised loops.
[ "$(uname -m)" = x86_64 ] || exit 0
flags="-std=c11 -D_GNU_SOURCE -O3 -I. -fno-math-errno -fno-trapping-math -ffp-contract=off -fopt-info-vec-optimized"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
{
    for file in $(grep -v '^#' tests/lint/vectorised.txt | cut -d' ' -f1 | sort -u); do
        for isa in v3 v4; do
            # the unindented line above each loop's own line
            gcc $flags -march=x86-64-$isa -DWK_ISA=$isa -c -o /dev/null "$file" 2>&1 | grep 'loop vectorized' |
                sed -nE "s#^$file:([0-9]+):.*#\1#p" | sort -nu | while read -r line; do
                sed -n "1,${line}p" "$file" | grep -E '^[A-Za-z].*\(' | tail -n 1
            done >"$dir/found"
            grep "^$file " tests/lint/vectorised.txt | while read -r _ count text; do
                n=$(grep -cF "$text" "$dir/found")
                [ "$n" -ge "$count" ] || echo "$file: $text has $n vectorised loops for $isa, not $count"
            done
        done
    done
} | { ! grep .; }
