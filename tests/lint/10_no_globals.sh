#!/bin/sh
# The library's objects hold no writable data but what is listed here.
allowed='parallel\.c\.o|device\.c\.o|blas\.c\.o|trace\.c\.o|alloc\.c\.o'
find "$BUILD/CMakeFiles" -path '*wick_*.dir*' -name '*.o' | sort | while read -r o; do
    size -A "$o" | awk -v o="$o" '($1 ~ /^\.(data|bss)(\.|$)/) && ($1 !~ /\.rel\.ro/) && $2 > 0 {print o ": " $2 " bytes of " $1}'
done | grep -vE "$allowed" | { ! grep .; }
