#!/bin/sh
# Builds wick for arm64 with a cross compiler and runs the op tests under qemu, as a current CPU and as a plain
# ARMv8.0 one: tests/arm64.sh [BUILD_DIR]. Installs nothing for arm64 on this machine: the packages wick needs are
# unpacked below the build folder, from package lists kept there too.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$here/build-arm64}
triple=aarch64-linux-gnu
. "$here/.ci/packages.sh"
need cmake make pkg-config dpkg gcc-$triple libc6-dev-arm64-cross qemu-user
mkdir -p "$build"
build=$(cd "$build" && pwd)
root=$build/sysroot

packages="libjansson-dev libutf8proc-dev zlib1g-dev"
if [ "$(cat "$root/complete" 2>/dev/null)" != "$packages" ]; then
    apt=$build/apt
    rm -rf "$root" "$apt"
    mkdir -p "$root" "$apt/lists/partial" "$apt/archives/partial" "$apt/sources"
    # The system's own sources; Ubuntu keeps arm64 on another host.
    cat /etc/apt/sources.list >"$apt/sources/all.list" 2>/dev/null || true
    cp /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources "$apt/sources/" 2>/dev/null || true
    for f in "$apt"/sources/*; do
        sed -i -e '/^Architectures:/d' -e 's/\[arch=[^]]*\]//' \
            -e 's#http://[a-z.]*archive.ubuntu.com/ubuntu#http://ports.ubuntu.com/ubuntu-ports#' \
            -e 's#http://security.ubuntu.com/ubuntu#http://ports.ubuntu.com/ubuntu-ports#' "$f"
    done
    : >"$apt/status"
    set -- -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State::Lists=$apt/lists" \
        -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt" -o "Dir::Etc::SourceList=/dev/null" \
        -o "Dir::Etc::SourceParts=$apt/sources" -o APT::Sandbox::User=
    apt-get "$@" update
    # Names of today's packages; only their headers and static libraries are used.
    (cd "$apt" && apt-get "$@" download $packages)
    for deb in "$apt"/*.deb; do
        dpkg -x "$deb" "$root"
    done
    rm -f "$root"/usr/lib/$triple/*.so
    echo "$packages" >"$root/complete"
fi

export PKG_CONFIG_LIBDIR="$root/usr/lib/$triple/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root"
cmake -S "$here" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_C_COMPILER=$triple-gcc -DCMAKE_FIND_ROOT_PATH="$root" -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER \
    -DWK_PROGRAMS=OFF -DWK_TESTS=OFF -DWK_OPTEST=ON -DWK_WERROR=ON >/dev/null
cmake --build "$build" -j"$(nproc)" --target wick-optest

# max has every extension qemu knows, cortex-a53 none beyond ARMv8.0; one beside the other.
for cpu in max cortex-a53; do
    QEMU_CPU=$cpu qemu-aarch64 -L /usr/$triple "$build/wick-optest" >"$build/$cpu.log" 2>&1 &
    running="${running:-} $!"
done
code=0
for pid in $running; do wait "$pid" || code=1; done
for cpu in max cortex-a53; do
    echo "== $cpu"
    cat "$build/$cpu.log"
done
exit $code
