#!/bin/sh
# A function that is shared inside the library (wki_) is used by more than the file that defines it.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
isa=$(find "$BUILD/CMakeFiles" -maxdepth 1 -name 'wick_cpu_*.dir' | sort | head -n 1)
find "$BUILD/CMakeFiles/wick_core.dir" "$BUILD/CMakeFiles/wick_cpu.dir" "$BUILD/CMakeFiles/wick_nn.dir" "$isa" -name '*.o' |
    while read -r o; do
        nm "$o" | awk -v o="$o" '$2 == "T" {print "D", $3, o} $1 == "U" {print "U", $2, o}'
    done >"$dir/all"
awk '$1 == "D" && $2 ~ /^wki_/ {defined[$2] = $3} $1 == "U" {used[$2] = 1}
    END {for (s in defined) if (!(s in used)) print s " is used in " defined[s] " only"}' "$dir/all" | sort >"$dir/found"
# tests may use what the library has for them; the variants of one ISA reach each other through tables
git grep -hoE '\bwki_[a-z0-9_]+' -- 'tests/*.[ch]' 'core/*.h' | sort | uniq -c | awk '$1 > 1 {print $2}' >"$dir/known"
grep -vwFf "$dir/known" "$dir/found" | { ! grep .; }
