#!/bin/bash
# The case driver over the committed cases, and over malformed ones, which must fail without a crash.
set -u
cd "$(dirname "$0")/../.."
driver=$1
"$driver" --quiet tests/golden/cases/*.safetensors || exit 1
for file in tests/golden/cases/malformed/*; do
    out=$("$driver" "$file" 2>&1)
    code=$?
    if [ $code -ne 1 ] || ! echo "$out" | grep -q FAIL || echo "$out" | grep -q '^ok'; then
        echo "FAIL $file: exit code $code: $out"
        exit 1
    fi
done
