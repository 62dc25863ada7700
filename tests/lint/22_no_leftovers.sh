#!/bin/sh
# No notes to self, no dead code, no files without a name.
{
    git grep -nwE 'TODO|FIXME|XXX|HACK' -- '*.[ch]' '*.def' '*.cu' '*.cuh' '*.sh' '*.py' '*.md' ':!tests/lint' ':!docs/architecture.md'
    git grep -nE '^ *# *if +0\b' -- '*.[ch]' '*.cu' '*.cuh'
    git grep -nE '^ *// .*;$' -- '*.[ch]' '*.cu' '*.cuh'
    git ls-files | grep -E '(^|/)(util|misc|helper|common)[^/]*$'
    for f in $(git ls-files '*.c' '*.h' '*.def' '*.cu' '*.cuh'); do
        head -n 1 "$f" | grep -qE '^/\*|^//' || echo "$f does not say what it is in its first line"
    done
} | { ! grep .; }
