#!/bin/sh
# Every header compiles alone as C11, the public ones also as C++; no include goes in a circle.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
flags="-D_GNU_SOURCE -DWK_ISA=base -I. -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags jansson libutf8proc)"
{
    for h in $(git ls-files 'core/*.h' 'cpu/*.h' 'nn/*.h'); do
        grep -q '^#ifndef WK_' "$h" || continue # one without a guard is a template, included with macros set
        echo "#include \"$h\"" >"$dir/a.c"
        ${CC:-cc} -std=c11 $flags -Wno-unused-function "$dir/a.c" 2>&1 | grep -E 'error' | sed "s#^#$h: #"
    done
    for h in core/wick.h core/types.h $(git ls-files "core/api/*.h" "nn/api/*.h") nn/nn.h nn/text/text.h; do
        echo "#include \"$h\"" >"$dir/a.cc"
        ${CXX:-c++} -std=c++11 $flags "$dir/a.cc" 2>&1 | grep -E 'error' | sed "s#^#$h as C++: #"
    done
    # tsort names the members of a circle
    git ls-files '*.h' | while read -r f; do
        sed -n 's/^ *# *include *"\([^"]*\.h\)".*/\1/p' "$f" | while read -r to; do
            [ -f "$to" ] || to=$(dirname "$f")/$to
            echo "$f $to"
        done
    done | tsort 2>&1 >/dev/null | grep -A9 'loop'
} | { ! grep .; }
