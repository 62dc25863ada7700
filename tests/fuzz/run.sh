#!/bin/sh
# Runs every harness here for SECONDS each (default 60) with ASan and UBSan; needs clang with libFuzzer.
# Usage: tests/fuzz/run.sh [SECONDS] [HARNESS...]; CC names the compiler, found inputs stay in build-fuzz/.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
cc=${CC:-clang}
build=build-fuzz
cmake -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER="$cc" -DWK_PROGRAMS=OFF \
    -DCMAKE_C_FLAGS="-O1 -g1 -fsanitize=fuzzer-no-link" -DWK_SANITIZE=address,undefined >/dev/null
ninja -C "$build" wick_static >"$build/build.log" || { tail "$build/build.log"; exit 1; }
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls *.c | sed 's/\.c$//')
status=0
for name in "$@"; do
    seeds="$build/$name-seeds"
    mkdir -p "$seeds" "$build/$name-corpus"
    case $name in
    gguf) cp tests/golden/io/*.gguf "$seeds" ;;
    safetensors) cp tests/golden/io/*.safetensors tests/golden/io/folder/*.safetensors "$seeds" ;;
    json_config) cp tests/golden/io/folder/*.json "$seeds" ;;
    esac
    "$cc" -std=c11 -D_GNU_SOURCE -g1 -O1 -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        "tests/fuzz/$name.c" -o "$build/fuzz-$name" "$build/libwick.a" -ljansson -lutf8proc -lz -lm -lpthread -ldl
    echo "== $name, $seconds s"
    "$build/fuzz-$name" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=1 -max_len=16384 -print_final_stats=1 \
        -artifact_prefix="$build/$name-found-" "$build/$name-corpus" "$seeds" 2>"$build/$name.log" || status=1
    grep -E 'ERROR|SUMMARY|stat::number_of_executed|stat::peak_rss|cov:' "$build/$name.log" | tail -5
done
exit $status
