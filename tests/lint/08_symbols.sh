#!/bin/sh
# Exported symbols are the declared ones, and each is called by a unit test (the driver of samples is none).
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for h in core/wick.h nn/nn.h nn/text/text.h; do
    echo "#include \"$h\""
done | ${CC:-cc} -std=c11 -D_GNU_SOURCE -I. -E -P - | tr '\n' ' ' | tr ';{}' '\n\n\n' |
    grep -E 'visibility' | grep -oE '\bwk_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$dir/declared"
nm -D --defined-only "$BUILD/libwick.so" | awk '{print $3}' | sed 's/@.*//' | grep -v '^WICK' | sort -u >"$dir/exported"
{
    comm -23 "$dir/declared" "$dir/exported" | sed 's/$/ is declared and not exported/'
    comm -13 "$dir/declared" "$dir/exported" | sed 's/$/ is exported and not declared/'
    { git grep -hoE '\b(struct )?wk_[a-z0-9_]+' -- 'tests/*.[ch]' ':!tests/cases' | grep -v struct; echo wk_none; } | sort -u >"$dir/tested"
    git grep -hoE '^WK_(UNARY|BINARY|COMPARE)[A-Z_]*\([a-z0-9_]+' -- 'core/*.def' | sed 's/.*(/wk_/' | sort -u |
        sort -u - "$dir/tested" >"$dir/called"
    comm -23 "$dir/declared" "$dir/called" | sed 's/$/ is called by no unit test/'
} | { ! grep .; }
