#!/bin/bash
# One command for a machine with a GPU and nvcc, gcc, cmake and make, with nothing fetched: builds the CUDA module for
# the GPU found, passes the op cases and the golden models through it, compute-sanitizer's four tools over small shapes,
# and the shim's own check (the same inputs on the GPU and on the emulated one, bit by bit), then measures. In under 9
# minutes; prints a short table last and writes gpu_check.json. bench/gpu_check.sh [BUILD-FOLDER]
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build-gpu}
limit=540
begin=$(date +%s)

stop() {
    echo "gpu_check: $1" >&2
    exit 1
}
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
[ -n "$gpu" ] || stop "there is no GPU here (nvidia-smi names none)"
[ -n "$nvcc" ] || stop "there is no nvcc here"
command -v cmake >/dev/null || stop "there is no cmake here"
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d '. ')
[ "$arch" = 90 ] && arch=90a
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
logs=$build/gpu_check
mkdir -p "$logs"
build=$(cd "$build" && pwd)
rows=()
failed=0

# step NAME SECONDS COMMAND...: runs it within its time and within what is left; its verdict becomes a row.
step() {
    name=$1
    most=$2
    shift 2
    left=$((limit - ($(date +%s) - begin)))
    [ "$left" -lt "$most" ] && most=$left
    from=$(date +%s)
    code=0
    if [ "$most" -lt 5 ]; then
        verdict='left out'
        : >"$logs/$name.log"
    elif timeout "$most" "$@" >"$logs/$name.log" 2>&1; then
        verdict=ok
    else
        code=$?
        verdict=FAIL
        failed=$((failed + 1))
    fi
    took=$(($(date +%s) - from))
    summary=$(grep -aE '[0-9]+ passed|ERROR SUMMARY|RACECHECK SUMMARY|same bits' "$logs/$name.log" | tail -n 1 |
        sed 's/^=* *//; s/[\\"]//g')
    [ "$code" -eq 124 ] && summary="not done in $most s"
    rows+=("$name|$verdict|$took|$summary")
    printf '%-12s %-8s %4d s  %s\n' "$name" "$verdict" "$took" "$summary"
}

# Models are part of it where what their files need is here; the ops need nothing.
models=OFF
pkg-config --exists jansson libutf8proc zlib 2>/dev/null && models=ON
compile() {
    cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DWK_CUDA=ON -DWK_CUDA_ARCHITECTURES="$arch" -DWK_OPTEST=ON \
        -DWK_PROGRAMS=OFF -DWK_MODELS=$models &&
        cmake --build "$build" -j "$(nproc)" --target wick_cuda wick-optest $([ $models = ON ] && echo wick-modeltest)
}
shim() { # the same program on the GPU and emulated
    tests/cuda_on_cpu/build.sh "$build/shim" &&
        "$nvcc" -std=c++17 -O2 -arch="sm_$arch" -I. tests/cuda_on_cpu/intrinsics.cu -o "$build/intrinsics" &&
        "$build/intrinsics" >"$logs/gpu.bits" && "$build/shim/intrinsics" >"$logs/shim.bits" &&
        cmp "$logs/gpu.bits" "$logs/shim.bits" && echo "$(wc -l <"$logs/gpu.bits") kernels, same bits"
}
sanitize() { # sanitize TOOL FAMILY...
    compute-sanitizer --tool "$1" --error-exitcode 9 --print-limit 20 "$build/wick-optest" cuda:0 "${@:2}"
}
measure() {
    cc -O2 -I. bench/device.c "$build/libwick.a" -o "$build/device" -lm -lpthread -ldl &&
        "$build/device" cuda:0
}

export WK_MODULE_PATH=$build
export -f compile shim sanitize measure
export build arch nvcc logs models
nvidia-smi --query-gpu=clocks.sm,temperature.gpu,power.draw --format=csv,noheader >"$logs/clocks.before"
step build 240 bash -c compile
step suite 90 "$build/wick-optest" cuda:0
if [ $models = ON ]; then
    step models 40 "$build/wick-modeltest" cuda:0
else
    rows+=("models|left out|0|there is no jansson, utf8proc or zlib to build with")
fi
step shim 120 bash -c shim
if command -v compute-sanitizer >/dev/null; then
    small="attention norm softmax reduce rope matmul index"
    for tool in memcheck racecheck initcheck synccheck; do
        step "$tool" 45 bash -c "sanitize $tool $small"
    done
else
    rows+=("sanitizer|left out|0|there is no compute-sanitizer")
fi
step bench 60 bash -c measure
nvidia-smi --query-gpu=clocks.sm,temperature.gpu,power.draw --format=csv,noheader >"$logs/clocks.after"

{
    printf '{"gpu": "%s", "architecture": "sm_%s", "driver": "%s", "commit": "%s", "date": "%s",\n' \
        "$gpu" "$arch" "$driver" "$commit" "$(date -u +%Y-%m-%dT%H:%MZ)"
    printf ' "clocks": ["%s", "%s"], "seconds": %d, "failed": %d,\n "steps": [' \
        "$(cat "$logs/clocks.before")" "$(cat "$logs/clocks.after")" $(($(date +%s) - begin)) "$failed"
    separator=
    for row in "${rows[@]}"; do
        IFS='|' read -r name verdict took summary <<<"$row"
        printf '%s\n  {"step": "%s", "verdict": "%s", "seconds": %d, "summary": "%s"}' \
            "$separator" "$name" "$verdict" "$took" "$summary"
        separator=,
    done
    printf '],\n "bench": ['
    grep -a '^{' "$logs/bench.log" | paste -sd, -
    printf ']}\n'
} >gpu_check.json
echo
echo "$gpu (sm_$arch), driver $driver, commit $commit: $(($(date +%s) - begin)) s"
for row in "${rows[@]}"; do
    IFS='|' read -r name verdict took summary <<<"$row"
    printf '%-12s %-8s %4d s  %s\n' "$name" "$verdict" "$took" "$summary"
done
[ "$failed" -eq 0 ]
