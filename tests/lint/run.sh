#!/bin/sh
# The rules that programs keep: runs every check of this folder, tests/lint/run.sh BUILD_DIR. A check prints what
# breaks its rule and fails; the numbers are those of docs/architecture.md.
cd "$(dirname "$0")/../.." || exit 1
BUILD=${1:-build}
export BUILD
passed=0
failed=0
for check in tests/lint/*.sh; do
    [ "$check" = tests/lint/run.sh ] && continue
    out=$(sh "$check" 2>&1)
    if [ $? -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok   $(basename "$check" .sh)${out:+  $out}"
    else
        failed=$((failed + 1))
        echo "FAIL $(basename "$check" .sh): $(sed -n '2s/^# //p' "$check")"
        echo "$out" | head -n 40 | sed 's/^/     error: /'
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
