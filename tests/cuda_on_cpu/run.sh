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
    flags="-Og -fsanitize=address,undefined -fno-omit-frame-pointer"
    asan="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)"
    export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1
fi
tests/cuda_on_cpu/build.sh "$shim" $flags || exit 1
library=$PWD/$shim/libwick_cuda.so.0
export WK_MODULE_PATH=$shim WK_CUBLASLT=$library WK_CUFFT= WK_CUSOLVER= shim build asan=${asan:-}
failed=0
passed=0

# one NAME VARIABLE=VALUE... PROGRAM ARGUMENT...: its output into NAME.log.
one() {
    env LD_PRELOAD="$asan" "${@:2}" >"$shim/$1.log" 2>&1
    echo $? >"$shim/$1.code"
}
export -f one
families=$(sed -nE 's/^FAMILY\((.*)\)/\1/p' tests/ops/families.def && printf 'alone\nblocks\n')
runs() {
    for order in $orders; do
        # Golden models: logits, eager and captured; gradients; what a steady step asks of the device.
        [ -x "$build/wick-modeltest" ] && echo "models.$order WK_SHIM_ORDER=$order $build/wick-modeltest cuda:0"
        for group in 0 1 2 3 4; do
            echo "order.$order.$group WK_SHIM_ORDER=$order $build/wick-optest cuda:0" \
                $(echo "$families" | awk -v g=$group 'NR % 5 == g')
        done
    done
    echo "products-without-cuBLASLt WK_CUBLASLT= $build/wick-optest cuda:0 matmul affine"
    echo "with-cuFFT-and-cuSOLVER WK_CUFFT=$library WK_CUSOLVER=$library $build/wick-optest cuda:0 fft linalg alone"
}
rm -f "$shim"/*.log "$shim"/*.code
runs | xargs -P "$(nproc)" -L 1 bash -c 'one "$@"' one
for run in $(runs | cut -d ' ' -f 1); do
    log=$shim/$run.log
    [ "$(cat "$shim/$run.code")" = 0 ] || { failed=$((failed + 1)) && grep -vE '^device:' "$log" | head -40; }
    n=$(sed -nE "s/^([0-9]+) passed.*/\1/p" "$log" | tail -1)
    echo "$run: ${n:-0} passed"
    passed=$((passed + ${n:-0}))
done
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
