#!/bin/bash
# Passes all tests on a fresh Debian or Ubuntu machine: installs what they need, builds, runs. Prints a line for
# each part and closes with "N passed, N failed". WK_PARTS="unit lint" runs some parts only.
set -u
cd "$(dirname "$0")/.."
. .ci/packages.sh
need_build
need g++ clang libclang-rt-14-dev clang-format ninja-build libcriterion-dev python3 python3-pip binutils file procps
root=$PWD
jobs=$(nproc)
logs=build/test-logs
mkdir -p "$logs"
rm -rf "${logs:?}"/*
passed=0
failed=0
cases=0

# part NAME COMMAND...: runs it, its output into a log that is shown when it fails.
part() {
    name=$1
    shift
    case " ${WK_PARTS:-all} " in
    *" all "* | *" ${name%%-*} "*) ;;
    *) return 0 ;;
    esac
    start=$(date +%s)
    if "$@" >"$logs/$name.log" 2>&1; then
        passed=$((passed + 1))
        verdict=ok
    else
        failed=$((failed + 1))
        verdict=FAIL
    fi
    summary=$(grep -aE 'Tested:|[0-9]+ passed, [0-9]+ failed' "$logs/$name.log" | tail -n 1 | sed 's/\x1b\[[0-9;]*m//g')
    n=$(echo "$summary" | sed -nE 's/.*Tested: ([0-9]+).*/\1/p; s/.*[^0-9]?([0-9]+) passed.*/\1/p' | head -n 1)
    cases=$((cases + ${n:-0}))
    printf '%-4s %-22s %4d s  %s\n' "$verdict" "$name" $(($(date +%s) - start)) "$summary"
    if [ "$verdict" = FAIL ]; then
        grep -aE 'FAIL|error|ERROR|Error|failed|WARNING' "$logs/$name.log" | head -n 40
        echo "--- the end of $logs/$name.log"
        tail -n 25 "$logs/$name.log"
    fi
}

build() { # build FOLDER TARGET CMAKE-ARGUMENT...
    folder=$1
    target=$2
    shift 2
    cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DWK_TESTS=ON -DWK_WERROR=ON "$@" &&
        cmake --build "$folder" -j "$jobs" --target $target
}

unit() { # unit FOLDER [FILTER]
    WK_BUILD=$1 "$1/wick-tests" -j"$jobs" --timeout "${3:-240}" ${2:+--filter "$2"}
}

# Sanitizer findings go to files; any file is a failure, since a test that leaks still passes.
sanitized() { # sanitized FOLDER FILTER (plain: the suite of threads, without Criterion)
    rm -f "$root/$1"/finding.*
    export ASAN_OPTIONS=log_path=$root/$1/finding:exitcode=99:handle_segv=0:handle_abort=0:detect_leaks=1
    export UBSAN_OPTIONS=log_path=$root/$1/finding:print_stacktrace=1
    export TSAN_OPTIONS="log_path=$root/$1/finding:exitcode=99 suppressions=$root/tests/tsan.txt"
    export LSAN_OPTIONS=suppressions=$root/tests/lsan.txt
    output=$root/$1/output # UBSan's reports of test processes arrive here, not in files
    if [ "$2" = plain ]; then "$1/wick-threads"; else unit "$1" "$2" 600; fi >"$output" 2>&1
    code=$?
    cat "$output"
    if grep -aq 'runtime error' "$output"; then
        echo "error: undefined behaviour"
        return 1
    fi
    found=$(ls "$root/$1"/finding.* 2>/dev/null | wc -l)
    if [ "$found" -gt 0 ]; then
        head -n 60 "$root/$1"/finding.* | head -n 120
        echo "error: $found sanitizer reports"
        return 1
    fi
    return $code
}

echo "wick's tests; logs in $logs"
part build build build all
part unit-best unit build
if [ "$(uname -m)" = x86_64 ]; then
    # The suite of ops takes all instruction sets by itself; files and text are read by code that is compiled once.
    for isa in v2 v3; do
        part "unit-$isa" env WK_ISA=$isa WK_BUILD=build build/wick-tests -j"$jobs" --timeout 240 \
            --filter '!(ops|gguf|npy|npz|safetensors|tokenizer)/*'
    done
fi
part case tests/cases/run.sh build/wick-case
part program tests/program/run.sh build/wick
part cuda-shim tests/cuda_on_cpu/run.sh build
part cuda-asan tests/cuda_on_cpu/run.sh build sanitized
part nvcc tests/nvcc.sh
part lint tests/lint/run.sh build
part oneline tests/one_line_op.sh
part install tests/consumer/run.sh build
part clang build build-clang all -DCMAKE_C_COMPILER=clang -DWK_OPTIMIZE=0 # for its warnings
small="-DWK_OPTIMIZE=1 -DWK_PROGRAMS=OFF -DWK_WERROR=OFF"
part asan-build build build-asan wick-tests -DWK_SANITIZE=address,undefined $small
part asan sanitized build-asan '*/*'
best=$(build/wick doctor 2>/dev/null | sed -nE 's/^isa +//p') # the set that would be chosen
part tsan-build build build-tsan wick-threads -DWK_SANITIZE=thread $small ${best:+-DWK_ISAS=$best}
part tsan sanitized build-tsan plain
part arm64 tests/arm64.sh
echo "parts: $passed ok, $failed not"
[ "$failed" -eq 0 ] && echo "$cases passed, 0 failed" || echo "$cases passed, $failed failed"
[ "$failed" -eq 0 ]
