#!/bin/sh
# Each row of docs/features.md has a state and, unless that is "no", tests by their paths, which exist.
awk -F'|' '
    !/^\|/ || /^\| ---/ || /^\| feature/ {next}
    {
        state = $(NF - 2); tests = $(NF - 1)
        gsub(/^ +| +$/, "", state)
        where = "docs/features.md:" FNR
        if (NF != 5) print where ": a row of " NF - 2 " cells"
        if (state == "") print where ": no state"
        if (state ~ /^no($|[^a-z])/) next
        n = gsub(/tests\/[a-zA-Z0-9_.\/]*/, "\n&\n", tests)
        if (n == 0) print where ": no test"
        split(tests, words, "\n")
        for (i in words) {
            if (words[i] ~ /^tests\//) print words[i] > list
            else if (words[i] ~ /[a-z_]\.(c|sh|py)/) print where ": a test without its folder:" words[i]
        }
    }' list="${list:=$(mktemp)}" docs/features.md >"$list.found"
sort -u "$list" | while read -r path; do
    git ls-files --error-unmatch -- "$path" >/dev/null 2>&1 || echo "docs/features.md names $path, which is not there"
done >>"$list.found"
cat "$list.found"
grep -q . "$list.found" && code=1 || code=0
rm -f "$list" "$list.found"
exit $code
