#!/bin/bash
# Compiles every file of cuda/ for real, without warnings; tests/nvcc.sh [ARCHITECTURE...] (80 and 90a by themselves).
# Where there is no nvcc, one line says that this was left out.
set -u
cd "$(dirname "$0")/.."
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
if [ -z "$nvcc" ]; then
    echo "left out: no nvcc on this machine"
    exit 0
fi
out=build/nvcc
mkdir -p "$out"
launcher=$(command -v ccache || true)
export nvcc out launcher
compile() { # compile FILE ARCHITECTURE
    log=$out/$(basename "$1" .cu).$2.log
    $launcher "$nvcc" -std=c++17 -O3 -arch="sm_$2" -I. -Xptxas -v -Xcompiler -fPIC,-Wall -c "$1" \
        -o "$out/$(basename "$1" .cu).$2.o" >"$log" 2>&1
    code=$?
    grep -E 'warning|error' "$log" | grep -v 'bytes spill' | sed "s/^/sm_$2: /"
    [ $code -eq 0 ] && ! grep -qE 'warning|error' "$log"
}
export -f compile
for a in ${*:-80 90a}; do
    for f in cuda/*.cu; do echo "$f $a"; done
done | xargs -P "$(nproc)" -L 1 bash -c 'compile "$@"' compile
code=$?
n=$(ls "$out"/*.o | wc -l)
[ $code -eq 0 ] && echo "$n passed, 0 failed" || echo "$n passed, 1 failed"
exit $code
