#!/bin/bash
# Runs the CUDA backend without a GPU: builds it for the host and passes the op cases through it in three orders of the
# threads of a block, beside the CPU. tests/cuda_on_cpu/run.sh BUILD (which has wick-optest). Needs g++ alone.
set -u
cd "$(dirname "$0")/../.."
build=$1
shim=build/cuda-shim
tests/cuda_on_cpu/build.sh "$shim" || exit 1
export WK_MODULE_PATH=$shim
failed=0
passed=0
"$shim/planted" || failed=1
for order in forward reverse 7; do
    WK_SHIM_ORDER=$order "$build/wick-optest" cuda:0 >"$shim/$order.log"
    [ $? -eq 0 ] || failed=1
    sed "s/^/order $order: /" "$shim/$order.log"
    n=$(sed -nE 's/^([0-9]+) passed.*/\1/p' "$shim/$order.log")
    passed=$((passed + ${n:-0}))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
