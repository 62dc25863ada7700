#!/bin/bash
# Builds the CUDA backend for the host, tests/cuda_on_cpu/build.sh FOLDER [FLAG...]: FOLDER/libwick_cuda.so.0, which
# wick opens as "cuda:0" where WK_MODULE_PATH is FOLDER. Needs g++ alone.
set -eu
cd "$(dirname "$0")/../.."
folder=$1
shift
mkdir -p "$folder"
launcher=$(command -v ccache || true)
flags="-O1 -g1 -fPIC -D_GNU_SOURCE -I. -Itests/cuda_on_cpu -fvisibility=hidden -ffp-contract=off -fno-math-errno
    -Wall -Wextra -Werror -Wno-unknown-pragmas -DWK_SOLVER_LEAST=3 $*" # the small matrices of the cases meet cuSOLVER
one() { # one SOURCE COMPILER-ARGUMENT...
    source=$1
    shift
    object=$folder/$(basename "$source").o
    $launcher "$@" $flags -c "$source" -o "$object"
}
export -f one
export folder flags launcher
{
    for f in cuda/*.cu tests/cuda_on_cpu/*.cu tests/cuda_on_cpu/*.cc; do echo "$f g++ -std=c++17 -x c++"; done
    echo "cuda/table.c gcc -std=c11"
} | xargs -P "$(nproc)" -L 1 bash -c 'one "$@"' one
g++ $flags -shared -o "$folder/libwick_cuda.so.0" $(ls "$folder"/*.o | grep -v 'planted\|intrinsics')
g++ $flags -o "$folder/planted" "$folder"/planted.cu.o "$folder"/{block,fiber,matrix,runtime}.cc.o
g++ $flags -o "$folder/intrinsics" "$folder"/intrinsics.cu.o "$folder"/{block,fiber,matrix,runtime}.cc.o
