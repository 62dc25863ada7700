#!/bin/bash
# From a fresh Debian or Ubuntu machine to text written by a real model on the CPU: installs what building takes,
# builds wick into build/, fetches SmolLM2-135M-Instruct (98 MB) into the user's cache folder, asks it a question.
# Arguments, if any, are the question.
set -eu
cd "$(dirname "$0")/.."
. .ci/packages.sh
need_build
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "building wick (about a minute)" >&2
if ! { cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build -j "$(nproc)"; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "the build failed; its last lines are above" >&2
    exit 1
fi
model=$(samples/model.sh)
question="${*:-Explain in a few sentences why the sky is blue.}"
echo "> $question" >&2
build/wick chat -m "$model" -p "$question" -n 160 --temp 0.3 --seed 1
echo "talk to it: build/wick chat -m $model" >&2
