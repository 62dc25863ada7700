#!/bin/bash
# Runs the CUDA backend without a GPU: builds it for the host and passes the op cases through it in three orders of the
# threads of a block, beside the CPU, and the committed cases of others. tests/cuda_on_cpu/run.sh BUILD [sanitized
# [ORDER...]] (BUILD has wick-optest and wick-case); sanitized: with AddressSanitizer and UBSan, in one order where none
# is named (forward, reverse or a number to shuffle by). Needs g++ and OpenBLAS alone.
set -u
cd "$(dirname "$0")/../.."
build=$1
shim=build/cuda-shim
orders="forward reverse 7"
flags=
if [ "${2:-}" = sanitized ]; then
    shim=build/cuda-shim-asan
    orders=${*:3}
    orders=${orders:-7}
    flags="-fsanitize=address,undefined -fno-omit-frame-pointer"
    asan="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)"
    export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1
fi
tests/cuda_on_cpu/build.sh "$shim" $flags || exit 1
library=$PWD/$shim/libwick_cuda.so.0
export WK_MODULE_PATH=$shim WK_CUBLASLT=$library WK_CUFFT= WK_CUSOLVER= shim build asan=${asan:-}
failed=0
passed=0

# Families in groups, each group in each order a process of its own.
one() { # one ORDER GROUP FAMILY...
    log=$shim/$1.$2.log
    LD_PRELOAD=$asan WK_SHIM_ORDER=$1 "$build/wick-optest" cuda:0 "${@:3}" >"$log" 2>&1
    code=$?
    echo "$code" >"$log.code"
}
export -f one
rm -f "$shim"/*.log "$shim"/*.code
families=$(sed -nE 's/^FAMILY\((.*)\)/\1/p' tests/ops/families.def && printf 'alone\nblocks\n')
for order in $orders; do
    for group in 0 1 2 3 4; do
        echo "$order $group" $(echo "$families" | awk -v g=$group 'NR % 5 == g')
    done
done | xargs -P "$(nproc)" -L 1 bash -c 'one "$@"' one
for order in $orders; do
    n=0
    for log in "$shim/$order".?.log; do
        [ "$(cat "$log.code")" = 0 ] || { failed=$((failed + 1)) && grep -vE '^device:' "$log" | head -40; }
        one=$(sed -nE "s/^([0-9]+) passed.*/\1/p" "$log" | tail -1)
        n=$((n + ${one:-0}))
    done
    echo "order $order: $n passed"
    passed=$((passed + n))
done
# Golden models: logits, eager and captured; gradients; what a steady step asks of the device.
if [ -x "$build/wick-modeltest" ]; then
    for order in $orders; do
        LD_PRELOAD=$asan WK_SHIM_ORDER=$order "$build/wick-modeltest" cuda:0 >"$shim/models.log" 2>&1 ||
            { failed=$((failed + 1)) && head -20 "$shim/models.log"; }
        n=$(sed -nE 's/^([0-9]+) passed.*/\1/p' "$shim/models.log" | tail -1)
        echo "models, order $order: ${n:-0} passed"
        passed=$((passed + ${n:-0}))
    done
fi
# Products without the library.
WK_CUBLASLT='' LD_PRELOAD=$asan "$build/wick-optest" cuda:0 matmul affine >"$shim/products.log" 2>&1 ||
    { failed=$((failed + 1)) && grep -vE '^device:' "$shim/products.log" | head -20; }
n=$(sed -nE 's/^([0-9]+) passed.*/\1/p' "$shim/products.log" | tail -1)
echo "products without cuBLASLt: ${n:-0} passed"
passed=$((passed + ${n:-0}))
# Transforms and linear algebra by the libraries.
WK_CUFFT=$library WK_CUSOLVER=$library LD_PRELOAD=$asan "$build/wick-optest" cuda:0 fft linalg alone \
    >"$shim/libraries.log" 2>&1 || { failed=$((failed + 1)) && grep -vE '^device:' "$shim/libraries.log" | head -20; }
n=$(sed -nE 's/^([0-9]+) passed.*/\1/p' "$shim/libraries.log" | tail -1)
echo "with cuFFT and cuSOLVER: ${n:-0} passed"
passed=$((passed + ${n:-0}))
"$shim/planted" || failed=$((failed + 1))
[ "${2:-}" = sanitized ] || tests/cuda_on_cpu/gpu_check.sh || failed=$((failed + 1))

# The committed cases: the same verdicts as on the CPU.
if [ -x "$build/wick-case" ]; then
    "$build/wick-case" tests/golden/cases/*.safetensors | sed -E 's/:.*//' >"$shim/cases.cpu"
    LD_PRELOAD=$asan "$build/wick-case" --device cuda:0 tests/golden/cases/*.safetensors 2>&1 |
        tee "$shim/cases.full" | sed -E 's/:.*//' >"$shim/cases.cuda"
    n=$(grep -c '^ok' "$shim/cases.cuda")
    echo "cases of others: $n ok"
    passed=$((passed + n))
    if ! diff "$shim/cases.cpu" "$shim/cases.cuda" >"$shim/cases.diff"; then
        failed=$((failed + 1))
        head -20 "$shim/cases.diff"
        grep FAIL "$shim/cases.full" | head
    fi
fi

found=$(cat "$shim"/*.log "$shim"/cases.full 2>/dev/null | grep -E 'runtime error|ERROR: AddressSanitizer' | sort | uniq -c)
if [ -n "$found" ]; then
    failed=$((failed + 1))
    echo "$found" | head -40
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
