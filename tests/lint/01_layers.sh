#!/bin/sh
# core includes core; cpu and cuda core/op.h and themselves; nn core/wick.h and itself; programs public headers.
shared='core/(wick|types|op|formula|random)\.h|core/(ops|unary|binary|dtypes|status|backends)\.def'
git ls-files '*.c' '*.h' '*.cu' '*.cuh' '*.def' | while read -r f; do
    case $f in
    core/*) ok='^core/' ;;
    cpu/*) ok="^($shared|cpu/.*)\$" ;;
    cuda/*) ok="^($shared|cuda/.*)\$" ;;
    nn/*) ok='^(core/wick\.h|core/[a-z_]+\.def|nn/.*)$' ;;
    samples/wick/*) ok='^(core/wick\.h|nn/nn\.h|nn/text/text\.h|samples/wick/.*)$' ;;
    samples/* | bench/*) ok='^(core/wick\.h|nn/nn\.h|nn/text/text\.h)$' ;;
    *) continue ;;
    esac
    sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$f" | while read -r to; do
        near=$(dirname "$f")/$to
        [ -f "$near" ] && to=$(realpath --relative-to=. "$near")
        echo "$to" | grep -qE "$ok" || echo "$f includes $to"
    done
done | { ! grep .; }
