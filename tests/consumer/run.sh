#!/bin/bash
# Installs the library into a private folder and builds a program outside the tree against it: through CMake's
# find_package, and through pkg-config, shared and static.
set -eu
build=$(realpath "$1")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/usr" >"$work/install.log"
cp CMakeLists.txt consumer.c "$work"
cmake -S "$work" -B "$work/b" -DCMAKE_PREFIX_PATH="$work/usr" >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
cmake --build "$work/b" >>"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
"$work/b/consumer"
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name wick.pc)")
cc -std=c11 "$work/consumer.c" $(pkg-config --cflags --libs wick) -o "$work/shared"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir wick) "$work/shared"
cc -std=c11 "$work/consumer.c" $(pkg-config --cflags wick) "$(pkg-config --variable=libdir wick)/libwick.a" \
    $(pkg-config --static --libs wick | sed 's/-lwick//') -o "$work/static"
"$work/static"
readelf -d "$(pkg-config --variable=libdir wick)/libwick.so" | grep -q 'SONAME.*libwick.so.0'
"$work/usr/bin/wick" --version
echo "4 passed, 0 failed"
