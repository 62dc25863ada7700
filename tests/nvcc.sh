#!/bin/bash
# Compiles every file of cuda/ for real, without warnings; tests/nvcc.sh [ARCHITECTURE...] (80 and 90a by themselves;
# "all": every one that is shipped). For 80 and 90a the registers and spills of each kernel are held against
# docs/cuda-registers.txt, which tests/nvcc.sh --table writes anew: more of either is an error, under the compiler that
# the table names. Where there is no nvcc, one line says that this was left out; tests/nvcc.sh --fetch [..] takes the
# compiler from PyPI into build/ first (250 MB), where later runs find it too.
set -u
cd "$(dirname "$0")/.."
fetched=build/nvcc-pypi/nvidia/cu13
if [ "${1:-}" = --fetch ]; then
    shift
    [ -x "$fetched/bin/nvcc" ] || python3 -m pip install --quiet --disable-pip-version-check --no-deps \
        --target build/nvcc-pypi nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
        nvidia-cuda-runtime==13.0.96 || exit 1
    chmod +x "$fetched"/bin/* "$fetched"/nvvm/bin/*
fi
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc "$fetched/bin/nvcc" 2>/dev/null | head -n 1)
if [ -z "$nvcc" ]; then
    echo "left out: no nvcc on this machine; tests/nvcc.sh --fetch takes PyPI's"
    exit 0
fi
out=build/nvcc
table=docs/cuda-registers.txt
mkdir -p "$out"
launcher=$(command -v ccache || true)
compile() { # compile FILE: for every architecture in one call, which share what is read and the host's code
    log=$out/$(basename "$1" .cu).log
    $launcher "$nvcc" -std=c++17 -O3 $code_for -I. -Xptxas -v -Xcompiler -fPIC,-Wall -c "$1" \
        -o "$out/$(basename "$1" .cu).o" >"$log" 2>&1
    code=$?
    grep -E 'warning|error' "$log" | grep -v 'bytes spill'
    [ $code -eq 0 ] && ! grep -qE 'warning|error' "$log"
}
export -f compile

# A line for each kernel: architecture, file, name, registers, bytes spilled.
figures() {
    for log in "$out"/*.log; do
        awk -v file="$(basename "$log" .log)" '
            /Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; arch = part[4]; spilled = -1 }
            /bytes stack frame/ && spilled < 0 { spilled = $5 + 0 }
            /Used [0-9]+ registers/ {
                match($0, /Used [0-9]+/)
                print substr(arch, 4), file, kernel, substr($0, RSTART + 5, RLENGTH - 5), spilled
            }' "$log"
    done | sort
}

write=
case "${1:-}" in
--table) write=1 && set -- ;;
all) set -- 75 80 86 87 89 90a 100 ;;
esac
[ $# -gt 0 ] || set -- 80 90a
rm -f "$out"/*.log "$out"/*.o
code_for=$(for a in "$@"; do echo "-gencode arch=compute_$a,code=sm_$a"; done)
export nvcc out launcher code_for
# Those with most kernels first, so that no core waits for the last.
for f in cuda/*.cu; do
    echo "$(grep -c " $(basename "$f" .cu) " "$table") $f"
done | sort -rn | cut -d ' ' -f 2 | xargs -P "$(nproc)" -L 1 bash -c 'compile "$@"' compile
code=$?
version=$("$nvcc" --version | sed -nE 's/.*release [0-9.]+, (V[0-9.]+)/\1/p')
if [ -n "$write" ] && [ $code -eq 0 ]; then
    {
        echo "# Registers and bytes spilled of every kernel, by nvcc $version; written by tests/nvcc.sh --table."
        echo "# architecture file kernel registers spilled"
        figures
    } >"$table"
elif [ $code -eq 0 ] && grep -qs "nvcc $version;" "$table"; then
    figures | awk -v table="$table" '
        BEGIN { while ((getline line < table) > 0) if (split(line, f, " ") == 5) { r[f[1] f[3]] = f[4]; s[f[1] f[3]] = f[5] } }
        !(($1 $3) in r) { next }
        $4 + 0 > r[$1 $3] + 0 || $5 + 0 > s[$1 $3] + 0 {
            print "sm_" $1 ": " $3 ": error: " $4 " registers, " $5 " bytes spilled; the table has " r[$1 $3] ", " s[$1 $3]
            bad = 1
        }
        END { exit bad }' || code=1
fi
n=$(($(ls "$out"/*.o | wc -l) * $#))
[ $code -eq 0 ] && echo "$n passed, 0 failed" || echo "$n passed, 1 failed"
exit $code
