#!/bin/bash
# Runs bench/gpu_check.sh without a GPU, in a folder where stand-ins play the programs it calls: what it prints and
# writes where all is well, where a step fails, and where there is no GPU. And the module's rules for make, which that
# script uses: an nvcc that only says what it was given.
set -u
cd "$(dirname "$0")/../.." || exit 1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir -p "$place"/{bench,bin,out,tests/cuda_on_cpu}
cp bench/gpu_check.sh "$place/bench"
plays() { # plays FILE, its text from the standard input
    { echo '#!/bin/bash' && cat; } >"$place/$1"
    chmod +x "$place/$1"
}
plays bin/nvidia-smi <<'E2'
[ "${gpu:-there}" = there ] || exit 9
case "$*" in *=name*) echo 'A "stand-in"' | tr -d '"' ;; *compute_cap*) echo 9.0 ;; *) echo '580.1' ;; esac
E2
plays bin/cmake <<'E2'
echo "cmake $*" >>"$calls"
E2
plays bin/nvcc <<'E2'
while [ $# -gt 1 ]; do [ "$1" = -o ] && printf '#!/bin/sh\necho 3f800000\n' >"$2" && chmod +x "$2"; shift; done
E2
plays bin/cc <<'E2'
while [ $# -gt 1 ]; do
    [ "$1" = -o ] && printf '#!/bin/sh\necho "{\\"kernel\\": \\"norm\\", \\"us\\": 1.5}"\n' >"$2" && chmod +x "$2"
    shift
done
E2
plays bin/compute-sanitizer <<'E2'
echo "$WK_MODULE_PATH" >>"$calls"
[ "$2" = "${fails:-none}" ] && echo '========= ERROR SUMMARY: 3 errors' && exit 9
echo '========= ERROR SUMMARY: 0 errors'
E2
plays tests/cuda_on_cpu/build.sh <<'E2'
mkdir -p "$1" && printf '#!/bin/sh\necho 3f800000\n' >"$1/intrinsics" && chmod +x "$1/intrinsics"
E2
for program in wick-optest wick-modeltest; do
    plays out/$program <<'E2'
echo '12 passed, 0 failed'
E2
done
plays nvcc <<'E2'
case " $* " in *' -shared '*) cat $(printf '%s\n' "$@" | grep 'table\.a$') >/dev/null || exit 1 ;; esac
while [ $# -gt 0 ]; do
    [ "$1" = -o ] && touch "$2"
    [ "$1" = -MF ] && : >"$2"
    shift
done
E2

passed=0
failed=0
check() { # check WHAT COMMAND...
    if "${@:2}" >/dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL gpu_check, $1"
        cat "$place/said"
    fi
}
make_module() {
    cmake -S . -B "$place/build" -G 'Unix Makefiles' -DWK_CUDA=ON -DWK_CUDA_ARCHITECTURES=90a -DWK_OPTEST=ON \
        -DWK_PROGRAMS=OFF -DWK_MODELS=OFF -DWK_NVCC="$place/nvcc" && cmake --build "$place/build" --target wick_cuda
}
if command -v cmake >/dev/null && command -v make >/dev/null; then
    make_module >"$place/said" 2>&1
    check 'the module by make' [ $? -eq 0 ]
    check 'it is there' [ -e "$place/build/libwick_cuda.so.0" ]
fi

export PATH=$place/bin:$PATH calls=$place/calls
json=$place/gpu_check.json
"$place/bench/gpu_check.sh" "$place/out" >"$place/said" 2>&1
check 'all is well' [ $? -eq 0 ]
check 'what was built' grep -q 'DWK_CUDA_ARCHITECTURES=90a' "$calls"
check 'the module is where it was built' grep -qx "$place/out" "$calls"
check 'the table comes last' bash -c "tail -n 1 '$place/said' | grep -q '^bench  *ok'"
check 'no step failed' grep -q '"failed": 0' "$json"
check 'each tool is a step' bash -c "[ \$(grep -cE '\"(mem|race|init|sync)check\", \"verdict\": \"ok\"' '$json') -eq 4 ]"
check 'bits are compared' grep -q '1 kernels, same bits' "$json"
check 'figures' grep -q '"bench": \[{"kernel": "norm", "us": 1.5}' "$json"
command -v python3 >/dev/null && check 'the file is JSON' python3 -m json.tool "$json"
fails=racecheck "$place/bench/gpu_check.sh" out >"$place/said" 2>&1 # a folder of the repository's
check 'a step that fails' [ $? -eq 1 ]
check 'it is named' grep -q '"racecheck", "verdict": "FAIL", .*3 errors' "$json"
gpu=none "$place/bench/gpu_check.sh" out >"$place/said" 2>&1
check 'no GPU' [ $? -eq 1 ]
check 'it says so' grep -q 'there is no GPU here' "$place/said"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
