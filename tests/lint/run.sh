#!/bin/sh
# The rules that programs keep: runs every check of this folder, tests/lint/run.sh BUILD_DIR. A check prints what
# breaks its rule and fails; the numbers are those of docs/architecture.md.
cd "$(dirname "$0")/../.." || exit 1
BUILD=${1:-build}
export BUILD
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
checks=$(ls tests/lint/*.sh | grep -v /run.sh)
export out
echo "$checks" | xargs -P "$(nproc)" -I CHECK sh -c \
    'log=$out/$(basename CHECK); sh CHECK >"$log" 2>&1 || : >"$log.failed"'
passed=0
failed=0
for check in $checks; do
    name=$(basename "$check")
    text=$(cat "$out/$name")
    if [ ! -e "$out/$name.failed" ]; then
        passed=$((passed + 1))
        echo "ok   ${name%.sh}${text:+  $text}"
    else
        failed=$((failed + 1))
        echo "FAIL ${name%.sh}: $(sed -n '2s/^# //p' "$check")"
        echo "$text" | head -n 40 | sed 's/^/     error: /'
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
