#!/bin/sh
# The program, stripped, with every kernel for three instruction sets in it, is at most 3,000,000 bytes.
[ "$(uname -m)" = x86_64 ] || exit 0
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$BUILD/wick" || exit 1
size=$(wc -c <"$stripped")
[ "$size" -le 3000000 ] || { echo "$BUILD/wick: $size bytes"; exit 1; }
